//! The text of a script: where its words begin and end, the first lines of its functions, and what comments allow.

use crate::command::Value;
use crate::script;
use rhai::{Engine, Position, Token};
use std::collections::BTreeSet;

/// A place in a text: line and column in characters, both from 1.
pub(super) type Place = (usize, usize);

/// A word of a script.
pub(super) struct Word {
    pub token: Token,
    pub start: Place,
    /// The place after its last character.
    pub end: Place,
}

/// The first line of a function.
pub(super) struct Head {
    pub name: String,
    pub start: Place,
    pub private: bool,
    pub params: Vec<(String, Place)>,
}

/// A rule that a comment allows the script to break.
pub(super) struct Allowed {
    rule: String,
    /// The place where the rule is named.
    place: Place,
    lines: [usize; 2],
}

/// The text of a script, split into its parts.
pub(super) struct Text<'a> {
    pub lines: Vec<&'a str>,
    pub words: Vec<Word>,
    pub heads: Vec<Head>,
    pub allowed: Vec<Allowed>,
}

const ALLOW: &str = "agi-rhai: allow(";

pub(super) fn place(position: Position) -> Place {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

impl<'a> Text<'a> {
    pub fn new(engine: &Engine, text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let (words, comments) = words(engine, text, &lines);
        let allowed = allowed(&words, &comments);
        Self { heads: heads(&words), lines, words, allowed }
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

    /// Whether a comment allows findings of a rule on a line.
    pub fn allows(&self, rule: &str, line: usize) -> bool {
        self.allowed.iter().any(|allowed| allowed.rule == rule && allowed.lines.contains(&line))
    }

    /// Returns the rules in comments that don't exist, and where they are named.
    pub fn unknown_rules<'b>(&'b self, known: &'b BTreeSet<&str>) -> impl Iterator<Item = (&'b str, Place)> {
        let unknown = self.allowed.iter().filter(|allowed| !known.contains(allowed.rule.as_str()));
        unknown.map(|allowed| (allowed.rule.as_str(), allowed.place))
    }

    /// Returns the constants that are the cases of the `switch` that begins here, and their places.
    pub fn cases(&self, switch: Place) -> Vec<(Place, Value)> {
        let mut cases = Vec::new();
        let Some(first) = self.word_at(switch) else { return cases };
        let (mut depth, mut inside, mut expected) = (0_usize, false, false);
        for word in &self.words[first..] {
            let is_pattern = inside && depth == 1;
            match &word.token {
                Token::LeftBrace | Token::MapStart | Token::LeftParen | Token::LeftBracket => {
                    inside |= depth == 0 && word.token == Token::LeftBrace;
                    depth += 1;
                    expected = inside && depth == 1;
                    continue;
                }
                Token::RightBrace | Token::RightParen | Token::RightBracket => {
                    depth = depth.saturating_sub(1);
                    if inside && depth == 0 {
                        break;
                    }
                    // A block needs no comma after it.
                    expected = depth == 1 && word.token == Token::RightBrace;
                    continue;
                }
                Token::Comma if is_pattern => {
                    expected = true;
                    continue;
                }
                // Before and after it, there may be a case.
                Token::Pipe => continue,
                _ => {}
            }
            if !(is_pattern && expected) {
                continue;
            }
            let case = match &word.token {
                Token::StringConstant(text) => Value::from(text.as_str()),
                Token::CharConstant(letter) => Value::from(letter.to_string().as_str()),
                Token::IntegerConstant(number) => Value::Int(*number),
                Token::FloatConstant(_) => Value::Float(0.0),
                Token::True | Token::False => Value::Bool(word.token == Token::True),
                Token::Unit => Value::Nothing,
                Token::Minus | Token::UnaryMinus => continue,
                _ => {
                    expected = false;
                    continue;
                }
            };
            cases.push((word.start, case));
        }
        cases
    }

    pub fn head(&self, name: &str, params: usize) -> Option<&Head> {
        self.heads.iter().find(|head| head.name == name && head.params.len() == params)
    }
}

type Comments = Vec<(String, Place)>;

fn words(engine: &Engine, text: &str, lines: &[&str]) -> (Vec<Word>, Comments) {
    let mut words = Vec::new();
    let mut comments = Vec::new();
    for script::Word { token, start, read } in script::words(engine, text).0 {
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

fn allowed(words: &[Word], comments: &Comments) -> Vec<Allowed> {
    let mut found = Vec::new();
    for (comment, (line, column)) in comments {
        let Some(at) = comment.find(ALLOW) else { continue };
        let names = &comment[at + ALLOW.len()..];
        let Some(end) = names.find(')') else { continue };
        // A comment on a line of its own is about the next line that has words.
        let alone = !words.iter().any(|word| word.start.0 == *line);
        let next = words.iter().map(|word| word.start.0).find(|other| other > line);
        let other = next.filter(|_| alone).unwrap_or(*line);
        let mut before = at + ALLOW.len();
        for name in names[..end].split(',') {
            let place =
                (*line, column + comment[..before].chars().count() + name.chars().take_while(|c| *c == ' ').count());
            before += name.len() + 1;
            found.push(Allowed { rule: name.trim().to_owned(), place, lines: [*line, other] });
        }
    }
    found
}
