//! The file watcher: a script is compiled as soon as it is saved, for the next call.

use super::call::{LoadProblem, LoadedScript, PhoneSetup};
use super::state::{HistoryEvent, SharedState};
use agi_rhai::clock::sleep;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The interval between polls. A change is taken once it is the same in two polls in a row, so that a file isn't read
/// while it is being written.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// After how many polls a broken script is compiled again even if its files haven't changed, since it may lack a file
/// of another name.
const RETRY_POLLS: u32 = 10;

/// The identity, size and time of a file, since editors may overwrite or replace it.
type FileStamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> FileStamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// Loads the script, and watches its files from now on.
pub fn start(setup: &Arc<PhoneSetup>, shared: &Arc<SharedState>) {
    let mut watch =
        Watch { setup: Arc::clone(setup), shared: Arc::clone(shared), files: Vec::new(), loaded: Vec::new() };
    watch.load(true);
    // Compiling needs as much stack as running.
    let thread = std::thread::Builder::new().name("watch".to_owned()).stack_size(8 * 1024 * 1024);
    // It ends with the process.
    if thread.spawn(move || watch.run()).is_err() {
        shared
            .note(HistoryEvent::Note("the files of the script aren't watched: no thread could be started".to_owned()));
    }
}

struct Watch {
    setup: Arc<PhoneSetup>,
    shared: Arc<SharedState>,
    files: Vec<PathBuf>,
    /// The stamps of the files when they were last loaded.
    loaded: Vec<FileStamp>,
}

impl Watch {
    fn stamps(&self) -> Vec<FileStamp> {
        self.files.iter().map(|file| stamp(file)).collect()
    }

    fn run(mut self) {
        let mut seen = self.stamps();
        for turn in 1_u32.. {
            sleep(POLL_INTERVAL);
            let now = self.stamps();
            let settled = now == seen;
            seen = now;
            if !settled {
                continue;
            }
            let again = turn.is_multiple_of(RETRY_POLLS) && self.shared.view().broken.is_some();
            if seen != self.loaded || again {
                self.load(false);
                seen = self.stamps();
            }
        }
    }

    fn load(&mut self, first: bool) {
        let mut files = vec![self.setup.path.clone()];
        files.extend(self.setup.tables());
        // Stamped before they are read, so that the next poll notices changes in between.
        let before: HashMap<PathBuf, FileStamp> =
            self.files.iter().chain(&files).map(|file| (file.clone(), stamp(file))).collect();
        let changed = self.files.iter().zip(&self.loaded).any(|(file, loaded)| before.get(file) != Some(loaded));
        let result = LoadedScript::load(&self.setup);
        let mut view = self.shared.view();
        let known = view.version.as_ref();
        match &result {
            Ok(version) => files.extend(version.script.sources().skip(1).map(|(path, _)| PathBuf::from(path))),
            Err(problem) => {
                files
                    .extend(known.into_iter().flat_map(|version| version.script.sources().skip(1)).map(|s| s.0.into()));
                if let LoadProblem::Script(agi_rhai::script::LoadError::Fault(fault)) = problem {
                    files.push(PathBuf::from(&fault.script));
                }
            }
        }
        files.dedup();
        self.files = files;
        self.loaded = self.files.iter().map(|file| before.get(file).copied().unwrap_or_else(|| stamp(file))).collect();
        let name = self.setup.name();
        let on_call = view.on_call();
        match result {
            Ok(version) => {
                let fixed = view.broken.take().is_some();
                let saved = if fixed { format!("{name} is fixed") } else { format!("{name} was saved") };
                view.version = Some(Arc::new(version));
                if first {
                    return;
                }
                let then = if on_call { "the next call runs it" } else { "Enter calls it" };
                let news = format!("{saved}: {then}");
                view.note(HistoryEvent::Note(news.clone()));
                view.news = Some(news);
            }
            Err(problem) => {
                let text = problem.render(false);
                if view.broken.as_ref() == Some(&text) && !changed {
                    return;
                }
                let news = if first { format!("{name} is broken") } else { format!("{name} was saved, and is broken") };
                view.note(HistoryEvent::Note(news.clone()));
                view.broken = Some(text);
                view.news = Some(match (on_call, view.version.is_some()) {
                    (true, _) => format!("{news}: this call goes on with the last good version, and so does the next"),
                    (false, true) => format!("{news}: Enter calls the last good version"),
                    (false, false) => format!("{news}: fix it and save it"),
                });
            }
        }
    }
}
