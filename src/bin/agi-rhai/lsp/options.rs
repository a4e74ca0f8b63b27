//! The options of `agi-rhai lsp`.

use crate::common::ExecOptions;
use crate::value_parsers::asterisk_version;
use std::path::PathBuf;

/// Serves an editor over stdin and stdout (Language Server Protocol)
///
/// Editors start it by themselves: see docs/editors.md for how to tell yours. It finds mistakes as you type, completes
/// and explains commands and prompts, goes to definitions and renames.
#[derive(Debug, clap::Args)]
pub struct LspOptions {
    /// Folder below which imports are found, besides the one of each script
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    /// Folder of sound files, to tell which prompts have none; may be given several times
    #[arg(long, value_name = "DIR")]
    pub sounds: Vec<PathBuf>,

    /// Version of Asterisk the scripts are for: commands it does not have are told
    #[arg(long, value_name = "VERSION", value_parser = asterisk_version)]
    pub asterisk: Option<u32>,

    #[command(flatten)]
    pub exec: ExecOptions,

    /// What some editors add to say how they speak; it is the only way
    #[arg(long, hide = true)]
    stdio: bool,
}
