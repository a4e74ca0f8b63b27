//! Parts that are spoken as people say them: phrases with their plural forms, money, durations, lists, ordinals.

use super::play::Play;
use crate::command::Value;
use crate::script::{Item, MOST_PARTS, NoNumber, Phrase, Phrases, Way, Wording, best};
use crate::script::{SHOWN, quoted, short};
use crate::script::{nearest, value};
use rhai::{Array, Dynamic, Map};

/// The maps that are such parts, by the name that says which, and what may stand beside it. A phrase takes what it has
/// in braces.
pub(super) const MAPS: &[(&str, &[&str])] = &[
    ("phrase", &["n"]),
    ("money", &["currency"]),
    ("cents", &["currency"]),
    ("duration", &[]),
    ("list", &["and"]),
    ("ordinal", &[]),
];

/// The largest number Asterisk says.
const LARGEST: u64 = 2_147_483_646;
/// Currencies without a smaller coin, and those with one of a thousandth (ISO 4217); all others have hundredths.
const WHOLE: [&str; 16] =
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
const THOUSANDTHS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
const UNITS: [(&str, u64); 4] = [("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)];

/// What stands around a part: the call it is said in.
pub(super) trait ExpandContext {
    /// What goes wrong.
    type Error;

    /// The script's table, if it has one.
    fn phrases(&self) -> Option<&Phrases>;

    /// The channel's language.
    fn language(&self) -> Result<String, Self::Error>;

    /// Counts parts that are about to be made: whether there may be so many more.
    fn count(&self, parts: usize) -> bool;

    /// What a part inside a part is played as.
    fn plays(&self, part: &Dynamic) -> Result<Vec<Play>, Self::Error>;

    /// An error of the script; the text goes on after "the part".
    fn wrong(&self, problem: String) -> Self::Error;
}

type Plays<A> = Result<Vec<Play>, <A as ExpandContext>::Error>;

/// What the part is played as; `None` if it is none of [`MAPS`].
pub(super) fn expand<A: ExpandContext>(part: &Map, around: &A) -> Option<Plays<A>> {
    let (kind, beside) = MAPS.iter().find(|(name, _)| part.contains_key(*name))?;
    let given = &part[*kind];
    let odd = part.keys().find(|name| name.as_str() != *kind && !beside.contains(&name.as_str()));
    Some(match (*kind, odd) {
        ("phrase", _) => phrase(part, given, around),
        (_, Some(odd)) => Err(around.wrong(unknown(odd, &format!("`{kind}`"), beside.iter().copied()))),
        ("money", _) => money(part, given, around),
        ("cents", _) => cents(part, given, around),
        ("duration", _) => duration(given, around),
        ("list", _) => list(part, given, around),
        _ => ordinal(given, around),
    })
}

/// A name in the map that its kind does not take.
fn unknown<'a>(odd: &str, kind: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    let what = match nearest(odd, known.iter().copied()) {
        Some(like) => format!("did you mean `{like}`?"),
        None if known.is_empty() => format!("{kind} stands alone"),
        None => {
            let more = if known.len() > 20 { ", ..." } else { "" };
            known.truncate(20);
            format!("it takes `{}`{more}", known.join("`, `"))
        }
    };
    format!("has `{}`, which {kind} does not take: {what}", short(odd, SHOWN))
}

/// The whole number a value is; digits from a caller or the database count too.
fn whole(value: &Dynamic) -> Option<i64> {
    match self::value(value) {
        Value::Int(number) => Some(number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A value as an error shows it.
fn shown(value: &Dynamic) -> String {
    match value.as_immutable_string_ref() {
        Ok(text) => format!("the text {}", quoted(&text, SHOWN)),
        Err(_) if value.is_int() || value.is_float() || value.is_unit() => format!("{value:?}"),
        Err(_) => format!("of type {}", value.type_name()),
    }
}

/// A value for a phrase.
enum Given<'a> {
    Script(&'a Dynamic),
    Said(&'a [Play]),
}

/// The phrase of this name: of the script's table, else of what Asterisk has recordings for, which counts as English.
fn find<'a, A: ExpandContext>(name: &str, around: &'a A) -> Result<Option<(&'a str, &'a Phrase)>, A::Error> {
    let own = around.phrases().map(|phrases| phrases.variants(name));
    let mut variants: Vec<(&str, &Phrase)> = own.into_iter().flatten().collect();
    if !variants.iter().any(|(language, _)| language.eq_ignore_ascii_case("en")) {
        variants.extend(Phrases::core().variants(name));
    }
    if variants.len() < 2 {
        // Which language the channel speaks does not matter.
        return Ok(variants.first().copied());
    }
    Ok(best(&variants, &around.language()?))
}

/// A phrase that is ours to name: what is said for this number; `None` if nothing is.
fn counted<A: ExpandContext>(name: &str, number: u64, around: &A) -> Result<Option<Vec<Play>>, A::Error> {
    let Some((language, phrase)) = find(name, around)? else { return Ok(None) };
    let number = number.min(LARGEST).cast_signed();
    let Ok(wording) = phrase.form(language, Some(number)) else { return Ok(None) };
    if wording.items.is_empty() {
        return Ok(None);
    }
    let number = Dynamic::from(number);
    said(name, wording, &|value| (value == "n").then_some(Given::Script(&number)), around).map(Some)
}

/// What this line is played as. Each of its items is counted before anything is made of it.
fn said<'a, A: ExpandContext>(
    phrase: &str,
    Wording { items, line }: &Wording,
    given: &dyn Fn(&str) -> Option<Given<'a>>,
    around: &A,
) -> Plays<A> {
    let count =
        |parts: usize| if around.count(parts) { Ok(()) } else { Err(around.wrong(too_many(phrase, *line, around))) };
    let mut plays = Vec::new();
    for item in items {
        count(1)?;
        match item {
            Item::Sound(name) => plays.push(Play::File(name.clone())),
            Item::Value { name, way } => match given(name) {
                Some(Given::Said(said)) => {
                    count(said.len())?;
                    plays.extend_from_slice(said);
                }
                Some(Given::Script(value)) => plays.extend(match way {
                    Way::Part => around.plays(value)?,
                    way => around.plays(&as_part(value, way))?,
                }),
                None => return Err(around.wrong(format!("does not give `{name}`, which the phrase `{phrase}` says"))),
            },
        }
    }
    Ok(plays)
}

fn too_many<A: ExpandContext>(phrase: &str, line: usize, around: &A) -> String {
    let table = around.phrases().filter(|table| table.variants(phrase).next().is_some());
    let table = table.map_or("core.phrases", Phrases::name);
    let place = format!("the phrase `{phrase}` ({table}, line {line})");
    format!("makes more than {MOST_PARTS} parts to be said: {place} uses too many")
}

/// The map a value is, said in this way.
fn as_part(value: &Dynamic, way: &Way) -> Dynamic {
    let map = |name: &str, more: &[(&str, &str)]| {
        let mut map = Map::new();
        map.insert(name.into(), value.clone());
        for (name, text) in more.iter().filter(|(_, text)| !text.is_empty()) {
            map.insert((*name).into(), (*text).into());
        }
        Dynamic::from(map)
    };
    match way {
        Way::Part => value.clone(),
        Way::Gender(gender) => map("number", &[("gender", gender)]),
        Way::Map(name) => map(name, &[]),
        Way::Date(format) => map("date", &[("format", format)]),
        Way::Money(currency) => map("money", &[("currency", currency)]),
    }
}

/// `#{ phrase: "messages", n: 3 }`
fn phrase<A: ExpandContext>(part: &Map, name: &Dynamic, around: &A) -> Plays<A> {
    let Ok(name) = name.as_immutable_string_ref() else {
        return Err(around.wrong(format!("takes `phrase` as the name of a phrase, not {}", shown(name))));
    };
    let name = name.as_str();
    let Some((language, phrase)) = find(name, around)? else {
        let (name, like) = (short(name, SHOWN), name);
        return Err(around.wrong(match around.phrases() {
            Some(table) => {
                let like = table.like(like).map(|like| format!(": did you mean `{like}`?")).unwrap_or_default();
                format!("names the phrase `{name}`, which is not in {}{like}", table.name())
            }
            None => format!("names the phrase `{name}`, but beside the script is no table of phrases (NAME.phrases)"),
        }));
    };
    let number = match part.get("n") {
        None => None,
        Some(n) => {
            Some(whole(n).ok_or_else(|| around.wrong(format!("takes `n` as a whole number, not {}", shown(n))))?)
        }
    };
    let values = || around.phrases().into_iter().flat_map(|phrases| phrases.values(name));
    let takes =
        |key: &str| key == "phrase" || key == "n" || around.phrases().is_some_and(|phrases| phrases.takes(name, key));
    if !around.count(part.len()) {
        return Err(around.wrong(too_many(name, phrase.line(), around)));
    }
    if let Some(odd) = part.keys().find(|key| !takes(key)) {
        return Err(around.wrong(unknown(odd, &format!("the phrase `{name}`"), values().chain(["n"]))));
    }
    let wording = phrase.form(language, number).map_err(|NoNumber| {
        around.wrong(format!("does not give `n`, the number that tells which form of the phrase `{name}` is said"))
    })?;
    let n = number.map(Dynamic::from);
    let given = |value: &str| match (value, &n) {
        ("n", Some(n)) => Some(Given::Script(n)),
        _ => part.get(value).map(Given::Script),
    };
    said(name, wording, &given, around)
}

/// `#{ list: [1, 2, 3], and: "vm-and" }`: the last but one and the last have an "and" between them.
fn list<A: ExpandContext>(part: &Map, items: &Dynamic, around: &A) -> Plays<A> {
    let Some(items) = items.read_lock::<Array>() else {
        return Err(around.wrong(format!("takes `list` as an array, not {}", shown(items))));
    };
    if !around.count(items.len()) {
        return Err(around.wrong(format!("is a list that makes more than {MOST_PARTS} parts to be said")));
    }
    let said = items.iter().map(|item| around.plays(item)).collect::<Result<Vec<_>, _>>()?;
    let and = match part.get("and") {
        Some(and) if said.len() > 1 => Some(around.plays(and)?),
        _ => None,
    };
    join(said, and, around)
}

fn join<A: ExpandContext>(mut said: Vec<Vec<Play>>, and: Option<Vec<Play>>, around: &A) -> Plays<A> {
    if said.len() > 1 {
        let and = match and {
            Some(and) => and,
            None => match find("and", around)? {
                Some((language, phrase)) => match phrase.form(language, None) {
                    Ok(wording) => self::said("and", wording, &|_| None, around)?,
                    Err(NoNumber) => Vec::new(),
                },
                None => Vec::new(),
            },
        };
        said.insert(said.len() - 1, and);
    }
    Ok(said.concat())
}

/// `#{ duration: 185 }`: three minutes and five seconds.
fn duration<A: ExpandContext>(given: &Dynamic, around: &A) -> Plays<A> {
    let seconds = match whole(given) {
        Some(seconds) => u64::try_from(seconds).ok(),
        None => given.as_float().ok().and_then(rounded),
    };
    let Some(mut left) = seconds else {
        return Err(around.wrong(format!("takes `duration` as a number of seconds, not {}", shown(given))));
    };
    let mut said = Vec::new();
    for (name, seconds) in UNITS {
        let count = left / seconds;
        if count > 0
            && let Some(plays) = counted(name, count, around)?
        {
            said.push(plays);
            left -= count * seconds;
        }
    }
    if said.is_empty() {
        for (name, _) in UNITS.iter().rev() {
            if let Some(plays) = counted(name, 0, around)? {
                said.push(plays);
                break;
            }
        }
    }
    join(said, None, around)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in the range")]
fn rounded(seconds: f64) -> Option<u64> {
    (0.0..9.0e15).contains(&seconds).then(|| seconds.round() as u64)
}

/// An amount: the sign, the whole, and what remains of it in the smallest coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Amount {
    negative: bool,
    whole: u64,
    rest: u64,
}

/// `#{ money: 12.5, currency: "EUR" }`
fn money<A: ExpandContext>(part: &Map, given: &Dynamic, around: &A) -> Plays<A> {
    let currency = currency(part, "money: 12.5", around)?;
    let text = match value(given) {
        Value::Int(number) => Some(number.to_string()),
        // The shortest text that is this number, so that 0.1 is a tenth and 1.005 is what it says.
        Value::Float(number) => number.is_finite().then(|| number.to_string()),
        Value::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    };
    match text.and_then(|text| amount(&text, decimals(&currency))) {
        Some(amount) => coins(amount, &currency, around),
        None => {
            Err(around.wrong(format!("takes `money` as an amount such as 12.5 or \"12.50\", not {}", shown(given))))
        }
    }
}

/// `#{ cents: 1250, currency: "EUR" }`
fn cents<A: ExpandContext>(part: &Map, given: &Dynamic, around: &A) -> Plays<A> {
    let currency = currency(part, "cents: 1250", around)?;
    let Some(cents) = whole(given) else {
        let problem = format!("takes `cents` as a whole number of the smallest coin, not {}", shown(given));
        return Err(around.wrong(problem));
    };
    let unit = 10_u64.pow(decimals(&currency));
    let (whole, rest) = (cents.unsigned_abs() / unit, cents.unsigned_abs() % unit);
    coins(Amount { negative: cents < 0, whole, rest }, &currency, around)
}

fn currency<A: ExpandContext>(part: &Map, like: &str, around: &A) -> Result<String, A::Error> {
    match part.get("currency").map(value) {
        Some(Value::Text(currency)) if !currency.is_empty() => Ok(currency),
        Some(_) => {
            Err(around.wrong(format!("takes `currency` as a text such as \"EUR\", not {}", shown(&part["currency"]))))
        }
        None => Err(around.wrong(format!("does not give the currency: #{{ {like}, currency: \"EUR\" }}"))),
    }
}

fn decimals(currency: &str) -> u32 {
    if WHOLE.contains(&currency) {
        0
    } else if THOUSANDTHS.contains(&currency) {
        3
    } else {
        2
    }
}

/// The amount a decimal number is, rounded to the smallest coin: digits are counted, never multiplied.
fn amount(text: &str, decimals: u32) -> Option<Amount> {
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

/// Twelve euros and fifty cents; where the currency has no phrase, its letters are spelt after the number.
fn coins<A: ExpandContext>(amount: Amount, currency: &str, around: &A) -> Plays<A> {
    if amount.whole > LARGEST {
        return Err(around.wrong(format!("is an amount of {}: Asterisk says numbers up to {LARGEST}", amount.whole)));
    }
    let number = |number: u64| vec![Play::Number { number: number.cast_signed(), gender: None }];
    let mut plays = Vec::new();
    if amount.negative && (amount.whole, amount.rest) != (0, 0) {
        plays.push(Play::File("digits/minus".to_owned()));
    }
    let small = format!("{currency}-cents");
    let rest = match amount.rest {
        0 => None,
        rest => Some(counted(&small, rest, around)?),
    };
    let whole = match counted(currency, amount.whole, around)? {
        Some(plays) => plays,
        None => [number(amount.whole), vec![Play::Spell(currency.to_owned())]].concat(),
    };
    match rest {
        None => plays.extend(whole),
        // Fifty cents alone.
        Some(Some(rest)) if amount.whole == 0 => plays.extend(rest),
        Some(rest) => {
            let rest = rest.unwrap_or_else(|| number(amount.rest));
            match find("money", around)? {
                Some((language, phrase)) => {
                    let given = |value: &str| match value {
                        "whole" => Some(Given::Said(&whole)),
                        "rest" => Some(Given::Said(&rest)),
                        _ => None,
                    };
                    if let Ok(wording) = phrase.form(language, None) {
                        plays.extend(said("money", wording, &given, around)?);
                    }
                }
                None => plays.extend([whole, rest].concat()),
            }
        }
    }
    Ok(plays)
}

/// `#{ ordinal: 21 }`: twenty-first, from the recordings Asterisk has in English.
fn ordinal<A: ExpandContext>(given: &Dynamic, around: &A) -> Plays<A> {
    let number = whole(given).and_then(|number| u64::try_from(number).ok()).filter(|n| (1..=LARGEST).contains(n));
    let Some(number) = number else {
        return Err(
            around.wrong(format!("takes `ordinal` as a whole number from 1 to {LARGEST}, not {}", shown(given)))
        );
    };
    if let Some(plays) = counted("ordinal", number, around)? {
        return Ok(plays);
    }
    let file = |name: String| Play::File(format!("digits/{name}"));
    let number_of = |number: u64| Play::Number { number: number.cast_signed(), gender: None };
    // The largest unit it ends with: 1,500 is one thousand and the five hundredth.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A call of which only the language is known.
    struct Caller {
        table: Option<Phrases>,
        language: &'static str,
        asked: Cell<usize>,
        parts: Cell<usize>,
    }

    impl ExpandContext for Caller {
        type Error = String;

        fn phrases(&self) -> Option<&Phrases> {
            self.table.as_ref()
        }

        fn language(&self) -> Result<String, String> {
            self.asked.set(self.asked.get() + 1);
            Ok(self.language.to_owned())
        }

        fn plays(&self, part: &Dynamic) -> Plays<Self> {
            if let Some(map) = part.read_lock::<Map>() {
                if let Some(plays) = expand(&map, self) {
                    return plays;
                }
                let text = |name: &str| map.get(name).map(ToString::to_string);
                return Ok(vec![match map.keys().next().unwrap().as_str() {
                    "digits" => Play::Digits(text("digits").unwrap()),
                    "spell" => Play::Spell(text("spell").unwrap()),
                    "date" => Play::Date { epoch: map["date"].as_int().unwrap(), format: text("format"), zone: None },
                    "gender" => Play::Number { number: map["number"].as_int().unwrap(), gender: text("gender") },
                    other => return Err(format!("no part {other}")),
                }]);
            }
            Ok(vec![match value(part) {
                Value::Int(number) => Play::Number { number, gender: None },
                Value::Text(name) => Play::File(name),
                _ => return Err(format!("is {part}")),
            }])
        }

        fn count(&self, parts: usize) -> bool {
            self.parts.set(self.parts.get() + parts);
            self.parts.get() <= MOST_PARTS
        }

        fn wrong(&self, problem: String) -> String {
            problem
        }
    }

    fn hears(caller: &Caller, part: &str) -> String {
        let engine = rhai::Engine::new();
        let part: Map = engine.eval(part).unwrap();
        let plays = match expand(&part, caller) {
            None => return "none of ours".to_owned(),
            Some(Err(error)) => return format!("error: {error}"),
            Some(Ok(plays)) => plays,
        };
        let shown = plays.into_iter().map(|play| match play {
            Play::File(name) => name,
            Play::Number { number, gender: None } => number.to_string(),
            Play::Number { number, gender: Some(gender) } => format!("{number}{gender}"),
            Play::Digits(digits) => format!("digits {digits}"),
            Play::Spell(text) => format!("spell {text}"),
            Play::Date { epoch, format, .. } => format!("date {epoch} {}", format.unwrap_or_default()),
            other => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn caller(language: &'static str, table: &str) -> Caller {
        let (phrases, flaws) = Phrases::parse("game.phrases", table);
        assert_eq!(flaws, []);
        Caller { table: Some(phrases), language, asked: Cell::new(0), parts: Cell::new(0) }
    }

    fn check(table: &str, language: &'static str, part: &str, expected: &str) {
        assert_eq!(hears(&caller(language, table), part), expected, "{part} in {language}");
    }

    fn check_bare(part: &str, expected: &str) {
        let bare = Caller { table: None, language: "en", asked: Cell::new(0), parts: Cell::new(0) };
        assert_eq!(hears(&bare, part), expected, "{part}");
    }

    const MESSAGES: &str = "messages 0: none\nmessages one: have {n} message\nmessages other: have {n} messages
        held-by: {n} {who}\ncalled: {when date ABdY} {code digits}
        [de]\nmessages one: haben {n f} nachricht\nmessages other: haben {n} nachrichten
        [pl]\nmessages one: masz {n f} a\nmessages few: masz {n f} b\nmessages many: masz {n} c\n";

    #[test]
    fn phrases_follow_number_and_language() {
        let messages = |language, n: i64, expected| {
            check(MESSAGES, language, &format!("#{{ phrase: \"messages\", n: {n} }}"), expected);
        };
        messages("en", 0, "none");
        messages("en", 1, "have 1 message");
        messages("en_GB", 3, "have 3 messages");
        messages("de_AT", 1, "haben 1f nachricht");
        messages("pl", 1, "masz 1f a");
        messages("pl", 3, "masz 3f b");
        messages("pl", 12, "masz 12 c");
        messages("it", 1, "have 1 message");
    }

    #[test]
    fn values_of_a_phrase_are_parts() {
        check(MESSAGES, "en", r#"#{ phrase: "held-by", n: 3, who: "ann" }"#, "3 ann");
        check(MESSAGES, "en", r#"#{ phrase: "held-by", n: 3, who: #{ spell: "ann" } }"#, "3 spell ann");
        check(
            MESSAGES,
            "en",
            r#"#{ phrase: "held-by", n: "3", who: #{ phrase: "messages", n: 1 } }"#,
            "3 have 1 message",
        );
        check(MESSAGES, "en", r#"#{ phrase: "called", when: 12, code: "0412" }"#, "date 12 ABdY digits 0412");
    }

    #[test]
    fn what_is_wrong_with_a_phrase_is_told() {
        let wrong = |part, expected: &str| check(MESSAGES, "en", part, &format!("error: {expected}"));
        wrong("#{ phrase: 5 }", "takes `phrase` as the name of a phrase, not 5");
        wrong(
            r#"#{ phrase: "mesages", n: 1 }"#,
            "names the phrase `mesages`, which is not in game.phrases: did you mean `messages`?",
        );
        wrong(r#"#{ phrase: "nothing-like-it" }"#, "names the phrase `nothing-like-it`, which is not in game.phrases");
        wrong(
            r#"#{ phrase: "messages" }"#,
            "does not give `n`, the number that tells which form of the phrase `messages` is said",
        );
        wrong(r#"#{ phrase: "messages", n: "x" }"#, "takes `n` as a whole number, not the text \"x\"");
        wrong(r#"#{ phrase: "messages", n: () }"#, "takes `n` as a whole number, not ()");
        wrong(r#"#{ phrase: "messages", n: 1.5 }"#, "takes `n` as a whole number, not 1.5");
        wrong(r#"#{ phrase: "held-by", n: 1 }"#, "does not give `who`, which the phrase `held-by` says");
        wrong(
            r#"#{ phrase: "held-by", n: 1, whom: "a" }"#,
            "has `whom`, which the phrase `held-by` does not take: did you mean `who`?",
        );
        wrong(
            r#"#{ phrase: "messages", n: 1, colour: 2 }"#,
            "has `colour`, which the phrase `messages` does not take: it takes `n`",
        );
        check_bare(
            r#"#{ phrase: "x" }"#,
            "error: names the phrase `x`, but beside the script is no table of phrases (NAME.phrases)",
        );
        assert_eq!(hears(&caller("en", ""), "#{ digits: 1 }"), "none of ours");
    }

    #[test]
    fn the_language_is_asked_for_only_where_it_matters() {
        let asked = |table, part: &str| {
            let caller = caller("en", table);
            let heard = hears(&caller, part);
            assert!(!heard.starts_with("error"), "{heard}");
            caller.asked.get()
        };
        assert_eq!(asked(MESSAGES, r#"#{ phrase: "messages", n: 1 }"#), 1);
        assert_eq!(asked(MESSAGES, r#"#{ phrase: "held-by", n: 1, who: "a" }"#), 0);
        assert_eq!(asked(MESSAGES, "#{ duration: 185 }"), 0);
        assert_eq!(asked("[de]\nx: a\n", r#"#{ phrase: "x" }"#), 0);
    }

    #[test]
    fn lists_have_an_and() {
        check_bare("#{ list: [1, 2, 3] }", "1 2 vm-and 3");
        check_bare("#{ list: [1, 2] }", "1 vm-and 2");
        check_bare(r#"#{ list: ["a"] }"#, "a");
        check_bare("#{ list: [] }", "");
        check_bare(r#"#{ list: ["a", #{ digits: "12" }, 3], and: "or" }"#, "a digits 12 or 3");
        check("and: und", "de", "#{ list: [1, 2] }", "1 und 2");
        check_bare("#{ list: 5 }", "error: takes `list` as an array, not 5");
        check_bare("#{ list: [1], ad: 2 }", "error: has `ad`, which `list` does not take: did you mean `and`?");
    }

    #[test]
    fn durations_are_said_in_units() {
        check_bare("#{ duration: 185 }", "3 minutes vm-and 5 seconds");
        check_bare("#{ duration: 61 }", "1 minute vm-and 1 second");
        check_bare("#{ duration: 0 }", "0 seconds");
        check_bare("#{ duration: 59.6 }", "1 minute");
        check_bare("#{ duration: \"90\" }", "1 minute vm-and 30 seconds");
        // There is no recording of "hour", and none of "day".
        check_bare("#{ duration: 3600 }", "60 minutes");
        check_bare("#{ duration: 5400 }", "90 minutes");
        check_bare("#{ duration: 7265 }", "2 hours 1 minute vm-and 5 seconds");
        check_bare("#{ duration: 90000 }", "25 hours");
        check_bare("#{ duration: -1 }", "error: takes `duration` as a number of seconds, not -1");
        check_bare("#{ duration: 1, n: 2 }", "error: has `n`, which `duration` does not take: `duration` stands alone");
        check_bare("#{ duration: \"x\" }", "error: takes `duration` as a number of seconds, not the text \"x\"");
        check_bare("#{ duration: 0.0/0.0 }", "error: takes `duration` as a number of seconds, not NaN");
        let own = "[en]\ndays one: {n} day\ndays: {n} days\nhours one: {n} hour\nhours: {n} hours\nseconds:\n";
        check(own, "en", "#{ duration: 180061 }", "2 days 2 hours vm-and 1 minute");
        check(own, "en", "#{ duration: 3600 }", "1 hour");
        check(own, "en", "#{ duration: 20 }", "0 minutes");
    }

    #[test]
    fn money_is_counted_and_not_multiplied() {
        const EUR: &str = "EUR one: {n} euro\nEUR: {n} euros\nEUR-cents one: {n} cent\nEUR-cents: {n} cents\n";
        let euros =
            |amount: &str, expected| check(EUR, "en", &format!("#{{ money: {amount}, currency: \"EUR\" }}"), expected);
        euros("12.5", "12 euros vm-and 50 cents");
        euros("12", "12 euros");
        euros("1", "1 euro");
        euros("0", "0 euros");
        euros("0.01", "1 cent");
        euros("0.1 + 0.2", "30 cents");
        euros("1.005", "1 euro vm-and 1 cent");
        euros("1.999", "2 euros");
        euros("2.675", "2 euros vm-and 68 cents");
        euros("-0.5", "digits/minus 50 cents");
        euros("-3", "digits/minus 3 euros");
        euros("-0.001", "0 euros");
        euros("\"0012.30\"", "12 euros vm-and 30 cents");
        euros("\"12,30\"", "error: takes `money` as an amount such as 12.5 or \"12.50\", not the text \"12,30\"");
        euros("\"\"", "error: takes `money` as an amount such as 12.5 or \"12.50\", not the text \"\"");
        euros("1e300", "error: takes `money` as an amount such as 12.5 or \"12.50\", not 1e300");
        euros("3000000000", "error: is an amount of 3000000000: Asterisk says numbers up to 2147483646");
        check(EUR, "en", "#{ cents: 1250, currency: \"EUR\" }", "12 euros vm-and 50 cents");
        check(EUR, "en", "#{ cents: -5, currency: \"EUR\" }", "digits/minus 5 cents");
        check(
            EUR,
            "en",
            "#{ cents: 1.5, currency: \"EUR\" }",
            "error: takes `cents` as a whole number of the smallest coin, not 1.5",
        );
        check(EUR, "en", "#{ money: 1 }", "error: does not give the currency: #{ money: 12.5, currency: \"EUR\" }");
        check(
            EUR,
            "en",
            "#{ money: 1, curency: \"EUR\" }",
            "error: has `curency`, which `money` does not take: did you mean `currency`?",
        );
        check(
            "money: {whole} {rest}\nEUR: {n} e\nEUR-cents: {n}",
            "de",
            "#{ money: 2.5, currency: \"EUR\" }",
            "2 e 50",
        );
    }

    #[test]
    fn money_without_a_table_is_understood_all_the_same() {
        check_bare("#{ money: 12.5, currency: \"USD\" }", "12 digits/dollars vm-and 50");
        check_bare("#{ money: 1, currency: \"USD\" }", "1 letters/dollar");
        check_bare("#{ money: 12.5, currency: \"EUR\" }", "12 spell EUR vm-and 50");
        check_bare("#{ money: 0.5, currency: \"EUR\" }", "0 spell EUR vm-and 50");
        check_bare("#{ money: 250.4, currency: \"JPY\" }", "250 spell JPY");
        check_bare("#{ cents: 1250, currency: \"KWD\" }", "1 spell KWD vm-and 250");
    }

    #[test]
    fn ordinals_have_recordings() {
        let ordinal = |number: i64, expected| check_bare(&format!("#{{ ordinal: {number} }}"), expected);
        ordinal(1, "digits/h-1");
        ordinal(19, "digits/h-19");
        ordinal(20, "digits/h-20");
        ordinal(21, "digits/20 digits/h-1");
        ordinal(100, "1 digits/h-hundred");
        ordinal(101, "100 digits/h-1");
        ordinal(1_500, "1000 5 digits/h-hundred");
        ordinal(1_523, "1500 digits/20 digits/h-3");
        ordinal(2_000, "2 digits/h-thousand");
        ordinal(1_002_000, "1000000 2 digits/h-thousand");
        ordinal(3_000_000, "3 digits/h-million");
        ordinal(0, "error: takes `ordinal` as a whole number from 1 to 2147483646, not 0");
        check("[de]\nordinal: {n} te\n[en]\nand: a", "de", "#{ ordinal: 3 }", "3 te");
        let sounds = crate::pbx::Sounds::stock();
        for number in 1..100 {
            let part = Dynamic::from(i64::from(number));
            let bare = Caller { table: None, language: "en", asked: Cell::new(0), parts: Cell::new(0) };
            for play in ordinal_of(&part, &bare) {
                let Play::File(name) = play else { panic!("{play:?}") };
                assert!(sounds.find(&name, "en").is_some(), "{name}");
            }
        }
    }

    fn ordinal_of(part: &Dynamic, around: &Caller) -> Vec<Play> {
        super::ordinal(part, around).unwrap()
    }
}
