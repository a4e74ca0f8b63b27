//! Calls out: a file for Asterisk's spool folder, which Asterisk turns into a call, or an `Originate` over a manager
//! connection.
//!
//! Asterisk reads such a file line by line, 255 bytes at most, and takes `;` and a `#` behind a blank for the beginning
//! of a comment. So every value is checked: none can bring another line. A manager gets the same values, so that a
//! script doesn't notice which of the two it is, but for what only a file can do.

use super::manager::Login;
#[cfg(unix)]
use super::manager::NoConnection;
use super::patterns::matches;
use super::settings::{CallOutSettings, ManagerSettings};
use super::spool::{CallFile, spool_in};
use super::unique::unique;
use crate::agi::printable;
use crate::clock::wall;
use crate::transport::{Answer, Failure, Request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The longest line that Asterisk reads in one piece, with room to spare.
const MAX_LINE: usize = 250;
/// The largest number of variables. An action of the manager has 128 lines at most.
const MAX_VARIABLES: usize = 100;
/// What runs a script unless the operator says otherwise: this program, as the dialplan names it.
const AGI: &str = "agi-rhai";
/// The context of the dialplan that runs the script of a call over a manager, unless the operator says otherwise.
const SCRIPT_CONTEXT: &str = "agi-rhai-out";
/// The variable that names the script there.
const SCRIPT: &str = "AGI_RHAI_SCRIPT";
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
    targets: Vec<String>,
    way: Way,
}

/// How Asterisk is told.
enum Way {
    /// By call files in a folder, with what runs a script.
    Spool(PathBuf, String),
    Manager(Manager),
}

/// A manager that makes calls.
struct Manager {
    name: String,
    login: Login,
    /// The context of the dialplan that runs scripts.
    script_context: String,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spool(folder, agi) => f.debug_tuple("Spool").field(folder).field(agi).finish(),
            Self::Manager(manager) => f.debug_tuple("Manager").field(&manager.name).finish(),
        }
    }
}

/// A request whose values have been checked.
#[derive(Debug)]
struct Order<'a> {
    target: &'a str,
    callerid: Option<&'a str>,
    wait: i64,
    retries: i64,
    then: Then<'a>,
    /// Each as `NAME=value`.
    variables: Vec<String>,
    /// When to call, in seconds since the Unix epoch; at once if there is none.
    at: Option<i64>,
}

/// What happens when somebody answers.
#[derive(Debug)]
enum Then<'a> {
    Script(&'a str),
    Dialplan { context: &'a str, extension: &'a str, priority: u16 },
}

/// Checks a request as far as that doesn't depend on the operator's settings.
///
/// # Errors
/// Nobody would be called.
pub(super) fn check(request: &Request) -> Result<(), Failure> {
    let targets = ["*", "Local/*"].map(str::to_owned);
    Order::of(request, &targets)?.file(AGI).map(drop)
}

/// Checks the settings, as far as they don't name a manager.
///
/// # Errors
/// Nobody could be called with them.
pub(super) fn check_settings(settings: &CallOutSettings) -> Result<(), Failure> {
    let agi = settings.agi.as_deref().unwrap_or(AGI);
    if agi.contains(char::is_control) || agi.contains([';', '#']) {
        return Err(Failure::argument("its `agi` in agi-rhai.toml is no program and no address"));
    }
    word("script_context", settings.script_context.as_deref().unwrap_or(SCRIPT_CONTEXT)).map(drop)
}

/// Says that an option of a request is for call files only.
pub(super) fn needs_spool(option: &str) -> String {
    format!("`{option}` needs a `spool` in `[callout]`: a `manager` calls at once, and once")
}

impl CallOut {
    /// Creates a client with these settings.
    pub fn new(settings: &CallOutSettings, managers: &BTreeMap<String, ManagerSettings>) -> Result<Self, Failure> {
        check_settings(settings)?;
        let way = match (&settings.spool, &settings.manager) {
            (Some(spool), None) => Way::Spool(spool.clone(), settings.agi.clone().unwrap_or_else(|| AGI.to_owned())),
            (None, Some(name)) => {
                let none = || Failure::argument(format!("agi-rhai.toml has no `[manager.{}]`", printable(name)));
                let login = Login::new(managers.get(name).ok_or_else(none)?)?;
                let script_context = settings.script_context.clone().unwrap_or_else(|| SCRIPT_CONTEXT.to_owned());
                Way::Manager(Manager { name: name.clone(), login, script_context })
            }
            _ => return Err(Failure::argument("`[callout]` has either a `spool` or a `manager`")),
        };
        Ok(Self { targets: settings.targets.clone(), way })
    }

    /// Answers a request with the name of the call file, or the unique id of the channel that calls.
    pub async fn answer(&self, request: &Request) -> Answer {
        let order = Order::of(request, &self.targets)?;
        match &self.way {
            Way::Spool(folder, agi) => spool(folder, order.file(agi)?).await,
            Way::Manager(manager) => manager.originate(&order).await,
        }
    }
}

impl<'a> Order<'a> {
    /// Checks every value of a request.
    fn of(request: &'a Request, targets: &[String]) -> Result<Self, Failure> {
        let target = checked("Channel", check_target(request.text("target"), targets)?)?;
        let callerid = request.argument("callerid").as_str().map(|callerid| checked("CallerID", callerid));
        let then = match (request.argument("script"), request.argument("context")) {
            (Value::String(script), Value::Null) => {
                if ["extension", "priority"].iter().any(|name| !request.argument(name).is_null()) {
                    return Err(Failure::argument("`extension` and `priority` go with `context`, not with `script`"));
                }
                let is_fine = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
                if script.is_empty() || !script.chars().all(is_fine) || script.starts_with('-') {
                    return Err(Failure::argument(format!("`{}` isn't the name of a script", printable(script))));
                }
                Then::Script(checked("script", script)?)
            }
            (Value::Null, Value::String(context)) => {
                let extension = request.argument("extension").as_str().unwrap_or("s");
                let priority = request.argument("priority");
                let priority = priority.as_str().map_or_else(|| priority.to_string(), str::to_owned);
                let priority = if priority == "null" { "1" } else { &priority };
                let number = priority.parse().ok().filter(|priority| *priority > 0);
                let no_label = "`priority` must be a number: Asterisk's call files know no labels";
                Then::Dialplan {
                    context: checked("context", word("context", context)?)?,
                    extension: checked("extension", word("extension", extension)?)?,
                    priority: number.ok_or_else(|| Failure::argument(no_label))?,
                }
            }
            _ => {
                return Err(Failure::argument(
                    "either `script` or `context` must say what happens when somebody answers",
                ));
            }
        };
        Ok(Self {
            target,
            callerid: callerid.transpose()?,
            wait: number(request, "wait", WAIT, 1..=MAX_WAIT)?,
            retries: number(request, "retries", 0, 0..=MAX_RETRIES)?,
            then,
            variables: variables(request.argument("variables"))?,
            at: moment(request.argument("at"))?,
        })
    }

    /// Writes a call file, with this to run a script.
    fn file(&self, agi: &str) -> Result<CallFile, Failure> {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| text.extend([key, ": ", &value.replace(';', "\\;"), "\n"]);
        line("Channel", self.target);
        if let Some(callerid) = self.callerid {
            line("CallerID", callerid);
        }
        line("WaitTime", &self.wait.to_string());
        line("MaxRetries", &self.retries.to_string());
        match self.then {
            Then::Script(script) => {
                line("Application", "AGI");
                line("Data", checked("Data", &run_by(agi, script))?);
            }
            Then::Dialplan { context, extension, priority } => {
                line("Context", context);
                line("Extension", extension);
                line("Priority", &priority.to_string());
            }
        }
        self.variables.iter().for_each(|variable| line("Setvar", variable));
        Ok(CallFile { text, at: self.at })
    }

    /// Returns the headers of an `Originate`, for a channel with this unique id.
    fn headers(&self, script_context: &str, id: &str) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
        let beyond = [("at", self.at.is_some()), ("retries", self.retries > 0)];
        if let Some((option, _)) = beyond.iter().find(|(_, is_given)| *is_given) {
            return Err(Failure::argument(needs_spool(option)));
        }
        let mut headers = Vec::new();
        let mut add = |name, value: &str| headers.push((name, value.as_bytes().to_vec()));
        add("Channel", self.target);
        add("ChannelId", id);
        if let Some(callerid) = self.callerid {
            add("CallerID", callerid);
        }
        add("Timeout", &(self.wait * 1000).to_string());
        add("Async", "true");
        let (context, extension, priority) = match self.then {
            // The application AGI itself would need the right `system`, which lets its owner run any program.
            Then::Script(_) => (script_context, "s", 1),
            Then::Dialplan { context, extension, priority } => (context, extension, priority),
        };
        add("Context", context);
        add("Exten", extension);
        add("Priority", &priority.to_string());
        if let Then::Script(script) = self.then {
            if self.variables.iter().any(|variable| variable.starts_with(&format!("{SCRIPT}="))) {
                return Err(Failure::argument(format!("`{SCRIPT}` in `variables` is what names the `script`")));
            }
            add("Variable", &format!("{SCRIPT}={script}"));
        }
        self.variables.iter().for_each(|variable| add("Variable", &one_argument(variable)));
        Ok(headers)
    }
}

/// Returns what Asterisk's `AGI` gets to run a script.
fn run_by(agi: &str, script: &str) -> String {
    if agi.contains("://") {
        format!("{}/{}", agi.trim_end_matches('/'), script.trim_start_matches('/'))
    } else {
        // The shortcut of the program needs a name with a dot or a slash.
        format!("{agi},{script}")
    }
}

/// Escapes what would end a value: the manager splits variables at commas, as the arguments of an application.
fn one_argument(text: &str) -> String {
    let special = |c: char| matches!(c, '\\' | '"' | ',' | '(' | ')' | '[' | ']');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

impl Manager {
    /// Has Asterisk call, over a connection of its own: those are rare, and one that is kept may be dead when it is
    /// needed, with no way to tell whether the call was made.
    #[cfg(unix)]
    async fn originate(&self, order: &Order<'_>) -> Answer {
        let name = &self.name;
        let id = format!("agi-rhai-{}", unique());
        let headers = order.headers(&self.script_context, &id)?;
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, &value[..])).collect();
        let mut connection = self.login.connect_without_events().await.map_err(|why| {
            Failure::unavailable(match why {
                NoConnection::Unreachable(why) => format!("no connection to `manager.{name}`: {why}"),
                NoConnection::Refused(why) => format!("`manager.{name}`: {why}"),
            })
        })?;
        let said = connection.ask("Originate", &headers).await.map_err(|error| {
            let text = "the connection to `manager.{name}` broke, and whether somebody is called isn't known";
            Failure::unavailable(format!("{}: {error}", text.replace("{name}", name)))
        })?;
        said.map(|_| id.into()).map_err(|why| self.refusal(order, &why))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_async, clippy::unused_self, reason = "as where there are sockets")]
    async fn originate(&self, _: &Order<'_>) -> Answer {
        Err(Failure::unavailable("no manager can be reached here"))
    }

    /// Explains why Asterisk makes no call.
    fn refusal(&self, order: &Order<'_>, why: &str) -> Failure {
        let name = &self.name;
        if why.contains("shutting down") {
            return Failure::unavailable(format!("`manager.{name}`: {why}"));
        }
        if why.contains("Permission denied") {
            let right = "`write = originate` in manager.conf allows that";
            return Failure::argument(format!("the user of `manager.{name}` may not make calls: {right}"));
        }
        if !why.contains("Extension does not exist") {
            return Failure::failed(format!("`manager.{name}` doesn't make the call: {why}"));
        }
        Failure::argument(match order.then {
            Then::Script(_) => {
                let context = &self.script_context;
                format!("`manager.{name}`: its dialplan has no `s` in `[{context}]`, which would run the script")
            }
            Then::Dialplan { context, extension, priority } => {
                format!("`manager.{name}`: its dialplan has no `{extension}` in `[{context}]` at priority {priority}")
            }
        })
    }
}

/// Puts a call file into Asterisk's folder. Returns its name.
async fn spool(folder: &Path, file: CallFile) -> Answer {
    let (spool, name) = (folder.to_owned(), format!("agi-rhai-{}.call", unique()));
    let id = name.clone();
    let writing = tokio::task::spawn_blocking(move || spool_in(&spool, &name, &file));
    let written = writing.await.unwrap_or_else(|_| Err(io::Error::other("no thread to write it")));
    written.map_err(|error| {
        let spool = folder.display().to_string();
        Failure::unavailable(format!("no call file can be written for `{}`: {error}", printable(&spool)))
    })?;
    Ok(id.into())
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

/// Checks a value: it is one that fits a line of a call file.
fn checked<'a>(key: &str, value: &'a str) -> Result<&'a str, Failure> {
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
    // A `;` is escaped.
    if format!("{key}: {value}\n").len() + value.matches(';').count() > MAX_LINE {
        return Err(Failure::argument(format!("{key} is too long: Asterisk reads {MAX_LINE} bytes at most")));
    }
    Ok(value)
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

/// Returns the variables of the call, each as `NAME=value`.
fn variables(given: &Value) -> Result<Vec<String>, Failure> {
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
            let variable = format!("{name}={value}");
            checked("Setvar", &variable)?;
            Ok(variable)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::FailureKind;
    use serde_json::json;

    fn order(request: &Request) -> Result<Order<'_>, Failure> {
        Order::of(request, &["PJSIP/*", "*@trunk", "Local/1*@wakeup"].map(str::to_owned))
    }

    fn file(target: &str, options: &Value) -> Result<CallFile, Failure> {
        order(&request(target, options))?.file(AGI)
    }

    /// The lines of the action without those that are always the same.
    fn action(options: &Value) -> Result<String, Failure> {
        let request = request("PJSIP/12", options);
        let headers = order(&request)?.headers(SCRIPT_CONTEXT, "id")?;
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, &value[..])).collect();
        let text = String::from_utf8(crate::agi::manager::action("Originate", &headers)).unwrap();
        let text = text.replace("\r\n", "\n");
        Ok(text.strip_prefix("Action: Originate\nChannel: PJSIP/12\nChannelId: id\n").unwrap().to_owned())
    }

    fn request(target: &str, options: &Value) -> Request {
        let mut request = Request::new("call_out", "").with("target", target);
        request.arguments.extend(options.as_object().cloned().unwrap_or_default());
        request
    }

    #[track_caller]
    fn refused(target: &str, options: &Value, because: &str) {
        let failure = file(target, options).expect_err("it is refused");
        assert!(failure.message.contains(because), "{failure}");
    }

    #[test]
    fn a_call_file_says_everything_in_lines_that_asterisk_reads() {
        let options = json!({
            "script": "wakeup.rhai", "callerid": "\"Hotel; front\" <100>", "wait": 20, "retries": 2,
            "variables": { "ROOM": 12, "NAME": "Zoë; #1" },
        });
        let made = file("PJSIP/12", &options).expect_err("a comment in a variable");
        assert!(made.message.contains("comment"));
        let options = json!({
            "script": "wakeup.rhai", "callerid": "\"Hotel; front\" <100>", "wait": 20.0, "retries": 2,
            "variables": { "ROOM": 12, "NAME": "Zoë; 1" },
        });
        let made = file("PJSIP/12", &options).unwrap();
        assert_eq!(
            made.text,
            "Channel: PJSIP/12\nCallerID: \"Hotel\\; front\" <100>\nWaitTime: 20\nMaxRetries: 2\nApplication: AGI\n\
             Data: agi-rhai,wakeup.rhai\nSetvar: NAME=Zoë\\; 1\nSetvar: ROOM=12\n"
        );
        assert_eq!(made.at, None);
        let made = file("PJSIP/12", &json!({ "context": "day", "at": 1 })).unwrap();
        assert!(made.text.ends_with("Context: day\nExtension: s\nPriority: 1\n"), "{}", made.text);
        assert_eq!(made.at, None, "a moment in the past is now");
        assert_eq!(run_by("agi://127.0.0.1/", "games/guess"), "agi://127.0.0.1/games/guess");
    }

    #[test]
    fn only_single_channels_that_the_operator_allows_are_called() {
        let script = || json!({ "script": "a.rhai" });
        for target in ["PJSIP/1", "SIP/1@trunk", "Local/12@wakeup", "Local/12@wakeup"] {
            file(target, &script()).unwrap();
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

    #[test]
    fn an_originate_says_the_same_in_headers_that_hold_one_value_each() {
        let options = json!({
            "script": "wakeup.rhai", "callerid": "\"Hotel; front\" <100>", "wait": 20.0, "retries": 0, "at": 1,
            "variables": { "ROOM": 12, "NAME": "Zoë, \"[1]\" \\ (x,y=${z}" },
        });
        assert_eq!(
            action(&options).unwrap(),
            "CallerID: \"Hotel; front\" <100>\nTimeout: 20000\nAsync: true\nContext: agi-rhai-out\nExten: s\n\
             Priority: 1\nVariable: AGI_RHAI_SCRIPT=wakeup.rhai\n\
             Variable: NAME=Zoë\\, \\\"\\[1\\]\\\" \\\\ \\(x\\,y=${z}\nVariable: ROOM=12\n\n"
        );
        let options = json!({ "context": "day", "extension": "100", "priority": 2 });
        assert_eq!(action(&options).unwrap(), "Timeout: 45000\nAsync: true\nContext: day\nExten: 100\nPriority: 2\n\n");
    }

    #[test]
    fn no_value_brings_a_header_of_its_own() {
        for options in [
            json!({ "script": "a.rhai", "callerid": "a\r\nApplication: System" }),
            json!({ "script": "a.rhai", "callerid": "a\nApplication: System" }),
            json!({ "script": "a.rhai\r\nApplication: System" }),
            json!({ "context": "a", "extension": "1\r\nApplication: System" }),
            json!({ "context": "a\nApplication: System" }),
            json!({ "context": "a", "priority": "1\nApplication: System" }),
            json!({ "context": "a", "variables": { "A": "1\r\nApplication: System" } }),
            json!({ "context": "a", "variables": { "A\r\nApplication": "System" } }),
            json!({ "context": "a", "variables": { "A=1,SHELL(ls)": "1" } }),
        ] {
            assert_eq!(action(&options).map_err(|failure| failure.kind), Err(FailureKind::Argument), "{options}");
        }
    }

    #[test]
    fn what_only_a_call_file_can_do_is_refused_over_a_manager() {
        let soon = wall().since_epoch().as_secs() + 100;
        for (options, because) in [
            (json!({ "script": "a.rhai", "at": soon }), "`at` needs a `spool`"),
            (json!({ "script": "a.rhai", "retries": 1 }), "`retries` needs a `spool`"),
            (json!({ "script": "a.rhai", "variables": { "AGI_RHAI_SCRIPT": "b" } }), "names the `script`"),
        ] {
            let failure = action(&options).expect_err("it is refused");
            assert!(failure.kind == FailureKind::Argument && failure.message.contains(because), "{failure}");
            file("PJSIP/12", &options).expect("a file can do it");
        }
    }
}
