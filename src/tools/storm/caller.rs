//! A caller who follows a list of steps, makes up the rest, and writes down everything as steps.

use super::noise::{Burst, Noise};
use super::step::Step;
use crate::clock::Time;
use crate::pbx::{Act, Caller, Hearing, Sound};
use crate::sync::lock;
use crate::transport::Request;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a call may go on while its caller does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// How long it may compute. The host's limit may be lower.
    pub computing: Duration,
    /// How many lines it may send, or poll for.
    pub lines: u32,
    /// How long the caller stays on the line.
    pub silence: Duration,
}

impl Patience {
    /// Used before a problem is reported.
    pub const WHOLE: Self = Self { computing: Duration::MAX, lines: 10_000, silence: Duration::from_secs(3600) };
    /// Used while looking for problems.
    pub const DEFAULT: Self = Self { computing: Duration::from_millis(20), ..Self::WHOLE };
    /// Used for a script that is known never to end.
    pub const LITTLE: Self =
        Self { computing: Duration::from_millis(5), lines: 1000, silence: Duration::from_secs(600) };
}

/// The maximum number of a caller's actions in one call.
const MAX_ACTIONS: usize = 80;

/// A line of a script: the index of the script, and the number of the line.
pub(super) type ScriptLine = (usize, usize);

/// Why the storm ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endless {
    /// The caller waited for too long.
    Silence,
    /// The script sent commands or polled the line endlessly.
    Lines,
}

/// The state of a caller, shared with the line of the call.
#[derive(Debug)]
pub(super) struct CallerState {
    now: Time,
    /// The steps to do, and the index of the next one.
    steps: Vec<Step>,
    next: usize,
    /// When the `Wait` that is the next step ends.
    due: Option<Time>,
    /// The caller hangs up when the script has waited this many times.
    hangs_up_at: Option<usize>,
    noise: Option<Noise>,
    /// The steps done.
    pub tape: Vec<Step>,
    actions: usize,
    /// Actions that are about to be done, when the next one is due, and whether the first has been done.
    burst: Burst,
    burst_due: Time,
    burst_began: bool,
    /// Hashes of the names of the sounds that have begun since the last `WaitFor`.
    begun: Vec<u64>,
    /// The last sound that began after the last action, and when; and the first question after that.
    sound: String,
    sound_at: Option<Time>,
    question: Option<Time>,
    /// When the caller last did something.
    acted: Time,
    /// The number of the last prompt seen.
    prompt: u64,
    /// How many times the script has waited. These are the moments at which a caller can hang up.
    pub waits: usize,
    /// The line of each wait and of each command, if the call is traced.
    pub lines_at_waits: Option<Vec<ScriptLine>>,
    pub lines_at_commands: Vec<ScriptLine>,
    /// The line of the command in flight.
    line: ScriptLine,
    /// The lines of commands since the call has been going on for long.
    recent: BTreeSet<ScriptLine>,
    patience: Patience,
    /// How many more lines the script may send.
    pub lines: u32,
    pub endless: Option<Endless>,
    /// The sound files played.
    pub played: Vec<String>,
}

/// The caller of a channel, as a handle to its state.
#[derive(Clone, Debug)]
pub(super) struct StormCaller(Arc<Mutex<CallerState>>);

impl StormCaller {
    pub fn state(&self) -> MutexGuard<'_, CallerState> {
        lock(&self.0)
    }
}

impl CallerState {
    pub fn open(
        now: Time,
        steps: Vec<Step>,
        hangs_up_at: Option<usize>,
        is_traced: bool,
        noise: Option<Noise>,
        patience: Patience,
    ) -> StormCaller {
        StormCaller(Arc::new(Mutex::new(Self {
            now,
            steps,
            next: 0,
            due: None,
            hangs_up_at,
            noise,
            tape: Vec::new(),
            actions: 0,
            burst: Burst::default(),
            burst_due: now,
            burst_began: false,
            begun: Vec::new(),
            sound: String::new(),
            sound_at: None,
            question: None,
            acted: now,
            prompt: 0,
            waits: 0,
            lines_at_waits: is_traced.then(Vec::new),
            lines_at_commands: Vec::new(),
            line: (0, 0),
            recent: BTreeSet::new(),
            patience,
            lines: patience.lines,
            endless: None,
            played: Vec::new(),
        })))
    }

    /// Notes that the script has sent a command from this line.
    pub fn sent_from(&mut self, line: ScriptLine) {
        self.line = line;
        if self.lines_at_waits.is_some() {
            self.lines_at_commands.push(line);
        }
        // The lines of a loop are interesting once it has been going on for long.
        if self.lines < self.patience.lines / 2 || self.now > self.acted + self.patience.silence / 2 {
            self.recent.insert(line);
        }
    }

    /// Returns the first and the last line of what a long call repeats, and true. Otherwise, returns the line of the
    /// last command twice, and false.
    pub fn recent(&self) -> (ScriptLine, ScriptLine, bool) {
        match (self.recent.first(), self.recent.last()) {
            (Some(first), Some(last)) => (*first, *last, true),
            _ => (self.line, self.line, false),
        }
    }

    /// Notes that the script listens.
    pub fn expects(&mut self, request: &Request) {
        if let Some(noise) = &mut self.noise {
            noise.expects(request.argument("words"));
        }
    }

    /// Counts a line that was sent or polled for. Returns whether the script may go on.
    pub fn may_go_on(&mut self) -> bool {
        self.lines = self.lines.saturating_sub(1);
        self.lines > 0
    }

    /// Notes that the script begins to wait: a sound plays, or the script listens or sleeps.
    fn waits(&mut self, hearing: &Hearing<'_>) {
        self.waits += 1;
        if let Some(lines) = &mut self.lines_at_waits {
            lines.push(self.line);
        }
        let name = match hearing.sound {
            Sound::File(name) => {
                if !self.played.iter().any(|played| played == name) {
                    self.played.push(name.to_owned());
                }
                Some(name)
            }
            Sound::Beep => Some("beep"),
            Sound::Recording(_) => Some("recording"),
            Sound::Silence | Sound::Music(_) => {
                if hearing.listening || hearing.speech {
                    self.question.get_or_insert(self.now);
                }
                None
            }
            Sound::Spoken(_) => None,
        };
        if let Some(name) = name {
            self.begun.push(hash(name));
            self.sound.clear();
            self.sound.push_str(name);
            self.sound_at = Some(self.now);
            self.question = None;
        }
        let Some(noise) = &mut self.noise else { return };
        noise.hears(&hearing.sound);
        if self.next < self.steps.len() || !self.burst.acts.is_empty() || self.actions >= MAX_ACTIONS {
            return;
        }
        if let Some(burst) = noise.burst(hearing) {
            self.burst_due = self.now + burst.after;
            self.burst_began = false;
            self.burst = burst;
        }
    }

    /// Writes down an action, with the steps that lead to its moment.
    fn note(&mut self, act: Step, in_burst: bool) {
        let wait = match self.sound_at {
            Some(at) if !in_burst => {
                let name: Arc<str> = self.sound.as_str().into();
                let hash = hash(&name);
                while let Some(found) = self.begun.iter().position(|&begun| begun == hash) {
                    self.begun.drain(..=found);
                    self.tape.push(Step::WaitFor(Arc::clone(&name)));
                }
                match self.question {
                    Some(question) => {
                        self.begun.clear();
                        self.tape.push(Step::Question);
                        self.now - question
                    }
                    None => self.now - at,
                }
            }
            _ => self.now - self.acted,
        };
        if !wait.is_zero() {
            self.tape.push(Step::Wait(wait));
        }
        self.tape.push(act);
        self.acted();
    }

    fn acted(&mut self) {
        self.actions += 1;
        self.acted = self.now;
        self.sound_at = None;
        self.question = None;
        self.lines = self.patience.lines;
    }

    /// Takes the next step, if it is due by this moment.
    fn step(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Step> {
        let step = self.steps.get(self.next)?.clone();
        match &step {
            Step::WaitFor(name) => {
                let hash = hash(name);
                let found = self.begun.iter().position(|&begun| begun == hash)?;
                self.begun.drain(..=found);
            }
            Step::Question => {
                if !(hearing.listening || hearing.speech) || !matches!(hearing.sound, Sound::Silence | Sound::Music(_))
                {
                    return None;
                }
                self.begun.clear();
            }
            Step::Wait(length) => {
                let due = *self.due.get_or_insert(self.now + *length);
                if due > until {
                    return None;
                }
                self.now = self.now.max(due);
                self.due = None;
            }
            Step::Press(_) | Step::HangUp | Step::Says(_) | Step::Speaks(_) => {}
        }
        self.next += 1;
        self.tape.push(step.clone());
        if step.act().is_some() {
            self.acted();
        }
        Some(step)
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        // A poll takes no time, and how often a script polls depends on the machine.
        if until <= self.now {
            return None;
        }
        if hearing.prompt != self.prompt {
            self.prompt = hearing.prompt;
            self.waits(hearing);
        }
        if self.hangs_up_at.is_some_and(|at| self.waits > at) {
            self.note(Step::HangUp, false);
            return Some(Act::HangUp);
        }
        while self.next < self.steps.len() {
            let Some(step) = self.step(until, hearing) else { return self.pass(until) };
            if let Some(act) = step.act() {
                return Some(act);
            }
        }
        if self.burst_due <= until
            && let Some(step) = self.burst.acts.pop_front()
        {
            self.now = self.now.max(self.burst_due);
            self.burst_due = self.now + self.burst.between;
            let act = step.act();
            self.note(step, self.burst_began);
            self.burst_began = true;
            return act;
        }
        self.pass(until)
    }

    /// Lets time pass for as long as the caller has patience.
    fn pass(&mut self, until: Time) -> Option<Act> {
        if until == Time::NEVER {
            return Some(Act::HangUp);
        }
        let end = self.acted + self.patience.silence;
        if until > end {
            self.now = self.now.max(end);
            self.endless = Some(Endless::Silence);
            return Some(Act::HangUp);
        }
        self.now = self.now.max(until);
        None
    }
}

impl Caller for StormCaller {
    fn now(&self) -> Time {
        self.state().now
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        self.state().wait(until, hearing)
    }
}

/// Returns the FNV-1a hash of a name: names are compared a million times per second.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
