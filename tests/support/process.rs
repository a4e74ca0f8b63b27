//! The real program with a scripted Asterisk at the other end of its pipes.
#![expect(clippy::disallowed_methods, reason = "processes live in real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The opening block that Asterisk 22 sends.
pub const ENVIRONMENT: &str = "\
agi_request: agi-rhai
agi_channel: Local/s@game-00000001;1
agi_language: en
agi_type: Local
agi_uniqueid: 1700000000.12
agi_version: 22.10.1
agi_callerid: 201
agi_calleridname: unknown
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: unknown
agi_rdnis: unknown
agi_context: game
agi_extension: s
agi_priority: 1
agi_enhanced: 0.0
agi_accountcode: 
agi_threadid: 140211
agi_arg_1: game.rhai

";

/// Longer than anything takes here, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary folder, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::at(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(Self::name()))
    }

    /// Returns a unique name for a folder.
    pub fn name() -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        format!("folder-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
    }

    /// Makes the folder at this place.
    pub fn at(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self(folder.canonicalize().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the path of the program under test.
pub fn program() -> &'static str {
    // Not `env!`: without the feature `cli` there is no program, and the tests must still compile.
    match option_env!("CARGO_BIN_EXE_agi-rhai") {
        Some(program) => program,
        None => panic!("these tests need the feature `cli`"),
    }
}

/// Returns a command for the program with these arguments, without this machine's settings in its environment.
pub fn agi_rhai<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(args: I) -> Command {
    let mut command = Command::new(program());
    command.args(args);
    clear_environment(&mut command);
    command
}

/// Removes this machine's settings from the environment.
pub fn clear_environment(command: &mut Command) {
    command.env_remove("AST_AGI_DIR");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AGI_RHAI_")) {
        command.env_remove(name);
    }
}

/// A running program, and Asterisk's end of it.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    errors: JoinHandle<String>,
    lines: Vec<String>,
    began: Instant,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stderr: String,
    /// The lines it sent.
    pub lines: Vec<String>,
    pub took: Duration,
}

impl Process {
    /// Starts a program as Asterisk does: on two pipes.
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let input = child.stdin.take();
        Self { child, input, output, errors, lines: Vec::new(), began: Instant::now() }
    }

    /// Starts it and sends it the usual environment.
    pub fn call(command: &mut Command) -> Self {
        let mut process = Self::start(command);
        process.send(ENVIRONMENT);
        process
    }

    /// Sends bytes. It isn't an error if they are never read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(bytes.as_ref()).and_then(|()| input.flush());
        }
    }

    /// Returns the next line it sends; `None` when it has closed its end.
    pub fn line(&mut self) -> Option<String> {
        match self.output.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.lines.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                panic!("no line arrived within {PATIENCE:?}; so far: {:#?}", self.lines);
            }
        }
    }

    /// Expects this line next, and replies to it.
    #[track_caller]
    pub fn answer(&mut self, line: &str, reply: &str) {
        assert_eq!(self.line().as_deref(), Some(line));
        self.send(format!("{reply}\n"));
    }

    /// Reports the hangup as Asterisk does.
    pub fn hang_up(&self) {
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns how long it has run.
    pub fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Closes the connection to it.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// Replies to every line with `200 result=1` until it ends.
    pub fn end(self) -> Ended {
        self.end_with(|_| Some("200 result=1".to_owned()))
    }

    /// Replies to every line until it ends; `None` closes the connection.
    pub fn end_with(mut self, mut answer: impl FnMut(&str) -> Option<String>) -> Ended {
        while let Some(line) = self.line() {
            match answer(&line) {
                Some(reply) => self.send(format!("{reply}\n")),
                None => self.close(),
            }
        }
        self.close();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if self.began.elapsed() > 2 * PATIENCE => {
                    let _ = self.child.kill();
                    panic!("the program does not end; so far: {:#?}", self.lines);
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let took = self.began.elapsed();
        Ended { code: status.code(), stderr: self.errors.join().unwrap(), lines: self.lines, took }
    }
}

impl Ended {
    /// Checks the exit code. Shows everything it printed if it differs.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Checks that stderr contains this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Checks that this line is among those sent.
    #[track_caller]
    pub fn sent(&self, line: &str) -> &Self {
        assert!(self.lines.iter().any(|l| l == line), "no line {line:?} in {self:#?}");
        self
    }
}
