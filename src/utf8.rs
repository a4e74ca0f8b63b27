//! The text of files, which must be UTF-8.

use std::fmt;

/// The characters of Windows-1252 from 0x80 on; those from 0xA0 on are those of Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The first place in a file that isn't UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The line, in which U+FFFD takes the place of what isn't UTF-8.
    pub source: String,
    /// The error.
    pub message: String,
    /// How to fix it.
    pub hint: String,
}

/// Writes the error without its place: `message; hint`.
impl fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for NotUtf8 {}

/// Returns the text of a file, without the byte order mark that editors on Windows put at its beginning.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, NotUtf8> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Without its mark, UTF-16 has a zero in one of the first two bytes, since a script begins in ASCII.
    match bytes {
        [0xff, 0xfe, rest @ ..] => return Err(utf_16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Err(utf_16(rest, u16::from_be_bytes)),
        [first, 0, ..] if *first != 0 => return Err(utf_16(bytes, u16::from_le_bytes)),
        [0, second, ..] if *second != 0 => return Err(utf_16(bytes, u16::from_be_bytes)),
        _ => {}
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        let begin = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let length = bytes[begin..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - begin);
        let byte = rest.first().copied().unwrap_or_default();
        NotUtf8 {
            line: valid.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&valid[begin..]).chars().count() + 1,
            source: String::from_utf8_lossy(&bytes[begin..begin + length]).trim_end_matches('\r').to_owned(),
            message: format!("the file is not UTF-8: it has the byte 0x{byte:02X} here"),
            hint: hint(byte),
        }
    })
}

/// Returns the hint for a byte that isn't UTF-8.
fn hint(byte: u8) -> String {
    let character = match byte {
        0x80..0xa0 => WINDOWS_1252[usize::from(byte) - 0x80],
        _ => char::from(byte),
    };
    if character.is_control() || character.is_whitespace() {
        return "save the file as UTF-8 in your editor".to_owned();
    }
    format!("save the file as UTF-8 in your editor (in Latin-1 or Windows-1252, this byte is `{character}`)")
}

/// Returns the error of a file in UTF-16. It shows the first line as far as it can be read.
fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> NotUtf8 {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    NotUtf8 {
        line: 1,
        column: 1,
        source: text.take_while(|c| !matches!(c, '\n' | '\r')).take(200).collect(),
        message: "the file is UTF-16, not UTF-8".to_owned(),
        hint: "save the file as UTF-8 in your editor (Notepad calls UTF-16 `Unicode`)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fails(bytes: &[u8], place: (usize, usize), source: &str, says: &str) {
        let error = decode(bytes).unwrap_err();
        assert_eq!(((error.line, error.column), error.source.as_str()), (place, source), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn utf_8_is_accepted_with_and_without_its_mark() {
        assert_eq!(decode("say(\"Grüße\");".as_bytes()), Ok("say(\"Grüße\");"));
        assert_eq!(decode(b"\xef\xbb\xbfanswer();\r\n"), Ok("answer();\r\n"));
        for empty in [&b""[..], b"\xef\xbb\xbf"] {
            assert_eq!(decode(empty), Ok(""));
        }
        assert_eq!(decode(b"a"), Ok("a"));
    }

    #[test]
    fn the_first_byte_that_is_not_utf_8_is_named_with_its_place() {
        fails(b"// Gr\xfc\xdfe\nanswer();", (1, 6), "// Gr\u{fffd}\u{fffd}e", "0xFC here; save the file as UTF-8");
        fails(b"// Gr\xfc\xdfe\nanswer();", (1, 6), "// Gr\u{fffd}\u{fffd}e", "this byte is `ü`)");
        fails(
            "// ä\n// 日本 \u{e4}".replace('\u{e4}', "é").as_bytes().split_last().unwrap().1,
            (2, 7),
            "// 日本 \u{fffd}",
            "0xC3",
        );
        fails(b"a\r\n\xef\xbb\xbf\x93x\x94\r\nb", (2, 2), "\u{feff}\u{fffd}x\u{fffd}", "this byte is `“`");
        fails(b"\xff", (1, 1), "\u{fffd}", "0xFF");
        fails(b"\x81", (1, 1), "\u{fffd}", "0x81 here; save the file as UTF-8 in your editor");
    }

    #[test]
    fn utf_16_is_called_by_its_name() {
        let text = "answer();\nhangup();";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&little, &big, &[&[0xff, 0xfe][..], &little].concat(), &[&[0xfe, 0xff][..], &big].concat()] {
            fails(bytes, (1, 1), "answer();", "the file is UTF-16, not UTF-8; save the file as UTF-8");
        }
    }
}
