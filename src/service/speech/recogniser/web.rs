//! Web APIs in the style of OpenAI's that understand.

use super::sound;
use super::transcript::{Expected, Transcript};
use crate::service::http::HttpClient;
use crate::service::unique::unique;
use crate::transport::Failure;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

/// Hears everything, and sends it as a file.
pub(super) async fn recognise(
    client: &HttpClient,
    model: &str,
    expected: &Expected,
    sound: UnboundedReceiver<Vec<i16>>,
) -> Result<Transcript, Failure> {
    let sound = sound::file(sound).await?;
    let boundary = format!("agi-rhai-{}", unique());
    let body = form(&boundary, model, expected, &sound);
    let answer =
        client.post("audio/transcriptions", &format!("multipart/form-data; boundary={boundary}"), body).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| Failure::failed("its answer isn't JSON"))?;
    let (text, confidence) =
        Transcript::of_json(&answer).ok_or_else(|| Failure::failed("there is no `text` in its answer"))?;
    Transcript::new(text, confidence)
}

fn form(boundary: &str, model: &str, expected: &Expected, sound: &[u8]) -> Vec<u8> {
    let (language, words) = (expected.plain_language(), expected.hint());
    let mut body = Vec::with_capacity(sound.len() + 1024);
    for (name, value) in
        [("model", model), ("response_format", "json"), ("language", language), ("prompt", words.as_str())]
    {
        if !value.is_empty() {
            let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend([head.as_bytes(), value.as_bytes(), b"\r\n"].concat());
        }
    }
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"caller.wav\"\r\nContent-Type: audio/wav";
    body.extend(format!("--{boundary}\r\n{file}\r\n\r\n").into_bytes());
    body.extend(sound);
    body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    body
}
