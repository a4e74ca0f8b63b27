//! Where the log goes.

use crate::options::Common;
use agi_rhai::script::PRINTED;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

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
