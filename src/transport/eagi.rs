//! The caller's sound in a call by EAGI, which Asterisk passes as descriptor 3.

use crate::sync::lock;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How much is read at a time: a frame of 20 ms has 320 bytes at 8,000 samples a second.
const READ: usize = 4096;

/// The caller's sound in a call by EAGI: bytes in an [`AudioFormat`], from the moment at which the call is answered.
///
/// Somebody has to read it all the time. The pipe holds some seconds; when it is full, Asterisk logs a warning for
/// every frame that it plays, and what the caller says is lost. Either you read it yourself, on a thread of its own, or
/// you hand it to [`Session::set_audio`](crate::Session::set_audio): then `listen` hears it where there is no better
/// way, and whatever nobody listens to is thrown away.
///
/// ```no_run
/// use agi_rhai::host::stdio::{audio, stdio};
/// use agi_rhai::{Host, Session};
///
/// // First of all, while descriptor 3 can only come from Asterisk.
/// let audio = audio();
/// let mut session = Session::begin(Box::new(stdio(None)?))?;
/// if let Some(audio) = audio.filter(|_| session.is_enhanced()) {
///     let samples = audio.samples(&session.audio_format()?)?;
///     std::thread::spawn(move || {
///         for samples in samples {
///             let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max();
///             eprintln!("{loudest:?}");
///         }
///     });
/// }
/// let host = Host::new();
/// let script = host.compile("hello.rhai", "answer(); stream_file(\"hello-world\");")?;
/// host.run(session, &script, vec![]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Audio(File);

impl Audio {
    /// Takes the sound from a file: a pipe, most often.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self(file)
    }

    /// Returns its samples, if they have this format. Each item holds those that have come together, mostly 20 ms of
    /// them; the last one is the end of the call.
    ///
    /// # Errors
    /// They are coded, so that there are no samples to be had without a decoder.
    pub fn samples(self, format: &AudioFormat) -> io::Result<Samples> {
        match format {
            AudioFormat::Linear(_) => Ok(Samples { audio: self, odd: None }),
            AudioFormat::Other(name) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, format!("the sound of the call is coded as {name}")))
            }
        }
    }

    /// Reads it on a thread of its own, for whoever listens.
    pub(crate) fn tapped(mut self) -> AudioTap {
        let listener = Arc::<Mutex<Option<UnboundedSender<Vec<u8>>>>>::default();
        let tap = AudioTap(Arc::clone(&listener));
        let read = move || {
            let mut bytes = [0; READ];
            while let Ok(length @ 1..) = self.read(&mut bytes) {
                let mut listener = lock(&listener);
                if listener.as_ref().is_some_and(|listener| listener.send(bytes[..length].to_vec()).is_err()) {
                    *listener = None;
                }
            }
            *lock(&listener) = None;
        };
        if let Err(error) = std::thread::Builder::new().name("eagi-audio".to_owned()).stack_size(64 * 1024).spawn(read)
        {
            tracing::warn!(%error, "cannot read the audio");
        }
        tap
    }
}

impl Read for Audio {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

/// The samples of an [`Audio`].
#[derive(Debug)]
pub struct Samples {
    audio: Audio,
    /// The first half of a sample.
    odd: Option<u8>,
}

impl Iterator for Samples {
    type Item = Vec<i16>;

    fn next(&mut self) -> Option<Vec<i16>> {
        let mut bytes = [0; READ];
        loop {
            let begun = usize::from(self.odd.is_some());
            bytes[0] = self.odd.take().unwrap_or_default();
            let length = match self.audio.read(&mut bytes[begun..]) {
                Ok(0) => return None,
                Ok(length) => begun + length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => begun,
                Err(_) => return None,
            };
            let (pairs, rest) = bytes[..length].as_chunks();
            self.odd = rest.first().copied();
            if !pairs.is_empty() {
                return Some(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect());
            }
        }
    }
}

/// The format of the caller's sound, which the dialplan may choose by the variable `EAGI_AUDIO_FORMAT` before the call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioFormat {
    /// Signed samples of 16 bits, little-endian, so many a second: 8,000 unless the dialplan says otherwise.
    Linear(u32),
    /// Another one, by Asterisk's name: `ulaw`, `g722`, `opus`.
    Other(String),
}

impl AudioFormat {
    /// Returns the format of this name, as the variable has it; it may be empty.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let rate = match name.strip_prefix("slin") {
            Some("") => Some(8000),
            Some("44") => Some(44_100),
            Some(digits @ ("12" | "16" | "24" | "32" | "48" | "96" | "192")) => {
                digits.parse().ok().map(|thousands: u32| thousands * 1000)
            }
            _ => name.is_empty().then_some(8000),
        };
        rate.map_or(Self::Other(name), Self::Linear)
    }
}

/// The sound of a call that is being read, for whoever listens.
#[derive(Clone, Debug)]
pub(crate) struct AudioTap(Arc<Mutex<Option<UnboundedSender<Vec<u8>>>>>);

#[cfg_attr(not(any(test, feature = "speech")), expect(dead_code, reason = "nobody listens"))]
impl AudioTap {
    /// Returns the sound from now on. Nobody else hears it then.
    pub fn listen(&self) -> UnboundedReceiver<Vec<u8>> {
        let (sender, receiver) = unbounded_channel();
        *lock(&self.0) = Some(sender);
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn samples_do_not_depend_on_how_they_arrive() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let audio = Audio::new(File::from(std::os::fd::OwnedFd::from(reader)));
        let mut samples = audio.samples(&AudioFormat::named("")).unwrap();
        let mut heard = Vec::new();
        for bytes in [&[1][..], &[0, 2], &[1, 0xff, 0xff, 9], &[]] {
            writer.write_all(bytes).unwrap();
            if bytes.len() > 1 {
                heard.extend(samples.next().unwrap());
            }
        }
        drop(writer);
        assert_eq!((heard, samples.next()), (vec![1, 0x102, -1], None));
    }

    #[test]
    fn formats_have_asterisks_names() {
        let rates = [("", 8000), ("slin", 8000), ("SLIN16", 16_000), ("slin44", 44_100), ("slin192", 192_000)];
        for (name, rate) in rates {
            assert_eq!(AudioFormat::named(name), AudioFormat::Linear(rate));
        }
        for name in ["ulaw", "opus", "slin17", "slinear"] {
            assert_eq!(AudioFormat::named(name), AudioFormat::Other(name.to_owned()));
        }
    }

    #[test]
    fn whoever_listens_hears_what_comes_from_then_on() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let tap = Audio::new(File::from(std::os::fd::OwnedFd::from(reader))).tapped();
        // More than the pipe holds: it is read though nobody listens.
        writer.write_all(&vec![0; 300_000]).unwrap();
        let mut sound = tap.listen();
        loop {
            writer.write_all(&[7; 320]).unwrap();
            let heard = sound.blocking_recv().unwrap();
            if heard.ends_with(&[7]) {
                break;
            }
        }
        drop(sound);
        writer.write_all(&vec![0; 300_000]).unwrap();
        drop(writer);
        // The end of the call ends whoever listens, too.
        let mut sound = tap.listen();
        while sound.blocking_recv().is_some() {}
    }
}
