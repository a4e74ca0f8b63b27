//! The store: values that outlive calls, boards, and jobs. It is a file of SQLite, or Redis or PostgreSQL, which
//! several machines can share. Without a server, it is in memory.
//!
//! What is asked of it is data (`Operation`), and each backend carries it out in one step, whoever else asks.

#[cfg(feature = "store")]
mod backend;
#[cfg_attr(not(feature = "store"), expect(dead_code, reason = "a store in memory has no jobs"))]
mod job;
#[cfg(feature = "store")]
mod jobs;
mod memory;
#[cfg_attr(not(feature = "store"), expect(dead_code, reason = "a store in memory has no jobs"))]
mod operation;
#[cfg(all(feature = "store", feature = "sql"))]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "store")]
mod rows;
#[cfg(feature = "store")]
mod sqlite;

#[cfg(feature = "store")]
pub(crate) use backend::FILE;
#[cfg(feature = "store")]
pub use backend::Store;
#[cfg(feature = "store")]
pub use job::{Job, JobCounts, NewJob};
pub(crate) use memory::{MemoryStore, check};
