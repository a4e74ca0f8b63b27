//! What a script asks of a service, and what comes back, as data: recordings hold it, and tests answer it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// What a script asks of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// The function of the script, such as `http_get`.
    pub function: String,
    /// The name of the service, as the operator gave it; empty for functions that need none, such as `store_get`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// The arguments of the function, by the names of its parameters. Those that were left out are missing.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// How long the script waits at most; `None` if it leaves that to the service.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub timeout: Option<Duration>,
}

impl Request {
    /// Creates a request without arguments.
    pub fn new(function: impl Into<String>, service: impl Into<String>) -> Self {
        Self { function: function.into(), service: service.into(), arguments: Map::new(), timeout: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }

    /// Returns an argument; null if there is none.
    #[must_use]
    pub fn argument(&self, name: &str) -> &Value {
        self.arguments.get(name).unwrap_or(&Value::Null)
    }

    /// Returns an argument that is a text; an empty one if it isn't.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.argument(name).as_str().unwrap_or_default()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.arguments.iter().map(|(name, value)| format!("{name}: {value}"));
        let service = (!self.service.is_empty()).then(|| Value::from(self.service.as_str()).to_string());
        let timeout = self.timeout.map(|timeout| format!("timeout: {}", timeout.as_secs_f64()));
        let parts: Vec<String> = service.into_iter().chain(named).chain(timeout).collect();
        write!(f, "{}({})", self.function, parts.join(", "))
    }
}

/// What a service answered: the value that the function returns, or why there is none.
pub type Answer = Result<Value, Failure>;

/// Why a service gave no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The kind, by which a script decides what to do.
    pub kind: FailureKind,
    /// What is wrong, with what was asked and the deadline; never with a secret of the operator. It doesn't name the
    /// function, which is put before it.
    pub message: String,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FailureKind {
    /// Nothing was sent: there is no such service, or it may not be asked that.
    Argument,
    /// The service wasn't reached, was too slow, or broke off.
    Unavailable,
    /// The service answered, but not as asked.
    Failed,
}

impl FailureKind {
    /// Returns the word that a script sees in `kind`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }
}

impl Failure {
    /// Creates the failure of a request that wasn't sent.
    pub fn argument(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Argument, message: message.into() }
    }

    /// Creates the failure of a service that wasn't reached or was too slow.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unavailable, message: message.into() }
    }

    /// Creates the failure of a service that didn't do what was asked.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Failed, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Writes a duration as a number of seconds.
#[expect(clippy::ref_option, reason = "the form that Serde asks for")]
mod seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(length: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        length.map(|length| length.as_secs_f64()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)).transpose()
    }
}
