//! A mistake in `agi-rhai.toml`, with its place.

use crate::agi::printable;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Why `agi-rhai.toml` can't be used. It holds no value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsError {
    /// What is wrong.
    pub message: String,
    /// How to fix it, if known.
    pub hint: Option<String>,
    /// The file.
    pub file: String,
    /// The line, counted from 1; 0 if there is none.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if there is none.
    pub column: usize,
    /// The text of the line, without what may be a secret.
    pub source: String,
}

/// Writes the error on one line: `agi-rhai.toml:12:5: message; hint`.
impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", printable(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "; {}", printable(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SettingsError {}

impl SettingsError {
    /// Creates an error without a place.
    pub(crate) fn of_file(file: &Path, message: impl Into<String>) -> Box<Self> {
        let file = file.display().to_string();
        Box::new(Self { message: message.into(), hint: None, file, line: 0, column: 0, source: String::new() })
    }

    /// Creates an error about a part of the text.
    /// `options` may be set beside services, and are no secrets.
    pub(super) fn at(
        file: &Path,
        text: &str,
        place: Range<usize>,
        options: &[&str],
        message: impl Into<String>,
    ) -> Box<Self> {
        let mut at = place.start.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let begins = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[begins..].lines().next().unwrap_or_default();
        let mut error = Self::of_file(file, message);
        error.line = 1 + text[..begins].matches('\n').count();
        error.column = 1 + text[begins..at].chars().count();
        error.source = without_secrets(line, options);
        if let Some(hidden) = error.source.strip_suffix(HIDDEN) {
            error.column = error.column.min(1 + hidden.chars().count());
        }
        error
    }

    /// Adds how to fix it.
    pub(super) fn with_hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    /// Suggests a name, if there is one.
    pub(super) fn did_you_mean(self: Box<Self>, name: Option<&str>) -> Box<Self> {
        match name {
            Some(name) => self.with_hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// What takes the place of a value.
const HIDDEN: &str = "•••";

/// The keys whose values hold no secret. What isn't known to be harmless isn't shown: an unknown key may be a misspelt
/// one, and a broken line anything.
const HARMLESS: [&str; 17] = [
    "at_once",
    "attach",
    "ca_file",
    "from",
    "max_body",
    "max_output",
    "max_rows",
    "max_size",
    "methods",
    "options",
    "password_file",
    "read_only",
    "spool",
    "targets",
    "timeout",
    "to",
    "token_file",
];

/// Returns a line of the file without what may be a secret.
fn without_secrets(line: &str, options: &[&str]) -> String {
    let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    let is_table = |c: char| is_key(c) || c == '[' || c == ']' || c == ' ';
    let shown = line.trim_end();
    if shown.starts_with('[') && shown.ends_with(']') && shown.chars().all(is_table) {
        return shown.to_owned();
    }
    let Some((key, value)) = shown.split_once('=') else {
        // It may continue a text of several lines.
        let indent = &shown[..shown.len() - shown.trim_start().len()];
        return if shown.trim().is_empty() { String::new() } else { format!("{indent}{HIDDEN}") };
    };
    let name = key.trim();
    if name.is_empty() || !name.chars().all(is_key) {
        return HIDDEN.to_owned();
    }
    if (HARMLESS.contains(&name) || options.contains(&name)) && !value.contains(['=', '#']) {
        return shown.to_owned();
    }
    let blanks = &value[..value.len() - value.trim_start().len()];
    format!("{key}={blanks}{HIDDEN}")
}
