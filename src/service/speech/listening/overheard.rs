//! Calls whose sound comes by itself while Asterisk plays the prompt: those by EAGI.

use super::listener::{Engine, Listener, Terms};
use crate::clock::{Stopwatch, Time};
use crate::sync::Signal;
use crate::transport::{Answer, Failure};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// The sound of such a call, and what is told to and by whoever plays the prompt.
pub(in crate::service) struct Overheard {
    /// Samples as bytes, little-endian.
    pub sound: UnboundedReceiver<Vec<u8>>,
    /// Ready when the prompt is over.
    pub prompt_ends: oneshot::Receiver<()>,
    /// Raised when the caller begins to speak during the prompt.
    pub signal: Signal,
}

impl Overheard {
    /// Listens.
    pub async fn hear(mut self, terms: Terms, engine: Engine) -> Answer {
        let clock = Stopwatch::start();
        let mut listener = Listener::new(terms, engine, clock.now());
        let (mut timer, mut wake) = (Box::pin(sleep(Duration::ZERO)), Time::NEVER);
        let mut odd = None;
        poll_fn(|context| {
            loop {
                let now = clock.now();
                while let Poll::Ready(bytes) = self.sound.poll_recv(context) {
                    let Some(bytes) = bytes else {
                        return Poll::Ready(Err(Failure::unavailable("the sound of the call has ended")));
                    };
                    let was_playing = listener.is_playing;
                    listener.hear(samples(&mut odd, bytes), now);
                    if was_playing && !listener.is_playing {
                        self.signal.raise();
                    }
                }
                if listener.is_playing && Pin::new(&mut self.prompt_ends).poll(context).is_ready() {
                    listener.prompt_ends(now);
                }
                if let Some(answer) = listener.poll(now, context) {
                    return Poll::Ready(answer);
                }
                let due = listener.wakes_at();
                if due == Time::NEVER {
                    return Poll::Pending;
                }
                if due != wake {
                    wake = due;
                    timer.as_mut().set(sleep(wake - now));
                }
                ready!(timer.as_mut().poll(context));
                wake = Time::NEVER;
            }
        })
        .await
    }
}

/// Makes samples of bytes, the first of which may be the second half of a sample.
fn samples(odd: &mut Option<u8>, mut bytes: Vec<u8>) -> Vec<i16> {
    if let Some(first) = odd.take() {
        bytes.insert(0, first);
    }
    let (pairs, rest) = bytes.as_chunks();
    *odd = rest.first().copied();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}
