//! Which names a script may use for a symbol, and what conflicts with a new name.

use super::lookup::{Outline, sees, touches};
use super::symbol::{Symbol, SymbolKind, Use};
use crate::script::{CALL_VARIABLES, Language};
use std::ops::Range;

impl Outline {
    /// Returns why this symbol can't get this name, if it can't.
    #[must_use]
    pub fn conflict(&self, symbol: usize, name: &str) -> Option<String> {
        let renamed = self.symbols.get(symbol)?;
        if renamed.kind == SymbolKind::Function {
            let same = |other: &Symbol| other.name == name && other.params.len() == renamed.params.len();
            return self
                .named(name)
                .any(|(_, other)| other.kind == SymbolKind::Function && same(other))
                .then(|| format!("there is already a function `{name}` with this number of parameters"));
        }
        let taken = |span: &Range<usize>| {
            let function = self.function_at(span.start);
            self.named(name).any(|(_, other)| sees(function, span.start, other))
        };
        let captured = |other: &Use| {
            other.name == name
                && !other.method
                && other.space.is_none()
                && renamed.scope.contains(&other.span.start)
                && self.function_at(other.span.start) == renamed.function
        };
        let hidden = self
            .named(name)
            .any(|(_, other)| other.function == renamed.function && touches(&other.scope, renamed.span.start));
        let clash = hidden || self.spans_of(symbol).iter().any(taken) || self.uses.iter().any(captured);
        clash.then(|| format!("`{name}` already means something else here"))
    }
}

/// Checks whether a script may use this name for a function or a variable.
///
/// # Errors
/// Returns why it may not.
pub fn may_be_named(name: &str, kind: SymbolKind, language: &Language) -> Result<(), String> {
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`{name}` is not a name: a name has letters a to z, digits and `_`, and no digit first"));
    }
    if CALL_VARIABLES.contains(&name) {
        return Err(format!("`{name}` is a value that every script has"));
    }
    if kind == SymbolKind::Function && language.function(name).is_some() {
        return Err(format!("every script already has a function `{name}`"));
    }
    let tried = match kind {
        SymbolKind::Function => format!("fn {name}() {{}}"),
        _ => format!("let {name} = 1; {name}"),
    };
    // Rhai decides this, since only Rhai knows its reserved words.
    match Language::compiler().compile(tried) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{name}` is a reserved word of the language")),
    }
}
