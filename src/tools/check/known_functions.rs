//! The functions that a script can call, as the engine knows them, including those of an embedder.

use crate::command::{Command, Function, Kind, Need, Type, Waits};
use crate::script::{BUILTINS, CALL_VARIABLES, FunctionNames, Language, ways_of, ways_of_rhai, words_of_rhai};
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// All functions that a script can call.
#[derive(Debug)]
pub(in crate::tools) struct KnownFunctions {
    declared: HashMap<&'static str, &'static Function>,
    language: Language,
    /// The names of Rhai's own functions. Many scripts need none of them, and each start of the program would pay.
    rhai: LazyLock<BTreeSet<String>>,
}

impl KnownFunctions {
    /// Collects the functions of this language.
    pub fn new(language: &Language) -> Self {
        let declared = language.functions().iter().map(|function| (function.name, *function)).collect();
        let rhai: LazyLock<BTreeSet<String>> =
            LazyLock::new(|| words_of_rhai().into_iter().map(|(name, _)| name).collect());
        Self { declared, language: language.clone(), rhai }
    }

    pub fn declared(&self, name: &str) -> Option<&'static Function> {
        self.declared.get(name).copied()
    }

    /// Returns the command that a function sends.
    pub fn command(&self, function: &Function) -> Option<&'static Command> {
        self.language.commands().of(function)
    }

    /// Whether this is one of Rhai's own functions, which only compute.
    pub fn is_rhai(&self, name: &str) -> bool {
        self.rhai.contains(name)
    }

    /// Whether this is one of Rhai's own functions that returns a value and has no other effect, unless it is given a
    /// function to call.
    pub fn only_computes(&self, name: &str) -> bool {
        let is_replaced = self.declared.contains_key(name);
        self.is_rhai(name) && !is_replaced && !["print", "debug", "call", "for_each"].contains(&name)
    }

    /// Whether a function can be called with this number of arguments.
    pub fn takes(&self, name: &str, count: usize) -> bool {
        self.ways(name).is_some_and(|ways| ways.takes(name, count)) || self.language.names().takes(name, count)
    }

    /// Returns the index of the first argument that no way of calling the function accepts, and the types it accepts
    /// there.
    pub fn refuses(&self, name: &str, args: &[Type]) -> Option<(usize, Vec<Type>)> {
        let is_accepted = args.iter().all(|kind| *kind == Type::Unknown)
            || self.ways(name).is_some_and(|ways| ways.takes(name, args.len()) && ways.refuses(name, args).is_none());
        if is_accepted { None } else { self.language.names().refuses(name, args) }
    }

    /// Returns the ways to call a function that are known without asking the engine for all functions, which every
    /// start of the program would pay for. The engine may know more.
    fn ways(&self, name: &str) -> Option<FunctionNames> {
        let ways = match self.declared(name) {
            Some(function) => ways_of(function),
            None if self.language.hint_for_unavailable(name).is_none() => ways_of_rhai(name)?,
            None => return None,
        };
        Some(FunctionNames::new(ways.into_iter().map(|types| (name.to_owned(), types)), std::iter::empty()))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.language.names().exists(name)
    }
}

pub(super) fn is_value(name: &str) -> bool {
    CALL_VARIABLES.contains(&name)
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
    pub(super) fn effect(&self, function: &'static Function, args: usize) -> Effect {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of a function without asking the engine is what the engine says, and suffices for Rhai's own.
    #[test]
    fn known_ways_are_those_of_the_engine() {
        let kinds = [Type::Unknown, Type::Unit, Type::Bool, Type::Number, Type::Text, Type::TextOrUnit, Type::Array];
        let pairs = kinds.iter().flat_map(|one| kinds.iter().map(|other| vec![*one, *other]));
        let args: Vec<Vec<Type>> =
            std::iter::once(Vec::new()).chain(kinds.iter().map(|kind| vec![*kind])).chain(pairs).collect();
        let scripts = Language::new();
        for language in [scripts.clone(), Language::of_tests()] {
            let known = KnownFunctions::new(&language);
            let names = language.names();
            for (name, _) in language.reachable() {
                for count in 0..12 {
                    assert_eq!(known.takes(&name, count), names.takes(&name, count), "{name} with {count}");
                    // What is neither declared nor a word is not called by its name, or is declared elsewhere.
                    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$');
                    let is_of_rhai = is_word && scripts.function(&name).is_none() && language.function(&name).is_none();
                    let is_quick = known.ways(&name).is_some_and(|ways| ways.takes(&name, count));
                    assert!(is_quick || !is_of_rhai || !names.takes(&name, count), "{name} with {count} is slow");
                }
                for args in &args {
                    assert_eq!(known.refuses(&name, args), names.refuses(&name, args), "{name} with {args:?}");
                }
            }
        }
    }
}
