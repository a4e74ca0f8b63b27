//! Words for what the caller does.

use crate::command::Value;
use crate::pbx::{Act, Digit, Utterance};
use crate::tools::testing::args::WordError;
use crate::tools::testing::args::{Args, WordResult};
use crate::tools::testing::line_state::Goal;
use crate::tools::testing::test::{Step, StepResult, Test};
use std::sync::Arc;
use std::time::Duration;

const WANTED_OF_SPEECH: &str = "a map such as `#{ heard: \"guess\", confidence: 0.3 }`";

pub fn press(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let keys = args.word(0)?;
    let interval = if args.has(1) { args.duration(1)? } else { Duration::from_millis(100) };
    let keys = read_keys(&keys).map_err(|letter| {
        WordError::Misuse(format!("press: `{letter}` is not a key of a telephone; the keys are 0-9, *, # and A-D"))
    })?;
    act(test, "press", keys, interval)
}

/// Lets the caller do something now.
fn act(test: &Test, word: &str, acts: Vec<Act>, interval: Duration) -> StepResult {
    test.state().active_call(word)?.line().plan(acts.into_iter(), interval);
    Step::until(Goal::Actions, |_| Ok(Step::DONE))
}

pub fn send_text(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let message = args.text(0)?;
    act(test, "send_text", vec![Act::Says(message)], Duration::ZERO)
}

pub fn speak(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let said = args.word(0)?;
    let mut utterance = Utterance::clear(&said);
    if args.has(1) {
        let Value::Map(options) = args.value(1) else { return Err(args.misuse(1, WANTED_OF_SPEECH)) };
        for (name, value) in &options {
            match (name.as_ref(), value) {
                ("heard", Value::Text(heard)) => utterance.heard.clone_from(heard),
                ("confidence", value) => {
                    utterance.confidence = percent(value).ok_or_else(|| args.misuse(1, WANTED_OF_SPEECH))?;
                }
                _ => return Err(args.misuse(1, WANTED_OF_SPEECH)),
            }
        }
    }
    act(test, "speak", vec![Act::Speaks(utterance)], Duration::ZERO)
}

/// Reads a number from 0 to 1 as a percentage.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
fn percent(value: &Value) -> Option<u8> {
    let share = match value {
        Value::Int(share @ (0 | 1)) => f64::from(u8::try_from(*share).ok()?),
        Value::Float(share) if (0.0..=1.0).contains(share) => *share,
        _ => return None,
    };
    Some((share * 100.0).round() as u8)
}

pub fn hang_up(test: &Arc<Test>, _: &mut Args<'_, '_>) -> StepResult {
    test.state().active_call("hang_up")?;
    test.hang_up(|_| Ok(Step::DONE))
}

pub fn wait(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let length = args.duration(0)?;
    let until = test.state().call("wait")?.line().state().now + length;
    Step::until(Goal::Moment(until), move |test| {
        // Time also passes after the end of a call, before the next one.
        let mut state = test.state();
        let mut line = state.call("wait")?.line().state();
        line.now = line.now.max(until);
        Ok(Step::DONE)
    })
}

/// Refuses a word that only a function that stands in for something can use.
fn only_in_stand_ins(args: &Args<'_, '_>, instead: &str) -> WordResult {
    let word = args.function.name;
    let problem = "plays Asterisk's part: it works only in a function that stands in for an application, a subroutine or a \
                   function of the dialplan";
    Err(WordError::Misuse(format!("{word} {problem}; {instead}")))
}

pub fn set_variable(_: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    only_in_stand_ins(args, "`place_call(script, #{ variables: #{ NAME: 1 } })` sets variables before a call")
}

pub fn go_to(_: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    only_in_stand_ins(args, "`variable(\"CONTEXT\")` and `variable(\"EXTEN\")` say where the dialplan goes on")
}

/// Returns the keys in a text, or the first character that isn't a key.
fn read_keys(text: &str) -> Result<Vec<Act>, char> {
    text.chars().map(|letter| Digit::new(letter).map(Act::Key).ok_or(letter)).collect()
}
