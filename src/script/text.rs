//! The text of a script: where its words begin and end, and the first lines of its functions.

use super::parse;
use rhai::{Engine, Position, Token};
use std::collections::HashMap;

/// How many characters of a line are shown at most, and how many of them before the place of an error.
const MAX_SHOWN_LINE: usize = 400;
const SHOWN_BEFORE: usize = 100;

/// Returns the part of a line around this column that is shown, and how many characters come before it.
pub(crate) fn around(line: &str, column: usize) -> (usize, &str) {
    let byte = |at: usize| line.char_indices().nth(at).map_or(line.len(), |(at, _)| at);
    if byte(MAX_SHOWN_LINE) == line.len() {
        return (0, line);
    }
    let before = column.saturating_sub(1 + SHOWN_BEFORE);
    (before, &line[byte(before)..byte(before + MAX_SHOWN_LINE)])
}

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
    lines: Lines<'a>,
    pub words: Vec<Word>,
    pub heads: Vec<Head>,
    /// The indices of the heads, by name.
    heads_by_name: HashMap<String, Vec<usize>>,
    /// Its comments, and where they begin.
    pub comments: Vec<(String, Place)>,
}

/// The lines of a text. A character of a long line is found without counting those before it.
struct Lines<'a> {
    lines: Vec<&'a str>,
    /// Where each character of a line begins; `None` if each is one byte.
    starts: Vec<Option<Vec<usize>>>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let starts = |line: &&str| (!line.is_ascii()).then(|| line.char_indices().map(|(at, _)| at).collect());
        Self { starts: lines.iter().map(starts).collect(), lines }
    }

    fn line(&self, line: usize) -> &'a str {
        self.lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// Returns how many characters a line has.
    fn length(&self, line: usize) -> usize {
        let starts = self.starts.get(line.wrapping_sub(1)).and_then(Option::as_ref);
        starts.map_or_else(|| self.line(line).len(), Vec::len)
    }

    /// Returns the line from this place on.
    fn rest(&self, (line, column): Place) -> &'a str {
        let at = column.saturating_sub(1);
        let starts = self.starts.get(line.wrapping_sub(1)).and_then(Option::as_ref);
        let at = starts.map_or(Some(at), |starts| starts.get(at).copied());
        at.and_then(|at| self.line(line).get(at..)).unwrap_or_default()
    }
}

/// Returns the index of the word that begins here.
pub(crate) fn word_at(words: &[Word], place: Place) -> Option<usize> {
    words.binary_search_by_key(&place, |word| word.start).ok()
}

pub(crate) fn place(position: Position) -> Place {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

impl<'a> ScriptText<'a> {
    pub fn new(engine: &Engine, text: &'a str) -> Self {
        let lines = Lines::new(text);
        let (words, comments) = words(engine, text, &lines);
        let heads = heads(&words);
        let mut heads_by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, head) in heads.iter().enumerate() {
            heads_by_name.entry(head.name.clone()).or_default().push(at);
        }
        Self { lines, words, heads, heads_by_name, comments }
    }

    pub fn lines(&self) -> &[&'a str] {
        &self.lines.lines
    }

    pub fn line(&self, line: usize) -> &'a str {
        self.lines.line(line)
    }

    /// Returns the part of a line around this place that is shown, and how many characters come before it.
    pub fn around(&self, (line, column): Place) -> (usize, &'a str) {
        let length = self.lines.length(line);
        if length <= MAX_SHOWN_LINE {
            return (0, self.line(line));
        }
        let before = column.saturating_sub(1 + SHOWN_BEFORE).min(length);
        let rest = |at: usize| self.lines.rest((line, at + 1));
        let (from, to) = (rest(before), rest(before + MAX_SHOWN_LINE));
        (before, &from[..from.len() - to.len()])
    }

    /// Returns the index of the word that begins here.
    pub fn word_at(&self, place: Place) -> Option<usize> {
        word_at(&self.words, place)
    }

    /// Returns how many characters the word here has on its line.
    pub fn width(&self, place: Place) -> usize {
        let (line, column) = place;
        let rest = self.lines.length(line).saturating_sub(column.saturating_sub(1));
        let width = self.word_at(place).map_or(1, |at| {
            let end = self.words[at].end;
            if end.0 == line { end.1.saturating_sub(column) } else { rest }
        });
        width.clamp(1, rest.max(1))
    }

    pub fn head(&self, name: &str, params: usize) -> Option<&Head> {
        self.heads_of(name).find(|head| head.params.len() == params)
    }

    /// Returns the heads of the functions of this name.
    pub fn heads_of(&self, name: &str) -> impl Iterator<Item = &Head> {
        self.heads_by_name.get(name).into_iter().flatten().map(|at| &self.heads[*at])
    }
}

type Comments = Vec<(String, Place)>;

fn words(engine: &Engine, text: &str, lines: &Lines<'_>) -> (Vec<Word>, Comments) {
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
fn end(token: &Token, start: Place, read: Position, lines: &Lines<'_>) -> Place {
    let length = match token {
        Token::Identifier(name) | Token::Reserved(name) => name.chars().count(),
        Token::StringConstant(_) | Token::InterpolatedString(_) | Token::CharConstant(_) | Token::LexError(_) => {
            let (line, column) = place(read);
            return (line, column + 1);
        }
        Token::IntegerConstant(_) | Token::FloatConstant(_) => {
            let number = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '.';
            lines.rest(start).chars().take_while(number).count()
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

#[cfg(test)]
mod tests {
    use super::ScriptText;
    use crate::script::Language;

    #[test]
    fn every_word_is_found_where_it_begins() {
        let shipped = std::fs::read_dir("scripts").unwrap().map(|entry| entry.unwrap().path());
        let shipped = shipped.filter(|path| path.extension().is_some_and(|ending| ending == "rhai"));
        let shipped = shipped.map(|path| std::fs::read_to_string(path).unwrap());
        let texts = [
            "let a = `one ${two} three ${four}`; let b = c;",
            "let a = `${x}`;\nlet b = `${`in ${side} it`} and ${ #{ a: { 1 } } }`;\nsay(`a\n  ${b}\n\n${c} d\n`);\nlet d = 1;",
            "say(\"a \\\n  b\");\nlet x = `\n${y}`; let z = 'ä' + \"ö🙂\" + `🙂${z}🙂`; done();",
            "let e = 1.5e3; let r = 0..=3; x?.y ?? z; /* a ${b} */ let w = #\"raw\"#;",
        ];
        for text in texts.map(str::to_owned).into_iter().chain(shipped) {
            let engine = Language::compiler();
            let script = ScriptText::new(&engine, &text);
            assert!(script.words.len() > 10, "{text}");
            for (at, word) in script.words.iter().enumerate() {
                assert_eq!(script.word_at(word.start), Some(at), "{:?} at {:?} in {text}", word.token, word.start);
            }
        }
    }
}
