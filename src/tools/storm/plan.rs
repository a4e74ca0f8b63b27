//! Plans the calls of a storm.

use super::caller::ScriptLine;
use super::job::{Job, PlayedCall};
use super::noise::ScriptWords;
use super::runner::Storm;
use super::scene::Scene;
use super::trouble::Trouble;
use crate::sync::lock;
use rand::RngExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The maximum number of calls that hang up at the same line of a call.
const MAX_HANGUPS_PER_LINE: usize = 3;

impl Storm {
    /// Plans the calls that every storm begins with.
    pub(super) fn begin(&mut self) {
        let silent = Job { scene: Scene { seed: 1, ..Scene::default() }, traced: true, ..Job::default() };
        self.queue.push_back(silent);
        let words = Arc::clone(&self.words);
        for scene in Scene::callers().chain(Scene::arguments(&words.values)) {
            self.plan(&scene, 4);
        }
        if ["now", "date", "next_weekday"].iter().any(|name| self.names.contains(*name)) {
            for _ in 0..20 {
                let time = Scene::some_time(&mut self.rng);
                self.plan(&Scene { time: Some(time), ..Scene::default() }, 2);
            }
        }
    }

    /// Plans a silent call in this scene, and some other calls.
    pub(super) fn plan(&mut self, scene: &Scene, others: usize) {
        let job = Job { scene: Scene { seed: 1, ..scene.clone() }, ..Job::default() };
        self.queue.push_back(job.clone());
        for _ in 0..others {
            let scene = Scene { seed: self.rng.random_range(1..1000), ..scene.clone() };
            self.queue.push_back(Job { scene, noise: Some(self.rng.random()), ..job.clone() });
        }
    }

    /// Returns a random call: a new one, or a variation of one that reached new lines.
    pub(super) fn random_job(&mut self) -> Job {
        let noise = Some(self.rng.random());
        let kept = if self.kept.is_empty() || self.rng.random_range(0..10) < 4 {
            None
        } else {
            // The newest calls reached lines that are hard to reach.
            let newest = self.kept.len().saturating_sub(8);
            let from = if self.rng.random_range(0..2) == 0 { newest } else { 0 };
            Some(self.rng.random_range(from..self.kept.len()))
        };
        let mut job = match kept {
            None => {
                let scene = Scene { seed: self.rng.random_range(1..10_000), ..Scene::default() };
                Job { scene, noise, ..Job::default() }
            }
            Some(kept) => {
                let mut job = Job { noise, traced: false, ..self.kept[kept].clone() };
                match self.rng.random_range(0..10) {
                    // Leaves one step out.
                    0 | 1 if !job.steps.is_empty() => {
                        job.steps.remove(self.rng.random_range(0..job.steps.len()));
                    }
                    2 => {}
                    _ => job.steps.truncate(self.rng.random_range(0..=job.steps.len())),
                }
                job
            }
        };
        if self.rng.random_range(0..4) == 0 {
            job.scene.vary(&mut self.rng, &self.prompts, &lock(&self.facts), &self.words.values);
        }
        job
    }

    /// Plans calls that hang up at each wait of this call and, since most commands take no time, at each command. Of
    /// those at the same line, only the first ones count.
    pub(super) fn plan_hangups(&mut self, job: &Job, run: &PlayedCall) {
        let first_times = |lines: &[ScriptLine]| {
            let mut seen: BTreeMap<ScriptLine, usize> = BTreeMap::new();
            let mut first = Vec::new();
            for (at, line) in lines.iter().enumerate() {
                let times = seen.entry(*line).or_default();
                *times += 1;
                if *times <= MAX_HANGUPS_PER_LINE {
                    first.push(at);
                }
            }
            first
        };
        let again = Job { scene: job.scene.clone(), steps: run.tape.clone(), ..Job::default() };
        let waits = first_times(&run.lines_at_waits).into_iter();
        let waits = waits.map(|at| Job { hangs_up_at: Some(at), ..again.clone() });
        let commands = first_times(&run.lines_at_commands).into_iter().map(|at| {
            let mut job = again.clone();
            job.scene.gone_at = Some(at as u64 + 1);
            job
        });
        // These come before anything else: every caller hangs up at some point.
        let jobs: Vec<Job> = waits.chain(commands).collect();
        for job in jobs.into_iter().rev() {
            self.queue.push_front(job);
        }
    }

    /// Plans calls that vary what has just become known: prompts that were played, values that the script reads.
    pub(super) fn plan_facts(&mut self) {
        let facts = {
            let facts = lock(&self.facts);
            if facts.count() == self.tried.count() {
                return;
            }
            facts.clone()
        };
        let new_prompts: Vec<String> = facts.prompts.difference(&self.tried.prompts).cloned().collect();
        for prompt in &new_prompts {
            self.plan(&Scene { missing: [prompt.clone()].into(), ..Scene::default() }, 6);
        }
        if !new_prompts.is_empty() {
            self.prompts.clone_from(&facts.prompts);
            self.plan(&Scene { missing: facts.prompts.clone(), ..Scene::default() }, 6);
        }
        for scene in Scene::values(&facts, &self.tried, &self.words.values) {
            self.plan(&scene, 2);
            // The caller may hang up while the script waits for a service.
            if scene.troubles.values().any(|trouble| *trouble == Trouble::Late) {
                let scene = Scene { seed: 1, ..scene };
                self.queue.push_back(Job { scene, traced: true, ..Job::default() });
            }
        }
        if facts.texts && !self.words.texts {
            self.words = Arc::new(ScriptWords { texts: true, ..(*self.words).clone() });
        }
        self.tried = facts;
    }
}
