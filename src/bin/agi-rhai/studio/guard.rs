//! Who may ask: whoever has the token, from the page of this very server.

use super::answer::{Answer, json, refusal};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A secret of 128 random bits, in letters.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0_u8; 16];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
        }
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is the token. How long that takes tells nothing.
    pub fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

/// The names by which a server is asked.
///
/// A page of another site may have its own name lead to this machine (DNS rebinding): its requests then name that site.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Vec<String>,
    port: u16,
    /// Whether any address in figures will do, since the server listens on all of this machine. No site has one that
    /// leads elsewhere.
    any_address: bool,
}

impl Hosts {
    /// The names of a server that listens on this address, which somebody may have given as a name.
    pub fn new(name: Option<&str>, address: IpAddr, port: u16) -> Self {
        let shown = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let mut names = vec![shown(address)];
        names.extend(name.map(str::to_ascii_lowercase));
        if address.is_loopback() || address.is_unspecified() {
            names.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        names.sort();
        names.dedup();
        Self { names, port, any_address: address.is_unspecified() }
    }

    fn are(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            _ => (host, "80"),
        };
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse() == Ok(self.port);
        let is_address = || name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        is_port && (self.names.contains(&name.to_ascii_lowercase()) || self.any_address && is_address())
    }
}

/// What a request asks for: a file of the page, the token for a code, or a part of the studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Page,
    Token,
    Part,
}

/// Lets requests in.
pub struct Guard {
    token: Token,
    /// Instead of the token in the command that opens the browser, which everybody on this machine may see in the list
    /// of processes: it is good once, and only for a browser of the user who runs the studio.
    code: Mutex<Option<Token>>,
    hosts: Hosts,
}

impl Guard {
    /// Returns a guard, its token, and the code to get that with.
    pub fn new(hosts: Hosts) -> io::Result<(Self, Token, Token)> {
        let (token, code) = (Token::new()?, Token::new()?);
        Ok((Self { token: token.clone(), code: Mutex::new(Some(code.clone())), hosts }, token, code))
    }

    /// Answers a browser that has the code.
    pub fn enter(&self, code: &[u8], is_own_user: bool) -> Answer {
        let mut kept = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        let is_right = std::str::from_utf8(code).is_ok_and(|code| kept.as_ref().is_some_and(|kept| kept.is(code)));
        if !is_right || !is_own_user {
            return refusal(StatusCode::FORBIDDEN, "open the address that the studio printed as it started");
        }
        *kept = None;
        json(StatusCode::OK, &serde_json::json!({ "token": self.token.text() }))
    }

    /// Refuses a request that isn't made to this server, or by another site; and one for what isn't open to all, if it
    /// doesn't hold the token.
    pub fn refuses(&self, request: &Parts, asks: Asks) -> Option<Answer> {
        let forbidden = |why: &str| Some(refusal(StatusCode::FORBIDDEN, why));
        let Ok(host) = single(&request.headers, &header::HOST) else { return forbidden("one Host, please") };
        // With a whole address, this would be a proxy.
        if request.uri.authority().is_some() || !host.is_some_and(|host| self.hosts.are(host)) {
            let known = self.hosts.names.iter().map(|name| format!("http://{name}:{}/", self.hosts.port));
            let known = known.collect::<Vec<_>>().join(", ");
            return Some(refusal(
                StatusCode::MISDIRECTED_REQUEST,
                &format!("the studio isn't known by this address; it has these: {known}"),
            ));
        }
        let own = format!("http://{}", host.unwrap_or_default());
        match single(&request.headers, &header::ORIGIN) {
            Ok(None) => {}
            Ok(Some(origin)) if origin.eq_ignore_ascii_case(&own) => {}
            _ => return forbidden("only the studio's own page may ask"),
        }
        // Somebody may follow a link to the page, or type its address.
        let is_visit = asks == Asks::Page && single(&request.headers, &SEC_FETCH_MODE) == Ok(Some("navigate"));
        match single(&request.headers, &SEC_FETCH_SITE) {
            Ok(None | Some("same-origin" | "none")) => {}
            Ok(Some(_)) if is_visit => {}
            _ => return forbidden("only the studio's own page may ask"),
        }
        if asks != Asks::Part || self.is_allowed(&request.headers) {
            return None;
        }
        let mut answer = refusal(
            StatusCode::UNAUTHORIZED,
            "this needs the token of the address that the studio printed as it started",
        );
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(answer)
    }

    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        let Ok(Some(text)) = single(headers, &header::AUTHORIZATION) else { return false };
        text.split_once(' ').is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && self.token.is(token.trim_matches(' '))
        })
    }
}

/// Returns the value of a header that may be there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map_err(|_| ())).transpose()?;
    if values.next().is_some() { Err(()) } else { Ok(value) }
}
