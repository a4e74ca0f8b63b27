//! What a caller says and presses: when speech begins and ends, and what an engine makes of it.

use super::audio_socket::FRAME;
use crate::audio::{Change, VoiceDetector};
use crate::clock::Time;
use crate::transport::{Answer, Request};
use serde_json::json;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// The length of a frame.
pub(super) const FRAME_LENGTH: Duration = Duration::from_millis(20);
/// How much sound from before the detected beginning of speech the engine hears too: a detector needs some to be sure.
const LEAD: usize = 25 * FRAME;
/// After this time without sound, the caller is silent: many phones send nothing then. Keys make gaps of 100 ms.
const GAP: Duration = Duration::from_millis(140);

/// An engine, which is begun when the caller begins to speak. The second channel reports that the sound has ended.
pub(in crate::service) type Engine =
    Box<dyn FnOnce(UnboundedReceiver<Vec<i16>>, oneshot::Receiver<()>) -> Understanding + Send>;
/// What becomes of it: a map with `text` and `confidence`.
pub(in crate::service) type Understanding = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How long to listen, and to which keys.
#[derive(Clone, Debug)]
pub(in crate::service) struct Terms {
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
pub(super) struct Listener {
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
    /// Whether the prompt is heard.
    pub is_playing: bool,
}

impl Listener {
    pub fn new(terms: Terms, engine: Engine, now: Time) -> Self {
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
    pub fn prompt_ends(&mut self, now: Time) {
        self.is_playing = false;
        if let Phase::Waiting(until) = &mut self.phase {
            *until = now + self.terms.first;
        }
    }

    /// Hears a key. Returns the answer if it ends the listening.
    pub fn press(&self, key: char) -> Option<Answer> {
        let counts = self.terms.keys.contains(key) && (self.terms.barge_in || !self.is_playing);
        counts.then(|| Ok(json!({ "ended_by": "key", "key": key.to_string(), "seconds": self.seconds() })))
    }

    /// Hears sound.
    pub fn hear(&mut self, samples: Vec<i16>, now: Time) {
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
    pub fn end(&mut self, ended_by: &'static str) {
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
    pub fn poll(&mut self, now: Time, context: &mut Context<'_>) -> Option<Answer> {
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

    /// Whether there is nothing more to hear.
    pub fn has_heard_all(&self) -> bool {
        matches!(self.phase, Phase::Done { .. })
    }

    /// Returns when to look again.
    pub fn wakes_at(&self) -> Time {
        match &self.phase {
            Phase::Waiting(until) => *until,
            Phase::Speaking { until, .. } => (*until).min(self.heard + GAP),
            Phase::Done { .. } => Time::NEVER,
        }
    }
}
