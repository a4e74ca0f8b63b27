//! An embeddable scripting host for the Asterisk Gateway Interface (AGI).
#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod agi;
pub mod clock;
pub mod command;
pub mod host;
pub mod pbx;
pub mod script;
pub mod session;
pub mod transport;

pub use host::{Host, Outcome, Status};
pub use script::{Fault, Script};
pub use session::Session;
