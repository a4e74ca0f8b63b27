//! The options of questions: one table, from which the reference, the checker and the reader of options are derived.

use super::keypad::keys;
use super::parts::read_parts;
use super::play::Play;
use super::prompter::{Prompter, ScriptError};
use super::speech::tokens;
use crate::command::{Kind, Need, Param, Privacy, Value};
use crate::script::nearest;
use crate::script::value;
use crate::script::{MAX_SHOWN, quoted, short};
use rhai::{Array, Dynamic, FnPtr, Map};

/// The longest wait, in milliseconds: eleven and a half days.
const MAX_WAIT_MS: f64 = 1_000_000_000.0;

/// The most words that a caller may choose from.
const MAX_WORDS: usize = 1000;

/// How long such a word, or phrase, may be, in characters.
const MAX_WORD: usize = 200;

/// How long a caller may speak in answer to a question, in milliseconds.
pub(super) const MAX_SPEECH_MS: i64 = 15_000;

/// The functions that take options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Collect,
    Ask,
    Confirm,
    Menu,
    Listen,
}

use Asks::{Ask, Collect, Confirm, Listen, Menu};

/// One option.
struct OptionRow {
    /// The functions that take it.
    of: &'static [Asks],
    /// Its declaration. The default, if there is one, is text that a script could have written.
    param: Param,
    /// Where its value goes.
    store: Store,
}

/// Where the value of an option goes, by its type, so that what was declared can be stored.
#[derive(Clone, Copy)]
enum Store {
    /// A whole number within these bounds.
    Whole(i64, i64, fn(&mut Options, usize)),
    /// Seconds as a script writes them, stored as milliseconds.
    Seconds(fn(&mut Options, i64)),
    Keys(fn(&mut Options, String)),
    Flag(fn(&mut Options, bool)),
    Parts(fn(&mut Options, Vec<Play>)),
    Reprompts(fn(&mut Options, Reprompts)),
    Function(fn(&mut Options, FnPtr)),
    Words(fn(&mut Options, Vec<String>)),
    /// A number from 0 to 1.
    Share(fn(&mut Options, f64)),
    Otherwise(fn(&mut Options, Dynamic)),
}

/// Every option of every question, in the order of the reference.
const TABLE: &[OptionRow] = &[
    row(
        &[Listen],
        "words",
        Need::Optional,
        "The words or phrases that the caller may say, an array of texts; left out, anything.",
        Store::Words(|options, words| options.words = words),
    ),
    row(
        &[Ask, Confirm],
        "speech",
        Need::Default("false"),
        "With `true`, the caller may also say the answer: digits or a number, or yes or no.",
        Store::Flag(|options, flag| options.speech = flag),
    ),
    row(
        &[Ask],
        "min",
        Need::Default("1"),
        "The fewest keys that are an answer.",
        Store::Whole(0, 1023, |options, min| options.min = min),
    ),
    row(
        &[Collect, Ask],
        "max",
        Need::Default("20"),
        "The answer is complete after this many keys.",
        Store::Whole(1, 1023, |options, max| options.max = Some(max)),
    ),
    row(
        &[Menu],
        "max",
        Need::Optional,
        "The choice is complete after this many keys. Left out, it is the length of the longest choice, or 20 if that \
         has no end.",
        Store::Whole(1, 1023, |options, max| options.max = Some(max)),
    ),
    row(
        &[Collect, Ask, Confirm, Menu],
        "first",
        Need::Default("5"),
        "Seconds to wait for the first key, from the end of the last part.",
        Store::Seconds(|options, ms| options.first = ms),
    ),
    row(
        &[Collect, Ask, Confirm, Menu],
        "between",
        Need::Default("2"),
        "Seconds to wait after each key.",
        Store::Seconds(|options, ms| options.between = ms),
    ),
    row(
        &[Listen],
        "first",
        Need::Default("5"),
        "Seconds to wait for the caller to begin, from the end of the last part.",
        Store::Seconds(|options, ms| options.first = ms),
    ),
    row(
        &[Ask, Confirm, Menu, Listen],
        "silence",
        Need::Default("0.8"),
        "Seconds of silence that end what the caller says.",
        Store::Seconds(|options, ms| options.silence = ms),
    ),
    row(
        &[Listen],
        "max",
        Need::Default("15"),
        "Seconds that the caller may speak.",
        Store::Seconds(|options, ms| options.max_speech = ms),
    ),
    row(
        &[Ask, Confirm, Menu],
        "confidence",
        Need::Default("0.5"),
        "How sure an engine must be of what it has heard, from 0 to 1.",
        Store::Share(|options, share| options.confidence = share),
    ),
    row(
        &[Listen],
        "keys",
        Need::Default(""),
        "Keys that end it early; none if left out.",
        Store::Keys(|options, keys| options.keys = keys),
    ),
    row(
        &[Listen],
        "otherwise",
        Need::Optional,
        "Value to return, with a warning in the log, if the engine is unavailable.",
        Store::Otherwise(|options, value| options.otherwise = Some(value)),
    ),
    row(
        &[Collect, Ask, Confirm, Menu],
        "end",
        Need::Default("#"),
        "Keys that end the answer without being part of it; `\"\"` for none.",
        Store::Keys(|options, keys| options.end = keys),
    ),
    row(
        &[Collect, Ask, Confirm, Menu],
        "cancel",
        Need::Default(""),
        "Keys that give up at once.",
        Store::Keys(|options, keys| options.cancel = keys),
    ),
    row(
        &[Ask, Confirm, Menu],
        "tries",
        Need::Default("3"),
        "How often to ask, in all.",
        Store::Whole(1, 1000, |options, tries| options.tries = tries),
    ),
    row(
        &[Ask, Confirm, Menu],
        "no_input",
        Need::Optional,
        "Said before asking again when no key was pressed; an array of arrays has one for each time.",
        Store::Reprompts(|options, prompts| options.no_input = prompts),
    ),
    row(
        &[Ask, Confirm, Menu],
        "no_match",
        Need::Optional,
        "Said before asking again when the keys were not an answer; an array of arrays has one for each time.",
        Store::Reprompts(|options, prompts| options.no_match = prompts),
    ),
    row(
        &[Ask, Confirm, Menu],
        "give_up",
        Need::Optional,
        "Said after the last try, when that brought no answer either.",
        Store::Parts(|options, parts| options.give_up = parts),
    ),
    row(
        &[Ask, Menu],
        "valid",
        Need::Optional,
        "Called with the keys: returns `true`, `false`, or parts to say instead of `no_match`.",
        Store::Function(|options, function| options.valid = Some(function)),
    ),
    row(
        &[Collect, Ask, Confirm, Menu, Listen],
        "barge_in",
        Need::Default("true"),
        "With `false`, all parts play to their end, and what is pressed or said meanwhile is dropped.",
        Store::Flag(|options, flag| options.barge_in = flag),
    ),
    row(
        &[Collect, Ask, Confirm, Menu, Listen],
        "flush",
        Need::Default("false"),
        "With `true`, keys typed before the question are dropped.",
        Store::Flag(|options, flag| options.flush = flag),
    ),
    row(
        &[Collect, Ask, Confirm, Menu, Listen],
        "secret",
        Need::Default("false"),
        "With `true`, what is pressed or said is masked in the log, even with `--log-digits`.",
        Store::Flag(|options, flag| options.secret = flag),
    ),
];

const fn row(of: &'static [Asks], name: &'static str, need: Need, doc: &'static str, store: Store) -> OptionRow {
    let kind = match store {
        Store::Whole(min, max, _) => Kind::Integer(min, max),
        Store::Seconds(_) => Kind::Seconds,
        Store::Keys(_) => Kind::Keys,
        Store::Flag(_) => Kind::OnOff,
        Store::Parts(_) | Store::Reprompts(_) => Kind::Parts,
        Store::Function(_) => Kind::Function,
        Store::Words(_) => Kind::Array,
        Store::Share(_) => Kind::Share,
        Store::Otherwise(_) => Kind::Otherwise,
    };
    OptionRow { of, param: Param { name, kind, need, privacy: Privacy::Private, doc }, store }
}

impl OptionRow {
    const fn is_of(&self, asks: Asks) -> bool {
        let mut at = 0;
        while at < self.of.len() {
            if self.of[at] as u8 == asks as u8 {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// Counts the options that a function takes.
const fn count(asks: Asks) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < TABLE.len() {
        count += TABLE[at].is_of(asks) as usize;
        at += 1;
    }
    count
}

/// Returns the options that a function takes, as its declaration lists them.
const fn params<const N: usize>(asks: Asks) -> [Param; N] {
    let mut params = [TABLE[0].param; N];
    let (mut at, mut filled) = (0, 0);
    while at < TABLE.len() {
        if TABLE[at].is_of(asks) {
            params[filled] = TABLE[at].param;
            filled += 1;
        }
        at += 1;
    }
    params
}

/// The options of `collect`.
pub(super) static OF_COLLECT: &[Param] = &params::<{ count(Collect) }>(Collect);
/// The options of `ask`.
pub(super) static OF_ASK: &[Param] = &params::<{ count(Ask) }>(Ask);
/// The options of `confirm`.
pub(super) static OF_CONFIRM: &[Param] = &params::<{ count(Confirm) }>(Confirm);
/// The options of `listen`.
pub(super) static OF_LISTEN: &[Param] = &params::<{ count(Listen) }>(Listen);
/// The options of `menu`.
pub(super) static OF_MENU: &[Param] = &params::<{ count(Menu) }>(Menu);

/// The options of one question. An option that its function doesn't take is empty, zero or false.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "options are independent of each other, and more may come")]
pub(super) struct Options {
    pub min: usize,
    pub max: Option<usize>,
    /// In milliseconds, as `between` is.
    pub first: i64,
    pub between: i64,
    pub end: String,
    pub cancel: String,
    pub tries: usize,
    pub no_input: Reprompts,
    pub no_match: Reprompts,
    pub give_up: Vec<Play>,
    pub valid: Option<FnPtr>,
    pub barge_in: bool,
    pub flush: bool,
    pub secret: bool,
    /// Whether the caller may also say the answer.
    pub speech: bool,
    /// In milliseconds.
    pub silence: i64,
    pub max_speech: i64,
    pub confidence: f64,
    pub words: Vec<String>,
    pub keys: String,
    pub otherwise: Option<Dynamic>,
}

/// Prompts to say before a question is asked again: the same one each time, or one for each time.
#[derive(Default)]
pub(super) struct Reprompts(Vec<Vec<Play>>);

impl Reprompts {
    /// Returns the prompt after this many failed tries, at least one. The last prompt is also used for all further
    /// tries.
    pub(super) fn after(&self, failures: usize) -> &[Play] {
        self.0.get(failures.clamp(1, self.0.len().max(1)) - 1).map_or(&[], Vec::as_slice)
    }
}

impl Options {
    /// Reads a script's map of options.
    pub(super) fn read(prompter: &Prompter, given: Option<&Dynamic>, asks: Asks) -> Result<Self, ScriptError> {
        let known = || TABLE.iter().filter(move |row| row.is_of(asks));
        let mut options = Self::default();
        for row in known() {
            if let Need::Default(text) = row.param.need {
                options.set_default(row, text);
            }
        }
        let Some(given) = given else { return Ok(options) };
        // A copy, since a function called later may change the script's own map.
        let Some(map) = given.read_lock::<Map>().map(|map| map.clone()) else {
            let problem = format!("must be a map such as #{{ tries: 2 }}, not {}", value(given).type_name());
            return Err(prompter.bad_argument("options", format_args!("`options` {problem}")));
        };
        for (name, given) in &map {
            let Some(row) = known().find(|row| row.param.name == name.as_str()) else {
                return Err(unknown(prompter, name, known().map(|row| row.param.name)));
            };
            options.set(prompter, row, given)?;
        }
        if let Some(max) = options.max
            && options.min > max
        {
            let problem = format!("has `min` {} above `max` {max}", options.min);
            return Err(prompter.bad_argument("options", format_args!("`options` {problem}")));
        }
        let max_speech = if asks == Listen { options.max_speech } else { MAX_SPEECH_MS };
        if map.contains_key("silence") && options.silence > max_speech {
            let problem = format!(
                "must be less than the {} seconds that the caller may speak, not {}",
                seconds(max_speech),
                seconds(options.silence)
            );
            return Err(prompter.bad_argument("silence", format_args!("`silence` {problem}")));
        }
        Ok(options)
    }

    fn set_default(&mut self, row: &OptionRow, text: &str) {
        match row.store {
            Store::Whole(.., store) => store(self, text.parse().unwrap_or_default()),
            Store::Seconds(store) => store(self, millis(&Value::from(text)).unwrap_or_default()),
            Store::Keys(store) => store(self, text.to_owned()),
            Store::Flag(store) => store(self, text == "true"),
            Store::Share(store) => store(self, text.parse().unwrap_or_default()),
            // Nothing is said or called unless the script asks for it.
            Store::Parts(_) | Store::Reprompts(_) | Store::Function(_) | Store::Words(_) | Store::Otherwise(_) => {}
        }
    }

    fn set(&mut self, prompter: &Prompter, row: &OptionRow, given: &Dynamic) -> Result<(), ScriptError> {
        let name = row.param.name;
        let wrong = |problem: String| prompter.bad_argument(name, format_args!("`{name}` {problem}"));
        let plain = value(given);
        match row.store {
            Store::Whole(min, max, store) => {
                let number = whole(&plain).filter(|number| (min..=max).contains(number));
                let number = number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
                    wrong(format!("must be a whole number from {min} to {max}, not {}", shown(&plain)))
                })?;
                store(self, number);
            }
            Store::Seconds(store) => {
                let ms = millis(&plain)
                    .ok_or_else(|| wrong(format!("must be a number of seconds, not {}", shown(&plain))))?;
                store(self, ms);
            }
            Store::Keys(store) => store(self, keys(&plain).map_err(wrong)?),
            Store::Flag(store) => {
                let Value::Bool(flag) = plain else {
                    return Err(wrong(format!("must be true or false, not {}", shown(&plain))));
                };
                store(self, flag);
            }
            Store::Words(store) => store(self, words(given).map_err(wrong)?),
            Store::Share(store) => {
                let share = share(&plain)
                    .ok_or_else(|| wrong(format!("must be a number from 0 to 1, not {}", shown(&plain))))?;
                store(self, share);
            }
            Store::Otherwise(store) => store(self, given.clone()),
            Store::Parts(store) => store(self, read_parts(prompter, name, given)?),
            Store::Reprompts(store) => store(self, reprompts(prompter, name, given)?),
            Store::Function(store) => {
                let function = given.read_lock::<FnPtr>().map(|function| function.clone());
                store(
                    self,
                    function.ok_or_else(|| {
                        let type_name = plain.type_name();
                        wrong(format!("must be a function such as |digits| digits.len() == 4, not {type_name}"))
                    })?,
                );
            }
        }
        Ok(())
    }
}

/// Returns where an option belongs that a function doesn't take, if others do.
pub(crate) fn option_elsewhere(function: &str, name: &str) -> Option<String> {
    let is_of = |params: &[Param]| params.iter().any(|param| param.name == name);
    Some(match (function, name) {
        ("menu", "speech" | "words") => {
            "a menu listens when its choices have words: \"1\": #{ words: [\"sales\"], then: ... }".to_owned()
        }
        ("ask", "words") => "`listen` has that option, and so have the choices of `menu`".to_owned(),
        ("confirm", "words") => "with `speech: true`, it knows the words for yes and no".to_owned(),
        ("collect", "words") => "`listen` has that option".to_owned(),
        ("listen", "confidence") => "it is in what `listen` returns, for the script to judge".to_owned(),
        ("collect" | "listen", _) if is_of(OF_ASK) => "it asks only once; `ask` has that option".to_owned(),
        ("confirm" | "menu", _) if is_of(OF_ASK) => format!("`{function}` itself knows which keys are an answer"),
        _ => return None,
    })
}

fn unknown(prompter: &Prompter, name: &str, known: impl Iterator<Item = &'static str>) -> ScriptError {
    let known: Vec<&str> = known.collect();
    let hint =
        option_elsewhere(prompter.function, name).unwrap_or_else(|| match nearest(name, known.iter().copied()) {
            Some(like) => format!("did you mean `{like}`?"),
            None => format!("it takes `{}`", known.join("`, `")),
        });
    prompter.bad_argument("options", format_args!("`options` has no `{}`: {hint}", short(name, MAX_SHOWN)))
}

/// Reads one prompt for each time if all elements are arrays, or else the same prompt for every time.
fn reprompts(prompter: &Prompter, parameter: &'static str, given: &Dynamic) -> Result<Reprompts, ScriptError> {
    if let Some(array) = given.read_lock::<Array>()
        && !array.is_empty()
        && array.iter().all(Dynamic::is_array)
    {
        return array
            .iter()
            .map(|parts| read_parts(prompter, parameter, parts))
            .collect::<Result<_, _>>()
            .map(Reprompts);
    }
    read_parts(prompter, parameter, given).map(|plays| Reprompts(vec![plays]))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Reads words that callers may say: a text, or an array of them.
pub(super) fn words(given: &Dynamic) -> Result<Vec<String>, String> {
    const WANTED: &str = "must be an array of texts such as [\"yes\", \"no\"]";
    let word = |word: Value| match word {
        Value::Text(text) if tokens(&text).is_empty() => {
            Err(format!("has {}, which nobody can say", quoted(&text, MAX_SHOWN)))
        }
        Value::Text(text) if text.chars().count() > MAX_WORD => {
            Err(format!("has {}, which is longer than {MAX_WORD} characters", quoted(&text, MAX_SHOWN)))
        }
        Value::Text(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(format!("{WANTED}, not {}", shown(&other))),
    };
    match value(given) {
        Value::List(words) if words.is_empty() => Err("is empty: leave it out, or name what may be said".to_owned()),
        Value::List(words) if words.len() > MAX_WORDS => Err(format!("has more than {MAX_WORDS} words")),
        Value::List(given) => {
            let mut words = Vec::with_capacity(given.len());
            for given in given {
                let word = word(given)?;
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            Ok(words)
        }
        Value::Text(text) => word(Value::Text(text)).map(|word| vec![word]),
        other => Err(format!("{WANTED}, not {}", shown(&other))),
    }
}

/// Reads a number from 0 to 1.
fn share(value: &Value) -> Option<f64> {
    let share = match value {
        Value::Int(share @ (0 | 1)) => f64::from(u8::try_from(*share).ok()?),
        Value::Float(share) => *share,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

/// Converts seconds to milliseconds, at least one: zero would mean Asterisk's own default.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "clamped to what fits")]
fn millis(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Int(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (seconds >= 0.0).then(|| (seconds * 1000.0).round().clamp(1.0, MAX_WAIT_MS) as i64)
}

/// Converts milliseconds to seconds.
#[expect(clippy::cast_precision_loss, reason = "nobody waits long enough for it to matter")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => format!("the text {}", quoted(text, MAX_SHOWN)),
        other => other.type_name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_can_be_stored() {
        for row in TABLE {
            let Need::Default(text) = row.param.need else { continue };
            let stored = match row.store {
                Store::Whole(min, max, _) => (min..=max).contains(&text.parse().unwrap()),
                Store::Seconds(_) => millis(&Value::from(text)).is_some(),
                Store::Keys(_) => keys(&Value::from(text)).is_ok(),
                Store::Flag(_) => ["true", "false"].contains(&text),
                Store::Share(_) => share(&Value::from(text)).is_some(),
                Store::Parts(_) | Store::Reprompts(_) | Store::Function(_) | Store::Words(_) | Store::Otherwise(_) => {
                    false
                }
            };
            assert!(stored, "{}: {text}", row.param.name);
        }
    }
}
