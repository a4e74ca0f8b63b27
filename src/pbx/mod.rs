//! A make-believe Asterisk: one channel, its caller, variables, `AstDB`, dialplan position and sounds.
//!
//! It knows neither the AGI's text nor its replies, nor sockets, nor scripts. Each AGI command is one method of
//! [`Channel`] that takes parsed arguments and returns a small value holding everything the reply needs. Time is the
//! caller's: all waiting ends in [`Caller::wait`], so the same channel serves a [`Plan`] on virtual time and a live
//! phone on real time.
//!
//! What it answers is meant to equal Asterisk 22, with a stock installation and the gsm core sounds. Not simulated:
//! the audio itself, video, bridging, other languages' grammars (every language speaks English), time zones by name
//! (one UTC offset serves all), `$[...]` expressions, and any application [`Channel::exec`] does not list.

mod applications;
mod caller;
mod callerid;
mod channel;
mod channel_state;
mod database;
mod dialplan;
mod expansion;
mod functions;
mod incoming_call;
mod line;
mod plan;
mod playback;
mod record;
mod say;
mod scan;
mod sounds;
mod speech;
mod speech_engine;
mod variables;

pub use caller::{Act, Caller, Digit, Hearing, Sound};
pub use channel::{Channel, KeyResult, Voice};
pub use channel_state::ChannelState;
pub use database::Database;
pub use dialplan::GosubResult;
pub use incoming_call::IncomingCall;
pub use plan::{Plan, PlanError, When};
pub use playback::{GetDataResult, PlaybackControls, PlaybackResult};
pub use record::{RecordOptions, RecordResult};
pub use say::SayCase;
pub use sounds::{Clip, PromptError, Sounds, prompts};
pub use speech::RecognizeResult;
pub use speech_engine::{Recognition, SpeechResult};
pub use variables::Variables;
