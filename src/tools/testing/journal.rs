//! How a test and its calls take turns in one thread.
//!
//! A call runs on the stack, and the test above it: wherever the call has come as far as the test let it. When the test
//! has to wait again, it leaves its own stack until the call has come that far.
//!
//! In WebAssembly nothing leaves a stack. There the test is ended where it waits, and run again from its start once
//! the call has come that far. Meanwhile a journal holds what each of its words returned and when, so the words do
//! nothing a second time, and the test takes the same way: its random numbers have a seed, and it hears of
//! everything else by its words. Functions of the test run in the call only once, too. What they changed of the
//! test's variables is in the journal as well.

use super::args::{WordError, WordResult};
use super::expectation::FailedExpectation;
use super::log::Log;
use super::report::{CallSnapshot, Failure};
use super::test::{Entry, Step, StepResult, Test, TestTransport};
use crate::script::{CallState, Fault, Finished, Limit};
use crate::session::Session;
#[cfg(unix)]
use crate::stack::{self, Aside};
#[cfg(unix)]
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

#[cfg(unix)]
type TestStack = Aside<std::thread::Result<Finished>>;

#[cfg(unix)]
thread_local! {
    /// The test that waits for its call.
    static WAITING: RefCell<Option<TestStack>> = const { RefCell::new(None) };
}

impl Test {
    /// Runs the test and its calls to the end.
    pub fn play(self: &Arc<Self>) {
        self.run();
        loop {
            let ready = self.state().ready.take();
            let Some(call) = ready else { break };
            call.run();
            self.go_on();
        }
        self.functions.clear();
    }

    /// Goes on with the test, whose call has come as far as it can. Afterwards the call goes on.
    pub fn go_on(self: &Arc<Self>) {
        let running = self.functions.pause();
        let then = self.state().then.take();
        if let Some(then) = then
            && let Some(result) = self.finish(then(self))
        {
            self.note("", result);
            self.run();
        }
        if let Some(running) = &running {
            self.functions.resume(running);
        }
    }

    /// Takes the steps of a word, up to its end or to where it waits for the call; then there is no result yet.
    pub fn finish(self: &Arc<Self>, mut step: StepResult) -> Option<WordResult> {
        let result = loop {
            match step {
                Ok(Step::Until(goal, then)) => {
                    let mut state = self.state();
                    if let Some(call) = &state.call
                        && call.line().state().ended.is_none()
                    {
                        call.line().aim(goal);
                        state.then = Some(then);
                        return None;
                    }
                    drop(state);
                    // A call that has ended doesn't go on.
                    step = then(self);
                }
                Ok(Step::Done(value)) => break Ok(value),
                Err(error) => break Err(error),
            }
        };
        if self.state().is_over {
            return None;
        }
        Some(match self.take_failed_in_stand_in() {
            Some(failed) => Err(WordError::Unmet(Box::new(failed))),
            None => result,
        })
    }

    /// Waits until the word that has begun is done. Returns what it returned; or nothing, if this run of the test ends
    /// here.
    pub fn wait(&self, word: &'static str) -> Option<WordResult> {
        self.state().waiting = word;
        #[cfg(unix)]
        if !self.scripts.repeats {
            stack::leave();
            return self.state().journal.pop().map(|entry| entry.result);
        }
        None
    }

    /// Notes what a word returned.
    pub fn note(&self, word: &'static str, result: WordResult) {
        let now = self.live_now();
        let (given, captured) = (self.functions.count(), self.functions.news());
        let mut state = self.state();
        let zone = state.time_zone.clone();
        // The word of a test that waits.
        let word = if word.is_empty() { state.waiting } else { word };
        state.journal.push(Entry { word, result, given, now, zone, captured });
        state.replayed = state.journal.len();
    }

    /// Returns what the next word returned in the run before, if it did, and whether time had passed. `keep` keeps the
    /// functions that it gives.
    pub fn replay(&self, word: &'static str, keep: impl FnOnce()) -> Option<(WordResult, bool)> {
        let gives_functions = {
            let state = self.state();
            state.journal.get(state.replayed)?.given > self.functions.count()
        };
        if gives_functions {
            keep();
        }
        let mut state = self.state();
        let state = &mut *state;
        let entry = state.journal.get(state.replayed)?;
        state.replayed += 1;
        if entry.word != word {
            let message = format!("the test did `{}` here before, and now does `{word}`", entry.word);
            return Some((Err(WordError::Misuse(message)), false));
        }
        if let Some(captured) = &entry.captured {
            self.functions.set_captured(captured);
        }
        let time_passed = entry.now > state.moment.0;
        state.moment = (entry.now, entry.zone.clone());
        Some((entry.result.clone(), time_passed))
    }

    /// Runs the test up to where it waits for its call, or to its end.
    fn run(self: &Arc<Self>) {
        let printed = Arc::clone(self);
        let log = Log(Box::new(move |line| printed.state().printed.push(line)));
        let finished = tracing::subscriber::with_default(log, || {
            #[cfg(unix)]
            if !self.scripts.repeats {
                return self.run_on();
            }
            self.run_again()
        });
        if let Some(finished) = finished {
            self.end(finished);
        }
    }

    /// Begins the test, or goes on with it.
    #[cfg(unix)]
    fn run_on(self: &Arc<Self>) -> Option<std::thread::Result<Finished>> {
        let mut waiting = if let Some(waiting) = WAITING.take() {
            waiting
        } else {
            let test = Arc::clone(self);
            match Aside::new(move || test.run_script()) {
                Ok(new) => new,
                Err(error) => return Some(Ok(Finished::Fault(self.wrong(&error)))),
            }
        };
        let finished = waiting.go_on();
        if finished.is_none() {
            WAITING.set(Some(waiting));
        }
        finished
    }

    /// Runs the test from its start.
    fn run_again(self: &Arc<Self>) -> Option<std::thread::Result<Finished>> {
        {
            let mut state = self.state();
            state.replayed = 0;
            state.moment = state.start.clone();
            state.printed.clear();
        }
        self.functions.clear();
        let finished = self.run_script();
        self.state().then.is_none().then_some(finished)
    }

    fn wrong(&self, error: &impl ToString) -> Box<Fault> {
        Box::new(Fault::new(self.script.name(), error.to_string()))
    }

    fn run_script(self: &Arc<Self>) -> std::thread::Result<Finished> {
        let session = match Session::begin(Box::new(TestTransport(Arc::clone(self)))) {
            Ok(session) => session,
            Err(error) => return Ok(Finished::Fault(self.wrong(&error))),
        };
        let host = &self.scripts.host;
        let call =
            CallState::new(session, Vec::new(), BTreeMap::new(), self.seed, host.limits().clone(), host.memory());
        call.extensions.insert(Arc::clone(self));
        call.extensions.insert(Arc::clone(&self.functions));
        let name = format!("test_{}", self.name);
        catch_unwind(AssertUnwindSafe(|| call.run_function(&self.script, &self.scripts.language, &name)))
    }

    /// Ends the test: hangs up, if nothing is wrong. A fault that the test didn't expect fails it.
    fn end(self: &Arc<Self>, finished: std::thread::Result<Finished>) {
        let failed = self.state().failed.take();
        let fault = match finished {
            Ok(Finished::Fault(mut found)) => {
                // The limit's own message is about scripts.
                if found.limit == Some(Limit::Computing) {
                    "the test keeps computing while no time passes in the call: an endless loop?"
                        .clone_into(&mut found.message);
                    found.hint = None;
                }
                Some(found)
            }
            Ok(Finished::Completed | Finished::Over(_)) => None,
            Err(panic) => Some(Fault::of_panic(self.script.name(), "a function", &*panic)),
        };
        if fault.is_some() || failed.is_some() {
            return self.close(fault, failed);
        }
        let judge = |test: &Arc<Self>| {
            let mut state = test.state();
            let call = state.call.as_mut();
            let failed = call.and_then(|call| call.take_failed_in_stand_in().or_else(|| call.unexpected_failure()));
            drop(state);
            test.close(None, failed);
            Ok(Step::DONE)
        };
        let hung_up = self.hang_up(judge);
        self.finish(hung_up);
    }

    /// Ends the test for good, with what is wrong.
    fn close(&self, fault: Option<Box<Fault>>, failed: Option<FailedExpectation>) {
        let mut state = self.state();
        let state = &mut *state;
        state.is_over = true;
        if fault.is_some() || failed.is_some() {
            let snapshot = state.call.as_ref().map(|call| CallSnapshot::of(call, state.calls));
            let printed = std::mem::take(&mut state.printed);
            state.failure = Some(Box::new(Failure::new(&self.script, &self.name, fault, failed, snapshot, printed)));
        }
        if let Some(call) = &state.call {
            state.last_call = Some(call.last_call(state.start.0, &self.services));
            call.line().abandon();
        }
        state.put_away();
    }
}
