//! The caller of a call that a test has placed.

use super::line::Line;
use super::line_state::Goal;
use super::test::Test;
use crate::clock::Time;
use crate::pbx::{Act, Caller, Hearing};
use std::sync::Arc;

/// A caller who does what the test says, at the moment when it says so.
pub(super) struct ScriptedCaller {
    pub line: Arc<Line>,
    pub test: Arc<Test>,
}

impl Caller for ScriptedCaller {
    fn now(&self) -> Time {
        self.line.state().now
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        let mut state = self.line.state();
        state.hear(until, hearing);
        // A poll, which is made whenever a script has computed for long. What it meets would depend on the machine.
        if until <= state.now && !state.abandoned {
            return None;
        }
        loop {
            if state.abandoned {
                return Some(Act::HangUp);
            }
            if let Some((at, _)) = state.planned.front() {
                let at = *at;
                if at > until {
                    state.advance(until);
                    return None;
                }
                state.advance(at);
                let (_, act) = state.planned.pop_front()?;
                state.perform_now(&act, until, hearing);
                return Some(act);
            }
            let stop = match state.goal {
                Goal::Moment(moment) => moment,
                _ => state.until,
            };
            let reached = state.has_reached_goal();
            if reached || stop <= until {
                if !reached {
                    state.waits_forever = until == Time::NEVER;
                    state.advance(stop);
                }
                drop(state);
                self.test.go_on();
                state = self.line.state();
                continue;
            }
            state.advance(until);
            return None;
        }
    }
}
