//! What a walk knows about the values, variables and imports of a script.

use crate::command::{Function, Param, Type, Value};
use crate::tools::check::imports::Imported;
use crate::tools::check::text::Place;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The knowledge about a value at its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    As(Type),
    /// What this function returns, of this type.
    Returned(&'static Function, Type),
    /// What a service answers, or this of the walk's `otherwise`.
    Asked(usize),
    /// The value of the variable with this index, unless that is assigned to somewhere.
    Variable(usize),
    /// `args`.
    Args,
    /// `params` or `env`.
    Texts,
}

impl Known {
    pub const NOTHING: Self = Self::As(Type::Unknown);
}

/// What a function returns if its service is unavailable: a map with these entries.
pub(super) struct Otherwise {
    pub function: &'static Function,
    pub names: Vec<String>,
}

/// How a script defines a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Let,
    Const,
    Param,
    /// In a `for`, a `catch` or a closure, where it must be there whether it is used or not.
    Given,
}

/// A variable of the script.
pub(super) struct Variable {
    pub name: String,
    pub place: Place,
    pub origin: Origin,
    pub value: Known,
    /// The constant that it gets where it is defined.
    pub constant: Option<Value>,
    pub read: bool,
    pub written: bool,
    /// Whether it is at the top of the script.
    pub top: bool,
}

/// An import of the script.
pub(super) struct ImportedModule {
    pub alias: String,
    pub place: Place,
    pub imported: Option<Rc<Imported>>,
    pub used: bool,
    pub in_scope: bool,
    /// Whether it is outside of any block or function, so that functions below it can use it.
    pub top: bool,
}

/// Something that can be decided only when the whole script has been read.
pub(super) enum Later {
    Compared {
        operator: String,
        left: Known,
        right: Known,
        place: Place,
    },
    Calculated {
        operator: String,
        left: Known,
        right: Known,
        place: Place,
    },
    Joined {
        left: Known,
        right: Known,
        place: Place,
    },
    Property {
        value: Known,
        name: String,
        place: Place,
    },
    Condition {
        value: Known,
        place: Place,
    },
    Called {
        name: String,
        args: Vec<(Known, Place)>,
        place: Place,
    },
    /// A comparison with this text, which stands at this place.
    Matched {
        value: Known,
        text: String,
        place: Place,
    },
    /// A variable as the argument for this parameter.
    Given {
        function: &'static Function,
        param: &'static Param,
        variable: usize,
        place: Place,
    },
    /// A variable as a statement of SQL.
    Statement {
        function: &'static Function,
        variable: usize,
        place: Place,
    },
    Switched {
        value: Known,
        cases: Vec<(Place, Value)>,
    },
}

/// The functions of the script that are used.
#[derive(Default)]
pub(super) struct Uses {
    pub called: BTreeSet<String>,
    /// Those that are named without being called. The code that calls them decides what they take.
    pub named: BTreeSet<String>,
}
