//! The parameters of closures, held against the values that they are called with.

use super::{Walk, start};
use crate::command::{Function, Kind};
use crate::script::values;
use crate::tools::check::ast::{chosen, closure, pointer};
use crate::tools::check::rules;
use crate::tools::check::text::Place;
use rhai::{Expr, FnCallExpr};

/// Methods of arrays that call a closure: the smallest and largest number of parameters it may have. The element is
/// `this` in a closure that lacks a parameter for it.
const METHODS: &[(&[&str], usize, usize)] = &[
    (&["map", "filter", "find", "find_map", "all", "some", "retain", "drain"], 0, 2),
    (&["for_each"], 0, 1),
    (&["reduce", "reduce_rev"], 1, 3),
    (&["sort", "sort_by", "order_by"], 2, 2),
];

impl Walk<'_, '_, '_> {
    /// Returns how many parameters a closure has.
    fn parameters(&self, expr: &Expr) -> Option<usize> {
        let (name, captured) = match expr {
            Expr::Stmt(block) => closure(block)?,
            other => (pointer(other)?, 0),
        };
        self.closures.get(&name).map(|function| function.params.len().saturating_sub(captured))
    }

    pub(super) fn closures_of_method(&mut self, call: &FnCallExpr, at: Place) {
        let Some((_, least, most)) = METHODS.iter().find(|(names, ..)| names.contains(&call.name.as_str())) else {
            return;
        };
        let [given, ..] = &call.args[..] else { return };
        let Some(parameters) = self.parameters(given) else { return };
        if !(*least..=*most).contains(&parameters) {
            let (message, hint) = values::closure(Some(parameters), *most);
            self.add(&rules::CLOSURE_PARAMETERS, at, message, hint);
        }
    }

    /// Checks the closures that a question is given, which get the keys.
    pub(super) fn closures_of_question(&mut self, function: &'static Function, call: &FnCallExpr) {
        for (param, arg) in function.params.iter().zip(&call.args) {
            let Expr::Map(map, _) = arg else { continue };
            for (name, value) in &map.0 {
                let (parameter, value) = match param.kind {
                    Kind::Choices => (param.name, chosen(value)),
                    Kind::Options(options) => {
                        let option = options.iter().find(|option| option.name == name.as_str());
                        let Some(option) = option.filter(|option| option.kind == Kind::Function) else { continue };
                        (option.name, value)
                    }
                    _ => continue,
                };
                if self.parameters(value).is_some_and(|parameters| parameters > 1) {
                    let (message, hint) = values::closure_for_keys(function.name, parameter);
                    self.add(&rules::CLOSURE_PARAMETERS, start(value), message, hint);
                }
            }
        }
    }
}
