//! `agi-rhai check`: what is wrong with scripts, found without running them.

use std::process::ExitCode;

/// Finds mistakes in scripts without running them
#[derive(Debug, clap::Args)]
pub struct Check {}

pub fn check(_: &Check) -> ExitCode {
    eprintln!("agi-rhai: not built yet");
    ExitCode::from(2)
}
