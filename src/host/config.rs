//! The operator's file `agi-rhai.toml`: where it is, what it holds, and its edits while calls run.

use super::fault_log::log_fault;
use crate::clock::Time;
use crate::disk::Stamp;
use crate::script::Fault;
use crate::service::settings::reading::{Contents, OptionSetting, read};
use crate::service::settings::{Purpose, SettingsError};
use crate::service::{Services, Settings};
use crate::sync::lock;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tracing::{info, warn};

/// The name of the file.
pub const FILE_NAME: &str = "agi-rhai.toml";
/// The folder of the file if it isn't in the folder of the scripts.
const SYSTEM_FOLDER: &str = "/etc/agi-rhai";
/// The time between two looks at the files.
pub(super) const INTERVAL: Duration = Duration::from_millis(40);
/// How long the files must stay unchanged before they are read: none is read half-written.
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// The options of a program that may be set in the file too.
#[derive(Clone, Copy)]
pub struct OptionRules {
    /// Their names.
    pub names: &'static [&'static str],
    /// Checks a value.
    pub check: fn(&OptionSetting) -> Result<(), Box<SettingsError>>,
}

impl OptionRules {
    /// No options.
    pub const NONE: Self = Self { names: &[], check: |_| Ok(()) };
}

/// The operator's file `agi-rhai.toml`, which names the services that scripts may ask.
///
/// A [`Host`](crate::Host) that has it gives its scripts these services. A [`Server`](super::fastagi::Server) also
/// takes over edits while calls run, of the files with passwords and tokens too. An edit with a mistake changes
/// nothing, and is logged.
///
/// ```no_run
/// use agi_rhai::Host;
/// use agi_rhai::host::Config;
///
/// let config = Config::at("/etc/ivr/agi-rhai.toml");
/// config.read()?;
/// let mut host = Host::new();
/// host.set_config(config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Config {
    /// The files that are looked for. The first one that exists is read.
    places: Vec<PathBuf>,
    /// Whether somebody named the file, so that it must be there.
    is_named: bool,
    purpose: Purpose,
    rules: OptionRules,
    state_folder: Mutex<Option<PathBuf>>,
    watch: Mutex<Watch>,
    is_broken: AtomicBool,
}

/// Files as they were, or why they can't be read.
type Stamps = Vec<(PathBuf, Result<Stamp, io::ErrorKind>)>;

/// What was read, and the files as they were then.
#[derive(Default)]
struct Watch {
    /// The file that was read.
    file: Option<PathBuf>,
    contents: Contents,
    stamps: Stamps,
    since: Time,
    is_pending: bool,
    /// The mistake that was reported.
    reported: Option<Box<SettingsError>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Config {
    /// The file at this path.
    pub fn at(file: impl Into<PathBuf>) -> Self {
        Self::new(vec![file.into()], true)
    }

    /// The file in this folder, which usually is that of the scripts, or else in `/etc/agi-rhai`. There may be none.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        Self::new(vec![folder.as_ref().join(FILE_NAME), Path::new(SYSTEM_FOLDER).join(FILE_NAME)], false)
    }

    fn new(places: Vec<PathBuf>, is_named: bool) -> Self {
        Self {
            places,
            is_named,
            purpose: Purpose::Use,
            rules: OptionRules::NONE,
            state_folder: Mutex::default(),
            watch: Mutex::default(),
            is_broken: AtomicBool::new(false),
        }
    }

    /// Sets the folder of the host's own state, in which the store is unless the file says otherwise.
    #[must_use]
    pub fn with_state_folder(self, folder: Option<PathBuf>) -> Self {
        self.set_state_folder(folder);
        self
    }

    /// Sets the folder of the host's own state after the file has been read, which may name it.
    #[doc(hidden)]
    pub fn set_state_folder(&self, folder: Option<PathBuf>) {
        lock(&self.watch).contents.settings.state.clone_from(&folder);
        *lock(&self.state_folder) = folder;
    }

    /// Sets what the file is read for.
    #[doc(hidden)]
    #[must_use]
    pub fn with_purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Sets which options the file may hold.
    #[doc(hidden)]
    #[must_use]
    pub fn with_options(mut self, rules: OptionRules) -> Self {
        self.rules = rules;
        self
    }

    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// It can't be read, or has a mistake.
    pub fn read(&self) -> Result<(), Box<SettingsError>> {
        let mut watch = lock(&self.watch);
        let read = self.read_now(&mut watch);
        self.is_broken.store(read.is_err(), Relaxed);
        watch.reported = read.as_ref().err().cloned();
        watch.contents = read?;
        Ok(())
    }

    /// Returns the file that was read.
    pub fn file(&self) -> Option<PathBuf> {
        lock(&self.watch).file.clone()
    }

    /// Returns the services of the file, as it was read last.
    pub fn settings(&self) -> Settings {
        lock(&self.watch).contents.settings.clone()
    }

    /// Returns the options of the file, as it was read last.
    #[doc(hidden)]
    pub fn options(&self) -> Vec<OptionSetting> {
        lock(&self.watch).contents.options.clone()
    }

    /// Returns the mistake in the file, if it has one.
    pub fn mistake(&self) -> Option<Box<SettingsError>> {
        lock(&self.watch).reported.clone()
    }

    /// Whether the file has a mistake.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Relaxed)
    }

    /// Returns the services. If the file has a mistake, whoever asks one is told so.
    pub(super) fn services(&self) -> Services {
        match self.mistake() {
            Some(mistake) => Services::broken(&mistake.to_string(), self.settings()),
            None => Services::new(self.settings()),
        }
    }

    /// Looks whether the files have changed, and gives these services their new settings once they stay as they are;
    /// at once, if somebody asks for it. Returns whether they are different. This is for the loader's thread.
    pub(super) fn follow(&self, services: &Services, now: Time, at_once: bool) -> bool {
        let mut watch = lock(&self.watch);
        let stamps = self.stamps(&watch);
        if stamps != watch.stamps {
            (watch.stamps, watch.since, watch.is_pending) = (stamps, now, true);
        }
        let is_due = watch.is_pending && now - watch.since >= SETTLE_TIME;
        if !is_due && !at_once {
            return false;
        }
        let (before, file_before) = (watch.contents.clone(), watch.file.clone());
        let read = self.read_now(&mut watch);
        watch.is_pending = false;
        self.is_broken.store(read.is_err(), Relaxed);
        match read {
            Ok(contents) => {
                let was_broken = watch.reported.take().is_some();
                let file = watch.file.clone().unwrap_or_default();
                let changes = contents.settings.differences(&before.settings);
                if !changes.is_empty() {
                    info!("{}: {}", file.display(), changes.join(", "));
                } else if was_broken {
                    info!("{} is fixed", file.display());
                } else if watch.file != file_before {
                    info!("{} is read now", file.display());
                }
                log_changed_options(&file, &before.options, &contents.options);
                services.update(contents.settings.clone());
                watch.contents = contents;
                watch.contents.settings != before.settings
            }
            Err(mistake) => {
                if watch.reported.as_ref() != Some(&mistake) {
                    log_fault("the services stay as they were: ", None, &Fault::from(&*mistake));
                }
                watch.reported = Some(mistake);
                false
            }
        }
    }

    /// Reads the file, and remembers all files as they are.
    fn read_now(&self, watch: &mut Watch) -> Result<Contents, Box<SettingsError>> {
        // Before reading, so that no edit is missed.
        watch.stamps = self.stamps(watch);
        // What is there but can't be read is a mistake.
        let is_there = |(_, stamp): &&(_, Result<_, _>)| *stamp != Err(io::ErrorKind::NotFound);
        let found = watch.stamps.iter().take(self.places.len()).find(is_there).map(|(place, _)| place);
        let file = match found {
            Some(file) => file.clone(),
            None if self.is_named => self.places[0].clone(),
            None => match &watch.file {
                Some(file) => return Err(SettingsError::of_file(file, "it is gone")),
                None => return Ok(self.complete(Contents::default())),
            },
        };
        let mut others = Vec::new();
        let read = read(&file, self.rules.names, self.purpose, &mut others);
        for other in others {
            if watch.stamps.iter().all(|(path, _)| *path != other) {
                let stamp = stamp(&other);
                watch.stamps.push((other, stamp));
            }
        }
        watch.file = Some(file);
        let contents = read?;
        contents.options.iter().try_for_each(self.rules.check)?;
        Ok(self.complete(contents))
    }

    fn complete(&self, mut contents: Contents) -> Contents {
        contents.settings.state.clone_from(&lock(&self.state_folder));
        contents
    }

    /// Returns the files that matter, as they are now.
    fn stamps(&self, watch: &Watch) -> Stamps {
        let others = watch.stamps.iter().map(|(path, _)| path).filter(|path| !self.places.contains(path));
        self.places.iter().chain(others).map(|path| (path.clone(), stamp(path))).collect()
    }
}

fn stamp(path: &Path) -> Result<Stamp, io::ErrorKind> {
    Stamp::at(path).map_err(|error| error.kind())
}

/// Says which options have changed, since the program can't change them while it runs.
fn log_changed_options(file: &Path, before: &[OptionSetting], now: &[OptionSetting]) {
    let value = |options: &[OptionSetting], name: &str| {
        options.iter().find(|option| option.name == name).map(|option| option.values.clone())
    };
    let mut names: Vec<&str> = before.iter().chain(now).map(|option| option.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| value(before, name) != value(now, name));
    if !names.is_empty() {
        warn!("{}: changed for the next start only: {}", file.display(), names.join(", "));
    }
}
