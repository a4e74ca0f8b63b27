//! Explains mistakes with values: of which type they are, and what cannot be done with them.

use super::habits::{self, Instead};
use crate::command::Type;
use crate::plural::plural;
use crate::script::names::CALL_VARIABLES;

/// The hint for a text that is used like a number.
pub(crate) const TO_NUMBER: &str = "turn the text into a number first: `to_number(...)`";
/// The hint for `()` that is compared with a number.
pub(super) const TEST_FOR_UNIT: &str = "test for `()` first: `if x != () { ... }`";

/// What a function must be that gets the keys.
pub(crate) const FOR_KEYS: &str = "must be a function with one parameter, which gets the keys, or with none";

type Explained = (String, Option<String>);

/// Returns the type with this name of Rhai's.
pub(super) fn type_of(name: &str) -> Type {
    match name {
        "i64" | "f64" => Type::Number,
        "string" => Type::Text,
        "bool" => Type::Bool,
        "()" => Type::Unit,
        "array" => Type::Array,
        "map" => Type::Map,
        "Fn" => Type::Function,
        _ => Type::Unknown,
    }
}

/// Names values by their types: `a text and a number`.
pub(super) fn list(kinds: &[Type], types: &[&str]) -> String {
    let named: Vec<&str> =
        kinds.iter().zip(types).map(|(kind, name)| if *kind == Type::Unknown { *name } else { kind.name() }).collect();
    match &named[..] {
        [] => "no value".to_owned(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// Explains an argument that a function doesn't take. The value before a dot is an argument too.
pub(crate) fn argument(name: &str, is_before_dot: bool, takes: &[Type], given: Type) -> Explained {
    let wanted: Vec<&str> = takes.iter().map(|kind| kind.name()).collect();
    let wanted_text = wanted.join(" or ");
    let message = if is_before_dot && given == Type::Unit {
        format!("there is no value to call `.{name}()` on: it is ()")
    } else if is_before_dot {
        format!("`.{name}()` is for {wanted_text}, not for {}", given.name())
    } else {
        format!("`{name}` takes {wanted_text} here, not {}", given.name())
    };
    let hint = match given {
        Type::Text | Type::TextOrUnit if takes.contains(&Type::Number) => Some(TO_NUMBER.to_owned()),
        Type::Text if is_before_dot && takes == [Type::Array] => Some("texts are joined by `+`".to_owned()),
        Type::Unit => Some("test for it first: `if x != () { ... }`".to_owned()),
        _ => None,
    };
    (message, hint)
}

/// Explains a method that would change a constant or a value of the call. `source` stands before its dot, and `call`
/// is the call, such as `push(...)`.
pub(crate) fn read_only(variable: &str, source: &str, method: &str, call: &str) -> Explained {
    if CALL_VARIABLES.contains(&variable) {
        let message = format!("`{variable}` cannot be changed, not even by `.{method}()`");
        return (message, Some(format!("change a copy: `let x = {source}; x.{call};`")));
    }
    let message = format!("`{variable}` is a constant: `.{method}()` cannot change it");
    (message, Some(format!("define it with `let {variable} = ...`")))
}

/// Explains a property that values of a type don't have.
pub(crate) fn property(name: &str, kind: Type, is_function: bool) -> Explained {
    let whose = if kind == Type::Unknown { "this value" } else { kind.name() };
    let message = format!("{whose} has no property `{name}`");
    let hint = match habits::instead(name) {
        _ if kind == Type::Unit => Some("there is no value here: test for it first, `if x != () { ... }`".to_owned()),
        _ if is_function => Some(format!("it is a function: write `.{name}()`")),
        Some(Instead::Call(function)) => Some(format!("write `.{function}()`")),
        // What is `open` in an answer isn't meant as that function.
        Some(Instead::Write(sentence)) if *sentence != habits::NO_FILES => Some((*sentence).to_owned()),
        _ => Some("only a map has entries of its own: `#{ name: \"Ann\" }`".to_owned()).filter(|_| kind != Type::Map),
    };
    (message, hint)
}

/// Explains an index outside of an array or text.
pub(super) fn bounds(index: i64, length: usize, (element, whole): (&str, &str)) -> Explained {
    let article = if whole == "array" { "an" } else { "a" };
    let has = match length {
        0 => format!("the {whole} is empty"),
        _ => format!("the {whole} has {}", plural(length, element)),
    };
    let hint =
        (index > 0).then(|| format!("the first {element} of {article} {whole} has the index 0; test `.len()` first"));
    (format!("there is no {element} {index}: {has}"), hint)
}

/// Explains a closure that is called with another number of values than it has parameters.
pub(crate) fn closure(parameters: Option<usize>, given: usize) -> Explained {
    let given = plural(given, "value");
    let message = match parameters {
        Some(parameters) => format!("this closure has {}, but is called with {given}", plural(parameters, "parameter")),
        None => format!("this closure is called with {given}, which is not how many parameters it has"),
    };
    (message, Some("the parameters stand between the bars: `|item| ...`".to_owned()))
}

/// Explains a condition of this type; `None` if it may be one.
pub(crate) fn condition(kind: Type) -> Option<(String, String)> {
    let hint = match kind {
        Type::Text | Type::TextOrUnit => "compare it: `... != \"\"`",
        Type::Number | Type::NumberOrUnit => "compare it: `... > 0`",
        Type::Array | Type::Map => "compare its length: `....len() > 0`",
        Type::Function => "call it: `....call()`",
        Type::Unit | Type::BoolOrUnit => "it is () when there is no answer: compare it, `... == true`",
        Type::Unknown | Type::Bool => return None,
    };
    let is = if kind == Type::BoolOrUnit { "may be ()".to_owned() } else { format!("is {}", kind.name()) };
    Some((format!("a condition must be true or false, but this {is}"), hint.to_owned()))
}

/// Explains a closure with more than one parameter where it gets the keys alone.
pub(crate) fn closure_for_keys(function: &str, parameter: &str) -> Explained {
    (format!("{function}: `{parameter}` {FOR_KEYS}"), None)
}

/// Explains an operator that doesn't work with values of these types.
pub(super) fn operator(sign: &str, kinds: &[Type], types: &[&str]) -> Explained {
    let text = kinds.contains(&Type::Text);
    match sign {
        "-" | "*" | "/" | "%" | "**" if text && kinds.len() == 2 => calculation(sign),
        ".." | "..=" if text => {
            (format!("`{sign}` is for a range of numbers"), Some("texts are joined by `+`".to_owned()))
        }
        _ if kinds.contains(&Type::Unit) => (
            format!("`{sign}` does not work with {}", list(kinds, types)),
            Some("there is no value here: test for it first, `if x != () { ... }`".to_owned()),
        ),
        "==" | "!=" | "<" | ">" | "<=" | ">=" if text => {
            (format!("`{sign}` does not work with {}", list(kinds, types)), Some(TO_NUMBER.to_owned()))
        }
        _ => (format!("`{sign}` does not work with {}", list(kinds, types)), None),
    }
}

/// Explains a calculation with a text.
pub(crate) fn calculation(operator: &str) -> Explained {
    (format!("`{operator}` cannot calculate with a text"), Some(TO_NUMBER.to_owned()))
}
