//! The nesting at a place of a script, while its outline is built.

/// The construct that encloses a piece of a script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nesting {
    Script,
    Block,
    Map,
    Paren,
    Bracket,
    /// `|x| ...`, up to the `,`, `)` or `}` that ends the argument.
    Closure {
        braced: bool,
    },
}

impl Nesting {
    /// Whether it contains statements.
    pub const fn has_statements(self) -> bool {
        matches!(self, Self::Script | Self::Block)
    }
}

/// One level of nesting, with the names that can be used in it.
pub(super) struct Frame {
    pub open: Nesting,
    pub names: Vec<usize>,
    /// Names that can be used once their statement has ended.
    pub pending: Vec<usize>,
    /// Names for the next block, and the function whose body that block is.
    pub next: Vec<usize>,
    pub next_function: Option<usize>,
    /// The function whose body this is.
    pub function: Option<usize>,
    /// The use of a name whose arguments these are, and where they began.
    pub call: Option<usize>,
    pub began: usize,
    pub commas: usize,
    /// The variable whose map this is.
    pub of: Option<String>,
}
