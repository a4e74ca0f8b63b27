//! What the program says on its two outputs, other than the log: all of it goes through here.
//!
//! Nothing foreign reaches a terminal as anything but text. What is foreign and stands within a line of ours goes
//! through [`printable`] before that.
//!
//! Whoever reads from a pipe may have had enough, as `head` has: what is said then is said to nobody, and the exit code
//! is what it would have been. What is lost for another reason, such as a full disk, is told and is a failure.
//!
//! [`printable`]: agi_rhai::agi::printable

use agi_rhai::agi::{is_hidden, printable_lines};
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Why something could not be written.
static PROBLEM: OnceLock<io::Error> = OnceLock::new();
/// Whoever has read has gone.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Prints lines.
pub fn say(text: impl Display) {
    put(format_args!("{text}\n"));
}

/// Prints a text as it is, to be gone on with.
pub fn put(text: impl Display) {
    write(&shown(&text.to_string(), stdout().is_terminal()));
}

/// Prints JSON, which has a way of its own to write out what would not be seen.
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

/// Writing never fails; the end of the program tells what went wrong.
fn write(text: &str) {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => UNREAD.store(true, Relaxed),
        Err(error) => drop(PROBLEM.set(error)),
    }
}

/// Whether nobody reads standard output any more: for who would go on and on.
pub fn is_unread() -> bool {
    UNREAD.load(Relaxed)
}

/// Says on stderr what is wrong. A name in it may have line breaks, and is not to begin a line.
pub fn complain(problem: impl Display) {
    tell(format!("agi-rhai: {problem}").replace('\n', "\n  "));
}

/// Prints lines on stderr.
pub fn tell(text: impl Display) {
    let mut out = stderr();
    let text = format!("{}\n", shown(&text.to_string(), out.is_terminal()));
    // There is no place where it could be told that this failed.
    let _ = out.write_all(text.as_bytes());
}

/// The exit code, once all is said.
pub fn close(code: ExitCode) -> ExitCode {
    match PROBLEM.get() {
        None => code,
        Some(error) => {
            complain(format_args!("cannot write to standard output: {error}"));
            ExitCode::from(2)
        }
    }
}

/// A text as it is printed: of all that a terminal obeys, line breaks stay, and on a terminal colours.
fn shown(text: &str, colours: bool) -> String {
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
    use super::shown;

    #[test]
    fn only_colours_reach_a_terminal() {
        let text = "\x1b[31mred\x1b[0m\n\x1b[2Jb\x1b]0;c\x07\x1b[1\u{9b}\u{202e}d\x1b[";
        let written = "red\x1b[0m\n\\u{1b}[2Jb\\u{1b}]0;c\\u{7}\\u{1b}[1\\u{9b}\\u{202e}d\\u{1b}[";
        assert_eq!(shown(text, true), format!("\x1b[31m{written}"));
        assert_eq!(shown(text, false), format!("\\u{{1b}}[31m{}", written.replace('\x1b', "\\u{1b}")));
    }
}
