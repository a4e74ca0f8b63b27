//! Placeholder of the store.

mod jobs;

pub(crate) use jobs::{Job, NewJob};

use super::settings::StoreSettings;
use crate::transport::{Answer, Failure, Request};
use std::path::Path;

/// Values that outlive calls, boards, and jobs.
#[derive(Debug)]
pub(crate) struct Store;

impl Store {
    /// Creates a store with these settings, by default a file in the state folder. It connects at the first request.
    pub fn new(_settings: Option<&StoreSettings>, _state: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Answers `store_...` and `board_...`.
    pub async fn answer(&self, _request: &Request) -> Answer {
        Err(Failure::argument("not there yet"))
    }
}
