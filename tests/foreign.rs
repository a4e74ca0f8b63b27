//! Whatever callers, scripts and file names contain is shown as harmless text, on a terminal and in the log.

use crate::support::process::{ENVIRONMENT, Folder, Process, agi_rhai};
use crate::support::server::{Server, environment, reply, wait_until};
use agi_rhai::internals::is_hidden;
use std::io::{Read, Write};
use std::process::Stdio;

/// A terminal title, a C1 sequence, a delete and right-to-left text.
const HOSTILE: &str = "Eve\x1b]0;owned\x07\u{9b}31m\x7f\u{202e}\u{2028}";
/// A forged line of the log.
const FORGED: &str = "2030-01-01T00:00:00.000000Z ERROR forged";

/// The same as a script writes it.
const HOSTILE_IN_SCRIPT: &str =
    r"Eve\x1b]0;owned\x07\u009b31m\x7f\u202e\u2028\n2030-01-01T00:00:00.000000Z ERROR forged\r\n\n";

/// Returns everything a run prints, and checks that it is harmless text.
#[track_caller]
fn printed_by(args: &[&str], keys: &str) -> String {
    let mut command = agi_rhai(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(keys.as_bytes());
    let output = child.wait_with_output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    harmless(&format!("{args:?}"), &all)
}

#[track_caller]
fn harmless(who: &str, bytes: &[u8]) -> String {
    let text =
        String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| panic!("{who} says bytes: {}", bytes.escape_ascii()));
    for line in text.lines() {
        assert!(!line.contains(is_hidden), "{who} says {line:?} in\n{text}");
        assert!(!line.starts_with("2030"), "{who} allows a forged line:\n{text}");
    }
    text
}

#[test]
fn control_characters_are_escaped_wherever_they_are_shown() {
    let folder = Folder::new();
    let evil = format!("{HOSTILE}\n{FORGED}");
    let script = folder.file(
        &format!("scripts/{evil}.rhai"),
        format!(
            "answer();\nlet evil = \"{HOSTILE_IN_SCRIPT}\";\nprint(evil);\nprint(#{{ a: evil }});\n\
             stream_file(evil.sub_string(0, 20));\nset_variable(\"X{HOSTILE}\", evil.sub_string(0, 20));\n\
             get_data(\"beep\", 10, 1);\nthrow evil;\n"
        ),
    );
    let records = folder.path("records");
    let records = records.to_str().unwrap();

    // In the dialplan, with a log on stderr.
    for level in ["info", "trace"] {
        let mut process = Process::start(&mut agi_rhai(["--log-level", level, "--record", records, &script]));
        let channel = format!("agi_channel: {HOSTILE}");
        process.send(ENVIRONMENT.replace("agi_channel: Local/s@game-00000001;1", &channel).replace("unknown", HOSTILE));
        let ended = process.end_with(|line| {
            let evil = line.starts_with("STREAM FILE").then(|| format!("200 result=-1 ({HOSTILE})"));
            evil.or_else(|| Some(reply(line).to_owned()))
        });
        let log = harmless("the log", ended.stderr.as_bytes());
        assert!(log.contains(r"owned\u{7}\u{9b}31m") && log.contains("ERROR forged"), "{log}");
    }
    let absent = folder.path(&format!("{evil}-absent.rhai"));
    let ended = Process::call(&mut agi_rhai([absent.to_str().unwrap()])).end();
    harmless("no script", ended.stderr.as_bytes());

    // The log in a file.
    let log = folder.path("log");
    Process::call(&mut agi_rhai(["--log", log.to_str().unwrap(), &script])).end();
    harmless("the log in a file", &std::fs::read(&log).unwrap());

    // The phone in line mode.
    printed_by(&["phone", "--name", HOSTILE, &script], "");
    let phone = printed_by(&["phone", "--plain", "--fast", "--name", "Eve\u{202e}", &script], "1\n");
    assert!(phone.contains("XEve") && phone.contains("FAILURE"), "{phone}");

    // Calls replayed: with the same script, and with another.
    assert!(printed_by(&["replay", records], "").contains("2 the same"));
    let other = folder.file(&format!("other{evil}.rhai"), format!("answer();\nstream_file(\"{}\");\n", "x\u{202e}y"));
    let departs = printed_by(&["replay", "--script", &other, records], "");
    assert!(departs.contains("departs") && departs.contains("STREAM FILE"), "{departs}");
    let test = printed_by(&["replay", "--as-test", records], "");
    assert!(test.contains(r"\u009b31m"), "{test}");
    printed_by(&["replay", &folder.file(&format!("{evil}.jsonl"), format!("{{\"agi-rhai\":1,\"{HOSTILE}"))], "");

    // Tests that fail and tests that are listed; a storm.
    folder.file(
        &format!("scripts/{evil}.test.rhai"),
        format!(
            "fn test_it() {{ print(\"{HOSTILE_IN_SCRIPT}\"); place_call(`{evil}`, #{{ name: \"{HOSTILE_IN_SCRIPT}\" }}); \
             expect_prompt(\"no{HOSTILE}\"); }}\nfn test_more() {{ throw \"{HOSTILE_IN_SCRIPT}\"; }}\n"
        ),
    );
    let scripts = folder.path("scripts");
    let scripts = scripts.to_str().unwrap();
    let tests = printed_by(&["test", "--coverage", scripts], "");
    assert!(tests.contains("0 passed; 2 failed") && tests.contains("the test printed"), "{tests}");
    printed_by(&["test", "--list", scripts], "");
    printed_by(&["test", "--exact", "-k", &evil, scripts], "");
    let storm = printed_by(&["test", "--storm", &script, "--calls", "50"], "");
    assert!(storm.contains("as a test for"), "{storm}");

    // The checker in all its formats.
    folder.file(
        &format!("scripts/bad{evil}.rhai"),
        format!("let a = \"{HOSTILE}\"; stream_fil(\"{HOSTILE}\"); // {HOSTILE}\n"),
    );
    for format in ["human", "json", "sarif", "github"] {
        let found = printed_by(&["check", "--format", format, scripts], "");
        assert!(found.contains("stream_fil"), "{found}");
        if format == "json" {
            let places = found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            assert!(places.into_iter().any(|place| place["file"].as_str().unwrap().contains(HOSTILE)), "{found}");
        }
    }
    printed_by(&["serve", "--check", "--scripts", scripts], "");
    printed_by(&["commands", HOSTILE], "");
    printed_by(&["new", &evil], "");
    printed_by(&["check", &evil], "");
}

#[test]
fn control_characters_in_a_servers_calls_are_escaped() {
    let folder = Folder::new();
    folder.file(
        "scripts/game.rhai",
        format!("answer();\nprint(\"{HOSTILE_IN_SCRIPT}\");\nset_variable(\"X\", params.x);\nwait_for_digit(60000);\nthrow params.x;\n"),
    );
    folder.file(&format!("scripts/{HOSTILE}\n{FORGED}.rhai"), "let;");
    let server = Server::start(&folder, &["--log-level", "debug"]);
    let mut peer = server.connect();
    let request = environment(&format!("game?x={}", "%1b%5d0;owned%07%c2%9b31m%7f%e2%80%ae%0d"));
    peer.send(request.replace("agi_callerid: 201", &format!("agi_callerid: {HOSTILE}")).replace("Local/", HOSTILE));
    peer.answer("ANSWER", "200 result=0");
    let mut show = agi_rhai(["calls", "show", "1", "--control", server.control.to_str().unwrap()]);
    let mut show = show.stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the call is listed", || server.rows().len() > 1 || !server.rows().is_empty());
    let list = server.calls(&["list"]);
    let list = harmless("calls", &[list.stdout, list.stderr].concat());
    assert!(list.contains(r"Eve\u{1b}]0;owned"), "{list}");
    let rest = peer.line().unwrap();
    assert!(rest.contains("SET VARIABLE"), "{rest}");
    // By now a client follows the call.
    std::thread::sleep(std::time::Duration::from_millis(500));
    peer.send(format!("200 result=1 ({HOSTILE})\n"));
    peer.hears("WAIT FOR DIGIT 60000");
    peer.send("200 result=49\n");
    peer.play();
    let mut shown = Vec::new();
    show.stdout.take().unwrap().read_to_end(&mut shown).unwrap();
    show.wait().unwrap();
    let shown = harmless("calls show", &shown);
    assert!(
        shown.contains(r"call 1 of game.rhai on Eve\u{1b}]0;owned") && shown.contains(r"(Eve\u{1b}]0;owned"),
        "{shown}"
    );
    wait_until("it is logged", || server.log().contains("call ended"));
    let log = harmless("the log of a server", server.log().as_bytes());
    assert!(log.contains("broken: ") && log.contains(r"\u{1b}]0;owned"), "{log}");
}
