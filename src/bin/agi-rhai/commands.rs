//! `agi-rhai commands`: the reference in the terminal.

use std::process::ExitCode;

/// Shows what a script can say: all functions, or one of them with its examples
#[derive(Debug, clap::Args)]
pub struct Commands {}

pub fn commands(_: &Commands) -> ExitCode {
    eprintln!("agi-rhai: not built yet");
    ExitCode::from(2)
}
