//! Rhai's methods that change the value before the dot. They can't be called on a constant, and most of them return
//! nothing, where those of other languages return the changed value.

use crate::command::Type;

/// The methods of one type that change the value.
struct Methods {
    of: Type,
    /// Those that return nothing.
    silent: &'static [&'static str],
    /// Those that return a value, such as the elements they remove.
    telling: &'static [&'static str],
}

static METHODS: [Methods; 3] = [
    Methods {
        of: Type::Text,
        silent: &[
            "append",
            "clear",
            "crop",
            "make_lower",
            "make_upper",
            "pad",
            "remove",
            "replace",
            "set",
            "trim",
            "truncate",
        ],
        telling: &["pop"],
    },
    Methods {
        of: Type::Array,
        silent: &[
            "append",
            "chop",
            "clear",
            "dedup",
            "insert",
            "pad",
            "push",
            "reverse",
            "set",
            "sort",
            "sort_by",
            "sort_desc",
            "splice",
            "truncate",
        ],
        telling: &["drain", "pop", "remove", "retain", "shift", "shuffle", "split"],
    },
    Methods { of: Type::Map, silent: &["clear", "fill_with", "mixin", "set"], telling: &["drain", "remove", "retain"] },
];

/// The effect of a method on the value before the dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It changes the value and returns nothing.
    Silent,
    /// It changes the value and returns another one.
    Telling,
    /// It doesn't change the value; or, of a value of unknown type, it may not.
    None,
}

/// Returns what a method does to a value of this type.
pub(super) fn change(of: Type, name: &str) -> Change {
    let mut found = METHODS.iter().filter(|methods| methods.of == of || of == Type::Unknown).map(|methods| {
        if methods.silent.contains(&name) {
            Change::Silent
        } else if methods.telling.contains(&name) {
            Change::Telling
        } else {
            Change::None
        }
    });
    match of {
        // A text has a `split` that changes nothing.
        Type::Unknown if name == "split" => Change::None,
        // The types that lack the method don't count.
        Type::Unknown => {
            let changes: Vec<Change> = found.filter(|change| *change != Change::None).collect();
            match changes[..] {
                [] => Change::None,
                [first, ..] if changes.iter().all(|change| *change == first) => first,
                _ => Change::Telling,
            }
        }
        _ => found.next().unwrap_or(Change::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{BUILTINS, Language};
    use rhai::{Array, Dynamic, Engine, FnPtr, INT, ImmutableString, Map};
    use std::any::TypeId;
    use std::collections::BTreeMap;
    use std::ops::{Range, RangeInclusive};

    /// Expressions of a type to call methods with.
    fn samples(id: TypeId) -> Vec<&'static str> {
        let all: [(TypeId, &[&str]); 9] = [
            (TypeId::of::<INT>(), &["1", "9", "0"]),
            (TypeId::of::<bool>(), &["true"]),
            (TypeId::of::<char>(), &["'a'"]),
            (TypeId::of::<ImmutableString>(), &["\"a\"", "\"is_odd\"", "\"+\""]),
            (TypeId::of::<Array>(), &["[7]"]),
            (TypeId::of::<Map>(), &["#{ c: 1 }"]),
            (
                TypeId::of::<FnPtr>(),
                &["|x| x > 1", "|x, y| true", "|x, y| x - y", "|x| x", "|x, y| x == y", "|x, y, z| x"],
            ),
            (TypeId::of::<Range<INT>>(), &["1..2"]),
            (TypeId::of::<RangeInclusive<INT>>(), &["1..=2"]),
        ];
        all.iter().find(|(known, _)| *known == id).map_or(vec!["5", "\"a\"", "()"], |(_, samples)| samples.to_vec())
    }

    /// Calls a method of a value in every way, and returns what it does.
    fn tried(engine: &Engine, value: &str, name: &str, types: &[TypeId]) -> Change {
        let mut ways = vec![String::new()];
        for id in types {
            ways = ways.iter().flat_map(|way| samples(*id).into_iter().map(move |s| format!("{way}{s}, "))).collect();
        }
        let (mut changes, mut tells) = (false, false);
        for way in ways {
            let script =
                format!("let x = {value}; let before = `${{x}}`; let y = x.{name}({way}); [y, before == `${{x}}`]");
            let Ok(result) = engine.eval::<Array>(&script) else { continue };
            tells |= !result[0].is_unit();
            if !result[1].as_bool().unwrap() {
                changes = true;
                let on_constant = engine.eval::<Dynamic>(&format!("const X = {value}; X.{name}({way})"));
                let refused = on_constant.is_err_and(|error| error.to_string().contains("on constant"));
                assert!(refused, "{name} changes a constant");
            }
        }
        match (changes, tells) {
            (false, _) => Change::None,
            (true, false) => Change::Silent,
            (true, true) => Change::Telling,
        }
    }

    /// The table says of each of Rhai's methods what it really does.
    #[test]
    fn methods_do_what_the_table_says() {
        let engine = Language::new().engine();
        let all = engine.collect_fn_metadata(
            None,
            |f| Some((f.metadata.name.to_string(), f.metadata.num_params, f.metadata.param_types.to_vec())),
            true,
        );
        let receivers = [
            (TypeId::of::<ImmutableString>(), Type::Text, "\" aAb \""),
            (TypeId::of::<Array>(), Type::Array, "[2, 1, 1, 3]"),
            (TypeId::of::<Map>(), Type::Map, "#{ a: 1, b: () }"),
        ];
        let mut done: BTreeMap<(&str, String), Change> = BTreeMap::new();
        for (name, params, mut types) in all {
            types.resize(params, TypeId::of::<Dynamic>());
            let receiver = receivers.iter().find(|(id, ..)| Some(id) == types.first());
            let Some((_, of, value)) = receiver else { continue };
            // The commands and what goes with them need a call.
            let is_method = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$');
            if !is_method || Language::new().function(&name).is_some() {
                continue;
            }
            let change = tried(&engine, value, &name, &types[1..]);
            let known = done.entry((of.name(), name)).or_insert(change);
            if change != Change::None && *known != Change::Telling {
                *known = change;
            }
        }
        let stated = METHODS.iter().flat_map(|methods| {
            let silent = methods.silent.iter().map(|name| (*name, Change::Silent));
            let telling = methods.telling.iter().map(|name| (*name, Change::Telling));
            silent.chain(telling).map(|(name, change)| ((methods.of.name(), name.to_owned()), change))
        });
        let is_rhais = |name: &str| BUILTINS.iter().all(|builtin| builtin.name != name);
        let stated: BTreeMap<_, _> = stated.filter(|((_, name), _)| is_rhais(name)).collect();
        done.retain(|_, change| *change != Change::None);
        assert_eq!(done, stated);
    }

    #[test]
    fn of_an_unknown_value_a_method_does_what_it_does_to_all_types_that_have_it() {
        for (name, expected) in [
            ("trim", Change::Silent),
            ("append", Change::Silent),
            ("remove", Change::Telling),
            ("pop", Change::Telling),
            ("split", Change::None),
            ("len", Change::None),
        ] {
            assert_eq!(change(Type::Unknown, name), expected, "{name}");
        }
        assert_eq!(change(Type::Array, "split"), Change::Telling);
        assert_eq!(change(Type::Text, "split"), Change::None);
        assert_eq!(change(Type::Text, "push"), Change::None);
    }
}
