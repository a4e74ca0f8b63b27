//! Placeholder of the client.

use super::settings::SqlSettings;
use crate::transport::{Answer, Failure, Request};

/// A client.
#[derive(Debug)]
pub(super) struct SqlClient;

impl SqlClient {
    /// Creates a client with these settings. It connects at the first request.
    pub fn new(_settings: &SqlSettings) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Answers a request.
    pub async fn answer(&self, _request: &Request) -> Answer {
        Err(Failure::argument("not there yet"))
    }
}
