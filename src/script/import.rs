//! Imports: every script a script imports is compiled with it, so that no call sees torn modules.

use super::fault::{Fault, Source};
use super::language::Language;
use super::limits::{Limits, MAX_STACK, address_in_stack, processor_time};
use rhai::{
    AST, ASTNode, Dynamic, Engine, EvalAltResult, Expr, FnPtr, Module, ModuleResolver, Position, Scope, Shared, Stmt,
};
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The modules of a script, by importer and path as written.
pub(crate) type Modules = BTreeMap<(String, String), Shared<Module>>;

/// Imports may go this deep; each level takes some of the stack.
pub(crate) const DEEPEST: usize = 64;
/// So many scripts may be imported, counted once for every way to them: Rhai gives each its own list of all below it.
const MOST: usize = 1_000;
/// How long the top of an imported script may compute, as time of the processor. It has no call yet whose limits would
/// hold, and an edit of it runs it once for each script that imports it.
const COMPUTING: Duration = Duration::from_millis(100);
/// The clock is looked at every so many operations.
const CHECK_EVERY: u64 = 64;

/// Where scripts are read from.
pub(crate) trait Files {
    /// The bytes of a file.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// Hears that an import was looked for here, where there is none: if one appears, it is the one to take.
    fn missed(&mut self, path: &Path);
}

/// The files as they are.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn missed(&mut self, _: &Path) {}
}

/// Where imports are looked for, and outside of which nothing is read.
pub(crate) struct Places {
    folders: Vec<PathBuf>,
}

/// A file to import: the path it is known by, and the one it has without links.
pub(crate) struct Found {
    pub seen: PathBuf,
    pub real: PathBuf,
}

impl Places {
    pub fn new(beside: &Path, folder: Option<&Path>) -> Self {
        Self { folders: [Some(beside), folder].into_iter().flatten().map(Path::to_owned).collect() }
    }

    /// The file an import means.
    pub fn file(&self, importer: &Path, path: &str, files: &mut dyn Files) -> Option<PathBuf> {
        self.find(importer, path, files).map(|found| found.seen)
    }

    /// The file behind an import: relative to its importer, where that is a link also to what it leads to, then to the
    /// folders.
    pub fn find(&self, importer: &Path, path: &str, files: &mut dyn Files) -> Option<Found> {
        let mut name = PathBuf::from(path);
        if name.extension().is_none_or(|extension| extension != "rhai") {
            name.as_mut_os_string().push(".rhai");
        }
        let roots: Vec<PathBuf> = self.folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        let linked = if importer.is_symlink() { importer.canonicalize().ok() } else { None };
        let beside = [Some(importer), linked.as_deref()].into_iter().flatten().filter_map(Path::parent);
        for place in beside.chain(self.folders.iter().map(PathBuf::as_path)) {
            let seen = place.join(&name);
            // A pipe would be waited on for ever.
            match seen.canonicalize() {
                Ok(real) if real.is_file() && roots.iter().any(|root| real.starts_with(root)) => {
                    return Some(Found { seen: without_detours(seen, &real), real });
                }
                _ => files.missed(&seen),
            }
        }
        None
    }
}

/// The table of phrases beside a script: where that is a link, also beside what it leads to. Most have none, and pay
/// for two looks at the disk.
pub(crate) fn phrases_of(script: &Path, folder: Option<&Path>, files: &mut dyn Files) -> Option<PathBuf> {
    let find = |script: &Path, files: &mut dyn Files| {
        let seen = script.with_extension("phrases");
        let beside = seen.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As for imports, a link leads to nothing outside.
        let roots = || [Some(beside), folder].into_iter().flatten().filter_map(|root| root.canonicalize().ok());
        let within = || seen.canonicalize().is_ok_and(|real| roots().any(|root| real.starts_with(root)));
        if seen.is_file() && within() {
            return Some(seen);
        }
        files.missed(&seen);
        None
    };
    let linked = |files: &mut dyn Files| {
        let real = if script.is_symlink() { script.canonicalize().ok() } else { None };
        find(&real?, files)
    };
    find(script, files).or_else(|| linked(files))
}

/// `games/../lib/menu.rhai` is `lib/menu.rhai`, unless `games` is a link to somewhere else.
fn without_detours(seen: PathBuf, real: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in seen.components() {
        if part == Component::ParentDir && short.file_name().is_some() {
            short.pop();
        } else {
            short.push(part);
        }
    }
    if short != seen && short.canonicalize().is_ok_and(|found| found == real) { short } else { seen }
}

/// A script compiled to be imported.
struct Made {
    module: Shared<Module>,
    /// It, and all it imports, by every way.
    count: usize,
}

/// Compiles a script and what it imports.
pub(crate) struct Loader<'a> {
    engine: Engine,
    language: &'a Language,
    places: Option<Places>,
    files: &'a mut dyn Files,
    modules: Modules,
    /// What has been compiled, by its name: read once, however many import it.
    made: BTreeMap<String, Made>,
    sources: Vec<Source>,
    /// The scripts being compiled, to notice one that imports itself: name, and path without links.
    open: Vec<(String, PathBuf)>,
}

impl<'a> Loader<'a> {
    pub fn new(language: &'a Language, places: Option<Places>, files: &'a mut dyn Files) -> Self {
        Self {
            engine: language.compiler(),
            language,
            places,
            files,
            modules: Modules::new(),
            made: BTreeMap::new(),
            sources: Vec::new(),
            open: Vec::new(),
        }
    }

    pub fn finish(self) -> (Modules, Vec<Source>) {
        (self.modules, self.sources)
    }

    /// Compiles the script of this name, which is the path it was read from if it has one.
    pub fn compile(&mut self, name: &str, text: &str) -> Result<AST, Box<Fault>> {
        let real = Path::new(name).canonicalize().unwrap_or_else(|_| name.into());
        Ok(self.compile_file(name, real, text)?.0)
    }

    /// Also tells how many scripts it consists of.
    fn compile_file(&mut self, name: &str, real: PathBuf, text: &str) -> Result<(AST, usize), Box<Fault>> {
        let text = plain(text);
        self.sources.push(Source { name: name.to_owned(), text: text.clone() });
        let mut ast = self
            .engine
            .compile_with_scope(Language::scope(), text)
            .map_err(|error| Fault::of_parse(name, &error, self.language, &self.sources))?;
        ast.set_source(name);
        self.open.push((name.to_owned(), real));
        let mut count = 1;
        for (path, position) in imports(&ast) {
            count += self.import(name, path, position)?;
            if count > MOST {
                let error =
                    EvalAltResult::ErrorRuntime(format!("it imports more than {MOST} scripts").into(), position);
                return Err(Fault::of_error(name, &error, self.language, &self.sources));
            }
        }
        self.open.pop();
        Ok((ast, count))
    }

    fn import(&mut self, importer: &str, path: Option<String>, position: Position) -> Result<usize, Box<Fault>> {
        let fault = |message: String, sources: &[Source]| {
            let error = EvalAltResult::ErrorRuntime(message.into(), position);
            Fault::of_error(importer, &error, self.language, sources)
        };
        let Some(path) = path else {
            return Err(fault("what is imported must be a text in quotes".to_owned(), &self.sources));
        };
        let found = self.places.as_ref().and_then(|places| places.find(Path::new(importer), &path, self.files));
        let Some(Found { seen, real }) = found else {
            return Err(fault(
                format!(
                    "no script {path:?} to import: it is looked for beside the script and below the scripts folder"
                ),
                &self.sources,
            ));
        };
        if self.open.iter().any(|(_, open)| *open == real) {
            let open: Vec<&str> = self.open.iter().map(|(name, _)| name.as_str()).chain([path.as_str()]).collect();
            let chain = open.join(" -> ");
            return Err(fault(format!("scripts that import each other in a circle: {chain}"), &self.sources));
        }
        let name = seen.to_string_lossy().into_owned();
        let key = (importer.to_owned(), path);
        if let Some(Made { module, count }) = self.made.get(&name) {
            self.modules.insert(key, Shared::clone(module));
            return Ok(*count);
        }
        if self.open.len() > DEEPEST {
            return Err(fault(format!("imports go more than {DEEPEST} scripts deep"), &self.sources));
        }
        let text =
            self.files.read(&seen).map_err(|error| fault(format!("cannot read {name}: {error}"), &self.sources))?;
        let (ast, count) = self.compile_file(&name, real, &crate::agi::text(&text))?;
        let module = Module::eval_ast_as_new(Scope::new(), &ast, &self.importer())
            .map_err(|error| Fault::of_error(&name, &error, self.language, &self.sources))?;
        if let Some((exported, _)) = module.iter_var().find(|(_, value)| is_captured(value)) {
            let what = "is captured by a closure, so that every call would share it";
            let mut fault = fault(
                format!("`{exported}`, which {name} exports, {what}: export a function or a constant instead"),
                &self.sources,
            );
            fault.hint = None;
            return Err(fault);
        }
        let module = Shared::new(module);
        self.modules.insert(key, Shared::clone(&module));
        self.made.insert(name, Made { module, count });
        Ok(count)
    }

    /// An engine to run the top of an imported script with.
    fn importer(&self) -> Engine {
        let mut engine = self.language.compiler();
        let limits = Limits::default();
        engine.set_max_call_levels(limits.calls);
        engine.set_max_variables(limits.variables);
        engine.set_max_string_size(limits.text);
        engine.set_max_array_size(limits.elements);
        engine.set_max_map_size(limits.elements);
        engine.set_module_resolver(Resolver(Arc::new(self.modules.clone())));
        let stack = address_in_stack();
        let memory = self.language.memory.map(|memory| (memory.used, (memory.used)()));
        let until = processor_time() + i64::try_from(COMPUTING.as_nanos()).unwrap_or(i64::MAX);
        engine.on_progress(move |operations| {
            let wrong = if stack.saturating_sub(address_in_stack()) > MAX_STACK {
                "functions, blocks and operators are nested too deep".to_owned()
            } else if memory.is_some_and(|(used, before)| used().saturating_sub(before) > limits.memory.cast_signed()) {
                format!("it uses more than {} MiB of memory while it is imported", limits.memory / (1024 * 1024))
            } else if operations.is_multiple_of(CHECK_EVERY) && processor_time() > until {
                format!("it computes for more than {} s while it is imported", COMPUTING.as_secs_f64())
            } else {
                return None;
            };
            Some(format!("{wrong}: an imported script may only define functions and constants").into())
        });
        engine
    }
}

/// Whether a value is one that closures hold in common, or has one in it.
fn is_captured(value: &Dynamic) -> bool {
    if value.is_shared() {
        return true;
    }
    if let Ok(array) = value.as_array_ref() {
        return array.iter().any(is_captured);
    }
    if let Ok(map) = value.as_map_ref() {
        return map.values().any(is_captured);
    }
    value.read_lock::<FnPtr>().is_some_and(|function| function.curry().iter().any(is_captured))
}

/// Hands out the modules a script was compiled with.
pub(crate) struct Resolver(pub Arc<Modules>);

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
pub(crate) fn plain(text: &str) -> String {
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
pub(crate) fn of_top_level(ast: &AST) -> Vec<(String, String)> {
    let import = |statement: &Stmt| match statement {
        Stmt::Import(import, _) => match &import.0 {
            Expr::StringConstant(path, _) => Some((path.to_string(), import.1.name.to_string())),
            _ => None,
        },
        _ => None,
    };
    ast.statements().iter().filter_map(import).collect()
}
