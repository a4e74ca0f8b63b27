//! What a walk knows of the values, variables and imports of a script.

use crate::command::Type;
use crate::tools::check::imports::Imported;
use crate::tools::check::text::Place;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What is known of a value at its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    As(Type),
    /// The value of a variable, by its number, unless the variable is assigned to somewhere.
    Variable(usize),
    /// `args`.
    Args,
    /// `params` or `env`.
    Texts,
}

impl Known {
    pub const NOTHING: Self = Self::As(Type::Unknown);
}

/// How a script defines a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Let,
    Const,
    Param,
    /// In a `for`, a `catch`, or a closure, where it has to be there whether it is used or not.
    Given,
}

/// A variable of the script.
pub(super) struct Variable {
    pub name: String,
    pub place: Place,
    pub origin: Origin,
    pub value: Known,
    pub read: bool,
    pub written: bool,
    /// Whether it is at the top of the script.
    pub top: bool,
    /// The number of the function it is in.
    pub function: usize,
}

/// An import of the script.
pub(super) struct ImportedModule {
    pub alias: String,
    pub place: Place,
    pub imported: Option<Rc<Imported>>,
    pub used: bool,
    pub in_scope: bool,
    /// Whether it is outside of any block or function: functions below it see it.
    pub top: bool,
}

/// What can only be decided when the whole script has been read.
pub(super) enum Later {
    Compared { operator: String, left: Known, right: Known, place: Place },
    Calculated { operator: String, left: Known, right: Known, place: Place },
    Condition { value: Known, place: Place },
    Called { name: String, args: Vec<(Known, Place)>, place: Place },
    Switched { value: Known, place: Place },
}

/// The functions of the script that are used.
#[derive(Default)]
pub(super) struct Uses {
    pub called: BTreeSet<String>,
    /// Those named other than by a call: whoever calls them decides what they take.
    pub named: BTreeSet<String>,
}
