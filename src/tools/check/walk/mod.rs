//! The walk over a script, with what each name means where it stands.

mod calls;
mod last;
mod names;

use super::ast::{closure, pointer};
use super::checker::Checker;
use super::flow::{Does, Flow, Functions, ScriptFunction, functions, is_true};
use super::imports::{self, Imported, Reader, Said, paths};
use super::prompts::Prompts;
use super::report::Report;
use super::rules::{self, Rule};
use super::text::{Place, place};
use super::words::{Effect, Words, is_value};
use crate::command::Type;
use crate::command::Value;
use rhai::{AST, ASTFlags, Engine, Expr, Stmt, StmtBlock, Token};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

/// What is known of a value where it stands.
#[derive(Clone, Copy, Debug)]
enum Known {
    As(Type),
    /// That of a variable, by its number, unless it is set anew somewhere.
    Variable(usize),
    /// `args`, `params`, `env`.
    Args,
    Texts,
}

impl Known {
    const NOTHING: Self = Self::As(Type::Unknown);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Let,
    Const,
    Param,
    /// Of `for` and `catch`, and of closures, which have to take what they are given.
    Given,
}

struct Variable {
    name: String,
    place: Place,
    sort: Sort,
    value: Known,
    read: bool,
    written: bool,
    /// At the top of the script.
    top: bool,
    /// The function it is in.
    function: usize,
}

struct Module {
    alias: String,
    place: Place,
    imported: Option<Rc<Imported>>,
    used: bool,
    in_scope: bool,
    /// In no block and no function: functions below it see it.
    top: bool,
}

/// What can be told only when all has been seen.
enum Later {
    Compared { operator: String, left: Known, right: Known, place: Place },
    Calculated { operator: String, left: Known, right: Known, place: Place },
    Condition { value: Known, place: Place },
    Called { name: String, args: Vec<(Known, Place)>, place: Place },
    Switched { value: Known, place: Place },
}

/// How a function of the script is used.
#[derive(Default)]
struct Uses {
    called: BTreeSet<String>,
    /// Named otherwise than by a call: who calls it decides what it takes.
    named: BTreeSet<String>,
}

struct Walk<'a, 'r, 't> {
    checker: &'a Checker,
    path: &'a Path,
    words: &'a Words,
    functions: &'a Functions,
    closures: HashMap<String, Rc<ScriptFunction>>,
    flow: Flow<'a>,
    reader: Reader<'a>,
    said: Said,
    imported: Vec<Rc<Imported>>,
    report: &'a mut Report<'r, 't>,
    prompts: Prompts,
    variables: Vec<Variable>,
    scope: Vec<usize>,
    modules: Vec<Module>,
    later: Vec<Later>,
    uses: Uses,
    /// The names of variables that are not there.
    undefined: BTreeSet<String>,
    /// The name of the function we are in; none at the top.
    function: Option<String>,
    /// Its number.
    number: usize,
    /// In `on_hangup`, outside of any `try`.
    after_hangup: bool,
    /// A call with `!` lets a function see all variables.
    open: bool,
}

pub(super) fn walk(checker: &Checker, path: &Path, engine: &Engine, ast: &AST, report: &mut Report<'_, '_>) {
    let words = checker.words(path);
    let (functions, closures) = functions(ast);
    let reader = Reader::new(engine, checker.files(), checker.places(path));
    let imported: Vec<Rc<Imported>> = paths(ast).iter().filter_map(|name| reader.import(path, name)).collect();
    let imported = imports::all(&imported);
    let prompts = Prompts::new(checker, path, &imported);
    let mut walk = Walk {
        checker,
        path,
        words,
        flow: Flow::new(words, &functions),
        functions: &functions,
        closures,
        reader,
        said: Said::of(ast),
        imported,
        report,
        prompts,
        variables: Vec::new(),
        scope: Vec::new(),
        modules: Vec::new(),
        later: Vec::new(),
        uses: Uses::default(),
        undefined: BTreeSet::new(),
        function: None,
        number: 0,
        after_hangup: false,
        open: false,
    };
    walk.script(ast);
}

fn start(expr: &Expr) -> Place {
    place(expr.start_position())
}

/// What stands in the script as it is, for a command to look at.
fn literal(expr: &Expr) -> Option<Value> {
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

impl Walk<'_, '_, '_> {
    fn script(&mut self, ast: &AST) {
        // An import far inside is there for what is inside only.
        for statement in ast.statements() {
            self.statement(statement);
        }
        self.unreachable(ast.statements());
        self.unused_values(ast.statements());
        self.scope.clear();
        for module in &mut self.modules {
            module.top = module.in_scope;
        }
        let mut functions: Vec<_> = self.functions.values().cloned().collect();
        functions.sort_by_key(|function| function.start);
        for (number, function) in functions.iter().enumerate() {
            self.enter(function, number + 1);
        }
        self.decide();
        self.unused(ast);
        let mut prompts = std::mem::replace(&mut self.prompts, Prompts::none());
        prompts.report(self.checker, self.report);
    }

    fn add(&mut self, rule: &'static Rule, at: Place, message: String, hint: Option<String>) {
        self.report.add(rule, at, message, hint);
    }

    fn enter(&mut self, function: &ScriptFunction, number: usize) {
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
            self.define(param, place, Sort::Param, Known::NOTHING);
        }
        for statement in &function.statements {
            self.statement(statement);
        }
        self.unreachable(&function.statements);
        self.unused_values(&function.statements);
        self.scope.clear();
        self.function = None;
        self.after_hangup = false;
    }

    fn block(&mut self, block: &StmtBlock) {
        self.statements(block.statements());
    }

    fn statements(&mut self, statements: &[Stmt]) {
        let (scope, modules) = (self.scope.len(), self.modules.len());
        for statement in statements {
            self.statement(statement);
        }
        self.unreachable(statements);
        self.unused_values(statements);
        self.scope.truncate(scope);
        for module in &mut self.modules[modules..] {
            module.in_scope = false;
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::If(x, _) => {
                self.condition(&x.expr);
                self.block(&x.body);
                self.block(&x.branch);
            }
            Stmt::Switch(x, position) => {
                let value = self.expr(&x.0);
                if let Some(number) = self.number_case(place(*position)) {
                    self.later.push(Later::Switched { value, place: number });
                }
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
                    self.define(&counter.name, place(counter.pos), Sort::Given, Known::NOTHING);
                }
                self.define(&name.name, place(name.pos), Sort::Given, Known::NOTHING);
                self.block(&control.body);
                self.scope.truncate(scope);
            }
            Stmt::Var(x, flags, _) => {
                let value = self.expr(&x.1);
                let sort = if flags.intersects(ASTFlags::CONSTANT) { Sort::Const } else { Sort::Let };
                let id = self.define(&x.0.name, place(x.0.pos), sort, value);
                self.variables[id].read = flags.intersects(ASTFlags::EXPORTED);
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
                    self.define(&name.1, place(*position), Sort::Given, Known::NOTHING);
                }
                self.block(&x.branch);
                self.scope.truncate(scope);
            }
            Stmt::Expr(expr) => {
                self.expr(expr);
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
                    self.undefined(&x.0.name, place(x.0.pos), false);
                }
            }
            // Nothing, or what Rhai makes of closures.
            _ => {}
        }
    }

    fn assignment(&mut self, x: &(rhai::OpAssignment, rhai::BinaryExpr)) {
        let (operator, sides) = x;
        let value = self.expr(&sides.rhs);
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
        self.undefined(&variable.1, at, !operator.is_op_assignment());
    }

    /// A value of the call is changed.
    fn read_only(&mut self, name: &str, at: Place) {
        if matches!(name, "env" | "args" | "params") {
            let hint = "keep it in a variable of your own, or in `state`".to_owned();
            self.add(&rules::READ_ONLY, at, format!("`{name}` cannot be changed"), Some(hint));
        }
    }

    fn condition(&mut self, expr: &Expr) {
        let value = self.expr(expr);
        self.later.push(Later::Condition { value, place: start(expr) });
    }

    /// The first case of a `switch` that is a number.
    fn number_case(&self, at: Place) -> Option<Place> {
        let words = &self.report.text.words;
        let first = self.report.text.word_at(at)?;
        let mut depth = 0_usize;
        for pair in words[first..].windows(2) {
            match pair[0].token {
                Token::LeftBrace | Token::MapStart | Token::LeftParen | Token::LeftBracket => {
                    depth += 1;
                }
                Token::RightBrace | Token::RightParen | Token::RightBracket => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && pair[0].token == Token::RightBrace {
                        return None;
                    }
                }
                Token::IntegerConstant(_)
                    if depth == 1 && matches!(pair[1].token, Token::DoubleArrow | Token::Pipe) =>
                {
                    return Some(pair[0].start);
                }
                _ => {}
            }
        }
        None
    }

    fn import(&mut self, path: &Expr, alias: &rhai::Ident, at: Place) {
        let (path, at) = match path {
            Expr::StringConstant(path, position) => (path.to_string(), place(*position)),
            other => {
                self.expr(other);
                let message = "what is imported must be a text in quotes".to_owned();
                self.add(&rules::MISSING_IMPORT, at, message, None);
                return;
            }
        };
        let imported = self.reader.import(self.path, &path);
        match &imported {
            None => {
                let hint = "it is looked for beside the script and below the scripts folder".to_owned();
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
            self.modules.push(Module { alias, place, imported, used: false, in_scope: true, top: false });
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: &Expr) -> Known {
        match expr {
            Expr::BoolConstant(..) => Known::As(Type::Bool),
            Expr::IntegerConstant(..) | Expr::FloatConstant(..) => Known::As(Type::Number),
            Expr::StringConstant(..) => Known::As(Type::Text),
            Expr::Unit(_) => Known::As(Type::Unit),
            Expr::InterpolatedString(parts, _) => {
                self.exprs(parts);
                Known::As(Type::Text)
            }
            Expr::Array(items, _) => {
                self.exprs(items);
                Known::As(Type::Array)
            }
            Expr::Map(map, _) => {
                for (_, value) in &map.0 {
                    self.expr(value);
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

    fn chain(&mut self, expr: &Expr, x: &rhai::BinaryExpr, flags: ASTFlags) -> Known {
        let left = self.expr(&x.lhs);
        self.expr(&x.rhs);
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

    fn closure(&mut self, name: &str, captured: usize) {
        let Some(function) = self.closures.get(name).cloned() else {
            self.uses.named.insert(name.to_owned());
            return;
        };
        let (scope, modules) = (self.scope.len(), self.modules.len());
        let after_hangup = std::mem::take(&mut self.after_hangup);
        let start = function.start;
        for param in function.params.iter().skip(captured) {
            self.define(param, start, Sort::Given, Known::NOTHING);
        }
        self.statements(&function.statements);
        self.after_hangup = after_hangup;
        self.scope.truncate(scope);
        for module in &mut self.modules[modules..] {
            module.in_scope = false;
        }
    }

    fn unreachable(&mut self, statements: &[Stmt]) {
        let ended = statements.iter().enumerate().find_map(|(at, statement)| Some((at, self.flow.ends(statement)?)));
        let Some((at, why)) = ended else { return };
        let next = statements[at + 1..].iter().find(|statement| !matches!(statement, Stmt::Noop(_) | Stmt::Share(_)));
        if let Some(next) = next {
            let message = format!("this never runs: it stands behind {why}");
            self.add(&rules::UNREACHABLE, first(next), message, None);
        }
    }

    /// Values that are calculated and dropped, all but the last, which the block gives.
    fn unused_values(&mut self, statements: &[Stmt]) {
        let Some((_, statements)) = statements.split_last() else { return };
        for statement in statements {
            let (name, operator, at) = match statement {
                Stmt::FnCall(call, position) if call.op_token.is_some() => (&call.name, true, place(*position)),
                Stmt::Expr(expr) => match &**expr {
                    Expr::FnCall(call, position) => (&call.name, call.op_token.is_some(), place(*position)),
                    _ => continue,
                },
                _ => continue,
            };
            if !operator {
                continue;
            }
            let (message, hint) = match name.as_str() {
                "==" => ("this compares, and does nothing with the answer", Some("`=` sets a variable")),
                "!=" | "<" | "<=" | ">" | ">=" => ("this compares, and does nothing with the answer", None),
                _ => ("this is calculated and dropped", Some("`x = x + 1` or `x += 1` changes a variable")),
            };
            self.add(&rules::UNUSED_VALUE, at, message.to_owned(), hint.map(str::to_owned));
        }
    }

    fn endless(&mut self, statements: &[Stmt], at: Place) {
        let Does { effect, leaves } = self.flow.does(statements, false);
        if self.function.as_deref() == Some("on_hangup") && !leaves && effect != Effect::Asks {
            let message = "nothing ends this loop: the host stops `on_hangup` after 5 seconds".to_owned();
            self.add(&rules::ENDLESS_LOOP, at, message, None);
            return;
        }
        let (message, hint) = match (leaves, effect) {
            (true, _) | (_, Effect::Asks) => return,
            (_, Effect::None) => (
                "nothing ends this loop: the host stops the script after a second of it",
                "end it with `break`, `return` or `exit()`",
            ),
            (_, Effect::Short) => (
                "nothing ends this loop but a hangup, and it never waits",
                "end it with `break`, `return` or `exit()`, or let it `sleep`",
            ),
            (_, Effect::Plays) => (
                "nothing ends this loop but a hangup: it asks the caller for nothing",
                "if it is meant so, say it with `// agi-rhai: allow(endless-loop)`; else end it with `break`",
            ),
        };
        self.add(&rules::ENDLESS_LOOP, at, message.to_owned(), Some(hint.to_owned()));
    }
}

/// Where a statement begins.
fn first(statement: &Stmt) -> Place {
    match statement {
        Stmt::Expr(expr) => start(expr),
        Stmt::Assignment(x) => start(&x.1.lhs),
        Stmt::FnCall(call, position) => match call.args.first() {
            Some(arg) if call.op_token.is_some() && call.args.len() == 2 => start(arg),
            _ => call.namespace.path.first().map_or(place(*position), |root| place(root.pos)),
        },
        other => place(other.position()),
    }
}
