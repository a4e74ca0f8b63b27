//! The other end of a session, as the session sees it.

use super::recording::Ended;
use crate::agi::Reply;
use crate::clock::Time;
use std::io;

/// The other end of one session. One thread uses it, and at most one line is in flight.
pub trait Transport: Send {
    /// Reads the opening block, as sent.
    ///
    /// # Errors
    /// The line broke, or what came is no opening block.
    fn open(&mut self) -> io::Result<Vec<u8>>;

    /// What the peer is like.
    fn peer(&self) -> Peer;

    /// The time at the peer, for lengths of time: it never jumps.
    fn now(&self) -> Time;

    /// What the peer's clock on the wall shows: the same, unless it may be set while the call goes on.
    fn wall(&self) -> Time {
        self.now()
    }

    /// Sends one line, whole; the line feed is added here.
    ///
    /// # Errors
    /// The line broke.
    fn send(&mut self, line: &[u8]) -> io::Result<()>;

    /// Lets time pass until something is heard or `until` comes. A moment in the past makes it a look.
    ///
    /// # Errors
    /// The line broke, or what came is not AGI.
    fn receive(&mut self, until: Time) -> io::Result<Heard>;

    /// Breaks off the command in flight: the next reply heard tells that the line can be used again. Asterisk ends a
    /// prompt or a question when another line comes; what it cannot break off has to end by itself first.
    ///
    /// # Errors
    /// The line broke.
    fn interrupt(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// The line broke.
    fn leave(&mut self, ending: Ending) -> io::Result<()>;

    /// [`now`](Self::now), asked for by the script: it may decide what happens next.
    fn asked(&mut self) -> Time {
        self.now()
    }

    /// [`wall`](Self::wall), asked for by the script.
    fn asked_wall(&mut self) -> Time {
        self.wall()
    }

    /// Hears what does not go over the line, but belongs to the call.
    fn keep(&mut self, note: Note<'_>) {
        let _ = note;
    }
}

/// What belongs to a call besides its dialogue.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// The script printed this into the log.
    Printed {
        /// The script it stood in.
        script: &'a str,
        /// The line it stood in.
        line: usize,
        /// What was printed.
        text: &'a str,
    },
    /// What the caller enters is secret from now on, or is not any more.
    Secret(bool),
    /// The call has ended so.
    Ended(&'a Ended),
}

/// What a session has to know of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// After the hangup the session goes on, and commands that need a live channel get 511.
    pub dead_mode: bool,
}

/// What is heard on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The answer to the line in flight.
    Reply(Reply),
    /// The caller is gone; the line may still be used.
    Hangup,
    /// Whoever runs the host ends the call.
    Stop,
    /// The line is closed.
    Closed,
    /// Nothing, up to the moment asked for.
    Silence,
}

/// How a session ended, as far as the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, or by a hangup.
    Well,
    /// By a fault while the channel was up.
    Failure,
}
