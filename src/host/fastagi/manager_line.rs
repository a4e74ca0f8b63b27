//! The line of a call that comes over a manager connection: a place for what arrives, and one for what is sent.

use crate::host::connection::WakeCalls;
use crate::host::coroutine::{SharedLine, TaskId};
use crate::sync::lock;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::Notify;

/// How an action ends that ends a session: the command is its last header.
const LEAVES: &[u8] = b"\r\nCommand: ASYNCAGI BREAK\r\n\r\n";

/// What calls have for a manager connection.
#[derive(Default)]
pub(super) struct Outbox {
    queued: Mutex<Queued>,
    /// Ends the wait of the connection's task.
    pub filled: Notify,
}

#[derive(Default)]
pub(super) struct Queued {
    /// Actions, one after the other.
    pub actions: Vec<u8>,
    /// The calls that have ended on our side.
    pub over: Vec<OverCall>,
}

/// A call that has ended on our side.
pub(super) struct OverCall {
    pub key: u64,
    /// Whether it has told Asterisk to go on.
    pub left: bool,
}

impl Outbox {
    /// Queues something.
    fn put(&self, fill: impl FnOnce(&mut Queued)) {
        fill(&mut lock(&self.queued));
        self.filled.notify_one();
    }

    /// Takes everything.
    pub fn take(&self) -> Queued {
        std::mem::take(&mut lock(&self.queued))
    }
}

/// The line of a call, as the task of its manager connection sees it.
pub(super) struct Link {
    pub key: u64,
    outbox: Arc<Outbox>,
    workers: Arc<dyn WakeCalls>,
    inbox: Mutex<Inbox>,
    at: OnceLock<(usize, TaskId)>,
}

#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    ended: bool,
}

impl Link {
    pub fn new(key: u64, outbox: &Arc<Outbox>, workers: Arc<dyn WakeCalls>) -> Arc<Self> {
        let (outbox, inbox, at) = (Arc::clone(outbox), Mutex::default(), OnceLock::new());
        Arc::new(Self { key, outbox, workers, inbox, at })
    }

    /// Sets where its call runs.
    pub fn runs_at(&self, worker: usize, task: TaskId) {
        let _ = self.at.set((worker, task));
        // What came before that woke nobody.
        self.workers.wake(worker, task);
    }

    /// Gives the call a message.
    pub fn deliver(&self, message: &[u8]) {
        self.change(|inbox| inbox.bytes.extend_from_slice(message));
    }

    /// Tells the call that nothing more will come.
    pub fn close(&self) {
        self.change(|inbox| inbox.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        let mut inbox = lock(&self.inbox);
        let was_empty = inbox.bytes.is_empty();
        change(&mut inbox);
        let ended = inbox.ended;
        drop(inbox);
        if let Some((worker, task)) = self.at.get()
            && (was_empty || ended)
        {
            self.workers.wake(*worker, *task);
        }
    }
}

/// The line of a call, as the call sees it. The call has ended when this is dropped.
pub(super) struct CallEnd {
    link: Arc<Link>,
    left: OnceLock<()>,
}

impl CallEnd {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link, left: OnceLock::new() }
    }
}

impl SharedLine for CallEnd {
    fn receive(&self, bytes: &mut Vec<u8>) -> bool {
        let mut inbox = lock(&self.link.inbox);
        // A buffer of its own would stay with each call.
        let mut arrived = std::mem::take(&mut inbox.bytes);
        let ended = inbox.ended;
        drop(inbox);
        if bytes.is_empty() {
            *bytes = arrived;
        } else {
            bytes.append(&mut arrived);
        }
        ended
    }

    fn send(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if bytes.windows(LEAVES.len()).any(|bytes| bytes == LEAVES) {
            let _ = self.left.set(());
        }
        self.link.outbox.put(|queued| queued.actions.extend_from_slice(bytes));
    }
}

impl Drop for CallEnd {
    fn drop(&mut self) {
        let over = OverCall { key: self.link.key, left: self.left.get().is_some() };
        self.link.outbox.put(|queued| queued.over.push(over));
    }
}
