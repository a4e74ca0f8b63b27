//! Makes recordings: of words by an engine, and of what somebody has recorded.

use super::needed::NeededSound;
use crate::audio::{Prepare, Recording, SoundFormat, prepare};
use crate::service::Settings;
use crate::service::speak_now;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// Makes recordings of words.
#[derive(Debug)]
pub struct Maker {
    settings: Settings,
    engine: Option<String>,
}

impl Maker {
    /// Speaks by the engines of these settings: by this one, or else by that for each language.
    ///
    /// # Errors
    /// There is no such engine.
    pub fn new(settings: Settings, engine: Option<&str>) -> Result<Self, String> {
        let none = Vec::new;
        let names: Vec<&str> =
            settings.speech.as_ref().map_or_else(none, |speech| speech.tts.keys().map(String::as_str).collect());
        match engine {
            _ if names.is_empty() => {
                Err("agi-rhai.toml has no `[speech.tts.NAME]`, so nothing can be spoken".to_owned())
            }
            Some(engine) if !names.contains(&engine) => Err(format!(
                "agi-rhai.toml has no engine `[speech.tts.{engine}]`; there {} {}",
                if names.len() == 1 { "is" } else { "are" },
                names.join(", ")
            )),
            _ => Ok(Self { engine: engine.map(str::to_owned), settings }),
        }
    }

    /// Speaks the words of a prompt.
    ///
    /// # Errors
    /// It has no words, or the engine can't say them.
    pub fn speak(&self, sound: &NeededSound) -> Result<Recording, String> {
        let words = sound.words.as_deref().ok_or("no table has its words")?;
        speak_now(&self.settings, self.engine.as_deref(), words, &sound.language).map_err(|failure| failure.message)
    }
}

impl Recording {
    /// Reads a recording of any kind.
    ///
    /// # Errors
    /// The file can't be read, or is no recording.
    pub fn read(file: &Path) -> Result<Self, String> {
        let bytes = fs::read(file).map_err(|error| format!("it can't be read: {error}"))?;
        let extension = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Self::decode(bytes, &extension).map_err(|error| error.to_string())
    }
}

/// Trims a recording, makes it as loud as Asterisk's own, and writes it to a file, of which nobody sees a part.
/// Returns its length.
///
/// # Errors
/// Nothing can be heard in it, or the file can't be written.
pub fn made(recording: &Recording, file: &Path, format: SoundFormat) -> Result<Duration, String> {
    let rate = format.rate();
    let samples = prepare(recording, &Prepare { rate, ..Prepare::default() });
    if samples.iter().all(|sample| *sample == 0) {
        return Err("nothing can be heard in it".to_owned());
    }
    write(file, &format.encode(&samples)).map_err(|error| format!("{}: {error}", file.display()))?;
    let millis = samples.len() as u64 * 1000 / u64::from(rate);
    Ok(Duration::from_millis(millis))
}

fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.{}", std::process::id()));
    // Asterisk is another user, most often.
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&new);
    let written = opened.and_then(|mut opened| opened.write_all(content)).and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
