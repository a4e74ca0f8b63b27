//! A call as a test of its script.

use crate::Refusal;
use crate::play::{Request, Tape, call};
use agi_rhai::internals::recording;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

#[path = "../../src/bin/agi-rhai/replay/as_test.rs"]
pub mod writer;

/// A test, to be added to `NAME.test.rhai`.
#[derive(Debug, Serialize)]
pub struct Written {
    /// The name of its function.
    name: String,
    text: Option<String>,
    /// Why there is no test: the script can't be run.
    fault: Option<Value>,
}

/// Plays a call, and returns it as a test.
pub fn as_test(request: Request) -> Result<Written, Refusal> {
    let path = PathBuf::from(&request.script);
    let tape = Tape::default();
    let (played, script) = call(request, Some(&tape))?;
    if script.is_none() {
        return Ok(Written { name: String::new(), text: None, fault: played.fault });
    }
    let wrong = |lines: Vec<recording::BadLine>| lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let tape = recording::Tape::read(&tape.bytes()).map_err(wrong)?;
    let name = writer::name(&tape, None);
    Ok(Written { text: Some(writer::test(&tape, &path, &name)), name, fault: None })
}
