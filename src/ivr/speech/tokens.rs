//! The words of a text.

use crate::accents::without_accents;

/// Splits a text into words, without case, accents and punctuation. Of scripts that are written without spaces, each
/// sign is a word.
pub(in crate::ivr) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    for letter in without_accents(text).chars().flat_map(char::to_lowercase) {
        match letter {
            // Hiragana, Katakana and Han.
            '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' => {
                tokens.extend((!token.is_empty()).then(|| std::mem::take(&mut token)));
                tokens.push(letter.to_string());
            }
            'ß' => token.push_str("ss"),
            letter if letter.is_alphanumeric() => token.push(letter),
            _ => tokens.extend((!token.is_empty()).then(|| std::mem::take(&mut token))),
        }
    }
    tokens.extend((!token.is_empty()).then_some(token));
    tokens
}
