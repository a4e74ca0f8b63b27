//! Servers and calls that are killed at any moment: no job is lost.

use super::{Site, listen, wait_long};
use crate::support::process::Process;
use crate::support::server::wait_until;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

const SETTINGS: &str = "[program.note]\ncommand = ['/bin/sh', '-c', 'echo \"$1\" >> @FOLDER@/notes', 'sh']\n";

const SCRIPT: &str = r#"
    answer();
    after_call("note", params.n);
    verbose("queued " + params.n);
    wait_for_digit(1000);
    fn note(n) {
        sleep(0.02);
        run_program("note", [n]);
    }
"#;

fn noted(site: &Site) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(site.folder.path("notes")).unwrap_or_default();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn a_server_that_is_killed_again_and_again_loses_no_job() {
    let site = Site::new(SETTINGS);
    site.script("t", SCRIPT);
    let mut queued = Vec::new();
    let mut random = 12345_u64;
    for round in 0..6 {
        let server = site.serve();
        let calls: Vec<_> = (0..8)
            .map(|number| {
                let n = format!("{round}-{number}");
                let mut peer = server.call(&format!("t?n={n}"));
                std::thread::spawn(move || {
                    // What was confirmed must run; it is killed in the middle of the others.
                    while let Some(line) = peer.line() {
                        if line.contains("queued") {
                            peer.send("200 result=1\n");
                            return Some(n);
                        }
                        peer.send("200 result=0\n");
                    }
                    None
                })
            })
            .collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(20 + random % 300));
        server.signal(Signal::KILL);
        drop(server);
        queued.extend(calls.into_iter().filter_map(|call| call.join().unwrap()));
    }
    assert!(!queued.is_empty());
    let server = site.serve();
    wait_long("all have run", || {
        let noted = noted(&site);
        queued.iter().all(|n| noted.contains_key(n))
    });
    wait_long("none is left", || site.left().is_empty());
    assert!(noted(&site).values().all(|count| *count <= 3), "hardly any runs twice: {:?}", noted(&site));
    drop(server);
}

#[test]
fn a_call_that_is_killed_loses_no_job() {
    let site = Site::new(SETTINGS);
    site.script("t", &SCRIPT.replace("params.n", "args[0]"));
    let mut calls = Vec::new();
    for number in 0..5 {
        let mut command = site.one_shot("t");
        command.arg(format!("{number}"));
        let mut call = Process::call(&mut command);
        call.answer("ANSWER", "200 result=0");
        assert_eq!(call.line(), Some(format!("VERBOSE \"queued {number}\" 1")));
        let killed = std::process::Command::new("kill").args(["-KILL", &call.id().to_string()]).status();
        assert!(killed.unwrap().success());
        calls.push(call);
    }
    assert_eq!(site.left().len(), 5);
    assert_eq!(site.jobs(&["run"]).1.trim(), "0 done, 0 failed", "they rest for a while: the calls may be alive");
    // The next call leaves somebody behind who runs them all.
    let mut command = site.one_shot("t");
    command.arg("last");
    listen(Process::call(&mut command));
    wait_long("all have run", || noted(&site).len() == 6);
    wait_until("none is left", || site.left().is_empty());
    assert!(noted(&site).values().all(|count| *count == 1), "{:?}", noted(&site));
}
