//! Servers that are sick, hostile or gone: each request ends in time, with the right kind of error, and takes no more
//! memory than an answer may.
#![expect(clippy::disallowed_methods, reason = "servers live in real time")]

use super::backend::{Backend, read_request, response};
use super::{Answer, ask, services};
use crate::support::asterisk::free_address;
use crate::support::process::Folder;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The deadline of the service, and how late an answer may be on a busy machine.
const DEADLINE: Duration = Duration::from_millis(700);
const LATE: Duration = Duration::from_millis(2500);

fn at(address: impl std::fmt::Display, more: &str) -> agi_rhai::service::Services {
    services(&format!("[http.api]\nurl = \"http://{address}/v2/\"\ntimeout = \"{}ms\"\n{more}", DEADLINE.as_millis()))
}

/// Asks a server that writes this to each connection after it has read the request, and again and again.
#[track_caller]
fn ask_of(serve: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Answer {
    let backend = Backend::accepting(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        if read_request(&mut reader).is_some() {
            // It fails when the client has had enough.
            let _ = serve(&mut stream);
        }
    });
    let answer = ask(&at(backend.address, ""), r#"http_get("api", "a")"#);
    backend.wait_closed(LATE);
    answer
}

/// Writes a beginning, and then the same thing for ever.
fn endless(begin: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> impl Fn(&mut TcpStream) -> std::io::Result<()> {
    let (begin, again) = (begin.into(), again.into());
    move |stream| {
        stream.write_all(&begin)?;
        loop {
            stream.write_all(&again)?;
        }
    }
}

/// Writes provisional answers without end, as fast as it can.
fn informs(line: &str) -> impl Fn(&mut TcpStream) -> std::io::Result<()> + use<> {
    endless("", line.repeat(1000))
}

/// Writes this and closes the connection, after the client has closed its end if `waits`.
fn once(bytes: impl Into<Vec<u8>>, waits: bool) -> impl Fn(&mut TcpStream) -> std::io::Result<()> {
    let bytes = bytes.into();
    move |stream| {
        stream.write_all(&bytes)?;
        if waits {
            std::io::copy(stream, &mut std::io::sink())?;
        }
        Ok(())
    }
}

#[test]
fn an_answer_may_be_as_large_as_max_body_and_no_larger() {
    let head = "HTTP/1.1 200 OK\r\n";
    let max = 256 * 1024;
    let exact = Backend::answers(response("200 OK", "", "a".repeat(max)));
    let answer = ask(&at(exact.address, ""), r#"http_get("api", "a").body.len"#);
    assert_eq!(answer.value, max);
    let words = ["GET a of `api`: its answer is larger than the 262144 bytes of `max_body`"];
    let more = "a".repeat(max + 1);
    ask_of(once(response("200 OK", "", &more), true)).fails("failed", &words, LATE);
    // It says at once that it will be 10 GB.
    let huge = format!("{head}content-length: 10000000000\r\n\r\n");
    ask_of(endless(huge, vec![b'a'; 65536])).fails("failed", &words, DEADLINE);
    ask_of(endless(format!("{head}\r\n"), vec![b'a'; 65536])).fails("failed", &words, LATE);
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(65536));
    ask_of(endless(format!("{head}transfer-encoding: chunked\r\n\r\n"), chunk)).fails("failed", &words, LATE);
    let small = Backend::answers(response("200 OK", "", "12345"));
    let services = at(small.address, "max_body = \"4B\"");
    ask(&services, r#"http_get("api", "a")"#).fails("failed", &["larger than the 4 bytes"], LATE);
}

#[test]
fn one_byte_at_a_time_ends_at_the_deadline() {
    let drip = |begin: &'static str| {
        move |stream: &mut TcpStream| {
            stream.write_all(begin.as_bytes())?;
            loop {
                stream.write_all(b"a")?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    for begin in ["", "HTTP/1.1 200 OK\r\nx-", head] {
        let answer = ask_of(drip(begin));
        if begin.is_empty() {
            // No answer of HTTP begins so, which is seen at once.
            answer.fails("failed", &["isn't HTTP"], DEADLINE);
        } else {
            answer.fails("unavailable", &["0.7 s"], LATE);
            assert!(answer.took >= DEADLINE, "{answer:?}");
        }
    }
}

#[test]
fn a_server_that_never_answers_ends_at_the_deadline_of_the_script() {
    let silent = Backend::accepting(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let services = at(silent.address, "");
    let answer = ask(&services, r#"http_get("api", "a", #{ timeout: 0.2 })"#);
    answer.fails("unavailable", &["`http.api` gave no answer within 0.2 s"], DEADLINE);
    silent.wait_closed(LATE);
    // One that doesn't even accept.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let answer = ask(&at(full.local_addr().unwrap(), ""), r#"http_get("api", "a")"#);
    answer.fails("unavailable", &["0.7 s"], LATE);
}

#[test]
fn too_many_or_too_large_headers_end_the_request() {
    let head = "HTTP/1.1 200 OK\r\n";
    let many: String = (0..10_000).map(|n| format!("x-{n}: a\r\n")).collect();
    let words = ["too many or too large headers"];
    ask_of(once(format!("{head}{many}content-length: 0\r\n\r\n"), true)).fails("failed", &words, LATE);
    let large = format!("{head}x-a: {}\r\ncontent-length: 0\r\n\r\n", "a".repeat(1024 * 1024));
    ask_of(once(large, true)).fails("failed", &words, LATE);
    ask_of(endless(head, "x-a: b\r\n")).fails("failed", &words, LATE);
    ask_of(endless(format!("{head}x-a: "), vec![b'a'; 4096])).fails("failed", &words, LATE);
    // Trailers are headers too.
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n");
    ask_of(endless(chunked, "x-a: b\r\n")).fails("failed", &["can't be read"], LATE);
}

#[test]
fn what_never_comes_to_an_end_ends_at_the_deadline() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    ask_of(endless(format!("{chunked}1;"), "a=b;")).fails("failed", &["can't be read"], LATE);
    let small = "1;a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n";
    ask_of(endless(chunked, small)).fails("failed", &[], LATE);
}

#[test]
fn provisional_answers_without_end_end_the_request_at_once() {
    for line in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"] {
        ask_of(informs(line)).fails("failed", &["provisional answers without end"], LATE);
    }
    // Some servers send a few.
    let some = "HTTP/1.1 102 Processing\r\n\r\n".repeat(50) + "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell";
    let backend = Backend::answers(some);
    assert_eq!(ask(&at(backend.address, ""), r#"http_get("api", "a").body"#).value, "well");
}

/// Whatever a server sends, and however fast, requests to others are answered meanwhile.
#[test]
fn a_flood_makes_nobody_else_wait() {
    let good = Backend::answers(response("200 OK", "", "well"));
    let floods = [
        backend_of(informs("HTTP/1.1 100 Continue\r\n\r\n")),
        backend_of(endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n".repeat(1000))),
        backend_of(endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'a'; 65536])),
    ];
    let table = |name: &str, backend: &Backend| format!("[http.{name}]\nurl = \"http://{}/\"\n", backend.address);
    let mut settings = table("good", &good) + "timeout = \"20s\"\n";
    for (n, flood) in floods.iter().enumerate() {
        settings += &(table(&format!("flood{n}"), flood) + "max_body = \"64MiB\"\n");
    }
    let services = services(&settings);
    let ends = std::sync::atomic::AtomicBool::new(false);
    let mut took: Vec<Duration> = Vec::new();
    std::thread::scope(|scope| {
        for n in 0..floods.len() {
            let (services, ends) = (&services, &ends);
            scope.spawn(move || {
                while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                    ask(services, &format!("http_get(\"flood{n}\", \"a\")"));
                }
            });
        }
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..100 {
            let answer = ask(&services, r#"http_get("good", "a").body"#);
            assert_eq!(answer.value, "well");
            took.push(answer.took);
        }
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    took.sort_unstable();
    eprintln!("during floods, half of the requests take {:?}, 98 of 100 at most {:?}", took[50], took[98]);
    // It was more than a second when one connection was read for as long as it had something.
    assert!(took[98] < Duration::from_millis(500), "{took:?}");
}

#[test]
fn nonsense_is_no_answer() {
    for nonsense in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail.example.net ESMTP\r\n",
        "<html>an answer as of HTTP/0.9</html>",
        "HTTP/1.1 OK 200\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "\x15\x03\x03\x00\x02\x02\x0a\r\n",
        "\x1b[2J\x1b]0;owned\x07\r\n",
    ] {
        ask_of(once(nonsense, true)).fails("failed", &["what it answers isn't HTTP"], LATE);
    }
    for (body, words) in [
        ("transfer-encoding: chunked\r\n\r\nxyz\r\n", "can't be read"),
        ("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "can't be read"),
        ("content-encoding: gzip\r\ncontent-length: 5\r\n\r\nabcde", "can't be read"),
    ] {
        ask_of(once(format!("HTTP/1.1 200 OK\r\n{body}"), true)).fails("failed", &[words], LATE);
    }
}

#[test]
fn an_answer_that_breaks_off_is_unavailable() {
    for begun in [
        "",
        "HT",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        ask_of(once(begun, false)).fails("unavailable", &["broke the connection off"], LATE);
    }
    // Packed, and cut off in the middle.
    let packed = gzip(&"abc".repeat(10_000));
    let half = response("200 OK", "content-encoding: gzip\r\n", &packed[..packed.len() / 2]);
    ask_of(once(half, true)).fails("unavailable", &["broke the connection off"], LATE);
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let address = free_address();
    let words = ["GET a of `api`", &format!("nothing listens at {address}")];
    ask(&at(address, ""), r#"http_get("api", "a")"#).fails("unavailable", &words, LATE);
    let words = ["the name in nowhere.invalid:80 isn't found"];
    let services = services("[http.api]\nurl = 'http://nowhere.invalid/'\ntimeout = '30s'");
    ask(&services, r#"http_get("api", "a")"#).fails("unavailable", &words, Duration::from_secs(30));
}

/// After several failures in a row, nobody waits any more; when the server answers again, so does the service.
#[test]
fn a_server_that_is_killed_and_comes_back_is_asked_again() {
    let silent = Backend::accepting(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let services = at(silent.address, "");
    for _ in 0..5 {
        ask(&services, r#"http_get("api", "a", #{ timeout: 0.05 })"#).fails("unavailable", &["0.05 s"], LATE);
    }
    let answer = ask(&services, r#"http_get("api", "a", #{ timeout: 10 })"#);
    answer.fails("unavailable", &["`http.api` has failed several times in a row", "nothing was sent"], DEADLINE);
    let connections = silent.accepted();
    assert!(connections <= 5, "{connections} connections");
}

/// A connection that the server has closed while nobody used it isn't used again.
#[test]
fn a_kept_connection_that_was_closed_costs_no_request() {
    let backend = Backend::start(|stream, _| {
        let _ = stream.write_all(&response("200 OK", "", "well"));
        false
    });
    let services = at(backend.address, "");
    for _ in 0..5 {
        assert_eq!(ask(&services, r#"http_get("api", "a").body"#).value, "well");
        backend.wait_closed(LATE);
        // The client is told at once, and takes note of it when its thread gets the processor.
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(backend.accepted(), 5);
}

/// A server may close a connection that it has kept at any moment, so also just when a request is on its way. What
/// changes nothing is sent again then. What may have been done is not.
#[test]
fn a_kept_connection_that_is_closed_while_a_request_is_sent_costs_no_get_and_repeats_no_post() {
    let requests = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&requests);
    let backend = Backend::accepting(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for answers in [true, false] {
            let Some(request) = read_request(&mut reader) else { return };
            let path = request.split(' ').nth(1).unwrap().to_owned();
            let is_fatal = path.ends_with("/fatal");
            seen.lock().unwrap().push(path);
            if !answers || is_fatal || stream.write_all(&response("200 OK", "", "well")).is_err() {
                return;
            }
        }
    });
    let services = at(backend.address, "");
    let get = |path: &str| ask(&services, &format!("http_get(\"api\", \"{path}\")"));
    assert_eq!(get("one").value["body"], "well");
    assert_eq!(get("two").value["body"], "well");
    let lost = ask(&services, r#"http_post("api", "three", "body")"#);
    lost.fails("unavailable", &["broke the connection off"], LATE);
    // On a new connection, it isn't the time that it was kept.
    get("fatal").fails("unavailable", &["broke the connection off"], LATE);
    assert_eq!(*requests.lock().unwrap(), ["/v2/one", "/v2/two", "/v2/two", "/v2/three", "/v2/fatal"]);
}

/// Packs a text with the program `gzip`.
fn gzip(text: &str) -> Vec<u8> {
    let mut child = Command::new("gzip").arg("-c9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, text) = (child.stdin.take().unwrap(), text.to_owned());
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let packed = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap().unwrap();
    packed
}

#[test]
fn a_packed_answer_is_unpacked_within_max_body() {
    let text = "well ".repeat(10_000);
    let backend = Backend::answers(response("200 OK", "content-encoding: gzip\r\n", gzip(&text)));
    let answer = ask(&at(backend.address, ""), r#"http_get("api", "a")"#);
    assert_eq!(answer.value["body"], text);
    let bomb = Backend::answers(response("200 OK", "content-encoding: gzip\r\n", gzip(&"\0".repeat(100_000_000))));
    let answer = ask(&at(bomb.address, ""), r#"http_get("api", "a")"#);
    answer.fails("failed", &["larger than the 262144 bytes"], LATE);
}

/// The most memory that a process of its own has used for one request, in KiB, and what the script got.
fn memory_of(backend: &Backend, settings: &str) -> (u64, String) {
    let folder = Folder::new();
    let settings = format!("[http.api]\nurl = \"http://{}/\"\n{settings}", backend.address);
    let config = folder.file("agi-rhai.toml", settings);
    let script = "let got = \"\"; try { http_get(\"api\", \"a\"); } catch (error) { got = error.kind; } verbose(got);";
    let script = folder.file("ask.rhai", script);
    let mut command = crate::support::process::agi_rhai(["--config", &config, &script]);
    let mut process = crate::support::process::Process::call(&mut command);
    let line = process.line().expect("it says what it got");
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    process.send("200 result=1\n");
    process.end_with(|_| Some("200 result=1\n".to_owned()));
    (peak.trim().trim_end_matches(" kB").parse().unwrap(), line)
}

#[test]
fn a_hostile_answer_takes_little_memory() {
    let good = Backend::answers(response("200 OK", "", "well"));
    let (usual, said) = memory_of(&good, "");
    assert_eq!(said, r#"VERBOSE "" 1"#);
    let head = "HTTP/1.1 200 OK\r\n";
    let zeros = gzip(&"\0".repeat(200_000_000));
    let hostile: [(&str, Backend); 5] = [
        ("a zip bomb", Backend::answers(response("200 OK", "content-encoding: gzip\r\n", zeros))),
        ("an endless answer", backend_of(endless(format!("{head}\r\n"), vec![b'a'; 65536]))),
        ("endless headers", backend_of(endless(head, "x-a: b\r\n"))),
        ("an endless header", backend_of(endless(format!("{head}x-a: "), vec![b'a'; 65536]))),
        ("endless 1xx", backend_of(informs("HTTP/1.1 100 Continue\r\n\r\n"))),
    ];
    for (what, backend) in hostile {
        let began = Instant::now();
        let (peak, said) = memory_of(&backend, "timeout = '700ms'");
        assert!(said.contains("failed") || said.contains("unavailable"), "{what}: {said}");
        assert!(began.elapsed() < Duration::from_secs(10), "{what}: {:?}", began.elapsed());
        assert!(peak < usual + 4096, "{what}: {peak} KiB, and {usual} KiB for a small answer");
        eprintln!("{what}: {peak} KiB, and {usual} KiB for a small answer");
    }
}

fn backend_of(serve: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Backend {
    Backend::accepting(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        if read_request(&mut reader).is_some() {
            let _ = serve(&mut stream);
        }
    })
}
