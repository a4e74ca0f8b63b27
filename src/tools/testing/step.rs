//! What a word of a test does: its value, or how far the call goes on first.

use super::args::WordError;
use super::line_state::Goal;
use super::test::Test;
use rhai::Dynamic;
use std::sync::Arc;

/// A step of a word.
pub(super) enum Step {
    /// The word is done, and this is its value.
    Done(Dynamic),
    /// The call goes on up to a goal, or until it can't reach it any more, and then the word does.
    Until(Goal, Then),
}

pub(super) type StepResult = Result<Step, WordError>;

/// The rest of a word. It runs while the test itself doesn't, so it holds what it needs.
pub(super) type Then = Box<dyn FnOnce(&Arc<Test>) -> StepResult + Send>;

impl Step {
    /// A word that is done, and has no value.
    pub const DONE: Self = Self::Done(Dynamic::UNIT);

    #[expect(clippy::unnecessary_wraps, reason = "it is what a word returns")]
    pub fn until(goal: Goal, then: impl FnOnce(&Arc<Test>) -> StepResult + Send + 'static) -> StepResult {
        Ok(Self::Until(goal, Box::new(then)))
    }
}
