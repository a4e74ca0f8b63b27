//! Servers that understand, by each of the protocols: good, slow, down, lying.

use super::stand_ins::{self, Serves, StandIn, event, vosk_for, web_for};
use super::{Called, Line};
use crate::http::backend::{Backend, read_request, response};
use crate::http::tls::Authority;
use crate::support::caller::{silence, vowel};
use crate::support::process::Folder;
use crate::support::server::wait_until;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tungstenite::{Message, WebSocket};

/// How long an engine may take from the end of the speech.
const TIMEOUT: Duration = Duration::from_secs(8);

/// What is to come of a bad engine.
#[derive(Clone, Copy)]
enum Comes {
    /// The script is told that it is unavailable, with this in the message.
    Failure(&'static str),
    /// There is an answer all the same.
    Answer(&'static str),
}

use Comes::{Answer, Failure};

/// A way to be bad; `None` means that nobody is there.
type Bad = (&'static str, Option<Serves>, Comes);

/// Reads until the other end hangs up.
fn hold(mut stream: impl Read) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).is_ok_and(|length| length > 0) {}
}

/// Sends this, and then nothing.
fn send(mut stream: TcpStream, bytes: impl AsRef<[u8]>) {
    let _ = stream.write_all(bytes.as_ref());
    hold(stream);
}

/// Sends this again and again, while nobody hangs up.
fn flood(mut stream: TcpStream, bytes: &[u8]) {
    let mut reader = stream.try_clone().unwrap();
    thread::spawn(move || hold(&mut reader));
    while stream.write_all(bytes).is_ok() {}
}

/// Keeps the connection and reads nothing.
fn freeze(stream: TcpStream) {
    thread::sleep(Duration::from_secs(60));
    drop(stream);
}

const ANY_PROTOCOL: [Bad; 5] = [
    ("down", None, Failure("")),
    ("hangs up at once", Some(drop), Failure("")),
    ("says nothing", Some(hold), Failure("no answer within 8 s")),
    ("reads nothing", Some(freeze), Failure("no answer within 8 s")),
    ("garbage", Some(|stream| send(stream, [0xff, 0, 0x1b, b'{', b'\n'].repeat(30_000))), Failure("")),
];

/// Answers this to the end of the sound, by Wyoming.
fn to_the_end(stream: TcpStream, answer: impl AsRef<[u8]>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while event(&mut reader).is_some_and(|(event, _)| event["type"] != "audio-stop") {}
    send(stream, answer);
}

const WYOMING: [Bad; 14] = [
    ("no text", Some(|s| to_the_end(s, "{\"type\":\"transcript\"}\n")), Failure("its `transcript` has no `text`")),
    ("a number", Some(|s| to_the_end(s, "{\"type\":\"transcript\",\"data\":{\"text\":5}}\n")), Failure("no `text`")),
    ("a list", Some(|s| to_the_end(s, "[]\n")), Failure("isn't Wyoming")),
    ("not JSON", Some(|s| to_the_end(s, "<html>\u{1b}[2J</html>\n")), Failure("isn't Wyoming")),
    ("deep", Some(|s| to_the_end(s, "[".repeat(60_000))), Failure("")),
    ("huge data", Some(|s| to_the_end(s, "{\"type\":\"transcript\",\"data_length\":9e15}\n")), Failure("too long")),
    ("huge sound", Some(|s| to_the_end(s, "{\"type\":\"x\",\"payload_length\":1048577}\n")), Failure("too long")),
    ("a negative length", Some(|s| to_the_end(s, "{\"type\":\"x\",\"payload_length\":-1}\n")), Failure("too long")),
    ("half an event", Some(|s| drop((s.try_clone().map(|mut s| s.write_all(b"{\"type\":\"tran")), s))), Failure("")),
    ("hangs up midway", Some(|s| drop(event(&mut BufReader::new(s)))), Failure("")),
    ("an endless line", Some(|s| flood(s, &[b' '; 1000])), Failure("isn't Wyoming")),
    ("endless events", Some(|s| flood(s, b"{\"type\":\"x\"}\n")), Failure("without end")),
    (
        "an error",
        Some(|s| to_the_end(s, "{\"type\":\"error\",\"data\":{\"text\":\"no \\u001b model\"}}\n")),
        Failure("the engine says: no \\u{1b} model"),
    ),
    (
        "escapes",
        Some(|s| to_the_end(s, "{\"type\":\"transcript\",\"data\":{\"text\":\" \\u0000oh\\u001b[31m\\r\\nwell\"}}\n")),
        Answer("speech 'oh [31m well' 1.0"),
    ),
];

/// Talks as Vosk's server: `answer` is asked at each message of sound, and at the end with `None`.
fn by_vosk(stream: TcpStream, mut answer: impl FnMut(&mut WebSocket<TcpStream>, bool) -> bool) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    while let Ok(message) = socket.read() {
        let goes_on = match message {
            Message::Binary(_) => answer(&mut socket, false),
            Message::Text(text) if text.contains("eof") => answer(&mut socket, true),
            _ => true,
        };
        if !goes_on {
            return;
        }
    }
}

/// Answers this to every message of Vosk's protocol.
fn to_all(stream: TcpStream, text: &str) {
    by_vosk(stream, |socket, _| socket.send(Message::text(text)).is_ok());
}

const VOSK: [Bad; 15] = [
    ("not a WebSocket", Some(|s| send(s, response("404 Not Found", "", "no"))), Failure("status 404")),
    ("hangs up after the greeting", Some(|s| drop(tungstenite::accept(s))), Failure("")),
    ("hangs up midway", Some(|s| by_vosk(s, |_, _| false)), Failure("")),
    ("hangs up at the end", Some(|s| by_vosk(s, |_, is_end| !is_end)), Failure("")),
    ("never answers", Some(|s| by_vosk(s, |_, _| true)), Failure("no answer within 8 s")),
    ("not JSON", Some(|s| to_all(s, "yes\0\u{1b}")), Failure("isn't Vosk's protocol")),
    ("a list", Some(|s| to_all(s, "[[]]")), Failure("isn't Vosk's protocol")),
    ("a number", Some(|s| to_all(s, "{\"text\":5}")), Failure("isn't Vosk's protocol")),
    ("an error", Some(|s| to_all(s, "{\"error\":\"no \\u001b model\"}")), Failure("the engine says: no \\u{1b} model")),
    ("a huge message", Some(|s| to_all(s, &format!("{{\"text\":\"{}\"}}", "a".repeat(70_000)))), Failure("")),
    (
        "endless guesses",
        Some(|s| {
            by_vosk(s, |socket, _| {
                loop {
                    if socket.send(Message::text("{\"partial\":\"yes\"}")).is_err() {
                        return false;
                    }
                }
            })
        }),
        Failure("without end"),
    ),
    (
        "endless texts",
        Some(|s| {
            let text = format!("{{\"text\":\"{}\"}}", "yes ".repeat(15_000));
            by_vosk(s, |socket, _| {
                loop {
                    if socket.send(Message::text(text.as_str())).is_err() {
                        return false;
                    }
                }
            });
        }),
        Failure("without end"),
    ),
    (
        "endless words",
        Some(|s| {
            let words = "{\"conf\":1},".repeat(5000);
            let text = format!("{{\"text\":\"a\",\"result\":[{words}1]}}");
            by_vosk(s, |socket, _| {
                loop {
                    if socket.send(Message::text(text.as_str())).is_err() {
                        return false;
                    }
                }
            });
        }),
        Answer("speech 'a a"),
    ),
    (
        "escapes",
        Some(|s| to_all(s, "{\"text\":\" \\u0000oh\\u001b[31m\\r\\nwell\",\"result\":5}")),
        Answer("speech 'oh [31m well"),
    ),
    (
        "an empty end",
        Some(|s| {
            by_vosk(s, |socket, is_end| {
                let text = if is_end { "{\"text\":\"\"}" } else { "{\"partial\":\"yes\"}" };
                socket.send(Message::text(text)).is_ok()
            })
        }),
        Answer("speech 'yes' 0.5"),
    ),
];

/// Answers a web request with these bytes.
fn to_request(stream: TcpStream, bytes: impl AsRef<[u8]>) {
    let _ = read_request(&mut BufReader::new(stream.try_clone().unwrap()));
    send(stream, bytes);
}

const CLOSE: &str = "connection: close\r\n";

const WEB: [Bad; 10] = [
    (
        "fails",
        Some(|s| to_request(s, response("500 Oh", CLOSE, "no\0\x1b model"))),
        Failure("status 500: no\\u{0}\\u{1b} model"),
    ),
    ("knows nobody", Some(|s| to_request(s, response("401 Who", CLOSE, ""))), Failure("status 401")),
    ("a page", Some(|s| to_request(s, response("200 OK", CLOSE, "<html>"))), Failure("isn't JSON")),
    ("no text", Some(|s| to_request(s, response("200 OK", CLOSE, "{\"txt\":\"yes\"}"))), Failure("no `text`")),
    ("a number", Some(|s| to_request(s, response("200 OK", CLOSE, "{\"text\":5}"))), Failure("no `text`")),
    ("half a body", Some(|s| to_request(s, "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")), Failure("within 8 s")),
    ("too much", Some(|s| to_request(s, response("200 OK", CLOSE, "a".repeat(70_000)))), Failure("larger than")),
    (
        "endless",
        Some(|s| {
            let mut reader = BufReader::new(s.try_clone().unwrap());
            let _ = read_request(&mut reader);
            let mut stream = s.try_clone().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            flood(s, format!("400\r\n{}\r\n", "a".repeat(1024)).as_bytes());
        }),
        Failure("larger than"),
    ),
    (
        "sends elsewhere",
        Some(|s| to_request(s, response("307 Go", "connection: close\r\nlocation: http://192.0.2.1/\r\n", ""))),
        Failure("192.0.2.1"),
    ),
    (
        "escapes",
        Some(|s| to_request(s, response("200 OK", CLOSE, "{\"text\":\" \\u0000oh\\u001b[31m\\r\\nwell\"}"))),
        Answer("speech 'oh [31m well' 1.0"),
    ),
];

/// A voice, and silence behind it.
fn utterance() -> Vec<i16> {
    [silence(200), vowel(600), silence(1000)].concat()
}

#[track_caller]
fn comes(name: &str, called: &Called, what: Comes) {
    let Called { said, took } = called;
    // The command that says it has escapes of its own.
    let said = said.replace("\\\\", "\\");
    match what {
        Failure(why) => {
            assert!(said.starts_with("unavailable: listen: ") && said.contains(why), "{name}: {called:?}");
        }
        Answer(answer) => assert!(said.starts_with(answer), "{name}: {called:?}"),
    }
    assert!(!said.contains(char::is_control), "{name}: {called:?}");
    assert!(*took < Duration::from_secs(30), "{name}: {called:?}");
}

/// Each bad server is asked for a call whose caller speaks, and for one who presses a key meanwhile; then it is well.
#[test]
fn bad_engines_cost_nobody_anything() {
    let protocols: [(&str, Serves, &str, Vec<Bad>); 3] = [
        ("tcp://", stand_ins::wyoming, "", WYOMING.to_vec()),
        ("ws://", |stream| stand_ins::vosk(stream), "", VOSK.to_vec()),
        ("http://", |stream| stand_ins::web(stream), "/v1", WEB.to_vec()),
    ];
    let mut engines = String::new();
    let mut bad = Vec::new();
    for (scheme, good, path, own) in protocols {
        for (name, serves, what) in ANY_PROTOCOL.into_iter().chain(own) {
            let stand_in = StandIn::start(good, serves);
            // Each has a language of its own. They begin like English, since that is what engines are told.
            let language = format!("en_{}", bad.len());
            engines += &format!(
                "[speech.stt.bad{}]\nurl = \"{scheme}{}{path}\"\nlanguages = [\"{language}\"]\ntimeout = \"{}s\"\n",
                bad.len(),
                stand_in.address,
                TIMEOUT.as_secs()
            );
            bad.push((format!("{scheme} {name}"), language, stand_in, what));
        }
    }
    let listens = super::LISTENS.replace("@OPTIONS@", "words: [\"yes\", \"no\"]");
    let waits = listens.replace("0.3", "12");
    let mut line = Line::with(&engines, &[("listens", listens), ("waits", waits)]);
    let before = line.server.rss();
    let errors: Vec<()> = thread::scope(|scope| {
        let line = &line;
        let calls: Vec<_> = bad
            .iter_mut()
            .map(|(name, language, stand_in, what)| {
                scope.spawn(move || {
                    comes(name, &line.says(language, &utterance()), *what);
                    // It is asked as soon as the caller begins to speak, unless it gets all at the end.
                    let asked = stand_in.asked().filter(|_| !name.starts_with("http"));
                    let key = line.call_of("waits", language, |caller| {
                        caller.says(&vowel(600));
                        wait_until("it is asked", || asked.is_none_or(|asked| stand_in.asked() > Some(asked)));
                        thread::sleep(Duration::from_millis(20));
                        caller.presses(b'1');
                    });
                    assert_eq!(key.said, "key '1' 0.0", "{name}");
                    stand_in.be_well();
                    let well = line.says(language, &utterance());
                    assert!(well.said.starts_with("speech 'yes'"), "{name}: {well:?}");
                })
            })
            .collect();
        calls.into_iter().filter_map(|call| call.join().err()).map(drop).collect()
    });
    assert!(errors.is_empty(), "{} engines, see above", errors.len());
    line.server.check_well();
    let grown = line.server.peak_rss().saturating_sub(before);
    assert!(grown < 128 * 1024, "{grown} KiB more");
}

#[test]
fn the_library_of_wyoming_hears_all_sound() {
    let Some(server) = crate::speech::wyoming_server() else { return };
    let engine = format!("[speech.stt.server]\nurl = \"tcp://127.0.0.1:{}\"\ntimeout = \"20s\"\n", server.port);
    let called = Line::new(&engine, "").says("de_AT", &utterance());
    // The voice, what the detector needed to be sure, and the silence that ends it.
    let seconds = called.said.strip_prefix("speech '").and_then(|said| said.strip_suffix(" seconds in de' 1.0"));
    let seconds: f64 = seconds.unwrap_or_else(|| panic!("{called:?} {}", server.log())).parse().unwrap();
    assert!((0.8..1.6).contains(&seconds), "{called:?}");
}

#[test]
fn a_key_counts_while_an_engine_is_awaited() {
    let stand_in = StandIn::start(stand_ins::wyoming, Some(hold));
    let engine = format!("[speech.stt.slow]\nurl = \"tcp://{}\"\ntimeout = \"20s\"\n", stand_in.address);
    let line = Line::new(&engine, "");
    let called = line.call("en", |caller| {
        caller.says(&utterance());
        wait_until("it is asked", || stand_in.asked() > Some(0));
        thread::sleep(Duration::from_millis(100));
        caller.presses(b'5');
        caller.presses(b'1');
    });
    assert_eq!(called.said, "key '1' 0.0");
    assert!(called.took < Duration::from_secs(15), "{called:?}");
}

/// What it says makes no difference: an engine that doesn't understand is left alone for a while.
#[test]
fn an_engine_that_only_lies_is_not_asked_any_more() {
    let lies: Serves = |stream| to_the_end(stream, "[]\n");
    let stand_in = StandIn::start(stand_ins::wyoming, Some(lies));
    let line = Line::new(&format!("[speech.stt.liar]\nurl = \"tcp://{}\"\n", stand_in.address), "");
    for _ in 0..5 {
        comes("lies", &line.says("en", &utterance()), Failure("isn't Wyoming"));
    }
    comes("more lies", &line.says("en", &utterance()), Failure("failed several times in a row"));
    assert_eq!(stand_in.asked(), Some(5));
}

/// Serves with TLS.
fn tls(authority: &Authority, serve: fn(StreamOwned<ServerConnection, TcpStream>)) -> Backend {
    let folder = Folder::new();
    authority.issue_to(&folder);
    let certificate = CertificateDer::from_pem_file(folder.path("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.path("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    Backend::accepting(move |stream| {
        serve(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream));
    })
}

#[test]
fn servers_with_tls_and_tokens_understand() {
    let authority = Authority::new();
    let folder = Folder::new();
    let token = folder.file("token", "s3cret\n");
    let web = tls(&authority, |stream| web_for(stream, Some("s3cret")));
    let vosk = tls(&authority, |stream| vosk_for(stream, Some("s3cret")));
    let engine = |name: &str, url: &str, more: &str| format!("[speech.stt.{name}]\nurl = \"{url}\"\n{more}\n");
    let trusts = format!("ca_file = \"{}\"\ntoken_file = \"{token}\"\n", authority.file);
    let (web, vosk) = (web.address.port(), vosk.address.port());
    let engines = [
        engine("web", &format!("https://localhost:{web}/v1"), &format!("{trusts}languages = [\"en\"]")),
        engine("vosk", &format!("wss://localhost:{vosk}/"), &format!("{trusts}languages = [\"en_VOSK\"]")),
        engine("web2", &format!("https://localhost:{web}/v1"), "languages = [\"en_WEB\"]"),
        engine("vosk2", &format!("wss://localhost:{vosk}/"), "languages = [\"en_VOSK2\"]"),
    ];
    let line = Line::new(&engines.concat(), "words: [\"yes\", \"no\"]");
    assert_eq!(line.says("en", &utterance()).said, "speech 'yes' 1.0");
    assert_eq!(line.says("en_VOSK", &utterance()).said, "speech 'yes' 0.75");
    for language in ["en_WEB", "en_VOSK2"] {
        let called = line.says(language, &utterance());
        comes(language, &called, Failure("`ca_file`"));
    }
    assert!(!line.server.log().contains("s3cret"));
}
