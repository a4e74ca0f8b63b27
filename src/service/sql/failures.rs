//! Why a database gave no value, in words for a script's author, without values and without the operator's secrets.

use super::values::Sent;
use crate::agi::printable;
use crate::service::tls;
use crate::transport::{Failure, FailureKind};
use sqlx::Error;
use sqlx::error::DatabaseError;

/// The most that is quoted of a database's message, in bytes.
const MAX_MESSAGE: usize = 500;

/// What became of a statement that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub failure: Failure,
    /// Whether the connection can be used further.
    pub can_go_on: bool,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { failure, can_go_on: true }
    }
}

/// The kind of an error that the database reports.
pub(super) type KindOf = fn(&dyn DatabaseError) -> Cause;

/// What an error that the database reports is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The statement.
    Statement,
    /// The database itself: it is full, ending, or too slow.
    Database,
    /// The user or the password.
    Login,
}

/// Explains the error of a statement.
pub(super) fn trouble(error: &Error, kind_of: KindOf, values: &[Sent<'_>]) -> Trouble {
    let failure = match error {
        Error::Database(error) => match kind_of(&**error) {
            Cause::Statement => Failure::failed(format!("the database says: {}", said(error.message(), values))),
            Cause::Database => Failure::unavailable(format!("the database says: {}", said(error.message(), values))),
            Cause::Login => refused(),
        },
        other => unreachable(other),
    };
    // After an error of the statement, the connection goes on; everything else leaves it in the middle of something.
    let can_go_on = failure.kind == FailureKind::Failed;
    Trouble { failure, can_go_on }
}

/// Explains why there is no connection. It doesn't say who connects.
pub(super) fn no_connection(error: &Error, kind_of: KindOf, user: &str) -> Failure {
    match error {
        Error::Database(error) if kind_of(&**error) == Cause::Login => refused(),
        // What SQLite says of a file. Its path is the operator's.
        Error::Database(error) if error.message().starts_with("unable to open database file") => {
            Failure::unavailable("the file that `url` names isn't there, or can't be opened")
        }
        Error::Database(error) => {
            let said = said(error.message(), &[Sent::Text(user.into())]);
            Failure::unavailable(format!("the database lets nobody in: {said}"))
        }
        other => unreachable(other),
    }
}

fn refused() -> Failure {
    Failure::unavailable("the database refuses the user name, the password or the rights that agi-rhai.toml gives it")
}

/// Explains an error that doesn't come from the database.
fn unreachable(error: &Error) -> Failure {
    Failure::unavailable(match error {
        Error::Io(error) => {
            let is_of_tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
            let (how, error) = (if is_of_tls { " by TLS" } else { "" }, error.to_string());
            format!("the database can't be reached{how}: {}{}", short(&error), tls::advice(&error))
        }
        Error::Tls(error) => {
            let error = error.to_string();
            format!("the database can't be reached by TLS: {}{}", short(&error), tls::advice(&error))
        }
        Error::Protocol(_) | Error::Decode(_) | Error::ColumnDecode { .. } => {
            "what answers isn't such a database, or its connection broke".to_owned()
        }
        Error::PoolTimedOut => "no connection to the database became free in time".to_owned(),
        Error::Configuration(error) => format!("its settings can't be used: {}", short(&error.to_string())),
        other => format!("the database broke off: {}", short(&other.to_string())),
    })
}

/// Returns a message of the database without the values of the statement.
fn said(message: &str, values: &[Sent<'_>]) -> String {
    let mut text = message.to_owned();
    for value in values {
        let Some(value) = value.text() else { continue };
        if value.chars().count() >= 3 {
            text = text.replace(&*value, "…");
        } else {
            for quote in ['"', '\'', '`'] {
                text = text.replace(&format!("{quote}{value}{quote}"), &format!("{quote}…{quote}"));
            }
        }
    }
    short(&text)
}

fn short(text: &str) -> String {
    let mut end = text.len().min(MAX_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", printable(&text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_hold_no_values() {
        let values = [Sent::Text("4930 1234".into()), Sent::Integer(42), Sent::Bool(true), Sent::Null];
        assert_eq!(
            said("Duplicate entry '4930 1234-42' for key 'PRIMARY'", &values),
            "Duplicate entry '…-42' for key 'PRIMARY'"
        );
        assert_eq!(said("invalid input: \"42\"", &values), "invalid input: \"…\"");
        assert_eq!(said("two\nlines\x1b[1m", &[]), printable("two\nlines\x1b[1m").to_string());
        assert!(short(&"ä".repeat(1000)).len() < 510);
    }
}
