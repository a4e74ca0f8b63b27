//! Sound at another rate.

use super::recording::Recording;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

/// Frames that are converted at a time. The result doesn't depend on it.
const CHUNK: usize = 1024;

/// Returns the recording at this rate, without what the new rate cannot carry. A rate of 0 gives nothing.
#[must_use]
pub fn resample(recording: &Recording, rate: u32) -> Vec<f32> {
    if recording.rate == rate {
        return recording.samples.clone();
    }
    let convert = || {
        let (from, to) = (recording.rate as usize, rate as usize);
        let mut resampler = Fft::<f32>::new(from, to, CHUNK, 1, FixedSync::Both).ok()?;
        let length = recording.samples.len();
        let input = InterleavedSlice::new(&recording.samples, 1, length).ok()?;
        let output = resampler.process_all(&input, length, None).ok()?;
        Some(output.take_data())
    };
    convert().unwrap_or_default()
}
