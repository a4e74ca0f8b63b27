//! Words for what the caller hears.

use crate::tools::testing::args::{Args, WordError, WordResult, texts, unmet};
use crate::tools::testing::line_state::Goal;
use crate::tools::testing::test::Test;
use crate::tools::testing::test_call::why_nothing_comes;
use rhai::{Dynamic, INT};

pub fn wait_for(test: &Test, args: &mut Args<'_, '_>) -> WordResult {
    let wanted = args.word(0)?;
    let mut state = test.state();
    let call = state.call("wait_for")?;
    if let Some(prompt) = call.next_prompt(Some(&wanted)) {
        return Ok(prompt.text.into());
    }
    let why = why_nothing_comes(&call.line().state());
    Err(unmet(format!("waited for the prompt `{wanted}`, but {why}"), call.hint_for_prompt(&wanted)))
}

pub fn wait_for_question(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let call = state.call("wait_for_question")?;
    call.line().run_until(Goal::Question);
    let state = call.line().state();
    if !state.is_listening {
        return Err(unmet(format!("waited for a question, but {}", why_nothing_comes(&state)), None));
    }
    let seen = state.heard.len();
    drop(state);
    call.seen = seen;
    Ok(Dynamic::UNIT)
}

pub fn next_prompt(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let call = state.call("next_prompt")?;
    match call.next_prompt(None) {
        Some(prompt) => Ok(prompt.text.into()),
        None if call.line().state().ended.is_some() => Ok(Dynamic::UNIT),
        None => {
            Err(unmet(format!("waited for the next prompt, but {}", why_nothing_comes(&call.line().state())), None))
        }
    }
}

/// Waits for the next spoken digits that can be read.
fn next_spoken<T>(test: &Test, word: &str, read: fn(&str) -> Option<T>) -> Result<T, WordError> {
    let mut state = test.state();
    let call = state.call(word)?;
    loop {
        let Some(prompt) = call.next_prompt(None) else {
            let why = why_nothing_comes(&call.line().state());
            return Err(unmet(format!("waited for a number to be spoken, but {why}"), None));
        };
        if let Some(found) = spoken(&prompt.text).and_then(read) {
            return Ok(found);
        }
    }
}

/// Returns the digits of a spoken number.
pub(super) fn spoken(prompt: &str) -> Option<&str> {
    prompt.strip_prefix("number ").or_else(|| prompt.strip_prefix("digits "))
}

pub fn next_number(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    next_spoken(test, "next_number", |text| text.parse::<INT>().ok()).map(Dynamic::from)
}

pub fn next_digits(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    next_spoken(test, "next_digits", |text| Some(text.to_owned())).map(Dynamic::from)
}

pub fn heard(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("heard")?.line().state();
    Ok(texts(state.heard.iter().map(|prompt| &prompt.text)))
}
