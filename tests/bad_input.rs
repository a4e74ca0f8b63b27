//! Bad input of every kind: from Asterisk, from the dialplan, from scripts. Each call ends in order.

use crate::support::process::{ENVIRONMENT, Ended, Folder, Process, agi_rhai};
use agi_rhai::transport::Stream;
use agi_rhai::{Host, Outcome, Session, Status};
use rhai::{Dynamic, FuncRegistration, Module};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// An Asterisk in memory: for each line it gets, it sends its next piece. The connection ends after the last piece.
#[derive(Clone, Default)]
struct Asterisk(Arc<Mutex<Dialogue>>);

#[derive(Default)]
struct Dialogue {
    ready: VecDeque<u8>,
    pieces: VecDeque<Vec<u8>>,
    heard: Vec<u8>,
    /// Replies sent after the last piece.
    otherwise: Option<&'static str>,
    /// Sending stops after this many bytes.
    left: usize,
    /// The number of bytes read at once.
    gulp: usize,
}

impl Asterisk {
    fn new(environment: &[u8], replies: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Dialogue {
            ready: environment.iter().copied().collect(),
            pieces: replies.into_iter().collect(),
            left: usize::MAX,
            gulp: usize::MAX,
            ..Dialogue::default()
        })))
    }

    fn said(&self) -> MutexGuard<'_, Dialogue> {
        self.0.lock().unwrap()
    }
}

impl Read for Asterisk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut said = self.said();
        let length = buffer.len().min(said.ready.len()).min(said.left).min(said.gulp);
        said.left -= length;
        for (to, from) in buffer.iter_mut().zip(said.ready.drain(..length)) {
            *to = from;
        }
        Ok(length)
    }
}

impl Write for Asterisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut said = self.said();
        assert_eq!(bytes.iter().position(|b| *b == b'\n'), Some(bytes.len() - 1), "one whole line in one write");
        said.heard.extend_from_slice(bytes);
        match (said.pieces.pop_front(), said.otherwise) {
            (Some(piece), _) => said.ready.extend(piece),
            (None, Some(reply)) => said.ready.extend(reply.bytes()),
            (None, None) => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The outcome of a call in memory.
#[derive(Debug)]
struct Played {
    /// The values the script noted by `note`.
    noted: Vec<String>,
    /// The lines it sent, without the host's last commands.
    sent: Vec<String>,
    /// How it ended, or why it never began.
    outcome: Result<Outcome, String>,
}

fn play(script: &str, asterisk: &Asterisk) -> Played {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&noted);
    let mut module = Module::new();
    FuncRegistration::new("note")
        .in_global_namespace()
        .set_into_module(&mut module, move |value: Dynamic| book.lock().unwrap().push(format!("{value:?}")));
    let mut host = Host::new();
    host.language_mut().add(module);
    let script = host.compile("bad.rhai", script).unwrap();
    let outcome = match Session::begin(Box::new(Stream::new(asterisk.clone(), asterisk.clone()))) {
        Ok(session) => Ok(host.run(session, &script, vec![])),
        Err(error) => Err(format!("{error:#}")),
    };
    let heard = String::from_utf8_lossy(&asterisk.said().heard).into_owned();
    let end = heard.find("SET VARIABLE \"AGI_RHAI_").unwrap_or(heard.len());
    let sent = heard[..end].lines().map(str::to_owned).collect();
    Played { noted: noted.lock().unwrap().clone(), sent, outcome }
}

/// The script of the recorded dialogue.
const SCRIPT: &str = r#"
answer();
note(get_variable("NAME"));
note(stream_file("hello", "12"));
note(get_data("ask", 5000, 3));
try { set_priority("nowhere") } catch (e) { note(e.kind) }
note(get_full_variable("${TEXT}"));
note(wait_for_digit(100));
fn on_hangup(last) {
    note("on_hangup");
    database_put("test", "last", last.command);
}
"#;

/// Asterisk's replies to its lines.
const REPLIES: [&str; 8] = [
    "200 result=0\n",
    "200 result=1 (Anna (5))\n",
    "200 result=50 endpos=8000\n",
    "200 result=012 (timeout)\n",
    "520-Invalid command syntax.  Proper usage follows:\n Usage: SET PRIORITY <priority>\n\n520 End of proper usage.\n",
    "200 result=1 (first\nHANGUP is a word\nlast)\n",
    "HANGUP\n200 result=-1\n",
    "200 result=1\n",
];

fn recorded_replies() -> Vec<Vec<u8>> {
    REPLIES.iter().map(|reply| reply.as_bytes().to_vec()).collect()
}

#[test]
fn the_recorded_dialogue_runs_to_its_end() {
    for gulp in [1, 7, usize::MAX] {
        let asterisk = Asterisk::new(ENVIRONMENT.as_bytes(), recorded_replies());
        asterisk.said().otherwise = Some("200 result=1\n");
        asterisk.said().gulp = gulp;
        let played = play(SCRIPT, &asterisk);
        let noted = [
            r#""Anna (5)""#,
            r#""2""#,
            r#""012""#,
            r#""refused""#,
            r#""first\nHANGUP is a word\nlast""#,
            r#""on_hangup""#,
        ];
        assert_eq!(played.noted, noted);
        assert_eq!(played.sent.last().unwrap(), r#"DATABASE PUT "test" "last" "wait_for_digit""#);
        assert_eq!(played.outcome.unwrap().status, Status::Hangup);
    }
}

/// The lengths after which no line is incomplete.
fn complete_lengths() -> Vec<usize> {
    let mut at = ENVIRONMENT.len();
    let mut whole = vec![at];
    for reply in REPLIES {
        at += reply.len();
        whole.push(at);
    }
    whole
}

#[test]
fn a_connection_cut_after_any_byte_ends_the_call_in_order() {
    let whole = complete_lengths();
    let hangup = whole[6] + "HANGUP\n".len();
    for left in 0..=*whole.last().unwrap() {
        let asterisk = Asterisk::new(ENVIRONMENT.as_bytes(), recorded_replies());
        asterisk.said().left = left;
        let played = play(SCRIPT, &asterisk);
        if left < ENVIRONMENT.len() {
            let problem = played.outcome.expect_err("this environment is incomplete");
            assert!(problem.contains("environment"), "{left}: {problem}");
            continue;
        }
        let outcome = played.outcome.unwrap();
        // Between lines, or after the notice, it is a hangup; otherwise the connection broke.
        let expected = if whole.contains(&left) || left >= hangup { Status::Hangup } else { Status::Lost };
        assert_eq!(outcome.status, expected, "after {left} bytes");
        let ran = played.noted.iter().filter(|note| note.contains("on_hangup")).count();
        assert_eq!(ran, usize::from(expected == Status::Hangup), "after {left} bytes");
        assert!(outcome.fault.is_none(), "after {left} bytes: {:?}", outcome.fault);
    }
}

#[test]
fn garbage_before_any_line_ends_the_call_in_order() {
    let long = [vec![b'x'; 2 * 1024 * 1024], b"\n".to_vec()].concat();
    let garbage: [&[u8]; 14] = [
        b"\x8f\xfe\x00\xa7 200 result=1\n",
        b"999 what\n",
        b"200\n",
        b"200-result=1\n",
        b"-1\n",
        &long,
        b"\0",
        b"HANGUP\n",
        b"520 End of proper usage.\n",
        b"\n",
        b"200 result=\n",
        b"200 result=1 (\n",
        b"100 result=0 Trying...\n",
        b"\r\n",
    ];
    let all: Vec<Vec<u8>> = std::iter::once(ENVIRONMENT.as_bytes().to_vec()).chain(recorded_replies()).collect();
    for (number, piece) in all.iter().enumerate() {
        let starts = piece.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        for at in std::iter::once(0).chain(starts.filter(|at| *at < piece.len())) {
            for what in garbage {
                // Cases that take this long are tried only once.
                if what.len() > 1000 && at > 0 {
                    continue;
                }
                let mut all = all.clone();
                all[number].splice(at..at, what.iter().copied());
                let environment = all.remove(0);
                let asterisk = Asterisk::new(&environment, all);
                asterisk.said().otherwise = Some("200 result=1\n");
                let place =
                    || format!("{:?} in piece {number} at {at}", String::from_utf8_lossy(&what[..what.len().min(40)]));
                let Played { noted, outcome, .. } = play(SCRIPT, &asterisk);
                match outcome {
                    Ok(Outcome { status, fault, .. }) => {
                        let ran = noted.iter().filter(|note| note.contains("on_hangup")).count();
                        assert_eq!(ran, usize::from(status == Status::Hangup), "{}", place());
                        let panicked = fault.as_ref().is_some_and(|fault| fault.message.contains("panicked"));
                        assert!(!panicked, "{}: {fault:?}", place());
                        let consistent = if status == Status::Failure { fault.is_some() } else { fault.is_none() };
                        assert!(consistent || status == Status::Hangup, "{}: {fault:?}", place());
                    }
                    Err(problem) => {
                        assert_eq!(number, 0, "{}: {problem}", place());
                        assert!(problem.contains("environment"), "{}: {problem}", place());
                    }
                }
            }
        }
    }
}

/// Plays a call with this environment. Compares the values the script sees, or the reason why there is no call.
#[track_caller]
fn check_environment(environment: &[u8], script: &str, expected: &str) {
    let asterisk = Asterisk::new(environment, []);
    asterisk.said().otherwise = Some("200 result=1\n");
    let played = play(script, &asterisk);
    let got = match played.outcome {
        Ok(outcome) if outcome.status == Status::Success => played.noted.join(" "),
        Ok(outcome) => {
            format!("{}: {}", outcome.status, outcome.fault.map_or(String::new(), |fault| fault.to_string()))
        }
        Err(problem) => problem,
    };
    assert!(got.contains(expected), "{got}");
    assert!(!expected.is_empty() || got.is_empty(), "{got}");
}

#[test]
fn malformed_environments_are_refused_with_the_reason() {
    check_environment(b"", "", "no environment came: is this started by Asterisk's AGI()?");
    check_environment(b"agi_request: x\n", "", "ends in the middle");
    check_environment(b"agi_request: x", "", "ends in the middle");
    check_environment(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\n", "", "not AGI: got \"GET / HTTP/1.1");
    check_environment(b"request: x\nchannel: y\n\n", "", "not AGI: got \"request: x\"");
    check_environment(&vec![b'a'; 300 * 1024], "", "no end within 262144 bytes");
    let many = "agi_request: x\n".repeat(20 * 1024);
    check_environment(many.as_bytes(), "", "no end within 262144 bytes");
}

#[test]
fn environments_keep_every_value_as_sent() {
    let with = |line: &[u8]| {
        let at = ENVIRONMENT.find("agi_callerid:").unwrap();
        [&ENVIRONMENT.as_bytes()[..at], line, &ENVIRONMENT.as_bytes()[at..]].concat()
    };
    let script = r#"note(env.agi_callerid); note(env.agi_threadid); set_variable("X", 1);"#;
    let thread = r#""140211""#;
    for (line, seen) in [
        (&b"agi_callerid: 1:2: 3\n"[..], r#""1:2: 3""#),
        (b"agi_callerid: \n", r#""""#),
        (b"agi_callerid:\n", r#""""#),
        (b"agi_callerid:  a \n", r#"" a ""#),
        (b"agi_callerid: caf\xc3\n", "\"caf\u{fffd}\""),
        (b"agi_callerid: a\nHANGUP\n", r#""a\nHANGUP""#),
        (b"agi_callerid: a\n\n200 result=1 (x)\n", r#""a\n\n200 result=1 (x)""#),
        (b"agi_callerid: first\nagi_callerid: second\n", r#""first""#),
        (b"agi_callerid: a\nagi_threadid: 6\n", r#""a""#),
    ] {
        let expected = if line.ends_with(b": 6\n") { format!("{seen} \"6\"") } else { format!("{seen} {thread}") };
        check_environment(&with(line), script, &expected);
    }
    check_environment(b"agi_request: x\n\n", "note(env.agi_callerid)", "()");
    check_environment(b"\n", "note(env.len())", "0");
}

#[test]
fn a_forged_end_of_the_environment_is_reported() {
    let forged = ENVIRONMENT.replace("agi_threadid: 140211\n", "agi_threadid: 1\n\n200 result=1 (x)\n");
    check_environment(forged.as_bytes(), r#"note(get_variable("X"))"#, "LOST");
}

/// Plays a script against these replies. Compares the values it notes, or how it ends.
#[track_caller]
fn check(script: &str, replies: &[&str], expected: &str) {
    let pieces = replies.iter().map(|reply| format!("{reply}\n").into_bytes());
    let asterisk = Asterisk::new(ENVIRONMENT.as_bytes(), pieces);
    asterisk.said().otherwise = Some("200 result=1\n");
    let Played { noted, sent, outcome } = play(script, &asterisk);
    let outcome = outcome.unwrap();
    let mut got = noted.join(" ");
    if outcome.status != Status::Success {
        let _ = write!(got, " {}", outcome.status);
    }
    if let Some(fault) = &outcome.fault {
        let _ = write!(got, ": {fault}");
    }
    assert_eq!(got.trim_start(), expected, "sent: {sent:#?}");
    assert!(sent.len() >= replies.len() || outcome.status != Status::Success, "unused replies; sent: {sent:#?}");
}

#[test]
fn results_are_passed_on_as_text() {
    let data = r#"note(get_data("x", 5000, 20))"#;
    check(data, &["200 result=0412"], r#""0412""#);
    check(data, &["200 result=00"], r#""00""#);
    check(data, &["200 result=12*"], r#""12*""#);
    check(data, &["200 result=*"], r#""*""#);
    check(data, &["200 result=5551234567"], r#""5551234567""#);
    check(data, &["200 result="], r#""""#);
    check(data, &["200 result= (timeout)"], r#""""#);
    check(data, &["200 result=41 (timeout)"], r#""41""#);
    check("note(wait_for_digit(9))", &["200 result=42"], r#""*""#);
    check("note(wait_for_digit(9))", &["200 result=0"], r#""""#);
    check("note(wait_for_digit(9))", &["200 result=1"], r#""""#);
}

#[test]
fn values_in_replies_are_kept_whole() {
    let variable = r#"note(get_variable("X"))"#;
    check(variable, &["200 result=1 ()"], r#""""#);
    check(variable, &["200 result=0"], "()");
    check(variable, &["200 result=1 (a)b(c)"], r#""a)b(c""#);
    check(variable, &["200 result=1 ())"], r#"")""#);
    check(variable, &["200 result=1 (()"], r#""(""#);
    check(variable, &["200 result=1 (hangup)"], r#""hangup""#);
    check(variable, &["200 result=1 (a\nHANGUP\nb)"], r#""a\nHANGUP\nb""#);
    check(variable, &["200 result=1 (a\n200 result=0\n)"], r#""a\n200 result=0\n""#);
    check(variable, &["200 result=1 (a\n\n)"], r#""a\n\n""#);
    check(variable, &["200 result=1 (say \"x\")"], r#""say \"x\"""#);
    let big = "x".repeat(300_000);
    check(r#"note(get_full_variable("${X}").len())"#, &[&format!("200 result=1 ({big})")], "300000");
}

#[test]
fn refused_commands_can_be_caught_and_the_call_goes_on() {
    let script = r#"try { set_priority("x") } catch (e) { note(`${e.kind} ${e.code}`) } note(get_variable("X"))"#;
    let after = "200 result=1 (on)";
    check(script, &["520 Invalid command syntax.  Proper usage not available.", after], r#""refused 520" "on""#);
    check(
        script,
        &["520-Invalid command syntax.  Proper usage follows:\nUsage (x)\n511 y\n520 End of proper usage.", after],
        r#""refused 520" "on""#,
    );
    check(
        script,
        &["520-Invalid command syntax.  Proper usage follows:\nUsage520 End of proper usage.", after],
        r#""refused 520" "on""#,
    );
    check(script, &["510 Invalid or unknown command", after], r#""refused 510" "on""#);
    check(script, &["503 result=-2 Memory allocation failure", after], r#""refused 503" "on""#);
}

#[test]
fn interim_replies_are_skipped() {
    check(
        r#"gosub("c", "s", 1); note(get_variable("X"))"#,
        &["100 result=0 Trying...\n200 result=0 Gosub complete", "200 result=1 (v)"],
        r#""v""#,
    );
}

#[test]
fn a_hangup_ends_the_script_at_any_line() {
    let script = r#"note(1); let x = get_variable("X"); note(x); fn on_hangup(last) { note(last.command) }"#;
    for reply in [
        "HANGUP\n200 result=1 (v)",
        "511 Command Not Permitted on a dead channel or intercept routine",
        "511 Command Not Permitted on a dead channel",
        "HANGUP\n511 Command Not Permitted on a dead channel",
        "HANGUP\nHANGUP\n200 result=0",
        "100 Trying\nHANGUP\n200 result=0",
    ] {
        check(script, &[reply], r#"1 "get_variable" HANGUP"#);
    }
    // A notice after the reply is noticed with the next command.
    check(
        r#"note(get_variable("X")); get_variable("Y"); note("no"); fn on_hangup() { note("gone") }"#,
        &["200 result=1 (v)\nHANGUP", "200 result=1 (w)"],
        r#""v" "gone" HANGUP"#,
    );
}

#[test]
fn the_causes_of_minus_one_are_distinguished() {
    let alive = "200 result=6";
    let dead = "511 Command Not Permitted on a dead channel or intercept routine";
    // A missing file: the call goes on; a question is asked without it.
    check(r#"note(stream_file("x"))"#, &["200 result=-1 endpos=0", alive], r#""""#);
    check(r#"note(get_data("x", 100, 2))"#, &["200 result=-1", alive, "200 result=12"], r#""12""#);
    // A hangup whose notice is still to come.
    check(r#"stream_file("x"); note("no")"#, &["200 result=-1 endpos=4160", dead], "HANGUP");
    check(r#"stream_file("x"); note("no")"#, &["200 result=-1 endpos=4160\nHANGUP", dead], "HANGUP");
    check(r#"get_data("x"); note("no")"#, &["200 result=-1", dead], "HANGUP");
    check(r#"exec("Dial", "x"); note("no")"#, &["200 result=-1", dead], "HANGUP");
    // The value of an application.
    check(r#"note(exec("Dial", "x"))"#, &["200 result=-1", alive], "-1");
    check(r#"note(channel_status("x"))"#, &["200 result=-1", alive], "()");
    // A failure.
    check(r"try { answer() } catch (e) { note(`${e.kind} ${e.result}`) }", &["200 result=-1", alive], r#""failed -1""#);
    check(r#"try { exec("Zapateller") } catch (e) { note(e.kind) }"#, &["200 result=-2"], r#""refused""#);
}

#[test]
fn a_stray_520_after_exec_is_skipped() {
    check(
        r#"note(exec("Return", "x")); note(get_variable("X"))"#,
        &[
            "200 result=1\n520-Invalid command syntax.  Proper usage follows:\nUsage\n520 End of proper usage.",
            "200 result=0",
            "200 result=1 (v)",
        ],
        r#"1 "v""#,
    );
    // An application that returns 1 without a stray reply.
    check(
        r#"note(exec("Flash")); note(get_variable("X"))"#,
        &["200 result=1", "200 result=0", "200 result=1 (v)"],
        r#"1 "v""#,
    );
}

#[test]
fn nonsensical_replies_are_errors() {
    let caught = r#"try { wait_for_digit(9); note("no") } catch (e) { note(e.kind) }"#;
    for reply in ["200 result=abc", "200 result=-7", "200", "200 nonsense", "200 result=99999999999999999999"] {
        check(caught, &[reply], r#""failed""#);
    }
    check(caught, &["999 what"], r#""refused""#);
}

/// Compares the error of a command that cannot be sent, and checks that nothing is sent.
#[track_caller]
fn check_refused_before_sending(version: &str, call: &str, expected: &str) {
    let environment = ENVIRONMENT.replace("22.10.1", version);
    let asterisk = Asterisk::new(environment.as_bytes(), []);
    asterisk.said().otherwise = Some("200 result=1\n");
    let script = format!(
        "fn many(n) {{ let s = \"\"; for i in 0..n {{ s += \"x\" }} s }} \
                          try {{ {call}; note(\"sent\") }} catch (e) {{ note(`${{e.kind}} ${{e.parameter}}: ${{e.message}}`) }}"
    );
    let played = play(&script, &asterisk);
    assert_eq!(played.outcome.unwrap().status, Status::Success);
    let got = played.noted.join(" ");
    assert!(got.contains(expected), "{got}");
    assert_eq!(played.sent.is_empty(), expected != "sent", "{:?}", played.sent);
}

#[test]
fn commands_that_asterisk_cannot_read_are_not_sent() {
    let new = "22.10.1";
    check_refused_before_sending(
        new,
        r#"set_variable("X", "a\nHANGUP")"#,
        "argument value: set_variable: `value` holds a line break",
    );
    check_refused_before_sending(new, r#"set_variable("X\n", "a")"#, "argument name: ");
    check_refused_before_sending(new, r#"verbose("a\x00b")"#, "argument message: verbose: `message` holds a NUL");
    check_refused_before_sending(new, r#"exec("NoOp", "a", "b\nc")"#, "argument arguments: ");
    check_refused_before_sending(new, r#"set_variable("X", ())"#, "argument value: ");
    check_refused_before_sending(new, "database_deltree(\"\")", "argument family: ");
    // Its quotes and the verb count: SET VARIABLE "X" "..." has 19 bytes in addition to the value.
    check_refused_before_sending("18.9.0", r#"set_variable("X", many(2027))"#, "sent");
    check_refused_before_sending(
        "18.9.0",
        r#"set_variable("X", many(2028))"#,
        "argument value: set_variable: `value` makes",
    );
    check_refused_before_sending("certified/20.7-cert5", r#"set_variable("X", many(2028))"#, "the 2046 bytes");
    check_refused_before_sending(new, r#"set_variable("X", many(2028))"#, "sent");
    check_refused_before_sending(new, r#"set_variable("X", many(8171))"#, "sent");
    check_refused_before_sending(new, r#"set_variable("X", many(8172))"#, "the 8190 bytes");
}

#[test]
fn an_overlong_reply_breaks_the_connection() {
    let big = format!("200 result=1 ({}", "x\n".repeat(700_000));
    check(r#"get_variable("X")"#, &[&big], "LOST");
}

/// Runs a script with the real program. The peer answers everything.
fn run(options: &[&str], script: &str) -> Ended {
    let folder = Folder::new();
    let path = folder.file("bad.rhai", script);
    Process::call(&mut agi_rhai(options.iter().copied().chain([path.as_str()]))).end()
}

/// Checks that a script is stopped at this line, with this message.
#[track_caller]
fn check_stopped(script: &str, line: usize, message: &str) {
    check_stopped_with(&[], script, line, message);
}

#[track_caller]
fn check_stopped_with(options: &[&str], script: &str, line: usize, message: &str) {
    let ended = run(options, script);
    ended.code(1).says(message).sent(r#"SET VARIABLE "AGI_RHAI_STATUS" "FAILURE""#);
    let place = format!("bad.rhai:{line}:");
    ended.says(&place);
    let reported = ended
        .lines
        .iter()
        .any(|l| l.starts_with("SET VARIABLE \"AGI_RHAI_ERROR\"") && l.contains(&place) && l.contains(message));
    assert!(reported, "{ended:#?}");
    assert!(ended.lines.last().unwrap().starts_with("VERBOSE \"agi-rhai: "), "{ended:#?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
}

const COMPUTES: &str = "computes for more than 1 s without a command: an endless loop?";
const MEMORY: &str = "uses more than 16 MiB of memory";

#[test]
fn an_endless_loop_is_stopped() {
    check_stopped("let x = 1;\nloop {\nx += 1; }", 3, COMPUTES);
    check_stopped("verbose(1);\nloop { let x = 1; }", 2, COMPUTES);
    // Swallowed by a `try`, which hides the line; the script ends all the same.
    let swallows = "fn f() {\n loop { let x = 1; }\n}\ntry {\n[1].map(|x| f());\n} catch { }\nverbose(2)";
    let ended = run(&[], swallows);
    ended.code(1).says(COMPUTES).says("bad.rhai");
    assert!(!ended.lines.iter().any(|line| line.starts_with("VERBOSE \"2\"")), "{ended:#?}");
    check_stopped("loop {\ntry { loop { let x = 1; } } catch { } }", 2, COMPUTES);
    // Rhai reports no position in an empty loop.
    run(&[], "verbose(1);\nloop { }")
        .code(1)
        .says(COMPUTES)
        .says("the last command was `verbose` at")
        .says("bad.rhai:1");
}

#[test]
fn an_endless_recursion_is_stopped() {
    // Rhai names the outermost call.
    check_stopped("fn f(x) {\nf(x + 1)\n}\nf(1);", 4, "functions call each other too deeply");
    check_stopped("fn f(x) {\ng(x)\n}\nfn g(x) {\nf(x)\n}\nf(1);", 7, "functions call each other too deeply");
}

#[test]
fn a_script_that_uses_too_much_memory_is_stopped() {
    // However slow this build and this machine are, memory runs out first.
    let check = |script, line, message| check_stopped_with(&["--max-computing", "60"], script, line, message);
    check("let a = [];\nloop {\na.push(1); }", 3, "too large");
    check("let m = #{};\nlet k = 0;\nloop {\nm[`${k}`] = k; k += 1; }", 4, "too large");
    let more = "fn more() {\nlet t = \"x\"; while t.len() < 500000 { t += t; } more(); }\nmore();";
    check(more, 2, MEMORY);
    check("let s = \"x\";\nloop {\ns += s; }", 3, "too large");
    check(
        "let t = \"x\"; while t.len() < 500000 { t += t; }\nlet a = [];\nloop {\na.push(t + a.len()); }",
        4,
        "too large",
    );
    check("loop { state[`${state.len()}`] = 1; }", 1, "too large");
    check("let a = [0];\nloop {\na = [a, a]; }", 3, "too large");
}

#[test]
fn endless_printing_is_stopped() {
    check_stopped(
        "let s = \"x\"; while s.len() < 1000 { s += s; }\nloop {\nprint(s); }",
        3,
        "prints more than 1024 KiB",
    );
    // However it is written, whatever it prints, and although errors are caught.
    for print in
        ["print()", "print(\"\")", "print(0..5)", "print(0..=5)", "print(|| 1)", "debug()", "debug(0..5)", "debug(7)"]
    {
        let script = format!("let n = 0;\nloop {{ try {{\n{print}; }} catch {{ }} }}");
        let options = ["--unchecked", "--max-computing", "60"];
        check_stopped_with(&options, &script, 3, "prints more than 1024 KiB");
    }
}

#[test]
fn deeply_nested_arrays_can_be_dropped_and_printed() {
    let deep = "let a = [];\nfor i in 0..1000000 {\na = [a];\n}\n";
    let ended = run(&[], deep);
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:#?}");
    let ended = run(&[], &format!("{deep}print(a);"));
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:#?}");
    let ended = run(&[], &format!("{deep}set_variable(\"X\", a);"));
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:#?}");
    let nested = format!("let a = {}{};\nprint(a);", "[".repeat(5000), "]".repeat(5000));
    run(&[], &nested).code(1).says("bad.rhai:1:");
}

#[test]
fn a_script_that_catches_every_error_still_ends_after_the_hangup() {
    let folder = Folder::new();
    let script = "let n = 0;\nloop {\ntry { [1].map(|x| stream_file(\"x\")); } catch { }\n}\nfn on_hangup() { verbose(\"gone\") }";
    let path = folder.file("bad.rhai", script);
    let mut process = Process::call(&mut agi_rhai([&path]));
    process.answer(r#"STREAM FILE "x" """#, "200 result=0 endpos=1");
    assert_eq!(process.line().as_deref(), Some(r#"STREAM FILE "x" """#));
    process.hang_up();
    process.send("200 result=-1 endpos=1\n");
    let ended = process.end_with(|line| {
        Some(if line.starts_with("CHANNEL") { "511 Command Not Permitted" } else { "200 result=1" }.to_owned())
    });
    ended.code(0).sent(r#"VERBOSE "gone" 1"#).sent(r#"SET VARIABLE "AGI_RHAI_STATUS" "HANGUP""#);
}

/// Sends a hangup while the script does this: it ends at once, and `on_hangup` runs.
#[track_caller]
fn check_hangup_during(doing: &str) {
    let folder = Folder::new();
    let script = format!("verbose(\"on\");\n{doing}\nverbose(\"no\");\nfn on_hangup() {{ verbose(\"gone\") }}");
    let path = folder.file("bad.rhai", &script);
    let mut process = Process::call(&mut agi_rhai(["--max-computing", "60", &path]));
    process.answer(r#"VERBOSE "on" 1"#, "200 result=1");
    // No need to wait: it doesn't matter whether it sleeps already.
    process.hang_up();
    let before = process.took();
    assert_eq!(process.line().as_deref(), Some(r#"VERBOSE "gone" 1"#));
    let took = process.took().saturating_sub(before);
    process.send("200 result=1\n");
    process.end().code(0).sent(r#"SET VARIABLE "AGI_RHAI_STATUS" "HANGUP""#);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_hangup_interrupts_sleeping_and_computing() {
    check_hangup_during("sleep(50);");
    check_hangup_during("for i in 0..1000000000 { }");
    check_hangup_during("loop { try { [1].map(|x| { sleep(50) }) } catch { } }");
}

#[test]
fn an_endless_on_hangup_is_stopped() {
    for doing in ["loop { }", "loop { sleep(0.01) }", "sleep(60); loop { let x = 1; }", "loop { verbose(1) }"] {
        let folder = Folder::new();
        let path = folder.file("bad.rhai", format!("fn on_hangup() {{\n{doing}\n}}\nnoop(); sleep(60);"));
        let mut process = Process::call(&mut agi_rhai(["--max-on-hangup", "0.3", &path]));
        process.answer("NOOP", "200 result=0");
        process.hang_up();
        let ended = process.end();
        ended.code(0).says("on_hangup takes more than 0.3 s").says("bad.rhai");
        ended.sent(r#"SET VARIABLE "AGI_RHAI_STATUS" "HANGUP""#);
        assert!(ended.took < Duration::from_secs(3), "{doing}: {ended:#?}");
    }
}

#[test]
fn a_fault_in_on_hangup_is_reported() {
    let folder = Folder::new();
    let path = folder.file("bad.rhai", "noop(); sleep(60);\nfn on_hangup() {\n1 + no_such();\n}");
    let mut process = Process::call(&mut agi_rhai(["--unchecked", &path]));
    process.answer("NOOP", "200 result=0");
    process.hang_up();
    process.end().code(0).says("bad.rhai:3:").says("no function `no_such`");
}

#[test]
fn the_real_program_ends_in_order_on_bad_input() {
    let folder = Folder::new();
    let path = folder.file("bad.rhai", SCRIPT.replace("note(", "debug("));
    let whole = complete_lengths();
    for left in
        [0, 1, 100, ENVIRONMENT.len() - 1, whole[0], whole[0] + 4, whole[2], whole[4] + 60, whole[5] + 30, whole[6] + 9]
    {
        let mut process = Process::start(&mut agi_rhai([&path]));
        let environment = left.min(ENVIRONMENT.len());
        process.send(&ENVIRONMENT[..environment]);
        let (whole, mut left) = (whole.contains(&left) || left > whole[6] + 6, left - environment);
        for reply in REPLIES {
            if left == 0 || process.line().is_none() {
                break;
            }
            let said = left.min(reply.len());
            process.send(&reply[..said]);
            left -= said;
        }
        process.close();
        let ended = process.end();
        ended.code(if whole { 0 } else { 3 });
        assert_eq!(ended.stderr.contains("on_hangup"), whole, "{ended:#?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    }
}

#[test]
fn a_connection_lost_within_a_reply_exits_with_3() {
    let folder = Folder::new();
    let path = folder.file("bad.rhai", "answer();");
    let mut process = Process::call(&mut agi_rhai([&path]));
    assert_eq!(process.line().as_deref(), Some("ANSWER"));
    process.send("200 res");
    process.close();
    process.end().code(3).says("the line ends in the middle of a reply");
}

#[test]
fn errors_quote_only_part_of_a_large_value() {
    let text = "let t = \"x\"; while t.len() < 500000 { t += t; }\n";
    let list = "let a = []; for i in 0..2000 { a.push(t); }\n";
    // Each contains the one before twice.
    let nested = "let a = t; for i in 0..10 { a = [a, a]; }\n";
    for (before, then) in [
        (list, "throw a;"),
        (nested, "throw a;"),
        ("", "throw t;"),
        ("", "throw #{ message: t };"),
        (list, "let f = || a; throw [f, f];"),
        (list, "let m = #{}; m[t] = 1; say(m);"),
        (list, "sleep(t);"),
        (list, "say(#{ phrase: t });"),
        (list, "say(#{ phrase: a });"),
        ("", "say(#{ number: t });"),
        ("", "date(t);"),
        (list, "date(0, a);"),
        (list, "app_text(a);"),
        ("", "if t == 5 { }"),
        (list, "[1][a];"),
        ("", "let m = #{}; m[t] = 1; menu(\"x\", m);"),
        ("", "let m = #{}; m[t] = 1; ask(\"x\", m);"),
        ("", "ask(\"x\", #{ timeout: t });"),
        ("", "wait_for_digit(t);"),
        ("", "set_variable(t, 1);"),
        ("", "import t as x;"),
    ] {
        let folder = Folder::new();
        let path = folder.file("bad.rhai", format!("{text}{before}{then}"));
        // The values share their texts: a copy of each would be far more.
        let mut command = std::process::Command::new("sh");
        let line = format!("ulimit -v 524288; exec {} --max-memory 256 {path}", crate::support::process::program());
        crate::support::process::clear_environment(command.args(["-c", &line]));
        let ended = Process::call(&mut command).end();
        assert!(ended.code == Some(1) && !ended.stderr.contains("panicked"), "{then}: {:.2000}", ended.stderr);
        assert!(ended.stderr.len() < 10_000, "{then}: {} bytes, {:.2000}", ended.stderr.len(), ended.stderr);
        assert!(ended.took < Duration::from_secs(5), "{then}: {:?}", ended.took);
    }
}
