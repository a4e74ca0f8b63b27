//! The choices of a menu: keys and patterns of them, matched as Asterisk matches extensions (`main/pbx.c`).

use super::parts::ANY_KEY;
use super::prompter::{Failure, Prompter};
use crate::script::quoted;
use crate::script::value;
use rhai::{Dynamic, Map};
use std::cmp::Ordering;

/// A choice is no longer than an extension of the dialplan may be.
const LONGEST: usize = 80;

/// One place in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// One of these keys.
    Key(String),
    /// `.`: one or more of any keys.
    Some,
    /// `!`: any keys or none, and decided at once.
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    exact: bool,
    places: Vec<Place>,
}

/// How far keys go with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    No,
    /// They are the beginning of what matches.
    Begins,
    Matches,
    /// They match, and so do more.
    MatchesOn,
    /// They match with `!`: nothing more is waited for.
    Decides,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("has the choice {}, which is longer than {LONGEST} keys", quoted(text, LONGEST)));
        }
        let Some(pattern) = text.strip_prefix('_') else {
            return match text.chars().find(|key| !ANY_KEY.contains(*key)) {
                _ if text.is_empty() => Err("has an empty choice".to_owned()),
                Some(_) if Self::parse(&format!("_{text}")).is_ok() => {
                    Err(format!("has the choice {text:?}: a pattern begins with an underscore, \"_{text}\""))
                }
                Some(wrong) => Err(format!("has the choice {text:?}, but {wrong:?} is no key: 0-9, *, # and A-D are")),
                None => {
                    let places = text.chars().map(|key| Place::Key(key.to_string())).collect();
                    Ok(Self { exact: true, places })
                }
            };
        };
        let wrong = |what: &str| Err(format!("has the pattern {text:?}, {what}"));
        let mut places = Vec::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            places.push(match letter {
                'X' | 'x' => Place::Key("0123456789".to_owned()),
                'Z' | 'z' => Place::Key("123456789".to_owned()),
                'N' | 'n' => Place::Key("23456789".to_owned()),
                '.' | '!' if letters.next().is_some() => return wrong("in which something stands behind `.` or `!`"),
                '.' => Place::Some,
                '!' => Place::Any,
                // As in extensions.conf, where it makes long numbers readable.
                '-' => continue,
                '[' => {
                    let set: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                    match keys_of(&set) {
                        Some(keys) if pattern.contains(']') => Place::Key(keys),
                        _ => return wrong("whose brackets hold no keys such as `[1-5]` or `[16*]`"),
                    }
                }
                key if ANY_KEY.contains(key) => Place::Key(key.to_string()),
                other => return wrong(&format!("in which {other:?} means nothing: X, Z, N, [1-5], `.` and `!` do")),
            });
        }
        if places.is_empty() { wrong("which is empty") } else { Ok(Self { exact: false, places }) }
    }

    fn fit(&self, keys: &str) -> Fit {
        let mut places = self.places.iter();
        for key in keys.chars() {
            match places.next() {
                Some(Place::Key(set)) if set.contains(key) => {}
                Some(Place::Some) => return Fit::MatchesOn,
                Some(Place::Any) => return Fit::Decides,
                _ => return Fit::No,
            }
        }
        match places.next() {
            None => Fit::Matches,
            Some(Place::Any) => Fit::Decides,
            Some(_) => Fit::Begins,
        }
    }

    /// Those Asterisk tries first come first: exact ones, then by the smaller set of keys at the first place they
    /// differ in.
    fn before(&self, other: &Self) -> Ordering {
        let rank = |place: Option<&Place>| match place {
            Some(Place::Key(set)) => (set.len(), set.clone()),
            Some(Place::Some) => (100, String::new()),
            Some(Place::Any) => (200, String::new()),
            None => (300, String::new()),
        };
        let mut places = (0..self.places.len().max(other.places.len()))
            .map(|at| rank(self.places.get(at)).cmp(&rank(other.places.get(at))));
        other.exact.cmp(&self.exact).then_with(|| places.find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
    }

    /// How many keys it has; `None` where it has no end.
    fn length(&self) -> Option<usize> {
        match self.places.last() {
            Some(Place::Some) => None,
            Some(Place::Any) => Some(self.places.len() - 1),
            _ => Some(self.places.len()),
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

/// The choices of a menu.
pub(super) struct Choices(Vec<(Pattern, Dynamic)>);

impl Choices {
    pub(super) fn read(prompter: &Prompter, given: &Dynamic) -> Result<Self, Failure> {
        let wrong = |problem: String| prompter.wrong("choices", format_args!("`choices` {problem}"));
        let Some(map) = given.read_lock::<Map>() else {
            let problem = format!("must be a map such as #{{ \"1\": \"sales\" }}, not {}", value(given).type_name());
            return Err(wrong(problem));
        };
        if map.is_empty() {
            return Err(wrong("is an empty map: there is nothing to choose".to_owned()));
        }
        let choice = |(text, value): (&_, &Dynamic)| Ok((Pattern::parse(text)?, value.clone()));
        let mut choices: Vec<_> =
            map.iter().map(|(text, value)| choice((text.as_str(), value))).collect::<Result<_, _>>().map_err(wrong)?;
        choices.sort_by(|(one, _), (other, _)| one.before(other));
        Ok(Self(choices))
    }

    /// `1` is yes, `2` is no.
    pub(super) fn yes_or_no() -> Self {
        let key = |key: &str| Pattern { exact: true, places: vec![Place::Key(key.to_owned())] };
        Self(vec![(key("1"), true.into()), (key("2"), false.into())])
    }

    /// The value of the choice these keys make.
    pub(super) fn find(&self, keys: &str) -> Option<&Dynamic> {
        let matches = |pattern: &Pattern| matches!(pattern.fit(keys), Fit::Matches | Fit::MatchesOn | Fit::Decides);
        self.0.iter().find(|(pattern, _)| matches(pattern)).map(|(_, value)| value)
    }

    /// Whether more keys could make another choice.
    pub(super) fn is_open(&self, keys: &str) -> bool {
        let decided = self.0.iter().find_map(|(pattern, _)| match pattern.fit(keys) {
            Fit::Begins | Fit::MatchesOn => Some(true),
            Fit::Decides => Some(false),
            Fit::No | Fit::Matches => None,
        });
        decided.unwrap_or(false)
    }

    /// Whether the last of these keys is asked for by a choice: neither `.` nor `!` asks for a key.
    pub(super) fn ask_for(&self, keys: &str) -> bool {
        let last = keys.chars().count().saturating_sub(1);
        let asks = |pattern: &Pattern| matches!(pattern.places.get(last), Some(Place::Key(_)));
        self.0.iter().any(|(pattern, _)| asks(pattern) && pattern.fit(keys) != Fit::No)
    }

    /// The keys of the longest choice; `None` where one has no end.
    pub(super) fn longest(&self) -> Option<usize> {
        self.0.iter().map(|(pattern, _)| pattern.length()).try_fold(1, |most, length| length.map(|n| n.max(most)))
    }

    /// Whether all choices have so many keys.
    pub(super) fn all_have(&self, keys: usize) -> bool {
        self.0.iter().all(|(pattern, _)| pattern.length() == Some(keys) && !pattern.places.contains(&Place::Any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(patterns: &[&str]) -> Choices {
        let mut choices: Vec<_> =
            patterns.iter().map(|text| (Pattern::parse(text).unwrap(), Dynamic::from((*text).to_owned()))).collect();
        choices.sort_by(|(one, _), (other, _)| one.before(other));
        Choices(choices)
    }

    /// What the keys choose, and `+` where more could come.
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
    fn a_choice_that_is_none_is_told() {
        for (text, part) in [
            ("", "empty"),
            ("1XX", "\"_1XX\""),
            ("a", "'a' is no key"),
            ("_", "empty"),
            ("_X.1", "behind"),
            ("_[9-1]", "brackets"),
            ("_[", "brackets"),
            ("_Q", "'Q' means nothing"),
        ] {
            let told = Pattern::parse(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }

    #[test]
    fn the_longest_choice_is_known() {
        assert_eq!(choices(&["1", "_1XX"]).longest(), Some(3));
        assert_eq!(choices(&["1", "_1."]).longest(), None);
        assert!(choices(&["12", "_3X"]).all_have(2) && !choices(&["12", "3"]).all_have(2));
        assert!(!choices(&["_1!", "2"]).all_have(1));
    }
}
