//! The word that places a call.

use crate::pbx::IncomingCall;
use crate::script::LoadError;
use crate::tools::testing::args::{Args, WordError, WordResult, unmet};
use crate::tools::testing::call_options::CallOptions;
use crate::tools::testing::call_thread::{CallSetup, CallThread};
use crate::tools::testing::expectation::FailedExpectation;
use crate::tools::testing::line::Line;
use crate::tools::testing::stand_in::TestFunctions;
use crate::tools::testing::test::Test;
use crate::tools::testing::test_call::TestCall;
use rhai::Dynamic;
use std::sync::Arc;

pub fn place_call(test: &Test, args: &mut Args<'_, '_>) -> WordResult {
    let name = args.word(0)?;
    let mut state = test.state();
    let state = &mut *state;
    if let Some(call) = &mut state.call {
        call.finish();
        if let Some(failed) = call.take_failed_in_stand_in().or_else(|| call.unexpected_failure()) {
            return Err(WordError::Unmet(Box::new(failed)));
        }
    }
    state.put_away();
    let path = test.find(&name).map_err(|problem| WordError::Misuse(format!("place_call: {problem}")))?;
    let prepared = test.scripts.prepare(&path).map_err(|error| match error {
        LoadError::Fault(fault) => WordError::Unmet(Box::new(FailedExpectation {
            message: format!("{name} cannot be called: {}", fault.message),
            fault: Some(fault),
            ..FailedExpectation::default()
        })),
        error @ LoadError::Missing(..) => WordError::Misuse(format!("place_call: {error:#}")),
    })?;
    state.calls += 1;
    let number = i64::try_from(state.calls).unwrap_or(0);
    let request = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let uniqueid = format!("1700000000.{number}");
    let call = IncomingCall { request, uniqueid, ..IncomingCall::default() };
    // As with real calls, each call draws its own random numbers.
    let seed = test.seed.wrapping_add(number.cast_unsigned() - 1);
    let given = args.value(1);
    let raw = args.values.get(1).map(|given| (&**given, args.context));
    let options = CallOptions::read_with_functions(&given, raw, call, seed);
    let options = options.map_err(|problem| WordError::Misuse(format!("place_call: {problem}")))?;
    if state.captures {
        state.captured = Some((path, given));
        return Err(unmet("a storm takes this call from here on", None));
    }
    let now = options.time.unwrap_or(state.now);
    state.time_zone = options.zone.clone();
    options.fill(&test.database);
    let mut sounds = Arc::clone(&prepared.sounds);
    if !options.missing.is_empty() || !state.recordings.is_empty() {
        let recorded = state.recordings.iter();
        let all = recorded.fold((*sounds).clone(), |sounds, (name, samples)| sounds.with(name, *samples));
        sounds = Arc::new(options.missing.iter().fold(all, |sounds, name| sounds.without(name)));
    }
    let call_args = options.call.args.clone();
    let functions = |line: &Arc<Line>| TestFunctions {
        script: Arc::clone(&test.script),
        scripts: Arc::clone(&test.scripts),
        line: Arc::clone(line),
    };
    let channel = |caller, functions: &TestFunctions| {
        options.channel(caller, Arc::clone(&sounds), test.database.clone(), Some(functions))
    };
    let setup = CallSetup {
        script: Arc::clone(&prepared.script),
        args: call_args,
        params: options.params.clone(),
        seed: options.seed,
    };
    let thread = CallThread::new(&test.scripts.host, now, channel, setup, Arc::clone(&test.services), functions);
    let thread = thread.map_err(|problem| WordError::Misuse(format!("place_call: {problem}")))?;
    state.call = Some(TestCall { thread, prepared, seen: 0, fault_is_expected: false, sounds, seed: options.seed });
    Ok(Dynamic::UNIT)
}
