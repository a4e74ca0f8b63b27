//! Large stacks for scripts. Scripts are limited in how deeply they nest calls, operators and memory, and these
//! stacks are larger than all of that needs.

#![expect(unsafe_code, reason = "madvise needs it")]

use corosensei::on_stack;
use corosensei::stack::{DefaultStack, Stack};
use std::cell::{Cell, RefCell};
use std::io;

/// The size of the stack of a call, in bytes. Only the pages it touches take memory.
///
/// A script may use 4 MiB of it. Work between two of its operations comes on top: dropping a chain of closures takes
/// some 200 bytes per link in a release build and 1 KiB in a debug build, and the memory of a call has room for 35,000
/// links.
pub const SIZE: usize = 64 * 1024 * 1024;

thread_local! {
    /// Whether this thread runs on a large stack.
    static IS_LARGE: Cell<bool> = const { Cell::new(false) };
    /// A stack kept for the next use.
    static SPARE: RefCell<Option<DefaultStack>> = const { RefCell::new(None) };
}

/// Allocates a stack of [`SIZE`].
pub fn new() -> io::Result<DefaultStack> {
    let stack = DefaultStack::new(SIZE)?;
    #[cfg(target_os = "linux")]
    {
        // With huge pages, the first word on a stack would cost 2 MiB and half a millisecond.
        let (limit, base) = (stack.limit().get(), stack.base().get());
        let start = std::ptr::with_exposed_provenance_mut::<std::ffi::c_void>(limit);
        // SAFETY: the range is the stack's own mapping, whose contents this doesn't change. An error on systems without
        // huge pages doesn't matter.
        let _ = unsafe { rustix::mm::madvise(start, base - limit, rustix::mm::Advice::LinuxNoHugepage) };
    }
    Ok(stack)
}

/// Notes that scripts on this thread have a large stack: either the thread was created with a stack of [`SIZE`], or
/// they run as coroutines.
pub fn mark_large() {
    IS_LARGE.set(true);
}

/// Runs `work` on a large stack, whichever thread this is.
pub fn maybe_grow<R>(work: impl FnOnce() -> R) -> R {
    if IS_LARGE.get() {
        return work();
    }
    let stack = SPARE.take().map_or_else(new, Ok);
    // Without memory for a stack, other things will fail too.
    let Ok(mut stack) = stack else { return work() };
    IS_LARGE.set(true);
    let guard = LeaveGuard;
    let result = on_stack(&mut stack, work);
    drop(guard);
    SPARE.set(Some(stack));
    result
}

/// Notes the end of the large stack, even if `work` panics.
struct LeaveGuard;

impl Drop for LeaveGuard {
    fn drop(&mut self) {
        IS_LARGE.set(false);
    }
}
