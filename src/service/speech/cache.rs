//! Sound files that were made once and are played again: in a folder that several processes may share.

use crate::clock;
use crate::service::unique::unique;
use crate::transport::Failure;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// The format of what is kept, and of Asterisk's files.
const EXTENSION: &str = "wav";
/// How old the time of the last use may be before it is written down again.
const USED_EVERY: Duration = Duration::from_secs(3600);
/// How much is left when too much was kept: enough that the folder isn't read each time.
const LEFT: f64 = 0.9;

/// A folder of sound files, of which the least used go when there are too many.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    max: u64,
}

impl Cache {
    pub fn new(folder: PathBuf, max: u64) -> Self {
        Self { folder, max }
    }

    /// Returns the file for this.
    pub fn file(&self, of: &[&str]) -> PathBuf {
        let mut hash = Sha256::new();
        for part in of {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut name = String::new();
        for byte in &hash.finalize()[..16] {
            // Writing to a text doesn't fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.folder.join(name).with_extension(EXTENSION)
    }

    /// Whether the file is there. If so, it counts as used now.
    pub async fn has(&self, file: &Path) -> Result<bool, Failure> {
        let file = file.to_owned();
        blocking(move || {
            let Ok(found) = fs::metadata(&file) else { return Ok(false) };
            if found.modified().is_ok_and(|used| used.elapsed().is_ok_and(|ago| ago > USED_EVERY)) {
                let now = UNIX_EPOCH + clock::wall().since_epoch();
                // Somebody else's file can be played all the same.
                let _ = File::open(&file).and_then(|file| file.set_times(FileTimes::new().set_modified(now)));
            }
            Ok(true)
        })
        .await
    }

    /// Keeps a file. Whoever looks for it sees all of it or nothing.
    pub async fn keep(&self, file: &Path, content: Vec<u8>) -> Result<(), Failure> {
        let (file, folder, max) = (file.to_owned(), self.folder.clone(), self.max);
        let shown = folder.display().to_string();
        blocking(move || {
            DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
            let new = folder.join(unique());
            // Asterisk is another user, most often.
            let written =
                OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new).and_then(|mut opened| {
                    opened.write_all(&content)?;
                    fs::rename(&new, &file)
                });
            if written.is_err() {
                let _ = fs::remove_file(&new);
            }
            written?;
            tidy(&folder, max)
        })
        .await
        .map_err(|failure| Failure {
            message: format!("speech can't be kept in {shown}: {}", failure.message),
            ..failure
        })
    }
}

/// Removes what wasn't used for the longest time, if there is too much.
fn tidy(folder: &Path, max: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another process may have removed it.
        let Ok(found) = entry.metadata() else { continue };
        if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
            files.push((found.modified().unwrap_or(UNIX_EPOCH), found.len(), entry.path()));
        }
    }
    let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
    if size <= max {
        return Ok(());
    }
    files.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of it"
    )]
    let left = (max as f64 * LEFT) as u64;
    for (_, length, file) in files {
        if size <= left {
            break;
        }
        size -= length;
        let _ = fs::remove_file(file);
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|_| Err(io::Error::other("no thread to read files")));
    done.map_err(|error| Failure::unavailable(error.to_string()))
}
