//! What changes in the calls of a server, for pages that show all of them.
//!
//! A client gets lines of JSON: `{"now": MS, "calls": [...], "gone": [ID, ...]}`. A call is there whole when it is new, and
//! when its environment or its script has come; later, only what it is doing: file, line, command. Times are
//! milliseconds of the server's clock, so that a client computes ages itself, and nothing is sent for a call that only
//! waits.
//!
//! Nothing is kept for a client but what it was told last: one that reads slowly is told later, and costs no more.

use super::live::Live;
use crate::clock::Time;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The maximum number of calls in a line.
const MAX_IN_LINE: usize = 500;

/// What a client was told.
#[derive(Debug)]
pub(super) struct Watch {
    /// The folder of the scripts, in which files are named.
    folder: PathBuf,
    told: HashMap<u64, Told>,
    look: u64,
}

#[derive(Debug, Default, PartialEq)]
struct Told {
    is_known: [bool; 2],
    progress: Option<(u64, bool)>,
    /// The number of the last look at which the call was there.
    look: u64,
}

#[derive(Serialize)]
struct Changes<'a> {
    now: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    calls: &'a [Changed<'a>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gone: &'a [u64],
}

#[derive(Serialize)]
struct Changed<'a> {
    id: u64,
    #[serde(flatten)]
    whole: Option<Whole<'a>>,
    file: String,
    line: usize,
    doing: &'static str,
    since: u64,
    commands: u64,
}

/// What doesn't change in a call.
#[derive(Serialize)]
struct Whole<'a> {
    caller: &'a str,
    name: &'a str,
    extension: &'a str,
    script: &'a str,
    version: &'a str,
    channel: &'a str,
    peer: String,
    began: u64,
}

impl Watch {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), told: HashMap::new(), look: 0 }
    }

    /// Returns the lines about what has changed; none if nothing has. The first look always has one.
    pub fn changes(&mut self, live: &[Arc<Live>], now: Time) -> Vec<String> {
        self.look += 1;
        let look = self.look;
        let mut changed = Vec::new();
        for call in live {
            let told = self.told.entry(call.id).or_default();
            told.look = look;
            let is_known = [call.info().is_some(), call.script().is_some()];
            let progress = call.progress();
            let is_new = told.progress.is_none() || told.is_known != is_known;
            if is_new || told.progress != Some(progress) {
                (told.is_known, told.progress) = (is_known, Some(progress));
                changed.push(Changed::of(call, is_new, &self.folder));
            }
        }
        let mut gone = Vec::new();
        self.told.retain(|id, told| {
            let is_there = told.look == look;
            if !is_there {
                gone.push(*id);
            }
            is_there
        });
        let now = millis(now);
        let mut lines = Vec::new();
        let mut calls = changed.chunks(MAX_IN_LINE);
        if look == 1 || !gone.is_empty() || !changed.is_empty() {
            lines.extend(line(&Changes { now, calls: calls.next().unwrap_or_default(), gone: &gone }));
        }
        lines.extend(calls.filter_map(|calls| line(&Changes { now, calls, gone: &[] })));
        lines
    }
}

impl<'a> Changed<'a> {
    fn of(call: &'a Live, is_whole: bool, folder: &Path) -> Self {
        let activity = call.activity();
        let within = Path::new(&activity.file).strip_prefix(folder).ok().and_then(Path::to_str);
        let info = call.info();
        let whole = is_whole.then(|| Whole {
            caller: info.map_or("", |info| &info.caller),
            name: info.map_or("", |info| &info.name),
            extension: info.map_or("", |info| &info.extension),
            script: call.script_name(),
            version: call.script().map_or("", |found| found.script.version()),
            channel: info.map_or("", |info| &info.channel),
            peer: call.peer.to_string(),
            began: millis(call.began),
        });
        Self {
            id: call.id,
            whole,
            doing: call.doing(&activity),
            since: millis(activity.since),
            commands: activity.commands,
            line: activity.line,
            file: within.map(str::to_owned).unwrap_or(activity.file),
        }
    }
}

fn line(changes: &Changes<'_>) -> Option<String> {
    let mut line = serde_json::to_string(changes).ok()?;
    line.push('\n');
    Some(line)
}

fn millis(time: Time) -> u64 {
    u64::try_from(time.since_epoch().as_millis()).unwrap_or(u64::MAX)
}
