//! The log: its format, and where it goes.

use crate::common::CommonOptions;
use crate::panics;
use crate::terminal::colour_is_wanted;
use agi_rhai::internals::{printable, printable_lines};
use agi_rhai::script::PRINT_TARGET;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Format, Full, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// Starts the log. If it can't be opened, stderr takes its place, so a call never fails because of its log.
pub fn start(options: &CommonOptions, default: LevelFilter, phone: bool) {
    let place = options.log.as_deref().unwrap_or("stderr");
    let (layer, problem) = match open(place) {
        Ok(layer) => (layer, None),
        Err(problem) => (stderr(), Some(problem)),
    };
    let _ = tracing_subscriber::registry().with(filtered(layer, options, default, phone)).try_init();
    if let Some(problem) = problem {
        tracing::warn!("cannot log to {place}: {problem}; logging to stderr");
    }
}

/// A line of the log to be shown.
pub struct LogLine {
    pub warning: bool,
    /// Whether it is a panic, whose thread may hold any lock.
    pub is_panic: bool,
    /// The script and line, if any.
    pub place: Option<String>,
    pub text: String,
}

/// Starts the log of a full-screen phone, which receives its lines. They also go to the log of the options, unless that
/// is the same screen.
pub fn start_on_screen(options: &CommonOptions, show: impl Fn(LogLine) + Send + Sync + 'static) {
    let screen: BoxedLayer = Box::new(OnScreen { show });
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

/// Formats an event as one line. On a terminal a fault is followed by its place in the script, indented, so that it
/// can't pass for lines of the log.
pub struct LineFormat<F = Format> {
    format: F,
    /// Whether it is read on a terminal.
    on_terminal: bool,
}

impl LineFormat {
    pub fn new(on_terminal: bool) -> Self {
        Self { format: fmt::format().with_ansi(on_terminal && colour_is_wanted()).with_target(false), on_terminal }
    }

    fn without_time(self) -> LineFormat<Format<Full, ()>> {
        LineFormat { format: self.format.without_time(), on_terminal: self.on_terminal }
    }
}

impl<F, S, N> FormatEvent<S, N> for LineFormat<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.format.format_event(context, Writer::new(&mut text), event)?;
        let is_printed = event.metadata().target() == PRINT_TARGET;
        let between = if self.on_terminal && !is_printed { "\n  " } else { "\\n" };
        writeln!(to, "{}", text.trim_end_matches('\n').replace('\n', between))
    }
}

/// Formats the fields of an event or a span. Those of a fault that its message tells are left out, and its report is
/// for terminals.
pub fn fields(on_terminal: bool) -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let write = move |to: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        let blank = if field.index() > 0 { " " } else { "" };
        match field.name() {
            "message" => to.write_str(&printable_lines(&format!("{value:?}"))),
            "report" if on_terminal => {
                let report = format!("{value:?}");
                // Its title is the message.
                report.lines().skip(1).try_for_each(|line| write!(to, "\n{}", printable_lines(line)))
            }
            "report" => Ok(()),
            name if name.starts_with("fault.") => Ok(()),
            name => write!(to, "{blank}{name}={}", printable(&format!("{value:?}"))),
        }
    };
    debug_fn(write)
}

/// Runs `work` with a log that passes panics to `show` and drops everything else.
pub fn with_panics<T>(show: impl Fn(String) + Send + Sync + 'static, work: impl FnOnce() -> T) -> T {
    let shown = OnScreen { show: move |line: LogLine| show(line.text) };
    let shown =
        shown.with_filter(filter_fn(|event| event.target() == panics::TARGET).with_max_level_hint(LevelFilter::ERROR));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(shown), work)
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn open(place: &str) -> Result<BoxedLayer, String> {
    match place {
        "stderr" => Ok(stderr()),
        "syslog" => {
            let (flags, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::User);
            syslog_tracing::Syslog::new(c"agi-rhai", flags, facility)
                .map(|syslog| {
                    fmt::layer()
                        .fmt_fields(fields(false))
                        .event_format(LineFormat::new(false).without_time())
                        .with_writer(syslog)
                        .boxed()
                })
                .ok_or_else(|| "syslog is in use already".to_owned())
        }
        "journald" => tracing_journald::layer().map(Layer::boxed).map_err(|error| error.to_string()),
        path => open_file(path)
            .map(|file| {
                let layer = fmt::layer().fmt_fields(fields(false)).event_format(LineFormat::new(false));
                layer.with_writer(Mutex::new(OrStderr(file))).boxed()
            })
            .map_err(|error| error.to_string()),
    }
}

/// Filters by level.
fn filtered(layer: BoxedLayer, options: &CommonOptions, default: LevelFilter, phone: bool) -> BoxedLayer {
    let level = options.log_level.unwrap_or(default);
    // On a phone, the output of a script is always shown, and faults are shown by the phone itself.
    let shows_output = phone && options.log_level.is_none();
    let shown = filter_fn(move |event| match event.target() {
        "agi_rhai::host" if phone && *event.level() == Level::ERROR => false,
        PRINT_TARGET if shows_output => true,
        _ => *event.level() <= level,
    });
    let highest = if shows_output { level.max(LevelFilter::INFO) } else { level };
    layer.with_filter(shown.with_max_level_hint(highest)).boxed()
}

/// Passes lines of the log to a screen.
struct OnScreen<F> {
    show: F,
}

impl<F: Fn(LogLine) + Send + Sync + 'static> Layer<Registry> for OnScreen<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, Registry>) {
        let mut line = EventText::default();
        event.record(&mut line);
        let script = line.script.filter(|script| !script.is_empty());
        let place = script.map(|script| {
            let name = Path::new(&script).file_name().unwrap_or_default().to_string_lossy().into_owned();
            if line.line > 0 { format!("{name}:{}", line.line) } else { name }
        });
        (self.show)(LogLine {
            warning: *event.metadata().level() <= Level::WARN,
            is_panic: event.metadata().target() == panics::TARGET,
            place,
            text: format!("{}{}", line.text, line.more),
        });
    }
}

/// The text of an event.
#[derive(Default)]
struct EventText {
    text: String,
    /// ` name=value` for the fields without a place of their own.
    more: String,
    script: Option<String>,
    line: u64,
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "script" => self.script = Some(value.to_owned()),
            // The line of the script shows it.
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

/// Opens a file for the log, which only its owner and group can read. A pipe must have a reader: opening it would
/// block otherwise.
pub fn open_file(path: &str) -> std::io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().create(true).append(true).mode(0o640).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::NXIO.raw_os_error() => std::io::Error::other("no process reads from this pipe"),
        _ => error,
    })?;
    // From now on, writes wait for a slow reader, as on stderr.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// A file, with stderr for lines that can't be written to it, for instance because the disk is full.
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
    let terminal = std::io::stderr().is_terminal();
    let layer = fmt::layer().fmt_fields(fields(terminal)).event_format(LineFormat::new(terminal));
    layer.with_writer(Quiet::default).boxed()
}

/// How long a line may wait for a reader of stderr that is behind.
const STDERR_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// As much as a pipe takes at once when it takes anything.
const PIPE_ROOM: usize = 4096;

/// Stderr without errors, since a daemon's stderr may be closed, and without waiting: what nothing reads is lost,
/// rather than holding up the call.
#[derive(Default)]
struct Quiet;

/// Whether the last line was lost. Then the next one doesn't wait at all.
static STDERR_IS_STUCK: AtomicBool = AtomicBool::new(false);

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut out = std::io::stderr();
        for part in bytes.chunks(PIPE_ROOM) {
            let wait = if STDERR_IS_STUCK.load(Relaxed) { Timespec::default() } else { STDERR_PATIENCE };
            let ready = poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&wait));
            STDERR_IS_STUCK.store(ready == Ok(0), Relaxed);
            if ready == Ok(0) {
                break;
            }
            let _ = out.write_all(part);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
