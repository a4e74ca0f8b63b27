//! Editor support: the answers of `agi-rhai lsp`, from the same files.
//!
//! A request is one of the Language Server Protocol, without a server: its method, its parameters, and the files by
//! then. Positions count UTF-16 units, as JavaScript does.

#![allow(dead_code, reason = "what only a server does is in these files, too")]

#[path = "../../../src/bin/agi-rhai/lsp/answer.rs"]
mod answer;
#[path = "../../../src/bin/agi-rhai/lsp/completion.rs"]
mod completion;
#[path = "../../../src/bin/agi-rhai/lsp/cursor.rs"]
mod cursor;
#[path = "../../../src/bin/agi-rhai/lsp/dispatch.rs"]
mod dispatch;
#[path = "../../../src/bin/agi-rhai/lsp/fixes.rs"]
mod fixes;
#[path = "../../../src/bin/agi-rhai/lsp/hover.rs"]
mod hover;
#[path = "../../../src/bin/agi-rhai/lsp/markdown.rs"]
mod markdown;
#[path = "../../../src/bin/agi-rhai/lsp/navigation.rs"]
mod navigation;
mod options;
#[path = "../../../src/bin/agi-rhai/lsp/positions.rs"]
mod positions;
#[path = "../../../src/bin/agi-rhai/lsp/source.rs"]
mod source;
#[path = "../../../src/bin/agi-rhai/lsp/symbols.rs"]
mod symbols;
#[path = "../../../src/bin/agi-rhai/lsp/table_lines.rs"]
mod table_lines;
#[path = "../../../src/bin/agi-rhai/lsp/tables.rs"]
mod tables;
#[path = "../../../src/bin/agi-rhai/lsp/workspace.rs"]
mod workspace;

use crate::Refusal;
use crate::files::Files;
use lsp_server::Request;
use lsp_types::Uri;
use options::LspOptions;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::path::Path;
use workspace::Workspace;

/// A request of an editor.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    files: Files,
    /// The file in the editor.
    #[serde(default)]
    file: String,
    /// The method, such as `textDocument/hover`; or `diagnostics` of the file, or `all_diagnostics` of all files.
    method: String,
    /// Its parameters, without `textDocument`.
    #[serde(default)]
    params: Map<String, Value>,
}

/// A text that is open, and its workspace.
struct Open {
    workspace: Workspace,
    file: String,
    text: String,
    version: i32,
}

thread_local! {
    /// What was open last: knowing all functions takes a while.
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
}

impl Open {
    fn new() -> Self {
        Self { workspace: workspace(), file: String::new(), text: String::new(), version: 0 }
    }

    /// Opens a file, unless it is open as it is now.
    fn show(&mut self, file: &str) -> Result<Uri, Refusal> {
        let path = Path::new(file);
        let bytes = agi_rhai::internals::disk::read(path).map_err(|_| format!("there is no file {file}"))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let uri = positions::uri(path).ok_or_else(|| format!("{file} is no name of a file"))?;
        if (self.file.as_str(), &self.text) != (file, &text) {
            self.version += 1;
            if self.file != file
                && let Some(closed) = positions::uri(Path::new(&self.file))
            {
                self.workspace.closed(&closed);
            }
            self.workspace.opened(&uri, self.version, &text);
            (self.file, self.text) = (file.to_owned(), text);
        }
        Ok(uri)
    }

    fn diagnostics(&mut self, file: &str) -> Result<Value, Refusal> {
        let uri = self.show(file)?;
        let found = self.workspace.diagnostics(&uri).map(|(diagnostics, _)| diagnostics);
        serde_json::to_value(found).map_err(|error| error.to_string())
    }
}

/// Answers a request, as the language server does.
pub fn edit(asked: Asked) -> Result<Value, Refusal> {
    let Asked { files, file, method, mut params } = asked;
    let names = if method == "all_diagnostics" { files.texts() } else { Vec::new() };
    files.give();
    OPEN.with_borrow_mut(|open| {
        let open = open.get_or_insert_with(Open::new);
        match method.as_str() {
            "diagnostics" => open.diagnostics(&file),
            "all_diagnostics" => {
                let each = names.into_iter().map(|name| open.diagnostics(&name).map(|found| (name, found)));
                each.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            _ => {
                params.insert("textDocument".to_owned(), json!({ "uri": open.show(&file)? }));
                let request = Request { id: 1.into(), method, params: Value::Object(params) };
                dispatch::answer(&mut open.workspace, request).map_err(|error| error.message)
            }
        }
    })
}

/// Returns the workspace of an editor that supports what a page may want.
fn workspace() -> Workspace {
    let mut workspace = Workspace::new(&LspOptions::default());
    workspace.snippets = true;
    workspace.quick_fixes = true;
    workspace.nested_symbols = true;
    workspace
}
