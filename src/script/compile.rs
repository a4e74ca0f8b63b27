//! Scripts, compiled with everything they import.

use super::coverage::Coverage;
use super::fault::{Fault, Source};
use super::function_values::{self, Homes};
use super::import::{self, Disk, Files, ImportFolders, Modules};
use super::language::Language;
use super::phrases::Phrases;
use super::variables::Watched;
use crate::stack;
use crate::utf8::decode;
use rhai::{AST, ASTFlags, Module, Shared, Stmt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A compiled script, with everything it imports. Any number of calls share it.
#[derive(Debug)]
pub struct Script {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The functions that it has because it or an import names them.
    pub(super) named: Shared<Module>,
    pub(crate) ast: AST,
    pub(crate) modules: Arc<Modules>,
    /// Where its function values run, if it imports anything.
    pub(crate) homes: Option<Arc<Homes>>,
    pub(crate) sources: Arc<[Source]>,
    /// The imports at its top level: their paths and names.
    pub(crate) imports: Vec<(String, String)>,
    /// The number of parameters of its `on_hangup`; `None` if it has no `on_hangup`.
    pub(crate) on_hangup: Option<usize>,
    pub(crate) coverage: Option<Arc<Coverage>>,
    pub(crate) watched: Option<Arc<Watched>>,
    /// The table of phrases beside it.
    pub(crate) phrases: Option<Arc<Phrases>>,
}

/// Why a script can't be loaded.
///
/// `{:#}` writes it together with its cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file doesn't exist or cannot be read.
    Missing(PathBuf, std::io::Error),
    /// The script, or one it imports, has an error.
    Fault(Box<Fault>),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(path, error) if error.kind() == std::io::ErrorKind::NotFound => {
                if path.as_os_str().is_empty() {
                    return f.write_str("no script is named");
                }
                write!(f, "no script {}", path.display())?;
                // The folders that were searched, if the error lists them.
                error.get_ref().map_or(Ok(()), |places| write!(f, ": {places}"))
            }
            Self::Missing(path, error) => {
                write!(f, "cannot read the script {}", path.display())?;
                if f.alternate() { write!(f, ": {error}") } else { Ok(()) }
            }
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing(_, error) if error.kind() != std::io::ErrorKind::NotFound => Some(error),
            // The message says everything already.
            Self::Missing(..) => None,
            Self::Fault(fault) => fault.source(),
        }
    }
}

impl Script {
    /// Compiles a script that imports nothing.
    ///
    /// # Errors
    /// The text isn't a valid script.
    pub fn compile(name: &str, text: &str, language: &Language) -> Result<Self, Box<Fault>> {
        Self::build(name, text, None, &mut Disk, language)
    }

    /// Reads and compiles a script and everything it imports: files beside it and below `folder`.
    ///
    /// # Errors
    /// The file cannot be read, or the script or one it imports isn't valid.
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
        let places = ImportFolders::new(beside, folder);
        let name = path.to_string_lossy();
        let text = decode(&bytes).map_err(|error| LoadError::Fault(Fault::of_encoding(&name, error)))?;
        let mut script = Self::build(&name, text, Some(places), files, language).map_err(LoadError::Fault)?;
        if let Some(path) = import::phrases_of(path, folder, files) {
            script.add_phrases(&path, files).map_err(LoadError::Fault)?;
        }
        Ok(script)
    }

    fn build(
        name: &str,
        text: &str,
        places: Option<ImportFolders>,
        files: &mut dyn Files,
        language: &Language,
    ) -> Result<Self, Box<Fault>> {
        let (ast, modules, homes, sources) = stack::maybe_grow(|| {
            let mut loader = import::Loader::new(language, places, files);
            let ast = loader.compile(name, text)?;
            let (modules, homes, sources) = loader.finish();
            Ok::<_, Box<Fault>>((ast, modules, homes, sources))
        })?;
        let on_hangup = ast.iter_functions().filter(|f| f.name == "on_hangup").map(|f| f.params.len()).max();
        Ok(Self {
            name: name.to_owned(),
            version: version(sources.iter().map(|source| source.text.as_str())),
            named: language.named_in(&sources.iter().map(|source| source.text.as_str())),
            imports: import::of_top_level(&ast),
            ast,
            homes: (!modules.is_empty()).then_some(homes),
            modules,
            sources: sources.into(),
            on_hangup,
            coverage: None,
            watched: None,
            phrases: None,
        })
    }

    fn add_phrases(&mut self, path: &Path, files: &mut dyn Files) -> Result<(), Box<Fault>> {
        let name = path.to_string_lossy();
        let bytes = files.read(path).map_err(|error| Fault::new(&name, format!("cannot read it: {error}")))?;
        let text = decode(&bytes).map_err(|error| Fault::of_encoding(&name, error))?;
        let phrases = Phrases::compile(&name, text)?;
        let texts = self.sources.iter().map(|source| source.text.as_str());
        self.version = version(texts.chain([phrases.text()]));
        self.phrases = Some(Arc::new(phrases));
        Ok(())
    }

    /// Whether both scripts were compiled from the same texts.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.sources == other.sources && self.phrases == other.phrases
    }

    /// Returns what Rhai parsed, unless something was put into it or taken out of it.
    pub(crate) fn parsed(&self) -> Option<&AST> {
        let is_changed = self.homes.is_some() || function_values::has_only_the_empty_function(&self.ast);
        (!is_changed).then_some(&self.ast)
    }

    /// Returns its imports and constants, each as a script that makes it with the script's functions.
    pub(super) fn constants(&self) -> impl Iterator<Item = AST> {
        let functions = self.ast.clone_functions_only();
        let is_import = |statement: &&Stmt| matches!(statement, Stmt::Import(..));
        let imports: Vec<Stmt> = self.ast.statements().iter().filter(is_import).cloned().collect();
        let is_constant =
            |statement: &&Stmt| matches!(statement, Stmt::Var(_, flags, _) if flags.contains(ASTFlags::CONSTANT));
        self.ast.statements().iter().filter(is_constant).map(move |constant| {
            let statements = imports.iter().cloned().chain([constant.clone()]);
            let mut ast = AST::new(statements, Module::new()).merge(&functions);
            ast.set_source(self.name.as_str());
            ast
        })
    }

    /// Whether one of its files defines a function of this name. An import may call those of the others.
    pub(crate) fn defines(&self, function: &str) -> bool {
        self.ast.iter_functions().any(|f| f.name == function)
            || self.modules.values().any(|module| module.iter_script_fn_info().any(|(_, _, name, ..)| name == function))
    }

    /// Begins to record which of its lines run.
    pub fn cover(&mut self) -> Arc<Coverage> {
        Arc::clone(self.coverage.insert(Coverage::new(&self.sources)))
    }

    /// Begins to watch its variables.
    #[doc(hidden)]
    pub fn watch(&mut self) -> Arc<Watched> {
        Arc::clone(self.watched.insert(Arc::default()))
    }

    /// Returns the path from which it was read, or the name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the scripts it consists of, with their paths and texts as they were compiled: the script itself, then
    /// its imports.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().map(|source| (source.name.as_str(), source.text.as_str()))
    }

    /// Returns a short hash of its text, its imports and its phrases.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The values of imported scripts may be nested deeply, and the stack here may be small.
        if !self.modules.is_empty() {
            let values = (std::mem::take(&mut self.modules), self.homes.take());
            stack::maybe_grow(|| drop(values));
        }
    }
}

/// Returns a short hash of these texts: FNV-1a, the same on every machine and in every build. It distinguishes
/// versions; it isn't cryptographic.
fn version<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        // UTF-8 never contains this byte, so moving text from one file to the next changes the hash.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::io;

    #[test]
    fn a_load_error_is_written_with_its_cause_only_when_asked() {
        let unreadable = LoadError::Missing("game.rhai".into(), io::ErrorKind::PermissionDenied.into());
        assert_eq!(unreadable.to_string(), "cannot read the script game.rhai");
        assert_eq!(format!("{unreadable:#}"), "cannot read the script game.rhai: permission denied");
        assert!(unreadable.source().is_some_and(|cause| cause.to_string() == "permission denied"));
        let missing = LoadError::Missing("game.rhai".into(), io::ErrorKind::NotFound.into());
        assert_eq!(format!("{missing:#}"), "no script game.rhai");
        assert!(missing.source().is_none());
        let fault = LoadError::Fault(Box::new(Fault::new("game.rhai", "unknown variable `x`")));
        assert_eq!(format!("{fault:#}"), "game.rhai: unknown variable `x`");
    }
}
