//! Calls recorded, replayed and printed as tests; and games made by `agi-rhai new`.

use crate::support::asterisk::{Call as LiveCall, asterisk};
use crate::support::process::{ENVIRONMENT, Folder, Process, agi_rhai};
use crate::support::server::{Peer, Server, environment, reply, wait_until};
use agi_rhai::agi::Reply;
use agi_rhai::clock::Time;
use agi_rhai::internals::recording::{Bytes, During, Event, FORMAT, Header, Line, Tape};
use agi_rhai::internals::replay::Replay;
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::transport::{Got, Simulator, Stream, Wait, Wire};
use agi_rhai::{Host, Session, Status, host::Recorder};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The outcome of a run of the program.
struct RunResult {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(args: &[&str], keys: &str) -> RunResult {
    let mut command = agi_rhai(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may have ended without reading the keys.
    let _ = child.stdin.take().unwrap().write_all(keys.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    RunResult { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl RunResult {
    #[track_caller]
    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn prints(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "no {text:?} in {}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn prints_error(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text:?} in {}", self.stderr);
        self
    }
}

/// Returns the recordings in a folder.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the only recording in a folder.
#[track_caller]
fn recording(folder: &Path) -> PathBuf {
    let files = recordings(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// A wire whose wall clock is set back by an hour whenever it is read, while no time passes.
struct ClockSetBack(std::sync::atomic::AtomicU64, VecDeque<&'static str>);

impl Wire for ClockSetBack {
    fn now(&self) -> Time {
        Time::from_unix(5)
    }

    fn wall(&self) -> Time {
        Time::from_unix(self.0.fetch_sub(3600, Relaxed))
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        if !matches!(wait, Wait::Pause(_))
            && let Some(piece) = self.1.pop_front()
        {
            bytes.extend_from_slice(piece.as_bytes());
            return Ok(Got::Bytes);
        }
        Ok(Got::Nothing)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.push_back(if bytes.starts_with(b"SAY") { "200 result=0\n" } else { "200 result=1\n" });
        Ok(())
    }
}

#[test]
fn a_clock_set_during_a_call_is_recorded_as_the_script_saw_it() {
    let folder = Folder::new();
    let script = "say_number(now()); say_number(elapsed().to_int()); say_number(now()); say_number(date().year);";
    let path = folder.file("set.rhai", script);
    let mut host = Host::new();
    host.record(Arc::new(Recorder::new(&folder.path("calls"))));
    let script = host.load(Path::new(&path), None).unwrap();
    let wire = ClockSetBack(10_000_000.into(), [ENVIRONMENT].into());
    let session = Session::begin(Box::new(Stream::over(wire))).unwrap();
    assert_eq!(host.run(session, &script, vec![]).status, Status::Success);
    let file = recording(&folder.path("calls"));
    let text_of_it = fs::read_to_string(&file).unwrap();
    let said: Vec<&str> = text_of_it.split("SAY NUMBER ").skip(1).filter_map(|line| line.split(' ').next()).collect();
    // The session itself reads it first.
    assert_eq!(said, ["9996400", "0", "9992800", "1970"]);
    assert_eq!(tape(&file).header.started, Duration::from_secs(10_000_000));
    // In a replay, the script gets the same times.
    run(&["replay", text(&file)], "").code(0).prints("same: 6 commands");
}

#[test]
fn the_time_zone_of_the_server_is_that_of_the_recorded_call() {
    let script = "answer(); say_number(date().hour); say_time(now());";
    let call = recorded(script, "", &["--time", "2026-12-03 09:30", "--zone", "Asia/Tokyo"]);
    assert_eq!(tape(&call.file).header.time_zone.as_deref(), Some("Asia/Tokyo"));
    assert!(call.text().contains("SAY NUMBER 9 "), "{}", call.text());
    call.replay().code(0).prints("same: ");
    run(&["replay", "--as-test", text(&call.file)], "")
        .code(0)
        .prints("time: 1796257800")
        .prints("zone: \"Asia/Tokyo\"");
}

#[track_caller]
fn tape(file: &Path) -> Tape {
    Tape::read(&fs::read(file).unwrap()).unwrap()
}

/// Whether a recording is written to its end. Until then, it may be empty, or end within a line.
fn is_whole(file: &Path) -> bool {
    Tape::read(&fs::read(file).unwrap()).is_ok_and(|tape| tape.ended().is_some())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A call recorded by the phone in line mode.
struct Recorded {
    folder: Folder,
    file: PathBuf,
}

fn recorded(script: &str, keys: &str, options: &[&str]) -> Recorded {
    let folder = Folder::new();
    let script = folder.file("game.rhai", script);
    let records = folder.path("records");
    let mut args = vec!["phone", "--unchecked", "--fast", "--record", text(&records)];
    args.extend(options);
    args.push(&script);
    run(&args, keys);
    let file = recording(&records);
    Recorded { folder, file }
}

impl Recorded {
    fn replay(&self) -> RunResult {
        run(&["replay", text(&self.file)], "")
    }

    /// Replays it with another text of the script.
    fn replay_with(&self, script: &str) -> RunResult {
        self.folder.file("game.rhai", script);
        self.replay()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

/// Every source of difference: keys, random numbers, the time, a variable, the database, a missing file, a sleep.
const GAME: &str = r##"
answer();
stream_file("vm-intro");
stream_file("no-such-file");
verbose(`${random(1, 1000)} ${now()} ${elapsed()}`);
let first = get_data("vm-enter-num-to-call", 3000, 4);
sleep(0.7);
let second = wait_for_digit(2000);
if elapsed() > 0.5 { say_number(to_number(first, 0) + random(0, 9)); }
verbose(`${elapsed()} ${date(now(), "UTC").hour} ${get_variable("NONE")} ${caller()}`);
database_put("game", caller(), first + second);
print(`${first} and ${second}`);
try { exec("System", "true") } catch (problem) { verbose(problem.kind) }
stream_file("vm-goodbye");
fn on_hangup() { verbose(`gone after ${elapsed()}`); }
"##;

#[test]
fn a_replay_goes_the_same_way_as_the_recorded_call() {
    for keys in ["12#\n5\n", "1234\n", "", "77\n#\n", "h\n", "12#\nh\n"] {
        let call = recorded(GAME, keys, &[]);
        call.replay().code(0).prints(": same: ");
        let tape = tape(&call.file);
        assert!(tape.ended().is_some(), "{}", call.text());
        let mode = fs::metadata(&call.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "what callers enter is private");
    }
}

#[test]
fn a_replay_of_a_changed_script_shows_the_first_difference() {
    let call = recorded(GAME, "12#\n5\n", &[]);
    // Changes that don't show on the wire make no difference.
    let same = GAME.replace("${first} and ${second}", "").replace("sleep(0.7)", "sleep(0.3)");
    call.replay_with(&same).code(0).prints("(the script has changed)");
    let other = call.replay_with(&GAME.replace("2000)", "3000)")).code(1);
    other.prints("then:  > WAIT FOR DIGIT 2000\n").prints("now:  > WAIT FOR DIGIT 3000\n").prints("game.rhai:8:14");
    other.prints("8 | let second = wait_for_digit(3000);\n  |              ^^^^^^^^^^^^^^");
    // The preceding lines, the last of them directly above.
    let lines: Vec<&str> = other.stdout.lines().collect();
    let then = lines.iter().position(|line| line.contains("then:")).unwrap();
    assert!(lines[then - 1].ends_with("< 200 result=12"), "{}", other.stdout);
    assert!(lines[then - 2].ends_with("> GET DATA \"vm-enter-num-to-call\" 3000 4"), "{}", other.stdout);
    // It ends where it continued before, or continues where it ended.
    let ends = call.replay_with(&GAME.replace("let second =", "exit(); let second =")).code(1);
    ends.prints("then:  > WAIT FOR DIGIT 2000\n").prints("now:  (the script ends)\n");
    ends.prints("the last command before was `get_data` at").prints("game.rhai:6");
    let goes_on = call.replay_with(&GAME.replace("fn on_hangup", "noop(1); fn on_hangup")).code(1);
    goes_on.prints("then:  (the script ended: SUCCESS)\n").prints("now:  > NOOP \"1\"\n");
    // With a fault, at run time or before.
    let fault = call.replay_with(&GAME.replace("let second =", "let x = [][3]; let second =")).code(1);
    fault.prints("now:  (the script ends with a fault)").prints("game.rhai:8:");
    call.replay_with("let = 5;").code(1).prints("game.rhai:1:5");
    // Endless, without sending anything.
    let sleeps = call.replay_with(&GAME.replace("sleep(0.7)", "loop { sleep(1); }")).code(1);
    sleeps.prints("now:  (sleeps for more than an hour)");
    let spins = call.replay_with(&GAME.replace("sleep(0.7)", "loop { }")).code(1);
    spins.prints("an endless loop?");
    call.replay_with(GAME).code(0);
}

#[test]
fn several_recordings_are_replayed_together() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", GAME);
    let records = folder.path("records");
    for keys in ["1#\n", "2#\n", "h\n"] {
        run(&["phone", "--fast", "--record", text(&records), &script], keys);
    }
    let all = run(&["replay", text(&records)], "").code(0);
    assert_eq!(all.stdout.matches(": same: ").count(), 3, "{}", all.stdout);
    all.prints("3 calls: 3 the same, 0 departed\n");
    folder.file("game.rhai", GAME.replace("2000)", "1000)"));
    let some = run(&["replay", text(&records)], "").code(1);
    some.prints("3 calls: 1 the same, 2 departed\n").prints(": departs\n");
    folder.file("records/broken.jsonl", "nonsense\n");
    let broken = run(&["replay", text(&records)], "").code(2);
    broken
        .prints("4 calls: 1 the same, 2 departed, 1 not played\n")
        .prints_error("broken.jsonl: line 1: not a recording");
    // A script that has moved since.
    folder.file("new/game.rhai", GAME);
    fs::remove_file(&script).unwrap();
    fs::remove_file(records.join("broken.jsonl")).unwrap();
    run(&["replay", text(&records)], "")
        .code(2)
        .prints_error("isn't there: name it with --script PATH or --scripts DIR");
    run(&["replay", text(&records), "--scripts", text(&folder.path("new"))], "").code(0);
    run(&["replay", text(&records), "--script", text(&folder.path("new/game.rhai"))], "").code(0);
}

#[test]
fn a_replay_of_a_failed_call_fails_in_the_same_way() {
    let script = "answer();\nlet key = get_data(\"beep\", 1000, 1);\nif key == 5 { noop() }\n";
    let call = recorded(script, "5\n", &[]);
    call.replay().code(0).prints("FAILURE");
    call.replay_with(&format!("// moved down\n{script}")).code(0).prints("(the script has changed)");
    let other = call.replay_with(&script.replace("key == 5", "key.foo == 5")).code(1);
    other.prints("then:  the text \"5\" is compared with the number 5 by `==`\n");
    let fixed = call.replay_with(&script.replace("key == 5", "key == \"7\"")).code(1);
    fixed.prints("then:  (the script ended: FAILURE)\n").prints("now:  (the script ends: SUCCESS)\n");
}

/// The script of a process per call whose Asterisk hangs up while it sleeps or computes.
#[test]
fn a_replay_hangs_up_at_the_recorded_place_in_a_sleep_or_while_computing() {
    let sleeping =
        "verbose(1); sleep(30); verbose(2); fn on_hangup() { verbose(elapsed()); database_put(\"a\", \"b\", 1) }";
    let computing = "verbose(1); for n in 0..100000000 { if n == 1000 { print(\"begun\") } } verbose(2);
                     fn on_hangup() { verbose(elapsed()); }";
    for (script, what) in [(sleeping, "sleeping"), (computing, "computing")] {
        let folder = Folder::new();
        let path = folder.file("game.rhai", script);
        let records = folder.path("records");
        let options = ["--max-computing", "60", "--record", text(&records)];
        let mut process = Process::call(&mut agi_rhai(options.iter().copied().chain([path.as_str()])));
        process.answer("VERBOSE \"1\" 1", "200 result=1");
        std::thread::sleep(Duration::from_millis(300));
        process.hang_up();
        process.end().code(0);
        let file = recording(&records);
        let lines = fs::read_to_string(&file).unwrap();
        assert!(lines.contains(&format!("\"hangup\":\"{what}\"")), "{lines}");
        run(&["replay", text(&file)], "").code(0).prints("HANGUP");
        // At the second line the hangup had not come yet.
        folder.file("game.rhai", script.replace("sleep(30)", "sleep(0.01)"));
        let shorter = run(&["replay", text(&file)], "");
        assert_eq!(shorter.code, Some(i32::from(what == "sleeping")), "{}", shorter.stdout);
        if what == "computing" {
            // Computing takes no time in a replay: the next command is where the hangup is noticed.
            folder.file("game.rhai", script.replace("100000000", "10"));
            run(&["replay", text(&file)], "").code(0);
        }
    }
}

#[test]
fn a_broken_connection_and_a_missing_reply_are_replayed() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", "verbose(1); verbose(2); fn on_hangup() { verbose(3); }");
    let records = folder.path("records");
    let mut lost = Process::call(&mut agi_rhai(["--record", text(&records), &script]));
    lost.answer("VERBOSE \"1\" 1", "200 result=1");
    lost.line();
    lost.close();
    lost.end();
    run(&["replay", text(&recording(&records))], "").code(0).prints(": same: 2 commands");
    fs::remove_file(recording(&records)).unwrap();
    let mut half = Process::call(&mut agi_rhai(["--record", text(&records), &script]));
    half.line();
    half.send("200 ");
    half.close();
    half.end().code(3);
    run(&["replay", text(&recording(&records))], "").code(0).prints("LOST");
}

#[test]
fn a_server_records_each_call_into_its_own_file() {
    const CALLS: usize = 200;
    let folder = Folder::new();
    folder.file("scripts/game.rhai", "verbose(params.n); let key = wait_for_digit(60000); verbose(`${args} ${key}`);");
    let records = folder.path("records");
    let mut server = Server::start(&folder, &["--record", text(&records)]);
    let mut peers: Vec<Peer> = (0..CALLS)
        .map(|n| {
            let mut peer = server.connect();
            peer.send(environment(&format!("game?n={n}")));
            peer
        })
        .collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.answer(&format!("VERBOSE \"{n}\" 1"), "200 result=1");
        peer.hears("WAIT FOR DIGIT 60000");
    }
    // Events are written while the calls go on.
    let written =
        || recordings(&records).iter().all(|file| fs::read_to_string(file).unwrap().contains("WAIT FOR DIGIT"));
    wait_until("all recordings are written", || recordings(&records).len() == CALLS && written());
    for (n, mut peer) in peers.into_iter().enumerate() {
        peer.send(if n % 2 == 0 { "200 result=53\n" } else { "HANGUP\n200 result=-1\n" });
        peer.play();
    }
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    let files = recordings(&records);
    assert_eq!(files.len(), CALLS);
    let mut seen: Vec<String> = files.iter().map(|file| tape(file).header.params["n"].clone()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), CALLS, "each call has its own file");
    let all = run(&["replay", text(&records)], "").code(0);
    all.prints(&format!("{CALLS} calls: {CALLS} the same, 0 departed\n"));
}

#[test]
fn a_folder_that_cannot_be_written_to_fails_no_call() {
    let folder = Folder::new();
    folder.file("scripts/game.rhai", "verbose(1);");
    let file = folder.file("a-file", "");
    for records in [format!("{file}/records"), "/proc/records".to_owned(), "/dev/null".to_owned()] {
        let ended = Process::call(&mut agi_rhai(["--record", &records, text(&folder.path("scripts/game.rhai"))])).end();
        ended.code(0).says("calls are not recorded");
        assert_eq!(ended.stderr.matches("calls are not recorded").count(), 1, "{}", ended.stderr);
        let server = Server::start(&folder, &["--record", &records]);
        for _ in 0..3 {
            assert_eq!(server.status("game"), "SUCCESS");
        }
        wait_until("it is counted", || server.metric("agi_rhai_recordings_lost_total") == 3.0);
        assert_eq!(server.logged("calls are not recorded"), 1, "{}", server.log());
    }
}

#[test]
fn recordings_have_harmless_file_names() {
    let folder = Folder::new();
    let records = folder.path("records");
    for uniqueid in ["../../../etc/passwd", "a\x01b;rm -rf /", "", "ü.1", &"9".repeat(300), "-.."] {
        let script = folder.file("a b;c'.rhai", "verbose(1);");
        let mut process = Process::start(&mut agi_rhai(["--record", text(&records), &script]));
        process.send(ENVIRONMENT.replace("1700000000.12", uniqueid));
        process.end().code(0);
        let file = recording(&records);
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{name}");
        assert!(name.len() < 150 && name.starts_with("20") && name.ends_with(".jsonl"), "{name}");
        let environment = tape(&file).environment();
        assert!(String::from_utf8_lossy(&environment).contains(uniqueid), "as sent: {environment:?}");
        run(&["replay", text(&file)], "").code(0);
        fs::remove_file(file).unwrap();
    }
    assert_eq!(fs::metadata(&records).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn bytes_that_are_not_utf8_survive_recording() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", "verbose(env.agi_calleridname); verbose(get_variable(\"X\").len());");
    let records = folder.path("records");
    let mut process = Process::start(&mut agi_rhai(["--record", text(&records), &script]));
    let (before, after) = ENVIRONMENT.split_once("agi_calleridname: unknown\n").unwrap();
    process.send([before.as_bytes(), b"agi_calleridname: caf\xc3\xff\x01\n", after.as_bytes()].concat());
    process.line();
    process.send("200 result=1\n");
    process.line();
    process.send(b"200 result=1 (\xff\xfe and\n two lines)\n");
    process.end().code(0);
    let file = recording(&records);
    let environment = tape(&file).environment();
    assert!(environment.windows(7).any(|bytes| bytes == b"caf\xc3\xff\x01\n"), "{environment:?}");
    run(&["replay", text(&file)], "").code(0).prints(": same: 5 commands");
}

#[test]
fn recordings_are_never_overwritten_and_survive_a_crash() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", "verbose(1); wait_for_digit(-1);");
    let records = folder.path("records");
    // With a process per call, each line is written as it happens.
    let mut process = Process::call(&mut agi_rhai(["--record", text(&records), &script]));
    process.answer("VERBOSE \"1\" 1", "200 result=1");
    process.line();
    let file = recording(&records);
    let mut cut = fs::read(&file).unwrap();
    assert!(String::from_utf8_lossy(&cut).ends_with("\"sent\":\"WAIT FOR DIGIT -1\"}\n"));
    process.send("200 result=0\n");
    process.end().code(0);
    // The machine went down in the middle of a line.
    cut.truncate(cut.len() - 5);
    let broken = folder.path("broken.jsonl");
    fs::write(&broken, &cut).unwrap();
    run(&["replay", text(&broken)], "").code(0).prints("1 command,").prints("where the recording breaks off");
    // With a script that differs before that point.
    folder.file("game.rhai", "verbose(2);");
    run(&["replay", text(&broken)], "").code(1).prints("now:  > VERBOSE \"2\" 1");
}

#[test]
fn faults_in_a_recording_are_reported_by_line() {
    let call = recorded("answer(); verbose(1);", "", &[]);
    let whole = call.text();
    let broken = call.folder.path("broken.jsonl");
    let play = |text: &str| {
        fs::write(&broken, text).unwrap();
        run(&["replay", broken.to_str().unwrap()], "")
    };
    play(&whole).code(0);
    let header = whole.lines().next().unwrap();
    for (text, expected) in [
        (String::new(), "line 1: not a recording of agi-rhai"),
        ("\n\n".to_owned(), "line 1: not a recording of agi-rhai"),
        ("{\"at\":1}\n".to_owned(), "line 1: not a recording of agi-rhai"),
        (
            whole.replacen("\"agi-rhai\":1", "\"agi-rhai\":2", 1),
            "a recording of format 2, and this agi-rhai reads format 1",
        ),
        (whole.replacen("\"seed\":", "\"sead\":", 1), "line 1: the header of a recording: missing field `seed`"),
        (whole.replacen("\"sent\":\"ANSWER\"", "\"sung\":\"ANSWER\"", 1), "line 2: "),
        (whole.replacen("\"sent\":\"ANSWER\"", "\"sent\":5", 1), "line 2: "),
        (whole.replacen("\"sent\":\"ANSWER\"", "\"sent\":{\"hex\":\"abc\"}", 1), "line 2: not pairs of hex digits"),
        (whole.replacen("{\"at\":", "{\"at\":-", 2), "line 2: -"),
        (
            format!("{header}\n{{\"at\":5,\"sent\":\"A\"}}\n{{\"at\":4,\"heard\":\"200 result=0\"}}\n"),
            "line 3: its time is before",
        ),
        (format!("{header}\n\u{0}\u{1}\n]\n"), "line 3: "),
    ] {
        let ran = play(&text).code(2);
        ran.prints_error(expected);
    }
    // Unreadable, missing, not a folder of recordings, nothing named.
    run(&["replay", "/no/such.jsonl"], "").code(2).prints_error("/no/such.jsonl: cannot read it");
    run(&["replay", "/proc/self/fdinfo"], "").code(2).prints_error("no recorded calls (*.jsonl) in /proc/self/fdinfo");
    run(&["replay"], "").code(2);
}

/// A PIN requested in every possible way, spoken, stored, compared, and used in names.
const PIN: &str = r#"
answer();
let stored = database_get("pin", caller());
let pin = get_data("vm-password", 3000, 4);
let again = "";
while again.len() < 4 { again += wait_for_digit(3000); }
say_digits(pin);
say_number(to_number(pin));
database_put("pin", caller(), pin);
database_put("pin/" + pin, "x", again);
set_variable("PIN", again);
verbose(`${pin} of ${env.agi_calleridname} ${again}`);
noop(pin, again);
exec("NoOp", pin);
stream_file(`/tmp/pins/${pin}`);
print(pin + again);
if pin == again { stream_file("auth-thankyou"); } else { stream_file("auth-incorrect"); }
send_text(pin);
get_variable(`DB(pin/${pin})`);
pin == 5;
"#;

#[test]
fn a_redacted_recording_contains_nothing_the_caller_entered() {
    let folder = Folder::new();
    let script = folder.file("pin.rhai", PIN);
    let records = folder.path("records");
    let args = ["--unchecked", "--record", text(&records), "--redact", &script, "4711", "+49301234567"];
    let mut process = Process::start(&mut agi_rhai(args));
    let environment = ENVIRONMENT
        .replace("agi_callerid: 201", "agi_callerid: +49301234567")
        .replace("agi_calleridname: unknown", "agi_calleridname: Ada Lovelace")
        .replace("Local/s@", "SIP/49301234567@");
    process.send(environment);
    let mut keys = "4711".bytes();
    let ended = process.end_with(|line| {
        let reply = match () {
            () if line.starts_with("DATABASE GET") => "200 result=1 (4711)".to_owned(),
            () if line.starts_with("GET DATA") => "200 result=4711".to_owned(),
            () if line.starts_with("WAIT FOR") => format!("200 result={}", keys.next().unwrap()),
            () if line.starts_with("GET VARIABLE") => "200 result=1 (4711)".to_owned(),
            () => reply(line).to_owned(),
        };
        Some(reply)
    });
    ended.code(1).says("the text \"4711\" is compared with the number 5 by `==`");
    let file = recording(&records);
    let all = fs::read_to_string(&file).unwrap();
    for secret in ["4711", "9301234567", "Ada", "Lovelace"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    // Everything that isn't secret is still there.
    for plain in
        ["vm-password", "auth-thankyou", "1700000000.12", "22.10.1", "DATABASE PUT \\\"pin\\\"", "\"redacted\":true"]
    {
        assert!(all.contains(plain), "no {plain} in {all}");
    }
    // The replay goes the same way: equal values are still equal.
    run(&["replay", text(&file)], "").code(0).prints("FAILURE");
    folder.file("pin.rhai", PIN.replace("auth-thankyou", "auth-incorrect"));
    run(&["replay", text(&file)], "").code(1).prints("then:  > STREAM FILE \"auth-thankyou\"");
    // Another call has other stand-ins, and the seed doesn't reveal them.
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(!name.contains("4711") && !name.contains("4930"), "{name}");
}

#[test]
fn stand_ins_have_the_same_length_and_kind() {
    let header = |environment: &[&str]| Header {
        format: FORMAT,
        script: "x.rhai".to_owned(),
        version: "0".to_owned(),
        seed: 1,
        started: Duration::from_secs(1_700_000_000),
        args: vec!["keep 12".to_owned(), "00471100".to_owned()],
        params: [("level".to_owned(), "3".to_owned())].into(),
        allowed: vec![],
        denied: vec![],
        dead_mode: true,
        time_zone: None,
        redacted: true,
        environment: environment.iter().map(|line| Bytes(line.as_bytes().to_vec())).collect(),
    };
    let caller: Plan = "presses 4711# after 1s then says \"Grüße 12\" after 3s".parse().unwrap();
    let folder = Folder::new();
    let mut host = Host::new();
    host.record(Arc::new(Recorder::new(&folder.path("records")).redacting()));
    let script = host
        .compile("x.rhai", r#"let a = get_data("beep", 2000, 9); verbose(a); let t = receive_text(9000); verbose(t); verbose("Grüße, Otto");"#)
        .unwrap();
    let call =
        IncomingCall { callerid: Some("0301".into()), calleridname: Some("Otto".into()), ..IncomingCall::default() };
    let simulator = Simulator::new(Channel::new(call, Box::new(caller)));
    let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, header(&[]).args);
    assert_eq!(outcome.status, Status::Success);
    let tape = tape(&recording(&folder.path("records")));
    let sent: Vec<String> = tape
        .lines
        .iter()
        .filter_map(
            |line| if let Event::Sent(sent) = &line.event { String::from_utf8(sent.0.clone()).ok() } else { None },
        )
        .collect();
    let heard: Vec<&str> = tape
        .lines
        .iter()
        .filter_map(|line| if let Event::Heard(heard) = &line.event { Some(heard.as_str()) } else { None })
        .collect();
    let digits = heard[0].strip_prefix("200 result=").unwrap();
    assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()) && digits != "4711", "{digits}");
    assert!(!digits.starts_with('0'), "a number of four digits stays one: {digits}");
    assert_eq!(sent[1], format!("VERBOSE \"{digits}\" 1"), "the same value has the same stand-in");
    let said = heard[2];
    assert!(said.starts_with("200 result=1 (xxxxx ") && said.len() == "200 result=1 (xxxxx 12)".len(), "{said}");
    assert_eq!(sent[4], "VERBOSE \"xxxxx, xxxx\" 1", "words of the caller's come back too");
    assert_eq!(tape.header.args[0], "keep 12");
    assert!(tape.header.args[1].len() == 8 && !tape.header.args[1].contains("4711"), "{:?}", tape.header.args);
    assert_eq!(tape.header.params, header(&[]).params.into_iter().filter(|_| false).collect());
}

#[test]
fn an_embedder_can_replay_recordings() {
    let lines = [
        (0, Event::Sent(Bytes(b"ANSWER".to_vec()))),
        (20, Event::Heard("200 result=0".to_owned())),
        (700, Event::Hangup(During::Sleeping)),
        (700, Event::Sent(Bytes(b"VERBOSE \"0.7\" 1".to_vec()))),
        (701, Event::Heard("200 result=1".to_owned())),
    ];
    let line = |(at, event): (u64, Event)| Line { at: Duration::from_millis(at), event };
    let tape = Arc::new(Tape {
        header: Header {
            format: FORMAT,
            script: "x".to_owned(),
            version: String::new(),
            seed: 1,
            started: Duration::from_secs(1_700_000_000),
            args: vec![],
            params: [].into(),
            allowed: vec![],
            denied: vec![],
            dead_mode: true,
            time_zone: None,
            redacted: false,
            environment: vec![Bytes(b"agi_request: x".to_vec())],
        },
        lines: lines.into_iter().map(line).collect(),
    });
    let replay = Replay::new(Arc::clone(&tape));
    let progress = replay.watch();
    let host = Host::new();
    let script = host.compile("x", "answer(); sleep(1); verbose(1); fn on_hangup() { verbose(elapsed()) }").unwrap();
    host.run(Session::begin(Box::new(replay)).unwrap(), &script, vec![]);
    let progress = progress.lock().unwrap().clone();
    assert_eq!((progress.played, progress.departure, progress.broke_off), (5, None, true));
    // Written and read again it is the same.
    let mut text = serde_json::to_string(&tape.header).unwrap();
    for line in &tape.lines {
        text.push('\n');
        text.push_str(&serde_json::to_string(line).unwrap());
    }
    text.push('\n');
    assert_eq!(Tape::read(text.as_bytes()).unwrap(), *tape);
    assert_eq!(Reply::of(0).to_string(), "200 result=0");
}

/// A redacted call is written at once at its end, however long it was.
#[test]
fn a_long_call_is_redacted_completely() {
    let folder = Folder::new();
    let script =
        "let text = \"\"; text.pad(1000, 'x'); for n in 0..900 { print(text); set_variable(\"X\", text + n); }";
    folder.file("scripts/long.rhai", script);
    let records = folder.path("records");
    let server = Server::start(&folder, &["--record", text(&records), "--redact"]);
    assert_eq!(server.call("long").play().status(), "SUCCESS");
    wait_until("it is written", || recordings(&records).iter().any(|file| is_whole(file)));
    let file = recording(&records);
    assert!(fs::metadata(&file).unwrap().len() > 3 * 512 * 1024);
    assert_eq!(server.metric("agi_rhai_recordings_lost_total"), 0.0);
    assert!(!server.log().contains("not recorded"), "{}", server.log());
    run(&["replay", text(&file)], "").code(0);
}

/// Answers to secret questions aren't written, even in a recording that isn't redacted.
#[test]
fn answers_to_secret_questions_are_not_recorded() {
    let folder = Folder::new();
    let script = folder.file(
        "pin.rhai",
        r#"
        let pin = ask("vm-password", #{ min: 4, max: 4, secret: true });
        let again = ask("vm-reenterpassword", #{ min: 4, max: 4, secret: true });
        database_put("pin", caller(), pin);
        if pin == again { stream_file("auth-thankyou"); }
        print(`${pin} 12`);
        get_data("vm-enter-num-to-call", 3000, 4);
        "#,
    );
    let records = folder.path("records");
    run(&["phone", "--fast", "--plain", "--record", text(&records), &script], "4711\n4711\n1234\n");
    let file = recording(&records);
    // The folder's name contains a number of its own.
    let all = fs::read_to_string(&file).unwrap().replace(text(&folder.path("")), "");
    assert!(all.contains("\"secret\":true"), "{all}");
    let lines = all.lines().skip(1);
    // Times aren't digits of a PIN.
    let said: Vec<&str> = lines.map(|line| line.split_once(',').unwrap().1).collect();
    assert!(!said.iter().any(|line| line.contains("4711") || line.contains("711")), "{all}");
    assert!(
        all.contains("auth-thankyou")
            && all.contains("result=1234")
            && all.contains("DATABASE PUT \\\"pin\\\" \\\"201\\\""),
        "{all}"
    );
    run(&["replay", text(&file)], "").code(0);
}

/// Checks that the call, printed as a test, passes.
#[track_caller]
fn passes_as_a_test(file: &Path, script: &Path) -> String {
    let test = run(&["replay", "--as-test", "--script", text(script), text(file)], "").code(0).stdout;
    let path = script.with_extension("test.rhai");
    fs::write(&path, &test).unwrap();
    let ran = run(&["test", "--unchecked", text(&path)], "");
    assert_eq!(ran.code, Some(0), "{test}\n{}\n{}", ran.stdout, ran.stderr);
    ran.prints("1 passed");
    test
}

#[test]
fn a_recorded_call_can_be_printed_as_a_passing_test() {
    for keys in ["12#\n5\n", "1234\n", "77#\n#\n", "h\n", "12#\nh\n"] {
        let call = recorded(GAME, keys, &["--seed", "9"]);
        let test = passes_as_a_test(&call.file, &call.folder.path("game.rhai"));
        assert!(test.contains("place_call(\"game\", #{") && test.contains("seed: 9"), "{test}");
        assert!(test.contains("missing: [\"no-such-file\"]"), "{test}");
    }
    // The test fails if the script goes another way.
    let call = recorded(GAME, "12#\n5\n", &[]);
    passes_as_a_test(&call.file, &call.folder.path("game.rhai"));
    call.folder.file("game.rhai", GAME.replace("stream_file(\"vm-goodbye\")", "stream_file(\"goodbye\")"));
    let fails = run(&["test", text(&call.folder.path("game.test.rhai"))], "").code(1);
    fails.prints("vm-goodbye");
    // A fault, values the script read, values it left, and text that needs quoting.
    let script = "answer();\nlet level = get_variable(\"LEVEL\");\nif database_get(\"f\", \"k\") == \"a \\\"b\\\"\" \
                  { set_variable(\"X\", level + args[0]); }\nno_such();\n";
    let folder = Folder::new();
    let path = folder.file("fault.rhai", script);
    let records = folder.path("records");
    let mut process = Process::call(&mut agi_rhai(["--unchecked", "--record", text(&records), &path, "\\x"]));
    process.answer("ANSWER", "200 result=0");
    process.answer("GET VARIABLE \"LEVEL\"", "200 result=1 (3)");
    process.answer("DATABASE GET \"f\" \"k\"", "200 result=1 (a \"b\")");
    process.end().code(1);
    let test = passes_as_a_test(&recording(&records), Path::new(&path));
    for line in [
        r#"args: ["\\x"]"#,
        r#"variables: #{ "LEVEL": "3" }"#,
        r#"database: #{ "f/k": "a \"b\"" }"#,
        r#"expect_fault("no function `no_such`");"#,
        r#"expect_variable("X", "3\\x");"#,
    ] {
        assert!(test.contains(line), "no {line} in {test}");
    }
}

#[test]
fn a_new_game_passes_its_tests() {
    let folder = Folder::new();
    let name = folder.path("games/weasels-2");
    let made = run(&["new", text(&name)], "").code(0);
    let file = |ending: &str| folder.path(&format!("games/weasels-2.{ending}"));
    for (ending, mode) in [("rhai", 0o111), ("prompts", 0), ("test.rhai", 0)] {
        let path = file(ending);
        made.prints(text(&path));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, mode, "{ending}");
        assert!(!fs::read_to_string(&path).unwrap().contains("NAME"), "{ending}");
    }
    let script = file("rhai");
    for next in ["agi-rhai phone ", "agi-rhai check "] {
        made.prints(&format!("{next}{}", script.display()));
    }
    made.prints(&format!("agi-rhai test {}", file("test.rhai").display()));
    made.prints(&format!("exten => 500,1,AGI(agi-rhai,{})", script.display()));
    run(&["test", "--coverage", text(&folder.path("games"))], "").code(0).prints("4 passed").prints("100 %");
    run(&["check", text(&folder.path("games"))], "").code(0).prints("nothing found");
    // In the phone.
    run(&["phone", "--fast", "--plain", "--seed", "4", text(&script)], "#\n5\n#\n").code(0).prints("tt-monkeys");
    // Nothing is overwritten, not even one of the three files, and no incomplete game is left.
    fs::remove_file(file("rhai")).unwrap();
    run(&["new", text(&name)], "").code(2).prints_error("weasels-2.prompts already exists");
    assert!(!file("rhai").exists());
    for (bad, expected) in [
        ("a b", "isn't a valid name"),
        ("..", "isn't a valid name"),
        ("", "NAME"),
        ("x/", "isn't a valid name"),
        ("-x", "'-x'"),
        ("a.b", "isn't a valid name"),
        ("a,b", "isn't a valid name"),
        ("/proc/x", "cannot write /proc/x.rhai"),
    ] {
        run(&["new", bad], "").code(2).prints_error(expected);
    }
    // The extension may be given, and isn't doubled.
    run(&["new", text(&folder.path("fox.rhai"))], "").code(0);
    assert!(folder.path("fox.rhai").is_file() && folder.path("fox.test.rhai").is_file());
}

/// On a real Asterisk: one call to its end, and one whose caller hangs up while the script sleeps.
#[test]
fn live_a_real_call_is_recorded_and_replayed() {
    let script = r#"
        answer();
        stream_file("beep");
        stream_file("no-such-file-here");
        let digits = get_data("vm-enter-num-to-call", 5000, 4);
        verbose(`${elapsed()} ${now()} ${random(1, 1000000)} ${get_variable("LEVEL")}`);
        let key = wait_for_digit(5000);
        say_number(to_number(digits, 0) + 1);
        database_put("recorded", caller(), digits + key);
        if args.len() > 0 { sleep(60); }
        stream_file("vm-goodbye");
        fn on_hangup() { database_put("recorded", caller(), "gone"); }
    "#;
    let rig = asterisk();
    rig.script("recorded.rhai", script);
    for (number, args, status) in [("7301", &[][..], "SUCCESS"), ("7302", &["sleep"][..], "HANGUP")] {
        let records = rig.agi_dir().join(format!("records-{number}"));
        let inside = rig.inside(&records);
        let words = [&["--record", &inside, "recorded.rhai"], args].concat();
        let call = LiveCall::request("agi-rhai", &words).caller_id(&format!("Ada <{number}>")).variable("LEVEL", "3");
        let mut call = rig.call(call);
        call.wait_for("GET DATA");
        std::thread::sleep(Duration::from_millis(700));
        call.press("42#");
        call.wait_for("WAIT FOR DIGIT");
        std::thread::sleep(Duration::from_millis(700));
        call.press("7");
        call.wait_for("DATABASE PUT");
        if status == "HANGUP" {
            std::thread::sleep(Duration::from_millis(500));
            call.hangup();
        }
        assert_eq!(call.wait_end().status, status);
        let file = recording(&records);
        wait_until("its end is written", || is_whole(&file));
        let played = run(&["replay", text(&file), "--scripts", text(&rig.agi_dir())], "").code(0);
        played.prints(status);
        // The same script, next to the test.
        let folder = Folder::new();
        let copy = folder.file("recorded.rhai", script);
        let test = passes_as_a_test(&file, Path::new(&copy));
        for line in [
            "callerid: \"",
            "name: \"Ada\"",
            "\"LEVEL\": \"3\"",
            "press(\"42#\");",
            "wait_for_question();",
            "press(\"7\");",
        ] {
            assert!(test.contains(line), "no {line} in {test}");
        }
        eprintln!("{test}");
    }
}
