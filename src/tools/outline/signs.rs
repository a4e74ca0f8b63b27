//! Brackets, blocks and closures, for the outline of a script.

use super::builder::Builder;
use super::frame::Nesting;
use super::keywords::is_keyword;
use super::lexer::{Token, TokenKind};
use super::symbol::SymbolKind;

impl Builder<'_> {
    pub(super) fn sign(&mut self) {
        let sign = self.text_at(self.at);
        match sign {
            "{" | "${" => self.block(),
            "#{" => {
                let variable = self.at.checked_sub(2).map_or("", |at| self.text_at(at));
                let of = (self.previous() == "=" && !variable.is_empty()).then(|| variable.to_owned());
                self.push(Nesting::Map);
                self.top().of = of;
            }
            "(" => {
                let called = self
                    .at
                    .checked_sub(1)
                    .map(|at| if self.text_at(at) == "!" { self.span(at - 1) } else { self.span(at) });
                let call =
                    self.uses.last().filter(|name| called.as_ref() == Some(&name.span)).map(|_| self.uses.len() - 1);
                self.push(Nesting::Paren);
                self.top().call = call;
            }
            "[" | "?[" => self.push(Nesting::Bracket),
            ")" => {
                self.end_closures();
                let frame = self.top();
                let (open, call, began, commas) = (frame.open, frame.call, frame.began, frame.commas);
                if let (Nesting::Paren, Some(call)) = (open, call) {
                    let empty = self.at == began + 1;
                    let trailing = self.previous() == ",";
                    self.uses[call].arguments = Some(if empty { 0 } else { commas + 1 - usize::from(trailing) });
                }
                self.close(&[Nesting::Paren], &[Nesting::Bracket]);
            }
            "]" => {
                self.close(&[Nesting::Bracket], &[Nesting::Paren]);
            }
            "}" => self.close_block(),
            "," => {
                self.end_closures();
                self.top().commas += 1;
            }
            ";" => {
                self.begin_statement();
                self.path = None;
                self.activate();
            }
            "|" | "||" if !self.follows_value() => self.closure(sign),
            _ => {}
        }
    }

    fn close_block(&mut self) {
        let closed = self.close(&[Nesting::Block, Nesting::Map], &[Nesting::Paren, Nesting::Bracket]);
        if closed && self.top().open == (Nesting::Closure { braced: true }) {
            let end = self.span(self.at).end;
            self.pop(end);
        }
    }

    fn block(&mut self) {
        let at = self.at;
        let frame = self.top();
        if let Nesting::Closure { braced } = &mut frame.open
            && frame.began + 1 == at
        {
            *braced = true;
        }
        let names = std::mem::take(&mut frame.next);
        let function = frame.next_function.take();
        self.push(Nesting::Block);
        let start = self.span(at).end;
        for &id in &names {
            if self.symbols[id].kind == SymbolKind::Variable {
                self.symbols[id].scope.start = start;
            }
        }
        self.show(names);
        self.top().function = function;
    }

    /// Whether a value precedes the `|`, so that it is an operator.
    fn follows_value(&self) -> bool {
        let Some(before) = self.at.checked_sub(1) else { return false };
        match self.token(before).map(|token| &token.kind) {
            Some(TokenKind::Sign) => matches!(self.text_at(before), ")" | "]" | "}"),
            Some(TokenKind::Word) => {
                let word = self.text_at(before);
                !is_keyword(word) || matches!(word, "this" | "true" | "false")
            }
            _ => true,
        }
    }

    fn closure(&mut self, sign: &str) {
        let mut params = Vec::new();
        if sign == "|" {
            while matches!(self.token(self.at + 1), Some(Token { kind: TokenKind::Word, .. }))
                || self.text_at(self.at + 1) == ","
            {
                self.at += 1;
                params.extend(self.declare(SymbolKind::Parameter, self.at, self.at));
            }
            if self.text_at(self.at + 1) == "|" {
                self.at += 1;
            }
        }
        self.push(Nesting::Closure { braced: false });
        self.show(params);
    }
}
