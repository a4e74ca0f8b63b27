//! The last call of a test, for whoever makes it again elsewhere.

use crate::command::Value;
use crate::pbx::Act;
use crate::transport::{Answer, Request};
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

/// A call that a test has placed, with all that its caller did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastCall {
    /// The script that was called.
    pub script: PathBuf,
    /// The options of the call, with what AstDB held and what time it was.
    pub options: Vec<(Cow<'static, str>, Value)>,
    /// The seed of its random numbers.
    pub seed: u64,
    /// What its caller did, by the time since its beginning.
    pub acts: Vec<(Duration, Act)>,
    /// How long it took, as far as the test let it.
    pub length: Duration,
    /// What it asked of services, and what was answered.
    pub asked: Vec<(Request, Option<Answer>)>,
    /// Whether services were slow.
    pub is_slow: bool,
}
