//! FastAGI: one server, thousands of calls, scripts edited while they run.
//!
//! Worker threads run calls as coroutines; the first of them accepts them, and hands some over to the others. A call
//! takes its script from the [`Library`] at its beginning and keeps it to its end. Between calls the server holds no
//! state, so any number of servers may stand beside each other.

use super::connection::Connection;
use super::coroutine::{self, Place, Ran, Reactor};
use super::live::{About, Live};
use super::metrics::{Gauges, Metrics, Refused};
use super::watch::{self, Stuck};
use super::{Host, Outcome, Status, lock};
use crate::clock::{Stopwatch, Time};
use crate::script::{CallState, Change, Found, Library, Memory};
use crate::session::Session;
use crate::stack;
use crate::transport::{Got, Stream, Wait, Wire};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, acceptfrom_with, bind, listen, socket_with, sockopt};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tracing::{error, info, info_span, warn};

/// As Asterisk takes it where the dialplan names none.
pub const PORT: u16 = 4573;
/// How long a call that is turned away may take, all in all.
const TURNING_AWAY: Duration = Duration::from_secs(1);
/// Calls turned away at a time; beyond it they are just closed.
const MOST_TURNED_AWAY: usize = 1000;
/// Connections accepted in one turn, so that calls under way get theirs.
const ACCEPTED_PER_TURN: usize = 64;
/// So many calls more than another thread, and a quarter, the first thread may have: few calls are served with the
/// least effort by one thread, which then does much at a time.
const MORE_CALLS: usize = 64;
/// Unless its turns are longer, on average: then somebody computes, and others had better be elsewhere.
const LONG_TURN: Duration = Duration::from_millis(1);
/// Connections accepted when no more are to be: as many as the system keeps waiting, but not those that come for ever.
const ACCEPTED_AT_CLOSE: usize = 4096;
/// When the system has no descriptor left, this passes before the next connection is looked for.
const BREATHER: Duration = Duration::from_millis(50);
/// A worker's turn takes no longer, so that its heart can be seen to beat.
const BEAT: Duration = Duration::from_millis(500);
/// A peer that says nothing is asked after this whether it is there, so often, and given up after so many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
/// And so long, in milliseconds, after something was sent to it that it does not acknowledge.
const UNACKNOWLEDGED: u32 = 60_000;

/// Who may call, and how many at a time.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Calls at a time.
    pub max_calls: usize,
    /// Calls at a time from one address; no limit if `None`.
    pub max_calls_per_peer: Option<usize>,
    /// The networks Asterisks may be in.
    pub allow: Vec<IpNet>,
}

impl Default for Admission {
    fn default() -> Self {
        let loopback = [IpAddr::from([127, 0, 0, 0]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let allow = loopback.into_iter().zip([8, 128]).filter_map(|(ip, length)| IpNet::new(ip, length).ok()).collect();
        Self { max_calls: 10_000, max_calls_per_peer: None, allow }
    }
}

impl Admission {
    /// Whether this address may call. One of IPv4 may be written as one of IPv6.
    #[must_use]
    pub fn allows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.allow.iter().any(|net| net.contains(&peer))
    }
}

/// Listens on an address, with as many connections waiting as the system lets.
///
/// # Errors
/// The address is taken or not this machine's.
pub fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // `[::]` is not to take what `0.0.0.0` is given.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    // The system cuts this down to net.core.somaxconn.
    listen(&socket, i32::MAX)?;
    Ok(TcpListener::from(socket))
}

/// What a connection inherits from the listener.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    let (idle, between, times) = KEEPALIVE;
    listener.set_nonblocking(true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, idle)?;
    sockopt::set_tcp_keepintvl(listener, between)?;
    sockopt::set_tcp_keepcnt(listener, times)?;
    sockopt::set_tcp_user_timeout(listener, UNACKNOWLEDGED)?;
    sockopt::set_tcp_nodelay(listener, true)?;
    Ok(())
}

/// Puts what a look at the folder has brought into the log. A mistake in what several scripts import is told once.
pub fn log_changes(changes: &[Change]) {
    let mut mistakes: Vec<(String, String)> = Vec::new();
    for change in changes {
        match change {
            Change::Live { .. } | Change::Removed { .. } => info!("{change}"),
            Change::Outside { .. } | Change::TooDeep { .. } | Change::Unreadable { .. } => warn!("{change}"),
            Change::Broken { name, fault, serving } => {
                let script = match serving {
                    Some(version) => format!("{name} (version {version} goes on)"),
                    None => format!("{name} (cannot run)"),
                };
                let report = fault.render(false);
                match mistakes.iter_mut().find(|(known, _)| *known == report) {
                    Some((_, scripts)) => scripts.extend([", ", &script]),
                    None => mistakes.push((report, script)),
                }
            }
        }
    }
    for (report, scripts) in mistakes {
        error!("broken: {scripts}\n{report}");
    }
}

/// A FastAGI server that runs.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    watch: Option<JoinHandle<()>>,
    loader: Option<(Sender<Order>, JoinHandle<()>)>,
}

/// What became of an order to end a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The call is told to end.
    Told,
    /// The call is told to end, but is in the middle of a slow step of its script: it ends after that step.
    Stuck,
    /// There is no call of this number.
    Unknown,
}

/// What the loader is told.
enum Order {
    Reload,
}

/// What all threads of a server share.
pub(super) struct Shared {
    host: Host,
    library: Library,
    admission: Admission,
    metrics: Arc<Metrics>,
    pub clock: Stopwatch,
    live: Mutex<BTreeMap<u64, Seat>>,
    next: AtomicU64,
    calls: AtomicUsize,
    turned_away: AtomicUsize,
    peers: Mutex<HashMap<IpAddr, usize>>,
    pub desks: Vec<Desk>,
    /// The threads that run calls, also those that ended.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Calls that keep a thread to themselves.
    pub stuck: Mutex<Vec<Stuck>>,
    draining: AtomicBool,
    /// Nothing is to be watched any more.
    pub ended: AtomicBool,
    broken: AtomicBool,
    thread_memory: Option<fn() -> isize>,
    complaints: Complaints,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("admission", &self.admission).field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// A live call, and where it runs: the worker and the place there.
type Seat = (Arc<Live>, usize, Place);

/// What is put before a worker.
pub(super) struct Desk {
    /// `None` once the worker has ended.
    orders: Mutex<Option<Vec<Task>>>,
    bell: File,
    /// It still takes connections.
    listens: AtomicBool,
    calls: AtomicUsize,
    beats: AtomicU64,
    /// The worker, while its thread runs a call: another thread may take it, if that takes too long.
    pub lent: Mutex<Lent>,
}

/// What a thread leaves behind while it runs a call.
#[derive(Default)]
pub(super) struct Lent {
    pub worker: Option<Box<Worker>>,
    /// The call, told apart from every other that has run or will.
    pub run: u64,
    pub place: Place,
    /// The thread, as the system numbers it.
    pub thread: i32,
}

enum Task {
    Call(TcpStream, IpAddr, Permit),
    /// A call whose thread had lost its worker: it waits now.
    Back(Ran),
    Stop(Place),
    StopAll,
    Close,
}

impl Desk {
    fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            orders: Mutex::new(Some(Vec::new())),
            bell: File::from(bell),
            listens: AtomicBool::new(true),
            calls: AtomicUsize::new(0),
            beats: AtomicU64::new(0),
            lent: Mutex::default(),
        })
    }

    /// Gives the task back where the worker has ended.
    fn put(&self, task: Task) -> Result<(), Task> {
        match &mut *lock(&self.orders) {
            Some(orders) => orders.push(task),
            None => return Err(task),
        }
        // A bell that cannot be rung has been rung already.
        let _ = (&self.bell).write(&1_u64.to_ne_bytes());
        Ok(())
    }

    fn take(&self) -> Vec<Task> {
        let _ = (&self.bell).read(&mut [0; 8]);
        lock(&self.orders).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes nothing more, unless there is something to do still.
    fn close(&self) -> bool {
        let mut orders = lock(&self.orders);
        let idle = orders.as_ref().is_none_or(Vec::is_empty);
        if idle {
            *orders = None;
        }
        idle
    }
}

/// The right to be one of so many calls, given back when it is dropped.
struct Permit {
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.calls.fetch_sub(1, Relaxed);
        if self.shared.admission.max_calls_per_peer.is_some() {
            let mut peers = lock(&self.shared.peers);
            if let Some(calls) = peers.get_mut(&self.peer) {
                *calls -= 1;
                if *calls == 0 {
                    peers.remove(&self.peer);
                }
            }
        }
    }
}

/// Complaints anybody may cause by a connection: one a second of each kind, the others counted.
#[derive(Default)]
struct Complaints(Mutex<HashMap<&'static str, (Time, u64)>>);

impl Complaints {
    fn say(&self, now: Time, kind: &'static str, what: impl FnOnce() -> String) {
        let mut said = lock(&self.0);
        let (last, unsaid) = said.entry(kind).or_default();
        if now - *last < Duration::from_secs(1) {
            *unsaid += 1;
            return;
        }
        *last = now;
        let unsaid = std::mem::take(unsaid);
        drop(said);
        if unsaid == 0 {
            warn!("{}", what());
        } else {
            warn!("{} ({unsaid} more of the kind since the last line)", what());
        }
    }
}

impl Server {
    /// Serves the scripts of a library on these listeners, with a worker thread per processor.
    ///
    /// # Errors
    /// The system gives no threads or descriptors.
    pub fn start(
        mut host: Host,
        library: Library,
        admission: Admission,
        listeners: Vec<TcpListener>,
    ) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let thread_memory = host.memory().map(|memory| memory.used);
        if thread_memory.is_some() {
            host.set_memory(Memory { used: coroutine::used });
        }
        if let Some(recorder) = &host.recorder {
            recorder.write_behind()?;
        }
        for listener in &listeners {
            prepare(listener)?;
        }
        let shared = Arc::new(Shared {
            host,
            library,
            admission,
            metrics: Arc::new(Metrics::new(count)),
            clock: Stopwatch::start(),
            live: Mutex::default(),
            next: AtomicU64::new(1),
            calls: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            peers: Mutex::default(),
            desks: (0..count).map(|_| Desk::new()).collect::<io::Result<_>>()?,
            threads: Mutex::default(),
            stuck: Mutex::default(),
            draining: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            thread_memory,
            broken: AtomicBool::new(false),
            complaints: Complaints::default(),
        });
        shared.metrics.know(shared.library.list().iter().map(|script| &*script.name));
        let listeners: Arc<[TcpListener]> = listeners.into();
        for number in 0..count {
            let reactor = Reactor::new(shared.clock)?;
            let listeners = if number == 0 { Arc::clone(&listeners) } else { Arc::default() };
            let worker = Box::new(Worker { number, reactor, listeners: Some(listeners), resting: None });
            worker.reactor.watch(&shared.desks[number].bell, BELL)?;
            worker.watch_listeners()?;
            let (hand, take) = channel();
            Shared::spare(&shared, take)?;
            // It waits for nothing else.
            let _ = hand.send(worker);
        }
        let watched = Arc::clone(&shared);
        let watch = Builder::new().name("watch".to_owned()).spawn(move || watch::keep_watching(&watched))?;
        let (orders, taken) = channel();
        let library = Arc::clone(&shared);
        let loader = Builder::new().name("loader".to_owned()).stack_size(stack::SIZE).spawn(move || {
            stack::mark_large();
            coroutine::count_with(thread_memory);
            library.keep_loading(&taken);
        })?;
        Ok(Self { shared, watch: Some(watch), loader: Some((orders, loader)) })
    }
}

impl Server {
    /// What it has counted, in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self, log_lines_dropped: u64) -> String {
        let shared = &self.shared;
        let listed = shared.library.list();
        let (scripts, broken_scripts) = (listed.len(), listed.iter().filter(|script| script.fault.is_some()).count());
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        shared.metrics.render(&Gauges {
            calls: number(self.calls()),
            max_calls: number(shared.admission.max_calls),
            scripts: number(scripts),
            broken_scripts: number(broken_scripts),
            log_lines_dropped,
            stuck_calls: number(self.stuck_calls()),
            recordings_lost: shared.host.recorder.as_ref().map_or(0, |recorder| recorder.lost()),
        })
    }

    /// Writes what is recorded and not written yet. The end of the process would lose it.
    pub fn flush_recordings(&self) {
        if let Some(recorder) = &self.shared.host.recorder {
            recorder.flush();
        }
    }

    /// The clock of its calls.
    #[must_use]
    pub fn clock(&self) -> Stopwatch {
        self.shared.clock
    }

    /// How many calls there are.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Relaxed)
    }

    /// The calls, oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Live>> {
        lock(&self.shared.live).values().map(|(live, ..)| Arc::clone(live)).collect()
    }

    /// Whether all is over after [`Server::close`]: those who had connected by then have been taken, and have ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let shared = &self.shared;
        !shared.desks.iter().any(|desk| desk.listens.load(Acquire))
            && self.calls() == 0
            && shared.turned_away.load(Relaxed) == 0
    }

    /// Whether a thread of calls has ended in the middle: its calls are lost, and the process had better be started
    /// anew.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Relaxed)
    }

    /// How many calls have been in one step of their script for longer than a second. Each has a thread to itself.
    #[must_use]
    pub fn stuck_calls(&self) -> usize {
        watch::stuck_calls(&self.shared)
    }

    /// Whether new calls are taken.
    #[must_use]
    pub fn is_taking_calls(&self) -> bool {
        !self.shared.draining.load(Relaxed)
    }

    /// How often each worker has looked up from its calls: who does not any more is stuck.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        self.shared.desks.iter().map(|desk| desk.beats.load(Relaxed)).collect()
    }

    /// Looks at all scripts now and compiles them anew.
    pub fn reload(&self) {
        if let Some((orders, _)) = &self.loader {
            let _ = orders.send(Order::Reload);
        }
    }

    /// Ends a call as if its caller had hung up: `on_hangup` runs, and the dialplan goes on.
    #[must_use]
    pub fn end_call(&self, id: u64) -> Ending {
        let found = lock(&self.shared.live).get(&id).map(|(_, desk, place)| (*desk, *place));
        let Some((desk, place)) = found else { return Ending::Unknown };
        // A worker that has ended has no call left to end.
        let _ = self.shared.desks[desk].put(Task::Stop(place));
        if watch::is_stuck(&self.shared, desk, place) { Ending::Stuck } else { Ending::Told }
    }

    /// Ends all calls.
    pub fn end_calls(&self) {
        for desk in &self.shared.desks {
            let _ = desk.put(Task::StopAll);
        }
    }

    /// Takes no more calls. Those that wait to be accepted still are; calls under way go on.
    pub fn close(&self) {
        self.shared.draining.store(true, Relaxed);
        for desk in &self.shared.desks {
            let _ = desk.put(Task::Close);
        }
    }

    /// Waits for the threads of a server that was closed and has no call left.
    pub fn join(mut self) {
        self.close();
        self.shared.ended.store(true, Relaxed);
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
        while let Some(thread) = lock(&self.shared.threads).pop() {
            let _ = thread.join();
        }
        if let Some((orders, loader)) = self.loader.take() {
            drop(orders);
            let _ = loader.join();
        }
        self.flush_recordings();
    }
}

impl Shared {
    /// The loader's thread: looks at the folder again and again.
    fn keep_loading(&self, orders: &Receiver<Order>) {
        loop {
            let now = self.clock.now();
            let wait = self.library.next_look() - now;
            let changes = match orders.recv_timeout(wait) {
                Ok(Order::Reload) => self.library.reload(self.clock.now()),
                Err(RecvTimeoutError::Timeout) => self.library.refresh(self.clock.now()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.tell(&changes);
        }
    }

    fn tell(&self, changes: &[Change]) {
        if !changes.is_empty() {
            self.metrics.know(self.library.list().iter().map(|script| &*script.name));
        }
        for change in changes {
            match change {
                Change::Live { .. } => self.metrics.reload(true),
                Change::Broken { .. } => self.metrics.reload(false),
                Change::Removed { .. }
                | Change::Outside { .. }
                | Change::TooDeep { .. }
                | Change::Unreadable { .. } => {}
            }
        }
        log_changes(changes);
    }

    /// A worker has ended in the middle.
    fn fails(&self, worker: usize, why: &str) {
        error!("a thread of calls has ended: {why}");
        self.broken.store(true, Relaxed);
        self.desks[worker].listens.store(false, Release);
    }

    /// Whether there are calls, or refusals.
    pub fn has_calls(&self) -> bool {
        self.calls.load(Relaxed) > 0 || self.turned_away.load(Relaxed) > 0
    }

    /// Says what may happen again and again.
    pub fn complain(&self, now: Time, kind: &'static str, what: impl FnOnce() -> String) {
        self.complaints.say(now, kind, what);
    }

    /// A worker was taken over from a thread that is busy with one call.
    pub fn took_over(&self) {
        self.metrics.took_over();
    }

    /// The call at this place, as the log names it.
    pub fn name_of(&self, worker: usize, place: Place) -> String {
        let live = lock(&self.live);
        let found = live.values().find(|(_, on, at)| (*on, *at) == (worker, place));
        found.map_or_else(|| "a call".to_owned(), |(live, ..)| live.name())
    }

    /// Counts a call in, if there is room for one.
    fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Refused> {
        let Admission { max_calls, max_calls_per_peer, .. } = self.admission;
        let counted = self.calls.fetch_update(Relaxed, Relaxed, |calls| (calls < max_calls).then_some(calls + 1));
        counted.map_err(|_| Refused::MaxCalls)?;
        if let Some(most) = max_calls_per_peer {
            let mut peers = lock(&self.peers);
            let calls = peers.entry(peer).or_default();
            if *calls >= most {
                self.calls.fetch_sub(1, Relaxed);
                return Err(Refused::MaxCallsPerPeer);
            }
            *calls += 1;
        }
        Ok(Permit { shared: Arc::clone(self), peer })
    }
}

/// A reactor's calls and all that comes to them. It belongs to the thread that runs it, but while that thread runs a
/// call it is lent to its [`Desk`], where another thread may take it.
pub(super) struct Worker {
    pub number: usize,
    reactor: Reactor,
    /// `None` once no more calls are taken.
    listeners: Option<Arc<[TcpListener]>>,
    /// When the listeners are looked at again, after the system had no descriptor left.
    resting: Option<Time>,
}

/// The number of a worker's bell among the descriptors its reactor watches; listeners have theirs from 0.
const BELL: u32 = u32::MAX;

impl Shared {
    /// A thread that takes a worker as soon as there is one to take.
    pub fn spare(shared: &Arc<Self>, workers: Receiver<Box<Worker>>) -> io::Result<()> {
        let own = Arc::clone(shared);
        let work = move || {
            let Ok(worker) = workers.recv() else { return };
            stack::mark_large();
            coroutine::count_with(own.thread_memory);
            let number = worker.number;
            match catch_unwind(AssertUnwindSafe(|| worker.work(&own))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => own.fails(number, &format!("the system does not let it go on: {error}")),
                Err(_) => own.fails(number, "it panicked: this is a mistake of agi-rhai, please report it"),
            }
        };
        let thread = Builder::new().name("calls".to_owned()).spawn(work)?;
        let mut threads = lock(&shared.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }
}

impl Worker {
    fn work(mut self: Box<Self>, shared: &Arc<Shared>) -> io::Result<()> {
        let own = self.number;
        let desk = &shared.desks[own];
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let mut ready = Vec::new();
        // A worker that was taken over is in the middle of a turn.
        let mut began = self.reactor.now();
        loop {
            while let Some(run) = self.reactor.next() {
                let number = {
                    let mut lent = lock(&desk.lent);
                    lent.run += 1;
                    lent.place = run.place();
                    lent.thread = thread;
                    lent.worker = Some(self);
                    lent.run
                };
                let ran = run.go();
                let back = {
                    let mut lent = lock(&desk.lent);
                    if lent.run == number { lent.worker.take() } else { None }
                };
                let Some(back) = back else {
                    watch::came_back(shared, own, number);
                    if let Err(Task::Back(ran)) = desk.put(Task::Back(ran)) {
                        ran.abandon();
                    }
                    return Ok(());
                };
                self = back;
                self.reactor.put_back(ran);
            }
            self.reactor.end_turn(began);
            let now = self.reactor.clock().now();
            if self.resting.is_some_and(|until| now >= until) {
                self.forget_listeners();
                // What there is no room for may be there later.
                self.resting = self.watch_listeners().is_err().then(|| now + BREATHER);
            }
            // Another worker may hand a call over up to the moment the desk is closed.
            if self.listeners.is_none() && self.reactor.len() == 0 && desk.close() {
                desk.listens.store(false, Release);
                return Ok(());
            }
            ready.clear();
            self.reactor.turn(if self.resting.is_some() { BREATHER } else { BEAT }, &mut ready)?;
            began = self.reactor.now();
            desk.beats.fetch_add(1, Relaxed);
            for number in &ready {
                if *number == BELL {
                    desk.take().into_iter().for_each(|task| self.take(shared, task));
                } else if let Some(listeners) = self.listeners.clone()
                    && let Some(listener) = listeners.get(*number as usize)
                {
                    self.accept(shared, listener, ACCEPTED_PER_TURN);
                }
            }
        }
    }

    fn watch_listeners(&self) -> io::Result<()> {
        for (number, listener) in self.listeners.iter().flat_map(|listeners| listeners.iter()).enumerate() {
            self.reactor.watch(listener, u32::try_from(number).unwrap_or(BELL))?;
        }
        Ok(())
    }

    fn forget_listeners(&self) {
        for listener in self.listeners.iter().flat_map(|listeners| listeners.iter()) {
            self.reactor.forget(listener);
        }
    }

    fn take(&mut self, shared: &Arc<Shared>, task: Task) {
        match task {
            Task::Call(stream, peer, permit) => self.begin(shared, stream, peer, permit),
            Task::Back(ran) => self.reactor.put_back(ran),
            Task::Stop(place) => self.reactor.stop(place),
            Task::StopAll => self.reactor.stop_all(),
            Task::Close => {
                self.forget_listeners();
                if let Some(listeners) = self.listeners.take() {
                    // Who has come so far is served. Whoever comes between this and the closing finds the line cut, so
                    // nothing is done in between.
                    for listener in listeners.iter() {
                        self.accept(shared, listener, ACCEPTED_AT_CLOSE);
                    }
                    drop(listeners);
                    shared.desks[self.number].listens.store(false, Release);
                }
            }
        }
    }

    fn accept(&mut self, shared: &Arc<Shared>, listener: &TcpListener, most: usize) {
        for _ in 0..most {
            let accepted = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
            let error = match accepted {
                Ok((socket, address)) => {
                    let peer = address.and_then(|address| SocketAddr::try_from(address).ok()).map(|peer| peer.ip());
                    if let Some(peer) = peer {
                        self.receive(shared, TcpStream::from(socket), peer.to_canonical());
                    }
                    continue;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return,
                // It was gone before it was taken.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => continue,
                Err(error) => error,
            };
            let now = self.reactor.clock().now();
            shared.complaints.say(now, "accept", || format!("cannot take a connection: {error}"));
            self.forget_listeners();
            self.resting = Some(now + BREATHER);
            return;
        }
    }

    /// A connection has come.
    fn receive(&mut self, shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr) {
        let now = self.reactor.clock().now();
        if !shared.admission.allows(peer) {
            shared.metrics.refused(Refused::NotAllowed);
            shared.complaints.say(now, "allow", || {
                format!("{peer} is not let in: whoever runs agi-rhai can let it in with --allow {peer}")
            });
            return;
        }
        match shared.admit(peer) {
            Ok(permit) => {
                let calls = |desk: &Desk| desk.calls.load(Relaxed);
                let own = calls(&shared.desks[self.number]);
                let least = shared.desks.iter().min_by_key(|desk| calls(desk));
                let more = if self.reactor.turn_length() > LONG_TURN { 0 } else { MORE_CALLS };
                let mut task = Task::Call(stream, peer, permit);
                if let Some(desk) = least.filter(|desk| calls(desk) + calls(desk) / 4 + more < own) {
                    desk.calls.fetch_add(1, Relaxed);
                    match desk.put(task) {
                        Ok(()) => return,
                        // It has ended, since the server is about to.
                        Err(back) => {
                            desk.calls.fetch_sub(1, Relaxed);
                            task = back;
                        }
                    }
                }
                shared.desks[self.number].calls.fetch_add(1, Relaxed);
                self.take(shared, task);
            }
            Err(why) => {
                shared.metrics.refused(why);
                shared.complaints.say(now, why.word(), || match why {
                    Refused::MaxCallsPerPeer => {
                        format!("{peer} has as many calls as --max-calls-per-peer lets it: turned away with BUSY")
                    }
                    _ => format!(
                        "there are as many calls as --max-calls lets in ({}): turned away with BUSY",
                        shared.admission.max_calls
                    ),
                });
                if shared.turned_away.fetch_add(1, Relaxed) < MOST_TURNED_AWAY {
                    self.turn_away(shared, stream);
                } else {
                    shared.turned_away.fetch_sub(1, Relaxed);
                }
            }
        }
    }

    /// Tells a call that there is no room for it.
    fn turn_away(&mut self, shared: &Arc<Shared>, stream: TcpStream) {
        let own = Arc::clone(shared);
        let clock = self.reactor.clock();
        let spawned = self.reactor.spawn(stream, move |_| {
            let connection = Connection::new(clock);
            let until = connection.now() + TURNING_AWAY;
            let line = Stream::over(Hurried { connection, until }).opening_within(TURNING_AWAY);
            let refusal = AssertUnwindSafe(|| {
                if let Ok(session) = Session::begin(Box::new(line)) {
                    own.host.turn_away(session);
                }
            });
            let _ = catch_unwind(refusal);
            own.turned_away.fetch_sub(1, Relaxed);
        });
        if spawned.is_err() {
            shared.turned_away.fetch_sub(1, Relaxed);
        }
    }

    /// Begins a call on this thread.
    fn begin(&mut self, shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr, permit: Permit) {
        let own = Arc::clone(shared);
        let number = self.number;
        let id = shared.next.fetch_add(1, Relaxed);
        let connection = Connection::new(self.reactor.clock());
        let live = Arc::new(Live::new(id, peer, shared.clock.now(), Arc::clone(&shared.metrics), number));
        let begun = self.reactor.spawn(stream, move |place| {
            lock(&own.live).insert(id, (Arc::clone(&live), number, place));
            // A fault in a script is caught where it is run. This is for our own, which are that call's alone too.
            let run = catch_unwind(AssertUnwindSafe(|| own.run(connection, &live)));
            if run.is_err() {
                error!(call = id, "a call panicked in the host: this is a mistake of agi-rhai, please report it");
                live.ended("the host panicked");
            }
            lock(&own.live).remove(&id);
            own.desks[number].calls.fetch_sub(1, Relaxed);
            // Before the connection is closed, which is when this has returned: an Asterisk that sees one call end may
            // begin the next.
            drop(permit);
        });
        if let Err(error) = begun {
            shared.desks[number].calls.fetch_sub(1, Relaxed);
            let now = self.reactor.clock().now();
            shared.complaints.say(now, "spawn", || format!("cannot begin a call: {error}"));
        }
    }
}

/// A connection all of whose dialogue has an end, whatever the peer says or does not say.
struct Hurried {
    connection: Connection,
    until: Time,
}

impl Wire for Hurried {
    fn now(&self) -> Time {
        self.connection.now()
    }

    fn wall(&self) -> Time {
        self.connection.wall()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let wait = match wait {
            Wait::Opening(until) => Wait::Opening(until.min(self.until)),
            Wait::Reply(until) => Wait::Reply(until.min(self.until)),
            Wait::Pause(until) => Wait::Pause(until.min(self.until)),
        };
        let got = self.connection.read(bytes, wait)?;
        if self.now() >= self.until { Err(io::ErrorKind::TimedOut.into()) } else { Ok(got) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.write(bytes)
    }

    fn more_is_due(&mut self) {
        self.connection.more_is_due();
    }
}

/// What the dialplan asked for: `agi://host/NAME?QUERY`.
fn request(script: &str) -> (String, BTreeMap<String, String>) {
    let (name, query) = script.split_once('?').unwrap_or((script, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    // A plus is a plus, as in a telephone number.
    let params = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    (decode(name), params.collect())
}

impl Shared {
    /// One call, from its environment to its end.
    fn run(&self, connection: Connection, live: &Arc<Live>) {
        let Some(session) = self.greet(connection, live) else { return };
        let span = info_span!("call", id = live.id, channel = live.about().map(|about| &*about.channel));
        coroutine::within(span, || match self.begin(session, live) {
            Some((found, call)) => {
                let outcome = self.host.play(&call, &found.script);
                self.ended(&found, &outcome, live);
            }
            None => live.ended(Status::NotFound.word()),
        });
    }

    /// Reads the environment.
    #[inline(never)]
    fn greet(&self, connection: Connection, live: &Live) -> Option<Box<Session>> {
        let stream = Stream::over(connection).telling_failure();
        match Session::begin(Box::new(stream)) {
            Ok(session) => {
                let get = |name: &str| session.environment().get(name).unwrap_or_default().into_owned();
                let caller = get("agi_callerid");
                live.is_about(About {
                    request: get("agi_network_script"),
                    channel: get("agi_channel"),
                    uniqueid: get("agi_uniqueid"),
                    caller: if caller == "unknown" { String::new() } else { caller },
                });
                Some(session.into())
            }
            Err(malformed) => {
                self.metrics.refused(Refused::Malformed);
                let now = self.clock.now();
                self.complaints.say(now, "malformed", || format!("no call from {}: {malformed}", live.peer));
                live.ended("no call");
                None
            }
        }
    }

    /// Finds the script. Where there is none, Asterisk is told.
    #[inline(never)]
    fn begin(&self, mut session: Box<Session>, live: &Arc<Live>) -> Option<(Found, Arc<CallState>)> {
        self.metrics.started();
        session.observe(Arc::clone(live) as Arc<_>);
        let (name, params) = request(live.about().map_or("", |about| &about.request));
        match self.library.get(&name) {
            Ok(found) => {
                live.plays(found.clone());
                let args = session.environment().arguments();
                let call = self.host.begin(*session, &found.script, args, params);
                Some((found, call))
            }
            Err(error) => {
                let status = self.host.refuse(*session, &error);
                // It is asked for with `.rhai` or without, and counted under the name it has in the folder. What
                // anybody may ask for is no name of a series.
                let script = match status {
                    Status::Failure => format!("{}.rhai", name.strip_suffix(".rhai").unwrap_or(&name)),
                    _ => String::new(),
                };
                self.metrics.ended(&script, status);
                None
            }
        }
    }

    #[inline(never)]
    fn ended(&self, found: &Found, outcome: &Outcome, live: &Live) {
        self.metrics.ended(&found.name, outcome.status);
        self.metrics.missing_sounds(outcome.missing_sounds);
        if outcome.fault.is_some() {
            self.metrics.fault(&found.name);
        }
        live.ended(outcome.status.word());
    }
}
