//! A few pages over HTTP/1.1, for Prometheus and for whoever asks whether the server is well.
//!
//! One thread answers them all and waits for none: a client that says nothing, or reads nothing, is only an entry in a
//! list, and the oldest one is dropped for a new one. So a page can always be had, and the calls never notice.

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

/// How many clients there may be at once.
const MAX_CLIENTS: usize = 16;
/// How long a client may take for all of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a request may be, in bytes.
const MAX_HEAD: usize = 8 << 10;
/// How long nobody is let in after that failed: it is for want of something, such as file descriptors.
const REST: Duration = Duration::from_millis(100);

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Such as 200 or 503.
    pub status: u16,
    /// Its media type.
    pub content_type: &'static str,
    /// Its text.
    pub body: String,
}

impl Answer {
    /// A page of plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Pages being served, until this is dropped.
#[derive(Debug)]
#[must_use = "the pages are gone once this is dropped"]
pub struct Pages {
    /// The thread has the other end, and sees this one close.
    _stop: UnixStream,
}

/// Serves pages in a thread of its own: `answer` makes the one of a path, without its query, and `None` is a 404.
///
/// ```no_run
/// use agi_rhai::host::http::{self, Answer};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:9150")?;
/// let pages = http::serve(listener, |path| (path == "/healthz").then(|| Answer::text(200, "well\n")))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system has no thread or no descriptor left.
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
        clients.retain(|client| client.until > now);
        let wait = clients.iter().map(|client| client.until - now).min();
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut watched = vec![PollFd::new(stopped, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        watched.extend(clients.iter().map(|client| PollFd::new(&client.stream, client.awaits())));
        if poll(&mut watched, wait.as_ref()).is_err() {
            clock::sleep(REST);
            continue;
        }
        let ready: Vec<bool> = watched.iter().map(|watched| !watched.revents().is_empty()).collect();
        if ready[0] {
            return;
        }
        let mut heard = ready[2..].iter();
        clients.retain_mut(|client| heard.next() == Some(&false) || client.goes_on(answer));
        if ready[1] {
            // One at a time, so that those who are here are looked at in between.
            match Client::accept(listener, clock.now() + PATIENCE) {
                Ok(mut client) => {
                    if clients.len() == MAX_CLIENTS {
                        clients.remove(0);
                    }
                    if client.goes_on(answer) {
                        clients.push(client);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    debug!(%error, "nobody can be let in");
                    clock::sleep(REST);
                }
            }
        }
    }
}

/// A client: first it speaks, then it is answered, then it hangs up.
struct Client {
    stream: TcpStream,
    until: Time,
    request: Vec<u8>,
    reply: Vec<u8>,
    sent: usize,
}

impl Client {
    fn accept(listener: &TcpListener, until: Time) -> io::Result<Self> {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, until, request: Vec::new(), reply: Vec::new(), sent: 0 })
    }

    fn awaits(&self) -> PollFlags {
        if self.sent < self.reply.len() { PollFlags::OUT } else { PollFlags::IN }
    }

    /// Does what can be done without waiting; `false` when it is over.
    fn goes_on(&mut self, answer: &dyn Fn(&str) -> Option<Answer>) -> bool {
        match self.try_on(answer) {
            Ok(()) => false,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn try_on(&mut self, answer: &dyn Fn(&str) -> Option<Answer>) -> io::Result<()> {
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
        // To close with something unread would make the system take back what is still on its way to the client.
        self.stream.shutdown(Shutdown::Write)?;
        match self.stream.read(&mut buffer)? {
            0 => Ok(()),
            // The next look comes soon, after everyone else's.
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

/// The reply to what was read so far; `None` before its end.
fn reply(request: &[u8], answer: &dyn Fn(&str) -> Option<Answer>) -> Option<Vec<u8>> {
    let ended = request.windows(4).any(|end| end == b"\r\n\r\n") || request.windows(2).any(|end| end == b"\n\n");
    if request.len() > MAX_HEAD {
        return Some(written(&Answer::text(400, "too long\n"), true));
    }
    if !ended {
        return None;
    }
    let Some((method, path)) = parse(request) else {
        return Some(written(&Answer::text(400, "not HTTP\n"), true));
    };
    if !matches!(method, "GET" | "HEAD") {
        return Some(written(&Answer::text(405, "GET or HEAD only\n"), true));
    }
    let answer = catch_unwind(AssertUnwindSafe(|| answer(path)));
    let answer = answer.unwrap_or_else(|_| Some(Answer::text(500, "the page cannot be made\n")));
    Some(written(&answer.unwrap_or_else(|| Answer::text(404, "no such page\n")), method == "GET"))
}

/// The method and the path of a request; what stands in its other lines changes nothing here.
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

fn written(answer: &Answer, with_body: bool) -> Vec<u8> {
    let Answer { status, content_type, body } = answer;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        // The words may be left out; the blank may not.
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
