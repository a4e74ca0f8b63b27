//! Makes a prompt of a recording: trimmed, as loud as others, at a rate that Asterisk plays.

use super::RATE;
use super::recording::Recording;
use super::resample::resample;
use ebur128::{EbuR128, Mode};

/// What is done to a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prepare {
    /// Samples per second.
    pub rate: u32,
    /// The loudness, in LUFS (EBU R 128). Asterisk's own English prompts have -19.5 (the median of those longer
    /// than a second; nine in ten are between -21 and -17.5).
    pub loudness: f64,
    /// Sound more than this much below the loudest part, in dB, counts as silence at the beginning and the end.
    pub silence: f64,
    /// How much of that silence stays, in milliseconds, on each side.
    pub margin: u32,
}

impl Default for Prepare {
    fn default() -> Self {
        Self { rate: RATE, loudness: -19.5, silence: 40.0, margin: 60 }
    }
}

/// The highest peak, of 1: louder ones are distorted by the codecs of telephones.
const MAX_PEAK: f32 = 0.9;
/// The length of a piece whose loudness decides whether it is silent, in milliseconds.
const PIECE_MS: usize = 10;

/// Returns the samples of a prompt. A recording in which nothing is heard is left as it is.
#[must_use]
pub fn prepare(recording: &Recording, wanted: &Prepare) -> Vec<i16> {
    let resampled = resample(recording, wanted.rate);
    let trimmed = trim(&resampled, wanted);
    let gain = gain(trimmed, wanted);
    trimmed.iter().map(|sample| to_16_bits(sample * gain)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn to_16_bits(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * 32767.0).round() as i16
}

/// Cuts silence at both ends.
fn trim<'a>(samples: &'a [f32], wanted: &Prepare) -> &'a [f32] {
    let piece = wanted.rate as usize * PIECE_MS / 1000;
    let power = |piece: &[f32]| {
        #[expect(clippy::cast_precision_loss, reason = "a piece is short")]
        let length = piece.len() as f64;
        piece.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / length
    };
    let powers: Vec<f64> = samples.chunks(piece).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let limit = loudest * 10f64.powf(-wanted.silence / 10.0);
    let is_loud = |power: &f64| *power > limit;
    let (Some(first), Some(last)) = (powers.iter().position(is_loud), powers.iter().rposition(is_loud)) else {
        return samples;
    };
    let margin = (wanted.rate * wanted.margin / 1000) as usize;
    let from = (first * piece).saturating_sub(margin);
    let to = ((last + 1) * piece + margin).min(samples.len());
    &samples[from..to]
}

/// Returns the factor that makes the sound as loud as wanted, without distorting its peaks.
fn gain(samples: &[f32], prepare: &Prepare) -> f32 {
    let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    if peak == 0.0 {
        return 1.0;
    }
    let measured = || {
        let mut meter = EbuR128::new(1, prepare.rate, Mode::I).ok()?;
        // The meter needs 400 ms: a shorter sound is measured as if it was repeated.
        let enough = prepare.rate as usize / 2;
        let repeats = enough.div_ceil(samples.len().max(1));
        for _ in 0..repeats.max(1) {
            meter.add_frames_f32(samples).ok()?;
        }
        meter.loudness_global().ok().filter(|loudness| loudness.is_finite())
    };
    #[expect(clippy::cast_possible_truncation, reason = "a factor needs no more digits")]
    let wanted = measured().map_or(1.0, |measured| 10f64.powf((prepare.loudness - measured) / 20.0) as f32);
    wanted.min(MAX_PEAK / peak)
}
