//! Texts that an engine speaks.

use super::asking::answer;
use crate::command::{Refusal, RefusalKind};
use crate::script::Call;
use crate::script::rhai::EvalAltResult;
#[cfg(feature = "speech")]
use crate::service::Services;
use crate::session::Error;
use crate::transport::{Failure, FailureKind, Request};
use serde_json::Value;
use tracing::warn;

/// Has a text spoken, and returns the sound file that Asterisk can play. `function` is the script's, for errors.
///
/// If the engine can't be reached or can't say it, that is logged, and there is no file: as with a recording that is
/// missing, the call goes on.
///
/// # Errors
/// The call has ended; or there is no engine for this language, or the text is none, which a script can catch.
pub(crate) fn speak(
    call: &Call<'_>,
    function: &'static str,
    text: &str,
    voice: Option<&str>,
    language: &str,
) -> Result<Option<String>, Box<EvalAltResult>> {
    let answer = call.state.usage.uncounted(|| {
        let mut request = Request::new("speak", "").with("text", text).with("language", language);
        if let Some(voice) = voice {
            request = request.with("voice", voice);
        }
        answer(call, request)
    })?;
    let file = answer.and_then(|answer| {
        let file = answer.get("file").and_then(Value::as_str).map(str::to_owned);
        file.ok_or_else(|| Failure::failed("the answer names no `file`"))
    });
    match file {
        Ok(file) => Ok(Some(file)),
        Err(Failure { kind: FailureKind::Argument, message }) => {
            let message = format!("{function}: the text can't be spoken: {message}");
            let kind = RefusalKind::Argument;
            let refusal =
                Refusal { kind, command: function, parameter: Some("text"), code: None, result: None, message };
            Err(call.raise(Error::Refused(refusal)))
        }
        Err(failure) => {
            let context = call.context();
            let script = context.call_source().unwrap_or_default();
            let line = context.call_position().line().unwrap_or(0);
            let knows_a_secret = call.with_session(|session| session.knows_a_secret())?;
            let problem = if knows_a_secret { "its engine is unavailable" } else { failure.message.as_str() };
            warn!(script, line, "{function}: a text isn't spoken: {problem}; the call goes on without it");
            Ok(None)
        }
    }
}

/// Whether prompts of this call that have no recording are spoken.
pub(crate) fn speaks_prompts(call: &Call<'_>) -> bool {
    #[cfg(feature = "speech")]
    let speaks = call.extensions().get::<Services>().is_some_and(|services| services.speaks_prompts());
    #[cfg(not(feature = "speech"))]
    let (speaks, _) = (false, call);
    speaks
}

/// Returns the sound file to play for a prompt: the prompt itself if there is a recording, or else one that was spoken.
/// `is_missing` says that Asterisk has no recording.
///
/// # Errors
/// The call has ended.
pub(crate) fn prompt(
    call: &Call<'_>,
    name: &str,
    language: &str,
    is_missing: bool,
) -> Result<String, Box<EvalAltResult>> {
    let answer = call.state.usage.uncounted(|| {
        let request = Request::new("speak", "").with("prompt", name).with("language", language);
        answer(call, if is_missing { request.with("missing", true) } else { request })
    })?;
    let file = answer.ok().and_then(|answer| answer.get("file").and_then(Value::as_str).map(str::to_owned));
    Ok(file.unwrap_or_else(|| name.to_owned()))
}
