//! Headers: the operator's, which scripts can't change, those of scripts, and those of answers.

use super::values;
use crate::agi::printable;
use crate::service::settings::values::Secret;
use crate::service::tls;
use crate::transport::Failure;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Headers that say how a message is sent, which is the client's business.
const OF_THE_CLIENT: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parses the operator's headers.
///
/// # Errors
/// One can't be sent, or is given twice.
pub(super) fn of_operator(headers: &BTreeMap<String, Secret>) -> Result<HeaderMap, Failure> {
    let mut all = HeaderMap::new();
    for (name, Secret(value)) in headers {
        let (name, mut value) =
            header(name, value).map_err(|failure| Failure::argument(format!("`headers`: {}", failure.message)))?;
        value.set_sensitive(true);
        if all.insert(&name, value).is_some() {
            return Err(Failure::argument(format!("`headers` gives `{name}` twice")));
        }
    }
    Ok(all)
}

/// Returns the header that carries a token.
///
/// # Errors
/// It can't be sent.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Failure::argument("the token in `token_file` holds a character that can't be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns the header that carries a user and a password.
///
/// # Errors
/// It can't be sent.
pub(super) fn basic(user: &str, password: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Basic {}", tls::base64(format!("{user}:{password}").as_bytes())))
        .map_err(|_| Failure::argument("the user in `url` can't be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Parses the headers of a script.
///
/// # Errors
/// One can't be sent, is the client's business, or is set by the operator.
pub(super) fn of_script(headers: &Value, taken: impl Fn(&HeaderName) -> bool) -> Result<HeaderMap, Failure> {
    let mut all = HeaderMap::new();
    for (name, value) in values::pairs(headers, "headers")? {
        let (name, value) = header(&name, &value)?;
        if taken(&name) {
            return Err(Failure::argument(format!("a script can't send the header `{name}`, which the operator set")));
        }
        all.append(name, value);
    }
    Ok(all)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Failure::argument(format!("`{}` can't be the name of a header", printable(name))))?;
    if OF_THE_CLIENT.contains(&parsed.as_str()) {
        return Err(Failure::argument(format!("the header `{parsed}` is set by agi-rhai itself")));
    }
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        Failure::argument(format!("the header `{parsed}` holds a control character, such as a line break"))
    })?;
    Ok((parsed, value))
}

/// Returns the headers of an answer: names in lower case, and the values of a repeated one in one text.
pub(super) fn of_answer(headers: &HeaderMap) -> Map<String, Value> {
    let joined = |name: &HeaderName| headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(", ");
    headers.keys().map(|name| (name.as_str().to_owned(), joined(name).into())).collect()
}

/// Returns the text of a header: UTF-8, else Latin-1, which it was when headers were invented.
pub(super) fn text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}
