//! Runs tests, and reports how each went and which lines ran.

use super::call_setup::CallSetup;
use super::call_thread::STACK_SIZE;
use super::log::Log;
use super::report::{CallSnapshot, Failure};
use super::samples::Samples;
use super::scripts::Scripts;
use super::suite::Suite;
use super::test::{Test, TestTransport};
use crate::command::Value;
use crate::host::Host;
use crate::script::{CallState, Fault, Finished, Language, Limit, LoadError, Script};
use crate::session::Session;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;

/// Runs tests. It keeps what they share: the scripts they call, compiled once, and which of their lines ran.
///
/// ```
/// use agi_rhai::Host;
/// use agi_rhai::tools::testing::TestRunner;
///
/// let runner = TestRunner::new(Host::new(), Some("scripts".into()));
/// let text = r#"
///     fn test_a_caller_may_hang_up_at_once() {
///         place_call("guess");
///         hang_up();
///         expect_end("HANGUP");
///     }
/// "#;
/// let suite = runner.suite_of("hangup.test.rhai".as_ref(), text)?;
/// for test in suite.tests() {
///     let report = runner.run(&suite, test, 1);
///     assert!(report.failure.is_none());
/// }
/// # Ok::<(), Box<agi_rhai::Fault>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TestRunner(Arc<Scripts>);

/// The result of a test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The seed of its random numbers.
    pub seed: u64,
    /// How long its calls took, by their own clock.
    pub length: Duration,
    /// The number of calls that it placed.
    pub calls: usize,
    /// Why it failed, if it did.
    pub failure: Option<Box<Failure>>,
}

/// The first call of a test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FirstCall {
    /// The script that it calls.
    pub script: PathBuf,
    /// The options of the call.
    pub setup: CallSetup,
}

/// Which lines of a script ran in the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Covered {
    /// The path of the script.
    pub script: String,
    /// The numbers of the lines that can run, from 1, and whether each did.
    pub lines: Vec<(usize, bool)>,
}

impl TestRunner {
    /// Creates a runner that calls scripts with this host. It searches for them beside each test, then in this
    /// folder.
    pub fn new(host: Host, folder: Option<PathBuf>) -> Self {
        let scripts = Mutex::default();
        let mut language = Language::of_tests();
        if let Some(memory) = host.memory() {
            language.set_memory(memory);
        }
        Self(Arc::new(Scripts { host, language, folder, prepared: scripts }))
    }

    /// Reads and compiles a file of tests.
    ///
    /// # Errors
    /// The file is missing or has a fault.
    pub fn suite(&self, path: &Path) -> Result<Suite, LoadError> {
        let script = Script::load(path, self.0.folder.as_deref(), &self.0.language)?;
        Ok(Suite::new(path.to_owned(), script))
    }

    /// Compiles the text of a file of tests. The file need not exist; only its folder matters.
    ///
    /// # Errors
    /// The text has a fault.
    pub fn suite_of(&self, path: &Path, text: &str) -> Result<Suite, Box<Fault>> {
        let script = Script::compile(&path.to_string_lossy(), text, &self.0.language)?;
        Ok(Suite::new(path.to_owned(), script))
    }

    /// Runs one test. The same seed gives the same random numbers, in the test and in its calls.
    pub fn run(&self, suite: &Suite, test: &str, seed: u64) -> Report {
        self.finish(suite, test, seed, &Test::new(&self.0, suite, seed))
    }

    /// Runs a test up to its first call, and returns that call without placing it.
    ///
    /// # Errors
    /// The test fails before, or places no call; then there is no failure to return.
    pub fn first_call(&self, suite: &Suite, test: &str, seed: u64) -> Result<FirstCall, Option<Box<Failure>>> {
        let running = Test::new(&self.0, suite, seed);
        running.state().captures = true;
        let report = self.finish(suite, test, seed, &running);
        let Some((script, options)) = running.state().captured.take() else { return Err(report.failure) };
        let options = if let Value::Map(options) = options { options } else { Vec::new() };
        CallSetup::new(options).map(|setup| FirstCall { script, setup }).map_err(|_| report.failure)
    }

    /// Runs all tests of a file, and returns what they answered in the place of services, as samples. Whether they pass
    /// doesn't matter.
    pub fn samples(&self, suite: &Suite, seed: u64) -> Samples {
        let mut samples = Samples::default();
        for test in suite.tests() {
            let running = Test::new(&self.0, suite, seed);
            self.finish(suite, test, seed, &running);
            samples.add(std::mem::take(&mut running.services.state().asked));
        }
        samples
    }

    fn finish(&self, suite: &Suite, test: &str, seed: u64, running: &Arc<Test>) -> Report {
        // With the stack of a call, whatever this thread has.
        let finished = std::thread::scope(|scope| {
            let play = || self.run_on_this_thread(suite, test, seed, running);
            let thread = Builder::new().name("test".to_owned()).stack_size(STACK_SIZE).spawn_scoped(scope, play);
            thread
                .map_or_else(|error| Err(Box::new(error.to_string()) as _), |thread| thread.join().unwrap_or_else(Err))
        });
        let mut state = running.state();
        let mut failed = state.failed.take();
        let mut fault = None;
        match finished {
            Ok(Finished::Fault(mut found)) => {
                // The limit's own message is about scripts.
                if found.limit == Some(Limit::Computing) {
                    "the test keeps computing while no time passes in the call: an endless loop?"
                        .clone_into(&mut found.message);
                    found.hint = None;
                }
                fault = Some(found);
            }
            Ok(Finished::Completed | Finished::Over(_)) => {}
            Err(panic) => fault = Some(Fault::of_panic(suite.script.name(), "a function", &*panic)),
        }
        if fault.is_none() && failed.is_none() {
            drop(state);
            failed = running.close();
            state = running.state();
        }
        let wrong = fault.is_some() || failed.is_some();
        let failure = wrong.then(|| {
            let snapshot = state.call.as_ref().map(|call| CallSnapshot::of(call, state.calls));
            Box::new(Failure::new(suite, test, fault, failed, snapshot, std::mem::take(&mut state.printed)))
        });
        state.put_away();
        Report { seed, length: state.length, calls: state.calls, failure }
    }

    fn run_on_this_thread(
        &self,
        suite: &Suite,
        test: &str,
        seed: u64,
        running: &Arc<Test>,
    ) -> std::thread::Result<Finished> {
        let session = match Session::begin(Box::new(TestTransport(Arc::clone(running)))) {
            Ok(session) => session,
            Err(error) => return Ok(Finished::Fault(Box::new(Fault::new(suite.script.name(), error.to_string())))),
        };
        let host = &self.0.host;
        let call = CallState::new(session, Vec::new(), BTreeMap::new(), seed, host.limits().clone(), host.memory());
        call.extensions.insert(Arc::clone(running));
        let name = format!("test_{test}");
        let printed = Arc::clone(running);
        let log = Log(Box::new(move |line| printed.state().printed.push(line)));
        let run =
            || tracing::subscriber::with_default(log, || call.run_function(&suite.script, &self.0.language, &name));
        catch_unwind(AssertUnwindSafe(run))
    }

    /// Returns which lines ran of the scripts that were called and of those that they import, by path.
    pub fn coverage(&self) -> Vec<Covered> {
        let mut covered: BTreeMap<String, BTreeMap<usize, bool>> = BTreeMap::new();
        for prepared in self.0.scripts().values() {
            for script in prepared.coverage.scripts() {
                let lines = covered.entry(script.to_owned()).or_default();
                for (line, ran) in prepared.coverage.lines(script) {
                    *lines.entry(line).or_default() |= ran;
                }
            }
        }
        let covered = covered.into_iter();
        covered.map(|(script, lines)| Covered { script, lines: lines.into_iter().collect() }).collect()
    }

    /// Returns the text of a line of a script that was called, or that such a script imports.
    pub fn line(&self, script: &str, line: usize) -> Option<String> {
        let scripts = self.0.scripts();
        let mut sources = scripts.values().flat_map(|prepared| prepared.script.sources.iter());
        let source = sources.find(|source| source.name == script)?;
        source.text.lines().nth(line.checked_sub(1)?).map(str::to_owned)
    }
}
