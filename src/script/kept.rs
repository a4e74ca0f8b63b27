//! Functions of a script that the host keeps, to call them later in a call state of their own.

#![expect(deprecated, reason = "Rhai's stored context is marked volatile, not deprecated")]

use super::compile::Script;
use super::function_values::Constants;
use super::language::Language;
use super::state::{CallState, Finished};
use crate::stack;
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext, NativeCallContextStore, Position};
use std::fmt;
use std::sync::Arc;

/// A function of a script, and the place that handed it over: there it finds what it uses, such as imports, constants
/// and other functions.
#[derive(Clone)]
pub(crate) struct KeptFunction {
    function: FnPtr,
    context: NativeCallContextStore,
    /// The constants of the script that was called.
    constants: Option<Constants>,
}

impl fmt::Debug for KeptFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptFunction").field(&self.function).finish()
    }
}

impl KeptFunction {
    /// Keeps a function that was handed to the function with this context.
    pub fn new(context: &NativeCallContext, function: FnPtr) -> Self {
        let constants = CallState::of(context).map(|state| state.constants());
        Self { function, context: context.store_data(), constants }
    }

    /// Returns where the function was handed over: script, line and column.
    pub fn place(&self) -> (String, usize, usize) {
        let position: Position = self.context.pos;
        let script = self.context.source.clone().unwrap_or_default();
        (script, position.line().unwrap_or(0), position.position().unwrap_or(0))
    }

    /// Calls the function with the first of these lists of arguments that has as many as it takes. Returns its value,
    /// or how it ended; `None` if it takes another number of arguments.
    pub fn call(
        &self,
        state: &Arc<CallState>,
        script: &Script,
        language: &Language,
        arguments: &[Vec<Dynamic>],
    ) -> Option<Result<Dynamic, Finished>> {
        stack::maybe_grow(|| {
            if let Some(constants) = &self.constants {
                state.share_constants(constants);
            }
            let engine = state.engine(script, language);
            let mut context = self.context.clone();
            // The functions that it calls find the call state by the tag.
            context.global.tag = engine.default_tag().clone();
            state.usage.begin();
            for arguments in arguments {
                let called = self.function.call_raw(&context.create_context(&engine), None, arguments.clone());
                match called {
                    Err(error) if self.is_arity_error(&error) => {}
                    Ok(value) if !state.usage.is_stopped() => return Some(Ok(value)),
                    Ok(_) => return Some(Err(state.finished(script, language, Ok(())))),
                    Err(error) => return Some(Err(state.finished(script, language, Err(error)))),
                }
            }
            None
        })
    }

    /// Returns the values of the variables that it has captured, and that functions among these have captured. Those of
    /// a variable that is being changed, or that holds a function, are left out.
    pub fn captured(&self) -> Vec<Option<Dynamic>> {
        let mut values = Vec::new();
        each_captured(&self.function, &mut Vec::new(), &mut |variable| {
            values.push((!variable.is_locked()).then(|| variable.flatten_clone()));
        });
        values
    }

    /// Gives the captured variables these values.
    pub fn set_captured(&self, values: &[Option<Dynamic>]) {
        let mut values = values.iter();
        each_captured(&self.function, &mut Vec::new(), &mut |variable| {
            let mut variable = variable.clone();
            if let Some(Some(value)) = values.next()
                && !variable.is_locked()
                && let Some(mut variable) = variable.write_lock::<Dynamic>()
            {
                *variable = value.clone();
            }
        });
    }

    /// Whether the error means that the function itself, and not one it calls, doesn't take this many arguments.
    fn is_arity_error(&self, error: &EvalAltResult) -> bool {
        matches!(error, EvalAltResult::ErrorFunctionNotFound(signature, _)
            if signature.strip_prefix(self.function.fn_name()).is_some_and(|rest| rest.trim_start().starts_with('(')))
    }
}

/// Visits the captured variables of a function, and of the functions among them, each once.
fn each_captured(function: &FnPtr, seen: &mut Vec<usize>, visit: &mut impl FnMut(&Dynamic)) {
    for variable in function.curry().iter().filter(|value| value.is_shared()) {
        if variable.is_locked() || !variable.is_fnptr() {
            visit(variable);
            continue;
        }
        let Some(held) = variable.read_lock::<FnPtr>() else { continue };
        let address = (&raw const *held).addr();
        // A closure may have captured itself.
        if !seen.contains(&address) {
            seen.push(address);
            each_captured(&held, seen, visit);
        }
    }
}
