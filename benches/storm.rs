//! Measures the calls per second of a storm: `cargo bench --bench storm`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, reason = "it prints what it measured")]
#![allow(clippy::pedantic, reason = "as in the tests")]

use agi_rhai::Host;
use agi_rhai::pbx::Sounds;
use agi_rhai::tools::storm::{Length, Storm};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;

const GOAL: f64 = 5000.0;
const CALLS: u64 = 10_000;

/// Returns the processor time of this thread in seconds: other programs on the machine don't count.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut rates = Vec::new();
    for name in ["guess", "memory", "subtraction"] {
        let prompts = std::fs::read_to_string(scripts.join(format!("{name}.prompts"))).unwrap();
        rates = (1..=5)
            .map(|seed| {
                let sounds = Sounds::stock().with_folder(scripts.join("sounds")).with_prompts(&prompts).unwrap();
                let host = Host::new();
                let script = host.load(&scripts.join(format!("{name}.rhai")), None).unwrap();
                let storm = Storm::new(&host, script, sounds);
                let start = processor_time();
                let report = storm.run(seed, Length::Calls(CALLS));
                assert_eq!(report.calls, CALLS);
                CALLS as f64 / (processor_time() - start)
            })
            .collect();
        rates.sort_by(f64::total_cmp);
        println!("A storm of {CALLS} calls on {name}.rhai, median of 5: {:.0} calls a second of one core", rates[2]);
    }
    let met = rates[2] >= GOAL;
    println!(
        "  calls a second on the subtraction game: {:.0} (goal: at least {GOAL:.0}) {}",
        rates[2],
        if met { "met" } else { "MISSED" }
    );
    if !met {
        std::process::exit(1);
    }
}
