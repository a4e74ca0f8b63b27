//! Jobs and mails in a store that servers share, Redis or PostgreSQL: of calls over AGI and over FastAGI, to their end.

use super::mail::MailServer;
use super::{Site, processes_with};
use crate::store::stores;
use crate::support::backend::is_skipped;
use crate::support::server::{Server, wait_until};
use serde_json::Value;

const SCRIPT: &str = r#"
    answer();
    after_call("note", #{ text: "x" });
    mail("office", #{ to: "a@example.net", subject: "shared", text: "Hello." });
    verbose("queued");
    wait_for_digit(1000);
    fn note(value) {
        store_add("ran", 1);
        run_program("note", [value.text]);
    }
"#;

const FAILS: &str = r#"
    answer();
    after_call("fails", "it");
    fn fails(what) { throw `broken: ${what}`; }
"#;

fn notes(site: &Site) -> usize {
    std::fs::read_to_string(site.folder.path("notes")).unwrap_or_default().lines().count()
}

/// Returns the job of this function.
fn job(site: &Site, what: &str) -> Option<Value> {
    site.left().into_iter().find(|job| job["what"] == what)
}

fn check_a_call_without_a_server(site: &Site, exim: &MailServer) {
    assert_eq!(site.play("t"), ["queued"], "{}", site.log());
    wait_until("its job has run", || notes(site) == 1);
    wait_until("its mail has arrived", || exim.mails().len() == 1);
    wait_until("none is left", || site.left().is_empty());
    wait_until("the process that it left behind has ended", || processes_with(&site.state()).is_empty());
}

fn check_a_call_of_a_server(site: &Site, exim: &MailServer, server: &Server) {
    let mut peer = server.call("t");
    peer.answer("ANSWER", "200 result=0");
    peer.answer("VERBOSE \"queued\" 1", "200 result=1");
    peer.hears("WAIT FOR DIGIT 1000");
    wait_until("its mail has arrived", || exim.mails().len() == 2);
    // The job rests: the call puts it off, again and again.
    let due = || job(site, "note").and_then(|job| job["due"].as_f64()).unwrap();
    let first = due();
    wait_until("it is put off", || due() > first + 2.0);
    assert_eq!(notes(site), 1, "the call isn't over");
    peer.send("200 result=0\n");
    peer.play();
    wait_until("its job has run", || notes(site) == 2);
    wait_until("none is left", || site.left().is_empty());
}

fn check_a_job_that_fails(site: &Site, server: &Server) {
    server.call("fails").play();
    wait_until("it has failed", || job(site, "fails").is_some_and(|job| job["attempts"] == 1));
    let id = job(site, "fails").unwrap()["id"].to_string();
    let (code, text) = site.jobs(&[]);
    assert!(code == 0 && text.contains("fails  fails.rhai") && text.contains("broken: it"), "{text}");
    let (code, text) = site.jobs(&["run", &id]);
    assert!(code == 1 && text.contains("broken: it"), "{text}");
    assert!(job(site, "fails").unwrap()["attempts"].as_u64() >= Some(2), "{:?}", site.left());
    // The script is mended.
    site.script("fails", "answer(); fn fails(what) { store_put(\"mended\", what); }");
    server.wait_for_log("fails.rhai is live, version");
    let (code, text) = site.jobs(&["run", &id]);
    assert_eq!((code, text.trim()), (0, format!("job {id} is done").as_str()));
    assert_eq!(site.jobs(&["drop", &id]).1.trim(), format!("agi-rhai: there is no job {id}"));
    assert_eq!(site.left(), Vec::<Value>::new());
}

#[test]
fn jobs_and_mails_in_a_shared_store_are_done() {
    let all = stores();
    std::thread::scope(|scope| {
        for (name, store) in all.iter().map(|kept| (kept.name, &kept.settings)).filter(|(name, _)| *name != "SQLite") {
            let check = move || {
                let exim = MailServer::start();
                if is_skipped("mail", exim.as_ref().map(drop).map_err(Clone::clone)) {
                    return;
                }
                let exim = exim.unwrap();
                let note = "[program.note]\ncommand = ['/bin/sh', '-c', 'echo \"$1\" >> @FOLDER@/notes', 'sh']\n";
                let site = Site::new(&format!("[store]\n{store}\n{note}{}", exim.settings("")));
                site.script("t", SCRIPT);
                site.script("fails", FAILS);
                check_a_call_without_a_server(&site, &exim);
                let server = site.serve();
                check_a_call_of_a_server(&site, &exim, &server);
                check_a_job_that_fails(&site, &server);
            };
            std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, check).unwrap();
        }
    });
}
