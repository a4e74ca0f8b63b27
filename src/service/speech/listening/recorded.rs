//! Calls that Asterisk records piece by piece, into files that are read here.

use super::audio_socket::FRAME;
use super::listener::{Engine, Listener, Terms};
use crate::audio::{Coding, SoundFile};
use crate::clock::Stopwatch;
use crate::service::unique::unique;
use crate::transport::{Answer, Failure};
use std::fs::{self, DirBuilder, Permissions};
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::task::Poll;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// How many samples are read at a time: a second.
const CHUNK: usize = 8000;
/// How many samples of a file are read: more than Asterisk is asked for.
const MAX_SAMPLES: usize = 600 * CHUNK;
/// Asterisk, which most often is another user, may write files there, but nobody may look which there are.
const MODE: u32 = 0o1733;

/// A piece of what a caller says, in a file that goes with it.
#[derive(Debug)]
pub(crate) struct RecordedPiece(PathBuf);

impl RecordedPiece {
    /// Returns the name by which Asterisk is to write the file: without its extension.
    pub fn name(&self) -> String {
        self.0.with_extension("").to_string_lossy().into_owned()
    }
}

impl Drop for RecordedPiece {
    fn drop(&mut self) {
        // Asterisk may have written none.
        let _ = fs::remove_file(&self.0);
    }
}

/// A folder into which Asterisk records.
#[derive(Clone, Debug)]
pub(crate) struct Recordings(PathBuf);

impl Recordings {
    /// Opens a folder, which is created if need be. This blocks.
    ///
    /// # Errors
    /// It can't be created.
    pub fn open(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).create(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(MODE))?;
        }
        Ok(Self(folder.to_owned()))
    }

    /// Returns a piece that isn't recorded yet.
    pub fn piece(&self) -> RecordedPiece {
        RecordedPiece(self.0.join(unique()).with_extension("wav"))
    }
}

/// Hears pieces, one after the other: Asterisk ends each of them when the caller has been silent for long enough, and
/// leaves that silence out. As long as nobody speaks, the next one is asked for.
pub(in crate::service) async fn hear(
    mut pieces: UnboundedReceiver<RecordedPiece>,
    more: UnboundedSender<()>,
    terms: Terms,
    engine: Engine,
) -> Answer {
    let clock = Stopwatch::start();
    let mut listener = Listener::new(terms, engine, clock.now());
    listener.prompt_ends(clock.now());
    while let Some(piece) = pieces.recv().await {
        let read = tokio::task::spawn_blocking(move || samples(&piece));
        let lost = |_| Err(io::Error::other("no thread to read it"));
        let samples = read.await.unwrap_or_else(lost).map_err(|error| {
            Failure::unavailable(format!("what Asterisk has recorded of the call can't be read: {error}"))
        })?;
        let now = clock.now();
        for frame in samples.chunks(FRAME) {
            listener.hear(frame.to_vec(), now);
        }
        listener.end("speech");
        let is_done = listener.has_heard_all();
        let answer = poll_fn(|context| match listener.poll(now, context) {
            None if is_done => Poll::Pending,
            answer => Poll::Ready(answer),
        });
        if let Some(answer) = answer.await {
            return answer;
        }
        let _ = more.send(());
    }
    Err(Failure::unavailable("the sound of the call has ended"))
}

/// Reads a file, which goes then.
fn samples(piece: &RecordedPiece) -> io::Result<Vec<i16>> {
    let mut file = SoundFile::open(&piece.0, Coding::Wav)?;
    let mut all = Vec::new();
    loop {
        let samples = file.read(CHUNK)?;
        if samples.is_empty() || all.len() >= MAX_SAMPLES {
            return Ok(all);
        }
        all.extend(samples);
    }
}
