//! Ordinals: first, second, third.

use super::context::{ExpandContext, MAX_NUMBER, Plays, shown, whole};
use super::wording::counted;
use crate::ivr::play::Play;
use rhai::Dynamic;

/// `#{ ordinal: 21 }`: twenty-first, from the recordings Asterisk has in English.
pub(super) fn ordinal<C: ExpandContext>(given: &Dynamic, context: &C) -> Plays<C> {
    let number = whole(given).and_then(|number| u64::try_from(number).ok()).filter(|n| (1..=MAX_NUMBER).contains(n));
    let Some(number) = number else {
        return Err(
            context.error(format!("takes `ordinal` as a whole number from 1 to {MAX_NUMBER}, not {}", shown(given)))
        );
    };
    if let Some(plays) = counted("ordinal", number, context)? {
        return Ok(plays);
    }
    let file = |name: String| Play::File(format!("digits/{name}"));
    let number_of = |number: u64| Play::Number { number: number.cast_signed(), gender: None };
    // The largest unit it ends with: 1,500th is one thousand, then the five hundredth.
    for (unit, name, next) in [
        (1_000_000_000, "h-billion", u64::MAX),
        (1_000_000, "h-million", 1_000_000_000),
        (1_000, "h-thousand", 1_000_000),
        (100, "h-hundred", 1_000),
    ] {
        if number.is_multiple_of(unit) {
            let (head, count) = (number - number % next, number % next / unit);
            let head = (head > 0).then(|| number_of(head));
            return Ok(head.into_iter().chain([number_of(count), file(name.to_owned())]).collect());
        }
    }
    let (head, tail) = (number - number % 100, number % 100);
    let mut plays: Vec<Play> = (head > 0).then(|| number_of(head)).into_iter().collect();
    match tail {
        21.. if tail % 10 != 0 => {
            plays.extend([file((tail - tail % 10).to_string()), file(format!("h-{}", tail % 10))]);
        }
        _ => plays.push(file(format!("h-{tail}"))),
    }
    Ok(plays)
}
