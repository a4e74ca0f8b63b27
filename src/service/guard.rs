//! What keeps a sick service from costing others anything: a limit of requests at a time, a deadline for each, and a
//! circuit breaker.

use super::breaker::{Breaker, OPEN_FOR, Turn, Verdict};
use super::counts::Counts;
use crate::clock::Stopwatch;
use crate::sync::lock;
use crate::transport::{Answer, Failure, FailureKind};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::{info, warn};

/// Guards a service.
#[derive(Debug)]
pub(super) struct Guard {
    name: String,
    at_once: usize,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    clock: Stopwatch,
    counts: Arc<Counts>,
}

impl Guard {
    /// Creates a guard. The name is for the log: `http.weather`.
    pub fn new(name: String, at_once: usize, counts: Arc<Counts>) -> Self {
        counts.at_once.store(at_once, Relaxed);
        counts.is_open.store(false, Relaxed);
        let (breaker, clock) = (Mutex::new(Breaker::Closed(0)), Stopwatch::start());
        Self { name, at_once, places: Semaphore::new(at_once), breaker, clock, counts }
    }

    /// Whether no request is on its way.
    #[cfg(feature = "speech")]
    pub fn is_idle(&self) -> bool {
        self.places.available_permits() == self.at_once
    }

    /// Runs a request within a deadline, which includes waiting for a place. If the caller gives up meanwhile, which
    /// drops this, the service is neither better nor worse for it.
    pub async fn run(&self, deadline: Duration, request: impl Future<Output = Answer>) -> Answer {
        self.run_until(after(deadline), request).await
    }

    /// Does the same up to the moment at which `late` returns, with how long the service had.
    pub async fn run_until(
        &self,
        late: impl Future<Output = Duration>,
        request: impl Future<Output = Answer>,
    ) -> Answer {
        self.counts.requests.fetch_add(1, Relaxed);
        let began = self.clock.now();
        let answer = self.guarded(late, request).await;
        self.counts.answered(&answer, self.clock.now() - began);
        answer
    }

    /// Returns why a request would fail at once, if one would.
    #[cfg(feature = "speech")]
    pub fn refusal(&self) -> Option<Failure> {
        self.refuse_if_open(*lock(&self.breaker)).err()
    }

    async fn guarded(&self, late: impl Future<Output = Duration>, request: impl Future<Output = Answer>) -> Answer {
        // Not behind those that wait for a place.
        self.refuse_if_open(*lock(&self.breaker))?;
        let name = &self.name;
        let mut attempt = None;
        let asked = before(late, async {
            let _place = self.places.acquire().await;
            // It may have opened meanwhile.
            attempt = Some(self.begin()?);
            let _running = self.counts.running();
            request.await
        });
        let asked = asked.await;
        let Some(attempt) = attempt else {
            return asked.unwrap_or_else(|length| {
                let (at_once, seconds) = (self.at_once, length.as_secs_f64());
                Err(Failure::unavailable(format!(
                    "`{name}` is busy: for {seconds} s, as many requests were on their way as `at_once` allows \
                     ({at_once})"
                )))
            });
        };
        let answer = asked.unwrap_or_else(|length| {
            Err(Failure::unavailable(format!("`{name}` gave no answer within {} s", length.as_secs_f64())))
        });
        attempt.end(&answer);
        answer
    }

    fn begin(&self) -> Result<Attempt<'_>, Failure> {
        let mut breaker = lock(&self.breaker);
        self.refuse_if_open(*breaker)?;
        Ok(Attempt { guard: self, tries: breaker.begin(), verdict: Verdict::Nothing })
    }

    fn refuse_if_open(&self, breaker: Breaker) -> Result<(), Failure> {
        let now = self.clock.now();
        let Some(at) = breaker.opens_at(now) else { return Ok(()) };
        let name = &self.name;
        let when = match (at - now).as_secs_f64() {
            0.0 => "is being tried again".to_owned(),
            seconds => format!("is tried again in {seconds:.1} s"),
        };
        Err(Failure::unavailable(format!("`{name}` has failed several times in a row, and {when}; nothing was sent")))
    }

    fn learn(&self, verdict: Verdict, tried: bool, why: Option<&Failure>) {
        let mut breaker = lock(&self.breaker);
        let turn = breaker.learn(verdict, tried, self.clock.now());
        self.counts.is_open.store(!matches!(*breaker, Breaker::Closed(_)), Relaxed);
        // Still locked, so that the lines are in the order of the changes.
        match turn {
            Some(Turn::Opened) => {
                let seconds = OPEN_FOR.as_secs();
                let why = why.map(ToString::to_string).unwrap_or_default();
                warn!(
                    service = self.name,
                    "a service fails: requests to it fail at once, but for one every {seconds} s: {why}"
                );
            }
            Some(Turn::Closed) => info!(service = self.name, "a service answers again"),
            None => {}
        }
    }
}

/// Returns the length when it is over.
async fn after(length: Duration) -> Duration {
    sleep(length).await;
    length
}

/// Waits for an answer that comes before the other future is ready, whose value is the error.
async fn before<T, E>(late: impl Future<Output = E>, answer: impl Future<Output = T>) -> Result<T, E> {
    let (mut late, mut answer) = (pin!(late), pin!(answer));
    poll_fn(|context| match answer.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => late.as_mut().poll(context).map(Err),
    })
    .await
}

/// A request that may be sent.
struct Attempt<'a> {
    guard: &'a Guard,
    tries: bool,
    verdict: Verdict,
}

impl Attempt<'_> {
    fn end(mut self, answer: &Answer) {
        self.verdict = match answer {
            Err(failure) if failure.kind == FailureKind::Unavailable => Verdict::Fails,
            // Nothing was sent.
            Err(failure) if failure.kind == FailureKind::Argument => Verdict::Nothing,
            _ => Verdict::Answers,
        };
        self.guard.learn(self.verdict, self.tries, answer.as_ref().err());
        self.tries = false;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // Given up by the caller.
        if self.tries {
            self.guard.learn(Verdict::Nothing, true, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::breaker::FAILURES_TO_OPEN;
    use serde_json::Value;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(5);

    fn guard(at_once: usize) -> Guard {
        Guard::new("http.test".to_owned(), at_once, Arc::default())
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn fails() -> impl Future<Output = Answer> {
        std::future::ready(Err(Failure::unavailable("down")))
    }

    async fn never() -> Answer {
        std::future::pending().await
    }

    fn answers() -> impl Future<Output = Answer> {
        std::future::ready(Ok(Value::Null))
    }

    async fn open(guard: &Guard) {
        for _ in 0..FAILURES_TO_OPEN {
            guard.run(LONG, fails()).await.unwrap_err();
        }
        assert!(guard.counts.is_open.load(Relaxed));
    }

    /// The time has come for one to try.
    fn wait(guard: &Guard) {
        *lock(&guard.breaker) = Breaker::Open(guard.clock.now());
    }

    #[test]
    fn no_answer_is_a_failure_at_the_deadline() {
        run(async {
            let guard = guard(1);
            let failure = guard.run(SHORT, never()).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Unavailable);
            assert_eq!(failure.message, "`http.test` gave no answer within 0.005 s");
            assert_eq!(*lock(&guard.breaker), Breaker::Closed(1));
            assert_eq!(guard.counts.running.load(Relaxed), 0);
        });
    }

    #[test]
    fn waiting_for_a_place_counts_within_the_deadline_and_is_no_fault_of_the_service() {
        run(async {
            let guard = guard(2);
            let (mut one, mut two) = (pin!(guard.run(LONG, never())), pin!(guard.run(LONG, never())));
            assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
            assert_eq!(guard.counts.running.load(Relaxed), 2);
            for _ in 0..2 * FAILURES_TO_OPEN {
                let failure = guard.run(SHORT, answers()).await.unwrap_err();
                assert!(failure.message.contains("as `at_once` allows (2)"), "{failure}");
            }
            assert_eq!(*lock(&guard.breaker), Breaker::Closed(0));
        });
    }

    #[test]
    fn a_request_that_is_dropped_gives_its_place_back() {
        run(async {
            let guard = guard(1);
            {
                let mut one = pin!(guard.run(LONG, never()));
                assert!(poll(one.as_mut()).is_pending());
            }
            assert_eq!(guard.run(LONG, answers()).await, Ok(Value::Null));
            assert_eq!(guard.counts.running.load(Relaxed), 0);
        });
    }

    #[test]
    fn after_failures_requests_fail_at_once_and_then_one_tries() {
        run(async {
            let guard = guard(8);
            open(&guard).await;
            let failure = guard.run(LONG, async { panic!("it was sent") }).await.unwrap_err();
            assert!(failure.message.ends_with("nothing was sent"), "{failure}");
            wait(&guard);
            {
                let mut trying = pin!(guard.run(LONG, never()));
                assert!(poll(trying.as_mut()).is_pending());
                let failure = guard.run(LONG, async { panic!("two try") }).await.unwrap_err();
                assert!(failure.message.contains("is being tried again"), "{failure}");
                // Its caller hangs up.
            }
            assert!(guard.counts.is_open.load(Relaxed), "that was no success");
            assert_eq!(guard.run(LONG, answers()).await, Ok(Value::Null), "the next one tries");
            assert!(!guard.counts.is_open.load(Relaxed));
            assert_eq!(guard.run(LONG, answers()).await, Ok(Value::Null));
        });
    }

    #[test]
    fn a_wrong_argument_tells_nothing_about_the_service() {
        run(async {
            let guard = guard(8);
            open(&guard).await;
            wait(&guard);
            guard.run(LONG, async { Err(Failure::argument("no such path")) }).await.unwrap_err();
            assert!(guard.counts.is_open.load(Relaxed));
            let failed = guard.run(LONG, async { Err(Failure::failed("syntax error")) }).await.unwrap_err();
            assert_eq!(failed.kind, FailureKind::Failed, "it was sent, and that is an answer");
            assert!(!guard.counts.is_open.load(Relaxed));
        });
    }

    #[test]
    fn those_that_wait_for_a_place_when_it_opens_send_nothing() {
        run(async {
            let guard = guard(1);
            let waiting = {
                let mut first = pin!(guard.run(SHORT, never()));
                assert!(poll(first.as_mut()).is_pending());
                let mut waiting = Box::pin(guard.run(LONG, async { panic!("it was sent") }));
                assert!(poll(waiting.as_mut()).is_pending());
                first.await.unwrap_err();
                *lock(&guard.breaker) = Breaker::Open(guard.clock.now() + LONG);
                waiting
            };
            assert!(waiting.await.unwrap_err().message.ends_with("nothing was sent"));
        });
    }
}
