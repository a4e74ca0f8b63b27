//! The counters of a server, as a page for Prometheus.
//!
//! Each worker counts commands in a [`Shard`] of its own, so that no two workers write to the same cache line. What
//! happens once per call is counted in one place. The page sums up the shards.

use super::Status;
use crate::command::{COMMANDS, Command};
use crate::histogram::{BOUNDS, BUCKETS, Histogram};
#[cfg(feature = "store")]
use crate::service::jobs::JobQueue;
use crate::service::{Counts, KINDS, Services};
use crate::sync::lock;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Display, Write};
use std::fs;
use std::iter::zip;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

/// The media type of the page: Prometheus' text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The maximum number of scripts that are gone but still shown.
const MAX_GONE: usize = 100;

/// The address of each command and its index in [`COMMANDS`], sorted by address.
static INDEXES: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let mut indexes: Vec<_> = COMMANDS.iter().enumerate().map(|(index, command)| (address(command), index)).collect();
    indexes.sort_unstable();
    indexes
});

/// The counters of a server.
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
    services: Mutex<Option<Services>>,
    /// Whether there is a connection to each manager.
    managers: Mutex<BTreeMap<String, bool>>,
}

/// How the calls of each script ended.
#[derive(Debug, Default)]
struct Scripts {
    tallies: BTreeMap<String, Tally>,
    /// The scripts that no longer exist, oldest first.
    gone: VecDeque<String>,
}

impl Scripts {
    /// Returns the tally of a script. One that isn't known counts as the last one to be gone.
    fn tally(&mut self, script: &str) -> &mut Tally {
        if !self.tallies.contains_key(script) && !script.is_empty() {
            self.note_gone(script.to_owned());
        }
        self.tallies.entry(script.to_owned()).or_default()
    }

    fn note_gone(&mut self, script: String) {
        self.gone.push_back(script);
        if self.gone.len() > MAX_GONE
            && let Some(first) = self.gone.pop_front()
        {
            self.tallies.remove(&first);
        }
    }
}

/// How the calls of a script ended.
#[derive(Debug, Default)]
struct Tally {
    ended: BTreeMap<&'static str, u64>,
    faults: u64,
}

/// Why a call was refused before it had a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The maximum number of calls was reached.
    MaxCalls,
    /// The maximum number of calls for one peer was reached.
    MaxCallsPerPeer,
    /// Its peer may not call.
    NotAllowed,
    /// Its beginning wasn't that of an AGI session.
    Malformed,
}

impl Refused {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::MaxCalls, Self::MaxCallsPerPeer, Self::NotAllowed, Self::Malformed];

    /// Returns the value of the label `reason`.
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

/// Current values, which are known without counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Calls in progress.
    pub calls: u64,
    /// The maximum number of calls at a time.
    pub max_calls: u64,
    /// Scripts that can be called.
    pub scripts: u64,
    /// Scripts whose file has a fault. If such a script has had a good version, that can be called.
    pub broken_scripts: u64,
    /// Lines that are missing from the log, since the start.
    pub log_lines_dropped: u64,
    /// Calls that have been in one step of their script for longer than a second.
    pub stuck_calls: u64,
    /// Calls without a recording, or with an incomplete one, since the start.
    pub recordings_lost: u64,
    /// Whether the last edit of the operator's file has a mistake.
    pub broken_config: bool,
}

impl Metrics {
    /// Creates counters at zero, for this many workers.
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
            services: Mutex::default(),
            managers: Mutex::default(),
        }
    }

    /// Returns the shard of a worker. Workers are numbered from 0; those beyond the last shard share, which is slower
    /// but still correct.
    #[must_use]
    pub fn shard(&self, worker: usize) -> &Shard {
        &self.shards[worker % self.shards.len()]
    }

    /// Sets which scripts exist. All of them are shown, even those without a fault: Prometheus notices that a counter
    /// grows only if it has seen it before, and would miss the first fault of a script otherwise.
    ///
    /// Of the scripts that no longer exist, the last 100 are shown. By then Prometheus has had time to see their last
    /// calls, and scripts that come and go don't fill the page.
    pub fn set_scripts<'a>(&self, scripts: impl IntoIterator<Item = &'a str>) {
        let mut known = self.scripts();
        let existing: BTreeSet<&str> = scripts.into_iter().collect();
        known.gone.retain(|script| !existing.contains(script.as_str()));
        for script in &existing {
            known.tallies.entry((*script).to_owned()).or_default();
        }
        let counted: BTreeSet<&str> = known.gone.iter().map(String::as_str).chain(existing).chain([""]).collect();
        let gone: Vec<String> =
            known.tallies.keys().filter(|script| !counted.contains(script.as_str())).cloned().collect();
        for script in gone {
            known.note_gone(script);
        }
    }

    /// Sets the services whose requests are shown.
    pub fn set_services(&self, services: Services) {
        *lock(&self.services) = Some(services);
    }

    /// Sets whether there is a connection to the manager of this name; `None` if calls no longer come from it.
    pub fn set_manager(&self, name: &str, is_connected: Option<bool>) {
        let mut managers = lock(&self.managers);
        match is_connected {
            Some(is_connected) => managers.insert(name.to_owned(), is_connected),
            None => managers.remove(name),
        };
    }

    /// Counts a call that begins.
    pub fn started(&self) {
        add(&self.started, 1);
    }

    /// Counts a call that ends. The script is one of the library, or empty: what a peer requests must not become a
    /// label.
    pub fn ended(&self, script: &str, status: Status) {
        *self.scripts().tally(script).ended.entry(status.word()).or_default() += 1;
    }

    /// Counts a refusal.
    pub fn refused(&self, why: Refused) {
        add(&self.refused[why as usize], 1);
    }

    /// Counts a fault of a running script.
    pub fn fault(&self, script: &str) {
        self.scripts().tally(script).faults += 1;
    }

    /// Counts a changed script: a good one is live now, one with a fault isn't.
    pub fn reload(&self, good: bool) {
        add(if good { &self.good_reloads } else { &self.bad_reloads }, 1);
    }

    /// Counts missing sound files.
    pub fn missing_sounds(&self, files: u64) {
        add(&self.missing_sounds, files);
    }

    /// Counts a takeover: another thread goes on with the calls of one that is busy with a slow step.
    pub fn took_over(&self) {
        add(&self.takeovers, 1);
    }

    /// Returns the page.
    #[must_use]
    pub fn render(&self, now: &Gauges) -> String {
        let mut page = Page::default();
        page.family("agi_rhai_build_info", "gauge", "The running version; always 1.");
        page.sample("agi_rhai_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.gauge("agi_rhai_calls", "Calls in progress.", now.calls);
        page.gauge("agi_rhai_max_calls", "Maximum number of calls at a time.", now.max_calls);
        page.counter("agi_rhai_calls_started_total", "Calls begun.", read(&self.started));
        self.render_scripts(&mut page);
        page.family("agi_rhai_calls_refused_total", "counter", "Calls refused.");
        for (why, count) in zip(Refused::ALL, &self.refused) {
            page.sample("agi_rhai_calls_refused_total", &[("reason", why.word())], read(count));
        }
        page.family("agi_rhai_reloads_total", "counter", "Changed scripts: live now, or not because of a fault.");
        for (result, count) in [("good", &self.good_reloads), ("bad", &self.bad_reloads)] {
            page.sample("agi_rhai_reloads_total", &[("result", result)], read(count));
        }
        page.counter("agi_rhai_missing_sounds_total", "Missing sound files.", read(&self.missing_sounds));
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
        page.counter("agi_rhai_log_lines_dropped_total", "Lines missing from the log.", now.log_lines_dropped);
        page.counter(
            "agi_rhai_recordings_lost_total",
            "Calls whose recording is missing or incomplete.",
            now.recordings_lost,
        );
        let help = "Time from sending a command to its reply.";
        self.render_histogram(&mut page, "agi_rhai_command_asterisk_seconds", help, |times| &times.asterisk);
        let help = "Time the script itself took before a command.";
        self.render_histogram(&mut page, "agi_rhai_command_script_seconds", help, |times| &times.script);
        page.gauge(
            "agi_rhai_config_broken",
            "Whether the last edit of agi-rhai.toml has a mistake, so that it isn't in use.",
            u64::from(now.broken_config),
        );
        let managers = lock(&self.managers);
        if !managers.is_empty() {
            let help = "Whether the server is logged in to the manager, whose calls come by AsyncAGI.";
            page.family("agi_rhai_manager_connected", "gauge", help);
            for (name, is_connected) in &*managers {
                page.sample("agi_rhai_manager_connected", &[("manager", name)], u64::from(*is_connected));
            }
        }
        drop(managers);
        Self::render_services(&mut page, &lock(&self.services).as_ref().map(Services::counts).unwrap_or_default());
        #[cfg(feature = "store")]
        if let Some(services) = &*lock(&self.services) {
            Self::render_jobs(&mut page, services.jobs());
        }
        Self::render_process(&mut page);
        page.text
    }

    /// Renders what calls have left behind. What is left was counted by who runs jobs.
    #[cfg(feature = "store")]
    fn render_jobs(page: &mut Page, queue: &JobQueue) {
        let name = "agi_rhai_jobs_total";
        page.family(name, "counter", "Jobs and mails that were run after calls.");
        for (result, count) in [("done", &queue.done), ("failed", &queue.failed), ("given_up", &queue.given_up)] {
            page.sample(name, &[("result", result)], read(count));
        }
        let Some(left) = queue.left() else { return };
        let name = "agi_rhai_jobs";
        page.family(name, "gauge", "Jobs and mails in the store that are left to do.");
        for (state, count) in [("waiting", left.waiting), ("failing", left.failing), ("given_up", left.given_up)] {
            page.sample(name, &[("state", state)], count);
        }
        let help = "For how long the oldest job that isn't given up has been waiting or failing.";
        page.gauge("agi_rhai_jobs_oldest_seconds", help, left.oldest);
    }

    fn scripts(&self) -> MutexGuard<'_, Scripts> {
        lock(&self.scripts)
    }

    fn render_scripts(&self, page: &mut Page) {
        let scripts = self.scripts();
        page.family("agi_rhai_calls_ended_total", "counter", "Calls ended.");
        for (script, tally) in &scripts.tallies {
            for (status, count) in &tally.ended {
                page.sample("agi_rhai_calls_ended_total", &[("script", script), ("status", status)], count);
            }
        }
        page.family("agi_rhai_faults_total", "counter", "Faults of running scripts.");
        for (script, tally) in &scripts.tallies {
            page.sample("agi_rhai_faults_total", &[("script", script)], tally.faults);
        }
    }

    /// Renders a histogram for each command that was used.
    fn render_histogram(&self, page: &mut Page, name: &str, help: &str, of: impl Fn(&Times) -> &Histogram) {
        page.family(name, "histogram", help);
        let verbs = COMMANDS.iter().map(|command| command.verb).chain(["other"]);
        for (index, verb) in verbs.enumerate() {
            let shards: Vec<&Histogram> = self.shards.iter().map(|shard| of(&shard.0[index])).collect();
            page.histogram(name, ("command", verb), &shards);
        }
    }

    /// Renders what services were asked. Their names are the operator's.
    fn render_services(page: &mut Page, services: &[(String, Arc<Counts>)]) {
        let each = |page: &mut Page, name: &str, kind: &str, help: &str, value: &dyn Fn(&Counts) -> u64| {
            page.family(name, kind, help);
            for (service, counts) in services {
                page.sample(name, &[("service", service)], value(counts));
            }
        };
        let help = "Requests to a service.";
        each(page, "agi_rhai_service_requests_total", "counter", help, &|counts| read(&counts.requests));
        let name = "agi_rhai_service_failures_total";
        page.family(name, "counter", "Requests to a service that failed.");
        for (service, counts) in services {
            for (kind, count) in zip(KINDS, &counts.failures) {
                page.sample(name, &[("service", service), ("kind", kind.word())], read(count));
            }
        }
        let number = |count: &AtomicUsize| u64::try_from(count.load(Relaxed)).unwrap_or(u64::MAX);
        let help = "Requests to a service on their way.";
        each(page, "agi_rhai_service_requests", "gauge", help, &|counts| number(&counts.running));
        let help = "Maximum number of requests to a service on their way.";
        each(page, "agi_rhai_service_max_requests", "gauge", help, &|counts| number(&counts.at_once));
        let help = "Whether requests to a service fail at once, since it has failed several times in a row.";
        each(page, "agi_rhai_service_failing", "gauge", help, &|counts| u64::from(counts.is_open.load(Relaxed)));
        let name = "agi_rhai_service_seconds";
        page.family(name, "histogram", "Time from a request to a service to its answer or failure.");
        for (service, counts) in services {
            page.histogram(name, ("service", service), &[&counts.seconds]);
        }
    }

    /// Renders what Prometheus' own libraries report about a process, under the same names. What `/proc` doesn't say
    /// is left out.
    fn render_process(page: &mut Page) {
        if let Some(stat) = Stat::read() {
            page.gauge("process_resident_memory_bytes", "Memory in use.", stat.memory);
            page.counter("process_cpu_seconds_total", "Processor time, user and system.", stat.cpu);
            page.gauge("process_threads", "Threads.", stat.threads);
        }
        if let Some(started) = start_time() {
            page.gauge("process_start_time_seconds", "Start of the process since the Unix epoch, in seconds.", started);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them belongs to the folder that is being read.
            page.gauge("process_open_fds", "Open file descriptors.", open.count().saturating_sub(1));
        }
        if let Some(max) = max_fds() {
            page.gauge("process_max_fds", "Maximum number of open file descriptors.", max);
        }
    }
}

/// The counters of one worker.
#[derive(Debug)]
pub struct Shard(Box<[Times]>);

impl Shard {
    /// Creates counters for each command, and one more for commands of an embedder.
    fn new() -> Self {
        Self((0..=COMMANDS.len()).map(|_| Times::default()).collect())
    }

    /// Counts a command, with the time that Asterisk took to reply and the time that the script took before it.
    ///
    /// This takes some 20 ns, nearly all of it for the four additions. They are atomic, so that nothing is lost when
    /// two threads share a shard.
    pub fn command(&self, command: &Command, asterisk: Duration, script: Duration) {
        let times = &self.0[index(command)];
        times.asterisk.add(asterisk);
        times.script.add(script);
    }
}

/// The two histograms of a command, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Times {
    asterisk: Histogram,
    script: Histogram,
}

/// A page under construction.
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

    /// Adds up the parts of a histogram. One without anything in it is left out.
    fn histogram(&mut self, name: &str, label: (&str, &str), parts: &[&Histogram]) {
        let (bucket, sum, count) = (format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"));
        let mut total = 0;
        let mut nanos = 0_u64;
        let mut below = [0; BUCKETS];
        for (end, below) in below.iter_mut().enumerate() {
            total += parts.iter().map(|part| read(&part.buckets[end])).sum::<u64>();
            *below = total;
        }
        if total == 0 {
            return;
        }
        for part in parts {
            // It wraps after 584 years of waiting, which is three weeks of 10,000 calls. Counters may do that.
            nanos = nanos.wrapping_add(read(&part.nanos));
        }
        for (bound, below) in zip(BOUNDS, below) {
            let bound = ratio(bound, 1_000_000).to_string();
            self.sample(&bucket, &[label, ("le", &bound)], below);
        }
        self.sample(&bucket, &[label, ("le", "+Inf")], total);
        self.sample(&sum, &[label], ratio(nanos, 1_000_000_000));
        self.sample(&count, &[label], total);
    }

    fn push(&mut self, text: std::fmt::Arguments) {
        // Writing to a string cannot fail.
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
    /// When the process started, in seconds after the machine did.
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The fields follow the name of the program, which is in parentheses and may contain anything.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second();
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        Some(Self {
            memory: field(21)? * page,
            cpu: ratio(field(11)? + field(12)?, ticks),
            threads: field(17)?,
            started: ratio(field(19)?, ticks),
        })
    }
}

/// Returns when the process started, in seconds since the Unix epoch, by the clock as it is set now: the clock may
/// have been set in the meantime.
fn start_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + Stat::read()?.started)
}

/// Returns the soft limit; `None` without one.
fn max_fds() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let limits = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limits.split_whitespace().next()?.parse().ok()
}

fn address(command: &Command) -> usize {
    std::ptr::from_ref(command).addr()
}

/// Returns the index of a command in [`COMMANDS`]; one past the end for other commands.
fn index(command: &Command) -> usize {
    let found = INDEXES.binary_search_by_key(&address(command), |(address, _)| *address);
    found.map_or(COMMANDS.len(), |found| INDEXES[found].1)
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

/// Divides a count by a unit. The 52 bits of a float are enough for counters.
#[expect(clippy::cast_precision_loss, reason = "a float is what Prometheus keeps anyway")]
fn ratio(count: u64, unit: u64) -> f64 {
    count as f64 / unit as f64
}
