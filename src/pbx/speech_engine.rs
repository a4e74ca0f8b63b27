//! A speech engine, which a stock Asterisk does not have: what it understands, and its grammars.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What a declared engine understands, the next time it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recognition {
    /// How long after the question begins.
    pub after: Duration,
    /// What it understands.
    pub results: Vec<SpeechResult>,
}

/// One reading of what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeechResult {
    /// How sure the engine is.
    pub score: i32,
    /// The words.
    pub text: String,
    /// The grammar they belong to.
    pub grammar: String,
}

/// The engine declared, and the object made of it.
#[derive(Debug, Default)]
pub(super) struct Speech {
    pub engine: Option<String>,
    pub recognitions: VecDeque<Recognition>,
    pub created: bool,
    pub loaded: BTreeSet<String>,
    pub active: BTreeSet<String>,
}
