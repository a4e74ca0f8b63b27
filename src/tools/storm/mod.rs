//! A storm of calls on one script: runs nobody has to write. Callers hang up at every step, press keys at all times or
//! none, prompts are missing, values are garbage; what goes wrong is told with the shortest call that shows it.
//!
//! A call is data: a `Scene` and a `Step` after the other. Callers make up what they do and write it down, so every
//! call can be made again; what reached a new line is kept and varied.

mod caller;
mod noise;
mod scene;
mod shrink;
mod step;
mod wire;

use crate::clock::Time;
use crate::host::Host;
use crate::pbx::{Channel, Database, Sounds};
use crate::script::{Coverage, Fault, Language, Script, lock, processor_time};
use crate::session::Session;
use crate::stack;
use crate::transport::Simulator;
use caller::{Desk, Endless, Patience};
use noise::{Noise, Words};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rhai::{ASTNode, Expr};
use scene::Scene;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use step::Step;
use wire::{Facts, Line, Watch};

/// Calls that reached new lines, to be varied.
const MOST_KEPT: usize = 100;
/// A caller hangs up at so many occurrences of one place in the script.
const OCCURRENCES: usize = 3;
/// Problems looked into; a script with more has other worries.
const MOST_PROBLEMS: usize = 30;

/// A storm on one script.
pub struct Storm {
    script: Script,
    coverage: Arc<Coverage>,
    host: Host,
    sounds: Arc<Sounds>,
    /// The sounds without some of them.
    without: HashMap<Vec<String>, Arc<Sounds>>,
    words: Arc<Words>,
    /// The names of functions and variables in it.
    names: BTreeSet<String>,
    facts: Arc<Mutex<Facts>>,
    /// What of the facts was tried already.
    tried: Facts,
    prompts: BTreeSet<String>,
    queue: VecDeque<Job>,
    kept: Vec<Job>,
    problems: Vec<Problem>,
    keys: BTreeMap<Key, usize>,
    /// What computes long, but ends within the true limit.
    slow: BTreeSet<Key>,
    patience: Patience,
    chance: StdRng,
    calls: u64,
    work: Duration,
}

/// How long a storm lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many calls: with the same seed the same ones.
    Calls(u64),
    /// So much work of the processor.
    Work(Duration),
}

/// What a storm found.
#[derive(Debug)]
pub struct Report {
    /// The calls made, without those that looked for shorter ones.
    pub calls: u64,
    /// What they took of the processor.
    pub work: Duration,
    /// How many lines of the script, and of all it imports, can run.
    pub lines: usize,
    /// Those that never did: script, line, text.
    pub unreached: Vec<(String, usize, String)>,
    /// What went wrong.
    pub problems: Vec<Problem>,
}

/// Something that went wrong.
#[derive(Debug)]
pub struct Problem {
    /// What, and where.
    pub fault: Fault,
    /// In how many calls.
    pub seen: u64,
    /// The shortest call found that shows it: a test for `NAME.test.rhai`. It fails until the script is mended.
    pub test: String,
}

/// What makes two problems the same: script, line, and the message without its values.
type Key = (String, usize, String);

/// A call to be made.
#[derive(Clone, Debug, Default)]
struct Job {
    scene: Scene,
    steps: Vec<Step>,
    /// The seed of what the caller makes up after the steps.
    noise: Option<u64>,
    hangs_up_at: Option<usize>,
    /// Hang-ups at all its places are to follow.
    traced: bool,
}

/// What came of a call.
struct Run {
    tape: Vec<Step>,
    fault: Option<Fault>,
    endless: bool,
    waits: usize,
    places: Vec<(usize, usize)>,
    commands: Vec<(usize, usize)>,
}

impl std::fmt::Debug for Storm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storm").field("script", &self.script.name).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Storm {
    /// A storm on a script with these sounds, under the limits and with the functions of this host.
    pub fn new(host: &Host, mut script: Script, sounds: Sounds) -> Self {
        let coverage = stack::maybe_grow(|| script.cover(host.language()));
        let (words, names) = stack::maybe_grow(|| words(&script, host.language()));
        Self {
            script,
            coverage,
            host: host.clone(),
            sounds: Arc::new(sounds),
            without: HashMap::new(),
            words: Arc::new(words),
            names,
            facts: Arc::default(),
            tried: Facts::default(),
            prompts: BTreeSet::new(),
            queue: VecDeque::new(),
            kept: Vec::new(),
            problems: Vec::new(),
            keys: BTreeMap::new(),
            slow: BTreeSet::new(),
            patience: Patience::USUAL,
            chance: StdRng::seed_from_u64(0),
            calls: 0,
            work: Duration::ZERO,
        }
    }

    /// Lets the storm loose. The same seed and number of calls make the same calls.
    pub fn run(self, seed: u64, length: Length) -> Report {
        stack::maybe_grow(|| self.run_here(seed, length))
    }

    fn run_here(mut self, seed: u64, length: Length) -> Report {
        self.chance = StdRng::seed_from_u64(seed);
        self.begin();
        loop {
            let over = match length {
                Length::Calls(calls) => self.calls >= calls,
                Length::Work(work) => self.work >= work,
            };
            if over {
                break;
            }
            // Half of the calls follow a plan, as long as there is one.
            let planned = if self.calls.is_multiple_of(2) { self.queue.pop_front() } else { None };
            let job = planned.unwrap_or_else(|| self.draw());
            self.make(job);
        }
        let scripts: Vec<String> = self.coverage.scripts().map(str::to_owned).collect();
        let lines = scripts.iter().flat_map(|script| self.coverage.lines(script).into_iter().map(move |l| (script, l)));
        let (mut all, mut unreached) = (0, Vec::new());
        for (script, (line, ran)) in lines {
            all += 1;
            if !ran {
                unreached.push((script.clone(), line, self.source(script, line)));
            }
        }
        Report { calls: self.calls, work: self.work, lines: all, unreached, problems: self.problems }
    }

    fn source(&self, script: &str, line: usize) -> String {
        let source = self.script.sources.iter().find(|source| source.name == script);
        source.and_then(|source| source.text.lines().nth(line.wrapping_sub(1))).unwrap_or_default().to_owned()
    }

    /// The calls every storm begins with.
    fn begin(&mut self) {
        let silent = Job { scene: Scene { seed: 1, ..Scene::default() }, traced: true, ..Job::default() };
        self.queue.push_back(silent);
        let words = Arc::clone(&self.words);
        for scene in Scene::callers().chain(Scene::arguments(&words.values)) {
            self.plan(&scene, 4);
        }
        if self.names.contains("now") || self.names.contains("date") {
            for _ in 0..20 {
                let time = Scene::some_time(&mut self.chance);
                self.plan(&Scene { time: Some(time), ..Scene::default() }, 2);
            }
        }
    }

    /// A silent call in this scene, and some others.
    fn plan(&mut self, scene: &Scene, others: usize) {
        let job = Job { scene: Scene { seed: 1, ..scene.clone() }, ..Job::default() };
        self.queue.push_back(job.clone());
        for _ in 0..others {
            let scene = Scene { seed: self.chance.random_range(1..1000), ..scene.clone() };
            self.queue.push_back(Job { scene, noise: Some(self.chance.random()), ..job.clone() });
        }
    }

    /// A call nobody planned.
    fn draw(&mut self) -> Job {
        let noise = Some(self.chance.random());
        let kept = if self.kept.is_empty() || self.chance.random_range(0..10) < 4 {
            None
        } else {
            // The newest reached what is hard to reach.
            let newest = self.kept.len().saturating_sub(8);
            let from = if self.chance.random_range(0..2) == 0 { newest } else { 0 };
            Some(self.chance.random_range(from..self.kept.len()))
        };
        let mut job = match kept {
            None => {
                let scene = Scene { seed: self.chance.random_range(1..10_000), ..Scene::default() };
                Job { scene, noise, ..Job::default() }
            }
            Some(kept) => {
                let mut job = Job { noise, traced: false, ..self.kept[kept].clone() };
                match self.chance.random_range(0..10) {
                    // One thing is left out.
                    0 | 1 if !job.steps.is_empty() => {
                        job.steps.remove(self.chance.random_range(0..job.steps.len()));
                    }
                    2 => {}
                    _ => job.steps.truncate(self.chance.random_range(0..=job.steps.len())),
                }
                job
            }
        };
        if self.chance.random_range(0..4) == 0 {
            job.scene.vary(&mut self.chance, &self.prompts, &lock(&self.facts), &self.words.values);
        }
        job
    }

    /// Makes a call, and learns from it.
    fn make(&mut self, job: Job) {
        let began = processor_time();
        let known = self.coverage.count();
        let run = self.play(&job, self.patience);
        self.calls += 1;
        self.work += Duration::from_nanos(u64::try_from(processor_time() - began).unwrap_or(0));
        if let Some(fault) = run.fault.clone() {
            self.meet(&job, fault, &run.tape, run.endless);
        }
        if job.traced {
            self.plan_hangups(&job, &run);
        } else if self.coverage.count() > known && self.kept.len() < MOST_KEPT {
            let kept = Job { scene: job.scene, steps: run.tape, ..Job::default() };
            self.queue.push_back(Job { traced: true, ..kept.clone() });
            self.kept.push(kept);
        }
        if self.coverage.count() > known && self.coverage.is_whole() {
            // Nothing is left to be learnt.
            self.script.coverage = None;
        }
        self.plan_facts();
    }

    /// To hang up wherever a call waited, and at each command, since most take no time; in loops the first times only.
    fn plan_hangups(&mut self, job: &Job, run: &Run) {
        let first_times = |places: &[(usize, usize)]| {
            let mut seen: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            let mut first = Vec::new();
            for (at, place) in places.iter().enumerate() {
                let times = seen.entry(*place).or_default();
                *times += 1;
                if *times <= OCCURRENCES {
                    first.push(at);
                }
            }
            first
        };
        let again = Job { scene: job.scene.clone(), steps: run.tape.clone(), ..Job::default() };
        let waits = first_times(&run.places).into_iter();
        let waits = waits.map(|at| Job { hangs_up_at: Some(at), ..again.clone() });
        let commands = first_times(&run.commands).into_iter().map(|at| {
            let mut job = again.clone();
            job.scene.gone_at = Some(at as u64 + 1);
            job
        });
        // Before all else: every caller hangs up some time.
        let jobs: Vec<Job> = waits.chain(commands).collect();
        for job in jobs.into_iter().rev() {
            self.queue.push_front(job);
        }
    }

    /// To vary what has just become known: prompts that were played, values the script reads.
    fn plan_facts(&mut self) {
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
        }
        if facts.texts && !self.words.texts {
            self.words = Arc::new(Words { texts: true, ..(*self.words).clone() });
        }
        self.tried = facts;
    }

    /// Something went wrong: a new problem, or one that is known.
    fn meet(&mut self, job: &Job, fault: Fault, tape: &[Step], endless: bool) {
        let key = key(&fault);
        if let Some(&problem) = self.keys.get(&key) {
            self.problems[problem].seen += 1;
            return;
        }
        if self.slow.contains(&key) || self.problems.len() >= MOST_PROBLEMS {
            return;
        }
        let job = Job { scene: job.scene.clone(), steps: tape.to_vec(), ..Job::default() };
        let is_long = endless || is_of_computing(&fault);
        // Given all the time there is, a script may come to another end than in a hurry.
        let confirmed = if is_long { self.play(&job, Patience::WHOLE).fault } else { Some(fault) };
        let Some(fault) = confirmed else {
            self.slow.insert(key);
            // It was cut short before.
            self.patience = Patience::USUAL;
            return;
        };
        let keys = [key, self::key(&fault)];
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
        let shows = |fault: &Fault| keys.contains(&self::key(fault));
        let holds = !is_long || self.play(&shorter, Patience::WHOLE).fault.as_ref().is_some_and(shows);
        let job = if holds { shorter } else { job };
        let random = ["random", "choose", "shuffle"].iter().any(|name| self.names.contains(*name));
        let test = scene::test(&self.script.name, &job.scene, &job.steps, &fault, random);
        for key in keys {
            self.keys.insert(key, self.problems.len());
        }
        self.problems.push(Problem { fault, seen: 1, test });
    }

    /// Makes one call.
    fn play(&mut self, job: &Job, patience: Patience) -> Run {
        let scene = &job.scene;
        let now = Time::from_unix(scene.time.unwrap_or(scene::USUAL_TIME));
        let noise = job.noise.map(|seed| Noise::new(seed, &self.words));
        let handle = Desk::open(now, job.steps.clone(), job.hangs_up_at, job.traced, noise, patience);
        let mut channel = Channel::new(scene.call(), Box::new(handle.clone()))
            .with_sounds(self.sounds(&scene.missing))
            .with_database(scene.database(Database::new()))
            .with_state(scene.state())
            .with_voice(scene.voice);
        if let Some(status) = scene.dial_status {
            channel = channel.with_dial_status(status);
        }
        for (name, value) in &scene.variables {
            channel.set_variable(name, value);
        }
        if let Some(command) = scene.gone_at {
            channel = channel.with_hangup_before_command(command);
        }
        let simulator = Simulator::new(channel).with_commands(self.host.language().commands());
        let line = Line::new(simulator, handle.clone());
        let mut host = self.host.clone();
        host.set_seed(scene.seed);
        let limits = host.limits_mut();
        limits.computing = limits.computing.min(patience.computing);
        let fault = match Session::begin(Box::new(line)) {
            Ok(mut session) => {
                session.observe(Arc::new(Watch::new(handle.clone(), &self.facts, &self.script.sources)));
                let outcome = host.run_quietly(session, &self.script, scene.args.clone());
                outcome.fault.map(|fault| *fault.in_full())
            }
            Err(error) => Some(Fault::new(&self.script.name, error.to_string())),
        };
        let mut desk = handle.desk();
        if !desk.played.is_empty() {
            let mut facts = lock(&self.facts);
            for prompt in desk.played.drain(..) {
                if !facts.prompts.contains(&prompt) {
                    facts.learn_prompt(prompt);
                }
            }
        }
        let endless = desk.endless;
        let fault = endless.map(|endless| self.endless(endless, desk.recent())).or(fault);
        Run {
            tape: std::mem::take(&mut desk.tape),
            fault,
            endless: endless.is_some(),
            waits: desk.waits,
            places: desk.places.take().unwrap_or_default(),
            commands: std::mem::take(&mut desk.commands),
        }
    }

    /// What is wrong with a script that goes on for ever, at the first line of what it does again and again.
    fn endless(&self, endless: Endless, recent: (caller::Place, caller::Place, bool)) -> Fault {
        let ((script, line), last, is_known) = recent;
        let last = if last.0 == script { last.1 } else { line };
        let name = self.script.sources.get(script).map_or(self.script.name.as_str(), |source| source.name.as_str());
        let lines = if last > line { format!("lines {line} to {last} are") } else { format!("line {line} is") };
        let message = match endless {
            Endless::Silence => {
                "the script never ends: its caller has been silent for an hour, and it goes on".to_owned()
            }
            Endless::Lines => {
                format!(
                    "the script never ends: {} commands or sleeps, and its caller has done nothing",
                    Patience::WHOLE.lines
                )
            }
        };
        let source = self.source(name, line);
        let column = source.chars().take_while(|letter| letter.is_whitespace()).count() + 1;
        let hint = Some(if is_known {
            format!("{lines} done again and again: a caller who does nothing has to get out of there some time")
        } else {
            "this was its last command; since then it only sleeps".to_owned()
        });
        Fault { hint, line, column, source, ..Fault::new(name, message) }
    }

    fn sounds(&mut self, missing: &BTreeSet<String>) -> Arc<Sounds> {
        if missing.is_empty() {
            return Arc::clone(&self.sounds);
        }
        if self.without.len() > 500 {
            self.without.clear();
        }
        let names: Vec<String> = missing.iter().cloned().collect();
        let all = &self.sounds;
        let fewer = || Arc::new(missing.iter().fold((**all).clone(), |sounds, name| sounds.without(name)));
        Arc::clone(self.without.entry(names).or_insert_with(fewer))
    }
}

fn is_of_computing(fault: &Fault) -> bool {
    fault.message.starts_with("the script computes")
}

/// What makes this problem another one than others: values in its message do not.
fn key(fault: &Fault) -> Key {
    let mut message = String::new();
    let mut quoted = false;
    for letter in fault.message.chars() {
        if letter == '"' {
            quoted = !quoted;
        }
        if !quoted && !letter.is_ascii_digit() && letter != '.' {
            message.push(letter);
        }
    }
    (fault.script.clone(), fault.line, message)
}

/// What a script and its imports may want to hear, and all names in them.
fn words(script: &Script, language: &Language) -> (Words, BTreeSet<String>) {
    let compiler = language.compiler();
    let (mut keys, mut values, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for source in script.sources.iter() {
        let Ok(ast) = compiler.compile_with_scope(Language::scope(), &source.text) else { continue };
        ast.walk(&mut |nodes: &[ASTNode]| {
            if let Some(ASTNode::Expr(expr)) = nodes.last() {
                match expr {
                    Expr::StringConstant(text, _) if (1..=16).contains(&text.len()) => {
                        values.insert(text.to_string());
                        if text.chars().all(|letter| crate::pbx::Digit::new(letter).is_some()) {
                            keys.insert(text.to_string());
                            // A list of keys is each of them.
                            keys.extend(text.chars().take(12).map(String::from));
                        }
                    }
                    Expr::IntegerConstant(number, _) if (0..=999_999).contains(number) => {
                        keys.insert(number.to_string());
                        values.insert(number.to_string());
                    }
                    Expr::FnCall(call, _) | Expr::MethodCall(call, _) => {
                        names.insert(call.name.to_string());
                    }
                    _ => {}
                }
            }
            true
        });
    }
    let (keys, values) = (keys.into_iter().collect(), values.into_iter().collect());
    (Words { keys, values, texts: false }, names)
}
