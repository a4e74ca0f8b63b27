//! A connection to the manager interface, up to the login.

use super::Login;
use crate::agi::manager::{Messages, action};
use crate::agi::printable;
use md5::{Digest, Md5};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long connecting may take, and each answer up to the login. A wrong password is told after a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest line with which an Asterisk introduces itself.
const MAX_GREETING: usize = 256;

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A manager connection after the login.
pub(crate) struct Connection {
    pub stream: Box<dyn Stream>,
    /// What has arrived.
    pub messages: Messages,
    /// Where Asterisk is, and the address of this machine that it sees.
    pub addresses: (SocketAddr, SocketAddr),
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// Asterisk can't be reached.
    Unreachable(String),
    /// Asterisk takes no user of this name and secret.
    Refused(String),
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreachable(why) | Self::Refused(why)) = self;
        f.write_str(why)
    }
}

impl From<io::Error> for NoConnection {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(match error.kind() {
            io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
            _ => printable(&error.to_string()).into_owned(),
        })
    }
}

impl Login {
    /// Connects and logs in. Asterisk sends no events but those of AsyncAGI.
    ///
    /// # Errors
    /// Asterisk can't be reached, or refuses the user.
    pub async fn connect(&self) -> Result<Connection, NoConnection> {
        self.connect_for("agi").await
    }

    /// Connects and logs in. Asterisk sends no events.
    ///
    /// # Errors
    /// Asterisk can't be reached, or refuses the user.
    pub async fn connect_without_events(&self) -> Result<Connection, NoConnection> {
        self.connect_for("off").await
    }

    /// Returns where Asterisk is.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    #[cfg(feature = "tls")]
    fn uses_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "as with TLS")]
    fn uses_tls(&self) -> bool {
        false
    }

    async fn connect_for(&self, events: &str) -> Result<Connection, NoConnection> {
        let late = |what: &str| NoConnection::Unreachable(format!("{what} within {} s", TIMEOUT.as_secs()));
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let tcp = timeout(TIMEOUT, connecting).await.map_err(|_| late("it can't be reached"))??;
        tcp.set_nodelay(true)?;
        let addresses = (tcp.peer_addr()?, tcp.local_addr()?);
        let stream = timeout(TIMEOUT, self.secure(tcp)).await.map_err(|_| late("no TLS was agreed on"))??;
        let mut connection = Connection { stream, messages: Messages::default(), addresses };
        let silent = if self.uses_tls() { "it sent no greeting" } else { "it sent no greeting (TLS is `tls = true`)" };
        timeout(TIMEOUT, self.greet(&mut connection)).await.map_err(|_| late(silent))??;
        timeout(TIMEOUT, self.log_in(&mut connection, events))
            .await
            .map_err(|_| late("it did not answer the login"))??;
        Ok(connection)
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, tcp: TcpStream) -> Result<Box<dyn Stream>, NoConnection> {
        let Some(connector) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = rustls::pki_types::ServerName::try_from(self.host.clone())
            .map_err(|_| NoConnection::Refused("its address is no name for a certificate".to_owned()))?;
        let secured = connector.connect(name, tcp).await.map_err(|error| {
            let text = error.to_string();
            NoConnection::Unreachable(format!("TLS: {}{}", printable(&text), crate::service::tls::advice(&text)))
        })?;
        Ok(Box::new(secured))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "as with TLS")]
    async fn secure(&self, tcp: TcpStream) -> Result<Box<dyn Stream>, NoConnection> {
        Ok(Box::new(tcp))
    }

    /// Reads the line with which Asterisk introduces itself.
    async fn greet(&self, connection: &mut Connection) -> Result<(), NoConnection> {
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"\n") && greeting.len() < MAX_GREETING {
            greeting.push(connection.stream.read_u8().await?);
        }
        if greeting.starts_with(b"Asterisk Call Manager/") {
            return Ok(());
        }
        Err(NoConnection::Refused(format!("what answers at {} is no manager of an Asterisk", self.address())))
    }

    async fn log_in(&self, connection: &mut Connection, events: &str) -> Result<(), NoConnection> {
        let Some(secret) = &self.secret else {
            return Err(NoConnection::Refused("its `secret_file` was not read, as `Settings::read` does".to_owned()));
        };
        let challenge = connection.ask("Challenge", &[("AuthType", b"MD5")]).await?;
        let challenge = challenge.map_err(|why| NoConnection::Refused(format!("it gives no challenge: {why}")))?;
        let digest = Md5::digest([challenge.as_bytes(), secret.0.as_bytes()].concat());
        let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let headers: [(&str, &[u8]); 4] = [
            ("AuthType", b"MD5"),
            ("Username", self.user.as_bytes()),
            ("Key", key.as_bytes()),
            ("Events", events.as_bytes()),
        ];
        let refused = |why| {
            let user = printable(&self.user);
            NoConnection::Refused(format!(
                "Asterisk refuses the user `{user}` ({why}): look at its name, its secret and who may log in (`permit`, \
                 `deny`) in manager.conf"
            ))
        };
        connection.ask("Login", &headers).await?.map(drop).map_err(refused)
    }
}

impl Connection {
    /// Sends an action, and waits for its response; events in between are dropped. Returns the challenge in it, if
    /// there is one; otherwise what Asterisk says about why not.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn ask(&mut self, name: &str, headers: &[(&str, &[u8])]) -> io::Result<Result<String, String>> {
        self.stream.write_all(&action(name, headers)).await?;
        loop {
            if let Some(message) = self.messages.take().map_err(io::Error::other)? {
                if message.is_response() {
                    let said = |name| printable(message.get(name)).into_owned();
                    return Ok(if message.is_success() { Ok(said("Challenge")) } else { Err(said("Message")) });
                }
                continue;
            }
            if self.stream.read_buf(self.messages.buffer()).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
