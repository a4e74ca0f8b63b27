//! The line between a test and the call it placed.
//!
//! Each has a thread of its own, and one of them runs at a time: the test says how far the call is to go, and the call
//! goes there. So a test is as repeatable as a script without threads.

use crate::agi::{split, text};
use crate::clock::Time;
use crate::command::{Command, Kind};
use crate::host::Host;
use crate::pbx::{Act, Caller, Channel, Digit, Hearing, Sound};
use crate::script::{Fault, PRINTED, Script};
use crate::session::{Observer, Sent, Session};
use crate::transport::{Ending, Heard, Peer, Simulator, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// As much stack as the main thread has: what a call may use.
pub(super) const STACK: usize = 8 * 1024 * 1024;
/// A test waits no longer than this for anything, on the clock of its call.
pub(super) const PATIENCE: Duration = Duration::from_secs(3600);
/// So many commands in a row that take no time are a loop nobody can end.
const MOST_AT_ONCE: u64 = 10_000;

/// How far a call is to go before its test has a say again.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// To its first wait, or until all keys are pressed.
    Acts,
    /// To this moment.
    Moment(Time),
    /// Until a prompt like this one begins, or any; the first so many have been seen.
    Prompt { after: usize, like: Option<String> },
    /// Until it listens for keys in silence.
    Question,
    /// To its end.
    End,
}

/// A prompt the caller heard.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    /// As tests name it: `guess-enter`, `number 42`.
    pub text: String,
    pub at: Time,
    /// The number of events before it, to keep the order of what happens at one moment.
    pub order: usize,
}

/// What the caller did, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub act: Act,
    pub at: Time,
    pub order: usize,
    /// Why nobody heard it.
    pub lost: Option<String>,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The word of `AGI_RHAI_STATUS`.
    pub status: &'static str,
    /// The script's fault, where there is one; also one in `on_hangup`.
    pub fault: Option<Box<Fault>>,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub text: String,
    pub at: Time,
    pub order: usize,
}

/// The command a script stands in, or stood in last.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub function: &'static str,
    pub script: String,
    pub line: usize,
    /// It has not been answered yet.
    pub open: bool,
    /// The keys it listens to; `None` if it has no such list.
    keys: Option<String>,
}

/// What goes on in a call.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct State {
    test_has_a_say: bool,
    abandoned: bool,
    goal: Goal,
    until: Time,
    acts: VecDeque<(Time, Act)>,
    pub now: Time,
    pub began: Time,
    pub heard: Vec<Prompt>,
    pub deeds: Vec<Deed>,
    pub log: Vec<Logged>,
    pub standing: Standing,
    /// It listens for keys in silence.
    pub asks: bool,
    /// Nothing but the caller could end its wait.
    pub waits_for_ever: bool,
    /// It sends commands without end.
    pub runs_away: bool,
    at_once: u64,
    pub ended: Option<Ended>,
    pub ended_at: Time,
    /// Context, extension and priority with which the dialplan goes on.
    pub position: (String, String, i32),
    /// The state of the channel, in Asterisk's word.
    pub channel: &'static str,
    pub recordings: BTreeMap<String, u64>,
    /// The number of the last prompt, and whether it was music.
    prompt: (u64, bool),
    /// The deed whose fate shows at the next wait: its number, the prompt and the end of the wait it came in.
    open: Option<(usize, u64, Time, String)>,
    events: usize,
}

/// One call, between its two threads.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<State>,
    turned: Condvar,
}

impl Line {
    fn new(now: Time) -> Arc<Self> {
        let state = State {
            test_has_a_say: false,
            abandoned: false,
            goal: Goal::Acts,
            until: Time::NEVER,
            acts: VecDeque::new(),
            now,
            began: now,
            heard: Vec::new(),
            deeds: Vec::new(),
            log: Vec::new(),
            standing: Standing::default(),
            asks: false,
            waits_for_ever: false,
            runs_away: false,
            at_once: 0,
            ended: None,
            ended_at: now,
            position: (String::new(), String::new(), 0),
            channel: "",
            recordings: BTreeMap::new(),
            prompt: (0, false),
            open: None,
            events: 0,
        };
        Arc::new(Self { state: Mutex::new(state), turned: Condvar::new() })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, state: MutexGuard<'_, State>, test_has_a_say: bool) {
        let other = |state: &mut State| state.test_has_a_say != test_has_a_say;
        drop(self.turned.wait_while(state, other).unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets the call go on until the goal is reached, or can no longer be.
    pub fn go(&self, goal: Goal) {
        let mut state = self.state();
        if state.ended.is_some() {
            return;
        }
        state.until = state.now + PATIENCE;
        state.goal = goal;
        state.waits_for_ever = false;
        state.test_has_a_say = false;
        self.turned.notify_all();
        self.wait_until(state, true);
    }

    /// Does these things, so far apart, from now on.
    pub fn act(&self, acts: impl Iterator<Item = Act>, apart: Duration) {
        let mut state = self.state();
        let mut at = state.now;
        for act in acts {
            state.acts.push_back((at, act));
            at = at + apart;
        }
        drop(state);
        self.go(Goal::Acts);
    }

    fn end(&self, ended: Ended) {
        let mut state = self.state();
        state.asks = false;
        state.ended_at = state.now;
        // What was pressed too late was heard by nobody.
        while let Some((at, act)) = state.acts.pop_front() {
            state.now = state.now.max(at);
            state.does(act, Some("the call had ended".to_owned()));
        }
        state.ended = Some(ended);
        state.test_has_a_say = true;
        self.turned.notify_all();
    }
}

impl State {
    fn event(&mut self) -> usize {
        self.events += 1;
        self.events
    }

    fn advance(&mut self, to: Time) {
        if to > self.now {
            self.now = to;
            self.at_once = 0;
        }
    }

    fn does(&mut self, act: Act, lost: Option<String>) {
        let (at, order) = (self.now, self.event());
        self.deeds.push(Deed { act, at, order, lost });
    }

    fn logs(&mut self, text: String) {
        let (at, order) = (self.now, self.event());
        self.log.push(Logged { text, at, order });
    }

    /// What the caller hears now.
    fn hears(&mut self, until: Time, hears: &Hearing<'_>) {
        // A key that ends nothing is not listened to: the same wait goes on.
        if let Some((deed, prompt, end, why)) = self.open.take()
            && prompt == hears.prompt
            && end == until
            && let Some(deed) = self.deeds.get_mut(deed)
        {
            deed.lost = Some(why);
        }
        let silent = matches!(hears.sound, Sound::Silence | Sound::Music(_));
        self.asks = hears.asked && silent;
        if hears.prompt == self.prompt.0 {
            return;
        }
        let was_music = self.prompt.1;
        let is_music = matches!(hears.sound, Sound::Music(_));
        self.prompt = (hears.prompt, is_music);
        // Music goes on through many waits.
        if is_music && was_music {
            return;
        }
        if let Some(text) = name(&hears.sound) {
            let order = self.event();
            self.heard.push(Prompt { text, at: hears.began, order });
        }
    }

    fn has_reached_goal(&self) -> bool {
        match &self.goal {
            Goal::Acts => true,
            Goal::Moment(moment) => self.now >= *moment,
            Goal::Prompt { after, like } => {
                let mut new = self.heard.iter().skip(*after);
                new.any(|prompt| like.as_ref().is_none_or(|like| is(&prompt.text, like)))
            }
            Goal::Question => self.asks,
            Goal::End => false,
        }
    }

    /// Why a key pressed now would not be heard.
    fn deafness(&self, hears: &Hearing<'_>) -> String {
        let standing = &self.standing;
        let listens = match (&standing.keys, standing.open && hears.asked) {
            (Some(keys), true) if !keys.is_empty() => format!("listens only to {}", listed(keys)),
            _ => "listens to no keys".to_owned(),
        };
        match (&hears.sound, name(&hears.sound)) {
            (Sound::Recording(_), _) => format!("it was being recorded, which {listens}"),
            (Sound::Silence, _) if !standing.open => "the script slept, and nobody listened".to_owned(),
            (Sound::Silence, _) => format!("`{}` {listens}", standing.function),
            (_, Some(name)) => format!("{name} was playing, which {listens}"),
            (_, None) => "nobody listened".to_owned(),
        }
    }
}

/// `1, 2 and #`
fn listed(keys: &str) -> String {
    let mut text = String::new();
    let count = keys.chars().count();
    for (number, key) in keys.chars().enumerate() {
        let _ = match (number, count - number) {
            (0, _) => write!(text, "{key}"),
            (_, 1) => write!(text, " and {key}"),
            _ => write!(text, ", {key}"),
        };
    }
    text
}

/// The kinds of what is spoken.
const SPOKEN: [&str; 7] = ["number", "digits", "alpha", "phonetic", "date", "time", "datetime"];

/// A sound as tests name it.
fn name(sound: &Sound<'_>) -> Option<String> {
    Some(match sound {
        Sound::Silence => return None,
        Sound::File(name) => (*name).to_owned(),
        Sound::Spoken { kind, text } => format!("{kind} {text}"),
        Sound::Beep => "beep".to_owned(),
        Sound::Recording(name) => format!("recording {name}"),
        Sound::Music(_) => "music".to_owned(),
    })
}

/// Whether a test means this prompt: `number` is any number.
pub(super) fn is(prompt: &str, like: &str) -> bool {
    let kinds = SPOKEN.into_iter().chain(["recording"]);
    prompt == like || prompt.split_once(' ').is_some_and(|(kind, _)| kind == like && { kinds }.any(|k| k == like))
}

/// Whether it is no sound file but one of the words tests have for what is heard.
pub(super) fn is_word(like: &str) -> bool {
    let kind = like.split(' ').next().unwrap_or_default();
    SPOKEN.contains(&kind) || ["beep", "recording", "music"].contains(&kind)
}

/// The caller of a call: does what the test says, at the moment it says.
struct Puppet(Arc<Line>);

impl Caller for Puppet {
    fn now(&self) -> Time {
        self.0.state().now
    }

    fn wait(&mut self, until: Time, hears: &Hearing<'_>) -> Option<Act> {
        let mut state = self.0.state();
        state.hears(until, hears);
        // A look, taken whenever a script computes for long: what it met would depend on the machine.
        if until <= state.now && !state.abandoned {
            return None;
        }
        loop {
            if state.abandoned {
                return Some(Act::HangUp);
            }
            if let Some((at, _)) = state.acts.front() {
                let at = *at;
                if at > until {
                    state.advance(until);
                    return None;
                }
                state.advance(at);
                let (_, act) = state.acts.pop_front()?;
                let why = match &act {
                    Act::Says(_) => "nobody waited for a text".to_owned(),
                    _ => state.deafness(hears),
                };
                state.open = Some((state.deeds.len(), hears.prompt, until, why));
                state.does(act.clone(), None);
                return Some(act);
            }
            let stop = match state.goal {
                Goal::Moment(moment) => moment,
                _ => state.until,
            };
            let reached = state.has_reached_goal();
            if reached || stop <= until {
                if !reached {
                    state.waits_for_ever = until == Time::NEVER;
                    state.advance(stop);
                }
                state.test_has_a_say = true;
                self.0.turned.notify_all();
                self.0.wait_until(state, false);
                state = self.0.state();
                continue;
            }
            state.advance(until);
            return None;
        }
    }
}

/// The simulator, with an eye on calls that never end and an end for those that are given up.
struct Watched {
    simulator: Simulator,
    line: Arc<Line>,
}

impl Watched {
    fn is_cut(&self) -> io::Result<()> {
        let state = self.line.state();
        if state.abandoned || state.runs_away {
            return Err(io::Error::other("the test has ended the call"));
        }
        Ok(())
    }

    fn look(&self) {
        let channel = self.simulator.channel();
        let mut state = self.line.state();
        state.channel = channel.state().word();
        let (context, extension, priority) = channel.position();
        if (state.position.0.as_str(), state.position.1.as_str(), state.position.2) != (context, extension, priority) {
            state.position = (context.to_owned(), extension.to_owned(), priority);
        }
        if state.recordings.len() != channel.recordings().len() {
            state.recordings.clone_from(channel.recordings());
        }
    }
}

impl Transport for Watched {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.look();
        self.simulator.open()
    }

    fn peer(&self) -> Peer {
        self.simulator.peer()
    }

    fn now(&self) -> Time {
        self.simulator.now()
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.is_cut()?;
        {
            let mut state = self.line.state();
            state.at_once += 1;
            if state.at_once > MOST_AT_ONCE {
                state.runs_away = true;
                return Err(io::Error::other("commands without end"));
            }
        }
        self.simulator.send(line)?;
        self.look();
        Ok(())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        self.is_cut()?;
        let before = self.simulator.now();
        let heard = self.simulator.receive(until);
        // After the hangup nobody is there whose time would pass.
        if self.simulator.now() > before {
            self.line.state().at_once = 0;
        }
        heard
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        self.look();
        self.simulator.leave(ending)
    }
}

/// Notes where a script stands.
struct Ear(Arc<Line>);

impl Observer for Ear {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, _: Time) {
        if line.is_by_host() {
            return;
        }
        let line = line.line();
        let words = split(line);
        let verb = command.verb.split(' ').count();
        let params = command.function.params;
        let keys = params
            .iter()
            .position(|param| param.kind == Kind::Keys)
            .map(|at| words.get(verb + at).map_or_else(String::new, |word| text(word).into_owned()));
        let script = script.to_owned();
        self.0.state().standing = Standing { function: command.function.name, script, line: place, open: true, keys };
    }

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, _: Time) {
        self.0.state().standing.open = false;
    }
}

/// The log of one call, or of a test: what its script prints, and warnings.
pub(super) struct Log(pub Box<dyn Fn(String) + Send + Sync>);

/// The fields of an event, in one line.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => {
                let _ = write!(self.others, " {name}={value:?}");
            }
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == PRINTED || (*metadata.level() == Level::WARN && metadata.is_event())
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::INFO)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let printed = event.metadata().target() == PRINTED;
        let text = if printed { fields.message } else { format!("warning: {}{}", fields.message, fields.others) };
        (self.0)(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A call that has been placed; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Placed {
    pub line: Arc<Line>,
    thread: Option<JoinHandle<()>>,
}

/// How a call is run.
pub(super) struct Run {
    pub script: Arc<Script>,
    pub args: Vec<String>,
    pub params: BTreeMap<String, String>,
    pub seed: u64,
}

impl Placed {
    /// Starts a call, up to its first wait. The channel is made for its caller.
    pub fn new(
        host: &Host,
        now: Time,
        channel: impl FnOnce(Box<dyn Caller>) -> Channel,
        run: Run,
    ) -> Result<Self, String> {
        let line = Line::new(now);
        let channel = channel(Box::new(Puppet(Arc::clone(&line))));
        let watched = Watched {
            simulator: Simulator::new(channel).with_commands(host.language().commands()),
            line: Arc::clone(&line),
        };
        let mut session = Session::begin(Box::new(watched)).map_err(|error| error.to_string())?;
        session.observe(Arc::new(Ear(Arc::clone(&line))));
        let (mut host, callee) = (host.clone(), Arc::clone(&line));
        host.set_seed(run.seed);
        let thread = Builder::new().name("call".to_owned()).stack_size(STACK).spawn(move || {
            let Run { script, args, params, .. } = run;
            let noted = Arc::clone(&callee);
            let log = Log(Box::new(move |text| noted.state().logs(text)));
            let play = || {
                let outcome = host.run_with(session, &script, args, params);
                Ended { status: outcome.status.word(), fault: outcome.fault.map(Fault::in_full) }
            };
            let ended = catch_unwind(AssertUnwindSafe(|| tracing::subscriber::with_default(log, play)));
            callee.end(ended.unwrap_or_else(|panic| Ended {
                status: "FAILURE",
                fault: Some(Fault::of_panic(script.name(), "the host", &*panic)),
            }));
        });
        let thread = thread.map_err(|error| format!("no thread for the call: {error}"))?;
        line.wait_until(line.state(), true);
        Ok(Self { line, thread: Some(thread) })
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let mut state = self.line.state();
        state.abandoned = true;
        state.test_has_a_say = false;
        drop(state);
        self.line.turned.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends at its next command or wait, or by the limit on computing.
            let _ = thread.join();
        }
    }
}

/// The keys of a text; the first letter that is none is told.
pub(super) fn keys(text: &str) -> Result<Vec<Act>, char> {
    text.chars().map(|letter| Digit::new(letter).map(Act::Key).ok_or(letter)).collect()
}
