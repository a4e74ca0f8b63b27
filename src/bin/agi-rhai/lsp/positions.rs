//! Positions in a text as the protocol counts them, and URIs of files.

use lsp_types::{Position, PositionEncodingKind, Range, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The unit of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    #[default]
    Utf16,
    Utf32,
}

impl Encoding {
    /// Chooses the cheapest encoding that the editor offers; UTF-16 by default.
    pub fn choose(offered: &[PositionEncodingKind]) -> Self {
        if offered.contains(&PositionEncodingKind::UTF8) {
            Self::Utf8
        } else if offered.contains(&PositionEncodingKind::UTF32) && !offered.contains(&PositionEncodingKind::UTF16) {
            Self::Utf32
        } else {
            Self::Utf16
        }
    }

    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    const fn width(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }

    /// Returns the byte offset of a position. A position after the end of a line means the end of the line, one after
    /// the last line the end of the text.
    pub fn offset(self, text: &str, position: Position) -> usize {
        let Some(start) = line_start(text, position.line as usize) else { return text.len() };
        let mut column = 0;
        for (at, c) in text[start..].char_indices() {
            let ends = c == '\n' || text[start + at..].starts_with("\r\n");
            if ends || column >= position.character as usize {
                return start + at;
            }
            column += self.width(c);
        }
        text.len()
    }

    pub fn position(self, text: &str, offset: usize) -> Position {
        let before = &text[..floor(text, offset)];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column: usize = before[start..].chars().map(|c| self.width(c)).sum();
        let line = before.bytes().filter(|&byte| byte == b'\n').count();
        Position { line: short(line), character: short(column) }
    }

    pub fn range(self, text: &str, span: &std::ops::Range<usize>) -> Range {
        Range { start: self.position(text, span.start), end: self.position(text, span.end) }
    }
}

fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn line_start(text: &str, line: usize) -> Option<usize> {
    if line == 0 { Some(0) } else { text.match_indices('\n').nth(line - 1).map(|(at, _)| at + 1) }
}

/// Returns the bytes of `width` characters at a line and a column as the checker counts them, both from 1. If the
/// column is 0, returns the whole line.
pub fn span(text: &str, line: usize, column: usize, width: usize) -> std::ops::Range<usize> {
    let Some(start) = line_start(text, line.saturating_sub(1)) else { return text.len()..text.len() };
    let rest = &text[start..];
    let shown = rest[..rest.find('\n').unwrap_or(rest.len())].trim_end_matches('\r');
    let byte = |column: usize| shown.char_indices().nth(column).map_or(shown.len(), |(at, _)| at);
    if column == 0 {
        return start + (shown.len() - shown.trim_start().len())..start + shown.len();
    }
    start + byte(column - 1)..start + byte(column - 1 + width.max(1))
}

/// Returns the path of a file; `None` if the URI doesn't refer to a file, like that of a text that was never saved.
pub fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = &rest[rest.find('/')?..];
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    Some(PathBuf::from(OsStr::from_bytes(&bytes)))
}

pub fn uri(path: &Path) -> Option<Uri> {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let path = std::path::absolute(path).ok()?;
    let text: String = path
        .as_os_str()
        .as_bytes()
        .utf8_chunks()
        .flat_map(|chunk| {
            let bad = chunk.invalid().iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
            [utf8_percent_encode(chunk.valid(), KEPT).to_string(), bad]
        })
        .collect();
    Uri::from_str(&format!("file://{text}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_the_agreed_unit() {
        let text = "a\nüb🙂c\r\nd";
        let check = |encoding: Encoding, character: u32, offset: usize| {
            let position = Position { line: 1, character };
            assert_eq!(encoding.offset(text, position), offset, "{encoding:?} {character}");
            assert_eq!(encoding.position(text, offset), position, "{encoding:?} {character}");
        };
        for (encoding, columns) in
            [(Encoding::Utf8, [0, 2, 3, 7, 8]), (Encoding::Utf16, [0, 1, 2, 4, 5]), (Encoding::Utf32, [0, 1, 2, 3, 4])]
        {
            for (column, offset) in columns.into_iter().zip([2, 4, 5, 9, 10]) {
                check(encoding, column, offset);
            }
            let beyond = |line, character| encoding.offset(text, Position { line, character });
            assert_eq!((beyond(1, 99), beyond(2, 99), beyond(99, 0)), (10, 13, 13));
        }
        assert_eq!(&text[span(text, 2, 3, 2)], "🙂c");
        assert_eq!(&text[span(text, 2, 0, 0)], "üb🙂c");
        assert_eq!(&text[span(text, 9, 9, 9)], "");
    }

    #[test]
    fn uris_are_percent_encoded() {
        let there_and_back = |text: &str| {
            let uri = uri(Path::new(text)).unwrap();
            assert_eq!(path(&uri).unwrap(), Path::new(text));
            uri.as_str().to_owned()
        };
        assert_eq!(there_and_back("/a b/ü#?.rhai"), "file:///a%20b/%C3%BC%23%3F.rhai");
        there_and_back("/a%20b/~x_-.rhai");
        assert_eq!(path(&Uri::from_str("file://host/a").unwrap()).unwrap(), Path::new("/a"));
        assert_eq!(path(&Uri::from_str("untitled:Untitled-1").unwrap()), None);
    }
}
