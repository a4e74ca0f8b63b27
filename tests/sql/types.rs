//! The types of PostgreSQL and MariaDB, from scripts and to scripts.

use super::{Crm, on};
use crate::support::backend::{mariadb, postgres};
use serde_json::{Value, json};

/// Checks what a column of this expression gives.
#[track_caller]
fn column(crm: &Crm, expression: &str, value: Value) {
    crm.gives(&format!("sql_value(\"crm\", `select {expression}`)"), value);
}

#[test]
fn live_postgres_gives_values_of_every_type() {
    on("live_postgres_gives_values_of_every_type", postgres(), "", |crm, database| {
        for (expression, value) in [
            ("null", json!(null)),
            ("true", json!(true)),
            ("1::int2", json!(1)),
            ("-2147483648", json!(-2_147_483_648_i64)),
            ("9223372036854775807", json!(i64::MAX)),
            ("0.1::float4", json!(0.1)),
            ("1e300::float8", json!(1e300)),
            ("'NaN'::float8", json!("NaN")),
            ("'-Infinity'::float4", json!("-Infinity")),
            ("'ä☎'::text", json!("ä☎")),
            ("'ab'::char(4)", json!("ab  ")),
            ("'x'::\"char\"", json!("x")),
            ("'n'::name", json!("n")),
            ("0::numeric", json!("0")),
            ("12345678901234567890.000100::numeric", json!("12345678901234567890.000100")),
            ("-0.00012::numeric", json!("-0.00012")),
            ("10000::numeric(10,2)", json!("10000.00")),
            ("100000000::numeric", json!("100000000")),
            ("1e-9::numeric", json!("0.000000001")),
            ("'NaN'::numeric", json!("NaN")),
            ("date '2026-12-03'", json!("2026-12-03")),
            ("date '1999-01-01'", json!("1999-01-01")),
            ("date 'infinity'", json!("infinity")),
            ("time '09:30'", json!("09:30:00")),
            ("time '23:59:59.25'", json!("23:59:59.25")),
            ("timetz '09:30+01'", json!("09:30:00+01:00")),
            ("timestamp '2026-12-03 09:30'", json!("2026-12-03 09:30:00")),
            ("timestamp '1969-12-31 23:59:59.5'", json!("1969-12-31 23:59:59.5")),
            ("timestamp '-infinity'", json!("-infinity")),
            ("interval '1 year 2 mons 3 days 04:05:06.5'", json!("P1Y2M3DT4H5M6.5S")),
            ("interval '-1 day'", json!("P-1D")),
            ("interval '0'", json!("PT0S")),
            ("interval '-90 seconds'", json!("PT-1M-30S")),
            ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
            ("'{\"a\": [1, null, 2.5]}'::json", json!({ "a": [1, null, 2.5] })),
            ("'{\"a\": true}'::jsonb", json!({ "a": true })),
            ("array[1,null,3]", json!([1, null, 3])),
            ("array[['a','b'],['c','d']]", json!([["a", "b"], ["c", "d"]])),
            ("'{}'::date[]", json!([])),
            ("array['1.50'::numeric]", json!(["1.50"])),
            ("'abc'::bytea", json!("abc")),
            ("inet '192.168.1.5'", json!("192.168.1.5")),
            ("inet '192.168.1.5/24'", json!("192.168.1.5/24")),
            ("cidr '2001:db8::/32'", json!("2001:db8::/32")),
            ("macaddr '08:00:2b:01:02:03'", json!("08:00:2b:01:02:03")),
            ("bit '10110'", json!("10110")),
            ("varbit '101100001'", json!("101100001")),
            ("4294967295::oid", json!(4_294_967_295_i64)),
            ("'<a/>'::xml", json!("<a/>")),
            ("pg_sleep(0)", json!(null)),
            ("money '1.50'::numeric", json!("1.50")),
        ] {
            column(crm, expression, value);
        }
        // The same moment as the script's own clock shows it.
        let zoned = crm.ask(r#"sql_value("crm", "select timestamptz '2026-12-03 09:30+00'")"#).unwrap();
        let zoned = zoned.as_str().unwrap();
        assert_eq!(zoned.len(), "2026-12-03 09:30:00+00:00".len(), "{zoned}");
        column(crm, &format!("timestamptz '{zoned}' = timestamptz '2026-12-03 09:30+00'"), json!(true));

        database.sql_in(
            "crm",
            "create type mood as enum ('good', 'bad'); create domain extension as text check (value ~ '^[0-9]+$')",
        );
        database.sql_in("crm", "create type pair as (a int, b text); grant usage on type mood, extension, pair to ivr");
        column(crm, "'bad'::mood", json!("bad"));
        column(crm, "array['good','bad']::mood[]", json!(["good", "bad"]));
        column(crm, "'201'::extension", json!("201"));
        for (expression, problem) in [
            ("row(1, 'x')::pair as p", "column `p`: its type is pair: write `::text` behind it in the query"),
            ("point '(1,2)' as p", "column `p`: its type is POINT: write `::text` behind it in the query"),
            ("int4range(1,5) as r", "column `r`: its type is INT4RANGE: write `::text` behind it in the query"),
            ("money '1.50' as m", "column `m`: its type is MONEY: write `::text` behind it in the query"),
            (
                "'\\xff'::bytea as photo",
                "column `photo`: it holds bytes that are no text (UTF-8): write `encode(..., 'base64')` in the query",
            ),
        ] {
            crm.fails(&format!("sql_row(\"crm\", `select {expression}`)"), &format!("failed: sql_row: {problem}"));
        }
        column(crm, "int4range(1,5)::text", json!("[1,5)"));
    });
}

#[test]
fn live_postgres_takes_values_for_columns_of_every_type() {
    on("live_postgres_takes_values_for_columns_of_every_type", postgres(), "", |crm, database| {
        database.sql_in("crm", "create type color as enum ('red', 'blue'); grant usage on type color to ivr");
        crm.ask(
            r#"sql_run("crm", "create table taken (number text, v varchar(20), id int, small int2, big int8, price numeric(10,2),
                weight float8, is_on boolean, day date, at timestamptz, span interval, u uuid, j jsonb, tags text[],
                ip inet, c color, bits bit(3), code char(3), raw bytea)")"#,
        )
        .unwrap();
        let values = r#"#{ number: 4930, id: "42", small: 7, big: 9007199254740993, price: "1234.50", weight: 3,
            is_on: true, day: "2026-12-03", at: "2026-12-03 09:30:00+01:00", span: "P1DT2H", u: "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            j: to_json(#{ a: [1] }), tags: "{x,y}", ip: "10.0.0.1", c: "blue", bits: "101", code: "abc", raw: "raw" }"#;
        let insert = format!(
            r#"sql_run("crm", "insert into taken values (:number, :number, :id, :small, :big, :price, :weight, :is_on, :day,
                :at, :span, :u, :j, :tags, :ip, :c, :bits, :code, :raw)", {values})"#
        );
        crm.gives(&insert, json!(1));
        let row = crm.ask(r#"sql_row("crm", "select * from taken")"#).unwrap();
        let mut expected = json!({
            "number": "4930", "v": "4930", "id": 42, "small": 7, "big": 9_007_199_254_740_993_i64, "price": "1234.50",
            "weight": 3.0, "is_on": true, "day": "2026-12-03", "span": "P1DT2H", "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "j": { "a": [1] }, "tags": ["x", "y"], "ip": "10.0.0.1", "c": "blue", "bits": "101", "code": "abc", "raw": "raw",
        });
        expected["at"] = row["at"].clone();
        assert_eq!(row, expected);
        // Each column finds its row, by a value of the type at hand.
        for (column, value) in [
            ("number", "4930"),
            ("number", "\"4930\""),
            ("v", "4930"),
            ("id", "42"),
            ("id", "\"42\""),
            ("id", "42.0"),
            ("small", "\"7\""),
            ("big", "9007199254740993"),
            ("price", "1234.5"),
            ("price", "\"1234.50\""),
            ("weight", "3"),
            ("weight", "3.0"),
            ("is_on", "true"),
            ("is_on", "\"true\""),
            ("day", "\"2026-12-03\""),
            ("at", "\"2026-12-03 08:30:00Z\""),
            ("span", "\"1 day 02:00\""),
            ("ip", "\"10.0.0.1\""),
            ("c", "\"blue\""),
            ("bits", "\"101\""),
            ("code", "\"abc\""),
            ("u", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
        ] {
            let find =
                format!(r#"sql_value("crm", "select id from taken where {column} = :value", #{{ value: {value} }})"#);
            crm.gives(&find, json!(42));
        }
        crm.gives(r#"sql_value("crm", "select id from taken where (:n is null or number = :n) limit :limit", #{ n: (), limit: 1 })"#, json!(42));
        crm.gives(r#"sql_value("crm", "select id from taken where number = :x or id = :x", #{ x: 42 })"#, json!(42));
        crm.gives(r#"sql_value("crm", "select :x", #{ x: 5 })"#, json!("5"));
        crm.gives(r#"sql_value("crm", "select :x::int + 1", #{ x: 5 })"#, json!(6));
        crm.gives(r#"sql_value("crm", "select (array[10,20,30])[:from : :to]", #{ from: 2, to: 3 })"#, json!([20, 30]));
        crm.fails(
            r#"sql_value("crm", "select id from taken where id = :id", #{ id: "vierzig" })"#,
            "failed: sql_value: the database says: invalid input syntax for type integer: \"…\"",
        );
        crm.fails(r#"sql_value("crm", "select id from taken where id = :id", #{ id: "a\x00b" })"#, "failed: …");
        // A column changes its type while statements are known and prepared.
        let find = r#"sql_value("crm", "select number from taken where id = :id", #{ id: 42 })"#;
        crm.gives(find, json!("4930"));
        crm.ask(r#"sql_run("crm", "alter table taken alter column id type text, alter column number type int using number::int")"#).unwrap();
        crm.gives(find, json!(4930));
    });
}

#[test]
fn live_mariadb_gives_and_takes_values_of_every_type() {
    on("live_mariadb_gives_and_takes_values_of_every_type", mariadb(), "", |crm, _| {
        for (expression, value) in [
            ("null", json!(null)),
            ("1", json!(1)),
            ("cast(18446744073709551615 as unsigned)", json!("18446744073709551615")),
            ("cast(5 as unsigned)", json!(5)),
            ("1.50", json!("1.50")),
            ("12345678901234567890.123456789", json!("12345678901234567890.123456789")),
            ("1e0/3", json!(1.0 / 3.0)),
            ("'ä☎'", json!("ä☎")),
            ("date '2026-12-03'", json!("2026-12-03")),
            ("timestamp '2026-12-03 09:30:00'", json!("2026-12-03 09:30:00")),
            ("timestamp '2026-12-03 00:00:00'", json!("2026-12-03 00:00:00")),
            ("timestamp '2026-12-03 09:30:00.25'", json!("2026-12-03 09:30:00.25")),
            ("time '09:30:00'", json!("09:30:00")),
            ("time '-100:00:00.5'", json!("-100:00:00.5")),
            ("cast('abc' as binary)", json!("abc")),
            ("true || false", json!(1)),
        ] {
            column(crm, expression, value);
        }
        crm.fails(
            r#"sql_row("crm", "select x'ff' as photo")"#,
            "failed: sql_row: column `photo`: it holds bytes that are no text (UTF-8)",
        );
        crm.fails(
            r#"sql_row("crm", "select point(1,2) as p")"#,
            "failed: sql_row: column `p`: its type is GEOMETRY: write `st_astext(...)` in the query",
        );
        crm.ask(
            r#"sql_run("crm", "create table taken (number varchar(20), id int, t tinyint, big bigint unsigned, is_on bool, y year, b bit(3),
                f float, price decimal(10,2), day date, at datetime, ts timestamp null, zero date, span time, e enum('red','blue'), s set('a','b'),
                j json, raw blob, c char(3))")"#,
        )
        .unwrap();
        crm.gives(
            r#"sql_run("crm", "insert into taken values (:number, :id, 7, 18446744073709551615, :is_on, 2026, b'101', 0.1, :price, :day, :at, :at,
                '0000-00-00', '01:02:03', :e, 'a,b', '{\"a\": 1}', 'raw', 'abc')",
                #{ number: 4930, id: "42", is_on: true, price: "1234.50", day: "2026-12-03", at: "2026-12-03 09:30:00", e: "blue" })"#,
            json!(1),
        );
        crm.gives(
            r#"sql_row("crm", "select * from taken")"#,
            json!({
                "number": "4930", "id": 42, "t": 7, "big": "18446744073709551615", "is_on": true, "y": 2026, "b": 5, "f": 0.1,
                "price": "1234.50", "day": "2026-12-03", "at": "2026-12-03 09:30:00", "ts": "2026-12-03 09:30:00", "zero": null,
                "span": "01:02:03", "e": "blue", "s": "a,b", "j": "{\"a\": 1}", "raw": "raw", "c": "abc",
            }),
        );
        for (column, value) in [
            ("number", "4930"),
            ("number", "\"4930\""),
            ("id", "42"),
            ("id", "\"42\""),
            ("price", "\"1234.50\""),
            ("price", "1234.5"),
            ("is_on", "true"),
            ("day", "\"2026-12-03\""),
            ("at", "\"2026-12-03 09:30:00\""),
            ("e", "\"blue\""),
        ] {
            let find = format!(
                r#"sql_value("crm", "select id from taken where {column} = :value limit :n", #{{ value: {value}, n: 1 }})"#
            );
            crm.gives(&find, json!(42));
        }
        crm.gives(r#"sql_value("crm", "select :x", #{ x: 5 })"#, json!(5));
        crm.gives(r#"sql_value("crm", "select concat(:x, :y, :x)", #{ x: "a", y: "b" })"#, json!("aba"));
    });
}
