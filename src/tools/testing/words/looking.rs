//! Words that look at a call.

use crate::pbx::Channel;
use crate::tools::testing::args::{Args, WordResult, text_or_unit, texts};
use crate::tools::testing::test::Test;
use crate::tools::testing::test_call::TestCall;
use rhai::Array;
use std::sync::Arc;

pub fn log(test: &Arc<Test>, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("log")?.line().state();
    Ok(texts(state.log.iter().map(|line| &line.text)))
}

/// Returns the value of a variable, or of what tests query like a variable.
pub(super) fn value_of(call: &TestCall, name: &str) -> Option<String> {
    let state = call.line().state();
    let channel = state.channel.as_ref()?;
    let (context, extension, priority) = channel.position();
    match name {
        "CONTEXT" => Some(context.to_owned()),
        "EXTEN" => Some(extension.to_owned()),
        "PRIORITY" => Some(priority.to_string()),
        _ => channel.snapshot(state.now).get_variable(name),
    }
}

pub fn variable(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let name = args.word(0)?;
    Ok(text_or_unit(value_of(test.state().call("variable")?, &name)))
}

pub fn executed(test: &Arc<Test>, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("executed")?.line().state();
    let executed = state.channel.as_ref().map(Channel::executed).unwrap_or_default();
    let shown = executed.iter().map(|(application, arguments)| format!("{application}({arguments})").into());
    Ok(shown.collect::<Array>().into())
}

pub fn database(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    Ok(text_or_unit(test.database.get(&args.word(0)?, &args.word(1)?)))
}

pub fn ending(test: &Arc<Test>, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("ending")?.line().state();
    Ok(text_or_unit(state.ended.as_ref().map(|ended| ended.status.to_owned())))
}

pub fn seconds(test: &Arc<Test>, _: &mut Args<'_, '_>) -> WordResult {
    let mut state = test.state();
    let state = state.call("seconds")?.line().state();
    Ok((state.now - state.began).as_secs_f64().into())
}
