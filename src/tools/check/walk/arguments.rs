//! Arguments that a function accepts, but that were most likely meant otherwise.

use super::expressions::{literal, start};
use super::known::{Known, Later};
use super::walker::Walk;
use crate::calendar::TimeZone;
use crate::command::{Function, Kind, Param, Permissions, Type, Value};
use crate::script::nearest;
use crate::tools::check::ast::chosen;
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use crate::tools::check::trial;
use rhai::{Expr, FnCallExpr};

/// Fewer milliseconds than this are too short for a caller. One alone is a way to poll.
const SHORT_MS: std::ops::Range<i64> = 2..100;
/// From this many seconds on, milliseconds may be meant.
const LONG_SECONDS: i64 = 1000;

impl Walk<'_, '_, '_> {
    /// Reports an argument that is accepted, but hardly meant.
    pub(super) fn doubtful(&mut self, function: &'static Function, param: &'static Param, arg: &Expr) {
        if param.kind == Kind::Parts {
            self.zones_of_parts(function, arg);
        }
        // What computes with a zone reports it as a fault.
        if param.kind == Kind::TimeZone && self.known.command(function).is_some() {
            self.time_zone(function, arg);
        }
        let place = start(arg);
        if let Some(value) = literal(arg) {
            self.doubt(function, param, &value, place);
        } else if let Expr::Variable(name, ..) = arg
            && name.2.is_empty()
            && let Some(variable) = self.find(&name.1)
        {
            self.later.push(Later::Given { function, param, variable, place });
        }
    }

    pub(super) fn doubt(&mut self, function: &Function, param: &Param, value: &Value, at: Place) {
        if let Some((problem, hint)) = wrong_unit(param.kind, value) {
            let message = format!("{}: `{}` {problem}", function.name, param.name);
            self.add(&rules::WRONG_UNIT, at, message, Some(hint));
        }
        let Value::Text(text) = value else { return };
        if let Kind::Service(table) = param.kind {
            self.service(function, table, text, at);
        }
        let doubt = match param.kind {
            // What looks like a function is reported as one that isn't allowed.
            Kind::Read if !text.contains('(') => {
                inside(text).map(|name| (format!("there is no variable \"{text}\""), format!("write \"{name}\"")))
            }
            Kind::Expression if !text.contains('$') && !text.is_empty() => Some((
                format!("there is nothing to evaluate in \"{text}\""),
                format!("write \"${{{text}}}\", or `get_variable(\"{text}\")`"),
            )),
            Kind::DialTarget => without_technology(text),
            _ => None,
        };
        if let Some((message, hint)) = doubt {
            self.add(&rules::DIALPLAN_SYNTAX, at, message, Some(hint));
        }
    }

    /// Reports a service that the operator's file hasn't, or of which scripts may not ask this.
    fn service(&mut self, function: &Function, table: &str, name: &str, at: Place) {
        let Some(services) = &self.checker.services else { return };
        let settings = services.settings();
        let names = settings.names_in(table);
        if !names.contains(&name) {
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if names.is_empty() => format!("it names none of the kind: `[{table}.NAME]`"),
                None => format!("it names {}", names.join(", ")),
            };
            let message = format!("{}: agi-rhai.toml has no `[{table}.{name}]`", function.name);
            self.add(&rules::UNKNOWN_SERVICE, at, message, Some(hint));
        } else if let Some((message, hint)) = settings.refuses(function.name, table, name) {
            self.add(&rules::UNKNOWN_SERVICE, at, format!("{}: {message}", function.name), hint);
        }
    }

    /// Reports the unknown time zones of dates among these parts.
    fn zones_of_parts(&mut self, function: &Function, parts: &Expr) {
        match parts {
            Expr::Array(parts, _) => parts.iter().for_each(|part| self.zones_of_parts(function, part)),
            Expr::Map(map, _) if map.0.iter().any(|(name, _)| name.as_str() == "date") => {
                if let Some((_, zone)) = map.0.iter().find(|(name, _)| name.as_str() == "zone") {
                    self.time_zone(function, zone);
                }
            }
            _ => {}
        }
    }

    fn time_zone(&mut self, function: &Function, arg: &Expr) {
        let Expr::StringConstant(zone, position) = arg else { return };
        if zone.is_empty() || TimeZone::is_known(zone) {
            return;
        }
        let message = format!("{}: there is no time zone \"{zone}\": Asterisk takes UTC", function.name);
        let names = TimeZone::names();
        let near = nearest(zone, names.iter().map(String::as_str));
        // People write the city alone.
        let city =
            || names.iter().find(|name| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(zone)));
        let hint = near.or_else(|| city().map(String::as_str)).map(|near| format!("did you mean \"{near}\"?"));
        self.add(&rules::UNKNOWN_TIME_ZONE, place(*position), message, hint);
    }

    /// Reports a call of the application Dial with a target that it can't call.
    pub(super) fn dial_target(&mut self, function: &Function, call: &FnCallExpr) {
        if let (Some(Kind::Application), [Expr::StringConstant(name, _), Expr::StringConstant(target, position), ..]) =
            (function.params.first().map(|param| param.kind), &call.args[..])
            && name.eq_ignore_ascii_case("dial")
            && let Some((message, hint)) = without_technology(target.split(',').next().unwrap_or_default())
        {
            self.add(&rules::DIALPLAN_SYNTAX, place(*position), message, Some(hint));
        }
    }

    /// Reports constants that the function itself refuses when it is called with them, unless errors in its arguments
    /// have been reported already.
    pub(super) fn trial(&mut self, function: &'static Function, call: &FnCallExpr, told: bool) {
        // Texts alone have been checked by the kind of the parameter.
        let is_plain = |(at, arg): (usize, &Expr)| match arg {
            Expr::StringConstant(text, _) => !text.is_empty(),
            Expr::Variable(..) => true,
            arg => {
                function.params.get(at).is_some_and(|param| param.kind == Kind::Parts) && trial::are_plain_parts(arg)
            }
        };
        if told || call.args.iter().enumerate().all(is_plain) {
            return;
        }
        let language = self.checker.language(self.path);
        let fault = |permissions: &Permissions| trial::fault(function, call, language, permissions);
        let Some((parameter, message)) = fault(&self.checker.permissions) else { return };
        let mut everything = Permissions::default();
        everything.allowed.push("*".to_owned());
        let is_forbidden = fault(&everything).is_none();
        let at = function.params.iter().position(|param| param.name == parameter).and_then(|at| call.args.get(at));
        let option = call.args.iter().find_map(|arg| match arg {
            Expr::Map(map, _) => map.0.iter().find(|(name, _)| name.as_str() == parameter).map(|(_, value)| value),
            _ => None,
        });
        let Some(at) = at.or(option).or(call.args.first()) else { return };
        // The message names what would be right after a second colon.
        let rule = if is_forbidden { &rules::NOT_ALLOWED } else { &rules::BAD_ARGUMENT };
        self.add(rule, start(at), message, None);
    }

    /// Walks over the arguments of a call.
    pub(super) fn call_arguments(&mut self, call: &FnCallExpr) -> Vec<(Known, Place)> {
        let function = self.known.declared(&call.name);
        let choices = function.and_then(|f| f.params.iter().position(|param| param.kind == Kind::Choices));
        let mut args = Vec::with_capacity(call.args.len());
        for (at, arg) in call.args.iter().enumerate() {
            let known = match arg {
                // A call among the choices of a menu is a mistake of its own.
                Expr::Map(map, _) if choices == Some(at) => {
                    for (_, value) in &map.0 {
                        self.choice(value);
                    }
                    Known::As(Type::Map)
                }
                _ => self.used(arg),
            };
            args.push((known, start(arg)));
        }
        args
    }

    fn choice(&mut self, value: &Expr) {
        let chosen = chosen(value);
        match value {
            Expr::Map(map, _) if !std::ptr::eq(chosen, value) => {
                for (_, member) in &map.0 {
                    if std::ptr::eq(member, chosen) {
                        self.expr(member);
                    } else {
                        self.used(member);
                    }
                }
            }
            value => {
                self.expr(value);
            }
        }
    }

    /// Reports choices of a menu that are calls: they run before the menu, and not when they are chosen.
    pub(super) fn early(&mut self, function: &Function, call: &FnCallExpr) {
        for (param, arg) in function.params.iter().zip(&call.args) {
            let (Kind::Choices, Expr::Map(map, _)) = (param.kind, arg) else { continue };
            for (key, value) in &map.0 {
                if let Expr::FnCall(call, position) = chosen(value)
                    && self.flow.acts(call)
                {
                    let name = call.name.as_str();
                    let message =
                        format!("`{name}` is called before the menu, not when \"{}\" is chosen", key.as_str());
                    let hint = format!("make it a function: `|| {name}(...)`");
                    self.add(&rules::EARLY_CALL, place(*position), message, Some(hint));
                }
            }
        }
    }

    /// Notes the texts that an operator compares with.
    pub(super) fn matched(&mut self, call: &FnCallExpr, known: &[Known]) {
        let ([left, right], [of_left, of_right]) = (&call.args[..], known) else { return };
        let pairs = match (call.name.as_str(), left, right) {
            ("==" | "!=", constant @ Expr::StringConstant(..), _) => vec![(of_right, constant)],
            ("==" | "!=", _, constant @ Expr::StringConstant(..)) => vec![(of_left, constant)],
            // `x in array`
            ("contains", Expr::Array(items, _), _) => items.iter().map(|item| (of_right, item)).collect(),
            _ => return,
        };
        for (value, constant) in pairs {
            if let Expr::StringConstant(text, position) = constant {
                self.later.push(Later::Matched { value: *value, text: text.to_string(), place: place(*position) });
            }
        }
    }
}

/// Returns what is wrong with a time that was most likely given in another unit, and what to write instead.
fn wrong_unit(kind: Kind, value: &Value) -> Option<(String, String)> {
    let number = match value {
        Value::Int(number) => *number,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    match kind {
        Kind::Millis(..) if SHORT_MS.contains(&number) => {
            let problem = format!("counts milliseconds, and {number} of them are next to nothing");
            let seconds = if number == 1 { "second" } else { "seconds" };
            Some((problem, format!("write {} for {number} {seconds}", number * 1000)))
        }
        // Half an hour and its multiples may well be meant.
        Kind::Seconds | Kind::WholeSeconds(..) if number >= LONG_SECONDS && number % 500 == 0 && number % 1800 != 0 => {
            let minutes = number / 60;
            let seconds = match (number % 1000, kind) {
                (0, _) => (number / 1000).to_string(),
                (_, Kind::Seconds) => format!("{}.5", number / 1000),
                _ => (number / 1000 + 1).to_string(),
            };
            let plural = if seconds == "1" { "second" } else { "seconds" };
            Some((
                format!("counts seconds: {number} are {minutes} minutes"),
                format!("write {seconds} for {seconds} {plural}"),
            ))
        }
        _ => None,
    }
}

/// Returns what is inside `${...}`.
fn inside(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

/// Returns what is wrong with a target of Dial that has no technology.
fn without_technology(target: &str) -> Option<(String, String)> {
    let bare = target.split('&').map(str::trim).find(|one| !one.contains(['/', '$']) && !one.is_empty())?;
    let message = format!("Dial calls nobody: \"{bare}\" has no technology");
    Some((message, format!("write the technology before it, such as \"PJSIP/{bare}\"")))
}

/// Returns how to write what is given as one word, as in the dialplan, but must be given otherwise.
pub(super) fn in_one_word(kind: Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Application => {
            let (name, rest) = text.trim().split_once('(')?;
            let arguments = rest.strip_suffix(')').unwrap_or(rest);
            let known = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
            known.then(|| format!("write `\"{name}\", \"{arguments}\"`: the arguments come after the name"))
        }
        Kind::Written | Kind::Read => inside(text).map(|name| format!("write \"{name}\"")),
        _ => None,
    }
}
