//! What a caller makes up: keys at any time, from what was spoken, from the text of the script, or at random.

use super::step::Step;
use crate::pbx::{Digit, Hearing, Sound, Spoken, Utterance};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Actions that a caller is about to do.
#[derive(Debug, Default)]
pub(super) struct Burst {
    pub acts: VecDeque<Step>,
    /// The time to the first action.
    pub after: Duration,
    /// The time from one action to the next.
    pub between: Duration,
}

/// The keys and values that a script may expect, taken from its text.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptWords {
    /// Keys and numbers in it.
    pub keys: Vec<String>,
    /// Short texts and numbers in it, with which it may compare values.
    pub values: Vec<String>,
    /// Whether it asks for texts.
    pub texts: bool,
}

/// How a caller behaves. The probabilities are in percent.
#[derive(Debug)]
pub(super) struct Noise {
    rng: StdRng,
    words: Arc<ScriptWords>,
    /// The words that the script listens for; none if the caller may say anything.
    expected: Vec<String>,
    /// The last numbers and digits spoken, the newest one at the end.
    spoken: Vec<String>,
    /// How likely the caller is to answer a question in silence.
    answer_chance: u32,
    /// How likely the caller is to interrupt a prompt.
    interrupt_chance: u32,
    /// How likely the caller is to press keys to which the script doesn't listen.
    idle_chance: u32,
    /// How likely the caller is to hang up when the script waits.
    hang_up_chance: u32,
    /// How likely the caller is to end what they type with the pound key.
    pound_chance: u32,
    /// Where the keys come from.
    source: KeySource,
    is_quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeySource {
    /// The last number or digits spoken.
    Echo,
    /// The difference, sum or product of the last numbers spoken.
    Sum,
    /// Keys and numbers in the script.
    Script,
    /// Any keys.
    Any,
    /// A different one of these each time.
    Mixed,
}

/// Picks one of these names.
pub(super) fn pick<'a>(rng: &mut StdRng, names: &'a BTreeSet<String>) -> Option<&'a String> {
    if names.is_empty() { None } else { names.iter().nth(rng.random_range(0..names.len())) }
}

const KEYS: &[u8] = b"0123456789*#";
/// The maximum number of spoken numbers that are remembered.
const MAX_REMEMBERED: usize = 4;

impl Noise {
    /// Creates a caller whose behaviour is determined by this seed.
    pub fn new(seed: u64, words: &Arc<ScriptWords>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let source = match rng.random_range(0..10) {
            0 => KeySource::Echo,
            1 | 2 => KeySource::Sum,
            3 | 4 => KeySource::Script,
            5 => KeySource::Any,
            _ => KeySource::Mixed,
        };
        let mut one_of = |values: &[u32]| values[rng.random_range(0..values.len())];
        let answer_chance = one_of(&[100, 100, 90, 60]);
        let interrupt_chance = one_of(&[0, 20, 60, 100]);
        let idle_chance = one_of(&[0, 0, 2, 20]);
        let hang_up_chance = one_of(&[0, 0, 2, 5]);
        let pound_chance = one_of(&[0, 0, 50, 100]);
        let is_quick = one_of(&[0, 1]) == 1;
        Self {
            rng,
            words: Arc::clone(words),
            expected: Vec::new(),
            spoken: Vec::new(),
            answer_chance,
            interrupt_chance,
            idle_chance,
            hang_up_chance,
            pound_chance,
            source,
            is_quick,
        }
    }

    /// Notes a sound that begins.
    pub fn hears(&mut self, sound: &Sound<'_>) {
        if let Sound::Spoken(Spoken { kind: "number" | "digits", text, .. }) = sound {
            if self.spoken.len() == MAX_REMEMBERED {
                self.spoken.remove(0);
            }
            self.spoken.push(text.clone());
        }
    }

    /// Notes what the script listens for.
    pub fn expects(&mut self, words: &Value) {
        let words = words.as_array().into_iter().flatten().filter_map(Value::as_str);
        self.expected = words.map(str::to_owned).collect();
    }

    fn percent(&mut self, percent: u32) -> bool {
        percent > 0 && self.rng.random_range(0..100) < percent
    }

    /// Returns what to do now that the script begins to wait.
    pub fn burst(&mut self, hearing: &Hearing<'_>) -> Option<Burst> {
        let silent = matches!(hearing.sound, Sound::Silence | Sound::Music(_));
        if self.percent(self.hang_up_chance) {
            return Some(Burst { acts: [Step::HangUp].into(), after: self.moment(), between: Duration::ZERO });
        }
        if self.words.texts && self.percent(40) {
            let texts = ["hello", "yes", "", "1", "Jürgen Groß", "x"];
            let text = texts[self.rng.random_range(0..texts.len())];
            return Some(Burst {
                acts: [Step::Says(text.into())].into(),
                after: self.moment(),
                between: Duration::ZERO,
            });
        }
        if hearing.speech && self.percent(60) {
            if !self.percent(if silent { self.answer_chance } else { self.interrupt_chance }) {
                return None;
            }
            let said = Step::Speaks(Arc::new(self.utterance()));
            return Some(Burst { acts: [said].into(), after: self.moment(), between: Duration::ZERO });
        }
        let likely = match (hearing.listening || hearing.speech, silent) {
            (true, true) => self.answer_chance,
            (true, false) => self.interrupt_chance,
            (false, _) => self.idle_chance,
        };
        if !self.percent(likely) {
            return None;
        }
        let mut acts: VecDeque<Step> = self.keys().chars().filter_map(Digit::new).map(Step::Press).collect();
        if self.percent(self.pound_chance) {
            acts.extend(Digit::new('#').map(Step::Press));
        }
        let between = match self.rng.random_range(0..20) {
            0 => 40,
            1 => 1000,
            2 => 2010,
            _ => 100,
        };
        Some(Burst { acts, after: self.moment(), between: Duration::from_millis(between) })
    }

    /// Returns the time to the first action, which is never a moment at which a sound may end.
    fn moment(&mut self) -> Duration {
        let slots = match (self.is_quick, self.rng.random_range(0..10)) {
            (true, _) => 0..25,
            (false, 0) => 0..500,
            (false, _) => 0..150,
        };
        Duration::from_millis(self.rng.random_range(slots) * 20 + 10)
    }

    /// Returns something to say: what the script listens for, a number, or anything; perhaps misheard.
    fn utterance(&mut self) -> Utterance {
        const ANYTHING: [&str; 6] = ["hello", "yes", "no", "um", "what was that", "Jürgen Groß"];
        let word = |noise: &mut Self| {
            // What a script compares with is in its text.
            let known = if noise.expected.is_empty() { &noise.words.values } else { &noise.expected };
            match known.len() {
                0 => ANYTHING[noise.rng.random_range(0..ANYTHING.len())].to_owned(),
                count => known[noise.rng.random_range(0..count)].clone(),
            }
        };
        let said = match self.rng.random_range(0..10) {
            0..4 => word(self),
            4 => {
                let count = self.rng.random_range(2..6);
                (0..count).map(|_| word(self)).collect::<Vec<_>>().join(" ")
            }
            // An engine writes numbers as digits or as words.
            5..8 => self.keys().chars().filter(char::is_ascii_digit).collect(),
            _ => ANYTHING[self.rng.random_range(0..ANYTHING.len())].to_owned(),
        };
        let said = if said.is_empty() { word(self) } else { said };
        match self.rng.random_range(0..10) {
            0 => Utterance::misheard(&said, &word(self)),
            1 => Utterance::misheard(&said, ""),
            2 => Utterance::clear(&said).with_confidence(20),
            _ => Utterance::clear(&said),
        }
    }

    fn keys(&mut self) -> String {
        let source = match self.source {
            KeySource::Mixed => match self.rng.random_range(0..5) {
                0 => KeySource::Echo,
                1 => KeySource::Sum,
                2 | 3 => KeySource::Script,
                _ => KeySource::Any,
            },
            source => source,
        };
        let made = match source {
            KeySource::Echo => self.spoken.last().cloned(),
            KeySource::Sum => self.sum(),
            KeySource::Script => {
                let count = self.words.keys.len();
                (count > 0).then(|| self.words.keys[self.rng.random_range(0..count)].clone())
            }
            KeySource::Any | KeySource::Mixed => None,
        };
        made.unwrap_or_else(|| self.any())
    }

    fn any(&mut self) -> String {
        let length = match self.rng.random_range(0..10) {
            0..5 => 1,
            5..8 => 2,
            8 => self.rng.random_range(3..6),
            _ => self.rng.random_range(6..25),
        };
        (0..length).map(|_| char::from(KEYS[self.rng.random_range(0..KEYS.len())])).collect()
    }

    /// Calculates a number from the last two that were spoken.
    fn sum(&mut self) -> Option<String> {
        let mut numbers = self.spoken.iter().rev().filter_map(|text| text.parse::<i64>().ok());
        let last = numbers.next()?;
        let before = numbers.next();
        let number = match (before, self.rng.random_range(0..8)) {
            (Some(before), 0..4) => before.checked_sub(last)?,
            (Some(before), 4) => last.checked_add(before)?,
            (Some(before), 5) => last.checked_mul(before)?,
            (_, 6) => last.checked_add(1)?,
            (_, _) => last.checked_sub(1)?,
        };
        Some(number.unsigned_abs().to_string())
    }
}
