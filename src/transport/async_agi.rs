//! AsyncAGI: AGI over a manager connection, which many calls share.
//!
//! What goes over the wire are the actions and the events of one channel. Asterisk queues the commands of a channel and
//! carries them out in order, so those whose reply tells nothing are sent ahead.
//!
//! Asterisk writes a reply into a pipe, and tells of at most 1,024 bytes of it in an event; the rest heads the next
//! one. So where a reply may go on, a command with a known reply is sent after it, and what came before that reply is
//! the whole. The same is done after a -1, which may mean a hangup: either the session ends, or the known reply comes.

use super::peer::{Ending, Heard, Peer, Remote, Transport};
use super::stream::{Got, Wait, Wire};
use crate::agi::manager::{AsyncAgiEvent, Message, Messages, Written, action, agi_action};
use crate::agi::{Frame, Framer, Reply, printable, text};
use crate::clock::Time;
use crate::command::{ASYNCAGI_BREAK, Access, COMMANDS, Command, GET_FULL_VARIABLE, HUNG_UP, Returns, SET_VARIABLE};
use crate::plural::plural;
use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::Duration;
use tracing::{debug, warn};

/// How long the beginning of a session may take.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a command waits that Asterisk refuses because it is about to stop. That may be called off.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a call waits for a manager connection that is lost.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum number of commands whose reply nobody waits for.
const MAX_AHEAD: usize = 64;
/// The most events in which one reply may come: the pipe holds 64 KiB.
const MAX_PIECES: usize = 80;
/// The text asked for to find the end of a reply.
const SYNC_TEXT: &str = "agi-rhai: in step";
/// The code of the reply that is put in the place of one that can't be known. Asterisk has none of this number.
const UNKNOWN_REPLY: u16 = 599;

/// The event that tells a call that its manager connection is lost. It is told by our own side, as the next one.
pub(crate) const LOST: &[u8] = b"Event: ManagerLost\r\n\r\n";
/// The event that tells a call that there is a manager connection again.
pub(crate) const BACK: &[u8] = b"Event: ManagerBack\r\n\r\n";

/// The channel variable that names the session's server while it plays.
pub(crate) const CALL: &str = "AGI_RHAI_CALL";

/// The end of the id of the command that marks the channel as left, for a session that it begins later.
pub(crate) const LEFT: &str = "left";

/// Returns the line that does so, when the call with this tag leaves.
pub(crate) fn leaves(tag: &str) -> String {
    format!("{} \"{CALL}\" \"{LEFT} {tag}\"", SET_VARIABLE.verb)
}

/// Whose a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// It is marked as nobody's.
    Nobodys,
    /// This call's.
    Own,
    /// Another call's.
    Others,
    /// It began after the one of this call.
    Later,
}

impl Whose {
    /// Reads the variable, on behalf of the call with this tag.
    pub fn read(call: &str, tag: &str) -> Self {
        match call.strip_prefix(LEFT).map(str::trim_start) {
            Some(last) if last == tag => Self::Later,
            Some(_) => Self::Nobodys,
            None if call.is_empty() => Self::Nobodys,
            None if call == tag => Self::Own,
            None => Self::Others,
        }
    }
}

/// The id of the command by which a session was claimed. Its reply is the first.
pub(crate) const CLAIM: u64 = 0;

/// AGI over a manager connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the line, independent of the others")]
pub(crate) struct AsyncAgi<W> {
    wire: W,
    messages: Messages,
    /// What the channel is called in actions: its unique id, which never changes.
    channel: Vec<u8>,
    /// What the ids of this session's commands begin with.
    tag: String,
    next: u64,
    /// The commands that were sent and not answered, in order.
    pending: VecDeque<Pending>,
    /// The commands that wait for the manager connection to come back.
    held: Vec<Pending>,
    /// A reply whose end is looked for.
    partial: Option<Partial>,
    /// The environment, once it is known.
    block: Option<Vec<u8>>,
    /// The reply to the command in flight.
    ready: Option<Reply>,
    in_flight: bool,
    /// The verb of the command that the session waits for.
    verb: &'static str,
    /// Whether Asterisk has ended the session.
    ended: bool,
    has_reported_end: bool,
    stopped: bool,
    /// Why nothing more can be known.
    broken: Option<String>,
    /// When the manager connection was lost.
    lost_at: Option<Time>,
    /// Whether it is back, and it isn't known yet which commands have to be sent again.
    resuming: bool,
    /// When the commands are sent again that Asterisk has refused for the moment.
    retry_at: Option<Time>,
    /// The verb of the command because of which Asterisk ends the session, and what it says about that.
    failed: Option<(&'static str, String)>,
}

/// A command that was sent.
#[derive(Debug)]
struct Pending {
    id: u64,
    what: What,
    line: Vec<u8>,
}

/// What its reply is for.
#[derive(Clone, Copy, Debug)]
enum What {
    /// The session waits for it.
    Reply,
    /// Nobody needs it.
    Ahead(&'static Command),
    /// Nobody waits for it any more.
    GivenUp,
    /// It ends what is looked for.
    Sync,
    /// It shows what has become of the commands before it, while the manager connection was lost.
    Resume,
    /// It ends the session.
    Leave,
}

/// A reply whose end is looked for.
#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// The command that is answered; nothing for the environment.
    verb: &'static str,
    /// The first command whose reply ends it.
    first: Option<u64>,
    /// Whether some of it will never come.
    lost: bool,
    pieces: usize,
}

/// Returns the command of a line that may be sent ahead, and what Asterisk answers to it.
fn sent_ahead(line: &[u8]) -> Option<(&'static Command, &'static str)> {
    static AHEAD: OnceLock<Vec<&'static Command>> = OnceLock::new();
    let all = AHEAD.get_or_init(|| COMMANDS.iter().copied().filter(|command| command.ahead).collect());
    let command = all.iter().find(|command| {
        let rest = line.strip_prefix(command.verb.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b" "))
    })?;
    match command.function.returns {
        Returns::Nothing(result) => Some((command, result)),
        _ => None,
    }
}

/// Returns the command of a line.
fn command_of(line: &[u8]) -> Option<&'static Command> {
    let begins = |command: &&'static Command| line.starts_with(command.verb.as_bytes());
    COMMANDS.iter().copied().filter(begins).max_by_key(|command| command.verb.len())
}

/// Whether a line only reads, so that it may be sent twice. A function of the dialplan may do anything.
fn only_reads(line: &[u8]) -> bool {
    command_of(line).is_some_and(|command| match command.access {
        Access::ReadsEntry => true,
        Access::ReadsVariable | Access::ReadsExpression => !line.contains(&b'('),
        _ => false,
    })
}

fn broken(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

impl<W: Wire> AsyncAgi<W> {
    /// Creates the other end of a session whose ids begin with this tag. Its event of the start is the first thing to
    /// come over the wire, and the reply to the [claim](CLAIM) the second.
    pub fn over(wire: W, channel: &[u8], tag: String) -> Self {
        let claim = Pending { id: CLAIM, what: What::Sync, line: Vec::new() };
        Self {
            wire,
            messages: Messages::default(),
            channel: channel.to_vec(),
            tag,
            next: CLAIM + 1,
            pending: VecDeque::from([claim]),
            held: Vec::new(),
            partial: None,
            block: None,
            ready: None,
            in_flight: false,
            ended: false,
            has_reported_end: false,
            verb: "",
            stopped: false,
            broken: None,
            lost_at: None,
            resuming: false,
            retry_at: None,
            failed: None,
        }
    }

    /// Sends a command, or holds it until there is a manager connection again.
    fn queue(&mut self, what: What, line: &[u8]) -> io::Result<()> {
        let id = self.next;
        self.next += 1;
        let pending = Pending { id, what, line: line.to_vec() };
        if self.is_holding() {
            self.held.push(pending);
            return Ok(());
        }
        self.write(pending)
    }

    /// Sends a command at once.
    fn write(&mut self, pending: Pending) -> io::Result<()> {
        self.wire.write(&agi_action(&self.channel, &format!("{}:{}", self.tag, pending.id), &pending.line))?;
        if matches!(pending.what, What::Leave) {
            // Behind the end, this runs only in a session that the channel begins later: that one is new.
            let line = leaves(&self.tag);
            self.wire.write(&agi_action(&self.channel, &format!("{}:{LEFT}", self.tag), line.as_bytes()))?;
        }
        self.pending.push_back(pending);
        Ok(())
    }

    /// Whether commands are held back.
    fn is_holding(&self) -> bool {
        self.lost_at.is_some() || self.resuming || self.retry_at.is_some()
    }

    /// Asks for a known reply, which will be the end of what is looked for.
    fn sync(&mut self) -> io::Result<()> {
        let id = self.next;
        if let Some(partial) = &mut self.partial {
            partial.first.get_or_insert(id);
        }
        let text = self.sync_text(id);
        self.queue(What::Sync, format!("{} \"{text}\"", GET_FULL_VARIABLE.verb).as_bytes())
    }

    fn sync_text(&self, id: u64) -> String {
        format!("{SYNC_TEXT} {}:{id}", self.tag)
    }

    /// Returns the whole reply to a sync.
    fn sync_reply(&self, id: u64) -> String {
        if id == CLAIM { "200 result=0\n".to_owned() } else { format!("200 result=1 ({})\n", self.sync_text(id)) }
    }

    /// Handles everything that has arrived.
    fn handle_all(&mut self) -> io::Result<()> {
        while self.ready.is_none() && self.broken.is_none() {
            // Taken out, since what it says changes everything else.
            let mut messages = std::mem::take(&mut self.messages);
            let handled = match messages.take() {
                Ok(Some(message)) => self.handle(message).map(|()| true),
                Ok(None) => Ok(false),
                Err(why) => Err(broken(why)),
            };
            self.messages = messages;
            if !handled? {
                break;
            }
        }
        Ok(())
    }

    fn handle(&mut self, message: Message<'_>) -> io::Result<()> {
        match message.async_agi() {
            Some(AsyncAgiEvent::Start) => {
                let Written { bytes, cut: _, lost } = message.written("Env");
                self.partial = Some(Partial { bytes, verb: "", first: Some(CLAIM), lost, pieces: 0 });
                Ok(())
            }
            Some(AsyncAgiEvent::Exec) => match self.own(message.get("CommandID")) {
                Some(id) => self.executed(id, message.written("Result")),
                None => Ok(()),
            },
            Some(AsyncAgiEvent::End) => {
                self.end();
                Ok(())
            }
            None if message.is_response() => self.respond(message),
            None if message.0 == LOST => {
                self.lost_at.get_or_insert(self.wire.now());
                Ok(())
            }
            None if message.0 == BACK => self.resume(),
            None => Ok(()),
        }
    }

    /// Returns the number of a command of this session by its id.
    fn own(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&*self.tag)?.strip_prefix(':')?.parse().ok()
    }

    /// Handles the response to an action. That a command was queued is no news.
    fn respond(&mut self, message: Message<'_>) -> io::Result<()> {
        let Some(id) = self.own(message.get("ActionID")) else { return Ok(()) };
        if message.is_success() || !self.pending.iter().any(|pending| pending.id == id) {
            return Ok(());
        }
        let why = message.get("Message");
        debug!(why, "the manager refuses a command");
        // A channel that is gone, or one that isn't in AsyncAGI any more, gets no event about that.
        if why.contains("does not exist") || why.contains("Failed to add") {
            self.end();
            return Ok(());
        }
        if why.contains("shutting down") {
            let at = self.pending.iter().position(|pending| pending.id == id);
            // Whose the session is, is asked anew.
            let refused =
                at.and_then(|at| self.pending.remove(at)).filter(|refused| !matches!(refused.what, What::Resume));
            self.held.extend(refused);
            self.held.sort_by_key(|pending| pending.id);
            self.retry_at.get_or_insert(self.wire.now() + RETRY_AFTER);
            return Ok(());
        }
        Err(broken(format!("the manager refuses a command: {}", printable(why))))
    }

    /// Handles the end of the session.
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let unheard = self.pending.iter().filter(|pending| matches!(pending.what, What::Ahead(_))).count();
        if unheard > 0 {
            debug!("the session ended before it was known that {} sent ahead had run", plural(unheard, "command"));
        }
        if let Some(partial) = self.partial.take() {
            self.complete(partial);
        }
    }

    /// Handles a command that was carried out.
    fn executed(&mut self, id: u64, written: Written) -> io::Result<()> {
        let Some(at) = self.pending.iter().position(|pending| pending.id == id) else { return Ok(()) };
        self.failed = None;
        // They run in order. So those before it have run, or never will.
        let unheard: Vec<Pending> = self.pending.drain(..at).collect();
        let Some(pending) = self.pending.pop_front() else { return Ok(()) };
        self.missed(unheard, matches!(pending.what, What::Resume));
        match pending.what {
            What::Reply => {
                let fails = written.bytes.starts_with(b"200 result=-1");
                let verb = self.verb;
                let partial = Partial { bytes: written.bytes, verb, first: None, lost: written.lost, pieces: 0 };
                if written.cut || fails {
                    self.partial = Some(partial);
                    self.sync()?;
                } else {
                    self.complete(partial);
                }
            }
            What::Ahead(command) => {
                let expected = match command.function.returns {
                    Returns::Nothing(result) => format!("200 result={result}\n"),
                    _ => String::new(),
                };
                if written.cut {
                    return Err(broken(format!("the reply to {} was cut off", command.verb)));
                }
                // Its text may contain what a caller entered, so it isn't logged.
                if !written.bytes.ends_with(expected.as_bytes()) {
                    let line = text(&written.bytes);
                    let shown: String = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
                    warn!(command = command.verb, reply = shown.trim_end(), "failed, after the script went on");
                }
            }
            // What may be left of it heads the next reply.
            What::GivenUp if written.cut => self.sync()?,
            What::GivenUp | What::Leave => {}
            What::Resume => match self.call_of(id, &written.bytes) {
                // The rest of a reply that was lost.
                None => self.ask_whose()?,
                Some(call) => self.resumed(&call)?,
            },
            What::Sync => {
                let reply = self.sync_reply(id);
                if let Some(partial) = &mut self.partial {
                    partial.bytes.extend_from_slice(&written.bytes);
                    partial.lost |= written.lost;
                    partial.pieces += 1;
                    if !partial.bytes.ends_with(reply.as_bytes()) {
                        if partial.pieces > MAX_PIECES {
                            return Err(broken(format!("the reply to {} has no end", partial.verb)));
                        }
                        return self.sync();
                    }
                    if let Some(mut partial) = self.partial.take() {
                        let first = self.sync_reply(partial.first.unwrap_or(id));
                        let length = partial.bytes.windows(first.len()).position(|bytes| bytes == first.as_bytes());
                        partial.bytes.truncate(length.unwrap_or(partial.bytes.len() - reply.len()));
                        self.complete(partial);
                    }
                } else if !written.bytes.ends_with(reply.as_bytes()) {
                    // The rest of a reply that was lost.
                    return self.sync();
                }
            }
        }
        Ok(())
    }

    /// Handles commands whose replies came while there was no manager connection. If a command has run that was sent
    /// after them, they have run. Otherwise that will never be known, and what only sets or reads something is done
    /// again.
    fn missed(&mut self, unheard: Vec<Pending>, may_be_lost: bool) {
        let mut again = Vec::new();
        for pending in unheard {
            match pending.what {
                What::Ahead(_) | What::Leave => again.extend(may_be_lost.then_some(pending)),
                What::Reply if may_be_lost && only_reads(&pending.line) => again.push(pending),
                What::Reply => self.fail("the manager connection was lost, and with it the reply to a command"),
                What::Sync if self.partial.is_some() => {
                    self.fail("the manager connection was lost, and with it a part of a reply");
                }
                What::Sync | What::GivenUp | What::Resume => {}
            }
        }
        // The script has said these before whatever is held.
        self.held.splice(..0, again);
    }

    fn fail(&mut self, why: &str) {
        self.broken.get_or_insert_with(|| why.to_owned());
    }

    /// Goes on over a new manager connection.
    fn resume(&mut self) -> io::Result<()> {
        if self.lost_at.take().is_none() || self.ended {
            return Ok(());
        }
        self.retry_at = None;
        self.resuming = true;
        self.ask_whose()
    }

    /// Asks whose the session is, as which of the commands before this one are lost will be known then.
    fn ask_whose(&mut self) -> io::Result<()> {
        let id = self.next;
        self.next += 1;
        let line = format!("{} \"{} ${{{CALL}}}\"", GET_FULL_VARIABLE.verb, self.sync_text(id));
        self.write(Pending { id, what: What::Resume, line: line.into_bytes() })
    }

    /// Returns whose the session is, from the reply.
    fn call_of(&self, id: u64, bytes: &[u8]) -> Option<String> {
        let start = format!("200 result=1 ({} ", self.sync_text(id));
        let at = bytes.windows(start.len()).rposition(|bytes| bytes == start.as_bytes())? + start.len();
        Some(text(bytes[at..].strip_suffix(b")\n")?).into_owned())
    }

    /// Goes on in the session of this call.
    fn resumed(&mut self, call: &str) -> io::Result<()> {
        self.resuming = false;
        match Whose::read(call, &self.tag) {
            Whose::Own => {}
            // That it is ours was lost.
            Whose::Nobodys => {
                let line = format!("{} \"{CALL}\" \"{}\"", SET_VARIABLE.verb, self.tag).into_bytes();
                let id = self.next;
                self.next += 1;
                self.held.insert(0, Pending { id, what: What::Ahead(&SET_VARIABLE), line });
            }
            Whose::Others | Whose::Later => {
                self.end();
                return Ok(());
            }
        }
        if self.is_holding() { Ok(()) } else { self.release() }
    }

    /// Sends what was held back.
    fn release(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.held).into_iter().try_for_each(|pending| self.write(pending))
    }

    /// Sends again what Asterisk has refused for the moment, if it is time.
    fn retry(&mut self) -> io::Result<()> {
        if self.lost_at.is_none() && self.retry_at.take_if(|at| self.wire.now() >= *at).is_some() {
            return if self.resuming { self.ask_whose() } else { self.release() };
        }
        Ok(())
    }

    /// Takes a reply, or the environment, now that it is there as a whole.
    fn complete(&mut self, partial: Partial) {
        let Partial { bytes, verb, lost, .. } = partial;
        if verb.is_empty() {
            if lost {
                self.fail("the environment is too long for AsyncAGI: pass fewer or shorter arguments");
            } else {
                self.block = Some(bytes);
            }
            return;
        }
        let reply = if lost {
            let text = "its value is too long for AsyncAGI, which passes on some 680 characters that aren't letters or \
                        digits: read it in parts, such as `${NAME:0:300}`";
            Some(Reply::new(UNKNOWN_REPLY, text))
        } else {
            reply(&bytes)
        };
        match reply {
            Some(reply) => {
                self.failed = why_failed(&reply).map(|why| (verb, why));
                self.ready = Some(reply);
            }
            None => self.fail(&format!("the reply to {verb} isn't AGI")),
        }
    }

    /// Fails if the manager connection was lost too long ago.
    fn ensure_in_time(&self) -> io::Result<()> {
        match self.lost_at {
            Some(at) if self.wire.now() - at >= RECONNECT_TIMEOUT => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the manager could not be reached for {} s", RECONNECT_TIMEOUT.as_secs()),
            )),
            _ => Ok(()),
        }
    }

    /// Returns up to when to wait at most.
    fn limit(&self, until: Time) -> Time {
        let lost = self.lost_at.map_or(until, |at| until.min(at + RECONNECT_TIMEOUT));
        self.retry_at.map_or(lost, |at| lost.min(at))
    }

    fn read(&mut self, wait: Wait) -> io::Result<Got> {
        let got = self.wire.read(self.messages.buffer(), wait)?;
        match got {
            Got::Stop => self.stopped = true,
            Got::End => self.fail("the manager connection was closed"),
            _ => {}
        }
        Ok(got)
    }

    /// Handles what has arrived, without waiting.
    fn poll(&mut self) -> io::Result<()> {
        let now = self.wire.now();
        while self.read(Wait::Pause(now))? == Got::Bytes {
            self.handle_all()?;
        }
        self.handle_all()
    }
}

/// Returns why a command failed, if that is no hangup. Asterisk ends the session after either.
fn why_failed(reply: &Reply) -> Option<String> {
    if reply.result() != "-1" {
        return None;
    }
    let note = match reply.value() {
        Some(value) => value,
        None => reply.text.split_once(' ').map_or("", |(_, rest)| rest),
    };
    match (note, reply.number("endpos")) {
        (HUNG_UP | "", _) => None,
        // A hangup would have come later than at the first sample.
        (_, Some(..=0)) => Some("probably, its sound file is missing".to_owned()),
        (_, Some(_)) => None,
        (note, None) => Some(printable(note).into_owned()),
    }
}

/// Reads a reply.
fn reply(bytes: &[u8]) -> Option<Reply> {
    // A command that says that it is trying has two lines.
    let bytes = match bytes.strip_prefix(b"100 ") {
        Some(rest) => &rest[rest.iter().position(|byte| *byte == b'\n')? + 1..],
        None => bytes,
    };
    if let Some(rest) = bytes.strip_prefix(b"200 ") {
        // A value may have several lines. What follows a reply without one belongs to no command.
        let first = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let whole = rest.strip_suffix(b"\n").unwrap_or(rest);
        let has_value = first.contains(&b'(');
        return Some(Reply::new(200, text(if has_value { whole } else { first })));
    }
    let mut framer = Framer::default();
    framer.push(bytes);
    while let Ok(Some(frame)) = framer.take() {
        if let Frame::Reply(reply) = frame {
            return Some(reply);
        }
    }
    None
}

impl<W: Wire> Transport for AsyncAgi<W> {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        let until = self.wire.now() + OPENING_TIMEOUT;
        loop {
            self.handle_all()?;
            if let Some(why) = self.broken.take() {
                return Err(broken(why));
            }
            if let Some(block) = self.block.take() {
                return Ok(block);
            }
            if self.ended {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the caller hung up before the session began",
                ));
            }
            match self.read(Wait::Opening(until))? {
                Got::Stop => return Err(broken("stopped before the session began")),
                Got::Nothing if self.wire.now() >= until => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("the session did not begin within {} s", OPENING_TIMEOUT.as_secs()),
                    ));
                }
                _ => {}
            }
        }
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: false }
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
        // A command for a session that has ended would run in the channel's next one.
        self.poll()?;
        if self.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some(why) = self.broken.take() {
            return Err(broken(why));
        }
        self.in_flight = true;
        let ahead = self.pending.iter().filter(|pending| matches!(pending.what, What::Ahead(_))).count();
        if let Some((command, result)) = sent_ahead(line).filter(|_| ahead + self.held.len() < MAX_AHEAD) {
            self.ready = Some(Reply::of(result));
            return self.queue(What::Ahead(command), line);
        }
        self.verb = command_of(line).map_or("a command", |command| command.verb);
        self.queue(What::Reply, line)
    }

    /// A line that is queued interrupts nothing. So the command goes on, and its reply is given up; what plays a sound
    /// ends at once, if the manager may do that.
    fn interrupt(&mut self) -> io::Result<()> {
        for pending in self.pending.iter_mut().chain(&mut self.held) {
            if matches!(pending.what, What::Reply) {
                pending.what = What::GivenUp;
            }
        }
        self.partial = None;
        self.ready = Some(Reply::of(0));
        if self.lost_at.is_some() {
            return Ok(());
        }
        self.wire.write(&action("ControlPlayback", &[("Channel", &self.channel), ("Control", b"stop")]))
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        loop {
            if let Some(reply) = self.ready.take() {
                self.in_flight = false;
                return Ok(Heard::Reply(reply));
            }
            if std::mem::take(&mut self.stopped) {
                return Ok(Heard::Stop);
            }
            if self.ended {
                if !std::mem::replace(&mut self.has_reported_end, true) {
                    return match &self.failed {
                        Some((verb, why)) => Err(broken(format!("Asterisk ends AsyncAGI when {verb} fails: {why}"))),
                        None => Ok(Heard::Closed),
                    };
                }
                return Ok(match self.read(Wait::Wakeup(until))? {
                    Got::Wakeup => Heard::Wakeup,
                    Got::Stop => Heard::Stop,
                    _ => Heard::Silence,
                });
            }
            if let Some(why) = self.broken.take() {
                self.ended = true;
                self.has_reported_end = true;
                return Err(broken(why));
            }
            self.ensure_in_time()?;
            self.retry()?;
            let limit = self.limit(until);
            let wait = if self.in_flight { Wait::Reply(limit) } else { Wait::Pause(limit) };
            match self.read(wait)? {
                Got::Bytes => self.handle_all()?,
                Got::Wakeup => return Ok(Heard::Wakeup),
                Got::Nothing if self.wire.now() >= until => return Ok(Heard::Silence),
                _ => {}
            }
        }
    }

    fn waker(&mut self) -> Option<Waker> {
        self.wire.waker()
    }

    /// Has the dialplan go on, and waits until it does: otherwise nobody would send again what is lost with a
    /// connection. A failure can't be told to it this way.
    fn leave(&mut self, _: Ending) -> io::Result<()> {
        (self.ready, self.in_flight) = (None, false);
        self.poll()?;
        if self.ended || self.broken.is_some() {
            return Ok(());
        }
        self.queue(What::Leave, ASYNCAGI_BREAK.verb.as_bytes())?;
        let until = self.wire.now() + RECONNECT_TIMEOUT;
        while !self.ended && self.broken.is_none() && self.wire.now() < until {
            self.read(Wait::Reply(self.limit(until)))?;
            self.handle_all()?;
            self.retry()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Value, WAIT_FOR_DIGIT};
    use crate::session::{Error, Over, Session};
    use crate::sync::lock;
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use std::sync::{Arc, Mutex};

    const ENVIRONMENT: &str = "agi_request: async\nagi_channel: Local/1\nagi_arg_1: game\n\n";

    /// An Asterisk behind a manager, as it was seen: a pipe, of which an event tells 1,024 bytes at most, and of these
    /// 2,047 bytes at most when encoded.
    struct Asterisk {
        now: Time,
        pipe: Vec<u8>,
        events: Vec<u8>,
        commands: Arc<Mutex<Vec<String>>>,
        /// What it answers to a command, and what happens then.
        answer: Box<dyn FnMut(&str) -> Answer + Send>,
        ended: bool,
    }

    enum Answer {
        Reply(String),
        /// The session ends after this reply.
        Last(String),
        /// The connection is lost and comes back, and only then the command is carried out, if it is at all.
        Lost(Option<String>),
        Refused(&'static str),
    }

    impl Asterisk {
        fn tell(&mut self, event: &str, id: &str, header: &str) {
            let length = self.pipe.len().min(MAX_READ);
            let written: Vec<u8> = self.pipe.drain(..length).collect();
            let mut encoded = percent_encode(&written, NON_ALPHANUMERIC).to_string();
            // It cuts between two letters.
            while encoded.len() > 2047 || encoded[encoded.len().saturating_sub(2)..].starts_with('%') {
                encoded.pop();
            }
            let event = format!("Event: {event}\r\nCommandId: {id}\r\n{header}: {encoded}\r\n\r\n");
            self.events.extend_from_slice(event.as_bytes());
        }

        fn carry_out(&mut self, id: &str, reply: &str) {
            self.pipe.extend_from_slice(reply.as_bytes());
            self.tell("AsyncAGIExec", id, "Result");
        }
    }

    const MAX_READ: usize = 1024;

    impl Wire for Asterisk {
        fn now(&self) -> Time {
            self.now
        }

        fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
            let (Wait::Opening(until) | Wait::Reply(until) | Wait::Pause(until) | Wait::Wakeup(until)) = wait;
            if self.events.is_empty() {
                self.now = self.now.max(until);
                return Ok(Got::Nothing);
            }
            bytes.append(&mut self.events);
            Ok(Got::Bytes)
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            let message = Message(bytes);
            let (id, command) = (message.get("CommandID").to_owned(), message.get("Command").to_owned());
            lock(&self.commands).push(command.clone());
            if self.ended {
                return Ok(());
            }
            if let Some(text) = command.strip_prefix("GET FULL VARIABLE \"agi-rhai: in step") {
                let text = text.replace("${AGI_RHAI_CALL}", "tag");
                self.carry_out(&id, &format!("200 result=1 (agi-rhai: in step{})\n", text.trim_end_matches('"')));
                return Ok(());
            }
            match (self.answer)(&command) {
                Answer::Reply(reply) => self.carry_out(&id, &reply),
                Answer::Last(reply) => {
                    self.carry_out(&id, &reply);
                    self.events.extend_from_slice(b"Event: AsyncAGIEnd\r\n\r\n");
                    self.ended = true;
                }
                Answer::Lost(reply) => {
                    self.events.extend_from_slice(LOST);
                    self.events.extend_from_slice(BACK);
                    if let Some(reply) = reply {
                        self.carry_out(&id, &reply);
                    }
                }
                Answer::Refused(why) => {
                    let response = format!("Response: Error\r\nActionID: {id}\r\nMessage: {why}\r\n\r\n");
                    self.events.extend_from_slice(response.as_bytes());
                }
            }
            Ok(())
        }
    }

    type Commands = Arc<Mutex<Vec<String>>>;

    /// Begins a session whose commands are answered like this.
    fn session_with(
        environment: &str,
        answer: impl FnMut(&str) -> Answer + Send + 'static,
    ) -> (Result<Session, crate::session::BeginError>, Commands) {
        let commands = Commands::default();
        let mut asterisk = Asterisk {
            now: Time::default(),
            pipe: environment.as_bytes().to_vec(),
            events: Vec::new(),
            commands: Arc::clone(&commands),
            answer: Box::new(answer),
            ended: false,
        };
        asterisk.tell("AsyncAGIStart", "", "Env");
        asterisk.carry_out("tag:0", "200 result=0\n");
        let transport = AsyncAgi::over(asterisk, b"1.1", "tag".to_owned());
        (Session::begin(Box::new(transport)), commands)
    }

    fn session(answer: impl FnMut(&str) -> Answer + Send + 'static) -> (Session, Commands) {
        let (session, commands) = session_with(ENVIRONMENT, answer);
        (session.unwrap(), commands)
    }

    fn get(session: &mut Session) -> Result<Value, Error> {
        session.invoke(&GET_FULL_VARIABLE, &[Value::from("${X}")])
    }

    #[test]
    fn a_reply_of_any_length_is_read_whole_and_the_next_one_is_its_own() {
        for length in (0..2200).chain([5000, 20_000, 60_000]) {
            let value: String = "a(b)c d\n200 result=0\ne".chars().cycle().take(length).collect();
            let reply = value.clone();
            let (mut session, _) = session(move |command| {
                Answer::Reply(match command {
                    "NOOP" => "200 result=0\n".to_owned(),
                    "WAIT FOR DIGIT 1" => "200 result=53\n".to_owned(),
                    _ => format!("200 result=1 ({reply})\n"),
                })
            });
            assert_eq!(get(&mut session).unwrap(), Value::from(&*value), "{length}");
            assert_eq!(session.invoke(&WAIT_FOR_DIGIT, &[Value::Int(1)]).unwrap(), Value::from("5"), "{length}");
        }
    }

    #[test]
    fn a_value_that_asterisk_loses_is_refused_and_never_cut() {
        for length in 300..800 {
            let value = "é".repeat(length);
            let reply = value.clone();
            let (mut session, _) = session(move |command| {
                Answer::Reply(match command {
                    "WAIT FOR DIGIT 1" => "200 result=53\n".to_owned(),
                    _ => format!("200 result=1 ({reply})\n"),
                })
            });
            match get(&mut session) {
                Ok(read) => assert_eq!(read, Value::from(&*value), "{length}"),
                Err(Error::Refused(refusal)) => assert!(refusal.message.contains("too long"), "{refusal:?}"),
                Err(error) => panic!("{error}"),
            }
            assert_eq!(session.invoke(&WAIT_FOR_DIGIT, &[Value::Int(1)]).unwrap(), Value::from("5"), "{length}");
        }
    }

    #[test]
    fn an_environment_of_any_length_is_read_whole_or_refused() {
        for (letter, fits) in [("a", true), ("%", false)] {
            let arguments: String = (1..60).map(|n| format!("agi_arg_{n}: {}\n", letter.repeat(30))).collect();
            let (session, _) = session_with(&format!("agi_request: async\n{arguments}\n"), |_| unreachable!());
            match session {
                Ok(session) if fits => assert_eq!(session.environment().arguments(), vec![letter.repeat(30); 59]),
                Err(error) if !fits => assert!(format!("{error:#}").contains("too long for AsyncAGI"), "{error:#}"),
                other => panic!("{letter}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_tells_nothing_is_sent_ahead_in_order() {
        let (mut session, commands) = session(|command| {
            assert!(command.starts_with("SET") || command.starts_with("GET"), "{command}");
            Answer::Reply(if command.starts_with("SET") { "200 result=1\n" } else { "200 result=1 (3)\n" }.to_owned())
        });
        for n in 0..3 {
            session.invoke(&SET_VARIABLE, &[Value::from("X"), Value::from(&*n.to_string())]).unwrap();
        }
        assert_eq!(get(&mut session).unwrap(), Value::from("3"));
        let sent = lock(&commands).clone();
        let setting = |n: usize| format!("SET VARIABLE \"X\" \"{n}\"");
        assert_eq!(sent, [setting(0), setting(1), setting(2), "GET FULL VARIABLE \"${X}\"".to_owned()]);
    }

    #[test]
    fn a_minus_one_is_a_hangup_only_if_the_session_ends() {
        let (mut session, _) = session(|_| Answer::Last("200 result=-1\n".to_owned()));
        assert_eq!(session.invoke(&WAIT_FOR_DIGIT, &[Value::Int(1)]), Err(Error::Over(Over::Hangup)));
        let (mut session, commands) = self::session(|_| Answer::Reply("200 result=-1\n".to_owned()));
        let failed = session.invoke(&crate::command::GET_DATA, &[Value::from("beep")]);
        assert!(session.over().is_none(), "{failed:?}");
        assert_eq!(lock(&commands).len(), 4, "two tries, and a question after each: {commands:?}");
    }

    #[test]
    fn a_missing_sound_is_told_from_a_hangup() {
        let play = |reply: &'static str| {
            let (mut session, _) = session(move |_| Answer::Last(reply.to_owned()));
            session.invoke(&crate::command::STREAM_FILE, &[Value::from("beep"), Value::from("")]).unwrap_err()
        };
        assert_eq!(play("200 result=-1 endpos=4160\n"), Error::Over(Over::Hangup));
        let Error::Over(Over::Lost(why)) = play("200 result=-1 endpos=0\n") else { panic!("that is no hangup") };
        assert!(why.contains("STREAM FILE"), "{why}");
    }

    #[test]
    fn a_reply_that_comes_after_the_connection_was_lost_counts() {
        let (mut session, _) = session(|command| match command {
            "WAIT FOR DIGIT 1" => Answer::Lost(Some("200 result=53\n".to_owned())),
            _ => Answer::Reply("200 result=1 (x)\n".to_owned()),
        });
        assert_eq!(session.invoke(&WAIT_FOR_DIGIT, &[Value::Int(1)]).unwrap(), Value::from("5"));
        assert_eq!(get(&mut session).unwrap(), Value::from("x"));
    }

    #[test]
    fn a_reply_that_was_lost_ends_the_script_and_what_was_sent_ahead_is_sent_again() {
        let (mut session, _) = session(|_| Answer::Lost(None));
        let Err(Error::Over(Over::Lost(why))) = session.invoke(&WAIT_FOR_DIGIT, &[Value::Int(1)]) else {
            panic!("nobody knows which key was pressed")
        };
        assert!(why.contains("the manager connection was lost"), "{why}");
        let mut is_first = true;
        let (mut session, commands) = self::session(move |command| {
            if command.starts_with("SET") && std::mem::take(&mut is_first) {
                return Answer::Lost(None);
            }
            Answer::Reply(if command.starts_with("SET") { "200 result=1\n" } else { "200 result=1 (3)\n" }.to_owned())
        });
        session.invoke(&SET_VARIABLE, &[Value::from("X"), Value::from("3")]).unwrap();
        assert_eq!(get(&mut session).unwrap(), Value::from("3"));
        let sets = lock(&commands).iter().filter(|command| command.starts_with("SET")).count();
        assert_eq!(sets, 2, "{commands:?}");
    }

    #[test]
    fn what_is_said_while_there_is_no_connection_is_done_after_what_was_lost_with_it() {
        let mut is_first = true;
        let (mut session, commands) = session(move |command| {
            if std::mem::take(&mut is_first) {
                return Answer::Lost(None);
            }
            Answer::Reply(if command.starts_with("SET") { "200 result=1\n" } else { "200 result=1 (2)\n" }.to_owned())
        });
        for n in 1..3 {
            session.invoke(&SET_VARIABLE, &[Value::from("X"), Value::Int(n)]).unwrap();
        }
        assert_eq!(get(&mut session).unwrap(), Value::from("2"));
        let said: Vec<String> = lock(&commands).iter().filter(|line| !line.contains("in step")).cloned().collect();
        let sets = |n: usize| format!("SET VARIABLE \"X\" \"{n}\"");
        assert_eq!(said, [sets(1), sets(1), sets(2), "GET FULL VARIABLE \"${X}\"".to_owned()]);
    }

    #[test]
    fn a_script_whose_end_is_lost_ends_again() {
        let mut losses = 2;
        let (mut session, commands) = session(move |command| match command {
            "ASYNCAGI BREAK" if losses > 0 => {
                losses -= 1;
                Answer::Lost(None)
            }
            "ASYNCAGI BREAK" => Answer::Last("200 result=0\n".to_owned()),
            _ => Answer::Reply("200 result=1\n".to_owned()),
        });
        session.end(Ending::Normal);
        let ends = lock(&commands).iter().filter(|line| *line == "ASYNCAGI BREAK").count();
        assert_eq!(ends, 3, "{commands:?}");
    }

    #[test]
    fn an_asterisk_that_is_about_to_stop_is_asked_again() {
        let mut left = 3;
        let (mut session, _) = session(move |_| {
            left -= 1;
            if left > 0 {
                return Answer::Refused("Asterisk is shutting down");
            }
            Answer::Reply("200 result=1 (x)\n".to_owned())
        });
        assert_eq!(get(&mut session).unwrap(), Value::from("x"));
        let (mut session, _) = self::session(|_| Answer::Refused("Channel 1.1 does not exist."));
        assert_eq!(get(&mut session), Err(Error::Over(Over::Hangup)));
    }
}
