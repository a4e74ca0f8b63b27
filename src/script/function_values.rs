//! Functions as values: a closure, `Fn("name")` or a function's name runs in the script that wrote it, whoever calls
//! it.
//!
//! To Rhai a function value is only a name, which is looked up where it is called: in an imported script, it would
//! find that script's functions and constants. So a script that imports others runs with names that Rhai cannot
//! look up, neither there nor at home, and [`Homes::call`], which Rhai asks then, calls the function in its own
//! script:
//!
//! * A closure has a name of its own already, a hash of its text and place. Its body is stored under another.
//! * The value of a named function is `anon$3$name`, where 3 is the number of the script. Rhai takes names that begin
//!   with `anon$` for a script's functions.

use super::names::{CLOSURE, written_name};
use rhai::{
    AST, ASTNode, Dynamic, Engine, EvalAltResult, EvalContext, Expr, FnPtr, ImmutableString, Locked, Module, Position,
    ScriptFuncDef, Shared, Token,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

/// The constants of a script, as Rhai keeps them.
pub(super) type Constants = Shared<Locked<BTreeMap<ImmutableString, Dynamic>>>;

/// What stands for Rhai's `Fn`, so that `Homes::call` makes the value.
const FN: &str = "anon$Fn";

/// The scripts that run together: one, and all that it imports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Homes {
    /// By the number of the script. One that is still being compiled is missing.
    scripts: Vec<Option<Home>>,
    numbers: HashMap<ImmutableString, usize>,
    /// The scripts of closures.
    closures: HashMap<ImmutableString, usize>,
}

/// What the functions of a script see, apart from their own variables.
#[derive(Clone, Debug)]
struct Home {
    source: ImmutableString,
    functions: Shared<Module>,
    /// The names of its functions, without closures.
    names: BTreeSet<ImmutableString>,
    imports: Vec<(ImmutableString, Shared<Module>)>,
    /// `None` for the script that is called, whose constants belong to the call.
    constants: Option<Constants>,
}

/// Returns the name under which the body of a closure is stored.
fn stored_name(closure: &str) -> String {
    format!("{CLOSURE}${}", closure.trim_start_matches(CLOSURE))
}

/// Returns a function value with a name that `FnPtr::new` would refuse.
fn value(name: String) -> FnPtr {
    FnPtr::from(ScriptFuncDef { name: name.into(), ..empty_function().clone() })
}

/// Returns a function that does nothing.
fn empty_function() -> &'static ScriptFuncDef {
    static EMPTY: OnceLock<ScriptFuncDef> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let ast = Engine::new_raw().compile("fn none() {}").unwrap_or_default();
        let mut functions = ast.iter_fn_def().map(|function| ScriptFuncDef::clone(function));
        functions.next().unwrap_or_else(|| unreachable!("the text has a function"))
    })
}

/// Gives a script without functions one that cannot be called. Rhai has `global::` only for scripts with functions.
pub(super) fn ensure_functions(ast: &mut AST) {
    if !ast.has_functions() {
        let mut functions = Module::new();
        functions.set_script_fn(ScriptFuncDef { name: format!("{CLOSURE}$").into(), ..empty_function().clone() });
        ast.combine(AST::new([], functions));
    }
}

/// Whether a script has no functions but the one that cannot be called.
pub(super) fn has_only_the_empty_function(ast: &AST) -> bool {
    ast.iter_functions().all(|function| function.name.strip_prefix(CLOSURE) == Some("$"))
}

/// Has the engine compile `Fn` as a name that only [`Homes::call`] knows.
#[expect(deprecated, reason = "`on_parse_token` is marked volatile, not deprecated")]
pub(super) fn replace_fn(engine: &mut Engine) {
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if *word == "Fn" => Token::Identifier(Box::new(FN.into())),
        token => token,
    });
}

impl Homes {
    /// Begins a script, and returns its number.
    pub fn begin(&mut self, source: &str) -> usize {
        self.scripts.push(None);
        self.numbers.insert(source.into(), self.scripts.len() - 1);
        self.scripts.len() - 1
    }

    /// Returns the places of this script's closures that another script has with the same name: the same text at the
    /// same place.
    pub fn ambiguous(&self, ast: &AST) -> Vec<Position> {
        let mut places = Vec::new();
        if ast.iter_functions().any(|function| self.closures.contains_key(function.name)) {
            ast.walk(&mut |nodes| {
                if let Some(ASTNode::Expr(Expr::DynamicConstant(value, place))) = nodes.last()
                    && let Some(function) = value.read_lock::<FnPtr>()
                    && self.closures.contains_key(function.fn_name())
                {
                    places.push(*place);
                }
                true
            });
        }
        places
    }

    /// Takes the closures out of a script's functions, so that only [`Self::call`] finds them.
    pub fn separate_closures(&mut self, number: usize, ast: &mut AST) {
        let mut stored = Module::new();
        for closure in ast.iter_fn_def().filter(|function| function.name.starts_with(CLOSURE)) {
            self.closures.insert(closure.name.clone(), number);
            let name = stored_name(&closure.name).into();
            stored.set_script_fn(ScriptFuncDef { name, ..ScriptFuncDef::clone(closure) });
        }
        if !stored.is_empty() {
            ast.retain_functions(|_, _, name, _| !name.starts_with(CLOSURE));
            ast.combine(AST::new([], stored));
        }
    }

    /// Adds a script with what it imports. `constants` are those of a script that is imported.
    pub fn add(
        &mut self,
        number: usize,
        source: &str,
        ast: &AST,
        imports: Vec<(ImmutableString, Shared<Module>)>,
        constants: Option<Constants>,
    ) {
        let functions = Shared::clone(ast.shared_lib());
        let names = ast.iter_functions().filter(|function| !function.name.starts_with(CLOSURE));
        let names = names.map(|function| function.name.into()).collect();
        self.scripts[number] = Some(Home { source: source.into(), functions, names, imports, constants });
    }

    /// Has an engine keep the constants of the script that it runs here.
    #[expect(deprecated, reason = "`on_def_var` is marked volatile, not deprecated")]
    pub fn keep_constants(engine: &mut Engine, constants: &Constants) {
        let constants = Shared::clone(constants);
        engine.on_def_var(move |is_run_time, _, mut context| {
            let global = context.global_runtime_state_mut();
            // Rhai would make a map of its own, out of reach, for the first constant.
            if is_run_time && global.constants.is_none() && global.lib.len() == 1 {
                global.constants = Some(Shared::clone(&constants));
            }
            Ok(true)
        });
    }

    /// Calls the function of a value in the script that wrote it, if it takes these arguments.
    pub fn call(
        &self,
        name: &str,
        args: &mut [&mut Dynamic],
        is_method: bool,
        mut context: EvalContext,
        own: &Constants,
    ) -> Result<Option<Dynamic>, Box<EvalAltResult>> {
        if name == FN {
            return self.bind(args, &context);
        }
        let (number, called) = match self.closures.get(name) {
            Some(number) => (*number, stored_name(name)),
            None => match bound(name) {
                Some((number, name)) => (number, name.to_owned()),
                None => return Ok(None),
            },
        };
        let Some(Some(home)) = self.scripts.get(number) else { return Ok(None) };
        let constants = Shared::clone(home.constants.as_ref().unwrap_or(own));
        let global = context.global_runtime_state_mut();
        let lib = std::mem::take(&mut global.lib);
        global.lib.push(Shared::clone(&home.functions));
        let constants = global.constants.replace(constants);
        let source = global.source.replace(home.source.clone());
        let imports = global.num_imports();
        for (name, module) in &home.imports {
            global.push_import(name.clone(), Shared::clone(module));
        }
        // The search for the function has counted as a call already.
        let level = global.level;
        global.level = level.saturating_sub(1);
        // The first argument is passed as a reference: it may be a variable of the caller, which must keep its value.
        let result = context.new_frame().with_new_caching_layer().call_fn_raw(&called, true, is_method, args);
        let global = context.global_runtime_state_mut();
        (global.lib, global.constants, global.source, global.level) = (lib, constants, source, level);
        global.truncate_imports(imports);
        match result {
            Err(error) if is_missing(&error, &called) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Makes the value of `Fn("name")`.
    fn bind(&self, args: &[&mut Dynamic], context: &EvalContext) -> Result<Option<Dynamic>, Box<EvalAltResult>> {
        let [name] = args else { return Ok(None) };
        let Ok(name) = name.as_immutable_string_ref() else { return Ok(None) };
        let function = FnPtr::new(name.clone())?;
        // A name that no script defines means the same everywhere.
        let is_defined = self.scripts.iter().flatten().any(|home| home.names.contains(&*name));
        let number = context.source().and_then(|source| self.numbers.get(source));
        Ok(Some(
            match number {
                Some(number) if is_defined => value(format!("{CLOSURE}{number}${}", &*name)),
                _ => function,
            }
            .into(),
        ))
    }

    /// Returns the value of a name in the script that is running, if it is the name of one of its functions.
    pub fn value_of(&self, name: &str, context: &EvalContext) -> Option<Dynamic> {
        let number = *self.numbers.get(context.source()?)?;
        let home = self.scripts.get(number)?.as_ref()?;
        home.names.contains(name).then(|| value(format!("{CLOSURE}{number}${name}")).into())
    }
}

/// Returns the number of the script and the name of the function, if this is the value of a named function.
fn bound(name: &str) -> Option<(usize, &str)> {
    let number = name.strip_prefix(CLOSURE)?.split_once('$')?.0.parse().ok()?;
    Some((number, written_name(name)))
}

/// Whether the error says that there is no such function for these arguments, and not that it failed.
fn is_missing(error: &EvalAltResult, name: &str) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(signature, _)
        if signature.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('(')))
}

/// Puts a space before each of these places, which moves the rest of its line.
pub(super) fn with_spaces(text: &str, places: &[Position]) -> String {
    let mut moved = String::with_capacity(text.len() + places.len());
    for (n, line) in text.split_inclusive('\n').enumerate() {
        for (at, letter) in line.chars().enumerate() {
            if places.iter().any(|place| place.line() == Some(n + 1) && place.position() == Some(at + 1)) {
                moved.push(' ');
            }
            moved.push(letter);
        }
    }
    moved
}
