//! The options of questions: one table for the reference, the checker and the reading of them.

use super::parts::plays;
use super::play::Play;
use super::prompter::{Failure, Prompter};
use crate::command::{Kind, Param, Value};
use crate::script::nearest;
use crate::script::value;
use crate::script::{SHOWN, quoted, short};
use rhai::{Array, Dynamic, FnPtr, Map};

const fn option(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Param {
    Param::defaulted(name, kind, default, doc)
}

const fn without(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param::optional(name, kind, doc)
}

/// As many keys as an answer has if nothing else is said.
pub(super) const USUAL_MAX: usize = 20;
/// The most digits GET DATA takes.
const MOST_DIGITS: usize = 1023;
/// The longest wait, in milliseconds: eleven days.
const LONGEST_WAIT: f64 = 1_000_000_000.0;

const MIN: Param = option("min", Kind::Integer(0, 1023), "1", "Fewer keys than these are no answer.");
const MAX: Param = option("max", Kind::Integer(1, 1023), "20", "So many keys are an answer at once.");
const MAX_OF_MENU: Param = without(
    "max",
    Kind::Integer(1, 1023),
    "So many keys decide at once; as many as the longest choice has if left out, 20 if that has no end.",
);
const FIRST: Param =
    option("first", Kind::Seconds, "5", "Seconds to wait for the first key, from the end of the last part.");
const BETWEEN: Param = option("between", Kind::Seconds, "2", "Seconds to wait after each key.");
const END: Param = option("end", Kind::Keys, "#", "Keys that end the answer and are no part of it; `\"\"` for none.");
const CANCEL: Param = option("cancel", Kind::Keys, "", "Keys that give up at once.");
const TRIES: Param = option("tries", Kind::Integer(1, 1000), "3", "How often it is asked in all.");
const NO_INPUT: Param = without(
    "no_input",
    Kind::Parts,
    "Said before it is asked again, when no key came; an array of arrays has one for each time.",
);
const NO_MATCH: Param = without(
    "no_match",
    Kind::Parts,
    "Said before it is asked again, when the answer was none; an array of arrays has one for each time.",
);
const GIVE_UP: Param = without("give_up", Kind::Parts, "Said after the last try, when that brought no answer either.");
const VALID: Param = without(
    "valid",
    Kind::Function,
    "Called with the keys: gives `true`, `false`, or parts to be said instead of `no_match`.",
);
const BARGE_IN: Param = option(
    "barge_in",
    Kind::OnOff,
    "true",
    "With `false` all parts are played to their end, and keys meanwhile dropped.",
);
const FLUSH: Param =
    option("flush", Kind::OnOff, "false", "With `true` the keys typed before the question are dropped.");
const SECRET: Param =
    option("secret", Kind::OnOff, "false", "With `true` the keys are masked in the log, even with `--log-digits`.");

/// The options of `collect`.
pub(super) static OF_COLLECT: &[Param] = &[MAX, FIRST, BETWEEN, END, CANCEL, BARGE_IN, FLUSH, SECRET];
/// The options of `ask`.
pub(super) static OF_ASK: &[Param] =
    &[MIN, MAX, FIRST, BETWEEN, END, CANCEL, TRIES, NO_INPUT, NO_MATCH, GIVE_UP, VALID, BARGE_IN, FLUSH, SECRET];
/// The options of `confirm`.
pub(super) static OF_CONFIRM: &[Param] =
    &[FIRST, BETWEEN, END, CANCEL, TRIES, NO_INPUT, NO_MATCH, GIVE_UP, BARGE_IN, FLUSH, SECRET];
/// The options of `menu`.
pub(super) static OF_MENU: &[Param] =
    &[MAX_OF_MENU, FIRST, BETWEEN, END, CANCEL, TRIES, NO_INPUT, NO_MATCH, GIVE_UP, VALID, BARGE_IN, FLUSH, SECRET];

/// The options of one question.
pub(super) struct Options {
    pub min: usize,
    pub max: Option<usize>,
    /// Milliseconds.
    pub first: i64,
    pub between: i64,
    pub end: String,
    pub cancel: String,
    pub tries: usize,
    pub no_input: Again,
    pub no_match: Again,
    pub give_up: Vec<Play>,
    pub valid: Option<FnPtr>,
    pub barge_in: bool,
    pub flush: bool,
    pub secret: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            min: 1,
            max: None,
            first: 5000,
            between: 2000,
            end: "#".to_owned(),
            cancel: String::new(),
            tries: 3,
            no_input: Again::default(),
            no_match: Again::default(),
            give_up: Vec::new(),
            valid: None,
            barge_in: true,
            flush: false,
            secret: false,
        }
    }
}

/// What is said before a question is asked again: always the same, or one for each time.
#[derive(Default)]
pub(super) struct Again(Vec<Vec<Play>>);

impl Again {
    /// For the time of this number, from 1; the last one stays.
    pub(super) fn after(&self, failures: usize) -> &[Play] {
        self.0.get(failures.clamp(1, self.0.len().max(1)) - 1).map_or(&[], Vec::as_slice)
    }
}

impl Options {
    /// Reads a script's map; `known` is what may stand in it.
    pub(super) fn read(prompter: &Prompter, given: Option<&Dynamic>, known: &'static [Param]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let Some(given) = given else { return Ok(options) };
        // A copy, since a function called later may change what the script holds.
        let Some(map) = given.read_lock::<Map>().map(|map| map.clone()) else {
            let problem = format!("must be a map such as #{{ tries: 2 }}, not {}", value(given).type_name());
            return Err(prompter.wrong("options", format_args!("`options` {problem}")));
        };
        for (name, given) in &map {
            let Some(param) = known.iter().find(|param| param.name == name.as_str()) else {
                return Err(unknown(prompter, name, known));
            };
            options.take(prompter, param, given)?;
        }
        let max = options.max.unwrap_or(USUAL_MAX);
        if options.min > max {
            let problem = format!("has `min` {} above `max` {max}", options.min);
            return Err(prompter.wrong("options", format_args!("`options` {problem}")));
        }
        Ok(options)
    }

    fn take(&mut self, prompter: &Prompter, param: &Param, given: &Dynamic) -> Result<(), Failure> {
        let wrong = |problem: String| prompter.wrong(param.name, format_args!("`{}` {problem}", param.name));
        let what = value(given);
        match (param.name, param.kind) {
            ("valid", _) => {
                let function = given.read_lock::<FnPtr>().map(|function| function.clone());
                self.valid = Some(function.ok_or_else(|| {
                    wrong(format!("must be a function such as |digits| digits.len() == 4, not {}", what.type_name()))
                })?);
            }
            ("give_up", _) => self.give_up = plays(prompter, param.name, given)?,
            (_, Kind::Parts) => {
                let again = again(prompter, param.name, given)?;
                *(if param.name == "no_input" { &mut self.no_input } else { &mut self.no_match }) = again;
            }
            (_, Kind::Integer(least, most)) => {
                let number = whole(&what).filter(|number| (least..=most).contains(number));
                let number = number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| {
                    wrong(format!("must be a whole number from {least} to {most}, not {}", shown(&what)))
                })?;
                match param.name {
                    "min" => self.min = number,
                    "max" => self.max = Some(number.min(MOST_DIGITS)),
                    _ => self.tries = number,
                }
            }
            (_, Kind::Seconds) => {
                let ms =
                    millis(&what).ok_or_else(|| wrong(format!("must be a number of seconds, not {}", shown(&what))))?;
                *(if param.name == "first" { &mut self.first } else { &mut self.between }) = ms;
            }
            (_, Kind::Keys) => {
                let keys = keys(&what).map_err(wrong)?;
                *(if param.name == "end" { &mut self.end } else { &mut self.cancel }) = keys;
            }
            _ => {
                let Value::Bool(flag) = what else {
                    return Err(wrong(format!("must be true or false, not {}", shown(&what))));
                };
                match param.name {
                    "barge_in" => self.barge_in = flag,
                    "flush" => self.flush = flag,
                    _ => self.secret = flag,
                }
            }
        }
        Ok(())
    }
}

fn unknown(prompter: &Prompter, name: &str, known: &'static [Param]) -> Failure {
    let elsewhere = OF_ASK.iter().any(|param| param.name == name);
    let hint = match nearest(name, known.iter().map(|param| param.name)) {
        _ if elsewhere => match prompter.function {
            "collect" => "it asks once; `ask` has it".to_owned(),
            function => format!("`{function}` knows by itself which keys are an answer"),
        },
        Some(like) => format!("did you mean `{like}`?"),
        None => {
            let names: Vec<&str> = known.iter().map(|param| param.name).collect();
            format!("it takes `{}`", names.join("`, `"))
        }
    };
    prompter.wrong("options", format_args!("`options` has no `{}`: {hint}", short(name, SHOWN)))
}

/// One for each time, if all elements are arrays; else the same every time.
fn again(prompter: &Prompter, parameter: &'static str, given: &Dynamic) -> Result<Again, Failure> {
    if let Some(array) = given.read_lock::<Array>()
        && !array.is_empty()
        && array.iter().all(Dynamic::is_array)
    {
        return array.iter().map(|parts| plays(prompter, parameter, parts)).collect::<Result<_, _>>().map(Again);
    }
    plays(prompter, parameter, given).map(|plays| Again(vec![plays]))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Milliseconds. Zero would be Asterisk's own default.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "clamped to what fits")]
fn millis(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Int(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (seconds >= 0.0).then(|| (seconds * 1000.0).round().clamp(1.0, LONGEST_WAIT) as i64)
}

/// Keys of the telephone.
pub(super) fn keys(value: &Value) -> Result<String, String> {
    let keys = match value {
        Value::Text(keys) => keys.clone(),
        Value::Int(number) => number.to_string(),
        other => return Err(format!("must be keys as a text, not {}", other.type_name())),
    };
    match keys.chars().find(|c| !super::parts::ANY_KEY.contains(*c)) {
        Some(wrong) => Err(format!("may hold the keys 0-9, *, # and A-D, not {wrong:?}")),
        None => Ok(keys),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => format!("the text {}", quoted(text, SHOWN)),
        other => other.type_name().to_owned(),
    }
}
