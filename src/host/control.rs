//! A local socket by which the calls of a server are looked at and ended: what `agi-rhai calls` talks to.
//!
//! A client sends one line and reads lines until the end. `calls` answers a line for each call, its parts in the order
//! of [`COLUMNS`], parted by tabs. `show ID` answers the dialogue of one as it goes on. `end ID` ends one. An answer
//! ends with an empty line, so that a list without calls can be told from a server that has died; what goes wrong is
//! told in a line that begins with `error: `.

use super::fastagi::{Ending, Server};
use super::live::Live;
use crate::agi::printable;
use crate::clock::{self, Stopwatch};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// What is told of a call, in this order. Times are in seconds.
pub const COLUMNS: [&str; 11] =
    ["ID", "CALLER", "SCRIPT", "VERSION", "LINE", "DOING", "SINCE", "AGE", "COMMANDS", "CHANNEL", "PEER"];

/// How long a client may take for all of its line, and for reading an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Clients at a time.
const MOST_CLIENTS: usize = 16;
/// How long nobody is let in after that failed.
const REST: Duration = Duration::from_millis(100);
/// Lines kept for a client that reads slowly.
const KEPT_LINES: usize = 1000;
/// No order is longer, in bytes.
const MOST_ORDER: usize = 256;

/// The socket; it is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens at this path, for the user the server runs as and for root.
///
/// # Errors
/// Another server listens there, or the path cannot be used.
pub fn serve(path: &Path, server: &Arc<Server>) -> io::Result<Control> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let listener = match listen_at(path) {
        // One that nobody listens at is left over from a server that was killed.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path) => {
            std::fs::remove_file(path)?;
            listen_at(path)?
        }
        other => other?,
    };
    let server = Arc::downgrade(server);
    let clients = Arc::new(AtomicUsize::new(0));
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let Some(server) = server.upgrade() else { return };
            let Ok(stream) = stream else {
                // For want of a descriptor, say: it may be there again later.
                clock::sleep(REST);
                continue;
            };
            let clients = Arc::clone(&clients);
            if clients.fetch_add(1, Relaxed) >= MOST_CLIENTS {
                clients.fetch_sub(1, Relaxed);
                // Nothing at all would say that there are no calls.
                let _ = (&stream).write_all(b"error: too many ask at a time: try again\n");
                continue;
            }
            let counted = Arc::clone(&clients);
            let client = std::thread::Builder::new().name("control-client".to_owned()).spawn(move || {
                // Who is gone does not want to know.
                let _ = answer(&stream, &server);
                counted.fetch_sub(1, Relaxed);
            });
            if client.is_err() {
                clients.fetch_sub(1, Relaxed);
            }
        }
    })?;
    Ok(Control { path: path.to_owned() })
}

/// Nobody else is let in, not even for a moment: the socket has its mode before it listens.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listen(&socket, 128)?;
    Ok(UnixListener::from(socket))
}

/// Whether this is a socket nobody listens at any more.
fn is_left_over(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(refused)
}

/// The line of a client, which has so much time for all of it, however it comes.
fn order(mut stream: &UnixStream) -> io::Result<String> {
    let clock = Stopwatch::start();
    let until = clock.now() + PATIENCE;
    let mut bytes = Vec::new();
    while bytes.len() < MOST_ORDER && !bytes.contains(&b'\n') {
        let left = until - clock.now();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; MOST_ORDER];
        match stream.read(&mut buffer)? {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned())
}

/// Writes all of it, to a client that reads it in time.
fn write(mut stream: &UnixStream, text: &str) -> io::Result<()> {
    let clock = Stopwatch::start();
    let until = clock.now() + PATIENCE;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let left = until - clock.now();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        rest = &rest[stream.write(rest)?..];
    }
    Ok(())
}

fn answer(stream: &UnixStream, server: &Server) -> io::Result<()> {
    let line = order(stream)?;
    let mut words = line.split_whitespace();
    let (order, id) = (words.next(), words.next());
    let found = |id: Option<&str>| {
        let id = id.and_then(|id| id.parse::<u64>().ok());
        server.live().into_iter().find(|live| Some(live.id) == id)
    };
    match (order, found(id)) {
        (Some("calls"), _) => {
            let clock = server.clock();
            let rows: String = server.live().iter().map(|live| row(live, clock)).collect();
            write(stream, &format!("{rows}\n"))
        }
        (Some("show"), Some(call)) => show(stream, &call),
        (Some("end"), Some(call)) => match server.end_call(call.id) {
            Ending::Told => write(stream, &format!("call {} is told to end\n\n", call.id)),
            Ending::Stuck => {
                let when = "and does so after the step of its script it is in";
                write(stream, &format!("call {} is told to end, {when}\n\n", call.id))
            }
            Ending::Unknown => write(stream, &format!("error: there is no call {}\n", call.id)),
        },
        (Some("show" | "end"), _) => write(stream, &format!("error: there is no call {}\n", id.unwrap_or_default())),
        _ => write(stream, "error: no such order: calls, show ID or end ID\n"),
    }
}

/// A line of the list.
fn row(live: &Live, clock: Stopwatch) -> String {
    let (about, now, time) = (live.about().cloned().unwrap_or_default(), live.now(), clock.now());
    let doing = match now.command {
        None if live.about().is_none() => "waiting for its environment".to_owned(),
        Some(command) if !now.answered => command.verb.to_owned(),
        _ => "script".to_owned(),
    };
    let seconds = |since| format!("{:.1}", (time - since).as_secs_f64());
    let columns = [
        live.id.to_string(),
        about.caller,
        live.script().map_or(about.request, |found| found.name.to_string()),
        live.script().map_or_else(String::new, |found| found.script.version().to_owned()),
        now.line.to_string(),
        doing,
        seconds(now.since),
        seconds(live.began),
        now.commands.to_string(),
        about.channel,
        live.peer.to_string(),
    ];
    // What a caller sent is not to look like our own signs.
    let mut row = columns.map(|column| printable(&column).into_owned()).join("\t");
    row.push('\n');
    row
}

/// The dialogue of a call, until it ends or nobody reads any more.
fn show(mut stream: &UnixStream, call: &Live) -> io::Result<()> {
    let (sender, lines) = sync_channel(KEPT_LINES);
    call.listen(sender);
    let about = call.about().cloned().unwrap_or_default();
    let script = call.script().map_or(&*about.request, |found| &*found.name);
    let channel = printable(&about.channel);
    write(stream, &format!("call {} of {} on {channel}\n", call.id, printable(script)))?;
    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    loop {
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => write(stream, &format!("{}\n", printable(&line)))?,
            // Nothing to tell: is anybody still there?
            Err(RecvTimeoutError::Timeout) if matches!(stream.read(&mut [0; 16]), Ok(0)) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return write(stream, "\n"),
        }
    }
}
