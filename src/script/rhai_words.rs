//! The functions that scripts have from Rhai, and the types of their parameters: what the engine would tell, but only
//! after it has made all of its functions.

use rhai::{Array, Dynamic, FLOAT, FnPtr, INT, ImmutableString, Map};
use std::any::TypeId;
use std::ops::{Range, RangeInclusive};

/// A type of Rhai's values, and its name here.
type NamedType = (fn() -> TypeId, &'static str);

/// The types of Rhai's values.
pub(super) const TYPES: [NamedType; 11] = [
    (TypeId::of::<INT>, "int"),
    (TypeId::of::<FLOAT>, "float"),
    (TypeId::of::<bool>, "bool"),
    (TypeId::of::<char>, "char"),
    (TypeId::of::<ImmutableString>, "text"),
    (TypeId::of::<Array>, "array"),
    (TypeId::of::<Map>, "map"),
    (TypeId::of::<FnPtr>, "function"),
    (TypeId::of::<()>, "nothing"),
    (TypeId::of::<Range<INT>>, "range"),
    (TypeId::of::<RangeInclusive<INT>>, "inclusive range"),
];

/// The functions, in the order of their names, with the types of the parameters of each way to call them.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("E", ""),
    ("PI", ""),
    ("abs", "float | int"),
    ("acos", "float"),
    ("acosh", "float"),
    ("all", "array, function | array, text"),
    ("append", "array, array | text, any"),
    ("asin", "float"),
    ("asinh", "float"),
    ("atan", "float | float, float"),
    ("atanh", "float"),
    ("bits", "int | int, inclusive range | int, int | int, int, int | int, range"),
    ("bytes", "text"),
    ("ceiling", "float"),
    ("chars", "text | text, inclusive range | text, int | text, int, int | text, range"),
    ("chop", "array, int"),
    ("clear", "array | map | text"),
    ("contains", "array, any | inclusive range, int | map, text | range, int | text, char | text, text"),
    ("cos", "float"),
    ("cosh", "float"),
    ("crop", "text, inclusive range | text, int | text, int, int | text, range"),
    ("debug", " | any | array | bool | char | float | function | map | nothing | text"),
    ("dedup", "array | array, function | array, text"),
    (
        "drain",
        "array, function | array, inclusive range | array, int, int | array, range | array, text | map, function",
    ),
    ("end", "inclusive range | range"),
    ("ends_with", "text, char | text, text"),
    ("exp", "float"),
    ("extract", "array, inclusive range | array, int | array, int, int | array, range"),
    ("fill_with", "map, map"),
    ("filter", "array, function | array, text | map, function"),
    ("find", "array, function | array, function, int"),
    ("find_map", "array, function | array, function, int"),
    ("floor", "float"),
    ("for_each", "array, function"),
    ("fraction", "float"),
    ("get", "array, int | map, text | text, int"),
    ("get_fn_metadata_list", " | text | text, int"),
    ("hypot", "float, float"),
    (
        "index_of",
        "array, any | array, any, int | array, function | array, function, int | array, text \
         | array, text, int | text, char | text, char, int | text, text | text, text, int",
    ),
    ("insert", "array, int, any"),
    ("int", "float"),
    ("is_anonymous", "function"),
    ("is_empty", "array | inclusive range | map | range | text"),
    ("is_even", "int"),
    ("is_exclusive", "inclusive range | range"),
    ("is_finite", "float"),
    ("is_inclusive", "inclusive range | range"),
    ("is_infinite", "float"),
    ("is_nan", "float"),
    ("is_odd", "int"),
    ("is_zero", "int"),
    ("keys", "map"),
    ("len", "array | map | text"),
    ("ln", "float"),
    ("log", "float | float, float"),
    ("make_lower", "char | text"),
    ("make_upper", "char | text"),
    ("map", "array, function | array, text | map, function"),
    (
        "max",
        "any, any | any, float | any, int | char, char | float, any | float, float | float, int | int, any \
         | int, float | int, int | text, text",
    ),
    (
        "min",
        "any, any | any, float | any, int | char, char | float, any | float, float | float, int | int, any \
         | int, float | int, int | text, text",
    ),
    ("mixin", "map, map"),
    ("name", "function"),
    ("order", "array | array, function"),
    ("order_by", "array, function"),
    ("order_desc", "array"),
    ("pad", "array, int, any | text, int, char | text, int, text"),
    ("parse_float", "text"),
    ("parse_int", "text | text, int"),
    ("pop", "array | text | text, int"),
    ("print", " | any | array | bool | char | float | function | inclusive range | int | map | nothing | range | text"),
    ("push", "array, any"),
    ("range", "any, float | float, float, float | int, int | int, int, int | range, int"),
    ("reduce", "array, function | array, function, any | array, text | array, text, any"),
    ("reduce_rev", "array, function | array, function, any | array, text | array, text, any"),
    ("remove", "array, int | map, text | text, char | text, text"),
    ("replace", "text, char, char | text, char, text | text, text, char | text, text, text"),
    (
        "retain",
        "array, function | array, inclusive range | array, int, int | array, range | array, text | map, function",
    ),
    ("reverse", "array"),
    ("round", "float"),
    ("set", "array, int, any | map, text, any | text, int, char"),
    ("set_tag", "any, int"),
    ("shift", "array"),
    ("sign", "int"),
    ("sin", "float"),
    ("sinh", "float"),
    ("some", "array, function | array, text"),
    ("sort", "array | array, function | array, text"),
    ("sort_by", "array, function"),
    ("sort_desc", "array"),
    ("splice", "array, inclusive range, array | array, int, int, array | array, range, array"),
    ("split", "array, int | text | text, char | text, char, int | text, int | text, text | text, text, int"),
    ("split_rev", "text, char | text, char, int | text, text | text, text, int"),
    ("sqrt", "float"),
    ("start", "inclusive range | range"),
    ("starts_with", "text, char | text, text"),
    ("sub_string", "text, inclusive range | text, int | text, int, int | text, range"),
    ("tag", "any"),
    ("take", "any"),
    ("tan", "float"),
    ("tanh", "float"),
    ("to_binary", "int"),
    ("to_blob", "text"),
    ("to_chars", "text"),
    ("to_debug", "any | array | bool | char | float | function | map | nothing | text"),
    ("to_degrees", "float"),
    ("to_float", "any | float | int"),
    ("to_hex", "int"),
    ("to_int", "any | char | float | int"),
    ("to_lower", "char | text"),
    ("to_octal", "int"),
    ("to_radians", "float"),
    ("to_string", "any | array | bool | char | float | function | map | nothing | text"),
    ("to_upper", "char | text"),
    ("trim", "text"),
    ("truncate", "array, int | text, int"),
    ("values", "map"),
    ("zip", "array, array, function"),
];

/// Returns the types of the parameters of one of Rhai's functions, for each way to call it.
pub(crate) fn ways_of_rhai(name: &str) -> Option<Vec<Vec<TypeId>>> {
    let at = WORDS.binary_search_by_key(&name, |(word, _)| *word).ok()?;
    let id = |name: &str| match TYPES.iter().find(|(_, known)| *known == name) {
        Some((id, _)) => id(),
        None => TypeId::of::<Dynamic>(),
    };
    let types = |way: &str| way.split(", ").filter(|name| !name.is_empty()).map(id).collect();
    Some(WORDS[at].1.split(" | ").map(types).collect())
}
