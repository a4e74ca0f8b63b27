//! One channel: how it is set up, its state, and how it waits.

use super::caller::{Act, Caller, Digit, Hearing, Sound};
use super::channel_state::ChannelState;
use super::database::Database;
use super::functions::Facts;
use super::incoming_call::IncomingCall;
use super::sounds::Sounds;
use super::speech_engine::Speech;
use super::utterance::Utterance;
use super::variables::Variables;
use crate::calendar::TimeZone;
use crate::clock::Time;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

/// The sound that comes from the caller's microphone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Voice {
    /// Speech, all the time.
    #[default]
    Speaks,
    /// Silence, which a recording can detect.
    Silent,
    /// No audio at all: a recording stays empty, and no silence is detected.
    Absent,
}

/// The result of a command that waits for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyResult {
    /// This key was pressed.
    Pressed(Digit),
    /// No key was pressed in time.
    Nothing,
    /// A file is missing, or the call was hung up.
    Failed,
}

impl KeyResult {
    /// Returns the number in the reply: an ASCII code, 0 or -1.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Pressed(digit) => digit.code().into(),
            Self::Nothing => 0,
            Self::Failed => -1,
        }
    }
}

/// A priority in the dialplan.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub context: String,
    pub extension: String,
    pub priority: i32,
    pub name: Option<String>,
    /// The value that a subroutine here returns in `GOSUB_RETVAL`.
    pub returns: Option<String>,
}

/// A function of a test or an embedder that stands in for something. It gets the arguments and, if a function of the
/// dialplan is written, the new value.
pub(super) type StandIn<T> = Arc<Mutex<dyn FnMut(&mut Channel, &str, Option<&str>) -> T + Send>>;

/// What stands in for applications, subroutines and functions, by their names.
#[derive(Default)]
pub(super) struct StandIns {
    pub applications: BTreeMap<String, StandIn<i32>>,
    /// By context, extension and priority.
    pub subroutines: BTreeMap<[String; 3], StandIn<Option<String>>>,
    pub functions: BTreeMap<String, StandIn<Option<String>>>,
}

/// How calls to others end.
#[derive(Clone, Debug)]
pub(super) struct Callees {
    /// The `DIALSTATUS` of each Dial; the last one is that of all further ones.
    pub statuses: Vec<String>,
    /// How long they ring before they answer or refuse.
    pub ring: Duration,
    /// How long they talk before they hang up.
    pub talk: Duration,
    /// How many calls there were.
    pub calls: usize,
}

/// The reason why a wait ended.
pub(super) enum WaitEvent {
    Key(Digit),
    Text(String),
    /// Only while the script listens to speech.
    Speech(Utterance),
    HungUp,
    TimeUp,
}

/// The reason why a wait of the caller ended.
enum Heard {
    Event(WaitEvent),
    Wakeup,
}

/// The reason why time between two commands ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    HungUp,
    TimeUp,
    Wakeup,
}

/// One channel of a simulated Asterisk, with its caller on the line.
///
/// Keys count only while a command listens. Between commands no time passes, unless [`idle`](Self::idle) lets it
/// pass, and then keys are dropped.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Channel {
    pub(super) caller: Box<dyn Caller>,
    pub(super) call: IncomingCall,
    pub(super) state: ChannelState,
    pub(super) dead: bool,
    pub(super) hangup_at: Option<Time>,
    /// The number of the last prompt, and when it began.
    pub(super) prompt: u64,
    pub(super) began: Time,
    pub(super) sounds: Arc<Sounds>,
    pub(super) database: Database,
    pub(super) variables: Variables,
    pub(super) globals: BTreeMap<String, String>,
    pub(super) context: String,
    pub(super) extension: String,
    /// The priority that is running; the dialplan goes on with the next one.
    pub(super) priority: i32,
    pub(super) labels: Vec<Label>,
    pub(super) applications: BTreeMap<String, i32>,
    pub(super) stand_ins: StandIns,
    pub(super) channels: BTreeMap<String, ChannelState>,
    pub(super) callees: Callees,
    /// When the channel was created, and when it was answered.
    pub(super) created: Time,
    pub(super) answered: Option<Time>,
    pub(super) hangup_cause: i32,
    pub(super) facts: Facts,
    pub(super) random: StdRng,
    pub(super) executed: Vec<(String, String)>,
    pub(super) speech: Speech,
    /// Whether the script listens to speech, and what the caller has said into the sound that plays.
    pub(super) hears_speech: bool,
    pub(super) said: Option<Utterance>,
    pub(super) recordings: BTreeMap<String, u64>,
    pub(super) writable: BTreeSet<String>,
    pub(super) voice: Voice,
    pub(super) music: Option<String>,
    pub(super) music_class: String,
    pub(super) sent_text: Vec<String>,
    pub(super) carries_text: bool,
    pub(super) has_tdd: bool,
    pub(super) answer_delay: Duration,
    pub(super) time_zone: TimeZone,
    /// The caller hangs up before the script sends this command, counted from 1.
    hangup_before_command: Option<u64>,
    commands: u64,
}

/// Setting up.
impl Channel {
    /// Creates a ringing channel with the stock sounds and an empty database.
    #[must_use]
    pub fn new(call: IncomingCall, caller: Box<dyn Caller>) -> Self {
        let (context, extension, priority) = (call.context.clone(), call.extension.clone(), call.priority);
        let began = caller.now();
        let writable =
            ["/tmp", "/var/tmp", "/var/spool/asterisk", "/var/lib/asterisk/sounds", "/usr/share/asterisk/sounds"];
        Self {
            caller,
            call,
            state: ChannelState::Ring,
            dead: false,
            hangup_at: None,
            prompt: 0,
            began,
            sounds: Arc::default(),
            database: Database::new(),
            variables: Variables::default(),
            globals: BTreeMap::new(),
            context,
            extension,
            priority,
            labels: Vec::new(),
            applications: BTreeMap::new(),
            stand_ins: StandIns::default(),
            channels: BTreeMap::new(),
            callees: Callees {
                statuses: vec!["CHANUNAVAIL".into()],
                ring: Duration::ZERO,
                talk: Duration::ZERO,
                calls: 0,
            },
            created: began,
            answered: None,
            hangup_cause: 0,
            facts: Facts::default(),
            random: StdRng::seed_from_u64(0),
            executed: Vec::new(),
            speech: Speech::default(),
            hears_speech: false,
            said: None,
            recordings: BTreeMap::new(),
            writable: writable.map(str::to_owned).into(),
            voice: Voice::default(),
            music: None,
            music_class: "default".into(),
            sent_text: Vec::new(),
            carries_text: true,
            has_tdd: false,
            answer_delay: Duration::ZERO,
            time_zone: TimeZone::UTC,
            hangup_before_command: None,
            commands: 0,
        }
    }

    /// Sets the sounds.
    #[must_use]
    pub fn with_sounds(mut self, sounds: Arc<Sounds>) -> Self {
        self.sounds = sounds;
        self
    }

    /// Sets the database.
    #[must_use]
    pub fn with_database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Sets the state.
    #[must_use]
    pub fn with_state(mut self, state: ChannelState) -> Self {
        self.state = state;
        self.answered = (state == ChannelState::Up).then_some(self.created);
        self
    }

    /// Sets the sound from the caller's microphone.
    #[must_use]
    pub fn with_voice(mut self, voice: Voice) -> Self {
        self.voice = voice;
        self
    }

    /// Adds a priority to the dialplan, for GOSUB.
    #[must_use]
    pub fn with_label(self, context: &str, extension: &str, priority: i32) -> Self {
        self.label(context, extension, priority, None, None)
    }

    /// Adds a priority with a label, for GOSUB, SET PRIORITY and Goto.
    #[must_use]
    pub fn with_named_label(self, context: &str, extension: &str, name: &str, priority: i32) -> Self {
        self.label(context, extension, priority, Some(name), None)
    }

    /// Adds a subroutine that returns this value in `GOSUB_RETVAL`.
    #[must_use]
    pub fn with_subroutine(self, context: &str, extension: &str, priority: i32, returns: Option<&str>) -> Self {
        self.label(context, extension, priority, None, returns)
    }

    fn label(mut self, context: &str, extension: &str, priority: i32, name: Option<&str>, value: Option<&str>) -> Self {
        self.labels.push(Label {
            context: context.into(),
            extension: extension.into(),
            priority,
            name: name.map(Into::into),
            returns: value.map(Into::into),
        });
        self
    }

    /// Adds an application for EXEC that returns this value and takes no time. It replaces a built-in one of the same
    /// name.
    #[must_use]
    pub fn with_application(mut self, name: &str, value: i32) -> Self {
        self.applications.insert(name.to_ascii_lowercase(), value);
        self
    }

    /// Adds another channel, for CHANNEL STATUS and HANGUP.
    #[must_use]
    pub fn with_channel(mut self, name: &str, state: ChannelState) -> Self {
        self.channels.insert(name.into(), state);
        self
    }

    /// Sets the DIALSTATUS with which Dial ends, `CHANUNAVAIL` by default.
    #[must_use]
    pub fn with_dial_status(self, status: &str) -> Self {
        self.with_dial_statuses(&[status.to_owned()])
    }

    /// Sets the DIALSTATUS of the first Dial, the second, and so on; the last one is that of all further ones.
    #[must_use]
    pub fn with_dial_statuses(mut self, statuses: &[String]) -> Self {
        if !statuses.is_empty() {
            self.callees.statuses = statuses.to_vec();
        }
        self
    }

    /// Sets how long a called phone rings before it answers or refuses, and how long whoever answers talks before
    /// hanging up; by default, no time.
    #[must_use]
    pub fn with_dial_times(mut self, ring: Duration, talk: Duration) -> Self {
        (self.callees.ring, self.callees.talk) = (ring, talk);
        self
    }

    /// Sets the seed of the random numbers of `RAND`.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = StdRng::seed_from_u64(seed);
        self
    }

    /// Sets whether the line carries text, which it does by default.
    #[must_use]
    pub fn with_text(mut self, yes: bool) -> Self {
        self.carries_text = yes;
        self
    }

    /// Sets whether the caller has a telecommunications device for the deaf.
    #[must_use]
    pub fn with_tdd(mut self, yes: bool) -> Self {
        self.has_tdd = yes;
        self
    }

    /// Sets the time zone of the server, UTC by default.
    #[must_use]
    pub fn with_time_zone(mut self, zone: TimeZone) -> Self {
        self.time_zone = zone;
        self
    }

    /// Makes the caller hang up just before the script sends this command, counted from 1. A real caller may hang up
    /// between two commands that take no time, but on a virtual clock there is no such moment.
    #[must_use]
    pub fn with_hangup_before_command(mut self, command: u64) -> Self {
        self.hangup_before_command = Some(command);
        self
    }

    /// Adds an absolute folder to which recordings may go, in addition to `/tmp`, Asterisk's spool and its sounds. A
    /// name that isn't absolute can always be written.
    #[must_use]
    pub fn with_writable(mut self, folder: &str) -> Self {
        self.writable.insert(folder.trim_end_matches('/').into());
        self
    }

    /// Sets how long answering takes; by default, no time. A real Asterisk waits for the first sound from the caller,
    /// for at most 500 ms.
    #[must_use]
    pub fn with_answer_delay(mut self, length: Duration) -> Self {
        self.answer_delay = length;
        self
    }
}

/// Reading the state of the channel.
impl Channel {
    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.caller.now()
    }

    /// Whether the call has been hung up, by either side.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Returns the opening environment, as names and values in Asterisk's order.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let call = &self.call;
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut line = |name: &str, value: &str| lines.push((name.to_owned(), value.to_owned()));
        let known = |text: &Option<String>| match text.as_deref() {
            None | Some("") => "unknown".to_owned(),
            Some(text) => text.to_owned(),
        };
        if let Some(script) = &call.network_script {
            line("agi_network", "yes");
            if !script.is_empty() {
                line("agi_network_script", script);
            }
        }
        line("agi_request", &call.request);
        line("agi_channel", &call.channel);
        line("agi_language", &call.language);
        line("agi_type", &call.kind);
        line("agi_uniqueid", &call.uniqueid);
        line("agi_version", &call.version);
        line("agi_callerid", &known(&call.callerid));
        line("agi_calleridname", &known(&call.calleridname));
        line("agi_callingpres", &call.callingpres.to_string());
        line("agi_callingani2", &call.callingani2.to_string());
        line("agi_callington", &call.callington.to_string());
        line("agi_callingtns", &call.callingtns.to_string());
        line("agi_dnid", &known(&call.dnid));
        line("agi_rdnis", &known(&call.rdnis));
        line("agi_context", &self.context);
        line("agi_extension", &self.extension);
        line("agi_priority", &self.priority.to_string());
        line("agi_enhanced", if call.enhanced { "1.0" } else { "0.0" });
        line("agi_accountcode", &call.accountcode);
        line("agi_threadid", &call.threadid.to_string());
        for (number, value) in (1..).zip(&call.args) {
            line(&format!("agi_arg_{number}"), value);
        }
        lines
    }

    /// Returns the state of the channel.
    #[must_use]
    pub fn state(&self) -> ChannelState {
        self.state
    }

    /// Returns the name of the channel.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.call.channel
    }

    /// Returns the language of the channel.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.call.language
    }

    /// Returns the time zone of the server.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// Returns the context, extension and priority at which the dialplan would go on.
    #[must_use]
    pub fn position(&self) -> (&str, &str, i32) {
        (&self.context, &self.extension, self.priority.saturating_add(1))
    }

    /// Returns the simulated `AstDB`, whose methods are the DATABASE commands.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the sound files.
    #[must_use]
    pub fn sounds(&self) -> &Sounds {
        &self.sounds
    }

    /// Returns the variables of the channel, whose names have no leading underscores.
    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Returns the recordings: their names and lengths in samples.
    #[must_use]
    pub fn recordings(&self) -> &BTreeMap<String, u64> {
        &self.recordings
    }

    /// Returns the class of the music on hold while it plays.
    #[must_use]
    pub fn music(&self) -> Option<&str> {
        self.music.as_deref()
    }

    /// Returns the texts sent to the caller.
    #[must_use]
    pub fn sent_text(&self) -> &[String] {
        &self.sent_text
    }

    /// Returns the applications that were executed, with their arguments.
    #[must_use]
    pub fn executed(&self) -> &[(String, String)] {
        &self.executed
    }
}

/// The caller of a snapshot, for whom no time passes.
struct Frozen(Time);

impl Caller for Frozen {
    fn now(&self) -> Time {
        self.0
    }

    fn wait(&mut self, _: Time, _: &Hearing<'_>) -> Option<Act> {
        None
    }
}

impl Channel {
    /// Returns a copy to look at, as of this moment: its state, and what its variables and functions are. Variables and
    /// AstDB are shared with it.
    pub(crate) fn snapshot(&self, now: Time) -> Self {
        let mut copy = Self::new(self.call.clone(), Box::new(Frozen(now)));
        (copy.state, copy.dead, copy.hangup_at, copy.hangup_cause) =
            (self.state, self.dead, self.hangup_at, self.hangup_cause);
        (copy.created, copy.answered) = (self.created, self.answered);
        copy.time_zone = self.time_zone.clone();
        copy.context.clone_from(&self.context);
        copy.extension.clone_from(&self.extension);
        copy.priority = self.priority;
        copy.labels.clone_from(&self.labels);
        copy.database = self.database.clone();
        copy.variables = self.variables.clone();
        copy.globals.clone_from(&self.globals);
        copy.music_class.clone_from(&self.music_class);
        copy.facts = self.facts.clone();
        copy.executed.clone_from(&self.executed);
        copy
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name()).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Waiting: everything that takes time ends up here.
impl Channel {
    /// Lets time pass while no command runs, dropping keys. Returns false if the call was hung up meanwhile.
    pub fn idle(&mut self, until: Time) -> bool {
        loop {
            match self.idle_until_wakeup(until) {
                Idle::HungUp => return false,
                Idle::TimeUp => return true,
                Idle::Wakeup => {}
            }
        }
    }

    /// Lets time pass like [`idle`](Self::idle), until somebody uses the caller's waker.
    pub(crate) fn idle_until_wakeup(&mut self, until: Time) -> Idle {
        self.next_prompt();
        let music = self.music.clone();
        let sound = music.as_ref().map_or(Sound::Silence, |class| Sound::Music(class));
        loop {
            match self.hear_once(until, sound, false) {
                Heard::Event(WaitEvent::HungUp) => return Idle::HungUp,
                Heard::Event(WaitEvent::TimeUp) => return Idle::TimeUp,
                Heard::Event(WaitEvent::Key(_) | WaitEvent::Text(_) | WaitEvent::Speech(_)) => {}
                Heard::Wakeup => return Idle::Wakeup,
            }
        }
    }

    /// Returns what ends a wait of the caller before its time.
    pub(crate) fn waker(&mut self) -> Option<Waker> {
        self.caller.waker()
    }

    /// Counts a command, before which the caller may hang up.
    pub fn begin_command(&mut self) {
        self.commands += 1;
        if self.hangup_before_command == Some(self.commands) {
            self.die();
        }
    }

    /// Begins a new prompt or question.
    pub(super) fn next_prompt(&mut self) {
        self.prompt += 1;
        self.began = self.now();
    }

    /// Waits while the caller hears this sound. A wakeup, which may be late, ends no command.
    pub(super) fn hear(&mut self, until: Time, sound: Sound<'_>, listening: bool) -> WaitEvent {
        loop {
            if let Heard::Event(event) = self.hear_once(until, sound, listening) {
                return event;
            }
        }
    }

    fn hear_once(&mut self, until: Time, sound: Sound<'_>, listening: bool) -> Heard {
        if self.dead {
            return Heard::Event(WaitEvent::HungUp);
        }
        let limit = self.hangup_at.map_or(until, |at| at.min(until));
        let language = &self.call.language;
        let (prompt, began, speech) = (self.prompt, self.began, self.hears_speech);
        let hearing = Hearing { sound, prompt, began, listening, speech, language };
        Heard::Event(match self.caller.wait(limit, &hearing) {
            // What is said while nobody listens is no more.
            Some(Act::Wakeup) => return Heard::Wakeup,
            Some(Act::Speaks(_)) if !speech => return Heard::Wakeup,
            Some(Act::Key(digit)) => WaitEvent::Key(digit),
            Some(Act::Says(text)) if speech => WaitEvent::Speech(Utterance::clear(&text)),
            Some(Act::Says(text)) => WaitEvent::Text(text),
            Some(Act::Speaks(utterance)) => WaitEvent::Speech(utterance),
            Some(Act::HangUp) => self.die(),
            // A wait that nothing can end is the end of the call.
            None if limit == Time::NEVER || self.hangup_at == Some(limit) => self.die(),
            None => WaitEvent::TimeUp,
        })
    }

    /// Waits in silence, or with music on hold.
    pub(super) fn hear_silence(&mut self, until: Time, listening: bool) -> WaitEvent {
        match self.music.clone() {
            Some(class) => self.hear(until, Sound::Music(&class), listening),
            None => self.hear(until, Sound::Silence, listening),
        }
    }

    pub(super) fn die(&mut self) -> WaitEvent {
        self.dead = true;
        WaitEvent::HungUp
    }

    /// Waits for any key. As in Asterisk, a wait of no time never sees a key.
    pub(super) fn key_before(&mut self, until: Time) -> KeyResult {
        if self.dead {
            return KeyResult::Failed;
        }
        if until <= self.now() {
            return KeyResult::Nothing;
        }
        self.next_prompt();
        loop {
            match self.hear_silence(until, true) {
                WaitEvent::Key(digit) => return KeyResult::Pressed(digit),
                WaitEvent::HungUp => return KeyResult::Failed,
                WaitEvent::TimeUp => return KeyResult::Nothing,
                WaitEvent::Text(_) | WaitEvent::Speech(_) => {}
            }
        }
    }

    /// Returns the moment this many milliseconds from now; never if the number is negative.
    pub(super) fn deadline(&self, milliseconds: i64) -> Time {
        u64::try_from(milliseconds).map_or(Time::NEVER, |length| self.now() + Duration::from_millis(length))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::plan::Plan;
    use super::*;

    /// Returns an answered channel with this caller.
    pub fn channel(plan: &str) -> Channel {
        let mut channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse(plan).unwrap()));
        assert!(channel.answer());
        channel
    }

    /// Returns the milliseconds since the start of the plan.
    pub fn elapsed(channel: &Channel) -> u128 {
        (channel.now() - Plan::silent().now()).as_millis()
    }

    pub fn check(plan: &str, run: fn(&mut Channel) -> String, expected: &str) {
        let mut channel = channel(plan);
        let result = run(&mut channel);
        let dead = if channel.is_dead() { " dead" } else { "" };
        assert_eq!(format!("{result} at {}{dead}", elapsed(&channel)), expected);
    }

    #[test]
    fn idling_drops_keys_and_hears_hangups() {
        check("presses 5 after 1s", |c| c.idle(c.deadline(2000)).to_string(), "true at 2000");
        check("hangs up after 1s", |c| c.idle(c.deadline(2000)).to_string(), "false at 1000 dead");
        check("hangs up after 1s", |c| c.idle(c.now()).to_string(), "true at 0");
    }

    #[test]
    fn autohangup_is_a_deadline() {
        let run = |c: &mut Channel| {
            c.set_autohangup(1.5);
            format!("{} {}", c.idle(c.deadline(1000)), c.idle(c.deadline(1000)))
        };
        check("", run, "true false at 1500 dead");
        let run = |c: &mut Channel| {
            c.set_autohangup(1.5);
            c.set_autohangup(-1.0);
            c.idle(c.deadline(2000)).to_string()
        };
        check("", run, "true at 2000");
    }

    #[test]
    fn the_environment_is_in_order() {
        let call =
            IncomingCall { network_script: Some("game".into()), args: vec!["a".into()], ..IncomingCall::default() };
        let lines = Channel::new(call, Box::new(Plan::silent())).environment();
        let text: Vec<_> = lines.iter().map(|(name, value)| format!("{}={value}", &name[4..])).collect();
        let expected = "network=yes network_script=game request=agi-rhai channel=PJSIP/100-00000001 language=en \
            type=PJSIP uniqueid=1700000000.1 version=22.10.1 callerid=100 calleridname=unknown callingpres=0 \
            callingani2=0 callington=0 callingtns=0 dnid=unknown rdnis=unknown context=default extension=s \
            priority=1 enhanced=0.0 accountcode= threadid=1 arg_1=a";
        assert_eq!(text.join(" "), expected);
    }
}
