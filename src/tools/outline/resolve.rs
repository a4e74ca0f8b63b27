//! Names that can be used before they are defined, for the outline of a script.

use super::lookup::Outline;
use super::symbol::{Symbol, SymbolKind};

impl Outline {
    /// Resolves what can be used before it is defined: functions, everywhere; and the script's constants and imports,
    /// in its functions.
    pub(super) fn resolve(&mut self) {
        let above = |symbol: &Symbol| {
            symbol.function.is_none() && matches!(symbol.kind, SymbolKind::Constant | SymbolKind::Import)
        };
        for index in 0..self.uses.len() {
            let name = &self.uses[index];
            let own = name.space.as_deref().is_none_or(|space| space == "global");
            if !own || (name.target.is_some() && !name.called) {
                continue;
            }
            let functions = || self.named(&name.name).filter(|(_, symbol)| symbol.kind == SymbolKind::Function);
            let fits = |symbol: &Symbol| name.arguments.is_none_or(|count| count == symbol.params.len());
            let function = functions().find(|(_, symbol)| fits(symbol)).or_else(|| functions().next());
            let constant = || self.named(&name.name).find(|(_, symbol)| above(symbol));
            let found = match function {
                // A method of the language may have the name of a function with other parameters.
                Some((_, symbol)) if name.method && name.called && !fits(symbol) => None,
                Some((id, _)) => Some(id),
                None if name.method => None,
                None => name.target.or_else(|| constant().map(|(id, _)| id)),
            };
            self.uses[index].target = found;
        }
    }
}
