//! FastAGI: one server, thousands of calls, scripts that are edited while they run.
//!
//! Worker threads run calls as coroutines. The first of them accepts connections, and hands some over to the others.
//! A call takes its script from the [`Library`](crate::script::Library) when it begins, and keeps it to its end. The
//! server holds no state between calls, so any number of servers may run side by side.
//!
//! The files, from the bottom up: `admission.rs` (who may call), `listener.rs` (sockets), `worker.rs` (a worker and
//! its queue), `stuck.rs` (calls that keep a thread to themselves), `shared.rs` (what all threads share), `call.rs`
//! (one call from its opening block to its end), `accept.rs` (from a connection to a call), `event_loop.rs` (a
//! worker's loop), `takeover.rs` (the watchdog that gives a busy thread's worker to another), `loader.rs` (scripts),
//! `server.rs`.

mod accept;
mod admission;
#[cfg(feature = "speech")]
mod ahead;
mod call;
mod event_loop;
mod listener;
mod loader;
mod manager;
mod manager_calls;
mod manager_line;
mod server;
mod shared;
mod stuck;
mod takeover;
mod worker;

pub use admission::Admission;
pub use listener::{PORT, listen_on};
pub use loader::log_changes;
pub use server::{EndResponse, Server};
