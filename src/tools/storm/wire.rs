//! The line of a call in a storm: a simulator that ends endless scripts, and an observer that learns what they read.

use super::caller::{Endless, Patience, StormCaller};
use super::trouble::Trouble;
use crate::agi::{split, text};
use crate::clock::Time;
use crate::command::{Access, Command, Hears, Kind};
use crate::pbx::Channel;
use crate::script::Source;
use crate::session::{Observer, Sent};
use crate::sync::lock;
use crate::tools::testing::{OfflineServices, service_name};
use crate::transport::{Answer, Ending, Heard, Peer, Request, Simulator, Transport, listen};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The function of requests that play a prompt and listen.
const LISTEN: &str = "listen";

/// The facts that a storm has learned about a script: everything it was seen to play and read.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub prompts: BTreeSet<String>,
    /// `family/key`
    pub database: BTreeSet<String>,
    pub variables: BTreeSet<String>,
    /// The services asked, by the names that tests give them.
    pub services: BTreeSet<String>,
    pub dials: bool,
    pub records: bool,
    pub texts: bool,
}

/// The maximum number of values that are varied. A script that makes up names may read any number.
const MAX_READ: usize = 40;
const MAX_PROMPTS: usize = 200;

impl Facts {
    /// Returns the number of facts, which only grows.
    pub fn count(&self) -> usize {
        let flags = [self.dials, self.records, self.texts].into_iter().filter(|flag| *flag).count();
        let names = [&self.prompts, &self.database, &self.variables, &self.services];
        names.map(BTreeSet::len).iter().sum::<usize>() + flags
    }

    pub fn learn_prompt(&mut self, prompt: String) {
        if self.prompts.len() < MAX_PROMPTS {
            self.prompts.insert(prompt);
        }
    }

    fn learn(&mut self, command: &Command, line: &[u8]) {
        let words = split(line);
        let verb = command.verb.split(' ').count();
        let arg = |at: usize| words.get(verb + at).map(|word| text(word).into_owned()).unwrap_or_default();
        match command.access {
            Access::ReadsEntry if self.database.len() < MAX_READ => {
                self.database.insert(format!("{}/{}", arg(0), arg(1)));
            }
            Access::ReadsVariable if self.variables.len() < MAX_READ => {
                self.variables.extend(Some(arg(0)).filter(|name| is_variable(name)));
            }
            Access::ReadsExpression if self.variables.len() < MAX_READ => {
                let template = arg(0);
                let names = template.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
                self.variables.extend(names.filter(|name| is_variable(name)).map(str::to_owned));
            }
            _ => {}
        }
        match command.hears {
            Hears::Voice => self.records = true,
            Hears::Text | Hears::Character => self.texts = true,
            _ => {}
        }
        if runs_an_application(command) {
            self.dials |= arg(0).eq_ignore_ascii_case("dial");
        }
    }
}

fn runs_an_application(command: &Command) -> bool {
    command.function.params.first().is_some_and(|param| param.kind == Kind::Application)
}

/// Whether calls can be varied by what this command reads or hears.
fn teaches(command: &Command) -> bool {
    matches!(command.access, Access::ReadsEntry | Access::ReadsVariable | Access::ReadsExpression)
        || matches!(command.hears, Hears::Voice | Hears::Text | Hears::Character)
        || runs_an_application(command)
}

/// Whether a test can set this before the call: it is neither a function nor a variable that Asterisk sets.
fn is_variable(name: &str) -> bool {
    let own = ["EXTEN", "CONTEXT", "PRIORITY", "CHANNEL", "UNIQUEID", "HANGUPCAUSE", "EPOCH"];
    // Where Asterisk keeps its files: no call changes `ASTSPOOLDIR`.
    let is_folder = name.starts_with("AST") && name.ends_with("DIR");
    let is_own = own.contains(&name) || name.starts_with("CALLING") || is_folder;
    !name.is_empty() && !name.contains('(') && !is_own
}

/// Notes which lines send commands, and what they read.
pub(super) struct ScriptObserver {
    caller: StormCaller,
    facts: Arc<Mutex<Facts>>,
    sources: Arc<[Source]>,
}

impl ScriptObserver {
    pub fn new(caller: StormCaller, facts: &Arc<Mutex<Facts>>, sources: &Arc<[Source]>) -> Self {
        Self { caller, facts: Arc::clone(facts), sources: Arc::clone(sources) }
    }
}

impl Observer for ScriptObserver {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, _: Time) {
        let source = self.sources.iter().position(|source| source.name == script).unwrap_or(0);
        self.caller.state().sent_from((source, place));
        if teaches(command) {
            lock(&self.facts).learn(command, line.line());
        }
    }

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, _: Time) {}
}

/// What stands in for services in a call and in the jobs it leaves.
#[derive(Debug)]
pub(super) struct StormServices {
    offline: OfflineServices,
    troubles: BTreeMap<String, Trouble>,
    facts: Arc<Mutex<Facts>>,
    /// What was asked, and what was answered.
    pub asked: Vec<(Request, Answer)>,
}

impl StormServices {
    pub fn new(
        offline: OfflineServices,
        troubles: &BTreeMap<String, Trouble>,
        facts: &Arc<Mutex<Facts>>,
    ) -> Arc<Mutex<Self>> {
        let (troubles, facts) = (troubles.clone(), Arc::clone(facts));
        Arc::new(Mutex::new(Self { offline, troubles, facts, asked: Vec::new() }))
    }

    /// Notes that a service is asked, and returns what is wrong with it.
    fn learn(&mut self, request: &Request) -> Option<Trouble> {
        let name = service_name(request);
        let mut facts = lock(&self.facts);
        if !facts.services.contains(name) && facts.services.len() < MAX_READ {
            facts.services.insert(name.to_owned());
        }
        self.troubles.get(name).copied()
    }

    /// Listens to the caller of a channel.
    fn listen(&mut self, request: &Request, channel: &mut Channel) -> Answer {
        let engine = self.learn(request).map(|trouble| trouble.befalls_engine(request));
        let answer = listen(channel, request, engine.unwrap_or_default());
        // Whoever has hung up hears no answer.
        if !channel.is_dead() {
            self.asked.push((request.clone(), answer.clone()));
        }
        answer
    }

    /// Answers a request at this time, after a while.
    pub fn answer(&mut self, request: &Request, now: Time) -> (Duration, Answer) {
        let trouble = self.learn(request);
        let answer = self.offline.answer_always(request, now);
        let (after, answer) = match trouble {
            // What is refused is refused by every service.
            Some(trouble) if answer.is_ok() => trouble.befalls(request, answer),
            _ => (Duration::ZERO, answer),
        };
        self.asked.push((request.clone(), answer.clone()));
        (after, answer)
    }
}

/// A simulator that ends scripts which would never end.
#[derive(Debug)]
pub(super) struct LimitedSimulator {
    simulator: Simulator,
    caller: StormCaller,
    stopped: bool,
    services: Arc<Mutex<StormServices>>,
}

impl LimitedSimulator {
    pub fn new(simulator: Simulator, caller: StormCaller, services: &Arc<Mutex<StormServices>>) -> Self {
        Self { simulator, caller, stopped: false, services: Arc::clone(services) }
    }
}

impl Transport for LimitedSimulator {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.simulator.open()
    }

    fn peer(&self) -> Peer {
        self.simulator.peer()
    }

    fn now(&self) -> Time {
        self.simulator.now()
    }

    fn inner(&self) -> Option<&dyn Transport> {
        Some(&self.simulator)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Transport> {
        Some(&mut self.simulator)
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        let mut services = lock(&self.services);
        Some(if request.function == LISTEN {
            self.caller.state().expects(request);
            (Duration::ZERO, services.listen(request, self.simulator.channel_mut()))
        } else {
            services.answer(request, self.simulator.now())
        })
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.simulator.send(line)
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if !self.caller.state().may_go_on() {
            // Its `on_hangup` may still run, but not forever either.
            if self.stopped {
                return Err(io::Error::other("the script never ends"));
            }
            self.stopped = true;
            let mut state = self.caller.state();
            state.endless = Some(Endless::Lines);
            state.lines = Patience::LITTLE.lines;
            return Ok(Heard::Stop);
        }
        self.simulator.receive(until)
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        self.simulator.leave(ending)
    }
}
