//! Scripts, compiled with all they import.

use super::coverage::Coverage;
use super::fault::{Fault, Source};
use super::import::{self, Disk, Files, Modules, Places};
use super::language::Language;
use super::phrases::Phrases;
use crate::agi::text;
use crate::stack;
use rhai::AST;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A script, compiled and checked, with all it imports. Cheap to share between calls.
#[derive(Debug)]
pub struct Script {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) ast: AST,
    pub(crate) modules: Arc<Modules>,
    pub(crate) sources: Arc<[Source]>,
    /// What it imports at its top: path and name.
    pub(crate) imports: Vec<(String, String)>,
    /// How many parameters its `on_hangup` has; `None` without one.
    pub(crate) on_hangup: Option<usize>,
    pub(crate) coverage: Option<Arc<Coverage>>,
    /// The table of phrases beside it.
    pub(crate) phrases: Option<Arc<Phrases>>,
}

/// Why there is no script.
#[derive(Debug)]
pub enum LoadError {
    /// There is no such file, or it cannot be read.
    Missing(PathBuf, std::io::Error),
    /// It, or something it imports, is not right.
    Fault(Box<Fault>),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(path, error) if error.kind() == std::io::ErrorKind::NotFound => {
                write!(f, "no script {}", path.display())?;
                // Where it was looked for, if whoever looked said so.
                error.get_ref().map_or(Ok(()), |places| write!(f, ": {places}"))
            }
            Self::Missing(path, error) => write!(f, "cannot read the script {}: {error}", path.display()),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

impl Script {
    /// Compiles a script that imports nothing.
    ///
    /// # Errors
    /// The text is no script: what is wrong, and where.
    pub fn compile(name: &str, text: &str, language: &Language) -> Result<Self, Box<Fault>> {
        Self::build(name, text, None, &mut Disk, language)
    }

    /// Reads and compiles a script and all it imports: files beside it, and below `folder`.
    ///
    /// # Errors
    /// There is no such file, or the text is no script.
    pub fn load(path: &Path, folder: Option<&Path>, language: &Language) -> Result<Self, LoadError> {
        Self::load_from(&mut Disk, path, folder, language)
    }

    pub(crate) fn load_from(
        files: &mut dyn Files,
        path: &Path,
        folder: Option<&Path>,
        language: &Language,
    ) -> Result<Self, LoadError> {
        let bytes = files.read(path).map_err(|error| LoadError::Missing(path.to_owned(), error))?;
        let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let places = Places::new(beside, folder);
        let mut script = Self::build(&path.to_string_lossy(), &text(&bytes), Some(places), files, language)
            .map_err(LoadError::Fault)?;
        if let Some(path) = import::phrases_of(path, folder, files) {
            script.add_phrases(&path, files).map_err(LoadError::Fault)?;
        }
        Ok(script)
    }

    fn build(
        name: &str,
        text: &str,
        places: Option<Places>,
        files: &mut dyn Files,
        language: &Language,
    ) -> Result<Self, Box<Fault>> {
        let (ast, modules, sources) = stack::maybe_grow(|| {
            let mut loader = import::Loader::new(language, places, files);
            let ast = loader.compile(name, text)?;
            let (modules, sources) = loader.finish();
            Ok::<_, Box<Fault>>((ast, modules, sources))
        })?;
        let on_hangup = ast.iter_functions().filter(|f| f.name == "on_hangup").map(|f| f.params.len()).max();
        Ok(Self {
            name: name.to_owned(),
            version: version(sources.iter().map(|source| source.text.as_str())),
            imports: import::of_top_level(&ast),
            ast,
            modules: Arc::new(modules),
            sources: sources.into(),
            on_hangup,
            coverage: None,
            phrases: None,
        })
    }

    fn add_phrases(&mut self, path: &Path, files: &mut dyn Files) -> Result<(), Box<Fault>> {
        let name = path.to_string_lossy();
        let bytes = files.read(path).map_err(|error| Fault::new(&name, format!("cannot read it: {error}")))?;
        let phrases = Phrases::compile(&name, &text(&bytes))?;
        let texts = self.sources.iter().map(|source| source.text.as_str());
        self.version = version(texts.chain([phrases.text()]));
        self.phrases = Some(Arc::new(phrases));
        Ok(())
    }

    /// Whether it is made of the same texts.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.sources == other.sources && self.phrases == other.phrases
    }

    /// Notes which of its lines run, from now on.
    pub fn cover(&mut self, language: &Language) -> Arc<Coverage> {
        Arc::clone(self.coverage.insert(Coverage::new(&self.sources, language)))
    }

    /// The path it was read from, or the name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The scripts it consists of, path and text as they were compiled: the one called first, then what it imports.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().map(|source| (source.name.as_str(), source.text.as_str()))
    }

    /// A short hash of its text, of all it imports and of its phrases.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The values of imported scripts may be nested deep, and whoever drops the script may have little room.
        let modules = std::mem::take(&mut self.modules);
        if !modules.is_empty() {
            stack::maybe_grow(|| drop(modules));
        }
    }
}

/// A short hash of these texts: FNV-1a, the same on every machine and in every build. It tells versions apart, and is
/// no seal.
fn version<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        // No text holds this byte, so that what moves from one text to the next counts.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}
