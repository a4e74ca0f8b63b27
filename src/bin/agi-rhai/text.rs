//! Numbers and times as text.

use std::time::Duration;

/// Returns `1 call`, `2 calls`.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// Returns the time since a call began, in minutes, seconds and tenths: `0:07.3`.
pub fn call_time(length: Duration) -> String {
    let tenths = length.as_millis() / 100;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}
