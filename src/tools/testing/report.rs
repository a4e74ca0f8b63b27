//! The report on a failed test: what was expected, what was heard instead, and where the test and its script were.

use super::expectation::FailedExpectation;
use super::line_state::{Action, LineState};
use super::prompt::Prompt;
use super::scripts::Prepared;
use super::test_call::TestCall;
use crate::agi::printable;
use crate::clock::Time;
use crate::pbx::{Act, Utterance};
use crate::script::{Fault, Script};
use std::fmt::Write;
use std::time::Duration;

/// The maximum number of events that are shown: the last ones.
const MAX_EVENTS: usize = 14;

/// Why a test failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The expectation and what happened instead, or the mistake in the test; on one line.
    pub message: String,
    /// Whether the test itself is wrong: it has a fault, rather than an expectation that was not met.
    pub is_fault: bool,
    /// The place in the test.
    place: Fault,
    /// The script's own fault, if it has one.
    fault: Option<Box<Fault>>,
    snapshot: Option<CallSnapshot>,
    printed: Vec<String>,
}

/// A call, as it was when its test failed.
#[derive(Debug)]
pub(super) struct CallSnapshot {
    title: String,
    events: Vec<(usize, String)>,
    /// The line that its script was in, with a message about it.
    position: Option<Fault>,
    fault: Option<Box<Fault>>,
}

impl CallSnapshot {
    pub fn of(call: &TestCall, number: usize) -> Self {
        let state = call.line().state();
        let which = if number > 1 { format!(", call {number} of this test") } else { String::new() };
        let title = format!("the call of {}{which}, seed {}", call.prepared.script.name(), call.seed);
        let fault = state.ended.as_ref().and_then(|ended| ended.fault.clone());
        Self { title, events: events(&state, &call.prepared), position: position(&state, &call.prepared.script), fault }
    }
}

/// Returns what happened, in order.
fn events(state: &LineState, prepared: &Prepared) -> Vec<(usize, String)> {
    let at = |time: Time| format!("{:>9}", clock(time - state.began));
    let mut events: Vec<(usize, String)> = Vec::new();
    for prompt in &state.heard {
        let Prompt { text, language, .. } = prompt;
        let words = prepared.sounds.words(text, language);
        let shown = words.and_then(|words| words.language).or_else(|| prompt.spoken_language());
        let shown = shown.map_or_else(String::new, |language| format!(" [{language}]"));
        let words = words.map_or_else(String::new, |words| format!("  \"{}\"", words.text));
        events
            .push((prompt.order, format!("{}  heard    {text}{shown}{}{words}", at(prompt.at), prompt.manner(false))));
    }
    for action in &state.actions {
        events.push((action.order, format!("{}  {}", at(action.at), describe(action))));
    }
    for line in &state.requests {
        events.push((line.order, format!("{}  asked    {}", at(line.at), line.text)));
    }
    for line in &state.log {
        events.push((line.order, format!("{}  log      {}", at(line.at), line.text)));
    }
    events.sort_by_key(|(order, _)| *order);
    let mut last = format!("{}  ", at(if state.ended.is_some() { state.ended_at } else { state.now }));
    match &state.ended {
        Some(ended) if state.is_runaway || ended.status == "LOST" => last.push_str("the script was stopped"),
        Some(ended) => {
            let _ = write!(last, "ended    {}", ended.status);
        }
        None if state.is_listening => {
            last.push_str(if state.hears_speech { "the script listens" } else { "the script listens for keys" });
        }
        None if state.waits_forever => last.push_str("the script waits"),
        None => last.push_str("the call goes on"),
    }
    events.push((usize::MAX, last));
    events
}

fn describe(action: &Action) -> String {
    let mut text = match &action.act {
        Act::Key(key) => format!("pressed  {key}"),
        Act::HangUp => "hung up".to_owned(),
        Act::Says(text) => format!("sent     {text:?}"),
        Act::Speaks(utterance) => format!("spoke    {}", spoken(utterance)),
        Act::Wakeup => "woken".to_owned(),
    };
    if let Some(why) = &action.lost {
        let _ = write!(text, "  lost: {why}");
    }
    text
}

/// Returns what was said, and what an engine made of it.
fn spoken(utterance: &Utterance) -> String {
    let Utterance { text, heard, confidence, .. } = utterance;
    let heard = if heard == text { String::new() } else { format!("  heard as {heard:?}") };
    let unsure = if *confidence == 100 { String::new() } else { format!("  ({confidence} % sure)") };
    format!("{text:?}{heard}{unsure}")
}

/// Formats a time in a call: `2.4 s`, `2:03.4`.
fn clock(length: Duration) -> String {
    match length.as_secs() {
        0..60 => format!("{:.1} s", length.as_secs_f64()),
        seconds => format!("{}:{:02}.{}", seconds / 60, seconds % 60, length.subsec_millis() / 100),
    }
}

/// Returns the line of the script's last command.
fn position(state: &LineState, script: &Script) -> Option<Fault> {
    let command = &state.command;
    if command.line == 0 {
        return None;
    }
    let source = script.sources.iter().find(|source| source.name == command.script)?;
    let text = source.text.lines().nth(command.line - 1)?.to_owned();
    // `say` and `ask` send commands with other names.
    let at = text.find(command.function).or_else(|| text.find(|c: char| !c.is_whitespace())).unwrap_or(0);
    let column = text[..at].chars().count() + 1;
    let message = match (&state.ended, command.pending) {
        (Some(_), _) => format!("its last command was `{}`", command.function),
        // A question listens, too.
        (None, true) if command.function == "listen" => "the script listens".to_owned(),
        (None, true) => format!("the script is in `{}`", command.function),
        (None, false) => format!("the script is sleeping; its last command was `{}`", command.function),
    };
    Some(Fault { line: command.line, column, source: text, ..Fault::new(&command.script, message) })
}

impl Failure {
    pub(super) fn new(
        script: &Script,
        name: &str,
        fault: Option<Box<Fault>>,
        failed: Option<FailedExpectation>,
        snapshot: Option<CallSnapshot>,
        printed: Vec<String>,
    ) -> Self {
        let is_fault = failed.is_none();
        let failed = failed.unwrap_or_default();
        // What went wrong after the end of the test is shown at the test's name.
        let mut place = fault.map_or_else(|| at_name(script, name), |fault| *fault);
        // Rhai has no position for an empty loop.
        if place.line == 0 {
            let Fault { line, column, source, .. } = at_name(script, name);
            (place.line, place.column, place.source) = (line, column, source);
        }
        // Where the test was called from doesn't matter.
        place.calls.retain(|(_, _, line)| *line > 0);
        if !is_fault {
            let (file, line, column) = &failed.at;
            // A `try` around it loses the position.
            if *line > 0 && place.line != *line {
                place = Fault { line: *line, column: *column, ..Fault::new(file, String::new()) };
                let source = script.sources.iter().find(|source| source.name == *file);
                let shown = source.and_then(|source| source.text.lines().nth(line - 1));
                place.source = shown.unwrap_or_default().to_owned();
            }
            place.message.clone_from(&failed.message);
            place.hint = failed.hint;
        }
        Self { message: place.message.clone(), is_fault, place, fault: failed.fault, snapshot, printed }
    }

    /// Returns where in the test it failed: path and line.
    pub fn place(&self) -> (&str, usize) {
        (&self.place.script, self.place.line)
    }

    /// Returns what failed, with its place in the test.
    #[doc(hidden)]
    pub fn in_test(&self) -> &Fault {
        &self.place
    }

    /// Returns the fault of the script, if it has one.
    #[doc(hidden)]
    pub fn of_script(&self) -> Option<&Fault> {
        let snapshot = self.snapshot.as_ref();
        self.fault.as_deref().or_else(|| snapshot.and_then(|snapshot| snapshot.fault.as_deref()))
    }

    /// Returns where the script was.
    #[doc(hidden)]
    pub fn position(&self) -> Option<&Fault> {
        self.snapshot.as_ref().and_then(|snapshot| snapshot.position.as_ref())
    }

    /// Returns the lines that the test has printed.
    #[doc(hidden)]
    pub fn printed(&self) -> &[String] {
        &self.printed
    }

    /// Renders the whole report on several lines.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut text = self.place.render(colour);
        if let Some(fault) = &self.fault {
            let _ = write!(text, "\n{}", fault.render(colour));
        }
        if !self.printed.is_empty() {
            let printed: Vec<_> = self.printed.iter().map(|line| printable(line)).collect();
            let _ = write!(text, "\n\nthe test printed:\n  {}", printed.join("\n  "));
        }
        let Some(snapshot) = &self.snapshot else { return text };
        if self.fault.is_some() {
            return text;
        }
        let _ = write!(text, "\n\n{}:", printable(&snapshot.title));
        let skipped = snapshot.events.len().saturating_sub(MAX_EVENTS);
        if skipped > 0 {
            let _ = write!(text, "\n      ...  and {skipped} earlier events");
        }
        for (_, event) in &snapshot.events[skipped..] {
            let _ = write!(text, "\n{}", printable(event));
        }
        match (&snapshot.fault, &snapshot.position) {
            (Some(fault), _) => {
                let _ = write!(text, "\n\n{}", fault.render(colour));
            }
            (None, Some(position)) => {
                let _ = write!(text, "\n\n{}", position.render_note(colour));
            }
            (None, None) => {}
        }
        text
    }
}

/// Returns the place of a test's name in its file.
fn at_name(script: &Script, name: &str) -> Fault {
    let mut fault = Fault::new(script.name(), String::new());
    let name = format!("test_{name}");
    let source = script.sources.first();
    for (number, line) in (1..).zip(source.iter().flat_map(|source| source.text.lines())) {
        if let Some(at) = line.find(&name).filter(|_| line.trim_start().starts_with("fn ")) {
            (fault.line, fault.column) = (number, line[..at].chars().count() + 1);
            line.clone_into(&mut fault.source);
            break;
        }
    }
    fault
}
