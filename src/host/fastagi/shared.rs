//! The state that all threads of a server share.

use super::admission::CallSlots;
use super::stuck::StuckCalls;
use super::worker::{Message, WorkerQueue};
use crate::clock::{Stopwatch, Time};
use crate::host::Host;
use crate::host::connection::WakeCalls;
use crate::host::coroutine::TaskId;
use crate::host::live::Live;
use crate::host::metrics::Metrics;
use crate::script::Library;
use crate::sync::lock;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing::{error, warn};

/// The state that all threads of a server share.
pub(super) struct Shared {
    pub host: Host,
    pub library: Library,
    pub slots: Arc<CallSlots>,
    pub metrics: Arc<Metrics>,
    pub clock: Stopwatch,
    pub live: Mutex<BTreeMap<u64, RunningCall>>,
    pub next_id: AtomicU64,
    /// Refusals under way.
    pub refusals: AtomicUsize,
    pub queues: Vec<WorkerQueue>,
    /// The threads that run calls, some of which may have ended.
    pub threads: Mutex<Vec<JoinHandle<()>>>,
    /// Calls that keep a thread to themselves.
    pub stuck: StuckCalls,
    pub draining: AtomicBool,
    /// Whether the server has ended, so that there is nothing left to watch.
    pub ended: AtomicBool,
    pub broken: AtomicBool,
    pub thread_memory: Option<fn() -> isize>,
    pub warnings: Warnings,
}

/// A live call, and where it runs.
pub(super) struct RunningCall {
    pub live: Arc<Live>,
    pub worker: usize,
    pub task: TaskId,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("admission", &self.slots.admission)
            .field("calls", &self.slots.calls())
            .finish_non_exhaustive()
    }
}

impl WakeCalls for Shared {
    fn wake(&self, worker: usize, task: TaskId) {
        // A worker that has ended has no calls.
        let _ = self.queues[worker].push(Message::Wake(task));
    }
}

impl Shared {
    /// Whether there are calls or refusals.
    pub fn has_calls(&self) -> bool {
        self.slots.calls() > 0 || self.refusals.load(Relaxed) > 0
    }

    /// Returns the name of a call for the log.
    pub fn name_of(&self, worker: usize, task: TaskId) -> String {
        let live = lock(&self.live);
        let found = live.values().find(|seat| (seat.worker, seat.task) == (worker, task));
        found.map_or_else(|| "a call".to_owned(), |seat| seat.live.name())
    }

    /// Notes that a worker has died.
    pub fn worker_failed(&self, worker: usize, why: &str) {
        error!("a thread of calls has ended: {why}");
        self.broken.store(true, Relaxed);
        self.queues[worker].listens.store(false, Release);
    }
}

/// Warnings that any connection may cause: at most one per second of each kind is logged, and the others are counted.
#[derive(Default)]
pub(super) struct Warnings(Mutex<HashMap<&'static str, (Time, u64)>>);

impl Warnings {
    pub fn warn(&self, now: Time, kind: &'static str, message: impl FnOnce() -> String) {
        let mut logged = lock(&self.0);
        let (last, suppressed) = logged.entry(kind).or_default();
        if now - *last < Duration::from_secs(1) {
            *suppressed += 1;
            return;
        }
        *last = now;
        let suppressed = std::mem::take(suppressed);
        drop(logged);
        if suppressed == 0 {
            warn!("{}", message());
        } else {
            warn!("{} ({suppressed} more of the kind since the last line)", message());
        }
    }
}
