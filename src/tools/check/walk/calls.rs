//! Calls: whether the function exists, and whether it takes these arguments.

use super::arguments::in_one_word;
use super::{Known, Later, Walk, literal, start};
use crate::command::{Function, Kind, Param, Type, Value};
use crate::ivr::option_elsewhere;
use crate::pbx::versions;
use crate::script::{FunctionNames, Wrong, WrongCall, nearest};
use crate::service::Services;
use crate::service::settings::ManagerSettings;
use crate::tools::check::checker::Checker;
use crate::tools::check::imports::TextsAndNames;
use crate::tools::check::known_functions::value_type;
use crate::tools::check::text::{Place, place};
use crate::tools::check::{Severity, rules};
use rhai::{Expr, FnCallExpr, Position};
use std::collections::BTreeSet;

impl Walk<'_, '_, '_> {
    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position) -> Known {
        let at = place(position);
        if call.op_token.is_some() {
            return self.operator(call, at);
        }
        let name = call.name.as_str();
        self.open |= call.capture_parent_scope;
        // `Fn("play")` refers to the function `play`.
        if let ("Fn", [Expr::StringConstant(named, position)]) = (name, &call.args[..]) {
            self.function_named(named, place(*position));
            return Known::As(Type::Function);
        }
        let args = self.call_arguments(call);
        if name == "contains" {
            let known: Vec<Known> = args.iter().map(|(known, _)| *known).collect();
            self.matched(call, &known);
        }
        if !call.namespace.is_empty() {
            self.module_call(call, at);
            return Known::NOTHING;
        }
        if name == "is_def_var"
            && let [Expr::StringConstant(named, _)] = &call.args[..]
            && let Some(id) = self.find(named)
        {
            self.variables[id].read = true;
        }
        if self.calls(name) {
            self.uses.called.insert(name.to_owned());
        }
        if self.functions.contains_key(&(name.to_owned(), args.len())) {
            return Known::NOTHING;
        }
        if !self.takes(name, args.len()) {
            self.no_such_call(&WrongCall { name, place: at, count: args.len(), is_method: false });
            return Known::NOTHING;
        }
        if let Some(function) = self.known.declared(name) {
            let before = self.report.findings.len();
            self.arguments(function, call);
            self.permitted(function, call);
            self.closures_of_question(function, call);
            let told = self.report.findings[before..].iter().any(|finding| finding.severity == Severity::Error);
            self.trial(function, call, told);
            if self.warnings {
                self.dial_target(function, call);
                self.early(function, call);
            }
            self.queries(function, call);
            self.allowed(function, call);
            self.available(function, call, at);
            self.after_hangup(function, at);
            if self.warnings {
                self.prompts.hear(function, self.known.command(function), call);
            }
        }
        let kinds: Vec<Type> = args.iter().map(|(known, _)| self.resolve(*known, false)).collect();
        self.later.push(Later::Called { name: name.to_owned(), args, place: at });
        let Some(function) = self.known.declared(name) else { return Known::NOTHING };
        self.asked(function, call).unwrap_or_else(|| Known::Returned(function, value_type(function, &kinds)))
    }

    /// Returns the names of all functions that don't belong to the script.
    pub(super) fn all(&self) -> &FunctionNames {
        self.checker.language(self.path).names()
    }

    fn takes(&self, name: &str, count: usize) -> bool {
        self.known.takes(name, count)
    }

    /// Whether a call of this name counts as a use of the script's function. Calls in the function's own body don't.
    fn calls(&self, name: &str) -> bool {
        self.is_function(name) && self.function.as_deref() != Some(name)
    }

    pub(super) fn function_named(&mut self, name: &str, at: Place) {
        self.uses.named.insert(name.to_owned());
        if !self.is_function(name) && !self.all().exists(name) {
            let (_, explanation) = self.names().call(&WrongCall { name, place: at, count: 0, is_method: false });
            self.explain(&rules::UNKNOWN_FUNCTION, explanation);
        }
    }

    fn operator(&mut self, call: &FnCallExpr, at: Place) -> Known {
        let known: Vec<Known> = call.args.iter().map(|arg| self.used(arg)).collect();
        self.matched(call, &known);
        let operator = call.name.to_string();
        let [left, right] = known[..] else {
            return match operator.as_str() {
                "!" => Known::As(Type::Bool),
                "-" | "+" => Known::As(Type::Number),
                _ => Known::NOTHING,
            };
        };
        match operator.as_str() {
            "==" | "!=" | "<" | "<=" | ">" | ">=" => {
                self.later.push(Later::Compared { operator, left, right, place: at });
                Known::As(Type::Bool)
            }
            "-" | "*" | "/" | "%" | "**" => {
                self.later.push(Later::Calculated { operator, left, right, place: at });
                match (self.resolve(left, false), self.resolve(right, false)) {
                    (Type::Number, Type::Number) => Known::As(Type::Number),
                    _ => Known::NOTHING,
                }
            }
            "+" => {
                self.later.push(Later::Joined { left, right, place: at });
                match (self.resolve(left, false), self.resolve(right, false)) {
                    (Type::Number, Type::Number) => Known::As(Type::Number),
                    (Type::Text, Type::Text | Type::Number | Type::Bool) | (Type::Number | Type::Bool, Type::Text) => {
                        Known::As(Type::Text)
                    }
                    _ => Known::NOTHING,
                }
            }
            "in" | "!in" => Known::As(Type::Bool),
            _ => Known::NOTHING,
        }
    }

    fn no_such_call(&mut self, call: &WrongCall<'_>) {
        let name = call.name;
        let (wrong, mut explanation) = self.names().call(call);
        let rule = if wrong == Wrong::Name { &rules::UNKNOWN_FUNCTION } else { &rules::ARGUMENT_COUNT };
        if !call.is_method && wrong == Wrong::Name {
            if let Some(id) = self.find(name) {
                self.variables[id].read = true;
            } else if let Some(module) = self.modules.iter().find(|module| {
                module.in_scope && module.imported.as_ref().is_some_and(|i| i.functions.iter().any(|(f, _)| f == name))
            }) {
                explanation.hint = Some(format!("it is in an import: write `{}::{name}(...)`", module.alias));
            }
        }
        if wrong == Wrong::Name
            && explanation.hint.is_none()
            && self.checker.is_word_of_tests(name)
            && !Checker::is_test(self.path)
        {
            explanation.hint = Some("it is for tests, in files whose names end in `.test.rhai`".to_owned());
        }
        self.missing(name, rule, explanation);
    }

    fn module_call(&mut self, call: &FnCallExpr, at: Place) {
        let name = call.name.as_str();
        if call.namespace.path.len() == 1 && call.namespace.path[0].name == "global" {
            self.uses.called.insert(name.to_owned());
            return;
        }
        let Some(module) = self.module(&call.namespace) else { return };
        let Some(imported) = self.modules[module].imported.clone() else { return };
        if call.namespace.path.len() > 1 || !imported.known {
            return;
        }
        let alias = self.modules[module].alias.clone();
        let count = call.args.len();
        let known: BTreeSet<usize> =
            imported.functions.iter().filter(|(known, _)| known == name).map(|(_, params)| *params).collect();
        if known.contains(&count) {
            return;
        }
        if known.is_empty() {
            let near = nearest(name, imported.functions.iter().map(|(name, _)| name.as_str()));
            let hint = near.map(|near| format!("did you mean `{alias}::{near}`?"));
            self.add(&rules::UNKNOWN_FUNCTION, at, format!("{} exports no function `{name}`", imported.name), hint);
        } else {
            let counts: Vec<String> = known.iter().map(usize::to_string).collect();
            let word = if counts == ["1"] { "argument" } else { "arguments" };
            let message = format!("`{alias}::{name}` takes {} {word}, not {count}", counts.join(" or "));
            self.add(&rules::ARGUMENT_COUNT, at, message, None);
        }
    }

    pub(super) fn method(&mut self, call: &FnCallExpr, position: Position) {
        for arg in &call.args {
            self.used(arg);
        }
        let name = call.name.as_str();
        let count = call.args.len();
        if self.calls(name) {
            self.uses.called.insert(name.to_owned());
        }
        let own = self.functions.contains_key(&(name.to_owned(), count));
        let stored = self.may_be_stored(name);
        if !own && !stored {
            self.closures_of_method(call, place(position));
        }
        if own || self.takes(name, count + 1) || stored {
            return;
        }
        self.no_such_call(&WrongCall { name, place: place(position), count, is_method: true });
    }

    /// Whether a function may be stored under this name in a map.
    pub(super) fn may_be_stored(&self, name: &str) -> bool {
        let says = |said: &TextsAndNames| said.names.contains(name) || said.texts.contains(name);
        says(&self.said) || self.imported.iter().any(|imported| says(&imported.said))
    }

    fn arguments(&mut self, function: &'static Function, call: &FnCallExpr) {
        for (at, arg) in call.args.iter().enumerate() {
            let last = function.params.last().filter(|param| param.kind.repeats());
            let Some(param) = function.params.get(at).or(last) else { continue };
            self.argument(function, param, arg);
        }
    }

    fn argument(&mut self, function: &'static Function, param: &'static Param, arg: &Expr) {
        if let (Expr::Map(map, _), Some(options)) = (arg, param.kind.options()) {
            let unknown = self.options(&map.0, &options, function.name);
            for (name, value) in &map.0 {
                let option = param.kind.option_params().iter().find(|option| option.name == name.as_str());
                match option {
                    // What the command makes of its map as a whole says more.
                    Some(option) if param.kind == Kind::RecordOptions => self.doubtful(function, option, value),
                    Some(option) => self.argument(function, option, value),
                    None => {}
                }
            }
            if unknown {
                return;
            }
        }
        // Declarations of functions other than commands are meant for readers, and are exact only for these kinds.
        self.doubtful(function, param, arg);
        let kinds = matches!(
            param.kind,
            Kind::Keys
                | Kind::Integer(..)
                | Kind::Millis(..)
                | Kind::Seconds
                | Kind::WholeSeconds(..)
                | Kind::OnOff
                | Kind::Word(_)
        );
        if let Some(value) = literal(arg)
            && (kinds || self.known.command(function).is_some())
            && let Some(problem) = param.refuses(&value)
        {
            let hint = wanted(param.kind, &value).or_else(|| explained(param));
            self.add(&rules::BAD_ARGUMENT, start(arg), format!("{}: `{}` {problem}", function.name, param.name), hint);
        }
    }

    fn options(&mut self, map: &[(rhai::Ident, Expr)], options: &[&str], function: &str) -> bool {
        let mut unknown = false;
        for (name, _) in map.iter().filter(|(name, _)| !options.contains(&name.as_str())) {
            unknown = true;
            let near = || match nearest(name.as_str(), options.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it takes `{}`", options.join("`, `")),
            };
            let hint = option_elsewhere(function, name.as_str()).unwrap_or_else(near);
            self.add(
                &rules::UNKNOWN_OPTION,
                place(name.pos),
                format!("`{function}` has no option `{}`", name.as_str()),
                Some(hint),
            );
        }
        unknown
    }

    /// Reports what the host wouldn't allow, as far as the script spells out the texts.
    fn permitted(&mut self, function: &'static Function, call: &FnCallExpr) {
        let text = |arg: &Expr| match literal(arg) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Int(number)) => Some(number.to_string()),
            _ => None,
        };
        for (at, param) in function.params.iter().enumerate().filter(|(_, param)| param.kind.is_run()) {
            let Some(arg) = call.args.get(at) else { continue };
            let Some(given) = text(arg) else { continue };
            let rest: Vec<String> = call.args[at + 1..].iter().map(|arg| text(arg).unwrap_or_default()).collect();
            let refuses = |count: usize| self.checker.permissions.refuses(param.kind, &given, &rest[..count].join(","));
            if let Some(problem) = refuses(rest.len()) {
                // The first argument with which the call is refused. The name comes before its arguments.
                let behind = (0..rest.len()).find(|&count| refuses(count).is_some()).unwrap_or(rest.len());
                let at_fault = function.params.get(at + behind).or(function.params.last()).unwrap_or(param);
                let message = format!("{}: `{}` {problem}", function.name, at_fault.name);
                let hint = if behind == 0 { in_one_word(param.kind, &given) } else { None };
                self.add(&rules::NOT_ALLOWED, start(call.args.get(at + behind).unwrap_or(arg)), message, hint);
            }
        }
    }

    fn available(&mut self, function: &'static Function, call: &FnCallExpr, at: Place) {
        let (Some(version), Some(command)) = (self.checker.asterisk, self.known.command(function)) else {
            return;
        };
        if command.since.major() > version {
            let message = format!("Asterisk {version} has no {}: it came with {}", command.verb, command.since.version);
            self.add(&rules::ASTERISK_VERSION, at, message, None);
        }
        for (param, since) in command.since.params {
            if *since > version
                && let Some(arg) = call.args.get(*param)
            {
                let name = function.params.get(*param).map_or("it", |param| param.name);
                let message = format!("{} takes no `{name}` in Asterisk {version}: it came with {since}", command.verb);
                self.add(&rules::ASTERISK_VERSION, start(arg), message, None);
            }
        }
        let application = function.params.iter().position(|param| param.kind == Kind::Application);
        if let Some(Expr::StringConstant(name, position)) = application.and_then(|at| call.args.get(at))
            && let Some((why, instead)) = versions::lacks(name, version)
        {
            self.add(&rules::ASTERISK_VERSION, place(*position), why, instead.map(str::to_owned));
        }
    }

    fn after_hangup(&mut self, function: &'static Function, at: Place) {
        if !self.after_hangup {
            return;
        }
        let needs_caller = match self.known.command(function) {
            Some(command) => !command.dead,
            // Functions that say or ask something need the caller.
            None => function.name == "go_to" || function.params.first().is_some_and(|param| param.kind == Kind::Parts),
        };
        if needs_caller {
            let message = format!("`{}` does not work after the hangup", function.name);
            let hint = "after the hangup, only the database, variables, `verbose`, `noop` and `exec` work".to_owned();
            self.add(&rules::AFTER_HANGUP, at, message, Some(hint));
            return;
        }
        let takes_calls = |services: &Services| services.settings().manager.values().any(ManagerSettings::takes_calls);
        let is_async = self.checker.services.as_ref().is_some_and(takes_calls);
        if is_async && self.known.command(function).is_some() {
            let message = format!("`{}` does not work after the hangup of a call by AsyncAGI", function.name);
            let hint = "agi-rhai.toml names a `[manager]`; the store and other services still work".to_owned();
            self.add(&rules::ASYNC_AGI, at, message, Some(hint));
        }
    }
}

/// Returns the meaning of a parameter, if its kind alone doesn't say it.
fn explained(param: &Param) -> Option<String> {
    let says_all = matches!(param.kind, Kind::Text | Kind::Name | Kind::Joined | Kind::Rest) || param.kind.is_run();
    (!says_all).then(|| format!("`{}`: {}", param.name, param.doc))
}

/// Returns what to write instead of an argument, if that can be guessed.
fn wanted(kind: Kind, value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let text = text.trim();
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match kind {
        Kind::Millis(..) => {
            let ms = text.strip_suffix("ms").and_then(number);
            let seconds = text.strip_suffix("sec").or(text.strip_suffix('s')).and_then(number).map(|s| s * 1000.0);
            ms.or(seconds).map(|ms| format!("write {ms}"))
        }
        Kind::Seconds | Kind::WholeSeconds(..) => {
            text.strip_suffix('s').and_then(number).map(|seconds| format!("write {seconds}"))
        }
        _ => None,
    }
}
