//! Recordings of any kind, decoded.

use std::fmt;
use std::io::Cursor;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// How long a recording may be, in seconds: a prompt is shorter.
const MAX_SECONDS: usize = 3600;

/// One channel of sound, at the rate at which it was recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Samples per second.
    pub rate: u32,
    /// Samples, from -1 to 1.
    pub samples: Vec<f32>,
}

/// Why a recording cannot be read.
#[derive(Debug)]
pub struct RecordingError(String);

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecordingError {}

impl Recording {
    /// Decodes a file: WAV, AIFF, FLAC, MP3, Ogg Vorbis or M4A. Several channels become one. `extension` helps to
    /// recognise the format.
    ///
    /// # Errors
    /// It is no recording, is damaged, has no sound, or is longer than an hour.
    pub fn decode(bytes: Vec<u8>, extension: &str) -> Result<Self, RecordingError> {
        let unreadable = |error: Error| match error {
            Error::Unsupported(what) => RecordingError(format!("this kind of recording isn't supported ({what})")),
            Error::IoError(_) => RecordingError("the recording ends in the middle".to_owned()),
            other => RecordingError(format!("this isn't a recording that can be read ({other})")),
        };
        let mut hint = Hint::new();
        hint.with_extension(extension);
        let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
        let mut format = symphonia::default::get_probe()
            .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
            .map_err(unreadable)?;
        let no_sound = || RecordingError("the file has no sound".to_owned());
        let track = format.default_track(TrackType::Audio).ok_or_else(no_sound)?;
        let track_id = track.id;
        let params = track.codec_params.as_ref().and_then(|params| params.audio()).ok_or_else(no_sound)?;
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(unreadable)?;
        let mut recording = Self::default();
        let mut block: Vec<f32> = Vec::new();
        loop {
            let packet = match format.next_packet() {
                Ok(Some(packet)) => packet,
                // A file that was cut off is heard as far as it goes.
                Ok(None) | Err(Error::ResetRequired | Error::IoError(_)) => break,
                Err(error) => return Err(unreadable(error)),
            };
            if packet.track_id != track_id {
                continue;
            }
            let sound = match decoder.decode(&packet) {
                Ok(sound) => sound,
                // A damaged packet is skipped, as players do.
                Err(Error::DecodeError(_)) => continue,
                Err(error) => return Err(unreadable(error)),
            };
            let channels = sound.spec().channels().count().max(1);
            recording.rate = sound.spec().rate();
            block.resize(sound.samples_interleaved(), 0.0);
            sound.copy_to_slice_interleaved(&mut block);
            #[expect(clippy::cast_precision_loss, reason = "there are few channels")]
            let share = 1.0 / channels as f32;
            recording.samples.extend(block.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share));
            if recording.samples.len() / recording.rate.max(1) as usize >= MAX_SECONDS {
                return Err(RecordingError("the recording is longer than an hour".to_owned()));
            }
        }
        if recording.samples.is_empty() || recording.rate == 0 { Err(no_sound()) } else { Ok(recording) }
    }
}
