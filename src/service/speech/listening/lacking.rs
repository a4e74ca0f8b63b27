//! Which machines have an Asterisk without AudioSocket.

use crate::clock::{Stopwatch, Time};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// For how long that is believed: somebody may load the module.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many machines are remembered.
const MAX_REMEMBERED: usize = 1024;

/// The machines whose Asterisk has said that it has no AudioSocket, and when. `None` is this one.
#[derive(Debug)]
pub(in crate::service) struct Lacking {
    clock: Stopwatch,
    said: HashMap<Option<IpAddr>, Time>,
}

impl Default for Lacking {
    fn default() -> Self {
        Self { clock: Stopwatch::start(), said: HashMap::new() }
    }
}

impl Lacking {
    /// Whether one has said so of late.
    pub fn knows(&self, asterisk: Option<IpAddr>) -> bool {
        self.said.get(&asterisk).is_some_and(|said| self.clock.now() - *said < REMEMBERED)
    }

    /// Notes that one says so.
    pub fn note(&mut self, asterisk: Option<IpAddr>) {
        let now = self.clock.now();
        if self.said.len() >= MAX_REMEMBERED {
            self.said.retain(|_, said| now - *said < REMEMBERED);
        }
        if self.said.len() < MAX_REMEMBERED {
            self.said.insert(asterisk, now);
        }
    }
}
