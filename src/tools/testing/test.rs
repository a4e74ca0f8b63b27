//! A running test: its calls, its AstDB, and what went wrong.

use super::args::{WordError, unmet};
use super::expectation::FailedExpectation;
use super::scripts::Scripts;
use super::suite::Suite;
use super::test_call::{TestCall, why_nothing_comes};
use super::test_services::TestServices;
use crate::calendar::TimeZone;
use crate::clock::Time;
use crate::command::Value;
use crate::disk;
use crate::pbx::Database;
use crate::script::{Script, nearest};
use crate::sync::lock;
use crate::transport::{Ending, Heard, Peer, Transport};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A running test.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) scripts: Arc<Scripts>,
    /// The folder of its file.
    folder: PathBuf,
    /// The file itself, whose functions may stand in for parts of the dialplan.
    pub(super) script: Arc<Script>,
    pub(super) seed: u64,
    pub(super) database: Database,
    /// What stands in for services, and the store. It outlives the calls, as the database does.
    pub(super) services: Arc<TestServices>,
    state: Mutex<TestState>,
}

/// The part of a test that changes while it runs.
#[derive(Debug)]
pub(super) struct TestState {
    pub call: Option<TestCall>,
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
    pub fn new(scripts: &Arc<Scripts>, suite: &Suite, seed: u64) -> Arc<Self> {
        let state = TestState {
            call: None,
            calls: 0,
            recordings: BTreeMap::new(),
            // An arbitrary moment.
            now: Time::from_unix(1_700_000_000),
            time_zone: TimeZone::UTC,
            length: Duration::ZERO,
            failed: None,
            captures: false,
            captured: None,
            printed: Vec::new(),
        };
        Arc::new(Self {
            scripts: Arc::clone(scripts),
            folder: suite.path.parent().map(Path::to_owned).unwrap_or_default(),
            script: Arc::clone(&suite.script),
            seed,
            database: Database::new(),
            services: Arc::default(),
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

    pub(super) fn now(&self) -> Time {
        let state = self.state();
        state.call.as_ref().map_or(state.now, |call| call.line().state().now)
    }
}

impl Test {
    /// Hangs up after the test. A fault that the test didn't expect fails it.
    pub(super) fn close(&self) -> Option<FailedExpectation> {
        let mut state = self.state();
        let call = state.call.as_mut()?;
        call.finish();
        let failed = call.take_failed_in_stand_in();
        failed.or_else(|| call.unexpected_failure())
    }

    /// Returns what failed in a function of the test that stood in for something, unless that is known already.
    pub(super) fn take_failed_in_stand_in(&self) -> Option<FailedExpectation> {
        self.state().call.as_mut()?.take_failed_in_stand_in()
    }
}

impl TestState {
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
        self.0.state().time_zone.clone()
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
