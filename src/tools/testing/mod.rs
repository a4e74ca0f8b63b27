//! Tests of scripts, which are written in the language of scripts: `*.test.rhai`.
//!
//! A test plays the caller: it places calls, presses keys, hears prompts, and says what it expects. Host, session and
//! simulator are those of any call. Time is virtual, so a game of three minutes takes milliseconds.

mod answer_lines;
mod args;
mod call_options;
mod call_setup;
mod database;
mod expectation;
mod functions;
mod given;
mod job_run;
mod journal;
mod language;
mod last_call;
mod line;
mod line_state;
mod log;
#[cfg(any(target_family = "wasm", feature = "sandbox"))]
mod placed_call;
mod prompt;
mod ready_call;
mod report;
mod runner;
mod samples;
mod scripted_caller;
mod scripts;
mod stand_in;
mod suggestion;
mod suite;
mod test;
mod test_call;
mod test_services;
pub(crate) mod vocabulary;
mod watched;
pub(crate) mod words;

pub use answer_lines::{answer_lines, expectation_lines};
#[doc(hidden)]
pub use answer_lines::{given_answers, store_before};
pub use call_setup::CallSetup;
#[doc(hidden)]
pub use last_call::LastCall;
#[cfg(any(target_family = "wasm", feature = "sandbox"))]
#[doc(hidden)]
pub use placed_call::PlacedCall;
pub use report::Failure;
pub use runner::{Covered, FirstCall, Report, TestRunner};
pub use samples::{OfflineServices, Samples};
pub use suite::Suite;

pub(crate) use job_run::{JobServices, is_of_unavailable, run_function, took_too_long};
pub(crate) use samples::empty;
pub(crate) use test_services::{LISTENING, engine, name as service_name, too_slow, unreachable};
