//! What goes wrong on the way, in words that tell the operator what to do.

use super::address::host;
use super::connection::MAX_HEAD;
use crate::agi::printable;
use crate::transport::Failure;
use rustls::CertificateError;
use std::error::Error;
use std::io;
use std::io::ErrorKind;
use url::Url;

/// Says that a redirect isn't followed.
pub(super) fn elsewhere(to: &Url) -> Failure {
    let host = host(to);
    Failure::failed(format!(
        "it redirects to an address at {}, which isn't below its `url`, so this isn't followed",
        printable(&host)
    ))
}

/// Says what went wrong with a request to this host.
pub(super) fn failure(error: &(dyn Error + 'static), host: &str) -> Failure {
    let host = printable(host);
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut innermost = String::new();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return tls(error, &host);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && let Some(failure) = http(error)
        {
            return failure;
        }
        innermost = error.to_string();
        if innermost == "dns error" {
            let why = root(error).to_string();
            return Failure::unavailable(format!("the name in {host} isn't found: {}", printable(&why)));
        }
        cause = error.source();
        // An error of the system that wraps another one says nothing by itself.
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.get_ref() {
                Some(inner) if inner.is::<rustls::Error>() => cause = Some(inner),
                Some(inner) if inner.is::<io::Error>() => cause = Some(inner),
                _ => return system(error, &host),
            }
        }
    }
    Failure::unavailable(format!("{host} isn't reached: {}", printable(&innermost)))
}

/// Returns the cause of all.
fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, root)
}

/// Says what is wrong with an answer, if that is it.
fn http(error: &hyper::Error) -> Option<Failure> {
    if error.is_incomplete_message() {
        return Some(broken_off());
    }
    // hyper has a function for this, but only in its server.
    if error.is_parse() && error.to_string().contains("too large") {
        let kib = MAX_HEAD / 1024;
        return Some(Failure::failed(format!(
            "its answer has too many or too large headers: 100, of {kib} KiB in all, are taken"
        )));
    }
    if error.is_parse() {
        return Some(Failure::failed(format!("what it answers isn't HTTP ({error}): is that its port in `url`?")));
    }
    None
}

fn broken_off() -> Failure {
    Failure::unavailable("it broke the connection off before its answer was complete")
}

fn system(error: &io::Error, host: &str) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused => Failure::unavailable(format!("nothing listens at {host}")),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => broken_off(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => {
            Failure::failed(format!("its answer can't be read: {}", printable(&error.to_string())))
        }
        _ => Failure::unavailable(format!("{host} isn't reached: {}", printable(&error.to_string()))),
    }
}

fn tls(error: &rustls::Error, host: &str) -> Failure {
    let why = match error {
        rustls::Error::InvalidCertificate(error) => certificate(error, host),
        rustls::Error::InvalidMessage(_) => format!("{host} answers without TLS: is it `http://` in `url`?"),
        rustls::Error::AlertReceived(alert) => format!("{host} refuses TLS: {alert:?}"),
        error => format!("TLS with {host} fails: {}", printable(&error.to_string())),
    };
    Failure::unavailable(why)
}

fn certificate(error: &CertificateError, host: &str) -> String {
    match error {
        // A signature that doesn't match is one of an authority that has only the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the certificate of {host} is signed by nobody that this machine trusts; if it is right, give the \
             certificate of its issuer in `ca_file`"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {host} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {host} isn't valid yet: is this machine's clock right?")
        }
        CertificateError::NotValidForName => format!("the certificate of {host} is for another name"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().take(5).map(|name| printable(name)).collect();
            format!("the certificate of {host} is for another name: {}", names.join(", "))
        }
        error => {
            let text = error.to_string();
            let self_signed = if text.contains("CaUsedAsEndEntity") {
                "it is an authority's own; have it sign one for the server, and give the authority's in `ca_file`"
            } else {
                &text
            };
            format!("the certificate of {host} isn't valid: {}", printable(self_signed))
        }
    }
}
