//! What scripts ask services: statements of SQL, and what is to come back if there is no answer.

use super::expressions::start;
use super::known::{Known, Later, Origin, Otherwise};
use super::walker::Walk;
use crate::command::{Function, Kind, Returns, Type, Value};
use crate::service::{check, mistake};
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use crate::transport::{Failure, FailureKind, Request};
use rhai::{Expr, FnCallExpr};

/// The values of a statement.
enum Values<'a> {
    None,
    Given(&'a Expr),
    Unknown,
}

/// Whether a text stands in the script as it is.
enum Spelled {
    Out,
    /// If the variable with this index is a constant text.
    By(usize),
    Not,
}

impl Walk<'_, '_, '_> {
    /// Checks whom a call wants to call or to write to, and the path it asks for, as far as they stand in the script.
    pub(super) fn allowed(&mut self, function: &'static Function, call: &FnCallExpr) {
        match (function.name, &call.args[..]) {
            ("call_out", [target, options @ ..]) => {
                if let Some(Expr::Map(options, _)) = options.first() {
                    for (name, value) in &options.0 {
                        // A moment that is computed is one to come.
                        let is_beyond = match (name.as_str(), value) {
                            ("at", Expr::FnCall(..)) => true,
                            ("retries", Expr::IntegerConstant(retries, _)) => *retries > 0,
                            _ => false,
                        };
                        let Some(services) = self.checker.services.as_ref().filter(|_| is_beyond) else { continue };
                        let refusal = services.settings().refuses_option(name.as_str());
                        self.refused(function, start(value), refusal);
                    }
                }
                let Some(services) = &self.checker.services else { return };
                let at = start(target);
                let target = if let Expr::StringConstant(target, _) = target { Some(target.as_str()) } else { None };
                let refusal = services.settings().refuses_call(target);
                self.refused(function, at, refusal);
            }
            ("mail", [Expr::StringConstant(service, _), Expr::Map(message, _), ..]) => {
                let to = message.0.iter().find(|(name, _)| name.as_str() == "to").map(|(_, to)| to);
                let several = to.and_then(|to| if let Expr::Array(to, _) = to { Some(&to[..]) } else { None });
                for to in several.unwrap_or_else(|| to.map_or(&[], std::slice::from_ref)) {
                    let Expr::StringConstant(to, position) = to else { continue };
                    let Some(services) = &self.checker.services else { return };
                    let refusal = services.settings().refuses_recipient(service, to);
                    self.refused(function, place(*position), refusal);
                }
            }
            (name, [_, Expr::StringConstant(path, position), ..]) if name.starts_with("http_") => {
                let request = Request::new("http_get", "").with("path", path.as_str());
                if let Err(Failure { kind: FailureKind::Argument, message }) = check(&request) {
                    // The name of the service isn't known here, and stands beside it.
                    let message = message.rsplit_once("``: ").map_or(message.as_str(), |(_, why)| why).to_owned();
                    self.refused(function, place(*position), Some((message, None)));
                }
            }
            _ => {}
        }
    }

    fn refused(&mut self, function: &Function, at: Place, refusal: Option<(String, Option<String>)>) {
        if let Some((message, hint)) = refusal {
            self.add(&rules::UNKNOWN_SERVICE, at, format!("{}: {message}", function.name), hint);
        }
    }

    /// Checks the statements that a call sends to a database.
    pub(super) fn queries(&mut self, function: &'static Function, call: &FnCallExpr) {
        for (at, _) in function.params.iter().enumerate().filter(|(_, param)| param.kind == Kind::Sql) {
            let takes_values = function.params.get(at + 1).is_some_and(|next| next.kind == Kind::Map);
            let values = match call.args.get(at + 1) {
                Some(values) if takes_values => Values::Given(values),
                None if takes_values => Values::None,
                _ => Values::Unknown,
            };
            match call.args.get(at) {
                Some(Expr::Array(statements, _)) => {
                    for statement in statements {
                        match statement {
                            Expr::Array(parts, _) => {
                                if let Some(text) = parts.first() {
                                    self.query(function, text, &parts.get(1).map_or(Values::None, Values::Given));
                                }
                            }
                            text => self.query(function, text, &Values::None),
                        }
                    }
                }
                Some(text) => self.query(function, text, &values),
                None => {}
            }
        }
    }

    /// Checks a statement and the names of its values.
    fn query(&mut self, function: &'static Function, text: &Expr, values: &Values<'_>) {
        if let Expr::StringConstant(statement, _) = text {
            let names = |map: &[(rhai::Ident, Expr)]| map.iter().map(|(name, _)| name.as_str().to_owned()).collect();
            let given: Option<Vec<String>> = match values {
                Values::None => Some(Vec::new()),
                Values::Given(Expr::Map(map, _)) => Some(names(&map.0)),
                Values::Given(_) | Values::Unknown => None,
            };
            let keys: Option<Vec<&str>> = given.as_ref().map(|given| given.iter().map(String::as_str).collect());
            if let Some(mistake) = mistake(statement, keys.as_deref()) {
                self.add(&rules::SQL_VALUES, start(text), format!("{}: {mistake}", function.name), None);
            }
        }
        match self.spelled(text) {
            Spelled::Out => {}
            Spelled::By(variable) => self.later.push(Later::Statement { function, variable, place: start(text) }),
            Spelled::Not => self.glued(function, start(text)),
        }
    }

    fn spelled(&self, text: &Expr) -> Spelled {
        match text {
            Expr::StringConstant(..) => Spelled::Out,
            // A long text may be written as several.
            Expr::FnCall(call, _) if call.op_token.is_some() && call.name == "+" => {
                let is_spelled_out = call.args.iter().all(|part| matches!(self.spelled(part), Spelled::Out));
                if is_spelled_out { Spelled::Out } else { Spelled::Not }
            }
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                self.find(&variable.1).map_or(Spelled::Not, Spelled::By)
            }
            // `global::QUERY`
            Expr::Variable(variable, ..) => {
                let same = self.by_name.get(variable.1.as_str()).into_iter().flatten().rev().copied();
                let constant =
                    same.into_iter().find(|id| self.variables[*id].top && self.variables[*id].origin == Origin::Const);
                constant.map_or(Spelled::Not, Spelled::By)
            }
            _ => Spelled::Not,
        }
    }

    pub(super) fn conclude_statement(&mut self, function: &Function, variable: usize, at: Place) {
        let variable = &self.variables[variable];
        if variable.written || self.open || !matches!(variable.constant, Some(Value::Text(_))) {
            self.glued(function, at);
        }
    }

    fn glued(&mut self, function: &Function, at: Place) {
        let message = format!("{}: the statement is put together, so a value could become a part of it", function.name);
        let hint =
            "write the statement as one text with `:name` in the place of each value, and give the values after \
                    it: `#{ name: value }`"
                .to_owned();
        self.add(&rules::SQL_GLUED, at, message, Some(hint));
    }

    /// Returns what is known about the value of a call that says what to return if the service is unavailable; `None`
    /// if it doesn't.
    pub(super) fn asked(&mut self, function: &'static Function, call: &FnCallExpr) -> Option<Known> {
        let takes_it = |kind: Kind| kind.option_params().iter().any(|option| option.name == "otherwise");
        let at = function.params.iter().position(|param| takes_it(param.kind))?;
        let Expr::Map(options, _) = call.args.get(at)? else { return Some(Known::NOTHING) };
        let (_, otherwise) = options.0.iter().find(|(name, _)| name.as_str() == "otherwise")?;
        let Expr::Map(otherwise, _) = otherwise else { return Some(Known::NOTHING) };
        // Whoever gets a response looks whether it is `ok` first.
        if matches!(function.returns, Returns::Own { value_type: Type::Map, .. }) {
            return None;
        }
        let names = otherwise.0.iter().map(|(name, _)| name.as_str().to_owned()).collect();
        self.otherwise.push(Otherwise { function, names });
        Some(Known::Asked(self.otherwise.len() - 1))
    }

    /// Reports an entry of an answer that is missing if there is no answer.
    pub(super) fn conclude_answer(&mut self, asked: usize, name: &str, at: Place) {
        let Otherwise { function, names } = &self.otherwise[asked];
        if names.iter().all(|given| given != name) {
            let message = format!("`{name}` is () if the service of `{}` is unavailable", function.name);
            let hint = format!("`otherwise` has no `{name}`: write it there, too");
            self.add(&rules::OTHERWISE_LACKS, at, message, Some(hint));
        }
    }
}
