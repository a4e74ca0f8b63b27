//! The outline of a script, and what can be looked up in it.

use super::lexer::{Token, TokenKind};
use super::symbol::{Key, Symbol, SymbolKind, Use};
use std::collections::HashMap;
use std::ops::Range;

/// The outline of a script.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
    /// The indices of the tokens that aren't comments.
    pub(super) code: Vec<usize>,
    pub(super) symbols: Vec<Symbol>,
    /// The indices of the functions among the symbols, in order.
    pub(super) functions: Vec<usize>,
    /// The indices of the symbols of each name, in order.
    pub(super) by_name: HashMap<String, Vec<usize>>,
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
        self.functions.iter().map(|&id| &self.symbols[id])
    }

    /// Whether the script has a function of this name.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.named(name).any(|(_, symbol)| symbol.kind == SymbolKind::Function)
    }

    /// Returns the symbols of this name, in order, with their indices.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Symbol)> {
        self.by_name.get(name).into_iter().flatten().map(|&id| (id, &self.symbols[id]))
    }

    /// Returns the symbol whose name is defined or used here.
    #[must_use]
    pub fn symbol_at(&self, offset: usize) -> Option<usize> {
        let given = self.symbols.partition_point(|symbol| symbol.span.end < offset);
        let given = self.symbols.get(given).filter(|symbol| touches(&symbol.span, offset)).map(|_| given);
        given.or_else(|| self.use_at(offset)?.target)
    }

    /// Returns the use of a name here.
    #[must_use]
    pub fn use_at(&self, offset: usize) -> Option<&Use> {
        let at = self.uses.partition_point(|name| name.span.end < offset);
        self.uses.get(at).filter(|name| touches(&name.span, offset))
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
        let above = self.functions.partition_point(|&id| self.symbols[id].whole.start <= offset);
        let last = *self.functions.get(above.checked_sub(1)?)?;
        (offset < self.symbols[last].whole.end).then_some(last)
    }

    /// Returns the names that can be used here. Of several variables with one name, it returns the innermost.
    #[must_use]
    pub fn visible(&self, offset: usize) -> Vec<usize> {
        let function = self.function_at(offset);
        let mut innermost: HashMap<&str, usize> = HashMap::new();
        let mut found: Vec<usize> = Vec::new();
        for (id, symbol) in self.symbols.iter().enumerate() {
            if sees(function, offset, symbol) {
                if symbol.kind != SymbolKind::Function {
                    innermost.insert(&symbol.name, id);
                }
                found.push(id);
            }
        }
        found.retain(|&id| {
            let symbol = &self.symbols[id];
            symbol.kind == SymbolKind::Function || innermost.get(symbol.name.as_str()) == Some(&id)
        });
        found
    }
}

/// Whether the symbol can be used here, in this function.
pub(super) fn sees(function: Option<usize>, offset: usize, symbol: &Symbol) -> bool {
    let above = symbol.function.is_none()
        && matches!(symbol.kind, SymbolKind::Constant | SymbolKind::Import)
        && function.is_some();
    let scope = touches(&symbol.scope, offset) && symbol.function == function;
    symbol.kind == SymbolKind::Function || above || scope
}

/// Whether the offset is in this span or at one of its ends.
pub(super) const fn touches(span: &Range<usize>, offset: usize) -> bool {
    span.start <= offset && offset <= span.end
}
