//! A folder of compiled scripts that may be edited while calls run.
//!
//! Calls only look up scripts that have been compiled already. One loader scans the folder every 40 ms, and takes
//! files that haven't changed for 100 ms, so that no half-written file reaches a caller. An edit that doesn't compile,
//! or in which the checker finds an error, stays out: calls get the last good version.
//!
//! The loader scans because the kernel's notices (inotify) miss too much. They don't report changes made on another
//! machine (NFS) or below an overlay. A link that is swapped as a whole (as Kubernetes swaps a ConfigMap's `..data`)
//! is reported at the link and not at its files. And when there are many notices, some get lost. A scan sees all of
//! these, and costs little.

use super::compile::{LoadError, Script};
use super::fault::Fault;
use super::import;
use super::inspect::{Inspections, Inspector};
use super::language::Language;
use crate::clock::{Time, processor_time};
use crate::disk::{self, Stamp};
use crate::plural::plural;
use crate::sync::lock;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::{self, DirEntry, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// How long a file must stay unchanged before it is taken.
const SETTLE_TIME: Duration = Duration::from_millis(100);
/// The time between two scans of the folder.
const SCAN_INTERVAL: Duration = Duration::from_millis(40);
/// The interval is at least this many times the cost of a scan, so scanning takes at most a twentieth of one
/// processor.
const INTERVAL_PER_COST: u32 = 20;
/// The maximum size of a script, in bytes.
const MAX_SIZE: u64 = 512 * 1024;
/// How deeply folders may be nested, including the folder of scripts.
const MAX_DEPTH: usize = 16;

/// A folder of scripts, compiled and kept up to date. Calls only look up scripts; one loader scans the folder.
///
/// The scripts are all files that end in `.rhai`, in the folder and the folders inside it, except for hidden files
/// and tests (`.test.rhai`). Links are followed if they lead to a place inside the folder. The folder itself may be a
/// link, and may be changed to lead elsewhere.
///
/// ```
/// use agi_rhai::Host;
///
/// let (library, changes) = Host::new().library("scripts".as_ref())?;
/// for change in &changes {
///     println!("{change}"); // each script, or why it can't be used
/// }
/// let game = library.get("guess")?;
/// assert_eq!(&*game.name, "guess.rhai");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [`Server`](crate::host::fastagi::Server) keeps its library up to date. Another program does so by calling
/// [`refresh`](Self::refresh) at [`next_scan`](Self::next_scan), again and again, on a thread of its own.
pub struct Library {
    folder: PathBuf,
    language: Language,
    inspector: Option<Arc<dyn Inspector>>,
    /// For calls. It is locked only to look up a script, and to swap all of them.
    entries: RwLock<Entries>,
    /// For the loader.
    watch: Mutex<Watch>,
}

type Entries = BTreeMap<Arc<str>, Entry>;

/// One script as calls see it.
#[derive(Clone)]
struct Entry {
    /// The last good version.
    script: Option<Arc<Script>>,
    /// The error in its last edit.
    fault: Option<Arc<Fault>>,
}

/// A script that was looked up in a library.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LibraryScript {
    /// The path within the folder, with `.rhai`. A script has the same name however it was looked up.
    pub name: Arc<str>,
    /// The script. A call keeps it for as long as it runs.
    pub script: Arc<Script>,
}

/// A script in the list of a library.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedScript {
    /// The path within the folder.
    pub name: Arc<str>,
    /// The version that new calls get; `None` if the script has never been valid.
    pub version: Option<String>,
    /// The error in its last edit.
    pub fault: Option<Arc<Fault>>,
}

/// A change that a scan of the folder has found, for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// New calls get this version.
    Live {
        /// The path within the folder.
        name: Arc<str>,
        /// The version.
        version: String,
        /// The version before; the same one if a broken edit was undone.
        before: Option<String>,
    },
    /// An edit has an error, which compiling or the checker has found. It is reported once for each text.
    Broken {
        /// The path within the folder.
        name: Arc<str>,
        /// The error, in the script or one that it imports.
        fault: Arc<Fault>,
        /// The version that new calls still get.
        serving: Option<String>,
    },
    /// What the checker warns of. It is reported once, until the warnings change.
    Warned {
        /// The path within the folder.
        name: Arc<str>,
        /// The warnings.
        warnings: Vec<Fault>,
    },
    /// The file was removed.
    Removed {
        /// The path within the folder.
        name: Arc<str>,
    },
    /// A link leads out of the folder, so it isn't followed.
    Outside {
        /// The path within the folder.
        name: String,
    },
    /// A folder is nested too deeply, so it is ignored.
    TooDeep {
        /// The path within the folder.
        name: String,
    },
    /// The folder or a part of it cannot be read, so its scripts stay as they were.
    Unreadable {
        /// The path.
        what: String,
        /// The error.
        error: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { name, version, before: None } => write!(f, "{name} is live, version {version}"),
            Self::Live { name, version, before: Some(before) } if before == version => {
                write!(f, "{name} is fixed, version {version} stays live")
            }
            Self::Live { name, version, before: Some(before) } => {
                write!(f, "{name} is live, version {version} after {before}")
            }
            Self::Broken { name, fault, serving: Some(version) } => {
                write!(f, "{name} is broken, version {version} stays live: {fault}")
            }
            Self::Broken { name, fault, serving: None } => write!(f, "{name} is broken and cannot run: {fault}"),
            Self::Warned { name, warnings } => {
                write!(f, "{name} has {}", plural(warnings.len(), "warning"))
            }
            Self::Removed { name } => write!(f, "{name} was removed"),
            Self::Outside { name } => write!(f, "{name} leads out of the folder and is ignored"),
            Self::TooDeep { name } => {
                write!(f, "{name} is ignored with everything in it: folders are read {} deep", MAX_DEPTH - 1)
            }
            Self::Unreadable { what, error } => write!(f, "cannot read {what}, its scripts stay as they were: {error}"),
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Library {
    /// Reads a folder, and compiles every script in it as it is now. Returns the library and what to report.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: &Path, language: &Language, now: Time) -> io::Result<(Self, Vec<Change>)> {
        Self::open_with(folder, language, None, now)
    }

    /// Does the same, and keeps out the scripts in which the inspector finds errors.
    pub(crate) fn open_with(
        folder: &Path,
        language: &Language,
        inspector: Option<Arc<dyn Inspector>>,
        now: Time,
    ) -> io::Result<(Self, Vec<Change>)> {
        let library = Self {
            folder: folder.to_owned(),
            language: language.clone(),
            inspector,
            entries: RwLock::default(),
            watch: Mutex::default(),
        };
        let changes = library.scan(&mut library.watch(), now, true)?;
        Ok((library, changes))
    }

    /// Returns the folder it was opened with.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks up the script of this name: its path within the folder, with or without `.rhai`. This neither touches
    /// the disk nor compiles, and waits only for another look-up or a swap.
    ///
    /// # Errors
    /// There is no such script, or it has never been valid.
    pub fn get(&self, name: &str) -> Result<LibraryScript, LoadError> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get_key_value(name).or_else(|| entries.get_key_value(format!("{name}.rhai").as_str()));
        match entry {
            Some((name, Entry { script: Some(script), .. })) => {
                Ok(LibraryScript { name: Arc::clone(name), script: Arc::clone(script) })
            }
            Some((_, Entry { fault: Some(fault), .. })) => Err(LoadError::Fault(Box::new(Fault::clone(fault)))),
            _ => Err(LoadError::Missing(name.into(), io::ErrorKind::NotFound.into())),
        }
    }

    /// Lists all scripts by name.
    #[must_use]
    pub fn list(&self) -> Vec<ListedScript> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let listed = entries.iter().map(|(name, entry)| ListedScript {
            name: Arc::clone(name),
            version: entry.version(),
            fault: entry.fault.clone(),
        });
        listed.collect()
    }

    /// Scans the folder once, and compiles what hasn't changed for 100 ms. This is for the loader's thread.
    pub fn refresh(&self, now: Time) -> Vec<Change> {
        self.scan_or_report(now, false)
    }

    /// Compiles every script as it is now, whatever the times of the files are. This is for the loader's thread.
    pub fn reload(&self, now: Time) -> Vec<Change> {
        self.scan_or_report(now, true)
    }

    /// Returns when [`refresh`](Self::refresh) should be called again. The interval varies: a file that has changed
    /// is checked again after exactly 100 ms, and a huge folder is scanned less often.
    #[must_use]
    pub fn next_scan(&self) -> Time {
        self.watch().next
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        lock(&self.watch)
    }

    fn scan_or_report(&self, now: Time, at_once: bool) -> Vec<Change> {
        let mut watch = self.watch();
        self.scan(&mut watch, now, at_once).unwrap_or_else(|error| {
            let what = self.folder.display().to_string();
            let change = Change::Unreadable { what, error: error.to_string() };
            watch.next = now + SCAN_INTERVAL;
            watch.report(&[change], now, at_once)
        })
    }

    /// Scans the folder, and compiles what is due; with `at_once`, everything.
    fn scan(&self, watch: &mut Watch, now: Time, at_once: bool) -> io::Result<Vec<Change>> {
        let began = processor_time();
        let scan = Scan::of(&self.folder)?;
        if scan.found.is_empty() && !watch.tracked.is_empty() && scan.folder != watch.folder {
            // The folder was unmounted, for instance.
            return Err(io::Error::other("an empty folder has taken its place"));
        }
        watch.folder = scan.folder;
        watch.forget_notices(&scan.notices);
        let mut changes = watch.report(&scan.notices, now, at_once);
        let has_changed = watch.note(scan, now);
        let cost = Duration::from_nanos(u64::try_from(processor_time() - began).unwrap_or(0));
        if has_changed || watch.is_pending || at_once {
            self.compile(watch, now, at_once, &mut changes);
            watch.settle(now);
        }
        let changed_at = watch.files.values().map(|file| file.since).chain(watch.notices.values().copied());
        let settled = changed_at.map(|since| since + SETTLE_TIME).filter(|time| *time > now).min();
        watch.next = (now + SCAN_INTERVAL.max(cost * INTERVAL_PER_COST)).min(settled.unwrap_or(Time::NEVER));
        Ok(changes)
    }

    /// Compiles what is due, and then swaps all of it at once.
    fn compile(&self, watch: &mut Watch, now: Time, at_once: bool, changes: &mut Vec<Change>) {
        let due = watch.tracked.iter().filter(|(_, tracked)| at_once || tracked.is_due(&watch.files, now));
        let due: Vec<Arc<str>> = due.map(|(name, _)| Arc::clone(name)).collect();
        if due.is_empty() {
            return;
        }
        let mut entries = self.entries.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut inspections = Inspections::new(self.inspector.as_deref(), true);
        for name in due {
            let path = self.folder.join(&*name);
            if watch.files.get(&path).is_none_or(|file| file.stamp.is_none()) {
                watch.tracked.remove(&name);
                changes.extend(entries.remove(&name).map(|_| Change::Removed { name }));
                continue;
            }
            let mut reader = Reader::new(&mut watch.files, now, at_once);
            let load = || inspections.load(&mut reader, &path, Some(&self.folder), &self.language);
            let shown = path.to_string_lossy();
            let result = match catch_unwind(AssertUnwindSafe(load)) {
                Ok(Ok(loaded)) => Ok(loaded),
                Ok(Err(LoadError::Fault(fault))) => Err(fault),
                Ok(Err(LoadError::Missing(_, error))) => {
                    Err(Box::new(Fault::new(&shown, format!("cannot read it: {error}"))))
                }
                Err(panic) => Err(Fault::of_panic(&shown, "compiling it", &*panic)),
            };
            let Reader { made_of, texts, is_settled, must_wait, .. } = reader;
            let Some(tracked) = watch.tracked.get_mut(&name) else { continue };
            tracked.made_of = made_of;
            tracked.is_settled = is_settled && !must_wait;
            if must_wait {
                continue;
            }
            let entry = entries.entry(Arc::clone(&name)).or_insert(Entry { script: None, fault: None });
            changes.extend(tracked.update(entry, name, result, texts));
        }
        let mut served = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *served, &mut entries);
        // Unlocks before the old entries are dropped, which may take a while.
        drop(served);
    }
}

impl Entry {
    fn version(&self) -> Option<String> {
        self.script.as_ref().map(|script| script.version().to_owned())
    }
}

/// The state of the loader.
#[derive(Default)]
struct Watch {
    /// Every file of which a script consists, and every place where one was searched for in vain.
    files: FileStates,
    tracked: BTreeMap<Arc<str>, Tracked>,
    /// The problems of the folder, and when they were first seen.
    notices: BTreeMap<String, Time>,
    /// The problems that were reported.
    reported: HashSet<String>,
    /// Device and inode of the folder.
    folder: (u64, u64),
    /// How many scans there have been.
    scans: u64,
    next: Time,
    /// Whether something must be compiled although nothing has changed since the last scan.
    is_pending: bool,
}

type FileStates = HashMap<PathBuf, FileState>;

/// A file as it was last seen.
struct FileState {
    /// `None` if there is no file.
    stamp: Option<Stamp>,
    since: Time,
    /// The last scan that saw it.
    scan: u64,
}

impl FileState {
    fn is_settled(&self, now: Time) -> bool {
        now - self.since >= SETTLE_TIME
    }
}

/// Returns the stamp of a file, if the file really is below this folder.
fn stamp_within(root: &Path, path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
    path.canonicalize().is_ok_and(|real| real.starts_with(root)).then(|| Stamp::of(&metadata))
}

/// One script as the loader sees it.
struct Tracked {
    /// The files that it consists of, or that were searched for, as they were then.
    made_of: Vec<(PathBuf, Option<Stamp>)>,
    /// Whether the files were settled then, so that there is nothing to do until one of them changes.
    is_settled: bool,
    /// A hash of the broken text that was reported.
    reported: Option<u64>,
    /// The warnings that were reported.
    warned: Vec<Fault>,
}

impl Tracked {
    fn is_due(&self, files: &FileStates, now: Time) -> bool {
        let mut is_due = !self.is_settled;
        for (path, stamp) in &self.made_of {
            if let Some(file) = files.get(path) {
                if !file.is_settled(now) {
                    return false;
                }
                is_due |= file.stamp != *stamp;
            }
        }
        is_due
    }

    /// Updates the entry with what was compiled, and returns the changes to report.
    fn update(
        &mut self,
        entry: &mut Entry,
        name: Arc<str>,
        compiled: Result<(Script, Vec<Fault>), Box<Fault>>,
        mut texts: DefaultHasher,
    ) -> Vec<Change> {
        let before = entry.version();
        match compiled {
            Ok((script, warnings)) => {
                self.reported = None;
                let was_broken = entry.fault.take().is_some();
                let version = script.version.clone();
                let is_new = entry.script.as_ref().is_none_or(|old| !old.is_same_as(&script));
                if is_new {
                    entry.script = Some(Arc::new(script));
                }
                let warned = (warnings != self.warned && !warnings.is_empty())
                    .then(|| Change::Warned { name: Arc::clone(&name), warnings: warnings.clone() });
                self.warned = warnings;
                let live = (is_new || was_broken).then_some(Change::Live { name, version, before });
                live.into_iter().chain(warned).collect()
            }
            Err(fault) => {
                fault.to_string().hash(&mut texts);
                let text = Some(texts.finish());
                let fault = Arc::new(*fault);
                entry.fault = Some(Arc::clone(&fault));
                let is_new = self.reported != text;
                self.reported = text;
                is_new.then_some(Change::Broken { name, fault, serving: before }).into_iter().collect()
            }
        }
    }
}

impl Watch {
    /// Notes what a scan has seen. Returns whether anything has changed.
    fn note(&mut self, scan: Scan, now: Time) -> bool {
        self.scans += 1;
        let (scans, mut has_changed) = (self.scans, false);
        let mut note = |file: &mut FileState, stamp: Option<Stamp>| {
            file.scan = scans;
            if file.stamp != stamp {
                (file.stamp, file.since) = (stamp, now);
                has_changed = true;
            }
        };
        for (name, path, stamp) in scan.found {
            if !self.tracked.contains_key(name.as_str()) {
                let tracked = Tracked {
                    made_of: vec![(path.clone(), None)],
                    is_settled: false,
                    reported: None,
                    warned: Vec::new(),
                };
                self.tracked.insert(name.into(), tracked);
                self.is_pending = true;
            }
            let unknown = FileState { stamp: None, since: now, scan: 0 };
            note(self.files.entry(path).or_insert(unknown), Some(stamp));
        }
        // Hidden files that are imported, places where an import was searched for, and files that were removed.
        for (path, file) in self.files.iter_mut().filter(|(_, file)| file.scan != scans) {
            if !scan.unreadable.iter().any(|unreadable| path.starts_with(unreadable)) {
                note(file, stamp_within(&scan.root, path));
            }
        }
        has_changed
    }

    /// Forgets the files that no longer belong to any script.
    fn settle(&mut self, now: Time) {
        let scans = self.scans;
        let used: HashSet<&Path> =
            self.tracked.values().flat_map(|tracked| &tracked.made_of).map(|(path, _)| path.as_path()).collect();
        self.files.retain(|path, file| {
            used.contains(path.as_path()) || !file.is_settled(now) || (file.scan == scans && file.stamp.is_some())
        });
        self.is_pending = self.files.values().any(|file| !file.is_settled(now))
            || self.tracked.values().any(|tracked| !tracked.is_settled);
    }

    /// Forgets the problems that are over, so that they will be reported again if they come back.
    fn forget_notices(&mut self, seen: &[Change]) {
        let seen: HashSet<String> = seen.iter().map(ToString::to_string).collect();
        self.notices.retain(|text, _| seen.contains(text));
        self.reported.retain(|text| seen.contains(text));
    }

    /// Returns the problems that have lasted for a while and haven't been reported yet. In the middle of a swap there
    /// are many for a moment.
    fn report(&mut self, seen: &[Change], now: Time, at_once: bool) -> Vec<Change> {
        let news = seen.iter().filter(|change| {
            let text = change.to_string();
            let since = *self.notices.entry(text.clone()).or_insert(now);
            (at_once || now - since >= SETTLE_TIME) && self.reported.insert(text)
        });
        news.cloned().collect()
    }
}

/// Reads files for the compiler, if they are settled and still as the last scan saw them.
struct Reader<'a> {
    files: &'a mut FileStates,
    now: Time,
    /// Whether files that aren't settled are taken too.
    at_once: bool,
    made_of: Vec<(PathBuf, Option<Stamp>)>,
    texts: DefaultHasher,
    /// Whether everything was settled and readable, so that what was compiled stays valid until something changes.
    is_settled: bool,
    /// Whether what was compiled must not be used: a file isn't settled, or isn't as the scan saw it.
    must_wait: bool,
}

impl<'a> Reader<'a> {
    fn new(files: &'a mut FileStates, now: Time, at_once: bool) -> Self {
        let (made_of, texts) = (Vec::new(), DefaultHasher::new());
        Self { files, now, at_once, made_of, texts, is_settled: true, must_wait: false }
    }

    fn note(&mut self, is_settled: bool) {
        self.is_settled &= is_settled;
        self.must_wait |= !is_settled && !self.at_once;
    }

    fn bytes(&mut self, path: &Path, expected: Option<Stamp>) -> io::Result<Vec<u8>> {
        // By now it may be a pipe, and opening a pipe would wait.
        let file = disk::open_without_waiting(path)?;
        let before = file.metadata()?;
        if before.size() > MAX_SIZE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 512 KiB"));
        }
        let mut bytes = Vec::new();
        (&file).take(MAX_SIZE).read_to_end(&mut bytes)?;
        let after = Stamp::of(&file.metadata()?);
        self.must_wait |= !before.is_file() || Some(Stamp::of(&before)) != expected || Some(after) != expected;
        Ok(bytes)
    }
}

impl import::Files for Reader<'_> {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let now = self.now;
        // No scan has seen a hidden file before it is first imported.
        let file = self.files.entry(path.to_owned()).or_insert_with(|| FileState {
            stamp: Stamp::at(path).ok(),
            since: now,
            scan: 0,
        });
        let expected = file.stamp;
        let is_settled = file.is_settled(now);
        self.made_of.push((path.to_owned(), expected));
        self.note(is_settled);
        if self.must_wait {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = self.bytes(path, expected);
        match &result {
            Ok(bytes) => bytes.hash(&mut self.texts),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.must_wait = true,
            // Whatever fixes these changes the stamp of the file.
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData) => {}
            // Too many open files, for instance.
            Err(_) => self.is_settled = false,
        }
        result
    }

    fn missed(&mut self, path: &Path) {
        let settled = FileState { stamp: None, since: Time::default(), scan: 0 };
        let file = self.files.entry(path.to_owned()).or_insert(settled);
        self.must_wait |= file.stamp.is_some();
        let is_settled = file.is_settled(self.now);
        self.made_of.push((path.to_owned(), None));
        self.note(is_settled);
    }
}

/// A scan of the folder.
struct Scan {
    /// The folder without links.
    root: PathBuf,
    /// Device and inode of the folder.
    folder: (u64, u64),
    /// Name, path and state of every script.
    found: Vec<(String, PathBuf, Stamp)>,
    /// The places that can't be read.
    unreadable: Vec<PathBuf>,
    /// The problems of the folder.
    notices: Vec<Change>,
    /// Device and inode of the folders being walked, to notice a link to one of them.
    open: Vec<(u64, u64)>,
}

impl Scan {
    fn of(folder: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(folder)?;
        let mut scan = Self {
            root: folder.canonicalize()?,
            folder: (metadata.dev(), metadata.ino()),
            found: Vec::new(),
            unreadable: Vec::new(),
            notices: Vec::new(),
            open: Vec::new(),
        };
        scan.walk(folder, "", &metadata)?;
        Ok(scan)
    }

    fn walk(&mut self, folder: &Path, prefix: &str, metadata: &Metadata) -> io::Result<()> {
        let own = (metadata.dev(), metadata.ino());
        if self.open.contains(&own) {
            return Ok(());
        }
        if self.open.len() == MAX_DEPTH {
            self.notices.push(Change::TooDeep { name: prefix.trim_end_matches('/').to_owned() });
            return Ok(());
        }
        self.open.push(own);
        let walked = fs::read_dir(folder).and_then(|mut entries| {
            entries.try_for_each(|entry| {
                self.visit(&entry?, prefix);
                Ok(())
            })
        });
        self.open.pop();
        walked
    }

    fn visit(&mut self, entry: &DirEntry, prefix: &str) {
        let name = entry.file_name();
        // Calls name scripts by text, so a name must be UTF-8.
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { return };
        let is_script = name.strip_suffix(".rhai").is_some_and(|stem| stem.strip_suffix(".test").is_none());
        let path = entry.path();
        if let Err(error) = self.enter(entry, format!("{prefix}{name}"), &path, is_script)
            // Otherwise it was removed meanwhile, or is a link to nothing.
            && error.kind() != io::ErrorKind::NotFound
        {
            self.notices.push(Change::Unreadable { what: path.display().to_string(), error: error.to_string() });
            self.unreadable.push(path);
        }
    }

    fn enter(&mut self, entry: &DirEntry, name: String, path: &Path, is_script: bool) -> io::Result<()> {
        let kind = entry.file_type()?;
        if kind.is_file() && !is_script {
            return Ok(());
        }
        let metadata = if kind.is_symlink() { fs::metadata(path)? } else { entry.metadata()? };
        let wanted = if metadata.is_file() { is_script } else { metadata.is_dir() };
        if !wanted {
            return Ok(());
        }
        if kind.is_symlink() && !path.canonicalize()?.starts_with(&self.root) {
            self.notices.push(Change::Outside { name });
            return Ok(());
        }
        if metadata.is_dir() {
            return self.walk(path, &format!("{name}/"), &metadata);
        }
        self.found.push((name, path.to_owned(), Stamp::of(&metadata)));
        Ok(())
    }
}
