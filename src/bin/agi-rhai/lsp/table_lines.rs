//! The lines of tables of prompts and phrases, and where their names stand.

use std::ops::Range;

/// What a table holds, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Prompts,
    Phrases,
}

impl TableKind {
    pub fn of(path: &str) -> Option<Self> {
        match path.rsplit('.').next()? {
            "prompts" => Some(Self::Prompts),
            "phrases" => Some(Self::Phrases),
            _ => None,
        }
    }

    pub const fn ending(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Phrases => "phrases",
        }
    }
}

/// A line of a table.
pub struct Entry {
    /// The language of the heading above it.
    pub language: Option<String>,
    pub name: Range<usize>,
    /// Everything before the colon: the name, and the form of a phrase.
    pub head: Range<usize>,
    /// Everything after the colon.
    pub rest: Range<usize>,
    /// The sound files that a phrase plays.
    pub sounds: Vec<Range<usize>>,
}

/// Reads the lines of a table. Whether they are right is the checker's business.
pub fn entries(text: &str, kind: TableKind) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut language = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let from = start;
        start += line.len();
        let shown = line.trim_start_matches('\u{feff}').trim();
        let at = from + line.find(shown).unwrap_or(0);
        if let Some(name) = shown.strip_prefix('[') {
            language = Some(name.trim_end_matches(']').trim().to_owned());
            continue;
        }
        let Some(colon) = shown.find(':').filter(|_| !shown.starts_with(';')) else { continue };
        let head = at..at + shown[..colon].trim_end().len();
        let name = shown[..colon].split_whitespace().next().unwrap_or_default();
        let rest = at + colon + 1..at + shown.len();
        let sounds = if kind == TableKind::Phrases { words(text, &rest) } else { Vec::new() };
        entries.push(Entry { language: language.clone(), name: at..at + name.len(), head, rest, sounds });
    }
    entries
}

/// Returns the words of a line that aren't in braces.
fn words(text: &str, within: &Range<usize>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut depth, mut open) = (0_u32, false);
    for (at, c) in text[within.clone()].char_indices() {
        let at = within.start + at;
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_word = depth == 0 && c != '}' && !c.is_whitespace();
        match found.last_mut() {
            Some(last) if is_word && open => last.end = at + c.len_utf8(),
            _ if is_word => found.push(at..at + c.len_utf8()),
            _ => {}
        }
        open = is_word;
    }
    found
}
