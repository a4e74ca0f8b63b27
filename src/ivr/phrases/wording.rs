//! The wording of a phrase, and how it is played.

use super::context::{ExpandContext, MAX_NUMBER, Plays};
use crate::ivr::play::Play;
use crate::script::{Item, MAX_PARTS, NoNumber, Phrase, Phrases, SayAs, Wording, best_variant};
use rhai::{Dynamic, Map};

/// The value that a phrase has under some name.
pub(super) enum PhraseValue<'a> {
    /// As the script gave it.
    Script(&'a Dynamic),
    /// Already expanded.
    Ready(&'a [Play]),
}

/// Returns the phrase of this name: from the script's table, or else from those that Asterisk has recordings for,
/// which count as English.
pub(super) fn find_phrase<'a, C: ExpandContext>(
    name: &str,
    context: &'a C,
) -> Result<Option<(&'a str, &'a Phrase)>, C::Error> {
    let own = context.phrases().map(|phrases| phrases.variants(name));
    let mut variants: Vec<(&str, &Phrase)> = own.into_iter().flatten().collect();
    if !variants.iter().any(|(language, _)| language.eq_ignore_ascii_case("en")) {
        variants.extend(Phrases::core().variants(name));
    }
    if variants.len() < 2 {
        // The channel's language doesn't matter here.
        return Ok(variants.first().copied());
    }
    Ok(best_variant(&variants, &context.language()?))
}

/// Returns how to say a built-in phrase for this number; `None` if there is nothing to say.
pub(super) fn counted<C: ExpandContext>(name: &str, number: u64, context: &C) -> Result<Option<Vec<Play>>, C::Error> {
    let Some((language, phrase)) = find_phrase(name, context)? else { return Ok(None) };
    let number = number.min(MAX_NUMBER).cast_signed();
    let Ok(wording) = phrase.form(language, Some(number)) else { return Ok(None) };
    if wording.items.is_empty() {
        return Ok(None);
    }
    let number = Dynamic::from(number);
    say_wording(name, wording, &|value| (value == "n").then_some(PhraseValue::Script(&number)), context).map(Some)
}

/// Returns how to play this wording. Each of its items is counted before it is expanded.
pub(super) fn say_wording<'a, C: ExpandContext>(
    phrase: &str,
    Wording { items, line }: &Wording,
    given: &dyn Fn(&str) -> Option<PhraseValue<'a>>,
    context: &C,
) -> Plays<C> {
    let count =
        |parts: usize| if context.count(parts) { Ok(()) } else { Err(context.error(too_many(phrase, *line, context))) };
    let mut plays = Vec::new();
    for item in items {
        count(1)?;
        match item {
            Item::Sound(name) => plays.push(Play::File(name.clone())),
            Item::Value { name, way } => match given(name) {
                Some(PhraseValue::Ready(ready)) => {
                    count(ready.len())?;
                    plays.extend_from_slice(ready);
                }
                Some(PhraseValue::Script(value)) => plays.extend(match way {
                    SayAs::Part => context.plays(value)?,
                    way => context.plays(&as_part(value, way))?,
                }),
                None => return Err(context.error(format!("does not give `{name}`, which the phrase `{phrase}` says"))),
            },
        }
    }
    Ok(plays)
}

pub(super) fn too_many<C: ExpandContext>(phrase: &str, line: usize, context: &C) -> String {
    let table = context.phrases().filter(|table| table.variants(phrase).next().is_some());
    let table = table.map_or("core.phrases", Phrases::name);
    let place = format!("the phrase `{phrase}` ({table}, line {line})");
    format!("makes more than {MAX_PARTS} parts to say: {place} uses too many")
}

/// Returns the part that says a value in this way.
fn as_part(value: &Dynamic, way: &SayAs) -> Dynamic {
    let map = |name: &str, more: &[(&str, &str)]| {
        let mut map = Map::new();
        map.insert(name.into(), value.clone());
        for (name, text) in more.iter().filter(|(_, text)| !text.is_empty()) {
            map.insert((*name).into(), (*text).into());
        }
        Dynamic::from(map)
    };
    match way {
        SayAs::Part => value.clone(),
        SayAs::Gender(gender) => map("number", &[("gender", gender)]),
        SayAs::Map(name) => map(name, &[]),
        SayAs::Date(format) => map("date", &[("format", format)]),
        SayAs::Money(currency) => map("money", &[("currency", currency)]),
    }
}

/// Joins items to be spoken one after the other, with "and" before the last.
pub(super) fn join<C: ExpandContext>(mut spoken: Vec<Vec<Play>>, and: Option<Vec<Play>>, context: &C) -> Plays<C> {
    if spoken.len() > 1 {
        let and = match and {
            Some(and) => and,
            None => match find_phrase("and", context)? {
                Some((language, phrase)) => match phrase.form(language, None) {
                    Ok(wording) => say_wording("and", wording, &|_| None, context)?,
                    Err(NoNumber) => Vec::new(),
                },
                None => Vec::new(),
            },
        };
        spoken.insert(spoken.len() - 1, and);
    }
    Ok(spoken.concat())
}
