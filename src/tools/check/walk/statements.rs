//! The walk over statements, functions and imports.

use super::expressions::{literal, start};
use super::known::{ImportedModule, Known, Later, Origin};
use super::walker::Walk;
use crate::command::Value;
use crate::tools::check::answering::Answering;
use crate::tools::check::checker::Checker;
use crate::tools::check::flow::{ScriptFunction, is_true};
use crate::tools::check::known_functions::is_value;
use crate::tools::check::prompts::Prompts;
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use rhai::{AST, ASTFlags, Expr, Stmt, StmtBlock};
use std::rc::Rc;

impl Walk<'_, '_, '_> {
    pub(super) fn script(&mut self, ast: &AST) {
        // A script that only defines things is a library.
        let defines = |statement: &Stmt| match statement {
            Stmt::Import(..) | Stmt::Export(..) | Stmt::Noop(_) => true,
            Stmt::Var(_, flags, _) => flags.intersects(ASTFlags::CONSTANT | ASTFlags::EXPORTED),
            _ => false,
        };
        self.report.is_library = !Checker::is_test(self.path)
            && ast.iter_functions().next().is_some()
            && ast.statements().iter().all(defines);
        // An import inside a block is only for that block.
        for statement in ast.statements() {
            self.statement(statement);
        }
        self.useless(ast.statements());
        self.scope.truncate(0);
        self.top_level = 0;
        for module in &mut self.modules {
            module.top = module.in_scope;
        }
        let mut functions: Vec<_> = self.functions.values().cloned().collect();
        functions.sort_by_key(|function| function.start);
        for (number, function) in functions.iter().enumerate() {
            self.function_body(function, number + 1);
        }
        self.conclude();
        if self.warnings {
            self.unanswered(ast);
            self.unused();
            let mut prompts = std::mem::replace(&mut self.prompts, Prompts::none());
            prompts.report(self.checker, self.report);
        }
    }

    /// Reports that the script plays something before it answers the call.
    fn unanswered(&mut self, ast: &AST) {
        let found = Answering::new(self.known, self.functions, &self.imported).too_late(ast);
        if let Some((at, name)) = found.filter(|_| !Checker::is_test(self.path)) {
            let message = format!("`{name}` plays something before the call is answered");
            let hint = "write `answer();` above it; if the dialplan has answered, `// agi-rhai: allow(no-answer)`";
            self.add(&rules::NO_ANSWER, at, message, Some(hint.to_owned()));
        }
    }

    pub(super) fn function_body(&mut self, function: &ScriptFunction, number: usize) {
        let name = function.name.clone();
        let start = function.start;
        self.number = number;
        self.function = Some(name.clone());
        self.after_hangup = name == "on_hangup" && function.params.len() < 2;
        for module in &mut self.modules {
            module.in_scope = module.top && module.place < start;
        }
        let places: Vec<Place> = self
            .report
            .text
            .head(&name, function.params.len())
            .map(|head| head.params.iter().map(|(_, place)| *place).collect())
            .unwrap_or_default();
        for (at, param) in function.params.iter().enumerate() {
            let place = places.get(at).copied().unwrap_or(start);
            self.define(param, place, Origin::Param, Known::NOTHING);
        }
        for statement in &function.statements {
            self.statement(statement);
        }
        if self.warnings {
            self.ends_silently(&function.statements, &function.params);
        }
        self.useless(&function.statements);
        self.scope.truncate(0);
        self.function = None;
        self.after_hangup = false;
    }

    pub(super) fn block(&mut self, block: &StmtBlock) {
        self.statements(block.statements());
    }

    pub(super) fn statements(&mut self, statements: &[Stmt]) {
        let (scope, modules) = (self.scope.len(), self.modules.len());
        for statement in statements {
            self.statement(statement);
        }
        self.useless(statements);
        self.scope.truncate(scope);
        for module in &mut self.modules[modules..] {
            module.in_scope = false;
        }
    }

    pub(super) fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::If(x, _) => {
                self.condition(&x.expr);
                self.block(&x.body);
                self.block(&x.branch);
            }
            Stmt::Switch(x, position) => {
                let value = self.expr(&x.0);
                let cases = self.report.text.cases(place(*position));
                self.later.push(Later::Switched { value, cases });
                for case in &x.1.expressions {
                    self.expr(&case.lhs);
                    self.expr(&case.rhs);
                }
            }
            Stmt::While(x, position) => {
                if is_true(&x.expr) {
                    self.endless(x.body.statements(), place(*position));
                } else {
                    self.condition(&x.expr);
                }
                self.block(&x.body);
            }
            Stmt::Do(x, flags, position) => {
                if is_true(&x.expr) && !flags.intersects(ASTFlags::NEGATED) {
                    self.endless(x.body.statements(), place(*position));
                }
                self.block(&x.body);
                self.condition(&x.expr);
            }
            Stmt::For(x, _) => {
                let (name, counter, control) = &**x;
                self.expr(&control.expr);
                let scope = self.scope.len();
                if let Some(counter) = counter {
                    self.define_of_loop(counter);
                }
                self.define_of_loop(name);
                self.block(&control.body);
                self.scope.truncate(scope);
            }
            Stmt::Var(x, flags, _) => {
                let value = self.used(&x.1);
                let origin = if flags.intersects(ASTFlags::CONSTANT) { Origin::Const } else { Origin::Let };
                let id = self.define(&x.0.name, place(x.0.pos), origin, value);
                self.variables[id].read = flags.intersects(ASTFlags::EXPORTED);
                self.variables[id].constant =
                    literal(&x.1).filter(|constant| matches!(constant, Value::Int(_) | Value::Text(_)));
            }
            Stmt::Assignment(x) => self.assignment(x),
            Stmt::FnCall(call, position) => {
                self.call(call, *position);
            }
            Stmt::Block(block) => self.block(block),
            Stmt::TryCatch(x, _) => {
                let outside = std::mem::take(&mut self.after_hangup);
                self.block(&x.body);
                self.after_hangup = outside;
                let scope = self.scope.len();
                if let Expr::Variable(name, _, position) = &x.expr {
                    self.define(&name.1, place(*position), Origin::Given, Known::NOTHING);
                }
                self.block(&x.branch);
                self.scope.truncate(scope);
            }
            Stmt::Expr(expr) => {
                self.expr(expr);
                if self.warnings {
                    self.lost(statement);
                }
            }
            Stmt::BreakLoop(value, ..) | Stmt::Return(value, ..) => {
                if let Some(value) = value {
                    self.expr(value);
                }
            }
            Stmt::Import(x, position) => self.import(&x.0, &x.1, place(*position)),
            Stmt::Export(x, _) => {
                if let Some(id) = self.find(&x.0.name) {
                    self.variables[id].read = true;
                } else {
                    self.undefined(&x.0.name, place(x.0.pos));
                }
            }
            // Nothing, or part of what Rhai turns closures into.
            _ => {}
        }
    }

    pub(super) fn assignment(&mut self, x: &(rhai::OpAssignment, rhai::BinaryExpr)) {
        let (operator, sides) = x;
        let value = self.used(&sides.rhs);
        self.kept(&sides.lhs, &sides.rhs);
        let Expr::Variable(variable, _, position) = &sides.lhs else {
            self.expr(&sides.lhs);
            if let Expr::Dot(x, ..) | Expr::Index(x, ..) = &sides.lhs
                && let Expr::Variable(root, _, position) = &x.lhs
                && root.2.is_empty()
                && self.find(&root.1).is_none()
            {
                self.read_only(&root.1, place(*position));
            }
            return;
        };
        if let Some(id) = self.find(&variable.1) {
            if operator.is_op_assignment() {
                let op = operator.get_op_assignment_info().map(|(_, _, op, ..)| op.to_string()).unwrap_or_default();
                if matches!(op.as_str(), "-=" | "*=" | "/=" | "%=") {
                    let at = place(operator.position());
                    self.later.push(Later::Calculated { operator: op, left: Known::NOTHING, right: value, place: at });
                } else if op == "+=" {
                    // What it was at first is what it is meant to be.
                    let left = self.variables[id].value;
                    self.later.push(Later::Joined { left, right: value, place: place(operator.position()) });
                }
            }
            self.variables[id].written = true;
            return;
        }
        let at = place(*position);
        if is_value(&variable.1) {
            self.read_only(&variable.1, at);
            return;
        }
        if self.is_function_above(&variable.1, at) {
            self.uses.named.insert(variable.1.to_string());
            self.add(&rules::READ_ONLY, at, format!("`{}` is a function: it cannot be changed", variable.1), None);
            return;
        }
        self.undefined(&variable.1, at);
    }

    /// Reports that the script changes a value of the call.
    pub(super) fn read_only(&mut self, name: &str, at: Place) {
        if matches!(name, "env" | "args" | "params") {
            let hint = "keep it in a variable of your own, or in `state`".to_owned();
            self.add(&rules::READ_ONLY, at, format!("`{name}` cannot be changed"), Some(hint));
        }
    }

    pub(super) fn condition(&mut self, expr: &Expr) {
        let value = self.used(expr);
        self.later.push(Later::Condition { value, place: start(expr) });
    }

    pub(super) fn import(&mut self, path: &Expr, alias: &rhai::Ident, at: Place) {
        let (path, at) = match path {
            Expr::StringConstant(path, position) => (path.to_string(), place(*position)),
            other => {
                self.expr(other);
                let message = "the path of an import must be a text in quotes".to_owned();
                self.add(&rules::MISSING_IMPORT, at, message, None);
                return;
            }
        };
        let imported = self.reader.import(self.path, &path);
        match &imported {
            None => {
                let hint = "imports are looked for beside the script and below the scripts folder".to_owned();
                self.add(&rules::MISSING_IMPORT, at, format!("no script {path:?} to import"), Some(hint));
            }
            Some(imported) if !imported.known => {
                let name = &imported.name;
                let fault = self.checker.fault_of(&imported.path);
                let message = fault.map_or_else(
                    || format!("{name} is imported in a circle"),
                    |fault| format!("the script it imports has a fault: {fault}"),
                );
                self.add(&rules::BROKEN_IMPORT, at, message, None);
            }
            Some(_) => {}
        }
        if let Some(imported) = &imported {
            self.report.imports.push((at, Rc::clone(imported)));
        }
        if !alias.name.is_empty() {
            let place = place(alias.pos);
            let alias = alias.name.to_string();
            self.modules.push(ImportedModule { alias, place, imported, used: false, in_scope: true, top: false });
        }
    }
}
