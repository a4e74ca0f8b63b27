//! Runs the functions that a call of a storm has left to be run after it.

use super::runner::Storm;
use super::scene::Scene;
use super::wire::StormServices;
use crate::clock::Time;
use crate::host::Host;
use crate::pbx::Channel;
use crate::script::{Fault, Finished, Script};
use crate::session::Over;
use crate::sync::lock;
use crate::tools::testing::{JobServices, is_of_unavailable, run_function, took_too_long};
use crate::transport::{Answer, Request};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The maximum number of functions that run after one call. A function may leave another one.
const MAX_JOBS: usize = 20;

/// The services of a storm, as they answered in the call.
struct OfCall(Arc<Mutex<StormServices>>);

impl JobServices for OfCall {
    fn answer(&mut self, request: &Request, channel: &mut Channel) -> (Duration, Answer) {
        lock(&self.0).answer(request, channel.now())
    }
}

impl Storm {
    /// Runs what a call has left, one after the other from this time on. Returns the first fault.
    pub(super) fn run_jobs(
        &mut self,
        host: &Host,
        scene: &Scene,
        services: &Arc<Mutex<StormServices>>,
        mut now: Time,
    ) -> Option<Fault> {
        for number in 0..MAX_JOBS {
            let is_job = |(request, answer): &&(Request, Answer)| request.function == "after_call" && answer.is_ok();
            let job = lock(services).asked.iter().filter(is_job).nth(number).map(|(request, _)| request.clone())?;
            let Some(script) = self.script_of(job.text("script")) else { continue };
            let asked_before = lock(services).asked.len();
            let of_call = Box::new(OfCall(Arc::clone(services)));
            let (finished, at) = run_function(&job, script, host, of_call, scene.seed, now).ok()?;
            now = at;
            let name = job.text("function");
            let mut fault = match finished {
                Finished::Over(Over::Stopped) => {
                    Fault::new(&script.name, format!("the job `{name}` failed: {}", took_too_long()))
                }
                Finished::Completed | Finished::Over(_) => continue,
                Finished::Fault(fault) => *fault.in_full(),
            };
            // It is tried again, which is what whoever throws wants.
            let is_in_trouble = !scene.troubles.is_empty();
            let is_on_purpose = fault.line == 0 || fault.source.contains("throw");
            let is_unavailable = is_of_unavailable(&fault, lock(services).asked.iter().skip(asked_before));
            if is_unavailable || (is_in_trouble && is_on_purpose) {
                continue;
            }
            fault.add_to_hint(&format!("`{name}` runs when the call is over"));
            return Some(fault);
        }
        None
    }

    /// Returns the script of a job: this one, or one that it imports.
    fn script_of(&mut self, name: &str) -> Option<&Script> {
        if name == self.script.name {
            return Some(&self.script);
        }
        let host = &self.host;
        self.others.entry(name.to_owned()).or_insert_with(|| host.load(Path::new(name), None).ok()).as_ref()
    }
}
