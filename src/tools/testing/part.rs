//! What a test says and does: the caller's part.

use super::line::{self, Goal, PATIENCE, Placed, Prompt, Run, State};
use super::test::{Failed, Live, OnLine, Test};
use crate::clock::Time;
use crate::command::{Function, Kind, Need, Param, Value};
use crate::pbx::{Act, Call, Channel, State as ChannelState, Variables, Voice};
use crate::script::LoadError;
use crate::script::MAX_MESSAGE;
use crate::script::{nearest, value};
use crate::script::{quoted, short};
use rhai::{Array, Dynamic, INT};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why a word of a test gives no value.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What the test expected did not come.
    Failed(Box<Failed>),
    /// The test is wrong.
    Misuse(String),
}

fn failed(message: impl Into<String>, hint: Option<String>) -> Trouble {
    Trouble::Failed(Box::new(Failed { message: message.into(), hint, ..Failed::default() }))
}

type Outcome = Result<Dynamic, Trouble>;

/// What a word was given.
pub(super) struct Args<'a, 'b> {
    pub function: &'static Function,
    pub values: &'a mut [&'b mut Dynamic],
}

impl Args<'_, '_> {
    fn value(&self, at: usize) -> Value {
        self.values.get(at).map_or(Value::Nothing, |given| value(given))
    }

    fn has(&self, at: usize) -> bool {
        at < self.values.len()
    }

    fn misuse(&self, at: usize, wanted: &str) -> Trouble {
        let name = self.function.params.get(at).map_or("", |param| param.name);
        let given = self.value(at);
        Trouble::Misuse(format!(
            "{}: `{name}` must be {wanted}, not {}",
            self.function.name,
            short(shown(&given), MAX_MESSAGE)
        ))
    }

    fn text(&self, at: usize) -> Result<String, Trouble> {
        match self.value(at) {
            Value::Text(text) => Ok(text),
            _ => Err(self.misuse(at, "a text")),
        }
    }

    /// A text that is not empty, or a number, which is a text too.
    fn word(&self, at: usize) -> Result<String, Trouble> {
        match self.value(at) {
            Value::Text(text) if !text.is_empty() => Ok(text),
            Value::Int(number) => Ok(number.to_string()),
            _ => Err(self.misuse(at, "a text that is not empty")),
        }
    }

    fn length(&self, at: usize) -> Result<Duration, Trouble> {
        let wrong = || self.misuse(at, "a number of seconds");
        let seconds = match self.value(at) {
            #[expect(clippy::cast_precision_loss, reason = "no test waits for so many seconds that it matters")]
            Value::Int(seconds) => seconds as f64,
            Value::Float(seconds) => seconds,
            _ => return Err(wrong()),
        };
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
    }
}

/// A value as a test would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::Nothing => "()".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => quoted(text, MAX_MESSAGE),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(items) => {
            let items = items.iter().map(|(name, item)| format!("{name}: {}", shown(item)));
            format!("#{{ {} }}", items.collect::<Vec<_>>().join(", "))
        }
        Value::Other(name) => name.clone(),
    }
}

/// A value where Asterisk knows only texts.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Nothing => None,
        other => Some(shown(other)),
    }
}

fn optional(text: Option<String>) -> Dynamic {
    text.map_or(Dynamic::UNIT, Dynamic::from)
}

fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Dynamic {
    texts.map(|text| Dynamic::from(text.clone())).collect::<Array>().into()
}

impl Live {
    /// The call, whether it is on or over.
    fn call(&mut self, word: &str) -> Result<&mut OnLine, Trouble> {
        self.call.as_mut().ok_or_else(|| Trouble::Misuse(format!("{word}: no call was placed: place_call comes first")))
    }

    /// The call, which must be on.
    fn live(&mut self, word: &str) -> Result<&mut OnLine, Trouble> {
        let call = self.call(word)?;
        let over = {
            let state = call.line().state();
            state.ended.is_some().then(|| standstill(&state))
        };
        match over {
            Some(over) => Err(failed(format!("nobody is on the line for {word}: {over}"), None)),
            None => Ok(call),
        }
    }
}

/// Why nothing more comes.
fn standstill(state: &State) -> String {
    if state.runs_away {
        return "the script sends commands without end, and no time passes".to_owned();
    }
    match &state.ended {
        Some(ended) => match &ended.fault {
            Some(fault) => format!("the script ended by a fault: {}", fault.message),
            None => format!("the call ended with {} after {}", ended.status, length(state.ended_at - state.began)),
        },
        None if state.waits_for_ever => "the script waits for ever: only the caller could end that".to_owned(),
        None => format!("{} passed", length(PATIENCE)),
    }
}

/// `3 min 2 s`, `2.4 s`
pub(super) fn length(length: Duration) -> String {
    match length.as_secs() {
        0..60 => format!("{:.1} s", length.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

impl OnLine {
    /// Lets time pass until a prompt like this begins, or any, after those seen so far.
    fn next(&mut self, like: Option<&str>) -> Option<Prompt> {
        let find = |state: &State, seen: usize| {
            let new = state.heard.iter().enumerate().skip(seen);
            new.filter(|(_, prompt)| like.is_none_or(|like| line::is(&prompt.text, like)))
                .map(|(at, prompt)| (at, prompt.clone()))
                .next()
        };
        let mut found = find(&self.line().state(), self.seen);
        if found.is_none() {
            let after = self.line().state().heard.len();
            self.line().go(Goal::Prompt { after, like: like.map(str::to_owned) });
            found = find(&self.line().state(), after);
        }
        let all = self.line().state().heard.len();
        self.seen = found.as_ref().map_or(all, |(at, _)| at + 1);
        found.map(|(_, prompt)| prompt)
    }

    /// Where a test waits for a prompt that is none: what it may have meant.
    fn meant(&self, like: &str) -> Option<String> {
        if line::is_word(like) || self.sounds.find(like, "en").is_some() {
            return None;
        }
        let state = self.line().state();
        let known = self.what.sounds.prompts();
        let known: Vec<&str> = known.chain(state.heard.iter().map(|prompt| prompt.text.as_str())).collect();
        Some(match nearest(like, known.into_iter()) {
            Some(near) => format!("there is no sound file `{like}`: did you mean `{near}`?"),
            None => format!("there is no sound file `{like}`, so it cannot be heard"),
        })
    }

    /// Goes to the end of the call, after which nothing is left on the line.
    fn finish(&mut self) {
        if self.line().state().ended.is_none() {
            self.line().act([Act::HangUp].into_iter(), Duration::ZERO);
            self.line().go(Goal::End);
        }
    }

    /// What went wrong in it that its test did not expect.
    fn unexpected(&self) -> Option<Failed> {
        let state = self.line().state();
        let message = if state.runs_away {
            "the script never ends: it sends commands, and no time passes".to_owned()
        } else if self.fault_is_expected {
            return None;
        } else {
            format!("the script has a fault: {}", state.ended.as_ref()?.fault.as_ref()?.message)
        };
        Some(Failed { message, ..Failed::default() })
    }
}

impl Test {
    /// Hangs up what is on, after the test; a fault nobody expected fails it.
    pub(super) fn close(&self) -> Option<Failed> {
        let mut live = self.live();
        let call = live.call.as_mut()?;
        call.finish();
        call.unexpected()
    }
}

const fn option(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Optional, doc }
}

/// The options of `place_call`.
pub(super) static OPTIONS: &[Param] = &[
    option("callerid", Kind::Name, "The caller's number; `()` for one that is withheld."),
    option("name", Kind::Name, "The caller's name."),
    option("extension", Kind::Name, "The extension that was dialed."),
    option("context", Kind::Name, "The dialplan context."),
    option("dnid", Kind::Name, "The number that was dialed."),
    option("language", Kind::Name, "The channel's language."),
    option("seed", Kind::Any, "The seed of the call's random numbers."),
    option("args", Kind::Any, "An array with the script's arguments."),
    option("params", Kind::Map, "The parameters of a FastAGI address."),
    option("variables", Kind::Map, "Channel variables and their values."),
    option("database", Kind::Map, "AstDB before the call: `#{ \"family/key\": value }`."),
    option("missing", Kind::Any, "An array with names of sound files that do not exist."),
    option("voice", Kind::Any, "What the caller does while a recording is made."),
    option("dial_status", Kind::Name, "The `DIALSTATUS` that a `dial` ends with."),
    option("time", Kind::Any, "The time at which the call begins, in seconds since the Unix epoch."),
    option("state", Kind::Name, "The state of the channel before the call is answered."),
    option("gone_at", Kind::Any, "The number of the command before which the caller hangs up."),
];

struct Options {
    call: Call,
    seed: u64,
    params: BTreeMap<String, String>,
    variables: Vec<(String, String)>,
    database: Vec<(String, String, String)>,
    missing: Vec<String>,
    voice: Voice,
    dial_status: Option<String>,
    time: Option<Time>,
    state: ChannelState,
    gone_at: Option<u64>,
}

impl Options {
    fn read(options: &Value, call: Call, seed: u64) -> Result<Self, String> {
        let mut read = Self {
            call,
            seed,
            params: BTreeMap::new(),
            variables: Vec::new(),
            database: Vec::new(),
            missing: Vec::new(),
            voice: Voice::Speaks,
            dial_status: None,
            time: None,
            state: ChannelState::Ring,
            gone_at: None,
        };
        let options: &[(Cow<'_, str>, Value)] = match options {
            Value::Map(options) => options,
            Value::Nothing => &[],
            other => {
                return Err(format!("`options` must be a map such as #{{ callerid: \"200\" }}, not {}", shown(other)));
            }
        };
        for (name, given) in options {
            read.take(name, given)?;
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, given: &Value) -> Result<(), String> {
        let wrong = |wanted: &str| format!("`{name}` must be {wanted}, not {}", shown(given));
        let text = || match given {
            Value::Text(_) | Value::Int(_) => plain(given).ok_or_else(|| wrong("a text")),
            _ => Err(wrong("a text")),
        };
        let whole = || match given {
            Value::Int(number) => u64::try_from(*number).map_err(|_| wrong("a whole number that is not negative")),
            _ => Err(wrong("a whole number")),
        };
        let list = |wanted: &str| match given {
            Value::List(items) => Ok(items.iter().map(|item| plain(item).unwrap_or_default()).collect::<Vec<_>>()),
            _ => Err(wrong(wanted)),
        };
        let map = |wanted: &str| match given {
            Value::Map(items) => Ok(items
                .iter()
                .map(|(name, item)| (name.to_string(), plain(item).unwrap_or_default()))
                .collect::<Vec<_>>()),
            _ => Err(wrong(wanted)),
        };
        match name {
            "callerid" => {
                self.call.callerid =
                    if *given == Value::Nothing { None } else { Some(text()?).filter(|id| !id.is_empty()) }
            }
            "name" => self.call.calleridname = Some(text()?),
            "extension" => self.call.extension = text()?,
            "context" => self.call.context = text()?,
            "dnid" => self.call.dnid = Some(text()?),
            "language" => self.call.language = text()?,
            // Any integer will do.
            "seed" => match given {
                Value::Int(seed) => self.seed = seed.cast_unsigned(),
                _ => return Err(wrong("a whole number")),
            },
            "args" => self.call.args = list(r#"an array such as ["5", "fast"]"#)?,
            "params" => self.params = map(r#"a map such as #{ level: "5" }"#)?.into_iter().collect(),
            "variables" => self.variables = map(r#"a map such as #{ LEVEL: "5" }"#)?,
            "database" => {
                let wanted = r#"a map such as #{ "family/key": 7 }"#;
                for (key, item) in map(wanted)? {
                    let Some((family, key)) = key.split_once('/') else {
                        return Err(format!("`{name}`: {key:?} must be a family and a key, as in {wanted}"));
                    };
                    self.database.push((family.to_owned(), key.to_owned(), item));
                }
            }
            "missing" => self.missing = list(r#"an array of sound files such as ["guess-welcome"]"#)?,
            "voice" => {
                self.voice = match given {
                    Value::Text(word) if word == "speaks" => Voice::Speaks,
                    Value::Text(word) if word == "silent" => Voice::Silent,
                    Value::Text(word) if word == "absent" => Voice::Absent,
                    _ => return Err(wrong(r#""speaks", "silent" or "absent""#)),
                }
            }
            "dial_status" => self.dial_status = Some(text()?),
            "gone_at" => self.gone_at = Some(whole()?),
            "time" => self.time = Some(Time::from_unix(whole()?)),
            "state" => {
                self.state = match given {
                    Value::Text(word) if word == "ring" => ChannelState::Ring,
                    Value::Text(word) if word == "up" => ChannelState::Up,
                    _ => return Err(wrong(r#""ring" or "up""#)),
                }
            }
            _ => {
                return Err(match nearest(name, OPTIONS.iter().map(|option| option.name)) {
                    Some(near) => format!("there is no option `{name}`: did you mean `{near}`?"),
                    None => format!(
                        "there is no option `{name}`; there are {}",
                        OPTIONS.iter().map(|option| option.name).collect::<Vec<_>>().join(", ")
                    ),
                });
            }
        }
        Ok(())
    }
}

pub(super) fn place_call(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let name = args.word(0)?;
    let mut live = run.live();
    let live = &mut *live;
    if let Some(call) = &mut live.call {
        call.finish();
        if let Some(failed) = call.unexpected() {
            return Err(Trouble::Failed(Box::new(failed)));
        }
    }
    live.put_away();
    let path = run.find(&name).map_err(|problem| Trouble::Misuse(format!("place_call: {problem}")))?;
    let what = run.scripts.prepare(&path).map_err(|error| match error {
        LoadError::Fault(fault) => Trouble::Failed(Box::new(Failed {
            message: format!("{name} cannot be called: {}", fault.message),
            fault: Some(fault),
            ..Failed::default()
        })),
        error @ LoadError::Missing(..) => Trouble::Misuse(format!("place_call: {error:#}")),
    })?;
    live.calls += 1;
    let number = i64::try_from(live.calls).unwrap_or(0);
    let request = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let uniqueid = format!("1700000000.{number}");
    let call = Call { request, uniqueid, ..Call::default() };
    // Each call of a test draws other numbers, as calls do.
    let seed = run.seed.wrapping_add(number.cast_unsigned() - 1);
    let options = Options::read(&args.value(1), call, seed);
    let options = options.map_err(|problem| Trouble::Misuse(format!("place_call: {problem}")))?;
    let now = options.time.unwrap_or(live.now);
    for (family, key, item) in &options.database {
        run.database.put(family, key, item);
    }
    let mut sounds = Arc::clone(&what.sounds);
    if !options.missing.is_empty() || !live.recordings.is_empty() {
        let recorded = live.recordings.iter();
        let all = recorded.fold((*sounds).clone(), |sounds, (name, samples)| sounds.with(name, *samples));
        sounds = Arc::new(options.missing.iter().fold(all, |sounds, name| sounds.without(name)));
    }
    let mut variables = Variables::default();
    let call_args = options.call.args.clone();
    let channel = |caller| {
        let mut channel = Channel::new(options.call, caller)
            .with_sounds(Arc::clone(&sounds))
            .with_database(run.database.clone())
            .with_state(options.state)
            .with_voice(options.voice);
        if let Some(status) = &options.dial_status {
            channel = channel.with_dial_status(status);
        }
        if let Some(command) = options.gone_at {
            channel = channel.with_gone_at(command);
        }
        for (name, item) in &options.variables {
            channel.set_variable(name, item);
        }
        variables = channel.variables().clone();
        channel
    };
    let how = Run { script: Arc::clone(&what.script), args: call_args, params: options.params, seed: options.seed };
    let placed = Placed::new(&run.scripts.host, now, channel, how);
    let placed = placed.map_err(|problem| Trouble::Misuse(format!("place_call: {problem}")))?;
    live.call = Some(OnLine { placed, what, seen: 0, variables, fault_is_expected: false, sounds, seed: options.seed });
    Ok(Dynamic::UNIT)
}

pub(super) fn press(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let keys = args.word(0)?;
    let apart = if args.has(1) { args.length(1)? } else { Duration::from_millis(100) };
    let keys = line::keys(&keys).map_err(|letter| {
        Trouble::Misuse(format!("press: `{letter}` is no key of a telephone; the keys are 0-9, *, # and A-D"))
    })?;
    run.live().live("press")?.line().act(keys.into_iter(), apart);
    Ok(Dynamic::UNIT)
}

pub(super) fn send_text(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let text = args.text(0)?;
    run.live().live("send_text")?.line().act([Act::Says(text)].into_iter(), Duration::ZERO);
    Ok(Dynamic::UNIT)
}

pub(super) fn hang_up(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    run.live().live("hang_up")?.finish();
    Ok(Dynamic::UNIT)
}

pub(super) fn wait(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let length = args.length(0)?;
    let mut live = run.live();
    let call = live.call("wait")?;
    let until = call.line().state().now + length;
    call.line().go(Goal::Moment(until));
    // After the end time passes as well, before the next call.
    let mut state = call.line().state();
    state.now = state.now.max(until);
    Ok(Dynamic::UNIT)
}

pub(super) fn wait_for(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let wanted = args.word(0)?;
    let mut live = run.live();
    let call = live.call("wait_for")?;
    if let Some(prompt) = call.next(Some(&wanted)) {
        return Ok(prompt.text.into());
    }
    let why = standstill(&call.line().state());
    Err(failed(format!("waited for the prompt `{wanted}`, but {why}"), call.meant(&wanted)))
}

pub(super) fn wait_for_question(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    let mut live = run.live();
    let call = live.call("wait_for_question")?;
    call.line().go(Goal::Question);
    let state = call.line().state();
    if !state.asks {
        return Err(failed(format!("waited for a question, but {}", standstill(&state)), None));
    }
    let seen = state.heard.len();
    drop(state);
    call.seen = seen;
    Ok(Dynamic::UNIT)
}

pub(super) fn next_prompt(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    let mut live = run.live();
    let call = live.call("next_prompt")?;
    match call.next(None) {
        Some(prompt) => Ok(prompt.text.into()),
        None if call.line().state().ended.is_some() => Ok(Dynamic::UNIT),
        None => Err(failed(format!("waited for the next prompt, but {}", standstill(&call.line().state())), None)),
    }
}

/// The next digits spoken that a test can make something of.
fn next_spoken<T>(run: &Test, word: &str, read: fn(&str) -> Option<T>) -> Result<T, Trouble> {
    let mut live = run.live();
    let call = live.call(word)?;
    loop {
        let Some(prompt) = call.next(None) else {
            let why = standstill(&call.line().state());
            return Err(failed(format!("waited for a number to be spoken, but {why}"), None));
        };
        if let Some(found) = spoken(&prompt.text).and_then(read) {
            return Ok(found);
        }
    }
}

/// The digits of a number that is spoken.
fn spoken(prompt: &str) -> Option<&str> {
    prompt.strip_prefix("number ").or_else(|| prompt.strip_prefix("digits "))
}

pub(super) fn next_number(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    next_spoken(run, "next_number", |text| text.parse::<INT>().ok()).map(Dynamic::from)
}

pub(super) fn next_digits(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    next_spoken(run, "next_digits", |text| Some(text.to_owned())).map(Dynamic::from)
}

pub(super) fn heard(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    let mut live = run.live();
    let state = live.call("heard")?.line().state();
    Ok(texts(state.heard.iter().map(|prompt| &prompt.text)))
}

pub(super) fn log(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    let mut live = run.live();
    let state = live.call("log")?.line().state();
    Ok(texts(state.log.iter().map(|line| &line.text)))
}

fn value_of(call: &OnLine, name: &str) -> Option<String> {
    let state = call.line().state();
    let position = &state.position;
    match name {
        "CHANNEL(state)" => Some(state.channel.to_owned()),
        "CONTEXT" => Some(position.0.clone()),
        "EXTEN" => Some(position.1.clone()),
        "PRIORITY" => Some(position.2.to_string()),
        _ => call.variables.get(name),
    }
}

pub(super) fn variable(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let name = args.word(0)?;
    Ok(optional(value_of(run.live().call("variable")?, &name)))
}

pub(super) fn database(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    Ok(optional(run.database.get(&args.word(0)?, &args.word(1)?)))
}

pub(super) fn ending(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    let mut live = run.live();
    let state = live.call("ending")?.line().state();
    Ok(optional(state.ended.as_ref().map(|ended| ended.status.to_owned())))
}

pub(super) fn seconds(run: &Test, _: &mut Args<'_, '_>) -> Outcome {
    let mut live = run.live();
    let state = live.call("seconds")?.line().state();
    Ok((state.now - state.began).as_secs_f64().into())
}

pub(super) fn expect(_: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let message = if args.has(1) { Some(args.text(1)?) } else { None };
    match args.value(0) {
        Value::Bool(true) => Ok(Dynamic::UNIT),
        Value::Bool(false) => {
            Err(failed(message.unwrap_or_else(|| "expected this to be true, but it is false".to_owned()), None))
        }
        _ => Err(args.misuse(0, "true or false")),
    }
}

/// Whether two values are the same, as tests see it: 2 and 2.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "as Rhai compares them")]
        (Value::Int(one), Value::Float(other)) | (Value::Float(other), Value::Int(one)) => *one as f64 == *other,
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|((a, one), (b, other))| a == b && same(one, other))
        }
        _ => one == other,
    }
}

pub(super) fn expect_equal(_: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let (actual, expected) = (args.value(0), args.value(1));
    if same(&actual, &expected) {
        return Ok(Dynamic::UNIT);
    }
    let hint = match (&actual, &expected) {
        (Value::Text(_), Value::Int(_) | Value::Float(_)) | (Value::Int(_) | Value::Float(_), Value::Text(_)) => {
            Some("one is a text, the other a number: `to_number` makes a number of a text".to_owned())
        }
        _ => None,
    };
    Err(failed(format!("expected {}, but it is {}", shown(&expected), shown(&actual)), hint))
}

/// The next prompt, for an expectation in these words.
fn expect_next(run: &Test, word: &str, wanted: &str, is_it: impl Fn(&str) -> bool) -> Outcome {
    let mut live = run.live();
    let call = live.call(word)?;
    let message = match call.next(None) {
        Some(prompt) if is_it(&prompt.text) => return Ok(Dynamic::UNIT),
        Some(prompt) => format!("expected {wanted}, but heard `{}`", prompt.text),
        None => format!("expected {wanted}, but {}", standstill(&call.line().state())),
    };
    let hint = wanted.strip_prefix("the prompt `").and_then(|like| call.meant(like.trim_end_matches('`')));
    Err(failed(message, hint))
}

pub(super) fn expect_prompt(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let like = args.word(0)?;
    expect_next(run, "expect_prompt", &format!("the prompt `{like}`"), |text| line::is(text, &like))
}

pub(super) fn expect_number(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let Value::Int(number) = args.value(0) else { return Err(args.misuse(0, "a whole number")) };
    let is_it = |text: &str| spoken(text).and_then(|digits| digits.parse::<INT>().ok()) == Some(number);
    expect_next(run, "expect_number", &format!("the number {number}"), is_it)
}

/// Compares what there is with what a test expects; Asterisk knows only texts.
fn expect_text(what: &str, actual: Option<String>, expected: &Value) -> Outcome {
    let expected = plain(expected);
    if actual == expected {
        return Ok(Dynamic::UNIT);
    }
    let shown = |text: Option<String>| text.map_or_else(|| "not set".to_owned(), |text| quoted(&text, MAX_MESSAGE));
    let (expected, actual) = (shown(expected), shown(actual));
    Err(failed(format!("expected {what} to be {expected}, but it is {actual}"), None))
}

pub(super) fn expect_variable(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let name = args.word(0)?;
    let actual = value_of(run.live().call("expect_variable")?, &name);
    expect_text(&format!("the variable {name}"), actual, &args.value(1))
}

pub(super) fn expect_database(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let (family, key) = (args.word(0)?, args.word(1)?);
    expect_text(&format!("{family}/{key} in AstDB"), run.database.get(&family, &key), &args.value(2))
}

pub(super) fn expect_log(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let text = args.word(0)?;
    let mut live = run.live();
    let state = live.call("expect_log")?.line().state();
    if state.log.iter().any(|line| line.text.contains(&text)) {
        return Ok(Dynamic::UNIT);
    }
    let lines = match state.log.len() {
        0 => "it is empty".to_owned(),
        1 => "its one line has not".to_owned(),
        lines => format!("none of its {lines} lines has"),
    };
    Err(failed(format!("expected {} in the script's log, but {lines}", quoted(&text, MAX_MESSAGE)), None))
}

pub(super) fn expect_end(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let wanted = if args.has(0) { args.text(0)? } else { "SUCCESS".to_owned() };
    if !["SUCCESS", "HANGUP", "FAILURE"].contains(&wanted.as_str()) {
        return Err(args.misuse(0, r#""SUCCESS", "HANGUP" or "FAILURE""#));
    }
    let mut live = run.live();
    let call = live.call("expect_end")?;
    call.line().go(Goal::End);
    let seen = call.line().state().heard.len();
    call.seen = seen;
    call.fault_is_expected |= wanted == "FAILURE";
    let state = call.line().state();
    match &state.ended {
        Some(ended) if ended.status == wanted => Ok(Dynamic::UNIT),
        _ => Err(failed(format!("expected the call to end with {wanted}, but {}", standstill(&state)), None)),
    }
}

pub(super) fn expect_fault(run: &Test, args: &mut Args<'_, '_>) -> Outcome {
    let text = args.text(0)?;
    let mut live = run.live();
    let call = live.call("expect_fault")?;
    call.line().go(Goal::End);
    call.fault_is_expected = true;
    let seen = call.line().state().heard.len();
    call.seen = seen;
    let state = call.line().state();
    match state.ended.as_ref().and_then(|ended| ended.fault.as_ref()) {
        Some(fault) if fault.message.contains(&text) => Ok(Dynamic::UNIT),
        _ => Err(failed(
            format!("expected a fault with {}, but {}", quoted(&text, MAX_MESSAGE), standstill(&state)),
            None,
        )),
    }
}
