//! Recordings that somebody has made: in a folder, by the names of their prompts.

use super::needed::NeededSound;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The extensions of files that are taken for recordings when nobody asks for them.
const SOUND: [&str; 12] = ["wav", "flac", "mp3", "ogg", "oga", "aif", "aiff", "aifc", "m4a", "mp4", "aac", "opus"];
/// How many folders may be nested in the folder.
const MAX_DEPTH: usize = 8;

/// A folder of recordings: `de/coin-ask.flac`, `coin-ask.mp3`.
#[derive(Debug)]
pub struct Import {
    /// The files, by their paths in the folder without the extension.
    files: BTreeMap<PathBuf, PathBuf>,
    /// The language of those that are in no folder of a language.
    language: String,
}

impl Import {
    /// Lists the files in a folder. Those in no folder of a language are in this language.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn read(folder: &Path, language: &str) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        list(folder, Path::new(""), 0, &mut files)?;
        Ok(Self { files, language: language.to_owned() })
    }

    /// Returns the recording of a prompt, if there is one.
    pub fn find(&self, sound: &NeededSound) -> Option<&Path> {
        let own = self.files.get(&sound.path());
        let plain = || self.files.get(Path::new(&sound.name)).filter(|_| sound.language == self.language);
        own.or_else(plain).map(PathBuf::as_path)
    }

    /// Returns the recordings that are none of these prompts.
    pub fn others<'a>(&'a self, sounds: &'a [NeededSound]) -> impl Iterator<Item = &'a Path> {
        let used: Vec<&Path> = sounds.iter().filter_map(|sound| self.find(sound)).collect();
        let is_sound = |path: &Path| {
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            extension.is_some_and(|extension| SOUND.contains(&extension.as_str()))
        };
        self.files.values().map(PathBuf::as_path).filter(move |file| is_sound(file) && !used.contains(file))
    }
}

fn list(folder: &Path, within: &Path, depth: usize, files: &mut BTreeMap<PathBuf, PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(folder.join(within))?.collect::<io::Result<Vec<_>>>()?;
    for entry in entries {
        let name = entry.file_name();
        let (path, inside) = (entry.path(), within.join(&name));
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                list(folder, &inside, depth + 1, files)?;
            }
        } else if path.is_file() {
            files.insert(inside.with_extension(""), path);
        }
    }
    Ok(())
}
