//! The files of a request.

use agi_rhai::internals::sandbox::{give, give_zones};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folder of the time zones.
const ZONES: &str = "zoneinfo/";

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
    /// Its bytes, in Base64: a time zone, such as `zoneinfo/Europe/Berlin`.
    Bytes { base64: String },
}

impl Files {
    /// Returns the names of the scripts and of the tables of prompts and phrases.
    pub fn texts(&self) -> Vec<String> {
        let is_text = |name: &&String| [".rhai", ".prompts", ".phrases"].iter().any(|ending| name.ends_with(ending));
        self.0.keys().filter(is_text).cloned().collect()
    }

    /// Makes these the only files.
    pub fn give(self) {
        let bytes = |name: &str, file| match file {
            File::Text(text) => text.into_bytes(),
            File::Sound { size } if name.ends_with(".wav") => wav(size),
            File::Sound { size } => vec![0; size],
            File::Bytes { base64 } => bytes_of(&base64),
        };
        let all = self.0.into_iter().map(|(name, file)| {
            let bytes = bytes(&name, file);
            (name, bytes)
        });
        let (zones, files): (Vec<_>, Vec<_>) = all.partition(|(name, _)| name.starts_with(ZONES));
        give_zones(zones.into_iter().map(|(name, bytes)| (name[ZONES.len()..].to_owned(), bytes)));
        give(files.into_iter().map(|(name, bytes)| (PathBuf::from(name), bytes)));
    }
}

/// Reads Base64. Anything else is left out.
fn bytes_of(base64: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for value in base64.bytes().filter_map(value) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    bytes
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
