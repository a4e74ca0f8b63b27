//! Locks that a panic doesn't poison: what they guard is consistent whenever others may see it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, whether or not another thread has panicked while it held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
