//! MySQL and MariaDB.

use super::database::{Base, Driver, Step};
use super::failures::Cause;
use super::names::{Dialect, Statement};
use super::values::{Sent, date, float, single, text, time, unsigned};
use futures_util::stream::BoxStream;
use serde_json::Value;
use sqlx::error::DatabaseError;
use sqlx::mysql::{
    MySql, MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlRow,
};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Error, Executor, Pool, Row, TypeInfo, ValueRef};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// How long cancelling a statement may take.
const CANCEL: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// The server's number of the connection that the pool hands out. The pool asks each connection whether it is still
    /// there; its number is as good an answer as any.
    static NUMBER: Cell<u64>;
}

async fn learn_number(connection: &mut MySqlConnection) -> Result<(), Error> {
    let row = connection.fetch_one(sqlx::raw_sql("select connection_id()")).await?;
    let number: u64 = row.try_get_unchecked(0)?;
    // A connection may be made outside a request, and has nobody to tell then.
    let _ = NUMBER.try_with(|known| known.set(number));
    Ok(())
}

impl Driver for MySql {
    const DIALECT: Dialect = Dialect::MySql;
    type Known = ();
    /// The server's number of the connection.
    type Cancel = u64;

    fn pool(_: &MySqlConnectOptions, read_only: bool) -> PoolOptions<Self> {
        PoolOptions::<Self>::new()
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if read_only {
                        connection.execute(sqlx::raw_sql("set session transaction read only")).await?;
                    }
                    learn_number(connection).await
                })
            })
            .before_acquire(|connection, _| Box::pin(async move { learn_number(connection).await.map(|()| true) }))
    }

    async fn acquire(pool: &Pool<Self>, _: Duration) -> Result<(PoolConnection<Self>, u64), Error> {
        let acquire = async {
            let connection = pool.acquire().await?;
            Ok((connection, NUMBER.with(Cell::get)))
        };
        NUMBER.scope(Cell::new(0), acquire).await
    }

    async fn statement(
        (): &(),
        _: &mut MySqlConnection,
        _: &str,
        statement: &Statement<'_>,
        values: &[Sent<'_>],
    ) -> Result<(String, MySqlArguments), Error> {
        let names = statement.names();
        let mut arguments = MySqlArguments::default();
        for name in statement.occurrences() {
            let value = names.iter().position(|other| other == name).and_then(|at| values.get(at));
            match value.unwrap_or(&Sent::Null) {
                Sent::Null => arguments.add(None::<&str>),
                Sent::Bool(flag) => arguments.add(*flag),
                Sent::Integer(number) => arguments.add(*number),
                Sent::Float(number) => arguments.add(*number),
                Sent::Text(text) => arguments.add(&**text),
            }
            .map_err(Error::Encode)?;
        }
        Ok((statement.rendered(), arguments))
    }

    fn run(connection: &mut MySqlConnection, sql: String, arguments: MySqlArguments) -> BoxStream<'_, Step<Self>> {
        connection.fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments))
    }

    fn value(row: &MySqlRow, column: usize) -> Result<Value, String> {
        fn get<'r, T: sqlx::Decode<'r, MySql>>(row: &'r MySqlRow, column: usize) -> Result<T, String> {
            row.try_get_unchecked(column).map_err(|error| error.to_string())
        }
        let raw = row.try_get_raw(column).map_err(|error| error.to_string())?;
        // A date of zeros counts as null.
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let kind = raw.type_info().name().to_owned();
        Ok(match &*kind {
            "BOOLEAN" => (get::<i64>(row, column)? != 0).into(),
            "FLOAT" => single(get(row, column)?),
            "DOUBLE" => float(get(row, column)?),
            "YEAR" | "BIT" => unsigned(get(row, column)?),
            "DATE" => moment(get(row, column)?, false).ok_or("it is no date")?.into(),
            "DATETIME" | "TIMESTAMP" => moment(get(row, column)?, true).ok_or("it is no date")?.into(),
            "TIME" => length(get(row, column)?).ok_or("it is no time")?.into(),
            "JSON" => {
                let bytes: &[u8] = get(row, column)?;
                serde_json::from_slice(bytes).map_err(|error| error.to_string())?
            }
            "GEOMETRY" => return Err("its type is GEOMETRY: write `st_astext(...)` in the query".to_owned()),
            _ if kind.ends_with("INT") => get::<i64>(row, column)?.into(),
            _ if kind.ends_with("INT UNSIGNED") => unsigned(get(row, column)?),
            _ => text(get(row, column)?)?,
        })
    }

    fn changed(result: &MySqlQueryResult) -> u64 {
        result.rows_affected()
    }

    fn cause(error: &dyn DatabaseError) -> Cause {
        match error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number) {
            // Wrong user, password or rights for the database as a whole.
            Some(1044 | 1045 | 1130 | 1698) => Cause::Login,
            // Too many connections; out of memory or disk; the server ends, the connection was killed; a limit of time.
            Some(
                1021 | 1037..=1041 | 1053 | 1129 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 1317 | 1927 | 1969 | 3024,
            ) => Cause::Database,
            _ => Cause::Statement,
        }
    }

    fn abandon(connection: PoolConnection<Self>, number: u64, base: Arc<Base<Self>>) {
        // The server doesn't notice that the other end is gone before it has an answer, so it is told on another
        // connection. This one is kept until then, so that nobody else can have its number.
        tokio::spawn(async move {
            let cancel = async {
                let _spare = base.spare.acquire().await;
                let mut other = base.options.connect().await?;
                other.execute(sqlx::raw_sql(AssertSqlSafe(format!("kill {number}")))).await?;
                other.close().await
            };
            if !matches!(tokio::time::timeout(CANCEL, cancel).await, Ok(Ok(()))) {
                tracing::debug!("a statement couldn't be cancelled");
            }
            drop(connection.detach());
        });
    }
}

/// Reads a date, perhaps with a time of day, as the server sends it: its length, year, month, day, hour, minute, second
/// and microseconds, as far as they aren't zero.
fn moment(bytes: &[u8], has_time: bool) -> Option<String> {
    let bytes = bytes.get(1..)?;
    let mut text =
        date(i32::from(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?)), *bytes.get(2)?, *bytes.get(3)?);
    let part = |at: usize| bytes.get(at).copied().map_or(0, u64::from);
    let micros = bytes.get(7..11).and_then(|micros| micros.try_into().ok()).map_or(0, u32::from_le_bytes);
    if has_time {
        text = format!("{text} {}", time(part(4), part(5), part(6), micros.into()));
    }
    Some(text)
}

/// Reads a length of time as the server sends it: its length, sign, days, hours, minutes, seconds and microseconds.
fn length(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.get(1..)?;
    let part = |at: usize| bytes.get(at).copied().map_or(0, u64::from);
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
    };
    let sign = if part(0) == 0 { "" } else { "-" };
    Some(format!("{sign}{}", time(word(1) * 24 + part(5), part(6), part(7), word(8))))
}
