//! The flow of control: which statements run, and what loops do.

use super::known_functions::{Effect, KnownFunctions};
use super::text::{Place, place};
use crate::command::{After, Returns};
use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Module, Shared, Stmt, StmtBlock};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A function of a script.
pub(in crate::tools) struct ScriptFunction {
    pub name: String,
    pub params: Vec<String>,
    /// Whether it is only for one type of `this`.
    pub method: bool,
    /// Where its body begins.
    pub start: Place,
    pub statements: Vec<Stmt>,
}

/// The functions of a script, by name and number of parameters.
pub(in crate::tools) type Functions = HashMap<(String, usize), Rc<ScriptFunction>>;

/// Returns the named functions of a script, and its closures by the names that Rhai gives them.
pub(in crate::tools) fn functions(ast: &AST) -> (Functions, HashMap<String, Rc<ScriptFunction>>) {
    let mut functions = Functions::new();
    let mut closures = HashMap::new();
    for function in ast.iter_fn_def() {
        let (name, params) = (function.name.as_str(), function.params.len());
        // The type of a body is private to Rhai, which shows its statements only in a walk.
        let mut module = Module::new();
        module.set_script_fn(Shared::clone(function));
        let alone = AST::new([], module);
        let mut statements = Vec::new();
        alone.walk(&mut |nodes: &[ASTNode]| {
            if let [ASTNode::Stmt(statement)] = nodes {
                statements.push((*statement).clone());
            }
            true
        });
        let function = Rc::new(ScriptFunction {
            name: name.to_owned(),
            params: function.params.iter().map(ToString::to_string).collect(),
            method: function.this_type.is_some(),
            start: place(function.body.start_position()),
            statements,
        });
        if name.starts_with("anon$") {
            closures.insert(name.to_owned(), function);
        } else {
            functions.insert((name.to_owned(), params), function);
        }
    }
    (functions, closures)
}

/// The checker's knowledge about the flow of control in a script.
pub(super) struct Flow<'a> {
    pub known: &'a KnownFunctions,
    pub functions: &'a Functions,
    /// The effect of each function on a loop; `None` while that is being determined.
    results: RefCell<HashMap<(String, usize), Option<Does>>>,
}

/// The effect of statements on the loop around them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Does {
    pub effect: Effect,
    /// Whether they may end it, by `break`, `return`, `throw`, or the end of the script.
    pub leaves: bool,
}

impl Does {
    const NOTHING: Self = Self { effect: Effect::None, leaves: false };
    const ANYTHING: Self = Self { effect: Effect::Asks, leaves: true };

    fn and(self, other: Self) -> Self {
        Self { effect: self.effect.max(other.effect), leaves: self.leaves || other.leaves }
    }
}

impl<'a> Flow<'a> {
    pub fn new(known: &'a KnownFunctions, functions: &'a Functions) -> Self {
        Self { known, functions, results: RefCell::default() }
    }

    /// Returns why nothing after this statement can run; `None` if something can.
    pub fn ends(&self, statement: &Stmt) -> Option<String> {
        match statement {
            Stmt::Return(_, flags, _) if flags.intersects(ASTFlags::BREAK) => Some("`throw`".to_owned()),
            Stmt::Return(..) => Some("`return`".to_owned()),
            Stmt::BreakLoop(_, flags, _) if flags.intersects(ASTFlags::BREAK) => Some("`break`".to_owned()),
            Stmt::BreakLoop(..) => Some("`continue`".to_owned()),
            Stmt::FnCall(call, _) => self.call_ends(call),
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(call, _) => self.call_ends(call),
                Expr::Stmt(block) => self.block_ends(block),
                _ => None,
            },
            Stmt::Block(block) => self.block_ends(block),
            Stmt::If(x, _) => {
                let one = self.block_ends(&x.body)?;
                let other = self.block_ends(&x.branch)?;
                Some(if one == other { one } else { "an `if` whose branches both end here".to_owned() })
            }
            Stmt::While(x, _) if is_true(&x.expr) && !breaks(&x.body) => Some("a loop without `break`".to_owned()),
            _ => None,
        }
    }

    fn block_ends(&self, block: &StmtBlock) -> Option<String> {
        block.statements().iter().find_map(|statement| self.ends(statement))
    }

    fn call_ends(&self, call: &FnCallExpr) -> Option<String> {
        if !call.namespace.is_empty() {
            return None;
        }
        let name = call.name.as_str();
        if let Some(function) = self.functions.get(&(name.to_owned(), call.args.len())) {
            return self.never_returns(function, 0).then(|| format!("`{name}`, which never returns"));
        }
        self.ends_script(call).then(|| format!("`{name}`"))
    }

    /// Whether this calls a command or a function of the host that ends the script.
    fn ends_script(&self, call: &FnCallExpr) -> bool {
        let name = call.name.as_str();
        if self.functions.contains_key(&(name.to_owned(), call.args.len())) {
            return false;
        }
        let Some(function) = self.known.declared(name) else { return false };
        let command = self.known.command(function);
        match command.map(|command| command.after) {
            Some(After::HangsUp) => call.args.is_empty(),
            Some(After::Ends) => true,
            _ => matches!(function.returns, Returns::Never),
        }
    }

    /// Whether a function of the script always ends the script.
    fn never_returns(&self, function: &ScriptFunction, depth: usize) -> bool {
        // Following a function that calls itself would never end.
        depth < 8 && self.never_falls_through(&function.statements, depth)
    }

    fn never_falls_through(&self, statements: &[Stmt], depth: usize) -> bool {
        for statement in statements {
            match statement {
                Stmt::FnCall(call, _) => {
                    if self.never(call, depth) {
                        return true;
                    }
                }
                Stmt::Expr(expr) => {
                    if let Expr::FnCall(call, _) = &**expr
                        && self.never(call, depth)
                    {
                        return true;
                    }
                }
                Stmt::Var(..) | Stmt::Assignment(..) | Stmt::Noop(_) => {}
                // Anything that may return early.
                _ => return false,
            }
        }
        false
    }

    fn never(&self, call: &FnCallExpr, depth: usize) -> bool {
        if !call.namespace.is_empty() {
            return false;
        }
        match self.functions.get(&(call.name.to_string(), call.args.len())) {
            Some(function) => self.never_returns(function, depth + 1),
            None => self.ends_script(call),
        }
    }

    /// Returns what statements do to the loop around them. A `break` in an inner loop belongs to that loop.
    pub fn does(&self, statements: &[Stmt], in_loop: bool) -> Does {
        let each = statements.iter().map(|statement| self.statement(statement, in_loop));
        each.fold(Does::NOTHING, Does::and)
    }

    fn block(&self, block: &StmtBlock, in_loop: bool) -> Does {
        self.does(block.statements(), in_loop)
    }

    fn statement(&self, statement: &Stmt, in_loop: bool) -> Does {
        let leaves = Does { effect: Effect::None, leaves: true };
        match statement {
            Stmt::Noop(_) | Stmt::Export(..) | Stmt::Share(_) => Does::NOTHING,
            Stmt::If(x, _) => self.expr(&x.expr).and(self.block(&x.body, in_loop)).and(self.block(&x.branch, in_loop)),
            Stmt::Switch(x, _) => {
                let cases = x.1.expressions.iter();
                let each = cases.map(|case| self.expr_in(&case.lhs, in_loop).and(self.expr_in(&case.rhs, in_loop)));
                each.fold(self.expr(&x.0), Does::and)
            }
            Stmt::While(x, _) | Stmt::Do(x, ..) => self.expr(&x.expr).and(self.block(&x.body, true)),
            Stmt::For(x, _) => self.expr(&x.2.expr).and(self.block(&x.2.body, true)),
            Stmt::Var(x, ..) => self.expr(&x.1),
            Stmt::Assignment(x) => self.expr(&x.1.lhs).and(self.expr(&x.1.rhs)),
            Stmt::FnCall(call, _) => self.call(call),
            Stmt::Block(block) => self.block(block, in_loop),
            Stmt::TryCatch(x, _) => self.block(&x.body, in_loop).and(self.block(&x.branch, in_loop)),
            Stmt::Expr(expr) => self.expr_in(expr, in_loop),
            Stmt::BreakLoop(value, flags, _) => {
                let value = value.as_ref().map_or(Does::NOTHING, |value| self.expr(value));
                if flags.intersects(ASTFlags::BREAK) && !in_loop { value.and(leaves) } else { value }
            }
            Stmt::Return(value, ..) => value.as_ref().map_or(Does::NOTHING, |value| self.expr(value)).and(leaves),
            // An import, or a statement of a later Rhai.
            _ => Does::ANYTHING,
        }
    }

    fn expr(&self, expr: &Expr) -> Does {
        self.expr_in(expr, false)
    }

    fn expr_in(&self, expr: &Expr, in_loop: bool) -> Does {
        let all = |parts: &[Expr]| parts.iter().map(|part| self.expr_in(part, in_loop)).fold(Does::NOTHING, Does::and);
        match expr {
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => all(parts),
            Expr::Map(map, _) => map.0.iter().map(|(_, value)| self.expr(value)).fold(Does::NOTHING, Does::and),
            // A closure on its own does nothing; what matters are calls that receive one.
            Expr::Stmt(block) if super::ast::closure(block).is_some() => Does::NOTHING,
            Expr::Stmt(block) => self.block(block, in_loop),
            Expr::FnCall(call, _) => self.call(call),
            Expr::MethodCall(call, _) => self.method(call),
            Expr::Dot(x, ..) | Expr::Index(x, ..) => self.expr(&x.lhs).and(self.expr(&x.rhs)),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => all(parts),
            Expr::Custom(..) => Does::ANYTHING,
            _ => Does::NOTHING,
        }
    }

    fn call(&self, call: &FnCallExpr) -> Does {
        let args = call.args.iter().map(|arg| self.expr(arg)).fold(Does::NOTHING, Does::and);
        if call.op_token.is_some() {
            return args;
        }
        if !call.namespace.is_empty() || self.ends_script(call) {
            return args.and(Does::ANYTHING);
        }
        args.and(Self::handed(&call.args)).and(self.named(call.name.as_str(), call.args.len(), call.args.len()))
    }

    /// Whether a call does more than compute, as far as that is known: it talks to Asterisk, or ends the script.
    pub fn acts(&self, call: &FnCallExpr) -> bool {
        let (name, count) = (call.name.as_str(), call.args.len());
        let is_known = self.functions.contains_key(&(name.to_owned(), count)) || self.known.declared(name).is_some();
        let is_plain = call.op_token.is_none() && call.namespace.is_empty();
        is_known && is_plain && (self.ends_script(call) || self.named(name, count, count).effect != Effect::None)
    }

    /// Returns what a call may do because of its arguments: a function that receives a closure may call it.
    fn handed(args: &[Expr]) -> Does {
        let is_closure = |arg: &Expr| match arg {
            Expr::Stmt(block) => super::ast::closure(block).is_some(),
            other => super::ast::pointer(other).is_some(),
        };
        if args.iter().any(is_closure) { Does::ANYTHING } else { Does::NOTHING }
    }

    fn method(&self, call: &FnCallExpr) -> Does {
        let args = call.args.iter().map(|arg| self.expr(arg)).fold(Does::NOTHING, Does::and);
        args.and(Self::handed(&call.args)).and(self.named(call.name.as_str(), call.args.len(), call.args.len() + 1))
    }

    /// Returns what a function of the script or of the host does.
    fn named(&self, name: &str, params: usize, args: usize) -> Does {
        let key = (name.to_owned(), params);
        if let Some(function) = self.functions.get(&key) {
            if let Some(known) = self.results.borrow().get(&key) {
                return known.unwrap_or(Does::NOTHING);
            }
            self.results.borrow_mut().insert(key.clone(), None);
            let mut does = self.does(&function.statements, true);
            // A `return` in it ends the function, not the loop. But it may throw.
            does.leaves = throws_or_ends(self, &function.statements);
            self.results.borrow_mut().insert(key, Some(does));
            return does;
        }
        if let Some(function) = self.known.declared(name) {
            return Does { effect: self.known.effect(function, args), leaves: false };
        }
        // Rhai's own functions only compute; `call` and an embedder's functions may do anything.
        if self.known.is_rhai(name) { Does::NOTHING } else { Does::ANYTHING }
    }
}

/// Whether the statements of a function may end more than the function.
fn throws_or_ends(flow: &Flow<'_>, statements: &[Stmt]) -> bool {
    let mut found = false;
    for statement in statements {
        statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
            match nodes.last() {
                Some(ASTNode::Stmt(Stmt::Return(_, flags, _))) if flags.intersects(ASTFlags::BREAK) => {
                    found = true;
                }
                Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                    found |= flow.call(call).leaves;
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => found |= flow.method(call).leaves,
                _ => {}
            }
            !found
        });
    }
    found
}

/// Whether this is the condition of an endless loop.
pub(in crate::tools) fn is_true(condition: &Expr) -> bool {
    matches!(condition, Expr::Unit(_) | Expr::BoolConstant(true, _))
}

/// Whether a `break` in this body of a loop ends that loop.
fn breaks(block: &StmtBlock) -> bool {
    fn statement(statement: &Stmt) -> bool {
        match statement {
            Stmt::BreakLoop(_, flags, _) => flags.intersects(ASTFlags::BREAK),
            Stmt::If(x, _) | Stmt::TryCatch(x, _) => breaks(&x.body) || breaks(&x.branch),
            Stmt::Block(block) => breaks(block),
            Stmt::Switch(x, _) => x.1.expressions.iter().any(|case| expr(&case.rhs)),
            Stmt::Expr(x) => expr(x),
            Stmt::Var(x, ..) => expr(&x.1),
            Stmt::Assignment(x) => expr(&x.1.rhs),
            // Unusual as an argument, but possible.
            Stmt::FnCall(call, _) => call.args.iter().any(expr),
            _ => false,
        }
    }
    fn expr(e: &Expr) -> bool {
        match e {
            Expr::Stmt(block) => breaks(block),
            Expr::FnCall(call, _) | Expr::MethodCall(call, _) => call.args.iter().any(expr),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => parts.iter().any(expr),
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => parts.iter().any(expr),
            Expr::Dot(x, ..) | Expr::Index(x, ..) => expr(&x.lhs) || expr(&x.rhs),
            Expr::Map(map, _) => map.0.iter().any(|(_, value)| expr(value)),
            _ => false,
        }
    }
    block.statements().iter().any(statement)
}
