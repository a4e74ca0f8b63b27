//! What people work with when no caller is on the line. Each tool uses the host as an embedder would.

pub mod check;
pub(crate) mod outline;
pub mod storm;
pub mod testing;
