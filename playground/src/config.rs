//! Where the operator's file is: beside the scripts.

use agi_rhai::host::Config;
use std::path::Path;

/// Where the operator's file is.
#[derive(Clone, Debug, Default)]
pub struct ConfigOptions;

impl ConfigOptions {
    #[expect(clippy::unused_self, reason = "as the options of the program")]
    pub fn place(&self, folder: &Path) -> Config {
        Config::in_folder(folder)
    }
}
