//! The files of a request.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The files that there are, by their names: scripts, tables of prompts and phrases, sounds.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Files(BTreeMap<String, File>);

/// A file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum File {
    /// Its text.
    Text(String),
    /// A sound, of which only the size matters. A `.wav` file has a header of 44 bytes.
    Sound { size: usize },
}

impl Files {
    /// Makes these the only files.
    pub fn give(self) {
        let bytes = |name: &str, file| match file {
            File::Text(text) => text.into_bytes(),
            File::Sound { size } if name.ends_with(".wav") => wav(size),
            File::Sound { size } => vec![0; size],
        };
        agi_rhai::internals::sandbox::give(self.0.into_iter().map(|(name, file)| {
            let bytes = bytes(&name, file);
            (PathBuf::from(name), bytes)
        }));
    }
}

/// Returns a wav file of this size as Asterisk plays it: 8000 Hz, mono, 16 bits. It has a header only.
fn wav(size: usize) -> Vec<u8> {
    let data = u32::try_from(size.saturating_sub(44)).unwrap_or(u32::MAX);
    let mut wav = Vec::with_capacity(size.max(44));
    wav.extend(b"RIFF");
    wav.extend(data.saturating_add(36).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend([16, 0, 0, 0, 1, 0, 1, 0]);
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(16_000_u32.to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(data.to_le_bytes());
    wav.resize(size.max(44), 0);
    wav
}
