//! Prompts in several languages: the phone, tests, the checker and the simulator agree on what a caller hears.

use crate::support::process::{Folder, Process, agi_rhai};
use agi_rhai::pbx::{Channel, IncomingCall, Plan, Sounds};
use agi_rhai::script::Language;
use agi_rhai::tools::check::Checker;
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session};
use std::path::Path;

const COIN: &str = r#"
answer();
say("coin-ask");
set_variable("CHANNEL(language)", "de_AT");
say(["coin-ask", 2]);
exec("Set", "CHANNEL(language)=fr");
say("coin-ask");
exec("Set", "CHANNEL(language)=en");
say("coin-bye");
"#;

const PROMPTS: &str = "; The words.\ncoin-ask: Heads or tails?\ncoin-bye: Bye.\n[de]\ncoin-ask: Kopf oder Zahl?\n";

fn coin() -> Folder {
    let folder = Folder::new();
    folder.file("coin.rhai", COIN);
    folder.file("coin.prompts", PROMPTS);
    folder
}

#[test]
fn the_phone_shows_the_words_of_the_language_that_the_channel_has_now() {
    let folder = coin();
    let mut process = Process::start(&mut agi_rhai([
        "phone",
        "--fast",
        "--language",
        "de",
        &folder.path("coin.rhai").to_string_lossy(),
    ]));
    process.close();
    let ended = process.end();
    ended.code(0);
    let heard = ended.lines.iter().filter_map(|line| {
        let (_, what) = line.trim_start().split_once("  ")?;
        (what.starts_with("plays") || what.starts_with("says")).then_some(what)
    });
    assert_eq!(
        heard.collect::<Vec<_>>(),
        [
            "plays coin-ask [de]: \"Kopf oder Zahl?\"",
            "plays coin-ask [de]: \"Kopf oder Zahl?\"",
            "says number 2 [de_AT]",
            "plays coin-ask: \"Heads or tails?\"",
            "plays coin-bye: \"Bye.\"",
        ]
    );
}

#[test]
fn a_failed_test_shows_the_language_of_what_was_heard() {
    let folder = coin();
    folder.file("coin.test.rhai", "fn test_a() { place_call(\"coin\"); expect_end(); expect(false); }");
    let output = agi_rhai(["test"]).current_dir(folder.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let heard: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once("heard    ")?.1)).collect();
    assert_eq!(
        heard,
        [
            "coin-ask  \"Heads or tails?\"",
            "coin-ask [de]  \"Kopf oder Zahl?\"",
            "number 2 [de_AT]",
            "coin-ask  \"Heads or tails?\"",
            "coin-bye  \"Bye.\"",
        ],
        "{said}"
    );
}

/// The simulator looks files up in the language that the channel has at that moment, as the live test
/// `live_sounds_are_found_in_the_language_of_the_moment` has it from a real Asterisk.
#[test]
fn sound_files_are_found_in_the_language_that_the_channel_has_now() {
    let sounds = Sounds::none().with("ask", 80).with("de/ask", 800).with("de/nur", 8).with("en/only", 16);
    let script = r#"
        say("ask");
        say("nur");
        set_variable("CHANNEL(language)", "de_AT");
        say(["ask", "nur", "only"]);
        exec("Set", "CHANNEL(language)=fr");
        say(["ask", "nur", "only"]);
    "#;
    let channel =
        Channel::new(IncomingCall::default(), Box::new("".parse::<Plan>().unwrap())).with_sounds(sounds.into());
    let simulator = Simulator::new(channel);
    let transcript = simulator.transcript();
    let host = Host::new();
    host.run(Session::begin(Box::new(simulator)).unwrap(), &host.compile("a.rhai", script).unwrap(), vec![]);
    let lines = transcript.lock().unwrap();
    let replies = lines.windows(2).filter(|pair| pair[0].starts_with("C: STREAM FILE")).map(|pair| &pair[1][3..]);
    let all = replies
        .collect::<Vec<_>>()
        .join(", ")
        .replace("200 result=0 endpos=", "")
        .replace("200 result=-1 endpos=0", "missing");
    assert_eq!(all, "80, missing, 800, 8, 16, 80, missing, 16");
}

#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let folder = Folder::new();
    for (name, text) in files {
        folder.file(name, text);
    }
    let checker = Checker::new(&Language::new());
    let script = std::fs::read_to_string(folder.path("game.rhai")).unwrap();
    let found = checker.check_table(&folder.path("game.rhai"), &script).into_iter().map(|finding| {
        let table = Path::new(&finding.script).extension().unwrap().to_string_lossy().into_owned();
        format!("{table}:{} {}: {} ({})", finding.line, finding.rule, finding.message, finding.hint.unwrap_or_default())
    });
    assert_eq!(found.collect::<Vec<_>>(), expected, "{files:?}");
}

#[test]
fn a_prompt_that_one_language_lacks_is_found() {
    let script = ("game.rhai", "say(\"ask\"); say(\"bye\"); say(\"tone\");");
    let check = |table: &str, expected: &[&str]| check(&[script, ("game.prompts", table)], expected);
    check("ask: Ask.\nbye: Bye.\ntone: [tone]\n", &[]);
    check(
        "ask: Ask.\nbye: Bye.\ntone: [tone]\n[de]\nask: Frag.\n[de_AT]\nbye: Servus.\n[fr]\nask: Demande.\nbye: Au revoir.\n",
        &[
            "prompts:2 missing-translation: no words for \"bye\" in [de] (add a line `bye: what it says` below [de])",
            "prompts:3 missing-translation: no words for \"tone\" in [de], [fr] (add a line `tone: what it says` below [de])",
        ],
    );
    // With English words of their own, those without a language are for everybody.
    check(
        "tone: [tone]\n[en]\nask: Ask.\nbye: Bye.\n[de]\nask: Frag.\n",
        &["prompts:4 missing-translation: no words for \"bye\" in [de] (add a line `bye: what it says` below [de])"],
    );
    check(
        "ask: Ask.\nbye: Bye.\n; The same for everybody. agi-rhai: allow(missing-translation)\ntone: [tone]\n[de]\nask: Frag.\nbye: \
         Ade.\n",
        &[],
    );
    check(
        "ask: Ask.\nbye: Bye.\ntone: [tone]\n[de]\nask: Frag.\nbye: Ade.\ntone: [Ton]\nbuy: Kauf.\n[de\n",
        &[
            "prompts:8 unused-prompt: \"buy\" is never played ()",
            "prompts:9 bad-prompts: the heading does not end with `]` (a heading is a language in brackets, such as [de] or \
             [pt_BR])",
        ],
    );
}

#[test]
fn a_phrase_that_one_language_lacks_is_found() {
    let script = ("game.rhai", "say([#{ phrase: \"score\", n: 1 }, #{ phrase: \"left\", n: 1 }, #{ duration: 3 }]);");
    let check = |table: &str, expected: &[&str]| check(&[script, ("game.phrases", table)], expected);
    check("score: {n}\nleft: {n} vm-messages\n[de]\nscore: {n}\nleft: vm-messages {n}\nhours: {n} hours\n", &[]);
    check(
        "score: {n}\nleft: {n} vm-messages\n[de]\nscore: {n}\n",
        &["phrases:2 missing-translation: no phrase `left` in [de] (add a line `left: ...` below [de])"],
    );
}
