//! Requests of the editor, and who answers them.

use super::answer::{Answer, error, params, value};
use super::completion::resolve;
use super::cursor::Cursor;
use super::fixes::quick_fixes;
use super::symbols::symbols;
use super::workspace::{Document, Workspace};
use lsp_server::{ErrorCode, Request, ResponseError};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentHighlightRequest, DocumentSymbolRequest, GotoDefinition, HoverRequest,
    PrepareRenameRequest, References, Rename, Request as _, ResolveCompletionItem, SignatureHelpRequest,
};
use lsp_types::{Diagnostic, Position, ReferenceContext, TextDocumentIdentifier, Uri};
use serde::Deserialize;

// The parameters of requests, as far as they count. Those of lsp-types also read how progress is to be reported.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InText {
    text_document: TextDocumentIdentifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AtPlace {
    text_document: TextDocumentIdentifier,
    position: Position,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToReferences {
    text_document: TextDocumentIdentifier,
    position: Position,
    context: ReferenceContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToRename {
    text_document: TextDocumentIdentifier,
    position: Position,
    new_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToFix {
    text_document: TextDocumentIdentifier,
    context: Mistakes,
}

#[derive(Deserialize)]
struct Mistakes {
    diagnostics: Vec<Diagnostic>,
}

/// Answers a request of a running server.
pub fn answer(workspace: &mut Workspace, request: Request) -> Answer {
    let asked = request.params;
    match request.method.as_str() {
        CodeActionRequest::METHOD => {
            let asked: ToFix = params(asked)?;
            let document = document(workspace, &asked.text_document.uri)?;
            value(quick_fixes(workspace, document, &asked.context.diagnostics))
        }
        Completion::METHOD => value(cursor(workspace, &params(asked)?)?.completion()),
        ResolveCompletionItem::METHOD => resolve(workspace, asked),
        HoverRequest::METHOD => value(cursor(workspace, &params(asked)?)?.hover()),
        SignatureHelpRequest::METHOD => value(cursor(workspace, &params(asked)?)?.signature_help()),
        GotoDefinition::METHOD => value(cursor(workspace, &params(asked)?)?.definition()),
        DocumentHighlightRequest::METHOD => value(cursor(workspace, &params(asked)?)?.highlights()),
        References::METHOD => {
            let ToReferences { text_document, position, context } = params(asked)?;
            value(cursor(workspace, &AtPlace { text_document, position })?.references(context.include_declaration))
        }
        PrepareRenameRequest::METHOD => cursor(workspace, &params(asked)?)?.prepare_rename(),
        Rename::METHOD => {
            let ToRename { text_document, position, new_name } = params(asked)?;
            cursor(workspace, &AtPlace { text_document, position })?.rename(&new_name)
        }
        DocumentSymbolRequest::METHOD => {
            let asked: InText = params(asked)?;
            let document = document(workspace, &asked.text_document.uri)?;
            match document.table() {
                Some(kind) => workspace.table_symbols(document, kind),
                None => symbols(workspace, document),
            }
        }
        other => Err(error(ErrorCode::MethodNotFound, &format!("{other} isn't supported by this server"))),
    }
}

fn document<'a>(workspace: &'a Workspace, uri: &Uri) -> Result<&'a Document, ResponseError> {
    let missing = || error(ErrorCode::InvalidParams, &format!("{} is not open", uri.as_str()));
    workspace.document(uri).ok_or_else(missing)
}

fn cursor<'a>(workspace: &'a Workspace, asked: &AtPlace) -> Result<Cursor<'a>, ResponseError> {
    let document = document(workspace, &asked.text_document.uri)?;
    Ok(Cursor { workspace, document, outline: &document.outline, offset: Workspace::offset(document, asked.position) })
}
