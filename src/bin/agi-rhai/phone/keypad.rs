//! The caller of the full-screen phone: keys as they are pressed, in real time.

use super::audio::Audio;
use super::call::LoadedScript;
use super::state::{HistoryEvent, KeyFate, MIN_QUESTION, SharedState};
use agi_rhai::clock::Time;
use agi_rhai::pbx::{Act, Caller, Hearing, Sound, Sounds};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::task::{Wake, Waker};
use std::time::Duration;

/// The limit for one wait on a channel, which can't wait forever.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// The caller at the keyboard.
pub struct Keypad {
    pub shared: Arc<SharedState>,
    pub version: Arc<LoadedScript>,
    pub acts: Receiver<Act>,
    /// Wakes this caller through the same queue.
    pub wake: Sender<Act>,
    pub audio: Option<Audio>,
    /// Whether to wait for keys only after questions.
    pub fast: bool,
    /// The prompt and its end at the last key that was heard. If they are still the same, the key was ignored.
    pub last: Option<(u64, Time)>,
    /// Whether the script hears somebody out.
    pub has_spoken: bool,
}

/// Returns the whole length of a sound if it is known.
pub fn length(hearing: &Hearing<'_>, sounds: &Sounds) -> Option<Duration> {
    if matches!(hearing.sound, Sound::Beep) {
        return None;
    }
    let files = hearing.sound.files();
    let samples = files.iter().map(|name| sounds.find(name, hearing.language).map(|clip| clip.samples));
    let samples: u64 = samples.collect::<Option<Vec<_>>>().filter(|clips| !clips.is_empty())?.iter().sum();
    Some(Duration::from_micros(samples.saturating_mul(125)))
}

/// Whether the script listens for keys or to speech.
pub fn listens(hearing: &Hearing<'_>) -> bool {
    hearing.listening || hearing.speech
}

/// Whether the script waits for keys or for speech while nothing plays.
pub fn is_question(hearing: &Hearing<'_>) -> bool {
    listens(hearing) && matches!(hearing.sound, Sound::Silence | Sound::Music(_))
}

impl Keypad {
    fn begins(&mut self, until: Time, hearing: &Hearing<'_>) {
        if let Some((prompt, end)) = self.last.take()
            && (prompt, end) == (hearing.prompt, until)
        {
            self.shared.ignore_last_key();
        }
        if until <= self.now() && !listens(hearing) {
            // Only a poll while the script computes.
            return;
        }
        let length = length(hearing, &self.version.sounds);
        let new = self.shared.hears(until, hearing, length);
        if new && let Some(audio) = &self.audio {
            audio.play(hearing, length, until);
        }
    }

    fn acts(&mut self, act: Act, until: Time, hearing: &Hearing<'_>) -> Act {
        match &act {
            Act::Key(key) => {
                self.shared.presses(*key, if hearing.listening { KeyFate::Heard } else { KeyFate::Dropped });
                if hearing.listening {
                    self.last = Some((hearing.prompt, until));
                }
            }
            Act::HangUp => {
                self.shared.note(HistoryEvent::Note("you hang up".to_owned()));
            }
            Act::Says(text) => {
                let what = if hearing.speech { "say" } else { "send the text" };
                self.has_spoken = hearing.speech;
                self.shared.note(HistoryEvent::Note(format!("you {what} \u{201c}{text}\u{201d}")));
            }
            _ => {}
        }
        act
    }
}

/// Wakes a caller who takes what is to do from a queue.
pub struct QueueWaker<T>(pub Sender<T>, pub fn() -> T);

impl<T: Send + 'static> Wake for QueueWaker<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The call may have ended.
        let _ = self.0.send((self.1)());
    }
}

impl Caller for Keypad {
    fn waker(&mut self) -> Option<Waker> {
        Some(Waker::from(Arc::new(QueueWaker(self.wake.clone(), || Act::Wakeup))))
    }

    fn now(&self) -> Time {
        self.shared.now()
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        self.begins(until, hearing);
        let began = self.now();
        if let Ok(act) = self.acts.try_recv() {
            return Some(self.acts(act, until, hearing));
        }
        loop {
            let left = until - self.now();
            if left.is_zero() {
                if !std::mem::take(&mut self.has_spoken) && is_question(hearing) && until - began >= MIN_QUESTION {
                    let what = if hearing.speech { "nothing" } else { "no key" };
                    let seconds = (until - began).as_secs_f64();
                    self.shared.note(HistoryEvent::Note(format!("{what} within {seconds:.1} s")));
                }
                return None;
            }
            // A service takes its time, which nothing can skip.
            if self.fast && !is_question(hearing) && !self.shared.is_asking() {
                if until == Time::NEVER {
                    // The wait would never end.
                    return Some(Act::HangUp);
                }
                self.shared.skip(left);
                return None;
            }
            match self.acts.recv_timeout(left.min(MAX_WAIT)) {
                Ok(act) => return Some(self.acts(act, until, hearing)),
                Err(RecvTimeoutError::Timeout) => {}
                // The screen is gone.
                Err(RecvTimeoutError::Disconnected) => return Some(Act::HangUp),
            }
        }
    }
}
