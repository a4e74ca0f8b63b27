//! The command line of the real program.

use crate::support::process::{ENVIRONMENT, Ended, Folder, Process, agi_rhai, clear_environment, program};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Runs it on a call whose Asterisk replies to everything.
fn call(command: &mut Command) -> Ended {
    Process::call(command).end()
}

/// Runs it without a call.
fn run_without_call(args: &[&str]) -> (Option<i32>, String, String) {
    let output = agi_rhai(args).stdin(std::process::Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const STATUS: &str = r#"SET VARIABLE "AGI_RHAI_STATUS""#;

/// A script that logs its arguments.
const ECHO: &str = r"verbose(args.len()); for a in args { verbose(`<${a}>`) }";

#[test]
fn help_shows_a_newcomer_how_to_begin() {
    let (code, help, _) = run_without_call(&["--help"]);
    assert_eq!(code, Some(0));
    for word in [
        "AGI(agi-rhai,game.rhai,a,b)",
        "Usage: agi-rhai",
        "phone",
        "--scripts <DIR>",
        "--log <WHERE>",
        "--log-level",
        "--log-digits",
        "--seed",
        "--deny-exec",
        "--max-computing",
        "--max-memory",
        "--max-on-hangup",
        "Exit codes: 0",
        "AGI_RHAI_STATUS",
        "[env: AGI_RHAI_LOG=",
    ] {
        assert!(help.contains(word), "no {word:?} in {help}");
    }
    assert_eq!(run_without_call(&["phone", "--help"]).0, Some(0));
    let (code, version, _) = run_without_call(&["--version"]);
    assert_eq!((code, version.trim()), (Some(0), concat!("agi-rhai ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in
        [&[][..], &["--no-such-option", "x.rhai"], &["--seed", "x", "x.rhai"], &["--log-level", "loud", "x.rhai"]]
    {
        let (code, stdout, stderr) = run_without_call(args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stdout.is_empty(), "{args:?}: standard output is the protocol: {stdout}");
        assert!(stderr.contains("--help"), "{args:?}: {stderr}");
    }
}

#[test]
fn the_exit_code_says_how_the_call_ended() {
    let folder = Folder::new();
    call(&mut agi_rhai([folder.file("well.rhai", "verbose(1)")])).code(0).sent(&format!("{STATUS} \"SUCCESS\""));
    call(&mut agi_rhai([folder.file("exit.rhai", "exit();")])).code(0).sent(&format!("{STATUS} \"SUCCESS\""));
    call(&mut agi_rhai([folder.file("hangup.rhai", "hangup();")])).code(0).sent(&format!("{STATUS} \"HANGUP\""));
    let fault = call(&mut agi_rhai([folder.file("fault.rhai", "verbose(1);\nno_such();")]));
    fault.code(1).sent(&format!("{STATUS} \"FAILURE\"")).says("fault.rhai:2:1").says("no function `no_such`");
    let syntax = call(&mut agi_rhai([folder.file("syntax.rhai", "let = 5;")]));
    syntax.code(1).sent(&format!("{STATUS} \"FAILURE\"")).says("syntax.rhai:1:5");
    let binary = call(&mut agi_rhai([folder.file("binary.rhai", b"\x7fELF\x00\xff\xfe")]));
    binary.code(1).sent(&format!("{STATUS} \"FAILURE\""));
    let mut lost = Process::call(&mut agi_rhai([folder.file("lost.rhai", "verbose(1)")]));
    lost.line();
    lost.send("200 ");
    lost.close();
    lost.end().code(3);
    let mut nobody = Process::start(&mut agi_rhai([folder.file("nobody.rhai", "")]));
    nobody.close();
    nobody.end().code(3).says("no environment came: is this started by Asterisk's AGI()?");
}

#[test]
fn a_missing_script_is_reported_to_the_dialplan() {
    for script in ["no-such.rhai", "/no/such.rhai", "no-such", "./", ""] {
        let ended = call(&mut agi_rhai([script]));
        ended.code(2).sent(&format!("{STATUS} \"NOTFOUND\""));
        assert!(ended.lines.iter().any(|line| line.starts_with(r#"SET VARIABLE "AGI_RHAI_ERROR""#)), "{ended:#?}");
    }
}

#[test]
fn arguments_after_the_script_are_passed_to_it() {
    let folder = Folder::new();
    let echo = folder.file("echo.rhai", ECHO);
    let args = ["-x", "", "--help", "--seed", "5", "--", "a b", "phone", "é,\"q\""];
    for options in [&[][..], &["--log-level=debug"], &["--seed", "3", "--log-digits"]] {
        let ended = call(&mut agi_rhai(options.iter().copied().chain([echo.as_str()]).chain(args)));
        ended.code(0);
        // The last two are the host's: version and status.
        let sent = ended.lines[..ended.lines.len() - 2].join("\n");
        let expected = "VERBOSE \"9\" 1\nVERBOSE \"<-x>\" 1\nVERBOSE \"<>\" 1\nVERBOSE \"<--help>\" 1\n\
                        VERBOSE \"<--seed>\" 1\nVERBOSE \"<5>\" 1\nVERBOSE \"<-->\" 1\nVERBOSE \"<a b>\" 1\n\
                        VERBOSE \"<phone>\" 1\nVERBOSE \"<é,\\\"q\\\">\" 1";
        assert_eq!(sent, expected, "{options:?}");
    }
}

#[test]
fn scripts_are_looked_up_in_the_documented_places() {
    let folder = Folder::new();
    let one = folder.file("one/same.rhai", "verbose(\"one\")");
    folder.file("two/same.rhai", "verbose(\"two\")");
    folder.file("two/only.rhai", "verbose(\"only\")");
    let (first, second, nowhere) = (folder.path("one"), folder.path("two"), folder.path("nowhere"));
    let check = |command: &mut Command, expected: &str| {
        call(command).code(0).sent(&format!("VERBOSE \"{expected}\" 1"));
    };
    check(&mut agi_rhai([&one]), "one");
    check(&mut agi_rhai([one.trim_end_matches(".rhai")]), "one");
    for name in ["same.rhai", "same"] {
        check(agi_rhai(["--scripts".as_ref(), second.as_os_str(), name.as_ref()]).env("AST_AGI_DIR", &first), "two");
        check(agi_rhai([name]).env("AGI_RHAI_SCRIPTS", &first), "one");
        check(agi_rhai([name]).env("AST_AGI_DIR", &second), "two");
    }
    check(agi_rhai(["only"]).env("AGI_RHAI_SCRIPTS", &first).env("AST_AGI_DIR", &second), "only");
    // Scripts are not looked up in Asterisk's working directory. Someone who tries a script by hand is in its folder.
    let (second, nowhere) = (second.display(), nowhere.display());
    call(agi_rhai(["same.rhai"]).env("AST_AGI_DIR", format!("{nowhere}")).current_dir(&first)).code(2);
    let all = format!("no script none: searched {second}, /var/lib/asterisk/agi-bin, the current folder");
    let missing = call(agi_rhai(["none"]).env("AGI_RHAI_SCRIPTS", format!("{second}")));
    missing.code(2).says(&all).sent(&format!("SET VARIABLE \"AGI_RHAI_ERROR\" \"{all}\""));
    call(agi_rhai(["none"]).env("AST_AGI_DIR", format!("{nowhere}")))
        .says(&format!("no script none: searched {nowhere}\n"));
    check(agi_rhai(["same.rhai"]).current_dir(&first), "one");
}

#[test]
fn options_can_be_set_by_environment_variables() {
    let folder = Folder::new();
    let path = folder.file("random.rhai", "verbose(random(1, 1000000))");
    let (by_option, by_environment) =
        (call(&mut agi_rhai(["--seed", "42", &path])), call(agi_rhai([&path]).env("AGI_RHAI_SEED", "42")));
    assert_eq!(by_option.code(0).lines, by_environment.code(0).lines);
    by_option.says("seed=42");
    let other = call(&mut agi_rhai(["--seed", "43", &path]));
    assert_ne!(other.lines, by_option.lines);
    let path = folder.file("loop.rhai", "loop { let x = 1; }");
    let ended = call(agi_rhai([&path]).env("AGI_RHAI_MAX_COMPUTING", "0.05"));
    ended.code(1).says("computes for more than 0.05 s");
    call(agi_rhai([&path]).env("AGI_RHAI_SEED", "x")).code(2);
    let quiet = call(agi_rhai([&folder.file("q.rhai", "")]).env("AGI_RHAI_LOG_LEVEL", "off"));
    assert_eq!(quiet.code(0).stderr, "");
}

#[test]
fn the_same_seed_draws_the_same_numbers() {
    let folder = Folder::new();
    let path = folder
        .file("random.rhai", "verbose(random(1, 1000000000)); verbose(choose([1, 2, 3, 4, 5])); verbose(random());");
    let first = call(&mut agi_rhai([&path]));
    let seed = first.code(0).stderr.split("seed=").nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(call(&mut agi_rhai(["--seed", seed, &path])).lines, first.lines);
}

#[test]
fn the_log_goes_where_the_options_say() {
    let folder = Folder::new();
    let script = folder.file("x.rhai", "print(\"noted\")");
    let log = folder.path("x.log");
    for _ in 0..2 {
        let ended = call(&mut agi_rhai(["--log", log.to_str().unwrap(), &script]));
        assert_eq!(ended.code(0).stderr, "");
    }
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("call ended").count(), 2, "{text}");
    assert!(text.contains("noted") && text.contains("status=SUCCESS") && text.contains("1700000000.12"), "{text}");
    let ended = call(&mut agi_rhai(["--log", "/no/such/folder/x.log", &script]));
    ended.code(0).says("cannot log to /no/such/folder/x.log").says("call ended");
    // A log that cannot be written, and a stderr that is closed.
    call(&mut agi_rhai(["--log", "/dev/full", &script])).code(0);
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" \"$@\" 2>&-", program(), &script]);
    clear_environment(&mut closed);
    call(&mut closed).code(0);
}

#[test]
fn the_dialogue_is_logged_with_keys_masked() {
    let folder = Folder::new();
    let script = folder.file("x.rhai", r#"let d = get_data("pin", 5000, 4); let v = get_variable("X");"#);
    let dialogue = |options: &[&str]| {
        let args = options.iter().copied().chain(["--log-level", "debug", "--seed", "1", script.as_str()]);
        Process::call(&mut agi_rhai(args)).end_with(|line| {
            Some(if line.starts_with("GET DATA") { "200 result=4711" } else { "200 result=1 (v)" }.to_owned())
        })
    };
    let masked = dialogue(&[]);
    masked.code(0).says(r#"> GET DATA "pin" 5000 4"#).says("< 200 result=••••").says("< 200 result=1 (v)");
    assert!(!masked.stderr.contains("4711"), "{masked:#?}");
    dialogue(&["--log-digits"]).code(0).says("< 200 result=4711");
}

#[test]
fn a_script_can_be_executed_by_its_hashbang() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", format!("#!{}\nverbose(args.len());\n\nthrow 1;", program()));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&script);
    command.args(["a", "-b", ""]);
    clear_environment(&mut command);
    // The `#!` line counts as a line.
    call(&mut command).code(1).sent(r#"VERBOSE "3" 1"#).says("game.rhai:4:1");
}

#[test]
fn denied_applications_are_not_run() {
    let folder = Folder::new();
    let script = folder.file(
        "x.rhai",
        r#"
        for app in ["System", "trysystem", "Playback"] {
            try { exec(app, "x") } catch (e) { verbose(`${app}: ${e.kind} ${e.parameter}`) }
        }"#,
    );
    let usual = call(&mut agi_rhai([&script]));
    usual.code(0).sent(r#"VERBOSE "System: argument application" 1"#).sent(r#"EXEC "Playback" "x""#);
    usual.sent(r#"VERBOSE "trysystem: argument application" 1"#);
    let other = call(&mut agi_rhai(["--deny-exec", "Playback,Dial", "--allow-exec", "Exec, SYSTEM", &script]));
    other.code(0).sent(r#"EXEC "System" "x""#).sent(r#"VERBOSE "Playback: argument application" 1"#);
    other.sent(r#"VERBOSE "trysystem: argument application" 1"#);
    let none = call(&mut agi_rhai(["--deny-exec", "*", "--allow-exec", "*", &script]));
    for app in ["System", "trysystem", "Playback"] {
        none.sent(&format!("VERBOSE \"{app}: argument application\" 1"));
    }
    let dial = folder.file("dial.rhai", "dial(\"PJSIP/a,20,U(x)\", 20)");
    call(&mut agi_rhai([&dial])).code(1).says("dial: `target` may not run Dial with the option U here");
    let all = call(agi_rhai([&script]).env("AGI_RHAI_ALLOW_EXEC", "*").env("AGI_RHAI_DENY_EXEC", ""));
    all.code(0).sent(r#"EXEC "System" "x""#).sent(r#"EXEC "trysystem" "x""#).sent(r#"EXEC "Playback" "x""#);
}

#[test]
fn a_call_is_simulated_in_the_terminal() {
    let folder = Folder::new();
    folder.file("ask.prompts", "what: What is it?\n");
    let script = folder.file(
        "ask.rhai",
        r#"
        answer();
        let d = get_data("what", 5000, 2);
        say_digits(d);
        if d == "12" { exit() }
        throw "wrong";"#,
    );
    let play = |keys: &str, args: &[&str]| {
        let mut process = Process::start(&mut agi_rhai(args));
        process.send(keys);
        process.close();
        process.end()
    };
    let well = play("12\n", &["phone", "--fast", &script]);
    well.code(0);
    let screen = well.lines.join("\n");
    assert!(screen.contains("Calling ask.rhai") && screen.contains("says digits 12"), "{screen}");
    assert!(screen.contains("Call ended: SUCCESS"), "{screen}");
    let fault = play("34\n", &["phone", "--fast", "--callerid", "555", &script, "a"]);
    fault.code(1);
    assert!(fault.lines.join("\n").contains("ask.rhai:6:9"), "{fault:#?}");
    let gone = play("h\n", &["phone", "--fast", &script]);
    assert!(gone.code(0).lines.join("\n").contains("Call ended: HANGUP"), "{gone:#?}");
    play("", &["phone", "--fast", "/no/such.rhai"]).code(2).says("no script /no/such.rhai");
    let syntax = folder.file("syntax.rhai", "let = 5;");
    play("", &["phone", "--fast", &syntax]).code(1).says("syntax.rhai:1:5");
}

#[test]
fn the_environment_may_arrive_in_pieces() {
    let folder = Folder::new();
    let script = folder.file("x.rhai", "verbose(env.agi_callerid)");
    let mut process = Process::start(&mut agi_rhai([&script]));
    for line in ENVIRONMENT.split_inclusive('\n') {
        process.send(line);
    }
    process.end().code(0).sent(r#"VERBOSE "201" 1"#);
}

/// Every option that takes a number either works with a value or refuses it with the permitted range.
#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let folder = Folder::new();
    let script = folder.file("a.rhai", "verbose(1);");
    folder.file("a.test.rhai", "fn test_a() { place_call(\"a\"); expect_end(); }");
    let values =
        ["0", "-1", "NaN", "inf", "-inf", "1e308", "9223372036854775808", "18446744073709551616", "99999999999999", ""];
    let variable =
        |option: &str| format!("AGI_RHAI_{}", option.trim_start_matches('-').replace('-', "_").to_uppercase());
    let serve = ["serve", "--check", "--scripts", "."];
    let tests = ["test", "a.test.rhai"];
    let storm = ["test", "--storm", "a.rhai", "--calls", "5"];
    // The option, the command that runs with it, the valid values, and the error for the others.
    let cases: &[(&str, &[&str], &[&str], &str)] = &[
        ("--max-memory", &[], &[], "a whole number from 1 to 1048576"),
        ("--max-computing", &[], &[], "a number of seconds from 0.001 to 31536000"),
        ("--max-on-hangup", &[], &["0"], "a number of seconds from 0 to 31536000"),
        (
            "--seed",
            &[],
            &["0", "9223372036854775808", "99999999999999"],
            "a whole number from 0 to 18446744073709551615",
        ),
        ("--max-memory", &serve, &[], "a whole number from 1 to 1048576"),
        ("--max-calls", &serve, &[], "a whole number from 1 to 100000000"),
        ("--max-calls-per-peer", &serve, &[], "a whole number from 1 to 100000000"),
        ("--drain", &serve, &["0"], "30s, 2m or 1h, and is 0 s to a year"),
        (
            "--seed",
            &tests,
            &["0", "9223372036854775808", "99999999999999"],
            "a whole number from 0 to 18446744073709551615",
        ),
        ("--coverage-min", &["test", "--coverage", "a.test.rhai"], &["0"], "a whole number from 0 to 100"),
        ("--seed", &storm, &["0", "9223372036854775808", "99999999999999"], "a whole number from 0 to"),
        ("--calls", &storm[..3], &[], "a whole number from 1 to 18446744073709551615"),
        ("--asterisk", &["check", "a.rhai"], &["99999999999999"], "ersion"),
    ];
    for (option, words, good, expected) in cases {
        for value in values {
            let is_good = good.contains(&value);
            // Without a number of calls a storm would never end, and there is no such version of Asterisk.
            if matches!(
                (*option, value),
                ("--calls", "9223372036854775808" | "99999999999999") | ("--asterisk", "99999999999999")
            ) {
                continue;
            }
            let mut command = agi_rhai(*words);
            command.arg(format!("{option}={value}")).current_dir(folder.path(""));
            let mut runs = vec![command];
            if words.is_empty() {
                runs[0].arg(&script);
                let mut command = agi_rhai([&script]);
                command.env(variable(option), value);
                runs.push(command);
            } else if words[0] == "serve" {
                let mut command = agi_rhai(*words);
                command.env(variable(option), value).current_dir(folder.path(""));
                runs.push(command);
            }
            for mut command in runs {
                let ended = Process::call(&mut command).end();
                let shown = format!("{option}={value} of {words:?}: {ended:?}");
                assert!(!ended.stderr.contains("panicked"), "{shown}");
                if is_good {
                    assert_eq!(ended.code, Some(0), "{shown}");
                } else {
                    assert_eq!(ended.code, Some(2), "{shown}");
                    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
                    assert!(said.contains(expected), "no {expected:?} in {shown}");
                }
            }
        }
    }
    // The ends of the ranges work.
    for option in ["--max-memory=1048576", "--max-computing=31536000", "--max-on-hangup=31536000"] {
        Process::call(&mut agi_rhai([option, &script])).end().code(0).sent(&format!("{STATUS} \"SUCCESS\""));
    }
    for number in ["-1", "1.5", "18446744073709551616"] {
        let mut command = agi_rhai(["calls", "show", number]);
        Process::start(&mut command).end().code(2).says("a whole number from 0 to");
    }
}

#[test]
fn without_asterisk_the_program_says_how_to_play_a_script() {
    let folder = Folder::new();
    let script = folder.file("hello.rhai", "answer();");
    for environment in ["", "hello\n\n", "agi_x"] {
        let mut process = Process::start(&mut agi_rhai([&script]));
        process.send(environment);
        process.close();
        let ended = process.end();
        ended.code(3).says(&format!("(to play it without Asterisk: agi-rhai phone {script})"));
        assert_eq!(ended.stderr.contains("got"), environment.starts_with("hello"), "{ended:?}");
    }
}
