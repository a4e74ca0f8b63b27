//! The tokens of a script, with their places. Half-typed scripts have tokens too: nothing is an error.

use std::ops::Range;

/// A piece of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its kind.
    pub kind: TokenKind,
    /// Its place, in bytes.
    pub span: Range<usize>,
}

/// The kind of a piece of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A text in quotes, or a piece of a text in backticks.
    Text {
        /// Its place without the quotes.
        inner: Range<usize>,
        /// Whether it is a whole text, rather than a piece of one with `${...}` in it.
        whole: bool,
    },
    /// A character in single quotes.
    Character,
    /// One or more signs: `(`, `#{`, `::`. The `${` and `}` in a text in backticks are signs too.
    Sign,
    /// A comment.
    Comment,
}

/// The signs with more than one character that matter here, longest first.
const SIGNS: [&str; 18] =
    ["..=", "::", "=>", "||", "&&", "?.", "?[", "??", "..", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%="];

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// For each open `${`, how many `{` have been opened since.
    templates: Vec<usize>,
}

/// Splits a script into tokens.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), templates: Vec::new() };
    if text.trim_start_matches('\u{feff}').starts_with("#!") {
        lexer.until_line_end(TokenKind::Comment);
    }
    while lexer.at < text.len() {
        lexer.token();
    }
    lexer.tokens
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        self.tokens.push(Token { kind, span: self.at..self.at + length });
        self.at += length;
    }

    /// Returns the length of the text up to the first character that does not qualify.
    fn length(&self, qualifies: impl Fn(char) -> bool) -> usize {
        self.rest().find(|c| !qualifies(c)).unwrap_or(self.rest().len())
    }

    fn until_line_end(&mut self, kind: TokenKind) {
        let length = self.length(|c| c != '\n');
        self.push(kind, length);
    }

    fn token(&mut self) {
        let Some(first) = self.rest().chars().next() else { return };
        match first {
            _ if first.is_whitespace() => self.at += first.len_utf8(),
            '/' if self.rest().starts_with("//") => self.until_line_end(TokenKind::Comment),
            '/' if self.rest().starts_with("/*") => self.block_comment(),
            '"' => self.quoted('"'),
            '\'' => self.quoted('\''),
            '`' => {
                self.at += 1;
                self.template(1);
            }
            '#' if self.rest().trim_start_matches('#').starts_with('"') => self.raw(),
            '0'..='9' => self.number(),
            _ if is_word(first) => {
                let length = self.length(is_word);
                self.push(TokenKind::Word, length);
            }
            '{' => {
                if let Some(open) = self.templates.last_mut() {
                    *open += 1;
                }
                self.push(TokenKind::Sign, 1);
            }
            '#' if self.rest().starts_with("#{") => {
                if let Some(open) = self.templates.last_mut() {
                    *open += 1;
                }
                self.push(TokenKind::Sign, 2);
            }
            '}' => {
                self.push(TokenKind::Sign, 1);
                match self.templates.last_mut() {
                    Some(0) => {
                        self.templates.pop();
                        self.template(0);
                    }
                    Some(open) => *open -= 1,
                    None => {}
                }
            }
            _ => {
                let long = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
                let length = long.map_or(first.len_utf8(), |sign| sign.len());
                self.push(TokenKind::Sign, length);
            }
        }
    }

    /// Comments nest, as in Rhai.
    fn block_comment(&mut self) {
        let mut depth = 0;
        let mut length = 0;
        while length < self.rest().len() {
            let rest = &self.rest()[length..];
            let step = match rest.get(..2) {
                Some("/*") => {
                    depth += 1;
                    2
                }
                Some("*/") => {
                    depth -= 1;
                    2
                }
                _ => rest.chars().next().map_or(1, char::len_utf8),
            };
            length += step;
            if depth == 0 {
                break;
            }
        }
        self.push(TokenKind::Comment, length);
    }

    /// A text ends with its line, unless a backslash precedes the line end.
    fn quoted(&mut self, quote: char) {
        let mut end = self.rest().len();
        let mut closed = false;
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' if !escaped => {
                    end = at;
                    break;
                }
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == quote => {
                    end = at + 1;
                    closed = true;
                    break;
                }
                _ => {}
            }
        }
        let inner = self.at + 1..self.at + end - usize::from(closed);
        let kind = if quote == '"' { TokenKind::Text { inner, whole: true } } else { TokenKind::Character };
        self.push(kind, end);
    }

    /// A text in backticks, from here to its end or to the next `${`. `quote` is the length of what opened it.
    fn template(&mut self, quote: usize) {
        let start = self.at;
        let mut escaped = false;
        let mut end = self.rest().len();
        let mut closing = 0;
        let mut breaks = false;
        for (at, c) in self.rest().char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '`' => {
                    end = at;
                    closing = 1;
                    break;
                }
                '$' if self.rest()[at..].starts_with("${") => {
                    end = at;
                    breaks = true;
                    break;
                }
                _ => {}
            }
        }
        let inner = start..start + end;
        self.at = start - quote;
        self.push(TokenKind::Text { inner, whole: quote == 1 && !breaks }, quote + end + closing);
        if breaks {
            self.push(TokenKind::Sign, 2);
            self.templates.push(0);
        }
    }

    /// `#"..."#`, with any number of `#`.
    fn raw(&mut self) {
        let marks = self.length(|c| c == '#');
        let ending = format!("\"{}", &self.rest()[..marks]);
        let body = &self.rest()[marks + 1..];
        let (length, closing) = body.find(&ending).map_or((body.len(), 0), |at| (at, ending.len()));
        let start = self.at + marks + 1;
        let kind = TokenKind::Text { inner: start..start + length, whole: true };
        self.push(kind, marks + 1 + length + closing);
    }

    /// `1..5` is a number followed by a range.
    fn number(&mut self) {
        let mut length = self.length(is_word);
        let rest = &self.rest()[length..];
        if rest.starts_with('.') && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            length += 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1);
        }
        self.push(TokenKind::Number, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(text).into_iter().map(|token| &text[token.span]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn texts_comments_and_numbers_are_one_token() {
        check("let x=1..5+2.5;", &["let", "x", "=", "1", "..", "5", "+", "2.5", ";"]);
        check(r#"f("a\"b", 'x') // c"#, &["f", "(", r#""a\"b""#, ",", "'x'", ")", "// c"]);
        check("a /* b /* c */ d */ e", &["a", "/* b /* c */ d */", "e"]);
        check("#!/usr/bin/env x\ny", &["#!/usr/bin/env x", "y"]);
        check("#{ a: 1 } a::b ?. c", &["#{", "a", ":", "1", "}", "a", "::", "b", "?.", "c"]);
        check("#\"a \"b\" c\"# ##\"x\"#\"##", &["#\"a \"b\" c\"#", "##\"x\"#\"##"]);
        check("1.sin() 0xff 1_000", &["1", ".", "sin", "(", ")", "0xff", "1_000"]);
    }

    #[test]
    fn a_text_in_backticks_contains_code() {
        check("`a ${b + `c${d}`} e` f", &["`a ", "${", "b", "+", "`c", "${", "d", "}", "`", "}", " e`", "f"]);
        check("`a ${#{x: {1}}} b`", &["`a ", "${", "#{", "x", ":", "{", "1", "}", "}", "}", " b`"]);
        check("`a\nb`", &["`a\nb`"]);
    }

    #[test]
    fn a_half_typed_text_ends_with_its_line() {
        check("f(\"abc\ng()", &["f", "(", "\"abc", "g", "(", ")"]);
        check("x = `abc ${y", &["x", "=", "`abc ", "${", "y"]);
        for text in ["\"", "'", "`", "#\"", "/*", "\"\\", "`\\", "#", "`${", "ü\"ö", "/", "🙂`${🙂", "#!"] {
            let end = tokens(text).last().map(|token| token.span.end);
            assert_eq!(end, Some(text.len()), "{text}");
        }
    }
}
