//! Runs tests, and reports how each went and which lines ran.

use super::call_setup::CallSetup;
use super::last_call::LastCall;
use super::report::Failure;
use super::samples::Samples;
use super::scripts::Scripts;
use super::suite::Suite;
use super::test::Test;
use crate::command::Value;
use crate::host::Host;
use crate::script::{Fault, Language, LoadError, Script};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
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
    /// The last call that it placed.
    #[doc(hidden)]
    pub last_call: Option<LastCall>,
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
        let repeats = !cfg!(unix) || cfg!(feature = "sandbox");
        Self(Arc::new(Scripts { host, language, folder, repeats, prepared: scripts }))
    }

    /// Makes it run each test again wherever the test waits, as in WebAssembly. That must change nothing.
    #[doc(hidden)]
    #[must_use]
    pub fn repeating(mut self) -> Self {
        if let Some(scripts) = Arc::get_mut(&mut self.0) {
            scripts.repeats = true;
        }
        self
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
        Self::finish(&Test::new(&self.0, suite, test, seed))
    }

    /// Runs a test up to its first call, and returns that call without placing it.
    ///
    /// # Errors
    /// The test fails before, or places no call; then there is no failure to return.
    pub fn first_call(&self, suite: &Suite, test: &str, seed: u64) -> Result<FirstCall, Option<Box<Failure>>> {
        let running = Test::new(&self.0, suite, test, seed);
        running.state().captures = true;
        let report = Self::finish(&running);
        let Some((script, options)) = running.state().captured.take() else { return Err(report.failure) };
        let options = if let Value::Map(options) = options { options } else { Vec::new() };
        CallSetup::new(options).map(|setup| FirstCall { script, setup }).map_err(|_| report.failure)
    }

    /// Runs all tests of a file, and returns what they answered in the place of services, as samples. Whether they pass
    /// doesn't matter.
    pub fn samples(&self, suite: &Suite, seed: u64) -> Samples {
        let mut samples = Samples::default();
        for test in suite.tests() {
            let running = Test::new(&self.0, suite, test, seed);
            Self::finish(&running);
            samples.add(std::mem::take(&mut running.services.state().asked));
        }
        samples
    }

    fn finish(running: &Arc<Test>) -> Report {
        running.play();
        let mut state = running.state();
        let (failure, last_call) = (state.failure.take(), state.last_call.take());
        Report { seed: running.seed, length: state.length, calls: state.calls, failure, last_call }
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
