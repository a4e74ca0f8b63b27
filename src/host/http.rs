//! A few pages over HTTP/1.1, for Prometheus and for health checks.
//!
//! One thread answers all clients and waits for none. A client that sends nothing, or reads nothing, is only an entry
//! in a list, and the oldest one is dropped for a new one. So a page is always available, and calls don't notice.

use crate::clock::{self, Stopwatch, Time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;
use tracing::debug;

/// The maximum number of clients at a time.
const MAX_CLIENTS: usize = 16;
/// How long a client may take altogether.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum length of a request, in bytes.
const MAX_REQUEST: usize = 8 << 10;
/// How long to wait before accepting again after an error, such as a lack of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code, such as 200 or 503.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The text.
    pub body: String,
}

impl Answer {
    /// Returns a page of plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Serves pages until it is dropped.
#[derive(Debug)]
#[must_use = "the pages are served only until this is dropped"]
pub struct Pages {
    /// The thread has the other end, and ends when this one closes.
    _stop: UnixStream,
}

/// Serves pages on a thread of its own. `answer` returns the page for a path (without its query); `None` makes a 404.
///
/// ```no_run
/// use agi_rhai::host::http::{self, Answer};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:9150")?;
/// let pages = http::serve(listener, |path| (path == "/healthz").then(|| Answer::text(200, "alive\n")))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system provides no thread or descriptor.
pub fn serve(listener: TcpListener, answer: impl Fn(&str) -> Option<Answer> + Send + 'static) -> io::Result<Pages> {
    listener.set_nonblocking(true)?;
    let (stop, stopped) = UnixStream::pair()?;
    thread::Builder::new().name("http".to_owned()).spawn(move || run(&listener, &stopped, &answer))?;
    Ok(Pages { _stop: stop })
}

fn run(listener: &TcpListener, stopped: &UnixStream, answer: &dyn Fn(&str) -> Option<Answer>) {
    let clock = Stopwatch::start();
    let mut clients: Vec<Client> = Vec::with_capacity(MAX_CLIENTS);
    loop {
        let now = clock.now();
        clients.retain(|client| client.deadline > now);
        let wait = clients.iter().map(|client| client.deadline - now).min();
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut watched = vec![PollFd::new(stopped, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        watched.extend(clients.iter().map(|client| PollFd::new(&client.stream, client.interest())));
        if poll(&mut watched, wait.as_ref()).is_err() {
            clock::sleep(ACCEPT_BACKOFF);
            continue;
        }
        let ready: Vec<bool> = watched.iter().map(|watched| !watched.revents().is_empty()).collect();
        if ready[0] {
            return;
        }
        let mut client_ready = ready[2..].iter();
        clients.retain_mut(|client| client_ready.next() == Some(&false) || client.advance(answer));
        if ready[1] {
            // One at a time, so that earlier clients are served in between.
            match Client::accept(listener, clock.now() + CLIENT_TIMEOUT) {
                Ok(mut client) => {
                    if clients.len() == MAX_CLIENTS {
                        clients.remove(0);
                    }
                    if client.advance(answer) {
                        clients.push(client);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    debug!(%error, "cannot accept a connection");
                    clock::sleep(ACCEPT_BACKOFF);
                }
            }
        }
    }
}

/// A client: it sends a request, gets a reply, and closes the connection.
struct Client {
    stream: TcpStream,
    deadline: Time,
    request: Vec<u8>,
    reply: Vec<u8>,
    sent: usize,
}

impl Client {
    fn accept(listener: &TcpListener, deadline: Time) -> io::Result<Self> {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, deadline, request: Vec::new(), reply: Vec::new(), sent: 0 })
    }

    fn interest(&self) -> PollFlags {
        if self.sent < self.reply.len() { PollFlags::OUT } else { PollFlags::IN }
    }

    /// Does what can be done without waiting. Returns whether to keep the client.
    fn advance(&mut self, answer: &dyn Fn(&str) -> Option<Answer>) -> bool {
        match self.try_finish(answer) {
            Ok(()) => false,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Finishes with this client, unless it would have to wait.
    fn try_finish(&mut self, answer: &dyn Fn(&str) -> Option<Answer>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while self.reply.is_empty() {
            match self.stream.read(&mut buffer)? {
                0 => return Ok(()),
                count => self.request.extend_from_slice(&buffer[..count]),
            }
            if let Some(reply) = reply(&self.request, answer) {
                self.reply = reply;
            }
        }
        while self.sent < self.reply.len() {
            self.sent += self.stream.write(&self.reply[self.sent..])?;
        }
        // If the socket were closed with anything unread, the system would discard what is on its way to the client.
        self.stream.shutdown(Shutdown::Write)?;
        match self.stream.read(&mut buffer)? {
            0 => Ok(()),
            // It gets its next turn soon, after all other clients.
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

/// Returns the reply to a request; `None` while the request is incomplete.
fn reply(request: &[u8], answer: &dyn Fn(&str) -> Option<Answer>) -> Option<Vec<u8>> {
    let complete = request.windows(4).any(|end| end == b"\r\n\r\n") || request.windows(2).any(|end| end == b"\n\n");
    if request.len() > MAX_REQUEST {
        return Some(render(&Answer::text(400, "request too long\n"), true));
    }
    if !complete {
        return None;
    }
    let Some((method, path)) = parse(request) else {
        return Some(render(&Answer::text(400, "not HTTP\n"), true));
    };
    if !matches!(method, "GET" | "HEAD") {
        return Some(render(&Answer::text(405, "GET or HEAD only\n"), true));
    }
    let answer = catch_unwind(AssertUnwindSafe(|| answer(path)));
    let answer = answer.unwrap_or_else(|_| Some(Answer::text(500, "cannot make this page\n")));
    Some(render(&answer.unwrap_or_else(|| Answer::text(404, "no such page\n")), method == "GET"))
}

/// Returns the method and the path of a request. Its headers don't matter here.
fn parse(request: &[u8]) -> Option<(&str, &str)> {
    let line = request.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (method, rest) = line.trim_end_matches('\r').split_once(' ')?;
    let (target, version) = rest.split_once(' ')?;
    let path = target.split('?').next()?;
    let is_token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_http = matches!(version, "HTTP/1.0" | "HTTP/1.1");
    (is_token && is_http && path.starts_with('/')).then_some((method, path))
}

fn render(answer: &Answer, with_body: bool) -> Vec<u8> {
    let Answer { status, content_type, body } = answer;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        // The words may be left out, but not the blank.
        _ => "",
    };
    let mut text = format!("HTTP/1.1 {status} {reason}\r\n");
    let _ = write!(text, "Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
    if *status == 405 {
        text.push_str("Allow: GET, HEAD\r\n");
    }
    text.push_str("Connection: close\r\n\r\n");
    if with_body {
        text.push_str(body);
    }
    text.into_bytes()
}
