//! Mail. A message is checked and put together at once, and becomes a job; the runner of jobs sends it.

use super::files;
use super::patterns::matches;
use super::settings::MailSettings;
use super::settings::values::{Length, Secret, Size};
use super::store::NewJob;
use super::tls;
use super::unique::unique;
use crate::agi::printable;
use crate::plural::plural;
use crate::transport::{Failure, Request};
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How large a message may be unless the operator says otherwise: text and attachments together.
const MAX_SIZE: usize = 10 * 1024 * 1024;
/// How long a delivery may take unless the operator says otherwise. Some servers make strangers wait on purpose.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest number of recipients of a message.
const MAX_RECIPIENTS: usize = 100;

/// The client of a mail server.
#[derive(Debug)]
pub(crate) struct MailClient {
    url: Secret,
    password: Option<Secret>,
    /// Certificates to trust, as PEM.
    ca: Option<Secret>,
    from: Mailbox,
    to: Vec<String>,
    attach: Vec<PathBuf>,
    max_size: usize,
    timeout: Duration,
}

/// A message that waits for its delivery.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    pub from: String,
    pub to: Vec<String>,
    /// For whoever lists the jobs.
    pub subject: String,
    /// The message as it goes over the line, with its attachments. So it is still the same if it is sent twice.
    pub message: String,
}

impl Outgoing {
    fn envelope(&self) -> Result<Envelope, Failure> {
        let wrong = |error: lettre::address::AddressError| Failure::argument(error.to_string());
        let from: Address = self.from.parse().map_err(wrong)?;
        let to = self.to.iter().map(|to| to.parse().map_err(wrong)).collect::<Result<Vec<Address>, _>>()?;
        Envelope::new(Some(from), to).map_err(|error| Failure::argument(error.to_string()))
    }
}

/// Why a message wasn't delivered.
#[derive(Debug)]
pub(crate) struct Undelivered {
    /// The reason.
    pub failure: Failure,
    /// Whether the server will never take it.
    pub is_permanent: bool,
}

/// Checks a message as far as that doesn't depend on the operator's settings, nor on the files to attach.
///
/// # Errors
/// It would not be sent.
pub(super) fn check(request: &Request) -> Result<(), Failure> {
    let settings = serde_json::json!({ "url": "smtp://localhost", "from": "ivr@localhost", "to": ["*"] });
    let settings: MailSettings =
        serde_json::from_value(settings).map_err(|error| Failure::argument(error.to_string()))?;
    let client = MailClient::new(&settings)?;
    let mut request = request.clone();
    request.arguments.remove("attach");
    // Without files, it waits for nothing.
    match pin!(client.job(&request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(job) => job.map(drop),
        Poll::Pending => Ok(()),
    }
}

impl From<Failure> for Undelivered {
    /// It may be delivered later.
    fn from(failure: Failure) -> Self {
        Self { failure, is_permanent: false }
    }
}

impl MailClient {
    /// Creates a client with these settings. It connects when a message is sent.
    pub fn new(settings: &MailSettings) -> Result<Self, Failure> {
        let from = settings.from.parse();
        let from = from.map_err(|_| {
            Failure::argument(format!("its `from` in agi-rhai.toml, `{}`, isn't an address", printable(&settings.from)))
        })?;
        relay(&settings.url, settings.password.as_ref())?;
        Ok(Self {
            url: settings.url.clone(),
            password: settings.password.clone(),
            ca: settings.ca.clone(),
            from,
            to: settings.to.clone(),
            attach: settings.attach.clone().unwrap_or_else(files::default_folders),
            max_size: settings.max_size.map_or(MAX_SIZE, |Size(size)| size),
            timeout: settings.timeout.map_or(DELIVERY_TIMEOUT, |Length(length)| length.min(DELIVERY_TIMEOUT)),
        })
    }

    /// Checks a message, and makes the job of sending it. Attachments are read now: they may be gone after the call.
    pub async fn job(&self, request: &Request) -> Result<NewJob, Failure> {
        let to = self.recipients(request.argument("to"))?;
        let (subject, text) = (request.text("subject"), request.text("text"));
        if subject.contains(char::is_control) {
            return Err(Failure::argument("`subject` must be one line, without control characters"));
        }
        let mut attachments = Vec::new();
        let mut left = self.max_size.checked_sub(text.len()).ok_or_else(|| self.too_large())?;
        for path in texts(request.argument("attach"), "attach")? {
            let content = files::read(path, &self.attach, left).await?.ok_or_else(|| self.too_large())?;
            left -= content.len();
            attachments.push((path, content));
        }
        let message = self.message(&to, subject, text, attachments)?;
        let outgoing = Outgoing {
            from: self.from.email.to_string(),
            to: to.into_iter().map(|to| to.email.to_string()).collect(),
            subject: subject.to_owned(),
            message,
        };
        let content = serde_json::to_value(outgoing).map_err(|error| Failure::argument(error.to_string()))?;
        Ok(NewJob { kind: "mail".to_owned(), subject: request.service.clone(), content, delay: Duration::ZERO })
    }

    fn too_large(&self) -> Failure {
        let most = plural(self.max_size, "byte");
        Failure::argument(format!("text and attachments are larger than {most} (`max_size` in agi-rhai.toml)"))
    }

    fn recipients(&self, to: &Value) -> Result<Vec<Mailbox>, Failure> {
        let given = texts(to, "to")?;
        if given.is_empty() || given.len() > MAX_RECIPIENTS {
            return Err(Failure::argument(format!("`to` must hold 1 to {MAX_RECIPIENTS} addresses")));
        }
        let recipient = |text: &str| {
            let shown = printable(text).into_owned();
            let mailbox: Option<Mailbox> = Some(text).filter(|text| !text.contains(char::is_control))?.parse().ok();
            Some((shown, mailbox?))
        };
        given
            .into_iter()
            .map(|text| {
                let Some((shown, mailbox)) = recipient(text) else {
                    return Err(Failure::argument(format!("`{}` in `to` isn't an address", printable(text))));
                };
                let address = mailbox.email.to_string().to_lowercase();
                if self.to.iter().any(|pattern| matches(&pattern.to_lowercase(), &address)) {
                    return Ok(mailbox);
                }
                Err(Failure::argument(format!(
                    "`{shown}` may not be written to: `to` in agi-rhai.toml doesn't allow it"
                )))
            })
            .collect()
    }

    /// Puts a message together.
    fn message(
        &self,
        to: &[Mailbox],
        subject: &str,
        text: &str,
        attachments: Vec<(&str, Vec<u8>)>,
    ) -> Result<String, Failure> {
        let id = format!("<{}@{}>", unique(), self.from.email.domain());
        let builder = Message::builder().from(self.from.clone()).subject(subject).message_id(Some(id));
        let builder = to.iter().fold(builder, |builder, to| builder.to(to.clone()));
        let text = SinglePart::plain(text.to_owned());
        let message = if attachments.is_empty() {
            builder.singlepart(text)
        } else {
            let parts = attachments.into_iter().fold(MultiPart::mixed().singlepart(text), |parts, (path, content)| {
                let content = Body::new_with_encoding(content, ContentTransferEncoding::Base64).map_err(|_| ());
                match content {
                    Ok(content) => parts.singlepart(Attachment::new(file_name(path)).body(content, content_type(path))),
                    // Anything can be written as base64.
                    Err(()) => parts,
                }
            });
            builder.multipart(parts)
        };
        let message = message.map_err(|error| Failure::argument(error.to_string()))?;
        String::from_utf8(message.formatted()).map_err(|_| Failure::argument("the message can't be written as UTF-8"))
    }

    /// Sends a message.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<(), Undelivered> {
        let envelope = outgoing.envelope().map_err(|failure| Undelivered { failure, is_permanent: true })?;
        // It is made for each delivery: so it needs no care while it is idle, and trusts what the system trusts by now.
        let transport = self.transport()?;
        let sent = tokio::time::timeout(self.timeout, transport.send_raw(&envelope, outgoing.message.as_bytes())).await;
        transport.shutdown().await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let code = error.status().map(u16::from);
                let text = error.to_string();
                let advice = tls::advice(&text);
                let message = format!("the mail server refused or broke off: {}{advice}", printable(&text));
                // Who may use the server is the operator's matter, and can be set right.
                let is_permanent = error.is_permanent() && !matches!(code, Some(530 | 534 | 535 | 538));
                Err(Undelivered { failure: Failure::unavailable(message), is_permanent })
            }
            Err(_) => {
                let seconds = self.timeout.as_secs_f64();
                Err(Failure::unavailable(format!("the mail server took longer than {seconds} s")).into())
            }
        }
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, Failure> {
        let builder = relay(&self.url, self.password.as_ref())?.timeout(Some(self.timeout));
        let Secret(url) = &self.url;
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let tls: Option<fn(TlsParameters) -> Tls> = match rest.split_once("tls=").map(|(_, tls)| tls) {
            _ if scheme.eq_ignore_ascii_case("smtps") => Some(Tls::Wrapper),
            Some(tls) if tls.starts_with("required") => Some(Tls::Required),
            Some(tls) if tls.starts_with("opportunistic") => Some(Tls::Opportunistic),
            _ => None,
        };
        Ok(match tls {
            Some(tls) => builder.tls(tls(self.trust(host(rest))?)).build(),
            None => builder.build(),
        })
    }

    /// Returns what is trusted: the system's certificates, or those that come with this program where there are none,
    /// and the operator's.
    fn trust(&self, host: &str) -> Result<TlsParameters, Failure> {
        let mut parameters = TlsParameters::builder(host.to_owned());
        let own = self.ca.as_ref().and_then(|Secret(pem)| tls::certificates(pem).ok()).unwrap_or_default();
        for certificate in rustls_native_certs::load_native_certs().certs.into_iter().chain(own) {
            if let Ok(certificate) = Certificate::from_der(certificate.to_vec()) {
                parameters = parameters.add_root_certificate(certificate);
            }
        }
        parameters.build().map_err(|error| Failure::unavailable(format!("TLS: {}", printable(&error.to_string()))))
    }
}

/// Reads the address of a mail server.
///
/// # Errors
/// It isn't one. The reason doesn't hold it.
fn relay(Secret(url): &Secret, password: Option<&Secret>) -> Result<AsyncSmtpTransportBuilder, Failure> {
    AsyncSmtpTransport::<Tokio1Executor>::from_url(&with_password(url, password)).map_err(|_| {
        Failure::argument(
            "its `url` in agi-rhai.toml must be such as `smtp://localhost`, `smtp://mail.example.net?tls=required` \
             (STARTTLS) or `smtps://name@mail.example.net`",
        )
    })
}

/// Returns the host in what follows the scheme of an address.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Puts the password of a file into an address, behind the name that is in it.
fn with_password(url: &str, password: Option<&Secret>) -> String {
    let Some(Secret(password)) = password else { return url.to_owned() };
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, rest)) = rest.split_once('@') else { return url.to_owned() };
    let name = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{name}:{}@{rest}", utf8_percent_encode(password, NON_ALPHANUMERIC))
}

/// Returns the texts of an argument that is one text, several, or missing.
fn texts<'a>(given: &'a Value, name: &str) -> Result<Vec<&'a str>, Failure> {
    let items = match given {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let text = |item: &'a Value| item.as_str().ok_or_else(|| Failure::argument(format!("`{name}` must hold texts")));
    items.iter().map(text).collect()
}

/// Returns the name of an attachment: that of its file.
fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name().map_or_else(|| path.into(), |name| name.to_string_lossy());
    name.chars().map(|c| if c.is_control() || c == '"' { '_' } else { c }).collect()
}

/// Returns the type of an attachment, by the ending of its file's name.
fn content_type(path: &str) -> ContentType {
    let ending =
        Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let name = match ending.as_str() {
        // Asterisk's `wav49` too, which it writes as `.WAV`.
        "wav" | "wav49" | "wav16" => "audio/wav",
        "gsm" => "audio/gsm",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "ulaw" | "pcm" | "ul" | "mu" => "audio/basic",
        "txt" | "log" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "pdf" => "application/pdf",
        "json" => "application/json",
        _ => "application/octet-stream",
    };
    ContentType::parse(name).unwrap_or(ContentType::TEXT_PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_from_a_file_is_put_behind_the_name() {
        let secret = Secret("p@ss:w/rd".to_owned());
        let with = |url| with_password(url, Some(&secret));
        assert_eq!(
            with("smtp://joe@mail.example.net:25?tls=required"),
            "smtp://joe:p%40ss%3Aw%2Frd@mail.example.net:25?tls=required"
        );
        assert_eq!(with("smtps://joe:old@h"), "smtps://joe:p%40ss%3Aw%2Frd@h");
        assert_eq!(with("smtp://localhost"), "smtp://localhost");
    }

    #[test]
    fn hosts_are_found_in_addresses() {
        for (rest, found) in [("localhost", "localhost"), ("a:b@h:25/x?tls=required", "h"), ("[::1]:25", "::1")] {
            assert_eq!(host(rest), found);
        }
    }
}
