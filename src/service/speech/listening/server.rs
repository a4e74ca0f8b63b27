//! The port to which Asterisk connects: for the sound of calls, and to fetch what was spoken.

use super::audio_socket::{Id, OPENING, opening};
use crate::service::unique::unique;
use crate::sync::lock;
use crate::transport::Failure;
use percent_encoding::percent_decode_str;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// How many connections may be open that haven't named a call, or are fetching a file. Asterisk names its call at once,
/// so one more closes the oldest: whoever holds connections open keeps no call out.
const MAX_STRANGERS: usize = 256;
/// How long a connection has to name its call.
const OPENING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long fetching a file may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request for a file may be, in bytes.
const MAX_REQUEST: usize = 8 * 1024;
/// How many bytes of a file are sent at a time.
const PIECE: usize = 64 * 1024;
/// How long to wait before accepting again when the system has no descriptor left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// How long Asterisk may keep a file without asking again, in seconds. A file of this name never has another content.
const MAX_AGE: u32 = 7 * 24 * 3600;

/// A port on which connections of Asterisk are taken. It closes when the last clone is dropped.
#[derive(Clone, Debug)]
pub(in crate::service) struct SoundServer(Arc<Open>);

#[derive(Debug)]
struct Open {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// What a port shares with its connections.
#[derive(Debug, Default)]
struct Shared {
    /// The calls that wait for their sound.
    calls: Mutex<HashMap<Id, oneshot::Sender<TcpStream>>>,
    /// The folder whose files can be fetched, if there is one.
    files: Mutex<Option<Arc<Path>>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A call that waits for its sound.
#[derive(Debug)]
pub(super) struct Expected {
    pub id: Id,
    pub stream: oneshot::Receiver<TcpStream>,
    shared: Arc<Shared>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        lock(&self.shared.calls).remove(&self.id);
    }
}

/// The ports that are open.
#[derive(Default)]
pub(in crate::service) struct Ports {
    /// For an Asterisk on this machine.
    local: Option<SoundServer>,
    /// For others, and the address at which it was asked for.
    remote: Option<(SocketAddr, SoundServer)>,
}

impl Ports {
    /// Returns the port for an Asterisk on this machine. The system chooses it: each process has one of its own, so
    /// that they don't stand in each other's way.
    ///
    /// # Errors
    /// The port can't be opened.
    pub fn local(&mut self) -> Result<SoundServer, Failure> {
        let server = match self.local.take() {
            Some(server) => server,
            None => SoundServer::open((Ipv4Addr::LOCALHOST, 0).into())?,
        };
        Ok(self.local.insert(server).clone())
    }

    /// Returns the port for other machines, at which they fetch files of this folder too.
    ///
    /// # Errors
    /// The port can't be opened.
    pub fn remote(&mut self, address: SocketAddr, files: Option<PathBuf>) -> Result<SoundServer, Failure> {
        let server = match self.remote.take() {
            Some((known, server)) if known == address => server,
            // The one before it is closed first, unless calls are heard on it: it may have the same port.
            _ => SoundServer::open(address)?,
        };
        *lock(&server.0.shared.files) = files.map(Into::into);
        Ok(self.remote.insert((address, server)).1.clone())
    }
}

impl SoundServer {
    /// Opens a port. This is called within the runtime of the services.
    ///
    /// # Errors
    /// The port can't be opened.
    pub fn open(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::unavailable(format!("can't listen for sound at {address}: {error}"));
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::<Shared>::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self(Arc::new(Open { address, shared, accepting })))
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// Expects a connection of a call.
    pub(super) fn expect(&self) -> Expected {
        // Nobody can guess it, so nobody else can be that call.
        let id = u128::from_str_radix(&unique(), 16).unwrap_or_default().to_be_bytes();
        let (sender, stream) = oneshot::channel();
        lock(&self.0.shared.calls).insert(id, sender);
        Expected { id, stream, shared: Arc::clone(&self.0.shared) }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut strangers: VecDeque<AbortHandle> = VecDeque::new();
    let mut is_failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                is_failing = false;
                strangers.retain(|stranger| !stranger.is_finished());
                if strangers.len() >= MAX_STRANGERS
                    && let Some(oldest) = strangers.pop_front()
                {
                    oldest.abort();
                }
                let shared = Arc::clone(&shared);
                let welcomed = tokio::spawn(async move {
                    if let Err(error) = welcome(stream, &shared).await {
                        debug!(%peer, "a connection to the port for sound is closed: {error}");
                    }
                });
                strangers.push_back(welcomed.abort_handle());
            }
            Err(error) => {
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
                    // Once, until a connection is accepted again.
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!("cannot accept a connection for sound: {error}");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

/// Gives a connection to the call that it names, or a file to whoever asks for it.
async fn welcome(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut first = [0; OPENING];
    let read = timeout(OPENING_TIMEOUT, stream.read_exact(&mut first));
    read.await.map_err(late)??;
    if let Some(id) = opening(&first) {
        let call = lock(&shared.calls).remove(&id).ok_or_else(|| wrong("no call waits for this id"))?;
        // A call that is gone closes it.
        let _ = call.send(stream);
        return Ok(());
    }
    let files = lock(&shared.files).clone().ok_or_else(|| wrong("this isn't AudioSocket"))?;
    timeout(FETCH_TIMEOUT, fetch(&mut stream, first.to_vec(), &files)).await.map_err(late)?
}

/// Answers a request for a file, by HTTP.
async fn fetch(stream: &mut TcpStream, mut request: Vec<u8>, files: &Path) -> io::Result<()> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if !request.starts_with(b"GET /") && !request.starts_with(b"HEAD /") {
        return Err(wrong("this is neither AudioSocket nor a request for a file"));
    }
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > MAX_REQUEST {
            return Err(wrong("the request is too long"));
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let text = String::from_utf8_lossy(&request);
    let mut words = text.split([' ', '\r']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let file = named(path).map(|name| files.join(name));
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(file?).ok()?;
        let length = file.metadata().ok()?.len();
        Some((file, length))
    });
    let Some((file, length)) = opened.await.ok().flatten() else {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
        return stream.shutdown().await;
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {length}\r\nCache-Control: max-age={MAX_AGE}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut file = Some(file).filter(|_| method == "GET");
    while let Some(mut opened) = file.take() {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::new();
            let read = (&mut opened).take(PIECE as u64).read_to_end(&mut piece);
            read.map(|_| (opened, piece))
        });
        let (opened, piece) = read.await.map_err(io::Error::other)??;
        if !piece.is_empty() {
            stream.write_all(&piece).await?;
            file = Some(opened);
        }
    }
    stream.shutdown().await
}

/// Returns the name of a file that was spoken, from the path of its address. Nothing else can be fetched.
pub(super) fn named(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let name = path.strip_prefix('/')?;
    let stem = name.strip_suffix(".wav")?;
    (stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_owned())
}
