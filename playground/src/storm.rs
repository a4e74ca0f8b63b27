//! Storms, which go on where they were.

use crate::Refusal;
use crate::fault;
use crate::files::Files;
use crate::play::load;
use crate::services::Services;
use crate::setup::setup;
use agi_rhai::Host;
use agi_rhai::internals::sandbox::SlicedStorm;
use agi_rhai::tools::storm::Storm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::path::Path;

/// A storm to begin.
#[derive(Debug, Deserialize)]
pub struct Begin {
    #[serde(default)]
    files: Files,
    /// The script that is called.
    script: String,
    #[serde(default)]
    seed: u64,
    /// The options of `place_call` for every call.
    #[serde(default)]
    call: Map<String, Value>,
    /// What services answer.
    #[serde(default)]
    services: Services,
    /// How many calls to make now.
    #[serde(default)]
    calls: u64,
}

/// A storm to go on with.
#[derive(Debug, Deserialize)]
pub struct GoOn {
    /// The files, as they were at its beginning.
    #[serde(default)]
    files: Files,
    /// How many calls to make now.
    calls: u64,
}

/// What was found so far.
#[derive(Debug, Serialize)]
pub struct Found {
    /// How many calls were made.
    calls: u64,
    /// How many lines can run.
    lines: usize,
    /// Those that never did: script, line number and text.
    unreached: Vec<(String, usize, String)>,
    /// The faults, each with the shortest call that shows it, as a test.
    problems: Vec<Value>,
    /// Why there is no storm: the script can't be run.
    fault: Option<Value>,
}

thread_local! {
    static STORM: RefCell<Option<SlicedStorm>> = const { RefCell::new(None) };
}

/// Begins a storm, and makes some calls.
pub fn begin(request: Begin) -> Result<Found, Refusal> {
    let Begin { files, script, seed, call, services, calls } = request;
    files.give();
    let setup = setup(call)?;
    let host = Host::new();
    let (script, sounds) = match load(&host, Path::new(&script)) {
        Ok(loaded) => loaded,
        Err(fault) => {
            STORM.set(None);
            let fault = Some(fault);
            return Ok(Found { calls: 0, lines: 0, unreached: Vec::new(), problems: Vec::new(), fault });
        }
    };
    let storm = Storm::new(&host, script, sounds).with_samples(services.samples()?).with_setup(&setup)?;
    STORM.set(Some(SlicedStorm::new(storm, seed)));
    run(calls)
}

/// Makes further calls.
pub fn go_on(request: GoOn) -> Result<Found, Refusal> {
    request.files.give();
    run(request.calls)
}

fn run(calls: u64) -> Result<Found, Refusal> {
    STORM.with_borrow_mut(|storm| {
        let storm = storm.as_mut().ok_or("no storm has begun")?;
        storm.run(calls);
        let (lines, unreached) = storm.lines();
        let problem = |problem: &agi_rhai::tools::storm::Problem| {
            json!({ "fault": fault::object(&problem.fault), "seen": problem.seen, "test": problem.test })
        };
        let problems = storm.problems().iter().map(problem).collect();
        Ok(Found { calls: storm.calls(), lines, unreached, problems, fault: None })
    })
}
