//! From a connection to a call: whether it may call, whether there is room, and which worker runs it.

use super::call;
use super::manager_line::CallEnd;
use super::shared::{RunningCall, Shared};
use super::worker::{Accepted, Message, Source, Worker, WorkerQueue};
use crate::host::connection::Connection;
use crate::host::coroutine::Line;
use crate::host::live::Live;
use crate::host::metrics::Refused;
use crate::plural::plural;
use crate::sync::lock;
use crate::transport::Remote;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tracing::error;

/// The maximum number of refusals under way at a time. Further connections are just closed.
const MAX_REFUSALS: usize = 1000;
/// The first worker hands calls over once it has this many more than another worker, and a quarter. One thread serves
/// a few calls with the least effort, since it then does much at a time.
const SPILL_THRESHOLD: usize = 64;
/// The first worker hands calls over at any number once its turns take longer on average: then some call computes.
const LONG_TURN: Duration = Duration::from_millis(1);
/// How long to wait before accepting again when the system has no descriptor left.
pub(super) const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

impl Worker {
    /// Accepts at most this many connections.
    pub fn accept(&mut self, shared: &Arc<Shared>, listener: &TcpListener, max: usize) {
        for _ in 0..max {
            match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((socket, address)) => {
                    let peer = address.and_then(|address| SocketAddr::try_from(address).ok()).map(|peer| peer.ip());
                    if let Some(peer) = peer {
                        self.admit(shared, TcpStream::from(socket), peer.to_canonical());
                    }
                }
                Err(Errno::WOULDBLOCK) => return,
                // The peer was gone before it was accepted.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    let now = self.reactor.clock().now();
                    shared.warnings.warn(now, "accept", || format!("cannot accept a connection: {error}"));
                    self.unwatch_listeners();
                    self.accept_again = Some(now + ACCEPT_BACKOFF);
                    return;
                }
            }
        }
    }

    /// Turns a connection into a call, or refuses it.
    fn admit(&mut self, shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr) {
        let now = self.reactor.clock().now();
        let admission = &shared.slots.admission;
        if !admission.allows(peer) {
            shared.metrics.refused(Refused::NotAllowed);
            shared.warnings.warn(now, "allow", || {
                format!("connection from {peer} closed: its address is in no network that may call (allow)")
            });
            return;
        }
        match shared.slots.acquire(peer) {
            Ok(permit) => {
                let source = Source::Connection(stream);
                self.distribute(shared, Accepted { source, peer, permit });
            }
            Err(why) => {
                shared.metrics.refused(why);
                shared.warnings.warn(now, why.word(), || {
                    let (most, max, setting) = match (why, admission.max_calls_per_peer) {
                        (Refused::MaxCallsPerPeer, Some(max)) => ("from one address", max, "max_calls_per_peer"),
                        _ => ("at a time", admission.max_calls, "max_calls"),
                    };
                    let max = plural(max, "call");
                    format!("call from {peer} turned away with BUSY: at most {max} {most} ({setting})")
                });
                if shared.refusals.fetch_add(1, Relaxed) < MAX_REFUSALS {
                    self.refuse(shared, stream);
                } else {
                    shared.refusals.fetch_sub(1, Relaxed);
                }
            }
        }
    }

    /// Begins a call here, or hands it to a worker with far fewer calls.
    pub fn distribute(&mut self, shared: &Arc<Shared>, mut accepted: Accepted) {
        let calls = |queue: &WorkerQueue| queue.calls.load(Relaxed);
        let own = calls(&shared.queues[self.number]);
        let least = shared.queues.iter().min_by_key(|queue| calls(queue));
        let threshold = if self.reactor.turn_length() > LONG_TURN { 0 } else { SPILL_THRESHOLD };
        if let Some(queue) = least.filter(|queue| calls(queue) + calls(queue) / 4 + threshold < own) {
            queue.calls.fetch_add(1, Relaxed);
            let Err(Message::Call(back)) = queue.push(Message::Call(accepted)) else { return };
            // That worker has ended, because the server is about to.
            queue.calls.fetch_sub(1, Relaxed);
            accepted = back;
        }
        shared.queues[self.number].calls.fetch_add(1, Relaxed);
        self.begin(shared, accepted);
    }

    /// Reports to the peer that there is no room for its call.
    fn refuse(&mut self, shared: &Arc<Shared>, stream: TcpStream) {
        let own = Arc::clone(shared);
        let clock = self.reactor.clock();
        let spawned = self.reactor.spawn(Line::Own(stream), move |_| {
            let _ = catch_unwind(AssertUnwindSafe(|| call::refuse(&own.host, Connection::new(clock))));
            own.refusals.fetch_sub(1, Relaxed);
        });
        if spawned.is_err() {
            shared.refusals.fetch_sub(1, Relaxed);
        }
    }

    /// Begins a call on this worker, which has already counted it.
    pub fn begin(&mut self, shared: &Arc<Shared>, accepted: Accepted) {
        let Accepted { source, peer, permit } = accepted;
        let own = Arc::clone(shared);
        let worker = self.number;
        let id = shared.next_id.fetch_add(1, Relaxed);
        let mut connection = Connection::new(self.reactor.clock());
        let (own_line, by_manager) = match source {
            Source::Connection(stream) => {
                // A connection within this machine costs no look at its other end.
                if !peer.is_loopback() {
                    connection.comes_from(stream.local_addr().ok().and_then(|own| Remote::between(peer, own.ip())));
                }
                (Line::Own(stream), None)
            }
            Source::Manager(call) => {
                let (asterisk, own) = call.addresses;
                connection.comes_from(Remote::between(asterisk, own));
                (Line::Shared(Box::new(CallEnd::new(Arc::clone(&call.link)))), Some(call))
            }
        };
        let link = by_manager.as_ref().map(|call| Arc::clone(&call.link));
        let live = Arc::new(Live::new(id, peer, shared.clock.now(), Arc::clone(&shared.metrics), worker));
        let spawned = self.reactor.spawn(own_line, move |task| {
            connection.runs_at(Arc::clone(&own) as Arc<_>, worker, task);
            lock(&own.live).insert(id, RunningCall { live: Arc::clone(&live), worker, task });
            // Faults of scripts are caught where they run. This catches the host's own, which also end only this
            // call.
            let run = catch_unwind(AssertUnwindSafe(|| call::run(&own, connection, by_manager, &live)));
            if run.is_err() {
                error!(call = id, "a call panicked in the host: this is a bug in agi-rhai, please report it");
                live.ended("the host panicked");
            }
            lock(&own.live).remove(&id);
            own.queues[worker].calls.fetch_sub(1, Relaxed);
            // Given back before the connection is closed, which happens when this has returned: an Asterisk that sees
            // one call end may begin the next.
            drop(permit);
        });
        match (spawned, link) {
            (Ok(task), Some(link)) => link.runs_at(worker, task),
            (Ok(_), None) => {}
            (Err(error), _) => {
                shared.queues[worker].calls.fetch_sub(1, Relaxed);
                let now = self.reactor.clock().now();
                shared.warnings.warn(now, "spawn", || format!("cannot begin a call: {error}"));
            }
        }
    }

    /// Watches the listeners.
    pub fn watch_listeners(&self) -> io::Result<()> {
        for (number, listener) in self.listeners.iter().flat_map(|listeners| listeners.iter()).enumerate() {
            self.reactor.watch(listener, u32::try_from(number).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }

    /// Stops watching the listeners.
    pub fn unwatch_listeners(&self) {
        for listener in self.listeners.iter().flat_map(|listeners| listeners.iter()) {
            self.reactor.unwatch(listener);
        }
    }
}
