//! A script of a graph: its functions, its words, and its texts.

use super::node::Span;
use crate::pbx::Sounds;
use crate::script::{Item, Language, Phrases, Place, ScriptText, Word, best_variant, place, word_at};
use crate::tools::check::{Functions, ScriptFunction, functions};
use rhai::{AST, Expr, Stmt, Token};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

/// How many characters of a piece of source are shown at most.
const MAX_SOURCE: usize = 60;

/// A script, or one that it imports.
pub(super) struct Source {
    pub path: PathBuf,
    /// The file, as the events of a call name it.
    pub name: String,
    pub statements: Vec<Stmt>,
    pub functions: Functions,
    pub closures: HashMap<String, Rc<ScriptFunction>>,
    /// The imports, by their names: indices of the files, if they are known.
    pub imports: BTreeMap<String, usize>,
    lines: Vec<String>,
    words: Vec<Word>,
    /// The first sentence of the comment above each function, by its name and number of parameters; and its lines.
    heads: HashMap<(String, usize), (String, Span)>,
    sounds: Sounds,
    phrases: Phrases,
}

impl Source {
    pub fn new(path: PathBuf, text: &str, ast: &AST, sounds: Sounds, phrases: Phrases) -> Self {
        let parts = ScriptText::new(&Language::compiler(), text);
        let lines: Vec<String> = parts.lines().iter().map(|line| (*line).to_owned()).collect();
        let name = path.to_string_lossy().into_owned();
        let mut heads = HashMap::new();
        for head in &parts.heads {
            let first = head.start.0;
            let last = end_of_block(&parts.words, head.start).unwrap_or(first);
            let span = Span { file: name.clone(), first, last };
            heads.insert((head.name.clone(), head.params.len()), (comment_above(&lines, first), span));
        }
        let words = parts.words;
        let (functions, closures) = functions(ast);
        Self {
            path,
            name,
            statements: ast.statements().to_vec(),
            functions,
            closures,
            imports: BTreeMap::new(),
            lines,
            words,
            heads,
            sounds,
            phrases,
        }
    }

    /// Returns the lines of the call of a function whose name is here, up to its last bracket.
    pub fn span(&self, at: Place) -> Span {
        let last = self.word_at(at).and_then(|word| self.end_of_call(word)).map(|end| self.words[end].start.0);
        Span { file: self.name.clone(), first: at.0, last: last.unwrap_or(at.0).max(at.0) }
    }

    pub fn line(&self, at: Place) -> Span {
        Span { file: self.name.clone(), first: at.0, last: at.0 }
    }

    /// Returns what is said of a function, and its lines.
    pub fn head(&self, name: &str, params: usize) -> Option<&(String, Span)> {
        self.heads.get(&(name.to_owned(), params))
    }

    /// Returns the words of a sound, or its name.
    pub fn said(&self, name: &str) -> String {
        self.sounds.words(name, "").map_or_else(|| name.to_owned(), |words| words.text.into())
    }

    /// Returns the words of a phrase as it is for most numbers.
    pub fn phrase(&self, name: &str) -> String {
        let variants: Vec<_> = self.phrases.variants(name).collect();
        let form = best_variant(&variants, "").and_then(|(_, phrase)| phrase.form("en", Some(2)).ok());
        let Some(form) = form.filter(|form| !form.items.is_empty()) else { return format!("({name})") };
        let said = form.items.iter().map(|item| match item {
            Item::Sound(name) => self.said(name),
            Item::Value { name, .. } => format!("{{{name}}}"),
        });
        said.collect::<Vec<_>>().join(" ")
    }

    /// Returns the source of an expression, up to the end of an argument.
    pub fn expression(&self, expr: &Expr) -> String {
        let place = place(start(expr));
        self.word_at(place).map_or_else(String::new, |first| self.up_to(first, |token| *token == Token::Comma))
    }

    /// Returns the source between the word here, such as `if`, and the block after it.
    pub fn condition(&self, keyword: Place, asked: Option<Place>) -> String {
        let Some(at) = self.word_at(keyword) else { return String::new() };
        // What is decided after a question is about its answer.
        if let Some(end) = asked.and_then(|asked| self.word_at(asked)).and_then(|asked| self.end_of_call(asked))
            && self.words.get(end + 1).is_some_and(|word| word.token == Token::Period)
        {
            return self.up_to(end + 2, |token| *token == Token::LeftBrace);
        }
        // `else if` begins with another word.
        let skips =
            |token: &Token| matches!(token, Token::If | Token::While | Token::Switch | Token::Else | Token::Until);
        let mut first = at;
        while self.words.get(first).is_some_and(|word| skips(&word.token)) {
            first += 1;
        }
        self.up_to(first, |token| *token == Token::LeftBrace)
    }

    /// Returns the names and the collection of a `for` here.
    pub fn range(&self, keyword: Place) -> String {
        let Some(at) = self.word_at(keyword) else { return String::new() };
        self.up_to(at + 1, |token| *token == Token::LeftBrace)
    }

    /// Returns the condition after the block of the `do` here.
    pub fn until(&self, keyword: Place) -> String {
        let end = self.word_at(keyword).and_then(|at| end_of(&self.words, at));
        end.map_or_else(String::new, |end| self.up_to(end + 2, |token| *token == Token::SemiColon))
    }

    /// Returns the patterns of the cases of the `switch` here, as they are written.
    pub fn cases(&self, keyword: Place) -> Vec<String> {
        let Some(at) = self.word_at(keyword) else { return Vec::new() };
        // The first brace that isn't in brackets, or in a text.
        let mut around = 0_usize;
        let mut open = at;
        while let Some(word) = self.words.get(open) {
            if around == 0 && word.token == Token::LeftBrace && !self.is_in_text(open) {
                break;
            }
            around =
                if opens(&word.token) { around + 1 } else { around - usize::from(closes(&word.token)).min(around) };
            open += 1;
        }
        let mut cases = Vec::new();
        let (mut depth, mut first) = (1_usize, open + 1);
        for at in open + 1..self.words.len() {
            let token = &self.words[at].token;
            if opens(token) {
                depth += 1;
            } else if closes(token) {
                depth -= 1;
                if depth == 0 {
                    break;
                }
                if depth == 1 && *token == Token::RightBrace {
                    first = at + 1;
                }
            } else if depth == 1 && *token == Token::Comma {
                first = at + 1;
            } else if depth == 1 && *token == Token::DoubleArrow {
                if self.words.get(first).is_some_and(|word| word.token == Token::Comma) {
                    first += 1;
                }
                cases.push(self.up_to(first, |token| *token == Token::DoubleArrow));
            }
        }
        cases
    }

    /// Returns the last bracket of the call of a function whose name is here.
    fn end_of_call(&self, name: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, word) in self.words.iter().enumerate().skip(name) {
            match word.token {
                _ if opens(&word.token) => depth += 1,
                _ if closes(&word.token) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(at);
                    }
                }
                Token::SemiColon if depth == 0 => return None,
                _ => {}
            }
        }
        None
    }

    fn word_at(&self, place: Place) -> Option<usize> {
        word_at(&self.words, place)
    }

    /// Whether the brace here begins a value in a text.
    fn is_in_text(&self, brace: usize) -> bool {
        brace > 0 && matches!(self.words[brace - 1].token, Token::InterpolatedString(_))
    }

    /// Returns the source from a word up to one at which it ends, outside of brackets, as one short line.
    fn up_to(&self, first: usize, ends: impl Fn(&Token) -> bool) -> String {
        let mut depth = 0_usize;
        let mut last = first;
        for (at, word) in self.words.iter().enumerate().skip(first) {
            let ends = (ends(&word.token) && !self.is_in_text(at)) || closes(&word.token);
            if depth == 0 && (ends || word.token == Token::SemiColon) {
                break;
            }
            if opens(&word.token) {
                depth += 1;
            } else if closes(&word.token) {
                depth -= 1;
            }
            last = at + 1;
        }
        if last == first {
            return String::new();
        }
        let (from, to) = (self.words[first].start, self.words[last - 1].end);
        let mut text = String::new();
        for line in from.0..=to.0 {
            let whole = self.lines.get(line - 1).map_or("", String::as_str);
            let skipped = if line == from.0 { from.1 - 1 } else { 0 };
            let taken = if line == to.0 { to.1 - 1 } else { usize::MAX };
            let part: String = whole.chars().take(taken).skip(skipped).collect();
            // A comment after what goes on in the next line.
            let part = if line == to.0 { part.as_str() } else { part.split("//").next().unwrap_or_default() };
            for word in part.split_whitespace() {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
        clip(&text, MAX_SOURCE)
    }
}

/// Shortens a text.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.truncate(short.trim_end().len());
    short + "…"
}

/// Where an expression begins: an operator's first operand comes before it.
fn start(expr: &Expr) -> rhai::Position {
    match expr {
        Expr::FnCall(call, _) if call.op_token.is_some() && call.args.len() > 1 => {
            // `a in b` is compiled to `b.contains(a)`.
            call.args.iter().map(start).min().unwrap_or(rhai::Position::NONE)
        }
        Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
            parts.first().map_or(rhai::Position::NONE, start)
        }
        Expr::Dot(x, ..) | Expr::Index(x, ..) => start(&x.lhs),
        other => other.start_position(),
    }
}

fn opens(token: &Token) -> bool {
    matches!(token, Token::LeftParen | Token::LeftBracket | Token::LeftBrace | Token::MapStart | Token::QuestionBracket)
}

fn closes(token: &Token) -> bool {
    matches!(token, Token::RightParen | Token::RightBracket | Token::RightBrace)
}

/// Returns the word that ends the next block after a word.
fn end_of(words: &[Word], first: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate().skip(first) {
        if opens(&word.token) {
            depth += 1;
        } else if closes(&word.token) {
            depth = depth.checked_sub(1)?;
            if depth == 0 && word.token == Token::RightBrace {
                return Some(at);
            }
        }
    }
    None
}

/// Returns the last line of the block after the name here.
fn end_of_block(words: &[Word], name: Place) -> Option<usize> {
    let at = words.iter().position(|word| word.start == name)?;
    end_of(words, at).map(|end| words[end].start.0)
}

/// Returns the first sentence of the comment above a line.
fn comment_above(lines: &[String], line: usize) -> String {
    let above = &lines[..(line - 1).min(lines.len())];
    let comments = above.iter().rev().map_while(|line| line.trim().strip_prefix("//"));
    let mut comments: Vec<&str> = comments.map(|line| line.trim_start_matches('/').trim()).collect();
    comments.reverse();
    let text = comments.join(" ");
    let end = text
        .match_indices(['.', ';', ':'])
        .map(|(at, _)| at)
        .find(|at| text[at + 1..].chars().next().is_none_or(char::is_whitespace));
    clip(text[..end.unwrap_or(text.len())].trim(), 120)
}
