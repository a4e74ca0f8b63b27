//! SQLite, in a file.

use super::database::{Driver, Step};
use super::failures::Cause;
use super::names::{Dialect, Statement};
use super::values::{Sent, float, text};
use futures_util::stream::BoxStream;
use serde_json::Value;
use sqlx::error::DatabaseError;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Column, Error, Executor, Pool, Row, TypeInfo, ValueRef};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// After so many steps of its machine, SQLite asks whether a statement is still wanted.
const STEPS: i32 = 4096;

impl Driver for Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;
    // One that reads first and writes then may fail at once, without waiting for another one.
    const BEGIN: Option<&'static str> = Some("begin immediate");
    type Known = ();
    /// Whether the statement that runs is to be interrupted.
    type Cancel = Arc<AtomicBool>;

    fn pool(_: &SqliteConnectOptions, _: bool) -> PoolOptions<Self> {
        // Who is in a thread of this process need not be asked whether it is still there.
        PoolOptions::new().test_before_acquire(false)
    }

    async fn acquire(pool: &Pool<Self>, deadline: Duration) -> Result<(PoolConnection<Self>, Self::Cancel), Error> {
        let mut connection = pool.acquire().await?;
        // How long it waits while another process writes: less than the deadline, so that the failure says why.
        let wait = format!("pragma busy_timeout = {}", deadline.mul_f64(0.8).as_millis());
        connection.execute(sqlx::raw_sql(AssertSqlSafe(wait))).await?;
        let cancel = Arc::new(AtomicBool::new(false));
        let is_cancelled = Arc::clone(&cancel);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || !is_cancelled.load(Relaxed));
        Ok((connection, cancel))
    }

    async fn statement(
        (): &(),
        _: &mut SqliteConnection,
        _: &str,
        statement: &Statement<'_>,
        values: &[Sent<'_>],
    ) -> Result<(String, SqliteArguments), Error> {
        let mut arguments = SqliteArguments::default();
        for value in values {
            match value {
                Sent::Null => arguments.add(None::<String>),
                Sent::Bool(flag) => arguments.add(*flag),
                Sent::Integer(number) => arguments.add(*number),
                Sent::Float(number) => arguments.add(*number),
                Sent::Text(text) => arguments.add(text.clone().into_owned()),
            }
            .map_err(Error::Encode)?;
        }
        Ok((statement.rendered(), arguments))
    }

    fn run(connection: &mut SqliteConnection, sql: String, arguments: SqliteArguments) -> BoxStream<'_, Step<Self>> {
        connection.fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments))
    }

    fn value(row: &SqliteRow, column: usize) -> Result<Value, String> {
        let read = |error: Error| error.to_string();
        let raw = row.try_get_raw(column).map_err(read)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let kind = raw.type_info().name().to_owned();
        Ok(match &*kind {
            "INTEGER" => {
                let number: i64 = row.try_get_unchecked(column).map_err(read)?;
                // It has no type of its own for them; what was declared so is meant so.
                if row.column(column).type_info().name() == "BOOLEAN" { (number != 0).into() } else { number.into() }
            }
            "REAL" => float(row.try_get_unchecked(column).map_err(read)?),
            _ => text(row.try_get_unchecked(column).map_err(read)?)?,
        })
    }

    fn changed(result: &SqliteQueryResult) -> u64 {
        result.rows_affected()
    }

    fn cause(error: &dyn DatabaseError) -> Cause {
        // The code is the extended one; its last byte is the primary one. Busy, locked, disk error, can't be opened.
        let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
        match code & 0xff {
            5 | 6 | 10 | 14 => Cause::Database,
            _ => Cause::Statement,
        }
    }

    fn abandon(connection: PoolConnection<Self>, cancel: Self::Cancel, _: Arc<super::database::Base<Self>>) {
        cancel.store(true, Relaxed);
        // The pool takes it back once the statement has ended.
        drop(connection);
    }
}
