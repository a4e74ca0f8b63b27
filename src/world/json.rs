//! Values of scripts as JSON, in which requests and answers are.

use crate::script::rhai::{Array, Dynamic, Map};
use serde_json::{Number, Value};

/// How deep values may be nested. Whoever writes or reads JSON uses stack for each level.
const MAX_DEPTH: usize = 100;

/// Converts a script's value to JSON. The error says what can't be converted.
pub(crate) fn to_json(value: &Dynamic) -> Result<Value, String> {
    convert(value, MAX_DEPTH)
}

fn convert(value: &Dynamic, depth: usize) -> Result<Value, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("a value that is nested more than {MAX_DEPTH} deep"));
    };
    if let Ok(number) = value.as_int() {
        return Ok(number.into());
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(flag.into());
    }
    if let Ok(number) = value.as_float() {
        return Number::from_f64(number).map(Value::Number).ok_or_else(|| format!("{number}, which is no number"));
    }
    if let Ok(character) = value.as_char() {
        return Ok(character.to_string().into());
    }
    if let Some(map) = value.read_lock::<Map>() {
        let items = map.iter().map(|(name, item)| Ok((name.to_string(), convert(item, depth)?)));
        return items.collect::<Result<serde_json::Map<_, _>, String>>().map(Value::Object);
    }
    if let Some(array) = value.read_lock::<Array>() {
        return array.iter().map(|item| convert(item, depth)).collect::<Result<_, _>>().map(Value::Array);
    }
    Err(match value.type_name() {
        "Fn" => "a function".to_owned(),
        other => format!("a value of type `{other}`"),
    })
}
