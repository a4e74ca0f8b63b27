//! Trial calls: the functions that say and ask are called with the constants of a script, so that the code that reads
//! their arguments in a call says what it would refuse.

use super::ast::{closure, pointer};
use crate::clock::Time;
use crate::command::{Function, Kind, Permissions};
use crate::ivr;
use crate::script::{BUILTINS, CallState, Finished, Language, Limits, Script, is_shared_with_tests, literal};
use crate::session::Session;
use crate::transport::{Answer, Ending, Heard, Peer, Request, Transport};
use rhai::{Expr, FnCallExpr};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A line on which the call ends with its first command.
struct NobodyThere;

impl Transport for NobodyThere {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        // Without a language: what depends on it isn't decided.
        Ok(b"agi_version: 22\n\n".to_vec())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: false }
    }

    fn now(&self) -> Time {
        Time::from_unix(0)
    }

    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        // A poll between two commands finds nothing.
        Ok(if until > self.now() { Heard::Closed } else { Heard::Silence })
    }

    /// Which engines there are doesn't concern it.
    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        match request.function.as_str() {
            "speak" => Some((Duration::ZERO, Ok(json!({ "file": "text" })))),
            // The call ends while it waits.
            "listen" => Some((Duration::from_secs(1), Ok(json!({ "ended_by": "none" })))),
            _ => None,
        }
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}

/// The arguments of a call as far as they are constants, as a script writes them.
struct Constants {
    text: String,
    /// Whether some value of a map of options is not a constant.
    open: bool,
}

/// Returns the fault of a call of this function with its constant arguments: the name of the parameter or option, and
/// the message. `None` if it may succeed, or if trying it would prove nothing.
pub(super) fn fault(
    function: &'static Function,
    call: &FnCallExpr,
    language: &Language,
    permissions: &Permissions,
) -> Option<(String, String)> {
    let asks = ivr::QUESTIONS.iter().any(|question| std::ptr::eq(*question, function));
    let computes =
        BUILTINS.iter().any(|builtin| std::ptr::eq(*builtin, function)) && is_shared_with_tests(function.name);
    if !(asks || computes) {
        return None;
    }
    let mut constants = Constants { text: String::new(), open: false };
    for (param, arg) in function.params.iter().zip(&call.args) {
        let separator = if constants.text.is_empty() { "" } else { ", " };
        let argument = match constant(arg) {
            Some(argument) => argument,
            None if computes => return None,
            None => constants.filled(param.kind, arg)?,
        };
        constants.text.push_str(separator);
        constants.text.push_str(&argument);
    }
    let name = function.name;
    let script = Script::compile("trial", &format!("{name}({});", constants.text), language).ok()?;
    let mut session = Session::begin(Box::new(NobodyThere)).ok()?;
    session.permit(Arc::new(permissions.clone()));
    let state = CallState::new(session, Vec::new(), BTreeMap::new(), 0, Limits::default(), None);
    let (Finished::Fault(fault), _) = state.run(&script, language) else { return None };
    let problem = fault.message.strip_prefix(name)?.strip_prefix(": ")?;
    let parameter = problem.split('`').nth(1).unwrap_or_default();
    // A limit such as `max` may be among the options that aren't known.
    if constants.open && parameter == "options" {
        return None;
    }
    Some((parameter.to_owned(), fault.message.clone()))
}

impl Constants {
    /// Returns an argument in which what isn't constant is replaced by something that is accepted.
    fn filled(&mut self, kind: Kind, arg: &Expr) -> Option<String> {
        Some(match (kind, arg) {
            (Kind::Parts, _) => parts(arg),
            (Kind::Choices, Expr::Map(map, _)) => {
                let entry = |(at, (key, value)): (usize, &(rhai::Ident, Expr))| {
                    format!("{}: {}", literal(key.as_str()), choice(at, value))
                };
                let entries: Vec<String> = map.0.iter().enumerate().map(entry).collect();
                format!("#{{ {} }}", entries.join(", "))
            }
            (Kind::Choices, _) => "#{ \"1\": () }".to_owned(),
            (Kind::Options(options), Expr::Map(map, _)) => {
                let mut entries = Vec::new();
                for (name, value) in &map.0 {
                    let is_parts = options.iter().any(|o| o.name == name.as_str() && o.kind == Kind::Parts);
                    match constant(value) {
                        Some(value) => entries.push(format!("{}: {value}", literal(name.as_str()))),
                        None if is_parts => entries.push(format!("{}: {}", literal(name.as_str()), parts(value))),
                        None => self.open = true,
                    }
                }
                format!("#{{ {} }}", entries.join(", "))
            }
            (Kind::Options(_), _) => "#{}".to_owned(),
            (Kind::Keys | Kind::DialOptions, _) => "\"\"".to_owned(),
            (Kind::Seconds, _) => "1".to_owned(),
            (Kind::DialTarget, _) => "\"PJSIP/1\"".to_owned(),
            _ => return None,
        })
    }
}

/// Returns an expression as a script writes it, if it is a constant or a closure.
fn constant(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::StringConstant(text, _) => literal(text),
        Expr::CharConstant(letter, _) => literal(&letter.to_string()),
        Expr::IntegerConstant(number, _) => format!("({number})"),
        Expr::FloatConstant(number, _) => format!("({:?})", **number),
        Expr::BoolConstant(flag, _) => flag.to_string(),
        Expr::Unit(_) => "()".to_owned(),
        Expr::Array(items, _) => {
            let items: Vec<String> = items.iter().map(constant).collect::<Option<_>>()?;
            format!("[{}]", items.join(", "))
        }
        Expr::Map(map, _) => {
            // Which phrases there are is another rule's matter.
            if map.0.iter().any(|(name, _)| name.as_str() == "phrase") {
                return None;
            }
            let entry =
                |(name, value): &(rhai::Ident, Expr)| Some(format!("{}: {}", literal(name.as_str()), constant(value)?));
            let entries: Vec<String> = map.0.iter().map(entry).collect::<Option<_>>()?;
            format!("#{{ {} }}", entries.join(", "))
        }
        Expr::Stmt(block) if closure(block).is_some() => "|| ()".to_owned(),
        other if pointer(other).is_some() => "|| ()".to_owned(),
        // Minus one is a call of `-`.
        Expr::FnCall(call, _) if call.name == "-" && call.op_token.is_some() && call.args.len() == 1 => {
            format!("(-{})", constant(&call.args[0])?)
        }
        _ => return None,
    })
}

/// Returns a choice of a menu, the one with this number, in which what isn't constant is replaced by something that is
/// accepted.
fn choice(number: usize, value: &Expr) -> String {
    if let Some(value) = constant(value) {
        return value;
    }
    match value {
        Expr::Map(map, _) => {
            let member = |(name, value): &(rhai::Ident, Expr)| {
                let accepted = if name.as_str() == "words" { format!("\"word {number}\"") } else { "()".to_owned() };
                format!("{}: {}", literal(name.as_str()), constant(value).unwrap_or(accepted))
            };
            format!("#{{ {} }}", map.0.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        _ => "()".to_owned(),
    }
}

/// Whether these are parts that a trial would accept: names of sound files, and what isn't constant.
pub(super) fn are_plain_parts(expr: &Expr) -> bool {
    let is_plain = |part: &Expr| match part {
        Expr::StringConstant(text, _) => text.len() <= 80 && !text.contains(char::is_control),
        other => !matches!(other, Expr::Array(..)) && constant(other).is_none(),
    };
    matches!(expr, Expr::Array(parts, _) if parts.len() <= 80 && parts.iter().all(is_plain))
}

/// Returns parts with an empty text, which is never said, in place of those that aren't constant.
fn parts(expr: &Expr) -> String {
    match expr {
        Expr::Array(items, _) => {
            let items: Vec<String> = items.iter().map(parts).collect();
            format!("[{}]", items.join(", "))
        }
        other => constant(other).unwrap_or_else(|| "\"\"".to_owned()),
    }
}
