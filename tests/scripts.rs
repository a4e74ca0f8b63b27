//! The guarantees for script authors, and the games of the project, on the simulator.

use agi_rhai::pbx::{Channel, Database, IncomingCall, Plan, Sounds};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Outcome, Session, Status};
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Played {
    outcome: Outcome,
    lines: Vec<String>,
    database: Database,
}

impl Played {
    /// Returns the lines sent, without our own last words.
    fn sent(&self) -> Vec<&str> {
        let sent = self.lines.iter().filter_map(|line| line.strip_prefix("C: "));
        sent.filter(|line| !line.contains("AGI_RHAI_")).collect()
    }

    fn says(&self) -> String {
        self.sent().iter().filter_map(|line| line.strip_prefix("VERBOSE ")).collect::<Vec<_>>().join("; ")
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn on(channel: Channel, host: &Host, script: &agi_rhai::Script, args: &[&str]) -> Played {
    let database = channel.database().clone();
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let session = Session::begin(Box::new(simulator)).unwrap();
    let outcome = host.run(session, script, args.iter().map(|arg| (*arg).to_owned()).collect());
    let lines = transcript.lock().unwrap().clone();
    Played { outcome, lines, database }
}

fn play(text: &str, caller: &str) -> Played {
    let host = Host::new();
    let script = host.compile("test.rhai", text).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
    on(Channel::new(IncomingCall::default(), Box::new(Plan::parse(caller).unwrap())), &host, &script, &["a", "", "-x"])
}

/// Checks what a script logs with `verbose`.
#[track_caller]
fn check(text: &str, said: &str) {
    let played = play(text, "");
    let fault = played.outcome.fault.as_ref().map(ToString::to_string);
    assert_eq!(played.says(), said, "{text}\n{fault:?}");
    assert_eq!(played.outcome.status, Status::Success, "{fault:?}");
}

#[track_caller]
fn check_fault(text: &str, expected: &str) {
    let host = Host::new();
    let got = match host.compile("test.rhai", text) {
        Err(fault) => fault.to_string(),
        Ok(_) => play(text, "").outcome.fault.expect("the script has no fault").to_string(),
    };
    assert_eq!(got, expected);
}

#[test]
fn the_calls_values_are_visible_everywhere() {
    check("fn f() { verbose(env.agi_language) } f();", r#""en" 1"#);
    check("let f = || verbose(args[2]); f.call();", r#""-x" 1"#);
    check(r#"if env.agi_nothing == () { verbose("absent") }"#, r#""absent" 1"#);
    check("fn f() { state.n += 1 } state.n = 0; f(); f(); verbose(state.n);", r#""2" 1"#);
    check(r#"state.list = []; fn f() { state.list.push(7) } f(); verbose(state.list[0]);"#, r#""7" 1"#);
    check("fn f(args) { args } verbose(f(7)); { let params = 1; params += 1; verbose(params); }", r#""7" 1; "2" 1"#);
    check_fault("env.agi_callerid = 1;", "test.rhai:1:1: `env` cannot be changed");
}

#[test]
fn numbers_and_texts_are_distinguished() {
    check_fault(
        r#"if "5" == 5 { }"#,
        r#"test.rhai:1:8: the text "5" is compared with the number 5 by `==`; turn the text into a number first: `to_number(...)`"#,
    );
    check_fault(
        r"if () < 5 { }",
        "test.rhai:1:7: () is compared with the number 5 by `<`; test for `()` first: `if x != () { ... }`",
    );
    check(
        r#"verbose(to_number("0412")); verbose(to_number("12*") ?? "none"); verbose(to_number("", 0));"#,
        r#""412" 1; "none" 1; "0" 1"#,
    );
    check(r#"verbose(to_number("1234567890123456789") ?? "none"); if () == 5 { verbose("no") }"#, r#""none" 1"#);
}

#[test]
fn arithmetic_works_as_in_rhai() {
    check(
        "let x = 5; verbose(-x); verbose(-(1.5)); verbose(+x); verbose((-x).abs()); verbose(sign(-2));",
        r#""-5" 1; "-1.5" 1; "5" 1; "5" 1; "-1" 1"#,
    );
    check(
        "let x = 7; let y = 2; verbose(x / y); verbose(x % y); verbose(x ** y); verbose(x / 2.0); verbose(2.0 * y); verbose(x - 1 + y * 3); verbose(x & 3); verbose(1 << y);",
        r#""3" 1; "1" 1; "49" 1; "3.5" 1; "4" 1; "12" 1; "3" 1; "4" 1"#,
    );
    check(
        "let x = 7; x += 1; x -= 2; x *= 3; let f = 1.0; f += 1; verbose(`${x} ${f} ${x > f} ${x.is_even()} ${min(3, 2)} ${x != 18}`);",
        r#""18 2.0 true true 2 false" 1"#,
    );
    check_fault("let x = 9223372036854775807; x + 1", "test.rhai:1:32: Addition overflow: 9223372036854775807 + 1");
    check_fault("let x = 0; 5 / x", "test.rhai:1:14: Division by zero: 5 / 0");
}

#[test]
fn a_refused_command_throws_a_map_that_can_be_caught() {
    check(
        r#"try { wait_for_digit("5s") } catch (e) { verbose(e.kind + e.parameter + e.command + e.line) }"#,
        r#""argumentmsWAIT FOR DIGIT1" 1"#,
    );
    check(
        r#"try { exec("Zapateller") } catch (e) { verbose(`${e.kind} ${e.result} ${e.code}`) }"#,
        r#""refused -2 200" 1"#,
    );
    check_fault(
        r#"answer(); set_variable("a", "b\nc");"#,
        "test.rhai:1:11: set_variable: `value` holds a line break, which AGI cannot carry",
    );
}

#[test]
fn faults_suggest_a_correction() {
    check_fault("strem_file(1)", "test.rhai:1:1: no function `strem_file`; did you mean `stream_file`?");
    check_fault(
        r#"stream_file("a", "1", 2, 3)"#,
        "test.rhai:1:1: `stream_file` takes 1 to 3 arguments, not 4; it is called as `stream_file(file, escape_digits = \"\", offset?)`",
    );
    check_fault(
        "let x = 1;\nfn f() { x }",
        "test.rhai:2:10: unknown variable `x`; a function does not see the script's variables: pass it to `f` as a parameter, or use `state.x` everywhere",
    );
    check_fault(r#"eval("1")"#, "test.rhai:1:1: `eval` is not available");
    check_fault("throw \"enough\"", "test.rhai:1:1: enough");
}

#[test]
fn the_end_of_the_call_cannot_be_caught() {
    for end in ["hangup()", "exit()", r#"go_to("x")"#, "asyncagi_break()"] {
        let played =
            play(&format!(r#"try {{ [1].map(|x| {end}); }} catch {{ verbose("caught"); }} verbose("on");"#), "");
        assert_eq!(played.says(), "", "{end}");
        let status = if end == "hangup()" { Status::Hangup } else { Status::Success };
        assert_eq!(played.outcome.status, status, "{end}");
    }
    let played = play("loop { try { wait_for_digit(1000) } catch { } }", "hangs up after 2500ms");
    assert_eq!(played.outcome.status, Status::Hangup);
    assert!(played.outcome.length.as_millis() < 3100);
}

#[test]
fn go_to_sets_context_extension_and_priority() {
    assert_eq!(
        play(r#"go_to("support", 5)"#, "").sent(),
        [r#"SET CONTEXT "support""#, r#"SET EXTENSION "5""#, r#"SET PRIORITY "1""#]
    );
}

#[test]
fn on_hangup_sees_the_values_as_they_were() {
    let script = r#"
        const FAMILY = "seen";
        state.n = 1;
        answer();
        sleep(1);
        state.n = 2;
        sleep(5);
        state.n = 3;
        fn on_hangup(last) {
            database_put(global::FAMILY, "n", state.n);
            database_put(global::FAMILY, "last", last.command);
            try { stream_file("beep") } catch (e) { database_put(global::FAMILY, "beep", `${e.kind} ${e.code}`) }
        }"#;
    let played = play(script, "hangs up after 3s");
    let entries: Vec<String> = played.database.entries().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(entries, ["/seen/beep=refused 511", "/seen/last=answer", "/seen/n=2"]);
    assert_eq!(played.outcome.status, Status::Hangup);
    assert_eq!(played.outcome.length.as_secs(), 3, "sleep ends at once");
}

#[test]
fn on_hangup_runs_for_limited_time() {
    let rest = "fn on_hangup() { sleep(2); database_put(\"a\", \"b\", elapsed()); loop { sleep(1) } }";
    let played = play(&format!("wait_for_digit(9000); {rest}"), "hangs up after 1s");
    assert_eq!(played.database.get("a", "b").as_deref(), Some("3"));
    assert_eq!(played.outcome.status, Status::Hangup);
    assert_eq!(played.outcome.fault.unwrap().message, "on_hangup takes more than 5 s");
}

#[test]
fn imported_functions_work_like_the_scripts_own() {
    let folder = std::env::temp_dir().join(format!("agi-rhai-imports-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("lib")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "lib/words.rhai",
        "import \"deeper\" as d; fn hello() { verbose(`${d::word()} ${env.agi_language} ${state.n}`) }",
    );
    write("lib/deeper.rhai", "export const K = 5; fn word() { \"hello\" }");
    write(
        "main.rhai",
        "import \"lib/words\" as words; state.n = 1; words::hello(); answer(); sleep(9); fn on_hangup() { words::hello() }",
    );
    let host = Host::new();
    let script = host.load(&folder.join("main.rhai"), None).unwrap();
    let caller = Plan::parse("hangs up after 1s").unwrap();
    let played = on(Channel::new(IncomingCall::default(), Box::new(caller)), &host, &script, &[]);
    assert_eq!(played.says(), r#""hello en 1" 1; "hello en 1" 1"#, "{:?}", played.outcome.fault);
    for (text, expected) in [
        ("import \"main\" as m;", "scripts import each other in a circle"),
        ("import \"../../../etc/passwd\" as m;", "no script"),
        ("import \"nothing\" as m;", "no script \"nothing\" to import"),
        ("let x = \"a\"; import x as m;", "the path of an import must be a text in quotes"),
        ("import \"bad\" as m;", "bad.rhai:2:5: "),
        ("import \"calls\" as m;", "an imported script may only define functions and constants"),
    ] {
        write("main.rhai", text);
        write("bad.rhai", "let x = 1;\nlet = 2;");
        write("calls.rhai", "answer();");
        let error = host.load(&folder.join("main.rhai"), None).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_recording_ended_by_the_hangup_is_kept() {
    let script = r##"
        record_file("message", "gsm", "#", 60000);
        fn on_hangup(last) { database_put("m", "seconds", last.result.seconds); database_put("m", "by", last.result.ended_by); }"##;
    let played = play(script, "hangs up after 4s");
    let entries: Vec<String> = played.database.entries().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(entries, ["/m/by=hangup", "/m/seconds=4"]);
}

#[test]
fn the_same_seed_draws_the_same_numbers() {
    let text = "for n in 0..20 { verbose(random(1, 1000000)); verbose(choose([1,2,3,4,5,6,7])); verbose(random()); }";
    let run = |seed| {
        let mut host = Host::new();
        host.set_seed(seed);
        let script = host.compile("random.rhai", text).unwrap();
        on(Channel::new(IncomingCall::default(), Box::new(Plan::silent())), &host, &script, &[]).says()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

fn game(name: &str, caller: Plan, database: Database) -> Played {
    let host = Host::new();
    let script = host.load(&scripts().join(name), None).unwrap_or_else(|error| panic!("{error}"));
    let prompts = std::fs::read_to_string(scripts().join(name).with_extension("prompts")).unwrap();
    let sounds = Arc::new(Sounds::stock().with_prompts(&prompts).unwrap().with_folder(scripts().join("sounds")));
    let call = IncomingCall { callerid: Some("201".to_owned()), ..IncomingCall::default() };
    on(Channel::new(call, Box::new(caller)).with_sounds(sounds).with_database(database), &host, &script, &[])
}

/// A caller who hears the numbers and works out the answers.
struct Calculating(Plan, Vec<i64>, u64, std::collections::VecDeque<char>);

impl agi_rhai::pbx::Caller for Calculating {
    fn now(&self) -> agi_rhai::clock::Time {
        self.0.now()
    }

    fn wait(&mut self, until: agi_rhai::clock::Time, hears: &agi_rhai::pbx::Hearing<'_>) -> Option<agi_rhai::pbx::Act> {
        use agi_rhai::pbx::{Act, Digit, Sound, Spoken};
        if hears.prompt != self.2 {
            self.2 = hears.prompt;
            match hears.sound {
                Sound::Spoken(Spoken { kind: "number", text, .. }) => self.1.push(text.parse().unwrap()),
                Sound::File("subtraction-game-equals") => {
                    let answer = self.1[self.1.len() - 2] - self.1[self.1.len() - 1];
                    self.3 = format!("{answer}#").chars().collect();
                }
                _ => {}
            }
        }
        if hears.listening
            && let Some(key) = self.3.pop_front()
        {
            return Some(Act::Key(Digit::new(key).unwrap()));
        }
        self.0.wait(until, hears)
    }
}

#[test]
fn correct_answers_win_the_subtraction_game() {
    let host = Host::new();
    let script = host.load(&scripts().join("subtraction.rhai"), None).unwrap();
    let caller = Calculating(Plan::silent(), Vec::new(), 0, std::collections::VecDeque::default());
    let played = on(
        Channel::new(IncomingCall::default(), Box::new(caller))
            .with_sounds(Arc::new(Sounds::stock().with_folder(scripts().join("sounds")))),
        &host,
        &script,
        &[],
    );
    assert_eq!(played.outcome.status, Status::Success);
    let sent = played.sent();
    let asked = sent.iter().filter(|line| line.starts_with("GET DATA")).count();
    assert!(asked > 20, "{asked} questions in three minutes");
    assert!(!sent.iter().any(|line| line.contains("-wrong")));
    assert_eq!(sent.iter().rev().find(|line| line.starts_with("SAY NUMBER")), Some(&"SAY NUMBER 100 \"\""), "per cent");
    assert_eq!(played.outcome.missing_sounds, 0);
}

#[test]
fn the_subtraction_game_survives_silence_and_stars() {
    for caller in ["", "presses *** every 1s after 10s, presses # after 5s, presses 99 after 9s"] {
        let played = game("subtraction.rhai", Plan::parse(caller).unwrap(), Database::new());
        assert_eq!(played.outcome.status, Status::Success, "{:?}", played.outcome.fault);
        let seconds = played.outcome.length.as_secs();
        assert!((180..215).contains(&seconds), "{seconds} s");
        assert!(played.sent().iter().any(|line| line.contains("-wrong")));
        assert_eq!(played.outcome.missing_sounds, 0);
    }
}

#[test]
fn a_hangup_anywhere_in_a_game_ends_it_in_order() {
    for name in [
        "subtraction.rhai",
        "guess.rhai",
        "memory.rhai",
        "pin.rhai",
        "survey.rhai",
        "screening.rhai",
        "dentist.rhai",
        "tour.rhai",
        "messages.rhai",
        "wakeup.rhai",
        "wakeup-call.rhai",
        "callerid.rhai",
    ] {
        for tenths in 0..300 {
            let caller =
                Plan::parse(&format!("presses 12# every 300ms after 6s, hangs up after {}ms", tenths * 100)).unwrap();
            let played = game(name, caller, Database::new());
            assert!(played.outcome.fault.is_none(), "{name} after {tenths} tenths: {:?}", played.outcome.fault);
            assert_eq!(played.outcome.missing_sounds, 0);
        }
    }
}

#[test]
fn the_guessing_game_keeps_a_best_score_per_caller() {
    let database = Database::new();
    let mut guesses = String::from("presses 1# when guess-welcome after 9s");
    for guess in 2..=60 {
        use std::fmt::Write;
        write!(guesses, ", presses {guess}# every 200ms after 9s").unwrap();
    }
    for _ in 0..3 {
        let played = game("guess.rhai", Plan::parse(&guesses).unwrap(), database.clone());
        assert!(played.outcome.fault.is_none(), "{:?}", played.outcome.fault);
    }
    assert!(database.entries().len() <= 2);
}
