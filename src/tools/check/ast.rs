//! Closures in a compiled script.

use rhai::{Expr, FnPtr, Stmt, StmtBlock};

/// Returns the closure that a block of statements makes, as Rhai compiles one that captures variables: its name, and
/// how many variables it captures.
pub(in crate::tools) fn closure(block: &StmtBlock) -> Option<(String, usize)> {
    let [Stmt::Share(captured), Stmt::Expr(made)] = block.statements() else { return None };
    let Expr::FnCall(curry, _) = &**made else { return None };
    let name = pointer(curry.args.first()?)?;
    Some((name, captured.len()))
}

/// Returns the variables that such a closure captures.
pub(super) fn captured(block: &StmtBlock) -> Vec<String> {
    match block.statements() {
        [Stmt::Share(captured), Stmt::Expr(_)] => captured.iter().map(|(name, _)| name.name.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// Returns what a choice of a menu stands for: itself, or the `then` of one that may be said.
pub(in crate::tools) fn chosen(choice: &Expr) -> &Expr {
    let Expr::Map(map, _) = choice else { return choice };
    let member = |name: &str| map.0.iter().find(|(member, _)| member.as_str() == name).map(|(_, value)| value);
    member("words").and_then(|_| member("then")).unwrap_or(choice)
}

/// Returns the name of a closure that captures nothing.
pub(in crate::tools) fn pointer(expr: &Expr) -> Option<String> {
    let Expr::DynamicConstant(value, _) = expr else { return None };
    value.read_lock::<FnPtr>().map(|pointer| pointer.fn_name().to_owned())
}

/// Returns the variable of which something is a part.
pub(super) fn root(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Variable(name, ..) if name.2.is_empty() => Some(name.1.as_str()),
        Expr::Dot(x, ..) | Expr::Index(x, ..) => root(&x.lhs),
        _ => None,
    }
}
