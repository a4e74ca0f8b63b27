//! Transports: what is at the other end of a session. It may be a real Asterisk, a simulated one, or a recorded call.
//!
//! A [`Session`](crate::Session) talks to any [`Transport`], in whole lines and replies. [`Stream`] is AGI over any
//! stream of bytes: [`Stream::new`] takes a `Read` and a `Write`, [`Stream::over`] a [`Wire`], which also knows
//! deadlines and reports hangups. [`Pipes`] is the wire of a process that Asterisk started. [`Simulator`] is an
//! Asterisk in this process, for tests and for playing.

pub(crate) mod async_agi;
mod eagi;
mod listening;
#[cfg(feature = "store")]
mod no_channel;
mod peer;
#[cfg(unix)]
mod pipes;
pub(crate) mod recorded;
pub(crate) mod recording;
mod redaction;
pub(crate) mod replay;
mod request;
mod simulator;
mod stream;

pub use eagi::{Audio, AudioFormat, Samples};
pub use peer::{Ending, Heard, Note, Peer, Remote, Transport};
#[cfg(unix)]
pub use pipes::{Notice, Pipes};
pub use request::{Answer, Failure, FailureKind, Request};
pub use simulator::Simulator;
pub use stream::{Blocking, Got, Stream, Wait, Wire};

pub(crate) use eagi::AudioTap;
pub(crate) use listening::{SimulatedEngine, listen};
#[cfg(feature = "store")]
pub(crate) use no_channel::NoChannel;
pub(crate) use recorded::Recorded;
