//! Watches the threads that run calls, so that a call that keeps its thread busy keeps nobody else waiting.
//!
//! A script steps aside by itself every half millisecond, but only between two of its operations. One operation may
//! take long: to work through large texts, to drop a large value, to wait for a lock in Rhai. Then another thread takes
//! over the worker with all its other calls, its connections and its listeners, and the call goes on alone, at a lower
//! priority, until it waits: then it comes back to its worker, and its thread ends.

use super::coroutine::Place;
use super::fastagi::Shared;
use super::lock;
use crate::clock::{Time, sleep};
use rustix::process::{Pid, setpriority_process};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tracing::{error, info};

/// How often the threads are looked at. A call that has run since the last look is taken to be slow, so neighbours wait
/// at most twice as long.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The same while there are no calls.
const LOOK_EVERY_IDLE: Duration = Duration::from_millis(20);
/// A call that is in one step of its script for longer is reported.
const REPORT_AFTER: Duration = Duration::from_secs(1);
/// The priority, as `nice` counts it, of a thread that keeps its call to itself.
const NICE: i32 = 19;
/// At most this many calls have threads of their own.
const MAX_STUCK: usize = 256;

/// A call that keeps a thread to itself.
#[derive(Debug)]
pub(super) struct Stuck {
    worker: usize,
    run: u64,
    pub place: Place,
    since: Time,
    reported: bool,
}

/// The thread that watches: it returns when the server has ended.
pub(super) fn keep_watching(shared: &Arc<Shared>) {
    let mut seen = vec![0; shared.desks.len()];
    let mut spare: Option<Sender<_>> = None;
    while !shared.ended.load(Relaxed) {
        sleep(if shared.has_calls() { LOOK_EVERY } else { LOOK_EVERY_IDLE });
        let now = shared.clock.now();
        if spare.is_none() {
            let (hand, take) = channel();
            match Shared::spare(shared, take) {
                Ok(()) => spare = Some(hand),
                Err(error) => shared.complain(now, "spare thread", || {
                    format!(
                        "no thread to take over when a call keeps its thread busy: {error} (`ulimit -u`, or TasksMax= \
                         of systemd, limits them)"
                    )
                }),
            }
        }
        for (worker, (desk, seen)) in shared.desks.iter().zip(&mut seen).enumerate() {
            let mut lent = lock(&desk.lent);
            if lent.worker.is_none() || *seen != lent.run {
                *seen = lent.run;
                continue;
            }
            let mut stuck = lock(&shared.stuck);
            if stuck.len() < MAX_STUCK
                && let Some(spare) = spare.take()
                && let Some(taken) = lent.worker.take()
            {
                stuck.push(Stuck { worker, run: lent.run, place: lent.place, since: now, reported: false });
                shared.took_over();
                crate::script::look_soon();
                // It would share a processor with all other calls otherwise. That it may not is no reason to wait.
                let _ = setpriority_process(Pid::from_raw(lent.thread), NICE);
                drop(lent);
                // It waits for nothing else.
                let _ = spare.send(taken);
            }
        }
        report(shared, now);
    }
}

fn report(shared: &Shared, now: Time) {
    let mut stuck = lock(&shared.stuck);
    for call in stuck.iter_mut().filter(|call| !call.reported && now - call.since >= REPORT_AFTER) {
        call.reported = true;
        let about = shared.name_of(call.worker, call.place);
        error!("{about} has been in one step of its script for a second: it has a thread to itself, others go on");
    }
    if stuck.len() >= MAX_STUCK {
        drop(stuck);
        shared.complain(now, "stuck", || {
            format!("{MAX_STUCK} calls keep threads to themselves: others have to wait now")
        });
    }
}

/// A call that kept its thread has come to where it waits.
pub(super) fn came_back(shared: &Shared, worker: usize, run: u64) {
    let mut stuck = lock(&shared.stuck);
    let Some(at) = stuck.iter().position(|call| call.worker == worker && call.run == run) else { return };
    let call = stuck.swap_remove(at);
    drop(stuck);
    if call.reported {
        let length = shared.clock.now() - call.since;
        info!("{} goes on, after {:.1} s in one step", shared.name_of(worker, call.place), length.as_secs_f64());
    }
}

/// How many calls have been in one step for longer than a second.
pub(super) fn stuck_calls(shared: &Shared) -> usize {
    let now = shared.clock.now();
    lock(&shared.stuck).iter().filter(|call| now - call.since >= REPORT_AFTER).count()
}

/// Whether this call has a thread to itself.
pub(super) fn is_stuck(shared: &Shared, worker: usize, place: Place) -> bool {
    lock(&shared.stuck).iter().any(|call| call.worker == worker && call.place == place)
}
