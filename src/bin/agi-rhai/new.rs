//! `agi-rhai new`: a small game to begin with.

use std::process::ExitCode;

/// Makes a small game with its prompts and a test
#[derive(Debug, clap::Args)]
pub struct New {}

pub fn new(_: &New) -> ExitCode {
    eprintln!("agi-rhai: not built yet");
    ExitCode::from(2)
}
