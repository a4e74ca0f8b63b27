//! The simulator of a call that a test has placed. It notices endless scripts, and the command that a script is in.

use super::line::Line;
use super::line_state::CurrentCommand;
use super::stand_in::TestFunctions;
use super::test_services::TestServices;
use crate::agi::{split, text};
use crate::clock::Time;
use crate::command::{Command, Kind};
use crate::session::{Observer, Sent};
use crate::transport::{Answer, Ending, Failure, Heard, Peer, Request, Simulator, Transport};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A simulator that notices endless scripts, and ends calls that were given up.
pub(super) struct WatchedSimulator {
    pub simulator: Simulator,
    pub line: Arc<Line>,
    /// What stands in for services.
    pub services: Arc<TestServices>,
    pub functions: TestFunctions,
}

impl WatchedSimulator {
    /// Fails once the call has been given up.
    fn check_cut(&self) -> io::Result<()> {
        let state = self.line.state();
        if state.abandoned || state.is_runaway || state.failed_in_stand_in.is_some() {
            return Err(io::Error::other("the test has ended the call"));
        }
        Ok(())
    }

    /// Copies what tests can see of the channel.
    fn update_line(&self) {
        self.line.state().show(self.simulator.channel());
    }
}

impl Transport for WatchedSimulator {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.update_line();
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
        // If the call is to end here, it does when the session waits for the answer.
        let cut = Some((Duration::ZERO, Err(Failure::unavailable("the test has ended the call"))));
        if self.check_cut().is_err() || !self.line.state().may_go_on() {
            return cut;
        }
        self.update_line();
        let (after, answer) = self.services.answer(request, self.simulator.channel_mut(), &self.functions);
        let mut state = self.line.state();
        state.record_request(request, &answer);
        state.command.pending &= state.command.function != LISTEN;
        drop(state);
        self.update_line();
        Some((after, answer))
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.check_cut()?;
        if !self.line.state().may_go_on() {
            return Err(io::Error::other("commands without end"));
        }
        self.simulator.send(line)?;
        self.update_line();
        Ok(())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        self.check_cut()?;
        let before = self.simulator.now();
        let heard = self.simulator.receive(until);
        // After the hangup, no caller is left whose time would pass.
        if self.simulator.now() > before {
            self.line.state().commands_at_once = 0;
        }
        heard
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        self.update_line();
        self.simulator.leave(ending)
    }
}

/// The request to listen to the caller.
const LISTEN: &str = "listen";

/// Keeps track of the command that the script is in.
pub(super) struct CommandObserver(pub Arc<Line>);

impl Observer for CommandObserver {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, _: Time) {
        if line.is_by_host() {
            return;
        }
        let line = line.line();
        let words = split(line);
        let verb = command.verb.split(' ').count();
        let params = command.function.params;
        let keys = params
            .iter()
            .position(|param| param.kind == Kind::Keys)
            .map(|at| words.get(verb + at).map_or_else(String::new, |word| text(word).into_owned()));
        let script = script.to_owned();
        self.0.state().command =
            CurrentCommand { function: command.function.name, script, line: place, pending: true, keys };
    }

    fn heard(&self, _: &'static Command, _: &dyn fmt::Display, _: Time) {
        self.0.state().command.pending = false;
    }

    fn asked(&self, request: &Request, script: &str, place: usize) {
        if request.function == LISTEN {
            let (script, keys) = (script.to_owned(), Some(request.text("keys").to_owned()));
            self.0.state().command = CurrentCommand { function: LISTEN, script, line: place, pending: true, keys };
        }
    }
}
