//! One thing to be said, and the command that says it.

use crate::command::{Command, SAY_ALPHA, SAY_DATETIME, SAY_DIGITS, SAY_NUMBER, SAY_PHONETIC, STREAM_FILE, Value};
use smallvec::{SmallVec, smallvec};

/// One thing to be said, by one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Play {
    /// A sound file.
    File(String),
    /// A text that an engine speaks. It becomes a sound file before it is played.
    Spoken { text: String, voice: Option<String>, language: Option<String> },
    /// A number. If the language has genders, it has the gender of what is counted.
    Number { number: i64, gender: Option<String> },
    /// Digits, one by one.
    Digits(String),
    /// Letters, one by one.
    Spell(String),
    /// Letters, in the phonetic alphabet.
    Phonetic(String),
    /// A date or time.
    Date { epoch: i64, format: Option<String>, zone: Option<String> },
}

impl Play {
    /// Returns the command that says it, and that one of these keys ends early.
    pub(super) fn command(&self, keys: &str) -> (&'static Command, SmallVec<[Value; 4]>) {
        let optional = |text: &Option<String>| text.as_deref().map(Value::from);
        let text = |text: &str| smallvec![Value::from(text), Value::from(keys)];
        match self {
            Self::File(file) | Self::Spoken { text: file, .. } => (&STREAM_FILE, text(file)),
            Self::Number { number, gender } => {
                let mut args = smallvec![Value::Int(*number), Value::from(keys)];
                args.extend(optional(gender));
                (&SAY_NUMBER, args)
            }
            Self::Digits(digits) => (&SAY_DIGITS, text(digits)),
            Self::Spell(letters) => (&SAY_ALPHA, text(letters)),
            Self::Phonetic(letters) => (&SAY_PHONETIC, text(letters)),
            Self::Date { epoch, format, zone } => {
                let mut args = smallvec![Value::Int(*epoch), Value::from(keys)];
                args.extend(optional(format));
                args.extend(optional(zone));
                (&SAY_DATETIME, args)
            }
        }
    }
}
