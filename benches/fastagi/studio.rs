//! A studio that shows the calls of a server, and its readers.

use super::server;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running studio.
pub struct Studio {
    child: Child,
    address: String,
    token: String,
}

/// A page, as far as its ears go.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Studio {
    /// Starts a studio of the server with this control socket.
    pub fn start(program: &Path, socket: &Path, folder: &Path) -> io::Result<Self> {
        let page = folder.join("page");
        std::fs::create_dir_all(&page)?;
        std::fs::write(page.join("index.html"), "<!doctype html>")?;
        let mut command = Command::new(program);
        command.args(["studio", "--no-open", "--listen", "127.0.0.1:0", "--server"]).arg(socket);
        let mut child = command.arg("--page").arg(page).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let said = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        for line in said.lines() {
            let line = line?;
            if let Some((address, token)) = line.trim().split_once("/#token=") {
                let address = address.trim_start_matches("http://").to_owned();
                return Ok(Self { child, address, token: token.to_owned() });
            }
        }
        Err(io::Error::other("the studio did not start"))
    }

    pub fn processor_time(&self) -> io::Result<Duration> {
        server::processor_time(self.child.id())
    }

    /// Returns the memory it holds, in KiB.
    pub fn resident(&self) -> io::Result<f64> {
        server::resident(self.child.id())
    }

    /// Asks for the calls, and reads nothing. The system holds little for it.
    pub fn deaf(&self) -> io::Result<TcpStream> {
        let address: SocketAddr = self.address.parse().map_err(io::Error::other)?;
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        set_socket_recv_buffer_size(&socket, 4096)?;
        rustix::net::connect(&socket, &address)?;
        self.ask(TcpStream::from(socket))
    }

    fn ask(&self, mut stream: TcpStream) -> io::Result<TcpStream> {
        let (address, token) = (&self.address, &self.token);
        let head = format!("Host: {address}\r\nAuthorization: Bearer {token}");
        write!(stream, "GET /api/live/calls HTTP/1.1\r\n{head}\r\n\r\n")?;
        Ok(stream)
    }

    /// Asks for the calls, and reads all that comes.
    pub fn reader(&self) -> io::Result<Reader> {
        let mut stream = self.ask(TcpStream::connect(&self.address)?)?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
            while !stopped.load(Relaxed) {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => count += length as u64,
                    Err(_) => {}
                }
            }
            count
        });
        Ok(Reader { stop, thread })
    }
}

impl Reader {
    /// Returns how many bytes have come.
    pub fn end(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
