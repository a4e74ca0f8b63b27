//! One question by voice: a prompt that stops when the caller speaks or presses a key, and what the caller then says.

use super::audio_socket::{FRAME, Frame, THE_END, push_sound, take};
use super::prompt::Prompt;
use crate::audio::{Change, VoiceDetector};
use crate::clock::{Stopwatch, Time};
use crate::transport::{Answer, Failure, Request};
use serde_json::json;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

/// The length of a frame.
const FRAME_LENGTH: Duration = Duration::from_millis(20);
/// How much sound from before the detected beginning of speech the engine hears too: a detector needs some to be sure.
const LEAD: usize = 25 * FRAME;
/// How often something is sent while nothing is played: without any sound for 2 s, Asterisk gives up.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// After this time without sound, the caller is silent: many phones send nothing then. Keys make gaps of 100 ms.
const GAP: Duration = Duration::from_millis(140);
/// How many bytes may wait to be sent: more than that, and the other end doesn't read.
const MAX_UNSENT: usize = 16 * 1024;
/// How long Asterisk may take to close a connection at its end.
const GOODBYE: Duration = Duration::from_secs(1);
/// How many bytes are received at a time.
const RECEIVED: usize = 2048;

/// An engine, which is begun when the caller begins to speak. The second channel reports that the sound has ended.
pub(in crate::service) type Engine =
    Box<dyn FnOnce(UnboundedReceiver<Vec<i16>>, oneshot::Receiver<()>) -> Understanding + Send>;
/// What becomes of it: a map with `text` and `confidence`.
pub(in crate::service) type Understanding = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How long to listen, and to which keys.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Whether speech and keys stop the prompt.
    barge_in: bool,
    /// How long the caller may take to begin, after the prompt.
    first: Duration,
    /// How much silence ends the answer.
    silence: Duration,
    /// How long the answer may be.
    max: Duration,
    /// The keys that end it.
    keys: String,
}

impl Terms {
    /// Reads them from a request.
    pub fn of(request: &Request) -> Self {
        let seconds = |name: &str, otherwise: f64| {
            let seconds = request.argument(name).as_f64().unwrap_or(otherwise);
            Duration::try_from_secs_f64(seconds).unwrap_or_default()
        };
        Self {
            barge_in: request.argument("barge_in").as_bool().unwrap_or(true),
            first: seconds("first", 5.0),
            silence: seconds("silence", 0.8).max(FRAME_LENGTH),
            max: seconds("max", 15.0),
            keys: request.text("keys").to_owned(),
        }
    }
}

/// What the caller is doing.
enum Phase {
    /// Nothing yet. The caller has to begin by this time; [`Time::NEVER`] during the prompt.
    Waiting(Time),
    /// Speaking, up to this time at most, and with so many samples at most: whatever comes faster than sound does costs
    /// no more memory.
    Speaking {
        until: Time,
        left: usize,
        sound: UnboundedSender<Vec<i16>>,
        ended: oneshot::Sender<()>,
        engine: Understanding,
    },
    /// Waiting for the engine. The text says why the speech has ended.
    Done { ended_by: &'static str, engine: Understanding },
}

/// What the caller says and presses, without the line.
struct Listener {
    terms: Terms,
    phase: Phase,
    engine: Option<Engine>,
    /// What the engine has said before the end of the speech.
    early: Option<Answer>,
    detector: VoiceDetector,
    /// The sound before the speech.
    lead: VecDeque<i16>,
    /// When sound came last.
    heard: Time,
    is_playing: bool,
}

impl Listener {
    fn new(terms: Terms, engine: Engine, now: Time) -> Self {
        let end_ms = u32::try_from(terms.silence.as_millis()).unwrap_or(u32::MAX);
        Self {
            phase: Phase::Waiting(Time::NEVER),
            engine: Some(engine),
            early: None,
            detector: VoiceDetector::new(end_ms),
            lead: VecDeque::with_capacity(LEAD + 2 * FRAME),
            heard: now,
            is_playing: true,
            terms,
        }
    }

    /// Notes that the prompt is over.
    fn prompt_ends(&mut self, now: Time) {
        self.is_playing = false;
        if let Phase::Waiting(until) = &mut self.phase {
            *until = now + self.terms.first;
        }
    }

    /// Hears a key. Returns the answer if it ends the listening.
    fn press(&self, key: char) -> Option<Answer> {
        let counts = self.terms.keys.contains(key) && (self.terms.barge_in || !self.is_playing);
        counts.then(|| Ok(json!({ "ended_by": "key", "key": key.to_string(), "seconds": self.seconds() })))
    }

    /// Hears sound.
    fn hear(&mut self, samples: Vec<i16>, now: Time) {
        self.heard = now;
        match &mut self.phase {
            Phase::Waiting(_) if self.is_playing && !self.terms.barge_in => {}
            Phase::Waiting(_) => {
                self.lead.extend(&samples);
                let surplus = self.lead.len().saturating_sub(LEAD);
                self.lead.drain(..surplus);
                if self.detector.hear(&samples) == Some(Change::Begins) {
                    self.begin(now);
                }
            }
            Phase::Speaking { sound, left, .. } => {
                let change = self.detector.hear(&samples);
                *left = left.saturating_sub(samples.len());
                let is_max = *left == 0;
                // An engine that has failed hears no more.
                let _ = sound.send(samples);
                if change == Some(Change::Ends) {
                    self.end("speech");
                } else if is_max {
                    self.end("max");
                }
            }
            Phase::Done { .. } => {}
        }
    }

    /// Begins the engine.
    fn begin(&mut self, now: Time) {
        let Some(engine) = self.engine.take() else { return };
        self.is_playing = false;
        let ((sound, receiver), (ended, end)) = (unbounded_channel(), oneshot::channel());
        let _ = sound.send(std::mem::take(&mut self.lead).into());
        let engine = engine(receiver, end);
        let left = usize::try_from(self.terms.max.as_millis()).unwrap_or(usize::MAX).saturating_mul(FRAME / 20);
        self.phase = Phase::Speaking { until: now + self.terms.max, left, sound, ended, engine };
    }

    /// Ends the sound.
    fn end(&mut self, ended_by: &'static str) {
        let phase = std::mem::replace(&mut self.phase, Phase::Waiting(Time::NEVER));
        self.phase = match phase {
            Phase::Speaking { ended, engine, .. } => {
                let _ = ended.send(());
                Phase::Done { ended_by, engine }
            }
            other => other,
        };
    }

    /// Lets time pass, and looks at the engine. Returns the answer if there is one.
    fn poll(&mut self, now: Time, context: &mut Context<'_>) -> Option<Answer> {
        match &mut self.phase {
            Phase::Waiting(until) => {
                return (now >= *until).then(|| Ok(json!({ "ended_by": "none", "seconds": 0.0 })));
            }
            Phase::Speaking { until, engine, .. } => {
                let is_over = now >= *until;
                if self.early.is_none()
                    && let Poll::Ready(answer) = engine.as_mut().poll(context)
                {
                    self.early = Some(answer);
                }
                if is_over {
                    self.end("max");
                } else if now >= self.heard + GAP {
                    let length = usize::try_from((now - self.heard).as_millis()).unwrap_or(0) * FRAME / 20;
                    self.hear(vec![0; length], now);
                }
            }
            Phase::Done { .. } => {}
        }
        let Phase::Done { ended_by, engine } = &mut self.phase else { return None };
        let ended_by = *ended_by;
        let understood = match self.early.take() {
            Some(early) => early,
            None => match engine.as_mut().poll(context) {
                Poll::Ready(answer) => answer,
                Poll::Pending => return None,
            },
        };
        Some(understood.map(|mut answer| {
            answer["ended_by"] = ended_by.into();
            answer["seconds"] = self.seconds().into();
            answer
        }))
    }

    /// Returns how long the caller has spoken.
    fn seconds(&self) -> f64 {
        f64::from(self.detector.speech_ms()) / 1000.0
    }

    /// Returns when to look again.
    fn wakes_at(&self) -> Time {
        match &self.phase {
            Phase::Waiting(until) => *until,
            Phase::Speaking { until, .. } => (*until).min(self.heard + GAP),
            Phase::Done { .. } => Time::NEVER,
        }
    }
}

/// The prompt on its way to the caller.
#[derive(Default)]
struct Player {
    /// What was read and not yet played.
    samples: Vec<i16>,
    played: usize,
    /// The rest, and the thread that reads from it.
    rest: Option<Prompt>,
    reading: Option<JoinHandle<(Prompt, Vec<i16>)>>,
}

impl Player {
    fn new((rest, samples): (Prompt, Vec<i16>)) -> Self {
        Self { samples, played: 0, rest: Some(rest), reading: None }
    }

    /// Returns the next frame. `None` means that there is none left; one without samples, that it isn't read yet.
    fn next(&mut self, context: &mut Context<'_>) -> Option<&[i16]> {
        if self.samples.len() - self.played < 10 * FRAME
            && let Some(mut rest) = self.rest.take_if(|rest| !rest.is_over())
        {
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let samples = rest.read();
                (rest, samples)
            }));
        }
        if let Some(reading) = &mut self.reading
            && let Poll::Ready(read) = Pin::new(reading).poll(context)
        {
            self.reading = None;
            if let Ok((rest, samples)) = read {
                self.samples.drain(..self.played);
                self.samples.extend(samples);
                self.played = 0;
                self.rest = Some(rest);
            }
        }
        let length = (self.samples.len() - self.played).min(FRAME);
        let is_last = self.reading.is_none() && self.rest.as_ref().is_none_or(Prompt::is_over);
        if length == 0 && is_last {
            return None;
        }
        let length = if length < FRAME && !is_last { 0 } else { length };
        self.played += length;
        Some(&self.samples[self.played - length..self.played])
    }
}

/// A conversation over a connection of AudioSocket.
struct Conversation {
    stream: TcpStream,
    clock: Stopwatch,
    listener: Listener,
    player: Player,
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// When the next frame is due.
    due: Time,
    /// When the timer wakes.
    wake: Time,
    timer: Pin<Box<Sleep>>,
}

/// Plays a prompt, of which a first piece was read already, and listens. At the end the application on Asterisk's side
/// has ended too.
pub(super) async fn converse(stream: TcpStream, prompt: (Prompt, Vec<i16>), terms: Terms, engine: Engine) -> Answer {
    // A frame every 20 ms must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let clock = Stopwatch::start();
    let now = clock.now();
    let mut conversation = Conversation {
        stream,
        clock,
        listener: Listener::new(terms, engine, now),
        player: Player::new(prompt),
        received: Vec::new(),
        unsent: Vec::new(),
        due: now,
        wake: Time::NEVER,
        timer: Box::pin(sleep(Duration::ZERO)),
    };
    let answer = poll_fn(|context| conversation.poll(context)).await;
    let Conversation { stream, unsent, .. } = conversation;
    goodbye(stream, unsent).await;
    answer.unwrap_or_else(|error| Err(Failure::unavailable(format!("the sound of the call broke off: {error}"))))
}

/// Ends the application, which replies to its command then.
async fn goodbye(mut stream: TcpStream, mut unsent: Vec<u8>) {
    unsent.extend(THE_END);
    let ending = async {
        // Whoever doesn't read it sees the connection close.
        stream.write_all(&unsent).await?;
        stream.shutdown().await?;
        // A connection that is closed before all is read is reset, and then the application has failed.
        let mut rest = [0; RECEIVED];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    let _ = timeout(GOODBYE, ending).await;
}

impl Conversation {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Answer>> {
        loop {
            let now = self.clock.now();
            while let Some(frame) = self.receive(context)? {
                match frame {
                    Frame::Key(key) => {
                        if let Some(answer) = self.listener.press(key) {
                            return Poll::Ready(Ok(answer));
                        }
                    }
                    Frame::Sound(samples) => self.listener.hear(samples, now),
                    Frame::End => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                }
            }
            if let Some(answer) = self.listener.poll(now, context) {
                return Poll::Ready(Ok(answer));
            }
            self.play(now, context);
            self.send(context)?;
            let wake = self.due.min(self.listener.wakes_at());
            if wake != self.wake {
                self.wake = wake;
                self.timer.as_mut().set(sleep(wake - now));
            }
            ready!(self.timer.as_mut().poll(context));
            self.wake = Time::NEVER;
        }
    }

    /// Returns a frame that has arrived.
    fn receive(&mut self, context: &mut Context<'_>) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = take(&mut self.received) {
                return Ok(Some(frame));
            }
            let mut bytes = [0; RECEIVED];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(None),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Ok(Some(Frame::End)),
                Poll::Ready(Ok(())) => self.received.extend(buffer.filled()),
            }
        }
    }

    /// Plays what is due.
    fn play(&mut self, now: Time, context: &mut Context<'_>) {
        while now >= self.due {
            let frame = if self.listener.is_playing { self.player.next(context) } else { None };
            let (frame, every) = if let Some(frame) = frame {
                (frame, FRAME_LENGTH)
            } else {
                if self.listener.is_playing {
                    self.listener.prompt_ends(now);
                }
                self.player = Player::default();
                (&[0; FRAME][..], KEEP_ALIVE)
            };
            if self.unsent.len() < MAX_UNSENT && !frame.is_empty() {
                push_sound(&mut self.unsent, frame);
            }
            // What is late is made up for, since the prompt would have gaps; but not all at once.
            self.due = (self.due + every).max(now_less(now, 3 * FRAME_LENGTH));
        }
    }

    fn send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.unsent) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(sent) => {
                    self.unsent.drain(..sent?);
                }
            }
        }
        Ok(())
    }
}

/// Returns the moment this much earlier.
fn now_less(now: Time, length: Duration) -> Time {
    Time::default() + (now.since_epoch().saturating_sub(length))
}
