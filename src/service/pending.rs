//! The answer to a request that is on its way.

use crate::transport::{Answer, Failure};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot::Receiver;
use tokio::task::AbortHandle;

/// An answer that is on its way. If it is dropped, so is the request.
#[derive(Debug)]
pub(crate) struct Pending(State);

#[derive(Debug)]
enum State {
    Known(Option<Answer>),
    Asked(Receiver<Answer>, AbortHandle),
}

impl Pending {
    /// An answer that is known already.
    pub fn known(answer: Answer) -> Self {
        Self(State::Known(Some(answer)))
    }

    /// The answer of a task.
    pub fn asked(answer: Receiver<Answer>, task: AbortHandle) -> Self {
        Self(State::Asked(answer, task))
    }
}

impl Pending {
    /// Returns what ends the request, from anywhere.
    #[cfg(feature = "speech")]
    pub fn ender(&self) -> Option<Box<dyn FnOnce() + Send>> {
        match &self.0 {
            State::Known(_) => None,
            State::Asked(_, task) => {
                let task = task.clone();
                Some(Box::new(move || task.abort()))
            }
        }
    }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let lost = || Failure::unavailable("the client of the service has failed: this is a bug in agi-rhai");
        match &mut self.0 {
            State::Known(answer) => Poll::Ready(answer.take().unwrap_or_else(|| Err(lost()))),
            State::Asked(answer, _) => {
                Pin::new(answer).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(lost())))
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let State::Asked(_, task) = &self.0 {
            task.abort();
        }
    }
}
