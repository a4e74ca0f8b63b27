//! Whether a script plays a sound file whose name comes from outside: from an argument, a variable of the channel, the
//! database. Then the script alone doesn't tell what it plays.

use super::ast::root;
use super::flow::{Functions, functions};
use super::known_functions::KnownFunctions;
use crate::command::{Access, Kind, Plays};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};
use std::collections::BTreeSet;

/// How often values are followed from one variable to the next.
const MAX_ROUNDS: usize = 8;

/// What is put into variables, by their names, and what is played.
#[derive(Default)]
struct Values {
    set: Vec<(String, Expr)>,
    played: Vec<Expr>,
}

/// Whether a script plays what it is told from outside.
pub(super) fn plays_what_it_is_told(known: &KnownFunctions, ast: &AST) -> bool {
    let (functions, _) = functions(ast);
    let mut values = Values::default();
    ast.walk(&mut |nodes: &[ASTNode]| {
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Var(x, ..))) => values.set.push((x.0.name.to_string(), x.1.clone())),
            Some(ASTNode::Stmt(Stmt::Assignment(x))) => {
                values.set.extend(root(&x.1.lhs).map(|name| (name.to_owned(), x.1.rhs.clone())));
            }
            Some(ASTNode::Stmt(Stmt::For(x, _))) => values.set.push((x.0.name.to_string(), x.2.expr.clone())),
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                values.called(known, &functions, call);
            }
            _ => {}
        }
        true
    });
    let mut outside: BTreeSet<String> = ["args", "params", "env"].map(str::to_owned).into();
    for _ in 0..MAX_ROUNDS {
        let before = outside.len();
        for (name, value) in &values.set {
            if is_from(known, value, &outside) {
                outside.insert(name.clone());
            }
        }
        if outside.len() == before {
            return values.played.iter().any(|expr| is_from(known, expr, &outside));
        }
    }
    true
}

impl Values {
    /// Notes the arguments of a call: those that are played, and those that parameters get.
    fn called(&mut self, known: &KnownFunctions, functions: &Functions, call: &FnCallExpr) {
        if let Some(function) = functions.get(&(call.name.to_string(), call.args.len())) {
            self.set.extend(function.params.iter().cloned().zip(call.args.iter().cloned()));
            return;
        }
        let Some(function) = known.declared(&call.name) else { return };
        let sound = match known.command(function).map(|command| command.plays) {
            Some(Plays::Sound(param)) => Some(param),
            _ => function.params.iter().position(|param| param.kind == Kind::Parts),
        };
        self.played.extend(sound.and_then(|at| call.args.get(at)).cloned());
    }
}

/// Whether the value of an expression is one from outside.
fn is_from(known: &KnownFunctions, expr: &Expr, outside: &BTreeSet<String>) -> bool {
    match expr {
        Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..) if root(expr).is_some() => {
            root(expr).is_some_and(|name| outside.contains(name))
        }
        Expr::Dot(x, ..) | Expr::Index(x, ..) => is_from(known, &x.lhs, outside),
        Expr::Array(parts, _) => parts.iter().any(|part| is_from(known, part, outside)),
        Expr::Coalesce(parts, _) => parts.iter().any(|part| is_from(known, part, outside)),
        // What texts are put together from shows in their beginnings and ends.
        Expr::FnCall(call, _) => {
            known.declared(&call.name).and_then(|function| known.command(function)).is_some_and(|command| {
                matches!(command.access, Access::ReadsVariable | Access::ReadsExpression | Access::ReadsEntry)
            })
        }
        _ => false,
    }
}
