//! Histograms of durations, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of the buckets, in microseconds. They range from the time of a script's step to that of a
/// caller's answer.
#[rustfmt::skip]
pub(crate) const BOUNDS: [u64; 21] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The number of buckets of a histogram. The last one is for times above all bounds.
pub(crate) const BUCKETS: usize = BOUNDS.len() + 1;

/// How many durations there were of each length, and their sum.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    pub buckets: [AtomicU64; BUCKETS],
    pub nanos: AtomicU64,
}

impl Histogram {
    /// Counts a duration. Many threads may do so at a time.
    pub fn add(&self, length: Duration) {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS.partition_point(|bound| bound * 1_000 < nanos)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }
}
