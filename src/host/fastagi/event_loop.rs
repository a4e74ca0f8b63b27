//! A worker's loop: waits for events, handles messages, accepts connections and runs calls.

use super::accept::ACCEPT_BACKOFF;
use super::shared::Shared;
use super::worker::{Message, Worker};
use crate::host::coroutine;
use crate::host::reactor::Events;
use crate::stack;
use crate::sync::lock;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::Receiver;
use std::thread::Builder;
use std::time::Duration;
use tracing::info;

/// The maximum number of connections that are accepted in one turn, so that calls under way get theirs.
const MAX_ACCEPTS_PER_TURN: usize = 64;
/// The maximum number of connections that are accepted when the server closes: as many as the system keeps waiting,
/// but not those that keep coming.
const MAX_ACCEPTS_AT_CLOSE: usize = 4096;
/// Upper bound of the wait in a turn, so that the watchdog sees progress.
const MAX_WAIT: Duration = Duration::from_millis(500);
/// The number by which a reactor reports its worker's queue. The numbers of listeners begin at 0.
pub(super) const WAKEUP: u32 = u32::MAX;

/// Starts a thread that takes a worker as soon as one is sent to it.
pub(super) fn spawn_thread(shared: &Arc<Shared>, workers: Receiver<Box<Worker>>) -> io::Result<()> {
    let own = Arc::clone(shared);
    let work = move || {
        let Ok(worker) = workers.recv() else { return };
        stack::mark_large();
        coroutine::count_memory_with(own.thread_memory);
        let number = worker.number;
        match catch_unwind(AssertUnwindSafe(|| worker.run(&own))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => own.worker_failed(number, &format!("waiting for events failed: {error}")),
            Err(_) => own.worker_failed(number, "it panicked: this is a bug in agi-rhai, please report it"),
        }
    };
    let thread = Builder::new().name("calls".to_owned()).spawn(work)?;
    let mut threads = lock(&shared.threads);
    threads.retain(|thread| !thread.is_finished());
    threads.push(thread);
    Ok(())
}

/// Notes that a call that kept its thread has come to where it waits.
fn call_came_back(shared: &Shared, worker: usize, run: u64) {
    let Some(call) = shared.stuck.remove(worker, run) else { return };
    if call.reported {
        let length = shared.clock.now() - call.since;
        info!("{} goes on, after {:.1} s in one step", shared.name_of(worker, call.task), length.as_secs_f64());
    }
}

impl Worker {
    /// Runs until the server is closed and this worker has no call left, or until another thread takes over the
    /// worker.
    fn run(mut self: Box<Self>, shared: &Arc<Shared>) -> io::Result<()> {
        let number = self.number;
        let queue = &shared.queues[number];
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let mut events = Events::new();
        // A worker that was taken over is in the middle of a turn.
        let mut began = self.reactor.now();
        loop {
            while let Some(runnable) = self.reactor.next() {
                let run = {
                    let mut lent = lock(&queue.lent);
                    lent.run += 1;
                    lent.task = runnable.id;
                    lent.thread = thread;
                    lent.worker = Some(self);
                    lent.run
                };
                let returned = runnable.run();
                let worker = {
                    let mut lent = lock(&queue.lent);
                    if lent.run == run { lent.worker.take() } else { None }
                };
                let Some(worker) = worker else {
                    call_came_back(shared, number, run);
                    if let Err(Message::PutBack(returned)) = queue.push(Message::PutBack(returned)) {
                        returned.abandon();
                    }
                    return Ok(());
                };
                self = worker;
                self.reactor.put_back(returned);
            }
            self.reactor.end_turn(began);
            let now = self.reactor.clock().now();
            if self.accept_again.is_some_and(|again| now >= again) {
                self.unwatch_listeners();
                // Where there is no room yet, there may be room later.
                self.accept_again = self.watch_listeners().is_err().then(|| now + ACCEPT_BACKOFF);
            }
            // Another worker may hand over a call up to the moment the queue is closed.
            if self.listeners.is_none() && self.reactor.len() == 0 && queue.close_if_empty() {
                queue.listens.store(false, Release);
                return Ok(());
            }
            self.reactor.turn(if self.accept_again.is_some() { ACCEPT_BACKOFF } else { MAX_WAIT }, &mut events)?;
            began = self.reactor.now();
            queue.turns.fetch_add(1, Relaxed);
            for ready in events.ready() {
                if *ready == WAKEUP {
                    queue.take().into_iter().for_each(|message| self.handle(shared, message));
                } else if let Some(listeners) = self.listeners.clone()
                    && let Some(listener) = listeners.get(*ready as usize)
                {
                    self.accept(shared, listener, MAX_ACCEPTS_PER_TURN);
                }
            }
        }
    }

    fn handle(&mut self, shared: &Arc<Shared>, message: Message) {
        match message {
            Message::Distribute(accepted) => self.distribute(shared, accepted),
            Message::Call(accepted) => self.begin(shared, accepted),
            Message::PutBack(returned) => self.reactor.put_back(returned),
            Message::Wake(task) => self.reactor.wake(task),
            Message::Stop(task) => self.reactor.stop(task),
            Message::StopAll => self.reactor.stop_all(),
            Message::Close => {
                self.unwatch_listeners();
                if let Some(listeners) = self.listeners.take() {
                    // Connections that have come so far are served. Those that come between this and the closing are
                    // cut, so nothing happens in between.
                    for listener in listeners.iter() {
                        self.accept(shared, listener, MAX_ACCEPTS_AT_CLOSE);
                    }
                    drop(listeners);
                    shared.queues[self.number].listens.store(false, Release);
                }
            }
        }
    }
}
