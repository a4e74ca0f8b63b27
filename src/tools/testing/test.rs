//! A running test: its calls, its AstDB, and what went wrong.

use super::args::{WordError, WordResult, unmet};
use super::expectation::FailedExpectation;
use super::functions::{Captured, GivenFunctions};
use super::last_call::LastCall;
use super::line_state::Goal;
use super::ready_call::ReadyCall;
use super::report::Failure;
use super::scripts::Scripts;
use super::suite::Suite;
use super::test_call::{TestCall, why_nothing_comes};
use super::test_services::TestServices;
use crate::calendar::TimeZone;
use crate::clock::Time;
use crate::command::Value;
use crate::disk;
use crate::pbx::{Act, Database};
use crate::script::{Script, nearest};
use crate::sync::lock;
use crate::transport::{Ending, Heard, Peer, Transport};
use rhai::Dynamic;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A running test.
pub(super) struct Test {
    pub(super) scripts: Arc<Scripts>,
    /// Its name, without `test_`.
    pub(super) name: String,
    /// The folder of its file.
    folder: PathBuf,
    /// The file itself, whose functions may stand in for parts of the dialplan.
    pub(super) script: Arc<Script>,
    pub(super) seed: u64,
    pub(super) database: Database,
    /// What stands in for services, and the store. It outlives the calls, as the database does.
    pub(super) services: Arc<TestServices>,
    /// The functions that it gives.
    pub(super) functions: Arc<GivenFunctions>,
    state: Mutex<TestState>,
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a word did.
#[derive(Debug)]
pub(super) struct Entry {
    pub word: &'static str,
    pub result: WordResult,
    /// How many functions the test has given by then.
    pub given: usize,
    /// The time after it, and the time zone of the server.
    pub now: Time,
    pub zone: TimeZone,
    /// What the test's functions have captured, if one ran since the entry before.
    pub captured: Option<Captured>,
}

/// A step of a word.
pub(super) enum Step {
    /// The word is done, and this is its value.
    Done(Dynamic),
    /// The call goes on up to a goal, or until it can't reach it any more, and then the word does.
    Until(Goal, Then),
}

pub(super) type StepResult = Result<Step, WordError>;

/// The rest of a word. It runs while the test itself doesn't, so it holds what it needs.
pub(super) type Then = Box<dyn FnOnce(&Arc<Test>) -> StepResult + Send>;

impl Step {
    /// A word that is done, and has no value.
    pub const DONE: Self = Self::Done(Dynamic::UNIT);

    #[expect(clippy::unnecessary_wraps, reason = "it is what a word returns")]
    pub fn until(goal: Goal, then: impl FnOnce(&Arc<Test>) -> StepResult + Send + 'static) -> StepResult {
        Ok(Self::Until(goal, Box::new(then)))
    }
}

/// The part of a test that changes while it runs.
pub(super) struct TestState {
    pub call: Option<TestCall>,
    /// A call about to begin, once the test waits for it.
    pub ready: Option<ReadyCall>,
    /// What its words did, and how many of them this run has repeated.
    pub journal: Vec<Entry>,
    pub replayed: usize,
    /// The time and the time zone at its beginning, and after the last word that was repeated.
    pub start: (Time, TimeZone),
    pub moment: (Time, TimeZone),
    /// The word that waits for the call, and the rest of it.
    pub waiting: &'static str,
    pub then: Option<Then>,
    /// Whether it has ended, and why it failed.
    pub is_over: bool,
    pub failure: Option<Box<Failure>>,
    pub last_call: Option<LastCall>,
    pub calls: usize,
    /// The recordings of earlier calls, with their lengths in samples.
    pub recordings: BTreeMap<String, u64>,
    /// When the next call begins.
    pub now: Time,
    /// The time zone of the server in the last call.
    pub time_zone: TimeZone,
    /// How long the calls took so far.
    pub length: Duration,
    pub failed: Option<FailedExpectation>,
    /// Whether its first call is captured instead of placed.
    pub captures: bool,
    /// The script and options of the call that was captured.
    pub captured: Option<(PathBuf, Value)>,
    /// Lines that the test itself printed.
    pub printed: Vec<String>,
}

impl Test {
    pub fn new(scripts: &Arc<Scripts>, suite: &Suite, name: &str, seed: u64) -> Arc<Self> {
        // An arbitrary moment.
        let start = (Time::from_unix(1_700_000_000), TimeZone::UTC);
        let state = TestState {
            call: None,
            ready: None,
            journal: Vec::new(),
            replayed: 0,
            moment: start.clone(),
            waiting: "",
            then: None,
            is_over: false,
            failure: None,
            last_call: None,
            calls: 0,
            recordings: BTreeMap::new(),
            now: start.0,
            time_zone: start.1.clone(),
            start,
            length: Duration::ZERO,
            failed: None,
            captures: false,
            captured: None,
            printed: Vec::new(),
        };
        Arc::new(Self {
            scripts: Arc::clone(scripts),
            name: name.to_owned(),
            folder: suite.path.parent().map(Path::to_owned).unwrap_or_default(),
            script: Arc::clone(&suite.script),
            seed,
            database: Database::new(),
            services: Arc::default(),
            functions: GivenFunctions::new(scripts, &suite.script),
            state: Mutex::new(state),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, TestState> {
        lock(&self.state)
    }

    pub(super) fn fail(&self, failed: FailedExpectation) {
        self.state().failed.get_or_insert(failed);
    }

    /// Finds the file of a script, by its name in tests.
    pub fn find(&self, name: &str) -> Result<PathBuf, String> {
        let folders = [Some(self.folder.as_path()), self.scripts.folder.as_deref()];
        let files =
            folders.into_iter().flatten().flat_map(|folder| [folder.join(name), folder.join(format!("{name}.rhai"))]);
        if let Some(path) = { files }.find(|path| disk::is_file(path)) {
            return Ok(path);
        }
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let names: Vec<String> = disk::entries(folder)
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".rhai").map(str::to_owned))
            .filter(|name| name.strip_suffix(".test").is_none())
            .collect();
        let near = nearest(name.trim_end_matches(".rhai"), names.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        Err(format!("there is no script `{name}` beside the test{near}"))
    }

    /// Returns the time by the clock of the call; while the words are repeated, the time that it was then.
    pub(super) fn now(&self) -> Time {
        let state = self.state();
        if state.replayed < state.journal.len() { state.moment.0 } else { state.live_now() }
    }

    pub(super) fn live_now(&self) -> Time {
        self.state().live_now()
    }

    fn time_zone(&self) -> TimeZone {
        let state = self.state();
        if state.replayed < state.journal.len() { state.moment.1.clone() } else { state.time_zone.clone() }
    }

    /// Hangs up, if there is a call in progress, and runs it to its end.
    pub(super) fn hang_up(
        self: &Arc<Self>,
        then: impl FnOnce(&Arc<Self>) -> StepResult + Send + 'static,
    ) -> StepResult {
        {
            let state = self.state();
            match &state.call {
                Some(call) if call.line().state().ended.is_none() => {
                    call.line().plan([Act::HangUp].into_iter(), Duration::ZERO);
                }
                _ => {
                    drop(state);
                    return then(self);
                }
            }
        }
        Step::until(Goal::Actions, |_| Step::until(Goal::End, then))
    }

    /// Returns what failed in a function of the test that stood in for something, unless that is known already.
    pub(super) fn take_failed_in_stand_in(&self) -> Option<FailedExpectation> {
        self.state().call.as_mut()?.take_failed_in_stand_in()
    }
}

impl TestState {
    fn live_now(&self) -> Time {
        self.call.as_ref().map_or(self.now, |call| call.line().state().now)
    }

    /// Puts away the ended call, and keeps what outlives it.
    pub fn put_away(&mut self) {
        if let Some(call) = self.call.take() {
            let state = call.line().state();
            self.recordings.extend(state.recordings.clone());
            self.length += state.ended_at - state.began;
            self.now = state.now;
        }
    }
}

impl TestState {
    /// Returns the call, whether or not it has ended.
    pub fn call(&mut self, word: &str) -> Result<&mut TestCall, WordError> {
        self.call
            .as_mut()
            .ok_or_else(|| WordError::Misuse(format!("{word}: there is no call yet: place one by `place_call`")))
    }

    /// Returns the call, which must not have ended.
    pub fn active_call(&mut self, word: &str) -> Result<&mut TestCall, WordError> {
        let call = self.call(word)?;
        let over = {
            let state = call.line().state();
            state.ended.is_some().then(|| why_nothing_comes(&state))
        };
        match over {
            Some(over) => Err(unmet(format!("{word}: the caller is no longer on the line: {over}"), None)),
            None => Ok(call),
        }
    }
}

/// The transport of a test's own session, which has no other end.
pub(super) struct TestTransport(pub Arc<Test>);

impl Transport for TestTransport {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"agi_request: test\n\n".to_vec())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: true }
    }

    fn now(&self) -> Time {
        self.0.now()
    }

    fn time_zone(&self) -> TimeZone {
        self.0.time_zone()
    }

    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::Error::other("a test sends no commands"))
    }

    fn receive(&mut self, _: Time) -> io::Result<Heard> {
        Ok(Heard::Silence)
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}
