//! What the program says on its two outputs, other than the log.
//!
//! Whoever reads from a pipe may have had enough, as `head` has: what is said then is said to nobody, and the exit code
//! is what it would have been. What is lost for another reason, such as a full disk, is told and is a failure.

use std::fmt;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Why something could not be written.
static PROBLEM: OnceLock<io::Error> = OnceLock::new();
/// Whoever has read has gone.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// A line on standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// A line on standard error.
macro_rules! complain {
    ($($text:tt)*) => { $crate::out::to_stderr(format_args!($($text)*)) };
}

pub(crate) use {complain, say};

/// Standard output. Writing to it never fails; the end of the program tells what went wrong.
pub struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(stdout().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(stdout().flush());
        Ok(())
    }
}

fn noted(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => UNREAD.store(true, Relaxed),
        Err(error) => drop(PROBLEM.set(error)),
    }
}

/// Whether nobody reads standard output any more: for who would go on and on.
pub fn is_unread() -> bool {
    UNREAD.load(Relaxed)
}

/// Says this at once.
pub fn write(text: impl fmt::Display) {
    let _ = write!(Out, "{text}").and_then(|()| Out.flush());
}

pub fn to_stderr(text: fmt::Arguments<'_>) {
    // There is no place where it could be told that this failed.
    let _ = stderr().write_all(format!("{text}\n").as_bytes());
}

/// The exit code, once all is said.
pub fn close(code: ExitCode) -> ExitCode {
    let _ = Out.flush();
    match PROBLEM.get() {
        None => code,
        Some(error) => {
            complain!("agi-rhai: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
    }
}
