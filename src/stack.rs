//! Room on the stack: what scripts nest is limited in calls, operators and memory, and this is more than all of it
//! takes.

#![expect(unsafe_code, reason = "the system is told how to map a stack")]

use corosensei::on_stack;
use corosensei::stack::{DefaultStack, Stack};
use std::cell::{Cell, RefCell};
use std::io;

/// The stack of a call, in bytes. Only what is touched takes memory.
///
/// A script may use 4 MiB of it. What is done between two of its operations goes on top: to drop a chain of closures
/// takes some 200 bytes a link in a release build, 1 KiB in a debug build, and the memory of a call has room for 35,000
/// links.
pub const SIZE: usize = 64 * 1024 * 1024;

thread_local! {
    /// What runs on this thread has that much.
    static ROOMY: Cell<bool> = const { Cell::new(false) };
    /// For the next one.
    static KEPT: RefCell<Option<DefaultStack>> = const { RefCell::new(None) };
}

/// A stack of [`SIZE`].
pub fn new() -> io::Result<DefaultStack> {
    let stack = DefaultStack::new(SIZE)?;
    #[cfg(target_os = "linux")]
    {
        // Where the system maps memory in huge pages, the first word on a stack would cost 2 MiB, and half a
        // millisecond.
        let (limit, base) = (stack.limit().get(), stack.base().get());
        let start = std::ptr::with_exposed_provenance_mut::<std::ffi::c_void>(limit);
        // SAFETY: the range is the stack's own mapping, which this leaves as it is. That a system knows no huge pages
        // is no matter.
        let _ = unsafe { rustix::mm::madvise(start, base - limit, rustix::mm::Advice::LinuxNoHugepage) };
    }
    Ok(stack)
}

/// Notes that what scripts run on this thread have room: the thread was made with a stack of [`SIZE`], or they run as
/// coroutines.
pub fn is_roomy() {
    ROOMY.set(true);
}

/// Does this where there is room, whatever thread it is.
pub fn with_room<R>(work: impl FnOnce() -> R) -> R {
    if ROOMY.get() {
        return work();
    }
    let stack = KEPT.take().map_or_else(new, Ok);
    // A system that has no memory to promise will fail elsewhere too.
    let Ok(mut stack) = stack else { return work() };
    ROOMY.set(true);
    let guard = Leave;
    let result = on_stack(&mut stack, work);
    drop(guard);
    KEPT.set(Some(stack));
    result
}

/// Notes the end of the room, also where the work panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        ROOMY.set(false);
    }
}
