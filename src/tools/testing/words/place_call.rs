//! The word that places a call.

use crate::command::Value;
use crate::pbx::IncomingCall;
use crate::script::LoadError;
use crate::session::Session;
use crate::tools::testing::args::{Args, WordError, unmet};
use crate::tools::testing::call_options::CallOptions;
use crate::tools::testing::expectation::FailedExpectation;
use crate::tools::testing::line::Line;
use crate::tools::testing::line_state::Goal;
use crate::tools::testing::ready_call::ReadyCall;
use crate::tools::testing::scripted_caller::ScriptedCaller;
use crate::tools::testing::stand_in::TestFunctions;
use crate::tools::testing::test::{Step, StepResult, Test};
use crate::tools::testing::test_call::TestCall;
use crate::tools::testing::watched::{CommandObserver, WatchedSimulator};
use crate::transport::Simulator;
use std::sync::Arc;

pub fn place_call(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let name = args.word(0)?;
    let given = args.value(1);
    let number = i64::try_from(test.state().calls).unwrap_or(0) + 1;
    let call = IncomingCall { uniqueid: format!("1700000000.{number}"), ..IncomingCall::default() };
    // As with real calls, each call draws its own random numbers.
    let seed = test.seed.wrapping_add(number.cast_unsigned() - 1);
    let options = read_options(args, call, seed);
    test.hang_up(move |test| {
        let mut state = test.state();
        if let Some(call) = &mut state.call
            && let Some(failed) = call.take_failed_in_stand_in().or_else(|| call.unexpected_failure())
        {
            return Err(WordError::Unmet(Box::new(failed)));
        }
        state.put_away();
        drop(state);
        place(test, &name, given, options)
    })
}

fn read_options(args: &Args<'_, '_>, call: IncomingCall, seed: u64) -> Result<CallOptions, String> {
    let raw = args.values.get(1).map(|given| (&**given, args.context));
    CallOptions::read_with_functions(&args.value(1), raw, call, seed)
}

/// Keeps the functions that are among the options of a call, which was placed by an earlier run of the test.
pub fn keep_functions(args: &Args<'_, '_>) {
    let _ = read_options(args, IncomingCall::default(), 0);
}

fn place(test: &Arc<Test>, name: &str, given: Value, options: Result<CallOptions, String>) -> StepResult {
    let misuse = |problem: String| WordError::Misuse(format!("place_call: {problem}"));
    let path = test.find(name).map_err(misuse)?;
    let prepared = test.scripts.prepare(&path).map_err(|error| match error {
        LoadError::Fault(fault) => WordError::Unmet(Box::new(FailedExpectation {
            message: format!("{name} cannot be called: {}", fault.message),
            fault: Some(fault),
            ..FailedExpectation::default()
        })),
        error @ LoadError::Missing(..) => misuse(format!("{error:#}")),
    })?;
    let mut state = test.state();
    let state = &mut *state;
    state.calls += 1;
    let mut options = options.map_err(misuse)?;
    options.call.request = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
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
    let mut host = test.scripts.host.clone();
    host.set_seed(options.seed);
    let line = Line::new(now);
    let functions = TestFunctions { given: Arc::clone(&test.functions), line: Arc::clone(&line) };
    let caller = ScriptedCaller { line: Arc::clone(&line), test: Arc::clone(test) };
    let channel = options.channel(Box::new(caller), Arc::clone(&sounds), test.database.clone(), Some(&functions));
    let watched = WatchedSimulator {
        simulator: Simulator::new(channel).with_commands(host.language().commands()),
        line: Arc::clone(&line),
        services: Arc::clone(&test.services),
        functions,
    };
    let mut session = Session::begin(Box::new(watched)).map_err(|error| misuse(error.to_string()))?;
    session.observe(Arc::new(CommandObserver(Arc::clone(&line))));
    let CallOptions { call, params, seed, zone, .. } = options;
    let script = Arc::clone(&prepared.script);
    state.ready = Some(ReadyCall { host, session, script, args: call.args, params, line: Arc::clone(&line) });
    state.call = Some(TestCall {
        line,
        prepared,
        seen: 0,
        fault_is_expected: false,
        sounds,
        seed,
        path,
        given,
        zone,
        database: test.database.entries(),
        asked_before: test.services.state().asked.len(),
    });
    Step::until(Goal::Actions, |_| Ok(Step::DONE))
}
