//! The names of files in the studio's folder: as other commands find them, and none that leads elsewhere.

use agi_rhai::internals::{is_hidden, sounds};
use std::path::{Path, PathBuf};

/// The endings of what is edited.
const TEXTS: [&str; 3] = ["rhai", "prompts", "phrases"];
/// How deep folders are searched, and the longest name.
pub const DEPTH: usize = 12;
const LONGEST: usize = 1000;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A script, its tests, a table of prompts or phrases.
    Text,
    Sound,
}

impl Kind {
    /// Returns what the file at this path is for, if it is for the studio.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        if TEXTS.contains(&ending) { Some(Self::Text) } else { sounds::is_format(ending).then_some(Self::Sound) }
    }

    fn endings(self) -> &'static str {
        match self {
            Self::Text => ".rhai, .prompts or .phrases",
            Self::Sound => "a format that Asterisk plays, such as .wav",
        }
    }
}

/// Returns the path that a name means, below the folder.
pub fn path(segments: &[String], kind: Kind) -> Result<PathBuf, String> {
    let length: usize = segments.iter().map(|segment| segment.len() + 1).sum();
    if segments.is_empty() || segments.len() > DEPTH || length > LONGEST {
        return Err(format!("a name of 1 to {DEPTH} parts, at most {LONGEST} bytes together"));
    }
    // Hidden files are left out, as everywhere; `.` and `..` are among them.
    if segments.iter().any(|part| part.is_empty() || part.starts_with('.') || part.contains(['/', '\0'])) {
        return Err("a name whose parts don't begin with `.`, separated by `/`".to_owned());
    }
    let path: PathBuf = segments.iter().collect();
    if Kind::of(&path) == Some(kind) { Ok(path) } else { Err(format!("a name that ends in {}", kind.endings())) }
}

/// Returns the path that the name of a new file means: one that anybody can read and type.
pub fn new_path(segments: &[String]) -> Result<PathBuf, String> {
    if segments.iter().any(|part| part.contains(is_hidden) || part.contains('\\') || part.trim() != part) {
        return Err("a name without hidden characters, without `\\` and without blanks around it".to_owned());
    }
    path(segments, Kind::Text)
}

/// Splits a name that somebody wrote, with `/` between its parts.
pub fn split(name: &str) -> Vec<String> {
    name.split('/').map(str::to_owned).collect()
}
