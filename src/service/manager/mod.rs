//! Connections to the manager interface (AMI) of an Asterisk.

#[cfg(unix)]
mod connection;

#[cfg(unix)]
pub(crate) use connection::{Connection, NoConnection};

use super::settings::ManagerSettings;
use super::settings::values::Secret;
use crate::transport::Failure;
use std::net::SocketAddr;

/// The port of the manager interface.
const PORT: u16 = 5038;
/// The same with TLS.
const TLS_PORT: u16 = 5039;
/// What is needed to log in.
pub(crate) struct Login {
    host: String,
    port: u16,
    user: String,
    secret: Option<Secret>,
    #[cfg(feature = "tls")]
    tls: Option<tokio_rustls::TlsConnector>,
}

impl Login {
    /// Checks the settings.
    ///
    /// # Errors
    /// They name no address, or there is no TLS in this program.
    pub fn new(settings: &ManagerSettings) -> Result<Self, Failure> {
        let default = if settings.tls { TLS_PORT } else { PORT };
        let (host, port) = address(&settings.address, default)
            .ok_or_else(|| Failure::argument("`address` isn't a host and a port, such as pbx1:5038"))?;
        #[cfg(not(feature = "tls"))]
        if settings.tls {
            return Err(Failure::argument("`tls`: this program was built without TLS"));
        }
        Ok(Self {
            host,
            port,
            user: settings.user.clone(),
            secret: settings.secret.clone(),
            #[cfg(feature = "tls")]
            tls: if settings.tls {
                let ca = settings.ca.as_ref().map(|ca| ca.0.as_str());
                Some(tokio_rustls::TlsConnector::from(std::sync::Arc::new(super::tls::config(ca)?)))
            } else {
                None
            },
        })
    }
}

/// Whether this is a host, and maybe a port.
pub fn is_address(text: &str) -> bool {
    address(text, PORT).is_some()
}

/// Splits an address into host and port.
fn address(text: &str, port: u16) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = plain.parse::<std::net::IpAddr>() {
        return Some((ip.to_string(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, given)) => (host, given.parse().ok()?),
        None => (text, port),
    };
    (!host.is_empty() && !host.contains(['/', '@', ' '])).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_a_host_and_maybe_a_port() {
        let found = |text: &str| address(text, 5038).map(|(host, port)| format!("{host} {port}"));
        for (text, expected) in [
            ("pbx1", Some("pbx1 5038")),
            ("pbx1:5039", Some("pbx1 5039")),
            ("192.0.2.1", Some("192.0.2.1 5038")),
            ("192.0.2.1:1", Some("192.0.2.1 1")),
            ("::1", Some("::1 5038")),
            ("[::1]:7", Some("::1 7")),
            ("agi@pbx1", None),
            ("pbx1:x", None),
            ("", None),
        ] {
            assert_eq!(found(text).as_deref(), expected, "{text}");
        }
    }
}
