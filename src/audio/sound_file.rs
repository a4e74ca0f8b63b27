//! Sound files of Asterisk, read piece by piece.

use super::resample::resample;
use super::{RATE, Recording};
use oxideav_gsm::bitstream::UnpackedFrame;
use oxideav_gsm::decoder::DecoderState;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How many bytes of a file that has to be converted as a whole are read: some minutes.
const MAX_WHOLE: u64 = 8 * 1024 * 1024;
/// The bytes of a frame of GSM, and its samples.
const GSM_FRAME: (usize, usize) = (33, 160);
/// How many chunks a WAV file may have before its sound.
const MAX_CHUNKS: usize = 64;

/// How the samples of a file are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// WAV with 16-bit samples, 8,000 or 16,000 of them a second.
    Wav,
    /// Signed 16-bit samples without a header, at this rate.
    Linear(u32),
    /// µ-law.
    Ulaw,
    /// A-law.
    Alaw,
    /// GSM 06.10, as Asterisk's own recordings are.
    Gsm,
}

impl Coding {
    /// Returns the coding of files with this extension; `None` if only Asterisk itself reads them.
    pub fn of(extension: &str) -> Option<Self> {
        Some(match extension {
            "wav" | "wav16" => Self::Wav,
            "sln" | "slin" | "raw" => Self::Linear(RATE),
            "ulaw" | "ul" | "mu" | "pcm" => Self::Ulaw,
            "alaw" | "al" => Self::Alaw,
            "gsm" => Self::Gsm,
            "sln16" | "slin16" => Self::Linear(16_000),
            "sln48" | "slin48" => Self::Linear(48_000),
            _ => return None,
        })
    }

    /// Whether files of it are played without being converted.
    pub fn has_our_rate(self) -> bool {
        !matches!(self, Self::Linear(rate) if rate != RATE)
    }
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct SoundFile {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The rest of a file at our rate, and how many bytes of its sound are left.
    File(File, Coding, u64),
    /// A file of GSM, and what its next frame builds on.
    Gsm(File, Box<DecoderState>),
    /// What was converted already.
    Samples(std::vec::IntoIter<i16>),
}

impl SoundFile {
    /// Opens a file.
    ///
    /// # Errors
    /// It can't be read, or isn't what its name says.
    pub fn open(path: &Path, coding: Coding) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (coding, length) = match coding {
            Coding::Gsm => return Ok(Self { source: Source::Gsm(file, Box::default()) }),
            Coding::Wav => {
                let (rate, length) = wav_header(&mut file)?;
                (Coding::Linear(rate), length)
            }
            coding => (coding, u64::MAX),
        };
        let rate = if let Coding::Linear(rate) = coding { rate } else { RATE };
        if rate == RATE {
            return Ok(Self { source: Source::File(file, coding, length) });
        }
        let mut bytes = Vec::new();
        file.take(length.min(MAX_WHOLE)).read_to_end(&mut bytes)?;
        let samples = linear(&bytes).map(|sample| f32::from(sample) / 32768.0).collect();
        let converted = resample(&Recording { rate, samples }, RATE);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
        let to_16_bits = |sample: f32| (sample * 32768.0).clamp(-32768.0, 32767.0) as i16;
        let samples: Vec<i16> = converted.into_iter().map(to_16_bits).collect();
        Ok(Self { source: Source::Samples(samples.into_iter()) })
    }

    /// Reads at most this many samples; none at the end.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn read(&mut self, max: usize) -> io::Result<Vec<i16>> {
        match &mut self.source {
            Source::Samples(samples) => Ok(samples.take(max).collect()),
            Source::Gsm(file, decoder) => {
                let mut bytes = Vec::new();
                let (frame, samples) = GSM_FRAME;
                file.take((max / samples * frame) as u64).read_to_end(&mut bytes)?;
                let decode = |frame: &[u8]| {
                    let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "this isn't GSM");
                    Ok(decoder.decode_frame(&UnpackedFrame::from_gsm_byte_frame(frame).map_err(wrong)?))
                };
                bytes.chunks_exact(frame).map(decode).collect::<io::Result<Vec<_>>>().map(|frames| frames.concat())
            }
            Source::File(file, coding, left) => {
                let width = if matches!(coding, Coding::Linear(_)) { 2 } else { 1 };
                let length = (*left).min((max * width) as u64);
                let mut bytes = Vec::new();
                file.take(length).read_to_end(&mut bytes)?;
                *left -= bytes.len() as u64;
                Ok(match coding {
                    Coding::Ulaw => bytes.iter().map(|byte| ulaw(*byte)).collect(),
                    Coding::Alaw => bytes.iter().map(|byte| alaw(*byte)).collect(),
                    _ => linear(&bytes).collect(),
                })
            }
        }
    }
}

fn linear(bytes: &[u8]) -> impl Iterator<Item = i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
}

/// Reads the header of a WAV file. Returns its rate and the length of its sound, at which the file stands then.
fn wav_header(file: &mut File) -> io::Result<(u32, u64)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this isn't a WAV file of 16-bit samples on one channel");
    let mut head = [0; 12];
    file.read_exact(&mut head)?;
    if &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        return Err(wrong());
    }
    let mut rate = None;
    let mut passed = 0;
    loop {
        let mut chunk = [0; 8];
        file.read_exact(&mut chunk)?;
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        match &chunk[..4] {
            b"data" => return Ok((rate.ok_or_else(wrong)?, u64::from(length))),
            b"fmt " if length >= 16 => {
                let mut format = [0; 16];
                file.read_exact(&mut format)?;
                // PCM, one channel; bytes of a sample.
                if format[..4] != [1, 0, 1, 0] || format[14..] != [16, 0] {
                    return Err(wrong());
                }
                let found = u32::from_le_bytes([format[4], format[5], format[6], format[7]]);
                rate = Some(found).filter(|rate| (RATE..=48_000).contains(rate));
                file.seek(SeekFrom::Current(i64::from(length - 16)))?;
            }
            _ => {
                // Chunks are padded to an even length.
                file.seek(SeekFrom::Current(i64::from(length) + i64::from(length % 2)))?;
            }
        }
        passed += 1;
        if passed > MAX_CHUNKS {
            return Err(wrong());
        }
    }
}

/// Decodes a sample of µ-law (ITU-T G.711).
fn ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i16::from(byte & 0x0f) << 3) + 0x84) << ((byte & 0x70) >> 4);
    if byte & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// Decodes a sample of A-law (ITU-T G.711).
fn alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (mantissa, exponent) = (i16::from(byte & 0x0f) << 4, (byte & 0x70) >> 4);
    let magnitude = match exponent {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_telephones_are_decoded() {
        assert_eq!([0xff, 0x7f, 0x80, 0x00].map(ulaw), [0, 0, 32124, -32124]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(alaw), [8, -8, 32256, -32256]);
    }

    /// A recording of ours, of which sox made 111 frames; the sum is that of the samples that sox makes of it.
    #[test]
    fn recordings_of_asterisk_are_decoded() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sounds/en/weather-zip.gsm");
        let mut file = SoundFile::open(&path, Coding::of("gsm").unwrap()).unwrap();
        let mut samples = Vec::new();
        loop {
            let piece = file.read(4000).unwrap();
            assert!(piece.len() <= 4000);
            if piece.is_empty() {
                break;
            }
            samples.extend(piece);
        }
        let sum: i64 = samples.iter().zip(1..).map(|(sample, place): (_, i64)| i64::from(*sample) * place).sum();
        assert_eq!((samples.len(), sum), (17_760, 14_316_216_736));
        let mut wrong = SoundFile::open(Path::new(file!()), Coding::Gsm).unwrap();
        assert!(wrong.read(4000).is_err());
    }
}
