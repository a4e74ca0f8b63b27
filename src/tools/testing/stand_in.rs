//! What stands in for the dialplan's applications, subroutines and functions: values and functions of a test.
//!
//! A function that stands in runs in the middle of a command of the call. It plays Asterisk's part: it has the channel,
//! and time that it waits passes for the caller.

use super::args::{as_text, shown};
use super::expectation::FailedExpectation;
use super::functions::GivenFunctions;
use super::line::Line;
use crate::clock::Time;
use crate::command::Value;
use crate::pbx::{Channel, IncomingCall, Plan, split_all_arguments};
use crate::script::{CallState, Fault, Finished, KeptFunction, value};
use crate::session::Session;
use crate::sync::lock;
use crate::transport::{Ending, Heard, Peer, Transport};
use rhai::{Array, Dynamic, FnPtr, NativeCallContext};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// The part of the dialplan for which something stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Application,
    Subroutine,
    Function,
}

/// What a test gives to stand in for something.
#[derive(Debug)]
pub(super) enum StandInAnswer {
    /// The value of an application.
    Number(i32),
    /// The value of a subroutine or a function.
    Text(Option<String>),
    /// Variables that an application sets.
    Variables(Vec<(String, String)>),
    /// What this function returns.
    Function(FunctionOfTest),
}

impl StandInAnswer {
    /// Reads what stands in for a part of the dialplan. `raw` is the same value with the functions of a test in it, and
    /// where the test gives it. The error says what else it may be than a function.
    pub fn read(value: &Value, raw: Option<(&Dynamic, &NativeCallContext)>, part: Part) -> Result<Self, &'static str> {
        match raw {
            Some((raw, context)) => {
                if let Some(function) = raw.read_lock::<FnPtr>() {
                    return Ok(Self::Function(FunctionOfTest::keep(context, function.clone())));
                }
            }
            // Nothing runs functions here, and whoever uses the options then refuses them.
            None if matches!(value, Value::Other(_)) => return Ok(Self::Text(None)),
            None => {}
        }
        Self::of_value(value, part)
    }

    /// Returns what a value means, such as the one that a function has returned.
    fn of_value(value: &Value, part: Part) -> Result<Self, &'static str> {
        match (part, value) {
            (Part::Application, Value::Nothing) => Ok(Self::Number(0)),
            (Part::Application, Value::Map(items)) => {
                let text = |item: &Value| as_text(item).unwrap_or_default();
                Ok(Self::Variables(items.iter().map(|(name, item)| (name.to_string(), text(item))).collect()))
            }
            (Part::Application, Value::Int(number)) if i32::try_from(*number).is_ok() => {
                Ok(Self::Number(i32::try_from(*number).unwrap_or(0)))
            }
            (Part::Application, _) => {
                Err("a whole number, which `exec` returns, a map of variables to set, or nothing")
            }
            (_, Value::List(_) | Value::Map(_) | Value::Other(_)) => Err("a text, a number, or nothing"),
            (_, value) => Ok(Self::Text(as_text(value))),
        }
    }
}

/// A function that a test gives. Each run of the test gives it anew: the one of the last run counts.
#[derive(Clone, Debug)]
pub(super) struct FunctionOfTest {
    /// Its index among the functions that the test gives.
    index: usize,
    /// Where the test gives it: script, line and column.
    place: (String, usize, usize),
}

impl FunctionOfTest {
    /// Keeps a function that the test gives.
    pub fn keep(context: &NativeCallContext, function: FnPtr) -> Self {
        let function = KeptFunction::new(context, function);
        let place = function.place();
        let given = CallState::of(context).and_then(|call| call.extensions.get::<Arc<GivenFunctions>>());
        let index = given.map_or(usize::MAX, |given| given.keep(function));
        Self { index, place }
    }
}

/// What runs the functions of a test that stand in for something in one call.
#[derive(Clone)]
pub(crate) struct TestFunctions {
    pub(super) given: Arc<GivenFunctions>,
    pub(super) line: Arc<Line>,
}

/// Something that stands in for an application, a subroutine or a function of the dialplan in one call.
pub(super) struct StandIn {
    /// Its name in messages.
    what: String,
    answer: Arc<StandInAnswer>,
    functions: Option<TestFunctions>,
}

/// How a function that stands in has ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// The call was hung up.
    Hangup,
    /// It sent the call elsewhere.
    Move,
}

/// The part of Asterisk that a function plays while it runs.
pub(super) struct AsteriskPart {
    channel: Mutex<Channel>,
    line: Arc<Line>,
    ended_by: Mutex<Option<EndedBy>>,
}

impl AsteriskPart {
    pub fn channel(&self) -> MutexGuard<'_, Channel> {
        lock(&self.channel)
    }

    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Notes that the function ends here, since the call was hung up.
    pub fn end_by_hangup(&self) {
        *lock(&self.ended_by) = Some(EndedBy::Hangup);
    }

    /// Notes that the function ends here, since it has sent the call elsewhere.
    pub fn end_by_move(&self) {
        *lock(&self.ended_by) = Some(EndedBy::Move);
    }
}

impl StandIn {
    pub fn new(what: String, answer: &Arc<StandInAnswer>, functions: Option<&TestFunctions>) -> Self {
        Self { what, answer: Arc::clone(answer), functions: functions.cloned() }
    }

    /// Stands in for an application, and returns its value.
    pub fn application(&self, channel: &mut Channel, arguments: &str) -> i32 {
        let value = match &*self.answer {
            StandInAnswer::Function(function) => match self.run(function, channel, &[arguments_of(arguments)]) {
                Ok(returned) => &self.meaning(&value(&returned), Part::Application),
                Err(EndedBy::Move) => return 0,
                Err(EndedBy::Hangup) => return -1,
            },
            fixed => fixed,
        };
        match value {
            StandInAnswer::Number(number) => *number,
            StandInAnswer::Variables(variables) => {
                for (name, item) in variables {
                    channel.set_variable(name, item);
                }
                0
            }
            _ => 0,
        }
    }

    /// Stands in for a subroutine, and returns the value that it returns.
    pub fn subroutine(&self, channel: &mut Channel, arguments: &str) -> Option<String> {
        self.text(channel, &[arguments_of(arguments)], Part::Subroutine)
    }

    /// Stands in for a function of the dialplan. If it is written, a function of the test gets the value, too.
    pub fn function(&self, channel: &mut Channel, arguments: &str, written: Option<&str>) -> Option<String> {
        let arguments = arguments_of(arguments);
        match written {
            None => self.text(channel, &[arguments], Part::Function),
            Some(written) => self.text(channel, &[arguments, Dynamic::from(written.to_owned())], Part::Function),
        }
    }

    fn text(&self, channel: &mut Channel, arguments: &[Dynamic], part: Part) -> Option<String> {
        let value = match &*self.answer {
            StandInAnswer::Function(function) => {
                &self.meaning(&value(&self.run(function, channel, arguments).ok()?), part)
            }
            fixed => fixed,
        };
        if let StandInAnswer::Text(text) = value { text.clone() } else { None }
    }

    /// Returns what it means that a function of the test has returned this value.
    fn meaning(&self, returned: &Value, part: Part) -> StandInAnswer {
        StandInAnswer::of_value(returned, part).unwrap_or_else(|wanted| {
            let message = format!("{} must return {wanted}, not {}", self.what, shown(returned));
            self.fail(FailedExpectation { message, ..FailedExpectation::default() });
            StandInAnswer::Text(None)
        })
    }

    /// Fails the test, unless something has failed it already.
    fn fail(&self, failed: FailedExpectation) {
        if let (Some(functions), StandInAnswer::Function(function)) = (&self.functions, &*self.answer) {
            functions.fail(failed, function);
        }
    }

    /// Runs a function of the test with as many of these arguments as it takes.
    fn run(&self, function: &FunctionOfTest, channel: &mut Channel, arguments: &[Dynamic]) -> Result<Dynamic, EndedBy> {
        // A storm, which has no test, has no functions of one either.
        let Some(functions) = &self.functions else { return Ok(Dynamic::UNIT) };
        // A function may leave out what it doesn't use, but not the value that is written.
        let all = arguments.to_vec();
        let what = &self.what;
        if arguments.len() == 1 {
            let lists = [all.clone(), [all, vec![Dynamic::UNIT]].concat(), vec![]];
            let takes = format!("{what} must take one parameter, the array of its arguments");
            functions.run(what, function, channel, &lists, takes)
        } else {
            let takes = format!(
                "the script writes to a function, but {what} can only be read; with a second parameter, as in `|args, \
                 value|`, it gets the written value, which is `()` when it is read"
            );
            functions.run(what, function, channel, &[all], takes)
        }
    }
}

impl TestFunctions {
    /// Fails the test because of one of its functions, unless something has failed it already.
    pub(super) fn fail(&self, mut failed: FailedExpectation, function: &FunctionOfTest) {
        if failed.at.1 == 0 {
            failed.at.clone_from(&function.place);
        }
        self.line.state().failed_in_stand_in.get_or_insert(failed);
    }

    /// Runs a function of the test with the first of these lists of arguments that has as many as it takes. If it
    /// fails, so does the test. `what` names the function, and `takes` says how many arguments it has.
    pub(super) fn run(
        &self,
        what: &str,
        function: &FunctionOfTest,
        channel: &mut Channel,
        lists: &[Vec<Dynamic>],
        takes: String,
    ) -> Result<Dynamic, EndedBy> {
        // The functions that it calls need the channel, too. So they have it until it is done.
        let placeholder = Channel::new(IncomingCall::default(), Box::new(Plan::silent()));
        let part = Arc::new(AsteriskPart {
            channel: Mutex::new(std::mem::replace(channel, placeholder)),
            line: Arc::clone(&self.line),
            ended_by: Mutex::new(None),
        });
        let called = self.call(what, function, &part, lists, takes);
        let placeholder = Channel::new(IncomingCall::default(), Box::new(Plan::silent()));
        *channel = std::mem::replace(&mut *part.channel(), placeholder);
        if let Some(ended_by) = *lock(&part.ended_by) {
            return Err(ended_by);
        }
        match called {
            Ok(returned) => Ok(returned),
            Err(failed) => {
                if let Some(failed) = failed {
                    self.fail(*failed, function);
                }
                Err(EndedBy::Hangup)
            }
        }
    }

    fn call(
        &self,
        what: &str,
        function: &FunctionOfTest,
        part: &Arc<AsteriskPart>,
        lists: &[Vec<Dynamic>],
        takes: String,
    ) -> Result<Dynamic, Option<Box<FailedExpectation>>> {
        let wrong =
            |message: String| Err(Some(Box::new(FailedExpectation { message, ..FailedExpectation::default() })));
        let host = &self.given.scripts.host;
        let session = match Session::begin(Box::new(StandInTransport(Arc::clone(&self.line)))) {
            Ok(session) => session,
            Err(error) => return wrong(format!("{what} cannot run: {error}")),
        };
        let state = CallState::new(session, Vec::new(), BTreeMap::new(), 0, host.limits().clone(), host.memory());
        state.extensions.insert(Arc::clone(part));
        let Ok(called) = self.given.call(function.index, &state, lists) else {
            return wrong(format!("{what} is gone"));
        };
        match called {
            Some(Ok(returned)) => Ok(returned),
            Some(Err(Finished::Fault(fault))) => {
                let message = format!("{what} has a fault: {}", fault.message);
                Err(Some(Box::new(FailedExpectation {
                    message,
                    at: at(&fault),
                    hint: fault.hint,
                    ..FailedExpectation::default()
                })))
            }
            Some(Err(_)) => Err(None),
            None => wrong(takes),
        }
    }
}

/// Returns the place of a fault.
fn at(fault: &Fault) -> (String, usize, usize) {
    (fault.script.clone(), fault.line, fault.column)
}

fn arguments_of(text: &str) -> Dynamic {
    split_all_arguments(text).into_iter().map(Dynamic::from).collect::<Array>().into()
}

/// The transport of the session of a function that stands in, which has no other end.
struct StandInTransport(Arc<Line>);

impl Transport for StandInTransport {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"agi_request: stand-in\n\n".to_vec())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: true }
    }

    fn now(&self) -> Time {
        self.0.state().now
    }

    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::Error::other("a stand-in sends no commands"))
    }

    fn receive(&mut self, _: Time) -> io::Result<Heard> {
        Ok(Heard::Silence)
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}
