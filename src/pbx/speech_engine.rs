//! A simulated speech engine: the texts it recognises, and its grammars.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Speech that a declared engine recognises in one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recognition {
    /// The time since the start of the question.
    pub after: Duration,
    /// The recognised texts.
    pub results: Vec<SpeechResult>,
}

/// One recognised text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeechResult {
    /// The confidence of the engine.
    pub score: i32,
    /// The words.
    pub text: String,
    /// The grammar that they belong to.
    pub grammar: String,
}

/// The declared engine, and the object a script has created.
#[derive(Debug, Default)]
pub(super) struct Speech {
    pub engine: Option<String>,
    pub recognitions: VecDeque<Recognition>,
    pub created: bool,
    pub loaded: BTreeSet<String>,
    pub active: BTreeSet<String>,
}
