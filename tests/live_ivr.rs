//! Questions and menus on the real Asterisk: the callers and scripts of `ivr.rs` give the same results, and every line
//! of the dialogue is the same.

use crate::ivr::{CASES, channel, logged, play};
use crate::live_commands::{Case, case, differing};
use crate::support::asterisk::{Call, asterisk};
use crate::support::typing::type_ahead;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn live_questions_match_the_simulator() {
    // On the simulator, `ivr.rs` compares what the scripts log with the table. Here the dialogues are compared with
    // each other, which include what a script logs.
    let cases: Vec<Case> =
        CASES.iter().map(|asked| case(asked.name, asked.plan, format!("answer(); {}", asked.script).leak())).collect();
    let (problems, _) = differing(&cases);
    assert!(problems.is_empty(), "{} of {} cases differ:\n{}", problems.len(), cases.len(), problems.join("\n"));
}

#[test]
fn live_keys_typed_ahead_are_not_lost() {
    // benches/ivr.rs makes a thousand tries.
    let lost = type_ahead(4, 5, Duration::from_millis(80));
    assert!(lost.is_empty(), "typed and heard: {lost:#?}");
}

#[test]
fn live_menu_patterns_match_like_extensions() {
    let sets: &[&[&str]] = &[
        &["1", "12", "_1XX", "_12X", "_1X!"],
        &["_X.", "_XXX", "_[1-3]XX", "_[13]XX", "5", "_2ZN"],
        &["_N", "_Z", "_X", "_[2-47]", "_[24]"],
        &["_1X", "_X1", "_1.", "11"],
        &["_*X", "_*[1-5]", "*1", "_X!", "911", "_9XX"],
        &["_[1-5]", "_[1-6]", "_[2-5]X", "_[5-9]X", "_NX-X"],
    ];
    let keys = ["0", "1", "2", "4", "5", "9", "11", "12", "13", "21", "31", "45", "55", "99", "*1", "*3", "*9", "123"];
    let more = ["125", "222", "229", "333", "911", "912", "1234", "55555", "0000"];
    // How a menu with these choices reads the keys: the keys that decided, and the choice.
    let menu = |set: &[&str], keys: &str| {
        let choices: Vec<String> = set.iter().map(|choice| format!("{choice:?}: |keys| [keys, {choice:?}]")).collect();
        let script = format!(
            "let chosen = menu([], #{{ {} }}, #{{ tries: 1 }}); if chosen != () {{ verbose(chosen[0]); verbose(chosen[1]); }}",
            choices.join(", ")
        );
        let said = logged(&play(channel(&format!("presses {keys}# after 1s")), &script).lines);
        match said.as_slice() {
            [keys, choice] => (keys.clone(), Some(choice.clone())),
            _ => (keys.to_owned(), None),
        }
    };
    let mut expected = BTreeSet::new();
    for (number, set) in sets.iter().enumerate() {
        for choice in *set {
            let said =
                asterisk().cli(&format!("dialplan add extension {choice},1,NoOp({choice}) into choices-{number}"));
            assert!(said.contains("added into"), "{said}");
        }
        expected.extend(keys.iter().chain(&more).map(|keys| (number, menu(set, keys))));
    }
    asterisk().script("choices.rhai", "go_to(args[0], args[1])");
    let mut crowd = asterisk().crowd();
    let called: Vec<_> = expected
        .into_iter()
        .map(|(number, (keys, choice))| {
            let context = format!("choices-{number}");
            crowd.place(&Call::script("choices.rhai", &[&context, &keys]));
            crowd.listen(Duration::from_millis(30));
            (context, keys, choice)
        })
        .collect();
    for ((context, keys, choice), ending) in called.iter().zip(crowd.endings()) {
        let step = ending.steps.iter().find_map(|step| step.strip_prefix(&format!("{context},{keys},1 NoOp(")));
        let found = step.map(|step| step.trim_end_matches(')').to_owned());
        assert_eq!(
            found,
            *choice,
            "Asterisk finds another extension for {keys} in {:?}",
            sets[context[8..].parse::<usize>().unwrap()]
        );
    }
}

#[test]
fn live_dial_returns_to_the_script() {
    let text = r#"
        answer();
        verbose(dial("Local/answers@callees", 10));
        verbose(dial("Local/busy@callees", 2.5));
        verbose(dial("Local/rings@callees", 1));
        verbose(dial("Local/nobody@callees", 5, "m(default)"));
        verbose(dial("Local/rings@callees&Local/answers@callees", 10, "gm"));
        verbose(say("beep"));"#;
    asterisk().script("dial.rhai", text);
    let mut running = asterisk().call(Call::script("dial.rhai", &[]));
    let mut said = Vec::new();
    for _ in 0..6 {
        said.push(running.wait_for("VERBOSE"));
    }
    running.wait_end();
    let expected = ["ANSWER", "BUSY", "NOANSWER", "CHANUNAVAIL", "ANSWER", ""];
    assert_eq!(said, expected.map(|word| format!("VERBOSE \"{word}\" 1")));
    // The caller hangs up while it rings, and during the conversation.
    for target in ["rings", "stays"] {
        let text = format!("answer(); dial(\"Local/{target}@callees\", 20); verbose(\"not reached\");");
        asterisk().script(&format!("dial-{target}.rhai"), &text);
        let mut running = asterisk().call(Call::script(&format!("dial-{target}.rhai"), &[]));
        running.wait_for("EXEC");
        std::thread::sleep(Duration::from_millis(700));
        running.hangup();
        let ending = running.wait_end();
        assert_eq!(ending.status, "HANGUP", "{target}");
        assert!(!running.executed().iter().any(|executed| executed.command.starts_with("VERBOSE")), "{target}");
    }
}

/// What the checker warns of as a mistake in the syntax of the dialplan is one.
#[test]
fn live_names_in_the_syntax_of_the_dialplan_do_not_work() {
    let text = r#"
        answer();
        verbose(`1 ${get_variable("${EXTEN}") == ()}`);
        verbose(`2 ${get_full_variable("EXTEN")}`);
        verbose(`3 ${dial("200", 1)}`);
        verbose(`4 ${dial("Local/busy@callees&200", 1)}`);
        verbose(`5 ${channel_status()}`);"#;
    asterisk().script("syntax.rhai", text);
    let mut running = asterisk().call(Call::script("syntax.rhai", &[]));
    let said: Vec<String> = (0..5).map(|_| running.wait_for("VERBOSE")).collect();
    running.wait_end();
    let expected = ["1 true", "2 EXTEN", "3 INVALIDARGS", "4 INVALIDARGS", "5 up"];
    assert_eq!(said, expected.map(|text| format!("VERBOSE \"{text}\" 1")));
}
