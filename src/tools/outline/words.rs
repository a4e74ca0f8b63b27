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

const fn word(of: &'static str, signature: &'static str, summary: &'static str) -> Word {
    Word { signature, of, summary }
}

/// The functions, ordered by the type they belong to.
pub static WORDS: &[Word] = &[
    word("text", "len()", "The number of characters."),
    word("text", "is_empty()", "Whether it is empty."),
    word("text", "contains(text)", "Whether it contains the text."),
    word("text", "starts_with(text)", "Whether it starts with the text."),
    word("text", "ends_with(text)", "Whether it ends with the text."),
    word("text", "index_of(text, start?)", "The position of the text in it, from 0; -1 if it is not there."),
    word("text", "sub_string(start, length?)", "Part of it, from a position on; -1 is the last character."),
    word("text", "split(separator)", "The parts between separators, as an array."),
    word("text", "to_upper()", "The text in capital letters."),
    word("text", "to_lower()", "The text in small letters."),
    word("text", "trim()", "Removes blanks at both ends, in place."),
    word("text", "replace(what, by)", "Replaces every occurrence, in place."),
    word("text", "pad(length, by)", "Fills it up to this length at its end, in place."),
    word("text", "crop(start, length?)", "Keeps only a part, in place."),
    word("text", "truncate(length)", "Keeps only the beginning, in place."),
    word("text", "chars()", "Its characters, for a `for`."),
    word("text", "to_chars()", "Its characters, as an array."),
    word("array", "len()", "The number of elements."),
    word("array", "is_empty()", "Whether it is empty."),
    word("array", "push(element)", "Adds an element at its end."),
    word("array", "pop()", "Removes and returns the last element."),
    word("array", "shift()", "Removes and returns the first element."),
    word("array", "insert(position, element)", "Inserts an element before a position."),
    word("array", "remove(position)", "Removes and returns an element."),
    word("array", "clear()", "Removes all elements."),
    word("array", "contains(element)", "Whether it contains the element."),
    word("array", "index_of(element, start?)", "The position of the element, from 0; -1 if it is not there."),
    word("array", "map(closure)", "What the closure returns for each element: `[1, 2].map(|x| x * 2)`."),
    word("array", "filter(closure)", "The elements for which the closure returns `true`."),
    word("array", "for_each(closure)", "Runs the closure for each element, which is `this` there."),
    word("array", "find(closure)", "The first element for which the closure returns `true`, or `()`."),
    word("array", "some(closure)", "Whether the closure returns `true` for at least one element."),
    word("array", "all(closure)", "Whether the closure returns `true` for all elements."),
    word("array", "reduce(closure, initial?)", "Combines all elements: `[1, 2].reduce(|sum, x| sum + x, 0)`."),
    word("array", "sort()", "Sorts it, in place."),
    word("array", "reverse()", "Reverses its order, in place."),
    word("array", "extract(start, length?)", "Part of it, from a position on."),
    word("array", "truncate(length)", "Keeps only the first elements, in place."),
    word("map", "len()", "The number of keys."),
    word("map", "is_empty()", "Whether it is empty."),
    word("map", "contains(key)", "Whether it has the key."),
    word("map", "get(key)", "The value of the key; `()` if it is not there."),
    word("map", "set(key, value)", "Sets the value of the key."),
    word("map", "remove(key)", "Removes the key and returns its value."),
    word("map", "keys()", "All keys, as an array."),
    word("map", "values()", "All values, as an array."),
    word("map", "clear()", "Removes all keys."),
    word("number", "abs()", "The number without its sign."),
    word("number", "to_int()", "The whole part."),
    word("number", "to_float()", "The number as one with a fraction."),
    word("number", "round()", "The nearest whole number, as one with a fraction."),
    word("number", "floor()", "The whole number below, as one with a fraction."),
    word("number", "ceiling()", "The whole number above, as one with a fraction."),
    word("number", "min(number)", "The smaller of the two."),
    word("number", "max(number)", "The larger of the two."),
    word("number", "is_even()", "Whether it is even."),
    word("number", "is_odd()", "Whether it is odd."),
    word("any", "to_string()", "The value as text."),
    word("any", "type_of()", "The name of its type."),
    word("closure", "call(arguments...)", "Runs the closure."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Language;

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
