//! Runs what calls have left behind: functions of scripts, without a channel, and mails.
//!
//! A job is written down in the store before the call goes on, and is removed when it has succeeded. Whoever runs jobs
//! claims one for a while: a server, a process that a call has left behind, `agi-rhai jobs run`. If that one dies,
//! the claim passes, and another one runs the job. So each runs at least once, and only once unless its runner dies.

use super::Host;
use super::fault_log::log_fault;
use super::seed::random_seed;
use crate::agi::printable;
use crate::clock::{Stopwatch, Time, wall};
use crate::script::from_json;
use crate::script::{Fault, Finished, LoadError, Script};
use crate::service::jobs::{FUNCTION, MAIL};
#[cfg(feature = "mail")]
use crate::service::mail;
use crate::service::store::{Job, JobCounts, NewJob, Store};
use crate::service::{Services, wait_for as wait};
use crate::session::{Over, Session};
use crate::stack;
use crate::sync::{Bell, lock};
use crate::transport::{Failure, NoChannel};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex};
use std::task::Wake;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// How long a function may take, waiting included.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a job is claimed. A runner that dies delays it by as much.
const LEASE: Duration = Duration::from_secs(30);
/// How often the claim of a job that runs is prolonged.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
/// How often to look whether something is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often to count what is left, for the metrics.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// How long to wait for jobs that aren't due yet.
const SOON: Duration = Duration::from_secs(60);
/// How often to look while the store fails.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(5);
/// How many functions run at a time.
const MAX_FUNCTIONS: usize = 4;
/// How many jobs of one script or of one mail server run at a time, so that a slow one leaves others their turn.
const MAX_OF_ONE: usize = 2;
/// How long the removal of a job that has succeeded is tried, if the store fails meanwhile.
const FINISH_TRIES: u32 = 20;
/// How often a mail is tried that its server refuses for good.
const MAX_REFUSALS: u32 = 5;
/// When a job is due that was given up: never, unless somebody hurries it.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Returns how long a job rests after this many failures.
fn delay_after(failures: u32) -> Duration {
    Duration::from_secs(match failures {
        0 | 1 => 10,
        2 => 60,
        3 => 5 * 60,
        4 => 15 * 60,
        5 => 3600,
        6 => 3 * 3600,
        _ => 6 * 3600,
    })
}

/// Where the scripts of jobs are.
pub trait ScriptSource: Send + Sync {
    /// Whether there is a script of this name, as far as can be told without reading it.
    fn has(&self, name: &str) -> bool;

    /// Returns a script.
    ///
    /// # Errors
    /// It is missing, or has a fault.
    fn get(&self, name: &str, host: &Host) -> Result<Arc<Script>, LoadError>;
}

/// Scripts as files: those in a folder, and others by their whole paths.
#[derive(Debug)]
pub struct ScriptFiles(pub Option<PathBuf>);

impl ScriptFiles {
    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(name);
        if path.is_absolute() { Some(path.to_owned()) } else { Some(self.0.as_ref()?.join(path)) }
    }
}

impl ScriptSource for ScriptFiles {
    fn has(&self, name: &str) -> bool {
        self.path(name).is_some_and(|path| path.is_file())
    }

    fn get(&self, name: &str, host: &Host) -> Result<Arc<Script>, LoadError> {
        let missing = || LoadError::Missing(name.into(), io::ErrorKind::NotFound.into());
        host.load(&self.path(name).ok_or_else(missing)?, self.0.as_deref()).map(Arc::new)
    }
}

/// Runs jobs, on threads of their own.
#[derive(Clone)]
pub struct JobRunner(Arc<Shared>);

struct Shared {
    host: Host,
    services: Services,
    scripts: Box<dyn ScriptSource>,
    /// The name under which it claims jobs.
    owner: String,
    /// The jobs that run, by number.
    running: Mutex<BTreeMap<u64, Running>>,
    clock: Stopwatch,
    is_stopping: AtomicBool,
    /// Rings when a job has ended, and when there may be a new one.
    bell: Arc<Bell>,
}

/// A job that runs.
struct Running {
    job: Job,
    /// When the claim was prolonged.
    claimed: Time,
}

/// The thread that runs jobs until it is stopped.
#[derive(Debug)]
pub struct RunningJobs {
    runner: JobRunner,
    thread: JoinHandle<()>,
}

/// A job in a list.
#[derive(Clone, Debug)]
pub struct ListedJob {
    /// Its number.
    pub id: u64,
    /// `function` or `mail`.
    pub kind: String,
    /// The script, or the mail server.
    pub subject: String,
    /// The function, or whom the mail is for.
    pub what: String,
    /// When it was written down, in seconds since the Unix epoch.
    pub created: f64,
    /// When it is due; `None` if it was given up.
    pub due: Option<f64>,
    /// How often it has failed.
    pub attempts: u32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// Who runs it at the moment.
    pub owner: Option<String>,
}

/// Why a job didn't succeed.
struct Trouble {
    message: String,
    is_permanent: bool,
}

impl Trouble {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_permanent: false }
    }
}

impl std::fmt::Debug for JobRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobRunner").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}

impl JobRunner {
    /// Creates a runner of the jobs of a host's services; `None` if the host has none.
    #[must_use]
    pub fn new(host: Host, scripts: Box<dyn ScriptSource>) -> Option<Self> {
        let services = host.services()?.clone();
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let owner = format!("{}:{}:{:08x}", machine.trim(), std::process::id(), random_seed() >> 32);
        let bell = Arc::clone(&services.jobs().bell);
        Some(Self(Arc::new(Shared {
            host,
            services,
            scripts,
            owner,
            running: Mutex::default(),
            clock: Stopwatch::start(),
            is_stopping: AtomicBool::new(false),
            bell,
        })))
    }

    /// Runs jobs on a thread until it is stopped.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(self) -> io::Result<RunningJobs> {
        let runner = self.clone();
        let thread = Builder::new().name("jobs".to_owned()).spawn(move || runner.keep_running())?;
        Ok(RunningJobs { runner: self, thread })
    }

    /// Returns how many jobs have succeeded, and how many attempts have failed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let queue = self.0.services.jobs();
        (queue.done.load(Relaxed), queue.failed.load(Relaxed))
    }

    fn keep_running(&self) {
        let mut had_trouble = false;
        let mut counted: Option<Time> = None;
        while !self.0.is_stopping.load(Acquire) {
            let wait = match self.start_due() {
                Ok(()) => {
                    if std::mem::take(&mut had_trouble) {
                        info!("jobs run again");
                    }
                    LOOK_INTERVAL
                }
                Err(failure) => {
                    if !std::mem::replace(&mut had_trouble, true) {
                        warn!("jobs can't run for now: {failure}");
                    }
                    TROUBLE_INTERVAL
                }
            };
            let now = self.0.clock.now();
            if counted.is_none_or(|counted| now - counted >= COUNT_INTERVAL) {
                counted = Some(now);
                if let Err(failure) = self.count_left() {
                    debug!(%failure, "jobs can't be counted");
                }
            }
            self.0.bell.wait(wait);
        }
    }

    /// Counts what is left to do, for the metrics: who looks at those must not wait for the store.
    ///
    /// # Errors
    /// The store fails.
    pub fn count_left(&self) -> Result<(), Failure> {
        let services = &self.0.services;
        let counts = if services.may_have_jobs() {
            wait(async { services.store()?.count_jobs().await })?
        } else {
            JobCounts::default()
        };
        services.jobs().note_left(counts);
        Ok(())
    }

    /// Runs everything that is due, and waits for its end.
    ///
    /// # Errors
    /// The store fails.
    pub fn run_due(&self) -> Result<(), Failure> {
        loop {
            // A job that ends between the two leaves a ring behind.
            let is_idle = lock(&self.0.running).is_empty();
            let before = self.counts();
            self.start_due()?;
            if is_idle && lock(&self.0.running).is_empty() && self.counts() == before {
                return Ok(());
            }
            self.0.bell.wait(LOOK_INTERVAL);
        }
    }

    /// Runs everything that is due now or soon. Returns whether nothing is left but what was given up, or what it can't
    /// run.
    ///
    /// # Errors
    /// The store fails.
    pub fn run_all(&self) -> Result<bool, Failure> {
        let clock = Stopwatch::start();
        while clock.elapsed() < SOON {
            self.run_due()?;
            if !self.has_work()? {
                return Ok(true);
            }
            self.0.bell.wait(LOOK_INTERVAL);
        }
        Ok(false)
    }

    /// Whether there are jobs that it can run, now or later.
    ///
    /// # Errors
    /// The store fails.
    pub fn has_work(&self) -> Result<bool, Failure> {
        if !self.0.services.may_have_jobs() {
            return Ok(false);
        }
        let jobs = wait(async { self.0.services.store()?.jobs().await })?;
        Ok(jobs.iter().any(|job| !job.was_given_up() && self.0.can_run(&job.new)))
    }

    /// Starts jobs that are due, as many as may run at a time.
    fn start_due(&self) -> Result<(), Failure> {
        let shared = &self.0;
        if !shared.services.may_have_jobs() {
            return Ok(());
        }
        let store = shared.services.store()?;
        shared.renew(&store)?;
        while !shared.is_stopping.load(Acquire) {
            let can_do = |job: &NewJob| shared.has_room(job) && shared.can_run(job);
            let Some(job) = wait(store.claim_job(&shared.owner, LEASE, &can_do))? else { return Ok(()) };
            shared.begin(&job);
            let (runner, held, running) = (Arc::clone(shared), Arc::clone(&store), job.clone());
            let started = Builder::new().name("job".to_owned()).stack_size(stack::SIZE).spawn(move || {
                stack::mark_large();
                runner.run(&held, &running);
                runner.end(&running);
            });
            if let Err(error) = started {
                shared.end(&job);
                let why = format!("no thread: {error}");
                return wait(store.retry_job(&job, &shared.owner, delay_after(job.attempts + 1), &why));
            }
        }
        Ok(())
    }
}

impl Shared {
    fn can_run(&self, job: &NewJob) -> bool {
        match job.kind.as_str() {
            MAIL => self.services.settings().mail.contains_key(&job.subject),
            FUNCTION => self.scripts.has(&job.subject),
            _ => false,
        }
    }

    fn has_room(&self, job: &NewJob) -> bool {
        let running = lock(&self.running);
        let is_same = |new: &NewJob| (&new.kind, &new.subject) == (&job.kind, &job.subject);
        let of_this = running.values().filter(|running| is_same(&running.job.new)).count();
        let functions = || running.values().filter(|running| running.job.new.kind == FUNCTION).count();
        of_this < MAX_OF_ONE && (job.kind != FUNCTION || functions() < MAX_FUNCTIONS)
    }

    fn begin(&self, job: &Job) {
        let running = Running { job: job.clone(), claimed: self.clock.now() };
        lock(&self.running).insert(job.id, running);
    }

    fn end(&self, job: &Job) {
        lock(&self.running).remove(&job.id);
        self.bell.wake_by_ref();
    }

    /// Prolongs the claims of jobs that run.
    fn renew(&self, store: &Store) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut due = Vec::new();
        for running in lock(&self.running).values_mut() {
            if now - running.claimed >= RENEWAL_INTERVAL {
                running.claimed = now;
                due.push(running.job.clone());
            }
        }
        for job in due {
            if !wait(store.renew_job(&job, &self.owner, LEASE))? {
                debug!(job = job.id, "somebody else has claimed a job that runs here");
            }
        }
        Ok(())
    }

    /// Runs a job, and notes how it ended.
    fn run(&self, store: &Store, job: &Job) {
        let result = match job.new.kind.as_str() {
            FUNCTION => self.function(job),
            _ => self.mail(job),
        };
        let (id, name) = (job.id, name(&job.new));
        match result {
            Ok(()) => {
                self.services.jobs().done.fetch_add(1, Relaxed);
                info!(job = id, "{name} is done");
                self.finish(store, job);
            }
            Err(trouble) => {
                self.services.jobs().failed.fetch_add(1, Relaxed);
                let failures = job.attempts + 1;
                let gives_up = trouble.is_permanent && failures >= MAX_REFUSALS;
                let delay = if gives_up { NEVER } else { delay_after(failures) };
                if gives_up {
                    self.services.jobs().given_up.fetch_add(1, Relaxed);
                    error!(job = id, "{name} was given up after {failures} attempts: {}", trouble.message);
                } else {
                    let seconds = delay.as_secs();
                    warn!(job = id, "{name} failed, and is tried again in {seconds} s: {}", trouble.message);
                }
                if let Err(failure) = wait(store.retry_job(job, &self.owner, delay, &trouble.message)) {
                    // The claim passes.
                    warn!(job = id, "{name} is tried again in {} s: {failure}", LEASE.as_secs());
                }
            }
        }
    }

    /// Removes a job that has succeeded, so that it doesn't run again.
    fn finish(&self, store: &Store, job: &Job) {
        for _ in 0..FINISH_TRIES {
            match wait(store.finish_job(job, &self.owner)) {
                Ok(()) => return,
                Err(failure) => {
                    debug!(job = job.id, %failure, "a job can't be removed yet");
                    crate::clock::sleep(LOOK_INTERVAL);
                }
            }
        }
        error!(job = job.id, "{} is done, but can't be removed, and will run again", name(&job.new));
    }

    /// Runs a function of a script.
    fn function(&self, job: &Job) -> Result<(), Trouble> {
        let function = job.new.content["function"].as_str().unwrap_or_default();
        let prefix = format!("job {}: ", job.id);
        let script = self.scripts.get(&job.new.subject, &self.host).map_err(|error| {
            if let LoadError::Fault(fault) = &error {
                log_fault(&prefix, None, fault);
            }
            Trouble::new(format!("{error:#}"))
        })?;
        let session = Session::begin(Box::new(NoChannel::for_at_most(TIME_LIMIT)));
        let mut session = session.map_err(|error| Trouble::new(error.to_string()))?;
        let knows_a_secret = job.new.content["secret"] == true;
        if knows_a_secret {
            session.know_a_secret();
        }
        let seed = self.host.seed.unwrap_or_else(random_seed);
        let call = self.host.state(session, Vec::new(), BTreeMap::new(), seed);
        let language = self.host.language();
        let value = from_json(&job.new.content["value"]);
        let finished = catch_unwind(AssertUnwindSafe(|| call.run_job(&script, language, function, value)));
        let fault = match finished {
            Ok(Finished::Completed) => return Ok(()),
            Ok(Finished::Over(Over::Stopped)) => {
                let seconds = TIME_LIMIT.as_secs();
                return Err(Trouble::new(format!("`{function}` took longer than {seconds} s")));
            }
            Ok(Finished::Over(over)) => return Err(Trouble::new(over.to_string())),
            Ok(Finished::Fault(fault)) => fault,
            Err(panic) => {
                let of = if knows_a_secret { Fault::of_discreet_panic } else { Fault::of_panic };
                of(script.name(), "a function", &*panic)
            }
        };
        log_fault(&prefix, None, &fault);
        Err(Trouble::new(fault.to_string()))
    }

    #[cfg(feature = "mail")]
    fn mail(&self, job: &Job) -> Result<(), Trouble> {
        let outgoing: mail::Outgoing = serde_json::from_value(job.new.content.clone())
            .map_err(|error| Trouble { message: format!("it can't be read: {error}"), is_permanent: true })?;
        let sent = wait(async { Ok(self.services.send_mail(&job.new.subject, &outgoing).await) });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(undelivered)) => {
                Err(Trouble { message: undelivered.failure.message, is_permanent: undelivered.is_permanent })
            }
            Err(failure) => Err(Trouble::new(failure.message)),
        }
    }

    #[cfg(not(feature = "mail"))]
    #[expect(clippy::unused_self, reason = "the one with mails needs it")]
    fn mail(&self, _: &Job) -> Result<(), Trouble> {
        Err(Trouble::new("this program was built without the feature `mail`"))
    }
}

impl RunningJobs {
    /// Returns the runner.
    #[must_use]
    pub fn runner(&self) -> &JobRunner {
        &self.runner
    }

    /// Begins no further jobs, and waits for those that run, at most this long. What isn't done by then runs again
    /// elsewhere.
    pub fn stop(self, at_most: Duration) {
        let shared = &self.runner.0;
        shared.is_stopping.store(true, Release);
        shared.bell.wake_by_ref();
        let _ = self.thread.join();
        let clock = Stopwatch::start();
        while !lock(&shared.running).is_empty() && clock.elapsed() < at_most {
            shared.bell.wait(Duration::from_millis(100));
        }
    }
}

/// Returns what a job is called in the log.
fn name(job: &NewJob) -> String {
    let subject = printable(&job.subject);
    match job.kind.as_str() {
        FUNCTION => format!("`{}` of {subject}", printable(job.content["function"].as_str().unwrap_or_default())),
        _ => format!("a mail through `{subject}`"),
    }
}

/// Lists all jobs, the next one that is due first.
///
/// # Errors
/// The store fails.
pub fn list(services: &Services) -> Result<Vec<ListedJob>, Failure> {
    if !services.may_have_jobs() {
        return Ok(Vec::new());
    }
    let listed = |job: Job| {
        let content = &job.new.content;
        let to = || content["to"].as_array().map(|to| to.iter().filter_map(|to| to.as_str()).collect::<Vec<_>>());
        ListedJob {
            id: job.id,
            what: match job.new.kind.as_str() {
                FUNCTION => content["function"].as_str().unwrap_or_default().to_owned(),
                _ => to().unwrap_or_default().join(", "),
            },
            due: (!job.was_given_up()).then_some(job.due),
            kind: job.new.kind,
            subject: job.new.subject,
            created: job.created,
            attempts: job.attempts,
            error: job.error,
            owner: job.owner,
        }
    };
    Ok(wait(async { services.store()?.jobs().await })?.into_iter().map(listed).collect())
}

/// Removes a job. Returns false if there is no such job.
///
/// # Errors
/// The store fails.
pub fn remove(services: &Services, id: u64) -> Result<bool, Failure> {
    if !services.may_have_jobs() {
        return Ok(false);
    }
    wait(async { services.store()?.drop_job(id).await })
}

/// Makes a job due now. Returns false if there is no such job.
///
/// # Errors
/// The store fails.
pub fn hurry(services: &Services, id: u64) -> Result<bool, Failure> {
    if !services.may_have_jobs() {
        return Ok(false);
    }
    wait(async { services.store()?.hurry_job(id).await })
}

/// Waits until the jobs of calls that have ended are due. Returns whether calls have left any.
#[must_use]
pub fn settle(services: &Services) -> bool {
    let queue = services.jobs();
    queue.settle(Duration::from_secs(5));
    queue.added() > 0
}

/// Returns the present moment, in seconds since the Unix epoch.
#[must_use]
pub fn now() -> f64 {
    wall().since_epoch().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_tried_later_and_later() {
        let delays: Vec<u64> = (1..10).map(|failures| delay_after(failures).as_secs()).collect();
        assert_eq!(delays, [10, 60, 300, 900, 3600, 10800, 21600, 21600, 21600]);
    }
}
