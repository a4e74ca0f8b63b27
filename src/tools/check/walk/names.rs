//! What a name means at its place.

use super::known::{Known, Origin, Variable};
use super::walker::Walk;
use crate::agi::environment::NAMES;
use crate::command::Type;
use crate::script::{Names, nearest};
use crate::tools::check::known_functions::is_value;
use crate::tools::check::rules;
use crate::tools::check::text::{Place, place};
use rhai::Expr;

impl<'a> Walk<'a, '_, '_> {
    /// Returns what explains names that don't exist.
    pub(super) fn names(&self) -> &Names<'a> {
        self.names.get_or_init(|| Names::new(self.report.text, self.checker.language(self.path)))
    }

    pub(super) fn define(&mut self, name: &str, place: Place, origin: Origin, value: Known) -> usize {
        if is_value(name) {
            let what = match name {
                "env" => "what Asterisk says about the call",
                "args" => "the arguments of the call",
                "params" => "the parameters of the call's address",
                _ => "values that the call keeps for all its functions",
            };
            let hint = "choose another name".to_owned();
            self.add(&rules::SHADOWED_NAME, place, format!("`{name}` hides {what}"), Some(hint));
        }
        let id = self.variables.len();
        let top = self.number == 0 && self.scope.len() == self.top_level;
        self.top_level += usize::from(top);
        self.variables.push(Variable {
            name: name.to_owned(),
            place,
            origin,
            value,
            constant: None,
            read: false,
            written: false,
            top,
        });
        self.by_name.entry(name.to_owned()).or_default().push(id);
        self.scope.push(name, id);
        id
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.scope.find(name)
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.counts.contains_key(name)
    }

    /// Notes that a variable is read.
    pub(super) fn read(&mut self, name: &str, at: Place) -> Known {
        if let Some(id) = self.find(name) {
            self.variables[id].read = true;
            return Known::Variable(id);
        }
        match name {
            "args" => return Known::Args,
            "params" | "env" => return Known::Texts,
            "state" => return Known::As(Type::Map),
            _ => {}
        }
        if self.is_function_above(name, at) {
            self.uses.named.insert(name.to_owned());
            return Known::As(Type::Function);
        }
        self.undefined(name, at);
        Known::NOTHING
    }

    /// Whether this is the name of a function defined above, which stands for the function itself. In the function's
    /// own body, the name doesn't exist yet.
    pub(super) fn is_function_above(&self, name: &str, at: Place) -> bool {
        let above = self.report.text.heads_of(name).filter(|head| head.start < at).count();
        above > usize::from(self.function.as_deref() == Some(name))
    }

    pub(super) fn undefined(&mut self, name: &str, at: Place) {
        let explanation = self.names().variable(name, at);
        self.explain(&rules::UNDEFINED_VARIABLE, explanation);
        self.undefined.insert(name.to_owned());
        if self.is_function(name) {
            self.uses.named.insert(name.to_owned());
        }
    }

    pub(super) fn module(&mut self, namespace: &rhai::Namespace) -> Option<usize> {
        let root = namespace.path.first()?;
        let at = self.modules.iter().rposition(|module| module.in_scope && module.alias == root.name.as_str());
        if at.is_none() && root.name != "global" {
            let explanation = self.names().module(&root.name, place(root.pos));
            self.explain(&rules::UNDEFINED_IMPORT, explanation);
        }
        if let Some(at) = at {
            self.modules[at].used = true;
        }
        at
    }

    pub(super) fn module_variable(&mut self, namespace: &rhai::Namespace, name: &str, at: Place) {
        if namespace.path.len() == 1 && namespace.path[0].name == "global" {
            let same = self.by_name.get(name).into_iter().flatten().rev().copied();
            let constant =
                same.clone().find(|id| self.variables[*id].top && self.variables[*id].origin == Origin::Const);
            if let Some(id) = constant {
                self.variables[id].read = true;
                return;
            }
            let explanation = self.names().constant(name, at);
            self.explain(&rules::UNDEFINED_VARIABLE, explanation);
            return;
        }
        let module = self.module(namespace);
        if namespace.path.len() == 1
            && let Some(module) = module
            && let Some(imported) = self.modules[module].imported.clone()
            && imported.known
            && !imported.exports.contains(name)
        {
            let hint = match nearest(name, imported.exports.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{}::{near}`?", self.modules[module].alias),
                None => format!("in {}, `export const {name} = ...` makes it visible to others", imported.name),
            };
            let message = format!("{} exports no constant `{name}`", imported.name);
            self.add(&rules::UNDEFINED_VARIABLE, at, message, Some(hint));
        }
    }

    /// Checks the name of a value in `env`.
    pub(super) fn environment(&mut self, rest: &Expr) {
        let property = match rest {
            Expr::Dot(x, ..) | Expr::Index(x, ..) => &x.lhs,
            other => other,
        };
        let Expr::Property(property, position) = property else { return };
        let name = property.2.as_str();
        let argument =
            name.strip_prefix("agi_arg_").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if names().any(|known| known == name) || argument {
            return;
        }
        let known = names();
        let with_prefix = names().find(|known| known.strip_prefix("agi_") == Some(name));
        let near = with_prefix.or_else(|| nearest(name, known));
        let hint = near.map(|near| format!("did you mean `env.{near}`?"));
        let message = format!("`env` has no `{name}`: it is always ()");
        self.add(&rules::UNKNOWN_ENVIRONMENT, place(*position), message, hint);
    }
}

/// Returns the names of what Asterisk says at the start of a call.
fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}
