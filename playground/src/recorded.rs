//! A recorded call, to be played again through the script of today.
//!
//! Prompts are a little longer or shorter here than on a real line, so that keys at the recorded moments would soon be
//! out of step. So each is pressed as long after the same command as it was then, as far as the script still sends that
//! command, and before that is over.

use crate::Refusal;
use crate::as_test::writer::{Act, Deed, caller};
use crate::play::{Played, Request, call};
use crate::scene::{Event, What, millis};
use crate::services::Services;
use agi_rhai::command::CHANNEL_STATUS;
use agi_rhai::internals::recording::{self, Tape};
use agi_rhai::internals::{printable, split};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many commands that the script doesn't send any more, or has not sent then, are passed over at most.
const MAX_PASSED: usize = 20;
/// How many warnings of the call as it is played now are told.
const MAX_WARNINGS: usize = 5;
/// How long before the end of a command a step happens at the latest, in milliseconds.
const SAFETY_MARGIN: u64 = 100;
/// The interval between keys that are pressed together, in milliseconds.
const KEY_INTERVAL: u64 = 100;
/// How long a call is played beyond what is looked for, in milliseconds.
const HORIZON: u64 = 120_000;
/// The latest moment of a call that is played.
const LONGEST: u64 = 3_600_000;

/// What is to be played again.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    /// The text of the recording.
    recording: String,
    /// The scripts of today, as for `play`.
    #[serde(default)]
    files: Map<String, Value>,
}

/// A recorded call as a call of today's script.
#[derive(Debug, Serialize)]
pub struct Playable {
    /// The path of the script then.
    recorded_script: String,
    /// The file that is this script now; null if there is none. Then nothing has been played, and the moments are those
    /// of the recording.
    script: Option<String>,
    /// Whether the script is another one now; null if that can't be known.
    changed: Option<bool>,
    /// The seed, as text: it may be larger than a number of JavaScript.
    seed: String,
    /// The options of `place_call`.
    call: Map<String, Value>,
    /// What services answered.
    services: Services,
    acts: Vec<Value>,
    /// When it began, in seconds since the Unix epoch.
    began: f64,
    /// How long it lasted, in milliseconds.
    length: u64,
    /// How it ended; null if the recording breaks off.
    status: Option<String>,
    /// Whether what the caller entered was replaced in the recording.
    redacted: bool,
    /// The first difference between the call then and now.
    difference: Option<Difference>,
    /// What isn't as it was, for the reader.
    notes: Vec<String>,
}

/// Where a call departs from what was recorded.
#[derive(Debug, Serialize)]
struct Difference {
    /// The moment, now and in the recording.
    at: u64,
    recorded_at: u64,
    /// What the script sent then.
    was: String,
    /// What it sends now; null if the call is over.
    now: Option<String>,
}

/// Something that went over the line, or to a service.
struct Step {
    at: u64,
    /// When it was over, if it was.
    ends: Option<u64>,
    /// What it is known by.
    label: String,
}

/// Returns a recorded call as a call of today's script.
pub fn recorded(request: Recorded) -> Result<Playable, Refusal> {
    let wrong = |lines: Vec<recording::BadLine>| lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let tape = Tape::read(request.recording.as_bytes()).map_err(wrong)?;
    let header = &tape.header;
    let script = find(&header.script, &request.files);
    let found = caller(&tape, Path::new(script.as_deref().unwrap_or(&header.script)));
    let mut options: Map<String, Value> =
        found.options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // It has a place of its own, where all of them fit.
    options.remove("seed");
    let (services, unanswered) = Services::again(&found.asked);
    let mut playable = Playable {
        recorded_script: header.script.clone(),
        changed: None,
        seed: header.seed.to_string(),
        call: options,
        services,
        acts: found.acts.iter().map(|act| written(act, millis(act.at))).collect(),
        began: header.started.as_secs_f64(),
        length: tape.lines.last().map_or(0, |line| millis(line.at)),
        status: tape.ended().map(|ended| ended.status.clone()),
        redacted: tape.is_redacted(),
        difference: None,
        notes: notes(&tape, found.lacking, &unanswered),
        script,
    };
    if playable.script.is_some() {
        align(&tape, &found.acts, request.files, &mut playable)?;
    }
    Ok(playable)
}

/// Returns the file that is the script at this path: the one with the most of its folders.
fn find(path: &str, files: &Map<String, Value>) -> Option<String> {
    let parts: Vec<_> = Path::new(path).components().collect();
    let tails = (0..parts.len()).map(|from| parts[from..].iter().collect::<PathBuf>().to_string_lossy().into_owned());
    tails.into_iter().find(|tail| files.contains_key(tail))
}

/// Returns an act at this moment, as `play` takes it.
fn written(act: &Act, at: u64) -> Value {
    match &act.deed {
        Deed::Keys(keys) => json!({ "at": at, "keys": keys }),
        // Somebody was heard, but nothing was understood.
        Deed::Says(text, _) if text.is_empty() => json!({ "at": at, "says": "um", "heard": "" }),
        Deed::Says(text, sure) => {
            let percent =
                sure.filter(|sure| *sure < 1.0).map(|sure| format!("{:.0}", (sure * 100.0).clamp(0.0, 100.0)));
            match percent.and_then(|percent| percent.parse::<u8>().ok()) {
                Some(percent) => json!({ "at": at, "says": text, "confidence": percent }),
                None => json!({ "at": at, "says": text }),
            }
        }
        Deed::HangsUp => json!({ "at": at, "hangs_up": true }),
    }
}

/// Says what can't be played as it was.
fn notes(tape: &Tape, lacking: Vec<String>, unanswered: &BTreeSet<String>) -> Vec<String> {
    let mut notes = Vec::new();
    if tape.header.redacted {
        notes.push("The recording is redacted: who called, and what was entered, are stand-ins.".to_owned());
    } else if tape.is_redacted() {
        notes.push("What the caller entered where the script asks for secrets is a stand-in.".to_owned());
    }
    notes.extend(unanswered.iter().map(|function| format!("What {function} returned then, it can't return here.")));
    if !tape.header.allowed.is_empty() || !tape.header.denied.is_empty() {
        notes.push("The server allows its scripts other applications and functions than the usual ones.".to_owned());
    }
    if tape.ended().is_none() {
        notes.push("The recording breaks off before the call has ended.".to_owned());
    }
    notes.extend(lacking);
    notes
}

/// Finds the moments at which the caller has to act now, and where the call is another one first.
fn align(tape: &Tape, acts: &[Act], files: Map<String, Value>, playable: &mut Playable) -> Result<(), Refusal> {
    let then = steps_then(tape);
    let blind = playable.redacted;
    let mut walk = Walk { blind, next: 0, passed: 0, first: None };
    let mut moved = Vec::new();
    // How much later everything is now than in the recording.
    let mut shift = 0_i64;
    let mut before = 0;
    for act in acts {
        let recorded = millis(act.at);
        let until = later(recorded, shift).saturating_add(HORIZON).min(LONGEST);
        let now = steps_now(&play(&files, playable, &moved, until)?.0.events);
        let index = then.iter().rposition(|(at, _)| *at <= act.during);
        let step = index.and_then(|index| walk.to(index, &then, &now));
        let at = match (index, step) {
            (Some(index), Some(step)) => {
                let (_, was) = &then[index];
                shift = signed(step.at) - signed(was.at);
                let at = later(recorded, shift);
                // A key has to come before the command is over, unless it came after it then.
                let is_during = was.ends.is_none_or(|ends| recorded <= ends);
                let latest = step.ends.filter(|_| is_during).map(|ends| {
                    let keys = if let Deed::Keys(keys) = &act.deed { keys.len() } else { 1 };
                    let more = u64::try_from(keys.saturating_sub(1)).unwrap_or(0);
                    ends.saturating_sub(SAFETY_MARGIN + KEY_INTERVAL * more).max(step.at)
                });
                latest.map_or(at, |latest| at.min(latest))
            }
            _ => later(recorded, shift),
        };
        before = at.max(before);
        moved.push(written(act, before));
    }
    let until = later(playable.length, shift).saturating_add(HORIZON).min(LONGEST);
    let (Played { events, fault, .. }, script) = play(&files, playable, &moved, until)?;
    let now = steps_now(&events);
    if let Some(last) = then.len().checked_sub(1) {
        walk.to(last, &then, &now);
    }
    playable.changed = script.map(|version| version != tape.header.version);
    playable.difference = walk.first;
    let warnings =
        events.iter().filter_map(|event| if let What::Warns { text } = &event.what { Some(text) } else { None });
    let warnings: BTreeSet<&String> = warnings.collect();
    playable.notes.extend(warnings.into_iter().take(MAX_WARNINGS).map(|text| format!("Now: {text}")));
    if let Some(fault) = fault {
        let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
        let line = fault["line"].as_u64().map_or_else(String::new, |line| format!(":{line}"));
        playable.notes.push(format!("Now {}{line} has a fault: {}", text("script"), text("message")));
    }
    playable.acts = moved;
    Ok(())
}

/// Plays a call of today's script. Returns it, and the version of the script.
fn play(
    files: &Map<String, Value>,
    playable: &Playable,
    acts: &[Value],
    until: u64,
) -> Result<(Played, Option<String>), Refusal> {
    let request = json!({
        "files": files,
        "script": playable.script,
        "seed": playable.seed,
        "call": playable.call,
        "services": playable.services,
        "acts": acts,
        "until": until,
    });
    let request: Request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    let (played, script) = call(request, None)?;
    Ok((played, script.map(|script| script.version().to_owned())))
}

/// Goes through what was recorded and what is played now, side by side.
struct Walk {
    blind: bool,
    /// The next steps of both that haven't been compared.
    passed: usize,
    next: usize,
    first: Option<Difference>,
}

impl Walk {
    /// Compares up to this recorded step. Returns the one that it is now.
    fn to<'a>(&mut self, index: usize, then: &[(usize, Step)], now: &'a [Step]) -> Option<&'a Step> {
        let mut found = None;
        while self.passed <= index {
            let (_, was) = &then[self.passed];
            self.passed += 1;
            let rest = now.get(self.next..).unwrap_or_default();
            let same = rest.iter().take(MAX_PASSED).position(|step| self.is_same(&step.label, &was.label));
            if same != Some(0) && self.first.is_none() {
                let step = rest.first();
                self.first = Some(Difference {
                    at: step.map_or_else(|| now.last().map_or(0, |step| step.ends.unwrap_or(step.at)), |step| step.at),
                    recorded_at: was.at,
                    was: printable(&was.label).into_owned(),
                    now: step.map(|step| printable(&step.label).into_owned()),
                });
            }
            found = same.map(|same| &rest[same]);
            self.next += same.map_or(0, |same| same + 1);
        }
        // What was compared before is the last one that was found.
        found.or_else(|| (self.passed > index + 1).then(|| now.get(self.next.checked_sub(1)?)).flatten())
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        let digits = |c: char| if self.blind && c.is_ascii_digit() { '0' } else { c };
        one.chars().map(digits).eq(other.chars().map(digits))
    }
}

/// Returns what went over the line then, by its index in the recording.
fn steps_then(tape: &Tape) -> Vec<(usize, Step)> {
    let mut steps: Vec<(usize, Step)> = Vec::new();
    for (index, line) in tape.lines.iter().enumerate() {
        let at = millis(line.at);
        match &line.event {
            recording::Event::Sent(bytes) if !is_own(&bytes.0) => {
                steps.push((index, Step { at, ends: None, label: String::from_utf8_lossy(&bytes.0).into_owned() }));
            }
            recording::Event::Request(request) => {
                steps.push((index, Step { at, ends: None, label: request.function.clone() }));
            }
            recording::Event::Heard(_) | recording::Event::Answer(_) | recording::Event::Hangup(_) => {
                if let Some((_, step)) = steps.last_mut() {
                    step.ends.get_or_insert(at);
                }
            }
            _ => {}
        }
    }
    steps
}

/// Returns what goes over the line now.
fn steps_now(events: &[Event]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in events {
        let at = event.at;
        match &event.what {
            What::Command { text, .. } if !is_own(text.as_bytes()) => {
                steps.push(Step { at, ends: None, label: text.clone() });
            }
            What::Asks { function, .. } => steps.push(Step { at, ends: None, label: function.clone() }),
            What::Reply { .. } | What::Answered { .. } | What::HangsUp => {
                if let Some(step) = steps.last_mut() {
                    step.ends.get_or_insert(at);
                }
            }
            _ => {}
        }
    }
    steps
}

/// Whether this may be a line of the host itself, which asks for the channel, or says how the call has ended.
fn is_own(line: &[u8]) -> bool {
    if line == CHANNEL_STATUS.verb.as_bytes() {
        return true;
    }
    let words = split(line);
    words.get(2).is_some_and(|name| words[0] == b"SET" && name.starts_with(b"AGI_RHAI_"))
        || words.get(1).is_some_and(|text| words[0] == b"VERBOSE" && text.starts_with(b"agi-rhai: "))
}

fn later(at: u64, shift: i64) -> u64 {
    at.saturating_add_signed(shift)
}

fn signed(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
