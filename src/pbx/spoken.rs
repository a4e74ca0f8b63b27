//! What the SAY commands say: numbers, texts and dates.

/// A number, a text or a date that is spoken by several sound files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spoken {
    /// Its kind: `number`, `digits`, `alpha`, `phonetic`, `date`, `time` or `datetime`.
    pub kind: &'static str,
    /// The text as the script gave it, such as `42`. A date is given in seconds since the Unix epoch.
    pub text: String,
    /// The text as callers hear it: `42`, `Thursday, December 3rd 2026 at 9:30 AM`.
    pub words: String,
    /// The gender of a number, as the script gave it.
    pub gender: Option<String>,
    /// The format of a `datetime`: the script's, or else the default of the language.
    pub format: Option<String>,
    /// The time zone of a `datetime`, as the script gave it.
    pub zone: Option<String>,
    /// The sound files that say it.
    pub files: Vec<String>,
}

impl Spoken {
    /// Describes a text that callers hear as it is written.
    pub(super) fn plain(kind: &'static str, text: &str, files: Vec<String>) -> Self {
        Self { kind, text: text.to_owned(), words: text.to_owned(), files, ..Self::default() }
    }

    /// Whether it is meant by a name such as `number 42`, `datetime 1796290200`, or the words alone.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let is = |name: &str| name == self.text || name == self.words;
        is(name) || name.strip_prefix(self.kind).is_some_and(|rest| is(rest.trim_start()))
    }
}
