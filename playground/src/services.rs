//! What services answer: what the request gives, and a store in memory.

use crate::Refusal;
use agi_rhai::clock::Time;
use agi_rhai::tools::testing::{OfflineServices, Samples};
use agi_rhai::transport::Request;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// The answers of services, and what was in the store before the call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Services {
    answers: Vec<Given>,
    store: Value,
}

/// The answer to a request. One that asks for something else of the same service gets it, too, if it has none of its own.
#[derive(Debug, Deserialize)]
struct Given {
    request: Request,
    answer: Value,
}

impl Services {
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
