//! Tests of scripts, in the language of scripts: `*.test.rhai`.
//!
//! A test plays the caller: it places calls, presses keys, hears prompts and says what it expects. Host, session and
//! simulator are the ones of the real thing. Time is virtual, so a game of three minutes takes milliseconds.

mod line;
mod part;
mod report;
mod scripts;
mod suite;
mod test;
mod vocabulary;

pub use report::Failure;
pub use suite::Suite;
pub use vocabulary::VOCABULARY;

use crate::host::Host;
use crate::script::{CallState, Fault, Finished, Language, LoadError, Script};
use crate::session::Session;
use report::Scene;
use scripts::Scripts;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;
use test::{Desk, Test};

/// Runs tests, and keeps what they share: the scripts they call, compiled once, and which of their lines ran.
#[derive(Clone, Debug)]
pub struct TestRunner(Arc<Scripts>);

/// What came of a test.
#[derive(Debug)]
pub struct Report {
    /// What its random numbers came from.
    pub seed: u64,
    /// How long its calls took, on their own clock.
    pub length: Duration,
    /// How many calls it placed.
    pub calls: usize,
    /// What went wrong.
    pub failure: Option<Box<Failure>>,
}

/// Which lines of a script ran in the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The script's path.
    pub script: String,
    /// Its lines that can run, from 1, and whether each did.
    pub lines: Vec<(usize, bool)>,
}

impl TestRunner {
    /// Runs tests by this host; scripts are looked for beside each test, and in this folder.
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
    /// There is no such file, or what is wrong with it.
    pub fn suite(&self, path: &Path) -> Result<Suite, LoadError> {
        let script = Script::load(path, self.0.folder.as_deref(), &self.0.language)?;
        Ok(Suite::new(path.to_owned(), script))
    }

    /// Compiles the text of a file of tests, which need not be there: only its folder counts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn suite_of(&self, path: &Path, text: &str) -> Result<Suite, Box<Fault>> {
        let script = Script::compile(&path.to_string_lossy(), text, &self.0.language)?;
        Ok(Suite::new(path.to_owned(), script))
    }

    /// Runs one test. The same seed draws the same random numbers, in the test and in its calls.
    pub fn run(&self, suite: &Suite, test: &str, seed: u64) -> Report {
        let running = Test::new(&self.0, &suite.path, seed);
        // With a stack as a call has, whatever this thread's is.
        let finished = std::thread::scope(|scope| {
            let play = || self.play(suite, test, seed, &running);
            let thread = Builder::new().name("test".to_owned()).stack_size(line::STACK).spawn_scoped(scope, play);
            thread
                .map_or_else(|error| Err(Box::new(error.to_string()) as _), |thread| thread.join().unwrap_or_else(Err))
        });
        let mut live = running.live();
        let mut failed = live.failed.take();
        let mut fault = None;
        match finished {
            Ok(Finished::Fault(mut what)) => {
                // The limit speaks of scripts.
                if what.message.starts_with("the script computes") {
                    "the test computes on while no time passes on the line: an endless loop?"
                        .clone_into(&mut what.message);
                    what.hint = None;
                }
                fault = Some(what);
            }
            Ok(Finished::Well | Finished::Over(_)) => {}
            Err(panic) => fault = Some(Fault::of_panic(suite.script.name(), "a function", &*panic)),
        }
        if fault.is_none() && failed.is_none() {
            drop(live);
            failed = running.close();
            live = running.live();
        }
        let wrong = fault.is_some() || failed.is_some();
        let failure = wrong.then(|| {
            let scene = live.call.as_ref().map(|call| Scene::of(call, live.calls));
            Box::new(Failure::new(suite, test, fault, failed, scene, std::mem::take(&mut live.printed)))
        });
        live.put_away();
        Report { seed, length: live.length, calls: live.calls, failure }
    }

    fn play(&self, suite: &Suite, test: &str, seed: u64, running: &Arc<Test>) -> std::thread::Result<Finished> {
        let session = match Session::begin(Box::new(Desk(Arc::clone(running)))) {
            Ok(session) => session,
            Err(error) => return Ok(Finished::Fault(Box::new(Fault::new(suite.script.name(), error.to_string())))),
        };
        let host = &self.0.host;
        let call = CallState::new(session, Vec::new(), BTreeMap::new(), seed, host.limits().clone(), host.memory());
        call.extensions.insert(Arc::clone(running));
        let name = format!("test_{test}");
        let printed = Arc::clone(running);
        let log = line::Log(Box::new(move |line| printed.live().printed.push(line)));
        let run =
            || tracing::subscriber::with_default(log, || call.run_function(&suite.script, &self.0.language, &name));
        catch_unwind(AssertUnwindSafe(run))
    }

    /// Which lines of the scripts that were called ran, and of those they import, by path.
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

    /// The text of a line of a script that was called, or is imported by one.
    pub fn line(&self, script: &str, line: usize) -> Option<String> {
        let scripts = self.0.scripts();
        let mut sources = scripts.values().flat_map(|prepared| prepared.script.sources.iter());
        let source = sources.find(|source| source.name == script)?;
        source.text.lines().nth(line.checked_sub(1)?).map(str::to_owned)
    }
}
