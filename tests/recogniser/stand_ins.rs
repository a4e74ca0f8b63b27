//! Stand-ins for servers that understand: a good one of each protocol.

use crate::http::backend::{read_request, response};
use crate::support::asterisk::free_address;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use tungstenite::Message;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// What happens on a connection.
pub type Serves = fn(TcpStream);

/// A server that behaves badly until it is told to be well.
pub struct StandIn {
    pub address: SocketAddr,
    is_well: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    good: Serves,
    listens: bool,
}

impl StandIn {
    /// Starts a server. Without a way to be bad, it isn't there until it is well.
    pub fn start(good: Serves, bad: Option<Serves>) -> Self {
        // One that no connection gets meanwhile, if it isn't there yet.
        let address = free_address();
        let listener = TcpListener::bind(address).unwrap();
        let mut stand_in = Self { address, is_well: Arc::default(), asked: Arc::default(), good, listens: false };
        if let Some(bad) = bad {
            stand_in.listen(listener, bad);
        }
        stand_in
    }

    fn listen(&mut self, listener: TcpListener, bad: Serves) {
        self.listens = true;
        let (is_well, asked, good) = (Arc::clone(&self.is_well), Arc::clone(&self.asked), self.good);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                asked.fetch_add(1, SeqCst);
                let serve = if is_well.load(SeqCst) { good } else { bad };
                thread::spawn(move || serve(stream));
            }
        });
    }

    /// Has it behave well.
    pub fn be_well(&mut self) {
        self.is_well.store(true, SeqCst);
        if !self.listens {
            let (listener, good) = (TcpListener::bind(self.address).unwrap(), self.good);
            self.listen(listener, good);
        }
    }

    /// Returns how often somebody has connected; nothing if nobody can.
    pub fn asked(&self) -> Option<usize> {
        self.listens.then(|| self.asked.load(SeqCst))
    }
}

/// Says what is wrong with a request, in the place of the text.
macro_rules! expect {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// An event of Wyoming: its header with all its data, and its sound.
pub fn event(reader: &mut impl BufRead) -> Option<(Value, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut header: Value = serde_json::from_str(&line).ok()?;
    let mut part = |name: &str| {
        let mut bytes = vec![0; usize::try_from(header[name].as_u64().unwrap_or(0)).ok()?];
        reader.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let (data, sound) = (part("data_length")?, part("payload_length")?);
    if !data.is_empty() {
        header["data"] = serde_json::from_slice(&data).ok()?;
    }
    Some((header, sound))
}

/// Understands "yes" by the Wyoming protocol, as `wyoming-faster-whisper` does.
pub fn wyoming(mut stream: TcpStream) {
    let hears = |stream: &TcpStream| {
        let mut reader = BufReader::new(stream);
        let format = json!({ "rate": 16000, "width": 2, "channels": 1 });
        let (mut kinds, mut sound) = (Vec::new(), 0);
        while kinds.last().is_none_or(|kind| kind != "audio-stop") {
            let (event, part) = event(&mut reader).ok_or("it hangs up")?;
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            match kind.as_str() {
                "transcribe" => expect!(event["data"]["language"].is_string(), "{event}"),
                "audio-start" => expect!(event["data"] == format, "{event}"),
                "audio-chunk" => {
                    expect!(event["data"] == format && part.len() % 2 == 0 && !part.is_empty(), "{event}");
                    sound += part.len();
                }
                _ => {}
            }
            kinds.push(kind);
        }
        kinds.dedup();
        expect!(kinds == ["transcribe", "audio-start", "audio-chunk", "audio-stop"], "{kinds:?}");
        expect!(sound > 16_000, "{sound} bytes of sound");
        Ok::<_, String>("Yes.".to_owned())
    };
    let text = hears(&stream).unwrap_or_else(|wrong| wrong);
    let data = json!({ "text": text, "language": "en" }).to_string();
    // As its library writes it: the data stands behind the header.
    let header = json!({ "type": "transcript", "version": "1.5.4", "data_length": data.len() });
    let _ = write!(stream, "{header}\n{data}");
}

/// Understands "yes" as Vosk's server does.
pub fn vosk(stream: impl Read + Write) {
    vosk_for(stream, None);
}

/// Does the same for whoever shows this token.
pub fn vosk_for(stream: impl Read + Write, token: Option<&str>) {
    #[expect(clippy::result_large_err, reason = "the form that the library asks for")]
    let check = |request: &Request, response: Response| {
        let told = request.headers().get("authorization").and_then(|told| told.to_str().ok());
        let is_known = token.is_none_or(|token| told == Some(&format!("Bearer {token}")));
        if is_known { Ok(response) } else { Err(ErrorResponse::new(None)) }
    };
    let Ok(mut socket) = tungstenite::accept_hdr(stream, check) else { return };
    let mut config = Value::Null;
    let mut sound = 0;
    while let Ok(message) = socket.read() {
        match message {
            Message::Text(text) if text.contains("config") => {
                config = serde_json::from_str::<Value>(&text).unwrap_or_default()["config"].take();
            }
            Message::Text(text) if text.as_str() == r#"{"eof" : 1}"# => {
                let hears = || {
                    expect!(config["sample_rate"] == 8000 && config["words"] == true, "{config}");
                    expect!(config["phrase_list"] == json!(["yes", "no", "[unk]"]), "{config}");
                    expect!(sound > 8_000, "{sound} bytes of sound");
                    Ok::<_, String>("yes".to_owned())
                };
                let text = hears().unwrap_or_else(|wrong| wrong);
                let word = |word: &str| json!({ "conf": 0.75, "start": 0.1, "end": 0.3, "word": word });
                let answer = json!({ "result": [word(&text)], "text": text });
                let _ = socket.send(Message::text(answer.to_string()));
                let _ = socket.close(None);
            }
            Message::Binary(part) => {
                sound += part.len();
                let _ = socket.send(Message::text(r#"{ "partial" : "" }"#));
            }
            _ => {}
        }
    }
}

/// Understands "yes" by the web API of OpenAI.
pub fn web(stream: impl Read + Write) {
    web_for(stream, None);
}

/// Does the same for whoever shows this token.
pub fn web_for(stream: impl Read + Write, token: Option<&str>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let hears = || {
            expect!(request.starts_with("POST /v1/audio/transcriptions HTTP/1.1\r\n"), "{:.100}", request);
            let lower = request.to_ascii_lowercase();
            let told = token.is_none_or(|token| lower.contains(&format!("authorization: bearer {token}\r\n")));
            expect!(told, "no token");
            let boundary =
                lower.split("multipart/form-data; boundary=").nth(1).and_then(|rest| rest.split('\r').next());
            let boundary = boundary.ok_or("no boundary")?;
            let body = request.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
            let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
            let [before, parts @ .., end] = parts.as_slice() else { return Err("no parts".to_owned()) };
            expect!(before.is_empty() && *end == "--\r\n", "{before:?} {end:?}");
            let expected = [
                ("model", "whisper-1"),
                ("response_format", "json"),
                ("language", "en"),
                ("prompt", "yes, no"),
                ("file", "RIFF"),
            ];
            expect!(parts.len() == expected.len(), "{} parts", parts.len());
            for (part, (name, value)) in parts.iter().zip(expected) {
                let (head, content) = part.split_once("\r\n\r\n").unwrap_or_default();
                expect!(head.contains(&format!("name=\"{name}\"")) && content.starts_with(value), "{head}: no {name}");
                let is_file = head.contains("filename=\"caller.wav\"") && head.contains("Content-Type: audio/wav");
                expect!(name != "file" || is_file && content.len() > 16_000, "{head}");
            }
            Ok::<_, String>("Yes.".to_owned())
        };
        let text = hears().unwrap_or_else(|wrong| wrong);
        let answer = response("200 OK", "content-type: application/json\r\n", json!({ "text": text }).to_string());
        if stream.get_mut().write_all(&answer).is_err() {
            return;
        }
    }
}
