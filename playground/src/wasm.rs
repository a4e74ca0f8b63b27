//! The way in for JavaScript: a request is a text in the memory of this module, and so is the answer.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "memory that JavaScript writes and reads")]

use std::panic::PanicHookInfo;

#[link(wasm_import_module = "playground")]
unsafe extern "C" {
    /// Takes the message of a panic, after which the module traps.
    fn panicked(at: *const u8, length: usize);
}

/// Returns memory for a text of this length.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    Box::leak(vec![0_u8; length].into_boxed_slice()).as_mut_ptr()
}

/// Frees the memory of a text.
///
/// # Safety
/// It is from [`allocate`] or [`answer`], with this length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(at: *mut u8, length: usize) {
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, length)) });
}

/// Answers a request to a function; both texts are freed. Returns where the answer is, and in the upper 32 bits its
/// length.
///
/// # Safety
/// Both texts are from [`allocate`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn answer(
    function: *mut u8,
    function_length: usize,
    request: *mut u8,
    request_length: usize,
) -> u64 {
    std::panic::set_hook(Box::new(report));
    // SAFETY: as above.
    let text = |at, length| unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, length)) };
    let (function, request) = (text(function, function_length), text(request, request_length));
    let answer = match (std::str::from_utf8(&function), std::str::from_utf8(&request)) {
        (Ok(function), Ok(request)) => crate::answer(function, request),
        _ => "{\"error\":\"a text isn't UTF-8\"}".to_owned(),
    };
    let answer = Box::leak(answer.into_bytes().into_boxed_slice());
    (answer.len() as u64) << 32 | answer.as_mut_ptr() as u64
}

fn report(panic: &PanicHookInfo<'_>) {
    let message = panic.to_string();
    // SAFETY: the text outlives the call.
    unsafe { panicked(message.as_ptr(), message.len()) };
}
