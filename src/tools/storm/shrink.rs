//! Shortens a call while it still shows a problem.

use super::caller::Patience;
use super::job::{Job, ProblemKey, problem_key};
use super::runner::Storm;
use super::step::Step;
use crate::pbx::{Digit, Utterance};
use std::sync::Arc;
use std::time::Duration;

/// The maximum number of calls that are made to find a shorter one.
const MAX_TRIES: usize = 600;
/// The same if each call is a long one.
const MAX_LONG_TRIES: usize = 150;

struct Shrinking<'a> {
    storm: &'a mut Storm,
    keys: &'a [ProblemKey],
    best: Job,
    tries: usize,
    patience: Patience,
}

impl Storm {
    /// Returns the shortest call found that shows the same problem as this one.
    pub(super) fn shrink(&mut self, job: Job, keys: &[ProblemKey], is_long: bool) -> Job {
        let (tries, patience) =
            if is_long { (MAX_LONG_TRIES, Patience::LITTLE) } else { (MAX_TRIES, Patience::DEFAULT) };
        let mut shrinking = Shrinking { storm: self, keys, best: job, tries, patience };
        shrinking.shrink();
        shrinking.best
    }
}

impl Shrinking<'_> {
    fn shrink(&mut self) {
        self.ends_earlier();
        self.hangs_up_earlier();
        loop {
            let before = self.best.clone();
            self.simpler_scene();
            self.fewer_steps();
            self.simpler_steps();
            if self.tries == 0 || (self.best.steps == before.steps && self.best.scene == before.scene) {
                return;
            }
        }
    }

    /// Makes a call, which becomes the best one if it shows the problem.
    fn shows(&mut self, job: Job) -> bool {
        let Some(tries) = self.tries.checked_sub(1) else { return false };
        self.tries = tries;
        let run = self.storm.play(&job, self.patience);
        let shows = run.fault.is_some_and(|fault| self.keys.contains(&problem_key(&fault)));
        if shows {
            // Steps that weren't done before the problem showed aren't needed.
            self.best = Job { scene: job.scene, steps: run.tape, ..Job::default() };
        }
        shows
    }

    fn with_steps(&mut self, steps: Vec<Step>) -> bool {
        let scene = self.best.scene.clone();
        self.shows(Job { scene, steps, ..Job::default() })
    }

    /// Tries callers who stop earlier, beginning with one who does nothing.
    fn ends_earlier(&mut self) {
        let steps = self.best.steps.clone();
        let acts = steps.iter().enumerate().filter(|(_, step)| step.act().is_some()).map(|(at, _)| at + 1);
        let ends: Vec<usize> = [0].into_iter().chain(acts).collect();
        let _ = ends.iter().take(40).any(|end| self.with_steps(steps[..*end].to_vec()));
    }

    /// Tries callers who only hang up.
    fn hangs_up_earlier(&mut self) {
        if self.best.steps.last() != Some(&Step::HangUp) {
            return;
        }
        let waits = self.storm.play(&self.best.clone(), self.patience).waits;
        let _ = (0..waits.min(60)).any(|at| {
            let scene = self.best.scene.clone();
            self.shows(Job { scene, hangs_up_at: Some(at), ..Job::default() })
        });
    }

    fn simpler_scene(&mut self) {
        loop {
            let scenes = self.best.scene.simpler();
            let steps = self.best.steps.clone();
            let found =
                scenes.into_iter().any(|scene| self.shows(Job { scene, steps: steps.clone(), ..Job::default() }));
            if !found {
                return;
            }
        }
    }

    /// Leaves out steps one by one, from the last to the first.
    fn fewer_steps(&mut self) {
        let mut at = self.best.steps.len();
        while at > 0 && self.tries > 0 {
            at -= 1;
            // Two keys at the same moment are not simpler than one after the other.
            let steps = &self.best.steps;
            let between = matches!(steps.get(at), Some(Step::Wait(_)))
                && matches!(steps.get(at + 1), Some(Step::Press(_)))
                && at.checked_sub(1).is_some_and(|before| matches!(steps.get(before), Some(Step::Press(_))));
            if at < self.best.steps.len() && !between {
                let mut steps = self.best.steps.clone();
                steps.remove(at);
                self.with_steps(steps);
            }
        }
    }

    fn simpler_steps(&mut self) {
        for at in 0..self.best.steps.len() {
            let Some(step) = self.best.steps.get(at).cloned() else { return };
            let simpler: Vec<Step> = match &step {
                Step::Wait(length) => rounder(*length).into_iter().map(Step::Wait).collect(),
                Step::Press(digit) if digit.letter() != '1' => Digit::new('1').map(Step::Press).into_iter().collect(),
                Step::Speaks(said) => {
                    simpler_speech(said).into_iter().map(|said| Step::Speaks(Arc::new(said))).collect()
                }
                _ => Vec::new(),
            };
            let _ = simpler.into_iter().any(|step| {
                let mut steps = self.best.steps.clone();
                steps.get_mut(at).is_some_and(|old| {
                    *old = step;
                    true
                }) && self.with_steps(steps)
            });
        }
    }
}

/// Returns simpler things to say: what is understood as it is said before what is misheard, and fewer words before
/// more.
fn simpler_speech(said: &Utterance) -> Vec<Utterance> {
    let Utterance { text, heard, confidence } = said;
    let mut simpler = Vec::new();
    if !said.is_clear() {
        simpler.extend([text, heard].into_iter().filter(|text| !text.is_empty()).map(|text| Utterance::clear(text)));
    }
    if text == heard {
        simpler.extend(fewer_words(text).map(|fewer| Utterance::clear(&fewer).with_confidence(*confidence)));
    } else {
        simpler.extend(fewer_words(text).map(|fewer| Utterance { text: fewer, ..said.clone() }));
        simpler.extend(fewer_words(heard).map(|fewer| Utterance { heard: fewer, ..said.clone() }));
    }
    simpler
}

/// Returns parts of a text, the shortest first.
fn fewer_words(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let count = words.len();
    (1..count)
        .flat_map(move |length| (0..=count - length).map(move |at| at..at + length))
        .map(move |part| words[part].join(" "))
}

/// Returns rounder times than this one, the roundest first. Keys of one burst are a tenth of a second apart.
fn rounder(length: Duration) -> Vec<Duration> {
    let ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let times = [100, 500, 1000, ms / 1000 * 1000, (ms / 1000 + 1) * 1000, ms / 500 * 500, ms / 100 * 100];
    let rank = |ms: u64| [1000, 500, 100, 10].into_iter().position(|unit| ms.is_multiple_of(unit)).unwrap_or(4);
    let better = |other: &u64| *other > 0 && (rank(*other), *other) < (rank(ms), ms) && (ms != 100);
    let mut times: Vec<u64> = times.into_iter().filter(better).collect();
    times.dedup();
    times.into_iter().map(Duration::from_millis).collect()
}
