//! Jobs, written down until they have succeeded.

use super::Store;
use crate::transport::Failure;
use serde_json::Value;
use std::time::Duration;

/// Something to do after a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewJob {
    /// `function` or `mail`.
    pub kind: String,
    /// For a function, the script by its name in the folder; for a mail, the service.
    pub subject: String,
    /// The rest, as the kind needs it.
    pub content: Value,
    /// How long it rests before it is due for the first time.
    pub delay: Duration,
}

/// A job that was written down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    /// Its number.
    pub id: u64,
    /// What to do.
    pub new: NewJob,
    /// When it was written down, in seconds since the Unix epoch.
    pub created: f64,
    /// When it is due, in seconds since the Unix epoch.
    pub due: f64,
    /// How often it has failed.
    pub attempts: u32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// Who runs it at the moment.
    pub owner: Option<String>,
}

impl Store {
    /// Writes a job down. When this returns, it survives the end of the process and of the machine.
    pub async fn add_job(&self, _job: &NewJob) -> Result<u64, Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Claims a job that is due for this owner, if there is one. Nobody else gets it until the lease has passed.
    /// Only jobs of these kinds and subjects are claimed.
    pub async fn claim_job(
        &self,
        _owner: &str,
        _lease: Duration,
        _can_do: &(dyn Fn(&NewJob) -> bool + Sync),
    ) -> Result<Option<Job>, Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Prolongs the lease of a claimed job. Returns false if somebody else has it now.
    pub async fn renew_job(&self, _job: &Job, _owner: &str, _lease: Duration) -> Result<bool, Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Removes a job that has succeeded.
    pub async fn finish_job(&self, _job: &Job, _owner: &str) -> Result<(), Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Gives back a job that has failed, to be tried again.
    pub async fn retry_job(&self, _job: &Job, _owner: &str, _delay: Duration, _error: &str) -> Result<(), Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Lists all jobs, the next one that is due first.
    pub async fn jobs(&self) -> Result<Vec<Job>, Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Removes a job. Returns false if there is no such job.
    pub async fn drop_job(&self, _id: u64) -> Result<bool, Failure> {
        Err(Failure::argument("not there yet"))
    }

    /// Makes a job due now. Returns false if there is no such job.
    pub async fn hurry_job(&self, _id: u64) -> Result<bool, Failure> {
        Err(Failure::argument("not there yet"))
    }
}
