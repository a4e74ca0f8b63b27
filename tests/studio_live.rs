//! The live calls of a server, as its studio tells them: through the program, over HTTP.

use crate::support::asterisk::{Call, asterisk};
use crate::support::machine;
use crate::support::process::{Folder, agi_rhai};
use crate::support::server::{PATIENCE, Server, reply, wait_until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running studio, killed when it is dropped.
struct Studio {
    child: Child,
    address: String,
    token: String,
}

impl Studio {
    /// Starts the studio of a server.
    fn of(control: &Path, folder: &Folder) -> Self {
        folder.file("page/index.html", "<!doctype html>");
        let mut command = agi_rhai(["studio", "--no-open", "--listen", "127.0.0.1:0", "--server"]);
        command.arg(control).arg("--page").arg(folder.path("page"));
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.into_iter().find(|line| line.contains("#token=")).expect("it tells no address");
        let (address, token) = line.trim().split_once("/#token=").unwrap();
        Self { child, address: address.trim_start_matches("http://").to_owned(), token: token.to_owned() }
    }

    /// Sends a request. Returns what comes back, with a token or without.
    fn request(&self, method: &str, path: &str, token: Option<&str>) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!("Host: {}\r\n{token}Connection: close\r\n", self.address);
        write!(stream, "{method} /api/{path} HTTP/1.1\r\n{head}\r\n").unwrap();
        BufReader::new(stream)
    }

    /// Returns the status and the body of an answer.
    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut text = String::new();
        self.request(method, path, Some(&self.token)).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn value(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn events(&self, path: &str) -> Events {
        Events { lines: self.request("GET", path, Some(&self.token)), name: String::new() }
    }

    fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of events.
struct Events {
    lines: BufReader<TcpStream>,
    name: String,
}

impl Events {
    /// Returns the name and the value of the next event.
    #[track_caller]
    fn next(&mut self) -> (String, Value) {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream has ended");
            if let Some(name) = line.strip_prefix("event: ") {
                name.trim_end().clone_into(&mut self.name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (self.name.clone(), serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Returns the next event of this name for which this holds.
    #[track_caller]
    fn until(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..10_000 {
            match self.next() {
                (next, value) if next == name && holds(&value) => return value,
                _ => {}
            }
        }
        panic!("no such {name}");
    }
}

const MENU: &str =
    "answer();\nlet key = wait_for_digit(600000);\nsay_digits(key);\nfn on_hangup() { verbose(\"gone\"); }";

fn menu() -> Folder {
    let folder = Folder::new();
    folder.file("scripts/menu.rhai", MENU);
    folder
}

#[test]
fn the_studio_tells_the_calls_of_a_server_as_events() {
    let folder = menu();
    let server = Server::start(&folder, &[]);
    let studio = Studio::of(&server.control, &folder);
    assert!(studio.value("")["parts"].as_array().unwrap().contains(&json!("live")));
    assert_eq!(studio.value("live")["scripts"], folder.path("scripts").to_str().unwrap());
    // Without a folder of its own, it works on that of the server.
    assert!(studio.value("files").to_string().contains("menu.rhai"));
    let mut events = studio.events("live/calls");
    assert_eq!(events.next().0, "began");
    let mut peer = server.call("menu");
    peer.answer("ANSWER", "200 result=0");
    peer.hears("WAIT FOR DIGIT 600000");
    let changes = events.until("changes", |value| value["calls"][0]["line"] == 2);
    let id = &changes["calls"][0]["id"];
    let mut dialogue = studio.events(&format!("live/calls/{id}"));
    // The reader of the dialogue has to be there first.
    std::thread::sleep(Duration::from_millis(300));
    peer.send("200 result=53\n");
    peer.answer("SAY DIGITS \"5\" \"\"", "200 result=0");
    let heard = dialogue.until("line", |_| true);
    assert_eq!(heard, "< 200 result=••", "a key is shown");
    let sent = dialogue.until("line", |line| line.as_str().unwrap().starts_with("> SAY DIGITS"));
    assert!(sent.as_str().unwrap().ends_with("menu.rhai:3]"), "{sent}");
    let played = peer.play();
    assert_eq!(played.status(), "SUCCESS");
    dialogue.until("over", |_| true);
    events.until("changes", |value| value["gone"][0] == *id);
    // No such call.
    assert!(dialogue_problem(&studio, 99).contains("there is no call 99"));
    let (status, answer) = studio.ask("DELETE", "live/calls/99");
    assert_eq!((status, answer.as_str()), (404, "{\"error\":\"there is no call 99\"}"));
}

fn dialogue_problem(studio: &Studio, id: u64) -> String {
    let (name, value) = studio.events(&format!("live/calls/{id}")).next();
    assert_eq!(name, "problem");
    value["problem"].as_str().unwrap().to_owned()
}

#[test]
fn a_call_is_ended_through_the_studio_and_only_with_the_token() {
    let folder = menu();
    let server = Server::start(&folder, &[]);
    let studio = Studio::of(&server.control, &folder);
    let mut peer = server.call("menu");
    peer.answer("ANSWER", "200 result=0");
    peer.hears("WAIT FOR DIGIT 600000");
    let id = server.column("menu.rhai", "ID").unwrap();
    let paths = ["live", "live/calls", "live/recordings"].map(str::to_owned);
    for (method, path) in paths.iter().map(|path| ("GET", path.clone())).chain([("DELETE", format!("live/calls/{id}"))])
    {
        for token in [None, Some("00000000000000000000000000000000")] {
            let mut line = String::new();
            studio.request(method, &path, token).read_line(&mut line).unwrap();
            assert!(line.starts_with("HTTP/1.1 401 "), "{method} {path}: {line}");
        }
    }
    assert_eq!(studio.ask("POST", &format!("live/calls/{id}")).0, 405);
    assert_eq!(server.list().len(), 1);
    let (status, answer) = studio.ask("DELETE", &format!("live/calls/{id}"));
    assert_eq!((status, answer.as_str()), (200, &*format!("{{\"said\":\"ending call {id}\"}}")));
    peer.hears("GET FULL VARIABLE \"agi-rhai: in step\"");
    peer.send("200 result=1\n200 result=1 (agi-rhai: in step)\n");
    let played = peer.play();
    assert_eq!((played.said(), played.status()), (vec!["gone"], "HANGUP"));
}

#[test]
fn the_studio_reads_recordings_of_the_server() {
    let folder = menu();
    let records = folder.path("records");
    let server = Server::start(&folder, &["--record", records.to_str().unwrap()]);
    let studio = Studio::of(&server.control, &folder);
    assert_eq!(studio.value("live/recordings"), json!({ "count": 0, "calls": [] }));
    server.call("menu").play_with(|line| {
        Some(if line.starts_with("WAIT") { "200 result=55".to_owned() } else { reply(line).to_owned() })
    });
    wait_until("it is recorded", || studio.value("live/recordings")["calls"][0]["status"] == "SUCCESS");
    let file = studio.value("live/recordings")["calls"][0]["file"].as_str().unwrap().to_owned();
    let (status, text) = studio.ask("GET", &format!("live/recordings/{file}"));
    assert_eq!((status, text), (200, std::fs::read_to_string(records.join(&file)).unwrap()));
    for name in ["..%2fscripts%2fmenu.rhai", "%2e%2e%2fx.jsonl", "x.jsonl%0acalls", "x.jsonl calls", "none.jsonl"] {
        let (status, text) = studio.ask("GET", &format!("live/recordings/{}", name.replace(' ', "%20")));
        assert!(status == 404 && !text.contains("answer"), "{name}: {status} {text}");
    }
}

#[test]
fn a_server_that_comes_back_is_shown_again() {
    let folder = menu();
    let mut server = Server::start(&folder, &["--drain", "0"]);
    let studio = Studio::of(&server.control, &folder);
    let mut events = studio.events("live/calls");
    events.until("changes", |_| true);
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let problem = events.until("problem", |_| true);
    assert!(problem["problem"].as_str().unwrap().contains("control.sock: "), "{problem}");
    assert_eq!(studio.ask("GET", "live").0, 502);
    let again = Server::start(&folder, &[]);
    events.until("began", |_| true);
    let mut peer = again.call("menu");
    peer.hears("ANSWER");
    events.until("changes", |value| value["calls"][0]["script"] == "menu.rhai");
}

#[test]
fn serve_has_the_studio_in_it() {
    let folder = menu();
    folder.file("page/index.html", "<!doctype html>");
    let control = folder.path("control.sock");
    let mut command = agi_rhai(["serve", "--listen", "127.0.0.1:0", "--studio", "127.0.0.1:0", "--control"]);
    command.arg(&control).arg("--scripts").arg(folder.path("scripts")).arg("--studio-page").arg(folder.path("page"));
    let studio = Studio::run(command);
    assert_eq!(studio.value("live")["scripts"], folder.path("scripts").to_str().unwrap());
    let mut events = studio.events("live/calls");
    assert_eq!(events.next().0, "began");
    assert!(events.next().1.get("now").is_some());
}

/// Browsers that read nothing, of a server whose calls change all the time.
#[test]
fn browsers_that_read_nothing_delay_no_call_and_take_no_memory() {
    let folder = Folder::new();
    folder.file("scripts/busy.rhai", "while get_variable(\"ON\") != () { verbose(\"x\"); }");
    let server = Server::start(&folder, &[]);
    let studio = Studio::of(&server.control, &folder);
    let until = Instant::now() + Duration::from_secs(6);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let peer = server.call("busy");
            std::thread::spawn(move || {
                let mut longest = Vec::new();
                let mut asked = Instant::now();
                peer.play_with(|line| {
                    longest.push(asked.elapsed());
                    std::thread::sleep(Duration::from_millis(40));
                    asked = Instant::now();
                    let over = until < asked && line.starts_with("GET");
                    Some(if over { "200 result=0".to_owned() } else { reply(line).to_owned() })
                });
                longest
            })
        })
        .collect();
    wait_until("they are there", || server.rows().len() == 100);
    let deaf: Vec<_> = (0..20).map(|_| studio.request("GET", "live/calls", Some(&studio.token))).collect();
    std::thread::sleep(Duration::from_secs(1));
    let before = studio.rss() + server.rss();
    let mut watcher = studio.events("live/calls");
    let mut seen = 0;
    while Instant::now() < until {
        seen += watcher.next().1["calls"].as_array().map_or(0, Vec::len);
    }
    let more = (studio.rss() + server.rss()).saturating_sub(before);
    drop(deaf);
    let mut times: Vec<Duration> = calls.into_iter().flat_map(|call| call.join().unwrap()).collect();
    times.sort_unstable();
    let most = times[times.len() * 99 / 100];
    eprintln!("{} commands, 99 % in {most:?}; {more} KiB more; one who reads was told of {seen} changes", times.len());
    assert!(seen > 300, "{seen}");
    assert!(more < 16 * 1024, "{more} KiB more");
    assert!(most < Duration::from_millis(100), "{most:?}");
}

/// A call of a real Asterisk, seen, followed and ended.
#[test]
fn live_a_call_of_asterisk_is_seen_followed_and_ended() {
    let server = machine::Server::start(&[]);
    let script = "answer();\nlet key = wait_for_digit(60000);\nset_variable(\"KEY\", key);\nwait_for_digit(60000);";
    server.script("seen.rhai", script);
    let folder = Folder::new();
    let studio = Studio::of(&server.control(), &folder);
    let mut events = studio.events("live/calls");
    let call = Call::request(&server.url("seen.rhai"), &[]).caller_id("Ann <0301234>");
    let mut running = asterisk().call(call);
    running.wait_for("WAIT FOR DIGIT");
    let changes = events.until("changes", |value| value["calls"][0]["line"].as_u64().is_some_and(|line| line > 0));
    let whole = &changes["calls"][0];
    assert_eq!((&whole["caller"], &whole["name"]), (&json!("0301234"), &json!("Ann")), "{changes}");
    assert_eq!((&whole["script"], &whole["file"]), (&json!("seen.rhai"), &json!("seen.rhai")), "{changes}");
    assert_eq!(whole["channel"], running.channel(), "{changes}");
    let id = whole["id"].as_u64().unwrap();
    let mut dialogue = studio.events(&format!("live/calls/{id}"));
    std::thread::sleep(Duration::from_millis(300));
    running.press("7");
    assert_eq!(dialogue.until("line", |_| true), "< 200 result=••");
    dialogue.until("line", |line| line.as_str().unwrap().starts_with("> WAIT FOR DIGIT"));
    assert_eq!(studio.ask("DELETE", &format!("live/calls/{id}")).0, 200);
    let ending = running.wait_end();
    assert_eq!(ending.status, "HANGUP", "{ending:?}");
    assert_eq!(ending.variables["KEY"], "7");
    dialogue.until("over", |_| true);
    events.until("changes", |value| value["gone"][0] == id);
}
