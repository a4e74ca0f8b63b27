//! What happens in a call, as whoever watches it sees it.

use agi_rhai::clock::Time;
use agi_rhai::internals::ScriptFrame;
use agi_rhai::pbx::{Hearing, Sound, Sounds};
use agi_rhai::transport::Request;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something that happens, and when, in milliseconds from the beginning of the call.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub at: u64,
    #[serde(flatten)]
    pub what: What,
}

/// Something that happens.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum What {
    /// A prompt begins.
    Prompt {
        /// `file`, `number`, `digits`, `date`, ..., `beep`, `recording` or `music`.
        sound: &'static str,
        /// The sound file, the class of music, or what is spoken as the script gave it.
        name: String,
        /// The words, if they are known.
        words: Option<String>,
        /// Their language, if it isn't English.
        language: Option<String>,
        /// The sounds it consists of.
        files: Vec<SoundFile>,
        /// Its whole length, if that is known.
        lasts: Option<u64>,
        /// When it ends if nothing ends it before.
        ends: Option<u64>,
        /// Whether keys are heard meanwhile, and which, if the script names them.
        keys: Option<String>,
        /// Whether speech is heard meanwhile.
        speech: bool,
        /// Which turn of the caller it belongs to, from 1; null if nothing is heard.
        turn: Option<u64>,
        /// Which prompt of that turn it is, from 0.
        part: u64,
    },
    /// The script listens in silence.
    Listens {
        /// Which keys are heard: empty for all; null if none is.
        keys: Option<String>,
        speech: bool,
        /// Until when it listens; null for as long as it takes.
        until: Option<u64>,
        /// What was said since the caller was last listened to.
        said: Vec<String>,
        /// Which turn of the caller it belongs to, from 1.
        turn: u64,
    },
    /// The script sleeps, or a command takes its time, and nothing is heard.
    Waits { until: Option<u64> },
    /// The caller presses a key, which was `heard`, `ignored` or `dropped`: the script listened, but not for it, or
    /// didn't listen.
    Key { key: char, fate: &'static str },
    /// The caller says something, and whether the script listened.
    Says { text: String, heard: bool },
    /// The caller hangs up.
    HangsUp,
    /// A command is sent, from this line of this script.
    Command { function: &'static str, text: String, script: String, line: usize, by_host: bool },
    /// Its reply has come.
    Reply { text: String },
    /// The script asks a service, from this line of this script.
    Asks {
        function: String,
        service: String,
        text: String,
        /// It as data, unless it is about speech.
        request: Option<Box<Request>>,
        /// Whether there is nothing that could be answered.
        lacks: bool,
        script: String,
        line: usize,
    },
    /// It has answered.
    Answered { failed: bool, text: String },
    /// The script prints a line to the log.
    Prints { text: String, script: String, line: u64 },
    /// The host warns of something.
    Warns { text: String },
    /// The variables of the script have changed: those of the script, then of each function that runs.
    Frames { frames: Vec<Frame> },
    /// A variable of the channel has changed.
    Variable { name: String, value: Option<String> },
    /// An entry of AstDB has changed.
    Stored { key: String, value: Option<String> },
}

/// A sound that is played.
#[derive(Clone, Debug, Serialize)]
pub struct SoundFile {
    /// Its name, as Asterisk is told it.
    name: String,
    /// Its file, if it is one of those that were given.
    path: Option<PathBuf>,
    /// Its length, if that is known.
    lasts: Option<u64>,
}

/// The variables of one function that runs, or of the script itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    function: Option<String>,
    variables: Vec<(String, String)>,
}

impl From<ScriptFrame> for Frame {
    fn from(frame: ScriptFrame) -> Self {
        let variables = frame.variables.into_iter().map(|(name, value)| (name, without_hashes(value)));
        Self { function: frame.function, variables: variables.collect() }
    }
}

/// Leaves out of the names of closures what differs between machines.
fn without_hashes(mut text: String) -> String {
    const CLOSURE: &str = "anon$";
    let mut from = 0;
    while let Some(at) = text[from..].find(CLOSURE) {
        from += at + CLOSURE.len();
        let end = text[from..].find(|c: char| !c.is_ascii_hexdigit()).map_or(text.len(), |length| from + length);
        text.replace_range(from..end, "");
    }
    text
}

/// A part of a turn of the caller: one of the prompts in which they may answer, or the silence after them. Ordered as
/// they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// From 1; the call begins with turn 0.
    pub number: u64,
    /// Whether it is the silence.
    pub silent: bool,
    /// Which of the prompts it is, from 0.
    pub part: u64,
}

/// A call up to a moment, which its caller, its line and its log write down.
pub struct Scene {
    pub began: Time,
    pub now: Time,
    pub events: Vec<Event>,
    /// Why nothing is written down any more.
    pub cut: Option<Cut>,
    /// The keys for which the command listens, if it names them.
    pub listened: Option<String>,
    /// The script and the line from which a service is asked.
    pub place: (String, usize),
    sounds: Arc<Sounds>,
    prompt: u64,
    /// The prompt and the end of the last wait, and whether it was listened to.
    wait: Option<(u64, Time, bool)>,
    said: Vec<String>,
    has_listened: bool,
    /// The last key that was heard, with the prompt and the end of the wait in which it came.
    last_key: Option<(usize, u64, Time)>,
    /// The turn that has begun last, and whether the caller has answered in it.
    turn: Turn,
    has_answered: bool,
    /// Whether nothing was heard since then.
    is_deaf: bool,
    /// When each turn began, and its silence.
    turns: Vec<(Turn, u64)>,
    frames: Vec<Frame>,
    variables: BTreeMap<String, String>,
    stored: BTreeMap<String, String>,
}

/// Why a call was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// The moment had come up to which it was to run.
    Until,
    /// The script sent more commands than anybody could follow.
    Commands,
}

impl Scene {
    pub fn new(sounds: Arc<Sounds>) -> Self {
        Self {
            began: Time::default(),
            now: Time::default(),
            events: Vec::new(),
            cut: None,
            listened: None,
            place: (String::new(), 0),
            sounds,
            prompt: 0,
            wait: None,
            said: Vec::new(),
            has_listened: false,
            last_key: None,
            turn: Turn { number: 0, silent: false, part: 0 },
            has_answered: false,
            is_deaf: true,
            turns: Vec::new(),
            frames: Vec::new(),
            variables: BTreeMap::new(),
            stored: BTreeMap::new(),
        }
    }

    /// Returns a moment as milliseconds from the beginning; none for one that never comes.
    pub fn at(&self, time: Time) -> Option<u64> {
        (time != Time::NEVER).then(|| millis(time - self.began))
    }

    pub fn note(&mut self, what: What) {
        if self.cut.is_none() {
            let at = millis(self.now - self.began);
            self.events.push(Event { at, what });
        }
    }

    /// Notes what the caller hears until this moment, unless the same wait goes on.
    pub fn hears(&mut self, until: Time, hearing: &Hearing<'_>) {
        if let Some((event, prompt, end)) = self.last_key.take()
            && (prompt, end) == (hearing.prompt, until)
            && let Some(Event { what: What::Key { fate, .. }, .. }) = self.events.get_mut(event)
        {
            *fate = "ignored";
            self.has_answered = false;
        }
        let listens = hearing.listening || hearing.speech;
        if until <= self.now && !listens {
            // Only a poll while the script computes.
            return;
        }
        if hearing.sound == Sound::Silence {
            self.silence(until, hearing);
        } else if hearing.prompt != self.prompt {
            self.prompt = hearing.prompt;
            self.prompt(until, hearing);
        }
    }

    /// Begins a turn, or goes on with it. A prompt begins the next one if the caller was listened to in silence since
    /// the last, or has answered; and everything does after something in which nothing was heard.
    fn takes_turn(&mut self, silent: bool) -> Turn {
        let before = self.turn;
        if self.is_deaf || (!silent && (before.silent || self.has_answered)) {
            self.turn = Turn { number: before.number + 1, silent, part: 0 };
            self.has_answered = false;
        } else if silent {
            self.turn = Turn { silent, part: 0, ..before };
        } else {
            self.turn.part += 1;
        }
        self.is_deaf = false;
        if self.turn != before {
            self.turns.push((self.turn, millis(self.now - self.began)));
        }
        self.turn
    }

    /// Returns when this part of a turn began, or one after it; none if it hasn't.
    pub fn began_turn(&self, wanted: Turn) -> Option<Time> {
        if wanted.number == 0 {
            return Some(self.began);
        }
        // Whole milliseconds, as the events have them, so that the same delay leads to the same moment.
        let (_, at) = self.turns.iter().find(|(turn, _)| *turn >= wanted)?;
        Some(self.began + Duration::from_millis(*at))
    }

    fn keys(&self, hearing: &Hearing<'_>) -> Option<String> {
        hearing.listening.then(|| self.listened.clone().unwrap_or_default())
    }

    fn silence(&mut self, until: Time, hearing: &Hearing<'_>) {
        let listens = hearing.listening || hearing.speech;
        let wait = Some((hearing.prompt, until, listens));
        if std::mem::replace(&mut self.wait, wait) == wait || until <= self.now {
            return;
        }
        let until = self.at(until);
        if listens {
            self.has_listened = true;
            let (keys, said, turn) = (self.keys(hearing), self.said.clone(), self.takes_turn(true).number);
            self.note(What::Listens { keys, speech: hearing.speech, until, said, turn });
        } else {
            self.is_deaf = true;
            self.note(What::Waits { until });
        }
    }

    fn prompt(&mut self, until: Time, hearing: &Hearing<'_>) {
        let foreign = |language: &str| agi_rhai::internals::foreign(language).map(str::to_owned);
        let (sound, name, words, language) = match hearing.sound {
            Sound::File(name) => {
                let words = self.sounds.words(name, hearing.language);
                let language = words.as_ref().and_then(|words| words.language.map(str::to_owned));
                ("file", name.to_owned(), words.map(|words| words.text.to_owned()), language)
            }
            Sound::Spoken(spoken) => {
                (spoken.kind, spoken.text.clone(), Some(spoken.words.clone()), foreign(hearing.language))
            }
            Sound::Beep => ("beep", "beep".to_owned(), None, None),
            Sound::Recording(name) => ("recording", name.to_owned(), None, None),
            Sound::Music(class) => ("music", class.to_owned(), None, None),
            _ => return,
        };
        if std::mem::take(&mut self.has_listened) {
            self.said.clear();
        }
        if matches!(hearing.sound, Sound::File(_) | Sound::Spoken(_)) {
            self.said.push(words.as_ref().unwrap_or(&name).clone());
        }
        let file = |name: &String| SoundFile {
            path: self.sounds.file(name, hearing.language),
            lasts: self.sounds.find(name, hearing.language).map(|clip| clip.samples / 8),
            name: name.clone(),
        };
        let files: Vec<SoundFile> = hearing.sound.files().iter().map(file).collect();
        let lasts: Option<u64> = files.iter().map(|file| file.lasts).sum();
        let lasts = lasts.filter(|lasts| *lasts > 0);
        // What is spoken goes on after its first file.
        let ends =
            if files.len() > 1 { lasts.map(|lasts| millis(self.now - self.began) + lasts) } else { self.at(until) };
        let (keys, speech) = (self.keys(hearing), hearing.speech);
        let turn = (hearing.listening || speech).then(|| self.takes_turn(false));
        self.is_deaf = turn.is_none();
        let (turn, part) = (turn.map(|turn| turn.number), turn.map_or(0, |turn| turn.part));
        self.note(What::Prompt { sound, name, words, language, files, lasts, ends, keys, speech, turn, part });
    }

    /// Notes a key that is pressed in a wait.
    pub fn presses(&mut self, key: char, until: Time, hearing: &Hearing<'_>) {
        if hearing.listening {
            self.last_key = Some((self.events.len(), hearing.prompt, until));
            self.has_answered = true;
        }
        self.note(What::Key { key, fate: if hearing.listening { "heard" } else { "dropped" } });
    }

    /// Notes what the caller says in a wait.
    pub fn speaks(&mut self, text: &str, hearing: &Hearing<'_>) {
        self.has_answered |= hearing.speech;
        self.note(What::Says { text: text.to_owned(), heard: hearing.speech });
    }

    /// Notes what has become of the variables of the script.
    pub fn frames(&mut self, frames: Vec<ScriptFrame>) {
        let frames: Vec<Frame> = frames.into_iter().map(Frame::from).collect();
        if frames != self.frames {
            self.frames.clone_from(&frames);
            self.note(What::Frames { frames });
        }
    }

    /// Notes which variables of the channel have changed, and which entries of AstDB.
    pub fn changes(&mut self, variables: BTreeMap<String, String>, stored: BTreeMap<String, String>) {
        for (name, value) in changes(&self.variables, &variables) {
            self.note(What::Variable { name, value });
        }
        for (key, value) in changes(&self.stored, &stored) {
            self.note(What::Stored { key, value });
        }
        (self.variables, self.stored) = (variables, stored);
    }

    /// Returns the variables of the channel and the entries of AstDB, as they were noted last.
    pub fn state(&self) -> (Value, Value) {
        (json!(self.variables), json!(self.stored))
    }
}

fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
    if before == after {
        return Vec::new();
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), None));
    let new = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    gone.chain(new.map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}

/// A scene that the parts of a call share.
#[derive(Clone)]
pub struct SharedScene(Arc<Mutex<Scene>>);

impl SharedScene {
    pub fn new(scene: Scene) -> Self {
        Self(Arc::new(Mutex::new(scene)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
