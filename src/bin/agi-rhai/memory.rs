//! The allocator of the program. It is the system's, and also counts the memory that each thread holds, so that no
//! script can use up all memory. Each block counts for more than its size: this limits the number of small blocks,
//! and with it the nesting of values, each level of which takes stack when they are dropped.

#![expect(unsafe_code, reason = "an allocator needs it; every call is passed on unchanged")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Signed, since a thread may free memory that another thread allocated.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Returns how many bytes this thread holds.
pub fn used() -> isize {
    HELD.get()
}

struct CountingAllocator;

/// How many bytes a block counts in addition to its size.
const BLOCK_OVERHEAD: isize = 128;

fn count(change: isize) {
    // A thread that is exiting has no counter any more, and doesn't need one.
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(change)));
}

// SAFETY: every request goes to the allocator of the system with unchanged arguments.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed() + BLOCK_OVERHEAD);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed() - BLOCK_OVERHEAD);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed() + BLOCK_OVERHEAD);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
