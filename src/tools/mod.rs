//! Tools for people who write scripts, when no caller is on the line.
//!
//! [`check`] finds mistakes in scripts without running them, `graph` draws them, [`testing`] runs their tests, and
//! [`storm`] looks for faults in random calls. Each tool uses the host as an embedder would.

pub mod check;
pub(crate) mod graph;
pub(crate) mod outline;
#[cfg(feature = "speech")]
pub(crate) mod sounds;
pub mod storm;
pub mod testing;
