//! Typical mistakes, of people who come from other languages or from the dialplan. Each is explained by the same words
//! wherever it is noticed: when the script is loaded, when it runs, and by the checker.

use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::{Language, Script};
use agi_rhai::tools::check::{Checker, Finding, Severity};
use agi_rhai::transport::Simulator;
use agi_rhai::{Fault, Host, Session};
use std::path::Path;

/// The mistakes, each with its explanation.
const TABLE: &str = include_str!("mistakes.txt");
const SEPARATOR: &str = "----\n";

/// Runs a script on a simulated channel, whose caller presses 1 now and then.
fn run(host: &Host, script: &Script) -> Option<Box<Fault>> {
    let plan: Plan = "presses 1 after 1s, presses 1 after 3s, hangs up after 60s".parse().unwrap();
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(plan)));
    host.run(Session::begin(Box::new(simulator)).unwrap(), script, vec![]).fault
}

fn shown(who: &str, place: (usize, usize), message: &str, hint: Option<&str>) -> String {
    let (line, column) = place;
    let help = hint.map(|hint| format!("        help: {hint}\n")).unwrap_or_default();
    format!("{who} {line}:{column}: {message}\n{help}")
}

/// Returns the explanations of a mistake: who notices it, and what they say.
fn explained(host: &Host, checker: &Checker, text: &str) -> String {
    let findings = checker.check(Path::new("game.rhai"), text);
    let same = |fault: &Fault| {
        findings.iter().find(|finding| {
            (&finding.message, &finding.hint) == (&fault.message, &fault.hint)
                && (finding.line, finding.column) == (fault.line, fault.column)
        })
    };
    let of_fault =
        |who: &str, fault: &Fault| shown(who, (fault.line, fault.column), &fault.message, fault.hint.as_deref());
    let of_finding = |finding: &Finding| {
        let who = if finding.severity == Severity::Error { "check" } else { "warns" };
        shown(who, (finding.line, finding.column), &finding.message, finding.hint.as_deref())
    };
    let script = match Script::compile("game.rhai", text, host.language()) {
        Ok(script) => script,
        Err(fault) => {
            assert!(same(&fault).is_some(), "the loader says {fault}\nthe checker says {findings:#?}\n{text}");
            return of_fault("load ", &fault);
        }
    };
    // The unused variables of these scripts aren't the point.
    let finding = findings.iter().find(|finding| {
        !["unused-variable", "unused-parameter", "unused-function", "no-answer"].contains(&finding.rule)
    });
    let Some(fault) = run(host, &script) else {
        return finding.map(of_finding).unwrap_or_else(|| "nobody notices\n".to_owned());
    };
    if same(&fault).is_some() {
        return of_fault("run  ", &fault);
    }
    // While it runs, a message may name values. The checker gives the same hint, for the same place.
    let finding = findings.iter().find(|finding| finding.severity == Severity::Error);
    let found = finding.map(of_finding).unwrap_or_default();
    if let Some(finding) = finding {
        // A host's function refuses an argument at the place of its call. The checker marks the argument, and may say
        // more.
        if ["bad-argument", "closure-parameters"].contains(&finding.rule) && finding.message == fault.message {
            return format!("{}{found}", of_fault("run  ", &fault));
        }
        let (checked, at_run) = ((finding.line, finding.column), (fault.line, fault.column));
        assert_eq!((checked, &finding.hint), (at_run, &fault.hint), "{finding}\n{fault}\n{text}");
    }
    format!("{}{found}", of_fault("run  ", &fault))
}

fn is_explanation(line: &str) -> bool {
    ["load ", "run  ", "check ", "warns ", "nobody ", "        help: "].iter().any(|start| line.starts_with(start))
}

#[test]
fn a_mistake_is_explained_alike_by_everyone() {
    let host = Host::new();
    let checker = Checker::new(&Language::new());
    let mut cases = TABLE.split(SEPARATOR);
    let mut found = cases.next().unwrap().to_owned();
    let mut number = 0;
    for case in cases {
        number += 1;
        let text: String = case.split_inclusive('\n').take_while(|line| !is_explanation(line)).collect();
        found += &format!("{SEPARATOR}{text}{}", explained(&host, &checker, text.trim_end_matches('\n')));
    }
    assert!(number > 60, "only {number} mistakes");
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes.txt"), found).unwrap();
        return;
    }
    for (found, expected) in found.split(SEPARATOR).zip(TABLE.split(SEPARATOR)) {
        assert_eq!(found, expected);
    }
}

/// What stands around a mistake, such as a text with a value at its end, changes nothing about its explanation.
#[test]
fn a_mistake_is_explained_alike_among_other_lines() {
    let host = Host::new();
    let checker = Checker::new(&Language::new());
    let before = "print(`${1} and ${2}`); print(`${3}\n${4}`); print(\"ü\");\n";
    let lines = before.matches('\n').count();
    let after = "print(`${5}`); print(`${6}`); print(`${7}`);".repeat(7);
    for case in TABLE.split(SEPARATOR).skip(1) {
        let text: String = case.split_inclusive('\n').take_while(|line| !is_explanation(line)).collect();
        let text = text.trim_end_matches('\n');
        let moved = |line: &str| {
            let (who, rest) = line.split_at_checked(6).unwrap_or((line, ""));
            let moved = rest
                .split_once(':')
                .and_then(|(number, rest)| Some(format!("{who}{}:{rest}", number.parse::<usize>().ok()? + lines)));
            moved.unwrap_or_else(|| line.to_owned()) + "\n"
        };
        let alone: String = explained(&host, &checker, text).lines().map(moved).collect();
        // Such a text goes on in the lines after it.
        if alone.contains("the closing backtick of a text is missing") {
            continue;
        }
        let among = explained(&host, &checker, &format!("{before}{text}\n{after}"));
        assert_eq!(without_lines(&among), without_lines(&alone), "{text}");
    }
}

/// Leaves out the numbers of lines that a message names.
fn without_lines(message: &str) -> String {
    let mut parts = message.split("line ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "line " + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}
