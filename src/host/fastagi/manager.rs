//! Managers of Asterisks, whose calls come by AsyncAGI: a task each on one thread, which holds the connection, reads
//! what comes over it for all calls, and connects again when it is lost.

use super::manager_calls::{Calls, Deed};
use super::manager_line::{Link, Outbox, OverCall};
use super::shared::Shared;
use super::worker::{Accepted, ManagerCall, Message, Source};
use crate::agi::manager::{Message as ManagerMessage, action, agi_action};
use crate::agi::{Environment, printable};
use crate::clock::Time;
use crate::command::NOOP;
use crate::host::seed::random_seed;
use crate::plural::plural;
use crate::service::manager::{Connection, Login, NoConnection};
use crate::service::patterns::matches;
use crate::service::settings::ManagerSettings;
use crate::sync::lock;
use crate::transport::async_agi::{BACK, LOST};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

/// The pauses between tries to reach an Asterisk.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
const LAST_PAUSE: Duration = PAUSES[PAUSES.len() - 1];
/// After so many tries, the log says again why there is no connection: some five minutes.
const REMINDER: usize = 60;
/// The pauses after Asterisk has refused the user: no five of them within ten minutes, after which fail2ban locks a
/// machine out.
const REFUSED_PAUSES: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(600)];
/// How an action ends.
const END: &[u8] = b"\r\n\r\n";
/// Why a user is refused who may log in.
const LACKS_RIGHTS: &str =
    "the user may not send commands to calls: `write = agi,reporting` in manager.conf allows that";
/// The time between two looks at what is due.
const TICK: Duration = Duration::from_millis(200);
/// The time between two looks at the list of channels.
const LIST_INTERVAL: Duration = Duration::from_secs(15);
/// The same after a connection was made: sessions that ended before it are missing in both lists.
const FIRST_LIST_INTERVAL: Duration = Duration::from_secs(2);
/// The id of the action that shows whether the user may send commands.
const RIGHTS: &str = "agi-rhai-rights";
/// The id of the action that asks for that list.
const LIST: &str = "agi-rhai-channels";
/// How long a manager may be silent before it is asked whether it is there, and how long it may take to answer.
const SILENCE: Duration = Duration::from_secs(5);

/// The managers of a server.
pub(super) struct Managers {
    shared: Arc<Shared>,
    /// Those that are in no file.
    named: Mutex<BTreeMap<String, ManagerSettings>>,
    running: Mutex<BTreeMap<String, Running>>,
    thread: Mutex<Option<Handle>>,
    end: Arc<Notify>,
}

impl fmt::Debug for Managers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.running).keys()).finish()
    }
}

/// The task of one manager.
struct Running {
    /// `None` once it is to end with its calls.
    settings: watch::Sender<Option<ManagerSettings>>,
    own: Arc<AtomicUsize>,
}

impl Managers {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let (named, running, thread, end) = (Mutex::default(), Mutex::default(), Mutex::default(), Arc::default());
        Self { shared: Arc::clone(shared), named, running, thread, end }
    }

    /// Adds a manager that is in no file.
    pub fn add(&self, name: &str, settings: ManagerSettings) {
        lock(&self.named).insert(name.to_owned(), settings);
    }

    /// Serves the managers of the operator's file and the added ones from now on, and others no longer. Calls of one
    /// that is gone go on to their end.
    ///
    /// # Errors
    /// The system provides no thread.
    pub fn follow(&self) -> io::Result<()> {
        let mut wanted =
            self.shared.host.services.as_ref().map(|own| own.settings().manager.clone()).unwrap_or_default();
        wanted.extend(lock(&self.named).clone());
        wanted.retain(|_, manager| manager.takes_calls());
        let mut running = lock(&self.running);
        for (name, manager) in running.iter() {
            let settings = wanted.get(name).cloned();
            manager.settings.send_if_modified(|current| {
                let is_new = *current != settings;
                *current = settings;
                is_new
            });
        }
        running.retain(|_, manager| !manager.settings.is_closed());
        for (name, settings) in &wanted {
            if running.contains_key(name) {
                continue;
            }
            let (sender, receiver) = watch::channel(Some(settings.clone()));
            let own = Arc::new(AtomicUsize::new(0));
            let task = Task {
                shared: Arc::clone(&self.shared),
                name: name.clone(),
                settings: receiver,
                calls: Calls::new(nonce()),
                links: HashMap::new(),
                outbox: Arc::default(),
                out: Vec::new(),
                own: Arc::clone(&own),
                listed: HashSet::new(),
                list_at: Time::NEVER,
                lacks_rights: false,
                address: IpAddr::from(Ipv4Addr::LOCALHOST),
                has_served: false,
            };
            self.thread()?.spawn(task.run());
            running.insert(name.clone(), Running { settings: sender, own });
        }
        Ok(())
    }

    /// Returns how many channels are ours to play or to end.
    pub fn own(&self) -> usize {
        lock(&self.running).values().map(|manager| manager.own.load(Relaxed)).sum()
    }

    /// Closes all connections.
    pub fn stop(&self) {
        self.end.notify_one();
    }

    /// Returns the runtime of the tasks, which the first one starts.
    fn thread(&self) -> io::Result<Handle> {
        let mut thread = lock(&self.thread);
        if let Some(handle) = &*thread {
            return Ok(handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, end) = (runtime.handle().clone(), Arc::clone(&self.end));
        std::thread::Builder::new()
            .name("managers".to_owned())
            .spawn(move || runtime.block_on(async { end.notified().await }))?;
        *thread = Some(handle.clone());
        Ok(handle)
    }
}

/// Returns the name of a server, by which others tell it apart.
fn nonce() -> String {
    format!("{:012x}", random_seed() >> 16)
}

/// The task of one manager.
struct Task {
    shared: Arc<Shared>,
    name: String,
    settings: watch::Receiver<Option<ManagerSettings>>,
    calls: Calls,
    links: HashMap<u64, Arc<Link>>,
    outbox: Arc<Outbox>,
    /// What is to be sent.
    out: Vec<u8>,
    own: Arc<AtomicUsize>,
    /// The channels in AsyncAGI, as far as they are listed.
    listed: HashSet<String>,
    /// When to list them next; never, if the user may not.
    list_at: Time,
    /// Whether the user may not send commands.
    lacks_rights: bool,
    /// Where the Asterisk is.
    address: IpAddr,
    /// Whether something came over this connection for a call of ours.
    has_served: bool,
}

/// Why a connection is no longer served.
enum Left {
    /// It was lost.
    Lost(io::Error),
    /// Its settings are others now.
    Changed,
    /// The user has too few rights.
    Refused,
}

impl Task {
    async fn run(mut self) {
        let (mut failures, mut refusals) = (0, 0);
        let mut told = String::new();
        self.shared.metrics.set_manager(&self.name, Some(false));
        // The server has ended once nobody can change the settings any more.
        while self.settings.has_changed().is_ok() {
            let Some(settings) = self.settings.borrow_and_update().clone() else {
                self.shared.metrics.set_manager(&self.name, None);
                if self.calls.own() == 0 {
                    return;
                }
                // What is left can't be ended without a connection.
                return self.links.values().for_each(|link| link.close());
            };
            let connected = match Login::new(&settings) {
                Ok(login) => login.connect().await.map_err(|error| match error {
                    NoConnection::Unreachable(why) => {
                        NoConnection::Unreachable(format!("no connection to {}: {why}", printable(&login.address())))
                    }
                    refused @ NoConnection::Refused(_) => refused,
                }),
                Err(failure) => Err(NoConnection::Refused(failure.message)),
            };
            let outcome = match connected {
                Ok(connection) => {
                    if failures + refusals > 0 || self.links.is_empty() {
                        info!("manager.{}: logged in to the Asterisk at {}", self.name, connection.addresses.0);
                    }
                    told.clear();
                    let began = self.now();
                    self.shared.metrics.set_manager(&self.name, Some(true));
                    let left = self.serve(connection, &settings).await;
                    self.shared.metrics.set_manager(&self.name, Some(false));
                    match left {
                        Left::Lost(error) => {
                            let calls = plural(self.links.len(), "call");
                            warn!("manager.{}: the connection was lost, with {calls} under way: {error}", self.name);
                            // Something that takes connections and drops them isn't asked twenty times a second.
                            let was_good = self.has_served || self.now() - began >= SILENCE;
                            failures = if was_good { 0 } else { failures + 1 };
                            refusals = 0;
                            // The shorter the connection is away, the fewer replies are lost.
                            Ok(if was_good { Duration::ZERO } else { PAUSES[failures.min(PAUSES.len()) - 1] })
                        }
                        Left::Changed => {
                            refusals = 0;
                            continue;
                        }
                        Left::Refused => Err(LACKS_RIGHTS.to_owned()),
                    }
                }
                Err(NoConnection::Unreachable(why)) => {
                    let pause = PAUSES[failures.min(PAUSES.len() - 1)];
                    if told != why || failures % REMINDER == 0 {
                        warn!(
                            "manager.{}: {why}; it is tried again, at most every {} s",
                            self.name,
                            LAST_PAUSE.as_secs()
                        );
                        told = why;
                    }
                    failures += 1;
                    Ok(pause)
                }
                Err(NoConnection::Refused(why)) => Err(why),
            };
            let pause = outcome.unwrap_or_else(|why| {
                refusals += 1;
                let pause = REFUSED_PAUSES[refusals.min(REFUSED_PAUSES.len()) - 1];
                error!("manager.{}: {why}; the next try is in {} s", self.name, pause.as_secs());
                pause
            });
            // With other settings, it is tried again at once.
            let _ = tokio::time::timeout(pause, self.settings.changed()).await;
        }
    }

    /// Serves a connection until it is lost.
    async fn serve(&mut self, connection: Connection, settings: &ManagerSettings) -> Left {
        let Connection { stream, mut messages, addresses } = connection;
        self.address = addresses.0.ip().to_canonical();
        let own_address = addresses.1.ip().to_canonical();
        let (mut reader, mut writer) = tokio::io::split(stream);
        self.has_served = false;
        self.resume();
        let mut ticks = tokio::time::interval(TICK);
        let mut heard = self.now();
        let mut has_pinged = false;
        let mut to_flush = false;
        // What was sent of the first action.
        let mut sent = 0;
        // Whether no calls are taken any more, and whether nobody can change that.
        let (mut retires, mut has_ended) = (false, false);
        let outbox = Arc::clone(&self.outbox);
        let left = loop {
            loop {
                match messages.take() {
                    Ok(Some(message)) => self.handle(message, (!retires).then_some(settings), own_address),
                    Ok(None) => break,
                    Err(why) => return self.lost(io::Error::other(why)),
                }
            }
            if self.lacks_rights {
                break Left::Refused;
            }
            self.collect();
            // What has been said at last must get out, too.
            self.own.store(self.calls.own() + usize::from(to_flush || !self.out.is_empty()), Relaxed);
            tokio::select! {
                read = reader.read_buf(messages.buffer()) => match read {
                    Ok(0) => break Left::Lost(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => (heard, has_pinged) = (self.now(), false),
                    Err(error) => break Left::Lost(error),
                },
                written = send(&mut writer, &self.out[sent..]), if to_flush || !self.out.is_empty() => match written {
                    Ok(length) => {
                        to_flush = length > 0;
                        sent += length;
                        // An action of which Asterisk gets only a part is sent again over the next connection.
                        let whole = self.out[..sent].windows(END.len()).rposition(|bytes| bytes == END);
                        let whole = whole.map_or(0, |at| at + END.len());
                        self.out.drain(..whole);
                        sent -= whole;
                    }
                    Err(error) => break Left::Lost(error),
                },
                () = outbox.filled.notified() => {}
                _ = ticks.tick() => {
                    let now = self.now();
                    let deeds = self.calls.tick(now, self.room());
                    self.perform(deeds, own_address);
                    if now >= self.list_at {
                        self.list();
                    }
                    let silent = now - heard;
                    if silent >= 2 * SILENCE {
                        break Left::Lost(io::Error::new(io::ErrorKind::TimedOut, "the manager answers nothing"));
                    }
                    if silent >= SILENCE && !std::mem::replace(&mut has_pinged, true) {
                        self.out.extend(action("Ping", &[]));
                    }
                }
                changed = self.settings.changed(), if !has_ended => {
                    has_ended = changed.is_err();
                    let wanted = self.settings.borrow_and_update().clone().filter(|_| !has_ended);
                    retires = wanted.is_none();
                    if wanted.as_ref().is_some_and(|wanted| wanted != settings) {
                        break Left::Changed;
                    }
                    let how = if retires { "takes no more calls" } else { "takes calls again" };
                    info!("manager.{}: {how}", self.name);
                }
            }
            if retires && self.own.load(Relaxed) == 0 {
                break Left::Changed;
            }
        };
        match left {
            Left::Lost(error) => self.lost(error),
            other => {
                self.lost(io::ErrorKind::Other.into());
                other
            }
        }
    }

    fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Returns how many more calls can be taken.
    fn room(&self) -> usize {
        if self.shared.draining.load(Relaxed) { 0 } else { self.shared.slots.room(self.address) }
    }

    /// Notes that the connection is lost.
    fn lost(&mut self, error: io::Error) -> Left {
        self.links.values().for_each(|link| link.deliver(LOST));
        self.own.store(0, Relaxed);
        Left::Lost(error)
    }

    /// Goes on over a new connection.
    fn resume(&mut self) {
        let deeds = self.calls.resumed();
        self.lacks_rights = false;
        // No channel is called that.
        self.out.extend(agi_action(b"agi-rhai/nobody", RIGHTS, NOOP.verb.as_bytes()));
        self.list();
        self.list_at = self.now() + FIRST_LIST_INTERVAL;
        self.send(deeds);
        self.links.values().for_each(|link| link.deliver(BACK));
    }

    /// Asks for the list of channels.
    fn list(&mut self) {
        self.listed.clear();
        self.list_at = self.now() + LIST_INTERVAL;
        self.out.extend(action("CoreShowChannels", &[("ActionID", LIST.as_bytes())]));
    }

    /// Takes what calls have to send.
    fn collect(&mut self) {
        let queued = self.outbox.take();
        self.out.extend(queued.actions);
        for OverCall { key, left } in queued.over {
            self.links.remove(&key);
            let deeds = self.calls.over(key, left);
            self.send(deeds);
        }
    }

    /// Does what is no more than sending something.
    fn send(&mut self, deeds: Vec<Deed>) {
        for deed in deeds {
            if let Deed::Send(bytes) = deed {
                self.out.extend(bytes);
            }
        }
    }

    fn handle(&mut self, message: ManagerMessage<'_>, settings: Option<&ManagerSettings>, own_address: IpAddr) {
        let is_ours = message.async_agi().is_some();
        // Without a filter, Asterisk tells of every command three times.
        if !is_ours && message.event().starts_with("AGIExec") {
            return;
        }
        match message.get("ActionID") {
            LIST if !is_ours => return self.handle_listed(message, settings, own_address),
            RIGHTS if !is_ours => return self.lacks_rights |= message.get("Message") == "Permission denied",
            _ => {}
        }
        let now = self.now();
        let takes = |environment: &Environment| takes(settings, environment);
        let deeds = self.calls.handle(message, now, takes, self.room());
        self.perform(deeds, own_address);
    }

    /// Handles a part of the list of channels.
    fn handle_listed(&mut self, message: ManagerMessage<'_>, settings: Option<&ManagerSettings>, own_address: IpAddr) {
        if message.is_response() && !message.is_success() && message.get("Message") == "Permission denied" {
            self.list_at = Time::NEVER;
            info!(
                "manager.{}: calls that begin while there is no connection can't be found, since the user may not list \
                 channels: `write = agi,reporting` in manager.conf allows that",
                self.name
            );
        }
        if message.get("Event") == "CoreShowChannelsComplete" {
            let deeds = self.calls.reconcile(&self.listed);
            return self.perform(deeds, own_address);
        }
        let data = message.get("ApplicationData");
        if message.get("Event") != "CoreShowChannel" || !message.get("Application").eq_ignore_ascii_case("AGI") {
            return;
        }
        if data.starts_with("agi:async") {
            self.listed.insert(message.get("Uniqueid").to_owned());
        }
        let Some(block) = data.strip_prefix("agi:async").map(|args| listed_environment(message, args)) else { return };
        if !Environment::parse(block.as_bytes()).is_ok_and(|environment| takes(settings, &environment)) {
            return;
        }
        let start = format!(
            "Event: AsyncAGIStart\r\nUniqueid: {}\r\nEnv: {}\r\n\r\n",
            message.get("Uniqueid"),
            percent_encode(block.as_bytes(), NON_ALPHANUMERIC)
        );
        self.calls.found(message.get("Uniqueid"), start.as_bytes());
    }

    fn perform(&mut self, deeds: Vec<Deed>, own_address: IpAddr) {
        for deed in deeds {
            self.has_served |= matches!(deed, Deed::Begin { .. } | Deed::Deliver { .. });
            match deed {
                Deed::Send(bytes) => self.out.extend(bytes),
                Deed::Begin { key, channel, tag, events } => {
                    let workers = Arc::clone(&self.shared);
                    let link = Link::new(key, &self.outbox, workers);
                    link.deliver(&events);
                    self.links.insert(key, Arc::clone(&link));
                    self.begin(ManagerCall { link, channel, tag, addresses: (self.address, own_address) });
                }
                Deed::Deliver { key, message } => {
                    if let Some(link) = self.links.get(&key) {
                        link.deliver(&message);
                    }
                }
                Deed::End { key, message } => {
                    if let Some(link) = self.links.remove(&key) {
                        link.deliver(&message);
                    }
                }
                Deed::List if self.list_at == Time::NEVER => {}
                Deed::List => self.list_at = self.now(),
                Deed::Orphan { channel } => {
                    warn!("manager.{}: channel {} had lost its server, and goes on", self.name, printable(&channel));
                }
            }
        }
    }

    /// Hands a call to the workers.
    fn begin(&mut self, call: ManagerCall) {
        let (key, peer) = (call.link.key, self.address);
        let deeds = match self.shared.slots.acquire(peer) {
            Ok(permit) => {
                let accepted = Accepted { source: Source::Manager(Box::new(call)), peer, permit };
                match self.shared.queues[0].push(Message::Distribute(accepted)) {
                    Ok(()) => return,
                    Err(_) => self.calls.over(key, false),
                }
            }
            Err(why) => {
                self.shared.metrics.refused(why);
                self.calls.turn_away(key)
            }
        };
        self.links.remove(&key);
        self.send(deeds);
    }
}

/// Sends some of these bytes. Once there are none, those that were sent are pushed out.
async fn send(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<usize> {
    match bytes {
        [] => writer.flush().await.map(|()| 0),
        bytes => writer.write(bytes).await,
    }
}

/// Whether calls like this are taken. None are, once there are no settings.
fn takes(settings: Option<&ManagerSettings>, environment: &Environment) -> bool {
    let Some(settings) = settings else { return false };
    let get = |name: &str| environment.get(name).unwrap_or_default();
    let is_one_of = |patterns: &Option<Vec<String>>, text: &str| {
        patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| matches(pattern, text)))
    };
    let argument = get("agi_arg_1");
    let script = argument.split('?').next().unwrap_or_default();
    // It may be named with its ending or without.
    let (short, long) = match script.strip_suffix(".rhai") {
        Some(short) => (short.to_owned(), script.to_owned()),
        None => (script.to_owned(), format!("{script}.rhai")),
    };
    let is_named = || is_one_of(&settings.scripts, &short) || is_one_of(&settings.scripts, &long);
    // The variable that names a script isn't known yet.
    is_one_of(&settings.contexts, &get("agi_context")) && (script.is_empty() || is_named())
}

/// Writes the environment of a channel that the list of channels shows.
fn listed_environment(message: ManagerMessage<'_>, args: &str) -> String {
    let get = |name: &str| match message.get(name) {
        "<unknown>" | "" => "unknown",
        value => value,
    };
    let channel = message.get("Channel");
    let mut block = format!(
        "agi_request: async\nagi_channel: {channel}\nagi_language: {}\nagi_type: {}\nagi_uniqueid: {}\n\
         agi_version: unknown\nagi_callerid: {}\nagi_calleridname: {}\nagi_callingpres: 0\nagi_callingani2: 0\n\
         agi_callington: 0\nagi_callingtns: 0\nagi_dnid: unknown\nagi_rdnis: unknown\nagi_context: {}\n\
         agi_extension: {}\nagi_priority: {}\nagi_enhanced: 0.0\nagi_accountcode: {}\nagi_threadid: 0\n",
        message.get("Language"),
        channel.split('/').next().unwrap_or_default(),
        message.get("Uniqueid"),
        get("CallerIDNum"),
        get("CallerIDName"),
        message.get("Context"),
        message.get("Exten"),
        message.get("Priority"),
        message.get("AccountCode"),
    );
    for (number, arg) in args.strip_prefix(',').map(|args| args.split(',')).into_iter().flatten().enumerate() {
        let _ = writeln!(block, "agi_arg_{}: {arg}", number + 1);
    }
    block.push('\n');
    block
}
