//! A worker, and the queue through which other threads reach it.

use super::admission::Permit;
use super::manager_line::Link;
use crate::clock::Time;
use crate::host::coroutine::{Returned, TaskId};
use crate::host::reactor::Reactor;
use crate::sync::lock;
use rustix::event::{EventfdFlags, eventfd};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

/// A reactor with its calls, and the listeners from which it accepts more.
///
/// It belongs to the thread that runs it. While that thread runs a call, the worker is lent to its [`WorkerQueue`],
/// from which another thread may take it.
pub(super) struct Worker {
    pub number: usize,
    pub reactor: Reactor,
    /// `None` once no more calls are taken.
    pub listeners: Option<Arc<[TcpListener]>>,
    /// When the listeners are to be watched again, after the system had no descriptor left.
    pub accept_again: Option<Time>,
}

/// Something that is to become a call.
pub(super) struct Accepted {
    pub source: Source,
    pub peer: IpAddr,
    pub permit: Permit,
}

/// By which way a call comes.
pub(super) enum Source {
    /// A connection of its own.
    Connection(TcpStream),
    /// A manager connection.
    Manager(Box<ManagerCall>),
}

/// A call that comes over a manager connection.
pub(super) struct ManagerCall {
    pub link: Arc<Link>,
    /// The channel's unique id.
    pub channel: String,
    /// What the ids of its commands begin with.
    pub tag: String,
    /// Where Asterisk is, and the address of this machine that it sees.
    pub addresses: (IpAddr, IpAddr),
}

/// A request from another thread to a worker.
pub(super) enum Message {
    /// Begin a call here, or on a worker with far fewer calls.
    Distribute(Accepted),
    /// Begin a call.
    Call(Accepted),
    /// Take back a call whose thread had lost its worker; the call waits now.
    PutBack(Returned),
    /// Let a call go on: what it waits for has come.
    Wake(TaskId),
    /// End a call.
    Stop(TaskId),
    /// End all calls.
    StopAll,
    /// Accept no more connections.
    Close,
}

/// The state that a worker shares with all other threads of the server.
pub(super) struct WorkerQueue {
    /// `None` once the worker has ended.
    messages: Mutex<Option<Vec<Message>>>,
    /// Readable while there are messages.
    pub wakeup: File,
    /// Whether the worker still accepts connections.
    pub listens: AtomicBool,
    pub calls: AtomicUsize,
    pub turns: AtomicU64,
    /// The worker while its thread runs a call. Another thread may take it if that takes too long.
    pub lent: Mutex<Lent>,
}

/// A worker whose thread is running a call.
#[derive(Default)]
pub(super) struct Lent {
    pub worker: Option<Box<Worker>>,
    /// Counts how often this worker has run a call.
    pub run: u64,
    /// The call.
    pub task: TaskId,
    /// The number by which the system knows the thread.
    pub thread: i32,
}

impl WorkerQueue {
    pub fn new() -> io::Result<Self> {
        let wakeup = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            messages: Mutex::new(Some(Vec::new())),
            wakeup: File::from(wakeup),
            listens: AtomicBool::new(true),
            calls: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            lent: Mutex::default(),
        })
    }

    /// Queues a message and wakes the worker. If the worker has ended, the message comes back as the error.
    pub fn push(&self, message: Message) -> Result<(), Message> {
        let was_empty = match &mut *lock(&self.messages) {
            Some(messages) => {
                messages.push(message);
                messages.len() == 1
            }
            None => return Err(message),
        };
        if !was_empty {
            // It has been woken for those before, and takes all of them.
            return Ok(());
        }
        // An eventfd that can't be written to is readable already.
        let _ = (&self.wakeup).write(&1_u64.to_ne_bytes());
        Ok(())
    }

    /// Takes all messages.
    pub fn take(&self) -> Vec<Message> {
        let _ = (&self.wakeup).read(&mut [0; 8]);
        lock(&self.messages).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Accepts no more messages, unless some are waiting. Returns whether the queue is closed.
    pub fn close_if_empty(&self) -> bool {
        let mut messages = lock(&self.messages);
        let empty = messages.as_ref().is_none_or(Vec::is_empty);
        if empty {
            *messages = None;
        }
        empty
    }
}
