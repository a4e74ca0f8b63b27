//! The meaning of words, for the outline of a script.

use super::builder::Builder;
use super::frame::Nesting;
use super::keywords::is_keyword;
use super::lexer::{Token, TokenKind};
use super::symbol::{Key, SymbolKind, Use};
use std::ops::Range;

impl Builder<'_> {
    pub(super) fn word(&mut self) {
        let word = self.text_at(self.at);
        match word {
            _ if matches!(self.previous(), "." | "?.") => self.member(word),
            _ if self.is_key() => self.key(word),
            "let" | "const" => {
                self.begin_statement();
                self.activate_before();
                let kind = if word == "let" { SymbolKind::Variable } else { SymbolKind::Constant };
                if let Some(id) = self.declare(kind, self.at + 1, self.at) {
                    self.top().pending.push(id);
                    self.at += 1;
                }
            }
            "fn" => self.function(),
            "for" => self.names_for_block(&["in"]),
            "catch" => self.names_for_block(&[]),
            "import" => {
                self.begin_statement();
                self.activate_before();
                self.path = match self.token(self.at + 1) {
                    Some(Token { kind: TokenKind::Text { inner, .. }, .. }) => {
                        Some(self.text[inner.clone()].to_owned())
                    }
                    _ => None,
                };
            }
            "as" => {
                if let Some(path) = self.path.take() {
                    let start = self.at.saturating_sub(2);
                    if let Some(id) = self.declare(SymbolKind::Import, self.at + 1, start) {
                        self.symbols[id].path = Some(path);
                        self.top().pending.push(id);
                    }
                }
                self.at += 1;
            }
            "global" if self.text_at(self.at + 1) == "::" => {}
            _ if is_keyword(word) => {}
            _ => self.name(word),
        }
    }

    pub(super) fn is_key(&mut self) -> bool {
        let starts = matches!(self.previous(), "#{" | ",");
        starts && self.top().open == Nesting::Map && self.text_at(self.at + 1) == ":"
    }

    fn key(&mut self, name: &str) {
        let of = self.top().of.clone();
        self.keys.push(Key { name: name.to_owned(), of });
    }

    fn member(&mut self, word: &str) {
        if self.text_at(self.at + 1) == "(" {
            self.add_use(word, self.at, None, true);
            return;
        }
        let owner = self.at.checked_sub(2).map(|at| (at, self.text_at(at)));
        let plain = |at: usize| !at.checked_sub(1).is_some_and(|at| matches!(self.text_at(at), "." | "?." | "::"));
        let of = owner.filter(|&(at, name)| !name.is_empty() && plain(at)).map(|(_, name)| name.to_owned());
        self.keys.push(Key { name: word.to_owned(), of });
    }

    fn name(&mut self, word: &str) {
        let space =
            (self.previous() == "::").then(|| self.at.checked_sub(2).map_or("", |at| self.text_at(at)).to_owned());
        self.add_use(word, self.at, space, false);
    }

    /// `fn name(a, b)`, whose body is the next block.
    fn function(&mut self) {
        // Functions exist only at the top level of a script: the author forgot to close whatever is open.
        let here = self.span(self.at).start;
        while self.frames.len() > 1 {
            self.pop(here);
        }
        self.activate_before();
        self.top().next.clear();
        let private = self.previous() == "private";
        let from = self.at - usize::from(private);
        let mut name = self.at + 1;
        if self.text_at(name + 1) == "." {
            // `fn Type.name()`
            name += 2;
        }
        let Some(id) = self.declare(SymbolKind::Function, name, from) else { return };
        self.symbols[id].private = private;
        self.at = name;
        let mut params = Vec::new();
        if self.text_at(name + 1) == "(" {
            self.at += 1;
            while matches!(self.token(self.at + 1), Some(Token { kind: TokenKind::Word, .. }))
                || self.text_at(self.at + 1) == ","
            {
                self.at += 1;
                if let Some(param) = self.declare(SymbolKind::Parameter, self.at, self.at) {
                    self.symbols[param].function = Some(id);
                    params.push(param);
                }
            }
            if self.text_at(self.at + 1) == ")" {
                self.at += 1;
            }
        }
        self.symbols[id].params = params.iter().map(|&param| self.symbols[param].name.clone()).collect();
        self.symbols[id].whole.end = self.span(self.at).end;
        self.top().next = params;
        self.top().next_function = Some(id);
    }

    /// `for x in`, `for (x, i) in`, `catch (e)`, whose names can be used in the next block.
    fn names_for_block(&mut self, until: &[&str]) {
        let from = self.at;
        let mut names = Vec::new();
        loop {
            let word = matches!(self.token(self.at + 1), Some(Token { kind: TokenKind::Word, .. }));
            let next = self.text_at(self.at + 1);
            let more = (word && !is_keyword(next)) || matches!(next, "(" | ")" | ",");
            if !more || until.contains(&next) {
                break;
            }
            self.at += 1;
            names.extend(self.declare(SymbolKind::Variable, self.at, from));
            if next == ")" {
                break;
            }
        }
        for &id in &names {
            self.symbols[id].whole = self.symbols[id].span.clone();
        }
        self.top().next = names;
    }

    pub(super) fn text(&mut self, inner: Range<usize>) {
        let text = &self.text[inner.clone()];
        if self.is_key() {
            self.key(text);
        }
        // `Fn("name")` refers to a function.
        if self.previous() == "(" && self.at >= 2 && self.text_at(self.at - 2) == "Fn" {
            self.uses.push(Use {
                name: text.to_owned(),
                span: inner,
                space: None,
                called: false,
                method: true,
                arguments: None,
                target: None,
            });
        }
    }
}
