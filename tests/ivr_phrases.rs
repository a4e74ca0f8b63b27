//! Phrases: a table beside a script, in the caller's language, and edited while calls run.

use crate::support::process::{Folder, agi_rhai};
use crate::support::server::Server;
use agi_rhai::clock::Time;
use agi_rhai::pbx::{Call, Channel, Plan, Sounds};
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

/// Plays a script in a call of this language.
fn play(script: &Script, language: &str) -> Played {
    let call = Call { language: language.to_owned(), ..Call::default() };
    let channel = Channel::new(call, Box::new(Plan::parse("").unwrap())).with_sounds(Sounds::stock().into());
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let outcome = Host::new().run(Session::begin(Box::new(simulator)).unwrap(), script, vec![]);
    let lines = transcript.lock().unwrap().clone();
    Played { outcome, lines }
}

impl Played {
    /// The lines sent, in short.
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

/// What a script beside [`TABLE`] sends.
#[track_caller]
fn check(language: &str, script: &str, expected: &str) {
    let folder = Folder::new();
    folder.file("game.rhai", script);
    folder.file("game.phrases", TABLE);
    let played = play(&load(&folder, "game.rhai").unwrap(), language);
    assert_eq!(played.sent(), expected, "{:?}", played.outcome.fault);
}

#[test]
fn the_caller_s_language_chooses_the_words() {
    let script = r#"for n in [0, 1, 3] { say(#{ phrase: "messages", n: n }); }"#;
    let english = "vm-youhave, vm-no, vm-messages, vm-youhave, 1, vm-message, vm-youhave, 3, vm-messages";
    check("en", script, english);
    check("it", script, english);
    check("de_AT", script, "vm-youhave, 0, vm-messages, vm-youhave, 1 f, vm-message, vm-youhave, 3, vm-messages");
    check("pl", script, "vm-youhave, 0, vm-messages, vm-youhave, 1 f, vm-message, vm-youhave, 3 f, vm-INBOX");
}

#[test]
fn the_language_is_followed_and_asked_for_only_after_an_application() {
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
    // One language has this phrase: nothing needs to be known.
    check("en", r#"exec("NoOp"); say(#{ phrase: "when", time: 5 })"#, "EXEC NoOp, SAY DATETIME 5 A dB");
}

#[test]
fn a_zone_alone_has_the_format_of_the_language() {
    check(
        "en",
        r#"set_variable("CHANNEL(language)", "de"); say(#{ date: 5, zone: "UTC" })"#,
        "SET VARIABLE CHANNEL(language) de, SAY DATETIME 5 A dBY HMS UTC",
    );
}

#[test]
fn parts_stand_in_parts() {
    check(
        "en",
        r#"say(["beep", #{ list: [1, #{ phrase: "messages", n: 2 }, #{ duration: 61 }] }, #{ money: 2, currency: "EUR" }])"#,
        "beep, 1, vm-youhave, 2, vm-messages, vm-and, 1, minute, vm-and, 1, second, 2, SAY ALPHA EUR",
    );
    // A question has them too.
    check(
        "en",
        r#"ask(#{ phrase: "messages", n: 0 }, #{ tries: 1, first: 1 })"#,
        "GET DATA vm-youhave 1 1, GET DATA vm-no 1 1, GET DATA vm-messages 1000 1",
    );
}

#[test]
fn what_is_wrong_can_be_caught_and_nothing_is_said() {
    check(
        "en",
        r#"try { say(["beep", #{ phrase: "mesages", n: 1 }]) } catch(e) { verbose(e.kind + " " + e.parameter); }
           try { say(#{ pharse: "messages" }) } catch(e) { verbose(e.message); }"#,
        "VERBOSE argument parts 1, VERBOSE say: `parts` has no kind `pharse`: did you mean `phrase`? 1",
    );
}

#[test]
fn phrases_that_say_each_other_come_to_an_end() {
    let folder = Folder::new();
    folder.file("game.rhai", "say(#{ ordinal: 3 })");
    folder.file("game.phrases", "ordinal: {n ordinal}");
    let played = play(&load(&folder, "game.rhai").unwrap(), "en");
    let fault = played.outcome.fault.unwrap().to_string();
    let expected = "say: `parts` has parts in parts more than 16 deep: phrases that say each other?";
    assert!(fault.ends_with(expected), "{fault}");
}

#[test]
fn an_imported_script_says_the_phrases_of_its_importer() {
    let folder = Folder::new();
    folder.file("game.rhai", r#"import "lib/tell" as tell; tell::tell(1)"#);
    folder.file("game.phrases", TABLE);
    folder.file("lib/tell.rhai", r#"fn tell(n) { say(#{ phrase: "messages", n: n }) }"#);
    folder.file("lib/tell.phrases", "messages: beep");
    assert_eq!(play(&load(&folder, "game.rhai").unwrap(), "en").sent(), "vm-youhave, 1, vm-message");
}

#[test]
fn a_link_to_a_script_finds_the_table_there() {
    let folder = Folder::new();
    folder.file("real/game.rhai", r#"say(#{ phrase: "messages", n: 0 })"#);
    folder.file("real/game.phrases", TABLE);
    symlink(folder.path("real/game.rhai"), folder.path("call.rhai")).unwrap();
    assert_eq!(play(&load(&folder, "call.rhai").unwrap(), "en").sent(), "vm-youhave, vm-no, vm-messages");
    // A table of the link's own goes first.
    folder.file("call.phrases", "messages: beep");
    assert_eq!(play(&load(&folder, "call.rhai").unwrap(), "en").sent(), "beep");
}

#[test]
fn a_flawed_table_is_shown_with_its_line_and_a_caret() {
    let folder = Folder::new();
    let script = folder.file("game.rhai", "answer();");
    let table = folder.path("game.phrases");
    folder.file("game.phrases", "; All of them.\n[pl]\nmessages one: vm-youhave {n vm-message\n");
    let output = agi_rhai(["phone", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).replace(&*table.to_string_lossy(), "game.phrases");
    assert_eq!(
        told,
        "\
error: this `{` has no `}`
 --> game.phrases:3:26
  |
3 | messages one: vm-youhave {n vm-message
  |                          ^
  |
  = help: a value is its name in braces, such as {n}
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
fn an_edited_table_is_live_like_an_edited_script() {
    let folder = Folder::new();
    folder.file("scripts/game.rhai", r#"say(#{ phrase: "x" })"#);
    folder.file("scripts/other.rhai", "answer()");
    let mut now = Time::from_unix(1_000);
    let (library, _) = Library::open(&folder.path("scripts"), &Language::new(), now).unwrap();
    let mut settle = |library: &Library| {
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
    assert_eq!(settle(&library), "");
    assert_eq!(says(&library), "");
    // It appears, is changed, broken, mended and gone.
    folder.file("scripts/game.phrases", "x: beep");
    assert_eq!(settle(&library), "game.rhai is live, version V after V");
    assert_eq!(says(&library), "beep");
    agi_rhai::clock::sleep(Duration::from_millis(11));
    folder.file("scripts/game.phrases", "x: tt-monkeys");
    assert_eq!(settle(&library), "game.rhai is live, version V after V");
    assert_eq!(says(&library), "tt-monkeys");
    agi_rhai::clock::sleep(Duration::from_millis(11));
    folder.file("scripts/game.phrases", "x beep");
    assert_eq!(
        settle(&library),
        "game.rhai is broken, version V goes on: /game.phrases:1:1: there is no `:` after the name; \
         a line is `name: sounds`, such as `messages one: vm-youhave {n} vm-message`"
    );
    assert_eq!(says(&library), "tt-monkeys");
    agi_rhai::clock::sleep(Duration::from_millis(11));
    folder.file("scripts/game.phrases", "x: tt-monkeys");
    assert_eq!(settle(&library), "game.rhai is mended, version V goes on");
    std::fs::remove_file(folder.path("scripts/game.phrases")).unwrap();
    assert_eq!(settle(&library), "game.rhai is live, version V after V");
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
    assert!(fault.contains("beside the script is no table of phrases"), "{fault}");
}

#[test]
fn the_server_says_phrases_too() {
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
fn the_checker_reads_the_table() {
    let folder = Folder::new();
    folder.file("game.rhai", "say([\"hello\", #{ phrase: \"mesages\", n: 1 }, #{ phrase: \"hours\", n: 2 }]);\n");
    folder.file("game.prompts", "hello: Hello.\nmine: Mine.\nunheard: Nobody says this.\n");
    folder.file("game.phrases", "[pl]\nmessages one: {n} mine\nmessages few: vm-messages mien\n");
    let output = agi_rhai(["check", "game.rhai"]).current_dir(folder.path("")).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        r#"warning[unknown-phrase]: no phrase "mesages" in game.phrases
 --> game.rhai:1:26
  |
1 | say(["hello", #{ phrase: "mesages", n: 1 }, #{ phrase: "hours", n: 2 }]);
  |                          ^^^^^^^^^
  |
  = help: did you mean "messages"?

error[bad-phrases]: the phrase `messages` has nothing for `many` (0, 5, 6, ...) in [pl]
 --> game.phrases:2:1
  |
2 | messages one: {n} mine
  | ^^^^^^^^
  |
  = help: `messages other: ...` is for all numbers that have no line of their own

warning[missing-words]: no words for "mien" in game.prompts
 --> game.phrases:3:27
  |
3 | messages few: vm-messages mien
  |                           ^^^^
  |
  = help: did you mean "mine"?

warning[unused-prompt]: nobody plays "unheard"
 --> game.prompts:3:1
  |
3 | unheard: Nobody says this.
  | ^^^^^^^

1 script checked: 1 error, 3 warnings
"#
    );
}
