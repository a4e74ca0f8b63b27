//! The public interface of the server: starting, observing, draining, ending.

use super::admission::{Admission, CallSlots};
use super::event_loop::{WAKEUP, spawn_thread};
use super::listener::prepare;
use super::loader::Loader;
use super::manager::Managers;
use super::shared::{Shared, Warnings};
use super::stuck::StuckCalls;
use super::takeover;
use super::worker::{Message, Worker, WorkerQueue};
use crate::clock::Stopwatch;
#[cfg(feature = "store")]
use crate::host::jobs::{JobRunner, RunningJobs, ScriptSource};
use crate::host::live::Live;
use crate::host::metrics::{Gauges, Metrics};
use crate::host::reactor::Reactor;
use crate::host::{Host, coroutine};
use crate::script::{Library, Memory};
#[cfg(feature = "store")]
use crate::script::{LoadError, Script};
use crate::service::settings::ManagerSettings;
use crate::sync::lock;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
#[cfg(feature = "store")]
use std::time::Duration;

/// How long the end of a server waits for jobs.
#[cfg(feature = "store")]
const JOBS_GRACE: Duration = Duration::from_secs(5);

/// A running FastAGI server.
///
/// ```
/// use agi_rhai::Host;
/// use agi_rhai::host::fastagi::{Admission, Server};
/// use std::net::TcpListener;
///
/// let host = Host::new();
/// let (library, _) = host.library("scripts".as_ref())?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let server = Server::start(host, library, Admission::default(), vec![listener])?;
///
/// // The dialplan calls `AGI(agi://127.0.0.1:PORT/guess)`.
/// assert_eq!(server.calls(), 0);
/// server.join(); // takes no more calls, and waits for those in progress
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    watchdog: JoinHandle<()>,
    loader: Loader,
    managers: Arc<Managers>,
    #[cfg(feature = "store")]
    jobs: Mutex<Option<RunningJobs>>,
}

/// The response to the request to end a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndResponse {
    /// The call ends.
    Ending,
    /// The call is in the middle of a slow step of its script, and ends after that.
    AfterStep,
    /// No call has this number.
    UnknownCall,
}

impl Server {
    /// Serves the scripts of a library on these listeners, with one worker thread per processor.
    ///
    /// # Errors
    /// The system provides no thread or descriptor.
    pub fn start(
        mut host: Host,
        library: Library,
        admission: Admission,
        listeners: Vec<TcpListener>,
    ) -> io::Result<Self> {
        if let Some(services) = host.services() {
            services.set_scripts(library.folder());
        }
        // Jobs run on threads of their own, and not as coroutines.
        #[cfg(feature = "store")]
        let job_host = host.clone();
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let thread_memory = host.memory().map(|memory| memory.used);
        if thread_memory.is_some() {
            host.set_memory(Memory { used: coroutine::used_memory });
        }
        if let Some(recorder) = &host.recorder {
            recorder.write_behind()?;
        }
        for listener in &listeners {
            prepare(listener)?;
        }
        let shared = Arc::new(Shared {
            host,
            library,
            slots: Arc::new(CallSlots::new(admission)),
            metrics: Arc::new(Metrics::new(count)),
            clock: Stopwatch::start(),
            live: Mutex::default(),
            next_id: AtomicU64::new(1),
            refusals: AtomicUsize::new(0),
            queues: (0..count).map(|_| WorkerQueue::new()).collect::<io::Result<_>>()?,
            threads: Mutex::default(),
            stuck: StuckCalls::default(),
            draining: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            thread_memory,
            warnings: Warnings::default(),
        });
        shared.metrics.set_scripts(shared.library.list().iter().map(|script| &*script.name));
        if let Some(services) = &shared.host.services {
            shared.metrics.set_services(services.clone());
        }
        let listeners: Arc<[TcpListener]> = listeners.into();
        for number in 0..count {
            let reactor = Reactor::new(shared.clock)?;
            let listeners = if number == 0 { Arc::clone(&listeners) } else { Arc::default() };
            let worker = Box::new(Worker { number, reactor, listeners: Some(listeners), accept_again: None });
            worker.reactor.watch(&shared.queues[number].wakeup, WAKEUP)?;
            worker.watch_listeners()?;
            let (sender, receiver) = channel();
            spawn_thread(&shared, receiver)?;
            // The spare thread waits for nothing else, so it is there.
            let _ = sender.send(worker);
        }
        let watched = Arc::clone(&shared);
        let watchdog = Builder::new().name("watch".to_owned()).spawn(move || takeover::watch(&watched))?;
        let managers = Arc::new(Managers::new(&shared));
        managers.follow()?;
        let loader = Loader::start(&shared, &managers)?;
        #[cfg(feature = "store")]
        let jobs = {
            let scripts = Box::new(LibraryScripts(Arc::clone(&shared)));
            Mutex::new(JobRunner::new(job_host, scripts).map(JobRunner::start).transpose()?)
        };
        Ok(Self {
            shared,
            watchdog,
            loader,
            managers,
            #[cfg(feature = "store")]
            jobs,
        })
    }

    /// Returns what the server has counted, in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self, log_lines_dropped: u64) -> String {
        let shared = &self.shared;
        let listed = shared.library.list();
        let (scripts, broken_scripts) = (listed.len(), listed.iter().filter(|script| script.fault.is_some()).count());
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        shared.metrics.render(&Gauges {
            calls: number(self.calls()),
            max_calls: number(shared.slots.admission.max_calls),
            scripts: number(scripts),
            broken_scripts: number(broken_scripts),
            log_lines_dropped,
            stuck_calls: number(self.stuck_calls()),
            recordings_lost: shared.host.recorder.as_ref().map_or(0, |recorder| recorder.lost()),
            broken_config: shared.host.config.as_ref().is_some_and(|config| config.is_broken()),
        })
    }

    /// Writes what is recorded but not written yet. It would be lost when the process ends.
    pub fn flush_recordings(&self) {
        flush_recordings(&self.shared);
    }

    /// Returns the folder of its scripts.
    #[must_use]
    pub fn scripts(&self) -> &Path {
        self.shared.library.folder()
    }

    /// Returns the folder into which calls are recorded, if they are.
    #[must_use]
    pub fn recordings(&self) -> Option<&Path> {
        self.shared.host.recorder.as_ref().map(|recorder| recorder.folder())
    }

    /// Returns the clock of its calls.
    #[must_use]
    pub fn clock(&self) -> Stopwatch {
        self.shared.clock
    }

    /// Returns the number of calls in progress.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.slots.calls()
    }

    /// Returns the calls in progress, the oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Live>> {
        lock(&self.shared.live).values().map(|seat| Arc::clone(&seat.live)).collect()
    }

    /// Whether nothing is left to do after [`Server::close`]: every connection that had come by then was accepted,
    /// and its call has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let listens = self.shared.queues.iter().any(|queue| queue.listens.load(Acquire));
        !listens && !self.shared.has_calls() && self.managers.own() == 0
    }

    /// Takes calls by AsyncAGI from the manager of an Asterisk, besides those that the operator's file names. Messages
    /// name it by `name`.
    ///
    /// # Errors
    /// The system provides no thread.
    pub fn add_manager(&self, name: &str, settings: ManagerSettings) -> io::Result<()> {
        self.managers.add(name, settings);
        self.managers.follow()
    }

    /// Whether a thread that runs calls has died. Its calls are lost, and the process should be restarted.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Relaxed)
    }

    /// Returns how many calls have been in one step of their script for longer than a second. Each of them has a
    /// thread to itself.
    #[must_use]
    pub fn stuck_calls(&self) -> usize {
        self.shared.stuck.count(self.shared.clock.now())
    }

    /// Whether new calls are taken.
    #[must_use]
    pub fn is_taking_calls(&self) -> bool {
        !self.shared.draining.load(Relaxed)
    }

    /// Returns how many turns each worker has begun. If a number no longer grows, its worker is stuck.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        self.shared.queues.iter().map(|queue| queue.turns.load(Relaxed)).collect()
    }

    /// Compiles all scripts again, now.
    pub fn reload(&self) {
        self.loader.reload();
    }

    /// Ends a call as if its caller had hung up: `on_hangup` runs, and the dialplan goes on.
    #[must_use]
    pub fn end_call(&self, id: u64) -> EndResponse {
        let found = lock(&self.shared.live).get(&id).map(|seat| (seat.worker, seat.task));
        let Some((worker, task)) = found else { return EndResponse::UnknownCall };
        // A worker that has ended has no call left to end.
        let _ = self.shared.queues[worker].push(Message::Stop(task));
        if self.shared.stuck.contains(worker, task) { EndResponse::AfterStep } else { EndResponse::Ending }
    }

    /// Ends all calls.
    pub fn end_calls(&self) {
        for queue in &self.shared.queues {
            let _ = queue.push(Message::StopAll);
        }
    }

    /// Begins no further jobs, and waits at most this long for those that run. What isn't done by then runs again
    /// later.
    #[cfg(feature = "store")]
    pub fn stop_jobs(&self, at_most: Duration) {
        let jobs = lock(&self.jobs).take();
        if let Some(jobs) = jobs {
            jobs.stop(at_most);
        }
    }

    /// Stops taking calls. Connections that are waiting to be accepted still are, and calls in progress go on.
    pub fn close(&self) {
        self.shared.draining.store(true, Relaxed);
        for queue in &self.shared.queues {
            let _ = queue.push(Message::Close);
        }
    }

    /// Closes the server, and waits for its calls and threads to end.
    pub fn join(self) {
        self.close();
        #[cfg(feature = "store")]
        self.stop_jobs(JOBS_GRACE);
        let Self { shared, watchdog, loader, managers, .. } = self;
        shared.ended.store(true, Relaxed);
        let _ = watchdog.join();
        while let Some(thread) = lock(&shared.threads).pop() {
            let _ = thread.join();
        }
        loader.join();
        managers.stop();
        flush_recordings(&shared);
    }
}

/// The scripts of a server, as its jobs find them.
#[cfg(feature = "store")]
struct LibraryScripts(Arc<Shared>);

#[cfg(feature = "store")]
impl LibraryScripts {
    /// Returns the name within the folder. A job of a call without a server has the whole path.
    fn name<'a>(&self, name: &'a str) -> Option<&'a str> {
        let path = Path::new(name);
        if path.is_relative() {
            return Some(name);
        }
        path.strip_prefix(std::path::absolute(self.0.library.folder()).ok()?).ok()?.to_str()
    }
}

#[cfg(feature = "store")]
impl ScriptSource for LibraryScripts {
    fn has(&self, name: &str) -> bool {
        self.name(name).is_some_and(|name| self.0.library.get(name).is_ok())
    }

    fn get(&self, name: &str, _: &Host) -> Result<Arc<Script>, LoadError> {
        let missing = || LoadError::Missing(name.into(), io::ErrorKind::NotFound.into());
        Ok(self.0.library.get(self.name(name).ok_or_else(missing)?)?.script)
    }
}

fn flush_recordings(shared: &Shared) {
    if let Some(recorder) = &shared.host.recorder {
        recorder.flush();
    }
}
