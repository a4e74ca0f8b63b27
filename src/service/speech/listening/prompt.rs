//! A prompt as samples, read from its files while it is played.

use super::server::named;
use crate::audio::{Coding, SoundFile};
use crate::service::speech::sounds::SoundFolders;
use serde_json::Value;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// How many samples are read at a time: 0.3 s. What is read waits in memory, in every call.
const CHUNK: usize = 2400;

/// What is still to be played. Everything here blocks.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    files: VecDeque<(PathBuf, Coding)>,
    open: Option<SoundFile>,
}

impl Prompt {
    /// Finds the files of a prompt. What was spoken is in a folder of its own, though another machine fetches it.
    ///
    /// # Errors
    /// Returns how many parts Asterisk has to play itself: up to the last one that can't be read here.
    pub fn find(parts: &[Value], folders: &SoundFolders, spoken: Option<&Path>, language: &str) -> Result<Self, usize> {
        let mut files = VecDeque::new();
        let mut unreadable = 0;
        for (part, number) in parts.iter().zip(1..) {
            let names = match (&part["file"], &part["files"]) {
                (Value::String(name), _) => Some(std::slice::from_ref(name).iter().map(String::as_str).collect()),
                (_, Value::Array(names)) => names.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
                _ => None,
            };
            let find = |name: &str| match spoken.zip(fetched(name)) {
                Some((folder, file)) => Some((folder.join(file), Coding::Wav)),
                None => readable(folders.files(name, language)),
            };
            let found: Option<Vec<_>> = names.and_then(|names| names.into_iter().map(find).collect());
            match found {
                Some(found) => files.extend(found),
                None => unreadable = number,
            }
        }
        if unreadable > 0 { Err(unreadable) } else { Ok(Self { files, open: None }) }
    }

    /// Whether there is nothing left.
    pub fn is_over(&self) -> bool {
        self.open.is_none() && self.files.is_empty()
    }

    /// Reads the next samples; none at the end. A file that can't be read after all is left out, as Asterisk does.
    pub fn read(&mut self) -> Vec<i16> {
        loop {
            if let Some(open) = &mut self.open
                && let Ok(samples) = open.read(CHUNK)
                && !samples.is_empty()
            {
                return samples;
            }
            self.open = None;
            let Some((file, coding)) = self.files.pop_front() else { return Vec::new() };
            match SoundFile::open(&file, coding) {
                Ok(opened) => self.open = Some(opened),
                Err(error) => tracing::warn!(file = %file.display(), "a sound file can't be read: {error}"),
            }
        }
    }
}

/// Returns the file that an address of ours stands for.
fn fetched(name: &str) -> Option<String> {
    let (_, path) = name.strip_prefix("http://")?.split_once('/')?;
    named(&format!("/{path}"))
}

/// Chooses a file that can be read here: the best of those that needn't be converted.
fn readable(files: Vec<PathBuf>) -> Option<(PathBuf, Coding)> {
    let coding = |file: PathBuf| {
        let coding = Coding::of(file.extension()?.to_str()?)?;
        Some((file, coding))
    };
    let quality = |(_, coding): &(PathBuf, Coding)| match coding {
        Coding::Wav | Coding::Linear(_) if coding.has_our_rate() => 0,
        Coding::Ulaw | Coding::Alaw => 1,
        _ => 2,
    };
    files.into_iter().filter_map(coding).min_by_key(quality)
}
