//! The findings of a storm.

use crate::script::Fault;
use std::time::Duration;

/// How long a storm lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This many calls. With the same seed, they are the same ones.
    Calls(u64),
    /// This much processor time.
    Work(Duration),
}

/// The findings of a storm.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many calls were made, without those that looked for shorter ones.
    pub calls: u64,
    /// The processor time they took.
    pub work: Duration,
    /// How many lines of the script and its imports can run.
    pub lines: usize,
    /// The lines that never ran: script, line number and text.
    pub unreached: Vec<(String, usize, String)>,
    /// The problems found.
    pub problems: Vec<Problem>,
}

/// Something that went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The fault, with its place.
    pub fault: Fault,
    /// How many calls showed it.
    pub seen: u64,
    /// The shortest call found that shows it, as a test for `NAME.test.rhai`. The test fails until the script is
    /// fixed.
    pub test: String,
}
