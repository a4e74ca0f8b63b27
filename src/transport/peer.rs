//! The other end of a session, as the session sees it.

use super::recording::Ended;
use super::request::{Answer, Request};
use crate::agi::Reply;
use crate::calendar::TimeZone;
use crate::clock::Time;
use std::io;
use std::net::IpAddr;
use std::task::Waker;
use std::time::Duration;

/// The other end of one session. Only one thread uses it, and at most one line is in flight.
///
/// Most programs use [`Stream`](super::Stream) or [`Simulator`](super::Simulator). To carry AGI over something else,
/// implementing [`Wire`](super::Wire) is less work than implementing this.
pub trait Transport: Send {
    /// Reads the opening block, as sent.
    ///
    /// # Errors
    /// The line broke, or what arrived isn't an opening block.
    fn open(&mut self) -> io::Result<Vec<u8>>;

    /// Returns the abilities of the peer.
    fn peer(&self) -> Peer;

    /// Returns the peer's time, for measuring durations: it never jumps.
    fn now(&self) -> Time;

    /// Returns the peer's wall clock. By default it is the same time; implement this if somebody may set the clock
    /// during the call.
    fn wall(&self) -> Time {
        self.inner().map_or_else(|| self.now(), Transport::wall)
    }

    /// Returns the time zone of the peer: that of this machine, on which Asterisk usually runs too.
    fn time_zone(&self) -> TimeZone {
        self.inner().map_or_else(TimeZone::system, Transport::time_zone)
    }

    /// Returns where Asterisk is; `None` if it runs on this machine.
    fn remote(&self) -> Option<Remote> {
        self.inner().and_then(Transport::remote)
    }

    /// Whether there is a channel at all. A job runs without one, and so without commands.
    fn has_channel(&self) -> bool {
        self.inner().is_none_or(Transport::has_channel)
    }

    /// Sends one whole line. The transport adds the line feed.
    ///
    /// # Errors
    /// The line broke.
    fn send(&mut self, line: &[u8]) -> io::Result<()>;

    /// Waits until something is heard or `until` has come. If that is in the past, it only polls. Once it has reported
    /// that the line is closed or broken, it only waits.
    ///
    /// # Errors
    /// The line broke, or what arrived isn't AGI.
    fn receive(&mut self, until: Time) -> io::Result<Heard>;

    /// Interrupts the command in flight; after the next reply the line can be used again. Asterisk ends a prompt or a
    /// question when another line arrives, but a command that it can't interrupt has to end first.
    ///
    /// # Errors
    /// The line broke.
    fn interrupt(&mut self) -> io::Result<()> {
        self.inner_mut().map_or(Ok(()), Transport::interrupt)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// The line broke.
    fn leave(&mut self, ending: Ending) -> io::Result<()>;

    /// Returns [`now`](Self::now) on behalf of the script, whose next step may depend on it.
    fn script_now(&mut self) -> Time {
        match self.inner_mut() {
            Some(inner) => inner.script_now(),
            None => self.now(),
        }
    }

    /// Returns [`wall`](Self::wall) on behalf of the script.
    fn script_wall(&mut self) -> Time {
        match self.inner_mut() {
            Some(inner) => inner.script_wall(),
            None => self.wall(),
        }
    }

    /// Returns what ends a wait in [`receive`](Self::receive) before its time, from any thread: then it hears
    /// [`Heard::Wakeup`]. If there is none, a call that waits for something else than the line stands still, and its
    /// clock with it.
    fn waker(&mut self) -> Option<Waker> {
        self.inner_mut()?.waker()
    }

    /// Answers a request to a service in its stead, after some time: a recorded call does, and one of a test. By
    /// default, the service itself is asked.
    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        self.inner_mut()?.answer(request)
    }

    /// Takes note of something that belongs to the call but doesn't go over the line.
    fn note(&mut self, note: Note<'_>) {
        if let Some(inner) = self.inner_mut() {
            inner.note(note);
        }
    }

    /// Returns the transport around which this one is, if it adds something to another. That one then does whatever
    /// this one leaves to the defaults. [`inner_mut`](Self::inner_mut) returns the same.
    fn inner(&self) -> Option<&dyn Transport> {
        None
    }

    /// Returns the transport around which this one is, if it adds something to another.
    fn inner_mut(&mut self) -> Option<&mut dyn Transport> {
        None
    }
}

/// Something that belongs to a call but not to its dialogue.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Note<'a> {
    /// The script printed this to the log.
    Printed {
        /// The name of the script.
        script: &'a str,
        /// The line of the script.
        line: usize,
        /// The text.
        text: &'a str,
    },
    /// From now on, what the caller enters is secret, or no longer is.
    Secret(bool),
    /// From now on, what goes over the line carries out what a service is asked, or no longer does.
    Aside(bool),
    /// The script asks a service.
    Asks(&'a Request),
    /// The service answered.
    Answered(&'a Answer),
    /// What the caller said means these digits, which are as private as what was said.
    Meant(&'a str),
    /// The call ended like this.
    Ended(&'a Ended),
}

/// The abilities of a peer that matter to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whether the session goes on after the hangup, when commands that need a live channel get 511.
    pub dead_mode: bool,
}

/// An Asterisk on another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// Its address.
    pub asterisk: IpAddr,
    /// The address of this machine to which it has connected.
    pub own: IpAddr,
}

impl Remote {
    /// Returns the two ends of a connection, unless it is within this machine.
    #[must_use]
    pub fn between(asterisk: IpAddr, own: IpAddr) -> Option<Self> {
        let (asterisk, own) = (asterisk.to_canonical(), own.to_canonical());
        (!asterisk.is_loopback()).then_some(Self { asterisk, own })
    }
}

/// Something that was heard on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The reply to the line in flight.
    Reply(Reply),
    /// The caller is gone; the line may still be used.
    Hangup,
    /// The operator ends the call.
    Stop,
    /// The line is closed.
    Closed,
    /// Nothing, but somebody used the [waker](Transport::waker).
    Wakeup,
    /// Nothing, up to the given time.
    Silence,
}

/// How a session ended, as it is reported to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Normally, or by a hangup.
    Normal,
    /// By a fault while the channel was up.
    Failure,
}
