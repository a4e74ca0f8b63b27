//! What a server counts, as a page for Prometheus.
//!
//! Commands are counted at the place where they are run: each worker has a [`Shard`] of its own, so that no two of them
//! write to the same cache line. What happens once a call is counted in common. Both are summed when somebody asks.

use super::Status;
use crate::command::{COMMANDS, Command};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Display, Write};
use std::fs;
use std::iter::zip;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The type of the page: Prometheus' text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets, in microseconds: from what a script needs to what a caller takes to answer.
#[rustfmt::skip]
const BOUNDS: [u64; 21] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The buckets of a histogram; the last one holds what is above every bound.
const BUCKETS: usize = BOUNDS.len() + 1;

/// So many scripts that are gone are still shown.
const MOST_GONE: usize = 100;

/// Where each command stands in [`COMMANDS`], by its address, in the order of the addresses.
static PLACES: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let mut places: Vec<_> = COMMANDS.iter().enumerate().map(|(place, command)| (address(command), place)).collect();
    places.sort_unstable();
    places
});

/// All that is counted.
///
/// ```
/// use agi_rhai::Status;
/// use agi_rhai::command::COMMANDS;
/// use agi_rhai::host::metrics::{Gauges, Metrics};
/// use std::time::Duration;
///
/// let metrics = Metrics::new(2);
/// metrics.started();
/// metrics.shard(0).command(COMMANDS[0], Duration::from_millis(2), Duration::from_micros(8));
/// metrics.ended("guess", Status::Success);
///
/// let page = metrics.render(&Gauges { calls: 1, max_calls: 500, ..Gauges::default() });
/// assert!(page.contains("agi_rhai_calls_ended_total{script=\"guess\",status=\"SUCCESS\"} 1\n"));
/// ```
#[derive(Debug)]
pub struct Metrics {
    shards: Box<[Shard]>,
    started: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    good_reloads: AtomicU64,
    bad_reloads: AtomicU64,
    missing_sounds: AtomicU64,
    takeovers: AtomicU64,
    scripts: Mutex<Scripts>,
}

/// What became of the calls of each script.
#[derive(Debug, Default)]
struct Scripts {
    tallies: BTreeMap<String, Tally>,
    /// Those of them that are not there any more, the one that went first in front.
    gone: VecDeque<String>,
}

impl Scripts {
    /// The tally of a script; one that is not there, as far as is known, is the last to have gone.
    fn tally(&mut self, script: &str) -> &mut Tally {
        if !self.tallies.contains_key(script) && !script.is_empty() {
            self.go(script.to_owned());
        }
        self.tallies.entry(script.to_owned()).or_default()
    }

    fn go(&mut self, script: String) {
        self.gone.push_back(script);
        if self.gone.len() > MOST_GONE
            && let Some(first) = self.gone.pop_front()
        {
            self.tallies.remove(&first);
        }
    }
}

/// What became of the calls of a script.
#[derive(Debug, Default)]
struct Tally {
    ended: BTreeMap<&'static str, u64>,
    faults: u64,
}

/// Why a call was turned away before it had a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There were as many calls as there may be.
    MaxCalls,
    /// Its peer had as many calls as one peer may have.
    MaxCallsPerPeer,
    /// Its peer is none of those that may call.
    NotAllowed,
    /// What it said at the start was not AGI.
    Malformed,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::MaxCalls, Self::MaxCallsPerPeer, Self::NotAllowed, Self::Malformed];

    /// The word in the label `reason`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MaxCalls => "max_calls",
            Self::MaxCallsPerPeer => "max_calls_per_peer",
            Self::NotAllowed => "not_allowed",
            Self::Malformed => "malformed",
        }
    }
}

/// What is not counted but known at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Calls going on.
    pub calls: u64,
    /// Calls there may be at once.
    pub max_calls: u64,
    /// Scripts that can be called.
    pub scripts: u64,
    /// Scripts whose file has a fault: an older version of them, or none, can be called.
    pub broken_scripts: u64,
    /// Lines that never got into the log, since the start.
    pub log_lines_dropped: u64,
    /// Calls that have been in one step of their script for longer than a second.
    pub stuck_calls: u64,
    /// Calls without a recording, or with one that breaks off, since the start.
    pub recordings_lost: u64,
}

impl Metrics {
    /// Nothing counted yet, for this many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            shards: (0..workers.max(1)).map(|_| Shard::new()).collect(),
            started: AtomicU64::default(),
            refused: Default::default(),
            good_reloads: AtomicU64::default(),
            bad_reloads: AtomicU64::default(),
            missing_sounds: AtomicU64::default(),
            takeovers: AtomicU64::default(),
            scripts: Mutex::default(),
        }
    }

    /// The shard of a worker, from 0. Beyond the last they are shared, which is slower and still right.
    #[must_use]
    pub fn shard(&self, worker: usize) -> &Shard {
        &self.shards[worker % self.shards.len()]
    }

    /// These are all scripts there are. They are shown as without a fault so far: Prometheus sees a counter grow only
    /// once it has seen it, so the first fault of a script not known before would go unnoticed.
    ///
    /// Of scripts that are not there any more, and of those never told of here, the last 100 are shown: Prometheus has
    /// had time to see their last calls by then, and scripts that come and go do not fill the page.
    pub fn know<'a>(&self, scripts: impl IntoIterator<Item = &'a str>) {
        let mut known = self.scripts();
        let there: BTreeSet<&str> = scripts.into_iter().collect();
        known.gone.retain(|script| !there.contains(script.as_str()));
        for script in &there {
            known.tallies.entry((*script).to_owned()).or_default();
        }
        let counted: BTreeSet<&str> = known.gone.iter().map(String::as_str).chain(there).chain([""]).collect();
        let gone: Vec<String> =
            known.tallies.keys().filter(|script| !counted.contains(script.as_str())).cloned().collect();
        for script in gone {
            known.go(script);
        }
    }

    /// A call began.
    pub fn started(&self) {
        add(&self.started, 1);
    }

    /// A call ended. The script is one of the library, or empty: what a peer asked for must not become a label.
    pub fn ended(&self, script: &str, status: Status) {
        *self.scripts().tally(script).ended.entry(status.word()).or_default() += 1;
    }

    /// A call was turned away.
    pub fn refused(&self, why: Refused) {
        add(&self.refused[why as usize], 1);
    }

    /// A script had a fault while it ran.
    pub fn fault(&self, script: &str) {
        self.scripts().tally(script).faults += 1;
    }

    /// A changed script was taken over, or has a fault and was not.
    pub fn reload(&self, good: bool) {
        add(if good { &self.good_reloads } else { &self.bad_reloads }, 1);
    }

    /// So many sound files were missing.
    pub fn missing_sounds(&self, files: u64) {
        add(&self.missing_sounds, files);
    }

    /// A thread took over the calls of another one, which was busy with one call.
    pub fn took_over(&self) {
        add(&self.takeovers, 1);
    }

    /// The page.
    #[must_use]
    pub fn render(&self, now: &Gauges) -> String {
        let mut page = Page::default();
        page.family("agi_rhai_build_info", "gauge", "The version that runs; always 1.");
        page.sample("agi_rhai_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.gauge("agi_rhai_calls", "Calls going on.", now.calls);
        page.gauge("agi_rhai_max_calls", "Calls there may be at once.", now.max_calls);
        page.counter("agi_rhai_calls_started_total", "Calls that began.", read(&self.started));
        self.render_scripts(&mut page);
        page.family("agi_rhai_calls_refused_total", "counter", "Calls turned away.");
        for (why, count) in zip(Refused::ALL, &self.refused) {
            page.sample("agi_rhai_calls_refused_total", &[("reason", why.word())], read(count));
        }
        page.family("agi_rhai_reloads_total", "counter", "Changed scripts: taken over, or not because of a fault.");
        for (result, count) in [("good", &self.good_reloads), ("bad", &self.bad_reloads)] {
            page.sample("agi_rhai_reloads_total", &[("result", result)], read(count));
        }
        page.counter("agi_rhai_missing_sounds_total", "Sound files missing.", read(&self.missing_sounds));
        page.gauge(
            "agi_rhai_stuck_calls",
            "Calls that have been in one step of their script for longer than a second.",
            now.stuck_calls,
        );
        page.counter(
            "agi_rhai_takeovers_total",
            "Times another thread took over the calls of one that was busy with a slow step.",
            read(&self.takeovers),
        );
        page.gauge("agi_rhai_scripts", "Scripts that can be called.", now.scripts);
        page.gauge("agi_rhai_broken_scripts", "Scripts whose file has a fault.", now.broken_scripts);
        page.counter("agi_rhai_log_lines_dropped_total", "Lines that never got into the log.", now.log_lines_dropped);
        page.counter(
            "agi_rhai_recordings_lost_total",
            "Calls whose recording (--record) could not be written to its end.",
            now.recordings_lost,
        );
        let help = "From sending a command to its reply.";
        self.render_histogram(&mut page, "agi_rhai_command_asterisk_seconds", help, |times| &times.asterisk);
        let help = "What the script itself took before a command.";
        self.render_histogram(&mut page, "agi_rhai_command_script_seconds", help, |times| &times.script);
        Self::render_process(&mut page);
        page.text
    }

    fn scripts(&self) -> MutexGuard<'_, Scripts> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn render_scripts(&self, page: &mut Page) {
        let scripts = self.scripts();
        page.family("agi_rhai_calls_ended_total", "counter", "Calls that ended.");
        for (script, tally) in &scripts.tallies {
            for (status, count) in &tally.ended {
                page.sample("agi_rhai_calls_ended_total", &[("script", script), ("status", status)], count);
            }
        }
        page.family("agi_rhai_faults_total", "counter", "Faults of scripts while they ran.");
        for (script, tally) in &scripts.tallies {
            page.sample("agi_rhai_faults_total", &[("script", script)], tally.faults);
        }
    }

    /// One histogram a command that was used.
    fn render_histogram(&self, page: &mut Page, name: &str, help: &str, of: impl Fn(&Times) -> &Histogram) {
        page.family(name, "histogram", help);
        let (bucket, sum, count) = (format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"));
        let verbs = COMMANDS.iter().map(|command| command.verb).chain(["other"]);
        for (place, verb) in verbs.enumerate() {
            let mut total = 0;
            let mut nanos = 0_u64;
            let mut below = [0; BUCKETS];
            for (end, below) in below.iter_mut().enumerate() {
                total += self.shards.iter().map(|shard| read(&of(&shard.0[place]).buckets[end])).sum::<u64>();
                *below = total;
            }
            if total == 0 {
                continue;
            }
            for shard in &self.shards {
                // Over after 584 years of waiting, which are three weeks of 10,000 calls: then it starts anew, as
                // counters may.
                nanos = nanos.wrapping_add(read(&of(&shard.0[place]).nanos));
            }
            for (bound, below) in zip(BOUNDS, below) {
                let bound = ratio(bound, 1_000_000).to_string();
                page.sample(&bucket, &[("command", verb), ("le", &bound)], below);
            }
            page.sample(&bucket, &[("command", verb), ("le", "+Inf")], total);
            page.sample(&sum, &[("command", verb)], ratio(nanos, 1_000_000_000));
            page.sample(&count, &[("command", verb)], total);
        }
    }

    /// What Prometheus' own libraries tell of a process, under the names they use. What `/proc` does not tell is left
    /// out.
    fn render_process(page: &mut Page) {
        if let Some(stat) = Stat::read() {
            page.gauge("process_resident_memory_bytes", "Memory in use.", stat.memory);
            page.counter("process_cpu_seconds_total", "Processor time, user and system.", stat.cpu);
            page.gauge("process_threads", "Threads.", stat.threads);
        }
        if let Some(born) = born() {
            page.gauge("process_start_time_seconds", "Start of the process since the Unix epoch.", born);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is that of the folder being read.
            page.gauge("process_open_fds", "Open file descriptors.", open.count().saturating_sub(1));
        }
        if let Some(max) = max_fds() {
            page.gauge("process_max_fds", "File descriptors there may be.", max);
        }
    }
}

/// What one worker counts.
#[derive(Debug)]
pub struct Shard(Box<[Times]>);

impl Shard {
    /// One for each command, and one for commands of an embedder's own.
    fn new() -> Self {
        Self((0..=COMMANDS.len()).map(|_| Times::default()).collect())
    }

    /// A command was carried out: how long Asterisk took for the reply, and how long the script took before it.
    ///
    /// Some 20 ns, nearly all of it for the four additions. They are locked ones, so that nothing is lost should two
    /// threads share a shard.
    pub fn command(&self, command: &Command, asterisk: Duration, script: Duration) {
        let times = &self.0[place(command)];
        times.asterisk.add(asterisk);
        times.script.add(script);
    }
}

/// The two times of a command, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Times {
    asterisk: Histogram,
    script: Histogram,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Histogram {
    fn add(&self, length: Duration) {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        add(&self.buckets[BOUNDS.partition_point(|bound| bound * 1_000 < nanos)], 1);
        add(&self.nanos, nanos);
    }
}

/// The page as it grows.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (number, (label, value)) in labels.iter().enumerate() {
            self.push(format_args!("{}{label}=\"", if number == 0 { '{' } else { ',' }));
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        self.push(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    fn push(&mut self, text: std::fmt::Arguments) {
        // A string takes all that is written.
        let _ = self.text.write_fmt(text);
    }
}

/// The numbers of `/proc/self/stat`.
struct Stat {
    /// In bytes.
    memory: u64,
    /// In seconds.
    cpu: f64,
    threads: u64,
    /// Seconds after the start of the machine.
    born: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program comes before, in parentheses, and may hold anything.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second();
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        Some(Self {
            memory: field(21)? * page,
            cpu: ratio(field(11)? + field(12)?, ticks),
            threads: field(17)?,
            born: ratio(field(19)?, ticks),
        })
    }
}

/// When the process started, in seconds since the Unix epoch: by the clock as it is set now, which it may not have been
/// then.
fn born() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let machine = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(machine.trim().parse::<f64>().ok()? + Stat::read()?.born)
}

/// The soft limit; `None` without one.
fn max_fds() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let limits = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limits.split_whitespace().next()?.parse().ok()
}

fn address(command: &Command) -> usize {
    std::ptr::from_ref(command).addr()
}

/// Where a command stands in [`COMMANDS`]; behind the end for one that does not.
fn place(command: &Command) -> usize {
    let found = PLACES.binary_search_by_key(&address(command), |(address, _)| *address);
    found.map_or(COMMANDS.len(), |found| PLACES[found].1)
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

/// Counters need no more than the 52 bits of a float.
#[expect(clippy::cast_precision_loss, reason = "a float is what Prometheus keeps anyway")]
fn ratio(count: u64, unit: u64) -> f64 {
    count as f64 / unit as f64
}
