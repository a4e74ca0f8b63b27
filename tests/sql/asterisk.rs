//! Databases and the examples that ask them, on calls of the real Asterisk.

use crate::live::{commands, ends, pause};
use crate::support::asterisk::{Call, Running, asterisk};
use crate::support::backend::{Database, is_skipped, mariadb, postgres, start_mariadb, start_postgres};
use crate::support::machine::Server;
use crate::support::process::Folder;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A script that asks in every way, and tells the dialplan.
const ASK: &str = r#"
    sql_run("crm", "create table if not exists called (name varchar(20), day date, price numeric(8,2), is_on boolean)");
    let one = "insert into called values (:name, :day, :price, :is_on)";
    set_variable("CHANGED", sql_run("crm", [
        ["delete from called"],
        ["insert into called values (:name, :day, :price, :is_on)", #{ name: "An'na ☎", day: "2026-12-03", price: "1.50", is_on: true }],
        ["insert into called values (:name, :day, :price, :is_on)", #{ name: "Bert", day: (), price: 2, is_on: false }],
    ]));
    let rows = sql_rows("crm", "select * from called order by name");
    set_variable("ROWS", rows.len());
    set_variable("ROW", to_json(sql_row("crm", "select * from called where name = :name", #{ name: "An'na ☎" })));
    set_variable("VALUE", sql_value("crm", "select count(*) from called where day is null or day > :day", #{ day: "2026-01-01" }));
    set_variable("NONE", to_json(sql_row("crm", "select * from called where name = :name", #{ name: "Carl" })));
    try { sql_value("crm", "select nothing from called"); } catch (error) { set_variable("ERROR", error.kind); }
    set_variable("OPEN", sql_value("gone", "select 1", #{}, #{ otherwise: "open" }));
"#;

fn settings(database: &Database) -> String {
    format!("[sql.crm]\nurl = {:?}\n[sql.gone]\nurl = \"postgres://nobody@127.0.0.1:1/none\"\n", database.url)
}

#[track_caller]
fn check(variables: &BTreeMap<String, String>) {
    let value = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!((value("ROWS"), value("VALUE"), value("NONE")), ("2", "2", "null"));
    assert_eq!((value("ERROR"), value("OPEN")), ("failed", "open"));
    assert_eq!(value("ROW"), r#"{"day":"2026-12-03","is_on":true,"name":"An'na ☎","price":"1.50"}"#);
}

#[test]
fn live_scripts_ask_databases_over_agi_and_fastagi() {
    for (name, database) in [("postgres", postgres()), ("mariadb", mariadb())] {
        let database = match database {
            Ok(database) => database,
            Err(why) => {
                is_skipped("live_scripts_ask_databases_over_agi_and_fastagi", Err(why));
                continue;
            }
        };
        asterisk().script(&format!("ask-{name}/ask.rhai"), ASK);
        asterisk().script(&format!("ask-{name}/agi-rhai.toml"), &settings(&database));
        let ending = asterisk().call(Call::script(&format!("ask-{name}/ask.rhai"), &[])).wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        check(&ending.variables);

        let folder = Folder::new();
        let config = folder.file("agi-rhai.toml", settings(&database));
        let server = Server::start(&["--config", &config]);
        server.script("ask.rhai", ASK);
        let ending = asterisk().call(Call::request(&server.url("ask.rhai"), &[])).wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        check(&ending.variables);
    }
}

#[test]
fn live_example_callerid_knows_callers_and_fails_open() {
    let database = match start_postgres() {
        Ok(database) => database,
        Err(why) => {
            is_skipped("live_example_callerid_knows_callers_and_fails_open", Err(why));
            return;
        }
    };
    database.sql_in(
        "crm",
        "create table callers (number varchar(20) primary key, name varchar(80), list varchar(5)); \
         insert into callers values ('+4930901820', 'Anna', 'white'), ('+19005550100', null, 'black'); \
         grant select on callers to ivr",
    );
    let folder = Folder::new();
    let config = folder.file("agi-rhai.toml", format!("[sql.crm]\nurl = {:?}\nread_only = true\n", database.url));
    let server = Server::start(&["--config", &config]);
    let call = |number: &str| {
        let mut call = asterisk().call(Call::request(&server.url("callerid.rhai"), &[]).caller_id(number));
        (call.wait_end(), commands(&call))
    };
    let (ending, said) = call("030901820");
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert!(said.contains(&"SET VARIABLE \"CALLERID(name)\" \"Anna\"".to_owned()), "{said:?}");
    assert_eq!(ending.variables["CALLERID_LIST"], "white");
    let (_, said) = call("0019005550100");
    assert!(said.iter().any(|line| line.starts_with("STREAM FILE \"callerid-blocked\"")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("HANGUP")), "{said:?}");
    // Nobody is kept out while the database is away, or stands still.
    database.backend.kill();
    let (ending, _) = call("0019005550100");
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert_eq!(ending.variables["CALLERID_LIST"], "");
    database.start_again();
    let paused = database.backend.pause();
    let asked = Instant::now();
    let (ending, _) = call("0019005550100");
    ends(&ending, "SUCCESS", "SUCCESS", true);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(paused);
    database.wait_ready();
    let (_, said) = call("0019005550100");
    assert!(said.iter().any(|line| line.starts_with("HANGUP")), "{said:?}");
}

fn type_at(call: &mut Running, command: &str, keys: &str) {
    call.wait_for(command);
    pause(300);
    call.type_keys(keys, Duration::from_millis(120));
}

#[test]
fn live_example_appointments_are_confirmed_and_moved() {
    for (database, time) in [(start_postgres(), "timestamp"), (start_mariadb(), "datetime")] {
        let database = match database {
            Ok(database) => database,
            Err(why) => {
                is_skipped("live_example_appointments_are_confirmed_and_moved", Err(why));
                continue;
            }
        };
        let folder = Folder::new();
        let config = format!(
            "[sql.practice]\nurl = {:?}\n[mail.office]\nurl = \"smtp://127.0.0.1:1\"\nfrom = \"a@example.net\"\nto = [\"*\"]\n",
            database.url
        );
        let (config, state) = (folder.file("agi-rhai.toml", config), folder.path("state"));
        let server = Server::start(&["--config", &config, "--state", state.to_str().unwrap()]);
        let setup = [
            "create table patients (number varchar(8) primary key, email varchar(80))".to_owned(),
            format!("create table times (starts_at {time} primary key)"),
            format!(
                "create table appointments (starts_at {time} primary key, patient varchar(8) not null, is_confirmed boolean)"
            ),
            format!("create table changes (patient varchar(8), starts_at {time} null, what varchar(20))"),
            "insert into patients values ('4711', 'anna@example.net')".to_owned(),
            "insert into times values ('2035-12-07 09:30:00'), ('2035-12-08 10:00:00')".to_owned(),
            "insert into appointments values ('2035-12-07 09:30:00', '4711', false)".to_owned(),
        ];
        for statement in setup {
            let statement = if time == "timestamp" { format!("set role ivr; {statement}") } else { statement };
            database.sql_in("crm", &statement);
        }
        for keys in [&["1"][..], &["3", "1"]] {
            let mut call = asterisk().call(Call::request(&server.url("appointments.rhai"), &[]));
            type_at(&mut call, "GET DATA \"appointments-language\"", "1");
            type_at(&mut call, "GET DATA \"appointments-number\"", "4711#");
            for (keys, prompt) in keys.iter().zip(["appointments-menu", "appointments-take"]) {
                type_at(&mut call, &format!("GET DATA \"{prompt}\""), keys);
            }
            ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
        }
        assert_eq!(database.sql_in("crm", "select what from changes order by what"), "confirmed\nmoved");
        let kept = database.sql_in("crm", "select starts_at from appointments where is_confirmed");
        assert_eq!(kept, "2035-12-08 10:00:00");
    }
}
