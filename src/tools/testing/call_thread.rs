//! The thread of a call that a test has placed.

use super::line::Line;
use super::line_state::CallEnd;
use super::log::Log;
use super::scripted_caller::ScriptedCaller;
use super::stand_in::TestFunctions;
use super::test_services::TestServices;
use super::watched::{CommandObserver, WatchedSimulator};
use crate::clock::Time;
use crate::host::Host;
use crate::pbx::{Caller, Channel};
use crate::script::{Fault, Script};
use crate::session::Session;
use crate::transport::Simulator;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// The size of the stack of a call's thread, which is that of a main thread.
pub(super) const STACK_SIZE: usize = 8 * 1024 * 1024;

/// The thread of a call. Dropping it gives up the call.
#[derive(Debug)]
pub(super) struct CallThread {
    pub line: Arc<Line>,
    thread: Option<JoinHandle<()>>,
}

/// Everything that a call needs to run.
pub(super) struct CallSetup {
    pub script: Arc<Script>,
    pub args: Vec<String>,
    pub params: BTreeMap<String, String>,
    pub seed: u64,
}

impl CallThread {
    /// Starts a call, which runs up to its first wait. `channel` creates its channel for the caller it receives.
    pub fn new(
        host: &Host,
        now: Time,
        channel: impl FnOnce(Box<dyn Caller>, &TestFunctions) -> Channel,
        setup: CallSetup,
        services: Arc<TestServices>,
        functions: impl FnOnce(&Arc<Line>) -> TestFunctions,
    ) -> Result<Self, String> {
        let line = Line::new(now);
        let functions = functions(&line);
        let channel = channel(Box::new(ScriptedCaller(Arc::clone(&line))), &functions);
        let watched = WatchedSimulator {
            simulator: Simulator::new(channel).with_commands(host.language().commands()),
            line: Arc::clone(&line),
            services,
            functions,
        };
        let mut session = Session::begin(Box::new(watched)).map_err(|error| error.to_string())?;
        session.observe(Arc::new(CommandObserver(Arc::clone(&line))));
        let (mut host, callee) = (host.clone(), Arc::clone(&line));
        host.set_seed(setup.seed);
        let thread = Builder::new().name("call".to_owned()).stack_size(STACK_SIZE).spawn(move || {
            let CallSetup { script, args, params, .. } = setup;
            let logged = Arc::clone(&callee);
            let log = Log(Box::new(move |text| logged.state().record_log(text)));
            let play = || {
                let outcome = host.run_with(session, &script, args, params);
                CallEnd { status: outcome.status.word(), fault: outcome.fault.map(Fault::in_full) }
            };
            let ended = catch_unwind(AssertUnwindSafe(|| tracing::subscriber::with_default(log, play)));
            callee.end(ended.unwrap_or_else(|panic| CallEnd {
                status: "FAILURE",
                fault: Some(Fault::of_panic(script.name(), "the host", &*panic)),
            }));
        });
        let thread = thread.map_err(|error| format!("cannot start a thread for the call: {error}"))?;
        line.wait_for_call();
        Ok(Self { line, thread: Some(thread) })
    }
}

impl Drop for CallThread {
    fn drop(&mut self) {
        self.line.abandon();
        if let Some(thread) = self.thread.take() {
            // The call ends at its next command or wait, or by the limit on computing.
            let _ = thread.join();
        }
    }
}
