//! What is known of values on a way through the script, so that a way leads straight to where the script will go.

use rhai::Expr;
use std::collections::BTreeMap;

/// A value, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Unknown,
    Unit,
    Bool(bool),
    Int(i64),
    Text(String),
    /// What the node with this index returned; `true` if that isn't `()`.
    Result(usize, bool),
    /// A member of what it returned.
    Member(usize),
    /// Whether what it returned is this value, or whether it isn't.
    Is(usize, Box<Self>, bool),
    /// The same of a member.
    MemberIs(usize, Box<Self>, bool),
    /// A function: the index of its file, and the name that Rhai gives it.
    Function(usize, String),
    /// Something that isn't `()`.
    Something,
}

/// Variables, by the depth of the function in which they are, and their names.
pub(super) type Facts = BTreeMap<(usize, String), Value>;

impl Value {
    /// Returns the value of a literal.
    pub fn literal(expr: &Expr) -> Option<Self> {
        Some(match expr {
            Expr::Unit(_) => Self::Unit,
            Expr::BoolConstant(value, _) => Self::Bool(*value),
            Expr::IntegerConstant(value, _) => Self::Int(*value),
            Expr::StringConstant(text, _) => Self::Text(text.to_string()),
            Expr::CharConstant(letter, _) => Self::Text(letter.to_string()),
            _ => return None,
        })
    }

    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Unit | Self::Bool(_) | Self::Int(_) | Self::Text(_))
    }

    /// Returns whether this equals another value.
    pub fn equals(&self, other: &Self) -> Self {
        match (self, other) {
            (one, other) if one.is_constant() && other.is_constant() => Self::Bool(one == other),
            (Self::Result(_, true) | Self::Something | Self::Function(..), Self::Unit)
            | (Self::Unit, Self::Result(_, true) | Self::Something | Self::Function(..)) => Self::Bool(false),
            (Self::Result(node, _), constant) | (constant, Self::Result(node, _)) if constant.is_constant() => {
                Self::Is(*node, Box::new(constant.clone()), true)
            }
            (Self::Member(node), constant) | (constant, Self::Member(node)) if constant.is_constant() => {
                Self::MemberIs(*node, Box::new(constant.clone()), true)
            }
            _ => Self::Unknown,
        }
    }

    pub fn not(self) -> Self {
        match self {
            Self::Bool(value) => Self::Bool(!value),
            Self::Is(node, value, is) => Self::Is(node, value, !is),
            Self::MemberIs(node, value, is) => Self::MemberIs(node, value, !is),
            Self::Result(node, _) => Self::Is(node, Box::new(Self::Bool(true)), false),
            _ => Self::Unknown,
        }
    }

    /// Returns it as the label of an edge.
    pub fn label(&self) -> String {
        match self {
            Self::Unit => "nothing".to_owned(),
            Self::Bool(true) => "yes".to_owned(),
            Self::Bool(false) => "no".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Text(text) if text.is_empty() => "none".to_owned(),
            Self::Text(text) => text.clone(),
            _ => String::new(),
        }
    }
}

/// Keeps of some facts those that other facts agree with.
pub(super) fn common(ways: &[&Facts]) -> Facts {
    let Some((first, others)) = ways.split_first() else { return Facts::new() };
    let agrees = |key: &(usize, String), value: &Value| others.iter().all(|other| other.get(key) == Some(value));
    first.iter().filter(|(key, value)| agrees(key, value)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
