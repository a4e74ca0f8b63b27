//! Rows, several statements, limits and services that only read, on PostgreSQL and MariaDB; and that a name is a value
//! exactly where these databases see one.

use super::{Crm, on};
use crate::support::backend::{Database, is_skipped, mariadb, postgres};
use serde_json::json;

/// Runs a check on both databases.
fn both(test: &str, more: &str, check: impl Fn(&Crm, &Database)) {
    on(test, postgres(), more, &check);
    on(test, mariadb(), more, &check);
}

#[test]
fn live_databases_answer_every_function() {
    both("live_databases_answer_every_function", "", |crm, _| {
        crm.ask(
            r#"sql_run("crm", "create table people (number varchar(20) primary key, name text, is_blocked boolean)")"#,
        )
        .unwrap();
        crm.gives(
            r#"sql_run("crm", [
                ["insert into people values (:number, :name, :no)", #{ number: 4930, name: "Anna", no: false }],
                ["insert into people values ('4940', 'Bert', true), ('4950', null, null)"],
            ])"#,
            json!(3),
        );
        crm.gives(
            r#"sql_rows("crm", "select * from people order by number")"#,
            json!([
                { "number": "4930", "name": "Anna", "is_blocked": false },
                { "number": "4940", "name": "Bert", "is_blocked": true },
                { "number": "4950", "name": null, "is_blocked": null },
            ]),
        );
        crm.gives(
            r#"sql_row("crm", "select name from people where number = :n", #{ n: 4940 })"#,
            json!({ "name": "Bert" }),
        );
        crm.gives(r#"sql_row("crm", "select name from people where number = :n", #{ n: "x" })"#, json!(null));
        crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
        crm.gives(r#"sql_run("crm", "update people set name = 'X' where number > '4930'")"#, json!(2));
        crm.fails(
            r#"sql_run("crm", [["delete from people"], ["insert into people values (:n, 'Y', false), (:n, 'Z', false)", #{ n: "49401234" }]])"#,
            "failed: sql_run: statement 2: the database says: …uplicate …",
        );
        let error =
            crm.ask(r#"sql_run("crm", "insert into people values (:n, 'Y', false)", #{ n: "4940" })"#).unwrap_err();
        assert!(!error.contains("4940"), "{error}");
        crm.gives(r#"sql_value("crm", "select count(*) from people")"#, json!(3));
        crm.fails(r#"sql_rows("crm", "select * from persons")"#, "failed: sql_rows: the database says: …persons…");
        crm.fails(r#"sql_rows("crm", "selct 1")"#, "failed: sql_rows: the database says: …");
        crm.gives(r#"sql_value("crm", "select count(*) from people;")"#, json!(3));
        crm.ask(r#"sql_run("crm", "drop table people")"#).unwrap();
    });
}

#[test]
fn live_answers_have_a_limit() {
    both("live_answers_have_a_limit", "max_rows = 10\nmax_size = \"4KiB\"\nat_once = 2", |crm, _| {
        let numbers = |to: &str| {
            format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {to}) select i from n")
        };
        let rows = |to: &str| format!("sql_rows(\"crm\", \"{}\").len()", numbers(to));
        for _ in 0..5 {
            crm.gives(&rows("10"), json!(10));
            crm.fails(
                &rows("900"),
                "failed: sql_rows: the answer has more than 10 rows: add `limit` to the query, or set `max_rows`",
            );
            crm.gives(&format!("sql_value(\"crm\", \"{}\")", numbers("900")), json!(1));
            crm.fails(
                r#"sql_value("crm", "select repeat('x', 5000)")"#,
                "failed: sql_value: the answer is larger than 4 KiB: …",
            );
        }
    });
}

#[test]
fn live_a_service_that_only_reads_writes_in_no_way() {
    both("live_a_service_that_only_reads_writes_in_no_way", "read_only = true\nat_once = 1", |reader, database| {
        let writer = Crm::at(&database.url, "");
        writer.ask(r#"sql_run("crm", [["create table kept (x int)"], ["insert into kept values (1)"]])"#).unwrap();
        let is_postgres = database.url.starts_with("postgres");
        if is_postgres {
            writer.ask(r#"sql_run("crm", "create function wipe() returns int language plpgsql as $$ begin perform set_config('transaction_read_only', 'off', true); delete from kept; return 1; end $$")"#).unwrap();
        }
        for text in [
            "delete from kept",
            "set transaction read write",
            "commit",
            "begin",
            "start transaction read write",
            "set session transaction read write",
            "set default_transaction_read_only = off",
            "reset all",
            "do $$ begin delete from kept; end $$",
            "truncate kept",
            "select 1; delete from kept",
            "copy kept to stdout",
            "explain analyze delete from kept",
            "with d as (delete from kept returning x) select * from d",
            "with d as (select 1) delete from kept",
            "select * into stolen from kept",
            "select * from kept for update",
            "/*! delete from kept */",
            "select wipe()",
            "lock tables kept write",
            "call wipe()",
            "execute delete_all",
            "create table other (x int)",
            "(delete from kept)",
            "values (1); delete from kept",
            "select set_config('default_transaction_read_only', 'off', false)",
            "select set_config('transaction_read_only', 'off', false)",
            "select set_config('default_transaction_read_only', 'off', false), wipe()",
            "delete from kept",
            "select wipe()",
            "with d as (delete from kept returning x) select * from d",
        ] {
            for function in ["sql_run", "sql_rows"] {
                let _ = reader.ask(&format!("{function}(\"crm\", `{text}`)"));
                reader.gives(r#"sql_value("crm", "select count(*) from kept")"#, json!(1));
            }
            let _ = reader.ask(&format!("sql_run(\"crm\", [[`select 1`], [`{text}`], [`select 1`]])"));
        }
        writer.gives(r#"sql_value("crm", "select count(*) from kept")"#, json!(1));
        if is_postgres {
            reader.fails(
                r#"sql_rows("crm", "with d as (delete from kept returning x) select * from d")"#,
                "failed: sql_rows: the database says: cannot execute …in a read-only transaction",
            );
            writer.ask(r#"sql_run("crm", "drop function wipe")"#).unwrap();
        }
        writer.ask(r#"sql_run("crm", "drop table kept")"#).unwrap();
    });
}

/// Expressions in which `:a` is a value, and such in which it isn't, by database.
const VALUES: [&str; 5] = [":a", "(:a)", "concat(:a)", "/* :a */ :a", "coalesce(:a, ':a')"];
const TEXTS: [&str; 6] = ["':a'", "'it''s :a'", "'--'  ", "'/*'", "concat('\":a\"')", "concat(':a'/* ':a */)"];
const OF_POSTGRES: [&str; 7] =
    [r"E'\' :a'", "$$:a$$", "$x$:a $$ :a$x$", "/* /* :a */ ' */ 'x'", r"'\'", "('b'::text)", "E'x'\n'\\' :a'"];
const OF_MARIADB: [&str; 5] = [r"'\' :a'", "\":a\"", r#""\":a""#, "'x' # :a '\n", "concat(1--1)"];

#[test]
fn live_a_name_is_a_value_where_the_database_sees_one() {
    for (database, own) in [(postgres(), &OF_POSTGRES[..]), (mariadb(), &OF_MARIADB[..])] {
        let database = match database {
            Ok(database) => database,
            Err(why) => {
                is_skipped("live_a_name_is_a_value_where_the_database_sees_one", Err(why));
                continue;
            }
        };
        let crm = Crm::at(&database.url, "");
        let all: Vec<(&str, bool)> =
            VALUES.iter().map(|text| (*text, true)).chain(TEXTS.iter().chain(own).map(|text| (*text, false))).collect();
        let mut seed = 1_u64;
        for _ in 0..150 {
            let mut columns = vec![":a as c".to_owned()];
            let mut expected = vec![("c".to_owned(), true)];
            for at in 0..6 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (text, is_value) = all[(seed >> 33) as usize % all.len()];
                columns.push(format!("{text} as c{at}"));
                expected.push((format!("c{at}"), is_value));
            }
            let text = format!("select {} -- :a '", columns.join(", "));
            let literal = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let row = crm.ask(&format!("sql_row(\"crm\", \"{literal}\", #{{ a: \"AA\" }})"));
            let row = row.unwrap_or_else(|error| panic!("{text}\n{error}"));
            for (name, is_value) in expected {
                assert_eq!(row[&name] == json!("AA"), is_value, "{name} of {row} by {text}");
            }
        }
    }
}
