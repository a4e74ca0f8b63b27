//! Tables of prompts and phrases as documents, and the names of prompts and phrases in scripts.

use super::answer::{Answer, error, value};
use super::cursor::Cursor;
use super::source::Source;
use super::table_lines::{Entry, TableKind, entries};
use super::workspace::{Document, Workspace};
use lsp_server::{ErrorCode, ResponseError};
use lsp_types::{
    DocumentHighlight, DocumentSymbol, Location, PrepareRenameResponse, SymbolInformation, SymbolKind, TextEdit, Uri,
    WorkspaceEdit,
};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A name in a table.
pub struct TableName {
    pub kind: TableKind,
    pub name: String,
    pub span: Range<usize>,
}

/// A place where a name stands.
struct Place {
    uri: Uri,
    outline: Arc<Source>,
    span: Range<usize>,
    /// Whether it is the name of an entry.
    declares: bool,
}

impl Place {
    fn located(&self) -> Location {
        Location { uri: self.uri.clone(), range: self.outline.range(&self.span) }
    }
}

fn touches(span: &Range<usize>, offset: usize) -> bool {
    span.start <= offset && offset <= span.end
}

impl Cursor<'_> {
    /// Returns the name of a prompt or phrase under the cursor.
    pub fn table_name(&self) -> Option<TableName> {
        let text = self.document.text();
        if let Some(kind) = self.document.table() {
            let entries = entries(text, kind);
            let named = entries.iter().map(|entry| (kind, &entry.name));
            let played = entries.iter().flat_map(|entry| &entry.sounds).map(|span| (TableKind::Prompts, span));
            let (kind, span) = named.chain(played).find(|(_, span)| touches(span, self.offset))?;
            return Some(TableName { kind, name: text[span.clone()].to_owned(), span: span.clone() });
        }
        let (span, name) = self.prompt_text()?;
        let kind = self.kind_of_literal(&span)?;
        Some(TableName { kind, name: name.to_owned(), span })
    }

    /// Returns whether a text of the script is the name of a prompt or of a phrase.
    fn kind_of_literal(&self, span: &Range<usize>) -> Option<TableKind> {
        // The name of a function, as in `Fn("play")`.
        if self.outline.symbol_at(span.start).is_some() {
            return None;
        }
        let Some(calling) = self.outline.calling(span.start.saturating_sub(1)) else { return Some(TableKind::Prompts) };
        if calling.key.as_deref() == Some("phrase") {
            return Some(TableKind::Phrases);
        }
        // The parameters of the script's own functions may take prompts, and lists may hold them.
        let own = calling.space.is_some() || self.outline.has_function(&calling.name);
        let list = calling.method && matches!(calling.name.as_str(), "push" | "insert");
        (own || list || self.takes_prompt(&calling)).then_some(TableKind::Prompts)
    }

    /// Returns the tables in which names that stand here are defined.
    fn tables(&self, kind: TableKind) -> Vec<PathBuf> {
        self.document.path.as_deref().map(|path| self.workspace.tables(path, kind)).unwrap_or_default()
    }

    /// Returns every place where this name stands: in its tables, and in what the tables belong to.
    fn places(&self, wanted: &TableName) -> Vec<Place> {
        let mut places = Vec::new();
        for table in self.tables(wanted.kind) {
            let found = self.workspace.places_in_table(&table, wanted.kind, wanted);
            if !found.iter().any(|place| place.declares) {
                continue;
            }
            places.extend(found);
            if wanted.kind == TableKind::Prompts {
                let phrases = table.with_extension(TableKind::Phrases.ending());
                places.extend(self.workspace.places_in_table(&phrases, TableKind::Phrases, wanted));
            }
            for script in self.workspace.scripts(Some(&table)) {
                if self.workspace.tables(&script, wanted.kind).contains(&table) {
                    places.extend(self.workspace.places_in_script(&script, wanted));
                }
            }
        }
        places
    }

    /// Returns the first line of its table that defines the name under the cursor.
    pub fn table_definition(&self) -> Option<Location> {
        let places = self.places(&self.table_name()?);
        places.iter().find(|place| place.declares).map(Place::located)
    }

    pub fn table_references(&self, declaration: bool) -> Option<Vec<Location>> {
        let places = self.places(&self.table_name()?);
        let wanted = places.iter().filter(|place| declaration || !place.declares);
        Some(wanted.map(Place::located).collect()).filter(|_| !places.is_empty())
    }

    pub fn table_highlights(&self) -> Option<Vec<DocumentHighlight>> {
        let places = self.places(&self.table_name()?);
        let here = places.iter().filter(|place| place.uri == self.document.uri);
        let marks = here.map(|place| DocumentHighlight { range: place.located().range, kind: None });
        Some(marks.collect()).filter(|_| !places.is_empty())
    }

    /// Describes the phrase under the cursor by all its lines.
    pub fn described_phrase(&self) -> Option<(String, Range<usize>)> {
        let wanted = self.table_name().filter(|name| name.kind == TableKind::Phrases)?;
        let mut lines = Vec::new();
        for table in self.tables(TableKind::Phrases) {
            let Some(outline) = self.workspace.outline(&table) else { continue };
            let text = outline.text();
            for entry in entries(text, TableKind::Phrases) {
                if text[entry.name.clone()] == wanted.name {
                    let language = entry.language.map_or_else(String::new, |language| format!("[{language}] "));
                    lines.push(format!("{language}{}:{}", &text[entry.head], &text[entry.rest]));
                }
            }
        }
        (!lines.is_empty()).then(|| (format!("```\n{}\n```", lines.join("\n")), wanted.span))
    }

    /// Returns the places of the name under the cursor, or the reason why it can't be renamed.
    fn renamable_name(&self) -> Option<Result<(TableName, Vec<Place>), ResponseError>> {
        let wanted = self.table_name()?;
        let places = self.places(&wanted);
        if places.is_empty() {
            let calling = self.outline.calling(wanted.span.start.saturating_sub(1));
            if self.document.table().is_none() && !calling.is_some_and(|calling| self.takes_prompt(&calling)) {
                return None;
            }
            let message = format!("`{}` is in no table beside the script, so it cannot be renamed", wanted.name);
            return Some(Err(error(ErrorCode::RequestFailed, &message)));
        }
        Some(Ok((wanted, places)))
    }

    pub fn prepare_table_rename(&self) -> Option<Answer> {
        Some(self.renamable_name()?.and_then(|(wanted, _)| {
            let range = self.range(&wanted.span);
            value(PrepareRenameResponse::RangeWithPlaceholder { range, placeholder: wanted.name })
        }))
    }

    pub fn table_rename(&self, new_name: &str) -> Option<Answer> {
        Some(self.renamable_name()?.and_then(|(wanted, places)| {
            let refused = |message: String| Err(error(ErrorCode::RequestFailed, &message));
            let is_wrong = |c: char| c.is_whitespace() || c.is_control() || ":;[]{}\"\\".contains(c);
            if new_name.is_empty() || new_name.contains(is_wrong) {
                return refused(format!(
                    "{new_name:?} cannot be a name in a table: it has no blank, `:`, `;` or bracket"
                ));
            }
            let is_taken = |table: &PathBuf| self.workspace.names(table, wanted.kind).contains(new_name);
            if new_name != wanted.name && self.tables(wanted.kind).iter().any(is_taken) {
                return refused(format!("`{new_name}` is in the table already"));
            }
            #[expect(clippy::mutable_key_type, reason = "the protocol's own type; the URI of a file doesn't change")]
            let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
            for place in &places {
                let Location { uri, range } = place.located();
                changes.entry(uri).or_default().push(TextEdit { range, new_text: new_name.to_owned() });
            }
            value(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
        }))
    }
}

impl Workspace {
    /// Returns the names in a table.
    pub fn names(&self, table: &Path, kind: TableKind) -> BTreeSet<String> {
        let Some(outline) = self.outline(table) else { return BTreeSet::new() };
        entries(outline.text(), kind).into_iter().map(|entry| outline.text()[entry.name].to_owned()).collect()
    }

    /// Returns the names of prompts that a script says.
    pub fn names_said(&self, script: &Path) -> BTreeSet<String> {
        let mut said = BTreeSet::new();
        self.each_literal(script, |cursor, span| {
            let calling = cursor.outline.calling(span.start.saturating_sub(1));
            if calling.is_some_and(|calling| cursor.takes_prompt(&calling)) {
                said.insert(cursor.outline.text()[span].to_owned());
            }
        });
        said
    }

    fn places_in_table(&self, table: &Path, kind: TableKind, wanted: &TableName) -> Vec<Place> {
        let (Some(outline), Some(uri)) = (self.outline(table), self.uri(table)) else { return Vec::new() };
        let text = outline.text();
        let mut spans = Vec::new();
        for entry in entries(text, kind) {
            if kind == wanted.kind {
                spans.push((entry.name, true));
            } else {
                spans.extend(entry.sounds.into_iter().map(|span| (span, false)));
            }
        }
        let spans = spans.into_iter().filter(|(span, _)| text[span.clone()] == wanted.name);
        let place = |(span, declares)| Place { uri: uri.clone(), outline: Arc::clone(&outline), span, declares };
        spans.map(place).collect()
    }

    fn places_in_script(&self, script: &Path, wanted: &TableName) -> Vec<Place> {
        let mut places = Vec::new();
        self.each_literal(script, |cursor, span| {
            if cursor.outline.text()[span.clone()] == wanted.name && cursor.kind_of_literal(&span) == Some(wanted.kind)
            {
                let (uri, outline) = (cursor.document.uri.clone(), Arc::clone(&cursor.document.outline));
                places.push(Place { uri, outline, span, declares: false });
            }
        });
        places
    }

    fn each_literal(&self, script: &Path, mut visit: impl FnMut(&Cursor<'_>, Range<usize>)) {
        let (Some(outline), Some(uri)) = (self.outline(script), self.uri(script)) else { return };
        let document = Document { uri, path: Some(script.to_owned()), version: 0, outline };
        for span in document.outline.texts() {
            let cursor =
                Cursor { workspace: self, document: &document, outline: &document.outline, offset: span.start };
            visit(&cursor, span);
        }
    }

    /// Returns the entries of a table as symbols.
    pub fn table_symbols(&self, document: &Document, kind: TableKind) -> Answer {
        let text = document.text();
        let entries = entries(text, kind);
        let name = |entry: &Entry| {
            let language = entry.language.as_ref().map_or_else(String::new, |language| format!(" [{language}]"));
            format!("{}{language}", &text[entry.head.clone()])
        };
        let range = |span: Range<usize>| document.outline.range(&span);
        if self.nested_symbols {
            #[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
            let one = |entry: &Entry| DocumentSymbol {
                name: name(entry),
                detail: Some(text[entry.rest.clone()].trim().to_owned()),
                kind: SymbolKind::STRING,
                tags: None,
                deprecated: None,
                range: range(entry.head.start..entry.rest.end),
                selection_range: range(entry.name.clone()),
                children: None,
            };
            return value(entries.iter().map(one).collect::<Vec<_>>());
        }
        #[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
        let one = |entry: &Entry| SymbolInformation {
            name: name(entry),
            kind: SymbolKind::STRING,
            tags: None,
            deprecated: None,
            location: Location { uri: document.uri.clone(), range: range(entry.head.start..entry.rest.end) },
            container_name: None,
        };
        value(entries.iter().map(one).collect::<Vec<_>>())
    }
}
