//! Whether a script answers the call before it plays something.

use super::flow::Functions;
use super::imports::Imported;
use super::known_functions::KnownFunctions;
use super::text::{Place, place};
use crate::command::{After, COMMANDS, Command, Kind, Plays, Returns};
use crate::script::is_keyword;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;

/// The first thing that a script does to a call which may not be answered yet: it breaks off the search.
type Found = ControlFlow<First>;

enum First {
    /// It plays something.
    Plays(Place, String),
    /// It answers, or does something that may answer; or it looks whether the call is answered, or ends.
    Settled,
}

/// Searches a script for what it does first.
pub(super) struct Answering<'a> {
    known: &'a KnownFunctions,
    functions: &'a Functions,
    imported: &'a [Rc<Imported>],
    /// The functions that have been searched.
    seen: RefCell<BTreeSet<(String, usize)>>,
}

impl<'a> Answering<'a> {
    pub fn new(known: &'a KnownFunctions, functions: &'a Functions, imported: &'a [Rc<Imported>]) -> Self {
        Self { known, functions, imported, seen: RefCell::default() }
    }

    /// Returns where the script plays something before anything could have answered the call, and by which function.
    pub fn too_late(&self, ast: &AST) -> Option<(Place, String)> {
        match self.statements(ast.statements()) {
            ControlFlow::Break(First::Plays(at, name)) => Some((at, name)),
            _ => None,
        }
    }

    fn statements(&self, statements: &[Stmt]) -> Found {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&self, statement: &Stmt) -> Found {
        // What runs only sometimes settles the matter if anything in it does. Otherwise, a `return` in it says nothing
        // about what follows.
        let branches = |parts: &[&[Stmt]]| {
            if parts.iter().any(|part| self.settles(part)) {
                return ControlFlow::Break(First::Settled);
            }
            parts.iter().try_for_each(|part| go_on(self.statements(part)))
        };
        match statement {
            Stmt::If(x, _) => {
                self.expr(&x.expr)?;
                branches(&[x.body.statements(), x.branch.statements()])
            }
            Stmt::While(x, _) => {
                self.expr(&x.expr)?;
                branches(&[x.body.statements()])
            }
            Stmt::Do(x, ..) => self.statements(x.body.statements()),
            Stmt::For(x, _) => {
                self.expr(&x.2.expr)?;
                branches(&[x.2.body.statements()])
            }
            Stmt::TryCatch(x, _) => branches(&[x.body.statements(), x.branch.statements()]),
            Stmt::Switch(x, _) => {
                self.expr(&x.0)?;
                if x.1.expressions.iter().any(|case| self.settles_expr(&case.rhs)) {
                    return ControlFlow::Break(First::Settled);
                }
                x.1.expressions.iter().try_for_each(|case| go_on(self.expr(&case.rhs)))
            }
            Stmt::Var(x, ..) => self.expr(&x.1),
            Stmt::Assignment(x) => {
                self.expr(&x.1.rhs)?;
                self.expr(&x.1.lhs)
            }
            Stmt::FnCall(call, position) => self.call(call, place(*position)),
            Stmt::Block(block) => self.statements(block.statements()),
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::Return(value, ..) | Stmt::BreakLoop(value, ..) => {
                value.as_ref().map_or(ControlFlow::Continue(()), |value| self.expr(value))?;
                ControlFlow::Break(First::Settled)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn expr(&self, expr: &Expr) -> Found {
        match expr {
            // A closure runs later, if at all. If it may answer, who knows when?
            Expr::Stmt(block) if super::ast::closure(block).is_some() => ControlFlow::Continue(()),
            Expr::Stmt(block) => self.statements(block.statements()),
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => parts.iter().try_for_each(|p| self.expr(p)),
            Expr::Map(map, _) => map.0.iter().try_for_each(|(_, value)| self.expr(value)),
            Expr::FnCall(call, position) => self.call(call, place(*position)),
            Expr::MethodCall(call, position) => {
                call.args.iter().try_for_each(|arg| self.expr(arg))?;
                self.named(call, place(*position))
            }
            Expr::Dot(x, ..) | Expr::Index(x, ..) => {
                self.expr(&x.lhs)?;
                self.expr(&x.rhs)
            }
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                parts.iter().try_for_each(|part| self.expr(part))
            }
            Expr::Custom(..) => ControlFlow::Break(First::Settled),
            _ => ControlFlow::Continue(()),
        }
    }

    fn call(&self, call: &FnCallExpr, at: Place) -> Found {
        call.args.iter().try_for_each(|arg| self.expr(arg))?;
        if call.op_token.is_some() {
            return ControlFlow::Continue(());
        }
        if !call.namespace.is_empty() {
            // Which functions of an import call each other isn't known.
            let may_answer = |imported: &Rc<Imported>| {
                !imported.known || imported.calls.iter().any(|name| settles(self.known, name))
            };
            let may_answer = self.imported.iter().any(may_answer);
            return if may_answer { ControlFlow::Break(First::Settled) } else { ControlFlow::Continue(()) };
        }
        self.named(call, at)
    }

    /// Searches a function of the script, once.
    fn function(&self, name: &str, params: usize) -> Found {
        let key = (name.to_owned(), params);
        let Some(function) = self.functions.get(&key) else { return ControlFlow::Continue(()) };
        if !self.seen.borrow_mut().insert(key) {
            return ControlFlow::Continue(());
        }
        let found = self.statements(&function.statements);
        if self.settles(&function.statements) { found } else { go_on(found) }
    }

    /// Decides about a function by its name.
    fn named(&self, call: &FnCallExpr, at: Place) -> Found {
        let (name, count) = (call.name.as_str(), call.args.len());
        if self.functions.contains_key(&(name.to_owned(), count)) {
            return self.function(name, count);
        }
        if settles(self.known, name) {
            return ControlFlow::Break(First::Settled);
        }
        let Some(function) = self.known.declared(name) else { return ControlFlow::Continue(()) };
        let says = function.params.first().is_some_and(|param| param.kind == Kind::Parts);
        let (plays, ends) = match self.known.command(function) {
            Some(command) => (plays(command, call), command.after != After::Nothing),
            None => (says, matches!(function.returns, Returns::Never)),
        };
        match (plays, ends) {
            (true, _) => ControlFlow::Break(First::Plays(at, name.to_owned())),
            (_, true) => ControlFlow::Break(First::Settled),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Whether anything in these statements may answer the call.
    fn settles(&self, statements: &[Stmt]) -> bool {
        let mut found = false;
        for statement in statements {
            statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
                found |= node_settles(self.known, nodes);
                !found
            });
        }
        found
    }

    fn settles_expr(&self, expr: &Expr) -> bool {
        let mut found = false;
        expr.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
            found |= node_settles(self.known, nodes);
            !found
        });
        found
    }
}

/// Goes on after what runs only sometimes, unless it plays something.
fn go_on(found: Found) -> Found {
    match found {
        ControlFlow::Break(First::Settled) => ControlFlow::Continue(()),
        other => other,
    }
}

fn plays(command: &Command, call: &FnCallExpr) -> bool {
    match command.plays {
        Plays::Nothing => false,
        Plays::Sound(param) => !matches!(call.args.get(param), Some(Expr::StringConstant(file, _)) if file.is_empty()),
        Plays::Spoken(_) => true,
    }
}

fn node_settles(known: &KnownFunctions, nodes: &[ASTNode]) -> bool {
    match nodes.last() {
        Some(
            ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)),
        ) => settles(known, &call.name),
        _ => false,
    }
}

/// Whether a function of the host answers the call, may do so, or shows that the script knows what it does.
fn settles(known: &KnownFunctions, name: &str) -> bool {
    match known.declared(name) {
        Some(function) => {
            let is_dial = function.params.iter().any(|param| param.kind == Kind::DialTarget);
            is_dial || known.command(function).is_some_and(|command| command.answers || !is_asterisks(command))
        }
        // What an embedder's functions do isn't known, nor what functions in variables do.
        None => name == "call" || (known.exists(name) && !known.is_rhai(name) && !is_keyword(name)),
    }
}

/// Whether this is one of Asterisk's commands, about which the table says everything.
fn is_asterisks(command: &Command) -> bool {
    COMMANDS.iter().any(|known| std::ptr::eq(*known, command))
}
