//! A file of SQLite which many processes use at once.

use super::{add, get, run, store};
use crate::support::machine::ChildProcess;
use crate::support::process::{Folder, Process, agi_rhai};
use serde_json::json;
use std::env;
use std::process::{Command, Stdio};

/// A process that adds once, as a one-shot call does.
#[test]
#[ignore = "the next test runs it"]
fn adder() {
    let Ok(settings) = env::var("STORE_OF_ADDER") else { return };
    let store = store(&settings).expect("a store");
    run(async { add(&store, "n", json!(1)).await.expect("it adds") });
}

#[test]
fn fifty_processes_at_a_time_add_to_one_number_and_lose_none() {
    let folder = Folder::new();
    let settings = format!("url = 'sqlite:{}'", folder.path("store.sqlite").display());
    // The first ones create the file and its tables, all at once.
    for round in 1..=3 {
        let start = |_| {
            let mut command = Command::new(env::current_exe().expect("this program"));
            command.args(["--exact", "store::processes::adder", "--ignored"]).stdout(Stdio::null());
            ChildProcess::start(command.env("STORE_OF_ADDER", &settings))
        };
        let mut adders: Vec<ChildProcess> = (0..50).map(start).collect();
        for adder in &mut adders {
            assert_eq!(adder.wait(), Some(0));
        }
        let store = store(&settings).expect("a store");
        assert_eq!(run(get(&store, "n")), json!(50 * round));
    }
}

#[test]
fn fifty_one_shot_calls_at_a_time_add_to_one_number_and_lose_none() {
    let folder = Folder::new();
    let script = folder.file("add.rhai", "set_variable(\"N\", store_add(\"n\", 1));");
    let state = folder.path("state");
    // In the state folder, which nobody has made yet.
    let calls = (0..50).map(|_| Process::call(agi_rhai(["--state"]).arg(&state).arg(&script)));
    let calls: Vec<Process> = calls.collect();
    let mut sums = Vec::new();
    for call in calls {
        let ended = call.end();
        ended.code(0);
        let sum = ended.lines.iter().find_map(|line| line.strip_prefix("SET VARIABLE \"N\" ")).expect("a sum");
        sums.push(sum.trim_matches('"').parse::<u32>().expect("a number"));
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=50).collect::<Vec<u32>>());
}

#[test]
fn two_stores_on_one_file_see_each_other() {
    let folder = Folder::new();
    let settings = format!("url = 'sqlite:{}'", folder.path("store.sqlite").display());
    let (a, b) = (store(&settings).expect("a store"), store(&settings).expect("a store"));
    run(async {
        for n in 1..=100 {
            let one = if n % 2 == 0 { &a } else { &b };
            assert_eq!(add(one, "n", json!(1)).await, Ok(json!(n)));
        }
        assert_eq!(get(&a, "n").await, json!(100));
    });
}
