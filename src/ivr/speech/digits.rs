//! Digits that are said one by one, as numbers, or both: `four two`, `forty-two`, `double five`.

use super::base;
use super::numbers::{COUNTING, Counting};
use super::tokens::tokens;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The numbers that are expected of an engine which is told what to expect have at most this many digits. Longer ones
/// are read out digit by digit.
const MAX_NUMBER: usize = 3;

/// What a language calls numbers, to be looked up.
struct Numbers {
    counting: &'static Counting,
    /// The numbers below a thousand by their names, without accents, in words that are separated by spaces.
    names: HashMap<String, u16>,
    /// The largest number of words in one of these.
    longest: usize,
}

/// Returns the numbers of a language; `None` if they aren't known.
fn numbers(language: &str) -> Option<&'static Numbers> {
    static NUMBERS: [OnceLock<Numbers>; COUNTING.len()] = [const { OnceLock::new() }; COUNTING.len()];
    let code = base(language);
    let at = COUNTING.iter().position(|counting| counting.code == code)?;
    Some(NUMBERS[at].get_or_init(|| Numbers::new(&COUNTING[at])))
}

impl Numbers {
    fn new(counting: &'static Counting) -> Self {
        let mut names = HashMap::new();
        for number in (0..1000).rev() {
            // A shorter number keeps a name that a longer one would have too.
            for name in (counting.names)(number) {
                names.insert(tokens(&name).join(" "), number);
            }
        }
        names.extend(counting.other_digits.iter().map(|(name, digit)| ((*name).to_owned(), *digit)));
        let longest = names.keys().map(|name| name.split(' ').count()).max().unwrap_or(1);
        Self { counting, names, longest }
    }

    /// Returns the number below a thousand with which these words begin, and how many of them it takes.
    fn number(&self, words: &[String]) -> Option<(u16, usize)> {
        let lengths = (1..=self.longest.min(words.len())).rev();
        lengths.into_iter().find_map(|length| Some((*self.names.get(&words[..length].join(" "))?, length)))
    }

    /// Returns how many of these words are one of those.
    fn one_of(words: &[String], these: &[&str]) -> Option<usize> {
        let fits = |one: &&str| words.starts_with(&tokens(one));
        these.iter().filter(|one| fits(one)).map(|one| tokens(one).len()).max()
    }

    /// Returns the digits with which these words begin, and how many of them they take.
    fn digits(&self, words: &[String]) -> Option<(String, usize)> {
        let Counting { thousand, and, double, triple, .. } = self.counting;
        for (repeat, times) in [(double, 2), (triple, 3)] {
            if let Some(length) = Self::one_of(words, repeat) {
                let (digit, more) = self.digit(&words[length..])?;
                return Some((digit.repeat(times), length + more));
            }
        }
        let (number, mut length) = match self.number(words) {
            Some(found) => found,
            None if Self::one_of(words, thousand).is_some() => (1, 0),
            None => return None,
        };
        let Some(more) = Self::one_of(&words[length..], thousand).filter(|_| number > 0) else {
            return Some((number.to_string(), length));
        };
        length += more;
        let skipped = Self::one_of(&words[length..], and).unwrap_or(0);
        let (rest, more) =
            self.number(&words[length + skipped..]).map_or((0, 0), |(rest, more)| (rest, more + skipped));
        Some((format!("{number}{rest:03}"), length + more))
    }

    /// Returns the single digit with which these words begin.
    fn digit(&self, words: &[String]) -> Option<(String, usize)> {
        let is_digit = |word: &&String| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(word) = words.first().filter(is_digit) {
            return Some((word.clone(), 1));
        }
        let digit = self.names.get(words.first()?).filter(|digit| **digit < 10)?;
        Some((digit.to_string(), 1))
    }

    /// Separates thousands from what is counted.
    fn separated(&self, words: Vec<String>) -> Vec<String> {
        if !self.counting.joins_thousands {
            return words;
        }
        let split = |word: String| {
            let found = self.counting.thousand.iter().find_map(|thousand| Some((word.find(thousand)?, *thousand)));
            match found {
                Some((at, thousand)) => {
                    let (before, after) = (&word[..at], &word[at + thousand.len()..]);
                    [before, thousand, after].into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect()
                }
                None => vec![word],
            }
        };
        words.into_iter().flat_map(split).collect()
    }
}

/// Returns a word as a digit, if it is one.
pub(super) fn as_digit(word: &str, language: &str) -> Option<u16> {
    numbers(language)?.names.get(word).copied().filter(|digit| *digit < 10)
}

/// Returns the digits that were said. Of several that other words separate, the most count, and of those the last:
/// `it's forty-two` is 42. Digits that an engine writes as such are understood in every language.
pub(in crate::ivr) fn digits(heard: &str, language: &str) -> Option<String> {
    let numbers = numbers(language);
    let words = tokens(heard);
    let words = numbers.map_or(words.clone(), |numbers| numbers.separated(words));
    let mut best = String::new();
    let mut run = String::new();
    let mut at = 0;
    while at < words.len() {
        if let Some(length) = numbers.and_then(|of| Numbers::one_of(&words[at..], of.counting.no_digits)) {
            at += length;
            run.clear();
            continue;
        }
        let (digits, length) = if words[at].bytes().all(|byte| byte.is_ascii_digit()) {
            (words[at].clone(), 1)
        } else if let Some(found) = numbers.and_then(|numbers| numbers.digits(&words[at..])) {
            found
        } else {
            at += 1;
            run.clear();
            continue;
        };
        run.push_str(&digits);
        at += length;
        if run.len() >= best.len() {
            best.clone_from(&run);
        }
    }
    (!best.is_empty()).then_some(best)
}

/// Returns the words of which an engine has to expect numbers of so many digits, and how many words there are at least
/// and at most. There are none in a language whose numbers aren't known: anything may be said.
pub(in crate::ivr) fn expected_digits(language: &str, min: usize, max: usize) -> (Vec<String>, Option<(usize, usize)>) {
    let Some(Numbers { counting, .. }) = numbers(language) else { return (Vec::new(), None) };
    let min = min.max(1);
    let mut words: Vec<String> = counting.digits.iter().map(|digit| (*digit).to_owned()).collect();
    if max > MAX_NUMBER || max == 1 {
        // Each further word costs accuracy, but these are what people say for digits.
        words.extend(
            counting.other_digits.first().filter(|(word, _)| word.len() > 1).map(|(word, _)| (*word).to_owned()),
        );
        return (words, Some((min, max.max(min))));
    }
    let mut most = max;
    for number in 10..10_u16.pow(u32::try_from(max).unwrap_or(1)) {
        let name = (counting.names)(number).swap_remove(0);
        most = most.max(name.split(' ').count());
        for word in name.split(' ').filter(|word| !words.iter().any(|known| known == word)).collect::<Vec<_>>() {
            words.push(word.to_owned());
        }
    }
    (words, Some((1, most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(language: &str, pairs: &[(&str, &str)]) {
        for (heard, expected) in pairs {
            assert_eq!(digits(heard, language).unwrap_or_default(), *expected, "{heard} in {language}");
        }
    }

    #[test]
    fn english_digits_and_numbers() {
        check(
            "en_GB",
            &[
                ("one two three", "123"),
                ("It's forty-two.", "42"),
                ("four two", "42"),
                ("double five oh seven", "5507"),
                ("triple 9", "999"),
                ("twenty twenty-six", "2026"),
                ("two thousand and six", "2006"),
                ("a hundred and five", "105"),
                ("one hundred", "100"),
                ("nineteen eighty four", "1984"),
                ("1, 2, 3", "123"),
                ("42", "42"),
                ("my pin is one two three four, thank you", "1234"),
                ("one moment, four two", "42"),
                ("at nine o'clock", "9"),
                ("zero", "0"),
                ("thousand", "1000"),
                ("double", ""),
                ("yes", ""),
                ("", ""),
            ],
        );
    }

    #[test]
    fn digits_and_numbers_of_other_languages() {
        check(
            "de_AT",
            &[
                ("zweiundvierzig", "42"),
                ("zwei und vierzig", "42"),
                ("vier zwo", "42"),
                ("hundertfünf", "105"),
                ("dreihundertsiebenundachtzig", "387"),
                ("zweitausendsechsundzwanzig", "2026"),
                ("eins zwei drei", "123"),
                ("dreißig", "30"),
            ],
        );
        check(
            "es",
            &[
                ("cuarenta y dos", "42"),
                ("veintidós", "22"),
                ("ciento cinco", "105"),
                ("dos mil veintiséis", "2026"),
                ("cien", "100"),
            ],
        );
        check(
            "fr",
            &[
                ("quarante-deux", "42"),
                ("soixante et onze", "71"),
                ("quatre-vingt-dix-neuf", "99"),
                ("quatre-vingts", "80"),
                ("nonante", "90"),
                ("deux cent trois", "203"),
                ("vingt et un", "21"),
                ("deux mille vingt-six", "2026"),
                ("un deux trois", "123"),
            ],
        );
        check(
            "it",
            &[
                ("quarantadue", "42"),
                ("ventotto", "28"),
                ("centocinque", "105"),
                ("duemilaventisei", "2026"),
                ("ventitré", "23"),
            ],
        );
        check("ja", &[("42 です", "42"), ("はい", "")]);
    }

    #[test]
    fn every_number_is_understood_by_its_names() {
        for counting in &COUNTING {
            for number in 0..1000 {
                for name in (counting.names)(number) {
                    assert_eq!(digits(&name, counting.code), Some(number.to_string()), "{name} in {}", counting.code);
                }
            }
        }
    }

    #[test]
    fn engines_are_told_what_to_expect() {
        let (words, repeat) = expected_digits("en", 4, 4);
        assert_eq!((words.len(), words[10].as_str(), repeat), (11, "oh", Some((4, 4))));
        let (words, repeat) = expected_digits("en", 1, 2);
        assert!(words.contains(&"forty".to_owned()) && !words.contains(&"hundred".to_owned()), "{words:?}");
        assert_eq!(repeat, Some((1, 2)));
        let (words, repeat) = expected_digits("fr", 1, 2);
        assert!(words.contains(&"vingt".to_owned()), "{words:?}");
        assert_eq!(repeat, Some((1, 4)));
        assert_eq!(expected_digits("en", 1, 3).1, Some((1, 5)));
        assert_eq!(expected_digits("ja", 1, 3), (Vec::new(), None));
    }
}
