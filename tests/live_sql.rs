//! Databases: PostgreSQL and MariaDB.

use crate::support::backend::{is_skipped, mariadb, postgres};

#[test]
fn live_databases_start() {
    let (postgres, mariadb) = (postgres(), mariadb());
    if is_skipped("live_databases_start", postgres.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let postgres = postgres.unwrap();
    println!("{}", postgres.sql("select version()"));
    println!("{:?}", postgres.backend.pids());
    let mariadb = mariadb.unwrap();
    println!("{}", mariadb.sql("select version()"));
    println!("{:?}", mariadb.backend.pids());
    postgres.backend.kill();
    postgres.start_again();
    mariadb.backend.kill();
    mariadb.start_again();
    drop(mariadb.backend.pause());
    mariadb.wait_ready();
}
