//! What is asked of a store, as data, with its limits.

use super::job::NewJob;
use crate::plural::plural;
use crate::transport::{Answer, Failure, Request};
use serde_json::{Number, Value};
use std::time::Duration;

/// The longest key, name of a board and name on a board, in bytes.
const MAX_KEY: usize = 1_024;
/// The longest value, in bytes of its JSON.
const MAX_VALUE: usize = 1024 * 1024;
/// The most keys that one request lists. More are refused, since a script would miss the others without a word.
pub(super) const MAX_KEYS: usize = 10_000;
/// The most entries of a board that one request lists.
const MAX_TOP: u32 = 1_000;
/// The longest time until a value expires, in seconds: a hundred years.
const MAX_EXPIRES: f64 = 100.0 * 365.25 * 86_400.0;
/// The largest score: up to here, floats tell all integers apart.
const MAX_SCORE: i64 = 1 << 53;

/// What is asked of a store.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Returns the value of a key, or null.
    Get { key: String },
    /// Sets a value, as the text of its JSON, for so many seconds or for good.
    Put { key: String, value: String, expires: Option<f64> },
    /// Removes a value.
    Delete { key: String },
    /// Lists keys in order.
    Keys { prefix: String },
    /// Adds to a number, and returns the sum.
    Add { key: String, n: Number },
    /// Keeps a score if it is the best of its name.
    BoardPut { board: String, name: String, score: Score },
    /// Lists the best scores; the earlier of two equal ones first.
    BoardTop { board: String, n: u32 },
    /// Returns a name's rank, or null.
    BoardRank { board: String, name: String },
    /// Writes a job down durably, and returns its number.
    AddJob(NewJob),
    /// Lists jobs that are due and that nobody runs, in order, behind the first ones. Their content may be left out.
    DueJobs { skip: u32 },
    /// Claims a job that is due. Returns it, or null if somebody else was faster.
    ClaimJob { id: u64, owner: String, lease: Duration },
    /// Prolongs a lease. Returns whether the owner still had it.
    RenewJob { id: u64, owner: String, lease: Duration },
    /// Removes a job that has succeeded, durably.
    FinishJob { id: u64 },
    /// Gives back a job that has failed, if the owner still has it.
    RetryJob { id: u64, owner: String, delay: Duration, error: String },
    /// Lists all jobs. A content that is large may be left out.
    Jobs,
    /// Counts the jobs that are left.
    CountJobs,
    /// Removes a job. Returns whether there was one.
    DropJob { id: u64 },
    /// Makes a job due after this time, unless somebody runs it. Returns whether it did.
    PutOffJob { id: u64, delay: Duration },
    /// Makes a job due. Returns whether there is one.
    HurryJob { id: u64 },
}

/// How many jobs one page of those that are due holds.
pub(super) const PAGE: u32 = 50;

/// A score: an integer or a float, which is compared as a float, exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    pub value: f64,
    pub is_whole: bool,
}

impl Operation {
    /// Reads a request of a script.
    pub fn of(request: &Request) -> Result<Self, Failure> {
        let text = |name| text_of(request, name);
        Ok(match request.function.as_str() {
            "store_get" => Self::Get { key: text("key")? },
            "store_put" => Self::Put { key: text("key")?, value: value_of(request)?, expires: expires_of(request)? },
            "store_del" => Self::Delete { key: text("key")? },
            "store_keys" => Self::Keys { prefix: text("prefix")? },
            "store_add" => {
                let n = request.argument("n");
                let wrong = || Failure::argument(format!("it adds numbers, not {}", quoted(n)));
                Self::Add { key: text("key")?, n: n.as_number().ok_or_else(wrong)?.clone() }
            }
            "board_put" => Self::BoardPut { board: text("board")?, name: text("name")?, score: Score::of(request)? },
            "board_top" => {
                let n = request.argument("n").as_i64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= MAX_TOP);
                let wrong = || Failure::argument(format!("it lists the best 0 to {MAX_TOP}"));
                Self::BoardTop { board: text("board")?, n: n.ok_or_else(wrong)? }
            }
            "board_rank" => Self::BoardRank { board: text("board")?, name: text("name")? },
            function => return Err(Failure::argument(format!("a store has no `{function}`"))),
        })
    }

    /// Whether it only reads.
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::Get { .. }
                | Self::Keys { .. }
                | Self::BoardTop { .. }
                | Self::BoardRank { .. }
                | Self::DueJobs { .. }
                | Self::Jobs
                | Self::CountJobs
        )
    }

    /// Whether it has to survive a loss of power once it was answered. A job that was written down must run, and one
    /// that has succeeded must not run again.
    pub const fn is_durable(&self) -> bool {
        matches!(self, Self::AddJob(_) | Self::FinishJob { .. } | Self::DropJob { .. })
    }
}

impl Score {
    fn of(request: &Request) -> Result<Self, Failure> {
        let score = request.argument("score");
        let (value, is_whole) = match (score.as_i64(), score.as_f64()) {
            (Some(whole), Some(value)) if whole.unsigned_abs() <= MAX_SCORE.unsigned_abs() => (value, true),
            (Some(_), _) => {
                return Err(Failure::argument(format!("the score {score} is beyond {MAX_SCORE}")));
            }
            // Adding zero makes -0.0 of one into 0.0, which databases order differently.
            (None, Some(value)) => (value + 0.0, false),
            (None, None) => return Err(Failure::argument(format!("a score is a number, not {}", quoted(score)))),
        };
        Ok(Self { value, is_whole })
    }

    /// Returns it as a script gave it.
    #[expect(clippy::cast_possible_truncation, reason = "`of` has checked the size of integers")]
    pub fn to_json(self) -> Value {
        if self.is_whole { Value::from(self.value as i64) } else { Value::from(self.value) }
    }
}

/// Returns the best scores as a script sees them, from names and scores in order.
pub(super) fn ranked(scores: impl IntoIterator<Item = (String, Score)>) -> Value {
    let mut last: Option<(f64, usize)> = None;
    let entry = |(at, (name, score)): (usize, (String, Score))| {
        let rank = last.filter(|(value, _)| value.total_cmp(&score.value).is_eq()).map_or(at + 1, |(_, rank)| rank);
        last = Some((score.value, rank));
        serde_json::json!({ "rank": rank, "name": name, "score": score.to_json() })
    };
    scores.into_iter().enumerate().map(entry).collect()
}

/// Returns the smallest text above all that begin with this one, in the order of bytes. There is none if the prefix is
/// empty, or has no character but the last one.
pub(super) fn behind(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let mut following = last..=char::MAX;
        following.next();
        if let Some(next) = following.next() {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Returns the answer to a list of keys.
pub(super) fn listed(mut keys: Vec<String>, prefix: &str) -> Answer {
    if keys.len() > MAX_KEYS {
        let what = format!("more than {MAX_KEYS} keys begin with {}", shown(prefix));
        return Err(Failure::failed(format!("{what}: ask for a longer prefix")));
    }
    keys.sort_unstable();
    Ok(keys.into())
}

/// Adds to the JSON of a value. Two integers make an integer.
pub(super) fn sum(key: &str, value: &str, n: &Number) -> Result<Number, Failure> {
    let number = serde_json::from_str::<Number>(value).map_err(|_| not_a_number(key))?;
    let sum = match (number.as_i64(), n.as_i64()) {
        (Some(number), Some(n)) => number.checked_add(n).map(Number::from),
        _ => number.as_f64().zip(n.as_f64()).and_then(|(number, n)| Number::from_f64(number + n)),
    };
    sum.ok_or_else(|| overflows(key, n))
}

/// The failure of adding to something else.
pub(super) fn not_a_number(key: &str) -> Failure {
    Failure::failed(format!("the value of {} is not a number, so nothing can be added to it", shown(key)))
}

/// The failure of a sum that is too large.
pub(super) fn overflows(key: &str, n: &Number) -> Failure {
    Failure::failed(format!("the value of {} and {n} are too large to be added", shown(key)))
}

/// Reads a value that a backend kept.
pub(super) fn parse(key: &str, value: &str) -> Answer {
    let wrong = |error| Failure::failed(format!("the value of {} is no JSON: {error}", shown(key)));
    serde_json::from_str(value).map_err(wrong)
}

/// Shows a key in a message: on one line, and not too long.
fn shown(key: &str) -> String {
    let start: String = key.chars().take(60).collect();
    if start.len() < key.len() { format!("{start:?}...") } else { format!("{start:?}") }
}

/// Shows a value in a message.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Null => "()".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        other => other.to_string(),
    }
}

fn text_of(request: &Request, name: &str) -> Result<String, Failure> {
    let value = request.argument(name);
    let wrong = || Failure::argument(format!("the {name} has to be a text, not {}", quoted(value)));
    let text = value.as_str().ok_or_else(wrong)?;
    if text.len() > MAX_KEY {
        return Err(Failure::argument(format!("the {name} {} has more than {MAX_KEY} bytes", shown(text))));
    }
    Ok(text.to_owned())
}

fn value_of(request: &Request) -> Result<String, Failure> {
    let text = request.argument("value").to_string();
    if text.len() > MAX_VALUE {
        let what = format!("the value of {} takes {} as JSON", shown(request.text("key")), plural(text.len(), "byte"));
        return Err(Failure::argument(format!("{what}: the store takes up to {MAX_VALUE}")));
    }
    Ok(text)
}

fn expires_of(request: &Request) -> Result<Option<f64>, Failure> {
    match request.argument("expires") {
        Value::Null => Ok(None),
        value => match value.as_f64() {
            Some(seconds) if seconds > 0.0 => Ok(Some(seconds.clamp(0.001, MAX_EXPIRES))),
            _ => Err(Failure::argument(format!("`expires` takes seconds above 0, not {}", quoted(value)))),
        },
    }
}
