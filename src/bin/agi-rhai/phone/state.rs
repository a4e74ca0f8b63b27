//! The state that the screen shows, written by the call, the file watcher and the log.

use super::audio::Audio;
use super::call::{CallEnd, LoadedScript, PhoneCall, Tapped, asked as asked_service, shown_answer, shown_request};
use super::style::wrap;
use agi_rhai::Status;
use agi_rhai::clock::{Stopwatch, Time};
use agi_rhai::command::{Command, Kind};
use agi_rhai::internals::{foreign, split};
use agi_rhai::pbx::{Database, Digit, Hearing, Sound, Spoken, Variables};
use agi_rhai::session::{Observer, Sent};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The maximum number of lines of each kind.
const MAX_LINES: usize = 5_000;

/// How long a question lasts at least. Shorter waits, between the parts of one, are polls for keys.
pub const MIN_QUESTION: Duration = Duration::from_millis(500);

/// The state shared by the call, the file watcher, the log and the screen.
#[derive(Default)]
pub struct SharedState {
    state: Mutex<PhoneState>,
    /// Panics for the log. Whoever panics may hold the lock of the state.
    panics: Mutex<Vec<String>>,
    /// The player, to be notified when a prompt is interrupted.
    pub audio: OnceLock<Audio>,
}

/// The state that the screen shows.
#[derive(Default)]
pub struct PhoneState {
    /// The prompts and keys of all calls.
    pub history: Recent<HistoryEntry>,
    /// The output of the script, and warnings.
    pub log: Recent<LogEntry>,
    /// The dialogue with Asterisk.
    pub dialogue: Recent<DialogueLine>,
    /// The current call, or the last one.
    pub call: Option<CallState>,
    /// The script that the next call runs, and the problem of the last edit.
    pub version: Option<Arc<LoadedScript>>,
    pub broken: Option<String>,
    /// AstDB.
    pub database: Database,
    /// A message that is shown until the next call: `game.rhai was saved: the next call runs it`.
    pub news: Option<String>,
}

/// The last lines of a list.
pub struct Recent<T>(VecDeque<T>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Recent<T> {
    pub fn push(&mut self, line: T) {
        if self.0.len() == MAX_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.0.iter()
    }
}

/// A line of the history.
pub struct HistoryEntry {
    /// The time since the call began; `None` between calls.
    pub at: Option<Duration>,
    pub what: HistoryEvent,
}

/// An event in the history.
pub enum HistoryEvent {
    /// A prompt began.
    Prompt(LineSound),
    /// Consecutive keys with the same fate.
    Keys(String, KeyFate),
    /// Output of the script, or a warning.
    Printed(String),
    /// Any other message.
    Note(String),
    /// A call began.
    Began(String),
    /// A call ended.
    Ended(Status),
}

/// The fate of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyFate {
    Heard,
    /// The script listens, but not for this key.
    Ignored,
    /// The script wasn't listening.
    Dropped,
}

/// A line of the log.
pub struct LogEntry {
    pub at: Option<Duration>,
    pub warning: bool,
    /// The script and line.
    pub place: Option<String>,
    pub text: String,
}

/// A line of the dialogue.
pub struct DialogueLine {
    pub at: Duration,
    pub text: String,
}

/// A sound on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSound {
    Silence,
    File {
        name: String,
        words: Option<String>,
    },
    /// With the language, if it isn't English.
    Spoken(Spoken, Option<String>),
    Beep,
    Recording(String),
    Music(String),
}

impl LineSound {
    fn of(hearing: &Hearing<'_>, version: &LoadedScript) -> Self {
        let in_language = |language: Option<&str>, words: String| match language {
            Some(language) => format!("[{language}] {words}"),
            None => words,
        };
        match hearing.sound {
            Sound::File(name) if version.spoken.text(name).is_some() => {
                Self::File { name: "speech".to_owned(), words: version.spoken.text(name) }
            }
            Sound::File(name) => {
                let words = version.sounds.words(name, hearing.language);
                let words = words.map(|words| in_language(words.language, words.text.to_owned()));
                Self::File { name: name.to_owned(), words }
            }
            Sound::Spoken(spoken) => Self::Spoken(spoken.clone(), foreign(hearing.language).map(str::to_owned)),
            Sound::Beep => Self::Beep,
            Sound::Recording(name) => Self::Recording(name.to_owned()),
            Sound::Music(class) => Self::Music(class.to_owned()),
            _ => Self::Silence,
        }
    }
}

/// Returns how something is said: its language if it isn't English, its gender, and a time zone of its own.
pub fn manner(spoken: &Spoken, language: Option<&str>) -> Option<String> {
    let gender = spoken.gender.as_ref().map(|gender| format!("gender {gender}"));
    let zone = spoken.zone.as_ref().map(|zone| format!("in the time zone {zone}"));
    let manner = gender.or(zone).map(|manner| format!("({manner})"));
    let language = language.map(|language| format!("[{language}]"));
    let parts: Vec<String> = language.into_iter().chain(manner).collect();
    Some(parts.join(" ")).filter(|text| !text.is_empty())
}

/// The current call, or the last one.
pub struct CallState {
    /// The number of the call, from 1.
    pub number: usize,
    pub version: Arc<LoadedScript>,
    pub variables: Variables,
    pub seed: u64,
    clock: Stopwatch,
    /// The time that `--fast` has skipped.
    skipped: Duration,
    began: Time,
    pub sound: LineSound,
    /// What has been said since the script last waited for keys.
    said: Vec<String>,
    has_waited: bool,
    /// When the sound began, when it ends, and its whole length if known.
    pub since: Time,
    pub until: Time,
    pub length: Option<Duration>,
    /// Whether the script listens for keys.
    pub listening: bool,
    /// Whether the script listens to speech.
    pub speech: bool,
    prompt: u64,
    /// The keys for which the command listens, if it names them.
    pub listened: Option<String>,
    /// The keys heard in this command.
    pub entered: String,
    /// The last key, and when it was pressed.
    pub key: Option<(char, Time)>,
    /// The service for which the script waits, and since when.
    pub asks: Option<(String, Duration)>,
    /// The command that is running.
    pub command: Option<&'static str>,
    pub commands: u64,
    /// The script and line of the last command.
    pub place: Option<(String, usize)>,
    pub end: Option<ShownEnd>,
}

/// The end of a call to show.
pub struct ShownEnd {
    pub status: Option<Status>,
    pub length: Duration,
    pub goes_on: Option<String>,
    /// A fault in several lines.
    pub fault: Option<String>,
}

impl CallState {
    pub fn now(&self) -> Time {
        self.clock.now() + self.skipped
    }

    /// Returns the length of the call so far, or of the whole call.
    pub fn age(&self) -> Duration {
        self.end.as_ref().map_or_else(|| self.now() - self.began, |end| end.length)
    }
}

impl CallState {
    /// Notes what is said, for the question that may follow.
    fn says(&mut self, sound: &LineSound) {
        if std::mem::take(&mut self.has_waited) {
            self.said.clear();
        }
        self.said.extend(match sound {
            LineSound::File { name, words } => Some(words.as_ref().unwrap_or(name).clone()),
            LineSound::Spoken(spoken, _) => Some(spoken.words.clone()),
            _ => None,
        });
    }

    /// Returns what was said last, as far as it fits into two lines.
    pub fn question(&self, wide: usize) -> Option<String> {
        let fits = |from: &usize| {
            let text = self.said[*from..].join(" ");
            wrap(&text, wide, 3).len() < 3
        };
        let last = self.said.len().checked_sub(1)?;
        let from = (0..=last).find(fits).unwrap_or(last);
        Some(self.said[from..].join(" "))
    }
}

impl PhoneState {
    /// Whether a call is going on.
    pub fn on_call(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.end.is_none())
    }

    fn age(&self) -> Option<Duration> {
        self.call.as_ref().filter(|call| call.end.is_none()).map(CallState::age)
    }

    fn log(&mut self, warning: bool, place: Option<String>, text: String) {
        let at = self.age();
        self.note(HistoryEvent::Printed(text.clone()));
        self.log.push(LogEntry { at, warning, place, text });
    }

    /// Adds an event to the history.
    pub fn note(&mut self, what: HistoryEvent) {
        let at = self.age();
        self.history.push(HistoryEntry { at, what });
    }

    /// Adds a key to the history, together with the keys just before it if they have the same fate.
    fn note_key(&mut self, key: char, fate: KeyFate) {
        if let Some(HistoryEntry { what: HistoryEvent::Keys(keys, same), .. }) = self.history.0.back_mut()
            && *same == fate
        {
            keys.push(key);
            return;
        }
        self.note(HistoryEvent::Keys(key.to_string(), fate));
    }
}

impl SharedState {
    /// Locks the state.
    pub fn view(&self) -> MutexGuard<'_, PhoneState> {
        let mut view = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for panic in std::mem::take(&mut *self.panics()) {
            view.log(true, None, panic);
        }
        view
    }

    fn panics(&self) -> MutexGuard<'_, Vec<String>> {
        self.panics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of a call.
    pub fn begin(&self, version: Arc<LoadedScript>, clock: Stopwatch) {
        let mut view = self.view();
        let number = view.call.as_ref().map_or(1, |call| call.number + 1);
        let now = clock.now();
        view.call = Some(CallState {
            number,
            version,
            variables: Variables::default(),
            seed: 0,
            clock,
            skipped: Duration::ZERO,
            began: now,
            sound: LineSound::Silence,
            said: Vec::new(),
            has_waited: false,
            since: now,
            until: now,
            length: None,
            listening: false,
            speech: false,
            prompt: 0,
            listened: None,
            entered: String::new(),
            key: None,
            asks: None,
            command: None,
            commands: 0,
            place: None,
            end: None,
        });
        view.news = None;
        view.note(HistoryEvent::Began(format!("call {number}")));
    }

    /// Takes the variables and the seed of the call that has begun.
    pub fn set_call(&self, placed: &PhoneCall) {
        if let Some(call) = &mut self.view().call {
            call.variables = placed.variables.clone();
            call.seed = placed.seed;
        }
    }

    /// Records the end of the call.
    pub fn end(&self, end: &anyhow::Result<CallEnd>) {
        let mut view = self.view();
        let age = view.age().unwrap_or_default();
        let ended = match end {
            Ok(end) => ShownEnd {
                status: Some(end.outcome.status),
                length: age,
                goes_on: end.goes_on.clone(),
                fault: end.fault().map(|fault| fault.render(false)),
            },
            Err(error) => {
                ShownEnd { status: None, length: age, goes_on: None, fault: Some(format!("error: {error:#}")) }
            }
        };
        if let Ok(CallEnd { outcome: agi_rhai::Outcome { status, .. }, .. }) = end {
            view.note(HistoryEvent::Ended(*status));
        }
        if let Some(call) = &mut view.call {
            call.sound = LineSound::Silence;
            call.listening = false;
            call.speech = false;
            call.end = Some(ended);
        }
    }

    /// Returns the time of the call.
    pub fn now(&self) -> Time {
        self.view().call.as_ref().map(CallState::now).unwrap_or_default()
    }

    /// Skips time.
    pub fn skip(&self, length: Duration) {
        if let Some(call) = &mut self.view().call {
            call.skipped = call.skipped.saturating_add(length);
        }
    }

    /// Records what the caller hears until `until`. Returns true if a prompt has just begun.
    pub fn hears(&self, until: Time, hearing: &Hearing<'_>, length: Option<Duration>) -> bool {
        let mut view = self.view();
        let Some(call) = &mut view.call else { return false };
        let new = call.prompt != hearing.prompt;
        if new || !same(&call.sound, &hearing.sound) {
            call.sound = LineSound::of(hearing, &call.version);
        }
        call.prompt = hearing.prompt;
        call.since = hearing.began;
        call.until = until;
        call.length = length;
        call.listening = hearing.listening;
        call.speech = hearing.speech;
        let sound = call.sound.clone();
        let new = new && sound != LineSound::Silence;
        call.has_waited |=
            (call.listening || call.speech) && sound == LineSound::Silence && until - call.now() >= MIN_QUESTION;
        if new {
            call.says(&sound);
            view.note(HistoryEvent::Prompt(sound));
        }
        new
    }

    /// Records a key.
    pub fn presses(&self, key: Digit, fate: KeyFate) {
        let mut view = self.view();
        view.note_key(key.letter(), fate);
        if let Some(call) = &mut view.call {
            call.key = Some((key.letter(), call.now()));
            if fate == KeyFate::Heard {
                call.entered.push(key.letter());
            }
        }
    }

    /// Marks the last key as ignored.
    pub fn ignore_last_key(&self) {
        let mut view = self.view();
        let Some(HistoryEntry { what: HistoryEvent::Keys(keys, KeyFate::Heard), .. }) = view.history.0.back_mut()
        else {
            return;
        };
        let Some(key) = keys.pop() else { return };
        if keys.is_empty() {
            view.history.0.pop_back();
        }
        view.note_key(key, KeyFate::Ignored);
        if let Some(call) = &mut view.call {
            call.entered.pop();
        }
    }

    /// Adds an event to the history.
    pub fn note(&self, what: HistoryEvent) {
        self.view().note(what);
    }

    /// Takes what goes over the line, and what goes to services.
    pub fn tap(&self, tapped: &Tapped<'_>, at: Time) {
        let mut view = self.view();
        let Some(call) = &mut view.call else { return };
        let at = at - call.began;
        let asked = call.asks.take();
        let text = match tapped {
            Tapped::Line(line) => line.clone(),
            Tapped::Asks(request) => {
                // Who is asked to listen is the person at the phone.
                let is_service = request.function != "listen";
                call.asks = is_service.then(|| (asked_service(request).to_owned(), at));
                format!("? {}", shown_request(request))
            }
            Tapped::Answered(answer) => {
                let shown = shown_answer(answer);
                // What is spoken is shown when it is heard.
                if let Some((service, since)) = asked.filter(|(name, _)| name != "speak" || answer.is_err()) {
                    let took = at.saturating_sub(since).as_secs_f64();
                    let how = if answer.is_ok() { "answers" } else { "doesn't answer" };
                    view.note(HistoryEvent::Note(format!("{service} {how} after {took:.1} s")));
                    let age = view.age();
                    view.log.push(LogEntry {
                        at: age,
                        warning: answer.is_err(),
                        place: None,
                        text: format!("{service}: {shown}"),
                    });
                }
                format!("= {shown}")
            }
        };
        view.dialogue.push(DialogueLine { at, text });
    }

    /// Whether the script waits for a service.
    pub fn is_asking(&self) -> bool {
        self.view().call.as_ref().is_some_and(|call| call.asks.is_some())
    }

    /// Adds a line to the log.
    pub fn log(&self, warning: bool, place: Option<String>, text: String) {
        self.view().log(warning, place, text);
    }

    /// Adds a panic to the log.
    pub fn report(&self, panic: String) {
        self.panics().push(panic);
    }
}

/// Compares two sounds without copying.
fn same(known: &LineSound, sound: &Sound<'_>) -> bool {
    match (known, *sound) {
        (LineSound::Silence, Sound::Silence) | (LineSound::Beep, Sound::Beep) => true,
        (LineSound::File { name, .. } | LineSound::Recording(name), Sound::File(other) | Sound::Recording(other)) => {
            name == other
        }
        (LineSound::Spoken(known, _), Sound::Spoken(spoken)) => known == spoken,
        (LineSound::Music(class), Sound::Music(other)) => class == other,
        _ => false,
    }
}

/// Returns the keys for which a command line of this command listens.
fn keys(command: &Command, line: &[u8]) -> Option<String> {
    let words = split(line);
    let arguments = words.get(command.verb.split(' ').count()..)?;
    let params = command.function.params.iter().zip(arguments).filter(|(param, _)| param.kind == Kind::Keys);
    let keys: String = params.map(|(_, word)| String::from_utf8_lossy(word)).collect();
    Some(keys).filter(|keys| !keys.is_empty())
}

impl Observer for SharedState {
    fn sent(&self, command: &'static Command, sent: &Sent<'_>, script: &str, line: usize, _: Time) {
        let mut view = self.view();
        let Some(call) = &mut view.call else { return };
        call.command = Some(command.function.name);
        call.commands += 1;
        call.entered.clear();
        call.listened = keys(command, sent.line());
        if line > 0 {
            call.place = Some((script.to_owned(), line));
        }
    }

    fn heard(&self, command: &'static Command, shown: &dyn fmt::Display, at: Time) {
        if let Some(audio) = self.audio.get() {
            audio.heard(command, shown, at);
        }
        let mut view = self.view();
        let Some(call) = &mut view.call else { return };
        call.command = None;
        call.sound = LineSound::Silence;
        call.listening = false;
        call.speech = false;
        call.until = call.now();
    }
}
