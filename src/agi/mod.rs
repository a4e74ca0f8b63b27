//! The Asterisk Gateway Interface as text, without I/O, channels or scripts.
//!
//! An [`Environment`] is what Asterisk sends first, and a [`Reply`] is what it answers to each command.
//!
//! The grammar comes from `res/res_agi.c` of Asterisk 22 (`parse_args`, `setup_env`, `ast_agi_send`), as of 22.10.

pub(crate) mod environment;
pub(crate) mod line;
pub(crate) mod manager;
pub(crate) mod printable;
pub(crate) mod reply;
mod text;

pub use environment::{Environment, ProtocolError};
pub use reply::Reply;

pub(crate) use line::{LineError, quote, split};
pub(crate) use printable::{is_hidden, printable};
pub(crate) use reply::{Frame, Framer};
pub(crate) use text::text;
