//! The keys of a telephone.

use crate::command::Value;

/// Any key of the telephone.
pub(super) const ANY_KEY: &str = "0123456789*#ABCD";

/// Returns the keys that a script gave, as text.
pub(super) fn keys(value: &Value) -> Result<String, String> {
    let keys = match value {
        Value::Text(keys) => keys.clone(),
        Value::Int(number) => number.to_string(),
        other => return Err(format!("must be keys as text, not {}", other.type_name())),
    };
    match keys.chars().find(|c| !ANY_KEY.contains(*c)) {
        Some(wrong) => Err(format!("may hold the keys 0-9, *, # and A-D, not {wrong:?}")),
        None => Ok(keys),
    }
}

/// Returns the key that a command returned, if one was pressed.
pub(super) fn key(value: &Value) -> Option<char> {
    match value {
        Value::Text(text) => text.chars().next(),
        _ => None,
    }
}
