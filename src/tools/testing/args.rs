//! The arguments of the words of tests, and the errors of words.

use super::expectation::FailedExpectation;
use crate::command::{Function, Value};
use crate::script::{MAX_MESSAGE, quoted, short, value};
use rhai::{Array, Dynamic, NativeCallContext};
use std::time::Duration;

/// Why a word of a test doesn't return a value.
#[derive(Clone, Debug)]
pub(super) enum WordError {
    /// An expectation of the test was not met.
    Unmet(Box<FailedExpectation>),
    /// The word was used incorrectly.
    Misuse(String),
    /// The function that stands in for something ends here.
    Over,
}

/// Returns the error of an expectation that was not met.
pub(super) fn unmet(message: impl Into<String>, hint: Option<String>) -> WordError {
    WordError::Unmet(Box::new(FailedExpectation { message: message.into(), hint, ..FailedExpectation::default() }))
}

pub(super) type WordResult = Result<Dynamic, WordError>;

/// The arguments of a word.
pub(super) struct Args<'a, 'b> {
    pub function: &'static Function,
    pub context: &'a NativeCallContext<'a>,
    pub values: &'a mut [&'b mut Dynamic],
}

impl Args<'_, '_> {
    pub fn value(&self, at: usize) -> Value {
        self.values.get(at).map_or(Value::Nothing, |given| value(given))
    }

    pub fn has(&self, at: usize) -> bool {
        at < self.values.len()
    }

    /// Returns the error of an argument that the word doesn't accept.
    pub fn misuse(&self, at: usize, wanted: &str) -> WordError {
        let name = self.function.params.get(at).map_or("", |param| param.name);
        let given = self.value(at);
        WordError::Misuse(format!(
            "{}: `{name}` must be {wanted}, not {}",
            self.function.name,
            short(shown(&given), MAX_MESSAGE)
        ))
    }

    pub fn text(&self, at: usize) -> Result<String, WordError> {
        match self.value(at) {
            Value::Text(text) => Ok(text),
            _ => Err(self.misuse(at, "a text")),
        }
    }

    /// Returns a value as Asterisk keeps it, as text.
    pub fn kept_text(&self, at: usize) -> Result<String, WordError> {
        match self.value(at) {
            Value::List(_) | Value::Map(_) | Value::Other(_) => Err(self.misuse(at, "a text or a number")),
            value => Ok(as_text(&value).unwrap_or_default()),
        }
    }

    /// Returns a text that isn't empty; a number counts as text too.
    pub fn word(&self, at: usize) -> Result<String, WordError> {
        match self.value(at) {
            Value::Text(text) if !text.is_empty() => Ok(text),
            Value::Int(number) => Ok(number.to_string()),
            _ => Err(self.misuse(at, "a text that is not empty")),
        }
    }

    pub fn duration(&self, at: usize) -> Result<Duration, WordError> {
        self.duration_of(at, &self.value(at))
    }

    /// Reads a value of this argument as a duration.
    pub fn duration_of(&self, at: usize, value: &Value) -> Result<Duration, WordError> {
        let wrong = || self.misuse(at, "a number of seconds");
        let seconds = match value {
            #[expect(clippy::cast_precision_loss, reason = "too large to be a wait before it matters")]
            Value::Int(seconds) => *seconds as f64,
            Value::Float(seconds) => *seconds,
            _ => return Err(wrong()),
        };
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
    }
}

/// Returns a value as a test writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Nothing => "()".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => quoted(text, MAX_MESSAGE),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(items) => {
            let items = items.iter().map(|(name, item)| format!("{name}: {}", shown(item)));
            format!("#{{ {} }}", items.collect::<Vec<_>>().join(", "))
        }
        Value::Other(name) => name.clone(),
    }
}

/// Returns a value as Asterisk keeps it, as text; `None` for `()`.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Nothing => None,
        other => Some(shown(other)),
    }
}

/// Returns the text, or `()`.
pub(super) fn text_or_unit(text: Option<String>) -> Dynamic {
    text.map_or(Dynamic::UNIT, Dynamic::from)
}

pub(super) fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Dynamic {
    texts.map(|text| Dynamic::from(text.clone())).collect::<Array>().into()
}
