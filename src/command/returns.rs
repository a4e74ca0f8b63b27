//! Results: a reply to the script's value.

use super::{RefusalKind, Value};
use crate::agi::Reply;

/// What a function gives to the script.
#[derive(Clone, Copy, Debug)]
pub enum Returns {
    /// `()`; any other result than this one is a failure.
    Nothing(&'static str),
    /// The key pressed, as text, `""` if none.
    Key,
    /// The digits entered, as text.
    Digits,
    /// A text, or `()` with this result.
    Text {
        /// The result that says there is none.
        absent: &'static str,
    },
    /// One of these words, by the number in the result, or `()` for -1.
    Word(&'static [&'static str]),
    /// `true` with this result, `false` otherwise.
    Flag {
        /// The result that means true.
        yes: &'static str,
    },
    /// Read by a function of its own.
    Shape {
        /// What it is, for the reference.
        doc: &'static str,
        /// The reading.
        read: fn(&Reply) -> Result<Value, Trouble>,
    },
    /// It does not return.
    Never,
}

/// Why a reply carries no value.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// Asterisk tried and failed, or refused.
    Refused(RefusalKind, String),
    /// The caller hung up; what there is all the same.
    Hangup(Option<Value>),
}

impl Trouble {
    pub(super) fn failed(message: &str) -> Self {
        Self::Refused(RefusalKind::Failed, message.to_owned())
    }
}

impl Returns {
    /// What it is, for the reference.
    #[must_use]
    pub fn doc(&self) -> String {
        match self {
            Self::Nothing(_) => "nothing".to_owned(),
            Self::Key => "the key pressed, as text; `\"\"` if none".to_owned(),
            Self::Digits => "the digits entered, as text; `\"\"` if none".to_owned(),
            Self::Text { .. } => "a text; `()` if there is none".to_owned(),
            Self::Word(words) => format!("one of `{}`; `()` if unknown", words.join("`, `")),
            Self::Flag { .. } => "`true` or `false`".to_owned(),
            Self::Shape { doc, .. } => (*doc).to_owned(),
            Self::Never => "does not return".to_owned(),
        }
    }

    /// The script's value of a `200` reply.
    ///
    /// # Errors
    /// A result that says the command failed, or one that makes no sense here.
    pub fn read(&self, reply: &Reply) -> Result<Value, Trouble> {
        let result = reply.result();
        let strange = || Trouble::failed(&format!("Asterisk answered {:?}", reply.text));
        Ok(match self {
            Self::Nothing(ok) if result == *ok => Value::Nothing,
            Self::Nothing(_) => return Err(strange()),
            Self::Never => Value::Nothing,
            Self::Key => Value::Text(key(result).ok_or_else(strange)?),
            Self::Digits => Value::from(result),
            Self::Text { absent } if result == *absent => Value::Nothing,
            Self::Text { .. } => Value::from(reply.value().unwrap_or_default()),
            Self::Word(_) if result == "-1" => Value::Nothing,
            Self::Word(words) => {
                let word = result.parse().ok().and_then(|number: usize| words.get(number));
                Value::from(*word.ok_or_else(strange)?)
            }
            Self::Flag { yes } => Value::Bool(result == *yes),
            Self::Shape { read, .. } => return read(reply),
        })
    }
}

/// The key behind an ASCII code; none for 0, and for the numbers Asterisk answers to an interruption that is no key (1,
/// and 1000 to 1004).
pub(super) fn key(result: &str) -> Option<String> {
    let code: i64 = result.parse().ok()?;
    let key = u8::try_from(code).ok().map(char::from).filter(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'));
    match (key, code) {
        (Some(key), _) => Some(key.to_string()),
        (None, 0.. | -1) => Some(String::new()),
        (None, _) => None,
    }
}
