//! The Asterisk Gateway Interface as text, without I/O, channels or scripts.
//!
//! The grammar comes from `res/res_agi.c` of Asterisk 22 (`parse_args`, `setup_env`, `ast_agi_send`), as of 22.10.

pub mod environment;
pub mod line;
pub mod printable;
pub mod reply;
mod text;

pub use environment::{Environment, ProtocolError};
pub use line::{LineError, quote, split};
pub use printable::{is_hidden, printable, printable_lines};
pub use reply::{Frame, Framer, Reply};
pub(crate) use text::text;
