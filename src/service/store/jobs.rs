//! Jobs, written down until they have succeeded.

#![expect(clippy::missing_errors_doc, reason = "every function fails if the store does, which is all there is to say")]

use super::Store;
use super::job::{Job, JobCounts, NewJob};
use super::operation::{Operation, PAGE};
use crate::transport::Failure;
use serde::de::DeserializeOwned;
use std::time::Duration;

impl Store {
    /// Writes a job down. When this returns, it survives the end of the process and of the machine.
    pub async fn add_job(&self, job: &NewJob) -> Result<u64, Failure> {
        self.ask(Operation::AddJob(job.clone())).await
    }

    /// Claims a job that is due for this owner, if there is one: the one that has been due for longest. Nobody else
    /// gets it until the lease has passed. Only jobs of these kinds and subjects are claimed.
    pub async fn claim_job(
        &self,
        owner: &str,
        lease: Duration,
        can_do: &(dyn Fn(&NewJob) -> bool + Sync),
    ) -> Result<Option<Job>, Failure> {
        let mut skip = 0;
        loop {
            let due: Vec<Job> = self.ask(Operation::DueJobs { skip }).await?;
            for job in due.iter().filter(|job| can_do(&job.new)) {
                let claim = Operation::ClaimJob { id: job.id, owner: owner.to_owned(), lease };
                let claimed: Option<Job> = self.ask(claim).await?;
                if claimed.is_some() {
                    return Ok(claimed);
                }
            }
            if due.len() < PAGE as usize {
                return Ok(None);
            }
            skip += PAGE;
        }
    }

    /// Prolongs the lease of a claimed job. Returns false if somebody else has it now.
    pub async fn renew_job(&self, job: &Job, owner: &str, lease: Duration) -> Result<bool, Failure> {
        self.ask(Operation::RenewJob { id: job.id, owner: owner.to_owned(), lease }).await
    }

    /// Removes a job that has succeeded, even if the lease has passed meanwhile and somebody else has it: what has
    /// succeeded isn't tried again.
    pub async fn finish_job(&self, job: &Job, _owner: &str) -> Result<(), Failure> {
        self.run(Operation::FinishJob { id: job.id }).await.map(drop)
    }

    /// Gives back a job that has failed, to be tried again. It stays as it is if somebody else has it now.
    pub async fn retry_job(&self, job: &Job, owner: &str, delay: Duration, error: &str) -> Result<(), Failure> {
        // PostgreSQL takes no NUL in a text.
        let (id, owner, error) = (job.id, owner.to_owned(), error.replace('\0', ""));
        self.run(Operation::RetryJob { id, owner, delay, error }).await.map(drop)
    }

    /// Lists all jobs, the next one that is due first.
    pub async fn jobs(&self) -> Result<Vec<Job>, Failure> {
        self.ask(Operation::Jobs).await
    }

    /// Counts the jobs that are left.
    pub async fn count_jobs(&self) -> Result<JobCounts, Failure> {
        self.ask(Operation::CountJobs).await
    }

    /// Removes a job. Returns false if there is no such job.
    pub async fn drop_job(&self, id: u64) -> Result<bool, Failure> {
        self.ask(Operation::DropJob { id }).await
    }

    /// Makes a job due after this time. Returns false if there is no such job, or somebody runs it.
    pub async fn put_off_job(&self, id: u64, delay: Duration) -> Result<bool, Failure> {
        self.ask(Operation::PutOffJob { id, delay }).await
    }

    /// Makes a job due now. Returns false if there is no such job.
    pub async fn hurry_job(&self, id: u64) -> Result<bool, Failure> {
        self.ask(Operation::HurryJob { id }).await
    }

    /// Carries out an operation, and reads what it returns.
    async fn ask<T: DeserializeOwned>(&self, operation: Operation) -> Result<T, Failure> {
        let answer = self.run(operation).await?;
        serde_json::from_value(answer).map_err(|error| Failure::failed(format!("the store holds no such job: {error}")))
    }
}
