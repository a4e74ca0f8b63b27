//! Unpredictable numbers, for the seeds of calls and the names of files.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns an unpredictable number: the standard library draws the keys of its hashers from the system.
pub(super) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
