//! Return values: from a reply to the script's value.

use super::refusal::RefusalKind;
use super::value::{Type, Value};
use crate::agi::Reply;

/// What Asterisk notes behind a -1 that comes of a hangup.
pub(crate) const HUNG_UP: &str = "hangup";

/// The value that a function returns to the script.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Returns {
    /// `()`; any other result than this one is a failure.
    Nothing(&'static str),
    /// The key that was pressed, as text; `""` if none was.
    Key,
    /// The digits that were entered, as text.
    Digits,
    /// A text; or `()` for one result.
    Text {
        /// The result that means there is none.
        absent: &'static str,
    },
    /// One of these words, by the number in the result, or `()` for -1.
    Word(&'static [&'static str]),
    /// `true` for one result, `false` for any other.
    Flag {
        /// The result that means true.
        yes: &'static str,
    },
    /// A value that a function reads from the reply.
    Shape {
        /// The value, for the reference.
        doc: &'static str,
        /// The type of the value.
        value_type: Type,
        /// Reads the value.
        read: fn(&Reply) -> Result<Value, ReadError>,
    },
    /// The value of one of the host's functions, which doesn't come from a reply.
    Own {
        /// The value, for the reference.
        doc: &'static str,
        /// The type of the value.
        value_type: Type,
    },
    /// One of these words, or `()`, from one of the host's functions.
    OwnWord {
        /// The value, for the reference.
        doc: &'static str,
        /// The words.
        words: &'static [&'static str],
    },
    /// Keys, as text, or `()`, from one of the host's functions.
    OwnKeys {
        /// The value, for the reference.
        doc: &'static str,
    },
    /// Nothing, since the function doesn't return.
    Never,
}

/// The texts that a function can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A key, or `""`.
    Key,
    /// Any number of keys.
    Keys,
}

impl Texts {
    /// Whether this text may be among them.
    pub(crate) fn contain(self, text: &str) -> bool {
        let is_key = |c: char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D');
        match self {
            Self::Words(words) => words.contains(&text),
            Self::Key => text.chars().all(is_key) && text.len() < 2,
            Self::Keys => text.chars().all(is_key),
        }
    }
}

/// Why a reply has no value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReadError {
    /// Asterisk tried and failed, or refused.
    Refused(RefusalKind, String),
    /// The caller hung up, but there may be a value all the same.
    Hangup(Option<Value>),
}

impl ReadError {
    pub(super) fn failed(message: &str) -> Self {
        Self::Refused(RefusalKind::Failed, message.to_owned())
    }

    /// The failure of a command whose reply makes no sense.
    pub(super) fn unexpected(reply: &Reply) -> Self {
        Self::failed(&format!("Asterisk answered {:?}", reply.text))
    }
}

impl Returns {
    /// Describes the value, for the reference.
    #[must_use]
    pub fn doc(&self) -> String {
        match self {
            Self::Nothing(_) => "nothing".to_owned(),
            Self::Key => "the key pressed, as text; `\"\"` if none".to_owned(),
            Self::Digits => "the digits entered, as text; `\"\"` if none".to_owned(),
            Self::Text { .. } => "a text; `()` if there is none".to_owned(),
            Self::Word(words) => format!("one of `{}`; `()` if unknown", words.join("`, `")),
            Self::Flag { .. } => "`true` or `false`".to_owned(),
            Self::Shape { doc, .. } | Self::Own { doc, .. } | Self::OwnWord { doc, .. } | Self::OwnKeys { doc } => {
                (*doc).to_owned()
            }
            Self::Never => "nothing: the script ends".to_owned(),
        }
    }

    /// Returns the type of the value.
    #[must_use]
    pub const fn value_type(&self) -> Type {
        match self {
            Self::Nothing(_) => Type::Unit,
            Self::Key | Self::Digits => Type::Text,
            Self::Text { .. } | Self::Word(_) | Self::OwnWord { .. } | Self::OwnKeys { .. } => Type::TextOrUnit,
            Self::Flag { .. } => Type::Bool,
            Self::Shape { value_type, .. } | Self::Own { value_type, .. } => *value_type,
            Self::Never => Type::Unknown,
        }
    }

    /// Returns the texts among the values; `None` if there may be any.
    #[must_use]
    pub(crate) const fn texts(&self) -> Option<Texts> {
        match self {
            Self::Key => Some(Texts::Key),
            Self::Digits | Self::OwnKeys { .. } => Some(Texts::Keys),
            Self::Word(words) | Self::OwnWord { words, .. } => Some(Texts::Words(words)),
            _ => None,
        }
    }

    /// Reads the script's value from a `200` reply.
    ///
    /// # Errors
    /// The result means that the command failed, or makes no sense here.
    pub fn read(&self, reply: &Reply) -> Result<Value, ReadError> {
        let result = reply.result();
        let odd = || ReadError::unexpected(reply);
        Ok(match self {
            Self::Nothing(ok) if result == *ok => Value::Nothing,
            Self::Nothing(_) => return Err(odd()),
            Self::Never | Self::Own { .. } | Self::OwnWord { .. } | Self::OwnKeys { .. } => Value::Nothing,
            Self::Key => Value::Text(key(result).ok_or_else(odd)?),
            Self::Digits => Value::from(result),
            Self::Text { absent } if result == *absent => Value::Nothing,
            Self::Text { .. } => Value::from(reply.value().unwrap_or_default()),
            Self::Word(_) if result == "-1" => Value::Nothing,
            Self::Word(words) => {
                let word = result.parse().ok().and_then(|number: usize| words.get(number));
                Value::from(*word.ok_or_else(odd)?)
            }
            Self::Flag { yes } => Value::Bool(result == *yes),
            Self::Shape { read, .. } => return read(reply),
        })
    }
}

/// Returns the key with this ASCII code; an empty text for 0, and for the numbers with which Asterisk answers an
/// interruption that isn't a key (1, and 1000 to 1004).
pub(super) fn key(result: &str) -> Option<String> {
    let code: i64 = result.parse().ok()?;
    let key = u8::try_from(code).ok().map(char::from).filter(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'));
    match (key, code) {
        (Some(key), _) => Some(key.to_string()),
        (None, 0.. | -1) => Some(String::new()),
        (None, _) => None,
    }
}
