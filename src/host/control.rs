//! A local socket that lists, shows and ends the calls of a server, for `agi-rhai calls` and the studio.
//!
//! A client sends one line and reads lines until the end.
//!
//! | request | answer |
//! |---|---|
//! | `calls` | the calls, one line each, with the fields of [`COLUMNS`] separated by tabs |
//! | `show ID` | the dialogue of a call from now on |
//! | `end ID` | ends a call |
//! | `watch` | the calls and what changes, in lines of JSON, until the client closes the connection: `watch.rs` |
//! | `about` | a line of JSON: the folder of the scripts, how it is named in dialogues, and the one of the recordings |
//! | `recordings` | the recorded calls, in lines of JSON: `recordings.rs` |
//! | `recording NAME` | the text of one |
//!
//! An answer ends with an empty line, which distinguishes an empty list from a server that has died. An error is a line
//! that begins with `error: `.

use super::fastagi::{EndResponse, Server};
use super::live::Live;
use super::recordings;
use super::watch::Watch;
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

/// The fields of a call in the list. Times are in seconds.
pub const COLUMNS: [&str; 11] =
    ["ID", "CALLER", "SCRIPT", "VERSION", "LINE", "DOING", "SINCE", "AGE", "COMMANDS", "CHANNEL", "PEER"];

/// How long a client may take to send its line, and to read an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a client that watches may take to read what has changed. Nobody waits for it, and meanwhile nothing is kept
/// for it.
const WATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take to read a recording.
const RECORDING_TIMEOUT: Duration = Duration::from_secs(30);
/// The time between two looks at what has changed.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// The maximum number of clients at a time. Each page of a studio is up to two.
const MAX_CLIENTS: usize = 32;
/// How long to wait before accepting again after an error.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// The maximum number of lines that wait for a client that reads slowly.
const MAX_PENDING_LINES: usize = 1000;
/// The maximum length of a request, in bytes.
const MAX_REQUEST: usize = 256;

/// The socket, which is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Returns the path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens on a socket at this path, which only the server's user and root can use.
///
/// # Errors
/// Another server listens there, or the path cannot be used.
pub fn serve(path: &Path, server: &Arc<Server>) -> io::Result<Control> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let listener = match listen_at(path) {
        // A socket without a listener is left over from a server that was killed.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
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
                // Descriptors may be lacking now and available later.
                clock::sleep(ACCEPT_BACKOFF);
                continue;
            };
            let clients = Arc::clone(&clients);
            if clients.fetch_add(1, Relaxed) >= MAX_CLIENTS {
                clients.fetch_sub(1, Relaxed);
                // An empty answer would look like a server that has died.
                let _ = (&stream).write_all(b"error: too many clients at a time: try again\n");
                continue;
            }
            let counted = Arc::clone(&clients);
            let client = std::thread::Builder::new().name("control-client".to_owned()).spawn(move || {
                // An error means that the client is gone.
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

/// Creates the socket. It gets its mode before it listens, so that no other user can connect in between.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listen(&socket, 128)?;
    Ok(UnixListener::from(socket))
}

/// Whether this is a socket on which no server listens any more.
fn is_stale(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(refused)
}

/// Reads the request of a client.
fn read_request(mut stream: &UnixStream) -> io::Result<String> {
    let clock = Stopwatch::start();
    let deadline = clock.now() + CLIENT_TIMEOUT;
    let mut bytes = Vec::new();
    while bytes.len() < MAX_REQUEST && !bytes.contains(&b'\n') {
        let left = deadline - clock.now();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; MAX_REQUEST];
        match stream.read(&mut buffer)? {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned())
}

/// Writes a text to a client, which must read it in time.
fn write(stream: &UnixStream, text: &str) -> io::Result<()> {
    write_within(CLIENT_TIMEOUT, stream, text.as_bytes())
}

fn write_within(timeout: Duration, mut stream: &UnixStream, mut rest: &[u8]) -> io::Result<()> {
    let clock = Stopwatch::start();
    let deadline = clock.now() + timeout;
    while !rest.is_empty() {
        let left = deadline - clock.now();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        rest = &rest[stream.write(rest)?..];
    }
    Ok(())
}

fn answer(stream: &UnixStream, server: &Server) -> io::Result<()> {
    let line = read_request(stream)?;
    let mut words = line.split_whitespace();
    let (request, id) = (words.next(), words.next());
    let found = |id: Option<&str>| {
        let id = id.and_then(|id| id.parse::<u64>().ok());
        server.live().into_iter().find(|live| Some(live.id) == id)
    };
    match (request, found(id)) {
        (Some("calls"), _) => {
            let clock = server.clock();
            let rows: String = server.live().iter().map(|live| row(live, clock)).collect();
            write(stream, &format!("{rows}\n"))
        }
        (Some("show"), Some(call)) => show(stream, &call),
        (Some("end"), Some(call)) => match server.end_call(call.id) {
            EndResponse::Ending => write(stream, &format!("ending call {}\n\n", call.id)),
            EndResponse::AfterStep => {
                let when = "as soon as the current step of its script is over";
                write(stream, &format!("ending call {} {when}\n\n", call.id))
            }
            EndResponse::UnknownCall => write(stream, &format!("error: there is no call {}\n", call.id)),
        },
        (Some("watch"), _) => watch(stream, server),
        (Some("about"), _) => {
            let about = serde_json::json!({
                "version": env!("CARGO_PKG_VERSION"),
                "scripts": absolute(server.scripts()),
                "named": server.scripts(),
                "recordings": server.recordings().map(absolute),
            });
            write(stream, &format!("{about}\n\n"))
        }
        (Some("recordings" | "recording"), _) if server.recordings().is_none() => {
            write(stream, "error: this server records no calls: it needs --record DIR\n")
        }
        (Some("recordings"), _) => {
            server.flush_recordings();
            match recordings::list(server.recordings().unwrap_or(Path::new(""))) {
                Ok(list) => write_within(RECORDING_TIMEOUT, stream, format!("{list}\n").as_bytes()),
                Err(error) => write(stream, &format!("error: the recordings cannot be listed: {error}\n")),
            }
        }
        (Some("recording"), _) => {
            server.flush_recordings();
            match recordings::read(server.recordings().unwrap_or(Path::new("")), id.unwrap_or_default()) {
                Ok(text) => write_within(RECORDING_TIMEOUT, stream, &[&text, &b"\n"[..]].concat()),
                Err(error) => write(stream, &format!("error: {error}\n")),
            }
        }
        (Some("show" | "end"), _) => write(stream, &format!("error: there is no call {}\n", id.unwrap_or_default())),
        _ => write(
            stream,
            "error: unknown request: use calls, show ID, end ID, watch, about, recordings or recording NAME\n",
        ),
    }
}

/// Returns the line of a call in the list.
fn row(live: &Live, clock: Stopwatch) -> String {
    let (info, activity, now) = (live.info().cloned().unwrap_or_default(), live.activity(), clock.now());
    let doing = live.doing(&activity).to_owned();
    let seconds = |since| format!("{:.1}", (now - since).as_secs_f64());
    let columns = [
        live.id.to_string(),
        info.caller,
        live.script_name().to_owned(),
        live.script().map_or_else(String::new, |found| found.script.version().to_owned()),
        activity.line.to_string(),
        doing,
        seconds(activity.since),
        seconds(live.began),
        activity.commands.to_string(),
        info.channel,
        live.peer.to_string(),
    ];
    // What a caller sent must not pass for the tabs and line ends of the list.
    let mut row = columns.map(|column| printable(&column).into_owned()).join("\t");
    row.push('\n');
    row
}

/// Shows the dialogue of a call until it ends or the client is gone.
fn show(mut stream: &UnixStream, call: &Live) -> io::Result<()> {
    let (sender, lines) = sync_channel(MAX_PENDING_LINES);
    call.follow(sender);
    let channel = printable(call.info().map_or("", |info| &info.channel));
    write(stream, &format!("call {} of {} on {channel}\n", call.id, printable(call.script_name())))?;
    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    loop {
        match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => write(stream, &format!("{}\n", printable(&line)))?,
            // There is nothing to show, so this checks whether the client is still there.
            Err(RecvTimeoutError::Timeout) if matches!(stream.read(&mut [0; 16]), Ok(0)) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return write(stream, "\n"),
        }
    }
}

/// Tells a client what changes, until it is gone. One that reads slowly hears less often what has changed.
fn watch(mut stream: &UnixStream, server: &Server) -> io::Result<()> {
    let mut watch = Watch::new(server.scripts());
    stream.set_read_timeout(Some(WATCH_INTERVAL))?;
    loop {
        for line in watch.changes(&server.live(), server.clock().now()) {
            write_within(WATCH_TIMEOUT, stream, line.as_bytes())?;
        }
        // This waits, and notices at once when the client closes the connection. It has nothing more to say.
        match stream.read(&mut [0; 16]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return Ok(()),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
