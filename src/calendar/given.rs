//! Time zones that somebody has given, where there is no tz database.

use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    /// The zones by their names, in the format of the tz database.
    static ZONES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Gives the time zones that there are from now on, on this thread, in the format of the tz database.
pub fn give_zones(zones: impl IntoIterator<Item = (String, Vec<u8>)>) {
    ZONES.set(zones.into_iter().collect());
}

/// Returns the time zone of this machine.
pub(super) fn local() -> TimeZone {
    TimeZone::UTC
}

/// Finds a time zone.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    ZONES.with_borrow(|zones| TimeZone::tzif(name, zones.get(name)?).ok())
}

/// Returns the names of all time zones.
pub(super) fn names() -> Vec<String> {
    ZONES.with_borrow(|zones| zones.keys().cloned().collect())
}
