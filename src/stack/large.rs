//! Stacks that are mapped for scripts.

#![expect(unsafe_code, reason = "madvise needs it")]

use super::SIZE;
use corosensei::on_stack;
use corosensei::stack::{DefaultStack, Stack};
use std::cell::{Cell, RefCell};
use std::io;

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
    let result = on_large(|| on_stack(&mut stack, work));
    SPARE.set(Some(stack));
    result
}

/// Runs `work`, which runs on a large stack of its own.
pub(super) fn on_large<R>(work: impl FnOnce() -> R) -> R {
    let _guard = LeaveGuard(IS_LARGE.replace(true));
    work()
}

/// Notes the end of the large stack, even if `work` panics: whether the one below it is large.
struct LeaveGuard(bool);

impl Drop for LeaveGuard {
    fn drop(&mut self) {
        IS_LARGE.set(self.0);
    }
}
