//! PostgreSQL.
//!
//! It infers the type of each value from the statement. Values are sent as text and become that type on the server, by
//! the same rules as a literal: so `:number` fits a column of integers, of texts, of dates and of whatever an extension
//! adds. Rows come in the binary format, since the client offers no other for statements with values.

use super::database::{Base, Driver, Step};
use super::failures::Cause;
use super::names::{Dialect, Statement};
use super::values::{Sent, date, float, single, text, time};
use crate::sync::lock;
use futures_util::stream::BoxStream;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::encode::IsNull;
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgTypeInfo, PgTypeKind,
    Postgres,
};
use sqlx::{
    Arguments, AssertSqlSafe, Encode, Error, Executor, Pool, Row, SqlSafeStr, Statement as _, Type, TypeInfo, ValueRef,
};
use std::collections::HashMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::debug;

/// The seconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800;
/// How many statements are kept with what was learned about them.
const MAX_KNOWN: usize = 1000;

/// What was learned about statements, by their texts.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, Arc<Plan>>>);

/// How a statement is sent.
#[derive(Debug)]
struct Plan {
    sql: String,
    /// Whether each occurrence of a name is a value of its own.
    is_by_occurrence: bool,
}

/// A value as text, whose type the server infers.
struct Untyped<'a>(Option<&'a str>);

impl Type<Postgres> for Untyped<'_> {
    fn type_info() -> PgTypeInfo {
        // `unknown`, the type of a literal.
        PgTypeInfo::with_oid(Oid(705))
    }
}

impl Encode<'_, Postgres> for Untyped<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(text) = self.0 else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }
}

impl Driver for Postgres {
    const DIALECT: Dialect = Dialect::Postgres;
    type Known = Known;
    type Cancel = ();

    fn pool(_: &PgConnectOptions, read_only: bool) -> PoolOptions<Self> {
        let pool = PoolOptions::<Self>::new().after_connect(|connection, _| Box::pin(set_up(connection)));
        if !read_only {
            return pool;
        }
        // A function called by an earlier statement may have switched it off. Asking for it tests the connection too.
        pool.test_before_acquire(false).before_acquire(|connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql("set default_transaction_read_only = on")).await?;
                Ok(true)
            })
        })
    }

    async fn acquire(pool: &Pool<Self>, _: Duration) -> Result<(PoolConnection<Self>, ()), Error> {
        Ok((pool.acquire().await?, ()))
    }

    async fn statement(
        known: &Known,
        connection: &mut PgConnection,
        text: &str,
        statement: &Statement<'_>,
        values: &[Sent<'_>],
    ) -> Result<(String, PgArguments), Error> {
        if values.is_empty() {
            return Ok((statement.rendered(), PgArguments::default()));
        }
        let plan = known.plan(connection, text, statement).await?;
        let names = statement.names();
        let places = if plan.is_by_occurrence { statement.occurrences() } else { &names };
        let mut arguments = PgArguments::default();
        for name in places {
            let value = names.iter().position(|other| other == name).and_then(|at| values.get(at));
            let text = value.and_then(Sent::text);
            arguments.add(Untyped(text.as_deref())).map_err(Error::Encode)?;
        }
        Ok((plan.sql.clone(), arguments))
    }

    fn run(connection: &mut PgConnection, sql: String, arguments: PgArguments) -> BoxStream<'_, Step<Self>> {
        connection.fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments))
    }

    fn is_outdated(known: &Known, text: &str, error: &Error) -> bool {
        let Error::Database(error) = error else { return false };
        let code = error.code().unwrap_or_default();
        // A column has another type now, or a prepared statement gives other columns.
        let is_outdated = match &*code {
            "0A000" => error.message().contains("cached plan"),
            "42883" | "42804" | "42704" => true,
            _ => false,
        };
        is_outdated && (lock(&known.0).remove(text).is_some() || code == "0A000")
    }

    fn value(row: &PgRow, column: usize) -> Result<Value, String> {
        let raw = row.try_get_raw(column).map_err(|error| error.to_string())?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let bytes = raw.as_bytes().map_err(|error| error.to_string())?;
        value(&raw.type_info(), bytes)
    }

    fn changed(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }

    fn cause(error: &dyn DatabaseError) -> Cause {
        let code = error.code().unwrap_or_default();
        match code.get(..2) {
            // The connection, the server's resources, an operator or a limit of time that ended it, an internal error.
            Some("08" | "53" | "57" | "58") => Cause::Database,
            Some("28") => Cause::Login,
            _ => Cause::Statement,
        }
    }

    fn abandon(connection: PoolConnection<Self>, (): (), _: Arc<Base<Self>>) {
        // The server notices that the other end is gone (see `set_up`), and ends the statement.
        drop(connection.detach());
    }
}

/// Sets a new connection up.
async fn set_up(connection: &mut PgConnection) -> Result<(), Error> {
    // A day is the day that the script sees, on this machine. Otherwise it would be that of UTC.
    let zone = TimeZone::system().iana_name().unwrap_or("UTC").replace('\'', "''");
    let zone = format!("set timezone to '{zone}'");
    // A statement whose other end is gone ends soon, instead of running on. Servers before PostgreSQL 14 can't do it.
    let check = "set client_connection_check_interval to 200".to_owned();
    for set in [zone, check] {
        match connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await {
            Err(Error::Database(error)) => debug!(%error, "a setting of PostgreSQL"),
            done => {
                done?;
            }
        }
    }
    Ok(())
}

impl Known {
    /// Returns how a statement is sent. The first time, the server is asked for the types of its values.
    async fn plan(
        &self,
        connection: &mut PgConnection,
        text: &str,
        statement: &Statement<'_>,
    ) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = lock(&self.0).get(text) {
            return Ok(Arc::clone(plan));
        }
        let is_repeated = statement.occurrences().len() > statement.names().len();
        let mut is_by_occurrence = false;
        let mut typeless = Vec::new();
        let prepared = loop {
            let sql = statement.render(|text, occurrence, number| {
                let at = if is_by_occurrence { occurrence } else { number };
                let cast = if typeless.contains(&at) { "::text" } else { "" };
                let _ = write!(text, "${}{cast}", at + 1);
            });
            let error = match connection.prepare(AssertSqlSafe(sql).into_sql_str()).await {
                Ok(prepared) => break prepared,
                Err(Error::Database(error)) => error,
                Err(error) => return Err(error),
            };
            match (error.code().as_deref(), number_in(error.message())) {
                // One name may stand where different types are: each place becomes a value of its own.
                (Some("42P08" | "42883" | "42804"), _) if !is_by_occurrence && is_repeated => {
                    is_by_occurrence = true;
                    typeless.clear();
                }
                // Nothing says what type it is. A literal would be a text there.
                (Some("42P18"), Some(number)) if !typeless.contains(&number.wrapping_sub(1)) => {
                    typeless.push(number.wrapping_sub(1));
                }
                _ => return Err(Error::Database(error)),
            }
        };
        let types: Vec<Option<String>> = match prepared.parameters() {
            Some(sqlx::Either::Left(types)) => types.iter().map(cast).collect(),
            _ => Vec::new(),
        };
        let sql = statement.render(|text, occurrence, number| {
            let at = if is_by_occurrence { occurrence } else { number };
            let _ = match types.get(at).and_then(Option::as_ref) {
                _ if typeless.contains(&at) => write!(text, "${}::text", at + 1),
                Some(cast) => write!(text, "(${}::text::{cast})", at + 1),
                None => write!(text, "${}", at + 1),
            };
        });
        let plan = Arc::new(Plan { sql, is_by_occurrence });
        let mut plans = lock(&self.0);
        if plans.len() >= MAX_KNOWN {
            plans.clear();
        }
        plans.insert(text.to_owned(), Arc::clone(&plan));
        Ok(plan)
    }
}

/// Returns the number of the value that a message is about, such as `$3`.
fn number_in(message: &str) -> Option<usize> {
    let (_, rest) = message.rsplit_once('$')?;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// Returns the type to which a text must be cast; `None` if it has the form of a text already.
fn cast(kind: &PgTypeInfo) -> Option<String> {
    if is_text(kind) {
        return None;
    }
    // Without a length, `char` and `bit` would cut to one.
    Some(match kind.name() {
        "CHAR[]" => "bpchar[]".to_owned(),
        "BIT" => "varbit".to_owned(),
        "BIT[]" => "varbit[]".to_owned(),
        name => name.to_owned(),
    })
}

/// Whether the binary format of a type is its text.
fn is_text(kind: &PgTypeInfo) -> bool {
    let oid = kind.oid().map_or(0, |Oid(oid)| oid);
    // name, text, bpchar, varchar, unknown
    matches!(oid, 19 | 25 | 1042 | 1043 | 705) || kind.name() == "citext"
}

/// Reads an integer of big-endian bytes.
fn integer(bytes: &[u8]) -> i64 {
    let start = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().take(8).fold(start, |number, byte| number << 8 | i64::from(*byte))
}

/// Takes so many bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    bytes.split_off(..count).ok_or_else(|| "it is shorter than its type".to_owned())
}

/// Reads a value of a type.
fn value(kind: &PgTypeInfo, bytes: &[u8]) -> Result<Value, String> {
    let mut rest = bytes;
    let oid = kind.oid().map_or(0, |Oid(oid)| oid);
    Ok(match oid {
        16 => (bytes == [1]).into(),
        20 | 21 | 23 => integer(bytes).into(),
        // oid, xid
        26 | 28 => (integer(bytes) & 0xffff_ffff).into(),
        700 => single(f32::from_be_bytes(take(&mut rest, 4)?.try_into().unwrap_or_default())),
        701 => float(f64::from_be_bytes(take(&mut rest, 8)?.try_into().unwrap_or_default())),
        1700 => numeric(rest)?.into(),
        114 => json(bytes)?,
        // Its first byte is a version.
        3802 => json(bytes.get(1..).unwrap_or_default())?,
        1082 => day(integer(bytes))?.into(),
        1083 => clock(integer(bytes)).into(),
        1266 => {
            let clock = clock(integer(take(&mut rest, 8)?));
            format!("{clock}{}", offset(-integer(rest))).into()
        }
        1114 => moment(integer(bytes), None)?.into(),
        1184 => moment(integer(bytes), Some(&TimeZone::system()))?.into(),
        1186 => interval(rest)?.into(),
        2950 => uuid(bytes).into(),
        829 | 774 => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":").into(),
        869 | 650 => address(bytes)?.into(),
        1560 | 1562 => bits(rest)?.into(),
        // void
        2278 => Value::Null,
        // bytea
        17 => text(bytes).map_err(|why| format!("{why}: write `encode(..., 'base64')` in the query"))?,
        // "char", xml, refcursor
        18 | 142 | 1790 => text(bytes)?,
        _ if is_text(kind) => text(bytes)?,
        _ => return other(kind, bytes),
    })
}

/// Reads a value of a type that somebody has made.
fn other(kind: &PgTypeInfo, bytes: &[u8]) -> Result<Value, String> {
    match kind.kind() {
        PgTypeKind::Enum(_) => text(bytes),
        PgTypeKind::Domain(base) => value(base, bytes),
        PgTypeKind::Array(element) => array(element, bytes),
        _ => Err(format!("its type is {}: write `::text` behind it in the query", kind.name())),
    }
}

/// Reads an array, which has a length for each of its dimensions, as arrays in arrays.
fn array(element: &PgTypeInfo, mut bytes: &[u8]) -> Result<Value, String> {
    let dimensions = integer(take(&mut bytes, 4)?);
    take(&mut bytes, 8)?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(integer(take(&mut bytes, 4)?));
        take(&mut bytes, 4)?;
    }
    if lengths.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    items(element, &lengths, &mut bytes)
}

fn items(element: &PgTypeInfo, lengths: &[i64], bytes: &mut &[u8]) -> Result<Value, String> {
    let Some((length, inner)) = lengths.split_first() else {
        let size = integer(take(bytes, 4)?);
        return match usize::try_from(size) {
            Ok(size) => value(element, take(bytes, size)?),
            Err(_) => Ok(Value::Null),
        };
    };
    (0..*length).map(|_| items(element, inner, bytes)).collect::<Result<_, _>>().map(Value::Array)
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Writes a number of any size as it is: groups of four digits, with the weight of the first group.
fn numeric(mut bytes: &[u8]) -> Result<String, String> {
    let mut word = || take(&mut bytes, 2).map(integer);
    let (count, weight, sign, scale) = (word()?, word()?, word()? & 0xffff, word()?);
    let sign = match sign {
        0x0000 => "",
        0x4000 => "-",
        0xc000 => return Ok("NaN".to_owned()),
        0xd000 => return Ok("Infinity".to_owned()),
        _ => return Ok("-Infinity".to_owned()),
    };
    let digits = (0..count).map(|_| word()).collect::<Result<Vec<_>, _>>()?;
    let group = |at: i64| usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut text = sign.to_owned();
    if weight < 0 {
        text.push('0');
    }
    for at in 0..=weight {
        let _ = if at == 0 { write!(text, "{}", group(at)) } else { write!(text, "{:04}", group(at)) };
    }
    if scale > 0 {
        let fraction: String = (1..=(scale + 3) / 4).map(|at| format!("{:04}", group(weight + at))).collect();
        text.push('.');
        text.push_str(fraction.get(..usize::try_from(scale).unwrap_or(0)).unwrap_or(&fraction));
    }
    Ok(text)
}

/// Writes a date, of which the number of days since 2000 is given.
fn day(days: i64) -> Result<String, String> {
    match days {
        2_147_483_647 => return Ok("infinity".to_owned()),
        -2_147_483_648 => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let moment = instant(days.saturating_mul(86_400_000_000))?.to_zoned(TimeZone::UTC);
    Ok(on(moment.date()))
}

fn on(day: jiff::civil::Date) -> String {
    date(day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
}

/// Writes a time of day, of which the microseconds are given.
fn clock(micros: i64) -> String {
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    time(seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000)
}

/// Writes a moment, of which the microseconds since 2000 are given: on the clock that the column means, or on that of a
/// time zone, with its offset.
fn moment(micros: i64, zone: Option<&TimeZone>) -> Result<String, String> {
    match micros {
        i64::MAX => return Ok("infinity".to_owned()),
        i64::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let shown = instant(micros)?.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC));
    let micros = shown.subsec_nanosecond().unsigned_abs() / 1000;
    let part = |part: i8| u64::from(part.unsigned_abs());
    let clock = time(part(shown.hour()), part(shown.minute()), part(shown.second()), micros.into());
    let offset = zone.map(|_| offset(shown.offset().seconds().into())).unwrap_or_default();
    Ok(format!("{} {clock}{offset}", on(shown.date())))
}

fn instant(micros: i64) -> Result<Timestamp, String> {
    let outside = |_| "it is outside the years that can be written: add `::text` in the query".to_owned();
    let start = Timestamp::from_second(EPOCH).map_err(outside)?;
    start.checked_add(SignedDuration::from_micros(micros)).map_err(outside)
}

/// Writes an offset from UTC: `+01:00`.
fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let rest = if seconds.is_multiple_of(60) { String::new() } else { format!(":{:02}", seconds % 60) };
    format!("{sign}{:02}:{:02}{rest}", seconds / 3600, seconds / 60 % 60)
}

/// Writes a length of time as ISO 8601 does: `P1Y2M3DT4H5M6.5S`. PostgreSQL keeps months, days and microseconds apart.
fn interval(mut bytes: &[u8]) -> Result<String, String> {
    let (micros, days, months) =
        (integer(take(&mut bytes, 8)?), integer(take(&mut bytes, 4)?), integer(take(&mut bytes, 4)?));
    let mut text = "P".to_owned();
    for (number, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if number != 0 {
            let _ = write!(text, "{number}{unit}");
        }
    }
    let (hours, minutes, rest) = (micros / 3_600_000_000, micros / 60_000_000 % 60, micros % 60_000_000);
    if micros != 0 || text.len() == 1 {
        text.push('T');
    }
    for (number, unit) in [(hours, 'H'), (minutes, 'M')] {
        if number != 0 {
            let _ = write!(text, "{number}{unit}");
        }
    }
    if rest != 0 || text.len() == 2 {
        let sign = if rest < 0 { "-" } else { "" };
        let (whole, part) = (rest.unsigned_abs() / 1_000_000, rest.unsigned_abs() % 1_000_000);
        let part = if part == 0 { String::new() } else { format!(".{part:06}") };
        let _ = write!(text, "{sign}{whole}{}S", part.trim_end_matches('0'));
    }
    Ok(text)
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Writes an address or a network: the family, the bits of the network, whether it is one, the length, the bytes.
fn address(bytes: &[u8]) -> Result<String, String> {
    let [_, bits, is_network, _, address @ ..] = bytes else { return Err("it is no address".to_owned()) };
    let (text, all) = if let Ok(four) = <[u8; 4]>::try_from(address) {
        (Ipv4Addr::from(four).to_string(), 32)
    } else if let Ok(six) = <[u8; 16]>::try_from(address) {
        (Ipv6Addr::from(six).to_string(), 128)
    } else {
        return Err("it is no address".to_owned());
    };
    Ok(if *bits == all && *is_network == 0 { text } else { format!("{text}/{bits}") })
}

fn bits(mut bytes: &[u8]) -> Result<String, String> {
    let count = usize::try_from(integer(take(&mut bytes, 4)?)).unwrap_or(0);
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    Ok((0..count).map(|at| if bit(at) { '1' } else { '0' }).collect())
}
