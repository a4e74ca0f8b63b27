//! Live calls: what each of them is doing, and its dialogue for those who follow it.

use super::coroutine;
use super::metrics::Metrics;
use crate::clock::Time;
use crate::command::Command;
use crate::plural::plural;
use crate::script::LibraryScript;
use crate::session::{Observer, Sent};
use crate::sync::lock;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// A live call.
pub struct Live {
    /// Its number on this server.
    pub id: u64,
    /// The address of Asterisk.
    pub peer: IpAddr,
    /// When it was accepted.
    pub began: Time,
    info: OnceLock<CallInfo>,
    script: OnceLock<LibraryScript>,
    activity: Mutex<Activity>,
    /// `None` once the call has ended.
    followers: Mutex<Option<Vec<Follower>>>,
    is_followed: AtomicBool,
    metrics: Arc<Metrics>,
    worker: usize,
}

/// The properties of a call that its environment contains.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallInfo {
    /// The script and its parameters, as they stand in the address.
    pub request: String,
    /// The name of the channel.
    pub channel: String,
    /// The channel's unique id.
    pub uniqueid: String,
    /// The caller's number; empty when it is withheld.
    pub caller: String,
    /// The caller's name; empty if there is none.
    pub name: String,
    /// The extension that was dialled.
    pub extension: String,
}

/// The current activity of a call.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Activity {
    /// The current command, or the last one; `None` before the first.
    pub command: Option<&'static Command>,
    /// Whether Asterisk has replied to it. Then the script computes or sleeps.
    pub answered: bool,
    /// When that began.
    pub since: Time,
    /// How long the script took before it sent the command.
    computed: Duration,
    /// The file of the script that holds the command.
    pub file: String,
    /// The line of the command, from 1.
    pub line: usize,
    /// The number of commands sent.
    pub commands: u64,
}

/// Somebody who reads the dialogue, and how many lines they have missed because they read too slowly.
struct Follower {
    lines: SyncSender<String>,
    missed: u64,
}

impl Follower {
    /// Passes on a line. Returns whether the follower is still there.
    fn send(&mut self, line: &dyn fmt::Display) -> bool {
        if self.missed > 0 {
            match self.lines.try_send(format!("... {} left out: the reader is too slow", plural(self.missed, "line"))) {
                Ok(()) => self.missed = 0,
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        match self.lines.try_send(line.to_string()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Live {
    pub(super) fn new(id: u64, peer: IpAddr, began: Time, metrics: Arc<Metrics>, worker: usize) -> Self {
        Self {
            id,
            peer,
            began,
            info: OnceLock::new(),
            script: OnceLock::new(),
            activity: Mutex::new(Activity { since: began, ..Activity::default() }),
            followers: Mutex::new(Some(Vec::new())),
            is_followed: AtomicBool::new(false),
            metrics,
            worker,
        }
    }

    pub(super) fn set_info(&self, info: CallInfo) {
        let _ = self.info.set(info);
    }

    pub(super) fn set_script(&self, script: LibraryScript) {
        let _ = self.script.set(script);
    }

    /// Returns the script it runs; `None` before the script is found.
    pub fn script(&self) -> Option<&LibraryScript> {
        self.script.get()
    }

    /// Returns the properties from its environment; `None` before that has arrived.
    pub fn info(&self) -> Option<&CallInfo> {
        self.info.get()
    }

    /// Returns what the call is doing.
    pub fn activity(&self) -> Activity {
        lock(&self.activity).clone()
    }

    /// Returns how many commands the call has sent, and whether the last one was answered: what it is doing has changed
    /// only if these have.
    pub(super) fn progress(&self) -> (u64, bool) {
        let activity = lock(&self.activity);
        (activity.commands, activity.answered)
    }

    /// Returns the name of its script, or what was requested if there is none yet.
    pub(super) fn script_name(&self) -> &str {
        match self.script() {
            Some(found) => &found.name,
            None => self.info().map_or("", |info| &info.request),
        }
    }

    /// Returns a word for what the call is doing: the verb of the command it waits for, or `script`.
    pub(super) fn doing(&self, activity: &Activity) -> &'static str {
        match activity.command {
            None if self.info().is_none() => "waiting for its environment",
            Some(command) if !activity.answered => command.verb,
            _ => "script",
        }
    }

    /// Returns the name of the call in the log.
    pub(super) fn name(&self) -> String {
        let script = self.script().map_or("no script yet", |found| &found.name);
        let activity = lock(&self.activity);
        let channel = self.info().map_or("", |info| &info.channel);
        format!("call {} of {script} on {channel}, after {}:{},", self.id, activity.file, activity.line)
    }

    /// Sends every line of its dialogue from now on to a channel, with keys masked: `> ` to Asterisk, `< ` from it.
    /// The channel closes when the call ends.
    pub fn follow(&self, lines: SyncSender<String>) {
        if let Some(followers) = &mut *lock(&self.followers) {
            followers.push(Follower { lines, missed: 0 });
            self.is_followed.store(true, Relaxed);
        }
    }

    /// Sends a line to all followers. Its memory is not charged to the call.
    fn send(&self, line: &dyn fmt::Display) {
        coroutine::uncounted(|| {
            let mut followers = lock(&self.followers);
            let Some(followers) = &mut *followers else { return };
            followers.retain_mut(|follower| follower.send(line));
            self.is_followed.store(!followers.is_empty(), Relaxed);
        });
    }

    /// Reports to all followers how the call has ended.
    pub(super) fn ended(&self, how: &str) {
        if self.is_followed.load(Relaxed) {
            self.send(&how);
        }
        lock(&self.followers).take();
    }
}

impl Observer for Live {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, at: Time) {
        {
            let mut activity = lock(&self.activity);
            activity.command = Some(command);
            activity.computed = at - activity.since;
            activity.answered = false;
            activity.since = at;
            activity.line = place;
            activity.commands += 1;
            if activity.file != script {
                script.clone_into(&mut activity.file);
            }
        }
        if self.is_followed.load(Relaxed) {
            self.send(&format_args!("> {line}    [{script}:{place}]"));
        }
    }

    fn heard(&self, command: &'static Command, shown: &dyn fmt::Display, at: Time) {
        let (asterisk, script) = {
            let mut activity = lock(&self.activity);
            let times = (at - activity.since, activity.computed);
            activity.answered = true;
            activity.since = at;
            times
        };
        self.metrics.shard(self.worker).command(command, asterisk, script);
        if self.is_followed.load(Relaxed) {
            self.send(&format_args!("< {shown}"));
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("id", &self.id).field("info", &self.info).finish_non_exhaustive()
    }
}
