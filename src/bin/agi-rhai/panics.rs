//! Panics go where the log goes. The usual place is stderr, which nobody may be reading, so that whoever writes to it
//! waits for ever; or there is the screen of the phone.

use crate::out;
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
            out::error(told(panic));
        } else {
            tracing::error!(target: TARGET, "{}", told(panic));
        }
    }));
}

pub fn told(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    // Words that are not of the program's text may hold what a caller entered.
    let what = panic.payload().downcast_ref::<&'static str>().map(|what| format!(": {what}")).unwrap_or_default();
    let mut told = format!("panicked in thread {}{place}{what}", thread.name().unwrap_or("without a name"));
    // RUST_BACKTRACE asks for it.
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        told.push('\n');
        told.push_str(trace.to_string().trim_end());
    }
    told
}
