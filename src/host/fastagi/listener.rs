//! Listening sockets, and what their connections inherit.

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// The port that Asterisk uses if the dialplan names none.
pub const PORT: u16 = 4573;
/// How long a peer may be silent before it is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// The time between two such probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// After this many probes without an answer, the connection is given up.
const KEEPALIVE_RETRIES: u32 = 3;
/// The connection is also given up if what was sent isn't acknowledged for this long, in milliseconds.
const UNACKNOWLEDGED_TIMEOUT: u32 = 60_000;

/// Listens on an address, with as many waiting connections as the system permits.
///
/// # Errors
/// The address is in use or doesn't belong to this machine.
pub fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // `[::]` must not take what belongs to `0.0.0.0`.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    // The system reduces this to net.core.somaxconn.
    listen(&socket, i32::MAX)?;
    Ok(TcpListener::from(socket))
}

/// Sets what connections inherit from their listener.
pub(super) fn prepare(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(listener, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(listener, KEEPALIVE_RETRIES)?;
    sockopt::set_tcp_user_timeout(listener, UNACKNOWLEDGED_TIMEOUT)?;
    sockopt::set_tcp_nodelay(listener, true)?;
    Ok(())
}
