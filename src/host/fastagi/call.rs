//! One call, from its opening block to its end; and a call that is refused.

use super::shared::Shared;
use super::worker::ManagerCall;
use crate::clock::Time;
use crate::command::{GET_VARIABLE, Value};
use crate::host::connection::Connection;
use crate::host::live::{CallInfo, Live};
use crate::host::metrics::Refused;
use crate::host::{Host, Outcome, Status, coroutine};
use crate::script::{CallState, LibraryScript};
use crate::session::{BeginError, Session};
use crate::transport::async_agi::AsyncAgi;
use crate::transport::{Got, Stream, Transport, Wait, Wire};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tracing::info_span;

/// The channel variable that names the script of a call by AsyncAGI without arguments.
const SCRIPT: &str = "AGI_RHAI_SCRIPT";

/// How long a refusal may take altogether.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs one call.
pub(super) fn run(shared: &Shared, connection: Connection, by_manager: Option<Box<ManagerCall>>, live: &Arc<Live>) {
    let Some(session) = open(shared, connection, by_manager, live) else { return };
    let span = info_span!("call", id = live.id, channel = live.info().map(|info| &*info.channel));
    coroutine::within(span, || match begin(shared, session, live) {
        Some((found, call)) => {
            let outcome = shared.host.play(&call, &found.script);
            end(shared, &found, &outcome, live);
        }
        None => live.ended(Status::NotFound.word()),
    });
}

/// Reads the opening block.
#[inline(never)]
fn open(
    shared: &Shared,
    connection: Connection,
    by_manager: Option<Box<ManagerCall>>,
    live: &Live,
) -> Option<Box<Session>> {
    let is_async = by_manager.is_some();
    let transport: Box<dyn Transport> = match by_manager {
        Some(call) => Box::new(AsyncAgi::over(connection, call.channel.as_bytes(), call.tag)),
        None => Box::new(Stream::over(connection).with_failure_line()),
    };
    match Session::begin(transport) {
        Ok(mut session) => {
            let request = requested(&mut session);
            let get = |name: &str| session.environment().get(name).unwrap_or_default().into_owned();
            let known = |name: &str| Some(get(name)).filter(|value| value != "unknown").unwrap_or_default();
            live.set_info(CallInfo {
                request,
                channel: get("agi_channel"),
                uniqueid: get("agi_uniqueid"),
                caller: known("agi_callerid"),
                name: known("agi_calleridname"),
                extension: get("agi_extension"),
            });
            Some(session.into())
        }
        Err(malformed) => {
            shared.metrics.refused(Refused::Malformed);
            let now = shared.clock.now();
            shared.warnings.warn(now, "malformed", || match &malformed {
                // What a manager sends has been read as AGI before.
                BeginError::Io(why) if is_async => format!("no call from {}: {why}", live.peer),
                _ => format!("no call from {}: {malformed}", live.peer),
            });
            live.ended("no call");
            None
        }
    }
}

/// Returns the script that the dialplan wants, with its query. Over AsyncAGI, that is the first argument or a variable.
fn requested(session: &mut Session) -> String {
    let name = if session.environment().is_async() { "agi_arg_1" } else { "agi_network_script" };
    let given = session.environment().get(name).unwrap_or_default().into_owned();
    if !given.is_empty() || !session.environment().is_async() {
        return given;
    }
    match session.invoke(&GET_VARIABLE, &[Value::from(SCRIPT)]) {
        Ok(Value::Text(script)) => script,
        _ => String::new(),
    }
}

/// Finds the script. If there is none, reports that to Asterisk.
#[inline(never)]
fn begin(shared: &Shared, mut session: Box<Session>, live: &Arc<Live>) -> Option<(LibraryScript, Arc<CallState>)> {
    shared.metrics.started();
    session.observe(Arc::clone(live) as Arc<_>);
    let (name, params) = parse_request(live.info().map_or("", |info| &info.request));
    match shared.library.get(&name) {
        Ok(found) => {
            live.set_script(found.clone());
            let mut args = session.environment().arguments();
            if session.environment().is_async() && !args.is_empty() {
                // The script.
                args.remove(0);
            }
            let call = shared.host.begin(*session, &found.script, args, params);
            Some((found, call))
        }
        Err(error) => {
            let status = shared.host.refuse(*session, &error);
            // A script may be requested with or without `.rhai`, and is counted under its name in the folder. Other
            // names that are requested must not become names of series.
            let script = match status {
                Status::Failure => format!("{}.rhai", name.strip_suffix(".rhai").unwrap_or(&name)),
                _ => String::new(),
            };
            shared.metrics.ended(&script, status);
            None
        }
    }
}

#[inline(never)]
fn end(shared: &Shared, found: &LibraryScript, outcome: &Outcome, live: &Live) {
    shared.metrics.ended(&found.name, outcome.status);
    shared.metrics.missing_sounds(outcome.missing_sounds);
    if outcome.fault.is_some() {
        shared.metrics.fault(&found.name);
    }
    live.ended(outcome.status.word());
}

/// Splits the request of the dialplan, `agi://host/NAME?QUERY`, into the name and the parameters of the query.
fn parse_request(request: &str) -> (String, BTreeMap<String, String>) {
    let (name, query) = request.split_once('?').unwrap_or((request, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    // A plus stays a plus, as in a telephone number.
    let params = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    (decode(name), params.collect())
}

/// Reports to Asterisk, in limited time, that there is no room for a call.
pub(super) fn refuse(host: &Host, connection: Connection) {
    let deadline = connection.now() + REFUSAL_TIMEOUT;
    let stream = Stream::over(WithDeadline { connection, deadline }).with_opening_timeout(REFUSAL_TIMEOUT);
    if let Ok(session) = Session::begin(Box::new(stream)) {
        host.turn_away(session);
    }
}

/// A connection that fails at its deadline, whatever the peer sends or doesn't send.
struct WithDeadline {
    connection: Connection,
    deadline: Time,
}

impl Wire for WithDeadline {
    fn now(&self) -> Time {
        self.connection.now()
    }

    fn wall(&self) -> Time {
        self.connection.wall()
    }

    fn read(&mut self, bytes: &mut Vec<u8>, wait: Wait) -> io::Result<Got> {
        let wait = match wait {
            Wait::Opening(until) => Wait::Opening(until.min(self.deadline)),
            Wait::Reply(until) => Wait::Reply(until.min(self.deadline)),
            Wait::Pause(until) => Wait::Pause(until.min(self.deadline)),
            Wait::Wakeup(until) => Wait::Wakeup(until.min(self.deadline)),
        };
        let got = self.connection.read(bytes, wait)?;
        if self.now() >= self.deadline { Err(io::ErrorKind::TimedOut.into()) } else { Ok(got) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.write(bytes)
    }

    fn more_is_due(&mut self) {
        self.connection.more_is_due();
    }
}
