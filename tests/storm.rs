//! Storms by the real program: each script has one problem, the storm finds it, and the test it prints shows the
//! problem when run.

use crate::support::process::agi_rhai;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of scripts, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("agi-rhai-storm-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs the program. Returns the exit code and everything it printed.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_agi-rhai"))
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("AGI_RHAI_SEED")
            .env_remove("AGI_RHAI_SCRIPTS")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn storm(&self, script: &str, calls: u32) -> (i32, String) {
        self.run(&["test", "--storm", script, "--seed", "1", "--calls", &calls.to_string()])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the tests in a report.
fn tests(report: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut lines = report.lines();
    while let Some(line) = lines.by_ref().find(|line| line.starts_with("fn test_storm_")) {
        let rest = lines.by_ref().take_while(|line| *line != "}").map(|line| format!("{line}\n")).collect::<String>();
        tests.push(format!("{line}\n{rest}}}\n"));
    }
    tests
}

/// Checks that a storm on a script with one problem finds just that and prints this test, which shows it.
#[track_caller]
fn check(name: &str, script: &str, problem: &str, expected_test: &str) {
    let folder = Folder::new(name);
    folder.write("game.rhai", script);
    check_in(&folder, problem, expected_test);
}

#[track_caller]
fn check_in(folder: &Folder, problem: &str, expected_test: &str) {
    let (code, report) = folder.storm("game.rhai", 1500);
    assert!(report.contains(problem), "the storm does not find {problem:?}:\n{report}");
    assert_eq!(code, 1, "{report}");
    let tests = tests(&report);
    assert_eq!(tests.len(), 1, "{report}");
    let body: Vec<&str> = tests[0].lines().skip(1).map(str::trim).filter(|line| *line != "}").collect();
    assert_eq!(body.join("\n"), expected_test.trim(), "{report}");
    folder.write("game.test.rhai", &tests[0]);
    let (code, shown) = folder.run(&["test", "game.test.rhai"]);
    assert!(code == 1 && shown.contains(problem), "the test does not show {problem:?}:\n{}\n{shown}", tests[0]);
}

#[test]
fn a_fault_in_on_hangup_is_found() {
    let script = r#"
state.count = 0;
answer();
stream_file("demo-congrats");
state.count += 1;
get_data("vm-enter-num-to-call", 5000, 2);
fn on_hangup() { verbose(100 / state.count); }
"#;
    check("hangup", script, "Division by zero", "place_call(\"game\");\nhang_up();");
}

#[test]
fn a_hangup_before_anything_was_set_is_found() {
    let script = r#"
answer();
state.score = 0;
stream_file("demo-congrats");
fn on_hangup() { database_put("score", caller("nobody"), state.score); }
"#;
    let problem = "database_put: `value` must be a text, not ()";
    check("gone", script, problem, "place_call(\"game\", #{ gone_at: 1 });\nexpect_end(\"HANGUP\");");
}

#[test]
fn a_missing_prompt_is_found() {
    let script = r#"
answer();
stream_file("demo-congrats");
let began = elapsed();
stream_file("demo-thanks");
if elapsed() == began { throw "nothing was heard"; }
stream_file("vm-goodbye");
"#;
    let test = "place_call(\"game\", #{ missing: [\"demo-thanks\"] });\nexpect_end();";
    check("missing", script, "nothing was heard", test);
}

#[test]
fn a_fault_on_the_star_key_is_found() {
    let script = r##"
answer();
let key = stream_file("vm-enter-num-to-call", "0123456789*#");
if key == "" { key = wait_for_digit(4000); }
if key == "" { exit(); }
if key != "#" { say_number(10 + to_number(key)); }
"##;
    check(
        "star",
        script,
        "`+` does not work with a number and ()",
        "place_call(\"game\");\npress(\"*\");\nexpect_end();",
    );
}

#[test]
fn a_fault_on_an_unanswered_question_is_found() {
    let script = r#"
answer();
let digits = get_data("vm-enter-num-to-call", 5000, 4);
if digits == "" { say_alpha(get_variable("NOT_SET")); }
"#;
    let problem = "say_alpha: `text` must be a text, not ()";
    check("unanswered", script, problem, "place_call(\"game\");\nexpect_end();");
}

#[test]
fn a_fault_after_a_right_answer_is_found() {
    let script = r#"
answer();
let big = random(10, 31);
let small = random(0, 9);
say_number(big);
say_number(small);
let keys = get_data("beep", 5000, 2);
if to_number(keys) == big - small {
    let prizes = ["car", "house"];
    verbose(prizes[2]);
}
"#;
    let folder = Folder::new("right");
    folder.write("game.rhai", script);
    let (code, report) = folder.storm("game.rhai", 1500);
    assert!(code == 1 && report.contains("there is no element 2"), "{report}");
    let tests = tests(&report);
    assert!(tests.len() == 1 && tests[0].contains("seed: ") && tests[0].contains("wait_for(\"beep\");"), "{report}");
    folder.write("game.test.rhai", &tests[0]);
    // The seed of this run differs: the test has its own.
    let (code, shown) = folder.run(&["test", "game.test.rhai", "--seed", "77"]);
    assert!(code == 1 && shown.contains("there is no element 2"), "{}\n{shown}", tests[0]);
    // The test passes once the script is fixed.
    folder.write("game.rhai", &script.replace("prizes[2]", "prizes[1]"));
    let (code, shown) = folder.run(&["test", "game.test.rhai"]);
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn a_fault_on_a_withheld_number_in_an_imported_script_is_found() {
    let folder = Folder::new("withheld");
    folder.write("lib/greet.rhai", "fn greet() {\n    say_digits(caller().len());\n}\n");
    folder.write("game.rhai", "import \"lib/greet\" as greeting;\nanswer();\ngreeting::greet();\n");
    check_in(
        &folder,
        "there is no value to call `.len()` on: it is ()",
        "place_call(\"game\", #{ callerid: \"\" });\nexpect_end();",
    );
    let (_, report) = folder.storm("game.rhai", 200);
    assert!(report.contains("lib/greet.rhai:2:"), "{report}");
}

#[test]
fn faults_on_values_that_were_read_are_found() {
    let script = r#"
answer();
if database_get("door", "code") == "open" {
    let speed = to_number(get_variable("SPEED"), 1);
    say_number(100 / (speed - 7));
}
"#;
    let test = "place_call(\"game\", #{ variables: #{ \"SPEED\": \"7\" }, database: #{ \"door/code\": \"open\" } });\nexpect_end();";
    check("values", script, "Division by zero", test);
}

#[test]
fn endless_loops_are_found() {
    let menu = r#"
answer();
let key = "";
while key != "1" {
    stream_file("demo-instruct");
    key = wait_for_digit(3000);
}
"#;
    let folder = Folder::new("loops");
    for (name, script, problem) in [
        ("menu", menu, "the script never ends: its caller has been silent for an hour"),
        (
            "poll",
            "answer();\nloop { if database_get(\"a\", \"b\") != () { break; } }\n",
            "the script never ends: 10000",
        ),
        ("spin", "answer();\nlet n = 0;\nloop { n += 1; }\n", "computes for more than 1 s"),
        ("sleeps", "answer();\nloop { sleep(0); }\n", "the script never ends: 10000"),
        ("after", "answer();\nsleep(9);\nfn on_hangup() { loop { noop(); } }\n", "the script never ends: 10000"),
    ] {
        let file = format!("{name}.rhai");
        folder.write(&file, script);
        let (code, report) = folder.storm(&file, 60);
        assert!(code == 1 && report.contains(problem), "{name}: {report}");
        assert_eq!(tests(&report).len(), 1, "{report}");
        folder.write("loop.test.rhai", &tests(&report)[0]);
        let (code, shown) = folder.run(&["test", "loop.test.rhai"]);
        assert!(code == 1 && !shown.contains("Misuse"), "{name}: {shown}");
    }
}

#[test]
fn unreached_lines_are_reported_without_failing() {
    let folder = Folder::new("unreached");
    let script =
        "answer();\nlet key = wait_for_digit(3000);\nif key.len() > 1 {\n    verbose(\"two\");\n}\nexit();\nnoop();\n";
    folder.write("game.rhai", script);
    let (code, report) = folder.storm("game.rhai", 500);
    assert_eq!(code, 0, "{report}");
    let unreached: Vec<&str> = report.lines().filter(|line| line.starts_with("  game.rhai:")).collect();
    assert_eq!(unreached, ["  game.rhai:4: verbose(\"two\");", "  game.rhai:7: noop();"], "{report}");
    assert!(report.contains("game.rhai: no problem; 500 calls in "), "{report}");
}

#[test]
fn the_same_seed_makes_the_same_storm() {
    let folder = Folder::new("seed");
    folder.write("game.rhai", include_str!("../scripts/guess.rhai"));
    folder.write("game.prompts", include_str!("../scripts/guess.prompts"));
    // How long it took may differ.
    let storm = |seed: &str| {
        let (_, report) = folder.run(&["test", "--storm", "game", "--seed", seed, "--calls", "700"]);
        report.lines().filter(|line| !line.contains(" calls in ")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(storm("5"), storm("5"));
}

#[test]
fn a_storm_on_a_good_script_finds_nothing() {
    let folder = Folder::new("good");
    folder.write("game.rhai", include_str!("../scripts/subtraction.rhai"));
    folder.write("game.prompts", include_str!("../scripts/subtraction.prompts"));
    let (code, report) = folder.storm("game.rhai", 2000);
    assert!(code == 0 && report.contains("22 of 22 lines reached") && tests(&report).is_empty(), "{report}");
}

#[test]
fn a_storm_survives_hostile_scripts() {
    let folder = Folder::new("survives");
    for (name, script, problem) in [
        (
            "memory",
            "answer();\nlet all = [];\nlet text = \"x\";\nloop { text += text; all.push(text); }\n",
            "too large",
        ),
        ("deep", "fn down(n) { down(n + 1) }\nanswer();\ndown(1);\n", "too deep"),
        ("throws", "answer();\nthrow #{ message: \"no\\nway \\\"out\\\"\" };\n", "way"),
    ] {
        let file = format!("{name}.rhai");
        folder.write(&file, script);
        let (code, report) = folder.storm(&file, 50);
        assert!(code == 1 && report.contains(problem), "{name}: {report}");
        folder.write("all.test.rhai", &tests(&report).concat());
        let (code, shown) = folder.run(&["test", "all.test.rhai"]);
        assert!(code == 1 && shown.contains(problem), "{name}: {shown}");
    }
}

#[test]
fn wrong_usage_is_reported() {
    let folder = Folder::new("usage");
    folder.write("broken.rhai", "answer(;\n");
    let wrong = [
        (vec!["test", "--storm", "nothing.rhai"], "no script nothing.rhai"),
        (vec!["test", "--storm", "broken.rhai"], "broken.rhai"),
        (vec!["test", "--calls", "5"], "--storm"),
        (vec!["test", "--storm", "broken.rhai", "--calls", "many"], "many"),
        (vec!["test", "--storm", "broken.rhai", "--list"], "--list"),
    ];
    for (arguments, expected) in wrong {
        let (code, shown) = folder.run(&arguments);
        assert!(code == 2 && shown.contains(expected), "{arguments:?}: {shown}");
    }
}

/// A shop with a fault that only a call with all of this set up reaches.
const SHOP: &str = r##"answer();
let visits = to_number(database_get("shop", "visits"), 0);
if visits > 1000 && get_variable("LEVEL") == "gold" && args == ["west"] && date().weekday == 4 && date().hour == 9 {
    say(1 / (visits - visits));
}
"##;

/// Checks that a storm with this set-up finds the fault of the shop, prints how to repeat it, and a test that shows it.
#[track_caller]
fn finds_the_fault(folder: &Folder, options: &[&str], again: &str, place_call: &str) {
    let (code, report) = folder.run(&[&["test", "--seed", "1", "--calls", "60"], options].concat());
    assert_eq!(code, 1, "{report}");
    assert!(report.contains(&format!("The same again: agi-rhai test --storm {again} --seed 1 --calls 60")), "{report}");
    let tests = tests(&report);
    assert!(tests[0].contains(place_call), "{report}");
    folder.write("shop.test.rhai", &tests.concat());
    let (code, report) = folder.run(&["test", "shop.test.rhai"]);
    assert!(code == 1 && report.contains("Division by zero"), "{report}");
}

#[test]
fn a_storm_begins_from_what_the_options_set_up() {
    let folder = Folder::new("set-up");
    folder.write("shop.rhai", SHOP);
    let options = [
        "--storm",
        "shop",
        "--var",
        "LEVEL=gold",
        "--arg",
        "west",
        "--time",
        "2026-12-03 09:30",
        "--zone",
        "Europe/Berlin",
    ];
    finds_the_fault(
        &folder,
        &[&options[..], &["--db", "shop/visits=2000"]].concat(),
        "shop.rhai --time '2026-12-03 09:30' --zone Europe/Berlin --var LEVEL=gold --db shop/visits=2000 --arg west",
        r#"place_call("shop", #{ time: "2026-12-03 09:30", zone: "Europe/Berlin", variables: #{ "LEVEL": "gold" }, "#,
    );
    folder.write("astdb", "/shop/visits                                      : 2000                     \n");
    finds_the_fault(
        &folder,
        &[&options[..], &["--db", "astdb"]].concat(),
        "shop.rhai --time '2026-12-03 09:30' --zone Europe/Berlin --var LEVEL=gold --db astdb --arg west",
        r#"database: #{ "shop/visits": "2000" }, args: ["west"]"#,
    );
    // Without them, no call gets there.
    let (code, report) = folder.run(&["test", "--storm", "shop", "--seed", "1", "--calls", "60"]);
    assert_eq!(code, 0, "{report}");
}

#[test]
fn a_storm_begins_from_the_first_call_of_a_test() {
    let folder = Folder::new("of-a-test");
    folder.write("shop.rhai", SHOP);
    folder.write(
        "calls.test.rhai",
        r##"fn test_gold() {
            place_call("shop", #{ database: #{ "shop/visits": 2000 }, args: ["west"], seed: 5, callerid: "200",
                time: time_at(2026, 12, 3, 9), variables: #{ LEVEL: "gold" } });
            expect(false);
        }
        fn test_silver() { place_call("shop", #{ database: #{ "shop/visits": 2000 }, args: ["west"] }); }
        fn test_nothing() {}
        fn test_wrong() { place_call("shop", #{ databas: 1 }); }"##,
    );
    let storm = |test: &'static str| ["--storm", test];
    finds_the_fault(
        &folder,
        &storm("calls.test.rhai::gold"),
        "calls.test.rhai::gold",
        r#"place_call("shop", #{ args: ["west"], callerid: "200", database: #{ "shop/visits": 2000 }, time: 1796288400, variables: #{ "LEVEL": "gold" } }"#,
    );
    // An option of the command line changes what the test says.
    let options = ["--var", "LEVEL=gold", "--time", "2026-12-03 09:30"];
    finds_the_fault(
        &folder,
        &[&storm("calls.test.rhai::test_silver")[..], &options].concat(),
        "calls.test.rhai::test_silver --time '2026-12-03 09:30' --var LEVEL=gold",
        r#"database: #{ "shop/visits": 2000 }"#,
    );
    for (test, message) in [
        ("calls.test.rhai::bronze", "there is no test bronze in calls.test.rhai; it has gold, silver, nothing, wrong"),
        ("calls.test.rhai::nothing", "the test nothing places no call"),
        ("calls.test.rhai::wrong", "there is no option `databas`: did you mean `database`?"),
        ("none.test.rhai::gold", "none.test.rhai"),
    ] {
        let (code, report) = folder.run(&["test", "--storm", test]);
        assert!(code == 2 && report.contains(message), "{report}");
    }
    let (code, report) = folder.run(&["test", "--var", "LEVEL=gold"]);
    assert!(
        code == 2 && report.contains("--var LEVEL=gold is about the calls of a storm: it needs --storm"),
        "{report}"
    );
}

/// The scripts of the project withstand every call, in every situation that a storm makes.
#[test]
fn the_shipped_scripts_survive_their_storms() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let names = std::fs::read_dir(&scripts).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name.ends_with(".rhai") && !name.ends_with(".test.rhai")).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let path = scripts.join(&name);
        let path = path.to_string_lossy();
        let output = agi_rhai(["test", "--storm", &path, "--calls", "5000", "--seed", "1"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(": no problem; "), "{name}: {text}");
    }
}
