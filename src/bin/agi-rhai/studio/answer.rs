//! What the studio answers, and the headers that every answer has.

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::convert::Infallible;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub type Body = UnsyncBoxBody<Bytes, Infallible>;
pub type Answer = Response<Body>;

/// How many events may wait for a slow reader.
const EVENTS: usize = 64;

/// The headers of every answer: nothing of it is for another site, whatever that tries.
const COMMON: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// The policy of what is no page.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// An answer of bytes of this type, which nobody keeps.
pub fn bytes(status: StatusCode, media_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
    with_body(status, media_type, Full::new(bytes.into()).boxed_unsync())
}

pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(text) => bytes(status, "application/json", text),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

pub fn done() -> Answer {
    json(StatusCode::OK, &json!({}))
}

/// Says what is wrong, to whoever wrote the request.
pub fn refusal(status: StatusCode, why: &str) -> Answer {
    json(status, &json!({ "error": why }))
}

/// Says which methods there are.
pub fn no_method(allowed: &'static str) -> Answer {
    let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} here"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn with_body(status: StatusCode, media_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Adds the headers that every answer has.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in COMMON {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NO_PAGE));
}

/// Where events go to one reader: server-sent events, as text/event-stream.
#[derive(Clone, Debug)]
pub struct Events(Sender<Bytes>);

impl Events {
    /// Returns where to send events, and the answer that brings them to their reader.
    pub fn new() -> (Self, Answer) {
        Self::holding(EVENTS)
    }

    /// The same, with at most so many events that wait for a slow reader.
    pub fn holding(count: usize) -> (Self, Answer) {
        let (sender, receiver) = channel(count);
        let stream = unfold(receiver, async |mut receiver: Receiver<Bytes>| {
            let bytes = receiver.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
        });
        let body = StreamBody::new(stream).boxed_unsync();
        (Self(sender), with_body(StatusCode::OK, "text/event-stream", body))
    }

    /// Sends an event, and waits while the reader has too many before it. Returns whether the reader is still there.
    pub async fn send(&self, name: &str, value: &impl Serialize) -> bool {
        self.0.send(event(name, value)).await.is_ok()
    }

    /// The same, for a value that is JSON already, in one line.
    pub async fn send_json(&self, name: &str, json: &str) -> bool {
        self.0.send(Bytes::from(format!("event: {name}\ndata: {json}\n\n"))).await.is_ok()
    }

    /// Sends nothing, which shows both ends that the other one is still there.
    pub async fn beat(&self) -> bool {
        self.0.send(Bytes::from_static(b":\n\n")).await.is_ok()
    }

    /// Waits until the reader is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Writes an event. JSON has no line breaks of its own.
fn event(name: &str, value: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(value).unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string());
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
