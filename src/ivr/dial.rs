//! `dial`: calls somebody, and connects the caller.

use super::prompter::{Prompter, ScriptResult};
use crate::command::{EXEC, GET_VARIABLE, Kind, Value};
use crate::script::{dynamic, value};
use rhai::Dynamic;

pub(super) fn dial(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let text = |at: usize, name: &'static str, usual: &str| match args.get(at).map(|given| value(given)) {
        None => Ok(usual.to_owned()),
        Some(Value::Text(text)) => Ok(text),
        Some(other) => {
            Err(prompter.bad_argument(name, format_args!("`{name}` must be a text, not {}", other.type_name())))
        }
    };
    let target = text(0, "target", "")?;
    if target.trim().is_empty() {
        return Err(prompter.bad_argument("target", "`target` must not be empty: \"PJSIP/200\", for instance"));
    }
    let seconds = match args.get(1).map(|given| value(given)) {
        None => Some(30),
        Some(Value::Int(seconds)) => Some(seconds),
        Some(Value::Float(seconds)) => whole_seconds(seconds),
        Some(Value::Text(text)) => text.trim().parse().ok().and_then(whole_seconds),
        Some(_) => None,
    };
    let Some(seconds) = seconds.filter(|seconds| *seconds >= 1) else {
        return Err(prompter.bad_argument("seconds", "`seconds` must be a number of seconds, 1 or more"));
    };
    let mut options = text(2, "options", "")?;
    if !has_option(&options, 'g') {
        options.push('g');
    }
    // Refused in the name of this function, since the script didn't call `exec`.
    let refused = |name: &'static str, kind: Kind, given: &str, rest: &str| {
        let problem = prompter.call.with_session(|session| session.permissions().refuses(kind, given, rest))?;
        problem.map_or(Ok(()), |problem| Err(prompter.bad_argument(name, format_args!("`{name}` {problem}"))))
    };
    refused("target", Kind::Application, "Dial", &target)?;
    refused("options", Kind::DialOptions, &options, "")?;
    let args = [Value::from("Dial"), Value::Text(target), Value::Int(seconds), Value::Text(options)];
    prompter.invoke(&EXEC, &args)?;
    Ok(dynamic(prompter.invoke(&GET_VARIABLE, &[Value::from("DIALSTATUS")])?))
}

#[expect(clippy::cast_possible_truncation, reason = "within the bounds of what Dial takes")]
fn whole_seconds(seconds: f64) -> Option<i64> {
    (seconds > 0.0).then(|| seconds.ceil().min(f64::from(i32::MAX)) as i64)
}

/// Whether Dial's options contain this letter outside the parentheses of another option.
fn has_option(options: &str, letter: char) -> bool {
    let mut depth = 0_usize;
    options.chars().any(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c == letter
    })
}
