//! What only a disk has.

use super::given::is_file;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Distinguishes one state of a file from another. Given files have one only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp;

impl Stamp {
    pub fn at(path: &Path) -> io::Result<Self> {
        if is_file(path) { Ok(Self) } else { Err(ErrorKind::NotFound.into()) }
    }
}

pub(crate) fn is_executable(_: &Path) -> bool {
    false
}

pub(crate) fn is_executable_within(_: &OsStr, _: &str) -> bool {
    false
}

pub(crate) fn create_private_folder(_: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn append_to_private(_: &Path, _: bool) -> io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}
