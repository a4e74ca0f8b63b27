//! The store of a server: a file of SQLite, or Redis or PostgreSQL.

use super::operation::Operation;
#[cfg(feature = "sql")]
use super::postgres::Postgres;
#[cfg(feature = "redis")]
use super::redis::Redis;
use super::sqlite::Sqlite;
use crate::service::runtime::caught;
use crate::service::settings::{StoreSettings, TIMEOUT, values::Length};
use crate::transport::{Answer, Failure, Request};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in the state folder that holds everything unless the operator names another store.
pub(crate) const FILE: &str = "store.sqlite";

/// Values that outlive calls, boards, and jobs.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
    /// How long what isn't a request of a script may take.
    timeout: Duration,
}

/// What keeps them.
#[derive(Debug)]
enum Backend {
    Sqlite(Sqlite),
    #[cfg(feature = "redis")]
    Redis(Redis),
    #[cfg(feature = "sql")]
    Postgres(Postgres),
}

impl Store {
    /// Creates a store with these settings, by default a file in the state folder. It connects at the first request.
    ///
    /// # Errors
    /// The settings are wrong, or there is no folder for the file.
    pub fn new(settings: Option<&StoreSettings>, state: Option<&Path>) -> Result<Self, Failure> {
        let timeout = settings.and_then(|own| own.timeout).map_or(TIMEOUT, |Length(timeout)| timeout);
        Ok(Self { backend: Backend::new(settings, state, timeout)?, timeout })
    }

    /// Answers `store_...` and `board_...`.
    ///
    /// # Errors
    /// The request is wrong, or the store fails.
    pub async fn answer(&self, request: &Request) -> Answer {
        self.carry_out(Operation::of(request)?, request.timeout.unwrap_or(self.timeout)).await
    }

    /// Carries out what isn't a request of a script, and so has no guard.
    pub(super) async fn run(&self, operation: Operation) -> Answer {
        let carried_out = caught(self.carry_out(operation, self.timeout));
        let answer = tokio::time::timeout(self.timeout, carried_out).await;
        answer.unwrap_or_else(|_| {
            let seconds = self.timeout.as_secs_f64();
            Err(Failure::unavailable(format!("the store {} did not answer within {seconds} s", self.backend.name())))
        })
    }

    /// Carries out an operation, for which whoever asks waits no longer than this.
    async fn carry_out(&self, operation: Operation, timeout: Duration) -> Answer {
        match &self.backend {
            Backend::Sqlite(store) => store.run(operation, timeout).await,
            #[cfg(feature = "redis")]
            Backend::Redis(store) => store.run(operation).await,
            #[cfg(feature = "sql")]
            Backend::Postgres(store) => store.run(operation, timeout).await,
        }
    }
}

impl Backend {
    fn new(settings: Option<&StoreSettings>, state: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let Some((own, url)) = settings.and_then(|own| own.url.as_ref().map(|url| (own, url.0.as_str()))) else {
            let none = "there is no folder for the store: name one by --state, or a server by `[store] url`";
            let state = state.ok_or_else(|| Failure::argument(none))?;
            return Ok(Self::Sqlite(Sqlite::new(state.join(FILE), true)));
        };
        // A url may hold a password, so messages don't repeat it.
        match url.split_once(':').map_or("", |(scheme, _)| scheme) {
            "sqlite" => Ok(Self::Sqlite(Sqlite::new(sqlite_path(own, url)?, false))),
            #[cfg(feature = "redis")]
            "redis" | "rediss" => Ok(Self::Redis(Redis::new(own, url, timeout)?)),
            #[cfg(feature = "sql")]
            "postgres" | "postgresql" => Ok(Self::Postgres(Postgres::new(own, url, timeout)?)),
            #[cfg(not(feature = "redis"))]
            "redis" | "rediss" => Err(Failure::argument("this program was built without the feature `redis`")),
            #[cfg(not(feature = "sql"))]
            "postgres" | "postgresql" => Err(Failure::argument("this program was built without the feature `sql`")),
            _ => Err(Failure::argument(
                "`[store] url` begins with none of `sqlite:`, `redis://`, `rediss://` and `postgres://`",
            )),
        }
    }

    /// Returns what messages call it, without a secret.
    fn name(&self) -> &str {
        match self {
            Self::Sqlite(store) => store.name(),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.name(),
            #[cfg(feature = "sql")]
            Self::Postgres(store) => store.name(),
        }
    }
}

/// Returns the path in `sqlite:/var/lib/store.sqlite` or `sqlite:///var/lib/store.sqlite`.
fn sqlite_path(settings: &StoreSettings, url: &str) -> Result<PathBuf, Failure> {
    if settings.password_file.is_some() || settings.ca_file.is_some() {
        return Err(Failure::argument("`[store]` is a file of SQLite, which takes no `password_file` or `ca_file`"));
    }
    let path = url.trim_start_matches("sqlite:");
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('?') || path.starts_with(':') {
        return Err(Failure::argument("`[store] url` is not `sqlite:` and the path of a file"));
    }
    Ok(PathBuf::from(path))
}
