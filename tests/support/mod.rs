//! Helpers of the tests.

pub mod asterisk;
pub mod machine;
pub mod process;
pub mod server;
pub mod typing;
