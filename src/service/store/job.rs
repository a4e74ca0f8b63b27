//! A job as it is written down.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A job that is due later than this after it was written down was given up, in seconds.
pub(super) const GIVEN_UP_AFTER: f64 = 50.0 * 365.0 * 24.0 * 3600.0;

/// Something to do after a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// `function` or `mail`.
    pub kind: String,
    /// For a function, the script by its name in the folder; for a mail, the service.
    pub subject: String,
    /// The rest, as the kind needs it.
    pub content: Value,
    /// How long it rests before it is due for the first time. It isn't kept: [`Job::due`] is.
    #[serde(skip)]
    pub delay: Duration,
}

/// A job that was written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// What to do.
    pub new: NewJob,
    /// When it was written down, in seconds since the Unix epoch.
    pub created: f64,
    /// When it is due, in seconds since the Unix epoch.
    pub due: f64,
    /// How often it has failed. An owner that was gone before it had finished counts as a failure.
    pub attempts: u32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// Who runs it at the moment.
    pub owner: Option<String>,
}

impl Job {
    /// Whether it isn't tried again, unless somebody hurries it.
    #[must_use]
    pub fn was_given_up(&self) -> bool {
        self.due - self.created > GIVEN_UP_AFTER
    }
}

/// How many jobs are left. Those of calls that go on aren't counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Jobs whose first attempt hasn't ended yet.
    pub waiting: u64,
    /// Jobs that have failed and are tried again.
    pub failing: u64,
    /// Jobs that were given up.
    pub given_up: u64,
    /// For how many seconds the oldest one has been waiting or failing; zero if there is none.
    pub oldest: f64,
}
