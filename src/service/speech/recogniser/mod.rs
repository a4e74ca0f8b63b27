//! Engines that understand: a program, a server of the Wyoming protocol or of Vosk, a web API.
//!
//! Whoever asks sets the time limit, and drops the future when it is over. Here everything is limited that an engine
//! may send: whatever it is, it costs a little memory, and gives an answer or a failure.

mod command;
mod grammar;
mod sound;
mod transcript;
mod vosk;
mod web;
mod wyoming;

pub(crate) use transcript::{Expected, Transcript};

use crate::service::http::HttpClient;
use crate::service::settings::values::Size;
use crate::service::settings::{HttpSettings, SttSettings};
use crate::transport::{Failure, FailureKind};
use command::CommandEngine;
use tokio::sync::mpsc::UnboundedReceiver;
use transcript::MAX_ANSWER;
use vosk::VoskEngine;

/// An engine that understands what callers say.
#[derive(Debug)]
pub(crate) enum Recogniser {
    /// A program, which gets a WAV file at its input.
    Command(CommandEngine),
    /// The host and port of a server that speaks Wyoming.
    Wyoming(String),
    /// A web API in the style of OpenAI's, and the model that it is to use.
    Web(Box<HttpClient>, String),
    /// A server of Vosk.
    Vosk(Box<VoskEngine>),
}

impl Recogniser {
    /// Creates a client of an engine, which isn't asked anything yet.
    ///
    /// # Errors
    /// The settings name none.
    pub fn new(own: &SttSettings) -> Result<Self, Failure> {
        let url = match (&own.command, &own.url) {
            (Some(command), None) => return CommandEngine::new(command, own.dictionary.clone()).map(Self::Command),
            (None, Some(url)) => url,
            _ => return Err(Failure::argument("an engine has either a `command` or a `url`")),
        };
        match url.0.split_once("://").map(|(scheme, _)| scheme) {
            Some("tcp") => wyoming::address(&url.0).map(Self::Wyoming),
            Some("ws" | "wss") => VoskEngine::new(own, &url.0).map(Box::new).map(Self::Vosk),
            _ => {
                let mut settings = HttpSettings::new(url.clone());
                settings.token_file.clone_from(&own.token_file);
                settings.token.clone_from(&own.token);
                settings.ca.clone_from(&own.ca);
                settings.at_once = own.at_once;
                settings.max_body = Some(Size(MAX_ANSWER));
                let model = own.model.clone().unwrap_or_else(|| "whisper-1".to_owned());
                Ok(Self::Web(Box::new(HttpClient::new(&settings)?), model))
            }
        }
    }

    /// Hears sound, 8,000 samples per second, until there is no more, and returns what was said. Servers that can hear
    /// it while the caller speaks, others at the end.
    pub async fn recognise(
        &self,
        expected: &Expected,
        sound: UnboundedReceiver<Vec<i16>>,
    ) -> Result<Transcript, Failure> {
        let heard = match self {
            Self::Command(engine) => engine.recognise(expected, sound).await,
            Self::Wyoming(address) => wyoming::recognise(address, expected, sound).await,
            Self::Web(client, model) => web::recognise(client, model, expected, sound).await,
            Self::Vosk(engine) => engine.recognise(expected, sound).await,
        };
        heard.map_err(|failure| match failure.kind {
            // Whatever else an engine does, it doesn't understand anybody. Other requests needn't wait for that.
            FailureKind::Failed => Failure::unavailable(failure.message),
            FailureKind::Argument | FailureKind::Unavailable => failure,
        })
    }
}
