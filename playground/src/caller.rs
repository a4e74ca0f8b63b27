//! The caller of a request: everything that they do, and when.

use crate::scene::{Cut, SharedScene, Turn, What};
use agi_rhai::clock::Time;
use agi_rhai::pbx::{Act, Caller, Digit, Hearing, Utterance};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// How long after each other keys are pressed that are given together.
const KEY_INTERVAL: Duration = Duration::from_millis(100);

/// Something that a caller does, so many milliseconds from the beginning of a turn.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct CallerAct {
    at: f64,
    /// The turn, counted from 1; by default the beginning of the call. So an answer stays one to its question if what
    /// was said before becomes longer.
    #[serde(skip_serializing_if = "is_zero")]
    turn: u64,
    /// From which prompt of that turn, counted from 0.
    #[serde(skip_serializing_if = "is_zero")]
    part: u64,
    /// Whether it is from the silence after the prompts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    silent: bool,
    /// Keys, 100 ms apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<String>,
    /// What is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
    /// What an engine understands, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<String>,
    /// How sure the engine is, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<u8>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hangs_up: bool,
}

/// When a caller acts: so long after the beginning of a part of a turn.
#[derive(Clone, Copy)]
struct When {
    turn: Turn,
    after: Duration,
}

/// A caller who does what the request says, one after the other, up to a moment.
pub struct PlannedCaller {
    scene: SharedScene,
    acts: VecDeque<(When, Act)>,
    /// The moment at which nothing more is written down.
    until: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl CallerAct {
    /// Returns what somebody did so long after the beginning of a call; `None` if it is nothing that a caller does.
    pub fn of(at: Duration, act: &Act) -> Option<Self> {
        // At that moment there may be two waits. The act came in the second one, in which a test had its turn.
        let at = at.as_secs_f64() * 1000.0 + 0.001;
        let act = match act {
            Act::Key(key) => Self { keys: Some(key.letter().to_string()), ..Self::default() },
            Act::HangUp => Self { hangs_up: true, ..Self::default() },
            Act::Says(text) => Self { says: Some(text.clone()), ..Self::default() },
            Act::Speaks(said) => Self {
                says: Some(said.text.clone()),
                heard: Some(said.heard.clone()),
                confidence: Some(said.confidence),
                ..Self::default()
            },
            _ => return None,
        };
        Some(Self { at, ..act })
    }

    fn acts(&self) -> Result<Vec<(When, Act)>, String> {
        let turn = Turn { number: self.turn, silent: self.silent, part: self.part };
        let after = Duration::try_from_secs_f64(self.at / 1000.0).map_err(|_| format!("`at` can't be {}", self.at))?;
        let at = When { turn, after };
        let mut acts = Vec::new();
        let mut when = at;
        for letter in self.keys.iter().flat_map(|keys| keys.chars()) {
            let key = Digit::new(letter).ok_or_else(|| format!("`{letter}` is not a key"))?;
            acts.push((when, Act::Key(key)));
            when.after += KEY_INTERVAL;
        }
        if let Some(text) = &self.says {
            // As with `says` in a plan, unless an engine mishears it.
            acts.push(match (&self.heard, self.confidence) {
                (None, None) => (at, Act::Says(text.clone())),
                (heard, confidence) => {
                    let heard = heard.as_ref().unwrap_or(text);
                    let said = Utterance::misheard(text, heard).with_confidence(confidence.unwrap_or(100));
                    (at, Act::Speaks(said))
                }
            });
        }
        if self.hangs_up {
            acts.push((at, Act::HangUp));
        }
        Ok(acts)
    }
}

impl PlannedCaller {
    /// Creates a caller of a call that begins at this moment, up to so many milliseconds later.
    pub fn new(scene: SharedScene, began: Time, acts: &[CallerAct], until: u64) -> Result<Self, String> {
        let acts: Vec<Vec<_>> = acts.iter().map(CallerAct::acts).collect::<Result<_, _>>()?;
        let acts: Vec<(When, Act)> = acts.concat();
        {
            let mut scene = scene.lock();
            (scene.began, scene.now) = (began, began);
        }
        Ok(Self { scene, acts: acts.into(), until: began + Duration::from_millis(until) })
    }
}

impl Caller for PlannedCaller {
    fn now(&self) -> Time {
        self.scene.lock().now
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        let mut scene = self.scene.lock();
        scene.hears(until, hearing);
        if scene.cut.is_some() {
            return Some(Act::HangUp);
        }
        let next = self.acts.front().and_then(|(when, _)| Some(scene.began_turn(when.turn)? + when.after));
        let due = next.map(|at| at.max(scene.now)).filter(|at| *at <= until && *at <= self.until);
        let Some(due) = due else {
            if until > self.until {
                scene.now = scene.now.max(self.until);
                scene.cut = Some(Cut::Until);
                return Some(Act::HangUp);
            }
            scene.now = scene.now.max(until);
            return None;
        };
        scene.now = due;
        let (_, act) = self.acts.pop_front()?;
        match &act {
            Act::Key(key) => scene.presses(key.letter(), until, hearing),
            Act::Says(text) => scene.speaks(text, hearing),
            Act::Speaks(said) => scene.speaks(&said.text, hearing),
            Act::HangUp => scene.note(What::HangsUp),
            _ => {}
        }
        Some(act)
    }
}
