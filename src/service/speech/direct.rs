//! Texts that are spoken while nobody is on the line: whole recordings, which aren't kept here.

use super::{Engine, Utterance, check, voice};
use crate::audio::Recording;
use crate::service::Settings;
use crate::service::runtime::{caught, runtime};
use crate::transport::{Failure, Request};
use std::time::Duration;

/// How long an engine may take at least, whatever its `timeout`: no caller waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has a text spoken by this engine, or by that for its language. Waits for it: this isn't for the threads of calls.
///
/// # Errors
/// There is no such engine, or it can't say it.
pub(crate) fn speak_now(
    settings: &Settings,
    engine: Option<&str>,
    text: &str,
    language: &str,
) -> Result<Recording, Failure> {
    check(&Request::new("speak", "").with("text", text).with("language", language))?;
    let name = engine.map_or_else(|| settings.engine_for(language), Ok)?;
    let own = settings.speech.as_ref().and_then(|speech| speech.tts.get(name));
    let own = own.ok_or_else(|| Failure::argument(format!("agi-rhai.toml has no `[speech.tts.{name}]`")))?;
    let voice = voice(&own.voices, language);
    if voice.is_none() && !own.voices.is_empty() {
        return Err(Failure::argument(format!("`[speech.tts.{name}]` has no voice for the language `{language}`")));
    }
    let engine = Engine::new(own)?;
    let patience = own.timeout.map_or(PATIENCE, |timeout| timeout.0.max(PATIENCE));
    let runtime = runtime().map_err(|error| Failure::unavailable(format!("no thread for services: {error}")))?;
    let utterance = Utterance { text, voice, language };
    let sound = runtime.block_on(async {
        let spoken = tokio::time::timeout(patience, caught(engine.speak(&utterance)));
        let late = |_| Err(Failure::unavailable(format!("it gave no answer within {} s", patience.as_secs())));
        spoken.await.unwrap_or_else(late)
    })?;
    Recording::decode(sound, "wav").map_err(|error| Failure::failed(format!("it gave no sound: {error}")))
}
