//! The names of functions, those that a script writes, similar names for "did you mean ...?", and the variables that
//! every script has.

use crate::command::Type;
pub(crate) use crate::similar::{distance, nearest, plain};
use rhai::{Array, FLOAT, FnPtr, INT, ImmutableString, Map};
use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The variables that every script has: the values of its call.
pub(crate) const CALL_VARIABLES: [&str; 4] = ["env", "args", "params", "state"];

/// How the names of closures begin, and those of function values.
pub(crate) const CLOSURE: &str = "anon$";

/// Returns a function's name as its script writes it, which its value may not: see `function_values.rs`.
pub(crate) fn written_name(name: &str) -> &str {
    let Some((number, rest)) = name.strip_prefix(CLOSURE).map(|name| name.split_once('$').unwrap_or(("", name))) else {
        return name;
    };
    let is_named = rest == "Fn" || number.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if is_named { rest } else { name }
}

/// Whether this is the name of a closure.
pub(crate) fn is_closure(name: &str) -> bool {
    written_name(name).starts_with(CLOSURE)
}

/// The names that scripts write. Every start of the program pays for each function that it registers, and most
/// scripts name only a few.
pub(crate) struct Named<'a> {
    /// `None` if it can be any.
    names: Option<HashSet<&'a str>>,
}

impl<'a> Named<'a> {
    pub fn any() -> Self {
        Self { names: None }
    }

    /// Returns the names in these scripts.
    pub fn of(texts: &(impl Iterator<Item = &'a str> + Clone)) -> Self {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = texts.clone().flat_map(|text| text.split(|c| !is_part(c)));
        let names: HashSet<_> = words.filter(|word| !word.is_empty()).collect();
        let is_computed = |method: &&str| texts.clone().any(|text| is_given_a_name(text, method));
        // `Fn(args[0])` can be any function, and so can `list.map(args[0])`.
        let is_any = names.contains("Fn") || BY_NAME.iter().any(|method| names.contains(method) && is_computed(method));
        Self { names: (!is_any).then_some(names) }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// The methods of arrays that take a function, which may be a text with its name.
pub(super) const BY_NAME: [&str; 11] =
    ["all", "dedup", "drain", "filter", "index_of", "map", "reduce", "reduce_rev", "retain", "some", "sort"];

/// Whether a script may give this method a function by a name that isn't in the script: by neither a closure nor a text
/// that is written there.
fn is_given_a_name(text: &str, method: &str) -> bool {
    text.match_indices(method).any(|(at, _)| {
        let argument = text[at + method.len()..].trim_start().strip_prefix('(');
        argument.is_some_and(|argument| !argument.trim_start().starts_with(['|', '"', ')']))
    })
}

/// Keywords of Rhai that are called like functions, with their minimum and maximum number of arguments.
const KEYWORDS: &[(&str, usize, usize)] = &[
    ("call", 1, usize::MAX),
    ("curry", 1, usize::MAX),
    ("Fn", 1, 1),
    ("type_of", 1, 1),
    ("is_shared", 1, 1),
    ("is_def_var", 1, 1),
    ("is_def_fn", 2, 3),
];

/// The names of all functions that scripts can call.
#[derive(Debug, Default)]
pub(crate) struct FunctionNames {
    /// The types of the parameters, for each way to call a function.
    ways: BTreeMap<String, Vec<Vec<TypeId>>>,
    /// Those that the host declares, rather than Rhai.
    declared: BTreeSet<&'static str>,
}

impl FunctionNames {
    pub fn new(
        functions: impl Iterator<Item = (String, Vec<TypeId>)>,
        declared: impl Iterator<Item = &'static str>,
    ) -> Self {
        let mut names = Self { declared: declared.collect(), ..Self::default() };
        for (name, types) in functions {
            names.ways.entry(name).or_default().push(types);
        }
        names
    }

    pub fn exists(&self, name: &str) -> bool {
        self.ways.contains_key(name) || is_keyword(name)
    }

    pub fn takes(&self, name: &str, count: usize) -> bool {
        let takes = self.ways.get(name).is_some_and(|ways| ways.iter().any(|types| types.len() == count));
        takes || KEYWORDS.iter().any(|(keyword, min, max)| *keyword == name && (*min..=*max).contains(&count))
    }

    /// Returns the numbers of arguments that a function can be called with, in order.
    pub fn counts(&self, name: &str) -> BTreeSet<usize> {
        self.ways.get(name).into_iter().flatten().map(Vec::len).collect()
    }

    /// Returns the index of the first argument that no way of calling the function accepts, and the types it accepts
    /// there.
    pub fn refuses(&self, name: &str, args: &[Type]) -> Option<(usize, Vec<Type>)> {
        let ways: Vec<_> = self.ways.get(name)?.iter().filter(|types| types.len() == args.len()).collect();
        let takes = |types: &[TypeId], at: usize| known(types[at]).is_none_or(|known| fits(known, args[at]));
        if ways.is_empty() || ways.iter().any(|types| (0..args.len()).all(|at| takes(types, at))) {
            return None;
        }
        let at = (0..args.len()).find(|&at| ways.iter().all(|types| !takes(types, at)))?;
        let mut instead: Vec<Type> = Vec::new();
        for types in ways {
            if let Some(known) = known(types[at])
                && !instead.contains(&known)
            {
                instead.push(known);
            }
        }
        Some((at, instead))
    }

    /// Returns the function that may have been meant by a name: one of these, or one that every script can call.
    pub fn similar(&self, name: &str, own: &[&str]) -> Option<String> {
        let own: BTreeSet<&str> = own.iter().copied().collect();
        let wanted = plain(name);
        let known =
            || own.iter().copied().chain(self.ways.keys().map(String::as_str)).filter(|known| is_function(known));
        if let Some(same) = known().filter(|known| plain(known) == wanted).min() {
            return Some(same.to_owned());
        }
        let rank = |known: &'_ str| (distance(name, known), !own.contains(&known), !self.declared.contains(known));
        let (rank, near) = known().map(|known| (rank(known), known)).min()?;
        let may_differ = match name.chars().count() {
            // So short a name resembles too many; but the host's functions are the likeliest.
            2 if !rank.1 || !rank.2 => 1,
            0..=2 => 0,
            3..=5 => 1,
            6..=9 => 2,
            _ => 3,
        };
        (rank.0 <= may_differ).then(|| near.to_owned())
    }
}

/// Returns the type of a parameter, if it is one of those that the checker knows.
fn known(id: TypeId) -> Option<Type> {
    let types = [
        (TypeId::of::<INT>(), Type::Number),
        (TypeId::of::<FLOAT>(), Type::Number),
        (TypeId::of::<ImmutableString>(), Type::Text),
        (TypeId::of::<String>(), Type::Text),
        (TypeId::of::<&'static str>(), Type::Text),
        (TypeId::of::<bool>(), Type::Bool),
        (TypeId::of::<()>(), Type::Unit),
        (TypeId::of::<Array>(), Type::Array),
        (TypeId::of::<Map>(), Type::Map),
        (TypeId::of::<FnPtr>(), Type::Function),
    ];
    types.iter().find(|(known, _)| *known == id).map(|(_, kind)| *kind)
}

fn fits(param: Type, arg: Type) -> bool {
    match arg {
        Type::Unknown => true,
        Type::BoolOrUnit => matches!(param, Type::Bool | Type::Unit),
        Type::NumberOrUnit => matches!(param, Type::Number | Type::Unit),
        Type::TextOrUnit => matches!(param, Type::Text | Type::Unit),
        other => other == param,
    }
}

/// Whether this is a keyword of Rhai that is called like a function.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.iter().any(|(keyword, ..)| *keyword == name)
}

fn is_function(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$')
}
