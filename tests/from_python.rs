//! `docs/from-python.md`: what its rows and scripts send to Asterisk in the language they come from, and here.
//!
//! The originals run with their own libraries: pyst2 in a virtual environment (`target/python`, which `.ci/run` makes) and
//! Debian's libasterisk-agi-perl.

use crate::support::backend::{is_skipped, python};
use crate::support::process::{Folder, agi_rhai};
use agi_rhai::internals::split;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: &str = "docs/from-python.md";
/// A caller at the start of each call.
const ENVIRONMENT: &str = "agi_request: x\nagi_channel: PJSIP/200-00000001\nagi_language: en\nagi_type: PJSIP\n\
    agi_uniqueid: 1700000000.1\nagi_callerid: 200\nagi_calleridname: Ann\nagi_context: default\nagi_extension: 500\n\
    agi_priority: 1\nagi_enhanced: 0.0\n\n";

/// Asterisk's reply to a command; `None` if the caller hangs up instead.
type Reply<'a> = dyn FnMut(&str) -> Option<String> + 'a;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap()
}

/// Returns the block of the page that is saved under this name.
fn block(name: &str) -> String {
    let page = page();
    let at = ["# ", "// ", "; "].iter().find_map(|comment| page.find(&format!("\n{comment}{name}\n")));
    let text = &page[at.unwrap_or_else(|| panic!("{PAGE} has no {name}")) + 1..];
    text[..text.find("\n```").unwrap() + 1].to_owned()
}

/// Runs a program as Asterisk does, and returns the commands that it sends.
fn commands(mut command: Command, folder: &Path, reply: &mut Reply<'_>) -> Vec<String> {
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut to = child.stdin.take();
    to.as_mut().unwrap().write_all(ENVIRONMENT.as_bytes()).unwrap();
    let mut sent = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(line) = meant(&line) {
            sent.push(line);
        }
        let answer = if line.contains("AGI_RHAI_") { Some("200 result=1".to_owned()) } else { reply(&line) };
        match (answer, &mut to) {
            // It may have ended already.
            (Some(answer), Some(to)) => drop(writeln!(to, "{answer}")),
            _ => to = None,
        }
    }
    let _ = child.wait();
    sent
}

/// Returns a command without what each library writes in its own way: quotes, letter case of the verb, and arguments
/// that are the defaults anyway. `None` for what the host itself tells Asterisk.
fn meant(line: &str) -> Option<String> {
    if line.contains("AGI_RHAI_") {
        return None;
    }
    let words = split(line.as_bytes());
    let mut words: Vec<String> =
        words.iter().map(|word| String::from_utf8_lossy(word).trim_matches('"').to_owned()).collect();
    let verb = words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_alphabetic())).count().min(3);
    for word in &mut words[..verb] {
        *word = word.to_ascii_uppercase();
    }
    while words.pop_if(|last| ["", "0", "beep", "s=0", "3000"].contains(&last.as_str())).is_some() {}
    Some(words.join(" "))
}

fn has_perl() -> Result<(), String> {
    let status = Command::new("perl").args(["-MAsterisk::AGI", "-e", "1"]).stderr(Stdio::null()).status();
    let has_it = status.is_ok_and(|status| status.success());
    has_it.then_some(()).ok_or_else(|| "there is no Asterisk::AGI (Debian package libasterisk-agi-perl)".to_owned())
}

fn ours(script: &Path) -> Command {
    let mut command = agi_rhai([script]);
    command.env_remove("AGI_RHAI_LOG");
    command
}

/// The value that a command which returns one gets.
fn any_reply(line: &str) -> Option<String> {
    let line = line.to_ascii_uppercase();
    let value = line.starts_with("GET ") && line.contains("VARIABLE") || line.starts_with("DATABASE GET");
    Some(
        if value {
            "200 result=1 (x)"
        } else if line.contains("RECORD FILE") {
            "200 result=0 (timeout) endpos=8000"
        } else if ["DATABASE", "HANGUP", "SET VARIABLE", "SET CALLERID", "VERBOSE"]
            .iter()
            .any(|verb| line.starts_with(verb))
        {
            "200 result=1"
        } else {
            "200 result=0 endpos=8000"
        }
        .to_owned(),
    )
}

#[test]
fn every_row_sends_the_same_command_in_every_language() {
    if is_skipped("THE TABLE OF COMMANDS FOR PYTHON AND PERL", python("asterisk.agi").map(drop).and(has_perl())) {
        return;
    }
    let python = python("asterisk.agi").unwrap();
    let folder = Folder::new();
    let mut rows = 0;
    let page = page();
    for line in page.lines().filter(|line| line.starts_with("| `agi.")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let [theirs, _, perls, own] = cells[..] else { panic!("{line}") };
        let code = |cell: &str| cell.split('`').nth(1).unwrap_or_default().to_owned();
        let (theirs, perls, own) = (code(theirs), code(perls), code(own));
        if own.starts_with("env.") {
            continue;
        }
        rows += 1;
        let run = |mut command: Command, args: &[&str]| {
            command.args(args);
            commands(command, &folder.path(""), &mut any_reply)
        };
        let script = folder.file("row.rhai", format!("{own};"));
        let sent = commands(ours(Path::new(&script)), &folder.path(""), &mut any_reply);
        assert!(!sent.is_empty(), "{own}");
        let original = format!("from asterisk.agi import AGI\nagi = AGI()\n{theirs}\n");
        assert_eq!(run(Command::new(&python), &["-c", &original]), sent, "{theirs} and {own}");
        if !perls.is_empty() {
            let original = format!("use Asterisk::AGI; my $AGI = Asterisk::AGI->new; $AGI->ReadParse(); {perls};");
            assert_eq!(run(Command::new("perl"), &["-e", &original]), sent, "{perls} and {own}");
        }
    }
    assert!(rows > 20, "{rows}");
}

/// Runs an original and its translation against the same Asterisk.
#[track_caller]
fn compare(what: &str, original: Command, own: &Path, folder: &Path, replies: &dyn Fn() -> Box<Reply<'static>>) {
    let theirs = commands(original, folder, &mut *replies());
    let ours = commands(ours(own), folder, &mut *replies());
    assert!(!theirs.is_empty(), "{what}");
    assert_eq!(theirs, ours, "{what}");
}

#[test]
fn the_balance_is_told_as_in_python() {
    if is_skipped("THE SCRIPT IN PYTHON", python("asterisk.agi").map(drop)) {
        return;
    }
    let python = python("asterisk.agi").unwrap();
    let folder = Folder::new();
    let own = PathBuf::from(folder.file("balance.rhai", block("balance.rhai")));
    folder.file("balance.py", block("balance.py"));
    folder.file("agi-rhai.toml", block("agi-rhai.toml"));
    let database = "import sqlite3; d = sqlite3.connect('crm.sqlite'); d.execute('create table customers (number, balance)'); \
                    d.execute('insert into customers values (?, ?)', ['0412', 12]); d.commit()";
    let original = || {
        let mut command = Command::new(&python);
        command.arg("balance.py");
        command
    };
    let enter = |numbers: &'static [&'static str], hangup_at: usize| {
        move || -> Box<Reply<'static>> {
            let (mut entered, mut count) = (0, 0);
            Box::new(move |line| {
                count += 1;
                if count > hangup_at {
                    return None;
                }
                if line.starts_with("GET DATA") {
                    entered += 1;
                    return Some(format!("200 result={}", numbers[entered - 1]));
                }
                Some(if line.starts_with("VERBOSE") { "200 result=1" } else { "200 result=0 endpos=8000" }.to_owned())
            })
        }
    };
    // Without a table, the database fails in both.
    let sorry = |sent: Vec<String>| sent.into_iter().filter(|line| !line.starts_with("VERBOSE")).collect::<Vec<_>>();
    let replies = enter(&["0412"], 99);
    let theirs = sorry(commands(original(), &folder.path(""), &mut *replies()));
    assert!(theirs.contains(&"STREAM FILE balance-sorry".to_owned()), "{theirs:?}");
    assert_eq!(sorry(commands(ours(&own), &folder.path(""), &mut *replies())), theirs);
    let made = Command::new(&python).args(["-c", database]).current_dir(folder.path("")).status().unwrap();
    assert!(made.success());
    compare("a customer", original(), &own, &folder.path(""), &enter(&["0412"], 99));
    compare("the second try", original(), &own, &folder.path(""), &enter(&["1", "0412"], 99));
    compare("three wrong numbers", original(), &own, &folder.path(""), &enter(&["1", "2", "3"], 99));
    for commands_before in 1..4 {
        compare("a hangup", original(), &own, &folder.path(""), &enter(&["0412"], commands_before));
    }
}

#[test]
fn the_door_opens_as_in_perl() {
    if is_skipped("THE SCRIPT IN PERL", has_perl()) {
        return;
    }
    let folder = Folder::new();
    let own = PathBuf::from(folder.file("door.rhai", block("door.rhai")));
    folder.file("door.pl", block("door.pl"));
    for (wrong, code) in [("", "0412"), ("2", "0412"), ("", "1"), ("2", "1"), ("3", "0412"), ("", "")] {
        let mut original = Command::new("perl");
        original.arg("door.pl");
        let replies = || -> Box<Reply<'static>> {
            Box::new(move |line| {
                Some(match line.split(' ').next().unwrap_or_default() {
                    "DATABASE" if line.contains("GET") && wrong.is_empty() => "200 result=0".to_owned(),
                    "DATABASE" if line.contains("GET") => format!("200 result=1 ({wrong})"),
                    "DATABASE" | "SET" => "200 result=1".to_owned(),
                    "GET" => format!("200 result={code}"),
                    _ => "200 result=0 endpos=8000".to_owned(),
                })
            })
        };
        compare(&format!("{wrong} wrong codes, then {code}"), original, &own, &folder.path(""), &replies);
    }
}
