//! Faults in the log.

use crate::script::Fault;
use tracing::{error, warn};

/// Logs a fault, with a record for each error of the file. The message of a record is the prefix and the error's place,
/// message and hint; the rest are fields.
///
/// A text log leaves out `fault.*`, since the message has them, and shows `report` only to a terminal: there it is read
/// by somebody who edits the script.
pub fn log_fault(prefix: &str, channel: Option<&str>, fault: &Fault) {
    fault.each().for_each(|fault| log_one(prefix, channel, &fault));
}

/// Logs a warning of the checker.
pub(super) fn log_warning(warning: &Fault) {
    warn!(
        target: "agi_rhai::host",
        source = Some(warning.source.trim()).filter(|source| !source.is_empty()),
        fault.script = warning.script,
        fault.line = warning.line,
        fault.column = warning.column,
        fault.help = warning.hint,
        report = %warning.report(),
        "{warning}"
    );
}

fn log_one(prefix: &str, channel: Option<&str>, fault: &Fault) {
    let stack = fault.calls.iter().map(|(name, script, line)| {
        let name = if name.starts_with("anon$") { "a closure" } else { name };
        format!("{name} (called at {script}:{line})")
    });
    let stack = stack.collect::<Vec<_>>().join(", ");
    error!(
        target: "agi_rhai::host",
        source = Some(fault.source.trim()).filter(|source| !source.is_empty()),
        stack = Some(&*stack).filter(|stack| !stack.is_empty()),
        channel,
        fault.script = fault.script,
        fault.line = fault.line,
        fault.column = fault.column,
        fault.help = fault.hint,
        report = %fault.report(),
        "{prefix}{fault}"
    );
}
