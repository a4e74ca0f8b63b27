//! Helpers of the tests.

pub mod asterisk;
pub mod backend;
pub mod caller;
pub mod cutter;
pub mod machine;
pub mod process;
pub mod relay;
pub mod server;
pub mod typing;
