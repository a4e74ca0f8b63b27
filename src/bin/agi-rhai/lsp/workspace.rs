//! The texts that are open in the editor, and the files beside them.

use super::options::LspOptions;
use super::positions::{self, Encoding, Positions};
use super::source::Source;
use super::table_lines::TableKind;
use crate::config::ConfigOptions;
use crate::file_options::RULES;
use agi_rhai::Fault;
use agi_rhai::command::{Command, Function};
use agi_rhai::internals::VOCABULARY;
use agi_rhai::internals::config::{FILE_NAME, Purpose};
use agi_rhai::internals::disk;
use agi_rhai::internals::imported;
use agi_rhai::internals::{Phrases, Prompt, parse_prompts};
use agi_rhai::script::Language;
use agi_rhai::service::Services;
use agi_rhai::tools::check::{Checker, Finding, Severity};
use lsp_server::Notification;
use lsp_types::notification::{
    DidChangeTextDocument, DidChangeWatchedFiles, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument,
    Notification as _,
};
use lsp_types::{
    Diagnostic, DiagnosticSeverity, DiagnosticTag, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, InitializeParams, NumberOrString, Position, Range, Uri,
};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Limits for the search for scripts: the depth and the number of folders, since the workspace may be a home folder.
const MAX_DEPTH: usize = 12;
const MAX_FOLDERS: usize = 2_000;

/// A text that is open in the editor, which takes precedence over the file.
pub struct Document {
    pub uri: Uri,
    /// `None` if the text was never saved.
    pub path: Option<PathBuf>,
    pub version: i32,
    pub outline: Arc<Source>,
}

impl Document {
    pub fn text(&self) -> &str {
        self.outline.text()
    }

    /// Whether this is a file of tests.
    pub fn is_test(&self) -> bool {
        self.uri.as_str().ends_with(".test.rhai")
    }

    /// Returns what it is a table of, if it is one.
    pub fn table(&self) -> Option<TableKind> {
        TableKind::of(self.uri.as_str())
    }
}

/// A prompt of a table, with its words in one language.
pub struct TablePrompt {
    pub prompt: Prompt,
}

impl TablePrompt {
    /// Returns the words in quotes, with their language if the table names it: `[de] “Kopf oder Zahl?”`.
    pub fn quoted(&self) -> String {
        let Prompt { words, language, .. } = &self.prompt;
        match language {
            _ if words.is_empty() => String::new(),
            Some(language) => format!("[{language}] “{words}”"),
            None => format!("“{words}”"),
        }
    }
}

/// The open texts, the folders of the editor, and the capabilities of both sides.
pub struct Workspace {
    pub encoding: Encoding,
    /// Whether the editor supports snippets, quick fixes and nested symbols.
    pub snippets: bool,
    pub quick_fixes: bool,
    pub nested_symbols: bool,
    pub language: Language,
    checker: Checker,
    folder: Option<PathBuf>,
    config: ConfigOptions,
    roots: Vec<PathBuf>,
    documents: Vec<Document>,
    /// The texts to be checked, the most urgent last.
    pending: Vec<Uri>,
}

impl Workspace {
    pub fn new(options: &LspOptions) -> Self {
        let language = Language::new();
        let mut checker = Checker::new(&language);
        checker.folder.clone_from(&options.scripts);
        checker.sounds.clone_from(&options.sounds);
        checker.asterisk = options.asterisk;
        checker.permissions = options.exec.permissions();
        Self {
            encoding: Encoding::default(),
            snippets: false,
            quick_fixes: false,
            nested_symbols: false,
            language,
            checker,
            folder: options.scripts.clone(),
            config: options.config.clone(),
            roots: Vec::new(),
            documents: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Reads the capabilities and folders of the editor.
    pub fn initialize(&mut self, params: &InitializeParams) {
        let offered = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.clone());
        self.encoding = Encoding::choose(&offered.unwrap_or_default());
        if let Some(text) = &params.capabilities.text_document {
            let item = text.completion.as_ref().and_then(|completion| completion.completion_item.as_ref());
            self.snippets = item.and_then(|item| item.snippet_support).unwrap_or(false);
            let actions = text.code_action.as_ref();
            self.quick_fixes = actions.is_some_and(|actions| actions.code_action_literal_support.is_some());
            let symbols = text.document_symbol.as_ref();
            self.nested_symbols =
                symbols.and_then(|symbols| symbols.hierarchical_document_symbol_support).unwrap_or(false);
        }
        let folders = params.workspace_folders.iter().flatten().map(|folder| &folder.uri);
        self.roots = folders.filter_map(positions::path).collect();
        #[expect(deprecated, reason = "older editors send nothing else")]
        if self.roots.is_empty() {
            self.roots.extend(params.root_uri.as_ref().and_then(positions::path));
        }
    }

    /// Handles a notification. Returns the texts that were closed.
    pub fn handle(&mut self, notice: Notification) -> Result<Vec<Uri>, String> {
        match notice.method.as_str() {
            DidOpenTextDocument::METHOD => {
                let DidOpenTextDocumentParams { text_document: item } = params(notice)?;
                self.opened(&item.uri, item.version, &item.text);
            }
            DidChangeTextDocument::METHOD => {
                let change: DidChangeTextDocumentParams = params(notice)?;
                let (encoding, uri) = (self.encoding, change.text_document.uri);
                let document = self.documents.iter_mut().find(|document| document.uri == uri);
                let document = document.ok_or_else(|| format!("{} is not open", uri.as_str()))?;
                let mut text = document.text().to_owned();
                for part in change.content_changes {
                    match part.range {
                        Some(Range { start, end }) => {
                            let (start, end) = (encoding.offset(&text, start), encoding.offset(&text, end));
                            text.replace_range(start.min(end)..end.max(start), &part.text);
                        }
                        None => text = part.text,
                    }
                }
                document.version = change.text_document.version;
                document.outline = Arc::new(Source::new(&text, encoding));
                self.changed(Some(&uri));
            }
            DidCloseTextDocument::METHOD => {
                let DidCloseTextDocumentParams { text_document: closed } = params(notice)?;
                self.closed(&closed.uri);
                return Ok(vec![closed.uri]);
            }
            DidSaveTextDocument::METHOD | DidChangeWatchedFiles::METHOD => self.changed(None),
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Takes a text that an editor has opened.
    pub fn opened(&mut self, uri: &Uri, version: i32, text: &str) {
        self.documents.retain(|document| document.uri != *uri);
        let (path, outline) = (positions::path(uri), Arc::new(Source::new(text, self.encoding)));
        self.documents.push(Document { path, version, outline, uri: uri.clone() });
        self.changed(Some(uri));
    }

    /// Forgets a text that an editor has closed.
    pub fn closed(&mut self, uri: &Uri) {
        self.documents.retain(|document| document.uri != *uri);
        self.pending.retain(|pending| pending != uri);
        self.changed(None);
    }

    /// Returns the services of the operator's file for the script at this path, if there is one without a mistake: in
    /// the folder of the scripts, beside the script, or in a folder of the editor that the script is in.
    pub fn services(&self, path: Option<&Path>) -> Option<Services> {
        let beside = path.and_then(Path::parent);
        let roots =
            self.roots.iter().map(PathBuf::as_path).filter(|root| path.is_none_or(|path| path.starts_with(root)));
        let folders: Vec<&Path> = match &self.folder {
            Some(folder) => vec![folder],
            None => beside.into_iter().chain(roots).collect(),
        };
        let folder = folders.iter().find(|folder| disk::is_file(&folder.join(FILE_NAME))).or(folders.first());
        let config =
            self.config.place(folder.unwrap_or(&Path::new(""))).with_purpose(Purpose::Names).with_options(RULES);
        config.read().ok()?;
        config.file().map(|_| Services::new(config.settings()))
    }

    /// Queues a text to be checked, and after it the texts that may depend on it.
    fn changed(&mut self, first: Option<&Uri>) {
        let depends = |document: &&Document| {
            document.is_test() || document.outline.symbols().iter().any(|symbol| symbol.path.is_some())
        };
        let all = first.is_none_or(|uri| TableKind::of(uri.as_str()).is_some());
        let others = self.documents.iter().filter(|document| all || depends(document));
        let mut pending: Vec<Uri> = others.map(|document| document.uri.clone()).chain(first.cloned()).collect();
        self.pending.retain(|uri| !pending.contains(uri));
        self.pending.append(&mut pending);
    }

    /// Takes the text that is to be checked next.
    pub fn next_pending(&mut self) -> Option<Uri> {
        let uri = self.pending.pop()?;
        self.pending.retain(|other| *other != uri);
        Some(uri)
    }

    /// Returns the diagnostics of an open text, and the version of the text they are for.
    pub fn diagnostics(&mut self, uri: &Uri) -> Option<(Vec<Diagnostic>, i32)> {
        // Imported scripts are read from the editor if they are open.
        let text_of = |document: &Document| Some((document.path.clone()?, document.text().to_owned()));
        let path =
            self.documents.iter().find(|document| document.uri == *uri).and_then(|document| document.path.clone());
        self.checker.services = self.services(path.as_deref());
        self.checker.texts = self.documents.iter().filter_map(text_of).collect();
        let document = self.document(uri)?;
        let (text, version) = (document.text(), document.version);
        // The checker counts characters.
        let checked = Positions::new(text, Encoding::Utf32);
        let path = document.path.clone().unwrap_or_else(|| PathBuf::from(uri.as_str()));
        let (name, findings) = if let Some(kind) = document.table() {
            let script = path.with_extension("rhai");
            // A table without a script is checked on its own.
            let Some(said) = self.read(&script) else {
                let wrong = mistakes(text, kind);
                let wrong = wrong.iter().map(|(line, column, message)| {
                    table_diagnostic(&document.outline, checked.span(text, *line, *column, 1), message)
                });
                return Some((wrong.collect(), version));
            };
            (path, self.checker.check_table(&script, &said))
        } else {
            let findings = self.checker.check(&path, text);
            (path, findings)
        };
        // Only findings in this text; imported scripts get their own when they are open.
        let own = findings.iter().filter(|finding| Path::new(&finding.script) == name);
        let found = own.map(|finding| {
            let span = checked.span(text, finding.line, finding.column, finding.width);
            finding_diagnostic(&document.outline, span, finding)
        });
        let found = found.collect();
        Some((found, version))
    }

    pub fn document(&self, uri: &Uri) -> Option<&Document> {
        self.documents.iter().find(|document| document.uri == *uri)
    }

    pub fn offset(document: &Document, position: Position) -> usize {
        document.outline.offset(position)
    }

    /// Returns the command that a function sends, if it sends a single one.
    pub fn command(&self, function: &Function) -> Option<&'static Command> {
        self.language.commands().of(function)
    }

    /// Returns the functions a script may call: those of every script, and in a test also those for tests.
    pub fn functions(&self, document: &Document) -> impl Iterator<Item = &'static Function> {
        let tests: &[&Function] = if document.is_test() { VOCABULARY } else { &[] };
        let mut all: Vec<&'static Function> = self.language.functions().to_vec();
        all.extend(tests);
        all.into_iter()
    }

    pub fn function(&self, document: &Document, name: &str) -> Option<&'static Function> {
        self.functions(document).find(|function| function.name == name)
    }

    /// Reads a file, from the editor if it is open.
    fn read(&self, path: &Path) -> Option<String> {
        let open = self.open(path).map(|document| document.text().to_owned());
        open.or_else(|| disk::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn open(&self, path: &Path) -> Option<&Document> {
        self.documents.iter().find(|document| document.path.as_deref().is_some_and(|open| same_file(open, path)))
    }

    /// Returns the URI by which the editor knows a file.
    pub fn uri(&self, path: &Path) -> Option<Uri> {
        self.open(path).map(|document| document.uri.clone()).or_else(|| positions::uri(path))
    }

    /// Returns the outline of a script, from the editor if it is open.
    pub fn outline(&self, path: &Path) -> Option<Arc<Source>> {
        match self.open(path) {
            Some(document) => Some(Arc::clone(&document.outline)),
            None => Some(Arc::new(Source::new(&self.read(path)?, self.encoding))),
        }
    }

    /// Returns the file that an import refers to.
    pub fn imported(&self, importer: Option<&Path>, path: &str) -> Option<PathBuf> {
        imported(importer?, path, self.folder.as_deref())
    }

    /// Returns the tables that belong to a script or to another table: the one of the same name, if there is one. A
    /// script without a table may be imported by others: then, returns all tables beside it.
    pub fn tables(&self, path: &Path, kind: TableKind) -> Vec<PathBuf> {
        let ending = kind.ending();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem).trim_end_matches(".test");
        let own = path.with_file_name(format!("{stem}.{ending}"));
        if self.open(&own).is_some() || disk::is_file(&own) {
            return vec![own];
        }
        let files = path.parent().map(disk::entries).unwrap_or_default().into_iter();
        let mut tables: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|other| other == ending)).collect();
        tables.sort();
        tables
    }

    /// Returns the prompts of the tables that belong to a script or to another table.
    pub fn prompts(&self, document: &Document) -> Vec<TablePrompt> {
        let Some(path) = &document.path else { return Vec::new() };
        let tables = self.tables(path, TableKind::Prompts);
        tables.iter().flat_map(|path| self.read(path).map(|text| table(&text)).unwrap_or_default()).collect()
    }

    /// Returns all scripts in the folders of the editor and beside this file.
    pub fn scripts(&self, beside: Option<&Path>) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders: Vec<&Path> = self.roots.iter().map(PathBuf::as_path).collect();
        folders.extend(self.folder.as_deref());
        if let Some(folder) = beside.and_then(Path::parent)
            && !folders.iter().any(|root| folder.starts_with(root))
        {
            folders.push(folder);
        }
        let mut left = MAX_FOLDERS;
        for folder in folders {
            scripts_below(folder, MAX_DEPTH, &mut left, &mut found);
        }
        let scripts = self.documents.iter().filter(|document| document.table().is_none());
        found.extend(scripts.filter_map(|document| document.path.clone()));
        found.sort();
        found.dedup();
        found
    }
}

fn params<T: DeserializeOwned>(notice: Notification) -> Result<T, String> {
    serde_json::from_value(notice.params).map_err(|error| error.to_string())
}

fn table_diagnostic(source: &Source, span: std::ops::Range<usize>, message: &str) -> Diagnostic {
    Diagnostic {
        range: source.range(&span),
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some("agi-rhai".to_owned()),
        message: message.to_owned(),
        ..Diagnostic::default()
    }
}

fn finding_diagnostic(source: &Source, span: std::ops::Range<usize>, finding: &Finding) -> Diagnostic {
    let hint = finding.hint.as_ref().map_or(String::new(), |hint| format!("\n{hint}"));
    let idle = finding.rule.starts_with("unused") || finding.rule.starts_with("unreachable");
    Diagnostic {
        range: source.range(&span),
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(finding.rule.to_owned())),
        source: Some("agi-rhai".to_owned()),
        message: format!("{}{hint}", finding.message),
        tags: idle.then(|| vec![DiagnosticTag::UNNECESSARY]),
        ..Diagnostic::default()
    }
}

/// Whether two paths lead to the same file.
pub fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || (one.file_name() == other.file_name()
            && matches!((disk::real(one), disk::real(other)), (Ok(one), Ok(other)) if one == other))
}

/// Returns the mistakes in a table: lines, columns (0 for the whole line) and messages.
fn mistakes(text: &str, kind: TableKind) -> Vec<(usize, usize, String)> {
    match kind {
        TableKind::Prompts => {
            let errors = parse_prompts(text).1.into_iter();
            errors.map(|error| (error.line, 0, format!("{}; {}", error.problem, error.hint))).collect()
        }
        TableKind::Phrases => {
            let faults = Phrases::parse("", text).1.into_iter();
            let hint = |fault: &Fault| fault.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
            faults.map(|fault| (fault.line, fault.column, format!("{}{}", fault.message, hint(&fault)))).collect()
        }
    }
}

/// Parses the prompts of a table. A bad line doesn't hide the others.
fn table(text: &str) -> Vec<TablePrompt> {
    parse_prompts(text).0.into_iter().map(|prompt| TablePrompt { prompt }).collect()
}

fn scripts_below(folder: &Path, depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    for (path, is_folder) in disk::listed(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if is_folder && depth > 0 && name != "target" && name != "node_modules" {
            scripts_below(&path, depth - 1, left, found);
        } else if name.ends_with(".rhai") {
            found.push(path);
        }
    }
}
