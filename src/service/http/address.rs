//! Addresses: a path of a script stays below the `url` of its service, whatever it holds.

use super::values;
use crate::agi::printable;
use crate::transport::Failure;
use percent_encoding::{percent_decode, percent_decode_str};
use reqwest::Url;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// How many bytes an address may have, as most servers take no more.
const MAX_ADDRESS: usize = 8000;
/// How often a path may be percent-encoded. It is decoded to see what a careless server may make of it.
const MAX_DECODINGS: usize = 4;

/// The address of a service, below which all requests are.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Without the user and the password, so it may be part of an error of the client.
    url: Url,
    user: Option<User>,
}

/// Who the operator is to the service.
#[derive(Clone)]
pub(super) struct User {
    pub name: String,
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl Base {
    /// Parses the `url` of a service.
    ///
    /// # Errors
    /// It isn't the address of a web API. The message doesn't hold it, as it may hold a password.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let should = "such as `https://api.example.net/v2/`";
        let mut url =
            Url::parse(text).map_err(|error| Failure::argument(format!("`url` isn't an address {should}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Failure::argument(format!("`url` isn't an address {should}: it begins otherwise")));
        }
        if url.fragment().is_some() {
            return Err(Failure::argument("`url` holds a `#`, and what follows it would never be sent"));
        }
        check(url.path()).map_err(|why| Failure::argument(format!("`url` isn't an address {should}: {why}")))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().map(decoded);
        let user = (!url.username().is_empty() || password.is_some())
            .then(|| User { name: decoded(url.username()), password: password.unwrap_or_default() });
        // Neither fails for an address with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { url, user })
    }

    /// Returns the user in the `url`.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Returns the host and the port, for messages.
    pub fn host(&self) -> String {
        host(&self.url)
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the service runs on this machine.
    pub fn is_local(&self) -> bool {
        let name = self.url.host_str().unwrap_or_default();
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        address.map_or(name == "localhost" || name.ends_with(".localhost"), |address| match address {
            IpAddr::V6(six) => six == Ipv6Addr::LOCALHOST,
            IpAddr::V4(four) => four.is_loopback(),
        })
    }

    /// Whether an address is the one of the service, or below it.
    pub fn is_above(&self, url: &Url) -> bool {
        let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
        let folder = self.url.path().trim_end_matches('/');
        let within = url.path().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        place(url) == place(&self.url) && within && check(url.path()).is_ok()
    }

    /// Returns the address of a script's path. A query may follow it after `?`; the one in `query` is added.
    ///
    /// # Errors
    /// The path would leave the `url`, or the query can't be sent.
    pub fn join(&self, path: &str, query: &Value) -> Result<Url, Failure> {
        let (path, inline) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        check(path).map_err(|why| refused(path, why))?;
        let mut url = self.url.clone();
        if !path.is_empty() {
            let folder = self.url.path().trim_end_matches('/');
            let below = path.strip_prefix('/').unwrap_or(path);
            url.set_path(&format!("{folder}/{}", escaped_percents(below)));
        }
        // What was checked is what is sent, by whatever way the text was written.
        if !self.is_above(&url) {
            return Err(refused(path, "it leaves the `url` of the service"));
        }
        if let Some(inline) = inline.filter(|inline| !inline.is_empty()) {
            if inline.contains(char::is_control) {
                return Err(Failure::argument("the query behind `?` holds a control character, such as a line break"));
            }
            let before = url.query().filter(|before| !before.is_empty());
            let before = before.map_or_else(String::new, |before| format!("{before}&"));
            url.set_query(Some(&format!("{before}{inline}")));
        }
        let pairs = values::pairs(query, "query")?;
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        self.check_names(&url)?;
        if url.as_str().len() > MAX_ADDRESS {
            let length = url.as_str().len();
            return Err(Failure::argument(format!("the address has {length} bytes, and may have {MAX_ADDRESS}")));
        }
        Ok(url)
    }

    /// Checks that a script's query gives no other value to a name in the operator's: it may be a key of the API.
    fn check_names(&self, url: &Url) -> Result<(), Failure> {
        let given = self.url.query_pairs().count();
        let taken =
            url.query_pairs().skip(given).find(|(name, _)| self.url.query_pairs().any(|(taken, _)| taken == *name));
        taken.map_or(Ok(()), |(name, _)| {
            Err(Failure::argument(format!("the query can't hold `{}`, which the operator set", printable(&name))))
        })
    }
}

/// Returns the host and the port of an address, for messages.
pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Returns a script's path as it is shown, which isn't all of a long one.
pub(super) fn shown(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let end = path.char_indices().nth(80).map_or(path.len(), |(at, _)| at);
    let more = if end < path.len() { "..." } else { "" };
    format!("{}{more}", printable(&path[..end]))
}

fn refused(path: &str, why: &str) -> Failure {
    Failure::argument(format!("`{}` is no path below the `url` of the service: {why}", shown(path)))
}

/// Says why a path can't be sent. What servers make of a path differs, so it is looked at decoded, again and again.
fn check(path: &str) -> Result<(), &'static str> {
    if path.starts_with("//") {
        return Err("two slashes begin the name of a host");
    }
    if path.split_once("://").is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains('/')) {
        return Err("it is a whole address; scripts give what comes after the `url`");
    }
    let mut decoded = Cow::Borrowed(path.as_bytes());
    for _ in 0..=MAX_DECODINGS {
        let text = str::from_utf8(&decoded).map_err(|_| "decoded, it isn't UTF-8")?;
        if text.contains(char::is_control) {
            return Err("it holds a control character, such as a line break");
        }
        if text.contains('\\') {
            return Err("it holds a backslash, which some servers take for a slash");
        }
        // Some servers cut off what follows a semicolon, before they look for dots.
        let name = |piece: &str| piece.split(';').next().unwrap_or_default().trim().to_owned();
        if text.split('/').any(|piece| matches!(name(piece).as_str(), "." | "..")) {
            return Err("it holds `.` or `..` between slashes");
        }
        let next = Cow::<[u8]>::from(percent_decode(&decoded)).into_owned();
        if next == *decoded {
            return Ok(());
        }
        decoded = Cow::Owned(next);
    }
    Err("it is percent-encoded more than once")
}

/// Escapes each `%` that begins no escape. All else that needs it is escaped by `Url`.
fn escaped_percents(path: &str) -> String {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    let mut all = String::with_capacity(path.len());
    for (at, c) in path.char_indices() {
        all.push(c);
        if c == '%' && !is_escape(&path[at + 1..]) {
            all.push_str("25");
        }
    }
    all
}
