//! Seeds for random numbers.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns an unpredictable seed of at most six digits, short enough to type again after `--seed`.
pub fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}
