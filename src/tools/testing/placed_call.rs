//! A call as its options describe it, for whoever places it without a test.

use super::call_setup::CallSetup;
use crate::clock::Time;
use crate::pbx::{Caller, Channel, Database, IncomingCall, Sounds};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a call begins if its options don't say so: as in tests, a round number.
const DEFAULT_TIME: Time = Time::from_unix(1_700_000_000);

/// A call that is about to begin.
pub struct PlacedCall {
    /// Its channel.
    pub channel: Channel,
    /// The arguments of the script.
    pub args: Vec<String>,
    /// The parameters of the script.
    pub params: BTreeMap<String, String>,
    /// The seed of its random numbers.
    pub seed: u64,
}

impl PlacedCall {
    /// Places a call of a script with this name. `caller` makes the caller, at the moment when the call begins.
    ///
    /// # Errors
    /// An option has another value than it may have.
    pub fn new(
        setup: &CallSetup,
        script: &str,
        seed: u64,
        caller: impl FnOnce(Time) -> Box<dyn Caller>,
        sounds: Sounds,
        database: &Database,
    ) -> Result<Self, String> {
        let call = IncomingCall { request: script.to_owned(), ..IncomingCall::default() };
        let options = setup.read(call, seed)?;
        options.fill(database);
        let sounds = Arc::new(options.missing.iter().fold(sounds, |sounds, name| sounds.without(name)));
        let caller = caller(options.time.unwrap_or(DEFAULT_TIME));
        let channel = options.channel(caller, sounds, database.clone(), None);
        Ok(Self { channel, args: options.call.args, params: options.params, seed: options.seed })
    }
}
