//! A store in PostgreSQL, for several machines. Its tables begin with `agi_rhai_`; they are created in the schema of
//! the connection if they aren't there.
//!
//! Keys and names are bytes there, since texts of PostgreSQL can't hold every character, and since bytes have the order
//! that the other stores have. Time is the server's.

use super::job::{GIVEN_UP_AFTER, JobCounts};
use super::operation::{MAX_KEYS, Operation, PAGE, Score, behind, listed, parse, ranked, sum};
use super::rows::{job, number};
use crate::service::settings::StoreSettings;
use crate::service::settings::values::Secret;
use crate::service::tls;
use crate::transport::{Answer, Failure};
use serde_json::{Number, Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow, PgSslMode};
use sqlx::{ConnectOptions, Connection, Error, PgConnection, Row};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The version of the tables.
const VERSION: i32 = 1;
/// The lock under which they are created.
const LOCK: i64 = 0x6167_6972_6861_6901;
/// How many connections there are at most. An operation takes about a millisecond, and a server of PostgreSQL has a
/// hundred for everybody.
const CONNECTIONS: u32 = 4;
/// How long the pool itself waits for a connection.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
/// How many expired values are removed whenever one is put that will expire, so that there are never many.
const REMOVED_AT_ONCE: i64 = 20;

/// A store in PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres {
    options: PgConnectOptions,
    /// What messages call it: its address without a secret.
    name: String,
    timeout: Duration,
    pool: OnceCell<PgPool>,
}

impl Postgres {
    /// Creates the store without connecting yet.
    pub fn new(settings: &StoreSettings, url: &str, timeout: Duration) -> Result<Self, Failure> {
        // What is wrong isn't repeated: it may be the password.
        let wrong = |_| Failure::argument("`[store] url` is not `postgres://USER@HOST:PORT/DATABASE`");
        let mut options = url.parse::<PgConnectOptions>().map_err(wrong)?;
        if let Some(password) = &settings.password {
            options = options.password(&password.0);
        }
        let verifies = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        if let Some(Secret(ca)) = &settings.ca {
            options = options.ssl_root_cert_from_pem(ca.clone().into_bytes());
            if !verifies {
                options = options.ssl_mode(PgSslMode::VerifyFull);
            }
        } else if verifies {
            options = options.ssl_root_cert_from_pem(tls::system_pem());
        }
        let host =
            options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
        let database = options.get_database().unwrap_or_default();
        let name = format!("postgres://{host}:{}/{database}", options.get_port());
        Ok(Self {
            options: options.disable_statement_logging().application_name("agi-rhai"),
            name,
            timeout,
            pool: OnceCell::new(),
        })
    }

    /// Returns what messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Carries out an operation, for which whoever asks waits no longer than this.
    pub async fn run(&self, operation: Operation, timeout: Duration) -> Answer {
        let connected = tokio::time::timeout(timeout, async {
            let pool = self.pool.get_or_try_init(|| self.connect()).await?;
            pool.acquire().await.map_err(|error| self.failure(&error))
        });
        let none = |_| {
            let (name, seconds) = (&self.name, timeout.as_secs_f64());
            Err(Failure::unavailable(format!("the store {name} had no connection within {seconds} s")))
        };
        let mut connection = connected.await.unwrap_or_else(none)?;
        let done = if timeout == self.timeout {
            carry_out(&mut connection, &operation).await
        } else {
            carry_out_within(timeout, &mut connection, &operation).await
        };
        done.unwrap_or_else(|error| Err(self.failure(&error)))
    }

    /// Makes the pool of connections, with one in it, and the tables if need be.
    async fn connect(&self) -> Result<PgPool, Failure> {
        // What was given up must not go on.
        let limit = format!("set statement_timeout = {}", self.timeout.as_millis());
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            // Each request has its own deadline.
            .acquire_timeout(FOREVER)
            .after_connect(move |connection, _| {
                let limit = sqlx::raw_sql(sqlx::AssertSqlSafe(limit.clone()));
                Box::pin(async move { limit.execute(connection).await.map(drop) })
            })
            .connect_with(self.options.clone())
            .await
            .map_err(|error| self.failure(&error))?;
        let version = prepare(&pool).await.map_err(|error| self.failure(&error))?;
        if version > VERSION {
            let newer = "was written by a newer version of agi-rhai: use that one, or another database";
            return Err(Failure::unavailable(format!("the store {} {newer}", self.name)));
        }
        Ok(pool)
    }

    /// Explains an error.
    fn failure(&self, error: &Error) -> Failure {
        let name = &self.name;
        match error {
            Error::Database(error) => {
                let said: String = error.message().escape_debug().take(200).collect();
                match error.code().as_deref().and_then(|code| code.get(..2)).unwrap_or_default() {
                    // Of statements: syntax and rights, data.
                    "42" | "22" | "23" | "3F" => Failure::failed(format!("the store {name} reports an error: {said}")),
                    "28" => Failure::unavailable(format!("the store {name} refuses the user or the password: {said}")),
                    _ => Failure::unavailable(format!("the store {name} can't be used: {said}")),
                }
            }
            Error::Protocol(_) | Error::Decode(_) | Error::ColumnDecode { .. } => {
                Failure::unavailable(format!("what answers at {name} isn't PostgreSQL, or its connection broke"))
            }
            error => {
                let error = error.to_string();
                let said: String = error.escape_debug().take(200).collect();
                Failure::unavailable(format!("the store {name} can't be reached: {said}{}", tls::advice(&error)))
            }
        }
    }
}

/// Creates the tables if need be. Returns their version.
async fn prepare(pool: &PgPool) -> Result<i32, Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let text = "select to_regclass('agi_rhai_store') is not null";
    if !sqlx::query_scalar::<_, bool>(text).fetch_one(&mut *transaction).await? {
        sqlx::raw_sql(include_str!("tables.sql")).execute(&mut *transaction).await?;
    }
    let version = sqlx::query_scalar("select version from agi_rhai_store").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(version)
}

/// Carries out an operation whose statements may take this long. The limit is that of a transaction, so it ends with
/// it, however that ends.
async fn carry_out_within(
    timeout: Duration,
    connection: &mut PgConnection,
    operation: &Operation,
) -> Result<Answer, Error> {
    let mut transaction = connection.begin().await?;
    let limit = format!("set local statement_timeout = {}", timeout.as_millis().clamp(1, 1_000_000_000));
    sqlx::raw_sql(sqlx::AssertSqlSafe(limit)).execute(&mut *transaction).await?;
    let answer = carry_out(&mut transaction, operation).await?;
    transaction.commit().await?;
    Ok(answer)
}

/// Carries out an operation. What it can't do is an answer; what the database can't do is an error.
#[expect(clippy::too_many_lines, reason = "a list of operations with their statements")]
async fn carry_out(connection: &mut PgConnection, operation: &Operation) -> Result<Answer, Error> {
    Ok(match operation {
        Operation::Get { key } => {
            let text = "select value from agi_rhai_value where key = $1 \
                        and (expires is null or expires > extract(epoch from clock_timestamp()))";
            let value: Option<String> =
                sqlx::query_scalar(text).bind(key.as_bytes()).fetch_optional(&mut *connection).await?;
            value.map_or(Ok(Value::Null), |text| parse(key, &text))
        }
        Operation::Put { key, value, expires } => {
            let text = "insert into agi_rhai_value (key, value, expires) \
                        values ($1, $2, extract(epoch from clock_timestamp()) + $3) \
                        on conflict (key) do update set value = excluded.value, expires = excluded.expires";
            sqlx::query(text).bind(key.as_bytes()).bind(value).bind(expires).execute(&mut *connection).await?;
            if expires.is_some() {
                let text = "delete from agi_rhai_value where key in (select key from agi_rhai_value \
                            where expires <= extract(epoch from clock_timestamp()) limit $1 for update skip locked)";
                sqlx::query(text).bind(REMOVED_AT_ONCE).execute(&mut *connection).await?;
            }
            Ok(Value::Null)
        }
        Operation::Delete { key } => {
            sqlx::query("delete from agi_rhai_value where key = $1")
                .bind(key.as_bytes())
                .execute(&mut *connection)
                .await?;
            Ok(Value::Null)
        }
        Operation::Keys { prefix } => {
            let text = "select key from agi_rhai_value where key >= $1 and ($2::bytea is null or key < $2) \
                        and (expires is null or expires > extract(epoch from clock_timestamp())) order by key limit $3";
            let query = sqlx::query_scalar(text).bind(prefix.as_bytes()).bind(behind(prefix).map(String::into_bytes));
            let limit = i64::try_from(MAX_KEYS + 1).unwrap_or(i64::MAX);
            let keys: Vec<Vec<u8>> = query.bind(limit).fetch_all(&mut *connection).await?;
            listed(keys.into_iter().map(string).collect(), prefix)
        }
        Operation::Add { key, n } => add(connection, key, n).await?,
        Operation::BoardPut { board, name, score } => {
            // What replaces a lower score is behind those who had the new one before.
            let text = "insert into agi_rhai_board (board, name, score, is_whole, entry) \
                        values ($1, $2, $3, $4, nextval('agi_rhai_entry')) on conflict (board, name) do update \
                        set score = excluded.score, is_whole = excluded.is_whole, entry = excluded.entry \
                        where agi_rhai_board.score < excluded.score";
            let query = sqlx::query(text).bind(board.as_bytes()).bind(name.as_bytes());
            query.bind(score.value).bind(score.is_whole).execute(&mut *connection).await?;
            Ok(Value::Null)
        }
        Operation::BoardTop { board, n } => {
            let text = "select name, score, is_whole from agi_rhai_board where board = $1 \
                        order by score desc, entry limit $2";
            let rows = sqlx::query(text).bind(board.as_bytes()).bind(i64::from(*n)).fetch_all(&mut *connection).await?;
            let entry = |row: &PgRow| {
                let score = Score { value: row.try_get(1)?, is_whole: row.try_get(2)? };
                Ok((string(row.try_get(0)?), score))
            };
            let scores: Result<Vec<_>, Error> = rows.iter().map(entry).collect();
            Ok(ranked(scores?))
        }
        Operation::BoardRank { board, name } => {
            let text = "select 1 + (select count(*) from agi_rhai_board other where other.board = own.board \
                        and other.score > own.score) from agi_rhai_board own where own.board = $1 and own.name = $2";
            let query = sqlx::query_scalar(text).bind(board.as_bytes()).bind(name.as_bytes());
            let rank: Option<i64> = query.fetch_optional(&mut *connection).await?;
            Ok(rank.into())
        }
        Operation::AddJob(job) => {
            let text = "insert into agi_rhai_job (kind, subject, content, created, due) \
                        select $1, $2, $3, now, now + $4 from extract(epoch from clock_timestamp()) now returning id";
            let query = sqlx::query_scalar(text).bind(&job.kind).bind(&job.subject).bind(job.content.to_string());
            let id: i64 = query.bind(job.delay.as_secs_f64()).fetch_one(&mut *connection).await?;
            Ok(id.into())
        }
        Operation::DueJobs { skip } => {
            // Who looks for one needs no content, and a mail's is large.
            let text = "select id, kind, subject, 'null' as content, created, due, attempts, error, owner \
                        from agi_rhai_job, extract(epoch from clock_timestamp()) now \
                        where due <= now and (owner is null or until <= now) \
                        order by due, id limit $1 offset $2";
            let rows =
                sqlx::query(text).bind(i64::from(PAGE)).bind(i64::from(*skip)).fetch_all(&mut *connection).await?;
            rows.iter().map(job).collect::<Result<Answer, _>>()?
        }
        Operation::ClaimJob { id, owner, lease } => {
            // Who finds the job locked goes on to the next one.
            let text = "update agi_rhai_job set attempts = attempts + (case when owner is null then 0 else 1 end), \
                        error = case when owner is null then error \
                        else 'it did not end: ' || owner || ' was gone' end, \
                        owner = $1, until = extract(epoch from clock_timestamp()) + $2 where id = (\
                        select id from agi_rhai_job, extract(epoch from clock_timestamp()) now \
                        where id = $3 and due <= now and (owner is null or until <= now) for update skip locked) \
                        returning id, kind, subject, content, created, due, attempts, error, owner";
            let query = sqlx::query(text).bind(owner).bind(lease.as_secs_f64()).bind(number(*id));
            match query.fetch_optional(&mut *connection).await? {
                Some(row) => job(&row)?,
                None => Ok(Value::Null),
            }
        }
        Operation::RenewJob { id, owner, lease } => {
            let text = "update agi_rhai_job set until = extract(epoch from clock_timestamp()) + $1 \
                        where id = $2 and owner = $3";
            changed(connection, sqlx::query(text).bind(lease.as_secs_f64()).bind(number(*id)).bind(owner)).await?
        }
        Operation::FinishJob { id } | Operation::DropJob { id } => {
            changed(connection, sqlx::query("delete from agi_rhai_job where id = $1").bind(number(*id))).await?
        }
        Operation::RetryJob { id, owner, delay, error } => {
            let text = "update agi_rhai_job set owner = null, until = null, attempts = attempts + 1, error = $1, \
                        due = extract(epoch from clock_timestamp()) + $2 where id = $3 and owner = $4";
            let query = sqlx::query(text).bind(error).bind(delay.as_secs_f64()).bind(number(*id)).bind(owner);
            changed(connection, query).await?
        }
        Operation::Jobs => {
            let text = "select id, kind, subject, \
                        case when length(content) > 65536 then 'null' else content end as content, \
                        created, due, attempts, error, \
                        case when until > extract(epoch from clock_timestamp()) then owner end as owner \
                        from agi_rhai_job order by due, id";
            let rows = sqlx::query(text).fetch_all(&mut *connection).await?;
            rows.iter().map(job).collect::<Result<Answer, _>>()?
        }
        Operation::CountJobs => {
            let text = "select count(*) filter (where attempts = 0 and due <= now), \
                        count(*) filter (where attempts > 0 and due - created <= $1), \
                        count(*) filter (where due - created > $1), \
                        coalesce(max(case when attempts = 0 then now - due \
                                          when due - created <= $1 then now - created end), 0)::float8 \
                        from agi_rhai_job, extract(epoch from clock_timestamp()) now";
            let row = sqlx::query(text).bind(GIVEN_UP_AFTER).fetch_one(&mut *connection).await?;
            Ok(json!(JobCounts {
                waiting: row.try_get::<i64, _>(0)?.unsigned_abs(),
                failing: row.try_get::<i64, _>(1)?.unsigned_abs(),
                given_up: row.try_get::<i64, _>(2)?.unsigned_abs(),
                oldest: row.try_get::<f64, _>(3)?.max(0.0),
            }))
        }
        Operation::PutOffJob { id, delay } => {
            let text = "update agi_rhai_job set due = extract(epoch from clock_timestamp()) + $1 \
                        where id = $2 and owner is null";
            changed(connection, sqlx::query(text).bind(delay.as_secs_f64()).bind(number(*id))).await?
        }
        Operation::HurryJob { id } => {
            let text = "update agi_rhai_job set due = least(due, extract(epoch from clock_timestamp())) where id = $1";
            changed(connection, sqlx::query(text).bind(number(*id))).await?
        }
    })
}

/// Runs a statement. Returns whether it has changed anything.
async fn changed(
    connection: &mut PgConnection,
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
) -> Result<Answer, Error> {
    Ok(Ok(Value::Bool(query.execute(&mut *connection).await?.rows_affected() > 0)))
}

async fn add(connection: &mut PgConnection, key: &str, n: &Number) -> Result<Answer, Error> {
    let mut transaction = connection.begin().await?;
    let connection: &mut PgConnection = &mut transaction;
    loop {
        let text = "insert into agi_rhai_value (key, value) values ($1, $2) on conflict (key) do update \
                    set value = excluded.value, expires = null \
                    where agi_rhai_value.expires <= extract(epoch from clock_timestamp())";
        let query = sqlx::query(text).bind(key.as_bytes()).bind(n.to_string());
        if query.execute(&mut *connection).await?.rows_affected() > 0 {
            transaction.commit().await?;
            return Ok(Ok(Value::Number(n.clone())));
        }
        let text = "select value from agi_rhai_value where key = $1 for update";
        let query = sqlx::query_scalar::<_, String>(text).bind(key.as_bytes());
        // It was there; if somebody has deleted it since, the next attempt inserts it.
        let Some(value) = query.fetch_optional(&mut *connection).await? else { continue };
        let sum = match sum(key, &value, n) {
            Ok(sum) => sum,
            Err(failure) => return Ok(Err(failure)),
        };
        let text = "update agi_rhai_value set value = $1 where key = $2";
        sqlx::query(text).bind(sum.to_string()).bind(key.as_bytes()).execute(connection).await?;
        transaction.commit().await?;
        return Ok(Ok(Value::Number(sum)));
    }
}

fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
