//! A simulated Asterisk: one channel, its caller, variables, `AstDB`, dialplan position and sounds.
//!
//! It knows nothing of AGI's text, of sockets or of scripts. Each AGI command is one method of [`Channel`], which
//! takes parsed arguments and returns a small value with everything the reply needs. Time belongs to the [`Caller`]:
//! all waiting ends in [`Caller::wait`], so the same channel serves a [`Plan`] on virtual time and a person at a
//! phone in real time.
//!
//! ```
//! use agi_rhai::pbx::{Channel, Database, IncomingCall, KeyResult, Plan, Sounds};
//! use std::sync::Arc;
//!
//! let database = Database::new();
//! let plan: Plan = "presses 2 after 1s, hangs up after 10s".parse()?;
//! let mut channel = Channel::new(IncomingCall::default(), Box::new(plan))
//!     .with_database(database.clone())
//!     .with_sounds(Arc::new(Sounds::stock().with("welcome", 16_000)));
//!
//! assert!(channel.answer());
//! assert!(matches!(channel.wait_for_digit(5000), KeyResult::Pressed(key) if key.letter() == '2'));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Replies are meant to equal those of a stock Asterisk 22 with the gsm core sounds. What isn't simulated: the audio
//! itself, video, bridging, the grammars of other languages (every language speaks English), `$[...]` expressions, any
//! application that [`Channel::exec`] doesn't list, and dialplan functions that look beyond the call, such as `CURL`,
//! `SHELL` and those of ODBC. A function of yours can stand in for them ([`Channel::with_application_by`],
//! [`Channel::with_function`]).

mod applications;
mod caller;
mod callerid;
mod channel;
mod channel_state;
mod database;
mod dial;
mod dialplan;
mod expansion;
mod functions;
mod incoming_call;
mod line;
mod listening;
mod plan;
mod playback;
pub(crate) mod prompts;
mod record;
mod say;
mod say_date;
mod scan;
pub(crate) mod sound_files;
mod sounds;
mod speech;
mod speech_engine;
mod spoken;
mod stand_in;
mod utterance;
mod variables;
pub(crate) mod versions;

pub use caller::{Act, Caller, Digit, Hearing, Sound};
pub use channel::{Channel, KeyResult, Voice};
pub use channel_state::ChannelState;
pub use database::Database;
pub use dialplan::GosubResult;
pub use incoming_call::IncomingCall;
pub use plan::{Plan, PlanError, When};
pub use playback::{GetDataResult, PlaybackControls, PlaybackResult};
pub use prompts::PromptError;
pub use record::{RecordOptions, RecordResult};
pub use say::SayCase;
pub use sound_files::Clip;
pub use sounds::{Sounds, Words};
pub use speech::RecognizeResult;
pub use speech_engine::{Recognition, SpeechResult};
pub use spoken::Spoken;
pub use utterance::Utterance;
pub use variables::Variables;

pub(crate) use channel::Idle;
pub(crate) use functions::{Missing, split_all_arguments};
pub(crate) use listening::{HeardBy, Listened, Listening, Part};
