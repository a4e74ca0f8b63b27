//! A simulated Asterisk at the other end: the table of commands and [`pbx`](crate::pbx) answer each line.

use super::listening::{SimulatedEngine, listen};
use super::peer::{Ending, Heard, Note, Peer, Transport};
use super::request::{Answer, Request};
use crate::agi::{Frame, Framer, Reply, split, text};
use crate::calendar::TimeZone;
use crate::clock::Time;
use crate::command::Table;
use crate::pbx::{Channel, Idle, Missing, Sounds};
use crate::sync::lock;
use serde_json::json;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

/// A simulated Asterisk. It speaks the same text as a real one, so quoting and parsing are exercised too. The tests
/// compare it with a real one.
///
/// ```
/// use agi_rhai::pbx::{Channel, IncomingCall, Plan};
/// use agi_rhai::transport::{Heard, Simulator, Transport};
/// let caller: Plan = "presses 2 after 1s".parse().unwrap();
/// let mut simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(caller)));
/// simulator.send(b"WAIT FOR DIGIT 5000").unwrap();
/// let Heard::Reply(reply) = simulator.receive(simulator.now()).unwrap() else { panic!() };
/// assert_eq!(reply.to_string(), "200 result=50");
/// ```
pub struct Simulator {
    channel: Channel,
    commands: Table,
    framer: Framer,
    /// Whether the session has heard of the hangup.
    noticed: bool,
    /// How much time has passed since the hangup.
    afterwards: Duration,
    transcript: Transcript,
    /// Whether the caller may have entered a secret, from which a name may be made.
    knows_secrets: bool,
}

/// The notice that the caller has hung up.
const NOTICE: &str = "HANGUP";

/// The notice that a command will take a while.
const TRYING: &str = "100 result=0 Trying...";

/// The dialogue of a session: lines beginning with `C: ` (sent to Asterisk) and `S: `.
pub type Transcript = Arc<Mutex<Vec<String>>>;

impl Simulator {
    /// Creates the other end of a session on this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        // On a channel that is dead from the start, Asterisk sends no notice.
        let noticed = channel.is_dead();
        Self {
            channel,
            commands: Table::new(),
            framer: Framer::default(),
            noticed,
            afterwards: Duration::ZERO,
            transcript: Transcript::default(),
            knows_secrets: false,
        }
    }

    /// Sets the commands that it answers; by default, Asterisk's.
    #[must_use]
    pub fn with_commands(self, commands: &Table) -> Self {
        Self { commands: commands.clone(), ..self }
    }

    /// Returns the dialogue from now on, which grows with the session. It doesn't contain the opening block.
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        Arc::clone(&self.transcript)
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Returns the channel, to change it.
    pub(crate) fn channel_mut(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// Logs what the script has used although the simulated Asterisk doesn't have it, and how a test can replace it.
    fn warn_of_missing(&mut self) {
        for missing in self.channel.take_missing() {
            if self.knows_secrets {
                tracing::warn!(
                    "the simulated Asterisk lacks something the script uses; its name is left out, since the script \
                     asks for a secret"
                );
                continue;
            }
            let (what, option) = match missing {
                Missing::Application(name) => {
                    (format!("application `{name}`"), format!("applications: #{{ {name}: |args| 0 }}"))
                }
                Missing::Function(name) => {
                    (format!("function `{name}`"), format!("functions: #{{ {name}: |args| \"\" }}"))
                }
                Missing::Subroutine(place) => {
                    (format!("subroutine `{place}`"), format!("subroutines: #{{ \"{place}\": |args| \"\" }}"))
                }
            };
            tracing::warn!(
                "the simulated Asterisk has no {what}; in a test, something can stand in for it: \
                 place_call(script, #{{ {option} }})"
            );
        }
    }

    fn transcribe(&self, line: fmt::Arguments<'_>) {
        // If nobody holds the transcript, writing it would only cost time.
        if Arc::strong_count(&self.transcript) > 1 {
            lock(&self.transcript).push(line.to_string());
        }
    }

    fn says(&mut self, line: &str) {
        self.transcribe(format_args!("S: {line}"));
        self.framer.push(line.as_bytes());
        self.framer.push(b"\n");
    }

    fn answer(&mut self, line: &[u8]) -> Option<Reply> {
        let words = split(line);
        let words: Vec<_> = words.iter().map(|word| text(word)).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        if words.first().is_some_and(|word| word.len() >= 7 && word[..7].eq_ignore_ascii_case("failure")) {
            return None;
        }
        let Some((command, verb)) = self.commands.of_words(&words) else {
            return Some(Reply::unknown());
        };
        let words = &words[verb..];
        let dead = self.channel.is_dead();
        if dead && !command.dead {
            return Some(Reply::dead());
        }
        let reply =
            command.words.contains(&words.len()).then(|| (command.simulate)(&mut self.channel, words)).flatten();
        self.warn_of_missing();
        let reply = reply.unwrap_or_else(|| Reply::usage(command.function.summary));
        if command.interim && reply.code == 200 && reply.result() == "0" {
            self.says(TRYING);
        }
        Some(reply)
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("noticed", &self.noticed).finish_non_exhaustive()
    }
}

impl Transport for Simulator {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        let mut block: String = self.channel.environment().iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
        block.push('\n');
        Ok(block.into_bytes())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: true }
    }

    fn now(&self) -> Time {
        self.channel.now() + self.afterwards
    }

    fn time_zone(&self) -> TimeZone {
        self.channel.time_zone().clone()
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.transcribe(format_args!("C: {}", text(line)));
        self.channel.begin_command();
        let dead = self.channel.is_dead();
        // As on the wire, the notice of the hangup comes before the next answer.
        if dead && !self.noticed {
            self.noticed = true;
            self.says(NOTICE);
        }
        if let Some(reply) = self.answer(line) {
            self.says(&reply.to_string());
        }
        Ok(())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        loop {
            let frame = self.framer.take().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
            match frame {
                Some(Frame::Reply(reply)) => return Ok(Heard::Reply(reply)),
                Some(Frame::Hangup) => return Ok(Heard::Hangup),
                Some(Frame::Stray(_) | Frame::Interim) => {}
                None => break,
            }
        }
        if self.noticed {
            // No caller is left whose time would pass.
            self.afterwards += until - self.now();
            return Ok(Heard::Silence);
        }
        if !self.channel.is_dead() {
            match self.channel.idle_until_wakeup(until) {
                Idle::TimeUp => return Ok(Heard::Silence),
                Idle::Wakeup => return Ok(Heard::Wakeup),
                Idle::HungUp => {}
            }
        }
        self.noticed = true;
        self.transcribe(format_args!("S: {NOTICE}"));
        Ok(Heard::Hangup)
    }

    fn waker(&mut self) -> Option<Waker> {
        // No caller is left who would wait.
        if self.noticed { None } else { self.channel.waker() }
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        // Its callers hear texts and are understood without an engine.
        let answer = match request.function.as_str() {
            "speak" => Ok(json!({ "file": Sounds::spoken_for(request.text("prompt"), request.text("text")) })),
            "listen" => listen(&mut self.channel, request, SimulatedEngine::default()),
            _ => return None,
        };
        Some((Duration::ZERO, answer))
    }

    fn note(&mut self, note: Note<'_>) {
        self.knows_secrets |= matches!(note, Note::Secret(true));
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}
