//! The pages are correct: their scripts run, with the dialogues and faults they show, and their commands work.
//!
//! * A `rhai` block runs on a simulated call and must not fault. A first line `// the caller PLAN` says what the caller
//!   does; without one, the caller stays silent. A first line `// NAME.rhai` is the file it is saved as.
//! * A `rhai,fault` block must fault. The `text` block after it is the fault as the log shows it.
//! * A `text` block that starts with `C: `, between a `rhai` block and the next one, is the dialogue of that call.
//! * A `console` block is a terminal: each line that begins with `$ ` is run and prints the lines below it, with `[..]`
//!   for any rest of a line and `...` for any lines. All blocks of a page run in one folder, in order; the scripts and
//!   tables of the page are saved there as they appear. The last command of a `console,fails` block must fail.
//! * A script whose name ends in `.test.rhai` is run by `agi-rhai test` in such a terminal. A `prompts` or `phrases` block
//!   is a table; its first line is `; NAME`.
//! * An `sh` line with ` phone ` is run by bash, in a folder with the scripts of the repository and those of the page.
//! * The server of a page is the `sh` line that begins with `agi-rhai serve`. It is started, with a call on it, and the
//!   lines of the page that begin with `agi-rhai calls` are run against it.
//! * A dialplan is an `ini` block. `ini,settings` are variables, as in a file for systemd, which the program must
//!   accept; `ini,unit` is a drop-in for our units, `ini,manager` our users of Asterisk's manager.
//! * A `yaml` block is a configuration of Prometheus.
//! * `rust` blocks are run by rustdoc: see the end of `src/lib.rs`.

#[path = "../examples/embed.rs"]
#[allow(dead_code, reason = "its `main` is for people")]
mod embed;

use crate::support::process::agi_rhai;
use agi_rhai::command::Table;
use agi_rhai::internals::BUILTINS;
use agi_rhai::internals::QUESTIONS;
use agi_rhai::internals::VOCABULARY;
use agi_rhai::internals::reference;
use agi_rhai::pbx::{Channel, IncomingCall, Plan, Sounds};
use agi_rhai::script::Script;
use agi_rhai::transport::Simulator;
use agi_rhai::{Fault, Host, Outcome, Session, Status};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_agi-rhai");
const REFERENCE: &str = "docs/commands.md";

/// Returns the pages that people write; the program writes the reference.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(Path::new(PROJECT).join("docs")).unwrap();
    let mut names: Vec<String> =
        docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy())).collect();
    names.retain(|name| has_ending(name, "md") && name != REFERENCE);
    names.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned));
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(Path::new(PROJECT).join(name)).unwrap())).collect()
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == ending)
}

/// A fenced block of a page.
struct Block {
    /// Page and line, for the message of a failing test.
    place: String,
    kind: String,
    text: String,
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(kind)) => {
                let place = format!("{page}:{}", number + 1);
                open = Some(Block { place, kind: kind.to_owned(), text: String::new() });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block isn't closed");
    found
}

/// Returns the name a block is saved under, from its first line.
fn file_name(block: &Block) -> Option<&str> {
    let line = block.text.lines().next()?;
    let name = ["// ", "; ", "# "].iter().find_map(|comment| line.strip_prefix(comment))?;
    let name = name.split_whitespace().next()?.trim_end_matches(':');
    ["rhai", "prompts", "phrases", "toml"].iter().any(|ending| has_ending(name, ending)).then_some(name)
}

/// Returns the prompt tables of a page.
fn tables(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().filter(|block| block.kind == "prompts").map(|block| block.text.as_str()).collect()
}

/// Runs a block on a simulated call. Returns the outcome if it could be compiled, its fault, and the dialogue.
fn run(block: &Block, prompts: &[&str]) -> (Option<Outcome>, Option<Box<Fault>>, Vec<String>) {
    let host = Host::new();
    let plan = block.text.lines().find_map(|line| line.strip_prefix("// the caller ")).unwrap_or_default();
    let plan: Plan = plan.parse().unwrap_or_else(|error| panic!("{}: {error}", block.place));
    let call = IncomingCall { callerid: Some("201".to_owned()), ..IncomingCall::default() };
    let sounds = prompts.iter().fold(Sounds::stock(), |sounds, table| sounds.with_prompts(table).unwrap());
    let simulator = Simulator::new(Channel::new(call, Box::new(plan)).with_sounds(sounds.into()));
    let transcript = simulator.transcript();
    let session = Session::begin(Box::new(simulator)).unwrap();
    match compile(&host, block) {
        Ok(script) => {
            let mut outcome = host.run(session, &script, vec!["first".to_owned(), "second".to_owned()]);
            let fault = outcome.fault.take();
            let transcript = transcript.lock().unwrap().clone();
            (Some(outcome), fault, transcript)
        }
        Err(fault) => (None, Some(fault), Vec::new()),
    }
}

fn compile(host: &Host, block: &Block) -> Result<Script, Box<Fault>> {
    host.compile(file_name(block).unwrap_or("example.rhai"), &block.text)
}

#[test]
fn every_script_in_the_pages_runs() {
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = blocks(&page, &text);
        for (at, block) in blocks.iter().enumerate() {
            let before_next_script = blocks[at + 1..].iter().take_while(|block| !block.kind.starts_with("rhai"));
            let next = before_next_script.into_iter().find(|block| block.kind == "text");
            match block.kind.as_str() {
                // A script that imports others runs in its folder, below; a test runs in its terminal.
                "rhai" if !in_folder(block, &blocks) && !is_test(block) => {
                    count += 1;
                    let (outcome, fault, dialogue) = run(block, &tables(&blocks));
                    if let Some(fault) = fault {
                        panic!("{}: {}", block.place, fault.render(false));
                    }
                    assert_eq!(
                        outcome.unwrap().missing_sounds,
                        0,
                        "{}: a sound file that Asterisk doesn't ship",
                        block.place
                    );
                    if let Some(next) = next.filter(|next| next.text.starts_with("C: ")) {
                        assert_eq!(next.text.trim_end(), dialogue.join("\n"), "{}: the dialogue", next.place);
                    }
                }
                "rhai,fault" => {
                    count += 1;
                    let (_, fault, _) = run(block, &[]);
                    let fault = fault.unwrap_or_else(|| panic!("{}: no fault", block.place));
                    if let Some(next) = next {
                        assert_eq!(next.text.trim_end(), fault.render(false), "{}: the fault", next.place);
                    }
                }
                // A script that needs a dialplan or services runs in its tests, where something stands in for them.
                "rhai,dialplan" | "rhai,services" => {
                    let tests = file_name(block).unwrap_or_default().replace(".rhai", ".test.rhai");
                    let run = |other: &Block| other.kind == "console" && other.text.contains(&format!(" {tests}"));
                    assert!(blocks.iter().any(run), "{}: no terminal runs {tests}", block.place);
                }
                "rhai" | "rust" | "rust,no_run" | "sh" | "ini" | "ini,manager" | "ini,settings" | "ini,unit"
                | "text" | "toml" | "toml,services" | "yaml" | "console" | "console,fails" | "prompts" | "phrases"
                | "json" | "lua" | "lisp" | "yaml,workflow" | "rhai,mistake" | "python" | "perl" => {}
                other => {
                    panic!("{}: unknown kind of block {other:?}: tests/docs.rs lists them", block.place)
                }
            }
        }
    }
    assert!(count > 10, "only {count} scripts found in the pages");
}

/// Whether the block needs the files of its page: it imports some, or has phrases.
fn in_folder(block: &Block, blocks: &[Block]) -> bool {
    let phrases = |name: &str| {
        let table = Path::new(name).with_extension("phrases");
        blocks.iter().filter_map(file_name).any(|name| Path::new(name) == table)
    };
    block.text.contains("import \"") || file_name(block).is_some_and(phrases)
}

/// Whether the block is a test of a script.
fn is_test(block: &Block) -> bool {
    file_name(block).is_some_and(|name| name.ends_with(".test.rhai"))
}

/// Returns a line without what differs from run to run: random seeds, and the milliseconds something took.
fn steady(line: &str) -> String {
    let line = line.trim_end().replace("less than 1 ms", "1 ms");
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit());
    let changes = |at: usize| {
        let (before, after) = (&words[..at], &words[at + 1..]);
        before.last().is_some_and(|word| word.ends_with("seed"))
            || before.ends_with(&["calls", "in"])
            || after.first().is_some_and(|word| word.starts_with("ms"))
            || after.starts_with(&["a", "second),"])
    };
    let steady = words.iter().enumerate().map(|(at, word)| if number(word) && changes(at) { "N" } else { word });
    steady.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_terminal_in_the_pages_shows_the_real_output() {
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = blocks(&page, &text);
        let folder = folder(&format!("terminal-{page}"), &[]);
        for block in &blocks {
            if let Some(name) = file_name(block) {
                fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
                fs::write(folder.join(name), &block.text).unwrap();
            }
            if !block.kind.starts_with("console") {
                continue;
            }
            let text = format!("\n{}", block.text);
            let commands: Vec<&str> = text.split("\n$ ").skip(1).collect();
            for (at, command) in commands.iter().enumerate() {
                count += 1;
                let (line, expected) = command.split_once('\n').unwrap_or((command, ""));
                let output = Command::new("bash")
                    .args(["-c", &format!("exec 2>&1; set -o pipefail; {line}")])
                    .current_dir(&folder)
                    .env("PATH", &path)
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let fails = block.kind == "console,fails" && at + 1 == commands.len();
                assert_eq!(output.status.success(), !fails, "{}: `{line}` says\n{said}", block.place);
                let tidy = |text: &str| text.trim_end().lines().map(steady).collect::<Vec<_>>().join("\n");
                let assert = snapbox::Assert::new().redact_with(snapbox::Redactions::new());
                if let Err(difference) = assert.try_eq(
                    Some(&format!("{}: `{line}`", block.place)),
                    tidy(&said).into(),
                    tidy(expected).into(),
                ) {
                    panic!("{difference}");
                }
            }
        }
    }
    let _ = count;
}

/// Makes a folder with the scripts of the repository and those that a page tells readers to save.
fn folder(page: &str, blocks: &[Block]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{}", page.replace('/', "-")));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("lib")).unwrap();
    symlink(Path::new(PROJECT).join("scripts"), folder.join("scripts")).unwrap();
    for block in blocks.iter().filter(|block| ["rhai", "phrases"].contains(&block.kind.as_str()) && !is_test(block)) {
        if let Some(name) = file_name(block) {
            fs::write(folder.join(name), &block.text).unwrap();
        }
    }
    folder
}

#[test]
fn every_phone_call_in_the_pages_works() {
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = blocks(&page, &text);
        let folder = folder(&page, &blocks);
        for block in blocks.iter().filter(|block| block.kind == "sh") {
            for line in block.text.lines().filter(|line| line.contains(" phone ")) {
                count += 1;
                let line = line.replace("cargo run --release -- ", "agi-rhai ").replace("cargo run -- ", "agi-rhai ");
                let output = Command::new("bash")
                    .args(["-c", &format!("set -o pipefail; {line}")])
                    .current_dir(&folder)
                    .env("PATH", &path)
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                let complaint = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: `{line}`\n{said}{complaint}", block.place);
                assert!(said.contains("Call ended: "), "{}: `{line}` says\n{said}{complaint}", block.place);
            }
        }
        // Scripts that import others run next to the files of their page.
        for block in blocks.iter().filter(|block| block.kind == "rhai" && in_folder(block, &blocks)) {
            let name = file_name(block).unwrap_or_else(|| panic!("{}: imports need a name", block.place));
            let host = Host::new();
            let script = host.load(&folder.join(name), None).unwrap_or_else(|error| panic!("{}: {error}", block.place));
            let session = Session::begin(Box::new(Simulator::new(Channel::new(
                IncomingCall::default(),
                Box::new(Plan::silent()),
            ))));
            let outcome = host.run(session.unwrap(), &script, vec![]);
            assert!(outcome.fault.is_none(), "{}: {:?}", block.place, outcome.fault);
        }
    }
    assert!(count > 0);
}

#[test]
fn every_dialplan_in_the_pages_is_valid() {
    let help = help();
    let mut count = 0;
    for (page, text) in pages() {
        let saved: Vec<String> = blocks(&page, &text).iter().filter_map(|b| file_name(b).map(str::to_owned)).collect();
        for block in blocks(&page, &text).iter().filter(|block| block.kind == "ini") {
            for line in block.text.lines().map(|line| line.split(';').next().unwrap().trim()) {
                if line.is_empty() || (line.starts_with('[') && line.ends_with(']')) {
                    continue;
                }
                let wrong = || panic!("{}: not a line of a dialplan: {line}", block.place);
                let step =
                    line.strip_prefix("exten => ").or_else(|| line.strip_prefix("same => ")).unwrap_or_else(wrong);
                let called = step.find('(').unwrap_or_else(|| wrong().len());
                assert!(step.ends_with(')'), "{}: not a call of an application: {line}", block.place);
                let balance = step.chars().map(|c| i32::from(c == '(') - i32::from(c == ')')).sum::<i32>();
                assert_eq!(balance, 0, "{}: brackets: {line}", block.place);
                let Some((_, agi)) = step.split_once("AGI(") else { continue };
                count += 1;
                assert!(called < step.len());
                // Asterisk separates arguments at commas outside quotes.
                let mut quoted = false;
                let comma = |c| {
                    quoted ^= c == '"';
                    c == ',' && !quoted
                };
                let words = agi.strip_suffix(')').unwrap().split(comma).map(|word| word.trim_matches('"'));
                let words: Vec<&str> = words.collect();
                let (program, rest) = match words[0] {
                    "agi-rhai" => (true, &words[1..]),
                    // By a variable.
                    "agi:async" if words.len() == 1 => continue,
                    "agi:async" => (false, &words[1..]),
                    _ => (false, &words[..]),
                };
                let script = rest.iter().find(|word| !word.starts_with('-')).unwrap();
                // Over FastAGI: host and port, the name, and the script's `params`.
                let script = match script.strip_prefix("agi://") {
                    Some(url) => url.split_once('/').unwrap_or_else(|| panic!("{}: {line}", block.place)).1,
                    None => script,
                };
                let script = script.split('?').next().unwrap();
                for option in rest.iter().take_while(|word| word.starts_with('-')) {
                    assert!(program && help.contains(option.split('=').next().unwrap()), "{}: {option}", block.place);
                }
                if script == "${AGI_RHAI_SCRIPT}" {
                    continue;
                }
                let name = script.trim_end_matches(".rhai").to_owned() + ".rhai";
                let shipped = Path::new(PROJECT).join("scripts").join(&name).is_file();
                assert!(shipped || saved.contains(&name), "{}: there is no script {name}", block.place);
            }
        }
    }
    assert!(count > 2);
}

fn help() -> String {
    help_of(&[])
}

fn help_of(command: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(command).arg("--help").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the words of a text that begin with this, sorted.
fn words<'a>(text: &'a str, start: &'a str) -> Vec<&'a str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut words: Vec<&str> =
        text.split(|c| !part(c)).filter(|word| word.starts_with(start) && word.len() > start.len()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn the_page_on_operating_lists_every_option_and_no_other() {
    let page = fs::read_to_string(Path::new(PROJECT).join("docs/operating.md")).unwrap();
    let (help, page) = ([help(), help_of(&["serve"]), help_of(&["calls"])].concat(), page.as_str());
    // `--fast` belongs to the simulated phone, `---` is a line of a table, and the others belong to other programs.
    let others = [
        "--help",
        "--version",
        "--fast",
        "---",
        "--path",
        "--root",
        "--locked",
        "--now",
        "--inplace",
        "--reload",
        "--no-pager",
    ];
    let ours = |words: Vec<&str>| -> Vec<String> {
        words.iter().filter(|w| !others.contains(w)).map(ToString::to_string).collect()
    };
    assert_eq!(ours(words(page, "--")), ours(words(&help, "--")), "the page, then --help");
    let in_help = words(&help, "AGI_RHAI_");
    for name in words(page, "AGI_RHAI_") {
        assert!(in_help.contains(&name), "docs/operating.md mentions {name}, --help does not");
    }
    for name in in_help {
        assert!(page.contains(name), "docs/operating.md does not mention {name}");
    }
}

/// A running program of a page, killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server of a page, with a call on it.
struct Server {
    program: Running,
    /// Its `STREAM FILE` waits until the call is ended.
    call: std::thread::JoinHandle<Vec<String>>,
}

/// Returns a command that runs a line of a page in its folder, with our program in the path and on free ports.
fn shell(line: &str, folder: &Path) -> Command {
    let program = Path::new(PROGRAM).parent().unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("exec {}", line.replace(":9150", ":0").replace(":4573", ":0"))])
        .current_dir(folder)
        .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
        .env("AGI_RHAI_LISTEN", "127.0.0.1:0")
        .env("AGI_RHAI_CONTROL", "control.sock")
        .stdin(Stdio::null());
    command
}

/// Reads the output of a program line by line.
fn lines(said: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// Waits for a line that contains this text.
#[track_caller]
fn wait_for(lines: &Receiver<String>, what: &str) -> String {
    let next = || lines.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| panic!("no {what:?}: {error}"));
    std::iter::repeat_with(next).find(|line| line.contains(what)).unwrap()
}

/// Plays Asterisk, whose first prompt lasts until the call is ended. Returns all commands received.
fn call(address: &str, playing: &std::sync::mpsc::Sender<()>) -> Vec<String> {
    let mut line = TcpStream::connect(address).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    line.write_all(
        b"agi_network: yes\nagi_network_script: subtraction\nagi_channel: PJSIP/201-7\nagi_version: 22.10.1\nagi_threadid: 1\n\n",
    )
    .unwrap();
    let mut heard = Vec::new();
    for command in BufReader::new(line.try_clone().unwrap()).lines().map_while(Result::ok) {
        match command.split(' ').next().unwrap() {
            "ANSWER" => line.write_all(b"200 result=0\n").unwrap(),
            "STREAM" => playing.send(()).unwrap(),
            // The server resynchronises with this once the prompt has been interrupted.
            "GET" => line.write_all(b"200 result=1 (agi-rhai: in step)\n").unwrap(),
            _ => line.write_all(b"200 result=1\n").unwrap(),
        }
        heard.push(command);
    }
    heard
}

impl Server {
    fn start(line: &str, folder: &Path) -> Self {
        let mut command = shell(line, folder);
        let mut program = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let log = lines(program.0.stderr.take().unwrap());
        let ready = wait_for(&log, " serves ");
        let address = ready.split(" on ").nth(1).and_then(|rest| rest.split(',').next()).unwrap().to_owned();
        let (playing, plays) = channel();
        let call = std::thread::spawn(move || call(&address, &playing));
        if plays.recv_timeout(Duration::from_secs(60)).is_err() {
            panic!("no prompt came: {:#?}", log.try_iter().collect::<Vec<_>>());
        }
        Self { program, call }
    }

    /// Sends SIGTERM, once the call has ended.
    fn end(mut self) {
        let heard = self.call.join().unwrap();
        assert!(heard.contains(&r#"SET VARIABLE "AGI_RHAI_STATUS" "HANGUP""#.to_owned()), "{heard:#?}");
        let killed = Command::new("kill").args(["-TERM", &self.program.0.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert_eq!(self.program.0.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn every_server_in_the_pages_serves() {
    let mut count = 0;
    for (page, text) in pages() {
        let blocks = blocks(&page, &text);
        let folder = folder(&format!("serving-{page}"), &blocks);
        let (mut server, mut shown, mut ended) = (None, None, false);
        for block in blocks.iter().filter(|block| block.kind == "sh") {
            for line in block.text.lines().map(|line| line.split(" #").next().unwrap().trim_end_matches([' ', '&'])) {
                let line = line.replace("cargo run --release -- ", "agi-rhai ").replace("cargo run -- ", "agi-rhai ");
                if line.starts_with("agi-rhai serve") && !line.contains("--check") {
                    assert!(server.is_none(), "{}: a second server", block.place);
                    server = Some(Server::start(&line, &folder));
                    count += 1;
                } else if line.starts_with("agi-rhai calls show") {
                    let mut show = Running(shell(&line, &folder).stdout(Stdio::piped()).spawn().unwrap());
                    let said = lines(show.0.stdout.take().unwrap());
                    wait_for(&said, "call 1 of subtraction.rhai on PJSIP/201-7");
                    shown = Some((show, said));
                } else if line.starts_with("agi-rhai serve") || line.starts_with("agi-rhai calls") {
                    let output = shell(&line, &folder).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stdout);
                    let complaint = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{}: `{line}`\n{said}{complaint}", block.place);
                    let expected = match line.as_str() {
                        "agi-rhai calls" => "subtraction.rhai",
                        line if line.starts_with("agi-rhai calls end") => "ending call",
                        _ => " 0 with a fault",
                    };
                    ended |= line.starts_with("agi-rhai calls end");
                    assert!(said.contains(expected), "{}: `{line}` says\n{said}{complaint}", block.place);
                }
            }
        }
        if let Some(server) = server {
            if !ended {
                let ended = shell("agi-rhai calls end 1", &folder).output().unwrap();
                assert!(ended.status.success(), "{page}: {ended:?}");
            }
            server.end();
        }
        if let Some((mut show, said)) = shown {
            wait_for(&said, r#"> SET VARIABLE "AGI_RHAI_STATUS" "HANGUP""#);
            assert!(show.0.wait().unwrap().success());
        }
    }
    assert!(count > 0);
}

const SERVICE: &str = "docs/systemd/agi-rhai.service";
const SOCKET: &str = "docs/systemd/agi-rhai.socket";

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(PROJECT).join(path)).unwrap()
}

/// Returns the value of each line of a unit that has this key.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// Checks that the program accepts these settings, and these words of a command line.
#[track_caller]
fn check_settings(place: &str, settings: &[(&str, &str)], words: &[&str]) {
    let help = help_of(&["serve"]);
    let mut command = Command::new(PROGRAM);
    command.args(words).arg("--check").current_dir(PROJECT);
    for (name, value) in settings {
        assert!(help.contains(&format!("[env: {name}=")), "{place}: there is no variable {name}");
        command.env(name, value);
    }
    // The folder exists on another machine only.
    let output = command.env("AGI_RHAI_SCRIPTS", "scripts").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{place}: {}", String::from_utf8_lossy(&output.stderr));
}

fn setting<'a>(place: &str, line: &'a str) -> (&'a str, &'a str) {
    line.split_once('=').unwrap_or_else(|| panic!("{place}: no setting: {line}"))
}

#[test]
fn the_units_start_the_program() {
    let (service, socket) = (file(SERVICE), file(SOCKET));
    let start: Vec<&str> = values(&service, "ExecStart")[0].split(' ').collect();
    assert_eq!(start[..2], ["/usr/local/bin/agi-rhai", "serve"]);
    let settings: Vec<_> = values(&service, "Environment").iter().map(|line| setting(SERVICE, line)).collect();
    check_settings(SERVICE, &settings, &start[1..]);
    // The two ways to set the address agree, and so do the times.
    let help = help_of(&["serve"]);
    assert!(help.contains(&format!("[default: {}]", values(&socket, "ListenStream")[0])));
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<f64>().unwrap();
    let drain = settings.iter().find(|(name, _)| *name == "AGI_RHAI_DRAIN").unwrap().1;
    let on_hangup = help.split("[env: AGI_RHAI_MAX_ON_HANGUP=]").nth(1).unwrap();
    let on_hangup: f64 =
        on_hangup.split(['[', ']']).nth(1).unwrap().strip_prefix("default: ").unwrap().parse().unwrap();
    let ending = 5.0;
    assert!(seconds(values(&service, "TimeoutStopSec")[0]) > seconds(drain) + on_hangup + ending);
    // systemd accepts them, if it is installed.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("units");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("agi-rhai.service"), service.replace("/usr/local/bin/agi-rhai", PROGRAM)).unwrap();
    fs::write(folder.join("agi-rhai.socket"), &socket).unwrap();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "agi-rhai.service", "agi-rhai.socket"])
        .current_dir(&folder)
        .output();
    if let Ok(verify) = verify {
        let said = String::from_utf8_lossy(&verify.stderr);
        assert!(verify.status.success() && !said.contains("agi-rhai"), "{said}");
    }
}

#[test]
fn every_setting_in_the_pages_is_accepted() {
    let units = [file(SERVICE), file(SOCKET)].concat();
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&page, &text) {
            let lines = block.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            match block.kind.as_str() {
                "ini,settings" => {
                    count += 1;
                    let settings: Vec<_> = lines.map(|line| setting(&block.place, line)).collect();
                    check_settings(&block.place, &settings, &["serve"]);
                }
                "toml,services" => {
                    count += 1;
                    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings");
                    fs::create_dir_all(&folder).unwrap();
                    fs::write(folder.join("agi-rhai.toml"), &block.text).unwrap();
                    // The checker reads it on any machine, whatever is set and there.
                    let output = Command::new(PROGRAM).arg("check").current_dir(&folder).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert_eq!(output.status.code(), Some(0), "{}: {said}", block.place);
                }
                "ini,manager" => {
                    let shipped = fs::read_to_string(Path::new(PROJECT).join("docs/async-agi/manager.conf")).unwrap();
                    assert_eq!(block.text.trim(), shipped.trim(), "{page}: the file beside it differs");
                }
                "ini,unit" => {
                    for line in lines.filter(|line| !line.starts_with('[')) {
                        let (key, _) = setting(&block.place, line);
                        assert!(!values(&units, key).is_empty(), "{}: our units have no {key}", block.place);
                    }
                }
                "yaml" => {
                    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus.yml");
                    fs::write(&path, &block.text).unwrap();
                    // If promtool is installed (the Debian package `prometheus`).
                    if let Ok(check) = Command::new("promtool").args(["check", "config"]).arg(&path).output() {
                        assert!(check.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&check.stderr));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn the_reference_matches_the_table() {
    let page = reference::page(&Table::new(), &[BUILTINS, QUESTIONS].concat(), VOCABULARY);
    let path = Path::new(PROJECT).join(REFERENCE);
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{REFERENCE} is out of date: AGI_RHAI_BLESS=1 cargo test rewrites it from the tables");
}

/// Returns the anchor of a heading, as on GitHub.
fn anchors(text: &str) -> Vec<String> {
    let mut in_block = false;
    let headings = text.lines().filter(|line| {
        in_block ^= line.starts_with("```");
        !in_block && line.starts_with('#')
    });
    let anchor = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// Links between the pages lead to an existing file and heading.
#[test]
fn every_link_in_the_pages_leads_to_a_file_and_a_heading() {
    for (page, text) in pages() {
        let beside = Path::new(PROJECT).join(&page).parent().unwrap().to_owned();
        for (at, _) in text.match_indices("](") {
            let target = &text[at + 2..];
            let target = &target[..target.find(')').unwrap()];
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let path = if file.is_empty() { Path::new(PROJECT).join(&page) } else { beside.join(file) };
            assert!(path.exists(), "{page}: no {target}");
            if !anchor.is_empty() && has_ending(&path.to_string_lossy(), "md") {
                let there = anchors(&fs::read_to_string(&path).unwrap());
                assert!(there.contains(&anchor.to_owned()), "{page}: {target} does not exist; there are {there:?}");
            }
        }
    }
}

#[test]
fn the_example_answers_a_simulated_caller() {
    let (outcome, dialogue) = embed::simulated("presses 12 after 3s").unwrap();
    assert_eq!(outcome.status, Status::Success);
    assert!(dialogue.contains(&r#"C: SAY NUMBER 40 """#.to_owned()), "{dialogue:#?}");
    assert!(dialogue.contains(&r#"C: DATABASE PUT "PJSIP/100-00000001" "asked" "12""#.to_owned()), "{dialogue:#?}");
    let (_, dialogue) = embed::simulated("presses 99 after 3s").unwrap();
    assert!(dialogue.contains(&r#"C: STREAM FILE "invalid" """#.to_owned()), "{dialogue:#?}");
}

/// A hangup during an embedder's function ends the script, as it does during a command.
#[test]
fn the_example_ends_at_a_hangup() {
    for plan in ["presses 12 after 3s, hangs up when \"number 40\"", "hangs up after 1s"] {
        let (outcome, _) = embed::simulated(plan).unwrap();
        assert_eq!((outcome.status, outcome.fault.map(|f| f.to_string())), (Status::Hangup, None), "{plan}");
    }
}

#[test]
fn the_example_speaks_over_any_stream() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let asterisk = std::thread::spawn(move || {
        theirs.write_all(b"agi_channel: Test/1\nagi_version: 22.10.1\nagi_threadid: 1\n\n").unwrap();
        let mut lines = BufReader::new(theirs.try_clone().unwrap());
        let mut heard = Vec::new();
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap_or(0) > 0 {
            let reply = match line.split(' ').next().unwrap().trim_end() {
                "ANSWER" | "SAY" => "200 result=0\n",
                "GET" => "200 result=15\n",
                _ => "200 result=1\n",
            };
            theirs.write_all(reply.as_bytes()).unwrap();
            heard.push(std::mem::take(&mut line));
        }
        heard
    });
    let outcome = embed::over(ours.try_clone().unwrap(), ours).unwrap();
    assert_eq!(outcome.status, Status::Success);
    let heard = asterisk.join().unwrap();
    assert!(heard.contains(&"SAY NUMBER 0 \"\"\n".to_owned()), "{heard:?}");
}

/// `AGI_RHAI_BLESS=1` rewrites the tables of the page.
#[test]
fn the_page_of_rhais_functions_lists_them_all() {
    use agi_rhai::internals::WORDS;
    use std::fmt::Write as _;

    let path = Path::new(PROJECT).join("docs/rhai.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once("\n## All of them\n").expect("the heading of the tables");
    let mut all = format!("{before}\n## All of them\n");
    let kinds = [
        ("text", "Texts"),
        ("array", "Arrays"),
        ("map", "Maps"),
        ("number", "Numbers"),
        ("any", "Any value"),
        ("closure", "Closures"),
    ];
    for (kind, title) in kinds {
        write!(all, "\n### {title}\n\n| function | | example | its value |\n|---|---|---|---|\n").unwrap();
        for word in WORDS.iter().filter(|word| word.of == kind) {
            let cell = |text: &str| text.replace('|', "\\|");
            let (example, value) = word.example;
            let (summary, example) = (cell(word.summary), cell(example));
            writeln!(all, "| `{}` | {summary} | `{example}` | `{value}` |", word.signature).unwrap();
        }
    }
    assert!(WORDS.iter().all(|word| kinds.iter().any(|(kind, _)| *kind == word.of)));
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        fs::write(&path, &all).unwrap();
    }
    assert!(page == all, "AGI_RHAI_BLESS=1 cargo test rewrites docs/rhai.md");
}

/// The command in `docs/prompts.md` that turns recordings into what Asterisk plays.
#[test]
fn the_command_for_recordings_makes_files_that_asterisk_plays() {
    let page = fs::read_to_string(Path::new(PROJECT).join("docs/prompts.md")).unwrap();
    let folder = folder("docs/recordings", &[]);
    fs::create_dir_all(folder.join("raw/de")).unwrap();
    fs::copy(Path::new(PROJECT).join("tests/sounds/headset.flac"), folder.join("raw/coin-ask.flac")).unwrap();
    fs::copy(Path::new(PROJECT).join("tests/sounds/headset.flac"), folder.join("raw/de/coin-ask.flac")).unwrap();
    fs::write(folder.join("coin.rhai"), "answer(); say(\"coin-ask\");").unwrap();
    fs::write(folder.join("coin.prompts"), "coin-ask: Heads or tails?\n[de]\ncoin-ask: Kopf oder Zahl?\n").unwrap();
    let blocks = blocks("docs/prompts.md", &page);
    let command = blocks.iter().find(|block| block.kind == "sh").expect("a command");
    let words = command.text.trim().strip_prefix("agi-rhai ").expect("one of agi-rhai").split(' ');
    let output = agi_rhai(words).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sounds = Sounds::none().with_folder(folder.join("sounds"));
    for language in ["en", "de"] {
        let samples =
            sounds.find(&format!("{language}/coin-ask"), "").expect("a recording that Asterisk plays").samples;
        // The silence is gone, but for a little.
        assert!((7_500..12_000).contains(&samples), "{language}: {samples} samples");
    }
}
