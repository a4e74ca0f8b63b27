//! What the checker knows: the functions there are, and what it was set to.

use super::imports::Edited;
use super::words::Words;
use crate::command::Permissions;
use crate::script::{Fault, Language, Places, plain};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Checks scripts. To be kept and used again: making one collects the functions there are.
#[derive(Clone, Debug)]
pub struct Checker {
    pub(super) language: Language,
    /// The language of scripts that are tests.
    tests: Language,
    words: Arc<Words>,
    /// The words of scripts that are tests.
    test_words: Arc<Words>,
    /// The folder below which imports are found, besides the one of each script.
    pub folder: Option<PathBuf>,
    /// Folders of sound files, to tell which prompts have none; empty: not told.
    pub sounds: Vec<PathBuf>,
    /// The version of Asterisk the scripts are for: commands it does not have are told.
    pub asterisk: Option<u32>,
    /// What scripts may have Asterisk run.
    pub permissions: Permissions,
    /// Texts that are newer than the files of these paths: what an editor has not saved yet.
    pub texts: BTreeMap<PathBuf, String>,
}

impl Checker {
    /// A checker of scripts in this language.
    #[must_use]
    pub fn new(language: &Language) -> Self {
        Self {
            language: language.clone(),
            tests: Language::of_tests(),
            words: Arc::new(Words::new(language)),
            test_words: Arc::new(Words::new(&Language::of_tests())),
            folder: None,
            sounds: Vec::new(),
            asterisk: None,
            permissions: Permissions::default(),
            texts: BTreeMap::new(),
        }
    }

    pub(super) fn is_test(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".test.rhai"))
    }

    pub(super) fn language(&self, path: &Path) -> &Language {
        if Self::is_test(path) { &self.tests } else { &self.language }
    }

    pub(super) fn words(&self, path: &Path) -> &Words {
        if Self::is_test(path) { &self.test_words } else { &self.words }
    }

    /// What is wrong with the file of this path, if it is no script.
    pub(super) fn fault_of(&self, path: &Path) -> Option<Box<Fault>> {
        let text = plain(&self.files().text(path)?);
        let name = path.to_string_lossy();
        let error = self.language(path).compiler().compile_with_scope(Language::scope(), &text).err()?;
        Some(Fault::of_parse(&name, &error, self.language(path), &[]))
    }

    pub(super) fn files(&self) -> Edited<'_> {
        Edited(&self.texts)
    }

    pub(super) fn places(&self, script: &Path) -> Places {
        let beside = script.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Places::new(beside, self.folder.as_deref())
    }
}
