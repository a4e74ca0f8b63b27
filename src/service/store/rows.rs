//! Jobs in the rows of a database, whichever it is.

use super::job::{Job, NewJob};
use crate::transport::{Answer, Failure};
use serde_json::json;
use sqlx::{ColumnIndex, Decode, Error, Row, Type};
use std::time::Duration;

/// Reads a job. If its content is broken, that is the answer.
///
/// # Errors
/// The row isn't that of a job.
pub(super) fn job<R: Row>(row: &R) -> Result<Answer, Error>
where
    for<'n> &'n str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i32: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> f64: Decode<'r, R::Database> + Type<R::Database>,
{
    let content: String = row.try_get("content")?;
    let content = match serde_json::from_str(&content) {
        Ok(content) => content,
        Err(error) => return Ok(Err(Failure::failed(format!("a job is no JSON: {error}")))),
    };
    let id: i64 = row.try_get("id")?;
    let attempts: i32 = row.try_get("attempts")?;
    let new = NewJob { kind: row.try_get("kind")?, subject: row.try_get("subject")?, content, delay: Duration::ZERO };
    let job = Job {
        id: id.unsigned_abs(),
        new,
        created: row.try_get("created")?,
        due: row.try_get("due")?,
        attempts: attempts.unsigned_abs(),
        error: row.try_get("error")?,
        owner: row.try_get("owner")?,
    };
    Ok(Ok(json!(job)))
}

/// Returns the number of a job as databases take it. One that is too large is no job's.
pub(super) fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(-1)
}
