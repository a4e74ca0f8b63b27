//! Calls as coroutines: thousands of them on one thread, each with a stack of its own.
//!
//! A script is plain code that stops in the middle to wait for Asterisk. A thread per call would work, but it costs a
//! wakeup by the system's scheduler per command, and 16 KiB of the system's memory per call. Here, a call that waits
//! leaves its stack as it is, and the thread goes on with the next call. Code above this file doesn't notice: it
//! calls [`Running::wait`], which takes its time. `reactor.rs` decides which call runs when.
//!
//! Each switch saves and restores what belongs to the running call but lives in the thread: its tracing span and its
//! memory count. So a waiting call isn't bound to a thread, and while one call keeps its thread busy, another thread
//! can go on with the reactor and all the other calls: see [`Runnable`].

#![expect(
    unsafe_code,
    reason = "a call suspends through a raw pointer, may resume on another thread, and returns the unused part of its \
              stack to the system"
)]

use crate::clock::{Stopwatch, Time};
use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tracing::Span;

/// How much of an idle stack stays in memory, in bytes.
const WARM_STACK: usize = 16 * 1024;
/// How many bytes switching stacks itself uses below the address where a call waits.
const SWITCH_RESERVE: usize = 1024;
/// How long a call may compute before it steps aside for others.
const TIME_SLICE: Duration = Duration::from_micros(500);
/// How many bytes a call may leave unread before nothing more is received for it.
const MAX_INCOMING: usize = 64 * 1024;
/// How many bytes of its receive buffer a waiting call keeps allocated.
const IDLE_INCOMING: usize = 256;

/// The line of a call.
pub(super) enum Line {
    /// A connection of its own.
    Own(TcpStream),
    /// A part of a connection of many calls.
    Shared(Box<dyn SharedLine>),
}

/// The other end of a line that shares its connection. Whoever has something for the call ends its wait.
pub(super) trait SharedLine: Send + Sync {
    /// Appends what has arrived. Returns whether nothing more will come.
    fn receive(&self, bytes: &mut Vec<u8>) -> bool;

    /// Takes what is to be sent.
    fn send(&self, bytes: &[u8]);
}

/// The state that a coroutine shares with its reactor. Everything that a call sends and receives passes through here.
pub(super) struct ControlBlock {
    yielder: Cell<*const Yielder<(), ()>>,
    line: Line,
    span: OnceCell<Span>,
    clock: Stopwatch,
    /// The deadline of the current wait. One in the past lets other calls run, and then resumes at once.
    deadline: Cell<Time>,
    /// Bytes received and not taken yet.
    incoming: RefCell<Vec<u8>>,
    /// Bytes to send.
    outgoing: RefCell<Vec<u8>>,
    /// Whether the socket may hold more than was received.
    has_more: Cell<bool>,
    /// Whether the peer has closed its end.
    ended: Cell<bool>,
    error: Cell<Option<Errno>>,
    stopped: AtomicBool,
    /// When it was last resumed.
    resumed: Cell<Time>,
    /// The stack address at which it waits.
    stack_top: Cell<usize>,
    /// How many bytes of memory it holds while it waits.
    held: Cell<isize>,
}

// SAFETY: everything but `stopped`, which is atomic, is touched by one thread at a time: by the one that has the
// reactor while the call waits, and by the one that runs the call while it is taken out of the reactor (`Runnable`).
// The lock through which calls and reactors change hands orders the two.
unsafe impl Send for ControlBlock {}
unsafe impl Sync for ControlBlock {}

impl ControlBlock {
    pub fn new(line: Line, clock: Stopwatch) -> Self {
        Self {
            yielder: Cell::new(std::ptr::null()),
            line,
            span: OnceCell::new(),
            clock,
            deadline: Cell::new(Time::NEVER),
            incoming: RefCell::default(),
            outgoing: RefCell::default(),
            has_more: Cell::new(false),
            ended: Cell::new(false),
            error: Cell::new(None),
            stopped: AtomicBool::new(false),
            resumed: Cell::new(Time::default()),
            stack_top: Cell::new(0),
            held: Cell::new(0),
        }
    }

    /// Receives what has arrived.
    ///
    /// The system reports arrivals only once, so this reads until nothing is left. A read that returns less than fits
    /// got everything, unless the end of the connection comes after it (`up_to_end`).
    pub fn receive(&self, buffer: &mut [u8], up_to_end: bool) {
        let mut incoming = self.incoming.borrow_mut();
        let stream = match &self.line {
            Line::Own(stream) => stream,
            Line::Shared(line) => return self.ended.set(line.receive(&mut incoming)),
        };
        self.has_more.set(false);
        loop {
            if incoming.len() >= MAX_INCOMING {
                self.has_more.set(true);
                return;
            }
            match recv(stream, &mut *buffer, RecvFlags::empty()) {
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

    /// Sends as much as the system takes. Returns whether that was everything.
    pub fn send(&self) -> bool {
        let mut outgoing = self.outgoing.borrow_mut();
        let stream = match &self.line {
            Line::Own(stream) => stream,
            Line::Shared(line) => {
                line.send(&outgoing);
                outgoing.clear();
                return true;
            }
        };
        while !outgoing.is_empty() {
            match send(stream, &outgoing, SendFlags::NOSIGNAL) {
                Ok(length) if length == outgoing.len() => outgoing.clear(),
                Ok(length) => drop(outgoing.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return false,
                Err(error) => {
                    // The call first reads what arrived before the connection broke.
                    self.error.set(Some(error));
                    outgoing.clear();
                }
            }
        }
        true
    }

    /// Whether its line shares a connection.
    pub fn is_shared(&self) -> bool {
        matches!(self.line, Line::Shared(_))
    }

    /// Whether something is left to send.
    pub fn is_sending(&self) -> bool {
        !self.outgoing.borrow().is_empty()
    }

    /// Whether the connection is broken.
    pub fn is_broken(&self) -> bool {
        self.error.get().is_some()
    }

    /// Receives what was left in the socket because the buffer was full. Returns whether there was any.
    pub fn receive_rest(&self, buffer: &mut [u8]) -> bool {
        if !self.incoming.borrow().is_empty() {
            return false;
        }
        self.incoming.borrow_mut().shrink_to(IDLE_INCOMING);
        if self.has_more.get() {
            self.receive(buffer, true);
            return true;
        }
        false
    }

    /// Returns when the call must be resumed at the latest.
    pub fn deadline(&self) -> Time {
        self.deadline.get()
    }

    /// Ends the current wait.
    pub fn wake(&self) {
        self.deadline.set(Time::default());
    }

    /// Ends the call. Its current or next wait reports that.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }
}

thread_local! {
    static RUNNING: RefCell<Option<Arc<ControlBlock>>> = const { RefCell::new(None) };
    /// The thread's memory count minus that of the running coroutine.
    static AHEAD: Cell<isize> = const { Cell::new(0) };
    static THREAD_MEMORY: Cell<Option<fn() -> isize>> = const { Cell::new(None) };
}

fn running() -> io::Result<Arc<ControlBlock>> {
    RUNNING
        .with_borrow(Clone::clone)
        .ok_or_else(|| io::Error::other("a connection of the server works only within the call it belongs to"))
}

/// Returns how many bytes of memory this thread holds.
fn thread_memory() -> isize {
    THREAD_MEMORY.get().map_or(0, |memory| memory())
}

/// Returns how many bytes of memory the running coroutine holds.
pub(super) fn used_memory() -> isize {
    THREAD_MEMORY.get().map_or(0, |memory| memory().wrapping_sub(AHEAD.get()))
}

/// Makes [`used_memory`] count on this thread, given a function that returns how many bytes the thread holds.
pub(super) fn count_memory_with(thread: Option<fn() -> isize>) {
    THREAD_MEMORY.set(thread);
}

/// Does some work without charging its memory to the running coroutine: it goes to another thread.
pub(super) fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    let before = thread_memory();
    let result = work();
    AHEAD.set(AHEAD.get().wrapping_add(thread_memory().wrapping_sub(before)));
    result
}

/// The running coroutine, as seen by its call.
pub(super) struct Running(Arc<ControlBlock>);

impl Running {
    /// # Errors
    /// No coroutine runs on this thread.
    pub fn get() -> io::Result<Self> {
        running().map(Self)
    }

    /// Lets other calls run if this one has used up its time slice.
    pub fn step_aside(&self) {
        if self.0.clock.now() - self.0.resumed.get() >= TIME_SLICE {
            self.wait(Time::default());
        }
    }

    /// Waits until something arrives, the call is ended, or the deadline has passed.
    #[inline(never)]
    pub fn wait(&self, deadline: Time) {
        let control = &self.0;
        control.deadline.set(deadline);
        let leave = |span: &Span| span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
        control.span.get().map(leave);
        let here = 0_u8;
        control.stack_top.set((&raw const here).addr());
        // SAFETY: the pointer was set by the coroutine that runs now, from the reference it lives with: it is alive,
        // and `RUNNING` holds no other coroutine's control block.
        unsafe { (*control.yielder.get()).suspend(()) };
        let enter = |span: &Span| span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        control.span.get().map(enter);
    }

    /// Appends what has arrived to `bytes`. Returns false if nothing has.
    ///
    /// # Errors
    /// The connection broke after everything that was taken before.
    pub fn take(&self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut incoming = self.0.incoming.borrow_mut();
        if !incoming.is_empty() {
            bytes.append(&mut incoming);
            return Ok(true);
        }
        self.0.error.get().map_or(Ok(false), |error| Err(error.into()))
    }

    /// Whether the peer has closed its end, and everything that it sent has been taken.
    pub fn is_at_end(&self) -> bool {
        self.0.ended.get() && self.0.incoming.borrow().is_empty()
    }

    /// Queues bytes, which are sent with those of all other calls at the end of this turn.
    pub fn send(&self, bytes: &[u8]) {
        self.0.outgoing.borrow_mut().extend_from_slice(bytes);
    }

    /// Whether queued bytes are still to be sent, and the peer may be what holds them up.
    pub fn is_sending(&self) -> bool {
        !self.0.is_shared() && self.0.is_sending()
    }

    /// Acknowledges immediately what has arrived.
    pub fn acknowledge(&self) {
        if let Line::Own(stream) = &self.0.line {
            // The system forgets this after a while, so it is set each time.
            let _ = sockopt::set_tcp_quickack(stream, true);
        }
    }

    /// Returns true, once, if the call is to be ended.
    pub fn take_stop(&self) -> bool {
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

/// The number of a call within its reactor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TaskId {
    pub index: u32,
    /// Distinguishes the calls that have had this index.
    pub generation: u32,
}

/// A coroutine that isn't running.
pub(super) struct Suspended {
    coroutine: Coroutine<(), (), (), DefaultStack>,
    stack_limit: usize,
}

// SAFETY: a stack that waits in `Running::wait` holds nothing of its thread. What lives in threads is looked up again
// after each wait (`RUNNING`, `AHEAD`, the span, which is left before the wait and entered after it), and locks held
// across a wait are futexes, which any thread may release. What the body has captured is `Send` (`Suspended::new`).
unsafe impl Send for Suspended {}

impl Suspended {
    /// Creates a coroutine that has yet to begin.
    pub fn new(stack: DefaultStack, control: &Arc<ControlBlock>, body: impl FnOnce() + Send + 'static) -> Self {
        let stack_limit = stack.limit().get();
        let control = Arc::clone(control);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            control.yielder.set(std::ptr::from_ref(yielder));
            drop(control);
            body();
        });
        Self { coroutine, stack_limit }
    }

    /// Takes back the stack of a coroutine that has ended.
    pub fn into_stack(self) -> DefaultStack {
        self.coroutine.into_stack()
    }

    /// Returns the memory below the top of its stack to the system. `control` must be its own, and it must have
    /// waited.
    pub fn trim(&self, control: &ControlBlock) {
        release_pages(self.stack_limit, control.stack_top.get() - SWITCH_RESERVE);
    }
}

/// A call that was taken out of its reactor to run now.
///
/// It may run while another thread has the reactor, to which it returns later.
pub(super) struct Runnable {
    pub id: TaskId,
    pub body: Suspended,
    pub control: Arc<ControlBlock>,
    /// When the turn began.
    pub now: Time,
}

/// A call that has run, and is to be returned to its reactor.
pub(super) struct Returned {
    pub id: TaskId,
    pub body: Suspended,
    pub control: Arc<ControlBlock>,
    pub ended: bool,
}

impl Runnable {
    /// Runs the call on this thread until it waits or ends.
    pub fn run(self) -> Returned {
        let Self { id, mut body, control, now } = self;
        AHEAD.set(thread_memory().wrapping_sub(control.held.get()));
        // The beginning of the turn is precise enough: a call that runs late in the turn just steps aside sooner.
        control.resumed.set(now);
        RUNNING.set(Some(Arc::clone(&control)));
        let result = body.coroutine.resume(());
        RUNNING.set(None);
        control.held.set(thread_memory().wrapping_sub(AHEAD.replace(0)));
        Returned { id, body, control, ended: matches!(result, CoroutineResult::Return(())) }
    }
}

impl Returned {
    /// Leaks a call that no reactor takes back.
    pub fn abandon(self) {
        // A call can't be dropped in the middle: see `Reactor::drop`.
        std::mem::forget(self);
    }
}

/// Returns most of the memory of a stack on which nothing runs to the system.
pub(super) fn trim_idle(stack: &DefaultStack) {
    release_pages(stack.limit().get(), stack.base().get() - WARM_STACK);
}

/// Returns whole pages of a stack to the system. They read as zeros the next time they are touched.
fn release_pages(from: usize, to: usize) {
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
