//! A call that a test has placed, as the words of tests see it.

use super::expectation::FailedExpectation;
use super::last_call::LastCall;
use super::line::{Line, MAX_WAIT};
use super::line_state::LineState;
use super::prompt::{self, Prompt};
use super::scripts::Prepared;
use super::test_services::TestServices;
use crate::calendar::{TimeZone, strftime};
use crate::clock::Time;
use crate::command::Value;
use crate::pbx::Sounds;
use crate::script::nearest;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The call that a test placed last, in progress or over.
#[derive(Debug)]
pub(super) struct TestCall {
    pub line: Arc<Line>,
    pub prepared: Arc<Prepared>,
    /// The number of prompts that the test has seen.
    pub seen: usize,
    pub fault_is_expected: bool,
    pub sounds: Arc<Sounds>,
    pub seed: u64,
    /// The path of the script, the options, the time zone of the server, and AstDB at the beginning.
    pub path: PathBuf,
    pub given: Value,
    pub zone: TimeZone,
    pub database: Vec<(String, String)>,
    /// How many requests to services came before.
    pub asked_before: usize,
}

impl TestCall {
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Returns the next prompt like this that the test hasn't seen yet, or any prompt.
    pub fn find_prompt(&mut self, like: Option<&str>) -> Option<Prompt> {
        let state = self.line.state();
        let new = state.heard.iter().enumerate().skip(self.seen);
        let found = { new }.find(|(_, prompt)| like.is_none_or(|like| prompt::matches(prompt, like)));
        self.seen = found.as_ref().map_or(state.heard.len(), |(at, _)| at + 1);
        found.map(|(_, prompt)| prompt.clone())
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

    /// Returns the call for whoever makes it again. `start` is when the test began.
    pub fn last_call(&self, start: Time, services: &TestServices) -> LastCall {
        let options = if let Value::Map(options) = &self.given { options.clone() } else { Vec::new() };
        let kept = options.into_iter().filter(|(name, _)| !["seed", "time", "database"].contains(&&**name));
        let mut options: Vec<_> = kept.collect();
        let line = self.line().state();
        if line.began != start {
            let epoch = i64::try_from(line.began.since_epoch().as_secs()).unwrap_or(0);
            let time = strftime(epoch, &self.zone, "%F %T").unwrap_or_default();
            options.push(("time".into(), Value::Text(time)));
        }
        if !self.database.is_empty() {
            let entry = |(key, value): &(String, String)| {
                (key.trim_start_matches('/').to_owned().into(), Value::Text(value.clone()))
            };
            options.push(("database".into(), Value::Map(self.database.iter().map(entry).collect())));
        }
        let services = services.state();
        let end = if line.ended.is_some() { line.ended_at } else { line.now };
        LastCall {
            script: self.path.clone(),
            options,
            seed: self.seed,
            acts: line.actions.iter().map(|action| (action.at - line.began, action.act.clone())).collect(),
            length: end - line.began,
            asked: services.asked_since(self.asked_before),
            is_slow: !services.slow.is_empty(),
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
