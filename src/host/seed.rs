//! Numbers nobody can predict, for the random numbers of a call and the names of files.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns a number nobody can predict: the standard library draws its hashers' keys from the system.
pub(super) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
