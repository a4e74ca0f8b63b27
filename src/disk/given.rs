//! Files that somebody has given, by their paths, where there is no disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read, Seek};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

thread_local! {
    static FILES: RefCell<BTreeMap<PathBuf, Rc<[u8]>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Gives the files that there are from now on, on this thread.
pub fn give(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) {
    FILES.set(files.into_iter().map(|(path, bytes)| (plain(&path), bytes.into())).collect());
}

/// Returns a path without `.` and `..`, as there are no links.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            // Everything is in one folder.
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn found(path: &Path) -> io::Result<Rc<[u8]>> {
    FILES.with_borrow(|files| files.get(&plain(path)).cloned()).ok_or_else(|| ErrorKind::NotFound.into())
}

/// Reads a file.
///
/// # Errors
/// There is no such file, or it can't be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    found(path).map(|bytes| bytes.to_vec())
}

/// Opens a file to read parts of it. Returns its size, too.
pub(crate) fn open(path: &Path) -> io::Result<(impl Read + Seek, u64)> {
    let bytes = found(path)?;
    let size = bytes.len() as u64;
    Ok((Cursor::new(bytes), size))
}

/// Whether there is a file, and not a folder.
pub fn is_file(path: &Path) -> bool {
    found(path).is_ok()
}

/// Whether there is a folder: one that has something in it, or the one that everything is in.
pub fn is_dir(path: &Path) -> bool {
    let path = plain(path);
    path.as_os_str().is_empty()
        || FILES.with_borrow(|files| files.keys().any(|file| file != &path && file.starts_with(&path)))
}

/// Whether it is a symbolic link.
pub(crate) fn is_link(_: &Path) -> bool {
    false
}

/// Returns the path of a file without links.
///
/// # Errors
/// There is nothing at this path.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    if is_file(path) || is_dir(path) { Ok(plain(path)) } else { Err(ErrorKind::NotFound.into()) }
}

/// Returns the size of a file in bytes; `None` unless it is one.
pub(crate) fn size(path: &Path) -> Option<u64> {
    found(path).ok().map(|bytes| bytes.len() as u64)
}

/// Returns the paths of what is in a folder; none if it can't be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let within = plain(folder);
    let first = |file: &PathBuf| {
        let name = file.strip_prefix(&within).ok()?.components().next()?;
        Some(folder.join(name))
    };
    let mut found: Vec<PathBuf> = FILES.with_borrow(|files| files.keys().filter_map(first).collect());
    found.dedup();
    found
}

/// Returns the paths of what is in a folder, and whether each is a folder.
pub fn listed(folder: &Path) -> Vec<(PathBuf, bool)> {
    entries(folder).into_iter().map(|path| (path.clone(), is_dir(&path))).collect()
}

/// Returns a path from the root of all files.
///
/// # Errors
/// The path is empty.
#[expect(clippy::unnecessary_wraps, reason = "as on a disk")]
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    Ok(Path::new("/").join(plain(path)))
}

/// Returns the path that these bytes are.
pub fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Returns the bytes of a path.
pub fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}
