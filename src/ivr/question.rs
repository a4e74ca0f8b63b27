//! Questions: one round of keys, and rounds until there is an answer.
//!
//! A part but the last is `GET DATA part 1 1`, the last one `GET DATA part FIRST 1`, and the rest of the keys
//! `GET DATA "" BETWEEN max-1`: two commands for an answer. Each ends with a key, so Asterisk listens again long before
//! the next key can come. Only what GET DATA cannot do is read key by key with WAIT FOR DIGIT: another `end` than `#`,
//! `cancel`, and the choices of a menu that differ in length.

use super::choices::Choices;
use super::options::{Options, USUAL_MAX};
use super::parts::{key, plays};
use super::play::Play;
use super::prompter::{Failure, Outcome, Prompter};
use crate::clock::Time;
use crate::command::{GET_DATA, Value, WAIT_FOR_DIGIT};
use crate::script::lock;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr};
use std::sync::Mutex;
use std::time::Duration;

/// The keys that would have ended the last answer, which needed none, and up to when they belong to it.
#[derive(Default)]
struct LateEnd(Mutex<Option<(String, Time)>>);

/// Who types ahead is done when no key has come for so long, in milliseconds: Asterisk makes a key of a fast typist
/// last 80 ms and puts 45 ms between two.
const QUIET: i64 = 250;

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Max,
    End,
    Timeout,
    None,
    Cancel,
}

impl Ended {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::End => "end",
            Self::Timeout => "timeout",
            Self::None => "none",
            Self::Cancel => "cancel",
        }
    }
}

/// One round: what was typed.
pub(super) struct Round {
    pub keys: String,
    pub ended: Ended,
}

/// A question to be asked, perhaps more than once.
pub(super) struct Question<'a> {
    pub prompter: &'a Prompter<'a>,
    pub options: Options,
    /// What the keys are to choose from, in a menu.
    pub choices: Option<Choices>,
    /// The most keys.
    max: usize,
    /// Whether one key is read at a time.
    stepwise: bool,
    /// Whether the key that ends an answer is none by itself.
    needs_keys: bool,
}

/// The keys of one read, and whether the time was up before there were enough.
struct Read {
    keys: String,
    timed_out: bool,
}

impl<'a> Question<'a> {
    pub(super) fn new(prompter: &'a Prompter<'a>, options: Options, choices: Option<Choices>) -> Self {
        let longest = choices.as_ref().map_or(Some(USUAL_MAX), Choices::longest);
        let max = options.max.unwrap_or_else(|| longest.unwrap_or(USUAL_MAX));
        let usual_end = options.end.chars().all(|key| key == '#');
        let unequal = choices.as_ref().is_some_and(|choices| !choices.all_have(max));
        let stepwise = !usual_end || !options.cancel.is_empty() || unequal;
        let needs_keys = choices.is_some() || options.min > 0 && prompter.function != "collect";
        Self { prompter, options, choices, max, stepwise, needs_keys }
    }

    /// Asks until there is an answer: its keys, or nothing.
    pub(super) fn ask(&self, parts: &Dynamic) -> Result<Option<String>, Failure> {
        let mut parts = plays(self.prompter, "parts", parts)?;
        let asked = parts.len();
        for failures in 1..=self.options.tries {
            let round = self.round(&parts)?;
            let again: &[Play];
            let instead;
            if round.ended == Ended::Cancel {
                return Ok(None);
            } else if round.ended == Ended::None && self.needs_keys {
                again = self.options.no_input.after(failures);
            } else {
                match self.judge(&round.keys)? {
                    Judged::Good => return Ok(Some(round.keys)),
                    Judged::Bad => again = self.options.no_match.after(failures),
                    Judged::Instead(plays) => {
                        instead = plays;
                        again = &instead;
                    }
                }
            }
            let said_last = parts.len() - asked;
            parts.splice(..said_last, again.iter().cloned());
        }
        self.prompter.say(&self.options.give_up, "")?;
        Ok(None)
    }

    /// Whether these keys are an answer.
    fn judge(&self, keys: &str) -> Result<Judged, Failure> {
        let fits = match &self.choices {
            Some(choices) => choices.find(keys).is_some(),
            None => keys.len() >= self.options.min,
        };
        let Some(valid) = self.options.valid.as_ref().filter(|_| fits) else {
            return Ok(if fits { Judged::Good } else { Judged::Bad });
        };
        let said = self.prompter.call_back("valid", valid, keys)?;
        match said.as_bool() {
            Ok(true) => Ok(Judged::Good),
            Ok(false) => Ok(Judged::Bad),
            Err(_) if said.is_string() || said.is_map() || said.read_lock::<Array>().is_some() => {
                plays(self.prompter, "valid", &said).map(Judged::Instead)
            }
            Err(kind) => {
                Err(self.prompter.wrong("valid", format_args!("`valid` must give true, false or parts, not {kind}")))
            }
        }
    }

    /// Asks once.
    pub(super) fn round(&self, parts: &[Play]) -> Result<Round, Failure> {
        let call = &self.prompter.call;
        if self.options.secret {
            call.with_session(|session| session.keep_secret(true))?;
        }
        let round = self.read_round(parts);
        if self.options.secret {
            call.with_session(|session| session.keep_secret(false))?;
        }
        let full = self.max > 1 && matches!(&round, Ok(Round { ended: Ended::Max, .. }));
        let end = if full {
            let wait = Duration::from_millis(self.options.between.unsigned_abs());
            Some((self.options.end.clone(), call.with_session(|session| session.now())? + wait))
        } else {
            None
        };
        *lock(&call.extensions().get_or_default::<LateEnd>().0) = end;
        round
    }

    /// Whether this first key is the end of the answer before: many press `#` though the last digit has been enough.
    /// To a question that has just begun it would be an answer of no keys. Where it would be more, it is.
    fn is_late_end(&self, key: char) -> bool {
        let Some((keys, until)) = self.prompter.call.extensions().get::<LateEnd>().and_then(|end| lock(&end.0).take())
        else {
            return false;
        };
        let Options { end, cancel, .. } = &self.options;
        let asked_for = self.choices.as_ref().is_some_and(|choices| choices.ask_for(key.encode_utf8(&mut [0; 4])));
        let ends_nothing = self.needs_keys && !asked_for && end.contains(key) && !cancel.contains(key);
        ends_nothing
            && keys.contains(key)
            && self.prompter.call.with_session(|session| session.now() <= until).unwrap_or(false)
    }

    fn read_round(&self, parts: &[Play]) -> Result<Round, Failure> {
        if self.options.flush {
            while key(&self.prompter.invoke(&WAIT_FOR_DIGIT, &[Value::Int(QUIET)])?).is_some() {}
        }
        let (prompt, key) = self.play(parts)?;
        let mut typed = Typed { question: self, keys: String::new() };
        if let Some(ended) = key.and_then(|key| typed.add(key)) {
            return Ok(typed.over(ended));
        }
        let mut waiting = key.is_none();
        loop {
            let left = self.max - typed.keys.len();
            let read = match waiting {
                // One command for all, where there is one wait for all.
                true if self.options.first == self.options.between && !self.stepwise => {
                    self.data(prompt, self.options.first, left)?
                }
                true => self.data(prompt, self.options.first, 1)?,
                false if self.stepwise => {
                    let pressed = self.prompter.invoke(&WAIT_FOR_DIGIT, &[Value::Int(self.options.between)])?;
                    let keys = key_text(&pressed);
                    Read { timed_out: keys.is_empty(), keys }
                }
                false => self.data("", self.options.between, left)?,
            };
            if waiting && read.keys.chars().next().is_some_and(|key| self.is_late_end(key)) {
                continue;
            }
            waiting = false;
            for key in read.keys.chars() {
                if let Some(ended) = typed.add(key) {
                    return Ok(typed.over(ended));
                }
            }
            if read.timed_out {
                let ended = if typed.keys.is_empty() { Ended::None } else { Ended::Timeout };
                return Ok(typed.over(ended));
            }
        }
    }

    /// Plays the parts: the sound file that is left to be played by the read of the first key, and the key that ended
    /// another.
    fn play<'b>(&self, parts: &'b [Play]) -> Result<(&'b str, Option<char>), Failure> {
        if !self.options.barge_in {
            for part in parts {
                self.prompter.play(part, "")?;
            }
            return Ok(("", None));
        }
        let (prompt, before) = match parts.split_last() {
            Some((Play::File(file), before)) => (file.as_str(), before),
            _ => ("", parts),
        };
        for part in before {
            while let Some(key) = self.prompter.play_asking(part)? {
                if !self.is_late_end(key) {
                    return Ok(("", Some(key)));
                }
            }
        }
        Ok((prompt, None))
    }

    /// GET DATA, with the `#` that ended it.
    fn data(&self, prompt: &str, ms: i64, max: usize) -> Result<Read, Failure> {
        let digits = i64::try_from(max).unwrap_or(1);
        let value = self.prompter.invoke(&GET_DATA, &[Value::from(prompt), Value::Int(ms), Value::Int(digits)])?;
        let Value::Text(mut keys) = value else { return Ok(Read { keys: String::new(), timed_out: true }) };
        let timed_out = self.prompter.call.with_session(|session| session.timed_out())?;
        if !timed_out && keys.len() < max {
            keys.push('#');
        }
        Ok(Read { keys, timed_out })
    }
}

/// What was typed so far.
struct Typed<'a> {
    question: &'a Question<'a>,
    keys: String,
}

impl Typed<'_> {
    /// Takes one key more; says when that was the last one.
    fn add(&mut self, key: char) -> Option<Ended> {
        let Question { options, choices, max, .. } = self.question;
        self.keys.push(key);
        // A key that is part of a choice is nothing else.
        if !choices.as_ref().is_some_and(|choices| choices.ask_for(&self.keys)) {
            let ends = if options.cancel.contains(key) {
                Some(Ended::Cancel)
            } else {
                options.end.contains(key).then_some(Ended::End)
            };
            if ends.is_some() {
                self.keys.pop();
                return ends;
            }
        }
        // Who has typed what is no choice is heard out: the rest of it must not be the beginning of the next try.
        let chosen =
            choices.as_ref().is_some_and(|choices| !choices.is_open(&self.keys) && choices.find(&self.keys).is_some());
        (chosen || self.keys.len() >= *max).then_some(Ended::Max)
    }

    fn over(self, ended: Ended) -> Round {
        Round { keys: self.keys, ended }
    }
}

enum Judged {
    Good,
    Bad,
    Instead(Vec<Play>),
}

fn key_text(value: &Value) -> String {
    key(value).map(String::from).unwrap_or_default()
}

impl Prompter<'_> {
    /// Plays what can be ended by one of these keys: that key.
    pub(super) fn say(&self, parts: &[Play], keys: &str) -> Result<Option<char>, Failure> {
        for part in parts {
            if let Some(key) = self.play(part, keys)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Calls a script's function with these keys, or without if it takes none; `parameter` is what it was given for.
    pub(super) fn call_back(&self, parameter: &'static str, function: &FnPtr, keys: &str) -> Result<Dynamic, Failure> {
        let is_arity = |called: &Outcome| called.as_ref().is_err_and(|error| is_arity(error, function));
        let mut called = function.call_raw(self.call.context(), None, [Dynamic::from(keys.to_owned())]);
        if is_arity(&called) {
            called = function.call_raw(self.call.context(), None, [(); 0].map(Dynamic::from));
        }
        if is_arity(&called) {
            let what = if function.is_anonymous() {
                "holds a function of several parameters: it is called with the keys, or without anything".to_owned()
            } else {
                format!("names `{}`: there is no function of that name with one parameter or none", function.fn_name())
            };
            return Err(self.wrong(parameter, format_args!("`{parameter}` {what}")));
        }
        called
    }
}

/// Whether the function itself, and none it calls, was not found with so many arguments.
fn is_arity(error: &EvalAltResult, function: &FnPtr) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(signature, _)
        if signature.strip_prefix(function.fn_name()).is_some_and(|rest| rest.trim_start().starts_with('(')))
}
