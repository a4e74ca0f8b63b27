//! What a running script has used, compared with its limits.

use super::limits::{Limits, MAX_STACK, Memory, address_in_stack};
use crate::clock::{Stopwatch, processor_time};
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicIsize, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Stands for the moment at which computing began, until the next check determines it.
const NOT_COUNTING: i64 = -1;
/// The number of operations between two looks at the clock: one operation may take as long as a thousand others.
const OPERATIONS_PER_CHECK: u64 = 64;
/// The minimum time between two full checks: of the processor time used, and of the line.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// How many times longer than it may compute a script may be busy. To be busy without using the processor means to
/// wait for a lock inside Rhai.
const BUSY_FACTOR: u32 = 10;
/// How many bytes a printed line counts in addition to its text.
const LINE_OVERHEAD: usize = 128;
/// How many operations a script may still do once it has exceeded a limit. It is stopped at the next variable it
/// names, where Rhai reports the place, or else after these.
const GRACE: u64 = 256;
/// The same, if each operation may take more memory.
const MEMORY_GRACE: u64 = 16;

/// The script runs.
const RUNNING: u8 = 0;
/// A function has the session.
const PAUSED: u8 = 1;
/// The script has ended, or ends at its next operation.
const STOPPED: u8 = 2;

/// How many times a thread was taken from a call during a slow step. After that, every call checks the clock, since
/// its next step may be just as slow.
static SLOW_STEPS: AtomicUsize = AtomicUsize::new(0);

/// Makes every call check the clock after the step it is in.
pub(crate) fn check_soon() {
    SLOW_STEPS.fetch_add(1, Relaxed);
}

/// The limits that a script may exceed, as far as anything depends on which one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Computing for too long, or being busy.
    Computing,
    /// A value that has grown too large.
    ValueSize,
    Other,
}

/// The resources a script has used.
#[derive(Debug)]
pub(crate) struct Usage {
    pub limits: Limits,
    memory: Option<(Memory, isize)>,
    /// What was used in [`uncounted`](Self::uncounted).
    uncounted: AtomicIsize,
    /// `RUNNING`, `STANDING` or `STOPPED`.
    phase: AtomicU8,
    /// The limit that was exceeded, and its name in words.
    exceeded: Mutex<Option<(Limit, String)>>,
    /// The operation after which the script is stopped; 0 while it keeps within its limits.
    last_operation: AtomicU64,
    printed: AtomicUsize,
    /// The processor time at which computing began, in nanoseconds.
    computing_since: AtomicI64,
    /// When the script began to be busy, in nanoseconds of `clock`.
    busy_since: AtomicI64,
    checked_at: AtomicI64,
    /// `SLOW_STEPS` at the last check.
    slow_steps: AtomicUsize,
    /// Real time, even if the call lives in simulated time.
    clock: Stopwatch,
    /// The stack address at which the script began.
    stack: AtomicUsize,
}

/// Whether a script may go on.
pub(crate) enum Verdict {
    GoOn,
    Stop,
    /// Its limits allow it. The line must be checked too, and then [`Usage::checked_line`] must be called.
    CheckLine {
        processor: i64,
        real: i64,
    },
}

fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}

impl Usage {
    pub fn new(limits: Limits, memory: Option<Memory>) -> Self {
        Self {
            limits,
            memory: memory.map(|memory| (memory, (memory.used)())),
            uncounted: AtomicIsize::new(0),
            phase: AtomicU8::new(RUNNING),
            exceeded: Mutex::new(None),
            last_operation: AtomicU64::new(0),
            printed: AtomicUsize::new(0),
            computing_since: AtomicI64::new(NOT_COUNTING),
            busy_since: AtomicI64::new(0),
            checked_at: AtomicI64::new(0),
            slow_steps: AtomicUsize::new(0),
            clock: Stopwatch::start(),
            stack: AtomicUsize::new(0),
        }
    }

    /// Notes where in the stack the script begins, and starts to count its computing.
    pub fn begin(&self) {
        self.stack.store(address_in_stack(), Relaxed);
        self.restart_computing();
    }

    /// Does something that allocates what other threads free, or the other way round, without counting its memory.
    pub fn uncounted<R>(&self, work: impl FnOnce() -> R) -> R {
        let Some((memory, _)) = self.memory else { return work() };
        let before = (memory.used)();
        let result = work();
        self.uncounted.fetch_add((memory.used)().saturating_sub(before), Relaxed);
        result
    }

    /// Lets a script that was stopped run again: its `on_hangup`.
    pub fn resume(&self) {
        self.phase.store(RUNNING, Relaxed);
        self.last_operation.store(0, Relaxed);
        self.restart_computing();
    }

    /// Starts to count computing again, after something that took its time.
    pub fn restart_computing(&self) {
        self.computing_since.store(NOT_COUNTING, Relaxed);
    }

    /// Ends the script at its next operation. An error alone could be caught: Rhai allows this to `try` around a
    /// closure.
    pub fn stop(&self) {
        self.phase.store(STOPPED, Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.phase.load(Relaxed) == STOPPED
    }

    /// Runs a closure during which the script must stand still: its next operation would end it.
    pub fn while_paused<R>(&self, during: impl FnOnce() -> R) -> R {
        let _ = self.phase.compare_exchange(RUNNING, PAUSED, Relaxed, Relaxed);
        let result = during();
        let _ = self.phase.compare_exchange(PAUSED, RUNNING, Relaxed, Relaxed);
        result
    }

    /// Ends the script because it has exceeded this limit.
    pub fn exceed(&self, limit: Limit, message: String) {
        lock(&self.exceeded).get_or_insert((limit, message));
        self.stop();
    }

    /// Does the same at the next place that Rhai reports, or else after `grace` operations.
    fn exceed_soon(&self, operations: u64, grace: u64, limit: Limit, message: String) {
        lock(&self.exceeded).get_or_insert((limit, message));
        self.last_operation.store(operations.saturating_add(grace), Relaxed);
    }

    pub fn exceed_on_hangup(&self) {
        self.exceed(Limit::Other, format!("on_hangup takes more than {} s", self.limits.on_hangup.as_secs_f64()));
    }

    /// Whether the script is to be stopped at the next variable it names.
    pub fn is_in_grace(&self) -> bool {
        self.last_operation.load(Relaxed) != 0
    }

    /// Returns the limit that was exceeded, and its name in words.
    pub fn take_exceeded(&self) -> Option<(Limit, String)> {
        lock(&self.exceeded).take()
    }

    /// Counts a line to be printed. Returns whether there was room for it.
    pub fn count_printed(&self, text: &str) -> bool {
        let length = text.len() + LINE_OVERHEAD;
        let printed = self.printed.fetch_add(length, Relaxed);
        if printed + length <= self.limits.printed {
            return true;
        }
        let limit = self.limits.printed / 1024;
        self.exceed(
            Limit::Other,
            format!("the script prints more than {limit} KiB, with {LINE_OVERHEAD} bytes for each line"),
        );
        false
    }

    pub fn has_printed_too_much(&self) -> bool {
        self.printed.load(Relaxed) > self.limits.printed
    }

    /// Called at every operation of the script. Returns whether the script may go on.
    pub fn may_go_on(&self, operations: u64) -> Verdict {
        match self.phase.load(Relaxed) {
            RUNNING => {}
            PAUSED => {
                self.exceed(Limit::Other, "a function called the script inside `with_session`".to_owned());
                return Verdict::Stop;
            }
            _ => return Verdict::Stop,
        }
        let last = self.last_operation.load(Relaxed);
        if last != 0 {
            if operations < last {
                return Verdict::GoOn;
            }
            self.stop();
            return Verdict::Stop;
        }
        // An overflow of the stack ends the process, with all its calls. How much a function takes depends on what the
        // calls in it are nested in, so counting calls is not enough.
        if self.stack.load(Relaxed).saturating_sub(address_in_stack()) > MAX_STACK {
            self.exceed(Limit::Other, "functions, blocks and operators are nested too deeply".to_owned());
            return Verdict::Stop;
        }
        if let Some((memory, before)) = self.memory
            && (memory.used)().saturating_sub(before).saturating_sub(self.uncounted.load(Relaxed))
                > isize::try_from(self.limits.memory).unwrap_or(isize::MAX)
        {
            let limit = self.limits.memory / (1024 * 1024);
            self.exceed_soon(
                operations,
                MEMORY_GRACE,
                Limit::Other,
                format!("the script uses more than {limit} MiB of memory"),
            );
            return Verdict::GoOn;
        }
        let slow = SLOW_STEPS.load(Relaxed);
        if !operations.is_multiple_of(OPERATIONS_PER_CHECK) && slow == self.slow_steps.load(Relaxed) {
            return Verdict::GoOn;
        }
        self.slow_steps.store(slow, Relaxed);
        self.check(operations)
    }

    fn check(&self, operations: u64) -> Verdict {
        let real = nanos(self.clock.elapsed());
        if real - self.checked_at.load(Relaxed) < nanos(CHECK_INTERVAL) {
            return Verdict::GoOn;
        }
        let processor = processor_time();
        // A command was sent since the last check, so the count begins here. This spares each command a look at the
        // clock.
        if self.computing_since.compare_exchange(NOT_COUNTING, processor, Relaxed, Relaxed).is_ok() {
            self.busy_since.store(real, Relaxed);
        }
        let limit = nanos(self.limits.computing);
        let seconds = self.limits.computing.as_secs_f64();
        let exceeded = if processor - self.computing_since.load(Relaxed) > limit {
            format!("the script computes for more than {seconds} s without a command: an endless loop?")
        } else if real - self.busy_since.load(Relaxed) > limit.saturating_mul(BUSY_FACTOR.into()) {
            let seconds = seconds * f64::from(BUSY_FACTOR);
            format!("the script is busy for more than {seconds} s without a command: an endless loop?")
        } else {
            return Verdict::CheckLine { processor, real };
        };
        self.exceed_soon(operations, GRACE, Limit::Computing, exceeded);
        Verdict::GoOn
    }

    /// Leaves out the time since these moments: while the line was checked, other calls may have run on this thread.
    pub fn checked_line(&self, processor: i64, real: i64) {
        self.computing_since.fetch_add(processor_time() - processor, Relaxed);
        let now = nanos(self.clock.elapsed());
        self.busy_since.fetch_add(now - real, Relaxed);
        self.checked_at.store(now, Relaxed);
    }
}
