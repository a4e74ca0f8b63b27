//! Where the studio listens.

use super::guard::Hosts;
use crate::advice::cannot_listen;
use crate::out;
use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// The first port that is tried, and how many after it.
const PORT: u16 = 8300;
const PORTS: u16 = 20;

/// The sockets of a studio.
pub struct Listening {
    pub listeners: Vec<TcpListener>,
    pub hosts: Hosts,
    /// The address of the page, without the token.
    pub address: String,
}

impl Listening {
    /// Listens on the named address, or on the first port that is free on this machine.
    pub fn new(named: Option<&str>) -> Result<Self> {
        let Some(named) = named else { return Self::on_this_machine() };
        let (name, address) = resolve(named)?;
        let listener = TcpListener::bind(address).map_err(|error| cannot_listen(&address.to_string(), error))?;
        let this = Self::on(listener, name.as_deref())?;
        if !address.ip().is_loopback() {
            out::stderr_line(format_args!(
                "warning: the studio listens on {address}, beyond this machine: whoever has its address with the token \
                 can read and change the scripts, which the server runs; and it has no TLS, so whoever sees the \
                 traffic has the token. A tunnel is safer: `agi-rhai studio` there, and here \
                 `ssh -L {PORT}:127.0.0.1:{PORT} HOST`."
            ));
        }
        Ok(this)
    }

    fn on_this_machine() -> Result<Self> {
        for port in PORT..PORT + PORTS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match TcpListener::bind(address) {
                Ok(listener) => return Self::on(listener, None),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => return Err(cannot_listen(&address.to_string(), error)),
            }
        }
        bail!("the ports {PORT} to {} are all in use: choose another one with --listen ADDR", PORT + PORTS - 1)
    }

    fn on(listener: TcpListener, name: Option<&str>) -> Result<Self> {
        let local = listener.local_addr().context("no address")?;
        let (ip, port) = (local.ip(), local.port());
        let shown = match (name, ip) {
            (Some(name), _) => format!("{name}:{port}"),
            // A browser on this machine, since no other name is known.
            (None, IpAddr::V4(ip)) if ip.is_unspecified() => format!("127.0.0.1:{port}"),
            (None, IpAddr::V6(ip)) if ip.is_unspecified() => format!("[::1]:{port}"),
            _ => local.to_string(),
        };
        let hosts = Hosts::new(name, ip, port);
        Ok(Self { listeners: vec![listener], hosts, address: format!("http://{shown}/") })
    }
}

/// Returns the address that a text means, and its name if it has one: `8300`, `127.0.0.1`, `localhost:8300`.
fn resolve(text: &str) -> Result<(Option<String>, SocketAddr)> {
    if let Ok(port) = text.parse() {
        return Ok((None, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    if let Ok(address) = text.parse() {
        return Ok((None, address));
    }
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok((None, SocketAddr::new(ip, PORT)));
    }
    let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port = if port.is_empty() { Ok(PORT) } else { port.parse() };
    let wrong = || format!("{text} isn't an address such as {PORT}, 127.0.0.1:{PORT} or [::1]:{PORT}");
    let found = (name, port.with_context(wrong)?).to_socket_addrs().with_context(wrong)?.next();
    Ok((Some(name.to_owned()), found.with_context(wrong)?))
}
