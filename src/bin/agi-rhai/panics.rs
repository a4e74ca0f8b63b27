//! Logs panics. By default they go to stderr, where a write blocks forever if nothing reads it, and where the phone
//! has its screen.

use crate::out;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook};
use tracing::dispatcher::{Dispatch, get_default};
use tracing::subscriber::NoSubscriber;

/// The target of panics in the log.
pub const TARGET: &str = "panic";

/// Logs panics from now on, or writes them to stderr while there is no log. The span in the log names the call. A
/// panic that a script caused is reported once more, as its fault.
pub fn log_panics() {
    set_hook(Box::new(|panic| {
        if get_default(Dispatch::is::<NoSubscriber>) {
            out::error(describe(panic));
        } else {
            tracing::error!(target: TARGET, "{}", describe(panic));
        }
    }));
}

/// Describes a panic.
pub fn describe(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    // Only static messages: others may contain what a caller entered.
    let message = panic.payload().downcast_ref::<&'static str>().map(|text| format!(": {text}")).unwrap_or_default();
    let mut text = format!("panicked in thread {}{place}{message}", thread.name().unwrap_or("without a name"));
    // Only if RUST_BACKTRACE is set.
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        text.push('\n');
        text.push_str(trace.to_string().trim_end());
    }
    text
}
