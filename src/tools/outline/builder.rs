//! Builds the outline of a script: the tokens, the frames that are open, and the names defined so far.

use super::frame::{Frame, Nesting};
use super::keywords::is_keyword;
use super::lexer::{self, Token, TokenKind};
use super::lookup::Outline;
use super::symbol::{Key, Symbol, SymbolKind, Use};
use std::collections::HashMap;
use std::ops::Range;

/// Builds an outline in one pass over a script.
pub(super) struct Builder<'a> {
    pub text: &'a str,
    pub tokens: Vec<Token>,
    /// The indices of the tokens that aren't comments.
    pub code: Vec<usize>,
    /// The indices of the others.
    pub comments: Vec<usize>,
    /// Where the line ends on which a name was last defined.
    pub line_end: usize,
    pub at: usize,
    pub frames: Vec<Frame>,
    /// The variables that can be used here, by name: each with the number of the frame that holds it, innermost last.
    pub visible: HashMap<&'a str, Vec<(usize, usize)>>,
    pub symbols: Vec<Symbol>,
    pub uses: Vec<Use>,
    pub keys: Vec<Key>,
    /// The path of the import being read.
    pub path: Option<String>,
}

impl Outline {
    /// Returns the outline of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Builder::new(text).build()
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let tokens = lexer::tokens(text);
        let (comments, code) = (0..tokens.len()).partition(|&i| tokens[i].kind == TokenKind::Comment);
        let mut walk = Self {
            text,
            tokens,
            code,
            comments,
            line_end: 0,
            at: 0,
            frames: Vec::new(),
            visible: HashMap::new(),
            symbols: Vec::new(),
            uses: Vec::new(),
            keys: Vec::new(),
            path: None,
        };
        walk.push(Nesting::Script);
        walk
    }

    pub(super) fn build(mut self) -> Outline {
        while self.at < self.code.len() {
            self.step();
            self.at += 1;
        }
        while !self.frames.is_empty() {
            self.pop(self.text.len());
        }
        let mut outline = Outline {
            text: self.text.to_owned(),
            functions: (0..self.symbols.len()).filter(|&id| self.symbols[id].kind == SymbolKind::Function).collect(),
            by_name: HashMap::new(),
            tokens: self.tokens,
            code: self.code,
            symbols: self.symbols,
            uses: self.uses,
            keys: self.keys,
        };
        for (id, symbol) in outline.symbols.iter().enumerate() {
            outline.by_name.entry(symbol.name.clone()).or_default().push(id);
        }
        outline.resolve();
        outline
    }

    pub(super) fn token(&self, at: usize) -> Option<&Token> {
        self.code.get(at).map(|&index| &self.tokens[index])
    }

    /// Returns the text of a word or sign; empty for anything else.
    pub(super) fn text_at(&self, at: usize) -> &'a str {
        match self.token(at) {
            Some(Token { kind: TokenKind::Word | TokenKind::Sign, span }) => &self.text[span.clone()],
            _ => "",
        }
    }

    pub(super) fn previous(&self) -> &'a str {
        self.at.checked_sub(1).map_or("", |at| self.text_at(at))
    }

    pub(super) fn span(&self, at: usize) -> Range<usize> {
        self.token(at).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    pub(super) fn top(&mut self) -> &mut Frame {
        // The frame of the script itself is closed only at the end.
        if self.frames.is_empty() {
            self.push(Nesting::Script);
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    pub(super) fn push(&mut self, open: Nesting) {
        self.frames.push(Frame {
            open,
            names: Vec::new(),
            pending: Vec::new(),
            next: Vec::new(),
            next_function: None,
            function: None,
            call: None,
            began: self.at,
            commas: 0,
            of: None,
        });
    }

    pub(super) fn pop(&mut self, offset: usize) {
        let Some(frame) = self.frames.pop() else { return };
        for &id in &frame.pending {
            self.symbols[id].scope = offset..offset;
            self.symbols[id].whole.end = offset;
        }
        for id in frame.names {
            if let Some(same) = self.visible.get_mut(&self.text[self.symbols[id].span.clone()]) {
                same.pop();
            }
            self.symbols[id].scope.end = offset;
        }
        if let Some(function) = frame.function {
            self.symbols[function].whole.end = offset;
        }
    }

    /// Closes frames down to the nearest one of these kinds, if all frames in between may be skipped.
    pub(super) fn close(&mut self, wanted: &[Nesting], may_skip: &[Nesting]) -> bool {
        let skips = |open: Nesting| may_skip.contains(&open) || matches!(open, Nesting::Closure { .. });
        let Some(found) = self.frames.iter().rposition(|frame| wanted.contains(&frame.open)) else { return false };
        if !self.frames[found + 1..].iter().all(|frame| skips(frame.open)) {
            return false;
        }
        let end = self.span(self.at).end;
        while self.frames.len() > found {
            self.pop(end);
        }
        true
    }

    /// Ends the closures that are the argument which was just read.
    pub(super) fn end_closures(&mut self) {
        while matches!(self.top().open, Nesting::Closure { .. }) {
            let start = self.span(self.at).start;
            self.pop(start);
        }
    }

    /// Closes what can't be open where a statement begins. Only blocks can; the author forgot to close the rest.
    pub(super) fn begin_statement(&mut self) {
        while !self.top().open.has_statements() {
            let start = self.span(self.at).start;
            self.pop(start);
        }
    }

    /// Makes the names of earlier statements usable from here on.
    pub(super) fn activate(&mut self) {
        let end = self.span(self.at).end;
        let pending = std::mem::take(&mut self.top().pending);
        for &id in &pending {
            self.symbols[id].scope.start = end;
            self.symbols[id].whole.end = end;
        }
        self.show(pending);
    }

    /// Makes these names usable in the innermost frame.
    pub(super) fn show(&mut self, names: Vec<usize>) {
        let frame = self.frames.len() - 1;
        for &id in &names {
            self.visible.entry(&self.text[self.symbols[id].span.clone()]).or_default().push((frame, id));
        }
        self.top().names.extend(names);
    }

    /// Does the same before a statement whose predecessor has no semicolon yet.
    pub(super) fn activate_before(&mut self) {
        if self.top().pending.is_empty() {
            return;
        }
        self.at -= 1;
        self.activate();
        self.at += 1;
    }

    fn step(&mut self) {
        let Some(token) = self.token(self.at).cloned() else { return };
        match token.kind {
            TokenKind::Word => self.word(),
            TokenKind::Text { inner, .. } => self.text(inner),
            TokenKind::Sign => self.sign(),
            TokenKind::Number | TokenKind::Character | TokenKind::Comment => {}
        }
    }

    pub(super) fn add_use(&mut self, name: &str, at: usize, space: Option<String>, method: bool) {
        let called = self.text_at(at + 1) == "(" || (self.text_at(at + 1) == "!" && self.text_at(at + 2) == "(");
        let target = if space.is_none() && !method { self.variable(name) } else { None };
        let span = self.span(at);
        self.uses.push(Use { name: name.to_owned(), span, space, called, method, arguments: None, target });
    }

    /// Returns the variable of this name that can be used here. A function can't see those of the script.
    pub(super) fn variable(&self, name: &str) -> Option<usize> {
        let function = self.frames.iter().rposition(|frame| frame.function.is_some()).unwrap_or(0);
        let &(frame, id) = self.visible.get(name)?.last()?;
        (frame >= function).then_some(id)
    }

    /// Defines the name at this token, if there is one. It can be used from here on, unless the caller changes that.
    pub(super) fn declare(&mut self, kind: SymbolKind, at: usize, from: usize) -> Option<usize> {
        let name = self.text_at(at);
        if !matches!(self.token(at)?.kind, TokenKind::Word) || is_keyword(name) {
            return None;
        }
        let span = self.span(at);
        let whole = if kind == SymbolKind::Parameter { span.clone() } else { self.span(from).start..span.end };
        let function = self.frames.iter().rev().find_map(|frame| frame.function);
        let doc = if kind == SymbolKind::Parameter { String::new() } else { self.doc(from, at) };
        self.symbols.push(Symbol {
            name: name.to_owned(),
            kind,
            scope: span.start..self.text.len(),
            span,
            whole,
            function,
            params: Vec::new(),
            private: false,
            path: None,
            doc,
        });
        Some(self.symbols.len() - 1)
    }
}
