//! Panics go where the log goes. The usual place is stderr, which nobody may be reading, so that whoever writes to it
//! waits for ever; or there is the screen of the phone.

use crate::out::complain;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};
use tracing::dispatcher::{Dispatch, get_default};
use tracing::subscriber::NoSubscriber;

/// What the log's lines of panics are known by.
pub const TARGET: &str = "panic";

/// From now on. Where there is no log, what panics is told on stderr. Which call it was, the log tells by the span it
/// is in; what a script makes panic is told once more, as its fault.
pub fn go_to_the_log() {
    set_hook(Box::new(|panic| {
        if get_default(Dispatch::is::<NoSubscriber>) {
            complain!("agi-rhai: {}", told(panic));
        } else {
            tracing::error!(target: TARGET, "{}", told(panic));
        }
    }));
}

pub fn told(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let what = panic.payload();
    let what = what.downcast_ref::<String>().map(String::as_str).or_else(|| what.downcast_ref::<&str>().copied());
    let what = what.unwrap_or("no message");
    let mut told = format!("panicked in thread {}{place}: {what}", thread.name().unwrap_or("without a name"));
    // RUST_BACKTRACE asks for it.
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        told.push('\n');
        told.push_str(&trace.to_string());
    }
    told
}
