//! One test while it runs: its calls, its AstDB, and what went wrong.

use super::line::{Line, Placed};
use super::scripts::{Prepared, Scripts};
use crate::clock::Time;
use crate::pbx::{Database, Sounds, Variables};
use crate::script::Fault;
use crate::script::nearest;
use crate::transport::{Ending, Heard, Peer, Transport};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A test that runs.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) scripts: Arc<Scripts>,
    /// The folder of its file.
    beside: PathBuf,
    pub(super) seed: u64,
    pub(super) database: Database,
    live: Mutex<Live>,
}

/// What changes while a test runs.
#[derive(Debug)]
pub(super) struct Live {
    pub call: Option<OnLine>,
    pub calls: usize,
    /// What earlier calls recorded.
    pub recordings: BTreeMap<String, u64>,
    /// When the next call begins, and how long those before it took.
    pub now: Time,
    pub length: Duration,
    pub failed: Option<Failed>,
    /// What the test itself printed.
    pub printed: Vec<String>,
}

/// What was expected, and what came.
#[derive(Debug, Default)]
pub(super) struct Failed {
    pub message: String,
    pub hint: Option<String>,
    /// The fault of the script that is called, where it could not be called for one.
    pub fault: Option<Box<Fault>>,
    /// Where in the test: script, line and column.
    pub at: (String, usize, usize),
}

/// The call of a test that was placed last.
#[derive(Debug)]
pub(super) struct OnLine {
    pub placed: Placed,
    pub what: Arc<Prepared>,
    /// How many prompts the test has seen.
    pub seen: usize,
    pub variables: Variables,
    pub fault_is_expected: bool,
    pub sounds: Arc<Sounds>,
    pub seed: u64,
}

impl OnLine {
    pub fn line(&self) -> &Line {
        &self.placed.line
    }
}

impl Test {
    pub fn new(scripts: &Arc<Scripts>, file: &Path, seed: u64) -> Arc<Self> {
        let live = Live {
            call: None,
            calls: 0,
            recordings: BTreeMap::new(),
            // As simple a moment as any.
            now: Time::from_unix(1_700_000_000),
            length: Duration::ZERO,
            failed: None,
            printed: Vec::new(),
        };
        Arc::new(Self {
            scripts: Arc::clone(scripts),
            beside: file.parent().map(Path::to_owned).unwrap_or_default(),
            seed,
            database: Database::new(),
            live: Mutex::new(live),
        })
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, failed: Failed) {
        self.live().failed.get_or_insert(failed);
    }

    /// The file of a script, by the name a test has for it.
    pub fn find(&self, name: &str) -> Result<PathBuf, String> {
        let places = [Some(self.beside.as_path()), self.scripts.folder.as_deref()];
        let files =
            places.into_iter().flatten().flat_map(|place| [place.join(name), place.join(format!("{name}.rhai"))]);
        if let Some(path) = { files }.find(|path| path.is_file()) {
            return Ok(path);
        }
        let beside = if self.beside.as_os_str().is_empty() { Path::new(".") } else { &self.beside };
        let entries = std::fs::read_dir(beside).into_iter().flatten().flatten();
        let names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rhai").map(str::to_owned))
            .filter(|name| name.strip_suffix(".test").is_none())
            .collect();
        let near = nearest(name.trim_end_matches(".rhai"), names.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        Err(format!("there is no script `{name}` beside the test{near}"))
    }

    pub(super) fn now(&self) -> Time {
        let live = self.live();
        live.call.as_ref().map_or(live.now, |call| call.line().state().now)
    }
}

impl Live {
    /// Keeps what outlives a call, which has ended.
    pub fn put_away(&mut self) {
        if let Some(call) = self.call.take() {
            let state = call.line().state();
            self.recordings.extend(state.recordings.clone());
            self.length += state.ended_at - state.began;
            self.now = state.now;
        }
    }
}

/// The session of a test itself, which has nobody at the other end.
pub(super) struct Desk(pub Arc<Test>);

impl Transport for Desk {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"agi_request: test\n\n".to_vec())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: true }
    }

    fn now(&self) -> Time {
        self.0.now()
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
