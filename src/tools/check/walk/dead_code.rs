//! Statements that never run, values that aren't used, loops that never end.

use super::expressions::start;
use super::walker::Walk;
use crate::tools::check::flow::Does;
use crate::tools::check::known_functions::Effect;
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use rhai::{Expr, Stmt};

impl Walk<'_, '_, '_> {
    /// Reports statements that never run, and values that aren't used.
    pub(super) fn useless(&mut self, statements: &[Stmt]) {
        if self.warnings {
            self.unreachable(statements);
            self.unused_values(statements);
        }
    }

    /// Reports the first statement that can never run.
    fn unreachable(&mut self, statements: &[Stmt]) {
        let ended = statements.iter().enumerate().find_map(|(at, statement)| Some((at, self.flow.ends(statement)?)));
        let Some((at, why)) = ended else { return };
        let next = statements[at + 1..].iter().find(|statement| !matches!(statement, Stmt::Noop(_) | Stmt::Share(_)));
        if let Some(next) = next {
            let message = format!("this never runs: it comes after {why}");
            self.add(&rules::UNREACHABLE, first(next), message, None);
        }
    }

    /// Reports values that are computed but not used, except for the last one, which is the value of the block.
    fn unused_values(&mut self, statements: &[Stmt]) {
        let Some((_, statements)) = statements.split_last() else { return };
        for statement in statements {
            if let Some((at, name)) = self.computed(statement) {
                let message = format!("the result of `{name}` is not used");
                let hint = format!("keep it in a variable, `let x = ...`: `{name}` changes nothing");
                self.add(&rules::UNUSED_VALUE, at, message, Some(hint));
                continue;
            }
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
                "==" => ("the result of this comparison is not used", Some("`=` sets a variable")),
                "!=" | "<" | "<=" | ">" | ">=" => ("the result of this comparison is not used", None),
                _ => ("the result of this calculation is not used", Some("`x = x + 1` or `x += 1` changes a variable")),
            };
            self.add(&rules::UNUSED_VALUE, at, message.to_owned(), hint.map(str::to_owned));
        }
    }

    /// Reports a loop that nothing can end.
    pub(super) fn endless(&mut self, statements: &[Stmt], at: Place) {
        if !self.warnings {
            return;
        }
        let Does { effect, leaves } = self.flow.does(statements, false);
        if self.function.as_deref() == Some("on_hangup") && !leaves && effect != Effect::Asks {
            let message = "nothing ends this loop: the host stops `on_hangup` after 5 seconds".to_owned();
            self.add(&rules::ENDLESS_LOOP, at, message, None);
            return;
        }
        let (message, hint) = match (leaves, effect) {
            (true, _) | (_, Effect::Asks) => return,
            (_, Effect::None) => (
                "nothing ends this loop: the host stops the script after a second",
                "end it with `break`, `return` or `exit()`",
            ),
            (_, Effect::Short) => (
                "only a hangup ends this loop, and it never waits",
                "end it with `break`, `return` or `exit()`, or let it `sleep`",
            ),
            (_, Effect::Plays) => (
                "only a hangup ends this loop: it asks the caller for nothing",
                "if that is intended, write `// agi-rhai: allow(endless-loop)`; otherwise end it with `break`",
            ),
        };
        self.add(&rules::ENDLESS_LOOP, at, message.to_owned(), Some(hint.to_owned()));
    }
}

/// Returns where a statement begins.
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
