//! What scripts do beyond their call: programs, mail, jobs when the call is over; over AGI and over FastAGI.

mod deaths;
pub mod mail;
mod programs;
mod running;
mod shared;

use crate::support::process::{Ended, Folder, Process, agi_rhai};
use crate::support::server::{Server, reply};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// A folder of scripts with the operator's file, and a folder of state.
pub struct Site {
    pub folder: Folder,
}

impl Site {
    /// Makes a site with this file of the operator, in which `@FOLDER@` is the folder.
    pub fn new(settings: &str) -> Self {
        let folder = Folder::new();
        let path = folder.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        std::fs::create_dir_all(folder.path("state")).unwrap();
        folder.file("scripts/agi-rhai.toml", settings.replace("@FOLDER@", &path));
        Self { folder }
    }

    /// Writes a script.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.folder.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        self.folder.file(&format!("scripts/{name}.rhai"), text.replace("@FOLDER@", &path));
    }

    pub fn state(&self) -> String {
        self.folder.path("state").to_str().unwrap().to_owned()
    }

    /// Serves the scripts.
    pub fn serve(&self) -> Server {
        Server::start(&self.folder, &["--state", &self.state()])
    }

    /// Returns the command of a call without a server.
    pub fn one_shot(&self, script: &str) -> Command {
        let script = self.folder.path(&format!("scripts/{script}.rhai"));
        let log = self.folder.path("log");
        let [script, log] = [script, log].map(|path| path.to_str().unwrap().to_owned());
        agi_rhai(["--state", &self.state(), "--log", &log, &script])
    }

    /// Plays a call without a server. Returns what it said.
    pub fn play(&self, script: &str) -> Vec<String> {
        let ended = listen(Process::call(&mut self.one_shot(script)));
        said(&ended.lines)
    }

    /// Returns the log of calls without a server.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("log")).unwrap_or_default()
    }

    /// Runs `agi-rhai jobs` with these words. Returns its exit code and what it printed.
    pub fn jobs(&self, words: &[&str]) -> (i32, String) {
        let scripts = self.folder.path("scripts").to_str().unwrap().to_owned();
        let state = self.state();
        let mut args = vec!["jobs"];
        args.extend(words);
        args.extend(["--scripts", &scripts, "--state", &state, "--log-level", "off"]);
        let output = agi_rhai(args).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), text)
    }

    /// Returns the jobs that are left.
    #[track_caller]
    pub fn left(&self) -> Vec<Value> {
        let (code, text) = self.jobs(&["list", "--json"]);
        assert_eq!(code, 0, "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a check over AGI and over FastAGI: it gets what a call of the script said.
    #[track_caller]
    pub fn both_say(&self, script: &str, expected: &[&str]) {
        assert_eq!(self.play(script), expected, "over AGI: {}", self.log());
        let server = self.serve();
        let played = server.call(script).play();
        assert_eq!(played.said(), expected, "over FastAGI: {}", server.log());
    }
}

/// Plays a call to its end, whose caller only listens.
pub fn listen(call: Process) -> Ended {
    call.end_with(|line| Some(reply(line).to_owned()))
}

/// Returns what a script has said by `verbose`.
pub fn said(lines: &[String]) -> Vec<String> {
    let said = lines.iter().filter_map(|line| line.strip_prefix("VERBOSE \"")?.strip_suffix("\" 1"));
    said.filter(|text| !text.starts_with("agi-rhai: ")).map(str::to_owned).collect()
}

/// Returns the processes whose command line contains this.
pub fn processes_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.push(format!("{} {line}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

/// Waits until the condition holds, for at most two minutes.
#[track_caller]
pub fn wait_long(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not within two minutes");
}
