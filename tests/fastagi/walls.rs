//! Every function and operator that a script can reach, with extreme values: the process survives, its memory stays
//! small, each script ends within its limits, and a call beside it notices nothing.
//!
//! The functions come from the engine, so that those of a new version of Rhai are covered from the start. Anything that
//! doesn't end here, or takes gigabytes, belongs in `src/script/bounded.rs`.

use super::{NEIGHBOUR, Neighbour, scripts};
use crate::support::process::{ENVIRONMENT, Folder, agi_rhai};
use crate::support::server::{Peer, Server, environment, wait_until};
use agi_rhai::host::fastagi::{self, Admission, EndResponse, listen_on};
use agi_rhai::script::Language;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Values to call functions with. The first of each type is the worst.
const VALUES: &[(&str, &[&str])] = &[
    ("int", &["9223372036854775807", "-9223372036854775807", "1000000", "2000", "0", "-1"]),
    ("float", &["1.0e308", "-1.0e308", "0.0", "0.0 / 0.0"]),
    ("bool", &["true"]),
    ("char", &["'x'", "'\\u{10FFFF}'"]),
    ("text", &["large", "\"\"", "lines", "\"x\"", "json", "\"%s\""]),
    ("array", &["texts", "nested", "many", "[]", "functions"]),
    ("map", &["huge", "wide", "#{}"]),
    ("function", &["|a| large", "|a, b| a == b", "chain", "Fn(\"no_such\")"]),
    ("nothing", &["()"]),
    ("range", &["0..9223372036854775807", "-9223372036854775807..0"]),
    ("inclusive range", &["0..=9223372036854775807", "-9223372036854775807..=0"]),
    (
        "any",
        &[
            "huge",
            "large",
            "texts",
            "nested",
            "chain",
            "9223372036854775807",
            "()",
            "functions",
            "|a| texts",
            "1.0e308",
        ],
    ),
];

/// Makes the named values, as large as the limits permit and larger: Rhai checks no size when a map gets an element by
/// its index.
const MADE_VALUES: &[(&str, &str)] = &[
    ("large", "let large = \"x\"; while large.len < 500000 { large += large; }"),
    ("lines", "let lines = \"a b\\n\"; while lines.len < 500000 { lines += lines; }"),
    ("json", "let json = \"[1,\"; while json.len < 250000 { json += json; } json = \"{\\\"a\\\":\" + json;"),
    ("many", "let many = []; many.pad(2000, 7);"),
    ("texts", "let row = \"x\"; while row.len < 500 { row += row; } let texts = []; texts.pad(1900, row);"),
    ("nested", "let nested = []; for i in 0..1000 { nested = [nested]; } for i in 0..900 { nested = #{ n: nested }; }"),
    ("wide", "let wide = #{}; for i in 0..1900 { wide[`k${i}`] = i; }"),
    (
        "huge",
        "let part = \"x\"; while part.len < 500000 { part += part; } let huge = #{}; for i in 0..3000 { huge[`k${i}`] = part; }",
    ),
    ("chain", "let chain = || 1; for i in 0..2000 { let next = chain; chain = || next; }"),
    (
        "functions",
        "let functions = []; let big = \"x\"; while big.len < 500000 { big += big; } for i in 0..100 { functions.push(|| big); }",
    ),
];

/// Operators of the language, which an engine doesn't list.
const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "**", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=", "in", "!in", "&&",
    "||", "??", "..", "..=", "+=", "-=", "*=", "/=", "%=", "**=", "<<=", ">>=", "&=", "|=", "^=",
];

/// Other statements that evaluate values without a function: branch, iterate, write, destructure, throw.
const STATEMENTS: &[&str] = &[
    "switch A { 1 => 2, _ => 3 }",
    "for x in A { }",
    "`${A}${B}`",
    "A[B]",
    "A[0][0]",
    "A?.b",
    "[A, B, A, B]",
    "#{ a: A, b: B }",
    "throw A",
    "state.a = A; state.b = state",
    "print(A)",
    "debug(A)",
    "say(A)",
    "ask(A, #{ max: B })",
    "verbose(A)",
    "set_variable(A, B)",
    "type_of(A) == B",
    "return A",
    "if A { }",
    "A.call(B)",
    "call(A, B)",
    "curry(A, B)",
    "is_def_fn(A, B)",
    "Fn(A)",
    "let f = A; f = || f; f",
    "let s = A; s.pad(10, B)",
    "let s = A; s[0] = B",
    "let s = A; s.x = B",
    "state.list = A; state.list.for_each(|x| state.sum = x)",
    "let l = A; let f = |x| l.push(x); l.for_each(f)",
];

/// One step of a script.
struct Step {
    /// The values it needs.
    made: String,
    text: String,
}

impl Step {
    fn new(text: String) -> Self {
        let needed = |name: &str| {
            text.match_indices(name).any(|(at, _)| {
                let part = |c: char| c.is_alphanumeric() || c == '_';
                !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part)
            })
        };
        let made =
            MADE_VALUES.iter().filter(|(name, _)| needed(name)).map(|(_, text)| *text).collect::<Vec<_>>().join(" ");
        Self { made, text }
    }

    fn call(name: &str, values: &[&str]) -> Self {
        let operator = !name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        Self::new(match (name, values) {
            ("index$get$", [of, at]) => format!("let v = {of}; v[{at}]"),
            ("index$set$", [of, at, to]) => format!("let v = {of}; v[{at}] = {to}"),
            (name, [of]) if name.starts_with("get$") => format!("let v = {of}; v.{}", &name[4..]),
            (name, [of, to]) if name.starts_with("set$") => format!("let v = {of}; v.{} = {to}", &name[4..]),
            (name, [of]) if operator => format!("{name}({of})"),
            (name, [one, other]) if operator && name.ends_with('=') && !["==", "!=", "<=", ">="].contains(&name) => {
                format!("let v = {one}; v {name} {other}")
            }
            (name, [one, other]) if operator || name == "in" => format!("({one}) {name} ({other})"),
            (name, values) => match values.split_first() {
                Some((first, rest)) => format!("let v = {first}; v.{name}({})", rest.join(", ")),
                None => format!("{name}()"),
            },
        })
    }

    /// Returns its text in a script.
    fn script(&self, way: Way) -> String {
        let Self { made, text } = self;
        match way {
            Way::Once => format!("{made}\n{text};\nverbose(\"past\");"),
            Way::Caught => format!("{made}\nloop {{ try {{ {text}; }} catch {{ }} }}"),
            Way::Closure => format!("{made}\nloop {{ try {{ [1].for_each(|it| {{ {text}; }}); }} catch {{ }} }}"),
            Way::Hangup => format!("hangup();\nfn on_hangup() {{ {made}\n loop {{ try {{ {text}; }} catch {{ }} }} }}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Once,
    Caught,
    Closure,
    Hangup,
}

const WAYS: [Way; 4] = [Way::Caught, Way::Once, Way::Closure, Way::Hangup];

fn values(kind: &str) -> &'static [&'static str] {
    VALUES.iter().find(|(name, _)| *name == kind).map_or(&["()"], |(_, values)| values)
}

/// Returns each function once with the worst values and `more` times with others, each in one of the ways.
fn steps(more: usize) -> Vec<(Step, Way)> {
    let mut chance = StdRng::seed_from_u64(10);
    let mut steps = Vec::new();
    let mut add = |name: &str, types: &[&str], chance: &mut StdRng| {
        for n in 0..=more {
            let choose = |kind: &&str| match n {
                0 => values(kind)[0],
                _ => values(kind)[chance.random_range(0..values(kind).len())],
            };
            let chosen: Vec<&str> = types.iter().map(choose).collect();
            steps.push((Step::call(name, &chosen), WAYS[n % WAYS.len()]));
            if types.is_empty() {
                break;
            }
        }
    };
    for (name, types) in Language::new().reachable() {
        add(&name, &types, &mut chance);
    }
    for name in OPERATORS {
        for kind in ["text", "array", "map", "int", "any"] {
            add(name, &[kind, kind], &mut chance);
        }
        add(name, &["text", "any"], &mut chance);
    }
    let any = values("any");
    for statement in STATEMENTS {
        for (n, one) in any.iter().enumerate() {
            let other = any[chance.random_range(0..any.len())];
            let whole = |text: &str| format!("({text})");
            let text = statement.replace('A', "\u{1}").replace('B', "\u{2}");
            let text = text.replace('\u{1}', &whole(one)).replace('\u{2}', &whole(other));
            steps.push((Step::new(text), WAYS[n % WAYS.len()]));
        }
    }
    steps
}

/// Asterisk hangs up after this many commands: a script may send commands forever.
const MAX_COMMANDS: usize = 40;

/// Plays a call as an Asterisk that hangs up after a while. Returns the lines that report its end to the dialplan.
fn play(mut peer: Peer) -> Vec<String> {
    let mut commands = 0;
    while let Some(line) = peer.line() {
        if line.starts_with("failure") {
            continue;
        }
        commands += 1;
        if commands > MAX_COMMANDS {
            peer.send("HANGUP\n");
            break;
        }
        peer.send(format!("{}\n", crate::support::server::reply(&line)));
    }
    peer.lines
}

#[test]
fn no_step_of_a_script_delays_another_call() {
    // All of them take minutes: `AGI_RHAI_WALLS=8 cargo test --release no_step`.
    let more = std::env::var("AGI_RHAI_WALLS").ok().and_then(|more| more.parse().ok()).unwrap_or(0);
    let steps = steps(more);
    let mut files: Vec<(String, String)> =
        steps.iter().enumerate().map(|(n, (step, way))| (format!("s{n}.rhai"), step.script(*way))).collect();
    files.push((NEIGHBOUR.0.to_owned(), NEIGHBOUR.1.to_owned()));
    let folder = scripts(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let options = ["--unchecked", "--max-computing", "0.05", "--max-on-hangup", "1", "--max-memory", "16"];
    let mut server = Server::start(&folder, &options);
    let rss = server.rss();
    let neighbour = Neighbour::of(&server);
    let next = AtomicUsize::new(0);
    let slow = Mutex::new(Vec::new());
    let placeless = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    let Some((step, way)) = steps.get(n) else { return };
                    let began = Instant::now();
                    if std::env::var_os("AGI_RHAI_WALLS_TALK").is_some() {
                        eprintln!("{n} {way:?} {}", step.text);
                    }
                    let mut peer = server.connect();
                    peer.send(environment(&format!("s{n}")));
                    // A script that sleeps has a caller who hangs up.
                    let quit = peer.stream().try_clone().unwrap();
                    let waits = step.text.contains("sleep");
                    let timer = waits.then(|| {
                        std::thread::spawn(move || {
                            std::thread::sleep(Duration::from_secs(1));
                            let _ = quit.shutdown(std::net::Shutdown::Both);
                        })
                    });
                    let lines = play(peer);
                    timer.map(std::thread::JoinHandle::join);
                    let took = began.elapsed();
                    if let Some(error) = error_of(&lines)
                        && !has_line(error, &format!("s{n}"))
                    {
                        placeless.lock().unwrap().push(format!("{way:?} {}: {error}", step.text));
                    }
                    slow.lock().unwrap().push((took, format!("{way:?} {}", step.text)));
                    if std::env::var_os("AGI_RHAI_WALLS_TALK").is_some() {
                        eprintln!("{n} {took:?} {way:?} {} -> {:?}", step.text, lines.last());
                    }
                }
            });
        }
    });
    assert!(server.is_alive(), "{}", server.log());
    let mut slow = slow.into_inner().unwrap();
    slow.sort();
    let mut list = String::new();
    for (took, what) in slow.iter().rev().take(15) {
        let _ = writeln!(list, "  {took:?} {what}");
    }
    eprintln!("{} steps; the slowest calls:\n{list}", steps.len());
    eprintln!("takeovers: {}", server.metric("agi_rhai_takeovers_total"));
    wait_until("all calls have ended", || server.metric("agi_rhai_calls") <= 1.0);
    eprintln!("resident: {} KiB before, {} after, {} at most", rss, server.rss(), server.peak_rss());
    assert!(server.peak_rss() < rss + 96 * 1024, "its memory stays near the limit of a few calls");
    let placeless = placeless.into_inner().unwrap();
    assert!(placeless.is_empty(), "faults without a line: {placeless:#?}");
    neighbour.check("every step", Duration::from_millis(20));
    server.check_well();
    // The checker reads them, and runs none.
    let checked = agi_rhai(["check"]).arg(folder.path("scripts")).output().unwrap();
    assert!(matches!(checked.status.code(), Some(0 | 1)), "{:?}: {:?}", checked.status, checked.stderr);
    if more > 0 {
        check_in_separate_processes(&steps, &folder);
    }
}

/// Runs the same steps as calls with a process each, and as calls of tests: none ends by a signal or a panic.
fn check_in_separate_processes(steps: &[(Step, Way)], folder: &Folder) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    let Some((step, way)) = steps.get(n) else { return };
                    let script = folder.path(&format!("scripts/s{n}.rhai"));
                    let test = folder.file(
                        &format!("scripts/s{n}.test.rhai"),
                        format!("fn test_it() {{ place_call(\"s{n}\"); hang_up(); }}"),
                    );
                    let replies = "200 result=0\n".repeat(MAX_COMMANDS);
                    for mut program in [
                        agi_rhai(["--unchecked", script.to_str().unwrap()]),
                        agi_rhai(["test", "--unchecked", test.as_str()]),
                    ] {
                        program.env("AGI_RHAI_MAX_COMPUTING", "0.05").stdin(Stdio::piped());
                        let mut child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
                        let _ = child.stdin.take().unwrap().write_all(format!("{ENVIRONMENT}{replies}").as_bytes());
                        let output = child.wait_with_output().unwrap();
                        let said = String::from_utf8_lossy(&output.stderr);
                        assert!(
                            output.status.code().is_some() && !said.contains("panicked"),
                            "{way:?} {}: {:?} {said}",
                            step.text,
                            output.status
                        );
                    }
                }
            });
        }
    });
}

/// Returns the error that the dialplan learns.
fn error_of(lines: &[String]) -> Option<&str> {
    lines.iter().find_map(|line| line.strip_prefix("SET VARIABLE \"AGI_RHAI_ERROR\" \""))
}

/// Whether a fault of this script names a line in it.
fn has_line(error: &str, script: &str) -> bool {
    let place = error.split(&format!("{script}.rhai:")).nth(1);
    place.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Scripts that once ended or froze every call, each with the message of its fault. An empty message means that the
/// machine decides which limit is met first: that of memory or that of computing.
const BOMBS: &[(&str, &str, &str)] = &[
    ("nest", "fn nest(x) { let y = x; || y }\nlet f = 0;\nfor i in 0..70000 { f = nest(f); }", ""),
    ("cells", "let set = |v| 0;\nloop { let n = 0; let get = || n; set.call(get); set = |v| { n = v; }; }", ""),
    ("curry", "let f = |a| 0;\nloop { f = f.curry(f); }", ""),
    ("state", "fn nest(x) { let y = x; || y }\nstate.f = 0;\nloop { state.f = nest(state.f); }", ""),
    ("pad", "let s = \"x\";\ns.pad(10, \"\");\nthrow \"past\";", "past"),
    (
        "replace",
        "let s = \"a\"; while s.len < 32768 { s += s; }\ns.replace(\"a\", s);\nthrow \"past\";",
        "Length of string is too large",
    ),
    (
        "race",
        "state.sum = 0; state.list = [1, 2];\nstate.list.for_each(|x| state.sum += x);",
        "argument #1 of function 'for_each' is in use",
    ),
    (
        "races",
        "state.sum = 0; state.list = [1, 2];\nloop { try { state.list.for_each(|x| state.sum += x); } catch { } }",
        "without a command: an endless loop?",
    ),
    (
        "crop",
        "let t = \"x\"; while t.len < 500000 { t += t; }\nloop { let s = t; s.crop(1, 499999); }",
        "without a command: an endless loop?",
    ),
    (
        "unknown",
        "let t = \"x\"; while t.len < 500000 { t += t; }\nloop { try { call(t); } catch { } }",
        "without a command: an endless loop?",
    ),
    ("print", "for i in 0..500 { state[`k${i}`] = \"a longer text\"; }\nloop { print(state); }", ""),
    ("nothing", "loop { print(\"\"); }", ""),
    ("refused", "loop { try { verbose(\"a\\nb\"); } catch { } }", "without a command: an endless loop?"),
    ("empty", "loop { say_digits(\"\"); }", "without a command: an endless loop?"),
    ("naps", "loop { sleep(0.0000001); }", "without a command: an endless loop?"),
    (
        "this",
        "fn big() { \"LARGE\" }\nfn grow() { THIS verbose(this); `${this}`; }\nlet m = []; m.pad(1900, 0); m.grow();",
        "too large",
    ),
    (
        "written",
        "fn big() { \"LARGE\" }\nfn grow() { THIS `${this}`; }\nlet m = []; m.pad(1900, 0); m.grow();",
        "too large",
    ),
    (
        "expression",
        "let t = \"$[((\"; while t.len < 8000 { t += t; }\nloop { try { get_full_variable(t); } catch { } }",
        "without a command: an endless loop?",
    ),
    (
        "map",
        "let m = #{};\nlet t = \"x\"; while t.len < 500000 { t += t; }\nfor i in 0..3000 { m[`${i}`] = t; }",
        "too large",
    ),
    (
        "hash",
        "let f = [];\nfor i in 0..40 { let t = [i, f]; f.push(|| t); }\nswitch f { 1 => 2 }\nthrow \"past\";",
        "past",
    ),
];

/// The same at the top of an imported script, which runs outside a call.
const IMPORTED: &[(&str, &str, &str)] = &[
    ("nest", "fn nest(x) { let y = x; || y } let f = 0; for i in 0..1000000 { f = nest(f); }", "while it is imported"),
    ("loop", "loop { }", "computes for more than 0.1 s while it is imported"),
    (
        "caught",
        "loop { try { [1].for_each(|x| loop { }); } catch { } }",
        "computes for more than 0.1 s while it is imported",
    ),
    ("memory", "let m = #{}; let i = 0; loop { i += 1; m[`${i}`] = `a text ${i}`; }", "while it is imported"),
    ("deep", "fn f(n) { f(n + 1) + 1 } const A = f(1);", "too deep"),
    ("pad", "let s = \"x\"; s.pad(10, \"\"); throw \"past\";", "past"),
    ("cell", "let n = #{ k: 0 }; let f = || n; export n;", "every call would share it"),
    ("closure", "let n = #{ k: 0 }; let f = |x| n.k += x; export f;", "every call would share it"),
];

fn bombs() -> Folder {
    let sets: String = (0..1900).map(|n| format!("this[{n}] = big(); ")).collect();
    let text = |text: &str| text.replace("LARGE", &"x".repeat(100_000)).replace("THIS", &sets);
    let bombs = BOMBS.iter().map(|(name, bomb, _)| (format!("{name}.rhai"), text(bomb)));
    let files: Vec<_> = bombs.chain([(NEIGHBOUR.0.to_owned(), NEIGHBOUR.1.to_owned())]).collect();
    scripts(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

#[test]
fn bombs_end_only_their_own_calls() {
    let folder = bombs();
    let mut server = Server::start(&folder, &["--unchecked", "--max-computing", "0.2"]);
    let rss = server.rss();
    let neighbour = Neighbour::of(&server);
    std::thread::scope(|scope| {
        for (name, _, expected) in BOMBS {
            let server = &server;
            scope.spawn(move || {
                let played = server.call(name).play();
                let error = played.variable("AGI_RHAI_ERROR").unwrap_or_default();
                assert!(error.contains(expected) && has_line(error, name), "{name}: {played:?}");
            });
        }
    });
    eprintln!("resident: {rss} KiB before, {} at most", server.peak_rss());
    neighbour.check("bombs", Duration::from_millis(50));
    server.check_well();
}

#[test]
fn bombs_end_as_faults_in_a_process_per_call() {
    let folder = bombs();
    for (name, _, expected) in BOMBS {
        let script = folder.path(&format!("scripts/{name}.rhai"));
        let mut program = agi_rhai(["--unchecked", "--max-computing", "0.2", script.to_str().unwrap()]);
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let replies = "200 result=0\n".repeat(20);
        let _ = child.stdin.take().unwrap().write_all(format!("{ENVIRONMENT}{replies}").as_bytes());
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && log.contains(expected), "{name}: {output:?}");
    }
}

#[test]
fn bombs_end_only_their_own_tests() {
    let folder = bombs();
    let tests: String = BOMBS
        .iter()
        .map(|(name, ..)| format!("fn test_{name}() {{ place_call(\"{name}\"); expect_prompt(\"never-played\"); }}\n"))
        .collect();
    folder.file("scripts/bombs.test.rhai", &tests);
    let output = agi_rhai(["test", "--unchecked"]).arg(folder.path("scripts")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let result = format!("0 passed; {} failed", BOMBS.len());
    assert!(output.status.code() == Some(1) && said.contains(&result), "{output:?}");
    for (name, _, expected) in BOMBS {
        assert!(said.contains(&format!("{name}.rhai:")) && said.contains(expected), "{name}: {said}");
    }
}

#[test]
fn bombs_in_imported_scripts_reach_no_call() {
    let folder = scripts([NEIGHBOUR]);
    let mut server = Server::start(&folder, &[]);
    let neighbour = Neighbour::of(&server);
    for (name, text, expected) in IMPORTED {
        folder.file(&format!("scripts/{name}.rhai"), text);
        folder.file("scripts/main.rhai", format!("import \"{name}\" as it;\nverbose(\"well\");"));
        server.wait_for_log(&format!("{name}.rhai"));
        wait_until(name, || server.log().contains(expected));
        for command in [vec!["check"], vec!["serve", "--check", "--scripts"]] {
            let what = if command.len() == 1 { "scripts/main.rhai" } else { "scripts" };
            let output = agi_rhai(command.iter()).arg(folder.path(what)).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(1) && said.contains(expected), "{command:?} {name}: {output:?}");
        }
        std::fs::remove_file(folder.path(&format!("scripts/{name}.rhai"))).unwrap();
    }
    // The loader goes on.
    folder.file("scripts/main.rhai", "verbose(\"at last\");");
    wait_until("the edit is live", || server.call("main").play().said() == ["at last"]);
    neighbour.check("edits with bombs", Duration::from_millis(50));
    server.check_well();
}

#[test]
fn closures_that_capture_themselves_leak_nothing() {
    let text = "let large = \"x\"; while large.len < 200000 { large += large; }";
    let folder = scripts([
        ("own.rhai", format!("{text} let f = (); f = || [f, large];").as_str()),
        ("state.rhai", format!("{text} state.large = large; state.f = || state;").as_str()),
        ("hangup.rhai", format!("{text} let f = (); f = || [f, large]; hangup(); fn on_hangup() {{ }}").as_str()),
    ]);
    let server = Server::start(&folder, &[]);
    let play = |times: usize| {
        for _ in 0..times {
            for name in ["own", "state", "hangup"] {
                server.call(name).play();
            }
        }
    };
    play(20);
    let rss = server.rss();
    play(150);
    // All of it would be 110 MiB.
    assert!(server.rss() < rss + 20 * 1024, "{rss} KiB before, {} after", server.rss());
}

#[test]
fn a_server_can_be_ended_while_it_compiles() {
    let folder = scripts([NEIGHBOUR]);
    folder.file("scripts/slow.rhai", "loop { }");
    for n in 0..300 {
        folder.file(&format!("scripts/s{n}.rhai"), "import \"slow\" as slow;");
    }
    let mut server = Server::launch(&folder, &[], |_| {});
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.is_alive() && !server.log().contains(" serves "), "{}", server.log());
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    server.wait_for_log("stopped while the scripts were being compiled");
}

/// The last resort: a function that doesn't return, of an embedder or of a future Rhai.
#[test]
fn a_step_that_does_not_end_is_reported_and_delays_no_other_call() {
    let folder = Folder::new();
    folder.file("scripts/stuck.rhai", "noop();\nblock();\nverbose(\"past\");");
    folder.file("scripts/quick.rhai", "verbose(\"well\");");
    let gate = Arc::new(Mutex::new(()));
    let mut module = rhai::Module::new();
    let behind = Arc::clone(&gate);
    rhai::FuncRegistration::new("block").in_global_namespace().set_into_module(&mut module, move || {
        drop(behind.lock());
    });
    let mut host = agi_rhai::Host::new();
    host.language_mut().add(module);
    let (library, _) = host.library(&folder.path("scripts")).unwrap();
    let listener = listen_on("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let server = fastagi::Server::start(host, library, Admission::default(), vec![listener]).unwrap();
    let call = |script: &str| {
        let mut peer = Peer::connect(address);
        peer.send(environment(script));
        peer
    };
    let closed = gate.lock().unwrap();
    // More than there are threads.
    let mut stuck: Vec<Peer> = (0..6).map(|_| call("stuck")).collect();
    for peer in &mut stuck {
        peer.answer("NOOP", "200 result=0");
    }
    // Connections accepted now find a thread, again and again.
    for _ in 0..20 {
        assert_eq!(call("quick").play().said(), ["well"]);
    }
    assert_eq!(server.stuck_calls(), 0, "a second has not passed");
    wait_until("they are reported", || server.stuck_calls() == 6);
    assert!(server.metrics(0).contains("agi_rhai_stuck_calls 6"));
    assert_eq!(call("quick").play().said(), ["well"]);
    let first = server.live().iter().map(|live| live.id).min().unwrap();
    assert_eq!(server.end_call(first), EndResponse::AfterStep);
    assert_eq!(server.end_call(u64::MAX), EndResponse::UnknownCall);
    // They go on where they were, except the one that was ended.
    drop(closed);
    let ends: Vec<String> = stuck.into_iter().map(|peer| peer.play().status().to_owned()).collect();
    assert_eq!(ends.iter().filter(|status| *status == "SUCCESS").count(), 5, "{ends:?}");
    wait_until("no call is left", || server.calls() == 0 && server.stuck_calls() == 0);
    server.join();
}
