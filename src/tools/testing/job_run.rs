//! Runs a job of a test: a function of a script, without a channel.

use super::stand_in::TestFunctions;
use super::test_services::TestServices;
use crate::clock::Time;
use crate::pbx::{Act, Caller, Channel, Hearing, IncomingCall};
use crate::script::from_json;
use crate::script::{CallState, Fault, Finished, Script};
use crate::session::{Over, Session};
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

/// Runs a function of a script at this time, and returns how it ended.
pub(super) fn run_job(
    job: &Request,
    script: &Script,
    services: &Arc<TestServices>,
    functions: &TestFunctions,
    seed: u64,
    now: Time,
) -> JobEnd {
    let line = Arc::clone(&functions.line);
    let channel = Channel::new(IncomingCall::default(), Box::new(Nobody(now)));
    let transport =
        JobTransport { channel, until: now + TIME_LIMIT, services: Arc::clone(services), functions: functions.clone() };
    let session = match Session::begin(Box::new(transport)) {
        Ok(session) => session,
        Err(error) => return JobEnd::Failed(error.to_string()),
    };
    let host = &functions.scripts.host;
    let state = CallState::new(session, Vec::new(), BTreeMap::new(), seed, host.limits().clone(), host.memory());
    let function = job.text("function");
    let asked_before = services.state().asked.len();
    let finished = state.run_job(script, host.language(), function, from_json(job.argument("value")));
    let at = state.session().now();
    line.state().advance(at);
    match finished {
        Finished::Completed | Finished::Over(Over::Ended) => JobEnd::Done,
        Finished::Over(Over::Stopped) => JobEnd::Failed(format!("it took longer than {} s", TIME_LIMIT.as_secs())),
        Finished::Over(over) => JobEnd::Failed(over.to_string()),
        Finished::Fault(fault) => {
            let state = services.state();
            let mut asked = state.asked.iter().skip(asked_before);
            let is_unavailable = asked.any(|(_, answer)| {
                matches!(answer, Err(failure)
                    if failure.kind == FailureKind::Unavailable && fault.message.contains(&failure.message))
            });
            if is_unavailable { JobEnd::Unavailable } else { JobEnd::Fault(fault) }
        }
    }
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

/// The other end of a job, on the clock of the test.
struct JobTransport {
    /// Functions of the test may look at it.
    channel: Channel,
    until: Time,
    services: Arc<TestServices>,
    functions: TestFunctions,
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
        if self.functions.line.state().failed_in_stand_in.is_some() {
            return Err(io::Error::other("the test has ended the job"));
        }
        if self.now() >= self.until {
            return Ok(Heard::Stop);
        }
        self.channel.idle(until.min(self.until));
        Ok(Heard::Silence)
    }

    fn answer(&mut self, request: &Request) -> Option<(Duration, Answer)> {
        let (after, answer) = self.services.answer(request, &mut self.channel, &self.functions);
        self.functions.line.state().record_request(request, &answer);
        Some((after, answer))
    }

    fn leave(&mut self, _: Ending) -> io::Result<()> {
        Ok(())
    }
}
