//! The findings of the checker.

use super::rules::{Rule, Severity};
use crate::agi::printable;
use crate::script::render;
use crate::utf8::NotUtf8;
use annotate_snippets::Level;
use std::fmt;
use std::path::Path;

/// Something that the checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule, such as `unknown-function`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The mistake.
    pub message: String,
    /// How to fix it, if known.
    pub hint: Option<String>,
    /// The path of the script.
    pub script: String,
    /// The line, from 1; 0 if it has none.
    pub line: usize,
    /// The column in characters, from 1; 0 if it has none.
    pub column: usize,
    /// The width of the place, in characters.
    pub width: usize,
    /// The text of the line; of a long line, the part around the place.
    pub source: String,
    /// The function that is missing, if another file of the script may define it.
    pub(super) missing: Option<String>,
    /// How many characters of the line come before `source`.
    pub(crate) before: usize,
}

impl Finding {
    /// Returns the finding of a file that isn't UTF-8.
    pub(super) fn of_encoding(rule: &'static Rule, file: &Path, error: NotUtf8) -> Self {
        let NotUtf8 { line, column, source, message, hint } = error;
        let (script, hint) = (file.to_string_lossy().into_owned(), Some(hint));
        Self {
            rule: rule.name,
            severity: rule.severity,
            message,
            hint,
            script,
            line,
            column,
            width: 1,
            source,
            missing: None,
            before: 0,
        }
    }

    /// Renders the finding on several lines, with the line of the script and a mark below the place.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let marked = (self.line > 0).then_some((self.line, self.column, self.width));
        let level = if self.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
        let title = (level, Some(self.rule), self.message.as_str());
        let source = (self.before, self.source.as_str());
        render(title, &self.script, marked, source, &[], self.hint.as_deref(), colour)
    }
}

/// Writes the finding on one line: `game.rhai:12:5: error: what is wrong; how to fix it [rule]`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        let (script, message) = (printable(&self.script), printable(&self.message));
        write!(f, "{script}:{}:{}: {severity}: {message}", self.line, self.column)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {}", printable(hint))?;
        }
        write!(f, " [{}]", self.rule)
    }
}
