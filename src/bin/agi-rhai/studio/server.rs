//! The studio's server: HTTP/1.1, for one person's browser.

use super::answer::{Answer, Body, json, no_method, protect, refusal};
use super::guard::{Asks, Guard};
use super::page::Page;
use super::peer::is_own_user;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request as HttpRequest, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use rustix::net::sockopt::set_socket_send_buffer_size;
use serde_json::json;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// The most connections at a time: a browser keeps six, and one more for each stream of events.
const CONNECTIONS: usize = 256;
/// How long a client may take for its headers, and for what follows them.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest body: a text, with room to say that it is too large.
const BODY: usize = 3 << 20;
/// How many bytes may be on their way to a client that reads slowly, in the system.
const SEND_BUFFER: usize = 128 * 1024;
/// How long to wait before accepting again after an error, such as a lack of descriptors.
const BACKOFF: Duration = Duration::from_millis(100);

/// A request for a part of the studio.
pub struct Request {
    pub method: Method,
    /// What follows the name of the part, decoded.
    pub path: Vec<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A part of the studio: what answers below `/api/NAME`. Whoever asks has the token.
pub trait Part: Send + Sync {
    fn answer(&self, request: Request) -> Answering;
}

/// The page, and what it asks.
pub struct Studio {
    pub guard: Guard,
    pub page: Page,
    /// By their names.
    pub parts: Vec<(&'static str, Arc<dyn Part>)>,
}

/// A server on a thread of its own, until it is dropped.
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves a studio.
///
/// # Errors
/// The system has no thread for it.
pub fn serve(listeners: Vec<TcpListener>, studio: Studio) -> io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    let studio = Arc::new(studio);
    let thread = thread::Builder::new().name("studio".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let room = Arc::new(Semaphore::new(CONNECTIONS));
            for listener in listeners {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    tokio::spawn(accept(listener, Arc::clone(&studio), Arc::clone(&room)));
                }
            }
            // An error means that the other end is dropped, which is the end.
            let _ = stopped.await;
        });
        // What reads a disk that doesn't answer must not keep the program.
        runtime.shutdown_background();
    })?;
    Ok(Running { stop: Some(stop), thread: Some(thread) })
}

async fn accept(listener: tokio::net::TcpListener, studio: Arc<Studio>, room: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = listener.accept().await.and_then(|(stream, other)| Ok((stream.local_addr()?, other, stream)));
        let Ok((own, other, stream)) = accepted else {
            sleep(BACKOFF).await;
            continue;
        };
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
        let studio = Arc::clone(&studio);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let studio = Arc::clone(&studio);
                async move { Ok::<_, Infallible>(studio.answer(request, (own, other)).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A client that breaks off has its reasons.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

impl Studio {
    async fn answer(&self, request: HttpRequest<Incoming>, ends: (SocketAddr, SocketAddr)) -> Answer {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let asks = match &*path {
            "/api/enter" => Asks::Token,
            path if path == "/api" || path.starts_with("/api/") => Asks::Part,
            _ => Asks::Page,
        };
        let mut answer = match (self.guard.refuses(&parts, asks), asks) {
            (Some(refusal), _) => refusal,
            (None, Asks::Page) => self.page(&parts.method, &path, &parts.headers),
            (None, Asks::Token) if parts.method != Method::POST => no_method("POST"),
            (None, Asks::Token) => match whole(body).await {
                Ok(code) => self.guard.enter(&code, is_own_user(ends.0, ends.1)),
                Err(refusal) => refusal,
            },
            (None, Asks::Part) => self.part(parts.method, &path, parts.headers, body).await,
        };
        protect(answer.headers_mut());
        answer
    }

    fn page(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        match *method {
            Method::GET => self.page.answer(path, headers),
            Method::HEAD => self.page.answer(path, headers).map(|_| Body::default()),
            _ => no_method("GET, HEAD"),
        }
    }

    async fn part(&self, method: Method, path: &str, headers: HeaderMap, body: Incoming) -> Answer {
        let segments = match segments(path) {
            Ok(segments) => segments,
            Err(why) => return refusal(StatusCode::BAD_REQUEST, why),
        };
        let Some((name, rest)) = segments.split_first() else {
            let names = self.parts.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            let about = json!({ "version": env!("CARGO_PKG_VERSION"), "parts": names });
            return if method == Method::GET { json(StatusCode::OK, &about) } else { no_method("GET") };
        };
        let Some((_, part)) = self.parts.iter().find(|(known, _)| known == name) else {
            return refusal(StatusCode::NOT_FOUND, "there is no such part of the studio");
        };
        let body = match whole(body).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        part.answer(Request { method, path: rest.to_vec(), headers, body }).await
    }
}

/// Reads a body.
async fn whole(body: Incoming) -> Result<Bytes, Answer> {
    match timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "the text is too large"))
        }
        _ => Err(refusal(StatusCode::BAD_REQUEST, "the request isn't whole")),
    }
}

/// Splits a path below `/api` into its parts, and decodes each once.
fn segments(path: &str) -> Result<Vec<String>, &'static str> {
    let path = path.strip_prefix("/api").unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(std::borrow::Cow::into_owned);
    path.split('/').map(|part| decode(part).map_err(|_| "the path isn't UTF-8")).collect()
}
