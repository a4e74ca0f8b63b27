//! What Rhai asks when a function cannot be called: function values of other scripts, and methods of constants.

use super::function_values::{Constants, Homes};
use super::names::CLOSURE;
use super::shown::shown;
use rhai::{Dynamic, Engine, EvalAltResult, EvalContext};
use std::sync::Arc;

/// The methods of arrays that don't change their array, but are refused by Rhai for a constant. `tests/read_only.rs`
/// finds them.
const READING: [&str; 6] = ["extract", "for_each", "get", "order", "order_by", "order_desc"];

/// Has an engine call these functions. `homes` are the scripts that run together, with the constants of the script
/// that the engine runs, if it isn't alone.
#[expect(deprecated, reason = "`on_missing_function` is marked volatile, not deprecated")]
pub(super) fn serve(engine: &mut Engine, homes: Option<(Arc<Homes>, Constants)>) {
    if let Some((_, constants)) = &homes {
        Homes::keep_constants(engine, constants);
    }
    engine.on_missing_function(move |name, args, is_method, context| match &homes {
        Some((homes, constants)) if name.starts_with(CLOSURE) => homes.call(name, args, is_method, context, constants),
        _ => read(name, args, context),
    });
}

/// Calls a method that only reads its array, for an array that is read-only. It gets a copy.
fn read(
    name: &str,
    args: &mut [&mut Dynamic],
    mut context: EvalContext,
) -> Result<Option<Dynamic>, Box<EvalAltResult>> {
    let [constant, args @ ..] = args else { return Ok(None) };
    if !constant.is_read_only() || !constant.is_array() || !READING.contains(&name) {
        return Ok(None);
    }
    let mut copy = constant.clone();
    let mut with_copy: Vec<&mut Dynamic> =
        std::iter::once(&mut copy).chain(args.iter_mut().map(|arg| &mut **arg)).collect();
    let result = context.call_native_fn_raw(name, true, &mut with_copy)?;
    // A closure may have changed an element, which is its `this`.
    let is_changed = name == "for_each" && shown(constant, usize::MAX) != shown(&copy, usize::MAX);
    Ok((!is_changed).then_some(result))
}
