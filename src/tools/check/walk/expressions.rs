//! The walk over expressions, and what it learns about their values.

use super::known::{Known, Later, Origin};
use super::walker::Walk;
use crate::command::{Type, Value};
use crate::tools::check::ast::{closure, pointer};
use crate::tools::check::known_functions::is_value;
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use rhai::{ASTFlags, Expr};
use std::borrow::Cow;

/// Returns where an expression begins.
pub(super) fn start(expr: &Expr) -> Place {
    place(expr.start_position())
}

/// Returns the value of an expression that the script spells out.
pub(super) fn literal(expr: &Expr) -> Option<Value> {
    Some(match expr {
        Expr::BoolConstant(value, _) => Value::Bool(*value),
        Expr::IntegerConstant(value, _) => Value::Int(*value),
        Expr::FloatConstant(value, _) => Value::Float(**value),
        Expr::CharConstant(value, _) => Value::Text(value.to_string()),
        Expr::StringConstant(value, _) => Value::Text(value.to_string()),
        Expr::Unit(_) => Value::Nothing,
        Expr::Array(items, _) => Value::List(items.iter().filter_map(literal).collect()),
        Expr::Map(map, _) => {
            let known =
                |(name, value): &(rhai::Ident, Expr)| Some((Cow::Owned(name.as_str().to_owned()), literal(value)?));
            Value::Map(map.0.iter().filter_map(known).collect())
        }
        _ => return None,
    })
}

/// Returns the first part of the rest of a chain.
fn first(rest: &Expr) -> &Expr {
    match rest {
        Expr::Dot(x, ..) | Expr::Index(x, ..) => &x.lhs,
        other => other,
    }
}

/// Returns the last part of a chain.
fn last(rest: &Expr) -> &Expr {
    match rest {
        Expr::Dot(x, ..) | Expr::Index(x, ..) => last(&x.rhs),
        other => other,
    }
}

impl Walk<'_, '_, '_> {
    pub(super) fn exprs(&mut self, exprs: &[Expr]) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Known {
        match expr {
            Expr::BoolConstant(..) => Known::As(Type::Bool),
            Expr::IntegerConstant(..) | Expr::FloatConstant(..) => Known::As(Type::Number),
            Expr::Unit(_) => Known::As(Type::Unit),
            Expr::StringConstant(text, position) => {
                self.interpolated(text, place(*position));
                Known::As(Type::Text)
            }
            Expr::InterpolatedString(parts, _) => {
                for part in parts {
                    // Walking over the texts between them would look for `${` again.
                    if !matches!(part, Expr::StringConstant(..)) {
                        self.used(part);
                    }
                }
                Known::As(Type::Text)
            }
            Expr::Array(items, _) => {
                for item in items {
                    self.used(item);
                }
                Known::As(Type::Array)
            }
            Expr::Map(map, _) => {
                for (_, value) in &map.0 {
                    self.used(value);
                }
                Known::As(Type::Map)
            }
            Expr::DynamicConstant(..) => {
                let Some(name) = pointer(expr) else { return Known::NOTHING };
                self.closure(&name, 0);
                Known::As(Type::Function)
            }
            Expr::Variable(variable, _, position) => {
                if variable.2.is_empty() {
                    self.read(&variable.1, place(*position))
                } else {
                    self.module_variable(&variable.2, &variable.1, place(*position));
                    Known::NOTHING
                }
            }
            Expr::Stmt(block) => {
                if let Some((name, captured)) = closure(block) {
                    self.closure(&name, captured);
                    return Known::As(Type::Function);
                }
                self.block(block);
                Known::NOTHING
            }
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::MethodCall(call, position) => {
                self.method(call, *position);
                Known::NOTHING
            }
            Expr::Dot(x, flags, _) | Expr::Index(x, flags, _) => self.chain(expr, x, *flags),
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                for part in parts.iter() {
                    self.condition(part);
                }
                Known::As(Type::Bool)
            }
            Expr::Coalesce(parts, _) => {
                self.exprs(parts);
                Known::NOTHING
            }
            Expr::Custom(custom, _) => {
                self.exprs(&custom.inputs);
                Known::NOTHING
            }
            _ => Known::NOTHING,
        }
    }

    pub(super) fn chain(&mut self, expr: &Expr, x: &rhai::BinaryExpr, flags: ASTFlags) -> Known {
        let left = self.expr(&x.lhs);
        // What a misspelt or foreign object can do is unknown.
        let is_unknown = matches!(&x.lhs, Expr::Variable(variable, ..) if self.undefined.contains(variable.1.as_str()));
        match &x.rhs {
            Expr::MethodCall(call, _) if is_unknown => self.exprs(&call.args),
            Expr::Dot(..) if is_unknown => {}
            rest if matches!(expr, Expr::Index(..)) && !flags.intersects(ASTFlags::BREAK) => self.behind_index(rest),
            other => {
                self.expr(other);
            }
        }
        if let (Expr::Dot(..), Expr::Property(property, position)) = (expr, &x.rhs) {
            let name = property.2.to_string();
            self.later.push(Later::Property { value: left, name, place: place(*position) });
        }
        self.changes(expr);
        // A function of the script may set `this`.
        if let (Expr::Dot(..), Expr::Variable(variable, ..), Expr::MethodCall(call, _)) = (expr, &x.lhs, first(&x.rhs))
            && (self.is_function(&call.name) || !self.known.takes(&call.name, call.args.len() + 1))
            && let Some(id) = self.find(&variable.1)
        {
            self.variables[id].written = true;
        }
        if let Expr::MethodCall(call, _) = last(&x.rhs) {
            self.kept_by_method(&x.lhs, call);
        }
        let alone = flags.intersects(ASTFlags::BREAK) || !matches!(x.rhs, Expr::Dot(..) | Expr::Index(..));
        if let Expr::Variable(variable, ..) = &x.lhs
            && variable.1.as_str() == "env"
            && matches!(left, Known::Texts)
        {
            self.environment(&x.rhs);
        }
        match (expr, left, &x.rhs) {
            (Expr::Index(..), Known::Args, _) if alone => Known::As(Type::Text),
            (Expr::Dot(..), Known::Texts, Expr::Property(..)) if alone => Known::As(Type::TextOrUnit),
            (Expr::Dot(..), _, Expr::MethodCall(call, _)) if alone => match (call.name.as_str(), call.args.len()) {
                ("len", 0) => Known::As(Type::Number),
                ("to_string" | "to_upper" | "to_lower", 0) => Known::As(Type::Text),
                _ => Known::NOTHING,
            },
            _ => Known::NOTHING,
        }
    }

    /// Walks what follows a bracket: the index, and the rest of the chain. Rhai's tree has `0.id` there for `x[0].id`,
    /// but `id` is no property of the number.
    fn behind_index(&mut self, rest: &Expr) {
        let (Expr::Dot(x, flags, _) | Expr::Index(x, flags, _)) = rest else {
            self.expr(rest);
            return;
        };
        self.expr(&x.lhs);
        if matches!(rest, Expr::Index(..)) && !flags.intersects(ASTFlags::BREAK) {
            self.behind_index(&x.rhs);
        } else {
            self.expr(&x.rhs);
        }
    }

    /// Reports a text in double quotes with `${name}`, where `name` is a variable of the script.
    fn interpolated(&mut self, text: &str, at: Place) {
        for (start, _) in text.match_indices("${") {
            let rest = &text[start + 2..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let is_whole = rest[end..].starts_with(['}', '.', '[', ' ']);
            if is_whole && (self.find(&rest[..end]).is_some() || is_value(&rest[..end])) {
                let message = format!("`${{{}}}` is not replaced in a text in double quotes", &rest[..end]);
                let hint = "write the text in backticks: `...`".to_owned();
                self.add(&rules::NOT_INTERPOLATED, at, message, Some(hint));
                return;
            }
        }
    }

    pub(super) fn closure(&mut self, name: &str, captured: usize) {
        let Some(function) = self.closures.get(name).cloned() else {
            self.uses.named.insert(name.to_owned());
            return;
        };
        let (scope, modules) = (self.scope.len(), self.modules.len());
        let after_hangup = std::mem::take(&mut self.after_hangup);
        let start = function.start;
        for param in function.params.iter().skip(captured) {
            self.define(param, start, Origin::Given, Known::NOTHING);
        }
        self.statements(&function.statements);
        self.ends_silently(&function.statements, &function.params[captured.min(function.params.len())..]);
        self.after_hangup = after_hangup;
        self.scope.truncate(scope);
        for module in &mut self.modules[modules..] {
            module.in_scope = false;
        }
    }
}
