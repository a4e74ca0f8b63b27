//! A statement that nobody waits for any more ends in the database too, and its connection harms nobody.

use super::{Crm, on};
use crate::support::backend::{Database, start_mariadb, start_postgres};
use crate::support::process::{Folder, Process, agi_rhai};
use crate::support::server::{Server, environment, wait_until};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A statement that takes a minute, and the query that counts those that run.
fn slow(database: &Database) -> (&'static str, &'static str) {
    if database.url.starts_with("postgres") {
        (
            "select pg_sleep(60)",
            "select count(*) from pg_stat_activity where query like 'select pg_sleep(60)%' and state = 'active'",
        )
    } else {
        ("select sleep(60)", "select count(*) from information_schema.processlist where info like 'select sleep(60)%'")
    }
}

fn both(test: &str, more: &str, check: impl Fn(&Crm, &Database)) {
    on(test, start_postgres().map(Arc::new), more, &check);
    on(test, start_mariadb().map(Arc::new), more, &check);
}

#[test]
fn live_a_late_statement_is_cancelled() {
    both("live_a_late_statement_is_cancelled", "at_once = 2", |crm, database| {
        let (slow, count) = slow(database);
        for _ in 0..6 {
            let asked = Instant::now();
            crm.fails(
                &format!("sql_value(\"crm\", \"{slow}\", #{{}}, #{{ timeout: 0.3 }})"),
                "unavailable: sql_value: …0.3 s…",
            );
            assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
            crm.gives(r#"sql_value("crm", "select 1")"#, json!(1));
        }
        wait_until("all have ended", || database.sql(count) == "0");
        crm.gives(
            &format!("sql_value(\"crm\", \"{slow}\", #{{}}, #{{ timeout: 0.1, otherwise: `open` }})"),
            json!("open"),
        );
    });
}

#[test]
fn a_late_statement_of_sqlite_is_interrupted() {
    let crm = Crm::at("sqlite::memory:", "");
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    for _ in 0..3 {
        crm.fails(
            &format!("sql_value(\"crm\", \"{endless}\", #{{}}, #{{ timeout: 0.2 }})"),
            "unavailable: sql_value: …",
        );
        // There is one connection, so this waits for the end of the other one.
        crm.gives(r#"sql_value("crm", "select 1")"#, json!(1));
    }
}

/// Writes `agi-rhai.toml` and a script into the folder of scripts.
fn scripts(folder: &Folder, database: &Database, script: &str) -> String {
    folder.file("scripts/agi-rhai.toml", format!("[sql.crm]\nurl = {:?}\n", database.url));
    folder.file("scripts/slow.rhai", script)
}

#[test]
fn live_a_hangup_is_heard_at_once_and_cancels_the_statement() {
    both("live_a_hangup_is_heard_at_once_and_cancels_the_statement", "", |_, database| {
        let (slow, count) = slow(database);
        let script = format!(
            "answer(); verbose(sql_value(\"crm\", \"select 'ready'\")); sql_value(\"crm\", \"{slow}\", #{{}}, #{{ timeout: 50 }});
             fn on_hangup() {{ verbose(\"hung up\"); }}"
        );
        let folder = Folder::new();
        let path = scripts(&folder, database, &script);
        // In a process of its own, which hears SIGHUP.
        let mut process = Process::call(&mut agi_rhai([&path]));
        process.answer("ANSWER", "200 result=0");
        process.answer("VERBOSE \"ready\" 1", "200 result=1");
        wait_until("the statement runs", || database.sql(count) == "1");
        let hung_up = Instant::now();
        process.hang_up();
        let ended = process.end();
        assert!(hung_up.elapsed() < Duration::from_secs(1), "{:?}", hung_up.elapsed());
        ended.sent("VERBOSE \"hung up\" 1");
        wait_until("the statement has ended", || database.sql(count) == "0");

        // In the server, on whose line HANGUP arrives; and on one that breaks.
        let mut server = Server::start(&folder, &[]);
        for breaks in [false, true] {
            let mut peer = server.connect();
            peer.send(environment("slow.rhai"));
            peer.answer("ANSWER", "200 result=0");
            peer.answer("VERBOSE \"ready\" 1", "200 result=1");
            wait_until("the statement runs", || database.sql(count) == "1");
            let hung_up = Instant::now();
            if breaks {
                peer.reset();
            } else {
                peer.send("HANGUP\n");
                peer.hears("VERBOSE \"hung up\" 1");
                peer.send("200 result=1\n");
                drop(peer.play());
            }
            server.wait_idle();
            assert!(hung_up.elapsed() < Duration::from_secs(2), "{:?}", hung_up.elapsed());
            wait_until("the statement has ended", || database.sql(count) == "0");
        }
        server.check_well();
    });
}
