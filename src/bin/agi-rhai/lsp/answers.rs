//! Answers to the editor's questions.

use super::workspace::{Document, Prompt, Workspace, same_file};
use super::{Answer, error, params, value};
use agi_rhai::agi::environment::NAMES;
use agi_rhai::command::reference::article;
use agi_rhai::command::{Command, Function, Kind, Need, Param};
use agi_rhai::pbx::Sounds;
use agi_rhai::tools::outline::words::{WORDS, Word, words};
use agi_rhai::tools::outline::{
    Calling, CursorContext, KEYWORDS, Outline, Symbol, SymbolKind, TokenKind, Use, may_be_named,
};
use agi_rhai::tools::testing::VOCABULARY;
use lsp_server::{ErrorCode, Request, ResponseError};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentHighlightRequest, DocumentSymbolRequest, GotoDefinition, HoverRequest,
    PrepareRenameRequest, References, Rename, Request as _, ResolveCompletionItem, SignatureHelpRequest,
};
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, CompletionItem, CompletionItemKind, CompletionTextEdit, Diagnostic,
    DocumentHighlight, DocumentSymbol, DocumentSymbolParams, Documentation, Hover, HoverContents, InsertTextFormat,
    Location, MarkupContent, MarkupKind, NumberOrString, ParameterInformation, ParameterLabel, PrepareRenameResponse,
    Range, ReferenceParams, RenameParams, SignatureHelp, SignatureInformation, SymbolInformation,
    TextDocumentPositionParams, TextEdit, Uri, WorkspaceEdit,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// The values every script has.
const VALUES: [(&str, &str); 4] = [
    ("env", "What Asterisk told of the call: `env.agi_callerid`, ... What it did not tell is `()`."),
    ("args", "The arguments behind the script in the dialplan, as an array of texts."),
    ("params", "What stands behind the `?` in the URL of FastAGI: `params.level`. Empty elsewhere."),
    ("state", "The notebook of this call: `state.score = 0`. Every function sees it, `on_hangup` too."),
];

/// What a caught error holds.
const ERROR: [(&str, &str); 8] = [
    ("kind", "`argument` (nothing was sent), `refused` or `failed`."),
    ("command", "The command, such as `STREAM FILE`."),
    ("parameter", "The parameter at fault; `()` if none is."),
    ("code", "The code of Asterisk's reply; `()` without one."),
    ("result", "The result of Asterisk's reply; `()` without one."),
    ("message", "What is wrong."),
    ("script", "The script it happened in."),
    ("line", "The line it happened at."),
];

/// Keys of option maps that hold prompts.
const PROMPT_KEYS: [&str; 4] = ["no_input", "no_match", "give_up", "missing"];

pub fn answer(workspace: &mut Workspace, request: Request) -> Answer {
    let asked = request.params;
    let name = asked.pointer("/textDocument/uri").and_then(serde_json::Value::as_str);
    if name.is_some_and(|name| name.ends_with(".prompts")) {
        // A table of prompts is only checked.
        return Ok(serde_json::Value::Null);
    }
    match request.method.as_str() {
        CodeActionRequest::METHOD => {
            let asked: CodeActionParams = params(asked)?;
            value(mends(workspace, document(workspace, &asked.text_document.uri)?, &asked.context.diagnostics))
        }
        Completion::METHOD => value(view(workspace, &params(asked)?)?.completion()),
        ResolveCompletionItem::METHOD => resolve(workspace, params(asked)?),
        HoverRequest::METHOD => value(view(workspace, &params(asked)?)?.hover()),
        SignatureHelpRequest::METHOD => value(view(workspace, &params(asked)?)?.signature_help()),
        GotoDefinition::METHOD => value(view(workspace, &params(asked)?)?.definition()),
        DocumentHighlightRequest::METHOD => value(view(workspace, &params(asked)?)?.highlights()),
        References::METHOD => {
            let asked: ReferenceParams = params(asked)?;
            let declaration = asked.context.include_declaration;
            value(view(workspace, &asked.text_document_position)?.references(declaration))
        }
        PrepareRenameRequest::METHOD => view(workspace, &params(asked)?)?.prepare_rename(),
        Rename::METHOD => {
            let asked: RenameParams = params(asked)?;
            view(workspace, &asked.text_document_position)?.rename(&asked.new_name)
        }
        DocumentSymbolRequest::METHOD => {
            let asked: DocumentSymbolParams = params(asked)?;
            symbols(workspace, document(workspace, &asked.text_document.uri)?)
        }
        other => Err(error(ErrorCode::MethodNotFound, &format!("{other} is nothing this server does"))),
    }
}

/// An entry of a completion with all there is to say of it.
fn resolve(workspace: &Workspace, mut item: CompletionItem) -> Answer {
    let name = item.data.as_ref().and_then(serde_json::Value::as_str);
    let mut functions = workspace.language.functions().iter().chain(VOCABULARY);
    if let Some(function) = name.and_then(|name| functions.find(|function| function.name == name)) {
        item.documentation = Some(markdown(format!("{}\n\n{}", function.summary, article(function).trim_end())));
    }
    value(item)
}

fn document<'a>(workspace: &'a Workspace, uri: &Uri) -> Result<&'a Document, ResponseError> {
    let missing = || error(ErrorCode::InvalidParams, &format!("{} is not open", uri.as_str()));
    workspace.document(uri).ok_or_else(missing)
}

fn view<'a>(workspace: &'a Workspace, asked: &TextDocumentPositionParams) -> Result<View<'a>, ResponseError> {
    let document = document(workspace, &asked.text_document.uri)?;
    Ok(View { workspace, document, outline: &document.outline, offset: workspace.offset(document, asked.position) })
}

/// A place in an open text.
struct View<'a> {
    workspace: &'a Workspace,
    document: &'a Document,
    outline: &'a Outline,
    offset: usize,
}

/// Something a name can stand for.
enum Meaning<'a> {
    /// A name this script gives.
    Own(&'a Symbol),
    /// A name another script gives.
    Other(PathBuf, Arc<Outline>, usize),
    Function(&'static Function),
    Value(&'static str, &'static str),
    Words(Vec<&'static Word>),
}

impl View<'_> {
    fn range(&self, span: &std::ops::Range<usize>) -> Range {
        self.workspace.encoding.range(self.document.text(), span)
    }

    fn location(&self, path: &std::path::Path, outline: &Outline, span: &std::ops::Range<usize>) -> Option<Location> {
        let range = self.workspace.encoding.range(outline.text(), span);
        Some(Location { uri: self.workspace.uri(path)?, range })
    }

    /// The script behind the name of an import.
    fn module(&self, name: &str) -> Option<(PathBuf, Arc<Outline>)> {
        let visible = self.outline.visible(self.offset);
        let imports = visible.iter().rev().map(|&id| &self.outline.symbols()[id]);
        let mut imports = imports.filter(|symbol| symbol.kind == SymbolKind::Import && symbol.name == name);
        let path = self.workspace.imported(self.document.path.as_deref(), imports.next()?.path.as_deref()?)?;
        let outline = self.workspace.outline(&path)?;
        Some((path, outline))
    }

    /// What the cursor stands on.
    fn meaning(&self) -> Option<Meaning<'_>> {
        if let Some(symbol) = self.outline.symbol_at(self.offset) {
            return Some(Meaning::Own(&self.outline.symbols()[symbol]));
        }
        if let Some(name) = self.outline.use_at(self.offset) {
            return self.meaning_of(name);
        }
        let (span, kind) = self.outline.word_at(self.offset)?;
        let key = &self.outline.text()[span];
        let known = (*kind == TokenKind::Word).then(|| NAMES.iter().find(|(name, _)| *name == key)).flatten();
        known.map(|(name, doc)| Meaning::Value(name, doc))
    }

    fn meaning_of(&self, name: &Use) -> Option<Meaning<'_>> {
        match &name.space {
            Some(space) if space != "global" => {
                let (path, outline) = self.module(space)?;
                let found = exported(&outline, &name.name, name.called.then_some(name.arguments).flatten())?;
                Some(Meaning::Other(path, outline, found))
            }
            _ => {
                let value = || VALUES.iter().find(|(value, _)| *value == name.name);
                let known = || words(&name.name).collect::<Vec<_>>();
                if name.called
                    && let Some(function) = self.workspace.function(self.document, &name.name)
                {
                    return Some(Meaning::Function(function));
                }
                match value() {
                    Some((name, doc)) if !name.is_empty() => Some(Meaning::Value(name, doc)),
                    _ if name.called => Some(Meaning::Words(known())).filter(|_| !known().is_empty()),
                    _ => None,
                }
            }
        }
    }

    /// The text the cursor is in, if a prompt may stand there.
    fn prompt_text(&self) -> Option<(std::ops::Range<usize>, &str)> {
        let CursorContext::Text(span) = self.outline.cursor_context(self.offset) else { return None };
        Some((span.clone(), &self.outline.text()[span]))
    }

    /// Whether the argument the cursor is in is a prompt.
    fn takes_prompt(&self, calling: &Calling) -> bool {
        if let Some(key) = &calling.key {
            return PROMPT_KEYS.contains(&key.as_str());
        }
        let Some(function) = self.called(calling) else { return false };
        let sound = Command::of_function(function.name).is_some_and(|command| match command.minus {
            agi_rhai::command::Minus::Sound { param, .. } => param == calling.argument,
            _ => false,
        });
        let named = function.params.get(calling.argument).is_some_and(|param| is_prompt(param.name));
        sound || named
    }

    fn called(&self, calling: &Calling) -> Option<&'static Function> {
        let own = calling.space.is_some() || self.outline.functions().any(|function| function.name == calling.name);
        if own { None } else { self.workspace.function(self.document, &calling.name) }
    }

    // Completion

    fn completion(&self) -> Vec<CompletionItem> {
        match self.outline.cursor_context(self.offset) {
            CursorContext::Code(start) => self.complete_code(start),
            CursorContext::Member(start, of) => self.complete_member(start, of.as_deref()),
            CursorContext::Space(start, space) => self.complete_space(start, &space),
            CursorContext::Text(span) => self.complete_text(&span),
            CursorContext::ImportPath(span) => self.complete_script(&span, false),
            CursorContext::Elsewhere => Vec::new(),
        }
    }

    /// An entry that takes the place of the word the cursor is in.
    fn item(&self, start: usize, label: &str, kind: CompletionItemKind) -> CompletionItem {
        let edit = TextEdit { range: self.range(&(start..self.offset)), new_text: label.to_owned() };
        CompletionItem {
            label: label.to_owned(),
            kind: Some(kind),
            text_edit: Some(CompletionTextEdit::Edit(edit)),
            ..CompletionItem::default()
        }
    }

    /// An entry for a function; where the editor can, with the brackets behind it and the cursor in them.
    fn function_item(&self, start: usize, name: &str, signature: &str, takes: bool) -> CompletionItem {
        let mut item = self.item(start, name, CompletionItemKind::FUNCTION);
        item.detail = Some(signature.to_owned());
        let called = self.document.text()[self.offset..].starts_with('(');
        if self.workspace.snippets && !called {
            item.insert_text_format = Some(InsertTextFormat::SNIPPET);
            if let Some(CompletionTextEdit::Edit(edit)) = &mut item.text_edit {
                edit.new_text.push_str(if takes { "($1)$0" } else { "()$0" });
            }
        }
        item
    }

    fn own_item(&self, start: usize, symbol: &Symbol) -> CompletionItem {
        let mut item = match symbol.kind {
            SymbolKind::Function => {
                self.function_item(start, &symbol.name, &symbol.signature(), !symbol.params.is_empty())
            }
            kind => {
                let shown = match kind {
                    SymbolKind::Constant => CompletionItemKind::CONSTANT,
                    SymbolKind::Import => CompletionItemKind::MODULE,
                    _ => CompletionItemKind::VARIABLE,
                };
                CompletionItem { detail: Some(symbol.signature()), ..self.item(start, &symbol.name, shown) }
            }
        };
        item.documentation = Some(&symbol.doc).filter(|doc| !doc.is_empty()).map(|doc| markdown(doc.clone()));
        item
    }

    /// The options that may be given here, where a key of a map of options may stand.
    fn complete_option(&self, start: usize) -> Option<Vec<CompletionItem>> {
        let before = self.outline.text()[..start].trim_end();
        if !before.ends_with("#{") && !before.ends_with(',') {
            return None;
        }
        let calling = self.outline.calling(start).filter(|calling| calling.key.is_none())?;
        let Kind::Options(options) = self.called(&calling)?.params.get(calling.argument)?.kind else { return None };
        let item = |option: &Param| {
            let mut item = self.item(start, option.name, CompletionItemKind::FIELD);
            let followed = self.document.text()[self.offset..].trim_start().starts_with(':');
            if let (Some(CompletionTextEdit::Edit(edit)), false) = (&mut item.text_edit, followed) {
                edit.new_text.push_str(": ");
            }
            let default = match option.need {
                Need::Default(default) => format!(" = {default}"),
                _ => String::new(),
            };
            item.detail = Some(format!("{}{default}", option.kind.name()));
            item.documentation = Some(markdown(option.doc.to_owned()));
            item
        };
        Some(options.iter().map(item).collect())
    }

    fn complete_code(&self, start: usize) -> Vec<CompletionItem> {
        if let Some(options) = self.complete_option(start) {
            return options;
        }
        let mut items = Vec::new();
        for id in self.outline.visible(self.offset) {
            items.push(self.own_item(start, &self.outline.symbols()[id]));
        }
        let own: BTreeSet<String> = items.iter().map(|item| item.label.clone()).collect();
        for function in self.workspace.functions(self.document).filter(|function| !own.contains(function.name)) {
            let takes = !function.params.is_empty();
            let mut item = self.function_item(start, function.name, &function.signature(), takes);
            // Told at length when the editor shows it.
            item.data = Some(function.name.into());
            items.push(item);
        }
        for (name, doc) in VALUES.into_iter().filter(|(name, _)| !own.contains(*name)) {
            let item = self.item(start, name, CompletionItemKind::VARIABLE);
            items.push(CompletionItem { documentation: Some(markdown(doc.to_owned())), ..item });
        }
        let word = |keyword: &&str| self.item(start, keyword, CompletionItemKind::KEYWORD);
        items.extend(KEYWORDS.iter().map(word));
        for (number, item) in (0..).zip(&mut items) {
            // What is near comes first: the script's own names, then what every script has, then the language.
            let rank = match item.kind {
                Some(CompletionItemKind::KEYWORD) => 2,
                _ => i32::from(!own.contains(&item.label)),
            };
            item.sort_text = Some(format!("{rank}{number:05}"));
        }
        items
    }

    fn complete_member(&self, start: usize, of: Option<&str>) -> Vec<CompletionItem> {
        let described = |(name, doc): (&str, &str)| CompletionItem {
            documentation: Some(markdown(doc.to_owned())),
            sort_text: Some(format!("0{name}")),
            ..self.item(start, name, CompletionItemKind::FIELD)
        };
        if of == Some("env") {
            return NAMES.iter().copied().map(described).collect();
        }
        let caught = of.is_some_and(|of| {
            let visible = self.outline.visible(self.offset);
            let mut own = visible.iter().map(|&id| &self.outline.symbols()[id]).filter(|symbol| symbol.name == of);
            own.any(|symbol| is_caught(self.outline.text(), symbol))
        });
        let mut items: Vec<CompletionItem> =
            if caught { ERROR.iter().copied().map(described).collect() } else { Vec::new() };
        let known: BTreeSet<String> = items.iter().map(|item| item.label.clone()).collect();
        let word = &self.outline.text()[start..self.offset];
        let keys = self.outline.keys().iter().filter(|key| of.is_none() || key.of.as_deref() == of);
        let keys: BTreeMap<&str, usize> = keys.fold(BTreeMap::new(), |mut keys, key| {
            *keys.entry(key.name.as_str()).or_default() += 1;
            keys
        });
        // The key that is being typed is no key yet.
        let keys = keys.into_iter().filter(|(key, count)| !known.contains(*key) && (*key != word || *count > 1));
        items.extend(keys.map(|(key, _)| CompletionItem {
            sort_text: Some(format!("0{key}")),
            ..self.item(start, key, CompletionItemKind::FIELD)
        }));
        if !caught {
            let mut seen = BTreeSet::new();
            for word in WORDS.iter().filter(|word| seen.insert(word.name())) {
                let mut item = self.function_item(start, word.name(), word.signature, word.params().next().is_some());
                item.kind = Some(CompletionItemKind::METHOD);
                item.documentation = Some(markdown(described_words(&words(word.name()).collect::<Vec<_>>())));
                item.sort_text = Some(format!("1{}", word.name()));
                items.push(item);
            }
        }
        items
    }

    fn complete_space(&self, start: usize, space: &str) -> Vec<CompletionItem> {
        if space == "global" {
            let constants = self.outline.symbols().iter();
            let constants = constants.filter(|symbol| symbol.kind == SymbolKind::Constant && symbol.function.is_none());
            return constants.map(|symbol| self.own_item(start, symbol)).collect();
        }
        let Some((_, outline)) = self.module(space) else { return Vec::new() };
        let symbols = outline.symbols().iter().filter(|symbol| is_exported(&outline, symbol));
        symbols.map(|symbol| self.own_item(start, symbol)).collect()
    }

    /// An entry that takes the place of the whole text the cursor is in.
    fn text_item(&self, span: &std::ops::Range<usize>, text: &str, kind: CompletionItemKind) -> CompletionItem {
        let edit = TextEdit { range: self.range(span), new_text: text.to_owned() };
        CompletionItem {
            text_edit: Some(CompletionTextEdit::Edit(edit)),
            filter_text: Some(text.to_owned()),
            ..self.item(span.start, text, kind)
        }
    }

    fn complete_text(&self, span: &std::ops::Range<usize>) -> Vec<CompletionItem> {
        let Some(calling) = self.outline.calling(span.start.saturating_sub(1)) else { return Vec::new() };
        if self.takes_prompt(&calling) {
            return self.complete_prompt(span);
        }
        let Some(function) = self.called(&calling).filter(|_| calling.key.is_none()) else { return Vec::new() };
        match function.params.get(calling.argument) {
            Some(param) if param.name == "script" && self.document.is_test() => self.complete_script(span, true),
            Some(param) => match param.kind {
                Kind::Word(words) => {
                    words.iter().map(|word| self.text_item(span, word, CompletionItemKind::ENUM_MEMBER)).collect()
                }
                _ => Vec::new(),
            },
            None => Vec::new(),
        }
    }

    fn complete_prompt(&self, span: &std::ops::Range<usize>) -> Vec<CompletionItem> {
        let mut items = Vec::new();
        let prompts = self.workspace.prompts(self.document);
        let mut seen = BTreeSet::new();
        for Prompt { name, words, .. } in prompts.iter().filter(|prompt| seen.insert(prompt.name.as_str())) {
            items.push(CompletionItem {
                detail: Some(words.clone()).filter(|words| !words.is_empty()),
                sort_text: Some(format!("0{name}")),
                ..self.text_item(span, name, CompletionItemKind::FILE)
            });
        }
        for (name, length) in Sounds::core().filter(|(name, _)| !seen.contains(name)) {
            items.push(CompletionItem {
                detail: Some(format!("Asterisk's own sound, {:.1} s", length.as_secs_f64())),
                sort_text: Some(format!("1{name}")),
                ..self.text_item(span, name, CompletionItemKind::FILE)
            });
        }
        items
    }

    /// The scripts beside this one and below, as an import or a test names them.
    fn complete_script(&self, span: &std::ops::Range<usize>, for_test: bool) -> Vec<CompletionItem> {
        let Some(path) = &self.document.path else { return Vec::new() };
        let folder = path.parent().unwrap_or(path);
        let scripts = self.workspace.scripts(Some(path));
        let others = scripts.iter().filter(|other| !same_file(other, path));
        let named = others.filter_map(|other| {
            let within = other.strip_prefix(folder).ok()?.to_str()?.strip_suffix(".rhai")?.to_owned();
            within.strip_suffix(".test").is_none().then_some(within)
        });
        let own = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".test.rhai")).unwrap_or_default();
        let item = |name: String| {
            let first = for_test && name == own;
            let sort_text = Some(format!("{}{name}", i32::from(!first)));
            CompletionItem { sort_text, ..self.text_item(span, &name, CompletionItemKind::FILE) }
        };
        named.map(item).collect()
    }

    // Hover, signatures

    fn hover(&self) -> Option<Hover> {
        if let Some((span, name)) = self.prompt_text() {
            let prompts = self.workspace.prompts(self.document);
            let words = prompts.iter().find(|prompt| prompt.name == name).map(|prompt| prompt.words.clone());
            let own = || {
                let (_, length) = Sounds::core().find(|(core, _)| *core == name)?;
                Some(format!("Asterisk's own sound, {:.1} s", length.as_secs_f64()))
            };
            let takes = self.outline.calling(span.start.saturating_sub(1)).is_some_and(|call| self.takes_prompt(&call));
            let text = match words {
                Some(words) if words.is_empty() => format!("`{name}`: its words are not in the table"),
                Some(words) => format!("`{name}`: “{words}”"),
                None if takes => format!("`{name}`: {}", own()?),
                None => return None,
            };
            return Some(self.shows(text, &span));
        }
        let (span, _) = self.outline.word_at(self.offset)?;
        let text = match self.meaning()? {
            Meaning::Own(symbol) => described(symbol),
            Meaning::Other(path, outline, id) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!("{}\n\n*from {file}*", described(&outline.symbols()[id]))
            }
            Meaning::Function(function) => described_function(function),
            Meaning::Value(name, doc) => format!("```rhai\n{name}\n```\n{doc}"),
            Meaning::Words(words) => described_words(&words),
        };
        Some(self.shows(text, &span))
    }

    fn shows(&self, text: String, span: &std::ops::Range<usize>) -> Hover {
        let content = MarkupContent { kind: MarkupKind::Markdown, value: text };
        Hover { contents: HoverContents::Markup(content), range: Some(self.range(span)) }
    }

    fn signature_help(&self) -> Option<SignatureHelp> {
        let calling = self.outline.calling(self.offset)?;
        let own = |outline: &Outline| -> Vec<SignatureInformation> {
            let named = outline.functions().filter(|function| function.name == calling.name);
            named.map(|function| signature_of(function, calling.argument)).collect()
        };
        let signatures = if let Some(space) = &calling.space {
            own(&self.module(space)?.1)
        } else {
            let mut found = own(self.outline);
            let function = self.workspace.function(self.document, &calling.name).filter(|_| !calling.method);
            if found.is_empty() {
                found.extend(function.map(|function| signature_of_function(function, calling.argument)));
            }
            if found.is_empty() {
                let words = words(&calling.name).filter(|word| calling.method || word.of == "any");
                found.extend(words.map(|word| signature_of_word(word, calling.argument)));
            }
            found
        };
        let takes = |signature: &SignatureInformation| {
            signature.parameters.as_ref().is_some_and(|params| params.len() > calling.argument)
        };
        let active = signatures.iter().position(takes).unwrap_or(0);
        let active_parameter = signatures.get(active)?.active_parameter;
        Some(SignatureHelp { signatures, active_signature: u32::try_from(active).ok(), active_parameter })
    }

    // Definitions and uses

    fn definition(&self) -> Option<Location> {
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
            let prompts = self.workspace.prompts(self.document);
            let prompt = prompts.iter().find(|prompt| prompt.name == name)?;
            let start = lsp_types::Position { line: prompt.line, character: 0 };
            return Some(Location { uri: self.workspace.uri(&prompt.table)?, range: Range { start, end: start } });
        }
        match self.meaning()? {
            Meaning::Own(Symbol { kind: SymbolKind::Import, path: Some(path), span, .. }) => {
                match self.workspace.imported(self.document.path.as_deref(), path) {
                    Some(path) => Some(Location { uri: self.workspace.uri(&path)?, range: Range::default() }),
                    None => Some(Location { uri: self.document.uri.clone(), range: self.range(span) }),
                }
            }
            Meaning::Own(symbol) => Some(Location { uri: self.document.uri.clone(), range: self.range(&symbol.span) }),
            Meaning::Other(path, outline, id) => self.location(&path, &outline, &outline.symbols()[id].span),
            _ => None,
        }
    }

    fn highlights(&self) -> Vec<DocumentHighlight> {
        let Some(symbol) = self.outline.symbol_at(self.offset) else { return Vec::new() };
        let places = self.outline.spans_of(symbol);
        places.iter().map(|span| DocumentHighlight { range: self.range(span), kind: None }).collect()
    }

    fn references(&self, declaration: bool) -> Vec<Location> {
        let Some(named) = self.named() else { return Vec::new() };
        let places = self.everywhere(&named);
        let given = (&named.uri, self.workspace.encoding.range(named.outline.text(), &named.symbol().span));
        places.into_iter().filter(|place| declaration || (&place.uri, place.range) != given).collect()
    }

    /// The symbol the cursor stands on, of this script or of an imported one.
    fn named(&self) -> Option<Named> {
        if let Some(id) = self.outline.symbol_at(self.offset) {
            let (uri, path) = (self.document.uri.clone(), self.document.path.clone());
            return Some(Named { uri, path, outline: Arc::clone(&self.document.outline), id });
        }
        match self.meaning()? {
            Meaning::Other(path, outline, id) => {
                Some(Named { uri: self.workspace.uri(&path)?, path: Some(path), outline, id })
            }
            _ => None,
        }
    }

    /// Where a name stands, also in the scripts that import the one that gives it.
    fn everywhere(&self, named: &Named) -> Vec<Location> {
        let encoding = self.workspace.encoding;
        let here = |uri: &Uri, outline: &Outline, span: &std::ops::Range<usize>| Location {
            uri: uri.clone(),
            range: encoding.range(outline.text(), span),
        };
        let mut found: Vec<Location> =
            named.outline.spans_of(named.id).iter().map(|span| here(&named.uri, &named.outline, span)).collect();
        let Some(path) = named.path.as_ref().filter(|_| is_exported(&named.outline, named.symbol())) else {
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
                    && name.name == named.symbol().name
                    && exported(&named.outline, &name.name, arguments) == Some(named.id)
            });
            found.extend(uses.map(|name| here(&uri, &outline, &name.span)));
        }
        found
    }

    // Renaming

    fn renamed(&self) -> Result<Named, ResponseError> {
        let refused = |message: &str| error(ErrorCode::RequestFailed, message);
        let Some(named) = self.named() else {
            let word = self.outline.word_at(self.offset).map(|(span, _)| self.outline.text()[span].to_owned());
            return Err(match word {
                Some(word) => refused(&format!("`{word}` is no name this script gives, so it cannot be renamed")),
                None => refused("there is no name to rename here"),
            });
        };
        if named.symbol().kind == SymbolKind::Function && named.symbol().name == "on_hangup" {
            return Err(refused("`on_hangup` is the name by which it is found after the hangup"));
        }
        Ok(named)
    }

    fn prepare_rename(&self) -> Answer {
        let named = self.renamed()?;
        let Some((span, _)) = self.outline.word_at(self.offset) else { return Ok(serde_json::Value::Null) };
        let placeholder = named.symbol().name.clone();
        value(PrepareRenameResponse::RangeWithPlaceholder { range: self.range(&span), placeholder })
    }

    fn rename(&self, new_name: &str) -> Answer {
        let refused = |message: String| error(ErrorCode::RequestFailed, &message);
        let named = self.renamed()?;
        let symbol = named.symbol();
        if symbol.name != new_name {
            may_be_named(new_name, symbol.kind, &self.workspace.language).map_err(refused)?;
            if let Some(conflict) = named.outline.conflict(named.id, new_name) {
                return Err(refused(conflict));
            }
        }
        #[expect(clippy::mutable_key_type, reason = "the protocol's own type; the address of a file does not change")]
        let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
        for place in self.everywhere(&named) {
            let edit = TextEdit { range: place.range, new_text: new_name.to_owned() };
            changes.entry(place.uri).or_default().push(edit);
        }
        value(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
    }
}

/// What would mend these mistakes: what was meant, where that can be guessed; or a comment that allows it.
fn mends(workspace: &Workspace, document: &Document, diagnostics: &[Diagnostic]) -> Vec<CodeAction> {
    let mut mends = Vec::new();
    for found in diagnostics.iter().filter(|found| found.source.as_deref() == Some("agi-rhai")) {
        let mend = |title: String, edit: TextEdit, preferred: bool| CodeAction {
            title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![found.clone()]),
            edit: Some(WorkspaceEdit {
                changes: Some(HashMap::from([(document.uri.clone(), vec![edit])])),
                ..WorkspaceEdit::default()
            }),
            is_preferred: Some(preferred),
            ..CodeAction::default()
        };
        let [start, end] = [found.range.start, found.range.end].map(|place| workspace.offset(document, place));
        let wrong = &document.text()[start.min(end)..end.max(start)];
        if let Some(meant) = meant(&found.message, wrong) {
            let edit = TextEdit { range: found.range, new_text: meant.clone() };
            mends.push(mend(format!("Change to {meant}"), edit, true));
        }
        if let Some(NumberOrString::String(rule)) = found.code.as_ref().filter(|_| !document.text().is_empty()) {
            let before = document.text()[..start].rsplit('\n').next().unwrap_or_default();
            let line = &before[..before.len() - before.trim_start().len()];
            let place = lsp_types::Position { line: found.range.start.line, character: 0 };
            let range = Range { start: place, end: place };
            let edit = TextEdit { range, new_text: format!("{line}// agi-rhai: allow({rule})\n") };
            if rule != "syntax" {
                mends.push(mend(format!("Allow it here ({rule})"), edit, false));
            }
        }
    }
    mends
}

/// The name a mistake's message guesses, written as the wrong one is.
fn meant(message: &str, wrong: &str) -> Option<String> {
    let guess = message.lines().find_map(|line| line.strip_prefix("did you mean ")?.strip_suffix('?'))?;
    let guess = guess.trim_matches(['`', '"']).trim_end_matches("::");
    let name = if wrong.contains(['.', ':']) { guess } else { guess.rsplit(['.', ':']).next().unwrap_or(guess) };
    let quote = wrong.chars().next().filter(|first| matches!(first, '"' | '`')).map_or(String::new(), String::from);
    (!name.is_empty() && !wrong.is_empty()).then(|| format!("{quote}{name}{quote}"))
}

/// A symbol and the script that gives it.
struct Named {
    uri: Uri,
    path: Option<PathBuf>,
    outline: Arc<Outline>,
    id: usize,
}

impl Named {
    fn symbol(&self) -> &Symbol {
        &self.outline.symbols()[self.id]
    }
}

/// Whether scripts that import this one see the name: its functions, and what stands behind `export`.
fn is_exported(outline: &Outline, symbol: &Symbol) -> bool {
    let before = outline.text()[..symbol.whole.start].trim_end();
    match symbol.kind {
        SymbolKind::Function => !symbol.private,
        SymbolKind::Constant | SymbolKind::Variable => symbol.function.is_none() && before.ends_with("export"),
        SymbolKind::Parameter | SymbolKind::Import => false,
    }
}

/// What an imported script means by a name, called with so many arguments where that is certain.
fn exported(outline: &Outline, name: &str, arguments: Option<usize>) -> Option<usize> {
    let named = || {
        let all = outline.symbols().iter().enumerate();
        all.filter(|(_, symbol)| symbol.name == name && is_exported(outline, symbol))
    };
    let fits = |symbol: &Symbol| arguments.is_none_or(|count| count == symbol.params.len());
    named().find(|(_, symbol)| fits(symbol)).or_else(|| named().next()).map(|(id, _)| id)
}

/// Whether it is the name of a `catch`.
fn is_caught(text: &str, symbol: &Symbol) -> bool {
    let before = text[..symbol.span.start].trim_end();
    before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with("catch"))
}

fn is_prompt(parameter: &str) -> bool {
    matches!(parameter, "prompt" | "parts")
}

fn markdown(text: String) -> Documentation {
    Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: text })
}

fn described(symbol: &Symbol) -> String {
    let doc = if symbol.doc.is_empty() { String::new() } else { format!("\n{}", symbol.doc) };
    format!("```rhai\n{}\n```{doc}", symbol.signature())
}

fn described_function(function: &Function) -> String {
    let sends = Command::of_function(function.name).map(|command| format!(" Sends `{}`.", command.verb));
    let (signature, summary) = (function.signature(), function.summary);
    format!("```rhai\n{signature}\n```\n{summary}{}\n\n{}", sends.unwrap_or_default(), article(function).trim_end())
}

fn described_words(words: &[&Word]) -> String {
    let one = |word: &&Word| format!("```rhai\n{}.{}\n```\n{}", word.of, word.signature, word.summary);
    words.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

/// A signature, of which the parameters and the one the cursor is at are told.
fn signature(label: String, doc: String, params: &[(String, String)], active: usize) -> SignatureInformation {
    let mut from = label.find('(').unwrap_or(0);
    let mut parameters = Vec::new();
    for (name, doc) in params {
        let start = label[from..].find(name.as_str()).map_or(from, |at| from + at);
        from = start + name.len();
        let offsets = [start, from].map(|offset| u32::try_from(label[..offset].encode_utf16().count()).unwrap_or(0));
        parameters.push(ParameterInformation {
            label: ParameterLabel::LabelOffsets(offsets),
            documentation: Some(doc).filter(|doc| !doc.is_empty()).map(|doc| markdown(doc.clone())),
        });
    }
    let repeats = params.last().is_some_and(|(name, _)| name.ends_with("..."));
    let active = if repeats { active.min(params.len() - 1) } else { active };
    SignatureInformation {
        label,
        documentation: Some(doc).filter(|doc| !doc.is_empty()).map(markdown),
        parameters: Some(parameters),
        active_parameter: u32::try_from(active).ok(),
    }
}

fn signature_of(function: &Symbol, active: usize) -> SignatureInformation {
    let params: Vec<(String, String)> = function.params.iter().map(|name| (name.clone(), String::new())).collect();
    let label = format!("{}({})", function.name, function.params.join(", "));
    signature(label, function.doc.clone(), &params, active)
}

fn signature_of_function(function: &Function, active: usize) -> SignatureInformation {
    let params = function.params.iter().map(|param| {
        let name = if param.kind.repeats() { format!("{}...", param.name) } else { param.name.to_owned() };
        let optional = if param.need == Need::Required { "" } else { ", may be left out" };
        (name, format!("({}{optional}) {}", param.kind.name(), param.doc))
    });
    let doc = format!("{}\n\nGives {}.", function.summary, function.returns.doc());
    signature(function.signature(), doc, &params.collect::<Vec<_>>(), active)
}

fn signature_of_word(word: &Word, active: usize) -> SignatureInformation {
    let params: Vec<(String, String)> = word.params().map(|name| (name.to_owned(), String::new())).collect();
    signature(word.signature.to_owned(), word.summary.to_owned(), &params, active)
}

/// The functions of a script with what they give names to, and the names at its top.
fn symbols(workspace: &Workspace, document: &Document) -> Answer {
    let outline = &document.outline;
    let shown = |symbol: &&Symbol| match symbol.kind {
        SymbolKind::Function | SymbolKind::Import => true,
        SymbolKind::Variable | SymbolKind::Constant => symbol.function.is_none(),
        SymbolKind::Parameter => false,
    };
    let kind = |symbol: &Symbol| match symbol.kind {
        SymbolKind::Function => lsp_types::SymbolKind::FUNCTION,
        SymbolKind::Constant => lsp_types::SymbolKind::CONSTANT,
        SymbolKind::Import => lsp_types::SymbolKind::MODULE,
        SymbolKind::Variable | SymbolKind::Parameter => lsp_types::SymbolKind::VARIABLE,
    };
    let range = |span: &std::ops::Range<usize>| workspace.encoding.range(document.text(), span);
    let symbols = outline.symbols().iter().filter(shown);
    if workspace.nested {
        #[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
        let one = |symbol: &Symbol| DocumentSymbol {
            name: symbol.name.clone(),
            detail: Some(symbol.signature()),
            kind: kind(symbol),
            tags: None,
            deprecated: None,
            range: range(&symbol.whole),
            selection_range: range(&symbol.span),
            children: None,
        };
        return value(symbols.map(one).collect::<Vec<_>>());
    }
    #[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
    let one = |symbol: &Symbol| SymbolInformation {
        name: symbol.name.clone(),
        kind: kind(symbol),
        tags: None,
        deprecated: None,
        location: Location { uri: document.uri.clone(), range: range(&symbol.whole) },
        container_name: None,
    };
    value(symbols.map(one).collect::<Vec<_>>())
}
