//! The studio's server: who may ask, what a path may be, and a folder that is read, written and watched.

use crate::support::process::{Folder, agi_rhai};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const POLICY: &str = "default-src 'none'; script-src 'self'";

/// A studio of a folder, with a page of one file.
struct Studio {
    child: Child,
    address: String,
    port: u16,
    token: String,
    folder: Folder,
    _page: Folder,
}

impl Studio {
    fn new() -> Self {
        Self::with(Folder::new(), &[])
    }

    fn with(folder: Folder, options: &[&str]) -> Self {
        let page = page();
        let mut command = agi_rhai(["studio", "--listen", "0", "--page"]);
        command.arg(page.path("")).args(options).arg(folder.path(""));
        let (child, address) = started(&mut command);
        let (place, token) = address.split_once("#token=").unwrap();
        let port = place.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        let token = token.to_owned();
        Self { child, address: format!("127.0.0.1:{port}"), port, token, folder, _page: page }
    }

    /// Sends a request with these headers, and no others.
    fn raw(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        // The answer to what is refused may come before all is sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::new(&answer)
    }

    /// Asks as the page does.
    fn ask(&self, method: &str, target: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("Host", &*self.address), ("Authorization", &bearer)];
        headers.extend(more);
        self.raw(method, target, &headers, body.as_bytes())
    }

    fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "")
    }

    fn put(&self, name: &str, hash: &str, text: &str) -> Answer {
        self.ask("PUT", &format!("/api/files/{name}"), &[("If-Match", &format!("\"{hash}\""))], text)
    }

    fn hash(&self, name: &str) -> String {
        let answer = self.get(&format!("/api/files/{name}"));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        answer.header("etag").unwrap().trim_matches('"').to_owned()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path(name)).unwrap()
    }

    /// Follows the folder.
    fn changes(&self) -> Events {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET /api/changes HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.address, self.token
        );
        stream.write_all(request.as_bytes()).unwrap();
        Events(BufReader::new(stream))
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("an answer");
        let headers = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

struct Events(BufReader<TcpStream>);

impl Events {
    /// Returns the next event of this name, with its value.
    fn next(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream has ended before {name}");
            if line.trim_end() == format!("event: {name}") {
                line.clear();
                self.0.read_line(&mut line).unwrap();
                return serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
            }
        }
    }
}

fn page() -> Folder {
    let page = Folder::new();
    page.file(
        "index.html",
        format!("<html lang=\"en\"><meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\" />"),
    );
    page.file("page.js", "1");
    page.file(".secret", "hidden");
    page
}

/// Starts a studio. Returns it, and its address with the token.
fn started(command: &mut Command) -> (Child, String) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let address = lines.map(|line| line.trim().to_owned()).find(|line| line.starts_with("http")).expect("an address");
    (child, address)
}

/// Runs a studio that doesn't start. Returns what it says.
fn refused(arguments: &[&str]) -> String {
    let output = agi_rhai([&["studio"], arguments].concat()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_page_is_for_everybody_and_all_else_needs_the_token() {
    let studio = Studio::new();
    studio.folder.file("a.rhai", "answer();");
    let host = ("Host", &*studio.address);
    for (target, content_type) in [("/", "text/html; charset=utf-8"), ("/page.js", "text/javascript; charset=utf-8")] {
        let answer = studio.raw("GET", target, &[host], b"");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)));
        assert!(!answer.text().contains(&studio.token) && !answer.headers.contains(&studio.token));
    }
    let wrong = format!("Bearer {}", "0".repeat(32));
    let half = format!("Bearer {}", &studio.token[..31]);
    let longer = format!("Bearer {}0", studio.token);
    let other_scheme = format!("Basic {}", studio.token);
    let upper = format!("Bearer {}", studio.token.to_uppercase() + "A");
    let values = ["", "Bearer", "Bearer ", &studio.token, &wrong, &half, &longer, &other_scheme, &upper];
    let targets = ["/api", "/api/", "/api/files", "/api/files/a.rhai", "/api/sounds", "/api/changes", "/api/nothing"];
    for target in targets {
        for value in values {
            let answer = studio.raw("GET", target, &[host, ("Authorization", value)], b"");
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{target} {value}");
            assert!(!answer.text().contains("answer()"));
        }
        assert_eq!(studio.raw("GET", target, &[host], b"").status, 401, "{target}");
        // In the address it would be in logs.
        assert_eq!(studio.raw("GET", &format!("{target}?token={}", studio.token), &[host], b"").status, 401);
    }
    let right = format!("Bearer {}", studio.token);
    let twice = [host, ("Authorization", &*right), ("Authorization", &*wrong)];
    assert_eq!(studio.raw("GET", "/api/files", &twice, b"").status, 401);
    assert_eq!(studio.get("/api/files/a.rhai").text(), "answer();");
    let about = studio.get("/api").json();
    assert_eq!(about["parts"], json!(["files", "sounds", "changes"]));
}

#[test]
fn each_studio_has_another_token() {
    let (one, other) = (Studio::new(), Studio::new());
    assert_eq!(one.token.len(), 32);
    assert!(one.token != other.token && one.token.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn a_code_opens_the_studio_once_and_only_who_knows_it() {
    let studio = Studio::new();
    let enter = |code: &str| studio.raw("POST", "/api/enter", &[("Host", &*studio.address)], code.as_bytes());
    // The code is only in the command that opens a browser, which there is none for here.
    for code in ["", "x", &studio.token, &"0".repeat(32)] {
        let answer = enter(code);
        assert_eq!(answer.status, 403, "{code}");
        assert!(!answer.text().contains(&studio.token));
    }
    assert_eq!(studio.raw("GET", "/api/enter", &[("Host", &*studio.address)], b"").status, 405);
    let foreign = [("Host", &*studio.address), ("Origin", "http://evil.example")];
    assert_eq!(studio.raw("POST", "/api/enter", &foreign, b"x").status, 403);
}

#[test]
fn the_browser_is_opened_with_a_code_and_not_with_the_token() {
    let (folder, bin) = (Folder::new(), Folder::new());
    let opener =
        bin.file("xdg-open", "#!/bin/sh\nprintf %s \"$1\" > \"$OPENED.new\" && mv \"$OPENED.new\" \"$OPENED\"\n");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let page = page();
    // Only for a terminal, which `script` makes.
    let program = crate::support::process::program();
    let line = format!("{program} studio --listen 0 --page {} {}", page.path("").display(), folder.path("").display());
    let mut command = Command::new("script");
    crate::support::process::clear_environment(&mut command);
    command.args(["-qefc", &line, "/dev/null"]);
    command.env("DISPLAY", ":9").env("OPENED", bin.path("opened"));
    command.env("PATH", format!("{}:{}", bin.path("").display(), std::env::var("PATH").unwrap()));
    let (mut child, address) = started(&mut command);
    let opened = (0..3000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        fs::read_to_string(bin.path("opened")).ok()
    });
    let opened = opened.expect("the browser isn't opened");
    let (place, token) = address.split_once("#token=").unwrap();
    let code = opened.strip_prefix(&format!("{place}#code=")).expect(&opened);
    assert_ne!(code, token);
    let host = place.trim_start_matches("http://").trim_end_matches('/');
    let enter = || {
        let mut stream = TcpStream::connect(host).unwrap();
        let head =
            format!("POST /api/enter HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 32\r\n\r\n");
        stream.write_all(format!("{head}{code}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::new(&answer)
    };
    assert_eq!(enter().json(), json!({ "token": token }));
    assert_eq!(enter().status, 403);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_request_for_another_host_is_refused() {
    let studio = Studio::new();
    let port = studio.port;
    let bearer = format!("Bearer {}", studio.token);
    let ask = |host: &str| studio.raw("GET", "/api/files", &[("Host", host), ("Authorization", &bearer)], b"").status;
    for host in ["127.0.0.1", "localhost", "LocalHost", "[::1]"] {
        assert_eq!(ask(&format!("{host}:{port}")), 200, "{host}");
    }
    let foreign = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.:{port}"),
        format!("127.0.0.1:{port}@evil.example"),
        format!("evil.example:80:{port}"),
        format!("[::2]:{port}"),
        format!("0.0.0.0:{port}"),
        format!("192.0.2.1:{port}"),
        "127.0.0.1".to_owned(),
        "127.0.0.1:1".to_owned(),
        format!("127.0.0.1:+{port}"),
        format!("127.0.0.1:0{port}0"),
        String::new(),
    ];
    for host in &foreign {
        let status = ask(host);
        assert!(status == 421 || status == 400 || status == 403, "{host:?} {status}");
        // Nor does it get the page, in which it could run a script of its own.
        let page = studio.raw("GET", "/", &[("Host", host)], b"");
        assert!(page.status >= 400 && !page.text().contains("<html"), "{host:?}");
    }
    let answer = studio.raw("GET", "/", &[("Host", "evil.example")], b"");
    assert!(answer.text().contains(&format!("http://127.0.0.1:{port}/")), "{}", answer.text());
    assert!(studio.raw("GET", "/", &[], b"").status >= 400);
    let two = [("Host", &*studio.address), ("Host", "evil.example")];
    assert!(studio.raw("GET", "/", &two, b"").status >= 400);
    let whole = format!("http://{}/", studio.address);
    assert_eq!(studio.raw("GET", &whole, &[("Host", &studio.address)], b"").status, 421, "it is no proxy");
}

#[test]
fn requests_of_other_sites_are_refused() {
    let studio = Studio::new();
    let port = studio.port;
    let own = format!("http://{}", studio.address);
    let host = ("Host", &*studio.address);
    let bearer = format!("Bearer {}", studio.token);
    let token = ("Authorization", &*bearer);
    let status =
        |target: &str, more: &[(&str, &str)]| studio.raw("GET", target, &[&[host, token], more].concat(), b"").status;
    assert_eq!(status("/api/files", &[("Origin", &own), ("Sec-Fetch-Site", "same-origin")]), 200);
    assert_eq!(status("/api/files", &[("Sec-Fetch-Site", "none")]), 200);
    let origins = [
        "null".to_owned(),
        "http://evil.example".to_owned(),
        format!("https://{}", studio.address),
        format!("http://localhost:{port}"),
        "http://127.0.0.1".to_owned(),
        format!("{own}.evil.example"),
        format!("{own}/"),
        String::new(),
    ];
    for origin in &origins {
        assert_eq!(status("/api/files", &[("Origin", origin)]), 403, "{origin}");
        assert_eq!(status("/", &[("Origin", origin)]), 403, "{origin}");
    }
    for site in ["cross-site", "same-site", "", "Same-Origin"] {
        assert_eq!(status("/api/files", &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate")]), 403, "{site}");
        assert_eq!(status("/page.js", &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors")]), 403, "{site}");
        // Somebody follows a link to the page.
        assert_eq!(status("/", &[("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate")]), 200, "{site}");
    }
    // What a browser asks before another site may write.
    let asked = studio.raw("OPTIONS", "/api/files/a.rhai", &[host, ("Origin", "http://evil.example")], b"");
    assert_eq!(asked.status, 403);
    assert_eq!(studio.ask("OPTIONS", "/api/files/a.rhai", &[("Origin", &own)], "").status, 405);
    assert!(!studio.get("/api/files").headers.to_lowercase().contains("access-control"));
}

#[test]
fn every_answer_says_what_may_be_done_with_it() {
    let studio = Studio::new();
    let host = ("Host", &*studio.address);
    let answers = [
        studio.raw("GET", "/", &[host], b""),
        studio.raw("GET", "/nothing", &[host], b""),
        studio.raw("GET", "/api/files", &[host], b""),
        studio.raw("POST", "/", &[host], b""),
        studio.get("/api/files"),
        studio.get("/api/files/nothing.rhai"),
    ];
    for answer in &answers {
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{}", answer.headers);
        }
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    }
    assert_eq!(answers[0].header("Content-Security-Policy"), Some(&*format!("{POLICY}; frame-ancestors 'none'")));
    assert_eq!(answers[4].header("Cache-Control"), Some("no-store"));
    assert!(answers[0].text().starts_with("<html data-studio lang"), "{}", answers[0].text());
}

#[test]
fn there_is_nothing_else_and_no_other_method() {
    let studio = Studio::new();
    studio.folder.file("a.rhai", "answer();");
    let host = ("Host", &*studio.address);
    for target in ["/nothing", "/.secret", "/../page.js", "/%2e%2e/page.js", "//page.js", "/sub/page.js", "/page%2ejs"]
    {
        let answer = studio.raw("GET", target, &[host], b"");
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        assert_eq!(studio.raw(method, "/", &[host], b"").header("allow"), Some("GET, HEAD"), "{method}");
    }
    assert!(studio.raw("HEAD", "/", &[host], b"").body.is_empty());
    for (method, target) in [
        ("POST", "/api"),
        ("POST", "/api/files"),
        ("PATCH", "/api/files/a.rhai"),
        ("HEAD", "/api/files/a.rhai"),
        ("PUT", "/api/sounds/a.wav"),
        ("POST", "/api/changes"),
    ] {
        let answer = studio.ask(method, target, &[], "");
        assert_eq!(answer.status, 405, "{method} {target}");
        assert!(answer.header("allow").is_some());
    }
    assert_eq!(studio.get("/api/nothing").status, 404);
    assert_eq!(studio.get("/api/changes/a").status, 404);
}

#[test]
fn a_kept_page_is_not_sent_again() {
    let studio = Studio::new();
    let host = ("Host", &*studio.address);
    let first = studio.raw("GET", "/page.js", &[host], b"");
    let tag = first.header("etag").unwrap();
    let again = studio.raw("GET", "/page.js", &[host, ("If-None-Match", tag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(studio.raw("GET", "/page.js", &[host, ("If-None-Match", "\"x\"")], b"").text(), "1");
}

/// Names that lead out of the folder, or to what isn't a script.
const HOSTILE: [&str; 31] = [
    "../outside.rhai",
    "sub/../../outside.rhai",
    "..%2foutside.rhai",
    "%2e%2e/outside.rhai",
    "%2E%2E%2Foutside.rhai",
    "..%5coutside.rhai",
    "sub%2fb.rhai",
    "/etc/passwd",
    "/a.rhai",
    "%2fetc%2fpasswd.rhai",
    "./a.rhai",
    "sub//b.rhai",
    "a.rhai/",
    "a.rhai%00.txt",
    "a.txt%00.rhai",
    "%00.rhai",
    ".rhai",
    ".hidden.rhai",
    ".git/a.rhai",
    "sub/.hidden/a.rhai",
    "agi-rhai.toml",
    "secret.txt",
    "a.rhai.bak",
    "a.RHAI",
    "a.rhai%20",
    "a",
    "%ff.rhai",
    "a%2",
    "proc/self/environ",
    "sounds/a.wav",
    "a.rhai%2f..%2f..%2foutside.rhai",
];

#[test]
fn no_name_leads_out_of_the_folder() {
    let around = Folder::new();
    let outside = around.file("outside.rhai", "outside");
    let folder = Folder::at(&around.path("scripts"));
    for name in ["a.rhai", "sub/b.rhai", ".hidden.rhai", ".git/a.rhai", "secret.txt", "sounds/a.wav", ".git/config"] {
        folder.file(name, "secret");
    }
    folder.file("agi-rhai.toml", "[http.shop]\nurl = \"https://shop.example\"\ntoken = \"secret\"\n");
    symlink(&outside, folder.path("link.rhai")).unwrap();
    symlink("../outside.rhai", folder.path("up.rhai")).unwrap();
    symlink("/etc", folder.path("etc")).unwrap();
    symlink("..", folder.path("parent")).unwrap();
    symlink("/proc/self/root", folder.path("root")).unwrap();
    symlink("loop.rhai", folder.path("loop.rhai")).unwrap();
    symlink("agi-rhai.toml", folder.path("toml.rhai")).unwrap();
    symlink(".git/config", folder.path("git.rhai")).unwrap();
    let studio = Studio::with(folder, &[]);
    let links = [
        "link.rhai",
        "up.rhai",
        "etc/x.rhai",
        "parent/outside.rhai",
        "root/etc/x.rhai",
        "loop.rhai",
        "toml.rhai",
        "git.rhai",
    ];
    let new = [("If-None-Match", "*")];
    for name in HOSTILE.iter().chain(&links) {
        let target = format!("/api/files/{name}");
        for answer in [
            studio.get(&target),
            studio.ask("PUT", &target, &new, "written"),
            studio.put(name, "00", "written"),
            studio.ask("DELETE", &target, &[("If-Match", "\"00\"")], ""),
            studio.ask("POST", &target, &[("If-Match", "\"00\"")], r#"{"name":"b.rhai"}"#),
        ] {
            let status = answer.status;
            assert!((400..500).contains(&status) && status != 401, "{name}: {status} {}", answer.text());
            assert!(!answer.text().contains("outside\"") && !answer.text().contains("\"secret"), "{}", answer.text());
        }
    }
    // As new names, too.
    let hash = studio.hash("a.rhai");
    let plain = HOSTILE.iter().filter(|name| !name.contains('%'));
    for name in plain.chain(&links).chain(&["\u{202e}a.rhai", "a\nb.rhai", "a\\b.rhai", " a.rhai"]) {
        let body = json!({ "name": name }).to_string();
        let answer = studio.ask("POST", "/api/files/a.rhai", &[("If-Match", &format!("\"{hash}\""))], &body);
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&around.path("")), ["outside.rhai", "scripts"]);
    assert_eq!(studio.text("a.rhai"), "secret");
    let listed = studio.get("/api/files").json();
    let files = listed["files"].as_array().unwrap().iter().map(|f| (f["name"].as_str().unwrap(), f["text"].as_str()));
    let expected =
        [("a.rhai", Some("secret")), ("git.rhai", None), ("sub/b.rhai", Some("secret")), ("toml.rhai", None)];
    assert_eq!(files.collect::<Vec<_>>(), expected);
    assert_eq!(listed["config"], json!(true));
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let studio = Studio::new();
    let fifo = studio.folder.path("pipe.rhai");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::create_dir(studio.folder.path("folder.rhai")).unwrap();
    symlink("/dev/zero", studio.folder.path("zero.rhai")).unwrap();
    studio.folder.file("large.rhai", vec![b'a'; (2 << 20) + 1]);
    studio.folder.file("bytes.rhai", b"\xff\xfe");
    for name in ["pipe.rhai", "folder.rhai", "zero.rhai", "large.rhai", "bytes.rhai"] {
        assert_eq!(studio.get(&format!("/api/files/{name}")).status, 422, "{name}");
    }
    let listed = studio.get("/api/files").json();
    let problem = |name: &str| {
        let files = listed["files"].as_array().unwrap();
        files.iter().find(|file| file["name"] == name).map(|file| file["problem"].as_str().unwrap().to_owned())
    };
    assert_eq!(problem("bytes.rhai").as_deref(), Some("it isn't text in UTF-8"));
    assert_eq!(problem("large.rhai").as_deref(), Some("it is too large to be shown here"));
    assert_eq!([problem("pipe.rhai"), problem("zero.rhai"), problem("folder.rhai")], [None, None, None]);
}

#[test]
fn a_text_is_written_as_a_whole_and_stays_what_it_was() {
    let studio = Studio::new();
    let path = studio.folder.file("sub/a.rhai", "old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("sub/a.rhai", studio.folder.path("link.rhai")).unwrap();
    let before = fs::File::open(&path).unwrap();
    let answer = studio.put("link.rhai", &studio.hash("link.rhai"), "answer(); // ä\n");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(studio.text("sub/a.rhai"), "answer(); // ä\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(studio.folder.path("link.rhai")).unwrap().is_symlink());
    // Whoever has the old text open still reads that.
    let mut old = String::new();
    (&before).read_to_string(&mut old).unwrap();
    assert_eq!(old, "old");
    let hash = answer.json()["hash"].as_str().unwrap().to_owned();
    assert_eq!(studio.hash("sub/a.rhai"), hash);
    assert_eq!(studio.put("sub/a.rhai", &hash, "").status, 200);
    assert_eq!(studio.text("sub/a.rhai"), "");
    // Nothing is left over.
    assert_eq!(fs::read_dir(studio.folder.path("sub")).unwrap().count(), 1);
}

#[test]
fn an_edit_made_elsewhere_is_not_lost() {
    let studio = Studio::new();
    studio.folder.file("a.rhai", "mine");
    let hash = studio.hash("a.rhai");
    studio.folder.file("a.rhai", "theirs");
    let tag = format!("\"{hash}\"");
    for answer in [
        studio.put("a.rhai", &hash, "mine, edited"),
        studio.ask("DELETE", "/api/files/a.rhai", &[("If-Match", &tag)], ""),
        studio.ask("POST", "/api/files/a.rhai", &[("If-Match", &tag)], r#"{"name":"b.rhai"}"#),
    ] {
        assert_eq!((answer.status, &answer.json()["current"]["text"]), (412, &json!("theirs")));
    }
    assert_eq!(studio.text("a.rhai"), "theirs");
    for (method, headers) in
        [("PUT", &[][..]), ("DELETE", &[]), ("PUT", &[("If-Match", "\"x\""), ("If-None-Match", "*")])]
    {
        assert_eq!(studio.ask(method, "/api/files/a.rhai", headers, "x").status, 428, "{method} {headers:?}");
    }
    assert_eq!(studio.ask("PUT", "/api/files/a.rhai", &[("If-None-Match", "*")], "new").status, 409);
    assert_eq!(studio.put("a.rhai", "*", "x").status, 412);
    assert_eq!(studio.text("a.rhai"), "theirs");
    fs::remove_file(studio.folder.path("a.rhai")).unwrap();
    assert_eq!(studio.put("a.rhai", &hash, "x").status, 404);
}

#[test]
fn files_are_made_renamed_and_deleted() {
    let studio = Studio::new();
    studio.folder.file("taken.rhai", "taken");
    let new = [("If-None-Match", "*")];
    let made = studio.ask("PUT", "/api/files/new/deep/a.rhai", &new, "one");
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(studio.text("new/deep/a.rhai"), "one");
    assert_eq!(studio.ask("PUT", "/api/files/new/deep/a.rhai", &new, "two").status, 409);
    let tag = format!("\"{}\"", made.json()["hash"].as_str().unwrap());
    let rename = |name: &str| {
        let body = json!({ "name": name }).to_string();
        studio.ask("POST", "/api/files/new/deep/a.rhai", &[("If-Match", &tag)], &body)
    };
    assert_eq!(rename("taken.rhai").status, 409);
    assert_eq!((studio.text("taken.rhai"), studio.text("new/deep/a.rhai")), ("taken".to_owned(), "one".to_owned()));
    assert_eq!(rename("other/b.prompts").status, 200);
    assert_eq!(studio.text("other/b.prompts"), "one");
    assert!(!studio.folder.path("new/deep/a.rhai").exists());
    assert_eq!(studio.ask("DELETE", "/api/files/other/b.prompts", &[("If-Match", &tag)], "").status, 200);
    assert!(!studio.folder.path("other/b.prompts").exists());
}

#[test]
fn a_file_that_may_not_be_written_is_not_replaced() {
    if rustix::process::getuid().is_root() {
        // Nothing is forbidden to root, so another user tries.
        return;
    }
    let studio = Studio::new();
    let path = studio.folder.file("a.rhai", "old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(studio.put("a.rhai", &studio.hash("a.rhai"), "new").status, 403);
    assert_eq!(studio.text("a.rhai"), "old");
}

#[test]
fn what_is_too_large_or_no_text_is_not_written() {
    let studio = Studio::new();
    studio.folder.file("a.rhai", "old");
    let hash = studio.hash("a.rhai");
    for size in [(2 << 20) + 1, 10 << 20] {
        assert_eq!(studio.put("a.rhai", &hash, &"a".repeat(size)).status, 413, "{size}");
    }
    let bearer = format!("Bearer {}", studio.token);
    let tag = format!("\"{hash}\"");
    let headers = [("Host", &*studio.address), ("Authorization", &*bearer), ("If-Match", &*tag)];
    assert_eq!(studio.raw("PUT", "/api/files/a.rhai", &headers, b"\xff").status, 422);
    assert_eq!(studio.text("a.rhai"), "old");
    assert_eq!(studio.put("a.rhai", &hash, &"a".repeat(2 << 20)).status, 200);
}

#[test]
fn names_and_texts_come_as_they_are() {
    let studio = Studio::new();
    let names =
        ["<img src=x onerror=alert(1)>.rhai", "a\u{202e}b.rhai", "a\nb.rhai", "ä \"quoted\".prompts", "%2e.rhai"];
    for name in names {
        studio.folder.file(name, format!("// {name}"));
    }
    let mut listed = studio.changes();
    let files = listed.next("whole")["files"].take();
    let mut found: Vec<&str> = files.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    found.sort();
    let mut expected = names;
    expected.sort();
    assert_eq!(found, expected);
    let encode = |name: &str| name.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for name in names {
        let answer = studio.get(&format!("/api/files/{}", encode(name)));
        assert_eq!((answer.status, answer.text()), (200, format!("// {name}")));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[test]
fn a_folder_is_searched_as_by_other_commands() {
    let folder = Folder::new();
    for name in
        ["a.rhai", "a.test.rhai", "a.prompts", "sub/deep/b.phrases", "README.md", "built/c.rhai", "ignored/d.rhai"]
    {
        folder.file(name, "x");
    }
    folder.file("built/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55");
    folder.file(".gitignore", "ignored/\n");
    fs::create_dir(folder.path(".git")).unwrap();
    let studio = Studio::with(folder, &[]);
    let listed = studio.get("/api/files").json();
    let files: Vec<&str> = listed["files"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(files, ["a.prompts", "a.rhai", "a.test.rhai", "sub/deep/b.phrases"]);
    assert_eq!(listed["cut"], json!(false));
    assert_eq!(listed["config"], json!(false));
}

#[test]
fn changes_on_the_disk_are_told() {
    let studio = Studio::new();
    studio.folder.file("a.rhai", "one");
    studio.folder.file("b.rhai", "b");
    let mut events = studio.changes();
    let whole = events.next("whole");
    assert_eq!(whole["files"][0]["text"], json!("one"));
    assert_eq!(whole["folder"], json!(studio.folder.path("").to_str().unwrap().trim_end_matches('/')));
    // As long as before, at once: only the content tells.
    studio.folder.file("a.rhai", "two");
    let changed = events.next("changed");
    assert_eq!(changed["changed"][0]["text"], json!("two"));
    assert_eq!(changed["changed"][0]["hash"], json!(studio.hash("a.rhai")));
    // An editor that writes a new file, and gives it the name.
    studio.folder.file("a.rhai.new", "three");
    fs::rename(studio.folder.path("a.rhai.new"), studio.folder.path("a.rhai")).unwrap();
    assert_eq!(events.next("changed")["changed"][0]["text"], json!("three"));
    fs::rename(studio.folder.path("b.rhai"), studio.folder.path("c.rhai")).unwrap();
    let renamed = events.next("changed");
    assert_eq!((&renamed["gone"], &renamed["changed"][0]["name"]), (&json!(["b.rhai"]), &json!("c.rhai")));
    studio.put("c.rhai", &studio.hash("c.rhai"), "by another page");
    assert_eq!(events.next("changed")["changed"][0]["text"], json!("by another page"));
    studio.folder.file("sounds/x.gsm", vec![0; 330]);
    assert_eq!(events.next("sounds"), json!([{ "name": "sounds/x.gsm", "size": 330 }]));
    // The folder is gone, and made anew by a checkout.
    let (folder, away) = (studio.folder.path("").to_path_buf(), studio.folder.path("").with_extension("away"));
    fs::rename(&folder, &away).unwrap();
    assert!(events.next("problem")["problem"].is_string());
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("d.rhai"), "d").unwrap();
    assert_eq!(events.next("problem")["problem"], Value::Null);
    let after = events.next("changed");
    assert_eq!((&after["gone"], &after["changed"][0]["name"]), (&json!(["a.rhai", "c.rhai"]), &json!("d.rhai")));
    fs::remove_dir_all(&away).unwrap();
}

#[test]
fn sounds_are_listed_and_read() {
    let studio = Studio::new();
    studio.folder.file("sounds/de/hello.wav", b"RIFF\xff\x00");
    studio.folder.file("sounds/hello.gsm", vec![0; 66]);
    studio.folder.file("sounds/cover.jpg", "x");
    let sounds = [("sounds/de/hello.wav", 6), ("sounds/hello.gsm", 66)]
        .map(|(name, size)| json!({ "name": name, "size": size }));
    assert_eq!(studio.get("/api/sounds").json(), json!(sounds));
    let sound = studio.get("/api/sounds/sounds/de/hello.wav");
    assert_eq!((sound.status, &*sound.body), (200, &b"RIFF\xff\x00"[..]));
    assert_eq!(sound.header("content-type"), Some("application/octet-stream"));
    for name in ["sounds/cover.jpg", "../hello.wav", "sounds/nothing.wav", "a.rhai"] {
        assert!((400..500).contains(&studio.get(&format!("/api/sounds/{name}")).status), "{name}");
    }
}

#[test]
fn clients_that_are_slow_or_many_keep_nobody_waiting() {
    let studio = Studio::new();
    studio.folder.file("a.rhai", "answer();");
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", studio.port)).unwrap()).collect();
    // Streams that nobody reads.
    let unread: Vec<Events> = (0..20).map(|_| studio.changes()).collect();
    let mut half = TcpStream::connect(("127.0.0.1", studio.port)).unwrap();
    half.write_all(b"GET / HTT").unwrap();
    studio.folder.file("a.rhai", "b");
    assert_eq!(studio.get("/api/files/a.rhai").text(), "b");
    drop((idle, unread, half));
}

#[test]
fn ctrl_c_ends_it() {
    let mut studio = Studio::new();
    let _open = studio.changes();
    rustix::process::kill_process(rustix::process::Pid::from_child(&studio.child), rustix::process::Signal::INT)
        .unwrap();
    assert_eq!(studio.child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_listens_where_it_is_told_and_says_what_that_means() {
    let folder = Folder::new();
    let page = page();
    let run = |listen: &str| {
        let mut command = agi_rhai(["studio", "--listen", listen, "--page"]);
        command.arg(page.path("")).arg(folder.path("")).stderr(Stdio::piped());
        let (mut child, address) = started(&mut command);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        (address, String::from_utf8(output.stderr).unwrap())
    };
    for listen in ["127.0.0.1:0", "0"] {
        let (address, said) = run(listen);
        assert!(address.starts_with("http://127.0.0.1:"), "{address}");
        assert_eq!(said, "");
    }
    assert!(run("localhost:0").0.starts_with("http://localhost:"));
    let (address, said) = run("0.0.0.0:0");
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    for word in ["beyond this machine", "can read and change the scripts", "no TLS", "ssh -L"] {
        assert!(said.contains(word), "{said}");
    }
    // Without an address, the next free port.
    let start = || {
        let mut command = agi_rhai(["studio", "--page"]);
        started(command.arg(page.path("")).arg(folder.path("")))
    };
    let (mut one, mut other) = (start(), start());
    assert_ne!(one.1.split('#').next(), other.1.split('#').next());
    for child in [&mut one.0, &mut other.0] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn what_it_lacks_is_said() {
    let folder = Folder::new();
    let page = page();
    let (page, folder) = (page.path(""), folder.path(""));
    let (page, folder) = (page.to_str().unwrap(), folder.to_str().unwrap());
    let without = refused(&["--page", folder, folder]);
    assert!(without.contains("playground/build makes the page"), "{without}");
    let missing = refused(&["--page", page, "/nonexistent"]);
    assert!(missing.contains("cannot read the folder /nonexistent"), "{missing}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let used = refused(&["--page", page, "--listen", &address, folder]);
    assert!(used.contains(&format!("cannot listen on {address}")), "{used}");
    for wrong in ["nonsense:x", "http://127.0.0.1:8300", "127.0.0.1:99999"] {
        let said = refused(&["--page", page, "--listen", wrong, folder]);
        assert!(said.contains("isn't an address such as"), "{said}");
    }
}
