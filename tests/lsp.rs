//! The language server: a client that speaks the protocol to the real program over pipes.

use crate::support::process::{Folder, agi_rhai};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// An editor.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
    kept: VecDeque<Value>,
    requests: i64,
    version: i64,
    folder: Folder,
}

impl Editor {
    /// Starts the server and says nothing yet.
    fn silent() -> Self {
        Self::with(Folder::new(), &[])
    }

    fn with(folder: Folder, args: &[&str]) -> Self {
        let mut command = agi_rhai(["lsp"].iter().chain(args));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            while let Some(message) = receive(&mut stdout) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, output, kept: VecDeque::new(), requests: 0, version: 1, folder }
    }

    /// Starts the server as an editor does that can do these things.
    fn new(capabilities: Value) -> Self {
        Self::in_folder(Folder::new(), capabilities)
    }

    fn in_folder(folder: Folder, capabilities: Value) -> Self {
        let mut editor = Self::with(folder, &[]);
        let root = editor.uri("");
        let params = json!({
            "processId": null, "rootUri": null, "capabilities": capabilities,
            "workspaceFolders": [{ "uri": root.trim_end_matches('/'), "name": "scripts" }],
        });
        editor.ask("initialize", params).unwrap();
        editor.tell("initialized", json!({}));
        editor
    }

    fn usual() -> Self {
        Self::new(json!({}))
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.folder.path(name).display())
    }

    fn send_raw(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        input.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send_raw(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    fn send(&mut self, method: &str, params: Value) -> i64 {
        self.requests += 1;
        let id = self.requests;
        self.send_raw(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        id
    }

    /// The next message of the server that is meant; others are kept.
    #[track_caller]
    fn wait(&mut self, meant: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&meant) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let message = self.output.recv_timeout(PATIENCE).expect("the server says nothing");
            if meant(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    #[track_caller]
    fn answer(&mut self, id: i64) -> Result<Value, (i64, String)> {
        let answer = self.wait(|message| message["id"] == id && message.get("method").is_none());
        match answer.get("error") {
            Some(error) => Err((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())),
            None => Ok(answer["result"].clone()),
        }
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Result<Value, (i64, String)> {
        let id = self.send(method, params);
        self.answer(id)
    }

    /// Opens a text; it is not written to the disk.
    fn open(&mut self, name: &str, text: &str) {
        let document = json!({ "uri": self.uri(name), "languageId": "rhai", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Opens a text in which the cursor stands at the `^`, and asks there.
    #[track_caller]
    fn at(&mut self, method: &str, name: &str, marked: &str) -> Result<Value, (i64, String)> {
        self.at_with(method, name, marked, json!({}))
    }

    #[track_caller]
    fn at_with(&mut self, method: &str, name: &str, marked: &str, more: Value) -> Result<Value, (i64, String)> {
        let offset = marked.find('^').expect("no cursor");
        self.open(name, &marked.replacen('^', "", 1));
        let line = marked[..offset].matches('\n').count();
        let column = marked[..offset].rsplit('\n').next().unwrap().encode_utf16().count();
        let mut params =
            json!({ "textDocument": { "uri": self.uri(name) }, "position": { "line": line, "character": column } });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask(method, params)
    }

    /// What is told of a text, once it is: `line:column-column rule`.
    #[track_caller]
    fn diagnostics(&mut self, name: &str) -> Vec<Value> {
        let uri = self.uri(name);
        let told = self.wait(|message| {
            message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri.as_str()
        });
        told["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// Leaves as an editor does; the exit code.
    fn leave(mut self) -> Option<i32> {
        assert_eq!(self.ask("shutdown", Value::Null), Ok(Value::Null));
        self.tell("exit", Value::Null);
        self.code()
    }

    fn code(&mut self) -> Option<i32> {
        self.input = None;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One message; anything else on standard output fails.
fn receive(input: &mut impl BufRead) -> Option<Value> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let header = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("no header: {line:?}"));
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
        if name == "Content-Length" {
            length = Some(value.parse::<usize>().unwrap());
        }
    }
    let mut bytes = vec![0; length.expect("no length")];
    input.read_exact(&mut bytes).unwrap();
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// `line:column-line:column`, from 0.
fn range(range: &Value) -> String {
    let place = |place: &Value| format!("{}:{}", place["line"], place["character"]);
    format!("{}-{}", place(&range["start"]), place(&range["end"]))
}

fn labels(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap()).collect()
}

#[track_caller]
fn item<'a>(items: &'a Value, label: &str) -> &'a Value {
    let found = items.as_array().unwrap().iter().find(|item| item["label"] == label);
    found.unwrap_or_else(|| panic!("no {label} in {:?}", labels(items)))
}

#[track_caller]
fn hover(editor: &mut Editor, marked: &str) -> String {
    let hover = editor.at("textDocument/hover", "game.rhai", marked).unwrap();
    hover["contents"]["value"].as_str().unwrap_or_else(|| panic!("nothing for {marked}")).to_owned()
}

/// The new texts of all files a renaming touches.
fn renamed(editor: &Editor, edit: &Value, before: &[(&str, &str)]) -> Vec<String> {
    let changes = edit["changes"].as_object().unwrap();
    assert_eq!(changes.len(), before.len(), "{changes:?}");
    let after = |(name, text): &(&str, &str)| {
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let mut edits = changes[&editor.uri(name)].as_array().unwrap().clone();
        edits.sort_by_key(|edit| {
            (edit["range"]["start"]["line"].as_u64(), edit["range"]["start"]["character"].as_u64())
        });
        for edit in edits.iter().rev() {
            let (start, end) = (&edit["range"]["start"], &edit["range"]["end"]);
            let line = &mut lines[start["line"].as_u64().unwrap() as usize];
            let units: Vec<u16> = line.encode_utf16().collect();
            let [start, end] = [start, end].map(|place| place["character"].as_u64().unwrap() as usize);
            let part = |units: &[u16]| String::from_utf16(units).unwrap();
            *line = format!("{}{}{}", part(&units[..start]), edit["newText"].as_str().unwrap(), part(&units[end..]));
        }
        lines.join("\n")
    };
    before.iter().map(after).collect()
}

#[test]
fn a_session_begins_and_ends_as_the_protocol_says() {
    let mut editor = Editor::silent();
    let refused = editor.ask("textDocument/hover", json!({})).unwrap_err();
    assert_eq!(refused, (-32002, "the first request is `initialize`".to_owned()));
    let params = json!({ "processId": null, "rootUri": null, "capabilities": {} });
    let result = editor.ask("initialize", params.clone()).unwrap();
    assert_eq!(result["serverInfo"], json!({ "name": "agi-rhai", "version": env!("CARGO_PKG_VERSION") }));
    let capabilities = &result["capabilities"];
    assert_eq!(capabilities["positionEncoding"], "utf-16");
    assert_eq!(capabilities["textDocumentSync"], json!({ "openClose": true, "change": 2 }));
    assert_eq!(capabilities["renameProvider"]["prepareProvider"], true);
    assert_eq!(editor.ask("initialize", params).unwrap_err().0, -32600);
    let unknown = editor.ask("textDocument/formatting", json!({})).unwrap_err();
    assert_eq!(unknown, (-32601, "textDocument/formatting is nothing this server does".to_owned()));
    assert_eq!(editor.ask("$/odd", json!({})).unwrap_err().0, -32601);
    assert_eq!(editor.ask("textDocument/hover", json!({ "textDocument": 1 })).unwrap_err().0, -32602);
    let nowhere =
        json!({ "textDocument": { "uri": "file:///no/such.rhai" }, "position": { "line": 0, "character": 0 } });
    let nowhere = editor.ask("textDocument/hover", nowhere).unwrap_err();
    assert_eq!(nowhere, (-32602, "file:///no/such.rhai is not open".to_owned()));
    // What nobody has to understand is passed over; what is no message is answered.
    editor.tell("$/setTrace", json!({ "value": "off" }));
    editor.tell("no/such/notice", json!([1]));
    editor.tell("textDocument/didChange", json!({ "odd": true }));
    assert_eq!(editor.wait(|message| message["method"] == "window/logMessage")["params"]["type"], 1);
    editor.send_raw("{ this is no JSON");
    let malformed = editor.wait(|message| message["error"]["code"] == -32700);
    assert_eq!(malformed["id"], Value::Null);
    editor.send_raw("{}");
    editor.wait(|message| message["error"]["code"] == -32700);
    // And still it goes on.
    assert!(hover(&mut editor, "^answer();").contains("Answers the call"));
    assert_eq!(editor.ask("shutdown", Value::Null), Ok(Value::Null));
    assert_eq!(editor.ask("textDocument/hover", json!({})).unwrap_err().0, -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(0));
}

#[test]
fn an_editor_that_goes_without_a_word_leaves_no_server_behind() {
    assert_eq!(Editor::usual().leave(), Some(0));
    let mut editor = Editor::usual();
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(1));
    let mut editor = Editor::usual();
    assert_eq!(editor.code(), Some(1));
    let mut editor = Editor::silent();
    write!(editor.input.as_mut().unwrap(), "GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(editor.code(), Some(1));
}

#[test]
fn a_request_taken_back_is_not_carried_out() {
    let mut editor = Editor::usual();
    editor.open("game.rhai", "answer();");
    let place =
        json!({ "textDocument": { "uri": editor.uri("game.rhai") }, "position": { "line": 0, "character": 0 } });
    // Both in one piece, so that the second is there when the first is looked at.
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 70, "method": "textDocument/hover", "params": place }),
        json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 70 } }),
        json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 71 } }),
        json!({ "jsonrpc": "2.0", "id": "s", "method": "textDocument/hover", "params": place }),
    ];
    let text: String =
        messages.iter().map(|m| m.to_string()).map(|m| format!("Content-Length: {}\r\n\r\n{m}", m.len())).collect();
    editor.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    let answer = editor.wait(|message| message["id"] == 70);
    // It may have been answered already when it was taken back: then there is the answer.
    assert!(answer["error"]["code"] == -32800 || answer["result"].is_object(), "{answer}");
    assert!(editor.wait(|message| message["id"] == "s")["result"].is_object());
}
