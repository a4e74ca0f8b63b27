//! Calls that are heard.

use super::client::ClientOf;
use super::runtime::{caught, runtime};
use super::speech::listening::recorded::{self, RecordedPiece, Recordings};
use super::speech::listening::{self, Engine, Overheard, SoundServer, Terms};
use super::speech::{Expected, Transcript};
use super::{Pending, Service, Services};
use crate::sync::{Signal, lock};
use crate::transport::{Answer, Failure, Remote, Request};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// A call for which everything is ready but its sound.
pub(crate) struct Listening {
    /// What Asterisk is told: the id of the call, and where to connect to.
    pub arguments: String,
    /// What the caller says.
    pub answer: Pending,
    /// Closed once Asterisk has connected.
    pub connecting: oneshot::Sender<()>,
}

/// A task that ends with this.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call whose sound comes by itself.
pub(crate) struct Overhearing {
    /// What the caller says.
    pub answer: Pending,
    /// Told when the prompt is over.
    pub prompt_ends: oneshot::Sender<()>,
}

/// A call that Asterisk records.
pub(crate) struct Recording {
    /// The folder into which it does.
    pub recordings: Recordings,
    /// What the caller says.
    pub answer: Pending,
    /// Takes what was recorded.
    pub pieces: UnboundedSender<RecordedPiece>,
    /// Has something for each of them that needs another one.
    pub more: UnboundedReceiver<()>,
}

impl Services {
    /// Prepares to hear a call.
    ///
    /// # Errors
    /// Returns the answer to the request if nothing is to be heard: Asterisk has to play something first, or the call
    /// can't be heard.
    pub(crate) async fn listen(&self, request: Request, remote: Option<Remote>) -> Result<Listening, Answer> {
        let runtime = services_thread().map_err(Err)?;
        let service = self.service(&request).map_err(Err)?;
        let (server, host) = self.sound_server(remote).map_err(Err)?;
        let (settings, (sender, prepared)) = (self.settings(), oneshot::channel());
        let task = runtime.spawn(async move {
            let prepared = listening::prepare(&request, &settings, &server, &host).await;
            // The port stays open as long as somebody is heard.
            let _ = sender.send(prepared.map(|conversation| (conversation, request, server)));
        });
        let _task = Task(task.abort_handle());
        let lost = |_| Err(Err(Failure::unavailable("the call can't be heard: this is a bug in agi-rhai")));
        let (conversation, request, server) = prepared.await.unwrap_or_else(lost)?;
        let arguments = conversation.arguments.clone();
        let (connecting, is_waiting) = oneshot::channel();
        let engine = engine(&service, &request);
        let answer = hear(runtime, service, None, async move {
            let answer = conversation.hold(engine, is_waiting).await;
            drop(server);
            answer
        });
        Ok(Listening { arguments, answer, connecting })
    }

    /// Listens to a call whose sound comes by itself, as bytes of samples. The signal is raised when the caller begins
    /// to speak during the prompt, and when there is an answer.
    ///
    /// # Errors
    /// Nobody understands the language of the call.
    pub(crate) fn overhear(
        &self,
        request: &Request,
        sound: UnboundedReceiver<Vec<u8>>,
        signal: Signal,
    ) -> Result<Overhearing, Failure> {
        let (runtime, service) = (services_thread()?, self.service(request)?);
        let (prompt_ends, ends) = oneshot::channel();
        let (engine, terms) = (engine(&service, request), Terms::of(request));
        let overheard = Overheard { sound, prompt_ends: ends, signal: signal.clone() };
        let answer = hear(runtime, service, Some(signal), overheard.hear(terms, engine));
        Ok(Overhearing { answer, prompt_ends })
    }

    /// Whether calls of an Asterisk can be heard in files that it records.
    pub(crate) fn takes_recordings(&self, remote: Option<Remote>) -> bool {
        remote.is_none() && self.settings().recordings_folder().is_some()
    }

    /// Listens to a call that Asterisk records piece by piece.
    ///
    /// # Errors
    /// Nobody understands the language of the call, or there is no folder for recordings.
    pub(crate) async fn hear_recordings(&self, request: &Request) -> Result<Recording, Failure> {
        let (runtime, service) = (services_thread()?, self.service(request)?);
        let folder = self.settings().recordings_folder();
        let folder = folder.ok_or_else(|| Failure::unavailable("there is no folder for what callers say"))?;
        let shown = folder.display().to_string();
        let opened = runtime.spawn_blocking(move || Recordings::open(&folder)).await;
        let recordings = opened
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|error| Failure::unavailable(format!("what callers say can't be recorded in {shown}: {error}")))?;
        let ((pieces, recorded), (asking, more)) = (unbounded_channel(), unbounded_channel());
        let (engine, terms) = (engine(&service, request), Terms::of(request));
        let answer = hear(runtime, service, None, recorded::hear(recorded, asking, terms, engine));
        Ok(Recording { recordings, answer, pieces, more })
    }

    /// Whether an Asterisk has no AudioSocket, as far as is known.
    pub(crate) fn lacks_audio_socket(&self, remote: Option<Remote>) -> bool {
        lock(&self.state).lacking.knows(remote.map(|remote| remote.asterisk))
    }

    /// Notes that an Asterisk has no AudioSocket.
    pub(crate) fn note_no_audio_socket(&self, remote: Option<Remote>) {
        lock(&self.state).lacking.note(remote.map(|remote| remote.asterisk));
    }

    /// Returns the port for sound, which is opened if need be, and the host to which Asterisk connects.
    fn sound_server(&self, remote: Option<Remote>) -> Result<(SoundServer, String), Failure> {
        let _entered = services_thread()?.enter();
        let mut state = lock(&self.state);
        let settings = Arc::clone(&state.settings);
        let Some(remote) = remote else {
            return Ok((state.ports.local()?, Ipv4Addr::LOCALHOST.to_string()));
        };
        let speech = settings.speech.as_ref();
        let listen = speech.and_then(|speech| speech.listen).ok_or_else(|| {
            let asterisk = remote.asterisk;
            Failure::unavailable(format!(
                "Asterisk is on another machine ({asterisk}), and can't connect to this one: `listen` in `[speech]` of \
                 agi-rhai.toml names a port for it, such as \"0.0.0.0:4580\""
            ))
        })?;
        let server = state.ports.remote(listen, settings.speech_folder())?;
        let host = speech.and_then(|speech| speech.address.clone()).unwrap_or_else(|| match remote.own {
            IpAddr::V4(own) => own.to_string(),
            IpAddr::V6(own) => format!("[{own}]"),
        });
        Ok((server, host))
    }

    /// Has a sound file that was spoken be one that Asterisk reaches: where it is on another machine, by an address.
    pub(super) fn reachable(&self, answer: Answer, remote: Option<Remote>) -> Answer {
        let (Some(remote), Ok(Value::Object(map))) = (remote, &answer) else { return answer };
        let Some(file) = map.get("file").and_then(Value::as_str) else { return answer };
        let settings = self.settings();
        let speech = settings.speech.as_ref();
        if speech.is_some_and(|speech| speech.listen.is_none() && speech.folder.is_some()) {
            // The operator has named a folder, which both machines may share.
            return answer;
        }
        let (server, host) = self.sound_server(Some(remote))?;
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        Ok(json!({ "file": format!("http://{host}:{}/{name}.wav", server.port()) }))
    }
}

/// Hears a call on the thread of the services. The signal is raised at the end.
fn hear(
    runtime: &Handle,
    service: Arc<Service>,
    signal: Option<Signal>,
    hearing: impl Future<Output = Answer> + Send + 'static,
) -> Pending {
    let (sender, answer) = oneshot::channel();
    let task = runtime.spawn(async move {
        let answer = match caught(hearing).await {
            // Whoever said nothing would not have been understood.
            Ok(answer) if answer["ended_by"] == "none" => service.guard.refusal().map_or(Ok(answer), Err),
            answer => answer,
        };
        let _ = sender.send(answer);
        if let Some(signal) = signal {
            signal.raise();
        }
    });
    Pending::asked(answer, task.abort_handle())
}

fn services_thread() -> Result<&'static Handle, Failure> {
    runtime().map_err(|error| Failure::unavailable(format!("no thread for services: {error}")))
}

/// Makes the engine for a call, which is begun when the caller begins to speak.
fn engine(service: &Arc<Service>, request: &Request) -> Engine {
    let words = request.argument("words").as_array().into_iter().flatten();
    let number = |at: usize| request.argument("repeat")[at].as_u64().and_then(|number| usize::try_from(number).ok());
    let expected = Expected {
        language: request.text("language").to_owned(),
        words: words.filter_map(Value::as_str).map(str::to_owned).collect(),
        repeat: number(0).zip(number(1)),
    };
    let first = request.argument("first").as_f64().and_then(|first| std::time::Duration::try_from_secs_f64(first).ok());
    let service = Arc::clone(service);
    Box::new(move |sound, ended| {
        let understanding = async move {
            let own = service.client.timeout;
            let limit = first.filter(|first| !first.is_zero()).map_or(own, |first| first.min(own));
            let late = async {
                if ended.await.is_err() {
                    // Nobody waits any more.
                    std::future::pending::<()>().await;
                }
                sleep(limit).await;
                limit
            };
            let answer = async {
                let ClientOf::Listening(recogniser) = &service.client.of else {
                    return Err(Failure::argument("this service doesn't listen"));
                };
                let Transcript { text, confidence } = caught(Box::pin(recogniser.recognise(&expected, sound))).await?;
                Ok(json!({ "text": text, "confidence": confidence.clamp(0.0, 1.0) }))
            };
            service.guard.run_until(late, Box::pin(answer)).await
        };
        Box::pin(understanding) as Pin<Box<_>>
    })
}
