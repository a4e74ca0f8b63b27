//! The way in for JavaScript: a request is a text in the memory of this module, and so is the answer.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "memory that JavaScript writes and reads")]

use std::panic::PanicHookInfo;

#[link(wasm_import_module = "playground")]
unsafe extern "C" {
    /// Takes the message of a panic, after which the module traps.
    fn panicked(at: *const u8, length: usize);
    /// Returns a text without accents, as [`answer`] returns its answer.
    fn without_accents(at: *const u8, length: usize) -> u64;
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
    drop(unsafe { given(at, length) });
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
    agi_rhai::internals::sandbox::give_accents(plain);
    // SAFETY: as above.
    let (function, request) = unsafe { (given(function, function_length), given(request, request_length)) };
    let answer = match (std::str::from_utf8(&function), std::str::from_utf8(&request)) {
        (Ok(function), Ok(request)) => crate::answer(function, request),
        _ => "{\"error\":\"a text isn't UTF-8\"}".to_owned(),
    };
    let answer = Box::leak(answer.into_bytes().into_boxed_slice());
    (answer.len() as u64) << 32 | answer.as_mut_ptr() as u64
}

/// Returns a text that JavaScript has written.
///
/// # Safety
/// It is from [`allocate`], with this length.
unsafe fn given(at: *mut u8, length: usize) -> Box<[u8]> {
    // SAFETY: as above.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, length)) }
}

/// Returns a text without accents.
fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    // SAFETY: the text outlives the call, and JavaScript has allocated the answer.
    let answer = unsafe {
        let packed = without_accents(text.as_ptr(), text.len());
        given((packed as u32) as *mut u8, (packed >> 32) as usize)
    };
    String::from_utf8_lossy(&answer).into_owned()
}

fn report(panic: &PanicHookInfo<'_>) {
    let message = panic.to_string();
    // SAFETY: the text outlives the call.
    unsafe { panicked(message.as_ptr(), message.len()) };
}
