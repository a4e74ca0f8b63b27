//! The recordings that Asterisk has, as far as they can be seen from here.

use crate::pbx::prompts::parents;
use crate::pbx::sound_files::formats;
use crate::service::settings::SpeechSettings;
use std::path::{Path, PathBuf};

/// Where Asterisk has its recordings: built from source, and in Debian's package.
const USUAL: [&str; 2] = ["/var/lib/asterisk/sounds", "/usr/share/asterisk/sounds"];

/// Asterisk's folders of recordings. Looking something up reads the disk: that isn't for the threads of calls and
/// services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoundFolders(Vec<PathBuf>);

impl SoundFolders {
    /// The folders that the operator names; otherwise those that an Asterisk here has. There may be none.
    pub fn of(settings: Option<&SpeechSettings>) -> Self {
        if let Some(named) = settings.and_then(|speech| speech.sounds.as_ref()) {
            return Self(named.clone());
        }
        let data = std::env::var_os("AST_DATA_DIR").map(|data| PathBuf::from(data).join("sounds"));
        let all = data.into_iter().chain(USUAL.map(PathBuf::from));
        Self(all.filter(|folder| folder.is_dir()).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the files of a recording for a channel of this language, in the order in which Asterisk prefers their
    /// formats. It is looked up as Asterisk does it: in the language (`de_AT`, then `de`), in none, and in English.
    pub fn files(&self, name: &str, language: &str) -> Vec<PathBuf> {
        self.files_in(name, parents(language).chain(["", "en"]))
    }

    /// Returns the files of a recording in the first of these languages that has one; `""` stands for none.
    pub fn files_in<'a>(&self, name: &str, languages: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
        let files = |place: PathBuf| formats(&place).map(|(file, _)| file).collect::<Vec<_>>();
        if Path::new(name).is_absolute() {
            return files(PathBuf::from(name));
        }
        let places = languages.flat_map(|language| self.0.iter().map(move |folder| folder.join(language).join(name)));
        places.map(files).find(|files| !files.is_empty()).unwrap_or_default()
    }
}
