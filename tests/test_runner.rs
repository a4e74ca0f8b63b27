//! `agi-rhai test`: the real program with tests that pass, and with tests that fail in every way.

use crate::support::process::{Folder, agi_rhai};
use agi_rhai::Host;
use agi_rhai::internals::VOCABULARY;
use agi_rhai::tools::testing::TestRunner;
use quick_junit::{NonSuccessKind, TestCaseStatus};
use std::path::Path;

/// A door that opens with a code.
const DOOR: &str = r##"answer();
stream_file("door-welcome", "#");
let code = get_data("door-code", 5000, 4);
if code == "" {
    print("nobody there");
    exit();
}
if code == "9999" {
    let broken = 1 / to_number("0");
}
database_put("door", caller("nobody"), code);
set_variable("DOOR", if code == "1234" { "open" } else { "shut" });
say_digits(code);
sleep(2);
stream_file("vm-goodbye");

fn on_hangup() {
    database_put("door", "hangups", to_number(database_get("door", "hangups"), 0) + 1);
}
"##;

const PROMPTS: &str = "door-welcome: Welcome to the house of many doors.\ndoor-code: Your code, please.\n";

/// Makes a folder with the door and these tests for it.
fn door(tests: &str) -> Folder {
    let folder = Folder::new();
    folder.file("door.rhai", DOOR);
    folder.file("door.prompts", PROMPTS);
    folder.file("door.test.rhai", tests);
    folder
}

/// Runs the program in a folder. Returns the exit code and its output without measured times.
fn run(folder: &Folder, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = agi_rhai([&["test"], args].concat());
    let output = command.current_dir(folder.path("")).stdin(std::process::Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut said = String::new();
    for line in text(&output.stdout).lines() {
        let line = match line.rfind(" in ") {
            Some(at) if line.starts_with("test ") => {
                format!("{} in TIME{}", &line[..at], if line.ends_with(')') { ")" } else { "" })
            }
            _ => line.to_owned(),
        };
        said.push_str(&line);
        said.push('\n');
    }
    (output.status.code(), said, text(&output.stderr))
}

/// Returns the report of a failure, without its heading and how to repeat it.
fn failure(tests: &str) -> String {
    let folder = door(tests);
    let (code, said, _) = run(&folder, &["--seed", "1"]);
    assert_eq!(code, Some(1), "{said}");
    let block = said.split("---- door::it ----\n").nth(1).unwrap_or_else(|| panic!("{said}"));
    let (block, again) = block.split_once("\n\nto see it again: ").unwrap();
    let again = again.lines().next().unwrap();
    assert!(again.starts_with("agi-rhai test door.test.rhai"), "{again}");
    // The seed of the call is drawn from the test's name, and doesn't matter here.
    let mut lines = block.lines().map(|line| match line.split_once(", seed ") {
        Some((before, _)) => format!("{before}, seed N:"),
        None => line.trim_end().to_owned(),
    });
    lines.by_ref().collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn fails(body: &str, expected: &str) {
    let found = failure(&format!("fn test_it() {{\n{body}\n}}\n"));
    assert_eq!(found, expected.trim_matches('\n'), "\n{found}\n");
}

const GOOD: &str = r#"
fn test_open() {
    place_call("door", #{ callerid: "200" });
    expect_prompt("door-welcome");
    wait_for("door-code");
    press("1234");
    expect_prompt("digits 1234");
    expect_end();
    expect_variable("DOOR", "open");
    expect_database("door", "200", 1234);
}

fn test_nobody() {
    place_call("door.rhai");
    expect_end("SUCCESS");
    expect_log("nobody");
}

fn helper() {}
fn test_with_parameters(is_no_test) {}
private fn test_two_calls_share_a_database() {
    place_call("door");
    wait(1);
    place_call("door");
    expect_database("door", "hangups", 1);
    hang_up();
    expect_equal(database("door", "hangups"), "2");
}
"#;

#[test]
fn each_passing_test_is_reported_on_one_line() {
    let folder = door(GOOD);
    let (code, said, errors) = run(&folder, &["--seed", "7"]);
    assert_eq!(
        said,
        "running 3 tests with seed 7\n\
         test door::open ... ok (9.6 s of call in TIME)\n\
         test door::nobody ... ok (9.6 s of call in TIME)\n\
         test door::two_calls_share_a_database ... ok (1.0 s of 2 calls in TIME)\n\
         \n\
         test result: ok. 3 passed; 0 failed; 20.2 s of calls in TIME\n"
    );
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn tests_can_be_selected_by_name_and_place() {
    let folder = door(GOOD);
    folder.file("below/there.test.rhai", "fn test_open() {} fn test_shut() {}");
    folder.file(".hidden/no.test.rhai", "fn test_never() {}");
    folder.file(".no.test.rhai", "fn test_never() {}");
    let list = |args: &[&str]| {
        let (code, said, errors) = run(&folder, &[&["--list"], args].concat());
        (code, said.replace("\n\n", "\n").trim().replace('\n', " "), errors)
    };
    let all = "below/there::open below/there::shut door::open door::nobody door::two_calls_share_a_database 5 tests";
    let good = |args: &[&str], expected: &str| assert_eq!(list(args), (Some(0), expected.to_owned(), String::new()));
    good(&[], all);
    good(&["."], all);
    good(&["below"], "there::open there::shut 2 tests");
    good(&["-k", "open"], "below/there::open door::open 2 tests");
    good(&["--filter", "door::o"], "door::open 1 test");
    good(&["open"], "below/there::open door::open 2 tests");
    good(&["nobody", "shut"], "below/there::shut door::nobody 2 tests");
    good(&["door::open", "--exact"], "door::open 1 test");
    good(&["door.test.rhai"], "door::open door::nobody door::two_calls_share_a_database 3 tests");
    good(&["door.rhai", "-k", "nobody"], "door::nobody 1 test");
    good(&["door.test.rhai::nobody"], "door::nobody 1 test");
    good(&["door.test.rhai::test_nobody", "below/there.test.rhai::shut"], "there::shut door::nobody 2 tests");

    let bad = |args: &[&str], expected: &str| {
        assert_eq!(list(args), (Some(2), String::new(), format!("agi-rhai: {expected}\n")));
    };
    bad(&["-k", "nope"], "no test has nope in its name");
    bad(&["nope"], "no test has nope in its name");
    bad(&["open", "--exact"], "no test has the name open");
    bad(&["no/such"], "there is no no/such");
    bad(&["no.test.rhai"], "there is no no.test.rhai");
    bad(&["door.prompts"], "door.prompts isn't a file of tests: those end in .test.rhai");
    bad(&["door.test.rhai::nope"], "door.test.rhai has no test nope; it has open, nobody, two_calls_share_a_database");
    folder.file("other.rhai", "");
    bad(&["other.rhai"], "there are no tests beside other.rhai: they would be in other.test.rhai");
    let (code, _, _) = run(&folder, &["--no-such-option"]);
    assert_eq!(code, Some(2));

    let empty = Folder::new();
    let (code, said, errors) = run(&empty, &[]);
    assert_eq!((code, said.as_str()), (Some(2), ""));
    assert!(errors.contains("no tests here") && errors.contains("fn test_NAME()"), "{errors}");
}

#[test]
fn an_expected_prompt_that_does_not_come_fails() {
    fails(
        "place_call(\"door\");\nwait(0.5);\npress(\"12\");\nexpect_prompt(\"door-welcome\");\nexpect_prompt(\"door-cod\");",
        r##"
error: expected the prompt `door-cod`, but heard `door-code`
 --> door.test.rhai:6:1
  |
6 | expect_prompt("door-cod");
  | ^^^^^^^^^^^^^
  |
  = help: there is no sound file `door-cod`: did you mean `door-code`?

the call of door.rhai, seed N:
    0.0 s  heard    door-welcome  "Welcome to the house of many doors."
    0.5 s  pressed  1  lost: door-welcome was playing, and the script listened only to #
    0.6 s  pressed  2  lost: door-welcome was playing, and the script listened only to #
    3.1 s  heard    door-code  "Your code, please."
    3.1 s  the call goes on

note: the script is in `get_data`
 --> door.rhai:3:12
  |
3 | let code = get_data("door-code", 5000, 4);
  |            ^^^^^^^^"##,
    );
}

#[test]
fn waiting_for_a_prompt_in_vain_fails() {
    fails(
        "place_call(\"door\");\nwait_for(\"vm-goodbye\");",
        r##"
error: waited for the prompt `vm-goodbye`, but the call ended with SUCCESS after 9.6 s
 --> door.test.rhai:3:1
  |
3 | wait_for("vm-goodbye");
  | ^^^^^^^^

the call of door.rhai, seed N:
    0.0 s  heard    door-welcome  "Welcome to the house of many doors."
    3.1 s  heard    door-code  "Your code, please."
    9.6 s  log      nobody there
    9.6 s  ended    SUCCESS

note: its last command was `get_data`
 --> door.rhai:3:12
  |
3 | let code = get_data("door-code", 5000, 4);
  |            ^^^^^^^^"##,
    );
}

#[test]
fn a_fault_of_the_script_fails() {
    fails(
        "place_call(\"door\");\nwait_for(\"door-code\");\npress(\"9999\");",
        r##"
error: the script has a fault: Division by zero: 1 / 0
 --> door.test.rhai:1:4
  |
1 | fn test_it() {
  |    ^^^^^^^

the call of door.rhai, seed N:
    0.0 s  heard    door-welcome  "Welcome to the house of many doors."
    3.1 s  heard    door-code  "Your code, please."
    3.1 s  pressed  9
    3.2 s  pressed  9
    3.3 s  pressed  9
    3.4 s  pressed  9
    3.4 s  ended    FAILURE

error: Division by zero: 1 / 0
 --> door.rhai:9:20
  |
9 |     let broken = 1 / to_number("0");
  |                    ^"##,
    );
}

#[test]
fn every_failed_expectation_shows_what_was_found() {
    let check = |body: &str, expected: &str| {
        let block = failure(&format!("fn test_it() {{\n{body}\n}}\n"));
        let first = block.lines().next().unwrap();
        assert_eq!(first.strip_prefix("error: "), Some(expected), "{block}");
    };
    let open = "place_call(\"door\"); wait_for(\"door-code\"); press(\"1234\");";
    for (body, expected) in [
        ("expect_number(3);", "expected the number 3, but heard `digits 1234`"),
        ("wait_for(\"number\");", "waited for the prompt `number`, but the call ended with SUCCESS after 9.6 s"),
        (
            "next_prompt(); next_number();",
            "waited for a number to be spoken, but the call ended with SUCCESS after 9.6 s",
        ),
        ("expect_variable(\"DOOR\", \"shut\");", "expected the variable DOOR to be \"shut\", but it is \"open\""),
        ("expect_variable(\"NONE\", 1);", "expected the variable NONE to be \"1\", but it is unset"),
        ("expect_database(\"door\", \"100\", ());", "expected door/100 in AstDB to be unset, but it is \"1234\""),
        ("expect_log(\"x\");", "expected \"x\" in the script's log, but the log is empty"),
        (
            "expect_end(\"HANGUP\");",
            "expected the call to end with HANGUP, but the call ended with SUCCESS after 9.6 s",
        ),
        ("expect_end(\"BUSY\");", "expect_end: `status` must be \"SUCCESS\", \"HANGUP\" or \"FAILURE\", not \"BUSY\""),
        ("expect_fault(\"zero\");", "expected a fault with \"zero\", but the call ended with SUCCESS after 9.6 s"),
        ("expect_equal(heard().len(), \"3\");", "expected \"3\", but it is 3"),
        (
            "expect(heard());",
            "expect: `condition` must be true or false, not [\"door-welcome\", \"door-code\", \"digits 1234\"]",
        ),
        (
            "expect_end(); press(\"1\");",
            "press: the caller is no longer on the line: the call ended with SUCCESS after 9.6 s",
        ),
        ("press(\"1x\");", "press: `x` is not a key of a telephone; the keys are 0-9, *, # and A-D"),
        ("wait(-1);", "wait: `seconds` must be a number of seconds, not -1"),
        (
            "place_call(\"door\", #{ calerid: 1 });",
            "place_call: there is no option `calerid`: did you mean `callerid`?",
        ),
        (
            "place_call(\"door\", #{ database: #{ door: 1 } });",
            "place_call: `database`: \"door\" must be a family and a key, as in a map such as #{ \"family/key\": 7 }",
        ),
    ] {
        check(&format!("{open} {body}"), expected);
    }
    check("press(\"1\");", "press: there is no call yet: place one by `place_call`");
}

#[test]
fn an_expected_fault_passes() {
    let folder = door(
        "fn test_it() { place_call(\"door\"); wait_for(\"door-code\"); press(\"9999\"); expect_fault(\"zero\"); }\n\
         fn test_other() { place_call(\"door\"); wait_for(\"door-code\"); press(\"9999\"); expect_end(\"FAILURE\"); }",
    );
    let (code, said, _) = run(&folder, &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn endless_scripts_are_ended() {
    let folder = Folder::new();
    folder.file("talks.rhai", "loop { verbose(1); }");
    folder.file("thinks.rhai", "loop { }");
    folder.file("waits.rhai", "loop { wait_for_digit(-1); }");
    folder.file("plays.rhai", "loop { stream_file(\"beep\"); }");
    folder.file("stays.rhai", "sleep(9); fn on_hangup() { loop { verbose(1); } }");
    folder.file(
        "all.test.rhai",
        "fn test_talks() { place_call(\"talks\"); }\n\
         fn test_thinks() { place_call(\"thinks\"); expect_end(); }\n\
         fn test_waits() { place_call(\"waits\"); expect_end(); }\n\
         fn test_plays() { place_call(\"plays\"); expect_end(); }\n\
         fn test_stays() { place_call(\"stays\"); hang_up(); }\n\
         fn test_test() { place_call(\"waits\"); loop { next_prompt_() } }\n\
         fn next_prompt_() { heard() }\n",
    );
    let (code, said, _) = run(&folder, &[]);
    assert_eq!(code, Some(1), "{said}");
    for expected in [
        "error: the script never ends: it keeps sending commands while no time passes\n --> all.test.rhai:1:4",
        "error: expected the call to end with SUCCESS, but the script ended with a fault: the script computes for more \
         than 1 s without a command: an endless loop?",
        "error: expected the call to end with SUCCESS, but the script waits forever: only the caller could end that",
        "error: expected the call to end with SUCCESS, but 1 h 0 min passed",
        "error: the script never ends: it keeps sending commands while no time passes\n --> all.test.rhai:5:4",
        "error: the test keeps computing while no time passes in the call: an endless loop?",
    ] {
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }
    assert!(said.contains("0 passed; 6 failed"), "{said}");
}

#[test]
fn the_same_seed_repeats_a_run() {
    let folder = Folder::new();
    folder.file("dice.rhai", "say_number(random(1, 1000000));");
    folder.file(
        "dice.test.rhai",
        "fn test_it() { place_call(\"dice\"); let a = next_number(); place_call(\"dice\"); let b = next_number();\n\
         expect(a != b, \"the same twice\"); expect(false, `${a} ${b} ${random(1, 1000000)}`); }\n\
         fn test_other() { place_call(\"dice\"); expect(false, `${next_number()}`); }",
    );
    let errors = |args: &[&str]| {
        let (_, said, _) = run(&folder, args);
        said.lines().filter(|line| line.starts_with("error: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = errors(&["--seed", "3"]);
    assert_eq!(all.len(), 2);
    assert_eq!(errors(&["--seed", "3"]), all);
    assert_eq!(errors(&["--seed", "3", "dice.test.rhai::other"]), all[1..], "alone as among others");
    assert_ne!(errors(&["--seed", "4"]), all);
    // Without a seed each run draws another one, and the one that is shown repeats it.
    let (_, said, _) = run(&folder, &["dice.test.rhai::it"]);
    let again = said.lines().find_map(|line| line.strip_prefix("to see it again: agi-rhai test ")).unwrap();
    let once = said.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert_eq!(errors(&again.split(' ').collect::<Vec<_>>()), [once]);
}

#[test]
fn files_without_valid_tests_are_reported() {
    let folder = door("fn test_it() { place_call(\"door\" }\n");
    folder.file("late.test.rhai", "fn test_late() { let x = 1; x.nope(); }\nfn test_good() { }");
    folder.file("command.test.rhai", "fn test_command() { stream_file(\"beep\"); }");
    folder.file("ends.test.rhai", "fn test_ends() { exit(); expect(false); }");
    folder.file("sleeps.test.rhai", "fn test_sleeps() { sleep(3600); }");
    folder.file("misspelt.test.rhai", "fn test_a() { place_call(\"dor\"); } fn test_b() { expect_promt(\"x\"); }");
    let (code, said, _) = run(&folder, &["--seed", "1"]);
    assert_eq!(code, Some(1), "{said}");
    for expected in [
        "test door ... FAILED",
        "---- door ----\nerror: a `)` is missing",
        " --> door.test.rhai:1:32",
        "to see it again: agi-rhai test door.test.rhai\n",
        "test late::good ... ok (no call in TIME)",
        "error: no function `nope`",
        "error: `stream_file` is for scripts, not for their tests",
        "= help: `expect_prompt` and `wait_for` hear what the script plays",
        "error: `exit` is for scripts, not for their tests",
        "= help: a test ends at its end, or with `return`",
        "error: `sleep` is for scripts, not for their tests",
        "error: place_call: there is no script `dor` beside the test: did you mean `door`?",
        "= help: did you mean `expect_prompt`?",
        "failed:\n    command::command\n    door\n    ends::ends\n    late::late\n    misspelt::a\n    misspelt::b\n    sleeps::sleeps\n",
        "test result: FAILED. 1 passed; 7 failed;",
    ] {
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }
    let (code, said, errors) = run(&folder, &["--list"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(errors.contains("door.test.rhai:1:32"), "{errors}");
}

#[test]
fn the_junit_report_is_complete() {
    let folder =
        door(&format!("{GOOD}\nfn test_bad() {{ expect(1 > 2, \"a < b & c\"); }}\nfn test_worse() {{ nope(); }}"));
    folder.file("broken.test.rhai", "fn {");
    let (code, _, _) = run(&folder, &["--junit", "out.xml", "--seed", "1"]);
    assert_eq!(code, Some(1));
    let report = quick_junit::Report::deserialize_from_str(&std::fs::read_to_string(folder.path("out.xml")).unwrap());
    let report = report.unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (6, 1, 2));
    let names: Vec<_> = report.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names, ["broken", "door"]);
    let cases: Vec<_> = report.test_suites[1].test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(cases, ["open", "nobody", "two_calls_share_a_database", "bad", "worse"]);
    let TestCaseStatus::NonSuccess { kind, message, description, .. } = &report.test_suites[1].test_cases[3].status
    else {
        panic!("it has failed")
    };
    assert_eq!(*kind, NonSuccessKind::Failure);
    assert_eq!(message.as_ref().unwrap().as_str(), "a < b & c");
    assert!(description.as_ref().unwrap().as_str().contains("door.test.rhai:"));
    let (code, _, errors) = run(&folder, &["--junit", "no/such/out.xml", "-k", "nobody"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("cannot write no/such/out.xml"), "{errors}");
}

#[test]
fn coverage_shows_lines_that_no_test_reached() {
    let folder = door(GOOD);
    folder.file("other.rhai", "answer();");
    let (code, said, _) = run(&folder, &["--coverage"]);
    assert_eq!(code, Some(0));
    let coverage = said.split("coverage:\n").nth(1).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(
        coverage,
        "    door.rhai    92 %  13 of 14 lines\n           \
         9 |     let broken = 1 / to_number(\"0\");\n    \
         other.rhai    0 %  no test calls it\n"
    );
    let least = |args: &[&str]| run(&folder, &[&["--coverage", "--coverage-min"], args].concat()).0;
    assert_eq!(least(&["92", "door.test.rhai"]), Some(0));
    assert_eq!(least(&["93", "door.test.rhai"]), Some(1));
    assert_eq!(least(&["1"]), Some(1), "no test calls other.rhai");
    assert_eq!(least(&["101"]), Some(2));
}

#[test]
fn the_projects_tests_reach_every_line_of_its_scripts() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = agi_rhai(["test", "scripts", "--coverage", "--coverage-min", "100"]);
    let output = command.current_dir(project).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.matches(" 100 % ").count() >= 6, "{said}");
}

#[test]
fn the_projects_tests_detect_broken_games() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for (game, right, wrong) in [
        ("subtraction", "elapsed() < 180", "elapsed() <= 180"),
        ("subtraction", "state.score * 100", "state.score * 10"),
        ("subtraction", "say(\"subtraction-game-good\")", "say(\"subtraction-game-wrong\")"),
        ("guess", "guess < secret", "guess <= secret"),
        ("guess", "best <= guesses", "best < guesses"),
        ("guess", "first: 8", "first: 9"),
        ("guess", "return ();", "return 1;"),
        ("memory", "state.score <= record()", "state.score < record()"),
        ("memory", "row.len() < 20", "row.len() <= 20"),
        ("memory", "database_del(\"memory\", \"name\")", "noop()"),
        ("memory", "fn on_hangup()", "fn on_hang_up()"),
    ] {
        let folder = Folder::new();
        let read = |ending: &str| std::fs::read_to_string(project.join(format!("{game}{ending}"))).unwrap();
        let text = read(".rhai");
        assert!(text.contains(right), "{game} no longer contains {right:?}");
        folder.file(&format!("{game}.rhai"), text.replacen(right, wrong, 1));
        folder.file(&format!("{game}.test.rhai"), read(".test.rhai"));
        std::os::unix::fs::symlink(project.join("sounds"), folder.path("sounds")).unwrap();
        let (code, said, _) = run(&folder, &["--seed", "1"]);
        assert_eq!(code, Some(1), "{game} with {wrong:?} passes: {said}");
    }
}

#[test]
fn every_function_of_tests_works_as_in_its_example() {
    let runner = TestRunner::new(Host::new(), None);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/example.test.rhai");
    for function in VOCABULARY {
        for example in function.examples {
            let (before, last) = example.script.rsplit_once("; ").unwrap_or(("", example.script));
            let text = format!("fn test_it() {{ {before}; print({last}); expect(false); }}");
            let suite = runner.suite_of(&path, &text).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
            let report = runner.run(&suite, "it", 1);
            let failure = report.failure.unwrap().render(false);
            assert!(failure.starts_with("error: expected this to be true"), "{}: {failure}", example.script);
            let printed = failure.split("the test printed:\n  ").nth(1).unwrap_or_default();
            // `()` is printed as an empty text.
            let value = if example.value == "()" { "" } else { example.value.trim_matches('"') };
            assert!(printed.lines().next().unwrap_or_default() == value, "{}: {failure}", example.script);
        }
    }
    // Calls that are given up leave no thread behind.
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    assert_eq!(names.filter(|name| name.trim() == "call").count(), 0);
}
