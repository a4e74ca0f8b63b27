//! Parameters: a script's values to the words of a command line.

use super::{Command, Permissions, Refusal, RefusalKind, Value};
use crate::agi::{LineError, line, quote};
use std::fmt::Write;
use std::sync::Arc;

/// One parameter of a function, or one option in a map of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name in the reference and in errors.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// Whether a parameter may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be given.
    Required,
    /// Left out, this is sent.
    Default(&'static str),
    /// Left out, nothing is sent.
    Optional,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text; numbers are texts too, and `true` and `false` go as 1 and 0.
    Text,
    /// A text that is not empty.
    Name,
    /// Keys of the telephone: `0`-`9`, `*`, `#`, `A`-`D`.
    Keys,
    /// An integer from the one to the other, or a text that is one.
    Integer(i64, i64),
    /// A number of seconds, whole or fraction.
    Seconds,
    /// `true` or `false`, sent as `on` or `off`.
    OnOff,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Digits to say. Asterisk's SAY DIGITS takes no text that does not begin with a digit: then the verb
    /// `SAY ALPHA` says it with the same recordings, and for an empty text nothing is sent.
    Digits,
    /// The name of a dialplan application; its arguments follow.
    Application,
    /// The name of a variable or dialplan function that is read.
    Read,
    /// The name of a variable or dialplan function that is set.
    Written,
    /// Any text, in which Asterisk evaluates `${...}` and `$[...]`.
    Expression,
    /// Any number of further texts, joined with commas into one word.
    Joined,
    /// Any number of further texts, a word each.
    Rest,
    /// Options of the application Dial.
    DialOptions,
    /// `#{ beep, silence, offset }` of RECORD FILE.
    RecordOptions,
    /// What is said: a sound file, a number, a map such as `#{ digits: "0412" }`, or an array of such.
    Parts,
    /// A map from keys, or patterns of keys, to what each of them means.
    Choices,
    /// A function, as a closure or by `Fn("name")`.
    Function,
    /// A map that may hold these.
    Options(&'static [Param]),
    /// Any value; no command has such a parameter.
    Any,
    /// A map; no command has such a parameter.
    Map,
}

impl Kind {
    /// Whether it takes any number of arguments.
    #[must_use]
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Joined | Self::Rest)
    }

    /// Whether Asterisk runs what it names or holds.
    #[must_use]
    pub const fn is_run(self) -> bool {
        matches!(self, Self::Application | Self::Read | Self::Written | Self::Expression | Self::DialOptions)
    }

    /// The names a map of options may have; `None` where it takes none.
    #[must_use]
    pub fn options(self) -> Option<Vec<&'static str>> {
        match self {
            Self::RecordOptions => Some(vec!["beep", "silence", "offset"]),
            Self::Options(params) => Some(params.iter().map(|param| param.name).collect()),
            _ => None,
        }
    }

    /// The name of the type in the reference.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text
            | Self::Name
            | Self::Application
            | Self::Read
            | Self::Written
            | Self::Expression
            | Self::DialOptions
            | Self::Joined
            | Self::Rest => "text",
            Self::Keys => "keys",
            Self::Integer(..) => "integer",
            Self::Seconds => "number",
            Self::OnOff => "bool",
            Self::Word(_) => "word",
            Self::Digits => "digits",
            Self::RecordOptions | Self::Choices | Self::Options(_) | Self::Map => "map",
            Self::Parts => "parts",
            Self::Function => "function",
            Self::Any => "value",
        }
    }
}

impl Param {
    /// Why no command could take this value here, whatever the session; `None` if one could.
    #[must_use]
    pub fn refuses(&self, value: &Value) -> Option<String> {
        let mut line = Vec::new();
        match self.kind {
            Kind::Joined | Kind::Rest => text(value).and_then(|text| push(&mut line, &text).map_err(|e| e.to_string())),
            Kind::Digits => text(value).and_then(|text| digits(&text)),
            Kind::RecordOptions => record_options(value, &mut line).map(|_| ()),
            Kind::Parts | Kind::Choices | Kind::Function | Kind::Options(_) | Kind::Map | Kind::Any => Ok(()),
            kind => one(kind, value, &mut line),
        }
        .err()
    }
}

/// What a session lets through.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The longest line Asterisk takes, in bytes.
    pub line_limit: usize,
    /// What scripts may have Asterisk run.
    pub permissions: Arc<Permissions>,
}

/// A call put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// This line is to be sent, without a line feed.
    Line(Vec<u8>),
    /// There is nothing to send, and nothing to wait for.
    Nothing,
}

/// The integers Asterisk's `int` holds.
const INT: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

impl Kind {
    /// Any integer of Asterisk's `int`.
    pub const INT: Self = Self::Integer(INT.0, INT.1);
    /// Milliseconds to wait, -1 for ever.
    pub const MILLIS: Self = Self::Integer(-1, INT.1);
    /// A count or a position.
    pub const COUNT: Self = Self::Integer(0, INT.1);
    /// Seconds since the Unix epoch that Asterisk reads as `int`.
    pub const EPOCH: Self = Self::Integer(INT.0, INT.1);
}

impl Command {
    /// The command line for these arguments.
    ///
    /// # Errors
    /// An argument Asterisk could not carry or take, by name; nothing is to be sent then.
    pub fn encode(&self, args: &[Value], rules: &Rules) -> Result<Encoded, Refusal> {
        self.encode_in(Vec::new(), args, rules)
    }

    /// The same in a buffer that was used before.
    pub(crate) fn encode_in(&self, mut line: Vec<u8>, args: &[Value], rules: &Rules) -> Result<Encoded, Refusal> {
        let params = self.function.params;
        let required = params.iter().filter(|p| p.need == Need::Required).count();
        let repeats = params.last().is_some_and(|p| p.kind.repeats());
        if args.len() < required || (args.len() > params.len() && !repeats) {
            return Err(self.refusal(
                RefusalKind::Argument,
                format_args!("takes {}, not {}", self.function.arity(), plural(args.len(), "argument")),
            ));
        }
        line.clear();
        line.extend_from_slice(self.verb.as_bytes());
        let mut words = self.verb.split(' ').count();
        for (number, param) in params.iter().enumerate() {
            let given = if param.kind.repeats() { args.get(number..).unwrap_or_default() } else { &[] };
            let refused = |problem: String| Refusal {
                parameter: Some(param.name),
                ..self.refusal(RefusalKind::Argument, format_args!("`{}` {problem}", param.name))
            };
            let before = line.len();
            match (param.kind, args.get(number), param.need) {
                (Kind::Joined, Some(_), _) => {
                    push(&mut line, &joined(given).map_err(refused)?).map_err(|e| refused(e.to_string()))?;
                    words += 1;
                }
                (Kind::Rest, Some(_), _) => {
                    for value in given {
                        push(&mut line, &text(value).map_err(refused)?).map_err(|e| refused(e.to_string()))?;
                        words += 1;
                    }
                }
                (Kind::Digits, Some(value), _) => {
                    let given = text(value).map_err(refused)?;
                    digits(&given).map_err(refused)?;
                    match given.bytes().next() {
                        None => return Ok(Encoded::Nothing),
                        Some(b'0'..=b'9') => {}
                        Some(_) => line = b"SAY ALPHA".to_vec(),
                    }
                    push(&mut line, &given).map_err(|e| refused(e.to_string()))?;
                    words += 1;
                }
                (Kind::RecordOptions, Some(value), _) => {
                    words += record_options(value, &mut line).map_err(refused)?;
                }
                (kind, Some(value), _) => {
                    one(kind, value, &mut line).map_err(refused)?;
                    if kind.is_run() {
                        // What cannot be joined is told where its turn comes.
                        let rest = match kind {
                            Kind::Application => joined(&args[number + 1..]).unwrap_or_default(),
                            _ => String::new(),
                        };
                        let given = text(value).map_err(refused)?;
                        if let Some(problem) = rules.permissions.refuses(kind, &given, &rest) {
                            // Where the name alone passes, its arguments are what is wrong.
                            let by_itself = rules.permissions.refuses(kind, &given, "");
                            let at_fault =
                                if by_itself.is_some() { param } else { params.get(number + 1).unwrap_or(param) };
                            return Err(Refusal {
                                parameter: Some(at_fault.name),
                                ..self.refusal(RefusalKind::Argument, format_args!("`{}` {problem}", at_fault.name))
                            });
                        }
                    }
                    words += 1;
                }
                (kind, None, Need::Default(default)) => {
                    one(kind, &Value::from(default), &mut line).map_err(refused)?;
                    words += 1;
                }
                (_, None, _) => {}
            }
            if line.len() > rules.line_limit && line.len() > before {
                return Err(refused(LineError::TooLong(rules.line_limit).to_string()));
            }
            if words > line::MAX_WORDS {
                return Err(refused(LineError::TooManyWords.to_string()));
            }
        }
        Ok(Encoded::Line(line))
    }
}

impl super::Function {
    /// How many arguments it takes: `1 to 3 arguments`.
    #[must_use]
    pub fn arity(&self) -> String {
        let least = self.params.iter().filter(|p| p.need == Need::Required).count();
        let most = self.params.len();
        match self.params.last() {
            Some(param) if param.kind.repeats() => format!("{} or more", plural(least, "argument")),
            _ if least == most => plural(most, "argument"),
            _ => format!("{least} to {}", plural(most, "argument")),
        }
    }

    /// How it is called: `stream_file(file, escape_digits = "", offset?)`.
    #[must_use]
    pub fn signature(&self) -> String {
        let params: Vec<String> = self
            .params
            .iter()
            .map(|p| match p.need {
                _ if p.kind.repeats() => format!("{}...", p.name),
                Need::Required => p.name.to_owned(),
                Need::Default(d) if d.parse::<i64>().is_ok() => format!("{} = {d}", p.name),
                Need::Default(d) => format!("{} = {d:?}", p.name),
                Need::Optional => format!("{}?", p.name),
            })
            .collect();
        format!("{}({})", self.name, params.join(", "))
    }
}

fn plural(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

fn push(line: &mut Vec<u8>, text: &str) -> Result<(), LineError> {
    line.push(b' ');
    quote(text, line)
}

fn number(line: &mut Vec<u8>, number: i64) {
    use std::io::Write;
    let _ = write!(line, " {number}");
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(u8::from(*flag).to_string()),
        other => Err(format!("must be a text, not {}", other.type_name())),
    }
}

/// Texts as one argument of several parts.
fn joined(values: &[Value]) -> Result<String, String> {
    let texts: Result<Vec<String>, String> = values.iter().map(text).collect();
    Ok(texts?.join(","))
}

fn digits(text: &str) -> Result<(), String> {
    if text.bytes().all(|b| b.is_ascii_digit() || b"*#- ".contains(&b)) {
        return Ok(());
    }
    Err(format!("must be digits, `*` or `#`, not {text:?}"))
}

fn one(kind: Kind, value: &Value, line: &mut Vec<u8>) -> Result<(), String> {
    // The common cases first, without a copy.
    let text = match (kind, value) {
        (Kind::Integer(least, most), value) => {
            let given = match value {
                Value::Int(given) => Some(*given),
                Value::Text(text) => text.trim().parse().ok(),
                _ => None,
            };
            let given = given.ok_or_else(|| match value {
                Value::Text(text) => format!("must be an integer, not the text {text:?}"),
                other => format!("must be an integer, not {}", other.type_name()),
            })?;
            if !(least..=most).contains(&given) {
                return Err(match (least, most) {
                    (_, most) if most >= INT.1 && given > most => format!("must be at most {most}, not {given}"),
                    (least, most) if most >= INT.1 => format!("must be at least {least}, not {given}"),
                    (least, most) => format!("must be from {least} to {most}, not {given}"),
                });
            }
            number(line, given);
            return Ok(());
        }
        (_, Value::Text(text)) => return one_text(kind, text, line),
        (Kind::OnOff, Value::Bool(flag)) => {
            line.extend_from_slice(if *flag { b" on" } else { b" off" });
            return Ok(());
        }
        (Kind::Seconds, Value::Int(seconds)) if *seconds >= 0 => seconds.to_string(),
        (Kind::Seconds, Value::Float(seconds)) if *seconds >= 0.0 => seconds.to_string(),
        (Kind::Seconds, Value::Int(_) | Value::Float(_)) => return Err("must not be negative".to_owned()),
        (Kind::Seconds, other) => return Err(format!("must be a number of seconds, not {}", other.type_name())),
        (Kind::OnOff, other) => return Err(format!("must be true or false, not {}", other.type_name())),
        (_, value) => text(value)?,
    };
    one_text(kind, &text, line)
}

fn one_text(kind: Kind, text: &str, line: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        Kind::Name | Kind::Application | Kind::Read | Kind::Written if text.is_empty() => {
            return Err("must not be empty".to_owned());
        }
        Kind::Keys => {
            if let Some(wrong) = text.chars().find(|c| !matches!(c, '0'..='9' | '*' | '#' | 'A'..='D')) {
                return Err(format!("may hold the keys 0-9, *, # and A-D, not {wrong:?}"));
            }
        }
        Kind::Seconds => {
            if !text.trim().parse().is_ok_and(|seconds: f64| seconds >= 0.0) {
                return Err(format!("must be a number of seconds, not {text:?}"));
            }
            line.push(b' ');
            line.extend_from_slice(text.trim().as_bytes());
            return Ok(());
        }
        Kind::OnOff if text != "on" && text != "off" => {
            return Err(format!("must be true or false, not the text {text:?}"));
        }
        Kind::OnOff => {
            line.push(b' ');
            line.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        Kind::Word(words) if !words.contains(&text) => {
            let mut list = String::new();
            for word in words {
                let _ = write!(list, "{}{word:?}", if list.is_empty() { "" } else { ", " });
            }
            return Err(format!("must be one of {list}, not {text:?}"));
        }
        _ => {}
    }
    push(line, text).map_err(|e| e.to_string())
}

/// `#{ offset, beep, silence }` as RECORD FILE has them: `[offset] [BEEP] [s=SECONDS]`.
fn record_options(value: &Value, line: &mut Vec<u8>) -> Result<usize, String> {
    let Value::Map(options) = value else {
        return Err(format!("must be a map such as #{{ beep: true, silence: 3 }}, not {}", value.type_name()));
    };
    let (mut offset, mut beep, mut silence) = (None, false, None);
    for (name, value) in options {
        match (name.as_ref(), value) {
            ("offset", Value::Int(samples)) if *samples >= 0 => offset = Some(*samples),
            ("offset", _) => return Err("takes `offset` as a number of samples".to_owned()),
            ("beep", Value::Bool(flag)) => beep = *flag,
            ("beep", _) => return Err("takes `beep` as true or false".to_owned()),
            ("silence", Value::Int(seconds)) if *seconds >= 0 => silence = Some(*seconds),
            ("silence", _) => return Err("takes `silence` as a whole number of seconds".to_owned()),
            (other, _) => return Err(format!("has no `{other}`: it takes `beep`, `silence` and `offset`")),
        }
    }
    let before = line.len();
    if let Some(samples) = offset {
        number(line, samples);
    }
    if beep {
        line.extend_from_slice(b" BEEP");
    }
    if let Some(seconds) = silence {
        line.extend_from_slice(b" s=");
        line.extend_from_slice(seconds.to_string().as_bytes());
    }
    Ok(line[before..].iter().filter(|b| **b == b' ').count())
}
