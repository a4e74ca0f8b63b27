//! Where in a stream of sound somebody speaks.

use earshot::Detector;
use std::ops::Range;

/// The samples that the detector looks at: 16 ms at twice the rate.
const WINDOW: usize = 256;
/// The length of a window in milliseconds.
const WINDOW_MS: u32 = 16;
/// How sure the detector has to be that a window holds voice.
const IS_VOICE: f32 = 0.5;
/// How much voice is speech and not a click, in milliseconds. With more, a prompt goes on for longer; with less, loud
/// clicks stop it.
const MIN_SPEECH_MS: u32 = 5 * WINDOW_MS;
/// How long a pause within that may be.
const MAX_GAP_MS: u32 = 2 * WINDOW_MS;
/// How long the detector takes the silence after a voice for voice, at least.
const LAG_MS: u32 = 4 * WINDOW_MS;
/// The same for most words, so that silence is over when it should be, and hardly ever later. Before that, it ends some
/// hundredths of a second early at most.
const MOST_LAG_MS: u32 = 8 * WINDOW_MS;

/// What some sound changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Somebody has begun to speak.
    Begins,
    /// The speech has been over for as long as was asked.
    Ends,
}

/// Finds the beginning and the end of speech.
pub(crate) struct VoiceDetector {
    detector: Box<Detector>,
    window: [i16; WINDOW],
    filled: usize,
    last: i16,
    is_speaking: bool,
    /// Voice so far, without longer pauses; once somebody speaks, all since the beginning.
    voice_ms: u32,
    /// Silence since the last voice.
    silence_ms: u32,
    /// How much silence ends the speech.
    end_ms: u32,
}

impl VoiceDetector {
    /// Creates a detector for which this much silence, in milliseconds, ends the speech.
    pub fn new(end_ms: u32) -> Self {
        Self {
            detector: Detector::default_boxed(),
            window: [0; WINDOW],
            filled: 0,
            last: 0,
            is_speaking: false,
            voice_ms: 0,
            silence_ms: 0,
            end_ms: end_ms.saturating_sub(MOST_LAG_MS).max(WINDOW_MS),
        }
    }

    /// Returns how long the speech is so far, without the silence behind it.
    pub fn speech_ms(&self) -> u32 {
        if self.is_speaking { self.voice_ms.saturating_sub(self.silence_ms + LAG_MS) } else { 0 }
    }

    /// Hears sound.
    pub fn hear(&mut self, samples: &[i16]) -> Option<Change> {
        let mut change = None;
        for &sample in samples {
            // Twice the rate, by the mean of neighbours: voice is far below what that distorts.
            self.window[self.filled] = i16::midpoint(self.last, sample);
            self.window[self.filled + 1] = sample;
            self.filled += 2;
            self.last = sample;
            if self.filled == WINDOW {
                self.filled = 0;
                let is_voice = self.detector.predict_i16(&self.window) >= IS_VOICE;
                change = change.or(self.judge(is_voice));
            }
        }
        change
    }

    /// Learns whether a window holds voice.
    fn judge(&mut self, is_voice: bool) -> Option<Change> {
        self.silence_ms = if is_voice { 0 } else { self.silence_ms + WINDOW_MS };
        if self.is_speaking {
            self.voice_ms += WINDOW_MS;
            return (self.silence_ms >= self.end_ms).then_some(Change::Ends);
        }
        if is_voice {
            self.voice_ms += WINDOW_MS;
        } else if self.silence_ms > MAX_GAP_MS {
            self.voice_ms = 0;
        }
        self.is_speaking = self.voice_ms >= MIN_SPEECH_MS;
        self.is_speaking.then_some(Change::Begins)
    }
}

/// Returns where in a sound there is voice: from the first to the last of it.
pub(crate) fn voiced(samples: &[i16]) -> Option<Range<usize>> {
    let mut detector = Detector::default_boxed();
    let mut last = 0;
    let mut found: Option<Range<usize>> = None;
    for (number, piece) in samples.chunks_exact(WINDOW / 2).enumerate() {
        let mut window = [0; WINDOW];
        for (pair, &sample) in window.chunks_exact_mut(2).zip(piece) {
            pair.copy_from_slice(&[i16::midpoint(last, sample), sample]);
            last = sample;
        }
        if detector.predict_i16(&window) >= IS_VOICE {
            let (from, to) = (number * piece.len(), (number + 1) * piece.len());
            found = Some(found.map_or(from..to, |found| found.start..to));
        }
    }
    found
}

/// Sound for tests.
#[cfg(test)]
pub(crate) mod sounds {
    use crate::audio::RATE;
    use std::f64::consts::TAU;

    /// Returns a vowel of this length, in milliseconds: pulses of a voice through three resonances, which glide. A
    /// voice that stands still is taken for a tone now and then.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "sound")]
    pub fn vowel(ms: usize) -> Vec<i16> {
        let rate = f64::from(RATE);
        let mut filters =
            [(0.0, 700.0, 80.0), (1.0, 1200.0, 90.0), (2.0, 2500.0, 120.0)].map(|filter| (filter, [0.0; 2]));
        let mut phase = 0.0;
        let mut sample = |at: usize| {
            let time = at as f64 / rate;
            phase += (180.0 + 40.0 * (time * 4.0).sin()) / rate;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= pulse;
            let mut sum = 0.0;
            for ((shift, middle, width), last) in &mut filters {
                let frequency = *middle * (1.0 + 0.2 * (time * TAU * 3.0 + *shift).sin());
                let decay = (-TAU / 2.0 * *width / rate).exp();
                let out = pulse + 2.0 * decay * (TAU * frequency / rate).cos() * last[0] - decay * decay * last[1];
                *last = [out, last[0]];
                sum += out;
            }
            (sum * 4000.0).clamp(-30_000.0, 30_000.0) as i16
        };
        (0..ms * RATE as usize / 1000).map(&mut sample).collect()
    }

    /// Returns silence of this length, in milliseconds.
    pub fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * RATE as usize / 1000]
    }
}

#[cfg(test)]
mod tests {
    use super::sounds::{silence, vowel};
    use super::*;

    /// Returns when the detector noticed what, in milliseconds.
    fn noticed(sound: &[i16]) -> Vec<(usize, Change)> {
        let mut detector = VoiceDetector::new(400);
        let mut found = Vec::new();
        for (number, frame) in (1..).zip(sound.chunks(160)) {
            let change = detector.hear(frame);
            found.extend(change.map(|change| (number * 20, change)));
            if change == Some(Change::Ends) {
                let length = detector.speech_ms();
                assert!((800..900).contains(&length), "{length}");
                break;
            }
        }
        found
    }

    #[test]
    fn speech_begins_and_ends() {
        let found = noticed(&[silence(500), vowel(400), silence(200), vowel(240), silence(1000)].concat());
        let [(begins, Change::Begins), (ends, Change::Ends)] = found[..] else { panic!("{found:?}") };
        assert!((500..640).contains(&begins) && (1640..1820).contains(&ends), "{found:?}");
    }

    #[test]
    fn voice_is_found_in_a_sound() {
        let found = voiced(&[silence(500), vowel(400), silence(1000)].concat()).unwrap();
        assert!((3900..4700).contains(&found.start) && (6700..8000).contains(&found.end), "{found:?}");
        assert_eq!(voiced(&silence(1000)), None);
    }

    #[test]
    fn clicks_and_silence_are_no_speech() {
        let click = [vec![20_000; 8], vec![-20_000; 8]].concat();
        let clicks = [silence(300), click].concat().repeat(10);
        assert_eq!(noticed(&clicks), []);
        assert_eq!(noticed(&silence(3000)), []);
    }
}
