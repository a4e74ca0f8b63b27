//! Conclusions that can be drawn only when the whole script has been read.

use super::known::{Known, Later, Origin};
use super::walker::Walk;
use crate::command::{Texts, Type, Value};
use crate::script::{MAX_SHOWN, nearest, quoted, values};
use crate::tools::check::rules;
use crate::tools::check::text::Place;

impl Walk<'_, '_, '_> {
    /// Returns the type of a value. Before the end of the walk (`finally`), only constants count as known.
    pub(super) fn resolve(&self, known: Known, finally: bool) -> Type {
        match self.origin(known, finally) {
            Known::As(kind) | Known::Returned(_, kind) => kind,
            Known::Args => Type::Array,
            Known::Texts | Known::Asked(_) => Type::Map,
            Known::Variable(_) => Type::Unknown,
        }
    }

    /// Returns where a value comes from, which may be by way of variables.
    fn origin(&self, known: Known, finally: bool) -> Known {
        let mut known = known;
        for _ in 0..16 {
            let Known::Variable(id) = known else { return known };
            let variable = &self.variables[id];
            // Only the end shows whether a variable keeps its first value.
            if variable.written || self.open || (!finally && variable.origin != Origin::Const) {
                return Known::NOTHING;
            }
            known = variable.value;
        }
        Known::NOTHING
    }

    /// Reports what can be decided only at the end of the walk.
    pub(super) fn conclude(&mut self) {
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Compared { operator, left, right, place } => {
                    let (left, right) = (self.resolve(left, true), self.resolve(right, true));
                    if never_alike(left, right) || never_alike(right, left) {
                        let message = format!("{} is compared with {} by `{operator}`", left.name(), right.name());
                        let hint = values::TO_NUMBER.to_owned();
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
                        let (message, hint) = values::calculation(&operator);
                        self.add(&rules::TEXT_AS_NUMBER, place, message, hint);
                    }
                }
                Later::Joined { left, right, place } => self.conclude_joined(left, right, place),
                Later::Property { value, name, place } => self.conclude_property(value, &name, place),
                Later::Condition { value, place } => self.conclude_condition(value, place),
                Later::Matched { value, text, place } => self.conclude_match(value, &text, place),
                Later::Given { function, param, variable, place } => {
                    let variable = &self.variables[variable];
                    if let Some(constant) = variable.constant.clone().filter(|_| !variable.written && !self.open) {
                        self.doubt(function, param, &constant, place);
                    }
                }
                Later::Statement { function, variable, place } => self.conclude_statement(function, variable, place),
                Later::Switched { value, cases } => self.conclude_switch(value, &cases),
                Later::Called { name, args, place } => self.conclude_call(&name, &args, place),
            }
        }
    }

    /// Reports `+` between a number and a text that came into the call, such as a key.
    fn conclude_joined(&mut self, left: Known, right: Known, at: Place) {
        let is_text =
            |known: Known| matches!(self.origin(known, true), Known::Returned(_, Type::Text | Type::TextOrUnit));
        let is_number = |known: Known| matches!(self.resolve(known, true), Type::Number | Type::NumberOrUnit);
        if is_text(left) && is_number(right) || is_number(left) && is_text(right) {
            let message = "`+` joins this text with a number: \"1\" + 1 is \"11\"".to_owned();
            let hint = "to calculate, write `to_number(...)`; to join them, write `${a}${b}` in backticks".to_owned();
            self.add(&rules::JOINED_NUMBER, at, message, Some(hint));
        }
    }

    /// Reports a property that values of this type don't have.
    fn conclude_property(&mut self, value: Known, name: &str, at: Place) {
        if let Known::Asked(asked) = self.origin(value, true) {
            self.conclude_answer(asked, name, at);
            return;
        }
        let kind = self.resolve(value, true).without_unit();
        if matches!(kind, Type::Unknown | Type::Map | Type::Unit) {
            return;
        }
        let names = self.all();
        let getter = format!("get${name}");
        if names.exists(&getter) && names.refuses(&getter, &[kind]).is_none() {
            return;
        }
        let (message, hint) = values::property(name, kind, names.counts(name).contains(&1));
        self.add(&rules::UNKNOWN_PROPERTY, at, message, hint);
    }

    fn conclude_condition(&mut self, value: Known, at: Place) {
        let kind = self.resolve(value, true);
        match values::condition(kind) {
            // It fails only in calls without an answer.
            Some((message, hint)) if kind == Type::BoolOrUnit => {
                self.report.doubt(&rules::CONDITION, at, message, Some(hint));
            }
            Some((message, hint)) => self.add(&rules::CONDITION, at, message, Some(hint)),
            None => {}
        }
    }

    /// Reports a text that a function never returns.
    fn conclude_match(&mut self, value: Known, text: &str, at: Place) {
        let Known::Returned(function, _) = self.origin(value, true) else { return };
        let Some(texts) = function.returns.texts().filter(|texts| !texts.contain(text)) else { return };
        let hint = match texts {
            Texts::Words(words) => match nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it returns one of \"{}\"", words.join("\", \"")),
            },
            Texts::Key if Texts::Keys.contain(text) => "it returns a single key".to_owned(),
            Texts::Key | Texts::Keys => "it returns keys: 0-9, *, # and A-D".to_owned(),
        };
        let message = format!("`{}` never returns {}", function.name, quoted(text, MAX_SHOWN));
        self.add(&rules::NEVER_EQUAL, at, message, Some(hint));
    }

    /// Reports cases of a `switch` that its value never equals.
    fn conclude_switch(&mut self, value: Known, cases: &[(Place, Value)]) {
        let kind = self.resolve(value, true);
        for (at, case) in cases {
            let of = match case {
                Value::Text(text) if !kind.differs(Type::Text) => {
                    self.conclude_match(value, text, *at);
                    continue;
                }
                Value::Text(_) => Type::Text,
                Value::Int(_) | Value::Float(_) => Type::Number,
                Value::Bool(_) => Type::Bool,
                _ => Type::Unit,
            };
            if kind.differs(of) {
                let hint = match (of, kind.without_unit()) {
                    (Type::Number, Type::Text) => Some("write the case as a text: `\"1\" => ...`".to_owned()),
                    (Type::Text, Type::Number) => Some("write the case as a number: `1 => ...`".to_owned()),
                    (Type::Text | Type::Number, Type::Bool) => Some("write `true => ...` or `false => ...`".to_owned()),
                    (Type::Unit, Type::Text) => Some("write `\"\" => ...`".to_owned()),
                    _ => None,
                };
                let message = format!("this case is {}, which {} never equals", of.name(), kind.name());
                self.add(&rules::NEVER_EQUAL, *at, message, hint);
                // The others are of the same kind.
                return;
            }
        }
    }

    fn conclude_call(&mut self, name: &str, args: &[(Known, Place)], at: Place) {
        let kinds: Vec<Type> = args.iter().map(|(known, _)| self.resolve(*known, true)).collect();
        if name == "print" || name == "debug" {
            return;
        }
        if let Some((wrong, takes)) = self.known.refuses(name, &kinds) {
            let place = args.get(wrong).map_or(at, |(_, place)| *place);
            // Reported already, in more detail.
            if self.report.has_at(&rules::BAD_ARGUMENT, place) {
                return;
            }
            let (message, hint) = values::argument(name, false, &takes, kinds[wrong]);
            self.add(&rules::BAD_ARGUMENT, place, message, hint);
        }
    }
}

/// Whether comparing values of these types is always a mistake.
fn never_alike(one: Type, other: Type) -> bool {
    matches!((one, other), (Type::Text, Type::Number | Type::NumberOrUnit) | (Type::TextOrUnit, Type::Number))
}
