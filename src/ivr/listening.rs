//! Listening to what a caller says: one request, and what was heard.

use super::keypad::{ANY_KEY, key};
use super::options::{Asks, Options, seconds};
use super::parts::read_parts;
use super::play::Play;
use super::prompter::{Prompter, ScriptError, ScriptResult};
use super::speech::find;
use crate::calendar::TimeZone;
use crate::command::{Refusal, RefusalKind, Value, WAIT_FOR_DIGIT};
use crate::pbx::Part;
use crate::script::dynamic;
use crate::session::Error;
use crate::transport::{Failure, FailureKind, Request};
use crate::world::listen as ask_to_listen;
use rhai::Dynamic;
use serde_json::{Map, Value as Json};
use std::time::Duration;
use tracing::warn;

/// What is listened for.
pub(super) struct Sought {
    /// What may be said, as an engine is told; anything if it is empty.
    pub words: Vec<String>,
    /// How many of these words, at least and at most.
    pub repeat: Option<(usize, usize)>,
    /// In milliseconds, as the following are.
    pub first: i64,
    pub silence: i64,
    pub max: i64,
    /// The keys that end it.
    pub keys: String,
    pub barge_in: bool,
    /// Whether it is a question, whose sound files don't count as failures of the call when they are missing.
    pub is_question: bool,
}

/// What was heard.
#[derive(Default)]
pub(super) struct Heard {
    pub text: String,
    pub confidence: f64,
    pub ended_by: HeardBy,
    pub key: Option<char>,
    pub seconds: f64,
}

/// What ended it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum HeardBy {
    #[default]
    Nothing,
    Speech,
    Key,
    Max,
}

impl HeardBy {
    const ALL: [Self; 4] = [Self::Nothing, Self::Speech, Self::Key, Self::Max];

    /// Returns the word by which scripts and requests name it.
    const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Speech => "speech",
            Self::Key => "key",
            Self::Max => "max",
        }
    }
}

impl Heard {
    /// Reads the answer of a service, or of what stands in for it. Whatever is wrong with it is left out.
    fn read(answer: &Json) -> Self {
        let text = |name: &str| answer.get(name).and_then(Json::as_str).unwrap_or_default();
        let number = |name: &str| answer.get(name).and_then(Json::as_f64);
        let ended_by = HeardBy::ALL.into_iter().find(|by| by.word() == text("ended_by")).unwrap_or_default();
        let is_speech = matches!(ended_by, HeardBy::Speech | HeardBy::Max);
        Self {
            text: if is_speech { text("text").to_owned() } else { String::new() },
            confidence: if is_speech { number("confidence").unwrap_or(1.0).clamp(0.0, 1.0) } else { 0.0 },
            ended_by,
            key: text("key").chars().next().filter(|key| ended_by == HeardBy::Key && ANY_KEY.contains(*key)),
            seconds: number("seconds").filter(|seconds| *seconds >= 0.0).unwrap_or_default(),
        }
    }

    const fn of_key(key: char) -> Self {
        Self { text: String::new(), confidence: 0.0, ended_by: HeardBy::Key, key: Some(key), seconds: 0.0 }
    }
}

/// The function `listen`.
pub(super) fn listen(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), Asks::Listen)?;
    let parts = read_parts(prompter, "parts", args[0])?;
    let keep_secret = |secret| prompter.call.with_session(|session| session.keep_secret(secret));
    if options.secret {
        keep_secret(true)?;
    }
    let listened = listen_once(prompter, &options, &parts);
    if options.secret {
        keep_secret(false)?;
    }
    let heard = match listened? {
        Ok(heard) => heard,
        Err(failure) => return without_engine(prompter, options.otherwise, &failure),
    };
    let named = find(&heard.text, &options.words, &prompter.language()?).and_then(|at| options.words.get(at));
    Ok(dynamic(Value::map([
        ("text", Value::Text(named.unwrap_or(&heard.text).clone())),
        ("confidence", Value::Float(heard.confidence)),
        ("ended_by", Value::from(heard.ended_by.word())),
        ("key", Value::Text(heard.key.map(String::from).unwrap_or_default())),
        ("seconds", Value::Float(heard.seconds)),
    ])))
}

fn listen_once(prompter: &Prompter, options: &Options, parts: &[Play]) -> Result<Result<Heard, Failure>, ScriptError> {
    prompter.flush(options)?;
    let parts = prompter.with_files(parts)?;
    let sought = Sought {
        words: options.words.clone(),
        repeat: None,
        first: options.first,
        silence: options.silence,
        max: options.max_speech,
        keys: options.keys.clone(),
        barge_in: options.barge_in,
        is_question: false,
    };
    prompter.hear(&parts, &sought)
}

/// Returns what a script has said to do without an engine.
fn without_engine(prompter: &Prompter, otherwise: Option<Dynamic>, failure: &Failure) -> ScriptResult {
    match otherwise {
        Some(otherwise) => {
            prompter.warn_of_engine(failure, "the script goes on with `otherwise`");
            Ok(otherwise)
        }
        None => Err(prompter.engine_error(failure)),
    }
}

impl Prompter<'_> {
    /// Plays parts and listens; the files of spoken texts are known. If the engine is unavailable, there is a failure,
    /// which comes when the caller has spoken, or hasn't. Where nobody can listen, keys are heard, and the failure
    /// comes after that; if it is a question, at once.
    ///
    /// # Errors
    /// The call has ended.
    pub fn hear(&self, parts: &[Play], sought: &Sought) -> Result<Result<Heard, Failure>, ScriptError> {
        let language = self.language()?;
        let mut rest = parts;
        loop {
            let answer = self.call.state.usage.uncounted(|| {
                let request = self.request(rest, sought, &language)?;
                ask_to_listen(&self.call, request)
            })?;
            let answer = match answer {
                Ok(answer) => answer,
                // Nobody listens, and the caller has heard nothing. A question goes on with keys by itself.
                Err(failure) if failure.kind == FailureKind::Argument && !sought.is_question => {
                    return Ok(self.hear_keys(rest, sought)?.ok_or(failure));
                }
                Err(failure) => return Ok(Err(failure)),
            };
            // Asterisk plays what nobody else can.
            let Some(count) = answer.get("play").and_then(Json::as_u64) else { return Ok(Ok(Heard::read(&answer))) };
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(rest.len());
            if count == 0 {
                return Ok(Err(Failure::failed("the prompt can't be played")));
            }
            let (first, then) = rest.split_at(count);
            if let Some(key) = self.play_listening(first, sought)? {
                return Ok(Ok(Heard::of_key(key)));
            }
            rest = then;
        }
    }

    /// Plays parts by Asterisk. Returns the key that ended them.
    fn play_listening(&self, parts: &[Play], sought: &Sought) -> Result<Option<char>, ScriptError> {
        for part in parts {
            let key = match (sought.barge_in, sought.is_question) {
                (false, _) => self.play(part, "")?,
                (true, true) => self.play_asking(part)?,
                (true, false) => self.play(part, &sought.keys)?,
            };
            if let Some(key) = key.filter(|_| sought.barge_in) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Plays parts and waits for a key, where there is nobody to understand what the caller says.
    fn hear_keys(&self, parts: &[Play], sought: &Sought) -> Result<Option<Heard>, ScriptError> {
        if let Some(key) = self.play_listening(parts, sought)? {
            return Ok(Some(Heard::of_key(key)));
        }
        let now = || self.call.with_session(|session| session.now());
        let until = now()? + Duration::from_millis(sought.first.unsigned_abs());
        loop {
            let left = i64::try_from((until - now()?).as_millis()).unwrap_or(i64::MAX);
            if left == 0 || sought.keys.is_empty() {
                return Ok(None);
            }
            match key(&self.invoke(&WAIT_FOR_DIGIT, &[Value::Int(left)])?) {
                Some(key) if sought.keys.contains(key) => return Ok(Some(Heard::of_key(key))),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    fn request(&self, parts: &[Play], sought: &Sought, language: &str) -> Result<Request, ScriptError> {
        let (now, zone) = self.call.with_session(|session| {
            let now = session.started() + (session.now() - session.began());
            (i64::try_from(now.since_epoch().as_secs()).unwrap_or(i64::MAX), session.time_zone())
        })?;
        let prompt: Vec<Json> = parts.iter().filter_map(|part| as_json(part, language, now, &zone)).collect();
        let mut request = Request::new("listen", "")
            .with("prompt", prompt)
            .with("barge_in", sought.barge_in)
            .with("language", language)
            .with("first", seconds(sought.first))
            .with("silence", seconds(sought.silence))
            .with("max", seconds(sought.max))
            .with("keys", sought.keys.as_str());
        if !sought.words.is_empty() {
            request = request.with("words", sought.words.clone());
            if let Some((min, max)) = sought.repeat {
                request = request.with("repeat", vec![min, max]);
            }
        }
        Ok(request)
    }

    /// Logs that nobody understands what the caller says, and how the call goes on.
    pub fn warn_of_engine(&self, failure: &Failure, how: &str) {
        let context = self.call.context();
        let (script, line) = (context.call_source().unwrap_or_default(), context.call_position().line().unwrap_or(0));
        let knows_a_secret = self.call.with_session(|session| session.knows_a_secret()).unwrap_or(true);
        let problem = if knows_a_secret { "its engine is unavailable" } else { failure.message.as_str() };
        warn!(script, line, "{}: nobody understands what the caller says: {problem}; {how}", self.function);
    }

    fn engine_error(&self, failure: &Failure) -> ScriptError {
        let (kind, message) = (RefusalKind::Unavailable, format!("{}: {failure}", self.function));
        let refusal = Refusal { kind, command: self.function, parameter: None, code: None, result: None, message };
        self.call.raise(Error::Refused(refusal))
    }
}

/// Returns a part as a request names it.
fn as_json(play: &Play, language: &str, now: i64, zone: &TimeZone) -> Option<Json> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Json| {
        map.insert(name.to_owned(), value);
    };
    let part = match play.clone() {
        Play::File(file) => {
            put("file", file.into());
            None
        }
        // These have become files.
        Play::Spoken { .. } => return None,
        Play::Number { number, gender } => {
            put("number", number.into());
            gender.clone().into_iter().for_each(|gender| put("gender", gender.into()));
            Some(Part::Number { number: i32::try_from(number).ok()?, gender })
        }
        Play::Digits(digits) => {
            put("digits", digits.clone().into());
            Some(Part::Digits(digits))
        }
        Play::Spell(letters) => {
            put("spell", letters.clone().into());
            Some(Part::Spell(letters))
        }
        Play::Phonetic(letters) => {
            put("phonetic", letters.clone().into());
            Some(Part::Phonetic(letters))
        }
        Play::Date { epoch, format, zone } => {
            put("date", epoch.into());
            for (name, value) in [("format", &format), ("zone", &zone)] {
                if let Some(value) = value {
                    put(name, value.as_str().into());
                }
            }
            Some(Part::Date { epoch, format, zone })
        }
    };
    // The grammars of other languages aren't known.
    if let Some(part) = part.filter(|_| language == "en" || language.starts_with("en_")) {
        map.insert("files".to_owned(), part.files(now, zone).into());
    }
    Some(Json::Object(map))
}
