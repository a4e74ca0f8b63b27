//! Amounts of money.

use super::context::{ExpandContext, MAX_NUMBER, Plays, shown, whole};
use super::wording::{PhraseValue, counted, find_phrase, say_wording};
use crate::command::Value;
use crate::ivr::play::Play;
use crate::script::value;
use rhai::{Dynamic, Map};

/// Currencies without a smaller coin (ISO 4217).
const NO_DECIMALS: [&str; 16] =
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];

/// Currencies with coins of a thousandth; all others have hundredths.
const THREE_DECIMALS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// An amount of money: its sign, whole units, and the rest in the smallest coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Amount {
    negative: bool,
    whole: u64,
    rest: u64,
}

/// `#{ money: 12.5, currency: "EUR" }`
pub(super) fn money<C: ExpandContext>(part: &Map, given: &Dynamic, context: &C) -> Plays<C> {
    let currency = currency(part, "money: 12.5", context)?;
    let text = match value(given) {
        Value::Int(number) => Some(number.to_string()),
        // The shortest text that reads back as this number: so 0.1 is a tenth, and 1.005 is what it says.
        Value::Float(number) => number.is_finite().then(|| number.to_string()),
        Value::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    };
    match text.and_then(|text| parse_amount(&text, decimals(&currency))) {
        Some(amount) => say_amount(amount, &currency, context),
        None => {
            Err(context.error(format!("takes `money` as an amount such as 12.5 or \"12.50\", not {}", shown(given))))
        }
    }
}

/// `#{ cents: 1250, currency: "EUR" }`
pub(super) fn cents<C: ExpandContext>(part: &Map, given: &Dynamic, context: &C) -> Plays<C> {
    let currency = currency(part, "cents: 1250", context)?;
    let Some(cents) = whole(given) else {
        let problem = format!("takes `cents` as a whole number of the smallest coin, not {}", shown(given));
        return Err(context.error(problem));
    };
    let unit = 10_u64.pow(decimals(&currency));
    let (whole, rest) = (cents.unsigned_abs() / unit, cents.unsigned_abs() % unit);
    say_amount(Amount { negative: cents < 0, whole, rest }, &currency, context)
}

fn currency<C: ExpandContext>(part: &Map, example: &str, context: &C) -> Result<String, C::Error> {
    match part.get("currency").map(value) {
        Some(Value::Text(currency)) if !currency.is_empty() => Ok(currency),
        Some(_) => {
            Err(context.error(format!("takes `currency` as a text such as \"EUR\", not {}", shown(&part["currency"]))))
        }
        None => Err(context.error(format!("does not give the currency: #{{ {example}, currency: \"EUR\" }}"))),
    }
}

/// Returns the number of decimals that the amounts of a currency have.
fn decimals(currency: &str) -> u32 {
    if NO_DECIMALS.contains(&currency) {
        0
    } else if THREE_DECIMALS.contains(&currency) {
        3
    } else {
        2
    }
}

/// Reads a decimal number as an amount, rounded to the smallest coin. This counts digits and never multiplies.
fn parse_amount(text: &str, decimals: u32) -> Option<Amount> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return None;
    }
    let mut whole: u64 = whole.parse().ok()?;
    let unit = 10_u64.pow(decimals);
    let mut places = fraction.bytes().map(|byte| u64::from(byte - b'0')).chain(std::iter::repeat(0));
    let mut rest = places.by_ref().take(decimals as usize).fold(0, |rest, digit| rest * 10 + digit);
    if places.next() >= Some(5) {
        rest += 1;
    }
    if rest == unit {
        (whole, rest) = (whole.checked_add(1)?, 0);
    }
    Some(Amount { negative, whole, rest })
}

/// Says twelve euros and fifty cents. A currency without a phrase is spelt after the number.
fn say_amount<C: ExpandContext>(amount: Amount, currency: &str, context: &C) -> Plays<C> {
    if amount.whole > MAX_NUMBER {
        return Err(
            context.error(format!("is an amount of {}: Asterisk says numbers up to {MAX_NUMBER}", amount.whole))
        );
    }
    let number = |number: u64| vec![Play::Number { number: number.cast_signed(), gender: None }];
    let mut plays = Vec::new();
    if amount.negative && (amount.whole, amount.rest) != (0, 0) {
        plays.push(Play::File("digits/minus".to_owned()));
    }
    let small = format!("{currency}-cents");
    let rest = match amount.rest {
        0 => None,
        rest => Some(counted(&small, rest, context)?),
    };
    let whole = match counted(currency, amount.whole, context)? {
        Some(plays) => plays,
        None => [number(amount.whole), vec![Play::Spell(currency.to_owned())]].concat(),
    };
    match rest {
        None => plays.extend(whole),
        // Fifty cents alone.
        Some(Some(rest)) if amount.whole == 0 => plays.extend(rest),
        Some(rest) => {
            let rest = rest.unwrap_or_else(|| number(amount.rest));
            match find_phrase("money", context)? {
                Some((language, phrase)) => {
                    let given = |value: &str| match value {
                        "whole" => Some(PhraseValue::Ready(&whole)),
                        "rest" => Some(PhraseValue::Ready(&rest)),
                        _ => None,
                    };
                    if let Ok(wording) = phrase.form(language, None) {
                        plays.extend(say_wording("money", wording, &given, context)?);
                    }
                }
                None => plays.extend([whole, rest].concat()),
            }
        }
    }
    Ok(plays)
}
