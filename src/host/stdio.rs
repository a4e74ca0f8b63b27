//! AGI as Asterisk starts it: a process with two pipes.

use crate::transport::{Notice, Pipes, Stream};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

/// Returns a stream over standard input and output. `notice` reports a SIGHUP.
///
/// # Errors
/// Standard input or output is closed.
pub fn stdio(notice: Option<Notice>) -> io::Result<Stream<Pipes<File, File>>> {
    // Own descriptors, so that neither `print!` nor a buffer of the standard library interferes.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Ok(Stream::over(Pipes::new(input, output, notice)))
}

/// Returns the audio of an EAGI call, which Asterisk passes as descriptor 3. This must be called before anything else
/// is opened, since that would take the number.
#[must_use]
pub fn audio() -> Option<File> {
    File::open("/proc/self/fd/3").ok()
}

/// Reads and discards the audio. Unread audio fills the pipe, and Asterisk logs a warning for every frame.
pub fn drain(mut audio: File) {
    let drain = move || {
        let mut buffer = [0; 4096];
        while audio.read(&mut buffer).is_ok_and(|length| length > 0) {}
    };
    if let Err(error) = std::thread::Builder::new().name("eagi-audio".to_owned()).stack_size(64 * 1024).spawn(drain) {
        tracing::warn!(%error, "cannot discard the audio");
    }
}
