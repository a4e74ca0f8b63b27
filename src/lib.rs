//! An embeddable scripting host for the Asterisk Gateway Interface (AGI): phone games and voice menus as small
//! [Rhai](https://rhai.rs) scripts.
//!
//! Asterisk hands a call to a program, which says in one-line commands what to play and what to ask for, and reads one
//! reply to each. Here that program is a script, in Asterisk's own words:
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
//! // Asterisk would be a `Stream`. This caller is simulated, under a virtual clock.
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
//! # The names to know
//!
//! | name | what it is |
//! |---|---|
//! | [`Host`] | runs scripts on sessions: the language, the limits, what an operator set |
//! | [`Script`] | a script, compiled with all it imports; shared by any number of calls |
//! | [`Library`](script::Library) | a folder of scripts, edited while calls run |
//! | [`Session`] | one channel in conversation with Asterisk; [`Session::invoke`] sends a command |
//! | [`Outcome`], [`Status`] | how a call ended |
//! | [`Fault`] | what is wrong in a script, and where |
//! | [`Transport`](transport::Transport) | who is at the other end, and what time it is there |
//! | [`Stream`](transport::Stream) | AGI over any `Read` and `Write`; [`stdio`](host::stdio::stdio) as Asterisk starts it |
//! | [`Simulator`](transport::Simulator), [`Channel`](pbx::Channel), [`Plan`](pbx::Plan) | a make-believe Asterisk and its caller |
//! | [`COMMANDS`](command::COMMANDS) | every AGI command, each declared once |
//! | [`Language`](script::Language), [`Call`](script::Call) | for functions of your own: `examples/embed.rs` |
//! | [`Limits`](script::Limits) | what a script may use |
//!
//! # Features
//!
//! `cli`, on unless `default-features = false`, builds the program `agi-rhai`; the library does not need it.
#![warn(missing_docs)]

pub mod agi;
pub mod clock;
pub mod command;
pub mod host;
pub mod ivr;
pub mod pbx;
pub mod script;
pub mod session;
mod stack;
pub mod tools;
pub mod transport;

pub use host::{Host, Outcome, Status};
pub use script::{Fault, Script};
pub use session::Session;

/// The Rust of the pages, run by rustdoc.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/embedding.md")]
    struct Embedding;
    #[doc = include_str!("../docs/testing.md")]
    struct Testing;
}
