//! An expectation of a test that was not met.

use crate::script::Fault;

/// What was expected, and what came instead.
#[derive(Debug, Default)]
pub(super) struct FailedExpectation {
    pub message: String,
    pub hint: Option<String>,
    /// The fault of the script, if that is why it cannot be called.
    pub fault: Option<Box<Fault>>,
    /// Where in the test: script, line and column.
    pub at: (String, usize, usize),
}
