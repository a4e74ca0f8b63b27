//! The operator's file, of which a page has none: reading it would make the module a tenth larger.

use agi_rhai::internals::config::{OptionRules, Purpose};
use agi_rhai::service::Settings;
use std::path::Path;

/// Where the operator's file is.
#[derive(Clone, Debug, Default)]
pub struct ConfigOptions;

/// A file that isn't there.
pub struct NoFile;

#[expect(clippy::unused_self, reason = "as the file of the program")]
impl ConfigOptions {
    pub fn place(&self, _: &Path) -> NoFile {
        NoFile
    }
}

#[expect(clippy::unused_self, reason = "as the file of the program")]
impl NoFile {
    pub fn with_purpose(self, _: Purpose) -> Self {
        self
    }

    pub fn with_options(self, _: OptionRules) -> Self {
        self
    }

    pub fn read(&self) -> Result<(), ()> {
        Err(())
    }

    pub fn file(&self) -> Option<&Path> {
        None
    }

    pub fn settings(&self) -> Settings {
        Settings::default()
    }
}
