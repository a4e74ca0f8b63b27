//! The limits of a script, and how its use of memory and stack is measured.

use std::time::Duration;

/// How much of its stack a script may use, in bytes. The rest of [`stack::SIZE`](crate::stack::SIZE) is left for the
/// work between two operations: dropping nested values, for instance, takes megabytes.
pub(crate) const MAX_STACK: usize = 4 * 1024 * 1024;

/// The limits of a script. Waiting counts only in `on_hangup`.
///
/// A script that exceeds one of them ends with a [`Fault`](super::Fault). Future versions may add limits: begin with
/// those of a [`Host`](crate::Host) or with [`Limits::default`], and set the fields that differ.
///
/// ```
/// use agi_rhai::Host;
/// use std::time::Duration;
///
/// let mut host = Host::new();
/// host.limits_mut().computing = Duration::from_millis(100);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How long the script may compute between two commands, in processor time. In real time, it may be busy for ten
    /// times as long.
    pub computing: Duration,
    /// How long `on_hangup` may run, including the time it waits.
    pub on_hangup: Duration,
    /// How deeply functions may call each other.
    pub calls: usize,
    /// The maximum size of a text, in bytes.
    pub text: usize,
    /// The maximum number of elements in an array or map, including those of arrays and maps inside it.
    pub elements: usize,
    /// The maximum number of variables that exist at the same time.
    pub variables: usize,
    /// The maximum memory of a call, in bytes, as its [`Memory`] counts it. Without a [`Memory`] there is no limit.
    pub memory: usize,
    /// The maximum size of everything printed in a call, in bytes, where each line counts 128 more.
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

/// Counts the memory that a thread holds. The program provides it, since it owns the allocator; a library doesn't.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Returns how many bytes this thread has allocated, minus those it has freed. The number is negative if it freed
    /// what other threads had allocated.
    pub used: fn() -> isize,
}

/// Returns an address in the stack frame of the caller.
#[inline]
pub(crate) fn address_in_stack() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}
