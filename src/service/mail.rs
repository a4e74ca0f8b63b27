//! Placeholder of the client.

use super::settings::MailSettings;
use crate::transport::{Answer, Failure, Request};

/// A client.
#[derive(Debug)]
pub(super) struct MailClient;

impl MailClient {
    /// Creates a client with these settings. It connects at the first request.
    pub fn new(_settings: &MailSettings) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Answers a request.
    pub async fn answer(&self, _request: &Request) -> Answer {
        Err(Failure::argument("not there yet"))
    }
}
