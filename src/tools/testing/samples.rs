//! The answers that a script gets in its tests, as samples for calls without real services.

use super::given::{program, rows};
use super::test_store::TestStore;
use crate::clock::Time;
use crate::pbx::Sounds;
use crate::service::{Kind, check};
use crate::transport::{Answer, Failure, Request};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers of services: what was asked in the tests of a script, and what was answered.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<(Request, Value)>);

impl Samples {
    /// Takes what was answered. Failures are no samples.
    pub(super) fn add(&mut self, asked: impl IntoIterator<Item = (Request, Answer)>) {
        for (request, answer) in asked {
            let is_kept = matches!(Kind::of(&request.function), Ok(Kind::Http | Kind::Sql | Kind::Program));
            if let Ok(value) = answer
                && is_kept
                && !self.0.iter().any(|(known, _)| *known == request)
            {
                self.0.push((request, value));
            }
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the samples that fit best: of the same request, else of the same path or statement, else of the same
    /// function and service.
    fn find(&self, request: &Request) -> Vec<&Value> {
        let closeness = |sample: &Request| {
            let subject = |request: &Request| {
                let of = |name| request.argument(name).clone();
                [of("path"), of("text"), of("statements"), of("arguments")]
            };
            match () {
                () if (&sample.function, &sample.service) != (&request.function, &request.service) => 0,
                () if sample == request => 3,
                () if subject(sample) == subject(request) => 2,
                () => 1,
            }
        };
        let mut best = (1, Vec::new());
        for (sample, value) in &self.0 {
            let close = closeness(sample);
            if close > best.0 {
                best = (close, vec![value]);
            } else if close == best.0 && !best.1.contains(&value) {
                best.1.push(value);
            }
        }
        best.1
    }
}

/// What stands in for all services of a call without real ones: samples, and a store in memory.
#[derive(Clone, Debug, Default)]
pub struct OfflineServices {
    samples: Arc<Samples>,
    store: TestStore,
    calls_out: usize,
    /// Which of several samples is taken that fit equally well.
    turn: u64,
}

impl OfflineServices {
    /// Creates services that answer with these samples.
    #[must_use]
    pub fn new(samples: Arc<Samples>) -> Self {
        Self { samples, ..Self::default() }
    }

    /// Takes another one of several samples that fit equally well for each request, beginning with this one.
    pub(crate) fn taking_turns(self, first: u64) -> Self {
        Self { turn: first, ..self }
    }

    /// Answers a request at this time.
    ///
    /// # Errors
    /// It can't be asked, or there is no sample of such a request.
    pub fn answer(&mut self, request: &Request, now: Time) -> Answer {
        check(request)?;
        match Kind::of(&request.function)? {
            Kind::Http | Kind::Sql | Kind::Program => {
                let samples = self.samples.find(request);
                let count = u64::try_from(samples.len()).unwrap_or(1).max(1);
                let taken = usize::try_from(self.turn % count).ok().and_then(|at| samples.get(at));
                let none = "offline, and no test of this script gives a sample of such an answer";
                let taken = taken.copied().cloned().ok_or_else(|| Failure::unavailable(none));
                // Further samples come only where they are wanted.
                self.turn = self.turn.wrapping_add(u64::from(self.turn > 0));
                taken
            }
            Kind::Store if request.function == "after_call" => Ok(Value::Null),
            Kind::Store => self.store.answer(request, now),
            Kind::Mail => Ok(Value::Null),
            Kind::CallOut => {
                self.calls_out += 1;
                Ok(format!("call-{}", self.calls_out).into())
            }
            Kind::Speech => Ok(spoken(request)),
            // Its channel answers.
            Kind::Listening => Err(Failure::unavailable("nobody listens here")),
        }
    }

    /// Answers a request at this time, with something empty where there is no sample.
    pub(crate) fn answer_always(&mut self, request: &Request, now: Time) -> Answer {
        match self.answer(request, now) {
            Err(Failure { kind: crate::transport::FailureKind::Unavailable, .. }) => Ok(empty(request)),
            answer => answer,
        }
    }
}

/// Returns the answer of an engine for a simulated caller, who hears texts without one.
pub(crate) fn spoken(request: &Request) -> Value {
    json!({ "file": Sounds::spoken_for(request.text("prompt"), request.text("text")) })
}

/// Returns an empty answer.
pub(crate) fn empty(request: &Request) -> Value {
    match Kind::of(&request.function) {
        Ok(Kind::Http) => json!({ "status": 200, "ok": true, "headers": {}, "body": "" }),
        Ok(Kind::Sql) if request.function == "sql_run" => 0.into(),
        Ok(Kind::Sql) => rows(&request.function, &json!([])).unwrap_or_default(),
        Ok(Kind::Program) => program(&"".into()).unwrap_or_default(),
        Ok(Kind::Speech) => spoken(request),
        _ => Value::Null,
    }
}
