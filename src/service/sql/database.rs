//! What all databases have in common: connections, statements and their rows, limits, and what becomes of a statement
//! that nobody waits for any more.

use super::failures::{Cause, Trouble, no_connection, trouble};
use super::names::{Dialect, Statement};
use super::values::{Sent, sent};
use crate::agi::printable;
use crate::plural::plural;
use crate::transport::{Answer, Failure};
use futures_util::StreamExt;
use futures_util::future::{Either as Either2, select};
use futures_util::stream::BoxStream;
use serde_json::{Map, Value};
use sqlx::database::HasStatementCache;
use sqlx::error::DatabaseError;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Database, Either, Error, Pool, Row};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// After this time without a connection, another attempt finds out why.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long what it finds out may turn out wrong: this attempt itself may be the one connection too many.
const DOUBT: Duration = Duration::from_millis(300);
/// The longest time that the pool itself tries to connect. The request's own deadline comes before.
const CONNECT: Duration = Duration::from_secs(60);
/// How many statements stay prepared on each connection.
pub(super) const PREPARED: usize = 100;

/// What a statement gives: rows, and how many it has changed.
pub(super) type Step<D> = Result<Either<<D as Database>::QueryResult, <D as Database>::Row>, Error>;
/// The options of a connection.
pub(super) type Options<D> = <<D as Database>::Connection as Connection>::Options;

/// What differs between databases.
pub(super) trait Driver: Database + HasStatementCache {
    /// How its SQL is read.
    const DIALECT: Dialect;
    /// How a transaction begins that writes, if not as usual.
    const BEGIN: Option<&'static str> = None;
    /// What is learned about statements.
    type Known: Default + Send + Sync + 'static;
    /// What ends a statement.
    type Cancel: Clone + Send + 'static;

    /// Creates the options of its pool.
    fn pool(options: &Options<Self>, read_only: bool) -> PoolOptions<Self>;

    /// Returns a connection for a request with this deadline, with what will end a statement on it.
    fn acquire(
        pool: &Pool<Self>,
        deadline: Duration,
    ) -> impl Future<Output = Result<(PoolConnection<Self>, Self::Cancel), Error>> + Send;

    /// Returns a statement as the database takes it, with its values. Those are in the order of its names, each once.
    fn statement(
        known: &Self::Known,
        connection: &mut Self::Connection,
        text: &str,
        statement: &Statement<'_>,
        values: &[Sent<'_>],
    ) -> impl Future<Output = Result<(String, Self::Arguments), Error>> + Send;

    /// Runs a statement.
    fn run(connection: &mut Self::Connection, sql: String, arguments: Self::Arguments) -> BoxStream<'_, Step<Self>>;

    /// Whether a statement may have failed since what is known of it is out of date. It is forgotten then.
    fn is_outdated(known: &Self::Known, text: &str, error: &Error) -> bool {
        let _ = (known, text, error);
        false
    }

    /// Returns a value of a row. The error says what is wrong with the column.
    fn value(row: &Self::Row, column: usize) -> Result<Value, String>;

    /// Returns how many rows a statement has changed.
    fn changed(result: &Self::QueryResult) -> u64;

    /// Returns what an error of the database is about.
    fn cause(error: &dyn DatabaseError) -> Cause;

    /// Gives a connection up on which a statement runs that nobody waits for.
    fn abandon(connection: PoolConnection<Self>, cancel: Self::Cancel, base: Arc<Base<Self>>);
}

/// A database with its connections.
pub(super) struct Base<D: Driver> {
    pub options: Options<D>,
    /// The name of the user, which no message holds.
    user: String,
    /// For the one connection beside the pool's, which cancels statements and finds out why there is no other.
    pub spare: Semaphore,
    pool: OnceLock<Pool<D>>,
    known: D::Known,
    limits: Limits,
}

/// What a database may be asked, and answer.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// How many connections there are.
    pub connections: u32,
    /// How many rows an answer has.
    pub rows: usize,
    /// How many bytes an answer has.
    pub bytes: usize,
    /// Whether scripts may only read.
    pub read_only: bool,
    /// Whether the database lives in its only connection.
    pub in_memory: bool,
}

/// What a script wants of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Rows,
    Row,
    Value,
    Changes,
}

/// A connection that a request holds. If the request is dropped while a statement runs, the statement is cancelled.
struct Held<D: Driver> {
    connection: Option<PoolConnection<D>>,
    cancel: D::Cancel,
    base: Arc<Base<D>>,
    /// Whether the connection is in the middle of something.
    is_busy: bool,
}

impl<D: Driver> Drop for Held<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.is_busy
        {
            D::abandon(connection, self.cancel.clone(), Arc::clone(&self.base));
        }
    }
}

/// A statement that was checked, with its values.
struct Checked<'a> {
    text: &'a str,
    statement: Statement<'a>,
    values: Vec<Sent<'a>>,
}

/// What a statement gave, so far.
#[derive(Default)]
struct Given {
    rows: Vec<Value>,
    changed: u64,
    /// How many rows there were.
    count: usize,
    bytes: usize,
    /// Why there is no answer, though the statement runs to its end.
    problem: Option<Failure>,
    /// Whether it was left before its end.
    is_cut: bool,
}

impl<D: Driver> Base<D> {
    pub fn new(options: Options<D>, user: String, limits: Limits) -> Self {
        Self { options, user, spare: Semaphore::new(1), pool: OnceLock::new(), known: D::Known::default(), limits }
    }

    /// Runs one statement.
    pub async fn one(self: &Arc<Self>, text: &str, values: &Value, wanted: Wanted, deadline: Duration) -> Answer {
        let checked = self.check(text, values)?;
        let mut held = self.acquire(deadline).await?;
        let done = match held.connection.as_deref_mut() {
            Some(connection) => self.run(connection, &checked, wanted, true).await,
            None => return Err(lost()),
        };
        let given = held.finish(done)?;
        Ok(match wanted {
            Wanted::Rows => Value::Array(given.rows),
            Wanted::Row | Wanted::Value => given.rows.into_iter().next().unwrap_or(Value::Null),
            Wanted::Changes => i64::try_from(given.changed).unwrap_or(i64::MAX).into(),
        })
    }

    /// Runs several statements, all or none.
    pub async fn all(self: &Arc<Self>, statements: &[(&str, &Value)], deadline: Duration) -> Answer {
        let checked = statements
            .iter()
            .enumerate()
            .map(|(at, (text, values))| self.check(text, values).map_err(|failure| numbered(&failure, at)));
        let checked = checked.collect::<Result<Vec<_>, _>>()?;
        let mut held = self.acquire(deadline).await?;
        let done = match held.connection.as_deref_mut() {
            Some(connection) => self.transaction(connection, &checked).await,
            None => return Err(lost()),
        };
        held.finish(done).map(Value::from)
    }

    /// Checks a statement before anything is sent.
    fn check<'a>(&self, text: &'a str, values: &'a Value) -> Result<Checked<'a>, Failure> {
        let statement = Statement::parse(text, D::DIALECT);
        if let Some(refusal) = statement.refusal(self.limits.read_only) {
            return Err(Failure::argument(refusal));
        }
        let values = sent(&statement, values)?;
        Ok(Checked { text, statement, values })
    }

    fn pool(&self) -> &Pool<D> {
        self.pool.get_or_init(|| {
            let mut pool = D::pool(&self.options, self.limits.read_only)
                .max_connections(self.limits.connections)
                .acquire_timeout(CONNECT)
                .acquire_slow_threshold(Duration::MAX);
            if self.limits.in_memory {
                pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
            }
            pool.connect_lazy_with(self.options.clone())
        })
    }

    async fn acquire(self: &Arc<Self>, deadline: Duration) -> Result<Held<D>, Failure> {
        let acquired = match select(pin!(D::acquire(self.pool(), deadline)), pin!(self.reason())).await {
            Either2::Left((acquired, _)) => acquired,
            Either2::Right((error, _)) => Err(error),
        };
        let (connection, cancel) = acquired.map_err(|error| no_connection(&error, D::cause, &self.user))?;
        Ok(Held { connection: Some(connection), cancel, base: Arc::clone(self), is_busy: true })
    }

    /// Returns why no connection is made. The pool itself tries on and doesn't say, while the database is starting,
    /// refuses connections or has too many.
    async fn reason(&self) -> Error {
        tokio::time::sleep(PATIENCE).await;
        if !self.limits.in_memory
            && let Ok(_spare) = self.spare.acquire().await
        {
            match self.options.connect().await {
                Ok(connection) => {
                    let _ = connection.close().await;
                }
                Err(error) => {
                    if !matches!(error, Error::Io(_)) {
                        tokio::time::sleep(DOUBT).await;
                    }
                    return error;
                }
            }
        }
        std::future::pending().await
    }

    async fn transaction(&self, connection: &mut D::Connection, all: &[Checked<'_>]) -> Result<i64, Trouble> {
        for Checked { text, statement, values } in all {
            // What can be learned is learned before: an error within the transaction would end it. A table that an
            // earlier statement makes isn't there yet.
            match D::statement(&self.known, connection, text, statement, values).await {
                Ok(_) | Err(Error::Database(_)) => {}
                Err(error) => return Err(trouble(&error, D::cause, values)),
            }
        }
        let begun = match D::BEGIN {
            Some(begin) if !self.limits.read_only => connection.begin_with(AssertSqlSafe(begin.to_owned())).await,
            _ => connection.begin().await,
        };
        let mut transaction = begun.map_err(|error| trouble(&error, D::cause, &[]))?;
        let mut changed = 0_u64;
        for (at, checked) in all.iter().enumerate() {
            match self.run(&mut transaction, checked, Wanted::Changes, false).await {
                Ok(given) if given.is_cut => {
                    let failure = numbered(&self.too_many(), at);
                    return Err(Trouble { failure, can_go_on: false });
                }
                Ok(given) => changed = changed.saturating_add(given.changed),
                Err(trouble) => {
                    let can_go_on = trouble.can_go_on && transaction.rollback().await.is_ok();
                    return Err(Trouble { failure: numbered(&trouble.failure, at), can_go_on });
                }
            }
        }
        transaction.commit().await.map_err(|error| trouble(&error, D::cause, &[]))?;
        Ok(i64::try_from(changed).unwrap_or(i64::MAX))
    }

    /// Runs a statement. One that may be tried again is, if what was known about it is out of date.
    async fn run(
        &self,
        connection: &mut D::Connection,
        checked: &Checked<'_>,
        wanted: Wanted,
        may_retry: bool,
    ) -> Result<Given, Trouble> {
        let explain = |error: &Error| trouble(error, D::cause, &checked.values);
        match self.try_run(connection, checked, wanted).await {
            Err(error) if D::is_outdated(&self.known, checked.text, &error) => {
                if !may_retry {
                    // The next time, on another connection, it is right.
                    return Err(Trouble { can_go_on: false, ..explain(&error) });
                }
                connection.clear_cached_statements().await.map_err(|error| explain(&error))?;
                self.try_run(connection, checked, wanted).await
            }
            done => done,
        }
        .map_err(|error| explain(&error))
    }

    async fn try_run(
        &self,
        connection: &mut D::Connection,
        checked: &Checked<'_>,
        wanted: Wanted,
    ) -> Result<Given, Error> {
        let Checked { text, statement, values } = checked;
        let (sql, arguments) = D::statement(&self.known, connection, text, statement, values).await?;
        let mut steps = D::run(connection, sql, arguments);
        let mut given = Given::default();
        while let Some(step) = steps.next().await {
            match step? {
                Either::Left(result) => given.changed = given.changed.saturating_add(D::changed(&result)),
                Either::Right(row) => {
                    given.count += 1;
                    if given.count > self.limits.rows {
                        self.cut(&mut given, wanted);
                        break;
                    }
                    let is_wanted = match wanted {
                        Wanted::Rows => true,
                        Wanted::Row | Wanted::Value => given.count == 1,
                        Wanted::Changes => false,
                    };
                    if is_wanted && given.problem.is_none() {
                        match read::<D>(&row, wanted, &mut given.bytes) {
                            Ok(value) => given.rows.push(value),
                            Err(problem) => given.problem = Some(Failure::failed(problem)),
                        }
                    }
                    if given.bytes > self.limits.bytes {
                        given.problem = Some(Failure::failed(format!(
                            "the answer is larger than {} KiB: ask for fewer rows or columns, or set `max_size`",
                            self.limits.bytes / 1024
                        )));
                        given.is_cut = true;
                        break;
                    }
                }
            }
        }
        Ok(given)
    }

    /// Leaves a statement that has more rows than anybody wants. Who wants one row has it already.
    fn cut(&self, given: &mut Given, wanted: Wanted) {
        given.is_cut = true;
        if matches!(wanted, Wanted::Rows | Wanted::Changes) {
            given.problem = Some(self.too_many());
        }
    }

    fn too_many(&self) -> Failure {
        let rows = plural(self.limits.rows, "row");
        Failure::failed(format!("the answer has more than {rows}: add `limit` to the query, or set `max_rows`"))
    }
}

impl<D: Driver> Held<D> {
    /// Hands the connection back, if what was done on it has come to its end.
    fn finish<T: Done>(mut self, done: Result<T, Trouble>) -> Result<T, Failure> {
        match done {
            Ok(mut done) => {
                self.is_busy = done.is_cut();
                done.take_problem().map_or(Ok(done), Err)
            }
            Err(Trouble { failure, can_go_on }) => {
                self.is_busy = !can_go_on;
                Err(failure)
            }
        }
    }
}

/// Something that was done on a connection.
trait Done {
    /// Whether it was left before its end.
    fn is_cut(&self) -> bool;
    /// Why it gives no answer.
    fn take_problem(&mut self) -> Option<Failure>;
}

impl Done for Given {
    fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn take_problem(&mut self) -> Option<Failure> {
        self.problem.take()
    }
}

impl Done for i64 {
    fn is_cut(&self) -> bool {
        false
    }

    fn take_problem(&mut self) -> Option<Failure> {
        None
    }
}

/// Reads a row. `bytes` grows by its size.
fn read<D: Driver>(row: &D::Row, wanted: Wanted, bytes: &mut usize) -> Result<Value, String> {
    let mut value = |at: usize, name: &str| {
        let value = D::value(row, at).map_err(|problem| format!("column `{}`: {problem}", printable(name)))?;
        *bytes = bytes.saturating_add(name.len()).saturating_add(size(&value));
        Ok::<_, String>(value)
    };
    let columns = row.columns();
    if wanted == Wanted::Value {
        return columns.first().map_or(Ok(Value::Null), |column| value(0, column.name()));
    }
    let mut map = Map::new();
    for (at, column) in columns.iter().enumerate() {
        if map.insert(column.name().to_owned(), value(at, column.name())?).is_some() {
            let name = printable(column.name());
            return Err(format!("two columns are called `{name}`: give one another name with `as`"));
        }
    }
    Ok(Value::Object(map))
}

/// Returns about how many bytes a value takes.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 8 + size(item)).sum(),
        Value::Object(items) => items.iter().map(|(name, item)| 8 + name.len() + size(item)).sum(),
    }
}

/// Says which of several statements a failure is about.
fn numbered(failure: &Failure, at: usize) -> Failure {
    Failure { message: format!("statement {}: {}", at + 1, failure.message), kind: failure.kind }
}

fn lost() -> Failure {
    Failure::unavailable("the connection to the database was lost")
}
