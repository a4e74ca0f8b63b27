//! A server that a test makes behave as it likes.
#![expect(clippy::disallowed_methods, reason = "servers live in real time")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server on a free port of this machine.
pub struct Backend {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
}

impl Backend {
    /// Starts a server that answers each request with these bytes, and keeps the connection.
    pub fn answers(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |stream, _| stream.write_all(&answer).is_ok())
    }

    /// Starts a server that answers each request by this function, which says whether the connection stays.
    pub fn start(answer: impl Fn(&mut TcpStream, &str) -> bool + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let backend = Self::accepting(move |mut stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(request) = read_request(&mut reader) {
                seen.lock().unwrap().push(request.clone());
                if !answer(&mut stream, &request) {
                    return;
                }
            }
        });
        Self { seen: requests, ..backend }
    }

    /// Starts a server that hands each connection to this function, which may hold it as long as it likes.
    pub fn accepting(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (serve, now_open, all) = (Arc::new(serve), Arc::clone(&open), Arc::clone(&accepted));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                stream.set_nodelay(true).unwrap();
                now_open.fetch_add(1, SeqCst);
                all.fetch_add(1, SeqCst);
                let (serve, now_open) = (Arc::clone(&serve), Arc::clone(&now_open));
                std::thread::spawn(move || {
                    serve(stream);
                    now_open.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { address, seen: Arc::default(), open, accepted }
    }

    /// Returns the requests it got: head and body, as they came.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns how many connections were made.
    pub fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }

    /// Waits until all connections are closed.
    #[track_caller]
    pub fn wait_closed(&self, within: Duration) {
        for _ in 0..=within.as_millis() {
            if self.open.load(SeqCst) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{} of its connections are still open", self.open.load(SeqCst));
    }
}

/// Reads a request with its body; `None` when the connection ends.
pub fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut request = String::new();
    let mut length = 0;
    loop {
        let start = request.len();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let line = &request[start..];
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(format!("{request}{}", String::from_utf8_lossy(&body)))
}

/// Returns an answer with this head below the status line, and this body.
pub fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
