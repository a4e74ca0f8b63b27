//! The tz database of the machine.

use jiff::tz::{self, TimeZone};

/// Returns the time zone of this machine.
pub(super) fn local() -> TimeZone {
    TimeZone::system()
}

/// Finds a time zone, whatever the case of its letters.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Returns the names of all time zones.
pub(super) fn names() -> Vec<String> {
    tz::db().available().map(|name| name.as_str().to_owned()).collect()
}
