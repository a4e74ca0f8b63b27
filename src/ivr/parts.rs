//! Parts: what a script wants to be said, read into the commands that say it.

use super::keypad::{ANY_KEY, key};
use super::phrases::{self, ExpandContext};
use super::play::Play;
use super::prompter::{Prompter, ScriptError};
use crate::agi::line::LONG_LINE;
use crate::command::encode::check_format;
use crate::command::{GET_DATA, Value};
use crate::script::{MAX_PARTS, Phrases};
use crate::script::{MAX_SHOWN, quoted, short, shown};
use crate::script::{nearest, value};
use crate::world::{prompt, speaks_prompts};
use rhai::{Array, Dynamic, Map};
use std::cell::Cell;

/// The default format of SAY DATETIME; for German there is another.
const DATE_FORMAT: &str = "ABdY 'digits/at' IMp";
const GERMAN_DATE_FORMAT: &str = "A dBY HMS";
/// The maps that are parts: the key that names the kind, and the keys that may accompany it.
const MAPS: &[(&str, &[&str])] = &[
    ("digits", &[]),
    ("spell", &[]),
    ("phonetic", &[]),
    ("number", &["gender"]),
    ("date", &["format", "zone"]),
    ("text", &["voice", "language"]),
];
/// How deeply parts may be nested; each level takes some of the stack.
const MAX_DEPTH: usize = 16;
const EXPECTED: &str = "a part is a sound file, a whole number, or a map such as #{ digits: 12 }";

/// Reads parts into the plays that say them. `parameter` names the parameter or option that holds them.
pub(super) fn read_parts(
    prompter: &Prompter,
    parameter: &'static str,
    parts: &Dynamic,
) -> Result<Vec<Play>, ScriptError> {
    let mut plays = Vec::new();
    let mut number = 0;
    let reader = PartsReader { prompter, parameter, count: Cell::new(0) };
    reader.add(parts, &mut number, 0, &mut plays)?;
    Ok(plays)
}

/// Reads all parts of one argument.
struct PartsReader<'a> {
    prompter: &'a Prompter<'a>,
    parameter: &'static str,
    /// How many parts have been read and made so far.
    count: Cell<usize>,
}

impl PartsReader<'_> {
    /// Counts more parts, and returns whether they are within the limit.
    fn count(&self, parts: usize) -> bool {
        let count = self.count.get().saturating_add(parts);
        self.count.set(count);
        count <= MAX_PARTS
    }

    /// Adds one part, or those of an array; `number` counts them for error messages.
    fn add(&self, part: &Dynamic, number: &mut usize, depth: usize, plays: &mut Vec<Play>) -> Result<(), ScriptError> {
        let this_part = |number: usize| PartContext { reader: self, number, depth };
        if let Some(array) = part.read_lock::<Array>() {
            // Counted level by level, so that arrays inside arrays are limited too.
            if !self.count(array.len()) {
                return Err(this_part(1).error(format!("has more than {MAX_PARTS} parts")));
            }
            return array.iter().try_for_each(|part| self.add(part, number, depth, plays));
        }
        *number += 1;
        if let Some(map) = part.read_lock::<Map>()
            && let Some(made) = phrases::expand(&map, &this_part(*number))
        {
            plays.extend(made?);
            return Ok(());
        }
        let wrong = |problem: String| this_part(*number).error(problem);
        let mut play = if let Some(map) = part.read_lock::<Map>() {
            from_map(&map).map_err(wrong)?
        } else {
            match value(part) {
                Value::Text(file) if file.is_empty() => return Ok(()),
                Value::Text(file) => Play::File(sayable(file).map_err(wrong)?),
                Value::Int(number) => Play::Number { number: in_range(number).map_err(wrong)?, gender: None },
                Value::Nothing => return Err(wrong(format!("is (): {EXPECTED}"))),
                other => return Err(wrong(format!("is {} {}: {EXPECTED}", other.type_name(), shown(part, MAX_SHOWN)))),
            }
        };
        if let Play::Date { format: format @ None, zone: Some(_), .. } = &mut play {
            // The command's arguments are positional, so a zone requires a format.
            let german = self.prompter.language()?.starts_with("de");
            *format = Some(if german { GERMAN_DATE_FORMAT } else { DATE_FORMAT }.to_owned());
        }
        plays.push(play);
        Ok(())
    }
}

/// One part, for expanding it and for error messages.
struct PartContext<'a> {
    reader: &'a PartsReader<'a>,
    /// Its number, from 1.
    number: usize,
    /// How many parts it is nested in.
    depth: usize,
}

impl ExpandContext for PartContext<'_> {
    type Error = ScriptError;

    fn phrases(&self) -> Option<&Phrases> {
        self.reader.prompter.call.phrases()
    }

    fn language(&self) -> Result<String, ScriptError> {
        self.reader.prompter.language()
    }

    fn count(&self, parts: usize) -> bool {
        self.reader.count(parts)
    }

    fn plays(&self, part: &Dynamic) -> Result<Vec<Play>, ScriptError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("has parts nested more than {MAX_DEPTH} deep: do phrases say each other?")));
        }
        let mut plays = Vec::new();
        self.reader.add(part, &mut (self.number - 1), self.depth + 1, &mut plays)?;
        Ok(plays)
    }

    fn error(&self, problem: String) -> ScriptError {
        let Self { reader: PartsReader { prompter, parameter, .. }, number, .. } = self;
        let which = if *number == 1 { String::new() } else { format!("part {number} of ") };
        prompter.bad_argument(parameter, format_args!("{which}`{parameter}` {problem}"))
    }
}

/// Reads a map that is a part.
fn from_map(map: &Map) -> Result<Play, String> {
    let kinds = || MAPS.iter().chain(phrases::MAPS).map(|(name, _)| *name);
    let found = MAPS.iter().find(|(name, _)| map.contains_key(*name));
    let Some((kind, others)) = found else {
        let first = map.keys().next().map(|name| (name.as_str(), nearest(name, kinds())));
        return Err(match first {
            Some((name, Some(like))) => format!("has no kind `{name}`: did you mean `{like}`?"),
            Some((name, None)) => {
                let kinds: Vec<&str> = kinds().collect();
                format!("is a map with `{}`: a part is one of `{}`", short(name, MAX_SHOWN), kinds.join("`, `"))
            }
            None => "is an empty map".to_owned(),
        });
    };
    if let Some(name) = map.keys().find(|name| name.as_str() != *kind && !others.contains(&name.as_str())) {
        let takes = match others {
            [] => "nothing else".to_owned(),
            others => format!("only `{}` as well", others.join("` and `")),
        };
        return Err(format!("has `{}`, but `{kind}` takes {takes}", short(name, MAX_SHOWN)));
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
                format!("takes `{name}` as a whole number, not the text {}", quoted(&text, MAX_SHOWN))
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
                    quoted(&digits, MAX_SHOWN)
                ));
            }
            Play::Digits(digits)
        }
        "spell" => Play::Spell(text("spell").and_then(sayable)?),
        "phonetic" => Play::Phonetic(text("phonetic").and_then(sayable)?),
        "text" => {
            let spoken = text("text")?;
            if spoken.chars().all(char::is_whitespace) {
                return Err("takes `text` as a text, and this one is empty".to_owned());
            }
            Play::Spoken { text: spoken, voice: optional("voice")?, language: optional("language")? }
        }
        "number" => Play::Number { number: in_range(integer("number")?)?, gender: optional("gender")? },
        _ => {
            let (epoch, zone) = (integer("date")?, optional("zone")?);
            if epoch < 0 {
                return Err(format!("takes `date` as seconds since 1970, not {epoch}"));
            }
            let format = optional("format")?.filter(|format| !format.is_empty());
            if let Some(format) = &format {
                check_format(format).map_err(|problem| format!("takes a `format`, which {problem}"))?;
            }
            Play::Date { epoch, format, zone }
        }
    })
}

/// Checks a number: Asterisk says those that fit a C `int`.
fn in_range(number: i64) -> Result<i64, String> {
    match i32::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(format!("is {number}: Asterisk says numbers up to {}; `digits` says more", i32::MAX)),
    }
}

/// Checks that a command line can carry the text, before the first part is heard.
fn sayable(text: String) -> Result<String, String> {
    if text.len() > LONG_LINE {
        return Err(format!("is a text of {} bytes: a line to Asterisk holds {LONG_LINE}", text.len()));
    }
    if text.contains(['\n', '\0']) {
        return Err(format!("contains a line break or NUL: {}", quoted(&text, MAX_SHOWN)));
    }
    Ok(text)
}

/// Whether a sound file is a prompt, of which there may be a recording or words, rather than a file of its own.
pub(super) fn is_prompt(file: &str) -> bool {
    !file.starts_with('/') && !file.contains("://")
}

impl Prompter<'_> {
    /// Plays one thing, and returns the key among these that ended it.
    pub(super) fn play(&self, play: &Play, keys: &str) -> Result<Option<char>, ScriptError> {
        let invoke = |play: &Play| {
            let (command, args) = play.command(keys);
            Ok(key(&self.invoke(command, &args)?))
        };
        match play {
            Play::File(file) => self.play_file(file, |file| invoke(&Play::File(file.to_owned()))),
            play => invoke(play),
        }
    }

    /// Plays a part of a question other than the last one, and returns the key that ended it. GET DATA plays sound
    /// files, since STREAM FILE makes more of a missing file: it sets AGISTATUS to FAILURE, and ends AsyncAGI.
    pub(super) fn play_asking(&self, play: &Play) -> Result<Option<char>, ScriptError> {
        let get_data = |file: &str| {
            let pressed = self.invoke(&GET_DATA, &[Value::from(file), Value::Int(1), Value::Int(1)])?;
            // `#` ends it without being in the reply.
            let timed_out = self.call.with_session(|session| session.timed_out())?;
            Ok(key(&pressed).or_else(|| (!timed_out).then_some('#')))
        };
        match play {
            Play::File(file) => self.play_file(file, get_data),
            play => self.play(play, ANY_KEY),
        }
    }

    /// Plays a sound file. A prompt of which Asterisk turns out to have no recording is spoken instead, if that is
    /// wanted and its words are known.
    fn play_file(
        &self,
        file: &str,
        play: impl Fn(&str) -> Result<Option<char>, ScriptError>,
    ) -> Result<Option<char>, ScriptError> {
        if !is_prompt(file) || !speaks_prompts(&self.call) {
            return play(file);
        }
        let missing = || self.call.with_session(|session| session.missing_sounds());
        let before = missing()?;
        let pressed = play(file)?;
        if pressed.is_none() && missing()? > before {
            let spoken = prompt(&self.call, file, &self.language()?, true)?;
            if spoken != file {
                return play(&spoken);
            }
        }
        Ok(pressed)
    }
}
