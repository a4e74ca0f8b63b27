//! One channel in conversation with Asterisk: all lines go through here.

use crate::agi::{Environment, ProtocolError, Reply, text};
use crate::clock::Time;
use crate::command::{
    Access, After, CHANNEL_STATUS, Command, Encoded, GET_VARIABLE, Hears, MissingSound, NOOP, OnMinusOne, Permissions,
    Plays, ReadError, Refusal, RefusalKind, Rules, SET_VARIABLE, Table, VERBOSE, Value, Waits,
};
use crate::transport::recording::{self, Bytes, Header};
use crate::transport::{Ending, Heard, Note, Peer, Recorded, Transport};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, warn};

/// How long Asterisk may take beyond the time of the command itself.
const REPLY_MARGIN: Duration = Duration::from_secs(30);

/// The channel's language, as a variable.
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
    /// The line to Asterisk broke, or what came was not AGI.
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
            // The message says it all.
            Self::Protocol(_) => None,
        }
    }
}

impl From<ProtocolError> for BeginError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// Why a command gave no value.
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

/// The last command of a session: its position in the script and its value.
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

/// Observes what goes over the line of a session, for a list of live calls, metrics and listeners.
pub trait Observer: Send + Sync {
    /// A command was sent, from this line of this script.
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, at: Time);

    /// Its reply came; `shown` is the reply without what the caller entered and what may be made of a secret.
    fn heard(&self, command: &'static Command, shown: &dyn fmt::Display, at: Time);
}

/// A line to Asterisk. Once the caller has entered a secret, only its verb is shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sent<'a> {
    command: &'static Command,
    line: &'a [u8],
    masked: bool,
    by_host: bool,
}

impl<'a> Sent<'a> {
    /// Returns the line as it was sent, for whoever made the call.
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

/// What is known about the caller's keys.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
struct Keys {
    /// Whether the log shows them.
    shown: bool,
    /// Whether it hides them for the moment.
    secret: bool,
    /// Whether the caller has entered a secret: whatever the script says from then on may be made of it.
    known: bool,
    /// Whether the last question timed out.
    timed_out: bool,
}

impl Keys {
    fn in_log(&self) -> bool {
        self.shown && !self.secret
    }
}

/// What is known about the channel's language.
enum Language {
    /// It is the one in the environment.
    FromEnvironment,
    /// It is this.
    Is(String),
    /// It may have changed.
    Unknown,
}

/// One channel in conversation with Asterisk.
pub struct Session {
    environment: Environment,
    transport: Box<dyn Transport>,
    peer: Peer,
    began: Time,
    /// The wall clock at that time.
    started: Time,
    over: Option<Over>,
    closed: bool,
    aftermath: bool,
    /// The host itself sends the lines.
    by_host: bool,
    commands: u64,
    missing: u64,
    /// The missing sound files in the log, and when they were logged.
    warned: Vec<(String, Time)>,
    last: Last,
    rules: Rules,
    /// The commands of its script, for a recording.
    table: Table,
    /// The buffer of the last line.
    line: Vec<u8>,
    keys: Keys,
    language: Language,
    observer: Option<Arc<dyn Observer>>,
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
    /// Reads the environment.
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
            language: Language::FromEnvironment,
            observer: None,
        })
    }

    /// Sets what its script may have Asterisk run; by default, what all scripts may.
    pub fn permit(&mut self, permissions: Arc<Permissions>) {
        self.rules.permissions = permissions;
    }

    /// Sets the commands of its script, by which a recording knows what is private; by default, Asterisk's.
    pub fn set_table(&mut self, table: &Table) {
        self.table.clone_from(table);
    }

    /// Returns what scripts may have Asterisk run.
    pub(crate) fn permissions(&self) -> &Permissions {
        &self.rules.permissions
    }

    /// Sets the observer of what goes over the line.
    pub fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Sets whether the log shows what the caller enters, which it masks by default.
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
        header.environment = self.environment.lines().map(|line| Bytes(line.to_vec())).collect();
        let recorded = Recorded::new(self.transport, self.began, header, self.table.clone(), out);
        Self { transport: Box::new(recorded), ..self }
    }

    /// Sets whether keys are masked even if [`log_digits`](Self::log_digits) shows them.
    pub fn keep_secret(&mut self, secret: bool) {
        self.keys.secret = secret;
        self.transport.keep(Note::Secret(secret));
    }

    /// Whether the caller has entered a [secret](Self::keep_secret). From then on the log and observers get only the
    /// verbs of commands, since whatever a script says may be made of the secret.
    #[must_use]
    pub fn knows_a_secret(&self) -> bool {
        self.keys.known
    }

    /// Whether the last command that asked the caller for digits timed out, instead of ending by `#` or with enough
    /// digits.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.keys.timed_out
    }

    /// Returns what Asterisk said at the start.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the time, for measuring durations: it never jumps.
    #[must_use]
    pub fn now(&self) -> Time {
        self.transport.now()
    }

    /// Returns the same for the script.
    pub fn script_now(&mut self) -> Time {
        self.transport.script_now()
    }

    /// Returns the wall clock for the script. Somebody may set it during the call.
    pub fn script_wall(&mut self) -> Time {
        self.transport.script_wall()
    }

    /// Records something that belongs to the call besides its dialogue, if the call is recorded.
    pub fn keep(&mut self, note: Note<'_>) {
        self.transport.keep(note);
    }

    /// Returns the time at which the session began.
    #[must_use]
    pub fn began(&self) -> Time {
        self.began
    }

    /// Returns the wall clock at the time the session began.
    #[must_use]
    pub fn started(&self) -> Time {
        self.started
    }

    /// Returns why it takes no more commands; `None` while it does.
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

    /// Sets the position of the next command in the script.
    pub fn stands_at(&mut self, script: &str, line: usize) {
        if self.last.script != script {
            script.clone_into(&mut self.last.script);
        }
        self.last.line = line;
    }

    /// Returns the channel's language, as sound files have it: `en`, `de_AT`. It costs a command only after an
    /// application of the dialplan has run, which may have changed it.
    ///
    /// # Errors
    /// The session is over.
    pub fn language(&mut self) -> Result<String, Error> {
        if let Some(language) = self.known_language() {
            return Ok(language.into_owned());
        }
        let language = self.invoke(&GET_VARIABLE, &[Value::from(LANGUAGE)])?;
        let language = if let Value::Text(language) = language { language } else { String::new() };
        self.language = Language::Is(language.clone());
        Ok(language)
    }

    fn known_language(&self) -> Option<Cow<'_, str>> {
        match &self.language {
            Language::FromEnvironment => self.environment.get("agi_language"),
            Language::Is(language) => Some(language.into()),
            Language::Unknown => None,
        }
    }

    /// Keeps track of the channel's language.
    fn follow_language(&mut self, command: &'static Command, args: &[Value]) {
        self.language = match (command.access, args) {
            (Access::Anything, _) => Language::Unknown,
            (Access::SetsVariable, [Value::Text(name), value, ..]) if name.eq_ignore_ascii_case(LANGUAGE) => {
                match value {
                    Value::Text(language) => Language::Is(language.clone()),
                    _ => Language::Unknown,
                }
            }
            _ => return,
        };
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// The session is over, or Asterisk did not carry the command out.
    pub fn invoke(&mut self, command: &'static Command, args: &[Value]) -> Result<Value, Error> {
        if let Some(over) = &self.over
            && (!self.aftermath || self.closed)
        {
            return Err(Error::Over(over.clone()));
        }
        if self.aftermath && !command.dead {
            let refusal = command.refusal(RefusalKind::Refused, "is not possible after the hangup");
            return Err(Refusal { code: Some(511), ..refusal }.into());
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
            && self.is_alive()
        {
            self.warn_of_missing(command, args.get(param));
            match then {
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

    /// Lets time pass; the end of the call ends the pause at once.
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

    /// Begins the time after the script, in which what Asterisk still allows may be sent.
    pub fn begin_aftermath(&mut self) {
        self.aftermath = true;
    }

    /// Sets a channel variable for the dialplan, after the script.
    pub fn tell(&mut self, name: &str, value: &str) {
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
        self.aftermath = true;
        self.by_host = true;
        if let Err(error) = self.invoke(command, args) {
            debug!(%error, "not told to Asterisk");
        }
        self.by_host = false;
    }

    fn lost(&mut self, why: impl fmt::Display) -> Over {
        self.closed = true;
        // That the line breaks after the hangup is expected.
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
        match self.transport.receive(until) {
            Ok(Heard::Silence | Heard::Reply(_)) => Ok(()),
            Ok(Heard::Hangup | Heard::Stop) if self.aftermath => Ok(()),
            Ok(Heard::Hangup) => Err(self.hung_up()),
            Ok(Heard::Stop) => Err(self.stopped()),
            Ok(Heard::Closed) => {
                self.closed = true;
                Err(self.hung_up())
            }
            Err(error) => Err(self.lost(error)),
        }
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
        self.commands += 1;
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
        loop {
            match self.transport.receive(until) {
                // The line is in step again; the value of the command is lost.
                Ok(Heard::Reply(_)) if interrupted => return Err(Error::Over(self.stopped())),
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
                        // Asterisk sends a stray reply after it, which the transport skips on the way to this one.
                        self.exchange(&NOOP, NOOP.verb.as_bytes(), &[])?;
                    }
                    return Ok(reply);
                }
                Ok(Heard::Hangup) => {
                    debug!(target: "agi_rhai::dialogue", "< HANGUP");
                    self.hung_up();
                }
                // The call is already ending.
                Ok(Heard::Stop) if interrupted || self.aftermath => {}
                Ok(Heard::Stop) => {
                    self.stopped();
                    interrupted = true;
                    until = until.min(self.transport.now() + INTERRUPT_TIMEOUT);
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
                Ok(Heard::Silence) => {}
                Err(error) => return Err(Error::Over(self.lost(error))),
            }
        }
    }

    /// Handles a line that broke while writing. Asterisk closes its end when it leaves AGI; with AGIEXITONHANGUP, at
    /// the hangup.
    fn broke(&mut self, error: &std::io::Error) -> Over {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            self.closed = true;
            return self.hung_up();
        }
        self.lost(error)
    }

    /// Asks Asterisk whether the channel is up, after a -1 that may be a hangup: the notice may come only later.
    fn is_alive(&mut self) -> bool {
        if self.over.is_some() || self.closed {
            return false;
        }
        if !self.peer.dead_mode {
            return true;
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
            let message = "Asterisk answered -1: it failed, or there is no such thing";
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
        // The name may be made of what the caller entered. The line of the script identifies the file.
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

/// Whether a reply holds something the caller entered.
fn holds_something(command: &Command, reply: &Reply) -> bool {
    !is_none(command, reply) || reply.value().is_some_and(|value| value != "timeout")
}

/// Whether a reply's result says that nothing was entered. A key has no code of 0; as digits, that is what the caller
/// entered.
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
    /// What the caller enters is shown.
    digits: bool,
    /// The caller has entered something secret.
    masked: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reply, result) = (self.reply, self.reply.result());
        let mask = |text: &str| "•".repeat(text.chars().count());
        if self.masked {
            // Keys are the caller's; anything else may be something the script said before.
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
