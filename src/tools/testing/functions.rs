//! The functions that a test gives, to stand in for parts of the dialplan or for services.
//!
//! Each run of the test gives them anew, and the one of the last run counts. One that runs in a call keeps the values
//! that it has captured in step with those of the test: both change the same variables.

use super::scripts::Scripts;
use crate::script::{CallState, Finished, KeptFunction, Script};
use crate::sync::lock;
use rhai::Dynamic;
use std::sync::{Arc, Mutex};

/// The values that functions have captured, by function.
pub(super) type Captured = Vec<Vec<Option<Dynamic>>>;

/// The functions of a test.
pub(super) struct GivenFunctions {
    pub scripts: Arc<Scripts>,
    pub script: Arc<Script>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that this run has given.
    given: Vec<Arc<KeptFunction>>,
    running: Option<Running>,
    /// Whether any has run since the last look at what they have captured.
    have_run: bool,
    /// How often the test was begun.
    runs: usize,
}

/// A function that runs in a call. If it waits, the test runs meanwhile.
#[derive(Clone)]
pub(super) struct Running {
    index: usize,
    function: Arc<KeptFunction>,
    /// The run of the test that has given it.
    run: usize,
}

impl GivenFunctions {
    pub fn new(scripts: &Arc<Scripts>, script: &Arc<Script>) -> Arc<Self> {
        Arc::new(Self { scripts: Arc::clone(scripts), script: Arc::clone(script), state: Mutex::default() })
    }

    /// Keeps a function. Returns its index.
    pub fn keep(&self, function: KeptFunction) -> usize {
        let given = &mut lock(&self.state).given;
        given.push(Arc::new(function));
        given.len() - 1
    }

    pub fn count(&self) -> usize {
        lock(&self.state).given.len()
    }

    /// Forgets them, since the test is run again, or is over. They hold the test.
    pub fn clear(&self) {
        let given = {
            let mut state = lock(&self.state);
            state.runs += 1;
            std::mem::take(&mut state.given)
        };
        drop(given);
    }

    /// Returns what they have captured, if any has run since this was asked last.
    pub fn news(&self) -> Option<Captured> {
        let mut state = lock(&self.state);
        let have_run = std::mem::take(&mut state.have_run);
        have_run.then(|| state.given.iter().map(|function| function.captured()).collect())
    }

    /// Sets what the first of them have captured.
    pub fn set_captured(&self, captured: &[Vec<Option<Dynamic>>]) {
        for (function, values) in lock(&self.state).given.iter().zip(captured) {
            function.set_captured(values);
        }
    }

    /// Lets the test go on while a function may be running: the test has the values of that.
    pub fn pause(&self) -> Option<Running> {
        let running = lock(&self.state).running.clone()?;
        lock(&self.state).have_run = true;
        self.take_over(&running);
        Some(running)
    }

    /// Lets a function go on: it has the values of the test.
    pub fn resume(&self, running: &Running) {
        let state = lock(&self.state);
        if let Some(function) = state.given.get(running.index).filter(|_| state.runs != running.run) {
            running.function.set_captured(&function.captured());
        }
    }

    fn take_over(&self, running: &Running) {
        let state = lock(&self.state);
        if let Some(function) = state.given.get(running.index).filter(|_| state.runs != running.run) {
            function.set_captured(&running.function.captured());
        }
    }

    /// Runs a function in this state with the first of these lists of arguments that has as many as it takes: `None` if
    /// there is no such list.
    ///
    /// # Errors
    /// There is no such function any more.
    pub fn call(
        &self,
        index: usize,
        state: &Arc<CallState>,
        lists: &[Vec<Dynamic>],
    ) -> Result<Option<Result<Dynamic, Finished>>, ()> {
        let (running, outer) = {
            let mut state = lock(&self.state);
            let function = Arc::clone(state.given.get(index).ok_or(())?);
            let running = Running { index, function, run: state.runs };
            state.have_run = true;
            let outer = state.running.replace(running.clone());
            (running, outer)
        };
        let called = running.function.call(state, &self.script, &self.scripts.language, lists);
        {
            let mut state = lock(&self.state);
            state.running = outer;
            state.have_run = true;
        }
        self.take_over(&running);
        Ok(called)
    }
}
