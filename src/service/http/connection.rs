//! Connections to a web API: direct ones and those of a proxy, kept while they are used.

use super::address::Base;
use crate::transport::Failure;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::Notify;
use tower_http::decompression::{Decompression, DecompressionBody};
use tower_service::Service;

/// How long a connection is kept that nobody uses. Many servers close one after 5 seconds, and a request that is sent
/// at that moment is lost.
const KEPT_FOR: Duration = Duration::from_secs(4);
/// How large the head of an answer may be, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// How much is received at a time: then others get their turn, however fast it comes.
const TURN: usize = 8 * 1024;
/// How many provisional answers may come before the real one.
const MAX_PROVISIONAL: usize = 100;

/// The body of a request.
pub(super) type Sent = Full<Bytes>;
/// The body of an answer.
pub(super) type Body = DecompressionBody<Incoming>;

/// Why there is no answer.
pub(super) enum Unanswered {
    /// One provisional answer after the other comes.
    Provisional,
    Broken(Error),
}

/// The connections to a web API.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    client: Decompression<Client<Connector, Sent>>,
    /// What a proxy wants to know from requests.
    proxy_auth: Option<HeaderValue>,
}

impl Connections {
    /// Prepares connections of which at most so many are kept.
    ///
    /// # Errors
    /// The proxy that the environment names can't be used.
    pub fn new(base: &Base, tls: ClientConfig, kept: usize) -> Result<Self, Failure> {
        let proxy = if base.is_local() { None } else { Matcher::from_env().intercept(&base.uri()?) };
        let (mut way, mut proxy_auth) = (Way::Direct, None);
        if let Some(proxy) = proxy {
            if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
                return Err(Failure::argument("the proxy in the environment is none of http:// or https://"));
            }
            let auth = proxy.basic_auth().cloned();
            if base.is_encrypted() {
                way = Way::Through(proxy.uri().clone(), auth);
            } else {
                way = Way::By(proxy.uri().clone());
                proxy_auth = auth;
            }
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        let tls = Arc::new(tls);
        let connector = Connector { lines: HttpsConnector::from((tcp, Arc::clone(&tls))), tls, way };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .pool_max_idle_per_host(kept)
            .http1_max_buf_size(MAX_HEAD)
            .build(connector);
        Ok(Self { client: Decompression::new(client), proxy_auth })
    }

    /// Sends a request. One that changes nothing is sent once more if its connection was kept, and the server has
    /// closed it before it has answered anything: it may do so at any moment.
    pub async fn send(&self, request: &Request<Sent>) -> Result<Response<Body>, Unanswered> {
        let may_be_repeated = request.method() == http::Method::GET;
        match self.try_send(request).await {
            Err((_, true)) if may_be_repeated => self.try_send(request).await,
            done => done,
        }
        .map_err(|(error, _)| error)
    }

    /// Sends a request. The error says whether the connection was a kept one that was closed without an answer.
    async fn try_send(&self, request: &Request<Sent>) -> Result<Response<Body>, (Unanswered, bool)> {
        let mut request = request.clone();
        if let Some(auth) = &self.proxy_auth {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, auth.clone());
        }
        let enough = Arc::new(Notify::new());
        let (tell, count) = (Arc::clone(&enough), AtomicUsize::new(0));
        hyper::ext::on_informational(&mut request, move |_| {
            if count.fetch_add(1, Relaxed) >= MAX_PROVISIONAL {
                tell.notify_one();
            }
        });
        let connection = capture_connection(&mut request);
        let mut client = self.client.clone();
        let (mut answer, mut enough) = (pin!(client.call(request)), pin!(enough.notified()));
        let sent = poll_fn(|context| match enough.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => answer.as_mut().poll(context).map(Some),
        });
        let Some(sent) = sent.await else { return Err((Unanswered::Provisional, false)) };
        sent.map_err(|error| {
            let mut found = http::Extensions::new();
            if let Some(connected) = &*connection.connection_metadata() {
                connected.get_extras(&mut found);
            }
            let was_closed = found
                .get::<Arc<Traffic>>()
                .is_some_and(|traffic| traffic.has_answered.load(Relaxed) && traffic.is_unanswered.load(Relaxed));
            (Unanswered::Broken(error), was_closed)
        })
    }
}

/// How the server is reached.
#[derive(Clone, Debug)]
enum Way {
    Direct,
    /// A proxy makes the requests.
    By(Uri),
    /// A proxy passes on what it can't read.
    Through(Uri, Option<HeaderValue>),
}

/// Makes connections.
#[derive(Clone)]
struct Connector {
    lines: HttpsConnector<HttpConnector>,
    tls: Arc<ClientConfig>,
    way: Way,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Line;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let mut lines = self.lines.clone();
        match &self.way {
            Way::Direct => Box::pin(async move { Ok(Line::new(lines.call(to).await?, false)) }),
            Way::By(proxy) => {
                let proxy = proxy.clone();
                Box::pin(async move { Ok(Line::new(lines.call(proxy).await?, true)) })
            }
            Way::Through(proxy, auth) => {
                let tunnel = Tunnel::new(proxy.clone(), lines);
                let tunnel = auth.iter().fold(tunnel, |tunnel, auth| tunnel.with_auth(auth.clone()));
                let mut lines = HttpsConnector::from((tunnel, Arc::clone(&self.tls)));
                Box::pin(async move { Ok(Line::new(lines.call(to).await?, false)) })
            }
        }
    }
}

trait Stream: Read + Write + Connection + Send + Unpin {}
impl<T: Read + Write + Connection + Send + Unpin> Stream for T {}

/// What came over a connection.
#[derive(Debug, Default)]
struct Traffic {
    /// Whether the server has answered anything yet.
    has_answered: AtomicBool,
    /// Whether nothing has come since something was sent.
    is_unanswered: AtomicBool,
}

/// A connection that lets others have their turn.
struct Line {
    stream: Box<dyn Stream>,
    is_of_proxy: bool,
    traffic: Arc<Traffic>,
    /// How much was received in this turn.
    received: usize,
}

impl Line {
    fn new(stream: impl Stream + 'static, is_of_proxy: bool) -> Self {
        Self { stream: Box::new(stream), is_of_proxy, traffic: Arc::default(), received: 0 }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_of_proxy).extra(Arc::clone(&self.traffic))
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        if line.received >= TURN {
            // What reads a flood of small things would go on for as long as it lasts.
            line.received = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut bytes = [0; TURN];
        let max = into.remaining().min(TURN - line.received);
        let mut buffer = ReadBuf::new(&mut bytes[..max]);
        let read = Pin::new(&mut line.stream).poll_read(context, buffer.unfilled());
        if read.is_pending() {
            line.received = 0;
        }
        ready!(read)?;
        let filled = buffer.filled();
        into.put_slice(filled);
        line.received += filled.len();
        if !filled.is_empty() {
            line.traffic.has_answered.store(true, Relaxed);
            line.traffic.is_unanswered.store(false, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.traffic.is_unanswered.store(true, Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        all: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.traffic.is_unanswered.store(true, Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, all)
    }
}
