//! Reads and changes the files of a folder, none of which is elsewhere: every path is followed within it, link by link.

use super::names::{self, Kind};
use super::page::hex;
use crate::files::{SearchLimits, search};
use agi_rhai::internals::config::FILE_NAME;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use hyper::StatusCode;
use rustix::fs::{OFlags, RenameFlags, fchown, renameat_with};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The largest text, and the largest sound, in bytes.
pub const LARGEST_TEXT: u64 = 2 << 20;
const LARGEST_SOUND: u64 = 64 << 20;
/// How many files and folders are looked at: somebody may open a home folder.
const ENTRIES: usize = 20_000;

/// A folder of scripts.
pub struct Folder {
    path: PathBuf,
    /// Held from the look at a file to its change, so that two pages don't write over each other.
    changing: Mutex<()>,
}

/// A text, and the hash of its bytes, by which a change of it says what it is a change of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    pub text: String,
    pub hash: String,
}

/// Why a file isn't read or changed.
#[derive(Debug)]
pub enum Refusal {
    /// What would be right.
    Name(String),
    Missing,
    Exists,
    /// It is another one than the page believes: what it is now, if it is a text.
    Changed(Option<Text>),
    /// It can't be edited here, and why.
    Unfit(&'static str),
    System(io::Error),
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Name(_) => StatusCode::BAD_REQUEST,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Exists => StatusCode::CONFLICT,
            Self::Changed(_) => StatusCode::PRECONDITION_FAILED,
            Self::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::System(error) if error.kind() == ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
            Self::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(right) => write!(f, "not a name for a file here: {right}"),
            Self::Missing => f.write_str("there is no such file"),
            Self::Exists => f.write_str("there is such a file already"),
            Self::Changed(_) => f.write_str("the file has been changed elsewhere"),
            Self::Unfit(why) => f.write_str(why),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            ErrorKind::AlreadyExists => Self::Exists,
            // A path that leaves the folder has no number of the system.
            ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
                Self::Unfit("it is a link out of the folder")
            }
            _ if Errno::from_io_error(&error) == Some(Errno::LOOP) => Self::Unfit("it is a link to itself"),
            _ => Self::System(error),
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl Folder {
    /// # Errors
    /// There is no such folder, or it can't be read.
    pub fn new(path: &Path) -> io::Result<Self> {
        let folder = Self { path: std::path::absolute(path)?.components().collect(), changing: Mutex::new(()) };
        folder.dir()?.entries()?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the operator's file is here, which the studio doesn't read: it holds secrets.
    pub fn has_config(&self) -> bool {
        self.path.join(FILE_NAME).is_file()
    }

    /// The folder may be made anew, by a checkout of another branch.
    pub fn dir(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.path, ambient_authority())
    }

    /// Returns the files for the studio, sorted, and whether there are more of them.
    pub fn list(&self) -> io::Result<(Vec<(PathBuf, Kind)>, bool)> {
        let limits = SearchLimits { depth: names::DEPTH, entries: ENTRIES };
        let (paths, all) = search(&self.path, Some(limits), |path| Kind::of(path).is_some())?;
        let within = paths.iter().filter_map(|path| path.strip_prefix(&self.path).ok());
        let found = within.filter_map(|path| Some((path.to_owned(), Kind::of(path)?)));
        Ok((found.collect(), !all))
    }

    /// Reads a text.
    pub fn read(&self, path: &Path) -> Result<Text, Refusal> {
        text(content(&mut open(&self.dir()?, path, OpenOptions::new().read(true))?, LARGEST_TEXT)?)
    }

    /// Reads a sound.
    pub fn sound(&self, path: &Path) -> Result<Vec<u8>, Refusal> {
        content(&mut open(&self.dir()?, path, OpenOptions::new().read(true))?, LARGEST_SOUND)
    }

    /// Makes a new file. Returns the hash of its text.
    pub fn create(&self, path: &Path, new: &str) -> Result<String, Refusal> {
        let (dir, name) = self.place_of_new(path)?;
        let temporary = Temporary::new(&dir, new, None)?;
        rename_to_new(&dir, &temporary.name, &dir, name)?;
        temporary.keep();
        Ok(hash(new.as_bytes()))
    }

    /// Replaces a text that has this hash. Returns the hash of the new one.
    ///
    /// Whoever reads the file meanwhile, such as a server, sees the old text or the new one. Its permissions stay, and
    /// its owner if the system allows that. A link stays a link.
    pub fn replace(&self, path: &Path, expected: &str, new: &str) -> Result<String, Refusal> {
        let _changing = self.changing.lock();
        let root = self.dir()?;
        // Read-only means read-only, though a folder that can be written would let the file be replaced.
        let mut old = open(&root, path, OpenOptions::new().read(true).write(true))?;
        is_expected(&mut old, expected)?;
        let real = root.canonicalize(path)?;
        let name = real.file_name().ok_or(Refusal::Missing)?;
        let dir = folder_of(&root, &real)?;
        let temporary = Temporary::new(&dir, new, Some(&old.metadata()?))?;
        dir.rename(&temporary.name, &dir, name)?;
        temporary.keep();
        Ok(hash(new.as_bytes()))
    }

    /// Removes a text that has this hash.
    pub fn remove(&self, path: &Path, expected: &str) -> Result<(), Refusal> {
        let _changing = self.changing.lock();
        let root = self.dir()?;
        is_expected(&mut open(&root, path, OpenOptions::new().read(true))?, expected)?;
        Ok(root.remove_file(path)?)
    }

    /// Renames a text that has this hash.
    pub fn rename(&self, path: &Path, expected: &str, new: &Path) -> Result<(), Refusal> {
        let _changing = self.changing.lock();
        let root = self.dir()?;
        is_expected(&mut open(&root, path, OpenOptions::new().read(true))?, expected)?;
        let from = folder_of(&root, path)?;
        let (to, name) = self.place_of_new(new)?;
        rename_to_new(&from, Path::new(path.file_name().ok_or(Refusal::Missing)?), &to, name)
    }

    /// Returns the folder in which a new file will be, with its name there.
    fn place_of_new<'a>(&self, path: &'a Path) -> Result<(Dir, &'a Path), Refusal> {
        let root = self.dir()?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            root.create_dir_all(parent)?;
        }
        Ok((folder_of(&root, path)?, Path::new(path.file_name().ok_or(Refusal::Missing)?)))
    }
}

fn folder_of(root: &Dir, path: &Path) -> io::Result<Dir> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => root.open_dir(parent),
        None => root.try_clone(),
    }
}

/// Opens a file, if it is one. A pipe would wait for its other end.
fn open(root: &Dir, path: &Path, options: &mut OpenOptions) -> Result<File, Refusal> {
    let path = &root.canonicalize(path)?;
    if Kind::of(path).is_none() {
        // Such as the operator's file, which holds secrets.
        return Err(Refusal::Unfit("it is a link to what isn't shown here"));
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = root.open_with(path, options.custom_flags(flags.bits().cast_signed()))?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(Refusal::Unfit("it isn't a file, but a folder, a pipe or a device"))
    }
}

fn content(file: &mut File, largest: u64) -> Result<Vec<u8>, Refusal> {
    let mut content = Vec::new();
    Read::by_ref(file).take(largest + 1).read_to_end(&mut content)?;
    if content.len() as u64 > largest { Err(Refusal::Unfit("it is too large to be shown here")) } else { Ok(content) }
}

fn text(content: Vec<u8>) -> Result<Text, Refusal> {
    let hash = hash(&content);
    let text = String::from_utf8(content).map_err(|_| Refusal::Unfit("it isn't text in UTF-8"))?;
    Ok(Text { text, hash })
}

/// Checks that a file is still the one that was shown.
fn is_expected(file: &mut File, expected: &str) -> Result<(), Refusal> {
    let content = content(file, LARGEST_TEXT)?;
    if hash(&content) == expected { Ok(()) } else { Err(Refusal::Changed(text(content).ok())) }
}

fn hash(content: &[u8]) -> String {
    hex(&Sha256::digest(content)[..16])
}

/// Gives a file a name that no other one has.
fn rename_to_new(from: &Dir, old: &Path, to: &Dir, new: &Path) -> Result<(), Refusal> {
    match renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // A file system that can't do this at once.
        Err(Errno::INVAL | Errno::NOSYS) if to.symlink_metadata(new).is_err() => Ok(from.rename(old, to, new)?),
        Err(Errno::INVAL | Errno::NOSYS) => Err(Refusal::Exists),
        done => Ok(done?),
    }
}

/// A new text, in a hidden file until it takes its place.
struct Temporary<'a> {
    dir: &'a Dir,
    name: PathBuf,
    is_kept: bool,
}

impl<'a> Temporary<'a> {
    /// Writes a text, with the permissions and the owner of what it will replace.
    fn new(dir: &'a Dir, text: &str, like: Option<&Metadata>) -> Result<Self, Refusal> {
        let random = super::guard::Token::new()?;
        let name = PathBuf::from(format!(".agi-rhai-{}.tmp", random.text()));
        let mut file = dir.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
        let temporary = Self { dir, name, is_kept: false };
        if let Some(like) = like {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
                // Only root may give files away.
                let _ = fchown(&file, Some(Uid::from_raw(like.uid())), Some(Gid::from_raw(like.gid())));
            }
            file.set_permissions(like.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(temporary)
    }

    /// It has taken its place.
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}
