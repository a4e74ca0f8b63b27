//! Faults in the log.

use crate::script::Fault;
use tracing::error;

/// Logs a fault: its place, message and hint are the message of the record, and the rest are fields.
///
/// A text log leaves out `fault.*`, since the message has them, and shows `report` only to a terminal: there it is read
/// by somebody who edits the script.
pub fn log_fault(message: &str, channel: Option<&str>, fault: &Fault) {
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
        "{message}"
    );
}
