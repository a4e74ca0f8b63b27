//! Large stacks for scripts. Scripts are limited in how deeply they nest calls, operators and memory, and these
//! stacks are larger than all of that needs.

#[cfg(unix)]
mod aside;
#[cfg(unix)]
mod large;

#[cfg(unix)]
pub use aside::{Aside, leave};
#[cfg(unix)]
pub use large::{mark_large, maybe_grow, new};

/// The size of the stack of a call, in bytes. Only the pages it touches take memory.
///
/// A script may use 4 MiB of it. Work between two of its operations comes on top: dropping a chain of closures takes
/// some 200 bytes per link in a release build and 1 KiB in a debug build, and the memory of a call has room for 35,000
/// links.
pub const SIZE: usize = 64 * 1024 * 1024;

/// Runs `work` on the stack that there is: in WebAssembly there is no other.
#[cfg(not(unix))]
pub fn maybe_grow<R>(work: impl FnOnce() -> R) -> R {
    work()
}
