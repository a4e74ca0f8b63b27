//! Questions: one round of keys, and rounds until there is an answer.
//!
//! The last part is played by `GET DATA part FIRST 1`, each part before it by `GET DATA part 1 1`, and the rest of the
//! keys come from `GET DATA "" BETWEEN max-1`: two commands for an answer. Each ends with a key, so Asterisk listens
//! again long before the next key can come. Keys are read one by one with WAIT FOR DIGIT only where GET DATA cannot do
//! it: for an `end` other than `#`, for `cancel`, and for menus whose choices differ in length.

use super::choices::Choices;
use super::keypad::{ANY_KEY, key};
use super::listening::{Heard, HeardBy, Sought};
use super::options::{MAX_SPEECH_MS, Options};
use super::parts::{is_prompt, read_parts};
use super::play::Play;
use super::prompter::{Prompter, ScriptError, ScriptResult};
use super::speech::{digits, expected_digits, expected_yes_no, yes_or_no};
use crate::clock::Time;
use crate::command::{GET_DATA, Value, WAIT_FOR_DIGIT};
use crate::script::{is_closure, values, written_name};
use crate::sync::lock;
use crate::transport::{Failure, Note};
use crate::world::{prompt, speak, speaks_prompts};
use rhai::{Array, Dynamic, EvalAltResult, FnPtr};
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

/// The keys that would have ended the last answer, which was complete without one, and until when they count as part
/// of that answer.
#[derive(Default)]
struct LateEnd(Mutex<Option<(String, Time)>>);

/// The maximum number of keys in an answer if neither options nor choices say otherwise.
const DEFAULT_MAX: usize = 20;

/// With `flush`, typing ahead is over once no key has come for this long, in milliseconds. Asterisk makes each key of
/// a fast typist last 80 ms, with 45 ms between two of them.
const FLUSH_QUIET_MS: i64 = 250;

/// Why a round ended, as `ended_by` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    Max,
    End,
    /// Some keys came, and then no more in time.
    Timeout,
    /// No key came.
    None,
    Cancel,
    /// The caller said something that is no answer, or that can't be understood.
    Unclear,
}

impl EndedBy {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::End => "end",
            Self::Timeout => "timeout",
            Self::None => "none",
            Self::Cancel => "cancel",
            Self::Unclear => "unclear",
        }
    }
}

/// The keys typed in one round.
pub(super) struct Round {
    pub keys: String,
    pub ended_by: EndedBy,
}

/// A question that is asked, perhaps more than once.
pub(super) struct Question<'a> {
    pub prompter: &'a Prompter<'a>,
    pub options: Options,
    /// The choices of a menu.
    pub choices: Option<Choices>,
    /// The maximum number of keys in an answer.
    max: usize,
    /// Whether keys are read one at a time.
    stepwise: bool,
    /// Whether an answer needs a key in addition to the one that ends it.
    needs_keys: bool,
    /// Whether the caller may say the answer. If the engine turns out to be unavailable, the question goes on without
    /// it.
    listens: Cell<bool>,
}

/// The keys that one command returned, and whether time ran out before there were enough.
struct KeysRead {
    keys: String,
    timed_out: bool,
}

impl<'a> Question<'a> {
    pub(super) fn new(prompter: &'a Prompter<'a>, options: Options, choices: Option<Choices>) -> Self {
        let longest = || choices.as_ref().and_then(Choices::longest);
        let max = options.max.or_else(longest).unwrap_or(DEFAULT_MAX);
        let ends_with_hash = options.end.chars().all(|key| key == '#');
        let unequal = choices.as_ref().is_some_and(|choices| !choices.all_have(max));
        let stepwise = !ends_with_hash || !options.cancel.is_empty() || unequal;
        let needs_keys = choices.is_some() || options.min > 0;
        let has_words = choices.as_ref().is_some_and(|choices| !choices.words().is_empty());
        let listens = Cell::new(options.speech || has_words);
        Self { prompter, options, choices, max, stepwise, needs_keys, listens }
    }

    /// Asks until there is an answer, and returns its keys; `None` if the caller never gave one.
    pub(super) fn ask(&self, parts: &Dynamic) -> Result<Option<String>, ScriptError> {
        let mut parts = read_parts(self.prompter, "parts", parts)?;
        let question_len = parts.len();
        for failures in 1..=self.options.tries {
            let round = self.round(&parts)?;
            let own_reprompt;
            if round.ended_by == EndedBy::Cancel {
                return Ok(None);
            }
            let reprompt = if round.ended_by == EndedBy::None && self.needs_keys {
                self.options.no_input.after(failures)
            } else if round.ended_by == EndedBy::Unclear {
                self.options.no_match.after(failures)
            } else {
                match self.judge(&round.keys)? {
                    Verdict::Accept => return Ok(Some(round.keys)),
                    Verdict::Reject => self.options.no_match.after(failures),
                    Verdict::RejectWith(plays) => {
                        own_reprompt = plays;
                        own_reprompt.as_slice()
                    }
                }
            };
            // It replaces the reprompt before it.
            let reprompt_len = parts.len() - question_len;
            parts.splice(..reprompt_len, reprompt.iter().cloned());
        }
        self.prompter.say(&self.options.give_up, "")?;
        Ok(None)
    }

    /// Decides whether these keys are an answer.
    fn judge(&self, keys: &str) -> Result<Verdict, ScriptError> {
        let fits = match &self.choices {
            Some(choices) => choices.find(keys).is_some(),
            None => keys.len() >= self.options.min,
        };
        let Some(valid) = self.options.valid.as_ref().filter(|_| fits) else {
            return Ok(if fits { Verdict::Accept } else { Verdict::Reject });
        };
        let returned = self.prompter.call_function("valid", valid, keys)?;
        match returned.as_bool() {
            Ok(true) => Ok(Verdict::Accept),
            Ok(false) => Ok(Verdict::Reject),
            Err(_) if returned.is_string() || returned.is_map() || returned.read_lock::<Array>().is_some() => {
                read_parts(self.prompter, "valid", &returned).map(Verdict::RejectWith)
            }
            Err(kind) => Err(self
                .prompter
                .bad_argument("valid", format_args!("`valid` must return true, false or parts, not {kind}"))),
        }
    }

    /// Asks once, and returns the keys that were typed.
    pub(super) fn round(&self, parts: &[Play]) -> Result<Round, ScriptError> {
        let call = &self.prompter.call;
        if self.options.secret {
            call.with_session(|session| session.keep_secret(true))?;
        }
        let round = self.read_round(parts);
        if self.options.secret {
            call.with_session(|session| session.keep_secret(false))?;
        }
        let filled = self.max > 1 && matches!(&round, Ok(Round { ended_by: EndedBy::Max, .. }));
        let late_end = if filled {
            let wait = Duration::from_millis(self.options.between.unsigned_abs());
            Some((self.options.end.clone(), call.with_session(|session| session.now())? + wait))
        } else {
            None
        };
        *lock(&call.extensions().get_or_default::<LateEnd>().0) = late_end;
        round
    }

    /// Whether this first key only ends the previous answer: many people press `#` although the last digit was
    /// enough. To the question that has just begun, it would be an answer without keys. If it would be more than
    /// that, it counts.
    fn is_late_end(&self, key: char) -> bool {
        let Some((keys, until)) = self.prompter.call.extensions().get::<LateEnd>().and_then(|end| lock(&end.0).take())
        else {
            return false;
        };
        let Options { end, cancel, .. } = &self.options;
        let named = self.choices.as_ref().is_some_and(|choices| choices.name_last(key.encode_utf8(&mut [0; 4])));
        let ends_nothing = self.needs_keys && !named && end.contains(key) && !cancel.contains(key);
        ends_nothing
            && keys.contains(key)
            && self.prompter.call.with_session(|session| session.now() <= until).unwrap_or(false)
    }

    fn read_round(&self, parts: &[Play]) -> Result<Round, ScriptError> {
        let parts = &*self.prompter.with_files(parts)?;
        self.prompter.flush(&self.options)?;
        let (prompt, key) = match self.listen(parts)? {
            Said::Answer(round) => return Ok(round),
            Said::Key(key) => ("", Some(key)),
            Said::Nowhere => self.play_parts(parts)?,
        };
        let mut typed = TypedKeys { question: self, keys: String::new() };
        if let Some(ended_by) = key.and_then(|key| typed.add(key)) {
            return Ok(typed.into_round(ended_by));
        }
        let mut waiting = key.is_none();
        loop {
            let left = self.max - typed.keys.len();
            let read = match waiting {
                // One command reads all keys if it may wait equally long for each.
                true if self.options.first == self.options.between && !self.stepwise => {
                    self.get_data(prompt, self.options.first, left)?
                }
                true => self.get_data(prompt, self.options.first, 1)?,
                false if self.stepwise => {
                    let pressed = self.prompter.invoke(&WAIT_FOR_DIGIT, &[Value::Int(self.options.between)])?;
                    let keys = key_text(&pressed);
                    KeysRead { timed_out: keys.is_empty(), keys }
                }
                false => self.get_data("", self.options.between, left)?,
            };
            if waiting && read.keys.chars().next().is_some_and(|key| self.is_late_end(key)) {
                continue;
            }
            waiting = false;
            for key in read.keys.chars() {
                if let Some(ended_by) = typed.add(key) {
                    return Ok(typed.into_round(ended_by));
                }
            }
            if read.timed_out {
                let ended_by = if typed.keys.is_empty() { EndedBy::None } else { EndedBy::Timeout };
                return Ok(typed.into_round(ended_by));
            }
        }
    }

    /// Plays the parts and listens, if the caller may say the answer.
    fn listen(&self, parts: &[Play]) -> Result<Said, ScriptError> {
        if !self.listens.get() {
            return Ok(Said::Nowhere);
        }
        let language = self.prompter.language()?;
        let heard = match self.sought(&language) {
            Ok(sought) => loop {
                match self.prompter.hear(parts, &sought)? {
                    Ok(Heard { key: Some(key), .. }) if self.is_late_end(key) => {}
                    heard => break heard,
                }
            },
            Err(failure) => Err(failure),
        };
        let heard = match heard {
            Ok(heard) => heard,
            Err(failure) => {
                self.listens.set(false);
                self.prompter.warn_of_engine(&failure, "the question goes on with keys alone");
                return Ok(Said::Nowhere);
            }
        };
        if let Some(key) = heard.key {
            return Ok(Said::Key(key));
        }
        if !matches!(heard.ended_by, HeardBy::Speech | HeardBy::Max) {
            return Ok(Said::Answer(Round { keys: String::new(), ended_by: EndedBy::None }));
        }
        let is_sure = heard.confidence >= self.options.confidence;
        let keys = self.meaning(&heard.text, &language).filter(|keys| is_sure && keys.len() <= self.max);
        if let Some(keys) = &keys {
            self.prompter.call.with_session(|session| session.note(Note::Meant(keys)))?;
        }
        Ok(Said::Answer(match keys {
            Some(keys) => Round { keys, ended_by: EndedBy::Max },
            None => Round { keys: String::new(), ended_by: EndedBy::Unclear },
        }))
    }

    /// Returns what to listen for.
    fn sought(&self, language: &str) -> Result<Sought, Failure> {
        let Options { first, silence, barge_in, min, .. } = self.options;
        let (words, repeat) = match &self.choices {
            None => expected_digits(language, min, self.max),
            Some(_) if self.options.speech => {
                let unknown = || Failure::failed(format!("yes and no are unknown in the language `{language}`"));
                (expected_yes_no(language).ok_or_else(unknown)?.map(str::to_owned).to_vec(), None)
            }
            Some(choices) => (choices.words(), None),
        };
        let keys = ANY_KEY.to_owned();
        Ok(Sought { words, repeat, first, silence, max: MAX_SPEECH_MS, keys, barge_in, is_question: true })
    }

    /// Returns the keys that what was heard stands for.
    fn meaning(&self, heard: &str, language: &str) -> Option<String> {
        match &self.choices {
            None => digits(heard, language),
            Some(_) if self.options.speech => {
                yes_or_no(heard, language).map(|yes| if yes { "1" } else { "2" }.to_owned())
            }
            Some(choices) => choices.said(heard, language).map(str::to_owned),
        }
    }

    /// Plays the parts. Returns the sound file that is left to the command that reads the first key, and the key that
    /// interrupted one of the parts.
    fn play_parts<'b>(&self, parts: &'b [Play]) -> Result<(&'b str, Option<char>), ScriptError> {
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

    /// Runs GET DATA, and adds the `#` that ended it.
    fn get_data(&self, prompt: &str, ms: i64, max: usize) -> Result<KeysRead, ScriptError> {
        let digits = i64::try_from(max).unwrap_or(1);
        let value = self.prompter.invoke(&GET_DATA, &[Value::from(prompt), Value::Int(ms), Value::Int(digits)])?;
        let Value::Text(mut keys) = value else { return Ok(KeysRead { keys: String::new(), timed_out: true }) };
        let timed_out = self.prompter.call.with_session(|session| session.timed_out())?;
        if !timed_out && keys.len() < max {
            keys.push('#');
        }
        Ok(KeysRead { keys, timed_out })
    }
}

/// The keys that were typed so far.
struct TypedKeys<'a> {
    question: &'a Question<'a>,
    keys: String,
}

impl TypedKeys<'_> {
    /// Adds a key. If it was the last one, returns why the round ended.
    fn add(&mut self, key: char) -> Option<EndedBy> {
        let Question { options, choices, max, .. } = self.question;
        self.keys.push(key);
        // A key that belongs to a choice neither ends nor cancels.
        if !choices.as_ref().is_some_and(|choices| choices.name_last(&self.keys)) {
            let ends = if options.cancel.contains(key) {
                Some(EndedBy::Cancel)
            } else {
                options.end.contains(key).then_some(EndedBy::End)
            };
            if ends.is_some() {
                self.keys.pop();
                return ends;
            }
        }
        // Keys that match no choice are read to the end all the same: the rest must not start the next try.
        let chosen =
            choices.as_ref().is_some_and(|choices| !choices.is_open(&self.keys) && choices.find(&self.keys).is_some());
        (chosen || self.keys.len() >= *max).then_some(EndedBy::Max)
    }

    fn into_round(self, ended_by: EndedBy) -> Round {
        Round { keys: self.keys, ended_by }
    }
}

/// What came of listening to the caller.
enum Said {
    Answer(Round),
    /// This key was pressed.
    Key(char),
    /// Nobody listens: the keys are left.
    Nowhere,
}

enum Verdict {
    Accept,
    Reject,
    /// Says these parts instead of `no_match`.
    RejectWith(Vec<Play>),
}

fn key_text(value: &Value) -> String {
    key(value).map(String::from).unwrap_or_default()
}

impl Prompter<'_> {
    /// Drops what was typed ahead, if the script wants that.
    pub(super) fn flush(&self, options: &Options) -> Result<(), ScriptError> {
        if options.flush {
            while key(&self.invoke(&WAIT_FOR_DIGIT, &[Value::Int(FLUSH_QUIET_MS)])?).is_some() {}
        }
        Ok(())
    }

    /// Has all texts spoken, before the first part is heard: no part waits for an engine in the middle of a sentence.
    pub(super) fn with_files<'b>(&self, parts: &'b [Play]) -> Result<Cow<'b, [Play]>, ScriptError> {
        let speaks_prompts = speaks_prompts(&self.call);
        let needs_a_file =
            |part: &Play| matches!(part, Play::Spoken { .. }) || speaks_prompts && matches!(part, Play::File(_));
        if !parts.iter().any(needs_a_file) {
            return Ok(Cow::Borrowed(parts));
        }
        let with_file = |part: &Play| match part {
            Play::File(name) if speaks_prompts && is_prompt(name) => {
                prompt(&self.call, name, &self.language()?, false).map(|file| Some(Play::File(file)))
            }
            Play::Spoken { text, voice, language } => {
                let language = language.clone().map_or_else(|| self.language(), Ok)?;
                speak(&self.call, self.function, text, voice.as_deref(), &language).map(|file| file.map(Play::File))
            }
            part => Ok(Some(part.clone())),
        };
        parts.iter().filter_map(|part| with_file(part).transpose()).collect::<Result<_, _>>().map(Cow::Owned)
    }

    /// Plays these parts. One of these keys ends them, and is returned.
    pub(super) fn say(&self, parts: &[Play], keys: &str) -> Result<Option<char>, ScriptError> {
        for part in &*self.with_files(parts)? {
            if let Some(key) = self.play(part, keys)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Calls a script's function with these keys, or without arguments if it takes none. `parameter` names the
    /// parameter or option that holds the function.
    pub(super) fn call_function(
        &self,
        parameter: &'static str,
        function: &FnPtr,
        keys: &str,
    ) -> Result<Dynamic, ScriptError> {
        let is_arity = |called: &ScriptResult| called.as_ref().is_err_and(|error| is_arity_error(error, function));
        let mut called = function.call_raw(self.call.context(), None, [Dynamic::from(keys.to_owned())]);
        if is_arity(&called) {
            called = function.call_raw(self.call.context(), None, [(); 0].map(Dynamic::from));
        }
        if is_arity(&called) {
            let what = if is_closure(function.fn_name()) {
                values::FOR_KEYS.to_owned()
            } else {
                let name = written_name(function.fn_name());
                format!("names `{name}`, but no function of that name has one parameter or none")
            };
            return Err(self.bad_argument(parameter, format_args!("`{parameter}` {what}")));
        }
        called
    }
}

/// Whether the error means that the function itself, and not one it calls, doesn't take this many arguments.
fn is_arity_error(error: &EvalAltResult, function: &FnPtr) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(signature, _)
        if signature.strip_prefix(function.fn_name()).is_some_and(|rest| rest.trim_start().starts_with('(')))
}
