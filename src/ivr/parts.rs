//! Parts: what a script gives to be said, and the commands that say it.

use super::phrases::{self, ExpandContext};
use super::play::Play;
use super::prompter::{Failure, Prompter};
use crate::agi::line::LONG_LINE;
use crate::command::{GET_DATA, Value};
use crate::script::{MOST_PARTS, Phrases};
use crate::script::{SHOWN, quoted, short, shown};
use crate::script::{nearest, value};
use rhai::{Array, Dynamic, Map};
use std::cell::Cell;

/// Any key of the telephone.
pub(super) const ANY_KEY: &str = "0123456789*#ABCD";
/// How SAY DATETIME says a time unless told otherwise; in German it has another way.
const DATE_FORMAT: &str = "ABdY 'digits/at' IMp";
const GERMAN_DATE_FORMAT: &str = "A dBY HMS";
/// The maps that are parts, by the name that says which, and what may stand beside it.
const MAPS: &[(&str, &[&str])] =
    &[("digits", &[]), ("spell", &[]), ("phonetic", &[]), ("number", &["gender"]), ("date", &["format", "zone"])];
/// Parts go this deep in parts; each takes some of the stack.
const DEEPEST: usize = 16;
const A_PART: &str = "a part is a sound file, a whole number, or a map such as #{ digits: 12 }";

/// What these parts are to be played as; `parameter` is what they were given for.
pub(super) fn plays(prompter: &Prompter, parameter: &'static str, parts: &Dynamic) -> Result<Vec<Play>, Failure> {
    let mut plays = Vec::new();
    let mut number = 0;
    add(&Said { prompter, parameter, count: Cell::new(0) }, parts, &mut number, 0, &mut plays)?;
    Ok(plays)
}

/// What is said at once.
struct Said<'a> {
    prompter: &'a Prompter<'a>,
    parameter: &'static str,
    /// How many parts were looked at and made so far.
    count: Cell<usize>,
}

impl Said<'_> {
    fn count(&self, parts: usize) -> bool {
        let count = self.count.get().saturating_add(parts);
        self.count.set(count);
        count <= MOST_PARTS
    }
}

/// Adds one part, or those of an array; `number` counts them for the errors.
fn add(said: &Said, part: &Dynamic, number: &mut usize, depth: usize, plays: &mut Vec<Play>) -> Result<(), Failure> {
    let place = |number: usize| Place { said, number, depth };
    if let Some(array) = part.read_lock::<Array>() {
        // Counted level by level, so that arrays in arrays have a bound too.
        if !said.count(array.len()) {
            return Err(place(1).wrong(format!("has more than {MOST_PARTS} parts")));
        }
        return array.iter().try_for_each(|part| add(said, part, number, depth, plays));
    }
    *number += 1;
    if let Some(map) = part.read_lock::<Map>()
        && let Some(made) = phrases::expand(&map, &place(*number))
    {
        plays.extend(made?);
        return Ok(());
    }
    let wrong = |problem: String| place(*number).wrong(problem);
    let mut play = if let Some(map) = part.read_lock::<Map>() {
        from_map(&map).map_err(wrong)?
    } else {
        match value(part) {
            Value::Text(file) if file.is_empty() => return Ok(()),
            Value::Text(file) => Play::File(sayable(file).map_err(wrong)?),
            Value::Int(number) => Play::Number { number: in_range(number).map_err(wrong)?, gender: None },
            Value::Nothing => return Err(wrong(format!("is (): {A_PART}"))),
            other => return Err(wrong(format!("is {} {}: {A_PART}", other.type_name(), shown(part, SHOWN)))),
        }
    };
    if let Play::Date { format: format @ None, zone: Some(_), .. } = &mut play {
        // The words of the command go by their place.
        let german = said.prompter.language()?.starts_with("de");
        *format = Some(if german { GERMAN_DATE_FORMAT } else { DATE_FORMAT }.to_owned());
    }
    plays.push(play);
    Ok(())
}

/// Where a part stands.
struct Place<'a> {
    said: &'a Said<'a>,
    number: usize,
    /// So many parts it is inside of.
    depth: usize,
}

impl ExpandContext for Place<'_> {
    type Error = Failure;

    fn phrases(&self) -> Option<&Phrases> {
        self.said.prompter.call.phrases()
    }

    fn language(&self) -> Result<String, Failure> {
        self.said.prompter.language()
    }

    fn count(&self, parts: usize) -> bool {
        self.said.count(parts)
    }

    fn plays(&self, part: &Dynamic) -> Result<Vec<Play>, Failure> {
        if self.depth == DEEPEST {
            return Err(
                self.wrong(format!("has parts in parts more than {DEEPEST} deep: phrases that say each other?"))
            );
        }
        let mut plays = Vec::new();
        add(self.said, part, &mut (self.number - 1), self.depth + 1, &mut plays)?;
        Ok(plays)
    }

    fn wrong(&self, problem: String) -> Failure {
        let Self { said: Said { prompter, parameter, .. }, number, .. } = self;
        let which = if *number == 1 { String::new() } else { format!("part {number} of ") };
        prompter.wrong(parameter, format_args!("{which}`{parameter}` {problem}"))
    }
}

/// The part a map is.
fn from_map(map: &Map) -> Result<Play, String> {
    let kinds = || MAPS.iter().chain(phrases::MAPS).map(|(name, _)| *name);
    let named = MAPS.iter().find(|(name, _)| map.contains_key(*name));
    let Some((kind, beside)) = named else {
        let first = map.keys().next().map(|name| (name.as_str(), nearest(name, kinds())));
        return Err(match first {
            Some((name, Some(like))) => format!("has no kind `{name}`: did you mean `{like}`?"),
            Some((name, None)) => {
                let kinds: Vec<&str> = kinds().collect();
                format!("is a map with `{}`: a part is one of `{}`", short(name, SHOWN), kinds.join("`, `"))
            }
            None => "is an empty map".to_owned(),
        });
    };
    if let Some(name) = map.keys().find(|name| name.as_str() != *kind && !beside.contains(&name.as_str())) {
        let takes = match beside {
            [] => "nothing beside it".to_owned(),
            others => format!("`{}` beside it", others.join("` and `")),
        };
        return Err(format!("has `{}`, but `{kind}` takes {takes}", short(name, SHOWN)));
    }
    let text = |name: &str| match map.get(name).map(value) {
        Some(Value::Text(text)) => Ok(text),
        Some(Value::Int(number)) => Ok(number.to_string()),
        other => Err(format!("takes `{name}` as a text, not {}", other.unwrap_or(Value::Nothing).type_name())),
    };
    let optional = |name: &str| if map.contains_key(name) { text(name).and_then(sayable).map(Some) } else { Ok(None) };
    let integer = |name: &str| {
        let given = map.get(name).map(value);
        match &given {
            Some(Value::Int(number)) => Some(*number),
            Some(Value::Text(text)) => text.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| match given {
            Some(Value::Text(text)) => {
                format!("takes `{name}` as a whole number, not the text {}", quoted(&text, SHOWN))
            }
            other => format!("takes `{name}` as a whole number, not {}", other.unwrap_or(Value::Nothing).type_name()),
        })
    };
    Ok(match *kind {
        "digits" => {
            let digits = text("digits").and_then(sayable)?;
            if let Some(wrong) = digits.chars().find(|c| !matches!(c, '0'..='9' | '*' | '#' | '-' | ' ')) {
                return Err(format!(
                    "takes `digits` as digits, `*` and `#`, not {wrong:?} in {}",
                    quoted(&digits, SHOWN)
                ));
            }
            Play::Digits(digits)
        }
        "spell" => Play::Spell(text("spell").and_then(sayable)?),
        "phonetic" => Play::Phonetic(text("phonetic").and_then(sayable)?),
        "number" => Play::Number { number: in_range(integer("number")?)?, gender: optional("gender")? },
        _ => {
            let (epoch, zone) = (integer("date")?, optional("zone")?);
            if epoch < 0 {
                return Err(format!("takes `date` as seconds since 1970, not {epoch}"));
            }
            Play::Date { epoch, format: optional("format")?.filter(|format| !format.is_empty()), zone }
        }
    })
}

/// What Asterisk says as a number is an `int`.
fn in_range(number: i64) -> Result<i64, String> {
    match i32::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(format!("is {number}: Asterisk says numbers up to {}; `digits` says more", i32::MAX)),
    }
}

/// What a command line can carry, found out before the first part is heard.
fn sayable(text: String) -> Result<String, String> {
    if text.len() > LONG_LINE {
        return Err(format!("is a text of {} bytes: a line to Asterisk has {LONG_LINE}", text.len()));
    }
    if text.contains(['\n', '\0']) {
        return Err(format!("holds a line break or NUL: {}", quoted(&text, SHOWN)));
    }
    Ok(text)
}

impl Prompter<'_> {
    /// Plays one thing while it listens to these keys: the key that ended it.
    pub(super) fn play(&self, play: &Play, keys: &str) -> Result<Option<char>, Failure> {
        let (command, args) = play.command(keys);
        Ok(key(&self.invoke(command, &args)?))
    }

    /// Plays one thing of a question, with more to come: the key that ended it. A sound file is played by GET DATA,
    /// which makes less of a missing one than STREAM FILE: that would set AGISTATUS to FAILURE, and end AsyncAGI.
    pub(super) fn play_asking(&self, play: &Play) -> Result<Option<char>, Failure> {
        match play {
            Play::File(file) => {
                let pressed = self.invoke(&GET_DATA, &[Value::from(file.as_str()), Value::Int(1), Value::Int(1)])?;
                // `#` ends it, and is left out.
                let timed_out = self.call.with_session(|session| session.timed_out())?;
                Ok(key(&pressed).or_else(|| (!timed_out).then_some('#')))
            }
            play => self.play(play, ANY_KEY),
        }
    }
}

/// The key in a command's value.
pub(super) fn key(value: &Value) -> Option<char> {
    match value {
        Value::Text(text) => text.chars().next(),
        _ => None,
    }
}
