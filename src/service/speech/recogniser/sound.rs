//! The sound of a caller, as engines take it.

use crate::audio::{RATE, wav};
use tokio::sync::mpsc::UnboundedReceiver;

/// The rate of models, in samples per second. Most engines take nothing else.
pub(super) const MODEL_RATE: u32 = 2 * RATE;
/// How many samples a piece has that is sent while the caller speaks: 100 ms.
const PIECE: usize = RATE as usize / 10;

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

/// Waits for all sound, and returns it as a WAV file at the rate of models.
pub(super) async fn file(mut sound: UnboundedReceiver<Vec<i16>>) -> Vec<u8> {
    let (mut doubling, mut all) = (Doubling::default(), Vec::new());
    while let Some(samples) = sound.recv().await {
        all.extend(doubling.double(&samples));
    }
    wav(&all, MODEL_RATE)
}

/// Samples as bytes: signed, 16 bits, little-endian.
pub(super) fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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
