//! The formats in which sound files are written.

use super::{RATE, wav};

/// A format that every Asterisk plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundFormat {
    /// WAV, uncompressed.
    Wav,
    /// Signed 16-bit samples without a header.
    Sln,
    /// µ-law, as on lines in America and Japan.
    Ulaw,
    /// A-law, as on lines everywhere else.
    Alaw,
    /// WAV with 16,000 samples a second, for wideband calls.
    Wav16,
    /// Samples without a header, 16,000 of them a second.
    Sln16,
}

impl SoundFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Wav, Self::Sln, Self::Ulaw, Self::Alaw, Self::Wav16, Self::Sln16];

    /// Returns the extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Sln => "sln",
            Self::Ulaw => "ulaw",
            Self::Alaw => "alaw",
            Self::Wav16 => "wav16",
            Self::Sln16 => "sln16",
        }
    }

    /// Returns how many samples a second it has.
    pub(crate) fn rate(self) -> u32 {
        if matches!(self, Self::Wav16 | Self::Sln16) { 2 * RATE } else { RATE }
    }

    /// Returns the file of these samples.
    pub(crate) fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Wav | Self::Wav16 => wav(samples, self.rate()),
            Self::Sln | Self::Sln16 => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::Ulaw => samples.iter().map(|sample| ulaw(*sample)).collect(),
            Self::Alaw => samples.iter().map(|sample| alaw(*sample)).collect(),
        }
    }
}

/// Encodes a sample by µ-law (ITU-T G.711): a sign, the exponent and four digits of the sum of the sample and 132.
#[expect(clippy::cast_possible_truncation, reason = "the parts of a byte")]
fn ulaw(sample: i16) -> u8 {
    const BIAS: u16 = 132;
    let sum = sample.unsigned_abs().min(i16::MAX.unsigned_abs() - BIAS) + BIAS;
    // The sum has 8 to 15 binary digits.
    let exponent = 8 - sum.leading_zeros() as u8;
    let digits = (sum >> (exponent + 3)) as u8 & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | exponent << 4 | digits)
}

/// Encodes a sample by A-law (ITU-T G.711): every other bit is inverted.
#[expect(clippy::cast_possible_truncation, reason = "the parts of a byte")]
fn alaw(sample: i16) -> u8 {
    let (sign, size) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let size = size.unsigned_abs() >> 4;
    let exponent = (12 - size.leading_zeros().min(12)) as u8;
    let digits = (size >> exponent.saturating_sub(1)) as u8 & 0x0f;
    (sign | exponent << 4 | digits) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_the_standard_says() {
        // As the reference of the standard (`g711.c`) writes them.
        for (sample, mu, a) in [
            (0, 0xff, 0xd5),
            (-1, 0x7f, 0x55),
            (8, 0xfe, 0xd5),
            (100, 0xf2, 0xd3),
            (-100, 0x72, 0x53),
            (1000, 0xce, 0xfa),
            (-1000, 0x4e, 0x7a),
            (12345, 0x97, 0xbd),
            (i16::MAX, 0x80, 0xaa),
            (i16::MIN, 0x00, 0x2a),
        ] {
            assert_eq!((ulaw(sample), alaw(sample)), (mu, a), "{sample}");
        }
    }
}
