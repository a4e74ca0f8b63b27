//! Words about services: what stands in for them, what was asked of them, and the store.

use super::expecting::same;
use crate::command::Value;
use crate::script::from_json;
use crate::script::{MAX_SHOWN, literal, quoted, short, value};
use crate::service::check;
use crate::tools::testing::args::{Args, WordError, WordResult, shown, unmet};
use crate::tools::testing::database::Database;
use crate::tools::testing::expectation::FailedExpectation;
use crate::tools::testing::given::{Given, failure, program, response};
use crate::tools::testing::job_run::{JobEnd, run_job};
use crate::tools::testing::log::Log;
use crate::tools::testing::stand_in::TestFunctions;
use crate::tools::testing::test::Test;
use crate::tools::testing::test_services::{Outage, Turns, method};
use crate::transport::{Failure, Request};
use crate::world::to_json;
use rhai::Dynamic;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

/// The most jobs that run at once.
const MAX_JOBS: i64 = 1000;

/// The most requests that a failure lists.
const MAX_LISTED: usize = 8;

impl Args<'_, '_> {
    /// Returns an argument as it is sent to services.
    fn json(&self, at: usize) -> Result<Json, WordError> {
        let Some(given) = self.values.get(at) else { return Ok(Json::Null) };
        to_json(given).map_err(|held| {
            let name = self.function.params.get(at).map_or("", |param| param.name);
            WordError::Misuse(format!("{}: `{name}` can't be sent: it holds {held}", self.function.name))
        })
    }

    /// Reads what a test gives in the place of a service's answers.
    fn given(&self, at: usize, service: &str) -> Result<Given, WordError> {
        let name = self.function.name;
        Given::read(name, service, self.values[at], self.context).map_err(|held| {
            WordError::Misuse(format!("{name}: an answer can't hold {held}: give the function itself in its place"))
        })
    }

    fn failed(&self, failure: &Failure) -> WordError {
        WordError::Misuse(format!("{}: {failure}", self.function.name))
    }
}

pub fn answer_http(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let service = args.word(0)?;
    let given = args.given(1, &service)?;
    if let Err(wanted) = given.check(response) {
        return Err(args.misuse(1, &format!("a function, or {wanted}")));
    }
    test.services.state().http.insert(service, Arc::new(given));
    Ok(Dynamic::UNIT)
}

pub fn answer_program(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let service = args.word(0)?;
    let given = args.given(1, &service)?;
    if let Err(wanted) = given.check(program) {
        return Err(args.misuse(1, &format!("a function, or {wanted}")));
    }
    test.services.state().programs.insert(service, Arc::new(given));
    Ok(Dynamic::UNIT)
}

pub fn answer_sql(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let service = args.word(0)?;
    let given = args.given(1, &service)?;
    if !given.is_function() {
        return Err(args.misuse(1, "a function such as `|text, values| []`"));
    }
    test.services.state().sql.insert(service, Arc::new(given));
    Ok(Dynamic::UNIT)
}

/// What `set_up_sql` says where SQL isn't built in, as in a browser.
pub const NO_SQL: &str = "set_up_sql: there is no SQL here; `answer_sql` answers the script instead";

pub fn set_up_sql(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    if cfg!(not(feature = "sql")) {
        return Err(WordError::Misuse(NO_SQL.to_owned()));
    }
    let (service, statements) = (args.word(0)?, args.text(1)?);
    let known = test.services.state().databases.get(&service).cloned();
    let database = known.unwrap_or_else(|| Arc::new(Database::new(&service)));
    database.run(&statements).map_err(|failure| args.failed(&failure))?;
    test.services.state().databases.insert(service, database);
    Ok(Dynamic::UNIT)
}

pub fn service_is_down(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let service = args.word(0)?;
    let outage = |given: &Json| match given {
        Json::Bool(false) => Some(None),
        Json::Bool(true) => Some(Some(Outage::Unreachable)),
        given => failure(given).map(|failure| Some(Outage::Fails(failure))),
    };
    let turns = match args.json(1)? {
        Json::Null => Some(Turns::All(Some(Outage::Unreachable))),
        Json::Array(turns) => turns.iter().map(outage).collect::<Option<_>>().map(Turns::Each),
        given => outage(&given).map(Turns::All),
    };
    let wanted = "true, false, a failure such as `#{ kind: \"unavailable\", message: \"\" }`, or an array of these";
    let turns = turns.ok_or_else(|| args.misuse(1, wanted))?;
    test.services.state().down.insert(service, turns);
    Ok(Dynamic::UNIT)
}

pub fn service_is_slow(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let service = args.word(0)?;
    let turns = match args.value(1) {
        Value::List(turns) => {
            let length = |seconds: &Value| args.duration_of(1, seconds);
            Turns::Each(turns.iter().map(length).collect::<Result<_, _>>()?)
        }
        seconds => Turns::All(args.duration_of(1, &seconds)?),
    };
    test.services.state().slow.insert(service, turns);
    Ok(Dynamic::UNIT)
}

/// Returns what was asked instead, to add to a message.
fn instead(similar: &[String]) -> String {
    match similar.len() {
        0 => "nothing of the kind was asked".to_owned(),
        count if count > MAX_LISTED => format!("the last ones were {}", similar[count - MAX_LISTED..].join("; ")),
        _ => format!("there was {}", similar.join("; ")),
    }
}

/// Fails the test unless one of its requests is right. `similar` tells those that a failure lists.
fn expect_request(
    test: &Test,
    wanted: &str,
    similar: impl Fn(&Request) -> bool,
    is_right: impl Fn(&Request) -> bool,
) -> WordResult {
    let state = test.services.state();
    let requests = || state.asked.iter().map(|(request, _)| request);
    if requests().any(|request| similar(request) && is_right(request)) {
        return Ok(Dynamic::UNIT);
    }
    let similar: Vec<String> =
        requests().filter(|request| similar(request)).map(|request| short(request, MAX_SHOWN)).collect();
    let found = instead(&similar);
    Err(unmet(format!("expected {wanted}, but {found}"), None))
}

/// Whether a value is the expected one, or holds it: a text its parts, a map its members.
fn holds(actual: &Json, expected: &Json) -> bool {
    match (actual, expected) {
        (Json::String(actual), Json::String(expected)) => actual.contains(expected.as_str()),
        (Json::Object(actual), Json::Object(expected)) => expected.iter().all(|(name, expected)| {
            actual.get(name).is_some_and(|actual| equal(actual, expected) || is_held(actual, expected))
        }),
        (Json::Object(_) | Json::Array(_), Json::String(expected)) => actual.to_string().contains(expected.as_str()),
        _ => equal(actual, expected),
    }
}

/// Whether a map within a map holds the expected members.
fn is_held(actual: &Json, expected: &Json) -> bool {
    actual.is_object() && expected.is_object() && holds(actual, expected)
}

/// Whether two values are equal for tests, as 2 and 2.0 are.
fn equal(actual: &Json, expected: &Json) -> bool {
    same(&value(&from_json(actual)), &value(&from_json(expected)))
}

pub fn expect_http(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let (service, wanted, path) = (args.word(0)?, args.word(1)?, args.word(2)?);
    let body = if args.has(3) { Some(args.json(3)?) } else { None };
    if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&wanted.as_str()) {
        return Err(args.misuse(1, r#""GET", "POST", "PUT", "PATCH" or "DELETE""#));
    }
    let below = |path: &str| path.strip_prefix('/').unwrap_or(path).to_owned();
    let with = body.as_ref().map_or_else(String::new, |_| format!(" with {}", shown(&args.value(3))));
    expect_request(
        test,
        &format!("{wanted} {path} of {}{with}", literal(&service)),
        |request| request.function.starts_with("http_") && request.service == service,
        |request| {
            method(request) == wanted
                && below(request.text("path")) == below(&path)
                && body.as_ref().is_none_or(|body| holds(request.argument("body"), body))
        },
    )
}

pub fn expect_sql_value(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let (service, query) = (args.word(0)?, args.text(1)?);
    let last = args.values.len() - 1;
    let database = test.services.state().databases.get(&service).cloned();
    let Some(database) = database else {
        let name = literal(&service);
        let problem = format!("there is no database {name} in this test; `set_up_sql({name}, text)` makes one");
        return Err(WordError::Misuse(format!("expect_sql_value: {problem}")));
    };
    let mut request = Request::new("sql_value", &service).with("text", query.as_str());
    if last == 3 {
        let values = args.json(2)?;
        if !values.is_object() {
            return Err(args.misuse(2, "a map of values, by name"));
        }
        request = request.with("values", values);
    }
    let actual = value(&from_json(&database.ask(&request).map_err(|failure| args.failed(&failure))?));
    let expected = args.value(last);
    if same(&actual, &expected) {
        return Ok(Dynamic::UNIT);
    }
    let asked = quoted(&query, MAX_SHOWN);
    Err(unmet(format!("expected {} from {asked}, but it is {}", shown(&expected), shown(&actual)), None))
}

pub fn expect_mail(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let (to, part) = (args.word(0)?, args.text(1)?);
    let is_sent_to = |request: &Request| {
        request.argument("to").as_array().is_some_and(|all| all.iter().any(|address| address.as_str() == Some(&to)))
    };
    expect_request(
        test,
        &format!("a mail to {} with {}", literal(&to), quoted(&part, MAX_SHOWN)),
        |request| request.function == "mail",
        |request| {
            let texts = [request.text("subject"), request.text("text")];
            is_sent_to(request) && texts.iter().any(|text| text.contains(&part))
        },
    )
}

pub fn expect_job(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let function = args.word(0)?;
    let expected = if args.has(1) { Some(args.json(1)?) } else { None };
    let with = expected.as_ref().map_or_else(String::new, |_| format!(" with {}", shown(&args.value(1))));
    expect_request(
        test,
        &format!("`{function}` to run after the call{with}"),
        |request| request.function == "after_call",
        |request| {
            request.text("function") == function
                && expected.as_ref().is_none_or(|expected| equal(request.argument("value"), expected))
        },
    )
}

pub fn run_jobs(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let mut done = 0;
    let mut waiting = Vec::new();
    loop {
        let job = test.services.state().jobs.pop_front();
        let Some(job) = job else { break };
        if done == MAX_JOBS {
            return Err(unmet(
                format!("{MAX_JOBS} jobs ran, and there are still more: each seems to leave another"),
                None,
            ));
        }
        let line = Arc::clone(&test.state().call("run_jobs")?.line);
        let prepared = test.scripts.prepare(Path::new(job.text("script"))).map_err(|error| {
            WordError::Misuse(format!("{}: the script of a job can't be loaded: {error:#}", args.function.name))
        })?;
        let functions = TestFunctions { given: Arc::clone(&test.functions), line: Arc::clone(&line) };
        let logged = Arc::clone(&line);
        let log = Log(Box::new(move |text| logged.state().record_log(text)));
        let run = || run_job(&job, &prepared.script, &test.services, &functions, test.seed, test.now());
        let end = tracing::subscriber::with_default(log, run);
        let name = format!("the job `{}`", job.text("function"));
        match end {
            JobEnd::Done => done += 1,
            JobEnd::Unavailable => waiting.push(job),
            JobEnd::Failed(why) => return Err(unmet(format!("{name} failed: {why}"), None)),
            JobEnd::Fault(fault) => {
                let message = format!("{name} has a fault: {}", fault.message);
                let failed = FailedExpectation { message, fault: Some(fault), ..FailedExpectation::default() };
                return Err(WordError::Unmet(Box::new(failed)));
            }
        }
    }
    // They are tried again when the test runs jobs again.
    test.services.state().jobs.extend(waiting);
    Ok(done.into())
}

pub fn expect_call_out(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let target = args.word(0)?;
    let options = if args.has(1) { Some(args.json(1)?) } else { None };
    let with = options.as_ref().map_or_else(String::new, |_| format!(" with {}", shown(&args.value(1))));
    expect_request(
        test,
        &format!("a call to {}{with}", literal(&target)),
        |request| request.function == "call_out",
        |request| {
            let given = Json::Object(request.arguments.clone());
            request.text("target") == target && options.as_ref().is_none_or(|options| holds(&given, options))
        },
    )
}

/// Asks the store of the test.
pub fn ask_store(test: &Arc<Test>, args: &mut Args<'_, '_>) -> WordResult {
    let mut request = Request::new(args.function.name, "");
    for (at, param) in args.function.params.iter().enumerate() {
        if !args.has(at) {
            continue;
        }
        match (param.name, args.json(at)?) {
            ("options", Json::Object(options)) if options.keys().all(|name| name == "expires") => {
                request.arguments.extend(options);
            }
            ("options", _) => return Err(args.misuse(at, "a map such as `#{ expires: 60 }`")),
            ("key" | "prefix" | "board" | "name", Json::Number(number)) => {
                request = request.with(param.name, number.to_string());
            }
            (name, given) => request = request.with(name, given),
        }
    }
    let now = test.now();
    check(&request).map_err(|failure| args.failed(&failure))?;
    let answer = test.services.ask_store(&request, now).map_err(|failure| args.failed(&failure))?;
    Ok(from_json(&answer))
}
