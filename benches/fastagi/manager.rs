//! Asterisk's side of AsyncAGI: a manager interface, with many channels over one connection on one thread. It writes
//! what Asterisk 22 writes, to a user who gets the events of the class `agi`.

use super::load::{Channel, HOLD, Measured, Script, fail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long it waits at a time for something to arrive.
const TICK: Duration = Duration::from_millis(1);

/// A channel in AsyncAGI.
struct Line {
    call: Channel,
    /// Which call on this channel it is.
    number: u64,
    /// Commands that wait for the one before, with their ids.
    queue: VecDeque<(String, String)>,
    is_busy: bool,
    began: Instant,
    is_live: bool,
}

/// The manager interface of an Asterisk.
pub struct Manager {
    listener: TcpListener,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    out: Vec<u8>,
    lines: Vec<Line>,
    goes_on: bool,
    reply_delay: Duration,
    /// Whether the events of the beginning and the end of each command are sent, as they are without a filter.
    tells_all: bool,
    /// The commands that end later: the channel, its call, the command's id and reply.
    later: BTreeMap<(Instant, usize), (u64, String, Cow<'static, str>)>,
    pub held: usize,
    pub heard: Measured,
}

impl Manager {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
            stream: None,
            input: Vec::new(),
            out: Vec::new(),
            lines: Vec::new(),
            goes_on: true,
            reply_delay: Duration::ZERO,
            tells_all: true,
            later: BTreeMap::new(),
            held: 0,
            heard: Measured::default(),
        })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes the connection of a server, up to its login.
    pub fn accept(&mut self) -> io::Result<()> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        self.stream = Some(stream);
        self.out.extend_from_slice(b"Asterisk Call Manager/11.0.0\r\n");
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            self.turn()?;
        }
        Ok(())
    }

    /// Delays what a command of a script does by this time, half of it more or less.
    pub fn set_reply_delay(&mut self, time: Duration) {
        self.reply_delay = time;
    }

    /// Leaves out the events that servers don't need.
    pub fn filter(&mut self) {
        self.tells_all = false;
    }

    /// Adds a channel that calls, and calls again when a call has ended.
    pub fn add(&mut self, script: Script) {
        let (call, began) = (Channel::new(self.lines.len(), script), Instant::now());
        self.lines.push(Line { call, number: 0, queue: VecDeque::new(), is_busy: false, began, is_live: false });
        self.begin(self.lines.len() - 1);
    }

    /// Plays for some time, and leaves the calls as they are then. One more call of this script begins after each of
    /// these lengths of time, up to this number of them.
    pub fn play(&mut self, time: Duration, script: Script, calls: usize, every: Duration) -> io::Result<Measured> {
        self.heard = Measured::default();
        let start = Instant::now();
        while start.elapsed() < time {
            while self.lines.len() < calls && every * (self.lines.len() as u32) <= start.elapsed() {
                self.add(script);
            }
            self.turn()?;
        }
        Ok(std::mem::take(&mut self.heard))
    }

    /// Plays the calls to their ends. A call that doesn't end has failed.
    pub fn finish(&mut self) -> io::Result<Measured> {
        self.goes_on = false;
        let end = Instant::now() + Duration::from_secs(5) + self.reply_delay * 100;
        while self.lines.iter().any(|line| line.is_live) && Instant::now() < end {
            self.turn()?;
        }
        let left = self.lines.iter().filter(|line| line.is_live).count();
        (0..left).for_each(|_| fail(&mut self.heard, "a call does not end".to_owned()));
        (self.goes_on, self.lines) = (true, Vec::new());
        Ok(std::mem::take(&mut self.heard))
    }

    /// Opens calls that wait. Returns how many do.
    pub fn hold(&mut self, calls: usize) -> io::Result<usize> {
        const AT_A_TIME: usize = 64;
        let end = Instant::now() + Duration::from_secs(20);
        while self.held < calls && Instant::now() < end {
            while self.lines.len() < calls.min(self.held + AT_A_TIME) {
                self.add(HOLD);
            }
            self.turn()?;
        }
        Ok(self.held)
    }

    fn begin(&mut self, at: usize) {
        let line = &mut self.lines[at];
        line.call = Channel::new(at, line.call.script);
        line.number += 1;
        (line.is_live, line.is_busy, line.began) = (true, false, Instant::now());
        line.queue.clear();
        let name = line.call.script.name;
        let block = format!(
            "agi_request: async\nagi_channel: PJSIP/alice-{at:08x}\nagi_language: en\nagi_type: PJSIP\n\
             agi_uniqueid: {}\nagi_version: 22.10.1\nagi_callerid: 201\nagi_calleridname: Alice\nagi_callingpres: 0\n\
             agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 500\nagi_rdnis: unknown\n\
             agi_context: game\nagi_extension: 500\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: \n\
             agi_threadid: 140112990996160\nagi_arg_1: {name}\n\n",
            unique_id(at, line.number),
        );
        self.event("AsyncAGIStart", at, &[("Env", &encoded(&block))]);
    }

    /// Writes an event as Asterisk writes it, with what it knows of the channel.
    fn event(&mut self, name: &str, at: usize, more: &[(&str, &str)]) {
        let id = unique_id(at, self.lines[at].number);
        let _ = write!(
            self.out,
            "Event: {name}\r\nPrivilege: agi,all\r\nChannel: PJSIP/alice-{at:08x}\r\nChannelState: 6\r\n\
             ChannelStateDesc: Up\r\nCallerIDNum: 201\r\nCallerIDName: Alice\r\nConnectedLineNum: <unknown>\r\n\
             ConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: \r\nContext: game\r\nExten: 500\r\n\
             Priority: 1\r\nUniqueid: {id}\r\nLinkedid: {id}\r\n",
        );
        for (name, value) in more {
            let _ = write!(self.out, "{name}: {value}\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Sends what there is, and takes what arrives meanwhile.
    fn turn(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while let Some(next) = self.later.first_entry().filter(|next| next.key().0 <= now) {
            let ((_, at), (number, id, reply)) = next.remove_entry();
            if self.lines.get(at).is_some_and(|line| line.is_live && line.number == number) {
                self.lines[at].is_busy = false;
                self.executed(at, &id, &reply);
                self.run(at);
            }
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        stream.write_all(&self.out)?;
        self.out.clear();
        let due = self.later.keys().next().map_or(TICK, |(due, _)| due.saturating_duration_since(Instant::now()));
        let timeout = Timespec::try_from(due.min(TICK)).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(stream, PollFlags::IN)];
        if poll(&mut ready, Some(&timeout))? == 0 {
            return Ok(());
        }
        let start = self.input.len();
        self.input.resize(start + 64 * 1024, 0);
        let length = stream.read(&mut self.input[start..])?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.input.truncate(start + length);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some(end) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            self.action(&String::from_utf8_lossy(&rest[..end]));
            rest = &rest[end + 4..];
        }
        self.input = rest.to_vec();
        Ok(())
    }

    fn action(&mut self, text: &str) {
        let get = |name: &str| {
            let found = text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_default()
        };
        let mut respond = |said: &str| {
            let _ = write!(self.out, "Response: {said}\r\n");
            if !get("ActionID").is_empty() {
                let _ = write!(self.out, "ActionID: {}\r\n", get("ActionID"));
            }
        };
        match get("Action") {
            "AGI" => {
                let at = channel_of(get("Channel")).filter(|(at, number)| {
                    self.lines.get(*at).is_some_and(|line| line.is_live && line.number == *number)
                });
                let Some((at, _)) = at else {
                    respond("Error");
                    let _ = write!(self.out, "Message: Channel {} does not exist.\r\n\r\n", get("Channel"));
                    return;
                };
                respond("Success");
                self.out.extend_from_slice(b"Message: Added AGI command to queue\r\n\r\n");
                self.lines[at].queue.push_back((get("CommandID").to_owned(), get("Command").to_owned()));
                return self.run(at);
            }
            "Challenge" => respond("Success\r\nChallenge: 123456789"),
            "CoreShowChannels" => respond("Error\r\nMessage: Permission denied"),
            _ => respond("Success"),
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Carries out what is queued for a channel.
    fn run(&mut self, at: usize) {
        while let Some(line) = self.lines.get_mut(at).filter(|line| line.is_live && !line.is_busy) {
            let Some((id, command)) = line.queue.pop_front() else { return };
            if command == "ASYNCAGI BREAK" {
                self.executed(at, &id, "200 result=0\n");
                return self.end(at, None);
            }
            if command == "NOOP" || command.contains("\"AGI_RHAI_CALL\"") {
                self.executed(at, &id, if command == "NOOP" { "200 result=0\n" } else { "200 result=1\n" });
                continue;
            }
            let now = Instant::now();
            self.heard.commands += 1;
            if line.call.commands == 0 {
                self.heard.first.push(now - line.began);
            } else {
                self.heard.waits.push(now - line.call.since);
            }
            match line.call.answer(command.as_bytes()) {
                Ok(None) => {
                    line.is_busy = true;
                    self.held += 1;
                }
                Ok(Some(reply)) if self.reply_delay.is_zero() => self.executed(at, &id, &reply),
                Ok(Some(reply)) => {
                    line.is_busy = true;
                    let part = (self.heard.commands as f64 * 0.618_033_988_75).fract();
                    let due = now + self.reply_delay.mul_f64(0.5 + part);
                    self.later.insert((due, at), (line.number, id, reply));
                }
                Err(why) => return self.end(at, Some(why)),
            }
        }
    }

    /// Tells that a command was carried out.
    fn executed(&mut self, at: usize, id: &str, reply: &str) {
        if self.tells_all {
            self.event("AGIExecStart", at, &[("CommandId", "1804289383"), ("Command", "STREAM FILE \"welcome\" \"\"")]);
            let command = ("Command", "STREAM FILE \"welcome\" \"\"");
            let more = [("CommandId", "1804289383"), command, ("ResultCode", "200"), ("Result", "Success")];
            self.event("AGIExecEnd", at, &more);
        }
        self.event("AsyncAGIExec", at, &[("CommandID", id), ("Result", &encoded(reply))]);
        self.lines[at].call.since = Instant::now();
    }

    fn end(&mut self, at: usize, failure: Option<String>) {
        self.event("AsyncAGIEnd", at, &[]);
        self.lines[at].is_live = false;
        self.heard.calls += 1;
        if let Some(why) = failure.or_else(|| self.lines[at].call.verdict(true).err()) {
            fail(&mut self.heard, why);
        }
        if self.goes_on {
            self.begin(at);
        }
    }
}

fn unique_id(at: usize, number: u64) -> String {
    format!("17000{at}.{number}")
}

fn channel_of(id: &str) -> Option<(usize, u64)> {
    let (at, number) = id.strip_prefix("17000")?.split_once('.')?;
    Some((at.parse().ok()?, number.parse().ok()?))
}

/// Encodes as Asterisk does.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' | b'(' | b')' | b'!' | b'*' | b'\'' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
