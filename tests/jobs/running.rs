//! Jobs as they run: when, how often, and what `agi-rhai jobs` says of them.

use super::{Site, listen, processes_with, wait_long};
use crate::support::process::Process;
use crate::support::server::{reply, wait_until};
use std::time::Duration;

const STAMP: &str = "[program.note]\ncommand = ['/bin/sh', '-c', 'echo \"$1\" >> @FOLDER@/notes', 'sh']\n";

/// A script whose job notes what it got.
const NOTES: &str = r#"
    const PREFIX = "noted";
    answer();
    after_call("note", #{ text: "x" });
    verbose("queued");
    wait_for_digit(1000);
    fn note(value) {
        run_program("note", [`${global::PREFIX} ${value.text}`]);
        store_add("ran", 1);
    }
"#;

fn notes(site: &Site) -> Vec<String> {
    let text = std::fs::read_to_string(site.folder.path("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_job_runs_when_the_call_is_over_and_not_before() {
    let site = Site::new(STAMP);
    site.script("t", NOTES);
    let server = site.serve();
    let mut peer = server.call("t");
    peer.answer("ANSWER", "200 result=0");
    peer.answer("VERBOSE \"queued\" 1", "200 result=1");
    peer.hears("WAIT FOR DIGIT 1000");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(notes(&site), Vec::<String>::new(), "the call isn't over");
    let left = site.left();
    assert_eq!((left.len(), &left[0]["what"], &left[0]["attempts"]), (1, &"note".into(), &0.into()));
    peer.send("200 result=0\n");
    peer.play();
    wait_until("it has run", || notes(&site) == ["noted x"]);
    wait_until("it is gone", || site.left().is_empty());
    server.wait_for_log("`note` of t.rhai is done");
    assert_eq!(server.logged("is done"), 1, "{}", server.log());
    assert_eq!(server.metric(r#"agi_rhai_jobs_total{result="done"}"#), 1.0);
    assert_eq!(server.metric(r#"agi_rhai_jobs_total{result="failed"}"#), 0.0);
}

#[test]
fn a_call_without_a_server_leaves_one_process_behind_only_if_there_is_something_to_do() {
    let site = Site::new(STAMP);
    site.script("plain", "answer();");
    site.play("plain");
    assert!(!site.folder.path("state/jobs.lock").exists(), "nothing was left behind");

    site.script("t", &NOTES.replace("run_program(", "sleep(2); run_program("));
    let ended = listen(Process::call(&mut site.one_shot("t")));
    assert!(ended.took < Duration::from_secs(20), "the call doesn't wait for its job: {ended:?}");
    wait_until("it has run", || notes(&site) == ["noted x"]);
    wait_until("the process ends", || processes_with(&site.state()).is_empty());
    assert_eq!(site.left(), Vec::<serde_json::Value>::new());
}

#[test]
fn fifty_calls_at_once_lose_no_job_and_leave_one_process_behind() {
    let site = Site::new(STAMP);
    site.script("t", &NOTES.replace("wait_for_digit(1000);", ""));
    let calls: Vec<_> = (0..50).map(|_| Process::call(&mut site.one_shot("t"))).collect();
    let threads: Vec<_> = calls.into_iter().map(|call| std::thread::spawn(move || listen(call))).collect();
    let queued = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .filter(|ended| ended.lines.iter().any(|line| line.contains("queued")));
    let queued = queued.count();
    assert!(queued > 0);
    wait_long("all have run", || notes(&site).len() >= queued);
    wait_long("none is left", || site.left().is_empty());
    assert_eq!(notes(&site).len(), queued, "each once");
    wait_until("the process ends", || processes_with(&site.state()).is_empty());
}

#[test]
fn a_job_that_fails_is_listed_tried_again_and_dropped() {
    let site = Site::new(STAMP);
    site.script("t", "answer();\nafter_call(\"later\", 1);\nafter_call(\"gone\", 2);\nfn later(n) { throw \"broken \" + n; }\nfn gone(n) { throw \"x\"; }");
    let server = site.serve();
    server.call("t").play();
    wait_until("both have failed", || site.left().iter().filter(|job| job["attempts"] == 1).count() == 2);
    server.wait_for_log("t.rhai:4:15: broken 1");
    server.wait_for_log("is tried again in 10 s");
    wait_until("the metrics show it", || server.metric("agi_rhai_jobs{state=\"failing\"}") == 2.0);
    assert!(server.metric("agi_rhai_jobs_oldest_seconds") > 0.0);
    assert!(server.metric("agi_rhai_jobs_total{result=\"failed\"}") >= 2.0);
    let (code, text) = site.jobs(&[]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("ID  WHAT   SCRIPT  AGE  DUE  FAILED  ERROR"), "{text}");
    assert!(text.contains("later  t.rhai") && text.contains("broken 1"), "{text}");

    // The new version of the script runs, and a function that it no longer has fails again.
    site.script("t", "answer();\nfn later(n) { print(`fixed ${n}`); }");
    server.wait_for_log("t.rhai is live, version");
    let id = |what: &str| site.left().iter().find(|job| job["what"] == what).map(|job| job["id"].to_string());
    let (later, gone) = (id("later").unwrap(), id("gone").unwrap());
    let (code, text) = site.jobs(&["run", &later]);
    assert_eq!((code, text.trim()), (0, format!("job {later} is done").as_str()));
    let (code, text) = site.jobs(&["run", &gone]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("gone"), "{text}");
    assert_eq!(site.jobs(&["drop", &gone]).0, 0);
    assert_eq!(site.left(), Vec::<serde_json::Value>::new());
    wait_until("the metrics show it", || server.metric("agi_rhai_jobs{state=\"failing\"}") == 0.0);
    for words in [["drop", "77"], ["run", "77"]] {
        let (code, text) = site.jobs(&words);
        assert_eq!((code, text.trim()), (2, "agi-rhai: there is no job 77"));
    }
}

#[test]
fn a_job_has_services_but_no_channel() {
    let site = Site::new("");
    site.script(
        "t",
        r#"answer();
        after_call("later", #{ list: [1, 2.5, "x", ()], at: 7 });
        fn later(value) {
            try { answer(); } catch (e) { print(e.message); }
            store_put("value", value);
            print(to_json(store_get("value")));
            after_call("last", 3);
        }
        fn last(n) { print(`last ${n}`); }"#,
    );
    let server = site.serve();
    server.call("t").play();
    server.wait_for_log("last 3");
    let log = server.log();
    assert!(log.contains("answer: is not possible here: a job has no channel"), "{log}");
    assert!(log.contains(r#"{"at":7,"list":[1,2.5,"x",null]}"#), "{log}");
    wait_until("none is left", || site.left().is_empty());
}

#[test]
fn two_servers_share_the_jobs() {
    let site = Site::new(STAMP);
    site.script("t", &NOTES.replace("wait_for_digit(1000);", ""));
    let servers = [
        site.serve(),
        crate::support::server::Server::start(
            &site.folder,
            &["--state", &site.state(), "--control", site.folder.path("other.sock").to_str().unwrap()],
        ),
    ];
    for number in 0..20 {
        servers[number % 2].call("t").play();
    }
    wait_long("all have run", || notes(&site).len() >= 20);
    wait_until("none is left", || site.left().is_empty());
    assert_eq!(notes(&site).len(), 20);
}

#[test]
fn a_job_of_a_call_that_knows_a_secret_gives_none_away() {
    let site = Site::new("");
    site.script(
        "t",
        r#"answer();
        let pin = ask("beep", #{ secret: true, max: 4 });
        after_call("later", pin);
        fn later(pin) { throw "the PIN is " + pin; }"#,
    );
    let server = site.serve();
    server.call("t").play_with(|line| {
        let pin = line.starts_with("GET DATA").then(|| "200 result=4711".to_owned());
        Some(pin.unwrap_or_else(|| reply(line).to_owned()))
    });
    server.wait_for_log("failed, and is tried again");
    let (_, list) = site.jobs(&[]);
    assert!(list.contains("a value was thrown"), "{list}");
    assert!(!list.contains("4711") && !server.log().contains("4711"), "{list}{}", server.log());
}
