//! The operations in SQL.

use crate::clock::wall;
use crate::service::store::job::{GIVEN_UP_AFTER, JobCounts, NewJob};
use crate::service::store::operation::{MAX_KEYS, Operation, PAGE, Score, behind, listed, parse, ranked, sum};
use crate::service::store::rows::{job, number};
use crate::transport::Answer;
use serde_json::{Number, Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Error, Row};
use std::time::Duration;

/// How many expired values are removed whenever one is put that will expire, so that there are never many.
const REMOVED_AT_ONCE: i64 = 20;
/// Two integers up to this size have a sum that is an integer.
const SURELY_ADDED: i64 = i64::MAX / 2;

/// Carries out an operation. What it can't do is an answer; what the database can't do is an error.
pub(super) async fn run(connection: &mut SqliteConnection, operation: &Operation) -> Result<Answer, Error> {
    let now = wall().since_epoch().as_secs_f64();
    Ok(match operation {
        Operation::Get { key } => value(connection, key, now).await?.map_or(Ok(Value::Null), |text| parse(key, &text)),
        Operation::Put { key, value, expires } => {
            put(connection, key, value, expires.map(|seconds| now + seconds)).await?;
            if expires.is_some() {
                remove_expired(connection, now).await?;
            }
            Ok(Value::Null)
        }
        Operation::Delete { key } => {
            sqlx::query("delete from value where key = ?").bind(key).execute(connection).await?;
            Ok(Value::Null)
        }
        Operation::Keys { prefix } => keys(connection, prefix, now).await?,
        Operation::Add { key, n } => add(connection, key, n, now).await?,
        Operation::BoardPut { board, name, score } => board_put(connection, board, name, *score).await?,
        Operation::BoardTop { board, n } => {
            let text = "select name, score, is_whole from board where board = ? order by score desc, id limit ?";
            let rows = sqlx::query(text).bind(board).bind(n).fetch_all(connection).await?;
            let entry = |row: &SqliteRow| {
                let score = Score { value: row.try_get(1)?, is_whole: row.try_get(2)? };
                Ok((row.try_get(0)?, score))
            };
            let scores: Result<Vec<_>, Error> = rows.iter().map(entry).collect();
            Ok(ranked(scores?))
        }
        Operation::BoardRank { board, name } => {
            let text = "select 1 + (select count(*) from board other where other.board = own.board \
                        and other.score > own.score) from board own where own.board = ? and own.name = ?";
            let rank: Option<i64> = sqlx::query_scalar(text).bind(board).bind(name).fetch_optional(connection).await?;
            Ok(rank.into())
        }
        Operation::AddJob(job) => add_job(connection, job, now).await?,
        Operation::DueJobs { skip } => {
            // Who looks for one needs no content, and a mail's is large.
            let text = "select id, kind, subject, 'null' as content, created, due, attempts, error, owner from job \
                        where due <= ?1 and (owner is null or until <= ?1) order by due, id limit ?2 offset ?3";
            let rows = sqlx::query(text).bind(now).bind(PAGE).bind(skip).fetch_all(connection).await?;
            rows.iter().map(job).collect::<Result<Answer, _>>()?
        }
        Operation::ClaimJob { id, owner, lease } => claim_job(connection, *id, owner, *lease, now).await?,
        Operation::RenewJob { id, owner, lease } => {
            let text = "update job set until = ? where id = ? and owner = ?";
            let query = sqlx::query(text).bind(now + lease.as_secs_f64()).bind(number(*id)).bind(owner);
            Ok(Value::Bool(query.execute(connection).await?.rows_affected() > 0))
        }
        Operation::FinishJob { id } | Operation::DropJob { id } => {
            let query = sqlx::query("delete from job where id = ?").bind(number(*id));
            Ok(Value::Bool(query.execute(connection).await?.rows_affected() > 0))
        }
        Operation::RetryJob { id, owner, delay, error } => {
            let text = "update job set owner = null, until = null, attempts = attempts + 1, error = ?, due = ? \
                        where id = ? and owner = ?";
            let query = sqlx::query(text).bind(error).bind(now + delay.as_secs_f64()).bind(number(*id)).bind(owner);
            Ok(Value::Bool(query.execute(connection).await?.rows_affected() > 0))
        }
        Operation::Jobs => {
            let text = "select id, kind, subject, \
                        case when length(content) > 65536 then 'null' else content end as content, \
                        created, due, attempts, error, case when until > ? then owner end as owner \
                        from job order by due, id";
            let rows = sqlx::query(text).bind(now).fetch_all(connection).await?;
            rows.iter().map(job).collect::<Result<Answer, _>>()?
        }
        Operation::CountJobs => {
            let text = "select \
                        coalesce(sum(attempts = 0 and due <= ?1), 0), \
                        coalesce(sum(attempts > 0 and due - created <= ?2), 0), \
                        coalesce(sum(due - created > ?2), 0), \
                        coalesce(max(case when attempts = 0 then ?1 - due \
                                          when due - created <= ?2 then ?1 - created end), 0.0) from job";
            let row = sqlx::query(text).bind(now).bind(GIVEN_UP_AFTER).fetch_one(connection).await?;
            Ok(json!(JobCounts {
                waiting: row.try_get::<i64, _>(0)?.unsigned_abs(),
                failing: row.try_get::<i64, _>(1)?.unsigned_abs(),
                given_up: row.try_get::<i64, _>(2)?.unsigned_abs(),
                oldest: row.try_get::<f64, _>(3)?.max(0.0),
            }))
        }
        Operation::PutOffJob { id, delay } => {
            let query = sqlx::query("update job set due = ? where id = ? and owner is null");
            let query = query.bind(now + delay.as_secs_f64()).bind(number(*id));
            Ok(Value::Bool(query.execute(connection).await?.rows_affected() > 0))
        }
        Operation::HurryJob { id } => {
            let query = sqlx::query("update job set due = min(due, ?) where id = ?").bind(now).bind(number(*id));
            Ok(Value::Bool(query.execute(connection).await?.rows_affected() > 0))
        }
    })
}

/// Returns the text of a value that hasn't expired.
async fn value(connection: &mut SqliteConnection, key: &str, now: f64) -> Result<Option<String>, Error> {
    let text = "select value from value where key = ? and (expires is null or expires > ?)";
    sqlx::query_scalar(text).bind(key).bind(now).fetch_optional(connection).await
}

async fn put(connection: &mut SqliteConnection, key: &str, value: &str, expires: Option<f64>) -> Result<(), Error> {
    let text = "insert into value (key, value, expires) values (?, ?, ?) \
                on conflict (key) do update set value = excluded.value, expires = excluded.expires";
    sqlx::query(text).bind(key).bind(value).bind(expires).execute(connection).await.map(drop)
}

async fn remove_expired(connection: &mut SqliteConnection, now: f64) -> Result<(), Error> {
    let text = "delete from value where rowid in (select rowid from value where expires <= ? limit ?)";
    sqlx::query(text).bind(now).bind(REMOVED_AT_ONCE).execute(connection).await.map(drop)
}

async fn keys(connection: &mut SqliteConnection, prefix: &str, now: f64) -> Result<Answer, Error> {
    let text = "select key from value where key >= ?1 and (?2 is null or key < ?2) \
                and (expires is null or expires > ?3) order by key limit ?4";
    let query = sqlx::query_scalar(text).bind(prefix).bind(behind(prefix)).bind(now);
    let keys = query.bind(i64::try_from(MAX_KEYS + 1).unwrap_or(i64::MAX)).fetch_all(connection).await?;
    Ok(listed(keys, prefix))
}

async fn add(connection: &mut SqliteConnection, key: &str, n: &Number, now: f64) -> Result<Answer, Error> {
    // Most often, an integer is added to an integer. Then one statement is enough, and each costs as much as the rest.
    if let Some(n) = n.as_i64().filter(|n| (-SURELY_ADDED..=SURELY_ADDED).contains(n)) {
        let text = "update value set value = cast(value as integer) + ?2 where key = ?1 \
                    and (expires is null or expires > ?3) and cast(cast(value as integer) as text) = value \
                    and cast(value as integer) between -?4 and ?4 returning cast(value as integer)";
        let query = sqlx::query_scalar::<_, i64>(text).bind(key).bind(n).bind(now).bind(SURELY_ADDED);
        if let Some(sum) = query.fetch_optional(&mut *connection).await? {
            return Ok(Ok(sum.into()));
        }
    }
    let Some(text) = value(connection, key, now).await? else {
        put(connection, key, &n.to_string(), None).await?;
        return Ok(Ok(Value::Number(n.clone())));
    };
    let sum = match sum(key, &text, n) {
        Ok(sum) => sum,
        Err(failure) => return Ok(Err(failure)),
    };
    let query = sqlx::query("update value set value = ? where key = ?").bind(sum.to_string()).bind(key);
    query.execute(connection).await?;
    Ok(Ok(Value::Number(sum)))
}

async fn board_put(connection: &mut SqliteConnection, board: &str, name: &str, score: Score) -> Result<Answer, Error> {
    // What is replaced gets a new `id`: it is behind those who had that score before.
    let text = "replace into board (board, name, score, is_whole) select ?1, ?2, ?3, ?4 \
                where not exists (select 1 from board where board = ?1 and name = ?2 and score >= ?3)";
    let query = sqlx::query(text).bind(board).bind(name).bind(score.value).bind(score.is_whole);
    query.execute(connection).await?;
    Ok(Ok(Value::Null))
}

async fn add_job(connection: &mut SqliteConnection, job: &NewJob, now: f64) -> Result<Answer, Error> {
    let text = "insert into job (kind, subject, content, created, due) values (?, ?, ?, ?, ?)";
    let query = sqlx::query(text).bind(&job.kind).bind(&job.subject).bind(job.content.to_string());
    let added = query.bind(now).bind(now + job.delay.as_secs_f64()).execute(connection).await?;
    Ok(Ok(added.last_insert_rowid().into()))
}

async fn claim_job(
    connection: &mut SqliteConnection,
    id: u64,
    owner: &str,
    lease: Duration,
    now: f64,
) -> Result<Answer, Error> {
    let text = "update job set attempts = attempts + (owner is not null), \
                error = case when owner is null then error else 'it did not end: ' || owner || ' was gone' end, \
                owner = ?1, until = ?2 where id = ?3 and due <= ?4 and (owner is null or until <= ?4) \
                returning id, kind, subject, content, created, due, attempts, error, owner";
    let query = sqlx::query(text).bind(owner).bind(now + lease.as_secs_f64()).bind(number(id)).bind(now);
    let row = query.fetch_optional(connection).await?;
    Ok(match row {
        Some(row) => job(&row)?,
        None => Ok(Value::Null),
    })
}
