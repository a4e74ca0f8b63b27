//! Permissions of scripts on a real Asterisk: each known way to run a program or to write a file works if the operator
//! allows it, and does nothing otherwise.

use crate::support::asterisk::{Call, asterisk};
use agi_rhai::internals::permissions::{NameKind, allowed};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Each way: what must be allowed, and the script, in which `MARK` is the file that proves that it ran.
const WAYS: &[(&str, &str)] = &[
    // Applications that run a program.
    ("System", r#"exec("System", "touch MARK")"#),
    ("TrySystem", r#"exec("TrySystem", "touch MARK")"#),
    ("AGI", r#"exec("AGI", "wall-touch", "MARK")"#),
    ("EAGI", r#"exec("EAGI", "wall-touch", "MARK")"#),
    ("DeadAGI", r#"exec("DeadAGI", "wall-touch", "MARK")"#),
    ("ExternalIVR", r#"answer(); exec("ExternalIVR", "PROGRAM(MARK)")"#),
    ("MixMonitor", r#"answer(); exec("MixMonitor", "MARK.wav,,touch MARK"); stream_file("beep")"#),
    ("MixMonitor", r#"answer(); exec("MixMonitor", "MARK.wav"); stream_file("beep")"#),
    ("Originate", r#"exec("Originate", "Local/answers@callees/n,app,System,touch MARK")"#),
    // Applications that run others.
    ("Exec", r#"exec("Exec", "System(touch MARK)")"#),
    ("Exec", r#"exec("Exec", "Exec(System(touch MARK))")"#),
    ("Exec", r#"set_variable("CMD", "System(touch MARK)"); exec("Exec", "Exec(${CMD})")"#),
    ("Exec", r#"exec("Exec", "Exec(Sys${}tem(touch MARK))")"#),
    ("TryExec", r#"exec("TryExec", "System(touch MARK)")"#),
    ("TryExec", r#"set_variable("CMD", "System(touch MARK)"); exec("TryExec", "TryExec(${CMD})")"#),
    ("ExecIf", r#"exec("ExecIf", "1?System(touch MARK)")"#),
    ("ExecIf", r#"exec("ExecIf", "0?NoOp():System(touch MARK)")"#),
    ("Dial", r#"answer(); exec("Dial", "Local/answers@callees/n,5,gU(wall^MARK)")"#),
    ("Dial", r#"answer(); exec("Dial", "Local/answers@callees/n,5,gb(wall^s^1(MARK))")"#),
    ("Dial", r#"answer(); exec("Dial", "Local/answers@callees/n,5,gB(wall^s^1(MARK))")"#),
    ("Dial", r#"dial("Local/answers@callees/n", 5, "U(wall^MARK)")"#),
    ("Dial", r#"dial("Local/answers@callees/n,5,B(wall^s^1(MARK))", 5)"#),
    ("WaitForCondition", r##"exec("WaitForCondition", `#,#["#{SHELL(touch MARK)}"=""],0.2`)"##),
    // Functions that run a program.
    ("SHELL", r#"get_variable("SHELL(touch MARK)")"#),
    ("SHELL", r#"get_full_variable("a ${SHELL(touch MARK)}")"#),
    ("SHELL", r#"get_full_variable("${SHELL(touch MARK):0:1}")"#),
    ("SHELL", r#"get_full_variable("${LEN(${SHELL(touch MARK)})}")"#),
    ("SHELL", r#"get_full_variable(`$[1 + SHELL("PROGRAM")]`)"#),
    ("SHELL", r#"get_full_variable("${LEN($[SHELL(\"PROGRAM\")])}")"#),
    ("SHELL", r#"set_variable("AGIEXECFULL", true); exec("NoOp", "a", "${SHELL(touch MARK)}")"#),
    ("SHELL", r#"set_variable("AGIEXECFULL", true); exec("Set", "X=${SHELL(touch MARK)}")"#),
    ("SHELL", r#"set_variable("AGIEXECFULL", true); exec("Playback", "${SHELL(touch MARK)}beep")"#),
    // Functions whose argument names another.
    ("EVAL", r#"set_variable("X", "${SHELL(touch MARK)}"); get_full_variable("${EVAL(${X})}")"#),
    ("CUT", r#"get_variable("CUT(SHELL(touch MARK),-,1)")"#),
    ("CUT", r#"set_variable("X", "SHELL(touch MARK)"); get_full_variable("${CUT(${X},-,1)}")"#),
    ("FIELDQTY", r#"get_variable("FIELDQTY(SHELL(touch MARK),-)")"#),
    ("MASTER_CHANNEL", r#"get_variable("MASTER_CHANNEL(SHELL(touch MARK))")"#),
    ("SHIFT", r#"get_variable("SHIFT(SHELL(touch MARK))")"#),
    // Names that only Asterisk resolves.
    ("*", r#"set_variable("X", "SHELL(touch MARK)"); get_full_variable("${${X}}")"#),
    ("*", r#"get_full_variable("${SH${}ELL(touch MARK)}")"#),
    ("*", r#"get_full_variable("${${}SHELL(touch MARK)}")"#),
    ("*", r#"set_variable("X", `SHELL("PROGRAM")`); get_full_variable("$[${X}]")"#),
    ("MSet", r#"set_variable("AGIEXECFULL", true); set_variable("X", "1,FILE(MARK)=x"); exec("MSet", "X=${X}")"#),
    // Functions that write a file.
    ("FILE", r#"set_variable("FILE(MARK)", "x")"#),
    ("FILE", r#"exec("Set", "FILE(MARK)=x")"#),
    ("MSet", r#"exec("MSet", "X=1", "FILE(MARK)=x")"#),
    ("MSet", r#"exec("MSet", `X=1,"FILE(MARK)"=x`)"#),
    ("FILE", r#"set_variable("GLOBAL(FILE(MARK))", "x")"#),
    ("FILE", r#"exec("Set", "GLOBAL(FILE(MARK))=x")"#),
    ("FILE", r#"answer(); exec("Read", "FILE(MARK)", "beep", 1, "", 1, 1)"#),
    ("PUSH", r#"set_variable("PUSH(FILE(MARK))", "x")"#),
    ("ARRAY", r#"set_variable("ARRAY(FILE(MARK))", "x")"#),
    ("SET", r#"get_full_variable("${SET(FILE(MARK)=x)}")"#),
];

/// Returns the file of a way, by its paths in this process and in Asterisk.
fn mark(folder: &str, number: usize) -> (PathBuf, String) {
    let file = asterisk().agi_dir().join(folder).join(format!("mark{number}"));
    let inside = asterisk().inside(&file);
    (file, inside)
}

/// Returns the script of a way. `PROGRAM` writes the mark, too.
fn script(folder: &str, number: usize, text: &str) -> String {
    let (_, inside) = mark(folder, number);
    let name = format!("wall{number}");
    asterisk().program(&format!("{folder}/{name}"), &format!("#!/bin/sh\ntouch {inside}\n"));
    let program = asterisk().inside(&asterisk().agi_dir().join(folder).join(&name));
    text.replace("PROGRAM", &program).replace("MARK", &inside)
}

/// Waits a while for the marks of these ways. Returns those that exist.
fn marked(folder: &str, ways: &[usize], patience: Duration) -> BTreeSet<usize> {
    let begun = Instant::now();
    loop {
        let there = |&number: &usize| {
            let (file, _) = mark(folder, number);
            let recorded = Path::new(&format!("{}.wav", file.display())).exists();
            file.exists() || (WAYS[number].1.contains("MARK.wav") && recorded)
        };
        let found: BTreeSet<usize> = ways.iter().copied().filter(there).collect();
        if found.len() == ways.len() || begun.elapsed() > patience {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn live_scripts_run_nothing_that_is_not_allowed() {
    asterisk().program("wall-touch", "#!/bin/sh\ntouch \"$1\"\n");
    let all: Vec<usize> = (0..WAYS.len()).collect();
    // Allowed, each works.
    let mut failed = Vec::new();
    for (number, (allow, text)) in WAYS.iter().enumerate() {
        let text = script("open", number, text);
        let name = format!("open/way{number}.rhai");
        asterisk().script(&name, &text);
        let option = format!("--allow-exec={allow}");
        let ending = asterisk().call(Call::request("agi-rhai", &[&option, &name])).wait_end();
        if marked("open", &[number], Duration::from_secs(3)).is_empty() {
            failed.push(format!("{allow}: {text}: {} {}", ending.status, ending.error));
        }
    }
    assert!(failed.is_empty(), "these did nothing though they were allowed:\n{}", failed.join("\n"));
    // Otherwise, none does.
    let mut text = String::new();
    for (number, (_, way)) in WAYS.iter().enumerate() {
        let way = script("shut", number, way);
        text.push_str(&format!("try {{ {way}; }} catch (e) {{ set_variable(\"WALL{number}\", e.message); }}\n"));
    }
    asterisk().script("shut/all.rhai", &text);
    let ending = asterisk().call(Call::script("shut/all.rhai", &[])).wait_end();
    assert_eq!(ending.status, "SUCCESS", "{}", ending.error);
    for (number, (allow, way)) in WAYS.iter().enumerate() {
        let message = ending.variables.get(&format!("WALL{number}")).unwrap_or_else(|| panic!("{way}: not refused"));
        let says = if *allow == "*" { "'*'" } else { allow };
        assert!(message.contains("--allow-exec ") && message.contains(says), "{way}: {message}");
    }
    assert_eq!(marked("shut", &all, Duration::from_secs(2)), BTreeSet::new());
}

/// A misspelt name among the allowed ones would be useless.
#[test]
fn live_allowed_applications_and_functions_exist() {
    let reference = fs::read_to_string(asterisk().reference()).unwrap();
    let old = include_str!("../src/pbx/applications.txt");
    for (what, element) in [(NameKind::Application, "application"), (NameKind::Function, "function")] {
        for name in allowed(what) {
            let known = reference.contains(&format!("<{element} name=\"{name}\""))
                || (what == NameKind::Application && old.lines().any(|line| line.split(' ').next() == Some(name)));
            assert!(known, "there is no {element} {name}");
        }
    }
}

/// An allowed function takes its argument as text, even if that is the notation of another function.
#[test]
fn live_allowed_functions_evaluate_nothing_in_their_arguments() {
    let folder = asterisk().agi_dir().join("probes");
    fs::create_dir_all(&folder).unwrap();
    let mark = |name: &str| asterisk().inside(&folder.join(name));
    let mut text = String::new();
    for name in allowed(NameKind::Function) {
        for (does, statement) in [
            ("read", format!("get_variable(\"{name}(SHELL(touch {}))\")", mark(&format!("{name}-read")))),
            ("listed", format!("get_variable(\"{name}(SHELL(touch {}),a,b)\")", mark(&format!("{name}-listed")))),
            ("named", format!("get_variable(\"{name}(X,SHELL(touch {}))\")", mark(&format!("{name}-named")))),
            ("set", format!("set_variable(\"{name}(FILE({}))\", \"x\")", mark(&format!("{name}-set")))),
            ("value", format!("set_variable(\"{name}(X)\", \"${{SHELL(touch {})}}\")", mark(&format!("{name}-value")))),
        ] {
            text.push_str(&format!("try {{ {statement} }} catch {{ print(\"{does} {name}\") }}\n"));
        }
    }
    text.push_str("set_variable(\"DONE\", true);\n");
    asterisk().script("probes/all.rhai", &text);
    let ending = asterisk().call(Call::script("probes/all.rhai", &[])).wait_end();
    assert_eq!(ending.variables.get("DONE").map(String::as_str), Some("1"), "{ending:?}");
    let marks: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(marks, ["all.rhai"]);
}
