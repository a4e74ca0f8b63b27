//! The program's outputs: closed pipes, logs that cannot be written, panics.

use crate::support::asterisk::free_address;
use crate::support::process::{Ended, Folder, Process, agi_rhai};
use crate::support::server::{Peer, Server, environment, wait_until};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A script that makes Rust's own sort panic, since its comparison isn't an order.
const PANICS: &str =
    "for n in 0..100 { let a = []; for i in 0..60 { a.push(i * 7 % 60); } a.sort(|x, y| random(-1, 1)); }";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A pipe without a reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Runs the program in this folder, with some keys on standard input.
fn run(folder: &Folder, args: &[&str], prepare: impl FnOnce(&mut Command)) -> Output {
    let mut command = agi_rhai(args);
    command.current_dir(folder.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    prepare(&mut command);
    let mut child = command.spawn().unwrap();
    if let Some(mut keys) = child.stdin.take() {
        let _ = keys.write_all(b"7\n");
    }
    child.wait_with_output().unwrap()
}

/// Runs of the program, in the folder of [`set_up`], and the exit code of each, whether or not its output is read.
const RUNS: &[(&[&str], i32)] = &[
    (&[], 2),
    (&["--help"], 0),
    (&["--version"], 0),
    (&["phone", "--fast", "good.rhai"], 0),
    (&["phone", "bad.rhai"], 1),
    (&["phone", "none.rhai"], 2),
    (&["serve", "--check", "--scripts", "whole"], 0),
    (&["serve", "--check", "--scripts", "broken"], 1),
    (&["serve", "--check", "--scripts", "none"], 2),
    (&["calls", "--control", "control.sock"], 0),
    (&["calls", "--control", "none.sock"], 2),
    (&["calls", "--control", "control.sock", "end", "7"], 2),
    (&["test", "good.test.rhai"], 0),
    (&["test", "--coverage", "bad.test.rhai"], 1),
    (&["test", "--list", "good.test.rhai"], 0),
    (&["test", "--list", "broken.test.rhai"], 1),
    (&["test", "none.rhai"], 2),
    (&["test", "--storm", "good.rhai", "--calls", "20"], 0),
    (&["test", "--unchecked", "--storm", "bad.rhai", "--calls", "20"], 1),
    (&["check", "good.rhai"], 0),
    (&["check", "bad.rhai"], 1),
    (&["check", "--format", "json", "bad.rhai"], 1),
    (&["check", "--format", "sarif", "bad.rhai"], 1),
    (&["check", "--format", "github", "bad.rhai"], 1),
    (&["check", "--rules"], 0),
    (&["check", "none.rhai"], 2),
    (&["sounds", "good.rhai"], 0),
    (&["sounds", "--check", "good.rhai"], 0),
    (&["sounds", "none.rhai"], 2),
    (&["replay", "calls"], 0),
    (&["replay", "--as-test", "calls"], 0),
    (&["replay", "departs"], 1),
    (&["replay", "good.rhai"], 2),
    (&["jobs", "--state", "none"], 0),
    (&["jobs", "--state", "none", "list", "--json"], 0),
    (&["jobs", "--state", "none", "drop", "7"], 2),
    (&["new", "made"], 0),
    (&["commands"], 0),
    (&["commands", "answer"], 0),
    (&["commands", "xyzxyz"], 2),
    (&["lsp"], 1),
    (&["studio", "none"], 2),
    (&["completions", "bash"], 0),
    (&["completions", "zsh"], 0),
    (&["man"], 0),
];

/// A folder for [`RUNS`], and a server for some of them.
fn set_up() -> (Folder, Server) {
    let folder = Folder::new();
    folder.file("good.rhai", "answer(); wait_for_digit(1000);");
    folder.file("good.test.rhai", "fn test_a() { place_call(\"good\"); press(\"7\"); expect_end(); }");
    folder.file("bad.rhai", "answer();\nstream_fil(\"x\");\n");
    folder.file("bad.test.rhai", "fn test_b() { place_call(\"good\"); expect_variable(\"X\", \"1\"); }");
    folder.file("broken.test.rhai", "let = 1;");
    folder.file("broken/a.rhai", "let = 1;");
    folder.file("whole/a.rhai", "noop();");
    let mut call = Process::call(&mut agi_rhai([
        "--record",
        folder.path("calls").to_str().unwrap(),
        folder.path("whole/a.rhai").to_str().unwrap(),
    ]));
    call.answer("NOOP", "200 result=0");
    call.end().code(0);
    let changed = folder.file("changed.rhai", "noop();");
    let mut call = Process::call(&mut agi_rhai(["--record", folder.path("departs").to_str().unwrap(), &changed]));
    call.answer("NOOP", "200 result=0");
    call.end().code(0);
    folder.file("changed.rhai", "answer();");
    let server = Server::start(&folder, &[]);
    (folder, server)
}

#[test]
fn a_closed_output_changes_no_exit_code() {
    let (folder, _server) = set_up();
    let help = text(&run(&folder, &["--help"], |_| ()).stdout);
    let names = help.split("Commands:").nth(1).unwrap().split("Arguments:").next().unwrap().lines();
    let names: BTreeSet<&str> = names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let tried: BTreeSet<&str> = RUNS.iter().filter_map(|(args, _)| args.first().copied()).collect();
    assert!(names.len() > 9 && names.is_subset(&tried), "there are {names:?}, tried were {tried:?}");
    let made = || {
        ["rhai", "prompts", "test.rhai"]
            .iter()
            .for_each(|end| drop(fs::remove_file(folder.path(&format!("made.{end}")))))
    };
    for (args, code) in RUNS {
        made();
        let read = run(&folder, args, |_| ());
        assert_eq!(read.status.code(), Some(*code), "{args:?}: {read:?}");
        made();
        let unread = run(&folder, args, |command| {
            command.stdout(closed());
        });
        assert_eq!(unread.status.code(), Some(*code), "{args:?} into a closed pipe: {unread:?}");
        assert!(!text(&unread.stderr).contains("panicked"), "{args:?}: {unread:?}");
        made();
        let unread = run(&folder, args, |command| {
            command.stdout(closed()).stderr(closed());
        });
        assert_eq!(unread.status.code(), Some(*code), "{args:?} with unread output: {unread:?}");
        // An output lost for lack of space is an error.
        let speaks = !read.stdout.is_empty() && args.first() != Some(&"lsp");
        if speaks {
            made();
            let full = File::options().write(true).open("/dev/full").unwrap();
            let lost = run(&folder, args, |command| {
                command.stdout(full);
            });
            assert_eq!(lost.status.code(), Some(2), "{args:?}: {lost:?}");
            assert!(
                text(&lost.stderr).contains("cannot write to standard output: No space left"),
                "{args:?}: {lost:?}"
            );
        }
    }
    made();
}

/// Returns what the program writes to a terminal that is its output and its errors.
fn on_a_terminal(folder: &Folder, args: &[&str], prepare: impl FnOnce(&mut Command)) -> String {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    let line = File::options().read(true).write(true).open(text(name.to_bytes())).unwrap();
    let reading = std::thread::spawn(move || {
        let mut shown = Vec::new();
        // It fails when the other side is closed.
        let _ = File::from(near).read_to_end(&mut shown);
        text(&shown)
    });
    drop(run(folder, args, |command| {
        command.stdout(line.try_clone().unwrap()).stderr(line).env("TERM", "xterm");
        prepare(command);
    }));
    reading.join().unwrap()
}

#[test]
fn whoever_sets_no_color_sees_no_colour() {
    let (folder, _server) = set_up();
    let mut coloured = 0;
    for (args, _) in RUNS {
        for end in ["rhai", "prompts", "test.rhai"] {
            drop(fs::remove_file(folder.path(&format!("made.{end}"))));
        }
        let shown = on_a_terminal(&folder, args, |command| {
            command.env("NO_COLOR", "1");
        });
        assert!(!shown.contains("\x1b") && !shown.contains("\\u{1b}"), "{args:?}: {shown:?}");
        let shown = on_a_terminal(&folder, args, |command| {
            command.env_remove("NO_COLOR");
        });
        coloured += usize::from(shown.contains("\x1b["));
    }
    assert!(coloured > 10, "only {coloured} of {} are in colour at all", RUNS.len());
}

#[test]
fn a_fault_is_one_line_of_the_log_and_on_a_terminal_shows_its_place() {
    let folder = Folder::new();
    let script = "fn inner(x) { stream_fil(x); }\nfn outer() { inner(\"a\\nb\"); }\n  outer();";
    let script = folder.file("bad.rhai", script);
    let call = folder.file("call", format!("{}200 result=0\n", environment("bad")));
    let start = |command: &mut Command| {
        command.stdin(File::open(&call).unwrap()).stdout(Stdio::null());
    };
    let piped = text(&run(&folder, &["--unchecked", "bad.rhai"], start).stderr);
    let record = piped.lines().find(|line| line.contains(" ERROR ")).unwrap();
    assert!(piped.lines().all(|line| line.starts_with("20")), "{piped}");
    assert!(record.contains("ERROR ./bad.rhai:1:15: no function `stream_fil`; did you mean"), "{record}");
    let fields = "source=\"fn inner(x) { stream_fil(x); }\" stack=\"inner (called at ./bad.rhai:2), outer (called at \
                  ./bad.rhai:3)\" channel=\"";
    assert!(record.contains(fields), "{record}");
    let shown = on_a_terminal(&folder, &["--unchecked", &script], |command| {
        command.env("NO_COLOR", "1").stdin(File::open(&call).unwrap());
    });
    assert!(shown.contains("\r\n  1 | fn inner(x) { stream_fil(x); }\r\n    |               ^^^^^^^^^^"), "{shown}");
}

#[test]
fn a_call_does_not_wait_for_an_unread_stderr() {
    let folder = Folder::new();
    folder.file("talks.rhai", "for i in 0..3000 { print(`line ${i} of many, which nobody reads`); } noop(\"end\");");
    let (_unread, stderr) = std::io::pipe().unwrap();
    let mut call = Process::call(agi_rhai(["talks.rhai"]).current_dir(folder.path("")).stderr(stderr));
    call.answer("NOOP \"end\"", "200 result=0");
    call.end().code(0);
}

/// A program that is killed when the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_panic_with_an_unread_log_delays_nothing() {
    let folder = Folder::new();
    folder.file("scripts/panics.rhai", PANICS);
    folder.file("scripts/well.rhai", "verbose(\"well\");");
    let free = free_address();
    let mut command = agi_rhai(["serve", "--listen", &free.to_string(), "--drain", "0"]);
    command.args(["--scripts".as_ref(), folder.path("scripts").as_os_str()]);
    command.args(["--control".as_ref(), folder.path("control.sock").as_os_str()]);
    // A pipe that is full from the beginning.
    let (mut reader, mut full) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&full, rustix::fs::OFlags::NONBLOCK).unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&full, rustix::fs::OFlags::empty()).unwrap();
    let mut child = Killed(command.env("RUST_BACKTRACE", "0").stdout(Stdio::null()).stderr(full).spawn().unwrap());
    drop(command);
    wait_until("it listens", || TcpStream::connect(free).is_ok());
    let play = |script: &str| {
        let mut peer = Peer::connect(free);
        peer.send(environment(script));
        peer.play()
    };
    for _ in 0..5 {
        let played = play("panics");
        assert_eq!(played.status(), "FAILURE", "{played:?}");
        assert!(played.variable("AGI_RHAI_ERROR").unwrap().contains("error in comparer for sorting"), "{played:?}");
        assert_eq!(play("well").said(), ["well"]);
    }
    let mut log = Vec::new();
    let reading = std::thread::spawn(move || {
        let _ = reader.read_to_end(&mut log);
        text(&log)
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&child.0), rustix::process::Signal::TERM).unwrap();
    wait_until("it ends", || child.0.try_wait().unwrap().is_some());
    // The log has it, within its call, and as the fault of the script.
    let log = reading.join().unwrap();
    let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked in thread calls at ")).collect();
    assert_eq!(panics.len(), 5, "{log}");
    assert!(panics[0].contains("ERROR call{id=") && panics[0].contains(".rs:"), "{}", panics[0]);
    assert!(log.contains("scripts/panics.rhai"), "{log}");
    // The words of the default hook don't appear.
    assert!(!log.contains("\nthread '"), "{log}");
}

#[test]
fn a_panic_is_reported_where_the_log_goes() {
    let folder = Folder::new();
    let script = folder.file("panics.rhai", PANICS);
    let log = folder.path("log");
    let ended: Ended =
        Process::call(agi_rhai(["--log", log.to_str().unwrap(), &script]).env("RUST_BACKTRACE", "0")).end();
    ended.code(1);
    assert_eq!(ended.stderr, "");
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("ERROR panicked in thread main at ") && log.contains("error in comparer for sorting"),
        "{log}"
    );
}

#[test]
fn a_storm_of_panics_has_a_clean_report() {
    let folder = Folder::new();
    folder.file("panics.rhai", PANICS);
    folder.file("panics.test.rhai", "fn test_it() { place_call(\"panics\"); expect_end(); }");
    for args in [&["test", "--storm", "panics.rhai", "--calls", "30"][..], &["test", "panics.test.rhai"]] {
        let output = run(&folder, args, |_| ());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(text(&output.stderr), "", "{args:?}");
        assert!(text(&output.stdout).contains("error in comparer for sorting"), "{output:?}");
    }
}

#[test]
fn a_log_file_is_private_and_a_blocked_log_delays_nothing() {
    let folder = Folder::new();
    let script = folder.file("scripts/a.rhai", "print(\"hello\");");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (ours, servers, pipe) = (folder.path("ours.log"), folder.path("server.log"), folder.path("pipe"));
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    Process::call(&mut agi_rhai(["--log", &shown(&ours), &script])).end().code(0);
    let server = Server::launch(&folder, &["--log", &shown(&servers)], |_| {});
    wait_until("it logs", || fs::read_to_string(&servers).is_ok_and(|log| log.contains(" serves ")));
    drop(server);
    assert_eq!((mode(&ours), mode(&servers)), (0o640, 0o640));
    // A pipe without a reader.
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let said = format!("cannot log to {}: no process reads from this pipe; logging to stderr", shown(&pipe));
    Process::call(&mut agi_rhai(["--log", &shown(&pipe), &script])).end().code(0).says(&said).says("hello");
    let server = Server::start(&folder, &["--log", &shown(&pipe)]);
    server.wait_for_log(&said);
    assert_eq!(server.status("a"), "SUCCESS");
    drop(server);
    // A pipe with a reader.
    let reader = pipe.clone();
    let reading = std::thread::spawn(move || fs::read_to_string(reader).unwrap());
    let began = Instant::now();
    while !reading.is_finished() && began.elapsed() < Duration::from_secs(30) {
        Process::call(&mut agi_rhai(["--log", &shown(&pipe), &script])).end().code(0);
    }
    assert!(reading.join().unwrap().contains("hello"));
}

/// A small file system; `None` where it cannot be mounted.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "agi-rhai-test"]).arg(path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: only root can mount a small disk");
        }
        mounted.then(|| Self(path.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn lines_lost_on_a_full_disk_are_counted_and_reported() {
    let folder = Folder::new();
    let line = "x".repeat(200);
    folder.file("scripts/talks.rhai", format!("for i in 0..1000 {{ print(`${{i}} {line}`); }}"));
    let script = folder.file("once.rhai", "print(\"not lost\");");
    let Some(_disk) = Disk::mount(&folder.path("disk"), "64k") else { return };
    let path = folder.path("disk/log");
    let _server = Server::launch(&folder, &["--log", path.to_str().unwrap()], |_| {});
    let log = || fs::read_to_string(&path).unwrap_or_default();
    wait_until("it serves", || log().contains(" serves "));
    let find = |after: &str, until: &str| {
        let log = log();
        log.split(after).nth(1).unwrap().split(until).next().unwrap().to_owned()
    };
    let calls: std::net::SocketAddr =
        log().split(", at most").next().unwrap().rsplit(" on ").next().unwrap().parse().unwrap();
    let pages = find("metrics on http://", "/");
    let dropped = || {
        let mut stream = TcpStream::connect(&pages).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix("agi_rhai_log_lines_dropped_total ")).unwrap();
        value.parse::<u64>().unwrap()
    };
    let play = || {
        let mut peer = Peer::connect(calls);
        peer.send(environment("talks"));
        peer.play()
    };
    assert_eq!(dropped(), 0);
    assert_eq!(play().status(), "SUCCESS");
    wait_until("lost lines are counted", || dropped() > 500);
    assert!(log().lines().count() > 100, "lines that fit are kept");
    // A process per call writes lines that don't fit to stderr.
    Process::call(&mut agi_rhai(["--log", path.to_str().unwrap(), &script])).end().code(0).says("not lost");
    // Once there is space again, the loss is reported once, on a line of its own before the next line.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    for _ in 0..3 {
        let mut peer = Peer::connect(calls);
        peer.send(environment("none"));
        assert_eq!(peer.play().status(), "NOTFOUND");
    }
    wait_until("the loss is logged", || log().contains("of the log:"));
    std::thread::sleep(Duration::from_millis(200));
    let (log, lost) = (log(), dropped());
    assert_eq!(log.matches("of the log:").count(), 1, "{log}");
    assert!(log.contains(&format!("WARN lost {lost} lines of the log: No space left on device")), "{lost}: {log}");
    assert!(log.lines().all(|line| line.is_empty() || line.starts_with("20")), "{log}");
}
