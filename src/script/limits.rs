//! What a script may use: limits, and how its use of memory, stack and processor is measured.

use rustix::time::{ClockId, clock_gettime};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A script may use so much of its stack. The rest of [`stack::SIZE`] is left to what is done between two operations:
/// to drop nested values, for instance, takes megabytes.
pub(crate) const MAX_STACK: usize = 4 * 1024 * 1024;
/// What a script may use. Waiting does not count.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Computing between two commands, as time of the processor. In real time a script may be busy ten times as long.
    pub computing: Duration,
    /// The time `on_hangup` has, waiting included.
    pub on_hangup: Duration,
    /// Functions calling functions.
    pub calls: usize,
    /// Bytes of one text.
    pub text: usize,
    /// Elements of one array or map, those inside it included.
    pub elements: usize,
    /// Variables that are there at a time.
    pub variables: usize,
    /// Bytes of memory of one call, as its [`Memory`] counts them; without one there is no limit.
    pub memory: usize,
    /// Bytes of all that is printed in one call, with 128 for each line.
    pub printed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            computing: Duration::from_secs(1),
            on_hangup: Duration::from_secs(5),
            calls: 64,
            text: 1024 * 1024,
            elements: 2048,
            variables: 1024,
            memory: 16 * 1024 * 1024,
            printed: 1024 * 1024,
        }
    }
}

/// How much memory this thread holds, from whoever owns the allocator: a library does not.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes held by what this thread allocated; less than nothing where it freed what others had.
    pub used: fn() -> isize,
}

/// Processor time of this thread: neither load nor waiting counts against a script.
pub(crate) fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Where the stack stands.
#[inline]
pub(crate) fn address_in_stack() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

/// Locks, also where a panic has left the value as it was.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
