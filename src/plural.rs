//! Numbers with their nouns.

use std::fmt::Display;

/// Returns a number with its noun: `1 call`, `2 calls`.
///
/// ```
/// use agi_rhai::internals::plural;
///
/// assert_eq!(plural(1, "call"), "1 call");
/// assert_eq!(plural(0_u64, "reply"), "0 replies");
/// assert_eq!(plural(2, "key"), "2 keys");
/// ```
#[must_use]
pub fn plural<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == N::from(1) => format!("1 {noun}"),
        Some(start) if !start.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {start}ies"),
        _ => format!("{count} {noun}s"),
    }
}
