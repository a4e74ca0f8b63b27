//! The functions that a script can call, as the engine knows them, including those of an embedder.

use crate::command::{Command, Function, Kind, Need, Type, Waits};
use crate::script::{BUILTINS, CALL_VARIABLES, Language, distance, words_of_rhai};
use rhai::{Array, FLOAT, FnPtr, INT, ImmutableString, Map};
use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Keywords of Rhai that are called like functions, with their minimum and maximum number of arguments.
const BUILT_IN: &[(&str, usize, usize)] = &[
    ("call", 1, usize::MAX),
    ("curry", 1, usize::MAX),
    ("Fn", 1, 1),
    ("type_of", 1, 1),
    ("is_shared", 1, 1),
    ("is_def_var", 1, 1),
    ("is_def_fn", 2, 3),
];

/// Names that functions have in other languages, and their names here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("println", "print"),
    ("echo", "print"),
    ("printf", "print"),
    ("console_log", "print"),
    ("wait", "sleep"),
    ("delay", "sleep"),
    ("pause", "sleep"),
    ("play", "stream_file"),
    ("playback", "stream_file"),
    ("background", "stream_file"),
    ("play_file", "stream_file"),
    ("read", "get_data"),
    ("read_digits", "get_data"),
    ("get_digits", "get_data"),
    ("get_digit", "wait_for_digit"),
    ("wait_digit", "wait_for_digit"),
    ("int", "to_number"),
    ("parse_number", "to_number"),
    ("number", "to_number"),
    ("str", "to_string"),
    ("rand", "random"),
    ("randint", "random"),
    ("length", "len"),
    ("size", "len"),
    ("count", "len"),
    ("append", "push"),
    ("add", "push"),
    ("upper", "to_upper"),
    ("lower", "to_lower"),
    ("strip", "trim"),
    ("substring", "sub_string"),
    ("substr", "sub_string"),
    ("includes", "contains"),
    ("quit", "exit"),
    ("stop", "exit"),
    ("end", "exit"),
    ("log", "print"),
    ("set_var", "set_variable"),
    ("get_var", "get_variable"),
    ("set", "set_variable"),
    ("db_get", "database_get"),
    ("db_put", "database_put"),
    ("record", "record_file"),
    ("say", "say_number"),
    ("time", "now"),
    ("hang_up", "hangup"),
];

type Signature = Vec<TypeId>;

/// All functions that a script can call.
#[derive(Debug)]
pub(super) struct KnownFunctions {
    /// The types of the parameters for each way to call a function, by its name.
    native: HashMap<String, Vec<Signature>>,
    declared: BTreeMap<&'static str, &'static Function>,
    language: Language,
    /// The names of Rhai's own functions.
    rhai: BTreeSet<String>,
    /// The applications of the dialplan, which people may try to call like functions: without underscores, in lower
    /// case.
    applications: BTreeSet<String>,
}

impl KnownFunctions {
    /// Collects the functions of this language.
    pub fn new(language: &Language) -> Self {
        let engine = language.engine();
        let mut native: HashMap<String, Vec<Signature>> = HashMap::new();
        let all = engine.collect_fn_metadata(
            None,
            |f| Some((f.metadata.name.to_string(), f.metadata.num_params, f.metadata.param_types.to_vec())),
            true,
        );
        for (name, params, mut types) in all {
            types.resize(params, TypeId::of::<rhai::Dynamic>());
            native.entry(name).or_default().push(types);
        }
        let declared = language.functions().iter().map(|function| (function.name, *function)).collect();
        let applications = super::asterisk::names().map(plain).collect();
        // What a test would get from Rhai, but must not use.
        native.retain(|name, _| language.hint_for_unavailable(name).is_none());
        let rhai = words_of_rhai().into_iter().map(|(name, _)| name).collect();
        Self { native, declared, language: language.clone(), rhai, applications }
    }

    pub fn declared(&self, name: &str) -> Option<&'static Function> {
        self.declared.get(name).copied()
    }

    /// Returns the command that a function sends.
    pub fn command(&self, function: &Function) -> Option<&'static Command> {
        self.language.commands().of(function)
    }

    pub fn exists(&self, name: &str) -> bool {
        self.native.contains_key(name) || BUILT_IN.iter().any(|(built_in, ..)| *built_in == name)
    }

    pub fn takes(&self, name: &str, count: usize) -> bool {
        let native = self.native.get(name).is_some_and(|ways| ways.iter().any(|types| types.len() == count));
        native || BUILT_IN.iter().any(|(built_in, min, max)| *built_in == name && (*min..=*max).contains(&count))
    }

    /// Returns the numbers of arguments that a function can be called with, in order.
    pub fn counts(&self, name: &str) -> BTreeSet<usize> {
        self.native.get(name).into_iter().flatten().map(Vec::len).collect()
    }

    /// Returns the index of the first argument that no way of calling the function accepts, and the types it accepts
    /// there.
    pub fn refuses(&self, name: &str, args: &[Type]) -> Option<(usize, Vec<Type>)> {
        let ways: Vec<_> = self.native.get(name)?.iter().filter(|types| types.len() == args.len()).collect();
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

    /// Returns the function that may have been meant by a name.
    pub fn similar<'a>(&'a self, name: &str, others: impl Iterator<Item = &'a str>) -> Option<String> {
        let wanted = plain(name);
        let own: Vec<&str> = others.collect();
        let known = || own.iter().copied().chain(self.native.keys().map(String::as_str)).filter(|known| is_name(known));
        if let Some(same) = known().filter(|known| plain(known) == wanted).min() {
            return Some(same.to_owned());
        }
        let elsewhere = || ELSEWHERE.iter().filter(|(_, here)| self.exists(here));
        let same = elsewhere().find(|(other, _)| plain(other) == wanted);
        let misspelt = || elsewhere().find(|(other, _)| other.len() > 4 && distance(name, other) == 1);
        // A name that differs by one letter is nearer than one with the same meaning.
        let near = known().map(|known| (distance(name, known), !own.contains(&known), known)).min();
        let near = near.filter(|(far, ..)| *far <= nearness(name));
        match (near, same) {
            (Some((1, _, near)), _) => Some(near.to_owned()),
            (_, Some((_, here))) => Some((*here).to_owned()),
            (Some((.., near)), _) => Some(near.to_owned()),
            _ => misspelt().map(|(_, here)| (*here).to_owned()),
        }
    }

    /// Whether this is one of Rhai's own functions, which only compute.
    pub fn is_rhai(&self, name: &str) -> bool {
        self.rhai.contains(name)
    }

    /// Explains a function that only another language has: returns what is wrong, and what to write instead.
    pub fn hint_for_unavailable(&self, name: &str) -> Option<(String, String)> {
        self.language.hint_for_unavailable(name)
    }

    /// Whether this is one of Rhai's own functions that returns a value and has no other effect, unless it is given a
    /// function to call.
    pub fn only_computes(&self, name: &str) -> bool {
        let is_replaced = self.declared.contains_key(name);
        self.is_rhai(name) && !is_replaced && !["print", "debug", "call", "for_each"].contains(&name)
    }

    /// Whether this is a keyword of Rhai that is called like a function.
    pub fn is_built_in(name: &str) -> bool {
        BUILT_IN.iter().any(|(built_in, ..)| *built_in == name)
    }

    pub fn is_application(&self, name: &str) -> bool {
        self.applications.contains(&plain(name))
    }
}

/// Returns by how many letters a misspelt name may differ.
fn nearness(name: &str) -> usize {
    match name.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    }
}

/// Returns which of these names may have been meant.
pub(super) fn near<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    let far = |known: &&str| if plain(known) == wanted { 0 } else { distance(name, known) };
    let near = among.filter(|known| *known != name).map(|known| (far(&known), known)).min()?;
    // Among few names, a less similar one may still be the likeliest.
    let max = nearness(name).max(name.chars().count() / 2).min(3);
    (near.0 <= max).then_some(near.1)
}

/// Normalizes a name: case and underscores differ between languages.
fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$')
}

pub(super) fn is_value(name: &str) -> bool {
    CALL_VARIABLES.contains(&name)
}

/// Returns the type of a parameter, if the checker knows it.
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

/// Returns the type of a function's value, when it is called with arguments of these types.
pub(super) fn value_type(function: &Function, args: &[Type]) -> Type {
    let value_type = function.returns.value_type();
    let otherwise = function.params.iter().position(|param| param.kind == Kind::Otherwise);
    match otherwise.and_then(|at| args.get(at)) {
        None => value_type,
        Some(otherwise) if *otherwise == value_type.without_unit() => *otherwise,
        Some(_) => Type::Unknown,
    }
}

/// The effect of a function on a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// It computes.
    None,
    /// It talks to Asterisk, and returns at once.
    Short,
    /// It takes time, but doesn't listen to the caller.
    Plays,
    /// It waits for the caller, or may do anything.
    Asks,
}

impl KnownFunctions {
    /// Returns what a declared function does to a loop, when it is called with this number of arguments.
    pub fn effect(&self, function: &'static Function, args: usize) -> Effect {
        let keys = function.params.iter().position(|param| param.kind == Kind::Keys);
        let hears_nobody = keys.is_some_and(|at| function.params[at].need != Need::Required && args <= at);
        if let Some(command) = self.command(function) {
            return match command.waits {
                Waits::Short => Effect::Short,
                Waits::Unbounded if function.params.is_empty() => Effect::Short,
                _ if hears_nobody => Effect::Plays,
                _ => Effect::Asks,
            };
        }
        // A function that goes with the commands computes, or takes as long as the script says.
        if BUILTINS.iter().any(|builtin| std::ptr::eq(*builtin, function)) {
            let takes_time = function.params.iter().any(|param| param.kind == Kind::Seconds);
            return if takes_time { Effect::Plays } else { Effect::None };
        }
        // All others ask the caller, or may do so.
        if hears_nobody { Effect::Plays } else { Effect::Asks }
    }
}
