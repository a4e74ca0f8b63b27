//! Tests of scripts that are run again wherever they wait, as in WebAssembly: what comes out is what comes out of those
//! that leave their stack.

use crate::support::process::Folder;
use agi_rhai::Host;
use agi_rhai::tools::testing::TestRunner;
use std::fs;
use std::path::Path;

/// Returns what comes of all tests of a file, as text.
fn outcome(runner: &TestRunner, path: &Path, text: &str) -> Vec<String> {
    let suite = runner.suite_of(path, text).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
    let run = |test: &String| {
        let report = runner.run(&suite, test, suite.seed(7, test));
        let failure = report.failure.as_ref().map_or_else(|| "ok".to_owned(), |failure| failure.render(false));
        format!("{test}: {} calls, {:?}, {failure}\n{:?}", report.calls, report.length, report.last_call)
    };
    suite.tests().iter().map(run).collect()
}

fn is_same(folder: &str, file: &str, text: &str) -> Vec<String> {
    let runner = || {
        let mut host = Host::new();
        host.allow(["*".to_owned()]);
        TestRunner::new(host, None)
    };
    let path = Path::new(folder).join(file);
    let (left, repeated) = (runner(), runner().repeating());
    let expected = outcome(&left, &path, text);
    for (expected, found) in expected.iter().zip(outcome(&repeated, &path, text)) {
        assert_eq!(*expected, found);
    }
    assert_eq!(left.coverage(), repeated.coverage());
    expected
}

#[test]
fn tests_of_the_games_run_the_same_if_they_are_repeated() {
    for entry in fs::read_dir("scripts").unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        // Those with functions that stand in for something, chance, services, speech and several calls.
        let some = ["booking", "dentist", "guess", "memory", "screening", "weather"];
        if !some.iter().any(|name| file == format!("{name}.test.rhai")) {
            continue;
        }
        let text = fs::read_to_string(format!("scripts/{file}")).unwrap();
        // Hundreds of calls in one test take long if they are repeated.
        let text = text.replace("0..400", "0..3").replace("0..300", "0..3").replace("0..30", "0..3");
        assert!(is_same("scripts", &file, &text).len() > 1, "{file}");
    }
}

const SCRIPT: &str = r#"
answer();
print("begins");
let status = exec("Queue", "help");
set_variable("STATUS", get_variable("QUEUESTATUS") ?? "");
say(get_variable("QUEUESTATUS") ?? "none");
let key = read_digit("ask", 4);
say("number " + key);
fn read_digit(prompt, seconds) { get_data(prompt, seconds * 1000, 1) }
"#;

/// Each of these fails or passes in a way of its own; their names say which.
const TESTS: &str = r#"
fn count(asked) { #{ applications: #{ Queue: |args| { asked += 1; wait(5); set_variable("QUEUESTATUS", `${asked}`); } } } }

fn test_ok_captured_variables_are_those_of_the_test() {
    let asked = 0;
    let done = [];
    let queue = |args| { asked += 1; wait(5); done.push(asked); set_variable("QUEUESTATUS", `turn ${asked}`); };
    place_call("it", #{ applications: #{ Queue: queue } });
    expect_equal(asked, 1);
    expect_equal(done, []);
    wait(2);
    expect_equal(done, []);
    wait(4);
    expect_equal(done, [1]);
    expect_variable("QUEUESTATUS", "turn 1");
    place_call("it", #{ applications: #{ Queue: queue } });
    wait(6);
    expect_equal([asked, done], [2, [1, 2]]);
}

fn test_ok_a_function_that_waits_sees_what_the_test_changes() {
    let mode = "before";
    place_call("it", #{ applications: #{ Queue: |args| { wait(5); set_variable("QUEUESTATUS", mode); mode = "seen"; } } });
    wait(2);
    mode = "after";
    wait(4);
    expect_variable("QUEUESTATUS", "after");
    expect_equal(mode, "seen");
}

fn test_ok_what_is_caught_stays_caught() {
    place_call("it", #{ applications: #{ Queue: 0 } });
    let caught = "";
    try { press("x"); } catch (error) { caught = error; }
    expect(caught.contains("not a key"), caught);
    wait_for("ask");
    press("4");
    expect_end();
}

fn test_ok_chance_is_the_same() {
    let drawn = [];
    for round in 0..5 { place_call("it", #{ applications: #{ Queue: random(1, 100) } }); drawn.push(random(1, 1000)); wait(1); }
    print(`${drawn}`);
    expect_equal(drawn.len(), 5);
}

fn test_fails_at_a_prompt() {
    print("the first");
    place_call("it", #{ applications: #{ Queue: 0 } });
    print("the second");
    wait_for("ask");
    expect_prompt("other");
}

fn test_fails_in_a_helper() { place_call("it", #{ applications: #{ Queue: 0 } }); helper(); }
fn helper() { wait_for("ask"); expect_equal(seconds(), 99.0); }

fn test_fails_in_a_function_that_stands_in() {
    place_call("it", #{ applications: #{ Queue: |args| { wait(1); expect_equal(args, ["other"]); } } });
    wait(3);
}

fn test_fails_in_a_fault_of_the_test() {
    place_call("it", #{ applications: #{ Queue: 0 } });
    wait_for("ask");
    let n = [1][7];
}

fn test_fails_by_a_fault_of_the_script() {
    place_call("faulty");
    wait(1);
    press("1");
    expect_end();
}

fn test_fails_since_nothing_comes() {
    place_call("it", #{ applications: #{ Queue: 0 } });
    wait_for("never");
}

fn test_fails_in_an_endless_loop() { place_call("it", #{ applications: #{ Queue: 0 } }); wait(1); loop { } }

fn test_fails_without_a_call() { press("1"); }

fn test_fails_with_a_word_that_nobody_knows() { place_call("it"); what(); }

fn test_ok_the_second_call_is_another_one() {
    place_call("it", #{ callerid: "1", applications: #{ Queue: 0 } });
    hang_up();
    place_call("it", #{ callerid: "2", applications: #{ Queue: 0 } });
    expect_end();
    expect_equal(heard(), ["ask"]);
}

fn test_fails_since_the_call_is_over() {
    place_call("it", #{ applications: #{ Queue: 0 } });
    hang_up();
    press("1");
}
"#;

#[test]
fn tests_that_fail_fail_the_same_if_they_are_repeated() {
    let folder = Folder::new();
    folder.file("it.rhai", SCRIPT);
    folder.file("it.prompts", "ask: Which number?\nother: Another.\n");
    folder.file("faulty.rhai", "answer();\nlet key = wait_for_digit(5000);\nlet n = [1, 2][to_number(key) + 5];\n");
    for outcome in is_same(folder.path("").to_str().unwrap(), "it.test.rhai", TESTS) {
        assert_eq!(outcome.starts_with("ok"), outcome.contains(", ok\n"), "{outcome}");
    }
}
