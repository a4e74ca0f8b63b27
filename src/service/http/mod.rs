//! Web APIs.
//!
//! The client is hyper's, with its pool of connections: those that are built on it keep to themselves what bounds
//! hostile servers, such as how much is read at a time. It speaks HTTP/1.1 only: a connection of HTTP/2 carries all
//! requests, so one that a firewall has forgotten would let each of them wait for its deadline, and the requests of a
//! call are few and small.
//!
//! Proxies are taken from the environment, as by most programs: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, and
//! `NO_PROXY` with the exceptions. Services on this machine are asked directly.
//!
//! An answer with a status of 500 or more is an answer: it came in time, it says something about this request, and
//! perhaps nothing about others. So it doesn't count as a failure for the circuit breaker, which is there so that no
//! caller waits for nothing.

mod address;
mod body;
mod connection;
mod headers;
mod trouble;
mod values;

use super::settings::HttpSettings;
use super::settings::values::{Secret, Size};
use super::tls;
use crate::agi::printable;
use crate::plural::plural;
use crate::transport::{Answer, Failure, Request};
use address::Base;
use body::Unread;
use connection::{Connections, Sent, Unanswered};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, USER_AGENT};
use http::response::Parts;
use http::{HeaderValue, Method, Request as HttpRequest, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

/// How large the body of an answer may be unless the operator says otherwise.
const MAX_BODY: usize = 256 * 1024;

/// How much is shown of what a failed request was answered, in characters.
#[cfg(feature = "speech")]
const MAX_SAID: usize = 200;

/// How often an answer may point to another address.
const MAX_REDIRECTS: usize = 5;

/// The methods, each of which a function of scripts has in its name.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The client of a web API.
#[derive(Debug)]
pub(super) struct HttpClient {
    base: Base,
    /// The operator's headers.
    headers: HeaderMap,
    /// Certificates to trust, as PEM.
    ca: Option<Secret>,
    /// The methods that scripts may use.
    methods: Vec<Method>,
    max_body: usize,
    /// How many connections are kept.
    connections: usize,
    /// Made at the first request, since it reads the certificates of the system.
    client: OnceCell<Connections>,
}

/// Checks a request as far as that doesn't depend on the operator's settings.
///
/// # Errors
/// Nothing would be sent.
pub(super) fn check(request: &Request) -> Result<(), Failure> {
    let check = || {
        Base::new("http://localhost/")?.join(request.text("path"), request.argument("query"))?;
        let mut headers = headers::of_script(request.argument("headers"), |_| false)?;
        body::of_request(request.argument("body"), &mut headers).map(drop)
    };
    check().map_err(|failure| named(request, &failure))
}

/// Says in a failure what was asked.
fn named(request: &Request, failure: &Failure) -> Failure {
    let method = request.function.trim_start_matches("http_").to_ascii_uppercase();
    let (path, service) = (address::shown(request.text("path")), printable(&request.service));
    Failure { message: format!("{method} {path} of `{service}`: {}", failure.message), kind: failure.kind }
}

impl HttpClient {
    /// Creates a client with these settings. It connects at the first request.
    pub fn new(settings: &HttpSettings) -> Result<Self, Failure> {
        let base = Base::new(&settings.url.0)?;
        let mut headers = headers::of_operator(&settings.headers)?;
        let ways = [headers.contains_key(AUTHORIZATION), base.user().is_some(), settings.token_file.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(Failure::argument(
                "only one of `authorization` in `headers`, `token_file` and a user in `url` can say who asks",
            ));
        }
        if let Some(Secret(token)) = &settings.token {
            headers.insert(AUTHORIZATION, headers::bearer(token)?);
        } else if let Some(user) = base.user() {
            headers.insert(AUTHORIZATION, headers::basic(&user.name, &user.password)?);
        }
        Ok(Self {
            base,
            headers,
            ca: settings.ca.clone(),
            methods: methods(settings.methods.as_deref())?,
            max_body: settings.max_body.map_or(MAX_BODY, |Size(size)| size),
            connections: settings.at_once.unwrap_or(super::settings::AT_ONCE),
            client: OnceCell::new(),
        })
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Answer {
        self.answer_to(request).await.map_err(|failure| named(request, &failure))
    }

    async fn answer_to(&self, request: &Request) -> Answer {
        let method = self.method(request)?;
        let url = self.base.join(request.text("path"), request.argument("query"))?;
        let mut headers = headers::of_script(request.argument("headers"), |name| self.sets(name))?;
        let body = body::of_request(request.argument("body"), &mut headers)?;
        if body.is_none() && !matches!(method, Method::GET | Method::DELETE) {
            // Some servers refuse a request that may have a body and doesn't say how long it is.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = HttpRequest::new(body.unwrap_or_default().into());
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let (answer, body) = self.fetch(url, request).await?;
        Ok(json!({
            "status": answer.status.as_u16(),
            "ok": answer.status.is_success(),
            "headers": headers::of_answer(&answer.headers),
            "body": body::of_answer(body, &answer.headers),
        }))
    }

    /// Sends a request with the operator's headers, and receives the whole answer.
    async fn fetch(&self, url: Url, mut request: HttpRequest<Sent>) -> Result<(Parts, Vec<u8>), Failure> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("agi-rhai/", env!("CARGO_PKG_VERSION"))));
        let (answer, body) = self.exchange(client, url, request).await?.into_parts();
        let body = body::read(&answer.headers, body, self.max_body).await.map_err(|error| match error {
            Unread::TooLarge => {
                let max = plural(self.max_body, "byte");
                Failure::failed(format!("its answer is larger than the {max} of `max_body`"))
            }
            Unread::Broken(error) => trouble::failure(&*error, &self.base.host()),
        })?;
        Ok((answer, body))
    }

    /// Posts JSON below the `url`, and returns what comes back: sound, for instance.
    #[cfg(feature = "speech")]
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Vec<u8>, Failure> {
        self.post(path, "application/json", body.to_string().into_bytes()).await
    }

    /// Posts a body of this type below the `url`, and returns what comes back.
    #[cfg(feature = "speech")]
    pub async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let content_type = HeaderValue::from_str(content_type).map_err(|error| Failure::argument(error.to_string()))?;
        let mut request = HttpRequest::new(body.into());
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        let (answer, body) = self.fetch(self.base.join(path, &Value::Null)?, request).await?;
        if answer.status.is_success() {
            return Ok(body);
        }
        let said: String = String::from_utf8_lossy(&body).trim().chars().take(MAX_SAID).collect();
        let said = printable(&said);
        Err(Failure::failed(format!("it answered with status {}: {said}", answer.status.as_u16())))
    }

    /// Sends a request, and follows redirects within the service.
    async fn exchange(
        &self,
        client: &Connections,
        mut url: Url,
        mut request: HttpRequest<Sent>,
    ) -> Result<Response<connection::Body>, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            *request.uri_mut() = address::uri(&url)?;
            let response = client.send(&request).await.map_err(|error| match error {
                Unanswered::Provisional => Failure::failed("it sends provisional answers without end (1xx)"),
                Unanswered::Broken(error) => trouble::failure(&error, &self.base.host()),
            })?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let to = response.headers().get(LOCATION).filter(|_| is_redirect);
            let Some(to) = to.and_then(|to| url.join(to.to_str().ok()?).ok()) else { return Ok(response) };
            if !self.base.is_above(&to) {
                return Err(trouble::elsewhere(&to));
            }
            // As browsers do it, whatever the standard once said about 301 and 302.
            let becomes_get = response.status() == StatusCode::SEE_OTHER
                || request.method() == Method::POST && matches!(response.status().as_u16(), 301 | 302);
            if becomes_get && request.method() != Method::GET {
                (*request.method_mut(), *request.body_mut()) = (Method::GET, Sent::default());
                request.headers_mut().remove(CONTENT_TYPE);
                request.headers_mut().remove(CONTENT_LENGTH);
            }
            url = to;
        }
        Err(Failure::failed(format!("it has redirected {}, and goes on", plural(MAX_REDIRECTS, "time"))))
    }

    /// Returns the method of a request.
    fn method(&self, request: &Request) -> Result<Method, Failure> {
        let name = request.function.trim_start_matches("http_").to_ascii_uppercase();
        let allowed = self.methods.iter().find(|method| method.as_str() == name);
        allowed.cloned().ok_or_else(|| {
            let allowed: Vec<_> = self.methods.iter().map(Method::as_str).collect();
            Failure::argument(format!("the operator allows {} only (`methods`)", allowed.join(", ")))
        })
    }

    /// Whether the operator sets this header.
    fn sets(&self, name: &HeaderName) -> bool {
        self.headers.contains_key(name) || self.base.user().is_some() && name == AUTHORIZATION
    }

    async fn connect(&self) -> Result<Connections, Failure> {
        let (is_encrypted, ca) = (self.base.is_encrypted(), self.ca.clone());
        let config = move || {
            let ca = ca.as_ref().map(|Secret(pem)| pem.as_str());
            if is_encrypted { tls::config(ca) } else { tls::unused() }
        };
        let mut tls = blocking(config).await?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Connections::new(&self.base, tls, self.connections)
    }
}

/// Parses the operator's list of methods.
fn methods(names: Option<&[String]>) -> Result<Vec<Method>, Failure> {
    let Some(names) = names else { return Ok(METHODS.to_vec()) };
    let known = |name: &String| {
        METHODS.iter().find(|method| method.as_str() == name.to_ascii_uppercase()).cloned().ok_or_else(|| {
            let known: Vec<_> = METHODS.iter().map(Method::as_str).collect();
            Failure::argument(format!("`methods` knows {}, not `{}`", known.join(", "), printable(name)))
        })
    };
    names.iter().map(known).collect()
}

/// Reads files on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let lost = |_| Failure::unavailable("the files it needs weren't read: this is a bug in agi-rhai");
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}
