//! Tests of scripts, in the language of scripts.

use crate::command::Function;

/// The functions of a test, for the reference and the checker.
pub static VOCABULARY: &[&Function] = &[];
