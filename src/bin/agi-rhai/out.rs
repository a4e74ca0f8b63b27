//! All output of the program, except for the log.
//!
//! Untrusted text can't control the terminal. Where it is part of a line, it has to go through [`printable`] first.
//!
//! The reader of a pipe may stop early, as `head` does. Then further output is dropped, which doesn't change the exit
//! code. Output that is lost for another reason, such as a full disk, is reported, and counts as a failure.
//!
//! [`printable`]: agi_rhai::internals::printable

use crate::terminal::shows_colour;
use agi_rhai::internals::{is_hidden, printable_lines};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The error of a failed write.
static PROBLEM: OnceLock<io::Error> = OnceLock::new();
/// Whether the reader of standard output is gone.
static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

/// Prints lines.
pub fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

/// Prints text without adding a line break.
pub fn text(text: impl Display) {
    write(&escaped(&text.to_string(), shows_colour(&stdout())));
}

/// Prints JSON, escaping hidden characters in its own syntax.
pub fn json(text: impl Display) {
    let escape = |c: char| -> String {
        if c == '\n' || !is_hidden(c) {
            return c.into();
        }
        c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    };
    let text: String = text.to_string().chars().map(escape).collect();
    write(&format!("{text}\n"));
}

/// Writes to standard output. [`close`] reports the error, if any.
fn write(text: &str) {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => READER_IS_GONE.store(true, Relaxed),
        Err(error) => drop(PROBLEM.set(error)),
    }
}

/// Whether the reader of standard output is gone. This ends output that would go on forever.
pub fn reader_is_gone() -> bool {
    READER_IS_GONE.load(Relaxed)
}

/// Prints an error on stderr. Further lines are indented, since names in it may contain line breaks.
pub fn error(problem: impl Display) {
    stderr_line(format!("agi-rhai: {problem}").replace('\n', "\n  "));
}

/// Prints lines on stderr.
pub fn stderr_line(text: impl Display) {
    let mut out = stderr();
    let text = format!("{}\n", escaped(&text.to_string(), shows_colour(&out)));
    // A failure to write to stderr cannot be reported anywhere.
    let _ = out.write_all(text.as_bytes());
}

/// Returns the exit code, which a failed write to standard output changes.
pub fn close(code: ExitCode) -> ExitCode {
    match PROBLEM.get() {
        None => code,
        Some(problem) => {
            error(format_args!("cannot write to standard output: {problem}"));
            ExitCode::from(2)
        }
    }
}

/// Escapes everything that controls a terminal, except for line breaks, and for colours on a terminal.
fn escaped(text: &str, colours: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[").filter(|_| colours) {
        let (before, sign) = rest.split_at(at);
        shown.push_str(&printable_lines(before));
        let end = sign[2..].find(|c: char| !c.is_ascii_digit() && c != ';').map_or(sign.len(), |end| end + 2);
        let is_colour = sign[end..].starts_with('m');
        let (sign, behind) = sign.split_at(if is_colour { end + 1 } else { 2 });
        if is_colour {
            shown.push_str(sign);
        } else {
            shown.push_str(&printable_lines(sign));
        }
        rest = behind;
    }
    shown.push_str(&printable_lines(rest));
    shown
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn only_colours_reach_a_terminal() {
        let text = "\x1b[31mred\x1b[0m\n\x1b[2Jb\x1b]0;c\x07\x1b[1\u{9b}\u{202e}d\x1b[";
        let written = "red\x1b[0m\n\\u{1b}[2Jb\\u{1b}]0;c\\u{7}\\u{1b}[1\\u{9b}\\u{202e}d\\u{1b}[";
        assert_eq!(escaped(text, true), format!("\x1b[31m{written}"));
        assert_eq!(escaped(text, false), format!("\\u{{1b}}[31m{}", written.replace('\x1b', "\\u{1b}")));
    }
}
