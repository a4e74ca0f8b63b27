//! Finding scripts: one by its name, or all in a folder.

use agi_rhai::script::LoadError;
use ignore::WalkBuilder;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the file of a script: the path itself, or the file in the first folder that has it. `.rhai` may be left out.
pub fn find(script: &Path, folders: &[PathBuf]) -> PathBuf {
    let mut with_ending = script.to_owned();
    with_ending.as_mut_os_string().push(".rhai");
    let places = if script.is_absolute() { vec![PathBuf::new()] } else { folders.to_vec() };
    let candidates = places.iter().flat_map(|place| [place.join(script), place.join(&with_ending)]);
    let found = candidates.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| places.first().map_or_else(|| script.to_owned(), |place| place.join(script)))
}

/// Says why a path that somebody named can't be read: it isn't there, or it isn't a file.
pub fn why_not_read(path: &Path) -> String {
    let path_shown = path.display();
    if path.exists() {
        format!("cannot read {path_shown}: it isn't a file, but a pipe or a device")
    } else {
        format!("there is no {path_shown}")
    }
}

/// Adds the searched folders to the error of a missing script.
pub fn with_searched_folders(script: &Path, folders: &[PathBuf], error: LoadError) -> LoadError {
    match error {
        LoadError::Missing(_, error) if error.kind() == io::ErrorKind::NotFound && !script.is_absolute() => {
            let places = folders.iter().map(|folder| match folder.to_str() {
                Some(".") => "the current folder".to_owned(),
                _ => folder.display().to_string(),
            });
            let places = places.collect::<Vec<_>>().join(", ");
            LoadError::Missing(script.to_owned(), io::Error::new(error.kind(), format!("searched {places}")))
        }
        error => error,
    }
}

/// Returns the files that these paths mean, with those in all folders below; without a path, those of the scripts
/// folder or else of the current one.
///
/// # Errors
/// A path is neither a file nor a folder, or can't be read.
pub fn files_of(paths: &[PathBuf], scripts: Option<&Path>) -> io::Result<Vec<PathBuf>> {
    let usual = [scripts.unwrap_or(Path::new(".")).to_owned()];
    let mut files = Vec::new();
    for path in if paths.is_empty() { &usual[..] } else { paths } {
        if path.is_dir() {
            // Reading from a pipe would block forever.
            files.extend(below(path)?.into_iter().filter(|path| path.is_file()));
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(io::Error::other(why_not_read(path)));
        }
    }
    Ok(files)
}

/// Returns the scripts in a folder and in all folders below it, sorted by name.
///
/// Hidden files, files that git ignores and build folders are skipped, and links to folders aren't followed. None of
/// this applies to `folder` itself: a folder somebody names is searched, whatever it is.
pub fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (found, _) = search(folder, None, is_script)?;
    // `./game.rhai` is what people call `game.rhai`.
    Ok(found.into_iter().map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)).collect())
}

/// Limits for a search in a folder that may be anything, such as a home folder.
#[derive(Clone, Copy)]
pub struct SearchLimits {
    /// How deep it goes.
    pub depth: usize,
    /// How many files and folders it looks at.
    pub entries: usize,
}

/// Returns the wanted files in a folder and in all folders below it, as [`below`] does, and whether that is all.
pub fn search(
    folder: &Path,
    limits: Option<SearchLimits>,
    is_wanted: impl Fn(&Path) -> bool,
) -> io::Result<(Vec<PathBuf>, bool)> {
    let walk = WalkBuilder::new(folder)
        .ignore(false)
        .max_depth(limits.map(|limits| limits.depth))
        .filter_entry(|entry| entry.depth() == 0 || !is_build_folder(entry.path()))
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .build();
    let mut found = Vec::new();
    for (number, entry) in walk.enumerate() {
        if limits.is_some_and(|limits| number >= limits.entries) {
            return Ok((found, false));
        }
        let path = match entry {
            Ok(entry) => entry.into_path(),
            // What can't be read below a folder that may be anything is somebody else's.
            Err(_) if limits.is_some() && number > 0 => continue,
            Err(error) => return Err(unreadable(folder, error)),
        };
        if is_wanted(&path) && !path.is_dir() {
            found.push(path);
        }
    }
    Ok((found, true))
}

/// Whether this is a build folder such as Cargo's `target`, even where git doesn't ignore it: a folder that is tagged
/// as a cache, which can be created again (<https://bford.info/cachedir/>).
fn is_build_folder(path: &Path) -> bool {
    path.join("CACHEDIR.TAG").is_file()
}

/// Converts the error of a walk into one that names the folder it is about.
fn unreadable(folder: &Path, error: ignore::Error) -> io::Error {
    match error {
        ignore::Error::WithPath { path, err } => unreadable(&path, *err),
        ignore::Error::WithDepth { err, .. } => unreadable(folder, *err),
        error => {
            // Leaves out the path, which `ignore` puts into the text of some errors.
            let cause = match error.io_error().and_then(io::Error::raw_os_error) {
                Some(code) => io::Error::from_raw_os_error(code).to_string(),
                None => error.to_string(),
            };
            io::Error::other(format!("cannot read {}: {cause}", folder.display()))
        }
    }
}

pub fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rhai")
}
