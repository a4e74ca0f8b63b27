//! Placeholder of the client.

use super::settings::CallOutSettings;
use crate::transport::{Answer, Failure, Request};

/// Makes Asterisk call somebody.
#[derive(Debug)]
pub(super) struct CallOut;

impl CallOut {
    /// Creates a client with these settings.
    pub fn new(_settings: &CallOutSettings) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Answers a request.
    pub async fn answer(&self, _request: &Request) -> Answer {
        Err(Failure::argument("not there yet"))
    }
}
