//! Quick fixes for mistakes.

use super::table_lines::{Entry, TableKind, entries};
use super::workspace::{Document, Workspace};
use lsp_types::{
    CodeAction, CodeActionKind, Diagnostic, NumberOrString, Position, Range, TextEdit, Uri, WorkspaceEdit,
};
use std::collections::HashMap;

/// Returns fixes for these mistakes: the suggested name if there is one, a line for the table that lacks one, or a
/// comment that allows the mistake.
pub fn quick_fixes(workspace: &Workspace, document: &Document, diagnostics: &[Diagnostic]) -> Vec<CodeAction> {
    let mut fixes = Vec::new();
    for found in diagnostics.iter().filter(|found| found.source.as_deref() == Some("agi-rhai")) {
        let fix_in = |uri: &Uri, title: String, edit: TextEdit, preferred: bool| CodeAction {
            title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![found.clone()]),
            edit: Some(WorkspaceEdit {
                changes: Some(HashMap::from([(uri.clone(), vec![edit])])),
                ..WorkspaceEdit::default()
            }),
            is_preferred: Some(preferred),
            ..CodeAction::default()
        };
        let fix = |title, edit, preferred| fix_in(&document.uri, title, edit, preferred);
        let [start, end] = [found.range.start, found.range.end].map(|place| Workspace::offset(document, place));
        // What was found in an older text may not stand there any more. Of what can be replaced, a message names the
        // last part.
        let wrong = &document.text()[start.min(end)..end.max(start)];
        let name = wrong.trim_matches(['"', '`']).rsplit(['.', ':']).next().unwrap_or_default();
        let named = found.message.lines().next().is_some_and(|said| {
            said.match_indices(name).any(|(at, _)| said[at + name.len()..].starts_with(['"', '`', '(']))
        });
        let wrong = if named { wrong } else { "" };
        let meant = suggestion(&found.message, wrong);
        if let Some(meant) = &meant {
            let edit = TextEdit { range: found.range, new_text: meant.clone() };
            fixes.push(fix(format!("Change to {meant}"), edit, true));
        }
        if let Some((table, uri, edit)) = missing_line(workspace, document, found, wrong) {
            fixes.push(fix_in(&uri, format!("Add it to {table}"), edit, meant.is_none()));
        }
        if let Some(NumberOrString::String(rule)) = found.code.as_ref().filter(|_| !document.text().is_empty()) {
            let before = document.text()[..start].rsplit('\n').next().unwrap_or_default();
            let line = &before[..before.len() - before.trim_start().len()];
            let place = Position { line: found.range.start.line, character: 0 };
            let range = Range { start: place, end: place };
            let edit = TextEdit { range, new_text: format!("{line}// agi-rhai: allow({rule})\n") };
            if rule != "syntax" {
                fixes.push(fix(format!("Allow it here ({rule})"), edit, false));
            }
        }
    }
    fixes
}

/// Returns the table that lacks a prompt, its name, and the line to add: after the last one of its first language.
fn missing_line(
    workspace: &Workspace,
    document: &Document,
    found: &Diagnostic,
    wrong: &str,
) -> Option<(String, Uri, TextEdit)> {
    if wrong.is_empty() || found.code != Some(NumberOrString::String("missing-words".to_owned())) {
        return None;
    }
    let prompt = wrong.trim_matches(['"', '`']);
    let table = workspace.tables(document.path.as_deref()?, TableKind::Prompts).into_iter().next()?;
    let outline = workspace.outline(&table)?;
    let text = outline.text();
    let entries = entries(text, TableKind::Prompts);
    let language = |entry: &&Entry| entries.first().is_some_and(|first| first.language == entry.language);
    let (at, new_text) = match entries.iter().take_while(language).last() {
        Some(last) => (last.rest.end, format!("\n{prompt}: ")),
        None if text.is_empty() || text.ends_with('\n') => (text.len(), format!("{prompt}: \n")),
        None => (text.len(), format!("\n{prompt}: \n")),
    };
    let edit = TextEdit { range: outline.range(&(at..at)), new_text };
    let name = table.file_name()?.to_string_lossy().into_owned();
    Some((name, workspace.uri(&table)?, edit))
}

/// Returns the name that the message of a mistake suggests, with the quotes of the wrong one.
fn suggestion(message: &str, wrong: &str) -> Option<String> {
    let guess = message.lines().find_map(|line| line.strip_prefix("did you mean ")?.strip_suffix('?'))?;
    let guess = guess.trim_matches(['`', '"']).trim_end_matches("::");
    let name = if wrong.contains(['.', ':']) { guess } else { guess.rsplit(['.', ':']).next().unwrap_or(guess) };
    let quote = wrong.chars().next().filter(|first| matches!(first, '"' | '`')).map_or(String::new(), String::from);
    (!name.is_empty() && !wrong.is_empty()).then(|| format!("{quote}{name}{quote}"))
}
