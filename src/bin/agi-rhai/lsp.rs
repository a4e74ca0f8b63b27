//! `agi-rhai lsp`: scripts in an editor.

use std::process::ExitCode;

/// Serves an editor over stdin and stdout (Language Server Protocol)
#[derive(Debug, clap::Args)]
pub struct Lsp {}

pub fn lsp(_: &Lsp) -> ExitCode {
    eprintln!("agi-rhai: not built yet");
    ExitCode::from(2)
}
