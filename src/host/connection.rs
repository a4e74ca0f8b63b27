//! A TCP connection from Asterisk as a [`Wire`], used by the coroutine of its call.

use super::coroutine::{Running, TaskId};
use crate::clock::{self, Stopwatch, Time};
use crate::transport::{Got, Remote, Wait, Wire};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::task::{Wake, Waker};
use std::time::Duration;

/// How long the peer may leave unread what was sent to it.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection from Asterisk. It receives and sends through its thread's reactor.
pub(super) struct Connection {
    /// The clock of its thread.
    clock: Stopwatch,
    call: Option<CallOfWorker>,
    waker: Option<Arc<CallWaker>>,
    remote: Option<Remote>,
}

/// Whoever can wake the calls of workers, from any thread.
pub(super) trait WakeCalls: Send + Sync {
    /// Ends the wait of a call.
    fn wake(&self, worker: usize, task: TaskId);
}

/// Where a call runs.
#[derive(Clone)]
struct CallOfWorker {
    workers: Arc<dyn WakeCalls>,
    worker: usize,
    task: TaskId,
}

/// Wakes one call.
struct CallWaker {
    call: CallOfWorker,
    has_woken: AtomicBool,
}

impl Wake for CallWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The flag first: a call that is about to wait sees it, or is woken.
        self.has_woken.store(true, Release);
        self.call.workers.wake(self.call.worker, self.call.task);
    }
}

impl Connection {
    /// Returns the connection of the coroutine that is running.
    pub fn new(clock: Stopwatch) -> Self {
        Self { clock, call: None, waker: None, remote: None }
    }

    /// Sets where its other end is.
    pub fn comes_from(&mut self, remote: Option<Remote>) {
        self.remote = remote;
    }

    /// Sets where its call runs, so that it can be woken.
    pub fn runs_at(&mut self, workers: Arc<dyn WakeCalls>, worker: usize, task: TaskId) {
        self.call = Some(CallOfWorker { workers, worker, task });
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Wire for Connection {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn wall(&self) -> Time {
        clock::wall()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let running = Running::get()?;
        let (Wait::Opening(until) | Wait::Reply(until) | Wait::Pause(until) | Wait::Wakeup(until)) = wait;
        let has_line = !matches!(wait, Wait::Wakeup(_));
        let waker = if matches!(wait, Wait::Pause(_) | Wait::Wakeup(_)) { self.waker.as_deref() } else { None };
        // A reply that arrives in time doesn't cost a look at the clock. A pause that is over must not wait at all.
        let mut check_time = matches!(wait, Wait::Pause(_) | Wait::Wakeup(_));
        if check_time {
            // A call that has computed for a while lets others run first.
            running.step_aside();
        }
        loop {
            if running.take_stop() {
                return Ok(Got::Stop);
            }
            if has_line && running.take(bytes)? {
                return Ok(Got::Bytes);
            }
            if has_line && running.is_at_end() {
                return Ok(Got::End);
            }
            if waker.is_some_and(|waker| waker.has_woken.swap(false, Acquire)) {
                return Ok(Got::Wakeup);
            }
            if check_time && self.now() >= until {
                return Ok(Got::Nothing);
            }
            check_time = true;
            running.wait(until);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let running = Running::get()?;
        let mut until = None;
        // Only one line is in flight. So the peer hasn't read that one yet, and this one follows after its timeout.
        while running.is_sending() {
            if running.take_stop() {
                return Err(io::Error::other("ended by the operator while the peer read nothing"));
            }
            let until = *until.get_or_insert_with(|| self.now() + SEND_TIMEOUT);
            if self.now() >= until {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the peer read nothing for {} s", SEND_TIMEOUT.as_secs()),
                ));
            }
            running.wait(until);
        }
        running.send(bytes);
        Ok(())
    }

    fn waker(&mut self) -> Option<Waker> {
        if self.waker.is_none() {
            let call = self.call.clone()?;
            self.waker = Some(Arc::new(CallWaker { call, has_woken: AtomicBool::new(false) }));
        }
        self.waker.clone().map(Waker::from)
    }

    fn remote(&self) -> Option<Remote> {
        self.remote
    }

    fn more_is_due(&mut self) {
        if let Ok(running) = Running::get() {
            running.acknowledge();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Host;
    use crate::clock::{SET_FORWARD, wall};
    use crate::host::Recorder;
    use crate::host::fastagi::{Admission, Server};
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    const DAY: u64 = 86_400;

    /// Returns the numbers a call logs. The wall clock is set forward by a day while it waits for a key.
    fn logged_times(server: &TcpListener) -> Vec<f64> {
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        stream.write_all(b"agi_network: yes\nagi_network_script: clock\n\n").unwrap();
        let mut logged = Vec::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            let waits = line.starts_with("WAIT FOR DIGIT");
            if waits {
                SET_FORWARD.fetch_add(DAY, Relaxed);
            }
            logged.extend(line.strip_prefix("VERBOSE \"").map(|text| text[..text.len() - 3].parse::<f64>().unwrap()));
            stream.write_all(if waits { b"200 result=0\n" } else { b"200 result=1\n" }).unwrap();
        }
        logged
    }

    #[test]
    fn setting_the_wall_clock_changes_now_but_not_elapsed() {
        let folder = std::env::temp_dir().join(format!("agi-rhai-clock-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("scripts")).unwrap();
        let script =
            "verbose(now()); verbose(`${elapsed()}`); wait_for_digit(1000); verbose(now()); verbose(`${elapsed()}`);";
        std::fs::write(folder.join("scripts/clock.rhai"), script).unwrap();
        let mut host = Host::new();
        let records = folder.join("records");
        host.record(Arc::new(Recorder::new(&records)));
        let (library, _) = host.library(&folder.join("scripts")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.try_clone().unwrap();
        let server = Server::start(host, library, Admission::default(), vec![listener]).unwrap();
        for _ in 0..2 {
            let before = wall().since_epoch().as_secs_f64().floor();
            let logged = logged_times(&listening);
            let [first, early, second, late] = logged[..] else { panic!("{logged:?}") };
            assert!((before..before + 60.0).contains(&first), "{first} at {before}");
            assert!((first + 86_400.0..first + 86_460.0).contains(&second), "{first}, then {second}");
            assert!(early < 60.0 && (early..60.0).contains(&late), "{early}, then {late}");
        }
        server.join();
        // Their recordings, too, say that the second call began a day after the first.
        let mut began: Vec<f64> = Vec::new();
        for entry in std::fs::read_dir(&records).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let header: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            began.push(header["started"].as_f64().unwrap());
        }
        began.sort_by(f64::total_cmp);
        assert!((86_400.0..86_460.0).contains(&(began[1] - began[0])), "{began:?}");
        let mut names: Vec<_> = std::fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_ne!(names[0].to_str().unwrap()[..8], names[1].to_str().unwrap()[..8], "{names:?}");
        std::fs::remove_dir_all(&folder).unwrap();
        SET_FORWARD.store(0, Relaxed);
    }
}
