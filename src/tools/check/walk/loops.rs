//! Closures that are made in a loop and kept: they share the variable of the loop, which a `for` sets anew each time.

use super::known::Known;
use super::walker::Walk;
use crate::tools::check::ast::{captured, root};
use crate::tools::check::methods::{Change, change};
use crate::tools::check::rules;
use rhai::{Expr, FnCallExpr};

impl Walk<'_, '_, '_> {
    /// Reports closures in a value that is put where it outlives the loop around it.
    pub(super) fn kept(&mut self, target: &Expr, value: &Expr) {
        let Some(root) = root(target).filter(|_| self.warnings) else { return };
        // A variable's number tells which of two was defined first.
        let target = self.find(root);
        let mut names = Vec::new();
        closures(value, &mut names);
        for name in names {
            let Some(id) = self
                .find(&name)
                .filter(|id| self.loop_variables.contains(id) && target.is_none_or(|target| target < *id))
            else {
                continue;
            };
            let at = self.variables[id].place;
            let message = format!("the functions made in this loop share `{name}`: each of them sees its last value");
            let hint = format!("let each have a variable of its own, inside the loop: `let own_{name} = {name};`");
            self.add(&rules::SHARED_LOOP_VARIABLE, at, message, Some(hint));
        }
    }

    /// Reports closures that a method puts into a value which outlives the loop.
    pub(super) fn kept_by_method(&mut self, target: &Expr, call: &FnCallExpr) {
        if change(crate::command::Type::Unknown, &call.name) != Change::None {
            for arg in &call.args {
                self.kept(target, arg);
            }
        }
    }

    /// Defines the variable of a `for`.
    pub(super) fn define_of_loop(&mut self, variable: &rhai::Ident) {
        let at = crate::tools::check::text::place(variable.pos);
        let id = self.define(&variable.name, at, super::known::Origin::Given, Known::NOTHING);
        self.loop_variables.insert(id);
    }
}

/// Collects the variables that the closures in a value capture.
fn closures(value: &Expr, names: &mut Vec<String>) {
    match value {
        Expr::Stmt(block) => names.extend(captured(block)),
        Expr::Array(items, _) => items.iter().for_each(|item| closures(item, names)),
        Expr::Map(map, _) => map.0.iter().for_each(|(_, item)| closures(item, names)),
        _ => {}
    }
}
