//! The thread that keeps the scripts up to date.

use super::shared::Shared;
use crate::host::config::INTERVAL;
use crate::host::coroutine;
use crate::host::fault_log::{log_fault, log_warning};
use crate::script::{Change, Fault};
use crate::stack;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use tracing::{info, warn};

/// The thread that checks the folder of scripts again and again.
#[derive(Debug)]
pub(super) struct Loader {
    /// Asks it to compile all scripts now. The thread ends when this is dropped.
    reload: Sender<()>,
    thread: JoinHandle<()>,
}

impl Loader {
    pub fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (reload, requests) = channel();
        let shared = Arc::clone(shared);
        let thread = Builder::new().name("loader".to_owned()).stack_size(stack::SIZE).spawn(move || {
            stack::mark_large();
            coroutine::count_memory_with(shared.thread_memory);
            keep_loading(&shared, &requests);
        })?;
        Ok(Self { reload, thread })
    }

    /// Compiles all scripts now.
    pub fn reload(&self) {
        let _ = self.reload.send(());
    }

    /// Ends the thread and waits for it.
    pub fn join(self) {
        drop(self.reload);
        let _ = self.thread.join();
    }
}

fn keep_loading(shared: &Shared, requests: &Receiver<()>) {
    let follow_config = |at_once: bool| {
        if let (Some(config), Some(services)) = (&shared.host.config, &shared.host.services) {
            config.follow(services, shared.clock.now(), at_once);
        }
    };
    loop {
        let now = shared.clock.now();
        let next = shared.library.next_scan();
        let next = shared.host.config.as_ref().map_or(next, |_| next.min(now + INTERVAL));
        match requests.recv_timeout(next - now) {
            Ok(()) => {
                follow_config(true);
                report(shared, &shared.library.reload(shared.clock.now()));
            }
            Err(RecvTimeoutError::Timeout) => {
                follow_config(false);
                let now = shared.clock.now();
                if now >= shared.library.next_scan() {
                    report(shared, &shared.library.refresh(now));
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Counts and logs changes.
fn report(shared: &Shared, changes: &[Change]) {
    if !changes.is_empty() {
        shared.metrics.set_scripts(shared.library.list().iter().map(|script| &*script.name));
    }
    for change in changes {
        match change {
            Change::Live { .. } => shared.metrics.reload(true),
            Change::Broken { .. } => shared.metrics.reload(false),
            Change::Warned { .. }
            | Change::Removed { .. }
            | Change::Outside { .. }
            | Change::TooDeep { .. }
            | Change::Unreadable { .. } => {}
        }
    }
    log_changes(changes);
}

/// Logs changes in a folder of scripts. A mistake in a file that several scripts import is logged only once.
pub fn log_changes(changes: &[Change]) {
    let mut mistakes: Vec<(&Fault, String)> = Vec::new();
    for change in changes {
        match change {
            Change::Live { .. } | Change::Removed { .. } => info!("{change}"),
            Change::Outside { .. } | Change::TooDeep { .. } | Change::Unreadable { .. } => warn!("{change}"),
            Change::Warned { warnings, .. } => warnings.iter().for_each(log_warning),
            Change::Broken { name, fault, serving } => {
                let script = match serving {
                    Some(version) => format!("{name} (version {version} goes on)"),
                    None => format!("{name} (cannot run)"),
                };
                match mistakes.iter_mut().find(|(known, _)| *known == &**fault) {
                    Some((_, scripts)) => scripts.extend([", ", &script]),
                    None => mistakes.push((fault, script)),
                }
            }
        }
    }
    for (fault, scripts) in mistakes {
        log_fault(&format!("broken: {scripts}: "), None, fault);
    }
}
