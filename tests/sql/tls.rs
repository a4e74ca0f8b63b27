//! TLS to databases, and passwords in files.

use super::Crm;
use crate::http::tls::Authority;
use crate::support::backend::{PASSWORD, is_skipped, mariadb, start_postgres};
use crate::support::process::{Folder, Process, agi_rhai};
use crate::support::server::wait_until;
use serde_json::json;
use std::process::Command;

const IS_ENCRYPTED: &str = r#"sql_value("crm", "select ssl from pg_stat_ssl where pid = pg_backend_pid()")"#;

#[test]
fn live_a_database_is_asked_by_tls() {
    let database = match start_postgres() {
        Ok(database) => database,
        Err(why) => {
            is_skipped("live_a_database_is_asked_by_tls", Err(why));
            return;
        }
    };
    let plain = Crm::at(&database.url, "");
    plain.gives(IS_ENCRYPTED, json!(false));
    let required = format!("{}?sslmode=require", database.url);
    let no_tls = Crm::at(&required, "").ask(IS_ENCRYPTED).unwrap_err();
    assert!(no_tls.starts_with("unavailable: sql_value: the database can't be reached by TLS: "), "{no_tls}");

    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue_to(&folder);
    for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
        let to = database.backend.folder.path("data").join(to);
        let mut install = Command::new("install");
        install.args(["-m", "600"]);
        if rustix::process::geteuid().is_root() {
            install.args(["-o", "postgres"]);
        }
        assert!(install.arg(folder.path(from)).arg(to).status().unwrap().success());
    }
    database.sql("alter system set ssl = on");
    database.sql("select pg_reload_conf()");
    wait_until("PostgreSQL speaks TLS", || Crm::at(&required, "").ask(IS_ENCRYPTED) == Ok(json!(true)));

    // Whoever names an authority wants the server's name checked.
    let trusting = format!("ca_file = {:?}", authority.file);
    Crm::at(&database.url, &trusting).gives(IS_ENCRYPTED, json!(true));
    Crm::at(&format!("{}?sslmode=verify-full", database.url), &trusting).gives(IS_ENCRYPTED, json!(true));
    let other = Authority::new();
    for (url, more) in [
        (format!("{}?sslmode=verify-full", database.url), String::new()),
        (database.url.clone(), format!("ca_file = {:?}", other.file)),
    ] {
        let error = Crm::at(&url, &more).ask(IS_ENCRYPTED).unwrap_err();
        assert!(error.starts_with("unavailable: sql_value: the database can't be reached by TLS: "), "{error}");
    }
}

#[test]
fn live_mariadb_without_tls_is_unavailable_to_who_requires_it() {
    let database = match mariadb() {
        Ok(database) => database,
        Err(why) => {
            is_skipped("live_mariadb_without_tls_is_unavailable_to_who_requires_it", Err(why));
            return;
        }
    };
    let error = Crm::at(&format!("{}?ssl-mode=REQUIRED", database.url), "").ask(r#"sql_value("crm", "select 1")"#);
    assert!(error.as_ref().is_err_and(|error| error.starts_with("unavailable: sql_value: ")), "{error:?}");
}

#[test]
fn live_a_password_is_read_from_a_file_and_never_shown() {
    let database = match start_postgres() {
        Ok(database) => database,
        Err(why) => {
            is_skipped("live_a_password_is_read_from_a_file_and_never_shown", Err(why));
            return;
        }
    };
    let (start, rest) = database.url.split_once("ivr:").unwrap();
    let url = format!("{start}ivr@{}", rest.split_once('@').unwrap().1);
    for (password, answer) in [(PASSWORD, "200"), ("falsch-geraten", "503")] {
        let folder = Folder::new();
        folder.file("crm.password", format!("{password}\n"));
        folder.file("agi-rhai.toml", format!("[sql.crm]\nurl = {url:?}\npassword_file = \"crm.password\"\n"));
        let script = folder.file(
            "line.rhai",
            r#"try { verbose(sql_value("crm", "select 200")); } catch (error) { verbose("503"); print(error.message); }"#,
        );
        let mut process = Process::call(&mut agi_rhai([&script]));
        process.answer(&format!("VERBOSE \"{answer}\" 1"), "200 result=1");
        let ended = process.end();
        assert!(!ended.stderr.contains(password) && !ended.stderr.contains("ivr"), "{}", ended.stderr);
    }
}
