//! Names that nobody else has.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns a name that nobody else has: 32 digits, which nobody can guess. The standard library draws the keys of its
/// hashers from the system.
pub(super) fn unique() -> String {
    let number = || RandomState::new().build_hasher();
    let mut second = number();
    // Further hashers of a thread have keys that follow each other; this one sees another text.
    second.write_u8(1);
    format!("{:016x}{:016x}", number().finish(), second.finish())
}
