//! What is told of a test that failed: what was expected, what was heard instead, and where both scripts stand.

use super::line::{Deed, State};
use super::scripts::Prepared;
use super::suite::Suite;
use super::test::{Failed, OnLine};
use crate::agi::printable;
use crate::clock::Time;
use crate::pbx::Act;
use crate::script::{Fault, Script};
use std::fmt::Write;
use std::time::Duration;

/// So many of the last things that happened are told.
const LAST: usize = 14;

/// Why a test failed.
#[derive(Debug)]
pub struct Failure {
    /// What was expected and what came, or what is wrong with the test; in one line.
    pub message: String,
    /// The test itself is wrong: not what it expected, but how it is written.
    pub is_fault: bool,
    /// Where in the test.
    place: Fault,
    /// The script's own fault, if it has one.
    fault: Option<Box<Fault>>,
    scene: Option<Scene>,
    printed: Vec<String>,
}

/// A call as it was when its test failed.
#[derive(Debug)]
pub(super) struct Scene {
    title: String,
    events: Vec<(usize, String)>,
    /// Where its script stands, and a word on that.
    stands: Option<Fault>,
    fault: Option<Box<Fault>>,
}

impl Scene {
    pub fn of(call: &OnLine, number: usize) -> Self {
        let state = call.line().state();
        let which = if number > 1 { format!(", call {number} of this test") } else { String::new() };
        let title = format!("the call of {}{which}, seed {}", call.what.script.name(), call.seed);
        let fault = state.ended.as_ref().and_then(|ended| ended.fault.clone());
        Self { title, events: events(&state, &call.what), stands: stands(&state, &call.what.script), fault }
    }
}

/// What happened, in order.
fn events(state: &State, what: &Prepared) -> Vec<(usize, String)> {
    let at = |time: Time| format!("{:>9}", clock(time - state.began));
    let mut events: Vec<(usize, String)> = Vec::new();
    for prompt in &state.heard {
        let words = what.sounds.words(&prompt.text).map_or_else(String::new, |words| format!("  \"{words}\""));
        events.push((prompt.order, format!("{}  heard    {}{words}", at(prompt.at), prompt.text)));
    }
    for deed in &state.deeds {
        events.push((deed.order, format!("{}  {}", at(deed.at), did(deed))));
    }
    for line in &state.log {
        events.push((line.order, format!("{}  log      {}", at(line.at), line.text)));
    }
    events.sort_by_key(|(order, _)| *order);
    let mut last = format!("{}  ", at(if state.ended.is_some() { state.ended_at } else { state.now }));
    match &state.ended {
        Some(ended) if state.runs_away || ended.status == "LOST" => last.push_str("the script was stopped"),
        Some(ended) => {
            let _ = write!(last, "ended    {}", ended.status);
        }
        None if state.asks => last.push_str("the script listens for keys"),
        None if state.waits_for_ever => last.push_str("the script waits"),
        None => last.push_str("the call is on"),
    }
    events.push((usize::MAX, last));
    events
}

fn did(deed: &Deed) -> String {
    let mut text = match &deed.act {
        Act::Key(key) => format!("pressed  {key}"),
        Act::HangUp => "hung up".to_owned(),
        Act::Says(text) => format!("sent     {text:?}"),
    };
    if let Some(why) = &deed.lost {
        let _ = write!(text, "  lost: {why}");
    }
    text
}

/// `2.4 s`, `2:03.4`
fn clock(length: Duration) -> String {
    match length.as_secs() {
        0..60 => format!("{:.1} s", length.as_secs_f64()),
        seconds => format!("{}:{:02}.{}", seconds / 60, seconds % 60, length.subsec_millis() / 100),
    }
}

/// Where the script stands: its last command.
fn stands(state: &State, script: &Script) -> Option<Fault> {
    let standing = &state.standing;
    if standing.line == 0 {
        return None;
    }
    let source = script.sources.iter().find(|source| source.name == standing.script)?;
    let text = source.text.lines().nth(standing.line - 1)?.to_owned();
    // `say` and `ask` send commands of other names.
    let at = text.find(standing.function).or_else(|| text.find(|c: char| !c.is_whitespace())).unwrap_or(0);
    let column = text[..at].chars().count() + 1;
    let message = match (&state.ended, standing.open) {
        (Some(_), _) => format!("its last command was `{}`", standing.function),
        (None, true) => format!("the script stands in `{}`", standing.function),
        (None, false) => format!("the script sleeps; its last command was `{}`", standing.function),
    };
    Some(Fault { line: standing.line, column, source: text, ..Fault::new(&standing.script, message) })
}

impl Failure {
    pub(super) fn new(
        suite: &Suite,
        test: &str,
        fault: Option<Box<Fault>>,
        failed: Option<Failed>,
        scene: Option<Scene>,
        printed: Vec<String>,
    ) -> Self {
        let is_fault = failed.is_none();
        let failed = failed.unwrap_or_default();
        // What went wrong after the end of the test stands at its name.
        let mut place = fault.map_or_else(|| at_name(suite, test), |fault| *fault);
        // Rhai tells no place of an empty loop.
        if place.line == 0 {
            let Fault { line, column, source, .. } = at_name(suite, test);
            (place.line, place.column, place.source) = (line, column, source);
        }
        // Who called the test is no news.
        place.calls.retain(|(_, _, line)| *line > 0);
        if !is_fault {
            let (script, line, column) = &failed.at;
            // A `try` around it has lost the place.
            if *line > 0 && place.line != *line {
                place = Fault { line: *line, column: *column, ..Fault::new(script, String::new()) };
                let source = suite.script.sources.iter().find(|source| source.name == *script);
                let shown = source.and_then(|source| source.text.lines().nth(line - 1));
                place.source = shown.unwrap_or_default().to_owned();
            }
            place.message.clone_from(&failed.message);
            place.hint = failed.hint;
        }
        Self { message: place.message.clone(), is_fault, place, fault: failed.fault, scene, printed }
    }

    /// Where in the test it failed: path and line.
    pub fn place(&self) -> (&str, usize) {
        (&self.place.script, self.place.line)
    }

    /// All there is to tell, over several lines.
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
        let Some(scene) = &self.scene else { return text };
        if self.fault.is_some() {
            return text;
        }
        let _ = write!(text, "\n\n{}:", printable(&scene.title));
        let skipped = scene.events.len().saturating_sub(LAST);
        if skipped > 0 {
            let _ = write!(text, "\n      ...  and {skipped} things before");
        }
        for (_, event) in &scene.events[skipped..] {
            let _ = write!(text, "\n{}", printable(event));
        }
        match (&scene.fault, &scene.stands) {
            (Some(fault), _) => {
                let _ = write!(text, "\n\n{}", fault.render(colour));
            }
            (None, Some(stands)) => {
                let _ = write!(text, "\n\n{}", stands.render_note(colour));
            }
            (None, None) => {}
        }
        text
    }
}

/// The place of a test's name in its file.
fn at_name(suite: &Suite, test: &str) -> Fault {
    let mut fault = Fault::new(suite.script.name(), String::new());
    let name = format!("test_{test}");
    let source = suite.script.sources.first();
    for (number, line) in (1..).zip(source.iter().flat_map(|source| source.text.lines())) {
        if let Some(at) = line.find(&name).filter(|_| line.trim_start().starts_with("fn ")) {
            (fault.line, fault.column) = (number, line[..at].chars().count() + 1);
            line.clone_into(&mut fault.source);
            break;
        }
    }
    fault
}
