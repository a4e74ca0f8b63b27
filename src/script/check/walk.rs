//! The walk over a script, with what each name means where it stands.

use super::flow::{Does, Flow, Functions, ScriptFunction, functions, is_true};
use super::imports::{self, Imported, Reader, Said, paths};
use super::prompts::Prompts;
use super::text::{Place, place};
use super::words::{self, Effect, Type, Words, gives, is_value};
use super::{Checker, Report, Rule, asterisk, rules};
use crate::command::{Command, Function, Kind, Value};
use rhai::{AST, ASTFlags, Engine, Expr, FnCallExpr, FnPtr, Position, Stmt, StmtBlock, Token};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

/// The names of what Asterisk tells at the start of a call.
const ENVIRONMENT: &[&str] = &[
    "agi_network",
    "agi_network_script",
    "agi_request",
    "agi_channel",
    "agi_language",
    "agi_type",
    "agi_uniqueid",
    "agi_version",
    "agi_callerid",
    "agi_calleridname",
    "agi_callingpres",
    "agi_callingani2",
    "agi_callington",
    "agi_callingtns",
    "agi_dnid",
    "agi_rdnis",
    "agi_context",
    "agi_extension",
    "agi_priority",
    "agi_enhanced",
    "agi_accountcode",
    "agi_threadid",
];

/// The options of `place_call` in tests.
const CALL_OPTIONS: &[&str] = &[
    "callerid",
    "name",
    "extension",
    "context",
    "dnid",
    "language",
    "seed",
    "args",
    "params",
    "variables",
    "database",
    "missing",
    "voice",
    "dial_status",
    "time",
    "state",
];

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
    exported: bool,
    /// The function it is in.
    function: usize,
}

struct Module {
    alias: String,
    place: Place,
    imported: Option<Rc<Imported>>,
    used: bool,
    in_scope: bool,
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
    let reader = Reader::new(checker, engine, path);
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
        function: None,
        number: 0,
        after_hangup: false,
        open: false,
    };
    walk.script(ast);
}

/// The closure a block of statements makes, as Rhai parses one that captures: its name, and how many it captures.
pub(super) fn closure(block: &StmtBlock) -> Option<(String, usize)> {
    let [Stmt::Share(captured), Stmt::Expr(made)] = block.statements() else { return None };
    let Expr::FnCall(curry, _) = &**made else { return None };
    let name = pointer(curry.args.first()?)?;
    Some((name, captured.len()))
}

/// The name of a closure that captures nothing.
pub(super) fn pointer(expr: &Expr) -> Option<String> {
    let Expr::DynamicConstant(value, _) = expr else { return None };
    value.read_lock::<FnPtr>().map(|pointer| pointer.fn_name().to_owned())
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
        let top: Vec<usize> = std::mem::take(&mut self.scope);
        let mut functions: Vec<_> = self.functions.values().cloned().collect();
        functions.sort_by_key(|function| function.start);
        for (number, function) in functions.iter().enumerate() {
            self.enter(function, number + 1, &top);
        }
        self.decide();
        self.unused(ast);
        let mut prompts = std::mem::replace(&mut self.prompts, Prompts::none());
        prompts.report(self.checker, self.report);
    }

    fn add(&mut self, rule: &'static Rule, at: Place, message: String, hint: Option<String>) {
        self.report.add(rule, at, message, hint);
    }

    fn enter(&mut self, function: &ScriptFunction, number: usize, top: &[usize]) {
        let name = function.name.clone();
        let start = function.start;
        self.number = number;
        self.function = Some(name.clone());
        self.after_hangup = name == "on_hangup" && function.params.len() < 2;
        for module in &mut self.modules {
            module.in_scope = module.place < start;
        }
        if Checker::is_test(self.path) {
            let constants = top.iter().copied().filter(|id| self.variables[*id].sort == Sort::Const);
            self.scope.extend(constants.collect::<Vec<_>>());
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

    // Names.

    fn define(&mut self, name: &str, place: Place, sort: Sort, value: Known) -> usize {
        if is_value(name) {
            let what = match name {
                "env" => "what Asterisk told of the call",
                "args" => "the arguments of the call",
                "params" => "the parameters of the call's address",
                _ => "what this call keeps for all its functions",
            };
            let hint = "choose another name".to_owned();
            self.add(&rules::SHADOWED_NAME, place, format!("`{name}` hides {what}"), Some(hint));
        }
        let id = self.variables.len();
        self.variables.push(Variable {
            name: name.to_owned(),
            place,
            sort,
            value,
            read: false,
            written: false,
            top: self.number == 0 && self.scope.len() == self.top_level(),
            exported: false,
            function: self.number,
        });
        self.scope.push(id);
        id
    }

    /// How many variables are in scope at the top of the script.
    fn top_level(&self) -> usize {
        self.scope.iter().filter(|id| self.variables[**id].top).count()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.scope.iter().rev().copied().find(|id| self.variables[*id].name == name)
    }

    fn is_function(&self, name: &str) -> bool {
        self.functions.keys().any(|(known, _)| known == name)
    }

    /// A variable is read.
    fn read(&mut self, name: &str, at: Place) -> Known {
        if let Some(id) = self.find(name) {
            self.variables[id].read = true;
            return Known::Variable(id);
        }
        match name {
            "args" => return Known::Args,
            "params" | "env" => return Known::Texts,
            "state" => return Known::As(Type::Map),
            _ => {}
        }
        // The name of a function that stands above is the function itself.
        if let Some(head) = self.report.text.heads.iter().find(|head| head.name == name && head.start < at) {
            let name = head.name.clone();
            self.uses.named.insert(name);
            return Known::As(Type::Function);
        }
        self.undefined(name, at, false);
        Known::NOTHING
    }

    fn undefined(&mut self, name: &str, at: Place, set: bool) {
        let hint = self.undefined_hint(name, at, set);
        self.add(&rules::UNDEFINED_VARIABLE, at, format!("unknown variable `{name}`"), hint);
        if self.is_function(name) {
            self.uses.named.insert(name.to_owned());
        }
    }

    fn undefined_hint(&self, name: &str, at: Place, set: bool) -> Option<String> {
        let same: Vec<&Variable> = self.variables.iter().filter(|variable| variable.name == name).collect();
        if let Some(function) = &self.function
            && let Some(outside) = same.iter().find(|variable| variable.top)
        {
            let what = if function.starts_with("anon$") { "a function" } else { function.as_str() };
            return Some(match outside.sort {
                Sort::Const => format!("a function sees the script's constants as `global::{name}`"),
                _ => format!(
                    "a function sees none of the script's variables: hand it to `{what}` as a parameter, or write \
                     `state.{name}` everywhere"
                ),
            });
        }
        if let Some(ended) = same.iter().find(|variable| variable.function == self.number) {
            return Some(format!(
                "`{name}` of line {} ends with the block it began in: write `let {name}` before that block",
                ended.place.0
            ));
        }
        let later = |line: usize| format!("`{name}` begins only in line {line}: move its `let` up");
        let words = &self.report.text.words;
        let declared = words.windows(2).find(|pair| {
            let is_let = matches!(pair[0].token, Token::Let | Token::Const);
            is_let && matches!(&pair[1].token, Token::Identifier(other) if other.as_str() == name) && pair[1].start > at
        });
        if let Some(declared) = declared
            && self.number == 0
        {
            return Some(later(declared[1].start.0));
        }
        if self.is_function(name) {
            return Some(format!(
                "`{name}` is a function: call it as `{name}(...)`, or hand it on as `Fn(\"{name}\")`"
            ));
        }
        if self.words.exists(name) {
            return Some(format!("`{name}` is a function: call it as `{name}(...)`"));
        }
        match name {
            "None" | "undefined" => return Some("what is absent is written as `()`".to_owned()),
            "True" | "TRUE" => return Some("write `true`".to_owned()),
            "False" | "FALSE" => return Some("write `false`".to_owned()),
            _ => {}
        }
        if let Some(name) = ENVIRONMENT.iter().find(|known| **known == name) {
            return Some(format!("write `env.{name}`"));
        }
        let visible =
            self.scope.iter().map(|id| self.variables[*id].name.as_str()).chain(crate::script::functions::VALUES);
        if let Some(near) = words::near(name, visible) {
            return Some(format!("did you mean `{near}`?"));
        }
        if set {
            return Some(format!("a new variable begins with `let`: `let {name} = ...`"));
        }
        if self.function.is_some() {
            let sees =
                "a function sees its parameters, `state`, `env`, `args` and `params`, but no variable from outside";
            return Some(sees.to_owned());
        }
        None
    }

    // Statements.

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
            Stmt::Noop(_) | Stmt::Share(_) => {}
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
                self.variables[id].exported = flags.intersects(ASTFlags::EXPORTED);
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
            self.modules.push(Module { alias, place, imported, used: false, in_scope: true });
        }
    }

    // Expressions.

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

    /// What is asked of `env`.
    fn environment(&mut self, rest: &Expr) {
        let property = match rest {
            Expr::Dot(x, ..) | Expr::Index(x, ..) => &x.lhs,
            other => other,
        };
        let Expr::Property(property, position) = property else { return };
        let name = property.2.as_str();
        let argument =
            name.strip_prefix("agi_arg_").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if ENVIRONMENT.contains(&name) || argument {
            return;
        }
        let known = ENVIRONMENT.iter().copied();
        let with_prefix = ENVIRONMENT.iter().copied().find(|known| known.strip_prefix("agi_") == Some(name));
        let near = with_prefix.or_else(|| words::near(name, known));
        let hint = near.map(|near| format!("did you mean `env.{near}`?"));
        let message = format!("`env` has no `{name}`: that is always ()");
        self.add(&rules::UNKNOWN_ENVIRONMENT, place(*position), message, hint);
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

    fn module(&mut self, namespace: &rhai::Namespace) -> Option<usize> {
        let root = namespace.path.first()?;
        let at = self.modules.iter().rposition(|module| module.in_scope && module.alias == root.name.as_str());
        if at.is_none() && root.name != "global" {
            let above = self.modules.iter().any(|module| module.alias == root.name.as_str());
            let known = self.modules.iter().filter(|module| module.in_scope).map(|module| module.alias.as_str());
            let hint = match words::near(&root.name, known) {
                Some(near) => Some(format!("did you mean `{near}::`?")),
                None if above => Some("a function sees only the imports that stand above it".to_owned()),
                None => Some(format!("write `import \"...\" as {};` above", root.name)),
            };
            let message = format!("`{}` is no import", root.name);
            self.add(&rules::UNDEFINED_IMPORT, place(root.pos), message, hint);
        }
        if let Some(at) = at {
            self.modules[at].used = true;
        }
        at
    }

    fn module_variable(&mut self, namespace: &rhai::Namespace, name: &str, at: Place) {
        if namespace.path.len() == 1 && namespace.path[0].name == "global" {
            let constant = self.variables.iter().rposition(|v| v.top && v.sort == Sort::Const && v.name == name);
            match constant {
                Some(id) => self.variables[id].read = true,
                None => {
                    let constants = self.variables.iter().filter(|v| v.top && v.sort == Sort::Const);
                    let near = words::near(name, constants.map(|v| v.name.as_str()));
                    let variable = self.variables.iter().any(|v| v.top && v.name == name);
                    let hint = match near {
                        Some(near) => Some(format!("did you mean `global::{near}`?")),
                        None if variable => Some("only a `const` can be reached so".to_owned()),
                        None => None,
                    };
                    let message = format!("the script has no constant `{name}`");
                    self.add(&rules::UNDEFINED_VARIABLE, at, message, hint);
                }
            }
            return;
        }
        let module = self.module(namespace);
        if namespace.path.len() == 1
            && let Some(module) = module
            && let Some(imported) = self.modules[module].imported.clone()
            && imported.known
            && !imported.exports.contains(name)
        {
            let hint = match words::near(name, imported.exports.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{}::{near}`?", self.modules[module].alias),
                None => format!("in {}, `export const {name} = ...` lets others see it", imported.name),
            };
            let message = format!("{} has no constant `{name}` for others", imported.name);
            self.add(&rules::UNDEFINED_VARIABLE, at, message, Some(hint));
        }
    }

    // Calls.

    fn call(&mut self, call: &FnCallExpr, position: Position) -> Known {
        let at = place(position);
        if call.op_token.is_some() {
            return self.operator(call, at);
        }
        let name = call.name.as_str();
        self.open |= call.capture_parent_scope;
        // `Fn("play")` is the function `play`.
        if let ("Fn", [Expr::StringConstant(named, position)]) = (name, &call.args[..]) {
            self.function_named(named, place(*position));
            return Known::As(Type::Function);
        }
        let args: Vec<(Known, Place)> = call.args.iter().map(|arg| (self.expr(arg), start(arg))).collect();
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
        if !self.words.takes(name, args.len()) {
            self.no_such_call(name, args.len(), at);
            return Known::NOTHING;
        }
        if let Some(function) = self.words.declared(name) {
            self.arguments(function, call);
            self.available(function, call, at);
            self.after_hangup(function, call, at);
            self.prompts.hear(function, call);
        }
        let kinds: Vec<Type> = args.iter().map(|(known, _)| self.resolve(*known, false)).collect();
        self.later.push(Later::Called { name: name.to_owned(), args, place: at });
        self.words.declared(name).map_or(Known::NOTHING, |function| Known::As(gives(function, &kinds)))
    }

    /// Whether a call of this name counts as a use of the script's function: its own calls do not.
    fn calls(&self, name: &str) -> bool {
        self.is_function(name) && self.function.as_deref() != Some(name)
    }

    fn function_named(&mut self, name: &str, at: Place) {
        self.uses.named.insert(name.to_owned());
        if !self.is_function(name) && !self.words.exists(name) {
            let like = self.words.like(name, self.functions.keys().map(|(name, _)| name.as_str()));
            let hint = like.map(|like| format!("did you mean `{like}`?"));
            self.add(&rules::UNKNOWN_FUNCTION, at, format!("no function `{name}`"), hint);
        }
    }

    fn operator(&mut self, call: &FnCallExpr, at: Place) -> Known {
        let known: Vec<Known> = call.args.iter().map(|arg| self.expr(arg)).collect();
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
            "+" => match (self.resolve(left, false), self.resolve(right, false)) {
                (Type::Number, Type::Number) => Known::As(Type::Number),
                (Type::Text, Type::Text | Type::Number | Type::Bool) | (Type::Number | Type::Bool, Type::Text) => {
                    Known::As(Type::Text)
                }
                _ => Known::NOTHING,
            },
            "in" | "!in" => Known::As(Type::Bool),
            _ => Known::NOTHING,
        }
    }

    fn no_such_call(&mut self, name: &str, count: usize, at: Place) {
        let own: BTreeSet<usize> =
            self.functions.keys().filter(|(known, _)| known == name).map(|(_, params)| *params).collect();
        let given = plural(count, "argument");
        if let Some(function) = self.words.declared(name).filter(|_| own.is_empty()) {
            let repeats = function.params.last().is_some_and(|param| param.kind.repeats());
            let takes = if repeats && count > function.params.len() {
                "at most 9 arguments".to_owned()
            } else {
                function.arity()
            };
            let hint = format!("it is called as `{}`", function.signature());
            self.add(&rules::ARGUMENT_COUNT, at, format!("`{name}` takes {takes}, not {count}"), Some(hint));
            return;
        }
        let mut counts = self.words.counts(name);
        counts.extend(&own);
        if !counts.is_empty() {
            let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
            let takes = match &counts[..] {
                [one] if one == "1" => "1 argument".to_owned(),
                [one] if one == "0" => "no arguments".to_owned(),
                _ => format!("{} arguments", counts.join(" or ")),
            };
            let hint = self.signature_of(name);
            self.add(&rules::ARGUMENT_COUNT, at, format!("`{name}` takes {takes}, not {count}"), hint);
            return;
        }
        if self.words.exists(name) {
            self.add(&rules::ARGUMENT_COUNT, at, format!("`{name}` does not take {given}"), None);
            return;
        }
        let hint = self.unknown_hint(name, count);
        self.add(&rules::UNKNOWN_FUNCTION, at, format!("no function `{name}`"), hint);
    }

    /// How a function of the script is written.
    fn signature_of(&self, name: &str) -> Option<String> {
        let head = self.report.text.heads.iter().find(|head| head.name == name)?;
        let params: Vec<&str> = head.params.iter().map(|(name, _)| name.as_str()).collect();
        Some(format!("it is written as `{name}({})` in line {}", params.join(", "), head.start.0))
    }

    fn unknown_hint(&mut self, name: &str, count: usize) -> Option<String> {
        if let Some(id) = self.find(name) {
            self.variables[id].read = true;
            return Some(format!("a function in a variable is called as `{name}.call(...)`"));
        }
        let module = self.modules.iter().find(|module| {
            module.in_scope && module.imported.as_ref().is_some_and(|i| i.functions.iter().any(|(f, _)| f == name))
        });
        if let Some(module) = module {
            return Some(format!("it is in an import: write `{}::{name}(...)`", module.alias));
        }
        let like = self.words.like(name, self.functions.keys().map(|(name, _)| name.as_str()));
        if let Some(like) = like {
            return Some(format!("did you mean `{like}`?"));
        }
        if self.words.is_application(name) {
            let rest = if count == 0 { "" } else { ", ..." };
            return Some(format!("an application of the dialplan is run as `exec(\"{name}\"{rest})`"));
        }
        None
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
            let near = words::near(name, imported.functions.iter().map(|(name, _)| name.as_str()));
            let hint = near.map(|near| format!("did you mean `{alias}::{near}`?"));
            self.add(
                &rules::UNKNOWN_FUNCTION,
                at,
                format!("{} has no function `{name}` for others", imported.name),
                hint,
            );
        } else {
            let counts: Vec<String> = known.iter().map(usize::to_string).collect();
            let word = if counts == ["1"] { "argument" } else { "arguments" };
            let message = format!("`{alias}::{name}` takes {} {word}, not {count}", counts.join(" or "));
            self.add(&rules::ARGUMENT_COUNT, at, message, None);
        }
    }

    fn method(&mut self, call: &FnCallExpr, position: Position) {
        self.exprs(&call.args);
        let name = call.name.as_str();
        let count = call.args.len();
        if self.calls(name) {
            self.uses.called.insert(name.to_owned());
        }
        let own = self.functions.contains_key(&(name.to_owned(), count));
        if own || self.words.takes(name, count + 1) || self.is_kept(name) {
            return;
        }
        let at = place(position);
        let counts: BTreeSet<usize> = self.words.counts(name).into_iter().filter_map(|n| n.checked_sub(1)).collect();
        let own: Vec<usize> = self.functions.keys().filter(|(known, _)| known == name).map(|(_, n)| *n).collect();
        if !counts.is_empty() || !own.is_empty() {
            let counts: Vec<String> = counts.iter().chain(&own).map(usize::to_string).collect();
            let word = if counts == ["1"] { "argument" } else { "arguments" };
            let message = format!("`.{name}()` takes {} {word} in its brackets, not {count}", counts.join(" or "));
            self.add(&rules::ARGUMENT_COUNT, at, message, None);
            return;
        }
        let like = self.words.like(name, self.functions.keys().map(|(name, _)| name.as_str()));
        let hint = like.map(|like| format!("did you mean `.{like}()`?"));
        self.add(&rules::UNKNOWN_FUNCTION, at, format!("no function `{name}`"), hint);
    }

    /// Whether a function may be kept under this name in a map.
    fn is_kept(&self, name: &str) -> bool {
        let says = |said: &Said| said.names.contains(name) || said.texts.contains(name);
        says(&self.said) || self.imported.iter().any(|imported| says(&imported.said))
    }

    // What commands take.

    fn arguments(&mut self, function: &'static Function, call: &FnCallExpr) {
        let is_command = Command::of_function(function.name).is_some();
        for (at, arg) in call.args.iter().enumerate() {
            let last = function.params.last().filter(|param| param.kind.repeats());
            let Some(param) = function.params.get(at).or(last) else { continue };
            let options = match (function.name, at) {
                ("place_call", 1) => Some(CALL_OPTIONS),
                _ => param.kind.options(),
            };
            let unknown = match (arg, options) {
                (Expr::Map(map, _), Some(options)) => self.options(&map.0, options, function.name),
                _ => false,
            };
            // What is declared of the other functions is for readers.
            let checked = is_command || (function.name == "sleep" && param.kind == Kind::Seconds);
            if let Some(value) = literal(arg)
                && checked
                && !unknown
                && let Some(problem) = param.refuses(&value)
            {
                let hint = wanted(param.kind, &value).or_else(|| explained(param));
                self.add(
                    &rules::BAD_ARGUMENT,
                    start(arg),
                    format!("{}: `{}` {problem}", function.name, param.name),
                    hint,
                );
            }
        }
    }

    fn options(&mut self, map: &[(rhai::Ident, Expr)], options: &[&str], function: &str) -> bool {
        let mut unknown = false;
        for (name, _) in map.iter().filter(|(name, _)| !options.contains(&name.as_str())) {
            unknown = true;
            let hint = match words::near(name.as_str(), options.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it takes `{}`", options.join("`, `")),
            };
            self.add(
                &rules::UNKNOWN_OPTION,
                place(name.pos),
                format!("`{function}` has no option `{}`", name.as_str()),
                Some(hint),
            );
        }
        unknown
    }

    fn available(&mut self, function: &'static Function, call: &FnCallExpr, at: Place) {
        let (Some(version), Some(command)) = (self.checker.asterisk, Command::of_function(function.name)) else {
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
            && let Some((why, instead)) = asterisk::lacks(name, version)
        {
            self.add(&rules::ASTERISK_VERSION, place(*position), why, instead.map(str::to_owned));
        }
    }

    fn after_hangup(&mut self, function: &'static Function, call: &FnCallExpr, at: Place) {
        if !self.after_hangup {
            return;
        }
        let needs_caller = match Command::of_function(function.name) {
            Some(command) => !command.dead && !(function.name == "say_digits" && call.args.is_empty()),
            None => function.name == "go_to",
        };
        if needs_caller {
            let message = format!("`{}` is not possible after the hangup", function.name);
            let hint =
                "after the hangup only the database, variables, `verbose`, `noop` and `exec` are left".to_owned();
            self.add(&rules::AFTER_HANGUP, at, message, Some(hint));
        }
    }

    // Where it goes on.

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

    // At the end.

    fn resolve(&self, known: Known, finally: bool) -> Type {
        let mut known = known;
        for _ in 0..16 {
            match known {
                Known::As(kind) => return kind,
                Known::Args => return Type::Array,
                Known::Texts => return Type::Map,
                Known::Variable(id) => {
                    let variable = &self.variables[id];
                    // Whether a variable keeps its first value is known when all has been seen.
                    if variable.written || self.open || (!finally && variable.sort != Sort::Const) {
                        return Type::Unknown;
                    }
                    known = variable.value;
                }
            }
        }
        Type::Unknown
    }

    fn decide(&mut self) {
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Compared { operator, left, right, place } => {
                    let (left, right) = (self.resolve(left, true), self.resolve(right, true));
                    if never_alike(left, right) || never_alike(right, left) {
                        let message = format!("{} is compared with {} by `{operator}`", left.name(), right.name());
                        let hint = "make a number of the text first: `to_number(...)`".to_owned();
                        self.add(&rules::TEXT_AS_NUMBER, place, message, Some(hint));
                    } else if matches!(operator.as_str(), "==" | "!=") && left.differs(right) {
                        let message = format!("{} is never equal to {}", left.name(), right.name());
                        let text_and_unit = [left, right].contains(&Type::Text) && [left, right].contains(&Type::Unit);
                        let hint = text_and_unit.then(|| format!("write `{operator} \"\"`"));
                        self.add(&rules::NEVER_EQUAL, place, message, hint);
                    }
                }
                Later::Calculated { operator, left, right, place } => {
                    let (left, right) = (self.resolve(left, true), self.resolve(right, true));
                    let text = |kind: Type| matches!(kind, Type::Text | Type::TextOrUnit);
                    // `text - text` takes one out of the other.
                    let number = |kind: Type| matches!(kind, Type::Number | Type::NumberOrUnit | Type::Unknown);
                    let wrong = (text(left) && number(right) && right != Type::Unknown)
                        || (text(right) && number(left) && left != Type::Unknown)
                        || ((text(left) || text(right)) && operator != "-" && operator != "-=");
                    if wrong {
                        let message = format!("a text cannot be calculated with by `{operator}`");
                        let hint = "make a number of the text first: `to_number(...)`".to_owned();
                        self.add(&rules::TEXT_AS_NUMBER, place, message, Some(hint));
                    }
                }
                Later::Condition { value, place } => self.decide_condition(value, place),
                Later::Switched { value, place } => {
                    if self.resolve(value, true) == Type::Text {
                        let message =
                            "a text is compared with the number of this case: they are never the same".to_owned();
                        let hint = "write the case as a text: `\"1\" => ...`".to_owned();
                        self.add(&rules::TEXT_AS_NUMBER, place, message, Some(hint));
                    }
                }
                Later::Called { name, args, place } => self.decide_call(&name, &args, place),
            }
        }
    }

    fn decide_condition(&mut self, value: Known, at: Place) {
        let hint = match self.resolve(value, true) {
            Type::Text | Type::TextOrUnit => "compare it: `... != \"\"`",
            Type::Number | Type::NumberOrUnit => "compare it: `... > 0`",
            Type::Unit => "the function gives nothing that could be tested",
            Type::Array | Type::Map => "compare its length: `....len() > 0`",
            Type::Function => "call it: `....call()`",
            Type::Unknown | Type::Bool => return,
        };
        let message = format!("a condition must be true or false, and this is {}", self.resolve(value, true).name());
        self.add(&rules::CONDITION, at, message, Some(hint.to_owned()));
    }

    fn decide_call(&mut self, name: &str, args: &[(Known, Place)], at: Place) {
        let kinds: Vec<Type> = args.iter().map(|(known, _)| self.resolve(*known, true)).collect();
        if name == "print" || name == "debug" {
            return;
        }
        if let Some((wrong, takes)) = self.words.refuses(name, &kinds) {
            let place = args.get(wrong).map_or(at, |(_, place)| *place);
            // Told already, with more of it.
            if self.report.findings.iter().any(|f| f.rule == rules::BAD_ARGUMENT.name && (f.line, f.column) == place) {
                return;
            }
            let takes: Vec<&str> = takes.iter().map(|kind| kind.name()).collect();
            let message = format!("`{name}` takes {} here, not {}", takes.join(" or "), kinds[wrong].name());
            let hint = matches!(kinds[wrong], Type::Text | Type::TextOrUnit)
                .then(|| {
                    takes
                        .contains(&Type::Number.name())
                        .then(|| "make a number of it first: `to_number(...)`".to_owned())
                })
                .flatten();
            self.add(&rules::BAD_ARGUMENT, place, message, hint);
        }
    }

    fn unused(&mut self, ast: &AST) {
        let variables = std::mem::take(&mut self.variables);
        for variable in variables.iter().filter(|variable| !variable.read && !variable.name.starts_with('_')) {
            let name = &variable.name;
            if self.open || variable.exported || is_value(name) {
                continue;
            }
            match variable.sort {
                Sort::Let | Sort::Const => {
                    let message = if variable.written {
                        format!("`{name}` is set, but never read")
                    } else {
                        format!("`{name}` is never read")
                    };
                    let hint = format!("leave it out, or call it `_{name}` if that is meant");
                    self.add(&rules::UNUSED_VARIABLE, variable.place, message, Some(hint));
                }
                Sort::Param | Sort::Given => {}
            }
        }
        self.unused_modules();
        self.unused_functions(ast, &variables);
    }

    fn unused_modules(&mut self) {
        let unused: Vec<(String, Place)> = self
            .modules
            .iter()
            // One that is not there or broken is told already.
            .filter(|module| module.imported.as_ref().is_some_and(|imported| imported.known))
            .filter(|module| !module.used && !module.alias.starts_with('_'))
            .map(|module| (module.alias.clone(), module.place))
            .collect();
        for (alias, place) in unused {
            self.add(&rules::UNUSED_IMPORT, place, format!("the import `{alias}` is never used"), None);
        }
    }

    fn unused_functions(&mut self, ast: &AST, variables: &[Variable]) {
        // A script that only defines things is there for others.
        let is_test = Checker::is_test(self.path);
        let defines = |statement: &Stmt| match statement {
            Stmt::Import(..) | Stmt::Export(..) | Stmt::Noop(_) => true,
            Stmt::Var(_, flags, _) => flags.intersects(ASTFlags::CONSTANT | ASTFlags::EXPORTED),
            _ => false,
        };
        let library = !is_test && ast.statements().iter().all(defines);
        let heads: Vec<(String, Place, bool, Vec<String>)> = self
            .report
            .text
            .heads
            .iter()
            .map(|head| {
                let params = head.params.iter().map(|(name, _)| name.clone()).collect();
                (head.name.clone(), head.start, head.private, params)
            })
            .collect();
        for (name, place, private, params) in &heads {
            let for_host = name == "on_hangup" || (is_test && name.starts_with("test_"));
            if for_host {
                if name == "on_hangup" && params.len() > 1 {
                    let message = format!("`on_hangup` takes nothing or one parameter, not {}", params.len());
                    let hint = "`fn on_hangup(last)` gets the command the hangup came in".to_owned();
                    self.add(&rules::ARGUMENT_COUNT, *place, message, Some(hint));
                }
                continue;
            }
            if (library && !private) || name.starts_with('_') {
                continue;
            }
            let named = self.uses.named.contains(name) || self.said.texts.contains(name);
            if !named && !self.uses.called.contains(name) {
                let hint = match words::near(name, ["on_hangup"].into_iter()) {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None => None,
                };
                self.add(&rules::UNUSED_FUNCTION, *place, format!("the function `{name}` is never called"), hint);
                continue;
            }
            if named {
                continue;
            }
            let Some(function) = self.functions.get(&(name.clone(), params.len())) else { continue };
            if function.method {
                continue;
            }
            let unused: Vec<(String, Place)> = variables
                .iter()
                .filter(|v| v.sort == Sort::Param && !v.read && !v.name.starts_with('_') && !is_value(&v.name))
                .filter(|v| {
                    self.report.text.head(name, params.len()).is_some_and(|h| h.params.iter().any(|p| p.1 == v.place))
                })
                .map(|v| (v.name.clone(), v.place))
                .collect();
            for (param, place) in unused {
                if self.open {
                    continue;
                }
                let hint = format!("leave it out here and where `{name}` is called, or call it `_{param}`");
                let message = format!("`{name}` does not use its parameter `{param}`");
                self.add(&rules::UNUSED_PARAMETER, place, message, Some(hint));
            }
        }
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

/// Whether comparing these is always a mistake.
fn never_alike(one: Type, other: Type) -> bool {
    matches!((one, other), (Type::Text, Type::Number | Type::NumberOrUnit) | (Type::TextOrUnit, Type::Number))
}

/// What a parameter means, where its kind alone does not say it.
fn explained(param: &crate::command::Param) -> Option<String> {
    let says_all = matches!(param.kind, Kind::Text | Kind::Name | Kind::Joined | Kind::Rest | Kind::Application);
    (!says_all).then(|| format!("`{}`: {}", param.name, param.doc))
}

/// What would be right in place of an argument, where that can be guessed.
fn wanted(kind: Kind, value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let text = text.trim();
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match kind {
        Kind::Integer(..) => {
            let ms = text.strip_suffix("ms").and_then(number);
            let seconds = text.strip_suffix("sec").or(text.strip_suffix('s')).and_then(number).map(|s| s * 1000.0);
            ms.or(seconds).map(|ms| format!("write {ms}"))
        }
        Kind::Seconds => text.strip_suffix('s').and_then(number).map(|seconds| format!("write {seconds}")),
        _ => None,
    }
}

fn plural(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}
