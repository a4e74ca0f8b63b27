//! The request `listen` on a simulated channel, whose caller says what an engine understands.

use super::request::{Answer, Failure, Request};
use crate::pbx::{Channel, HeardBy, Listened, Listening, Part};
use serde_json::{Value, json};
use std::time::Duration;

/// How the engine of a simulated call does.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedEngine {
    /// How long it takes from the end of speech.
    pub takes: Duration,
    /// Why it understands nothing. That shows when the caller has spoken, or hasn't.
    pub failure: Option<Failure>,
}

/// Plays the prompt of a request on a channel, and listens to its caller.
pub(crate) fn listen(channel: &mut Channel, request: &Request, engine: SimulatedEngine) -> Answer {
    let listening = Listening {
        prompt: parts(request.argument("prompt")),
        barge_in: request.argument("barge_in").as_bool().unwrap_or(true),
        first: seconds(request, "first"),
        silence: seconds(request, "silence"),
        max: seconds(request, "max"),
        keys: request.text("keys").to_owned(),
        engine: engine.takes,
    };
    let Listened { by, length } = channel.listen(&listening);
    let answer = match (by, engine.failure) {
        (HeardBy::HungUp, _) => return Err(Failure::unavailable("the call has ended")),
        (HeardBy::Key(digit), _) => json!({ "ended_by": "key", "key": digit.to_string() }),
        (_, Some(failure)) => return Err(failure),
        (HeardBy::Nothing, None) => json!({ "ended_by": "none" }),
        (HeardBy::Speech(said), None) => {
            json!({ "ended_by": "speech", "text": said.heard, "confidence": share(said.confidence) })
        }
        (HeardBy::Max(said), None) => {
            json!({ "ended_by": "max", "text": said.heard, "confidence": share(said.confidence) })
        }
    };
    let mut answer = answer;
    answer["seconds"] = length.as_secs_f64().into();
    Ok(answer)
}

/// Returns a percentage as a number from 0 to 1.
fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

fn seconds(request: &Request, name: &str) -> Duration {
    let seconds = request.argument(name).as_f64().unwrap_or_default();
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Reads the parts of a prompt.
fn parts(prompt: &Value) -> Vec<Part> {
    prompt.as_array().into_iter().flatten().filter_map(part).collect()
}

fn part(part: &Value) -> Option<Part> {
    let text = |name: &str| part.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| part.get(name).and_then(Value::as_i64);
    None.or_else(|| text("file").map(Part::File))
        .or_else(|| {
            let number = i32::try_from(number("number")?).ok()?;
            Some(Part::Number { number, gender: text("gender") })
        })
        .or_else(|| text("digits").map(Part::Digits))
        .or_else(|| text("spell").map(Part::Spell))
        .or_else(|| text("phonetic").map(Part::Phonetic))
        .or_else(|| Some(Part::Date { epoch: number("date")?, format: text("format"), zone: text("zone") }))
}
