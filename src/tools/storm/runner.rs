//! Runs a storm, and keeps what it has learned.

use super::as_test::{as_test, service_lines};
use super::caller::Patience;
use super::job::{Job, ProblemKey, is_about_computing, problem_key};
use super::noise::ScriptWords;
use super::report::{Length, Problem, Report};
use super::script_words::script_words;
use super::step::Step;
use super::wire::Facts;
use crate::clock::processor_time;
use crate::command::Value;
use crate::host::Host;
use crate::pbx::Sounds;
use crate::script::{Coverage, Fault, Script};
use crate::stack;
use crate::tools::testing::{CallSetup, Samples};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The maximum number of problems that are examined. A script with more of them has other worries.
const MAX_PROBLEMS: usize = 30;

/// The maximum number of calls that reached new lines and are kept, to be varied.
const MAX_KEPT: usize = 100;

/// A storm of random calls on one script.
///
/// ```
/// use agi_rhai::Host;
/// use agi_rhai::pbx::Sounds;
/// use agi_rhai::tools::storm::{Length, Storm};
///
/// let host = Host::new();
/// let script = host.compile("sum.rhai", r#"say_number(1 + parse_int(get_data("beep")));"#)?;
/// let report = Storm::new(&host, script, Sounds::stock()).run(1, Length::Calls(20));
///
/// // A caller who presses nothing is enough: an empty text isn't a number.
/// let problem = &report.problems[0];
/// assert_eq!(problem.fault.line, 1);
/// assert!(problem.test.contains("place_call(\"sum\""));
/// # Ok::<(), Box<agi_rhai::Fault>>(())
/// ```
pub struct Storm {
    pub(super) script: Script,
    /// The options of all calls.
    pub(super) setup: CallSetup,
    pub(super) coverage: Arc<Coverage>,
    pub(super) host: Host,
    pub(super) sounds: Arc<Sounds>,
    /// The sounds without some of them, by the names of those.
    pub(super) without: HashMap<Vec<String>, Arc<Sounds>>,
    pub(super) words: Arc<ScriptWords>,
    /// The names of the functions that the script calls.
    pub(super) names: BTreeSet<String>,
    /// What its tests answer in the place of services.
    pub(super) samples: Arc<Samples>,
    /// Other scripts whose functions run after calls, by their names; `None` if they can't be loaded.
    pub(super) others: HashMap<String, Option<Script>>,
    /// The facts about what it plays and reads.
    pub(super) facts: Arc<Mutex<Facts>>,
    /// The facts that have been tried already.
    pub(super) tried: Facts,
    /// The prompts that may be missing from calls.
    pub(super) prompts: BTreeSet<String>,
    /// The calls that are planned.
    pub(super) queue: VecDeque<Job>,
    /// The calls that reached new lines, to be varied.
    pub(super) kept: Vec<Job>,
    pub(super) problems: Vec<Problem>,
    /// The index of the problem to which each key belongs.
    pub(super) keys: BTreeMap<ProblemKey, usize>,
    /// Faults of computing for too long that didn't show under the host's own limit.
    pub(super) slow: BTreeSet<ProblemKey>,
    pub(super) patience: Patience,
    pub(super) rng: StdRng,
    pub(super) calls: u64,
    pub(super) work: Duration,
}

impl std::fmt::Debug for Storm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storm").field("script", &self.script.name).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Storm {
    /// Creates a storm on a script with these sounds, with the limits and functions of this host.
    pub fn new(host: &Host, mut script: Script, sounds: Sounds) -> Self {
        let coverage = stack::maybe_grow(|| script.cover());
        let (words, names) = stack::maybe_grow(|| script_words(&script));
        Self {
            script,
            setup: CallSetup::default(),
            coverage,
            host: host.clone(),
            sounds: Arc::new(sounds),
            without: HashMap::new(),
            words: Arc::new(words),
            names,
            samples: Arc::default(),
            others: HashMap::new(),
            facts: Arc::default(),
            tried: Facts::default(),
            prompts: BTreeSet::new(),
            queue: VecDeque::new(),
            kept: Vec::new(),
            problems: Vec::new(),
            keys: BTreeMap::new(),
            slow: BTreeSet::new(),
            patience: Patience::DEFAULT,
            rng: StdRng::seed_from_u64(0),
            calls: 0,
            work: Duration::ZERO,
        }
    }

    /// Makes all calls with these options, except where it varies them itself. It ignores `seed` and `gone_at`.
    ///
    /// # Errors
    /// An option has a value that a test can't write down, such as a function.
    pub fn with_setup(mut self, setup: &CallSetup) -> Result<Self, String> {
        if let Some(name) = setup.unwritable() {
            return Err(format!("a storm can't use the option `{name}` of `place_call` with a function"));
        }
        self.setup = setup.without(&["seed", "gone_at"]);
        Ok(self)
    }

    /// Answers in the place of services with these samples; without them, with something empty.
    #[must_use]
    pub fn with_samples(mut self, samples: Samples) -> Self {
        self.samples = Arc::new(samples);
        self
    }

    /// Runs the storm. The same seed and number of calls make the same calls.
    pub fn run(self, seed: u64, length: Length) -> Report {
        stack::maybe_grow(|| self.run_here(seed, length))
    }

    fn run_here(mut self, seed: u64, length: Length) -> Report {
        self.start(seed);
        loop {
            let over = match length {
                Length::Calls(calls) => self.calls >= calls,
                Length::Work(work) => self.work >= work,
            };
            if over {
                break;
            }
            self.advance();
        }
        let (lines, unreached) = self.reached();
        Report { calls: self.calls, work: self.work, lines, unreached, problems: self.problems }
    }

    /// Begins with this seed.
    pub(super) fn start(&mut self, seed: u64) {
        self.rng = StdRng::seed_from_u64(seed);
        self.begin();
    }

    /// Makes the next call.
    pub(super) fn advance(&mut self) {
        // Half of the calls are planned ones, as long as any are planned.
        let planned = if self.calls.is_multiple_of(2) { self.queue.pop_front() } else { None };
        let job = planned.unwrap_or_else(|| self.random_job());
        self.make_call(job);
    }

    /// Returns how many lines can run, and those that never did.
    pub(super) fn reached(&self) -> (usize, Vec<(String, usize, String)>) {
        let scripts: Vec<String> = self.coverage.scripts().map(str::to_owned).collect();
        let lines = scripts.iter().flat_map(|script| self.coverage.lines(script).into_iter().map(move |l| (script, l)));
        let (mut all, mut unreached) = (0, Vec::new());
        for (script, (line, ran)) in lines {
            all += 1;
            if !ran {
                unreached.push((script.clone(), line, self.source(script, line)));
            }
        }
        (all, unreached)
    }

    pub(super) fn source(&self, script: &str, line: usize) -> String {
        let source = self.script.sources.iter().find(|source| source.name == script);
        source.and_then(|source| source.text.lines().nth(line.wrapping_sub(1))).unwrap_or_default().to_owned()
    }

    /// Makes a call, and learns from it.
    pub(super) fn make_call(&mut self, job: Job) {
        let began = processor_time();
        let known = self.coverage.count();
        let run = self.play(&job, self.patience);
        self.calls += 1;
        self.work += Duration::from_nanos(u64::try_from(processor_time() - began).unwrap_or(0));
        if let Some(fault) = run.fault.clone() {
            self.record_problem(&job, fault, &run.tape, run.endless);
        }
        if job.traced {
            self.plan_hangups(&job, &run);
        } else if self.coverage.count() > known && self.kept.len() < MAX_KEPT {
            let kept = Job { scene: job.scene, steps: run.tape, ..Job::default() };
            self.queue.push_back(Job { traced: true, ..kept.clone() });
            self.kept.push(kept);
        }
        if self.coverage.count() > known && self.coverage.is_whole() {
            // Every line has run.
            self.script.coverage = None;
        }
        self.plan_facts();
    }

    /// Records a fault: a new problem, or another call that shows a known one.
    fn record_problem(&mut self, job: &Job, fault: Fault, tape: &[Step], endless: bool) {
        let key = problem_key(&fault);
        if let Some(&problem) = self.keys.get(&key) {
            self.problems[problem].seen += 1;
            return;
        }
        if self.slow.contains(&key) || self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let job = Job { scene: job.scene.clone(), steps: tape.to_vec(), ..Job::default() };
        let is_long = endless || is_about_computing(&fault);
        // With more time, a script may end differently.
        let confirmed = if is_long { self.play(&job, Patience::WHOLE).fault } else { Some(fault) };
        let Some(fault) = confirmed else {
            self.slow.insert(key);
            // Other calls were cut short like this one.
            self.patience = Patience::DEFAULT;
            return;
        };
        let keys = [key, problem_key(&fault)];
        if let Some(&problem) = self.keys.get(&keys[1]) {
            let [key, _] = keys;
            self.keys.insert(key, problem);
            self.problems[problem].seen += 1;
            return;
        }
        if is_long && self.slow.is_empty() {
            self.patience = Patience::LITTLE;
        }
        let shorter = self.shrink(job.clone(), &keys, is_long);
        let shows = |fault: &Fault| keys.contains(&problem_key(fault));
        let holds = !is_long || self.play(&shorter, Patience::WHOLE).fault.as_ref().is_some_and(shows);
        let job = if holds { shorter } else { job };
        let random = ["random", "choose", "shuffle"].iter().any(|name| self.names.contains(*name));
        let mut setup = job.scene.options(&self.setup);
        if random {
            setup = setup.with([("seed".into(), Value::Int(job.scene.seed.cast_signed()))]);
        }
        let run = self.play(&job, self.patience);
        let lines = service_lines(&job.scene.troubles, &run.asked);
        let test = as_test(&self.script.name, &setup, &lines, &job.steps, &fault, run.is_in_job);
        for key in keys {
            self.keys.insert(key, self.problems.len());
        }
        self.problems.push(Problem { fault, seen: 1, test });
    }
}
