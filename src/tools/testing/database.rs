//! A database of SQLite in memory, which stands in for one that a script asks.

use crate::service::settings::{Settings, SqlSettings};
use crate::service::{Services, wait_for};
use crate::transport::{Answer, Failure, Request};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a statement may take, by the clock of this machine. A test's own clock stands still meanwhile.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A database in memory. The host's own client asks it, so that values and errors are those of a call.
#[derive(Debug)]
pub(super) struct Database {
    service: String,
    services: Services,
}

impl Database {
    /// Creates an empty database in the place of this service.
    pub fn new(service: &str) -> Self {
        let settings = SqlSettings { at_once: Some(1), ..SqlSettings::new("sqlite::memory:") };
        let sql = [(service.to_owned(), settings)].into();
        Self { service: service.to_owned(), services: Services::new(Settings { sql, ..Settings::default() }) }
    }

    /// Answers a request.
    pub fn ask(&self, request: &Request) -> Answer {
        let request = Request { timeout: Some(TIMEOUT), service: self.service.clone(), ..request.clone() };
        wait_for(self.services.begin(request, None))
    }

    /// Runs several statements, each of which ends with a semicolon.
    pub fn run(&self, text: &str) -> Result<(), Failure> {
        let statements: Vec<Value> = statements(text).map(|statement| json!([statement, {}])).collect();
        if statements.is_empty() {
            return Ok(());
        }
        self.ask(&Request::new("sql_run", "").with("statements", statements)).map(drop)
    }
}

/// Splits a text of SQL at its semicolons, outside quotes and comments.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let (mut ends, mut at) = (Vec::new(), 0);
    // Where something that begins here ends, behind its closing mark.
    let behind = |from: usize, mark: &str| text[from..].find(mark).map_or(text.len(), |end| from + end + mark.len());
    while at < bytes.len() {
        at = match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => {
                let closing = bytes[at + 1..].iter().position(|byte| *byte == quote);
                closing.map_or(text.len(), |end| at + 1 + end + 1)
            }
            b'-' if text[at..].starts_with("--") => behind(at, "\n"),
            b'/' if text[at..].starts_with("/*") => behind(at + 2, "*/"),
            b';' => {
                ends.push(at);
                at + 1
            }
            _ => at + 1,
        };
    }
    ends.push(text.len());
    let mut from = 0;
    let pieces = ends.into_iter().map(move |end| {
        let piece = &text[from..end];
        from = (end + 1).min(text.len());
        piece.trim()
    });
    pieces.filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_with_a_semicolon_outside_quotes_and_comments() {
        let text = "create table t (a); -- one; two\n insert into t values ('x;''y'); /* ; */ ;; select \"a;b\"";
        let split: Vec<&str> = statements(text).collect();
        let expected =
            ["create table t (a)", "-- one; two\n insert into t values ('x;''y')", "/* ; */", "select \"a;b\""];
        assert_eq!(split, expected);
        for odd in ["'", "\"a", "/*", "--", "/* é", "é;'é"] {
            assert!(statements(odd).count() > 0, "{odd}");
        }
    }
}
