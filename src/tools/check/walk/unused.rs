//! Variables, parameters, imports and functions that are never used.

use super::known::{Origin, Variable};
use super::walker::Walk;
use crate::plural::plural;
use crate::script::{distance, nearest};
use crate::tools::check::checker::Checker;
use crate::tools::check::known_functions::is_value;
use crate::tools::check::rules;
use crate::tools::check::text::Place;
use std::collections::HashSet;

impl Walk<'_, '_, '_> {
    /// Reports variables, imports and functions that are never used.
    pub(super) fn unused(&mut self) {
        let variables = std::mem::take(&mut self.variables);
        for variable in variables.iter().filter(|variable| !variable.read && !variable.name.starts_with('_')) {
            let name = &variable.name;
            // A use outside its scope is reported where it is.
            if self.open || is_value(name) || self.undefined.contains(name) {
                continue;
            }
            match variable.origin {
                Origin::Let | Origin::Const => {
                    let message = if variable.written {
                        format!("`{name}` is set, but never read")
                    } else {
                        format!("`{name}` is never read")
                    };
                    let hint = format!("remove it, or call it `_{name}` if that is intended");
                    self.add(&rules::UNUSED_VARIABLE, variable.place, message, Some(hint));
                }
                Origin::Param | Origin::Given => {}
            }
        }
        self.unused_modules();
        self.unused_functions(&variables);
    }

    fn unused_modules(&mut self) {
        let unused: Vec<(String, Place)> = self
            .modules
            .iter()
            // Missing and broken imports have been reported already.
            .filter(|module| module.imported.as_ref().is_some_and(|imported| imported.known))
            .filter(|module| !module.used && !module.alias.starts_with('_'))
            .map(|module| (module.alias.clone(), module.place))
            .collect();
        for (alias, place) in unused {
            self.add(&rules::UNUSED_IMPORT, place, format!("the import `{alias}` is never used"), None);
        }
    }

    /// Reports a function that is meant to be a test, but that isn't run as one.
    fn test_not_run(&mut self, name: &str, params: usize, at: Place) -> bool {
        if self.uses.called.contains(name) || self.uses.named.contains(name) {
            return false;
        }
        let begins = name.starts_with("test_");
        let start: String = name.chars().take("test_".len()).collect();
        let start = start.to_lowercase();
        if !begins && (!start.starts_with('t') || distance(&start, "test_") > 1) {
            return false;
        }
        let (message, hint) = if begins {
            let params = plural(params, "parameter");
            (
                format!("`{name}` is never run: it has {params}, and a test has none"),
                "write `fn NAME()`".replace("NAME", name),
            )
        } else {
            (format!("`{name}` is never run"), "the name of a test begins with `test_`".to_owned())
        };
        self.add(&rules::TEST_NOT_RUN, at, message, Some(hint));
        true
    }

    fn unused_functions(&mut self, variables: &[Variable]) {
        let is_test = Checker::is_test(self.path);
        let library = self.report.is_library;
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
        let unread: HashSet<Place> = variables
            .iter()
            .filter(|v| v.origin == Origin::Param && !v.read && !v.name.starts_with('_') && !is_value(&v.name))
            .map(|v| v.place)
            .collect();
        for (name, place, private, params) in &heads {
            let for_host = name == "on_hangup" || (is_test && name.starts_with("test_") && params.is_empty());
            if for_host {
                if name == "on_hangup" && params.len() > 1 {
                    let message = format!("`on_hangup` takes one parameter or none, not {}", params.len());
                    let hint = "`fn on_hangup(last)` gets the command during which the caller hung up".to_owned();
                    self.add(&rules::ARGUMENT_COUNT, *place, message, Some(hint));
                }
                continue;
            }
            if is_test && self.test_not_run(name, params.len(), *place) {
                continue;
            }
            if (library && !private) || name.starts_with('_') {
                continue;
            }
            let named = self.uses.named.contains(name) || self.said.texts.contains(name);
            if !named && !self.uses.called.contains(name) {
                let hint = nearest(name, ["on_hangup"].into_iter()).map(|near| format!("did you mean `{near}`?"));
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
            let heads = self.report.text.head(name, params.len()).into_iter();
            let unused: Vec<(String, Place)> =
                heads.flat_map(|head| &head.params).filter(|(_, place)| unread.contains(place)).cloned().collect();
            for (param, place) in unused {
                if self.open {
                    continue;
                }
                let hint = format!("remove it here and where `{name}` is called, or call it `_{param}`");
                let message = format!("`{name}` does not use its parameter `{param}`");
                self.add(&rules::UNUSED_PARAMETER, place, message, Some(hint));
            }
        }
    }
}
