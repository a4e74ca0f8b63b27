//! A call that a test has placed, about to begin.

use super::line::Line;
use super::line_state::CallEnd;
use super::log::Log;
use crate::host::Host;
use crate::script::{Fault, Script};
use crate::session::Session;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A call about to begin, with everything that it needs to run.
pub(super) struct ReadyCall {
    /// With the seed of the call.
    pub host: Host,
    pub session: Session,
    pub script: Arc<Script>,
    pub args: Vec<String>,
    pub params: BTreeMap<String, String>,
    pub line: Arc<Line>,
}

impl ReadyCall {
    /// Runs the call to its end. Wherever it has come as far as the test lets it, the test goes on first.
    pub fn run(self) {
        let Self { host, session, script, args, params, line } = self;
        let logged = Arc::clone(&line);
        let log = Log(Box::new(move |text| logged.state().record_log(text)));
        let play = || {
            let outcome = host.run_with(session, &script, args, params);
            CallEnd { status: outcome.status.word(), fault: outcome.fault.map(Fault::in_full) }
        };
        let ended = catch_unwind(AssertUnwindSafe(|| tracing::subscriber::with_default(log, play)));
        line.end(ended.unwrap_or_else(|panic| CallEnd {
            status: "FAILURE",
            fault: Some(Fault::of_panic(script.name(), "the host", &*panic)),
        }));
    }
}
