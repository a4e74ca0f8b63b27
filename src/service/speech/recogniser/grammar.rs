//! Grammars for engines that take one: JSGF, which PocketSphinx and others read.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// How many words are written one behind the other. Of longer utterances the grammar only says that they repeat.
const MAX_SPELLED: usize = 40;

/// Returns what the caller may say as a grammar has it: in lower case, and without any sign of the grammar's own.
pub(super) fn phrases(words: &[String]) -> Vec<String> {
    words.iter().map(|phrase| tokens(phrase)).filter(|phrase| !phrase.is_empty()).collect()
}

/// Returns a grammar of these phrases, as many of which may follow each other as that; otherwise it is one.
///
/// A grammar of exactly as many words as are expected is understood much better than one that only says that they
/// repeat.
pub(super) fn jsgf(phrases: &[String], repeat: Option<(usize, usize)>) -> String {
    let mut grammar = "#JSGF V1.0;\ngrammar expected;\npublic <utterance> =".to_owned();
    let (min, max) = repeat.unwrap_or((1, 1));
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
    grammar
}

/// Leaves out phrases with words that aren't in a dictionary, and returns them. A program of which a grammar asks for
/// such a word may understand nothing at all.
///
/// # Errors
/// The dictionary can't be read.
pub(super) fn leave_out_unknown(phrases: &mut Vec<String>, dictionary: &Path) -> io::Result<Vec<String>> {
    let mut missing: HashSet<Vec<u8>> =
        phrases.iter().flat_map(|phrase| phrase.split(' ')).map(|word| word.as_bytes().to_vec()).collect();
    let mut lines = BufReader::with_capacity(64 * 1024, File::open(dictionary)?);
    let mut line = Vec::new();
    while !missing.is_empty() && lines.read_until(b'\n', &mut line)? > 0 {
        line.make_ascii_lowercase();
        missing.remove(line.split(u8::is_ascii_whitespace).next().unwrap_or_default());
        line.clear();
    }
    let is_known = |phrase: &str| !phrase.split(' ').any(|word| missing.contains(word.as_bytes()));
    let (known, unknown) = std::mem::take(phrases).into_iter().partition(|phrase| is_known(phrase));
    *phrases = known;
    Ok(unknown)
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

    fn of(words: &[&str]) -> Vec<String> {
        phrases(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
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
            assert_eq!(jsgf(&of(&["Yes", "no  thanks!"]), repeat), format!("{head}{body}{words}"), "{repeat:?}");
        }
    }

    #[test]
    fn no_word_can_change_a_grammar() {
        assert!(of(&[]).is_empty() && of(&["", " ", "!?", "'"]).is_empty());
        let evil = ["a | b; import <x>;", "{tag} \"quote\\\" // /* \n<word> = c", "l'été mid-day"];
        let grammar = jsgf(&of(&evil), None);
        assert!(grammar.ends_with("\n<word> = a b import x | tag quote word c | l'été mid-day;\n"), "{grammar}");
    }

    #[test]
    fn phrases_with_unknown_words_are_left_out() {
        let dictionary = std::env::temp_dir().join(format!("agi-rhai-{}.dict", std::process::id()));
        std::fs::write(&dictionary, "BLUE B L UW\nmoon\tM UW N\r\nmoon(2) M UW\nno").unwrap();
        let mut phrases = of(&["Blue Moon", "blue groß-gerau", "moon(2)", "no", "N"]);
        let unknown = leave_out_unknown(&mut phrases, &dictionary).unwrap();
        std::fs::remove_file(&dictionary).unwrap();
        assert_eq!((phrases, unknown), (of(&["blue moon", "no"]), of(&["blue groß-gerau", "moon 2", "n"])));
        assert!(leave_out_unknown(&mut of(&["a"]), &dictionary).is_err());
    }
}
