//! The context of the cursor, even in a script that is half typed.

use super::keywords::is_keyword;
use super::lexer::{Token, TokenKind};
use super::lookup::{Outline, touches};
use std::ops::Range;

/// The context of the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorContext {
    /// A statement or a value may be here. The part of a name before the cursor begins at this offset.
    Code(usize),
    /// After the dot that follows this name, if it is a name.
    Member(usize, Option<String>),
    /// After the `::` that follows this name.
    Space(usize, String),
    /// In a text without `${}`, at this place.
    Text(Range<usize>),
    /// In the path of an import, at this place.
    ImportPath(Range<usize>),
    /// Only a new name may be here, or something that an outline doesn't know.
    Elsewhere,
}

/// A call with the cursor in its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calling {
    /// The name of the function.
    pub name: String,
    /// The name before the `::`.
    pub space: Option<String>,
    /// Whether the function follows a dot.
    pub method: bool,
    /// The index of the argument, from 0.
    pub argument: usize,
    /// The key of the object map that the cursor is in, if the argument is one.
    pub key: Option<String>,
    /// How many object maps of the argument the cursor is in.
    pub maps: usize,
    /// Whether the cursor is in an array of the innermost of them.
    pub in_array: bool,
}

impl Outline {
    /// Returns the context of the cursor.
    #[must_use]
    pub fn cursor_context(&self, offset: usize) -> CursorContext {
        let mut start = offset;
        let mut before = self.tokens.partition_point(|token| token.span.end <= offset);
        // The token that contains the cursor, or ends right before it.
        let candidates = [before.checked_sub(1), Some(before)];
        for index in candidates.into_iter().flatten() {
            let Some(token) = self.tokens.get(index) else { continue };
            let span = &token.span;
            if span.start >= offset {
                continue;
            }
            match &token.kind {
                TokenKind::Text { inner, whole } if touches(inner, offset) => {
                    let last = self.code_before(index).map(|token| &self.text[token.span.clone()]);
                    return match last {
                        _ if !whole => CursorContext::Elsewhere,
                        Some("import") => CursorContext::ImportPath(inner.clone()),
                        _ => CursorContext::Text(inner.clone()),
                    };
                }
                TokenKind::Comment => {
                    let closed = self.text[span.clone()].ends_with("*/");
                    if offset < span.end || !closed {
                        return CursorContext::Elsewhere;
                    }
                }
                TokenKind::Word if touches(span, offset) => {
                    start = span.start;
                    before = index;
                }
                TokenKind::Number | TokenKind::Character if touches(span, offset) => return CursorContext::Elsewhere,
                _ => {}
            }
        }
        let last = self.code_before(before);
        match last.map(|token| &self.text[token.span.clone()]) {
            Some("." | "?.") => CursorContext::Member(start, self.owner(before)),
            Some("::") => CursorContext::Space(start, self.owner(before).unwrap_or_default()),
            Some("let" | "const" | "fn" | "for" | "as") => CursorContext::Elsewhere,
            _ => CursorContext::Code(start),
        }
    }

    fn code_before(&self, index: usize) -> Option<&Token> {
        self.tokens[..index.min(self.tokens.len())].iter().rev().find(|token| token.kind != TokenKind::Comment)
    }

    /// Returns the name before the dot or `::` that precedes this token.
    fn owner(&self, index: usize) -> Option<String> {
        let mut code = self.tokens[..index].iter().rev().filter(|token| token.kind != TokenKind::Comment);
        let owner = code.nth(1).filter(|token| token.kind == TokenKind::Word)?;
        let nested = code.next().is_some_and(|token| matches!(&self.text[token.span.clone()], "." | "?." | "::"));
        (!nested).then(|| self.text[owner.span.clone()].to_owned())
    }

    /// Returns the call and the argument that contain the cursor. This reads nothing after the cursor.
    #[must_use]
    pub fn calling(&self, offset: usize) -> Option<Calling> {
        let code = &self.code[..self.code.partition_point(|&index| self.tokens[index].span.end <= offset)];
        let token = |at: usize| &self.tokens[code[at]];
        let text_at = |at: usize| &self.text[token(at).span.clone()];
        let (mut closed, mut commas, mut key, mut at) = (0_usize, 0, None, code.len());
        let (mut maps, mut in_array) = (0, false);
        while at > 0 {
            at -= 1;
            match text_at(at) {
                _ if matches!(token(at).kind, TokenKind::Text { .. }) => {}
                ")" | "]" | "}" => closed += 1,
                "(" | "[" | "?[" | "{" | "#{" | "${" if closed > 0 => closed -= 1,
                _ if closed > 0 => {}
                "{" | "${" | ";" | "let" | "const" | "fn" | "import" => return None,
                "[" | "?[" => {
                    in_array |= maps == 0;
                    commas = 0;
                }
                "#{" => {
                    maps += 1;
                    let name = |colon: usize| self.as_key(token(colon.checked_sub(1)?));
                    let colon = (at + 1..code.len()).rev().find(|&i| text_at(i) == "," || text_at(i) == ":");
                    key = colon.filter(|&i| text_at(i) == ":").and_then(name).or(key);
                    commas = 0;
                }
                "|" => at = self.closure_start(at).unwrap_or(at),
                "," => commas += 1,
                "(" => match at.checked_sub(1).map(|name| (name, token(name))) {
                    Some((name, word)) if word.kind == TokenKind::Word && !is_keyword(text_at(name)) => {
                        if name.checked_sub(1).is_some_and(|fun| text_at(fun) == "fn") {
                            return None;
                        }
                        let sign = name.checked_sub(1).map_or("", text_at);
                        let space = (sign == "::").then(|| name.checked_sub(2).map_or("", text_at).to_owned());
                        let method = matches!(sign, "." | "?.");
                        let name = text_at(name).to_owned();
                        return Some(Calling { name, space, method, argument: commas, key, maps, in_array });
                    }
                    _ => commas = 0,
                },
                _ => {}
            }
        }
        None
    }

    /// Returns where the parameters of a closure begin that end here.
    fn closure_start(&self, end: usize) -> Option<usize> {
        let text_at = |at: usize| &self.text[self.tokens[self.code[at]].span.clone()];
        let is_word = |at: usize| self.tokens[self.code[at]].kind == TokenKind::Word;
        let start = (0..end).rev().find(|&at| !is_word(at) && text_at(at) != ",")?;
        (text_at(start) == "|").then_some(start)
    }

    fn as_key(&self, token: &Token) -> Option<String> {
        match &token.kind {
            TokenKind::Word => Some(self.text[token.span.clone()].to_owned()),
            TokenKind::Text { inner, .. } => Some(self.text[inner.clone()].to_owned()),
            _ => None,
        }
    }
}
