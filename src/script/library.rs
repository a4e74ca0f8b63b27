//! A folder of scripts, compiled, that is edited while calls run.
//!
//! Calls only look up what is compiled already. One loader looks at the folder every 40 ms and takes what it has seen
//! unchanged for 100 ms, so that a file in the middle of being written reaches no caller.
//!
//! It looks instead of being told, since the kernel's notices (inotify) leave out what matters here: nothing is heard
//! of changes made on another machine (NFS) or below an overlay, a link swapped as a whole (as Kubernetes does with a
//! ConfigMap's `..data`) is noticed where the link is and not where its files are, and notices get lost when there are
//! many. A look sees them all alike, and costs little.

use super::compile::{LoadError, Script};
use super::fault::Fault;
use super::import::Files;
use super::language::Language;
use super::limits::processor_time;
use crate::clock::Time;
use rustix::fs::OFlags;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::{self, DirEntry, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// A file is taken when it has not changed for so long.
const QUIET: Duration = Duration::from_millis(100);
/// The folder is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// And so much less often than a look takes: at most a twentieth of one processor.
const SHARE: u32 = 20;
/// No script is larger.
const MOST_BYTES: u64 = 512 * 1024;
/// Folders in folders.
const DEEPEST: usize = 16;

/// A folder of scripts, compiled and kept up to date. Calls only look up; one loader looks at the folder.
///
/// The scripts are all files that end in `.rhai`, also in folders within, but neither hidden ones nor tests
/// (`.test.rhai`). Links are followed where they lead to a place in the folder; the folder itself may be a link, and be
/// led elsewhere.
pub struct Library {
    folder: PathBuf,
    language: Language,
    /// For the calls; locked only to look something up or to swap it.
    shelves: RwLock<Shelves>,
    /// For the loader.
    watch: Mutex<Watch>,
}

type Shelves = BTreeMap<Arc<str>, Shelf>;

/// What there is of one script.
#[derive(Clone)]
struct Shelf {
    /// The last good one.
    script: Option<Arc<Script>>,
    /// What is wrong with its last edit.
    fault: Option<Arc<Fault>>,
}

/// A script of a library.
#[derive(Clone, Debug)]
pub struct Found {
    /// The path within the folder, with `.rhai`: one name for all the ways to ask for it.
    pub name: Arc<str>,
    /// The script, the caller's for as long as it runs.
    pub script: Arc<Script>,
}

/// A script in the list of all.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The path within the folder.
    pub name: Arc<str>,
    /// The version that runs; `None` if it has never been good.
    pub version: Option<String>,
    /// What is wrong with its last edit.
    pub fault: Option<Arc<Fault>>,
}

/// What a look at the folder has changed, for the log.
#[derive(Clone, Debug)]
pub enum Change {
    /// New calls get this version.
    Live {
        /// The path within the folder.
        name: Arc<str>,
        /// What they get now.
        version: String,
        /// What they got before; the same when a broken edit was taken back.
        before: Option<String>,
    },
    /// An edit is not right. It is told once for each text.
    Broken {
        /// The path within the folder.
        name: Arc<str>,
        /// What is wrong, in it or in what it imports.
        fault: Arc<Fault>,
        /// What new calls get still.
        serving: Option<String>,
    },
    /// The file is gone.
    Removed {
        /// The path within the folder.
        name: Arc<str>,
    },
    /// A link leads out of the folder, and is not followed.
    Outside {
        /// The path within the folder.
        name: String,
    },
    /// A folder is too deep below the others, and is left out with all in it.
    TooDeep {
        /// The path within the folder.
        name: String,
    },
    /// The folder or a part of it cannot be read: all that was there stays.
    Unreadable {
        /// The path.
        what: String,
        /// Why not.
        error: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { name, version, before: None } => write!(f, "{name} is live, version {version}"),
            Self::Live { name, version, before: Some(before) } if before == version => {
                write!(f, "{name} is mended, version {version} goes on")
            }
            Self::Live { name, version, before: Some(before) } => {
                write!(f, "{name} is live, version {version} after {before}")
            }
            Self::Broken { name, fault, serving: Some(version) } => {
                write!(f, "{name} is broken, version {version} goes on: {fault}")
            }
            Self::Broken { name, fault, serving: None } => write!(f, "{name} is broken and cannot run: {fault}"),
            Self::Removed { name } => write!(f, "{name} is gone"),
            Self::Outside { name } => write!(f, "{name} leads out of the folder and is left out"),
            Self::TooDeep { name } => {
                write!(f, "{name} is left out with all in it: folders are looked into {} deep", DEEPEST - 1)
            }
            Self::Unreadable { what, error } => write!(f, "cannot read {what}, what was there stays: {error}"),
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Library {
    /// Reads a folder and compiles every script in it, as they are at this moment; tells also what there is to tell.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: &Path, language: &Language, now: Time) -> io::Result<(Self, Vec<Change>)> {
        let library = Self {
            folder: folder.to_owned(),
            language: language.clone(),
            shelves: RwLock::default(),
            watch: Mutex::default(),
        };
        let changes = library.take(&mut library.watch(), now, true)?;
        Ok((library, changes))
    }

    /// The folder it was opened with.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The script of this name: its path within the folder, in which `.rhai` may be left out. Never touches the disk,
    /// never compiles, and waits for nothing but another look-up or a swap.
    ///
    /// # Errors
    /// There is none, or it has never been right.
    pub fn get(&self, name: &str) -> Result<Found, LoadError> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let place = shelves.get_key_value(name).or_else(|| shelves.get_key_value(format!("{name}.rhai").as_str()));
        match place {
            Some((name, Shelf { script: Some(script), .. })) => {
                Ok(Found { name: Arc::clone(name), script: Arc::clone(script) })
            }
            Some((_, Shelf { fault: Some(fault), .. })) => Err(LoadError::Fault(Box::new(Fault::clone(fault)))),
            _ => Err(LoadError::Missing(name.into(), io::ErrorKind::NotFound.into())),
        }
    }

    /// All scripts, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let listed = shelves.iter().map(|(name, place)| Listed {
            name: Arc::clone(name),
            version: place.version(),
            fault: place.fault.clone(),
        });
        listed.collect()
    }

    /// One look at the folder; compiles what has not changed for 100 ms. For the loader's thread.
    pub fn refresh(&self, now: Time) -> Vec<Change> {
        self.take_or_tell(now, false)
    }

    /// Takes everything as it is now and compiles all anew, whatever the files' times say. For the loader's thread.
    pub fn reload(&self, now: Time) -> Vec<Change> {
        self.take_or_tell(now, true)
    }

    /// When [`refresh`](Self::refresh) is to be called again. It is not always the same length: what has changed is
    /// looked at again after exactly 100 ms, and a huge folder less often.
    #[must_use]
    pub fn next_look(&self) -> Time {
        self.watch().next
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_or_tell(&self, now: Time, at_once: bool) -> Vec<Change> {
        let mut watch = self.watch();
        self.take(&mut watch, now, at_once).unwrap_or_else(|error| {
            let what = self.folder.display().to_string();
            let change = Change::Unreadable { what, error: error.to_string() };
            watch.next = now + LOOK_EVERY;
            watch.tell(&[change], now, at_once)
        })
    }

    fn take(&self, watch: &mut Watch, now: Time, at_once: bool) -> io::Result<Vec<Change>> {
        let began = processor_time();
        let look = Look::at(&self.folder)?;
        if look.found.is_empty() && !watch.books.is_empty() && look.folder != watch.folder {
            // A place where something was mounted, say.
            return Err(io::Error::other("another folder is in its place, an empty one"));
        }
        watch.folder = look.folder;
        watch.forget_notices(&look.notices);
        let mut changes = watch.tell(&look.notices, now, at_once);
        let moved = watch.see(look, now);
        let cost = Duration::from_nanos(u64::try_from(processor_time() - began).unwrap_or(0));
        if moved || watch.restless || at_once {
            self.compile(watch, now, at_once, &mut changes);
            watch.settle(now);
        }
        let again = watch.sights.values().map(|sight| sight.since).chain(watch.notices.values().copied());
        let again = again.map(|since| since + QUIET).filter(|time| *time > now).min();
        watch.next = (now + LOOK_EVERY.max(cost * SHARE)).min(again.unwrap_or(Time::NEVER));
        Ok(changes)
    }

    /// Compiles what is due aside, and swaps all of it at once.
    fn compile(&self, watch: &mut Watch, now: Time, at_once: bool, changes: &mut Vec<Change>) {
        let due = watch.books.iter().filter(|(_, book)| at_once || book.is_due(&watch.sights, now));
        let due: Vec<Arc<str>> = due.map(|(name, _)| Arc::clone(name)).collect();
        if due.is_empty() {
            return;
        }
        let mut shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner).clone();
        for name in due {
            let path = self.folder.join(&*name);
            if watch.sights.get(&path).is_none_or(|sight| sight.stamp.is_none()) {
                watch.books.remove(&name);
                changes.extend(shelves.remove(&name).map(|_| Change::Removed { name }));
                continue;
            }
            let mut reader = Reader::new(&mut watch.sights, now, at_once);
            let load = || Script::load_from(&mut reader, &path, Some(&self.folder), &self.language);
            let shown = path.to_string_lossy();
            let result = match catch_unwind(AssertUnwindSafe(load)) {
                Ok(Ok(script)) => Ok(script),
                Ok(Err(LoadError::Fault(fault))) => Err(fault),
                Ok(Err(LoadError::Missing(_, error))) => {
                    Err(Box::new(Fault::new(&shown, format!("cannot read it: {error}"))))
                }
                Err(panic) => Err(Fault::of_panic(&shown, "compiling it", &*panic)),
            };
            let Reader { made_of, texts, settled, waits, .. } = reader;
            let Some(book) = watch.books.get_mut(&name) else { continue };
            book.made_of = made_of;
            book.settled = settled && !waits;
            if waits {
                continue;
            }
            let place = shelves.entry(Arc::clone(&name)).or_insert(Shelf { script: None, fault: None });
            changes.extend(book.put(place, name, result, texts));
        }
        let mut served = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *served, &mut shelves);
        // Before what was there is dropped, which may take a while.
        drop(served);
    }
}

impl Shelf {
    fn version(&self) -> Option<String> {
        self.script.as_ref().map(|script| script.version().to_owned())
    }
}

/// What the loader knows.
#[derive(Default)]
struct Watch {
    /// Every file a script was made of, and those that were looked for in vain.
    sights: Sights,
    books: BTreeMap<Arc<str>, Book>,
    /// What is odd about the folder, and since when.
    notices: BTreeMap<String, Time>,
    told: HashSet<String>,
    /// Device and inode of the folder.
    folder: (u64, u64),
    looks: u64,
    next: Time,
    /// Something is to be taken that has not moved since the last look.
    restless: bool,
}

type Sights = HashMap<PathBuf, Sight>;

/// A file as it was last seen.
struct Sight {
    /// `None` where there is none.
    stamp: Option<Stamp>,
    since: Time,
    look: u64,
}

impl Sight {
    fn is_quiet(&self, now: Time) -> bool {
        now - self.since >= QUIET
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of a file that really is below this folder.
    fn within(root: &Path, path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        path.canonicalize().is_ok_and(|real| real.starts_with(root)).then(|| Self::of(&metadata))
    }
}

/// What the loader knows of one script.
struct Book {
    /// The files it was made of or looked for, as they were then.
    made_of: Vec<(PathBuf, Option<Stamp>)>,
    /// They were quiet then, so that nothing is to be done until one changes.
    settled: bool,
    /// The broken text that was told.
    told: Option<u64>,
}

impl Book {
    fn is_due(&self, sights: &Sights, now: Time) -> bool {
        let mut changed = !self.settled;
        for (path, stamp) in &self.made_of {
            if let Some(sight) = sights.get(path) {
                if !sight.is_quiet(now) {
                    return false;
                }
                changed |= sight.stamp != *stamp;
            }
        }
        changed
    }

    /// Puts what was made on the shelf; tells what is new.
    fn put(
        &mut self,
        place: &mut Shelf,
        name: Arc<str>,
        made: Result<Script, Box<Fault>>,
        mut texts: DefaultHasher,
    ) -> Option<Change> {
        let before = place.version();
        match made {
            Ok(script) => {
                self.told = None;
                let mended = place.fault.take().is_some();
                if place.script.as_ref().is_some_and(|old| old.is_same_as(&script)) {
                    return mended.then(|| Change::Live { name, version: script.version.clone(), before });
                }
                let version = script.version.clone();
                place.script = Some(Arc::new(script));
                Some(Change::Live { name, version, before })
            }
            Err(fault) => {
                fault.to_string().hash(&mut texts);
                let text = Some(texts.finish());
                let fault = Arc::new(*fault);
                place.fault = Some(Arc::clone(&fault));
                let news = self.told != text;
                self.told = text;
                news.then_some(Change::Broken { name, fault, serving: before })
            }
        }
    }
}

impl Watch {
    /// Notes what a look has seen; whether anything is not as it was.
    fn see(&mut self, look: Look, now: Time) -> bool {
        self.looks += 1;
        let (looks, mut moved) = (self.looks, false);
        let mut note = |sight: &mut Sight, stamp: Option<Stamp>| {
            sight.look = looks;
            if sight.stamp != stamp {
                (sight.stamp, sight.since) = (stamp, now);
                moved = true;
            }
        };
        for (name, path, stamp) in look.found {
            if !self.books.contains_key(name.as_str()) {
                let book = Book { made_of: vec![(path.clone(), None)], settled: false, told: None };
                self.books.insert(name.into(), book);
                self.restless = true;
            }
            let unknown = Sight { stamp: None, since: now, look: 0 };
            note(self.sights.entry(path).or_insert(unknown), Some(stamp));
        }
        // Hidden files that are imported, places where an import was looked for, and what is gone.
        for (path, sight) in self.sights.iter_mut().filter(|(_, sight)| sight.look != looks) {
            if !look.unseen.iter().any(|unseen| path.starts_with(unseen)) {
                note(sight, Stamp::within(&look.root, path));
            }
        }
        moved
    }

    /// Forgets the files no script is made of any more.
    fn settle(&mut self, now: Time) {
        let looks = self.looks;
        let used: HashSet<&Path> =
            self.books.values().flat_map(|book| &book.made_of).map(|(path, _)| path.as_path()).collect();
        self.sights.retain(|path, sight| {
            used.contains(path.as_path()) || !sight.is_quiet(now) || (sight.look == looks && sight.stamp.is_some())
        });
        self.restless =
            self.sights.values().any(|sight| !sight.is_quiet(now)) || self.books.values().any(|book| !book.settled);
    }

    /// What is no longer odd is told again when it comes back.
    fn forget_notices(&mut self, seen: &[Change]) {
        let seen: HashSet<String> = seen.iter().map(ToString::to_string).collect();
        self.notices.retain(|text, _| seen.contains(text));
        self.told.retain(|text| seen.contains(text));
    }

    /// Picks what has been odd for a while and was not told yet: half way through a swap much is odd.
    fn tell(&mut self, seen: &[Change], now: Time, at_once: bool) -> Vec<Change> {
        let news = seen.iter().filter(|change| {
            let text = change.to_string();
            let since = *self.notices.entry(text.clone()).or_insert(now);
            (at_once || now - since >= QUIET) && self.told.insert(text)
        });
        news.cloned().collect()
    }
}

/// Reads files for the compiler, if they are as the last look has seen them, and quiet.
struct Reader<'a> {
    sights: &'a mut Sights,
    now: Time,
    /// What is not quiet is taken too.
    at_once: bool,
    made_of: Vec<(PathBuf, Option<Stamp>)>,
    texts: DefaultHasher,
    /// All was quiet and could be read: what was made stays right until something changes.
    settled: bool,
    /// What was made is not to be taken: something is not quiet, or no longer what the look has seen.
    waits: bool,
}

impl<'a> Reader<'a> {
    fn new(sights: &'a mut Sights, now: Time, at_once: bool) -> Self {
        let (made_of, texts) = (Vec::new(), DefaultHasher::new());
        Self { sights, now, at_once, made_of, texts, settled: true, waits: false }
    }

    fn note(&mut self, quiet: bool) {
        self.settled &= quiet;
        self.waits |= !quiet && !self.at_once;
    }

    fn bytes(&mut self, path: &Path, expected: Option<Stamp>) -> io::Result<Vec<u8>> {
        // Were it a pipe by now, opening it would wait.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let before = file.metadata()?;
        if before.size() > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 512 KiB"));
        }
        let mut bytes = Vec::new();
        (&file).take(MOST_BYTES).read_to_end(&mut bytes)?;
        let after = Stamp::of(&file.metadata()?);
        self.waits |= !before.is_file() || Some(Stamp::of(&before)) != expected || Some(after) != expected;
        Ok(bytes)
    }
}

impl Files for Reader<'_> {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let now = self.now;
        // A hidden file that is imported for the first time has not been looked at before.
        let sight = self.sights.entry(path.to_owned()).or_insert_with(|| Sight {
            stamp: fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata)),
            since: now,
            look: 0,
        });
        let expected = sight.stamp;
        let quiet = sight.is_quiet(now);
        self.made_of.push((path.to_owned(), expected));
        self.note(quiet);
        if self.waits {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = self.bytes(path, expected);
        match &result {
            Ok(bytes) => bytes.hash(&mut self.texts),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.waits = true,
            // What mends these changes the file's stamp.
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData) => {}
            // Too many open files, say.
            Err(_) => self.settled = false,
        }
        result
    }

    fn missed(&mut self, path: &Path) {
        let quiet = Sight { stamp: None, since: Time::default(), look: 0 };
        let sight = self.sights.entry(path.to_owned()).or_insert(quiet);
        self.waits |= sight.stamp.is_some();
        let quiet = sight.is_quiet(self.now);
        self.made_of.push((path.to_owned(), None));
        self.note(quiet);
    }
}

/// What is in the folder at one moment.
struct Look {
    /// The folder without links.
    root: PathBuf,
    /// Device and inode of the folder.
    folder: (u64, u64),
    /// Name, path and state of every script.
    found: Vec<(String, PathBuf, Stamp)>,
    /// Where nothing could be seen.
    unseen: Vec<PathBuf>,
    notices: Vec<Change>,
    /// The folders that are being walked, to notice a link to one of them.
    above: Vec<(u64, u64)>,
}

impl Look {
    fn at(folder: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(folder)?;
        let mut look = Self {
            root: folder.canonicalize()?,
            folder: (metadata.dev(), metadata.ino()),
            found: Vec::new(),
            unseen: Vec::new(),
            notices: Vec::new(),
            above: Vec::new(),
        };
        look.walk(folder, "", &metadata)?;
        Ok(look)
    }

    fn walk(&mut self, folder: &Path, prefix: &str, metadata: &Metadata) -> io::Result<()> {
        let own = (metadata.dev(), metadata.ino());
        if self.above.contains(&own) {
            return Ok(());
        }
        if self.above.len() == DEEPEST {
            self.notices.push(Change::TooDeep { name: prefix.trim_end_matches('/').to_owned() });
            return Ok(());
        }
        self.above.push(own);
        let walked = fs::read_dir(folder).and_then(|mut entries| {
            entries.try_for_each(|entry| {
                self.meet(&entry?, prefix);
                Ok(())
            })
        });
        self.above.pop();
        walked
    }

    fn meet(&mut self, entry: &DirEntry, prefix: &str) {
        let name = entry.file_name();
        // A call asks for a script by text.
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { return };
        let script = name.strip_suffix(".rhai").is_some_and(|stem| stem.strip_suffix(".test").is_none());
        let path = entry.path();
        if let Err(error) = self.enter(entry, format!("{prefix}{name}"), &path, script)
            // It has vanished since, or is a link to nothing.
            && error.kind() != io::ErrorKind::NotFound
        {
            self.notices.push(Change::Unreadable { what: path.display().to_string(), error: error.to_string() });
            self.unseen.push(path);
        }
    }

    fn enter(&mut self, entry: &DirEntry, name: String, path: &Path, script: bool) -> io::Result<()> {
        let kind = entry.file_type()?;
        if kind.is_file() && !script {
            return Ok(());
        }
        let metadata = if kind.is_symlink() { fs::metadata(path)? } else { entry.metadata()? };
        let wanted = if metadata.is_file() { script } else { metadata.is_dir() };
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
