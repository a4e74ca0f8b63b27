//! The set-up of a call, from JSON: the options of `place_call`.

use agi_rhai::command::Value;
use agi_rhai::tools::testing::CallSetup;
use serde_json::{Map, Value as Json};

/// Returns the set-up of a call.
pub fn setup(options: Map<String, Json>) -> Result<CallSetup, String> {
    CallSetup::new(options.into_iter().map(|(name, option)| (name.into(), value(option))).collect())
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(0.0)), Value::Int)
        }
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(items) => Value::Map(items.into_iter().map(|(name, item)| (name.into(), value(item))).collect()),
    }
}
