//! What stands in for the services that scripts ask in one test, and what was asked.

use super::database::Database;
use super::expectation::FailedExpectation;
use super::given::{Given, program, response, rows};
use super::samples::spoken;
use super::stand_in::TestFunctions;
use super::suggestion::suggestion;
use crate::clock::Time;
use crate::pbx::Channel;
use crate::service::settings::TIMEOUT;
use crate::service::store::MemoryStore;
use crate::service::{Kind, check};
use crate::sync::lock;
use crate::transport::{Answer, Failure, Request, SimulatedEngine, listen};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What stands in for services, and what was asked of them. A test and its calls share it.
#[derive(Debug, Default)]
pub(super) struct TestServices(Mutex<State>);

/// The state of these.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What answers in the place of web APIs, databases and programs, by the name of the service.
    pub http: BTreeMap<String, Arc<Given>>,
    pub sql: BTreeMap<String, Arc<Given>>,
    pub programs: BTreeMap<String, Arc<Given>>,
    pub databases: BTreeMap<String, Arc<Database>>,
    /// What is wrong with services, and how long they take.
    pub down: BTreeMap<String, Turns<Option<Outage>>>,
    pub slow: BTreeMap<String, Turns<Duration>>,
    pub store: MemoryStore,
    /// All requests, and what was answered.
    pub asked: Vec<(Request, Answer)>,
    /// The jobs that were not run yet.
    pub jobs: VecDeque<Request>,
    calls_out: usize,
}

/// The name of all engines that listen.
pub(crate) const LISTENING: &str = Kind::Listening.table();

/// What a test says of the requests to a service.
#[derive(Debug)]
pub(super) enum Turns<T> {
    /// The same of all of them.
    All(T),
    /// Something of each in turn, and nothing of further ones.
    Each(VecDeque<T>),
}

impl<T: Clone> Turns<T> {
    /// Returns what it says of the next request.
    fn next(&mut self) -> Option<T> {
        match self {
            Self::All(all) => Some(all.clone()),
            Self::Each(turns) => turns.pop_front(),
        }
    }
}

/// What a test has become of a request.
#[derive(Clone, Debug)]
pub(super) enum Outage {
    /// The service can't be reached.
    Unreachable,
    /// It fails like this.
    Fails(Failure),
}

/// Returns the name by which a test speaks of the service of a request: that of the operator, or of the table in
/// `agi-rhai.toml` if there is only one.
pub(crate) fn name(request: &Request) -> &str {
    match Kind::of(&request.function) {
        // A mail is written down first, as a job is. Whether it can be sent shows later.
        Ok(Kind::Mail) => Kind::Store.table(),
        Ok(kind) if request.service.is_empty() => kind.table(),
        _ => &request.service,
    }
}

impl State {
    /// Returns what was asked after so many requests.
    pub fn asked_since(&self, before: usize) -> Vec<(Request, Option<Answer>)> {
        self.asked.iter().skip(before).map(|(request, answer)| (request.clone(), Some(answer.clone()))).collect()
    }
}

impl TestServices {
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Answers a request after some time.
    pub fn answer(&self, request: &Request, channel: &mut Channel, functions: &TestFunctions) -> (Duration, Answer) {
        if request.function == "listen" {
            return (Duration::ZERO, self.listen(request, channel));
        }
        let deadline = request.timeout.unwrap_or(TIMEOUT);
        let before = channel.now();
        let (outage, slow) = if let Err(failure) = check(request) {
            (Some(Outage::Fails(failure)), Duration::ZERO)
        } else {
            let mut state = self.state();
            let name = name(request);
            let outage = state.down.get_mut(name).and_then(Turns::next).flatten();
            (outage, state.slow.get_mut(name).and_then(Turns::next).unwrap_or_default())
        };
        let (after, answer) = match outage {
            Some(Outage::Fails(failure)) => (Duration::ZERO, Err(failure)),
            Some(Outage::Unreachable) => (Duration::ZERO, Err(unreachable(request))),
            None if slow >= deadline => (deadline, Err(too_slow(deadline))),
            None => {
                let answer = self.answer_at_once(request, channel, functions);
                // A function of the test may have waited.
                if channel.now() - before >= deadline {
                    (Duration::ZERO, Err(too_slow(deadline)))
                } else {
                    (slow, answer)
                }
            }
        };
        self.state().asked.push((request.clone(), answer.clone()));
        (after, answer)
    }

    /// Listens to the caller of a test.
    fn listen(&self, request: &Request, channel: &mut Channel) -> Answer {
        let engine = {
            let mut state = self.state();
            let outage = state.down.get_mut(LISTENING).and_then(Turns::next).flatten();
            let slow = state.slow.get_mut(LISTENING).and_then(Turns::next).unwrap_or_default();
            let failure = outage.map(|outage| match outage {
                Outage::Fails(failure) => failure,
                Outage::Unreachable => unreachable(request),
            });
            engine(request, slow, failure)
        };
        let answer = listen(channel, request, engine);
        self.state().asked.push((request.clone(), answer.clone()));
        answer
    }

    fn answer_at_once(&self, request: &Request, channel: &mut Channel, functions: &TestFunctions) -> Answer {
        match Kind::of(&request.function)? {
            Kind::Http => {
                let given = self.state().http.get(&request.service).cloned();
                let Some(given) = given else { return unanswered(request, functions) };
                let asked = as_seen(request);
                let answer = given.answer(&[asked], "one parameter, the request", channel, functions, response);
                answer.unwrap_or_else(over)
            }
            Kind::Program => {
                let given = self.state().programs.get(&request.service).cloned();
                let Some(given) = given else { return unanswered(request, functions) };
                let arguments = [request.argument("arguments").clone(), request.argument("input").clone()];
                let takes = "one parameter, the arguments, or a second one, the input";
                given.answer(&arguments, takes, channel, functions, program).unwrap_or_else(over)
            }
            Kind::Sql => self.answer_sql(request, channel, functions),
            Kind::Store if request.function == "after_call" => {
                self.state().jobs.push_back(request.clone());
                Ok(Value::Null)
            }
            Kind::Store => self.ask_store(request, channel.now()),
            Kind::Mail => Ok(Value::Null),
            Kind::CallOut => {
                let mut state = self.state();
                state.calls_out += 1;
                Ok(format!("call-{}", state.calls_out).into())
            }
            Kind::Speech => Ok(spoken(request)),
            // Its channel answers.
            Kind::Listening => Err(Failure::unavailable("nobody listens here")),
        }
    }

    /// Answers by the function of the test, or, for what it returns `()`, by the database in memory.
    fn answer_sql(&self, request: &Request, channel: &mut Channel, functions: &TestFunctions) -> Answer {
        let (given, database) = {
            let state = self.state();
            (state.sql.get(&request.service).cloned(), state.databases.get(&request.service).cloned())
        };
        if let Some(given) = given {
            let several = request.argument("statements").as_array();
            let empty = Value::Object(Map::new());
            let one = [request.argument("text").clone(), request.argument("values").clone()];
            let statements: Vec<[Value; 2]> = match several {
                Some(several) => several.iter().map(|pair| [pair[0].clone(), pair[1].clone()]).collect(),
                None => vec![one],
            };
            let mut changed = None;
            let takes = "two parameters, the text and the values";
            for mut arguments in statements {
                if arguments[1].is_null() {
                    arguments[1] = empty.clone();
                }
                let meaning = |value: &Value| match value {
                    Value::Null => Ok(json!({ "passed on": true })),
                    value => rows(&request.function, value).map(|rows| json!([rows])),
                };
                let answer = given.answer(&arguments, takes, channel, functions, meaning);
                let answer = answer.unwrap_or_else(over)?;
                match (answer.get(0), several) {
                    (None, _) => {
                        changed = None;
                        break;
                    }
                    (Some(rows), None) => return Ok(rows.clone()),
                    (Some(rows), Some(_)) => {
                        changed = Some(changed.unwrap_or(0) + rows.as_i64().unwrap_or(0));
                    }
                }
            }
            if let Some(changed) = changed {
                return Ok(changed.into());
            }
        }
        match database {
            Some(database) => database.ask(request),
            None => unanswered(request, functions),
        }
    }

    /// Asks the store of the test, at this time.
    pub fn ask_store(&self, request: &Request, now: Time) -> Answer {
        check(request)?;
        self.state().store.answer(request, now)
    }
}

/// The failure of a request to a service that is down.
pub(crate) fn unreachable(request: &Request) -> Failure {
    Failure::unavailable(format!("`{}` can't be reached", name(request)))
}

/// Returns an engine that takes this long to understand a caller. No call waits longer than for the beginning of
/// speech.
pub(crate) fn engine(request: &Request, takes: Duration, failure: Option<Failure>) -> SimulatedEngine {
    let first = request.argument("first").as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let deadline = first.unwrap_or_default();
    match failure {
        Some(_) => SimulatedEngine { takes: Duration::ZERO, failure },
        None if takes >= deadline => SimulatedEngine { takes: deadline, failure: Some(too_slow(deadline)) },
        None => SimulatedEngine { takes, failure: None },
    }
}

/// The failure of a request to a service that takes longer than this.
pub(crate) fn too_slow(deadline: Duration) -> Failure {
    Failure::unavailable(format!("no answer came within {} s", deadline.as_secs_f64()))
}

/// Returns a request to a web API as a function of a test sees it.
pub(super) fn as_seen(request: &Request) -> Value {
    let map = |name| match request.argument(name) {
        Value::Null => Value::Object(Map::new()),
        map => map.clone(),
    };
    json!({
        "method": method(request),
        "path": request.argument("path"),
        "query": map("query"),
        "headers": map("headers"),
        "body": request.argument("body"),
    })
}

/// Returns the method of a request to a web API.
pub(super) fn method(request: &Request) -> String {
    request.function.trim_start_matches("http_").to_ascii_uppercase()
}

/// Fails the test, since nothing stands in for the service.
fn unanswered(request: &Request, functions: &TestFunctions) -> Answer {
    let (what, line) = suggestion(request);
    let asked = crate::script::short(request, crate::script::MAX_MESSAGE);
    let failed = FailedExpectation {
        message: format!("the script asks {what}, and nothing in this test answers: {asked}"),
        hint: Some(format!("add this line before the call, with what it answers: {line}")),
        ..FailedExpectation::default()
    };
    functions.line.state().failed_in_stand_in.get_or_insert(failed);
    over()
}

/// The answer to a call that ends before it hears the answer.
fn over() -> Answer {
    Err(Failure::unavailable("the call has ended"))
}
