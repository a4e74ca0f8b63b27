//! Words that look at a call.

use crate::tools::testing::args::{Args, WordResult, text_or_unit, texts};
use crate::tools::testing::test::Test;
use crate::tools::testing::test_call::TestCall;

pub fn log(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("log")?.line().state();
    Ok(texts(state.log.iter().map(|line| &line.text)))
}

/// Returns the value of a variable, or of what tests query like a variable.
pub(super) fn value_of(call: &TestCall, name: &str) -> Option<String> {
    let state = call.line().state();
    let position = &state.position;
    match name {
        "CHANNEL(state)" => Some(state.channel.to_owned()),
        "CONTEXT" => Some(position.0.clone()),
        "EXTEN" => Some(position.1.clone()),
        "PRIORITY" => Some(position.2.to_string()),
        _ => call.variables.get(name),
    }
}

pub fn variable(test: &Test, args: &mut Args<'_, '_>) -> WordResult {
    let name = args.word(0)?;
    Ok(text_or_unit(value_of(test.state().call("variable")?, &name)))
}

pub fn database(test: &Test, args: &mut Args<'_, '_>) -> WordResult {
    Ok(text_or_unit(test.database.get(&args.word(0)?, &args.word(1)?)))
}

pub fn ending(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("ending")?.line().state();
    Ok(text_or_unit(state.ended.as_ref().map(|ended| ended.status.to_owned())))
}

pub fn seconds(test: &Test, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("seconds")?.line().state();
    Ok((state.now - state.began).as_secs_f64().into())
}
