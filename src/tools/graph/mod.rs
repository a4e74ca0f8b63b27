//! The graph of a script: what callers hear and are asked, and where that leads.
//!
//! What only computes isn't in it, unless it decides what a caller hears. Functions are folded until somebody wants to
//! see into them.

mod calls;
mod expressions;
mod mended;
mod node;
mod source;
mod statements;
mod value;
mod walker;

pub use node::{Edge, Graph, Group, Node, NodeKind, Span, Unfold};

use super::check::Checker;
use crate::pbx::Sounds;
use crate::script::{Fault, Language, MAX_IMPORT_DEPTH, Phrases, parse, without_shebang};
use crate::stack;
use rhai::{AST, ASTNode, Expr, Stmt};
use source::Source;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use walker::Walker;

impl Graph {
    /// Draws the script at this path. The text may be newer than the file.
    ///
    /// # Errors
    /// The text isn't a script.
    pub fn new(checker: &Checker, path: &Path, text: &str, unfold: Unfold<'_>) -> Result<Self, Box<Fault>> {
        stack::maybe_grow(|| {
            let mut engine = Language::compiler();
            engine.set_strict_variables(false);
            let text = without_shebang(text);
            let ast = parse(&engine, &text)
                .map_err(|error| Fault::of_parse(&path.to_string_lossy(), &error, &text, checker.language(path)))?;
            let mut files = Files { checker, engine: &engine, found: Vec::new() };
            files.add(path, &text, &ast, 0);
            let sources: Vec<Rc<Source>> = files.found.into_iter().flatten().map(Rc::new).collect();
            Ok(mended::mended(Walker::new(checker.known_functions(path), sources, unfold).walk()))
        })
    }
}

/// The script, and those it imports.
struct Files<'a> {
    checker: &'a Checker,
    engine: &'a rhai::Engine,
    found: Vec<Option<Source>>,
}

impl Files<'_> {
    /// Reads a script and those that it imports. Returns its index.
    fn add(&mut self, path: &Path, text: &str, ast: &AST, depth: usize) -> usize {
        let at = self.found.len();
        let sounds = Sounds::beside(path).unwrap_or_else(|_| Sounds::stock());
        let table = path.with_extension("phrases");
        let phrases = self.checker.files().text(&table).unwrap_or_default();
        let phrases = Phrases::parse(&table.to_string_lossy(), &phrases).0;
        let mut source = Source::new(path.to_owned(), text, ast, sounds, phrases);
        // So that its place isn't taken.
        self.found.push(None);
        for (alias, import) in imports(ast) {
            if let Some(import) = self.import(path, &import, depth + 1) {
                source.imports.insert(alias, import);
            }
        }
        self.found[at] = Some(source);
        at
    }

    fn import(&mut self, importer: &Path, import: &str, depth: usize) -> Option<usize> {
        let mut files = self.checker.files();
        let path: PathBuf = self.checker.places(importer).file(importer, import, &mut files)?;
        let known = self.found.iter().position(|source| source.as_ref().is_some_and(|source| source.path == path));
        if known.is_some() || depth > MAX_IMPORT_DEPTH {
            return known;
        }
        let text = files.text(&path)?;
        let text = without_shebang(&text);
        let ast = parse(self.engine, &text).ok()?;
        Some(self.add(&path, &text, &ast, depth))
    }
}

/// Returns the imports of a script: their names, and what they import.
fn imports(ast: &AST) -> Vec<(String, String)> {
    let mut found = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = nodes.last()
            && let Expr::StringConstant(path, _) = &import.0
        {
            found.push((import.1.name.to_string(), path.to_string()));
        }
        true
    });
    found
}

#[cfg(test)]
mod tests;
