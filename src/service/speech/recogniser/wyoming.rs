//! Servers that understand by the Wyoming protocol.

use super::sound::{Doubling, MODEL_RATE, bytes, piece};
use super::transcript::{Expected, MAX_MESSAGES, Transcript, talk};
use crate::agi::printable;
use crate::service::speech::wyoming::{Event, format_of};
use crate::transport::Failure;
use serde_json::{Value, json};
use std::io;
use tokio::io::{AsyncBufRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

/// Returns the host and port of an address.
///
/// # Errors
/// It has none.
pub(super) fn address(url: &str) -> Result<String, Failure> {
    let address = url.trim_start_matches("tcp://").trim_end_matches('/');
    let port = address.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    match port {
        Some(1..) => Ok(address.to_owned()),
        _ => Err(Failure::argument("`url` isn't the address of a Wyoming server, such as `tcp://127.0.0.1:10300`")),
    }
}

/// Has a server hear what a caller says while the caller speaks.
pub(super) async fn recognise(
    address: &str,
    expected: &Expected,
    sound: UnboundedReceiver<Vec<i16>>,
) -> Result<Transcript, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::failed(error.to_string()),
        io::ErrorKind::UnexpectedEof => Failure::unavailable(format!("{} hung up", printable(address))),
        _ => Failure::unavailable(format!("{}: {error}", printable(address))),
    };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    // Each event is small, and the next one may be a while away.
    let _ = stream.set_nodelay(true);
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let send = async { send(&mut writer, expected, sound).await.map_err(failed) };
    talk(send, receive(&mut reader, failed)).await
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    expected: &Expected,
    mut sound: UnboundedReceiver<Vec<i16>>,
) -> io::Result<()> {
    Event::new("transcribe", json!({ "language": expected.plain_language() })).send(stream).await?;
    Event::new("audio-start", format_of(MODEL_RATE)).send(stream).await?;
    let mut doubling = Doubling::default();
    while let Some(piece) = piece(&mut sound).await {
        let mut event = Event::new("audio-chunk", format_of(MODEL_RATE));
        event.payload = bytes(&doubling.double(&piece));
        event.send(stream).await?;
    }
    Event::new("audio-stop", json!({})).send(stream).await
}

async fn receive(
    stream: &mut (impl AsyncBufRead + Unpin),
    failed: impl Fn(io::Error) -> Failure,
) -> Result<Transcript, Failure> {
    for _ in 0..MAX_MESSAGES {
        let event = Event::receive(stream).await.map_err(&failed)?;
        let text = event.data.get("text").and_then(Value::as_str);
        match (event.kind.as_str(), text) {
            ("transcript", Some(text)) => {
                return Transcript::new(text, event.data.get("confidence").and_then(Value::as_f64));
            }
            ("transcript", None) => return Err(Failure::failed("its `transcript` has no `text`")),
            ("error", _) => return Err(Failure::failed(event.error())),
            // Others tell how far it is.
            _ => {}
        }
    }
    Err(Failure::failed("it sends events without end, and no `transcript`"))
}
