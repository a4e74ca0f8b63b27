//! Converts values of scripts to values of commands, and back.

use crate::command::Value;
use rhai::{Array, Dynamic, ImmutableString, Map};
use std::borrow::Cow;

/// Converts a script's value to one for a command.
pub(crate) fn value(dynamic: &Dynamic) -> Value {
    if let Ok(number) = dynamic.as_int() {
        return Value::Int(number);
    }
    if let Ok(text) = dynamic.as_immutable_string_ref() {
        return Value::Text(text.as_str().to_owned());
    }
    if dynamic.is_unit() {
        return Value::Nothing;
    }
    if let Ok(flag) = dynamic.as_bool() {
        return Value::Bool(flag);
    }
    if let Ok(number) = dynamic.as_float() {
        return Value::Float(number);
    }
    if let Ok(character) = dynamic.as_char() {
        return Value::Text(character.to_string());
    }
    if let Some(map) = dynamic.read_lock::<Map>() {
        return Value::Map(map.iter().map(|(name, item)| (Cow::Owned(name.to_string()), value(item))).collect());
    }
    if let Some(array) = dynamic.read_lock::<Array>() {
        return Value::List(array.iter().map(value).collect());
    }
    Value::Other(dynamic.type_name().to_owned())
}

thread_local! {
    /// The empty text, which most commands return because no key was pressed.
    static EMPTY: ImmutableString = ImmutableString::new();
}

/// Converts a command's value to one for a script.
pub(crate) fn dynamic(value: Value) -> Dynamic {
    match value {
        Value::Nothing | Value::Other(_) => Dynamic::UNIT,
        Value::Bool(flag) => flag.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Text(text) if text.is_empty() => EMPTY.with(|empty| Dynamic::from(empty.clone())),
        Value::Text(text) => text.into(),
        Value::List(items) => items.into_iter().map(dynamic).collect::<Array>().into(),
        Value::Map(items) => {
            items.into_iter().map(|(name, item)| (name.as_ref().into(), dynamic(item))).collect::<Map>().into()
        }
    }
}

/// Converts JSON to a script's value. Integers beyond those of scripts become numbers with a fraction.
pub(crate) fn from_json(value: &serde_json::Value) -> Dynamic {
    use serde_json::Value;
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(from_json).collect::<Array>().into(),
        Value::Object(items) => {
            items.iter().map(|(name, item)| (name.as_str().into(), from_json(item))).collect::<Map>().into()
        }
    }
}
