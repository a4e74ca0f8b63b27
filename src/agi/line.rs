//! Command lines: quoting and splitting by Asterisk's own grammar.

use std::fmt;

/// The maximum number of words in a line. Asterisk checks for 127, but not for quoted words, and would write past its
/// array.
pub const MAX_WORDS: usize = 126;

/// The longest line that every Asterisk accepts, in bytes without the line feed.
pub const SAFE_LINE: usize = 2046;

/// The longest line since Asterisk 20.16, 21.11, 22.6 and 23, in bytes without the line feed.
pub const LONG_LINE: usize = 8190;

/// Why a text cannot be put on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// It contains a line feed, which would end the command and begin another.
    Newline,
    /// It contains a NUL byte, at which Asterisk would cut the line.
    Nul,
    /// The line would be longer than this many bytes, and Asterisk would run the rest as further commands.
    TooLong(usize),
    /// The line would have more than [`MAX_WORDS`] words.
    TooManyWords,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newline => f.write_str("holds a line break, which AGI cannot carry"),
            Self::Nul => f.write_str("holds a NUL character, which AGI cannot carry"),
            Self::TooLong(limit) => write!(f, "makes the command line longer than the {limit} bytes Asterisk takes"),
            Self::TooManyWords => write!(f, "makes the command line longer than the {MAX_WORDS} words Asterisk takes"),
        }
    }
}

impl std::error::Error for LineError {}

/// Appends `text` to `line` as one word: in quotes, with a backslash before each quote and backslash.
///
/// # Errors
/// The text contains a line feed or a NUL, which cannot be sent in any form.
///
/// ```
/// let mut line = b"VERBOSE ".to_vec();
/// agi_rhai::internals::quote(r#"say "hi""#, &mut line).unwrap();
/// assert_eq!(line, br#"VERBOSE "say \"hi\"""#);
/// ```
pub fn quote(text: &str, line: &mut Vec<u8>) -> Result<(), LineError> {
    line.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'\n' => return Err(LineError::Newline),
            0 => return Err(LineError::Nul),
            b'"' | b'\\' => line.extend([b'\\', byte]),
            _ => line.push(byte),
        }
    }
    line.push(b'"');
    Ok(())
}

/// Splits a command line into words as Asterisk does. A backslash makes the next byte literal, inside and outside of
/// quotes; a quote, also in the middle of a word, starts or ends a part in which blanks don't split.
///
/// ```
/// assert_eq!(agi_rhai::internals::split(br#"a"b c"d "" e\ f"#), [&b"ab cd"[..], b"", b"e f"]);
/// ```
#[must_use]
pub fn split(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b' ' | b'\t' if !quoted => words.extend(word.take()),
            // A backslash at the end of the line is dropped, but begins a word.
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, words: &[&str]) {
        let got: Vec<String> = split(line.as_bytes()).into_iter().map(|w| String::from_utf8(w).unwrap()).collect();
        assert_eq!(got, words, "{line}");
    }

    #[test]
    fn lines_are_split_as_in_asterisk() {
        check("", &[]);
        check("  \t ", &[]);
        check("NOOP", &["NOOP"]);
        check("GET  VARIABLE\tX ", &["GET", "VARIABLE", "X"]);
        check(r#"STREAM FILE beep """#, &["STREAM", "FILE", "beep", ""]);
        check(r#"a"b c"d"#, &["ab cd"]);
        check(r#""a""b""#, &["ab"]);
        check(r#""open to the end"#, &["open to the end"]);
        check(r"\n \ x", &["n", " x"]);
        check(r#""\"\\" \"#, &[r#""\"#, ""]);
        check("'a b'", &["'a", "b'"]);
        check("NOOP\r", &["NOOP\r"]);
    }

    #[test]
    fn line_feeds_and_nuls_cannot_be_quoted() {
        let mut line = Vec::new();
        assert_eq!(quote("a\nHANGUP", &mut line), Err(LineError::Newline));
        assert_eq!(quote("a\0b", &mut line), Err(LineError::Nul));
        assert_eq!(quote("a\rb", &mut line), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn quoted_words_are_split_into_the_same_words(text in "[^\n\0]*", other in "[^\n\0]*") {
            let mut line = b"VERB ".to_vec();
            quote(&text, &mut line).unwrap();
            line.push(b' ');
            quote(&other, &mut line).unwrap();
            proptest::prop_assert_eq!(split(&line), [b"VERB", text.as_bytes(), other.as_bytes()]);
        }

        #[test]
        fn splitting_never_fails(line: Vec<u8>) {
            let _ = split(&line);
        }
    }
}
