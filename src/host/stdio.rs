//! AGI as Asterisk starts it: a process with two pipes.

use crate::transport::{Audio, Notice, Pipes, Stream};
use std::fs::File;
use std::io;
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

/// Returns the sound of an EAGI call, which Asterisk passes as descriptor 3. This must be called before anything else
/// is opened, since that would take the number; [`Session::is_enhanced`](crate::Session::is_enhanced) then says whether
/// it was that.
#[must_use]
pub fn audio() -> Option<Audio> {
    File::open("/proc/self/fd/3").ok().map(Audio::new)
}
