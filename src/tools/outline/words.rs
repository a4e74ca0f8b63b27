//! Those of Rhai's own functions that scripts need most, with one line on each, for editors. Rhai's own descriptions
//! aren't in the program.

/// A function of the language itself.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Its signature as a method: `sub_string(start, length?)`.
    pub signature: &'static str,
    /// The type it belongs to: `text`, `array`, `map`, `number`, `closure` or `any`.
    pub of: &'static str,
    /// Its description.
    pub summary: &'static str,
    /// An example, and its value.
    pub example: (&'static str, &'static str),
}

impl Word {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }

    /// Returns its parameters, as they are in the signature.
    pub fn params(&self) -> impl Iterator<Item = &'static str> {
        let inside = self.signature.split_once('(').map_or("", |(_, inside)| inside.trim_end_matches(')'));
        inside.split(", ").filter(|param| !param.is_empty())
    }
}

/// Returns the functions of this name.
pub fn words(name: &str) -> impl Iterator<Item = &'static Word> {
    WORDS.iter().filter(move |word| word.name() == name)
}

const fn word(
    of: &'static str,
    signature: &'static str,
    summary: &'static str,
    example: (&'static str, &'static str),
) -> Word {
    Word { signature, of, summary, example }
}

/// The functions, ordered by the type they belong to.
pub static WORDS: &[Word] = &[
    word("text", "len()", "The number of characters.", (r#""häh?".len()"#, "4")),
    word("text", "is_empty()", "Whether it is empty.", (r#""".is_empty()"#, "true")),
    word("text", "contains(text)", "Whether it contains the text.", (r#""0412".contains("41")"#, "true")),
    word("text", "starts_with(text)", "Whether it starts with the text.", (r#""0412".starts_with("0")"#, "true")),
    word("text", "ends_with(text)", "Whether it ends with the text.", (r#""0412".ends_with("2")"#, "true")),
    word(
        "text",
        "index_of(text, start?)",
        "The position of the text in it, from 0; -1 if it is not there.",
        (r#""12*34".index_of("*")"#, "2"),
    ),
    word(
        "text",
        "sub_string(start, length?)",
        "Part of it, from a position on; -1 is the last character.",
        (r#""0412".sub_string(1, 2)"#, r#""41""#),
    ),
    word(
        "text",
        "split(separator)",
        "The parts between separators, as an array.",
        (r#""12*34".split("*")"#, r#"["12", "34"]"#),
    ),
    word("text", "to_upper()", "The text in capital letters.", (r#""pin".to_upper()"#, r#""PIN""#)),
    word("text", "to_lower()", "The text in small letters.", (r#""PIN".to_lower()"#, r#""pin""#)),
    word("text", "trim()", "Removes blanks at both ends, in place.", (r#"let t = " 12 "; t.trim(); t"#, r#""12""#)),
    word(
        "text",
        "replace(what, by)",
        "Replaces every occurrence, in place.",
        (r#"let t = "1-2-3"; t.replace("-", ""); t"#, r#""123""#),
    ),
    word(
        "text",
        "pad(length, by)",
        "Fills it up to this length at its end, in place.",
        (r#"let t = "7"; t.pad(3, "0"); t"#, r#""700""#),
    ),
    word(
        "text",
        "crop(start, length?)",
        "Keeps only a part, in place.",
        (r#"let t = "0412"; t.crop(1, 2); t"#, r#""41""#),
    ),
    word(
        "text",
        "truncate(length)",
        "Keeps only the beginning, in place.",
        (r#"let t = "0412"; t.truncate(2); t"#, r#""04""#),
    ),
    word(
        "text",
        "chars()",
        "Its characters, for a `for`.",
        (r#"let n = 0; for c in "1*2*".chars() { if c == '*' { n += 1; } } n"#, "2"),
    ),
    word("text", "to_chars()", "Its characters, as an array.", (r#""12".to_chars()"#, "['1', '2']")),
    word("array", "len()", "The number of elements.", ("[5, 7].len()", "2")),
    word("array", "is_empty()", "Whether it is empty.", ("[].is_empty()", "true")),
    word("array", "push(element)", "Adds an element at its end.", ("let a = [5]; a.push(7); a", "[5, 7]")),
    word("array", "pop()", "Removes and returns the last element.", ("let a = [5, 7]; a.pop()", "7")),
    word("array", "shift()", "Removes and returns the first element.", ("let a = [5, 7]; a.shift()", "5")),
    word(
        "array",
        "insert(position, element)",
        "Inserts an element before a position.",
        ("let a = [5, 7]; a.insert(1, 6); a", "[5, 6, 7]"),
    ),
    word("array", "remove(position)", "Removes and returns an element.", ("let a = [5, 7]; a.remove(0)", "5")),
    word("array", "clear()", "Removes all elements.", ("let a = [5, 7]; a.clear(); a", "[]")),
    word("array", "contains(element)", "Whether it contains the element.", (r#"["1", "2"].contains("2")"#, "true")),
    word(
        "array",
        "index_of(element, start?)",
        "The position of the element, from 0; -1 if it is not there.",
        ("[5, 7].index_of(7)", "1"),
    ),
    word(
        "array",
        "map(closure)",
        "What the closure returns for each element: `[1, 2].map(|x| x * 2)`.",
        ("[5, 7].map(|x| x * 2)", "[10, 14]"),
    ),
    word(
        "array",
        "filter(closure)",
        "The elements for which the closure returns `true`.",
        ("[5, 6, 7].filter(|x| x > 5)", "[6, 7]"),
    ),
    word(
        "array",
        "for_each(closure)",
        "Runs the closure for each element, which is `this` there.",
        ("let a = [5, 7]; a.for_each(|| this += 1); a", "[6, 8]"),
    ),
    word(
        "array",
        "find(closure)",
        "The first element for which the closure returns `true`, or `()`.",
        ("[5, 6, 7].find(|x| x > 5)", "6"),
    ),
    word(
        "array",
        "some(closure)",
        "Whether the closure returns `true` for at least one element.",
        ("[5, 7].some(|x| x > 6)", "true"),
    ),
    word(
        "array",
        "all(closure)",
        "Whether the closure returns `true` for all elements.",
        ("[5, 7].all(|x| x > 6)", "false"),
    ),
    word(
        "array",
        "reduce(closure, initial?)",
        "Combines all elements: `[1, 2].reduce(|sum, x| sum + x, 0)`.",
        ("[5, 7].reduce(|sum, x| sum + x, 0)", "12"),
    ),
    word("array", "sort()", "Sorts it, in place.", ("let a = [7, 5]; a.sort(); a", "[5, 7]")),
    word("array", "reverse()", "Reverses its order, in place.", ("let a = [5, 7]; a.reverse(); a", "[7, 5]")),
    word("array", "extract(start, length?)", "Part of it, from a position on.", ("[5, 6, 7].extract(1, 2)", "[6, 7]")),
    word(
        "array",
        "truncate(length)",
        "Keeps only the first elements, in place.",
        ("let a = [5, 6, 7]; a.truncate(1); a", "[5]"),
    ),
    word("map", "len()", "The number of keys.", ("#{ ann: 3, bob: 5 }.len()", "2")),
    word("map", "is_empty()", "Whether it is empty.", ("#{}.is_empty()", "true")),
    word("map", "contains(key)", "Whether it has the key.", (r#"#{ ann: 3 }.contains("ann")"#, "true")),
    word("map", "get(key)", "The value of the key; `()` if it is not there.", (r#"#{ ann: 3 }.get("bob")"#, "()")),
    word("map", "set(key, value)", "Sets the value of the key.", (r#"let m = #{}; m.set("ann", 3); m"#, "#{ ann: 3 }")),
    word(
        "map",
        "remove(key)",
        "Removes the key and returns its value.",
        (r#"let m = #{ ann: 3 }; m.remove("ann")"#, "3"),
    ),
    word("map", "keys()", "All keys, as an array.", ("#{ ann: 3, bob: 5 }.keys()", r#"["ann", "bob"]"#)),
    word("map", "values()", "All values, as an array.", ("#{ ann: 3, bob: 5 }.values()", "[3, 5]")),
    word("map", "clear()", "Removes all keys.", ("let m = #{ ann: 3 }; m.clear(); m", "#{}")),
    word("number", "abs()", "The number without its sign.", ("(-5).abs()", "5")),
    word("number", "to_int()", "The whole part.", ("7.9.to_int()", "7")),
    word("number", "to_float()", "The number as one with a fraction.", ("7.to_float() / 2", "3.5")),
    word("number", "round()", "The nearest whole number, as one with a fraction.", ("7.5.round().to_int()", "8")),
    word("number", "floor()", "The whole number below, as one with a fraction.", ("7.9.floor().to_int()", "7")),
    word("number", "ceiling()", "The whole number above, as one with a fraction.", ("7.1.ceiling().to_int()", "8")),
    word("number", "min(number)", "The smaller of the two.", ("5.min(7)", "5")),
    word("number", "max(number)", "The larger of the two.", ("5.max(7)", "7")),
    word("number", "is_even()", "Whether it is even.", ("6.is_even()", "true")),
    word("number", "is_odd()", "Whether it is odd.", ("6.is_odd()", "false")),
    word("any", "to_string()", "The value as text.", ("42.to_string()", r#""42""#)),
    word("any", "type_of()", "The name of its type.", ("type_of(42)", r#""i64""#)),
    word("closure", "call(arguments...)", "Runs the closure.", ("let double = |x| x * 2; double.call(4)", "8")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Language;

    #[test]
    fn every_example_has_its_value() {
        let engine = Language::new().engine();
        for Word { example: (example, value), .. } in WORDS {
            let eval =
                |text: &str| engine.eval::<rhai::Dynamic>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(format!("{:?}", eval(example)), format!("{:?}", eval(value)), "{example}");
        }
    }

    #[test]
    fn every_word_exists_in_rhai_with_these_parameters() {
        let engine = Language::new().engine();
        let tried = |word: &Word, with: usize| {
            let value = match word.of {
                "text" => "\"a\"",
                "array" => "[2, 1]",
                "map" => "#{ a: 1 }",
                "number" if ["round", "floor", "ceiling", "to_int"].contains(&word.name()) => "1.5",
                "closure" => "|| 1",
                _ => "1",
            };
            let args = word.params().take(with).map(|param| match param.trim_end_matches('?') {
                "text" | "separator" | "what" | "by" | "key" => "\"a\"",
                "closure" if word.name() == "reduce" => "|a, b| 1",
                "closure" => "|x| true",
                _ => "1",
            });
            let args: Vec<&str> = args.filter(|arg| !arg.is_empty()).collect();
            let args = if word.name() == "call" { String::new() } else { args.join(", ") };
            let text = format!("let value = {value}; value.{}({args})", word.name());
            engine.eval::<rhai::Dynamic>(&text).map_err(|error| format!("{text}: {error}"))
        };
        for word in WORDS {
            let max = word.params().count();
            let min = word.params().filter(|param| !param.ends_with('?')).count();
            for with in min..=max {
                drop(tried(word, with).unwrap());
            }
        }
    }
}
