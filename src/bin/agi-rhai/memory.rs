//! The allocator of the program: the system's, with a count of what each thread holds, so that one script cannot take
//! the memory of all. Each block counts more than it holds, so that small parts count as well, and with them how deep
//! values can be nested: to drop them takes some of the stack for each level.

#![expect(unsafe_code, reason = "an allocator cannot be written without; every call is handed on unchanged")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Signed, since a thread may free what another one allocated.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Bytes this thread holds.
pub fn used() -> isize {
    HELD.get()
}

struct Counting;

/// What a block counts besides what it holds, in bytes.
const BLOCK: isize = 128;

fn count(change: isize) {
    // A thread that is ending has no count any more, and nobody to ask for it.
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(change)));
}

// SAFETY: every request goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed() + BLOCK);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed() - BLOCK);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed() + BLOCK);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
