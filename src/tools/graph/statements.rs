//! Follows statements: branches, loops, and what leaves them.

use super::node::{NodeKind, Span};
use super::value::{Value, common};
use super::walker::{Loop, Try, Walker, Way, Ways, merged};
use crate::script::place;
use crate::tools::check::is_true;
use rhai::{ASTFlags, ASTNode, Expr, Stmt};
use std::collections::BTreeSet;

/// What the script decides at a node: the node once there is one, and what it shows.
pub(super) struct Decision {
    pub node: Option<usize>,
    pub kind: NodeKind,
    pub text: String,
    pub span: Span,
    /// The variables of which nothing is known there.
    pub unknown: BTreeSet<String>,
}

impl Walker<'_> {
    pub fn statements(&mut self, statements: &[Stmt], mut ways: Ways) -> Ways {
        for statement in statements {
            if ways.is_empty() {
                break;
            }
            ways = self.statement(statement, ways);
        }
        ways
    }

    /// Follows a block. The variables of it are unknown after it.
    fn block(&mut self, statements: &[Stmt], ways: Ways) -> Ways {
        if statements.is_empty() {
            return ways.into_iter().map(|way| way.with(Value::Unit)).collect();
        }
        let ways = self.statements(statements, ways);
        let own: BTreeSet<String> = statements
            .iter()
            .filter_map(|statement| match statement {
                Stmt::Var(x, ..) => Some(x.0.name.to_string()),
                _ => None,
            })
            .collect();
        self.forget(&own, ways)
    }

    fn forget(&mut self, names: &BTreeSet<String>, mut ways: Ways) -> Ways {
        if names.is_empty() {
            return ways;
        }
        let depth = self.depth();
        for way in &mut ways {
            way.facts.retain(|(at, name), _| *at != depth || !names.contains(name));
        }
        merged(ways)
    }

    fn statement(&mut self, statement: &Stmt, ways: Ways) -> Ways {
        if !self.matters(statement) {
            return self.compute(statement, ways);
        }
        let source = self.source();
        match statement {
            Stmt::If(x, position) => {
                let at = place(*position);
                let mut decision =
                    Decision::new(NodeKind::Decision, source.condition(at, self.asked(&x.expr)), source.line(at));
                let (yes, no) = self.branch(&x.expr, &mut decision, ways);
                let yes = self.block(x.body.statements(), yes);
                let no = self.block(x.branch.statements(), no);
                merged([yes, no].concat())
            }
            Stmt::Switch(x, position) => self.switch(&x.0, &x.1, place(*position), ways),
            Stmt::While(..) | Stmt::Do(..) | Stmt::For(..) => self.looped(statement, ways),
            Stmt::Var(x, ..) => {
                let ways = self.expr(&x.1, ways);
                self.assign(x.0.name.as_str(), ways)
            }
            Stmt::Assignment(x) => {
                let ways = self.expr(&x.1.rhs, ways);
                match &x.1.lhs {
                    Expr::Variable(name, ..) if name.2.is_empty() => {
                        let changed = x.0.is_op_assignment();
                        let unknown = |way: Way| if changed { way.with(Value::Unknown) } else { way };
                        self.assign(name.1.as_str(), ways.into_iter().map(unknown).collect())
                    }
                    lhs => self.expr(lhs, ways),
                }
            }
            Stmt::FnCall(call, position) => self.call(call, place(*position), ways),
            Stmt::Block(block) => self.block(block.statements(), ways),
            Stmt::TryCatch(x, _) => self.tries(x.body.statements(), x.branch.statements(), ways),
            Stmt::Expr(expr) => self.expr(expr, ways),
            Stmt::BreakLoop(value, flags, _) => {
                let ways = match value {
                    Some(value) => self.expr(value, ways),
                    None => ways.into_iter().map(|way| way.with(Value::Unit)).collect(),
                };
                if let Some(around) = self.frame().loops.last_mut() {
                    let to = if flags.intersects(ASTFlags::BREAK) { &mut around.breaks } else { &mut around.continues };
                    to.extend(ways);
                }
                Ways::new()
            }
            Stmt::Return(value, flags, position) => {
                let ways = match value {
                    Some(value) => self.expr(value, ways),
                    None => ways.into_iter().map(|way| way.with(Value::Unit)).collect(),
                };
                if !flags.intersects(ASTFlags::BREAK) {
                    self.frame().returns.extend(ways);
                } else if let Some(tried) = self.frames.iter_mut().rev().find_map(|frame| frame.tries.last_mut()) {
                    tried.throws.extend(ways);
                } else {
                    let text = value.as_ref().map_or_else(String::new, |value| source.expression(value));
                    self.step(&ways, NodeKind::Fault, text, String::new(), source.line(place(*position)));
                }
                Ways::new()
            }
            _ => ways,
        }
    }

    /// Follows a loop.
    fn looped(&mut self, statement: &Stmt, ways: Ways) -> Ways {
        let source = self.source();
        let mut unknown = assigned(statement);
        match statement {
            Stmt::While(x, _) if is_true(&x.expr) => {
                let (head, way) = self.junction(&ways, &unknown);
                let (back, ends) = self.round(x.body.statements(), vec![way]);
                self.connect(&back, head);
                ends
            }
            Stmt::While(x, position) => {
                let at = place(*position);
                let text = source.condition(at, self.asked(&x.expr));
                let mut decision = Decision::new(NodeKind::Loop, text, source.line(at));
                decision.unknown.clone_from(&unknown);
                let nothing = |ways: Ways| ways.into_iter().map(|way| way.with(Value::Unit)).collect::<Ways>();
                if self.matters_expr(&x.expr) {
                    let (head, way) = self.junction(&ways, &unknown);
                    let (yes, no) = self.branch(&x.expr, &mut decision, vec![way]);
                    let (back, ends) = self.round(x.body.statements(), yes);
                    self.connect(&back, head);
                    return merged([nothing(no), ends].concat());
                }
                let (yes, no) = self.branch(&x.expr, &mut decision, ways);
                if yes.is_empty() {
                    return nothing(no);
                }
                let (head, way) = self.junction(&yes, &unknown);
                let (back, ends) = self.round(x.body.statements(), vec![way]);
                let (yes, later) = self.branch(&x.expr, &mut decision, back);
                self.connect(&yes, head);
                merged([nothing(no), nothing(later), ends].concat())
            }
            Stmt::Do(x, flags, position) => {
                let at = place(*position);
                let (head, way) = self.junction(&ways, &unknown);
                let (back, ends) = self.round(x.body.statements(), vec![way]);
                let mut decision = Decision::new(NodeKind::Loop, source.until(at), source.line(at));
                let (yes, no) = self.branch(&x.expr, &mut decision, back);
                let (again, done) = if flags.intersects(ASTFlags::NEGATED) { (no, yes) } else { (yes, no) };
                self.connect(&again, head);
                merged([done, ends].concat())
            }
            Stmt::For(x, position) => {
                let ways = self.expr(&x.2.expr, ways);
                let at = place(*position);
                unknown.insert(x.0.name.to_string());
                unknown.extend(x.1.iter().map(|counter| counter.name.to_string()));
                let mut way = self.step(&ways, NodeKind::Loop, source.range(at), String::new(), source.line(at));
                let depth = self.depth();
                way.facts.retain(|(at, name), _| *at != depth || !unknown.contains(name));
                let head = way.from;
                let way = way.with(Value::Unit);
                let each = Way { label: "each".to_owned(), ..way.clone() };
                let (back, ends) = self.round(x.2.body.statements(), vec![each]);
                self.connect(&back, head);
                merged([vec![Way { label: "then".to_owned(), ..way }], ends].concat())
            }
            _ => ways,
        }
    }

    /// Follows the body of a loop. Returns the ways to its next round, and those that leave it.
    fn round(&mut self, body: &[Stmt], ways: Ways) -> (Ways, Ways) {
        self.frame().loops.push(Loop::default());
        let back = self.block(body, ways);
        let around = self.frame().loops.pop().unwrap_or_default();
        (merged([back, around.continues].concat()), merged(around.breaks))
    }

    fn tries(&mut self, body: &[Stmt], catch: &[Stmt], ways: Ways) -> Ways {
        let before = ways.clone();
        self.frame().tries.push(Try::default());
        let done = self.block(body, ways);
        let tried = self.frame().tries.pop().unwrap_or_default();
        let facts = common(&before.iter().map(|way| &way.facts).collect::<Vec<_>>());
        let unknown: BTreeSet<String> = body.iter().flat_map(assigned).collect();
        let fails = |from| Way { from, label: "fails".to_owned(), value: Value::Unknown, facts: facts.clone() };
        let mut failed: Ways = tried.nodes.into_iter().map(fails).collect();
        failed.extend(tried.throws);
        if failed.is_empty() {
            // Something that is computed fails, if anything does.
            if !catch.iter().any(|statement| self.matters(statement)) {
                return done;
            }
            failed = before.into_iter().map(|way| Way { label: joined(&way.label, "fails"), ..way }).collect();
        }
        let failed = self.forget(&unknown, failed);
        let caught = self.block(catch, failed);
        merged([done, caught].concat())
    }

    fn switch(&mut self, on: &Expr, cases: &rhai::SwitchCasesCollection, at: (usize, usize), ways: Ways) -> Ways {
        let source = self.source();
        let patterns = source.cases(at);
        let title = source.condition(at, self.asked(on));
        let mut open = self.expr(on, ways);
        let mut node: Option<usize> = None;
        let mut done = Ways::new();
        for (at_case, case) in cases.expressions.iter().enumerate() {
            let pattern = patterns.get(at_case).map_or("_", String::as_str);
            let is_default = cases.def_case == Some(at_case);
            let (mut taken, mut others) = (Ways::new(), Ways::new());
            let constants: Option<Vec<Value>> = pattern.split('|').map(|one| constant(one.trim())).collect();
            for way in open {
                if is_default {
                    taken.push(way);
                    continue;
                }
                let Some(constants) = constants.as_ref().filter(|_| way.value != Value::Unknown) else {
                    others.push(way);
                    continue;
                };
                if way.value.is_constant() || way.value == Value::Something {
                    let fits = constants.contains(&way.value);
                    if fits { taken.push(way) } else { others.push(way) }
                } else if let Value::Result(from, _) | Value::Member(from) = way.value
                    && from == way.from
                    && ["", "otherwise"].contains(&way.label.as_str())
                {
                    let is_member = matches!(way.value, Value::Member(_));
                    for constant in constants {
                        let narrowed = if is_member { way.clone() } else { way.narrowed(from, constant) };
                        taken.push(Way { label: constant.label(), ..narrowed });
                    }
                    others.push(Way { label: "otherwise".to_owned(), ..way });
                } else {
                    others.push(way);
                }
            }
            // What isn't known is decided at a node of its own.
            if !is_default {
                let (known, unknown): (Ways, Ways) = others.into_iter().partition(|way| {
                    way.value.is_constant()
                        || matches!(way.value, Value::Result(from, _) | Value::Member(from) if from == way.from)
                });
                others = known;
                if !unknown.is_empty() || node.is_some() {
                    let way = match node {
                        Some(node) => {
                            self.connect(
                                &unknown.iter().filter(|way| way.from != node).cloned().collect::<Vec<_>>(),
                                node,
                            );
                            let before = unknown.iter().find(|way| way.from == node).cloned();
                            before.unwrap_or_else(|| Way::from(node))
                        }
                        None => self.step(&unknown, NodeKind::Decision, title.clone(), String::new(), source.line(at)),
                    }
                    .with(Value::Unknown);
                    node = Some(way.from);
                    taken.push(Way { label: unquoted(pattern), ..way.clone() });
                    others.push(Way { label: "otherwise".to_owned(), ..way });
                }
            }
            let condition = &case.lhs;
            if !is_true(condition) {
                others.extend(taken.iter().cloned());
            }
            done.extend(self.expr(&case.rhs, taken));
            open = merged(others);
        }
        done.extend(open.into_iter().map(|way| way.with(Value::Unit)));
        merged(done)
    }

    /// Notes the value that was evaluated last as that of a variable.
    fn assign(&mut self, name: &str, mut ways: Ways) -> Ways {
        let key = (self.depth(), name.to_owned());
        for way in &mut ways {
            let value = std::mem::replace(&mut way.value, Value::Unit);
            if value == Value::Unknown {
                way.facts.remove(&key);
            } else {
                way.facts.insert(key.clone(), value);
            }
        }
        merged(ways)
    }

    /// Follows a statement that does nothing the caller could notice.
    fn compute(&mut self, statement: &Stmt, ways: Ways) -> Ways {
        match statement {
            Stmt::Var(x, ..) => {
                let ways = self.values(&x.1, ways);
                return self.assign(x.0.name.as_str(), ways);
            }
            Stmt::Assignment(x) => {
                if let Expr::Variable(name, ..) = &x.1.lhs
                    && name.2.is_empty()
                    && !x.0.is_op_assignment()
                {
                    let ways = self.values(&x.1.rhs, ways);
                    return self.assign(name.1.as_str(), ways);
                }
            }
            Stmt::Expr(expr) => return self.values(expr, ways),
            Stmt::Block(block) if block.statements().len() == 1 => {
                return self.block(block.statements(), ways);
            }
            Stmt::If(..) | Stmt::Switch(..) => {
                let ways = self.pure_choice(statement, ways);
                return self.forget(&assigned(statement), ways);
            }
            _ => {}
        }
        let ways = self.forget(&assigned(statement), ways);
        ways.into_iter().map(|way| way.with(Value::Unknown)).collect()
    }

    /// Evaluates a condition on each way. Returns the ways on which it holds, and those on which it doesn't; those on
    /// which that isn't known go through a node.
    pub fn branch(&mut self, condition: &Expr, decision: &mut Decision, ways: Ways) -> (Ways, Ways) {
        let ways = self.expr(condition, ways);
        let (mut yes, mut no, mut unknown) = (Ways::new(), Ways::new(), Ways::new());
        for way in ways {
            let splits = ["", "otherwise"].contains(&way.label.as_str());
            match way.value.clone() {
                Value::Bool(true) => yes.push(way),
                Value::Bool(false) => no.push(way),
                Value::Result(node, _) if node == way.from && splits => {
                    yes.push(Way { label: "yes".to_owned(), ..way.narrowed(node, &Value::Bool(true)) });
                    no.push(Way { label: "no".to_owned(), ..way.narrowed(node, &Value::Bool(false)) });
                }
                Value::MemberIs(node, value, is) if node == way.from && splits => {
                    let labelled = |label: &str| Way { label: label.to_owned(), ..way.clone() };
                    let (one, other) = match &*value {
                        Value::Bool(_) => {
                            unknown.push(way);
                            continue;
                        }
                        value => (labelled(&value.label()), labelled("otherwise")),
                    };
                    let (holds, fails) = if is { (one, other) } else { (other, one) };
                    yes.push(holds);
                    no.push(fails);
                }
                Value::Is(node, value, is) if node == way.from && splits => {
                    let one = Way { label: value.label(), ..way.narrowed(node, &value) };
                    let other = match &*value {
                        Value::Bool(flag) => {
                            let other = Value::Bool(!flag);
                            Way { label: other.label(), ..way.narrowed(node, &other) }
                        }
                        Value::Unit => Way { label: String::new(), ..way.narrowed(node, &Value::Result(node, true)) },
                        _ => Way { label: "otherwise".to_owned(), ..way },
                    };
                    let (holds, fails) = if is { (one, other) } else { (other, one) };
                    yes.push(holds);
                    no.push(fails);
                }
                _ => unknown.push(way),
            }
        }
        if !unknown.is_empty() {
            if let Some(node) = decision.node {
                self.connect(&unknown, node);
            } else {
                let (kind, text) = (decision.kind, decision.text.clone());
                let mut way = self.step(&unknown, kind, text, String::new(), decision.span.clone());
                decision.node = Some(way.from);
                way.facts.retain(|(_, name), _| !decision.unknown.contains(name));
                let way = way.with(Value::Unknown);
                let refined = |way: &Way, holds: bool, label: &str, depth| {
                    let mut way = Way { label: label.to_owned(), ..way.clone() };
                    refine(&mut way, condition, holds, depth);
                    way
                };
                let depth = self.depth();
                yes.push(refined(&way, true, "yes", depth));
                no.push(refined(&way, false, "no", depth));
            }
        }
        (merged(yes), merged(no))
    }

    /// Whether a statement does something that the caller notices, or decides whether something later does.
    pub fn matters(&mut self, statement: &Stmt) -> bool {
        let mut calls = false;
        statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
            calls |= self.node_matters(nodes);
            !calls
        });
        calls
    }

    pub fn matters_expr(&mut self, expr: &Expr) -> bool {
        let mut calls = false;
        expr.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
            calls |= self.node_matters(nodes);
            !calls
        });
        calls
    }

    /// Returns where a condition asks the caller, or somebody else.
    fn asked(&mut self, condition: &Expr) -> Option<(usize, usize)> {
        let mut found = None;
        condition.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
            if let Some(ASTNode::Expr(Expr::FnCall(call, position))) = nodes.last()
                && self.call_matters(call, false)
            {
                found = Some(place(*position));
            }
            found.is_none()
        });
        found
    }

    fn node_matters(&mut self, nodes: &[ASTNode]) -> bool {
        let in_loop = || {
            let around = &nodes[..nodes.len() - 1];
            around.iter().any(|node| matches!(node, ASTNode::Stmt(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..))))
        };
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Return(..))) => true,
            Some(ASTNode::Stmt(Stmt::BreakLoop(..))) => !in_loop(),
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                self.call_matters(call, false)
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => self.call_matters(call, true),
            _ => false,
        }
    }
}

impl Decision {
    pub fn new(kind: NodeKind, text: String, span: Span) -> Self {
        Self { node: None, kind, text, span, unknown: BTreeSet::new() }
    }
}

impl Way {
    /// Returns the way with the value of a member.
    pub fn member(self) -> Self {
        let value = match self.value {
            Value::Result(node, _) => Value::Member(node),
            _ => Value::Unknown,
        };
        self.with(value)
    }

    /// Returns the way on which what a node returned is this value.
    pub fn narrowed(&self, node: usize, value: &Value) -> Self {
        let mut way = self.clone();
        for known in way.facts.values_mut() {
            if matches!(known, Value::Result(of, _) if *of == node) {
                *known = value.clone();
            }
        }
        way.value = value.clone();
        way
    }
}

/// Notes what a condition says of variables if it holds, or doesn't.
fn refine(way: &mut Way, condition: &Expr, holds: bool, depth: usize) {
    match condition {
        Expr::Variable(name, ..) if name.2.is_empty() => {
            way.facts.insert((depth, name.1.to_string()), Value::Bool(holds));
        }
        Expr::FnCall(call, _) if call.op_token.is_some() => {
            let [one, rest @ ..] = &call.args[..] else { return };
            match (call.name.as_str(), rest) {
                ("!", []) => refine(way, one, !holds, depth),
                ("==" | "!=", [other]) => {
                    let (Expr::Variable(name, ..), Some(value)) = (one, Value::literal(other)) else { return };
                    if !name.2.is_empty() {
                        return;
                    }
                    let key = (depth, name.1.to_string());
                    if (call.name == "==") == holds {
                        way.facts.insert(key, value);
                    } else if value == Value::Unit {
                        way.facts.insert(key, Value::Something);
                    }
                }
                _ => {}
            }
        }
        Expr::And(parts, _) if holds => parts.iter().for_each(|part| refine(way, part, true, depth)),
        Expr::Or(parts, _) if !holds => parts.iter().for_each(|part| refine(way, part, false, depth)),
        _ => {}
    }
}

/// Returns the variables to which a statement assigns something.
pub(super) fn assigned(statement: &Stmt) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(x))) => {
                if let Expr::Variable(name, ..) = &x.1.lhs {
                    names.insert(name.1.to_string());
                }
            }
            Some(ASTNode::Stmt(Stmt::Var(x, ..))) => {
                names.insert(x.0.name.to_string());
            }
            // A closure may assign to what it shares.
            Some(ASTNode::Stmt(Stmt::Share(shared))) => {
                names.extend(shared.iter().map(|(name, _)| name.name.to_string()));
            }
            _ => {}
        }
        true
    });
    names
}

/// Reads a pattern of a `switch` that is a constant.
fn constant(text: &str) -> Option<Value> {
    Some(match text {
        "()" => Value::Unit,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Text(text.strip_prefix('"')?.strip_suffix('"')?.to_owned()),
        },
    })
}

/// A pattern without its quotes.
fn unquoted(pattern: &str) -> String {
    let unquoted = |one: &str| constant(one.trim()).map_or_else(|| one.trim().to_owned(), |value| value.label());
    pattern.split('|').map(unquoted).collect::<Vec<_>>().join(", ")
}

fn joined(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { format!("{one}, {other}") }
}
