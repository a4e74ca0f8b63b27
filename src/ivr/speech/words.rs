//! Finds words of a list in what was heard.

use super::digits::as_digit;
use super::tokens::tokens;

/// Returns the index of the word or phrase of a list that was heard, perhaps within more that was said. At each place,
/// the longest phrase counts; of several, the last one, since callers correct themselves.
pub(in crate::ivr) fn find(heard: &str, words: &[String], language: &str) -> Option<usize> {
    // An engine may write a seven as a word or as a digit.
    let comparable = |text: &str| -> Vec<String> {
        let digit = |token: String| as_digit(&token, language).map_or(token, |digit| digit.to_string());
        tokens(text).into_iter().map(digit).collect()
    };
    let heard = comparable(heard);
    let words: Vec<Vec<String>> = words.iter().map(|word| comparable(word)).collect();
    let mut found = None;
    let mut at = 0;
    while at < heard.len() {
        let here = words.iter().enumerate().filter(|(_, word)| !word.is_empty() && heard[at..].starts_with(word));
        // The first of those that are equal.
        let longest = here.rev().max_by_key(|(_, word)| word.len());
        match longest {
            Some((index, word)) => {
                found = Some(index);
                at += word.len();
            }
            None => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(heard: &str, words: &[&str], expected: Option<&str>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(find(heard, &words, "en").map(|at| words[at].as_str()), expected, "{heard}");
    }

    #[test]
    fn words_are_found_in_what_was_said() {
        let words = ["sales", "New York", "York", "José Müller", "don't know", "Weiß", "7"];
        check("Sales.", &words, Some("sales"));
        check("to the SALES, please!", &words, Some("sales"));
        check("new-york", &words, Some("New York"));
        check("york", &words, Some("York"));
        check("jose muller", &words, Some("José Müller"));
        check("I don’t know", &words, Some("don't know"));
        check("weiss", &words, Some("Weiß"));
        check("number seven", &words, Some("7"));
        check("wholesales", &words, None);
        check("", &words, None);
        check("はい、そうです", &["いいえ", "はい"], Some("はい"));
    }

    #[test]
    fn the_last_of_several_counts() {
        check("sales, no, York", &["sales", "York"], Some("York"));
        check("York or New York", &["York", "New York"], Some("New York"));
        check("New York", &["New", "York"], Some("York"));
    }
}
