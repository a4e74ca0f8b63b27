//! `agi-rhai serve` as a process, and Asterisk's side of FastAGI, byte by byte.
#![expect(clippy::disallowed_methods, reason = "processes live in real time")]

use super::process::{ENVIRONMENT, Folder, agi_rhai};
use agi_rhai::host::control::COLUMNS;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything takes here, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the opening block that Asterisk sends over the network for a request in the dialplan.
pub fn environment(script: &str) -> String {
    let head = format!("agi_network: yes\nagi_network_script: {script}\nagi_request: agi://127.0.0.1/{script}\n");
    ENVIRONMENT.replacen("agi_request: agi-rhai\n", &head, 1)
}

/// Raises the limit of descriptors for thousands of peers.
pub fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}

/// Waits until the condition holds. Returns how long it took at least: polls are counted, not time, since a machine may
/// stop for a while with everything on it.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if holds() {
            return waited;
        }
        waited += Duration::from_millis(2);
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what}: not within {PATIENCE:?}");
}

/// A clock that runs only while the machine does: no step of it is longer than this.
pub struct AwakeClock {
    passed: AtomicU64,
}

impl AwakeClock {
    const MAX_STEP: Duration = Duration::from_millis(100);

    pub fn start() -> Arc<Self> {
        let clock = Arc::new(Self { passed: AtomicU64::new(0) });
        let ticking = Arc::downgrade(&clock);
        std::thread::spawn(move || {
            let mut last = Instant::now();
            while let Some(clock) = ticking.upgrade() {
                let step = last.elapsed().min(Self::MAX_STEP);
                last = Instant::now();
                clock.passed.fetch_add(step.as_micros() as u64, Relaxed);
                drop(clock);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        clock
    }

    pub fn now(&self) -> Duration {
        Duration::from_micros(self.passed.load(Relaxed))
    }
}

/// A running server, killed when it is dropped.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    pub control: PathBuf,
}

impl Server {
    /// Serves `scripts` in this folder on a free port, with a control socket and HTTP pages.
    pub fn start(folder: &Folder, options: &[&str]) -> Self {
        let server = Self::launch(folder, options, |_| {});
        server.wait_ready();
        server
    }

    /// The same, with changes to the command and without waiting until it is ready.
    pub fn launch(folder: &Folder, options: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let scripts = folder.path("scripts");
        std::fs::create_dir_all(&scripts).unwrap();
        let control = folder.path("control.sock");
        let mut args = vec!["serve", "--scripts", scripts.to_str().unwrap(), "--metrics", "127.0.0.1:0"];
        if !options.contains(&"--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        let named = options.iter().position(|option| *option == "--control").map(|at| PathBuf::from(options[at + 1]));
        if named.is_none() {
            args.extend(["--control", control.to_str().unwrap()]);
        }
        let mut command = agi_rhai(args.iter().chain(options));
        prepare(&mut command);
        Self::run(command, named.unwrap_or(control))
    }

    /// Starts this command, which will serve sooner or later.
    pub fn run(mut command: Command, control: PathBuf) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&String::from_utf8_lossy(&line));
                log.push('\n');
            }
        });
        Self { child, log, control }
    }

    pub fn wait_ready(&self) {
        self.wait_for_log(" serves ");
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let said = || self.log.lock().unwrap().contains(text);
        for _ in 0..PATIENCE.as_millis() / 2 {
            if said() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("no {text:?} in the log: {}", self.log());
    }

    /// Returns how often a text occurs in the log.
    pub fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().matches(text).count()
    }

    /// Returns the addresses it listens on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains(" serves ")).unwrap();
        let on = line.rsplit(" on ").next().unwrap().split(", at most").next().unwrap();
        on.split(", ").map(|address| address.parse().unwrap()).collect()
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Connects a peer, whose environment is still to be sent.
    pub fn connect(&self) -> Peer {
        Peer::connect(self.address())
    }

    /// Begins a call of this script.
    pub fn call(&self, script: &str) -> Peer {
        let mut peer = self.connect();
        peer.send(environment(script));
        peer
    }

    /// Plays a call of this script. Returns the status set for the dialplan.
    pub fn status(&self, script: &str) -> String {
        self.call(script).play().status().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Runs `agi-rhai calls` with these arguments.
    pub fn calls(&self, words: &[&str]) -> Output {
        agi_rhai(["calls", "--control", self.control.to_str().unwrap()].iter().chain(words)).output().unwrap()
    }

    /// Returns the list of calls, without its header.
    pub fn list(&self) -> Vec<String> {
        let output = self.calls(&[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    /// Returns the list from the control socket: the columns of each call.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut stream = UnixStream::connect(&self.control).unwrap();
        stream.write_all(b"calls\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Returns one column of the only call of this script; `None` if there is no such call.
    pub fn column(&self, script: &str, column: &str) -> Option<String> {
        let at = |name: &str| COLUMNS.iter().position(|column| *column == name).unwrap();
        self.rows().into_iter().find(|row| row[at("SCRIPT")] == script).map(|row| row[at(column)].clone())
    }

    /// Waits until there is no call.
    #[track_caller]
    pub fn wait_idle(&self) {
        wait_until("no call is left", || self.metric("agi_rhai_calls") == 0.0 && self.list().is_empty());
    }

    /// Returns the status and the text of a page.
    pub fn page(&self, path: &str) -> (u16, String) {
        let log = self.log();
        let address = log.split("metrics on http://").nth(1).unwrap().split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    }

    /// Returns a metric by its name and labels as written; 0 if it hasn't been counted.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.page("/metrics").1;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid()))
    }

    /// Returns the memory it holds, in KiB.
    pub fn rss(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Returns the most memory it has held, in KiB.
    pub fn peak_rss(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub fn fds(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    pub fn threads(&self) -> usize {
        std::fs::read_dir(self.proc("task")).unwrap().count()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for it to end. Returns the exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        wait_until("it ends", || !self.is_alive());
        self.child.wait().unwrap().code()
    }

    /// Checks that it still runs and that nothing in it has panicked.
    #[track_caller]
    pub fn check_well(&mut self) {
        assert!(self.is_alive(), "it is gone: {}", self.log());
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asterisk's reply when all goes well and the caller presses nothing.
pub fn reply(line: &str) -> &'static str {
    let starts = |verb: &str| line.starts_with(verb);
    match () {
        () if ["NOOP", "ANSWER", "WAIT FOR DIGIT", "EXEC", "SET CONTEXT"].into_iter().any(starts) => "200 result=0",
        () if starts("STREAM FILE") => "200 result=0 endpos=8000",
        () if starts("GET DATA") => "200 result= (timeout)",
        () if starts("GET VARIABLE") => "200 result=1 (yes)",
        () if starts("CHANNEL STATUS") => "200 result=6",
        () => "200 result=1",
    }
}

/// An Asterisk on one call.
pub struct Peer {
    reader: BufReader<TcpStream>,
    /// All lines received so far.
    pub lines: Vec<String>,
}

/// A call that is over.
#[derive(Debug)]
pub struct Played {
    pub lines: Vec<String>,
}

impl Played {
    /// Returns the last value set for a channel variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let prefix = format!("SET VARIABLE \"{name}\" \"");
        self.lines.iter().rev().find_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"'))
    }

    /// Returns the status set for the dialplan; empty if none was.
    pub fn status(&self) -> &str {
        self.variable("AGI_RHAI_STATUS").unwrap_or_default()
    }

    /// Returns what the script logged by `verbose`, without the host's own lines.
    pub fn said(&self) -> Vec<&str> {
        let said = self.lines.iter().filter_map(|line| line.strip_prefix("VERBOSE \"")?.strip_suffix("\" 1"));
        said.filter(|text| !text.starts_with("agi-rhai: ")).collect()
    }
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// Connects from this address of this machine.
    pub fn connect_from(from: &str, to: SocketAddr) -> std::io::Result<Self> {
        let from = SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0);
        let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket: OwnedFd = rustix::net::socket(family, SocketType::STREAM, None)?;
        rustix::net::bind(&socket, &from)?;
        rustix::net::connect(&socket, &to)?;
        Ok(Self::over(TcpStream::from(socket)))
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream), lines: Vec::new() }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Sends bytes. It isn't an error if they are never read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.reader.get_mut().write_all(bytes.as_ref());
    }

    /// Returns the next line; `None` when the other end has closed.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                assert_eq!(line.pop(), Some(b'\n'), "half a line, {:?}, after {:#?}", line, self.lines);
                let line = String::from_utf8_lossy(&line).into_owned();
                self.lines.push(line.clone());
                Some(line)
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line: {error}; so far: {:#?}", self.lines),
        }
    }

    /// Expects this line next.
    #[track_caller]
    pub fn hears(&mut self, line: &str) {
        assert_eq!(self.line().as_deref(), Some(line), "after {:#?}", self.lines);
    }

    /// Expects this line next, and replies to it.
    #[track_caller]
    pub fn answer(&mut self, line: &str, reply: &str) {
        self.hears(line);
        self.send(format!("{reply}\n"));
    }

    /// Replies to every line as an Asterisk whose caller only listens, until the end.
    pub fn play(self) -> Played {
        self.play_with(|line| Some(reply(line).to_owned()))
    }

    /// Replies to every line until the end; `None` closes the connection.
    #[track_caller]
    pub fn play_with(mut self, mut answer: impl FnMut(&str) -> Option<String>) -> Played {
        while let Some(line) = self.line() {
            // Asterisk ends the session at such a line, without a reply.
            if line.starts_with("failure") {
                continue;
            }
            match answer(&line) {
                Some(reply) => self.send(format!("{reply}\n")),
                None => break,
            }
        }
        Played { lines: self.lines }
    }

    /// Resets the connection, as a machine does that has lost it.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(self.stream().as_fd(), Some(Duration::ZERO)).unwrap();
    }
}
