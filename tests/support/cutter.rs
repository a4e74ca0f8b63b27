//! What lies between a server and the manager of an Asterisk: it cuts connections at the moment that a test names.
#![allow(clippy::disallowed_methods, reason = "servers live in real time")]

use rustix::net::sockopt::set_socket_linger;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// A connection is cut at the n-th message of this kind after the login.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub at: usize,
    pub from: From,
    /// Whether a half of that message is passed on, or nothing of it.
    pub half: bool,
    /// Whether both ends see a reset, or a proper end.
    pub reset: bool,
}

/// Whose messages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Asterisk's, without those of the list of channels.
    Asterisk,
    /// Only its events of AsyncAGI.
    Events,
    /// Only the parts of the list of channels.
    List,
    /// The server's actions.
    Server,
    /// Only those of either side that hold this text.
    With(&'static str),
}

/// A way to a manager, on a port of its own.
pub struct Cutter {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    manager: u16,
    plan: Box<dyn Fn(usize) -> Option<Cut> + Send + Sync>,
    closed: AtomicBool,
    connections: AtomicUsize,
    open: Mutex<Vec<Arc<Ends>>>,
    cuts: Mutex<Vec<(Cut, String, Instant)>>,
}

/// Both ends of a connection.
struct Ends {
    server: TcpStream,
    asterisk: TcpStream,
    cut: Option<Cut>,
    counted: AtomicUsize,
    is_cut: AtomicBool,
}

impl Cutter {
    /// Lays a way to the manager on this port. The plan says where each connection is cut, by its number.
    pub fn to(manager: u16, plan: impl Fn(usize) -> Option<Cut> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared {
            manager,
            plan: Box::new(plan),
            closed: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            cuts: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                accepting.accept(client);
            }
        });
        Self { port, shared }
    }

    /// A way that is cut only by [`close`](Self::close).
    pub fn whole(manager: u16) -> Self {
        Self::to(manager, |_| None)
    }

    /// Cuts all connections, and takes no other.
    pub fn close(&self) {
        self.shared.closed.store(true, SeqCst);
        for ends in self.shared.open.lock().unwrap().drain(..) {
            ends.cut_off(true);
        }
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.shared.closed.store(false, SeqCst);
    }

    /// Returns the cuts so far: where each was planned, and the first line of the message there.
    pub fn cuts(&self) -> Vec<(Cut, String, Instant)> {
        self.shared.cuts.lock().unwrap().clone()
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, server: TcpStream) {
        if self.closed.load(SeqCst) {
            return;
        }
        let Ok(asterisk) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.manager)) else { return };
        let _ = (server.set_nodelay(true), asterisk.set_nodelay(true));
        let cut = (self.plan)(self.connections.fetch_add(1, SeqCst));
        let (counted, is_cut) = (AtomicUsize::new(0), AtomicBool::new(false));
        let ends = Arc::new(Ends { server, asterisk, cut, counted, is_cut });
        self.open.lock().unwrap().push(Arc::clone(&ends));
        for is_up in [false, true] {
            let (ends, shared) = (Arc::clone(&ends), Arc::clone(self));
            thread::spawn(move || {
                let _ = ends.pass_on(is_up, &shared);
                shared.open.lock().unwrap().retain(|open| !Arc::ptr_eq(open, &ends));
                ends.cut_off(false);
            });
        }
    }
}

impl Ends {
    fn cut_off(&self, reset: bool) {
        if self.is_cut.swap(true, SeqCst) {
            return;
        }
        for end in [&self.server, &self.asterisk] {
            if reset {
                // The reset follows when the last thread has let go of it.
                let _ = set_socket_linger(end, Some(std::time::Duration::ZERO));
                let _ = end.shutdown(Shutdown::Read);
            } else {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// Passes messages on, as a whole each.
    fn pass_on(&self, is_up: bool, shared: &Shared) -> io::Result<()> {
        let (mut from, mut to) = if is_up { (&self.server, &self.asterisk) } else { (&self.asterisk, &self.server) };
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        // Of the login: a challenge and its answer.
        let mut before = 2;
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 || self.is_cut.load(SeqCst) {
                return Ok(());
            }
            bytes.extend_from_slice(&buffer[..length]);
            let mut sent = 0;
            while let Some(end) = bytes[sent..].windows(4).position(|end| end == b"\r\n\r\n") {
                let message = &bytes[sent..sent + end + 4];
                if before > 0 {
                    before -= 1;
                } else if let Some(cut) = self.cut
                    && counts(cut.from, is_up, message)
                    && self.counted.fetch_add(1, SeqCst) + 1 == cut.at
                {
                    to.write_all(&bytes[..sent + if cut.half { message.len() / 2 } else { 0 }])?;
                    let what = String::from_utf8_lossy(message).into_owned();
                    shared.cuts.lock().unwrap().push((cut, what, Instant::now()));
                    self.cut_off(cut.reset);
                    return Ok(());
                }
                sent += end + 4;
            }
            // The greeting has no empty line.
            let rest = if before == 2 { bytes.len() } else { sent };
            to.write_all(&bytes[..rest])?;
            bytes.drain(..rest);
        }
    }
}

fn counts(from: From, is_up: bool, message: &[u8]) -> bool {
    let is_of_list = || message.starts_with(b"Event: CoreShowChannel") || message.starts_with(b"Event: Status");
    match from {
        From::Server => is_up,
        From::Asterisk => !is_up && !is_of_list(),
        From::Events => !is_up && message.starts_with(b"Event: AsyncAGI"),
        From::List => !is_up && is_of_list(),
        From::With(text) => message.windows(text.len()).any(|found| found == text.as_bytes()),
    }
}
