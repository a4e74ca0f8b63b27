//! Services in tests of scripts, storms, recordings and on the phone: where no real service is.

use crate::support::process::{Folder, agi_rhai};
use agi_rhai::Host;
use agi_rhai::host::Recorder;
use agi_rhai::pbx::Sounds;
use agi_rhai::tools::storm::{Length, Problem, Report, Storm};
use agi_rhai::tools::testing::TestRunner;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

/// Runs the only test in a text, which calls a script `line`. Returns what failed.
#[track_caller]
fn failure(script: &str, test: &str) -> Option<String> {
    let folder = Folder::new();
    folder.file("line.rhai", script);
    let path = folder.file("line.test.rhai", format!("fn test_it() {{ {test} }}"));
    let runner = TestRunner::new(Host::new(), None);
    let suite = runner.suite(Path::new(&path)).unwrap_or_else(|error| panic!("{error:#}"));
    runner.run(&suite, "it", 1).failure.map(|failure| failure.render(false))
}

#[track_caller]
pub fn passes(script: &str, test: &str) {
    if let Some(failure) = failure(script, test) {
        panic!("{failure}");
    }
}

#[track_caller]
pub fn fails(script: &str, test: &str, parts: &[&str]) {
    let failure = failure(script, test).expect("the test passes");
    for part in parts {
        assert!(failure.contains(part), "no {part:?} in {failure}");
    }
}

#[test]
fn a_function_of_the_test_answers_in_the_place_of_a_web_api() {
    let script = r#"
        let answer = http_get("weather", "/now", #{ query: #{ zip: args[0] } });
        if answer.ok { say_number(answer.body.celsius); } else { say_digits(`${answer.status}`); }
        let sent = http_post("weather", "reports", #{ zip: args[0], wet: true });
        say_number(sent.body);
        print(sent.headers["x-id"]);
    "#;
    passes(
        script,
        r#"
        let degrees = 21;
        answer_http("weather", |request| {
            if request.method == "POST" {
                expect_equal(request.body, #{ zip: "10115", wet: true });
                return #{ status: 201, headers: #{ "X-Id": "7" }, body: 42 };
            }
            expect_equal(request.path, "/now");
            if request.query.zip == "10115" { #{ body: #{ celsius: degrees } } } else { #{ status: 404 } }
        });
        place_call("line", #{ args: ["10115"] });
        expect_number(21);
        expect_number(42);
        expect_end();
        expect_log("7");
        expect_http("weather", "GET", "now");
        expect_http("weather", "POST", "/reports", #{ wet: true });
        expect_http("weather", "POST", "/reports", "10115");
        "#,
    );
    // The latest answer counts, also while the call runs.
    passes(
        r#"for n in 0..2 { say_number(http_get("a", "/").body); get_data("beep", 5000, 1); }"#,
        r#"answer_http("a", #{ body: 1 }); answer_http("a", #{ body: 2 }); place_call("line"); expect_number(2);
           answer_http("a", #{ body: 3 }); wait_for_question(); press("1"); expect_number(3);"#,
    );
    fails(
        script,
        r#"answer_http("weather", |request| #{ body: if request.method == "GET" { #{ celsius: 1 } } else { 1 } });
           place_call("line", #{ args: ["1"] }); expect_number(1); expect_number(1);
           expect_http("weather", "POST", "/reports", #{ zip: "2" });"#,
        &[r#"expected POST /reports of "weather" with #{ zip: "2" }, but there was http_get("weather", path: "/now""#],
    );
}

#[test]
fn what_nobody_answers_fails_the_test_and_says_which_line_to_add() {
    for (asks, line) in [
        (r#"http_get("weather", "/now")"#, r#"answer_http("weather", #{ status: 200, body: #{} });"#),
        (
            r#"sql_row("crm", "select name from people where number = :n", #{ n: "1" })"#,
            r#"set_up_sql("crm", "create table people (name, number)");"#,
        ),
        (r#"run_program("fortune", [])"#, r#"answer_program("fortune", #{ status: 0, output: "" });"#),
    ] {
        // Neither `otherwise` nor `try` hides it.
        fails(
            &format!("try {{ {asks}; }} catch {{ }} say_number(1);"),
            r#"place_call("line"); expect_end();"#,
            &["nothing in this test answers", line],
        );
        // The line is right.
        let test = format!("{line} place_call(\"line\"); expect_end();");
        if cfg!(feature = "sql") || !line.starts_with("set_up_sql") {
            passes(&format!("{asks};"), &test);
        }
    }
}

#[test]
fn a_service_is_down_or_slow_by_the_clock_of_the_call() {
    let script = r#"
        let options = #{ otherwise: () };
        if args.len() > 0 { options.timeout = args[0].parse_float(); }
        let answer = http_get("weather", "/now", options);
        print(`${elapsed()}`);
        say_digits(if answer == () { "0" } else { "1" });
    "#;
    passes(
        script,
        r#"answer_http("weather", #{}); service_is_down("weather"); place_call("line"); expect_prompt("digits 0");
           expect_log("warning"); expect_equal(seconds(), 0.0);
           service_is_down("weather", false); place_call("line"); expect_prompt("digits 1");"#,
    );
    passes(
        script,
        r#"answer_http("weather", #{}); service_is_slow("weather", 1.5);
           place_call("line"); expect_prompt("digits 1"); expect_equal(seconds(), 1.5);
           place_call("line", #{ args: ["0.5"] }); expect_prompt("digits 0"); expect_equal(seconds(), 0.5);
           service_is_slow("weather", 60);
           place_call("line"); expect_prompt("digits 0"); expect_equal(seconds(), 2.0);
           service_is_slow("weather", 0);
           place_call("line"); expect_prompt("digits 1"); expect_equal(seconds(), 0.0);"#,
    );
    // A hangup is heard meanwhile.
    passes(
        r#"fn on_hangup() { print(`gone after ${elapsed()}`); } http_get("weather", "/now"); print("never");"#,
        r#"answer_http("weather", #{}); service_is_slow("weather", 1.5); place_call("line"); wait(0.5); hang_up();
           expect_end("HANGUP"); expect_log("gone after 0.5"); expect_equal(log().len(), 1);"#,
    );
    // Without `otherwise`, it is an error that can be caught.
    passes(
        r#"try { http_get("weather", "/now"); } catch (error) { print(error.kind); }"#,
        r#"service_is_down("weather"); place_call("line"); expect_end(); expect_log("unavailable");"#,
    );
}

#[test]
fn what_no_service_would_take_is_refused_in_tests_too() {
    passes(
        r#"try { http_get("weather", "/../secret"); } catch (error) { print(error.kind); }"#,
        r#"answer_http("weather", #{}); place_call("line"); expect_end(); expect_log("argument");"#,
    );
}

#[test]
fn a_test_and_its_calls_share_a_store_that_expires_by_the_clock_of_the_test() {
    passes(
        r#"
        print(`${store_get("name")} ${store_add("calls", 1)}`);
        store_put("seen", true, #{ expires: 60 });
        board_put("game", "Ann", 12);
        "#,
        r#"
        store_put("name", "Ann");
        board_put("game", "Bob", 15);
        place_call("line"); expect_end(); expect_log("Ann 1");
        place_call("line"); expect_end(); expect_log("Ann 2");
        expect_equal(board_top("game", 5), [#{ rank: 1, name: "Bob", score: 15 }, #{ rank: 2, name: "Ann", score: 12 }]);
        expect_equal(store_keys(""), ["calls", "name", "seen"]);
        wait(59); expect_equal(store_get("seen"), true);
        wait(2); expect_equal(store_get("seen"), ());
        "#,
    );
    // Each test has its own, and one that is down loses mails and jobs.
    fails(
        r#"mail("office", #{ to: "a@b.c", subject: "s", text: "t" });"#,
        r#"service_is_down("store"); place_call("line"); expect_end();"#,
        &["mail: `store` can't be reached"],
    );
}

#[test]
fn mails_jobs_and_calls_out_are_looked_at_and_not_done() {
    let script = r#"
        mail("office", #{ to: "ann@example.net", subject: "A message", text: `From ${caller()}` });
        after_call("bill", #{ minutes: 3 });
        call_out("PJSIP/200", #{ context: "wake", callerid: "100" });
        fn bill(what) { }
    "#;
    passes(
        script,
        r#"place_call("line", #{ callerid: "300" }); expect_end();
           expect_mail("ann@example.net", "From 300"); expect_mail("ann@example.net", "A mess");
           expect_job("bill"); expect_job("bill", #{ minutes: 3 });
           expect_call_out("PJSIP/200"); expect_call_out("PJSIP/200", #{ callerid: "100" });"#,
    );
    for (expects, part) in [
        (
            r#"expect_mail("bob@example.net", "From");"#,
            "expected a mail to \"bob@example.net\" with \"From\", but there was mail(",
        ),
        (r#"expect_job("bill", 3);"#, "expected `bill` to run after the call with 3, but there was after_call("),
        (r#"expect_call_out("PJSIP/201");"#, "expected a call to \"PJSIP/201\", but there was call_out("),
    ] {
        fails(script, &format!("place_call(\"line\"); expect_end(); {expects}"), &[part]);
    }
}

#[test]
fn an_answer_of_the_wrong_kind_fails_the_test_at_its_place() {
    for (sets, part) in [
        (r#"answer_http("weather", |request| 5);"#, "must return a map such as"),
        (r#"answer_http("weather", |a, b, c| 5);"#, "must take one parameter, the request"),
        (r#"answer_http("weather", |request| request.nothing.at_all);"#, "has a fault"),
        (r#"answer_http("weather", 5);"#, "`answers` must be a function, or a map such as"),
        (r#"answer_http("weather", #{ status: 5 });"#, "a number from 100 to 599"),
        (r#"answer_http("weather", |request| { place_call("line"); });"#, "can use wait"),
        (r#"answer_sql("weather", []);"#, "`answers` must be a function"),
        (r#"answer_program("weather", 5);"#, "`answers` must be a function, or a text"),
        (r#"expect_sql_value("weather", "select 1", 1);"#, "there is no database \"weather\" in this test"),
    ] {
        fails(r#"http_get("weather", "/");"#, &format!("{sets} place_call(\"line\"); expect_end();"), &[part]);
    }
}

#[test]
fn an_sqlite_in_memory_stands_in_for_a_database() {
    let script = r#"
        let person = sql_row("crm", "select name, vip from people where number = :number", #{ number: caller() });
        if person == () { print("nobody"); } else { print(`${person.name} ${person.vip}`); }
        let changed = sql_run("crm", [
            ["insert into calls (number) values (:n)", #{ n: caller() }],
            ["update people set vip = 1"],
        ]);
        print(`${changed} changed, ${sql_rows("crm", "select * from people").len()} people`);
    "#;
    passes(
        script,
        r#"
        set_up_sql("crm", "create table people (number text, name text, vip int); create table calls (number text)");
        set_up_sql("crm", "insert into people values ('100', 'Ann; O''Brien', 0), ('200', 'Bob', 1);");
        place_call("line"); expect_end(); expect_log("Ann; O'Brien 0"); expect_log("3 changed, 2 people");
        place_call("line", #{ callerid: "300" }); expect_end(); expect_log("nobody");
        expect_sql_value("crm", "select count(*) from calls", 2);
        expect_sql_value("crm", "select vip from people where number = :n", #{ n: "100" }, 1);
        expect_sql_value("crm", "select vip from people where number = 'x'", ());
        "#,
    );
    fails(
        script,
        r#"set_up_sql("crm", "create table t (a)"); expect_sql_value("crm", "select count(*) from t", 1);"#,
        &["expected 1 from \"select count(*) from t\", but it is 0"],
    );
    fails(script, r#"set_up_sql("crm", "create tabel t (a)");"#, &["set_up_sql: ", "tabel"]);
    // An error of SQL is that of a call.
    passes(
        r#"try { sql_rows("crm", "select nothing from t"); } catch (error) { print(error.kind); }"#,
        r#"set_up_sql("crm", "create table t (a)"); place_call("line"); expect_end(); expect_log("failed");"#,
    );
}

#[test]
fn a_function_of_the_test_answers_what_sqlite_cannot_and_passes_on_the_rest() {
    passes(
        r#"
        print(sql_value("crm", "select count(*) from t"));
        print(sql_value("crm", "select name from fulltext where match(:what)", #{ what: "x" }));
        print(sql_row("crm", "select name from fulltext where id = 1").name);
        print(sql_run("crm", "vacuum full"));
        print(sql_rows("crm", "select * from fulltext").len());
        "#,
        r#"
        set_up_sql("crm", "create table t (a)");
        answer_sql("crm", |text, values| {
            if "vacuum" in text { return 12; }
            if "fulltext" in text {
                if "match" in text { expect_equal(values, #{ what: "x" }); }
                return [#{ name: "Ann" }, #{ name: "Bob" }];
            }
        });
        place_call("line"); expect_end(); expect_equal(log(), ["0", "Ann", "Ann", "12", "2"]);
        "#,
    );
    fails(
        r#"sql_value("crm", "select a, b from t");"#,
        r#"answer_sql("crm", |text, values| [#{ a: 1, b: 2 }]); place_call("line"); expect_end();"#,
        &["the function in answer_sql(\"crm\") must return rows of one column for `sql_value`"],
    );
}

#[test]
fn jobs_run_in_the_test_without_a_channel() {
    let script = r#"
        fn bill(what) {
            print(`billing ${what.minutes}`);
            let answer = http_post("billing", "/bills", what);
            store_put("billed", answer.body.id);
            if what.minutes > 5 { after_call("bill", #{ minutes: 1 }); }
        }
        fn rings(what) { answer(); }
        after_call(args[0], #{ minutes: args[1].parse_int() });
    "#;
    passes(
        script,
        r#"
        answer_http("billing", |request| #{ body: #{ id: request.body.minutes } });
        place_call("line", #{ args: ["bill", "9"] }); expect_end();
        expect_equal(store_get("billed"), ());
        expect_equal(run_jobs(), 2);
        expect_http("billing", "POST", "/bills", #{ minutes: 9 });
        expect_equal(store_get("billed"), 1);
        expect_log("billing 9");
        expect_equal(run_jobs(), 0);
        "#,
    );
    // As after a real call, what lacks a service is tried again.
    passes(
        script,
        r#"
        place_call("line", #{ args: ["bill", "1"] }); expect_end();
        service_is_down("billing"); expect_equal(run_jobs(), 0); expect_equal(run_jobs(), 0);
        service_is_down("billing", false); answer_http("billing", #{ body: #{ id: 3 } }); expect_equal(run_jobs(), 1);
        "#,
    );
    fails(
        script,
        r#"place_call("line", #{ args: ["rings", "1"] }); expect_end(); run_jobs();"#,
        &["the job `rings` has a fault: answer: "],
    );
    fails(
        script,
        r#"place_call("line", #{ args: ["bill", "1"] }); expect_end(); run_jobs();"#,
        &["nothing in this test answers", "answer_http(\"billing\""],
    );
}

/// What a run of the program printed.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(args: I) -> Ended {
    let output = agi_rhai(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Ended {
    #[track_caller]
    fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "no {text:?} in {}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a storm on a script with these tests.
fn storm(script: &str, tests: &str, calls: u64) -> Report {
    let folder = Folder::new();
    let host = Host::new();
    let path = PathBuf::from(folder.file("line.rhai", script));
    let tests = folder.file("line.test.rhai", tests);
    let runner = TestRunner::new(host.clone(), None);
    let samples = runner.samples(&runner.suite(Path::new(&tests)).unwrap(), 1);
    let compiled = host.load(&path, None).unwrap();
    let report = Storm::new(&host, compiled, Sounds::stock()).with_samples(samples).run(1, Length::Calls(calls));
    // What it reports is a test that shows it.
    for problem in &report.problems {
        let suite = runner.suite_of(Path::new(&tests), &problem.test).unwrap_or_else(|fault| panic!("{fault}"));
        let failure = runner.run(&suite, &suite.tests()[0], 1).failure;
        let failure = failure.unwrap_or_else(|| panic!("{} passes", problem.test)).render(false);
        // Why a service is unavailable makes no difference.
        let is_unavailable = problem.test.contains("service_is_down") || problem.test.contains("service_is_slow");
        assert!(is_unavailable || failure.contains(&problem.fault.message), "{}\n{failure}", problem.test);
    }
    report
}

/// Finds problems, each of which holds a part of one of these, and the calls that show them.
#[track_caller]
fn storm_finds(script: &str, tests: &str, expected: &[(&str, &str)]) {
    let report = storm(script, tests, 400);
    let found: Vec<String> =
        report.problems.iter().map(|problem| format!("{}\n{}", problem.fault.render(false), problem.test)).collect();
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n"));
    for (message, line) in expected {
        let one = found.iter().find(|text| text.contains(message));
        assert!(one.is_some_and(|text| text.contains(line)), "no {message:?} with {line:?}:\n{}", found.join("\n"));
    }
}

const WEATHER_TEST: &str = r#"fn test_it() { answer_http("weather", |request| #{ body: #{ celsius: 21 } }); place_call("line"); expect_end(); }"#;

#[test]
fn a_storm_makes_services_sick_and_its_findings_are_tests() {
    // A script that takes every answer for granted.
    storm_finds(
        r#"let answer = http_get("weather", "/now"); say_number(answer.body.celsius + 1);"#,
        WEATHER_TEST,
        &[
            ("give `#{ otherwise: value }`", "service_is_down(\"weather\");"),
            ("must be at most 2147483647", "answer_http(\"weather\", #{ body: #{ celsius: 999999999999999999 } });"),
            ("a text has no property `celsius`", "answer_http(\"weather\", #{ body: \"<html>"),
            ("not the text \"many1\"", "answer_http(\"weather\", #{ body: #{ celsius: \"many\" } });"),
            ("does not work with ()", "answer_http(\"weather\", #{ body: #{ celsius: () } });"),
        ],
    );
    // One that is prepared for them.
    storm_finds(
        r#"
        let answer = http_get("weather", "/now", #{ otherwise: () });
        if type_of(answer) == "map" && type_of(answer.body) == "map" && type_of(answer.body.celsius) == "i64" {
            say_number(answer.body.celsius % 100);
        } else {
            say_number(0);
        }
        "#,
        WEATHER_TEST,
        &[],
    );
    // A hangup in the middle of a request.
    storm_finds(
        r#"
        state.is_asking = false;
        fn on_hangup() { if state.is_asking { throw "hung up meanwhile"; } }
        answer();
        state.is_asking = true;
        http_get("weather", "/now", #{ otherwise: () });
        state.is_asking = false;
        get_data("beep", 1000, 1);
        "#,
        WEATHER_TEST,
        &[("hung up meanwhile", "service_is_slow(\"weather\"")],
    );
}

#[test]
fn a_storm_varies_rows_and_programs_and_the_store() {
    storm_finds(
        r#"
        let person = sql_row("crm", "select name, age from people", #{}, #{ otherwise: () });
        if person != () { say_number(person.age * 2); }
        "#,
        r#"fn test_it() { answer_sql("crm", |text, values| [#{ name: "Ann", age: 30 }]); place_call("line"); expect_end(); }"#,
        &[
            ("does not work with ()", "answer_sql(\"crm\", |text, values| [#{ age: (), name: () }]);"),
            (
                "must be at most 2147483647",
                "answer_sql(\"crm\", |text, values| [#{ age: 999999999999999999, name: \"\" }]);",
            ),
        ],
    );
    storm_finds(
        r#"
        let told = run_program("fortune", [], #{ otherwise: () });
        if told != () && told.status == 0 { say_alpha(told.output.split("-")[1]); }
        store_add("calls", 1);
        "#,
        r#"fn test_it() { answer_program("fortune", "a-b"); place_call("line"); expect_end(); }"#,
        &[("no element 1", "output: \"usage: not"), ("store_add", "service_is_down(\"store\");")],
    );
}

#[test]
fn a_storm_runs_what_a_call_leaves_to_be_done_after_it() {
    let tests = r#"fn test_it() {
        answer_http("billing", |request| #{ body: #{ id: 7 } }); place_call("line"); expect_end(); run_jobs();
    }"#;
    // A job that takes every answer for granted. That it can't reach a service is no fault: it is tried again.
    let script = |answer: &str| {
        format!(
            r#"
            fn bill(minutes) {{
                let answer = http_post("billing", "/bills", #{{ minutes: minutes }});
                {answer}
                store_put("billed", answer.body.id + 1);
            }}
            answer();
            let key = get_data("beep", 2000, 1);
            after_call("bill", 9, #{{ otherwise: () }});
            "#
        )
    };
    let given = "answer_http(\"billing\", #{ body: \"<html>not what you expect</html>\" });";
    let report = storm(&script(""), tests, 400);
    let found: Vec<&Problem> =
        report.problems.iter().filter(|problem| problem.fault.message.contains("no property `id`")).collect();
    assert_eq!(found.len(), 1, "{:?}", report.problems);
    let lines: Vec<&str> = found[0].test.lines().skip(2).map(str::trim).collect();
    assert_eq!(lines, [given, "place_call(\"line\");", "expect_end();", "run_jobs();", "}"]);
    assert!(found[0].fault.hint.as_ref().is_some_and(|hint| hint.ends_with("`bill` runs when the call is over")));
    assert!(
        report.problems.iter().all(|problem| !problem.test.contains("service_is_down(\"billing\")")),
        "{:?}",
        report.problems
    );
    // All of its lines have run.
    assert_eq!(report.unreached, []);
    // Whoever throws wants to be called again.
    let careful = r#"if type_of(answer.body) != "map" || type_of(answer.body.id) != "i64" { throw "not billed yet"; }"#;
    storm_finds(&script(careful).replace("id + 1", "id % 100"), tests, &[]);
    // A job without a channel, one that never ends, and one that leaves another.
    for (job, message) in [
        ("fn job(x) { stream_file(\"beep\"); }", "stream_file"),
        ("fn job(x) { loop { sleep(5); } }", "the job `job` failed: it took longer than 60 s"),
        ("fn job(x) { after_call(\"other\", x); } fn other(x) { print(x.y); }", "x.y"),
    ] {
        let report = storm(&format!("{job}\nanswer(); after_call(\"job\", 1);"), "fn test_it() {}", 60);
        let sick = |problem: &&Problem| problem.test.contains("service_is_down(\"store\")");
        let found: Vec<&Problem> = report.problems.iter().filter(|problem| !sick(problem)).collect();
        assert_eq!(found.len(), 1, "{:?}", report.problems);
        assert!(found[0].fault.render(false).contains(message), "{}", found[0].fault.render(false));
        assert!(found[0].test.contains("    run_jobs();\n}"), "{}", found[0].test);
    }
}

#[test]
fn a_storm_is_the_same_again_and_fast() {
    let script = r#"
        let answer = http_get("weather", "/now", #{ otherwise: () });
        let rows = sql_rows("crm", "select a from t", #{}, #{ otherwise: [] });
        store_put("x", rows.len(), #{ otherwise: () });
        if get_data("beep", 2000, 1) == "7" { http_post("weather", "/log", "x"); }
    "#;
    let tests = r#"fn test_it() {
        answer_http("weather", #{ body: 5 }); set_up_sql("crm", "create table t (a)"); place_call("line"); press("7"); hang_up();
    }"#;
    let [one, other] = [(); 2].map(|()| storm(script, tests, 1000));
    let shown = |report: &Report| report.problems.iter().map(|problem| problem.test.clone()).collect::<Vec<_>>();
    assert_eq!((one.calls, shown(&one)), (other.calls, shown(&other)));
    assert_eq!(one.problems.len(), 1, "{:?}", shown(&one));
}

/// Runs a test of a script while its calls are recorded. Returns the folder, with the recording in `calls`.
#[track_caller]
pub fn recorded(script: &str, test: &str, redact: bool) -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder.file("line.rhai", script);
    let path = folder.file("line.test.rhai", format!("fn test_it() {{ {test} }}"));
    let mut host = Host::new();
    let recorder = Recorder::new(&folder.path("calls"));
    host.record(Arc::new(if redact { recorder.redacting() } else { recorder }));
    let runner = TestRunner::new(host, None);
    let report = runner.run(&runner.suite(Path::new(&path)).unwrap(), "it", 1);
    if let Some(failure) = report.failure {
        panic!("{}", failure.render(false));
    }
    let file = std::fs::read_dir(folder.path("calls")).unwrap().next().unwrap().unwrap().path();
    (folder, file)
}

const CUSTOMER: &str = r#"
    let number = get_data("beep", 5000, 4);
    let person = sql_row("crm", "select name from people where number = :number", #{ number: number });
    let due = http_get("shop", `/customers/${number}/due`, #{ otherwise: () });
    if person == () || due == () { exit(); }
    say_alpha(person.name);
    say_number(due.body.cents);
    store_put("last", number);
    print(store_add("calls", 1));
    mail("office", #{ to: "a@example.net", subject: "Called", text: `${person.name} called` });
"#;

const CUSTOMER_TEST: &str = r#"
    set_up_sql("crm", "create table people (number text, name text); insert into people values ('4711', 'Ann')");
    answer_http("shop", |request| #{ body: #{ cents: 815 } });
    service_is_slow("shop", 0.5);
    store_put("calls", 6);
    place_call("line"); wait_for_question(); press("4711"); expect_end(); expect_log("7");
"#;

#[test]
fn a_recorded_call_is_replayed_with_what_services_answered() {
    let (folder, file) = recorded(CUSTOMER, CUSTOMER_TEST, false);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""request":{"function":"sql_row","service":"crm","arguments":{"#), "{text}");
    assert!(text.contains(r#""answer":{"value":{"name":"Ann"}}"#), "{text}");
    let replay = |args: &[&str]| run([&["replay"], args].concat());
    let file = file.to_str().unwrap();
    replay(&[file]).code(0).says("same: ").says("SUCCESS");
    // Another question to a service, an answer that is used otherwise, and none at all.
    for (from, to, shown) in [
        (
            "/due`",
            "/debts`",
            &[
                "then:  ? http_get(\"shop\", path: \"/customers/4711/due\"",
                "now:  ? http_get(\"shop\", path: \"/customers/4711/debts\"",
            ][..],
        ),
        ("due.body.cents", "due.body.cents + 1", &["now:  > SAY NUMBER 816"]),
        ("store_put(\"last\", number);", "", &["then:  ? store_put(key: \"last\""]),
        ("say_alpha(person.name);", "exit();", &["then:  > SAY ALPHA", "now:  (the script ends"]),
        ("    mail(", "    if false { mail(", &["then:  ? mail("]),
    ] {
        let mut script = CUSTOMER.replacen(from, to, 1);
        if from.contains("mail") {
            script.push('}');
        }
        assert_ne!(script, CUSTOMER);
        folder.file("line.rhai", script);
        let ended = replay(&[file]);
        ended.code(1);
        for part in shown {
            ended.says(part);
        }
    }
    // As a test, which passes.
    folder.file("line.rhai", CUSTOMER);
    let ended = replay(&["--as-test", file]);
    for line in [
        r#"answer_sql("crm", |text, values| [#{ name: "Ann" }]);"#,
        r#"answer_http("shop", #{ body: #{ cents: 815 } });"#,
        r#"store_put("calls", 6);"#,
        r#"expect_mail("a@example.net", "Called");"#,
    ] {
        ended.code(0).says(line);
    }
    let tests = folder.file("line.test.rhai", &ended.stdout);
    run(["test", &tests]).code(0);
}

#[test]
fn a_test_of_a_recorded_call_gives_good_answers_and_failures_in_their_turn() {
    let script = r#"
        fn tried(what) { try { return what.call(); } catch (error) { return `${error.kind}: ${error.message}`; } }
        let told = [];
        for round in 0..3 {
            told += tried(|| http_get("shop", `/${round}`).body);
            told += tried(|| http_post("bank", "/", #{ round: round }).status);
            told += tried(|| sql_value("crm", "select a from t where b = :b", #{ b: round }));
            told += tried(|| sql_run("log", [["insert into t values (1)", #{}], ["insert into t values (2)", #{}]]));
            told += tried(|| run_program("fortune", []).output);
            told += tried(|| store_get("name"));
            told += tried(|| store_add(if round == 2 { "name" } else { "count" }, 1));
            told += tried(|| mail("office", #{ to: "a@example.net", subject: `${round}`, text: "x" }));
            told += tried(|| call_out(`PJSIP/${round}`, #{ script: "line.rhai" }));
        }
        told += tried(|| http_get("shop", "/../etc"));
        told += tried(|| store_keys("n"));
        for text in told { print(`told ${text}`); }
        set_variable("TOLD", to_json(told));
        http_get("shop", "/last");
    "#;
    let test = r#"
        fn failed(why) { #{ kind: "failed", message: why } }
        fn gone(why) { #{ kind: "unavailable", message: why } }
        fn test_it() {
            let shop = [#{ body: #{ a: 1 } }, gone("no \"answer\"\nwithin 2 s"), failed("too large"), gone("for good")];
            answer_http("shop", |request| shop.shift());
            service_is_down("bank", [gone("bank 1"), failed("bank 2"), gone("bank 3")]);
            let crm = [failed("no table t"), [#{ a: 5 }], gone("crm is down")];
            answer_sql("crm", |text, values| crm.shift());
            let log = [2, 0, gone("log"), failed("twice")];
            answer_sql("log", |text, values| log.shift());
            let fortune = ["luck", gone("killed"), #{ status: 1 }];
            answer_program("fortune", |arguments| fortune.shift());
            store_put("name", "Ann");
            // Of each round: a value, a sum, a mail.
            let down = gone("the store is locked");
            service_is_down("store", [false, down, false, down, false, down, false, false, #{ kind: "argument", message: "no" }]);
            service_is_down("callout", [false, gone("the disk is full")]);
            place_call("line");
            expect_fault("for good");
        }
    "#;
    let folder = Folder::new();
    folder.file("line.rhai", script);
    let tests = folder.file("line.test.rhai", test);
    let mut host = Host::new();
    host.record(Arc::new(Recorder::new(&folder.path("calls"))));
    let runner = TestRunner::new(host, None);
    let report = runner.run(&runner.suite(Path::new(&tests)).unwrap(), "it", 1);
    assert!(report.failure.is_none(), "{}", report.failure.unwrap().render(false));
    let file = std::fs::read_dir(folder.path("calls")).unwrap().next().unwrap().unwrap().path();
    let file = file.to_str().unwrap();
    run(["replay", file]).code(0).says("same: ");
    let ended = run(["replay", "--as-test", file]);
    ended.code(0);
    // It passes as it is, with all answers as they were: what the script made of them is in a variable.
    assert!(!ended.stdout.contains("// Here"), "{}", ended.stdout);
    ended.says("expect_variable(\"TOLD\"").says("unavailable: ").says("argument: ").says("failed: ");
    ended.says("service_is_down(\"callout\", [false, #{ kind: \"unavailable\", message: \"the disk is full\" }]);");
    folder.file("line.test.rhai", &ended.stdout);
    let again = run(["test", &tests]);
    assert_eq!(again.code, Some(0), "{}\n{}", ended.stdout, again.stdout);
    // It fails if an answer is another one.
    folder.file("line.test.rhai", ended.stdout.replacen("too large", "too small", 1));
    run(["test", &tests]).code(1);
}

#[test]
fn a_test_of_a_recorded_call_waits_for_an_answer_when_its_caller_hung_up() {
    let script = r#"
        fn on_hangup() { store_put("gone", http_get("shop", "/bye").status); }
        answer();
        http_get("shop", "/1");
        http_get("shop", "/2");
        say_number(1);
    "#;
    let test = r#"
        let answers = [#{}, #{}, #{ status: 404 }];
        answer_http("shop", |request| answers.shift()); service_is_slow("shop", [0, 1.5]);
        place_call("line"); wait(0.5); hang_up(); expect_end("HANGUP"); expect_equal(store_get("gone"), 404);
    "#;
    let (folder, file) = recorded(script, test, false);
    let ended = run(["replay", "--as-test", file.to_str().unwrap()]);
    ended.code(0).says("service_is_slow(\"shop\", [0, 3600, 0]);").says("expect_end(\"HANGUP\");");
    let tests = folder.file("line.test.rhai", &ended.stdout);
    let again = run(["test", &tests]);
    assert_eq!(again.code, Some(0), "{}\n{}", ended.stdout, again.stdout);
}

#[test]
fn a_replay_hears_the_hangup_during_a_request_and_the_silence_of_a_service() {
    for (script, test, end) in [
        (
            r#"fn on_hangup() { store_put("gone", true); } http_get("shop", "/"); say_number(1);"#,
            r#"answer_http("shop", #{}); service_is_slow("shop", 1.5); place_call("line"); wait(0.5); hang_up(); expect_end("HANGUP");"#,
            "HANGUP",
        ),
        (
            r#"if http_get("shop", "/", #{ otherwise: () }) == () { print(elapsed()); say_number(2); }"#,
            r#"service_is_slow("shop", 60); place_call("line"); expect_number(2); expect_end();"#,
            "SUCCESS",
        ),
        (
            r#"try { http_get("shop", "/../x"); } catch (error) { print(error.kind); } http_get("shop", "/");"#,
            r#"answer_http("shop", #{}); place_call("line"); expect_end();"#,
            "SUCCESS",
        ),
    ] {
        let (folder, file) = recorded(script, test, false);
        let file = file.to_str().unwrap();
        run(["replay", file]).code(0).says("same: ").says(end);
        let ended = run(["replay", "--as-test", file]);
        let tests = folder.file("line.test.rhai", &ended.stdout);
        let again = run(["test", &tests]);
        assert_eq!(again.code, Some(0), "{}\n{}", ended.stdout, again.stdout);
    }
}

#[test]
fn a_redacted_recording_holds_nothing_of_what_services_were_asked_and_answered() {
    let (_folder, file) = recorded(CUSTOMER, CUSTOMER_TEST, true);
    let text = std::fs::read_to_string(&file).unwrap();
    let request = text.lines().filter(|line| line.contains("\"request\"") || line.contains("\"answer\""));
    let request = request.collect::<Vec<_>>().join("\n");
    for secret in ["4711", "Ann", "815", "example.net", "called"] {
        assert!(!request.contains(secret), "{secret} in {request}");
    }
    // The shape stays, and what the script says by itself.
    for kept in ["select name from people where number = :number", "\"name\":\"xxx\"", "\"status\":200", "/customers/"]
    {
        assert!(request.contains(kept), "no {kept} in {request}");
    }
    run(["replay", file.to_str().unwrap()]).code(0).says("same: ");
}

#[test]
fn what_was_entered_as_a_secret_is_in_no_recording_of_a_request() {
    let script = r#"
        let pin = ask("beep", #{ min: 4, max: 4, secret: true });
        let answer = http_post("bank", "/login", #{ pin: pin, number: pin.parse_int() + 0 });
        print(answer.body.name);
    "#;
    let test = r#"
        answer_http("bank", |request| #{ body: #{ name: "Ann", echo: `pin ${request.body.pin}!` } });
        place_call("line"); wait_for_question(); press("4711"); expect_end();
    "#;
    let (_folder, file) = recorded(script, test, false);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("4711"), "{text}");
    assert!(text.contains(r#""name":"Ann""#), "{text}");
    run(["replay", file.to_str().unwrap()]).code(0).says("same: ");
}
