//! What a test gives in the place of a service's answers: a value, or a function of the test; and what that means.

use super::args::shown;
use super::stand_in::{FunctionOfTest, TestFunctions};
use crate::pbx::Channel;
use crate::script::from_json;
use crate::script::value;
use crate::transport::{Answer, Failure};
use crate::world::to_json;
use rhai::{Dynamic, FnPtr, NativeCallContext};
use serde_json::{Map, Value, json};

/// The answers that a test gives in the place of a service.
#[derive(Debug)]
pub(super) struct Given {
    /// How messages name it: `the function in answer_http("weather")`.
    what: String,
    answers: Answers,
}

#[derive(Debug)]
enum Answers {
    Fixed(Value),
    Function(FunctionOfTest),
}

impl Given {
    /// Takes what a test gives. The error says what can't be an answer.
    pub fn read(word: &str, service: &str, given: &Dynamic, context: &NativeCallContext) -> Result<Self, String> {
        let what = format!("the function in {word}({})", crate::script::literal(service));
        let answers = match given.read_lock::<FnPtr>() {
            Some(function) => Answers::Function(FunctionOfTest::keep(context, function.clone())),
            None => Answers::Fixed(to_json(given)?),
        };
        Ok(Self { what, answers })
    }

    /// Whether it is a function.
    pub const fn is_function(&self) -> bool {
        matches!(self.answers, Answers::Function(_))
    }

    /// Checks the fixed value, if it is one. The error says what it must be.
    pub fn check(&self, meaning: impl FnOnce(&Value) -> Result<Value, &'static str>) -> Result<(), &'static str> {
        match &self.answers {
            Answers::Fixed(value) if failure(value).is_none() => meaning(value).map(drop),
            Answers::Fixed(_) | Answers::Function(_) => Ok(()),
        }
    }

    /// Answers with the meaning of the given value, or of the one that the function returns for these arguments, of
    /// which it may leave out the last ones; a [failure] is one for every service. Returns `None` if the call ends
    /// because of it: the test has failed, or the caller has hung up meanwhile.
    pub fn answer(
        &self,
        arguments: &[Value],
        parameters: &str,
        channel: &mut Channel,
        functions: &TestFunctions,
        meaning: impl FnOnce(&Value) -> Result<Value, &'static str>,
    ) -> Option<Answer> {
        let meaning = |value: &Value| failure(value).map_or_else(|| meaning(value).map(Ok), |failure| Ok(Err(failure)));
        let function = match &self.answers {
            Answers::Fixed(value) => return meaning(value).ok(),
            Answers::Function(function) => function,
        };
        let all: Vec<Dynamic> = arguments.iter().map(from_json).collect();
        let lists: Vec<Vec<Dynamic>> = (0..=all.len()).rev().map(|count| all[..count].to_vec()).collect();
        let takes = format!("{} must take {parameters}", self.what);
        let returned = functions.run(&self.what, function, channel, &lists, takes).ok()?;
        let answer = match to_json(&returned) {
            Ok(returned) => meaning(&returned).map_err(str::to_owned),
            Err(held) => Err(format!("something that a service can answer, and it holds {held}")),
        };
        match answer {
            Ok(answer) => Some(answer),
            Err(wanted) => {
                let message = format!("{} must return {wanted}, not {}", self.what, shown(&value(&returned)));
                functions.fail(super::expectation::FailedExpectation { message, ..Default::default() }, function);
                None
            }
        }
    }
}

/// Returns the failure that a test means by a map such as `#{ kind: "failed", message: "no such table" }`: what a
/// script catches.
pub(super) fn failure(given: &Value) -> Option<Failure> {
    let members = given.as_object().filter(|members| members.len() == 2)?;
    let message = members.get("message")?.as_str()?;
    let kind = members.get("kind")?.as_str()?;
    Some(match kind {
        "argument" => Failure::argument(message),
        "unavailable" => Failure::unavailable(message),
        "failed" => Failure::failed(message),
        _ => return None,
    })
}

/// Returns the response of a web API that a test means.
pub(super) fn response(given: &Value) -> Result<Value, &'static str> {
    const WANTED: &str = "a map such as `#{ status: 200, headers: #{}, body: #{} }`";
    let Value::Object(given) = given else { return Err(WANTED) };
    if given.keys().any(|name| !["status", "ok", "headers", "body"].contains(&name.as_str())) {
        return Err(WANTED);
    }
    let status = given.get("status").map_or(Some(200), Value::as_i64).filter(|status| (100..600).contains(status));
    let status = status.ok_or("a map whose `status` is a number from 100 to 599")?;
    let headers = match given.get("headers") {
        None => Map::new(),
        Some(Value::Object(headers)) => headers
            .iter()
            .map(|(name, value)| Some((name.to_ascii_lowercase(), Value::from(value.as_str()?))))
            .collect::<Option<_>>()
            .ok_or("a map whose `headers` are texts")?,
        Some(_) => return Err("a map whose `headers` are a map of texts"),
    };
    let body = given.get("body").cloned().unwrap_or_else(|| "".into());
    Ok(json!({ "status": status, "ok": (200..300).contains(&status), "headers": headers, "body": body }))
}

/// Returns what a function of SQL returns for the rows that a test means.
pub(super) fn rows(function: &str, given: &Value) -> Result<Value, &'static str> {
    const ROWS: &str = "an array of maps, one for each row";
    if function == "sql_run" {
        return given.as_i64().map(Value::from).ok_or("how many rows `sql_run` has changed, a whole number");
    }
    let rows = match given {
        Value::Array(rows) if rows.iter().all(Value::is_object) => rows.clone(),
        Value::Object(_) => vec![given.clone()],
        value if function == "sql_value" && !value.is_array() => return Ok(value.clone()),
        _ => return Err(ROWS),
    };
    match function {
        "sql_rows" => Ok(rows.into()),
        "sql_row" => Ok(rows.into_iter().next().unwrap_or_default()),
        _ => match rows.into_iter().next() {
            None => Ok(Value::Null),
            Some(Value::Object(row)) if row.len() == 1 => Ok(row.into_iter().next().unwrap_or_default().1),
            Some(_) => Err("rows of one column for `sql_value`, since a map has no first one; or the value itself"),
        },
    }
}

/// Returns the end of a program that a test means.
pub(super) fn program(given: &Value) -> Result<Value, &'static str> {
    const WANTED: &str =
        "a text, which is what the program writes, or a map such as `#{ status: 1, output: \"\", error: \"\" }`";
    let given = match given {
        Value::String(output) => return Ok(json!({ "status": 0, "output": output, "error": "" })),
        Value::Object(given) => given,
        _ => return Err(WANTED),
    };
    let text = |name| given.get(name).map_or(Some(""), Value::as_str).ok_or(WANTED);
    let status = given.get("status").map_or(Some(0), Value::as_i64).ok_or(WANTED)?;
    if given.keys().any(|name| !["status", "output", "error"].contains(&name.as_str())) {
        return Err(WANTED);
    }
    Ok(json!({ "status": status, "output": text("output")?, "error": text("error")? }))
}
