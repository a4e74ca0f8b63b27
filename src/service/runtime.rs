//! The thread on which the clients of services run.

use crate::transport::Failure;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use tokio::runtime::{Builder, Handle};

/// Returns the runtime, which the first use starts: what isn't used costs no time at the start. It ends with the
/// process.
///
/// # Errors
/// The system has no thread or descriptor left.
pub(crate) fn runtime() -> std::io::Result<&'static Handle> {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    if let Some(handle) = RUNTIME.get() {
        return Ok(handle);
    }
    let runtime = Builder::new_current_thread().enable_all().thread_name("services").build()?;
    let handle = runtime.handle().clone();
    // Two threads may come here at once; the runtime of the second one ends at once.
    if RUNTIME.set(handle).is_ok() {
        std::thread::Builder::new()
            .name("services".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    }
    RUNTIME.get().ok_or_else(|| std::io::Error::other("no runtime"))
}

/// Runs what a client does. One that panics at what a server of nonsense says has got no answer: that is the server's
/// fault as far as a call is concerned, and counts as such.
pub(super) async fn caught<T, E: From<Failure>>(answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            Poll::Ready(Err(Failure::unavailable("its client could make nothing of what it answered").into()))
        })
    })
    .await
}

/// Waits for what a client does, on a thread that has nothing else to do.
pub(crate) fn wait_for<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match runtime() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => Err(Failure::unavailable(format!("no thread for services: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_panics_gives_no_answer() {
        let answer = runtime().unwrap().block_on(caught::<(), Failure>(async { panic!("nonsense") }));
        let failure = answer.expect_err("it has none");
        assert_eq!(failure.kind, crate::transport::FailureKind::Unavailable);
        assert!(failure.message.contains("make nothing of"), "{failure}");
    }
}
