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
use crate::transport::async_agi::{CALL, CLAIM, LEFT, Whose, leaves};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What the ids of all servers' commands begin with.
const PREFIX: &str = "agi-rhai";
/// How long a server may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_millis(1500);
/// How many of its calls are asked first; then twice as many in each tick.
const FIRST_ASKED: usize = 16;
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_millis(1500);
/// How many channels are known at most. No Asterisk has more.
const MAX_CHANNELS: usize = 50_000;
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
    /// The keys of calls that we have claimed to play them.
    claims: HashSet<u64>,
    servers: HashMap<String, OtherServer>,
    /// For how many calls there is something left to do.
    own: usize,
}

/// Another server that is logged in to the same manager.
struct OtherServer {
    heard: Time,
    /// How many of its calls were asked since then whether it is there, and how many more may be in this tick: first a
    /// few, since the answer of one will do.
    asked: usize,
    may_ask: usize,
}

impl OtherServer {
    fn heard(now: Time) -> Self {
        Self { heard: now, asked: 0, may_ask: 0 }
    }
}

/// A channel in AsyncAGI.
struct Channel {
    id: String,
    /// The event with which its session began.
    start: Vec<u8>,
    state: State,
    /// Whether the last list of channels in AsyncAGI lacked it.
    was_missing: bool,
    /// Whether the connection was lost meanwhile, so that its end may not have been heard.
    was_cut: bool,
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
    /// Whose it is isn't known. Once asked, it told at this time whether it is nobody's.
    Unknown { asked: bool, told: Option<(Time, bool)> },
    /// It is over on our side, and is to be ended with this status.
    Ending { asks: bool, status: Status },
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
    /// Look soon which channels there are.
    List,
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

/// Returns the answer to the question whose a call is.
fn call_of(message: Message<'_>) -> String {
    let reply = message.written("Result").bytes;
    let reply = str::from_utf8(&reply).unwrap_or_default();
    let call = reply.strip_prefix("200 result=1 (").and_then(|rest| rest.strip_suffix(")\n"));
    call.unwrap_or_default().to_owned()
}

/// What the dialplan is told of a call that was lost.
const WHY_LOST: &str = "the server or its manager connection was lost in the middle of a command";

/// The number by which a server asks whose a call is.
const ASKS: &str = "whose";
/// The number by which it is answered.
const ANSWERS: &str = "ours";

impl State {
    /// Whether there is something left to do for us. Once Asterisk has been told to end it, there isn't.
    fn is_own(&self) -> bool {
        matches!(self, Self::Ours | Self::Ending { asks: true, .. })
    }
}

impl Calls {
    pub fn new(server: String) -> Self {
        let (by_key, keys, claims, servers) = (HashMap::new(), HashMap::new(), HashSet::new(), HashMap::new());
        Self { server, next: 0, by_key, keys, claims, servers, own: 0 }
    }

    /// Returns the number of calls that we play or have to end.
    pub fn own(&self) -> usize {
        debug_assert_eq!(self.own, self.by_key.values().filter(|channel| channel.state.is_own()).count());
        self.own
    }

    /// Returns how much of this room is left besides the calls that we have claimed and may get.
    fn room_beside_claims(&mut self, room: usize) -> usize {
        let by_key = &self.by_key;
        self.claims.retain(|key| matches!(by_key.get(key), Some(Channel { state: State::Claiming(Aim::Play), .. })));
        room.saturating_sub(self.claims.len())
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
        if aim == Aim::Play {
            self.claims.insert(key);
        }
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
        let channel = Channel { id: id.to_owned(), start: start.to_vec(), state, was_missing: false, was_cut: false };
        self.by_key.insert(self.next, channel);
        self.next
    }

    /// Handles a message of the manager. `takes` says whether we take a call with this environment, and `room` how many
    /// we can take.
    pub fn handle(
        &mut self,
        message: Message<'_>,
        now: Time,
        takes: impl Fn(&Environment) -> bool,
        room: usize,
    ) -> Vec<Deed> {
        let channel = message.get("Uniqueid");
        match message.async_agi() {
            Some(AsyncAgiEvent::Start) => self.started(channel, message, now, takes, room),
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
        room: usize,
    ) -> Vec<Deed> {
        let mut deeds = Vec::new();
        if let Some(key) = self.keys.get(id).copied() {
            deeds.extend(self.vanished(key));
        }
        let block = message.written("Env").bytes;
        // What was cut off is not needed for this.
        let environment = Environment::parse(&[&block, &b"\n\n"[..]].concat());
        if !environment.as_ref().is_ok_and(takes) || self.by_key.len() >= MAX_CHANNELS {
            return deeds;
        }
        let until = now + LEAVE;
        // Claims that are decided are counted, too, as long as there is room enough.
        let has_room = self.claims.len() < room || self.room_beside_claims(room) > 0;
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
        // It was left behind in the channel's last session.
        if id.number == LEFT {
            return Vec::new();
        }
        self.servers.insert(id.server.to_owned(), OtherServer::heard(now));
        let key = match self.keys.get(channel).copied() {
            Some(key) => key,
            // Its start was not heard. Whoever has claimed it plays it.
            None if id.number == ASKS => return Vec::new(),
            None if self.by_key.len() >= MAX_CHANNELS => return Vec::new(),
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
        let tag = self.tag(key);
        let Some(channel) = self.by_key.get_mut(&key) else { return Vec::new() };
        match &mut channel.state {
            State::Claiming(aim) if number == "0" => match *aim {
                Aim::Play => {
                    channel.state = State::Ours;
                    self.own += 1;
                    let (id, mut events) = (channel.id.clone(), std::mem::take(&mut channel.start));
                    events.extend_from_slice(message.0);
                    vec![self.set(key, CALL, &tag), Deed::Begin { key, channel: id, tag, events }]
                }
                Aim::TurnAway => self.turn_away(key),
                Aim::End => {
                    let orphan = Deed::Orphan { channel: channel.id.clone() };
                    let (set, end) = (self.set(key, CALL, &tag), self.end(key, Status::Lost));
                    [vec![orphan, set], end].concat()
                }
            },
            State::Ours if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                vec![Deed::Deliver { key, message: message.0.to_vec() }]
            }
            State::Unknown { .. } if number == ASKS => {
                let call = call_of(message);
                // A call of ours that is over can't be this session, whose start was not heard.
                let is_over = parts(&format!("{call}:"))
                    .is_some_and(|id| id.server == self.server && id.key != key && !self.by_key.contains_key(&id.key));
                let is_new = is_over || Whose::read(&call, &tag) == Whose::Nobodys;
                if let Some(Channel { state: State::Unknown { told, .. }, .. }) = self.by_key.get_mut(&key) {
                    *told = Some((now, is_new));
                }
                Vec::new()
            }
            State::Ending { asks: true, status } if number == ASKS => {
                let status = *status;
                if matches!(Whose::read(&call_of(message), &tag), Whose::Own | Whose::Nobodys) {
                    return self.end(key, status);
                }
                // It has ended, and this is the channel's next session.
                self.remove(key);
                vec![Deed::List]
            }
            _ => Vec::new(),
        }
    }

    /// Handles a response that something could not be done: the channel is gone, or no longer in AsyncAGI.
    fn refused(&mut self, message: Message<'_>) -> Vec<Deed> {
        let Some(id) = parts(message.get("ActionID")).filter(|id| id.server == self.server) else { return Vec::new() };
        let Some(channel) = self.by_key.get(&id.key) else { return Vec::new() };
        let is_gone = ["does not exist", "Failed to add"].iter().any(|why| message.get("Message").contains(why));
        if matches!(channel.state, State::Ours) && !is_gone {
            return vec![Deed::Deliver { key: id.key, message: message.0.to_vec() }];
        }
        self.vanished(id.key).into_iter().collect()
    }

    /// Handles the end of a call on our side, which may have told Asterisk to go on.
    pub fn over(&mut self, key: u64, left: bool) -> Vec<Deed> {
        let Some(channel) = self.by_key.get(&key) else { return Vec::new() };
        // Its session may have ended unheard, and another one be there, ours or another server's.
        let asks = channel.was_cut;
        if !left && !asks {
            return self.end(key, Status::Lost);
        }
        self.enter(key, State::Ending { asks, status: Status::Lost });
        if asks { vec![self.ask(key)] } else { Vec::new() }
    }

    /// Has the dialplan of a call go on for which there is no room.
    pub fn turn_away(&mut self, key: u64) -> Vec<Deed> {
        let set = self.set(key, CALL, &self.tag(key));
        [vec![set], self.end(key, Status::Busy)].concat()
    }

    /// Has the dialplan of a call go on that did not come to its end.
    fn end(&mut self, key: u64, status: Status) -> Vec<Deed> {
        self.enter(key, State::Ending { asks: false, status });
        let mut deeds = vec![self.set(key, STATUS, status.word())];
        if status == Status::Lost {
            deeds.push(self.set(key, ERROR, WHY_LOST));
        }
        deeds.push(self.command(key, "end", ASYNCAGI_BREAK.verb));
        // Behind the end, this runs only in a session that the channel begins later: that one is new.
        deeds.push(self.command(key, LEFT, &leaves(&self.tag(key))));
        deeds
    }

    /// Handles a new manager connection after another. What was in between isn't known.
    pub fn resumed(&mut self) -> Vec<Deed> {
        self.servers.clear();
        let mut asked = Vec::new();
        for (key, channel) in &mut self.by_key {
            channel.was_cut = true;
            match &mut channel.state {
                State::Ours => {}
                State::Ending { asks, .. } => {
                    // The session may have ended, and another one be there.
                    self.own += usize::from(!std::mem::replace(asks, true));
                    asked.push(*key);
                }
                other => *other = State::Unknown { asked: false, told: None },
            }
        }
        asked.into_iter().map(|key| self.ask(key)).collect()
    }

    /// Handles a channel that the list of channels shows in AsyncAGI, with the event of a start that is made of that.
    pub fn found(&mut self, id: &str, start: &[u8]) {
        let is_full = self.by_key.len() >= MAX_CHANNELS;
        match self.keys.get(id).and_then(|key| self.by_key.get_mut(key)) {
            Some(channel) if channel.start.is_empty() && !matches!(channel.state, State::Ours) => {
                channel.start = start.to_vec();
            }
            Some(_) => {}
            None if is_full => {}
            None => {
                self.add(id, start, State::Unknown { asked: false, told: None });
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
    pub fn tick(&mut self, now: Time, room: usize) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let keys: Vec<u64> = self.by_key.keys().copied().collect();
        let mut left = self.room_beside_claims(room);
        let mut aim = || {
            let aim = if left > 0 { Aim::Play } else { Aim::TurnAway };
            left = left.saturating_sub(1);
            aim
        };
        for server in self.servers.values_mut() {
            server.may_ask = server.asked.max(FIRST_ASKED);
        }
        for key in keys {
            let Some(channel) = self.by_key.get_mut(&key) else { continue };
            match &mut channel.state {
                State::Left { until } if now >= *until => {
                    let deed = self.claim(key, aim());
                    deeds.push(deed);
                }
                State::Theirs { server } => {
                    let server = self.servers.entry(server.clone()).or_insert_with(|| OtherServer::heard(now));
                    if now - server.heard >= SILENCE && server.may_ask > 0 {
                        server.may_ask -= 1;
                        server.asked += 1;
                        channel.state = State::Unknown { asked: true, told: None };
                        deeds.push(self.ask(key));
                    }
                }
                State::Unknown { asked: asked @ false, .. } => {
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
                        (true, false) => self.claim(key, aim()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls of the server `us`, and a clock.
    struct Server {
        calls: Calls,
        now: Time,
        room: usize,
    }

    fn described(deeds: Vec<Deed>) -> Vec<String> {
        let describe = |deed| match deed {
            Deed::Send(bytes) => {
                let id = Message(&bytes).get("CommandID").to_owned();
                let number = id.rsplit(':').next().unwrap_or_default().to_owned();
                format!("{number}: {}", Message(&bytes).get("Command"))
            }
            Deed::Begin { .. } => "begin".to_owned(),
            Deed::Deliver { .. } => "deliver".to_owned(),
            Deed::End { .. } => "end".to_owned(),
            Deed::Orphan { .. } => "orphan".to_owned(),
            Deed::List => "list".to_owned(),
        };
        deeds.into_iter().map(describe).collect()
    }

    impl Server {
        fn new() -> Self {
            Self { calls: Calls::new("us".to_owned()), now: Time::default(), room: 100 }
        }

        fn hears(&mut self, lines: &[&str]) -> Vec<String> {
            let text = format!("{}\r\n\r\n", lines.join("\r\n"));
            described(self.calls.handle(Message(text.as_bytes()), self.now, |_| true, self.room))
        }

        fn starts(&mut self, channel: &str) -> Vec<String> {
            let env = "Env: agi_request%3A%20async%0Aagi_channel%3A%20x%0A%0A";
            self.hears(&["Event: AsyncAGIStart", &format!("Uniqueid: {channel}"), env])
        }

        /// A command of this id was carried out for the channel `c`.
        fn runs(&mut self, id: &str, result: &str) -> Vec<String> {
            let (id, result) = (format!("CommandID: agi-rhai:{id}"), format!("Result: {result}%0A"));
            self.hears(&["Event: AsyncAGIExec", "Uniqueid: c", &id, &result])
        }

        fn ends(&mut self) -> Vec<String> {
            self.hears(&["Event: AsyncAGIEnd", "Uniqueid: c"])
        }

        fn waits(&mut self, millis: u64) -> Vec<String> {
            let mut deeds = Vec::new();
            for _ in 0..millis / 100 {
                self.now = self.now + Duration::from_millis(100);
                deeds.extend(self.calls.tick(self.now, self.room));
            }
            described(deeds)
        }

        /// Loses the connection, and has another one.
        fn is_cut_off(&mut self) -> Vec<String> {
            described(self.calls.resumed())
        }

        /// Has a call.
        fn playing() -> Self {
            let mut server = Self::new();
            assert_eq!(server.starts("c"), ["0: NOOP"]);
            assert_eq!(server.runs("us:1:0", "200%20result%3D0"), [&marks(1), "begin"]);
            server
        }
    }

    const OK: &str = "200%20result%3D1";
    const NOBODYS: &str = "200%20result%3D0";
    const THEIRS: &str = "200%20result%3D1%20(agi-rhai%3Athem%3A7)";
    const OURS: &str = "200%20result%3D1%20(agi-rhai%3Aus%3A1)";
    const LEFT_BEFORE: &str = "200%20result%3D1%20(left%20agi-rhai%3Athem%3A3)";
    const LEFT_BEHIND: &str = "200%20result%3D1%20(left%20agi-rhai%3Aus%3A1)";
    const WHOSE: &str = "whose: GET VARIABLE \"AGI_RHAI_CALL\"";

    fn marks(key: u64) -> String {
        format!("set: SET VARIABLE \"AGI_RHAI_CALL\" \"agi-rhai:us:{key}\"")
    }

    fn ending(status: &str, key: u64) -> Vec<String> {
        let mut deeds = vec![format!("set: SET VARIABLE \"AGI_RHAI_STATUS\" \"{status}\"")];
        if status == "LOST" {
            deeds.push(format!("set: SET VARIABLE \"AGI_RHAI_ERROR\" \"{WHY_LOST}\""));
        }
        deeds.push("end: ASYNCAGI BREAK".to_owned());
        deeds.push(format!("left: SET VARIABLE \"AGI_RHAI_CALL\" \"left agi-rhai:us:{key}\""));
        deeds
    }

    #[test]
    fn whose_claim_runs_first_has_the_call() {
        let mut server = Server::playing();
        assert!(server.runs("them:7:0", NOBODYS).is_empty(), "theirs came second");
        assert_eq!(server.runs("us:1:5", OK), ["deliver"]);
        assert_eq!(server.calls.own(), 1);
        assert_eq!(server.ends(), ["end"]);
        assert_eq!(server.calls.own(), 0);

        let mut server = Server::new();
        server.starts("c");
        assert!(server.runs("them:7:0", NOBODYS).is_empty());
        assert!(server.runs("us:1:0", NOBODYS).is_empty(), "ours came second");
        assert!(server.runs("them:7:1", OK).is_empty() && server.ends().is_empty());
    }

    #[test]
    fn a_server_that_is_asked_answers_only_for_its_calls() {
        let mut server = Server::playing();
        assert_eq!(server.runs("them:7:whose", OURS), ["ours: NOOP"]);
        server.ends();
        assert!(server.runs("them:7:whose", OURS).is_empty());
    }

    #[test]
    fn a_call_whose_server_is_silent_is_ended_unless_that_answers() {
        let mut server = Server::new();
        server.starts("c");
        server.runs("them:7:0", NOBODYS);
        for _ in 0..3 {
            assert!(server.waits(1400).is_empty());
            assert_eq!(server.waits(200), [WHOSE]);
            server.runs("us:1:whose", THEIRS);
            assert!(server.waits(1000).is_empty());
            assert!(server.runs("them:7:ours", OK).is_empty());
        }
        assert_eq!(server.waits(1600), [WHOSE]);
        assert!(server.waits(60_000).is_empty(), "a prompt is playing");
        server.runs("us:1:whose", THEIRS);
        assert_eq!(server.waits(1600), ["0: NOOP"]);
        let ended = server.runs("us:1:0", NOBODYS);
        assert_eq!(ended, [&["orphan".to_owned(), marks(1)], &ending("LOST", 1)[..]].concat());
        assert!(server.runs("us:1:end", OK).is_empty() && server.ends().is_empty());
        assert_eq!(server.calls.own(), 0);
    }

    #[test]
    fn a_silent_server_is_asked_on_few_of_its_calls_first() {
        let mut server = Server::new();
        for n in 0..1000 {
            let (channel, id) = (format!("Uniqueid: {n}"), format!("CommandID: agi-rhai:them:{n}:0"));
            server.hears(&["Event: AsyncAGIExec", &channel, &id, "Result: 200%20result%3D0%0A"]);
        }
        assert!(server.waits(1400).is_empty());
        assert_eq!(server.waits(100).len(), FIRST_ASKED);
        let all = FIRST_ASKED + server.waits(600).len();
        assert_eq!(all, 1000, "and on all of them before long");
    }

    #[test]
    fn a_claim_that_is_lost_with_the_connection_is_made_again_if_the_call_is_nobodys() {
        for (told, begins) in [(NOBODYS, true), (LEFT_BEFORE, true), (THEIRS, false)] {
            let mut server = Server::new();
            server.starts("c");
            assert!(server.is_cut_off().is_empty());
            assert_eq!(server.waits(200), [WHOSE]);
            assert!(server.is_cut_off().is_empty());
            assert_eq!(server.waits(200), [WHOSE], "the answer may have come in between");
            server.runs("us:1:whose", told);
            assert!(server.waits(1400).is_empty(), "its server may answer");
            assert_eq!(server.waits(200), ["0: NOOP"]);
            assert_eq!(server.runs("us:1:0", NOBODYS).contains(&"begin".to_owned()), begins, "{told}");
        }
    }

    #[test]
    fn a_call_that_is_only_listed_is_played_or_ended() {
        let mut server = Server::new();
        server.calls.found("c", b"Event: AsyncAGIStart\r\n\r\n");
        assert_eq!(server.waits(100), [WHOSE]);
        server.runs("us:1:whose", NOBODYS);
        assert_eq!(server.waits(1600), ["0: NOOP"]);
        assert_eq!(server.runs("us:1:0", NOBODYS), [&marks(1), "begin"]);
        // It is no longer listed, as after a bridge.
        assert!(server.calls.reconcile(&HashSet::new()).is_empty(), "it may have begun since the list was asked for");
        assert_eq!(described(server.calls.reconcile(&HashSet::new())), ["end"]);
    }

    #[test]
    fn a_call_that_was_to_end_is_ended_after_a_lost_connection_but_no_later_one_of_its_channel() {
        for (told, ends) in [(OURS, true), (NOBODYS, true), (LEFT_BEFORE, true), (THEIRS, false), (LEFT_BEHIND, false)]
        {
            let mut server = Server::playing();
            assert_eq!(described(server.calls.over(1, false)), ending("LOST", 1));
            assert_eq!(server.is_cut_off(), [WHOSE]);
            assert_eq!(server.calls.own(), 1);
            let deeds = server.runs("us:1:whose", told);
            assert_eq!(deeds, if ends { ending("LOST", 1) } else { vec!["list".to_owned()] }, "{told}");
            assert_eq!(server.calls.own(), 0);
        }
        let mut server = Server::playing();
        server.calls.over(1, true);
        assert!(server.waits(5000).is_empty(), "it has told Asterisk itself");
        assert!(server.ends().is_empty());
        // The end of its session may not have been heard.
        for left in [true, false] {
            for (told, ends) in [(LEFT_BEHIND, false), (THEIRS, false), (OURS, true)] {
                let mut server = Server::playing();
                assert!(server.is_cut_off().is_empty(), "it asks itself");
                assert_eq!(described(server.calls.over(1, left)), [WHOSE]);
                let deeds = server.runs("us:1:whose", told);
                assert_eq!(deeds, if ends { ending("LOST", 1) } else { vec!["list".to_owned()] }, "{told}");
                server.calls.found("c", b"Event: AsyncAGIStart\r\n\r\n");
                assert_eq!(server.waits(200), if ends { vec![] } else { vec![WHOSE.to_owned()] });
            }
        }
    }

    #[test]
    fn a_session_that_bears_the_mark_of_a_call_of_ours_that_is_over_is_a_new_one() {
        for (ended, claims) in [(true, "begin"), (false, "orphan")] {
            let mut server = Server::playing();
            if ended {
                server.calls.over(1, true);
                server.ends();
            } else {
                server.calls = Calls::new("us, begun again".to_owned());
            }
            server.calls.found("c", b"Event: AsyncAGIStart\r\n\r\n");
            assert_eq!(server.waits(200), [WHOSE]);
            let id = if ended { "us:2" } else { "us, begun again:1" };
            server.runs(&format!("{id}:whose"), OURS);
            assert_eq!(server.waits(1600), ["0: NOOP"]);
            assert!(server.runs(&format!("{id}:0"), NOBODYS).contains(&claims.to_owned()), "{ended}");
        }
    }

    #[test]
    fn without_room_a_call_is_left_to_others_and_then_turned_away() {
        let mut server = Server { room: 1, ..Server::new() };
        assert_eq!(server.starts("c"), ["0: NOOP"]);
        assert!(server.starts("d").is_empty(), "the claim of the first one may win");
        server.room = 0;
        server.hears(&["Event: AsyncAGIEnd", "Uniqueid: c"]);
        assert!(server.starts("c").is_empty() && server.waits(900).is_empty());
        assert_eq!(server.waits(200), ["0: NOOP", "0: NOOP"]);
        assert_eq!(server.runs("us:3:0", NOBODYS), [&[marks(3)], &ending("BUSY", 3)[..]].concat());
        server.ends();
        // Others take it.
        assert!(server.starts("c").is_empty());
        server.runs("them:7:0", NOBODYS);
        assert!(server.waits(1300).is_empty());
    }

    #[test]
    fn a_session_that_begins_ends_the_one_before_it() {
        let mut server = Server::playing();
        assert_eq!(server.starts("c"), ["end", "0: NOOP"]);
        assert!(server.runs("us:1:3", OK).is_empty() && server.runs("them:7:left", OK).is_empty(), "left behind");
        assert_eq!(server.runs("us:2:0", NOBODYS), [&marks(2), "begin"]);
        let gone = ["Response: Error", "ActionID: agi-rhai:us:2:4", "Message: Channel c does not exist."];
        assert_eq!(server.hears(&gone), ["end"]);
    }
}
