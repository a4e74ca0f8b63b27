//! What services answer: what the request gives, and a store in memory.

use crate::Refusal;
use agi_rhai::clock::Time;
use agi_rhai::tools::testing::{OfflineServices, Samples, given_answers, store_before};
use agi_rhai::transport::{Answer, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The answers of services, and what was in the store before the call.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Services {
    answers: Vec<Given>,
    store: Value,
}

/// The answer to a request; the next one if the request has several. Another request to the same service gets it, too, if
/// it has none of its own.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Given {
    request: Request,
    answer: Value,
}

impl Services {
    /// Returns the services that answer again as they did in a call, and the functions with answers that can't be given:
    /// another version may have recorded them.
    pub fn again(asked: &[(Request, Option<Answer>)]) -> (Self, BTreeSet<String>) {
        let (mut answers, mut lacking) = (Vec::new(), BTreeSet::new());
        for (request, answer) in given_answers(asked) {
            if Samples::default().give(request.clone(), &answer).is_ok() {
                answers.push(Given { request, answer });
            } else {
                lacking.insert(request.function);
            }
        }
        (Self { answers, store: store_before(asked) }, lacking)
    }

    /// Returns the answers as samples.
    pub fn samples(&self) -> Result<Samples, Refusal> {
        let mut samples = Samples::default();
        for Given { request, answer } in &self.answers {
            samples.give(request.clone(), answer)?;
        }
        Ok(samples)
    }

    /// Returns what stands in for the services of a call.
    pub fn offline(&self) -> Result<OfflineServices, Refusal> {
        let mut services = OfflineServices::new(Arc::new(self.samples()?));
        services.fill_store(&self.store, Time::default()).map_err(|failure| format!("the store: {failure}"))?;
        Ok(services)
    }
}
