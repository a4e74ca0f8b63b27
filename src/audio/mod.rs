//! Sound: recordings of any kind, as Asterisk plays them. Everything here is one channel of signed 16-bit samples,
//! 8,000 of them a second unless it says otherwise.

mod encode;
mod prepare;
mod recording;
mod resample;
mod sound_file;
mod voice;
mod wav;

pub use encode::SoundFormat;
pub(crate) use prepare::{Prepare, prepare};
pub use recording::Recording;
pub(crate) use sound_file::{Coding, SoundFile};
#[cfg(test)]
pub(crate) use voice::sounds;
pub(crate) use voice::{Change, VoiceDetector, voiced};
pub(crate) use wav::wav;

/// Asterisk's own rate, in samples per second.
pub(crate) const RATE: u32 = 8000;
