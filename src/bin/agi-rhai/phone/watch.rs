//! The files of the script, looked at while the phone is on: a saved one is compiled at once, for the next call.

use super::call::{LoadProblem, LoadedScript, PhoneSetup};
use super::state::{HistoryEvent, SharedState};
use agi_rhai::clock::sleep;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at. What has changed is taken when it is the same at the next look, so that a file
/// in the middle of being written is not.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A broken script is compiled again so often whatever its files say: what it lacks may be one of another name.
const TRY_EVERY: u32 = 10;

/// Which file it is, how large, and from when: an editor writes it anew, or puts another in its place.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// Reads the script, and looks at its files from now on.
pub fn start(setup: &Arc<PhoneSetup>, shared: &Arc<SharedState>) {
    let mut watch =
        Watch { setup: Arc::clone(setup), shared: Arc::clone(shared), files: Vec::new(), taken: Vec::new() };
    watch.take(true);
    // Compiling takes as much stack as running.
    let thread = std::thread::Builder::new().name("watch".to_owned()).stack_size(8 * 1024 * 1024);
    // It ends with the process.
    if thread.spawn(move || watch.look()).is_err() {
        shared.note(HistoryEvent::Told("the script's files are not watched: there is no room for a thread".to_owned()));
    }
}

struct Watch {
    setup: Arc<PhoneSetup>,
    shared: Arc<SharedState>,
    files: Vec<PathBuf>,
    /// The files as they were when they were read last.
    taken: Vec<Stamp>,
}

impl Watch {
    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|file| stamp(file)).collect()
    }

    fn look(mut self) {
        let mut seen = self.stamps();
        for turn in 1_u32.. {
            sleep(LOOK_EVERY);
            let now = self.stamps();
            let settled = now == seen;
            seen = now;
            if !settled {
                continue;
            }
            let again = turn.is_multiple_of(TRY_EVERY) && self.shared.view().broken.is_some();
            if seen != self.taken || again {
                self.take(false);
                seen = self.stamps();
            }
        }
    }

    fn take(&mut self, first: bool) {
        let mut files = vec![self.setup.path.clone()];
        files.extend(self.setup.tables());
        // As they are before they are read: what changes meanwhile is seen at the next look.
        let before: HashMap<PathBuf, Stamp> =
            self.files.iter().chain(&files).map(|file| (file.clone(), stamp(file))).collect();
        let changed = self.files.iter().zip(&self.taken).any(|(file, taken)| before.get(file) != Some(taken));
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
        self.taken = self.files.iter().map(|file| before.get(file).copied().unwrap_or_else(|| stamp(file))).collect();
        let name = self.setup.name();
        let on_call = view.on_call();
        match result {
            Ok(version) => {
                let mended = view.broken.take().is_some();
                let saved = if mended { format!("{name} is mended") } else { format!("{name} was saved") };
                view.version = Some(Arc::new(version));
                if first {
                    return;
                }
                let then = if on_call { "the next call runs it" } else { "Enter calls it" };
                let news = format!("{saved}: {then}");
                view.note(HistoryEvent::Told(news.clone()));
                view.news = Some(news);
            }
            Err(problem) => {
                let text = problem.render(false);
                if view.broken.as_ref() == Some(&text) && !changed {
                    return;
                }
                let news = if first { format!("{name} is broken") } else { format!("{name} was saved, and is broken") };
                view.note(HistoryEvent::Told(news.clone()));
                view.broken = Some(text);
                view.news = Some(if on_call {
                    format!("{news}: this call goes on as it began")
                } else {
                    format!("{news}: mend it and save it")
                });
            }
        }
    }
}
