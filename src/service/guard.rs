//! What keeps a sick service from costing others anything: a limit of requests at a time, a deadline for each, and a
//! circuit breaker.

use crate::clock::{Stopwatch, Time};
use crate::sync::lock;
use crate::transport::{Answer, Failure, FailureKind};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// After this many failures in a row, further requests fail at once.
const FAILURES_TO_OPEN: u32 = 5;
/// How long they do so before one tries again.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// Guards a service.
#[derive(Debug)]
pub(super) struct Guard {
    name: String,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    clock: Stopwatch,
}

#[derive(Debug, Default)]
struct Breaker {
    /// How many requests in a row have failed.
    failures: u32,
    /// When one may try again, once it is open.
    retry_at: Option<Time>,
}

impl Guard {
    /// Creates a guard. The name is for the log: `http.weather`.
    pub fn new(name: String, at_once: usize) -> Self {
        Self { name, places: Semaphore::new(at_once), breaker: Mutex::default(), clock: Stopwatch::start() }
    }

    /// Runs a request within a deadline, which includes waiting for a place.
    pub async fn run(&self, deadline: Duration, request: impl Future<Output = Answer>) -> Answer {
        self.may_try()?;
        let answer = tokio::time::timeout(deadline, async {
            let _place = self.places.acquire().await;
            request.await
        });
        let answer = answer.await.unwrap_or_else(|_| {
            Err(Failure::unavailable(format!("`{}` gave no answer within {} s", self.name, deadline.as_secs_f64())))
        });
        self.learn(&answer);
        answer
    }

    /// Fails if the breaker is open. One request now and then may try.
    fn may_try(&self) -> Result<(), Failure> {
        let mut breaker = lock(&self.breaker);
        let now = self.clock.now();
        match breaker.retry_at {
            Some(at) if now < at => Err(Failure::unavailable(format!(
                "`{}` failed {} times in a row, and is tried again in {:.1} s",
                self.name,
                breaker.failures,
                (at - now).as_secs_f64()
            ))),
            Some(_) => {
                breaker.retry_at = Some(now + OPEN_FOR);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn learn(&self, answer: &Answer) {
        let mut breaker = lock(&self.breaker);
        match answer {
            Err(failure) if failure.kind == FailureKind::Unavailable => {
                breaker.failures = breaker.failures.saturating_add(1);
                if breaker.failures == FAILURES_TO_OPEN {
                    breaker.retry_at = Some(self.clock.now() + OPEN_FOR);
                    warn!(service = self.name, %failure, "a service fails: for now, requests to it fail at once");
                }
            }
            // It wasn't asked, so this says nothing about it.
            Err(failure) if failure.kind == FailureKind::Argument => {}
            _ => {
                if breaker.retry_at.take().is_some() {
                    info!(service = self.name, "a service answers again");
                }
                breaker.failures = 0;
            }
        }
    }
}
