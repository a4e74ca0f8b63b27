//! Where a reply holds what the caller entered: logs mask it, and recordings replace it.

use crate::agi::Reply;
use std::ops::Range;

/// The input that a command takes from the caller, which determines where its reply holds something private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hears {
    /// It isn't stated: all of the reply may come from the caller, and is masked.
    Unstated,
    /// Nothing.
    Nothing,
    /// A key, whose code is the result; 0 stands for none.
    Key,
    /// Digits, which are the result. They end with `#`, with a pause, or with the last of as many digits as an
    /// argument says.
    Digits {
        /// The index of that argument, from 0.
        max: usize,
    },
    /// The caller's voice, which is recorded, and the key that ended it, whose code is the result.
    Voice,
    /// A character of a text, whose code is the result.
    Character,
    /// A text, in parentheses.
    Text,
    /// Recognised speech, whose texts are in quotes; or a key, after the name `digit`.
    Speech,
}

/// A part of a reply's text that the caller entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the text, in bytes.
    pub at: Range<usize>,
    /// Whether the part is the code of a character, in decimal digits.
    pub is_code: bool,
}

/// The start of a result: `result=`.
const RESULT: usize = 7;

impl Entry {
    fn text(at: Range<usize>) -> Self {
        Self { at, is_code: false }
    }

    /// Whether it is the reply's result.
    #[must_use]
    pub const fn is_result(&self) -> bool {
        self.at.start == RESULT
    }
}

impl Hears {
    /// Returns the parts of a reply that the caller entered, in order.
    #[must_use]
    pub fn entries(self, reply: &Reply) -> Vec<Entry> {
        if reply.code != 200 {
            return Vec::new();
        }
        let result = reply.result();
        let at = RESULT..RESULT + result.len();
        let has_code = !matches!(result, "" | "-1" | "0");
        let code = || vec![Entry { at: at.clone(), is_code: true }];
        match self {
            Self::Unstated => {
                let start = if reply.text.starts_with("result=") { RESULT } else { 0 };
                vec![Entry::text(start..reply.text.len())]
            }
            Self::Key | Self::Character if has_code => code(),
            // The number before `(timeout)` is left over from the wait.
            Self::Voice if has_code && reply.word() != Some("timeout") => code(),
            Self::Digits { .. } if !matches!(result, "" | "-1") => vec![Entry::text(at)],
            Self::Text => value(reply).into_iter().collect(),
            Self::Speech => speech(&reply.text),
            Self::Nothing | Self::Key | Self::Character | Self::Voice | Self::Digits { .. } => Vec::new(),
        }
    }
}

/// Returns the value in parentheses as something that the caller entered.
#[must_use]
pub fn value(reply: &Reply) -> Option<Entry> {
    let value = reply.value()?;
    let start = reply.text.find(" (")? + 2;
    Some(Entry::text(start..start + value.len()))
}

/// The text that precedes a digit in the reply of speech recognition.
const DIGIT: &str = " digit=";

/// Returns the texts in quotes, and the digit.
fn speech(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    // A quote without an end continues to the end of the reply.
    for pair in quotes.chunks(2) {
        entries.push(Entry::text(pair[0] + 1..pair.get(1).copied().unwrap_or(text.len())));
    }
    if let Some(start) = text.find(DIGIT).map(|at| at + DIGIT.len())
        && !entries.iter().any(|entry| entry.at.contains(&start))
    {
        let end = text[start..].find(' ').map_or(text.len(), |length| start + length);
        entries.push(Entry::text(start..end));
        entries.sort_by_key(|entry| entry.at.start);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hears: Hears, reply: &str, expected: &[&str]) {
        let reply = Reply::new(200, reply);
        let entries = hears.entries(&reply);
        assert_eq!(entries.iter().map(|entry| &reply.text[entry.at.clone()]).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_the_caller_entered_is_found() {
        check(Hears::Key, "result=50 endpos=8000", &["50"]);
        check(Hears::Key, "result=0 endpos=8000", &[]);
        check(Hears::Key, "result=-1", &[]);
        check(Hears::Digits { max: 2 }, "result=0", &["0"]);
        check(Hears::Digits { max: 2 }, "result=12* (timeout)", &["12*"]);
        check(Hears::Digits { max: 2 }, "result= (timeout)", &[]);
        check(Hears::Voice, "result=35 (dtmf) endpos=14400", &["35"]);
        check(Hears::Voice, "result=35 (timeout) endpos=5600", &[]);
        check(Hears::Character, "result=121", &["121"]);
        check(Hears::Text, "result=1 (yes (1))", &["yes (1)"]);
        check(Hears::Text, "result=-1", &[]);
        check(Hears::Speech, "result=1 (digit) digit=5 endpos=12", &["5"]);
        check(Hears::Speech, r#"result=1 (speech) results=1 score0=9 text0="ada 1" grammar0=x"#, &["ada 1"]);
        check(Hears::Speech, r#"result=1 (speech) results=1 text0="cut o"#, &["cut o"]);
        check(Hears::Nothing, "result=1 (a)", &[]);
    }

    #[test]
    fn a_command_that_states_nothing_has_all_of_its_reply_masked() {
        check(Hears::Unstated, "result=0", &["0"]);
        check(Hears::Unstated, "result=1 (4711) pin=4711", &["1 (4711) pin=4711"]);
        check(Hears::Unstated, "4711", &["4711"]);
        assert_eq!(Hears::Unstated.entries(&Reply::dead()), []);
    }
}
