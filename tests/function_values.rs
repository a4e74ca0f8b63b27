//! A function runs in the script that wrote it, whoever calls it: with that script's constants, functions and
//! imports, and under its name in faults and coverage.

use crate::support::process::Folder;
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::rhai::{Dynamic, EvalAltResult, FnPtr, Module, NativeCallContext};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Outcome, Script, Session, Status};
use std::fs;
use std::sync::{Arc, Mutex, Weak};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// A library that calls what it is given. Everything in it has a namesake in the script, and in the other library.
const HOUSE: &str = r#"
import "second" as second;
import "own/house" as tools;
const WHO = "house";
export const GIVEN = || who();
export const NAMED = Fn("who");
fn who() { global::WHO }
fn place() { here() }
fn first(map) { map["1"].call() }
fn call_it(f) { f.call() }
fn call_with(f, x) { call(f, x) }
fn method(object, f) { object.call(f, 2) }
fn member(object) { object.go_on(2) }
fn deeper(f) { second::call_it(|| second::call_it(f)) }
fn each(list, f) { list.map(f) }
fn sorted(list, f) { list.sort(f); list }
fn kept(list, f) { list.filter(f) }
fn summed(list, f) { list.reduce(f, "") }
fn visited(list, f) { list.for_each(f); list }
fn asked(f) { menu("beep", #{ "1": f }) }
fn tried(f) { attempt(f) }
fn again(f, n) { if n == 0 { "end" } else { f.call(f, n - 1) } }
fn keep(f) { state.kept = f }
fn run_kept() { state.kept.call() }
fn give() { || who() + place() }
fn give_named() { Fn("who") }
fn give_value() { who }
fn give_adder(x) { |y| x + y + who() }
fn give_tool() { || tools::name() }
"#;

const SECOND: &str = r#"
const WHO = "second";
fn who() { global::WHO }
fn place() { here() }
fn call_it(f) { f.call() }
fn give() { || who() }
"#;

const HEAD: &str = r#"import "house" as house; import "second" as second; import "own/main" as tools; const WHO = "main"; fn who() { global::WHO } fn place() { here() } fn double(x) { x * 2 } fn down(a, b) { b - a } "#;

fn folder(script: &str) -> Folder {
    let folder = Folder::new();
    folder.file("main.rhai", format!("{HEAD}{script}"));
    folder.file("house.rhai", HOUSE);
    folder.file("second.rhai", SECOND);
    folder.file("own/main.rhai", r#"fn name() { "tools of main" }"#);
    folder.file("own/house.rhai", r#"fn name() { "tools of house" }"#);
    folder
}

/// A value that reports whether it is still alive.
#[derive(Clone)]
struct Token(#[expect(dead_code, reason = "only its count is read")] Arc<()>);

type Notes = Arc<Mutex<Vec<String>>>;

/// Returns a host whose scripts can note values and places, have closures called by a function of an embedder, and
/// make values that are counted.
fn host() -> (Host, Notes, Weak<()>) {
    let notes = Notes::default();
    let mut module = Module::new();
    let noted = Arc::clone(&notes);
    module.set_native_fn("note", move |value: Dynamic| -> Result<()> {
        noted.lock().unwrap().push(value.to_string());
        Ok(())
    });
    module.set_native_fn("here", |context: NativeCallContext| -> Result<String> {
        let script = context.call_source().unwrap_or_default();
        Ok(script.rsplit('/').next().unwrap_or_default().to_owned())
    });
    module.set_native_fn("attempt", |context: NativeCallContext, function: FnPtr| -> Result<Dynamic> {
        function.call_within_context(&context, ())
    });
    let token = Arc::new(());
    let weak = Arc::downgrade(&token);
    let token = Mutex::new(Some(token));
    module.set_native_fn("token", move || -> Result<Dynamic> {
        Ok(Dynamic::from(Token(token.lock().unwrap().take().ok_or("there is one token only")?)))
    });
    let mut host = Host::new();
    host.language_mut().add(module);
    (host, notes, weak)
}

fn run(host: &Host, script: &Script, caller: &str) -> Outcome {
    let channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse(caller).unwrap()));
    host.run(Session::begin(Box::new(Simulator::new(channel))).unwrap(), script, vec![])
}

/// Runs a script, and returns what it has noted.
#[track_caller]
fn notes(script: &str, caller: &str) -> Vec<String> {
    let folder = folder(script);
    let (host, notes, _) = host();
    let script = host.load(&folder.path("main.rhai"), None).unwrap_or_else(|error| panic!("{error:#}"));
    let outcome = run(&host, &script, caller);
    if let Some(fault) = outcome.fault {
        panic!("{}", fault.render(false));
    }
    let notes = notes.lock().unwrap();
    notes.clone()
}

#[test]
fn functions_run_where_they_were_written_whatever_calls_them() {
    for (expression, expected) in [
        // Closures, names as texts and names as values.
        ("house::call_it(|| who())", "main"),
        (r#"house::call_it(Fn("who"))"#, "main"),
        (r#"let name = "who" ;; house::call_it(Fn(name))"#, "main"),
        ("house::call_it(who)", "main"),
        ("house::call_it(|| global::WHO)", "main"),
        ("house::call_it(|| place())", "main.rhai"),
        (r#"house::call_it(Fn("place"))"#, "main.rhai"),
        ("house::call_it(|| tools::name())", "tools of main"),
        // Stored, curried, captured, nested.
        (r#"house::first(#{ "1": || who() })"#, "main"),
        ("let list = [|| who(), who] ;; house::call_it(list[0]) + house::call_it(list[1])", "mainmain"),
        ("let f = |x| x + who() ;; house::call_it(f.curry(\"x \"))", "x main"),
        ("house::call_it(curry(Fn(\"double\"), 4))", "8"),
        ("let x = 1 ;; house::call_with(|y| { x += y; who() }, 5) + x", "main6"),
        ("house::call_it(|| house::call_it(|| who() + second::call_it(|| who())))", "mainmain"),
        ("house::deeper(|| who() + place())", "mainmain.rhai"),
        ("house::deeper(who)", "main"),
        ("house::keep(|| who()) ;; house::run_kept()", "main"),
        ("state.kept = who ;; house::run_kept()", "main"),
        (
            "fn local() { import \"own/house\" as inner; house::call_it(|| inner::name() + tools::name()) } ;; local()",
            "tools of housetools of main",
        ),
        // `this`.
        ("house::method(#{ a: 1 }, |x| { this.a += x; this.a + who() })", "3main"),
        ("house::member(#{ a: 1, go_on: |x| this.a + x + who() })", "3main"),
        ("let k = 10; let o = #{ a: 1 } ;; house::method(o, |x| { this.a += x + k; who() })", "main"),
        // Rhai's functions and the host's.
        ("house::each([1, 2], |x| x + who())", r#"["1main", "2main"]"#),
        ("house::each([1, 2], |x, at| x + who() + at)", r#"["1main0", "2main1"]"#),
        ("house::each([1, 2], || this + who())", r#"["1main", "2main"]"#),
        (r#"house::each([1, 2], Fn("double"))"#, "[2, 4]"),
        ("house::each([1, 2], double)", "[2, 4]"),
        ("house::sorted([1, 3, 2], |a, b| down(a, b))", "[3, 2, 1]"),
        (r#"house::sorted([1, 3, 2], Fn("down"))"#, "[3, 2, 1]"),
        ("house::kept([1, 2], |x| double(x) == 4)", "[2]"),
        ("house::summed([1, 2], |all, x| all + x + who())", "1main2main"),
        ("house::visited([1, 2], || this = double(this))", "[2, 4]"),
        ("house::asked(|| who())", "main"),
        ("house::asked(who)", "main"),
        ("house::tried(|| who() + place())", "mainmain.rhai"),
        ("house::tried(who)", "main"),
        (r#"house::call_with(Fn("len"), "four")"#, "4"),
        // Given by a library.
        ("house::give().call()", "househouse.rhai"),
        ("house::give_named().call()", "house"),
        ("house::give_value().call()", "house"),
        ("house::give_adder(1).call(2)", "3house"),
        ("house::give_tool().call()", "tools of house"),
        ("house::GIVEN.call() + house::NAMED.call()", "househouse"),
        ("second::call_it(house::give())", "househouse.rhai"),
        ("house::call_it(second::give())", "second"),
        ("[1].map(house::give_adder(1))", r#"["2house"]"#),
        // Recursion, with the library between the steps.
        (r#"house::again(|f, n| who() + house::again(f, n), 3)"#, "mainmainmainend"),
        // A variable that is passed keeps its value.
        ("let x = 5; let f = |y| y ;; call(f, x) + x", "10"),
        (r#"let x = "a"; let f = Fn("who") ;; call(|y| y + f.call(), x) + x"#, "amaina"),
        // What a script sees of them.
        (
            r#"[Fn("who").name, who.name, Fn("who").is_anonymous, (|| 1).is_anonymous]"#,
            r#"["who", "who", false, true]"#,
        ),
        (r#"`${Fn("who")} ${who} ${[Fn("len")]}`"#, r#"Fn(who) Fn(who) [Fn("len")]"#),
        (r#"#{ f: Fn("who") }.to_json()"#, r#"{"f":"Fn(who)"}"#),
    ] {
        let (before, last) = expression.split_once(";;").unwrap_or(("", expression));
        let script = format!("{before};note({last});");
        assert_eq!(notes(&script, "presses 1 after 1s").last().map(String::as_str), Some(expected), "{script}");
    }
}

#[test]
fn a_function_may_be_named_by_a_value() {
    let host = Host::new();
    // Rhai has `map` call a function of the host with the index instead of the element.
    for (script, imported, sent) in [
        ("Fn(args[0]).call(\"hello\");", "", "hello"),
        ("[\"hello\"].filter (args[0]);", "", "hello"),
        ("let name = args[0]; /* ü */ [\"hello\"].for_each(|x| [x].map(name));", "", "0"),
        ("import \"other\" as other; other::run(args[0]);", "fn run(name) { Fn(name).call(\"hello\") }", "hello"),
        ("import \"other\" as other; other::say();", "fn say() { verbose(\"hello\") }", "hello"),
    ] {
        let folder = Folder::new();
        folder.file("other.rhai", imported);
        let script = host.load(folder.file("main.rhai", script).as_ref(), None).unwrap();
        let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::default())));
        let transcript = simulator.transcript();
        let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec!["verbose".into()]);
        assert!(outcome.fault.is_none(), "{:?}", outcome.fault);
        let lines = transcript.lock().unwrap();
        assert!(lines.contains(&format!("C: VERBOSE \"{sent}\" 1")), "{lines:?}");
    }
}

#[test]
fn closures_of_the_same_text_at_the_same_place_stay_apart() {
    let folder = Folder::new();
    let text = |other: &str, name: &str| {
        format!("{other}\nfn own() {{ \"{name}\" }}\nfn give() {{ [|| own(), |x| [x].map(|y| `${{y}}${{own()}}`)] }}\n")
    };
    let main =
        "for f in [give(), a::give(), b::give()] { note(f[0].call()); note(f[1].call(1)[0]); note(b::run(f[0])); }";
    folder.file("main.rhai", text("import \"a\" as a; import \"b\" as b;", "main") + main);
    folder.file("a.rhai", text("import \"b\" as b;", "a"));
    folder.file("b.rhai", text("fn run(f) { f.call() }", "b"));
    let (host, notes, _) = host();
    let script = host.load(&folder.path("main.rhai"), None).unwrap();
    let outcome = run(&host, &script, "");
    assert!(outcome.fault.is_none(), "{:?}", outcome.fault);
    let expected = ["main", "1main", "main", "a", "1a", "a", "b", "1b", "b"];
    assert_eq!(*notes.lock().unwrap(), expected);
}

#[test]
fn a_fault_is_placed_in_the_script_that_wrote_the_function() {
    for (script, place) in [
        ("\n\nhouse::call_it(|| 1 + ());", "main.rhai:3:21"),
        ("\n\nfn bad() { throw \"oh\" }\nhouse::deeper(bad);", "main.rhai:3:12"),
        ("\nhouse::each([1], |x| x.nothing());", "main.rhai:2:24"),
        ("\nfn f(a) {}\nhouse::call_it(Fn(\"f\"));", "house.rhai:10:19"),
    ] {
        let folder = folder(script);
        let (host, ..) = host();
        let loaded = host.load(&folder.path("main.rhai"), None).unwrap();
        let fault = run(&host, &loaded, "").fault.unwrap_or_else(|| panic!("no fault: {script}")).to_string();
        assert!(fault.contains(&format!("/{place}: ")), "{fault}\n{script}");
    }
}

#[test]
fn lines_of_functions_are_covered_where_they_were_written() {
    let folder = folder("\nlet f = || {\n    who();\n};\nhouse::call_it(f);\nhouse::give().call();\n");
    let (host, ..) = host();
    let path = folder.path("main.rhai");
    let mut script = host.load(&path, None).unwrap();
    let coverage = script.cover();
    assert_eq!(run(&host, &script, "").status, Status::Success);
    let ran = |name: &str| {
        let name = folder.path(name).to_string_lossy().into_owned();
        coverage.lines(&name).into_iter().filter(|(_, ran)| *ran).map(|(line, _)| line).collect::<Vec<_>>()
    };
    assert_eq!(ran("main.rhai"), [1, 2, 3, 5, 6]);
    let line = |text: &str| HOUSE.lines().position(|line| line.starts_with(text)).unwrap() + 1;
    let house = ran("house.rhai");
    for text in ["fn call_it(", "fn give()", "fn who()", "fn place()"] {
        assert!(house.contains(&line(text)), "{text}: {house:?}");
    }
    for text in ["fn first", "fn give_adder", "fn keep"] {
        assert!(!house.contains(&line(text)), "{text}: {house:?}");
    }
}

#[test]
fn functions_run_where_they_were_written_after_a_hangup() {
    let script = "const MADE = who() + 1; fn on_hangup() { note(house::call_it(|| who() + global::MADE + tools::name())); \
                  note(house::give().call()); } sleep(5);";
    assert_eq!(notes(script, "hangs up after 1s"), ["mainmain1tools of main", "househouse.rhai"]);
}

#[test]
fn tests_of_scripts_call_functions_where_they_were_written() {
    let folder = Folder::new();
    let script =
        |name: &str| format!("const WHO = \"{name}\"; fn who() {{ global::WHO }} fn call_it(f) {{ f.call() }} ");
    folder.file("second.rhai", script("second") + "fn give() { || who() }");
    // The test has an import and a namesake of its own.
    let plays = r#"if menu("beep", #{ "1": || second::call_it(|| who()) }) != "main" { throw "wrong" }"#;
    folder.file("main.rhai", format!("import \"second\" as second; {}{plays}", script("main")));
    fs::write(
        folder.path("main.test.rhai"),
        r#"
import "second" as second;
const WHO = "test";
fn who() { global::WHO }
fn test_it() {
    place_call("main");
    wait_for("beep");
    press("1");
    expect_end();
    let names = [second::call_it(|| who()), second::call_it(who), second::give().call()];
    expect(names == ["test", "test", "second"], `${names}`);
}
"#,
    )
    .unwrap();
    let output = crate::support::process::agi_rhai(&["test", &folder.path("main.test.rhai").to_string_lossy()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

/// Everything that a call has made is gone at its end.
#[test]
fn nothing_keeps_the_values_of_a_call_alive() {
    for script in [
        "const KEPT = token(); house::call_it(|| global::KEPT);",
        "let kept = token(); house::call_it(|| kept);",
        "let kept = token(); const CLOSURE = || kept; house::keep(CLOSURE); house::run_kept();",
        "state.kept = token(); let f = || state.kept; state.f = f; house::call_it(f);",
        "state.kept = house::give_adder(token());",
        "fn f(x) { house::call_it(|| x) } f(token());",
    ] {
        let folder = folder(script);
        let (host, _, weak) = host();
        let loaded = host.load(&folder.path("main.rhai"), None).unwrap();
        let outcome = run(&host, &loaded, "");
        assert!(outcome.fault.is_none(), "{:?}", outcome.fault);
        assert!(weak.upgrade().is_none(), "{script}");
    }
}
