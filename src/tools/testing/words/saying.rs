//! The word for what is said: a part as `say` takes it.

use super::expecting::{done, expect_next};
use crate::calendar::{TimeZone, read_moment, strftime};
use crate::command::Value;
use crate::pbx::{Sounds, Spoken};
use crate::script::{MAX_SHOWN, nearest, quoted};
use crate::tools::testing::args::{Args, WordError, as_text, shown};
use crate::tools::testing::prompt::{Prompt, matches, text_of};
use crate::tools::testing::test::{Step, StepResult, Test};
use std::borrow::Cow;
use std::sync::Arc;
use std::vec::IntoIter;

/// The kinds of parts that are one prompt each: their key, and the keys that may accompany it.
const KINDS: [(&str, &[&str]); 5] =
    [("number", &["gender"]), ("digits", &[]), ("spell", &[]), ("phonetic", &[]), ("date", &["format", "zone"])];

const WANTED: &str =
    "a sound file, a whole number, a map such as #{ date: now(), zone: \"UTC\" }, or an array of these";

/// A spoken prompt that a test expects. Of what it leaves open, anything will do.
struct Expected {
    /// The kinds of spoken prompts that it may be.
    kinds: &'static [&'static str],
    text: String,
    /// How a failure names it.
    shown: String,
    gender: Option<String>,
    format: Option<String>,
    zone: Option<String>,
}

pub fn expect_said(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let parts = match args.value(0) {
        Value::List(parts) => parts,
        part => vec![part],
    };
    let misuse = args.misuse(0, WANTED);
    expect_parts(test, parts.into_iter(), misuse)
}

/// Expects these parts, one after the other. `misuse` is the error of one that can't be said.
fn expect_parts(test: &Arc<Test>, mut parts: IntoIter<Value>, misuse: WordError) -> StepResult {
    let Some(part) = parts.next() else { return Ok(Step::DONE) };
    let rest = |misuse: WordError| move |test: &Arc<Test>| expect_parts(test, parts, misuse);
    match part {
        Value::Text(file) if !file.is_empty() => {
            let wanted = format!("the prompt `{file}`");
            expect_next(test, "expect_said", wanted, false, move |heard| matches(heard, &file), rest(misuse))
        }
        Value::Int(number) => expect_kind(test, number_of(number.to_string(), None), rest(misuse)),
        Value::Map(map) if map.iter().any(|(name, _)| name == "text") => {
            let words = map.iter().find(|(name, _)| name == "text").and_then(|(_, words)| as_text(words));
            let Some(words) = words else { return Err(misuse) };
            expect_text(test, "expect_said", &words, rest(misuse))
        }
        Value::Map(map) => {
            let zone = test.state().time_zone.clone();
            let expected =
                of_map(&map, &zone).map_err(|problem| WordError::Misuse(format!("expect_said: {problem}")))?;
            expect_kind(test, expected, rest(misuse))
        }
        _ => Err(misuse),
    }
}

pub fn expect_spoken(test: &Arc<Test>, args: &mut Args<'_, '_>) -> StepResult {
    let words = args.text(0)?;
    expect_text(test, "expect_spoken", &words, done)
}

fn expect_text(
    test: &Arc<Test>,
    word: &'static str,
    words: &str,
    then: impl FnOnce(&Arc<Test>) -> StepResult + Send + 'static,
) -> StepResult {
    let shown = format!("the text {}", quoted(words, MAX_SHOWN));
    let name = Sounds::spoken(words);
    let is_it = move |heard: &Prompt| heard.spoken.is_none() && Sounds::spoken_text(&name) == text_of(heard);
    expect_next(test, word, shown, false, is_it, then)
}

fn expect_kind(
    test: &Arc<Test>,
    expected: Expected,
    then: impl FnOnce(&Arc<Test>) -> StepResult + Send + 'static,
) -> StepResult {
    let fits = |wanted: &Option<String>, given: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| *wanted == *given.as_deref().unwrap_or_default())
    };
    let (shown, with_manner) = (expected.shown.clone(), expected.format.is_some() || expected.zone.is_some());
    let is_it = move |spoken: &Spoken| {
        expected.kinds.contains(&spoken.kind)
            && spoken.text == expected.text
            && fits(&expected.gender, &spoken.gender)
            && fits(&expected.format, &spoken.format)
            && fits(&expected.zone, &spoken.zone)
    };
    let is_it = move |heard: &Prompt| heard.spoken.as_ref().is_some_and(&is_it);
    expect_next(test, "expect_said", shown, with_manner, is_it, then)
}

fn number_of(text: String, gender: Option<String>) -> Expected {
    let shown = match gender.as_deref() {
        None => format!("the number {text}"),
        Some("") => format!("the number {text} without a gender"),
        Some(gender) => format!("the number {text} with gender {gender}"),
    };
    Expected { kinds: &["number"], text, shown, gender, format: None, zone: None }
}

/// Reads a map that is a part.
fn of_map(map: &[(Cow<'_, str>, Value)], zone: &TimeZone) -> Result<Expected, String> {
    let get = |name: &str| map.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let Some((kind, others)) = KINDS.into_iter().find(|(kind, _)| get(kind).is_some()) else {
        let kinds = KINDS.map(|(kind, _)| kind);
        let near = map.first().and_then(|(name, _)| nearest(name, kinds.into_iter()));
        return Err(match near {
            Some(near) => format!("there is no kind of part `{}`: did you mean `{near}`?", map[0].0),
            None => format!("a map has one of the keys `{}`; expect other parts prompt by prompt", kinds.join("`, `")),
        });
    };
    if let Some((name, _)) = map.iter().find(|(name, _)| name != kind && !others.contains(&&**name)) {
        let takes = if others.is_empty() {
            "nothing else".to_owned()
        } else {
            format!("only `{}` as well", others.join("` and `"))
        };
        return Err(format!("`{name}` doesn't go with `{kind}`, which takes {takes}"));
    }
    let text = |name: &str| match get(name) {
        None => Ok(None),
        Some(value @ (Value::Text(_) | Value::Int(_))) => Ok(as_text(value)),
        // Something that must not have been given.
        Some(Value::Nothing) => Ok(Some(String::new())),
        Some(other) => Err(format!("`{name}` must be a text, not {}", shown(other))),
    };
    let said = text(kind)?.filter(|said| !said.is_empty());
    let said = said
        .ok_or_else(|| format!("`{kind}` must be what is said, not {}", get(kind).map_or_else(String::new, shown)))?;
    let plain = |kinds, what: &str| {
        let shown = format!("{what} {}", quoted(&said, MAX_SHOWN));
        Expected { kinds, text: said.clone(), shown, gender: None, format: None, zone: None }
    };
    Ok(match kind {
        "number" => number_of(said, text("gender")?),
        "digits" => plain(&["digits"], "the digits"),
        "spell" => plain(&["alpha"], "the letters"),
        "phonetic" => plain(&["phonetic"], "the phonetic letters"),
        _ => date_of(&said, text("format")?, text("zone")?, zone)?,
    })
}

/// Reads a date, which is given in seconds or as people write it.
fn date_of(said: &str, format: Option<String>, zone: Option<String>, server: &TimeZone) -> Result<Expected, String> {
    let time_zone = match zone.as_deref().filter(|zone| !zone.is_empty()) {
        Some(name) => {
            &TimeZone::named(name).ok_or_else(|| format!("there is no time zone {}", quoted(name, MAX_SHOWN)))?
        }
        None => server,
    };
    let epoch = read_moment(said, time_zone)?;
    let mut text = format!("the date {}", strftime(epoch, time_zone, "%F %R").unwrap_or_else(|| epoch.to_string()));
    let manner = [("format", &format), ("zone", &zone)].into_iter();
    let manner: Vec<String> = manner
        .filter_map(|(name, wanted)| match wanted.as_deref()? {
            "" => Some(format!("no {name}")),
            wanted => Some(format!("{name} {wanted}")),
        })
        .collect();
    if !manner.is_empty() {
        text = format!("{text} ({})", manner.join(", "));
    }
    let kinds: &[&str] = if format.is_none() && zone.is_none() { &["datetime", "date", "time"] } else { &["datetime"] };
    Ok(Expected { kinds, text: epoch.to_string(), shown: text, gender: None, format, zone })
}
