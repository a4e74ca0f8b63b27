//! Files of Asterisk that a script may send: its recordings, as it names them.

use crate::agi::printable;
use crate::transport::Failure;
use rustix::fs::{Mode, OFlags, open};
use std::env::{temp_dir, var_os};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Where Asterisk keeps its sounds, unless it says otherwise in the environment of the call.
const DATA_FOLDERS: [&str; 2] = ["/var/lib/asterisk", "/usr/share/asterisk"];

/// Returns the folders of sounds, below which Asterisk looks for relative names.
fn sounds() -> Vec<PathBuf> {
    let told = [var_os("AST_DATA_DIR"), var_os("AST_VARLIB_DIR")].into_iter().flatten().map(PathBuf::from);
    told.chain(DATA_FOLDERS.map(PathBuf::from)).map(|folder| folder.join("sounds")).collect()
}

/// Returns the folders from which scripts may attach files unless the operator says otherwise: Asterisk's spool and
/// its sounds, where recordings are, and the temporary folder.
pub(super) fn default_folders() -> Vec<PathBuf> {
    let spool = var_os("AST_SPOOL_DIR").map_or_else(|| PathBuf::from("/var/spool/asterisk"), PathBuf::from);
    [vec![spool, temp_dir()], sounds()].concat()
}

/// Reads a file below one of these folders. Returns `None` if it is larger than this.
pub(super) async fn read(name: &str, folders: &[PathBuf], max: usize) -> Result<Option<Vec<u8>>, Failure> {
    let (name, folders) = (name.to_owned(), folders.to_owned());
    let reading = tokio::task::spawn_blocking(move || read_here(&name, &folders, max));
    reading.await.unwrap_or_else(|_| Err(Failure::unavailable("no thread to read a file")))
}

fn read_here(name: &str, folders: &[PathBuf], max: usize) -> Result<Option<Vec<u8>>, Failure> {
    let shown = printable(name);
    let wrong = |problem: String| Failure::argument(format!("the file `{shown}` can't be attached: {problem}"));
    let path = Path::new(name);
    let candidates = if path.is_absolute() {
        vec![path.to_owned()]
    } else {
        sounds().into_iter().chain(folders.iter().cloned()).map(|folder| folder.join(path)).collect()
    };
    // Opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut problem = io::Error::from(io::ErrorKind::NotFound);
    for candidate in candidates {
        let file = match open(&candidate, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(error) if error == rustix::io::Errno::NOENT => continue,
            Err(error) => {
                problem = error.into();
                continue;
            }
        };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(wrong("it isn't a regular file".to_owned()));
        }
        // The path of what was opened, whatever links there are.
        let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let real = real.map_err(|error| wrong(error.to_string()))?;
        let is_allowed = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| real.starts_with(folder));
        if !folders.iter().any(is_allowed) {
            return Err(wrong("it is in none of the folders that `attach` in agi-rhai.toml allows".to_owned()));
        }
        let mut content = Vec::new();
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
        return Ok((content.len() <= max).then_some(content));
    }
    if problem.kind() == io::ErrorKind::NotFound && path.extension().is_none() {
        return Err(wrong("there is none; a file's name ends in its format, such as `.wav`".to_owned()));
    }
    Err(wrong(problem.to_string()))
}
