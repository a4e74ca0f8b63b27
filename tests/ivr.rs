//! Questions and menus on the simulator. `live_ivr.rs` plays the cases of [`CASES`] on a real Asterisk too, with the
//! same callers and results.

use agi_rhai::clock::Time;
use agi_rhai::command::Command;
use agi_rhai::pbx::{self, Act, Caller, Channel, ChannelState, Digit, Hearing, Plan, Voice};
use agi_rhai::session::{Observer, Sent};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Outcome, Session, Status};
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A caller who follows a [`Plan`], a script, and what the script logs with `verbose`.
pub struct Case {
    pub name: &'static str,
    pub plan: &'static str,
    pub script: &'static str,
    pub says: &'static [&'static str],
}

const fn case(name: &'static str, plan: &'static str, script: &'static str, says: &'static [&'static str]) -> Case {
    Case { name, plan, script, says }
}

/// Every option and every kind of caller.
pub const CASES: &[Case] = &[
    // Speaking.
    case(
        "say",
        "",
        r##"say("beep"); say(["beep", 42, #{ digits: "07#" }, #{ spell: "ab" }, [#{ phonetic: "a" }, "beep"]]); say([]); say("");
            say(#{ number: 2, gender: "f" }); say([-5, #{ number: "7" }, #{ digits: 12 }]); verbose(to_debug(say("beep", "12")));
            say(#{ date: 1210498014, format: "IMp", zone: "UTC" }); say(#{ date: 1210498014, zone: "UTC" }); say(#{ digits: "" })"##,
        &[r#""""#],
    ),
    case(
        "say key",
        "presses 9 when beep after 200ms, presses 2 when \"number 123456\" after 500ms, presses 1 when vm-intro after 500ms",
        r#"verbose(say(["beep", 123456, "vm-intro"], "12")); verbose(say(["vm-intro"], 1))"#,
        &["2", "1"],
    ),
    case("say missing", "", r#"say(["no-such-file", "beep"]); verbose("on")"#, &["on"]),
    // One round.
    case(
        "collect max",
        "presses 1234 every 200ms when vm-intro after 500ms",
        r#"verbose(to_debug(collect("vm-intro", #{ max: 4 })))"#,
        &[r##"#{"digits": "1234", "ended_by": "max"}"##],
    ),
    case(
        "collect end",
        "presses 12# every 200ms when vm-intro after 500ms",
        r#"verbose(to_debug(collect("vm-intro")))"#,
        &[r##"#{"digits": "12", "ended_by": "end"}"##],
    ),
    case(
        "collect end alone",
        "presses # when vm-intro after 500ms",
        r#"verbose(to_debug(collect("vm-intro")))"#,
        &[r##"#{"digits": "", "ended_by": "end"}"##],
    ),
    case(
        "collect end at max",
        "presses 12 every 200ms when beep after 700ms",
        r#"verbose(to_debug(collect("beep", #{ max: 2 }))); verbose(to_debug(collect("beep", #{ first: 1 })))"#,
        &[r##"#{"digits": "12", "ended_by": "max"}"##, r##"#{"digits": "", "ended_by": "none"}"##],
    ),
    case(
        "collect timeout",
        "presses 12 every 200ms when vm-intro after 500ms",
        r#"verbose(to_debug(collect("vm-intro", #{ between: 1 })))"#,
        &[r##"#{"digits": "12", "ended_by": "timeout"}"##],
    ),
    case(
        "collect none",
        "",
        r#"verbose(to_debug(collect("beep", #{ first: 0.5 }))); verbose(to_debug(collect([], #{ first: 0 })))"#,
        &[r##"#{"digits": "", "ended_by": "none"}"##, r##"#{"digits": "", "ended_by": "none"}"##],
    ),
    case(
        "collect cancel",
        "presses 1* every 200ms when vm-intro after 500ms",
        r#"verbose(to_debug(collect("vm-intro", #{ cancel: "*" })))"#,
        &[r##"#{"digits": "1", "ended_by": "cancel"}"##],
    ),
    case(
        "collect cancel first",
        "presses * when vm-intro after 500ms",
        r#"verbose(to_debug(collect(["vm-intro", "beep"], #{ cancel: "*", max: 5 })))"#,
        &[r##"#{"digits": "", "ended_by": "cancel"}"##],
    ),
    // The end of an answer.
    case(
        "end is a star",
        "presses 1#2* every 200ms when vm-intro after 500ms",
        r#"verbose(ask("vm-intro", #{ end: "*" }))"#,
        &["1#2"],
    ),
    case(
        "ends are two",
        "presses 12* every 200ms when vm-intro after 500ms, presses 34# every 200ms when beep after 700ms",
        r##"verbose(ask("vm-intro", #{ end: "#*" })); verbose(ask("beep", #{ end: "*#" }))"##,
        &["12", "34"],
    ),
    case(
        "pound as an ordinary key",
        "presses #1##2 every 200ms when vm-intro after 500ms",
        r#"verbose(ask("vm-intro", #{ end: "", max: 5 }))"#,
        &["#1##2"],
    ),
    case(
        "pound in the last place",
        "presses 12# every 200ms when vm-intro after 500ms",
        r#"verbose(ask("vm-intro", #{ end: "", max: 3 })); verbose(to_debug(collect("beep", #{ first: 1 })))"#,
        &["12#", r##"#{"digits": "", "ended_by": "none"}"##],
    ),
    case(
        "pound and a silence",
        "presses 1# every 200ms when vm-intro after 500ms",
        r#"verbose(to_debug(collect("vm-intro", #{ end: "", between: 1 })))"#,
        &[r##"#{"digits": "1#", "ended_by": "timeout"}"##],
    ),
    case(
        "one wait for all",
        "presses 123 every 200ms when beep after 1200ms",
        r#"verbose(ask("beep", #{ first: 2, between: 2, max: 3 }))"#,
        &["123"],
    ),
    // Typing ahead.
    case(
        "two questions at once",
        "presses 123456 every 80ms when vm-intro after 500ms",
        r#"verbose(ask("vm-intro", #{ max: 4 })); verbose(ask("demo-congrats", #{ max: 2 }))"#,
        &["1234", "56"],
    ),
    case(
        "three questions at once",
        "presses 12#3#4567 every 80ms when vm-intro after 500ms",
        r#"verbose(ask(["vm-intro", "beep"])); verbose(ask(["demo-congrats", 7])); verbose(ask([8, "demo-congrats"], #{ max: 4 }))"#,
        &["12", "3", "4567"],
    ),
    case(
        "the second of three prompts",
        "presses 12 every 200ms when \"number 123456\" after 500ms",
        r#"verbose(ask(["beep", 123456, "vm-intro"], #{ max: 2 }))"#,
        &["12"],
    ),
    case(
        "the first of three prompts",
        "presses 12 every 200ms when vm-intro after 500ms",
        r#"verbose(ask(["vm-intro", "beep", "demo-congrats"], #{ max: 2 }))"#,
        &["12"],
    ),
    case(
        "pound in the first of two prompts",
        "presses # when vm-intro after 500ms",
        r#"verbose(to_debug(collect(["vm-intro", "demo-congrats"])))"#,
        &[r##"#{"digits": "", "ended_by": "end"}"##],
    ),
    case(
        "a number comes last",
        "presses 12 every 200ms after 4s",
        r#"verbose(ask(["beep", 5], #{ max: 2, first: 8 }))"#,
        &["12"],
    ),
    case(
        "a number comes last, interrupted",
        "presses 12 every 200ms when \"number 123456\" after 500ms",
        r#"verbose(ask(["beep", 123456], #{ max: 2 }))"#,
        &["12"],
    ),
    case(
        "digits and letters interrupted",
        "presses 1 when \"digits 123456\" after 500ms, presses 2 when \"alpha abcdef\" after 500ms",
        r#"verbose(ask([#{ digits: "123456" }, "demo-congrats"], #{ max: 1 })); verbose(ask([#{ spell: "abcdef" }, "beep"], #{ max: 1 }))"#,
        &["1", "2"],
    ),
    // Callers who are used to `#` press it even if the last digit was enough.
    case(
        "an end that comes late",
        "presses 1234# every 200ms when vm-intro after 500ms, presses 56# every 200ms when demo-thanks after 700ms, presses 7 when beep after 700ms",
        r#"verbose(ask("vm-intro", #{ max: 4 })); verbose(ask(["demo-congrats", "demo-thanks"], #{ max: 2 })); verbose(menu("beep", #{ "7": 7 }, #{ tries: 1, first: 3 }))"#,
        &["1234", "56", "7"],
    ),
    case(
        "an end that is an answer",
        "presses 12# every 200ms when vm-intro after 500ms, presses 34# every 200ms when demo-congrats after 500ms, presses 56# every 200ms when demo-thanks after 500ms",
        r##"ask("vm-intro", #{ max: 2 }); verbose(menu("demo-congrats", #{ "#": "pound" })); ask("demo-congrats", #{ max: 2 });
            verbose(to_debug(ask("demo-thanks", #{ min: 0 }))); ask("demo-thanks", #{ max: 2 }); verbose(collect("beep").ended_by)"##,
        &["pound", r#""""#, "end"],
    ),
    case(
        "an end that is a key, and one that cancels",
        "presses 12# every 200ms when vm-intro after 500ms, presses 34# every 200ms when demo-congrats after 500ms",
        r##"ask("vm-intro", #{ max: 2 }); verbose(ask("beep", #{ end: "", max: 1 })); ask("demo-congrats", #{ max: 2 });
            verbose(to_debug(ask("demo-thanks", #{ cancel: "#" })))"##,
        &["#", "()"],
    ),
    // Unwanted keys.
    case(
        "prompts play out",
        "presses 9 when beep after 200ms, presses 12 every 200ms after 3s",
        r#"verbose(ask(["beep", 5, "beep"], #{ barge_in: false, max: 2, first: 8 }))"#,
        &["12"],
    ),
    case(
        "flush",
        "presses 123456 every 200ms when vm-intro after 500ms, presses 78 every 200ms when demo-congrats after 500ms",
        r#"verbose(ask("vm-intro", #{ max: 4 })); verbose(ask("demo-congrats", #{ max: 2, flush: true }))"#,
        &["1234", "78"],
    ),
    // Tries.
    case(
        "three silences",
        "",
        r#"verbose(to_debug(ask("beep", #{ first: 0.3, no_input: [["digits/1"], ["digits/2", "beep"]], give_up: "digits/9" })))"#,
        &["()"],
    ),
    case(
        "wrong, nothing, right",
        "presses 9# every 200ms when beep after 700ms, presses 123# every 200ms when digits/2 after 1500ms",
        r#"verbose(ask("beep", #{ min: 3, first: 1, no_input: "digits/2", no_match: "digits/1", give_up: "digits/9" }))"#,
        &["123"],
    ),
    case(
        "a key in what is said before the second try",
        "presses 9# every 200ms when beep after 700ms, presses 12 every 200ms when vm-intro after 500ms",
        r#"verbose(ask("beep", #{ min: 2, max: 2, no_match: ["vm-intro", 7] }))"#,
        &["12"],
    ),
    case(
        "once only",
        "",
        r#"verbose(to_debug(ask("beep", #{ first: 0.3, tries: 1, no_input: "digits/1", give_up: ["digits/9", 3] })))"#,
        &["()"],
    ),
    case(
        "cancelled",
        "presses 1* every 200ms when vm-intro after 500ms",
        r#"verbose(to_debug(ask("vm-intro", #{ cancel: "*", give_up: "digits/9" })))"#,
        &["()"],
    ),
    case(
        "an empty answer is one",
        "presses # when vm-intro after 500ms",
        r#"verbose(to_debug(ask("vm-intro", #{ min: 0 }))); verbose(to_debug(ask("beep", #{ min: 0, first: 0.3 })))"#,
        &[r#""""#, r#""""#],
    ),
    case(
        "valid",
        "presses 11 every 200ms when vm-intro after 500ms, presses 22 every 200ms when digits/1 after 200ms, presses 33 every 200ms when \"number 22\" after 200ms",
        r#"verbose(ask("vm-intro", #{ max: 2, tries: 4, no_match: "digits/1", valid: |digits| switch digits { "11" => false, "22" => [22, "beep"], _ => true } }))"#,
        &["33"],
    ),
    case(
        "valid is a function of the script",
        "presses 1 when vm-intro after 500ms, presses 7 when digits/1 after 200ms",
        r#"verbose(ask("vm-intro", #{ max: 1, no_match: ["digits/1"], valid: Fn("lucky") })); fn lucky(digits) { get_variable("X"); digits == "7" }"#,
        &["7"],
    ),
    // Yes or no.
    case("yes", "presses 1 when vm-intro after 500ms", r#"verbose(to_debug(confirm("vm-intro")))"#, &["true"]),
    case(
        "no, after all",
        "presses 3 when vm-intro after 500ms, presses 2 when beep after 200ms",
        r#"verbose(to_debug(confirm("vm-intro", #{ no_match: "beep" })))"#,
        &["false"],
    ),
    case(
        "neither",
        "presses # when vm-intro after 500ms",
        r#"verbose(to_debug(confirm("vm-intro", #{ first: 0.3, tries: 2 })))"#,
        &["()"],
    ),
    // Menus.
    case(
        "a menu of one key",
        "presses 2 when vm-intro after 500ms, presses 1 when demo-congrats after 500ms, presses # when beep after 200ms",
        r##"let choices = #{ "1": "sales", "2": || "help" + 1, "#": 3, "*": |key| key };
            verbose(menu("vm-intro", choices)); verbose(menu("demo-congrats", choices)); verbose(menu("beep", choices)); verbose(elapsed() < 3.5)"##,
        &["help1", "sales", "3", "1"],
    ),
    case(
        "a menu without an answer",
        "presses 5 when beep after 700ms",
        r#"verbose(to_debug(menu("beep", #{ "1": 1, "2": 2 }, #{ first: 1, tries: 2, no_match: "digits/5", no_input: "digits/0" })))"#,
        &["()"],
    ),
    case(
        "patterns",
        "presses 123 every 200ms when vm-intro after 500ms, presses 1 when demo-congrats after 500ms, presses 12 every 200ms when demo-thanks after 500ms",
        r#"let choices = #{ "1": "one", "12": "twelve", "_1XX": |ext| "extension " + ext };
           verbose(menu("vm-intro", choices)); verbose(menu("demo-congrats", choices)); verbose(menu("demo-thanks", choices))"#,
        &["extension 123", "one", "twelve"],
    ),
    case(
        "patterns without an end",
        "presses 4455# every 200ms when vm-intro after 500ms, presses 123 every 200ms when demo-congrats after 500ms, presses 0 when demo-thanks after 500ms",
        r#"let choices = #{ "_X.": |n| n, "0": "operator", "_[1-3]XX": "short" };
           verbose(menu("vm-intro", choices)); verbose(menu("demo-congrats", choices, #{ between: 1 })); verbose(menu("demo-thanks", choices, #{ between: 1 }))"#,
        &["4455", "short", "operator"],
    ),
    case(
        "a pattern that decides at once",
        "presses 9 when vm-intro after 500ms",
        r#"verbose(menu("vm-intro", #{ "_9!": |keys| "out " + keys, "100": 1 })); verbose(elapsed() < 2.5)"#,
        &["out 9", "1"],
    ),
    case(
        "choices of one length",
        "presses 12 every 200ms when vm-intro after 500ms",
        r#"verbose(menu(["beep", "vm-intro"], #{ "11": "a", "12": "b", "_2X": "c" }))"#,
        &["b"],
    ),
    case(
        "an invalid entry is read to its end",
        "presses 345 every 200ms when vm-intro after 500ms, presses 0 when demo-nogo after 700ms",
        r#"verbose(menu("vm-intro", #{ "0": "operator", "_1XX": 1 }, #{ no_match: ["demo-nogo"] }))"#,
        &["operator"],
    ),
    case(
        "a key too few",
        "presses 12 every 200ms when vm-intro after 500ms, presses 0 when demo-nogo after 700ms",
        r#"verbose(menu("vm-intro", #{ "0": "operator", "_1XX": 1 }, #{ between: 1, no_match: ["demo-nogo"] }))"#,
        &["operator"],
    ),
    case(
        "cancelled menu",
        "presses * when vm-intro after 500ms",
        r#"verbose(to_debug(menu("vm-intro", #{ "1": 1, "2": 2 }, #{ cancel: "*" })))"#,
        &["()"],
    ),
    case(
        "a choice that asks",
        "presses 1 when vm-intro after 500ms, presses 2 when demo-thanks after 500ms",
        r#"verbose(menu("vm-intro", #{ "1": || menu("demo-thanks", #{ "1": "in", "2": "deep" }), "2": 2 }))"#,
        &["deep"],
    ),
    case(
        "a choice that is checked",
        "presses 123 every 200ms when vm-intro after 500ms, presses 145 every 200ms when \"number 123\" after 200ms",
        r#"verbose(menu("vm-intro", #{ "_1XX": |ext| ext }, #{ valid: |ext| if ext == "123" { [123, "beep"] } else { true } }))"#,
        &["145"],
    ),
    case(
        "a choice that ends the script",
        "presses 1 when vm-intro after 500ms",
        r#"menu("vm-intro", #{ "1": || exit() }); verbose("not reached")"#,
        &[],
    ),
    // Missing prompts.
    case(
        "the first prompt is missing",
        "presses 12 every 200ms when vm-intro after 500ms",
        r#"verbose(ask(["no-such-file", "vm-intro"], #{ max: 2 }))"#,
        &["12"],
    ),
    case(
        "the last prompt is missing",
        "presses 12 every 200ms when vm-intro after 500ms",
        r#"verbose(ask(["vm-intro", "no-such-file"], #{ max: 2 }))"#,
        &["12"],
    ),
    case(
        "the only prompt is missing",
        "presses 12 every 200ms after 2s",
        r#"verbose(ask("no-such-file", #{ max: 2 }))"#,
        &["12"],
    ),
    case(
        "all others are missing",
        "",
        r#"verbose(to_debug(ask("beep", #{ first: 0.3, tries: 2, no_input: "no-such-file", give_up: ["no-such-file", "beep"] })))"#,
        &["()"],
    ),
    case(
        "missing and played out",
        "",
        r#"verbose(to_debug(collect(["no-such-file", "beep"], #{ barge_in: false, first: 0.3 })))"#,
        &[r##"#{"digits": "", "ended_by": "none"}"##],
    ),
    // Hanging up.
    case(
        "hangup in a prompt",
        "hangs up when demo-congrats after 500ms",
        r#"try { ask(["beep", "demo-congrats", 5]) } catch {} verbose("not reached"); fn on_hangup(last) { database_put("ivr", last.command, last.line); }"#,
        &[],
    ),
    case(
        "hangup after a key",
        "presses 1 when vm-intro after 500ms, hangs up after 700ms",
        r#"ask("vm-intro"); verbose("not reached")"#,
        &[],
    ),
    case(
        "hangup in a number",
        "hangs up when \"number 123456\" after 500ms",
        r#"ask([123456, "beep"]); verbose("not reached")"#,
        &[],
    ),
    case(
        "hangup in a choice",
        "presses 1 when vm-intro after 500ms, hangs up when demo-congrats after 500ms",
        r#"menu("vm-intro", #{ "1": || { try { say("demo-congrats") } catch {} say("beep") } }); verbose("not reached")"#,
        &[],
    ),
    // Dialing.
    case("dial nobody", "", r#"verbose(dial("Local/nobody@nowhere", 5))"#, &["CHANUNAVAIL"]),
];

/// A script that was played.
pub struct Played {
    pub outcome: Outcome,
    pub lines: Vec<String>,
}

impl Played {
    /// Returns the lines sent, without our own last words.
    fn sent(&self) -> Vec<&str> {
        let sent = self.lines.iter().filter_map(|line| line.strip_prefix("C: "));
        sent.filter(|line| !line.contains("AGI_RHAI_")).collect()
    }
}

/// Returns what a transcript logs by `verbose`.
pub fn logged(lines: &[String]) -> Vec<String> {
    let said = lines.iter().filter_map(|line| line.strip_prefix("C: VERBOSE "));
    said.map(|words| String::from_utf8_lossy(&agi_rhai::internals::split(words.as_bytes())[0]).into_owned()).collect()
}

/// Makes a channel like that of a call of the real Asterisk.
pub fn channel(plan: &str) -> Channel {
    let plan: Plan = plan.parse().unwrap_or_else(|error| panic!("{plan}: {error}"));
    let call = pbx::IncomingCall { kind: "Local".into(), callerid: None, ..pbx::IncomingCall::default() };
    Channel::new(call, Box::new(plan))
        .with_state(ChannelState::Ring)
        .with_voice(Voice::Absent)
        .with_answer_delay(Duration::from_millis(500))
}

pub fn play(channel: Channel, text: &str) -> Played {
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let host = Host::new();
    let script = host.compile("ivr.rhai", text).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
    let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
    let lines = transcript.lock().unwrap().clone();
    Played { outcome, lines }
}

#[test]
fn each_case_has_the_expected_result() {
    let mut problems = Vec::new();
    for case in CASES {
        let played = play(channel(case.plan), &format!("answer(); {}", case.script));
        let said = logged(&played.lines);
        if said != case.says || played.outcome.fault.is_some() {
            let fault = played.outcome.fault.map(|fault| fault.to_string());
            problems.push(format!("=== {}: {said:?}, {fault:?}\n{}\n", case.name, played.lines.join("\n")));
        }
    }
    assert!(problems.is_empty(), "{} of {} cases:\n{}", problems.len(), CASES.len(), problems.join("\n"));
}

#[track_caller]
fn check_sent(plan: &str, text: &str, expected: &[&str]) {
    let played = play(channel(plan), text);
    assert_eq!(played.sent(), expected, "{text} when the caller {plan}: {:?}", played.outcome.fault);
}

#[test]
fn a_question_takes_at_most_two_commands() {
    let plan = "presses 0412 every 80ms when vm-intro after 500ms";
    check_sent(plan, r#"ask("vm-intro", #{ max: 4 })"#, &[r#"GET DATA "vm-intro" 5000 1"#, r#"GET DATA "" 2000 3"#]);
    check_sent(plan, r#"ask("vm-intro", #{ max: 4, first: 3, between: 3 })"#, &[r#"GET DATA "vm-intro" 3000 4"#]);
    check_sent(plan, r#"confirm("vm-intro", #{ tries: 1 })"#, &[r#"GET DATA "vm-intro" 5000 1"#]);
    check_sent("", r#"ask([], #{ tries: 1, first: 0, max: 1 })"#, &[r#"GET DATA "" 1 1"#]);
    check_sent(
        plan,
        r##"ask(["vm-intro", 5, "beep"], #{ max: 4, first: 0.25, end: "#" })"##,
        &[r#"GET DATA "vm-intro" 1 1"#, r#"GET DATA "" 2000 3"#],
    );
    check_sent(
        "",
        r#"collect(["beep", 5], #{ max: 4, first: 0.25 })"#,
        &[r#"GET DATA "beep" 1 1"#, r#"SAY NUMBER 5 "0123456789*#ABCD""#, r#"GET DATA "" 250 1"#],
    );
    check_sent(
        "",
        r#"collect(["beep", "digits/1"], #{ barge_in: false, first: 1, flush: true })"#,
        &["WAIT FOR DIGIT 250", r#"STREAM FILE "beep" """#, r#"STREAM FILE "digits/1" """#, r#"GET DATA "" 1000 1"#],
    );
}

/// Calls this, and returns what a script catches.
fn caught(call: &str) -> (String, Vec<String>) {
    let text = format!(
        "try {{ {call}; verbose(\"no error\"); }} catch (e) {{ verbose(`${{e.kind}} ${{e.parameter}}: ${{e.message}}`); }}"
    );
    let played = play(channel("presses 1 when vm-intro"), &text);
    let sent =
        played.sent().iter().filter(|line| !line.starts_with("VERBOSE")).map(|line| (*line).to_owned()).collect();
    (logged(&played.lines).join("; "), sent)
}

#[test]
fn wrong_arguments_are_errors_and_nothing_is_sent() {
    let a_part = "a part is a sound file, a whole number, or a map such as #{ digits: 12 }";
    let table: &[(&str, &str)] = &[
        ("ask(\"beep\", #{ trys: 2 })", "options: ask: `options` has no `trys`: did you mean `tries`?"),
        ("ask(\"beep\", #{ Max: 2 })", "options: ask: `options` has no `Max`: did you mean `max`?"),
        (
            "collect(\"beep\", #{ colour: 2 })",
            "options: collect: `options` has no `colour`: it takes `max`, `first`, `between`, `end`, `cancel`, `barge_in`, \
             `flush`, `secret`",
        ),
        (
            "collect(\"beep\", #{ tries: 2 })",
            "options: collect: `options` has no `tries`: it asks only once; `ask` has that option",
        ),
        (
            "menu(\"beep\", #{ \"1\": 1 }, #{ min: 2 })",
            "options: menu: `options` has no `min`: `menu` itself knows which keys are an answer",
        ),
        (
            "confirm(\"beep\", #{ valid: |k| true })",
            "options: confirm: `options` has no `valid`: `confirm` itself knows which keys are an answer",
        ),
        ("ask(\"beep\", 5)", "options: ask: `options` must be a map such as #{ tries: 2 }, not integer"),
        ("ask(\"beep\", #{ tries: 0 })", "tries: ask: `tries` must be a whole number from 1 to 1000, not 0"),
        ("ask(\"beep\", #{ max: 2.5 })", "max: ask: `max` must be a whole number from 1 to 1023, not 2.5"),
        (
            "ask(\"beep\", #{ max: \"many\" })",
            "max: ask: `max` must be a whole number from 1 to 1023, not the text \"many\"",
        ),
        ("ask(\"beep\", #{ min: 5, max: 4 })", "options: ask: `options` has `min` 5 above `max` 4"),
        ("ask(\"beep\", #{ min: 21 })", "options: ask: `options` has `min` 21 above `max` 20"),
        ("ask(\"beep\", #{ first: -1 })", "first: ask: `first` must be a number of seconds, not -1"),
        ("ask(\"beep\", #{ between: true })", "between: ask: `between` must be a number of seconds, not bool"),
        ("ask(\"beep\", #{ end: \"x\" })", "end: ask: `end` may hold the keys 0-9, *, # and A-D, not 'x'"),
        ("ask(\"beep\", #{ cancel: () })", "cancel: ask: `cancel` must be keys as text, not ()"),
        ("ask(\"beep\", #{ secret: 1 })", "secret: ask: `secret` must be true or false, not 1"),
        (
            "ask(\"beep\", #{ valid: true })",
            "valid: ask: `valid` must be a function such as |digits| digits.len() == 4, not bool",
        ),
        ("ask(\"beep\", #{ no_input: () })", "no_input: ask: `no_input` is (): {a_part}"),
        (
            "ask(\"beep\", #{ no_match: [[\"beep\"], [1, 2.5]] })",
            "no_match: ask: part 2 of `no_match` is float 2.5: {a_part}",
        ),
        ("ask((), #{})", "parts: ask: `parts` is (): {a_part}"),
        ("say([\"beep\", [1, [()]]])", "parts: say: part 3 of `parts` is (): {a_part}"),
        ("say(#{})", "parts: say: `parts` is an empty map"),
        ("say(#{ digit: 1 })", "parts: say: `parts` has no kind `digit`: did you mean `digits`?"),
        ("say(#{ number: 1, sex: \"f\" })", "parts: say: `parts` has `sex`, but `number` takes only `gender` as well"),
        ("say(#{ spell: \"a\", digits: 1 })", "parts: say: `parts` has `spell`, but `digits` takes nothing else"),
        ("say(#{ digits: \"1a\" })", "parts: say: `parts` takes `digits` as digits, `*` and `#`, not 'a' in \"1a\""),
        ("say(#{ number: \"x\" })", "parts: say: `parts` takes `number` as a whole number, not the text \"x\""),
        ("say(#{ date: -1 })", "parts: say: `parts` takes `date` as seconds since 1970, not -1"),
        (
            "say(3000000000)",
            "parts: say: `parts` is 3000000000: Asterisk says numbers up to 2147483647; `digits` says more",
        ),
        ("say([\"beep\", \"a\\nb\"])", "parts: say: part 2 of `parts` contains a line break or NUL: \"a\\nb\""),
        ("say(\"beep\", \"x\")", "keys: say: `keys` may hold the keys 0-9, *, # and A-D, not 'x'"),
        ("menu(\"beep\", #{})", "choices: menu: `choices` is an empty map, with nothing to choose from"),
        ("menu(\"beep\", [1])", "choices: menu: `choices` must be a map such as #{ \"1\": \"sales\" }, not array"),
        (
            "menu(\"beep\", #{ \"1XX\": 1 })",
            "choices: menu: `choices` has the choice \"1XX\": a pattern begins with an underscore, \"_1XX\"",
        ),
        (
            "menu(\"beep\", #{ one: 1 })",
            "choices: menu: `choices` has the choice \"one\", but 'o' is not a key: keys are 0-9, *, # and A-D",
        ),
        ("dial(\"\")", "target: dial: `target` must not be empty: \"PJSIP/200\", for instance"),
        ("dial(\"PJSIP/1\", 0)", "seconds: dial: `seconds` must be a number of seconds, 1 or more"),
        ("dial(\"PJSIP/1\", 5, 7)", "options: dial: `options` must be a text, not integer"),
    ];
    for (call, expected) in table {
        let (said, sent) = caught(call);
        assert_eq!(said, format!("argument {}", expected.replace("{a_part}", a_part)), "{call}");
        assert_eq!(sent, Vec::<String>::new(), "{call}");
    }
    // This is only known once the caller has answered.
    let (said, _) = caught(r#"ask("vm-intro", #{ max: 1, valid: |k| 5 })"#);
    assert_eq!(said, "argument valid: ask: `valid` must return true, false or parts, not i64");
    let (said, _) = caught(r#"try { ask("vm-intro", #{ max: 1, valid: |k| throw "mine" }) } catch (e) { verbose(e) }"#);
    assert_eq!(said, "mine; no error");
}

/// A caller who follows a plan, and hangs up at a moment whatever the plan says.
struct HangsUpAt {
    plan: Plan,
    at: Time,
    done: bool,
}

impl Caller for HangsUpAt {
    fn now(&self) -> Time {
        self.plan.now()
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        let act = self.plan.wait(until.min(self.at), hearing);
        if act.is_none() && !self.done && self.plan.now() >= self.at {
            self.done = true;
            return Some(Act::HangUp);
        }
        act
    }
}

#[test]
fn a_hangup_at_any_moment_ends_the_script_there() {
    let allowed = ["CHANNEL STATUS", "SET VARIABLE \"AGI_RHAI_", "DATABASE PUT"];
    for case in CASES {
        let uncut = play(
            Channel::new(pbx::IncomingCall::default(), Box::new(case.plan.parse::<Plan>().unwrap()))
                .with_voice(Voice::Absent),
            case.script,
        );
        // At every quarter of a second of the call, until it ends by itself.
        for quarter in 0.. {
            let plan: Plan = case.plan.parse().unwrap();
            let at = plan.now() + Duration::from_millis(250 * quarter + 3);
            let cut = HangsUpAt { plan, at, done: false };
            let channel = Channel::new(pbx::IncomingCall::default(), Box::new(cut)).with_voice(Voice::Absent);
            let played = play(channel, case.script);
            let fault = played.outcome.fault.map(|fault| fault.to_string());
            assert_eq!(fault, None, "{}, hung up after {quarter} quarters:\n{}", case.name, played.lines.join("\n"));
            if played.lines == uncut.lines {
                break;
            }
            assert_eq!(played.outcome.status, Status::Hangup, "{}", case.name);
            let hung_up = played.lines.iter().position(|line| line == "S: HANGUP" || line.starts_with("S: 511"));
            for line in played.lines[hung_up.unwrap_or(0)..].iter().filter_map(|line| line.strip_prefix("C: ")) {
                let last_words = allowed.iter().any(|begin| line.starts_with(begin));
                assert!(last_words, "{}: {line} after the hangup:\n{}", case.name, played.lines.join("\n"));
            }
            assert!(quarter < 400, "{} doesn't end", case.name);
        }
    }
}

/// The replies as an observer of the call sees them.
#[derive(Default)]
struct ShownReplies(Mutex<Vec<String>>);

impl Observer for ShownReplies {
    fn sent(&self, _: &'static Command, _: &Sent<'_>, _: &str, _: usize, _: Time) {}

    fn heard(&self, _: &'static Command, shown: &dyn Display, _: Time) {
        self.0.lock().unwrap().push(shown.to_string());
    }
}

#[test]
fn secret_keys_are_masked_even_where_others_are_shown() {
    let text = r#"
        ask("vm-intro", #{ max: 2 });
        ask("demo-thanks", #{ max: 2, secret: true });
        collect("beep", #{ end: "*", secret: true });
        menu("demo-nogo", #{ "1": || ask("demo-abouttotry", #{ max: 1 }) }, #{ secret: true });"#;
    let plan = "presses 12 when vm-intro, presses 34 when demo-thanks, presses 56* when beep, presses 1 when demo-nogo, \
                presses 7 when demo-abouttotry";
    let mut session = Session::begin(Box::new(Simulator::new(channel(plan)))).unwrap();
    let listener = Arc::new(ShownReplies::default());
    session.observe(Arc::clone(&listener) as Arc<dyn Observer>);
    let mut host = Host::new();
    host.log_digits(true);
    let script = host.compile("ivr.rhai", text).unwrap();
    assert_eq!(host.run(session, &script, vec![]).status, Status::Success);
    let heard = listener.0.lock().unwrap().clone();
    let expected = ["1", "2", "•", "•", "•", "••", "••", "•", "7"].map(|result| format!("200 result={result}"));
    assert_eq!(heard[..expected.len()], expected);
}

/// A caller who presses 1 every second.
struct PressesOne(Time);

impl Caller for PressesOne {
    fn now(&self) -> Time {
        self.0
    }

    fn wait(&mut self, until: Time, _: &Hearing<'_>) -> Option<Act> {
        let next = self.0 + Duration::from_secs(1);
        self.0 = next.min(until);
        (next <= until).then_some(Act::Key(Digit::new('1').unwrap()))
    }
}

#[test]
fn a_menu_that_calls_itself_runs_into_the_call_limit() {
    let eager = Channel::new(pbx::IncomingCall::default(), Box::new(PressesOne(Time::from_unix(1_700_000_000))));
    let played = play(eager, r#"fn top() { menu("vm-intro", #{ "1": || top() }) } top()"#);
    let fault = played.outcome.fault.expect("the script has no fault").to_string();
    assert!(fault.contains("functions call each other too deeply"), "{fault}");
    // As a loop it may continue as long as the caller likes.
    let eager = Channel::new(pbx::IncomingCall::default(), Box::new(PressesOne(Time::from_unix(1_700_000_000))));
    let text = r#"let n = 0; while n < 300 { menu("vm-intro", #{ "1": || n += 1 }); } verbose(n)"#;
    assert_eq!(logged(&play(eager, text).lines), ["300"]);
}

#[test]
fn faults_in_function_arguments_are_reported_at_their_line() {
    let fault = |text: &str| {
        let played = play(channel("presses 1 when vm-intro"), text);
        played.outcome.fault.expect("the script has no fault").to_string()
    };
    let message = fault("ask(\"vm-intro\", #{ max: 1,\n    valid: |keys| keys.lenn() == 4 })");
    assert!(message.starts_with("ivr.rhai:2:24: no function `lenn`"), "{message}");
    let message = fault("menu(\"vm-intro\", #{ \"1\": Fn(\"missing\") })");
    assert_eq!(
        message,
        "ivr.rhai:1:1: menu: `choices` names `missing`, but no function of that name has one parameter or none"
    );
    let message = fault("ask(\"vm-intro\", #{ max: 1, valid: |one, two| one })");
    assert_eq!(
        message,
        "ivr.rhai:1:1: ask: `valid` must be a function with one parameter, which gets the keys, or with none"
    );
    let message = Host::new().compile("ivr.rhai", "menu(\"vm-intro\", #{ 1: 1 })").unwrap_err().to_string();
    assert!(message.ends_with("write it as a text: `#{ \"1\": ... }`"), "{message}");
}

#[test]
fn each_try_plays_its_own_prompt() {
    check_sent(
        "presses 1# when beep after 3s",
        r#"ask("beep", #{ min: 2, first: 1, tries: 4, no_input: [["digits/1"], ["digits/2"]], no_match: "digits/9", give_up: 0 })"#,
        &[
            r#"GET DATA "beep" 1000 1"#,
            r#"GET DATA "digits/1" 1 1"#,
            r#"GET DATA "beep" 1000 1"#,
            r#"GET DATA "" 2000 19"#,
            r#"GET DATA "digits/9" 1 1"#,
            r#"GET DATA "beep" 1000 1"#,
            r#"GET DATA "digits/2" 1 1"#,
            r#"GET DATA "beep" 1000 1"#,
            r#"SAY NUMBER 0 """#,
        ],
    );
}
