//! Encodes arguments: from a script's values to the words of a command line.

use super::declaration::Command;
use super::param::{INT, Kind, Need, Param};
use super::permissions::Permissions;
use super::refusal::{Refusal, RefusalKind};
use super::value::Value;
use crate::agi::{LineError, line, quote};
use std::fmt::Write;
use std::sync::Arc;

impl Param {
    /// Returns why no command could take this value here, whatever the session; `None` if one could.
    #[must_use]
    pub fn refuses(&self, value: &Value) -> Option<String> {
        let mut line = Vec::new();
        match self.kind {
            Kind::Joined | Kind::Rest => text(value).and_then(|text| push(&mut line, &text).map_err(|e| e.to_string())),
            Kind::Digits { .. } => text(value).and_then(|text| digits(&text)),
            Kind::RecordOptions => record_options(value, &mut line).map(|_| ()),
            Kind::Parts
            | Kind::Choices
            | Kind::Function
            | Kind::Options(_)
            | Kind::Map
            | Kind::Array
            | Kind::Otherwise
            | Kind::Share
            | Kind::Any => Ok(()),
            kind => one(kind, value, &mut line),
        }
        .err()
    }
}

/// The rules of a session for what may be sent.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The longest line that Asterisk accepts, in bytes.
    pub line_limit: usize,
    /// The permissions of its script.
    pub permissions: Arc<Permissions>,
}

/// A command and its arguments, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// The line to send, without a line feed.
    Line(Vec<u8>),
    /// There is nothing to send, and nothing to wait for.
    Nothing,
}

impl Command {
    /// Returns the command line for these arguments.
    ///
    /// # Errors
    /// An argument is one that Asterisk can't carry or accept; the error names it.
    pub fn encode(&self, args: &[Value], rules: &Rules) -> Result<Encoded, Refusal> {
        self.encode_in(Vec::new(), args, rules)
    }

    /// Does the same, but reuses a buffer.
    pub(crate) fn encode_in(&self, mut line: Vec<u8>, args: &[Value], rules: &Rules) -> Result<Encoded, Refusal> {
        let params = self.function.params;
        let (min, max) = (self.function.min_arguments(), self.function.max_arguments());
        if args.len() < min || max.is_some_and(|max| args.len() > max) {
            return Err(self
                .refusal(RefusalKind::Argument, format_args!("takes {}, not {}", self.function.arity(), args.len())));
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
                (Kind::Digits { other_verb }, Some(value), _) => {
                    let given = text(value).map_err(refused)?;
                    digits(&given).map_err(refused)?;
                    match given.bytes().next() {
                        None => return Ok(Encoded::Nothing),
                        Some(b'0'..=b'9') => {}
                        Some(_) => line = other_verb.as_bytes().to_vec(),
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
                        // Arguments that can't be joined are refused when their turn comes.
                        let rest = match kind {
                            Kind::Application => joined(&args[number + 1..]).unwrap_or_default(),
                            _ => String::new(),
                        };
                        let given = text(value).map_err(refused)?;
                        if let Some(problem) = rules.permissions.refuses(kind, &given, &rest) {
                            // If the name passes without its arguments, the arguments are at fault.
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

/// Joins texts to one argument of several parts.
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
    // The common cases come first, without a copy.
    let text = match (kind, value) {
        (Kind::Integer(min, max) | Kind::Millis(min, max) | Kind::WholeSeconds(min, max), value) => {
            let given = match value {
                Value::Int(given) => Some(*given),
                Value::Text(text) => text.trim().parse().ok(),
                _ => None,
            };
            let given = given.ok_or_else(|| match value {
                Value::Text(text) => format!("must be an integer, not the text {text:?}"),
                other => format!("must be an integer, not {}", other.type_name()),
            })?;
            if !(min..=max).contains(&given) {
                return Err(match (min, max) {
                    (_, max) if max >= INT.1 && given > max => format!("must be at most {max}, not {given}"),
                    (min, max) if max >= INT.1 => format!("must be at least {min}, not {given}"),
                    (min, max) => format!("must be from {min} to {max}, not {given}"),
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

/// Checks the format of a date. Asterisk would read beyond its end, and say what stands there in its memory.
pub(crate) fn check_format(format: &str) -> Result<(), String> {
    match format.matches('\'').count() % 2 {
        0 => Ok(()),
        _ => Err(format!("has no second ' after the sound file in {format:?}")),
    }
}

fn one_text(kind: Kind, text: &str, line: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        Kind::Name | Kind::Application | Kind::Read | Kind::Written if text.is_empty() => {
            return Err("must not be empty".to_owned());
        }
        Kind::DateFormat => check_format(text)?,
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

/// Encodes `#{ offset, beep, silence }` as RECORD FILE expects it: `[offset] [BEEP] [s=SECONDS]`.
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
