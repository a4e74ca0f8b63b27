//! The text of a script: where its words begin and end, and the first lines of its functions.

use super::parse;
use rhai::{Engine, Position, Token};

/// A place in a text: line and column in characters, both from 1.
pub(crate) type Place = (usize, usize);

/// A word of a script.
pub(crate) struct Word {
    pub token: Token,
    pub start: Place,
    /// The place after its last character.
    pub end: Place,
}

/// The first line of a function.
pub(crate) struct Head {
    pub name: String,
    pub start: Place,
    pub private: bool,
    pub params: Vec<(String, Place)>,
}

/// The text of a script, split into its parts.
pub(crate) struct ScriptText<'a> {
    pub lines: Vec<&'a str>,
    pub words: Vec<Word>,
    pub heads: Vec<Head>,
    /// Its comments, and where they begin.
    pub comments: Vec<(String, Place)>,
}

pub(crate) fn place(position: Position) -> Place {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

impl<'a> ScriptText<'a> {
    pub fn new(engine: &Engine, text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let (words, comments) = words(engine, text, &lines);
        Self { heads: heads(&words), lines, words, comments }
    }

    pub fn line(&self, line: usize) -> &'a str {
        self.lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// Returns the index of the word that begins here.
    pub fn word_at(&self, place: Place) -> Option<usize> {
        self.words.binary_search_by_key(&place, |word| word.start).ok()
    }

    /// Returns how many characters the word here has on its line.
    pub fn width(&self, place: Place) -> usize {
        let (line, column) = place;
        let rest = self.line(line).chars().count().saturating_sub(column.saturating_sub(1));
        let width = self.word_at(place).map_or(1, |at| {
            let end = self.words[at].end;
            if end.0 == line { end.1.saturating_sub(column) } else { rest }
        });
        width.clamp(1, rest.max(1))
    }

    pub fn head(&self, name: &str, params: usize) -> Option<&Head> {
        self.heads.iter().find(|head| head.name == name && head.params.len() == params)
    }
}

type Comments = Vec<(String, Place)>;

fn words(engine: &Engine, text: &str, lines: &[&str]) -> (Vec<Word>, Comments) {
    let mut words = Vec::new();
    let mut comments = Vec::new();
    for parse::Word { token, start, read } in parse::words(engine, text).0 {
        let start = place(start);
        match &token {
            Token::Comment(comment) => comments.push((comment.to_string(), start)),
            _ => words.push(Word { end: end(&token, start, read, lines), token, start }),
        }
    }
    (words, comments)
}

/// Returns the place after a word. For some words, that is as far as the lexer has read; for others, it reads ahead.
fn end(token: &Token, start: Place, read: Position, lines: &[&str]) -> Place {
    let length = match token {
        Token::Identifier(name) | Token::Reserved(name) => name.chars().count(),
        Token::StringConstant(_) | Token::InterpolatedString(_) | Token::CharConstant(_) | Token::LexError(_) => {
            let (line, column) = place(read);
            return (line, column + 1);
        }
        Token::IntegerConstant(_) | Token::FloatConstant(_) => {
            let rest = lines.get(start.0.wrapping_sub(1)).copied().unwrap_or_default();
            let number = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '.';
            rest.chars().skip(start.1.saturating_sub(1)).take_while(number).count()
        }
        Token::Unit => 2,
        other if other.is_literal() => other.literal_syntax().chars().count(),
        _ => 1,
    };
    (start.0, start.1 + length.max(1))
}

fn heads(words: &[Word]) -> Vec<Head> {
    let name = |word: &Word| match &word.token {
        Token::Identifier(name) => Some((name.to_string(), word.start)),
        _ => None,
    };
    let mut heads = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| word.token == Token::Fn) {
        let mut at_name = at + 1;
        if words.get(at + 2).is_some_and(|word| word.token == Token::Period) {
            at_name += 2;
        }
        let Some((called, start)) = words.get(at_name).and_then(name) else { continue };
        let mut params = Vec::new();
        if words.get(at_name + 1).is_some_and(|word| word.token == Token::LeftParen) {
            let inside = words[at_name + 2..].iter().take_while(|word| word.token != Token::RightParen);
            params.extend(inside.filter_map(name));
        }
        let private = at > 0 && words[at - 1].token == Token::Private;
        heads.push(Head { name: called, start, private, params });
    }
    heads
}
