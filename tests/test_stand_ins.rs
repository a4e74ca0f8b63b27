//! The words of tests that go beyond keys and prompts: questions of several parts, dials, functions of the dialplan, and
//! what stands in for the parts of it that the simulator doesn't have.

use crate::support::process::{Folder, agi_rhai};
use agi_rhai::Host;
use agi_rhai::tools::testing::TestRunner;

/// Runs the body of a test of this script. Returns the report of its failure, if it fails.
fn run(script: &str, body: &str) -> Option<String> {
    run_file(script, &format!("fn test_it() {{\n{body}\n}}\n"))
}

/// Runs the only test of a file.
fn run_file(script: &str, tests: &str) -> Option<String> {
    let folder = Folder::new();
    folder.file("s.rhai", script);
    folder.file("helpers.rhai", HELPERS);
    folder.file("s.test.rhai", tests);
    let mut host = Host::new();
    host.allow(["Queue", "VoiceMail", "gosub", "CURL", "ODBC_PRICE", "ODBC_STOCK", "ODBC_X"].map(str::to_owned));
    let runner = TestRunner::new(host, None);
    let suite = runner.suite(&folder.path("s.test.rhai")).unwrap_or_else(|error| panic!("{error:#}"));
    let report = runner.run(&suite, &suite.tests()[0], 1);
    report.failure.map(|failure| failure.render(false))
}

const HELPERS: &str = r#"
const STATUS = "FULL";
fn busy_queue() { #{ Queue: |args| #{ QUEUESTATUS: global::STATUS } } }
fn quoted(text) { "<" + text + ">" }
"#;

#[track_caller]
fn passes(script: &str, body: &str) {
    if let Some(report) = run(script, body) {
        panic!("{report}");
    }
}

/// Expects each of these in the report of the failure.
#[track_caller]
fn fails(script: &str, body: &str, expected: &[&str]) {
    let report = run(script, body).expect("the test must fail");
    for part in expected {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}

#[test]
fn a_question_of_several_parts_is_waited_for_to_its_last_part() {
    let script = r#"answer();
        let key = ask(["vm-intro", 42, "beep", "vm-goodbye"], #{ max: 1, first: 4 });
        set_variable("KEY", key);"#;
    passes(
        script,
        r#"place_call("s");
        wait_for_question();
        expect_equal(heard(), ["vm-intro", "number 42", "beep", "vm-goodbye"]);
        let asked = seconds();
        press("7");
        expect_end();
        expect_equal(seconds(), asked);
        expect_variable("KEY", 7);"#,
    );
    // Nor does it return while what was typed ahead is dropped: a key would be dropped, too.
    let script = r#"answer();
        let key = ask("vm-goodbye", #{ max: 1, first: 4, flush: true });
        set_variable("KEY", key);"#;
    let body = r#"place_call("s");
        wait_for_question();
        expect_equal(heard(), ["vm-goodbye"]);
        press("7");
        expect_end();
        expect_variable("KEY", 7);"#;
    passes(script, body);
    // Each sound of a script that asks with commands is followed by a moment for a key.
    let script = r#"answer();
        for sound in ["vm-intro", "beep", "vm-goodbye"] { stream_file(sound, "7"); wait_for_digit(250); }
        set_variable("KEY", wait_for_digit(5000));"#;
    passes(
        script,
        r#"place_call("s");
        wait_for_question();
        expect_equal(heard(), ["vm-intro", "beep", "vm-goodbye"]);"#,
    );
}

#[test]
fn a_script_that_polls_for_keys_asks_a_question() {
    let script = r#"answer(); stream_file("beep"); let key = "";
        while key == "" { key = wait_for_digit(100); }
        set_variable("KEY", key);"#;
    passes(script, r#"place_call("s"); wait_for_question(); press("7"); expect_end(); expect_variable("KEY", 7);"#);
}

#[test]
fn functions_of_the_dialplan_are_preset_and_read_back() {
    let script = r#"answer();
        set_variable("CDR(userfield)", `${get_variable("CALLERID(name)")}|${caller()}|${env.agi_calleridname}|${env.agi_language}`);
        set_variable("CHANNEL(userfield)", get_variable("PJSIP_HEADER(read,X-Customer)"));
        set_variable("CALLERID(name)", "Bob");
        set_variable("SCORE", get_variable("DB(score/100)"));
        set_variable("DB(score/100)", 8);
        set_variable("GLOBAL(OPEN)", get_variable("GROUP_COUNT(callers)"));"#;
    let body = r#"place_call("s", #{ variables: #{
            "CALLERID(name)": "Anna", "CALLERID(num)": "300", "CHANNEL(language)": "de", "DB(score/100)": 7,
            "PJSIP_HEADER(read,X-Customer)": "c7", "GROUP_COUNT(callers)": 12,
        } });
        expect_end();
        expect_variable("CDR(userfield)", "Anna|300|Anna|de");
        expect_variable("CHANNEL(userfield)", "c7");
        expect_variable("CALLERID(name)", "Bob");
        expect_variable("CALLERID(all)", "\"Bob\" <300>");
        expect_variable("SCORE", 7);
        expect_variable("DB(score/100)", 8);
        expect_database("score", "100", 8);
        expect_equal(variable("GLOBAL(OPEN)"), "12");
        expect_variable("CHANNEL(state)", "Up");
        expect_variable("LEN(abc)", 3);"#;
    passes(script, body);
}

#[test]
fn a_function_that_the_simulator_lacks_is_named_with_its_remedy() {
    let script = r#"answer(); say_number(get_variable("ODBC_PRICE(12)"));"#;
    fails(
        script,
        r#"place_call("s"); expect_end();"#,
        &["the simulated Asterisk has no function `ODBC_PRICE`; in a test, something can stand in for it: \
         place_call(script, #{ functions: #{ ODBC_PRICE: |args| \"\" } })"],
    );
    let script = r#"answer(); exec("Queue", "support");"#;
    fails(script, r#"place_call("s"); expect_end();"#, &["applications: #{ Queue: |args| 0 }"]);
    let script = r#"answer(); gosub("greet", "s", 1);"#;
    fails(script, r#"place_call("s"); expect_end();"#, &[r#"subroutines: #{ "greet,s,1": |args| "" }"#]);
}

#[test]
fn stand_ins_play_asterisks_part() {
    let script = r#"answer();
        let value = exec("Queue", "support,t", "60");
        set_variable("SEEN", `${value} ${get_variable("QUEUESTATUS")} ${elapsed()}`);
        gosub("greet", "s", "start", "Anna", "7");
        set_variable("GREETING", get_variable("GOSUB_RETVAL"));
        set_variable("ODBC_STOCK(12,blue)", 3);
        set_variable("PRICE", get_full_variable("${ODBC_PRICE(12)} ${CURL(http://x/y)}"));"#;
    let body = r#"
        let seen = [];
        place_call("s", #{
            applications: #{
                Queue: |args| {
                    seen.push(args);
                    expect_equal(args[0], "support");
                    expect_variable("CHANNEL(state)", "Up");
                    wait(30);
                    set_variable("QUEUESTATUS", "TIMEOUT");
                    4
                },
            },
            subroutines: #{ "greet,s,start": |args| "Hello " + args[0] },
            functions: #{
                ODBC_PRICE: |args| if args == ["12"] { "9.99" } else { () },
                ODBC_STOCK: |args, value| { if value != () { set_variable("STOCK_" + args[0], `${args[1]}=${value}`); } "0" },
                CURL: "found",
            },
        });
        wait(10);
        expect_equal(variable("SEEN"), ());
        expect_equal(ending(), ());
        expect_end();
        expect_equal(seen, [["support", "t", "60"]]);
        expect_variable("SEEN", "4 TIMEOUT 30.0");
        expect_variable("GREETING", "Hello Anna");
        expect_variable("STOCK_12", "blue=3");
        expect_variable("PRICE", "9.99 found");
        expect_equal(executed(), ["Queue(support,t,60)"]);"#;
    passes(script, body);
}

#[test]
fn a_stand_in_is_a_value_or_a_map_of_variables_too() {
    let script = r#"answer();
        set_variable("FIRST", exec("VoiceMail", "100@default"));
        exec("Queue", "support");
        gosub("greet", "s", 1);"#;
    passes(
        script,
        r#"place_call("s", #{
            applications: #{ VoiceMail: -1, Queue: #{ QUEUESTATUS: "FULL", "CDR(userfield)": "full" } },
            subroutines: #{ greet: "hello" },
        });
        expect_end();
        expect_variable("FIRST", -1);
        expect_variable("QUEUESTATUS", "FULL");
        expect_variable("CDR(userfield)", "full");
        expect_variable("GOSUB_RETVAL", "hello");"#,
    );
}

#[test]
fn a_call_can_end_or_move_in_a_stand_in() {
    let script = r#"answer();
        let value = exec("Queue", "support");
        set_variable("AFTER", value);
        fn on_hangup() { set_variable("LOST", "yes"); }"#;
    // By the caller, while the stand-in waits.
    let queue = "applications: #{ Queue: |args| { wait(60); set_variable(\"NEVER\", 1); } }";
    passes(
        script,
        &format!(
            r#"place_call("s", #{{ {queue} }}); wait(20); hang_up(); expect_end("HANGUP");
            expect_variable("AFTER", ()); expect_variable("LOST", "yes"); expect_variable("NEVER", ());
            expect_equal(seconds(), 20.0);"#
        ),
    );
    // By Asterisk.
    passes(
        script,
        r#"place_call("s", #{ applications: #{ Queue: |args| { wait(5); hang_up(); set_variable("NEVER", 1); } } });
        expect_end("HANGUP"); expect_variable("LOST", "yes"); expect_variable("NEVER", ());"#,
    );
    passes(
        script,
        r#"place_call("s", #{ applications: #{ Queue: |args| { go_to("overflow", "s", 3); set_variable("NEVER", 1); } } });
        expect_end(); expect_variable("AFTER", 0); expect_variable("NEVER", ());
        expect_equal([variable("CONTEXT"), variable("EXTEN"), variable("PRIORITY")], ["overflow", "s", "3"]);"#,
    );
}

#[test]
fn what_fails_in_a_stand_in_fails_the_test_at_its_place() {
    let script = r#"answer(); exec("Queue", "sales"); set_variable("ODBC_X(1)", 2);"#;
    fails(
        script,
        "place_call(\"s\", #{ applications: #{ Queue: |args| {\nexpect_equal(args[0], \"support\");\n} } });\nexpect_end();",
        &["error: expected \"support\", but it is \"sales\"", "s.test.rhai:3:1"],
    );
    fails(
        script,
        "place_call(\"s\", #{ applications: #{ Queue: |args| {\nargs.nothing()\n} } });\nexpect_end();",
        &["error: the stand-in for the application `Queue` has a fault: ", "`nothing", "s.test.rhai:3:"],
    );
    fails(
        script,
        r#"place_call("s", #{ applications: #{ Queue: |args| "TIMEOUT" } }); expect_end();"#,
        &[
            "the stand-in for the application `Queue` must return a whole number, which `exec` returns, a map of variables \
           to set, or nothing, not \"TIMEOUT\"",
        ],
    );
    fails(
        script,
        r#"place_call("s", #{ applications: #{ Queue: |a, b, c| 0 } }); expect_end();"#,
        &["the stand-in for the application `Queue` must take one parameter, the array of its arguments"],
    );
    fails(
        script,
        r#"place_call("s", #{ applications: #{ Queue: 0 }, functions: #{ ODBC_X: |args| 0 } }); expect_end();"#,
        &[
            "the script writes to a function, but the stand-in for the function `ODBC_X` can only be read; with a second \
           parameter, as in `|args, value|`, it gets the written value",
        ],
    );
    fails(
        script,
        r#"place_call("s", #{ applications: #{ Queue: |args| press("1") } }); expect_end();"#,
        &[
            "press: a function that stands in for a part of the dialplan plays Asterisk, not the caller: it can use wait, ",
        ],
    );
    fails(
        script,
        r#"place_call("s", #{ applications: #{ Queue: |args| { loop {} } } }); expect_end();"#,
        &["the stand-in for the application `Queue` has a fault: the script computes"],
    );
    fails(
        script,
        r#"set_variable("A", 1);"#,
        &[
            "set_variable plays Asterisk's part: it works only in a function that stands in for",
            "sets variables before a call",
        ],
    );
    // After the test, too.
    fails(
        r#"answer(); sleep(1); fn on_hangup() { set_variable("ODBC_X(1)", 2); }"#,
        r#"place_call("s", #{ functions: #{ ODBC_X: |args, value| { expect_equal(value, "3"); } } });"#,
        &["expected \"3\", but it is \"2\""],
    );
}

#[test]
fn stand_ins_use_helpers_constants_and_imports_of_their_file() {
    let script = r#"answer(); exec("Queue", "support"); gosub("greet", "s", 1);"#;
    let tests = r#"import "helpers" as h;
const WHO = "Anna";
fn greeting(who) { h::quoted(who + "!") }
fn greet(args) { greeting(global::WHO) }
fn test_it() {
    place_call("s", #{ applications: h::busy_queue(), subroutines: #{ "greet,s,1": greet } });
    expect_end();
    expect_variable("QUEUESTATUS", "FULL");
    expect_variable("GOSUB_RETVAL", "<Anna!>");
}"#;
    if let Some(report) = run_file(script, tests) {
        panic!("{report}");
    }
}

#[test]
fn wrong_stand_ins_are_refused_with_what_would_be_right() {
    for (options, expected) in [
        (
            "applications: #{ Queue: \"TIMEOUT\" }",
            "`applications`: what stands in for `Queue` must be a function or a whole number, which `exec` returns, a map \
             of variables to set, or nothing, not \"TIMEOUT\"",
        ),
        (
            "functions: #{ ODBC_X: [1] }",
            "what stands in for `ODBC_X` must be a function or a text, a number, or nothing",
        ),
        ("applications: 5", "`applications` must be a map such as #{ Queue: |args| 0 }, not 5"),
        ("functions: #{ \"ODBC_X(1)\": 2 }", "\"ODBC_X(1)\" must be a name without parentheses, as in #{ ODBC_PRICE:"),
        ("subroutines: #{ \"a,b,c,d\": 2 }", "\"a,b,c,d\" must be a place in the dialplan, as in #{ \"context,"),
        ("dial_status: \"ANSWERED\"", "`dial_status` must be one of ANSWER, BUSY, "),
        ("dial_status: 5", "`dial_status` must be"),
        ("dial_seconds: \"long\"", "`dial_seconds` must be a number of seconds, not \"long\""),
        ("aplications: #{}", "did you mean `applications`?"),
    ] {
        fails("answer();", &format!("place_call(\"s\", #{{ {options} }});"), &[expected]);
    }
}

#[test]
fn a_dial_takes_its_time_and_either_side_ends_it() {
    let script = r#"answer(); sleep(2);
        let status = dial("PJSIP/200", 30);
        set_variable("RESULT", `${status} ${get_variable("ANSWEREDTIME")} ${get_variable("DIALEDTIME")} ${elapsed()}`);
        stream_file("vm-goodbye");
        fn on_hangup() { set_variable("LOST", get_variable("DIALSTATUS") + get_variable("ANSWEREDTIME")); }"#;
    for (options, result) in [
        (r#"dial_status: "BUSY", ring_seconds: 4"#, "BUSY   6.0"),
        (r#"dial_status: "NOANSWER""#, "NOANSWER   32.0"),
        (r#"dial_status: "ANSWER", ring_seconds: 45"#, "NOANSWER   32.0"),
        (r#"dial_status: "CONGESTION""#, "CONGESTION   2.0"),
        (r#"dial_status: "ANSWER", ring_seconds: 4, dial_seconds: 60.5"#, "ANSWER 66 66 66.5"),
    ] {
        passes(
            script,
            &format!(
                r#"place_call("s", #{{ {options} }}); expect_prompt("vm-goodbye"); expect_variable("RESULT", "{result}");
                expect_equal(executed(), ["Dial(PJSIP/200,30,g)"]);"#
            ),
        );
    }
    let lasting = r#"place_call("s", #{ dial_status: "ANSWER", ring_seconds: 4, dial_seconds: 60 });"#;
    for (after, lost) in [(5, "CANCEL"), (10, "ANSWER10")] {
        passes(
            script,
            &format!(
                r#"{lasting} wait({after}); hang_up(); expect_variable("LOST", "{lost}"); expect_variable("RESULT", ());"#
            ),
        );
    }
    let twice = r#"answer(); set_variable("RESULT", dial("PJSIP/200") + dial("PJSIP/201") + dial("PJSIP/202"));"#;
    passes(
        twice,
        r#"place_call("s", #{ dial_status: ["BUSY", "ANSWER"] }); expect_end(); expect_variable("RESULT", "BUSYANSWERANSWER");"#,
    );
    passes(
        r#"answer(); set_variable("RESULT", dial("PJSIP/200"));"#,
        r#"place_call("s", #{ applications: #{ Dial: |args| { expect_equal(args, ["PJSIP/200", "30", "g"]); wait(3);
            #{ DIALSTATUS: "DONTCALL" } } } }); expect_end(); expect_variable("RESULT", "DONTCALL");"#,
    );
}

#[test]
fn a_storm_takes_over_the_values_that_stand_in_but_no_functions() {
    let folder = Folder::new();
    folder.file(
        "s.rhai",
        r#"answer(); exec("Queue", "support"); if get_variable("QUEUESTATUS") != "TIMEOUT" { throw "not asked"; }"#,
    );
    folder.file(
        "s.test.rhai",
        r#"fn test_values() { place_call("s", #{ applications: #{ Queue: #{ QUEUESTATUS: "TIMEOUT" } } }); }
        fn test_functions() { place_call("s", #{ applications: #{ Queue: |args| 0 } }); }"#,
    );
    let storm = |test: &str| {
        let test = format!("s.test.rhai::{test}");
        let args = ["test", "--storm", test.as_str(), "--allow-exec", "Queue", "--calls", "100", "--seed", "1"];
        let output = agi_rhai(args).current_dir(folder.path("")).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = storm("values");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = storm("functions");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a storm can't use the option `applications` of `place_call` with a function"), "{said}");
}

#[test]
fn a_command_that_runs_an_application_leads_to_its_stand_in() {
    fails(
        "answer();",
        r#"exec("Queue");"#,
        &["`place_call(script, #{ applications: #{ Queue: |args| 0 } })` says what an"],
    );
}

#[test]
fn the_phone_ends_a_dial_as_its_user_says() {
    let folder = Folder::new();
    folder.file("s.rhai", r#"answer(); verbose(dial("PJSIP/200") + get_variable("PJSIP_HEADER(read,X-Who)"));"#);
    let phone = |status: &str| {
        let args =
            ["phone", "--fast", "--dial-status", status, "--var", "PJSIP_HEADER(read,X-Who)=Ada", "--log-level=debug"];
        let output = agi_rhai([&args[..], &["s.rhai"]].concat()).current_dir(folder.path("")).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = phone("BUSY");
    assert!(code == Some(0) && said.contains("BUSYAda"), "{said}");
    let (code, said) = phone("MAYBE");
    assert!(code == Some(2) && said.contains("`dial_status` must be one of ANSWER, BUSY, "), "{said}");
}
