//! The limits of a script, and how its use of memory, stack and processor is measured.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How much of its stack a script may use, in bytes. The rest of [`stack::SIZE`](crate::stack::SIZE) is left to the
/// work between two operations: dropping nested values, for instance, takes megabytes.
pub(crate) const MAX_STACK: usize = 4 * 1024 * 1024;

/// The limits of a script. Waiting counts only in `on_hangup`.
///
/// Limits may be added: begin with [`Limits::default`], and set the fields that differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How long the script may compute between two commands, in processor time. In real time it may be busy ten times
    /// as long.
    pub computing: Duration,
    /// How long `on_hangup` may run, waiting included.
    pub on_hangup: Duration,
    /// How deep functions may call each other.
    pub calls: usize,
    /// The size of one text, in bytes.
    pub text: usize,
    /// The elements of one array or map, including those of the arrays and maps inside it.
    pub elements: usize,
    /// The variables that exist at the same time.
    pub variables: usize,
    /// The memory of one call, in bytes, as its [`Memory`] counts them; without a [`Memory`] there is no limit.
    pub memory: usize,
    /// The size of everything printed in one call, in bytes, with 128 added for each line.
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

/// Counts the memory a thread holds. It comes from the program, which owns the allocator; a library doesn't.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Returns the bytes this thread has allocated, less those it has freed: negative where it freed what others had
    /// allocated.
    pub used: fn() -> isize,
}

/// Returns the processor time of this thread, in nanoseconds: neither load nor waiting counts against a script.
pub(crate) fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Returns an address in the stack frame of the caller.
#[inline]
pub(crate) fn address_in_stack() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}
