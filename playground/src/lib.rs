//! The simulator, the checker and storms for a page in a browser: functions that take JSON and return JSON.
//!
//! Nothing is kept between two of them, except that a storm and tests go on where they were, and what an editor knows already. A call
//! is run from its start to a moment each time, with everything that its caller did; the clock is virtual and the seed
//! given, so that the same request has the same answer.

mod as_test;
mod caller;
mod check;
mod config;
mod editor;
mod fault;
mod file_options;
mod files;
mod graph;
mod line;
mod log;
mod play;
mod recorded;
mod scene;
mod services;
mod setup;
mod storm;
mod tests;
mod wasm;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Why a request has no answer.
pub type Refusal = String;

/// Answers a request to a function.
pub fn answer(function: &str, request: &str) -> String {
    agi_rhai::internals::sandbox::restart();
    let answer = match function {
        "edit" => answered(request, editor::edit),
        "play" => answered(request, play::play),
        "as_test" => answered(request, as_test::as_test),
        "recorded" => answered(request, recorded::recorded),
        "check" => answered(request, check::check),
        "graph" => answered(request, graph::graph),
        "storm" => answered(request, storm::begin),
        "storm_on" => answered(request, storm::go_on),
        "test" => answered(request, tests::begin),
        "test_on" => answered(request, tests::go_on),
        _ => Err(format!("there is no function `{function}`")),
    };
    answer.unwrap_or_else(|refusal| json!({ "error": refusal }).to_string())
}

fn answered<Q: DeserializeOwned, A: Serialize>(
    request: &str,
    function: impl FnOnce(Q) -> Result<A, Refusal>,
) -> Result<String, Refusal> {
    // By way of a value, from which the editor's parameters are read, too: each way makes the module larger.
    let request = serde_json::from_str::<Value>(request).and_then(serde_json::from_value);
    let request = request.map_err(|error| format!("the request is wrong: {error}"))?;
    serde_json::to_string(&function(request)?).map_err(|error| error.to_string())
}
