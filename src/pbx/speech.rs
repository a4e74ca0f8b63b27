//! The SPEECH commands. A stock Asterisk has no speech engine, so all of them return 0 unless a test declares one.

use super::caller::{Digit, Sound};
use super::channel::{Channel, WaitEvent};
use super::playback::{frames, signed};
use super::speech_engine::{Recognition, SpeechResult};
use crate::clock::Time;
use std::time::Duration;

/// The result of SPEECH RECOGNIZE. Each ending has the sample at which speech stopped the prompt, or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecognizeResult {
    /// Speech was recognised.
    Speech {
        /// The sample at which the prompt was stopped.
        endpos: i64,
        /// The recognised texts.
        results: Vec<SpeechResult>,
    },
    /// A key was pressed.
    Digit(Digit, i64),
    /// Neither happened in time.
    Timeout(i64),
    /// The call was hung up.
    HangUp(i64),
}

impl Channel {
    /// Declares a speech engine that recognises these, one per question, and nothing after that.
    #[must_use]
    pub fn with_speech(mut self, engine: &str, recognitions: Vec<Recognition>) -> Self {
        self.speech.engine = Some(engine.into());
        self.speech.recognitions = recognitions.into();
        self
    }

    /// SPEECH CREATE. An empty name means any engine. Also returns false if an object exists already.
    pub fn speech_create(&mut self, engine: &str) -> bool {
        let speech = &mut self.speech;
        let known = speech.engine.as_deref().is_some_and(|name| engine.is_empty() || name.eq_ignore_ascii_case(engine));
        let create = known && !speech.created;
        speech.created |= create;
        create
    }

    /// SPEECH DESTROY.
    pub fn speech_destroy(&mut self) -> bool {
        let speech = &mut self.speech;
        speech.loaded.clear();
        speech.active.clear();
        std::mem::take(&mut speech.created)
    }

    /// SPEECH SET, which accepts any setting.
    pub fn speech_set(&mut self, _name: &str, _value: &str) -> bool {
        self.speech.created
    }

    /// SPEECH LOAD GRAMMAR.
    pub fn speech_load_grammar(&mut self, name: &str, _path: &str) -> bool {
        self.speech.created && {
            self.speech.loaded.insert(name.into());
            true
        }
    }

    /// SPEECH UNLOAD GRAMMAR.
    pub fn speech_unload_grammar(&mut self, name: &str) -> bool {
        self.speech.active.remove(name);
        self.speech.loaded.remove(name)
    }

    /// SPEECH ACTIVATE GRAMMAR.
    pub fn speech_activate_grammar(&mut self, name: &str) -> bool {
        self.speech.loaded.contains(name) && {
            self.speech.active.insert(name.into());
            true
        }
    }

    /// SPEECH DEACTIVATE GRAMMAR.
    pub fn speech_deactivate_grammar(&mut self, name: &str) -> bool {
        self.speech.active.remove(name)
    }

    /// SPEECH RECOGNIZE; `None` without an object. The timeout starts at the end of the prompt; 0 waits forever. A
    /// missing prompt is skipped. The engine stops the prompt when it recognises something.
    pub fn speech_recognize(&mut self, prompt: &str, seconds: i64, offset: i64) -> Option<RecognizeResult> {
        if !self.speech.created {
            return None;
        }
        self.next_prompt();
        let began = self.now();
        let recognition = self.speech.recognitions.pop_front();
        let answer = recognition.as_ref().map_or(Time::NEVER, |recognition| began + recognition.after);
        let clip = self.find(prompt);
        let from = u64::try_from(offset).unwrap_or(0);
        let left = clip.map_or(0, |clip| clip.samples.saturating_sub(from));
        let played = began + Duration::from_micros(left.saturating_mul(125));
        let timeout = match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => played + Duration::from_secs(seconds),
            _ => Time::NEVER,
        };
        loop {
            let now = self.now();
            let playing = now < played;
            let sound = if playing { Sound::File(prompt) } else { Sound::Silence };
            let until = timeout.min(answer).min(if playing { played } else { Time::NEVER });
            match self.hear(until, sound, true) {
                WaitEvent::Key(digit) => return Some(RecognizeResult::Digit(digit, 0)),
                WaitEvent::HungUp => return Some(RecognizeResult::HangUp(0)),
                WaitEvent::TimeUp if self.now() >= answer => {
                    let endpos = if self.now() < played { signed(from + frames(began, self.now()) * 160) } else { 0 };
                    let results = recognition.map(|recognition| recognition.results).unwrap_or_default();
                    return Some(RecognizeResult::Speech { endpos, results });
                }
                WaitEvent::TimeUp if self.now() >= timeout => return Some(RecognizeResult::Timeout(0)),
                WaitEvent::TimeUp | WaitEvent::Text(_) | WaitEvent::Speech(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::{channel, elapsed};
    use super::*;

    fn check(plan: &str, after: Option<u64>, expected: &str) {
        let result = SpeechResult { score: 900, text: "yes".into(), grammar: "g".into() };
        let heard = after.map(|ms| Recognition { after: Duration::from_millis(ms), results: vec![result] });
        let mut channel = channel(plan).with_speech("acme", heard.into_iter().collect());
        assert!(!channel.speech_create("other") && channel.speech_create("acme") && !channel.speech_create("acme"));
        let answer = match channel.speech_recognize("beep", 2, 0).unwrap() {
            RecognizeResult::Speech { endpos, results } => format!("{} {endpos}", results[0].text),
            RecognizeResult::Digit(digit, endpos) => format!("{digit} {endpos}"),
            RecognizeResult::Timeout(endpos) => format!("timeout {endpos}"),
            RecognizeResult::HangUp(endpos) => format!("hangup {endpos}"),
        };
        assert_eq!(format!("{answer} at {}", elapsed(&channel)), expected);
    }

    #[test]
    fn a_stock_asterisk_has_no_engine() {
        let mut channel = channel("");
        assert!(!channel.speech_create("lumenvox") && !channel.speech_set("a", "b") && !channel.speech_destroy());
        assert!(!channel.speech_load_grammar("g", "p") && channel.speech_recognize("beep", 1, 0).is_none());
    }

    #[test]
    fn a_declared_engine_recognises_speech() {
        check("", Some(1000), "yes 0 at 1000");
        check("", Some(200), "yes 1600 at 200");
        check("", None, "timeout 0 at 2440");
        check("presses 3 after 1s", Some(1500), "3 0 at 1000");
        check("hangs up after 1s", None, "hangup 0 at 1000");
    }

    #[test]
    fn only_a_loaded_grammar_can_be_activated() {
        let mut channel = channel("").with_speech("acme", vec![]);
        assert!(channel.speech_create("") && !channel.speech_activate_grammar("g"));
        assert!(channel.speech_load_grammar("g", "p") && channel.speech_activate_grammar("g"));
        assert!(channel.speech_deactivate_grammar("g") && !channel.speech_deactivate_grammar("g"));
        assert!(channel.speech_unload_grammar("g") && !channel.speech_unload_grammar("g"));
        assert!(channel.speech_destroy() && !channel.speech_destroy());
    }
}
