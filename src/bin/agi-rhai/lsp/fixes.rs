//! Quick fixes for mistakes.

use super::workspace::{Document, Workspace};
use lsp_types::{CodeAction, CodeActionKind, Diagnostic, NumberOrString, Position, Range, TextEdit, WorkspaceEdit};
use std::collections::HashMap;
/// Returns fixes for these mistakes: the suggested name if there is one, or a comment that allows the mistake.
pub fn quick_fixes(document: &Document, diagnostics: &[Diagnostic]) -> Vec<CodeAction> {
    let mut fixes = Vec::new();
    for found in diagnostics.iter().filter(|found| found.source.as_deref() == Some("agi-rhai")) {
        let fix = |title: String, edit: TextEdit, preferred: bool| CodeAction {
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
        let [start, end] = [found.range.start, found.range.end].map(|place| Workspace::offset(document, place));
        let wrong = &document.text()[start.min(end)..end.max(start)];
        if let Some(meant) = suggestion(&found.message, wrong) {
            let edit = TextEdit { range: found.range, new_text: meant.clone() };
            fixes.push(fix(format!("Change to {meant}"), edit, true));
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

/// Returns the name that the message of a mistake suggests, with the quotes of the wrong one.
fn suggestion(message: &str, wrong: &str) -> Option<String> {
    let guess = message.lines().find_map(|line| line.strip_prefix("did you mean ")?.strip_suffix('?'))?;
    let guess = guess.trim_matches(['`', '"']).trim_end_matches("::");
    let name = if wrong.contains(['.', ':']) { guess } else { guess.rsplit(['.', ':']).next().unwrap_or(guess) };
    let quote = wrong.chars().next().filter(|first| matches!(first, '"' | '`')).map_or(String::new(), String::from);
    (!name.is_empty() && !wrong.is_empty()).then(|| format!("{quote}{name}{quote}"))
}
