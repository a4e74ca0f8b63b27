//! Explains syntax errors.

use super::text::{Place, Text};
use crate::script::Fault;

/// Explains a syntax error to people who see it for the first time. Returns the message, a hint, and the place.
pub(super) fn explain(fault: &Fault, error: &rhai::ParseErrorType, text: &Text<'_>) -> (String, Option<String>, Place) {
    use rhai::{LexError, ParseErrorType as E};
    let here = (fault.line, fault.column);
    let word = text.words.iter().position(|word| word.start >= here);
    let found = word.map(|at| &text.words[at]).filter(|word| word.start == here);
    let before = word.unwrap_or(text.words.len()).checked_sub(1).map(|at| &text.words[at]);
    let written = found.map(|word| word.token.to_string());
    let after = before.map_or(here, |word| (word.end.0, word.end.1.saturating_sub(1).max(1)));
    let hint = |hint: &str| Some(hint.to_owned());
    match (error, written.as_deref(), before.map(|word| word.token.to_string()).as_deref()) {
        (E::MissingToken(..), Some("elsif" | "elif" | "elseif"), _) => {
            (fault.message.clone(), hint("write `else if`"), here)
        }
        (E::MissingToken(..), Some("and"), _) => ("Rhai has no `and`".to_owned(), hint("write `&&`"), here),
        (E::MissingToken(..), Some("or"), _) => ("Rhai has no `or`".to_owned(), hint("write `||`"), here),
        (E::MissingToken(..), _, Some("not")) => ("Rhai has no `not`".to_owned(), hint("write `!`"), after),
        (E::MissingToken(..), _, Some("function" | "def" | "func" | "sub")) => {
            (fault.message.clone(), hint("a function begins with `fn`: `fn play() { ... }`"), after)
        }
        (E::MissingToken(token, _), _, _) if token == ";" => (
            "a `;` is missing".to_owned(),
            hint("each statement ends with `;`, unless it ends with a block in braces"),
            after,
        ),
        (E::MissingToken(token, why), _, _) => (format!("`{token}` is missing {why}"), None, here),
        (E::Reserved(name) | E::BadInput(LexError::ImproperSymbol(name, _)), _, _) if name == "eval" => {
            ("`eval` is not available".to_owned(), None, here)
        }
        (E::Reserved(name), _, _) => {
            let hint = match name.as_str() {
                "null" | "nil" | "void" => hint("an absent value is written `()`"),
                "var" => hint("define a variable with `let`: `let x = 5;`"),
                "goto" => hint("`go_to(context, extension, priority)` continues the call elsewhere in the dialplan"),
                "case" => hint("the cases of a `switch` are written as `\"1\" => ...,`"),
                "match" => hint("write `switch`"),
                _ => hint("choose another name: Rhai reserves this word"),
            };
            (format!("`{name}` cannot be used here"), hint, here)
        }
        (E::BadInput(LexError::MalformedChar(_)), _, _) => {
            ("a text needs double quotes; single quotes are for one character".to_owned(), hint("write \"...\""), here)
        }
        (E::BadInput(LexError::UnterminatedString), _, _) => (
            "the closing quote of a text is missing".to_owned(),
            hint("a text in \"...\" must end on the same line"),
            here,
        ),
        (E::BadInput(LexError::ImproperSymbol(symbol, _)), _, _) if symbol == "=" => {
            ("`=` sets a variable and does not compare".to_owned(), hint("write `==`"), here)
        }
        (E::BadInput(LexError::ImproperSymbol(symbol, why)), _, _) => {
            let why = why.trim();
            let why = if why.is_empty() { format!("`{symbol}` does not belong here") } else { why.to_owned() };
            (why, None, here)
        }
        (E::BadInput(LexError::UnexpectedInput(input)), _, _) if input == "++" || input == "--" => {
            (format!("there is no `{input}`"), Some(format!("write `x {}= 1`", &input[..1])), here)
        }
        (E::BadInput(LexError::UnexpectedInput(input)), _, _) => {
            (format!("`{input}` does not belong here"), None, here)
        }
        (E::UnexpectedEOF, _, _) => ("the script ends in the middle of something".to_owned(), None, after),
        _ => (fault.message.clone(), fault.hint.clone(), here),
    }
}
