//! Storms of random calls on a script. Callers hang up at every step, press keys at any time or never, prompts are
//! missing, values are garbage. Each problem is reported with the shortest call that shows it.
//!
//! A call is data: a `Scene`, and a list of `Step`s. Callers make up what they do and write it down, so that every
//! call can be made again. Calls that reached new lines are kept and varied.

mod after_call;
mod as_test;
mod caller;
mod job;
mod noise;
mod plan;
mod play;
mod report;
mod runner;
mod scene;
mod script_words;
mod shrink;
#[cfg(any(target_family = "wasm", feature = "sandbox"))]
mod sliced;
mod step;
mod trouble;
mod wire;

pub use report::{Length, Problem, Report};
pub use runner::Storm;
#[cfg(any(target_family = "wasm", feature = "sandbox"))]
#[doc(hidden)]
pub use sliced::SlicedStorm;
