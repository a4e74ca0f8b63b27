//! The other end of a job: nobody. A script that runs there can ask services, but has no channel.

use super::peer::{Ending, Heard, Peer, Transport};
use crate::clock::{Stopwatch, Time, wall};
use crate::sync::Bell;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A line without a channel, which is stopped after some time.
#[derive(Debug)]
pub(crate) struct NoChannel {
    clock: Stopwatch,
    until: Time,
    wakeup: Arc<Bell>,
}

impl NoChannel {
    /// Creates a line that is stopped after this time.
    pub fn for_at_most(length: Duration) -> Self {
        let clock = Stopwatch::start();
        Self { clock, until: clock.now() + length, wakeup: Arc::default() }
    }
}

impl Transport for NoChannel {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"agi_request: job\n\n".to_vec())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: false }
    }

    fn has_channel(&self) -> bool {
        false
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn wall(&self) -> Time {
        wall()
    }

    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        let now = self.now();
        if now >= self.until {
            return Ok(Heard::Stop);
        }
        let woken = self.wakeup.wait(until.min(self.until) - now);
        Ok(if woken { Heard::Wakeup } else { Heard::Silence })
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }

    fn waker(&mut self) -> Option<Waker> {
        Some(Waker::from(Arc::clone(&self.wakeup)))
    }
}
