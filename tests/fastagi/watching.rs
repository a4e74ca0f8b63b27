//! What a studio learns from the control socket: the calls and what changes, the folders, recordings.

use super::{NEIGHBOUR, Neighbour, in_background, scripts};
use crate::support::process::Folder;
use crate::support::server::{PATIENCE, Peer, Server, environment, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Asks the control socket something. Returns all of the answer.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = UnixStream::connect(&server.control).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Somebody who watches the calls.
struct Watcher {
    stream: BufReader<UnixStream>,
    calls: BTreeMap<u64, Value>,
    /// How many lines have come.
    lines: usize,
}

impl Watcher {
    fn of(server: &Server) -> Self {
        let mut stream = UnixStream::connect(&server.control).unwrap();
        stream.write_all(b"watch\n").unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), calls: BTreeMap::new(), lines: 0 }
    }

    /// Takes in the next line, which has to come.
    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        self.lines += 1;
        let changes: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        for call in changes["calls"].as_array().into_iter().flatten() {
            let known = self.calls.entry(call["id"].as_u64().unwrap()).or_insert_with(|| json!({}));
            for (name, value) in call.as_object().unwrap() {
                known[name] = value.clone();
            }
        }
        for gone in changes["gone"].as_array().into_iter().flatten() {
            assert!(self.calls.remove(&gone.as_u64().unwrap()).is_some(), "{line}");
        }
        changes
    }

    /// Reads until the calls are so.
    #[track_caller]
    fn until(&mut self, what: &str, holds: impl Fn(&BTreeMap<u64, Value>) -> bool) {
        for _ in 0..1000 {
            if holds(&self.calls) {
                return;
            }
            self.read();
        }
        panic!("{what}: {:?}", self.calls);
    }
}

#[test]
fn whoever_watches_is_told_of_new_calls_their_line_and_their_end() {
    let folder = scripts([("menu.rhai", "answer();\nwait_for_digit(60000);\n\nstream_file(\"bye\");")]);
    let server = Server::start(&folder, &[]);
    let mut watcher = Watcher::of(&server);
    // There is a line even if there is no call: the server is there.
    let first = watcher.read();
    assert!(first["now"].is_u64() && first.get("calls").is_none(), "{first}");
    let mut peer = server.connect();
    let evil = environment("menu")
        .replace("agi_callerid: 201", "agi_callerid: <b>1</b>\"\\")
        .replace("agi_calleridname: unknown", "agi_calleridname: \u{202e}eve\u{1b}[31m")
        .replace("agi_channel: Local", "agi_channel: </script>\tLocal");
    peer.send(evil);
    peer.answer("ANSWER", "200 result=0");
    peer.hears("WAIT FOR DIGIT 60000");
    watcher.until("it waits for a key", |calls| calls.values().any(|call| call["line"] == 2));
    let call = watcher.calls.values().next().unwrap().clone();
    let expected = [
        ("caller", "<b>1</b>\"\\"),
        ("name", "\u{202e}eve\u{1b}[31m"),
        ("channel", "</script>\tLocal/s@game-00000001;1"),
        ("extension", "s"),
        ("script", "menu.rhai"),
        ("file", "menu.rhai"),
        ("doing", "WAIT FOR DIGIT"),
        ("peer", "127.0.0.1"),
    ];
    for (name, value) in expected {
        assert_eq!(call[name], value, "{call}");
    }
    assert_eq!(call["commands"], 2, "{call}");
    // Nothing changes, so nothing is said.
    let (before, since) = (watcher.lines, call["since"].as_u64().unwrap());
    std::thread::sleep(Duration::from_millis(800));
    peer.send("200 result=49\n");
    peer.hears("STREAM FILE \"bye\" \"\"");
    let changes = watcher.read();
    assert_eq!(watcher.lines, before + 1);
    let changed = &changes["calls"][0];
    assert_eq!((&changed["line"], &changed["doing"]), (&json!(4), &json!("STREAM FILE")), "{changes}");
    assert!(changed["since"].as_u64().unwrap() >= since + 750, "{changes}");
    // What doesn't change in a call isn't said again; the key that was pressed is never said.
    let said: Vec<&String> = changed.as_object().unwrap().keys().collect();
    assert_eq!(said, ["commands", "doing", "file", "id", "line", "since"]);
    peer.send("200 result=0 endpos=1\n");
    peer.play();
    watcher.until("it is gone", BTreeMap::is_empty);
    // A second one who watches gets the calls that are there.
    let mut other = server.call("menu");
    other.hears("ANSWER");
    let mut late = Watcher::of(&server);
    assert_eq!(late.read()["calls"][0]["script"], "menu.rhai");
}

#[test]
fn a_thousand_calls_are_told_in_lines_that_are_not_endless() {
    let folder = scripts([("hold.rhai", "wait_for_digit(60000);")]);
    crate::support::server::many_descriptors();
    let server = Server::start(&folder, &[]);
    let peers: Vec<Peer> = (0..1000).map(|_| server.call("hold")).collect();
    wait_until("all are there", || server.rows().len() == 1000);
    let mut watcher = Watcher::of(&server);
    let first = watcher.read();
    assert_eq!(first["calls"].as_array().map(Vec::len), Some(500), "{first}");
    watcher.until("all are told", |calls| calls.len() == 1000);
    assert_eq!(watcher.lines, 2);
    drop(peers);
    watcher.until("all are gone", BTreeMap::is_empty);
}

/// Twenty who read nothing, of a server whose calls change all the time.
#[test]
fn whoever_watches_and_reads_nothing_delays_no_call_and_takes_no_memory() {
    const BUSY: (&str, &str) = (
        "busy.rhai",
        "while get_variable(\"ON\") != () { verbose(long()); } fn long() { let text = \"x\"; text.pad(800, \"x\"); text }",
    );
    let folder = scripts([NEIGHBOUR, BUSY, ("hold.rhai", "wait_for_digit(60000);")]);
    let server = Server::start(&folder, &["--max-calls", "2000"]);
    // Each of these has much to tell at first.
    let held: Vec<Peer> = (0..400).map(|_| server.call("hold")).collect();
    wait_until("they are there", || server.rows().len() == held.len());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let (peer, stop) = (server.call("busy"), std::sync::Arc::clone(&stop));
            std::thread::spawn(move || {
                let ends = move |line: &str| stop.load(std::sync::atomic::Ordering::Relaxed) && line.starts_with("GET");
                peer.play_with(|line| {
                    std::thread::sleep(Duration::from_millis(2));
                    let reply = if ends(line) { "200 result=0" } else { crate::support::server::reply(line) };
                    Some(reply.to_owned())
                })
            })
        })
        .collect();
    let neighbour = Neighbour::of(&server);
    std::thread::sleep(Duration::from_secs(1));
    let before = server.rss();
    let busy_ids: Vec<String> =
        server.rows().iter().filter(|row| row[2] == "busy.rhai").map(|row| row[0].clone()).collect();
    let deaf: Vec<UnixStream> = (0..20)
        .map(|number: usize| {
            let mut stream = UnixStream::connect(&server.control).unwrap();
            let request =
                if number.is_multiple_of(2) { "watch".to_owned() } else { format!("show {}", busy_ids[number % 8]) };
            writeln!(stream, "{request}").unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    // What it holds for one that reads nothing: the last lines of a dialogue, and what it was told of each call.
    let more = server.rss().saturating_sub(before);
    assert!(more < 24 * 1024, "{more} KiB more");
    // Those who do read hear everything meanwhile.
    let mut watcher = Watcher::of(&server);
    watcher.until("it sees all", |calls| calls.len() > held.len());
    neighbour.check("clients that read nothing", Duration::from_millis(20));
    drop(deaf);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for thread in busy {
        assert_eq!(thread.join().unwrap().status(), "SUCCESS");
    }
    let held: Vec<_> = held.into_iter().map(in_background).collect();
    assert!(held.into_iter().all(|call| call.join().unwrap() == "SUCCESS"));
}

#[test]
fn the_server_says_where_its_scripts_and_recordings_are() {
    let folder = scripts([("a.rhai", "verbose(1);")]);
    let server = Server::start(&folder, &[]);
    let about: Value = serde_json::from_str(ask(&server, "about").trim_end()).unwrap();
    assert_eq!(about["scripts"], folder.path("scripts").to_str().unwrap());
    assert_eq!(about["recordings"], Value::Null);
    for request in ["recordings", "recording x.jsonl"] {
        assert_eq!(ask(&server, request), "error: this server records no calls: it needs --record DIR\n");
    }
    drop(server);
    let records = folder.path("records");
    let server = Server::start(&folder, &["--record", records.to_str().unwrap()]);
    let about: Value = serde_json::from_str(ask(&server, "about").trim_end()).unwrap();
    assert_eq!(about["recordings"], records.to_str().unwrap());
}

/// Returns the list of recordings: what it says first, and each.
fn recordings(server: &Server) -> (Value, Vec<Value>) {
    let text = ask(server, "recordings");
    let lines: Vec<&str> = text.strip_suffix("\n\n").unwrap_or_else(|| panic!("{text:?}")).lines().collect();
    let mut lines = lines.into_iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (lines.next().unwrap(), lines.collect())
}

fn recorded(folder: &Folder, options: &[&str]) -> Server {
    let records = folder.path("records");
    let options = [&["--record", records.to_str().unwrap()], options].concat();
    Server::start(folder, &options)
}

#[test]
fn recordings_are_listed_and_read() {
    let script = "answer();\nlet pin = get_data(\"enter\", 5000, 4);\nif pin == \"13\" { throw \"unlucky\"; }";
    let folder = scripts([("pin.rhai", script)]);
    let server = recorded(&folder, &[]);
    // The folder is there, and empty.
    assert_eq!(recordings(&server), (json!({ "recordings": 0, "listed": 500 }), vec![]));
    for pin in ["4711", "13"] {
        let call = environment("pin").replace("agi_callerid: 201", &format!("agi_callerid: 0{pin}"));
        let mut peer = server.connect();
        peer.send(call.replace("agi_calleridname: unknown", "agi_calleridname: <i>Ann</i>"));
        peer.play_with(|line| {
            let pressed = format!("200 result={pin}");
            Some(if line.starts_with("GET DATA") { pressed } else { crate::support::server::reply(line).to_owned() })
        });
    }
    let mut unfinished = server.call("pin");
    unfinished.hears("ANSWER");
    // What isn't a recording, and what is none any more.
    folder.file("records/notes.txt", "no");
    folder.file("records/0-broken.jsonl", "{\"agi-rhai\": 1}\n");
    std::os::unix::fs::symlink("/etc/passwd", folder.path("records/0-link.jsonl")).unwrap();
    let (first, listed) = recordings(&server);
    assert_eq!(first["recordings"], 5);
    assert_eq!(listed.len(), 3, "{listed:#?}");
    let by = |caller: &str| listed.iter().find(|call| call["caller"] == caller).unwrap();
    assert_eq!(by("201")["status"], Value::Null);
    let (good, bad) = (by("04711"), by("013"));
    assert_eq!((&good["status"], &good["name"]), (&json!("SUCCESS"), &json!("<i>Ann</i>")), "{good}");
    assert_eq!((&bad["status"], &bad["fault"]), (&json!("FAILURE"), &json!("unlucky")), "{bad}");
    assert!(good["script"].as_str().unwrap().ends_with("/scripts/pin.rhai"), "{good}");
    assert!(good["length"].is_u64() && good["started"].as_f64().unwrap() > 1.7e9, "{good}");
    // The newest ones come first.
    assert!(listed.windows(2).all(|pair| pair[0]["file"].as_str() > pair[1]["file"].as_str()), "{listed:#?}");
    let file = good["file"].as_str().unwrap();
    let text = ask(&server, &format!("recording {file}"));
    let kept = std::fs::read_to_string(folder.path(&format!("records/{file}"))).unwrap();
    assert_eq!(text, format!("{kept}\n"));
    assert!(kept.contains("4711"), "{kept}");
    // Nothing outside of the folder, and nothing that isn't a recording.
    folder.file("outside.jsonl", &kept);
    for name in ["../outside.jsonl", "/etc/passwd", "notes.txt", "0-link.jsonl", "0-broken.jsonl", "none.jsonl", ""] {
        let answer = ask(&server, &format!("recording {name}"));
        assert!(answer.starts_with("error: ") && answer.lines().count() == 1, "{name}: {answer}");
        assert!(!answer.contains("4711"), "{answer}");
    }
    // One that is being written is read up to where it is whole.
    let live = by("201")["file"].as_str().unwrap().to_owned();
    let path = folder.path(&format!("records/{live}"));
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"at\": 5, \"hea").unwrap();
    let text = ask(&server, &format!("recording {live}"));
    assert!(text.ends_with("}\n\n") && !text.contains("hea\"") && !text.contains("{\"at\": 5, \"hea"), "{text}");
}

#[test]
fn a_redacted_recording_says_so_in_the_list() {
    let folder = scripts([("pin.rhai", "get_data(\"enter\", 5000, 4);")]);
    let server = recorded(&folder, &["--redact"]);
    server.call("pin").play();
    wait_until("it is written", || !recordings(&server).1.is_empty());
    let (_, listed) = recordings(&server);
    assert_eq!(listed[0]["redacted"], true, "{listed:?}");
    // Names of files and times may have these digits in them.
    let told = listed[0].as_object().unwrap().iter().filter(|(name, _)| !["file", "script"].contains(&name.as_str()));
    let told: Vec<&str> = told.filter_map(|(_, value)| value.as_str()).collect();
    assert!(told.len() >= 5 && !told.iter().any(|text| text.contains("201")), "{listed:?}");
}
