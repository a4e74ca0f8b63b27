//! The client of a database, whichever it is.

use super::database::{Base, Limits, Wanted};
use super::options::{self, Options};
use crate::service::settings::{AT_ONCE, SqlSettings, TIMEOUT};
use crate::transport::{Answer, Failure, Request};
use futures_util::future::BoxFuture;
use serde_json::Value;
use sqlx::{MySql, Postgres, Sqlite};
use std::sync::Arc;
use std::time::Duration;

/// How many rows an answer has unless the operator says otherwise.
const MAX_ROWS: usize = 1000;
/// How many bytes an answer has unless the operator says otherwise.
const MAX_SIZE: usize = 1024 * 1024;

/// The client of a database.
pub(crate) struct SqlClient {
    of: Of,
    timeout: Duration,
}

/// The client of each database.
enum Of {
    Postgres(Arc<Base<Postgres>>),
    MySql(Arc<Base<MySql>>),
    Sqlite(Arc<Base<Sqlite>>),
}

impl SqlClient {
    /// Creates a client with these settings. It connects at the first request.
    ///
    /// # Errors
    /// The settings can't be used.
    pub fn new(settings: &SqlSettings) -> Result<Self, Failure> {
        let limits = Limits {
            connections: u32::try_from(settings.at_once.unwrap_or(AT_ONCE)).unwrap_or(u32::MAX).max(1),
            rows: settings.max_rows.unwrap_or(MAX_ROWS),
            bytes: settings.max_size.map_or(MAX_SIZE, |size| size.0),
            read_only: settings.read_only,
            in_memory: false,
        };
        let timeout = settings.timeout.map_or(TIMEOUT, |timeout| timeout.0);
        let of = match options::of(settings)? {
            Options::Postgres(options) => {
                let user = options.get_username().to_owned();
                Of::Postgres(Arc::new(Base::new(*options, user, limits)))
            }
            Options::MySql(options) => {
                let user = options.get_username().to_owned();
                Of::MySql(Arc::new(Base::new(*options, user, limits)))
            }
            Options::Sqlite(options, in_memory) => {
                Of::Sqlite(Arc::new(Base::new(*options, String::new(), Limits { in_memory, ..limits })))
            }
        };
        Ok(Self { of, timeout })
    }

    /// Answers a request.
    pub fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answer> {
        Box::pin(self.ask(request))
    }

    async fn ask(&self, request: &Request) -> Answer {
        let wanted = match request.function.as_str() {
            "sql_rows" => Wanted::Rows,
            "sql_row" => Wanted::Row,
            "sql_value" => Wanted::Value,
            _ => Wanted::Changes,
        };
        let deadline = request.timeout.unwrap_or(self.timeout);
        if let Some(statements) = request.arguments.get("statements") {
            let statements = several(statements)?;
            return match &self.of {
                Of::Postgres(base) => base.all(&statements, deadline).await,
                Of::MySql(base) => base.all(&statements, deadline).await,
                Of::Sqlite(base) => base.all(&statements, deadline).await,
            };
        }
        let (text, values) = (request.text("text"), request.argument("values"));
        match &self.of {
            Of::Postgres(base) => base.one(text, values, wanted, deadline).await,
            Of::MySql(base) => base.one(text, values, wanted, deadline).await,
            Of::Sqlite(base) => base.one(text, values, wanted, deadline).await,
        }
    }
}

/// Reads several statements: an array of arrays with a text and perhaps a map of values.
fn several(statements: &Value) -> Result<Vec<(&str, &Value)>, Failure> {
    let mut all = Vec::new();
    for (at, statement) in statements.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        all.push(match statement.as_array().map(Vec::as_slice) {
            Some([Value::String(text)]) => (text.as_str(), &Value::Null),
            Some([Value::String(text), values]) => (text.as_str(), values),
            _ => return Err(Failure::argument(format!("statement {} is no array [text, values]", at + 1))),
        });
    }
    Ok(all)
}
