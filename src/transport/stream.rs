//! AGI over any stream of bytes.

use super::peer::{Ending, Heard, Peer, Remote, Transport};
use crate::agi::environment::{BlockScanner, MAX_BLOCK};
use crate::agi::{Frame, Framer};
use crate::clock::{self, Stopwatch, Time};
use crate::command::{GET_FULL_VARIABLE, NOOP};
use crate::plural::plural;
use crate::sync::Bell;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// How long the opening block may take.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// After this silence, what looks like the end of the opening block is the end.
const OPENING_SILENCE: Duration = Duration::from_millis(200);

/// How long the end of the input may take to arrive after replies that came before their commands.
pub(super) const CANNED_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum size of replies that are read before their commands, in bytes.
pub(super) const MAX_CANNED: usize = 4 * 1024 * 1024;

/// How long the rest of a reply may take once it has begun.
const REST_TIMEOUT: Duration = Duration::from_secs(30);

/// Give up after this many lines that aren't replies.
const MAX_STRAYS: u32 = 100;

/// The text asked for to get back in step: its reply differs from any other.
const SYNC_TEXT: &str = "agi-rhai: in step";

/// A stream of bytes with deadlines, over which a [`Stream`] speaks AGI.
///
/// [`Pipes`](super::Pipes) is one. Implement this for lines of another kind: a WebSocket, or a connection of an event
/// loop.
pub trait Wire: Send {
    /// Returns the time at the other end, for measuring durations: it never jumps.
    fn now(&self) -> Time;

    /// Returns the wall clock. A line in real time returns [`clock::wall`], since the machine's clock may be set
    /// during the call.
    fn wall(&self) -> Time {
        self.now()
    }

    /// Appends to `bytes` what has arrived, or waits for it.
    ///
    /// # Errors
    /// The line broke.
    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got>;

    /// Writes all of these bytes at once.
    ///
    /// # Errors
    /// The line broke.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether everything that will ever come is there, such as replies that were written down before the call. If
    /// so, appends it to `bytes`. Called only if a reply came before its command; a line to Asterisk never ends
    /// there.
    ///
    /// # Errors
    /// The line broke.
    fn is_complete(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let _ = bytes;
        Ok(false)
    }

    /// Returns what ends a [pause](Wait::Pause) before its time, from any thread: then the read has
    /// [`Got::Wakeup`]. If there is none, a call that waits for something else than the line hears no hangup
    /// meanwhile.
    fn waker(&mut self) -> Option<Waker> {
        None
    }

    /// Returns where Asterisk is; `None` if it runs on this machine.
    fn remote(&self) -> Option<Remote> {
        None
    }

    /// Takes note that more is due after what was read. Over TCP, Asterisk's second write waits until its first one
    /// is acknowledged.
    fn more_is_due(&mut self) {}
}

/// The thing that a reader waits for, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// More of the environment.
    Opening(Time),
    /// The reply to the line in flight; [`Time::NEVER`] if Asterisk may take any time.
    Reply(Time),
    /// Only the time: nothing is due, but the call may end.
    Pause(Time),
    /// Only the [waker](Wire::waker), or the time: the line has ended.
    Wakeup(Time),
}

/// The outcome of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// More bytes arrived.
    Bytes,
    /// The line has ended.
    End,
    /// The caller hung up, which was reported outside the line (SIGHUP).
    Hangup,
    /// The operator ends the call.
    Stop,
    /// Nothing arrived, but somebody used the [waker](Wire::waker).
    Wakeup,
    /// Nothing arrived by the deadline.
    Nothing,
}

/// Reads once, and appends what was read.
fn read_once(mut reader: impl Read, bytes: &mut Vec<u8>) -> io::Result<Got> {
    let mut buffer = [0; 2048];
    let length = reader.read(&mut buffer)?;
    bytes.extend_from_slice(&buffer[..length]);
    Ok(if length == 0 { Got::End } else { Got::Bytes })
}

/// Does the same, but continues after a signal.
pub(super) fn read_on(mut reader: impl Read, bytes: &mut Vec<u8>) -> io::Result<Got> {
    loop {
        match read_once(&mut reader, bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Any `Read` and `Write`. It notices a hangup when it reads the next reply, not while the script sleeps or computes,
/// and it keeps no deadline: a stream with a file descriptor should use
/// [`Pipes`](super::Pipes). Replies may directly follow the
/// environment if the reader holds all of them and then ends, as `&[u8]` does.
#[derive(Debug)]
pub struct Blocking<R, W> {
    reader: R,
    writer: W,
    clock: Stopwatch,
    has_written: bool,
    wakeup: Option<Arc<Bell>>,
}

impl<R: Read + Send, W: Write + Send> Wire for Blocking<R, W> {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn wall(&self) -> Time {
        clock::wall()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        match wait {
            Wait::Opening(_) | Wait::Reply(_) => read_once(&mut self.reader, bytes),
            Wait::Pause(until) | Wait::Wakeup(until) => {
                let length = until - self.clock.now();
                match &self.wakeup {
                    Some(wakeup) if wakeup.wait(length) => Ok(Got::Wakeup),
                    Some(_) => Ok(Got::Nothing),
                    None => {
                        clock::sleep(length);
                        Ok(Got::Nothing)
                    }
                }
            }
        }
    }

    fn is_complete(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        // After the first command, the next bytes may be Asterisk's reply, which takes its time. Before it, Asterisk
        // is silent once it has sent the empty last line of the environment, and this may be the rest of that.
        while !self.has_written && bytes.len() <= MAX_CANNED {
            if bytes.starts_with(b"\n") || bytes.windows(2).any(|pair| pair == b"\n\n") {
                break;
            }
            if read_on(&mut self.reader, bytes)? == Got::End {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn waker(&mut self) -> Option<Waker> {
        Some(Waker::from(Arc::clone(self.wakeup.get_or_insert_default())))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.has_written = true;
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

/// AGI over any stream of bytes.
///
/// ```
/// use agi_rhai::transport::Stream;
/// use agi_rhai::{Host, Session, Status};
///
/// let host = Host::new();
/// let script = host.compile("hello.rhai", "answer();")?;
///
/// // Here the other end is a text: the environment, the reply to ANSWER, and those to the two variables that the host
/// // sets at the end.
/// let asterisk = "agi_request: hello\nagi_channel: PJSIP/100-1\n\n200 result=0\n200 result=1\n200 result=1\n";
/// let session = Session::begin(Box::new(Stream::new(asterisk.as_bytes(), std::io::sink())))?;
/// assert_eq!(host.run(session, &script, vec![]).status, Status::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the line, independent of the others")]
pub struct Stream<W> {
    wire: W,
    framer: Framer,
    opening: Duration,
    line: Vec<u8>,
    in_flight: bool,
    /// Whether only the reply to the current line counts, since earlier replies answer something else.
    is_resyncing: bool,
    hung_up: bool,
    /// Whether the hangup was reported to the session.
    gone: bool,
    stopped: bool,
    closed: bool,
    /// Whether the end of the line was reported to the session.
    has_reported_end: bool,
    strays: u32,
    fails: bool,
    /// Whether all replies were there before their commands; `None` until something looks like it.
    canned: Option<bool>,
    /// How many replies have arrived.
    replies: u64,
    /// Whether lines end in CR and LF.
    crlf: bool,
    /// A CR at the end of the input, which may belong to a line end.
    held: Vec<u8>,
}

impl<R: Read + Send, W: Write + Send> Stream<Blocking<R, W>> {
    /// Creates the other end of a session from any reader and writer.
    pub fn new(reader: R, writer: W) -> Self {
        Self::over(Blocking { reader, writer, clock: Stopwatch::start(), has_written: false, wakeup: None })
    }
}

impl<W: Wire> Stream<W> {
    /// Creates the other end of a session from a wire.
    pub fn over(wire: W) -> Self {
        Self {
            wire,
            framer: Framer::default(),
            opening: OPENING_TIMEOUT,
            line: Vec::new(),
            in_flight: false,
            is_resyncing: false,
            hung_up: false,
            gone: false,
            stopped: false,
            closed: false,
            has_reported_end: false,
            strays: 0,
            fails: false,
            canned: None,
            replies: 0,
            crlf: false,
            held: Vec::new(),
        }
    }

    /// Sets how long the opening block may take.
    #[must_use]
    pub fn with_opening_timeout(self, opening: Duration) -> Self {
        Self { opening, ..self }
    }

    /// Reports a fault to Asterisk by a line that begins with `failure`, which makes it set AGISTATUS. This is for
    /// lines without an exit code.
    #[must_use]
    pub fn with_failure_line(self) -> Self {
        Self { fails: true, ..self }
    }

    fn read(&mut self, wait: Wait) -> io::Result<Got> {
        loop {
            let into = if self.crlf { &mut self.held } else { self.framer.buffer() };
            match self.wire.read(into, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    self.unfold();
                    return other;
                }
            }
        }
    }

    /// Converts line ends of CR and LF in the input, and passes it on.
    fn unfold(&mut self) {
        if self.crlf {
            let last = self.held.pop_if(|last| *last == b'\r');
            self.framer.push(&without_cr(&self.held));
            self.held.clear();
            self.held.extend(last);
        }
    }

    /// Splits the opening block from the rest of the input.
    fn opened(&mut self, end: usize, crlf: bool) -> io::Result<Vec<u8>> {
        let mut block = std::mem::take(self.framer.buffer());
        let rest = block.split_off(end);
        self.crlf = crlf;
        if crlf {
            block = without_cr(&block);
            self.held = rest;
            self.unfold();
        } else {
            self.framer.push(&rest);
        }
        if self.framer.is_unfinished() {
            self.look_for_canned()?;
        }
        Ok(block)
    }

    /// Finds out whether replies that came before their commands were written down in advance, by somebody who tries
    /// out a script without an Asterisk. If so, each command takes the next one; on a real line, they answer nothing.
    fn look_for_canned(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(if self.crlf { &mut self.held } else { self.framer.buffer() });
        let complete = self.wire.is_complete(&mut bytes);
        *(if self.crlf { &mut self.held } else { self.framer.buffer() }) = bytes;
        self.unfold();
        let complete = complete?;
        self.canned = Some(complete);
        if complete {
            self.framer.expect_canned_replies();
        }
        Ok(())
    }

    fn ended(&mut self) {
        self.closed = true;
        if !self.gone {
            let replies = self.replies;
            if self.canned == Some(true) || replies == 0 {
                let replies = plural(replies, "reply");
                tracing::info!("the input ended after {replies}, which is taken for a hangup");
            } else {
                tracing::debug!(replies, "the line was closed, which is taken for a hangup");
            }
        }
    }

    /// Handles what arrived before a line is sent. Whatever that looks like, it doesn't answer the line: it is the
    /// notice of the hangup, or the rest of an environment whose values contain line breaks.
    fn listen_before_sending(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            // Before the first line, that rest may still be in the pipe.
            match self.read(Wait::Pause(self.wire.now()))? {
                Got::End => self.ended(),
                Got::Hangup => self.hung_up = true,
                Got::Stop => self.stopped = true,
                Got::Bytes | Got::Wakeup | Got::Nothing => {}
            }
        }
        if self.canned.is_none() && self.framer.has_reply() {
            self.look_for_canned()?;
        }
        if self.canned == Some(true) {
            return Ok(());
        }
        while let Some(frame) = self.framer.take().map_err(broken)? {
            match frame {
                Frame::Hangup => self.hung_up = true,
                Frame::Interim => self.count_stray()?,
                Frame::Stray(line) => self.stray(&line)?,
                Frame::Reply(reply) => self.stray_reply(&reply)?,
            }
        }
        Ok(())
    }

    /// Handles a line that isn't a reply.
    fn stray(&mut self, line: &str) -> io::Result<()> {
        if line.starts_with("agi_") {
            return Err(broken(format_args!(
                "{line:?} where a reply was due: a value of the environment holds line breaks"
            )));
        }
        tracing::warn!(?line, "skipped a line that is not a reply");
        self.count_stray()
    }

    fn stray_reply(&mut self, reply: &crate::agi::Reply) -> io::Result<()> {
        if !self.is_resyncing {
            // Its text may contain what a caller entered, so it isn't logged.
            tracing::warn!(code = reply.code, "skipped a reply that came before its command");
        }
        self.count_stray()
    }

    /// Counts a stray line: a peer that sends nothing else would hold the call forever.
    fn count_stray(&mut self) -> io::Result<()> {
        self.strays += 1;
        if self.strays > MAX_STRAYS {
            return Err(broken(format_args!("more than {MAX_STRAYS} lines that are not replies")));
        }
        Ok(())
    }

    /// Fails if a reply that has begun isn't complete by this time.
    fn ensure_in_time(&self, rest: Time) -> io::Result<()> {
        if self.in_flight && rest != Time::NEVER && self.wire.now() >= rest {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the rest of a reply did not come within {} s", REST_TIMEOUT.as_secs()),
            ));
        }
        Ok(())
    }

    /// Whether a reply answers the line in flight.
    fn answers(&self, reply: &crate::agi::Reply) -> bool {
        if self.is_resyncing {
            // The framer takes a value right before the reply for the reply's beginning, since values may contain
            // line ends.
            let value = reply.value().unwrap_or_default();
            return value == SYNC_TEXT || value.ends_with(&format!("\n200 result=1 ({SYNC_TEXT}"));
        }
        // A NOOP is always answered with 200. Anything before that is a stray reply to the previous command.
        self.in_flight && (reply.code == 200 || self.line.strip_suffix(b"\n") != Some(NOOP.verb.as_bytes()))
    }
}

/// Replaces each CR and LF by an LF.
fn without_cr(bytes: &[u8]) -> Vec<u8> {
    let follows = |at: usize| bytes.get(at + 1) == Some(&b'\n');
    bytes.iter().enumerate().filter(|&(at, byte)| *byte != b'\r' || !follows(at)).map(|(_, byte)| *byte).collect()
}

fn broken(text: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_string())
}

impl<W: Wire> Transport for Stream<W> {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        let until = self.wire.now() + self.opening;
        let ends = |text: &str| io::Error::new(io::ErrorKind::UnexpectedEof, text);
        let mut scanner = BlockScanner::default();
        let mut last = self.wire.now();
        loop {
            let block = self.framer.buffer();
            let (found, likely) = (scanner.end(block), scanner.likely_end());
            let too_long = block.len() > MAX_BLOCK;
            if let Some(end) = found.or(likely.filter(|_| too_long)) {
                return self.opened(end, scanner.crlf);
            }
            if too_long {
                return Err(broken(format_args!("the environment has no end within {MAX_BLOCK} bytes")));
            }
            let nothing = block.is_empty();
            let silent = if likely.is_some() { until.min(last + OPENING_SILENCE) } else { until };
            match (self.read(Wait::Opening(silent))?, likely) {
                (Got::Bytes, _) => last = self.wire.now(),
                (Got::End, Some(end)) => return self.opened(end, scanner.crlf),
                (Got::End, None) if nothing => {
                    return Err(ends("no environment came: is this started by Asterisk's AGI()?"));
                }
                (Got::End, None) => return Err(ends("the environment ends in the middle")),
                (Got::Stop, _) => return Err(ends("stopped before the environment came")),
                // Kept for the first command: the opening block is still to come.
                (Got::Hangup, _) => self.hung_up = true,
                (Got::Nothing, Some(end)) if self.wire.now() >= silent => return self.opened(end, scanner.crlf),
                (Got::Nothing, None) if self.wire.now() >= until => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("the environment did not come whole within {} s", self.opening.as_secs_f64()),
                    ));
                }
                (Got::Nothing | Got::Wakeup, _) => {}
            }
        }
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: true }
    }

    fn remote(&self) -> Option<Remote> {
        self.wire.remote()
    }

    fn now(&self) -> Time {
        self.wire.now()
    }

    fn wall(&self) -> Time {
        self.wire.wall()
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.listen_before_sending()?;
        // The whole line goes out in one write: Asterisk spins on half a line.
        self.line.clear();
        self.line.extend_from_slice(line);
        self.line.push(b'\n');
        self.wire.write(&self.line)?;
        self.in_flight = true;
        Ok(())
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.is_resyncing = true;
        self.send(format!("{} \"{SYNC_TEXT}\"", GET_FULL_VARIABLE.verb).as_bytes())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if std::mem::take(&mut self.hung_up) {
            self.gone = true;
            return Ok(Heard::Hangup);
        }
        if std::mem::take(&mut self.stopped) {
            return Ok(Heard::Stop);
        }
        let mut begun = false;
        let mut rest = Time::NEVER;
        loop {
            // Canned replies wait for their commands.
            let in_turn = self.canned == Some(true);
            while (self.in_flight || !in_turn)
                && let Some(frame) = self.framer.take().map_err(broken)?
            {
                match frame {
                    // Either a value that holds a reply, or two replies.
                    Frame::Reply(reply) if self.canned.is_none() && reply.text.contains("\n200 result=") => {
                        self.framer.put_back(&reply);
                        self.look_for_canned()?;
                    }
                    Frame::Reply(reply) if self.answers(&reply) => {
                        self.replies += 1;
                        self.in_flight = false;
                        self.is_resyncing = false;
                        self.strays = 0;
                        return Ok(Heard::Reply(reply));
                    }
                    Frame::Hangup => {
                        if self.in_flight {
                            self.wire.more_is_due();
                        }
                        self.count_stray()?;
                        self.gone = true;
                        return Ok(Heard::Hangup);
                    }
                    Frame::Interim => self.count_stray()?,
                    Frame::Stray(line) => self.stray(&line)?,
                    Frame::Reply(reply) => self.stray_reply(&reply)?,
                }
            }
            if self.closed {
                if !std::mem::replace(&mut self.has_reported_end, true) {
                    return Ok(Heard::Closed);
                }
                return Ok(match self.read(Wait::Wakeup(until))? {
                    Got::Wakeup => Heard::Wakeup,
                    Got::Stop => Heard::Stop,
                    _ => Heard::Silence,
                });
            }
            // A peer that keeps talking gets no more time than a silent one.
            if begun {
                self.ensure_in_time(rest)?;
                if self.wire.now() >= until {
                    return Ok(Heard::Silence);
                }
            }
            let wait = if self.in_flight {
                if begun {
                    self.wire.more_is_due();
                }
                if rest == Time::NEVER && self.framer.is_unfinished() {
                    // A reply that has begun must go on, however much time the command has.
                    rest = self.wire.now() + REST_TIMEOUT;
                }
                Wait::Reply(until.min(rest))
            } else {
                Wait::Pause(until)
            };
            let got = self.read(wait).inspect_err(|_| {
                // Nothing more will come. Whoever goes on to receive only waits.
                self.closed = true;
                self.has_reported_end = true;
            })?;
            match got {
                Got::Bytes => begun = true,
                Got::End => {
                    self.ended();
                    if self.framer.is_unfinished() {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the line ends in the middle of a reply",
                        ));
                    }
                }
                Got::Hangup => {
                    self.gone = true;
                    return Ok(Heard::Hangup);
                }
                Got::Stop => return Ok(Heard::Stop),
                Got::Wakeup => return Ok(Heard::Wakeup),
                Got::Nothing => {
                    self.ensure_in_time(rest)?;
                    if self.wire.now() >= until {
                        return Ok(Heard::Silence);
                    }
                }
            }
        }
    }

    fn waker(&mut self) -> Option<Waker> {
        self.wire.waker()
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        if self.fails && ending == Ending::Failure {
            self.wire.write(b"failure\n")?;
        }
        Ok(())
    }
}
