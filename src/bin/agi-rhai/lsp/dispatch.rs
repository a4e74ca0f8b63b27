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
use lsp_types::{
    CodeActionParams, DocumentSymbolParams, ReferenceParams, RenameParams, TextDocumentPositionParams, Uri,
};

/// Answers a request of a running server.
pub fn answer(workspace: &mut Workspace, request: Request) -> Answer {
    let asked = request.params;
    match request.method.as_str() {
        CodeActionRequest::METHOD => {
            let asked: CodeActionParams = params(asked)?;
            let document = document(workspace, &asked.text_document.uri)?;
            value(quick_fixes(workspace, document, &asked.context.diagnostics))
        }
        Completion::METHOD => value(cursor(workspace, &params(asked)?)?.completion()),
        ResolveCompletionItem::METHOD => resolve(workspace, params(asked)?),
        HoverRequest::METHOD => value(cursor(workspace, &params(asked)?)?.hover()),
        SignatureHelpRequest::METHOD => value(cursor(workspace, &params(asked)?)?.signature_help()),
        GotoDefinition::METHOD => value(cursor(workspace, &params(asked)?)?.definition()),
        DocumentHighlightRequest::METHOD => value(cursor(workspace, &params(asked)?)?.highlights()),
        References::METHOD => {
            let asked: ReferenceParams = params(asked)?;
            let declaration = asked.context.include_declaration;
            value(cursor(workspace, &asked.text_document_position)?.references(declaration))
        }
        PrepareRenameRequest::METHOD => cursor(workspace, &params(asked)?)?.prepare_rename(),
        Rename::METHOD => {
            let asked: RenameParams = params(asked)?;
            cursor(workspace, &asked.text_document_position)?.rename(&asked.new_name)
        }
        DocumentSymbolRequest::METHOD => {
            let asked: DocumentSymbolParams = params(asked)?;
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

fn cursor<'a>(workspace: &'a Workspace, asked: &TextDocumentPositionParams) -> Result<Cursor<'a>, ResponseError> {
    let document = document(workspace, &asked.text_document.uri)?;
    Ok(Cursor { workspace, document, outline: &document.outline, offset: Workspace::offset(document, asked.position) })
}
