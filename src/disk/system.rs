//! The files of the system.

#![cfg_attr(feature = "sandbox", allow(dead_code, reason = "nobody reads from the disk"))]

use rustix::fs::OFlags;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Reads a file. Anything else, such as a named pipe, is refused: reading might wait forever.
///
/// # Errors
/// There is no such file, or it can't be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_without_waiting(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it isn't a file, but a pipe or a device"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file to read it. If it is a pipe, this doesn't wait.
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// Opens a file to read parts of it. Returns its size, too.
pub(crate) fn open(path: &Path) -> io::Result<(impl Read + Seek, u64)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Whether there is a file, and not a folder.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether there is a folder.
pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Whether it is a symbolic link.
pub(crate) fn is_link(path: &Path) -> bool {
    path.is_symlink()
}

/// Returns the path of a file without links.
///
/// # Errors
/// There is nothing at this path.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Returns the size of a file in bytes; `None` unless it is one.
pub(crate) fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| metadata.len())
}

/// Returns the paths of what is in a folder; none if it can't be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Returns the paths of what is in a folder, and whether each is a folder and no link to one.
pub fn listed(folder: &Path) -> Vec<(PathBuf, bool)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.file_type().ok()?.is_dir()))).collect()
}

/// Returns a path from the root of all files.
///
/// # Errors
/// The path is empty.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Returns the path that these bytes are, whatever they mean.
pub fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// Returns the bytes of a path.
pub fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Whether there is a program at this path.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether there is a program of this name in one of these folders, which are written as in `PATH`.
pub(crate) fn is_executable_within(folders: &OsStr, name: &str) -> bool {
    std::env::split_paths(folders).any(|folder| is_executable(&folder.join(name)))
}

/// Creates a folder, and those above it, for nobody but the user.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file of nobody but the user, to write at its end. A new one takes the place neither of an existing file nor
/// of one that was put there.
pub(crate) fn append_to_private(path: &Path, is_new: bool) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().append(true).create_new(is_new).mode(0o600).custom_flags(flags).open(path)
}

/// Distinguishes one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Returns the stamp of what this describes.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns the stamp of a file.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }
}
