//! The line to Asterisk over TCP, as the coroutine of its call sees it.

use super::coroutine::Running;
use crate::clock::{Stopwatch, Time};
use crate::transport::{Got, Wait, Wire};
use std::io;
use std::time::Duration;

/// How long what is sent may lie unread at the other end.
const SENDING: Duration = Duration::from_secs(30);

/// One connection of Asterisk's. It receives and sends by way of its thread's reactor.
#[derive(Debug)]
pub(super) struct Connection {
    /// The thread's.
    clock: Stopwatch,
}

impl Connection {
    /// The connection of the coroutine that is about to use it.
    pub fn new(clock: Stopwatch) -> Self {
        Self { clock }
    }
}

impl Wire for Connection {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let running = Running::get()?;
        let (Wait::Opening(until) | Wait::Reply(until) | Wait::Pause(until)) = wait;
        // What is answered in time is not asked what time it is; a look does not wait.
        let mut is_look = matches!(wait, Wait::Pause(_));
        if is_look {
            // Whoever has computed for a while lets others run first.
            running.step_aside();
        }
        loop {
            if running.is_stopped() {
                return Ok(Got::Stop);
            }
            if running.take(bytes)? {
                return Ok(Got::Bytes);
            }
            if running.is_at_end() {
                return Ok(Got::End);
            }
            if is_look && self.now() >= until {
                return Ok(Got::Nothing);
            }
            is_look = true;
            running.wait(until);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let running = Running::get()?;
        let mut until = None;
        // One line is in flight, so this is a line nobody reads, followed by another after its time.
        while running.is_sending() {
            if running.is_stopped() {
                return Err(io::Error::other("ended by the operator while nothing was read at the other end"));
            }
            let until = *until.get_or_insert_with(|| self.now() + SENDING);
            if self.now() >= until {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("nothing was read at the other end for {} s", SENDING.as_secs()),
                ));
            }
            running.wait(until);
        }
        running.send(bytes);
        Ok(())
    }

    fn more_is_due(&mut self) {
        if let Ok(running) = Running::get() {
            running.acknowledge();
        }
    }
}
