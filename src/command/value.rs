//! Values that pass between scripts and commands, and their types.

use std::borrow::Cow;

/// A value that a script passes to a command or gets from one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
    /// A value that no command accepts, by the name of its type.
    Other(String),
}

impl Value {
    /// Returns the name of the type, as Rhai's `type_of` returns it.
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

    /// Creates a map with these keys.
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

/// The type of a value, as far as it is known before the script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// It is not known.
    Unknown,
    /// `()`
    Unit,
    /// `true` or `false`.
    Bool,
    /// `true`, `false` or `()`.
    BoolOrUnit,
    /// A number.
    Number,
    /// A number or `()`.
    NumberOrUnit,
    /// A text.
    Text,
    /// A text or `()`.
    TextOrUnit,
    /// An array.
    Array,
    /// An object map.
    Map,
    /// A function.
    Function,
}

impl Type {
    /// Whether `()` may be among the values.
    #[must_use]
    pub const fn may_be_unit(self) -> bool {
        matches!(self, Self::Unit | Self::BoolOrUnit | Self::NumberOrUnit | Self::TextOrUnit | Self::Unknown)
    }

    /// Returns the type of the values other than `()`.
    #[must_use]
    pub const fn without_unit(self) -> Self {
        match self {
            Self::BoolOrUnit => Self::Bool,
            Self::NumberOrUnit => Self::Number,
            Self::TextOrUnit => Self::Text,
            other => other,
        }
    }

    /// Whether the two types have no value in common.
    #[must_use]
    pub fn differs(self, other: Self) -> bool {
        if self == Self::Unknown || other == Self::Unknown || (self.may_be_unit() && other.may_be_unit()) {
            return false;
        }
        self.without_unit() != other.without_unit()
    }

    /// Returns the type in words: `a text or ()`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "anything",
            Self::Unit => "()",
            Self::Bool => "true or false",
            Self::BoolOrUnit => "true, false or ()",
            Self::Number => "a number",
            Self::NumberOrUnit => "a number or ()",
            Self::Text => "a text",
            Self::TextOrUnit => "a text or ()",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Function => "a function",
        }
    }
}
