//! The options of `agi-rhai lsp`.

use crate::common::ExecOptions;
use crate::config::ConfigOptions;
use crate::value_parsers::asterisk_version;
use std::path::PathBuf;

/// Serves an editor over stdin and stdout (Language Server Protocol)
///
/// Editors start it by themselves: docs/editors.md says how to set yours up. It finds mistakes as you type, completes
/// and explains commands and prompts, goes to definitions and renames.
#[derive(Debug, clap::Args)]
pub struct LspOptions {
    /// Folder below which imports are found, besides the one of each script
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    /// Folder of sound files, to find prompts without one; may be given several times
    #[arg(long, value_name = "DIR")]
    pub sounds: Vec<PathBuf>,

    /// Version of Asterisk the scripts are for: commands it lacks are reported
    #[arg(long, value_name = "VERSION", value_parser = asterisk_version)]
    pub asterisk: Option<u32>,

    #[command(flatten)]
    pub config: ConfigOptions,

    #[command(flatten)]
    pub exec: ExecOptions,

    /// Some editors add this to choose the transport; there is no other
    #[arg(long, hide = true)]
    stdio: bool,
}
