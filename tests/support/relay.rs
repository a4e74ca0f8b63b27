//! What lies between a client and a real server: a wire that a test makes slow, or noisy.
#![allow(clippy::disallowed_methods, reason = "servers live in real time")]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// How long a byte takes on a slow wire.
const BYTE: Duration = Duration::from_millis(500);
/// What a noisy wire makes of an answer: nothing that any protocol or text knows.
const NOISE: &[u8] = b"\xff\xfe\x1b[2J\0\x80\xff\xff\xff\xff\r\n\xc3\x28\0\xf5\x9b\x07\xff\0\0\xde\xad\r\n\r\n\xff";

/// What becomes of a server's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wire {
    /// They are passed on.
    Good,
    /// They come a byte at a time.
    Slow,
    /// Each is noise from its middle on.
    Noisy,
}

/// A wire to a server, on a port of its own.
pub struct Relay {
    pub port: u16,
    wire: Arc<AtomicU8>,
}

impl Relay {
    /// Lays a wire to the server on this port, which may come and go.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let wire = Arc::new(AtomicU8::new(Wire::Good as u8));
        let of_connections = Arc::clone(&wire);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Nobody is there: the client is let go.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
                let (mut asks, mut asked) =
                    (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                thread::spawn(move || {
                    let _ = io::copy(&mut asks, &mut asked);
                    let _ = asked.shutdown(Shutdown::Both);
                });
                let wire = Arc::clone(&of_connections);
                thread::spawn(move || {
                    let _ = pass_on(&server, &client, &wire);
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, wire }
    }

    /// Makes the wire so, for connections that are open too.
    pub fn set(&self, wire: Wire) {
        self.wire.store(wire as u8, SeqCst);
    }
}

/// Passes answers on until one end is closed.
fn pass_on(mut server: &TcpStream, mut client: &TcpStream, wire: &AtomicU8) -> io::Result<()> {
    let is = |other: Wire| wire.load(SeqCst) == other as u8;
    client.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = server.read(&mut buffer)?;
        let mut answer = &buffer[..length];
        if answer.is_empty() {
            return Ok(());
        }
        while is(Wire::Slow) && !answer.is_empty() {
            for _ in 0..BYTE.as_millis() / 10 {
                if is(Wire::Slow) {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            client.write_all(&answer[..1])?;
            answer = &answer[1..];
        }
        if is(Wire::Noisy) {
            client.write_all(&answer[..answer.len() / 2])?;
            answer = NOISE;
        }
        client.write_all(answer)?;
    }
}
