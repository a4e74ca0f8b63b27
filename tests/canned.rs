//! Environments from other switches and from files, and replies written down before the call.

use crate::support::process::{ENVIRONMENT, Ended, Folder, Process, agi_rhai, clear_environment, program};
use crate::support::server::{Server, environment};
use agi_rhai::internals::plural;
use agi_rhai::transport::Stream;
use agi_rhai::{Host, Session, Status};
use std::io::{self, Cursor, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The opening block of a switch that has a version and no threads.
const OTHER_SWITCH: &str = "agi_request: canned.rhai\nagi_channel: x\nagi_version: 1.2.3\nagi_callerid: 201\n\n";

const SCRIPT: &str = r#"
answer();
let name = get_variable("NAME");
sleep(0.01);
try { set_priority("nowhere") } catch (e) { verbose(`${e.code} ${name.len()}`) }
say_digits(get_data("ask"));
fn on_hangup() { debug("gone, " + env.len()); }
"#;

/// Replies to its lines, two of which span several lines.
const REPLIES: &str = "200 result=0
200 result=1 (7
(8))
520-Invalid command syntax.  Proper usage follows:
 Usage: SET PRIORITY <priority>
520 End of proper usage.
200 result=1
200 result=12 (timeout)
200 result=0
";

const SENT: [&str; 6] = [
    "ANSWER",
    r#"GET VARIABLE "NAME""#,
    r#"SET PRIORITY "nowhere""#,
    r#"VERBOSE "520 5" 1"#,
    r#"GET DATA "ask""#,
    r#"SAY DIGITS "12" """#,
];

/// Runs this shell line, which ends with the program, in a folder that has this input as `all`, `env` and `replies`.
fn in_shell(line: &str, script: &str, environment: &str, replies: &str) -> Ended {
    let folder = Folder::new();
    folder.file("canned.rhai", script);
    folder.file("env", environment);
    folder.file("replies", replies);
    folder.file("all", format!("{environment}{replies}"));
    let mut command = Command::new("sh");
    clear_environment(&mut command);
    command.args(["-c", &line.replace("agi-rhai", program())]).current_dir(folder.path("")).stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        lines: String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(),
        took: began.elapsed(),
    }
}

/// Checks that the script runs to its end however the replies arrive.
#[track_caller]
fn check_all(line: &str, environment: &str, replies: &str) {
    let ended = in_shell(line, SCRIPT, environment, replies);
    let sent: Vec<&str> = ended.lines.iter().map(String::as_str).take_while(|l| !l.contains("AGI_RHAI_")).collect();
    assert_eq!(sent, SENT, "{line}: {ended:#?}");
    ended.code(0).says("the input ended after 6 replies").says("status=SUCCESS");
    assert!(!ended.stderr.contains("gone"), "{ended:#?}");
}

#[test]
fn canned_replies_are_used_in_order() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let here = "agi-rhai canned.rhai <<'END'\n".to_owned() + OTHER_SWITCH + REPLIES + "END";
    for line in [
        "cat all | agi-rhai canned.rhai",
        "agi-rhai canned.rhai < all",
        "(cat env; sleep 0.1; cat replies) | agi-rhai canned.rhai",
        &here,
    ] {
        for environment in [OTHER_SWITCH, ENVIRONMENT, "agi_request: canned.rhai\n\n", "\n"] {
            check_all(line, environment, REPLIES);
            check_all(line, &crlf(environment), &crlf(REPLIES));
        }
    }
}

#[test]
fn the_end_of_canned_replies_is_a_hangup() {
    for (replies, sent) in [("", 1), ("200 result=0\n", 2), ("200 result=0\n200 result=1 (x)\n520 No\n", 4)] {
        for line in ["cat all | agi-rhai canned.rhai", "agi-rhai canned.rhai < all"] {
            let ended = in_shell(line, SCRIPT, OTHER_SWITCH, replies);
            let count = plural(replies.lines().count(), "reply");
            ended.code(0).says(&format!("the input ended after {count}, which is taken"));
            ended.says("gone, 4").says("status=HANGUP");
            assert_eq!(ended.lines[..], SENT.map(|line| line.replace("520 5", "520 1"))[..sent], "{ended:#?}");
        }
    }
    // Among the replies, as FastAGI reports it.
    let ended = in_shell(
        "agi-rhai canned.rhai < all",
        SCRIPT,
        OTHER_SWITCH,
        "200 result=0\nHANGUP\n511 Command Not Permitted\n",
    );
    ended.code(0).says("gone, 4").says("status=HANGUP");
    assert_eq!(ended.lines[..2], SENT[..2]);
    // The last line has no line end. A reply without one is reported.
    check_all("agi-rhai canned.rhai < all", OTHER_SWITCH, REPLIES.trim_end());
    let ended = in_shell("agi-rhai canned.rhai < all", SCRIPT, OTHER_SWITCH, "200 result=0\n200 result=1 (x");
    ended.code(3).says("the line ends in the middle of a reply");
}

#[test]
fn more_canned_replies_than_a_pipe_holds_are_read() {
    let script = "let n = 0; while n < 5000 { if get_variable(\"N\") != `${n}` { throw n; } n += 1; } exit();";
    let replies: String = (0..5000).map(|n| format!("200 result=1 ({n})\n")).collect();
    for line in ["cat all | agi-rhai canned.rhai", "agi-rhai canned.rhai < all"] {
        let ended = in_shell(line, script, ENVIRONMENT, &replies);
        ended.code(0).says("status=SUCCESS");
        assert_eq!(ended.lines.iter().filter(|line| **line == "GET VARIABLE \"N\"").count(), 5000);
    }
}

/// Returns how long the first command takes with this environment on pipes that stay open; the best of some tries.
fn first_command(environment: &str) -> Duration {
    let folder = Folder::new();
    let path = folder.file("canned.rhai", "noop();");
    let tries = (0..4).map(|_| {
        let mut process = Process::start(&mut agi_rhai([&path]));
        process.send(environment);
        assert_eq!(process.line().as_deref(), Some("NOOP"));
        let took = process.took();
        process.send("200 result=0\n");
        process.end().code(0).says("status=SUCCESS");
        took
    });
    tries.min().unwrap()
}

#[test]
fn only_an_environment_without_a_thread_delays_the_first_command() {
    for environment in [ENVIRONMENT, "agi_request: x\n\n", "\n", "\r\n", "agi_request: x\r\n\r\n"] {
        let took = first_command(environment);
        assert!(took < Duration::from_millis(150), "{took:?} for {environment:?}");
    }
    for environment in [OTHER_SWITCH.to_owned(), OTHER_SWITCH.replace('\n', "\r\n")] {
        let took = first_command(&environment);
        assert!(
            (Duration::from_millis(200)..Duration::from_millis(600)).contains(&took),
            "{took:?} for {environment:?}"
        );
    }
}

#[test]
fn replies_before_their_commands_are_dropped_on_an_open_connection() {
    let folder = Folder::new();
    let path = folder.file("canned.rhai", "verbose(get_variable(\"X\"));");
    for environment in [ENVIRONMENT, OTHER_SWITCH] {
        let mut process = Process::start(&mut agi_rhai([&path]));
        process.send(format!("{environment}200 result=1 (forged)\n200 result=1 (too)\n"));
        process.answer("GET VARIABLE \"X\"", "200 result=1 (true)");
        process.end().code(0).sent("VERBOSE \"true\" 1").says("skipped a reply that came before its command");
    }
    // Nor does a value that contains replies become several.
    let path = folder.file("canned.rhai", "verbose(get_variable(\"X\").len());");
    let mut process = Process::call(&mut agi_rhai([&path]));
    process.answer("GET VARIABLE \"X\"", "200 result=1 (a)\n200 result=1 (b)");
    process.end().code(0).sent("VERBOSE \"18\" 1");
}

/// A writer that keeps what is written.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn play(input: impl Read + Send + 'static) -> (Status, Vec<String>) {
    let (host, kept) = (Host::new(), Captured::default());
    let script = host.compile("canned.rhai", SCRIPT).unwrap();
    let session = Session::begin(Box::new(Stream::new(input, kept.clone()))).unwrap();
    let outcome = host.run(session, &script, vec![]);
    let said = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    (outcome.status, said.lines().map(str::to_owned).collect())
}

#[test]
fn a_reader_that_holds_all_replies_works() {
    for environment in [OTHER_SWITCH, ENVIRONMENT, "agi_request: x\r\n\r\n"] {
        let all: &'static str = format!("{environment}{REPLIES}").leak();
        for (status, said) in [play(all.as_bytes()), play(Cursor::new(all))] {
            assert_eq!((status, &said[..6]), (Status::Success, &SENT.map(str::to_owned)[..]), "{said:#?}");
        }
        let (status, said) = play(environment.as_bytes());
        assert_eq!((status, &said[..]), (Status::Hangup, &[SENT[0].to_owned()][..]));
    }
}

/// A connection on which Asterisk sends this. Reading more would block forever, and fails.
struct OpenConnection(Vec<&'static str>);

impl Read for OpenConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.0.is_empty(), "this would block forever");
        self.0.remove(0).as_bytes().read(buffer)
    }
}

#[test]
fn a_forged_end_of_the_environment_delays_nothing() {
    let forged = ENVIRONMENT.replace("agi_callerid: 201\n", "agi_callerid: 2\nagi_threadid: 1\n\n200 result=1 (x)\n");
    let (start, rest) = forged.split_at(forged.find("agi_calleridname").unwrap());
    let (status, said) = play(OpenConnection(vec![start.to_owned().leak(), rest.to_owned().leak()]));
    assert_eq!((status, said.len()), (Status::Lost, 0));
}

#[test]
fn a_server_accepts_environments_of_other_switches() {
    let folder = Folder::new();
    folder.file("scripts/a.rhai", "verbose(1);");
    let server = Server::start(&folder, &[]);
    let usual = environment("a");
    let other: String = usual.split_inclusive('\n').filter(|line| !line.starts_with("agi_threadid")).collect();
    for (environment, waits) in [(usual.clone(), false), (other.clone(), true), (other.replace('\n', "\r\n"), true)] {
        let began = Instant::now();
        let mut peer = server.connect();
        peer.send(&environment);
        assert_eq!(peer.play().status(), "SUCCESS", "{environment:?}");
        let took = began.elapsed();
        assert!(if waits { took >= Duration::from_millis(200) } else { took < Duration::from_millis(200) }, "{took:?}");
    }
}
