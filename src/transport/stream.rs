//! AGI over any stream of bytes.

use super::{Ending, Heard, Peer, Transport};
use crate::agi::{Environment, Frame, Framer, environment::MAX_BLOCK};
use crate::clock::{self, Stopwatch, Time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the opening block may take.
const OPENING: Duration = Duration::from_secs(10);

/// A stream of bytes as a session needs it.
pub trait Wire: Send {
    /// Reads what is there, or waits for it.
    ///
    /// # Errors
    /// The line broke.
    fn read(&mut self, buffer: &mut [u8], wait: Wait) -> io::Result<Got>;

    /// Writes all of these bytes at once.
    ///
    /// # Errors
    /// The line broke.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// What a reader waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// More of the environment.
    Opening(Duration),
    /// The reply to the line in flight; without a limit where Asterisk may take as long as it likes.
    Reply(Option<Duration>),
    /// The time to pass; nothing is due, but the end of the call may be told.
    Pause(Duration),
}

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes; none means the end.
    Bytes(usize),
    /// The hangup, told besides the line (SIGHUP).
    Hangup,
    /// Nothing in the time given.
    Nothing,
}

/// Any `Read` and `Write`. A hangup is heard when the next reply is read, not while the script sleeps or computes, and
/// no time limit is kept: where the stream has a file descriptor, use a wire that has.
#[derive(Debug)]
pub struct Blocking<R, W> {
    reader: R,
    writer: W,
}

impl<R: Read + Send, W: Write + Send> Wire for Blocking<R, W> {
    fn read(&mut self, buffer: &mut [u8], wait: Wait) -> io::Result<Got> {
        match wait {
            Wait::Opening(_) | Wait::Reply(_) => self.reader.read(buffer).map(Got::Bytes),
            Wait::Pause(length) => {
                clock::sleep(length);
                Ok(Got::Nothing)
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

/// The two pipes of a process Asterisk started, and the notice of the hangup, which comes as a signal.
#[derive(Debug)]
pub struct Pipes<R, W> {
    reader: R,
    writer: W,
    notice: Option<Notice>,
}

/// How a signal handler tells of the hangup: by a flag that is cheap to look at, and by a descriptor that ends a wait.
#[derive(Debug)]
pub struct Notice {
    /// Set at the hangup.
    pub flag: Arc<AtomicBool>,
    /// Readable from the hangup on.
    pub readable: OwnedFd,
}

impl<R, W> Pipes<R, W> {
    /// A line that is read from and written to these.
    pub fn new(reader: R, writer: W, notice: Option<Notice>) -> Self {
        Self { reader, writer, notice }
    }

    /// Whether the hangup has been told. Once is enough, so the notice is given up then.
    fn is_noticed(&mut self) -> bool {
        let noticed = self.notice.as_ref().is_some_and(|notice| notice.flag.load(Ordering::Relaxed));
        if noticed {
            self.notice = None;
        }
        noticed
    }
}

impl<R: Read + AsFd + Send, W: Write + Send> Wire for Pipes<R, W> {
    fn read(&mut self, buffer: &mut [u8], wait: Wait) -> io::Result<Got> {
        if self.is_noticed() {
            return Ok(Got::Hangup);
        }
        let wait = match wait {
            // Asterisk answers or closes the pipe, and tells no hangup before it has answered: so the system is not
            // asked first whether there is something to read.
            Wait::Reply(_) => return self.reader.read(buffer).map(Got::Bytes),
            Wait::Opening(wait) | Wait::Pause(wait) => wait,
        };
        let wait = Timespec::try_from(wait).ok();
        let line = PollFd::new(&self.reader, PollFlags::IN);
        let readable = match &self.notice {
            Some(notice) => {
                let mut fds = [line, PollFd::new(&notice.readable, PollFlags::IN)];
                poll(&mut fds, wait.as_ref()).map(|_| !fds[0].revents().is_empty())
            }
            None => poll(&mut [line], wait.as_ref()).map(|ready| ready > 0),
        };
        match readable {
            _ if self.is_noticed() => Ok(Got::Hangup),
            Ok(true) => self.reader.read(buffer).map(Got::Bytes),
            // Another signal: whoever waits will ask again.
            Ok(false) | Err(rustix::io::Errno::INTR) => Ok(Got::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

/// A session over a [`Wire`].
#[derive(Debug)]
pub struct Stream<W> {
    wire: W,
    framer: Framer,
    clock: Stopwatch,
    line: Vec<u8>,
    in_flight: bool,
    hung_up: bool,
    closed: bool,
}

impl<R: Read + Send, W: Write + Send> Stream<Blocking<R, W>> {
    /// A session over any reader and writer.
    pub fn new(reader: R, writer: W) -> Self {
        Self::over(Blocking { reader, writer })
    }
}

impl<W: Wire> Stream<W> {
    /// A session over this wire.
    pub fn over(wire: W) -> Self {
        Self {
            wire,
            framer: Framer::default(),
            clock: Stopwatch::start(),
            line: Vec::new(),
            in_flight: false,
            hung_up: false,
            closed: false,
        }
    }

    fn read(&mut self, buffer: &mut [u8], wait: Wait) -> io::Result<Got> {
        loop {
            match self.wire.read(buffer, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Takes what was said before a line is sent. It is no answer to that line, whatever it looks like: it is the
    /// notice of the hangup, or the rest of an environment one of whose values holds line breaks.
    fn listen_before_sending(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            // The first line: that rest may still lie in the pipe.
            let mut buffer = [0; 1024];
            match self.read(&mut buffer, Wait::Pause(Duration::ZERO))? {
                Got::Bytes(0) => self.closed = true,
                Got::Bytes(length) => self.framer.push(&buffer[..length]),
                Got::Hangup => self.hung_up = true,
                Got::Nothing => {}
            }
        }
        while let Some(frame) = self.framer.take().map_err(broken)? {
            match frame {
                Frame::Hangup => self.hung_up = true,
                Frame::Stray(line) => stray(&line)?,
                Frame::Reply(reply) => tracing::warn!(%reply, "skipped a reply to nothing"),
            }
        }
        Ok(())
    }
}

/// A line that is no reply.
fn stray(line: &str) -> io::Result<()> {
    if line.starts_with("agi_") {
        return Err(broken(format_args!(
            "{line:?} where a reply was due: a value of the environment holds line breaks"
        )));
    }
    tracing::warn!(?line, "skipped a line that is no reply");
    Ok(())
}

fn broken(text: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_string())
}

impl<W: Wire> Transport for Stream<W> {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        let until = self.clock.now() + OPENING;
        let mut block = Vec::with_capacity(1024);
        let mut buffer = [0; 2048];
        loop {
            if let Some(end) = Environment::end(&block) {
                self.framer.push(&block[end..]);
                block.truncate(end);
                return Ok(block);
            }
            if block.len() > MAX_BLOCK {
                return Err(broken(format_args!("the environment has no end within {MAX_BLOCK} bytes")));
            }
            match self.read(&mut buffer, Wait::Opening(until - self.clock.now()))? {
                Got::Bytes(0) if block.is_empty() => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "no environment came: is this started by Asterisk's AGI()?",
                    ));
                }
                Got::Bytes(0) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the environment ends in the middle"));
                }
                Got::Bytes(length) => block.extend_from_slice(&buffer[..length]),
                // Kept for the first command: the opening block still comes.
                Got::Hangup => self.framer.push(b"HANGUP\n"),
                Got::Nothing if self.clock.now() >= until => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("the environment did not come whole within {} s", OPENING.as_secs()),
                    ));
                }
                Got::Nothing => {}
            }
        }
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: true }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.listen_before_sending()?;
        // One write for the whole line: Asterisk spins on half a line.
        self.line.clear();
        self.line.extend_from_slice(line);
        self.line.push(b'\n');
        self.wire.write(&self.line)?;
        self.in_flight = true;
        Ok(())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if std::mem::take(&mut self.hung_up) {
            return Ok(Heard::Hangup);
        }
        let mut buffer = [0; 1024];
        loop {
            while let Some(frame) = self.framer.take().map_err(broken)? {
                match frame {
                    // A NOOP is always answered with 200: what comes before that is a stray of the command before.
                    Frame::Reply(reply) if self.in_flight && (reply.code == 200 || self.line != b"NOOP\n") => {
                        self.in_flight = false;
                        return Ok(Heard::Reply(reply));
                    }
                    Frame::Hangup => return Ok(Heard::Hangup),
                    Frame::Stray(line) => stray(&line)?,
                    Frame::Reply(reply) => tracing::warn!(%reply, "skipped a reply to nothing"),
                }
            }
            if self.closed {
                return Ok(Heard::Closed);
            }
            let left = || until - self.clock.now();
            let wait = match (self.in_flight, until) {
                (true, Time::NEVER) => Wait::Reply(None),
                (true, _) => Wait::Reply(Some(left())),
                (false, _) => Wait::Pause(left()),
            };
            match self.read(&mut buffer, wait)? {
                Got::Bytes(0) => {
                    self.closed = true;
                    if self.framer.is_unfinished() {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the line ends in the middle of a reply",
                        ));
                    }
                }
                Got::Bytes(length) => self.framer.push(&buffer[..length]),
                Got::Hangup => return Ok(Heard::Hangup),
                Got::Nothing if self.clock.now() >= until => return Ok(Heard::Silence),
                Got::Nothing => {}
            }
        }
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}
