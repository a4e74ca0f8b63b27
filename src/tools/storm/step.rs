//! The steps of a call: what its caller does, one after the other.

use crate::pbx::{Act, Digit, Utterance};
use std::sync::Arc;
use std::time::Duration;

/// One thing that a caller does. Each is a word of tests, with the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `wait_for("name")`: until this sound begins, or at once if it has begun since the last such step.
    WaitFor(Arc<str>),
    /// `wait_for_question()`
    Question,
    /// `wait(seconds)`
    Wait(Duration),
    /// `press("1")`
    Press(Digit),
    /// `hang_up()`
    HangUp,
    /// `send_text("hello")`
    Says(Arc<str>),
    /// `speak("yes")`
    Speaks(Arc<Utterance>),
}

impl Step {
    /// The action of the caller; `None` for a wait.
    pub fn act(&self) -> Option<Act> {
        Some(match self {
            Self::WaitFor(_) | Self::Question | Self::Wait(_) => return None,
            Self::Press(digit) => Act::Key(*digit),
            Self::HangUp => Act::HangUp,
            Self::Says(text) => Act::Says(text.to_string()),
            Self::Speaks(utterance) => Act::Speaks(Utterance::clone(utterance)),
        })
    }
}
