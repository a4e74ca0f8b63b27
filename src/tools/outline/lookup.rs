//! The outline of a script, and what can be looked up in it.

use super::lexer::{Token, TokenKind};
use super::symbol::{Key, Symbol, SymbolKind, Use};
use std::ops::Range;

/// The outline of a script.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
    pub(super) symbols: Vec<Symbol>,
    pub(super) uses: Vec<Use>,
    pub(super) keys: Vec<Key>,
}

impl Outline {
    /// Returns the places of all texts without `${}`.
    pub fn texts(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.tokens.iter().filter_map(|token| match &token.kind {
            TokenKind::Text { inner, whole: true } => Some(inner.clone()),
            _ => None,
        })
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns all names that the script defines, in order.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// Returns all uses of names.
    #[must_use]
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// Returns all keys of object maps.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Returns the functions of the script.
    pub fn functions(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.kind == SymbolKind::Function)
    }

    /// Returns the symbol whose name is defined or used here.
    #[must_use]
    pub fn symbol_at(&self, offset: usize) -> Option<usize> {
        let given = self.symbols.iter().position(|symbol| touches(&symbol.span, offset));
        given.or_else(|| self.use_at(offset)?.target)
    }

    /// Returns the use of a name here.
    #[must_use]
    pub fn use_at(&self, offset: usize) -> Option<&Use> {
        self.uses.iter().find(|name| touches(&name.span, offset))
    }

    /// Returns the word here, or the inside of the text here.
    #[must_use]
    pub fn word_at(&self, offset: usize) -> Option<(Range<usize>, &TokenKind)> {
        let token = self.tokens.iter().find(|token| match &token.kind {
            TokenKind::Word => touches(&token.span, offset),
            TokenKind::Text { inner, .. } => touches(inner, offset),
            _ => false,
        })?;
        let span = if let TokenKind::Text { inner, .. } = &token.kind { inner.clone() } else { token.span.clone() };
        Some((span, &token.kind))
    }

    /// Returns all places where this symbol's name occurs, its definition first.
    #[must_use]
    pub fn spans_of(&self, symbol: usize) -> Vec<Range<usize>> {
        let Some(given) = self.symbols.get(symbol) else { return Vec::new() };
        let used = self.uses.iter().filter(|name| name.target == Some(symbol)).map(|name| name.span.clone());
        std::iter::once(given.span.clone()).chain(used).collect()
    }

    /// Returns the function that contains the cursor.
    #[must_use]
    pub fn function_at(&self, offset: usize) -> Option<usize> {
        let within = |symbol: &Symbol| {
            symbol.kind == SymbolKind::Function && symbol.whole.start <= offset && offset < symbol.whole.end
        };
        self.symbols.iter().position(within)
    }

    /// Returns the names that can be used here. Of several variables with one name, it returns the innermost.
    #[must_use]
    pub fn visible(&self, offset: usize) -> Vec<usize> {
        let function = self.function_at(offset);
        let mut found: Vec<usize> = Vec::new();
        for (id, symbol) in self.symbols.iter().enumerate() {
            let everywhere = symbol.kind == SymbolKind::Function;
            let scope = symbol.scope.start <= offset && offset <= symbol.scope.end;
            let above = symbol.function.is_none()
                && matches!(symbol.kind, SymbolKind::Constant | SymbolKind::Import)
                && function.is_some();
            if everywhere || above || (scope && symbol.function == function) {
                if !everywhere {
                    found.retain(|&other| {
                        self.symbols[other].name != symbol.name || self.symbols[other].kind == SymbolKind::Function
                    });
                }
                found.push(id);
            }
        }
        found
    }
}

/// Whether the offset is in this span or at one of its ends.
pub(super) const fn touches(span: &Range<usize>, offset: usize) -> bool {
    span.start <= offset && offset <= span.end
}
