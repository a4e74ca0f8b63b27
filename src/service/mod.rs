//! Services: what scripts reach besides Asterisk. This folder knows no script: a request is data, and so is its answer.
//!
//! A call hands a [`Request`] to `Services::begin` and waits in its transport, as for a line. The clients run on a
//! thread of their own.

mod breaker;
mod callout;
mod client;
mod counts;
#[cfg(feature = "mail")]
mod files;
mod guard;
#[cfg(feature = "speech")]
mod hearing;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "store")]
pub(crate) mod jobs;
#[cfg(not(unix))]
mod lacking;
#[cfg(feature = "mail")]
pub(crate) mod mail;
pub(crate) mod manager;
pub(crate) mod patterns;
mod pending;
#[cfg(unix)]
mod process;
mod program;
#[cfg(unix)]
mod runtime;
pub mod settings;
#[cfg(feature = "speech")]
mod speech;
#[cfg(unix)]
mod spool;
pub(crate) mod sql;
pub(crate) mod store;
#[cfg(feature = "tls")]
mod tls;
mod unique;

pub(crate) use client::Kind;
pub(crate) use counts::{Counts, KINDS};
#[cfg(feature = "speech")]
pub(crate) use hearing::{Listening, Overhearing, Recording};
pub(crate) use pending::Pending;
pub(crate) use runtime::{runtime, wait_for};
pub use settings::Settings;
#[cfg(feature = "speech")]
pub(crate) use speech::speak_now;
pub(crate) use sql::names::mistake;

#[cfg(not(unix))]
use lacking::{process, runtime, spool};

use crate::sync::lock;
use crate::transport::{Answer, Failure, Remote, Request};
use client::Client;
#[cfg(feature = "store")]
use client::ClientOf;
use guard::Guard;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// The services that the scripts of a host reach. Clones share them.
#[derive(Clone, Default)]
pub struct Services {
    state: Arc<Mutex<State>>,
    #[cfg(feature = "store")]
    jobs: Arc<jobs::JobQueue>,
    /// What the call leaves behind for which this is.
    #[cfg(feature = "store")]
    call: Option<Arc<jobs::CallJobs>>,
    /// What is known of prompts without a recording.
    #[cfg(feature = "speech")]
    prompts: speech::Prompts,
}

#[derive(Default)]
struct State {
    settings: Arc<Settings>,
    /// Why nothing can be asked.
    broken: Option<String>,
    /// The folder within which scripts have their names.
    scripts: Option<PathBuf>,
    /// The services that were used, by kind and name.
    used: HashMap<(Kind, String), Arc<Service>>,
    /// What is counted of each service, by its full name.
    counts: BTreeMap<String, Arc<Counts>>,
    /// The ports for sound that are open.
    #[cfg(feature = "speech")]
    ports: speech::listening::Ports,
    #[cfg(feature = "speech")]
    lacking: speech::listening::Lacking,
}

/// A service that is in use.
struct Service {
    client: Client,
    guard: Guard,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Services").field(&self.settings()).finish()
    }
}

impl Services {
    /// Creates the services with these settings. Nothing is connected before the first request.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let services = Self::default();
        services.update(settings);
        services
    }

    /// Creates services of which none can be asked, because of this mistake of the operator.
    pub(crate) fn broken(mistake: &str, settings: Settings) -> Self {
        let services = Self::new(settings);
        lock(&services.state).broken = Some(mistake.to_owned());
        services
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.state).settings)
    }

    /// Changes the settings for further requests. Those on their way are answered by the old ones. Services that have
    /// not changed keep their connections.
    pub fn update(&self, settings: Settings) {
        let mut state = lock(&self.state);
        state.broken = None;
        let before = std::mem::replace(&mut state.settings, Arc::new(settings));
        let settings = Arc::clone(&state.settings);
        state.used.retain(|(kind, name), _| kind.is_the_same(name, &before, &settings));
        // All are counted, even those that were never asked: Prometheus notices that a counter grows only if it has
        // seen it before.
        let limits = settings.limits();
        let used: Vec<String> = state.used.keys().map(|(kind, name)| kind.full_name(name)).collect();
        state.counts.retain(|name, _| used.contains(name) || limits.iter().any(|(known, _)| known == name));
        for (name, at_once) in limits {
            state.counts.entry(name).or_default().at_once.store(at_once, Relaxed);
        }
    }

    /// Returns what is counted of each service, by its name.
    pub(crate) fn counts(&self) -> Vec<(String, Arc<Counts>)> {
        lock(&self.state).counts.iter().map(|(name, counts)| (name.clone(), Arc::clone(counts))).collect()
    }

    /// Sets the folder within which scripts have their names: so a job finds its script again. A script elsewhere is
    /// found by its whole path.
    pub fn set_scripts(&self, folder: &Path) {
        lock(&self.state).scripts = Some(folder.to_owned());
    }

    /// Returns the same services for one call. What it leaves to be done is due when the last clone is dropped.
    #[must_use]
    pub(crate) fn of_call(&self) -> Self {
        #[cfg(feature = "store")]
        let services = Self { call: Some(jobs::CallJobs::new(&self.jobs)), ..self.clone() };
        #[cfg(not(feature = "store"))]
        let services = self.clone();
        services
    }

    /// Begins a request of a call whose Asterisk may be on another machine. Its answer comes at its deadline at the
    /// latest.
    pub(crate) fn begin(&self, request: Request, remote: Option<Remote>) -> Pending {
        #[cfg(feature = "speech")]
        if speech::is_prompt(&request) {
            return pending(self.clone().prompt(request, remote));
        }
        let service = match self.service(&request) {
            Ok(service) => service,
            Err(failure) => return Pending::known(Err(failure)),
        };
        let services = self.clone();
        pending(async move {
            let answer = match request.function.as_str() {
                // On the heap: all other requests would carry its size along.
                #[cfg(feature = "store")]
                "after_call" | "mail" => Box::pin(services.leave(&service, &request)).await,
                _ => service.answer(&request).await,
            };
            services.reachable(answer, remote)
        })
    }

    /// Returns the store, in which jobs are kept too.
    ///
    /// # Errors
    /// There is none.
    #[cfg(feature = "store")]
    pub(crate) fn store(&self) -> Result<Arc<store::Store>, Failure> {
        let service = self.service(&Request::new("store_get", ""))?;
        match &service.client.of {
            ClientOf::Store(store) => Ok(Arc::clone(store)),
            _ => Err(Failure::argument("there is no store")),
        }
    }

    /// Whether there may be jobs: a store in a file is created by the first request only.
    #[cfg(feature = "store")]
    pub(crate) fn may_have_jobs(&self) -> bool {
        let settings = self.settings();
        let has_file = || settings.state.as_ref().is_some_and(|state| state.join(store::FILE).exists());
        settings.store.as_ref().is_some_and(|store| store.url.is_some()) || has_file()
    }

    /// Returns the queue of jobs.
    #[cfg(feature = "store")]
    pub(crate) fn jobs(&self) -> &jobs::JobQueue {
        &self.jobs
    }

    /// Writes down what is to be done after the call.
    #[cfg(feature = "store")]
    async fn leave(&self, service: &Service, request: &Request) -> Answer {
        let leaving = async {
            let job = match &service.client.of {
                #[cfg(feature = "mail")]
                ClientOf::Mail(client) => client.job(request).await?,
                _ => {
                    let folder = lock(&self.state).scripts.clone();
                    jobs::after_call(request, folder.as_deref())?
                }
            };
            jobs::leave(job, self.store()?, &self.jobs, self.call.as_ref()).await
        };
        service.guard.run(request.timeout.unwrap_or(settings::TIMEOUT), Box::pin(leaving)).await
    }

    /// Returns the client of a mail server.
    ///
    /// # Errors
    /// There is none of this name.
    #[cfg(feature = "mail")]
    pub(crate) async fn send_mail(&self, name: &str, outgoing: &mail::Outgoing) -> Result<(), mail::Undelivered> {
        let service = self.service(&Request::new("mail", name));
        match &service?.client.of {
            ClientOf::Mail(client) => runtime::caught(client.send(outgoing)).await,
            _ => Ok(()),
        }
    }

    /// Has a sound file that was spoken be one that Asterisk reaches.
    #[cfg(not(feature = "speech"))]
    #[expect(clippy::unused_self, reason = "nothing is spoken")]
    fn reachable(&self, answer: Answer, _: Option<Remote>) -> Answer {
        answer
    }

    /// Finds the service of a request.
    fn service(&self, request: &Request) -> Result<Arc<Service>, Failure> {
        let kind = Kind::of(&request.function)?;
        let mut state = lock(&self.state);
        if let Some(mistake) = &state.broken {
            return Err(Failure::argument(format!("no service can be asked because of a mistake: {mistake}")));
        }
        let service = kind.service(request, &state.settings)?;
        let key = (kind, service.to_owned());
        if let Some(service) = state.used.get(&key) {
            return Ok(Arc::clone(service));
        }
        let client = kind.client(&key.1, &state.settings)?;
        let name = kind.full_name(&key.1);
        let counts = Arc::clone(state.counts.entry(name.clone()).or_default());
        let guard = Guard::new(name, client.at_once, counts);
        let service = Arc::new(Service { client, guard });
        state.used.insert(key, Arc::clone(&service));
        Ok(service)
    }
}

/// Checks a request as its client would, as far as that doesn't depend on the operator's settings. So a test, which has
/// none, refuses what a call would.
///
/// # Errors
/// Nothing would be sent.
pub(crate) fn check(request: &Request) -> Result<(), Failure> {
    match Kind::of(&request.function)? {
        #[cfg(feature = "http")]
        Kind::Http => http::check(request),
        Kind::Store => store::check(request),
        #[cfg(feature = "mail")]
        Kind::Mail => mail::check(request),
        Kind::Program => program::check(request),
        #[cfg(feature = "speech")]
        Kind::Speech => speech::check(request),
        #[cfg(feature = "speech")]
        Kind::Listening => Ok(()),
        Kind::CallOut => callout::check(request),
        // Its client refuses what a test's database refuses.
        Kind::Sql => Ok(()),
        #[cfg(not(all(feature = "http", feature = "mail", feature = "speech")))]
        _ => Ok(()),
    }
}

/// Has an answer made on the thread of the clients.
fn pending(answer: impl Future<Output = Answer> + Send + 'static) -> Pending {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return Pending::known(Err(Failure::unavailable(format!("no thread for services: {error}")))),
    };
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let task = runtime.spawn(async move {
        // Nobody waits any more if the call has ended.
        let _ = sender.send(answer.await);
    });
    Pending::asked(receiver, task.abort_handle())
}

impl Service {
    async fn answer(&self, request: &Request) -> Answer {
        let deadline = request.timeout.unwrap_or(self.client.timeout);
        // What is large is made once there is a place: those that wait for one are many.
        self.guard.run(deadline, async { Box::pin(self.client.answer(request)).await }).await
    }
}
