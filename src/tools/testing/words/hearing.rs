//! Words for what the caller hears.

use crate::tools::testing::args::{Args, WordError, WordResult, texts, unmet};
use crate::tools::testing::line_state::Goal;
use crate::tools::testing::prompt::Prompt;
use crate::tools::testing::test::{Step, StepResult, Test};
use crate::tools::testing::test_call::why_nothing_comes;
use rhai::{Dynamic, INT};
use std::sync::Arc;

/// Lets time pass until the next prompt like this begins, or any prompt.
pub(super) fn heard_next(
    test: &Arc<Test>,
    word: &'static str,
    like: Option<String>,
    then: impl FnOnce(&Arc<Test>, Option<Prompt>) -> StepResult + Send + 'static,
) -> StepResult {
    let find = move |test: &Test| -> Result<_, WordError> {
        let mut state = test.state();
        let call = state.call(word)?;
        let goal = Goal::Prompt { after: call.line().state().heard.len(), like: like.clone() };
        Ok((call.find_prompt(like.as_deref()), goal))
    };
    match find(test)? {
        (None, goal) => Step::until(goal, move |test| {
            let (found, _) = find(test)?;
            then(test, found)
        }),
        (found, _) => then(test, found),
    }
}

pub fn wait_for(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let wanted = args.word(0)?;
    heard_next(test, "wait_for", Some(wanted.clone()), move |test, found| {
        if let Some(prompt) = found {
            return Ok(Step::Done(prompt.text.into()));
        }
        let mut state = test.state();
        let call = state.call("wait_for")?;
        let why = why_nothing_comes(&call.line().state());
        Err(unmet(format!("waited for the prompt `{wanted}`, but {why}"), call.hint_for_prompt(&wanted)))
    })
}

pub fn wait_for_question(test: &Arc<Test>, _: &mut Args<'_, '_>) -> StepResult {
    const WORD: &str = "wait_for_question";
    test.state().call(WORD)?;
    Step::until(Goal::Question, |test| {
        let mut state = test.state();
        let call = state.call(WORD)?;
        let state = call.line().state();
        if !state.is_listening {
            return Err(unmet(format!("waited for a question, but {}", why_nothing_comes(&state)), None));
        }
        let seen = state.heard.len();
        drop(state);
        call.seen = seen;
        Ok(Step::DONE)
    })
}

pub fn next_prompt(test: &Arc<Test>, _: &mut Args<'_, '_>) -> StepResult {
    heard_next(test, "next_prompt", None, |test, found| {
        if let Some(prompt) = found {
            return Ok(Step::Done(prompt.text.into()));
        }
        let mut state = test.state();
        let state = state.call("next_prompt")?.line().state();
        match state.ended {
            Some(_) => Ok(Step::DONE),
            None => Err(unmet(format!("waited for the next prompt, but {}", why_nothing_comes(&state)), None)),
        }
    })
}

/// Waits for the next spoken digits that can be read.
fn next_spoken(test: &Arc<Test>, word: &'static str, read: fn(&str) -> Option<Dynamic>) -> StepResult {
    heard_next(test, word, None, move |test, found| {
        let Some(prompt) = found else {
            let why = why_nothing_comes(&test.state().call(word)?.line().state());
            return Err(unmet(format!("waited for a number to be spoken, but {why}"), None));
        };
        match spoken(&prompt.text).and_then(read) {
            Some(found) => Ok(Step::Done(found)),
            None => next_spoken(test, word, read),
        }
    })
}

/// Returns the digits of a spoken number.
pub(super) fn spoken(prompt: &str) -> Option<&str> {
    prompt.strip_prefix("number ").or_else(|| prompt.strip_prefix("digits "))
}

pub fn next_number(test: &Arc<Test>, _: &mut Args<'_, '_>) -> StepResult {
    next_spoken(test, "next_number", |text| text.parse::<INT>().ok().map(Dynamic::from))
}

pub fn next_digits(test: &Arc<Test>, _: &mut Args<'_, '_>) -> StepResult {
    next_spoken(test, "next_digits", |text| Some(text.to_owned().into()))
}

pub fn heard(test: &Arc<Test>, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("heard")?.line().state();
    Ok(texts(state.heard.iter().map(|prompt| &prompt.text)))
}
