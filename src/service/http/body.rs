//! Bodies: values of scripts on their way out, and what came back.

use super::values;
use crate::transport::Failure;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use serde_json::Value;
use std::pin::pin;
use url::Url;

/// Why a body wasn't read to its end.
pub(super) enum Unread {
    TooLarge,
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// Returns a script's value as a body, and says in the headers what it is, if the script doesn't.
///
/// A text goes as it is, `()` is no body, and all else is JSON: but a map for which the script asks for it is a form.
///
/// # Errors
/// What a form holds can't be sent.
pub(super) fn of_request(value: &Value, headers: &mut HeaderMap) -> Result<Option<Vec<u8>>, Failure> {
    let (body, is) = match value {
        Value::Null => return Ok(None),
        Value::String(text) => (text.clone().into_bytes(), "text/plain; charset=utf-8"),
        Value::Object(_) if essence(headers) == "application/x-www-form-urlencoded" => (form(value)?, ""),
        value => (value.to_string().into_bytes(), "application/json"),
    };
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(is));
    Ok(Some(body))
}

fn form(value: &Value) -> Result<Vec<u8>, Failure> {
    let pairs = values::pairs(value, "body")?;
    // A query and a form are written the same way.
    let url =
        Url::parse_with_params("http://localhost/", pairs).map_err(|error| Failure::argument(error.to_string()))?;
    Ok(url.query().unwrap_or_default().as_bytes().to_vec())
}

/// Reads a body, but no more than this of it, unpacked. What is left of a larger one is never received.
pub(super) async fn read(headers: &HeaderMap, body: super::connection::Body, max: usize) -> Result<Vec<u8>, Unread> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max as u64) {
        return Err(Unread::TooLarge);
    }
    let mut all = Vec::new();
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        // What isn't data is trailers.
        let Ok(chunk) = frame.map_err(Unread::Broken)?.into_data() else { continue };
        if chunk.len() > max - all.len() {
            return Err(Unread::TooLarge);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Returns the value of a body: what it holds if it is JSON, else its text.
pub(super) fn of_answer(body: Vec<u8>, headers: &HeaderMap) -> Value {
    let is = essence(headers);
    if (matches!(is.as_str(), "application/json" | "text/json") || is.ends_with("+json"))
        && let Ok(value) = serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body))
    {
        return value;
    }
    if is_latin_1(headers) {
        return body.into_iter().map(char::from).collect::<String>().into();
    }
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()).into()
}

/// Returns the media type without its parameters, in lower case.
fn essence(headers: &HeaderMap) -> String {
    content_type(headers).split(';').next().unwrap_or_default().trim().to_owned()
}

fn is_latin_1(headers: &HeaderMap) -> bool {
    let named =
        |parameter: &str| parameter.trim().strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned());
    let charset = content_type(headers).split(';').skip(1).find_map(named);
    charset.is_some_and(|name| matches!(name.as_str(), "iso-8859-1" | "latin1" | "windows-1252"))
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}
