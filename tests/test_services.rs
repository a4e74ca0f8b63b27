//! Services in tests of scripts, storms, recordings and on the phone: where no real service is.

use crate::support::process::Folder;
use agi_rhai::Host;
use agi_rhai::tools::testing::TestRunner;
use std::path::Path;

/// Runs the only test in a text, which calls a script `line`. Returns what failed.
#[track_caller]
fn failure(script: &str, test: &str) -> Option<String> {
    let folder = Folder::new();
    folder.file("line.rhai", script);
    let path = folder.file("line.test.rhai", &format!("fn test_it() {{ {test} }}"));
    let runner = TestRunner::new(Host::new(), None);
    let suite = runner.suite(Path::new(&path)).unwrap_or_else(|error| panic!("{error:#}"));
    runner.run(&suite, "it", 1).failure.map(|failure| failure.render(false))
}

#[track_caller]
fn passes(script: &str, test: &str) {
    if let Some(failure) = failure(script, test) {
        panic!("{failure}");
    }
}

#[track_caller]
fn fails(script: &str, test: &str, parts: &[&str]) {
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
        r#"answer_http("weather", #{ body: #{ celsius: 1 } }); place_call("line", #{ args: ["1"] }); expect_end();
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
        (r#"answer_http("weather", 5);"#, "`answer` must be a function, or a map such as"),
        (r#"answer_http("weather", #{ status: 5 });"#, "a number from 100 to 599"),
        (r#"answer_http("weather", |request| { place_call("line"); });"#, "can use wait"),
        (r#"answer_sql("weather", []);"#, "`answer` must be a function"),
        (r#"answer_program("weather", 5);"#, "`answer` must be a function, or a text"),
        (r#"expect_sql_value("weather", "select 1", 1);"#, "there is no database \"weather\" in this test"),
    ] {
        fails(r#"http_get("weather", "/");"#, &format!("{sets} place_call(\"line\"); expect_end();"), &[part]);
    }
}
