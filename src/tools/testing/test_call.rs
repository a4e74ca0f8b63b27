//! A call that a test has placed, as the words of tests see it.

use super::call_thread::CallThread;
use super::expectation::FailedExpectation;
use super::line::{Line, MAX_WAIT};
use super::line_state::{Goal, LineState};
use super::prompt::{self, Prompt};
use super::scripts::Prepared;
use crate::pbx::{Act, Sounds};
use crate::script::nearest;
use std::sync::Arc;
use std::time::Duration;

/// The call that a test placed last, in progress or over.
#[derive(Debug)]
pub(super) struct TestCall {
    pub thread: CallThread,
    pub prepared: Arc<Prepared>,
    /// The number of prompts that the test has seen.
    pub seen: usize,
    pub fault_is_expected: bool,
    pub sounds: Arc<Sounds>,
    pub seed: u64,
}

impl TestCall {
    pub fn line(&self) -> &Line {
        &self.thread.line
    }

    /// Lets time pass until the next prompt like this begins, or any prompt.
    pub fn next_prompt(&mut self, like: Option<&str>) -> Option<Prompt> {
        let find = |state: &LineState, seen: usize| {
            let new = state.heard.iter().enumerate().skip(seen);
            new.filter(|(_, prompt)| like.is_none_or(|like| prompt::matches(prompt, like)))
                .map(|(at, prompt)| (at, prompt.clone()))
                .next()
        };
        let mut found = find(&self.line().state(), self.seen);
        if found.is_none() {
            let after = self.line().state().heard.len();
            self.line().run_until(Goal::Prompt { after, like: like.map(str::to_owned) });
            found = find(&self.line().state(), after);
        }
        let all = self.line().state().heard.len();
        self.seen = found.as_ref().map_or(all, |(at, _)| at + 1);
        found.map(|(_, prompt)| prompt)
    }

    /// Returns a hint about a prompt that can never come: what the test may have meant.
    pub fn hint_for_prompt(&self, like: &str) -> Option<String> {
        if prompt::is_word(like) || self.sounds.exists(like) {
            return None;
        }
        let state = self.line().state();
        let known = self.prepared.sounds.prompts();
        let known: Vec<&str> = known.chain(state.heard.iter().map(|prompt| prompt.text.as_str())).collect();
        Some(match nearest(like, known.into_iter()) {
            Some(near) => format!("there is no sound file `{like}`: did you mean `{near}`?"),
            None => format!("there is no sound file `{like}`, so it cannot be heard"),
        })
    }

    /// Hangs up, and runs the call to its end.
    pub fn finish(&mut self) {
        if self.line().state().ended.is_none() {
            self.line().perform([Act::HangUp].into_iter(), Duration::ZERO);
            self.line().run_until(Goal::End);
        }
    }

    /// Returns what failed in a function of the test that stood in for something, unless that is known already.
    pub fn take_failed_in_stand_in(&mut self) -> Option<FailedExpectation> {
        let failed = self.line().state().failed_in_stand_in.take()?;
        // The call ended because of it.
        self.fault_is_expected = true;
        Some(failed)
    }

    /// Returns what went wrong in the call without the test expecting it.
    pub fn unexpected_failure(&self) -> Option<FailedExpectation> {
        let state = self.line().state();
        let message = if state.is_runaway {
            "the script never ends: it keeps sending commands while no time passes".to_owned()
        } else if self.fault_is_expected {
            return None;
        } else {
            format!("the script has a fault: {}", state.ended.as_ref()?.fault.as_ref()?.message)
        };
        Some(FailedExpectation { message, ..FailedExpectation::default() })
    }
}

/// Returns why nothing more happens in a call.
pub(super) fn why_nothing_comes(state: &LineState) -> String {
    if state.is_runaway {
        return "the script keeps sending commands while no time passes".to_owned();
    }
    match &state.ended {
        Some(ended) => match &ended.fault {
            Some(fault) => format!("the script ended with a fault: {}", fault.message),
            None => format!("the call ended with {} after {}", ended.status, length(state.ended_at - state.began)),
        },
        None if state.waits_forever => "the script waits forever: only the caller could end that".to_owned(),
        None => format!("{} passed", length(MAX_WAIT)),
    }
}

/// Formats a duration: `3 min 2 s`, `2.4 s`.
pub(super) fn length(length: Duration) -> String {
    match length.as_secs() {
        0..60 => format!("{:.1} s", length.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
