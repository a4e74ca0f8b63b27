//! Runs a job of a test or of a storm: a function of a script, without a channel.

use super::stand_in::TestFunctions;
use super::test_services::TestServices;
use crate::clock::Time;
use crate::host::Host;
use crate::pbx::{Act, Caller, Channel, Hearing, IncomingCall};
use crate::script::from_json;
use crate::script::{CallState, Fault, Finished, Script};
use crate::session::{BeginError, Over, Session};
use crate::transport::{Answer, Ending, FailureKind, Heard, Peer, Request, Transport};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long a job may take, as in a real call.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How a job has ended.
pub(super) enum JobEnd {
    Done,
    /// A service was unavailable, and the job waits for another try.
    Unavailable,
    Fault(Box<Fault>),
    /// It ended otherwise, which this says.
    Failed(String),
}

/// What stands in for the services that a job asks.
pub(crate) trait JobServices: Send {
    /// Answers a request after some time. The channel is nobody's, and only has the time of the job.
    fn answer(&mut self, request: &Request, channel: &mut Channel) -> (Duration, Answer);

    /// Whether the job is to end at once.
    fn has_failed(&self) -> bool {
        false
    }
}

/// The services of a test.
struct OfTest {
    services: Arc<TestServices>,
    functions: TestFunctions,
}

impl JobServices for OfTest {
    fn answer(&mut self, request: &Request, channel: &mut Channel) -> (Duration, Answer) {
        let (after, answer) = self.services.answer(request, channel, &self.functions);
        self.functions.line.state().record_request(request, &answer);
        (after, answer)
    }

    fn has_failed(&self) -> bool {
        self.functions.line.state().failed_in_stand_in.is_some()
    }
}

/// Runs a job of a test at this time, and returns how it ended.
pub(super) fn run_job(
    job: &Request,
    script: &Script,
    services: &Arc<TestServices>,
    functions: &TestFunctions,
    seed: u64,
    now: Time,
) -> JobEnd {
    let asked_before = services.state().asked.len();
    let of_test = OfTest { services: Arc::clone(services), functions: functions.clone() };
    let ran = run_function(job, script, &functions.given.scripts.host, Box::new(of_test), seed, now);
    let (finished, at) = match ran {
        Ok(ran) => ran,
        Err(error) => return JobEnd::Failed(error.to_string()),
    };
    functions.line.state().advance(at);
    match finished {
        Finished::Completed | Finished::Over(Over::Ended) => JobEnd::Done,
        Finished::Over(Over::Stopped) => JobEnd::Failed(took_too_long()),
        Finished::Over(over) => JobEnd::Failed(over.to_string()),
        Finished::Fault(fault) => {
            let is_unavailable = is_of_unavailable(&fault, services.state().asked.iter().skip(asked_before));
            if is_unavailable { JobEnd::Unavailable } else { JobEnd::Fault(fault) }
        }
    }
}

/// Returns what is wrong with a job that doesn't end.
pub(crate) fn took_too_long() -> String {
    format!("it took longer than {} s", TIME_LIMIT.as_secs())
}

/// Whether a fault says that a service is unavailable.
pub(crate) fn is_of_unavailable<'a>(fault: &Fault, asked: impl IntoIterator<Item = &'a (Request, Answer)>) -> bool {
    asked.into_iter().any(|(_, answer)| {
        matches!(answer, Err(failure)
            if failure.kind == FailureKind::Unavailable && fault.message.contains(&failure.message))
    })
}

/// Runs the function of a job at this time. Returns how it ended, and when.
///
/// # Errors
/// It couldn't begin.
pub(crate) fn run_function(
    job: &Request,
    script: &Script,
    host: &Host,
    services: Box<dyn JobServices>,
    seed: u64,
    now: Time,
) -> Result<(Finished, Time), BeginError> {
    let channel = Channel::new(IncomingCall::default(), Box::new(Nobody(now)));
    let session = Session::begin(Box::new(JobTransport { channel, until: now + TIME_LIMIT, services }))?;
    let state = CallState::new(session, Vec::new(), BTreeMap::new(), seed, host.limits().clone(), host.memory());
    let value = from_json(job.argument("value"));
    let finished = state.run_job(script, host.language(), job.text("function"), value);
    let at = state.session().now();
    Ok((finished, at))
}

/// Nobody is on the line; only time passes.
struct Nobody(Time);

impl Caller for Nobody {
    fn now(&self) -> Time {
        self.0
    }

    fn wait(&mut self, until: Time, _: &Hearing<'_>) -> Option<Act> {
        self.0 = self.0.max(until);
        None
    }
}

/// The other end of a job, on a clock of its own.
struct JobTransport {
    /// Functions of the test may look at it.
    channel: Channel,
    until: Time,
    services: Box<dyn JobServices>,
}

impl Transport for JobTransport {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"agi_request: job\n\n".to_vec())
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: false }
    }

    fn has_channel(&self) -> bool {
        false
    }

    fn now(&self) -> Time {
        self.channel.now()
    }

    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if self.services.has_failed() {
            return Err(io::Error::other("the test has ended the job"));
        }
        if self.now() >= self.until {
            return Ok(Heard::Stop);
        }
        self.channel.idle(until.min(self.until));
        Ok(Heard::Silence)
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        Some(self.services.answer(request, &mut self.channel))
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}
