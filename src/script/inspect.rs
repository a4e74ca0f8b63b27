//! Inspecting scripts that compile, so that mistakes which would fail in a call keep them out before.

use super::compile::{LoadError, Script};
use super::fault::{Fault, Source};
use super::import::Files;
use super::language::Language;
use crate::disk;
use crate::utf8::decode;
use rhai::AST;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Finds mistakes in scripts without running them. The checker is one.
pub(crate) trait Inspector: fmt::Debug + Send + Sync {
    /// Returns what is wrong with one file of a script.
    fn inspect(&self, file: &InspectedFile<'_>) -> Inspection;
}

/// A file to inspect.
pub(crate) struct InspectedFile<'a> {
    pub path: &'a Path,
    pub text: &'a str,
    /// Whether to inspect the tables beside it, too. Those of imports have no effect.
    pub with_tables: bool,
    /// Whether it compiles, with all its imports.
    pub is_compiled: bool,
    /// The texts of the files that belong to it, as they were compiled.
    pub sources: &'a [Source],
    /// What the text was compiled to, if it need not be parsed again.
    pub ast: Option<&'a AST>,
    /// Whether warnings are wanted, too.
    pub warnings: bool,
}

/// What is wrong with a file.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// The errors, which keep the script out.
    pub errors: Vec<Fault>,
    /// The functions that an import lacks, with the errors that this causes unless another file of the script defines
    /// them.
    pub missing: Vec<(String, Fault)>,
    /// The warnings.
    pub warnings: Vec<Fault>,
}

/// Loads scripts and inspects them: each import once, however many scripts import it.
pub(crate) struct Inspections<'a> {
    inspector: Option<&'a dyn Inspector>,
    warnings: bool,
    imports: HashMap<String, Inspection>,
}

impl<'a> InspectedFile<'a> {
    /// A file of a script that compiles. Only errors are wanted.
    fn of(source: &'a Source, sources: &'a [Source]) -> Self {
        let path = Path::new(&source.name);
        Self { path, text: &source.text, with_tables: false, is_compiled: true, sources, ast: None, warnings: false }
    }
}

impl<'a> Inspections<'a> {
    /// Inspects scripts with this inspector; without one, takes every script that compiles.
    pub fn new(inspector: Option<&'a dyn Inspector>, warnings: bool) -> Self {
        Self { inspector, warnings, imports: HashMap::new() }
    }

    /// Loads a script with everything it imports. Returns the script and its warnings.
    pub fn load(
        &mut self,
        files: &mut dyn Files,
        path: &Path,
        folder: Option<&Path>,
        language: &Language,
    ) -> Result<(Script, Vec<Fault>), LoadError> {
        let loaded = Script::load_from(files, path, folder, language);
        let Some(inspector) = self.inspector else { return loaded.map(|script| (script, Vec::new())) };
        match loaded {
            Ok(script) => {
                let prompts = prompts_of(path, files);
                let warnings = self.inspect(inspector, &script, prompts).map_err(LoadError::Fault)?;
                Ok((script, warnings))
            }
            Err(LoadError::Fault(fault)) => Err(LoadError::Fault(explained(inspector, path, fault, files))),
            Err(missing) => Err(missing),
        }
    }

    /// Inspects a script that was compiled from a text.
    pub fn judge(&mut self, script: Script) -> Result<Script, Box<Fault>> {
        let Some(inspector) = self.inspector else { return Ok(script) };
        self.inspect(inspector, &script, None)?;
        Ok(script)
    }

    /// Inspects a script and its imports. Returns its warnings, or the errors of the first file that has some.
    fn inspect(
        &mut self,
        inspector: &dyn Inspector,
        script: &Script,
        prompts: Option<Source>,
    ) -> Result<Vec<Fault>, Box<Fault>> {
        let mut sources: Vec<Source> = Vec::new();
        if script.sources.len() > 1 || prompts.is_some() {
            sources = script.sources.iter().cloned().chain(prompts).collect();
        }
        let Some((main, imports)) = script.sources.split_first() else { return Ok(Vec::new()) };
        let Inspection { errors, warnings, .. } = attempt(
            inspector,
            &InspectedFile {
                with_tables: true,
                warnings: self.warnings,
                ast: script.parsed(),
                ..InspectedFile::of(main, &sources)
            },
        );
        Fault::of_all(errors).map_or(Ok(()), Err)?;
        for import in imports {
            Fault::of_all(self.errors_of(inspector, script, import, &sources)).map_or(Ok(()), Err)?;
        }
        Ok(warnings)
    }

    /// Returns the errors of an import of a script.
    fn errors_of(
        &mut self,
        inspector: &dyn Inspector,
        script: &Script,
        import: &Source,
        sources: &[Source],
    ) -> Vec<Fault> {
        let known = self.imports.entry(import.name.clone());
        let found = known.or_insert_with(|| attempt(inspector, &InspectedFile::of(import, sources)));
        let missing = found.missing.iter().filter(|(function, _)| !script.defines(function));
        found.errors.iter().chain(missing.map(|(_, error)| error)).cloned().collect()
    }
}

/// Returns the errors of everything that a script imports.
pub(crate) fn errors_of_imports(inspector: &dyn Inspector, script: &Script) -> Vec<Fault> {
    let mut inspections = Inspections::new(Some(inspector), false);
    let imports = script.sources.iter().skip(1);
    imports.flat_map(|import| inspections.errors_of(inspector, script, import, &script.sources)).collect()
}

/// Inspects a file. A bug of the inspector keeps no script out.
fn attempt(inspector: &dyn Inspector, file: &InspectedFile<'_>) -> Inspection {
    catch_unwind(AssertUnwindSafe(|| inspector.inspect(file))).unwrap_or_else(|panic| {
        let fault = Fault::of_panic(&file.path.to_string_lossy(), "checking it", &*panic);
        Inspection { warnings: vec![*fault], ..Inspection::default() }
    })
}

/// Returns all errors of the file that doesn't compile, of which compiling reports only the first.
fn explained(inspector: &dyn Inspector, path: &Path, fault: Box<Fault>, files: &mut dyn Files) -> Box<Fault> {
    let faulty = Path::new(&fault.script);
    // A table of phrases is inspected with its script.
    let faulty = if faulty.extension().is_some_and(|extension| extension == "phrases") { path } else { faulty };
    let Ok(bytes) = files.read(faulty) else { return fault };
    let Ok(text) = decode(&bytes) else { return fault };
    let source = Source { name: faulty.to_string_lossy().into_owned(), text: text.to_owned() };
    let file = InspectedFile { with_tables: faulty == path, is_compiled: false, ..InspectedFile::of(&source, &[]) };
    let errors = attempt(inspector, &file).errors;
    Fault::of_all(errors).unwrap_or(fault)
}

/// Reads the table of prompts beside a script, which only the inspector needs.
fn prompts_of(script: &Path, files: &mut dyn Files) -> Option<Source> {
    let path = script.with_extension("prompts");
    if !disk::is_file(&path) {
        files.missed(&path);
        return None;
    }
    let bytes = files.read(&path).ok()?;
    // What isn't UTF-8 is found in the file itself.
    let text = decode(&bytes).ok()?.to_owned();
    Some(Source { name: path.to_string_lossy().into_owned(), text })
}
