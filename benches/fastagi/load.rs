//! Asterisk's side of FastAGI: many calls at a time on one thread, lean, so that mostly the server is measured.

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

/// The script of a call, and the commands expected from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Script {
    pub name: &'static str,
    /// With fewer commands than this, the call has failed.
    pub min_commands: u32,
    /// The last number it says, if one is expected.
    pub score: Option<i64>,
}

/// Ten rounds, all answered correctly.
pub const GAME: Script = Script { name: "subtraction10.rhai", min_commands: 53, score: Some(10) };
/// ANSWER, and GET DATA without a reply.
pub const HOLD: Script = Script { name: "hold", min_commands: 2, score: None };
/// ANSWER, and then a request to a web API that never answers.
pub const ASK: Script = Script { name: "ask.rhai", min_commands: 2, score: None };
/// ANSWER, and then no command for 0.9 s.
pub const COMPUTE: Script = Script { name: "compute.rhai", min_commands: 2, score: None };

impl Script {
    fn environment(self) -> Vec<u8> {
        let name = self.name;
        format!(
            "agi_network: yes\nagi_network_script: {name}\nagi_request: agi://127.0.0.1/{name}\n\
             agi_channel: PJSIP/alice-00000001\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1700000000.12\n\
             agi_version: 22.10.1\nagi_callerid: 201\nagi_calleridname: Alice\nagi_callingpres: 0\n\
             agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 500\nagi_rdnis: unknown\n\
             agi_context: game\nagi_extension: 500\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: \n\
             agi_threadid: 140112990996160\n\n"
        )
        .into_bytes()
    }
}

/// The measurements of the calls.
#[derive(Debug, Default)]
pub struct Measured {
    pub commands: u64,
    pub calls: u64,
    pub failures: u64,
    /// The first failure.
    pub failure: Option<String>,
    /// From `connect` to the first command.
    pub first: Vec<Duration>,
    /// From a reply to the next command, in all calls except the disturbing one.
    pub waits: Vec<Duration>,
}

/// One channel in conversation.
#[derive(Debug)]
pub struct Channel {
    pub script: Script,
    number: usize,
    line: Option<OwnedFd>,
    connected: bool,
    /// The part of a line that is still incomplete.
    part: Vec<u8>,
    said: [i64; 2],
    pub commands: u32,
    /// The host's word on how the call ended.
    status: Option<bool>,
    /// When it began to wait for what comes next.
    pub since: Instant,
}

/// Asterisk's reply to a command, if there is one.
pub type Reply = Option<Cow<'static, str>>;

impl Channel {
    pub fn new(number: usize, script: Script) -> Self {
        Self {
            script,
            number,
            line: None,
            connected: false,
            part: Vec::new(),
            said: [0; 2],
            commands: 0,
            status: None,
            since: Instant::now(),
        }
    }

    /// Returns Asterisk's reply to a command when all sounds exist and the caller knows the answer.
    pub fn answer(&mut self, line: &[u8]) -> Result<Reply, String> {
        let unknown = || format!("unknown command: {}", String::from_utf8_lossy(line));
        let text = str::from_utf8(line).map_err(|_| unknown())?;
        let mut words = text.split_ascii_whitespace().map(|word| word.trim_matches('"'));
        let mut next = || words.next().unwrap_or_default();
        self.commands += 1;
        let reply = match (next(), next(), next()) {
            ("ANSWER", ..) => "200 result=0\n",
            ("STREAM", "FILE", _) => "200 result=0 endpos=8000\n",
            ("SAY", "NUMBER", number) => {
                self.said = [self.said[1], number.parse().map_err(|_| unknown())?];
                "200 result=0\n"
            }
            ("GET", "DATA", _) if self.script == HOLD => return Ok(None),
            ("GET", "DATA", _) => return Ok(Some(format!("200 result={}\n", self.said[0] - self.said[1]).into())),
            ("SET", "VARIABLE", "AGI_RHAI_STATUS") => {
                let status = next();
                self.status = Some(status == "SUCCESS");
                if status != "SUCCESS" {
                    return Err(format!("AGI_RHAI_STATUS {status}"));
                }
                "200 result=1\n"
            }
            ("SET", "VARIABLE", "AGI_RHAI_ERROR") => return Err(text.to_owned()),
            ("SET", "VARIABLE", _) => "200 result=1\n",
            _ => return Err(unknown()),
        };
        Ok(Some(reply.into()))
    }

    /// Checks whether a call that was closed now had come to its end.
    pub fn verdict(&self, tells: bool) -> Result<(), String> {
        let Script { name, min_commands, score } = self.script;
        if self.commands < min_commands {
            return Err(format!("{name}: the line ended after {} commands", self.commands));
        }
        if score.is_some_and(|score| self.said[1] != score) {
            return Err(format!("{name}: the score was {}", self.said[1]));
        }
        if tells && self.status.is_none() {
            return Err(format!("{name}: no AGI_RHAI_STATUS"));
        }
        Ok(())
    }
}

/// A reply that is sent later.
struct DelayedReply {
    /// When the command came, which identifies the call among those on the same channel.
    asked: Instant,
    reply: Cow<'static, str>,
}

/// Calls to one server.
pub struct Load {
    address: SocketAddrV4,
    /// Whether the server reports how each call ended.
    tells: bool,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    input: Vec<u8>,
    channels: Vec<Channel>,
    environments: Vec<(Script, Vec<u8>)>,
    /// Whether a call that ended is followed by another.
    goes_on: bool,
    /// How long a reply takes.
    reply_delay: Duration,
    /// Sorted by the time when they are due, and by channel.
    later: BTreeMap<(Instant, usize), DelayedReply>,
    held: usize,
    heard: Measured,
}

impl Load {
    pub fn new(address: SocketAddrV4, tells: bool) -> io::Result<Self> {
        Ok(Self {
            address,
            tells,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(256),
            input: vec![0; 16 * 1024],
            channels: Vec::new(),
            environments: Vec::new(),
            goes_on: true,
            reply_delay: Duration::ZERO,
            later: BTreeMap::new(),
            held: 0,
            heard: Measured::default(),
        })
    }

    /// Delays replies by this time, half of it more or less. Without this they come at once.
    pub fn set_reply_delay(&mut self, time: Duration) {
        self.reply_delay = time;
    }

    /// Adds channels that call, and call again when a call has ended.
    pub fn add(&mut self, calls: usize, script: Script) -> io::Result<()> {
        if !self.environments.iter().any(|(other, _)| *other == script) {
            self.environments.push((script, script.environment()));
        }
        for _ in 0..calls {
            self.channels.push(Channel::new(self.channels.len(), script));
            self.call(self.channels.len() - 1)?;
        }
        Ok(())
    }

    /// Plays for some time, and leaves the calls as they are then. Returns what was measured in this time.
    pub fn play(&mut self, time: Duration) -> io::Result<Measured> {
        let end = Instant::now() + time;
        self.heard = Measured::default();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(std::mem::take(&mut self.heard));
            }
            self.turn(left)?;
        }
    }

    /// Plays the calls to their ends and counts the failures among them. A call that doesn't end has failed.
    pub fn finish(mut self) -> io::Result<Measured> {
        self.goes_on = false;
        // A game has some 60 replies.
        let end = Instant::now() + Duration::from_secs(5) + self.reply_delay * 100;
        while self.channels.iter().any(|channel| channel.line.is_some()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                for channel in &self.channels {
                    if channel.line.is_some() {
                        fail(&mut self.heard, format!("{}: it does not end", channel.script.name));
                    }
                }
                break;
            }
            self.turn(left)?;
        }
        Ok(self.heard)
    }

    /// Opens calls that wait. Returns how many do.
    pub fn hold(&mut self, calls: usize) -> io::Result<usize> {
        // Few at a time, so that no server's queue of new connections overflows.
        const AT_A_TIME: usize = 64;
        self.goes_on = false;
        let end = Instant::now() + Duration::from_secs(20);
        let mut opened = 0;
        while self.held + (self.heard.failures as usize) < calls && Instant::now() < end {
            let under_way = opened - self.held - self.heard.failures as usize;
            let more = (calls - opened).min(AT_A_TIME - under_way);
            self.add(more, HOLD)?;
            opened += more;
            self.turn(Duration::from_millis(100))?;
        }
        Ok(self.held)
    }

    /// Returns the first failure.
    pub fn failure(&self) -> Option<&str> {
        self.heard.failure.as_deref()
    }

    fn call(&mut self, at: usize) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let line = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        let channel = &mut self.channels[at];
        *channel = Channel::new(channel.number, channel.script);
        match rustix::net::connect(&line, &self.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        // Edge triggered, so that one registration serves the whole call.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &line, epoll::EventData::new_u64(at as u64), flags)?;
        channel.line = Some(line);
        Ok(())
    }

    /// Waits until something happens, and replies.
    fn turn(&mut self, timeout: Duration) -> io::Result<()> {
        self.send_due_replies();
        let due = self.later.keys().next().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        let timeout = due.map_or(timeout, |due| timeout.min(due));
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let at = event.data.u64() as usize;
            let flags = event.flags;
            match self.event(at, flags) {
                Ok(true) => {}
                Ok(false) => {
                    self.heard.calls += 1;
                    match self.channels[at].verdict(self.tells) {
                        Ok(()) => self.next(at)?,
                        Err(why) => self.failed(at, why)?,
                    }
                }
                Err(why) => self.failed(at, why)?,
            }
        }
        self.events = events;
        Ok(())
    }

    fn send_due_replies(&mut self) {
        let now = Instant::now();
        while let Some(next) = self.later.first_entry().filter(|next| next.key().0 <= now) {
            let ((_, at), later) = next.remove_entry();
            let channel = &mut self.channels[at];
            if let Some(line) = channel.line.as_ref().filter(|_| channel.since == later.asked) {
                channel.since = Instant::now();
                let _ = rustix::io::write(line, later.reply.as_bytes());
            }
        }
    }

    fn failed(&mut self, at: usize, why: String) -> io::Result<()> {
        fail(&mut self.heard, why);
        self.next(at)
    }

    fn next(&mut self, at: usize) -> io::Result<()> {
        self.channels[at].line = None;
        if self.goes_on { self.call(at) } else { Ok(()) }
    }

    /// Handles an event on a connection. Returns `false` if it was closed.
    fn event(&mut self, at: usize, flags: epoll::EventFlags) -> Result<bool, String> {
        let channel = &mut self.channels[at];
        let Some(line) = channel.line.take() else { return Ok(true) };
        let broken = |error: Errno, commands| format!("the line broke after {commands} commands: {error}");
        if !channel.connected {
            if flags.contains(epoll::EventFlags::ERR) {
                let error = rustix::net::sockopt::socket_error(&line).ok().and_then(Result::err);
                return Err(format!("no connection: {}", error.unwrap_or(Errno::CONNREFUSED)));
            }
            channel.connected = true;
            let (_, environment) = self.environments.iter().find(|(script, _)| *script == channel.script).unwrap();
            rustix::io::write(&line, environment).map_err(|error| broken(error, 0))?;
        }
        let closing = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        loop {
            let length = match rustix::io::read(&line, &mut self.input[..]) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                // Closing without reading the last reply resets the connection, which ends a call as well.
                Err(Errno::CONNRESET) if channel.commands >= channel.script.min_commands => return Ok(false),
                Err(error) => return Err(broken(error, channel.commands)),
            };
            let now = Instant::now();
            let whole;
            let mut rest = if channel.part.is_empty() {
                &self.input[..length]
            } else {
                channel.part.extend_from_slice(&self.input[..length]);
                whole = std::mem::take(&mut channel.part);
                &whole[..]
            };
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let command = &rest[..end];
                rest = &rest[end + 1..];
                if channel.commands == 0 {
                    self.heard.first.push(now - channel.since);
                } else if channel.script != COMPUTE {
                    self.heard.waits.push(now - channel.since);
                }
                channel.since = now;
                self.heard.commands += 1;
                match channel.answer(command)? {
                    None => self.held += 1,
                    // Whether the server is gone shows at the next read.
                    Some(reply) if self.reply_delay.is_zero() => {
                        let _ = rustix::io::write(&line, reply.as_bytes());
                    }
                    Some(reply) => {
                        // Different delays, or all calls would fall into step; the golden ratio spreads them evenly.
                        let part = (self.heard.commands as f64 * 0.618_033_988_75).fract();
                        let due = now + self.reply_delay.mul_f64(0.5 + part);
                        self.later.insert((due, at), DelayedReply { asked: now, reply });
                    }
                }
            }
            channel.part = rest.to_vec();
            if length < self.input.len() && !closing {
                break;
            }
        }
        channel.line = Some(line);
        Ok(true)
    }
}

pub fn fail(heard: &mut Measured, why: String) {
    heard.failures += 1;
    heard.failure.get_or_insert(why);
}

/// Plays one whole call like Asterisk itself: a thread that waits for each command. Returns how long the first one
/// took, and all of them.
pub fn call(address: SocketAddrV4, script: Script) -> io::Result<(Duration, Vec<String>)> {
    let environment = script.environment();
    let mut channel = Channel::new(0, script);
    let since = Instant::now();
    let line = TcpStream::connect(address)?;
    line.set_read_timeout(Some(Duration::from_secs(5)))?;
    (&line).write_all(&environment)?;
    let mut input = BufReader::new(&line);
    let (mut first, mut commands, mut command) = (None, Vec::new(), String::new());
    while input.read_line(&mut command)? > 0 {
        first.get_or_insert_with(|| since.elapsed());
        // The caller of this function judges the commands.
        let reply = channel.answer(command.trim_end().as_bytes()).ok().flatten().unwrap_or("200 result=1\n".into());
        (&line).write_all(reply.as_bytes())?;
        commands.push(std::mem::take(&mut command));
    }
    Ok((first.ok_or(io::ErrorKind::UnexpectedEof)?, commands))
}
