//! One channel's conversation with Asterisk. All lines go through here.

use crate::agi::{Environment, ProtocolError, Reply, text};
use crate::calendar::TimeZone;
use crate::clock::Time;
use crate::command::{
    Access, After, CHANNEL_STATUS, Command, Encoded, GET_VARIABLE, Hears, MissingSound, NOOP, OnMinusOne, Permissions,
    Plays, ReadError, Refusal, RefusalKind, Rules, SET_VARIABLE, Table, VERBOSE, Value, Waits,
};
use crate::sync::{Bell, Signal};
use crate::transport::recording::{self, Bytes, Header};
use crate::transport::{
    Answer, Audio, AudioFormat, AudioTap, Ending, Heard, Note, Peer, Recorded, Remote, Request, Transport,
};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tracing::{debug, warn};

/// How much longer than the command itself Asterisk may take to reply.
const REPLY_MARGIN: Duration = Duration::from_secs(30);

/// The channel variable with the channel's language.
const LANGUAGE: &str = "CHANNEL(language)";

/// How long an interrupted command may take to reply.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a session takes no more commands. A script cannot catch it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Over {
    /// The call ended: somebody hung up, or Asterisk took the channel away.
    Hangup,
    /// The operator ended the call; the channel is still up.
    Stopped,
    /// The script ended itself.
    Ended,
    /// The line to Asterisk broke, or what arrived wasn't AGI.
    Lost(String),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangup => f.write_str("the call has ended"),
            Self::Stopped => f.write_str("ended by the operator"),
            Self::Ended => f.write_str("the script has ended"),
            Self::Lost(why) => write!(f, "the line to Asterisk broke: {why}"),
        }
    }
}

/// An error at the beginning of a session. `{:#}` writes its cause too.
#[derive(Debug)]
#[non_exhaustive]
pub enum BeginError {
    /// The environment can't be read from the transport.
    Io(io::Error),
    /// The other end sent something that isn't an AGI environment.
    Protocol(ProtocolError),
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if f.alternate() => write!(f, "not AGI: {error}"),
            Self::Io(_) => f.write_str("not AGI"),
            Self::Protocol(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BeginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            // The message says everything already.
            Self::Protocol(_) => None,
        }
    }
}

impl From<ProtocolError> for BeginError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// Why a command returned no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The session is over; a script cannot catch this.
    Over(Over),
    /// The command was refused or failed.
    Refused(Refusal),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(over) => over.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The last command of a session: its place in the script, and its value.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Last {
    /// The name of its function; empty before the first command.
    pub command: &'static str,
    /// The script that sent it.
    pub script: String,
    /// The line of the script, from 1.
    pub line: usize,
    /// Its value, if the hangup left one: a recording, for instance.
    pub result: Option<Value>,
}

/// Observes what goes over the line of a session: for a list of live calls, for metrics, for listeners.
pub trait Observer: Send + Sync {
    /// Called when a command is sent, from this line of this script.
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, at: Time);

    /// Called when its reply arrives. `shown` is the reply without what the caller entered, and without anything that
    /// may have been made from a secret.
    fn heard(&self, command: &'static Command, shown: &dyn fmt::Display, at: Time);

    /// Called when a service is asked, from this line of this script, or the caller is listened to.
    fn asked(&self, request: &Request, script: &str, place: usize) {
        let _ = (request, script, place);
    }
}

/// A line to Asterisk. Once the caller has entered a secret, it shows only its verb.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sent<'a> {
    command: &'static Command,
    line: &'a [u8],
    masked: bool,
    by_host: bool,
}

impl<'a> Sent<'a> {
    /// Returns the whole line as it was sent. It is for the person who made the call, and isn't to be logged.
    #[must_use]
    pub const fn line(&self) -> &'a [u8] {
        self.line
    }

    /// Whether the host itself sent it, to report something to Asterisk.
    #[must_use]
    pub const fn is_by_host(&self) -> bool {
        self.by_host
    }
}

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.masked {
            true if self.line.len() > self.command.verb.len() => write!(f, "{} •••", self.command.verb),
            true => f.write_str(self.command.verb),
            false => f.write_str(&text(self.line)),
        }
    }
}

/// The state of the caller's keys, as far as it is known.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
struct Keys {
    /// Whether the log shows them.
    shown: bool,
    /// Whether it hides them for the moment.
    secret: bool,
    /// Whether the caller has entered a secret: anything the script says from then on may have been made from it.
    known: bool,
    /// Whether the last question timed out.
    timed_out: bool,
}

impl Keys {
    fn in_log(&self) -> bool {
        self.shown && !self.secret
    }
}

/// Whether a command is broken off.
enum BreakOff {
    Never,
    /// The next one is, once this is raised.
    #[cfg_attr(not(feature = "speech"), expect(dead_code, reason = "nobody speaks over a prompt"))]
    At(Signal),
    /// The last one was.
    Done,
}

/// The channel's language, as far as it is known.
enum ChannelLanguage {
    /// It is the one in the environment.
    FromEnvironment,
    /// It is this.
    Is(String),
    /// It may have changed.
    Unknown,
}

/// One channel's conversation with Asterisk.
///
/// It sends the commands of one call, one after the other, and keeps track of what must be known between them:
/// whether the call has ended, which language the channel has, whether the caller has entered a secret. A
/// [`Host`](crate::Host) runs scripts on sessions; code in Rust may use one directly:
///
/// ```
/// use agi_rhai::Session;
/// use agi_rhai::command::{ANSWER, Value, WAIT_FOR_DIGIT};
/// use agi_rhai::pbx::{Channel, IncomingCall, Plan};
/// use agi_rhai::transport::Simulator;
///
/// let caller: Plan = "presses 7 after 1s".parse().unwrap();
/// let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(caller)));
/// let mut session = Session::begin(Box::new(simulator)).unwrap();
/// assert_eq!(session.environment().get("agi_callerid").unwrap(), "100");
///
/// session.invoke(&ANSWER, &[]).unwrap();
/// let key = session.invoke(&WAIT_FOR_DIGIT, &[Value::Int(5000)]).unwrap();
/// assert_eq!(key, Value::from("7"));
/// ```
pub struct Session {
    environment: Environment,
    transport: Box<dyn Transport>,
    peer: Peer,
    began: Time,
    /// The wall clock when the session began.
    started: Time,
    over: Option<Over>,
    closed: bool,
    aftermath: bool,
    /// Whether the host itself sends the lines.
    by_host: bool,
    commands: u64,
    missing: u64,
    /// The missing sound files that were logged, and when.
    warned: Vec<(String, Time)>,
    last: Last,
    rules: Rules,
    /// The commands of its script, for a recording.
    table: Table,
    /// The buffer of the last line.
    line: Vec<u8>,
    keys: Keys,
    language: ChannelLanguage,
    observer: Option<Arc<dyn Observer>>,
    /// Ends a command that no line can interrupt.
    end_command: Option<Box<dyn FnOnce() + Send>>,
    break_off: BreakOff,
    /// The sound of a call by EAGI.
    audio: Option<AudioTap>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("environment", &self.environment)
            .field("over", &self.over)
            .field("commands", &self.commands)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Begins a session by reading the environment.
    ///
    /// # Errors
    /// The other end can't be read, or sends something that isn't an environment.
    pub fn begin(mut transport: Box<dyn Transport>) -> Result<Self, BeginError> {
        let block = transport.open().map_err(BeginError::Io)?;
        let environment = Environment::parse(&block)?;
        let (peer, began, started) = (transport.peer(), transport.now(), transport.wall());
        let rules = Rules { line_limit: environment.line_limit(), permissions: Arc::default() };
        debug!(?environment, "session begins");
        Ok(Self {
            environment,
            transport,
            peer,
            began,
            started,
            over: None,
            closed: false,
            aftermath: false,
            by_host: false,
            commands: 0,
            missing: 0,
            warned: Vec::new(),
            last: Last::default(),
            rules,
            table: Table::new(),
            line: Vec::new(),
            keys: Keys::default(),
            language: ChannelLanguage::FromEnvironment,
            observer: None,
            end_command: None,
            break_off: BreakOff::Never,
            audio: None,
        })
    }

    /// Sets what the script may make Asterisk run; by default, what all scripts may.
    pub fn permit(&mut self, permissions: Arc<Permissions>) {
        self.rules.permissions = permissions;
    }

    /// Sets the commands of the script, by which a recording knows which data is private; by default, Asterisk's.
    pub fn set_table(&mut self, table: &Table) {
        self.table.clone_from(table);
    }

    /// Returns what the script may make Asterisk run.
    pub(crate) fn permissions(&self) -> &Permissions {
        &self.rules.permissions
    }

    /// Sets the observer of what goes over the line.
    pub fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Sets whether the log shows what the caller enters; by default, it is masked.
    pub fn log_digits(&mut self, shown: bool) {
        self.keys.shown = shown;
    }

    /// Records what goes over the line from now on, in lines of JSON.
    #[must_use]
    pub fn record(mut self, mut header: Header, out: Box<dyn io::Write + Send>) -> Self {
        self.began = recording::written(self.began);
        self.started = recording::written(self.started);
        header.started = self.started.since_epoch();
        header.dead_mode = self.peer.dead_mode;
        header.time_zone = self.transport.time_zone().name().map(str::to_owned);
        header.environment = self.environment.lines().map(|line| Bytes(line.to_vec())).collect();
        let recorded = Recorded::new(self.transport, self.began, header, self.table.clone(), out);
        Self { transport: Box::new(recorded), ..self }
    }

    /// Sets whether keys are secret: then they are masked even if [`log_digits`](Self::log_digits) shows them.
    pub fn keep_secret(&mut self, secret: bool) {
        self.keys.secret = secret;
        self.transport.note(Note::Secret(secret));
    }

    /// Whether the caller has entered a [secret](Self::keep_secret). From then on, the log and observers see only the
    /// verbs of commands, since anything a script says may have been made from the secret.
    #[must_use]
    pub fn knows_a_secret(&self) -> bool {
        self.keys.known
    }

    /// Notes that the script knows a secret already.
    #[cfg(feature = "store")]
    pub(crate) fn know_a_secret(&mut self) {
        self.keys.known = true;
    }

    /// Whether the last command that asked the caller for digits timed out, instead of ending with `#` or with enough
    /// digits.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.keys.timed_out
    }

    /// Returns what Asterisk said at the start of the session.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the peer's time, for measuring durations: it never jumps.
    #[must_use]
    pub fn now(&self) -> Time {
        self.transport.now()
    }

    /// Returns the same on behalf of the script.
    pub fn script_now(&mut self) -> Time {
        self.transport.script_now()
    }

    /// Returns the peer's wall clock on behalf of the script. Somebody may set that clock during the call.
    pub fn script_wall(&mut self) -> Time {
        self.transport.script_wall()
    }

    /// Returns the time zone of the peer.
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        self.transport.time_zone()
    }

    /// Records a note that belongs to the call but not to its dialogue, if the call is recorded.
    pub fn note(&mut self, note: Note<'_>) {
        self.transport.note(note);
    }

    /// Returns the time at which the session began.
    #[must_use]
    pub fn began(&self) -> Time {
        self.began
    }

    /// Returns the time of the wall clock when the session began.
    #[must_use]
    pub fn started(&self) -> Time {
        self.started
    }

    /// Returns why the session takes no more commands; `None` while it does.
    #[must_use]
    pub fn over(&self) -> Option<&Over> {
        self.over.as_ref()
    }

    /// Returns how many commands were sent.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Returns how many sound files were missing.
    #[must_use]
    pub fn missing_sounds(&self) -> u64 {
        self.missing
    }

    /// Returns the last command.
    #[must_use]
    pub fn last(&self) -> &Last {
        &self.last
    }

    /// Sets the place of the next command in the script.
    pub fn set_place(&mut self, script: &str, line: usize) {
        if self.last.script != script {
            script.clone_into(&mut self.last.script);
        }
        self.last.line = line;
    }

    /// Returns the channel's language, as the names of sound files have it: `en`, `de_AT`. This costs a command only
    /// after a dialplan application has run, since that may have changed the language.
    ///
    /// # Errors
    /// The session is over.
    pub fn language(&mut self) -> Result<String, Error> {
        if let Some(language) = self.known_language() {
            return Ok(language.into_owned());
        }
        let language = self.invoke(&GET_VARIABLE, &[Value::from(LANGUAGE)])?;
        let language = if let Value::Text(language) = language { language } else { String::new() };
        self.language = ChannelLanguage::Is(language.clone());
        Ok(language)
    }

    fn known_language(&self) -> Option<Cow<'_, str>> {
        match &self.language {
            ChannelLanguage::FromEnvironment => self.environment.get("agi_language"),
            ChannelLanguage::Is(language) => Some(language.into()),
            ChannelLanguage::Unknown => None,
        }
    }

    /// Keeps track of the channel's language.
    fn follow_language(&mut self, command: &'static Command, args: &[Value]) {
        self.language = match (command.access, args) {
            (Access::Anything, _) => ChannelLanguage::Unknown,
            (Access::SetsVariable, [Value::Text(name), value, ..]) if name.eq_ignore_ascii_case(LANGUAGE) => {
                match value {
                    Value::Text(language) => ChannelLanguage::Is(language.clone()),
                    _ => ChannelLanguage::Unknown,
                }
            }
            _ => return,
        };
    }

    /// Sends a command, waits for the reply, and returns its value.
    ///
    /// # Errors
    /// The session is over, or Asterisk didn't carry out the command.
    pub fn invoke(&mut self, command: &'static Command, args: &[Value]) -> Result<Value, Error> {
        if self.aftermath && self.closed && !self.peer.dead_mode {
            // `on_hangup` may catch that, and do what needs no channel.
            let message = "is not possible after the hangup: over AsyncAGI, Asterisk takes no commands then";
            return Err(command.refusal(RefusalKind::Refused, message).into());
        }
        if let Some(over) = &self.over
            && (!self.aftermath || self.closed)
        {
            return Err(Error::Over(over.clone()));
        }
        if self.aftermath && !command.dead {
            let refusal = command.refusal(RefusalKind::Refused, "is not possible after the hangup");
            return Err(Refusal { code: Some(511), ..refusal }.into());
        }
        if !self.transport.has_channel() {
            return Err(command.refusal(RefusalKind::Refused, "is not possible here: a job has no channel").into());
        }
        let line = match command.encode_in(std::mem::take(&mut self.line), args, &self.rules)? {
            Encoded::Line(line) => line,
            Encoded::Nothing => return Ok(Value::from("")),
        };
        self.last.command = command.function.name;
        self.last.result = None;
        self.follow_language(command, args);
        let reply = self.exchange(command, &line, args);
        self.line = line;
        let mut reply = reply?;
        if let (OnMinusOne::MissingSound(then), Plays::Sound(param)) = (command.on_minus_one, command.plays)
            && reply.result() == "-1"
        {
            let is_alive = self.is_alive();
            // Over AsyncAGI, that may have ended the session.
            if is_alive || matches!(self.over, Some(Over::Lost(_))) {
                self.warn_of_missing(command, args.get(param));
            }
            match then {
                _ if !is_alive => {}
                MissingSound::GoOn => return Ok(Value::from("")),
                MissingSound::AskWith(instead) => {
                    let mut args = args.to_vec();
                    args[param] = Value::from(instead);
                    if let Encoded::Line(line) = command.encode(&args, &self.rules)? {
                        reply = self.exchange(command, &line, &args)?;
                    }
                    if reply.result() == "-1" && self.is_alive() {
                        self.keys.timed_out = true;
                        return Ok(Value::from(""));
                    }
                }
            }
        }
        self.read(command, args, &reply)
    }

    /// Lets time pass. The end of the call ends the pause at once.
    ///
    /// # Errors
    /// The session is over.
    pub fn pause(&mut self, length: Duration) -> Result<(), Over> {
        let until = self.transport.now() + length;
        loop {
            self.look(until)?;
            if self.transport.now() >= until {
                return Ok(());
            }
        }
    }

    /// Waits for a future, which is polled on this thread. The end of the call ends the wait at once, and drops the
    /// future. Returns `None` if it isn't ready by this time.
    ///
    /// # Errors
    /// The session is over.
    pub fn wait_for<F: Future>(&mut self, future: F, until: Time) -> Result<Option<F::Output>, Over> {
        self.still_on()?;
        let mut future = pin!(future);
        let Some(waker) = self.transport.waker() else { return Ok(Some(blocked_on(future))) };
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return Ok(Some(value));
            }
            if self.transport.now() >= until {
                return Ok(None);
            }
            let heard = self.transport.receive(until);
            self.learn(heard)?;
        }
    }

    /// Asks a service, and waits for its answer: from the transport if that answers in its stead, else from what
    /// `begin` returns. Returns `None` if it hasn't come by this time.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) fn ask<F: Future<Output = Answer>>(
        &mut self,
        request: Request,
        begin: impl FnOnce(Request) -> F,
        until: Time,
    ) -> Result<Option<Answer>, Over> {
        self.ask_by(request, until, |session, request| session.wait_for(begin(request), until))
    }

    /// Asks a service as [`ask`](Self::ask) does, where that takes commands on this line. They are carried out by
    /// `ask`, and belong to no recording.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) fn ask_by(
        &mut self,
        request: Request,
        until: Time,
        ask: impl FnOnce(&mut Self, Request) -> Result<Option<Answer>, Over>,
    ) -> Result<Option<Answer>, Over> {
        self.still_on()?;
        if let Some(observer) = &self.observer {
            observer.asked(&request, &self.last.script, self.last.line);
        }
        self.transport.note(Note::Asks(&request));
        let hears_a_secret = self.keys.secret && request.function == "listen";
        let answer = match self.transport.answer(&request) {
            Some((after, answer)) => {
                let at = self.transport.now() + after;
                self.pause(at.min(until) - self.transport.now())?;
                (at <= until).then_some(answer)
            }
            None => ask(self, request)?,
        };
        if let Some(answer) = &answer {
            self.keys.known |= hears_a_secret && answer.as_ref().is_ok_and(|answer| answer["ended_by"] != "none");
            self.transport.note(Note::Answered(answer));
        }
        Ok(answer)
    }

    /// Sends a command of the host's own on behalf of a service. If the operator ends the call, `end` has it end.
    ///
    /// # Errors
    /// The session is over, or Asterisk didn't carry out the command.
    #[cfg(feature = "speech")]
    pub(crate) fn invoke_aside(
        &mut self,
        command: &'static Command,
        args: &[Value],
        end: Option<Box<dyn FnOnce() + Send>>,
    ) -> Result<Value, Error> {
        let last = self.last.clone();
        self.by_host = true;
        self.end_command = end;
        self.transport.note(Note::Aside(true));
        let result = self.invoke(command, args);
        self.transport.note(Note::Aside(false));
        self.end_command = None;
        self.by_host = false;
        self.last = last;
        result
    }

    /// Returns where Asterisk is; `None` if it runs on this machine.
    pub(crate) fn remote(&self) -> Option<Remote> {
        self.transport.remote()
    }

    /// Does the same, until the signal is raised: then the command is broken off, and there is no value. Only sounds
    /// and waits for keys can be broken off.
    ///
    /// # Errors
    /// The session is over, or Asterisk didn't carry out the command.
    #[cfg(feature = "speech")]
    pub(crate) fn invoke_aside_until(
        &mut self,
        command: &'static Command,
        args: &[Value],
        signal: &Signal,
    ) -> Result<Option<Value>, Error> {
        self.break_off = BreakOff::At(signal.clone());
        let result = self.invoke_aside(command, args, None);
        let is_done = matches!(std::mem::replace(&mut self.break_off, BreakOff::Never), BreakOff::Done);
        match result {
            Err(Error::Refused(_)) if is_done => Ok(None),
            result => result.map(Some),
        }
    }

    /// Returns a signal that ends waits of this session, or breaks off a command; `None` if nothing can.
    #[cfg(feature = "speech")]
    pub(crate) fn signal(&mut self) -> Option<Signal> {
        self.transport.waker().map(Signal::new)
    }

    /// Whether Asterisk sends the caller's sound, as it does by EAGI.
    #[must_use]
    pub fn is_enhanced(&self) -> bool {
        self.environment.get("agi_enhanced").is_some_and(|enhanced| enhanced == "1.0")
    }

    /// Returns the format of the caller's sound. This costs a command.
    ///
    /// # Errors
    /// The session is over.
    pub fn audio_format(&mut self) -> Result<AudioFormat, Error> {
        match self.invoke(&GET_VARIABLE, &[Value::from("EAGI_AUDIO_FORMAT")])? {
            Value::Text(name) => Ok(AudioFormat::named(&name)),
            _ => Ok(AudioFormat::named("")),
        }
    }

    /// Has the host read the caller's sound: scripts that listen hear it where there is no better way, and whatever
    /// nobody listens to is thrown away.
    pub fn set_audio(&mut self, audio: Audio) {
        self.audio = Some(audio.tapped());
    }

    /// Returns the caller's sound.
    #[cfg(feature = "speech")]
    pub(crate) fn audio(&self) -> Option<AudioTap> {
        self.audio.clone()
    }

    /// Checks whether the call has ended, without waiting.
    ///
    /// # Errors
    /// The session is over.
    pub fn check(&mut self) -> Result<(), Over> {
        let now = self.transport.now();
        self.look(now)
    }

    /// Ends the script normally: the session takes no more commands.
    pub fn finish(&mut self) -> Over {
        self.over.get_or_insert(Over::Ended).clone()
    }

    /// Begins the time after the script, when the host may send what Asterisk still allows.
    pub fn begin_aftermath(&mut self) {
        self.aftermath = true;
        // Over AsyncAGI, the session ends with the channel, even if that is told only a moment later.
        self.closed |= !self.peer.dead_mode && self.over == Some(Over::Hangup);
    }

    /// Reports a channel variable to the dialplan, after the script.
    pub fn report_variable(&mut self, name: &str, value: &str) {
        self.say(&SET_VARIABLE, &[Value::from(name), Value::from(value)]);
    }

    /// Writes a line to Asterisk's console, after the script.
    pub fn announce(&mut self, message: &str) {
        self.say(&VERBOSE, &[Value::from(message)]);
    }

    /// Ends the session.
    pub fn end(&mut self, ending: Ending) {
        if !self.closed
            && let Err(error) = self.transport.leave(ending)
        {
            debug!(%error, "the line broke at the end");
        }
    }

    fn say(&mut self, command: &'static Command, args: &[Value]) {
        self.begin_aftermath();
        self.by_host = true;
        if let Err(error) = self.invoke(command, args) {
            debug!(%error, "not told to Asterisk");
        }
        self.by_host = false;
    }

    fn lost(&mut self, why: impl fmt::Display) -> Over {
        self.closed = true;
        // After the hangup, the line is expected to break.
        self.over.get_or_insert_with(|| Over::Lost(why.to_string())).clone()
    }

    fn stopped(&mut self) -> Over {
        self.over.get_or_insert(Over::Stopped).clone()
    }

    fn hung_up(&mut self) -> Over {
        self.over.get_or_insert(Over::Hangup).clone()
    }

    fn look(&mut self, until: Time) -> Result<(), Over> {
        if let Some(over) = &self.over
            && !self.aftermath
        {
            return Err(over.clone());
        }
        let heard = self.transport.receive(until);
        self.learn(heard)
    }

    /// Learns from what was heard while no command was in flight. After the script, that the line has ended is no end:
    /// `on_hangup` still computes, waits and asks services.
    fn learn(&mut self, heard: io::Result<Heard>) -> Result<(), Over> {
        let over = match heard {
            Ok(Heard::Silence | Heard::Wakeup | Heard::Reply(_)) => return Ok(()),
            Ok(Heard::Hangup | Heard::Stop) if self.aftermath => return Ok(()),
            Ok(Heard::Hangup) => self.hung_up(),
            Ok(Heard::Stop) => self.stopped(),
            Ok(Heard::Closed) => {
                self.closed = true;
                self.hung_up()
            }
            Err(error) => self.lost(error),
        };
        if self.aftermath { Ok(()) } else { Err(over) }
    }

    /// Sends a line and waits for its reply.
    fn exchange(&mut self, command: &'static Command, line: &[u8], args: &[Value]) -> Result<Reply, Error> {
        let length = match command.waits {
            Waits::Short => Some(Duration::ZERO),
            Waits::Millis(param) => match args.get(param) {
                Some(Value::Int(ms)) => u64::try_from(*ms).ok().map(Duration::from_millis),
                _ => None,
            },
            Waits::AfterSound { .. } | Waits::Unbounded => None,
        };
        self.commands += u64::from(!self.by_host || self.aftermath);
        let sent = Sent { command, line, masked: self.keys.known && !self.by_host, by_host: self.by_host };
        debug!(target: "agi_rhai::dialogue", "> {sent}");
        let now = self.transport.now();
        if let Some(observer) = &self.observer {
            observer.sent(command, &sent, &self.last.script, self.last.line, now);
        }
        if let Err(error) = self.transport.send(line) {
            return Err(Error::Over(self.broke(&error)));
        }
        let mut until = length.map_or(Time::NEVER, |length| now + length + REPLY_MARGIN);
        let mut interrupted = false;
        // For this command only, and not for what may have to be asked about it.
        let mut break_off = match std::mem::replace(&mut self.break_off, BreakOff::Never) {
            BreakOff::At(signal) => Some(signal),
            _ => None,
        };
        let mut is_broken_off = false;
        loop {
            if break_off.take_if(|signal| signal.is_raised()).is_some() && self.over.is_none() {
                is_broken_off = true;
                until = until.min(self.transport.now() + INTERRUPT_TIMEOUT);
                if let Err(error) = self.transport.interrupt() {
                    return Err(Error::Over(self.broke(&error)));
                }
            }
            match self.transport.receive(until) {
                // The line is in step again, but the command's value is lost.
                Ok(Heard::Reply(_)) if interrupted => return Err(Error::Over(self.stopped())),
                Ok(Heard::Reply(_)) if is_broken_off => {
                    self.still_on()?;
                    self.break_off = BreakOff::Done;
                    return Err(command.refusal(RefusalKind::Failed, "was broken off").into());
                }
                Ok(Heard::Reply(reply)) => {
                    self.keys.known |= self.keys.secret && holds_something(command, &reply);
                    let shown = Shown {
                        command,
                        reply: &reply,
                        digits: self.keys.in_log(),
                        masked: self.keys.known && !self.by_host,
                    };
                    debug!(target: "agi_rhai::dialogue", "< {shown}");
                    if let Some(observer) = &self.observer {
                        observer.heard(command, &shown, self.transport.now());
                    }
                    if let After::Fence(result) = command.after
                        && reply.result() == result
                    {
                        // Asterisk sends a stray reply after it. The transport skips that on the way to this one.
                        self.exchange(&NOOP, NOOP.verb.as_bytes(), &[])?;
                    }
                    return Ok(reply);
                }
                Ok(Heard::Hangup) => {
                    debug!(target: "agi_rhai::dialogue", "< HANGUP");
                    self.hung_up();
                }
                // The call is ending already.
                Ok(Heard::Stop) if interrupted || self.aftermath => {}
                Ok(Heard::Stop) => {
                    self.stopped();
                    interrupted = true;
                    until = until.min(self.transport.now() + INTERRUPT_TIMEOUT);
                    if let Some(end) = self.end_command.take() {
                        end();
                    }
                    break_off = None;
                    // One line is enough.
                    if is_broken_off {
                        continue;
                    }
                    if let Err(error) = self.transport.interrupt() {
                        return Err(Error::Over(self.broke(&error)));
                    }
                }
                Ok(Heard::Closed) => {
                    self.closed = true;
                    return Err(Error::Over(self.hung_up()));
                }
                Ok(Heard::Silence) if until != Time::NEVER && self.transport.now() >= until => {
                    return Err(Error::Over(self.lost(format_args!("no reply to {} came in time", command.verb))));
                }
                Ok(Heard::Silence | Heard::Wakeup) => {}
                Err(error) => return Err(Error::Over(self.lost(error))),
            }
        }
    }

    /// Handles a line that broke on writing. Asterisk closes its end when it leaves AGI; with AGIEXITONHANGUP, at the
    /// hangup.
    fn broke(&mut self, error: &std::io::Error) -> Over {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            self.closed = true;
            return self.hung_up();
        }
        self.lost(error)
    }

    /// Asks Asterisk whether the channel is up, after a -1 that may mean a hangup: the notice may come only later.
    fn is_alive(&mut self) -> bool {
        if self.over.is_some() || self.closed {
            return false;
        }
        if !self.peer.dead_mode {
            // The session ends with the channel, which the transport knows by now.
            let _ = self.look(self.transport.now());
            return self.over.is_none() && !self.closed;
        }
        match self.exchange(&CHANNEL_STATUS, CHANNEL_STATUS.verb.as_bytes(), &[]) {
            Ok(reply) if reply.code == 511 => {
                self.hung_up();
                false
            }
            Ok(_) => self.over.is_none(),
            Err(_) => false,
        }
    }

    /// Reads the script's value from a reply.
    fn read(&mut self, command: &'static Command, args: &[Value], reply: &Reply) -> Result<Value, Error> {
        let refused = |kind, message: &str| Refusal {
            code: Some(reply.code),
            result: (reply.code == 200).then(|| reply.result().to_owned()),
            ..command.refusal(kind, message)
        };
        let refusal = match reply.code {
            200 => None,
            510 => Some("this Asterisk has no such command"),
            511 if self.aftermath => Some("is not possible after the hangup"),
            511 => return Err(self.hung_up().into()),
            520 => Some("Asterisk cannot make sense of the arguments"),
            _ => Some(reply.text.as_str()),
        };
        if let Some(message) = refusal {
            self.still_on()?;
            return Err(refused(RefusalKind::Refused, message).into());
        }
        self.keys.timed_out = reply.value() == Some("timeout");
        let value = command.function.returns.read(reply);
        if reply.result() == "-1" && !self.aftermath && self.is_alive() && command.on_minus_one != OnMinusOne::Value {
            let message = "Asterisk answered -1: it failed, or what it names doesn't exist";
            return Err(refused(RefusalKind::Failed, message).into());
        }
        match value {
            Ok(value) => {
                if command.after == After::HangsUp && args.is_empty() {
                    self.hung_up();
                }
                if command.after == After::Ends {
                    self.finish();
                }
                if let Err(over) = self.still_on() {
                    self.last.result = (reply.result() != "-1").then_some(value);
                    return Err(over.into());
                }
                Ok(value)
            }
            Err(ReadError::Hangup(value)) => {
                self.last.result = value;
                Err(Error::Over(self.hung_up()))
            }
            Err(ReadError::Refused(kind, message)) => {
                self.still_on()?;
                Err(refused(kind, &message).into())
            }
        }
    }

    /// Logs a missing sound file, at most once a minute.
    fn warn_of_missing(&mut self, command: &Command, file: Option<&Value>) {
        self.missing += 1;
        let file = if let Some(Value::Text(file)) = file { file.as_str() } else { "" };
        let now = self.transport.now();
        match self.warned.iter_mut().find(|(name, _)| name == file) {
            Some((_, at)) if now - *at < Duration::from_secs(60) => return,
            Some((_, at)) => *at = now,
            None => self.warned.push((file.to_owned(), now)),
        }
        // The name may have been made from what the caller entered. The line of the script identifies the file.
        let file = if self.keys.known { "•••" } else { file };
        warn!(
            command = command.verb,
            file,
            language = &*self.known_language().unwrap_or_default(),
            script = self.last.script,
            line = self.last.line,
            "sound file missing"
        );
    }

    fn still_on(&self) -> Result<(), Over> {
        match &self.over {
            Some(over) if !self.aftermath => Err(over.clone()),
            _ => Ok(()),
        }
    }
}

/// Waits for a future on this thread, which does nothing else meanwhile.
fn blocked_on<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        bell.wait(Duration::MAX);
    }
}

/// Whether a reply holds something that the caller entered.
fn holds_something(command: &Command, reply: &Reply) -> bool {
    !is_none(command, reply) || reply.value().is_some_and(|value| value != "timeout")
}

/// Whether a reply's result means that nothing was entered. No key has the code 0; but as digits, a 0 is what the
/// caller entered.
fn is_none(command: &Command, reply: &Reply) -> bool {
    match (command.hears, reply.result()) {
        (Hears::Unstated, _) => false,
        (Hears::Digits { .. }, result) => matches!(result, "" | "-1"),
        (_, result) => matches!(result, "" | "-1" | "0"),
    }
}

const MASK: &str = "•••";

/// A reply as it is shown: what a caller entered is masked.
struct Shown<'a> {
    command: &'static Command,
    reply: &'a Reply,
    /// Whether to show what the caller enters.
    digits: bool,
    /// Whether the caller has entered a secret.
    masked: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reply, result) = (self.reply, self.reply.result());
        let mask = |text: &str| "•".repeat(text.chars().count());
        if self.masked {
            // Keys come from the caller; anything else may be something that the script said before.
            let value = if reply.value().is_some() { format!(" ({MASK})") } else { String::new() };
            let is_keys = matches!(self.command.hears, Hears::Key | Hears::Digits { .. });
            return match reply.code {
                200 if is_none(self.command, reply) || is_keys && self.digits => {
                    write!(f, "200 result={result}{value}")
                }
                200 if is_keys => write!(f, "200 result={}{value}", mask(result)),
                200 => write!(f, "200 result={MASK}{value}"),
                code => write!(f, "{code}"),
            };
        }
        if self.digits {
            return reply.fmt(f);
        }
        let mut text = reply.text.clone();
        for entry in self.command.hears.entries(reply).iter().rev() {
            let keys = entry.is_result() && self.command.hears != Hears::Unstated;
            let masked = if keys { mask(&text[entry.at.clone()]) } else { MASK.to_owned() };
            text.replace_range(entry.at.clone(), &masked);
        }
        Reply::new(reply.code, text).fmt(f)
    }
}

impl From<Over> for Error {
    fn from(over: Over) -> Self {
        Self::Over(over)
    }
}
