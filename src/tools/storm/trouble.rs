//! What may be wrong with a service in a call of a storm.

use crate::service::Kind;
use crate::service::settings::TIMEOUT;
use crate::tools::testing::{LISTENING, empty, engine, too_slow, unreachable};
use crate::transport::{Answer, Request, SimulatedEngine};
use serde_json::{Value, json};
use std::time::Duration;

/// What is wrong with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It can't be reached.
    Down,
    /// It takes longer than anybody waits.
    Slow,
    /// It takes nearly as long as the script waits, and answers.
    Late,
    /// It has nothing: no rows, an empty body.
    Empty,
    /// It fails: a status of 500, an error of a program.
    Fails,
    /// It answers something else: not JSON, none of the names.
    Foreign,
    /// Values have other types.
    Types,
    /// Values are null.
    Nulls,
    /// Numbers are huge, and texts empty.
    Extremes,
}

impl Trouble {
    /// The troubles that every service may have, and those with answers.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Slow,
        Self::Late,
        Self::Empty,
        Self::Fails,
        Self::Foreign,
        Self::Types,
        Self::Nulls,
        Self::Extremes,
    ];

    /// Returns the troubles that a service may have, by its name in tests. An engine that listens gives no answers that
    /// could be others: what it mishears is the caller's to say.
    pub fn of(service: &str) -> &'static [Self] {
        if service == LISTENING { &[Self::Down, Self::Slow, Self::Late] } else { &Self::ALL }
    }

    /// Returns what becomes of an engine that is to listen.
    pub fn befalls_engine(self, request: &Request) -> SimulatedEngine {
        match self {
            Self::Down => engine(request, Duration::ZERO, Some(unreachable(request))),
            _ => engine(request, self.slow().unwrap_or_default(), None),
        }
    }

    /// How long the service takes, if the trouble is about that; what a test sets with `service_is_slow`.
    pub fn slow(self) -> Option<Duration> {
        match self {
            Self::Slow => Some(Duration::from_secs(3600)),
            Self::Late => Some(Duration::from_millis(1900)),
            _ => None,
        }
    }

    /// Whether a test sets it by itself, without answers.
    pub const fn is_without_answer(self) -> bool {
        matches!(self, Self::Down | Self::Slow)
    }

    /// Returns what becomes of an answer, and after which time.
    pub fn befalls(self, request: &Request, answer: Answer) -> (Duration, Answer) {
        let deadline = request.timeout.unwrap_or(TIMEOUT);
        match self {
            Self::Down => (Duration::ZERO, Err(unreachable(request))),
            Self::Slow | Self::Late => match self.slow() {
                Some(length) if length < deadline => (length, answer),
                _ => (deadline, Err(too_slow(deadline))),
            },
            _ => (Duration::ZERO, answer.map(|answer| self.changed(request, answer))),
        }
    }

    fn changed(self, request: &Request, answer: Value) -> Value {
        let http = |status: i64, body: Value| {
            let headers = answer.get("headers").cloned().unwrap_or_else(|| json!({}));
            json!({ "status": status, "ok": status < 400, "headers": headers, "body": body })
        };
        match (Kind::of(&request.function), self) {
            (Ok(Kind::Http | Kind::Sql | Kind::Program), Self::Empty) => empty(request),
            (Ok(Kind::Http), Self::Fails) => http(500, "Internal Server Error".into()),
            (Ok(Kind::Http), Self::Foreign) => http(200, "<html>not what you expect</html>".into()),
            (Ok(Kind::Http), _) => {
                let body = answer.get("body").cloned().unwrap_or_default();
                let status = answer.get("status").and_then(Value::as_i64).unwrap_or(200);
                http(status, self.other(body))
            }
            // A column keeps its type.
            (Ok(Kind::Sql), Self::Fails | Self::Foreign | Self::Types) => answer,
            // How many rows were changed.
            (Ok(Kind::Sql), _) if request.function == "sql_run" => match self {
                Self::Extremes => 1_000_000_000.into(),
                _ => 0.into(),
            },
            (Ok(Kind::Sql), _) => self.other(answer),
            (Ok(Kind::Program), Self::Fails) => json!({ "status": 1, "output": "", "error": "it failed" }),
            (Ok(Kind::Program), Self::Foreign) => {
                json!({ "status": 0, "output": "usage: not what you expect\n", "error": "" })
            }
            _ => answer,
        }
    }

    /// Returns a value of the same shape with other values in it.
    fn other(self, value: Value) -> Value {
        match (self, value) {
            (_, Value::Array(items)) => items.into_iter().map(|item| self.other(item)).collect(),
            (_, Value::Object(members)) => {
                Value::Object(members.into_iter().map(|(name, member)| (name, self.other(member))).collect())
            }
            (Self::Nulls, _) => Value::Null,
            (Self::Types, Value::String(_)) => 42.into(),
            (Self::Types, Value::Number(_)) => "many".into(),
            (Self::Types, Value::Bool(_)) => "yes".into(),
            (Self::Extremes, Value::Number(_)) => 999_999_999_999_999_999_i64.into(),
            (Self::Extremes, Value::String(_)) => "".into(),
            (_, value) => value,
        }
    }
}
