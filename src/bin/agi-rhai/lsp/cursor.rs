//! The cursor in an open text, and the meaning of the name under it.

use super::source::Source;
use super::workspace::{Document, Workspace};
use agi_rhai::command::{Function, Kind, Param, Plays};
use agi_rhai::internals::{CHOICE_MEMBERS, NAMES};
use agi_rhai::internals::{Calling, CursorContext, Outline, Symbol, SymbolKind, TokenKind, Use};
use agi_rhai::internals::{Word, words};
use lsp_types::{Location, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
/// The variables that every script has, with their descriptions.
pub const BUILTIN_VALUES: [(&str, &str); 4] = [
    ("env", "The facts about the call from Asterisk: `env.agi_callerid`, ... Those that weren't sent are `()`."),
    ("args", "The arguments after the script in the dialplan, as an array of texts."),
    ("params", "The parameters after the `?` of a FastAGI URL: `params.level`. Empty elsewhere."),
    ("state", "A map for the values of this call: `state.score = 0`. Every function sees it, also `on_hangup`."),
];

/// The fields of a caught error, with their descriptions.
pub const CAUGHT_ERROR: [(&str, &str); 8] = [
    ("kind", "`argument` (nothing was sent), `refused` or `failed`."),
    ("command", "The command, such as `STREAM FILE`."),
    ("parameter", "The parameter at fault, or `()`."),
    ("code", "The code of Asterisk's reply, or `()`."),
    ("result", "The result of Asterisk's reply, or `()`."),
    ("message", "The problem in words."),
    ("script", "The script where it happened."),
    ("line", "The line where it happened."),
];

/// The keys of option maps whose values are prompts.
const PROMPT_KEYS: [&str; 4] = ["no_input", "no_match", "give_up", "missing"];

/// The cursor in an open text.
pub struct Cursor<'a> {
    pub workspace: &'a Workspace,
    pub document: &'a Document,
    pub outline: &'a Source,
    pub offset: usize,
}

/// The meaning of a name.
pub enum Meaning<'a> {
    /// A symbol of this script.
    Local(&'a Symbol),
    /// A symbol of an imported script: its path, outline and index.
    Imported(PathBuf, Arc<Source>, usize),
    /// A function of the host.
    Function(&'static Function),
    /// A variable that every script has, or a key of `env`, with its documentation.
    Variable(&'static str, &'static str),
    /// Functions of the language itself.
    Language(Vec<&'static Word>),
}

impl Cursor<'_> {
    pub fn range(&self, span: &std::ops::Range<usize>) -> Range {
        self.document.outline.range(span)
    }

    pub fn location(&self, path: &Path, outline: &Source, span: &std::ops::Range<usize>) -> Option<Location> {
        Some(Location { uri: self.workspace.uri(path)?, range: outline.range(span) })
    }

    /// Returns the script that is imported under this name.
    pub fn module(&self, name: &str) -> Option<(PathBuf, Arc<Source>)> {
        let visible = self.outline.visible(self.offset);
        let imports = visible.iter().rev().map(|&id| &self.outline.symbols()[id]);
        let mut imports = imports.filter(|symbol| symbol.kind == SymbolKind::Import && symbol.name == name);
        let path = self.workspace.imported(self.document.path.as_deref(), imports.next()?.path.as_deref()?)?;
        let outline = self.workspace.outline(&path)?;
        Some((path, outline))
    }

    /// Returns the meaning of the name under the cursor.
    pub fn meaning(&self) -> Option<Meaning<'_>> {
        if let Some(symbol) = self.outline.symbol_at(self.offset) {
            return Some(Meaning::Local(&self.outline.symbols()[symbol]));
        }
        if let Some(name) = self.outline.use_at(self.offset) {
            return self.meaning_of(name);
        }
        let (span, kind) = self.outline.word_at(self.offset)?;
        let key = &self.outline.text()[span];
        let known = (*kind == TokenKind::Word).then(|| NAMES.iter().find(|(name, _)| *name == key)).flatten();
        known.map(|(name, doc)| Meaning::Variable(name, doc))
    }

    pub fn meaning_of(&self, name: &Use) -> Option<Meaning<'_>> {
        match &name.space {
            Some(space) if space != "global" => {
                let (path, outline) = self.module(space)?;
                let found = exported(&outline, &name.name, name.called.then_some(name.arguments).flatten())?;
                Some(Meaning::Imported(path, outline, found))
            }
            _ => {
                let value = || BUILTIN_VALUES.iter().find(|(value, _)| *value == name.name);
                let known = || words(&name.name).collect::<Vec<_>>();
                if name.called
                    && let Some(function) = self.workspace.function(self.document, &name.name)
                {
                    return Some(Meaning::Function(function));
                }
                match value() {
                    Some((name, doc)) if !name.is_empty() => Some(Meaning::Variable(name, doc)),
                    _ if name.called => Some(Meaning::Language(known())).filter(|_| !known().is_empty()),
                    _ => None,
                }
            }
        }
    }

    /// Returns the string literal around the cursor, which may be a prompt.
    pub fn prompt_text(&self) -> Option<(std::ops::Range<usize>, &str)> {
        let CursorContext::Text(span) = self.outline.cursor_context(self.offset) else { return None };
        Some((span.clone(), &self.outline.text()[span]))
    }

    /// Whether this argument is a prompt.
    pub fn takes_prompt(&self, calling: &Calling) -> bool {
        if let Some(key) = &calling.key {
            return PROMPT_KEYS.contains(&key.as_str());
        }
        let Some(function) = self.called(calling) else { return false };
        let command = self.workspace.command(function);
        let sound = command.is_some_and(|command| command.plays == Plays::Sound(calling.argument));
        let named = function.params.get(calling.argument).is_some_and(|param| is_prompt_param(param.name));
        sound || named
    }

    /// Returns the names that a key which begins here may have: options of the function being called, or the members of
    /// a choice.
    pub fn options_at(&self, start: usize) -> Option<&'static [Param]> {
        let before = self.outline.text()[..start].trim_end();
        if !before.ends_with("#{") && !before.ends_with(',') {
            return None;
        }
        let calling = self.outline.calling(start).filter(|calling| !calling.in_array)?;
        match (self.called(&calling)?.params.get(calling.argument)?.kind, calling.maps) {
            (Kind::Options(options), 1) => Some(options),
            (Kind::Choices, 2) => Some(CHOICE_MEMBERS),
            _ => None,
        }
    }

    pub fn called(&self, calling: &Calling) -> Option<&'static Function> {
        let own = calling.space.is_some() || self.outline.has_function(&calling.name);
        if own { None } else { self.workspace.function(self.document, &calling.name) }
    }
}

/// Whether importing scripts see the symbol: a function, or a name after `export`.
pub fn is_exported(outline: &Outline, symbol: &Symbol) -> bool {
    let before = outline.text()[..symbol.whole.start].trim_end();
    match symbol.kind {
        SymbolKind::Function => !symbol.private,
        SymbolKind::Constant | SymbolKind::Variable => symbol.function.is_none() && before.ends_with("export"),
        SymbolKind::Parameter | SymbolKind::Import => false,
    }
}

/// Finds the exported symbol of this name, for a call with this many arguments if that is known.
pub fn exported(outline: &Outline, name: &str, arguments: Option<usize>) -> Option<usize> {
    let named = || outline.named(name).filter(|(_, symbol)| is_exported(outline, symbol));
    let fits = |symbol: &Symbol| arguments.is_none_or(|count| count == symbol.params.len());
    named().find(|(_, symbol)| fits(symbol)).or_else(|| named().next()).map(|(id, _)| id)
}

fn is_prompt_param(parameter: &str) -> bool {
    matches!(parameter, "prompt" | "parts")
}
