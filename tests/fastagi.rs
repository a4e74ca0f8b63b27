//! The FastAGI server: mostly as a process, with peers that act as Asterisk does.

mod alone;
mod doors;
mod edits;
mod limits;
mod operating;
mod soak;
mod stuck;
mod waiting;
mod walls;
mod watching;

use crate::support::process::Folder;
use crate::support::server::{Peer, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Makes a folder with these scripts in it.
fn scripts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Folder {
    let folder = Folder::new();
    for (name, text) in files {
        folder.file(&format!("scripts/{name}"), text);
    }
    folder
}

/// A script that sends one command after the other until a reply ends it.
const NEIGHBOUR: (&str, &str) = ("neighbour.rhai", "while get_variable(\"ON\") != () { } verbose(\"well\");");

/// A call that sends commands all the time, to measure how much other calls slow it down.
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Neighbour {
    fn of(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut peer) = (Arc::clone(&stop), server.call("neighbour"));
        let thread = std::thread::spawn(move || {
            let mut times = Vec::new();
            let mut asked = None::<Instant>;
            loop {
                let line = peer.line().expect("the neighbour call has ended");
                times.extend(asked.map(|asked| asked.elapsed()));
                if line != "GET VARIABLE \"ON\"" {
                    assert_eq!(line, "VERBOSE \"well\" 1");
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
                let on = !stopped.load(Relaxed);
                asked = Some(Instant::now());
                peer.send(if on { "200 result=1 (yes)\n" } else { "200 result=0\n" });
            }
            peer.send("200 result=1\n");
            assert_eq!(peer.play().status(), "SUCCESS");
            times
        });
        Self { stop, thread }
    }

    /// Ends the call, and checks that 99 % of its commands took less than the limit.
    #[track_caller]
    fn check(self, what: &str, max: Duration) {
        self.stop.store(true, Relaxed);
        let mut times = self.thread.join().expect("the neighbour call has failed");
        times.sort_unstable();
        let (count, at) = (times.len(), |share: f64| times[((times.len() - 1) as f64 * share) as usize]);
        eprintln!(
            "next to {what}: {count} commands, half in {:?}, 99 % in {:?}, all in {:?}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
        assert!(at(0.99) < max, "99 % of its commands took up to {:?}", at(0.99));
    }
}

/// Answers a call on a thread of its own.
fn in_background(peer: Peer) -> JoinHandle<String> {
    std::thread::spawn(move || peer.play().status().to_owned())
}
