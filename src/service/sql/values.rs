//! Values between scripts and databases: those that a statement names, and those of rows as far as all databases agree.

use super::names::Statement;
use crate::transport::Failure;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::sync::LazyLock;

/// A value that is sent to a database beside the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sent<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl Sent<'_> {
    /// Returns the value as a text that databases understand; `None` for null.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            // The shortest text that is this number; `3.0` is written `3`, which fits a column of integers too.
            Self::Float(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
        })
    }
}

/// Pairs the names in a statement, each once, with their values.
///
/// # Errors
/// A name lacks a value, a value lacks a name, or it is of a type that no column has.
pub(super) fn sent<'a>(statement: &Statement<'_>, values: &'a Value) -> Result<Vec<Sent<'a>>, Failure> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    let values = match values {
        Value::Null => &*NONE,
        Value::Object(values) => values,
        _ => return Err(Failure::argument("`values` is a map, such as #{ number: 4930 }")),
    };
    let keys: Vec<&str> = values.keys().map(String::as_str).collect();
    if let Some(mismatch) = statement.mismatch(&keys) {
        return Err(Failure::argument(mismatch));
    }
    statement.names().iter().map(|name| one(name, values.get(*name).unwrap_or(&Value::Null))).collect()
}

fn one<'a>(name: &str, value: &'a Value) -> Result<Sent<'a>, Failure> {
    Ok(match value {
        Value::Null => Sent::Null,
        Value::Bool(flag) => Sent::Bool(*flag),
        Value::String(text) => Sent::Text(Cow::Borrowed(text)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Sent::Integer(integer),
            (None, Some(float)) if !number.is_u64() => Sent::Float(float),
            _ => Sent::Text(Cow::Owned(number.to_string())),
        },
        Value::Array(_) | Value::Object(_) => {
            let kind = if value.is_array() { "an array" } else { "a map" };
            let may = "a value is a text, a number, true, false or ()";
            return Err(Failure::argument(format!(
                "`{name}` in `values` is {kind}: {may}; `to_json` makes a text of it"
            )));
        }
    })
}

/// Returns a number with a fraction. What isn't a number is a text, as databases write it.
pub(super) fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(
        || {
            let text = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            Value::from(text)
        },
        Value::Number,
    )
}

/// Returns a number of single precision as it is written, not with the digits that it gets in double precision.
pub(super) fn single(number: f32) -> Value {
    float(number.to_string().parse().unwrap_or_else(|_| f64::from(number)))
}

/// Returns an integer that may be too large for a script, and is a text then.
pub(super) fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or_else(|_| number.to_string().into(), Value::from)
}

/// Returns bytes as text.
///
/// # Errors
/// They are none.
pub(super) fn text(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it holds bytes that are no text (UTF-8)".to_owned())?;
    Ok(text.into())
}

/// Writes a date: `2026-12-03`.
pub(super) fn date(year: i32, month: u8, day: u8) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes a time of day, or a length of time, with a fraction if it has one: `09:30:00`, `09:30:00.5`.
pub(super) fn time(hours: u64, minutes: u64, seconds: u64, micros: u64) -> String {
    let mut text = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if micros > 0 {
        text.push_str(format!(".{micros:06}").trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::names::Dialect;
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, values: &Value, message: &str) {
        let statement = Statement::parse(text, Dialect::Sqlite);
        assert_eq!(sent(&statement, values).map_err(|failure| failure.message), Err(message.to_owned()));
    }

    #[test]
    fn names_and_values_have_to_match() {
        check(
            "select :numer",
            &json!({ "number": 1 }),
            "the text has `:numer`, which `values` lacks; did you mean `number`?",
        );
        check("select :a", &Value::Null, "the text has `:a`, which `values` lacks");
        check(
            "select ':a'",
            &json!({ "a": 1 }),
            "`values` has `a`, which the text lacks: a name in the text has a colon, and is outside quotes",
        );
        check(
            "select :a",
            &json!({ "a": [1] }),
            "`a` in `values` is an array: a value is a text, a number, true, false or (); `to_json` makes a text of it",
        );
        check("select 1", &json!([1]), "`values` is a map, such as #{ number: 4930 }");
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        assert_eq!(float(f64::NAN), json!("NaN"));
        assert_eq!(float(f64::NEG_INFINITY), json!("-Infinity"));
        assert_eq!(single(0.1), json!(0.1));
        assert_eq!(unsigned(u64::MAX), json!("18446744073709551615"));
        assert_eq!(Sent::Float(3.0).text().as_deref(), Some("3"));
        assert_eq!(time(9, 5, 0, 250_000), "09:05:00.25");
    }
}
