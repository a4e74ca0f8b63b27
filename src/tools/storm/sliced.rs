//! A storm that goes on where it was, for a program that has something else to do meanwhile.

use super::report::Problem;
use super::runner::Storm;

/// A storm that has begun.
#[derive(Debug)]
pub struct SlicedStorm(Storm);

impl SlicedStorm {
    /// Begins a storm with this seed.
    pub fn new(mut storm: Storm, seed: u64) -> Self {
        storm.start(seed);
        Self(storm)
    }

    /// Makes so many calls more.
    pub fn run(&mut self, calls: u64) {
        for _ in 0..calls {
            self.0.advance();
        }
    }

    /// Returns how many calls were made, without those that looked for shorter ones.
    pub fn calls(&self) -> u64 {
        self.0.calls
    }

    /// Returns the problems found so far.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Returns how many lines of the script and its imports can run, and those that never did: script, line number and
    /// text.
    pub fn lines(&self) -> (usize, Vec<(String, usize, String)>) {
        self.0.reached()
    }
}
