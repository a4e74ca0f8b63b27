//! The language of scripts: the functions they can call, made once and shared by all calls.

use super::limits::Memory;
use super::names::{CALL_VARIABLES, FunctionNames, Named};
use super::rhai_words::TYPES;
use crate::command::{Command, Function, Table};
use rhai::packages::{
    BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LanguageCorePackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, EvalAltResult, FLOAT, INT, Module, Position, Scope, Shared};
use std::any::TypeId;
use std::sync::{Arc, OnceLock};

rhai::def_package! {
    /// Rhai's own functions, without those for blobs and bits, and without operators that Rhai has built in anyway:
    /// every start of the program pays for each function.
    pub(crate) WordsPackage(lib) : LanguageCorePackage, BasicStringPackage, BasicIteratorPackage,
        BasicFnPackage, LogicPackage, BasicMathPackage, BasicArrayPackage, BasicMapPackage, MoreStringPackage
    {
        lib.set_native_fn("-", |x: INT| x.checked_neg().ok_or_else(|| too_large("-", x)));
        lib.set_native_fn("-", |x: FLOAT| Ok(-x));
        lib.set_native_fn("+", |x: INT| Ok(x));
        lib.set_native_fn("+", |x: FLOAT| Ok(x));
        lib.set_native_fn("abs", |x: INT| x.checked_abs().ok_or_else(|| too_large("abs", x)));
        lib.set_native_fn("abs", |x: FLOAT| Ok(x.abs()));
        lib.set_native_fn("sign", |x: INT| Ok(x.signum()));
        lib.set_native_fn("is_zero", |x: INT| Ok(x == 0));
        lib.set_native_fn("is_odd", |x: INT| Ok(x % 2 != 0));
        lib.set_native_fn("is_even", |x: INT| Ok(x % 2 == 0));
    }
}

/// Returns Rhai's own functions: their names, and the types of their parameters.
pub(crate) fn words_of_rhai() -> Vec<(String, Vec<TypeId>)> {
    let mut bare = Engine::new_raw();
    bare.register_global_module(WordsPackage::new().as_shared_module());
    let described = |f: rhai::FuncInfo<'_>| {
        let mut types = f.metadata.param_types.to_vec();
        types.resize(f.metadata.num_params, TypeId::of::<Dynamic>());
        Some((f.metadata.name.to_string(), types))
    };
    bare.collect_fn_metadata(None, described, true)
}

fn too_large(name: &str, x: INT) -> Box<EvalAltResult> {
    EvalAltResult::ErrorArithmetic(format!("{name}({x}) is too large for an integer"), Position::NONE).into()
}

/// The functions and variables of scripts. It is made once, and shared by all calls.
///
/// A [`Host`](crate::Host) has one, to which an embedder may add functions:
///
/// ```
/// use agi_rhai::Host;
/// use rhai::{EvalAltResult, Module};
///
/// let mut module = Module::new();
/// module.set_native_fn("price", |item: &str| -> Result<i64, Box<EvalAltResult>> {
///     Ok(if item == "tea" { 240 } else { 300 })
/// });
/// let mut host = Host::new();
/// host.language_mut().add(module);
/// assert!(host.compile("shop.rhai", r#"say_number(price("tea"));"#).is_ok());
/// ```
///
/// A function that takes part in the call uses [`Call`](super::Call); an AGI command that others lack is added by
/// [`add_command`](Self::add_command).
#[derive(Clone)]
pub struct Language {
    /// Rhai's functions, and those that every script has.
    always: [Shared<Module>; 2],
    /// Registers the functions that a script has only if it names them.
    add_named: fn(&mut Module, &Named<'_>),
    /// All of those.
    all_named: OnceLock<Shared<Module>>,
    /// An embedder's.
    added: Vec<Shared<Module>>,
    functions: Vec<&'static Function>,
    commands: Table,
    /// The names of the functions, collected when a mistake is explained.
    names: OnceLock<Arc<FunctionNames>>,
    /// How memory is counted while scripts are compiled.
    pub(crate) memory: Option<Memory>,
    /// Explains a function that only another language has: what is wrong, and what to write instead.
    hint_for_unavailable: fn(&str) -> Option<(String, String)>,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Language").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Language {
    /// Makes a language of Rhai's own functions, those of a module, and those that `add_named` registers for scripts
    /// that name them. `functions` declares them, except for Rhai's.
    ///
    /// `hint_for_unavailable` gets the name of a function that this language lacks. If another language has it, it
    /// returns what is wrong, and what to write instead.
    pub(crate) fn of(
        module: Module,
        add_named: fn(&mut Module, &Named<'_>),
        functions: Vec<&'static Function>,
        hint_for_unavailable: fn(&str) -> Option<(String, String)>,
    ) -> Self {
        Self {
            always: [WordsPackage::new().as_shared_module(), module.into()],
            add_named,
            all_named: OnceLock::new(),
            added: Vec::new(),
            functions,
            commands: Table::new(),
            names: OnceLock::new(),
            memory: None,
            hint_for_unavailable,
        }
    }

    /// Explains a function that only another language has: returns what is wrong, and what to write instead.
    pub(crate) fn hint_for_unavailable(&self, name: &str) -> Option<(String, String)> {
        (self.hint_for_unavailable)(name)
    }

    /// Adds an embedder's functions, as a Rhai module. They take precedence over the language's own functions of the
    /// same name.
    pub fn add(&mut self, module: impl Into<Shared<Module>>) {
        self.added.push(module.into());
        self.names = OnceLock::new();
    }

    /// Sets how memory is counted on the thread that compiles scripts, so that imported scripts are limited too.
    pub fn set_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// Returns the commands that scripts can send.
    #[must_use]
    pub fn commands(&self) -> &Table {
        &self.commands
    }

    /// Declares the function of a command.
    pub(super) fn declare(&mut self, command: &'static Command) {
        self.functions.retain(|function| function.name != command.function.name);
        self.functions.push(&command.function);
        self.commands.add(command);
        self.names = OnceLock::new();
    }

    /// Returns the declarations of all functions, except for Rhai's own and an embedder's.
    pub fn functions(&self) -> &[&'static Function] {
        &self.functions
    }

    /// Returns the declaration of the function with this name.
    pub fn function(&self, name: &str) -> Option<&'static Function> {
        self.functions.iter().copied().find(|function| function.name == name)
    }

    /// Returns every function that a script can call, including operators and properties, with the types of its
    /// parameters. The list comes from the engine, so it covers new versions of Rhai too.
    pub fn reachable(&self) -> Vec<(String, Vec<&'static str>)> {
        let name = |id: &TypeId| TYPES.iter().find(|(known, _)| known() == *id).map_or("any", |(_, name)| *name);
        let mut all = self.engine().collect_fn_metadata(
            None,
            |f| {
                let mut types: Vec<_> = f.metadata.param_types.iter().map(name).collect();
                types.resize(f.metadata.num_params, "any");
                Some((f.metadata.name.to_string(), types))
            },
            true,
        );
        all.sort();
        all.dedup();
        all
    }

    /// Returns the names of all functions.
    pub(crate) fn names(&self) -> &FunctionNames {
        self.names.get_or_init(|| {
            let all = self.engine().collect_fn_metadata(
                None,
                |f| {
                    let mut types = f.metadata.param_types.to_vec();
                    types.resize(f.metadata.num_params, TypeId::of::<Dynamic>());
                    Some((f.metadata.name.to_string(), types))
                },
                true,
            );
            let declared = self.functions.iter().map(|function| function.name);
            // Without what a test would get from Rhai, but must not use.
            let all = all.into_iter().filter(|(name, _)| self.hint_for_unavailable(name).is_none());
            Arc::new(FunctionNames::new(all, declared))
        })
    }

    /// Returns the function with the most similar name, if it is similar enough to be the one that was meant.
    #[must_use]
    pub fn similar(&self, name: &str) -> Option<String> {
        self.names().similar(name, &[])
    }

    /// Returns the functions that these scripts have because they name them.
    pub(crate) fn named_in<'a>(&self, texts: &(impl Iterator<Item = &'a str> + Clone)) -> Shared<Module> {
        let mut module = Module::new();
        (self.add_named)(&mut module, &Named::of(texts));
        module.into()
    }

    /// Returns an engine with all functions and without the limits of a call.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(self.all_named())
    }

    fn all_named(&self) -> &Shared<Module> {
        self.all_named.get_or_init(|| {
            let mut module = Module::new();
            (self.add_named)(&mut module, &Named::any());
            module.into()
        })
    }

    /// Does the same, with only these of the functions that a script has if it names them.
    pub(crate) fn engine_with(&self, named: &Shared<Module>) -> Engine {
        // A function of an embedder may call any by its name.
        let named = if self.added.is_empty() { named } else { self.all_named() };
        let mut engine = Engine::new_raw();
        for module in self.always.iter().chain([named]).chain(&self.added) {
            engine.register_global_module(Shared::clone(module));
        }
        engine.disable_symbol("eval");
        engine
    }

    /// Returns an engine for compiling, which finds misspelt variables before the call. It has no functions.
    pub(crate) fn compiler() -> Engine {
        let mut engine = Engine::new_raw();
        engine.disable_symbol("eval");
        // The sandbox has no optimizer.
        #[cfg(not(feature = "sandbox"))]
        engine.set_optimization_level(rhai::OptimizationLevel::None);
        engine.set_strict_variables(true);
        engine.set_max_expr_depths(64, 48);
        engine
    }

    /// Returns the variables that every script has.
    pub(crate) fn scope() -> &'static Scope<'static> {
        static SCOPE: std::sync::OnceLock<Scope<'static>> = std::sync::OnceLock::new();
        SCOPE.get_or_init(|| {
            let mut scope = Scope::new();
            for name in CALL_VARIABLES {
                scope.push_dynamic(name, Dynamic::UNIT);
            }
            scope
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rhai_words::WORDS;
    use super::*;
    use std::collections::BTreeMap;

    /// The table of Rhai's words says what the engine would say.
    #[test]
    fn the_words_of_rhai_are_those_of_the_engine() {
        let language = Language::new();
        let is_word = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$');
        let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, types) in language.reachable() {
            if is_word(&name) && language.function(&name).is_none() {
                words.entry(name).or_default().push(types.join(", "));
            }
        }
        let words: Vec<(String, String)> = words.into_iter().map(|(name, ways)| (name, ways.join(" | "))).collect();
        let stated: Vec<_> = WORDS.iter().map(|(name, ways)| ((*name).to_owned(), (*ways).to_owned())).collect();
        let table: String = words.iter().map(|word| format!("    {word:?},\n")).collect();
        assert!(stated == words, "the table should be:\n{table}");
    }
}
