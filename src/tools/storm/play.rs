//! Makes one call of a storm.

use super::caller::{CallerState, Endless, Patience, ScriptLine};
use super::job::{Job, PlayedCall, UNAVAILABLE};
use super::noise::Noise;
use super::runner::Storm;
use super::scene;
use super::wire::{LimitedSimulator, ScriptObserver, StormServices};
use crate::clock::Time;
use crate::pbx::{Caller, Database, IncomingCall, Sounds};
use crate::script::Fault;
use crate::session::Session;
use crate::sync::lock;
use crate::tools::testing::{OfflineServices, is_of_unavailable};
use crate::transport::{Answer, Request, Simulator};
use std::sync::Arc;

impl Storm {
    /// Makes one call.
    pub(super) fn play(&mut self, job: &Job, patience: Patience) -> PlayedCall {
        let scene = &job.scene;
        let options = match scene.options(&self.setup).read(IncomingCall::default(), scene.seed) {
            Ok(options) => options,
            Err(problem) => {
                return PlayedCall { fault: Some(Fault::new(&self.script.name, problem)), ..PlayedCall::default() };
            }
        };
        let now = options.time.unwrap_or(Time::from_unix(scene::DEFAULT_TIME));
        let noise = job.noise.map(|seed| Noise::new(seed, &self.words));
        let caller = CallerState::open(now, job.steps.clone(), job.hangs_up_at, job.traced, noise, patience);
        let database = Database::new();
        options.fill(&database);
        let sounds = self.sounds_without(&options.missing);
        let channel = options.channel(Box::new(caller.clone()), sounds, database, None);
        let simulator = Simulator::new(channel).with_commands(self.host.language().commands());
        let offline = OfflineServices::new(Arc::clone(&self.samples)).taking_turns(scene.seed);
        let services = StormServices::new(offline, &scene.troubles, &self.facts);
        let line = LimitedSimulator::new(simulator, caller.clone(), &services);
        let mut host = self.host.clone();
        host.set_seed(scene.seed);
        let limits = host.limits_mut();
        limits.computing = limits.computing.min(patience.computing);
        let fault = match Session::begin(Box::new(line)) {
            Ok(mut session) => {
                session.observe(Arc::new(ScriptObserver::new(caller.clone(), &self.facts, &self.script.sources)));
                let outcome =
                    host.run_quietly(session, &self.script, options.call.args.clone(), options.params.clone());
                let fault = outcome.fault.map(|fault| *fault.in_full());
                fault.map(|fault| with_hint(fault, &lock(&services).asked))
            }
            Err(error) => Some(Fault::new(&self.script.name, error.to_string())),
        };
        let now = caller.now();
        let mut state = caller.state();
        if !state.played.is_empty() {
            let mut facts = lock(&self.facts);
            for prompt in state.played.drain(..) {
                if !facts.prompts.contains(&prompt) {
                    facts.learn_prompt(prompt);
                }
            }
        }
        let endless = state.endless;
        let fault = endless.map(|endless| self.endless_fault(endless, state.recent())).or(fault);
        let of_job = if fault.is_none() { self.run_jobs(&host, scene, &services, now) } else { None };
        PlayedCall {
            tape: std::mem::take(&mut state.tape),
            is_in_job: of_job.is_some(),
            fault: fault.or(of_job),
            endless: endless.is_some(),
            waits: state.waits,
            lines_at_waits: state.lines_at_waits.take().unwrap_or_default(),
            lines_at_commands: std::mem::take(&mut state.lines_at_commands),
            asked: std::mem::take(&mut lock(&services).asked),
        }
    }

    /// Returns the fault of a script that never ends, at the first line of what it repeats.
    fn endless_fault(&self, endless: Endless, recent: (ScriptLine, ScriptLine, bool)) -> Fault {
        let ((script, line), last, is_known) = recent;
        let last = if last.0 == script { last.1 } else { line };
        let name = self.script.sources.get(script).map_or(self.script.name.as_str(), |source| source.name.as_str());
        let lines = if last > line { format!("lines {line} to {last} are") } else { format!("line {line} is") };
        let message = match endless {
            Endless::Silence => {
                "the script never ends: its caller has been silent for an hour, and it goes on".to_owned()
            }
            Endless::Lines => {
                format!(
                    "the script never ends: {} commands or sleeps while its caller did nothing",
                    Patience::WHOLE.lines
                )
            }
        };
        let source = self.source(name, line);
        let column = source.chars().take_while(|letter| letter.is_whitespace()).count() + 1;
        let hint = Some(if is_known {
            format!("{lines} repeated: a caller who does nothing must get out of there at some point")
        } else {
            "this was its last command; since then it only sleeps".to_owned()
        });
        Fault { hint, line, column, source, ..Fault::new(name, message) }
    }

    /// Returns the sounds without some of them.
    fn sounds_without(&mut self, missing: &[String]) -> Arc<Sounds> {
        if missing.is_empty() {
            return Arc::clone(&self.sounds);
        }
        if self.without.len() > 500 {
            self.without.clear();
        }
        let names = missing.to_vec();
        let all = &self.sounds;
        let fewer = || Arc::new(missing.iter().fold((**all).clone(), |sounds, name| sounds.without(name)));
        Arc::clone(self.without.entry(names).or_insert_with(fewer))
    }
}

/// Adds what to do to the fault of a script that doesn't expect a service to be unavailable.
fn with_hint(mut fault: Fault, asked: &[(Request, Answer)]) -> Fault {
    if fault.hint.is_none() && is_of_unavailable(&fault, asked) {
        fault.hint = Some(UNAVAILABLE.to_owned());
    }
    fault
}
