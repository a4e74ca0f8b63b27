//! Registers functions with Rhai: the commands, and functions of any values.

use super::call::Call;
use super::convert::{dynamic, value};
use super::language::Language;
use super::names::Named;
use crate::command::{COMMANDS, Command, Value};
use rhai::{Dynamic, EvalAltResult, Module, NativeCallContext, RhaiFunc, Shared};
use smallvec::SmallVec;
use std::any::TypeId;

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

/// Registers a function that takes values of any type.
pub(crate) fn add(
    module: &mut Module,
    name: &str,
    arity: usize,
    function: impl Fn(&NativeCallContext, &mut [&mut Dynamic]) -> Outcome + Send + Sync + 'static,
) {
    add_typed(module, name, &vec![TypeId::of::<Dynamic>(); arity], function);
}

/// Registers a function that takes values of these types.
pub(crate) fn add_typed(
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

/// Registers Asterisk's commands.
pub(crate) fn add_commands(module: &mut Module, named: &Named) {
    for command in COMMANDS.iter().filter(|command| named.contains(command.function.name)) {
        add_command(module, command);
    }
}

fn add_command(module: &mut Module, command: &'static Command) {
    for arity in command.function.arities() {
        add(module, command.function.name, arity, move |context, args| invoke(command, context, args));
    }
}

impl Language {
    /// Adds a command, such as one from a module of an embedder's Asterisk. Scripts get its function, the checker and
    /// editors know it, and recordings keep what isn't private in it.
    pub fn add_command(&mut self, command: &'static Command) {
        let mut module = Module::new();
        add_command(&mut module, command);
        self.add(module);
        self.declare(command);
    }
}

fn invoke(command: &'static Command, context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let values: SmallVec<[Value; 4]> = args.iter().map(|arg| value(arg)).collect();
    Call::of(context)?.invoke(command, &values).map(dynamic)
}
