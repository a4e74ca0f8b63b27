//! Placeholder of the client.

use super::settings::ProgramSettings;
use crate::transport::{Answer, Failure, Request};

/// A client.
#[derive(Debug)]
pub(super) struct ProgramClient;

impl ProgramClient {
    /// Creates a client with these settings. It connects at the first request.
    pub fn new(_settings: &ProgramSettings) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Answers a request.
    pub async fn answer(&self, _request: &Request) -> Answer {
        Err(Failure::argument("not there yet"))
    }
}
