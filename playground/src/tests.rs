//! Tests of scripts, one after the other: each request runs some more.

use crate::Refusal;
use crate::caller::CallerAct;
use crate::fault;
use crate::files::Files;
use crate::services::Services;
use agi_rhai::Host;
use agi_rhai::command::Value;
use agi_rhai::internals::NO_SQL;
use agi_rhai::script::LoadError;
use agi_rhai::tools::testing::{LastCall, Report, Suite, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tests to begin with.
#[derive(Debug, Deserialize)]
pub struct Begin {
    #[serde(default)]
    files: Files,
    /// The files of tests.
    tests: Vec<String>,
    #[serde(default, deserialize_with = "crate::play::seed")]
    seed: u64,
    /// How many of the first tests are left out, since they have run before.
    #[serde(default)]
    from: usize,
    /// How many to run now.
    #[serde(default)]
    count: usize,
}

/// Tests to go on with.
#[derive(Debug, Deserialize)]
pub struct GoOn {
    /// The files, as they were at the beginning.
    #[serde(default)]
    files: Files,
    /// How many to run now.
    count: usize,
}

/// A test.
#[derive(Clone, Debug, Serialize)]
pub struct Test {
    file: String,
    /// Its name, without `test_`.
    name: String,
    line: Option<usize>,
}

/// What came of a test.
#[derive(Debug, Serialize)]
struct TestResult {
    #[serde(flatten)]
    test: Test,
    passed: bool,
    /// How many calls it has placed, and how long they took by their own clock, in milliseconds.
    calls: usize,
    length: u64,
    seed: u64,
    failure: Option<Json>,
    /// Its last call.
    call: Option<Json>,
}

/// What came of the tests.
#[derive(Debug, Serialize)]
pub struct Ran {
    /// All tests, whether they have run or not.
    tests: Vec<Test>,
    /// The files whose tests can't run: name and fault.
    faults: Vec<(String, Json)>,
    /// Those that ran now.
    results: Vec<TestResult>,
    /// How many are still to run.
    left: usize,
    /// The lines of each script that can run, and whether they did: in all tests so far.
    coverage: Vec<(String, Vec<(usize, bool)>)>,
}

struct Run {
    runner: TestRunner,
    suites: Vec<Suite>,
    tests: Vec<Test>,
    faults: Vec<(String, Json)>,
    /// The tests still to run: their suites and names.
    queue: VecDeque<(usize, Test)>,
    seed: u64,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Begins with the tests of some files.
pub fn begin(request: Begin) -> Result<Ran, Refusal> {
    let Begin { files, tests: names, seed, from, count } = request;
    files.give();
    let runner = TestRunner::new(Host::new(), None);
    let (mut suites, mut faults, mut queue) = (Vec::new(), Vec::new(), VecDeque::new());
    for file in names {
        match runner.suite(&PathBuf::from(&file)) {
            Ok(suite) => {
                for name in suite.tests() {
                    let test = Test { file: file.clone(), name: name.clone(), line: suite.line(name) };
                    queue.push_back((suites.len(), test));
                }
                suites.push(suite);
            }
            Err(LoadError::Fault(fault)) => faults.push((file, fault::object(&fault))),
            Err(error) => return Err(format!("{file}: {error:#}")),
        }
    }
    let tests = queue.iter().map(|(_, test)| test.clone()).collect();
    queue.drain(..from.min(queue.len()));
    RUN.set(Some(Run { runner, suites, tests, faults, queue, seed }));
    run(count)
}

/// Runs further tests.
pub fn go_on(request: GoOn) -> Result<Ran, Refusal> {
    request.files.give();
    run(request.count)
}

fn run(count: usize) -> Result<Ran, Refusal> {
    RUN.with_borrow_mut(|run| {
        let run = run.as_mut().ok_or("no tests have begun")?;
        let mut results = Vec::new();
        for (suite, test) in run.queue.drain(..count.min(run.queue.len())) {
            let suite = &run.suites[suite];
            agi_rhai::internals::sandbox::restart();
            results.push(result(test.clone(), run.runner.run(suite, &test.name, suite.seed(run.seed, &test.name))));
        }
        let coverage = run.runner.coverage().into_iter().map(|covered| (covered.script, covered.lines));
        Ok(Ran {
            tests: run.tests.clone(),
            faults: run.faults.clone(),
            results,
            left: run.queue.len(),
            coverage: coverage.collect(),
        })
    })
}

fn result(test: Test, report: Report) -> TestResult {
    let failure = report.failure.as_deref().map(|failure| {
        json!({
            "message": failure.message,
            // It fails here, and elsewhere may not.
            "lacks_sql": failure.message.contains(NO_SQL),
            "in_test": fault::object(failure.in_test()),
            "of_script": failure.of_script().map(fault::object),
            "position": failure.position().map(fault::object),
            "printed": failure.printed(),
            "rendered": failure.render(false),
        })
    });
    TestResult {
        test,
        passed: report.failure.is_none(),
        calls: report.calls,
        length: millis(report.length),
        seed: report.seed,
        failure,
        call: report.last_call.as_ref().map(call),
    }
}

/// Returns a call as `play` takes it.
fn call(call: &LastCall) -> Json {
    let acts: Vec<CallerAct> = call.acts.iter().filter_map(|(at, act)| CallerAct::of(*at, act)).collect();
    let options = &call.options;
    let written = options.iter().filter_map(|(name, value)| Some((name.to_string(), option(name, value)?)));
    let written: Map<String, Json> = written.collect();
    json!({
        "script": name(&call.script),
        // As text: it may be larger than a number of JavaScript.
        "seed": call.seed.to_string(),
        "call": written,
        "acts": acts,
        "services": Services::again(&call.asked).0,
        "length": millis(call.length),
        // Elsewhere, nothing stands in for parts of the dialplan, and services answer at once.
        "alone": written.len() == options.len() && !call.is_slow,
    })
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Returns an option of a call as JSON: numbers as texts where either will do. What stands in for a part of the dialplan
/// is left out: it may be a function.
fn option(name: &str, value: &Value) -> Option<Json> {
    match (name, value) {
        ("applications" | "subroutines" | "functions", _) => None,
        ("ring_seconds" | "dial_seconds", Value::Float(seconds)) => Some((*seconds).into()),
        ("ring_seconds" | "dial_seconds" | "gone_at", Value::Int(number)) => Some((*number).into()),
        ("dial_status", Value::Text(status)) => Some(json!([status])),
        _ => text(value),
    }
}

fn text(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Nothing => "".into(),
        Value::Bool(flag) => flag.to_string().into(),
        Value::Int(number) => number.to_string().into(),
        Value::Float(number) => number.to_string().into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().filter_map(text).collect(),
        Value::Map(items) => {
            Json::Object(items.iter().filter_map(|(name, item)| Some((name.to_string(), text(item)?))).collect())
        }
        _ => return None,
    })
}
