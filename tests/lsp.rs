//! The language server: a client speaks the protocol to the real program over pipes.

use crate::support::process::{Folder, agi_rhai};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything takes here, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// An editor.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
    kept: VecDeque<Value>,
    requests: i64,
    /// The version of each text as it was sent last.
    versions: HashMap<String, i64>,
    folder: Folder,
}

impl Editor {
    /// Starts the server and sends nothing yet.
    fn uninitialized() -> Self {
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
        let (kept, versions) = (VecDeque::new(), HashMap::new());
        Self { child, input, output, kept, requests: 0, versions, folder }
    }

    /// Starts the server as an editor with these capabilities does.
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

    fn typical() -> Self {
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

    /// Returns the server's next message that matches. Others are kept.
    #[track_caller]
    fn wait(&mut self, meant: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&meant) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let message = self.output.recv_timeout(PATIENCE).expect("the server sends nothing");
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

    /// Opens a text without writing it to the disk.
    fn open(&mut self, name: &str, text: &str) {
        let version = self.next_version(name);
        let document = json!({ "uri": self.uri(name), "languageId": "rhai", "version": version, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Changes an open text.
    fn change(&mut self, name: &str, change: Value) {
        let document = json!({ "uri": self.uri(name), "version": self.next_version(name) });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }

    fn next_version(&mut self, name: &str) -> i64 {
        let version = self.versions.entry(self.uri(name)).or_default();
        *version += 1;
        *version
    }

    /// Opens a text in which `^` marks the cursor, and sends a request at that position.
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

    /// Waits for the diagnostics of a text as it is now: those of earlier versions may still be on their way.
    #[track_caller]
    fn diagnostics(&mut self, name: &str) -> Vec<Value> {
        let uri = self.uri(name);
        let version = self.versions.get(&uri).copied().unwrap_or_default();
        let message = self.wait(|message| {
            let params = &message["params"];
            message["method"] == "textDocument/publishDiagnostics"
                && params["uri"] == uri.as_str()
                && params["version"].as_i64().is_none_or(|checked| checked >= version)
        });
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// Leaves as an editor does. Returns the exit code.
    fn shut_down(mut self) -> Option<i32> {
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

/// Reads one message. Anything else on standard output fails the test.
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

/// Returns the new texts of all files that a renaming changes.
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
    let mut editor = Editor::uninitialized();
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
    assert_eq!(unknown, (-32601, "textDocument/formatting isn't supported by this server".to_owned()));
    assert_eq!(editor.ask("$/odd", json!({})).unwrap_err().0, -32601);
    assert_eq!(editor.ask("textDocument/hover", json!({ "textDocument": 1 })).unwrap_err().0, -32602);
    let nowhere =
        json!({ "textDocument": { "uri": "file:///no/such.rhai" }, "position": { "line": 0, "character": 0 } });
    let nowhere = editor.ask("textDocument/hover", nowhere).unwrap_err();
    assert_eq!(nowhere, (-32602, "file:///no/such.rhai is not open".to_owned()));
    // Notifications that a server may ignore are ignored; malformed messages get an error.
    editor.tell("$/setTrace", json!({ "value": "off" }));
    editor.tell("no/such/notice", json!([1]));
    editor.tell("textDocument/didChange", json!({ "odd": true }));
    assert_eq!(editor.wait(|message| message["method"] == "window/logMessage")["params"]["type"], 1);
    editor.send_raw("{ this is no JSON");
    let malformed = editor.wait(|message| message["error"]["code"] == -32700);
    assert_eq!(malformed["id"], Value::Null);
    editor.send_raw("{}");
    editor.wait(|message| message["error"]["code"] == -32700);
    // And the session goes on.
    assert!(hover(&mut editor, "^answer();").contains("Answers the call"));
    assert_eq!(editor.ask("shutdown", Value::Null), Ok(Value::Null));
    assert_eq!(editor.ask("textDocument/hover", json!({})).unwrap_err().0, -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(0));
}

#[test]
fn the_server_ends_when_its_editor_is_gone() {
    assert_eq!(Editor::typical().shut_down(), Some(0));
    let mut editor = Editor::typical();
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(1));
    let mut editor = Editor::typical();
    assert_eq!(editor.code(), Some(1));
    let mut editor = Editor::uninitialized();
    write!(editor.input.as_mut().unwrap(), "GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(editor.code(), Some(1));
}

#[test]
fn a_cancelled_request_is_not_carried_out() {
    let mut editor = Editor::typical();
    editor.open("game.rhai", "answer();");
    let place =
        json!({ "textDocument": { "uri": editor.uri("game.rhai") }, "position": { "line": 0, "character": 0 } });
    // Both in one piece, so that the second is there when the first is processed.
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
    // It may have been answered already when it was cancelled: then the answer comes.
    assert!(answer["error"]["code"] == -32800 || answer["result"].is_object(), "{answer}");
    assert!(editor.wait(|message| message["id"] == "s")["result"].is_object());
}

#[test]
fn completion_offers_only_what_is_valid_there() {
    let folder = Folder::new();
    folder.file("game.prompts", "; Words.\ngame-welcome: Willkommen im Spiel 🙂!\n\ngame-bye: Tschüß.\nbroken line\n");
    folder.file(
        "lib/menu.rhai",
        "// Plays it.\nfn play(file, keys) { }\nprivate fn hidden() { }\nexport const LOUD = 1;\nconst OWN = 2;",
    );
    let snippets = json!({ "textDocument": { "completion": { "completionItem": { "snippetSupport": true } } } });
    let mut editor = Editor::in_folder(folder, snippets);
    let mut offers = |name: &str, marked: &str| editor.at("textDocument/completion", name, marked).unwrap();

    let code = offers("game.rhai", "let score = 0;\n// Asks.\nfn ask(level) { let deep = 1; st^ }\nlet below = 1;");
    let stream = item(&code, "stream_file");
    assert_eq!(stream["detail"], r#"stream_file(file, escape_digits = "", offset?)"#);
    assert_eq!(stream["textEdit"]["newText"], "stream_file($1)$0");
    assert_eq!(range(&stream["textEdit"]["range"]), "2:30-2:32");
    assert_eq!(item(&code, "answer")["textEdit"]["newText"], "answer()$0");
    item(&code, "deep");
    assert_eq!(item(&code, "ask")["detail"], "fn ask(level)");
    assert_eq!(item(&code, "ask")["documentation"]["value"], "Asks.");
    for name in ["level", "state", "env", "while", "random"] {
        item(&code, name);
    }
    // A function sees none of the script's variables, nor any declared later. Words of tests are offered only in tests.
    for name in ["score", "below", "expect_prompt"] {
        assert!(!labels(&code).contains(&name), "{name}");
    }
    // The client requests the long documentation when the editor shows an item.
    let resolved = editor.ask("completionItem/resolve", stream.clone()).unwrap();
    let explained = resolved["documentation"]["value"].as_str().unwrap();
    assert!(explained.starts_with("Plays a sound file; the caller may end it with a key."), "{explained}");
    assert!(explained.contains("// the caller presses 2 after 1s"), "{explained}");
    let mut offers = |name: &str, marked: &str| editor.at("textDocument/completion", name, marked).unwrap();
    // The brackets exist already.
    let called = offers("game.rhai", "str^(\"a\")");
    assert_eq!(item(&called, "stream_file")["textEdit"]["newText"], "stream_file");

    let env = offers("game.rhai", "if env.agi^ {");
    assert_eq!(item(&env, "agi_callerid")["kind"], 5);
    assert!(labels(&env).iter().all(|name| name.starts_with("agi_")));
    let state = offers("game.rhai", "state.score = 1; let m = #{ key: 1 }; state.sc^");
    assert!(labels(&state).contains(&"score") && !labels(&state).contains(&"key") && !labels(&state).contains(&"sc"));
    assert_eq!(item(&state, "sub_string")["detail"], "sub_string(start, length?)");
    let caught = offers("game.rhai", "try { } catch (e) { print(e.^) }");
    assert_eq!(labels(&caught), ["kind", "command", "parameter", "code", "result", "message", "script", "line"]);

    let module = offers("game.rhai", "import \"lib/menu\" as menu;\nfn f() { menu::^ }");
    assert_eq!(labels(&module), ["play", "LOUD"]);
    assert_eq!(item(&module, "play")["documentation"]["value"], "Plays it.");
    let files = offers("game.rhai", "import \"l^\" as menu;");
    assert_eq!(labels(&files), ["lib/menu"]);
    assert_eq!(range(&item(&files, "lib/menu")["textEdit"]["range"]), "0:8-0:9");
    let constants = offers("game.rhai", "const K = 1; fn f() { global::^ }");
    assert_eq!(labels(&constants), ["K"]);

    // In a prompt the whole text is the word, with its dashes. Those of the table come first, with their texts.
    for marked in [
        "stream_file(\"ga^me-w\")",
        "stream_file(\"^",
        "let d = get_data(\"ga^",
        "control_stream_file(\"^\", \"1\")",
        "get_option(  \"^\", \"1\", 5000)",
    ] {
        let prompts = offers("game.rhai", marked);
        assert_eq!(&labels(&prompts)[..2], ["game-welcome", "game-bye"], "{marked}");
        assert_eq!(item(&prompts, "game-welcome")["detail"], "Willkommen im Spiel 🙂!");
        assert_eq!(item(&prompts, "vm-goodbye")["detail"], "Asterisk's own sound, 0.9 s");
        assert_eq!(prompts.as_array().unwrap().len(), 2 + 568 + 1346);
    }
    let prompts = offers("game.rhai", "stream_file(\"game-w^elc\", \"#\")");
    assert_eq!(range(&item(&prompts, "game-bye")["textEdit"]["range"]), "0:13-0:22");
    assert_eq!(item(&prompts, "game-bye")["textEdit"]["newText"], "game-bye");
    for marked in
        ["stream_file(\"a\", \"^\")", "let x = \"^\"", "database_get(\"^\")", "// stream_file(\"^\")", "let ^", "fn ^"]
    {
        assert_eq!(offers("game.rhai", marked), json!([]), "{marked}");
    }
}

#[test]
fn hover_explains_the_word() {
    let folder = Folder::new();
    folder.file("game.prompts", "welcome: Hello, who is there?\nsilent:\nbye: Bye.\n[de]\nbye: Tschüß.\n");
    folder.file("lib/menu.rhai", "// Plays it.\nfn play(file) { }");
    let mut editor = Editor::in_folder(folder, json!({}));
    let mut shows = |marked: &str| hover(&mut editor, marked);
    let text = shows("let d = get_^data(\"welcome\", 5000, 4);");
    for part in [
        "```rhai\nget_data(file, ",
        "Sends `GET DATA`.",
        "* `ms` (integer, may be left out): Milliseconds to wait from the end of the prompt",
        "* Returns the digits entered, as text; `\"\"` if none.",
        "the question is asked without it",
        "// the caller presses",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(shows("// Two\n// lines.\nfn play(a, b) { }\npl^ay(1, 2)"), "```rhai\nfn play(a, b)\n```\nTwo\nlines.");
    assert_eq!(shows("let best = 1;  // so far\nbes^t"), "```rhai\nlet best\n```\nso far");
    assert_eq!(shows("fn f(le^vel) { }"), "```rhai\nparameter level\n```");
    assert_eq!(shows("stream_file(\"wel^come\")"), "`welcome`: “Hello, who is there?”");
    assert_eq!(shows("let p = \"wel^come\";"), "`welcome`: “Hello, who is there?”");
    assert_eq!(shows("stream_file(\"by^e\")"), "`bye`: “Bye.”  \n[de] “Tschüß.”");
    assert_eq!(shows("stream_file(\"sil^ent\")"), "`silent`: the table has no words for it");
    assert_eq!(shows("stream_file(\"vm-good^bye\")"), "`vm-goodbye`: Asterisk's own sound, 0.9 s");
    assert_eq!(
        shows("stream_file(\"office-ig^uanas\")"),
        "`office-iguanas`: one of Asterisk's extra sounds, which are installed separately"
    );
    assert!(shows("env.agi_caller^id").contains("The caller's number"));
    assert!(shows("sta^te.x = 1").contains("A map for the values of this call"));
    assert!(shows("x.sub_str^ing(1)").contains("text.sub_string(start, length?)"));
    assert_eq!(
        shows("import \"lib/menu\" as menu; menu::pl^ay(1)"),
        "```rhai\nfn play(file)\n```\nPlays it.\n\n*from menu.rhai*"
    );
    assert_eq!(shows("import \"lib/menu\" as m; m^::play(1)"), "```rhai\nimport \"lib/menu\" as m\n```");
    for marked in ["let x = \"vm-good^bye\";", "// answ^er", "1^2", "no_such^()", "x.odd^"] {
        assert_eq!(editor.at("textDocument/hover", "game.rhai", marked).unwrap(), Value::Null, "{marked}");
    }
}

#[test]
fn signature_help_shows_the_parameters_while_a_call_is_typed() {
    let folder = Folder::new();
    folder.file("menu.rhai", "fn play(file, keys) { }");
    let mut editor = Editor::in_folder(folder, json!({}));
    let mut check = |marked: &str, label: &str, active: Option<&str>| {
        let help = editor.at("textDocument/signatureHelp", "game.rhai", marked).unwrap();
        let signature = &help["signatures"][help["activeSignature"].as_u64().unwrap_or(0) as usize];
        assert_eq!(signature["label"], label, "{marked}");
        let number = help["activeParameter"].as_u64().unwrap() as usize;
        let offsets = signature["parameters"].get(number).map(|parameter| &parameter["label"]);
        let shown = offsets.map(|at| &label[at[0].as_u64().unwrap() as usize..at[1].as_u64().unwrap() as usize]);
        assert_eq!(shown, active, "{marked}");
    };
    let stream_file = r#"stream_file(file, escape_digits = "", offset?)"#;
    check("stream_file(^", stream_file, Some("file"));
    check("if x { stream_file(\"a, (\", ^", stream_file, Some("escape_digits"));
    check("stream_file(f(1, 2), \"\", 3^); g()", stream_file, Some("offset"));
    check("stream_file(1, 2, 3, ^", stream_file, None);
    check("exec(\"Dial\", \"a\", \"b\", ^)", "exec(application, arguments...)", Some("arguments..."));
    check("fn f(a) {}\nfn f(a, b) {}\nf(1, ^", "f(a, b)", Some("b"));
    check("import \"menu\" as menu; menu::play(\"a\", ^", "play(file, keys)", Some("keys"));
    check("x.sub_string(1, ^", "sub_string(start, length?)", Some("length?"));
    for marked in ["stream_file(1); ^", "if (^", "fn f(^", "no_such(^", "^"] {
        assert_eq!(editor.at("textDocument/signatureHelp", "game.rhai", marked).unwrap(), Value::Null, "{marked}");
    }
}

#[test]
fn definitions_are_found_in_scripts_and_tables() {
    let folder = Folder::new();
    folder.file("game.prompts", "; Words.\nwelcome: Hello.\n");
    folder.file("lib/menu.rhai", "// Über.\nfn play(file) { }\nfn play(file, keys) { }");
    folder.file("other.rhai", "answer();");
    let mut editor = Editor::in_folder(folder, json!({}));
    let mut check = |name: &str, marked: &str, file: &str, place: &str| {
        let found = editor.at("textDocument/definition", name, marked).unwrap();
        assert_eq!(found["uri"], editor.uri(file), "{marked}");
        assert_eq!(range(&found["range"]), place, "{marked}");
    };
    check("game.rhai", "fn ü() {}\nlet sc = 1; { let sc = 2; s^c }", "game.rhai", "1:18-1:20");
    check("game.rhai", "pl^ay(1);\nfn play(x) { }", "game.rhai", "1:3-1:7");
    check("game.rhai", "fn play(level) { `🙂 ${lev^el}` }", "game.rhai", "0:8-0:13");
    check("game.rhai", "import \"lib/me^nu\" as menu;", "lib/menu.rhai", "0:0-0:0");
    check("game.rhai", "import \"lib/menu\" as menu; men^u::play(1);", "lib/menu.rhai", "0:0-0:0");
    check("game.rhai", "import \"lib/menu\" as menu; menu::pl^ay(1, 2);", "lib/menu.rhai", "2:3-2:7");
    check("game.rhai", "stream_file(\"wel^come\");", "game.prompts", "1:0-1:7");
    check("game.rhai", "[1].map(Fn(\"dou^ble\")); fn double(x) { x }", "game.rhai", "0:26-0:32");
    check("game.test.rhai", "fn test_a() { place_call(\"ot^her\"); }", "other.rhai", "0:0-0:0");
    check("game.test.rhai", "fn test_a() { expect_prompt(\"wel^come\"); }", "game.prompts", "1:0-1:7");
    // The text in the editor counts, not the file.
    editor.open("lib/menu.rhai", "\n\n\nfn play(file, keys) { }");
    let marked = "import \"lib/menu\" as menu; menu::pl^ay(1, 2);";
    let found = editor.at("textDocument/definition", "game.rhai", marked).unwrap();
    assert_eq!(range(&found["range"]), "3:3-3:7");
    for marked in ["answ^er();", "no_such^();", "stream_file(\"no-su^ch\")", "import \"no/su^ch\" as x;", "^"] {
        assert_eq!(editor.at("textDocument/definition", "game.rhai", marked).unwrap(), Value::Null, "{marked}");
    }
}

#[test]
fn renaming_changes_every_use_and_nothing_else() {
    let folder = Folder::new();
    let menu = "fn play(file) { again(file) }\nfn again(file) { play(file) }\n";
    let game = "import \"lib/menu\" as menu;\nmenu::play(1); menu::play(1, 2);\nfn play(x) { menu::play(x) }\nplay(3)";
    let stranger = "import \"other\" as menu;\nmenu::play(1);";
    folder.file("lib/menu.rhai", menu);
    folder.file("game.rhai", game);
    folder.file("stranger.rhai", stranger);
    folder.file("other.rhai", "fn play(a) { }");
    let mut alone = Editor::typical();
    alone.folder.file("lib/menu.rhai", menu);
    let one = |editor: &mut Editor, marked: &str, new: &str| {
        let edit = editor.at_with("textDocument/rename", "a.rhai", marked, json!({ "newName": new })).unwrap();
        renamed(editor, &edit, &[("a.rhai", &marked.replacen('^', "", 1))]).remove(0)
    };
    assert_eq!(
        one(&mut alone, "let ^a = 1; // a\nfn f(a) { a }\nlet b = `🙂ä ${a} a`; f(a); { let a = a; a }", "score"),
        "let score = 1; // a\nfn f(a) { a }\nlet b = `🙂ä ${score} a`; f(score); { let a = score; a }"
    );
    assert_eq!(
        one(&mut alone, "fn f(^a) { a }\nlet a = 1; f(a); Fn(\"f\")", "b"),
        "fn f(b) { b }\nlet a = 1; f(a); Fn(\"f\")"
    );
    assert_eq!(
        one(&mut alone, "f(1); f(1, 2); x.f(); Fn(\"f\");\nfn ^f(a) { }\nfn f(a, b) { }", "g"),
        "g(1); f(1, 2); x.f(); Fn(\"g\");\nfn g(a) { }\nfn f(a, b) { }"
    );
    assert_eq!(
        one(&mut alone, "import \"lib/menu\" as ^menu; menu::play(1); fn f() { menu::play(1) }", "lib"),
        "import \"lib/menu\" as lib; lib::play(1); fn f() { lib::play(1) }"
    );
    let mut editor = Editor::in_folder(folder, json!({}));
    // Across files, from either side.
    let change = json!({ "newName": "start" });
    let from_menu =
        editor.at_with("textDocument/rename", "lib/menu.rhai", &format!("fn ^{}", &menu[3..]), change.clone()).unwrap();
    let expected = [
        "fn start(file) { again(file) }\nfn again(file) { start(file) }\n",
        "import \"lib/menu\" as menu;\nmenu::start(1); menu::start(1, 2);\nfn play(x) { menu::start(x) }\nplay(3)",
    ];
    let before = [("lib/menu.rhai", menu), ("game.rhai", game)];
    assert_eq!(renamed(&editor, &from_menu, &before), expected);
    let marked = game.replacen("menu::play(1);", "menu::pl^ay(1);", 1);
    let from_game = editor.at_with("textDocument/rename", "game.rhai", &marked, change).unwrap();
    assert_eq!(renamed(&editor, &from_game, &before), expected);
    let references = editor.at_with(
        "textDocument/references",
        "game.rhai",
        &marked,
        json!({ "context": { "includeDeclaration": false } }),
    );
    assert_eq!(references.unwrap().as_array().unwrap().len(), 4);

    let prepared = editor.at("textDocument/prepareRename", "a.rhai", "let score = 1; sc^ore").unwrap();
    assert_eq!((range(&prepared["range"]), &prepared["placeholder"]), ("0:15-0:20".to_owned(), &json!("score")));
    let highlights = editor.at("textDocument/documentHighlight", "a.rhai", "let score = 1; sc^ore; score").unwrap();
    let places: Vec<String> = highlights.as_array().unwrap().iter().map(|place| range(&place["range"])).collect();
    assert_eq!(places, ["0:4-0:9", "0:15-0:20", "0:22-0:27"]);
}

#[test]
fn renaming_that_would_break_something_is_refused() {
    let mut editor = Editor::typical();
    let mut check = |marked: &str, new: &str, because: &str| {
        let refused = editor.at_with("textDocument/rename", "a.rhai", marked, json!({ "newName": new })).unwrap_err();
        assert_eq!(refused, (-32803, because.to_owned()), "{marked}");
    };
    check("let ^a = 1;", "1st", "`1st` is not a name: a name has letters a to z, digits and `_`, and no digit first");
    check(
        "let ^a = 1;",
        "größe",
        "`größe` is not a name: a name has letters a to z, digits and `_`, and no digit first",
    );
    check("let ^a = 1;", "goto", "`goto` is a reserved word of the language");
    check("let ^a = 1;", "if", "`if` is a reserved word of the language");
    check("let ^a = 1;", "state", "`state` is a value that every script has");
    check("fn ^a() { }", "answer", "every script already has a function `answer`");
    check("let ^a = 1; let b = 2; a + b", "b", "`b` already means something else here");
    check("fn ^f() { } fn g() { }", "g", "there is already a function `g` with this number of parameters");
    check("answ^er();", "reply", "`answer` isn't defined in this script, so it cannot be renamed");
    check(
        "fn on_^hangup() { }",
        "gone",
        "`on_hangup` cannot be renamed: the host calls it by that name after the hangup",
    );
    check("let a = 1; ^ ", "b", "there is no name here to rename");
    let prepared = editor.at("textDocument/prepareRename", "a.rhai", "answ^er();").unwrap_err();
    assert_eq!(prepared.1, "`answer` isn't defined in this script, so it cannot be renamed");
}

#[test]
fn document_symbols_list_the_names_of_a_script() {
    let text = "import \"x\" as x;\nlet score = 1;\nfn play(a) {\n    let inner = a;\n}\nconst K = 2;";
    let asked = |editor: &mut Editor| {
        editor.open("game.rhai", text);
        let uri = editor.uri("game.rhai");
        editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } })).unwrap()
    };
    let nested = json!({ "textDocument": { "documentSymbol": { "hierarchicalDocumentSymbolSupport": true } } });
    let symbols = asked(&mut Editor::new(nested));
    let shown = |symbol: &Value| {
        let (whole, name) = (range(&symbol["range"]), range(&symbol["selectionRange"]));
        format!("{} {} {whole} {name}", symbol["name"].as_str().unwrap(), symbol["kind"])
    };
    let list: Vec<String> = symbols.as_array().unwrap().iter().map(shown).collect();
    assert_eq!(
        list,
        ["x 2 0:0-0:16 0:14-0:15", "score 13 1:0-1:14 1:4-1:9", "play 12 2:0-4:1 2:3-2:7", "K 14 5:0-5:12 5:6-5:7"]
    );
    let flat = asked(&mut Editor::typical());
    assert_eq!(range(&flat[2]["location"]["range"]), "2:0-4:1");
}

#[test]
fn columns_use_the_negotiated_encoding() {
    let marked = "let a = `ü🙂`; stream_file(\"x\", ^";
    for (encodings, expected) in [
        (json!(["utf-8", "utf-16"]), "utf-8"),
        (json!(["utf-16"]), "utf-16"),
        (json!(["utf-32"]), "utf-32"),
        (json!([]), "utf-16"),
    ] {
        let mut editor = Editor::uninitialized();
        let capabilities = json!({ "general": { "positionEncodings": encodings } });
        let params = json!({ "processId": null, "rootUri": null, "capabilities": capabilities });
        let result = editor.ask("initialize", params).unwrap();
        assert_eq!(result["capabilities"]["positionEncoding"], expected);
        let text = marked.replacen('^', "", 1);
        editor.open("a.rhai", &text);
        let length = match expected {
            "utf-8" => text.len(),
            "utf-16" => text.encode_utf16().count(),
            _ => text.chars().count(),
        };
        // Typed after the emoji, at the end of the line.
        let uri = editor.uri("a.rhai");
        let end = json!({ "line": 0, "character": length });
        let change = json!({ "range": { "start": end, "end": end }, "text": "y" });
        editor.change("a.rhai", change);
        let place = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": length + 1 } });
        let help = editor.ask("textDocument/signatureHelp", place).unwrap();
        assert_eq!(help["activeParameter"], 1, "{expected}");
    }
}

#[test]
fn requests_work_after_every_key_of_a_script_being_typed() {
    let text = std::fs::read_to_string("scripts/memory.rhai").unwrap() + "\nlet x = `ü ${1 + 2} 🙂`; /* ä */\n";
    let mut editor = Editor::typical();
    editor.open("typed.rhai", "");
    let uri = editor.uri("typed.rhai");
    let (mut line, mut column) = (0, 0);
    for (typed, key) in text.chars().enumerate() {
        let place = json!({ "line": line, "character": column });
        let change = json!({ "range": { "start": place, "end": place }, "text": key.to_string() });
        editor.change("typed.rhai", change);
        if key == '\n' {
            (line, column) = (line + 1, 0);
        } else {
            column += key.len_utf16();
        }
        let asked = json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": column } });
        let methods = ["completion", "signatureHelp", "hover", "definition", "documentHighlight"];
        for method in methods.iter().filter(|_| typed % 5 == 0 || "\"`(.:".contains(key)) {
            if let Err(error) = editor.ask(&format!("textDocument/{method}"), asked.clone()) {
                panic!("{method} at {line}:{column}: {error:?}");
            }
        }
    }
    // Everything has arrived: the last function is known from above.
    let asked = json!({ "textDocument": { "uri": uri } });
    let symbols = editor.ask("textDocument/documentSymbol", asked).unwrap();
    let names: Vec<&str> = symbols.as_array().unwrap().iter().map(|symbol| symbol["name"].as_str().unwrap()).collect();
    assert_eq!(&names[names.len() - 3..], ["record_name", "on_hangup", "x"]);
}

/// `line:column-line:column rule message`, from 0.
fn findings(diagnostics: &[Value]) -> Vec<String> {
    let one = |found: &Value| {
        let message = found["message"].as_str().unwrap().replace('\n', " / ");
        format!("{} {} {message}", range(&found["range"]), found["code"].as_str().unwrap())
    };
    diagnostics.iter().map(one).collect()
}

#[test]
fn diagnostics_appear_while_typing() {
    let folder = Folder::new();
    folder.file("lib/menu.rhai", "fn play(file) { stream_file(file) }");
    let mut editor = Editor::in_folder(folder, json!({}));
    editor.open("game.rhai", "answer();\nlet x = \"ü🙂\"; strem_file(x);\n");
    let found = editor.diagnostics("game.rhai");
    assert_eq!(findings(&found), ["1:15-1:25 unknown-function no function `strem_file` / did you mean `stream_file`?"]);
    assert_eq!((&found[0]["severity"], &found[0]["source"]), (&json!(1), &json!("agi-rhai")));
    editor.change("game.rhai", json!({ "text": "answer();" }));
    assert_eq!(editor.diagnostics("game.rhai").len(), 0);
    editor.change("game.rhai", json!({ "text": "answer(" }));
    assert_eq!(editor.diagnostics("game.rhai")[0]["code"], "syntax");

    // An import counts as it stands in the editor, saved or not.
    let importer = "import \"lib/menu\" as menu;\nmenu::play(\"beep\");\n";
    editor.open("importer.rhai", importer);
    assert_eq!(editor.diagnostics("importer.rhai").len(), 0);
    editor.open("lib/menu.rhai", "fn play(file) { stream_file(file) }");
    assert_eq!(editor.diagnostics("importer.rhai").len(), 0);
    editor.change("lib/menu.rhai", json!({ "text": "fn start(file) { stream_file(file) }" }));
    let found = findings(&editor.diagnostics("importer.rhai"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("1:6-1:10 unknown-function"), "{found:?}");
    // Once it is closed, its file counts again, and nothing more is reported of it.
    let menu = editor.uri("lib/menu.rhai");
    editor.kept.retain(|message| message["params"]["uri"] != menu.as_str());
    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": menu } }));
    while !editor.diagnostics("lib/menu.rhai").is_empty() {}
    assert_eq!(editor.diagnostics("importer.rhai").len(), 0);

    // Words of tests are known in a test, but not in a script.
    editor.open("game.test.rhai", "fn test_it() { place_call(\"game\"); expect_end(); }");
    assert_eq!(findings(&editor.diagnostics("game.test.rhai")), [""; 0]);
    editor.open("no.rhai", "place_call(\"game\");");
    assert_eq!(editor.diagnostics("no.rhai")[0]["code"], "unknown-function");
    // A table of prompts is checked as well.
    editor.open("other.prompts", "welcome: Hello.\nwrong\n");
    let found = editor.diagnostics("other.prompts");
    assert_eq!((range(&found[0]["range"]), found.len()), ("1:0-1:5".to_owned(), 1));
}

#[test]
fn options_and_the_words_of_choices_are_explained() {
    let folder = Folder::new();
    folder.file("game.rhai", "");
    let mut editor = Editor::in_folder(folder, json!({}));
    for (marked, expected) in [
        ("listen(\"a\", #{ sil^ence: 1 })", "silence: number = 0.8\n```\nSeconds of silence"),
        ("ask(\"a\", #{ min: 1, spee^ch: true })", "speech: bool = false"),
        ("menu(\"a\", #{ \"1\": #{ wo^rds: [\"b\"], then: 1 } })", "words: array\n```\nThe words or phrases"),
        ("menu(\"a\", #{ \"1\": #{ words: [\"b\"], th^en: 1 } })", "then: value\n```\nWhat it stands for"),
    ] {
        let hover = hover(&mut editor, marked);
        assert!(hover.contains(expected), "{marked}: {hover}");
    }
}

#[test]
fn completion_offers_words_of_tests_and_options() {
    let folder = Folder::new();
    folder.file("game.rhai", "");
    folder.file("game.prompts", "welcome: Hello.\n");
    let mut editor = Editor::in_folder(folder, json!({}));
    let mut offers = |name: &str, marked: &str| editor.at("textDocument/completion", name, marked).unwrap();
    item(&offers("game.test.rhai", "fn test_a() { ex^ }"), "expect_prompt");
    assert_eq!(labels(&offers("game.test.rhai", "fn test_a() { place_call(\"^\") }")), ["game"]);
    assert_eq!(labels(&offers("game.test.rhai", "fn test_a() { wait_for(\"^\") }"))[0], "welcome");
    let options = offers("game.rhai", "ask(\"welcome\", #{ t^");
    assert_eq!(item(&options, "tries")["detail"], "integer = 3");
    assert_eq!(item(&options, "tries")["textEdit"]["newText"], "tries: ");
    assert!(!labels(&options).contains(&"answer"));
    for (marked, expected) in [
        ("listen(\"welcome\", #{ ^", "silence"),
        ("listen(\"welcome\", #{ words: [\"a\", \"b\"], ^", "otherwise"),
        ("menu(\"welcome\", #{ \"1\": #{ ^", "words"),
        ("menu(\"welcome\", #{ \"1\": #{ words: [\"a\"], ^", "then"),
        ("menu(\"welcome\", #{ \"1\": #{ words: [\"a\"], then: 1 }, \"2\": #{ w^", "words"),
        ("menu(\"welcome\", #{ \"1\": #{ words: [\"a\"], then: 1 } }, #{ ^", "confidence"),
    ] {
        let found = offers("game.rhai", marked);
        assert!(labels(&found).contains(&expected) && !labels(&found).contains(&"answer"), "{marked}: {found}");
    }
    for marked in ["listen(\"a\", #{ words: [\"a\", ^", "menu(\"a\", #{ \"1\": #{ words: [\"a\", ^", "menu(\"a\", #{ ^"]
    {
        assert!(!labels(&offers("game.rhai", marked)).contains(&"then"), "{marked}");
    }
    let value = offers("game.rhai", "ask(\"welcome\", #{ tries: ^");
    assert!(labels(&value).contains(&"random") && !labels(&value).contains(&"tries"));
    for marked in ["ask(\"^\")", "say([\"a\", \"^\"])", "ask(\"welcome\", #{ no_input: [\"^\"] })", "menu(\"^\", #{})"]
    {
        assert_eq!(labels(&offers("game.rhai", marked))[0], "welcome", "{marked}");
    }
    for marked in
        ["say(#{ digits: \"^\" })", "ask(\"welcome\", #{ end: \"^\" })", "menu(\"welcome\", #{ \"1\": \"^\" })"]
    {
        assert_eq!(offers("game.rhai", marked), json!([]), "{marked}");
    }
}

/// At the fastest, half a second of typing is 5 keys; delays under 50 ms aren't noticeable.
#[test]
fn a_long_script_is_checked_while_typing_without_delay() {
    let game = std::fs::read_to_string("scripts/memory.rhai").unwrap();
    let functions = (0..30).map(|number| {
        format!("\nfn more_{number}(a) {{\n    let key = stream_file(\"beep\", \"#\");\n    if key == \"\" {{\n        say_number(a);\n    }}\n    a + 1\n}}\nmore_{number}({number});\n")
    });
    let text = format!("{game}{}", functions.collect::<String>());
    let lines = text.lines().count();
    assert!(lines >= 300, "{lines} lines");
    let mut editor = Editor::typical();
    editor.open("long.rhai", &text);
    editor.diagnostics("long.rhai");
    let mut times = Vec::new();
    for column in 0..40 {
        let place = json!({ "line": lines - 1, "character": column });
        let change = json!({ "range": { "start": place, "end": place }, "text": " " });
        let begun = Instant::now();
        editor.change("long.rhai", change);
        editor.diagnostics("long.rhai");
        times.push(begun.elapsed());
    }
    times.sort();
    eprintln!("from a key to what is wrong, {lines} lines: {:?}, at most {:?}", times[20], times[39]);
    // The tests' own build on a busy machine is ten times slower than a release build.
    assert!(times[20] < Duration::from_millis(500), "{times:?}");
}

/// A game with a table of prompts and one of phrases, in two languages, a test, and scripts beside it.
fn tables() -> (Folder, [(&'static str, &'static str); 4]) {
    let folder = Folder::new();
    let files = [
        (
            "game.rhai",
            "import \"lib\" as lib;\nlet first = \"ask\";\nask([\"ask\", #{ phrase: \"left\", n: 2 }], #{ no_match: \"ask\" });\n\
             set_variable(\"ask\", \"ask\"); lib::say_it(\"ask\"); print(\"left\"); say(first);",
        ),
        ("game.test.rhai", "fn test_a() { place_call(\"game\"); wait_for(\"ask\"); expect_prompt(\"ask\"); }"),
        ("game.prompts", "; ask: no prompt\nask: How many?\nsheep: Sheep.\n[de]\nask: Wie viele?\n"),
        ("game.phrases", "[en]\nleft one: ask {n} sheep\nleft other: ask {n} sheep\n[de]\nleft: {n} sheep ask\n"),
    ];
    for (name, text) in files {
        folder.file(name, text);
    }
    folder.file("lib.rhai", "fn say_it(what) { stream_file(what); stream_file(\"ask\"); }");
    folder.file("other.rhai", "stream_file(\"ask\"); say(#{ phrase: \"left\" });");
    folder.file("other.prompts", "ask: Another game's.\n");
    folder.file("other.phrases", "left: {n}\n");
    (folder, files)
}

#[test]
fn a_prompt_is_renamed_in_its_script_its_tests_and_both_tables() {
    let (folder, files) = tables();
    let mut editor = Editor::in_folder(folder, json!({}));
    let [(_, game), (_, test), (_, prompts), (_, phrases)] = files;
    let marks = [
        ("game.rhai", game.replacen("ask([\"ask", "ask([\"a^sk", 1)),
        ("game.test.rhai", test.replacen("wait_for(\"", "wait_for(\"^", 1)),
        ("game.prompts", prompts.replacen("\nask", "\na^sk", 1)),
        ("game.phrases", phrases.replacen(": ask", ": ask^", 1)),
    ];
    for (name, marked) in &marks {
        let edit = editor.at_with("textDocument/rename", name, marked, json!({ "newName": "game/how-many" })).unwrap();
        let after = renamed(&editor, &edit, &[files[0], files[1], files[2], files[3], ("lib.rhai", LIB)]);
        assert_eq!(
            after[0],
            "import \"lib\" as lib;\nlet first = \"game/how-many\";\nask([\"game/how-many\", #{ phrase: \"left\", n: 2 }], #{ \
             no_match: \"game/how-many\" });\nset_variable(\"ask\", \"ask\"); lib::say_it(\"game/how-many\"); \
             print(\"left\"); say(first);",
            "{name}"
        );
        assert_eq!(after[1], test.replace("(\"ask\")", "(\"game/how-many\")"), "{name}");
        assert_eq!(after[2], prompts.replace("\nask", "\ngame/how-many"), "{name}");
        assert_eq!(after[3], phrases.replace("ask", "game/how-many"), "{name}");
        assert_eq!(after[4], LIB.replace("\"ask\"", "\"game/how-many\""), "{name}");
    }
    let refused = |editor: &mut Editor, name: &str, marked: &str, new: &str| {
        editor.at_with("textDocument/rename", name, marked, json!({ "newName": new })).unwrap_err().1
    };
    assert_eq!(refused(&mut editor, "game.prompts", &marks[2].1, "sheep"), "`sheep` is in the table already");
    assert!(refused(&mut editor, "game.prompts", &marks[2].1, "a b").contains("it has no blank"));
    let of_asterisk = refused(&mut editor, "game.rhai", "stream_file(\"vm-good^bye\");", "x");
    assert_eq!(of_asterisk, "`vm-goodbye` is in no table beside the script, so it cannot be renamed");
    // An ordinary text is no name.
    let of_text = refused(&mut editor, "game.rhai", "print(\"a^sk\");", "x");
    assert_eq!(of_text, "`ask` isn't defined in this script, so it cannot be renamed");
}

#[test]
fn names_of_services_are_completed_and_checked() {
    let folder = Folder::new();
    folder.file(
        "agi-rhai.toml",
        "[http.weather]\nurl = \"${AGI_RHAI_NOT_SET}\"\n[http.news]\nurl = \"http://a/\"\n[sql.crm]\nurl = \"sqlite:x\"\n",
    );
    let mut editor = Editor::in_folder(folder, json!({}));
    let mut offers = |marked: &str| -> Vec<String> {
        let offers = editor.at("textDocument/completion", "game.rhai", marked).unwrap();
        labels(&offers).into_iter().map(Into::into).collect()
    };
    assert_eq!(offers("http_get(\"^\", \"x\");"), ["news", "weather"]);
    assert_eq!(offers("sql_row(\"^\", \"select 1\");"), ["crm"]);
    assert!(offers("run_program(\"^\", []);").is_empty());
    assert!(offers("http_get(\"news\", \"^\");").is_empty());
    editor.open("checked.rhai", "print(http_get(\"wether\", \"x\"));");
    let found = editor.diagnostics("checked.rhai");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["code"], "unknown-service");
    assert!(found[0]["message"].as_str().unwrap().contains("did you mean \"weather\"?"), "{found:?}");
}

const LIB: &str = "fn say_it(what) { stream_file(what); stream_file(\"ask\"); }";

#[test]
fn phrases_are_completed_explained_found_and_renamed() {
    let (folder, files) = tables();
    let mut editor = Editor::in_folder(folder, json!({}));
    let [(_, game), _, _, (_, phrases)] = files;
    let marked = game.replacen("\"left", "\"le^ft", 1);
    let offers = editor.at("textDocument/completion", "game.rhai", "say(#{ phrase: \"^\" });").unwrap();
    assert_eq!(labels(&offers), ["left"]);
    let shown = hover(&mut editor, &marked);
    for line in ["[en] left one: ask {n} sheep", "[en] left other: ask {n} sheep", "[de] left: {n} sheep ask"] {
        assert!(shown.contains(line), "{shown}");
    }
    let found = editor.at("textDocument/definition", "game.rhai", &marked).unwrap();
    assert_eq!((&found["uri"], range(&found["range"])), (&json!(editor.uri("game.phrases")), "1:0-1:4".to_owned()));
    let context = json!({ "context": { "includeDeclaration": false } });
    let found =
        editor.at_with("textDocument/references", "game.phrases", &phrases.replacen("left", "le^ft", 1), context);
    let found = found.unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(
        (&found[0]["uri"], range(&found[0]["range"])),
        (&json!(editor.uri("game.rhai")), "2:24-2:28".to_owned())
    );
    for (name, marked) in [("game.rhai", marked), ("game.phrases", phrases.replacen("\nleft:", "\nle^ft:", 1))] {
        let edit = editor.at_with("textDocument/rename", name, &marked, json!({ "newName": "remaining" })).unwrap();
        let after = renamed(&editor, &edit, &[files[0], files[3]]);
        assert_eq!(after[0], game.replacen("\"left\"", "\"remaining\"", 1), "{name}");
        assert_eq!(after[1], phrases.replace("left", "remaining"), "{name}");
    }
}

#[test]
fn tables_are_documents_of_their_own() {
    let (folder, _) = tables();
    let mut editor = Editor::in_folder(folder, json!({}));
    // Mistakes, with a script and without.
    for name in ["game.phrases", "alone.phrases"] {
        editor.open(name, "[en]\nleft one: ask\nleft other: {n} ask }\nwrong\n");
        let found = editor.diagnostics(name);
        let lines: Vec<String> = found.iter().map(|found| range(&found["range"])).collect();
        assert!(lines.iter().any(|line| line.starts_with("3:")), "{name}: {found:?}");
    }
    // Completion: after the colon of a phrase come sounds, before it names.
    let mut offers = |name: &str, marked: &str| editor.at("textDocument/completion", name, marked).unwrap();
    let sounds = offers("game.phrases", "[en]\nleft: {n} sh^");
    assert_eq!(labels(&sounds)[..2], ["ask", "sheep"]);
    assert_eq!(range(&item(&sounds, "sheep")["textEdit"]["range"]), "1:10-1:12");
    assert_eq!(labels(&offers("game.phrases", "[en]\nleft one: {n}\nle^")), ["left"]);
    assert_eq!(offers("game.phrases", "[en]\nleft: {^"), json!([]));
    assert_eq!(offers("game.prompts", "ask: wo^"), json!([]));
    // What the script says, and the table doesn't have yet.
    editor.open("game.rhai", "stream_file(\"game-over\"); stream_file(\"vm-goodbye\");");
    let names = editor.at("textDocument/completion", "game.prompts", "ask: How many?\n^").unwrap();
    assert_eq!(labels(&names), ["ask", "game-over"]);
    // A sound is explained by its words, a prompt by those of all languages.
    let prompts = "ask: How many?\n[de]\na^sk: Wie viele?\n";
    let shown = editor.at("textDocument/hover", "game.prompts", prompts).unwrap();
    let shown = shown["contents"]["value"].as_str().unwrap();
    assert!(shown.contains("How many?") && shown.contains("[de] “Wie viele?”"), "{shown}");
    let found = editor.at("textDocument/definition", "game.phrases", "left: {n} a^sk").unwrap();
    assert_eq!((&found["uri"], range(&found["range"])), (&json!(editor.uri("game.prompts")), "0:0-0:3".to_owned()));
    // Its entries are its symbols.
    editor.open("game.phrases", "[en]\nleft one: ask {n}\n[de]\nleft: {n}\n");
    let asked = json!({ "textDocument": { "uri": editor.uri("game.phrases") } });
    let symbols = editor.ask("textDocument/documentSymbol", asked).unwrap();
    let names: Vec<&str> = symbols.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["left one [en]", "left [de]"]);
    // Nothing of scripts is offered in them.
    assert_eq!(editor.at("textDocument/hover", "game.prompts", "; ans^wer\nask: answer()").unwrap(), Value::Null);
    assert_eq!(editor.at("textDocument/signatureHelp", "game.prompts", "ask: answer(^)").unwrap(), Value::Null);
}

#[test]
fn quick_fixes_apply_the_suggested_word() {
    let literals = json!({ "codeActionKind": { "valueSet": ["quickfix"] } });
    let capabilities = json!({ "textDocument": { "codeAction": { "codeActionLiteralSupport": literals } } });
    let folder = Folder::new();
    folder.file("game.prompts", "game-welcome: Hello.\n");
    let mut editor = Editor::in_folder(folder, capabilities);
    let mut check = |text: &str, title: &str, after: &str| {
        editor.open("game.rhai", text);
        let found = editor.diagnostics("game.rhai");
        assert!(!found.is_empty(), "{text}");
        let uri = editor.uri("game.rhai");
        let asked =
            json!({ "textDocument": { "uri": uri }, "range": found[0]["range"], "context": { "diagnostics": found } });
        let fixes = editor.ask("textDocument/codeAction", asked).unwrap();
        let fix = fixes.as_array().unwrap().iter().find(|fix| fix["title"] == title);
        let fix = fix.unwrap_or_else(|| panic!("no {title} in {fixes}"));
        assert_eq!(renamed(&editor, &fix["edit"], &[("game.rhai", text)]), [after], "{text}");
    };
    check(
        "let ü = 1;".replace('ü', "x").as_str(),
        "Allow it here (unused-variable)",
        "// agi-rhai: allow(unused-variable)\nlet x = 1;",
    );
    check("print(`🙂`); strem_file(\"beep\");", "Change to stream_file", "print(`🙂`); stream_file(\"beep\");");
    check("print(env.agi_calerid);", "Change to agi_callerid", "print(env.agi_callerid);");
    check(
        "fn f() {\n    strem_file(\"beep\");\n}\nf();",
        "Allow it here (unknown-function)",
        "fn f() {\n    // agi-rhai: allow(unknown-function)\n    strem_file(\"beep\");\n}\nf();",
    );
    check("stream_file(\"game-welcom\");", "Change to \"game-welcome\"", "stream_file(\"game-welcome\");");
    // What was found in an older text isn't mended where something else stands by now.
    for (older, newer) in
        [("print(1); strem_file(x);", "print(1); stream_file(x);"), ("say(\"no-such\");", "say(\"welcomes\");")]
    {
        editor.open("typed.rhai", older);
        let found = editor.diagnostics("typed.rhai");
        editor.open("typed.rhai", newer);
        let document = json!({ "uri": editor.uri("typed.rhai") });
        let asked =
            json!({ "textDocument": document, "range": found[0]["range"], "context": { "diagnostics": found } });
        let fixes = editor.ask("textDocument/codeAction", asked).unwrap();
        let titles: Vec<&str> = fixes.as_array().unwrap().iter().map(|fix| fix["title"].as_str().unwrap()).collect();
        assert!(titles.iter().all(|title| title.starts_with("Allow it here")), "{titles:?}");
    }
    // A table of prompts gets no completions for scripts.
    assert_eq!(labels(&editor.at("textDocument/completion", "game.prompts", "st^").unwrap()), ["game-welcom"]);
    // A prompt is added to its table, which is another file, below the others of its first language.
    let mut adds = |table: &str, after: &str| {
        editor.open("game.prompts", table);
        editor.diagnostics("game.rhai");
        editor.open("game.rhai", "stream_file(\"quite-another\");");
        let found = editor.diagnostics("game.rhai");
        let uri = editor.uri("game.rhai");
        let asked =
            json!({ "textDocument": { "uri": uri }, "range": found[0]["range"], "context": { "diagnostics": found } });
        let fixes = editor.ask("textDocument/codeAction", asked).unwrap();
        let fix = fixes.as_array().unwrap().iter().find(|fix| fix["title"] == "Add it to game.prompts");
        let fix = fix.unwrap_or_else(|| panic!("{fixes}"));
        assert_eq!(fix["isPreferred"], true);
        assert_eq!(renamed(&editor, &fix["edit"], &[("game.prompts", table)]), [after], "{table}");
    };
    adds("a: A.\nb: B. \n\n", "a: A.\nb: B.\nquite-another:  \n\n");
    adds("; Ours.\n[en]\na: A.\n\n[de]\na: Ah.", "; Ours.\n[en]\na: A.\nquite-another: \n\n[de]\na: Ah.");
    adds("", "quite-another: \n");
    adds("; None yet.", "; None yet.\nquite-another: \n");
}

/// The work for a request grows with the text, not with its square: not even if all of it is one line.
#[test]
fn twice_as_long_a_script_takes_twice_as_long() {
    type Part = fn(usize) -> String;
    let kinds: [(&str, Part, &str); 4] = [
        (
            "functions",
            |n| format!("// Says {n}.\nfn f_{n}(x) {{ let y = x; say(y); }}\nf_{n}({n}); say(\"a\");\n"),
            "f_7",
        ),
        ("variables", |n| format!("let v_{n} = {n}; say(v_{n}); // One.\n"), "v_7"),
        ("uses", |n| format!("{}say(f(\"a\")); ", if n == 0 { "fn f(x) { x }\n" } else { "" }), "f"),
        ("names in one line", |n| format!("/* é */ let w_{n} = {n}; say(w_{n}); "), "w_7"),
    ];
    let requests = [
        ("textDocument/completion", json!({})),
        ("textDocument/hover", json!({})),
        ("textDocument/references", json!({ "context": { "includeDeclaration": true } })),
        ("textDocument/rename", json!({ "newName": "renamed" })),
        ("textDocument/documentSymbol", json!({})),
    ];
    // The times of an edit and of each request, of which the fastest counts.
    let times = |part: Part, name: &str, parts: usize| {
        let text: String = (0..parts).map(part).collect();
        let mut editor = Editor::typical();
        editor.open("a.rhai", &text);
        editor.diagnostics("a.rhai");
        let offset = text.find(&format!("{name} ")).or_else(|| text.find(&format!("{name}("))).unwrap();
        let line = text[..offset].matches('\n').count();
        let column = text[..offset].rsplit('\n').next().unwrap().encode_utf16().count();
        let document = json!({ "uri": editor.uri("a.rhai") });
        let position = json!({ "line": line, "character": column });
        let mut times = Vec::new();
        let mut time = |editor: &mut Editor, what: &str, work: &dyn Fn(&mut Editor)| {
            let once = |editor: &mut Editor| {
                let begun = Instant::now();
                work(editor);
                begun.elapsed().as_secs_f64()
            };
            let fastest = (0..3).map(|_| once(editor)).fold(f64::INFINITY, f64::min);
            times.push((what.to_owned(), fastest));
        };
        for (method, more) in &requests {
            let mut params = json!({ "textDocument": document, "position": position });
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            time(&mut editor, method, &|editor| assert_ne!(editor.ask(method, params.clone()).unwrap(), Value::Null));
        }
        times
    };
    for (kind, part, name) in kinds {
        // Under load a time may be off by chance; the square would show again.
        let mut slow = Vec::new();
        for _ in 0..4 {
            let (short, long) = (times(part, name, 250), times(part, name, 1000));
            let ratios = short.into_iter().zip(long).map(|((what, short), (_, long))| (what, long / short));
            slow = ratios.filter(|(_, ratio)| *ratio > 9.0).collect();
            if slow.is_empty() {
                break;
            }
        }
        assert!(slow.is_empty(), "four times as many {kind} took so many times as long: {slow:?}");
    }
}
