//! Rhai's functions that could take any amount of time or memory in one step, with limits that are checked before the
//! work. They do what Rhai's own do, and raise the error that Rhai would raise after the work.
//!
//! Rhai checks the size of a value only once the value exists. That is enough for values that grow by a constant
//! amount. These functions make values grow by more than that, or without end. `tests/fastagi/walls.rs` finds such
//! functions, including those of a new version of Rhai.

use super::call::Call;
use super::convert::from_json;
use super::names::{BY_NAME, is_closure, written_name};
use super::shown::shown;
use super::usage::Limit;
use rhai::{
    Array, Dynamic, EvalAltResult, FnPtr, FuncRegistration, INT, ImmutableString, Map, Module, NativeCallContext,
    Position, RhaiFunc, Shared,
};
use std::any::TypeId;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// Registers these functions, which take precedence over Rhai's own.
pub(crate) fn add_all(module: &mut Module) {
    add_texts(module);
    add_parts(module);
    add_forms(module);
    add_named(module);
    add_names(module);
    function("parse_json").set_into_module(module, parse_json);
}

fn function(name: &str) -> FuncRegistration {
    FuncRegistration::new(name).in_global_namespace()
}

/// Registers a function that changes its first argument, which Rhai refuses if that is a constant.
fn changing(name: &str) -> FuncRegistration {
    function(name).with_purity(false)
}

fn text_is_too_large<T>() -> Result<T> {
    Err(EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), Position::NONE).into())
}

fn array_is_too_large<T>() -> Result<T> {
    Err(EvalAltResult::ErrorDataTooLarge("Size of array/BLOB".to_owned(), Position::NONE).into())
}

/// Returns one of Rhai's limits, where 0 means unlimited.
fn unless_zero(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

fn room_for_text(context: &NativeCallContext) -> usize {
    unless_zero(context.engine().max_string_size())
}

fn room_for_elements(context: &NativeCallContext) -> usize {
    unless_zero(context.engine().max_array_size())
}

fn add_texts(module: &mut Module) {
    changing("replace").set_into_module(
        module,
        |context: NativeCallContext, text: &mut ImmutableString, find: &str, by: &str| {
            let times = text.matches(find).count();
            // The final length: without what is replaced, and with as many replacements.
            let length = text.len().saturating_sub(times * find.len()).saturating_add(times.saturating_mul(by.len()));
            if length > room_for_text(&context) {
                return text_is_too_large();
            }
            *text = text.replace(find, by).into();
            Ok(())
        },
    );
    changing("replace").set_into_module(
        module,
        |context: NativeCallContext, text: &mut ImmutableString, find: char, by: &str| {
            let times = text.matches(find).count();
            let length = text.len() - times * find.len_utf8();
            if length.saturating_add(times.saturating_mul(by.len())) > room_for_text(&context) {
                return text_is_too_large();
            }
            *text = text.replace(find, by).into();
            Ok(())
        },
    );
    changing("pad").set_into_module(
        module,
        |context: NativeCallContext, text: &mut ImmutableString, length: INT, by: &str| {
            let wanted = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
            if wanted > room_for_text(&context) {
                return text_is_too_large();
            }
            let missing = wanted.saturating_sub(text.chars().count());
            // With an empty padding, the text stays as it is.
            if missing > 0 && !by.is_empty() {
                let longer: String = text.chars().chain(by.chars().cycle().take(missing)).collect();
                *text = longer.into();
            }
            Ok(())
        },
    );
}

/// Returns the parts of a text as an array, unless there are too many. An empty text is its own only part, however it
/// is split.
fn parts<'a>(context: &NativeCallContext, text: &str, parts: impl Iterator<Item = &'a str>) -> Result<Array> {
    if text.is_empty() {
        return Ok(vec![Dynamic::from(String::new())]);
    }
    let room = room_for_elements(context);
    let parts: Array = parts.take(room.saturating_add(1)).map(|part| Dynamic::from(part.to_owned())).collect();
    if parts.len() > room { array_is_too_large() } else { Ok(parts) }
}

fn segments(segments: INT) -> usize {
    usize::try_from(segments).unwrap_or(1).max(1)
}

fn add_parts(module: &mut Module) {
    function("split").set_into_module(module, |context: NativeCallContext, text: &str| {
        parts(&context, text, text.split_whitespace())
    });
    function("split").set_into_module(module, |context: NativeCallContext, text: &str, at: &str| {
        parts(&context, text, text.split(at))
    });
    function("split").set_into_module(module, |context: NativeCallContext, text: &str, at: char| {
        parts(&context, text, text.split(at))
    });
    function("split").set_into_module(module, |context: NativeCallContext, text: &str, at: &str, max: INT| {
        parts(&context, text, text.splitn(segments(max), at))
    });
    function("split").set_into_module(module, |context: NativeCallContext, text: &str, at: char, max: INT| {
        parts(&context, text, text.splitn(segments(max), at))
    });
    function("split_rev").set_into_module(module, |context: NativeCallContext, text: &str, at: &str| {
        parts(&context, text, text.rsplit(at))
    });
    function("split_rev").set_into_module(module, |context: NativeCallContext, text: &str, at: char| {
        parts(&context, text, text.rsplit(at))
    });
    function("split_rev").set_into_module(module, |context: NativeCallContext, text: &str, at: &str, max: INT| {
        parts(&context, text, text.rsplitn(segments(max), at))
    });
    function("split_rev").set_into_module(module, |context: NativeCallContext, text: &str, at: char, max: INT| {
        parts(&context, text, text.rsplitn(segments(max), at))
    });
    function("to_chars").set_into_module(module, |context: NativeCallContext, text: &str| {
        let room = room_for_elements(&context);
        let letters: Array = text.chars().take(room.saturating_add(1)).map(Dynamic::from).collect();
        if letters.len() > room { array_is_too_large() } else { Ok(letters) }
    });
}

/// Registers the functions that turn values into text, except `print`, which also notes its place. A text is cut
/// where it gets too long: Rhai would write the value itself after an error.
fn add_forms(module: &mut Module) {
    for name in ["to_string", "to_debug", "debug"] {
        function(name).set_into_module(module, |context: NativeCallContext, value: &mut Array| {
            written(&context, value, Array::clear)
        });
        function(name).set_into_module(module, |context: NativeCallContext, value: &mut Map| {
            written(&context, value, Map::clear)
        });
        function(name)
            .set_into_module(module, |context: NativeCallContext, value: &mut FnPtr| form(&context, value.clone()));
    }
    function("to_json").set_into_module(module, |context: NativeCallContext, map: &mut Map| {
        let map = Dynamic::from(map.clone());
        context.engine().ensure_data_size_within_limits(&map)?;
        Ok::<_, Box<EvalAltResult>>(json(&map).to_string())
    });
}

/// Returns the text of a value. A value that has grown beyond its limits through `this[..] =`, where nothing checks
/// it, ends the script. It is emptied then: Rhai checks its size only afterwards, and would write all of it into the
/// error.
fn written<T: Clone + Into<Dynamic>>(
    context: &NativeCallContext,
    value: &mut T,
    clear: impl Fn(&mut T),
) -> ImmutableString {
    let whole: Dynamic = value.clone().into();
    if let Err(error) = context.engine().ensure_data_size_within_limits(&whole) {
        if let Ok(call) = Call::of(context) {
            call.state.note_print_place(context);
            call.state.usage.exceed(Limit::ValueSize, format!("a value has grown too large: {error}"));
        }
        clear(value);
    }
    form(context, whole)
}

/// Returns the text of a value, cut to the largest size of a text.
pub(crate) fn form(context: &NativeCallContext, value: impl Into<Dynamic>) -> ImmutableString {
    shown(&value.into(), room_for_text(context)).into()
}

/// Converts a value to JSON. A value that JSON doesn't have, such as a function, becomes its text, without the values
/// that the function has captured: it may be one of them itself.
fn json(value: &Dynamic) -> serde_json::Value {
    use serde_json::Value;
    if let Some(map) = value.read_lock::<Map>() {
        return map.iter().map(|(name, part)| (name.to_string(), json(part))).collect();
    }
    if let Some(array) = value.read_lock::<Array>() {
        return array.iter().map(json).collect();
    }
    if value.is_unit() {
        return Value::Null;
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return text.as_str().into();
    }
    if let Some(function) = value.read_lock::<FnPtr>() {
        return format!("Fn({})", written_name(function.fn_name())).into();
    }
    let number = value.as_int().map(Value::from).or_else(|_| value.as_float().map(Value::from));
    number.or_else(|_| value.as_bool().map(Value::from)).unwrap_or_else(|_| value.to_string().into())
}

/// Returns the value of a JSON text, unless it has more elements than an array may have.
#[expect(clippy::needless_pass_by_value, reason = "the form Rhai registers")]
fn parse_json(context: NativeCallContext, text: &str) -> Result<Dynamic> {
    let (mut elements, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => elements += 1,
            _ => {}
        }
    }
    if elements > room_for_elements(&context) {
        return array_is_too_large();
    }
    serde_json::from_str(text).map(|value| from_json(&value)).map_err(|error| format!("parse_json: {error}").into())
}

/// Registers what tells a function's name, as the script wrote it.
fn add_names(module: &mut Module) {
    let name: fn(&mut FnPtr) -> ImmutableString = |function| written_name(function.fn_name()).into();
    let is_anonymous: fn(&mut FnPtr) -> bool = |function| is_closure(function.fn_name());
    function("name").set_into_module(module, name);
    FuncRegistration::new_getter("name").in_global_namespace().set_into_module(module, name);
    function("is_anonymous").set_into_module(module, is_anonymous);
    FuncRegistration::new_getter("is_anonymous").in_global_namespace().set_into_module(module, is_anonymous);
}

/// The maximum length of a function's name, in bytes.
const MAX_NAME: usize = 128;

/// Registers the functions of arrays that take the name of another function. Given a name of one megabyte, Rhai would
/// hash it for each element, and write an error of one megabyte.
fn add_named(module: &mut Module) {
    let (array, text, any) = (TypeId::of::<Array>(), TypeId::of::<ImmutableString>(), TypeId::of::<Dynamic>());
    let with_more = [("index_of", TypeId::of::<INT>()), ("reduce", any), ("reduce_rev", any)];
    for name in BY_NAME {
        add_with_name(module, name, &[array, text]);
    }
    for (name, more) in with_more {
        add_with_name(module, name, &[array, text, more]);
    }
}

fn add_with_name(module: &mut Module, name: &'static str, types: &[TypeId]) {
    let call = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
        let (Some(context), [_, called, ..]) = (context, &mut *args) else {
            return Err("called without a context".into());
        };
        let text = called.take().into_immutable_string().unwrap_or_default();
        if text.len() > MAX_NAME {
            return Err(
                format!("{name}: the name of a function has at most {MAX_NAME} bytes, not {}", text.len()).into()
            );
        }
        **called = FnPtr::new(text)?.into();
        context.call_native_fn_raw(name, true, args)
    };
    let func = Shared::new(call);
    function(name).set_into_module_raw(
        module,
        types,
        RhaiFunc::Method { func, has_context: true, is_pure: true, is_volatile: true },
    );
}
