//! The values of a call, and constants: whatever reads them works, whatever would change them is a fault.

use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::Language;
use agi_rhai::script::rhai::{Dynamic, EvalAltResult, Module};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Outcome, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

type Notes = Arc<Mutex<Vec<String>>>;

fn host() -> (Host, Notes) {
    let notes = Notes::default();
    let noted = Arc::clone(&notes);
    let mut module = Module::new();
    module.set_native_fn("note", move |value: Dynamic| -> Result<(), Box<EvalAltResult>> {
        noted.lock().unwrap().push(value.to_string());
        Ok(())
    });
    let mut host = Host::new();
    host.language_mut().add(module);
    (host, notes)
}

fn run(host: &Host, text: &str) -> Outcome {
    let script = host.compile("test.rhai", text).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
    let channel = Channel::new(IncomingCall::default(), Box::new(Plan::default()));
    let session = Session::begin(Box::new(Simulator::new(channel))).unwrap();
    let params = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    host.run_with(session, &script, ["b", "a", "a", "c"].map(str::to_owned).to_vec(), params)
}

/// Returns values of a type, as scripts write them.
fn samples(kind: &str) -> &'static [&'static str] {
    match kind {
        "int" => &["0", "1", "9"],
        "float" => &["1.5"],
        "bool" => &["true"],
        "char" => &["'a'"],
        "text" => &["\"a\"", "\"len\""],
        "array" => &["[\"b\"]"],
        "map" => &["#{ a: \"7\", c: 1 }"],
        "function" => &["|x| x != \"a\"", "|x, y| x > y", "|x, y| if x < y { -1 } else { 1 }", "|x| ()"],
        "nothing" => &["()"],
        "range" => &["0..1"],
        "inclusive range" => &["0..=0"],
        _ => &["\"a\"", "1", "()"],
    }
}

/// Returns all lists with one value of each of these types.
fn combinations(types: &[&str]) -> Vec<String> {
    types.iter().fold(vec![String::new()], |lists, kind| {
        let longer = |list: &String| {
            samples(kind)
                .iter()
                .map(|value| if list.is_empty() { (*value).to_owned() } else { format!("{list}, {value}") })
                .collect::<Vec<_>>()
        };
        lists.iter().flat_map(longer).collect()
    })
}

/// Finds out by calling each of Rhai's methods, for a variable and for a value that is read-only.
#[test]
fn methods_that_read_a_value_work_when_it_is_read_only() {
    let language = Language::new();
    let methods: BTreeSet<(String, Vec<&str>)> = language
        .reachable()
        .into_iter()
        .filter(|(name, types)| {
            let is_method = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let own = matches!(types.first(), Some(&("array" | "map" | "text")));
            // These are words, which have no form as a method.
            let is_word = ["debug", "print"].contains(&name.as_str());
            is_method && !is_word && own && language.function(name).is_none()
        })
        .collect();
    assert!(methods.len() > 150, "{}", methods.len());
    let (host, notes) = host();
    // By method: whether it has changed the value, and what it did to the variable and to the value that is read-only.
    let mut calls: BTreeMap<String, (bool, Vec<[String; 3]>)> = BTreeMap::new();
    for (name, types) in &methods {
        let value = match types[0] {
            "array" => "args",
            "map" => "params",
            _ => "TEXT",
        };
        for args in combinations(&types[1..]) {
            notes.lock().unwrap().clear();
            let script = format!(
                "const TEXT = \" A ab\"; let copy = {value}; let was = `${{copy}}`; \
                 try {{ note(`${{copy.{name}({args})}}`); }} catch {{ note(\"failed\"); }} note(was != `${{copy}}`); \
                 try {{ note(`${{{value}.{name}({args})}}`); }} catch (e) {{ note(`failed`); }} note(was != `${{{value}}}`);"
            );
            run(&host, &script);
            let notes = notes.lock().unwrap();
            let [expected, is_changed, got, is_broken] = &notes[..] else { panic!("{name}({args}): {notes:?}") };
            assert_eq!(is_broken, "false", "{value}.{name}({args}) has changed it");
            let (changes, calls) = calls.entry(format!("{value}.{name}")).or_default();
            *changes |= is_changed == "true";
            calls.push([args, expected.clone(), got.clone()]);
        }
    }
    let counts = [false, true].map(|changes| calls.values().filter(|calls| calls.0 == changes).count());
    assert!(counts[0] > 50 && counts[1] > 30, "{counts:?} methods read and change");
    for (method, (changes, calls)) in calls {
        for [args, expected, got] in calls {
            let expected = if changes { "failed" } else { &expected };
            assert_eq!(got, expected, "{method}({args}), which changes its value: {changes}");
        }
    }
}

#[test]
fn changing_a_value_that_is_read_only_is_a_fault_that_says_so() {
    let copy = "change a copy: `let x =";
    for (text, expected) in [
        ("args.push(1);", format!("1:1: `args` cannot be changed, not even by `.push()`; {copy} args; x.push(...);`")),
        (
            "const LIST = [1]; LIST.push(2);",
            "1:19: `LIST` is a constant: `.push()` cannot change it; define it with `let LIST = ...`".to_owned(),
        ),
        (
            "fn f() { env.clear(); } f();",
            format!("1:10: `env` cannot be changed, not even by `.clear()`; {copy} env; x.clear();`"),
        ),
        (
            "args.for_each(|| this = 1);",
            format!("1:1: `args` cannot be changed, not even by `.for_each()`; {copy} args; x.for_each(...);`"),
        ),
    ] {
        let fault = run(&host().0, text).fault.unwrap_or_else(|| panic!("no fault: {text}"));
        assert_eq!(fault.to_string(), format!("test.rhai:{expected}"), "{text}");
    }
}

#[test]
fn constants_can_be_read_as_global_in_every_script() {
    for (text, expected) in [
        ("const K = 5; note(global::K);", "5"),
        ("const K = 5; if true { note(global::K + 1); }", "6"),
        ("const K = 5; const L = global::K + 2; note(global::L);", "7"),
        ("const K = 5; let f = || global::K; note(f.call());", "5"),
        ("const K = 5; fn f() { || global::K } note(f().call());", "5"),
        ("const K = [1]; note(global::K[0] + global::K.len());", "2"),
    ] {
        let (host, notes) = host();
        let outcome = run(&host, text);
        assert!(outcome.fault.is_none(), "{:?}\n{text}", outcome.fault);
        assert_eq!(*notes.lock().unwrap(), [expected], "{text}");
    }
    let fault = run(&host().0, "note(global::NONE);").fault.unwrap();
    assert_eq!(
        fault.to_string(),
        "test.rhai:1:14: the script has no constant `NONE`; define it outside of functions: `const NONE = ...;`"
    );
}
