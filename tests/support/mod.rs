//! What the tests are built with.

pub mod asterisk;
pub mod process;
pub mod server;
