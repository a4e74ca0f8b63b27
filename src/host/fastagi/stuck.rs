//! Calls that keep a thread to themselves, because one step of their script takes long.

use crate::clock::Time;
use crate::host::coroutine::TaskId;
use crate::sync::lock;
use std::sync::Mutex;
use std::time::Duration;

/// After this time in one step of its script, a call is reported.
const REPORT_AFTER: Duration = Duration::from_secs(1);
/// The maximum number of calls that have threads to themselves.
pub(super) const MAX_STUCK: usize = 256;

/// A call that keeps a thread to itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck {
    pub worker: usize,
    pub run: u64,
    pub task: TaskId,
    pub since: Time,
    pub reported: bool,
}

/// All calls that keep threads to themselves.
#[derive(Debug, Default)]
pub(super) struct StuckCalls(Mutex<Vec<Stuck>>);

impl StuckCalls {
    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        lock(&self.0).len() >= MAX_STUCK
    }

    pub fn add(&self, call: Stuck) {
        lock(&self.0).push(call);
    }

    /// Removes a call that has come to where it waits.
    pub fn remove(&self, worker: usize, run: u64) -> Option<Stuck> {
        let mut calls = lock(&self.0);
        let index = calls.iter().position(|call| call.worker == worker && call.run == run)?;
        Some(calls.swap_remove(index))
    }

    /// Does something for each call that has become worth reporting.
    pub fn report(&self, now: Time, mut report: impl FnMut(&Stuck)) {
        for call in lock(&self.0).iter_mut().filter(|call| !call.reported && call.is_long(now)) {
            call.reported = true;
            report(call);
        }
    }

    /// Returns how many calls have been in one step for longer than a second.
    pub fn count(&self, now: Time) -> usize {
        lock(&self.0).iter().filter(|call| call.is_long(now)).count()
    }

    /// Whether this call has a thread to itself.
    pub fn contains(&self, worker: usize, task: TaskId) -> bool {
        lock(&self.0).iter().any(|call| call.worker == worker && call.task == task)
    }
}

impl Stuck {
    fn is_long(&self, now: Time) -> bool {
        now - self.since >= REPORT_AFTER
    }
}
