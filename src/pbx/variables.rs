//! The variables of a channel.

use crate::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The variables of a channel. Clones share them, so that a test or a phone can read them during the call and after
/// it.
#[derive(Clone, Debug, Default)]
pub struct Variables(Arc<Mutex<BTreeMap<String, String>>>);

impl Variables {
    /// Returns the value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }

    /// Returns all variables.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, String> {
        self.lock().clone()
    }

    pub(super) fn set(&self, name: &str, value: &str) {
        self.lock().insert(name.to_owned(), value.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        lock(&self.0)
    }
}
