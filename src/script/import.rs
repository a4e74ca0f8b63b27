//! Imports: every script a script imports is compiled with it, so that no call sees torn modules.

use super::fault::{Fault, Source};
use super::functions::Language;
use rhai::{AST, ASTNode, Engine, EvalAltResult, Expr, Module, ModuleResolver, Position, Scope, Shared, Stmt};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The modules of a script, by importer and path as written.
pub(super) type Modules = BTreeMap<(String, String), Shared<Module>>;

/// Where imports are looked for, and outside of which nothing is read.
pub(super) struct Places {
    folders: Vec<PathBuf>,
}

impl Places {
    pub fn new(beside: &Path, folder: Option<&Path>) -> Self {
        Self { folders: [Some(beside), folder].into_iter().flatten().map(Path::to_owned).collect() }
    }

    /// The file behind an import: relative to its importer, then to the folders.
    fn find(&self, importer: &Path, path: &str) -> Option<PathBuf> {
        let mut name = PathBuf::from(path);
        if name.extension().is_none_or(|extension| extension != "rhai") {
            name.as_mut_os_string().push(".rhai");
        }
        let roots: Vec<PathBuf> = self.folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        let beside = importer.parent().map(Path::to_owned);
        let places = beside.iter().chain(&roots);
        let mut found = places.filter_map(|place| place.join(&name).canonicalize().ok());
        found.find(|file| roots.iter().any(|root| file.starts_with(root)))
    }
}

/// Compiles a script and what it imports.
pub(super) struct Loader<'a> {
    engine: Engine,
    language: &'a Language,
    places: Option<Places>,
    modules: Modules,
    sources: Vec<Source>,
    /// The scripts being compiled, to notice one that imports itself.
    open: Vec<String>,
}

impl<'a> Loader<'a> {
    pub fn new(language: &'a Language, places: Option<Places>) -> Self {
        let engine = language.compiler();
        Self { engine, language, places, modules: Modules::new(), sources: Vec::new(), open: Vec::new() }
    }

    pub fn finish(self) -> (Modules, Vec<Source>) {
        (self.modules, self.sources)
    }

    pub fn compile(&mut self, name: &str, text: &str) -> Result<AST, Box<Fault>> {
        let text = plain(text);
        self.sources.push(Source { name: name.to_owned(), text: text.clone() });
        let mut ast = self
            .engine
            .compile_with_scope(Language::scope(), text)
            .map_err(|error| Fault::of_parse(name, &error, self.language, &self.sources))?;
        ast.set_source(name);
        self.open.push(name.to_owned());
        for (path, position) in imports(&ast) {
            self.import(name, path, position)?;
        }
        self.open.pop();
        Ok(ast)
    }

    fn import(&mut self, importer: &str, path: Option<String>, position: Position) -> Result<(), Box<Fault>> {
        let fault = |message: String, sources: &[Source]| {
            let error = EvalAltResult::ErrorRuntime(message.into(), position);
            Fault::of_error(importer, &error, self.language, sources)
        };
        let Some(path) = path else {
            return Err(fault("what is imported must be a text in quotes".to_owned(), &self.sources));
        };
        let Some(file) = self.places.as_ref().and_then(|places| places.find(Path::new(importer), &path)) else {
            return Err(fault(
                format!(
                    "no script {path:?} to import: it is looked for beside the script and below the scripts folder"
                ),
                &self.sources,
            ));
        };
        let name = file.to_string_lossy().into_owned();
        let open = |known: &String| *known == name || Path::new(known).canonicalize().is_ok_and(|p| p == file);
        if self.open.iter().any(open) {
            let chain = [&self.open[..], &[path]].concat().join(" -> ");
            return Err(fault(format!("scripts that import each other in a circle: {chain}"), &self.sources));
        }
        let key = (importer.to_owned(), path);
        if self.modules.contains_key(&key) {
            return Ok(());
        }
        let text =
            std::fs::read(&file).map_err(|error| fault(format!("cannot read {name}: {error}"), &self.sources))?;
        let ast = self.compile(&name, &crate::agi::text(&text))?;
        let mut engine = self.language.compiler();
        engine.set_module_resolver(Resolver(Arc::new(self.modules.clone())));
        let module = Module::eval_ast_as_new(Scope::new(), &ast, &engine)
            .map_err(|error| Fault::of_error(&name, &error, self.language, &self.sources))?;
        self.modules.insert(key, module.into());
        Ok(())
    }
}

/// Hands out the modules a script was compiled with.
pub(super) struct Resolver(pub Arc<Modules>);

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        _: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let key = (source.unwrap_or_default().to_owned(), path.to_owned());
        self.0.get(&key).cloned().ok_or_else(|| EvalAltResult::ErrorModuleNotFound(path.to_owned(), position).into())
    }
}

/// Rhai takes neither a byte order mark nor `#!`; the line stays, so that lines keep their numbers.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.strip_prefix("#!") {
        Some(rest) => rest[rest.find('\n').unwrap_or(rest.len())..].to_owned(),
        None => text.to_owned(),
    }
}

/// What a script imports: the path, if it is a literal text, and where.
fn imports(ast: &AST) -> Vec<(Option<String>, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, position))) = nodes.last() {
            let path = match &import.0 {
                Expr::StringConstant(path, _) => Some(path.to_string()),
                _ => None,
            };
            found.push((path, *position));
        }
        true
    });
    found
}

/// What a script imports at its top level: path and name.
pub(super) fn of_top_level(ast: &AST) -> Vec<(String, String)> {
    let import = |statement: &Stmt| match statement {
        Stmt::Import(import, _) => match &import.0 {
            Expr::StringConstant(path, _) => Some((path.to_string(), import.1.name.to_string())),
            _ => None,
        },
        _ => None,
    };
    ast.statements().iter().filter_map(import).collect()
}
