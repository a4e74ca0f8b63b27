//! Storms, by the real program: each script has one thing wrong with it, the storm finds it, and the test it prints
//! shows it when run.

use std::path::PathBuf;
use std::process::Command;

/// A folder of scripts, which goes with it.
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

    /// The exit code and all that is printed.
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

/// The tests in a report.
fn tests(report: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut lines = report.lines();
    while let Some(line) = lines.by_ref().find(|line| line.starts_with("fn test_storm_")) {
        let rest = lines.by_ref().take_while(|line| *line != "}").map(|line| format!("{line}\n")).collect::<String>();
        tests.push(format!("{line}\n{rest}}}\n"));
    }
    tests
}

/// A storm on a script with one thing wrong finds just that, prints this test, and the test shows it.
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
fn a_fault_on_hangup() {
    let script = r#"
        state.count = 0;
        answer();
        stream_file("demo-congrats");
        state.count += 1;
        get_data("vm-enter-num-to-call", 5000, 2);
        fn on_hangup() { verbose(100 / state.count); }
    "#;
    check("hangup", script, "Division by zero", "");
}
