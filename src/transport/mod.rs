//! The other end of a session: a real Asterisk, a simulated one, or a recorded call.

mod peer;
pub(crate) mod recorded;
pub(crate) mod recording;
mod redaction;
pub(crate) mod replay;
mod simulator;
mod stream;

pub use peer::{Ending, Heard, Note, Peer, Transport};
pub use simulator::Simulator;
pub use stream::{Blocking, Got, Notice, Pipes, Stream, Wait, Wire};

pub(crate) use recorded::Recorded;
