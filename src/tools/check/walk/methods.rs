//! Values of functions that return nothing, and changes that nothing keeps.

use super::expressions::start;
use super::known::{Known, Origin};
use super::walker::Walk;
use crate::command::Type;
use crate::script::values;
use crate::tools::check::ast::{closure, pointer};
use crate::tools::check::known_functions::Effect;
use crate::tools::check::methods::{Change, change};
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use rhai::{ASTFlags, Expr, FnCallExpr, Position, Stmt};

/// A method call at the end of a chain, such as `state.names[0].trim()`.
struct Chain<'e> {
    /// What stands before the first dot or bracket.
    root: &'e Expr,
    /// Whether the method is called on the root itself.
    direct: bool,
    /// Whether the method is called on a part of the root, and not on what another method returned.
    in_place: bool,
    /// What stands before the last dot, as far as it can be written here.
    source: String,
    call: &'e FnCallExpr,
    at: Position,
}

impl<'e> Chain<'e> {
    fn of(expr: &'e Expr) -> Option<Self> {
        let (Expr::Dot(x, flags, _) | Expr::Index(x, flags, _)) = expr else { return None };
        let (mut flags, mut rest) = (*flags, &x.rhs);
        let mut is_dot = matches!(expr, Expr::Dot(..));
        let mut source = match &x.lhs {
            Expr::Variable(name, ..) => name.1.to_string(),
            _ => "...".to_owned(),
        };
        let (mut direct, mut in_place) = (true, true);
        loop {
            match rest {
                Expr::Dot(y, next, _) | Expr::Index(y, next, _) if !flags.intersects(ASTFlags::BREAK) => {
                    direct = false;
                    in_place &= !(is_dot && matches!(y.lhs, Expr::MethodCall(..)));
                    source = match (is_dot, &y.lhs) {
                        (true, Expr::Property(property, _)) => format!("{source}.{}", property.2),
                        (true, _) => format!("{source}.x"),
                        (false, Expr::IntegerConstant(index, _)) => format!("{source}[{index}]"),
                        (false, _) => format!("{source}[...]"),
                    };
                    is_dot = matches!(rest, Expr::Dot(..));
                    (flags, rest) = (*next, &y.rhs);
                }
                Expr::MethodCall(call, at) if is_dot => {
                    return Some(Self { root: &x.lhs, direct, in_place, source, call, at: *at });
                }
                _ => return None,
            }
        }
    }

    /// Returns the call of the method, for a hint: `trim()`, `push(...)`.
    fn method(&self) -> String {
        format!("{}({})", self.call.name, if self.call.args.is_empty() { "" } else { "..." })
    }

    /// Returns the variable that holds the value, if there is one.
    fn variable(&self) -> Option<&'e str> {
        match self.root {
            Expr::Variable(name, ..) if self.in_place && name.2.is_empty() => Some(name.1.as_str()),
            _ => None,
        }
    }
}

impl Walk<'_, '_, '_> {
    /// Walks over an expression whose value is used.
    pub(super) fn used(&mut self, expr: &Expr) -> Known {
        let known = self.expr(expr);
        if self.warnings {
            self.returns_nothing(expr);
        }
        known
    }

    /// Reports the use of a value that a function doesn't return.
    fn returns_nothing(&mut self, expr: &Expr) {
        if let Some(chain) = self.silent(expr) {
            let name = chain.call.name.as_str();
            let message = format!("`.{name}()` changes the value before the dot, and returns nothing");
            let method = chain.method();
            let hint = match chain.variable().and_then(|name| self.find(name)) {
                Some(_) => {
                    let source = &chain.source;
                    format!("write `{source}.{method};` on a line of its own, and then use `{source}`")
                }
                None => format!("put the value into a variable first: `let x = ...; x.{method};`, and then use `x`"),
            };
            self.add(&rules::NO_VALUE, place(chain.at), message, Some(hint));
            return;
        }
        let (call, position) = match expr {
            Expr::FnCall(call, position) => (call, position),
            // `${...}` is a block.
            Expr::Stmt(block) => {
                if let [Stmt::Expr(value)] = block.statements() {
                    self.returns_nothing(value);
                }
                return;
            }
            _ => return,
        };
        let name = call.name.as_str();
        if call.op_token.is_some()
            || !call.namespace.is_empty()
            || self.functions.contains_key(&(name.to_owned(), call.args.len()))
        {
            return;
        }
        let silent = match self.known.declared(name) {
            Some(function) => function.returns.value_type() == Type::Unit,
            None => self.known.is_rhai(name) && change(Type::Unknown, name) == Change::Silent,
        };
        if silent {
            self.add(&rules::NO_VALUE, place(*position), format!("`{name}` returns nothing"), None);
        }
    }

    /// Returns the method call at the end of a chain, if it is one of Rhai's that change the value and return nothing.
    fn silent<'e>(&self, expr: &'e Expr) -> Option<Chain<'e>> {
        let chain = Chain::of(expr)?;
        (self.change(&chain) == Change::Silent).then_some(chain)
    }

    /// Returns what the method at the end of a chain does to the value before the dot.
    fn change(&self, chain: &Chain<'_>) -> Change {
        let name = chain.call.name.as_str();
        let own = self.functions.contains_key(&(name.to_owned(), chain.call.args.len()));
        if own || self.may_be_stored(name) {
            return Change::None;
        }
        let root = match chain.variable() {
            Some(variable) => match self.find(variable) {
                Some(id) => self.resolve(Known::Variable(id), false),
                None if variable == "args" => Type::Array,
                None if matches!(variable, "env" | "params") => Type::Map,
                None => Type::Unknown,
            },
            None => Type::Unknown,
        };
        let of = match root {
            root if chain.direct => root,
            // What they hold are texts.
            Type::Array | Type::Map if chain.in_place && self.belongs_to_call(chain.root) => Type::Text,
            _ => Type::Unknown,
        };
        change(of, name)
    }

    fn belongs_to_call(&self, root: &Expr) -> bool {
        matches!(root, Expr::Variable(name, ..) if name.2.is_empty()
            && matches!(name.1.as_str(), "args" | "env" | "params")
            && self.find(&name.1).is_none())
    }

    /// Reports a method that would change a value of the call or a constant, and changes that are lost.
    pub(super) fn changes(&mut self, expr: &Expr) {
        let Some(chain) = Chain::of(expr) else { return };
        let change = self.change(&chain);
        if change == Change::None {
            return;
        }
        let name = chain.call.name.as_str();
        if let Some(variable) = chain.variable() {
            if self.belongs_to_call(chain.root) {
                let (message, hint) = values::read_only(variable, &chain.source, name, &chain.method());
                self.add(&rules::READ_ONLY, start(chain.root), message, hint);
            } else if let Some(id) = self.find(variable)
                && self.variables[id].origin == Origin::Const
            {
                let (message, hint) = values::read_only(variable, &chain.source, name, &chain.method());
                self.add(&rules::READ_ONLY, start(chain.root), message, hint);
            }
        }
    }

    /// Reports a statement that changes a value which nothing keeps.
    pub(super) fn lost(&mut self, statement: &Stmt) {
        let Stmt::Expr(expr) = statement else { return };
        let Some(chain) = self.silent(expr) else { return };
        let is_kept = chain.in_place && matches!(chain.root, Expr::Variable(..) | Expr::ThisPtr(_));
        if is_kept {
            return;
        }
        let name = chain.call.name.as_str();
        let message = format!("`.{name}()` changes a value that nothing keeps");
        let hint = format!("put it into a variable first: `let x = ...; x.{};`", chain.method());
        self.add(&rules::LOST_CHANGE, place(chain.at), message, Some(hint));
    }

    /// Reports a function that ends by changing its own copy of a parameter, and so returns nothing.
    pub(super) fn ends_silently(&mut self, statements: &[Stmt], params: &[String]) {
        let Some(Stmt::Expr(expr)) = statements.last() else { return };
        let Some(chain) = self.silent(expr) else { return };
        let Some(variable) = chain.variable().filter(|name| chain.direct && params.iter().any(|param| param == name))
        else {
            return;
        };
        let name = chain.call.name.as_str();
        let message = format!("`.{name}()` changes this function's own copy of `{variable}`, and returns nothing");
        let hint = format!("to return the changed value, write `{variable}` on a line after it");
        self.add(&rules::LOST_CHANGE, place(chain.at), message, Some(hint));
    }

    /// Returns where a statement computes a value with a function that does nothing else, and the function's name.
    pub(super) fn computed(&self, statement: &Stmt) -> Option<(Place, String)> {
        let (call, at, is_method) = match statement {
            Stmt::FnCall(call, position) => (&**call, place(*position), false),
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(call, position) => (&**call, place(*position), false),
                chain => {
                    let chain = Chain::of(chain)?;
                    (chain.call, place(chain.at), true)
                }
            },
            _ => return None,
        };
        let name = call.name.as_str();
        let own = self.functions.contains_key(&(name.to_owned(), call.args.len()));
        let is_function =
            |arg: &Expr| matches!(arg, Expr::Stmt(block) if closure(block).is_some()) || pointer(arg).is_some();
        let named = |arg: &Expr| matches!(arg, Expr::FnCall(call, _) if call.name == "Fn");
        if call.op_token.is_some()
            || !call.namespace.is_empty()
            || own
            || self.may_be_stored(name)
            || call
                .args
                .iter()
                .any(|arg| is_function(arg) || named(arg) || matches!(arg, Expr::Variable(..)) && is_method)
        {
            return None;
        }
        let computes = match self.known.declared(name) {
            Some(function) => {
                self.known.command(function).is_none()
                    && self.known.effect(function, call.args.len()) == Effect::None
                    && !matches!(function.returns.value_type(), Type::Unit)
                    && !matches!(function.returns, crate::command::Returns::Never)
                    && change(Type::Unknown, name) == Change::None
            }
            None => self.known.only_computes(name) && change(Type::Unknown, name) == Change::None,
        };
        computes.then(|| (at, name.to_owned()))
    }
}
