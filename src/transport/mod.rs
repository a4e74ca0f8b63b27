//! The other end of a session: a real Asterisk, a simulated one, or a recorded call.

mod peer;
mod recorded;
pub mod recording;
mod redaction;
pub mod replay;
mod simulator;
mod stream;

pub use peer::{Ending, Heard, Note, Peer, Transport};
pub use recorded::Recorded;
pub use replay::Replay;
pub use simulator::Simulator;
pub use stream::{Blocking, Got, Notice, Pipes, Stream, Wait, Wire};
