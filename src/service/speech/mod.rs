//! Speech: texts that engines outside of this process speak, kept as sound files that Asterisk plays.

mod cache;
mod direct;
mod engine;
pub(super) mod listening;
mod prompting;
mod prompts;
mod recogniser;
pub(crate) mod sounds;
mod turns;
mod wyoming;

pub(crate) use direct::speak_now;
pub(super) use engine::Engine;
pub(super) use prompts::{Prompts, is_prompt};
pub(super) use recogniser::{Expected, Recogniser, Transcript};

use super::settings::values::Size;
use super::settings::{Settings, SttSettings, TtsSettings};
use crate::audio::{Prepare, RATE, Recording, prepare, wav};
use crate::transport::{Answer, Failure, Request};
use cache::Cache;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use turns::Turns;

/// How long a text may be, in characters: some ten minutes of speech.
const MAX_TEXT: usize = 10_000;
/// How many bytes of sound are kept unless the operator says otherwise: some four hours.
const MAX_KEPT: usize = 256 * 1024 * 1024;
/// The folder of what is kept, within the folder of the host's own state.
const FOLDER: &str = "speech";
/// The folder of what Asterisk records, within that one.
const RECORDINGS: &str = "heard";

/// Speaks by an engine.
#[derive(Debug)]
pub(super) struct Speaker {
    engine: Engine,
    /// The engine's voices, by language.
    voices: BTreeMap<String, String>,
    /// What tells the engine from others: another one says the same text differently.
    identity: String,
    cache: Cache,
    turns: Turns,
}

/// Something to be spoken.
pub(super) struct Utterance<'a> {
    pub text: &'a str,
    /// The voice that the script or the operator named.
    pub voice: Option<&'a str>,
    pub language: &'a str,
}

/// Checks a request as far as that doesn't depend on the operator's settings.
///
/// # Errors
/// Nothing would be spoken.
pub(super) fn check(request: &Request) -> Result<(), Failure> {
    if is_prompt(request) {
        return Ok(());
    }
    let text = request.text("text");
    if text.chars().all(char::is_whitespace) {
        return Err(Failure::argument("the text to speak is empty"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(Failure::argument(format!("the text to speak has more than {MAX_TEXT} characters")));
    }
    // Both may become an argument of a program.
    for name in ["voice", "language"] {
        if request.text(name).starts_with('-') || request.text(name).contains(char::is_control) {
            return Err(Failure::argument(format!("this can't be a `{name}`")));
        }
    }
    Ok(())
}

impl Settings {
    /// Returns the name of the engine that speaks this language: the first one by name that has a voice for it, or
    /// speaks any.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn engine_for(&self, language: &str) -> Result<&str, Failure> {
        let engines = || self.speech.iter().flat_map(|speech| &speech.tts);
        let speaks = |engine: &&(&String, &TtsSettings)| voice(&engine.1.voices, language).is_some();
        let any = |engine: &&(&String, &TtsSettings)| engine.1.voices.is_empty();
        let found = engines().collect::<Vec<_>>();
        let engine = found.iter().find(speaks).or_else(|| found.iter().find(any));
        engine.map(|(name, _)| name.as_str()).ok_or_else(|| {
            Failure::argument(if found.is_empty() {
                "agi-rhai.toml has no `[speech.tts.NAME]`, so nothing can be spoken".to_owned()
            } else {
                format!("no engine in agi-rhai.toml has a voice for the language `{language}`")
            })
        })
    }
}

impl Settings {
    /// Returns the name of the engine that understands this language: the first one by name that names it, or names
    /// none.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn recogniser_for(&self, language: &str) -> Result<&str, Failure> {
        let engines: Vec<_> = self.speech.iter().flat_map(|speech| &speech.stt).collect();
        let parent = language.split(['_', '-']).next().unwrap_or_default();
        let names = |engine: &SttSettings, language: &str| {
            engine.languages.as_ref().is_some_and(|languages| languages.iter().any(|known| known == language))
        };
        let find = |fits: &dyn Fn(&SttSettings) -> bool| engines.iter().find(|(_, engine)| fits(engine));
        let found = find(&|engine| names(engine, language))
            .or_else(|| find(&|engine| names(engine, parent)))
            .or_else(|| find(&|engine| engine.languages.is_none()));
        found.map(|(name, _)| name.as_str()).ok_or_else(|| {
            Failure::argument(if engines.is_empty() {
                "agi-rhai.toml has no `[speech.stt.NAME]`, so callers can't be understood".to_owned()
            } else {
                format!("no engine in agi-rhai.toml understands the language `{language}`")
            })
        })
    }

    /// Returns the folder of the texts that were spoken, if there is one.
    #[doc(hidden)]
    pub fn speech_folder(&self) -> Option<PathBuf> {
        let named = self.speech.as_ref().and_then(|speech| speech.folder.clone());
        named.or_else(|| Some(self.state.as_ref()?.join(FOLDER)))
    }

    /// Returns the folder into which Asterisk records what callers say, where there is no better way to hear them.
    #[doc(hidden)]
    pub fn recordings_folder(&self) -> Option<PathBuf> {
        Some(self.speech_folder()?.join(RECORDINGS))
    }
}

/// Finds the voice for a language: for `de_AT` that of `de_AT`, else of `de`.
fn voice<'a>(voices: &'a BTreeMap<String, String>, language: &str) -> Option<&'a str> {
    let parent = language.split(['_', '-']).next().unwrap_or_default();
    voices.get(language).or_else(|| voices.get(parent)).map(String::as_str)
}

impl Speaker {
    /// Creates a client of an engine.
    pub fn new(own: &TtsSettings, all: &Settings) -> Result<Self, Failure> {
        let none = || Failure::argument("there is no folder for speech: `folder` in `[speech]` names it");
        let folder = all.speech_folder().ok_or_else(none)?;
        let max = all.speech.as_ref().and_then(|speech| speech.max_size).map_or(MAX_KEPT, |Size(size)| size);
        Ok(Self {
            engine: Engine::new(own)?,
            voices: own.voices.clone(),
            identity: format!("{:?} {:?} {:?}", own.command, own.url.as_ref().map(|url| &url.0), own.model),
            cache: Cache::new(folder, max as u64),
            turns: Turns::default(),
        })
    }

    /// Answers a request: with a sound file that Asterisk can play.
    pub async fn answer(&self, request: &Request) -> Answer {
        check(request)?;
        let language = request.text("language");
        let named = Some(request.text("voice")).filter(|voice| !voice.is_empty());
        let voice = named.or_else(|| voice(&self.voices, language));
        let utterance = Utterance { text: request.text("text"), voice, language };
        let file = self.cache.file(&[&self.identity, voice.unwrap_or(language), language, utterance.text]);
        if !self.cache.has(&file).await? {
            // Of many callers who are to hear the same, one has it made.
            let turn = self.turns.at(&file);
            let _turn = turn.lock().await;
            if !self.cache.has(&file).await? {
                let sound = self.engine.speak(&utterance).await?;
                let made = tokio::task::spawn_blocking(move || made_of(sound));
                let lost = |_| Err(Failure::unavailable("no thread to prepare speech"));
                self.cache.keep(&file, made.await.unwrap_or_else(lost)?).await?;
            }
        }
        Ok(json!({ "file": file.with_extension("").to_string_lossy() }))
    }
}

/// Makes a file for Asterisk of what an engine said.
fn made_of(sound: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let recording =
        Recording::decode(sound, "wav").map_err(|error| Failure::failed(format!("it gave no sound: {error}")))?;
    Ok(wav(&prepare(&recording, &Prepare::default()), RATE))
}
