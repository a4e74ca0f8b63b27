//! Values between scripts and commands.

use std::borrow::Cow;

/// What a script passes to a command, and what it gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `()`
    Nothing,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object map.
    Map(Vec<(Cow<'static, str>, Value)>),
    /// Something no command takes, by the name of its type.
    Other(String),
}

impl Value {
    /// The name of the type, as Rhai's `type_of` says it.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nothing => "()",
            Self::Bool(_) => "bool",
            Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "map",
            Self::Other(name) => name,
        }
    }

    /// A map of these names.
    pub(crate) fn map<const N: usize>(items: [(&'static str, Value); N]) -> Self {
        Self::Map(items.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}
