//! A store in memory, which a test and the scripts it calls share.

use crate::clock::Time;
#[cfg(feature = "store")]
use crate::service::store::MemoryStore;
use crate::transport::{Answer, Request};

/// A store in memory. Its time is that of the call or test.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestStore(#[cfg(feature = "store")] MemoryStore);

impl TestStore {
    /// Answers a request at this time.
    #[cfg(feature = "store")]
    pub fn answer(&mut self, request: &Request, now: Time) -> Answer {
        self.0.answer(request, now)
    }

    /// Answers a request at this time.
    #[cfg(not(feature = "store"))]
    #[expect(clippy::unused_self, reason = "the form of the one with a store")]
    pub fn answer(&mut self, _: &Request, _: Time) -> Answer {
        let message = "this program was built without the feature for `store` services";
        Err(crate::transport::Failure::argument(message))
    }
}
