//! Servers of Vosk, which understand while the caller speaks.

use super::sound::{bytes, piece};
use super::transcript::{Expected, MAX_MESSAGES, Transcript, said, talk};
use crate::audio::RATE;
use crate::service::settings::SttSettings;
use crate::service::settings::values::Secret;
use crate::service::tls;
use crate::transport::Failure;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, connect_async_tls_with_config};

/// The largest message of a server.
const MAX_MESSAGE: usize = 64 * 1024;
/// How much of a message is received at a time.
const BUFFER: usize = 4 * 1024;
/// What Vosk answers for words that aren't expected.
const UNKNOWN: &str = "[unk]";
/// How sure an engine is of a text that it guessed while the caller spoke and then said no more about.
const GUESSED: f64 = 0.5;

/// A server of Vosk.
#[derive(Debug)]
pub(crate) struct VoskEngine {
    request: Request,
    is_encrypted: bool,
    /// Certificates to trust, as PEM.
    ca: Option<Secret>,
    /// Made at the first request, since it reads the certificates of the system.
    connector: OnceCell<Arc<rustls::ClientConfig>>,
}

/// What a server was sent so far.
#[derive(Debug, Default)]
struct Sent {
    /// The messages that it answers.
    messages: AtomicUsize,
    /// Whether that is all.
    is_all: AtomicBool,
}

/// What a server has said so far.
#[derive(Debug, Default)]
struct Heard {
    /// What was said, a word or a sentence in each.
    texts: Vec<String>,
    /// The confidences of all words together, and how many words that are.
    confidence: (f64, u32),
    /// The newest guess at what the caller is saying.
    partial: String,
    /// How many answers there were; there is one for each piece of sound, and one for the end.
    answers: usize,
}

impl VoskEngine {
    /// Creates a client of a server.
    ///
    /// # Errors
    /// Its address or its token is wrong. The message holds neither.
    pub fn new(own: &SttSettings, url: &str) -> Result<Self, Failure> {
        let wrong = || Failure::argument("`url` isn't the address of a Vosk server, such as `ws://127.0.0.1:2700`");
        let mut request = url.into_client_request().map_err(|_| wrong())?;
        let authority = request.uri().authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(Failure::argument(
                "`url` holds a user, and a Vosk server takes none: `token_file` names a token",
            ));
        }
        if authority.port_u16() == Some(0) || authority.as_str().ends_with(':') {
            return Err(wrong());
        }
        if let Some(Secret(token)) = &own.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Failure::argument("the token can't be sent: it is one line of text"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let is_encrypted = request.uri().scheme_str() == Some("wss");
        Ok(Self { request, is_encrypted, ca: own.ca.clone(), connector: OnceCell::new() })
    }

    /// Has the server hear what a caller says while the caller speaks.
    pub async fn recognise(
        &self,
        expected: &Expected,
        mut sound: UnboundedReceiver<Vec<i16>>,
    ) -> Result<Transcript, Failure> {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let connector = if self.is_encrypted {
            Connector::Rustls(Arc::clone(self.connector.get_or_try_init(|| self.trusted()).await?))
        } else {
            Connector::Plain
        };
        let connecting = connect_async_tls_with_config(self.request.clone(), Some(config), true, Some(connector));
        let (socket, _) = connecting.await.map_err(failed)?;
        let (mut writer, mut reader) = socket.split();
        let sent = Sent::default();
        let sending = send(&mut writer, expected, &mut sound, &sent);
        let heard = talk(sending, receive(&mut reader, &sent)).await?;
        heard.transcript()
    }

    async fn trusted(&self) -> Result<Arc<rustls::ClientConfig>, Failure> {
        let ca = self.ca.clone();
        let config = move || tls::config(ca.as_ref().map(|Secret(pem)| pem.as_str()));
        let lost = |_| Err(Failure::unavailable("no thread to read certificates"));
        tokio::task::spawn_blocking(config).await.unwrap_or_else(lost).map(Arc::new)
    }
}

/// Sends what is expected, all sound, and its end.
async fn send(
    socket: &mut (impl Sink<Message, Error = Error> + Unpin),
    expected: &Expected,
    sound: &mut UnboundedReceiver<Vec<i16>>,
    sent: &Sent,
) -> Result<(), Failure> {
    let mut config = json!({ "sample_rate": RATE, "words": true });
    if !expected.words.is_empty() {
        let words = expected.words.iter().map(|word| word.to_lowercase());
        config["phrase_list"] = words.chain([UNKNOWN.to_owned()]).collect();
    }
    socket.send(Message::text(json!({ "config": config }).to_string())).await.map_err(failed)?;
    while let Some(piece) = piece(sound).await {
        sent.messages.fetch_add(1, Relaxed);
        socket.send(Message::binary(bytes(&piece))).await.map_err(failed)?;
    }
    // Before they are sent: the answer may be as quick.
    sent.messages.fetch_add(1, Relaxed);
    sent.is_all.store(true, Relaxed);
    // Vosk's own server compares the text, blanks and all.
    socket.send(Message::text(r#"{"eof" : 1}"#)).await.map_err(failed)
}

/// Receives until the server has answered to the end, or closes the connection after an answer.
async fn receive(
    socket: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    sent: &Sent,
) -> Result<Heard, Failure> {
    let mut heard = Heard::default();
    let mut surplus = 0;
    while surplus < MAX_MESSAGES {
        let message = socket.next().await;
        let (is_all, awaited) = (sent.is_all.load(Relaxed), sent.messages.load(Relaxed));
        match message {
            Some(Ok(Message::Text(text))) => {
                let is_final = heard.take(&text)?;
                if is_final && is_all && heard.answers >= awaited {
                    return Ok(heard);
                }
                surplus = heard.answers.saturating_sub(awaited);
            }
            Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) | None => {
                let is_over = is_all && heard.answers > 0;
                return if is_over { Ok(heard) } else { Err(Failure::unavailable("it hung up")) };
            }
            // Pings are answered by the client itself.
            Some(Ok(_)) => surplus += 1,
            Some(Err(error)) => return Err(failed(error)),
        }
    }
    Err(Failure::failed("it sends messages without end"))
}

impl Heard {
    /// Takes a message, and returns whether it is a final one.
    fn take(&mut self, message: &str) -> Result<bool, Failure> {
        let no_answer = || Failure::failed("what it answers isn't Vosk's protocol");
        let value: Value = serde_json::from_str(message).map_err(|_| no_answer())?;
        if let Some(error) = value["error"].as_str() {
            return Err(Failure::failed(format!("the engine says: {}", said(error))));
        }
        self.answers += 1;
        if let Some(partial) = value["partial"].as_str() {
            if !partial.trim().is_empty() {
                partial.clone_into(&mut self.partial);
            }
            return Ok(false);
        }
        let text = value["text"].as_str().ok_or_else(no_answer)?;
        if !text.trim().is_empty() {
            self.texts.push(text.to_owned());
            let words = value["result"].as_array().into_iter().flatten();
            let known = words.filter(|word| word["word"].as_str() != Some(UNKNOWN));
            known.filter_map(|word| word["conf"].as_f64()).for_each(|confidence| self.add(confidence));
            self.partial.clear();
        }
        self.keep_guess();
        if self.texts.iter().map(String::len).sum::<usize>() > MAX_MESSAGE {
            return Err(Failure::failed("it sends text without end"));
        }
        Ok(true)
    }

    fn add(&mut self, confidence: f64) {
        self.confidence.0 += confidence;
        self.confidence.1 = self.confidence.1.saturating_add(1);
    }

    /// Keeps a guess that no final text has taken the place of. Finals come back empty now and then.
    fn keep_guess(&mut self) {
        if !self.partial.is_empty() {
            self.texts.push(std::mem::take(&mut self.partial));
            self.add(GUESSED);
        }
    }

    fn transcript(mut self) -> Result<Transcript, Failure> {
        self.keep_guess();
        let texts = self.texts.join(" ");
        let words: Vec<&str> = texts.split_whitespace().filter(|word| *word != UNKNOWN).collect();
        let (sum, number) = self.confidence;
        let confidence = (number > 0).then(|| sum / f64::from(number));
        Transcript::new(&words.join(" "), confidence)
    }
}

fn failed(error: Error) -> Failure {
    let text = error.to_string();
    match error {
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => {
            Failure::unavailable(format!("{}{}", said(&text), tls::advice(&text)))
        }
        Error::Http(answer) => {
            Failure::unavailable(format!("it answers with status {}, not as a Vosk server", answer.status().as_u16()))
        }
        _ => Failure::failed(said(&text)),
    }
}
