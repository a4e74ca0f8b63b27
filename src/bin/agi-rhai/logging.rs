//! Where the log goes.

use crate::options::Common;
use agi_rhai::script::PRINTED;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// What keeps the log of a server going; lines still to be written are written when it is dropped.
pub struct Log {
    writer: Option<WorkerGuard>,
    dropped: Option<ErrorCounter>,
}

impl Log {
    /// Counts the lines that came faster than they could be written.
    pub fn dropped(&self) -> impl Fn() -> u64 + Send + 'static {
        let dropped = self.dropped.clone();
        move || dropped.as_ref().map_or(0, |dropped| u64::try_from(dropped.dropped_lines()).unwrap_or(u64::MAX))
    }

    /// Writes what is still to be written.
    pub fn close(&mut self) {
        self.writer = None;
    }
}

/// Starts the log of a server: a thread of its own writes it, since whoever writes to a full pipe waits, and all calls
/// of a thread would wait with it.
pub fn serve(options: &Common) -> Log {
    let level = options.log_level.unwrap_or(LevelFilter::INFO);
    let place = options.log.as_deref().unwrap_or("stderr");
    let (writer, problem): (Box<dyn Write + Send>, _) = match place {
        "syslog" | "journald" => {
            start(options, LevelFilter::INFO, false);
            return Log { writer: None, dropped: None };
        }
        "stderr" => (Box::new(Quiet), None),
        path => match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => (Box::new(file), None),
            Err(problem) => (Box::new(Quiet), Some(problem)),
        },
    };
    let colour = place == "stderr" && std::io::stderr().is_terminal();
    let (lines, guard) = NonBlockingBuilder::default().lossy(true).finish(writer);
    let dropped = lines.error_counter();
    let layer = fmt::layer().with_ansi(colour).with_target(false).with_writer(lines);
    let _ = tracing_subscriber::registry().with(layer.with_filter(level)).try_init();
    if let Some(problem) = problem {
        tracing::warn!("cannot log to {place}: {problem}; logging to stderr");
    }
    Log { writer: Some(guard), dropped: Some(dropped) }
}

/// Starts the log. One that cannot be opened is replaced by stderr: it never fails a call.
pub fn start(options: &Common, usual: LevelFilter, phone: bool) {
    let level = options.log_level.unwrap_or(usual);
    let place = options.log.as_deref().unwrap_or("stderr");
    let opened: Result<Box<dyn Layer<Registry> + Send + Sync>, String> = match place {
        "stderr" => Ok(stderr()),
        "syslog" => {
            let (flags, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::User);
            syslog_tracing::Syslog::new(c"agi-rhai", flags, facility)
                .map(|syslog| {
                    fmt::layer().with_ansi(false).without_time().with_target(false).with_writer(syslog).boxed()
                })
                .ok_or_else(|| "syslog is in use already".to_owned())
        }
        "journald" => tracing_journald::layer().map(Layer::boxed).map_err(|error| error.to_string()),
        path => OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map(|file| fmt::layer().with_ansi(false).with_target(false).with_writer(Mutex::new(file)).boxed())
            .map_err(|error| error.to_string()),
    };
    let (layer, problem) = match opened {
        Ok(layer) => (layer, None),
        Err(problem) => (stderr(), Some(problem)),
    };
    // On the phone a script's own words are shown, and its faults are shown by the phone.
    let spoken = phone && options.log_level.is_none();
    let shown = filter_fn(move |event| match event.target() {
        "agi_rhai::host" if phone && *event.level() == Level::ERROR => false,
        PRINTED if spoken => true,
        _ => *event.level() <= level,
    });
    let most = if spoken { level.max(LevelFilter::INFO) } else { level };
    let _ = tracing_subscriber::registry().with(layer.with_filter(shown.with_max_level_hint(most))).try_init();
    if let Some(problem) = problem {
        tracing::warn!("cannot log to {place}: {problem}; logging to stderr");
    }
}

fn stderr<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let colour = std::io::stderr().is_terminal();
    fmt::layer().with_ansi(colour).with_target(false).with_writer(Quiet::default).boxed()
}

/// Stderr without complaints: under a daemon nobody may be reading it.
#[derive(Default)]
struct Quiet;

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
