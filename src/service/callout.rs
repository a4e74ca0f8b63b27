//! Calls out: a file for Asterisk's spool folder, which Asterisk turns into a call.
//!
//! Asterisk reads such a file line by line, 255 bytes at most, and takes `;` and a `#` behind a blank for the beginning
//! of a comment. So every value is checked: none can bring another line.

use super::patterns::matches;
use super::settings::CallOutSettings;
use super::spool::{CallFile, spool_in};
use super::unique::unique;
use crate::agi::printable;
use crate::clock::wall;
use crate::transport::{Answer, Failure, Request};
use serde_json::Value;
use std::io;
use std::path::PathBuf;

/// The longest line that Asterisk reads in one piece, with room to spare.
const MAX_LINE: usize = 250;
/// The largest number of variables.
const MAX_VARIABLES: usize = 100;
/// What runs a script unless the operator says otherwise: this program, as the dialplan names it.
const AGI: &str = "agi-rhai";
/// How long it rings unless the script says otherwise, in seconds: as in Asterisk.
const WAIT: i64 = 45;
/// The longest time that it may ring, in seconds.
const MAX_WAIT: i64 = 3600;
/// The largest number of further tries.
const MAX_RETRIES: i64 = 100;
/// The latest moment of a call: ten years from now, in seconds.
const MAX_AHEAD: i64 = 10 * 366 * 24 * 3600;

/// Makes Asterisk call somebody.
#[derive(Debug)]
pub(super) struct CallOut {
    spool: PathBuf,
    targets: Vec<String>,
    agi: String,
}

/// Checks a request as far as that doesn't depend on the operator's settings.
///
/// # Errors
/// Nobody would be called.
pub(super) fn check(request: &Request) -> Result<(), Failure> {
    let targets = ["*", "Local/*"].map(str::to_owned).to_vec();
    CallOut { spool: PathBuf::new(), targets, agi: AGI.to_owned() }.file(request).map(drop)
}

impl CallOut {
    /// Creates a client with these settings.
    pub fn new(settings: &CallOutSettings) -> Result<Self, Failure> {
        let agi = settings.agi.clone().unwrap_or_else(|| AGI.to_owned());
        if agi.contains(char::is_control) || agi.contains([';', '#']) {
            return Err(Failure::argument("its `agi` in agi-rhai.toml is no program and no address"));
        }
        Ok(Self { spool: settings.spool.clone(), targets: settings.targets.clone(), agi })
    }

    /// Answers a request with the name of the call file.
    pub async fn answer(&self, request: &Request) -> Answer {
        let file = self.file(request)?;
        let (spool, name) = (self.spool.clone(), format!("agi-rhai-{}.call", unique()));
        let id = name.clone();
        let writing = tokio::task::spawn_blocking(move || spool_in(&spool, &name, &file));
        let written = writing.await.unwrap_or_else(|_| Err(io::Error::other("no thread to write it")));
        written.map_err(|error| {
            let spool = self.spool.display().to_string();
            Failure::unavailable(format!("no call file can be written for `{}`: {error}", printable(&spool)))
        })?;
        Ok(id.into())
    }

    fn file(&self, request: &Request) -> Result<CallFile, Failure> {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| -> Result<(), Failure> {
            let line = format!("{key}: {}\n", written(key, value)?);
            if line.len() > MAX_LINE {
                return Err(Failure::argument(format!("{key} is too long: Asterisk reads {MAX_LINE} bytes at most")));
            }
            text.push_str(&line);
            Ok(())
        };
        line("Channel", check_target(request.text("target"), &self.targets)?)?;
        if let Some(callerid) = request.argument("callerid").as_str() {
            line("CallerID", callerid)?;
        }
        line("WaitTime", &number(request, "wait", WAIT, 1..=MAX_WAIT)?.to_string())?;
        line("MaxRetries", &number(request, "retries", 0, 0..=MAX_RETRIES)?.to_string())?;
        match (request.argument("script"), request.argument("context")) {
            (Value::String(script), Value::Null) => {
                if ["extension", "priority"].iter().any(|name| !request.argument(name).is_null()) {
                    return Err(Failure::argument("`extension` and `priority` go with `context`, not with `script`"));
                }
                line("Application", "AGI")?;
                line("Data", &self.agi_of(script)?)?;
            }
            (Value::Null, Value::String(context)) => {
                line("Context", word("context", context)?)?;
                let extension = request.argument("extension").as_str().unwrap_or("s");
                line("Extension", word("extension", extension)?)?;
                let priority = request.argument("priority");
                let priority = priority.as_str().map_or_else(|| priority.to_string(), str::to_owned);
                let priority = if priority == "null" { "1" } else { &priority };
                if !priority.parse::<u16>().is_ok_and(|priority| priority > 0) {
                    return Err(Failure::argument("`priority` must be a number: Asterisk's call files know no labels"));
                }
                line("Priority", priority)?;
            }
            _ => {
                return Err(Failure::argument(
                    "either `script` or `context` must say what happens when somebody answers",
                ));
            }
        }
        for (name, value) in variables(request.argument("variables"))? {
            line("Setvar", &format!("{name}={value}"))?;
        }
        Ok(CallFile { text, at: moment(request.argument("at"))? })
    }

    /// Returns what Asterisk's `AGI` gets to run a script.
    fn agi_of(&self, script: &str) -> Result<String, Failure> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if script.is_empty() || !script.chars().all(is_fine) || script.starts_with('-') {
            return Err(Failure::argument(format!("`{}` isn't the name of a script", printable(script))));
        }
        Ok(if self.agi.contains("://") {
            format!("{}/{}", self.agi.trim_end_matches('/'), script.trim_start_matches('/'))
        } else {
            // The shortcut of the program needs a name with a dot or a slash.
            format!("{},{script}", self.agi)
        })
    }
}

/// Checks whom to call, by the patterns of the operator.
pub(super) fn check_target<'a>(target: &'a str, allowed: &[String]) -> Result<&'a str, Failure> {
    let shown = printable(target);
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "/@.:+-_*#=~".contains(c);
    // `&` would call several, `,` and `|` begin options, and blanks aren't part of any channel.
    if let Some(wrong) = target.chars().find(|c| !is_fine(*c)) {
        let wrong = wrong.escape_default();
        return Err(Failure::argument(format!("`{shown}` isn't one channel such as `PJSIP/200`: it has a `{wrong}`")));
    }
    let is_channel = target.split_once('/').is_some_and(|(technology, rest)| {
        !rest.is_empty() && !technology.is_empty() && technology.chars().all(|c| c.is_ascii_alphanumeric())
    });
    if !is_channel {
        return Err(Failure::argument(format!("`{shown}` isn't a channel such as `PJSIP/200`")));
    }
    // A local channel runs dialplan: `*` alone doesn't mean to allow that.
    let is_local = |text: &str| text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("local/"));
    let allows = |pattern: &String| is_local(pattern) == is_local(target) && matches(pattern, target);
    if !allowed.iter().any(allows) {
        let problem = format!("`{shown}` may not be called: `targets` in agi-rhai.toml doesn't allow it");
        return Err(Failure::argument(problem));
    }
    Ok(target)
}

/// Checks a value, and returns it as Asterisk reads it.
fn written(key: &str, value: &str) -> Result<String, Failure> {
    let wrong = |problem: &str| Err(Failure::argument(format!("{key} {problem}: `{}`", printable(value))));
    if value.contains(char::is_control) {
        return wrong("must be one line, without control characters");
    }
    if value.starts_with('#') || value.contains(" #") {
        return wrong("can't hold a `#` at its start or behind a blank, where Asterisk takes it for a comment");
    }
    if value.trim() != value {
        return wrong("can't begin or end with a blank");
    }
    Ok(value.replace(';', "\\;"))
}

/// Checks a name in the dialplan.
fn word<'a>(name: &str, text: &'a str) -> Result<&'a str, Failure> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "_-.*#+".contains(c);
    if text.is_empty() || !text.chars().all(is_fine) {
        return Err(Failure::argument(format!("`{name}` can't be `{}`", printable(text))));
    }
    Ok(text)
}

/// Returns an option that is a whole number.
fn number(request: &Request, name: &str, default: i64, range: std::ops::RangeInclusive<i64>) -> Result<i64, Failure> {
    let given = match request.argument(name) {
        Value::Null => return Ok(default),
        given => whole(given),
    };
    given.filter(|given| range.contains(given)).ok_or_else(|| {
        Failure::argument(format!("`{name}` must be a whole number from {} to {}", range.start(), range.end()))
    })
}

/// Returns a number without its fraction.
fn whole(given: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "as seconds are cut off")]
    given.as_i64().or_else(|| given.as_f64().map(|given| given as i64))
}

/// Returns when to call; `None` for at once.
fn moment(at: &Value) -> Result<Option<i64>, Failure> {
    if at.is_null() {
        return Ok(None);
    }
    let now = i64::try_from(wall().since_epoch().as_secs()).unwrap_or(i64::MAX);
    match whole(at) {
        Some(at) if at <= now => Ok(None),
        Some(at) if at <= now.saturating_add(MAX_AHEAD) => Ok(Some(at)),
        Some(_) => Err(Failure::argument("`at` is more than ten years ahead")),
        None => Err(Failure::argument("`at` must be a moment as `time_at` returns it, in seconds since 1970")),
    }
}

/// Returns the variables of the call, as texts.
fn variables(given: &Value) -> Result<Vec<(&str, String)>, Failure> {
    let map = match given {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) => map,
        _ => return Err(Failure::argument("`variables` must be a map")),
    };
    if map.len() > MAX_VARIABLES {
        return Err(Failure::argument(format!("there are more than {MAX_VARIABLES} `variables`")));
    }
    map.iter()
        .map(|(name, value)| {
            // Anything else could be a function of the dialplan, which would then be called.
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_name {
                let problem = format!("`{}` in `variables` isn't the name of a variable", printable(name));
                return Err(Failure::argument(problem));
            }
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null => String::new(),
                _ => {
                    let problem = format!("`{}` in `variables` must be a text or a number", printable(name));
                    return Err(Failure::argument(problem));
                }
            };
            Ok((name.as_str(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client() -> CallOut {
        let targets = ["PJSIP/*", "*@trunk", "Local/1*@wakeup"].map(str::to_owned).to_vec();
        CallOut { spool: PathBuf::from("/nowhere"), targets, agi: "agi-rhai".to_owned() }
    }

    fn request(target: &str, options: &Value) -> Request {
        let mut request = Request::new("call_out", "").with("target", target);
        request.arguments.extend(options.as_object().cloned().unwrap_or_default());
        request
    }

    #[track_caller]
    fn refused(target: &str, options: &Value, because: &str) {
        let failure = client().file(&request(target, options)).expect_err("it is refused");
        assert!(failure.message.contains(because), "{failure}");
    }

    #[test]
    fn a_call_file_says_everything_in_lines_that_asterisk_reads() {
        let options = json!({
            "script": "wakeup.rhai", "callerid": "\"Hotel; front\" <100>", "wait": 20, "retries": 2,
            "variables": { "ROOM": 12, "NAME": "Zoë; #1" },
        });
        let file = client().file(&request("PJSIP/12", &options)).expect_err("a comment in a variable");
        assert!(file.message.contains("comment"));
        let options = json!({
            "script": "wakeup.rhai", "callerid": "\"Hotel; front\" <100>", "wait": 20.0, "retries": 2,
            "variables": { "ROOM": 12, "NAME": "Zoë; 1" },
        });
        let file = client().file(&request("PJSIP/12", &options)).unwrap();
        assert_eq!(
            file.text,
            "Channel: PJSIP/12\nCallerID: \"Hotel\\; front\" <100>\nWaitTime: 20\nMaxRetries: 2\nApplication: AGI\n\
             Data: agi-rhai,wakeup.rhai\nSetvar: NAME=Zoë\\; 1\nSetvar: ROOM=12\n"
        );
        assert_eq!(file.at, None);
        let file = client().file(&request("PJSIP/12", &json!({ "context": "day", "at": 1 }))).unwrap();
        assert!(file.text.ends_with("Context: day\nExtension: s\nPriority: 1\n"), "{}", file.text);
        assert_eq!(file.at, None, "a moment in the past is now");
        let served = CallOut { agi: "agi://127.0.0.1/".to_owned(), ..client() };
        assert_eq!(served.agi_of("games/guess").unwrap(), "agi://127.0.0.1/games/guess");
    }

    #[test]
    fn only_single_channels_that_the_operator_allows_are_called() {
        let script = || json!({ "script": "a.rhai" });
        for target in ["PJSIP/1", "SIP/1@trunk", "Local/12@wakeup", "Local/12@wakeup"] {
            client().file(&request(target, &script())).unwrap();
        }
        for target in ["SIP/1", "Local/1@trunk", "local/2@wakeup", "Local/1@wakeup/n", "DAHDI/1"] {
            refused(target, &script(), "doesn't allow it");
        }
        for target in ["PJSIP/1&SIP/2", "PJSIP/1,30", "PJSIP/1\nApplication: System", "PJSIP/1 ;", "PJSIP", "", "/1"] {
            refused(target, &script(), "channel");
        }
    }

    #[test]
    fn no_value_brings_a_line_of_its_own() {
        let with = |name: &str, value: Value| {
            let mut options = json!({ "script": "a.rhai" });
            options[name] = value;
            options
        };
        let long = "x".repeat(MAX_LINE);
        refused("PJSIP/1", &with("callerid", json!("a\nApplication: System")), "control characters");
        refused("PJSIP/1", &with("callerid", json!(long)), "too long");
        refused("PJSIP/1", &with("variables", json!({ "A": format!("{long}Application: System") })), "too long");
        refused("PJSIP/1", &with("variables", json!({ "SHELL(ls)": "1" })), "name of a variable");
        refused("PJSIP/1", &with("variables", json!({ "A": [1] })), "text or a number");
        refused("PJSIP/1", &with("script", json!("a.rhai,b")), "name of a script");
        refused("PJSIP/1", &with("context", json!("a")), "either");
        refused("PJSIP/1", &json!({ "context": "a,b" }), "can't be");
        refused("PJSIP/1", &json!({ "context": "a", "priority": "label" }), "number");
        refused("PJSIP/1", &with("wait", json!(0)), "from 1");
        refused("PJSIP/1", &with("retries", json!(1000)), "to 100");
        refused("PJSIP/1", &with("at", json!("tomorrow")), "`at`");
        refused("PJSIP/1", &json!({}), "either");
    }
}
