//! Positions in a text as the protocol counts them, and URIs of files.

use agi_rhai::internals::disk;
use lsp_types::{Position, PositionEncodingKind, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
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

    /// Returns the byte offset of a position in a text that is about to change, by reading all before it.
    pub fn offset(self, text: &str, wanted: Position) -> usize {
        let start = match wanted.line.checked_sub(1) {
            None => Some(0),
            Some(before) => text.match_indices('\n').nth(before as usize).map(|(at, _)| at + 1),
        };
        start.map_or(text.len(), |start| self.walk(text, start, Position { character: 0, ..wanted }, wanted))
    }

    /// Returns the offset of a position by reading on from this one.
    fn walk(self, text: &str, start: usize, mut position: Position, wanted: Position) -> usize {
        for (at, c) in text[start..].char_indices() {
            let at = start + at;
            let ends = c == '\n' || text[at..].starts_with("\r\n");
            if position >= wanted || (ends && position.line == wanted.line) {
                return at;
            }
            position = self.after(position, c);
        }
        text.len()
    }

    /// Returns the position after this character.
    fn after(self, position: Position, c: char) -> Position {
        if c == '\n' {
            return Position { line: position.line + 1, character: 0 };
        }
        Position { character: position.character + short(self.width(c)), ..position }
    }
}

/// The distance of the marks in bytes: no more are read to find a position.
const STEP: usize = 256;

/// The positions in a text, found without reading what comes before them: not even in a long line.
pub struct Positions {
    encoding: Encoding,
    /// An offset and its position every few bytes.
    marks: Vec<(usize, Position)>,
}

impl Positions {
    pub fn new(text: &str, encoding: Encoding) -> Self {
        let mut marks = vec![(0, Position::default())];
        let mut position = Position::default();
        for (at, c) in text.char_indices() {
            if marks.last().is_some_and(|(last, _)| at - last >= STEP) {
                marks.push((at, position));
            }
            position = encoding.after(position, c);
        }
        Self { encoding, marks }
    }

    /// Returns the last mark that qualifies.
    fn mark(&self, qualifies: impl Fn(&(usize, Position)) -> bool) -> (usize, Position) {
        let after = self.marks.partition_point(qualifies);
        after.checked_sub(1).and_then(|at| self.marks.get(at)).copied().unwrap_or_default()
    }

    /// Returns the byte offset of a position. A position after the end of a line means the end of the line, one after
    /// the last line the end of the text.
    pub fn offset(&self, text: &str, wanted: Position) -> usize {
        let (start, position) = self.mark(|(_, position)| *position <= wanted);
        self.encoding.walk(text, start, position, wanted)
    }

    pub fn position(&self, text: &str, offset: usize) -> Position {
        let offset = floor(text, offset);
        let (start, position) = self.mark(|(at, _)| *at <= offset);
        text[start..offset].chars().fold(position, |position, c| self.encoding.after(position, c))
    }

    /// Returns the bytes of `width` characters at a line and a column as the checker counts them, both from 1. If the
    /// column is 0, returns the whole line.
    pub fn span(&self, text: &str, line: usize, column: usize, width: usize) -> std::ops::Range<usize> {
        let byte = |character: usize| {
            self.offset(text, Position { line: short(line.saturating_sub(1)), character: short(character) })
        };
        if column == 0 {
            let (start, end) = (byte(0), byte(usize::MAX));
            return end - text[start..end].trim_start().len()..end;
        }
        byte(column - 1)..byte(column - 1 + width.max(1))
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

/// Returns the path of a file; `None` if the URI doesn't refer to a file, like that of a text that was never saved.
pub fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = &rest[rest.find('/')?..];
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    Some(disk::of_bytes(bytes))
}

pub fn uri(path: &Path) -> Option<Uri> {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let path = disk::absolute(path).ok()?;
    let text: String = disk::bytes_of(&path)
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
            let positions = Positions::new(text, encoding);
            assert_eq!(positions.offset(text, position), offset, "{encoding:?} {character}");
            assert_eq!(positions.position(text, offset), position, "{encoding:?} {character}");
        };
        for (encoding, columns) in
            [(Encoding::Utf8, [0, 2, 3, 7, 8]), (Encoding::Utf16, [0, 1, 2, 4, 5]), (Encoding::Utf32, [0, 1, 2, 3, 4])]
        {
            for (column, offset) in columns.into_iter().zip([2, 4, 5, 9, 10]) {
                check(encoding, column, offset);
            }
            let beyond = |line, character| Positions::new(text, encoding).offset(text, Position { line, character });
            assert_eq!((beyond(1, 99), beyond(2, 99), beyond(99, 0)), (10, 13, 13));
        }
        let positions = Positions::new(text, Encoding::Utf32);
        let span = |line, column, width| &text[positions.span(text, line, column, width)];
        assert_eq!(span(2, 3, 2), "🙂c");
        assert_eq!(span(2, 0, 0), "üb🙂c");
        assert_eq!(span(9, 9, 9), "");
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
