//! Writes a script's value as text of limited length. A value may have any size, be nested in any way, and contain
//! itself.

use super::names::written_name;
use crate::agi::is_hidden;
use rhai::{Array, Dynamic, FnPtr, Map};
use std::collections::HashSet;
use std::fmt::{self, Write};

/// Values nested more deeply than this are left out: each level takes some of the stack.
const MAX_DEPTH: usize = 200;

/// After this many locked values, the rest is left out. Rhai waits 50 ms for a value that is being changed, and
/// inside a function that changes it, the wait is in vain.
const MAX_LOCKED: usize = 2;

/// The maximum number of bytes that a script's value may take in a message.
pub(crate) const MAX_MESSAGE: usize = 1000;

/// The maximum number of bytes of a script's value in an error. More wouldn't help the reader.
pub(crate) const MAX_SHOWN: usize = 200;

/// Returns a text in quotes, of at most `limit` bytes.
pub(crate) fn quoted(text: &str, limit: usize) -> String {
    shorten(limit, |walk| walk.show_text(text, true))
}

/// Returns a text as a script would write it, in quotes and with escapes.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut literal = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                literal.push('\\');
                literal.push(letter);
            }
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            letter if is_hidden(letter) => {
                let (form, width) = if letter > '\u{ffff}' { ('U', 8) } else { ('u', 4) };
                let _ = write!(literal, "\\{form}{:0width$x}", u32::from(letter));
            }
            letter => literal.push(letter),
        }
    }
    literal.push('"');
    literal
}

/// Returns the text of anything, of at most `limit` bytes.
pub(crate) fn short(text: impl fmt::Display, limit: usize) -> String {
    shorten(limit, |walk| write!(walk.text, "{text}"))
}

/// Returns a value as Rhai shows it, in at most `limit` bytes. A text that was cut ends in `…`.
pub(crate) fn shown(value: &Dynamic, limit: usize) -> String {
    shorten(limit, |walk| walk.show(value, false))
}

fn shorten(limit: usize, show: impl FnOnce(&mut Walk) -> fmt::Result) -> String {
    let mut walk = Walk { text: Bounded { text: String::new(), limit }, depth: 0, seen: None, locked: 0 };
    let is_complete = show(&mut walk).is_ok();
    let mut text = walk.text.text;
    if !is_complete {
        text.truncate(beginning(&text, limit.saturating_sub("…".len())).len());
        if limit >= "…".len() {
            text.push('…');
        }
    }
    text
}

/// Returns as much of a text as fits into `limit` bytes.
fn beginning(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A text that accepts at most `limit` bytes.
struct Bounded {
    text: String,
    limit: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        self.text.push_str(beginning(text, room));
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A walk through a value, which writes it down.
struct Walk {
    text: Bounded,
    depth: usize,
    /// The shared values found so far inside the outermost shared value, by their addresses.
    seen: Option<HashSet<*const Dynamic>>,
    /// How many locked values have been found.
    locked: usize,
}

impl Walk {
    /// Writes a value exactly as Rhai does: quoted, like its `Debug`; otherwise, like its `Display`.
    fn show(&mut self, value: &Dynamic, quoted: bool) -> fmt::Result {
        if self.depth == MAX_DEPTH {
            return Err(fmt::Error);
        }
        self.depth += 1;
        if value.is_shared() { self.show_shared(value, quoted) } else { self.show_plain(value, quoted) }?;
        self.depth -= 1;
        Ok(())
    }

    fn show_shared(&mut self, value: &Dynamic, quoted: bool) -> fmt::Result {
        let outermost = self.seen.is_none();
        if !self.seen.get_or_insert_default().insert(value) {
            return self.text.write_str("<shared>");
        }
        if let Some(inner) = value.read_lock::<Dynamic>() {
            self.show_plain(&inner, quoted)?;
            self.text.write_str(" (shared)")?;
        } else {
            self.text.write_str("<shared>")?;
            self.locked += 1;
            if self.locked == MAX_LOCKED {
                return Err(fmt::Error);
            }
        }
        if outermost {
            self.seen = None;
        }
        Ok(())
    }

    fn show_plain(&mut self, value: &Dynamic, quoted: bool) -> fmt::Result {
        if let Ok(text) = value.as_immutable_string_ref() {
            return self.show_text(&text, quoted);
        }
        // Inside a shared value, Rhai doesn't quote.
        let inside = quoted || self.seen.is_none();
        if let Some(array) = value.read_lock::<Array>() {
            self.text.write_str("[")?;
            for (n, item) in array.iter().enumerate() {
                self.separator(n)?;
                self.show(item, inside)?;
            }
            return self.text.write_str("]");
        }
        if let Some(map) = value.read_lock::<Map>() {
            self.text.write_str("#{")?;
            for (n, (name, item)) in map.iter().enumerate() {
                self.separator(n)?;
                self.show_text(name, inside)?;
                self.text.write_str(": ")?;
                self.show(item, inside)?;
            }
            return self.text.write_str("}");
        }
        if let Some(function) = value.read_lock::<FnPtr>() {
            let name = written_name(function.fn_name());
            if !quoted {
                return write!(self.text, "Fn({})", beginning(name, self.text.limit.saturating_add(4)));
            }
            // `Fn`, `Fn*` or `Fn#`: only Rhai's own text shows which.
            let mut kind = Bounded { text: String::new(), limit: 3 };
            let _ = write!(kind, "{:?}", *function);
            write!(self.text, "{}(", kind.text.trim_end_matches('('))?;
            self.show_text(name, true)?;
            for item in function.curry() {
                self.text.write_str(", ")?;
                self.show(item, true)?;
            }
            return self.text.write_str(")");
        }
        if quoted { write!(self.text, "{value:?}") } else { write!(self.text, "{value}") }
    }

    fn separator(&mut self, n: usize) -> fmt::Result {
        if n > 0 { self.text.write_str(", ") } else { Ok(()) }
    }

    /// Writes a text, without reading more of it than there is room for.
    fn show_text(&mut self, text: &str, quoted: bool) -> fmt::Result {
        let text = beginning(text, self.text.limit.saturating_add(4));
        if quoted { write!(self.text, "{text:?}") } else { self.text.write_str(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rhai::{Engine, ImmutableString};
    use std::time::Duration;

    fn function(name: &str, curry: Vec<Dynamic>) -> Dynamic {
        let mut function = FnPtr::new(name).unwrap();
        function.set_curry(curry);
        function.into()
    }

    fn any_value() -> impl Strategy<Value = Dynamic> {
        let leaf = prop_oneof![
            Just(Dynamic::UNIT),
            any::<bool>().prop_map(Dynamic::from),
            any::<i64>().prop_map(Dynamic::from),
            any::<f64>().prop_map(Dynamic::from),
            any::<char>().prop_map(Dynamic::from),
            any::<String>().prop_map(Dynamic::from),
            "[a-z\"\u{300}\u{7f}]{0,4}".prop_map(Dynamic::from),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Dynamic::from_blob),
            (any::<i64>(), any::<i64>()).prop_map(|(from, to)| Dynamic::from(from..to)),
            any::<i64>().prop_map(|from| Dynamic::from(from..=i64::MAX)),
            Just(Dynamic::from(Duration::ZERO)),
        ];
        leaf.prop_recursive(5, 60, 5, |inner| {
            let several = || proptest::collection::vec(inner.clone(), 0..5);
            prop_oneof![
                several().prop_map(Dynamic::from_array),
                proptest::collection::btree_map("[a-c\"é]{0,3}", inner.clone(), 0..5).prop_map(|map| map
                    .into_iter()
                    .map(|(name, item)| (name.into(), item))
                    .collect::<Map>()
                    .into()),
                ("f[0-9]{1,4}", several()).prop_map(|(name, curry)| function(&name, curry)),
                inner.clone().prop_map(Dynamic::into_shared),
                // The same cell in two places.
                inner.clone().prop_map(|item| {
                    let shared = item.into_shared();
                    vec![shared.clone(), shared].into()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_are_written_as_rhai_writes_them(value in any_value(), limit in 0_usize..200) {
            let whole = value.to_string();
            prop_assert_eq!(&shown(&value, usize::MAX), &whole);
            prop_assert_eq!(&shown(&value, whole.len()), &whole);
            let cut = shown(&value, limit);
            if whole.len() <= limit {
                prop_assert_eq!(cut, whole);
            } else {
                prop_assert!(cut.len() <= limit, "{} bytes", cut.len());
                let start = cut.trim_end_matches('…');
                prop_assert!(limit < 3 || cut.ends_with('…') && whole.starts_with(start), "{}", cut);
            }
        }
    }

    #[test]
    fn closures_and_values_that_contain_themselves_are_written_as_rhai_writes_them() {
        let script = |text: &str| Engine::new().eval::<Dynamic>(text).unwrap();
        for (text, expected) in [
            ("let a = 1; || a", "Fn("),
            ("let a = 1; [|| a]", "[Fn*(\"anon$"),
            ("[Fn(\"f\")]", "[Fn(\"f\")]"),
            ("let a = [1, \"x\"]; let f = || a; [a, f]", "[[1, \"x\"], Fn*(\"anon$"),
            ("let a = [0]; let f = || a; a[0] = f; [a, f]", "[[Fn*("),
        ] {
            let value = script(text);
            assert_eq!(shown(&value, 10_000), value.to_string(), "{text}");
            assert!(value.to_string().starts_with(expected), "{text}: {value}");
        }
    }

    #[test]
    fn the_cost_depends_on_the_limit_and_not_on_the_value() {
        let big: ImmutableString = "x".repeat(1 << 20).into();
        let wide: Dynamic = vec![Dynamic::from(big.clone()); 2048].into();
        let mut doubled = Dynamic::from(1_i64);
        let mut deep = Dynamic::from(1_i64);
        for _ in 0..40 {
            let shared = doubled.into_shared();
            doubled = vec![shared.clone(), shared].into();
        }
        for _ in 0..1_000 {
            deep = vec![deep].into();
        }
        let named: Map = [(big.as_str().into(), Dynamic::from(big.clone()))].into();
        // A value that is being changed, as behind a method of a script's own variable.
        let mut changed = Dynamic::from(1_i64).into_shared();
        let locked: Dynamic = vec![changed.clone(); 2048].into();
        let _guard = changed.write_lock::<i64>().unwrap();
        let values = [
            big.into(),
            function("f", vec![wide.clone()]),
            vec![wide.clone(); 9].into(),
            named.into(),
            wide,
            doubled,
            deep,
            locked,
        ];
        for value in &values {
            for limit in [0, 1, 3, 100, 1000, 1 << 16] {
                let clock = crate::clock::Stopwatch::start();
                let began = clock.now();
                let text = shown(value, limit);
                let took = clock.now() - began;
                assert!(text.len() <= limit && text.capacity() <= 4 * limit.max(16), "{} bytes", text.len());
                assert!(took < Duration::from_millis(300), "{limit}: {took:?}");
            }
        }
    }
}
