//! What callers say aloud, and what an engine makes of it.

use std::time::Duration;

/// How long a word takes.
const WORD: Duration = Duration::from_millis(400);

/// Something that a caller says aloud, and what an engine understands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Utterance {
    /// What is said.
    pub text: String,
    /// What an engine understands; it may be empty.
    pub heard: String,
    /// How sure the engine is, in percent.
    pub confidence: u8,
}

impl Utterance {
    /// Says something that is understood as it is said.
    #[must_use]
    pub fn clear(text: &str) -> Self {
        Self::misheard(text, text)
    }

    /// Says something that is understood as something else.
    #[must_use]
    pub fn misheard(text: &str, heard: &str) -> Self {
        Self { text: text.to_owned(), heard: heard.to_owned(), confidence: 100 }
    }

    /// Sets how sure the engine is, in percent.
    #[must_use]
    pub fn with_confidence(self, percent: u8) -> Self {
        Self { confidence: percent.min(100), ..self }
    }

    /// Whether it is understood as it is said.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.text == self.heard && self.confidence == 100
    }

    /// Returns how long it takes to say it: 0.4 s a word.
    #[must_use]
    pub fn length(&self) -> Duration {
        let words = self.text.split_whitespace().count().clamp(1, 10_000);
        WORD * u32::try_from(words).unwrap_or(1)
    }

    /// Adds what is said after a short pause.
    pub(super) fn and(self, next: &Self) -> Self {
        let join = |one: String, other: &str| {
            let blank = if one.is_empty() || other.is_empty() { "" } else { " " };
            format!("{one}{blank}{other}")
        };
        Self {
            text: join(self.text, &next.text),
            heard: join(self.heard, &next.heard),
            confidence: self.confidence.min(next.confidence),
        }
    }
}
