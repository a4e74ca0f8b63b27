//! `agi-rhai lsp`: editor support over the Language Server Protocol.
//!
//! One thread reads, another one answers requests in order. The checker runs only when no request is waiting, so it
//! never delays typing.

mod answer;
mod completion;
mod cursor;
mod dispatch;
mod fixes;
mod hover;
mod markdown;
mod navigation;
mod options;
mod positions;
mod source;
mod symbols;
mod table_lines;
mod tables;
mod workspace;

use crate::advice::explained;
use crate::out;
use answer::{Answer, error};
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::Notification as _;
use lsp_types::request::{RegisterCapability, Request as _};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions,
    DidChangeWatchedFilesRegistrationOptions, FileSystemWatcher, GlobPattern, HoverProviderCapability,
    InitializeParams, InitializeResult, LogMessageParams, MessageType, OneOf, PublishDiagnosticsParams, Registration,
    RegistrationParams, RenameOptions, ServerCapabilities, ServerInfo, SignatureHelpOptions,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions, notification,
};
pub use options::LspOptions;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufReader, Write, stdin, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::Builder;
use workspace::Workspace;

/// Input from the editor.
enum Incoming {
    Message(Message),
    /// A message of the right length that cannot be parsed.
    Malformed(String),
    /// Input after which the next message cannot be found.
    Broken(String),
}

/// Serves until the editor sends `exit` or closes the connection. The exit code is that of the protocol.
pub fn lsp(options: &LspOptions) -> ExitCode {
    let (sender, incoming) = channel();
    // Only a thread of its own can notice that a request was cancelled. It ends with the process.
    let reading = Builder::new().name("editor".to_owned()).spawn(move || {
        let mut input = BufReader::new(stdin());
        loop {
            let next = match Message::read(&mut input) {
                Ok(Some(message)) => Incoming::Message(message),
                Ok(None) => return,
                Err(error) if error.to_string().starts_with("malformed LSP payload") => {
                    Incoming::Malformed(error.to_string())
                }
                Err(error) => Incoming::Broken(error.to_string()),
            };
            let last = matches!(next, Incoming::Broken(_));
            if sender.send(next).is_err() || last {
                return;
            }
        }
    });
    if let Err(error) = reading {
        out::error(explained(&error.into()));
        return ExitCode::from(2);
    }
    let server = Server { workspace: Workspace::new(options), phase: Phase::New, watches: false, requests: 0 };
    ExitCode::from(server.serve(&incoming))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    ShutDown,
}

struct Server {
    workspace: Workspace,
    phase: Phase,
    /// Whether the editor can watch files for changes.
    watches: bool,
    requests: i32,
}

impl Server {
    fn serve(mut self, incoming: &Receiver<Incoming>) -> u8 {
        let mut queue = VecDeque::new();
        loop {
            // Reads all pending input, to see cancelled requests, and whether there is time for the checker.
            loop {
                match incoming.try_recv() {
                    Ok(next) => queue.push_back(next),
                    Err(TryRecvError::Disconnected) if queue.is_empty() => return disconnected(),
                    Err(_) => break,
                }
            }
            let next = match queue.pop_front() {
                Some(next) => next,
                None if self.publish_next() => continue,
                None => match incoming.recv() {
                    Ok(next) => next,
                    Err(_) => return disconnected(),
                },
            };
            match next {
                Incoming::Message(Message::Request(request)) if is_cancelled(&request.id, &queue) => {
                    refuse(request.id, ErrorCode::RequestCanceled, "cancelled");
                }
                Incoming::Message(Message::Request(request)) => self.request(request),
                Incoming::Message(Message::Notification(notice)) if notice.method == notification::Exit::METHOD => {
                    return u8::from(self.phase != Phase::ShutDown);
                }
                Incoming::Message(Message::Notification(notice)) => self.notification(notice),
                Incoming::Message(Message::Response(_)) => {}
                Incoming::Malformed(problem) => {
                    // The ID of the request is unknown.
                    let error = serde_json::json!({
                        "jsonrpc": "2.0", "id": null, "error": { "code": ErrorCode::ParseError as i32, "message": problem },
                    });
                    send_raw(&error.to_string());
                }
                Incoming::Broken(problem) => {
                    out::error(format_args!("the editor doesn't follow the protocol: {problem}"));
                    return 1;
                }
            }
        }
    }

    /// Checks the next changed text. Returns false if there is none.
    fn publish_next(&mut self) -> bool {
        let workspace = &mut self.workspace;
        let Some(uri) = workspace.next_pending() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| workspace.diagnostics(&uri)));
        match result {
            Ok(Some((diagnostics, version))) => {
                notify::<notification::PublishDiagnostics>(PublishDiagnosticsParams {
                    uri,
                    diagnostics,
                    version: Some(version),
                });
            }
            Ok(None) => {}
            Err(panic) => log(&format!("checking {} failed: {}", uri.as_str(), panic_message(&*panic))),
        }
        true
    }

    fn request(&mut self, request: Request) {
        let id = request.id.clone();
        match (self.phase, request.method.as_str()) {
            (Phase::New, "initialize") => self.initialize(request),
            (Phase::New, _) => refuse(id, ErrorCode::ServerNotInitialized, "the first request is `initialize`"),
            (_, "initialize") => refuse(id, ErrorCode::InvalidRequest, "`initialize` was sent before"),
            (Phase::ShutDown, _) => refuse(id, ErrorCode::InvalidRequest, "after `shutdown` comes `exit`"),
            (Phase::Running, "shutdown") => {
                self.phase = Phase::ShutDown;
                send(&Response::new_ok(id, Value::Null).into());
            }
            (Phase::Running, _) => {
                let workspace = &mut self.workspace;
                send(&guarded(id, || dispatch::answer(workspace, request)).into());
            }
        }
    }

    fn initialize(&mut self, request: Request) {
        let params: InitializeParams = match serde_json::from_value(request.params) {
            Ok(params) => params,
            Err(error) => return refuse(request.id, ErrorCode::InvalidParams, &error.to_string()),
        };
        self.workspace.initialize(&params);
        let files = params.capabilities.workspace.and_then(|workspace| workspace.did_change_watched_files);
        self.watches = files.and_then(|files| files.dynamic_registration).unwrap_or(false);
        let result = InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: Some(self.workspace.encoding.kind()),
                text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::INCREMENTAL),
                    ..TextDocumentSyncOptions::default()
                })),
                hover_provider: Some(HoverProviderCapability::Simple(true)),
                completion_provider: Some(CompletionOptions {
                    trigger_characters: Some([".", ":", "\"", "`", "/"].map(str::to_owned).to_vec()),
                    resolve_provider: Some(true),
                    ..CompletionOptions::default()
                }),
                signature_help_provider: Some(SignatureHelpOptions {
                    trigger_characters: Some(["(", ","].map(str::to_owned).to_vec()),
                    retrigger_characters: Some(vec![")".to_owned()]),
                    ..SignatureHelpOptions::default()
                }),
                code_action_provider: self.workspace.quick_fixes.then(|| {
                    CodeActionProviderCapability::Options(CodeActionOptions {
                        code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                        ..CodeActionOptions::default()
                    })
                }),
                definition_provider: Some(OneOf::Left(true)),
                references_provider: Some(OneOf::Left(true)),
                document_highlight_provider: Some(OneOf::Left(true)),
                document_symbol_provider: Some(OneOf::Left(true)),
                rename_provider: Some(OneOf::Right(RenameOptions {
                    prepare_provider: Some(true),
                    work_done_progress_options: lsp_types::WorkDoneProgressOptions::default(),
                })),
                ..ServerCapabilities::default()
            },
            server_info: Some(ServerInfo {
                name: "agi-rhai".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        };
        self.phase = Phase::Running;
        send(&Response::new_ok(request.id, result).into());
    }

    fn notification(&mut self, notice: Notification) {
        if self.phase != Phase::Running {
            return;
        }
        if notice.method == notification::Initialized::METHOD {
            self.watch_files();
            return;
        }
        let workspace = &mut self.workspace;
        let method = notice.method.clone();
        match catch_unwind(AssertUnwindSafe(|| workspace.handle(notice))) {
            Ok(Ok(closed)) => {
                for uri in closed {
                    notify::<notification::PublishDiagnostics>(PublishDiagnosticsParams {
                        uri,
                        diagnostics: Vec::new(),
                        version: None,
                    });
                }
            }
            Ok(Err(problem)) => log(&format!("{method}: {problem}")),
            Err(panic) => log(&format!("{method} failed: {}", panic_message(&*panic))),
        }
    }

    /// Asks the editor to report changes of scripts and tables that aren't open.
    fn watch_files(&mut self) {
        if !self.watches {
            return;
        }
        let watcher =
            |pattern: &str| FileSystemWatcher { glob_pattern: GlobPattern::String(pattern.to_owned()), kind: None };
        let watchers = ["**/*.rhai", "**/*.prompts", "**/*.phrases", "**/agi-rhai.toml"].map(watcher).to_vec();
        let options = DidChangeWatchedFilesRegistrationOptions { watchers };
        let registration = Registration {
            id: "files".to_owned(),
            method: notification::DidChangeWatchedFiles::METHOD.to_owned(),
            register_options: serde_json::to_value(options).ok(),
        };
        self.requests += 1;
        let params = RegistrationParams { registrations: vec![registration] };
        let request = Request::new(self.requests.into(), RegisterCapability::METHOD.to_owned(), params);
        send(&request.into());
    }
}

/// Reports that the editor never sent `exit`, and returns the exit code.
fn disconnected() -> u8 {
    out::error("the editor closed the connection without `exit`");
    1
}

/// Whether a waiting request has been cancelled meanwhile.
fn is_cancelled(id: &RequestId, queue: &VecDeque<Incoming>) -> bool {
    let cancels = |notice: &Notification| {
        let cancelled = notice.params.get("id").cloned().and_then(|id| serde_json::from_value::<RequestId>(id).ok());
        notice.method == notification::Cancel::METHOD && cancelled.as_ref() == Some(id)
    };
    queue.iter().any(|next| matches!(next, Incoming::Message(Message::Notification(notice)) if cancels(notice)))
}

/// Answers a request. A panic becomes an error, and doesn't affect the next request.
fn guarded(id: RequestId, answer: impl FnOnce() -> Answer) -> Response {
    let response_result = catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|panic| {
        Err(error(ErrorCode::InternalError, &format!("this is a bug in agi-rhai: {}", panic_message(&*panic))))
    });
    Response { id, response_result }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

fn refuse(id: RequestId, code: ErrorCode, message: &str) {
    send(&Response { id, response_result: Err(error(code, message)) }.into());
}

fn notify<N: lsp_types::notification::Notification>(params: N::Params) {
    send(&Notification::new(N::METHOD.to_owned(), params).into());
}

/// Writes to the editor's log.
fn log(message: &str) {
    notify::<notification::LogMessage>(LogMessageParams { typ: MessageType::ERROR, message: message.to_owned() });
}

/// Sends a message. Errors are ignored, since the end of the input shows that the editor is gone.
fn send(message: &Message) {
    let mut out = stdout().lock();
    let _ = message.write(&mut out);
}

fn send_raw(text: &str) {
    let mut out = stdout().lock();
    let _ = write!(out, "Content-Length: {}\r\n\r\n{text}", text.len()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_of_its_request() {
        let response = guarded(1.into(), || panic!("oh"));
        let error = response.response_result.unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (-32603, "this is a bug in agi-rhai: oh"));
        assert_eq!(guarded(2.into(), || Ok(Value::Null)).response_result.unwrap(), Value::Null);
    }
}
