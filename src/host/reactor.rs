//! The reactor of a thread: which call runs when, and what its connection receives and sends.

use super::coroutine::{ControlBlock, Line, Returned, Runnable, Suspended, TaskId, trim_idle};
use crate::clock::{Stopwatch, Time};
use crate::stack;
use corosensei::stack::DefaultStack;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// The maximum number of stacks of ended calls that are kept for the next calls.
const MAX_SPARE_STACKS: usize = 128;
/// How long a call waits before it returns the memory below the top of its stack.
const TRIM_AFTER: Duration = Duration::from_secs(1);
/// How many calls are checked for that in one turn.
const TRIMMED_PER_TURN: usize = 64;
/// After this time at the latest, an unfinished trim continues.
const TRIM_INTERVAL: Duration = Duration::from_millis(10);
/// How long new calls may be begun in one turn before other calls get their turn.
const FRESH_PER_TURN: Duration = Duration::from_millis(1);
/// The maximum number of events that are taken from the system in one turn.
const MAX_EVENTS: usize = 256;
/// How many bytes are received at a time.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// The generation in the tokens of descriptors that belong to no call.
const NO_CALL: u32 = u32::MAX;

/// Returns the number by which the system reports a descriptor.
const fn token(id: TaskId) -> u64 {
    (id.generation as u64) << 32 | id.index as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a token")]
const fn id_of(token: u64) -> TaskId {
    TaskId { index: token as u32, generation: (token >> 32) as u32 }
}

/// A call and its state.
struct Task {
    /// `None` while it runs. Then its control block must not be touched either.
    body: Option<Suspended>,
    control: Arc<ControlBlock>,
    /// Whether something arrived for it while it was away.
    missed: bool,
    generation: u32,
    /// The time under which it is in the list of alarms.
    alarm: Time,
    waiting: bool,
    /// When it began to wait; `NEVER` once its stack has been trimmed.
    trim_since: Time,
}

/// The buffers into which a thread receives the events of its reactor.
pub(super) struct Events {
    system: Vec<Event>,
    ready: Vec<u32>,
}

impl Events {
    pub fn new() -> Self {
        Self { system: Vec::with_capacity(MAX_EVENTS), ready: Vec::new() }
    }

    /// Returns the numbers of the descriptors of [`Reactor::watch`] that are readable.
    pub fn ready(&self) -> &[u32] {
        &self.ready
    }
}

/// The calls of one thread.
///
/// A turn has three parts: it receives for all calls for which something has arrived, lets each of them run until it
/// waits again, and sends what they have to say. Each part runs the same code again and again, which suits the
/// processor's caches better than a little of everything, and the other end is woken once for many lines.
pub(super) struct Reactor {
    epoll: OwnedFd,
    clock: Stopwatch,
    tasks: Vec<Option<Task>>,
    free: Vec<u32>,
    generation: u32,
    alarms: BTreeSet<(Time, u32)>,
    /// New calls, and calls that are to end. They run before all others.
    fresh: VecDeque<TaskId>,
    /// Calls for which something has arrived in this turn.
    woken: VecDeque<TaskId>,
    /// Calls that have something to send.
    sending: Vec<(TaskId, Arc<ControlBlock>)>,
    /// Calls that have stepped aside while computing.
    aside: VecDeque<TaskId>,
    spare_stacks: Vec<DefaultStack>,
    /// Whether some spare stacks may have more in memory than they should keep.
    deep_stacks: bool,
    buffer: Vec<u8>,
    trimmed_to: usize,
    next_trim: Time,
    turn_length: Duration,
    /// When this turn began.
    now: Time,
    /// When the first new call ran in this turn.
    fresh_since: Option<Time>,
    /// Whether only new calls run in this turn.
    postponed: bool,
    /// Whether one of the computing calls has had its time slice in this turn.
    sliced: bool,
}

impl Reactor {
    /// Creates a reactor without calls. All threads share the clock.
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
            spare_stacks: Vec::new(),
            deep_stacks: false,
            buffer: vec![0; RECEIVE_BUFFER],
            trimmed_to: 0,
            next_trim: Time::default(),
            turn_length: Duration::ZERO,
            now: Time::default(),
            fresh_since: None,
            postponed: false,
            sliced: false,
        })
    }

    /// Returns the clock of all calls of this thread.
    pub fn clock(&self) -> Stopwatch {
        self.clock
    }

    /// Returns how long a turn takes on average, without waiting for something to arrive.
    pub fn turn_length(&self) -> Duration {
        self.turn_length
    }

    /// Reports `number` in [`Events::ready`] whenever this descriptor is readable.
    pub fn watch(&self, descriptor: impl AsFd, number: u32) -> io::Result<()> {
        let data = EventData::new_u64(token(TaskId { index: number, generation: NO_CALL }));
        Ok(epoll::add(&self.epoll, descriptor, data, EventFlags::IN)?)
    }

    /// Stops reporting this descriptor.
    pub fn unwatch(&self, descriptor: impl AsFd) {
        let _ = epoll::delete(&self.epoll, descriptor);
    }

    /// Begins a call on this line; a connection of its own must be non-blocking. The call runs before all others.
    pub fn spawn(&mut self, line: Line, body: impl FnOnce(TaskId) + Send + 'static) -> io::Result<TaskId> {
        let stack = self.spare_stacks.pop().map_or_else(stack::new, Ok)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            u32::try_from(self.tasks.len() - 1).unwrap_or(u32::MAX)
        });
        self.generation = if self.generation + 1 == NO_CALL { 0 } else { self.generation + 1 };
        let id = TaskId { index, generation: self.generation };
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Line::Own(stream) = &line
            && let Err(error) = epoll::add(&self.epoll, stream, EventData::new_u64(token(id)), interest)
        {
            self.free.push(index);
            self.keep(stack);
            return Err(error.into());
        }
        let control = Arc::new(ControlBlock::new(line, self.clock));
        // Receives what came with the connection.
        control.receive(&mut self.buffer, true);
        let body = Suspended::new(stack, &control, move || body(id));
        self.tasks[index as usize] = Some(Task {
            body: Some(body),
            control,
            missed: false,
            generation: id.generation,
            alarm: Time::NEVER,
            waiting: true,
            trim_since: Time::NEVER,
        });
        self.fresh.push_back(id);
        Ok(id)
    }

    /// Ends the wait of a call, for which something may have arrived on a line that it shares.
    pub fn wake(&mut self, id: TaskId) {
        let Some(Some(task)) = self.tasks.get_mut(id.index as usize) else { return };
        if task.generation != id.generation {
            return;
        }
        if task.body.is_none() {
            task.missed = true;
            return;
        }
        if task.control.is_shared() {
            task.control.receive(&mut self.buffer, true);
        }
        if task.waiting {
            self.woken.push_back(id);
        }
    }

    /// Ends a call. The place where it waits reports that.
    pub fn stop(&mut self, id: TaskId) {
        if let Some(task) = self.task(id) {
            task.control.stop();
            task.missed = true;
            if task.waiting {
                self.fresh.push_back(id);
            }
        }
    }

    /// Ends all calls.
    pub fn stop_all(&mut self) {
        for index in 0..self.tasks.len() {
            if let Some(Some(task)) = self.tasks.get(index) {
                let id = TaskId { index: u32::try_from(index).unwrap_or(u32::MAX), generation: task.generation };
                self.stop(id);
            }
        }
    }

    /// Returns the number of calls.
    pub fn len(&self) -> usize {
        self.tasks.len() - self.free.len()
    }

    /// Begins a turn: sends what is to be sent, and waits for more to arrive, at most until the timeout. Then every
    /// call that can run must run, one after the other: see [`Reactor::next`].
    pub fn turn(&mut self, timeout: Duration, events: &mut Events) -> io::Result<()> {
        self.send();
        let began = self.clock.now();
        let idle = self.aside.is_empty() && self.woken.is_empty() && self.fresh.is_empty();
        let mut wait = if idle { timeout } else { Duration::ZERO };
        if let Some((alarm, _)) = self.alarms.first() {
            wait = wait.min(*alarm - began);
        }
        if self.trimmed_to > 0 {
            wait = wait.min(TRIM_INTERVAL);
        }
        events.system.clear();
        let timeout = Timespec::try_from(wait).ok();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events.system), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.now = self.clock.now();
        self.sliced = false;
        self.fresh_since = None;
        self.receive(events);
        // A new call goes first, but not in every turn.
        self.postponed = !events.ready.is_empty() && !self.postponed;
        Ok(())
    }

    /// Sends for all calls that have something to send.
    fn send(&mut self) {
        let mut sending = std::mem::take(&mut self.sending);
        for (id, control) in sending.drain(..) {
            // What a call that is away has to say is sent when it is back.
            if self.is_away(id) {
                continue;
            }
            // What the system doesn't take now is sent when it reports room. Not every error is reported as an event.
            if control.send() && control.is_broken() {
                self.woken.push_back(id);
            }
        }
        self.sending = sending;
    }

    /// Receives for all calls the system has reported.
    fn receive(&mut self, events: &mut Events) {
        events.ready.clear();
        for event in &events.system {
            let (flags, id) = (event.flags, id_of(event.data.u64()));
            if id.generation == NO_CALL {
                events.ready.push(id.index);
                continue;
            }
            // The call may have ended in the meantime.
            let task = self.tasks.get_mut(id.index as usize).and_then(Option::as_mut);
            let Some(task) = task.filter(|task| task.generation == id.generation) else { continue };
            if task.body.is_none() {
                task.missed = true;
                continue;
            }
            let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            if flags.intersects(end | EventFlags::IN) {
                task.control.receive(&mut self.buffer, flags.intersects(end));
            } else if !task.control.is_sending() || !task.control.send() {
                // That a connection is writable matters only to a call that has something left to send.
                continue;
            }
            if task.waiting {
                self.woken.push_back(id);
            }
        }
    }

    /// Returns the next call to run in this turn; `None` once all have run.
    ///
    /// The call is taken out of the reactor, so that it may run while another thread has the reactor. It comes back
    /// by [`Reactor::put_back`].
    pub fn next(&mut self) -> Option<Runnable> {
        loop {
            let id = self.pick()?;
            let now = self.now;
            let Some(task) = self.task(id) else { continue };
            if let Some(body) = task.body.take() {
                task.waiting = false;
                task.missed = false;
                let control = Arc::clone(&task.control);
                return Some(Runnable { id, body, control, now });
            }
        }
    }

    fn pick(&mut self) -> Option<TaskId> {
        // If new calls take long, other calls get their turn in between.
        if !self.fresh.is_empty() {
            let now = self.clock.now();
            if now - *self.fresh_since.get_or_insert(now) < FRESH_PER_TURN {
                return self.fresh.pop_front();
            }
        }
        if self.postponed {
            return None;
        }
        if let Some(id) = self.woken.pop_front() {
            return Some(id);
        }
        while let Some((alarm, index)) = self.alarms.first().copied()
            && alarm <= self.now
        {
            self.alarms.pop_first();
            let Some(Some(task)) = self.tasks.get_mut(index as usize) else { continue };
            task.alarm = Time::NEVER;
            let id = TaskId { index, generation: task.generation };
            if !task.waiting {
                continue;
            }
            if task.control.deadline() <= self.now {
                return Some(id);
            }
            self.set_alarm(id);
        }
        // One computing call per turn, so that it delays the others by no more than a time slice.
        if !std::mem::replace(&mut self.sliced, true)
            && let Some(id) = self.aside.pop_front()
        {
            self.now = self.clock.now();
            return Some(id);
        }
        self.trim(self.now);
        None
    }

    /// Ends a turn whose calls began to run at `began`.
    pub fn end_turn(&mut self, began: Time) {
        self.turn_length = (self.turn_length * 15 + (self.clock.now() - began)) / 16;
    }

    /// When this turn began.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Whether this call runs on a thread that has lost its reactor.
    fn is_away(&mut self, id: TaskId) -> bool {
        self.task(id).is_some_and(|task| task.body.is_none())
    }

    fn task(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.get_mut(id.index as usize)?.as_mut().filter(|task| task.generation == id.generation)
    }

    /// Takes back a call that has run.
    pub fn put_back(&mut self, returned: Returned) {
        let Returned { id, body, control, ended } = returned;
        if ended {
            // Sends its last words before the connection is closed.
            control.send();
            let task = self.tasks[id.index as usize].take();
            self.free.push(id.index);
            if let Some(task) = task
                && task.alarm != Time::NEVER
            {
                self.alarms.remove(&(task.alarm, id.index));
            }
            self.keep(body.into_stack());
            return;
        }
        if control.is_sending() {
            self.sending.push((id, Arc::clone(&control)));
        }
        let now = self.now;
        let Some(Some(task)) = self.tasks.get_mut(id.index as usize) else { return };
        task.body = Some(body);
        if std::mem::take(&mut task.missed) {
            control.receive(&mut self.buffer, true);
            control.wake();
        }
        if control.receive_rest(&mut self.buffer) {
            control.wake();
        }
        if control.deadline() <= now {
            self.aside.push_back(id);
            return;
        }
        task.waiting = true;
        task.trim_since = now;
        self.set_alarm(id);
    }

    /// Makes sure that the call is woken in time. An earlier alarm stays, and is set again when it rings: most waits
    /// end long before their deadline, so each alarm would only be inserted and removed.
    fn set_alarm(&mut self, id: TaskId) {
        let Some(task) = self.task(id) else { return };
        let (before, deadline) = (task.alarm, task.control.deadline());
        if deadline >= before {
            return;
        }
        task.alarm = deadline;
        if before != Time::NEVER {
            self.alarms.remove(&(before, id.index));
        }
        self.alarms.insert((deadline, id.index));
    }

    /// Keeps the stack of an ended call for another.
    fn keep(&mut self, stack: DefaultStack) {
        if self.spare_stacks.len() < MAX_SPARE_STACKS {
            self.spare_stacks.push(stack);
            self.deep_stacks = true;
        }
    }

    /// Returns the memory that waiting calls have below the tops of their stacks, so that a call is as large as it is
    /// deep now, and not as it has been.
    fn trim(&mut self, now: Time) {
        if self.trimmed_to == 0 {
            if now < self.next_trim {
                return;
            }
            self.next_trim = now + TRIM_AFTER;
            if std::mem::take(&mut self.deep_stacks) {
                self.spare_stacks.iter().for_each(trim_idle);
            }
        }
        let end = self.tasks.len().min(self.trimmed_to + TRIMMED_PER_TURN);
        for task in self.tasks[self.trimmed_to..end].iter_mut().flatten() {
            if task.waiting && task.trim_since != Time::NEVER && now - task.trim_since >= TRIM_AFTER {
                task.trim_since = Time::NEVER;
                if let Some(body) = &task.body {
                    body.trim(&task.control);
                }
            }
        }
        self.trimmed_to = if end == self.tasks.len() { 0 } else { end };
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        // A call can't be dropped in the middle: its stack would be unwound from within its wait, through code that
        // takes a panic for a fault of the script. A reactor that still has calls is dropped only when the process
        // ends.
        std::mem::forget(std::mem::take(&mut self.tasks));
    }
}
