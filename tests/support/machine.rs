//! `agi-rhai serve` as a separate process, as an operator runs it.
#![allow(dead_code, reason = "a rig: not every build of the tests uses every part")]
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]

use super::asterisk::{Asterisk, free_port};
use super::process::{Folder, agi_rhai};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends when this value is dropped or the test process ends, however that happens.
pub struct ChildProcess {
    child: Child,
    /// The watchdog kills the process when this pipe closes without a message.
    leash: Option<ChildStdin>,
}

impl ChildProcess {
    pub fn start(command: &mut Command) -> ChildProcess {
        let child = command.stdin(Stdio::null()).spawn().expect("the program cannot be started");
        let mut watchdog = Command::new("sh")
            .args(["-c", "read -r word || kill -KILL \"$1\"", "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is no sh");
        let leash = watchdog.stdin.take();
        thread::spawn(move || watchdog.wait());
        ChildProcess { child, leash }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is no kill").success(), "cannot send SIG{name}");
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("the process cannot be waited for").is_some()
    }

    /// Waits for it. Returns its exit code; `None` if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let until = Instant::now() + 2 * PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process cannot be waited for") {
                return status.code();
            }
            assert!(Instant::now() < until, "the process does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The process id may belong to another process by now: the watchdog must not kill it.
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.write_all(b"over\n");
        }
    }
}

/// A FastAGI server, its folder of scripts and its log.
pub struct Server {
    pub process: ChildProcess,
    pub port: u16,
    folder: Folder,
}

/// The fields of a call in `agi-rhai calls` that tests use.
#[derive(Clone, Debug)]
pub struct LiveCall {
    pub id: String,
    pub caller: String,
    pub script: String,
    pub line: String,
    pub doing: String,
    pub channel: String,
}

impl Server {
    /// Starts a server with a folder of its own, which holds the scripts of the repository.
    pub fn start(options: &[&str]) -> Server {
        Server::start_on(free_port(), options)
    }

    /// Starts one on this port.
    pub fn start_on(port: u16, options: &[&str]) -> Server {
        let folder = Folder::new();
        copy_scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"), &folder.path("scripts"));
        Server { process: begin(&folder, port, options), port, folder }.ready(0)
    }

    /// Starts it again with the same port and scripts.
    pub fn start_again(&mut self, options: &[&str]) {
        let said = self.log().len();
        self.process = begin(&self.folder, self.port, options);
        self.wait_ready(said);
    }

    /// Starts one that takes the calls of these contexts by AsyncAGI, too.
    pub fn start_managed(asterisk: &Asterisk, contexts: &[&str], options: &[&str]) -> Server {
        Server::start_with_table(&asterisk.manager_table(contexts), options)
    }

    /// Starts one with this table of a manager called `asterisk`.
    pub fn start_with_table(table: &str, options: &[&str]) -> Server {
        let folder = Folder::new();
        copy_scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"), &folder.path("scripts"));
        let config = folder.file("agi-rhai.toml", table);
        let port = free_port();
        let process = begin(&folder, port, &[&["--config", &config], options].concat());
        let server = Server { process, port, folder }.ready(0);
        server.wait_log(0, "manager.asterisk: logged in");
        server
    }

    fn ready(mut self, said: usize) -> Server {
        self.wait_ready(said);
        self
    }

    fn wait_ready(&mut self, said: usize) {
        let until = Instant::now() + PATIENCE;
        while !self.log()[said..].contains(" serves ") {
            assert!(!self.process.is_over() && Instant::now() < until, "the server does not start:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the `agi://` address for a request.
    pub fn url(&self, request: &str) -> String {
        format!("agi://127.0.0.1:{}/{request}", self.port)
    }

    /// The folder of its scripts.
    pub fn scripts(&self) -> PathBuf {
        self.folder.path("scripts")
    }

    /// Returns the log once it no longer grows: it is written in batches, a little after the events.
    pub fn log(&self) -> String {
        let read = || fs::read(self.folder.path("log")).unwrap_or_default();
        let mut log = read();
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(60));
            let longer = read();
            if longer.len() == log.len() {
                break;
            }
            log = longer;
        }
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits until the log holds this text after this position.
    pub fn wait_log(&self, from: usize, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log()[from..].contains(text) {
            assert!(Instant::now() < until, "the log does not say {text:?}:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Saves a script.
    pub fn save(&self, name: &str, text: &str) {
        self.folder.file(&format!("scripts/{}", with_extension(name)), text);
    }

    /// Saves a script and waits until new calls get it.
    pub fn script(&self, name: &str, text: &str) {
        let said = self.log().len();
        self.save(name, text);
        let name = with_extension(name);
        let until = Instant::now() + PATIENCE;
        let marks = [format!("{name} is live"), format!("{name} is fixed"), format!("/{name}:")];
        while !marks.iter().any(|mark| self.log()[said..].contains(mark)) {
            assert!(Instant::now() < until, "{name} does not go live:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn control(&self) -> PathBuf {
        self.folder.path("control.sock")
    }

    /// Returns the output of `agi-rhai calls` with these arguments.
    pub fn calls_program(&self, words: &[&str]) -> Output {
        let control = self.control();
        let mut command = agi_rhai(["calls", "--control", control.to_str().expect("a path in UTF-8")]);
        command.args(words).output().expect("the program cannot be started")
    }

    /// Returns its calls, oldest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        let mut socket = UnixStream::connect(self.control()).expect("the server has no control socket");
        socket.write_all(b"calls\n").expect("the control socket accepts nothing");
        let mut rows = String::new();
        socket.read_to_string(&mut rows).expect("the control socket sends nothing");
        let call = |row: &str| {
            let cells: Vec<&str> = row.split('\t').collect();
            let cell = |number: usize| cells[number].to_owned();
            LiveCall { id: cell(0), caller: cell(1), script: cell(2), line: cell(4), doing: cell(5), channel: cell(9) }
        };
        // An empty line ends the answer.
        rows.lines().take_while(|row| !row.is_empty()).map(call).collect()
    }

    /// Waits for the call on this channel to be doing this.
    pub fn wait_call(&self, channel: &str, doing: &str) -> LiveCall {
        let until = Instant::now() + PATIENCE;
        loop {
            let calls = self.calls();
            if let Some(call) = calls.iter().find(|call| call.channel == channel && call.doing == doing) {
                return call.clone();
            }
            assert!(Instant::now() < until, "no call on {channel} is about {doing}: {calls:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Appends `.rhai` if it is missing.
fn with_extension(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{name}.rhai") }
}

fn begin(folder: &Folder, port: u16, options: &[&str]) -> ChildProcess {
    let path = |name: &str| folder.path(name).to_str().expect("a path in UTF-8").to_owned();
    let mut command = agi_rhai(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--scripts", &path("scripts"), "--control", &path("control.sock"), "--log", &path("log")]);
    ChildProcess::start(command.args(options).stdout(Stdio::null()).stderr(Stdio::inherit()))
}

/// Copies only scripts and their phrases: Asterisk has its own copy of the sounds.
fn copy_scripts(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder of scripts cannot be made");
    for entry in fs::read_dir(from).expect("the scripts cannot be listed") {
        let entry = entry.expect("the scripts cannot be listed").path();
        let target = to.join(entry.file_name().expect("an entry has a name"));
        if entry.is_dir() {
            copy_scripts(&entry, &target);
        } else if entry.extension().is_some_and(|extension| extension == "rhai" || extension == "phrases") {
            fs::copy(&entry, &target).expect("a script cannot be copied");
        }
    }
}
