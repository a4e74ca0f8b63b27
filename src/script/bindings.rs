//! Registers functions with Rhai: the commands, and functions of any values.

use super::call::Call;
use super::convert::{dynamic, value};
use crate::command::{COMMANDS, Command, Function, Need, Param, Value};
use rhai::{Dynamic, EvalAltResult, Module, NativeCallContext, RhaiFunc, Shared};
use smallvec::SmallVec;
use std::any::TypeId;

/// The most arguments of a function that takes any number of them.
const MAX_ARGUMENTS: usize = 9;

/// Returns how many arguments a function can be called with.
pub(crate) fn arities(function: &Function) -> std::ops::RangeInclusive<usize> {
    let least = function.params.iter().filter(|param| param.need == Need::Required).count();
    let repeats = function.params.last().is_some_and(|param: &Param| param.kind.repeats());
    least..=if repeats { MAX_ARGUMENTS } else { function.params.len() }
}

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

/// Registers a function for values of any type.
pub(crate) fn add(
    module: &mut Module,
    name: &str,
    arity: usize,
    function: impl Fn(&NativeCallContext, &mut [&mut Dynamic]) -> Outcome + Send + Sync + 'static,
) {
    add_typed(module, name, &vec![TypeId::of::<Dynamic>(); arity], function);
}

/// Registers a function for values of these types.
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

/// Registers the commands.
pub(crate) fn add_commands(module: &mut Module) {
    for command in COMMANDS {
        let function = &command.function;
        for arity in arities(function) {
            add(module, function.name, arity, |context, args| invoke(command, context, args));
        }
    }
}

fn invoke(command: &'static Command, context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let values: SmallVec<[Value; 4]> = args.iter().map(|arg| value(arg)).collect();
    Call::of(context)?.invoke(command, &values).map(dynamic)
}
