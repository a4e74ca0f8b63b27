//! Time zones as files that somebody has given: `zoneinfo/Europe/Berlin`, in the format of the tz database.

use crate::disk;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// The folder of the files.
const FOLDER: &str = "zoneinfo";

/// Returns the time zone of this machine.
pub(crate) fn local() -> TimeZone {
    TimeZone::UTC
}

/// Finds a time zone.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    let bytes = disk::read(&Path::new(FOLDER).join(name)).ok()?;
    TimeZone::tzif(name, &bytes).ok()
}

/// Returns the names of all time zones.
pub(crate) fn names() -> Vec<String> {
    let mut names = vec!["UTC".to_owned()];
    let mut folders = vec![PathBuf::from(FOLDER)];
    while let Some(folder) = folders.pop() {
        for (path, is_folder) in disk::listed(&folder) {
            if is_folder {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(FOLDER) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names
}
