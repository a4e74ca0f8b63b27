//! The Wyoming protocol, by which Piper, faster-whisper and others speak and listen: a line of JSON for each event,
//! with data and sound behind it.

use crate::agi::printable;
use serde_json::{Map, Value, json};
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest line of an event. Descriptions of hundreds of voices are longer, and not asked for.
const MAX_LINE: u64 = 64 * 1024;
/// The longest data or sound of an event.
const MAX_PART: u64 = 1024 * 1024;

/// How much of an error is shown, in characters.
const MAX_SHOWN: usize = 200;

/// An event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Event {
    /// What happened, such as `audio-chunk`.
    pub kind: String,
    /// More about it.
    pub data: Map<String, Value>,
    /// Its sound.
    pub payload: Vec<u8>,
}

impl Event {
    /// Creates an event.
    pub fn new(kind: &str, data: Value) -> Self {
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        Self { kind: kind.to_owned(), data, payload: Vec::new() }
    }

    /// Returns what an event of the kind `error` says.
    pub fn error(&self) -> String {
        let text = |name: &str| self.data.get(name).and_then(Value::as_str).unwrap_or_default().trim();
        let both = [text("code"), text("text")].into_iter().filter(|text| !text.is_empty());
        let said: String = both.collect::<Vec<_>>().join(": ").chars().take(MAX_SHOWN).collect();
        format!("the engine says: {}", printable(&said))
    }

    /// Sends the event.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut header = json!({ "type": self.kind, "data": self.data });
        if !self.payload.is_empty() {
            header["payload_length"] = self.payload.len().into();
        }
        let mut bytes = header.to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend(&self.payload);
        stream.write_all(&bytes).await
    }

    /// Waits for an event.
    ///
    /// # Errors
    /// The connection broke or was closed, or what came isn't Wyoming.
    pub async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let mut line = Vec::new();
        (&mut *stream).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header: Value = serde_json::from_slice(&line).map_err(|_| wrong("a line of it isn't JSON"))?;
        let kind = header["type"].as_str().ok_or_else(|| wrong("an event of it has no type"))?.to_owned();
        let mut event = Self::new(&kind, header["data"].clone());
        let data = part(stream, &header["data_length"]).await?;
        if !data.is_empty() {
            match serde_json::from_slice(&data) {
                Ok(Value::Object(data)) => event.data.extend(data),
                _ => return Err(wrong("the data of an event isn't JSON")),
            }
        }
        event.payload = part(stream, &header["payload_length"]).await?;
        Ok(event)
    }
}

/// The format of sound, as events describe it.
pub(super) fn format_of(rate: u32) -> Value {
    json!({ "rate": rate, "width": 2, "channels": 1 })
}

async fn part(stream: &mut (impl AsyncBufRead + Unpin), length: &Value) -> io::Result<Vec<u8>> {
    let length = match length {
        Value::Null => 0,
        length => length.as_u64().filter(|length| *length <= MAX_PART).ok_or_else(|| wrong("a part is too long"))?,
    };
    let mut bytes = Vec::new();
    stream.take(length).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer isn't Wyoming: {what}"))
}
