//! Jobs that calls leave behind: mails, and functions that run when the call is over.
//!
//! A function's job rests while its call lives, which puts it off again and again. So it is due soon after the call has
//! ended, however it ended: even if the process was killed.

use super::runtime;
use super::store::{JobCounts, NewJob, Store};
use crate::clock::Stopwatch;
use crate::sync::{Bell, lock};
use crate::transport::{Answer, Failure, Request};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, Weak};
use std::task::Wake;
use std::time::Duration;
use tracing::debug;

/// How long a job rests if nobody puts it off.
const REST: Duration = Duration::from_secs(20);
/// How often a call puts its jobs off.
const PUT_OFF_INTERVAL: Duration = Duration::from_secs(5);

/// The jobs that the calls of a host leave behind.
#[derive(Debug, Default)]
pub(crate) struct JobQueue {
    /// Rings when there may be something to do.
    pub bell: Arc<Bell>,
    /// How many jobs there have been.
    added: AtomicUsize,
    /// How many calls are making their jobs due.
    releasing: AtomicUsize,
    /// Rings when one of them is done.
    released: Arc<Bell>,
    /// How many jobs have succeeded here.
    pub done: AtomicU64,
    /// How many attempts have failed here.
    pub failed: AtomicU64,
    /// How many jobs were given up here.
    pub given_up: AtomicU64,
    /// How many jobs were left when they were counted, and the time since then.
    left: Mutex<Option<(JobCounts, Stopwatch)>>,
}

impl JobQueue {
    /// Returns how many jobs there have been.
    pub fn added(&self) -> usize {
        self.added.load(Acquire)
    }

    /// Notes how many jobs are left now.
    pub fn note_left(&self, counts: JobCounts) {
        *lock(&self.left) = Some((counts, Stopwatch::start()));
    }

    /// Returns how many jobs were left when they were counted, and how old the oldest one is now; `None` if nobody has
    /// counted yet. While the store fails, so that they can't be counted, the oldest one grows older.
    pub fn left(&self) -> Option<JobCounts> {
        let (mut counts, since) = (*lock(&self.left))?;
        if counts.waiting + counts.failing > 0 {
            counts.oldest += since.elapsed().as_secs_f64();
        }
        Some(counts)
    }

    /// Waits until the jobs of calls that have ended are due, at most this long.
    pub fn settle(&self, at_most: Duration) {
        let clock = Stopwatch::start();
        while self.releasing.load(Acquire) > 0 && clock.elapsed() < at_most {
            self.released.wait(Duration::from_millis(100));
        }
    }
}

/// The jobs of a call. When this is dropped, the call is over, and they are due.
#[derive(Debug)]
pub(crate) struct CallJobs {
    queue: Arc<JobQueue>,
    resting: Mutex<Vec<(Arc<Store>, u64)>>,
}

impl CallJobs {
    /// Begins a call.
    pub fn new(queue: &Arc<JobQueue>) -> Arc<Self> {
        Arc::new(Self { queue: Arc::clone(queue), resting: Mutex::default() })
    }

    /// Puts a job off until the call is over.
    fn keep(self: &Arc<Self>, store: Arc<Store>, id: u64) {
        let mut resting = lock(&self.resting);
        resting.push((store, id));
        if resting.len() == 1
            && let Ok(runtime) = runtime()
        {
            runtime.spawn(put_off(Arc::downgrade(self)));
        }
    }
}

/// Puts the jobs of a call off, again and again, while it lives.
async fn put_off(call: Weak<CallJobs>) {
    loop {
        tokio::time::sleep(PUT_OFF_INTERVAL).await;
        // The call isn't over for anybody while this holds it.
        let Some(call) = call.upgrade() else { return };
        let resting = lock(&call.resting).clone();
        for (store, id) in resting {
            if let Err(failure) = store.put_off_job(id, REST).await {
                debug!(job = id, %failure, "a job may run before its call is over");
            }
        }
    }
}

impl Drop for CallJobs {
    fn drop(&mut self) {
        let resting = std::mem::take(&mut *lock(&self.resting));
        // The runtime isn't started for calls that leave nothing.
        if !resting.is_empty() {
            self.release(resting);
        }
    }
}

impl CallJobs {
    /// Lets jobs be done. On its own, since it takes 26 KiB of the stack, which most calls need not pay for.
    #[inline(never)]
    fn release(&self, resting: Vec<(Arc<Store>, u64)>) {
        let Ok(runtime) = runtime() else { return };
        let queue = Arc::clone(&self.queue);
        queue.releasing.fetch_add(1, AcqRel);
        runtime.spawn(async move {
            for (store, id) in resting {
                if let Err(failure) = store.put_off_job(id, Duration::ZERO).await {
                    debug!(job = id, %failure, "a job is due a little later");
                }
            }
            queue.releasing.fetch_sub(1, AcqRel);
            queue.released.wake_by_ref();
            queue.bell.wake_by_ref();
        });
    }
}

/// Writes a job down. That of a function rests while its call lives.
pub(super) async fn leave(
    mut job: NewJob,
    store: Arc<Store>,
    queue: &JobQueue,
    call: Option<&Arc<CallJobs>>,
) -> Answer {
    let call = call.filter(|_| job.kind == FUNCTION);
    job.delay = if call.is_some() { REST } else { Duration::ZERO };
    let id = store.add_job(&job).await?;
    queue.added.fetch_add(1, Release);
    match call {
        Some(call) => call.keep(store, id),
        None => queue.bell.wake_by_ref(),
    }
    Ok(Value::Null)
}

/// The kind of a job that runs a function of a script.
pub(crate) const FUNCTION: &str = "function";
/// The kind of a job that sends a mail.
pub(crate) const MAIL: &str = "mail";

/// Returns the job that `after_call` asks for. `folder` is that of the scripts.
pub(super) fn after_call(request: &Request, folder: Option<&Path>) -> Result<NewJob, Failure> {
    let script = request.text("script");
    if script.is_empty() {
        return Err(Failure::argument("there is no script whose function could run"));
    }
    let mut content = json!({ "function": request.text("function"), "value": request.argument("value") });
    if request.argument("secret") == true {
        content["secret"] = true.into();
    }
    Ok(NewJob {
        kind: FUNCTION.to_owned(),
        subject: name_of(Path::new(script), folder),
        content,
        delay: Duration::ZERO,
    })
}

/// Returns the name by which a script is found again, also by another server: within the folder of scripts. A script
/// elsewhere has its whole path.
fn name_of(script: &Path, folder: Option<&Path>) -> String {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let script = whole(script);
    let within = folder.and_then(|folder| script.strip_prefix(whole(folder)).ok());
    within.unwrap_or(&script).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_named_within_their_folder() {
        let named = |script: &str, folder: Option<&str>| name_of(Path::new(script), folder.map(Path::new));
        assert_eq!(named("/srv/scripts/games/guess.rhai", Some("/srv/scripts")), "games/guess.rhai");
        assert_eq!(named("/srv/scripts/guess.rhai", Some("/srv/other")), "/srv/scripts/guess.rhai");
        assert_eq!(named("/srv/scripts/guess.rhai", None), "/srv/scripts/guess.rhai");
        let here = std::env::current_dir().unwrap();
        assert_eq!(named("scripts/guess.rhai", Some("./scripts")), "guess.rhai");
        assert_eq!(named("guess.rhai", None), here.join("guess.rhai").to_string_lossy());
    }
}
