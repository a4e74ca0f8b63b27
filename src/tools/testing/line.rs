//! The line between a test and the call it placed.
//!
//! The test says how far the call is to run, and the call runs that far.

use super::line_state::{CallEnd, Goal, LineState};
use crate::clock::Time;
use crate::pbx::Act;
use crate::sync::lock;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a test waits for anything, by the clock of its call.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3600);

/// The line of one call.
#[derive(Debug)]
pub(super) struct Line(Mutex<LineState>);

impl Line {
    pub fn new(now: Time) -> Arc<Self> {
        Arc::new(Self(Mutex::new(LineState::new(now))))
    }

    pub fn state(&self) -> MutexGuard<'_, LineState> {
        lock(&self.0)
    }

    /// Says how far the call is to run.
    pub fn aim(&self, goal: Goal) {
        let mut state = self.state();
        state.until = state.now + MAX_WAIT;
        state.goal = goal;
        state.waits_forever = false;
    }

    /// Plans these actions of the caller from now on, at this interval.
    pub fn plan(&self, acts: impl Iterator<Item = Act>, interval: Duration) {
        let mut state = self.state();
        let mut at = state.now;
        for act in acts {
            state.planned.push_back((at, act));
            at = at + interval;
        }
    }

    /// Ends the call.
    pub fn end(&self, ended: CallEnd) {
        let mut state = self.state();
        state.is_listening = false;
        state.ended_at = state.now;
        // The call doesn't hear what comes later.
        while let Some((at, act)) = state.planned.pop_front() {
            state.now = state.now.max(at);
            state.record_action(act, Some("the call had ended".to_owned()));
        }
        state.ended = Some(ended);
    }

    /// Gives up the call, which ends at its next command or wait.
    pub fn abandon(&self) {
        self.state().abandoned = true;
    }
}
