//! Parts spoken the way people say them: phrases with their plural forms, money, durations, lists, ordinals.

mod context;
mod duration;
mod list;
mod money;
mod ordinal;
mod phrase;
mod wording;

pub(super) use context::ExpandContext;

use context::{Plays, unknown_key};
use duration::duration;
use list::list;
use money::{cents, money};
use ordinal::ordinal;
use phrase::phrase;
use rhai::Map;

/// The maps that are such parts: the key that names the kind, and the keys that may accompany it. A phrase also takes
/// the names in its braces.
pub(super) const MAPS: &[(&str, &[&str])] = &[
    ("phrase", &["n"]),
    ("money", &["currency"]),
    ("cents", &["currency"]),
    ("duration", &[]),
    ("list", &["and"]),
    ("ordinal", &[]),
];

/// Returns how to play a part; `None` if it isn't one of [`MAPS`].
pub(super) fn expand<C: ExpandContext>(part: &Map, context: &C) -> Option<Plays<C>> {
    let (kind, beside) = MAPS.iter().find(|(name, _)| part.contains_key(*name))?;
    let given = &part[*kind];
    let unexpected = part.keys().find(|name| name.as_str() != *kind && !beside.contains(&name.as_str()));
    Some(match (*kind, unexpected) {
        ("phrase", _) => phrase(part, given, context),
        (_, Some(unexpected)) => {
            Err(context.error(unknown_key(unexpected, &format!("`{kind}`"), beside.iter().copied())))
        }
        ("money", _) => money(part, given, context),
        ("cents", _) => cents(part, given, context),
        ("duration", _) => duration(given, context),
        ("list", _) => list(part, given, context),
        _ => ordinal(given, context),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Value;
    use crate::ivr::play::Play;
    use crate::script::{MAX_PARTS, Phrases, value};
    use rhai::Dynamic;
    use std::cell::Cell;

    /// A call that has a language and a table of phrases, and nothing else.
    struct FakeCall {
        table: Option<Phrases>,
        language: &'static str,
        asked: Cell<usize>,
        parts: Cell<usize>,
    }

    impl ExpandContext for FakeCall {
        type Error = String;

        fn phrases(&self) -> Option<&Phrases> {
            self.table.as_ref()
        }

        fn language(&self) -> Result<String, String> {
            self.asked.set(self.asked.get() + 1);
            Ok(self.language.to_owned())
        }

        fn plays(&self, part: &Dynamic) -> Result<Vec<Play>, String> {
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
            self.parts.get() <= MAX_PARTS
        }

        fn error(&self, problem: String) -> String {
            problem
        }
    }

    fn hears(caller: &FakeCall, part: &str) -> String {
        let engine = rhai::Engine::new();
        let part: Map = engine.eval(part).unwrap();
        let plays = match expand(&part, caller) {
            None => return "not a part of this module".to_owned(),
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

    fn caller(language: &'static str, table: &str) -> FakeCall {
        let (phrases, flaws) = Phrases::parse("game.phrases", table);
        assert_eq!(flaws, []);
        FakeCall { table: Some(phrases), language, asked: Cell::new(0), parts: Cell::new(0) }
    }

    fn check(table: &str, language: &'static str, part: &str, expected: &str) {
        assert_eq!(hears(&caller(language, table), part), expected, "{part} in {language}");
    }

    fn check_bare(part: &str, expected: &str) {
        let bare = FakeCall { table: None, language: "en", asked: Cell::new(0), parts: Cell::new(0) };
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
    fn mistakes_in_phrases_are_explained() {
        let wrong = |part, expected: &str| check(MESSAGES, "en", part, &format!("error: {expected}"));
        wrong("#{ phrase: 5 }", "takes `phrase` as the name of a phrase, not 5");
        wrong(
            r#"#{ phrase: "mesages", n: 1 }"#,
            "names the phrase `mesages`, which is not in game.phrases: did you mean `messages`?",
        );
        wrong(r#"#{ phrase: "nothing-like-it" }"#, "names the phrase `nothing-like-it`, which is not in game.phrases");
        wrong(
            r#"#{ phrase: "messages" }"#,
            "does not give `n`, the number that decides which form of the phrase `messages` is said",
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
            "error: names the phrase `x`, but there is no table of phrases (NAME.phrases) beside the script",
        );
        assert_eq!(hears(&caller("en", ""), "#{ digits: 1 }"), "not a part of this module");
    }

    #[test]
    fn the_language_is_asked_for_only_if_it_matters() {
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
    fn lists_have_and_before_the_last_item() {
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
    fn money_is_exact() {
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
    fn money_works_without_a_table() {
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
            let bare = FakeCall { table: None, language: "en", asked: Cell::new(0), parts: Cell::new(0) };
            for play in ordinal_of(&part, &bare) {
                let Play::File(name) = play else { panic!("{play:?}") };
                assert!(sounds.find(&name, "en").is_some(), "{name}");
            }
        }
    }

    fn ordinal_of(part: &Dynamic, context: &FakeCall) -> Vec<Play> {
        super::ordinal::ordinal(part, context).unwrap()
    }
}
