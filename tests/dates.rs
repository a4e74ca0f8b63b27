//! Dates and times: what scripts make of them, how they are shown on the phone and in tests, and the options that say
//! when a call begins.

use crate::support::process::{Folder, Process, agi_rhai};
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session};

/// Evaluates an expression in a call on a server in Berlin, at 2023-11-14 23:13:20 there. Returns the value or the
/// fault.
fn value(expression: &str) -> String {
    let plan: Plan = "".parse().unwrap();
    let zone = agi_rhai::TimeZone::named("Europe/Berlin").unwrap();
    let channel = Channel::new(IncomingCall::default(), Box::new(plan)).with_time_zone(zone);
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let host = Host::new();
    let script = host.compile("it.rhai", &format!("verbose({expression});")).unwrap();
    let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
    if let Some(fault) = outcome.fault {
        return fault.message.clone();
    }
    let said = transcript.lock().unwrap();
    let line = said.iter().find_map(|line| line.strip_prefix("C: VERBOSE ")).unwrap_or_default();
    line.split('"').nth(1).unwrap_or_default().to_owned()
}

/// Runs this test of this script, and returns what the program prints.
fn test(script: &str, test: &str) -> String {
    let folder = Folder::new();
    folder.file("it.rhai", script);
    folder.file("it.test.rhai", format!("fn test_it() {{ {test} }}"));
    let output = agi_rhai(["test", "--seed", "1"]).current_dir(folder.path("")).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn passes(script: &str, body: &str) {
    let said = test(script, body);
    assert!(said.contains("1 passed"), "{said}");
}

#[track_caller]
fn fails(script: &str, body: &str, message: &str) {
    let said = test(script, body);
    assert!(said.contains("1 failed") && said.contains(message), "{said}");
}

#[test]
fn a_time_is_made_of_its_parts_and_split_again() {
    assert_eq!(value(r#"time_at(2026, 12, 3, 9, 30, "UTC")"#), "1796290200");
    assert_eq!(value("time_at(2026, 12, 3, 9, 30)"), "1796286600");
    assert_eq!(value(r#"time_at("2026", "12", "03", "09", "30")"#), "1796286600");
    assert_eq!(value("`${date(time_at(2026, 12, 3)).hour} ${date(time_at(2026, 12, 3)).weekday}`"), "0 4");
    assert_eq!(value(r#"date(time_at(2026, 12, 3), "UTC").hour"#), "23");
    // Clocks skip 02:30 on the one day, and show it twice on the other.
    assert_eq!(value("`${date(time_at(2026, 3, 29, 2, 30)).hour} ${date(time_at(2026, 10, 25, 2, 30)).hour}`"), "3 2");
    assert_eq!(value(r#"time_at(2026, 10, 25, 2, 30) - time_at(2026, 10, 25, 0, 30, "UTC")"#), "0");
}

#[test]
fn the_server_has_a_time_zone() {
    assert_eq!(value("`${date().day} ${date().hour}`"), "14 23");
    assert_eq!(value(r#"date(now(), "Asia/Tokyo").day"#), "15");
}

#[test]
fn the_next_weekday_is_after_now() {
    let shown = |call: &str| {
        value(&format!(
            "{{ let d = date({call}); `${{d.month}}-${{d.day}} ${{d.hour}}:${{d.minute}} ${{d.weekday}}` }}"
        ))
    };
    // Now is a Tuesday, 23:13.
    assert_eq!(shown(r#"next_weekday("Monday", 9)"#), "11-20 9:0 1");
    assert_eq!(shown(r#"next_weekday("tuesday", 23, 14)"#), "11-14 23:14 2");
    assert_eq!(shown(r#"next_weekday(2, 23, 13)"#), "11-21 23:13 2");
    assert_eq!(shown(r#"next_weekday("wednesday")"#), "11-15 0:0 3");
    assert_eq!(shown(r#"next_weekday("tuesday", 9, 0, "Asia/Tokyo")"#), "11-21 1:0 2");
}

#[test]
fn what_is_no_date_is_a_fault_that_says_why() {
    for (call, message) in [
        ("time_at(2026, 2, 30)", "time_at: `day` is 30, but February 2026 has 28 days"),
        ("time_at(2026, 13, 1)", "time_at: `month` must be 1 to 12, not 13"),
        ("time_at(2026, 12, 3, 24)", "time_at: `hour` must be 0 to 23, not 24"),
        ("time_at(2026, 12, 3, 9, 60)", "time_at: `minute` must be 0 to 59, not 60"),
        ("time_at(0, 12, 3)", "time_at: `year` must be 1 to 9998, not 0"),
        ("time_at(2026, (), 3)", "time_at: `month` must be a whole number, not ()"),
        (r#"time_at(2026, "May", 3)"#, r#"time_at: `month` must be a whole number, not the text "May""#),
        (
            r#"time_at(2026, 12, 3, 9, 30, "Europe/Berlim")"#,
            r#"time_at: no time zone "Europe/Berlim"; one is written as "Europe/Berlin""#,
        ),
        ("date(0, 1)", r#"date: `zone` must be a time zone such as "Europe/Berlin", not 1"#),
        ("date(99999999999999)", "date: 99999999999999 is outside the calendar, which ends with the year 9999"),
        (
            r#"next_weekday("munday")"#,
            r#"next_weekday: `weekday` must be "monday" to "sunday" or 1 to 7, not the text "munday": did you mean "monday"?"#,
        ),
        ("next_weekday(8)", r#"next_weekday: `weekday` must be "monday" to "sunday" or 1 to 7, not 8"#),
        (r#"next_weekday("monday", 24)"#, "next_weekday: `hour` must be 0 to 23, not 24"),
    ] {
        assert_eq!(value(call), message);
    }
}

#[test]
fn tests_hear_dates_as_callers_do() {
    let script = r#"answer(); say_datetime(1796286600, "", "ABdY 'digits/at' IMp", "Europe/Berlin"); say(#{ date: now() });
        say_date(now()); say_time(now());"#;
    let said = "Thursday, December 3rd 2026 at 9:30 AM";
    passes(
        script,
        &format!(
            r#"place_call("it", #{{ time: "2026-12-03 09:30", zone: "America/New_York" }});
            expect_prompt("datetime {said}"); expect_prompt("datetime {said}");
            expect_prompt("date Thursday, December 3 2026"); expect_prompt("time 9:30 AM");"#
        ),
    );
    // The moment and the kind alone are names too, and the time zone is shown where it fails.
    passes(script, r#"place_call("it"); expect_prompt("datetime 1796286600"); expect_prompt("datetime");"#);
    fails(
        script,
        r#"place_call("it"); wait(2); expect_prompt("beep");"#,
        &format!("heard    datetime {said} (zone Europe/Berlin)"),
    );
}

#[test]
fn a_call_begins_when_the_test_says() {
    let script = r#"print(`${now()} ${date().hour} ${date().weekday}`);"#;
    let log = |options: &str, expected: &str| {
        passes(
            script,
            &format!("place_call(\"it\", #{{ {options} }}); expect_end(); expect_equal(log(), [\"{expected}\"]);"),
        );
    };
    log("", "1700000000 22 2");
    log("time: 1796286600", "1796286600 8 4");
    log(r#"time: "2026-12-03 09:30""#, "1796290200 9 4");
    log(r#"time: "2026-12-03 09:30", zone: "Europe/Berlin""#, "1796286600 9 4");
    log(r#"time: time_at(2026, 12, 3, 9, 30, "Europe/Berlin")"#, "1796286600 8 4");
    for (options, message) in [
        (r#"time: "Thursday""#, r#"place_call: `time`: a time is written as 2026-12-03 09:30, not "Thursday""#),
        (r#"time: "2026-02-29 09:30""#, "place_call: `time`: `day` is 29, but February 2026 has 28 days"),
        (r#"time: "1969-02-28 09:30""#, "is before 1970"),
        (r#"zone: "Berlin""#, r#"`zone` must be a time zone such as "Europe/Berlin", not "Berlin""#),
    ] {
        fails(script, &format!("place_call(\"it\", #{{ {options} }});"), message);
    }
}

#[test]
fn a_test_expects_what_is_said_and_how() {
    let script = r#"answer(); say([#{ number: 2, gender: "f" }, 3, #{ digits: "0412" }, #{ spell: "abc" }, "beep",
        #{ date: 1796286600, format: "IMp", zone: "Europe/Berlin" }, #{ date: 1796286600 }]);"#;
    passes(
        script,
        r#"place_call("it", #{ zone: "Europe/Berlin" });
        expect_said(#{ number: 2, gender: "f" }); expect_said([3, #{ digits: "0412" }, #{ spell: "abc" }, "beep"]);
        expect_said(#{ date: "2026-12-03 09:30", format: "IMp", zone: "Europe/Berlin" });
        expect_said(#{ date: time_at(2026, 12, 3, 9, 30), zone: () });"#,
    );
    passes(script, r#"place_call("it"); expect_said(2); expect_said(#{ number: 3, gender: () });"#);
    for (body, message) in [
        (
            r#"expect_said(#{ number: 2, gender: "m" });"#,
            "expected the number 2 with gender m, but heard `number 2` (gender f)",
        ),
        (
            "expect_said(#{ number: 2, gender: () });",
            "expected the number 2 without a gender, but heard `number 2` (gender f)",
        ),
        ("expect_said([2, 4]);", "expected the number 4, but heard `number 3`"),
        (
            "wait_for(\"number 3\"); expect_said(#{ digits: \"412\" });",
            "expected the digits \"412\", but heard `digits 0412`",
        ),
        (
            r#"wait_for("beep"); expect_said(#{ date: "2026-12-03 09:30", zone: "America/New_York" });"#,
            "expected the date 2026-12-03 09:30 (zone America/New_York), but heard `datetime 9:30 AM` (format IMp, zone Europe/Berlin)",
        ),
        (
            r#"wait_for("beep"); expect_said(#{ date: 1796286600, format: "kM" });"#,
            "expected the date 2026-12-03 08:30 (format kM), but heard `datetime 9:30 AM` (format IMp, zone Europe/Berlin)",
        ),
        ("expect_said(#{ numbr: 2 });", "expect_said: there is no kind of part `numbr`: did you mean `number`?"),
        (
            "expect_said(#{ digits: 2, gender: \"f\" });",
            "expect_said: `gender` doesn't go with `digits`, which takes nothing else",
        ),
        (r#"expect_said(#{ date: "noon" });"#, r#"expect_said: a time is written as 2026-12-03 09:30, not "noon""#),
        ("expect_said(2.5);", "expect_said: `part` must be a sound file, a whole number"),
    ] {
        fails(script, &format!("place_call(\"it\"); {body}"), message);
    }
}

#[test]
fn the_phone_shows_dates_as_callers_hear_them_and_begins_when_it_is_told() {
    let folder = Folder::new();
    let script = folder.file(
        "it.rhai",
        r#"say(#{ date: now() }); say(#{ date: now(), format: "IMp", zone: "Asia/Tokyo" });
        say(#{ number: 2, gender: "f" }); verbose(`hour ${date().hour}`); print(`${date().hour} o'clock`);"#,
    );
    let options = ["phone", "--fast", "--time", "2026-12-03 09:30", "--zone", "Europe/Berlin", &script];
    let mut process = Process::start(&mut agi_rhai(options));
    process.close();
    let ended = process.end();
    ended.code(0).says("9 o'clock");
    let lines = ended.lines.join("\n");
    for said in [
        "says datetime Thursday, December 3rd 2026 at 9:30 AM",
        "says datetime 5:30 PM (in the time zone Asia/Tokyo)",
        "says number 2 (gender f)",
    ] {
        assert!(lines.contains(said), "{said}: {lines}");
    }
    for (option, value, right) in [
        ("--time", "noon", "a time is written as 2026-12-03 09:30"),
        ("--time", "2026-02-30 09:30", "`day` is 30, but February 2026 has 28 days"),
        ("--zone", "Berlin", "a time zone is written as Europe/Berlin"),
    ] {
        let mut process = Process::start(&mut agi_rhai(["phone", option, value, &script]));
        process.close();
        process.end().code(2).says(right);
    }
}

#[test]
fn the_phone_takes_astdb_from_a_file() {
    let folder = Folder::new();
    let listed = "/it/one                                           : 1                        \n1 results found.\n";
    let file = folder.file("astdb", format!("{listed}it/two=2\n"));
    let script = folder.file(
        "it.rhai",
        r#"print(`${database_get("it", "one")}${database_get("it", "two")}${database_get("it", "three")}`);"#,
    );
    let mut process = Process::start(&mut agi_rhai(["phone", "--fast", "--db", &file, "--db", "it/three=3", &script]));
    process.close();
    process.end().code(0).says("123");
    let wrong = folder.file("wrong", "it/one=1\nnonsense\n");
    let mut process = Process::start(&mut agi_rhai(["phone", "--db", &wrong, &script]));
    process.close();
    process.end().code(2).says("line 2 of the file is not an entry FAMILY/KEY=VALUE");
}
