//! The line between a test and the call it placed.
//!
//! Each has a thread of its own, and only one of them runs at a time: the test says how far the call is to run, and
//! the call runs that far. So a test is as repeatable as a script without threads.

use super::line_state::{CallEnd, Goal, LineState};
use crate::clock::Time;
use crate::pbx::Act;
use crate::sync::lock;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a test waits for anything, by the clock of its call.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3600);

/// The line of one call, between its two threads.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<LineState>,
    turn_changed: Condvar,
}

impl Line {
    pub fn new(now: Time) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(LineState::new(now)), turn_changed: Condvar::new() })
    }

    pub fn state(&self) -> MutexGuard<'_, LineState> {
        lock(&self.state)
    }

    /// Waits for the test's turn, or for the call's.
    fn wait_for_turn(&self, state: MutexGuard<'_, LineState>, is_tests_turn: bool) {
        let other = |state: &mut LineState| state.is_tests_turn != is_tests_turn;
        drop(self.turn_changed.wait_while(state, other).unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets the call run until it reaches the goal, or can't reach it any more.
    pub fn run_until(&self, goal: Goal) {
        let mut state = self.state();
        if state.ended.is_some() {
            return;
        }
        state.until = state.now + MAX_WAIT;
        state.goal = goal;
        state.waits_forever = false;
        self.hand_to_call(state);
        self.wait_for_call();
    }

    /// Performs these actions from now on, at this interval.
    pub fn perform(&self, acts: impl Iterator<Item = Act>, interval: Duration) {
        let mut state = self.state();
        let mut at = state.now;
        for act in acts {
            state.planned.push_back((at, act));
            at = at + interval;
        }
        drop(state);
        self.run_until(Goal::Actions);
    }

    /// Ends the call. From now on it is always the test's turn.
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
        state.is_tests_turn = true;
        self.turn_changed.notify_all();
    }

    /// Waits until it is the test's turn.
    pub fn wait_for_call(&self) {
        self.wait_for_turn(self.state(), true);
    }

    /// Gives the turn to the test, and waits until the call has it again.
    pub fn yield_to_test(&self, mut state: MutexGuard<'_, LineState>) {
        state.is_tests_turn = true;
        self.turn_changed.notify_all();
        self.wait_for_turn(state, false);
    }

    fn hand_to_call(&self, mut state: MutexGuard<'_, LineState>) {
        state.is_tests_turn = false;
        drop(state);
        self.turn_changed.notify_all();
    }

    /// Gives up the call, which ends at its next command or wait.
    pub fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        self.hand_to_call(state);
    }
}
