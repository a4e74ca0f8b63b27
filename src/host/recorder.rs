//! A folder of recorded calls, one file each.
//!
//! A process with one call writes each line as it happens. A server writes from a thread of its own, a few times per
//! second, so that no call waits for a disk. A crash loses what happened since the last time.

use super::seed::random_seed;
use crate::clock;
use crate::command::Permissions;
use crate::disk;
use crate::script::{Fault, Script};
use crate::session::Session;
use crate::sync::lock;
use crate::transport::recording::{Ended, FORMAT, Header, RecordedFault};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tracing::warn;

/// The time between two writes of a server.
const WRITE_INTERVAL: Duration = Duration::from_millis(200);

/// The maximum number of bytes of a call that wait to be written. If there are more, the disk is too slow for it.
const MAX_PENDING: usize = 1024 * 1024;

/// How many bytes an empty buffer keeps allocated.
const IDLE_PENDING: usize = 1024;

/// The maximum number of characters of the script's name, and of the uniqueid, in the name of a file.
const MAX_NAME_PART: usize = 40;

/// A folder of recorded calls.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    redacts: bool,
    folder_made: Once,
    /// The calls for which a thread writes; `None` without such a thread.
    recordings: Mutex<Option<Vec<Arc<Recording>>>>,
    /// Held while the calls are written, so that lines stay in order.
    writing: Mutex<()>,
    lost: AtomicU64,
    warned: AtomicBool,
}

/// The file of one call.
#[derive(Debug)]
struct Recording {
    path: PathBuf,
    pending: Mutex<Vec<u8>>,
    exists: AtomicBool,
    /// Whether writing has failed, so that nothing more is written.
    is_lost: AtomicBool,
    /// Whether the call has ended, and everything is written.
    is_done: AtomicBool,
}

impl Recorder {
    /// Records into this folder, which is created if it doesn't exist. A folder that can't be written to is logged,
    /// and costs only the recordings.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            redacts: false,
            folder_made: Once::new(),
            recordings: Mutex::new(None),
            writing: Mutex::new(()),
            lost: AtomicU64::new(0),
            warned: AtomicBool::new(false),
        }
    }

    fn make_folder(&self) {
        self.folder_made.call_once(|| {
            // What callers enter is private.
            if let Err(error) = disk::create_private_folder(&self.folder) {
                self.warn(&error);
            }
        });
    }

    /// Leaves out what callers enter, and who is calling. A file is then written when its call has ended, since
    /// earlier lines may contain what the caller enters later.
    #[must_use]
    pub fn redacting(self) -> Self {
        Self { redacts: true, ..self }
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how many calls have no recording, or an incomplete one.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Writes from a separate thread from now on.
    pub(super) fn write_behind(self: &Arc<Self>) -> io::Result<()> {
        self.make_folder();
        *lock(&self.recordings) = Some(Vec::new());
        let recorder = Arc::downgrade(self);
        let write = move || {
            while let Some(recorder) = recorder.upgrade() {
                recorder.flush();
                drop(recorder);
                clock::sleep(WRITE_INTERVAL);
            }
        };
        std::thread::Builder::new().name("recordings".to_owned()).spawn(write)?;
        Ok(())
    }

    /// Writes what is pending.
    pub fn flush(&self) {
        let _writing = lock(&self.writing);
        let Some(recordings) = lock(&self.recordings).clone() else { return };
        let mut bytes = Vec::new();
        for recording in &recordings {
            // Read before the pending bytes, since nothing follows them in that case. The two references are those of
            // the list and of its copy.
            let has_ended = Arc::strong_count(recording) == 2;
            // The buffer stays with the call, to which its memory is charged.
            {
                let mut pending = lock(&recording.pending);
                bytes.clear();
                bytes.extend_from_slice(&pending);
                pending.clear();
            }
            self.write(recording, &bytes);
            recording.is_done.store(has_ended, Relaxed);
        }
        if let Some(recordings) = &mut *lock(&self.recordings) {
            recordings.retain(|recording| !recording.is_done.load(Relaxed));
        }
    }

    /// Returns the session with its dialogue recorded into a file of this folder.
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
        let recording = Arc::new(Recording {
            path: self.folder.join(file_name(&session, script)),
            pending: Mutex::default(),
            exists: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
        });
        if let Some(recordings) = &mut *lock(&self.recordings) {
            recordings.push(Arc::clone(&recording));
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
            time_zone: None,
            redacted: self.redacts,
            environment: Vec::new(),
        };
        session.record(header, Box::new(Writer { recorder: Arc::clone(self), recording }))
    }

    fn write(&self, recording: &Recording, bytes: &[u8]) {
        if bytes.is_empty() || recording.is_lost.load(Relaxed) {
            return;
        }
        let written = recording.open().and_then(|mut file| file.write_all(bytes));
        if let Err(error) = written {
            self.lose(recording, &error);
        }
    }

    /// Gives up a recording.
    fn lose(&self, recording: &Recording, error: &io::Error) {
        if !recording.is_lost.swap(true, Relaxed) {
            self.lost.fetch_add(1, Relaxed);
            self.warn(error);
        }
    }

    /// Warns once: whatever is wrong with a folder is wrong for every call.
    fn warn(&self, error: &io::Error) {
        if !self.warned.swap(true, Relaxed) {
            let folder = self.folder.display();
            warn!("calls are not recorded, or not to their end: cannot write to {folder}: {error}");
        }
    }
}

impl Recording {
    fn open(&self) -> io::Result<File> {
        let file = disk::append_to_private(&self.path, !self.exists.load(Relaxed))?;
        self.exists.store(true, Relaxed);
        Ok(file)
    }
}

/// Takes the lines of one call.
struct Writer {
    recorder: Arc<Recorder>,
    recording: Arc<Recording>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.recording.is_lost.load(Relaxed) {
            return Ok(bytes.len());
        }
        if lock(&self.recorder.recordings).is_none() {
            self.recorder.write(&self.recording, bytes);
            return Ok(bytes.len());
        }
        let mut pending = lock(&self.recording.pending);
        // A redacted call arrives all at once, at its end, after it has been in memory all the time: no disk is too
        // slow for it.
        if !self.recorder.redacts && pending.len() + bytes.len() > MAX_PENDING {
            drop(pending);
            self.recorder.lose(&self.recording, &io::Error::other("the disk is too slow"));
            return Ok(bytes.len());
        }
        if pending.is_empty() {
            pending.shrink_to(IDLE_PENDING);
        }
        pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the name of a file: when the call began, its script and uniqueid with unusual characters replaced, and a
/// number that no other call has, whichever programs write into this folder.
fn file_name(session: &Session, script: &Script) -> String {
    let started = session.started().since_epoch();
    let micros = i64::try_from(started.as_micros()).unwrap_or(0);
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default().strftime("%Y%m%dT%H%M%S%.3f");
    let harmless = |text: &str| -> String {
        let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' });
        letters.take(MAX_NAME_PART).collect()
    };
    let script = Path::new(script.name()).file_stem().unwrap_or_default().to_string_lossy();
    let uniqueid = session.environment().get("agi_uniqueid").unwrap_or_default();
    format!("{time}Z-{}-{}-{:016x}.jsonl", harmless(&script), harmless(&uniqueid), random_seed())
}

/// Returns how a call ended, for its recording.
pub(super) fn ended(status: &str, commands: u64, fault: Option<&Fault>) -> Ended {
    let wrong = |fault: &Fault| RecordedFault {
        message: fault.message.clone(),
        script: fault.script.clone(),
        line: fault.line,
    };
    Ended { status: status.to_owned(), commands, fault: fault.map(wrong) }
}

/// Returns the absolute path of a script. A script that wasn't read from a file keeps its name.
fn absolute(script: &str) -> String {
    match std::path::absolute(script) {
        Ok(path) if path.is_file() => path.to_string_lossy().into_owned(),
        _ => script.to_owned(),
    }
}
