//! One function of a script that asks a service, at one place of a call.

use super::json::to_json;
use crate::command::{Function, Kind, Need, Param, Refusal, RefusalKind};
use crate::script::rhai::{Dynamic, EvalAltResult, Map};
use crate::script::{Call, MAX_SHOWN, from_json, nearest, shown};
use crate::service::{Pending, Services};
use crate::session::Error;
use crate::transport::{Answer, Failure, FailureKind, Request};
use serde_json::Value;
use std::time::Duration;
use tracing::warn;

type ScriptError = Box<EvalAltResult>;

/// The longest time that a script may wait for a service.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// A function that asks a service.
pub(super) struct Asking<'a> {
    function: &'static Function,
    pub call: Call<'a>,
}

impl<'a> Asking<'a> {
    pub fn new(function: &'static Function, call: Call<'a>) -> Self {
        Self { function, call }
    }

    /// Creates the error of a bad argument.
    pub fn bad_argument(&self, parameter: &'static str, problem: impl AsRef<str>) -> ScriptError {
        self.refusal(RefusalKind::Argument, Some(parameter), problem.as_ref())
    }

    fn refusal(&self, kind: RefusalKind, parameter: Option<&'static str>, problem: &str) -> ScriptError {
        let message = format!("{}: {problem}", self.function.name);
        let refusal = Refusal { kind, command: self.function.name, parameter, code: None, result: None, message };
        self.call.raise(Error::Refused(refusal))
    }

    /// Asks what the arguments say, after a change, and returns what the service answers.
    pub fn ask(
        &self,
        args: &[&mut Dynamic],
        change: impl FnOnce(&[&mut Dynamic], &mut Request) -> Result<(), ScriptError>,
    ) -> Result<Dynamic, ScriptError> {
        // What is asked and answered belongs to other threads too, so it isn't counted as memory of the call.
        let state = &self.call.state;
        let mut otherwise = None;
        let answer = state.usage.uncounted(|| {
            let request = self.request(args, &mut otherwise).and_then(|mut request| {
                change(args, &mut request)?;
                Ok(request)
            })?;
            answer(&self.call, request)
        })?;
        let result = self.result(&answer, otherwise);
        state.usage.uncounted(|| drop(answer));
        result
    }

    fn result(&self, answer: &Answer, otherwise: Option<Dynamic>) -> Result<Dynamic, ScriptError> {
        match answer {
            Ok(value) => {
                // An error of the server is no answer to somebody who has said what to do without one.
                let status = value.get("status").and_then(Value::as_i64).filter(|_| self.has_status());
                if let (Some(status @ 500..), Some(otherwise)) = (status, otherwise) {
                    self.warn(&format!("the answer has the status {status}"));
                    return Ok(otherwise);
                }
                let value = from_json(value);
                self.call.context().engine().ensure_data_size_within_limits(&value)?;
                Ok(value)
            }
            Err(failure) => {
                if let (FailureKind::Unavailable, Some(otherwise)) = (failure.kind, otherwise) {
                    self.warn(&failure.message);
                    return Ok(otherwise);
                }
                let kind = match failure.kind {
                    FailureKind::Unavailable => RefusalKind::Unavailable,
                    FailureKind::Argument => RefusalKind::Argument,
                    FailureKind::Failed => RefusalKind::Failed,
                };
                Err(self.refusal(kind, None, &failure.message))
            }
        }
    }

    /// Whether the answer is a response of HTTP.
    fn has_status(&self) -> bool {
        self.function.params.first().is_some_and(|param| param.kind == Kind::Service("http"))
    }

    /// Logs that a script goes on without an answer.
    fn warn(&self, problem: &str) {
        let context = self.call.context();
        let (script, line) = (context.call_source().unwrap_or_default(), context.call_position().line().unwrap_or(0));
        let knows_a_secret = self.call.with_session(|session| session.knows_a_secret()).unwrap_or(true);
        let problem = if knows_a_secret { "it is unavailable" } else { problem };
        warn!(script, line, "{}: {problem}; the script goes on with `otherwise`", self.function.name);
    }

    /// Makes the request that the arguments say.
    fn request(&self, args: &[&mut Dynamic], otherwise: &mut Option<Dynamic>) -> Result<Request, ScriptError> {
        let mut request = Request::new(self.function.name, "");
        for (param, given) in self.function.params.iter().zip(args) {
            match param.kind {
                Kind::Service(_) => request.service = self.text(param, given)?,
                Kind::Options(params) => self.options(param, params, given, &mut request, otherwise)?,
                // Added by the function itself.
                Kind::Function => {}
                _ => {
                    request.arguments.insert(param.name.to_owned(), self.argument(param, given)?);
                }
            }
        }
        Ok(request)
    }

    /// Reads a map of options.
    fn options(
        &self,
        param: &'static Param,
        params: &'static [Param],
        given: &Dynamic,
        request: &mut Request,
        otherwise: &mut Option<Dynamic>,
    ) -> Result<(), ScriptError> {
        let Some(map) = given.read_lock::<Map>() else {
            let problem = format!("`{}` must be a map, not {}", param.name, shown(given, MAX_SHOWN));
            return Err(self.bad_argument(param.name, problem));
        };
        if let Some(unknown) = map.keys().find(|name| params.iter().all(|param| param.name != name.as_str())) {
            let near = nearest(unknown, params.iter().map(|param| param.name));
            let hint = near.map_or_else(
                || format!("there are {}", params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(self.bad_argument(param.name, format!("there is no option `{unknown}`; {hint}")));
        }
        for option in params {
            let given = map.get(option.name);
            match (option.name, given) {
                ("otherwise", Some(value)) => *otherwise = Some(value.clone()),
                ("timeout", Some(value)) => request.timeout = Some(self.timeout(value)?),
                (name, Some(value)) if !value.is_unit() => {
                    request.arguments.insert(name.to_owned(), self.argument(option, value)?);
                }
                (name, _) if option.need == Need::Required => {
                    return Err(self.bad_argument(param.name, format!("`{name}` is missing")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn timeout(&self, given: &Dynamic) -> Result<Duration, ScriptError> {
        let seconds = self.argument(&Param::required("timeout", Kind::Seconds, ""), given)?;
        let length = seconds.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        length.filter(|length| !length.is_zero() && *length <= MAX_TIMEOUT).ok_or_else(|| {
            let most = MAX_TIMEOUT.as_secs();
            self.bad_argument("timeout", format!("`timeout` must be more than 0 and at most {most} seconds"))
        })
    }

    /// Reads an argument or an option.
    fn argument(&self, param: &Param, given: &Dynamic) -> Result<Value, ScriptError> {
        let wrong = |wanted: &str| {
            let problem = format!("`{}` must be {wanted}, not {}", param.name, shown(given, MAX_SHOWN));
            Err(self.bad_argument(param.name, problem))
        };
        match param.kind {
            // `sql_run` also takes several.
            Kind::Sql if given.is_array() => {}
            Kind::Text | Kind::Name | Kind::Sql => return self.text(param, given).map(Value::String),
            Kind::Map if !given.is_map() => return wrong("a map"),
            Kind::Array if !given.is_array() => return wrong("an array"),
            Kind::Seconds => match given.as_float().ok().or_else(|| given.as_int().ok().map(to_float)) {
                Some(seconds) if seconds >= 0.0 && seconds.is_finite() => return Ok(seconds.into()),
                _ => return wrong("a number of seconds"),
            },
            Kind::Integer(least, most) => match given.as_int() {
                Ok(number) if (least..=most).contains(&number) => {}
                _ => return wrong(&format!("a whole number from {least} to {most}")),
            },
            _ => {}
        }
        to_json(given)
            .map_err(|what| self.bad_argument(param.name, format!("`{}` can't be sent: it holds {what}", param.name)))
    }

    /// Reads a text. A number counts as one.
    fn text(&self, param: &Param, given: &Dynamic) -> Result<String, ScriptError> {
        let text = match given.as_immutable_string_ref() {
            Ok(text) => Some(text.to_string()),
            Err(_) => given.as_int().ok().map(|number| number.to_string()),
        };
        match text {
            Some(text) if !(text.is_empty() && matches!(param.kind, Kind::Name | Kind::Service(_))) => Ok(text),
            Some(_) => Err(self.bad_argument(param.name, format!("`{}` must not be empty", param.name))),
            None => {
                let problem = format!("`{}` must be a text, not {}", param.name, shown(given, MAX_SHOWN));
                Err(self.bad_argument(param.name, problem))
            }
        }
    }
}

/// Asks a service, and waits for its answer.
pub(super) fn answer(call: &Call<'_>, request: Request) -> Result<Answer, ScriptError> {
    let services = call.extensions().get::<Services>();
    let remote = call.with_session(|session| session.remote())?;
    let begin = |request: Request| match services {
        Some(services) => services.begin(request, remote),
        None => Pending::known(Err(Failure::argument("this program gives its scripts no services"))),
    };
    call.ask(request, begin)
}

#[expect(clippy::cast_precision_loss, reason = "nobody waits long enough for it to matter")]
fn to_float(seconds: i64) -> f64 {
    seconds as f64
}
