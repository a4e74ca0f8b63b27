//! TLS to databases, and passwords in files.

use super::Crm;
use crate::http::tls::Authority;
use crate::support::backend::{Backend, PASSWORD, is_skipped, mariadb, start_mariadb_with, start_postgres};
use crate::support::process::{Folder, Process, agi_rhai};
use crate::support::server::wait_until;
use serde_json::json;

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
    database.speak_tls(&folder);
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
        assert!(error.ends_with("is signed by nobody known here; `ca_file` names an authority to trust"), "{error}");
    }
}

#[test]
fn live_mariadb_is_asked_by_tls() {
    let (authority, certificates) = (Authority::new(), Backend::new_folder());
    authority.issue_to(&certificates);
    let path = |name: &str| certificates.path(name).display().to_string();
    let options = vec![format!("--ssl-cert={}", path("server.pem")), format!("--ssl-key={}", path("server.key"))];
    let database = match start_mariadb_with(options) {
        Ok(database) => database,
        Err(why) => {
            is_skipped("live_mariadb_is_asked_by_tls", Err(why));
            return;
        }
    };
    let is_encrypted = r#"sql_value("crm", "select variable_value <> '' from information_schema.session_status
        where variable_name = 'Ssl_cipher'")"#;
    let trusting = format!("ca_file = {:?}", authority.file);
    for (parameter, more) in [
        ("?ssl-mode=REQUIRED", ""),
        ("", trusting.as_str()),
        ("?ssl-mode=VERIFY_CA", trusting.as_str()),
        ("?ssl-mode=VERIFY_IDENTITY", trusting.as_str()),
    ] {
        Crm::at(&format!("{}{parameter}", database.url), more).gives(is_encrypted, json!(1));
    }
    let authority = Authority::new();
    let other = format!("ca_file = {:?}", authority.file);
    for (parameter, more) in [("?ssl-mode=VERIFY_CA", ""), ("?ssl-mode=VERIFY_IDENTITY", ""), ("", other.as_str())] {
        let error = Crm::at(&format!("{}{parameter}", database.url), more).ask(is_encrypted).unwrap_err();
        assert!(error.starts_with("unavailable: sql_value: the database can't be reached by TLS: "), "{error}");
        assert!(error.ends_with("is signed by nobody known here; `ca_file` names an authority to trust"), "{error}");
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
