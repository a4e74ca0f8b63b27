//! Grammars for engines that take one: JSGF, which PocketSphinx and others read.

use super::transcript::Expected;
use std::fmt::Write;

/// How many words are written one behind the other. Of longer utterances the grammar only says that they repeat.
const MAX_SPELLED: usize = 40;

/// Returns a grammar of what the caller may say; nothing if it may be anything.
///
/// A grammar of exactly as many words as are expected is understood much better than one that only says that they
/// repeat.
pub(super) fn jsgf(expected: &Expected) -> Option<String> {
    let phrases: Vec<String> =
        expected.words.iter().map(|phrase| tokens(phrase)).filter(|phrase| !phrase.is_empty()).collect();
    if phrases.is_empty() {
        return None;
    }
    let mut grammar = "#JSGF V1.0;\ngrammar expected;\npublic <utterance> =".to_owned();
    let (min, max) = expected.repeat.unwrap_or((1, 1));
    let (min, max) = (min.max(1), max.max(min).max(1));
    if min > MAX_SPELLED {
        grammar.push_str(" <word>+");
    } else {
        grammar.push_str(&" <word>".repeat(min));
        if max > MAX_SPELLED {
            grammar.push_str(" <word>*");
        } else {
            grammar.push_str(&" [ <word>".repeat(max - min));
            grammar.push_str(&" ]".repeat(max - min));
        }
    }
    // Writing to a text doesn't fail.
    let _ = writeln!(grammar, ";\n<word> = {};", phrases.join(" | "));
    Some(grammar)
}

/// Returns the words of a phrase as dictionaries have them: in lower case, and without any sign of the grammar's own.
fn tokens(phrase: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '-');
    let has_letter = |token: &&str| token.contains(char::is_alphanumeric);
    phrase.to_lowercase().split(|c| !is_part(c)).filter(has_letter).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], repeat: Option<(usize, usize)>) -> Option<String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        jsgf(&Expected { language: "en".to_owned(), words, repeat })
    }

    #[test]
    fn a_grammar_has_the_words_as_often_as_they_may_follow_each_other() {
        let head = "#JSGF V1.0;\ngrammar expected;\npublic <utterance> =";
        let words = ";\n<word> = yes | no thanks;\n";
        for (repeat, body) in [
            (None, " <word>"),
            (Some((4, 4)), " <word> <word> <word> <word>"),
            (Some((1, 3)), " <word> [ <word> [ <word> ] ]"),
            (Some((0, 0)), " <word>"),
            (Some((2, 500)), " <word> <word> <word>*"),
            (Some((500, 500)), " <word>+"),
        ] {
            assert_eq!(of(&["Yes", "no  thanks!"], repeat), Some(format!("{head}{body}{words}")), "{repeat:?}");
        }
    }

    #[test]
    fn no_word_can_change_a_grammar() {
        assert_eq!(of(&[], None), None);
        assert_eq!(of(&["", " ", "!?", "'"], None), None);
        let grammar =
            of(&["a | b; import <x>;", "{tag} \"quote\\\" // /* \n<word> = c", "l'été mid-day"], None).unwrap();
        assert!(grammar.ends_with("\n<word> = a b import x | tag quote word c | l'été mid-day;\n"), "{grammar}");
    }
}
