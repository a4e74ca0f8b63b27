//! Watches the threads that run calls, so that a call that keeps its thread busy doesn't make other calls wait.
//!
//! A script steps aside every half millisecond, but only between two of its operations. One operation may take long:
//! to work through large texts, to drop a large value, to wait for a lock in Rhai. Then another thread takes over the
//! worker with all its other calls, its connections and its listeners. The call goes on alone, at a lower priority,
//! until it waits; then it returns to its worker, and its thread ends.

use super::event_loop::spawn_thread;
use super::shared::Shared;
use super::stuck::{MAX_STUCK, Stuck};
use crate::clock::{Time, sleep};
use crate::script::check_soon;
use crate::sync::lock;
use rustix::process::{Pid, setpriority_process};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::time::Duration;
use tracing::error;

/// How often the threads are checked. A call that has run since the last check counts as slow, so its neighbours wait
/// at most twice as long.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// The same, while there are no calls.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// The priority of a thread that keeps its call to itself, as `nice` counts it.
const NICE_LEVEL: i32 = 19;

/// Watches until the server has ended.
pub(super) fn watch(shared: &Arc<Shared>) {
    let mut seen = vec![0; shared.queues.len()];
    let mut spare = None;
    while !shared.ended.load(Relaxed) {
        sleep(if shared.has_calls() { CHECK_INTERVAL } else { IDLE_CHECK_INTERVAL });
        let now = shared.clock.now();
        if spare.is_none() {
            let (sender, receiver) = channel();
            match spawn_thread(shared, receiver) {
                Ok(()) => spare = Some(sender),
                Err(error) => shared.warnings.warn(now, "spare thread", || {
                    format!(
                        "no thread to take over when a call keeps its thread busy: {error} (`ulimit -u`, or TasksMax= \
                         of systemd, limits them)"
                    )
                }),
            }
        }
        for (worker, (queue, seen)) in shared.queues.iter().zip(&mut seen).enumerate() {
            let mut lent = lock(&queue.lent);
            if lent.worker.is_none() || *seen != lent.run {
                *seen = lent.run;
                continue;
            }
            if !shared.stuck.is_full()
                && let Some(spare) = spare.take()
                && let Some(taken) = lent.worker.take()
            {
                shared.stuck.add(Stuck { worker, run: lent.run, task: lent.task, since: now, reported: false });
                shared.metrics.took_over();
                check_soon();
                // Otherwise it would share a processor with all other calls. Takeover works without permission for
                // this.
                let _ = setpriority_process(Pid::from_raw(lent.thread), NICE_LEVEL);
                drop(lent);
                // The spare thread waits for nothing else, so it is there.
                let _ = spare.send(taken);
            }
        }
        report(shared, now);
    }
}

fn report(shared: &Shared, now: Time) {
    shared.stuck.report(now, |call| {
        let name = shared.name_of(call.worker, call.task);
        error!("{name} has been in one step of its script for a second: it has a thread to itself, others go on");
    });
    if shared.stuck.is_full() {
        shared
            .warnings
            .warn(now, "stuck", || format!("{MAX_STUCK} calls keep threads to themselves: others have to wait now"));
    }
}
