//! The sound of a caller, as engines take it.

use crate::audio::{RATE, voiced, wav};
use crate::transport::Failure;
use tokio::sync::mpsc::UnboundedReceiver;

/// The rate of models, in samples per second. Most engines take nothing else.
pub(super) const MODEL_RATE: u32 = 2 * RATE;
/// How many samples a piece has that is sent while the caller speaks: 100 ms.
const PIECE: usize = RATE as usize / 10;

/// How much sound before the first and behind the last voice an engine hears that gets all at once. With more of it,
/// PocketSphinx takes noises for words.
const LEAD: usize = RATE as usize / 4;
const TRAIL: usize = RATE as usize * 3 / 10;
/// How loud a voice is made for such an engine: the root mean square of its samples. PocketSphinx needs a certain
/// loudness, since it doesn't adapt within a few words; it makes little difference to others.
const LOUDNESS: f64 = 500.0;

/// Makes 16,000 samples per second of 8,000.
///
/// New samples are halfway between their neighbours. PocketSphinx understands that as well as what a steep filter
/// makes, or a little better: models expect something above 4 kHz.
#[derive(Debug, Default)]
pub(super) struct Doubling {
    last: i16,
}

impl Doubling {
    pub fn double(&mut self, samples: &[i16]) -> Vec<i16> {
        let mut doubled = Vec::with_capacity(samples.len() * 2);
        for &sample in samples {
            doubled.extend([i16::midpoint(self.last, sample), sample]);
            self.last = sample;
        }
        doubled
    }
}

/// Waits for the next piece of sound; nothing is its end.
pub(super) async fn piece(sound: &mut UnboundedReceiver<Vec<i16>>) -> Option<Vec<i16>> {
    let mut piece = sound.recv().await?;
    while piece.len() < PIECE {
        let Some(more) = sound.recv().await else { break };
        piece.extend(more);
    }
    Some(piece)
}

/// Waits for all sound, and returns what was said as a WAV file at the rate of models.
pub(super) async fn file(mut sound: UnboundedReceiver<Vec<i16>>) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while let Some(samples) = sound.recv().await {
        all.extend(samples);
    }
    // Finding the voice takes a while.
    let made = tokio::task::spawn_blocking(move || wav(&Doubling::default().double(&prepared(&all)), MODEL_RATE));
    made.await.map_err(|_| Failure::unavailable("no thread to prepare the sound"))
}

/// Leaves out silence at both ends, and makes what was said as loud as engines understand it best.
fn prepared(sound: &[i16]) -> Vec<i16> {
    let Some(voice) = voiced(sound) else { return sound.to_vec() };
    let loudness = rms(&sound[voice.clone()]);
    let gain = if loudness > 0.0 { LOUDNESS / loudness } else { 1.0 };
    let (from, to) = (voice.start.saturating_sub(LEAD), (voice.end + TRAIL).min(sound.len()));
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
    let louder = |sample: &i16| (f64::from(*sample) * gain).clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
    sound[from..to].iter().map(louder).collect()
}

/// Returns the root of the mean of the squares.
fn rms(samples: &[i16]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody says that much")]
    let number = samples.len() as f64;
    (samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / number).sqrt()
}

/// Samples as bytes: signed, 16 bits, little-endian.
pub(super) fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::sounds::{silence, vowel};
    use crate::service::runtime::runtime;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn doubled_sound_does_not_depend_on_its_pieces() {
        let mut doubling = Doubling::default();
        let whole = Doubling::default().double(&[100, -300, i16::MIN, i16::MAX, 0]);
        assert_eq!(whole.len(), 10);
        assert_eq!(whole[..4], [50, 100, -100, -300]);
        let pieces = [doubling.double(&[100, -300]), doubling.double(&[]), doubling.double(&[i16::MIN, i16::MAX, 0])];
        assert_eq!(pieces.concat(), whole);
    }

    #[test]
    fn whole_sound_is_trimmed_and_has_a_certain_loudness() {
        for factor in [1, 4] {
            let vowel: Vec<i16> = vowel(400).iter().map(|sample| sample / factor).collect();
            let made = prepared(&[silence(1000), vowel, silence(2000)].concat());
            assert!((7000..9000).contains(&made.len()), "{}", made.len());
            assert!((300.0..700.0).contains(&rms(&made)), "{}", rms(&made));
        }
        assert_eq!(prepared(&silence(300)), silence(300));
        assert!(prepared(&[]).is_empty());
    }

    #[test]
    fn sound_is_sent_in_pieces_of_some_length() {
        let (sender, mut sound) = unbounded_channel();
        for _ in 0..7 {
            sender.send(vec![1; 160]).unwrap();
        }
        drop(sender);
        let lengths = async {
            let mut lengths = Vec::new();
            while let Some(piece) = piece(&mut sound).await {
                lengths.push(piece.len());
            }
            lengths
        };
        assert_eq!(runtime().unwrap().block_on(lengths), [800, 320]);
    }
}
