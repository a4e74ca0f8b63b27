//! What engines that understand have in common: what they are told, what they answer, and the limits of that.

use crate::agi::printable;
use crate::transport::Failure;
use futures_util::future::{Either, select};
use serde_json::Value;
use std::pin::pin;

/// The longest text that is taken from an engine, in characters: what somebody says in some minutes.
pub(super) const MAX_TEXT: usize = 4000;
/// The largest answer of a web API, and the most that a program may write.
pub(super) const MAX_ANSWER: usize = 64 * 1024;
/// How many messages of a server are read for one text, besides those that it has to send.
pub(super) const MAX_MESSAGES: usize = 1000;

/// What an engine is told about what it is going to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The language, as Asterisk names it: `en`, `de_AT`.
    pub language: String,
    /// The words or phrases that the caller may say; anything if there are none.
    pub words: Vec<String>,
    /// How many of them may follow each other, at least and at most; otherwise it is one.
    pub repeat: Option<(usize, usize)>,
}

/// What an engine understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transcript {
    /// The text; empty if it understood nothing.
    pub text: String,
    /// How sure it is, from 0 to 1; 1 if it doesn't say.
    pub confidence: f64,
}

impl Expected {
    /// The language without its country, as engines name it: `de` of `de_AT`.
    pub fn plain_language(&self) -> &str {
        self.language.split(['_', '-']).next().unwrap_or_default()
    }

    /// The words as one text, for engines that take a hint.
    pub fn hint(&self) -> String {
        self.words.join(", ")
    }
}

impl Transcript {
    /// Takes the words of an engine: one line of text, without what doesn't belong into one.
    ///
    /// # Errors
    /// Nobody says that much.
    pub fn new(text: &str, confidence: Option<f64>) -> Result<Self, Failure> {
        let is_break = |c: char| c.is_whitespace() || c.is_control();
        let words: Vec<&str> = text.split(is_break).filter(|word| !word.is_empty()).collect();
        let text = words.join(" ");
        if text.chars().nth(MAX_TEXT).is_some() {
            return Err(Failure::failed(format!("its text has more than {MAX_TEXT} characters")));
        }
        let confidence = confidence.filter(|confidence| confidence.is_finite()).unwrap_or(1.0).clamp(0.0, 1.0);
        Ok(Self { text, confidence })
    }

    /// Takes the JSON of an engine, whose names for the same differ: PocketSphinx says `t` and `p`.
    pub fn of_json(value: &Value) -> Option<(&str, Option<f64>)> {
        let text = value["text"].as_str().or_else(|| value["t"].as_str())?;
        Some((text, value["confidence"].as_f64().or_else(|| value["p"].as_f64())))
    }
}

/// What an engine says went wrong, as it is shown.
pub(super) fn said(text: &str) -> String {
    const MAX_SHOWN: usize = 200;
    let text: String = text.trim().chars().take(MAX_SHOWN).collect();
    printable(&text).into_owned()
}

/// Sends and receives at the same time, so that neither side waits for the other one to read, until all is received.
///
/// # Errors
/// One of the two failed.
pub(super) async fn talk<T>(
    send: impl Future<Output = Result<(), Failure>>,
    receive: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match select(pin!(receive), pin!(send)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((done, receiving)) => {
            done?;
            receiving.await
        }
    }
}
