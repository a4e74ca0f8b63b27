//! A call, from its start to a moment.

use crate::Refusal;
use crate::caller::{CallerAct, PlannedCaller};
use crate::fault;
use crate::files::Files;
use crate::line::{CommandObserver, Line};
use crate::log::Log;
use crate::scene::{Cut, Event, Scene, SharedScene, What, millis};
use crate::services::Services;
use crate::setup::setup;
use agi_rhai::internals::recording::{FORMAT, Header};
use agi_rhai::internals::sandbox::PlacedCall;
use agi_rhai::pbx::{Database, Sounds};
use agi_rhai::script::LoadError;
use agi_rhai::transport::Simulator;
use agi_rhai::{Fault, Host, Script, Session, Status};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Up to when a call runs unless the request says so, in milliseconds: an hour.
const DEFAULT_UNTIL: u64 = 3_600_000;

/// What to play.
#[derive(Debug, Deserialize)]
pub struct Request {
    #[serde(default)]
    pub files: Files,
    /// The script that is called.
    pub script: String,
    /// A number, or a text where it may be larger than a number of JavaScript.
    #[serde(default, deserialize_with = "seed")]
    pub seed: u64,
    /// The options of `place_call`.
    #[serde(default)]
    pub call: Map<String, Value>,
    /// What services answer.
    #[serde(default)]
    pub services: Services,
    /// What the caller does.
    #[serde(default)]
    pub acts: Vec<CallerAct>,
    /// Up to when the call runs, in milliseconds from its beginning.
    pub until: Option<u64>,
}

/// Reads a seed.
pub fn seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seed {
        Number(u64),
        Text(String),
    }
    match Seed::deserialize(deserializer)? {
        Seed::Number(seed) => Ok(seed),
        Seed::Text(text) => text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not a seed"))),
    }
}

/// What happened in a call.
#[derive(Debug, Serialize)]
pub struct Played {
    /// When it began, in seconds since the Unix epoch.
    began: u64,
    pub events: Vec<Event>,
    /// Why it was cut off; null if it has ended.
    cut: Option<Cut>,
    /// How long it has lasted, in milliseconds.
    length: u64,
    /// How it has ended: `SUCCESS`, `HANGUP`, `FAILURE`, `LOST`.
    status: Option<&'static str>,
    /// Where the dialplan goes on; null after a hangup.
    goes_on: Option<String>,
    /// What is wrong with the script.
    pub fault: Option<Value>,
    commands: u64,
    seed: u64,
    /// The variables of the channel, and AstDB.
    variables: Value,
    database: Value,
    /// What is in the store: `values` and `boards`.
    store: Value,
}

/// Plays a call.
pub fn play(request: Request) -> Result<Played, Refusal> {
    call(request, None).map(|(played, _)| played)
}

/// A script with its sounds and prompts.
pub fn load(host: &Host, path: &Path) -> Result<(Script, Sounds), Value> {
    let script = host.load(path, None).map_err(|error| match error {
        LoadError::Fault(fault) => fault::object(&fault),
        missing => fault::object(&Fault::new(&path.to_string_lossy(), format!("{missing:#}"))),
    })?;
    let wrong = |error: io::Error| fault::object(&Fault::new(&path.to_string_lossy(), error.to_string()));
    Ok((script, Sounds::beside(path).map_err(wrong)?))
}

/// Plays a call, and records it.
pub fn call(request: Request, tape: Option<&Tape>) -> Result<(Played, Option<Script>), Refusal> {
    let Request { files, script: name, seed, call, services, acts, until } = request;
    files.give();
    let services = Arc::new(Mutex::new(services.offline()?));
    let setup = setup(call)?;
    let mut host = Host::new();
    let path = Path::new(&name);
    let (mut script, sounds) = match load(&host, path) {
        Ok(loaded) => loaded,
        Err(fault) => return Ok((Played::not_begun(fault, seed), None)),
    };
    let watched = script.watch();
    let database = Database::new();
    let scene = SharedScene::new(Scene::new(Arc::new(sounds.clone())));
    let mut wrong = None;
    let caller = |began| -> Box<dyn agi_rhai::pbx::Caller> {
        let until = until.unwrap_or(DEFAULT_UNTIL);
        match PlannedCaller::new(scene.clone(), began, &acts, until) {
            Ok(caller) => Box::new(caller),
            Err(problem) => {
                wrong = Some(problem);
                Box::new(agi_rhai::pbx::Plan::silent())
            }
        }
    };
    let PlacedCall { channel, args, params, seed } = PlacedCall::new(&setup, &name, seed, caller, sounds, &database)?;
    if let Some(problem) = wrong {
        return Err(problem);
    }
    let position = Arc::<Mutex<Option<String>>>::default();
    let line = Line {
        variables: channel.variables().clone(),
        simulator: Simulator::new(channel).with_commands(host.language().commands()),
        scene: scene.clone(),
        services: Arc::clone(&services),
        database,
        watched: Arc::clone(&watched),
        position: Arc::clone(&position),
        sent: 0,
    };
    let mut session = Session::begin(Box::new(line)).map_err(|error| format!("{error:#}"))?;
    if let Some(tape) = tape {
        session = session.record(header(&script, seed, &args, &params), Box::new(tape.clone()));
    }
    session.observe(Arc::new(CommandObserver { scene: scene.clone(), watched }));
    host.set_seed(seed);
    let logged = scene.clone();
    let log = Log(Box::new(move |line| {
        logged.lock().note(if line.is_warning {
            What::Warns { text: line.text }
        } else {
            What::Prints { text: line.text, script: line.script, line: line.line }
        });
    }));
    let outcome = tracing::subscriber::with_default(log, || host.run_with(session, &script, args, params));
    let mut scene = scene.lock();
    let (variables, database) = scene.state();
    let goes_on = position.lock().unwrap_or_else(PoisonError::into_inner).take();
    let cut = scene.cut;
    let store = services.lock().unwrap_or_else(PoisonError::into_inner).stored();
    let fault = outcome.fault.filter(|_| cut.is_none()).map(Fault::in_full);
    let played = Played {
        began: scene.began.since_epoch().as_secs(),
        cut,
        length: millis(scene.now - scene.began),
        status: cut.is_none().then(|| outcome.status.word()),
        goes_on: goes_on.filter(|_| cut.is_none() && outcome.status != Status::Hangup),
        fault: fault.map(|fault| fault::object(&fault)),
        commands: outcome.commands,
        seed,
        variables,
        database,
        store,
        events: std::mem::take(&mut scene.events),
    };
    drop(scene);
    Ok((played, Some(script)))
}

impl Played {
    /// A call whose script can't be run.
    fn not_begun(fault: Value, seed: u64) -> Self {
        Self {
            began: 0,
            events: Vec::new(),
            cut: None,
            length: 0,
            status: Some(Status::Failure.word()),
            goes_on: None,
            fault: Some(fault),
            commands: 0,
            seed,
            variables: Value::Null,
            database: Value::Null,
            store: Value::Null,
        }
    }
}

fn header(script: &Script, seed: u64, args: &[String], params: &std::collections::BTreeMap<String, String>) -> Header {
    Header {
        format: FORMAT,
        script: script.name().to_owned(),
        version: script.version().to_owned(),
        seed,
        started: Duration::ZERO,
        args: args.to_vec(),
        params: params.clone(),
        allowed: Vec::new(),
        denied: Vec::new(),
        dead_mode: true,
        time_zone: None,
        redacted: false,
        environment: Vec::new(),
    }
}

/// The recording of a call, in memory.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// Returns what was recorded.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
