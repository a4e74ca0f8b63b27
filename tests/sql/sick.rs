//! Databases that are killed, stopped, slow, started again, full, or something else altogether.

use super::{Crm, on};
use crate::support::backend::{Database, start_mariadb, start_postgres, start_postgres_with};
use serde_json::json;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ONE: &str = r#"sql_value("crm", "select 1")"#;

fn both(test: &str, more: &str, check: impl Fn(&Crm, &Database)) {
    on(test, start_postgres().map(Arc::new), more, &check);
    on(test, start_mariadb().map(Arc::new), more, &check);
}

/// Checks that a request fails as unavailable, and how long that takes.
#[track_caller]
fn unavailable(crm: &Crm, within: Duration) -> String {
    let asked = Instant::now();
    let error = crm.ask(ONE).expect_err("it is down");
    assert!(error.starts_with("unavailable: sql_value: "), "{error}");
    assert!(!error.contains("geheim") && !error.contains("ivr"), "{error}");
    assert!(asked.elapsed() < within, "{:?}: {error}", asked.elapsed());
    error
}

/// Checks that a new client is answered: its breaker is closed, but it knows nobody.
fn a_client_is_answered(database: &Database, more: &str) {
    Crm::at(&database.url, more).gives(ONE, json!(1));
}

#[test]
fn live_a_database_that_is_killed_and_started_again_is_found_again() {
    both("live_a_database_that_is_killed_and_started_again_is_found_again", "", |crm, database| {
        for signal in ["KILL", "INT"] {
            // Several connections, so that several are stale.
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| crm.gives(ONE, json!(1)));
                }
            });
            if signal == "KILL" {
                database.backend.kill();
            } else {
                database.backend.end(if database.url.starts_with("mysql") { "TERM" } else { signal });
            }
            // It is known at once that nobody is there.
            let error = unavailable(crm, Duration::from_millis(1500));
            assert!(error.contains("refused"), "{error}");
            database.start_again();
            for _ in 0..6 {
                crm.gives(ONE, json!(1));
            }
            // What stays unused over a restart is no error either.
            database.backend.kill();
            database.start_again();
            crm.gives(ONE, json!(1));
        }
    });
}

#[test]
fn live_a_database_that_is_killed_during_a_statement_is_unavailable() {
    both("live_a_database_that_is_killed_during_a_statement_is_unavailable", "", |crm, database| {
        let slow = if database.url.starts_with("postgres") { "select pg_sleep(20)" } else { "select sleep(20)" };
        crm.gives(ONE, json!(1));
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| crm.ask(&format!("sql_value(\"crm\", \"{slow}\", #{{}}, #{{ timeout: 15 }})")));
            std::thread::sleep(Duration::from_millis(500));
            let killed = Instant::now();
            database.backend.kill();
            let error = asked.join().unwrap().expect_err("it was killed");
            assert!(error.starts_with("unavailable: "), "{error}");
            assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
        });
        database.start_again();
        crm.gives(ONE, json!(1));
    });
}

#[test]
fn live_a_database_that_stands_still_costs_the_deadline() {
    both("live_a_database_that_stands_still_costs_the_deadline", "timeout = \"1s\"\nat_once = 3", |crm, database| {
        crm.gives(ONE, json!(1));
        let paused = database.backend.pause();
        for _ in 0..4 {
            let error = unavailable(crm, Duration::from_secs(3));
            assert!(error.contains("1 s"), "{error}");
        }
        // A client that has no connection yet waits as long.
        unavailable(&Crm::at(&database.url, "timeout = \"1s\""), Duration::from_secs(3));
        drop(paused);
        database.wait_ready();
        for _ in 0..4 {
            crm.gives(ONE, json!(1));
        }
    });
}

#[test]
fn live_a_database_without_room_is_unavailable() {
    let full = start_postgres_with(&["max_connections=4", "superuser_reserved_connections=3", "max_wal_senders=0"]);
    on("live_a_database_without_room_is_unavailable", full.map(Arc::new), "", |crm, database| {
        let other = Crm::at(&database.url, "at_once = 1");
        other.gives(ONE, json!(1));
        let error = unavailable(crm, Duration::from_secs(3));
        assert!(error.contains("slots"), "{error}");
        drop(other);
        std::thread::sleep(Duration::from_millis(200));
        crm.gives(ONE, json!(1));
    });
}

#[test]
fn live_the_number_of_connections_is_limited() {
    both("live_the_number_of_connections_is_limited", "at_once = 3\ntimeout = \"20s\"", |crm, database| {
        let (slow, count) = if database.url.starts_with("postgres") {
            ("select pg_sleep(0.2)", "select count(*) from pg_stat_activity where usename = 'ivr'")
        } else {
            ("select sleep(0.2)", "select count(*) from information_schema.processlist where user = 'ivr'")
        };
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| crm.ask(&format!("sql_value(\"crm\", \"{slow}\")")).unwrap());
            }
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(100));
                let connections: u32 = database.sql(count).parse().unwrap();
                // One more may find out why there is no other.
                assert!(connections <= 4, "{connections}");
            }
        });
        let connections: u32 = database.sql(count).parse().unwrap();
        assert!((1..=3).contains(&connections), "{connections}");
    });
}

#[test]
fn live_a_wrong_password_is_unavailable_and_not_shown() {
    both("live_a_wrong_password_is_unavailable_and_not_shown", "", |crm, database| {
        crm.gives(ONE, json!(1));
        let wrong = Crm::at(&database.url.replace("geheim", "geheimer"), "");
        let error = unavailable(&wrong, Duration::from_secs(3));
        assert!(error.contains("refuses the user name, the password or the rights"), "{error}");
        a_client_is_answered(database, "at_once = 1");
    });
}

#[test]
fn live_of_two_transactions_that_lock_each_other_one_fails() {
    both("live_of_two_transactions_that_lock_each_other_one_fails", "timeout = \"20s\"", |crm, database| {
        crm.ask(r#"sql_run("crm", [["create table locked (id int primary key, n int)"], ["insert into locked values (1, 0), (2, 0)"]])"#).unwrap();
        let sleep = if database.url.starts_with("postgres") { "select pg_sleep(2)" } else { "select sleep(2)" };
        let both = |first: u32, second: u32| {
            crm.ask(&format!(
                "sql_run(\"crm\", [[\"update locked set n = n + 1 where id = {first}\"], [\"{sleep}\"], [\"update locked set n = n + 1 where id = {second}\"]])"
            ))
        };
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| both(1, 2));
            let other = scope.spawn(|| both(2, 1));
            (one.join().unwrap(), other.join().unwrap())
        });
        let failed: Vec<String> = [one, other].into_iter().filter_map(Result::err).collect();
        assert!(
            failed.len() == 1 && failed[0].starts_with("failed: sql_run: statement 3: the database says: "),
            "{failed:?}"
        );
        crm.gives(
            r#"sql_value("crm", "select sum(n) = 2 from locked")"#,
            if database.url.starts_with("postgres") { json!(true) } else { json!(1) },
        );
    });
}

/// What a server of nonsense says to whoever connects.
const NONSENSE: [&[u8]; 8] = [
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
    b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05ID\x7f\xff\xff\xff",
    b"J\0\0\0\x0a5.5.5-10.11\0\0\0\0\0",
    b"\0\0\0\0\x01\0\0\0\x02",
];

#[test]
fn what_is_no_database_is_unavailable() {
    for nonsense in NONSENSE {
        for closes in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                for stream in listener.incoming() {
                    let Ok(mut stream) = stream else { return };
                    for _ in 0..3 {
                        let _ = stream.write_all(nonsense);
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    if !closes {
                        kept.push(stream);
                    }
                }
            });
            for scheme in ["postgres", "mysql"] {
                let crm = Crm::at(&format!("{scheme}://ivr:geheim@127.0.0.1:{port}/crm"), "timeout = \"400ms\"");
                let error = unavailable(&crm, Duration::from_secs(2));
                assert!(!error.contains("bug"), "{scheme} {nonsense:?}: {error}");
            }
        }
    }
}
