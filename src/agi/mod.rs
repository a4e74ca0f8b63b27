//! The Asterisk Gateway Interface as text: no I/O, no channel, no script.
//!
//! Source of the grammar: `res/res_agi.c` of Asterisk 22 (`parse_args`, `setup_env`, `ast_agi_send`), seen on 22.10.

pub mod environment;
pub mod line;
pub mod printable;
pub mod reply;

pub use environment::{Environment, Malformed};
pub use line::{Unsendable, quote, split};
pub use printable::{is_hidden, printable, printable_lines};
pub use reply::{Frame, Framer, Reply};

use std::borrow::Cow;

/// Bytes from Asterisk as text. The wire has no charset; what is not UTF-8 becomes U+FFFD.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
