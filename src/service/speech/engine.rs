//! Engines that speak: a program, a server of the Wyoming protocol, a web API.

use super::Utterance;
use super::wyoming::Event;
use crate::agi::printable;
use crate::audio::wav;
use crate::service::http::HttpClient;
use crate::service::process;
use crate::service::settings::values::Size;
use crate::service::settings::{HttpSettings, TtsSettings};
use crate::transport::Failure;
use serde_json::{Value, json};
use std::io;
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// The voice of web APIs that are told none: they demand one, and most know the first of OpenAI's own.
const WEB_VOICE: &str = "alloy";
/// How much sound an engine may give for a text: some minutes at the highest rate of engines.
const MAX_SOUND: usize = 64 * 1024 * 1024;

/// An engine that speaks.
#[derive(Debug)]
pub(in crate::service) enum Engine {
    /// A program and its arguments, which gets the text at its input.
    Command(String, Vec<String>),
    /// The host and port of a server that speaks Wyoming.
    Wyoming(String),
    /// A web API in the style of OpenAI's, and the model that it is to use.
    Web(Box<HttpClient>, String),
}

impl Engine {
    /// Creates a client of an engine, which isn't asked anything yet.
    ///
    /// # Errors
    /// The settings name none.
    pub fn new(own: &TtsSettings) -> Result<Self, Failure> {
        match (&own.command, &own.url) {
            (Some(command), None) => match command.split_first().filter(|(program, _)| !program.is_empty()) {
                Some((program, arguments)) => Ok(Self::Command(program.clone(), arguments.to_vec())),
                None => Err(Failure::argument("`command` is empty")),
            },
            (None, Some(url)) => {
                if let Some(address) = url.0.strip_prefix("tcp://") {
                    return Ok(Self::Wyoming(address.trim_end_matches('/').to_owned()));
                }
                let mut settings = HttpSettings::new(url.clone());
                settings.token.clone_from(&own.token);
                settings.ca.clone_from(&own.ca);
                settings.max_body = Some(Size(MAX_SOUND));
                let model = own.model.clone().unwrap_or_else(|| "tts-1".to_owned());
                Ok(Self::Web(Box::new(HttpClient::new(&settings)?), model))
            }
            _ => Err(Failure::argument("an engine has either a `command` or a `url`")),
        }
    }

    /// Returns the sound of a text, as a WAV file.
    pub async fn speak(&self, utterance: &Utterance<'_>) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Command(program, arguments) => by_program(program, arguments, utterance).await,
            Self::Wyoming(address) => by_wyoming(address, utterance).await.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => Failure::failed(error.to_string()),
                _ => Failure::unavailable(format!("{address}: {error}")),
            }),
            Self::Web(client, model) => {
                let Utterance { text, voice, .. } = utterance;
                let voice = voice.unwrap_or(WEB_VOICE);
                let body = json!({ "model": model, "input": text, "voice": voice, "response_format": "wav" });
                client.post_json("audio/speech", &body).await
            }
        }
    }
}

async fn by_program(program: &str, arguments: &[String], utterance: &Utterance<'_>) -> Result<Vec<u8>, Failure> {
    let voice = utterance.voice.unwrap_or(utterance.language);
    let filled: Vec<String> = arguments
        .iter()
        .map(|argument| argument.replace("{voice}", voice).replace("{language}", utterance.language))
        .collect();
    // Engines speak line by line.
    let mut text = utterance.text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.push('\n');
    let ended = process::run(program, filled.iter().map(String::as_str), Some(text.as_bytes()), MAX_SOUND).await?;
    if ended.status == 0 {
        return Ok(ended.output);
    }
    let said = String::from_utf8_lossy(&ended.error);
    let said = printable(said.lines().last().unwrap_or_default()).into_owned();
    Err(Failure::unavailable(format!("`{}` ended with status {}: {said}", printable(program), ended.status)))
}

async fn by_wyoming(address: &str, utterance: &Utterance<'_>) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    // A name stands for the language, too: a server has no voice that is called `en`.
    let voice = match utterance.voice {
        Some(name) => json!({ "name": name }),
        None => json!({ "language": utterance.language }),
    };
    Event::new("synthesize", json!({ "text": utterance.text, "voice": voice })).send(&mut stream).await?;
    let (mut rate, mut bytes) = (0, Vec::new());
    loop {
        let event = Event::receive(&mut stream).await?;
        match event.kind.as_str() {
            "audio-start" | "audio-chunk" => {
                let number = |name: &str| event.data.get(name).and_then(Value::as_u64);
                if number("width").is_some_and(|width| width != 2) || number("channels").is_some_and(|own| own != 1) {
                    return Err(wrong("its sound isn't one channel of 16 bits"));
                }
                rate = number("rate").and_then(|rate| u32::try_from(rate).ok()).unwrap_or(rate);
                bytes.extend(event.payload);
                if bytes.len() > MAX_SOUND {
                    return Err(wrong("it gave too much sound"));
                }
            }
            "audio-stop" => break,
            "error" => {
                return Err(wrong(&event.error()));
            }
            _ => {}
        }
    }
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(wav(&samples, rate))
}
