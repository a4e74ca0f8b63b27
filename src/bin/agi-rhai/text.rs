//! Times as text.

use std::time::Duration;

/// Returns the time since a call began, in minutes, seconds and tenths: `0:07.3`.
pub fn call_time(length: Duration) -> String {
    let tenths = length.as_millis() / 100;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}
