//! `agi-rhai serve`: the FastAGI server with signals, systemd and system limits.

use crate::advice::{cannot_listen, explained};
use crate::calls::default_sockets;
use crate::common::CommonOptions;
use crate::out;
use crate::server_log::{ServerLog, start_server_log};
use crate::speech_report::SpeechReport;
use crate::studio::live::Live;
use crate::studio::server::Part;
use crate::studio::{self, Started};
use crate::terminal::shows_colour;
use crate::value_parsers::{ManagerAddress, count, length, manager, network};
use agi_rhai::clock::{Stopwatch, Time};
use agi_rhai::host::control::{self, Control};
use agi_rhai::host::fastagi::{Admission, PORT, Server, listen_on, log_changes};
use agi_rhai::host::http::{self, Answer};
use agi_rhai::host::metrics;
use agi_rhai::internals::{log_fault, plural};
use agi_rhai::script::{Change, Library};
use agi_rhai::service::settings::ManagerSettings;
use agi_rhai::{Fault, Host};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tracing::{error, info, warn};

/// Serves a folder of scripts to any number of calls, in the dialplan: AGI(agi://127.0.0.1/game,a,b)
///
/// Scripts can be edited while calls run: a saved file is live for the next call 0.2 s later. One in which `agi-rhai
/// check` would find an error is logged with the error, and the last good version stays in use.
#[derive(Debug, Args)]
#[command(after_help = "Signals: SIGHUP recompiles all scripts; SIGTERM stops the server once its calls have ended \
                        (see --drain), a second one at once.\nDialplan: as without `serve`, and ${AGI_RHAI_STATUS} \
                        is BUSY if a call was rejected.\nExit codes: 0 all calls had ended, 1 calls were cut off \
                        (with --check: a script has a fault), 2 wrong usage, or the server could not start.")]
pub struct ServeOptions {
    #[command(flatten)]
    pub common: CommonOptions,

    /// Addresses to listen on, separated by commas; sockets passed by systemd take their place
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_LISTEN", default_value = "127.0.0.1:4573", value_delimiter = ',')]
    pub listen: Vec<String>,

    /// Networks from which an Asterisk may call, such as 192.0.2.0/24, separated by commas; other connections are
    /// closed
    #[arg(
        long, value_name = "CIDR", env = "AGI_RHAI_ALLOW", default_value = "127.0.0.0/8,::1/128",
        value_delimiter = ',', num_args = 1.., value_parser = network
    )]
    pub allow: Vec<ipnet::IpNet>,

    /// Maximum of simultaneous calls, as far as the system allows; further calls are rejected
    #[arg(
        long, value_name = "N", env = "AGI_RHAI_MAX_CALLS", default_value_t = 10_000,
        allow_negative_numbers = true, value_parser = count
    )]
    pub max_calls: usize,

    /// Maximum of simultaneous calls from one address; without it, no limit
    #[arg(
        long, value_name = "N", env = "AGI_RHAI_MAX_CALLS_PER_PEER", allow_negative_numbers = true,
        value_parser = count
    )]
    pub max_calls_per_peer: Option<usize>,

    /// Managers of Asterisks from which calls come by AsyncAGI, each as USER@HOST or USER@HOST:PORT, separated by
    /// commas; `[manager.NAME]` in agi-rhai.toml can say more
    #[arg(long, value_name = "USER@HOST", env = "AGI_RHAI_MANAGER", value_delimiter = ',', value_parser = manager)]
    pub manager: Vec<ManagerAddress>,

    /// File with the secret of the users of --manager; without it, the variable AGI_RHAI_MANAGER_SECRET holds it
    #[arg(long, value_name = "FILE", env = "AGI_RHAI_MANAGER_SECRET_FILE")]
    pub manager_secret_file: Option<PathBuf>,

    /// How long calls may continue after SIGTERM before they are ended: 30s, 2m, 1h
    #[arg(
        long, value_name = "TIME", env = "AGI_RHAI_DRAIN", default_value = "30s", allow_negative_numbers = true,
        value_parser = length
    )]
    pub drain: Duration,

    /// Address for the pages /metrics (Prometheus), /healthz and /readyz, such as 127.0.0.1:9150; they have no password
    #[arg(long, value_name = "ADDR", env = "AGI_RHAI_METRICS")]
    pub metrics: Option<String>,

    /// Socket for `agi-rhai calls`; without it, control.sock in $RUNTIME_DIRECTORY, /run/agi-rhai or
    /// $XDG_RUNTIME_DIR/agi-rhai
    #[arg(long, value_name = "PATH", env = "AGI_RHAI_CONTROL")]
    pub control: Option<PathBuf>,

    /// Opens the studio on the scripts and the live calls, and prints its address: without ADDR, 127.0.0.1:8300 or the
    /// next port that is free. Beyond this machine, whoever learns the address can change the scripts and end calls
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "", env = "AGI_RHAI_STUDIO")]
    pub studio: Option<String>,

    /// Folder of the studio's built page, instead of the one in the program
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_STUDIO_PAGE")]
    pub studio_page: Option<PathBuf>,

    /// Compiles and checks all scripts, reports faults and exits without serving
    #[arg(long)]
    pub check: bool,
}

/// The interval between checks of the workers and the remaining calls.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Stands for the end of compilation in the queue of signals.
const LOADED: i32 = 0;
/// The interval at which the log says that scripts are still being compiled.
const LOADING_LOG_INTERVAL: Duration = Duration::from_secs(5);
/// How long ending the calls may take, in addition to the time for `on_hangup`.
const ENDING_GRACE: Duration = Duration::from_secs(5);
/// How long jobs may take to end when the server stops. What isn't done by then runs again later.
const JOBS_GRACE: Duration = Duration::from_secs(5);
/// Mappings reserved for stacks other than those of calls: of rejected calls, and spare ones.
const RESERVED_MAPPINGS: u64 = 2000;
/// Descriptors reserved for other things than calls: the log, listeners, rejected calls, scripts being read.
const RESERVED_DESCRIPTORS: u64 = 1200;
/// With fewer descriptors the server could not even start its threads.
const MIN_DESCRIPTORS: u64 = 64;

pub fn serve(options: &ServeOptions) -> ExitCode {
    if options.check {
        return check(options);
    }
    let mut log = start_server_log(&options.common);
    if let Some(mistake) = options.common.config.mistake() {
        log_fault("", None, &Fault::from(&*mistake));
        log.close();
        return ExitCode::from(2);
    }
    let code = match run(options, &log) {
        Ok(code) => code,
        Err(error) => {
            error!("{}", explained(&error));
            2
        }
    };
    log.close();
    // Calls that didn't end in time end with the process.
    ExitCode::from(code)
}

/// Compiles and checks all scripts, and reports faults and warnings.
fn check(options: &ServeOptions) -> ExitCode {
    if let Some(mistake) = options.common.config.rendered_mistake(shows_colour(&std::io::stderr())) {
        out::stderr_line(mistake);
        return ExitCode::from(2);
    }
    let checked = folder(options).and_then(|folder| Ok((load(options, &folder)?, folder)));
    match checked {
        Ok(((library, changes), folder)) => {
            let colour = shows_colour(&std::io::stderr());
            // A mistake in a file that several scripts import is reported only once.
            let mut reported = BTreeSet::new();
            for change in &changes {
                let report = match change {
                    Change::Broken { fault, .. } => fault.render(colour),
                    Change::Warned { warnings, .. } => {
                        warnings.iter().map(|warning| warning.render(colour)).collect::<Vec<_>>().join("\n\n")
                    }
                    Change::Outside { .. } | Change::TooDeep { .. } | Change::Unreadable { .. } => change.to_string(),
                    _ => continue,
                };
                if !reported.contains(&report) {
                    out::stderr_line(format_args!("{report}\n"));
                    reported.insert(report);
                }
            }
            let (scripts, broken) = counts(&library);
            out::line(format_args!("{}: {}, {broken} with a fault", folder.display(), plural(scripts, "script")));
            report_speech(options);
            ExitCode::from(u8::from(broken > 0))
        }
        Err(error) => {
            out::error(explained(&error));
            ExitCode::from(2)
        }
    }
}

/// Says how texts are spoken and callers heard, if at all.
fn report_speech(options: &ServeOptions) {
    let Some(file) = &options.common.config.file else { return };
    let found = options.listen.iter().flat_map(|text| addresses(text).unwrap_or_default());
    let is_public = found.into_iter().any(|address| !address.ip().is_loopback());
    let SpeechReport { lines, warnings } = SpeechReport::of(&file.settings(), is_public);
    for line in lines {
        out::line(format_args!("speech: {line}"));
    }
    for warning in warnings {
        out::stderr_line(format_args!("warning: speech: {warning}"));
    }
}

/// Returns the number of scripts, and the number of those with a fault.
fn counts(library: &Library) -> (usize, usize) {
    let listed = library.list();
    (listed.len(), listed.iter().filter(|script| script.fault.is_some()).count())
}

/// Returns the folder of scripts.
fn folder(options: &ServeOptions) -> Result<PathBuf> {
    let folder = options.common.scripts.clone().unwrap_or_else(|| PathBuf::from("."));
    let real = folder.canonicalize().with_context(|| format!("there is no folder of scripts {}", folder.display()))?;
    if real == Path::new("/") {
        bail!("the folder of scripts cannot be /: choose another one with --scripts DIR");
    }
    Ok(folder)
}

fn load(options: &ServeOptions, folder: &Path) -> Result<(Library, Vec<Change>)> {
    load_with(&options.common.host(), folder)
}

fn load_with(host: &Host, folder: &Path) -> Result<(Library, Vec<Change>)> {
    host.library(folder).with_context(|| format!("cannot read the folder of scripts {}", folder.display()))
}

/// Compiles the scripts, which may take a while. Returns `None` if a signal ends the process meanwhile.
fn load_unless_stopped(
    options: &ServeOptions,
    folder: &Path,
    (sender, signals): &(Sender<i32>, Receiver<i32>),
) -> Result<Option<(Library, Vec<Change>)>> {
    let (host, folder, done) = (options.common.host(), folder.to_owned(), sender.clone());
    let work = move || {
        let loaded = load_with(&host, &folder);
        let _ = done.send(LOADED);
        loaded
    };
    let loading = std::thread::Builder::new().name("loader".to_owned()).spawn(work)?;
    loop {
        match signals.recv_timeout(LOADING_LOG_INTERVAL) {
            Ok(LOADED) => {
                let loaded = loading.join().map_err(|_| anyhow!("compiling the scripts panicked"))?;
                return loaded.map(Some);
            }
            // The scripts are being compiled anyway.
            Ok(SIGHUP) => {}
            Ok(_) => {
                info!("stopped while the scripts were being compiled");
                return Ok(None);
            }
            Err(_) => info!("still compiling the scripts"),
        }
    }
}

/// Resolves an address to listen on. The default port is that of FastAGI.
fn addresses(text: &str) -> Result<Vec<SocketAddr>> {
    if text.starts_with("unix:") || text.contains('/') {
        bail!(
            "{text}: Asterisk cannot connect to a Unix socket: AGI(agi://...) uses TCP only. Use an address such as \
             127.0.0.1:{PORT}"
        );
    }
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = plain.parse::<std::net::IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, PORT)]);
    }
    let named = if text.contains(':') { text.to_owned() } else { format!("{text}:{PORT}") };
    let found = named.to_socket_addrs();
    Ok(found.with_context(|| format!("{text} isn't an address such as 127.0.0.1:{PORT} or [::1]:{PORT}"))?.collect())
}

/// Returns the sockets passed by systemd, or else those of `--listen`.
fn listeners(options: &ServeOptions) -> Result<Vec<TcpListener>> {
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for number in 0..given.len() {
        let listener = given.take_tcp_listener(number);
        listeners.extend(listener.context("a socket passed by systemd isn't a listening TCP socket")?);
    }
    if listeners.is_empty() {
        for text in &options.listen {
            for address in addresses(text)? {
                listeners.push(listen_on(address).map_err(|error| cannot_listen(&address.to_string(), error))?);
            }
        }
    }
    Ok(listeners)
}

/// Limits the number of calls to what the system allows.
fn call_limit(wanted: usize) -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    // The soft limit is low for the sake of old programs; it may be raised to the hard limit.
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if descriptors < MIN_DESCRIPTORS {
        bail!(
            "the system lets this program open {descriptors} files, but a server needs {MIN_DESCRIPTORS}, and one more \
             for each call: raise LimitNOFILE= in the unit, or `ulimit -Hn`"
        );
    }
    let descriptors = descriptors - RESERVED_DESCRIPTORS.min(descriptors / 2);
    // A call's stack is two mappings: itself and its guard.
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let mappings = mappings
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map_or(u64::MAX, |max| (max / 2).saturating_sub(RESERVED_MAPPINGS));
    let room = usize::try_from(descriptors.min(mappings)).unwrap_or(usize::MAX);
    if room < wanted {
        let resource = if descriptors < mappings {
            "open files (LimitNOFILE= in the unit, or `ulimit -Hn`)"
        } else {
            "memory mappings (sysctl vm.max_map_count)"
        };
        warn!("--max-calls is {wanted}, but the system allows only {}: it limits {resource}", plural(room, "call"));
    }
    Ok(wanted.min(room))
}

fn run(options: &ServeOptions, log: &ServerLog) -> Result<u8> {
    // Before readiness is reported, so that no signal is lost.
    let signals = signals()?;
    // First of all, so that there are descriptors for what follows.
    let max_calls = call_limit(options.max_calls)?;
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let folder = folder(options)?;
    let Some((library, changes)) = load_unless_stopped(options, &folder, &signals)? else { return Ok(0) };
    let signals = signals.1;
    let listeners = listeners(options)?;
    let admission =
        Admission { max_calls, max_calls_per_peer: options.max_calls_per_peer, allow: options.allow.clone() };
    let on: Vec<String> = listeners.iter().filter_map(|l| l.local_addr().ok()).map(|a| a.to_string()).collect();
    let (scripts, broken) = counts(&library);
    log_changes(&changes.into_iter().filter(|change| !matches!(change, Change::Live { .. })).collect::<Vec<_>>());
    let server = Server::start(options.common.host(), library, admission, listeners);
    let server = Arc::new(server.context("cannot start the server")?);
    add_managers(options, &server)?;
    let _pages = options.metrics.as_deref().map(|address| pages(address, &server, log)).transpose()?;
    let control = control(options, &server)?;
    let _studio = studio(options, control.as_ref(), &folder)?;
    info!(
        "agi-rhai {} serves {} ({broken} with a fault) of {} on {}, at most {} at a time",
        env!("CARGO_PKG_VERSION"),
        plural(scripts, "script"),
        folder.display(),
        on.join(", "),
        plural(max_calls, "call")
    );
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let code = supervise(options, &server, &signals);
    server.stop_jobs(JOBS_GRACE);
    server.flush_recordings();
    Ok(code)
}

/// Has the server take calls from the managers of the command line.
fn add_managers(options: &ServeOptions, server: &Server) -> Result<()> {
    if options.manager.is_empty() {
        return Ok(());
    }
    let secret = match &options.manager_secret_file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            text.with_context(|| format!("cannot read {} of --manager-secret-file", file.display()))?
        }
        None => std::env::var("AGI_RHAI_MANAGER_SECRET").map_err(|_| {
            anyhow!("--manager needs a secret: --manager-secret-file FILE, or the variable AGI_RHAI_MANAGER_SECRET")
        })?,
    };
    for ManagerAddress { user, address } in &options.manager {
        let settings = ManagerSettings::new(user, address, secret.trim_end_matches(['\r', '\n']));
        server.add_manager(address, settings).context("no thread for --manager")?;
    }
    Ok(())
}

/// Catches signals. Returns the queue of signals, and its sender.
fn signals() -> Result<(Sender<i32>, Receiver<i32>)> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot catch signals")?;
    let (sender, receiver) = channel();
    let other_sender = sender.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().try_for_each(|signal| sender.send(signal)))
        .context("no thread for signals")?;
    Ok((other_sender, receiver))
}

/// Supervises a server until it stops. Returns the exit code.
fn supervise(options: &ServeOptions, server: &Arc<Server>, signals: &Receiver<i32>) -> u8 {
    let clock = Stopwatch::start();
    let mut watchdog = Watchdog::new();
    let mut stuck = 0;
    // When the calls will be ended; after that, when the process will exit even if some are left.
    let mut deadline = None;
    let mut ended = false;
    loop {
        match signals.recv_timeout(CHECK_INTERVAL) {
            Ok(SIGHUP) => {
                info!("SIGHUP: recompiling all scripts");
                server.reload();
            }
            Ok(_) if deadline.is_some() => {
                warn!("stopped by a second signal: cutting off {}", plural(server.calls(), "call"));
                return 1;
            }
            Ok(_) => {
                let _ = sd_notify::notify(&[NotifyState::Stopping]);
                info!("stopping: no new calls; {}", going_on(server.calls(), options.drain));
                server.close();
                deadline = Some(clock.now() + options.drain);
            }
            Err(_) => {}
        }
        if server.is_broken() {
            error!("this process cannot continue: cutting off {}", plural(server.calls(), "call"));
            return 1;
        }
        watchdog.notify(server);
        if std::mem::replace(&mut stuck, server.stuck_calls()) != stuck {
            let status = match stuck {
                0 => String::new(),
                _ => format!("in one step of a script for over a second: {}", plural(stuck, "call")),
            };
            let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
        }
        let Some(at) = deadline else { continue };
        if server.is_done() {
            info!("all calls have ended");
            return 0;
        }
        let now = clock.now();
        if now >= at && !ended {
            ended = true;
            warn!("the time is up: ending {}", plural(server.calls(), "call"));
            server.end_calls();
            let grace = options.common.max_on_hangup + ENDING_GRACE;
            deadline = Some(now + grace);
        } else if now >= at {
            warn!("not ended in time: cutting off {}", plural(server.calls(), "call"));
            return 1;
        }
    }
}

/// Says how many calls may continue while the server stops.
fn going_on(calls: usize, drain: Duration) -> String {
    match calls {
        0 => "no call is left".to_owned(),
        _ => format!("{} may continue for {drain:?}", plural(calls, "call")),
    }
}

/// Notifies the watchdog of systemd while all workers make progress.
struct Watchdog {
    interval: Option<Duration>,
    clock: Stopwatch,
    last: Time,
    beats: Vec<u64>,
}

impl Watchdog {
    fn new() -> Self {
        let clock = Stopwatch::start();
        // Twice within the timeout of systemd.
        let interval = sd_notify::watchdog_enabled().map(|timeout| timeout / 2);
        Self { interval, clock, last: clock.now(), beats: Vec::new() }
    }

    fn notify(&mut self, server: &Server) {
        let Some(interval) = self.interval else { return };
        let now = self.clock.now();
        if now - self.last < interval {
            return;
        }
        let beats = server.beats();
        // Only if every worker has made progress since.
        if self.beats.len() != beats.len() || self.beats.iter().zip(&beats).all(|(before, now)| now > before) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        } else {
            error!("a worker doesn't return from a call: the watchdog isn't notified");
        }
        self.last = now;
        self.beats = beats;
    }
}

/// Opens the socket for `agi-rhai calls`. The server works without it too, so a failure matters only if the options
/// name the socket.
fn control(options: &ServeOptions, server: &Arc<Server>) -> Result<Option<Control>> {
    if let Some(path) = &options.control {
        let control = control::serve(path, server);
        return Ok(Some(control.with_context(|| format!("cannot listen on {} for --control", path.display()))?));
    }
    let mut problems = Vec::new();
    for path in default_sockets() {
        match control::serve(&path, server) {
            Ok(control) => return Ok(Some(control)),
            Err(error) => problems.push(format!("{}: {}", path.display(), explained(&error.into()))),
        }
    }
    problems.dedup();
    warn!("no socket for `agi-rhai calls`; choose one with --control ({})", problems.join("; "));
    Ok(None)
}

/// Opens the studio, if it is wanted. It learns of the calls what any other program does, by the control socket.
fn studio(options: &ServeOptions, control: Option<&Control>, folder: &Path) -> Result<Option<Started>> {
    let Some(address) = options.studio.as_deref() else { return Ok(None) };
    let control = control.context("--studio needs a socket of the server: choose one with --control PATH")?;
    let live = Arc::new(Live::new(control.path())) as Arc<dyn Part>;
    let listen = Some(address).filter(|address| !address.is_empty());
    let studio = studio::start(folder, options.studio_page.as_deref(), listen, vec![("live", live)])?;
    // Not into the log, which others may read: the address has the token.
    out::line(format_args!("The studio of {} and its calls is at\n\n    {}\n", folder.display(), studio.address));
    Ok(Some(studio))
}

/// The page that leads to the others.
const PAGES: &str = r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>agi-rhai</title>
<h1>agi-rhai</h1>
<ul>
<li><a href="/metrics">/metrics</a>: counters for Prometheus</li>
<li><a href="/healthz">/healthz</a>: 200 while the server runs</li>
<li><a href="/readyz">/readyz</a>: 200 while it takes calls</li>
</ul>
</html>
"#;

/// Serves the pages for monitoring.
fn pages(address: &str, server: &Arc<Server>, log: &ServerLog) -> Result<http::Pages> {
    let listener =
        TcpListener::bind(address).map_err(|error| cannot_listen(&format!("{address} for --metrics"), error))?;
    info!("metrics on http://{}/metrics", listener.local_addr()?);
    let server = Arc::clone(server);
    let dropped = log.dropped();
    let pages = http::serve(listener, move |path| match path {
        "/" => Some(Answer { content_type: "text/html; charset=utf-8", ..Answer::text(200, PAGES) }),
        "/metrics" => {
            Some(Answer { content_type: metrics::CONTENT_TYPE, ..Answer::text(200, server.metrics(dropped())) })
        }
        "/healthz" => Some(Answer::text(200, "alive\n")),
        "/readyz" if server.is_taking_calls() && server.stuck_calls() == 0 => Some(Answer::text(200, "ready\n")),
        "/readyz" if server.is_taking_calls() => Some(Answer::text(
            503,
            format!("in one step of a script for over a second: {}\n", plural(server.stuck_calls(), "call")),
        )),
        "/readyz" => Some(Answer::text(503, "stopping: no new calls\n")),
        _ => None,
    });
    pages.context("cannot serve --metrics")
}
