//! Calls as coroutines: thousands of them on one thread, each with a stack of its own.
//!
//! A script is plain code that stops in the middle to wait for Asterisk. A thread per call would do, but costs a wake
//! of the system's scheduler per command and 16 KiB of its memory per call. Here a call that waits puts its stack aside
//! and the thread goes on with the next one. Nothing above this file knows: it sees [`Running::wait`], which takes its
//! time.
//!
//! At each switch the reactor puts down and picks up what belongs to the running call but lives in the thread: its
//! tracing span and its count of memory. So a call is bound to no thread while it waits, and while one call keeps its
//! thread busy, another thread can go on with the reactor and all the other calls: see [`Reactor::next`].

#![expect(
    unsafe_code,
    reason = "stacks are put aside through a pointer, go on in other threads, and are given back \
                                 to the system below their tops"
)]

use crate::clock::{Stopwatch, Time};
use crate::stack;
use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tracing::Span;

/// So many stacks of ended calls are kept for the next ones.
const KEPT_STACKS: usize = 128;
/// So much of a kept stack stays in memory after a while, in bytes.
const KEPT_WARM: usize = 16 * 1024;
/// A call that has waited so long gives the memory back that lies below its stack's top.
const TRIM_AFTER: Duration = Duration::from_secs(1);
/// Calls looked at in one turn for that.
const TRIMMED_PER_TURN: usize = 64;
/// Below the place where a call waits, for what switching stacks itself puts there.
const SWITCH_ROOM: usize = 1024;
/// A call that has computed for less does not step aside for others.
const SLICE: Duration = Duration::from_micros(500);
/// Calls that have just come are begun for so long in one turn.
const FRESH_PER_TURN: Duration = Duration::from_millis(1);
/// Events taken from the system in one turn.
const EVENTS: usize = 256;

/// Bytes kept for a call that does not take them.
const MOST_KEPT: usize = 64 * 1024;

type Body = Coroutine<(), (), (), DefaultStack>;

/// What a coroutine and its reactor share: all that a call says and hears goes through here.
struct Control {
    yielder: Cell<*const Yielder<(), ()>>,
    stream: TcpStream,
    span: OnceCell<Span>,
    clock: Stopwatch,
    /// When it is to go on at the latest; a moment in the past lets others run and goes on at once.
    until: Cell<Time>,
    /// What has come and was not taken yet.
    incoming: RefCell<Vec<u8>>,
    /// What is to be sent.
    outgoing: RefCell<Vec<u8>>,
    /// There may be more to receive than was taken.
    more: Cell<bool>,
    /// Nothing comes any more.
    ended: Cell<bool>,
    error: Cell<Option<Errno>>,
    stopped: AtomicBool,
    /// When it was let run.
    since: Cell<Time>,
    /// The address in its stack at which it waits.
    top: Cell<usize>,
    /// Bytes of memory it holds, while it waits.
    held: Cell<isize>,
}

// SAFETY: everything but `stopped`, which is atomic, is touched by one thread at a time: by the one that has the
// reactor while the call waits, and by the one that runs the call while its body is away from the reactor
// (`Task::body`). The lock through which a body and a reactor change hands orders the two.
unsafe impl Send for Control {}
unsafe impl Sync for Control {}

impl Control {
    /// Takes what has come. The system tells once of what is there, so it is asked until it has no more: less than was
    /// asked for is all there is, unless the end of the line lies behind it.
    fn receive(&self, buffer: &mut [u8], up_to_end: bool) {
        let mut incoming = self.incoming.borrow_mut();
        self.more.set(false);
        loop {
            if incoming.len() >= MOST_KEPT {
                self.more.set(true);
                return;
            }
            match recv(&self.stream, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => self.ended.set(true),
                Ok((length, _)) => {
                    incoming.extend_from_slice(&buffer[..length]);
                    if length == buffer.len() || up_to_end {
                        continue;
                    }
                }
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => self.error.set(Some(error)),
            }
            return;
        }
    }

    /// Sends what is to be sent, as far as the system takes it; whether it took all.
    fn send(&self) -> bool {
        let mut outgoing = self.outgoing.borrow_mut();
        while !outgoing.is_empty() {
            match send(&self.stream, &outgoing, SendFlags::NOSIGNAL) {
                Ok(length) if length == outgoing.len() => outgoing.clear(),
                Ok(length) => drop(outgoing.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return false,
                Err(error) => {
                    // What was said before the line broke is heard first.
                    self.error.set(Some(error));
                    outgoing.clear();
                }
            }
        }
        true
    }
}

thread_local! {
    static RUNNING: RefCell<Option<Arc<Control>>> = const { RefCell::new(None) };
    /// What the thread's count of memory is ahead of the running coroutine's.
    static AHEAD: Cell<isize> = const { Cell::new(0) };
    static USED: Cell<Option<fn() -> isize>> = const { Cell::new(None) };
}

fn running() -> io::Result<Arc<Control>> {
    RUNNING
        .with_borrow(Clone::clone)
        .ok_or_else(|| io::Error::other("this line can only be used by the call it belongs to"))
}

/// Bytes of memory the running coroutine holds.
pub(super) fn used() -> isize {
    USED.get().map_or(0, |used| used().wrapping_sub(AHEAD.get()))
}

/// From now on, [`used`] counts on this thread, by what the thread holds.
pub(super) fn count_with(thread: Option<fn() -> isize>) {
    USED.set(thread);
}

/// Does something whose memory is not the running coroutine's: it goes to another thread.
pub(super) fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    let thread = || USED.get().map_or(0, |used| used());
    let before = thread();
    let result = work();
    AHEAD.set(AHEAD.get().wrapping_add(thread().wrapping_sub(before)));
    result
}

/// The running coroutine, as its call sees it.
pub(super) struct Running(Arc<Control>);

impl Running {
    /// # Errors
    /// No coroutine runs on this thread.
    pub fn get() -> io::Result<Self> {
        running().map(Self)
    }

    /// Lets other calls run, unless this one has only just begun to.
    pub fn step_aside(&self) {
        if self.0.clock.now() - self.0.since.get() >= SLICE {
            self.wait(Time::default());
        }
    }

    /// Waits until something comes, somebody ends the call, or this moment comes.
    #[inline(never)]
    pub fn wait(&self, until: Time) {
        let control = &self.0;
        control.until.set(until);
        let leave = |span: &Span| span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
        control.span.get().map(leave);
        let here = 0_u8;
        control.top.set((&raw const here).addr());
        // SAFETY: the pointer was set by the coroutine that runs now, from the reference it lives with: it is alive,
        // and `RUNNING` holds no other coroutine's control.
        unsafe { (*control.yielder.get()).suspend(()) };
        let enter = |span: &Span| span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        control.span.get().map(enter);
    }

    /// Puts what has come behind `bytes`; `false` if that is nothing.
    ///
    /// # Errors
    /// The line broke, after all that came before.
    pub fn take(&self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut incoming = self.0.incoming.borrow_mut();
        if !incoming.is_empty() {
            bytes.append(&mut incoming);
            return Ok(true);
        }
        self.0.error.get().map_or(Ok(false), |error| Err(error.into()))
    }

    /// Whether nothing comes any more.
    pub fn is_at_end(&self) -> bool {
        self.0.ended.get() && self.0.incoming.borrow().is_empty()
    }

    /// Sends this with what all calls have to send in this turn.
    pub fn send(&self, bytes: &[u8]) {
        self.0.outgoing.borrow_mut().extend_from_slice(bytes);
    }

    /// Whether what was to be sent is still here.
    pub fn is_sending(&self) -> bool {
        !self.0.outgoing.borrow().is_empty()
    }

    /// Acknowledges at once what has come.
    pub fn acknowledge(&self) {
        // It holds for a while only, so it is said each time.
        let _ = sockopt::set_tcp_quickack(&self.0.stream, true);
    }

    /// Whether somebody ends the call; told once.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.swap(false, Relaxed)
    }
}

/// Runs the rest of a call within this span, which is left whenever the call waits.
pub(super) fn within<R>(span: Span, rest: impl FnOnce() -> R) -> R {
    match running() {
        Ok(control) => {
            let span = control.span.get_or_init(|| span);
            span.in_scope(rest)
        }
        Err(_) => span.in_scope(rest),
    }
}

/// A call and where it stands.
struct Task {
    /// Not here while it runs. Then its control is not to be touched either.
    body: Option<Suspended>,
    control: Arc<Control>,
    /// Something came for it while it was away.
    missed: bool,
    /// Told apart from the call that had its place before.
    generation: u32,
    /// The moment it stands in the list of alarms with.
    alarm: Time,
    waiting: bool,
    /// When it began to wait; `NEVER` once its stack has been trimmed for that.
    trim_since: Time,
    stack_limit: usize,
}

/// A coroutine that is not running.
struct Suspended(Body);

// SAFETY: a stack that waits in `Running::wait` holds nothing of its thread. What lives in threads is looked up anew
// after each wait (`RUNNING`, `AHEAD`, the span, which is left before and entered after it), and locks held across a
// wait are futexes, which any thread may release. What the body has captured is `Send` (`Reactor::spawn`).
unsafe impl Send for Suspended {}

/// A call that is to run now, taken out of its reactor.
pub(super) struct Run {
    place: Place,
    body: Suspended,
    control: Arc<Control>,
    now: Time,
}

/// A call that has run, to be put back.
pub(super) struct Ran {
    place: Place,
    body: Suspended,
    control: Arc<Control>,
    ended: bool,
}

impl Run {
    /// The call's place.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Lets the call run on this thread, up to where it waits or to its end.
    pub fn go(self) -> Ran {
        let Self { place, mut body, control, now } = self;
        let thread = || USED.get().map_or(0, |used| used());
        AHEAD.set(thread().wrapping_sub(control.held.get()));
        // The moment the turn began will do: who runs late in a turn steps aside the sooner.
        control.since.set(now);
        RUNNING.set(Some(Arc::clone(&control)));
        let result = body.0.resume(());
        RUNNING.set(None);
        control.held.set(thread().wrapping_sub(AHEAD.replace(0)));
        Ran { place, body, control, ended: matches!(result, CoroutineResult::Return(())) }
    }
}

impl Ran {
    /// Lets go of a call that no reactor takes back.
    pub fn abandon(self) {
        // It cannot be dropped in the middle, see `Reactor::drop`.
        std::mem::forget(self);
    }
}

/// A coroutine's place, for those who want to wake it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    index: u32,
    generation: u32,
}

impl Place {
    const fn token(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a token")]
    const fn of(token: u64) -> Self {
        Self { index: token as u32, generation: (token >> 32) as u32 }
    }
}

/// Tokens of descriptors that belong to no call have this as their generation.
const NO_CALL: u32 = u32::MAX;

/// What the system has told.
struct Events(Vec<Event>);

// SAFETY: an event may carry a pointer; ours carry numbers (`Place::token`).
unsafe impl Send for Events {}

/// One thread's calls.
///
/// A turn has three parts: it receives for all calls for which something has come, lets each of them run up to where it
/// waits again, and sends what they have to say. Each part runs the same code over and over, which a processor likes
/// better than a little of everything, and the other end is woken once for many lines.
pub(super) struct Reactor {
    epoll: OwnedFd,
    clock: Stopwatch,
    tasks: Vec<Option<Task>>,
    free: Vec<u32>,
    generation: u32,
    alarms: BTreeSet<(Time, u32)>,
    /// Those that have just come, or are to end: they run before all others.
    fresh: VecDeque<Place>,
    /// Those for which something has come in this turn.
    woken: VecDeque<Place>,
    /// Those that have something to send.
    sending: Vec<(Place, Arc<Control>)>,
    /// Those that have stepped aside while computing.
    aside: VecDeque<Place>,
    stacks: Vec<DefaultStack>,
    /// Some of them may have more in memory than they keep.
    deep_stacks: bool,
    events: Events,
    buffer: Vec<u8>,
    trimmed_to: usize,
    trim_again: Time,
    turn_length: Duration,
    /// The moment this turn began.
    now: Time,
    /// When the first of those that have just come ran in this turn.
    fresh_since: Option<Time>,
    /// In this turn only those run that have just come.
    postponed: bool,
    /// One of those that compute has had its slice in this turn.
    sliced: bool,
}

impl Reactor {
    /// The clock is all threads'.
    pub fn new(clock: Stopwatch) -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            clock,
            tasks: Vec::new(),
            free: Vec::new(),
            generation: 0,
            alarms: BTreeSet::new(),
            fresh: VecDeque::new(),
            woken: VecDeque::new(),
            sending: Vec::new(),
            aside: VecDeque::new(),
            stacks: Vec::new(),
            deep_stacks: false,
            events: Events(Vec::with_capacity(EVENTS)),
            buffer: vec![0; 16 * 1024],
            trimmed_to: 0,
            trim_again: Time::default(),
            turn_length: Duration::ZERO,
            now: Time::default(),
            fresh_since: None,
            postponed: false,
            sliced: false,
        })
    }

    /// The clock all calls of this thread share.
    pub fn clock(&self) -> Stopwatch {
        self.clock
    }

    /// How long a turn takes, on average, without the time it waits for something to come.
    pub fn turn_length(&self) -> Duration {
        self.turn_length
    }

    /// Tells by `number` in [`Reactor::turn`] whenever this descriptor is readable.
    pub fn watch(&self, descriptor: impl AsFd, number: u32) -> io::Result<()> {
        let data = EventData::new_u64(Place { index: number, generation: NO_CALL }.token());
        Ok(epoll::add(&self.epoll, descriptor, data, EventFlags::IN)?)
    }

    /// Tells no more of this descriptor.
    pub fn forget(&self, descriptor: impl AsFd) {
        let _ = epoll::delete(&self.epoll, descriptor);
    }

    /// Begins a call on this connection, which does not block. It runs before all others.
    pub fn spawn(&mut self, stream: TcpStream, body: impl FnOnce(Place) + Send + 'static) -> io::Result<()> {
        let stack = self.stacks.pop().map_or_else(stack::new, Ok)?;
        let stack_limit = stack.limit().get();
        let index = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            u32::try_from(self.tasks.len() - 1).unwrap_or(u32::MAX)
        });
        self.generation = if self.generation + 1 == NO_CALL { 0 } else { self.generation + 1 };
        let place = Place { index, generation: self.generation };
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, &stream, EventData::new_u64(place.token()), interest) {
            self.free.push(index);
            self.keep(stack);
            return Err(error.into());
        }
        let control = Arc::new(Control {
            yielder: Cell::new(std::ptr::null()),
            stream,
            span: OnceCell::new(),
            clock: self.clock,
            until: Cell::new(Time::NEVER),
            incoming: RefCell::default(),
            outgoing: RefCell::default(),
            more: Cell::new(false),
            ended: Cell::new(false),
            error: Cell::new(None),
            stopped: AtomicBool::new(false),
            since: Cell::new(Time::default()),
            top: Cell::new(0),
            held: Cell::new(0),
        });
        // What came with the connection.
        control.receive(&mut self.buffer, true);
        let inner = Arc::clone(&control);
        let body = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            inner.yielder.set(std::ptr::from_ref(yielder));
            drop(inner);
            body(place);
        });
        self.tasks[index as usize] = Some(Task {
            body: Some(Suspended(body)),
            control,
            missed: false,
            generation: place.generation,
            alarm: Time::NEVER,
            waiting: true,
            trim_since: Time::NEVER,
            stack_limit,
        });
        self.fresh.push_back(place);
        Ok(())
    }

    /// Ends a call: it hears of it where it waits.
    pub fn stop(&mut self, place: Place) {
        if let Some(task) = self.task(place) {
            task.control.stopped.store(true, Relaxed);
            task.missed = true;
            if task.waiting {
                self.fresh.push_back(place);
            }
        }
    }

    /// Ends all calls.
    pub fn stop_all(&mut self) {
        for index in 0..self.tasks.len() {
            if let Some(Some(task)) = self.tasks.get(index) {
                let place = Place { index: u32::try_from(index).unwrap_or(u32::MAX), generation: task.generation };
                self.stop(place);
            }
        }
    }

    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.tasks.len() - self.free.len()
    }

    /// Begins a turn: sends what there is to send, and waits for more to come, at most so long. Fills in the numbers of
    /// the descriptors of [`Reactor::watch`] that are readable. Then everything that can run is to, one call after the
    /// other: [`Reactor::next`].
    pub fn turn(&mut self, longest: Duration, ready: &mut Vec<u32>) -> io::Result<()> {
        let mut sending = std::mem::take(&mut self.sending);
        for (place, control) in sending.drain(..) {
            // What one that is away has to say is sent when it is back.
            if self.is_away(place) {
                continue;
            }
            // What the system does not take now it will when it says so. Not every error is told by an event.
            if control.send() && control.error.get().is_some() {
                self.woken.push_back(place);
            }
        }
        self.sending = sending;
        let began = self.clock.now();
        let idle = self.aside.is_empty() && self.woken.is_empty() && self.fresh.is_empty();
        let mut wait = if idle { longest } else { Duration::ZERO };
        if let Some((alarm, _)) = self.alarms.first() {
            wait = wait.min(*alarm - began);
        }
        if self.trimmed_to > 0 {
            wait = wait.min(Duration::from_millis(10));
        }
        self.events.0.clear();
        let timeout = Timespec::try_from(wait).ok();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events.0), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.now = self.clock.now();
        self.sliced = false;
        self.fresh_since = None;
        self.receive(ready);
        // Who has just come gets the first word before all others go on, but not at every turn.
        self.postponed = !ready.is_empty() && !self.postponed;
        Ok(())
    }

    /// The next call that is to run in this turn; `None` once all have.
    ///
    /// It is taken out, so that it may run ([`Run::go`]) while another thread has the reactor: then it comes back later
    /// ([`Reactor::put_back`]).
    pub fn next(&mut self) -> Option<Run> {
        loop {
            let place = self.pick()?;
            let now = self.now;
            let Some(task) = self.task(place) else { continue };
            if let Some(body) = task.body.take() {
                task.waiting = false;
                task.missed = false;
                let control = Arc::clone(&task.control);
                return Some(Run { place, body, control, now });
            }
        }
    }

    fn pick(&mut self) -> Option<Place> {
        // If they take long, others get their turn in between.
        if !self.fresh.is_empty() {
            let now = self.clock.now();
            if now - *self.fresh_since.get_or_insert(now) < FRESH_PER_TURN {
                return self.fresh.pop_front();
            }
        }
        if self.postponed {
            return None;
        }
        if let Some(place) = self.woken.pop_front() {
            return Some(place);
        }
        while let Some((alarm, index)) = self.alarms.first().copied()
            && alarm <= self.now
        {
            self.alarms.pop_first();
            let Some(Some(task)) = self.tasks.get_mut(index as usize) else { continue };
            task.alarm = Time::NEVER;
            let place = Place { index, generation: task.generation };
            if !task.waiting {
                continue;
            }
            if task.control.until.get() <= self.now {
                return Some(place);
            }
            self.set_alarm(place);
        }
        // One of those that compute, then the line again: they delay nobody by more than a slice.
        if !std::mem::replace(&mut self.sliced, true)
            && let Some(place) = self.aside.pop_front()
        {
            self.now = self.clock.now();
            return Some(place);
        }
        self.trim(self.now);
        None
    }

    /// Ends a turn that `began` when its calls began to run.
    pub fn end_turn(&mut self, began: Time) {
        self.turn_length = (self.turn_length * 15 + (self.clock.now() - began)) / 16;
    }

    /// The moment the turn began.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Receives for all calls the system has told of.
    fn receive(&mut self, ready: &mut Vec<u32>) {
        for event in &self.events.0 {
            let (flags, place) = (event.flags, Place::of(event.data.u64()));
            if place.generation == NO_CALL {
                ready.push(place.index);
                continue;
            }
            // A call that has ended meanwhile has no place any more.
            let task = self.tasks.get_mut(place.index as usize).and_then(Option::as_mut);
            let Some(task) = task.filter(|task| task.generation == place.generation) else { continue };
            if task.body.is_none() {
                task.missed = true;
                continue;
            }
            let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            if flags.intersects(end | EventFlags::IN) {
                task.control.receive(&mut self.buffer, flags.intersects(end));
            } else if task.control.outgoing.borrow().is_empty() || !task.control.send() {
                // That it can be written to is no news.
                continue;
            }
            if task.waiting {
                self.woken.push_back(place);
            }
        }
    }

    /// Whether this call runs on a thread that has lost its reactor.
    fn is_away(&mut self, place: Place) -> bool {
        self.task(place).is_some_and(|task| task.body.is_none())
    }

    fn task(&mut self, place: Place) -> Option<&mut Task> {
        self.tasks.get_mut(place.index as usize)?.as_mut().filter(|task| task.generation == place.generation)
    }

    /// Takes a call back that has run.
    pub fn put_back(&mut self, ran: Ran) {
        let Ran { place, body, control, ended } = ran;
        if ended {
            // Its last word, before the line is closed.
            control.send();
            let task = self.tasks[place.index as usize].take();
            self.free.push(place.index);
            if let Some(task) = task
                && task.alarm != Time::NEVER
            {
                self.alarms.remove(&(task.alarm, place.index));
            }
            self.keep(body.0.into_stack());
            return;
        }
        if !control.outgoing.borrow().is_empty() {
            self.sending.push((place, Arc::clone(&control)));
        }
        let now = self.now;
        let Some(Some(task)) = self.tasks.get_mut(place.index as usize) else { return };
        task.body = Some(body);
        if std::mem::take(&mut task.missed) {
            control.receive(&mut self.buffer, true);
            control.until.set(Time::default());
        }
        if control.incoming.borrow().is_empty() {
            // A call that waits keeps no large buffer.
            control.incoming.borrow_mut().shrink_to(256);
            if control.more.get() {
                control.receive(&mut self.buffer, true);
                control.until.set(Time::default());
            }
        }
        if control.until.get() <= now {
            self.aside.push_back(place);
            return;
        }
        task.waiting = true;
        task.trim_since = now;
        self.set_alarm(place);
    }

    /// Sees to it that the call is woken in time. An alarm that rings too early is set again then: most waits end long
    /// before their time, and would only be entered and taken out.
    fn set_alarm(&mut self, place: Place) {
        let Some(task) = self.task(place) else { return };
        let (before, until) = (task.alarm, task.control.until.get());
        if until >= before {
            return;
        }
        task.alarm = until;
        if before != Time::NEVER {
            self.alarms.remove(&(before, place.index));
        }
        self.alarms.insert((until, place.index));
    }

    /// Keeps the stack of an ended call.
    fn keep(&mut self, stack: DefaultStack) {
        if self.stacks.len() < KEPT_STACKS {
            self.stacks.push(stack);
            self.deep_stacks = true;
        }
    }

    /// Gives the memory back that waiting calls have below their stacks' tops: a call is as large as it is deep now,
    /// not as it has been.
    fn trim(&mut self, now: Time) {
        if self.trimmed_to == 0 {
            if now < self.trim_again {
                return;
            }
            self.trim_again = now + TRIM_AFTER;
            if std::mem::take(&mut self.deep_stacks) {
                for stack in &self.stacks {
                    give_back(stack.limit().get(), stack.base().get() - KEPT_WARM);
                }
            }
        }
        let end = self.tasks.len().min(self.trimmed_to + TRIMMED_PER_TURN);
        for task in self.tasks[self.trimmed_to..end].iter_mut().flatten() {
            if task.waiting && task.trim_since != Time::NEVER && now - task.trim_since >= TRIM_AFTER {
                task.trim_since = Time::NEVER;
                give_back(task.stack_limit, task.control.top.get() - SWITCH_ROOM);
            }
        }
        self.trimmed_to = if end == self.tasks.len() { 0 } else { end };
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        // A call cannot be dropped in the middle: its stack would be unwound from within its wait, through code that
        // takes a panic for a fault of the script. Who lets a reactor go with calls in it lets the process go.
        std::mem::forget(std::mem::take(&mut self.tasks));
    }
}

/// Gives whole pages of a stack back to the system; they read as zeros when they are touched again.
fn give_back(from: usize, to: usize) {
    const PAGE: usize = 4096;
    // The lowest page of a stack is its guard.
    let (from, to) = (from.next_multiple_of(PAGE) + PAGE, to & !(PAGE - 1));
    if from < to {
        let start = std::ptr::with_exposed_provenance_mut::<std::ffi::c_void>(from);
        // SAFETY: the range lies within one coroutine's stack, below all that is in use: either nothing runs on it, or
        // it waits and its frames end above `to`.
        let _ = unsafe { rustix::mm::madvise(start, to - from, rustix::mm::Advice::LinuxDontNeed) };
    }
}
