//! Brackets: which of them are open at a place, and which are never closed.

use crate::script::text::{ScriptText, Word};
use rhai::Token;

const fn closes(token: &Token) -> bool {
    matches!(token, Token::RightBrace | Token::RightParen | Token::RightBracket)
}

const fn opens(token: &Token) -> bool {
    matches!(token, Token::LeftBrace | Token::MapStart | Token::LeftParen | Token::LeftBracket | Token::QuestionBracket)
}

/// Returns the brackets that are open after these words, the innermost last.
pub(super) fn open(words: &[Word]) -> Vec<&Word> {
    let mut open = Vec::new();
    for word in words {
        if opens(&word.token) {
            open.push(word);
        } else if closes(&word.token) {
            open.pop();
        }
    }
    open
}

/// Returns the bracket that the last of these words closes.
pub(super) fn partner(words: &[Word]) -> Option<&Word> {
    let (_, before) = words.split_last()?;
    open(before).pop()
}

/// Returns the brace that was never closed, and the one that closes it by mistake, if the indentation shows it: a `}`
/// at the beginning of a line belongs to a line that is indented as much.
pub(super) fn unclosed<'a>(text: &'a ScriptText<'_>) -> Option<(&'a Word, Option<&'a Word>)> {
    let indent = |word: &Word| text.line(word.start.0).chars().take_while(|c| c.is_whitespace()).count();
    let mut open: Vec<&Word> = Vec::new();
    let mut suspect = None;
    for word in &text.words {
        if opens(&word.token) {
            open.push(word);
        } else if closes(&word.token) {
            let opened = open.pop();
            if let Some(opened) = opened
                && word.token == Token::RightBrace
                && suspect.is_none()
                && word.start.1 == indent(word) + 1
                && opened.start.0 != word.start.0
                && indent(word) < indent(opened)
            {
                suspect = Some((opened, Some(word)));
            }
        }
    }
    let last = open.iter().rev().find(|word| matches!(word.token, Token::LeftBrace | Token::MapStart));
    last.map(|last| suspect.unwrap_or((last, None)))
}
