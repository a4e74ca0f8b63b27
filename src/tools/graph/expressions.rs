//! Follows expressions, and evaluates those that only compute.

use super::node::NodeKind;
use super::statements::Decision;
use super::value::Value;
use super::walker::{Frame, Walker, Way, Ways, merged};
use crate::script::place;
use crate::tools::check::{ScriptFunction, closure, pointer};
use rhai::{Expr, Stmt};
use std::rc::Rc;

impl Walker<'_> {
    /// Follows an expression. Each way has its value.
    pub fn expr(&mut self, expr: &Expr, ways: Ways) -> Ways {
        if ways.is_empty() || !self.matters_expr(expr) {
            return self.values(expr, ways);
        }
        match expr {
            Expr::FnCall(call, _) if call.op_token.is_some() => match (call.name.as_str(), &call.args[..]) {
                ("!", [one]) => {
                    let ways = self.expr(one, ways);
                    ways.into_iter()
                        .map(|mut way| {
                            way.value = way.value.not();
                            way
                        })
                        .collect()
                }
                ("==" | "!=", [one, other]) => {
                    let is = call.name == "==";
                    let (acts, plain) = if self.matters_expr(one) { (one, other) } else { (other, one) };
                    let mut ways = self.expr(acts, ways);
                    for way in &mut ways {
                        let found = way.value.equals(&self.value(plain, way));
                        way.value = if is { found } else { found.not() };
                    }
                    ways
                }
                (_, args) => self.unknown(args, ways),
            },
            Expr::FnCall(call, position) => self.call(call, place(*position), ways),
            Expr::MethodCall(call, position) => self.method(call, place(*position), ways),
            Expr::Dot(x, ..) => {
                let ways = self.expr(&x.lhs, ways);
                match &x.rhs {
                    Expr::Property(..) => ways.into_iter().map(Way::member).collect(),
                    Expr::MethodCall(call, position) => self.method(call, place(*position), ways),
                    rest => self.expr(rest, ways),
                }
            }
            Expr::Index(x, ..) => self.unknown(&[x.lhs.clone(), x.rhs.clone()], ways),
            Expr::Stmt(block) if closure(block).is_none() => self.statements(block.statements(), ways),
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                let is_and = matches!(expr, Expr::And(..));
                let (mut open, mut done) = (ways, Ways::new());
                let source = self.source();
                for part in &**parts {
                    let at = place(part.start_position());
                    let mut decision = Decision::new(NodeKind::Decision, source.expression(part), source.line(at));
                    let (yes, no) = self.branch(part, &mut decision, open);
                    let (go_on, settled) = if is_and { (yes, no) } else { (no, yes) };
                    done.extend(settled.into_iter().map(|way| way.with(Value::Bool(!is_and))));
                    open = go_on;
                }
                done.extend(open.into_iter().map(|way| way.with(Value::Bool(is_and))));
                merged(done)
            }
            Expr::Coalesce(parts, _) => {
                let [first, others @ ..] = &parts[..] else { return ways };
                let mut ways = self.expr(first, ways);
                for other in others {
                    let (nothing, something): (Ways, Ways) = ways.into_iter().partition(|way| way.value == Value::Unit);
                    ways = merged([something, self.expr(other, nothing)].concat());
                }
                ways
            }
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => {
                let ways = self.unknown(parts, ways);
                ways.into_iter().map(|way| way.with(Value::Something)).collect()
            }
            Expr::Map(map, _) => {
                let values: Vec<Expr> = map.0.iter().map(|(_, value)| value.clone()).collect();
                let ways = self.unknown(&values, ways);
                ways.into_iter().map(|way| way.with(Value::Something)).collect()
            }
            _ => self.values(expr, ways),
        }
    }

    /// Follows several expressions, and doesn't know what becomes of their values.
    pub fn unknown(&mut self, parts: &[Expr], mut ways: Ways) -> Ways {
        for part in parts {
            if self.matters_expr(part) {
                ways = self.expr(part, ways);
            }
        }
        merged(ways.into_iter().map(|way| way.with(Value::Unknown)).collect())
    }

    /// Evaluates an expression that only computes, on each way.
    pub fn values(&mut self, expr: &Expr, mut ways: Ways) -> Ways {
        for way in &mut ways {
            way.value = self.value(expr, way);
        }
        merged(ways)
    }

    /// Evaluates an expression that only computes.
    pub fn value(&mut self, expr: &Expr, way: &Way) -> Value {
        if let Some(value) = Value::literal(expr) {
            return value;
        }
        if let Some(name) = function_in(expr) {
            let source = self.frame().source;
            return Value::Function(source, name);
        }
        match expr {
            Expr::Variable(name, ..) => {
                let depth = if name.2.is_empty() { self.depth() } else { 0 };
                way.facts.get(&(depth, name.1.to_string())).cloned().unwrap_or(Value::Unknown)
            }
            Expr::Dot(x, ..) if matches!(x.rhs, Expr::Property(..)) => match self.value(&x.lhs, way) {
                Value::Result(node, _) => Value::Member(node),
                _ => Value::Unknown,
            },
            Expr::FnCall(call, _) if call.op_token.is_some() => match (call.name.as_str(), &call.args[..]) {
                ("!", [one]) => self.value(one, way).not(),
                ("==", [one, other]) => self.value(one, way).equals(&self.value(other, way)),
                ("!=", [one, other]) => self.value(one, way).equals(&self.value(other, way)).not(),
                _ => Value::Unknown,
            },
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                let settles = matches!(expr, Expr::Or(..));
                let values: Vec<Value> = parts.iter().map(|part| self.value(part, way)).collect();
                if values.contains(&Value::Bool(settles)) {
                    Value::Bool(settles)
                } else if values.iter().all(|value| *value == Value::Bool(!settles)) {
                    Value::Bool(!settles)
                } else {
                    let mut open = values.into_iter().filter(|value| *value != Value::Bool(!settles));
                    match (open.next(), open.next()) {
                        (Some(one), None) => one,
                        _ => Value::Unknown,
                    }
                }
            }
            Expr::Coalesce(parts, _) => {
                let mut last = Value::Unit;
                for part in &**parts {
                    last = self.value(part, way);
                    if last != Value::Unit {
                        break;
                    }
                }
                last
            }
            Expr::InterpolatedString(..) | Expr::Array(..) | Expr::Map(..) => Value::Something,
            Expr::Stmt(block) => match block.statements() {
                [statement @ (Stmt::If(..) | Stmt::Switch(..))] => self.chosen_value(statement, way),
                [Stmt::Expr(expr)] => self.value(expr, way),
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }

    /// Evaluates a choice that only computes.
    pub fn pure_choice(&mut self, statement: &Stmt, mut ways: Ways) -> Ways {
        for way in &mut ways {
            way.value = self.chosen_value(statement, way);
        }
        merged(ways)
    }

    fn chosen_value(&mut self, statement: &Stmt, way: &Way) -> Value {
        let Stmt::If(x, _) = statement else { return Value::Unknown };
        let mut of = |statements: &[Stmt]| match statements {
            [Stmt::Expr(expr)] => self.value(expr, way),
            [statement @ Stmt::If(..)] => self.chosen_value(statement, way),
            [] => Value::Unit,
            _ => Value::Unknown,
        };
        let (yes, no) = (of(x.body.statements()), of(x.branch.statements()));
        match self.value(&x.expr, way) {
            Value::Bool(true) => yes,
            Value::Bool(false) => no,
            _ if yes == no => yes,
            _ => Value::Unknown,
        }
    }

    /// Returns a function of a file by the name that Rhai gives it, or by that in the script.
    pub fn function_named(&self, source: usize, name: &str) -> Option<Rc<ScriptFunction>> {
        let source = &self.sources[source];
        let closure = source.closures.get(name);
        closure.or_else(|| source.functions.iter().find(|((of, _), _)| of == name).map(|(_, found)| found)).cloned()
    }

    /// Follows a function value where it is called.
    pub fn closure(&mut self, source: usize, name: &str, ways: Ways, args: &[Value]) -> Ways {
        let Some(function) = self.function_named(source, name) else {
            return ways.into_iter().map(|way| way.with(Value::Unknown)).collect();
        };
        if !name.starts_with("anon$") {
            let at = function.start;
            return self.script_function(source, &function, at, &vec![args.to_vec(); ways.len()], ways);
        }
        let key = (source, function.name.clone(), 0);
        if self.frame().calls.contains(&key) || self.frames.len() > 40 {
            return ways.into_iter().map(|way| way.with(Value::Unknown)).collect();
        }
        let (depth, group) = (self.depth(), self.frame().group);
        let calls = [self.frame().calls.clone(), vec![key]].concat();
        let mut ways = ways;
        // What Rhai captures are the first parameters, which have the names of the variables.
        let params = function.params.len();
        for (param, value) in function.params[params - args.len().min(params)..].iter().zip(args) {
            for way in &mut ways {
                way.facts.insert((depth, param.clone()), value.clone());
            }
        }
        self.frames.push(Frame { group, depth, calls, ..Frame::of(source) });
        let body = self.statements(&function.statements, ways);
        let returns = self.frames.pop().map(|frame| frame.returns).unwrap_or_default();
        merged([body, returns].concat())
    }
}

/// Returns the name of the function that an expression is: that of a closure, or `Fn("name")`.
pub(super) fn function_in(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Stmt(block) => closure(block).map(|(name, _)| name),
        Expr::FnCall(call, _) if call.name == "Fn" => match &call.args[..] {
            [Expr::StringConstant(name, _)] => Some(name.to_string()),
            _ => None,
        },
        other => pointer(other),
    }
}
