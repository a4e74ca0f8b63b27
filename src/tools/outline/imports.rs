//! The files that imports refer to.

use crate::script::{Disk, ImportFolders};
use std::path::{Path, PathBuf};

/// Returns the file that an import refers to, as a call would find it.
#[must_use]
pub fn imported(importer: &Path, path: &str, folder: Option<&Path>) -> Option<PathBuf> {
    let beside = importer.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ImportFolders::new(beside, folder).file(importer, path, &mut Disk)
}
