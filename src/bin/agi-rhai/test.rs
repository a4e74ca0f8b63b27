//! `agi-rhai test`: runs the tests of scripts.

use std::process::ExitCode;

/// Runs the tests beside scripts: `*.test.rhai`
#[derive(Debug, clap::Args)]
pub struct Test {}

pub fn test(_: &Test) -> ExitCode {
    eprintln!("agi-rhai: not built yet");
    ExitCode::from(2)
}
