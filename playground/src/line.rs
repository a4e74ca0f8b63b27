//! The line of a call, with everything that goes over it.

use crate::scene::{Cut, SharedScene, What};
use agi_rhai::clock::Time;
use agi_rhai::command::{Command, GET_VARIABLE, Kind};
use agi_rhai::internals::{Watched, split};
use agi_rhai::pbx::{Database, Variables};
use agi_rhai::session::{Observer, Sent};
use agi_rhai::tools::testing::OfflineServices;
use agi_rhai::transport::{Answer, Ending, Heard, Note, Peer, Request, Simulator, Transport};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The maximum number of commands, which is more than anybody reads.
const MAX_COMMANDS: u64 = 20_000;
/// The maximum length of what is shown of an answer, in characters.
const MAX_SHOWN: usize = 500;

/// The simulated line.
pub struct Line {
    pub simulator: Simulator,
    pub scene: SharedScene,
    pub services: Arc<Mutex<OfflineServices>>,
    pub variables: Variables,
    pub database: Database,
    pub watched: Arc<Watched>,
    /// Where the dialplan goes on.
    pub position: Arc<Mutex<Option<String>>>,
    pub sent: u64,
}

impl Line {
    fn services(&self) -> MutexGuard<'_, OfflineServices> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_changes(&self) {
        let mut scene = self.scene.lock();
        if scene.cut.is_none() {
            scene.changes(self.variables.all(), self.database.entries().into_iter().collect());
        }
    }

    /// Returns a variable of the channel, or an empty text if it is unset.
    fn query(&mut self, name: &str) -> io::Result<String> {
        self.simulator.send(format!("{} {name}", GET_VARIABLE.verb).as_bytes())?;
        loop {
            match self.simulator.receive(self.simulator.now())? {
                Heard::Reply(reply) => return Ok(reply.value().unwrap_or_default().to_owned()),
                Heard::Hangup | Heard::Wakeup => {}
                Heard::Stop | Heard::Closed | Heard::Silence => return Ok(String::new()),
            }
        }
    }
}

impl Transport for Line {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.note_changes();
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

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.sent += 1;
        if self.sent > MAX_COMMANDS {
            self.scene.lock().cut.get_or_insert(Cut::Commands);
            return Err(io::Error::other("the script sends more commands than anybody could follow"));
        }
        self.simulator.send(line)
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        let heard = self.simulator.receive(until)?;
        if let Heard::Reply(reply) = &heard {
            self.scene.lock().note(What::Reply { text: reply.to_string() });
            self.note_changes();
        }
        Ok(heard)
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        self.simulator.answer(request).or_else(|| {
            let now = self.simulator.now();
            Some((Duration::ZERO, self.services().answer(request, now)))
        })
    }

    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::Asks(request) => {
                let lacks = self.services().lacks(request);
                let mut scene = self.scene.lock();
                scene.frames(self.watched.frames());
                let (script, line) = scene.place.clone();
                scene.note(What::Asks {
                    function: request.function.clone(),
                    service: request.service.clone(),
                    text: shortened(&request.to_string()),
                    request: (!is_about_speech(request)).then(|| Box::new(request.clone())),
                    lacks,
                    script,
                    line,
                });
            }
            Note::Answered(answer) => {
                let text = match answer {
                    Ok(value) => shortened(&value.to_string()),
                    Err(failure) => shortened(&format!("{}: {failure}", failure.kind.word())),
                };
                self.scene.lock().note(What::Answered { failed: answer.is_err(), text });
            }
            _ => {}
        }
        self.simulator.note(note);
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        let (context, extension, priority) = (self.query("CONTEXT")?, self.query("EXTEN")?, self.query("PRIORITY")?);
        let next = priority.parse::<i64>().map_or(priority, |running| (running + 1).to_string());
        let place = format!("{context},{extension},{next}");
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        self.simulator.leave(ending)
    }
}

/// Whether it asks an engine. What is said and heard shows by itself.
fn is_about_speech(request: &Request) -> bool {
    matches!(request.function.as_str(), "listen" | "speak")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Notes the commands of a script, and its variables by then.
pub struct CommandObserver {
    pub scene: SharedScene,
    pub watched: Arc<Watched>,
}

impl Observer for CommandObserver {
    fn sent(&self, command: &'static Command, sent: &Sent<'_>, script: &str, line: usize, _: Time) {
        let mut scene = self.scene.lock();
        scene.listened = keys(command, sent.line());
        scene.frames(self.watched.frames());
        let text = String::from_utf8_lossy(sent.line()).into_owned();
        scene.note(What::Command {
            function: command.function.name,
            text,
            script: script.to_owned(),
            line,
            by_host: sent.is_by_host(),
        });
    }

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, _: Time) {}

    fn asked(&self, request: &Request, script: &str, line: usize) {
        let mut scene = self.scene.lock();
        scene.place = (script.to_owned(), line);
        // What is listened for goes with the request.
        let keys = request.argument("keys").as_str().map(str::to_owned);
        scene.listened = keys.filter(|_| request.function == "listen");
    }
}

/// Returns the keys for which a command line of this command listens, if it names them.
fn keys(command: &Command, line: &[u8]) -> Option<String> {
    let words = split(line);
    let arguments = words.get(command.verb.split(' ').count()..)?;
    let params = command.function.params.iter().zip(arguments).filter(|(param, _)| param.kind == Kind::Keys);
    let keys: String = params.map(|(_, word)| String::from_utf8_lossy(word)).collect();
    Some(keys).filter(|keys| !keys.is_empty())
}
