//! The thread that keeps the scripts up to date.

use super::manager::Managers;
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
    pub fn start(shared: &Arc<Shared>, managers: &Arc<Managers>) -> io::Result<Self> {
        let (reload, requests) = channel();
        let (shared, managers) = (Arc::clone(shared), Arc::clone(managers));
        let thread = Builder::new().name("loader".to_owned()).stack_size(stack::SIZE).spawn(move || {
            stack::mark_large();
            coroutine::count_memory_with(shared.thread_memory);
            keep_loading(&shared, &managers, &requests);
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

fn keep_loading(shared: &Shared, managers: &Managers, requests: &Receiver<()>) {
    // Whether other settings are in use now.
    let follow_config = |at_once: bool| match (&shared.host.config, &shared.host.services) {
        (Some(config), Some(services)) => {
            let has_changed = config.follow(services, shared.clock.now(), at_once);
            if has_changed && let Err(error) = managers.follow() {
                warn!("no thread for managers: {error}");
            }
            has_changed
        }
        _ => false,
    };
    speak_ahead(shared);
    loop {
        let now = shared.clock.now();
        let next = shared.library.next_scan();
        let next = shared.host.config.as_ref().map_or(next, |_| next.min(now + INTERVAL));
        match requests.recv_timeout(next - now) {
            Ok(()) => {
                let has_changed = follow_config(true);
                if report(shared, &shared.library.reload(shared.clock.now())) || has_changed {
                    speak_ahead(shared);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let mut has_changed = follow_config(false);
                let now = shared.clock.now();
                if now >= shared.library.next_scan() {
                    has_changed |= report(shared, &shared.library.refresh(now));
                }
                if has_changed {
                    speak_ahead(shared);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Has what scripts say spoken before anybody calls.
fn speak_ahead(shared: &Shared) {
    #[cfg(feature = "speech")]
    if let Some(services) = &shared.host.services {
        super::ahead::speak_ahead(&shared.library, services);
    }
    #[cfg(not(feature = "speech"))]
    let _ = shared;
}

/// Counts and logs changes. Returns whether there is a script that was not there before.
fn report(shared: &Shared, changes: &[Change]) -> bool {
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
    changes.iter().any(|change| matches!(change, Change::Live { .. }))
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
