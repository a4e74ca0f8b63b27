//! Databases: PostgreSQL, MySQL or MariaDB, and SQLite.
//!
//! Each has its own driver instead of one that fits all: `sqlx::any` knows no dates, decimals, arrays or JSON, and a
//! script would get an error for every column of these types.

#[cfg(feature = "sql")]
mod database;
#[cfg(feature = "sql")]
mod failures;
#[cfg(feature = "sql")]
mod mysql;
pub(crate) mod names;
#[cfg(feature = "sql")]
mod options;
#[cfg(feature = "sql")]
mod postgres;
#[cfg(feature = "sql")]
mod sqlite;
#[cfg(feature = "sql")]
mod values;

#[cfg(feature = "sql")]
pub(super) use client::SqlClient;

#[cfg(feature = "sql")]
mod client;
