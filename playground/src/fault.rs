//! Faults as JSON.

use agi_rhai::Fault;
use serde_json::{Value, json};

/// Returns a fault with its place, and as it is shown in a terminal.
pub fn object(fault: &Fault) -> Value {
    json!({
        "message": fault.message,
        "hint": fault.hint,
        "script": fault.script,
        "line": fault.line,
        "column": fault.column,
        "source": fault.source,
        "calls": fault.calls,
        "rendered": fault.render(false),
    })
}
