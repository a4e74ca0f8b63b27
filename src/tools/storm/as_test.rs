//! Writes a call as a test.

use super::step::Step;
use super::trouble::Trouble;
use crate::agi::printable;
use crate::pbx::Utterance;
use crate::script::{Fault, literal};
use crate::tools::testing::{CallSetup, answer_lines, service_name};
use crate::transport::{Answer, Request};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// The time between keys that `press` takes if the test names none.
const BETWEEN_KEYS: Duration = Duration::from_millis(100);

/// Writes a call as a test, which fails because of the fault: one of the call, or of a job that it leaves.
pub(super) fn as_test(
    script: &str,
    setup: &CallSetup,
    services: &[String],
    steps: &[Step],
    fault: &Fault,
    is_in_job: bool,
) -> String {
    let mut text = String::new();
    let message = printable(&fault.message);
    let place = if fault.line > 0 { format!(", line {}", fault.line) } else { String::new() };
    let file = Path::new(&fault.script).file_name().unwrap_or_default().to_string_lossy();
    let _ = writeln!(text, "// {}{place}: {message}", printable(&file));
    let line = if fault.line > 0 { format!("line_{}_", fault.line) } else { String::new() };
    let _ = writeln!(text, "fn test_storm_{line}{}() {{", slug(fault.message.split(':').next().unwrap_or_default()));
    let options = setup.written().map_or_else(String::new, |options| format!(", {options}"));
    for line in services {
        let _ = writeln!(text, "    {}", printable(line));
    }
    let _ = writeln!(text, "    place_call({}{});", literal(&name_for_tests(script)), options);
    let mut steps = steps.iter().peekable();
    let mut hung_up = false;
    while let Some(step) = steps.next() {
        let line = match step {
            Step::WaitFor(name) => format!("wait_for({})", literal(name)),
            Step::Question => "wait_for_question()".to_owned(),
            Step::Wait(length) => format!("wait({})", seconds(*length)),
            Step::HangUp => {
                hung_up = true;
                "hang_up()".to_owned()
            }
            Step::Says(said) => format!("send_text({})", literal(said)),
            Step::Speaks(said) => format!("speak({})", spoken(said)),
            Step::Press(digit) => {
                let (keys, between) = burst(digit.letter(), &mut steps);
                let between = if between == BETWEEN_KEYS { String::new() } else { format!(", {}", seconds(between)) };
                format!("press({}{between})", literal(&keys))
            }
        };
        let _ = writeln!(text, "    {line};");
    }
    if setup.has("gone_at") {
        text.push_str("    expect_end(\"HANGUP\");\n");
    } else if !hung_up {
        text.push_str("    expect_end();\n");
    }
    if is_in_job {
        text.push_str("    run_jobs();\n");
    }
    text.push_str("}\n");
    text
}

/// Returns the lines that make services answer as they did in a call.
pub(super) fn service_lines(troubles: &BTreeMap<String, Trouble>, asked: &[(Request, Answer)]) -> Vec<String> {
    let trouble = |request: &Request| troubles.get(service_name(request)).copied();
    let is_used = |name: &str| asked.iter().any(|(request, _)| service_name(request) == name);
    let mut lines = Vec::new();
    for (name, trouble) in troubles.iter().filter(|(name, _)| is_used(name)) {
        match trouble.slow() {
            Some(length) => lines.push(format!("service_is_slow({}, {});", literal(name), seconds(length))),
            None if *trouble == Trouble::Down => lines.push(format!("service_is_down({});", literal(name))),
            None => {}
        }
    }
    // A service that is down or slow in the test needs nothing else for that.
    let is_left_out = |trouble: Trouble, answer: &Answer| {
        trouble.is_without_answer() || (trouble.slow().is_some() && answer.is_err())
    };
    let answered = asked.iter().filter(|(request, answer)| !trouble(request).is_some_and(|it| is_left_out(it, answer)));
    lines.extend(answer_lines(
        &answered.map(|(asked, answer)| (asked.clone(), Some(answer.clone()))).collect::<Vec<_>>(),
    ));
    lines
}

/// Returns the keys that are pressed in one go, beginning with this one, and the time between them.
fn burst<'a>(first: char, steps: &mut (impl Iterator<Item = &'a Step> + Clone)) -> (String, Duration) {
    let mut keys = String::from(first);
    let mut between = None;
    loop {
        let mut ahead = steps.clone();
        let (Some(Step::Wait(length)), Some(Step::Press(digit))) = (ahead.next(), ahead.next()) else { break };
        if *between.get_or_insert(*length) != *length {
            break;
        }
        keys.push(digit.letter());
        *steps = ahead;
    }
    (keys, between.unwrap_or(BETWEEN_KEYS))
}

/// Returns the arguments of `speak`.
fn spoken(said: &Utterance) -> String {
    let mut options = Vec::new();
    if said.heard != said.text {
        options.push(format!("heard: {}", literal(&said.heard)));
    }
    if said.confidence < 100 {
        options.push(format!("confidence: {:?}", f64::from(said.confidence) / 100.0));
    }
    let options = if options.is_empty() { String::new() } else { format!(", #{{ {} }}", options.join(", ")) };
    format!("{}{options}", literal(&said.text))
}

/// Returns a duration as a script writes it.
fn seconds(length: Duration) -> String {
    length.as_secs_f64().to_string()
}

/// Returns a message as part of the name of a function.
fn slug(message: &str) -> String {
    let mut slug = String::new();
    for word in message.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if slug.len() + word.len() > 40 {
            break;
        }
        if !slug.is_empty() {
            slug.push('_');
        }
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug
}

/// Returns the name by which a test beside the script calls it.
fn name_for_tests(script: &str) -> String {
    Path::new(script).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
