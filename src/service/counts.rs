//! What is counted of each service, for metrics.

use crate::histogram::Histogram;
use crate::transport::{Answer, FailureKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The kinds of failures, in the order in which they are counted.
pub(crate) const KINDS: [FailureKind; 3] = [FailureKind::Argument, FailureKind::Unavailable, FailureKind::Failed];

/// The counters of a service.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests, answered or not.
    pub requests: AtomicU64,
    /// Failures by kind, as in [`KINDS`].
    pub failures: [AtomicU64; KINDS.len()],
    /// How long answers and failures took.
    pub seconds: Histogram,
    /// Requests on their way.
    pub running: AtomicUsize,
    /// How many may be on their way at a time.
    pub at_once: AtomicUsize,
    /// Whether requests fail at once because the service has failed too often.
    pub is_open: AtomicBool,
}

impl Counts {
    /// Counts an answer.
    pub fn answered(&self, answer: &Answer, length: Duration) {
        if let Err(failure) = answer
            && let Some(kind) = KINDS.iter().position(|kind| *kind == failure.kind)
        {
            self.failures[kind].fetch_add(1, Relaxed);
        }
        self.seconds.add(length);
    }

    /// Counts a request as running for as long as the result lives.
    pub(super) fn running(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Relaxed);
        Running(Arc::clone(self))
    }
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Running(Arc<Counts>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}
