//! Records which lines of a script ran, for its tests.

use super::fault::Source;
use super::language::Language;
use rhai::{ASTNode, Engine, Stmt};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The lines of a script and of everything it imports that ran, in all of its calls and threads.
#[derive(Debug)]
pub struct Coverage {
    sources: Vec<Covered>,
}

/// The lines of one script.
#[derive(Debug)]
struct Covered {
    name: String,
    /// The lines in which a statement begins.
    lines: BTreeSet<usize>,
    /// A bit for each line that ran.
    ran: Box<[AtomicU64]>,
}

impl Coverage {
    pub(crate) fn new(sources: &[Source]) -> Arc<Self> {
        let compiler = Language::compiler();
        let covered = |source: &Source| {
            let size = source.text.lines().count() / 64 + 1;
            Covered {
                name: source.name.clone(),
                lines: lines(&compiler, &source.text),
                ran: (0..size).map(|_| AtomicU64::new(0)).collect(),
            }
        };
        Arc::new(Self { sources: sources.iter().map(covered).collect() })
    }

    /// Returns the names of the scripts: the one that was called, then those it imports.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    /// Returns the lines of a script that can run, counted from 1, and whether each did.
    pub fn lines(&self, script: &str) -> Vec<(usize, bool)> {
        let source = self.sources.iter().find(|source| source.name == script);
        source.map_or_else(Vec::new, |source| source.lines.iter().map(|&line| (line, source.has_run(line))).collect())
    }

    /// Counts the lines that ran. The count grows only when a line runs for the first time.
    pub fn count(&self) -> usize {
        let ran = self.sources.iter().flat_map(|source| source.ran.iter());
        ran.map(|bits| bits.load(Relaxed).count_ones() as usize).sum()
    }

    /// Whether every line that can run did.
    pub(crate) fn is_whole(&self) -> bool {
        self.sources.iter().all(|source| source.lines.iter().all(|&line| source.has_run(line)))
    }

    /// Records the lines that this engine runs.
    #[expect(deprecated, reason = "`register_debugger` is marked volatile, not deprecated")]
    pub(crate) fn watch(self: &Arc<Self>, engine: &mut Engine) {
        let coverage = Arc::clone(self);
        engine.register_debugger(
            |_, debugger| debugger,
            move |_, _, node, script, position| {
                // A call that is a statement may be reported as an expression.
                if let (ASTNode::Stmt(_) | ASTNode::Expr(_), Some(line)) = (node, position.line()) {
                    coverage.runs(script.unwrap_or_default(), line);
                }
                Ok(rhai::debugger::DebuggerCommand::StepInto)
            },
        );
    }

    fn runs(&self, script: &str, line: usize) {
        let source = match &*self.sources {
            [only] => only,
            sources => match sources.iter().find(|source| source.name == script) {
                Some(source) => source,
                None => return,
            },
        };
        if let Some(bits) = source.ran.get(line / 64) {
            let bit = 1 << (line % 64);
            if bits.load(Relaxed) & bit == 0 {
                bits.fetch_or(bit, Relaxed);
            }
        }
    }
}

impl Covered {
    fn has_run(&self, line: usize) -> bool {
        self.ran.get(line / 64).is_some_and(|bits| bits.load(Relaxed) & (1 << (line % 64)) != 0)
    }
}

/// Returns the lines of a script in which a statement begins.
fn lines(compiler: &Engine, text: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let Ok(ast) = compiler.compile_with_scope(Language::scope(), text) else { return lines };
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(statement)) = nodes.last()
            && !matches!(statement, Stmt::Noop(_) | Stmt::Block(_))
        {
            lines.extend(statement.position().line());
        }
        true
    });
    lines
}
