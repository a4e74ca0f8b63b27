//! A simulated call: the set-up all calls share, the script as it was loaded, the call itself and its end.

use super::setting::Setting;
use crate::seed::random_seed;
use agi_rhai::TimeZone;
use agi_rhai::clock::{Stopwatch, Time};
use agi_rhai::command::GET_VARIABLE;
use agi_rhai::internals::{Watched, plural, printable};
use agi_rhai::pbx::{self, Caller, Channel, Database, Sounds, Variables};
use agi_rhai::script::LoadError;
use agi_rhai::session::Observer;
use agi_rhai::tools::testing::OfflineServices;
use agi_rhai::transport::{Answer, Ending, Heard, Note, Peer, Request, Simulator, Transport};
use agi_rhai::{Fault, Host, Outcome, Script, Session, Status};
use anyhow::Result;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The set-up that all calls of the phone share.
pub struct PhoneSetup {
    pub host: Host,
    pub path: PathBuf,
    /// The scripts folder, for imports.
    pub folder: Option<PathBuf>,
    pub args: Vec<String>,
    pub seed: Option<u64>,
    pub setting: Setting,
    /// AstDB, which outlives the calls.
    pub database: Database,
    /// The time zone of the server.
    pub time_zone: TimeZone,
    /// When each call begins; `None` for now.
    pub began: Option<Time>,
    /// What stands in for services with `--offline`; the store in it outlives the calls.
    pub offline: Option<Arc<Mutex<OfflineServices>>>,
}

impl PhoneSetup {
    /// Returns the name of the script to show.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Starts the clock of a call.
    pub fn clock(&self) -> Stopwatch {
        self.began.map_or_else(Stopwatch::start, Stopwatch::starting_at)
    }

    /// Returns the paths of the tables beside the script: prompts and phrases.
    pub fn tables(&self) -> [PathBuf; 2] {
        ["prompts", "phrases"].map(|ending| self.path.with_extension(ending))
    }

    /// Returns the folder of what engines have spoken; `None` if there is no engine.
    fn speech_folder(&self) -> Option<PathBuf> {
        let settings = self.host.services()?.settings();
        let has_engines = settings.speech.as_ref().is_some_and(|speech| !speech.tts.is_empty());
        settings.speech_folder().filter(|_| has_engines && self.offline.is_none())
    }

    /// Returns the folders of sound files: the one beside the script, and those from the options.
    pub fn sounds(&self) -> Vec<PathBuf> {
        let beside = self.path.with_file_name("sounds");
        beside.is_dir().then_some(beside).into_iter().chain(self.setting.sounds.iter().cloned()).collect()
    }
}

/// A script as it was when it was read, with its sounds and prompts.
#[derive(Debug)]
pub struct LoadedScript {
    pub script: Script,
    pub sounds: Arc<Sounds>,
    pub variables: Arc<Watched>,
    pub spoken: SpokenTexts,
}

/// The files that engines have made, and what they say.
#[derive(Clone, Debug, Default)]
pub struct SpokenTexts(Arc<Mutex<BTreeMap<String, String>>>);

impl SpokenTexts {
    fn add(&self, file: &str, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), text.to_owned());
    }

    /// Returns what a sound file says, if an engine has spoken it, or would have.
    pub fn text(&self, file: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(file).cloned();
        known.or_else(|| Sounds::spoken_text(file).map(str::to_owned))
    }
}

/// Why a script could not be loaded.
#[derive(Debug)]
pub enum LoadProblem {
    Script(LoadError),
    /// The table of prompts cannot be read or parsed.
    Table(String),
}

impl LoadedScript {
    pub fn load(setup: &PhoneSetup) -> Result<Self, LoadProblem> {
        let mut script = setup.host.load(&setup.path, setup.folder.as_deref()).map_err(LoadProblem::Script)?;
        // The folder is that of the script, and would make the message long.
        let beside = format!("{}/", setup.path.parent().unwrap_or(&setup.path).display());
        let sounds = Sounds::beside(&setup.path)
            .map_err(|error| LoadProblem::Table(error.to_string().replacen(&beside, "", 1)))?;
        let spoken = setup.speech_folder();
        let sounds = setup.setting.sounds.iter().chain(&spoken).fold(sounds, Sounds::with_folder);
        let variables = script.watch();
        Ok(Self { script, sounds: Arc::new(sounds), variables, spoken: SpokenTexts::default() })
    }
}

impl LoadProblem {
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Script(LoadError::Fault(fault)) => fault.render(colour),
            Self::Script(missing) => format!("error: {missing:#}"),
            Self::Table(text) => format!("error: {text}"),
        }
    }

    pub fn status(&self) -> Status {
        match self {
            Self::Script(LoadError::Missing(..)) => Status::NotFound,
            Self::Script(_) | Self::Table(_) => Status::Failure,
        }
    }
}

/// A call that is about to begin.
pub struct PhoneCall {
    session: Session,
    pub variables: Variables,
    position: Arc<Mutex<Option<String>>>,
    pub seed: u64,
    before: BTreeMap<String, String>,
}

/// How a call ended.
#[derive(Debug)]
pub struct CallEnd {
    pub outcome: Outcome,
    /// Context, extension and priority at which the dialplan goes on; `None` after a hangup.
    pub goes_on: Option<String>,
    pub variables: BTreeMap<String, String>,
    /// The entries of AstDB that have changed; `None` for deleted ones.
    pub stored: Vec<(String, Option<String>)>,
}

impl PhoneCall {
    /// Places a call with this caller. `note` receives the dialogue.
    pub fn new(
        setup: &PhoneSetup,
        version: &LoadedScript,
        caller: Box<dyn Caller>,
        note: DialogueSink,
    ) -> Result<Self> {
        let setting = &setup.setting;
        let call = pbx::IncomingCall {
            request: setup.name(),
            callerid: Some(setting.callerid().to_owned()),
            calleridname: setting.call.name.clone(),
            extension: setting.extension().to_owned(),
            context: setting.context().to_owned(),
            dnid: setting.call.dnid.clone(),
            language: setting.language().to_owned(),
            args: setup.args.clone(),
            ..pbx::IncomingCall::default()
        };
        let mut channel = Channel::new(call, caller)
            .with_sounds(Arc::clone(&version.sounds))
            .with_database(setup.database.clone())
            .with_time_zone(setup.time_zone.clone());
        if let Some(status) = &setup.setting.call.dial_status {
            channel = channel.with_dial_status(status);
        }
        for (name, value) in &setting.call.var {
            channel.preset(name, value);
        }
        let variables = channel.variables().clone();
        let position = Arc::default();
        let offline = setup.offline.clone();
        let tap = Tap {
            line: Simulator::new(channel),
            note,
            position: Arc::clone(&position),
            offline,
            speaks: setup.speech_folder().is_some(),
            asked: None,
            sounds: Arc::clone(&version.sounds),
            spoken: version.spoken.clone(),
        };
        let seed = setup.seed.unwrap_or_else(random_seed);
        let before = setup.database.entries().into_iter().collect();
        Ok(Self { session: Session::begin(Box::new(tap))?, variables, position, seed, before })
    }

    pub fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.session.observe(observer);
    }

    /// Runs the script to its end.
    pub fn run(self, setup: &PhoneSetup, version: &LoadedScript) -> CallEnd {
        let mut host = setup.host.clone();
        host.set_seed(self.seed);
        let mut outcome = host.run(self.session, &version.script, setup.args.clone());
        // The person at this phone typed the secret, so its faults may show it.
        outcome.fault = outcome.fault.map(Fault::in_full);
        let goes_on = self.position.lock().unwrap_or_else(PoisonError::into_inner).take();
        let after: BTreeMap<String, String> = setup.database.entries().into_iter().collect();
        let gone = self.before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), None));
        let new = after.iter().filter(|(key, value)| self.before.get(*key) != Some(value));
        let stored = gone.chain(new.map(|(key, value)| (key.clone(), Some(value.clone())))).collect();
        CallEnd {
            goes_on: goes_on.filter(|_| outcome.status != Status::Hangup),
            outcome,
            variables: self.variables.all(),
            stored,
        }
    }
}

impl CallEnd {
    pub fn fault(&self) -> Option<&Fault> {
        self.outcome.fault.as_deref()
    }

    /// Returns the lines of the summary, without the fault.
    pub fn summary(&self) -> Vec<String> {
        let Outcome { status, length, commands, seed, .. } = &self.outcome;
        let commands = plural(*commands, "command");
        let mut lines = vec![format!("Call ended: {status}, {} s, {commands}, seed {seed}.", length.as_secs())];
        lines.push(match &self.goes_on {
            Some(place) => format!("The dialplan goes on at {}.", printable(place)),
            None => "Hung up: the dialplan goes on at extension h, if any.".to_owned(),
        });
        let variables = self.variables.iter().map(|(name, value)| format!("{}={}", printable(name), printable(value)));
        lines.push(format!("Variables: {}", variables.collect::<Vec<_>>().join(", ")));
        let stored = self.stored.iter().map(|(key, value)| match value {
            Some(value) => format!("{}={}", printable(key), printable(value)),
            None => format!("{} deleted", printable(key)),
        });
        let stored: Vec<String> = stored.collect();
        if !stored.is_empty() {
            lines.push(format!("Stored in AstDB: {}", stored.join(", ")));
        }
        lines
    }
}

/// Receives what goes over the line, and what goes to services.
pub type DialogueSink = Box<dyn FnMut(Tapped<'_>, Time) + Send>;

/// Something that a call says or hears.
pub enum Tapped<'a> {
    /// A line of the dialogue: `> ` to Asterisk, `< ` from it.
    Line(String),
    /// The script asks a service, and waits.
    Asks(&'a Request),
    /// The service has answered.
    Answered(&'a Answer),
}

/// The maximum length of what is shown of an answer.
const MAX_SHOWN: usize = 500;

/// Returns what a script asks, to show it.
pub fn shown_request(request: &Request) -> String {
    shortened(&request.to_string())
}

/// Returns what a service answered, to show it.
pub fn shown_answer(answer: &Answer) -> String {
    match answer {
        Ok(value) => shortened(&value.to_string()),
        Err(failure) => shortened(&format!("{}: {failure}", failure.kind.word())),
    }
}

/// Returns whom a script asks: the service by its name, or by the function if it has none.
pub fn asked(request: &Request) -> &str {
    if request.service.is_empty() { &request.function } else { &request.service }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The simulated line, with a copy of the dialogue.
struct Tap {
    line: Simulator,
    note: DialogueSink,
    position: Arc<Mutex<Option<String>>>,
    offline: Option<Arc<Mutex<OfflineServices>>>,
    /// Whether texts are spoken by engines; otherwise their words are shown.
    speaks: bool,
    /// What is to be spoken.
    asked: Option<Request>,
    sounds: Arc<Sounds>,
    spoken: SpokenTexts,
}

impl Transport for Tap {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.line.open()
    }

    fn peer(&self) -> Peer {
        self.line.peer()
    }

    fn now(&self) -> Time {
        self.line.now()
    }

    fn inner(&self) -> Option<&dyn Transport> {
        Some(&self.line)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Transport> {
        Some(&mut self.line)
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        (self.note)(Tapped::Line(format!("> {}", String::from_utf8_lossy(line))), self.line.now());
        self.line.send(line)
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        let heard = self.line.receive(until)?;
        match &heard {
            Heard::Reply(reply) => (self.note)(Tapped::Line(format!("< {reply}")), self.line.now()),
            Heard::Hangup => (self.note)(Tapped::Line("< HANGUP".to_owned()), self.line.now()),
            Heard::Stop | Heard::Closed | Heard::Wakeup | Heard::Silence => {}
        }
        Ok(heard)
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        // Whoever is at the phone says what is heard.
        if request.function == "listen" || request.function == "speak" && !self.speaks {
            return self.line.answer(request);
        }
        let offline = self.offline.as_ref()?;
        let mut offline = offline.lock().unwrap_or_else(PoisonError::into_inner);
        Some((Duration::ZERO, offline.answer(request, self.line.now())))
    }

    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::Asks(request) => {
                self.asked = (request.function == "speak").then(|| request.clone());
                (self.note)(Tapped::Asks(request), self.line.now());
            }
            Note::Answered(answer) => {
                self.note_spoken(answer);
                (self.note)(Tapped::Answered(answer), self.line.now());
            }
            _ => {}
        }
        self.line.note(note);
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        // The script is done, so the position of the dialplan can be queried with AGI commands.
        let (context, extension, priority) = (self.query("CONTEXT")?, self.query("EXTEN")?, self.query("PRIORITY")?);
        let next = priority.parse::<i64>().map_or(priority, |running| (running + 1).to_string());
        let place = format!("{context},{extension},{next}");
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        self.line.leave(ending)
    }
}

impl Tap {
    /// Notes what the file says that an engine has made.
    fn note_spoken(&mut self, answer: &Answer) {
        let Some(request) = self.asked.take() else { return };
        let file = answer.as_ref().ok().and_then(|answer| answer.get("file")?.as_str());
        let Some(file) = file.filter(|file| *file != request.text("prompt")) else { return };
        let words = self.sounds.words(request.text("prompt"), request.text("language"));
        self.spoken.add(file, words.map_or_else(|| request.text("text"), |words| words.text));
    }

    /// Returns a variable of the channel, or an empty text if it is unset.
    fn query(&mut self, name: &str) -> io::Result<String> {
        self.line.send(format!("{} {name}", GET_VARIABLE.verb).as_bytes())?;
        loop {
            match self.line.receive(self.line.now())? {
                Heard::Reply(reply) => return Ok(reply.value().unwrap_or_default().to_owned()),
                Heard::Hangup | Heard::Wakeup => {}
                Heard::Stop | Heard::Closed | Heard::Silence => return Ok(String::new()),
            }
        }
    }
}
