//! The calls that are live: what each does at the moment, and its dialogue for whoever listens in.

use super::coroutine;
use super::lock;
use super::metrics::Metrics;
use crate::clock::Time;
use crate::command::Command;
use crate::script::Found;
use crate::session::{Observer, Sent};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// A call that is live.
pub struct Live {
    /// Its number on this server.
    pub id: u64,
    /// Where Asterisk is.
    pub peer: IpAddr,
    /// When it came.
    pub began: Time,
    about: OnceLock<About>,
    script: OnceLock<Found>,
    now: Mutex<Now>,
    /// `None` once the call has ended.
    heard_by: Mutex<Option<Vec<Listener>>>,
    is_heard: AtomicBool,
    metrics: Arc<Metrics>,
    worker: usize,
}

/// What is known of a call once its environment has come.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What was asked for, as it stands in the address: a script, and parameters for it.
    pub request: String,
    /// The channel.
    pub channel: String,
    /// The channel's unique id.
    pub uniqueid: String,
    /// The caller's number; empty when it is withheld.
    pub caller: String,
}

/// What a call does at the moment.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// The command it is in, or was in last; `None` before the first.
    pub command: Option<&'static Command>,
    /// Whether Asterisk has answered it: the script computes or sleeps.
    pub answered: bool,
    /// Since when.
    pub since: Time,
    /// What the script took before it sent the command.
    computed: Duration,
    /// The file and line of the script the command stands in.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// How many commands were sent.
    pub commands: u64,
}

/// Somebody who listens in, and how many lines went too fast for them.
struct Listener {
    lines: SyncSender<String>,
    missed: u64,
}

impl Listener {
    /// Whether it still listens.
    fn tell(&mut self, line: &dyn fmt::Display) -> bool {
        if self.missed > 0 {
            match self.lines.try_send(format!("... {} lines left out: too fast", self.missed)) {
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
            about: OnceLock::new(),
            script: OnceLock::new(),
            now: Mutex::new(Now { since: began, ..Now::default() }),
            heard_by: Mutex::new(Some(Vec::new())),
            is_heard: AtomicBool::new(false),
            metrics,
            worker,
        }
    }

    pub(super) fn is_about(&self, about: About) {
        let _ = self.about.set(about);
    }

    pub(super) fn plays(&self, script: Found) {
        let _ = self.script.set(script);
    }

    /// The script it plays; `None` before that is found.
    pub fn script(&self) -> Option<&Found> {
        self.script.get()
    }

    /// What is known of it; `None` before its environment has come.
    pub fn about(&self) -> Option<&About> {
        self.about.get()
    }

    /// What it does at the moment.
    pub fn now(&self) -> Now {
        lock(&self.now).clone()
    }

    /// As the log names it.
    pub(super) fn name(&self) -> String {
        let script = self.script().map_or("no script yet", |found| &found.name);
        let now = lock(&self.now);
        let channel = self.about().map_or("", |about| &about.channel);
        format!("call {} of {script} on {channel}, after {}:{},", self.id, now.file, now.line)
    }

    /// Hands every line of its dialogue to this channel from now on, keys masked: `> ` to Asterisk, `< ` from it. The
    /// channel closes when the call ends.
    pub fn listen(&self, lines: SyncSender<String>) {
        if let Some(listeners) = &mut *lock(&self.heard_by) {
            listeners.push(Listener { lines, missed: 0 });
            self.is_heard.store(true, Relaxed);
        }
    }

    /// Tells those who listen in. What they get is theirs, also its memory.
    fn tell(&self, line: &dyn fmt::Display) {
        coroutine::uncounted(|| {
            let mut heard_by = lock(&self.heard_by);
            let Some(listeners) = &mut *heard_by else { return };
            listeners.retain_mut(|listener| listener.tell(line));
            self.is_heard.store(!listeners.is_empty(), Relaxed);
        });
    }

    /// The call has ended: those who listen in learn how.
    pub(super) fn ended(&self, how: &str) {
        if self.is_heard.load(Relaxed) {
            self.tell(&how);
        }
        lock(&self.heard_by).take();
    }
}

impl Observer for Live {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, at: Time) {
        {
            let mut now = lock(&self.now);
            now.command = Some(command);
            now.computed = at - now.since;
            now.answered = false;
            now.since = at;
            now.line = place;
            now.commands += 1;
            if now.file != script {
                script.clone_into(&mut now.file);
            }
        }
        if self.is_heard.load(Relaxed) {
            self.tell(&format_args!("> {line}    [{script}:{place}]"));
        }
    }

    fn heard(&self, command: &'static Command, shown: &dyn fmt::Display, at: Time) {
        let (asterisk, script) = {
            let mut now = lock(&self.now);
            let times = (at - now.since, now.computed);
            now.answered = true;
            now.since = at;
            times
        };
        self.metrics.shard(self.worker).command(command, asterisk, script);
        if self.is_heard.load(Relaxed) {
            self.tell(&format_args!("< {shown}"));
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("id", &self.id).field("about", &self.about).finish_non_exhaustive()
    }
}
