//! Scripts that listen, with simulated callers: in Rust, in tests of scripts, in storms, in recordings and replays.

use crate::support::process::{Folder, agi_rhai};
use crate::test_services::{fails, passes, recorded};
use agi_rhai::Host;
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::rhai::{Module, NativeCallContext};
use agi_rhai::service::{Services, Settings};
use agi_rhai::transport::Simulator;
use agi_rhai::{Outcome, Session};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

/// Runs a script with a caller who follows a plan. Returns what it tells the console with `verbose`, or its fault.
fn said(plan: &str, language: &str, script: &str) -> Vec<String> {
    let plan = Plan::parse(plan).unwrap_or_else(|error| panic!("{plan}: {error}"));
    let call = IncomingCall { language: language.to_owned(), ..IncomingCall::default() };
    let mut channel = Channel::new(call, Box::new(plan));
    assert!(channel.answer());
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let host = Host::new();
    let script = host.compile("listens.rhai", script).unwrap_or_else(|fault| panic!("{}", fault.message));
    let outcome: Outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, Vec::new());
    let lines = transcript.lock().unwrap();
    let verbose = |line: &String| line.strip_prefix("C: VERBOSE \"")?.split('"').next().map(str::to_owned);
    let mut said: Vec<String> =
        lines.iter().filter_map(verbose).filter(|line| !line.starts_with("agi-rhai:")).collect();
    said.extend(outcome.fault.map(|fault| fault.message.clone()));
    said
}

#[track_caller]
fn check(plan: &str, script: &str, expected: &[&str]) {
    assert_eq!(said(plan, "en", script), expected, "{plan}: {script}");
}

fn shown(output: Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.success(), text.concat())
}

const LISTENS: &str = r##"
    let heard = listen("vm-intro", #{ words: ["yes", "no", "New York"], keys: "0#", first: 3 });
    verbose(`${heard.text}/${heard.confidence}/${heard.ended_by}/${heard.key}/${heard.seconds}`);
"##;

#[test]
fn what_is_said_is_found_among_the_words() {
    check("says \"yes please\" when vm-intro after 1s", LISTENS, &["yes/1.0/speech//0.8"]);
    check("says \"New York\" heard as \"new-york!\" after 7s", LISTENS, &["New York/1.0/speech//0.8"]);
    check("says \"yes, no\" after 1s", LISTENS, &["no/1.0/speech//0.8"]);
    check("says \"maybe\" unsure after 1s", LISTENS, &["maybe/0.3/speech//0.4"]);
    check("says \"yes\" heard as \"\" after 1s", LISTENS, &["/1.0/speech//0.4"]);
}

#[test]
fn silence_keys_and_length_end_it() {
    check("", LISTENS, &["/0.0/none//0.0"]);
    check("presses 5 after 1s, presses # after 1s", LISTENS, &["/0.0/key/#/0.0"]);
    check("says \"yes\" after 1s, presses 0 after 100ms", LISTENS, &["/0.0/key/0/0.1"]);
    check(
        "says \"one two three four\" after 1s",
        r#"let heard = listen("beep", #{ max: 1 }); verbose(heard.ended_by + heard.seconds);"#,
        &["max1.0"],
    );
    check("hangs up after 1s", LISTENS, &[]);
    // Speech that comes too early is lost if it may not stop the prompt.
    check(
        "says \"yes\" when vm-intro after 1s",
        r#"verbose(listen("vm-intro", #{ barge_in: false, first: 1 }).ended_by)"#,
        &["none"],
    );
}

#[test]
fn speech_stops_the_prompt_at_once() {
    passes(
        r#"listen(["vm-intro", #{ text: "Say yes" }, 5], #{ words: ["yes"] }); say("beep");"#,
        r#"
        place_call("line");
        expect_prompt("vm-intro");
        wait(1);
        speak("yes");
        expect_prompt("beep");
        expect_equal(heard(), ["vm-intro", "beep"]);
        expect_equal(seconds(), 1.0 + 0.4 + 0.8);
        expect_end();
        "#,
    );
    passes(
        r#"listen(["beep", #{ text: "Say yes" }, 5, #{ digits: "12" }, #{ date: 0, format: "IMp" }]); say("vm-goodbye");"#,
        r#"
        place_call("line");
        expect_prompt("beep");
        expect_spoken("Say yes");
        expect_number(5);
        expect_said(#{ digits: "12" });
        expect_said(#{ date: 0, format: "IMp" });
        wait_for_question();
        speak("anything");
        expect_prompt("vm-goodbye");
        "#,
    );
}

#[test]
fn digits_are_spoken_or_typed() {
    let pin = r#"verbose(ask("vm-intro", #{ speech: true, min: 4, max: 4, tries: 2, no_match: "beep" }) ?? "none")"#;
    check("says \"one two double five\" after 1s", pin, &["1255"]);
    check("says \"oh one two three\" heard as \"0123\" after 1s", pin, &["0123"]);
    check("presses 1234 after 1s", pin, &["1234"]);
    // A key ends the speech, and the rest is typed.
    check("says \"one\" after 1s, presses 9876 after 200ms", pin, &["9876"]);
    // Too short, too long, unsure, no digits at all: they are no answers, and the next try is.
    for first in
        ["\"one two\"", "\"one two three four five\"", "\"1234\" unsure", "\"hello\"", "\"1234\" heard as \"\""]
    {
        check(&format!("says {first} after 1s, says \"1234\" when beep after 2s"), pin, &["1234"]);
    }
    check("", pin, &["none"]);
    let number = r#"verbose(ask("vm-intro", #{ speech: true, max: 3, confidence: 0.2 }))"#;
    check("says \"forty-two\" unsure after 1s", number, &["42"]);
    assert_eq!(said("says \"zweiundvierzig\" after 1s", "de", number), ["42"]);
    assert_eq!(said("says \"quarante-deux\" after 1s", "fr", number), ["42"]);
    // `valid` judges what is said as it does what is typed.
    check(
        "says \"seven\" after 1s, says \"eight\" when beep after 1s",
        r#"verbose(ask("vm-intro", #{ speech: true, max: 1, valid: |keys| if keys == "8" { true } else { "beep" } }))"#,
        &["8"],
    );
}

#[test]
fn yes_and_no_are_said_in_the_language_of_the_call() {
    let sure = r#"verbose(to_debug(confirm("vm-intro", #{ speech: true, no_match: "beep" })))"#;
    check("says \"yeah, that's right\" after 1s", sure, &["true"]);
    check("presses 2 after 1s", sure, &["false"]);
    check("says \"guess\" after 1s, says \"no\" when beep after 1s", sure, &["false"]);
    assert_eq!(said("says \"nein danke\" after 1s", "de_AT", sure), ["false"]);
    assert_eq!(said("says \"はい\" after 1s", "ja", sure), ["true"]);
    // Where yes and no aren't known, the keys are left.
    assert_eq!(said("presses 1 after 1s", "tlh", sure), ["true"]);
}

#[test]
fn choices_of_a_menu_have_words() {
    let menu = r##"
        let chosen = menu("vm-intro", #{
            "1": #{ words: ["sales", "buy something"], then: |keys| "sold" + keys },
            "2": #{ words: "support", then: "help" },
            "3": #{ plain: true },
            "_4X": || "direct",
        }, #{ no_match: "beep", no_input: "vm-sorry", tries: 2 });
        verbose(chosen);
    "##;
    for (plan, expected) in [
        ("says \"I want to buy something\" after 1s", "sold1"),
        ("says \"SUPPORT!\" after 1s", "help"),
        ("presses 2 after 1s", "help"),
        ("presses 42 after 1s", "direct"),
        ("says \"hello\" after 1s, says \"sales\" when beep after 1s", "sold1"),
        ("presses 9 after 1s, says \"sales\" when beep after 1s", "sold1"),
    ] {
        check(plan, menu, &[expected]);
    }
}

#[test]
fn a_key_typed_late_belongs_to_the_answer_before() {
    check(
        "presses 12# every 100ms after 1s, says \"yes\" after 3s",
        r#"verbose(ask("vm-intro", #{ max: 2 })); verbose(to_debug(confirm("vm-intro", #{ speech: true })));"#,
        &["12", "true"],
    );
}

#[test]
fn without_an_engine_the_keys_are_left() {
    let down = "service_is_down(\"speech.stt\");";
    let script = r#"
        let pin = ask("vm-intro", #{ speech: true, min: 4, max: 4, first: 2, tries: 1 });
        say(#{ digits: pin });
        if confirm("vm-intro", #{ speech: true }) { say("beep"); }
    "#;
    // Who has spoken hears the question again, and types.
    passes(
        script,
        &format!(
            r#"{down}
            place_call("line");
            wait_for("vm-intro");
            speak("one two three four");
            wait_for("vm-intro");
            press("1234");
            expect_said(#{{ digits: "1234" }});
            wait_for("vm-intro");
            press("1");
            expect_prompt("beep");
            expect_equal(log().filter(|line| "keys alone" in line).len(), 1);
            expect_log("can't be reached");
            expect_end();"#
        ),
    );
    // Keys count at once.
    passes(
        script,
        &format!(
            r#"{down} place_call("line"); wait_for("vm-intro"); press("1234"); expect_said(#{{ digits: "1234" }});
            expect(seconds() < 1, "at once"); expect_equal(log(), []);"#
        ),
    );
    // It is slow.
    passes(
        r#"verbose(ask("beep", #{ speech: true, first: 2, max: 1 })); say("vm-goodbye");"#,
        r#"service_is_slow("speech.stt", 60); place_call("line"); wait_for_question(); speak("one");
        wait_for("beep"); expect(seconds() < 5, `${seconds()}`); expect_log("no answer came within 2 s");
        press("7"); expect_prompt("vm-goodbye");"#,
    );
    passes(
        r#"say(#{ digits: ask("beep", #{ speech: true, first: 2, max: 1 }) });"#,
        r#"service_is_slow("speech.stt", 1); place_call("line"); wait_for_question(); speak("one"); expect_said(#{ digits: "1" });"#,
    );
}

#[test]
fn listening_without_an_engine_is_an_error_or_has_another_value() {
    let down = r#"service_is_down("speech.stt"); place_call("line"); wait_for_question(); speak("yes");"#;
    passes(
        r#"let heard = listen("beep", #{ otherwise: () }); if heard == () { say("vm-goodbye"); }"#,
        &format!("{down} expect_prompt(\"vm-goodbye\"); expect_log(\"`otherwise`\");"),
    );
    passes(
        r#"try { listen("beep"); } catch (error) { say(error.kind); }"#,
        &format!("{down} expect_prompt(\"unavailable\");"),
    );
    passes(
        r#"say(#{ digits: listen("beep", #{ keys: "5" }).key });"#,
        r#"service_is_down("speech.stt"); place_call("line"); wait_for_question(); press("5"); expect_said(#{ digits: "5" });"#,
    );
}

/// The other end of a real connection: it replies to each line with the next reply.
struct Asterisk {
    replies: VecDeque<&'static str>,
    sent: Arc<Mutex<Vec<String>>>,
    out: VecDeque<u8>,
}

#[derive(Clone)]
struct Connection(Arc<Mutex<Asterisk>>);

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut asterisk = self.0.lock().unwrap();
        asterisk.sent.lock().unwrap().push(String::from_utf8_lossy(bytes).trim_end().to_owned());
        let is_verbose = bytes.starts_with(b"VERBOSE");
        let reply = if is_verbose { "200 result=1" } else { asterisk.replies.pop_front().unwrap_or("200 result=0") };
        asterisk.out.extend(reply.bytes().chain([b'\n']));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().out.read(buffer)
    }
}

/// Runs a script on a real connection, for which no engine is named. Returns what it sends.
fn sent_without_engine(script: &str, replies: &[&'static str]) -> Vec<String> {
    sent(&Host::new(), script, replies)
}

/// Runs a script on a real connection. Returns what it sends.
fn sent(host: &Host, script: &str, replies: &[&'static str]) -> Vec<String> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let out = b"agi_request: line\nagi_version: 22.10.1\nagi_language: en\n\n".iter().copied().collect();
    let asterisk = Asterisk { replies: replies.iter().copied().collect(), sent: Arc::clone(&sent), out };
    let connection = Connection(Arc::new(Mutex::new(asterisk)));
    let script = host.compile("line.rhai", script).unwrap();
    let stream = agi_rhai::transport::Stream::new(connection.clone(), connection);
    let outcome = host.run(Session::begin(Box::new(stream)).unwrap(), &script, Vec::new());
    assert!(outcome.fault.is_none(), "{:?}", outcome.fault);
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    sent.into_iter().filter(|line| !line.contains("AGI_RHAI_")).collect()
}

#[test]
fn where_no_engine_is_named_the_keys_are_left() {
    // A menu with words is a menu of keys.
    let menu = r##"menu("vm-intro", #{ "1": #{ words: ["sales"], then: || verbose("sold") } })"##;
    assert_eq!(sent_without_engine(menu, &["200 result=1"]), ["GET DATA \"vm-intro\" 5000 1", "VERBOSE \"sold\" 1"]);
    let digits = r#"verbose(ask("vm-intro", #{ speech: true, max: 1 }) ?? "none")"#;
    assert_eq!(sent_without_engine(digits, &["200 result=7"])[1], "VERBOSE \"7\" 1");
    let sure = r#"verbose(to_debug(confirm("vm-intro", #{ speech: true })))"#;
    assert_eq!(sent_without_engine(sure, &["200 result=2"])[1], "VERBOSE \"false\" 1");
    // `listen` hears keys, too: during the prompt, and after it. Others don't end it.
    let listen =
        r#"let heard = listen(["vm-intro", 5], #{ keys: "05", otherwise: #{ key: "none" } }); verbose(heard.key)"#;
    let sent = sent_without_engine(listen, &["200 result=0 endpos=100", "200 result=53"]);
    assert_eq!(sent, ["STREAM FILE \"vm-intro\" \"05\"", "SAY NUMBER 5 \"05\"", "VERBOSE \"5\" 1"]);
    let sent =
        sent_without_engine(listen, &["200 result=0 endpos=100", "200 result=0", "200 result=55", "200 result=48"]);
    assert!(sent[2].starts_with("WAIT FOR DIGIT ") && sent[3].starts_with("WAIT FOR DIGIT "), "{sent:?}");
    assert_eq!(sent[4], "VERBOSE \"0\" 1");
    let sent = sent_without_engine(listen, &[]);
    assert_eq!(sent[3], "VERBOSE \"none\" 1", "{sent:?}");
    let sent = sent_without_engine(
        r#"try { listen("vm-intro") } catch (error) { verbose(`${error.kind}: ${error.message}`) }"#,
        &[],
    );
    assert_eq!(sent[0], "STREAM FILE \"vm-intro\" \"\"");
    assert!(sent[1].starts_with("VERBOSE \"unavailable: listen: "), "{sent:?}");
}

#[test]
fn where_no_sound_comes_the_keys_are_left() {
    let folder = Folder::new();
    let config = folder.file("agi-rhai.toml", "[speech]\nsounds = []\n[speech.stt.engine]\ncommand = ['true']\n");
    let mut host = Host::new();
    host.set_services(Services::new(Settings::read(config.as_ref()).unwrap()));
    // An Asterisk without AudioSocket, on a line without EAGI, and no folder for recordings.
    let sent = sent(
        &host,
        r#"verbose(listen("vm-intro", #{ keys: "5" }).key)"#,
        &["200 result=0", "200 result=0 endpos=100", "200 result=-2", "200 result=53"],
    );
    let expected =
        ["ANSWER", "STREAM FILE \"vm-intro\" \"5\"", "EXEC AudioSocket ", "WAIT FOR DIGIT ", "VERBOSE \"5\" 1"];
    let fits = |(sent, expected): (&String, &&str)| sent.starts_with(expected);
    assert!(sent.len() == expected.len() && sent.iter().zip(&expected).all(fits), "{sent:?}");
}

#[test]
fn what_is_said_in_secret_is_a_secret() {
    for (plan, script, expected) in [
        ("says \"four seven\" after 1s", r#"ask("beep", #{ speech: true, secret: true })"#, true),
        ("says \"4711\" after 1s", r#"listen("beep", #{ secret: true })"#, true),
        ("presses 4 after 1s", r#"listen("beep", #{ secret: true, keys: "4" })"#, true),
        ("", r#"listen("beep", #{ secret: true, keys: "4" })"#, false),
        ("says \"4711\" after 1s", r#"listen("beep")"#, false),
    ] {
        let mut module = Module::new();
        module.set_native_fn("knows_a_secret", |context: NativeCallContext| {
            agi_rhai::script::Call::of(&context)?.with_session(|session| session.knows_a_secret())
        });
        let mut host = Host::new();
        host.language_mut().add(module);
        let script = format!("{script}; verbose(to_debug(knows_a_secret()));");
        let script = host.compile("listens.rhai", &script).unwrap_or_else(|fault| panic!("{}", fault.message));
        let mut channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse(plan).unwrap()));
        assert!(channel.answer());
        let simulator = Simulator::new(channel);
        let transcript = simulator.transcript();
        host.run(Session::begin(Box::new(simulator)).unwrap(), &script, Vec::new());
        let told = transcript.lock().unwrap().iter().any(|line| line.starts_with("C: VERBOSE \"true\""));
        assert_eq!(told, expected, "{plan}");
    }
}

#[test]
fn a_report_tells_what_was_said_and_that_nobody_listened() {
    fails(
        r#"say("vm-intro"); listen("beep"); say("vm-goodbye");"#,
        r#"place_call("line"); speak("hello"); wait_for_question(); speak("yes", #{ heard: "guess", confidence: 0.3 });
        expect_prompt("beep");"#,
        &[
            "spoke    \"hello\"  lost: vm-intro was playing, and the script didn't listen to speech",
            "spoke    \"yes\"  heard as \"guess\"  (30 % sure)",
            "\"text\":\"guess\"",
        ],
    );
    fails(
        r#"listen("beep", #{ first: 60 });"#,
        r#"place_call("line"); wait_for_question(); wait(1); expect_number(5);"#,
        &["heard    beep", "asked    listen("],
    );
    fails(
        "answer();\nmenu(\"vm-intro\", #{ \"1\": #{ words: [\"a\"], then: 1 } }, #{ first: 60 });",
        r#"place_call("line"); wait_for_question(); wait(1); expect(false);"#,
        &["note: the script listens\n", "line.rhai:2:1", "2 | menu("],
    );
    fails(
        r#"answer(); listen("vm-intro", #{ first: 60, keys: "12" });"#,
        r#"place_call("line"); wait_for_question(); press("7"); wait(1); expect(false);"#,
        &["pressed  7  lost: `listen` listened only to 1 and 2"],
    );
    fails("", r#"speak("yes", #{ loud: true })"#, &["`options` must be a map such as `#{ heard:"]);
}

#[test]
fn mistakes_are_explained() {
    for (script, expected) in [
        (r#"listen("beep", #{ words: [] })"#, "listen: `words` is empty: leave it out, or name what may be said"),
        (r#"listen("beep", #{ words: ["!"] })"#, "listen: `words` has \"!\", which nobody can say"),
        (r#"listen("beep", #{ word: ["a"] })"#, "listen: `options` has no `word`: did you mean `words`?"),
        (
            r#"listen("beep", #{ tries: 2 })"#,
            "listen: `options` has no `tries`: it asks only once; `ask` has that option",
        ),
        (
            r#"listen("beep", #{ confidence: 0.5 })"#,
            "listen: `options` has no `confidence`: it is in what `listen` returns, for the script to judge",
        ),
        (
            r#"ask("beep", #{ words: ["a"] })"#,
            "ask: `options` has no `words`: `listen` has that option, and so have the choices of `menu`",
        ),
        (
            r#"menu("beep", #{ "1": 1 }, #{ speech: true })"#,
            "menu: `options` has no `speech`: a menu listens when its choices have words: \"1\": #{ words: [\"sales\"], then: ... }",
        ),
        (
            r#"listen("beep", #{ words: [()] })"#,
            "listen: `words` must be an array of texts such as [\"yes\", \"no\"], not ()",
        ),
        (r#"listen("beep", #{ keys: "1-9" })"#, "listen: `keys` may hold the keys 0-9, *, # and A-D, not '-'"),
        (
            r#"listen("beep", #{ silence: 800 })"#,
            "listen: `silence` must be less than the 15 seconds that the caller may speak, not 800",
        ),
        (
            r#"listen("beep", #{ silence: 3, max: 2 })"#,
            "listen: `silence` must be less than the 2 seconds that the caller may speak, not 3",
        ),
        (r#"listen("beep", #{ silence: "x" })"#, "listen: `silence` must be a number of seconds, not the text \"x\""),
        (r#"ask("beep", #{ confidence: 50 })"#, "ask: `confidence` must be a number from 0 to 1, not 50"),
        (r#"ask("beep", #{ speech: "yes" })"#, "ask: `speech` must be true or false, not the text \"yes\""),
        (
            r##"menu("beep", #{ "1": #{ words: ["a"] } })"##,
            "menu: `choices` has the choice \"1\", which has `words` but no `then`: what it stands for",
        ),
        (
            r##"menu("beep", #{ "1": #{ word: ["a"], then: 1 } })"##,
            "menu: `choices` has the choice \"1\", which has `word`: did you mean `words`?",
        ),
        (
            r##"menu("beep", #{ "1": #{ word: ["a"] } })"##,
            "menu: `choices` has the choice \"1\", which has `word`: did you mean `words`?",
        ),
        (
            r##"menu("beep", #{ "1": #{ then: 1 } })"##,
            "menu: `choices` has the choice \"1\", which has `then` but no `words`: what the caller may say for it",
        ),
        (
            r##"menu("beep", #{ "1": #{ words: [], then: 1 } })"##,
            "menu: `choices` has the choice \"1\", whose `words` is empty: leave it out, or name what may be said",
        ),
        (
            r##"menu("beep", #{ "_1X": #{ words: ["a"], then: 1 } })"##,
            "menu: `choices` has the choice \"_1X\", which is a pattern: words stand for certain keys",
        ),
        // What isn't constant hides no mistake beside it.
        (
            r##"menu("beep", #{ "1": #{ words: [], then: now() } })"##,
            "menu: `choices` has the choice \"1\", whose `words` is empty: leave it out, or name what may be said",
        ),
        (
            r##"menu("beep", #{ "1": #{ words: ["Yes", "a"], then: 1 }, "2": #{ words: "yes!", then: 2 } })"##,
            "menu: `choices` has the word \"yes!\" for \"1\" and for \"2\"",
        ),
    ] {
        let faults = said("", "en", script);
        assert_eq!(faults, [expected], "{script}");
        // The checker says it without a call.
        let findings = check_text(script);
        // Of an option that there isn't, it says the same in other words.
        let found = match expected
            .split_once(": `options` has no ")
            .map(|(function, rest)| (function, rest.split_once(": ")))
        {
            Some((function, Some((option, hint)))) => {
                assert!(findings.contains(hint), "{script}: {findings}");
                format!("`{function}` has no option {option}")
            }
            _ => expected.replace("not the text ", "not "),
        };
        assert!(findings.contains(expected) || findings.contains(&found), "{script}: {findings}");
    }
    for (mistake, expected) in [
        (
            r##"menu("beep", #{ "1": #{ words: ["a"], then: say("beep") } })"##,
            "warning[early-call]: `say` is called before the menu, not when \"1\" is chosen",
        ),
        (r##"menu("beep", #{ "1": #{ words: ["a"], then: |a, b| a } })"##, "[closure-parameters]: "),
    ] {
        let findings = check_text(mistake);
        assert!(findings.contains(expected), "{mistake}: {findings}");
    }
    for fine in [
        r##"let word = "a"; menu("beep", #{ "1": #{ words: word, then: "x" }, "2": #{ words: [word + "b"], then: Fn("f") } }); fn f() {}"##,
        r##"menu("beep", #{ "1": #{ words: ["a"], then: || say("beep") }, "2": #{ a: 1 }, "3": #{} })"##,
        r#"let words = ["a"]; listen(#{ text: "Hello" }, #{ words: words, otherwise: 5, keys: "0" })"#,
        r#"ask("beep", #{ speech: true, confidence: 0 }); confirm("beep", #{ speech: true, silence: 1.5 })"#,
    ] {
        let findings = check_text(fine);
        assert!(!findings.contains("error") && !findings.contains("warning"), "{fine}: {findings}");
    }
}

fn check_text(script: &str) -> String {
    let folder = Folder::new();
    folder.file("line.rhai", format!("answer();\n{script};\n"));
    shown(agi_rhai(["check", folder.path("line.rhai").to_str().unwrap()]).output().unwrap()).1
}

const RECORDED: &str = r#"
    let name = listen("beep", #{ words: ["Anna Huber", "Bob"] }).text;
    print(name);
    let pin = ask("vm-intro", #{ speech: true, max: 4, secret: true });
    say(#{ digits: pin });
    if confirm("vm-intro", #{ speech: true }) { say("vm-goodbye"); }
"#;

const SPOKEN: &str = r#"
    place_call("line"); wait_for("beep"); wait(0.2); speak("it's anna huber");
    wait_for("vm-intro"); wait(0.5); speak("four seven one one");
    wait_for("vm-intro"); wait_for_question(); wait(1); press("1");
    expect_prompt("vm-goodbye"); expect_end();
"#;

#[test]
fn a_recording_holds_what_was_said_and_is_replayed() {
    let (folder, file) = recorded(RECORDED, SPOKEN, false);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""text":"it's anna huber""#) && text.contains("Anna Huber"), "{text}");
    // The question was secret, in words and in digits.
    assert!(!text.contains("four seven") && !text.contains("4711"), "{text}");
    assert!(text.contains(r#""key":"1""#), "{text}");
    let (same, said) = shown(agi_rhai([Path::new("replay"), &file]).output().unwrap());
    // Stand-ins mean nothing, so the call goes another way from there.
    assert!(!same && said.contains("vm-intro"), "{said}");
    let open = RECORDED.replace(", secret: true", "");
    let (_folder, file) = recorded(&open, SPOKEN, false);
    let (same, said) = shown(agi_rhai([Path::new("replay"), &file]).output().unwrap());
    assert!(same && said.contains("same: "), "{said}");
    drop(folder);
}

#[test]
fn a_recording_becomes_a_test() {
    let open = RECORDED.replace(", secret: true", "");
    let (folder, file) = recorded(&open, SPOKEN, false);
    let output = agi_rhai([Path::new("replay"), Path::new("--as-test"), &file]).output().unwrap();
    let test = String::from_utf8(output.stdout).unwrap();
    for line in [
        "speak(\"it's anna huber\");",
        "speak(\"four seven one one\");",
        "press(\"1\");",
        "expect_prompt(\"vm-goodbye\");",
    ] {
        assert!(test.contains(line), "no {line} in {test}");
    }
    folder.file("line.test.rhai", &test);
    let (passed, said) = shown(agi_rhai(["test", folder.path("line.test.rhai").to_str().unwrap()]).output().unwrap());
    assert!(passed, "{test}{said}");
    // A caller who says nothing, an unsure engine, one that is down, and who hangs up while the script listens.
    let script = r#"
        ask([#{ text: "Say a number" }, 5], #{ speech: true, max: 1, first: 2, no_input: "vm-sorry", no_match: "beep" });
        try { listen("vm-intro", #{ first: 1 }); } catch { say("vm-goodbye"); }
        listen(["vm-intro", #{ digits: "12" }]);
    "#;
    let calls = r#"
        service_is_down("speech.stt", [false, false, false, true]);
        place_call("line"); wait_for("vm-sorry"); wait_for_question(); speak("one", #{ confidence: 0.1 });
        wait_for("beep"); wait_for_question(); speak("two"); wait_for("vm-goodbye");
        wait_for("digits 12"); hang_up();
    "#;
    let (folder, file) = recorded(script, calls, false);
    let output = agi_rhai([Path::new("replay"), Path::new("--as-test"), &file]).output().unwrap();
    let test = String::from_utf8(output.stdout).unwrap();
    for line in [
        "service_is_down(\"speech.stt\", [false, false, false, #{ kind: \"unavailable\"",
        "expect_spoken(\"Say a number\");",
        "speak(\"one\", #{ confidence: 0.1 });",
        "expect_said(#{ digits: \"12\" });",
        "hang_up();",
    ] {
        assert!(test.contains(line), "no {line} in {test}");
    }
    folder.file("line.test.rhai", &test);
    let (passed, said) = shown(agi_rhai(["test", folder.path("line.test.rhai").to_str().unwrap()]).output().unwrap());
    assert!(passed, "{test}{said}");
}

#[test]
fn a_redacted_recording_holds_nothing_that_was_said() {
    let open = RECORDED.replace(", secret: true", "");
    let (_folder, file) = recorded(&open, SPOKEN, true);
    let text = fs::read_to_string(&file).unwrap();
    // What may be said is the script's own.
    for line in text.lines().filter(|line| !line.contains("\"request\"")) {
        for said in ["anna", "Anna", "Huber", "huber", "seven", "4711"] {
            assert!(!line.contains(said), "{said} in {line}");
        }
    }
    // Neither does what is spoken, whose file is named by it; and it can be replayed.
    let spoken = r#"
        listen([#{ text: "Your number is 4711" }, 5, "beep"], #{ otherwise: () });
        say(#{ text: "Goodbye, Anna Huber" });
    "#;
    let hears =
        r#"place_call("line"); wait_for_question(); speak("yes"); expect_spoken("Goodbye, Anna Huber"); expect_end();"#;
    let (_folder, file) = recorded(spoken, hears, true);
    let spoken = fs::read_to_string(&file).unwrap();
    for said in ["4711", "Anna", "Huber"] {
        assert!(!spoken.contains(said), "{said} in {spoken}");
    }
    let (same, said) = shown(agi_rhai([Path::new("replay"), &file]).output().unwrap());
    assert!(same && said.contains("same: "), "{said}{spoken}");
    // How it ended and how sure the engine was can be seen.
    assert!(text.contains(r#""ended_by":"speech""#) && text.contains(r#""confidence":1.0"#), "{text}");
    // So does a key that was pressed instead of speaking, with the rest of the number.
    let script = r#"say(#{ digits: ask("beep", #{ speech: true, max: 4, secret: true }) })"#;
    let typed = r#"place_call("line"); wait_for_question(); press("4711"); expect_said(#{ digits: "4711" });"#;
    for redact in [false, true] {
        let (_folder, file) = recorded(script, typed, redact);
        let text = fs::read_to_string(&file).unwrap();
        // Times, the seed and the script may have these digits in them.
        let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let others = |name: &str| !["at", "started", "seed", "version", "script"].contains(&name);
            line.as_object_mut().unwrap().retain(|name, _| others(name));
        }
        let text = serde_json::Value::from(lines).to_string();
        assert!(!text.contains("4711") && !text.contains("711"), "{text}");
    }
}

#[test]
fn storms_speak_and_engines_fail_in_them() {
    let storm = |script: &str| {
        let folder = Folder::new();
        folder.file("line.rhai", script);
        let run = |arguments: &[&str]| {
            let mut command = agi_rhai(arguments);
            shown(command.current_dir(folder.path("")).output().unwrap())
        };
        let (passed, report) = run(&["test", "--storm", "line.rhai", "--seed", "1", "--calls", "600"]);
        let test: Vec<&str> = report.lines().skip_while(|line| !line.starts_with("fn test_storm_")).collect();
        let end = test.iter().position(|line| *line == "}").map_or(0, |at| at + 1);
        let test = test[..end].join("\n");
        if !passed {
            folder.file("line.test.rhai", &test);
            let (passed, said) = run(&["test", "line.test.rhai"]);
            assert!(!passed, "{test}{said}");
        }
        (passed, report, test)
    };
    // A word of a list, the second of two questions.
    let (passed, report, test) = storm(
        r##"let chosen = menu("vm-intro", #{ "1": #{ words: ["sales"], then: 1 }, "2": #{ words: ["Groß-Gerau"], then: 2 } });
            if chosen == 2 && listen("beep", #{ words: ["blue moon"], otherwise: #{ text: "" } }).text == "blue moon" {
                throw "it's blue";
            }"##,
    );
    let chooses = test.contains("speak(\"Groß-Gerau\");") || test.contains("press(\"2\");");
    assert!(!passed && test.contains("speak(\"blue moon\");") && chooses, "{report}");
    // Digits in words.
    let (passed, report, test) =
        storm(r#"if ask("vm-intro", #{ speech: true, max: 2 }) == "42" { throw "the answer"; }"#);
    assert!(!passed && (test.contains("speak(") || test.contains("press(\"42\")")), "{report}");
    // What is unsure.
    let (passed, report, test) = storm(
        r#"let heard = listen("vm-intro", #{ otherwise: () }); if heard != () && heard.confidence < 0.5 && heard.ended_by == "speech" { throw "unsure"; }"#,
    );
    assert!(!passed && test.contains("confidence: 0.2"), "{report}");
    // An engine that is down is noticed when nothing is said to do then.
    let (passed, report, test) = storm(r#"if listen("vm-intro").text == "no" { say("beep"); }"#);
    assert!(!passed && test.contains("service_is_down(\"speech.stt\");"), "{report}");
    // A question can't fail.
    let (passed, report, _) = storm(
        r##"if confirm("vm-intro", #{ speech: true }) == true { say("beep"); } menu("beep", #{ "1": #{ words: "a", then: 1 } });"##,
    );
    assert!(passed && report.contains("all"), "{report}");
}
