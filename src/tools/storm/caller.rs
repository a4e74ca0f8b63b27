//! A caller as data: does what a tape says, makes up the rest, and writes all of it down as a tape.

use super::noise::{Burst, Noise};
use super::step::Step;
use crate::clock::Time;
use crate::pbx::{Act, Caller, Hearing, Sound};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a call may go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// So long it may compute; the limit of the host may be lower.
    pub computing: Duration,
    /// So often it may send a line, or look whether there is one, while the caller does nothing.
    pub lines: u32,
    /// So long the caller stays on the line and does nothing.
    pub silence: Duration,
}

impl Patience {
    /// Before anything is told.
    pub const WHOLE: Self = Self { computing: Duration::MAX, lines: 10_000, silence: Duration::from_secs(3600) };
    /// As long as problems are looked for.
    pub const USUAL: Self = Self { computing: Duration::from_millis(20), ..Self::WHOLE };
    /// With a script that is known to go on for ever.
    pub const LITTLE: Self =
        Self { computing: Duration::from_millis(5), lines: 1000, silence: Duration::from_secs(600) };
}

/// So many things a caller does in one call.
const MOST_ACTS: usize = 80;

/// A script, by its number, and a line of it.
pub(super) type Place = (usize, usize);

/// Why the storm ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endless {
    /// The caller had waited for too long.
    Silence,
    /// Commands and looks at the line, without end.
    Lines,
}

/// A call as its caller sees it; shared with who watches the line.
#[derive(Debug)]
pub(super) struct Desk {
    now: Time,
    /// What is to be done, and how far that has got.
    steps: Vec<Step>,
    next: usize,
    due: Option<Time>,
    /// Hang up when the script has waited so many times.
    hangs_up_at: Option<usize>,
    noise: Option<Noise>,
    /// What was done.
    pub tape: Vec<Step>,
    acts: usize,
    /// What is about to be done, when the next of it is due, and whether some of it is done already.
    burst: Burst,
    burst_due: Time,
    burst_began: bool,
    /// The sounds that have begun since the last `WaitFor`, as hashes of their names.
    begun: Vec<u64>,
    /// The last sound that began after the last act, and when; the first question after it.
    sound: String,
    sound_at: Option<Time>,
    question: Option<Time>,
    /// When the caller did something last.
    acted: Time,
    /// The number of the prompt seen last.
    prompt: u64,
    /// How often the script waited: the places at which a caller can hang up.
    pub waits: usize,
    /// Where the script stood at each of them, and where each command stood, if anybody wants to know.
    pub places: Option<Vec<Place>>,
    pub commands: Vec<Place>,
    /// The script and line of the command in flight.
    place: Place,
    /// Those of all commands since the call has gone on for long.
    recent: BTreeSet<Place>,
    patience: Patience,
    /// What is left of the lines it may send.
    pub lines: u32,
    pub endless: Option<Endless>,
    /// Sound files that were played.
    pub played: Vec<String>,
}

/// A handle on the desk: the caller the channel has.
#[derive(Clone, Debug)]
pub(super) struct Handle(Arc<Mutex<Desk>>);

impl Handle {
    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    pub fn open(
        now: Time,
        steps: Vec<Step>,
        hangs_up_at: Option<usize>,
        is_traced: bool,
        noise: Option<Noise>,
        patience: Patience,
    ) -> Handle {
        Handle(Arc::new(Mutex::new(Self {
            now,
            steps,
            next: 0,
            due: None,
            hangs_up_at,
            noise,
            tape: Vec::new(),
            acts: 0,
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
            places: is_traced.then(Vec::new),
            commands: Vec::new(),
            place: (0, 0),
            recent: BTreeSet::new(),
            patience,
            lines: patience.lines,
            endless: None,
            played: Vec::new(),
        })))
    }

    /// A command was sent from this place.
    pub fn stands_at(&mut self, place: Place) {
        self.place = place;
        if self.places.is_some() {
            self.commands.push(place);
        }
        // What a loop does is of interest once it has gone on for long.
        if self.lines < self.patience.lines / 2 || self.now > self.acted + self.patience.silence / 2 {
            self.recent.insert(place);
        }
    }

    /// The first and the last place of what is done again and again in a call that goes on for long; twice the place of
    /// the last command where there is nothing such.
    pub fn recent(&self) -> (Place, Place, bool) {
        match (self.recent.first(), self.recent.last()) {
            (Some(first), Some(last)) => (*first, *last, true),
            _ => (self.place, self.place, false),
        }
    }

    /// One more line was sent, or looked at; whether the script may go on.
    pub fn may_go_on(&mut self) -> bool {
        self.lines = self.lines.saturating_sub(1);
        self.lines > 0
    }

    /// The script begins to wait: something is heard, or it listens, or sleeps.
    fn waits(&mut self, hears: &Hearing<'_>) {
        self.waits += 1;
        if let Some(places) = &mut self.places {
            places.push(self.place);
        }
        let name = match hears.sound {
            Sound::File(name) => {
                if !self.played.iter().any(|played| played == name) {
                    self.played.push(name.to_owned());
                }
                Some(name)
            }
            Sound::Beep => Some("beep"),
            Sound::Recording(_) => Some("recording"),
            Sound::Silence | Sound::Music(_) => {
                if hears.asked {
                    self.question.get_or_insert(self.now);
                }
                None
            }
            Sound::Spoken { .. } => None,
        };
        if let Some(name) = name {
            self.begun.push(hash(name));
            self.sound.clear();
            self.sound.push_str(name);
            self.sound_at = Some(self.now);
            self.question = None;
        }
        let Some(noise) = &mut self.noise else { return };
        noise.hears(&hears.sound);
        if self.next < self.steps.len() || !self.burst.acts.is_empty() || self.acts >= MOST_ACTS {
            return;
        }
        if let Some(burst) = noise.burst(hears) {
            self.burst_due = self.now + burst.after;
            self.burst_began = false;
            self.burst = burst;
        }
    }

    /// Writes an act down, with how to find its moment again.
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
        self.acts += 1;
        self.acted = self.now;
        self.sound_at = None;
        self.question = None;
        self.lines = self.patience.lines;
    }

    /// Takes the next step, if its time has come by this moment.
    fn step(&mut self, until: Time, hears: &Hearing<'_>) -> Option<Step> {
        let step = self.steps.get(self.next)?.clone();
        match &step {
            Step::WaitFor(name) => {
                let hash = hash(name);
                let found = self.begun.iter().position(|&begun| begun == hash)?;
                self.begun.drain(..=found);
            }
            Step::Question => {
                if !hears.asked || !matches!(hears.sound, Sound::Silence | Sound::Music(_)) {
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
            Step::Press(_) | Step::HangUp | Step::Says(_) => {}
        }
        self.next += 1;
        self.tape.push(step.clone());
        if step.act().is_some() {
            self.acted();
        }
        Some(step)
    }

    fn wait(&mut self, until: Time, hears: &Hearing<'_>) -> Option<Act> {
        // A look takes no time, and how often a script looks depends on the machine.
        if until <= self.now {
            return None;
        }
        if hears.prompt != self.prompt {
            self.prompt = hears.prompt;
            self.waits(hears);
        }
        if self.hangs_up_at.is_some_and(|at| self.waits > at) {
            self.note(Step::HangUp, false);
            return Some(Act::HangUp);
        }
        while self.next < self.steps.len() {
            let Some(step) = self.step(until, hears) else { return self.pass(until) };
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

    /// Lets time pass, as long as the caller has patience.
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

impl Caller for Handle {
    fn now(&self) -> Time {
        self.desk().now
    }

    fn wait(&mut self, until: Time, hears: &Hearing<'_>) -> Option<Act> {
        self.desk().wait(until, hears)
    }
}

/// FNV-1a: names are compared a million times a second.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
