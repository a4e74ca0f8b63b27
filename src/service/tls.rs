//! TLS for all clients: whom they trust.

use crate::agi::printable;
use crate::transport::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::sync::OnceLock;
use tracing::debug;

/// Returns what a client with TLS needs. It trusts the system's certificates, and these, written as PEM.
///
/// This reads files: for some milliseconds the first time, so it isn't for the thread of a call.
///
/// # Errors
/// There are no certificates in the text.
pub(super) fn config(ca: Option<&str>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::clone(trusted());
    let own = ca.map(certificates).transpose().map_err(|why| Failure::argument(format!("`ca_file`: {why}")))?;
    roots.add_parsable_certificates(own.unwrap_or_default());
    with_roots(roots)
}

/// Returns what a client needs that uses no TLS, but won't start without a configuration. It trusts nobody.
///
/// # Errors
/// The provider can do no version of TLS, which doesn't happen.
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only the client of HTTP needs it"))]
pub(super) fn unused() -> Result<ClientConfig, Failure> {
    with_roots(RootCertStore::empty())
}

/// Reads the certificates in a text of PEM.
///
/// # Errors
/// There are none, or one can't be used. The reason doesn't hold the text.
pub(super) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| printable(&error.to_string()).into_owned())?;
    if found.is_empty() {
        return Err("it holds no `BEGIN CERTIFICATE`".to_owned());
    }
    for certificate in &found {
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|error| format!("a certificate in it is broken: {}", printable(&error.to_string())))?;
    }
    Ok(found)
}

/// Returns what the operator can do about an error of TLS, to stand behind its text; nothing if it is about something
/// else. Clients wrap the error in errors of their own, so its text is all there is.
pub(super) fn advice(error: &str) -> &'static str {
    // The second one: an authority has the name of a known one, and another key.
    let advices = [
        ("UnknownIssuer", ": its certificate is signed by nobody known here; `ca_file` names an authority to trust"),
        ("BadSignature", ": its certificate is signed by nobody known here; `ca_file` names an authority to trust"),
        (
            "CaUsedAsEndEntity",
            ": its certificate is one that may sign others; it must be made with basicConstraints=CA:FALSE",
        ),
        ("UnsupportedCertVersion", ": its certificate is of an old form; it must be made with a subjectAltName"),
        ("InvalidContentType", ": what answers there doesn't speak TLS"),
    ];
    advices.iter().find(|(text, _)| error.contains(text)).map_or("", |(_, advice)| advice)
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, Failure> {
    // The provider is named, since a process may have two of them linked, and then has no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::argument(format!("TLS can't be used: {error}")))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// Returns the system's certificates; the bundled ones of Mozilla where there are none, as in a container with the
/// program alone. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as for OpenSSL. They are read at the first use.
fn trusted() -> &'static RootCertStore {
    static TRUSTED: OnceLock<RootCertStore> = OnceLock::new();
    TRUSTED.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        debug!(added, ignored, errors = ?found.errors, "the system's certificates");
        if added == 0 {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}

/// Returns the system's certificates in the form that clients take which make their own configuration.
#[cfg(any(feature = "redis", feature = "sql"))]
pub(super) fn system_pem() -> Vec<u8> {
    let mut text = String::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // The client refuses all of them if one can't be used.
        if RootCertStore::empty().add(certificate.clone()).is_ok() {
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            text.push_str(&base64(&certificate));
            text.push_str("\n-----END CERTIFICATE-----\n");
        }
    }
    text.into_bytes()
}

/// Writes bytes as text.
#[cfg(any(feature = "http", feature = "redis", feature = "sql"))]
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_certificates_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n";
        for (pem, why) in [("", "holds no `BEGIN CERTIFICATE`"), ("secret", "holds no"), (broken, "is broken")] {
            let refused = certificates(pem).expect_err("there is none");
            assert!(refused.contains(why) && !refused.contains("secret"), "{refused}");
        }
        assert!(!trusted().is_empty(), "there are always certificates");
    }

    #[test]
    #[cfg(any(feature = "redis", feature = "sql"))]
    fn certificates_are_written_as_pem() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
        let pem = system_pem();
        let read = CertificateDer::pem_slice_iter(&pem);
        assert!(read.into_iter().all(|certificate| certificate.is_ok()));
    }
}
