//! The text of a script: its words and comments, and parsing it.

use super::language::Language;
use rhai::{AST, Engine, LexError, ParseError, ParseErrorType, Position, Token};

/// A word or a comment of a script.
pub(crate) struct Word {
    pub token: Token,
    pub start: Position,
    /// How far the lexer has read: for some words to their last character, for others further.
    pub read: Position,
}

/// Splits a text into its words and comments, up to the first thing that is neither. If the last comment has no end,
/// returns where it begins.
pub(crate) fn words(engine: &Engine, text: &str) -> (Vec<Word>, Option<Position>) {
    let (mut tokens, control) = engine.lex([&text]);
    tokens.state.include_comments = true;
    let mut words = Vec::new();
    // How many braces are open in each enclosing interpolation. The lexer needs to know where the text continues.
    let mut braces: Vec<usize> = Vec::new();
    // After a text without an end, the lexer returns the same token forever. But no word is shorter than one character.
    for _ in 0..=text.len() {
        let Some((token, start)) = tokens.next() else { break };
        match &token {
            Token::EOF => break,
            Token::Comment(_) if tokens.state.comment_level > 0 => return (words, Some(start)),
            Token::InterpolatedString(_) => braces.push(0),
            Token::LeftBrace | Token::MapStart => {
                if let Some(open) = braces.last_mut() {
                    *open += 1;
                }
            }
            Token::RightBrace => {
                if let Some(open) = braces.last_mut() {
                    *open -= 1.min(*open);
                    if *open == 0 {
                        braces.pop();
                        control.borrow_mut().is_within_text = true;
                    }
                }
            }
            _ => {}
        }
        let broken = matches!(token, Token::LexError(_));
        // The lexer gives no place to the empty text between a last value and the end of its text.
        let start = if start.is_none() { tokens.pos } else { start };
        words.push(Word { token, start, read: tokens.pos });
        if broken {
            break;
        }
    }
    (words, None)
}

/// Parses a script. Rhai takes a comment without an end for the rest of the script; here it is an error.
pub(crate) fn parse(engine: &Engine, text: &str) -> Result<AST, ParseError> {
    if text.contains("/*")
        && let (_, Some(place)) = words(engine, text)
    {
        let message = "this comment never ends: each `/*` needs its own `*/`, also inside a comment";
        let error = ParseErrorType::BadInput(LexError::Runtime(message.to_owned()));
        return Err(ParseError(Box::new(error), place));
    }
    engine.compile_with_scope(Language::scope(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::packages::{Package, StandardPackage};

    #[track_caller]
    fn check(text: &str, expected: Option<(usize, usize)>) {
        let mut engine = Engine::new_raw();
        engine.register_global_module(StandardPackage::new().as_shared_module());
        let found = parse(&engine, text).err().map(|error| {
            assert!(error.to_string().contains("never ends"), "{error} in {text}");
            (error.position().line().unwrap_or(0), error.position().position().unwrap_or(0))
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_comment_without_an_end_is_an_error_where_it_begins() {
        for (text, place) in [
            ("/*", (1, 1)),
            ("/**", (1, 1)),
            ("/*/", (1, 1)),
            ("print(1);\n  /* print(2);\nprint(3);", (2, 3)),
            // Comments nest, so the first one is still open.
            ("print(1); /* a /* b */ print(2);", (1, 11)),
            ("/* a */ print(1); /* b", (1, 19)),
            // It hides the end of a block or a text, which is not the mistake.
            ("fn f() {\n /* }\nprint(1);", (2, 2)),
            ("print(`a ${ 1 /* } b`);", (1, 15)),
            ("print(`a ${ `b ${ #{ c: 1 } }` } d`); /* e", (1, 39)),
        ] {
            check(text, Some(place));
        }
    }

    #[test]
    fn other_uses_of_its_signs_are_no_comments() {
        for text in [
            "",
            "/* a */",
            "/* a /* b */ c */ print(1);",
            "// /*\nprint(1);",
            "print(\"/*\");",
            "print(`/*`);",
            "print(`/* ${ 1 } /*`);",
            "print(#\"/*\"#);",
            "print(1); /***/ print(2);",
            "print(1 /* one */ + 2);",
            "// */ /*",
        ] {
            check(text, None);
        }
    }
}
