//! A command that only an embedder's Asterisk has is declared in one place; everything else follows from that.

use crate::support::process::Folder;
use agi_rhai::agi::Reply;
use agi_rhai::command::{
    Access, Command, Function, Hears, Kind, MissingSound, OnMinusOne, Param, Plays, Returns, Table, Value,
};
use agi_rhai::host::Recorder;
use agi_rhai::internals::reference;
use agi_rhai::pbx::{Channel, IncomingCall, Plan, Sounds};
use agi_rhai::script::rhai::{EvalAltResult, FuncRegistration, Module, NativeCallContext};
use agi_rhai::session::{Observer, Sent};
use agi_rhai::tools::check::Checker;
use agi_rhai::tools::storm::{Length, Storm};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session, Status};
use std::fmt::{Display, Write as _};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A command whose row states everything.
static ASK_RIDDLE: Command = Command {
    function: Function {
        name: "ask_riddle",
        summary: "Plays a riddle and reads the number that solves it.",
        params: &[
            Param::required("file", Kind::Text, "Sound file with the riddle.").a_name(),
            Param::defaulted("level", Kind::Integer(1, 5), "1", "How hard it is.").public(),
        ],
        returns: Returns::Digits,
        ..Function::UNSTATED
    },
    verb: "ASK RIDDLE",
    subject: "Riddles",
    words: 2..=2,
    on_minus_one: OnMinusOne::MissingSound(MissingSound::GoOn),
    plays: Plays::Sound(0),
    hears: Hears::Digits { max: 1 },
    access: Access::Nothing,
    simulate: |_, words| Some(Reply::of(if words[0] == "no-such-riddle" { "-1" } else { "471193" })),
    ..Command::UNSTATED
};

/// A command whose row states what it reads.
static RIDDLE_OF_THE_DAY: Command = Command {
    function: Function {
        name: "riddle_of_the_day",
        summary: "Tells which riddle somebody gets today.",
        params: &[
            Param::required("family", Kind::Name, "Where the riddles are.").a_name(),
            Param::required("who", Kind::Name, "Who gets it."),
        ],
        returns: Returns::Text { absent: "0" },
        ..Function::UNSTATED
    },
    verb: "RIDDLE OF THE DAY",
    words: 2..=2,
    on_minus_one: OnMinusOne::Value,
    hears: Hears::Nothing,
    access: Access::ReadsEntry,
    simulate: |channel, words| {
        let value = channel.database().get(words[0], words[1]);
        Some(value.map_or_else(|| Reply::of(0), |value| Reply::of(1).with_value(value)))
    },
    ..Command::UNSTATED
};

/// A command whose row doesn't state what is private.
static HEAR_ALL: Command = Command {
    function: Function {
        name: "hear_all",
        summary: "Hears whatever there is.",
        params: &[Param::required("what", Kind::Integer(0, 999_999), "A number.")],
        returns: Returns::Text { absent: "0" },
        ..Function::UNSTATED
    },
    verb: "HEAR ALL",
    on_minus_one: OnMinusOne::Value,
    simulate: |_, _| Some(Reply::of(471_193).with_value("Ada dialled 471193")),
    ..Command::UNSTATED
};

fn host() -> Host {
    let mut host = Host::new();
    for command in [&ASK_RIDDLE, &RIDDLE_OF_THE_DAY, &HEAR_ALL] {
        host.language_mut().add_command(command);
    }
    host
}

/// The text that `agi-rhai calls show` and the log get.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Observer for Log {
    fn sent(&self, _: &'static Command, line: &Sent<'_>, _: &str, _: usize, _: agi_rhai::clock::Time) {
        writeln!(self.0.lock().unwrap(), "> {line}").unwrap();
    }

    fn heard(&self, _: &'static Command, shown: &dyn Display, _: agi_rhai::clock::Time) {
        writeln!(self.0.lock().unwrap(), "< {shown}").unwrap();
    }
}

struct Ran {
    dialogue: Vec<String>,
    log: String,
}

#[track_caller]
fn run(host: &Host, script: &str) -> Ran {
    run_with(host, "", script)
}

#[track_caller]
fn run_with(host: &Host, caller: &str, script: &str) -> Ran {
    let script = host.compile("riddle.rhai", script).unwrap();
    let channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse(caller).unwrap()));
    let simulator = Simulator::new(channel).with_commands(host.language().commands());
    let dialogue = simulator.transcript();
    let log = Log::default();
    let mut session = Session::begin(Box::new(simulator)).unwrap();
    session.observe(Arc::new(log.clone()));
    let outcome = host.run(session, &script, vec![]);
    assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault);
    let dialogue = dialogue.lock().unwrap().clone();
    Ran { dialogue, log: log.0.lock().unwrap().clone() }
}

#[test]
fn a_script_sends_it() {
    let script = r#"set_variable("A", ask_riddle("riddle-1")); ask_riddle("no-such-riddle", 5);"#;
    let ran = run(&host(), script);
    let sent: Vec<&str> = ran.dialogue.iter().filter_map(|line| line.strip_prefix("C: ")).collect();
    assert_eq!(
        sent[..4],
        [
            "ASK RIDDLE \"riddle-1\" 1",
            "SET VARIABLE \"A\" \"471193\"",
            "ASK RIDDLE \"no-such-riddle\" 5",
            "CHANNEL STATUS"
        ],
        "{:#?}",
        ran.dialogue
    );
}

#[test]
fn the_checker_knows_it() {
    let language = host();
    let check = |script: &str| {
        let found = Checker::new(language.language()).check(Path::new("test.rhai"), script);
        found.iter().map(|f| format!("{}: {}", f.rule, f.message)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(check(r#"ask_riddle("a", 3);"#), "");
    assert_eq!(check("ask_riddle();"), "argument-count: `ask_riddle` takes 1 or 2 arguments, not 0");
    assert_eq!(check(r#"ask_riddle("a", 9);"#), "bad-argument: ask_riddle: `level` must be from 1 to 5, not 9");
    let compared = check(r#"if ask_riddle("a") == 5 { noop(); }"#);
    assert!(compared.starts_with("text-as-number: "), "{compared}");
    let after = check(r#"fn on_hangup() { ask_riddle("a"); }"#);
    assert_eq!(after, "after-hangup: `ask_riddle` does not work after the hangup");
}

#[test]
fn recordings_and_logs_leave_out_what_the_caller_entered() {
    let folder = Folder::new();
    let mut host = host();
    host.record(Arc::new(Recorder::new(&folder.path("calls")).redacting()));
    let ran = run(&host, r#"let a = ask_riddle("riddle-1", 2); verbose(a);"#);
    assert!(ran.log.contains("< 200 result=••••••\n"), "{}", ran.log);
    let file = fs::read_dir(folder.path("calls")).unwrap().next().unwrap().unwrap().path();
    let recorded = fs::read_to_string(file).unwrap();
    assert!(recorded.contains(r#"ASK RIDDLE \"riddle-1\" 2"#) && !recorded.contains("471193"), "{recorded}");
}

#[test]
fn anything_a_row_does_not_state_is_masked() {
    let folder = Folder::new();
    let mut host = host();
    host.record(Arc::new(Recorder::new(&folder.path("calls")).redacting()));
    let ran = run(&host, "hear_all(471193);");
    assert!(ran.dialogue.contains(&"S: 200 result=471193 (Ada dialled 471193)".to_owned()), "{:?}", ran.dialogue);
    assert!(ran.log.contains("< 200 result=•••\n"), "{}", ran.log);
    let file = fs::read_dir(folder.path("calls")).unwrap().next().unwrap().unwrap().path();
    let recorded = fs::read_to_string(file).unwrap();
    assert!(recorded.contains("HEAR ALL ") && recorded.contains("xxx xxxxxxx"), "{recorded}");
    assert!(!recorded.contains("471193") && !recorded.contains("Ada"), "{recorded}");
}

/// The log also masks everything that callers enter in Asterisk's own commands, not only keys.
#[test]
fn the_log_masks_keys_and_texts() {
    let caller = "presses 5 after 1s then says \"Ada 12\" after 2s then says \"y\" after 3s then presses 7 after 4s";
    let script =
        r##"wait_for_digit(4000); receive_text(4000); receive_char(4000); record_file("a", "gsm", "7", 9000);"##;
    for (shows, expected) in [
        (false, ["< 200 result=••", "< 200 result=1 (•••)", "< 200 result=•••", "< 200 result=•• (dtmf) endpos="]),
        (true, ["< 200 result=53", "< 200 result=1 (Ada 12)", "< 200 result=121", "< 200 result=55 (dtmf) endpos="]),
    ] {
        let mut host = Host::new();
        host.log_digits(shows);
        let ran = run_with(&host, caller, script);
        for (line, expected) in ran.log.lines().filter(|line| line.starts_with('<')).zip(expected) {
            assert!(line.starts_with(expected), "{expected} in {}", ran.log);
        }
    }
}

/// A command that was sent without being added has no row that tells a recording what is private.
#[test]
fn a_command_that_was_not_added_is_masked_as_a_whole() {
    let folder = Folder::new();
    let mut host = Host::new();
    host.record(Arc::new(Recorder::new(&folder.path("calls")).redacting()));
    let mut module = Module::new();
    let send = |context: NativeCallContext| -> Result<(), Box<EvalAltResult>> {
        let value = agi_rhai::script::Call::of(&context)?.invoke(&HEAR_ALL, &[Value::from(471_193)])?;
        assert_eq!(value, Value::from("Ada dialled 471193"));
        Ok(())
    };
    FuncRegistration::new("send").in_global_namespace().set_into_module(&mut module, send);
    host.language_mut().add(module);
    let script = host.compile("x.rhai", "send();").unwrap();
    let channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse("").unwrap()));
    let mut table = Table::new();
    table.add(&HEAR_ALL);
    let simulator = Simulator::new(channel).with_commands(&table);
    assert_eq!(host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]).status, Status::Success);
    let file = fs::read_dir(folder.path("calls")).unwrap().next().unwrap().unwrap().path();
    let recorded = fs::read_to_string(file).unwrap();
    assert!(!recorded.contains("471193") && !recorded.contains("Ada"), "{recorded}");
}

#[test]
fn a_storm_varies_what_it_reads() {
    let host = host();
    let script = r#"if riddle_of_the_day("riddles", "ada") == "garbage" { throw "no riddle"; }"#;
    let script = host.compile("riddle.rhai", script).unwrap();
    let report = Storm::new(&host, script, Sounds::default()).run(1, Length::Calls(400));
    let problem = report.problems.first().expect("no problem found");
    assert!(problem.test.contains(r#"database: #{ "riddles/ada": "garbage" }"#), "{}", problem.test);
}

#[test]
fn the_reference_and_editors_have_it() {
    let host = host();
    let language = host.language();
    let page = reference::page(language.commands(), &[], &[]);
    let expected = "## ask_riddle\n\n`ask_riddle(file, level = 1)` sends `ASK RIDDLE`.\n\nPlays a riddle and reads the \
                    number that solves it.\n\n* `file` (text): Sound file with the riddle.\n* `level` (integer): How hard \
                    it is.\n* Returns the digits entered, as text; `\"\"` if none.\n* A missing sound file is logged; the \
                    call goes on without it.\n* Does not work after the hangup.\n";
    assert!(page.contains(expected), "{page}");
    let function = language.function("ask_riddle").unwrap();
    let command = language.commands().of(function).unwrap();
    assert_eq!((command.verb, command.subject), ("ASK RIDDLE", "Riddles"));
    assert_eq!(language.similar("ask_ridle").as_deref(), Some("ask_riddle"));
}

#[test]
fn an_added_command_replaces_one_of_the_same_name() {
    static STREAM_FILE: Command = Command {
        function: Function {
            name: "stream_file",
            summary: "Plays a file of our own.",
            params: &[Param::required("file", Kind::Name, "The file.").a_name()],
            returns: Returns::Key,
            ..Function::UNSTATED
        },
        verb: "STREAM FILE",
        words: 1..=1,
        hears: Hears::Key,
        simulate: |_, _| Some(Reply::of(0)),
        ..Command::UNSTATED
    };
    let mut host = Host::new();
    host.language_mut().add_command(&STREAM_FILE);
    let ran = run(&host, r#"stream_file("a");"#);
    assert_eq!(ran.dialogue[..2], ["C: STREAM FILE \"a\"", "S: 200 result=0"]);
    let commands = host.language().commands();
    assert_eq!(commands.iter().filter(|command| command.verb == "STREAM FILE").count(), 1);
    assert_eq!(host.language().function("stream_file").unwrap().params.len(), 1);
}
