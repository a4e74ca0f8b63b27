//! The FastAGI server: signals, systemd, limits of the system.

use crate::advice::{deaf, explained};
use crate::calls::usual_places;
use crate::check::plural;
use crate::logging::{self, Log};
use crate::options::Serve;
use crate::out;
use agi_rhai::Host;
use agi_rhai::clock::Stopwatch;
use agi_rhai::host::control::{self, Control};
use agi_rhai::host::fastagi::{Admission, PORT, Server, listen_on, log_changes};
use agi_rhai::host::http::{self, Answer};
use agi_rhai::host::metrics;
use agi_rhai::script::{Change, Library};
use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tracing::{error, info, warn};

/// Between two looks at the workers and at the calls still there.
const TICK: Duration = Duration::from_millis(100);
/// In place of a signal: the scripts are compiled.
const LOADED: i32 = 0;
/// So long after the start, and again and again, the log says that scripts are still being compiled.
const SLOW_START: Duration = Duration::from_secs(5);
/// What ending the calls may take beyond the time `on_hangup` has.
const ENDING: Duration = Duration::from_secs(5);
/// Stacks besides those of calls: of refusals, and kept ones.
const SPARE_MAPPINGS: u64 = 2000;
/// Descriptors the server needs besides its calls: the log, listeners, refusals, scripts being read.
const SPARE_DESCRIPTORS: u64 = 1200;
/// With fewer it could not even start its threads.
const FEWEST_DESCRIPTORS: u64 = 64;

pub fn serve(options: &Serve) -> ExitCode {
    if options.check {
        return check(options);
    }
    let mut log = logging::serve(&options.common);
    let code = match run(options, &log) {
        Ok(code) => code,
        Err(error) => {
            error!("{}", explained(&error));
            2
        }
    };
    log.close();
    // Calls that did not end in time are let go with the process.
    ExitCode::from(code)
}

/// Compiles everything and says what is wrong.
fn check(options: &Serve) -> ExitCode {
    let checked = folder(options).and_then(|folder| Ok((load(options, &folder)?, folder)));
    match checked {
        Ok(((library, changes), folder)) => {
            let colour = std::io::stderr().is_terminal();
            for change in &changes {
                match change {
                    Change::Broken { fault, .. } => out::tell(format_args!("{}\n", fault.render(colour))),
                    Change::Outside { .. } | Change::TooDeep { .. } | Change::Unreadable { .. } => {
                        out::tell(format_args!("{change}\n"));
                    }
                    _ => {}
                }
            }
            let (scripts, broken) = counts(&library);
            out::say(format_args!("{}: {}, {broken} with a fault", folder.display(), plural(scripts, "script")));
            ExitCode::from(u8::from(broken > 0))
        }
        Err(error) => {
            out::complain(explained(&error));
            ExitCode::from(2)
        }
    }
}

/// How many scripts there are, and how many of them have a fault.
fn counts(library: &Library) -> (usize, usize) {
    let listed = library.list();
    (listed.len(), listed.iter().filter(|script| script.fault.is_some()).count())
}

/// The folder of scripts.
fn folder(options: &Serve) -> Result<PathBuf> {
    let folder = options.common.scripts.clone().unwrap_or_else(|| PathBuf::from("."));
    let real = folder.canonicalize().with_context(|| format!("no folder of scripts {}", folder.display()))?;
    if real == Path::new("/") {
        bail!("the folder of scripts cannot be /: name another with --scripts DIR");
    }
    Ok(folder)
}

fn load(options: &Serve, folder: &Path) -> Result<(Library, Vec<Change>)> {
    load_with(&crate::host(&options.common), folder)
}

fn load_with(host: &Host, folder: &Path) -> Result<(Library, Vec<Change>)> {
    host.library(folder).with_context(|| format!("cannot read the folder of scripts {}", folder.display()))
}

/// Compiles the scripts, which may take a while; `None` if the process is told to end meanwhile.
fn load_unless_told(
    options: &Serve,
    folder: &Path,
    (told, signals): &(Sender<i32>, Receiver<i32>),
) -> Result<Option<(Library, Vec<Change>)>> {
    let (host, folder, done) = (crate::host(&options.common), folder.to_owned(), told.clone());
    let work = move || {
        let loaded = load_with(&host, &folder);
        let _ = done.send(LOADED);
        loaded
    };
    let loading = std::thread::Builder::new().name("loader".to_owned()).spawn(work)?;
    loop {
        match signals.recv_timeout(SLOW_START) {
            Ok(LOADED) => {
                let loaded = loading.join().map_err(|_| anyhow!("compiling the scripts panicked"))?;
                return loaded.map(Some);
            }
            // They are compiled anyway.
            Ok(SIGHUP) => {}
            Ok(_) => {
                info!("told to end while the scripts were being compiled");
                return Ok(None);
            }
            Err(_) => info!("still compiling the scripts"),
        }
    }
}

/// An address to listen on; the port of FastAGI where it names none.
fn addresses(text: &str) -> Result<Vec<SocketAddr>> {
    if text.starts_with("unix:") || text.contains('/') {
        bail!(
            "{text}: Asterisk cannot connect to a Unix socket: AGI(agi://...) speaks TCP only. Name an address, such as \
             127.0.0.1:{PORT}"
        );
    }
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = plain.parse::<std::net::IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, PORT)]);
    }
    let named = if text.contains(':') { text.to_owned() } else { format!("{text}:{PORT}") };
    let found = named.to_socket_addrs();
    Ok(found.with_context(|| format!("{text}: no address such as 127.0.0.1:{PORT} or [::1]:{PORT}"))?.collect())
}

/// The sockets systemd holds for us, else those of `--listen`.
fn listeners(options: &Serve) -> Result<Vec<TcpListener>> {
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for number in 0..given.len() {
        let listener = given.take_tcp_listener(number);
        listeners.extend(listener.context("a socket systemd hands over is no listening TCP socket")?);
    }
    if listeners.is_empty() {
        for text in &options.listen {
            for address in addresses(text)? {
                listeners.push(listen_on(address).map_err(|error| deaf(&address.to_string(), error))?);
            }
        }
    }
    Ok(listeners)
}

/// As many calls as the system has room for.
fn room(wanted: usize) -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    // What systemd and shells hand on is low for the sake of old programs; up to the hard limit it is ours to say.
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if descriptors < FEWEST_DESCRIPTORS {
        bail!(
            "the system lets this program open {descriptors} files, and a server needs {FEWEST_DESCRIPTORS}, and one for \
             each call: raise LimitNOFILE= in the unit, or `ulimit -Hn`"
        );
    }
    let descriptors = descriptors - SPARE_DESCRIPTORS.min(descriptors / 2);
    // A call's stack is two mappings: itself and its guard.
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let mappings = mappings
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map_or(u64::MAX, |most| (most / 2).saturating_sub(SPARE_MAPPINGS));
    let room = usize::try_from(descriptors.min(mappings)).unwrap_or(usize::MAX);
    if room < wanted {
        let lack = if descriptors < mappings {
            "open files (LimitNOFILE= in the unit, or `ulimit -Hn`)"
        } else {
            "memory mappings (sysctl vm.max_map_count)"
        };
        warn!("--max-calls is {wanted}, but the system lets no more than {room} calls in: it limits {lack}");
    }
    Ok(wanted.min(room))
}

fn run(options: &Serve, log: &Log) -> Result<u8> {
    // Before anything is said to be ready, so that no signal is lost.
    let signals = signals()?;
    // First of all, so that there are descriptors for what follows.
    let max_calls = room(options.max_calls)?;
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let folder = folder(options)?;
    let Some((library, changes)) = load_unless_told(options, &folder, &signals)? else { return Ok(0) };
    let signals = signals.1;
    let listeners = listeners(options)?;
    let admission =
        Admission { max_calls, max_calls_per_peer: options.max_calls_per_peer, allow: options.allow.clone() };
    let on: Vec<String> = listeners.iter().filter_map(|l| l.local_addr().ok()).map(|a| a.to_string()).collect();
    let (scripts, broken) = counts(&library);
    let most = admission.max_calls;
    log_changes(&changes.into_iter().filter(|change| !matches!(change, Change::Live { .. })).collect::<Vec<_>>());
    let server = Server::start(crate::host(&options.common), library, admission, listeners);
    let server = Arc::new(server.context("cannot start the server")?);
    let _pages = options.metrics.as_deref().map(|address| pages(address, &server, log)).transpose()?;
    let _control = control(options, &server)?;
    info!(
        "agi-rhai {} serves {} ({broken} with a fault) of {} on {}, at most {most} calls at a time",
        env!("CARGO_PKG_VERSION"),
        plural(scripts, "script"),
        folder.display(),
        on.join(", ")
    );
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let code = attend(options, &server, &signals);
    server.flush_recordings();
    Ok(code)
}

/// Signals, as they come.
fn signals() -> Result<(Sender<i32>, Receiver<i32>)> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot listen to signals")?;
    let (sender, receiver) = channel();
    let told = sender.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().try_for_each(|signal| sender.send(signal)))
        .context("no thread for signals")?;
    Ok((told, receiver))
}

/// Looks after a server until it is to end; the exit code.
fn attend(options: &Serve, server: &Arc<Server>, signals: &Receiver<i32>) -> u8 {
    let clock = Stopwatch::start();
    let mut heart = Heart::new();
    let mut stuck = 0;
    // When the calls are ended, and when the process ends with those that are left.
    let mut ending = None;
    let mut ended = false;
    loop {
        match signals.recv_timeout(TICK) {
            Ok(SIGHUP) => {
                info!("SIGHUP: compiling all scripts anew");
                server.reload();
            }
            Ok(_) if ending.is_some() => {
                warn!("told to end a second time: {} calls are cut", server.calls());
                return 1;
            }
            Ok(_) => {
                let _ = sd_notify::notify(&[NotifyState::Stopping]);
                info!("told to end: no new calls; {} calls may go on for {:?}", server.calls(), options.drain);
                server.close();
                ending = Some(clock.now() + options.drain);
            }
            Err(_) => {}
        }
        if server.is_broken() {
            error!("{} calls are cut: this process cannot go on", server.calls());
            return 1;
        }
        heart.beat(server);
        if std::mem::replace(&mut stuck, server.stuck_calls()) != stuck {
            let status = match stuck {
                0 => String::new(),
                _ => format!("{stuck} calls have been in one step of their scripts for over a second"),
            };
            let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
        }
        let Some(at) = ending else { continue };
        if server.is_done() {
            info!("all calls have ended");
            return 0;
        }
        let now = clock.now();
        if now >= at && !ended {
            ended = true;
            warn!("{} calls are still there: they are ended", server.calls());
            server.end_calls();
            let grace = options.common.max_on_hangup + ENDING;
            ending = Some(now + grace);
        } else if now >= at {
            warn!("{} calls do not end: they are cut", server.calls());
            return 1;
        }
    }
}

/// Tells systemd that the workers are alive.
struct Heart {
    every: Option<Duration>,
    clock: Stopwatch,
    told: agi_rhai::clock::Time,
    beats: Vec<u64>,
}

impl Heart {
    fn new() -> Self {
        let clock = Stopwatch::start();
        // Twice in the time systemd waits.
        Self { every: sd_notify::watchdog_enabled().map(|time| time / 2), clock, told: clock.now(), beats: Vec::new() }
    }

    fn beat(&mut self, server: &Server) {
        let Some(every) = self.every else { return };
        let now = self.clock.now();
        if now - self.told < every {
            return;
        }
        let beats = server.beats();
        // Every one of them has looked up since.
        if self.beats.len() != beats.len() || self.beats.iter().zip(&beats).all(|(before, now)| now > before) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        } else {
            error!("a worker does not come back from a call: the watchdog is not told");
        }
        self.told = now;
        self.beats = beats;
    }
}

/// The socket of `agi-rhai calls`. Without one the server does as well: only a named one must be had.
fn control(options: &Serve, server: &Arc<Server>) -> Result<Option<Control>> {
    if let Some(path) = &options.control {
        let control = control::serve(path, server);
        return Ok(Some(control.with_context(|| format!("cannot listen on {} for --control", path.display()))?));
    }
    let mut problems = Vec::new();
    for path in usual_places() {
        match control::serve(&path, server) {
            Ok(control) => return Ok(Some(control)),
            Err(error) => problems.push(format!("{}: {}", path.display(), explained(&error.into()))),
        }
    }
    problems.dedup();
    warn!("no socket for `agi-rhai calls`; name one with --control ({})", problems.join("; "));
    Ok(None)
}

/// The pages for monitoring.
fn pages(address: &str, server: &Arc<Server>, log: &Log) -> Result<http::Pages> {
    let listener = TcpListener::bind(address).map_err(|error| deaf(&format!("{address} for --metrics"), error))?;
    info!("metrics on http://{}/metrics", listener.local_addr()?);
    let server = Arc::clone(server);
    let dropped = log.dropped();
    let pages = http::serve(listener, move |path| match path {
        "/metrics" => {
            Some(Answer { content_type: metrics::CONTENT_TYPE, ..Answer::text(200, server.metrics(dropped())) })
        }
        "/healthz" => Some(Answer::text(200, "alive\n")),
        "/readyz" if server.is_taking_calls() && server.stuck_calls() == 0 => Some(Answer::text(200, "ready\n")),
        "/readyz" if server.is_taking_calls() => Some(Answer::text(
            503,
            format!("{} calls have been in one step of their scripts for over a second\n", server.stuck_calls()),
        )),
        "/readyz" => Some(Answer::text(503, "ending: no new calls\n")),
        _ => None,
    });
    pages.context("cannot serve --metrics")
}
