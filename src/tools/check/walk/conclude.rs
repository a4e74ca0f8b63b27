//! Conclusions that can be drawn only when the whole script has been read.

use super::known::{Known, Later, Origin};
use super::walker::Walk;
use crate::command::Type;
use crate::tools::check::rules;
use crate::tools::check::text::Place;

impl Walk<'_, '_, '_> {
    /// Returns the type of a value. Before the end of the walk (`finally`), only constants count as known.
    pub(super) fn resolve(&self, known: Known, finally: bool) -> Type {
        let mut known = known;
        for _ in 0..16 {
            match known {
                Known::As(kind) => return kind,
                Known::Args => return Type::Array,
                Known::Texts => return Type::Map,
                Known::Variable(id) => {
                    let variable = &self.variables[id];
                    // Only the end shows whether a variable keeps its first value.
                    if variable.written || self.open || (!finally && variable.origin != Origin::Const) {
                        return Type::Unknown;
                    }
                    known = variable.value;
                }
            }
        }
        Type::Unknown
    }

    /// Reports what can be decided only at the end of the walk.
    pub(super) fn conclude(&mut self) {
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Compared { operator, left, right, place } => {
                    let (left, right) = (self.resolve(left, true), self.resolve(right, true));
                    if never_alike(left, right) || never_alike(right, left) {
                        let message = format!("{} is compared with {} by `{operator}`", left.name(), right.name());
                        let hint = "turn the text into a number first: `to_number(...)`".to_owned();
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
                    // `text - text` removes one text from the other.
                    let number = |kind: Type| matches!(kind, Type::Number | Type::NumberOrUnit | Type::Unknown);
                    let wrong = (text(left) && number(right) && right != Type::Unknown)
                        || (text(right) && number(left) && left != Type::Unknown)
                        || ((text(left) || text(right)) && operator != "-" && operator != "-=");
                    if wrong {
                        let message = format!("`{operator}` cannot calculate with a text");
                        let hint = "turn the text into a number first: `to_number(...)`".to_owned();
                        self.add(&rules::TEXT_AS_NUMBER, place, message, Some(hint));
                    }
                }
                Later::Condition { value, place } => self.conclude_condition(value, place),
                Later::Switched { value, place } => {
                    if self.resolve(value, true) == Type::Text {
                        let message = "this case is a number, which a text never equals".to_owned();
                        let hint = "write the case as a text: `\"1\" => ...`".to_owned();
                        self.add(&rules::TEXT_AS_NUMBER, place, message, Some(hint));
                    }
                }
                Later::Called { name, args, place } => self.conclude_call(&name, &args, place),
            }
        }
    }

    fn conclude_condition(&mut self, value: Known, at: Place) {
        let hint = match self.resolve(value, true) {
            Type::Text | Type::TextOrUnit => "compare it: `... != \"\"`",
            Type::Number | Type::NumberOrUnit => "compare it: `... > 0`",
            Type::Unit => "the function returns nothing to test",
            Type::Array | Type::Map => "compare its length: `....len() > 0`",
            Type::Function => "call it: `....call()`",
            Type::BoolOrUnit => "it is () when there is no answer: compare it, `... == true`",
            Type::Unknown | Type::Bool => return,
        };
        let is = match self.resolve(value, true) {
            Type::BoolOrUnit => "may be ()".to_owned(),
            kind => format!("is {}", kind.name()),
        };
        let message = format!("a condition must be true or false, but this {is}");
        self.add(&rules::CONDITION, at, message, Some(hint.to_owned()));
    }

    fn conclude_call(&mut self, name: &str, args: &[(Known, Place)], at: Place) {
        let kinds: Vec<Type> = args.iter().map(|(known, _)| self.resolve(*known, true)).collect();
        if name == "print" || name == "debug" {
            return;
        }
        if let Some((wrong, takes)) = self.known.refuses(name, &kinds) {
            let place = args.get(wrong).map_or(at, |(_, place)| *place);
            // Reported already, in more detail.
            if self.report.findings.iter().any(|f| f.rule == rules::BAD_ARGUMENT.name && (f.line, f.column) == place) {
                return;
            }
            let takes: Vec<&str> = takes.iter().map(|kind| kind.name()).collect();
            let message = format!("`{name}` takes {} here, not {}", takes.join(" or "), kinds[wrong].name());
            let hint = matches!(kinds[wrong], Type::Text | Type::TextOrUnit)
                .then(|| {
                    takes
                        .contains(&Type::Number.name())
                        .then(|| "turn it into a number first: `to_number(...)`".to_owned())
                })
                .flatten();
            self.add(&rules::BAD_ARGUMENT, place, message, hint);
        }
    }
}

/// Whether comparing values of these types is always a mistake.
fn never_alike(one: Type, other: Type) -> bool {
    matches!((one, other), (Type::Text, Type::Number | Type::NumberOrUnit) | (Type::TextOrUnit, Type::Number))
}
