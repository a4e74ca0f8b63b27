//! `agi-rhai check`: each rule finds the mistakes it is for, and nothing else.

use crate::support::process::{Folder, agi_rhai};
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::Language;
use agi_rhai::script::rhai::Module;
use agi_rhai::tools::check::{Checker, Finding, RULES, Severity};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session};
use std::collections::BTreeSet;
use std::path::Path;

fn shown(findings: &[Finding]) -> String {
    let one = |f: &Finding| format!("{}:{} {}: {}\n", f.line, f.column, f.rule, f.message);
    findings.iter().map(one).collect()
}

/// Checks the findings of a script, one per line: `line:column rule: message`.
#[track_caller]
fn check(script: &str, expected: &str) {
    check_as("test.rhai", script, expected);
}

/// Most scripts here are about something else than an answer to the call, and leave it out.
fn without_answer(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.rule != "no-answer");
    findings
}

#[track_caller]
fn check_as(name: &str, script: &str, expected: &str) {
    let found = shown(&without_answer(Checker::new(&Language::new()).check(Path::new(name), script)));
    assert_eq!(found.trim_end(), expected, "in {script}");
}

/// Checks the hint of the first finding.
#[track_caller]
fn hint(script: &str, expected: &str) {
    let findings = without_answer(Checker::new(&Language::new()).check(Path::new("test.rhai"), script));
    let found = findings.first().unwrap_or_else(|| panic!("nothing found in {script}"));
    assert_eq!(found.hint.as_deref().unwrap_or_default(), expected, "{found}");
}

/// For each rule, a script that breaks it, and the finding.
const SHOWN: &[(&str, &str)] = &[
    ("let x = ;", "1:9 syntax: `;` does not belong here"),
    ("strem_file(\"beep\");", "1:1 unknown-function: no function `strem_file`"),
    ("get_data();", "1:1 argument-count: `get_data` takes 1 to 3 arguments, not 0"),
    ("wait_for_digit(\"5s\");", "1:16 bad-argument: wait_for_digit: `ms` must be an integer, not the text \"5s\""),
    (
        "record_file(\"a\", \"gsm\", \"#\", 5000, #{ bep: true });",
        "1:39 unknown-option: `record_file` has no option `bep`",
    ),
    (
        "exec(\"Queue\", \"sales\");",
        "1:6 not-allowed: exec: `application` may not run Queue here: it runs other code of the dialplan, or records into a \
         file; the operator can allow it with --allow-exec Queue",
    ),
    ("print(x);", "1:7 undefined-variable: unknown variable `x`"),
    ("menu::play();", "1:1 undefined-import: `menu` is not an import"),
    ("import \"no-such-script\" as menu;", "1:8 missing-import: no script \"no-such-script\" to import"),
    (
        "if get_data(\"beep\", 5000, 1) == 5 { hangup(); }",
        "1:30 text-as-number: a text is compared with a number by `==`",
    ),
    (
        "if get_data(\"beep\") { hangup(); }",
        "1:4 condition-not-bool: a condition must be true or false, but this is a text",
    ),
    (
        "say_datetime(1, \"\", \"IMp\", \"Europe/Berlim\");",
        "1:28 unknown-time-zone: say_datetime: there is no time zone \"Europe/Berlim\": Asterisk takes UTC",
    ),
    (
        "say([\"beep\", #{ date: 1, zone: \"Berlin\" }]);",
        "1:32 unknown-time-zone: say: there is no time zone \"Berlin\": Asterisk takes UTC",
    ),
    (
        "say_datetime(1, \"\", \"IMp 'digits/at\");",
        "1:21 bad-argument: say_datetime: `format` has no second ' after the sound file in \"IMp 'digits/at\"",
    ),
    ("params.level = 3;", "1:1 read-only: `params` cannot be changed"),
    ("fn on_hangup() { stream_file(\"beep\"); }", "1:18 after-hangup: `stream_file` does not work after the hangup"),
    (
        "loop { stream_file(\"beep\"); }",
        "1:1 endless-loop: only a hangup ends this loop: it asks the caller for nothing",
    ),
    ("hangup(); answer();", "1:11 unreachable-code: this never runs: it comes after `hangup`"),
    ("let x = 1; answer();", "1:5 unused-variable: `x` is never read"),
    ("f(1); fn f(a) { answer(); }", "1:12 unused-parameter: `f` does not use its parameter `a`"),
    ("answer(); fn f() { answer(); }", "1:14 unused-function: the function `f` is never called"),
    ("state.x == 5; answer();", "1:9 unused-value: the result of this comparison is not used"),
    ("if stream_file(\"beep\") == () { answer(); }", "1:24 never-equal: a text is never equal to ()"),
    ("let env = 1; print(env);", "1:5 shadowed-name: `env` hides what Asterisk says about the call"),
    ("print(env.agi_calerid);", "1:11 unknown-environment: `env` has no `agi_calerid`: it is always ()"),
    ("stream_file(\"beep.wav\");", "1:13 sound-extension: leave out the ending `.wav` of a sound file"),
    ("let x = \"abc\"; print(x.length);", "1:24 unknown-property: a text has no property `length`"),
    (
        "[1].filter(|a, b, c| true);",
        "1:5 closure-parameters: this closure has 3 parameters, but is called with 2 values",
    ),
    (
        "let key = wait_for_digit(1000); print(key + 1);",
        "1:43 joined-number: `+` joins this text with a number: \"1\" + 1 is \"11\"",
    ),
    ("answer(); // agi-rhai: allow(unused-varable)", "1:30 unknown-rule: no rule `unused-varable`"),
];

#[test]
fn each_rule_finds_its_mistake() {
    for (script, expected) in SHOWN {
        check(script, expected);
    }
    // Rules that need files beside the script have their own tests, and so has what beginners write.
    let apart = [
        "no-value",
        "lost-change",
        "early-call",
        "words-as-sound",
        "test-not-run",
        "no-answer",
        "shared-loop-variable",
        "wrong-unit",
        "dialplan-syntax",
        "not-interpolated",
        "broken-import",
        "asterisk-version",
        "async-agi",
        "bad-prompts",
        "unused-import",
        "missing-sound",
        "missing-words",
        "missing-translation",
        "unused-prompt",
        "bad-phrases",
        "unknown-phrase",
        "sql-glued",
        "sql-values",
        "otherwise-lacks",
        "unknown-service",
    ];
    let shown: BTreeSet<&str> =
        SHOWN.iter().map(|(_, found)| found.split(' ').nth(1).unwrap().trim_end_matches(':')).chain(apart).collect();
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(shown, all);
}

#[test]
fn every_rule_is_documented() {
    for rule in RULES {
        assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.name);
        assert!(rule.summary.ends_with('.') && rule.help.ends_with('.'), "{}", rule.name);
    }
}

/// Correct code, however odd it looks.
#[test]
fn correct_scripts_have_no_findings() {
    for script in [
        "",
        "#!/usr/bin/env agi-rhai\nanswer();",
        "let digits = to_number(get_data(\"beep\")); if digits == 5 { hangup(); }",
        "let key = \"\"; while key == \"\" { key = wait_for_digit(1000); } print(key);",
        "let n = 0; while n < 3 { n += 1; }",
        "let f = |x| x + 1; print(f.call(1));",
        "let m = #{ play: |x| x }; print(m.play(1));",
        "fn twice(x) { x * 2 } print([1, 2].map(Fn(\"twice\")));",
        "fn twice(x) { x * 2 } print([1, 2].map(twice));",
        "fn add(x) { this += x; } let n = 1; n.add(2); print(n);",
        "let a = []; a.push(1); a[0] = 2; print(a);",
        "const MOST = 3; fn f() { global::MOST } print(f());",
        "for i in 0..3 { answer(); }",
        "try { stream_file(\"beep\"); } catch (e) { print(1); }",
        "loop { let key = wait_for_digit(5000); print(key); }",
        "loop { if elapsed() > 5.0 { break; } stream_file(\"beep\"); }",
        "loop { stop(); } fn stop() { if elapsed() > 5.0 { exit(); } sleep(1); }",
        "fn on_hangup() { try { stream_file(\"beep\"); } catch { } database_put(\"a\", \"b\", 1); }",
        "fn on_hangup(last) { print(last.command); }",
        "switch wait_for_digit(5000) { \"1\" => answer(), _ => hangup() }",
        "switch random(1, 2) { 1 => answer(), _ => hangup() }",
        "if args.len() > 0 && args[0] == \"5\" { print(params.level); }",
        "print(`${env.agi_arg_12} ${env.agi_network_script}`);",
        "state = #{ score: 1 }; print(state.score);",
        "let x = 5; let show = || print(x); show.call();",
        "exec(\"NoOp\", 1, 2, 3, 4, 5, 6, 7, 8);",
        "let x = \"abc\"; x -= \"b\"; print(x);",
        "let x = 1; { let x = 2; print(x); } print(x);",
        "if caller() == () { print(get_variable(\"X\") == ()); }",
        "let _unused = 1;",
        "let x = get_variable(\"X\"); if x == () { x = 5; } if x == 5 { answer(); }",
        "say_number(\"5\"); stream_file(5); set_variable(\"a\", true);",
        "let t = `${if args.len() > 0 { \"a\" } else { \"b\" }}`; print(t);",
        "print(type_of(1)); print(is_def_fn(\"f\", 0)); fn f() { }",
        "\"beep\".stream_file();",
        "say_datetime(1, \"\", \"IMp\", \"Europe/Berlin\"); say(#{ date: 1, zone: \"CET-1CEST\" });",
        "let x = \"abc\"; print(x.len); print([1].len); print(5.is_odd()); let m = #{ a: 1 }; print(m.length);",
        "print([1, 2].map(|x, i| x + i)); print([1].reduce(|sum, x| sum + x, 0)); let a = [2, 1]; a.sort(|x, y| x - y); print(a);",
        "answer(); menu(\"beep\", #{ \"1\": || print(1), \"2\": |keys| print(keys) }); ask(\"beep\", #{ valid: |keys| keys != \"\" });",
        "let list = [#{ a: #{ b: 1 } }]; let m = #{ l: list }; for i in 0..1 { print(list[i].a); } print(m[\"l\"][0].a.b + list[0][\"a\"].b);",
        "let answer = http_get(\"x\", \"/\", #{ otherwise: () }); if answer != () { print(answer.body.list[0].id); }",
        "let key = wait_for_digit(1000); print(key + \"1\"); print(\"digits/\" + 1); print(`${key}1`); print(to_number(key, 0) + 1);",
    ] {
        check(script, "");
    }
}

#[test]
fn hints_suggest_a_correction() {
    hint(
        "let s = 1; print(s); f(); fn f() { s += 1; }",
        "a function does not see the script's variables: pass it to `f` as a parameter, or use `state.s` everywhere",
    );
    hint("const K = 1; f(); fn f() { print(K); }", "a function sees the script's constants as `global::K`");
    hint(
        "if elapsed() > 1.0 { let x = 1; print(x); } print(x);",
        "`x` of line 1 exists only in its block: write `let x` before that block",
    );
    hint("print(x); let x = 1; print(x);", "`x` is defined only in line 1: move its `let` up");
    hint("total = 5;", "define a new variable with `let`: `let total = ...`");
    hint("print(None);", "an absent value is written `()`");
    hint("print(agi_callerid);", "write `env.agi_callerid`");
    hint("streamFile(\"beep\");", "did you mean `stream_file`?");
    hint("println(1);", "did you mean `print`?");
    hint("wait(1);", "did you mean `sleep`?");
    hint("say_datetime(1, \"\", \"IMp\", \"Berlin\");", "did you mean \"Europe/Berlin\"?");
    hint("say(#{ date: 1, zone: \"Europe/Berlim\" });", "did you mean \"Europe/Berlin\"?");
    hint("Congestion();", "run an application of the dialplan with `exec(\"Congestion\")`");
    hint("\"abc\".lenght();", "did you mean `.len()`?");
    hint("let f = |x| x; f(1);", "a function in a variable is called as `f.call(...)`");
    hint("wait_for_digit(\"5s\");", "write 5000");
    hint("let x = 1\nanswer();", "each statement ends with `;`, unless it ends with a block in braces");
    hint("if args.len() = 1 { }", "write `==`");
    hint("let x = null;", "an absent value is written `()`");
    hint("var x = 1;", "a variable is defined with `let`: `let x = 5;`");
    hint("function f() { }", "a function is defined with `fn`: `fn play(name) { ... }`");
    hint("answer(); fn onhangup() { print(1); }", "did you mean `on_hangup`?");
    hint("exit(); fn play(a) { a } play();", "it is defined as `play(a)` in line 1");
}

#[test]
fn all_findings_are_reported_at_once_and_in_order() {
    check(
        "print(a);\nfn f() { b }\nstrem_file(c);",
        "1:7 undefined-variable: unknown variable `a`\n\
         2:4 unused-function: the function `f` is never called\n\
         2:10 undefined-variable: unknown variable `b`\n\
         3:1 unknown-function: no function `strem_file`\n\
         3:12 undefined-variable: unknown variable `c`",
    );
}

#[test]
fn a_comment_can_allow_a_rule() {
    check("let x = 1; // agi-rhai: allow(unused-variable)", "");
    check("// agi-rhai: allow(unused-variable): for later\n\nlet x = 1;", "");
    check("// agi-rhai: allow(unused-function, unused-variable)\nlet x = 1;", "");
    check("let x = 1; // agi-rhai: allow(unused-function)", "1:5 unused-variable: `x` is never read");
    // On a line of code it applies to that line only, and within a string it is not a comment.
    check("answer(); // agi-rhai: allow(unused-variable)\nlet x = 1;", "2:5 unused-variable: `x` is never read");
    check("print(\"// agi-rhai: allow(unused-variable)\"); let x = 1;", "1:51 unused-variable: `x` is never read");
}

#[test]
fn columns_count_characters() {
    check(
        "print(`äöü ${strem(1)} 🎲`, \"ß\"); print(y);",
        "1:1 argument-count: `print` takes 0 or 1 arguments, not 2\n1:14 unknown-function: no function `strem`\n1:40 undefined-variable: unknown variable `y`",
    );
    let findings = Checker::new(&Language::new()).check(Path::new("test.rhai"), "answer(); stream_file(\"🎲.wav\");");
    assert_eq!((findings[0].column, findings[0].width), (23, 7));
}

#[test]
fn features_missing_in_a_version_of_asterisk_are_reported() {
    let found = |version: u32, script: &str| {
        let mut checker = Checker::new(&Language::new());
        checker.asterisk = Some(version);
        checker.permissions.allowed.push("Macro".to_owned());
        shown(&without_answer(checker.check(Path::new("test.rhai"), script)))
    };
    let macros = "exec(\"Macro\", \"x\");";
    assert_eq!(found(20, macros), "");
    assert_eq!(
        found(21, macros),
        "1:6 asterisk-version: Asterisk 21 no longer has the application Macro: 20 was the last version with it\n"
    );
    let case = "say_alpha(\"aB\", \"\", \"a\");";
    assert_eq!(found(11, case), "1:21 asterisk-version: SAY ALPHA takes no `case` in Asterisk 11: it came with 12\n");
    assert_eq!(found(12, case), "");
}

#[test]
fn denied_applications_are_reported_as_at_run_time() {
    let refused = |script: &str| {
        let host = Host::new();
        let script = host.compile("test.rhai", script).unwrap();
        let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::default())));
        let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
        outcome.fault.map(|fault| fault.message).unwrap_or_default()
    };
    for script in [
        "exec(\"System\", \"true\");",
        "exec(\"NoOp\", 1, \"${SHELL(true)}\");",
        "exec(\"Dial\", \"PJSIP/\" + args.len(), 20, \"U(x)\");",
        "exec(\"Set\", \"FILE(/x)=y\");",
        "get_variable(\"SHELL(true)\");",
        "get_full_variable(\"${${X}}\");",
        "set_variable(\"FILE(/x)\", 5);",
    ] {
        let findings = Checker::new(&Language::new()).check(Path::new("test.rhai"), script);
        let [finding] = &findings[..] else { panic!("{script}: {findings:?}") };
        assert_eq!((finding.rule, &finding.message), ("not-allowed", &refused(script)), "{script}");
    }
    check("let x = \"Sys\" + \"tem\"; exec(x); exec(\"Set\", args[0] + \"=FILE(/x)\"); get_variable(`${x}(a)`);", "");
    check(
        "dial(\"PJSIP/1\", 20, \"gM(x)\");",
        "1:21 not-allowed: dial: `options` may not run Dial with the option M here: it begins other code of the dialplan, \
         records, or is not known; the operator can allow it with --allow-exec Dial",
    );
    let shell = "`arguments` may not use the function SHELL here: it runs programs on Asterisk's machine; the operator \
                 can allow it with --allow-exec SHELL";
    check("exec(\"NoOp\", \"${SHELL(id)}\");", &format!("1:14 not-allowed: exec: {shell}"));
    check("exec(\"NoOp\", 1, \"${SHELL(id)}\");", &format!("1:17 not-allowed: exec: {shell}"));
    let mut checker = Checker::new(&Language::new());
    checker.permissions.allowed.push("system".to_owned());
    assert_eq!(shown(&checker.check(Path::new("test.rhai"), "exec(\"System\", \"true\");")), "");
}

#[test]
fn imported_scripts_are_checked() {
    let folder = Folder::new();
    folder
        .file("lib/menu.rhai", "fn play(file) { stream_file(file); }\nprivate fn own() { }\nexport const MOST = 3;\n");
    folder.file("bad.rhai", "fn f( {");
    folder.file("calls.rhai", "answer();");
    let mut checker = Checker::new(&Language::new());
    let path = folder.path("game.rhai");
    let check = |checker: &Checker, script: &str| shown(&checker.check(&path, script));
    let found = check(
        &checker,
        "import \"lib/menu\" as menu;\nmenu::play(\"beep\"); print(menu::MOST);\nmenu::plai(\"beep\");\nmenu::play();\nmenu::own();\nprint(menu::LEAST);\nimport \"lib/menu\" as other;\n",
    );
    let name = folder.path("lib/menu.rhai");
    let name = name.display();
    assert_eq!(
        found,
        format!(
            "3:7 unknown-function: {name} exports no function `plai`\n\
             4:7 argument-count: `menu::play` takes 1 argument, not 0\n\
             5:7 unknown-function: {name} exports no function `own`\n\
             6:13 undefined-variable: {name} exports no constant `LEAST`\n\
             7:22 unused-import: the import `other` is never used\n"
        )
    );
    let found = check(&checker, "import \"bad\" as bad; bad::f();");
    assert!(found.starts_with("1:8 broken-import: the script it imports has a fault:"), "{found}");
    let found = check(&checker, "answer();\nimport \"calls\" as c; c::f();");
    assert!(found.contains("2:8 broken-import") && found.contains("calls.rhai:1:1: there is no call here"), "{found}");
    let found = check(&checker, "import \"game\" as c; c::f();");
    assert_eq!(found, "1:8 missing-import: no script \"game\" to import\n");
    folder.file("game.rhai", "import \"game\" as c; c::f();");
    let found = check(&checker, "import \"game\" as c; c::f();");
    assert!(found.contains("1:8 broken-import: scripts import each other in a circle"), "{found}");
    // Unsaved text in an editor counts.
    checker.texts.insert(folder.path("bad.rhai"), "fn f() { 1 }".to_owned());
    assert_eq!(check(&checker, "import \"bad\" as bad; print(bad::f());"), "");
}

#[test]
fn prompts_are_checked_against_the_table_and_the_sounds() {
    let folder = Folder::new();
    folder.file("game.prompts", "; The prompts.\nwelcome: Hello.\nwelcome-back: Hello again.\nscore-low: Low.\nspare: Nobody plays it.\nbroken\n");
    for sound in ["en/welcome.gsm", "de/welcome.ulaw", "en/score-low.gsm", "en/loud.wav", "all.gsm"] {
        folder.file(&format!("sounds/{sound}"), "x");
    }
    let mut checker = Checker::new(&Language::new());
    let path = folder.path("game.rhai");
    let script = "answer(); stream_file(\"welcome\");\nlet which = \"low\"; stream_file(\"score-\" + which);\nask([\"welcom\", \"beep\"], #{ no_input: \"welcome-back\" });\n";
    assert_eq!(shown(&checker.check(&path, script)), "3:6 missing-words: no words for \"welcom\" in game.prompts\n");
    assert_eq!(
        shown(&checker.check_table(&path, script)),
        "5:1 unused-prompt: \"spare\" is never played\n6:1 bad-prompts: there is no `:` after the name\n"
    );
    checker.sounds.push(folder.path("sounds"));
    let script = "answer(); stream_file(\"welcome\"); stream_file(\"all\"); stream_file(\"score-low\"); stream_file(\"vm-goodbye\"); exec(\"Playback\", \"beep&score-lwo\");";
    assert_eq!(
        shown(&checker.check(Path::new("other.rhai"), script)),
        "1:67 missing-sound: no sound file \"score-low\" in de, only in en\n\
         1:125 missing-sound: no sound file \"score-lwo\"\n"
    );
    // A table says in which languages the script speaks.
    let script = "answer(); stream_file(\"score-low\");";
    assert_eq!(shown(&checker.check(&path, script)), "");
    folder.file("spoken.prompts", "score-low: Low.\n[de]\nscore-low: Niedrig.\n");
    let found = checker.check(&folder.path("spoken.rhai"), script);
    assert_eq!(shown(&found), "1:23 missing-sound: no sound file \"score-low\" in de, only in en\n");
    assert_eq!(found[0].hint, None);
    let found = checker.check(Path::new("other.rhai"), "answer(); stream_file(\"loud\");");
    let hint = found[0].hint.as_ref().unwrap();
    assert!(hint.ends_with("loud.wav is not a wav file; Asterisk plays wav files of 8000 Hz, mono, 16 bits"), "{hint}");
    // Asterisk's extra sounds need no words in the table. Where there are no files of them, they are missing.
    let script = "answer(); stream_file(\"welcome\"); stream_file(\"welcome-back\"); stream_file(\"score-low\"); stream_file(\"office-iguanas\");";
    let found = checker.check(&path, script);
    let last = found.last().unwrap();
    assert_eq!(last.message, "no sound file \"office-iguanas\"", "{}", shown(&found));
    assert!(last.hint.as_ref().unwrap().contains("extra sounds, which are installed separately"));
    checker.sounds.clear();
    assert_eq!(shown(&checker.check(&path, script)), "");
}

/// Functions of an embedder are known, and may have any effect.
#[test]
fn functions_of_an_embedder_are_known() {
    let mut module = Module::new();
    module.set_native_fn("lookup", |name: &str| Ok(name.len() as i64));
    let mut language = Language::new();
    language.add(module);
    let checker = Checker::new(&language);
    let found = |script: &str| shown(&checker.check(Path::new("test.rhai"), script));
    assert_eq!(found("loop { print(lookup(\"bob\")); }"), "");
    assert_eq!(found("lookup(\"a\", 1);"), "1:1 argument-count: `lookup` takes 1 argument, not 2\n");
    assert_eq!(found("lookup(5);"), "1:8 bad-argument: `lookup` takes a text here, not a number\n");
    assert_eq!(found("lokup(\"a\");"), "1:1 unknown-function: no function `lokup`\n");
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The project's own scripts, with their sounds and prompts.
#[test]
fn the_projects_scripts_have_no_findings() {
    // Those of the benchmarks have no table of prompts that says in which languages they speak.
    for (sounds, scripts) in [("scripts/sounds", "scripts"), ("scripts/sounds/en", "benches")] {
        let ended = run(
            agi_rhai(["check", "--strict", "--asterisk", "16", "--sounds", sounds, scripts]).current_dir(project())
        );
        assert_eq!(ended.0, Some(0), "{}", ended.1);
        assert!(ended.1.ends_with("checked: nothing found\n"), "{}", ended.1);
    }
}

/// Every script in the pages that isn't meant to be wrong.
#[test]
fn the_scripts_in_the_pages_have_no_findings() {
    let docs = std::fs::read_dir(project().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain([project().join("README.md")]).filter(|path| path.extension().is_some_and(|e| e == "md"));
    let checker = Checker::new(&Language::new());
    let mut count = 0;
    for page in pages {
        let folder = Folder::new();
        let text = std::fs::read_to_string(&page).unwrap();
        let mut scripts = Vec::new();
        for block in text.split("\n```rhai\n").skip(1) {
            let block = &block[..block.find("\n```").unwrap() + 1];
            let first = block.lines().next().unwrap_or_default();
            let name = first
                .strip_prefix("// ")
                .and_then(|name| name.split([' ', ':']).next())
                .filter(|n| n.ends_with(".rhai"));
            let name = name.map_or_else(|| format!("block-{count}.rhai"), str::to_owned);
            folder.file(&name, block);
            scripts.push((name, block.to_owned()));
            count += 1;
        }
        for (name, block) in scripts {
            // The reference also shows refused calls, and says so. Tests have a vocabulary of their own.
            let refused = block.contains("// argument:") || block.contains("// refused:");
            let words = ["place_call(", "answer_http(", "answer_sql(", "answer_program(", "set_up_sql(", "service_is_"];
            let is_of_tests = words.iter().any(|word| block.contains(word));
            if refused || name.ends_with(".test.rhai") || is_of_tests {
                continue;
            }
            let mut findings = checker.check(&folder.path(&name), &block);
            // Its examples are single lines.
            if page.ends_with("commands.md") {
                findings = without_answer(findings);
            }
            assert!(findings.is_empty(), "{}: {}{block}", page.display(), shown(&findings));
        }
    }
    assert!(count > 50, "{count}");
}

fn run(command: &mut std::process::Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_program_prints_findings_with_their_source() {
    let folder = Folder::new();
    folder.file("games/a.rhai", "let x = 1;\nanswer();\n");
    folder.file("games/.hidden/b.rhai", "nosuch();");
    folder.file("games/sub/c.rhai", "strem_file(\"beep\");\n");
    folder.file("games/notes.txt", "nosuch();");
    let check = |args: &[&str]| run(agi_rhai(["check"].iter().chain(args)).current_dir(folder.path("games")));
    let (code, out, _) = check(&[]);
    assert_eq!(
        out,
        "warning[unused-variable]: `x` is never read\n \
         --> a.rhai:1:5\n  |\n1 | let x = 1;\n  |     ^\n  |\n  \
         = help: remove it, or call it `_x` if that is intended\n\n\
         error[unknown-function]: no function `strem_file`\n \
         --> sub/c.rhai:1:1\n  |\n1 | strem_file(\"beep\");\n  | ^^^^^^^^^^\n  |\n  = help: did you mean `stream_file`?\n\n\
         2 scripts checked: 1 error, 1 warning\n"
    );
    assert_eq!(code, Some(1));
    assert_eq!(check(&["a.rhai"]).0, Some(0), "warnings alone don't fail");
    assert_eq!(check(&["--strict", "a.rhai"]).0, Some(1));
    for (args, says) in [
        (&["nosuch.rhai"][..], "there is no nosuch.rhai"),
        (&["--sounds", "nosuch", "a.rhai"], "no folder nosuch"),
        (&["--asterisk", "1.8", "a.rhai"], "the checker doesn't know versions before 11"),
        (&["--asterisk", "x", "a.rhai"], "a version is written as 22, 22.10 or certified/22.8"),
        (&["--format", "xml", "a.rhai"], "possible values: human, json, sarif, github"),
    ] {
        let (code, _, err) = check(args);
        assert_eq!(code, Some(2), "{args:?}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
    let (code, out, _) = check(&["--rules"]);
    assert_eq!((code, out.lines().count()), (Some(0), RULES.len()));
}

#[test]
fn findings_can_be_printed_for_machines() {
    let folder = Folder::new();
    folder.file("a,b.rhai", "let x = 1; // 100%\nstrem_file(\"ä\", y);\n");
    let check = |format: &str| run(agi_rhai(["check", "--format", format, "a,b.rhai"]).current_dir(folder.path(".")));
    let (code, out, _) = check("json");
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, lines.len()), (Some(1), 3));
    assert_eq!(
        lines[1],
        serde_json::json!({
            "file": "a,b.rhai", "line": 2, "column": 1, "width": 10, "severity": "error", "rule": "unknown-function",
            "message": "no function `strem_file`", "hint": "did you mean `stream_file`?", "source": "strem_file(\"ä\", y);",
        })
    );
    assert_eq!(lines[0]["severity"], "warning");

    let (_, out, _) = check("github");
    let first = out.lines().next().unwrap();
    assert_eq!(
        first,
        "::warning file=a%2Cb.rhai,line=1,col=5,endColumn=5,title=unused-variable::`x` is never read; remove it, or call it `_x` if that is intended"
    );

    let (_, out, _) = check("sarif");
    let log: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%2Cb.rhai");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(place["region"]["endColumn"].as_u64() > place["region"]["startColumn"].as_u64());
    }
    let (code, out, _) = run_clean(&folder);
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["runs"][0]["results"], serde_json::json!([]));
}

fn run_clean(folder: &Folder) -> (Option<i32>, String, String) {
    let clean = folder.file("clean.rhai", "answer();");
    run(&mut agi_rhai(["check", "--format", "sarif", &clean]))
}

/// Lines with errors fail when they run; code with only warnings runs.
#[test]
fn errors_fail_at_run_time_and_warnings_do_not() {
    let severity = |script: &str| Checker::new(&Language::new()).check(Path::new("test.rhai"), script)[0].severity;
    assert_eq!(severity("nosuch();"), Severity::Error);
    assert_eq!(severity("let x = 1;"), Severity::Warning);
}

/// `AGI_RHAI_BLESS=1` rewrites the table of the page.
#[test]
fn the_page_lists_every_rule() {
    const HEAD: &str = "| rule | | finds |\n|---|---|---|\n";
    let path = project().join("docs/checking.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(HEAD).unwrap();
    let (rows, after) = rest.split_once("\n\n").unwrap();
    let severity = |severity| if severity == Severity::Error { "error" } else { "warning" };
    let rows_of_rules =
        RULES.iter().map(|rule| format!("| `{}` | {} | {} |", rule.name, severity(rule.severity), rule.summary));
    let expected = rows_of_rules.collect::<Vec<_>>().join("\n");
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{HEAD}{expected}\n\n{after}")).unwrap();
    } else {
        assert_eq!(rows, expected);
    }
}

/// The work of the checker grows with the text, not with its square: not even if all of it is one line, or a mistake.
/// Rhai's parser itself compares each name with all functions and variables, which is left out here.
#[test]
fn statements_of_sql_stand_in_the_script() {
    let glued = "the statement is put together, so a value could become a part of it";
    let row = |text: &str| format!("answer();\nlet n = caller();\nprint(sql_row(\"crm\", {text}, #{{ n: n }}));");
    for fine in [
        "\"select 1 from people where n = :n\"",
        "`select 1 from people\nwhere n = :n`",
        "\"select 1 \" + \"from people where n = :n\"",
    ] {
        check(&row(fine), "");
    }
    for wrong in ["`select ${n} where :n`", "\"select \" + n", "caller()", "[n][0]"] {
        let script = row(wrong);
        let found = shown(&without_answer(Checker::new(&Language::new()).check(Path::new("test.rhai"), &script)));
        assert!(found.contains("sql-glued: sql_row: ") && found.contains(glued), "{script}: {found}");
    }
    check(
        "const Q = \"select 1\";\nprint(sql_rows(\"crm\", Q));\nfn f() { print(sql_rows(\"crm\", global::Q)) }\nf();",
        "",
    );
    check(
        "let q = \"select 1\";\nif args.len() > 0 { q = args[0]; }\nprint(sql_value(\"crm\", q));",
        &format!("3:24 sql-glued: sql_value: {glued}"),
    );
    check(
        "sql_run(\"crm\", [[\"delete from a where n = :n\", #{ n: 1 }], [`delete from ${args[0]}`, #{}], args[0]]);",
        &format!("1:61 sql-glued: sql_run: {glued}\n1:93 sql-glued: sql_run: {glued}"),
    );
}

#[test]
fn values_of_statements_are_those_that_they_name() {
    check("print(sql_value(\"crm\", \"select 1::int, ':no' -- :nor\"));", "");
    check(
        "print(sql_value(\"crm\", \"select :numer\", #{ number: 1 }));",
        "1:24 sql-values: sql_value: the text has `:numer`, which `values` lacks; did you mean `number`?",
    );
    check(
        "print(sql_value(\"crm\", \"select :n\"));",
        "1:24 sql-values: sql_value: the text has `:n`, which `values` lacks",
    );
    check(
        "sql_run(\"crm\", [[\"delete from a where n = ':n'\", #{ n: 1 }], \"delete from b\"]);",
        "1:18 sql-values: sql_run: `values` has `n`, which the text lacks: a name in the text has a colon, and is outside \
         quotes",
    );
    check(
        "sql_run(\"crm\", \"delete from a; delete from b\");",
        "1:16 sql-values: sql_run: there are two statements: `sql_run` does several, all or none, as an array of [text, \
         values]",
    );
    check("let v = #{ n: 1 };\nprint(sql_value(\"crm\", \"select :n\", v));", "");
}

#[test]
fn otherwise_has_what_the_script_reads() {
    check(
        "let row = sql_row(\"crm\", \"select 1\", #{}, #{ otherwise: #{ name: \"x\" } });\nprint(row.name); print(row.since);",
        "2:28 otherwise-lacks: `since` is () if the service of `sql_row` is unavailable",
    );
    check("let w = http_get(\"api\", \"x\", #{ otherwise: () });\nif w == () { print(1); }", "");
    check("let w = http_get(\"api\", \"x\");\nif w == () { print(1); }", "2:6 never-equal: a map is never equal to ()");
    check("let w = http_get(\"api\", \"x\", #{ otherwise: #{ ok: false } });\nif w.ok { print(w.body); }", "");
    check("print(http_get(\"api\", \"x\", #{ timeot: 1 }));", "1:31 unknown-option: `http_get` has no option `timeot`");
}

#[test]
fn checking_twice_as_much_takes_twice_as_long() {
    use agi_rhai::clock::Stopwatch;

    type Part = fn(usize) -> String;
    let kinds: [(&str, Part); 11] = [
        ("functions", |n| format!("fn f_{n}() {{ verbose({n}); }}\n")),
        ("functions that are called", |n| format!("fn f_{n}(x) {{ say(x); }} f_{n}({n});\n")),
        ("closures", |n| format!("menu(\"a\", #{{ \"1\": || say({n}) }});\n")),
        ("one line", |n| format!("verbose({n}); ")),
        ("one line of other letters", |n| format!("verbose(\"é{n}\"); ")),
        ("mistakes in one line", |n| format!("vrbose({n}); ")),
        ("mistakes", |n| format!("vrbose({n});\n")),
        ("mistakes beside functions", |n| format!("fn f_{n}() {{ verbose({n}); }} vrbose_{n}({n});\n")),
        ("unknown variables", |n| format!("{{ let v_{n} = {n}; }} verbose(v_{n}); verbose(w_{n});\n")),
        ("allowed mistakes", |n| format!("// agi-rhai: allow(unknown-function)\nvrbose({n});\n")),
        ("blocks", |n| format!("if args.len() == {n} {{ verbose(`${{args[0]}} of {n}`); }}\n")),
    ];
    let checker = Checker::new(&Language::new());
    for (kind, part) in kinds {
        let fastest = |parts: usize| {
            let text: String = (0..parts).map(part).collect();
            let time = || {
                let began = Stopwatch::start();
                std::hint::black_box(checker.check(Path::new("test.rhai"), &text));
                began.elapsed().as_secs_f64()
            };
            (0..2).map(|_| time()).fold(f64::INFINITY, f64::min)
        };
        // Under load a time may be off by chance; the square would show again.
        let mut ratios = (0..4).map(|_| fastest(800) / fastest(200));
        assert!(ratios.any(|ratio| ratio < 9.0), "four times as many {kind} took more than nine times as long");
    }
}

#[test]
fn long_lines_are_cut_around_the_mistake() {
    let text = format!("{}vrbose(1); {}", "verbose(1); ".repeat(100), "verbose(2); ".repeat(100));
    let findings = Checker::new(&Language::new()).check(Path::new("test.rhai"), &text);
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!((finding.line, finding.column, finding.width), (1, 1201, 6));
    assert!(finding.source.len() == 400 && finding.source.contains("vrbose"), "{}", finding.source);
    let rendered = finding.render(false);
    let lines: Vec<&str> = rendered.lines().collect();
    assert!(rendered.contains("--> test.rhai:1:1201"), "{rendered}");
    let at = lines.iter().position(|line| line.contains("vrbose(1)")).unwrap();
    assert_eq!(lines[at].find("vrbose"), lines[at + 1].find('^'), "{rendered}");
    assert!(rendered.lines().all(|line| line.len() < 500), "{rendered}");
}
