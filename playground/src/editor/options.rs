//! The options of the language server, as far as a page has them.

use crate::config::ConfigOptions;
use agi_rhai::command::Permissions;
use std::path::PathBuf;

/// What the language server would be started with.
#[derive(Debug, Default)]
pub struct LspOptions {
    pub scripts: Option<PathBuf>,
    pub sounds: Vec<PathBuf>,
    pub asterisk: Option<u32>,
    pub config: ConfigOptions,
    pub exec: ExecOptions,
}

/// What scripts may have Asterisk run: the same as everywhere.
#[derive(Debug, Default)]
pub struct ExecOptions;

impl ExecOptions {
    #[expect(clippy::unused_self, reason = "as the options of the program")]
    pub fn permissions(&self) -> Permissions {
        Permissions::default()
    }
}
