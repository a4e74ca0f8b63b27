//! Completion.

use super::answer::{Answer, value};
use super::cursor::{BUILTIN_VALUES, CAUGHT_ERROR, Cursor, is_exported};
use super::hover::EXTRA_SOUND;
use super::markdown::{described_words, markdown, option_type};
use super::table_lines::TableKind;
use super::workspace::{TablePrompt, Workspace, same_file};
use agi_rhai::command::{Kind, Param};
use agi_rhai::internals::NAMES;
use agi_rhai::internals::VOCABULARY;
use agi_rhai::internals::reference::article;
use agi_rhai::internals::{CursorContext, KEYWORDS, Symbol, SymbolKind};
use agi_rhai::internals::{WORDS, words};
use agi_rhai::pbx::Sounds;
use lsp_types::{CompletionItem, CompletionItemKind, CompletionTextEdit, InsertTextFormat, TextEdit};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
impl Cursor<'_> {
    pub fn completion(&self) -> Vec<CompletionItem> {
        if let Some(kind) = self.document.table() {
            return self.complete_table(kind);
        }
        match self.outline.cursor_context(self.offset) {
            CursorContext::Code(start) => self.complete_code(start),
            CursorContext::Member(start, of) => self.complete_member(start, of.as_deref()),
            CursorContext::Space(start, space) => self.complete_space(start, &space),
            CursorContext::Text(span) => self.complete_text(&span),
            CursorContext::ImportPath(span) => self.complete_script(&span, false),
            CursorContext::Elsewhere => Vec::new(),
        }
    }

    /// Returns an item that replaces the word around the cursor.
    fn item(&self, start: usize, label: &str, kind: CompletionItemKind) -> CompletionItem {
        let edit = TextEdit { range: self.range(&(start..self.offset)), new_text: label.to_owned() };
        CompletionItem {
            label: label.to_owned(),
            kind: Some(kind),
            text_edit: Some(CompletionTextEdit::Edit(edit)),
            ..CompletionItem::default()
        }
    }

    /// Returns an item for a function, with parentheses and the cursor between them if the editor supports snippets.
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

    fn symbol_item(&self, start: usize, symbol: &Symbol) -> CompletionItem {
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

    /// Returns the options of the function being called, if the cursor is at a key of an option map.
    fn complete_option(&self, start: usize) -> Option<Vec<CompletionItem>> {
        let item = |option: &Param| {
            let mut item = self.item(start, option.name, CompletionItemKind::FIELD);
            let followed = self.document.text()[self.offset..].trim_start().starts_with(':');
            if let (Some(CompletionTextEdit::Edit(edit)), false) = (&mut item.text_edit, followed) {
                edit.new_text.push_str(": ");
            }
            item.detail = Some(option_type(option));
            item.documentation = Some(markdown(option.doc.to_owned()));
            item
        };
        Some(self.options_at(start)?.iter().map(item).collect())
    }

    fn complete_code(&self, start: usize) -> Vec<CompletionItem> {
        if let Some(options) = self.complete_option(start) {
            return options;
        }
        let mut items = Vec::new();
        for id in self.outline.visible(self.offset) {
            items.push(self.symbol_item(start, &self.outline.symbols()[id]));
        }
        let own: BTreeSet<String> = items.iter().map(|item| item.label.clone()).collect();
        for function in self.workspace.functions(self.document).filter(|function| !own.contains(function.name)) {
            let takes = !function.params.is_empty();
            let mut item = self.function_item(start, function.name, &function.signature(), takes);
            // The documentation follows when the editor resolves the item.
            item.data = Some(function.name.into());
            items.push(item);
        }
        for (name, doc) in BUILTIN_VALUES.into_iter().filter(|(name, _)| !own.contains(*name)) {
            let item = self.item(start, name, CompletionItemKind::VARIABLE);
            items.push(CompletionItem { documentation: Some(markdown(doc.to_owned())), ..item });
        }
        let word = |keyword: &&str| self.item(start, keyword, CompletionItemKind::KEYWORD);
        items.extend(KEYWORDS.iter().map(word));
        for (number, item) in (0..).zip(&mut items) {
            // The script's own names come first, then what every script has, then keywords.
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
            if caught { CAUGHT_ERROR.iter().copied().map(described).collect() } else { Vec::new() };
        let known: BTreeSet<String> = items.iter().map(|item| item.label.clone()).collect();
        let word = &self.outline.text()[start..self.offset];
        let keys = self.outline.keys().iter().filter(|key| of.is_none() || key.of.as_deref() == of);
        let keys: BTreeMap<&str, usize> = keys.fold(BTreeMap::new(), |mut keys, key| {
            *keys.entry(key.name.as_str()).or_default() += 1;
            keys
        });
        // Leaves out the key that is just being typed.
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
            return constants.map(|symbol| self.symbol_item(start, symbol)).collect();
        }
        let Some((_, outline)) = self.module(space) else { return Vec::new() };
        let symbols = outline.symbols().iter().filter(|symbol| is_exported(&outline, symbol));
        symbols.map(|symbol| self.symbol_item(start, symbol)).collect()
    }

    /// Returns an item that replaces the whole string literal around the cursor.
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
        if calling.key.as_deref() == Some("phrase") {
            return self.complete_phrase(span);
        }
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
                Kind::Service(table) => self.complete_service(span, table),
                _ => Vec::new(),
            },
            None => Vec::new(),
        }
    }

    /// Completes the names of services in the operator's file.
    fn complete_service(&self, span: &std::ops::Range<usize>, table: &str) -> Vec<CompletionItem> {
        let Some(services) = self.workspace.services(self.document.path.as_deref()) else { return Vec::new() };
        let settings = services.settings();
        let names = settings.names_in(table);
        names.iter().map(|name| self.text_item(span, name, CompletionItemKind::CONSTANT)).collect()
    }

    /// Completes the names of phrases in the table of this script.
    fn complete_phrase(&self, span: &std::ops::Range<usize>) -> Vec<CompletionItem> {
        let Some(path) = &self.document.path else { return Vec::new() };
        let tables = self.workspace.tables(path, TableKind::Phrases).into_iter();
        let names: BTreeSet<String> =
            tables.flat_map(|table| self.workspace.names(&table, TableKind::Phrases)).collect();
        names.iter().map(|name| self.text_item(span, name, CompletionItemKind::CONSTANT)).collect()
    }

    /// Completes a line of a table. After the colon of a phrase come sound files; at the beginning of a line come
    /// names: of prompts that the script says, and of this table for another language.
    fn complete_table(&self, kind: TableKind) -> Vec<CompletionItem> {
        let text = self.document.text();
        let line = text[..self.offset].rfind('\n').map_or(0, |at| at + 1);
        let before = &text[line..self.offset];
        let word = line + before.trim_end_matches(|c: char| !c.is_whitespace()).len();
        if before.trim_start().starts_with([';', '[']) {
            return Vec::new();
        }
        if before.contains(':') {
            let in_braces = before.rfind('{') > before.rfind('}');
            let sounds = kind == TableKind::Phrases && !in_braces;
            return if sounds { self.complete_prompt(&(word..self.offset)) } else { Vec::new() };
        }
        let Some(path) = self.document.path.as_ref().filter(|_| word == line) else { return Vec::new() };
        let mut names = self.workspace.names(path, kind);
        if kind == TableKind::Prompts {
            let script = path.with_extension("rhai");
            let is_stock = |name: &String| Sounds::core().any(|(known, _)| known == name);
            names.extend(self.workspace.names_said(&script).into_iter().filter(|name| !is_stock(name)));
        }
        names.remove(&text[word..self.offset]);
        names.iter().map(|name| self.text_item(&(word..self.offset), name, CompletionItemKind::CONSTANT)).collect()
    }

    fn complete_prompt(&self, span: &std::ops::Range<usize>) -> Vec<CompletionItem> {
        let mut items = Vec::new();
        let prompts = self.workspace.prompts(self.document);
        let mut seen = BTreeSet::new();
        for TablePrompt { prompt, .. } in prompts.iter().filter(|known| seen.insert(known.prompt.name.as_str())) {
            let (name, words) = (&prompt.name, &prompt.words);
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
        for (name, _) in Sounds::extra().filter(|(name, _)| !seen.contains(name)) {
            items.push(CompletionItem {
                detail: Some(EXTRA_SOUND.to_owned()),
                sort_text: Some(format!("2{name}")),
                ..self.text_item(span, name, CompletionItemKind::FILE)
            });
        }
        items
    }

    /// Completes the scripts beside and below this one, as imports and tests name them.
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
}

/// Adds the documentation to a completion item.
pub fn resolve(workspace: &Workspace, mut item: Value) -> Answer {
    let name = item.get("data").and_then(Value::as_str);
    let mut functions = workspace.language.functions().iter().chain(VOCABULARY);
    if let Some(function) = name.and_then(|name| functions.find(|function| function.name == name)) {
        let article = article(function, workspace.command(function));
        item["documentation"] = value(markdown(format!("{}\n\n{}", function.summary, article.trim_end())))?;
    }
    Ok(item)
}

/// Whether the symbol is the variable of a `catch`.
fn is_caught(text: &str, symbol: &Symbol) -> bool {
    let before = text[..symbol.span.start].trim_end();
    before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with("catch"))
}
