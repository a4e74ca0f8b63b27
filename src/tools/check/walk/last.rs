//! What can be told only when all of a script has been seen.

use super::{Known, Later, Sort, Variable, Walk};
use crate::command::Type;
use crate::tools::check::checker::Checker;
use crate::tools::check::rules;
use crate::tools::check::text::Place;
use crate::tools::check::words::{self, is_value};
use rhai::{AST, ASTFlags, Stmt};

impl Walk<'_, '_, '_> {
    pub(super) fn resolve(&self, known: Known, finally: bool) -> Type {
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

    pub(super) fn decide(&mut self) {
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
            Type::BoolOrUnit => "it is () when there is no answer: compare it, `... == true`",
            Type::Unknown | Type::Bool => return,
        };
        let is = match self.resolve(value, true) {
            Type::BoolOrUnit => "may be ()".to_owned(),
            kind => format!("is {}", kind.name()),
        };
        let message = format!("a condition must be true or false, and this {is}");
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

    pub(super) fn unused(&mut self, ast: &AST) {
        let variables = std::mem::take(&mut self.variables);
        for variable in variables.iter().filter(|variable| !variable.read && !variable.name.starts_with('_')) {
            let name = &variable.name;
            // One that is looked for elsewhere, where it is not seen, is told there.
            if self.open || is_value(name) || self.undefined.contains(name) {
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
                let hint = words::near(name, ["on_hangup"].into_iter()).map(|near| format!("did you mean `{near}`?"));
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

/// Whether comparing these is always a mistake.
fn never_alike(one: Type, other: Type) -> bool {
    matches!((one, other), (Type::Text, Type::Number | Type::NumberOrUnit) | (Type::TextOrUnit, Type::Number))
}
