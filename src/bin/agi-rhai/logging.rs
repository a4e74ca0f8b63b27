//! Where the log goes.

use crate::common::CommonOptions;
use crate::panics;
use agi_rhai::agi::{printable, printable_lines};
use agi_rhai::script::PRINTED;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Format, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// The log of a server. A thread of its own writes it, since whoever writes to a full pipe waits, and all calls of a
/// thread would wait with it. It writes what has come every now and then, not each line: being woken for each would
/// cost more than the line.
pub struct Log {
    lines: Arc<Lines>,
    /// By a thread of ours.
    is_written: bool,
}

/// Lines on their way into the log.
#[derive(Default)]
struct Lines {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
    /// All is written after that.
    done: bool,
}

/// How long lines wait for others to come with them.
const GATHERING: Duration = Duration::from_millis(20);
/// How long the end of the program waits for the end of the log.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes that wait at most; lines beyond are dropped, and counted.
const MOST_WAITING: usize = 8 * 1024 * 1024;

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until there is nothing more to come.
    fn write_to(&self, place: impl Write) {
        let mut file = Written { place, at: 0, is_cut: false };
        let (mut told, mut before, mut why) = (0, 0, None);
        // As large as they ever get, so that they never grow at the cost of a call's memory; untouched pages cost
        // nothing.
        let mut bytes = Vec::with_capacity(MOST_WAITING);
        loop {
            let waiting = self.lock();
            let empty = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.closed;
            let waiting = self.more.wait_while(waiting, empty).unwrap_or_else(PoisonError::into_inner);
            let closed = waiting.closed;
            drop(waiting);
            if !closed {
                agi_rhai::clock::sleep(GATHERING);
            }
            std::mem::swap(&mut self.lock().bytes, &mut bytes);
            // A full disk is no reason to end calls.
            if let Err(error) = file.write(&bytes) {
                self.lock().dropped += file.lost(&bytes);
                why = Some(error.to_string());
            }
            // Once there is room again, and for the last time.
            let dropped = self.lock().dropped;
            if dropped > told && dropped == before {
                let why = why.take().unwrap_or_else(|| "they came faster than they could be written".to_owned());
                tracing::warn!("{} lines of the log are lost: {why}", dropped - told);
                told = dropped;
            }
            before = dropped;
            if closed {
                self.lock().done = true;
                self.more.notify_all();
                return;
            }
            bytes.clear();
        }
    }
}

/// Where the log is written, as far as it goes.
struct Written<W> {
    place: W,
    /// So much of what was given last is there.
    at: usize,
    /// It ends in the middle of a line.
    is_cut: bool,
}

impl<W: Write> Written<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.at = 0;
        if self.is_cut {
            self.place.write_all(b"\n")?;
            self.is_cut = false;
        }
        while self.at < bytes.len() {
            match self.place.write(&bytes[self.at..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.at += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_cut = self.at > 0 && bytes[self.at - 1] != b'\n';
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// How many lines of what was given last are not there, or not whole.
    fn lost(&self, bytes: &[u8]) -> u64 {
        bytes[self.at..].iter().map(|byte| u64::from(*byte == b'\n')).sum()
    }
}

/// A line of the log comes in one piece.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > MOST_WAITING {
            waiting.dropped += 1;
        } else {
            let first = waiting.bytes.is_empty();
            waiting.bytes.extend_from_slice(line);
            if first {
                self.more.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Counts the lines that came faster than they could be written, or could not be written.
    pub fn dropped(&self) -> impl Fn() -> u64 + Send + 'static {
        let lines = Arc::clone(&self.lines);
        move || lines.lock().dropped
    }

    /// Writes what is still to be written, unless nobody reads it.
    pub fn close(&mut self) {
        if !self.is_written {
            return;
        }
        let mut waiting = self.lines.lock();
        waiting.closed = true;
        self.lines.more.notify_all();
        let _ = self.lines.more.wait_timeout_while(waiting, LAST_WORDS, |waiting| !waiting.done);
    }
}

/// Starts the log of a server.
pub fn serve(options: &CommonOptions) -> Log {
    let level = options.log_level.unwrap_or(LevelFilter::INFO);
    let place = options.log.as_deref().unwrap_or("stderr");
    let lines = Arc::<Lines>::default();
    let (writer, problem): (Box<dyn Write + Send>, _) = match place {
        "syslog" | "journald" => {
            start(options, LevelFilter::INFO, false);
            return Log { lines, is_written: false };
        }
        "stderr" => (Box::new(std::io::stderr()), None),
        path => match open_file(path) {
            Ok(file) => (Box::new(file), None),
            Err(problem) => (Box::new(std::io::stderr()), Some(problem)),
        },
    };
    let written = Arc::clone(&lines);
    if Builder::new().name("log".to_owned()).spawn(move || written.write_to(writer)).is_err() {
        // There will be no server either, and this is to be read.
        start(options, LevelFilter::INFO, false);
        return Log { lines, is_written: false };
    }
    lines.lock().bytes.reserve_exact(MOST_WAITING);
    let colour = place == "stderr" && std::io::stderr().is_terminal();
    let to = Arc::clone(&lines);
    let layer = fmt::layer().fmt_fields(fields()).event_format(Whole(format(colour))).with_writer(to);
    // The level holds for all, so that it is asked once, and not by a layer at each turn of a call.
    let _ = tracing_subscriber::registry().with(level).with(layer).try_init();
    if let Some(problem) = problem {
        tracing::warn!("cannot log to {place}: {problem}; logging to stderr");
    }
    Log { lines, is_written: true }
}

/// Starts the log. One that cannot be opened is replaced by stderr: it never fails a call.
pub fn start(options: &CommonOptions, usual: LevelFilter, phone: bool) {
    let place = options.log.as_deref().unwrap_or("stderr");
    let (layer, problem) = match open(place) {
        Ok(layer) => (layer, None),
        Err(problem) => (stderr(), Some(problem)),
    };
    let _ = tracing_subscriber::registry().with(filtered(layer, options, usual, phone)).try_init();
    if let Some(problem) = problem {
        tracing::warn!("cannot log to {place}: {problem}; logging to stderr");
    }
}

/// A line of the log, to be shown.
pub struct Line {
    pub warning: bool,
    /// Whoever logs it may hold any lock.
    pub is_panic: bool,
    /// Its script and line, where it has them.
    pub place: Option<String>,
    pub text: String,
}

/// Starts the log of a phone on the whole screen, which gets its lines. It goes to another place too, where one is
/// named that is not this screen.
pub fn start_on_screen(options: &CommonOptions, show: impl Fn(Line) + Send + Sync + 'static) {
    let screen: Opened = Box::new(OnScreen { show });
    let mut layers = vec![filtered(screen, options, LevelFilter::WARN, true)];
    let place = options.log.as_deref().filter(|place| *place != "stderr" || !std::io::stderr().is_terminal());
    let mut problem = None;
    match place.map(open) {
        Some(Ok(layer)) => layers.push(filtered(layer, options, LevelFilter::WARN, true)),
        Some(Err(error)) => problem = Some(error),
        None => {}
    }
    let _ = tracing_subscriber::registry().with(layers).try_init();
    if let (Some(place), Some(problem)) = (place, problem) {
        tracing::warn!("cannot log to {place}: {problem}; it is shown here only");
    }
}

/// An event as it is written. A message of ours may have several lines, as a fault with its place has: the further ones
/// begin with blanks, so that nothing in them can be taken for a line of the log. What a script prints has one.
struct Whole<F>(F);

impl<F, S, N> FormatEvent<S, N> for Whole<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        let between = if event.metadata().target() == PRINTED { "\\n" } else { "\n  " };
        writeln!(to, "{}", text.trim_end_matches('\n').replace('\n', between))
    }
}

/// The fields of an event or a span, of which only the message may have several lines.
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let write = |to: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => to.write_str(&printable_lines(&value)),
            name => write!(to, "{name}={}", printable(&value)),
        }
    };
    debug_fn(write).delimited(" ")
}

fn format(colour: bool) -> Format {
    fmt::format().with_ansi(colour).with_target(false)
}

/// Does this with a log that has panics only, each of which goes to `show`.
pub fn with_panics<T>(show: impl Fn(String) + Send + Sync + 'static, work: impl FnOnce() -> T) -> T {
    let shown = OnScreen { show: move |line: Line| show(line.text) };
    let shown =
        shown.with_filter(filter_fn(|event| event.target() == panics::TARGET).with_max_level_hint(LevelFilter::ERROR));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(shown), work)
}

type Opened = Box<dyn Layer<Registry> + Send + Sync>;

fn open(place: &str) -> Result<Opened, String> {
    match place {
        "stderr" => Ok(stderr()),
        "syslog" => {
            let (flags, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::User);
            syslog_tracing::Syslog::new(c"agi-rhai", flags, facility)
                .map(|syslog| {
                    fmt::layer()
                        .fmt_fields(fields())
                        .event_format(Whole(format(false).without_time()))
                        .with_writer(syslog)
                        .boxed()
                })
                .ok_or_else(|| "syslog is in use already".to_owned())
        }
        "journald" => tracing_journald::layer().map(Layer::boxed).map_err(|error| error.to_string()),
        path => open_file(path)
            .map(|file| {
                let layer = fmt::layer().fmt_fields(fields()).event_format(Whole(format(false)));
                layer.with_writer(Mutex::new(OrStderr(file))).boxed()
            })
            .map_err(|error| error.to_string()),
    }
}

/// Lets through what is asked for.
fn filtered(layer: Opened, options: &CommonOptions, usual: LevelFilter, phone: bool) -> Opened {
    let level = options.log_level.unwrap_or(usual);
    // On the phone a script's own words are shown, and its faults are shown by the phone.
    let spoken = phone && options.log_level.is_none();
    let shown = filter_fn(move |event| match event.target() {
        "agi_rhai::host" if phone && *event.level() == Level::ERROR => false,
        PRINTED if spoken => true,
        _ => *event.level() <= level,
    });
    let most = if spoken { level.max(LevelFilter::INFO) } else { level };
    layer.with_filter(shown.with_max_level_hint(most)).boxed()
}

/// Hands lines of the log to a screen.
struct OnScreen<F> {
    show: F,
}

impl<F: Fn(Line) + Send + Sync + 'static> Layer<Registry> for OnScreen<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, Registry>) {
        let mut line = Told::default();
        event.record(&mut line);
        let script = line.script.filter(|script| !script.is_empty());
        let place = script.map(|script| {
            let name = Path::new(&script).file_name().unwrap_or_default().to_string_lossy().into_owned();
            if line.line > 0 { format!("{name}:{}", line.line) } else { name }
        });
        (self.show)(Line {
            warning: *event.metadata().level() <= Level::WARN,
            is_panic: event.metadata().target() == panics::TARGET,
            place,
            text: format!("{}{}", line.text, line.more),
        });
    }
}

/// What an event tells.
#[derive(Default)]
struct Told {
    text: String,
    /// ` name=value` of all that has no place of its own.
    more: String,
    script: Option<String>,
    line: u64,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "script" => self.script = Some(value.to_owned()),
            // The script's line tells it.
            "command" => {}
            "message" => value.clone_into(&mut self.text),
            name => self.more.extend([" ", name, "=", value]),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "line" {
            self.line = value;
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A file for the log, which is not for everybody to read. Where it is a pipe, whoever reads it has to be there: else
/// opening it would wait.
fn open_file(path: &str) -> std::io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().create(true).append(true).mode(0o640).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::NXIO.raw_os_error() => std::io::Error::other("nobody reads from this pipe"),
        _ => error,
    })?;
    // From here on who reads slowly is waited for, as on stderr.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// A file, and stderr for what it does not take: a disk may be full.
struct OrStderr(File);

impl Write for OrStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.write_all(bytes).is_err() {
            let _ = std::io::stderr().write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn stderr<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let colour = std::io::stderr().is_terminal();
    fmt::layer().fmt_fields(fields()).event_format(Whole(format(colour))).with_writer(Quiet::default).boxed()
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
