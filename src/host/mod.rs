//! Running calls: one, or thousands at a time.
//!
//! A [`Host`] runs a script on a [`Session`] and reports how it ended. That is all there is to a call on [`stdio`],
//! where Asterisk starts a process for each one. [`fastagi`] is a server, which runs thousands of calls on a few
//! threads; [`live`] shows what each is doing, [`control`] offers that on a local socket, [`metrics`] counts, and
//! [`http`] serves the pages for monitoring. A [`Recorder`] records the dialogue of calls.

mod config;
#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
pub mod control;
#[cfg(target_os = "linux")]
mod coroutine;
#[cfg(target_os = "linux")]
pub mod fastagi;
pub(crate) mod fault_log;
#[cfg(unix)]
pub mod http;
#[cfg(feature = "store")]
pub(crate) mod jobs;
#[cfg(target_os = "linux")]
pub mod live;
#[cfg(unix)]
pub mod metrics;
#[cfg(target_os = "linux")]
mod reactor;
mod recorder;
#[cfg(target_os = "linux")]
mod recordings;
mod seed;
#[cfg(unix)]
pub mod stdio;
#[cfg(target_os = "linux")]
mod watch;

pub use config::Config;
#[doc(hidden)]
pub use config::{FILE_NAME, OptionRules};
pub use recorder::Recorder;

#[cfg(unix)]
use crate::clock::Time;
use crate::command::Permissions;
use crate::script::{
    CallState, Disk, Fault, Finished, Inspections, Inspector, Language, Limits, LoadError, Memory, Script,
};
#[cfg(unix)]
use crate::script::{Change, Library};
use crate::service::Services;
use crate::session::{Over, Session};
use crate::transport::{Ending, Note};
use fault_log::log_fault;
use seed::random_seed;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info};

/// The channel variable that reports the [`Status`] of the call.
pub const STATUS: &str = "AGI_RHAI_STATUS";
/// The channel variable that reports the version of the script.
pub const VERSION: &str = "AGI_RHAI_VERSION";
/// The channel variable that reports what went wrong.
pub const ERROR: &str = "AGI_RHAI_ERROR";

/// Runs scripts on sessions, with a language, limits and the operator's settings.
///
/// One host serves any number of calls, from any number of threads.
///
/// ```
/// use agi_rhai::{Host, Session, Status};
/// use agi_rhai::pbx::{Channel, IncomingCall, Plan};
/// use agi_rhai::transport::Simulator;
///
/// let host = Host::new();
/// let script = host.compile("hello.rhai", r#"answer(); set_variable("KEY", wait_for_digit(5000));"#)?;
/// let caller: Plan = "presses 7 after 1s".parse().unwrap();
/// let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(caller)));
/// let transcript = simulator.transcript();
/// let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
/// assert_eq!(outcome.status, Status::Success);
/// assert!(transcript.lock().unwrap().contains(&r#"C: SET VARIABLE "KEY" "7""#.to_owned()));
/// # Ok::<(), Box<agi_rhai::Fault>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Host {
    language: Language,
    limits: Limits,
    memory: Option<Memory>,
    permissions: Arc<Permissions>,
    seed: Option<u64>,
    log_digits: bool,
    recorder: Option<Arc<Recorder>>,
    services: Option<Services>,
    config: Option<Arc<Config>>,
    /// Makes what inspects scripts, with the language and the permissions of the host by then.
    inspector: Option<MakeInspector>,
}

/// Makes what inspects the scripts of a host.
type MakeInspector = fn(&Host) -> Arc<dyn Inspector>;

/// How a script ended, with the fault of its `on_hangup`; or a panic.
type RunResult = std::thread::Result<(Finished, Option<Box<Fault>>)>;

/// How a call ended, as `AGI_RHAI_STATUS` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The script ran to its end.
    Success,
    /// The call ended before the script.
    Hangup,
    /// The script had a fault.
    Failure,
    /// No such script exists.
    NotFound,
    /// There were too many calls already.
    Busy,
    /// The connection to Asterisk broke, so the status can't be reported.
    Lost,
}

impl Status {
    /// Returns the value of `AGI_RHAI_STATUS`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Hangup => "HANGUP",
            Self::Failure => "FAILURE",
            Self::NotFound => "NOTFOUND",
            Self::Busy => "BUSY",
            Self::Lost => "LOST",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The outcome of a call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The fault of the script or of its `on_hangup`. Once the caller has answered a secret question, it contains no
    /// values; [`Fault::in_full`] brings them back.
    pub fault: Option<Box<Fault>>,
    /// The number of commands sent.
    pub commands: u64,
    /// The number of missing sound files.
    pub missing_sounds: u64,
    /// How long the call took, by the session's clock.
    pub length: Duration,
    /// The seed of its random numbers. The same seed produces the same numbers.
    pub seed: u64,
}

impl Host {
    /// Creates a host with the default limits, whose scripts may make Asterisk run only what is known to be harmless.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the functions that scripts can call.
    #[must_use]
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Returns the functions that scripts can call, so that some can be added.
    pub fn language_mut(&mut self) -> &mut Language {
        &mut self.language
    }

    /// Returns the limits of scripts.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the limits of scripts, so that they can be changed.
    pub fn limits_mut(&mut self) -> &mut Limits {
        &mut self.limits
    }

    /// Sets how the memory of a call is counted. Without this, it can't be limited.
    pub fn set_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
        self.language.set_memory(memory);
    }

    /// Returns what scripts may make Asterisk run.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Allows scripts to make Asterisk run further dialplan applications and functions; `*` allows all.
    pub fn allow(&mut self, names: impl IntoIterator<Item = String>) {
        Arc::make_mut(&mut self.permissions).allowed.extend(names);
    }

    /// Forbids scripts to make Asterisk run these dialplan applications and functions; `*` denies all.
    pub fn deny(&mut self, names: impl IntoIterator<Item = String>) {
        Arc::make_mut(&mut self.permissions).denied.extend(names);
    }

    /// Returns how memory is counted; `None` if it isn't.
    pub fn memory(&self) -> Option<Memory> {
        self.memory
    }

    /// Makes every call draw the same random numbers, from this seed.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = Some(seed);
    }

    /// Sets whether the log shows the keys that callers press.
    pub fn log_digits(&mut self, shown: bool) {
        self.log_digits = shown;
    }

    /// Records the dialogue of every call.
    pub fn record(&mut self, recorder: Arc<Recorder>) {
        self.recorder = Some(recorder);
    }

    /// Sets the services that scripts may ask.
    pub fn set_services(&mut self, services: Services) {
        self.services = Some(services);
    }

    /// Sets the services to those of the operator's file, whose edits a server takes over while calls run. Once the
    /// file has a mistake, whoever asks a service of it is told so.
    pub fn set_config(&mut self, config: impl Into<Arc<Config>>) {
        let config = config.into();
        self.services = Some(config.services());
        self.config = Some(config);
    }

    /// Returns the services that scripts may ask, if there are any.
    #[must_use]
    pub fn services(&self) -> Option<&Services> {
        self.services.as_ref()
    }

    /// Returns the services if their names are known: not if the operator has written no file, or one with a mistake.
    pub(crate) fn known_services(&self) -> Option<&Services> {
        let is_known = |config: &Arc<Config>| config.file().is_some() && config.mistake().is_none();
        self.services.as_ref().filter(|_| self.config.as_ref().is_none_or(is_known))
    }

    /// Sets what inspects scripts after compiling them: those with errors are kept out.
    pub(crate) fn set_inspector(&mut self, inspector: MakeInspector) {
        self.inspector = Some(inspector);
    }

    fn inspector(&self) -> Option<Arc<dyn Inspector>> {
        self.inspector.map(|inspector| inspector(self))
    }

    /// Compiles a script that imports nothing.
    ///
    /// # Errors
    /// The script has a fault.
    pub fn compile(&self, name: &str, text: &str) -> Result<Script, Box<Fault>> {
        let script = Script::compile(name, text, &self.language)?;
        Inspections::new(self.inspector().as_deref(), false).judge(script)
    }

    /// Reads and compiles a script and everything it imports: files beside it and below `folder`.
    ///
    /// # Errors
    /// The script is missing or has a fault.
    pub fn load(&self, path: &Path, folder: Option<&Path>) -> Result<Script, LoadError> {
        let inspector = self.inspector();
        let mut inspections = Inspections::new(inspector.as_deref(), false);
        Ok(inspections.load(&mut Disk, path, folder, &self.language)?.0)
    }

    /// Reads and compiles a folder of scripts for a server. The changes report on each script.
    ///
    /// # Errors
    /// The folder cannot be read.
    #[cfg(unix)]
    pub fn library(&self, folder: &Path) -> std::io::Result<(Library, Vec<Change>)> {
        // By whose clock the folder will be checked again isn't known yet. This moment is past by every clock.
        Library::open_with(folder, &self.language, self.inspector(), Time::default())
    }

    /// Runs a script on a session, and reports to Asterisk how it ended.
    pub fn run(&self, session: Session, script: &Script, args: Vec<String>) -> Outcome {
        self.run_with(session, script, args, BTreeMap::new())
    }

    /// Does the same, with the parameters of a `FastAGI` address.
    pub fn run_with(
        &self,
        session: Session,
        script: &Script,
        args: Vec<String>,
        params: BTreeMap<String, String>,
    ) -> Outcome {
        self.play(&self.begin(session, script, args, params), script)
    }

    /// A call about to begin. What only its beginning needs has left the stack by then: a server has thousands of
    /// calls that wait.
    #[inline(never)]
    fn begin(
        &self,
        mut session: Session,
        script: &Script,
        args: Vec<String>,
        params: BTreeMap<String, String>,
    ) -> Arc<CallState> {
        let seed = self.seed.unwrap_or_else(random_seed);
        session.set_table(self.language.commands());
        if let Some(recorder) = &self.recorder {
            session = recorder.record(session, script, seed, (&args, &params), &self.permissions);
        }
        let call = self.state(session, args, params, seed);
        #[cfg(feature = "speech")]
        if let Some(services) = call.extensions.get::<Services>()
            && let Some(services) = services.with_tables_of(script.sources().map(|(name, _)| name))
        {
            call.extensions.insert(services);
        }
        call
    }

    /// Returns the state of a call on a session.
    fn state(
        &self,
        mut session: Session,
        args: Vec<String>,
        params: BTreeMap<String, String>,
        seed: u64,
    ) -> Arc<CallState> {
        session.permit(Arc::clone(&self.permissions));
        session.log_digits(self.log_digits);
        let call = CallState::new(session, args, params, seed, self.limits.clone(), self.memory);
        if let Some(services) = &self.services {
            call.extensions.insert(services.of_call());
        }
        call
    }

    fn play(&self, call: &Arc<CallState>, script: &Script) -> Outcome {
        Self::end(call, script, self.attempt(call, script))
    }

    /// Runs a script as [`run`](Self::run) does, but reports the end neither to Asterisk nor in the log.
    pub fn run_quietly(
        &self,
        session: Session,
        script: &Script,
        args: Vec<String>,
        params: BTreeMap<String, String>,
    ) -> Outcome {
        let call = self.begin(session, script, args, params);
        let Judgement { status, fault, .. } = Judgement::of(&call, script, self.attempt(&call, script));
        let session = call.session();
        let length = session.now() - session.began();
        outcome(&session, status, fault, length, call.seed())
    }

    fn attempt(&self, call: &Arc<CallState>, script: &Script) -> RunResult {
        catch_unwind(AssertUnwindSafe(|| call.run(script, &self.language)))
    }

    #[inline(never)]
    fn end(call: &CallState, script: &Script, run: RunResult) -> Outcome {
        // Nobody but the log can be told: Asterisk no longer listens.
        if let Ok((Finished::Over(Over::Lost(why)), _)) = &run {
            let line = call.session().last().line;
            error!(script = script.name(), line, "the session with Asterisk broke off: {why}");
        }
        let Judgement { status, fault, problem } = Judgement::of(call, script, run);
        let mut session = call.session();
        let problem = fault.as_deref().map(ToString::to_string).or(problem);
        if let Some(fault) = &fault {
            log_fault("", Some(&channel(&session)), fault);
        }
        let seed = call.seed();
        let call = CallSummary { script: script.name(), version: script.version(), fault: fault.as_deref(), seed };
        let length = close(&mut session, &call, status, problem.as_deref());
        outcome(&session, status, fault, length, seed)
    }

    /// Reports to Asterisk that there are too many calls already.
    pub fn turn_away(&self, mut session: Session) {
        session.report_variable(STATUS, Status::Busy.word());
        session.end(Ending::Normal);
    }

    /// Reports to Asterisk that the script doesn't exist or has a fault.
    pub fn refuse(&self, mut session: Session, error: &LoadError) -> Status {
        let (status, script) = match error {
            LoadError::Missing(path, _) => (Status::NotFound, path.to_string_lossy().into_owned()),
            LoadError::Fault(fault) => (Status::Failure, fault.script.clone()),
        };
        let call = CallSummary { script: &script, version: "", fault: None, seed: 0 };
        close(&mut session, &call, status, Some(&format!("{error:#}")));
        status
    }
}

/// How a run is judged.
struct Judgement {
    status: Status,
    fault: Option<Box<Fault>>,
    /// The problem, unless it is a fault.
    problem: Option<String>,
}

impl Judgement {
    fn of(call: &CallState, script: &Script, run: RunResult) -> Self {
        let (status, fault, problem) = match run {
            Ok((Finished::Completed, _)) => (Status::Success, None, None),
            Ok((Finished::Over(Over::Lost(_)), _)) => (Status::Lost, None, None),
            Ok((Finished::Over(over), after)) => {
                (Status::Hangup, after, (over == Over::Stopped).then(|| over.to_string()))
            }
            Ok((Finished::Fault(fault), _)) => (Status::Failure, Some(fault), None),
            Err(panic) => {
                let of = if call.session().knows_a_secret() { Fault::of_discreet_panic } else { Fault::of_panic };
                (Status::Failure, Some(of(script.name(), "a function", &*panic)), None)
            }
        };
        Self { status, fault, problem }
    }
}

fn outcome(session: &Session, status: Status, fault: Option<Box<Fault>>, length: Duration, seed: u64) -> Outcome {
    let (commands, missing_sounds) = (session.commands(), session.missing_sounds());
    Outcome { status, fault, commands, missing_sounds, length, seed }
}

/// Returns the name of the session's channel.
fn channel(session: &Session) -> Cow<'_, str> {
    session.environment().get("agi_channel").unwrap_or_default()
}

/// The facts about a call that are reported at its end.
struct CallSummary<'a> {
    script: &'a str,
    version: &'a str,
    fault: Option<&'a Fault>,
    seed: u64,
}

/// Ends a call: reports it to Asterisk, to the recording and in the log. Returns how long it took.
fn close(session: &mut Session, call: &CallSummary, status: Status, problem: Option<&str>) -> Duration {
    let CallSummary { script, version, fault, seed } = *call;
    set_variables(session, version, status, problem);
    session.note(Note::Ended(&recorder::ended(status.word(), session.commands(), fault)));
    let length = session.now() - session.began();
    info!(
        script,
        version,
        channel = &*channel(session),
        uniqueid = &*session.environment().get("agi_uniqueid").unwrap_or_default(),
        %status,
        seconds = length.as_secs_f64(),
        commands = session.commands(),
        seed,
        "call ended"
    );
    // This corresponds to an exit code. After a hangup, a failure would hide the hangup from the dialplan.
    let failed = matches!(status, Status::Failure | Status::NotFound) && session.over() != Some(&Over::Hangup);
    session.end(if failed { Ending::Failure } else { Ending::Normal });
    length
}

/// Sets the channel variables. This takes two commands for a call that ended well, and four if there is a problem.
fn set_variables(session: &mut Session, version: &str, status: Status, problem: Option<&str>) {
    if !version.is_empty() {
        session.report_variable(VERSION, version);
    }
    session.report_variable(STATUS, status.word());
    if let Some(problem) = problem {
        // One line, short enough for GET VARIABLE and for the longest line that any Asterisk accepts.
        let mut problem: String = problem.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        while problem.len() > 900 {
            problem.pop();
        }
        session.report_variable(ERROR, &problem);
        let version = if version.is_empty() { String::new() } else { format!(" (version {version})") };
        session.announce(&format!("agi-rhai: {problem}{version}"));
    }
}
