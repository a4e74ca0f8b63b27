//! What a caller makes up: keys at all times, from what was spoken, from what stands in the script, from nothing.

use super::step::Step;
use crate::pbx::{Digit, Hearing, Sound};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a caller is about to do.
#[derive(Debug, Default)]
pub(super) struct Burst {
    pub acts: VecDeque<Step>,
    /// From now to the first of it.
    pub after: Duration,
    pub between: Duration,
}

/// What a script may want to hear, taken from its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// Keys and numbers that stand in it.
    pub keys: Vec<String>,
    /// Short texts and numbers that stand in it: what it may compare values with.
    pub values: Vec<String>,
    /// It asks for texts.
    pub texts: bool,
}

/// A caller's manner. The weights are in percent.
#[derive(Debug)]
pub(super) struct Noise {
    chance: StdRng,
    words: Arc<Words>,
    /// The numbers and digits spoken last, the newest at the end.
    spoken: Vec<String>,
    /// Answers questions in silence, breaks into prompts, presses keys nobody listens to.
    answers: u32,
    breaks_in: u32,
    idles: u32,
    /// Hangs up when the script waits.
    leaves: u32,
    /// Ends what is typed with the pound key.
    pounds: u32,
    /// Where the keys come from.
    taste: Taste,
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taste {
    /// What was spoken last.
    Echo,
    /// The difference, the sum, the product of what was spoken.
    Sum,
    /// What stands in the script.
    Words,
    /// Any keys.
    Any,
    /// One of these, another one each time.
    Mixed,
}

/// One of these.
pub(super) fn pick<'a>(chance: &mut StdRng, names: &'a BTreeSet<String>) -> Option<&'a String> {
    if names.is_empty() { None } else { names.iter().nth(chance.random_range(0..names.len())) }
}

const KEYS: &[u8] = b"0123456789*#";
/// As many of what was spoken are remembered.
const REMEMBERED: usize = 4;

impl Noise {
    /// A caller of some manner, drawn from this seed.
    pub fn new(seed: u64, words: &Arc<Words>) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let taste = match chance.random_range(0..10) {
            0 => Taste::Echo,
            1 | 2 => Taste::Sum,
            3 | 4 => Taste::Words,
            5 => Taste::Any,
            _ => Taste::Mixed,
        };
        let mut one_of = |values: &[u32]| values[chance.random_range(0..values.len())];
        let answers = one_of(&[100, 100, 90, 60]);
        let breaks_in = one_of(&[0, 20, 60, 100]);
        let idles = one_of(&[0, 0, 2, 20]);
        let leaves = one_of(&[0, 0, 2, 5]);
        let pounds = one_of(&[0, 0, 50, 100]);
        let quick = one_of(&[0, 1]) == 1;
        let (words, spoken) = (Arc::clone(words), Vec::new());
        Self { chance, words, spoken, answers, breaks_in, idles, leaves, pounds, taste, quick }
    }

    /// Something begins.
    pub fn hears(&mut self, sound: &Sound<'_>) {
        if let Sound::Spoken { kind: "number" | "digits", text } = sound {
            if self.spoken.len() == REMEMBERED {
                self.spoken.remove(0);
            }
            self.spoken.push((*text).to_owned());
        }
    }

    fn percent(&mut self, percent: u32) -> bool {
        percent > 0 && self.chance.random_range(0..100) < percent
    }

    /// What to do now that the script begins to wait.
    pub fn burst(&mut self, hears: &Hearing<'_>) -> Option<Burst> {
        let silent = matches!(hears.sound, Sound::Silence | Sound::Music(_));
        if self.percent(self.leaves) {
            return Some(Burst { acts: [Step::HangUp].into(), after: self.moment(), between: Duration::ZERO });
        }
        if self.words.texts && self.percent(40) {
            let texts = ["hello", "yes", "", "1", "Jürgen Groß", "x"];
            let text = texts[self.chance.random_range(0..texts.len())];
            return Some(Burst {
                acts: [Step::Says(text.into())].into(),
                after: self.moment(),
                between: Duration::ZERO,
            });
        }
        let likely = match (hears.asked, silent) {
            (true, true) => self.answers,
            (true, false) => self.breaks_in,
            (false, _) => self.idles,
        };
        if !self.percent(likely) {
            return None;
        }
        let mut acts: VecDeque<Step> = self.keys().chars().filter_map(Digit::new).map(Step::Press).collect();
        if self.percent(self.pounds) {
            acts.extend(Digit::new('#').map(Step::Press));
        }
        let between = match self.chance.random_range(0..20) {
            0 => 40,
            1 => 1000,
            2 => 2010,
            _ => 100,
        };
        Some(Burst { acts, after: self.moment(), between: Duration::from_millis(between) })
    }

    /// From now to the first key: never at a moment at which a sound may end.
    fn moment(&mut self) -> Duration {
        let slots = match (self.quick, self.chance.random_range(0..10)) {
            (true, _) => 0..25,
            (false, 0) => 0..500,
            (false, _) => 0..150,
        };
        Duration::from_millis(self.chance.random_range(slots) * 20 + 10)
    }

    fn keys(&mut self) -> String {
        let taste = match self.taste {
            Taste::Mixed => match self.chance.random_range(0..5) {
                0 => Taste::Echo,
                1 => Taste::Sum,
                2 | 3 => Taste::Words,
                _ => Taste::Any,
            },
            taste => taste,
        };
        let made = match taste {
            Taste::Echo => self.spoken.last().cloned(),
            Taste::Sum => self.sum(),
            Taste::Words => {
                let count = self.words.keys.len();
                (count > 0).then(|| self.words.keys[self.chance.random_range(0..count)].clone())
            }
            Taste::Any | Taste::Mixed => None,
        };
        made.unwrap_or_else(|| self.any())
    }

    fn any(&mut self) -> String {
        let length = match self.chance.random_range(0..10) {
            0..5 => 1,
            5..8 => 2,
            8 => self.chance.random_range(3..6),
            _ => self.chance.random_range(6..25),
        };
        (0..length).map(|_| char::from(KEYS[self.chance.random_range(0..KEYS.len())])).collect()
    }

    /// A number made of the two spoken last.
    fn sum(&mut self) -> Option<String> {
        let mut numbers = self.spoken.iter().rev().filter_map(|text| text.parse::<i64>().ok());
        let last = numbers.next()?;
        let before = numbers.next();
        let number = match (before, self.chance.random_range(0..8)) {
            (Some(before), 0..4) => before.checked_sub(last)?,
            (Some(before), 4) => last.checked_add(before)?,
            (Some(before), 5) => last.checked_mul(before)?,
            (_, 6) => last.checked_add(1)?,
            (_, _) => last.checked_sub(1)?,
        };
        Some(number.unsigned_abs().to_string())
    }
}
