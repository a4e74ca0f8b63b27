//! The person at the other end of the line, as the channel sees them.

use super::say;
use crate::clock::Time;
use std::fmt;

/// The person at the other end; all waiting in the simulator is [`wait`](Self::wait).
pub trait Caller: Send {
    /// The moment it is for this caller.
    fn now(&self) -> Time;

    /// Lets time pass until the caller acts or `until` comes; `None` when `until` came. An act due just then still
    /// counts. A caller asked to wait until [`Time::NEVER`] who has nothing left to do hangs up: the wait would
    /// never end.
    fn wait(&mut self, until: Time, hears: &Hearing<'_>) -> Option<Act>;
}

/// What a caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Presses a key.
    Key(Digit),
    /// Hangs up.
    HangUp,
    /// Sends a text, for RECEIVE TEXT and RECEIVE CHAR.
    Says(String),
}

/// One of the sixteen keys: `0` to `9`, `*`, `#`, `A` to `D`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// The key with this letter. Lower-case letters are no keys, as in Asterisk.
    #[must_use]
    pub fn new(letter: char) -> Option<Self> {
        let code = u8::try_from(letter).ok()?;
        matches!(code, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D').then_some(Self(code))
    }

    /// Its ASCII code, as replies carry it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> char {
        self.0 as char
    }

    /// Whether a list of digits, such as the escape digits of a command, holds this key.
    #[must_use]
    pub fn is_in(self, digits: &str) -> bool {
        digits.contains(self.letter())
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digit({})", self.letter())
    }
}

/// What the caller hears right now, and whether somebody listens to the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing<'a> {
    /// What is on the line.
    pub sound: Sound<'a>,
    /// A number that grows with every new prompt or question, so that the same file twice is two prompts. A number
    /// or date spoken from several files is one prompt.
    pub prompt: u64,
    /// When this prompt began.
    pub began: Time,
    /// Whether a key would be listened to.
    pub asked: bool,
}

/// A sound on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound<'a> {
    /// Nothing.
    Silence,
    /// A sound file, by the name the script gave.
    File(&'a str),
    /// Something spoken: `number`, `digits`, `alpha`, `phonetic`, `date`, `time` or `datetime`, and its text as the
    /// script gave it.
    Spoken {
        /// What kind of text.
        kind: &'a str,
        /// The text.
        text: &'a str,
    },
    /// The beep before a recording.
    Beep,
    /// Silence while this file is recorded.
    Recording(&'a str),
    /// Music on hold, of this class.
    Music(&'a str),
}

impl Sound<'_> {
    /// The names of the sound files it consists of. None are known of a date in a format of the script's own, nor of
    /// music.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        match self {
            Self::File(name) => vec![(*name).to_owned()],
            Self::Spoken { kind, text } => say::files(kind, text),
            Self::Beep => vec!["beep".to_owned()],
            Self::Silence | Self::Recording(_) | Self::Music(_) => Vec::new(),
        }
    }

    /// Whether a plan's `when PROMPT` means this sound: a file's name, `number 42` or `42`, `beep`, `recording`,
    /// `music`.
    #[must_use]
    pub fn is(&self, prompt: &str) -> bool {
        match self {
            Self::Silence => false,
            Self::File(name) => *name == prompt,
            Self::Spoken { kind, text } => {
                *text == prompt || prompt.strip_prefix(kind).is_some_and(|rest| rest.trim_start() == *text)
            }
            Self::Beep => prompt == "beep",
            Self::Recording(name) => {
                prompt == "recording" || prompt.strip_prefix("recording ").is_some_and(|rest| rest == *name)
            }
            Self::Music(_) => prompt == "music",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_sixteen_keys() {
        let keys: String = ('\0'..='\u{2ff}').filter_map(Digit::new).map(Digit::letter).collect();
        assert_eq!(keys, "#*0123456789ABCD");
        assert_eq!(Digit::new('#').unwrap().code(), 35);
    }

    #[test]
    fn a_prompt_is_known_by_its_name() {
        assert!(Sound::File("welcome").is("welcome"));
        let spoken = Sound::Spoken { kind: "number", text: "42" };
        assert!(spoken.is("number 42") && spoken.is("42") && !spoken.is("digits 42"));
        assert!(Sound::Recording("msg").is("recording") && Sound::Recording("msg").is("recording msg"));
        assert!(!Sound::Silence.is(""));
    }

    #[test]
    fn a_sound_consists_of_files() {
        assert_eq!(Sound::File("welcome").files(), ["welcome"]);
        assert_eq!(Sound::Spoken { kind: "number", text: "42" }.files(), ["digits/40", "digits/2"]);
        assert_eq!(Sound::Spoken { kind: "digits", text: "4*" }.files(), ["digits/4", "digits/star"]);
        assert!(Sound::Spoken { kind: "datetime", text: "0" }.files().is_empty());
        assert!(Sound::Silence.files().is_empty());
    }
}
