//! `agi-rhai replay`: a recorded call, run against the script of today.

use std::process::ExitCode;

/// Runs a script against a recorded call, and shows where it departs
#[derive(Debug, clap::Args)]
pub struct Replay {}

pub fn replay(_: &Replay) -> ExitCode {
    eprintln!("agi-rhai: not built yet");
    ExitCode::from(2)
}
