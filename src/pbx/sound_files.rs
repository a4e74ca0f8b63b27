//! Sound files on disk: their formats and lengths, and the transcripts beside them.

use super::prompts::is_english;
use crate::disk;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The length of a sound file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clip {
    /// The length in samples at 8 kHz.
    pub samples: u64,
    /// Asterisk can seek only to multiples of this many samples. In a gsm file that is 160, the size of its frames.
    pub grain: u64,
}

/// Returns the transcripts of Asterisk's own sounds in a folder and in its folders of languages, with their languages:
/// `core-sounds-en.txt`, `en/extra-sounds-en.txt`.
pub(super) fn transcripts(folder: &Path) -> Vec<(String, PathBuf)> {
    let folders: Vec<PathBuf> = disk::entries(folder).into_iter().filter(|path| disk::is_dir(path)).collect();
    let all = folders.iter().flat_map(|folder| disk::entries(folder)).chain(disk::entries(folder));
    let mut found: Vec<(String, PathBuf)> = all
        .filter_map(|path| {
            let (kind, language) = path.file_name()?.to_str()?.strip_suffix(".txt")?.split_once("-sounds-")?;
            let language = matches!(kind, "core" | "extra").then(|| language.to_owned())?;
            Some((language, path))
        })
        .collect();
    // English needs no mention.
    found.iter_mut().filter(|(language, _)| is_english(language)).for_each(|(language, _)| language.clear());
    found.sort();
    found
}

/// The formats of Asterisk in its usual order: the extension, and how many bytes hold how many samples at 8 kHz.
const FORMATS: [(&str, u64, u64); 20] = [
    ("gsm", 33, 160),
    ("wav", 2, 1),
    ("WAV", 65, 320),
    ("wav49", 65, 320),
    ("ulaw", 1, 1),
    ("ul", 1, 1),
    ("mu", 1, 1),
    ("pcm", 1, 1),
    ("alaw", 1, 1),
    ("al", 1, 1),
    ("sln", 2, 1),
    ("slin", 2, 1),
    ("raw", 2, 1),
    ("g722", 1, 1),
    ("sln16", 4, 1),
    ("slin16", 4, 1),
    ("wav16", 4, 1),
    ("sln48", 12, 1),
    ("slin48", 12, 1),
    ("g729", 10, 80),
];

/// Whether files that end so are sounds that Asterisk plays.
#[cfg(feature = "speech")]
pub fn is_format(ending: &str) -> bool {
    FORMATS.iter().any(|(extension, ..)| *extension == ending)
}

/// Returns the files of a sound, whose path has no extension, in all formats that are on disk, with their lengths.
pub(crate) fn formats(path: &Path) -> impl Iterator<Item = (PathBuf, Clip)> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    FORMATS.iter().filter(move |_| path.file_name().is_some()).filter_map(move |&(extension, bytes, samples)| {
        let path = path.with_file_name(format!("{name}.{extension}"));
        let size = disk::size(&path)?;
        let size = match extension {
            "wav" => plain_wav(&path, 8000).ok()?,
            "wav16" => plain_wav(&path, 16_000).ok()?,
            "WAV" | "wav49" => wav(&path).map_or_else(|| size.saturating_sub(60), |wav| wav.data),
            _ => size,
        };
        Some((path, Clip { samples: size / bytes * samples, grain: samples }))
    })
}

/// Whether there is a sound file of this name in a folder, in a format that Asterisk plays.
pub(crate) fn is_in(folder: &Path, name: &str) -> bool {
    formats(&folder.join(name)).next().is_some()
}

/// Returns the wav file of this name in a folder, and why Asterisk doesn't play it.
pub(crate) fn unplayable(folder: &Path, name: &str) -> Option<(PathBuf, String)> {
    let path = folder.join(format!("{name}.wav"));
    let problem = plain_wav(&path, 8000).err().filter(|_| disk::is_file(&path))?;
    Some((path, problem))
}

/// The header of a wav file.
struct Wav {
    format: u16,
    channels: u16,
    rate: u32,
    bits: u16,
    /// The number of bytes of audio.
    data: u64,
}

/// Returns the number of bytes of audio in a wav file in the only format that Asterisk plays: uncompressed, mono, 16
/// bits, at this rate. The error says how it differs.
fn plain_wav(path: &Path, rate: u32) -> Result<u64, String> {
    let wav = wav(path).ok_or("is not a wav file")?;
    let mut differs = Vec::new();
    if wav.format != 1 {
        differs.push(format!("has the encoding {}", wav.format));
    }
    if wav.rate != rate {
        differs.push(format!("has {} Hz", wav.rate));
    }
    if wav.channels != 1 {
        differs.push(if wav.channels == 2 { "is stereo".to_owned() } else { format!("has {} channels", wav.channels) });
    }
    if wav.bits != 16 {
        differs.push(format!("has {} bits", wav.bits));
    }
    if differs.is_empty() { Ok(wav.data) } else { Err(differs.join(" and ")) }
}

/// Reads the header of a wav file: its chunks `fmt ` and `data`.
fn wav(path: &Path) -> Option<Wav> {
    let (mut file, size) = disk::open(path).ok()?;
    let mut head = [0; 12];
    file.read_exact(&mut head).ok()?;
    if &head[..4] != b"RIFF" {
        return None;
    }
    let mut format = None;
    let mut at = 12;
    while at + 8 <= size {
        let mut chunk = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut chunk).ok()?;
        let [.., a, b, c, d] = chunk;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        at += 8;
        match &chunk[..4] {
            b"fmt " => {
                let mut fields = [0; 16];
                file.read_exact(&mut fields).ok()?;
                format = Some(fields);
            }
            b"data" => {
                let [f0, f1, c0, c1, r0, r1, r2, r3, .., b0, b1] = format?;
                return Some(Wav {
                    format: u16::from_le_bytes([f0, f1]),
                    channels: u16::from_le_bytes([c0, c1]),
                    rate: u32::from_le_bytes([r0, r1, r2, r3]),
                    bits: u16::from_le_bytes([b0, b1]),
                    data: length.min(size - at),
                });
            }
            _ => {}
        }
        at += length + length % 2;
    }
    None
}
