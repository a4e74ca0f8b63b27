//! What all parts of this module need: the call around a part, and values as errors show them.

use crate::command::Value;
use crate::ivr::play::Play;
use crate::script::{MAX_SHOWN, Phrases, nearest, quoted, short};
use rhai::Dynamic;

/// The largest number Asterisk says.
pub(super) const MAX_NUMBER: u64 = 2_147_483_646;

/// The call in which a part is said.
pub trait ExpandContext {
    /// The error of a bad part.
    type Error;

    /// Returns the script's table of phrases, if it has one.
    fn phrases(&self) -> Option<&Phrases>;

    /// Returns the channel's language.
    fn language(&self) -> Result<String, Self::Error>;

    /// Counts parts that are about to be made, and returns whether that many more are allowed.
    fn count(&self, parts: usize) -> bool;

    /// Returns how to play a part inside a part.
    fn plays(&self, part: &Dynamic) -> Result<Vec<Play>, Self::Error>;

    /// Creates an error, whose text continues after "the part".
    fn error(&self, problem: String) -> Self::Error;
}

pub(super) type Plays<C> = Result<Vec<Play>, <C as ExpandContext>::Error>;

/// Describes a key that this kind of map doesn't take.
pub(super) fn unknown_key<'a>(unexpected: &str, kind: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    let hint = match nearest(unexpected, known.iter().copied()) {
        Some(like) => format!("did you mean `{like}`?"),
        None if known.is_empty() => format!("{kind} stands alone"),
        None => {
            let more = if known.len() > 20 { ", ..." } else { "" };
            known.truncate(20);
            format!("it takes `{}`{more}", known.join("`, `"))
        }
    };
    format!("has `{}`, which {kind} does not take: {hint}", short(unexpected, MAX_SHOWN))
}

/// Returns the value as a whole number. Digits from a caller or from the database count too.
pub(super) fn whole(value: &Dynamic) -> Option<i64> {
    match crate::script::value(value) {
        Value::Int(number) => Some(number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns a value as errors show it.
pub(super) fn shown(value: &Dynamic) -> String {
    match value.as_immutable_string_ref() {
        Ok(text) => format!("the text {}", quoted(&text, MAX_SHOWN)),
        Err(_) if value.is_int() || value.is_float() || value.is_unit() => format!("{value:?}"),
        Err(_) => format!("of type {}", value.type_name()),
    }
}
