//! Definitions, references and renaming.

use super::answer::{Answer, error, value};
use super::cursor::{Cursor, Meaning, exported, is_exported};
use super::source::Source;
use super::workspace::same_file;
use agi_rhai::internals::{CursorContext, Symbol, SymbolKind, may_be_named};
use lsp_server::{ErrorCode, ResponseError};
use lsp_types::{DocumentHighlight, Location, PrepareRenameResponse, Range, TextEdit, Uri, WorkspaceEdit};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
/// A symbol and the script that defines it.
struct Definition {
    uri: Uri,
    path: Option<PathBuf>,
    outline: Arc<Source>,
    id: usize,
}

impl Definition {
    fn symbol(&self) -> &Symbol {
        &self.outline.symbols()[self.id]
    }
}

impl Cursor<'_> {
    pub fn definition(&self) -> Option<Location> {
        if self.document.table().is_some() {
            return self.table_definition();
        }
        if let CursorContext::ImportPath(span) = self.outline.cursor_context(self.offset) {
            let path = self.workspace.imported(self.document.path.as_deref(), &self.outline.text()[span])?;
            return Some(Location { uri: self.workspace.uri(&path)?, range: Range::default() });
        }
        if let Some((span, name)) = self.prompt_text()
            && self.outline.symbol_at(self.offset).is_none()
        {
            let calling = self.outline.calling(span.start.saturating_sub(1));
            let script = calling
                .filter(|calling| self.document.is_test() && calling.name == "place_call" && calling.argument == 0);
            if script.is_some() {
                let path = self.workspace.imported(self.document.path.as_deref(), name)?;
                return Some(Location { uri: self.workspace.uri(&path)?, range: Range::default() });
            }
            return self.table_definition();
        }
        match self.meaning()? {
            Meaning::Local(Symbol { kind: SymbolKind::Import, path: Some(path), span, .. }) => {
                match self.workspace.imported(self.document.path.as_deref(), path) {
                    Some(path) => Some(Location { uri: self.workspace.uri(&path)?, range: Range::default() }),
                    None => Some(Location { uri: self.document.uri.clone(), range: self.range(span) }),
                }
            }
            Meaning::Local(symbol) => {
                Some(Location { uri: self.document.uri.clone(), range: self.range(&symbol.span) })
            }
            Meaning::Imported(path, outline, id) => self.location(&path, &outline, &outline.symbols()[id].span),
            _ => None,
        }
    }

    pub fn highlights(&self) -> Vec<DocumentHighlight> {
        if let Some(highlights) = self.table_highlights() {
            return highlights;
        }
        let Some(symbol) = self.script_symbol() else { return Vec::new() };
        let places = self.outline.spans_of(symbol);
        places.iter().map(|span| DocumentHighlight { range: self.range(span), kind: None }).collect()
    }

    pub fn references(&self, declaration: bool) -> Vec<Location> {
        if let Some(references) = self.table_references(declaration) {
            return references;
        }
        let Some(definition) = self.symbol_under_cursor() else { return Vec::new() };
        let places = self.occurrences(&definition);
        let given = (&definition.uri, definition.outline.range(&definition.symbol().span));
        places.into_iter().filter(|place| declaration || (&place.uri, place.range) != given).collect()
    }

    fn script_symbol(&self) -> Option<usize> {
        self.outline.symbol_at(self.offset).filter(|_| self.document.table().is_none())
    }

    /// Returns the symbol under the cursor, of this script or of an imported one.
    fn symbol_under_cursor(&self) -> Option<Definition> {
        if let Some(id) = self.script_symbol() {
            let (uri, path) = (self.document.uri.clone(), self.document.path.clone());
            return Some(Definition { uri, path, outline: Arc::clone(&self.document.outline), id });
        }
        match self.meaning().filter(|_| self.document.table().is_none())? {
            Meaning::Imported(path, outline, id) => {
                Some(Definition { uri: self.workspace.uri(&path)?, path: Some(path), outline, id })
            }
            _ => None,
        }
    }

    /// Returns all occurrences of a symbol, also in the scripts that import it.
    fn occurrences(&self, definition: &Definition) -> Vec<Location> {
        let here = |uri: &Uri, outline: &Source, span: &std::ops::Range<usize>| Location {
            uri: uri.clone(),
            range: outline.range(span),
        };
        let mut found: Vec<Location> = definition
            .outline
            .spans_of(definition.id)
            .iter()
            .map(|span| here(&definition.uri, &definition.outline, span))
            .collect();
        let Some(path) = definition.path.as_ref().filter(|_| is_exported(&definition.outline, definition.symbol()))
        else {
            return found;
        };
        for script in self.workspace.scripts(Some(path)).into_iter().filter(|script| !same_file(script, path)) {
            let Some(outline) = self.workspace.outline(&script) else { continue };
            let imports: Vec<&str> = outline
                .symbols()
                .iter()
                .filter(|symbol| {
                    let target = symbol.path.as_ref().and_then(|path| self.workspace.imported(Some(&script), path));
                    target.is_some_and(|target| same_file(&target, path))
                })
                .map(|symbol| symbol.name.as_str())
                .collect();
            let Some(uri) = self.workspace.uri(&script).filter(|_| !imports.is_empty()) else { continue };
            let uses = outline.uses().iter().filter(|name| {
                let within = name.space.as_deref().is_some_and(|space| imports.contains(&space));
                let arguments = name.called.then_some(name.arguments).flatten();
                within
                    && name.name == definition.symbol().name
                    && exported(&definition.outline, &name.name, arguments) == Some(definition.id)
            });
            found.extend(uses.map(|name| here(&uri, &outline, &name.span)));
        }
        found
    }

    /// Returns the symbol under the cursor, or the reason why it can't be renamed.
    fn renamable(&self) -> Result<Definition, ResponseError> {
        let refused = |message: &str| error(ErrorCode::RequestFailed, message);
        let Some(definition) = self.symbol_under_cursor() else {
            let word = self.outline.word_at(self.offset).map(|(span, _)| self.outline.text()[span].to_owned());
            return Err(match word {
                Some(word) => refused(&format!("`{word}` isn't defined in this script, so it cannot be renamed")),
                None => refused("there is no name here to rename"),
            });
        };
        if definition.symbol().kind == SymbolKind::Function && definition.symbol().name == "on_hangup" {
            return Err(refused("`on_hangup` cannot be renamed: the host calls it by that name after the hangup"));
        }
        Ok(definition)
    }

    pub fn prepare_rename(&self) -> Answer {
        if let Some(answer) = self.prepare_table_rename() {
            return answer;
        }
        let definition = self.renamable()?;
        let Some((span, _)) = self.outline.word_at(self.offset) else { return Ok(serde_json::Value::Null) };
        let placeholder = definition.symbol().name.clone();
        value(PrepareRenameResponse::RangeWithPlaceholder { range: self.range(&span), placeholder })
    }

    pub fn rename(&self, new_name: &str) -> Answer {
        if let Some(answer) = self.table_rename(new_name) {
            return answer;
        }
        let refused = |message: String| error(ErrorCode::RequestFailed, &message);
        let definition = self.renamable()?;
        let symbol = definition.symbol();
        if symbol.name != new_name {
            may_be_named(new_name, symbol.kind, &self.workspace.language).map_err(refused)?;
            if let Some(conflict) = definition.outline.conflict(definition.id, new_name) {
                return Err(refused(conflict));
            }
        }
        #[expect(clippy::mutable_key_type, reason = "the protocol's own type; the URI of a file doesn't change")]
        let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
        for place in self.occurrences(&definition) {
            let edit = TextEdit { range: place.range, new_text: new_name.to_owned() };
            changes.entry(place.uri).or_default().push(edit);
        }
        value(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
    }
}
