//! The scripts that tests call.

use crate::host::Host;
use crate::pbx::Sounds;
use crate::script::{Coverage, Fault, Language, LoadError, Script};
use crate::sync::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A compiled script, with everything that belongs to it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub script: Arc<Script>,
    pub coverage: Arc<Coverage>,
    pub sounds: Arc<Sounds>,
}

/// The host and the scripts that tests call, compiled once.
pub(super) struct Scripts {
    pub host: Host,
    /// The language of the tests themselves.
    pub language: Language,
    /// Where to search for scripts, in addition to the folder of each test.
    pub folder: Option<PathBuf>,
    /// Whether tests are run again wherever they wait, since they can't leave the stack.
    pub repeats: bool,
    pub prepared: Mutex<BTreeMap<PathBuf, Arc<Prepared>>>,
}

impl fmt::Debug for Scripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripts").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Scripts {
    pub fn scripts(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<Prepared>>> {
        lock(&self.prepared)
    }

    /// Returns a script to call, which is compiled if it is new.
    pub fn prepare(&self, path: &Path) -> Result<Arc<Prepared>, LoadError> {
        if let Some(prepared) = self.scripts().get(path) {
            return Ok(Arc::clone(prepared));
        }
        let mut script = self.host.load(path, self.folder.as_deref())?;
        let coverage = script.cover();
        let sounds = Arc::new(sounds(path)?);
        let prepared = Arc::new(Prepared { script: Arc::new(script), coverage, sounds });
        self.scripts().insert(path.to_owned(), Arc::clone(&prepared));
        Ok(prepared)
    }
}

/// Returns the sounds of a script, according to the table of prompts beside it.
fn sounds(script: &Path) -> Result<Sounds, LoadError> {
    let wrong = |error| {
        let message = format!("its prompts cannot be used: {error}");
        LoadError::Fault(Box::new(Fault::new(&script.to_string_lossy(), message)))
    };
    Sounds::beside(script).map_err(wrong)
}
