//! A text with its outline and the positions in it.

use super::positions::{Encoding, Positions};
use agi_rhai::internals::Outline;
use lsp_types::{Position, Range};
use std::ops::Deref;

/// The outline of a text that can tell positions as the editor counts them.
pub struct Source {
    outline: Outline,
    positions: Positions,
}

impl Source {
    pub fn new(text: &str, encoding: Encoding) -> Self {
        Self { outline: Outline::new(text), positions: Positions::new(text, encoding) }
    }

    pub fn offset(&self, position: Position) -> usize {
        self.positions.offset(self.text(), position)
    }

    pub fn range(&self, span: &std::ops::Range<usize>) -> Range {
        let [start, end] = [span.start, span.end].map(|offset| self.positions.position(self.text(), offset));
        Range { start, end }
    }
}

impl Deref for Source {
    type Target = Outline;

    fn deref(&self) -> &Outline {
        &self.outline
    }
}
