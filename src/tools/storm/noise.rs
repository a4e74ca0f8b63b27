//! What a caller makes up: keys at any time, from what was spoken, from the text of the script, or at random.

use super::step::Step;
use crate::pbx::{Digit, Hearing, Sound};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Actions a caller is about to do.
#[derive(Debug, Default)]
pub(super) struct Burst {
    pub acts: VecDeque<Step>,
    /// The time to the first action.
    pub after: Duration,
    /// The time from one action to the next.
    pub between: Duration,
}

/// What a script may want to hear, taken from its text.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptWords {
    /// Keys and numbers in it.
    pub keys: Vec<String>,
    /// Short texts and numbers in it, which it may compare values with.
    pub values: Vec<String>,
    /// Whether it asks for texts.
    pub texts: bool,
}

/// How a caller behaves. The likelihoods are in percent.
#[derive(Debug)]
pub(super) struct Noise {
    rng: StdRng,
    words: Arc<ScriptWords>,
    /// The last numbers and digits spoken, the newest at the end.
    spoken: Vec<String>,
    /// Answers questions in silence, interrupts prompts, presses keys that nobody listens to.
    answers: u32,
    breaks_in: u32,
    idles: u32,
    /// Hangs up when the script waits.
    leaves: u32,
    /// Ends what is typed with the pound key.
    pounds: u32,
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
/// How many of the last numbers spoken are remembered.
const MAX_REMEMBERED: usize = 4;

impl Noise {
    /// Makes a caller whose behaviour comes from this seed.
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
        let answers = one_of(&[100, 100, 90, 60]);
        let breaks_in = one_of(&[0, 20, 60, 100]);
        let idles = one_of(&[0, 0, 2, 20]);
        let leaves = one_of(&[0, 0, 2, 5]);
        let pounds = one_of(&[0, 0, 50, 100]);
        let is_quick = one_of(&[0, 1]) == 1;
        let (words, spoken) = (Arc::clone(words), Vec::new());
        Self { rng, words, spoken, answers, breaks_in, idles, leaves, pounds, source, is_quick }
    }

    /// Notes a sound that begins.
    pub fn hears(&mut self, sound: &Sound<'_>) {
        if let Sound::Spoken { kind: "number" | "digits", text } = sound {
            if self.spoken.len() == MAX_REMEMBERED {
                self.spoken.remove(0);
            }
            self.spoken.push((*text).to_owned());
        }
    }

    fn percent(&mut self, percent: u32) -> bool {
        percent > 0 && self.rng.random_range(0..100) < percent
    }

    /// Returns what to do now that the script begins to wait.
    pub fn burst(&mut self, hears: &Hearing<'_>) -> Option<Burst> {
        let silent = matches!(hears.sound, Sound::Silence | Sound::Music(_));
        if self.percent(self.leaves) {
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
        let between = match self.rng.random_range(0..20) {
            0 => 40,
            1 => 1000,
            2 => 2010,
            _ => 100,
        };
        Some(Burst { acts, after: self.moment(), between: Duration::from_millis(between) })
    }

    /// The time to the first action, which is never a moment at which a sound may end.
    fn moment(&mut self) -> Duration {
        let slots = match (self.is_quick, self.rng.random_range(0..10)) {
            (true, _) => 0..25,
            (false, 0) => 0..500,
            (false, _) => 0..150,
        };
        Duration::from_millis(self.rng.random_range(slots) * 20 + 10)
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

    /// Makes a number from the last two spoken.
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
