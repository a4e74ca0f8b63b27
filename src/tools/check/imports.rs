//! What the checker knows about imports; and files, or their newer texts in an editor.

use crate::disk;
use crate::script::{Files, ImportFolders, MAX_IMPORT_DEPTH, parse, without_shebang};
use crate::utf8::{NotUtf8, decode};
use rhai::{AST, ASTNode, Engine, Expr, FnAccess, Stmt};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Files, or the unsaved texts of an editor.
pub(in crate::tools) struct Edited<'a>(pub &'a BTreeMap<PathBuf, String>);

impl Edited<'_> {
    /// Returns the text of a file; `None` if it can't be read.
    pub fn text(&self, path: &Path) -> Option<String> {
        self.decoded(path)?.ok()
    }

    /// Returns the text of a file, or why it isn't one; `None` if it can't be read.
    pub fn decoded(&self, path: &Path) -> Option<Result<String, NotUtf8>> {
        let bytes = self.bytes(path).ok()?;
        Some(decode(&bytes).map(str::to_owned))
    }

    /// Whether there is a file, or an unsaved text.
    pub fn has(&self, path: &Path) -> bool {
        disk::is_file(path) || self.bytes(path).is_ok()
    }

    pub fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(text) = self.0.get(path) {
            return Ok(text.clone().into_bytes());
        }
        if !self.0.is_empty()
            && let Ok(real) = disk::real(path)
            && let Some((_, text)) = self.0.iter().find(|(other, _)| disk::real(other).is_ok_and(|o| o == real))
        {
            return Ok(text.clone().into_bytes());
        }
        disk::read(path)
    }
}

impl Files for Edited<'_> {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.bytes(path)
    }

    fn missed(&mut self, _: &Path) {}
}

/// A script that is imported.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub name: String,
    pub path: PathBuf,
    /// Its public functions, and the number of arguments that each takes.
    pub functions: Vec<(String, usize)>,
    /// The variables and constants that it exports.
    pub exports: BTreeSet<String>,
    /// Whether it could be read and compiled.
    pub known: bool,
    pub said: TextsAndNames,
    /// The names of the functions that it calls.
    pub calls: BTreeSet<String>,
    pub imports: Vec<Rc<Imported>>,
}

/// The texts and names in a script, whatever they are used for.
#[derive(Debug, Default)]
pub(super) struct TextsAndNames {
    /// Every text in quotes.
    pub texts: BTreeSet<String>,
    /// The beginnings of texts that the script composes when it runs.
    beginnings: BTreeSet<String>,
    /// Their ends.
    ends: BTreeSet<String>,
    /// The names of properties and of map keys, in which a function may be stored.
    pub names: BTreeSet<String>,
}

impl TextsAndNames {
    pub fn of(ast: &AST) -> Self {
        let mut said = Self::default();
        ast.walk(&mut |nodes: &[ASTNode]| {
            match nodes.last() {
                Some(ASTNode::Expr(expr)) => said.add(expr),
                // `name += "-end"` composes a text too.
                Some(ASTNode::Stmt(Stmt::Assignment(x))) if x.0.is_op_assignment() => {
                    said.parts(std::slice::from_ref(&x.1.rhs));
                }
                Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => said.composed(&call.name, &call.args),
                _ => {}
            }
            true
        });
        said
    }

    fn add(&mut self, expr: &Expr) {
        match expr {
            Expr::StringConstant(text, _) => {
                self.texts.insert(text.to_string());
            }
            Expr::InterpolatedString(parts, _) => self.parts(parts),
            Expr::Property(property, _) => {
                self.names.insert(property.2.to_string());
            }
            Expr::Map(map, _) => self.names.extend(map.0.iter().map(|(name, _)| name.as_str().to_owned())),
            Expr::FnCall(call, _) => self.composed(&call.name, &call.args),
            _ => {}
        }
    }

    fn composed(&mut self, name: &str, args: &[Expr]) {
        if name == "+" {
            self.parts(args);
        }
    }

    fn parts(&mut self, parts: &[Expr]) {
        if let Some(Expr::StringConstant(text, _)) = parts.first() {
            self.beginnings.insert(text.to_string());
        }
        if let Some(Expr::StringConstant(text, _)) = parts.last() {
            self.ends.insert(text.to_string());
        }
    }

    /// Whether this text may occur when the script runs.
    pub fn may_contain(&self, text: &str) -> bool {
        let some = |part: &&String| part.len() > 1;
        self.texts.contains(text)
            || self.beginnings.iter().filter(some).any(|beginning| text.starts_with(beginning.as_str()))
            || self.ends.iter().filter(some).any(|end| text.ends_with(end.as_str()))
    }
}

/// Reads imported scripts, each of them once.
pub(super) struct Reader<'a> {
    engine: &'a Engine,
    files: Edited<'a>,
    places: ImportFolders,
    read: RefCell<BTreeMap<PathBuf, Rc<Imported>>>,
    depth: Cell<usize>,
}

impl<'a> Reader<'a> {
    pub fn new(engine: &'a Engine, files: Edited<'a>, places: ImportFolders) -> Self {
        Self { engine, files, places, read: RefCell::default(), depth: Cell::new(0) }
    }

    /// Returns the script that an import refers to; `None` if there is none.
    pub fn import(&self, importer: &Path, path: &str) -> Option<Rc<Imported>> {
        let found = self.places.find(importer, path, &mut Edited(self.files.0))?;
        if let Some(known) = self.read.borrow().get(&found.real) {
            return Some(Rc::clone(known));
        }
        // Scripts that import each other in a circle have a fault of their own.
        self.read.borrow_mut().insert(found.real.clone(), Rc::default());
        // So do imports nested deeper than this.
        if self.depth.get() > MAX_IMPORT_DEPTH {
            return None;
        }
        let text = self.files.decoded(&found.path)?;
        let name = found.path.to_string_lossy().into_owned();
        self.depth.set(self.depth.get() + 1);
        let parsed = text.ok().and_then(|text| parse(self.engine, &without_shebang(&text)).ok());
        let made = match parsed {
            Some(ast) => self.describe(name, &found.path, &ast),
            None => Imported { name, path: found.path.clone(), ..Imported::default() },
        };
        self.depth.set(self.depth.get() - 1);
        let made = Rc::new(made);
        self.read.borrow_mut().insert(found.real, Rc::clone(&made));
        Some(made)
    }

    fn describe(&self, name: String, path: &Path, ast: &AST) -> Imported {
        let functions = ast.iter_functions().filter(|f| f.access == FnAccess::Public);
        let functions = functions.map(|f| (f.name.to_owned(), f.params.len())).collect();
        let mut exports = BTreeSet::new();
        for statement in ast.statements() {
            match statement {
                Stmt::Var(x, flags, _) if flags.intersects(rhai::ASTFlags::EXPORTED) => {
                    exports.insert(x.0.name.to_string());
                }
                Stmt::Export(x, _) => {
                    let name = if x.1.name.is_empty() { &x.0.name } else { &x.1.name };
                    exports.insert(name.to_string());
                }
                _ => {}
            }
        }
        let imports = paths(ast).into_iter().filter_map(|next| self.import(path, &next)).collect();
        Imported {
            name,
            path: path.to_owned(),
            functions,
            exports,
            known: true,
            said: TextsAndNames::of(ast),
            calls: called(ast),
            imports,
        }
    }
}

/// Returns the names of the functions that a script calls.
fn called(ast: &AST) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(
            ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)),
        ) = nodes.last()
        {
            found.insert(call.name.to_string());
        }
        true
    });
    found
}

/// Returns the paths that a script imports, if they are texts in quotes.
pub(super) fn paths(ast: &AST) -> Vec<String> {
    let mut found = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = nodes.last()
            && let Expr::StringConstant(path, _) = &import.0
        {
            found.push(path.to_string());
        }
        true
    });
    found
}

/// Returns these scripts and all scripts that they import, each of them once.
pub(super) fn all(imports: &[Rc<Imported>]) -> Vec<Rc<Imported>> {
    let mut found: Vec<Rc<Imported>> = Vec::new();
    let mut open: Vec<Rc<Imported>> = imports.to_vec();
    while let Some(next) = open.pop() {
        if !found.iter().any(|known| Rc::ptr_eq(known, &next)) {
            open.extend(next.imports.iter().cloned());
            found.push(next);
        }
    }
    found
}
