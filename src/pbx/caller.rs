//! The caller, as seen by the channel.

use super::spoken::Spoken;
use super::utterance::Utterance;
use crate::clock::Time;
use std::fmt;
use std::task::Waker;

/// The caller at the other end of the line. All waiting in the simulator happens in [`wait`](Self::wait).
pub trait Caller: Send {
    /// Returns the current time of this caller.
    fn now(&self) -> Time;

    /// Lets time pass until the caller acts, or until `until`, and then returns `None`. An act that is due exactly at
    /// `until` still counts. A caller who has nothing left to do, but has to wait until [`Time::NEVER`], hangs up:
    /// the wait would never end otherwise.
    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act>;

    /// Returns what ends a [`wait`](Self::wait) before its time, from any thread, with [`Act::Wakeup`]. A caller in
    /// real time has one: a script that asks a service then waits for the answer with the caller on the line. By
    /// default there is none, and the call and its time stand still until the service has answered.
    fn waker(&mut self) -> Option<Waker> {
        None
    }
}

/// Something that a caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Presses a key.
    Key(Digit),
    /// Hangs up.
    HangUp,
    /// Says something clearly, while a script listens to speech; otherwise sends it as a text, for RECEIVE TEXT and
    /// RECEIVE CHAR.
    Says(String),
    /// Says something aloud, which an engine may mishear. It counts only while a script listens to speech.
    Speaks(Utterance),
    /// Does nothing, but somebody used the [waker](Caller::waker). A command goes on as if nothing had happened.
    Wakeup,
}

/// One of the sixteen keys: `0` to `9`, `*`, `#`, `A` to `D`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// Returns the key with this letter. As in Asterisk, lower-case letters aren't keys.
    #[must_use]
    pub fn new(letter: char) -> Option<Self> {
        let code = u8::try_from(letter).ok()?;
        matches!(code, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D').then_some(Self(code))
    }

    /// Returns the ASCII code that replies carry.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Returns the letter on the key.
    #[must_use]
    pub const fn letter(self) -> char {
        self.0 as char
    }

    /// Whether this key is in a list of digits, such as the escape digits of a command.
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

/// The sound that the caller hears at the moment, and whether the script listens for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing<'a> {
    /// The sound on the line.
    pub sound: Sound<'a>,
    /// A number that grows with every prompt or question, so that the same file played twice counts as two prompts. A
    /// spoken number or date counts as one prompt, though it consists of several files.
    pub prompt: u64,
    /// When this prompt began.
    pub began: Time,
    /// Whether the script listens for keys.
    pub listening: bool,
    /// Whether the script listens to speech.
    pub speech: bool,
    /// The language of the channel, in which the sound is looked up: a script may change it in mid-call.
    pub language: &'a str,
}

/// A sound on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sound<'a> {
    /// Silence.
    Silence,
    /// A sound file, by the name the script gave.
    File(&'a str),
    /// A number, a text or a date.
    Spoken(&'a Spoken),
    /// The beep before a recording.
    Beep,
    /// Silence while this file is recorded.
    Recording(&'a str),
    /// Music on hold of this class.
    Music(&'a str),
}

impl Sound<'_> {
    /// Returns the names of the sound files that make up the sound; none for music.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        match self {
            Self::File(name) => vec![(*name).to_owned()],
            Self::Spoken(spoken) => spoken.files.clone(),
            Self::Beep => vec!["beep".to_owned()],
            Self::Silence | Self::Recording(_) | Self::Music(_) => Vec::new(),
        }
    }

    /// Whether `when PROMPT` in a plan refers to this sound, by the name of a file, what is spoken (`number 42`, `42`),
    /// `beep`, `recording`, or `music`.
    #[must_use]
    pub fn is(&self, prompt: &str) -> bool {
        match self {
            Self::Silence => false,
            Self::File(name) => *name == prompt,
            Self::Spoken(spoken) => spoken.is(prompt),
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
    fn a_prompt_is_recognised_by_its_name() {
        assert!(Sound::File("welcome").is("welcome"));
        let number = Spoken::plain("number", "42", Vec::new());
        let spoken = Sound::Spoken(&number);
        assert!(spoken.is("number 42") && spoken.is("42") && !spoken.is("digits 42"));
        assert!(Sound::Recording("msg").is("recording") && Sound::Recording("msg").is("recording msg"));
        let date = Spoken { words: "9:30 AM".to_owned(), ..Spoken::plain("time", "34200", Vec::new()) };
        let spoken = Sound::Spoken(&date);
        assert!(spoken.is("time 34200") && spoken.is("time 9:30 AM") && spoken.is("9:30 AM") && !spoken.is("time"));
        assert!(!Sound::Silence.is(""));
    }

    #[test]
    fn a_sound_consists_of_files() {
        assert_eq!(Sound::File("welcome").files(), ["welcome"]);
        let number = Spoken::plain("number", "42", vec!["digits/40".to_owned(), "digits/2".to_owned()]);
        assert_eq!(Sound::Spoken(&number).files(), ["digits/40", "digits/2"]);
        assert!(Sound::Silence.files().is_empty());
    }
}
