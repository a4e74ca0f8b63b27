//! The log of a server, written by a thread of its own.

use crate::common::CommonOptions;
use crate::logging::{LineFormat, fields, open_file, start};
use agi_rhai::internals::plural;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The log of a server. A thread of its own writes it: a write to a full pipe blocks, and with it all calls of the
/// writing thread. It writes lines in batches, since waking the thread for each line would cost more than the line.
pub struct ServerLog {
    queue: Arc<LineQueue>,
    /// Whether there is a thread that writes.
    has_writer: bool,
}

/// Lines waiting to be written.
#[derive(Default)]
struct LineQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
    /// Set when everything is written after `closed`.
    done: bool,
}

/// How long lines wait to be written in a batch.
const BATCH_INTERVAL: Duration = Duration::from_millis(20);
/// How long the program waits for the log when it exits.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum number of waiting bytes. Further lines are dropped and counted.
const MAX_WAITING: usize = 8 * 1024 * 1024;

impl LineQueue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines until the queue is closed.
    fn write_to(&self, output: impl Write) {
        let mut writer = LineWriter { output, written: 0, is_cut: false };
        let (mut reported, mut before, mut why) = (0, 0, None);
        // Allocated at full size, so that it never grows at the expense of a call's memory; untouched pages cost
        // nothing.
        let mut bytes = Vec::with_capacity(MAX_WAITING);
        loop {
            let state = self.lock();
            let is_idle = |state: &mut QueueState| state.bytes.is_empty() && !state.closed;
            let state = self.changed.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
            let closed = state.closed;
            drop(state);
            if !closed {
                agi_rhai::clock::sleep(BATCH_INTERVAL);
            }
            std::mem::swap(&mut self.lock().bytes, &mut bytes);
            // A full disk must not end calls.
            if let Err(error) = writer.write(&bytes) {
                self.lock().dropped += writer.lost(&bytes);
                why = Some(error.to_string());
            }
            // Reports losses once writing works again.
            let dropped = self.lock().dropped;
            if dropped > reported && dropped == before {
                let why = why.take().unwrap_or_else(|| "they came faster than they could be written".to_owned());
                tracing::warn!("lost {} of the log: {why}", plural(dropped - reported, "line"));
                reported = dropped;
            }
            before = dropped;
            if closed {
                self.lock().done = true;
                self.changed.notify_all();
                return;
            }
            bytes.clear();
        }
    }
}

/// Writes batches of lines to an output that may fail.
struct LineWriter<W> {
    output: W,
    /// How many bytes of the last batch were written.
    written: usize,
    /// Whether the output ends in the middle of a line.
    is_cut: bool,
}

impl<W: Write> LineWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.written = 0;
        if self.is_cut {
            self.output.write_all(b"\n")?;
            self.is_cut = false;
        }
        while self.written < bytes.len() {
            match self.output.write(&bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_cut = self.written > 0 && bytes[self.written - 1] != b'\n';
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Returns how many lines of the last batch were not completely written.
    fn lost(&self, bytes: &[u8]) -> u64 {
        bytes[self.written..].iter().map(|byte| u64::from(*byte == b'\n')).sum()
    }
}

/// Each write is one line of the log.
impl Write for &LineQueue {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut state = self.lock();
        if state.bytes.len() + line.len() > MAX_WAITING {
            state.dropped += 1;
        } else {
            let first = state.bytes.is_empty();
            state.bytes.extend_from_slice(line);
            if first {
                self.changed.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl ServerLog {
    /// Returns a counter of the lines that were dropped or could not be written.
    pub fn dropped(&self) -> impl Fn() -> u64 + Send + 'static {
        let queue = Arc::clone(&self.queue);
        move || queue.lock().dropped
    }

    /// Writes the remaining lines, unless the output blocks.
    pub fn close(&mut self) {
        if !self.has_writer {
            return;
        }
        let mut state = self.queue.lock();
        state.closed = true;
        self.queue.changed.notify_all();
        let _ = self.queue.changed.wait_timeout_while(state, CLOSE_TIMEOUT, |state| !state.done);
    }
}

/// Starts the log of a server.
pub fn start_server_log(options: &CommonOptions) -> ServerLog {
    let level = options.log_level.unwrap_or(LevelFilter::INFO);
    let place = options.log.as_deref().unwrap_or("stderr");
    let queue = Arc::<LineQueue>::default();
    let (writer, problem): (Box<dyn Write + Send>, _) = match place {
        "syslog" | "journald" => {
            start(options, LevelFilter::INFO, false);
            return ServerLog { queue, has_writer: false };
        }
        "stderr" => (Box::new(std::io::stderr()), None),
        path => match open_file(path) {
            Ok(file) => (Box::new(file), None),
            Err(problem) => (Box::new(std::io::stderr()), Some(problem)),
        },
    };
    let writing = Arc::clone(&queue);
    if Builder::new().name("log".to_owned()).spawn(move || writing.write_to(writer)).is_err() {
        // The server won't start either, and its error must be logged.
        start(options, LevelFilter::INFO, false);
        return ServerLog { queue, has_writer: false };
    }
    queue.lock().bytes.reserve_exact(MAX_WAITING);
    let terminal = place == "stderr" && std::io::stderr().is_terminal();
    let to = Arc::clone(&queue);
    let layer = fmt::layer().fmt_fields(fields(terminal)).event_format(LineFormat::new(terminal)).with_writer(to);
    // A global level, so that no layer has to check it at each turn of a call.
    let _ = tracing_subscriber::registry().with(level).with(layer).try_init();
    if let Some(problem) = problem {
        tracing::warn!("cannot log to {place}: {problem}; logging to stderr");
    }
    ServerLog { queue, has_writer: true }
}
