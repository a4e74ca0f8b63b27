//! The line of a call in a storm: a simulator that loses its patience, and somebody who notes what the script reads.

use super::caller::{Endless, Handle, Patience};
use crate::agi::{split, text};
use crate::clock::Time;
use crate::command::{Access, Command, Hears, Kind};
use crate::script::{Source, lock};
use crate::session::{Observer, Sent};
use crate::transport::{Ending, Heard, Peer, Simulator, Transport};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

/// What is known of what a script plays and reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub prompts: BTreeSet<String>,
    /// `family/key`
    pub database: BTreeSet<String>,
    pub variables: BTreeSet<String>,
    pub dials: bool,
    pub records: bool,
    pub texts: bool,
}

/// How many values are varied at most; a script that makes names up may read any number.
const MAX_READ: usize = 40;
const MAX_PROMPTS: usize = 200;

impl Facts {
    /// Grows with each fact.
    pub fn count(&self) -> usize {
        let flags = [self.dials, self.records, self.texts].into_iter().filter(|flag| *flag).count();
        self.prompts.len() + self.database.len() + self.variables.len() + flags
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

/// Whether the calls of a storm may be varied by what this command brings.
fn teaches(command: &Command) -> bool {
    matches!(command.access, Access::ReadsEntry | Access::ReadsVariable | Access::ReadsExpression)
        || matches!(command.hears, Hears::Voice | Hears::Text | Hears::Character)
        || runs_an_application(command)
}

/// One that can be set before the call: no function, and none that Asterisk sets.
fn is_variable(name: &str) -> bool {
    let own = ["EXTEN", "CONTEXT", "PRIORITY", "CHANNEL", "UNIQUEID", "HANGUPCAUSE", "EPOCH"];
    !name.is_empty() && !name.contains('(') && !own.contains(&name) && !name.starts_with("CALLING")
}

/// Notes where the script stands, and what it reads.
pub(super) struct Watch {
    caller: Handle,
    facts: Arc<Mutex<Facts>>,
    sources: Arc<[Source]>,
}

impl Watch {
    pub fn new(caller: Handle, facts: &Arc<Mutex<Facts>>, sources: &Arc<[Source]>) -> Self {
        Self { caller, facts: Arc::clone(facts), sources: Arc::clone(sources) }
    }
}

impl Observer for Watch {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, _: Time) {
        let source = self.sources.iter().position(|source| source.name == script).unwrap_or(0);
        self.caller.desk().stands_at((source, place));
        if teaches(command) {
            lock(&self.facts).learn(command, line.line());
        }
    }

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, _: Time) {}
}

/// A simulator that ends a script which goes on for ever.
#[derive(Debug)]
pub(super) struct Line {
    simulator: Simulator,
    caller: Handle,
    stopped: bool,
}

impl Line {
    pub fn new(simulator: Simulator, caller: Handle) -> Self {
        Self { simulator, caller, stopped: false }
    }
}

impl Transport for Line {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.simulator.open()
    }

    fn peer(&self) -> Peer {
        self.simulator.peer()
    }

    fn now(&self) -> Time {
        self.simulator.now()
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.simulator.send(line)
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if !self.caller.desk().may_go_on() {
            // It may still say goodbye, but not for ever either.
            if self.stopped {
                return Err(io::Error::other("the script goes on for ever"));
            }
            self.stopped = true;
            let mut desk = self.caller.desk();
            desk.endless = Some(Endless::Lines);
            desk.lines = Patience::LITTLE.lines;
            return Ok(Heard::Stop);
        }
        self.simulator.receive(until)
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        self.simulator.leave(ending)
    }
}
