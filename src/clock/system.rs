//! The clocks of the system.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A reading of the clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading(Instant);

impl Reading {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since this reading.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Returns the time since the Unix epoch by the wall clock.
#[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
pub(super) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the processor time of this thread, in nanoseconds, so that neither load nor waiting counts against a
/// script.
pub(crate) fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[expect(clippy::disallowed_methods, reason = "the only place that sleeps")]
pub(super) fn sleep(length: Duration) {
    std::thread::sleep(length);
}
