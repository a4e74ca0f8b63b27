//! Imports: everything that a script imports is compiled together with it, so that no call mixes old and new modules.

use super::fault::{Fault, Source};
use super::function_values::{self, Constants, Homes};
use super::language::Language;
use super::limits::{Limits, MAX_STACK, address_in_stack};
use super::missing;
use super::parse::parse;
use crate::clock::processor_time;
use crate::disk;
use crate::utf8::decode;
use rhai::{
    AST, ASTNode, Dynamic, Engine, EvalAltResult, Expr, FnPtr, ImmutableString, Module, ModuleResolver, Position,
    Scope, Shared, Stmt,
};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The modules of a script, by importer and path as written.
pub(crate) type Modules = BTreeMap<(String, String), Shared<Module>>;

/// How deeply imports may be nested: each level takes some of the stack.
pub(crate) const MAX_IMPORT_DEPTH: usize = 64;
/// The maximum number of scripts that a script may import. One that is imported in several ways counts for each of
/// them, since Rhai gives every importer its own list of everything below it.
const MAX_SCRIPTS: usize = 1_000;
/// How long the top level of an imported script may compute, in processor time. There is no call whose limits would
/// apply, and an edit of the script runs it once for each script that imports it.
const MAX_COMPUTING: Duration = Duration::from_millis(100);
/// The number of operations between two looks at the clock.
const OPERATIONS_PER_CHECK: u64 = 64;
/// How often a script is compiled to give its closures names that no other script's have.
const MAX_RENAMINGS: usize = 100;

/// Where scripts are read from.
pub(crate) trait Files {
    /// Reads a file.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// Called where a file was searched for in vain: if one appears there, it is the one to import.
    fn missed(&mut self, path: &Path);
}

/// Reads files from the disk.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        disk::read(path)
    }

    fn missed(&mut self, _: &Path) {}
}

/// The folders in which imports are searched for. Nothing outside them is read.
pub(crate) struct ImportFolders {
    folders: Vec<PathBuf>,
}

/// A file to import: the path by which it is known, and its path without links.
pub(crate) struct ImportedFile {
    pub path: PathBuf,
    pub real: PathBuf,
}

impl ImportFolders {
    pub fn new(beside: &Path, folder: Option<&Path>) -> Self {
        Self { folders: [Some(beside), folder].into_iter().flatten().map(Path::to_owned).collect() }
    }

    /// Returns the path of the file that is imported.
    pub fn file(&self, importer: &Path, path: &str, files: &mut dyn Files) -> Option<PathBuf> {
        self.find(importer, path, files).map(|found| found.path)
    }

    /// Finds the file that is imported: relative to its importer (if that is a link, also relative to the link's
    /// target), then in the folders.
    pub fn find(&self, importer: &Path, path: &str, files: &mut dyn Files) -> Option<ImportedFile> {
        let mut name = PathBuf::from(path);
        if name.extension().is_none_or(|extension| extension != "rhai") {
            name.as_mut_os_string().push(".rhai");
        }
        let roots: Vec<PathBuf> = self.folders.iter().filter_map(|folder| disk::real(folder).ok()).collect();
        let linked = if disk::is_link(importer) { disk::real(importer).ok() } else { None };
        let beside = [Some(importer), linked.as_deref()].into_iter().flatten().filter_map(Path::parent);
        for folder in beside.chain(self.folders.iter().map(PathBuf::as_path)) {
            let path = folder.join(&name);
            // Only regular files: reading a pipe could wait forever.
            match disk::real(&path) {
                Ok(real) if disk::is_file(&real) && roots.iter().any(|root| real.starts_with(root)) => {
                    return Some(ImportedFile { path: without_detours(path, &real), real });
                }
                _ => files.missed(&path),
            }
        }
        None
    }
}

/// Finds the table of phrases beside a script (if the script is a link, also beside its target). Most scripts have
/// none, which costs two looks at the disk.
pub(crate) fn phrases_of(script: &Path, folder: Option<&Path>, files: &mut dyn Files) -> Option<PathBuf> {
    let find = |script: &Path, files: &mut dyn Files| {
        let path = script.with_extension("phrases");
        let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As with imports, no link may lead outside.
        let roots = || [Some(beside), folder].into_iter().flatten().filter_map(|root| disk::real(root).ok());
        let is_inside = || disk::real(&path).is_ok_and(|real| roots().any(|root| real.starts_with(root)));
        if disk::is_file(&path) && is_inside() {
            return Some(path);
        }
        files.missed(&path);
        None
    };
    let linked = |files: &mut dyn Files| {
        let real = if disk::is_link(script) { disk::real(script).ok() } else { None };
        find(&real?, files)
    };
    find(script, files).or_else(|| linked(files))
}

/// Shortens `games/../lib/menu.rhai` to `lib/menu.rhai`, unless `games` is a link that leads elsewhere.
fn without_detours(path: PathBuf, real: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir && short.file_name().is_some() {
            short.pop();
        } else {
            short.push(part);
        }
    }
    if short != path && disk::real(&short).is_ok_and(|found| found == real) { short } else { path }
}

/// A script that was compiled to be imported.
struct Imported {
    module: Shared<Module>,
    /// The number of scripts it consists of: itself, and every import in every way.
    count: usize,
}

/// Compiles a script and what it imports.
pub(crate) struct Loader<'a> {
    engine: Engine,
    /// Compiles scripts that import others, or are imported.
    binding: OnceCell<Engine>,
    language: &'a Language,
    places: Option<ImportFolders>,
    files: &'a mut dyn Files,
    modules: Arc<Modules>,
    homes: Arc<Homes>,
    /// The imports compiled so far, by name. Each is read once, however many scripts import it.
    compiled: BTreeMap<String, Imported>,
    sources: Vec<Source>,
    /// The scripts being compiled, to notice one that imports itself: their names, and paths without links.
    open: Vec<(String, PathBuf)>,
}

impl<'a> Loader<'a> {
    pub fn new(language: &'a Language, places: Option<ImportFolders>, files: &'a mut dyn Files) -> Self {
        Self {
            engine: Language::compiler(),
            binding: OnceCell::new(),
            language,
            places,
            files,
            modules: Arc::default(),
            homes: Arc::default(),
            compiled: BTreeMap::new(),
            sources: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Returns the modules of the script, where its function values run, and the texts.
    pub fn finish(self) -> (Arc<Modules>, Arc<Homes>, Vec<Source>) {
        (self.modules, self.homes, self.sources)
    }

    /// Compiles the script of this name. If the script was read from a file, the name is its path.
    pub fn compile(&mut self, name: &str, text: &str) -> Result<AST, Box<Fault>> {
        Ok(self.compile_file(name, None, text, None)?.0)
    }

    /// Compiles a script, and counts the scripts it consists of. `real` is its path without links, if that is known,
    /// and `constants` are those of a script that is imported.
    fn compile_file(
        &mut self,
        name: &str,
        real: Option<PathBuf>,
        text: &str,
        constants: Option<Constants>,
    ) -> Result<(AST, usize), Box<Fault>> {
        let text = without_shebang(text);
        self.sources.push(Source { name: name.to_owned(), text: text.clone() });
        let is_imported = constants.is_some();
        let mut ast = self.parse(if is_imported { self.binding() } else { &self.engine }, name, &text)?;
        let found = imports(&ast);
        let is_alone = found.is_empty() && !is_imported;
        let number = if is_alone { None } else { Some(Arc::make_mut(&mut self.homes).begin(name)) };
        if let Some(number) = number {
            if !is_imported {
                ast = self.parse(self.binding(), name, &text)?;
            }
            ast = self.separate_closures(number, name, text, ast)?;
        }
        function_values::ensure_functions(&mut ast);
        ast.set_source(name);
        if !found.is_empty() {
            let real = real.or_else(|| disk::real(Path::new(name)).ok());
            self.open.push((name.to_owned(), real.unwrap_or_else(|| name.into())));
        }
        let mut count = 1;
        for (path, _, position) in &found {
            count += self.import(name, path.clone(), *position)?;
            if count > MAX_SCRIPTS {
                let message = format!("the script imports more than {MAX_SCRIPTS} scripts");
                let error = EvalAltResult::ErrorRuntime(message.into(), *position);
                return Err(Fault::of_error(name, &error, self.language, &self.sources));
            }
        }
        if !found.is_empty() {
            self.open.pop();
        }
        if let Some(number) = number {
            let module = |path: Option<String>| self.modules.get(&(name.to_owned(), path?)).cloned();
            let imports = found.into_iter().filter_map(|(path, alias, _)| Some((alias, module(path)?))).collect();
            Arc::make_mut(&mut self.homes).add(number, name, &ast, imports, constants);
        }
        Ok((ast, count))
    }

    fn binding(&self) -> &Engine {
        self.binding.get_or_init(|| {
            let mut binding = Language::compiler();
            function_values::replace_fn(&mut binding);
            binding
        })
    }

    fn parse(&self, engine: &Engine, name: &str, text: &str) -> Result<AST, Box<Fault>> {
        parse(engine, text).map_err(|error| Fault::of_parse(name, &error, text, self.language))
    }

    /// Takes the closures out of a script's functions. Rhai gives two closures of the same text at the same place the
    /// same name; so the text is moved until no other script has a closure of that name.
    fn separate_closures(
        &mut self,
        number: usize,
        name: &str,
        mut text: String,
        mut ast: AST,
    ) -> Result<AST, Box<Fault>> {
        for _ in 0..MAX_RENAMINGS {
            let places = self.homes.ambiguous(&ast);
            if places.is_empty() {
                break;
            }
            text = function_values::with_spaces(&text, &places);
            ast = self.parse(self.binding(), name, &text)?;
        }
        Arc::make_mut(&mut self.homes).separate_closures(number, &mut ast);
        Ok(ast)
    }

    fn import(&mut self, importer: &str, path: Option<String>, position: Position) -> Result<usize, Box<Fault>> {
        let fault = |message: String, sources: &[Source]| {
            let error = EvalAltResult::ErrorRuntime(message.into(), position);
            Fault::of_error(importer, &error, self.language, sources)
        };
        let Some(path) = path else {
            return Err(fault("the path of an import must be a text in quotes".to_owned(), &self.sources));
        };
        let found = self.places.as_ref().and_then(|places| places.find(Path::new(importer), &path, self.files));
        let Some(ImportedFile { path: file, real }) = found else {
            return Err(fault(
                format!("no script {path:?} to import: searched beside the script and below the scripts folder"),
                &self.sources,
            ));
        };
        if self.open.iter().any(|(_, open)| *open == real) {
            let open: Vec<&str> = self.open.iter().map(|(name, _)| name.as_str()).chain([path.as_str()]).collect();
            let chain = open.join(" -> ");
            return Err(fault(format!("scripts import each other in a circle: {chain}"), &self.sources));
        }
        let name = file.to_string_lossy().into_owned();
        let key = (importer.to_owned(), path);
        if let Some(Imported { module, count }) = self.compiled.get(&name) {
            Arc::make_mut(&mut self.modules).insert(key, Shared::clone(module));
            return Ok(*count);
        }
        if self.open.len() > MAX_IMPORT_DEPTH {
            return Err(fault(format!("imports are nested more than {MAX_IMPORT_DEPTH} scripts deep"), &self.sources));
        }
        let bytes =
            self.files.read(&file).map_err(|error| fault(format!("cannot read {name}: {error}"), &self.sources))?;
        let text = decode(&bytes).map_err(|error| Fault::of_encoding(&name, error))?;
        let constants = Constants::default();
        let (ast, count) = self.compile_file(&name, Some(real), text, Some(Shared::clone(&constants)))?;
        let module = Module::eval_ast_as_new(Scope::new(), &ast, &self.importer(constants))
            .map_err(|error| Fault::of_error(&name, &error, self.language, &self.sources))?;
        if let Some((exported, _)) = module.iter_var().find(|(_, value)| is_captured(value)) {
            let mut fault = fault(
                format!(
                    "{name} exports `{exported}`, which a closure has captured, so every call would share it: export a \
                     function or a constant instead"
                ),
                &self.sources,
            );
            fault.hint = None;
            return Err(fault);
        }
        let module = Shared::new(module);
        Arc::make_mut(&mut self.modules).insert(key, Shared::clone(&module));
        self.compiled.insert(name, Imported { module, count });
        Ok(count)
    }

    /// Returns an engine that runs the top level of an imported script. Its constants go here.
    #[expect(deprecated, reason = "`on_var` is marked volatile, not deprecated")]
    fn importer(&self, constants: Constants) -> Engine {
        let mut engine = self.language.engine();
        let limits = Limits::default();
        engine.set_max_call_levels(limits.calls);
        engine.set_max_variables(limits.variables);
        engine.set_max_string_size(limits.text);
        engine.set_max_array_size(limits.elements);
        engine.set_max_map_size(limits.elements);
        engine.set_module_resolver(Resolver(Arc::clone(&self.modules)));
        missing::serve(&mut engine, Some((Arc::clone(&self.homes), constants)));
        let homes = Arc::clone(&self.homes);
        engine.on_var(move |name, _, context| {
            let is_own = context.scope().contains(name);
            Ok(if is_own { None } else { homes.value_of(name, &context) })
        });
        let stack = address_in_stack();
        let memory = self.language.memory.map(|memory| (memory.used, (memory.used)()));
        let until = processor_time() + i64::try_from(MAX_COMPUTING.as_nanos()).unwrap_or(i64::MAX);
        engine.on_progress(move |operations| {
            let exceeded = if stack.saturating_sub(address_in_stack()) > MAX_STACK {
                "functions, blocks and operators are nested too deeply".to_owned()
            } else if memory.is_some_and(|(used, before)| used().saturating_sub(before) > limits.memory.cast_signed()) {
                format!("it uses more than {} MiB of memory while it is imported", limits.memory / (1024 * 1024))
            } else if operations.is_multiple_of(OPERATIONS_PER_CHECK) && processor_time() > until {
                format!("it computes for more than {} s while it is imported", MAX_COMPUTING.as_secs_f64())
            } else {
                return None;
            };
            Some(format!("{exceeded}: an imported script may only define functions and constants").into())
        });
        engine
    }
}

/// Whether closures have captured a value, or one inside it.
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

/// Removes what Rhai doesn't accept: a byte order mark, and the text of a `#!` line. The line itself stays, so that
/// the other lines keep their numbers.
pub(crate) fn without_shebang(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.strip_prefix("#!") {
        Some(rest) => rest[rest.find('\n').unwrap_or(rest.len())..].to_owned(),
        None => text.to_owned(),
    }
}

/// Returns the imports of a script: their paths, if they are literal texts, their names, and their places.
fn imports(ast: &AST) -> Vec<(Option<String>, ImmutableString, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, position))) = nodes.last() {
            let path = match &import.0 {
                Expr::StringConstant(path, _) => Some(path.to_string()),
                _ => None,
            };
            found.push((path, import.1.name.clone(), *position));
        }
        true
    });
    found
}

/// Returns the imports at the top level of a script: their paths and names.
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
