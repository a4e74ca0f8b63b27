//! An expectation of a test that was not met.

use crate::script::Fault;

/// An expectation that was not met, and what happened instead.
#[derive(Clone, Debug, Default)]
pub(super) struct FailedExpectation {
    pub message: String,
    pub hint: Option<String>,
    /// The fault of the script, if that is why it can't be called.
    pub fault: Option<Box<Fault>>,
    /// The place in the test: script, line and column.
    pub at: (String, usize, usize),
}
