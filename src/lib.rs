//! An embeddable scripting host for the Asterisk Gateway Interface (AGI): phone games and voice menus as small
//! [Rhai](https://rhai.rs) scripts.
//!
//! Asterisk hands a call to a program. The program sends one-line commands, such as to play a sound or to read keys,
//! and reads one reply to each. Here that program is a script whose functions have the names of Asterisk's commands:
//!
//! ```
//! use agi_rhai::pbx::{Channel, IncomingCall, Plan};
//! use agi_rhai::transport::Simulator;
//! use agi_rhai::{Host, Session, Status};
//!
//! let host = Host::new();
//! let script = host.compile("order.rhai", r#"
//!     answer();
//!     let pieces = get_data("vm-enter-num-to-call", 5000, 2);
//!     if pieces == "" { exit(); }
//!     say_number(to_number(pieces, 0));
//!     fn on_hangup() { verbose("gone"); }
//! "#)?;
//!
//! // With a real Asterisk this would be a `Stream`. Here the caller is simulated, and the clock is virtual.
//! let caller: Plan = "presses 12 after 2s".parse()?;
//! let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(caller)));
//! let transcript = simulator.transcript();
//!
//! let outcome = host.run(Session::begin(Box::new(simulator))?, &script, vec![]);
//! assert_eq!(outcome.status, Status::Success);
//! assert!(transcript.lock().unwrap().contains(&r#"C: SAY NUMBER 12 """#.to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Main types
//!
//! | name | purpose |
//! |---|---|
//! | [`Host`] | runs scripts on sessions; has the language, the limits and the operator's settings |
//! | [`Script`] | a script, compiled with everything it imports; any number of calls share it |
//! | [`Library`](script::Library) | a folder of scripts that may be edited while calls run |
//! | [`Session`] | one channel's conversation with Asterisk; [`Session::invoke`] sends a command |
//! | [`Outcome`], [`Status`] | how a call ended |
//! | [`Fault`] | an error in a script, with its place and a hint |
//! | [`Transport`](transport::Transport) | the connection to the other end, and its clock |
//! | [`Stream`](transport::Stream) | AGI over any `Read` and `Write`; [`stdio`](host::stdio::stdio) as Asterisk starts it |
//! | [`Simulator`](transport::Simulator), [`Channel`](pbx::Channel), [`Plan`](pbx::Plan) | a simulated Asterisk and its caller |
//! | [`COMMANDS`](command::COMMANDS) | every AGI command, each declared once |
//! | [`Language`](script::Language), [`Call`](script::Call) | for functions of your own: see `examples/embed.rs` |
//! | [`Limits`](script::Limits) | the limits of a script |
//!
//! # Features
//!
//! `cli`, which is on by default, builds the program `agi-rhai`. The library doesn't need it.
#![warn(missing_docs)]

pub mod agi;
pub mod clock;
pub mod command;
pub mod host;
mod ivr;
pub mod pbx;
pub mod script;
pub mod session;
mod stack;
mod sync;
pub mod tools;
pub mod transport;

pub use host::{Host, Outcome, Status};
pub use script::{Fault, Script};
pub use session::Session;

/// Parts that only the program `agi-rhai` uses. They may change with every version, and aren't documented.
#[doc(hidden)]
pub mod internals {
    pub use crate::agi::environment::{MAX_BLOCK, NAMES};
    pub use crate::agi::line::{LONG_LINE, LineError, MAX_WORDS, SAFE_LINE, quote, split};
    pub use crate::agi::printable::{is_hidden, printable, printable_lines};
    pub use crate::agi::reply::{Frame, Framer, MAX_REPLY};
    pub use crate::command::encode::{Encoded, Rules};
    pub use crate::command::hears::{Entry, value as value_entry};
    pub use crate::ivr::QUESTIONS;
    pub use crate::script::builtin::BUILTINS;
    pub use crate::script::shown::literal;
    pub use crate::tools::check::asterisk::OLDEST_ASTERISK;
    pub use crate::tools::outline::words::{WORDS, Word, words};
    pub use crate::tools::outline::{
        Calling, CursorContext, KEYWORDS, Key, Outline, Symbol, SymbolKind, Token, TokenKind, Use, imported,
        may_be_named,
    };
    pub use crate::tools::testing::vocabulary::VOCABULARY;
    pub use crate::transport::recorded::Recorded;

    /// What scripts may have Asterisk run.
    pub mod permissions {
        pub use crate::command::permissions::*;
    }
    /// The pages of the reference.
    pub mod reference {
        pub use crate::command::reference::*;
    }
    /// Recordings as files.
    pub mod recording {
        pub use crate::transport::recording::*;
    }
    /// Recordings that are played again.
    pub mod replay {
        pub use crate::transport::replay::*;
    }
}

/// The Rust code of the pages, run by rustdoc.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/embedding.md")]
    struct Embedding;
    #[doc = include_str!("../docs/testing.md")]
    struct Testing;
}
