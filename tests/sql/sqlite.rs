//! Every function on SQLite, and what all databases have in common.

use super::Crm;
use crate::support::process::{Folder, Process, agi_rhai};
use serde_json::json;
use sqlx::Connection;

/// A file with some people.
pub fn people(more: &str) -> (Folder, Crm) {
    let folder = Folder::new();
    let url = format!("sqlite:{}?mode=rwc", folder.path("crm.db").display());
    let writer = Crm::at(&url, "");
    writer
        .ask(r#"sql_run("crm", "create table people (number text primary key, name text, is_blocked boolean)")"#)
        .unwrap();
    writer
        .ask(r#"sql_run("crm", "insert into people values ('4930', 'Anna', false), ('4940', 'Bert', true), ('4950', null, null)")"#)
        .unwrap();
    (folder, Crm::at(&url, more))
}

#[test]
fn sql_functions_give_rows_a_row_a_value_and_a_number() {
    let (_folder, crm) = people("");
    crm.gives(
        r#"sql_rows("crm", "select * from people order by number")"#,
        json!([
            { "number": "4930", "name": "Anna", "is_blocked": false },
            { "number": "4940", "name": "Bert", "is_blocked": true },
            { "number": "4950", "name": null, "is_blocked": null },
        ]),
    );
    crm.gives(r#"sql_rows("crm", "select * from people where number = '1'")"#, json!([]));
    let row = r#"sql_row("crm", "select name, is_blocked from people where number = :number", #{ number: "4940" })"#;
    crm.gives(row, json!({ "name": "Bert", "is_blocked": true }));
    crm.gives(&row.replace("\"4940\"", "4940"), json!({ "name": "Bert", "is_blocked": true }));
    crm.gives(&row.replace("\"4940\"", "\"1\""), json!(null));
    crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
    crm.gives(r#"sql_value("crm", "select name from people where number = '1'")"#, json!(null));
    crm.gives(r#"sql_value("crm", "select name from people order by number desc")"#, json!(null));
    crm.gives(
        r#"sql_run("crm", "update people set name = :to where number <> :not", #{ to: "Nobody", not: 4930 })"#,
        json!(2),
    );
    crm.gives(r#"sql_run("crm", "delete from people where number = '1'")"#, json!(0));
    crm.gives(
        r#"sql_row("crm", "insert into people values ('1', 'Carl', false) returning name")"#,
        json!({ "name": "Carl" }),
    );
}

#[test]
fn sql_run_does_several_statements_or_none() {
    let (_folder, crm) = people("");
    crm.gives(
        r#"sql_run("crm", [
            ["update people set name = 'X' where number = :n", #{ n: "4930" }],
            ["insert into people values (:n, :name, false)", #{ n: "1", name: "Y" }],
            ["delete from people where number = '4950'"],
        ])"#,
        json!(3),
    );
    crm.fails(
        r#"sql_run("crm", [["delete from people"], ["insert into people values ('1', 'Z', 1), ('1', 'Z', 1)"]])"#,
        "failed: sql_run: statement 2: the database says: UNIQUE constraint failed: people.number…",
    );
    crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
    crm.fails(
        r#"sql_run("crm", [["delete from people"], ["delete from people where name = :nam", #{ name: "" }]])"#,
        "argument: sql_run: statement 2: the text has `:nam`, which `values` lacks; did you mean `name`?",
    );
    crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
    crm.gives(r#"sql_run("crm", [])"#, json!(0));
}

#[test]
fn sqlite_keeps_types() {
    let (_folder, crm) = people("");
    let types = r#"sql_row("crm", "select :i i, :f f, :t t, :n n, :b b, typeof(:i) ti, typeof(:f) tf, typeof(:t) tt, typeof(:b) tb",
        #{ i: 9223372036854775807, f: 0.1, t: "ä 'x' :i", n: (), b: true })"#;
    crm.gives(
        types,
        json!({ "i": i64::MAX, "f": 0.1, "t": "ä 'x' :i", "n": null, "b": 1,
                "ti": "integer", "tf": "real", "tt": "text", "tb": "integer" }),
    );
    crm.gives(r#"sql_value("crm", "select 9e999")"#, json!("Infinity"));
    crm.gives(r#"sql_value("crm", "select x'616263'")"#, json!("abc"));
    crm.fails(
        r#"sql_value("crm", "select x'ff' as photo")"#,
        "failed: sql_value: column `photo`: it holds bytes that are no text (UTF-8)",
    );
    crm.gives(r#"sql_value("crm", "select datetime('2026-12-03 09:30')")"#, json!("2026-12-03 09:30:00"));
    crm.gives(r#"sql_value("crm", "select :a || :b || :a", #{ a: "x", b: "y" })"#, json!("xyx"));
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() {
    let (_folder, crm) = people("");
    crm.fails(r#"sql_row("cmr", "select 1")"#, "argument: sql_row: agi-rhai.toml has no `[sql.cmr]`…");
    crm.fails(
        r#"sql_row("crm", "select 1; delete from people")"#,
        "argument: sql_row: there are two statements: `sql_run` does several, all or none, as an array of [text, values]",
    );
    crm.gives(r#"sql_value("crm", "select 1; -- that's all ;")"#, json!(1));
    crm.fails(
        r#"sql_row("crm", "select * from people where number = ?")"#,
        "argument: sql_row: `?` stands for no value here: name it, as in `:number`",
    );
    crm.fails(r#"sql_run("crm", "begin")"#, "argument: sql_run: `begin` would last longer than this request: …");
    crm.fails(
        r#"sql_run("crm", "attach '/tmp/other.db' as other")"#,
        "argument: sql_run: `attach` changes a connection that other calls use too",
    );
    crm.fails(r#"sql_rows("crm", "selct 1")"#, "failed: sql_rows: the database says: near \"selct\": syntax error");
    crm.fails(
        r#"sql_row("crm", "select 1 as a, 2 as a")"#,
        "failed: sql_row: two columns are called `a`: give one another name with `as`",
    );
    crm.gives(r#"sql_value("crm", "select 1 as a, 2 as a")"#, json!(1));
}

#[test]
fn an_answer_has_a_limit_of_rows_and_of_bytes() {
    let (_folder, crm) = people("max_rows = 10\nmax_size = \"1KiB\"");
    let numbers = |to: u32| {
        format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {to}) select i from n")
    };
    let rows = |to: u32| format!("sql_rows(\"crm\", \"{}\").len()", numbers(to));
    crm.gives(&rows(10), json!(10));
    let too_many = "failed: sql_rows: the answer has more than 10 rows: add `limit` to the query, or set `max_rows`";
    crm.fails(&rows(11), too_many);
    crm.fails(&rows(2_000_000_000), too_many);
    crm.gives(&format!("sql_value(\"crm\", \"{}\")", numbers(2_000_000_000)), json!(1));
    crm.fails(
        r#"sql_value("crm", "select hex(zeroblob(100000))")"#,
        "failed: sql_value: the answer is larger than 1 KiB: ask for fewer rows or columns, or set `max_size`",
    );
    crm.gives(&rows(10), json!(10));
}

#[test]
fn a_service_that_only_reads_writes_in_no_way() {
    let (_folder, crm) = people("read_only = true");
    crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
    crm.gives(r#"sql_value("crm", "/* all */ with p as (select * from people) select count(*) from p")"#, json!(3));
    crm.fails(
        r#"sql_run("crm", "delete from people")"#,
        "argument: sql_run: agi-rhai.toml makes this service `read_only`, and `delete` isn't among desc, describe, …",
    );
    crm.fails(
        r#"sql_run("crm", "with p as (select 1) delete from people")"#,
        "failed: sql_run: the database says: attempt to write a readonly database",
    );
    crm.fails(r#"sql_run("crm", "pragma query_only = off")"#, "argument: sql_run: `pragma` changes a connection…");
    crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
}

#[test]
fn a_file_that_is_missing_or_locked_is_unavailable() {
    let folder = Folder::new();
    let file = folder.file("gone.db", "");
    let missing = Crm::at(&format!("sqlite:{file}"), "");
    std::fs::remove_file(file).unwrap();
    missing.fails(
        r#"sql_value("crm", "select 1")"#,
        "unavailable: sql_value: the file that `url` names isn't there, or can't be opened",
    );
    missing.gives(r#"sql_value("crm", "select 1", #{}, #{ otherwise: "open" })"#, json!("open"));
    let text = folder.file("text.db", "this is no database at all, but a text that somebody has written ".repeat(20));
    Crm::at(&format!("sqlite:{text}"), "").fails(r#"sql_value("crm", "select 1 from x")"#, "…: file is not a database");
}

/// The deadline that a script gives counts, also where it is longer than that of the service.
#[test]
fn a_script_may_wait_longer_for_a_locked_file() {
    let (folder, crm) = people("timeout = \"300ms\"");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path("crm.db"));
    let mut other = runtime.block_on(sqlx::SqliteConnection::connect_with(&options)).unwrap();
    let mut run = |text: &'static str| runtime.block_on(sqlx::raw_sql(text).execute(&mut other)).unwrap();
    run("begin immediate");
    let insert = |number: u8, options: &str| {
        format!("sql_run(\"crm\", \"insert into people values ('{number}', 'Zoe', false)\", #{{}}{options})")
    };
    crm.fails(&insert(1, ""), "unavailable: sql_run: …database is locked…");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| crm.ask(&insert(2, ", #{ timeout: 60 }")));
        std::thread::sleep(std::time::Duration::from_millis(600));
        run("rollback");
        assert_eq!(waiting.join().unwrap(), Ok(json!(1)));
    });
    // The longer deadline was that of one request.
    run("begin immediate");
    crm.fails(&insert(3, ""), "unavailable: sql_run: …database is locked…");
}

/// Rows aren't read far ahead of whoever measures them: what an answer takes that is far too large is a few of them.
#[test]
fn a_large_answer_takes_the_memory_of_a_few_rows() {
    let folder = Folder::new();
    let config = "[sql.crm]\nurl = \"sqlite:crm.db?mode=rwc\"\ntimeout = \"60s\"\n";
    let config = folder.file("agi-rhai.toml", config);
    let peak = |bytes: u32| {
        let text = format!(
            "let got = \"\"; try {{ sql_rows(\"crm\", \"with recursive n(i) as (select 1 union all select i + 1 from n \
             where i < 1000) select hex(zeroblob({bytes})) as large from n\"); }} catch (error) {{ got = error.kind; }} \
             verbose(got);"
        );
        let script = folder.file("ask.rhai", text);
        let mut process = Process::call(&mut agi_rhai(["--config", &config, &script]));
        let said = process.line().expect("it says what it got");
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        process.send("200 result=1\n");
        process.end_with(|_| Some("200 result=1\n".to_owned()));
        (peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap(), said)
    };
    let (usual, said) = peak(1);
    assert_eq!(said, r#"VERBOSE "" 1"#);
    // Rows of 4 MiB, 4 GB in all.
    let (large, said) = peak(2 * 1024 * 1024);
    assert_eq!(said, r#"VERBOSE "failed" 1"#);
    assert!(large < usual + 64 * 1024, "{large} KiB, and {usual} KiB for small rows");
}
