//! The choices of a menu: keys and patterns of keys, matched as Asterisk matches extensions (`main/pbx.c`).

use super::keypad::ANY_KEY;
use super::options::words;
use super::prompter::{Prompter, ScriptError};
use super::speech::{find, tokens};
use crate::command::{Kind, Param};
use crate::script::{MAX_SHOWN, nearest, quoted, short, value};
use rhai::{Dynamic, Map};
use std::cmp::Ordering;

/// The longest pattern, as for an extension of the dialplan.
const MAX_PATTERN: usize = 80;

/// The keys that one position of a pattern accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot {
    /// One of these keys.
    Key(String),
    /// `.`: one or more keys, whatever they are.
    AtLeastOne,
    /// `!`: any keys or none. A match is final at once.
    Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    exact: bool,
    slots: Vec<Slot>,
}

/// How keys compare with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Mismatch,
    /// They match once more keys follow.
    Prefix,
    Match,
    /// They match, and also would with more keys.
    MatchAndPrefix,
    /// They match by `!`: there is no need to wait for more.
    FinalMatch,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!(
                "has the choice {}, which is longer than {MAX_PATTERN} keys",
                quoted(text, MAX_PATTERN)
            ));
        }
        let Some(pattern) = text.strip_prefix('_') else {
            return match text.chars().find(|key| !ANY_KEY.contains(*key)) {
                _ if text.is_empty() => Err("has an empty choice".to_owned()),
                Some(_) if Self::parse(&format!("_{text}")).is_ok() => {
                    Err(format!("has the choice {text:?}: a pattern begins with an underscore, \"_{text}\""))
                }
                Some(wrong) => {
                    Err(format!("has the choice {text:?}, but {wrong:?} is not a key: keys are 0-9, *, # and A-D"))
                }
                None => {
                    let slots = text.chars().map(|key| Slot::Key(key.to_string())).collect();
                    Ok(Self { exact: true, slots })
                }
            };
        };
        let wrong = |what: &str| Err(format!("has the pattern {text:?}, {what}"));
        let mut slots = Vec::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            slots.push(match letter {
                'X' | 'x' => Slot::Key("0123456789".to_owned()),
                'Z' | 'z' => Slot::Key("123456789".to_owned()),
                'N' | 'n' => Slot::Key("23456789".to_owned()),
                '.' | '!' if letters.next().is_some() => return wrong("in which something follows `.` or `!`"),
                '.' => Slot::AtLeastOne,
                '!' => Slot::Rest,
                // Ignored, as in extensions.conf, where it makes long numbers readable.
                '-' => continue,
                '[' => {
                    let set: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                    match keys_of(&set) {
                        Some(keys) if pattern.contains(']') => Slot::Key(keys),
                        _ => return wrong("whose brackets must hold keys, as in `[1-5]` or `[16*]`"),
                    }
                }
                key if ANY_KEY.contains(key) => Slot::Key(key.to_string()),
                other => {
                    return wrong(&format!("in which {other:?} has no meaning: use keys, X, Z, N, [1-5], `.` and `!`"));
                }
            });
        }
        if slots.is_empty() { wrong("which is empty") } else { Ok(Self { exact: false, slots }) }
    }

    fn fit(&self, keys: &str) -> Fit {
        let mut slots = self.slots.iter();
        for key in keys.chars() {
            match slots.next() {
                Some(Slot::Key(set)) if set.contains(key) => {}
                Some(Slot::AtLeastOne) => return Fit::MatchAndPrefix,
                Some(Slot::Rest) => return Fit::FinalMatch,
                _ => return Fit::Mismatch,
            }
        }
        match slots.next() {
            None => Fit::Match,
            Some(Slot::Rest) => Fit::FinalMatch,
            Some(_) => Fit::Prefix,
        }
    }

    /// The order in which Asterisk tries patterns: exact ones first, then by the smaller set of keys at the first
    /// position in which they differ.
    fn precedence(&self, other: &Self) -> Ordering {
        let rank = |slot: Option<&Slot>| match slot {
            Some(Slot::Key(set)) => (set.len(), set.clone()),
            Some(Slot::AtLeastOne) => (100, String::new()),
            Some(Slot::Rest) => (200, String::new()),
            None => (300, String::new()),
        };
        let mut slots = (0..self.slots.len().max(other.slots.len()))
            .map(|at| rank(self.slots.get(at)).cmp(&rank(other.slots.get(at))));
        other.exact.cmp(&self.exact).then_with(|| slots.find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
    }

    /// The number of keys it matches, without those of `!`; `None` if there is no limit.
    fn length(&self) -> Option<usize> {
        match self.slots.last() {
            Some(Slot::AtLeastOne) => None,
            Some(Slot::Rest) => Some(self.slots.len() - 1),
            _ => Some(self.slots.len()),
        }
    }
}

/// The keys of a set such as `1-5*`, in order.
fn keys_of(set: &str) -> Option<String> {
    let letters: Vec<char> = set.chars().collect();
    let mut keys = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let range = letters.get(at + 1) == Some(&'-') && at + 2 < letters.len();
        let (from, to) = (letters[at], if range { letters[at + 2] } else { letters[at] });
        let from_to = ANY_KEY.chars().filter(|key| (from..=to).contains(key));
        let before = keys.len();
        keys.extend(from_to);
        if keys.len() == before {
            return None;
        }
        at += if range { 3 } else { 1 };
    }
    keys.sort_unstable();
    keys.dedup();
    (!keys.is_empty()).then(|| keys.into_iter().collect())
}

/// A choice of a menu.
struct Choice {
    pattern: Pattern,
    value: Dynamic,
    /// The words that stand for it, and the keys that they are short for.
    words: Vec<String>,
    keys: String,
}

/// The choices of a menu.
pub(super) struct Choices(Vec<Choice>);

/// The members of a choice that may be said.
pub const CHOICE_MEMBERS: &[Param] = &[
    Param::required("words", Kind::Array, "The words or phrases that the caller may say for it, an array of texts."),
    Param::required("then", Kind::Any, "What it stands for: a value, or a function that is called with its keys."),
];

/// Reads a choice: what it stands for, and the words for it.
fn read_choice(name: &str, given: &Dynamic) -> Result<Choice, String> {
    let pattern = Pattern::parse(name)?;
    let (value, words) = match given.read_lock::<Map>() {
        Some(map) => spoken_choice(name, &pattern, &map)?,
        None => None,
    }
    .unwrap_or_else(|| (given.clone(), Vec::new()));
    Ok(Choice { pattern, value, words, keys: name.to_owned() })
}

/// Reads `#{ words: [..], then: .. }`; `None` for any other map, which is a value.
fn spoken_choice(name: &str, pattern: &Pattern, map: &Map) -> Result<Option<(Dynamic, Vec<String>)>, String> {
    let wrong = |problem: &str| Err(format!("has the choice {name:?}, {problem}"));
    let members = || CHOICE_MEMBERS.iter().map(|member| member.name);
    let other = map.keys().find(|key| members().all(|member| member != key.as_str()));
    let meant = other.and_then(|key| nearest(key, members()));
    match (map.get("words"), map.get("then"), other) {
        (Some(given), Some(then), None) => {
            if !pattern.exact {
                return wrong("which is a pattern: words stand for certain keys");
            }
            let words = words(given).map_err(|problem| format!("has the choice {name:?}, whose `words` {problem}"))?;
            Ok(Some((then.clone(), words)))
        }
        (Some(_), None, None) => wrong("which has `words` but no `then`: what it stands for"),
        (None, Some(_), None) => wrong("which has `then` but no `words`: what the caller may say for it"),
        (Some(_), _, Some(other)) | (None, Some(_), Some(other)) => match meant {
            Some(meant) => wrong(&format!("which has `{}`: did you mean `{meant}`?", short(other, MAX_SHOWN))),
            None => wrong(&format!("which has `{}`: it takes `words` and `then`", short(other, MAX_SHOWN))),
        },
        // `#{ word: "sales" }` alone can't be meant as a value.
        (None, None, Some(other)) if map.len() == 1 && meant.is_some() && other.as_str().starts_with("word") => {
            wrong(&format!("which has `{}`: did you mean `words`?", short(other, MAX_SHOWN)))
        }
        _ => Ok(None),
    }
}

/// Returns a word that two choices have, as it is written.
fn shared_word(choices: &[Choice]) -> Option<(&str, &str, &str)> {
    let mut known: Vec<(Vec<String>, &str)> = Vec::new();
    for choice in choices {
        for word in &choice.words {
            let tokens = tokens(word);
            if let Some((_, first)) = known.iter().find(|(other, keys)| *other == tokens && *keys != choice.keys) {
                return Some((word, first, &choice.keys));
            }
            known.push((tokens, &choice.keys));
        }
    }
    None
}

impl Choices {
    pub(super) fn read(prompter: &Prompter, given: &Dynamic) -> Result<Self, ScriptError> {
        let wrong = |problem: String| prompter.bad_argument("choices", format_args!("`choices` {problem}"));
        let Some(map) = given.read_lock::<Map>() else {
            let problem = format!("must be a map such as #{{ \"1\": \"sales\" }}, not {}", value(given).type_name());
            return Err(wrong(problem));
        };
        if map.is_empty() {
            return Err(wrong("is an empty map, with nothing to choose from".to_owned()));
        }
        let mut choices: Vec<Choice> =
            map.iter().map(|(name, given)| read_choice(name, given)).collect::<Result<_, _>>().map_err(wrong)?;
        if let Some((word, first, second)) = shared_word(&choices) {
            let word = quoted(word, MAX_SHOWN);
            return Err(wrong(format!("has the word {word} for {first:?} and for {second:?}")));
        }
        choices.sort_by(|one, other| one.pattern.precedence(&other.pattern));
        Ok(Self(choices))
    }

    /// `1` is yes, `2` is no.
    pub(super) fn yes_or_no() -> Self {
        let choice = |key: &str, value: bool| Choice {
            pattern: Pattern { exact: true, slots: vec![Slot::Key(key.to_owned())] },
            value: value.into(),
            words: Vec::new(),
            keys: key.to_owned(),
        };
        Self(vec![choice("1", true), choice("2", false)])
    }

    /// The value of the choice that these keys match.
    pub(super) fn find(&self, keys: &str) -> Option<&Dynamic> {
        let matches =
            |pattern: &Pattern| matches!(pattern.fit(keys), Fit::Match | Fit::MatchAndPrefix | Fit::FinalMatch);
        self.0.iter().find(|choice| matches(&choice.pattern)).map(|choice| &choice.value)
    }

    /// The words of all choices.
    pub(super) fn words(&self) -> Vec<String> {
        self.0.iter().flat_map(|choice| choice.words.iter().cloned()).collect()
    }

    /// The keys of the choice whose words were heard.
    pub(super) fn said(&self, heard: &str, language: &str) -> Option<&str> {
        let at = find(heard, &self.words(), language)?;
        self.0.iter().flat_map(|choice| choice.words.iter().map(|_| choice.keys.as_str())).nth(at)
    }

    /// Whether more keys could match another choice.
    pub(super) fn is_open(&self, keys: &str) -> bool {
        let decided = self.0.iter().find_map(|choice| match choice.pattern.fit(keys) {
            Fit::Prefix | Fit::MatchAndPrefix => Some(true),
            Fit::FinalMatch => Some(false),
            Fit::Mismatch | Fit::Match => None,
        });
        decided.unwrap_or(false)
    }

    /// Whether a choice names the last of these keys. `.` and `!` don't name any.
    pub(super) fn name_last(&self, keys: &str) -> bool {
        let last = keys.chars().count().saturating_sub(1);
        let names_last = |pattern: &Pattern| matches!(pattern.slots.get(last), Some(Slot::Key(_)));
        self.0.iter().any(|Choice { pattern, .. }| names_last(pattern) && pattern.fit(keys) != Fit::Mismatch)
    }

    /// The length of the longest choice; `None` if one has no limit.
    pub(super) fn longest(&self) -> Option<usize> {
        self.0.iter().map(|choice| choice.pattern.length()).try_fold(1, |max, length| length.map(|n| n.max(max)))
    }

    /// Whether all choices have exactly this many keys.
    pub(super) fn all_have(&self, keys: usize) -> bool {
        self.0
            .iter()
            .all(|Choice { pattern, .. }| pattern.length() == Some(keys) && !pattern.slots.contains(&Slot::Rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(patterns: &[&str]) -> Choices {
        let choice = |text: &&str| read_choice(text, &Dynamic::from((*text).to_owned())).unwrap();
        let mut choices: Vec<Choice> = patterns.iter().map(choice).collect();
        choices.sort_by(|one, other| one.pattern.precedence(&other.pattern));
        Choices(choices)
    }

    /// Compares what the keys choose, with a `+` where more keys could follow.
    fn check(patterns: &[&str], expected: &[(&str, &str)]) {
        let choices = choices(patterns);
        for (keys, wanted) in expected {
            let found = choices.find(keys).map_or_else(|| "-".to_owned(), ToString::to_string);
            let open = if choices.is_open(keys) { "+" } else { "" };
            assert_eq!(format!("{found}{open}"), *wanted, "{keys} of {patterns:?}");
        }
    }

    #[test]
    fn choices_match_as_extensions_do() {
        check(
            &["1", "12", "_1XX"],
            &[("", "-+"), ("1", "1+"), ("12", "12+"), ("13", "-+"), ("123", "_1XX"), ("2", "-")],
        );
        check(&["_X.", "5"], &[("5", "5+"), ("4", "-+"), ("45", "_X.+"), ("*", "-")]);
        check(&["_X!", "911"], &[("9", "_X!+"), ("91", "_X!+"), ("911", "911"), ("2", "_X!"), ("", "-+")]);
        check(&["_[1-35]", "_N", "_Z", "_X"], &[("1", "_[1-35]"), ("4", "_N"), ("0", "_X"), ("5", "_[1-35]")]);
        check(&["_N", "_Z"], &[("1", "_Z"), ("2", "_N"), ("0", "-")]);
        check(&["_1X", "_X1", "11"], &[("11", "11"), ("12", "_1X"), ("21", "_X1"), ("22", "-")]);
        check(&["_*XX", "#"], &[("#", "#"), ("*1", "-+"), ("*12", "_*XX"), ("##", "-")]);
        check(&["_X.", "_XXX"], &[("123", "_XXX+"), ("1234", "_X.+"), ("12", "_X.+")]);
    }

    #[test]
    fn bad_patterns_are_refused_with_the_reason() {
        for (text, part) in [
            ("", "empty"),
            ("1XX", "\"_1XX\""),
            ("a", "'a' is not a key"),
            ("_", "empty"),
            ("_X.1", "follows"),
            ("_[9-1]", "brackets"),
            ("_[", "brackets"),
            ("_Q", "'Q' has no meaning"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_length_of_choices_is_known() {
        assert_eq!(choices(&["1", "_1XX"]).longest(), Some(3));
        assert_eq!(choices(&["1", "_1."]).longest(), None);
        assert!(choices(&["12", "_3X"]).all_have(2) && !choices(&["12", "3"]).all_have(2));
        assert!(!choices(&["_1!", "2"]).all_have(1));
    }
}
