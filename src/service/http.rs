//! Placeholder of the client.

use super::settings::HttpSettings;
use crate::transport::{Answer, Failure, Request};

/// A client.
#[derive(Debug)]
pub(super) struct HttpClient;

impl HttpClient {
    /// Creates a client with these settings. It connects at the first request.
    pub fn new(_settings: &HttpSettings) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Answers a request.
    pub async fn answer(&self, _request: &Request) -> Answer {
        Err(Failure::argument("not there yet"))
    }
}
