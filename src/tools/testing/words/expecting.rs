//! Words for what a test expects.

use super::hearing::{heard_next, spoken};
use super::looking::value_of;
use crate::command::Value;
use crate::script::{MAX_MESSAGE, quoted};
use crate::tools::testing::args::{Args, WordResult, as_text, shown, unmet};
use crate::tools::testing::line_state::Goal;
use crate::tools::testing::prompt::{Prompt, matches};
use crate::tools::testing::test::{Step, StepResult, Test};
use crate::tools::testing::test_call::{TestCall, why_nothing_comes};
use rhai::{Dynamic, INT};
use std::sync::Arc;

pub fn expect(_: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    judge(args)
}

/// Judges a condition.
pub(super) fn judge(args: &Args<'_, '_>) -> WordResult {
    let message = if args.has(1) { Some(args.text(1)?) } else { None };
    match args.value(0) {
        Value::Bool(true) => Ok(Dynamic::UNIT),
        Value::Bool(false) => {
            Err(unmet(message.unwrap_or_else(|| "expected this to be true, but it is false".to_owned()), None))
        }
        _ => Err(args.misuse(0, "true or false")),
    }
}

/// Whether two values are equal for tests, as 2 and 2.0 are.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "as Rhai compares them")]
        (Value::Int(one), Value::Float(other)) | (Value::Float(other), Value::Int(one)) => *one as f64 == *other,
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|((a, one), (b, other))| a == b && same(one, other))
        }
        _ => one == other,
    }
}

pub fn expect_equal(_: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    compare(args)
}

/// Compares two values.
pub(super) fn compare(args: &Args<'_, '_>) -> WordResult {
    let (actual, expected) = (args.value(0), args.value(1));
    if same(&actual, &expected) {
        return Ok(Dynamic::UNIT);
    }
    let hint = match (&actual, &expected) {
        (Value::Text(_), Value::Int(_) | Value::Float(_)) | (Value::Int(_) | Value::Float(_), Value::Text(_)) => {
            Some("one is text, the other a number: `to_number` turns text into a number".to_owned())
        }
        _ => None,
    };
    Err(unmet(format!("expected {}, but it is {}", shown(&expected), shown(&actual)), hint))
}

/// Waits for the next prompt, which must be the right one. `with_manner` says whether a failure shows in which format
/// and zone a date was said.
pub(super) fn expect_next(
    test: &Arc<Test>,
    word: &'static str,
    wanted: String,
    with_manner: bool,
    is_it: impl Fn(&Prompt) -> bool + Send + 'static,
    then: impl FnOnce(&Arc<Test>) -> StepResult + Send + 'static,
) -> StepResult {
    heard_next(test, word, None, move |test, found| {
        let mut state = test.state();
        let call = state.call(word)?;
        let message = match found {
            Some(prompt) if is_it(&prompt) => {
                drop(state);
                return then(test);
            }
            Some(prompt) => format!("expected {wanted}, but heard `{}`{}", prompt.text, prompt.manner(with_manner)),
            None => format!("expected {wanted}, but {}", why_nothing_comes(&call.line().state())),
        };
        let like = wanted.strip_prefix("the prompt `").map(|like| like.trim_end_matches('`'));
        Err(unmet(message, like.and_then(|like| call.hint_for_prompt(like))))
    })
}

/// The end of a word that has no value.
#[expect(clippy::unnecessary_wraps, reason = "it is what a word does then")]
pub(super) const fn done(_: &Arc<Test>) -> StepResult {
    Ok(Step::DONE)
}

pub fn expect_prompt(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let like = args.word(0)?;
    let wanted = format!("the prompt `{like}`");
    expect_next(test, "expect_prompt", wanted, false, move |prompt| matches(prompt, &like), done)
}

pub fn expect_number(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let Value::Int(number) = args.value(0) else { return Err(args.misuse(0, "a whole number")) };
    let is_it =
        move |prompt: &Prompt| spoken(&prompt.text).and_then(|digits| digits.parse::<INT>().ok()) == Some(number);
    expect_next(test, "expect_number", format!("the number {number}"), false, is_it, done)
}

/// Compares a value that Asterisk keeps, as text, with what the test expects.
pub(super) fn expect_text(what: &str, actual: Option<String>, expected: &Value) -> WordResult {
    let expected = as_text(expected);
    if actual == expected {
        return Ok(Dynamic::UNIT);
    }
    let shown = |text: Option<String>| text.map_or_else(|| "unset".to_owned(), |text| quoted(&text, MAX_MESSAGE));
    let (expected, actual) = (shown(expected), shown(actual));
    Err(unmet(format!("expected {what} to be {expected}, but it is {actual}"), None))
}

pub fn expect_variable(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let name = args.word(0)?;
    let actual = value_of(test.state().call("expect_variable")?, &name);
    expect_text(&format!("the variable {name}"), actual, &args.value(1))
}

pub fn expect_database(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let (family, key) = (args.word(0)?, args.word(1)?);
    expect_text(&format!("{family}/{key} in AstDB"), test.database.get(&family, &key), &args.value(2))
}

pub fn expect_log(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let wanted = args.word(0)?;
    let mut state = test.state();
    let state = state.call("expect_log")?.line().state();
    if state.log.iter().any(|line| line.text.contains(&wanted)) {
        return Ok(Dynamic::UNIT);
    }
    let lines = match state.log.len() {
        0 => "the log is empty".to_owned(),
        1 => "its only line does not contain it".to_owned(),
        lines => format!("none of its {lines} lines contains it"),
    };
    Err(unmet(format!("expected {} in the script's log, but {lines}", quoted(&wanted, MAX_MESSAGE)), None))
}

pub fn expect_end(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let wanted = if args.has(0) { args.text(0)? } else { "SUCCESS".to_owned() };
    if !["SUCCESS", "HANGUP", "FAILURE"].contains(&wanted.as_str()) {
        return Err(args.misuse(0, r#""SUCCESS", "HANGUP" or "FAILURE""#));
    }
    at_end(test, "expect_end", move |call| {
        call.fault_is_expected |= wanted == "FAILURE";
        let state = call.line().state();
        match &state.ended {
            Some(ended) if ended.status == wanted => Ok(Step::DONE),
            _ => Err(unmet(format!("expected the call to end with {wanted}, but {}", why_nothing_comes(&state)), None)),
        }
    })
}

/// Lets the call run to its end.
fn at_end(
    test: &Arc<Test>,
    word: &'static str,
    then: impl FnOnce(&mut TestCall) -> StepResult + Send + 'static,
) -> StepResult {
    test.state().call(word)?;
    Step::until(Goal::End, move |test| {
        let mut state = test.state();
        let call = state.call(word)?;
        let seen = call.line().state().heard.len();
        call.seen = seen;
        then(call)
    })
}

pub fn expect_fault(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let wanted = args.text(0)?;
    at_end(test, "expect_fault", move |call| {
        call.fault_is_expected = true;
        let state = call.line().state();
        match state.ended.as_ref().and_then(|ended| ended.fault.as_ref()) {
            Some(fault) if fault.message.contains(&wanted) => Ok(Step::DONE),
            _ => Err(unmet(
                format!("expected a fault with {}, but {}", quoted(&wanted, MAX_MESSAGE), why_nothing_comes(&state)),
                None,
            )),
        }
    })
}
