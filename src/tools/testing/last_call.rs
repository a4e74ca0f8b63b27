//! The last call of a test, for whoever makes it again elsewhere.

use super::call_setup::CallSetup;
use super::test_call::TestCall;
use super::test_services::TestServices;
use crate::calendar::strftime;
use crate::clock::Time;
use crate::command::Value;
use crate::pbx::Act;
use std::path::PathBuf;
use std::time::Duration;

/// A call that a test has placed, with all that its caller did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastCall {
    /// The script that was called.
    pub script: PathBuf,
    /// The options of the call, with what AstDB held and what time it was.
    pub setup: CallSetup,
    /// The seed of its random numbers.
    pub seed: u64,
    /// What its caller did, by the time since its beginning.
    pub acts: Vec<(Duration, Act)>,
    /// How long it took, as far as the test let it.
    pub length: Duration,
    /// Whether the test has answered in the place of services.
    pub has_answers: bool,
}

impl LastCall {
    pub(super) fn of(call: &TestCall, start: Time, services: &TestServices) -> Option<Self> {
        let options = if let Value::Map(options) = &call.given { options.clone() } else { Vec::new() };
        let kept = options.into_iter().filter(|(name, _)| !["seed", "time", "database"].contains(&&**name));
        let mut options: Vec<_> = kept.collect();
        let line = call.line().state();
        if line.began != start {
            let epoch = i64::try_from(line.began.since_epoch().as_secs()).unwrap_or(0);
            let time = strftime(epoch, &call.zone, "%F %T").unwrap_or_default();
            options.push(("time".into(), Value::Text(time)));
        }
        if !call.database.is_empty() {
            let entry = |(key, value): &(String, String)| {
                (key.trim_start_matches('/').to_owned().into(), Value::Text(value.clone()))
            };
            options.push(("database".into(), Value::Map(call.database.iter().map(entry).collect())));
        }
        let end = if line.ended.is_some() { line.ended_at } else { line.now };
        let state = services.state();
        Some(Self {
            script: call.path.clone(),
            setup: CallSetup::new(options).ok()?,
            seed: call.seed,
            acts: line.actions.iter().map(|action| (action.at - line.began, action.act.clone())).collect(),
            length: end - line.began,
            has_answers: !(state.http.is_empty()
                && state.sql.is_empty()
                && state.programs.is_empty()
                && state.down.is_empty()
                && state.slow.is_empty()
                && state.databases.is_empty()),
        })
    }
}
