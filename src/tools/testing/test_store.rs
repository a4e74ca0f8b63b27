//! A store in memory, which a test and the scripts it calls share.

use crate::clock::Time;
use crate::service::store::MemoryStore;
use crate::transport::{Answer, Request};

/// A store in memory. Its time is that of the call or test.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestStore(MemoryStore);

impl TestStore {
    /// Answers a request at this time.
    pub fn answer(&mut self, request: &Request, now: Time) -> Answer {
        self.0.answer(request, now)
    }
}
