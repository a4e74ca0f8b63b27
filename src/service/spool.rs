//! Asterisk's folder of call files.

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, fchmod, fchown, futimens};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A call file.
#[derive(Debug)]
pub(super) struct CallFile {
    pub text: String,
    /// When Asterisk takes it, in seconds since the Unix epoch; at once if there is none.
    pub at: Option<i64>,
}

/// Puts a call file into Asterisk's folder as a whole: it is written in a folder beside, and then moved.
pub(super) fn spool_in(spool: &Path, name: &str, file: &CallFile) -> io::Result<()> {
    let folder = fs::metadata(spool)?;
    let beside = spool.parent().unwrap_or(Path::new("/"));
    // Asterisk's own folder for this, or else the one above.
    let temporary = [beside.join("tmp"), beside.to_owned()].into_iter().find_map(|place| {
        let same_device = fs::metadata(&place).is_ok_and(|place| place.is_dir() && place.dev() == folder.dev());
        let path = place.join(format!(".{name}"));
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        same_device.then(|| options.open(&path).ok().map(|file| (file, path))).flatten()
    });
    let Some((mut out, path)) = temporary else {
        let problem = "the folder above it, or `tmp` in there, must be writable and on the same file system";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
    };
    let moved = write_all(&mut out, &folder, file).and_then(|()| fs::rename(&path, spool.join(name)));
    if moved.is_err() {
        let _ = fs::remove_file(&path);
    }
    moved?;
    // So that the call survives the machine, too.
    File::open(spool)?.sync_all()
}

fn write_all(out: &mut File, folder: &fs::Metadata, file: &CallFile) -> io::Result<()> {
    out.write_all(file.text.as_bytes())?;
    // Asterisk reads the file, and writes down in it how often it has tried. It owns the folder, or its group does.
    let (user, group) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    let is_theirs = fchown(&*out, Some(user), Some(group)).is_ok() || fchown(&*out, None, Some(group)).is_ok();
    fchmod(&*out, Mode::from_raw_mode(if is_theirs { 0o660 } else { 0o664 }))?;
    if let Some(at) = file.at {
        let at = Timespec { tv_sec: at, tv_nsec: 0 };
        futimens(&*out, &Timestamps { last_access: at, last_modification: at })?;
    }
    out.sync_all()
}
