//! The pipes of a process that Asterisk started.

use super::stream::{CANNED_TIMEOUT, Got, MAX_CANNED, Wait, Wire, read_on};
use crate::clock::{self, Stopwatch, Time};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use smallvec::SmallVec;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// The two pipes of a process that Asterisk started, and the notice of the hangup, which comes as a signal.
#[derive(Debug)]
pub struct Pipes<R, W> {
    reader: R,
    writer: W,
    notice: Option<Notice>,
    clock: Stopwatch,
    has_ended: bool,
    wakeup: Option<Arc<Wakeup>>,
}

/// Ends the poll of a pipe: a descriptor that is readable once somebody has used the waker.
#[derive(Debug)]
struct Wakeup(OwnedFd);

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // An eventfd that can't be written to is readable already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl Wakeup {
    /// Returns whether somebody has used the waker since the last time.
    fn take(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 8]).is_ok()
    }
}

/// How a signal handler reports the hangup: by a flag that is cheap to read, and by a descriptor that ends a wait.
#[derive(Debug)]
pub struct Notice {
    /// Set at the hangup.
    pub flag: Arc<AtomicBool>,
    /// Becomes readable at the hangup.
    pub readable: OwnedFd,
}

impl<R, W> Pipes<R, W> {
    /// Creates a line from a reader and a writer.
    pub fn new(reader: R, writer: W, notice: Option<Notice>) -> Self {
        Self { reader, writer, notice, clock: Stopwatch::start(), has_ended: false, wakeup: None }
    }

    /// Whether the hangup has been reported. After that the notice is dropped, since once is enough.
    fn is_noticed(&mut self) -> bool {
        let noticed = self.notice.as_ref().is_some_and(|notice| notice.flag.load(Ordering::Relaxed));
        if noticed {
            self.notice = None;
        }
        noticed
    }
}

impl<R: Read + AsFd + Send, W: Write + Send> Pipes<R, W> {
    fn take(&mut self, bytes: &mut Vec<u8>) -> io::Result<Got> {
        let got = read_on(&mut self.reader, bytes)?;
        self.has_ended |= got == Got::End;
        Ok(got)
    }
}

impl<R: Read + AsFd + Send, W: Write + Send> Wire for Pipes<R, W> {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn wall(&self) -> Time {
        clock::wall()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        if self.is_noticed() {
            return Ok(Got::Hangup);
        }
        let until = match wait {
            // Asterisk answers or closes the pipe, and doesn't report a hangup before it has answered, so polling
            // first isn't necessary, unless somebody may use the waker.
            Wait::Reply(_) if self.wakeup.is_none() => return self.take(bytes),
            Wait::Opening(until) | Wait::Reply(until) | Wait::Pause(until) | Wait::Wakeup(until) => until,
        };
        let length = Timespec::try_from(until - self.clock.now()).ok();
        // A known end of the input doesn't end a pause: there may be replies left.
        let line =
            (!self.has_ended && !matches!(wait, Wait::Wakeup(_))).then(|| PollFd::new(&self.reader, PollFlags::IN));
        let has_line = line.is_some();
        let notice = self.notice.as_ref().map(|notice| PollFd::new(&notice.readable, PollFlags::IN));
        let wakeup = self.wakeup.as_ref().map(|wakeup| PollFd::from_borrowed_fd(wakeup.0.as_fd(), PollFlags::IN));
        let mut fds: SmallVec<[PollFd<'_>; 3]> = line.into_iter().chain(notice).chain(wakeup).collect();
        let readable = poll(&mut fds, length.as_ref()).map(|_| has_line && !fds[0].revents().is_empty());
        drop(fds);
        match readable {
            _ if self.is_noticed() => Ok(Got::Hangup),
            Ok(true) => self.take(bytes),
            Ok(false) if self.wakeup.as_ref().is_some_and(|wakeup| wakeup.take()) => Ok(Got::Wakeup),
            // Another signal: the caller of this function will ask again.
            Ok(false) | Err(rustix::io::Errno::INTR) => Ok(Got::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    fn waker(&mut self) -> Option<Waker> {
        if self.wakeup.is_none() {
            let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
            self.wakeup = Some(Arc::new(Wakeup(descriptor)));
        }
        self.wakeup.clone().map(Waker::from)
    }

    fn is_complete(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let until = self.clock.now() + CANNED_TIMEOUT;
        while !self.has_ended && bytes.len() <= MAX_CANNED {
            let wait = Timespec::try_from(until - self.clock.now()).ok();
            match poll(&mut [PollFd::new(&self.reader, PollFlags::IN)], wait.as_ref()) {
                Ok(0) => break,
                Ok(_) => {
                    self.take(bytes)?;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.has_ended)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}
