//! An embeddable scripting host for the Asterisk Gateway Interface (AGI): phone games and voice menus, written as small
//! [Rhai](https://rhai.rs) scripts.
//!
//! When a call reaches `AGI()` in its dialplan, Asterisk hands it to a program. The program sends commands of one line
//! each, for instance to play a sound or to read keys, and reads one reply to each. With this crate, that program is a
//! script. Its functions have the names of Asterisk's commands, and the host takes care of hangups, quoting, missing
//! sound files, limits and the log.
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
//! // With a real Asterisk, this would be a `Stream`. Here the caller is simulated, and the clock is virtual.
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
//! # Where to start
//!
//! | to | use |
//! |---|---|
//! | run a script on a call | a [`Host`], which compiles a [`Script`] and runs it on a [`Session`]; the [`Outcome`] has a [`Status`] and, if the script failed, a [`Fault`] |
//! | talk to Asterisk | a [`Stream`](transport::Stream) over any `Read` and `Write`, or [`stdio`](host::stdio::stdio) if Asterisk starts your program |
//! | serve many calls | a FastAGI [`Server`](host::fastagi::Server) on a [`Library`](script::Library), a folder of scripts that may be edited while calls run |
//! | do without Asterisk | a [`Simulator`](transport::Simulator) with a [`Channel`](pbx::Channel), whose caller follows a [`Plan`](pbx::Plan) |
//! | give scripts functions of your own | [`Language::add`](script::Language::add) and [`Call`](script::Call); `examples/embed.rs` is a whole program |
//! | give scripts commands of your own | a [`Command`](command::Command), as each of [`COMMANDS`](command::COMMANDS) is |
//! | limit what scripts may do | [`Limits`](script::Limits), [`Host::allow`] and [`Host::deny`] |
//! | connect over something else | implement [`Wire`](transport::Wire) or [`Transport`](transport::Transport) |
//! | check, test and stress scripts | a [`Checker`](tools::check::Checker), a [`TestRunner`](tools::testing::TestRunner), a [`Storm`](tools::storm::Storm) |
//!
//! The folder `docs` of the repository has pages on writing scripts, on testing them, on embedding the host and on
//! operating it.
//!
//! # The log
//!
//! The library logs through [`tracing`](https://docs.rs/tracing), and never writes to standard output or standard error.
//! What callers enter is masked in the log unless [`Host::log_digits`] says otherwise.
//!
//! # Features
//!
//! `cli`, which is enabled by default, builds the program `agi-rhai`. The library doesn't need it.
#![warn(missing_docs)]
// What serves a real Asterisk isn't there.
#![cfg_attr(target_family = "wasm", allow(dead_code, unused_imports))]

mod accents;
pub mod agi;
#[cfg(feature = "speech")]
mod audio;
mod calendar;
pub mod clock;
pub mod command;
mod disk;
mod histogram;
pub mod host;
mod ivr;
pub mod pbx;
mod plural;
pub mod script;
pub mod service;
pub mod session;
mod similar;
mod stack;
mod sync;
pub mod tools;
pub mod transport;
mod utf8;
mod world;

pub use calendar::TimeZone;
pub use host::{Host, Outcome, Status};
pub use script::{Fault, Script};
pub use session::Session;

/// Parts that only the program `agi-rhai` uses. They may change in any version, and aren't documented.
#[doc(hidden)]
pub mod internals {
    pub use crate::agi::environment::{MAX_BLOCK, NAMES};
    pub use crate::agi::line::{LONG_LINE, LineError, MAX_WORDS, SAFE_LINE, quote, split};
    pub use crate::agi::printable::{is_hidden, printable, printable_lines};
    pub use crate::agi::reply::{Frame, Framer, MAX_REPLY};
    pub use crate::calendar::read_moment;
    pub use crate::command::encode::{Encoded, Rules};
    pub use crate::command::hears::{Entry, value as value_entry};
    pub use crate::host::fault_log::log_fault;
    pub use crate::ivr::{CHOICE_MEMBERS, QUESTIONS};
    pub use crate::pbx::prompts::{Prompt, foreign, parse_prompts};
    pub use crate::pbx::versions::OLDEST_ASTERISK;
    pub use crate::plural::plural;
    pub use crate::script::builtin::BUILTINS;
    pub use crate::script::phrases::Phrases;
    pub use crate::script::shown::literal;
    pub use crate::script::variables::{ScriptFrame, Watched};
    pub use crate::service::manager::is_address as is_manager_address;
    #[cfg(feature = "store")]
    pub use crate::service::store::{Job, JobCounts, NewJob, Store};
    pub use crate::tools::outline::words::{WORDS, Word, words};
    pub use crate::tools::outline::{
        Calling, CursorContext, KEYWORDS, Key, Outline, Symbol, SymbolKind, Token, TokenKind, Use, imported,
        may_be_named,
    };
    pub use crate::tools::testing::vocabulary::VOCABULARY;
    pub use crate::tools::testing::words::NO_SQL;
    pub use crate::transport::recorded::Recorded;
    pub use crate::world::SERVICES;

    /// The operator's file.
    pub mod config {
        pub use crate::host::{FILE_NAME, OptionRules};
        pub use crate::service::settings::reading::{Contents, OptionSetting};
        pub use crate::service::settings::{Purpose, SettingsError};
    }
    /// The permissions of scripts.
    pub mod permissions {
        pub use crate::command::permissions::*;
    }
    /// The pages of the reference.
    pub mod reference {
        pub use crate::command::reference::*;
    }
    /// Recordings of prompts.
    #[cfg(feature = "speech")]
    pub mod sounds {
        pub use crate::audio::{Recording, SoundFormat};
        pub use crate::pbx::sound_files::is_format;
        pub use crate::tools::sounds::*;
    }
    /// Graphs of scripts.
    pub mod graph {
        pub use crate::tools::graph::{Edge, Graph, Group, Node, NodeKind, Span, Unfold};
    }
    /// What calls have left behind.
    #[cfg(feature = "store")]
    pub mod jobs {
        pub use crate::host::jobs::*;
    }
    /// SQL as scripts write it.
    pub mod sql {
        pub use crate::service::sql::names::{Dialect, Problem, Statement};
    }
    /// Files, wherever they are.
    pub mod disk {
        pub use crate::disk::{absolute, bytes_of, entries, is_file, listed, of_bytes, read, real};
    }
    /// What stands in for the system.
    #[cfg(any(target_family = "wasm", feature = "sandbox"))]
    pub mod sandbox {
        #[cfg(target_family = "wasm")]
        pub use crate::accents::give_accents;
        pub use crate::calendar::give_zones;
        pub use crate::clock::restart;
        pub use crate::disk::give;
        pub use crate::tools::storm::SlicedStorm;
        pub use crate::tools::testing::PlacedCall;
    }
    /// Recordings as files.
    pub mod recording {
        pub use crate::transport::recording::*;
    }
    /// Recordings that are replayed.
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
