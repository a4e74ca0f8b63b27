//! What scripts send, and what they get.

use super::backend::{Backend, response};
use super::{ask, services};
use crate::support::process::Folder;
use serde_json::{Value, json};
use std::time::Duration;

/// Enough for anything on this machine.
const SOON: Duration = Duration::from_secs(10);

fn api(backend: &Backend, more: &str) -> agi_rhai::service::Services {
    services(&format!("[http.api]\nurl = \"http://{}/v2/\"\ntimeout = \"10s\"\n{more}", backend.address))
}

#[test]
fn an_answer_is_a_map_of_status_headers_and_body() {
    let headers = "Content-Type: application/json; charset=utf-8\r\nX-A: one\r\nX-a: two\r\n";
    let backend = Backend::answers(response("200 OK", headers, r#"{"a": [1, 2.5, null, "é"]}"#));
    let answer =
        ask(&api(&backend, ""), r#"http_get("api", "/a/b", #{ query: #{ q: "x y" }, headers: #{ "X-Mine": 7 } })"#);
    let expected = json!({
        "status": 200, "ok": true, "body": { "a": [1, 2.5, null, "é"] },
        "headers": { "content-type": "application/json; charset=utf-8", "x-a": "one, two", "content-length": "27" },
    });
    assert_eq!(answer.value, expected);
    let seen = backend.seen().remove(0);
    assert!(seen.starts_with("GET /v2/a/b?q=x+y HTTP/1.1\r\n"), "{seen}");
    for header in ["x-mine: 7\r\n", "accept-encoding: gzip\r\n", "user-agent: agi-rhai/", "accept: */*\r\n"] {
        assert!(seen.contains(header), "no {header:?} in {seen}");
    }
}

#[test]
fn a_body_is_json_only_if_the_answer_says_so_and_it_is() {
    for (kind, body, value) in [
        ("application/problem+json", &b"{\"a\":1}"[..], json!({ "a": 1 })),
        ("Application/JSON;charset=utf-8", b"\xef\xbb\xbf[true]", json!([true])),
        ("application/json", b"{\"a\":", json!("{\"a\":")),
        ("application/json", b"", json!("")),
        ("text/plain", b"{\"a\":1}", json!("{\"a\":1}")),
        ("text/plain", b"gr\xc3\xbc\xdf", json!("grü\u{fffd}")),
        ("text/plain; charset=ISO-8859-1", b"gr\xfc\xdf", json!("grüß")),
    ] {
        let backend = Backend::answers(response("200 OK", &format!("content-type: {kind}\r\n"), body));
        assert_eq!(ask(&api(&backend, ""), r#"http_get("api", "")"#).value["body"], value, "{kind}");
    }
    // As deep as nothing reads it.
    let deep = ["[", "]"].map(|one| one.repeat(100_000)).concat();
    let backend = Backend::answers(response("200 OK", "content-type: application/json\r\n", &deep));
    assert_eq!(ask(&api(&backend, ""), r#"http_get("api", "")"#).value["body"].as_str().unwrap().len(), deep.len());
}

#[test]
fn each_method_sends_its_body() {
    let backend = Backend::answers(response("201 Created", "", ""));
    let services = api(&backend, "");
    for (expression, begins, kind, body) in [
        (r#"http_post("api", "o", #{ n: [1, "é"] })"#, "POST", "content-type: application/json", r#"{"n":[1,"é"]}"#),
        (r#"http_put("api", "o", [])"#, "PUT", "content-type: application/json", "[]"),
        (r#"http_patch("api", "o", "a text")"#, "PATCH", "content-type: text/plain; charset=utf-8", "a text"),
        (r#"http_put("api", "o", 5)"#, "PUT", "content-type: application/json", "5"),
        (r#"http_post("api", "o", ())"#, "POST", "content-length: 0", ""),
        (r#"http_delete("api", "o")"#, "DELETE", "", ""),
        (
            r#"http_post("api", "o", "<a/>", #{ headers: #{ "Content-Type": "text/xml" } })"#,
            "POST",
            "content-type: text/xml",
            "<a/>",
        ),
        (
            r#"http_post("api", "o", #{ a: "x y&z", n: 5 }, #{ headers: #{ "content-type": "application/x-www-form-urlencoded" } })"#,
            "POST",
            "content-type: application/x-www-form-urlencoded",
            "a=x+y%26z&n=5",
        ),
    ] {
        let answer = ask(&services, expression).value;
        assert_eq!(answer, json!({ "status": 201, "ok": true, "body": "", "headers": { "content-length": "0" } }));
        let seen = backend.seen().pop().unwrap();
        let (head, sent) = seen.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("{begins} /v2/o HTTP/1.1\r\n")) && head.contains(kind),
            "{expression}: {head}"
        );
        assert_eq!((sent, head.matches("content-type").count()), (body, usize::from(kind.contains("type"))), "{head}");
    }
    assert_eq!(backend.accepted(), 1, "the connection isn't kept");
}

#[test]
fn a_status_of_400_or_more_is_an_answer() {
    for status in [400, 404, 451, 500, 503] {
        let backend = Backend::answers(response(&format!("{status} No"), "", "sorry"));
        let services = api(&backend, "");
        // However often: the service answers, so its circuit breaker stays closed.
        for _ in 0..8 {
            let answer = ask(&services, r#"http_get("api", "a")"#).value;
            assert_eq!(
                (&answer["status"], &answer["ok"], &answer["body"]),
                (&json!(status), &json!(false), &json!("sorry"))
            );
        }
    }
}

#[test]
fn the_operator_says_who_asks_and_scripts_cannot_change_it() {
    let backend = Backend::answers(response("200 OK", "", ""));
    let folder = Folder::new();
    let token = folder.file("token", "file-secret\n");
    let host = backend.address;
    let all = services(&format!(
        "[http.header]\nurl = 'http://{host}'\nheaders = {{ authorization = 'Bearer secret', X-Key = 'k' }}\n\
         [http.user]\nurl = 'http://me:pass%20secret@{host}/'\n[http.file]\nurl = 'http://{host}'\ntoken_file = '{token}'\n\
         [http.none]\nurl = 'http://{host}'"
    ));
    for (service, sent) in [
        ("header", "authorization: Bearer secret\r\n"),
        ("header", "x-key: k\r\n"),
        ("user", "authorization: Basic bWU6cGFzcyBzZWNyZXQ=\r\n"),
        ("file", "authorization: Bearer file-secret\r\n"),
    ] {
        assert_eq!(ask(&all, &format!(r#"http_get("{service}", "/")"#)).value["ok"], true);
        let seen = backend.seen().pop().unwrap();
        assert!(seen.contains(sent) && seen.contains(&format!("host: {host}\r\n")), "{seen}");
        let set = format!(r#"http_get("{service}", "/", #{{ headers: #{{ Authorization: "mine" }} }})"#);
        ask(&all, &set).fails("argument", &["`authorization`", "the operator set"], SOON);
    }
    // Where the operator says nothing, a script may.
    ask(&all, r#"http_get("none", "/", #{ headers: #{ Authorization: "mine" } })"#);
    assert!(backend.seen().pop().unwrap().contains("authorization: mine\r\n"));
    for debug in [format!("{all:?}"), format!("{:?}", all.settings())] {
        assert!(!debug.contains("secret") && !debug.contains("pass"), "{debug}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is() {
    let backend = Backend::answers(response("200 OK", "", ""));
    let services = api(&backend, "methods = ['GET', 'POST']");
    for (expression, words) in [
        (r#"http_get("api", "/../admin")"#, &["GET /../admin of `api`", "`..`"][..]),
        (r#"http_get("api", "//evil.example/")"#, &["two slashes"]),
        (r#"http_get("api", "a", #{ headers: #{ "X-A": "b\r\nX-B: c" } })"#, &["`x-a`", "line break"]),
        (r#"http_get("api", "a", #{ headers: #{ "X A": "b" } })"#, &["`X A`", "name of a header"]),
        (r#"http_get("api", "a", #{ headers: #{ "X-A:\r\n": "b" } })"#, &["`X-A:\\r\\n`"]),
        (r#"http_get("api", "a", #{ headers: #{ Host: "evil.example" } })"#, &["`host`", "itself"]),
        (r#"http_post("api", "a", "b", #{ headers: #{ "Content-Length": 3 } })"#, &["`content-length`"]),
        (r#"http_post("api", "a", "b", #{ headers: #{ "transfer-encoding": "chunked" } })"#, &["`transfer-encoding`"]),
        (r#"http_get("api", "a", #{ headers: #{ connection: "close" } })"#, &["`connection`"]),
        (r#"http_get("api", "a", #{ query: #{ a: #{} } })"#, &["`a` in `query`"]),
        (r#"http_put("api", "a", "b")"#, &["PUT a of `api`", "allows GET, POST only"]),
        (r#"http_get("apis", "a")"#, &["no `[http.apis]`"]),
    ] {
        ask(&services, expression).fails("argument", words, SOON);
    }
    assert_eq!(backend.accepted(), 0, "something was sent: {:?}", backend.seen());
}

#[test]
fn a_redirect_is_followed_below_the_url_only() {
    let elsewhere = Backend::answers(response("200 OK", "", "elsewhere"));
    let other = elsewhere.address;
    let backend = Backend::start(move |stream, request| {
        let path = request.split(' ').nth(1).unwrap();
        let to = |status: &str, to: &str| response(status, &format!("location: {to}\r\n"), "");
        let answer = match path {
            "/v2/303" => to("303 See Other", "/v2/end?a=b"),
            "/v2/307" => to("307 Temporary Redirect", "end"),
            "/v2/up" => to("302 Found", "/admin"),
            "/v2/dots" => to("302 Found", "/v2/%2e%2e/admin"),
            "/v2/host" => to("302 Found", &format!("http://{other}/v2/secret")),
            "/v2/slashes" => to("302 Found", &format!("//user:secret@{other}/v2/")),
            "/v2/tls" => to("301 Moved Permanently", "https://127.0.0.1/v2/"),
            "/v2/file" => to("302 Found", "file:///etc/passwd"),
            "/v2/nowhere" => response("302 Found", "", "no location"),
            "/v2/loop" => to("302 Found", "/v2/loop"),
            _ => response("200 OK", "", request.split_once("\r\n\r\n").map_or("", |(_, body)| body)),
        };
        std::io::Write::write_all(stream, &answer).is_ok()
    });
    let services = api(&backend, "headers = { authorization = 'secret' }");
    let answer = ask(&services, r#"http_post("api", "303", "body")"#).value;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("")));
    assert!(backend.seen()[1].starts_with("GET /v2/end?a=b "), "{:?}", backend.seen());
    let answer = ask(&services, r#"http_post("api", "307", "body")"#).value;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("body")));
    let seen = backend.seen().pop().unwrap();
    assert!(seen.starts_with("POST /v2/end ") && seen.contains("authorization: secret"), "{seen}");

    for path in ["up", "dots"] {
        ask(&services, &format!(r#"http_get("api", "{path}")"#)).fails("failed", &["redirects", "127.0.0.1"], SOON);
    }
    for path in ["host", "slashes"] {
        let words = ["redirects", &other.to_string()];
        ask(&services, &format!(r#"http_get("api", "{path}")"#)).fails("failed", &words, SOON);
    }
    ask(&services, r#"http_get("api", "tls")"#).fails("failed", &["redirects", "127.0.0.1:443"], SOON);
    ask(&services, r#"http_get("api", "loop")"#).fails("failed", &["it has redirected 5 times"], SOON);
    let answer = ask(&services, r#"http_get("api", "nowhere")"#).value;
    assert_eq!((&answer["status"], &answer["ok"]), (&json!(302), &json!(false)));
    // What isn't HTTP at all isn't followed either, however the client takes it.
    let answer = ask(&services, r#"http_get("api", "file")"#).value;
    assert!(answer["kind"] == "failed" || answer["status"] == 302, "{answer}");
    assert_eq!(elsewhere.accepted(), 0);
    assert!(backend.seen().iter().all(|request| !request.starts_with("GET /admin")));
}

#[test]
fn a_proxy_of_the_environment_is_not_asked_for_this_machine() {
    let backend = Backend::answers(response("200 OK", "", "direct"));
    let proxy = Backend::answers(response("200 OK", "", "proxy"));
    // In a process of its own, since the environment belongs to all of it.
    if std::env::var_os("AGI_RHAI_TEST_PROXY").is_none() {
        let program = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(program);
        command.args(["--exact", "http::requests::a_proxy_of_the_environment_is_not_asked_for_this_machine"]);
        command.env("AGI_RHAI_TEST_PROXY", "1").env("HTTP_PROXY", format!("http://{}", proxy.address));
        for name in ["NO_PROXY", "no_proxy", "http_proxy", "REQUEST_METHOD"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(proxy.accepted(), 1, "the proxy wasn't asked");
        return;
    }
    let services = services(&format!(
        "[http.local]\nurl = 'http://{}'\n[http.far]\nurl = 'http://far.example/v2'",
        backend.address
    ));
    assert_eq!(ask(&services, r#"http_get("local", "/")"#).value["body"], "direct");
    assert_eq!(ask(&services, r#"http_get("far", "/a")"#).value["body"], "proxy");
}

#[test]
fn otherwise_takes_the_place_of_an_answer_that_did_not_come() {
    let backend = Backend::answers(response("503 Service Unavailable", "", ""));
    let gone = Backend::accepting(drop);
    let services = services(&format!(
        "[http.sick]\nurl = 'http://{}'\n[http.gone]\nurl = 'http://{}'",
        backend.address, gone.address
    ));
    for service in ["sick", "gone"] {
        let expression = format!(r#"http_get("{service}", "/", #{{ otherwise: "closed" }})"#);
        assert_eq!(ask(&services, &expression).value, Value::from("closed"));
    }
}
