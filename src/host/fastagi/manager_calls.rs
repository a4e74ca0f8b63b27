//! The channels in AsyncAGI that a manager connection tells of: which of them are ours, and which are to be ended.
//!
//! Several servers may be logged in to one Asterisk, and each hears of every channel. So each queues a command for the
//! channel as its claim. Asterisk carries them out one after the other and tells every server about each: the one whose
//! claim ran first has the call. It then names itself in a variable of the channel.
//!
//! Whose calls are whose must also be found out where the beginning wasn't heard, or a server is silent: by asking for
//! that variable. The server of the call hears that, and answers by another command. If nobody does, that server is
//! gone: a call that nobody has begun is claimed, and any other is ended, so that its dialplan goes on.
//!
//! This file does nothing by itself: it says what is to be done.

use crate::agi::Environment;
use crate::agi::manager::{AsyncAgiEvent, Message, agi_action};
use crate::clock::Time;
use crate::command::{ASYNCAGI_BREAK, GET_VARIABLE, NOOP, SET_VARIABLE};
use crate::host::{ERROR, STATUS, Status};
use crate::transport::async_agi::{CALL, CLAIM};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What the ids of all servers' commands begin with.
const PREFIX: &str = "agi-rhai";
/// How long a server may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_millis(1500);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_millis(1500);
/// How long a server without room leaves a call to others.
const LEAVE: Duration = Duration::from_secs(1);

/// The channels of one manager connection.
pub(super) struct Calls {
    /// Differs from that of any other server.
    server: String,
    next: u64,
    by_key: HashMap<u64, Channel>,
    /// The keys by the unique ids of channels.
    keys: HashMap<String, u64>,
    /// When other servers were heard.
    servers: HashMap<String, Time>,
    /// How many calls we play or end.
    own: usize,
}

/// A channel in AsyncAGI.
struct Channel {
    id: String,
    /// The event with which its session began.
    start: Vec<u8>,
    state: State,
    /// Whether the last list of channels in AsyncAGI lacked it.
    was_missing: bool,
}

enum State {
    /// It is left to others until then.
    Left { until: Time },
    /// Our claim is on its way.
    Claiming(Aim),
    /// We play it.
    Ours,
    /// Another server plays it.
    Theirs { server: String },
    /// Whose it is isn't known. Asked then, it told this then.
    Unknown { since: Time, asked: bool, told: Option<(Time, bool)> },
    /// It is over on our side, and is to be ended.
    Ending { asks: bool },
}

/// What a call is claimed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    Play,
    /// To say that there is no room.
    TurnAway,
    /// To end it, since its server is gone.
    End,
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Send this to the manager.
    Send(Vec<u8>),
    /// Begin a call with these events.
    Begin { key: u64, channel: String, tag: String, events: Vec<u8> },
    /// Give this to a call.
    Deliver { key: u64, message: Vec<u8> },
    /// The last message for a call.
    End { key: u64, message: Vec<u8> },
    /// Warn of a call that was found to have lost its server.
    Orphan { channel: String },
}

/// The id of a command, in its parts.
struct Id<'a> {
    server: &'a str,
    key: u64,
    number: &'a str,
}

fn parts(id: &str) -> Option<Id<'_>> {
    let mut parts = id.strip_prefix(PREFIX)?.strip_prefix(':')?.splitn(3, ':');
    let (server, key, number) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    Some(Id { server, key, number })
}

/// What the dialplan is told of a call that was lost.
const WHY_LOST: &str = "the server or its manager connection was lost in the middle of a command";

/// The number by which a server asks whose a call is.
const ASKS: &str = "whose";
/// The number by which it is answered.
const ANSWERS: &str = "ours";

impl State {
    /// Whether it is ours to play or to end.
    fn is_own(&self) -> bool {
        matches!(self, Self::Ours | Self::Ending { .. })
    }
}

impl Calls {
    pub fn new(server: String) -> Self {
        Self { server, next: 0, by_key: HashMap::new(), keys: HashMap::new(), servers: HashMap::new(), own: 0 }
    }

    /// Returns the number of calls that we play or end.
    pub fn own(&self) -> usize {
        debug_assert_eq!(self.own, self.by_key.values().filter(|channel| channel.state.is_own()).count());
        self.own
    }

    fn tag(&self, key: u64) -> String {
        format!("{PREFIX}:{}:{key}", self.server)
    }

    /// Returns the action of a command of ours for a channel.
    fn command(&self, key: u64, number: &str, line: &str) -> Deed {
        let channel = self.by_key.get(&key).map_or("", |channel| &channel.id);
        Deed::Send(agi_action(channel.as_bytes(), &format!("{}:{number}", self.tag(key)), line.as_bytes()))
    }

    fn set(&self, key: u64, name: &str, value: &str) -> Deed {
        self.command(key, "set", &format!("{} \"{name}\" \"{value}\"", SET_VARIABLE.verb))
    }

    fn claim(&mut self, key: u64, aim: Aim) -> Deed {
        self.enter(key, State::Claiming(aim));
        self.command(key, &CLAIM.to_string(), NOOP.verb)
    }

    fn enter(&mut self, key: u64, state: State) {
        if let Some(channel) = self.by_key.get_mut(&key) {
            self.own = self.own + usize::from(state.is_own()) - usize::from(channel.state.is_own());
            channel.state = state;
        }
    }

    fn remove(&mut self, key: u64) {
        if let Some(channel) = self.by_key.remove(&key) {
            self.own -= usize::from(channel.state.is_own());
            self.keys.remove(&channel.id);
        }
    }

    fn add(&mut self, id: &str, start: &[u8], state: State) -> u64 {
        self.next += 1;
        self.keys.insert(id.to_owned(), self.next);
        self.by_key.insert(self.next, Channel { id: id.to_owned(), start: start.to_vec(), state, was_missing: false });
        self.next
    }

    /// Handles a message of the manager. `takes` says whether we take a call with this environment, and `has_room`
    /// whether we can.
    pub fn handle(
        &mut self,
        message: Message<'_>,
        now: Time,
        takes: impl Fn(&Environment) -> bool,
        has_room: bool,
    ) -> Vec<Deed> {
        let channel = message.get("Uniqueid");
        match message.async_agi() {
            Some(AsyncAgiEvent::Start) => self.started(channel, message, now, takes, has_room),
            Some(AsyncAgiEvent::Exec) => self.executed(channel, message, now),
            Some(AsyncAgiEvent::End) => {
                let Some(key) = self.keys.get(channel).copied() else { return Vec::new() };
                let is_ours = matches!(self.by_key.get(&key), Some(Channel { state: State::Ours, .. }));
                self.remove(key);
                is_ours.then(|| Deed::End { key, message: message.0.to_vec() }).into_iter().collect()
            }
            None if message.is_response() && !message.is_success() => self.refused(message),
            None => Vec::new(),
        }
    }

    fn started(
        &mut self,
        id: &str,
        message: Message<'_>,
        now: Time,
        takes: impl Fn(&Environment) -> bool,
        has_room: bool,
    ) -> Vec<Deed> {
        let mut deeds = Vec::new();
        if let Some(key) = self.keys.get(id).copied() {
            deeds.extend(self.vanished(key));
        }
        let block = message.written("Env").bytes;
        // What was cut off is not needed for this.
        let environment = Environment::parse(&[&block, &b"\n\n"[..]].concat());
        if !environment.as_ref().is_ok_and(takes) {
            return deeds;
        }
        let until = now + LEAVE;
        let key = self.add(id, message.0, State::Left { until });
        if has_room {
            deeds.push(self.claim(key, Aim::Play));
        }
        deeds
    }

    fn executed(&mut self, channel: &str, message: Message<'_>, now: Time) -> Vec<Deed> {
        let Some(id) = parts(message.get("CommandID")) else { return Vec::new() };
        if id.server == self.server {
            return self.executed_own(id.key, id.number, message, now);
        }
        self.servers.insert(id.server.to_owned(), now);
        let key = match self.keys.get(channel).copied() {
            Some(key) => key,
            // Its start was not heard. Whoever has claimed it plays it.
            None if id.number == ASKS => return Vec::new(),
            None => self.add(channel, b"", State::Theirs { server: id.server.to_owned() }),
        };
        let Some(found) = self.by_key.get_mut(&key) else { return Vec::new() };
        let theirs = State::Theirs { server: id.server.to_owned() };
        match &found.state {
            State::Ours if id.number == ASKS => vec![self.command(key, ANSWERS, NOOP.verb)],
            // A claim that came too late, or something that was left in the queue.
            State::Ours | State::Ending { .. } => Vec::new(),
            _ if id.number == ASKS => Vec::new(),
            State::Left { .. } | State::Claiming(_) | State::Unknown { .. } => {
                found.state = theirs;
                Vec::new()
            }
            State::Theirs { .. } => Vec::new(),
        }
    }

    fn executed_own(&mut self, key: u64, number: &str, message: Message<'_>, now: Time) -> Vec<Deed> {
        let Some(channel) = self.by_key.get_mut(&key) else { return Vec::new() };
        match &mut channel.state {
            State::Claiming(aim) if number == "0" => match *aim {
                Aim::Play => {
                    channel.state = State::Ours;
                    self.own += 1;
                    let (id, mut events) = (channel.id.clone(), std::mem::take(&mut channel.start));
                    events.extend_from_slice(message.0);
                    let tag = self.tag(key);
                    vec![self.set(key, CALL, &tag), Deed::Begin { key, channel: id, tag, events }]
                }
                Aim::TurnAway => {
                    channel.state = State::Ending { asks: false };
                    self.own += 1;
                    vec![self.set(key, STATUS, Status::Busy.word()), self.command(key, "end", ASYNCAGI_BREAK.verb)]
                }
                Aim::End => {
                    channel.state = State::Ending { asks: false };
                    self.own += 1;
                    let orphan = Deed::Orphan { channel: channel.id.clone() };
                    [vec![orphan], self.end(key)].concat()
                }
            },
            State::Ours if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                vec![Deed::Deliver { key, message: message.0.to_vec() }]
            }
            State::Unknown { told, .. } if number == ASKS => {
                let written = message.written("Result").bytes;
                *told = Some((now, written.starts_with(b"200 result=0") || written.starts_with(b"200 result=1 ()")));
                Vec::new()
            }
            State::Ending { asks } if number == ASKS && *asks => {
                *asks = false;
                self.end(key)
            }
            _ => Vec::new(),
        }
    }

    /// Handles a response that something could not be done: the channel is gone, or no longer in AsyncAGI.
    fn refused(&mut self, message: Message<'_>) -> Vec<Deed> {
        let Some(id) = parts(message.get("ActionID")).filter(|id| id.server == self.server) else { return Vec::new() };
        let Some(channel) = self.by_key.get(&id.key) else { return Vec::new() };
        if matches!(channel.state, State::Ours) {
            return vec![Deed::Deliver { key: id.key, message: message.0.to_vec() }];
        }
        self.remove(id.key);
        Vec::new()
    }

    /// Handles the end of a call on our side.
    pub fn over(&mut self, key: u64, left: bool) -> Vec<Deed> {
        if !self.by_key.contains_key(&key) {
            return Vec::new();
        }
        self.enter(key, State::Ending { asks: false });
        if left { Vec::new() } else { self.end(key) }
    }

    /// Has the dialplan of a call go on that did not come to its end.
    fn end(&mut self, key: u64) -> Vec<Deed> {
        let (status, error) = (self.set(key, STATUS, Status::Lost.word()), self.set(key, ERROR, WHY_LOST));
        vec![status, error, self.set(key, CALL, ""), self.command(key, "end", ASYNCAGI_BREAK.verb)]
    }

    /// Handles a new manager connection after another. What was in between isn't known.
    pub fn resumed(&mut self, now: Time) -> Vec<Deed> {
        self.servers.clear();
        let mut asked = Vec::new();
        for (key, channel) in &mut self.by_key {
            match &mut channel.state {
                State::Ours => {}
                State::Ending { asks } => {
                    // The session may have ended, and another one be there.
                    *asks = true;
                    asked.push(*key);
                }
                other => *other = State::Unknown { since: now, asked: false, told: None },
            }
        }
        asked.into_iter().map(|key| self.ask(key)).collect()
    }

    /// Handles a channel that the list of channels shows in AsyncAGI, with the event of a start that is made of that.
    pub fn found(&mut self, id: &str, start: &[u8], now: Time) {
        match self.keys.get(id).and_then(|key| self.by_key.get_mut(key)) {
            Some(channel) if channel.start.is_empty() && !matches!(channel.state, State::Ours) => {
                channel.start = start.to_vec();
            }
            Some(_) => {}
            None => {
                self.add(id, start, State::Unknown { since: now, asked: false, told: None });
            }
        }
    }

    /// Compares with a whole list of the channels in AsyncAGI. A channel that is taken away by a bridge or a transfer
    /// ends its session without an event.
    pub fn reconcile(&mut self, listed: &HashSet<String>) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (key, channel) in &mut self.by_key {
            let is_missing = !listed.contains(&channel.id);
            // It may have begun since the list was asked for.
            if std::mem::replace(&mut channel.was_missing, is_missing) && is_missing {
                deeds.push(*key);
            }
        }
        deeds.into_iter().filter_map(|key| self.vanished(key)).collect()
    }

    /// Handles the end of a session that no event told.
    fn vanished(&mut self, key: u64) -> Option<Deed> {
        let is_ours = matches!(self.by_key.get(&key), Some(Channel { state: State::Ours, .. }));
        self.remove(key);
        is_ours.then(|| Deed::End { key, message: b"Event: AsyncAGIEnd\r\n\r\n".to_vec() })
    }

    /// Asks whose a call is.
    fn ask(&self, key: u64) -> Deed {
        self.command(key, ASKS, &format!("{} \"{CALL}\"", GET_VARIABLE.verb))
    }

    /// Does what is due. Call it several times a second.
    pub fn tick(&mut self, now: Time, has_room: bool) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let aim = if has_room { Aim::Play } else { Aim::TurnAway };
        let keys: Vec<u64> = self.by_key.keys().copied().collect();
        for key in keys {
            let Some(channel) = self.by_key.get_mut(&key) else { continue };
            match &mut channel.state {
                State::Left { until } if now >= *until => {
                    let deed = self.claim(key, aim);
                    deeds.push(deed);
                }
                State::Theirs { server } => {
                    let heard = *self.servers.entry(server.clone()).or_insert(now);
                    if now - heard >= SILENCE {
                        channel.state = State::Unknown { since: heard, asked: true, told: None };
                        deeds.push(self.ask(key));
                    }
                }
                State::Unknown { since, asked, .. } if !*asked && now - *since >= SILENCE => {
                    *asked = true;
                    deeds.push(self.ask(key));
                }
                State::Unknown { told: Some((at, is_new)), .. } if now - *at >= ANSWER => {
                    // Without its start, there is no telling what it was to play.
                    let deed = match (*is_new, channel.start.is_empty()) {
                        (true, true) => {
                            self.remove(key);
                            continue;
                        }
                        (true, false) => self.claim(key, aim),
                        (false, _) => self.claim(key, Aim::End),
                    };
                    deeds.push(deed);
                }
                _ => {}
            }
        }
        deeds
    }
}
