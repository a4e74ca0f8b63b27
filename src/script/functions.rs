//! The words of a script: the commands, our own functions, and an embedder's.

use super::builtin::{self, BUILTINS};
use super::engine::{Call, Memory};
use super::fault::LONGEST_MESSAGE;
use super::rehearse;
use super::shown::short;
use crate::command::{COMMANDS, Command, Function, Need, Param, Refusal, Value};
use crate::session::Error;
use rhai::packages::{
    BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LanguageCorePackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FLOAT, FnPtr, INT, ImmutableString, Map, Module, NativeCallContext,
    Position, RhaiFunc, Scope, Shared,
};
use smallvec::SmallVec;
use std::any::TypeId;
use std::borrow::Cow;

rhai::def_package! {
    /// Rhai's own functions, without those for blobs and bits, and without operators that are built in besides: every
    /// start of the program pays for each.
    pub(super) WordsPackage(lib) : LanguageCorePackage, BasicStringPackage, BasicIteratorPackage,
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

fn too_large(name: &str, x: INT) -> Box<EvalAltResult> {
    EvalAltResult::ErrorArithmetic(format!("{name}({x}) is too large for an integer"), Position::NONE).into()
}

/// As many arguments as a function that takes any number of them may get.
const MOST_ARGUMENTS: usize = 9;

/// The names of a call's own values.
pub(super) const VALUES: [&str; 4] = ["env", "args", "params", "state"];

/// All a script can say: shared by all calls, made once.
#[derive(Clone)]
pub struct Language {
    standard: Shared<Module>,
    modules: Vec<Shared<Module>>,
    functions: Vec<&'static Function>,
    /// How memory is counted while scripts are compiled.
    pub(super) memory: Option<Memory>,
    /// What to say of a function of another language.
    stranger: fn(&str) -> Option<(String, String)>,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Language").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}

impl Language {
    /// The commands and what goes with them.
    #[must_use]
    pub fn new() -> Self {
        let mut module = Module::new();
        for command in COMMANDS {
            let function = &command.function;
            for arity in arities(function) {
                add(&mut module, function.name, arity, |context, args| invoke(command, context, args));
            }
        }
        builtin::add_all(&mut module);
        Self {
            standard: WordsPackage::new().as_shared_module(),
            modules: vec![module.into()],
            functions: COMMANDS.iter().map(|command| &command.function).chain(BUILTINS.iter().copied()).collect(),
            memory: None,
            stranger: |_| None,
        }
    }

    /// What the tests of scripts, `*.test.rhai`, can say: the caller's part, and no commands.
    #[must_use]
    pub fn of_tests() -> Self {
        let mut module = Module::new();
        builtin::add_to_tests_too(&mut module);
        rehearse::add_all(&mut module);
        let kept = |function: &&'static Function| rehearse::stranger(function.name).is_none();
        Self {
            standard: WordsPackage::new().as_shared_module(),
            modules: vec![module.into()],
            functions: rehearse::VOCABULARY.iter().chain(BUILTINS.iter().filter(|f| kept(f))).copied().collect(),
            memory: None,
            stranger: rehearse::stranger,
        }
    }

    /// What is wrong with a function that only another language has, and what is right here.
    pub(super) fn stranger(&self, name: &str) -> Option<(String, String)> {
        (self.stranger)(name)
    }

    /// Adds functions of an embedder: a Rhai module of any functions. They are seen before those of the language.
    pub fn add(&mut self, module: impl Into<Shared<Module>>) {
        self.modules.push(module.into());
    }

    /// Tells how much memory the thread holds that compiles a script, so that what an imported script makes is limited.
    pub fn set_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// All functions that are declared: the commands and what goes with them.
    pub fn functions(&self) -> &[&'static Function] {
        &self.functions
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&'static Function> {
        self.functions.iter().copied().find(|function| function.name == name)
    }

    /// Every function a script can reach, operators and properties included, with the types of its parameters: as the
    /// engine knows them, so that a new version of Rhai is covered too.
    pub fn reachable(&self) -> Vec<(String, Vec<&'static str>)> {
        let types: [(TypeId, &str); 11] = [
            (TypeId::of::<INT>(), "int"),
            (TypeId::of::<FLOAT>(), "float"),
            (TypeId::of::<bool>(), "bool"),
            (TypeId::of::<char>(), "char"),
            (TypeId::of::<ImmutableString>(), "text"),
            (TypeId::of::<Array>(), "array"),
            (TypeId::of::<Map>(), "map"),
            (TypeId::of::<FnPtr>(), "function"),
            (TypeId::of::<()>(), "nothing"),
            (TypeId::of::<std::ops::Range<INT>>(), "range"),
            (TypeId::of::<std::ops::RangeInclusive<INT>>(), "inclusive range"),
        ];
        let name = |id: &TypeId| types.iter().find(|(known, _)| known == id).map_or("any", |(_, name)| *name);
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

    /// The known name most like this one, if one is.
    pub fn like(&self, name: &str) -> Option<&'static str> {
        let known = self.functions.iter().map(|function| function.name).chain(VALUES);
        nearest(name, known)
    }

    /// An engine with all words and no limits of a call.
    pub(super) fn engine(&self) -> Engine {
        let mut engine = Engine::new_raw();
        engine.register_global_module(Shared::clone(&self.standard));
        for module in &self.modules {
            engine.register_global_module(Shared::clone(module));
        }
        engine.disable_symbol("eval");
        engine
    }

    /// An engine to compile with: what is misspelt is found before the call.
    pub(super) fn compiler(&self) -> Engine {
        let mut engine = self.engine();
        engine.set_optimization_level(rhai::OptimizationLevel::None);
        engine.set_strict_variables(true);
        engine.set_max_expr_depths(64, 48);
        engine
    }

    /// The variables every script may name.
    pub(super) fn scope() -> &'static Scope<'static> {
        static SCOPE: std::sync::OnceLock<Scope<'static>> = std::sync::OnceLock::new();
        SCOPE.get_or_init(|| {
            let mut scope = Scope::new();
            for name in VALUES {
                scope.push_dynamic(name, Dynamic::UNIT);
            }
            scope
        })
    }
}

/// The name most like this one, if one is.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known)).min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1)
}

/// With how many arguments a function can be called.
pub(super) fn arities(function: &Function) -> std::ops::RangeInclusive<usize> {
    let least = function.params.iter().filter(|param| param.need == Need::Required).count();
    let repeats = function.params.last().is_some_and(|param: &Param| param.kind.repeats());
    least..=if repeats { MOST_ARGUMENTS } else { function.params.len() }
}

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

/// Registers a function of values of any type.
pub(super) fn add(
    module: &mut Module,
    name: &str,
    arity: usize,
    function: impl Fn(&NativeCallContext, &mut [&mut Dynamic]) -> Outcome + Send + Sync + 'static,
) {
    add_typed(module, name, &vec![TypeId::of::<Dynamic>(); arity], function);
}

/// Registers a function of values of these types.
pub(super) fn add_typed(
    module: &mut Module,
    name: &str,
    types: &[TypeId],
    function: impl Fn(&NativeCallContext, &mut [&mut Dynamic]) -> Outcome + Send + Sync + 'static,
) {
    let function = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| match context {
        Some(context) => {
            for arg in &*args {
                context.engine().ensure_data_size_within_limits(arg)?;
            }
            function(&context, args)
        }
        None => Err("called without a context".into()),
    };
    rhai::FuncRegistration::new(name).in_global_namespace().set_into_module_raw(
        module,
        types,
        RhaiFunc::Pure { func: Shared::new(function), has_context: true, is_pure: true, is_volatile: true },
    );
}

fn invoke(command: &'static Command, context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let values: SmallVec<[Value; 4]> = args.iter().map(|arg| value(arg)).collect();
    let call = Call::of(context)?;
    match call.invoke(context, command, &values) {
        Ok(value) => Ok(dynamic(value)),
        Err(error) => Err(raise(&call, context, error)),
    }
}

/// What a script sees of an error: the end of the call cannot be caught, a refusal is a map.
pub(super) fn raise(call: &Call, context: &NativeCallContext, error: Error) -> Box<EvalAltResult> {
    let position = context.call_position();
    match error {
        Error::Over(_) => {
            call.stop_script();
            EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
        }
        Error::Refused(refusal) => {
            let message = call.raises(&refusal.message, refusal.discreet());
            let refusal = Refusal { message, ..refusal };
            EvalAltResult::ErrorRuntime(caught(refusal, context, position), position).into()
        }
    }
}

fn caught(refusal: Refusal, context: &NativeCallContext, position: Position) -> Dynamic {
    let optional = |text: Option<String>| text.map_or(Dynamic::UNIT, Dynamic::from);
    let mut map = Map::new();
    map.insert("kind".into(), refusal.kind.word().into());
    map.insert("command".into(), refusal.command.into());
    map.insert("parameter".into(), optional(refusal.parameter.map(str::to_owned)));
    map.insert("code".into(), refusal.code.map_or(Dynamic::UNIT, |code| Dynamic::from(i64::from(code))));
    map.insert("result".into(), optional(refusal.result));
    map.insert("message".into(), short(refusal.message, LONGEST_MESSAGE).into());
    map.insert("script".into(), context.call_source().unwrap_or_default().into());
    map.insert("line".into(), i64::try_from(position.line().unwrap_or(0)).unwrap_or(0).into());
    map.into()
}

/// A script's value for a command.
pub(super) fn value(dynamic: &Dynamic) -> Value {
    if let Ok(number) = dynamic.as_int() {
        return Value::Int(number);
    }
    if let Ok(text) = dynamic.as_immutable_string_ref() {
        return Value::Text(text.as_str().to_owned());
    }
    if dynamic.is_unit() {
        return Value::Nothing;
    }
    if let Ok(flag) = dynamic.as_bool() {
        return Value::Bool(flag);
    }
    if let Ok(number) = dynamic.as_float() {
        return Value::Float(number);
    }
    if let Ok(character) = dynamic.as_char() {
        return Value::Text(character.to_string());
    }
    if let Some(map) = dynamic.read_lock::<Map>() {
        return Value::Map(map.iter().map(|(name, item)| (Cow::Owned(name.to_string()), value(item))).collect());
    }
    if let Some(array) = dynamic.read_lock::<Array>() {
        return Value::List(array.iter().map(value).collect());
    }
    Value::Other(dynamic.type_name().to_owned())
}

thread_local! {
    /// What most commands bring: no key.
    static EMPTY: ImmutableString = ImmutableString::new();
}

/// A command's value for a script.
pub(super) fn dynamic(value: Value) -> Dynamic {
    match value {
        Value::Nothing | Value::Other(_) => Dynamic::UNIT,
        Value::Bool(flag) => flag.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Text(text) if text.is_empty() => EMPTY.with(|empty| Dynamic::from(empty.clone())),
        Value::Text(text) => text.into(),
        Value::List(items) => items.into_iter().map(dynamic).collect::<Array>().into(),
        Value::Map(items) => {
            items.into_iter().map(|(name, item)| (name.as_ref().into(), dynamic(item))).collect::<Map>().into()
        }
    }
}

/// A longer name is like none: to compare two costs the product of their lengths.
const LONGEST_NAME: usize = 64;

/// How many letters two names differ by; two letters that changed places count as one.
pub(super) fn distance(one: &str, other: &str) -> usize {
    if one.len().max(other.len()) > LONGEST_NAME {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (i, a) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let change = row[j] + usize::from(a != *b);
            let mut least = change.min(next[j] + 1).min(row[j + 1] + 1);
            if j > 0 && previous == Some(*b) && other[j - 1] == a {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(a);
    }
    row.last().copied().unwrap_or(0)
}
