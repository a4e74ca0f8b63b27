//! A clock that counts how often it is read, where there is no other: then time passes by what a script computes, and
//! the same call takes the same time whenever and wherever it is made.
//!
//! Scripts read the clock every 64 operations. So a second of computing, which is their limit, is some millions of
//! operations, as on a real clock.

use std::cell::Cell;
use std::time::Duration;

/// How much time passes by a reading, in nanoseconds.
const STEP: u64 = 10_000;
/// The time of the wall clock at the beginning, in seconds: 2026-01-01.
const BEGINNING: u64 = 1_767_225_600;

thread_local! {
    /// The time since the beginning, in nanoseconds.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// Sets the clock to its beginning. A run that begins so takes the same time as any other.
pub fn restart() {
    NOW.set(0);
}

fn read() -> u64 {
    let now = NOW.get() + STEP;
    NOW.set(now);
    now
}

/// A reading of the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading(u64);

impl Reading {
    pub fn now() -> Self {
        Self(read())
    }

    /// Returns the time since this reading.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(read().saturating_sub(self.0))
    }
}

/// Returns the time since the Unix epoch by the wall clock.
pub(super) fn since_epoch() -> Duration {
    Duration::from_secs(BEGINNING) + Duration::from_nanos(read())
}

/// Returns the processor time of this thread, in nanoseconds.
pub(crate) fn processor_time() -> i64 {
    i64::try_from(read()).unwrap_or(i64::MAX)
}

pub(super) fn sleep(length: Duration) {
    NOW.set(NOW.get() + u64::try_from(length.as_nanos()).unwrap_or(0));
}
