//! Work on a stack of its own, which it may leave and come back to.

#![expect(unsafe_code, reason = "the work finds its stack by a pointer")]

use super::large::{self, on_large};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::io;

thread_local! {
    /// The way out of the work that runs now.
    static WAY_OUT: Cell<*const Yielder<(), ()>> = const { Cell::new(std::ptr::null()) };
}

/// Work that has a stack of its own.
pub struct Aside<T: 'static>(Coroutine<(), (), T, DefaultStack>);

impl<T: 'static> Aside<T> {
    /// Takes work that is yet to begin.
    pub fn new(work: impl FnOnce() -> T + 'static) -> io::Result<Self> {
        let work = |yielder: &Yielder<(), ()>, ()| {
            WAY_OUT.set(std::ptr::from_ref(yielder));
            work()
        };
        Ok(Self(Coroutine::with_stack(large::new()?, work)))
    }

    /// Goes on with the work, up to where it [leaves](leave) or to its end. Only its end has a value.
    pub fn go_on(&mut self) -> Option<T> {
        let outer = WAY_OUT.get();
        let result = on_large(|| self.0.resume(()));
        WAY_OUT.set(outer);
        match result {
            CoroutineResult::Yield(()) => None,
            CoroutineResult::Return(value) => Some(value),
        }
    }
}

/// Leaves the work of an [`Aside`] until somebody goes on with it.
pub fn leave() {
    let way_out = WAY_OUT.get();
    if way_out.is_null() {
        return;
    }
    // SAFETY: the work that runs now has set the pointer, to what lives as long as its stack.
    unsafe { (*way_out).suspend(()) };
    WAY_OUT.set(way_out);
}
