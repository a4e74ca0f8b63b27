//! Which recordings scripts need, and which of them there are.

use crate::audio::SoundFormat;
use crate::disk;
use crate::pbx::Sounds;
use crate::pbx::prompts::{is_english, parse_prompts};
use crate::pbx::sound_files::{formats, unplayable};
use crate::script::Language;
use crate::tools::check::Checker;
use crate::utf8;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// A recording that scripts need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededSound {
    /// The name of the prompt.
    pub name: String,
    /// Its language, which is also the name of its folder.
    pub language: String,
    /// What it says, if a table says so.
    pub words: Option<String>,
    /// The table or the script that names it.
    pub source: PathBuf,
    /// Whether it serves callers of all languages that have no recording of their own.
    is_for_all: bool,
}

/// Whether there is a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Asterisk can play it.
    There,
    /// There is none.
    Missing,
    /// There is a file that Asterisk refuses, for this reason.
    Refused(PathBuf, String),
}

/// Returns the recordings that these scripts need, by language and name: the prompts in their tables, and those that
/// they play without words in a table. `language` is that of the lines above the headings. In place of a script there
/// may be a table.
///
/// # Errors
/// A file can't be read, or isn't UTF-8.
pub fn needed(scripts: &[PathBuf], folder: Option<&Path>, language: &str) -> io::Result<Vec<NeededSound>> {
    let mut checker = Checker::new(&Language::new());
    checker.folder = folder.map(Path::to_owned);
    let mut found: BTreeMap<(String, String), NeededSound> = BTreeMap::new();
    let mut played: Vec<(String, PathBuf)> = Vec::new();
    let mut tables = BTreeSet::new();
    for path in scripts {
        let table = path.with_extension("prompts");
        if table.is_file() && tables.insert(table.clone()) {
            read_table(&table, language, &mut found)?;
        }
        if path.is_file() && *path != table {
            played.extend(checker.played(path)?.into_iter().map(|name| (name, path.clone())));
        }
    }
    let known: BTreeSet<String> = found.keys().map(|(_, name)| name.clone()).collect();
    for (name, source) in played.into_iter().filter(|(name, _)| !known.contains(name)) {
        let language = language.to_owned();
        let sound =
            NeededSound { name: name.clone(), language: language.clone(), words: None, source, is_for_all: true };
        found.entry((language, name)).or_insert(sound);
    }
    Ok(found.into_values().collect())
}

/// Adds the prompts of a table. One below a heading counts more than one above all headings.
fn read_table(table: &Path, default: &str, found: &mut BTreeMap<(String, String), NeededSound>) -> io::Result<()> {
    let wrong = |problem: String| io::Error::other(format!("{}{problem}", table.display()));
    let bytes = disk::read(table).map_err(|error| wrong(format!(": {error}")))?;
    let text = utf8::decode(&bytes).map_err(|error| wrong(format!(":{}:{}: {error}", error.line, error.column)))?;
    let (prompts, errors) = parse_prompts(text);
    if let Some(error) = errors.first() {
        return Err(wrong(format!(":{}: {}; {}", error.line, error.problem, error.hint)));
    }
    let (above, below): (Vec<_>, Vec<_>) = prompts.into_iter().partition(|prompt| prompt.language.is_none());
    for prompt in below.into_iter().chain(above) {
        let is_for_all = prompt.language.is_none();
        let language = prompt.language.unwrap_or_else(|| default.to_owned());
        // An absolute name is a file of its owner, and Asterisk has its own sounds in English.
        if prompt.name.starts_with('/') || is_english(&language) && Sounds::is_core(&prompt.name) {
            continue;
        }
        let words = Some(prompt.words).filter(|words| !words.trim().is_empty());
        let sound = NeededSound {
            name: prompt.name.clone(),
            language: language.clone(),
            words,
            source: table.to_owned(),
            is_for_all,
        };
        found.entry((language, prompt.name)).or_insert(sound);
    }
    Ok(())
}

impl NeededSound {
    /// Returns its path in a folder of sounds, without an extension.
    pub fn path(&self) -> PathBuf {
        Path::new(&self.language).join(&self.name)
    }

    /// Looks for it in a folder of sounds, in this format or else in any that Asterisk plays.
    pub fn presence(&self, folder: &Path, format: Option<SoundFormat>) -> Presence {
        let names = [Some(self.path()), self.is_for_all.then(|| PathBuf::from(&self.name))];
        let is_wanted = |file: &Path| {
            format.is_none_or(|format| file.extension().is_some_and(|extension| extension == format.extension()))
        };
        for name in names.into_iter().flatten() {
            if formats(&folder.join(&name)).any(|(file, _)| is_wanted(&file)) {
                return Presence::There;
            }
            if let Some((file, problem)) =
                unplayable(folder, &name.to_string_lossy()).filter(|(file, _)| is_wanted(file))
            {
                return Presence::Refused(file, problem);
            }
        }
        Presence::Missing
    }

    /// Returns the file for it in a folder of sounds.
    pub fn file(&self, folder: &Path, format: SoundFormat) -> PathBuf {
        let mut file = folder.join(self.path()).into_os_string();
        file.push(".");
        file.push(format.extension());
        file.into()
    }
}
