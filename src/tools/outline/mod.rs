//! The outline of a script, as an editor needs it: which names there are, where they hold, and what the cursor is in.
//!
//! A script is looked at in every state it has while it is typed, so nothing here needs it to be whole: it is read word
//! by word, and what is not understood is passed over. Whether a script is right is told by the checker.

mod lexer;
pub mod words;

pub use lexer::{Token, TokenKind};

use crate::script::{Disk, Language, Places, VALUES};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a script's own name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// `fn name()`
    Function,
    /// `let name`, the name of a `for` or of a `catch`.
    Variable,
    /// `const name`
    Constant,
    /// Of a function or of a closure.
    Parameter,
    /// `import "path" as name`
    Import,
}

/// A name a script gives.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub kind: SymbolKind,
    /// Where the name stands.
    pub span: Range<usize>,
    /// The whole of what gives the name: a function with its body, a `let` with its value.
    pub whole: Range<usize>,
    /// Where the name holds.
    pub holds: Range<usize>,
    /// The function it is in.
    pub function: Option<usize>,
    /// The parameters of a function.
    pub params: Vec<String>,
    /// Whether it is a function only its own script may call.
    pub private: bool,
    /// The path of an import.
    pub path: Option<String>,
    /// The comment above it, or behind a variable.
    pub doc: String,
}

impl Symbol {
    /// How it is written: `fn play(level)`, `let score`.
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

/// A place where a name is used.
#[derive(Clone, Debug)]
pub struct Use {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Range<usize>,
    /// The name before the `::`, if there is one.
    pub space: Option<String>,
    /// Whether it is called.
    pub called: bool,
    /// Whether it stands behind a dot.
    pub method: bool,
    /// With how many arguments it is called, where that is certain.
    pub arguments: Option<usize>,
    /// What of this script it stands for.
    pub target: Option<usize>,
}

/// A key of an object map.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The variable it is of, where that is plain.
    pub of: Option<String>,
}

/// The call the cursor is in the arguments of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calling {
    /// The name of the function.
    pub name: String,
    /// The name before the `::`.
    pub space: Option<String>,
    /// Whether the function stands behind a dot.
    pub method: bool,
    /// The number of the argument, from 0.
    pub argument: usize,
    /// The key of the object map the cursor is in, where the argument is one.
    pub key: Option<String>,
}

/// What the cursor is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where a statement or a value may stand; the part of a name before the cursor begins here.
    Code(usize),
    /// Behind the dot of this name, if it is one.
    Member(usize, Option<String>),
    /// Behind the `::` of this name.
    Space(usize, String),
    /// In a text without `${}`, which stands here.
    Text(Range<usize>),
    /// In the path of an import, which stands here.
    ImportPath(Range<usize>),
    /// Where only a new name may stand, or nothing the outline could know.
    Elsewhere,
}

/// The outline of a script.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    text: String,
    tokens: Vec<Token>,
    symbols: Vec<Symbol>,
    uses: Vec<Use>,
    keys: Vec<Key>,
}

impl Outline {
    /// The outline of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Walk::new(text).walk()
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All names the script gives, in their order.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// All places where names are used.
    #[must_use]
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// All keys of object maps.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The functions of the script.
    pub fn functions(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.kind == SymbolKind::Function)
    }

    /// The symbol whose name is given or used here.
    #[must_use]
    pub fn symbol_at(&self, offset: usize) -> Option<usize> {
        let given = self.symbols.iter().position(|symbol| touches(&symbol.span, offset));
        given.or_else(|| self.use_at(offset)?.target)
    }

    /// The use of a name here.
    #[must_use]
    pub fn use_at(&self, offset: usize) -> Option<&Use> {
        self.uses.iter().find(|name| touches(&name.span, offset))
    }

    /// The word or the inside of the text here.
    #[must_use]
    pub fn word_at(&self, offset: usize) -> Option<(Range<usize>, &TokenKind)> {
        let token = self.tokens.iter().find(|token| match &token.kind {
            TokenKind::Word => touches(&token.span, offset),
            TokenKind::Text { inner, .. } => touches(inner, offset),
            _ => false,
        })?;
        let span = if let TokenKind::Text { inner, .. } = &token.kind { inner.clone() } else { token.span.clone() };
        Some((span, &token.kind))
    }

    /// Everywhere the name of this symbol stands, where it is given first.
    #[must_use]
    pub fn places_of(&self, symbol: usize) -> Vec<Range<usize>> {
        let Some(given) = self.symbols.get(symbol) else { return Vec::new() };
        let used = self.uses.iter().filter(|name| name.target == Some(symbol)).map(|name| name.span.clone());
        std::iter::once(given.span.clone()).chain(used).collect()
    }

    /// The function whose text the cursor is in.
    #[must_use]
    pub fn function_at(&self, offset: usize) -> Option<usize> {
        let within = |symbol: &Symbol| {
            symbol.kind == SymbolKind::Function && symbol.whole.start <= offset && offset < symbol.whole.end
        };
        self.symbols.iter().position(within)
    }

    /// The names that can be used here; of several variables of one name, the one that counts.
    #[must_use]
    pub fn visible(&self, offset: usize) -> Vec<usize> {
        let function = self.function_at(offset);
        let mut found: Vec<usize> = Vec::new();
        for (id, symbol) in self.symbols.iter().enumerate() {
            let everywhere = symbol.kind == SymbolKind::Function;
            let holds = symbol.holds.start <= offset && offset <= symbol.holds.end;
            let above = symbol.function.is_none()
                && matches!(symbol.kind, SymbolKind::Constant | SymbolKind::Import)
                && function.is_some();
            if everywhere || above || (holds && symbol.function == function) {
                if !everywhere {
                    found.retain(|&other| {
                        self.symbols[other].name != symbol.name || self.symbols[other].kind == SymbolKind::Function
                    });
                }
                found.push(id);
            }
        }
        found
    }

    /// Why this symbol cannot have another name, if it cannot.
    #[must_use]
    pub fn conflict(&self, symbol: usize, name: &str) -> Option<String> {
        let renamed = self.symbols.get(symbol)?;
        if renamed.kind == SymbolKind::Function {
            let same = |other: &Symbol| other.name == name && other.params.len() == renamed.params.len();
            return self.functions().any(same).then(|| format!("there is a function `{name}` with as many parameters"));
        }
        let taken =
            |span: &Range<usize>| self.visible(span.start).iter().any(|&other| self.symbols[other].name == name);
        let captured = |other: &Use| {
            other.name == name
                && !other.method
                && other.space.is_none()
                && renamed.holds.contains(&other.span.start)
                && self.function_at(other.span.start) == renamed.function
        };
        let hidden = self.symbols.iter().any(|other| {
            other.name == name && other.function == renamed.function && touches(&other.holds, renamed.span.start)
        });
        let clash = hidden || self.places_of(symbol).iter().any(taken) || self.uses.iter().any(captured);
        clash.then(|| format!("`{name}` means something else here already"))
    }

    /// What the cursor is in.
    #[must_use]
    pub fn place(&self, offset: usize) -> Place {
        let mut start = offset;
        let mut before = self.tokens.partition_point(|token| token.span.end <= offset);
        // The token the cursor is in, or right behind.
        let candidates = [before.checked_sub(1), Some(before)];
        for index in candidates.into_iter().flatten() {
            let Some(token) = self.tokens.get(index) else { continue };
            let span = &token.span;
            if span.start >= offset {
                continue;
            }
            match &token.kind {
                TokenKind::Text { inner, whole } if touches(inner, offset) => {
                    let last = self.code_before(index).map(|token| &self.text[token.span.clone()]);
                    return match last {
                        _ if !whole => Place::Elsewhere,
                        Some("import") => Place::ImportPath(inner.clone()),
                        _ => Place::Text(inner.clone()),
                    };
                }
                TokenKind::Comment => {
                    let closed = self.text[span.clone()].ends_with("*/");
                    if offset < span.end || !closed {
                        return Place::Elsewhere;
                    }
                }
                TokenKind::Word if touches(span, offset) => {
                    start = span.start;
                    before = index;
                }
                TokenKind::Number | TokenKind::Character if touches(span, offset) => return Place::Elsewhere,
                _ => {}
            }
        }
        let last = self.code_before(before);
        match last.map(|token| &self.text[token.span.clone()]) {
            Some("." | "?.") => Place::Member(start, self.owner(before)),
            Some("::") => Place::Space(start, self.owner(before).unwrap_or_default()),
            Some("let" | "const" | "fn" | "for" | "as") => Place::Elsewhere,
            _ => Place::Code(start),
        }
    }

    fn code_before(&self, index: usize) -> Option<&Token> {
        self.tokens[..index.min(self.tokens.len())].iter().rev().find(|token| token.kind != TokenKind::Comment)
    }

    /// The name before the dot or the `::` that is the last sign before this token.
    fn owner(&self, index: usize) -> Option<String> {
        let mut code = self.tokens[..index].iter().rev().filter(|token| token.kind != TokenKind::Comment);
        let owner = code.nth(1).filter(|token| token.kind == TokenKind::Word)?;
        let nested = code.next().is_some_and(|token| matches!(&self.text[token.span.clone()], "." | "?." | "::"));
        (!nested).then(|| self.text[owner.span.clone()].to_owned())
    }

    /// The call the cursor is in the arguments of, and the argument. Needs nothing of what comes after.
    #[must_use]
    pub fn calling(&self, offset: usize) -> Option<Calling> {
        let before = self.tokens.iter().filter(|token| token.kind != TokenKind::Comment);
        let code: Vec<&Token> = before.take_while(|token| token.span.end <= offset).collect();
        let shown = |at: usize| &self.text[code[at].span.clone()];
        let (mut closed, mut commas, mut key, mut at) = (0_usize, 0, None, code.len());
        while at > 0 {
            at -= 1;
            match shown(at) {
                _ if matches!(code[at].kind, TokenKind::Text { .. }) => {}
                ")" | "]" | "}" => closed += 1,
                "(" | "[" | "?[" | "{" | "#{" | "${" if closed > 0 => closed -= 1,
                _ if closed > 0 => {}
                "{" | "${" | ";" | "let" | "const" | "fn" | "import" => return None,
                "[" | "?[" => commas = 0,
                "#{" => {
                    let name = |colon: usize| self.plain(code[colon.checked_sub(1)?]);
                    let colon = (at + 1..code.len()).rev().find(|&i| shown(i) == "," || shown(i) == ":");
                    key = colon.filter(|&i| shown(i) == ":").and_then(name).or(key);
                    commas = 0;
                }
                "|" => at = Self::closure_start(&code, at, &self.text).unwrap_or(at),
                "," => commas += 1,
                "(" => match at.checked_sub(1).map(|name| (name, code[name])) {
                    Some((name, word)) if word.kind == TokenKind::Word && !is_keyword(shown(name)) => {
                        if name.checked_sub(1).is_some_and(|fun| shown(fun) == "fn") {
                            return None;
                        }
                        let sign = name.checked_sub(1).map_or("", shown);
                        let space = (sign == "::").then(|| name.checked_sub(2).map_or("", shown).to_owned());
                        let method = matches!(sign, "." | "?.");
                        return Some(Calling { name: shown(name).to_owned(), space, method, argument: commas, key });
                    }
                    _ => commas = 0,
                },
                _ => {}
            }
        }
        None
    }

    /// Where the parameters of a closure begin that end here.
    fn closure_start(code: &[&Token], end: usize, text: &str) -> Option<usize> {
        let start = (0..end).rev().find(|&i| code[i].kind != TokenKind::Word && &text[code[i].span.clone()] != ",")?;
        (&text[code[start].span.clone()] == "|").then_some(start)
    }

    fn plain(&self, token: &Token) -> Option<String> {
        match &token.kind {
            TokenKind::Word => Some(self.text[token.span.clone()].to_owned()),
            TokenKind::Text { inner, .. } => Some(self.text[inner.clone()].to_owned()),
            _ => None,
        }
    }
}

/// Whether the cursor is in this span or at one of its ends.
const fn touches(span: &Range<usize>, offset: usize) -> bool {
    span.start <= offset && offset <= span.end
}

/// Words that are no names.
pub const KEYWORDS: [&str; 26] = [
    "as", "break", "catch", "const", "continue", "do", "else", "export", "false", "fn", "for", "if", "import", "in",
    "let", "loop", "private", "return", "switch", "this", "throw", "true", "try", "until", "while", "global",
];

fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Whether a script may give this name to a function or to a variable.
///
/// # Errors
/// Why not.
pub fn may_be_named(name: &str, kind: SymbolKind, language: &Language) -> Result<(), String> {
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`{name}` is no name: letters a to z, digits and `_`, no digit first"));
    }
    if VALUES.contains(&name) {
        return Err(format!("`{name}` is a value every script has"));
    }
    if kind == SymbolKind::Function && language.function(name).is_some() {
        return Err(format!("there is a function `{name}` already, which every script has"));
    }
    let tried = match kind {
        SymbolKind::Function => format!("fn {name}() {{}}"),
        _ => format!("let {name} = 1; {name}"),
    };
    // The language itself is asked, since the list of its reserved words is nobody's but its own.
    match language.compiler().compile(tried) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{name}` is a word of the language")),
    }
}

/// The file an import means, as a call would find it.
#[must_use]
pub fn imported(importer: &Path, path: &str, folder: Option<&Path>) -> Option<PathBuf> {
    let beside = importer.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Places::new(beside, folder).file(importer, path, &mut Disk)
}

/// What is open, from the script itself inwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Script,
    Block,
    Map,
    Paren,
    Bracket,
    /// `|x| ...`, which ends with the argument it is.
    Closure {
        braced: bool,
    },
}

impl Open {
    /// Whether statements stand in it.
    const fn has_statements(self) -> bool {
        matches!(self, Self::Script | Self::Block)
    }
}

struct Frame {
    open: Open,
    names: Vec<usize>,
    /// Names that hold once their statement has ended.
    pending: Vec<usize>,
    /// Names for the next block, and the function it is the body of.
    next: Vec<usize>,
    next_function: Option<usize>,
    /// The function this is the body of.
    function: Option<usize>,
    /// The use whose arguments these are, and where they began.
    call: Option<usize>,
    began: usize,
    commas: usize,
    /// The variable whose map this is.
    of: Option<String>,
}

/// Goes through a script once.
struct Walk<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// The tokens that are no comments.
    code: Vec<usize>,
    at: usize,
    frames: Vec<Frame>,
    symbols: Vec<Symbol>,
    uses: Vec<Use>,
    keys: Vec<Key>,
    /// The path of the import that is being read.
    path: Option<String>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        let tokens = lexer::tokens(text);
        let code = (0..tokens.len()).filter(|&i| tokens[i].kind != TokenKind::Comment).collect();
        let mut walk = Self {
            text,
            tokens,
            code,
            at: 0,
            frames: Vec::new(),
            symbols: Vec::new(),
            uses: Vec::new(),
            keys: Vec::new(),
            path: None,
        };
        walk.push(Open::Script);
        walk
    }

    fn walk(mut self) -> Outline {
        while self.at < self.code.len() {
            self.step();
            self.at += 1;
        }
        while !self.frames.is_empty() {
            self.pop(self.text.len());
        }
        self.resolve();
        Outline {
            text: self.text.to_owned(),
            tokens: self.tokens,
            symbols: self.symbols,
            uses: self.uses,
            keys: self.keys,
        }
    }

    fn token(&self, at: usize) -> Option<&Token> {
        self.code.get(at).map(|&index| &self.tokens[index])
    }

    /// The text of a word or a sign; of nothing else.
    fn shown(&self, at: usize) -> &'a str {
        match self.token(at) {
            Some(Token { kind: TokenKind::Word | TokenKind::Sign, span }) => &self.text[span.clone()],
            _ => "",
        }
    }

    fn behind(&self) -> &'a str {
        self.at.checked_sub(1).map_or("", |at| self.shown(at))
    }

    fn span(&self, at: usize) -> Range<usize> {
        self.token(at).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    fn top(&mut self) -> &mut Frame {
        // The frame of the script is only closed at the end.
        if self.frames.is_empty() {
            self.push(Open::Script);
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn push(&mut self, open: Open) {
        self.frames.push(Frame {
            open,
            names: Vec::new(),
            pending: Vec::new(),
            next: Vec::new(),
            next_function: None,
            function: None,
            call: None,
            began: self.at,
            commas: 0,
            of: None,
        });
    }

    fn pop(&mut self, offset: usize) {
        let Some(frame) = self.frames.pop() else { return };
        for &id in &frame.pending {
            self.symbols[id].holds = offset..offset;
            self.symbols[id].whole.end = offset;
        }
        for id in frame.names {
            self.symbols[id].holds.end = offset;
        }
        if let Some(function) = frame.function {
            self.symbols[function].whole.end = offset;
        }
    }

    /// Closes what is open down to the nearest frame of this kind; what stands between is not closed by this sign.
    fn close(&mut self, wanted: &[Open], may_skip: &[Open]) -> bool {
        let skips = |open: Open| may_skip.contains(&open) || matches!(open, Open::Closure { .. });
        let Some(found) = self.frames.iter().rposition(|frame| wanted.contains(&frame.open)) else { return false };
        if !self.frames[found + 1..].iter().all(|frame| skips(frame.open)) {
            return false;
        }
        let end = self.span(self.at).end;
        while self.frames.len() > found {
            self.pop(end);
        }
        true
    }

    /// A closure ends with the argument it is.
    fn end_closures(&mut self) {
        while matches!(self.top().open, Open::Closure { .. }) {
            let start = self.span(self.at).start;
            self.pop(start);
        }
    }

    /// Where a statement begins, nothing but blocks can be open: what else is, was forgotten.
    fn begin_statement(&mut self) {
        while !self.top().open.has_statements() {
            let start = self.span(self.at).start;
            self.pop(start);
        }
    }

    /// From here on the names of the statements before hold.
    fn activate(&mut self) {
        let end = self.span(self.at).end;
        let pending = std::mem::take(&mut self.top().pending);
        for &id in &pending {
            self.symbols[id].holds.start = end;
            self.symbols[id].whole.end = end;
        }
        self.top().names.extend(pending);
    }

    fn step(&mut self) {
        let Some(token) = self.token(self.at).cloned() else { return };
        match token.kind {
            TokenKind::Word => self.word(),
            TokenKind::Text { inner, .. } => self.quoted(inner),
            TokenKind::Sign => self.sign(),
            TokenKind::Number | TokenKind::Character | TokenKind::Comment => {}
        }
    }

    fn word(&mut self) {
        let word = self.shown(self.at);
        match word {
            _ if matches!(self.behind(), "." | "?.") => self.member(word),
            _ if self.is_key() => self.key(word),
            "let" | "const" => {
                self.begin_statement();
                self.activate_before();
                let kind = if word == "let" { SymbolKind::Variable } else { SymbolKind::Constant };
                if let Some(id) = self.declare(kind, self.at + 1, self.at) {
                    self.top().pending.push(id);
                    self.at += 1;
                }
            }
            "fn" => self.function(),
            "for" => self.names_for_block(&["in"]),
            "catch" => self.names_for_block(&[]),
            "import" => {
                self.begin_statement();
                self.activate_before();
                self.path = match self.token(self.at + 1) {
                    Some(Token { kind: TokenKind::Text { inner, .. }, .. }) => {
                        Some(self.text[inner.clone()].to_owned())
                    }
                    _ => None,
                };
            }
            "as" => {
                if let Some(path) = self.path.take() {
                    let start = self.at.saturating_sub(2);
                    if let Some(id) = self.declare(SymbolKind::Import, self.at + 1, start) {
                        self.symbols[id].path = Some(path);
                        self.top().pending.push(id);
                    }
                }
                self.at += 1;
            }
            "global" if self.shown(self.at + 1) == "::" => {}
            _ if is_keyword(word) => {}
            _ => self.name(word),
        }
    }

    /// A statement may begin where the one before has no semicolon yet.
    fn activate_before(&mut self) {
        if self.top().pending.is_empty() {
            return;
        }
        self.at -= 1;
        self.activate();
        self.at += 1;
    }

    fn is_key(&mut self) -> bool {
        let starts = matches!(self.behind(), "#{" | ",");
        starts && self.top().open == Open::Map && self.shown(self.at + 1) == ":"
    }

    fn key(&mut self, name: &str) {
        let of = self.top().of.clone();
        self.keys.push(Key { name: name.to_owned(), of });
    }

    fn member(&mut self, word: &str) {
        if self.shown(self.at + 1) == "(" {
            self.note(word, self.at, None, true);
            return;
        }
        let owner = self.at.checked_sub(2).map(|at| (at, self.shown(at)));
        let plain = |at: usize| !at.checked_sub(1).is_some_and(|at| matches!(self.shown(at), "." | "?." | "::"));
        let of = owner.filter(|&(at, name)| !name.is_empty() && plain(at)).map(|(_, name)| name.to_owned());
        self.keys.push(Key { name: word.to_owned(), of });
    }

    fn name(&mut self, word: &str) {
        let space = (self.behind() == "::").then(|| self.at.checked_sub(2).map_or("", |at| self.shown(at)).to_owned());
        self.note(word, self.at, space, false);
    }

    fn note(&mut self, name: &str, at: usize, space: Option<String>, method: bool) {
        let called = self.shown(at + 1) == "(" || (self.shown(at + 1) == "!" && self.shown(at + 2) == "(");
        let target = if space.is_none() && !method { self.variable(name) } else { None };
        let span = self.span(at);
        self.uses.push(Use { name: name.to_owned(), span, space, called, method, arguments: None, target });
    }

    /// The variable of this name that holds here. A function sees none of the script's own.
    fn variable(&self, name: &str) -> Option<usize> {
        for frame in self.frames.iter().rev() {
            if let Some(&id) = frame.names.iter().rev().find(|&&id| self.symbols[id].name == name) {
                return Some(id);
            }
            if frame.function.is_some() {
                return None;
            }
        }
        None
    }

    /// Gives a name, if one stands here. It holds from here on, unless told otherwise.
    fn declare(&mut self, kind: SymbolKind, at: usize, from: usize) -> Option<usize> {
        let name = self.shown(at);
        if !matches!(self.token(at)?.kind, TokenKind::Word) || is_keyword(name) {
            return None;
        }
        let span = self.span(at);
        let whole = if kind == SymbolKind::Parameter { span.clone() } else { self.span(from).start..span.end };
        let function = self.frames.iter().rev().find_map(|frame| frame.function);
        let doc = if kind == SymbolKind::Parameter { String::new() } else { self.doc(from, at) };
        self.symbols.push(Symbol {
            name: name.to_owned(),
            kind,
            holds: span.start..self.text.len(),
            span,
            whole,
            function,
            params: Vec::new(),
            private: false,
            path: None,
            doc,
        });
        Some(self.symbols.len() - 1)
    }

    /// `fn name(a, b)`; the block behind it is its body.
    fn function(&mut self) {
        // A function stands nowhere but at the top: whatever is open was forgotten.
        let here = self.span(self.at).start;
        while self.frames.len() > 1 {
            self.pop(here);
        }
        self.activate_before();
        self.top().next.clear();
        let private = self.behind() == "private";
        let from = self.at - usize::from(private);
        let mut name = self.at + 1;
        if self.shown(name + 1) == "." {
            // `fn Type.name()`
            name += 2;
        }
        let Some(id) = self.declare(SymbolKind::Function, name, from) else { return };
        self.symbols[id].private = private;
        self.at = name;
        let mut params = Vec::new();
        if self.shown(name + 1) == "(" {
            self.at += 1;
            while matches!(self.token(self.at + 1), Some(Token { kind: TokenKind::Word, .. }))
                || self.shown(self.at + 1) == ","
            {
                self.at += 1;
                if let Some(param) = self.declare(SymbolKind::Parameter, self.at, self.at) {
                    self.symbols[param].function = Some(id);
                    params.push(param);
                }
            }
            if self.shown(self.at + 1) == ")" {
                self.at += 1;
            }
        }
        self.symbols[id].params = params.iter().map(|&param| self.symbols[param].name.clone()).collect();
        self.symbols[id].whole.end = self.span(self.at).end;
        self.top().next = params;
        self.top().next_function = Some(id);
    }

    /// `for x in`, `for (x, i) in`, `catch (e)`: the names hold in the block behind.
    fn names_for_block(&mut self, until: &[&str]) {
        let from = self.at;
        let mut names = Vec::new();
        loop {
            let word = matches!(self.token(self.at + 1), Some(Token { kind: TokenKind::Word, .. }));
            let next = self.shown(self.at + 1);
            let more = (word && !is_keyword(next)) || matches!(next, "(" | ")" | ",");
            if !more || until.contains(&next) {
                break;
            }
            self.at += 1;
            names.extend(self.declare(SymbolKind::Variable, self.at, from));
            if next == ")" {
                break;
            }
        }
        for &id in &names {
            self.symbols[id].whole = self.symbols[id].span.clone();
        }
        self.top().next = names;
    }

    fn quoted(&mut self, inner: Range<usize>) {
        let text = &self.text[inner.clone()];
        if self.is_key() {
            self.key(text);
        }
        // `Fn("name")` names a function.
        if self.behind() == "(" && self.at >= 2 && self.shown(self.at - 2) == "Fn" {
            self.uses.push(Use {
                name: text.to_owned(),
                span: inner,
                space: None,
                called: false,
                method: true,
                arguments: None,
                target: None,
            });
        }
    }

    fn sign(&mut self) {
        let sign = self.shown(self.at);
        match sign {
            "{" | "${" => self.block(),
            "#{" => {
                let variable = self.at.checked_sub(2).map_or("", |at| self.shown(at));
                let of = (self.behind() == "=" && !variable.is_empty()).then(|| variable.to_owned());
                self.push(Open::Map);
                self.top().of = of;
            }
            "(" => {
                let called = self
                    .at
                    .checked_sub(1)
                    .map(|at| if self.shown(at) == "!" { self.span(at - 1) } else { self.span(at) });
                let call =
                    self.uses.last().filter(|name| called.as_ref() == Some(&name.span)).map(|_| self.uses.len() - 1);
                self.push(Open::Paren);
                self.top().call = call;
            }
            "[" | "?[" => self.push(Open::Bracket),
            ")" => {
                self.end_closures();
                let frame = self.top();
                let (open, call, began, commas) = (frame.open, frame.call, frame.began, frame.commas);
                if let (Open::Paren, Some(call)) = (open, call) {
                    let empty = self.at == began + 1;
                    let trailing = self.behind() == ",";
                    self.uses[call].arguments = Some(if empty { 0 } else { commas + 1 - usize::from(trailing) });
                }
                self.close(&[Open::Paren], &[Open::Bracket]);
            }
            "]" => {
                self.close(&[Open::Bracket], &[Open::Paren]);
            }
            "}" => self.close_block(),
            "," => {
                self.end_closures();
                self.top().commas += 1;
            }
            ";" => {
                self.begin_statement();
                self.path = None;
                self.activate();
            }
            "|" | "||" if !self.follows_value() => self.closure(sign),
            _ => {}
        }
    }

    fn close_block(&mut self) {
        let closed = self.close(&[Open::Block, Open::Map], &[Open::Paren, Open::Bracket]);
        if closed && self.top().open == (Open::Closure { braced: true }) {
            let end = self.span(self.at).end;
            self.pop(end);
        }
    }

    fn block(&mut self) {
        let at = self.at;
        let frame = self.top();
        if let Open::Closure { braced } = &mut frame.open
            && frame.began + 1 == at
        {
            *braced = true;
        }
        let names = std::mem::take(&mut frame.next);
        let function = frame.next_function.take();
        self.push(Open::Block);
        let start = self.span(at).end;
        for &id in &names {
            if self.symbols[id].kind == SymbolKind::Variable {
                self.symbols[id].holds.start = start;
            }
        }
        self.top().names = names;
        self.top().function = function;
    }

    /// Whether what stands before is a value, so that `|` joins two of them.
    fn follows_value(&self) -> bool {
        let Some(before) = self.at.checked_sub(1) else { return false };
        match self.token(before).map(|token| &token.kind) {
            Some(TokenKind::Sign) => matches!(self.shown(before), ")" | "]" | "}"),
            Some(TokenKind::Word) => {
                let word = self.shown(before);
                !is_keyword(word) || matches!(word, "this" | "true" | "false")
            }
            _ => true,
        }
    }

    fn closure(&mut self, sign: &str) {
        let mut params = Vec::new();
        if sign == "|" {
            while matches!(self.token(self.at + 1), Some(Token { kind: TokenKind::Word, .. }))
                || self.shown(self.at + 1) == ","
            {
                self.at += 1;
                params.extend(self.declare(SymbolKind::Parameter, self.at, self.at));
            }
            if self.shown(self.at + 1) == "|" {
                self.at += 1;
            }
        }
        self.push(Open::Closure { braced: false });
        self.top().names = params;
    }

    /// Functions are known everywhere, also above; constants and imports of the script also in its functions.
    fn resolve(&mut self) {
        let above = |symbol: &Symbol| {
            symbol.function.is_none() && matches!(symbol.kind, SymbolKind::Constant | SymbolKind::Import)
        };
        for index in 0..self.uses.len() {
            let name = &self.uses[index];
            let own = name.space.as_deref().is_none_or(|space| space == "global");
            if !own || (name.target.is_some() && !name.called) {
                continue;
            }
            let named = |symbol: &&Symbol| symbol.name == name.name;
            let functions =
                || self.symbols.iter().enumerate().filter(|(_, s)| s.kind == SymbolKind::Function && named(s));
            let fits = |symbol: &Symbol| name.arguments.is_none_or(|count| count == symbol.params.len());
            let function = functions().find(|(_, symbol)| fits(symbol)).or_else(|| functions().next());
            let constant = || self.symbols.iter().enumerate().find(|(_, symbol)| above(symbol) && named(symbol));
            let found = match function {
                // A method of the language may have the name of a function with other parameters.
                Some((_, symbol)) if name.method && name.called && !fits(symbol) => None,
                Some((id, _)) => Some(id),
                None if name.method => None,
                None => name.target.or_else(|| constant().map(|(id, _)| id)),
            };
            self.uses[index].target = found;
        }
    }

    /// The comment that stands right above, or behind in the same line.
    fn doc(&self, from: usize, name: usize) -> String {
        let Some(&first) = self.code.get(from) else { return String::new() };
        let mut lines = Vec::new();
        let mut start = self.tokens[first].span.start;
        for token in self.tokens[..first].iter().rev() {
            let between = &self.text[token.span.end..start];
            let alone = self.text[..token.span.start].rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
            let shebang = self.text[token.span.clone()].starts_with("#!");
            if token.kind != TokenKind::Comment || between.matches('\n').count() > 1 || !alone || shebang {
                break;
            }
            lines.push(uncommented(&self.text[token.span.clone()]));
            start = token.span.start;
        }
        lines.reverse();
        if lines.is_empty() && self.shown(from) != "fn" && self.shown(from) != "private" {
            let line_end =
                self.text[self.span(name).end..].find('\n').map_or(self.text.len(), |at| at + self.span(name).end);
            let behind = self.tokens.iter().skip(first).take_while(|token| token.span.start < line_end);
            lines.extend(
                behind
                    .filter(|token| token.kind == TokenKind::Comment)
                    .map(|token| uncommented(&self.text[token.span.clone()])),
            );
        }
        lines.join("\n").trim().to_owned()
    }
}

/// A comment without its signs.
fn uncommented(comment: &str) -> String {
    if let Some(block) = comment.strip_prefix("/*") {
        let lines = block.trim_end_matches("*/").trim_start_matches('*').lines();
        return lines.map(|line| line.trim().trim_start_matches("* ")).collect::<Vec<_>>().join("\n").trim().to_owned();
    }
    let text = comment.trim_start_matches('/').trim_end();
    text.strip_prefix(' ').unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cursor stands at the `^` of the text.
    fn cursor(text: &str) -> (Outline, usize) {
        let offset = text.find('^').unwrap();
        (Outline::new(&text.replacen('^', "", 1)), offset)
    }

    /// The name at the `^` stands there, and at each `~`, and nowhere else.
    #[track_caller]
    fn check_places(marked: &str) {
        let mut expected: Vec<usize> = Vec::new();
        let mut text = String::new();
        for c in marked.chars() {
            if matches!(c, '^' | '~') { expected.push(text.len()) } else { text.push(c) }
        }
        let cursor = marked[..marked.find('^').unwrap()].replace('~', "").len();
        let outline = Outline::new(&text);
        let symbol = outline.symbol_at(cursor).unwrap_or_else(|| panic!("no symbol: {marked}"));
        let mut places: Vec<usize> = outline.places_of(symbol).into_iter().map(|place| place.start).collect();
        places.sort_unstable();
        assert_eq!(places, expected, "{marked}");
    }

    #[test]
    fn names_hold_where_rhai_says() {
        check_places("let ^a = 1;\nlet b = ~a + 1;\n{ let a = ~a; a }\n~a");
        check_places("let a = 1;\nlet b = a + 1;\n{ let ^a = a; ~a }\na");
        check_places("let ^a = 1;\nfn f(a) { a }\nf(~a)");
        check_places("let a = 1;\nfn f(a) { ^a }\nf(a)".replace("f(a) {", "f(~a) {").as_str());
        check_places("let ^a = 1;\nfn f() { a }\nlet g = || ~a; ~a");
        check_places("for ^x in [x, 2] { ~x }\nx");
        check_places("for (x, ^i) in a { ~i; { x } }");
        check_places("try { e } catch (^e) { ~e }\ne");
        check_places("let a = [1].map(|^a| ~a + 1); a");
        check_places("let ^a = 2; [1].map(|x| x + ~a); ~a | ~a");
        check_places("let f = |x| { let ^y = x; ~y }; y");
        check_places("const ^K = 1;\nfn f() { ~K + global::~K }");
        check_places("let ^n = 1; `a ${~n + `${~n}`} n`");
        check_places("let ^a = 1; #{ a: ~a, b: b.a }; x.a");
        check_places("let x = 1; let ^x = x + 1; ~x");
        check_places("switch 1 { 1 => { let ^q = 1; ~q } 2 => q }");
        check_places("import \"a\" as ^m;\nfn f() { ~m::f(); m }".replace("; m }", "; }").as_str());
    }

    #[test]
    fn functions_are_told_by_their_parameters() {
        check_places("~f(1); f(1, 2);\nfn ^f(a) { }\nfn f(a, b) { ~f(a) }\n5.f(); x.~f(1); Fn(\"~f\"); [1].map(~f)");
        check_places("~f(1, 2,); ~f([1, 2], #{a: 1, b: 2});\nfn ^f(a, b) { }");
    }

    #[test]
    fn a_forgotten_bracket_does_no_harm_further_on() {
        check_places("fn f(a) { if a { stream_file(\nfn g(^b) { ~b }");
        check_places("let ^x = 1;\nsay_number(~x\nlet y = ~x;");
        check_places("foo(x; let ^y = 1; ~y");
        for (at, _) in NASTY.char_indices() {
            // Nothing panics, wherever the typing is.
            let outline = Outline::new(&NASTY[..at]);
            let _ = (outline.place(at), outline.calling(at), outline.visible(at));
            let behind = Outline::new(&NASTY[at..]);
            let _ = (behind.place(0), behind.calling(0), behind.symbol_at(0));
        }
    }

    const NASTY: &str = "private fn a.b(c, d) { for (x, y) in `${|| { #{ \"k\": 'x' } }}` { switch x { 1 => |a, b| a, } } } } ) ]\
        import \"m\" as m; m::f(1)!; export let q = 1 as r; catch (e) { try /* ü */ { Fn(\"a\") as || |x } let const fn";

    #[track_caller]
    fn check_calling(text: &str, expected: &str) {
        let (outline, offset) = cursor(text);
        let found = outline.calling(offset).map_or("none".to_owned(), |calling| {
            let key = calling.key.map_or(String::new(), |key| format!(" {key}"));
            let space = calling.space.map_or(String::new(), |space| format!("{space}::"));
            let dot = if calling.method { "." } else { "" };
            format!("{dot}{space}{} {}{key}", calling.name, calling.argument)
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_call_around_the_cursor_is_known_while_it_is_typed() {
        check_calling("stream_file(^", "stream_file 0");
        check_calling("x(); get_data(\"a\", ^", "get_data 1");
        check_calling("get_data(\"a, (b\", f(1, 2), ^)", "get_data 2");
        check_calling("f(g(1, ^", "g 1");
        check_calling("f(1, [2, ^3])", "f 1");
        check_calling("record_file(a, b, c, 1, #{ beep: true, silence: ^", "record_file 4 silence");
        check_calling("menu::play(a, (1 + ^", "menu::play 1");
        check_calling("x.sub_string(1, ^", ".sub_string 1");
        check_calling("f([1, 2].map(|a, b| a, ^", ".map 1");
        check_calling("if (^", "none");
        check_calling("fn f(^", "none");
        check_calling("f(1); ^", "none");
        check_calling("f(|| { ^", "none");
        check_calling("f(\"^", "f 0");
        check_calling("f(`a ${^", "none");
    }

    #[test]
    fn the_place_of_the_cursor_is_known() {
        let check = |text: &str, expected: Place| {
            let (outline, offset) = cursor(text);
            assert_eq!(outline.place(offset), expected, "{text}");
        };
        check("str^", Place::Code(0));
        check("a = ^", Place::Code(4));
        check("env.agi^", Place::Member(4, Some("env".to_owned())));
        check("a.b.^", Place::Member(4, None));
        check("menu::^", Place::Space(6, "menu".to_owned()));
        check("f(\"abc^\")", Place::Text(3..6));
        check("f(\"^", Place::Text(3..3));
        check("f(\"a\"^)", Place::Code(5));
        check("import \"li^", Place::ImportPath(8..10));
        check("let ^", Place::Elsewhere);
        check("// a^", Place::Elsewhere);
        check("/* a */^", Place::Code(7));
        check("`a ^${b}`", Place::Elsewhere);
        check("`a ${b^}`", Place::Code(5));
        check("12^", Place::Elsewhere);
    }

    #[test]
    fn comments_above_and_behind_are_the_documentation() {
        let text =
            "#!/usr/bin/env x\n\n// One.\n// Two.\nfn f() {}\n\n// Far away.\n\nfn g() {}\nlet a = 1;   // behind\n";
        let outline = Outline::new(text);
        let docs: Vec<&str> = outline.symbols().iter().map(|symbol| symbol.doc.as_str()).collect();
        assert_eq!(docs, ["One.\nTwo.", "", "behind"]);
    }

    #[test]
    fn a_new_name_must_be_free_and_a_name() {
        let language = Language::new();
        let check = |name: &str, kind: SymbolKind, expected: &str| {
            let found = may_be_named(name, kind, &language).err().unwrap_or_default();
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{name}: {found}");
        };
        check("score", SymbolKind::Variable, "");
        check("len", SymbolKind::Variable, "");
        check("1a", SymbolKind::Variable, "is no name");
        check("a b", SymbolKind::Variable, "is no name");
        check("größe", SymbolKind::Variable, "is no name");
        check("", SymbolKind::Variable, "is no name");
        check("goto", SymbolKind::Variable, "is a word of the language");
        check("while", SymbolKind::Function, "is a word of the language");
        check("_", SymbolKind::Variable, "is a word of the language");
        check("state", SymbolKind::Variable, "every script has");
        check("answer", SymbolKind::Function, "every script has");
    }

    /// Every name of the project's own scripts, renamed, leaves a script in which the checker finds the same.
    #[test]
    fn renaming_leaves_a_script_whole() {
        let checker = crate::tools::check::Checker::new(&Language::new());
        let mut renamed = 0;
        for entry in std::fs::read_dir("scripts").unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|ending| ending != "rhai") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let found = |text: &str| {
                let rules = checker.check(&path, text).into_iter().map(|finding| (finding.rule, finding.line));
                rules.collect::<Vec<_>>()
            };
            let before = found(&text);
            let outline = Outline::new(&text);
            for (id, symbol) in outline.symbols().iter().enumerate() {
                if symbol.name == "on_hangup" || symbol.name.starts_with("test_") {
                    continue;
                }
                let mut changed = text.clone();
                let mut places = outline.places_of(id);
                places.sort_by_key(|place| std::cmp::Reverse(place.start));
                for place in places {
                    changed.replace_range(place, "renamed_by_a_test");
                }
                assert_eq!(found(&changed), before, "{name}: {} at {}", symbol.name, symbol.span.start);
                renamed += 1;
            }
        }
        assert!(renamed > 30, "{renamed} names");
    }

    #[test]
    fn a_name_in_the_way_is_told() {
        let (outline, offset) = cursor("let ^a = 1; let b = 2; a + b; { let c = a; } fn f(d) { d }");
        let symbol = outline.symbol_at(offset).unwrap();
        assert_eq!(outline.conflict(symbol, "b").unwrap(), "`b` means something else here already");
        assert_eq!(outline.conflict(symbol, "d"), None);
        assert_eq!(outline.conflict(symbol, "e"), None);
        let (outline, offset) = cursor("let a = 1; { let ^x = 2; a + x }");
        assert!(outline.conflict(outline.symbol_at(offset).unwrap(), "a").is_some());
        let (outline, offset) = cursor("let ^a = 1; { let x = 2; a + x }");
        assert!(outline.conflict(outline.symbol_at(offset).unwrap(), "x").is_some());
    }
}
