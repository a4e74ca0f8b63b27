//! Phrases: a table beside a script, in the caller's language, edited while calls run.

use crate::support::process::{Folder, agi_rhai};
use crate::support::server::Server;
use agi_rhai::clock::Time;
use agi_rhai::pbx::{Channel, IncomingCall, Plan, Sounds};
use agi_rhai::script::{Language, Library, LoadError};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Outcome, Script, Session};
use std::os::unix::fs::symlink;
use std::time::Duration;

const TABLE: &str = "\
messages 0: vm-youhave vm-no vm-messages
messages one: vm-youhave {n} vm-message
messages other: vm-youhave {n} vm-messages

[de]
messages one: vm-youhave {n f} vm-message
messages other: vm-youhave {n} vm-messages
when: {time date A dB}

[pl]
messages one: vm-youhave {n f} vm-message
messages few: vm-youhave {n f} vm-INBOX
messages many: vm-youhave {n} vm-messages
";

struct Played {
    outcome: Outcome,
    lines: Vec<String>,
}

/// Plays a script in a call in this language.
fn play(script: &Script, language: &str) -> Played {
    let call = IncomingCall { language: language.to_owned(), ..IncomingCall::default() };
    let channel = Channel::new(call, Box::new(Plan::parse("").unwrap())).with_sounds(Sounds::stock().into());
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let outcome = Host::new().run(Session::begin(Box::new(simulator)).unwrap(), script, vec![]);
    let lines = transcript.lock().unwrap().clone();
    Played { outcome, lines }
}

impl Played {
    /// Returns the lines sent, in short.
    fn sent(&self) -> String {
        let sent = self.lines.iter().filter_map(|line| line.strip_prefix("C: "));
        let sent =
            sent.filter(|line| !line.contains("AGI_RHAI_") && !line.starts_with("VERBOSE \"agi-rhai")).map(|line| {
                let line = line.replace("STREAM FILE ", "").replace("SAY NUMBER ", "").replace('"', "");
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            });
        sent.collect::<Vec<_>>().join(", ")
    }
}

fn load(folder: &Folder, script: &str) -> Result<Script, LoadError> {
    Script::load(&folder.path(script), None, &Language::new())
}

/// Checks what a script beside [`TABLE`] sends.
#[track_caller]
fn check(language: &str, script: &str, expected: &str) {
    let folder = Folder::new();
    folder.file("game.rhai", script);
    folder.file("game.phrases", TABLE);
    let played = play(&load(&folder, "game.rhai").unwrap(), language);
    assert_eq!(played.sent(), expected, "{:?}", played.outcome.fault);
}

#[test]
fn the_callers_language_chooses_the_phrase() {
    let script = r#"for n in [0, 1, 3] { say(#{ phrase: "messages", n: n }); }"#;
    let english = "vm-youhave, vm-no, vm-messages, vm-youhave, 1, vm-message, vm-youhave, 3, vm-messages";
    check("en", script, english);
    check("it", script, english);
    check("de_AT", script, "vm-youhave, 0, vm-messages, vm-youhave, 1 f, vm-message, vm-youhave, 3, vm-messages");
    check("pl", script, "vm-youhave, 0, vm-messages, vm-youhave, 1 f, vm-message, vm-youhave, 3 f, vm-INBOX");
}

#[test]
fn the_language_is_queried_again_only_after_an_application() {
    let say = r#"say(#{ phrase: "messages", n: 1 });"#;
    check(
        "en",
        &format!(r#"{say} set_variable("CHANNEL(language)", "de"); {say}"#),
        "vm-youhave, 1, vm-message, SET VARIABLE CHANNEL(language) de, vm-youhave, 1 f, vm-message",
    );
    check(
        "en",
        &format!(r#"exec("Set", "CHANNEL(language)=pl"); noop(); {say} {say}"#),
        "EXEC Set CHANNEL(language)=pl, NOOP, GET VARIABLE CHANNEL(language), vm-youhave, 1 f, vm-message, \
         vm-youhave, 1 f, vm-message",
    );
    // Only one language has this phrase, so the caller's need not be known.
    check("en", r#"exec("NoOp"); say(#{ phrase: "when", time: 5 })"#, "EXEC NoOp, SAY DATETIME 5 A dB");
}

#[test]
fn a_time_zone_alone_uses_the_languages_format() {
    check(
        "en",
        r#"set_variable("CHANNEL(language)", "de"); say(#{ date: 5, zone: "UTC" })"#,
        "SET VARIABLE CHANNEL(language) de, SAY DATETIME 5 A dBY HMS UTC",
    );
}

#[test]
fn parts_can_contain_parts() {
    check(
        "en",
        r#"say(["beep", #{ list: [1, #{ phrase: "messages", n: 2 }, #{ duration: 61 }] }, #{ money: 2, currency: "EUR" }])"#,
        "beep, 1, vm-youhave, 2, vm-messages, vm-and, 1, minute, vm-and, 1, second, 2, SAY ALPHA EUR",
    );
    // Questions use them too.
    check(
        "en",
        r#"ask(#{ phrase: "messages", n: 0 }, #{ tries: 1, first: 1 })"#,
        "GET DATA vm-youhave 1 1, GET DATA vm-no 1 1, GET DATA vm-messages 1000 1",
    );
}

#[test]
fn errors_in_phrases_can_be_caught_and_nothing_is_sent() {
    check(
        "en",
        r#"try { say(["beep", #{ phrase: "mesages", n: 1 }]) } catch(e) { verbose(e.kind + " " + e.parameter); }
           try { say(#{ pharse: "messages" }) } catch(e) { verbose(e.message); }"#,
        "VERBOSE argument parts 1, VERBOSE say: `parts` has no kind `pharse`: did you mean `phrase`? 1",
    );
}

#[test]
fn phrases_that_contain_each_other_are_an_error() {
    let folder = Folder::new();
    folder.file("game.rhai", "say(#{ ordinal: 3 })");
    folder.file("game.phrases", "ordinal: {n ordinal}");
    let played = play(&load(&folder, "game.rhai").unwrap(), "en");
    let fault = played.outcome.fault.unwrap().to_string();
    let expected = "say: `parts` has parts nested more than 16 deep: do phrases say each other?";
    assert!(fault.ends_with(expected), "{fault}");
}

#[test]
fn an_imported_script_uses_the_phrases_of_its_importer() {
    let folder = Folder::new();
    folder.file("game.rhai", r#"import "lib/tell" as tell; tell::tell(1)"#);
    folder.file("game.phrases", TABLE);
    folder.file("lib/tell.rhai", r#"fn tell(n) { say(#{ phrase: "messages", n: n }) }"#);
    folder.file("lib/tell.phrases", "messages: beep");
    assert_eq!(play(&load(&folder, "game.rhai").unwrap(), "en").sent(), "vm-youhave, 1, vm-message");
}

#[test]
fn a_link_to_a_script_finds_the_table_of_its_target() {
    let folder = Folder::new();
    folder.file("real/game.rhai", r#"say(#{ phrase: "messages", n: 0 })"#);
    folder.file("real/game.phrases", TABLE);
    symlink(folder.path("real/game.rhai"), folder.path("call.rhai")).unwrap();
    assert_eq!(play(&load(&folder, "call.rhai").unwrap(), "en").sent(), "vm-youhave, vm-no, vm-messages");
    // A table beside the link itself takes precedence.
    folder.file("call.phrases", "messages: beep");
    assert_eq!(play(&load(&folder, "call.rhai").unwrap(), "en").sent(), "beep");
}

#[test]
fn a_fault_in_a_table_is_shown_with_its_line_and_a_caret() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", "answer();");
    let table = folder.path("game.phrases");
    folder.file("game.phrases", "; All of them.\n[pl]\nmessages one: vm-youhave {n vm-message\n");
    let output = agi_rhai(["phone", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stderr).replace(&*table.to_string_lossy(), "game.phrases");
    assert_eq!(
        shown,
        "\
error[bad-phrases]: this `{` has no `}`
 --> game.phrases:3:26
  |
3 | messages one: vm-youhave {n vm-message
  |                          ^
  |
  = help: a value is written as its name in braces, such as {n}
"
    );
}

#[test]
fn the_version_covers_the_table() {
    let folder = Folder::new();
    folder.file("game.rhai", "answer();");
    let version = || load(&folder, "game.rhai").unwrap().version().to_owned();
    let alone = version();
    folder.file("game.phrases", "x: a");
    let with = version();
    folder.file("game.phrases", "x: b");
    assert!(alone != with && with != version());
}

#[test]
fn an_edited_table_takes_effect_in_the_next_call() {
    let folder = Folder::new();
    folder.file("scripts/game.rhai", r#"say(#{ phrase: "x" })"#);
    folder.file("scripts/other.rhai", "answer()");
    let mut now = Time::from_unix(1_000);
    let (library, _) = Library::open(&folder.path("scripts"), &Language::new(), now).unwrap();
    let mut changes_when_quiet = |library: &Library| {
        let mut changes = Vec::new();
        for later in [40, 100, 100] {
            now = now + Duration::from_millis(later);
            changes.extend(library.refresh(now).iter().map(ToString::to_string));
        }
        let shown = changes.join("; ").replace(&*folder.path("scripts").to_string_lossy(), "");
        let words = shown.split(' ').map(|word| {
            let hash = word.trim_end_matches(':');
            if hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                word.replace(hash, "V")
            } else {
                word.to_owned()
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let says = |library: &Library| play(&library.get("game").unwrap().script, "en").sent();
    assert_eq!(changes_when_quiet(&library), "");
    assert_eq!(says(&library), "");
    // It appears, is changed, broken, fixed and removed.
    folder.file("scripts/game.phrases", "x: beep");
    assert_eq!(changes_when_quiet(&library), "game.rhai is live, version V after V");
    assert_eq!(says(&library), "beep");
    agi_rhai::clock::sleep(Duration::from_millis(11));
    folder.file("scripts/game.phrases", "x: tt-monkeys");
    assert_eq!(changes_when_quiet(&library), "game.rhai is live, version V after V");
    assert_eq!(says(&library), "tt-monkeys");
    agi_rhai::clock::sleep(Duration::from_millis(11));
    folder.file("scripts/game.phrases", "x beep");
    assert_eq!(
        changes_when_quiet(&library),
        "game.rhai is broken, version V stays live: /game.phrases:1:1: there is no `:` after the name; \
         a line is `name: sounds`, such as `messages one: vm-youhave {n} vm-message`"
    );
    assert_eq!(says(&library), "tt-monkeys");
    agi_rhai::clock::sleep(Duration::from_millis(11));
    folder.file("scripts/game.phrases", "x: tt-monkeys");
    assert_eq!(changes_when_quiet(&library), "game.rhai is fixed, version V stays live");
    std::fs::remove_file(folder.path("scripts/game.phrases")).unwrap();
    assert_eq!(changes_when_quiet(&library), "game.rhai is live, version V after V");
    assert_eq!(says(&library), "");
}

#[test]
fn a_table_outside_the_folder_is_not_read() {
    let folder = Folder::new();
    folder.file("outside.phrases", "x: beep");
    folder.file("scripts/game.rhai", r#"say(#{ phrase: "x" })"#);
    symlink(folder.path("outside.phrases"), folder.path("scripts/game.phrases")).unwrap();
    let (library, _) = Library::open(&folder.path("scripts"), &Language::new(), Time::from_unix(1_000)).unwrap();
    let fault = play(&library.get("game").unwrap().script, "en").outcome.fault.unwrap().to_string();
    assert!(fault.contains("there is no table of phrases (NAME.phrases) beside the script"), "{fault}");
}

#[test]
fn phrases_work_on_the_server() {
    let folder = Folder::new();
    folder.file("scripts/game.rhai", r#"say(#{ phrase: "messages", n: 2 })"#);
    folder.file("scripts/game.phrases", TABLE);
    let server = Server::start(&folder, &[]);
    let mut peer = server.call("game");
    peer.answer("STREAM FILE \"vm-youhave\" \"\"", "200 result=0 endpos=1");
    peer.answer("SAY NUMBER 2 \"\"", "200 result=0");
    peer.answer("STREAM FILE \"vm-messages\" \"\"", "200 result=0 endpos=1");
    assert_eq!(peer.play().status(), "SUCCESS");
}

#[test]
fn the_checker_checks_the_table() {
    let folder = Folder::new();
    folder.file(
        "game.rhai",
        "answer();\nsay([\"hello\", #{ phrase: \"mesages\", n: 1 }, #{ phrase: \"hours\", n: 2 }]);\n",
    );
    folder.file("game.prompts", "hello: Hello.\nmine: Mine.\nunheard: Nobody says this.\n");
    folder.file("game.phrases", "[pl]\nmessages one: {n} mine\nmessages few: vm-messages mien\n");
    let output = agi_rhai(["check", "game.rhai"]).current_dir(folder.path("")).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        r#"warning[unknown-phrase]: no phrase "mesages" in game.phrases
 --> game.rhai:2:26
  |
2 | say(["hello", #{ phrase: "mesages", n: 1 }, #{ phrase: "hours", n: 2 }]);
  |                          ^^^^^^^^^
  |
  = help: did you mean "messages"?

error[bad-phrases]: the phrase `messages` has nothing for `many` (0, 5, 6, ...) in [pl]
 --> game.phrases:2:1
  |
2 | messages one: {n} mine
  | ^^^^^^^^
  |
  = help: `messages other: ...` is for all numbers without a line of their own

warning[missing-words]: no words for "mien" in game.prompts
 --> game.phrases:3:27
  |
3 | messages few: vm-messages mien
  |                           ^^^^
  |
  = help: did you mean "mine"?

warning[unused-prompt]: "unheard" is never played
 --> game.prompts:3:1
  |
3 | unheard: Nobody says this.
  | ^^^^^^^

1 script checked: 1 error, 3 warnings
"#
    );
}

/// Makes a table of phrases that use each other, this deep and this wide.
fn nested_phrases(depth: usize, width: usize) -> String {
    let uses = |level: usize| format!("{{n money p{}}} ", level + 1).repeat(width);
    let lines = (0..depth).map(|level| {
        if level + 1 < depth { format!("p{level}: {}\n", uses(level)) } else { format!("p{level}: beep\n") }
    });
    lines.collect()
}

/// Runs the program in a folder with this table and script, within 512 MiB and 5 s. Returns its exit code and output.
#[track_caller]
fn run(words: &str, script: &str, table: &str) -> (Option<i32>, String) {
    let folder = Folder::new();
    folder.file("game.rhai", script);
    folder.file("game.phrases", table);
    let mut command = std::process::Command::new("sh");
    crate::support::process::clear_environment(&mut command);
    let line = format!(
        "ulimit -v 524288; printf 'agi_request: x\\n\\n200 result=1\\n' | {} {words} 2>&1",
        crate::support::process::program()
    );
    let began = std::time::Instant::now();
    let output = command.args(["-c", &line]).current_dir(folder.path("")).output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{words} of {script} takes {:?}", began.elapsed());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_table_whose_phrases_grow_too_large_is_refused_quickly() {
    for (depth, width, phrase) in [(8, 8, "p4"), (15, 15, "p11"), (64, 2, "p12"), (16, 1000, "p14"), (3, 32, "p0")] {
        let (table, script) = (nested_phrases(depth, width), "answer();\nsay(#{ phrase: \"p0\", n: 1 });");
        let line = phrase[1..].parse::<usize>().unwrap() + 1;
        let expected = format!("the phrase `{phrase}` has more than 1000 parts, those of the phrases it uses included");
        let folder = Folder::new();
        folder.file("game.rhai", script);
        folder.file("game.phrases", &table);
        let LoadError::Fault(fault) = load(&folder, "game.rhai").unwrap_err() else { panic!("no fault") };
        assert_eq!((&fault.message, fault.line), (&expected, line));
        for words in ["game.rhai", "check game.rhai", "phone --fast game.rhai", "test --storm game.rhai"] {
            let (code, said) = run(words, script, &table);
            assert_ne!(code, Some(0), "{words}: {said}");
            assert!(said.contains(&format!("game.phrases:{line}:1")) || said.contains("no answer"), "{words}: {said}");
            assert!(said.contains(&expected), "{words}: {said}");
        }
    }
}

#[test]
fn phrases_that_grow_too_large_in_a_call_are_refused() {
    let eight = "{x} ".repeat(8);
    // The script passes the phrases to each other.
    let given = (format!("p: {eight}\n"), "let x = \"beep\"; for i in 0..8 { x = #{ phrase: \"p\", x: x }; } say(x);");
    // Nothing is sent, however often.
    let silent = (format!("p: {eight}\n"), "let x = \"\"; for i in 0..12 { x = #{ phrase: \"p\", x: x }; } say(x);");
    let round = ("ordinal: {n ordinal} {n ordinal}\n".to_owned(), "say(#{ ordinal: 3 });");
    let many = |say: &str| format!("let x = []; for i in 0..1100 {{ x.push(\"beep\"); }} {say};");
    let (list, array) = (many("say(#{ list: x })"), many("say([x, \"beep\"])"));
    let (list, array) = ((String::new(), list.as_str()), (String::new(), array.as_str()));
    for ((table, script), expected) in [
        (given, "makes more than 1000 parts to say: the phrase `p` (./game.phrases, line 1) uses too many"),
        (silent, "makes more than 1000 parts to say: the phrase `p` (./game.phrases, line 1) uses too many"),
        (round, "has parts nested more than 16 deep: do phrases say each other?"),
        (list, "is a list that makes more than 1000 parts to say"),
        (array, "has more than 1000 parts"),
    ] {
        let (code, said) = run("game.rhai", script, &table);
        assert!(code == Some(1) && said.contains(expected), "{script}: {said}");
        assert!(said.contains("game.rhai:1:"), "{said}");
    }
    // Texts are counted too before they are copied.
    let long = "let x = \"x\"; while x.len() < 500000 { x += x; } ";
    for say in ["say(x)", "say(#{ phrase: \"p\", x: x })", "say(#{ spell: x })", "say(#{ digits: x })"] {
        let (code, said) = run("game.rhai", &format!("{long}{say}"), &format!("p: {}\n", "{x} ".repeat(900)));
        assert!(code == Some(1) && said.contains("is a text of 524288 bytes: a line to Asterisk holds 8190"), "{said}");
    }
    // Real sentences are far below the limit.
    let played = {
        let folder = Folder::new();
        folder.file("game.rhai", "say(#{ phrase: \"p0\", n: 1 })");
        folder.file("game.phrases", nested_phrases(3, 15));
        play(&load(&folder, "game.rhai").unwrap(), "en")
    };
    assert_eq!(played.sent().matches("beep").count(), 225);
}

#[test]
fn a_large_table_is_read_and_checked_quickly() {
    let many = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let tables = [
        (0..100_000).map(|n| format!("p{n}: sound-{n} {{n}} a-longer-sound-{n}\n")).collect(),
        many(&|n| format!("p {n}: sound-{n} {{v{n}}}\n")) + "p: beep\n",
        many(&|n| format!("p{n} one: a{n}\np{n} other: b{n}\n")),
        many(&|n| format!("p{n}: {{n money p{}}}\n", n + 1)),
        many(&|n| format!("[l{n}]\np: a\n")),
        many(&|n| format!("p{n} ones: a\n")),
        format!("p: {}\n", "sound ".repeat(100_000)),
        format!("p: {}\n", "x".repeat(1 << 20)),
        format!("{}\n", "x".repeat(1 << 20)),
    ];
    for table in &tables {
        let folder = Folder::new();
        folder.file("game.rhai", "say(#{ phrase: \"p\", n: 7 })");
        folder.file("game.phrases", table);
        let began = std::time::Instant::now();
        let loaded = load(&folder, "game.rhai");
        let start = &table[..40];
        assert!(began.elapsed() < Duration::from_secs(20), "{start} takes {:?} to load", began.elapsed());
        if let Err(LoadError::Fault(fault)) = &loaded {
            assert!(fault.render(false).len() < 10_000, "{start}: {}", fault.message);
        }
    }
    // Each needs a suggestion out of as many.
    let folder = Folder::new();
    folder.file("game.rhai", many(&|n| format!("// {n}\n")) + "answer(); say(#{ phrase: \"p7\", n: 7 })");
    folder.file("game.phrases", (0..1000).map(|n| format!("p{n}: sound-{n} {{n}}\n")).collect::<String>());
    folder.file("game.prompts", (0..1000).map(|n| format!("suond-{n}: It.\n")).collect::<String>());
    let began = std::time::Instant::now();
    let output = agi_rhai(["check", "game.rhai"]).current_dir(folder.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("2000 warnings"), "{}", &said[said.len() - 200..]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
