//! Values of scripts as the texts that HTTP knows: of headers, queries and forms.

use crate::agi::printable;
use crate::transport::Failure;
use serde_json::Value;

/// Returns the names and texts in a map. `()` leaves one out, an array repeats it.
///
/// # Errors
/// It isn't a map, or holds something that is no text, number, `true` or `false`.
pub(super) fn pairs(map: &Value, what: &str) -> Result<Vec<(String, String)>, Failure> {
    let map = match map {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) => map,
        _ => return Err(Failure::argument(format!("`{what}` is a map of names and values, such as #{{ page: 2 }}"))),
    };
    let mut all = Vec::new();
    for (name, value) in map {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    let name = printable(name);
                    let message = format!("`{name}` in `{what}` is a map or an array, not a text or a number");
                    return Err(Failure::argument(message));
                }
            };
            all.push((name.clone(), text));
        }
    }
    Ok(all)
}
