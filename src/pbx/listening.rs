//! Listening to a caller: what happens on a channel while a script waits for speech or a key.

use super::caller::Digit;
use super::channel::{Channel, KeyResult, WaitEvent};
use super::say::{self, SayCase};
use super::say_date::SpokenDate;
use super::sounds::Sounds;
use super::utterance::Utterance;
use crate::calendar::TimeZone;
use std::time::Duration;

/// What a script plays and waits for.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub prompt: Vec<Part>,
    /// Whether speech and keys stop the prompt.
    pub barge_in: bool,
    /// How long to wait for speech from the end of the prompt.
    pub first: Duration,
    /// How much silence ends it.
    pub silence: Duration,
    /// How long it may be.
    pub max: Duration,
    /// The keys that end it.
    pub keys: String,
    /// How long the engine takes from the end of speech.
    pub engine: Duration,
}

/// A part of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    File(String),
    Number { number: i32, gender: Option<String> },
    Digits(String),
    Spell(String),
    Phonetic(String),
    Date { epoch: i64, format: Option<String>, zone: Option<String> },
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listened {
    pub by: HeardBy,
    /// The length of the speech.
    pub length: Duration,
}

/// What ended listening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeardBy {
    Speech(Utterance),
    /// It was longer than it may be.
    Max(Utterance),
    Key(Digit),
    Nothing,
    HungUp,
}

impl Channel {
    /// Plays a prompt and listens.
    pub(crate) fn listen(&mut self, listening: &Listening) -> Listened {
        self.said = None;
        self.hears_speech = listening.barge_in;
        let listened = self.play_and_listen(listening);
        self.hears_speech = false;
        listened
    }

    fn play_and_listen(&mut self, listening: &Listening) -> Listened {
        let keys = if listening.barge_in { listening.keys.as_str() } else { "" };
        let mut said = None;
        for part in &listening.prompt {
            let key = self.play_part(part, keys);
            if let KeyResult::Pressed(digit) = key {
                return HeardBy::Key(digit).after(Duration::ZERO);
            }
            said = self.said.take();
            if said.is_some() || self.dead {
                break;
            }
        }
        self.hears_speech = true;
        let said = if let Some(said) = said {
            said
        } else {
            let until = self.now() + listening.first;
            self.next_prompt();
            loop {
                match self.hear_silence(until, !listening.keys.is_empty()) {
                    WaitEvent::Speech(utterance) => break utterance,
                    WaitEvent::Key(digit) if digit.is_in(&listening.keys) => {
                        return HeardBy::Key(digit).after(Duration::ZERO);
                    }
                    WaitEvent::HungUp => return HeardBy::HungUp.after(Duration::ZERO),
                    WaitEvent::TimeUp => return self.engine_answers(listening, HeardBy::Nothing, Duration::ZERO),
                    WaitEvent::Key(_) | WaitEvent::Text(_) => {}
                }
            }
        };
        self.hear_out(listening, said)
    }

    /// Listens to somebody who has begun to speak.
    fn hear_out(&mut self, listening: &Listening, mut said: Utterance) -> Listened {
        let began = self.now();
        let most = began + listening.max;
        let mut ends = began + said.length();
        loop {
            let until = (ends + listening.silence).min(most);
            self.next_prompt();
            match self.hear_silence(until, !listening.keys.is_empty()) {
                WaitEvent::Speech(next) => {
                    ends = ends.max(self.now()) + next.length();
                    said = said.and(&next);
                }
                WaitEvent::Key(digit) if digit.is_in(&listening.keys) => {
                    return HeardBy::Key(digit).after(self.now().min(ends) - began);
                }
                WaitEvent::HungUp => return HeardBy::HungUp.after(self.now() - began),
                WaitEvent::TimeUp if ends >= most => {
                    return self.engine_answers(listening, HeardBy::Max(said), listening.max);
                }
                WaitEvent::TimeUp => return self.engine_answers(listening, HeardBy::Speech(said), ends - began),
                WaitEvent::Key(_) | WaitEvent::Text(_) => {}
            }
        }
    }

    /// Waits for the engine. Keys count meanwhile.
    fn engine_answers(&mut self, listening: &Listening, by: HeardBy, length: Duration) -> Listened {
        if by == HeardBy::Nothing || listening.engine.is_zero() {
            return by.after(length);
        }
        self.hears_speech = false;
        let until = self.now() + listening.engine;
        self.next_prompt();
        loop {
            match self.hear_silence(until, !listening.keys.is_empty()) {
                WaitEvent::Key(digit) if digit.is_in(&listening.keys) => return HeardBy::Key(digit).after(length),
                WaitEvent::HungUp => return HeardBy::HungUp.after(length),
                WaitEvent::TimeUp => return by.after(length),
                WaitEvent::Key(_) | WaitEvent::Text(_) | WaitEvent::Speech(_) => {}
            }
        }
    }

    /// Plays a part of a prompt. A sound that is missing is left out.
    fn play_part(&mut self, part: &Part, keys: &str) -> KeyResult {
        match part {
            Part::File(file) => self.play(file, keys, 0).key,
            Part::Number { number, gender } => self.say_number(*number, keys, gender.as_deref()),
            Part::Digits(digits) => self.say_digits(digits, keys),
            Part::Spell(letters) => self.say_alpha(letters, keys, SayCase::None),
            Part::Phonetic(letters) => self.say_phonetic(letters, keys),
            Part::Date { epoch, format, zone } => self.say_datetime(*epoch, keys, format.as_deref(), zone.as_deref()),
        }
    }
}

impl HeardBy {
    fn after(self, length: Duration) -> Listened {
        Listened { by: self, length }
    }
}

impl Part {
    /// Returns the sound files by which Asterisk says it in English, at this time and in the zone of the server.
    pub fn files(&self, now: i64, server: &TimeZone) -> Vec<String> {
        let exists = |name: &str| Sounds::is_core(name);
        match self {
            Self::File(file) => vec![file.clone()],
            Self::Number { number, .. } => say::number(*number),
            Self::Digits(digits) => say::digits(digits, &exists),
            Self::Spell(letters) => say::alpha(letters, SayCase::None, &exists),
            Self::Phonetic(letters) => say::phonetic(letters, &exists),
            Self::Date { epoch, format, zone } => {
                let zone = zone.as_deref().filter(|zone| !zone.is_empty());
                let zone = zone.map_or_else(|| server.clone(), TimeZone::as_asterisk_reads);
                let date = SpokenDate { epoch: *epoch, zone: &zone, now, language: "en" };
                date.datetime(format.as_deref().unwrap_or("ABdY 'digits/at' IMp"), &str::to_owned).files
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::{channel, elapsed};
    use super::*;

    fn check(plan: &str, change: impl FnOnce(&mut Listening), expected: &str) {
        let mut listening = Listening {
            prompt: vec![Part::File("beep".to_owned())],
            barge_in: true,
            first: Duration::from_secs(5),
            silence: Duration::from_millis(800),
            max: Duration::from_secs(15),
            keys: "0#".to_owned(),
            engine: Duration::ZERO,
        };
        change(&mut listening);
        let mut channel = channel(plan);
        let Listened { by, length } = channel.listen(&listening);
        let by = match by {
            HeardBy::Speech(said) => format!("{:?} {}", said.heard, said.confidence),
            HeardBy::Max(said) => format!("max {:?}", said.heard),
            HeardBy::Key(digit) => format!("key {digit}"),
            HeardBy::Nothing => "nothing".to_owned(),
            HeardBy::HungUp => "hung up".to_owned(),
        };
        assert_eq!(format!("{by} of {} at {}", length.as_millis(), elapsed(&channel)), expected, "{plan}");
        assert!(!channel.hears_speech);
    }

    #[test]
    fn a_caller_is_heard_out() {
        check("says \"yes\" after 1s", |_| {}, "\"yes\" 100 of 400 at 2200");
        check("says \"yes please\" after 200ms", |_| {}, "\"yes please\" 100 of 800 at 1800");
        check(
            "says \"my name is\" after 1s, says \"Anna\" after 1.5s",
            |_| {},
            "\"my name is Anna\" 100 of 1900 at 3700",
        );
        check("says \"yes\" heard as \"guess\" unsure after 1s", |_| {}, "\"guess\" 30 of 400 at 2200");
        check(
            "says \"one two three\" after 1s",
            |it| it.max = Duration::from_secs(1),
            "max \"one two three\" of 1000 at 2000",
        );
    }

    #[test]
    fn silence_and_keys_end_it() {
        check("", |_| {}, "nothing of 0 at 5440");
        check("presses 50 after 1s", |_| {}, "key 0 of 0 at 1100");
        check("presses # after 100ms", |_| {}, "key # of 0 at 100");
        check("says \"yes\" after 1s, presses 0 after 200ms", |_| {}, "key 0 of 200 at 1200");
        check(
            "says \"yes\" after 1s, presses 0 after 2s",
            |it| it.engine = Duration::from_secs(2),
            "key 0 of 400 at 3000",
        );
        check("hangs up after 1s", |_| {}, "hung up of 0 at 1000");
        check("says \"yes\" after 100ms, presses 0 after 100ms", |it| it.barge_in = false, "nothing of 0 at 5440");
    }
}
