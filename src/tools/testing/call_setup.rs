//! The set-up of a call: options of `place_call` as values, which a test, the command line and a storm can combine.

use super::args::shown;
use super::call_options::CallOptions;
use crate::command::Value;
use crate::pbx::IncomingCall;
use crate::script::literal;
use std::borrow::Cow;

/// Options of `place_call`, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallSetup(Vec<(Cow<'static, str>, Value)>);

impl CallSetup {
    /// Takes the options of a call.
    ///
    /// # Errors
    /// There is no such option, or it doesn't take such a value.
    pub fn new(options: Vec<(Cow<'static, str>, Value)>) -> Result<Self, String> {
        let setup = Self(options);
        setup.read(IncomingCall::default(), 0).map(|_| setup)
    }

    /// Returns this set-up with some changes. A map such as that of variables gets more entries and other values, an
    /// array of missing sound files more elements; any other option gets another value.
    #[must_use]
    pub fn with(&self, changes: impl IntoIterator<Item = (Cow<'static, str>, Value)>) -> Self {
        let mut options = self.0.clone();
        for (name, value) in changes {
            match options.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => change(&name, known, value),
                None => options.push((name, value)),
            }
        }
        Self(options)
    }

    /// Returns this set-up without some options.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !names.contains(&&**name)).cloned().collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Returns the options by their names.
    #[doc(hidden)]
    pub fn options(&self) -> &[(Cow<'static, str>, Value)] {
        &self.0
    }

    /// Reads the options, which override this call and seed.
    pub(crate) fn read(&self, call: IncomingCall, seed: u64) -> Result<CallOptions, String> {
        CallOptions::read(&Value::Map(self.0.clone()), call, seed)
    }

    /// Returns the options as a test writes them, `#{ callerid: "200" }`, if there are any.
    pub(crate) fn written(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| written_map(&self.0, str::to_owned))
    }

    /// Returns the name of the first option with a value that can't be written down, such as a function.
    pub(crate) fn unwritable(&self) -> Option<&str> {
        fn is_unwritable(value: &Value) -> bool {
            match value {
                Value::Other(_) => true,
                Value::List(items) => items.iter().any(is_unwritable),
                Value::Map(items) => items.iter().any(|(_, item)| is_unwritable(item)),
                _ => false,
            }
        }
        self.0.iter().find(|(_, value)| is_unwritable(value)).map(|(name, _)| &**name)
    }
}

fn change(name: &str, known: &mut Value, value: Value) {
    match (known, value) {
        (Value::Map(known), Value::Map(new)) => {
            for (name, value) in new {
                match known.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, known)) => *known = value,
                    None => known.push((name, value)),
                }
            }
        }
        (Value::List(known), Value::List(new)) if name == "missing" => {
            for value in new {
                if !known.contains(&value) {
                    known.push(value);
                }
            }
        }
        (known, value) => *known = value,
    }
}

/// Writes a value as a script does.
fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => literal(text),
        Value::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Map(items) => written_map(items, literal),
        other => shown(other),
    }
}

fn written_map(items: &[(Cow<'static, str>, Value)], name: fn(&str) -> String) -> String {
    let items = items.iter().map(|(key, value)| format!("{}: {}", name(key), written(value)));
    format!("#{{ {} }}", items.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(options: &[(&'static str, Value)]) -> CallSetup {
        CallSetup::new(options.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()).unwrap()
    }

    fn map(name: &'static str, value: i64) -> Value {
        Value::Map(vec![(name.into(), Value::Int(value))])
    }

    #[test]
    fn changes_add_to_maps_and_replace_the_rest() {
        let missing = |name: &str| Value::List(vec![Value::from(name)]);
        let one = setup(&[
            ("callerid", Value::from("200")),
            ("database", map("game/200", 7)),
            ("args", missing("a")),
            ("missing", missing("beep")),
        ]);
        let changes = [
            ("callerid", Value::from("")),
            ("database", map("game/1", 2)),
            ("args", missing("b")),
            ("missing", missing("door")),
            ("time", Value::from("2026-12-03 09:30")),
        ];
        let both = one.with(changes.map(|(name, value)| (name.into(), value)));
        let expected = r#"#{ callerid: "", database: #{ "game/200": 7, "game/1": 2 }, args: ["b"], missing: ["beep", "door"], time: "2026-12-03 09:30" }"#;
        assert_eq!(both.written().as_deref(), Some(expected));
        assert_eq!(
            one.without(&["callerid", "args", "missing"]).written().as_deref(),
            Some(r#"#{ database: #{ "game/200": 7 } }"#)
        );
        assert_eq!(CallSetup::default().written(), None);
        assert!(CallSetup::new(vec![("callerids".into(), Value::from("2"))]).is_err());
        let function = CallSetup(vec![("variables".into(), Value::List(vec![Value::Other("Fn".to_owned())]))]);
        assert_eq!((function.unwritable(), both.unwritable()), (Some("variables"), None));
    }
}
