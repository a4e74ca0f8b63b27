//! The samples of services' answers that a script's tests give.

use agi_rhai::tools::testing::{Samples, TestRunner};
use agi_rhai::{Host, Script};
use std::path::Path;

/// The seed of the tests, which are run for their answers alone.
const SEED: u64 = 1;

/// Functions with answers that only a test can give begin like this.
const ASKS: [&str; 3] = ["http_", "sql_", "run_program"];

/// Returns what the tests beside a script answer in the place of services; none if it asks none, or has no tests that
/// can run.
pub fn of(host: &Host, scripts: Option<&Path>, path: &Path, script: &Script) -> Samples {
    let asks = script.sources().any(|(_, text)| ASKS.iter().any(|name| text.contains(name)));
    let runner = TestRunner::new(host.clone(), scripts.map(Path::to_owned));
    let suite = asks.then(|| runner.suite(&path.with_extension("test.rhai")).ok()).flatten();
    suite.map_or_else(Samples::default, |suite| runner.samples(&suite, SEED))
}
