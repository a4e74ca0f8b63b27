//! `agi-rhai check` on what people write who come from another language or from the dialplan: each rule finds the habit,
//! and nothing that only looks like it.

use crate::support::process::Folder;
use agi_rhai::script::Language;
use agi_rhai::tools::check::{Checker, Finding};
use std::path::Path;

fn findings(name: &str, script: &str) -> Vec<Finding> {
    Checker::new(&Language::new()).check(Path::new(name), script)
}

/// Checks what one rule finds in a script after `answer();`: `line:column message`, and the hint after an arrow.
#[track_caller]
fn finds(rule: &str, script: &str, expected: &[&str]) {
    let found: Vec<String> = findings("game.rhai", &format!("answer();\n{script}"))
        .into_iter()
        .filter(|finding| finding.rule == rule)
        .map(|f| format!("{}:{} {} -> {}", f.line - 1, f.column, f.message, f.hint.unwrap_or_default()))
        .collect();
    assert_eq!(found, expected, "in {script}");
}

/// Checks that a rule finds exactly one thing in each of these scripts.
#[track_caller]
fn each(rule: &str, scripts: &[&str]) {
    for script in scripts {
        let found = findings("game.rhai", &format!("answer();\n{script}"));
        assert_eq!(found.iter().filter(|f| f.rule == rule).count(), 1, "{script}: {found:#?}");
    }
}

/// Checks that a rule finds nothing in any of these scripts.
#[track_caller]
fn none(rule: &str, scripts: &[&str]) {
    for script in scripts {
        let found = findings("game.rhai", &format!("answer();\n{script}"));
        assert!(found.iter().all(|f| f.rule != rule), "{script}: {found:#?}");
    }
}

#[test]
fn the_value_of_a_function_that_returns_nothing_is_reported() {
    finds(
        "no-value",
        "let n = caller(\"\").replace(\"+\", \"00\"); let names = [\"b\"]; print(names.sort()); print(`${n}`);",
        &[
            "1:20 `.replace()` changes the value before the dot, and returns nothing -> put the value into a variable \
             first: `let x = ...; x.replace(...);`, and then use `x`",
            "1:71 `.sort()` changes the value before the dot, and returns nothing -> write `names.sort();` on a line of \
             its own, and then use `names`",
        ],
    );
    each(
        "no-value",
        &[
            "let t = \" x \"; t = t.trim(); print(t);",
            "let l = [1]; print(l.push(2));",
            "let l = [1]; print([l.reverse()]);",
            "let l = [1]; print(#{ a: l.reverse() });",
            "let t = \"x\"; print(`${t.make_upper()}`);",
            "let t = \"x\"; if t.trim() == \"x\" { hangup(); }",
            "let l = [1]; if l.push(5) { hangup(); }",
            "state.l = [1]; print(state.l.sort());",
            "let l = [[2, 1]]; print(l[0].sort());",
            "let l = [1]; print(push(l, 1));",
            "let a = answer(); print(a);",
            "print(sleep(1));",
            "print(set_variable(\"A\", 1));",
            "let x = database_put(\"a\", \"b\", 1); print(x);",
        ],
    );
    none(
        "no-value",
        &[
            "let t = \" x \"; t.trim(); print(t);",
            "let l = [1, 2]; print(l.pop()); print(l.shift()); print(l.remove(0)); print(l.drain(|x| x > 1));",
            "let m = #{ a: 1 }; print(m.remove(\"a\"));",
            "fn trim(x) { this + x } let t = \"x\"; print(t.trim(5));",
            "fn sort() { this } let t = [1]; print(t.sort());",
            "let m = #{ push: |x| x }; print(m.push(1));",
            "print(\"a b\".to_upper().split(\" \"));",
            "if env.agi_callerid == \"1\" { answer() } else { hangup() }",
            "switch wait_for_digit(5000) { \"1\" => answer(), _ => sleep(1) }",
            "let done = || answer(); done.call();",
            "print(exec(\"NoOp\"));",
            "fn answer() { 1 } print(answer());",
        ],
    );
}

#[test]
fn a_change_that_nothing_keeps_is_reported() {
    finds(
        "lost-change",
        "caller(\"\").trim(); fn strip(text) { text.replace(\" \", \"\") } print(strip(\"a\"));",
        &[
            "1:12 `.trim()` changes a value that nothing keeps -> put it into a variable first: `let x = ...; x.trim();`",
            "1:42 `.replace()` changes this function's own copy of `text`, and returns nothing -> to return the changed \
             value, write `text` on a line after it",
        ],
    );
    each(
        "lost-change",
        &[
            "\" x \".trim();",
            "let m = #{}; m.get(\"names\").push(1);",
            "fn add(list) { list.push(1); } let l = []; add(l); print(l);",
            "let l = [\" a\"]; print(l.map(|x| x.trim()));",
            "let l = [1]; l.filter(|x| x > 0).sort();",
        ],
    );
    none(
        "lost-change",
        &[
            "let l = [1]; l.sort();",
            "state.names = []; state.names.push(1); state[\"names\"].push(1); state.names[0].a.b = 1;",
            "fn add(list) { list.push(1); list } print(add([]));",
            "fn add(x) { this.push(x); } let l = []; l.add(1); print(l);",
            "let l = []; let add = |x| l.push(x); add.call(1); print(l);",
            "let l = [1]; l.pop(); caller(\"\").pop();",
            "let l = [[1]]; for x in l { x.push(1); print(x); }",
            "fn f(names) { names.sort(); say(names[0]); } f([\"a\"]);",
        ],
    );
}

#[test]
fn the_value_of_a_method_that_only_computes_is_reported_where_it_is_not_used() {
    each(
        "unused-value",
        &[
            "let t = \"x\"; t.to_upper(); print(t);",
            "let n = \"5\"; to_number(n); print(n);",
            "let l = [1]; l.len(); print(l);",
            "\"a,b\".split(\",\"); print(1);",
        ],
    );
    none(
        "unused-value",
        &[
            "let l = [1]; l.for_each(|| print(this)); print(1);",
            "let l = [1]; l.map(|x| say(x)); print(1);",
            "fn play(x) { say(x) } let l = [1]; l.map(play); l.map(Fn(\"play\")); print(1);",
            "let l = [1]; l.pop(); shuffle(l); print(l);",
            "fn len(x) { say(x) } len(1); print(1);",
            "let m = #{ len: |x| say(x) }; m.len(1); print(1);",
            "print(1); debug(2); exec(\"NoOp\"); sleep(1); print(3);",
            "let f = |x| say(x); f.call(1); print(1);",
        ],
    );
}

#[test]
fn constants_and_values_of_the_call_cannot_be_changed_by_methods() {
    finds(
        "read-only",
        "args.push(1);\nenv.agi_callerid.trim();\nconst LIST = [1];\nLIST.push(2);",
        &[
            "1:1 `args` cannot be changed, not even by `.push()` -> change a copy: `let x = args; x.push(...);`",
            "2:1 `env` cannot be changed, not even by `.trim()` -> change a copy: `let x = env.agi_callerid; x.trim();`",
            "4:1 `LIST` is a constant: `.push()` cannot change it -> define it with `let LIST = ...`",
        ],
    );
    each(
        "read-only",
        &[
            "print(args.pop());",
            "args[0].trim();",
            "params.set(\"a\", 1);",
            "params.list.replace(\"a\", \"b\");",
            "args.split(1);",
            "const NAME = \" x\"; NAME.pad(5, \" \");",
        ],
    );
    none(
        "read-only",
        &[
            "state.list = []; state.list.push(1);",
            "let args = []; args.push(1); print(args);",
            "print(env.agi_callerid.split(\",\")); print(args.len()); print(params.x.to_upper());",
            "let copy = args; copy.push(1); print(copy);",
            "fn push(x) { this } print(args.push(1));",
            "for arg in args { arg.trim(); print(arg); }",
            "const LIST = [1]; let copy = LIST; copy.push(1); print(copy + LIST);",
        ],
    );
}

/// What the checker calls an error must fail when it runs.
#[test]
fn what_is_reported_as_an_error_fails_in_a_call() {
    for script in [
        "args.push(1);",
        "env.agi_channel.trim();",
        "env.agi_channel.replace(\"a\", \"b\");",
        "env.agi_channel.pad(90, \"b\");",
        "params.set(\"a\", 1);",
        "const LIST = [1]; LIST.push(2);",
        "const NAME = \"x\"; NAME.replace(\"a\", \"b\");",
        "say(#{ digit: \"1\" });",
        "say([\"beep\", ()]);",
        "say(99999999999);",
        "menu(\"beep\", #{ \"_Q\": 1 });",
        "menu(\"beep\", #{ \"1XX\": || say(1) });",
        "menu(\"beep\", #{});",
        "menu(\"beep\", 5);",
        "ask(\"beep\", #{ min: 5, max: 3 });",
        "ask(\"beep\", #{ valid: 5 });",
        "ask(\"beep\", #{ no_input: [()] });",
        "let file = \"beep\"; ask(file, #{ give_up: #{ digits: \"x\" }, tries: 2 });",
        "let file = \"beep\"; ask([file, ()]);",
        "collect(\"beep\", 5);",
        "dial(\"PJSIP/1\", 0);",
        "dial(\"\");",
        "print(random(6, 1));",
        "print(choose([]));",
        "exec(\"Set(X=1)\");",
        "set_variable(\"${X}\", 1);",
        "dial(\"PJSIP/1,20,U(x)\", 20);",
    ] {
        let found = findings("game.rhai", script);
        let errors: Vec<_> = found.iter().filter(|f| f.severity == agi_rhai::tools::check::Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{script}: {found:#?}");
        let host = agi_rhai::Host::new();
        let compiled = host.compile("game.rhai", script).unwrap();
        let channel = agi_rhai::pbx::Channel::new(
            agi_rhai::pbx::IncomingCall::default(),
            Box::new(agi_rhai::pbx::Plan::default()),
        );
        let session = agi_rhai::Session::begin(Box::new(agi_rhai::transport::Simulator::new(channel))).unwrap();
        let outcome = host.run(session, &compiled, Vec::new());
        let fault = outcome.fault.unwrap_or_else(|| panic!("{script} did not fail"));
        if errors[0].rule == "bad-argument" {
            assert_eq!(errors[0].message, fault.message, "{script}");
        }
    }
}

#[test]
fn constants_that_may_be_accepted_are_not_reported() {
    let scripts = [
        "say([\"beep\", 5, #{ digits: \"0412\" }, #{ number: 2, gender: \"f\" }, #{ spell: \"a\" }, [[\"beep\"]], \"\"]);",
        "say(#{ date: now(), zone: \"Europe/Berlin\" }); say(#{ phrase: \"you-have\", n: 5 }); say(#{ cents: 250, currency: \"EUR\" });",
        "say(#{ ordinal: 3 }); say(#{ duration: 90 }); say(#{ list: [1, 2] });",
        "let m = 3; ask(\"beep\", #{ min: 25, max: m });",
        "let m = 3; ask(\"beep\", #{ min: m, max: 2, first: 5.5, valid: |k| k == \"12\" });",
        "menu(\"beep\", #{ \"1\": || say(1), \"_1XX\": |keys| say(keys), \"*\": 5, \"0\": () });",
        "let o = #{ tries: 2 }; ask(\"beep\", o); let c = #{ \"1\": 1 }; menu(\"beep\", c, o);",
        "fn is_ok(k) { k == \"1\" } ask(\"beep\", #{ valid: is_ok, no_input: [[\"beep\"], [\"vm-goodbye\", 5]] });",
        "let who = \"PJSIP/1\"; dial(who, 20); dial(\"PJSIP/1&PJSIP/2\", 0.5, \"m\"); dial(who);",
        "print(random(1, 6)); let n = 3; print(random(n, 2)); print(choose([n])); print(date(0).year); print(date(-1));",
        "print(to_number(\"x\")); print(app_text(\"a,b\"));",
    ];
    for script in scripts {
        let found = findings("game.rhai", &format!("answer();\n{script}"));
        assert!(found.iter().all(|f| f.rule != "bad-argument"), "{script}: {found:#?}");
    }
}

#[test]
fn times_in_the_wrong_unit_are_reported() {
    finds(
        "wrong-unit",
        "wait_for_digit(5);\nsleep(5000);\nask(\"beep\", #{ first: 1500 });",
        &[
            "1:16 wait_for_digit: `ms` counts milliseconds, and 5 of them are next to nothing -> write 5000 for 5 seconds",
            "2:7 sleep: `seconds` counts seconds: 5000 are 83 minutes -> write 5 for 5 seconds",
            "3:23 ask: `first` counts seconds: 1500 are 25 minutes -> write 1.5 for 1.5 seconds",
        ],
    );
    each(
        "wrong-unit",
        &[
            "get_data(\"beep\", 5);",
            "get_data(\"beep\", \"10\", 4);",
            "get_option(\"beep\", \"12\", 3);",
            "record_file(\"a\", \"gsm\", \"#\", 60);",
            "record_file(\"a\", \"gsm\", \"#\", 60000, #{ silence: 3000 });",
            "receive_char(10);",
            "receive_text(10);",
            "control_stream_file(\"beep\", \"\", 3);",
            "control_stream_file(\"beep\", \"\", 3000, \"#\", \"*\", \"0\", 30);",
            "speech_recognize(\"beep\", 5000);",
            "dial(\"PJSIP/1\", 20000);",
            "set_autohangup(60000);",
            "ask(\"beep\", #{ between: 2000 });",
            "menu(\"beep\", #{ \"1\": 1 }, #{ first: 10000 });",
            "confirm(\"beep\", #{ first: 3000 });",
            "let timeout = 5; get_data(\"beep\", timeout);",
            "const RING = 20000; dial(\"PJSIP/1\", RING);",
            "fn f() { let wait = 2000; sleep(wait); } f();",
        ],
    );
    none(
        "wrong-unit",
        &[
            "wait_for_digit(5000); wait_for_digit(-1); wait_for_digit(0); wait_for_digit(1); wait_for_digit(100);",
            "sleep(0.5); sleep(60); sleep(999); set_autohangup(0); set_autohangup(3600); set_autohangup(7200);",
            "get_data(\"beep\", 0); get_data(\"beep\", 500, 2); stream_file(\"beep\", \"\", 8000);",
            "say_number(5); say_date(5000); dial(\"PJSIP/1\", 45); ask(\"beep\", #{ first: 0.5, max: 4, tries: 5 });",
            "record_file(\"a\", \"gsm\", \"#\", 60000, #{ silence: 3, offset: 8 });",
            "let t = 5; t = t * 1000; get_data(\"beep\", t); let s = 5; wait_for_digit(s * 1000); sleep(s);",
            "let t = 5; t *= 1000; wait_for_digit(t); fn f(t) { wait_for_digit(t); } f(5000);",
        ],
    );
}

/// Every time that a function takes is checked, by what its declaration says about the unit.
#[test]
fn every_time_in_the_tables_has_a_unit() {
    use agi_rhai::command::Kind;
    for function in Language::new().functions() {
        for param in function.params {
            let doc = param.doc.to_lowercase();
            let has_unit = matches!(param.kind, Kind::Millis(..) | Kind::Seconds | Kind::WholeSeconds(..));
            let names_unit =
                doc.starts_with("millisecond") || doc.starts_with("seconds") || doc.contains("in milliseconds");
            let is_epoch = doc.contains("unix epoch");
            assert_eq!(has_unit, names_unit && !is_epoch, "{}: {}", function.name, param.name);
        }
    }
}

#[test]
fn words_in_place_of_a_sound_file_are_reported() {
    finds(
        "words-as-sound",
        "say(\"Welcome to the dentist!\");\nlet n = 3;\nsay(`You have ${n} messages`);",
        &[
            "1:5 this is taken for the name of a sound file: Asterisk cannot read words out -> play a recording, such as \
             \"welcome-to-the-dentist\", and write its words into game.prompts",
            "3:5 Asterisk plays recordings: it cannot read this out -> say one part after the other, such as \
             `say([\"you-have\", 3, \"messages\"])`",
        ],
    );
    each(
        "words-as-sound",
        &[
            "stream_file(\"Hello there\");",
            "get_data(\"Your number please\", 5000);",
            "get_option(\"Press one\", \"1\", 5000);",
            "control_stream_file(\"Hello there\");",
            "speech_recognize(\"Say something\", 5);",
            "ask(\"Your number please\");",
            "ask([\"beep\", \"Your number please\"]);",
            "collect(\"Your number please\");",
            "confirm(\"Are you sure?\");",
            "menu(\"Press 1 or 2\", #{ \"1\": 1 });",
            "ask(\"beep\", #{ no_input: \"I heard nothing\" });",
            "ask(\"beep\", #{ give_up: [\"Good bye\"] });",
            "exec(\"Playback\", \"Hello there\");",
            "let n = 1; say(\"You are number \" + n);",
            "let n = 1; say([\"beep\", `You are number ${n}`]);",
            "let n = 1; stream_file(\"Hello \" + n + \" friend\");",
        ],
    );
    none(
        "words-as-sound",
        &[
            "say(\"welcome\"); say(\"digits/5\"); say(\"custom/my_sound-1\"); say(\"/var/lib/my sounds/x\"); say(\"\");",
            "let n = 1; say(`score-${n}`); say(\"score-\" + n); stream_file(`digits/${n}`);",
            "verbose(\"Hello there\"); print(\"Hello there\"); send_text(\"Hello there\"); set_variable(\"A\", \"b c\");",
            "say(#{ spell: \"a b\" }); say_alpha(\"a b\"); database_put(\"a\", \"b\", \"c d\");",
        ],
    );
}

#[test]
fn names_in_the_syntax_of_the_dialplan_are_reported() {
    finds(
        "dialplan-syntax",
        "print(get_variable(\"${EXTEN}\"));\nprint(get_full_variable(\"EXTEN\"));\ndial(\"200\");",
        &[
            "1:20 there is no variable \"${EXTEN}\" -> write \"EXTEN\"",
            "2:25 there is nothing to evaluate in \"EXTEN\" -> write \"${EXTEN}\", or `get_variable(\"EXTEN\")`",
            "3:6 Dial calls nobody: \"200\" has no technology -> write the technology before it, such as \"PJSIP/200\"",
        ],
    );
    each("dialplan-syntax", &["dial(\"PJSIP/1&201\", 20);", "exec(\"Dial\", \"200\");", "exec(\"Dial\", \"200,30\");"]);
    none(
        "dialplan-syntax",
        &[
            "print(get_variable(\"EXTEN\")); print(get_full_variable(\"${EXTEN}\")); print(get_full_variable(\"$[1 + 2]\"));",
            "dial(\"PJSIP/200\"); dial(\"PJSIP/1&Local/2@x\"); let n = args[0]; dial(`PJSIP/${n}`); dial(n); dial(\"${TRUNK}\");",
            "exec(\"Dial\", \"PJSIP/200\", \"30\"); exec(\"NoOp\", \"200\"); exec(\"Dial\", \"${WHO}\");",
        ],
    );
    for (script, hint) in [
        ("exec(\"Set(X=1)\");", "write `\"Set\", \"X=1\"`: the arguments come after the name"),
        ("exec(\"Playback(beep)\");", "write `\"Playback\", \"beep\"`: the arguments come after the name"),
        ("set_variable(\"${X}\", 1);", "write \"X\""),
        ("print(get_variable(\"${CALLERID(num)}\"));", "write \"CALLERID(num)\""),
    ] {
        let found = findings("game.rhai", script);
        assert_eq!(found.len(), 1, "{script}: {found:#?}");
        assert_eq!((found[0].rule, found[0].hint.as_deref()), ("not-allowed", Some(hint)), "{script}");
    }
}

#[test]
fn values_in_double_quotes_are_reported() {
    finds(
        "not-interpolated",
        "let name = \"x\"; print(\"hello ${name}\");",
        &["1:23 `${name}` is not replaced in a text in double quotes -> write the text in backticks: `...`"],
    );
    each(
        "not-interpolated",
        &["verbose(\"${env.agi_callerid} calls\");", "fn f(who) { print(\"a ${who}\" + who); } f(1);"],
    );
    none(
        "not-interpolated",
        &[
            "let name = 1; print(`hello ${name}`); print(\"$name\"); print(\"{name}\"); print(\"$ {name}\");",
            "let x = 1; print(x); print(get_full_variable(\"${EXTEN}\")); exec(\"NoOp\", \"${CHANNEL(language)}\");",
        ],
    );
}

#[test]
fn calls_among_the_choices_of_a_menu_are_reported() {
    finds(
        "early-call",
        "menu(\"beep\", #{ \"1\": say(\"beep\"), \"2\": hangup() });",
        &[
            "1:22 `say` is called before the menu, not when \"1\" is chosen -> make it a function: `|| say(...)`",
            "1:40 `hangup` is called before the menu, not when \"2\" is chosen -> make it a function: `|| hangup(...)`",
        ],
    );
    each(
        "early-call",
        &[
            "fn open() { say(\"beep\"); } menu(\"beep\", #{ \"1\": open() });",
            "menu(\"beep\", #{ \"1\": exit() });",
            "menu(\"beep\", #{ \"1\": go_to(\"support\") });",
            "menu(\"beep\", #{ \"1\": dial(\"PJSIP/1\") });",
        ],
    );
    none(
        "early-call",
        &[
            "menu(\"beep\", #{ \"1\": || say(\"beep\"), \"2\": random(1, 6), \"3\": caller(\"\") });",
            "fn handler(n) { || say(n) } menu(\"beep\", #{ \"1\": handler(1) });",
            "fn open() { say(\"beep\"); } menu(\"beep\", #{ \"1\": open, \"2\": Fn(\"open\") });",
        ],
    );
}

#[test]
fn comparisons_that_are_never_true_are_reported() {
    finds(
        "never-equal",
        "if dial(\"PJSIP/1\") == \"ANSWERED\" { hangup(); }\nlet s = channel_status(); if s != \"Up\" { answer(); }\n\
         switch ask(\"beep\") { 1 => hangup(), _ => answer() }\nif wait_for_digit(5000) == \"10\" { hangup(); }",
        &[
            "1:23 `dial` never returns \"ANSWERED\" -> did you mean \"ANSWER\"?",
            "2:35 `channel_status` never returns \"Up\" -> did you mean \"up\"?",
            "3:22 this case is a number, which a text or () never equals -> write the case as a text: `\"1\" => ...`",
            "4:28 `wait_for_digit` never returns \"10\" -> it returns a single key",
        ],
    );
    each(
        "never-equal",
        &[
            "if dial(\"PJSIP/1\") in [\"BUSY\", \"busy\"] { hangup(); }",
            "switch dial(\"PJSIP/1\") { \"BUSY\" | \"NO ANSWER\" => hangup(), _ => answer() }",
            "if ask(\"beep\") == \"yes\" { hangup(); }",
            "if get_data(\"beep\") == \"twelve\" { hangup(); }",
            "if \"none\" == say(\"beep\", \"1\") { hangup(); }",
            "switch wait_for_digit(5000) { 1 => hangup(), _ => answer() }",
            "switch wait_for_digit(5000) { () => hangup(), _ => answer() }",
            "switch confirm(\"beep\") { \"1\" => hangup(), _ => answer() }",
            "switch confirm(\"beep\") { 1 => hangup(), 2 => answer(), _ => answer() }",
            "switch random(1, 2) { \"1\" => hangup(), _ => answer() }",
            "if confirm(\"beep\") == 1 { hangup(); }",
        ],
    );
    none(
        "never-equal",
        &[
            "if dial(\"PJSIP/1\") in [\"BUSY\", \"ANSWER\"] { hangup(); }",
            "let s = \"\"; s = dial(\"PJSIP/1\"); if s == \"x\" { hangup(); }",
            "switch ask(\"beep\") { \"1\" => #{ a: 1, b: [2, 3] }, \"2\" | \"3\" if caller() == \"5\" => { if 1 == 1 { 2 } else { 3 } } \"4\" => 5, () => (), _ => 7 }",
            "switch random(1, 2) { 1 => \"one\", -1 => \"x\", 2..5 => \"y\", _ => switch caller(\"\") { \"1\" => 5, _ => 6 } }",
            "switch confirm(\"beep\") { true => answer(), false => hangup(), () => exit() }",
            "switch caller() { \"anonymous\" => hangup(), () => exit(), _ => answer() }",
            "if wait_for_digit(5000) == \"\" { hangup(); } if get_data(\"beep\") == \"0412#\" { hangup(); }",
            "fn dial(x) { \"mine\" } if dial(\"PJSIP/1\") == \"mine\" { hangup(); }",
            "if menu(\"beep\", #{ \"1\": \"sales\" }) == \"sales\" { hangup(); }",
        ],
    );
}

#[test]
fn functions_made_in_a_loop_that_share_its_variable_are_reported() {
    finds(
        "shared-loop-variable",
        "let choices = #{};\nfor i in 1..4 {\n    choices[i.to_string()] = || say(i);\n}\nmenu(\"beep\", choices);",
        &[
            "2:5 the functions made in this loop share `i`: each of them sees its last value -> let each have a variable of \
             its own, inside the loop: `let own_i = i;`",
        ],
    );
    each(
        "shared-loop-variable",
        &[
            "let l = []; for i in 1..4 { l.push(|| i); } print(l);",
            "let l = []; for i in 1..4 { l += [#{ f: || i }]; } print(l);",
            "state.l = []; for i in 1..4 { state.l.push(|x| i + x); }",
            "let l = []; for (x, n) in [1] { l.push(|| n); print(x); } print(l);",
            "let last = (); for i in 1..4 { if i > 2 { last = || i; } } last.call();",
            "for i in 1..4 { let l = []; for k in 1..4 { l.push(|| k + i); } print(l); }",
        ],
    );
    none(
        "shared-loop-variable",
        &[
            "let l = []; for i in 1..4 { let n = i; l.push(|| n); } print(l);",
            "for i in 1..4 { menu(\"beep\", #{ \"1\": || say(i) }); }",
            "for i in 1..4 { let l = [1].filter(|x| x == i); print(l); }",
            "for i in 1..4 { let choices = #{}; choices[\"1\"] = || say(i); menu(\"beep\", choices); }",
            "let l = []; for i in 1..4 { l.push(|i| i); print(i); } print(l);",
            "let l = []; for i in 1..4 { l.push(i); let f = || say(i); f.call(); } print(l);",
            "let l = [3]; for i in 1..4 { if l.some(|x| x == i) { l.push(i); } }",
        ],
    );
}

/// The two facts about Rhai that the rule rests on.
#[test]
fn a_loop_has_one_variable_and_its_block_has_new_ones() {
    let engine = agi_rhai::script::rhai::Engine::new();
    let shared: i64 = engine.eval("let l = []; for i in 1..4 { l.push(|| i); } l[0].call()").unwrap();
    let own: i64 = engine.eval("let l = []; for i in 1..4 { let n = i; l.push(|| n); } l[0].call()").unwrap();
    assert_eq!((shared, own), (3, 1));
}

/// The prompts of a script are judged by the script, not by its test, which need not name them all.
#[test]
fn a_test_beside_a_script_does_not_make_its_prompts_unused() {
    let folder = Folder::new();
    let script = "answer();\nlet guess = menu(\"ask\", #{ \"1\": \"heads\", \"2\": \"tails\" });\nlet lost = \"lost\";\n\
                  say(choose([\"heads\", \"edge\"]));\nif guess == () { say(lost); }\n";
    let test = "fn test_heads() {\n    place_call(\"coin\");\n    expect_prompt(\"ask\");\n}\n";
    folder.file("coin.rhai", script);
    folder.file("coin.test.rhai", test);
    folder.file("coin.prompts", "ask: Which?\nheads: Heads.\ntails: Tails.\nedge: Edge.\nlost: Lost.\nspare: Spare.\n");
    let checker = Checker::new(&Language::new());
    let unused = |name: &str, text: &str| -> Vec<String> {
        checker.check_table(&folder.path(name), text).into_iter().map(|finding| finding.message).collect()
    };
    assert_eq!(unused("coin.rhai", script), ["\"spare\" is never played"]);
    assert_eq!(unused("coin.test.rhai", test), [""; 0]);
}

/// What a script is told to play from outside, it doesn't name.
#[test]
fn prompts_of_a_script_that_plays_what_it_is_told_are_not_called_unused() {
    let folder = Folder::new();
    folder.file("game.prompts", "spare: Spare.\n");
    let checker = Checker::new(&Language::new());
    for (script, expected) in [
        ("say(args[0]);", 0),
        ("let prompt = args[0]; say([\"beep\", prompt]);", 0),
        ("let prompt = \"\"; prompt = params.prompt; let other = prompt; stream_file(other);", 0),
        ("say(get_variable(\"PROMPT\"));", 0),
        ("let p = database_get(\"a\", \"b\"); if p != () { ask(p); }", 0),
        ("fn play(name) { say(name); } play(params.name);", 0),
        ("for prompt in args { say(prompt); }", 0),
        ("state.prompt = args[0]; fn play() { say(state.prompt); } play();", 0),
        ("print(args[0]); say(\"beep\");", 1),
        ("let n = to_number(args[0], 0); say([\"beep\", n]);", 1),
        ("database_put(\"a\", \"b\", args[0]); let side = choose([\"beep\"]); say(side);", 1),
        ("let p = \"beep\"; say(p); print(get_variable(\"PROMPT\"));", 1),
    ] {
        let found = checker.check_table(&folder.path("game.rhai"), script);
        assert_eq!(found.len(), expected, "{script}: {found:#?}");
    }
}

#[test]
fn tests_that_are_never_run_are_reported() {
    let check = |name: &str, script: &str| -> Vec<String> {
        let found = findings(name, script).into_iter().filter(|f| f.rule == "test-not-run");
        found.map(|f| format!("{}:{} {} -> {}", f.line, f.column, f.message, f.hint.unwrap_or_default())).collect()
    };
    let call = "place_call(\"game\");";
    assert_eq!(
        check(
            "game.test.rhai",
            &format!(
                "fn test_a(x) {{ {call} print(x); }}\nfn Test_b() {{ {call} }}\nfn tset_c() {{ {call} }}\nfn testD() {{ {call} }}"
            )
        ),
        [
            "1:4 `test_a` is never run: it has 1 parameter, and a test has none -> write `fn test_a()`",
            "2:4 `Test_b` is never run -> the name of a test begins with `test_`",
            "3:4 `tset_c` is never run -> the name of a test begins with `test_`",
            "4:4 `testD` is never run -> the name of a test begins with `test_`",
        ]
    );
    for script in [
        format!("fn test_a() {{ {call} }} private fn test_b() {{ {call} }}"),
        format!("fn test_a() {{ test_with(5); }} fn test_with(n) {{ {call} print(n); }}"),
        format!("fn test_a() {{ [1].for_each(test_each); }} fn test_each(n) {{ {call} print(n); }}"),
        format!("fn test_a() {{ begin(); }} fn begin() {{ {call} }}"),
    ] {
        assert_eq!(check("game.test.rhai", &script), [""; 0], "{script}");
    }
    assert_eq!(check("game.rhai", "fn test_tone(x) { say(x); } answer(); test_tone(1);"), [""; 0]);
    let found = findings("game_test.rhai", &format!("fn test_a() {{ {call} }}"));
    let hint = "it is for tests, in files whose names end in `.test.rhai`";
    assert!(found.iter().any(|f| f.rule == "unknown-function" && f.hint.as_deref() == Some(hint)), "{found:#?}");
}

#[test]
fn sounds_before_the_answer_are_reported() {
    let check = |script: &str| -> Vec<String> {
        let found = findings("game.rhai", script).into_iter().filter(|f| f.rule == "no-answer");
        found.map(|f| format!("{}:{} {}", f.line, f.column, f.message)).collect()
    };
    for (script, at) in [
        ("say(\"beep\"); answer();", "1:1 `say`"),
        ("fn begin() { stream_file(\"beep\"); } begin(); answer();", "1:14 `stream_file`"),
        ("let n = ask(\"beep\"); print(n);", "1:9 `ask`"),
        ("if caller() == () { say(\"beep\"); hangup(); } answer(); say(\"beep\");", "1:21 `say`"),
        ("if args.len() == 0 { exit(); } say_number(5);", "1:32 `say_number`"),
        ("if args.len() == 0 { return; } menu(\"beep\", #{ \"1\": || answer() });", "1:32 `menu`"),
        ("database_put(\"a\", \"b\", 1); print(database_get(\"a\", \"b\")); get_data(\"beep\");", "1:59 `get_data`"),
        ("while get_data(\"beep\", 5000, 1) == \"\" { } answer();", "1:7 `get_data`"),
        ("for x in 1..3 { say(x); } answer();", "1:17 `say`"),
        ("switch caller() { () => say(\"beep\"), _ => () } answer();", "1:25 `say`"),
        ("fn early() { if args.len() > 0 { return; } } early(); say(\"beep\");", "1:55 `say`"),
    ] {
        assert_eq!(check(script), [format!("{at} plays something before the call is answered")], "{script}");
    }
    for script in [
        "answer(); say(\"beep\");",
        "fn begin() { answer(); } begin(); say(\"beep\");",
        "if args.len() == 0 { answer(); } say(\"beep\");",
        "if channel_status() != \"up\" { answer(); } say(\"beep\");",
        "exec(\"Progress\"); say(\"beep\");",
        "exec(\"Answer\"); say(\"beep\");",
        "gosub(\"begin\", \"s\", 1); say(\"beep\");",
        "dial(\"PJSIP/1\"); say(\"beep\");",
        "let begin = || answer(); begin.call(); say(\"beep\");",
        "database_put(\"a\", \"b\", 1); print(get_data(\"\", 5000)); wait_for_digit(5000);",
        "go_to(\"support\"); say(\"beep\");",
        "fn f() { say(\"beep\"); }",
        "fn on_hangup() { database_put(\"a\", \"b\", 1); }",
        "print([1].map(|x| x + 1)); answer(); say(\"beep\");",
        "// agi-rhai: allow(no-answer)\nsay(\"beep\");",
        "try { answer(); } catch { } say(\"beep\");",
        "switch caller() { () => answer(), _ => hangup() } say(\"beep\");",
    ] {
        assert_eq!(check(script), [""; 0], "{script}");
    }
}
