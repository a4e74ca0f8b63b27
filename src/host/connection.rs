//! The line to Asterisk over TCP, waited on by the coroutine of its call.

use super::coroutine::Running;
use crate::clock::{Stopwatch, Time};
use crate::transport::{Got, Wait, Wire};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How long what is sent may lie unread at the other end.
const SENDING: Duration = Duration::from_secs(30);

/// One connection of Asterisk's.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    clock: Stopwatch,
}

impl Connection {
    /// A connection that does not block, and the clock of its thread.
    pub fn new(stream: TcpStream, clock: Stopwatch) -> Self {
        Self { stream, clock }
    }

    /// Reads what is there. The buffer is gone before anybody waits: a call that waits keeps its stack.
    #[inline(never)]
    fn take(&self, running: &Running, bytes: &mut Vec<u8>) -> io::Result<Option<Got>> {
        let mut buffer = [0; 2048];
        match recv(&self.stream, &mut buffer, RecvFlags::empty()) {
            Ok((0, _)) => Ok(Some(Got::End)),
            Ok((length, _)) => {
                if length < buffer.len() {
                    running.drained();
                }
                bytes.extend_from_slice(&buffer[..length]);
                Ok(Some(Got::Bytes))
            }
            Err(Errno::WOULDBLOCK) => {
                running.empty();
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Wire for Connection {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let running = Running::get()?;
        let (Wait::Opening(until) | Wait::Reply(until) | Wait::Pause(until)) = wait;
        let mut looked = false;
        // Whoever has computed for a while lets others run first.
        if let Wait::Pause(_) = wait {
            running.step_aside();
        }
        loop {
            if running.is_stopped() {
                return Ok(Got::Stop);
            }
            if running.is_readable()
                && let Some(got) = self.take(&running, bytes)?
            {
                return Ok(got);
            }
            // What is answered in time is not asked what time it is.
            if (looked || matches!(wait, Wait::Pause(_))) && self.now() >= until {
                return Ok(Got::Nothing);
            }
            looked = true;
            running.wait(until);
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut until = None;
        while !bytes.is_empty() {
            match send(&self.stream, bytes, SendFlags::NOSIGNAL) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    let running = Running::get()?;
                    let until = *until.get_or_insert_with(|| running.now() + SENDING);
                    running.full();
                    while !running.is_writable() {
                        if running.now() >= until {
                            return Err(io::Error::new(
                                io::ErrorKind::TimedOut,
                                format!("nothing was read at the other end for {} s", SENDING.as_secs()),
                            ));
                        }
                        running.wait(until);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn more_is_due(&mut self) {
        // It holds for a while only, so it is said each time.
        let _ = sockopt::set_tcp_quickack(&self.stream, true);
    }
}
