//! AGI as Asterisk starts it: a process on two pipes.

use crate::transport::{Notice, Pipes, Stream};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

/// A session over standard input and output; `notice` tells of a SIGHUP.
///
/// # Errors
/// Standard input or output is closed.
pub fn stdio(notice: Option<Notice>) -> io::Result<Stream<Pipes<File, File>>> {
    // Descriptors of our own: neither `print!` nor a buffer of the standard library may come between.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Ok(Stream::over(Pipes::new(input, output, notice)))
}

/// The audio of an EAGI call, which Asterisk hands over as descriptor 3; to be asked for before anything else is
/// opened, which would take that number.
#[must_use]
pub fn audio() -> Option<File> {
    File::open("/proc/self/fd/3").ok()
}

/// Reads the audio away: unread, it fills the pipe and Asterisk logs a warning a frame.
pub fn drain(mut audio: File) {
    let drain = move || {
        let mut buffer = [0; 4096];
        while audio.read(&mut buffer).is_ok_and(|length| length > 0) {}
    };
    if let Err(error) = std::thread::Builder::new().name("eagi-audio".to_owned()).stack_size(64 * 1024).spawn(drain) {
        tracing::warn!(%error, "cannot read the audio away");
    }
}
