//! A folder of recorded calls, a file each.
//!
//! Where one process has one call, each line is written as it happens. A server writes from a thread of its own, a few
//! times a second, so that no call waits for a disk: what a crash loses is what happened since.

use super::lock;
use crate::clock;
use crate::command::Permissions;
use crate::script::{Fault, Script};
use crate::session::Session;
use crate::transport::recording::{Ended, FORMAT, Header, RecordedFault};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tracing::warn;

/// Between two times a server writes what its calls have brought.
const EVERY: Duration = Duration::from_millis(200);

/// What a call may have waiting to be written, in bytes; beyond it the disk does not keep up.
const MOST_WAITING: usize = 1024 * 1024;

/// What a buffer that is empty may keep of its memory.
const MOST_SPARE: usize = 1024;

/// The name of a file holds so much of the script's name and of the uniqueid.
const MOST_OF_A_NAME: usize = 40;

/// A folder of recorded calls.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    redacts: bool,
    made: Once,
    /// Where a thread writes, the calls it writes for.
    tapes: Mutex<Option<Vec<Arc<Tape>>>>,
    /// Held while they are written, so that what was said first stands first.
    turn: Mutex<()>,
    lost: AtomicU64,
    warned: AtomicBool,
}

/// The file of one call.
#[derive(Debug)]
struct Tape {
    path: PathBuf,
    waiting: Mutex<Vec<u8>>,
    exists: AtomicBool,
    /// Nothing more is written.
    is_lost: AtomicBool,
    /// Nothing more comes.
    is_done: AtomicBool,
}

impl Recorder {
    /// Records into this folder, which is made if need be. One that cannot be written is told in the log, and costs the
    /// recordings only.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            redacts: false,
            made: Once::new(),
            tapes: Mutex::new(None),
            turn: Mutex::new(()),
            lost: AtomicU64::new(0),
            warned: AtomicBool::new(false),
        }
    }

    fn make_folder(&self) {
        self.made.call_once(|| {
            // What callers enter is nobody else's business.
            if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder) {
                self.warn(&error);
            }
        });
    }

    /// Leaves out what callers enter, and who calls. A file is written when its call has ended: what is entered late
    /// may stand in lines before.
    #[must_use]
    pub fn redacting(self) -> Self {
        Self { redacts: true, ..self }
    }

    /// How many calls have no recording, or one that breaks off.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Writes from a thread of its own from now on.
    pub(super) fn write_behind(self: &Arc<Self>) -> io::Result<()> {
        self.make_folder();
        *lock(&self.tapes) = Some(Vec::new());
        let recorder = Arc::downgrade(self);
        let write = move || {
            while let Some(recorder) = recorder.upgrade() {
                recorder.flush();
                drop(recorder);
                clock::sleep(EVERY);
            }
        };
        std::thread::Builder::new().name("recordings".to_owned()).spawn(write)?;
        Ok(())
    }

    /// Writes what is waiting.
    pub fn flush(&self) {
        let _turn = lock(&self.turn);
        let Some(tapes) = lock(&self.tapes).clone() else { return };
        let mut bytes = Vec::new();
        for tape in &tapes {
            // Looked at before what is waiting: nothing comes after it. The two are the list and its copy.
            let has_ended = Arc::strong_count(tape) == 2;
            // The memory stays the call's, which is counted.
            {
                let mut waiting = lock(&tape.waiting);
                bytes.clear();
                bytes.extend_from_slice(&waiting);
                waiting.clear();
            }
            self.write(tape, &bytes);
            tape.is_done.store(has_ended, Relaxed);
        }
        if let Some(tapes) = &mut *lock(&self.tapes) {
            tapes.retain(|tape| !tape.is_done.load(Relaxed));
        }
    }

    /// The session with all that goes over its line kept in a file of this folder.
    #[inline(never)]
    pub(super) fn record(
        self: &Arc<Self>,
        session: Session,
        script: &Script,
        seed: u64,
        (args, params): (&[String], &BTreeMap<String, String>),
        permissions: &Permissions,
    ) -> Session {
        self.make_folder();
        let tape = Arc::new(Tape {
            path: self.folder.join(name(&session, script)),
            waiting: Mutex::default(),
            exists: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
        });
        if let Some(tapes) = &mut *lock(&self.tapes) {
            tapes.push(Arc::clone(&tape));
        }
        let header = Header {
            format: FORMAT,
            script: absolute(script.name()),
            version: script.version().to_owned(),
            seed,
            started: Duration::ZERO,
            args: args.to_vec(),
            params: params.clone(),
            allowed: permissions.allowed.clone(),
            denied: permissions.denied.clone(),
            dead_mode: true,
            redacted: self.redacts,
            environment: Vec::new(),
        };
        session.record(header, Box::new(Writer { recorder: Arc::clone(self), tape }))
    }

    fn write(&self, tape: &Tape, bytes: &[u8]) {
        if bytes.is_empty() || tape.is_lost.load(Relaxed) {
            return;
        }
        let written = tape.open().and_then(|mut file| file.write_all(bytes));
        if let Err(error) = written {
            self.lose(tape, &error);
        }
    }

    fn lose(&self, tape: &Tape, error: &io::Error) {
        if !tape.is_lost.swap(true, Relaxed) {
            self.lost.fetch_add(1, Relaxed);
            self.warn(error);
        }
    }

    /// Once: what is wrong with a folder is wrong for every call.
    fn warn(&self, error: &io::Error) {
        if !self.warned.swap(true, Relaxed) {
            let folder = self.folder.display();
            warn!("calls are not recorded, or not to their end: cannot write to {folder} (--record): {error}");
        }
    }
}

impl Tape {
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // Never a file that is there already, nor one that was put in its place.
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        options.append(true).create_new(!self.exists.load(Relaxed)).mode(0o600).custom_flags(flags);
        let file = options.open(&self.path)?;
        self.exists.store(true, Relaxed);
        Ok(file)
    }
}

/// What a call writes its lines to.
struct Writer {
    recorder: Arc<Recorder>,
    tape: Arc<Tape>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.tape.is_lost.load(Relaxed) {
            return Ok(bytes.len());
        }
        if lock(&self.recorder.tapes).is_none() {
            self.recorder.write(&self.tape, bytes);
            return Ok(bytes.len());
        }
        let mut waiting = lock(&self.tape.waiting);
        // A redacted call comes all at once, at its end, and has been in memory all the time: no disk could keep up.
        if !self.recorder.redacts && waiting.len() + bytes.len() > MOST_WAITING {
            drop(waiting);
            self.recorder.lose(&self.tape, &io::Error::other("the disk does not keep up"));
            return Ok(bytes.len());
        }
        if waiting.is_empty() {
            waiting.shrink_to(MOST_SPARE);
        }
        waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file's name: when the call began, its script and uniqueid, as far as their letters are harmless, and a number that
/// no other call has, whoever else writes into this folder.
fn name(session: &Session, script: &Script) -> String {
    let started = session.started().since_epoch();
    let micros = i64::try_from(started.as_micros()).unwrap_or(0);
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default().strftime("%Y%m%dT%H%M%S%.3f");
    let harmless = |text: &str| -> String {
        let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' });
        letters.take(MOST_OF_A_NAME).collect()
    };
    let script = Path::new(script.name()).file_stem().unwrap_or_default().to_string_lossy();
    let uniqueid = session.environment().get("agi_uniqueid").unwrap_or_default();
    format!("{time}Z-{}-{}-{:016x}.jsonl", harmless(&script), harmless(&uniqueid), super::chance())
}

/// How a call ended, for its recording.
pub(super) fn ended(status: &str, commands: u64, fault: Option<&Fault>) -> Ended {
    let wrong = |fault: &Fault| RecordedFault {
        message: fault.message.clone(),
        script: fault.script.clone(),
        line: fault.line,
    };
    Ended { status: status.to_owned(), commands, fault: fault.map(wrong) }
}

/// Where a script is, seen from anywhere. One that was read from no file keeps its name.
fn absolute(script: &str) -> String {
    match std::path::absolute(script) {
        Ok(path) if path.is_file() => path.to_string_lossy().into_owned(),
        _ => script.to_owned(),
    }
}
