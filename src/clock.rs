//! Moments and lengths of time: the only file that asks the machine what time it is.
//!
//! Time belongs to the peer: a real line lives in real time ([`Stopwatch`]), a simulated one in the time of its caller.
//! Whoever waits does so by asking its transport, so nothing else in the crate reads a clock or sleeps.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, counted from the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// A moment that never comes: a wait until then ends only when something happens.
    pub const NEVER: Self = Self(Duration::MAX);

    /// The moment this many seconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The time passed since the Unix epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length))
    }
}

/// The length between two moments; nothing when the other one is later.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { write!(f, "{:.3}s", self.0.as_secs_f64()) }
    }
}

/// Lengths of real time: the wall clock's reading at the start, carried on by the monotonic clock, so that a wall clock
/// that is set moves no deadline. What time it is, [`wall`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Duration,
    started: Instant,
}

impl Stopwatch {
    /// Reads both clocks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks what time it is")]
    pub fn start() -> Self {
        Self { wall: wall().0, started: Instant::now() }
    }

    /// The time passed since the start.
    #[must_use]
    pub fn running(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment it is now, by this stopwatch: it never jumps.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.wall + self.started.elapsed())
    }
}

/// What the machine's clock shows at this moment. It jumps when it is set, and goes on while the machine sleeps.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks what time it is")]
pub fn wall() -> Time {
    let time = Time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    #[cfg(test)]
    let time = time + Duration::from_secs(SET_FORWARD.load(std::sync::atomic::Ordering::Relaxed));
    time
}

/// By how many seconds a test has set the machine's clock forward.
#[cfg(test)]
pub(crate) static SET_FORWARD: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Lets the thread sleep. For lines that cannot be waited on; everything else waits for its peer.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
pub fn sleep(length: Duration) {
    std::thread::sleep(length);
}
