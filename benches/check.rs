//! Measures `agi-rhai check` on a script of 300 lines, and what an editor requests at each key. The exit code is 1 if a
//! goal is missed. Run it with `cargo bench --bench check`.
#![expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
#![allow(clippy::print_stdout, missing_docs, reason = "a program for people")]

use agi_rhai::script::Language;
use agi_rhai::tools::check::Checker;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const GOAL: Duration = Duration::from_millis(10);
const LINES: usize = 300;

/// Returns a script of that many lines: questions, functions and closures as people write them.
fn script() -> String {
    let mut text = String::from("answer();\nstate.score = 0;\n");
    let mut part = 0;
    while text.lines().count() + 12 <= LINES {
        let _ = write!(
            text,
            "fn part_{part}(tries) {{\n    let right = random(1, 20);\n    for n in 0..tries {{\n        \
             let given = to_number(get_data(\"vm-enter-num-to-call\", 5000, 2));\n        \
             if given == right {{\n            state.score += 1;\n            stream_file(\"auth-thankyou\", \"#\");\n            \
             return `right ${{n}}`;\n        }}\n    }}\n    \"wrong\"\n}}\nverbose(part_{part}(3));\n"
        );
        part += 1;
    }
    while text.lines().count() < LINES {
        text.push_str("say_number(state.score);\n");
    }
    text
}

/// Returns the median of many runs.
fn median_time(mut one: impl FnMut()) -> Duration {
    let mut tries: Vec<Duration> = (0..101)
        .map(|_| {
            let began = Instant::now();
            one();
            began.elapsed()
        })
        .collect();
    tries.sort();
    tries[tries.len() / 2]
}

fn main() -> ExitCode {
    let script = script();
    let path = Path::new("bench.rhai");
    let language = Language::new();
    let checker = Checker::new(&language);
    let found = checker.check(path, &script);
    if !found.is_empty() {
        println!("the measured script has findings: {}", found[0]);
        return ExitCode::FAILURE;
    }
    let cold = median_time(|| drop(Checker::new(&Language::new()).check(path, &script)));
    let warm = median_time(|| drop(checker.check(path, &script)));
    let lines = script.lines().count();
    let row = |what: &str, took: Duration| {
        let ok = if took <= GOAL { "ok" } else { "MISSED" };
        println!("{what:<52}{:>8.2} ms   goal {:>4.1} ms   {ok}", took.as_secs_f64() * 1e3, GOAL.as_secs_f64() * 1e3);
        took <= GOAL
    };
    let cold = row(&format!("check of {lines} lines, from nothing"), cold);
    let warm = row(&format!("check of {lines} lines, as at each key in an editor"), warm);
    if cold && warm { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
