//! Moments and durations: the only folder that reads a clock.
//!
//! Time belongs to the peer: a real line has real time ([`Stopwatch`]), a simulated one that of its caller. All
//! waiting goes through the transport, so nothing else in this crate reads a clock or sleeps.

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
mod counted;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
mod system;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
use counted as source;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
use system as source;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
#[doc(hidden)]
pub use counted::restart;
pub(crate) use source::processor_time;

use source::Reading;
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment, as the time since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// A moment that never comes. A wait until then ends only with an event.
    pub const NEVER: Self = Self(Duration::MAX);

    /// Returns the moment this many seconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Returns the time since the Unix epoch.
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

/// The time between two moments; zero if the other one is later.
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

/// Real time that never jumps: the wall clock at the start, continued by the monotonic clock. So setting the wall
/// clock doesn't move deadlines. [`wall`] reads the wall clock itself.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Duration,
    started: Reading,
}

impl Stopwatch {
    /// Reads both clocks.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: wall().0, started: Reading::now() }
    }

    /// Starts at another time than the wall clock's.
    #[must_use]
    pub fn starting_at(time: Time) -> Self {
        Self { wall: time.0, started: Reading::now() }
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the current time of this stopwatch, which never jumps.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.wall + self.started.elapsed())
    }
}

/// Returns the time of the wall clock, which jumps when it is set, and goes on while the machine sleeps.
#[must_use]
pub fn wall() -> Time {
    let time = Time(source::since_epoch());
    #[cfg(test)]
    let time = time + Duration::from_secs(SET_FORWARD.load(std::sync::atomic::Ordering::Relaxed));
    time
}

/// The seconds by which a test has set the wall clock forward.
#[cfg(test)]
pub(crate) static SET_FORWARD: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Puts the thread to sleep. This is only for lines that can't be polled; everything else waits for its peer.
pub fn sleep(length: Duration) {
    source::sleep(length);
}
