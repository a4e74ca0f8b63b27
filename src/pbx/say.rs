//! English as Asterisk speaks it: the sound files of numbers and texts. All languages use it.

/// The letters that SAY ALPHA announces as `uppercase` or `lowercase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SayCase {
    /// None.
    #[default]
    None,
    /// Lower-case ones.
    Lower,
    /// Upper-case ones.
    Upper,
    /// Both.
    All,
}

impl SayCase {
    /// Parses the word of SAY ALPHA, of which only the first letter counts: `a`, `l`, `n` or `u`. An empty word means
    /// `n`; anything else is a usage error.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word.bytes().next().map(|byte| byte.to_ascii_lowercase()) {
            None | Some(b'n') => Some(Self::None),
            Some(b'a') => Some(Self::All),
            Some(b'l') => Some(Self::Lower),
            Some(b'u') => Some(Self::Upper),
            Some(_) => None,
        }
    }
}

/// Whether a sound file of this name exists. Spelling leaves out characters without one.
pub(super) type Exists<'a> = &'a dyn Fn(&str) -> bool;

/// A cardinal number. `i32::MAX` is too large for Asterisk, which then says nothing.
pub(super) fn number(number: i32) -> Vec<String> {
    let mut names = Vec::new();
    cardinal(number, &mut names);
    names
}

pub(super) fn cardinal(mut number: i32, names: &mut Vec<String>) {
    if number == 0 {
        return names.push("digits/0".into());
    }
    if number < 0 {
        names.push("digits/minus".into());
        match number.checked_neg() {
            Some(positive) => number = positive,
            None => return,
        }
    }
    if number == i32::MAX {
        return;
    }
    for (unit, name) in [(1_000_000_000, "digits/billion"), (1_000_000, "digits/million"), (1000, "digits/thousand")] {
        if number >= unit {
            cardinal(number / unit, names);
            names.push(name.into());
            number %= unit;
        }
    }
    if number >= 100 {
        names.push(format!("digits/{}", number / 100));
        names.push("digits/hundred".into());
        number %= 100;
    }
    if number >= 20 {
        names.push(format!("digits/{}", number / 10 * 10));
        number %= 10;
    }
    if number > 0 {
        names.push(format!("digits/{number}"));
    }
}

/// An ordinal number below a hundred: days and months.
pub(super) fn ordinal(number: i32, names: &mut Vec<String>) {
    if number >= 20 && number % 10 != 0 {
        names.push(format!("digits/{}", number / 10 * 10));
        names.push(format!("digits/h-{}", number % 10));
    } else if number > 0 {
        names.push(format!("digits/h-{number}"));
    }
}

/// SAY DIGITS.
pub(super) fn digits(text: &str, exists: Exists<'_>) -> Vec<String> {
    let name = |letter| match letter {
        '*' => Some("digits/star".to_owned()),
        '#' => Some("digits/pound".to_owned()),
        '-' => Some("digits/minus".to_owned()),
        '0'..='9' => Some(format!("digits/{letter}")),
        _ => None,
    };
    text.chars().filter_map(name).filter(|name| exists(name)).collect()
}

/// Returns the sound file of a sign, which SAY ALPHA and SAY PHONETIC say alike.
fn sign(letter: char) -> Option<&'static str> {
    Some(match letter {
        '*' => "digits/star",
        '#' => "digits/pound",
        '!' => "letters/exclaimation-point",
        '@' => "letters/at",
        '$' => "letters/dollar",
        '-' => "letters/dash",
        '.' => "letters/dot",
        '=' => "letters/equals",
        '+' => "letters/plus",
        '/' => "letters/slash",
        ' ' => "letters/space",
        _ => return None,
    })
}

/// SAY ALPHA.
pub(super) fn alpha(text: &str, case: SayCase, exists: Exists<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for letter in text.chars() {
        let mut say = |name: String| {
            let code = format!("letters/ascii{}", u32::from(letter));
            if exists(&name) {
                names.push(name);
            } else if exists(&code) {
                names.push(code);
            }
        };
        if letter.is_ascii_uppercase() && matches!(case, SayCase::Upper | SayCase::All) {
            say("uppercase".into());
        } else if letter.is_ascii_lowercase() && matches!(case, SayCase::Lower | SayCase::All) {
            say("lowercase".into());
        }
        say(match sign(letter) {
            Some(name) => name.into(),
            None if letter.is_ascii_digit() => format!("digits/{letter}"),
            None => format!("letters/{}", letter.to_ascii_lowercase()),
        });
    }
    names
}

/// SAY PHONETIC. Asterisk has a recording of its own for nine.
pub(super) fn phonetic(text: &str, exists: Exists<'_>) -> Vec<String> {
    let name = |letter: char| match sign(letter) {
        Some(name) => name.to_owned(),
        None if matches!(letter, '0'..='8') => format!("digits/{letter}"),
        None => format!("phonetic/{}_p", letter.to_ascii_lowercase()),
    };
    text.chars().map(name).filter(|name| exists(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sounds::Sounds;
    use super::*;

    /// Compares the names, without `digits/`, and their total length in milliseconds with the stock sounds.
    fn check(names: &[String], expected: &str, milliseconds: u64) {
        let sounds = Sounds::stock();
        let text: Vec<_> = names.iter().map(|name| name.strip_prefix("digits/").unwrap_or(name)).collect();
        assert_eq!(text.join(" "), expected);
        let samples: u64 = names.iter().map(|name| sounds.find(name, "en").unwrap().samples).sum();
        assert_eq!(samples / 8, milliseconds, "{expected}");
    }

    fn names(names: &[String]) -> String {
        names.join(" ").replace("digits/", "")
    }

    /// A real Asterisk took 1726 and 1743 ms for the numbers, of which some 5 ms per file were its own work.
    #[test]
    fn lengths_equal_those_of_a_real_asterisk() {
        check(&number(42), "40 2", 1720);
        check(&number(-5), "minus 5", 1740);
        let stock = Sounds::stock();
        let exists = |name: &str| stock.find(name, "en").is_some();
        check(&digits("123", &exists), "1 2 3", 2520);
        check(&alpha("abc", SayCase::None, &exists), "letters/a letters/b letters/c", 2260);
        check(&phonetic("ab", &exists), "phonetic/a_p phonetic/b_p", 1800);
    }

    #[test]
    fn numbers_are_spoken_as_cardinals() {
        let say = |n| names(&number(n));
        assert_eq!(say(0), "0");
        assert_eq!(say(19), "19");
        assert_eq!(say(100), "1 hundred");
        assert_eq!(say(-1_234_567), "minus 1 million 2 hundred 30 4 thousand 5 hundred 60 7");
        assert_eq!(say(2_000_000_000), "2 billion");
        assert_eq!(say(i32::MAX), "");
        assert_eq!(say(i32::MIN), "minus");
    }

    #[test]
    fn spelling_leaves_out_what_has_no_sound() {
        let stock = Sounds::stock();
        let exists = |name: &str| stock.find(name, "en").is_some();
        assert_eq!(names(&digits("-1x*#", &exists)), "minus 1 star pound");
        assert_eq!(names(&phonetic("9Z8é", &exists)), "phonetic/9_p phonetic/z_p 8");
        let any = |_: &str| true;
        assert_eq!(names(&alpha("aB1", SayCase::All, &any)), "lowercase letters/a uppercase letters/b 1");
        assert_eq!(names(&alpha("aB", SayCase::Upper, &any)), "letters/a uppercase letters/b");
    }
}
