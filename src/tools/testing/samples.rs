//! Answers for calls without real services: samples from the tests of a script, or given by whoever makes the call.

use super::given::{failure, program, response, rows};
use crate::clock::Time;
use crate::pbx::Sounds;
use crate::service::store::MemoryStore;
use crate::service::{Kind, check};
use crate::transport::{Answer, Failure, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers of services: what was asked, and what was answered.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<(Request, Answer)>);

impl Samples {
    /// Takes what was answered in tests. Failures are no samples.
    pub(super) fn add(&mut self, asked: impl IntoIterator<Item = (Request, Answer)>) {
        for (request, answer) in asked {
            if answer.is_ok() && is_sampled(&request) && !self.0.iter().any(|(known, _)| *known == request) {
                self.0.push((request, answer));
            }
        }
    }

    /// Takes what somebody gives as the answer of a request, as in `answer_http` and the like: a response, rows, what a
    /// program writes, or a failure. Several answers of one request come in turn, and the last one again and again. A
    /// request that needs no sample, such as one to the store, may fail, and null is its answer when it doesn't.
    ///
    /// # Errors
    /// It says what the answer must be.
    pub fn give(&mut self, request: Request, answer: &Value) -> Result<(), String> {
        let meant = match (failure(answer), Kind::of(&request.function)) {
            (Some(failure), _) => Ok(Err(failure)),
            (None, Ok(Kind::Http)) => response(answer).map(Ok),
            (None, Ok(Kind::Sql)) => rows(&request.function, answer).map(Ok),
            (None, Ok(Kind::Program)) => program(answer).map(Ok),
            (None, Ok(_)) if answer.is_null() => Ok(Ok(Value::Null)),
            (None, _) => return Err(format!("`{}` takes no answer from a sample", request.function)),
        };
        let meant = meant.map_err(|wanted| format!("the answer to `{}` must be {wanted}", request.function))?;
        self.0.push((request, meant));
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the answers of this very request.
    fn of(&self, request: &Request) -> Vec<&Answer> {
        self.0.iter().filter(|(known, _)| known == request).map(|(_, answer)| answer).collect()
    }

    /// Returns the samples that fit best: of the same path or statement, else of the same function and service.
    fn find(&self, request: &Request) -> Vec<&Answer> {
        let closeness = |sample: &Request| {
            let subject = |request: &Request| {
                let of = |name| request.argument(name).clone();
                [of("path"), of("text"), of("statements"), of("arguments")]
            };
            match () {
                () if (&sample.function, &sample.service) != (&request.function, &request.service) => 0,
                () if subject(sample) == subject(request) => 2,
                () => 1,
            }
        };
        let mut best = (1, Vec::new());
        for (sample, answer) in &self.0 {
            let close = closeness(sample);
            if close > best.0 {
                best = (close, vec![answer]);
            } else if close == best.0 && !best.1.contains(&answer) {
                best.1.push(answer);
            }
        }
        best.1
    }
}

/// What stands in for all services of a call without real ones: samples, and a store in memory.
#[derive(Clone, Debug, Default)]
pub struct OfflineServices {
    samples: Arc<Samples>,
    store: MemoryStore,
    calls_out: usize,
    /// Which of several samples is taken that fit equally well.
    turn: u64,
    /// How often each request was asked that has answers of its own, by its text.
    asked: BTreeMap<String, usize>,
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

    /// Puts values and boards into the store.
    ///
    /// # Errors
    /// They can't be stored.
    pub fn fill_store(&mut self, contents: &Value, now: Time) -> Result<(), Failure> {
        self.store.fill(contents, now)
    }

    /// Returns the values and boards in the store.
    #[must_use]
    pub fn stored(&self) -> Value {
        self.store.contents()
    }

    /// Whether a request needs a sample, and there is none.
    #[must_use]
    pub fn lacks(&self, request: &Request) -> bool {
        is_sampled(request) && check(request).is_ok() && self.samples.find(request).is_empty()
    }

    /// Answers a request at this time.
    ///
    /// # Errors
    /// It can't be asked, it fails, or there is no sample of such a request.
    pub fn answer(&mut self, request: &Request, now: Time) -> Answer {
        check(request)?;
        if let Some(own) = self.own_answer(request).filter(|own| own.is_err() || is_sampled(request)) {
            return own;
        }
        match Kind::of(&request.function)? {
            Kind::Http | Kind::Sql | Kind::Program => {
                let samples = self.samples.find(request);
                let count = u64::try_from(samples.len()).unwrap_or(1).max(1);
                let taken = usize::try_from(self.turn % count).ok().and_then(|at| samples.get(at));
                let none = "offline, and no test of this script gives a sample of such an answer";
                let taken = taken.copied().cloned().unwrap_or_else(|| Err(Failure::unavailable(none)));
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

    /// Returns the next answer of this very request, if it has any.
    fn own_answer(&mut self, request: &Request) -> Option<Answer> {
        let answers = self.samples.of(request);
        let last = answers.last()?;
        let asked = self.asked.entry(request.to_string()).or_default();
        let answer = (*answers.get(*asked).unwrap_or(last)).clone();
        *asked += 1;
        Some(answer)
    }

    /// Answers a request at this time, with something empty where there is no sample.
    pub(crate) fn answer_always(&mut self, request: &Request, now: Time) -> Answer {
        match self.answer(request, now) {
            Err(Failure { kind: crate::transport::FailureKind::Unavailable, .. }) => Ok(empty(request)),
            answer => answer,
        }
    }
}

/// Whether samples answer such a request.
fn is_sampled(request: &Request) -> bool {
    matches!(Kind::of(&request.function), Ok(Kind::Http | Kind::Sql | Kind::Program))
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
