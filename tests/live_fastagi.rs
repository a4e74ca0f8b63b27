//! The server on a real Asterisk: many calls, edits between them, refusals, draining, and ending calls. `live.rs` tests
//! that scripts run as they do with a process per call, in both ways.

use crate::live::{commands, ends, pause, value_after_hangup};
use crate::support::asterisk::{Asterisk, Call, Running, asterisk};
use crate::support::machine::Server;
use std::thread;
use std::time::{Duration, Instant};

fn call(server: &Server, request: &str) -> Running {
    asterisk().call(Call::request(&server.url(request), &[]))
}

#[test]
fn live_parameters_reach_the_script() {
    let server = Server::start(&[]);
    let script = r#"for name in params.keys() { set_variable("P_" + name, params[name]); }
        set_variable("COUNT", params.len()); set_variable("REQUEST", env.agi_network_script);"#;
    server.script("params.rhai", script);
    let query = "a=1&plus=+49 1+1&percent=%31%2C%2Bx%20y%26%3D%3f&empty=&bare&twice=1&twice=2&utf=%e2%98%8e&half=%zz%4";
    let ending = call(&server, &format!("params.rhai?{query}")).wait_end();
    ends(&ending, "SUCCESS", "SUCCESS", true);
    let param = |name: &str| ending.variables[&format!("P_{name}")].as_str();
    assert_eq!((param("a"), param("plus"), param("percent")), ("1", "+49 1+1", "1,+x y&=?"));
    assert_eq!((param("empty"), param("bare"), param("twice")), ("", "", "2"));
    assert_eq!((param("utf"), param("half"), ending.variables["COUNT"].as_str()), ("☎", "%zz%4", "8"));
    // The name of a script may be encoded.
    let ending = call(&server, "%70arams?a=b").wait_end();
    assert_eq!((ending.status.as_str(), ending.variables["P_a"].as_str()), ("SUCCESS", "b"));
    // Nothing outside the folder can be reached, however the name is written; nor the folder itself.
    for outside in ["../log", "%2e%2e/log", "/etc/passwd", "%2Fetc%2Fpasswd", "a/../../log", "", ".", "params.rhai/"] {
        let ending = call(&server, outside).wait_end();
        ends(&ending, "FAILURE", "NOTFOUND", true);
    }
}

/// A fault after the hangup, and a fault in `on_hangup`.
#[test]
fn live_faults_do_not_hide_the_hangup() {
    let server = Server::start(&[]);
    server
        .script("late.rhai", "answer(); wait_for_digit(60000); fn on_hangup() { noop(\"late\"); throw \"nonsense\"; }");
    let mut running = call(&server, "late.rhai");
    running.wait_for("WAIT FOR DIGIT");
    running.hangup();
    let ending = running.wait_end();
    ends(&ending, "HANGUP", "HANGUP", false);
    assert!(ending.error.contains("nonsense"), "{ending:?}");
    assert!(server.log().contains("/late.rhai:1:65: nonsense source="), "{}", server.log());
}

// ---- many calls

#[test]
fn live_two_hundred_calls_at_once() {
    const CALLS: usize = 200;
    let asterisk = Asterisk::start();
    let server = Server::start(&[]);
    server.script(
        "crowd.rhai",
        r#"answer();
           state.mine = env.agi_uniqueid;
           let key = wait_for_digit(50000);
           for i in 0..5 {
               set_variable("N", `${i} ${state.mine}`);
               if get_variable("N") != `${i} ${state.mine}` { throw "mixed up"; }
           }
           stream_file("beep");
           set_variable("GOT", `${key} ${args[0]} ${params.n} ${get_variable("UNIQUEID") == state.mine}`);
           wait_for_digit(50000);
           fn on_hangup() { database_put("crowd", args[0], state.mine); }"#,
    );
    let mut crowd = asterisk.crowd();
    for n in 0..CALLS {
        crowd.place(&Call::request(&server.url(&format!("crowd.rhai?n={n}")), &[&n.to_string()]));
    }
    // All have begun before anyone presses a key.
    crowd.listen_until("all wait for a key", |members| {
        members.iter().all(|member| member.commands().any(|command| command.starts_with("WAIT FOR DIGIT")))
    });
    assert_eq!(server.calls().len(), CALLS);
    for n in 0..CALLS {
        crowd.press(n, &(n % 10).to_string());
    }
    crowd.listen_until("all wait once more", |members| {
        members
            .iter()
            .all(|member| member.commands().filter(|command| command.starts_with("WAIT FOR DIGIT")).count() > 1)
    });
    // Callers with odd numbers hang up, the others go on.
    for n in 0..CALLS {
        if n % 2 == 1 {
            crowd.hang_up(n);
        } else {
            crowd.press(n, "#");
        }
    }
    for (n, ending) in crowd.endings().iter().enumerate() {
        assert_eq!(ending.variables["GOT"], format!("{} {n} {n} true", n % 10), "{ending:?}");
        if n % 2 == 1 {
            ends(ending, "HANGUP", "HANGUP", false);
            let id = asterisk.database_get("crowd", &n.to_string());
            assert_eq!(id.as_deref(), Some(crowd.members()[n].unique_id()));
        } else {
            ends(ending, "SUCCESS", "SUCCESS", true);
        }
    }
    assert!(server.calls().is_empty());
}

// ---- edits

/// A call keeps the script it began with; the next one has the new script this long after it was saved.
#[test]
fn live_an_edit_reaches_the_next_call() {
    const LIVE_AFTER: Duration = Duration::from_millis(300);
    let server = Server::start(&[]);
    let script = |prompt: &str, number: u32| {
        format!("answer(); stream_file(\"{prompt}\"); wait_for_digit(60000); stream_file(\"digits/{number}\");")
    };
    let mut late = Vec::new();
    // On a busy machine it may be late once: the best of a few counts.
    for (name, last) in [("edit-1", false), ("edit-2", false), ("edit-3", true)] {
        server.script(name, &script("one-moment-please", 1));
        let mut first = call(&server, name);
        first.wait_for(r#"STREAM FILE "one-moment-please""#);
        server.save(name, &script("beep", 2));
        pause(LIVE_AFTER.as_millis() as u64);
        let mut second = call(&server, name);
        let heard = second.wait_for("STREAM FILE");
        second.wait_for("WAIT FOR DIGIT");
        second.press("1");
        let second = second.wait_end();
        if heard != r#"STREAM FILE "beep" """# && !last {
            late.push(name);
            first.hangup();
            continue;
        }
        assert_eq!(heard, r#"STREAM FILE "beep" """#, "not live {LIVE_AFTER:?} after it was saved, {late:?} neither");
        // A broken edit changes nothing for callers.
        let said = server.log().len();
        server.save(name, "answer(); stream_file(\"beep\"; let");
        server.wait_log(said, "broken: ");
        let mut third = call(&server, name);
        assert_eq!(third.wait_for("STREAM FILE"), r#"STREAM FILE "beep" """#);
        third.wait_for("WAIT FOR DIGIT");
        third.press("1");
        let third = third.wait_end();
        // The first one has gone on all that time.
        first.press("1");
        let ended = first.wait_end();
        assert!(commands(&first).contains(&r#"STREAM FILE "digits/1" """#.to_owned()), "{}", first.story());
        for ending in [&ended, &second, &third] {
            ends(ending, "SUCCESS", "SUCCESS", true);
        }
        let version = "AGI_RHAI_VERSION";
        assert_ne!(ended.variables[version], second.variables[version]);
        assert_eq!(second.variables[version], third.variables[version]);
        return;
    }
}

// ---- refusals

#[test]
fn live_a_full_server_answers_busy() {
    let server = Server::start(&["--max-calls", "2"]);
    server.script("wait.rhai", "answer(); wait_for_digit(60000);");
    let mut two: Vec<Running> = (0..2).map(|_| call(&server, "wait.rhai")).collect();
    for call in &mut two {
        call.wait_for("WAIT FOR DIGIT");
    }
    let ending = call(&server, "wait.rhai").wait_end();
    ends(&ending, "SUCCESS", "BUSY", true);
    // The dialplan of the pages tries again, and reports it in the end.
    let machine = server.url("").trim_end_matches('/').to_owned();
    let third = thread::spawn({
        let machine = machine.clone();
        move || asterisk().call(Call::shared("wait.rhai", &machine)).wait_end()
    });
    let third = third.join().unwrap();
    assert_eq!((third.status.as_str(), third.went_on), ("BUSY", true), "{third:?}");
    let plays = |name: &str| third.steps.iter().filter(|step| step.contains(&format!("Playback({name})"))).count();
    assert_eq!((plays("one-moment-please"), plays("all-circuits-busy-now")), (2, 1), "{third:?}");
    // Once there is room, the call that retries gets it.
    let mut fourth = asterisk().call(Call::shared("wait.rhai", &machine));
    fourth.event(|event| event.is("Newexten") && event.get("AppData") == "one-moment-please");
    two[0].press("1");
    fourth.wait_for("WAIT FOR DIGIT");
    fourth.press("1");
    let fourth = fourth.wait_end();
    ends(&fourth, "SUCCESS", "SUCCESS", true);
    two[1].hangup();
}

// ---- what the operator does

/// The command a call is in when the operator ends it, and whether Asterisk lets itself be interrupted in it. Otherwise
/// the server closes the connection, and Asterisk notices when the command is over.
const ENDED_IN: [(&str, &str, bool); 17] = [
    ("WAIT FOR DIGIT", "wait_for_digit(20000)", true),
    ("STREAM FILE", r#"stream_file("demo-congrats")"#, true),
    ("GET DATA", r#"get_data("demo-congrats", 20000, 4)"#, true),
    // The prompt is over, and keys are awaited.
    ("GET DATA", r#"get_data("digits/1", 20000, 4)"#, true),
    ("GET OPTION", r#"get_option("demo-congrats", "1", 20000)"#, true),
    // Sleeping and computing.
    ("NOOP", "sleep(20)", true),
    ("NOOP", "loop { let n = 0; while n < 200000 { n += 1; } noop(); }", true),
    ("NOOP", r#"noop(); let n = 0; while n < 100000000 { n += 1; }"#, true),
    ("SAY DIGITS", r#"say_digits("1234567890")"#, false),
    ("SAY NUMBER", "say_number(777777)", false),
    ("SAY ALPHA", r#"say_alpha("asterisk")"#, false),
    ("SAY PHONETIC", r#"say_phonetic("asterisk")"#, false),
    ("SAY DATETIME", "say_datetime(1000000000)", false),
    ("CONTROL STREAM FILE", r#"control_stream_file("vm-intro", "")"#, false),
    ("RECORD FILE", r##"record_file("live-ended", "gsm", "#", 5000)"##, false),
    ("RECEIVE TEXT", "receive_text(5000)", false),
    ("EXEC", r#"exec("Wait", 5)"#, false),
];

#[test]
fn live_the_operator_can_end_calls() {
    let server = Server::start(&["--max-computing", "60"]);
    for (number, (_, script, _)) in ENDED_IN.iter().enumerate() {
        let text = format!(
            "answer();\nnoop(\"begin\");\n{script};\nnoop(\"not reached\");\n\
             fn on_hangup(last) {{ database_put(\"operator\", \"{number}\", last.command); }}"
        );
        server.save(&format!("end-{number}"), &text);
    }
    server.script("saved-last", "");
    let end = |number: usize| {
        let (command, script, can_be) = ENDED_IN[number];
        let mut call = call(&server, &format!("end-{number}"));
        call.wait_for(command);
        pause(700);
        let channel = call.channel();
        let id = server.calls().into_iter().find(|call| call.channel == channel).expect("the call is listed").id;
        let (begun, said) = (Instant::now(), server.calls_program(&["end", &id]));
        assert!(said.status.success(), "{said:?}");
        let ending = call.wait_end();
        let took = begun.elapsed();
        let story = call.story();
        let put = asterisk().database_get("operator", &number.to_string());
        assert!(!commands(&call).iter().any(|command| command.contains("not reached")), "{script}: {story}");
        if can_be {
            ends(&ending, "SUCCESS", "HANGUP", true);
            assert_eq!(ending.error, "ended by the operator");
            let last = if command == "NOOP" { "noop".to_owned() } else { command.to_lowercase().replace(' ', "_") };
            assert_eq!(put, Some(last), "{script}: {story}");
            assert!(took < Duration::from_secs(3), "{script}: {took:?} {story}");
        } else {
            ends(&ending, "SUCCESS", "", true);
            assert_eq!(put, None, "{script}: can this be interrupted by now? {story}");
            assert!(took > Duration::from_secs(2), "{script}: {took:?} {story}");
        }
    };
    thread::scope(|scope| {
        for number in 0..ENDED_IN.len() {
            scope.spawn(move || end(number));
        }
    });
    assert!(server.calls().is_empty(), "{:?}", server.calls());
    let said = server.calls_program(&["end", "99999"]);
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("there is no call 99999"));
}

#[test]
fn live_calls_are_listed_and_shown() {
    let server = Server::start(&[]);
    server.script("menu.rhai", "answer();\n\nlet x = get_data(\"beep\", 60000, 4);\nset_variable(\"GOT\", x);");
    let mut running = asterisk().call(Call::request(&server.url("menu.rhai"), &[]).caller_id("Ann <7301>"));
    let channel = running.channel();
    let listed = server.wait_call(&channel, "GET DATA");
    assert_eq!((&*listed.caller, &*listed.script, &*listed.line), ("7301", "menu.rhai", "3"));
    let table = server.calls_program(&[]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let row = table.lines().find(|line| line.contains(&channel)).expect("the call is in the table");
    for cell in ["7301", "menu.rhai", "GET DATA", "127.0.0.1"] {
        assert!(row.contains(cell), "{table}");
    }
    assert!(table.starts_with("ID ") && table.lines().count() == 2, "{table}");
    let shown = thread::scope(|scope| {
        let shown = scope.spawn(|| server.calls_program(&["show", &listed.id]));
        pause(500);
        running.press("12#");
        shown.join().unwrap()
    });
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let shown: Vec<&str> = shown.lines().collect();
    assert_eq!(shown[0], format!("call {} of menu.rhai on {channel}", listed.id));
    // Keys stay masked; commands that use them are shown.
    assert_eq!(shown[1], "< 200 result=••", "{shown:#?}");
    let next = shown[2];
    assert!(next.starts_with(r#"> SET VARIABLE "GOT" "12" "#) && next.ends_with("menu.rhai:4]"), "{shown:#?}");
    assert_eq!(shown.last(), Some(&"SUCCESS"), "{shown:#?}");
    ends(&running.wait_end(), "SUCCESS", "SUCCESS", true);
}

/// SIGTERM: no new calls, calls in progress go on, and those left after the drain timeout are ended in order.
#[test]
fn live_sigterm_drains_the_server() {
    let mut server = Server::start(&["--drain", "3s"]);
    server.script(
        "stay.rhai",
        "answer(); set_variable(\"KEY\", wait_for_digit(60000));\nstream_file(\"beep\");\n\
         fn on_hangup() { database_put(\"drain\", env.agi_uniqueid, \"done\"); sleep(0.5); noop(\"slept\"); }",
    );
    let mut calls: Vec<Running> = (0..3).map(|_| call(&server, "stay.rhai")).collect();
    for call in &mut calls {
        call.wait_for("WAIT FOR DIGIT");
    }
    let said = server.log().len();
    server.process.signal("TERM");
    let begun = Instant::now();
    server.wait_log(said, "no new calls; 3 calls may continue for 3s");
    pause(200);
    let refused = call(&server, "stay.rhai").wait_end();
    ends(&refused, "FAILURE", "", true);
    let (left, others) = calls.split_at_mut(1);
    // One comes to its end, one hangs up.
    others[0].press("5");
    let ended = others[0].wait_end();
    ends(&ended, "SUCCESS", "SUCCESS", true);
    assert_eq!(ended.variables["KEY"], "5");
    others[1].hangup();
    ends(&others[1].wait_end(), "HANGUP", "HANGUP", false);
    // The third is ended at the timeout.
    let ended = left[0].wait_end();
    let lasted = begun.elapsed();
    ends(&ended, "SUCCESS", "HANGUP", true);
    assert_eq!(ended.error, "ended by the operator");
    assert!((3.0..6.0).contains(&lasted.as_secs_f64()), "{lasted:?}");
    assert!(commands(&left[0]).contains(&r#"NOOP "slept""#.to_owned()), "{}", left[0].story());
    for call in [&left[0], &others[1]] {
        assert_eq!(value_after_hangup("drain", call.unique_id()).as_deref(), Some("done"));
    }
    assert_eq!(server.process.wait(), Some(0), "{}", server.log());
    assert!(server.log().contains("all calls have ended"), "{}", server.log());
    assert!(!server.control().exists());
}
