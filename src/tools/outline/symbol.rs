//! The names of a script, where it defines and uses them.

use std::ops::Range;

/// The kind of a name that a script defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// `fn name()`
    Function,
    /// `let name`, or a name in a `for` or `catch`.
    Variable,
    /// `const name`
    Constant,
    /// A parameter of a function or a closure.
    Parameter,
    /// `import "path" as name`
    Import,
}

/// A name that a script defines.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// The name.
    pub name: String,
    /// Its kind.
    pub kind: SymbolKind,
    /// The place of the name.
    pub span: Range<usize>,
    /// The whole definition: a function with its body, a `let` with its value.
    pub whole: Range<usize>,
    /// Where the name can be used.
    pub scope: Range<usize>,
    /// The function that contains it.
    pub function: Option<usize>,
    /// The parameters of a function.
    pub params: Vec<String>,
    /// Whether it is a function that only its own script may call.
    pub private: bool,
    /// The path of an import.
    pub path: Option<String>,
    /// The comment above it, or after a variable on the same line.
    pub doc: String,
}

impl Symbol {
    /// Returns its definition in short: `fn play(level)`, `let score`.
    #[must_use]
    pub fn signature(&self) -> String {
        match self.kind {
            SymbolKind::Function => format!("fn {}({})", self.name, self.params.join(", ")),
            SymbolKind::Variable => format!("let {}", self.name),
            SymbolKind::Constant => format!("const {}", self.name),
            SymbolKind::Parameter => format!("parameter {}", self.name),
            SymbolKind::Import => {
                format!("import {:?} as {}", self.path.as_deref().unwrap_or_default(), self.name)
            }
        }
    }
}

/// A use of a name.
#[derive(Clone, Debug)]
pub struct Use {
    /// The name.
    pub name: String,
    /// Its place.
    pub span: Range<usize>,
    /// The name before the `::`, if any.
    pub space: Option<String>,
    /// Whether it is called.
    pub called: bool,
    /// Whether it follows a dot.
    pub method: bool,
    /// The number of arguments it is called with, if that is certain.
    pub arguments: Option<usize>,
    /// The symbol of this script to which it refers.
    pub target: Option<usize>,
}

/// A key of an object map.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The variable whose map contains it, if that is obvious.
    pub of: Option<String>,
}
