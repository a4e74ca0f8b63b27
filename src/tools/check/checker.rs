//! A checker: its settings, and the functions it knows.

use super::imports::Edited;
use super::known_functions::KnownFunctions;
use crate::command::Permissions;
use crate::script::{Fault, ImportFolders, Language, parse, without_shebang};
use crate::service::Services;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Checks scripts. Create one and reuse it: it first collects all functions that scripts can call.
///
/// ```
/// use agi_rhai::Host;
/// use agi_rhai::tools::check::Checker;
///
/// let checker = Checker::new(Host::new().language());
/// let findings = checker.check("typo.rhai".as_ref(), r#"stream_fil("hello-world");"#);
/// assert_eq!(findings[0].rule, "unknown-function");
/// assert_eq!(findings[0].hint.as_deref(), Some("did you mean `stream_file`?"));
/// ```
#[derive(Clone, Debug)]
pub struct Checker {
    pub(super) language: Language,
    known: Arc<KnownFunctions>,
    /// The language of scripts that are tests, and its functions. Most checks need neither.
    tests: Arc<LazyLock<(Language, KnownFunctions)>>,
    /// A folder below which imports are searched for, in addition to the folder of each script.
    pub folder: Option<PathBuf>,
    /// Folders of sound files, in which prompts are searched for; if there are none, this isn't checked.
    pub sounds: Vec<PathBuf>,
    /// The version of Asterisk that the scripts are for. Commands that it doesn't have are reported.
    pub asterisk: Option<u32>,
    /// The permissions of scripts.
    pub permissions: Permissions,
    /// The services that scripts may ask; if they aren't known, this isn't checked.
    pub services: Option<Services>,
    /// Texts that are newer than the files at these paths: an editor hasn't saved them yet.
    pub texts: BTreeMap<PathBuf, String>,
}

impl Checker {
    /// Creates a checker of scripts in this language.
    #[must_use]
    pub fn new(language: &Language) -> Self {
        Self {
            language: language.clone(),
            known: Arc::new(KnownFunctions::new(language)),
            tests: Arc::new(LazyLock::new(|| {
                let language = Language::of_tests();
                let known = KnownFunctions::new(&language);
                (language, known)
            })),
            folder: None,
            sounds: Vec::new(),
            asterisk: None,
            permissions: Permissions::default(),
            services: None,
            texts: BTreeMap::new(),
        }
    }

    pub(super) fn is_test(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".test.rhai"))
    }

    pub(in crate::tools) fn language(&self, path: &Path) -> &Language {
        if Self::is_test(path) { &self.tests.0 } else { &self.language }
    }

    pub(in crate::tools) fn known_functions(&self, path: &Path) -> &KnownFunctions {
        if Self::is_test(path) { &self.tests.1 } else { &self.known }
    }

    /// Whether tests have a function of this name, which scripts don't have.
    pub(super) fn is_word_of_tests(&self, name: &str) -> bool {
        self.tests.1.declared(name).is_some() && !self.known.exists(name)
    }

    /// Returns the fault of the file at this path, if it doesn't compile.
    pub(super) fn fault_of(&self, path: &Path) -> Option<Box<Fault>> {
        let name = path.to_string_lossy();
        let text = match self.files().decoded(path)? {
            Ok(text) => without_shebang(&text),
            Err(error) => return Some(Fault::of_encoding(&name, error)),
        };
        let error = parse(&Language::compiler(), &text).err()?;
        Some(Fault::of_parse(&name, &error, &text, self.language(path)))
    }

    pub(in crate::tools) fn files(&self) -> Edited<'_> {
        Edited(&self.texts)
    }

    pub(in crate::tools) fn places(&self, script: &Path) -> ImportFolders {
        let beside = script.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ImportFolders::new(beside, self.folder.as_deref())
    }
}
